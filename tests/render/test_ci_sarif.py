"""SARIF, held to the standard's own schema.

``sarif-2.1.0.json`` is that of SARIF 2.1.0 plus Errata 01, published by OASIS as
https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json, unmodified:

    Copyright © OASIS Open 2023. All Rights Reserved. All capitalized terms in the following text have the meanings
    assigned to them in the OASIS Intellectual Property Rights Policy (the "OASIS IPR Policy"). The full Policy may be
    found at the OASIS website: https://www.oasis-open.org/policies-guidelines/ipr/. This document and translations of
    it may be copied and furnished to others, and derivative works that comment on or otherwise explain it or assist in
    its implementation may be prepared, copied, published, and distributed, in whole or in part, without restriction of
    any kind, provided that the above copyright notice and this section are included on all such copies and derivative
    works. However, this document itself may not be modified in any way. It is provided on an "AS IS" basis and OASIS
    DISCLAIMS ALL WARRANTIES, EXPRESS OR IMPLIED.
"""

import copy
import gzip
import hashlib
import json
import os
import random
import re
import sys
from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, ValidationError

import backupmeta
from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Judged, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Severity
from backupmeta.provenance import Source, Witness
from backupmeta.render.ci import sarif
from backupmeta.render.verified import MOST_RESULTS, Selection, VerificationView, blamed
from backupmeta.secrets import mask_text
from tests.measured import KIBIBYTES_MORE, measured
from tests.render.judged import (
    ARCHIVE,
    CANARY,
    HOSTILE,
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

SCHEMA = Path(__file__).with_name("sarif-2.1.0.json")
PUBLISHED = json.loads(SCHEMA.read_bytes())
VALIDATOR = Draft4Validator(PUBLISHED)
# RFC 3986, appendix A: what a path, with or without the scheme "file", is made of
URI = re.compile(r"(file:///)?([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*")
# the same, §4.2: a relative reference is no colon's in its first segment, and no slash begins it
RELATIVE = re.compile(r"(?![^/]*:)(?!/)([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+")


def view(selection: Selection | None = None, base: Base | None = None) -> VerificationView:
    return VerificationView(selection=selection or Selection(), base=base or Base())


def run(*verifications: Verification, selection: Selection | None = None, base: Base | None = None) -> Any:
    """Return the only run of a log that the schema allows."""
    told = json.loads("".join(sarif(verifications, view(selection, base))))
    validate(told)
    assert (told["version"], told["$schema"]) == ("2.1.0", PUBLISHED["id"])
    (only,) = told["runs"]
    return only


def validate(document: Any) -> None:
    """Assert that the schema allows a log; its rules are the same in every log, and slow to check: once does."""
    plain = copy.deepcopy(document)
    (only,) = plain["runs"]
    rules = json.dumps(only["tool"]["driver"].pop("rules"))
    VALIDATOR.validate(plain)
    validate_rules(rules)


@cache
def validate_rules(rules: str) -> None:
    driver = {"name": "backupmeta", "rules": json.loads(rules)}
    VALIDATOR.validate({"version": "2.1.0", "runs": [{"tool": {"driver": driver}}]})


def result(one: Verification) -> Any:
    (only,) = run(one)["results"]
    return only


def uri(path: str, base: Base | None = None) -> str:
    told = json.loads("".join(sarif([passing(path=path)], view(None, base))))
    return str(told["runs"][0]["artifacts"][0]["location"]["uri"])


def marks(one: Verification) -> list[str]:
    return [found["partialFingerprints"]["backupmeta/v1"] for found in run(one)["results"]]


def test_the_schema_is_the_published_one() -> None:
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() == (
        "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
    )


def test_the_schema_refuses_what_is_wrong() -> None:
    told = json.loads("".join(sarif([failing(judged("dump-missing"))])))
    told["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(ValidationError):
        validate(told)
    with pytest.raises(ValidationError):
        validate_rules('[{"name": "without an id"}]')


def test_without_a_target_there_is_a_run_without_results() -> None:
    told = run()
    assert (told["results"], told["artifacts"]) == ([], [])


def test_the_rules_are_the_vocabulary() -> None:
    driver = run()["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("backupmeta", backupmeta.__version__)
    assert [rule["id"] for rule in driver["rules"]] == list(FINDINGS)
    (rule,) = [rule for rule in driver["rules"] if rule["id"] == "name-host-differs"]
    assert rule == {
        "id": "name-host-differs",
        "shortDescription": {"text": "the name's host is not the one of the record's url"},
        "fullDescription": {
            "text": "the name's host is not the one of the record's url; what to do: "
            "find out whether the archive was renamed, or the record edited"
        },
        "help": {
            "text": "find out whether the archive was renamed, or the record edited",
            "markdown": "the name's host is not the one of the record's url.\n\n"
            "**What to do:** find out whether the archive was renamed, or the record edited.\n\n"
            "`backupmeta checks name-host-differs` shows this.",
        },
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["record"]},
    }


@pytest.mark.parametrize("id_", FINDINGS)
def test_every_finding_names_its_rule(id_: str) -> None:
    told = run(failing(judged(id_, severity=Severity.NOTE)))
    (found,) = told["results"]
    assert told["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"] == id_
    assert found["level"] == "note"


def test_artifacts_are_the_targets_with_their_digests() -> None:
    assert run(passing(), account(), unreadable(path="gone.tar.gz"))["artifacts"] == [
        {
            "location": {"uri": f"file://{ARCHIVE}"},
            "roles": ["analysisTarget"],
            "hashes": {"sha-256": SHA256},
        },
        {"location": {"uri": "file:///home/u"}, "roles": ["analysisTarget"]},
        {"location": {"uri": "gone.tar.gz", "uriBaseId": "%SRCROOT%"}, "roles": ["analysisTarget"]},
    ]


def test_a_target_that_is_named_twice_is_one_artifact() -> None:
    told = run(passing(path="a"), account(), failing(judged("dump-missing"), path="./a"))
    assert [one["location"]["uri"] for one in told["artifacts"]] == ["a", "file:///home/u"]
    place = told["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "a", "uriBaseId": "%SRCROOT%", "index": 0}


def test_a_finding_without_evidence_is_at_its_target() -> None:
    assert result(failing(judged("dump-missing", "", "3 tables"))) == {
        "ruleId": "dump-missing",
        "ruleIndex": list(FINDINGS).index("dump-missing"),
        "level": "error",
        "message": {"text": "the record lists tables, and the archive holds no dump of them (3 tables)"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": f"file://{ARCHIVE}", "index": 0}},
                "message": {"text": f"file system, {ARCHIVE}"},
            }
        ],
        "partialFingerprints": dict.fromkeys(
            ("backupmeta/v1", "primaryLocationLineHash"),
            hashlib.sha256(f"{ARCHIVE}\0\0{SHA256}\0dump-missing\0".encode()).hexdigest()[:32] + ":1",
        ),
    }


def test_a_line_is_a_region_of_the_file_itself_only() -> None:
    found = result(
        failing(
            judged(
                "sources-disagree",
                "title",
                "",
                Source(Witness.BACKUP_RECORD, RECORD, None, 8, 155),
                Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI", 9, 160),
                Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI", 9, 999),
                Source(Witness.DEFAULT),
            )
        )
    )
    target = {"uri": f"file://{ARCHIVE}", "index": 0}
    assert found["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": f"file://{RECORD}"}, "region": {"startLine": 8}},
            "message": {"text": f"backup record, {RECORD}, line 8"},
        }
    ]
    assert found["relatedLocations"] == [
        {
            "physicalLocation": {"artifactLocation": target},
            "message": {"text": f"embedded record, {ARCHIVE} » APP-META.INI, line 9"},
            "logicalLocations": [{"name": "APP-META.INI", "kind": "member"}],
        }
    ]
    assert found["analysisTarget"] == target


