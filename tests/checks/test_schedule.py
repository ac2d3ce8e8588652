"""What schedules keep: calendars as a server leaves them, and what is missing from them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks import retention as checks
from backupmeta.checks.policy import DEFAULT
from backupmeta.checks.retention import CheckedAccount, CheckedInstall, KeptBackup, Schedule, Tier, schedule_of
from backupmeta.findings import Finding
from tests.checks.subjects import install
from tests.examples import examples
from tests.invented import INSTALL

HOUR: Final = 3600
DAY: Final = 24 * HOUR
START: Final = int(datetime(2024, 1, 31, 2, tzinfo=UTC).timestamp())
"""A Wednesday, the last day of a month; in a leap year."""

Changes = Mapping[str, str | None]
NAMED: Final[Sequence[Changes]] = [{"autobk": name} for name in ("weeklymonthly", "dailyweeklymonthly", "daily30")]


def custom(daily: int = 0, weekly: int = 0, monthly: int = 0) -> Changes:
    """Return the changes to an install's record that give it a schedule of its own."""
    numbers = {"autobk_daily": daily, "autobk_weekly": weekly, "autobk_monthly": monthly}
    return {"autobk": "custom", **{key: str(number) for key, number in numbers.items()}}


def judged(schedule: Changes, times: Sequence[int], now: int, since: int | None = None) -> list[Finding]:
    """Return what is found of the backups made at ``times``, judged at ``now``, of an install since ``since``."""
    return judged_of(scheduled(schedule, since), times, now)


def scheduled(schedule: Changes, since: int | None) -> CheckedInstall:
    """Return an install of this ``schedule`` since ``since``."""
    return CheckedInstall.of(install(**{"time": None if since is None else str(since), **schedule}))


def judged_of(checked: CheckedInstall, times: Sequence[int], now: int) -> list[Finding]:
    """Return what is found of the backups made at ``times`` of an install, judged at ``now``."""
    kept = [KeptBackup(f"app_{time}.tar.gz", INSTALL, time, None) for time in times]
    account = CheckedAccount({INSTALL: checked}, kept, DEFAULT.requirements, now)
    return [*checks.too_old(account), *checks.retention(account)]


def days_ago(*days: float) -> list[int]:
    """Return the times that lie ``days`` before `START`."""
    return [START - int(one * DAY) for one in days]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.id, one.detail) for one in findings]


LATE: Final = 36 * HOUR
"""A night's run was left out, and the next one takes its time."""

OLD: Final = START - 1000 * DAY
"""When an install was made that is old enough for any schedule."""


# --- which schedule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "schedule"),
    [
        ({}, Schedule()),
        ({"autobk": "0"}, Schedule()),
        ({"autobk": ""}, Schedule()),
        ({"autobk": "weeklymonthly"}, Schedule(0, 1, 1)),
        ({"autobk": "dailyweeklymonthly"}, Schedule(1, 1, 1)),
        ({"autobk": "daily30"}, Schedule(30, 0, 0)),
        (custom(7, 4, 3), Schedule(7, 4, 3)),
        ({"autobk": "custom"}, Schedule()),
        ({"autobk": "custom", "autobk_daily": "seven", "autobk_weekly": "2"}, Schedule(0, 2, 0)),
        ({"autobk": "daily30", "autobk_weekly": "5"}, Schedule(30, 0, 0)),
        ({"autobk": "0123456789abcdef0123456789abcdef"}, None),
        ({"autobk": "Daily30"}, None),
    ],
)
def test_the_schedule_of_an_install(changes: Changes, schedule: Schedule | None) -> None:
    assert schedule_of(install(**changes)) == schedule


@pytest.mark.parametrize(
    ("schedule", "names"),
    [
        (Schedule(), []),
        (Schedule(1, 2, 3), [("daily", DAY, 1), ("weekly", 7 * DAY, 2), ("monthly", 31 * DAY, 3)]),
        (Schedule(0, -1, 2), [("monthly", 31 * DAY, 2)]),
    ],
)
def test_the_tiers_of_a_schedule(schedule: Schedule, names: list[tuple[str, int, int]]) -> None:
    assert [tuple(one) for one in schedule.tiers] == names


@pytest.mark.parametrize("changes", [{}, {"autobk": "0"}, {"autobk": "custom"}, custom(0, 0, 0), custom(-1, -7, 0)])
def test_without_a_schedule_nothing_is_found(changes: Changes) -> None:
    assert judged(changes, [], START, OLD) == []
    assert judged(changes, days_ago(900), START, OLD) == []


# --- calendars by hand ------------------------------------------------------------------------------------------------

