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

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

import backupmeta
from backupmeta.checks.verdict import Verification
from backupmeta.provenance import Source, Witness
from backupmeta.render.sarif import log
from backupmeta.vocabulary.kinds import Severity
from backupmeta.vocabulary.table import FINDINGS
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
    passing,
    unreadable,
)

SCHEMA = Path(__file__).with_name("sarif-2.1.0.json")
VALIDATOR = Draft4Validator(json.loads(SCHEMA.read_bytes()))
# RFC 3986, appendix A: what a path, with or without the scheme "file", is made of
URI = re.compile(r"(file:///)?([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*")


def run(*verifications: Verification) -> Any:
    """Return the only run of a log that the schema allows."""
    told = json.loads("".join(log(verifications)))
    VALIDATOR.validate(told)
    assert (told["version"], told["$schema"]) == ("2.1.0", json.loads(SCHEMA.read_bytes())["id"])
    (only,) = told["runs"]
    return only


def result(one: Verification) -> Any:
    (only,) = run(one)["results"]
    return only


def uri(path: str) -> str:
    told = json.loads("".join(log([passing(path=path)])))
    return str(told["runs"][0]["artifacts"][0]["location"]["uri"])


def marks(one: Verification) -> list[str]:
    return [found["partialFingerprints"]["backupmeta/v1"] for found in run(one)["results"]]


def test_the_schema_is_the_published_one() -> None:
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() == (
        "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
    )


def test_the_schema_refuses_what_is_wrong() -> None:
    told = json.loads("".join(log([failing(judged("dump-missing"))])))
    told["runs"][0]["results"][0]["level"] = "fatal"
    assert not VALIDATOR.is_valid(told)


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
        "help": {"text": "find out whether the archive was renamed, or the record edited"},
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
        {"location": {"uri": "gone.tar.gz"}, "roles": ["analysisTarget"]},
    ]


def test_a_target_that_is_named_twice_is_one_artifact() -> None:
    told = run(passing(path="a"), account(), failing(judged("dump-missing"), path="./a"))
    assert [one["location"]["uri"] for one in told["artifacts"]] == ["a", "file:///home/u"]
    place = told["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "a", "index": 0}


def test_a_finding_without_evidence_is_at_its_target() -> None:
    assert result(failing(judged("dump-missing", "", "3 tables"))) == {
        "ruleId": "dump-missing",
        "ruleIndex": list(FINDINGS).index("dump-missing"),
        "level": "error",
        "message": {"text": "the record lists tables, and the archive holds no dump of them (3 tables)"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": f"file://{ARCHIVE}", "index": 0}},
                "message": {"text": "file system"},
            }
        ],
        "partialFingerprints": dict.fromkeys(
            ("backupmeta/v1", "primaryLocationLineHash"),
            hashlib.sha256(f"{ARCHIVE}\0dump-missing\0".encode()).hexdigest()[:32] + ":1",
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
            "message": {"text": "backup record, line 8"},
        }
    ]
    assert found["relatedLocations"] == [
        {
            "physicalLocation": {"artifactLocation": target},
            "message": {"text": "embedded record, line 9"},
            "logicalLocations": [{"name": "APP-META.INI", "kind": "member"}],
        }
    ]
    assert found["analysisTarget"] == target


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/home/u/a b%c?d#e.tar.gz", "file:///home/u/a%20b%25c%3Fd%23e.tar.gz"),
        ("/h/\udcff\u00e9", "file:///h/%FF%C3%A9"),
        ("//h/./a:b", "file:///h/a:b"),
        ("/", "file:///"),
        ("a:b/c:d", "a%3Ab/c%3Ad"),
        ("./a//b/", "a/b"),
        ("../a", "../a"),
        (".", "."),
        ("c:\\inetpub\\vhosts\\a b", "file:///c:/inetpub/vhosts/a%20b"),
        ("a\\b", "a%5Cb"),
    ],
)
def test_paths_are_uris(path: str, written: str) -> None:
    assert uri(path) == written


@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw and not re.match(rb"[A-Za-z]:\\", raw)))
def test_a_uri_gives_the_exact_bytes_back(raw: bytes) -> None:
    told = uri(raw.decode("utf-8", "surrogateescape"))
    assert URI.fullmatch(told)
    split = urlsplit(told)
    assert split.scheme == ("file" if raw.startswith(b"/") else "")
    segments = [one for one in raw.split(b"/") if one not in {b"", b"."}]
    assert unquote_to_bytes(split.path).lstrip(b"/") == (b"/".join(segments) or (b"" if split.scheme else b"."))


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
    parts = log(source)
    assert '"ruleId": "dump-missing"' in next(part for part in parts if "ruleId" in part)
    assert next(source) == account()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_valid(name: str) -> None:
    place = Source(Witness.ARCHIVE, name, name, 1, 0)
    told = run(failing(judged("file-missing", name, name, place), path=name))
    assert URI.fullmatch(told["artifacts"][0]["location"]["uri"])


@given(VERIFICATIONS)
def test_anything_is_valid(verifications: list[Verification]) -> None:
    document = json.loads("".join(log(verifications)))
    (told,) = document["runs"]
    del told["tool"]["driver"]["rules"]  # the same in every log, and slow to check
    VALIDATOR.validate(document)
    assert len(told["results"]) == sum(len(one.judged) for one in verifications)
    assert {found["ruleId"] for found in told["results"]} == {
        found.finding.id for one in verifications for found in one.judged
    }
    assert CANARY not in json.dumps([[found["message"], found["partialFingerprints"]] for found in told["results"]])
    for found in told["results"]:
        target = found["locations"][0]["physicalLocation"]["artifactLocation"]
        assert URI.fullmatch(target["uri"])
        assert "index" not in target or told["artifacts"][target["index"]]["location"]["uri"] == target["uri"]