def test_of_many_places_the_first_are_shown_each_once() -> None:
    places = [Source(Witness.BACKUP_RECORD, RECORD, None, line) for line in (1, 2, 2, *range(3, 20_000))]
    found = result(failing(judged("record-holds-secrets", "", "", *places, severity=Severity.ERROR)))
    lines = [each["physicalLocation"]["region"]["startLine"] for each in found["locations"] + found["relatedLocations"]]
    assert lines == list(range(1, 100))
    assert found["properties"] == {"placesLeftOut": 20_000 - 100}


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/home/u/a b%c?d#e.tar.gz", "file:///home/u/a%20b%25c%3Fd%23e.tar.gz"),
        ("/h/\udcff\u00e9", "file:///h/%FF%C3%A9"),
        ("//h/./a:b", "file:///h/a:b"),
        ("/", "file:///"),
        ("a:b/c:d", "a%3Ab/c%3Ad"),
        ("./a//b/", "a/b"),
        ("/work/../a", "file:///a"),
        (".", "."),
        ("a b%c?d#e\x01\x7f", "a%20b%25c%3Fd%23e%01%7F"),
        ("c:\\inetpub\\vhosts\\a b", "file:///c:/inetpub/vhosts/a%20b"),
        ("a\\b", "a%5Cb"),
    ],
)
def test_paths_are_uris(path: str, written: str) -> None:
    assert uri(path) == written