EVERY_DAY: Final = tuple(range(30))


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        # this morning's backup; it is the week's and the month's as well
        ({"autobk": "weeklymonthly"}, [0]),
        ({"autobk": "dailyweeklymonthly"}, [0]),
        # the last Sunday's, and the first of the month's
        ({"autobk": "weeklymonthly"}, [3, 30]),
        # just before the next ones; the last were on time, or the weekly three hours late
        ({"autobk": "weeklymonthly"}, [7, 30.9]),
        ({"autobk": "weeklymonthly"}, [6.875, 31]),
        # last night's, the last Sunday's, and the first of the month's
        ({"autobk": "dailyweeklymonthly"}, [0.5, 3, 29]),
        ({"autobk": "dailyweeklymonthly"}, [1.1, 7, 30.9]),
        ({"autobk": "daily30"}, EVERY_DAY),
        # just before the next one, and with runs up to three hours late
        ({"autobk": "daily30"}, [one + 1 for one in EVERY_DAY]),
        ({"autobk": "daily30"}, [one + 1 - (one % 4) / 24 for one in EVERY_DAY]),
        # the server was down one night: one more is kept at the other end
        ({"autobk": "daily30"}, [one for one in range(31) if one != 11]),
        ({"autobk": "daily30"}, [one + 0.9 for one in range(31) if one != 11]),
        (custom(daily=7, weekly=4, monthly=3), [0, 1, 2, 3, 4, 5, 6, 10, 17, 24, 30, 61]),
        (custom(weekly=2), [3, 10]),
        (custom(monthly=2), [30, 61]),
        # a backup by hand among them
        (custom(weekly=2), [2.5, 3, 10]),
        ({"autobk": "daily30"}, [0.1, *EVERY_DAY]),
    ],
)
def test_what_an_honest_server_keeps(schedule: Changes, days: Sequence[float]) -> None:
    assert judged(schedule, days_ago(*days), START, OLD) == []


@pytest.mark.parametrize(
    ("schedule", "days", "found"),
    [
        (
            {"autobk": "weeklymonthly"},
            [],
            [("retention-unmet", "0 of 1 weekly"), ("retention-unmet", "0 of 1 monthly")],
        ),
        (
            {"autobk": "dailyweeklymonthly"},
            [2.75],
            [("backup-too-old", "3 days, at most 2.5"), ("retention-unmet", "0 of 1 daily")],
        ),
        (
            {"autobk": "dailyweeklymonthly"},
            [4],
            [("backup-too-old", "4 days, at most 2.5"), ("retention-unmet", "0 of 1 daily")],
        ),
        (
            {"autobk": "weeklymonthly"},
            [12],
            [("backup-too-old", "12 days, at most 8.5"), ("retention-unmet", "0 of 1 weekly")],
        ),
        (
            {"autobk": "weeklymonthly"},
            [400],
            [
                ("backup-too-old", "400 days, at most 8.5"),
                ("retention-unmet", "0 of 1 weekly"),
                ("retention-unmet", "0 of 1 monthly"),
            ],
        ),
        # one was deleted, or a night's run failed
        ({"autobk": "daily30"}, [one for one in EVERY_DAY if one != 11], [("retention-unmet", "29 of 30 daily")]),
        ({"autobk": "daily30"}, EVERY_DAY[:3], [("retention-unmet", "3 of 30 daily")]),
        # as many as asked for, all of one day
        (
            {"autobk": "daily30"},
            [one / 48 for one in range(30)],
            [("retention-unmet", "2 of 30 daily")],
        ),
        # as many as asked for, all of them old
        (
            {"autobk": "daily30"},
            [one + 100 for one in range(30)],
            [("backup-too-old", "100 days, at most 2.5"), ("retention-unmet", "0 of 30 daily")],
        ),
        (custom(weekly=4), [3, 10, 24], [("retention-unmet", "3 of 4 weekly")]),
        (custom(monthly=3), [5, 36], [("retention-unmet", "2 of 3 monthly")]),
        (custom(daily=7, weekly=4), [0, 1, 2, 3, 4, 5, 6], [("retention-unmet", "2 of 4 weekly")]),
    ],
)
def test_what_is_missing_is_found(schedule: Changes, days: Sequence[float], found: list[tuple[str, str]]) -> None:
    assert told(judged(schedule, days_ago(*days), START, OLD)) == found


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        # the night before last at two, none last night, the next one is two hours late
        ({"autobk": "dailyweeklymonthly"}, [2 + 2 / 24, 7, 30]),
        ({"autobk": "daily30"}, [one + 2 + 2 / 24 for one in range(30)]),
        # no run in the night of the week, the one of the night after is two hours late
        ({"autobk": "weeklymonthly"}, [8 + 2 / 24, 30]),
    ],
)
def test_a_night_without_a_run_is_forgiven(schedule: Changes, days: Sequence[float]) -> None:
    assert judged(schedule, days_ago(*days), START, OLD) == []


