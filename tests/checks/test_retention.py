"""Checks of an account: copies, backups without an install, how many and how old they are."""

import re
from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.backup.inspection import Inspection
from backupmeta.checks import retention as checks
from backupmeta.checks import rulebook
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import DEFAULT, Policy
from backupmeta.checks.retention import CheckedAccount, CheckedInstall, KeptBackup
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from tests.checks.subjects import INSTALL_RECORD, ids, install, installed
from tests.invented import INSTALL, TIME, install_record

DAY: Final = 86_400
OTHER: Final = "dbvtwnyvhzk8cgw8ks4gcgoo4"
DIGEST: Final = "a" * 64


def kept(
    name: str = "a.tar.gz", of: str = INSTALL, time: int | None = TIME, sha256: str | None = None, folder: str = "/b"
) -> KeptBackup:
    return KeptBackup(f"{folder}/{name}", of, time, sha256)


def checked(installs: Mapping[str, Inspection]) -> dict[str, CheckedInstall]:
    """Return what is asked of the ``installs``."""
    return {id_: CheckedInstall.of(one) for id_, one in installs.items()}


def account(
    *backups: KeptBackup,
    installs: Mapping[str, Inspection] | None = None,
    policy: Policy = DEFAULT,
    now: int = TIME + 1,
) -> CheckedAccount:
    """Return an account with ``backups``, and one install without a schedule unless others are given."""
    installs = {INSTALL: install()} if installs is None else installs
    return CheckedAccount(checked(installs), backups, policy.requirements, now, installs)


def found(one: CheckedAccount) -> list[Finding]:
    return list(rulebook.of_account(one))


def at(name: str) -> Source:
    return Source(Witness.FILE_SYSTEM, f"/b/{name}")


RECORD: Final = Source(Witness.FILE_NAME, INSTALL_RECORD)
"""Where an install's id comes from: the name of its record."""


def test_an_honest_account_is_silent() -> None:
    one = account(kept(sha256=DIGEST), kept("b.tar.gz", time=TIME - DAY, sha256="b" * 64), kept("c", sha256=None))
    assert found(one) == []


@pytest.mark.parametrize("installs", [None, {}])
def test_an_empty_account_is_silent(installs: dict[str, CheckedInstall] | None) -> None:
    policy = Policy(requirements=Requirements(maximum_age_days=1, minimum_backups=1))
    assert found(CheckedAccount(installs, (), policy.requirements, TIME)) == []


# --- copies -----------------------------------------------------------------------------------------------------------


def test_copies_are_told_of_the_first() -> None:
    names = ["a.tar.gz", "b.tar.gz", "c.tar.gz"]
    one = account(*(kept(name, sha256=DIGEST) for name in names), kept("d.tar.gz", sha256="d" * 64))
    assert found(one) == [
        Finding(FINDINGS["backup-duplicate"], "b.tar.gz", "a.tar.gz", (at("b.tar.gz"), at("a.tar.gz"))),
        Finding(FINDINGS["backup-duplicate"], "c.tar.gz", "a.tar.gz", (at("c.tar.gz"), at("a.tar.gz"))),
    ]


def test_backups_that_were_not_wholly_read_are_no_copies() -> None:
    assert found(account(kept("a"), kept("b"), kept("c", sha256=DIGEST))) == []


def test_names_are_told_without_their_folders() -> None:
    one = account(kept("a", sha256=DIGEST, folder="c:\\backups"), KeptBackup("c:\\backups\\b", INSTALL, TIME, DIGEST))
    assert [(one.subject, one.detail) for one in found(one)] == [("b", "a")]


def test_a_name_that_is_not_utf8_can_be_told() -> None:
    one = account(kept("\udce9", sha256=DIGEST), kept("b", sha256=DIGEST))
    assert [(one.subject, one.detail) for one in found(one)] == [("b", "\udce9")]


# --- backups without an install ---------------------------------------------------------------------------------------


def test_a_backup_s_install_is_gone() -> None:
    one = account(kept(), kept("b.tar.gz", of=OTHER))
    assert found(one) == [Finding(FINDINGS["backup-orphaned"], "b.tar.gz", f"install {OTHER}", (at("b.tar.gz"),))]


def test_all_installs_are_gone() -> None:
    assert ids(found(account(kept(), kept("b"), installs={}))) == ["backup-orphaned", "backup-orphaned"]


def test_without_records_of_installs_none_is_gone() -> None:
    assert found(CheckedAccount(None, (kept(), kept("b", of=OTHER)), DEFAULT.requirements, TIME)) == []


def test_a_backup_of_nobody_knows_what_has_not_lost_its_install() -> None:
    assert found(account(kept(of=""))) == []


# --- too old ----------------------------------------------------------------------------------------------------------


def aged(days: float | None) -> Policy:
    return Policy(requirements=Requirements(maximum_age_days=days))