SEGMENTS = st.lists(
    st.binary(min_size=1, max_size=8).filter(lambda raw: not {*raw} & {*b"\0/"} and raw not in {b".", b".."}),
    min_size=1,
    max_size=4,
).filter(lambda parts: mask_text(text := os.fsdecode(b"/".join(parts))) == text)


@given(SEGMENTS)
def test_a_uri_gives_the_exact_bytes_back(parts: list[bytes]) -> None:
    path = os.fsdecode(b"/".join(parts))
    relative, absolute = uri(f"/work/{path}", Base("/work")), uri(f"/work/{path}", Base("/other"))
    assert RELATIVE.fullmatch(relative)
    assert URI.fullmatch(absolute)
    assert urlsplit(relative)[:2] == ("", "")
    assert unquote_to_bytes(urlsplit(relative).path) == b"/".join(parts)
    for whole in (absolute, urljoin("file:///work/", relative)):
        assert unquote_to_bytes(urlsplit(whole).path) == b"/work/" + b"/".join(parts)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("{0}", "{{0}}"),
        ("[a](http://b)", "[a] (http://b)"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\udcff", "\ufffd"),
        (f"ftp://u:{CANARY}@h/", "ftp://********@h/"),
    ],
)
def test_messages_hold_no_placeholder_no_link_and_no_secret(name: str, written: str) -> None:
    told = run(failing(judged("file-missing", name)))
    assert told["results"][0]["message"]["text"].startswith(f"{written}: a file or folder")
    assert told["redactionTokens"] == ["********"]


def test_fingerprints_stay_over_runs_and_tell_findings_apart() -> None:
    found = (
        judged("record-nul", "title", "line 3", Source(Witness.BACKUP_RECORD, RECORD, None, 3, 30)),
        judged("record-nul", "url", "line 5"),
        judged("record-no-equals", "", "line 6"),
        judged("record-no-equals", "", "line 9"),
    )
    before = marks(failing(*found))
    assert len(set(before)) == 4
    assert marks(failing(*found)) == before
    moved = judged("record-nul", "title", "line 4", Source(Witness.BACKUP_RECORD, RECORD, None, 4, 41))
    assert marks(failing(moved)) == before[:1]
    assert marks(failing(*found, path="/other")) != before


def test_a_fingerprint_does_not_depend_on_a_secret() -> None:
    one, other = (judged("file-missing", f"ftp://u:{password}@h/") for password in ("canary", "hunter2"))
    assert marks(failing(one)) == marks(failing(other))


def test_a_target_comes_when_it_is_there() -> None:
    source = iter([failing(judged("dump-missing")), account()])
    parts = sarif(source)
    assert '"ruleId": "dump-missing"' in next(part for part in parts if "ruleId" in part)
    assert next(source) == account()


def members(id_: str, severity: Severity, *subjects: str) -> list[Judged]:
    return [judged(id_, subject, severity=severity) for subject in subjects]


def subjects(told: Any) -> list[str]:
    return [found["message"]["text"].partition(":")[0] for found in told["results"]]