def test_a_night_without_a_run_is_forgiven_a_young_install() -> None:
    # made nine days and two hours ago; the first run came a day later, the fourth was left out, the next one is late
    days = [8 + 1 / 24, 7, 6, 4, 3, 2, 1 + 1 / 24]
    assert judged({"autobk": "daily30"}, days_ago(*days), START, START - 9 * DAY - 2 * HOUR) == []


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        # The newest backup of each of the last weeks or months is kept, as restic's forget does; this one has begun.
        (custom(daily=1, weekly=2), [0, 3]),
        (custom(daily=1, weekly=4), [0, 3, 10, 17]),
        (custom(daily=1, monthly=2), [0, 14]),
    ],
)
def test_the_week_that_has_begun_may_count(schedule: Changes, days: Sequence[float]) -> None:
    assert judged(schedule, days_ago(*days), START, OLD) == []


def test_the_installs_age_is_taken_for_its_schedules() -> None:
    """The account does not tell since when there is a schedule (FORMAT.md §8)."""
    found = judged({"autobk": "daily30"}, days_ago(0, 1, 2, 3, 4), START, OLD)
    assert [(one.id, one.detail) for one in found] == [("retention-unmet", "5 of 30 daily")]


# --- how old an install is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", NAMED)
def test_an_install_of_yesterday_needs_no_backup_yet(schedule: Changes) -> None:
    assert judged(schedule, [], START, START - DAY) == []


@pytest.mark.parametrize(
    ("schedule", "age", "found"),
    [
        ({"autobk": "daily30"}, 1 * DAY + LATE - 1, []),
        ({"autobk": "daily30"}, 1 * DAY + LATE, ["0 of 1 daily"]),
        ({"autobk": "daily30"}, 30 * DAY + LATE - 1, ["0 of 29 daily"]),
        ({"autobk": "daily30"}, 30 * DAY + LATE, ["0 of 30 daily"]),
        ({"autobk": "daily30"}, 999 * DAY, ["0 of 30 daily"]),
        ({"autobk": "weeklymonthly"}, 7 * DAY + LATE - 1, []),
        ({"autobk": "weeklymonthly"}, 7 * DAY + LATE, ["0 of 1 weekly"]),
        ({"autobk": "weeklymonthly"}, 31 * DAY + LATE - 1, ["0 of 1 weekly"]),
        ({"autobk": "weeklymonthly"}, 31 * DAY + LATE, ["0 of 1 weekly", "0 of 1 monthly"]),
    ],
)
def test_the_longer_there_is_an_install_the_more_is_expected(schedule: Changes, age: int, found: list[str]) -> None:
    assert [one.detail for one in judged(schedule, [], START, START - age)] == found


def test_without_the_install_s_time_its_first_backup_counts() -> None:
    assert judged({"autobk": "daily30"}, days_ago(0, 1, 2), START) == []
    assert told(judged({"autobk": "daily30"}, days_ago(0, 5), START)) == [("retention-unmet", "2 of 3 daily")]


def test_without_any_time_nothing_is_expected() -> None:
    assert judged({"autobk": "daily30"}, [], START) == []


def test_an_install_from_the_future_needs_nothing() -> None:
    assert judged({"autobk": "daily30"}, [], START, START + 99 * DAY) == []


@pytest.mark.parametrize("time", ["0", "-99999999999999999999", "soon"])
def test_an_install_s_time_may_be_anything(time: str) -> None:
    found = judged({**custom(daily=10**9), "time": time}, days_ago(0, 1), START)
    assert [one.id for one in found] in ([], ["retention-unmet"])


def test_numbers_of_thousands_of_digits_are_judged() -> None:
    huge = "9" * 4000
    schedule = {"autobk": "custom", "autobk_daily": huge, "autobk_monthly": huge}
    found = told(judged(schedule, days_ago(0, 1), START, START - 3 * DAY))
    assert found == []
    assert judged({"autobk": "daily30"}, [int(huge)], START, START) == []


# --- counting ---------------------------------------------------------------------------------------------------------

TIERS: Final = (
    Tier("daily", DAY, 1),
    Tier("daily", DAY, 30),
    Tier("weekly", 7 * DAY, 2),
    Tier("monthly", 31 * DAY, 1),
)


@given(
    tier=st.sampled_from(TIERS),
    hours=st.lists(st.integers(-24 * 40, 24 * 80), max_size=4),
)
def test_as_many_are_kept_as_fill_the_schedules_places(tier: Tier, hours: list[int]) -> None:
    places = [((at - 1) * tier.seconds, (at + 1) * tier.seconds + LATE) for at in range(tier.keeps)]
    assert tier.kept([START - one * HOUR for one in hours], START) == _filled(places, [one * HOUR for one in hours])


