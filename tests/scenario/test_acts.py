"""Each act is told by the check that is meant for it, in each command that can know; the honest rest is left alone."""

import pytest
from tampering.cases import ACTS, HONEST, Case, Told

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Severity
from tests.scenario.asked import Answers, in_columns, losses, of_targets, on_stderr, user_of


def told_of(case: Case) -> Told:
    assert case.told is not None
    return case.told


def by_user(case: Case) -> str:
    return case.user


def ids_on_stderr(answers: Answers, case: Case, *commands: str) -> set[str]:
    """Return the findings of an account that some of the answers have on stderr."""
    ran = (getattr(answers, command) for command in commands)
    return {id_ for each in ran for user, _, id_ in on_stderr(each) if user == case.user}


@pytest.mark.parametrize("case", ACTS, ids=by_user)
class TestAnAct:
    def test_is_told_by_verify(self, case: Case, answers: Answers) -> None:
        assert told_of(case).finding in {id_ for user, _, id_, _ in of_targets(answers.verify) if user == case.user}

    def test_is_told_by_report(self, case: Case, answers: Answers) -> None:
        def of_account(key: str) -> set[str]:
            return {each["id"] for each in answers.report[key] if answers.account_of[each["account"]] == case.user}

        finding = told_of(case).finding
        assert finding in of_account("findings")
        assert (finding in of_account("contradictions")) is FINDINGS[finding].is_contradiction

    def test_is_told_by_lists_from_a_catalog_that_was_scanned_deep(self, case: Case, answers: Answers) -> None:
        in_list = {id_ for user, id_ in in_columns(answers.listed_catalog) if user == case.user}
        assert told_of(case).finding in in_list | ids_on_stderr(answers, case, "listed_catalog")

    def test_is_told_by_lists_from_disk_where_heads_tell_it(self, case: Case, answers: Answers) -> None:
        in_lists = {
            id_ for ran in (answers.listed, answers.installs) for user, id_ in in_columns(ran) if user == case.user
        }
        ids = in_lists | ids_on_stderr(answers, case, "listed", "installs")
        told = told_of(case)
        assert (told.by_heads in ids) if told.by_heads else not ids
        assert (told.finding in ids) is (told.finding == told.by_heads)

    def test_is_told_by_timeline_where_that_can_know(self, case: Case, answers: Answers) -> None:
        told, ids = told_of(case), ids_on_stderr(answers, case, "told")
        if FINDINGS[told.finding].severity is Severity.NOTE:  # told once for all accounts
            ids |= losses(answers.told).keys()
        assert (told.in_timeline in ids) if told.in_timeline else not ids
        assert (told.finding in ids) is (told.finding == told.in_timeline)
        own = [event for event in answers.timeline if user_of(event["account"]) == case.user]
        marked = {event["event"] for event in own if event.get("contradicted_by")}
        assert (told.marked in marked) if told.marked else not marked

    def test_has_a_reason_where_a_command_does_not_tell_it(self, case: Case) -> None:
        told = told_of(case)
        assert bool(told.why) is (not {told.by_heads, told.in_timeline} <= {told.finding})


@pytest.mark.parametrize("case", HONEST, ids=by_user)
class TestAnHonestAccount:
    def test_has_no_error_and_no_warning(self, case: Case, answers: Answers) -> None:
        verified = {severity for user, severity, _, _ in of_targets(answers.verify) if user == case.user}
        findings = answers.report["findings"]
        reported = {each["severity"] for each in findings if answers.account_of[each["account"]] == case.user}
        assert verified | reported == {"note"}

    def test_has_nothing_in_lists_and_on_stderr(self, case: Case, answers: Answers) -> None:
        lists = (answers.listed, answers.installs, answers.listed_catalog)
        assert [id_ for ran in lists for user, id_ in in_columns(ran) if user == case.user] == []
        assert ids_on_stderr(answers, case, "listed", "installs", "listed_catalog", "told") == set()