def left_out(told: Any) -> list[tuple[str, str, int]]:
    """Return what the only invocation says was left out: ids, severities, numbers."""
    (invocation,) = told["invocations"]
    rules = told["tool"]["driver"]["rules"]
    said = []
    for one in invocation["toolExecutionNotifications"]:
        if one["level"] == "error":  # it is not about what was left out
            continue
        assert rules[one["associatedRule"]["index"]]["id"] == one["associatedRule"]["id"]
        said.append((one["associatedRule"]["id"], one["properties"]["severity"], one["properties"]["leftOut"]))
    return said


def test_a_run_has_at_most_as_many_results_as_github_shows() -> None:
    assert MOST_RESULTS == 5000
    names = [str(number) for number in range(5003)]
    selection = Selection()
    document = json.loads(
        "".join(sarif([failing(*members("file-missing", Severity.WARNING, *names))], view(selection)))
    )
    (told,) = document["runs"]
    assert subjects(told) == names[:5000]
    assert left_out(told) == [("file-missing", "warning", 3)]
    (said,) = told["invocations"][0]["toolExecutionNotifications"]
    assert (said["level"], said["message"]["text"]) == (
        "warning",
        "left out: 3 warnings: a file or folder that has to be there is not in the archive",
    )
    assert selection.line == "left out of SARIF: 3 warnings"


def test_errors_come_before_warnings_wherever_they_are_found() -> None:
    first = failing(
        *members("file-missing", Severity.ERROR, "e1"), *members("table-missing", Severity.WARNING, "w1", "w2")
    )
    second = failing(
        *members("file-missing", Severity.ERROR, "e2", "e3"), *members("name-host-differs", Severity.WARNING, "w3")
    )
    everything = [("table-missing", "warning", 2), ("name-host-differs", "warning", 1), ("file-missing", "error", 3)]
    for most, shown, out in (
        (6, ["e1", "e2", "e3", "w1", "w2", "w3"], [0, 0, 0]),
        (5, ["e1", "e2", "e3", "w1", "w2"], [0, 1, 0]),
        (4, ["e1", "e2", "e3", "w1"], [1, 1, 0]),
        (3, ["e1", "e2", "e3"], [2, 1, 0]),
        (1, ["e1"], [2, 1, 2]),
    ):
        told = run(first, second, selection=Selection(most))
        assert subjects(told) == shown
        expected = [(id_, level, count) for (id_, level, _), count in zip(everything, out, strict=True) if count]
        assert sorted(left_out(told)) == sorted(expected)


def test_what_was_left_out_is_told_by_severity_and_rule() -> None:
    found = failing(
        *members("table-missing", Severity.ERROR, "a", "b"),
        *members("file-missing", Severity.WARNING, "c"),
        *members("id-from-install", Severity.NOTE, "d"),
    )
    selection = Selection(1)
    assert left_out(run(found, selection=selection)) == [
        ("table-missing", "error", 1),
        ("file-missing", "warning", 1),
        ("id-from-install", "note", 1),
    ]
    assert selection.line == "left out of SARIF: 1 error, 1 warning, 1 note"


def test_notes_are_counted_and_only_shown_where_they_are_asked_for() -> None:
    found = passing(*members("id-from-install", Severity.NOTE, "a", "b"))
    told = run(found)
    assert (told["results"], left_out(told)) == ([], [("id-from-install", "note", 2)])
    assert told["invocations"][0]["toolExecutionNotifications"][0]["level"] == "note"
    told = run(found, selection=Selection(has_notes=True))
    assert (subjects(told), left_out(told)) == (["a", "b"], [])


def test_what_is_held_against_a_target_is_a_result() -> None:
    note = members("id-from-install", Severity.NOTE, "a")
    assert subjects(run(failing(*note))) == subjects(run(unreadable(*note))) == ["a"]


def test_a_fingerprint_does_not_depend_on_what_is_left_out() -> None:
    found = failing(*(judged("record-no-equals", "", f"line {line}", severity=Severity.WARNING) for line in range(3)))
    few = run(found, selection=Selection(2))["results"]
    assert [one["partialFingerprints"]["backupmeta/v1"] for one in few] == marks(found)[:2]


def test_nothing_that_was_left_out_is_nothing_to_say() -> None:
    selection = Selection()
    assert (left_out(run(failing(judged("dump-missing")), selection=selection)), selection.line) == ([], "")


