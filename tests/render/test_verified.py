"""What came out of verifying, as text and as JSON."""

import json
import re
from collections.abc import Iterable
from typing import Any

from hypothesis import given

from backupmeta.checks.policy import Verdict, Verification
from backupmeta.findings import Severity
from backupmeta.provenance import Source, Witness
from backupmeta.render.formats import View
from backupmeta.render.verified import VerificationView, as_json, as_text, blamed
from tests.render.judged import (
    ARCHIVE,
    CANARY,
    RECORD,
    SHA256,
    VERIFICATIONS,
    account,
    failing,
    judged,
    not_judged,
    passing,
    unreadable,
)

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")
COLOUR = re.compile(r"\x1b\[[0-9]+m")


def text(*verifications: Verification) -> str:
    return "".join(as_text(verifications, View()))


def answer(verifications: Iterable[Verification]) -> Any:
    return json.loads("".join(as_json(verifications, VerificationView())))


def test_text_groups_what_was_found_the_most_severe_first() -> None:
    told = text(
        failing(
            judged("member-name-absolute", "/etc/passwd"),
            judged("table-missing", "wp_users"),
            judged("name-title-differs", "backup_filename", "named A, recorded as B"),
            judged("record-holds-secrets", "", "db_pass"),
        )
    )
    assert told == (
        "/home/u/application_backups/app_a.tar.gz: fail (2 errors, 1 warning, 1 note)\n"
        "  safe\n"
        "    error: /etc/passwd: the member's name is absolute [member-name-absolute]\n"
        "      advice: leave the member out when unpacking; no backup of an application has one\n"
        "  record\n"
        "    warning: backup_filename: the name's title is not the record's (named A, recorded as B)"
        " [name-title-differs]\n"
        "      advice: find out whether the archive was renamed, or the record edited\n"
        "    note: the record holds secrets in clear text (db_pass) [record-holds-secrets]\n"
        "  contents\n"
        "    error: wp_users: a table that has to be there is not in the dump [table-missing]\n"
        "      advice: don't restore from this backup alone; look for another one\n"
        "1 target: 1 fail\n"
    )


def test_text_tells_sentence_and_advice_of_many_findings_once() -> None:
    found = [judged("record-no-equals", "", f"line {line}, 5 bytes") for line in (3, 7)]
    assert text(failing(*found)).splitlines()[2:-1] == [
        "    warning: a line is no key=value [record-no-equals]",
        "      - line 3, 5 bytes",
        "      - line 7, 5 bytes",
        "      advice: 'backupmeta explain' shows the line; see whether it was edited by hand",
    ]


