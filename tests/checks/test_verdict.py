"""Judging: which checks are asked, in which order findings come, and the verdict by a policy."""

from itertools import permutations
from typing import Final

import pytest

from backupmeta.checks import rulebook
from backupmeta.checks.policy import DEFAULT, Judged, Policy, Verdict, judge, verdict_of
from backupmeta.checks.retention import CheckedAccount, KeptBackup
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from tests.checks.subjects import backup, ids, record, without
from tests.invented import INSTALL, TIME

ERROR: Final = Finding(FINDINGS["file-missing"], "a")
LATER_ERROR: Final = Finding(FINDINGS["application-version-differs"], "b")
WARNING: Final = Finding(FINDINGS["time-in-future"], "c")
LATER_WARNING: Final = Finding(FINDINGS["file-unlisted"], "d")
NOTE: Final = Finding(FINDINGS["record-holds-secrets"], "e")
ALL: Final = [ERROR, LATER_ERROR, WARNING, LATER_WARNING, NOTE]


def test_of_a_whole_archive_everything_is_judged() -> None:
    one = backup(record(version="6.5", parent="none", db_prefix="blog_"), without("wp-load.php"))
    assert ids(list(rulebook.of_backup(one.subject, is_whole=True))) == [
        "record-id-malformed",
        "file-missing",
        "table-prefix-differs",
        "application-version-differs",
        "config-differs",
    ]


def test_of_a_broken_archive_the_record_alone_is_judged() -> None:
    one = backup(record(version="6.5", parent="none", db_prefix="blog_"), without("wp-load.php"))
    assert ids(list(rulebook.of_backup(one.subject, is_whole=False))) == ["record-id-malformed"]


def test_of_an_account_everything_is_judged() -> None:
    kept = [KeptBackup(name, INSTALL, TIME, "a" * 64) for name in "ab"]
    assert ids(list(rulebook.of_account(CheckedAccount({}, kept, DEFAULT.requirements, TIME, set())))) == [
        "backup-duplicate",
        "backup-orphaned",
        "backup-orphaned",
    ]


def test_the_most_severe_come_first_then_in_the_order_of_the_vocabulary() -> None:
    expected = (
        Judged(ERROR, Severity.ERROR),
        Judged(LATER_ERROR, Severity.ERROR),
        Judged(WARNING, Severity.WARNING),
        Judged(LATER_WARNING, Severity.WARNING),
        Judged(NOTE, Severity.NOTE),
    )
    assert {judge(findings, DEFAULT) for findings in permutations(ALL)} == {expected}


def test_findings_of_one_id_keep_their_order() -> None:
    many = [Finding(FINDINGS["file-missing"], name) for name in "zay"]
    assert [one.finding.subject for one in judge(many, DEFAULT)] == ["z", "a", "y"]


def test_what_is_ignored_or_not_selected_is_left_out() -> None:
    policy = Policy(select=frozenset({"file-missing", "time-in-future"}), ignore=frozenset({"time-in-future"}))
    assert [one.finding for one in judge(ALL, policy)] == [ERROR]


def test_the_policy_s_severities_hold() -> None:
    policy = Policy(severities={"record-holds-secrets": Severity.ERROR, "file-missing": Severity.NOTE})
    found = [(one.finding, one.severity) for one in judge([ERROR, WARNING, NOTE], policy)]
    assert found == [(NOTE, Severity.ERROR), (WARNING, Severity.WARNING), (ERROR, Severity.NOTE)]


def test_nothing_passes() -> None:
    assert judge([], DEFAULT) == ()
    assert verdict_of([], DEFAULT) is Verdict.PASS


@pytest.mark.parametrize(
    ("finding", "fail_on", "verdict"),
    [
        (ERROR, Severity.ERROR, "fail"),
        (ERROR, Severity.WARNING, "fail"),
        (ERROR, Severity.NOTE, "fail"),
        (WARNING, Severity.ERROR, "pass"),
        (WARNING, Severity.WARNING, "fail"),
        (WARNING, Severity.NOTE, "fail"),
        (NOTE, Severity.ERROR, "pass"),
        (NOTE, Severity.WARNING, "pass"),
        (NOTE, Severity.NOTE, "fail"),
    ],
)
def test_the_verdict_is_by_the_least_severity_that_fails(finding: Finding, fail_on: Severity, verdict: str) -> None:
    policy = Policy(fail_on=fail_on)
    assert verdict_of(judge([finding], policy), policy) == verdict


def test_one_of_many_is_enough_to_fail() -> None:
    assert verdict_of(judge([NOTE, NOTE, WARNING], DEFAULT), DEFAULT) is Verdict.FAIL
