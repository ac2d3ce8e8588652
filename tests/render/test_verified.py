"""What came out of verifying, as text and as JSON."""

import json
import re
import tracemalloc
from collections.abc import Iterable
from typing import Any

from hypothesis import given

from backupmeta.checks.policy import Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Severity
from backupmeta.provenance import Source, Witness
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


def text(*verifications: Verification, is_quiet: bool = False) -> str:
    return "".join(as_text(verifications, VerificationView(is_quiet=is_quiet)))


def answer(verifications: Iterable[Verification], *, is_quiet: bool = False) -> Any:
    return json.loads("".join(as_json(verifications, VerificationView(is_quiet=is_quiet))))


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


def test_text_of_a_target_alone_is_one_line_without_findings_and_the_verdict_over_everything_comes_last() -> None:
    assert text(passing()) == f"{ARCHIVE}: pass\n1 target: 1 pass\n"
    assert text(unreadable(path="c\udcff")) == "c\ufffd: unreadable\n1 target: 1 unreadable\n"
    assert text() == "0 targets: nothing was verified\n"


def test_text_of_many_targets_names_each_that_does_not_pass_and_each_finding_once() -> None:
    secrets = judged("record-holds-secrets", "", "db_pass")
    tables = [judged("table-missing", name) for name in ("wp_users", "wp_posts", "wp_terms", "wp_links")]
    assert text(
        passing(secrets),
        failing(*tables, judged("archive-renamed", "b.tar.gz", "recorded as a.tar.gz"), secrets, path="/h/b.tar.gz"),
        not_judged(judged("archive-not-judged"), path="/h/c.gz"),
        failing(tables[0], path="/h/d.tar.gz"),
        unreadable(judged("archive-truncated", "", "at byte 512"), path="/h/e.tar.gz"),
        account(judged("backup-orphaned", "b.tar.gz")),
    ) == (
        "/h/b.tar.gz: fail: table-missing, archive-renamed\n"
        "/h/c.gz: not judged: archive-not-judged\n"
        "/h/d.tar.gz: fail: table-missing\n"
        "/h/e.tar.gz: unreadable: archive-truncated\n"
        "\n"
        "error: the archive is cut off [archive-truncated]: 1 target\n"
        "  - /h/e.tar.gz (at byte 512)\n"
        "  advice: fetch the archive again, or compare its digest with the original's; if it is still being written,"
        " wait\n"
        "error: a table that has to be there is not in the dump [table-missing]: 2 targets\n"
        "  - /h/b.tar.gz: wp_users; wp_posts; wp_terms; …\n"
        "  - /h/d.tar.gz: wp_users\n"
        "  advice: don't restore from this backup alone; look for another one\n"
        "warning: the archive's name is not the one in its record [archive-renamed]: 1 target\n"
        "  - /h/b.tar.gz (recorded as a.tar.gz)\n"
        "  advice: find out whether the archive was renamed, or the record edited\n"
        "note: ARCHIVE_NOT_JUDGED [archive-not-judged]: 1 target: /h/c.gz\n"
        f"note: the record holds secrets in clear text [record-holds-secrets]: 2 targets, such as {ARCHIVE} (db_pass)\n"
        "note: the install of this backup is gone [backup-orphaned]: 1 target: /home/u: b.tar.gz\n"
        "6 targets: 1 not judged, 2 pass, 2 fail, 1 unreadable\n"
    ).replace("ARCHIVE_NOT_JUDGED", FINDINGS["archive-not-judged"].sentence)


def test_text_of_a_finding_of_a_thousand_targets_has_the_first_of_them() -> None:
    missing = judged("dump-missing")
    lines = text(*(failing(missing, path=f"/h/{number}") for number in range(1000))).splitlines()
    assert lines[:1000] == [f"/h/{number}: fail: dump-missing" for number in range(1000)]
    assert lines[1000:] == [
        "",
        "error: the record lists tables, and the archive holds no dump of them [dump-missing]: 1,000 targets",
        *(f"  - /h/{number}" for number in range(5)),
        "  - and 995 more; --json has what each of them says",
        f"  advice: {FINDINGS['dump-missing'].advice}",
        "1,000 targets: 1,000 fail",
    ]


def test_memory_does_not_grow_with_targets_that_fail() -> None:
    def grown(count: int) -> int:
        found = (failing(judged("dump-missing"), path=f"/h/{number:09}") for number in range(count))
        tracemalloc.start()
        for _ in as_text(found, VerificationView()):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    grown(10)
    assert grown(3000) < grown(300) + 20_000


def test_quiet_shows_what_fails_and_nothing_else() -> None:
    secrets = judged("record-holds-secrets", "", "db_pass")
    assert text(passing(secrets), account(), is_quiet=True) == text(passing(secrets), is_quiet=True) == ""
    assert text(not_judged(judged("archive-not-judged")), is_quiet=True) == ""
    assert text(passing(), failing(judged("dump-missing"), secrets, path="/b"), is_quiet=True).splitlines() == [
        "/b: fail: dump-missing",
        "",
        "error: the record lists tables, and the archive holds no dump of them [dump-missing]: 1 target",
        "  - /b",
        f"  advice: {FINDINGS['dump-missing'].advice}",
    ]
    alone = text(failing(judged("dump-missing"), secrets), is_quiet=True).splitlines()
    assert alone[0] == f"{ARCHIVE}: fail (1 error)"
    assert alone[-1] == f"      advice: {FINDINGS['dump-missing'].advice}"
    assert text(failing(judged("record-bom"), path="/b"), is_quiet=True).startswith("/b: fail (1 note)\n")
    found = answer([passing(secrets), failing(secrets, path="/b")], is_quiet=True)
    assert [target["path"] for target in found["targets"]] == ["/b"]
    assert (found["summary"]["targets"], found["summary"]["severities"]["note"]) == (2, 2)


def test_text_on_a_terminal_is_coloured_and_says_the_same() -> None:
    found = (judged("archive-truncated", "", "at byte 512"), judged("record-bom"))
    told = "".join(as_text([failing(*found)], VerificationView(80)))
    assert f"{ARCHIVE}: \x1b[31mfail\x1b[0m (1 error, 1 note)\n" in told
    assert "    \x1b[31merror\x1b[0m: the archive is cut off" in told
    assert COLOUR.sub("", told) == text(failing(*found))


@given(VERIFICATIONS)
def test_text_has_no_control_characters_of_the_evidence(verifications: list[Verification]) -> None:
    coloured = "".join(as_text(verifications, VerificationView(80)))
    assert not CONTROL.search(COLOUR.sub("", coloured))
    plain = text(*verifications)
    assert COLOUR.sub("", coloured) == plain
    assert re.fullmatch(rf"{len(verifications)} targets?: .+", plain.splitlines()[-1])
    assert CANARY not in plain


def test_every_format_of_text_comes_target_by_target() -> None:
    source = iter([failing(), passing(), failing(path="/b"), passing()])
    assert next(as_text(source, VerificationView())).startswith(ARCHIVE)
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
