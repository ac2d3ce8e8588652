"""Checks of an account: whether its backups have installs, and are as many and as new as they should be.

What each schedule of automatic backups keeps: FORMAT.md §4, ``autobk``; §8, "Schedules". Records without archives, and
archives without records, are found when the two are paired (`backupmeta.account.home`).
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Self

from backupmeta.account.home import orphaned
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.checked_backup import Requirements
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import Source, Witness, shown_name
from backupmeta.words import counted

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


_error = partial(FindingRule, Group.ACCOUNT, Severity.ERROR)
_warning = partial(FindingRule, Group.ACCOUNT, Severity.WARNING)
_note = partial(FindingRule, Group.ACCOUNT, Severity.NOTE)
_SCHEDULE: Final = "make a backup now, and see why the schedule made none"


class KeptBackup(NamedTuple):
    """A backup that an account has.

    Attributes:
        path: its archive, as the server saw it; without one its record.
        install: the id of its install; empty where nothing tells it.
        time: when it was made, Unix seconds; None where nothing tells it.
        sha256: the digest of its archive, in hexadecimal; None where it was not counted.
        is_whole: whether it counts as kept: its archive was read to its end, or is remote.
    """

    path: str
    install: str
    time: int | None
    sha256: str | None
    is_whole: bool = True

    @property
    def name(self) -> str:
        """Its archive's name, as it may be shown."""
        return shown_name(self.path)

    @property
    def source(self) -> Source:
        """Its place."""
        return Source(Witness.FILE_SYSTEM, self.path)


class CheckedInstall(NamedTuple):
    """What is asked of a live install.

    Attributes:
        record: its record.
        schedule_source: where its schedule is told.
        schedule: its schedule; None where there is one that the account does not describe.
        schedule_name: how the server calls that.
        created: since when there is the install, Unix seconds; None where its record does not tell.
    """

    record: Source
    schedule_source: Source
    schedule: Schedule | None
    schedule_name: str
    created: int | None

    @classmethod
    def of(cls, install: Inspection) -> Self:
        """Return what is asked of an ``install``."""
        sources, since = (install.source("id"), install.source("autobk")), install.seconds("time_created")
        return cls(*sources, schedule_of(install), install.text("autobk_schedule"), since)


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """An account to judge.

    Attributes:
        installs: its live installs, by id; None where it has no records of installs.
        kept: its backups.
        requirements: what is asked for.
        now: the moment of judging, Unix seconds.
        live: the ids of its live installs, also of those whose record can't be read; None where nobody knows all.
    """

    installs: Mapping[str, CheckedInstall] | None
    kept: Sequence[KeptBackup]
    requirements: Requirements
    now: int
    live: Container[str] | None = None

    @property
    def by_install(self) -> dict[str, list[KeptBackup]]:
        """Its whole backups by their install's id: of each live install, or, without records of any, of those named."""
        backups: dict[str, list[KeptBackup]] = {id_: [] for id_ in self.installs or ()}
        for backup in self.kept:
            if backup.is_whole and (backup.install in backups or (backup.install and self.installs is None)):
                backups.setdefault(backup.install, []).append(backup)
        return backups

    def place(self, install: str, backups: Sequence[KeptBackup]) -> Source:
        """Return where an install is told of: its record, else its first backup."""
        return self.installs[install].record if self.installs is not None else backups[0].source


BACKUP_DUPLICATE: Final = _warning(
    "backup-duplicate", "two backups are the same, byte for byte", "one of them is a copy; see which backup it replaced"
)


def duplicates(account: CheckedAccount) -> Iterator[Finding]:
    """Yield backups that are the same, byte for byte."""
    same: dict[str, list[KeptBackup]] = {}
    for backup in account.kept:
        if backup.sha256 is not None:
            same.setdefault(backup.sha256, []).append(backup)
    for first, *others in same.values():
        for other in others:
            if other.path != first.path:
                yield Finding(BACKUP_DUPLICATE, other.name, first.name, (other.source, first.source))


def orphans(account: CheckedAccount) -> Iterator[Finding]:
    """Yield the backups of an account whose install is gone."""
    for backup in account.kept:
        yield from orphaned(backup.path, backup.install, account.live)


BACKUP_TOO_OLD: Final = _warning("backup-too-old", "the newest backup of an install is too old", _SCHEDULE)


def too_old(account: CheckedAccount) -> Iterator[Finding]:
    """Yield installs whose newest backup is older than the policy, or else the install's own schedule, allows."""
    for id_, backups in account.by_install.items():
        times, most = _times(account, backups), _oldest_allowed(account, id_)
        if account.requirements.maximum_age_days and not backups:
            yield Finding(BACKUP_TOO_OLD, id_, "there is none at all", (account.place(id_, backups),))
        elif times and most is not None and account.now - max(times) > most:
            age = -((max(times) - account.now) // DAY)  # rounded up, so that it is more than what is allowed
            detail = f"{counted(age, 'day')}, at most {most / DAY:g}"
            yield Finding(BACKUP_TOO_OLD, id_, detail, (account.place(id_, backups),))


BACKUPS_TOO_FEW: Final = _error(
    "backups-too-few", "an install has fewer backups than the policy asks for", "make more, or keep more"
)


def too_few(account: CheckedAccount) -> Iterator[Finding]:
    """Yield installs with fewer backups than the policy asks for."""
    least = account.requirements.minimum_backups
    for id_, backups in account.by_install.items():
        if len(backups) < least:
            yield Finding(BACKUPS_TOO_FEW, id_, f"{len(backups)} of {least}", (account.place(id_, backups),))


RETENTION_UNMET: Final = _warning(
    "retention-unmet", "the backups that are kept are not what the schedule should keep", _SCHEDULE
)
SCHEDULE_UNKNOWN: Final = _note(
    "schedule-unknown",
    "the schedule is one that the account does not describe; retention was not judged",
    "judge it by hand",
)


def retention(account: CheckedAccount) -> Iterator[Finding]:
    """Yield live installs whose kept backups are not what their schedule keeps."""
    by_install = account.by_install
    for id_, install in (account.installs or {}).items():
        if install.schedule is None:
            yield Finding(SCHEDULE_UNKNOWN, id_, install.schedule_name, (install.schedule_source,))
            continue
        times = _times(account, by_install[id_])
        since = min(times, default=account.now) if install.created is None else install.created
        for tier in install.schedule.tiers:
            kept, expected = tier.kept(times, account.now), tier.expected(since, account.now)
            if kept < expected:
                detail = f"{kept} of {expected} {tier.name}"
                yield Finding(RETENTION_UNMET, id_, detail, (install.schedule_source,))


def _times(account: CheckedAccount, backups: Sequence[KeptBackup]) -> list[int]:
    """Return when ``backups`` were made, Unix seconds; a time that lies far ahead is none."""
    return [backup.time for backup in backups if backup.time is not None and backup.time <= account.now + DAY]


def _oldest_allowed(account: CheckedAccount, id_: str) -> float | None:
    """Return how old an install's newest backup may be, in seconds; None where nobody asks for any."""
    days, install = account.requirements.maximum_age_days, (account.installs or {}).get(id_)
    if days is not None:
        return days * DAY
    tiers = ((install and install.schedule) or Schedule()).tiers
    return tiers[0].seconds + LATE if tiers else None


AccountCheck = Callable[[CheckedAccount], Iterator[Finding]]
CHECKS: Final[tuple[AccountCheck, ...]] = (duplicates, orphans, too_old, too_few, retention)
