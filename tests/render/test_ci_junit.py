"""JUnit XML, as other programs read it: junitparser, and the element tree."""

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from junitparser import JUnitXml

from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Verdict, Verification
from backupmeta.findings import Severity
from backupmeta.provenance import Source, Witness
from backupmeta.render.ci import junit
from backupmeta.render.verified import VerificationView, blamed
from tests.render.judged import (
    ARCHIVE,
    CANARY,
    RECORD,
    VERIFICATIONS,
    account,
    failing,
    judged,
    not_judged,
    passing,
    unreadable,
)

ARCHIVES_GROUPS = ["whole", "safe", "record", "contents", "restore", "application"]


def document(*verifications: Verification) -> str:
    return "".join(junit(verifications))


def parsed(*verifications: Verification) -> Element:
    return fromstring(document(*verifications))  # noqa: S314 - our own


def cases(one: Verification) -> dict[str, Element]:
    """Return the tests of a target, by their group."""
    (suite,) = parsed(one)
    return {test.attrib["name"].rpartition(": ")[2]: test for test in suite}


def outcomes(one: Verification) -> dict[str, str]:
    """Return how the tests of a target came out, as junitparser sees it."""
    (suite,) = JUnitXml.fromstring(document(one))
    came = {"is_passed": "passed", "is_failure": "failed", "is_error": "error", "is_skipped": "skipped"}
    return {
        str(test.name).rpartition(": ")[2]: next(told for name, told in came.items() if getattr(test, name))
        for test in suite
    }


def test_a_suite_is_a_target_and_a_test_a_group() -> None:
    loaded = JUnitXml.fromstring(document(passing(), account()))
    archive, home = loaded
    assert (archive.name, home.name) == (ARCHIVE, "/home/u")
    assert [test.name for test in archive] == [f"{ARCHIVE}: {group}" for group in ARCHIVES_GROUPS]
    assert [test.name for test in home] == ["/home/u: account"]
    assert {test.classname for suite in loaded for test in suite} == {"backupmeta.verify"}
    assert all(test.is_passed for suite in loaded for test in suite)


def test_files_are_named_from_the_base_on() -> None:
    places = [Source(Witness.BACKUP_RECORD, RECORD, None, line) for line in (3, 5)]
    one = failing(*(judged("record-no-equals", "", "", place) for place in places))
    ((suite,), (of_image,)) = (
        JUnitXml.fromstring("".join(junit([each], VerificationView(base=Base("/home/u")))))
        for each in (one, replace(one, path="/mnt" + ARCHIVE))
    )
    assert suite.name == "application_backups/app_a.tar.gz"
    assert [test.name for test in suite][2] == "application_backups/app_a.tar.gz: record"
    (failure,) = [test.result[0] for test in suite if test.result and test.is_failure]
    assert "  - .appdata/backups/1234567890abcdefghij12345, line 5\n" in failure.text
    assert of_image.name == ARCHIVE  # as the server saw it, wherever its image is mounted


def test_without_a_target_there_is_an_empty_document() -> None:
    assert len(JUnitXml.fromstring(document())) == 0


def test_a_group_with_an_error_fails_with_all_that_is_held_against_it() -> None:
    test = cases(
        failing(
            judged("member-name-absolute", "/etc/a"),
            judged("member-name-absolute", "/etc/b"),
            judged("member-name-control", "x\x07"),
            judged("member-name-not-utf8", "\udcff"),
        )
    )["safe"]
    (failure,) = test.findall("failure")
    assert failure.attrib == {
        "message": "the member's name is absolute; x\\x07: the member's name holds control characters",
        "type": "fail",
    }
    assert failure.text == (
        "error: the member's name is absolute [member-name-absolute]\n"
        "  - /etc/a\n"
        "  - /etc/b\n"
        "  advice: leave the member out when unpacking; no backup of an application has one\n"
        "warning: x\\x07: the member's name holds control characters [member-name-control]\n"
        "  advice: look at it before unpacking\n"
    )
    assert test.findtext("system-out") == "note: \ufffd: the member's name is not UTF-8 [member-name-not-utf8]\n"