def _filled(places: Sequence[tuple[float, float]], ages: Sequence[int]) -> int:
    """Return how many places can be filled at most, each with an age that fits; by trying."""
    if not places or not ages:
        return 0
    (least, most), *others = places
    fitting = [at for at, age in enumerate(ages) if least <= age <= most]
    with_one = (1 + _filled(others, [*ages[:at], *ages[at + 1 :]]) for at in fitting)
    return max((_filled(others, ages), *with_one))


# --- a server, night by night -----------------------------------------------------------------------------------------


class Rotation(NamedTuple):
    """How many backups of each tier a server keeps."""

    daily: int
    weekly: int
    monthly: int

    @property
    def record(self) -> Changes:
        return custom(*self)


def due(tier: int, night: datetime, last: datetime | None) -> bool:
    """Tell whether the night's run makes a backup for a tier: each night, the first of a week, the first of a month."""
    if last is None or tier == 0:
        return True
    if tier == 1:
        return night.isocalendar()[:2] != last.isocalendar()[:2]
    return (night.year, night.month) != (last.year, last.month)


def begun(night: datetime, *, waits: bool) -> list[datetime | None]:
    """Return what stands for each tier's last backup before the first night: one, if the server waits for a Monday."""
    return [None, night, night] if waits else [None, None, None]


def rotated(
    rotation: Rotation, created: datetime, hour: int, late: Sequence[int | None], *, waits: bool = False
) -> Iterator[tuple[int, list[int]]]:
    """Yield moments, and when the backups were made that are kept then: before and after each night's run.

    A run comes some minutes ``late``, or, where that is None, not at all. It makes one backup, if any tier is due; each
    tier keeps the newest of its own, and a backup that no tier keeps is deleted. With ``waits`` the first weekly backup
    comes on a Monday and the first monthly one on the first of a month.
    """
    first = created.replace(hour=hour, minute=0, second=0)
    first += timedelta(days=first <= created)
    last, held = begun(first - timedelta(days=1), waits=waits), list[list[int]]([[], [], []])
    for number, minutes in enumerate(late):
        if minutes is None:
            continue
        night = first + timedelta(days=number)
        run = int(night.timestamp()) + minutes * 60
        yield run - 1, sorted({one for tier in held for one in tier})
        for tier, keeps in enumerate(rotation):
            if keeps and due(tier, night, last[tier]):
                held[tier] = [*held[tier], run][-keeps:]
                last[tier] = night
        yield run + 1, sorted({one for tier in held for one in tier})


ROTATIONS: Final = (
    *((schedule, rotation) for schedule, rotation in zip(NAMED, [(0, 1, 1), (1, 1, 1), (30, 0, 0)], strict=True)),
    *((custom(*one), one) for one in [(7, 4, 3), (1, 4, 0), (2, 0, 2), (0, 3, 0), (0, 0, 2), (14, 8, 12)]),
)
NIGHTS: Final = 130


@pytest.mark.parametrize(("schedule", "numbers"), ROTATIONS)
@examples(15)
@given(
    created=st.datetimes(datetime(2020, 1, 1), datetime(2024, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    hour=st.integers(0, 20),
    late=st.lists(st.integers(0, 180), min_size=NIGHTS, max_size=NIGHTS),
    waits=st.booleans(),
)
def test_an_honest_rotation_is_never_found(
    schedule: Changes, numbers: tuple[int, int, int], created: datetime, hour: int, late: list[int], *, waits: bool
) -> None:
    checked = scheduled(schedule, int(created.timestamp()))
    for now, times in rotated(Rotation(*numbers), created, hour, late, waits=waits):
        assert judged_of(checked, times, now) == []


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize(("schedule", "numbers"), ROTATIONS)
def test_a_server_that_was_down_for_one_night_is_never_found(schedule: Changes, numbers: tuple[int, int, int]) -> None:
    created = datetime(2024, 1, 30, 12, tzinfo=UTC)
    checked = scheduled(schedule, int(created.timestamp()))
    for down in range(30, 62):  # among them a Monday, and the first of a month
        late: list[int | None] = [0] * 70
        late[down], late[down + 1] = None, 180
        for now, times in rotated(Rotation(*numbers), created, 2, late):
            assert judged_of(checked, times, now) == []


@pytest.mark.parametrize(("schedule", "numbers"), ROTATIONS)
def test_a_rotation_that_stops_is_found(schedule: Changes, numbers: tuple[int, int, int]) -> None:
    created = datetime(2024, 1, 31, 12, tzinfo=UTC)
    *_, (now, times) = rotated(Rotation(*numbers), created, 2, [0] * NIGHTS)
    assert judged(schedule, times, now, int(created.timestamp())) == []
    found = judged(schedule, times, now + 40 * DAY, int(created.timestamp()))
    assert found[0].id == "backup-too-old"