def test_text_tells_findings_apart_by_subject_and_detail_else_by_their_place() -> None:
    found = [
        judged("record-nul", "title", "line 2"),
        judged("record-nul", "url"),
        judged("record-nul", "", "line 9"),
        judged("record-nul", "", "", Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI")),
        judged("record-nul", "", "", Source(Witness.BACKUP_RECORD, RECORD)),
        judged("record-nul"),
    ]
    particulars = text(failing(*found)).splitlines()[3:-2]
    assert particulars == [
        "      - title (line 2)",
        "      - url",
        "      - line 9",
        f"      - {ARCHIVE} » APP-META.INI",
        f"      - {RECORD}",
        "      - ",
    ]


def test_text_keeps_notes_brief() -> None:
    few = [judged("record-unknown-key", name, f"line {line}") for line, name in enumerate(("x-a", "x-b", "x-c"), 4)]
    told = "    note: a key that the format's description does not know: x-a (line 4); x-b (line 5); x-c (line 6)"
    assert text(passing(*few)).splitlines()[1:-1] == ["  record", f"{told} [record-unknown-key]"]
    many = [*few, judged("record-unknown-key", "", "and 1,000 more")]
    assert text(passing(*many)).splitlines()[2] == f"{told}; … [record-unknown-key]"


def test_text_shows_the_severity_that_was_judged() -> None:
    told = text(failing(judged("record-bom", severity=Severity.ERROR)))
    assert "    error: the record begins with a byte order mark [record-bom]\n" in told
    assert "(1 error)" in told


def test_text_of_a_target_without_findings_is_one_line_and_the_verdict_over_everything_comes_last() -> None:
    assert text(passing(), account(), failing(path="/b"), unreadable(path="c\udcff")) == (
        "/home/u/application_backups/app_a.tar.gz: pass\n"
        "/home/u: pass\n"
        "/b: fail\n"
        "c\ufffd: unreadable\n"
        "4 targets: 2 pass, 1 fail, 1 unreadable\n"
    )
    assert text() == "0 targets: nothing was verified\n"


def test_text_on_a_terminal_is_coloured_and_says_the_same() -> None:
    found = (judged("archive-truncated", "", "at byte 512"), judged("record-bom"))
    told = "".join(as_text([failing(*found)], View(80)))
    assert f"{ARCHIVE}: \x1b[31mfail\x1b[0m (1 error, 1 note)\n" in told
    assert "    \x1b[31merror\x1b[0m: the archive is cut off" in told
    assert COLOUR.sub("", told) == text(failing(*found))


@given(VERIFICATIONS)
def test_text_has_no_control_characters_of_the_evidence(verifications: list[Verification]) -> None:
    coloured = "".join(as_text(verifications, View(80)))
    assert not CONTROL.search(COLOUR.sub("", coloured))
    plain = text(*verifications)
    assert COLOUR.sub("", coloured) == plain
    assert re.fullmatch(rf"{len(verifications)} targets?: .+", plain.splitlines()[-1])
    assert CANARY not in plain


def test_every_format_of_text_comes_target_by_target() -> None:
    source = iter([passing(), failing(path="/b"), passing()])
    assert next(as_text(source, View())).startswith(ARCHIVE)
    assert next(as_json(source, VerificationView())).startswith('{"targets": [\n  {"path": "/b"')
    assert next(source) == passing()


def test_json_has_the_promised_shape() -> None:
    place = Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI", 3, 40)
    found = judged("record-nul", "title", "line 3", place, severity=Severity.ERROR)
    assert answer([failing(found), account()]) == {
        "targets": [
            {
                "path": ARCHIVE,
                "verdict": "fail",
                "sha256": SHA256,
                "findings": [
                    {
                        "id": "record-nul",
                        "severity": "error",
                        "message": "title: a line holds NUL bytes (line 3)",
                        "advice": "'backupmeta explain' shows the line; see whether it was edited by hand",
                        "evidence": [
                            {
                                "witness": "embedded record",
                                "path": ARCHIVE,
                                "member": "APP-META.INI",
                                "line": 3,
                                "offset": 40,
                            }
                        ],
                    }
                ],
            },
            {"path": "/home/u", "verdict": "pass", "sha256": None, "findings": []},
        ],
        "summary": {
            "targets": 2,
            "verdicts": {"not judged": 0, "pass": 1, "fail": 1, "unreadable": 0},
            "severities": {"error": 1, "warning": 0, "note": 0},
            "verdict": "fail",
        },
    }


def test_json_without_a_target_has_no_verdict() -> None:
    assert answer([]) == {
        "targets": [],
        "summary": {
            "targets": 0,
            "verdicts": {"not judged": 0, "pass": 0, "fail": 0, "unreadable": 0},
            "severities": {"error": 0, "warning": 0, "note": 0},
            "verdict": None,
        },
    }


def test_an_unreadable_target_outweighs_one_that_fails() -> None:
    assert answer([unreadable(), failing(), passing()])["summary"]["verdict"] == "unreadable"


def test_what_is_not_judged_fails_nothing_and_is_the_verdict_only_where_nothing_else_is() -> None:
    note = judged("archive-not-judged")
    assert answer([not_judged(note), passing()])["summary"]["verdict"] == "pass"
    assert answer([not_judged(note), failing()])["summary"]["verdict"] == "fail"
    assert answer([not_judged(note), account()])["summary"]["verdict"] == "not judged"
    assert answer([account()])["summary"]["verdict"] == "pass"
    assert text(not_judged(note)).splitlines()[0] == f"{ARCHIVE}: not judged (1 note)"
    assert text(not_judged(note), passing()).splitlines()[-1] == "2 targets: 1 not judged, 1 pass"


def test_json_keeps_the_exact_bytes_of_paths() -> None:
    (target,) = answer([passing(path="/h/\udcff")])["targets"]
    assert (target["path"], target["path_base64"]) == ("/h/\ufffd", "L2gv/w==")


@given(VERIFICATIONS)
def test_json_of_anything_is_json_in_utf8(verifications: list[Verification]) -> None:
    told = "".join(as_json(verifications, VerificationView()))
    assert CANARY.encode() not in told.encode("utf-8")
    found = json.loads(told)
    assert [len(target["findings"]) for target in found["targets"]] == [len(one.judged) for one in verifications]
    assert sum(found["summary"]["severities"].values()) == sum(len(one.judged) for one in verifications)
    assert sum(found["summary"]["verdicts"].values()) == len(verifications)


def test_what_is_held_against_a_target() -> None:
    error, warning, note = judged("dump-missing"), judged("record-nul"), judged("record-bom")
    assert blamed(passing(warning, note)) == set()
    assert blamed(failing(error, warning, note)) == {Severity.ERROR, Severity.WARNING}
    assert blamed(failing(note)) == {Severity.NOTE}
    assert blamed(unreadable(error)) == {Severity.ERROR}
    assert blamed(account(verdict=Verdict.FAIL)) == set()