def test_the_counts_of_a_suite_are_those_of_its_tests() -> None:
    one = failing(judged("archive-truncated"), judged("record-bom"))
    (suite,) = JUnitXml.fromstring(document(one))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 1, 0, 5)


def test_a_warning_fails_its_group_where_the_target_fails() -> None:
    warning = judged("name-title-differs")
    assert outcomes(failing(warning))["record"] == "failed"
    assert outcomes(passing(warning))["record"] == "passed"
    assert (cases(passing(warning))["record"].findtext("system-out") or "").startswith("warning: the name's title")


def test_a_note_fails_its_group_only_where_nothing_else_can_have_failed_the_target() -> None:
    note = judged("record-bom")
    assert outcomes(failing(note))["record"] == "failed"
    assert outcomes(failing(judged("dump-missing"), note)) == {
        "whole": "passed",
        "safe": "passed",
        "record": "passed",
        "contents": "failed",
        "restore": "passed",
        "application": "passed",
    }


def test_what_could_not_be_read_leaves_the_other_groups_open() -> None:
    assert outcomes(failing(judged("archive-truncated"))) == {
        "whole": "failed",
        "safe": "skipped",
        "record": "skipped",
        "contents": "skipped",
        "restore": "skipped",
        "application": "skipped",
    }
    ignored = judged("archive-truncated", severity=Severity.NOTE)
    assert outcomes(passing(ignored))["contents"] == "skipped"


def test_an_unreadable_target_is_an_error() -> None:
    one = unreadable(judged("archive-unreadable", "", "Permission denied"))
    assert outcomes(one) == {"whole": "error"}
    (error,) = cases(one)["whole"]
    assert error.attrib == {"message": "the archive can't be read (Permission denied)", "type": "unreadable"}
    assert (error.text or "").startswith("error: the archive can't be read (Permission denied) [archive-unreadable]\n")
    assert outcomes(unreadable()) == {"whole": "error"}
    assert cases(unreadable())["whole"][0].attrib["message"] == "it could not be judged"


def test_what_is_not_judged_is_skipped() -> None:
    one = not_judged(judged("archive-not-judged"))
    assert outcomes(one) == {"whole": "skipped"}
    assert (cases(one)["whole"].findtext("system-out") or "").startswith("note: no Installatron backup: a tar archive")
    assert outcomes(not_judged()) == {"whole": "skipped"}


def test_findings_of_another_group_add_its_test() -> None:
    assert outcomes(account(judged("record-name-malformed"), judged("backup-orphaned"))) == {
        "record": "passed",
        "account": "passed",
    }


def test_a_target_comes_when_it_is_there() -> None:
    source = iter([passing(), account()])
    parts = junit(source)
    next(parts)
    assert next(parts).startswith(f'<testsuite name="{ARCHIVE}"')
    assert next(source) == account()


@pytest.mark.parametrize("name", ["[[ATTACHMENT|/etc/passwd]]", "[[[ATTACHMENT|/etc/passwd]]"])
def test_no_evidence_makes_a_server_publish_a_file(name: str) -> None:
    told = document(passing(judged("member-name-not-utf8", name), path=name))
    assert "ATTACHMENT|/etc/passwd" in told
    assert "[[" not in told


@given(VERIFICATIONS)
def test_anything_is_xml_and_tells_the_verdict(verifications: list[Verification]) -> None:
    told = document(*verifications)
    assert CANARY not in told
    assert len(JUnitXml.fromstring(told.encode("utf-8"))) == len(verifications)
    for suite, one in zip(parsed(*verifications), verifications, strict=True):
        failed = suite.findall("testcase/failure") + suite.findall("testcase/error")
        assert bool(failed) is (one.verdict is Verdict.UNREADABLE or bool(blamed(one)))
        assert int(suite.attrib["failures"]) + int(suite.attrib["errors"]) == len(failed)
        assert all(len(test.findall("failure") + test.findall("error")) <= 1 for test in suite)