def of_image(image: str) -> Verification:
    """Return what comes out of an archive of an image, by a line of its record."""
    place = Source(Witness.BACKUP_RECORD, RECORD, None, 8, 155)
    return replace(failing(judged("record-nul", "title", "", place)), path=f"{image}{ARCHIVE}")


def test_files_are_named_from_the_base_on() -> None:
    told = run(of_image("/builds/7/image"), base=Base("/builds/7"))
    assert told["originalUriBaseIds"]["%SRCROOT%"]["uri"] == "file:///builds/7/"
    target = {"uri": "image/home/u/application_backups/app_a.tar.gz", "uriBaseId": "%SRCROOT%"}
    assert told["artifacts"][0]["location"] == target
    (found,) = told["results"]
    assert found["analysisTarget"] == {**target, "index": 0}
    assert found["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": f"image{RECORD}", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 8},
            },
            "message": {"text": f"backup record, {RECORD}, line 8"},  # as its server saw it
        }
    ]


def test_a_log_differs_between_runners_by_its_base_alone() -> None:
    here, there = (run(of_image(f"{folder}/i"), base=Base(folder)) for folder in ("/builds/7", "/home/runner/work/a b"))
    assert here.pop("originalUriBaseIds") != there.pop("originalUriBaseIds")
    assert here == there


def test_a_file_outside_of_the_base_is_an_address() -> None:
    (found,) = run(of_image("/mnt/i"), base=Base("/builds/7"))["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": f"file:///mnt/i{RECORD}"}


def test_the_invocation_says_how_the_run_went() -> None:
    for verifications, code, is_success, description in (
        ((passing(),), 0, True, "1 target: 1 pass"),
        ((passing(), failing(judged("dump-missing"))), 1, True, "2 targets: 1 pass, 1 fail"),
        ((failing(judged("dump-missing")), unreadable()), 2, True, "2 targets: 1 fail, 1 unreadable"),
        ((unreadable(), not_judged()), 2, False, "2 targets: 1 not judged, 1 unreadable"),
        ((), 2, False, "0 targets: nothing was verified"),
    ):
        (invocation,) = run(*verifications)["invocations"]
        assert (invocation["exitCode"], invocation["executionSuccessful"]) == (code, is_success)
        assert invocation["exitCodeDescription"] == description


def test_how_the_run_went_does_not_depend_on_what_is_shown() -> None:
    quiet = VerificationView(is_quiet=True)
    (told,) = json.loads("".join(sarif([passing(), failing(judged("dump-missing"), path="a")], quiet)))["runs"]
    assert [one["location"]["uri"] for one in told["artifacts"]] == ["a"]
    assert told["invocations"][0]["exitCodeDescription"] == "2 targets: 1 pass, 1 fail"
    (told,) = json.loads("".join(sarif([passing()], quiet)))["runs"]
    assert (told["artifacts"], told["invocations"][0]["exitCode"]) == ([], 0)


def test_what_could_not_be_read_is_a_notification() -> None:
    found = judged("archive-unreadable", "", "Permission denied")
    (invocation,) = run(passing(), unreadable(found, path="/work/a b"), base=Base("/work"))["invocations"]
    assert invocation["toolExecutionNotifications"] == [
        {
            "message": {"text": "it could not be read: the archive can't be read (Permission denied)"},
            "level": "error",
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": "a%20b", "uriBaseId": "%SRCROOT%", "index": 1}}}
            ],
            "associatedRule": {"id": "archive-unreadable", "index": list(FINDINGS).index("archive-unreadable")},
        }
    ]


@pytest.mark.long
def test_of_very_many_targets_the_first_are_listed() -> None:
    targets = [unreadable(judged("archive-unreadable"), path=f"/work/{number}") for number in range(20_003)]
    document = json.loads("".join(sarif([*targets, targets[0]], view(Selection(1), Base("/work")))))
    (told,) = document["runs"]
    assert [one["location"]["uri"] for one in told["artifacts"]] == list(map(str, range(20_000)))
    notifications = told["invocations"][0]["toolExecutionNotifications"]
    assert len(notifications) == 1_000 + 2 + 1
    assert [(one["level"], one["message"]["text"]) for one in notifications[1_000:1_002]] == [
        ("error", "19,004 more targets could not be read"),
        ("note", "3 more targets not listed among the artifacts"),
    ]


