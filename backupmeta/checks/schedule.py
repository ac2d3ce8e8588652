"""Schedules of automatic backups: what each keeps (FORMAT.md §4, ``autobk``; §8, "Schedules")."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from backupmeta.backup.inspection import Inspection

DAY: Final = 86_400
_WEEK: Final = 7 * DAY
_MONTH: Final = 31 * DAY
LATE: Final = 36 * 3600
"""How late a backup may be, in seconds: a night's run was left out, and the next one takes its time."""


class Schedule(NamedTuple):
    """How many backups of each period a schedule keeps."""

    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    @property
    def tiers(self) -> tuple["Tier", ...]:
        """The periods of which it keeps any, the shortest first."""
        names, counts = (("daily", DAY), ("weekly", _WEEK), ("monthly", _MONTH)), self
        return tuple(Tier(*named, keeps) for named, keeps in zip(names, counts, strict=True) if keeps > 0)


class Tier(NamedTuple):
    """One period of a schedule.

    Attributes:
        name: its name.
        seconds: its length.
        keeps: how many backups are kept of it.
    """

    name: str
    seconds: int
    keeps: int

    def kept(self, times: Sequence[int], now: int) -> int:
        """Return how many of its backups are among those made at ``times`` (Unix seconds), seen at ``now``.

        The first, second, … is as many periods old, or up to one less: a period that has begun may count or not.
        """
        kept = slot = 0
        for age in sorted(now - time for time in times):
            while age > (slot + 1) * self.seconds + LATE:
                slot += 1
            if slot < self.keeps and age >= (slot - 1) * self.seconds:
                kept, slot = kept + 1, slot + 1
        return kept

    def expected(self, since: int, now: int) -> int:
        """Return how many there should be at ``now`` of an install that exists ``since`` then (Unix seconds)."""
        return max(0, min(self.keeps, (now - since - LATE) // self.seconds))


SCHEDULES: Final = {
    "weeklymonthly": Schedule(weekly=1, monthly=1),
    "dailyweeklymonthly": Schedule(daily=1, weekly=1, monthly=1),
    "daily30": Schedule(daily=30),
}
"""Those that every server has; an admin's own are not described in the account."""


def schedule_of(install: Inspection) -> Schedule | None:
    """Return the schedule of an install; None where there is one that the account does not describe."""
    mode = install.text("autobk")
    if mode == "schedule":
        return SCHEDULES.get(install.text("autobk_schedule"))
    if mode != "custom":
        return Schedule()
    daily, weekly, monthly = (_number(install, f"autobk_{name}") for name in ("daily", "weekly", "monthly"))
    return Schedule(daily, weekly, monthly)


def _number(install: Inspection, name: str) -> int:
    value = install.get(name)
    return value if isinstance(value, int) else 0