@pytest.mark.parametrize(("days", "age"), [(8, 8 * DAY), (0.5, DAY // 2), (36_525, 36_525 * DAY), (1, -300)])
def test_the_newest_backup_is_new_enough(days: float, age: int) -> None:
    one = account(kept(), kept("old", time=1), policy=aged(days), now=TIME + age)
    assert list(checks.too_old(one)) == []


def test_the_newest_backup_is_older_than_the_policy_allows() -> None:
    one = account(kept(), kept("old", time=1), policy=aged(8), now=TIME + 9 * DAY)
    assert found(one) == [Finding(FINDINGS["backup-too-old"], INSTALL, "9 days, at most 8", (RECORD,))]


def test_thousands_of_days_are_grouped() -> None:
    (one,) = found(account(kept(time=0), policy=aged(8.5), now=5000 * DAY))
    assert one.detail == "5,000 days, at most 8.5"


@pytest.mark.parametrize(("days", "hours"), [(8, 8 * 24 + 12), (0.5, 18)])
def test_the_age_that_is_told_is_more_than_what_is_allowed(days: float, hours: int) -> None:
    (one,) = found(account(kept(), policy=aged(days), now=TIME + hours * 3600))
    told, _, most = re.sub(" days?, at most ", "|", one.detail).partition("|")
    assert float(told) > float(most)


@pytest.mark.parametrize(("schedule", "most"), [("daily30", 2.5), ("dailyweeklymonthly", 2.5), ("weeklymonthly", 8.5)])
def test_without_a_policy_the_schedule_tells_how_old_it_may_be(schedule: str, most: float) -> None:
    installs = {INSTALL: install(autobk=schedule)}
    assert list(checks.too_old(account(kept(), installs=installs, now=TIME + int(most * DAY)))) == []
    old = account(kept(), installs=installs, now=TIME + int((most + 0.5) * DAY))
    detail = f"{most + 0.5:g} days, at most {most}"
    assert list(checks.too_old(old)) == [Finding(FINDINGS["backup-too-old"], INSTALL, detail, (RECORD,))]


@pytest.mark.parametrize(("days", "age", "found"), [(30, 9, []), (2, 3, ["backup-too-old"])])
def test_the_policy_wins_over_the_schedule(days: int, age: int, found: list[str]) -> None:
    installs = {INSTALL: install(autobk="weeklymonthly")}
    one = account(kept(), installs=installs, policy=aged(days), now=TIME + age * DAY)
    assert ids(list(checks.too_old(one))) == found


@pytest.mark.parametrize("schedule", ["0", "custom", "0123456789abcdef0123456789abcdef"])
def test_without_a_policy_and_a_known_schedule_nothing_is_too_old(schedule: str) -> None:
    one = account(kept(), installs={INSTALL: install(autobk=schedule)}, now=TIME + 9999 * DAY)
    assert list(checks.too_old(one)) == []


def test_each_install_has_its_own_newest_backup() -> None:
    installs = {INSTALL: install(), OTHER: install(OTHER)}
    one = account(kept(time=1), kept("b", of=OTHER), installs=installs, policy=aged(8))
    assert [(one.id, one.subject) for one in found(one)] == [("backup-too-old", INSTALL)]


def test_without_a_time_nothing_is_too_old() -> None:
    assert list(checks.too_old(account(kept(time=None), policy=aged(1), now=TIME + 99 * DAY))) == []


def test_without_records_of_installs_a_policy_asks_for_those_that_backups_name() -> None:
    policy = Policy(requirements=Requirements(minimum_backups=2, maximum_age_days=8))
    one = CheckedAccount(None, [kept()], policy.requirements, TIME + 9 * DAY)
    found = [*checks.too_old(one), *checks.too_few(one)]
    assert [(one.id, one.subject, one.evidence) for one in found] == [
        ("backup-too-old", INSTALL, (kept().source,)),
        ("backups-too-few", INSTALL, (kept().source,)),
    ]


@pytest.mark.parametrize("backups", [(), (kept(of=OTHER),), (kept(of=""),)])
def test_none_at_all_is_too_old_for_a_policy_alone(backups: tuple[KeptBackup, ...]) -> None:
    [found] = checks.too_old(account(*backups, policy=aged(1)))
    assert found == Finding(FINDINGS["backup-too-old"], INSTALL, "there is none at all", (RECORD,))
    assert list(checks.too_old(account(*backups, installs={INSTALL: install(autobk="daily30")}))) == []


def test_a_backup_from_the_future_hides_nothing() -> None:
    one = account(kept(), kept("b", time=9**99), policy=aged(8), now=TIME + 99 * DAY)
    assert ids(list(checks.too_old(one))) == ["backup-too-old"]


# --- too few ----------------------------------------------------------------------------------------------------------


def at_least(number: int) -> Policy:
    return Policy(requirements=Requirements(minimum_backups=number))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_there_are_enough_backups(number: int) -> None:
    # one whose time nobody tells counts as well
    assert found(account(kept(), kept("b", time=None), policy=at_least(number))) == []


@pytest.mark.parametrize(("backups", "have"), [((), 0), ((kept(), kept("b", of=OTHER)), 1)])
def test_there_are_too_few_backups(backups: tuple[KeptBackup, ...], have: int) -> None:
    one = account(*backups, policy=at_least(2))
    assert list(checks.too_few(one)) == [Finding(FINDINGS["backups-too-few"], INSTALL, f"{have} of 2", (RECORD,))]


# --- what the schedule keeps ------------------------------------------------------------------------------------------


def autobk(line: int, offset: int) -> Source:
    return Source(Witness.INSTALL_RECORD, INSTALL_RECORD, None, line, offset)


def test_what_the_schedule_should_keep_is_not_there() -> None:
    one = account(installs={INSTALL: _scheduled("dailyweeklymonthly")}, now=TIME + 400 * DAY)
    # the tenth line; the nine before it have 185 bytes
    evidence = (autobk(10, 185),)
    assert found(one) == [
        Finding(FINDINGS["retention-unmet"], INSTALL, "0 of 1 daily", evidence),
        Finding(FINDINGS["retention-unmet"], INSTALL, "0 of 1 weekly", evidence),
        Finding(FINDINGS["retention-unmet"], INSTALL, "0 of 1 monthly", evidence),
    ]


def test_a_schedule_that_the_account_does_not_describe_is_a_note() -> None:
    schedule = "0123456789abcdef0123456789abcdef"
    one = account(installs={INSTALL: _scheduled(schedule)}, now=TIME + 400 * DAY)
    assert found(one) == [Finding(FINDINGS["schedule-unknown"], INSTALL, schedule, (autobk(10, 185),))]


def test_a_schedule_that_can_not_be_decoded_is_unknown() -> None:
    undecodable = installed(install_record(autobk="PLACE").replace(b"PLACE", b"\xff"))
    assert undecodable.get("autobk_schedule") is None
    assert [(one.id, one.detail) for one in found(account(installs={INSTALL: undecodable}))] == [
        ("schedule-unknown", "")
    ]


def _scheduled(schedule: str) -> Inspection:
    """Return an install with a ``schedule``.

    Its record's first nine lines, with their ends: installer=wordpress (20 bytes), version=6.5.4 (14), owner=exampleu
    (15), path=/home/exampleu/public_html/blog (37), url=https://www.example.com/blog (33), url-domain=example.com (23),
    title=Blog (11), time=1718296434 (16), db-pass=hunter2 (16).
    """
    return install(autobk=schedule)


def test_a_schedule_of_one_install_is_not_the_other_s() -> None:
    installs = {INSTALL: install(autobk="daily30"), OTHER: install(OTHER)}
    one = account(kept(of=OTHER), installs=installs, now=TIME + 99 * DAY)
    assert [(one.id, one.subject) for one in found(one)] == [("retention-unmet", INSTALL)]


# --- whatever there is ------------------------------------------------------------------------------------------------

KEPT: Final = st.builds(
    kept,
    name=st.text("ab/\\\udcff", max_size=4),
    of=st.sampled_from(["", INSTALL, OTHER, "third"]),
    time=st.none() | st.integers(min_value=0),
    sha256=st.none() | st.sampled_from(["a" * 64, "b" * 64]),
)
SCHEDULES: Final = st.sampled_from(["0", "daily30", "weeklymonthly", "dailyweeklymonthly", "custom", "other"])


@given(
    st.lists(KEPT, max_size=6),
    st.dictionaries(st.sampled_from([INSTALL, OTHER]), SCHEDULES),
    st.integers(0, 2**40),
)
def test_no_account_breaks_a_check_and_all_findings_show_where(
    backups: list[KeptBackup], schedules: dict[str, str], now: int
) -> None:
    policy = Policy(requirements=Requirements(minimum_backups=2))
    installs = {id_: install(id_, autobk=schedule) for id_, schedule in schedules.items()}
    findings = found(CheckedAccount(checked(installs), backups, policy.requirements, now, installs))
    assert all(one.evidence and one.message for one in findings)
    firsts = {one.sha256: one.path for one in reversed(backups)}
    copies = sum(one.sha256 is not None and one.path != firsts[one.sha256] for one in backups)
    assert ids(findings).count("backup-duplicate") == copies
    orphans = sum(one.install != "" and one.install not in installs for one in backups)
    assert ids(findings).count("backup-orphaned") == orphans
    few = sum(sum(one.install == id_ for one in backups) < 2 for id_ in installs)
    assert ids(findings).count("backups-too-few") == few