def test_the_base_shows_no_secret() -> None:
    told = run(passing(), base=Base(f"/work/?token={CANARY}&a=b/"))
    assert told["originalUriBaseIds"]["%SRCROOT%"]["uri"] == "file:///work/%3Ftoken%3D%2A%2A%2A%2A%2A%2A%2A%2A%26a%3Db/"


def test_a_log_is_packed_as_small_as_github_accepts_it() -> None:
    """GitHub docs, "SARIF support for code scanning": at most 10 MB, packed by gzip; these are 10.5 MB, packed."""
    noise = random.Random(1)  # noqa: S311 - no secret
    names = [urlsafe_b64encode(noise.randbytes(15_000)).decode() for _ in range(700)]
    selection = Selection()
    document = "".join(sarif([failing(*members("file-missing", Severity.WARNING, *names))], view(selection)))
    assert 7_000_000 < len(gzip.compress(document.encode())) < 10_000_000
    (told,) = json.loads(document)["runs"]
    assert len(told["results"]) + selection.left_out["file-missing", Severity.WARNING] == len(names)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.NOTE])  # errors wait for nothing
def test_memory_does_not_grow_with_the_results(severity: Severity) -> None:
    script = f"""
import sys
from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Judged, Verdict, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from backupmeta.render.ci import sarif
from backupmeta.render.verified import Selection, VerificationView, blamed


found = (Judged(Finding(FINDINGS["file-missing"], "x" * 20_000), Severity("{severity}")),)
for part in sarif((Verification("archive", "a", Verdict.FAIL, None, found) for _ in range(int(sys.argv[1]))),
                VerificationView(selection=Selection(1_000_000, has_notes=True))):
    print(len(part))
"""
    few, many = measured(script, "1"), measured(script, "4000")
    assert (few.code, many.code) == (0, 0), many.err
    assert len(many.out.splitlines()) == len(few.out.splitlines()) + 3999
    assert many.peak - few.peak < KIBIBYTES_MORE  # the results are 80 MB


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_valid(name: str) -> None:
    place = Source(Witness.ARCHIVE, name, name, 1, 0)
    told = run(failing(judged("file-missing", name, name, place), path=name))
    assert URI.fullmatch(told["artifacts"][0]["location"]["uri"])


@given(VERIFICATIONS)
def test_anything_is_valid(verifications: list[Verification]) -> None:
    document = json.loads("".join(sarif(verifications, view(Selection(has_notes=True)))))
    (told,) = document["runs"]
    validate(document)
    assert len(told["results"]) == sum(len(one.judged) for one in verifications)
    assert {found["ruleId"] for found in told["results"]} == {
        found.finding.id for one in verifications for found in one.judged
    }
    assert CANARY not in json.dumps([[found["message"], found["partialFingerprints"]] for found in told["results"]])
    for found in told["results"]:
        target = found["locations"][0]["physicalLocation"]["artifactLocation"]
        assert URI.fullmatch(target["uri"])
        assert "index" not in target or told["artifacts"][target["index"]]["location"]["uri"] == target["uri"]


@given(VERIFICATIONS, st.integers(1, 8), st.sampled_from([True, False]))
def test_the_most_severe_are_shown_and_the_rest_is_counted(
    verifications: list[Verification],
    most: int,
    has_notes: bool,  # noqa: FBT001 - hypothesis passes by position
) -> None:
    told = json.loads("".join(sarif(verifications, view(Selection(most, has_notes=has_notes)))))["runs"][0]
    wanted = [
        found
        for one in verifications
        for found in one.judged
        if has_notes or found.severity is not Severity.NOTE or Severity.NOTE in blamed(one)
    ]
    expected = sorted(wanted, key=lambda found: list(Severity).index(found.severity))[:most]  # stable
    shown = [(found["ruleId"], found["level"]) for found in told["results"]]
    assert shown == [(found.finding.id, found.severity) for found in expected]
    everything = Counter((found.finding.id, str(found.severity)) for one in verifications for found in one.judged)
    rest = {(id_, severity): number for id_, severity, number in left_out(told)}
    assert Counter(shown) + Counter(rest) == everything
