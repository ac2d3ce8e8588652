"""GitHub annotations, read back as GitHub's runner reads them."""

import re
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given

from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Verification
from backupmeta.findings import Severity
from backupmeta.provenance import Source, Witness
from backupmeta.render.ci import github
from backupmeta.render.verified import VerificationView
from tests.render.judged import (
    ARCHIVE,
    CANARY,
    RECORD,
    VERIFICATIONS,
    account,
    failing,
    judged,
    passing,
    unreadable,
)


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    message: str


def unescaped(text: str, extra: dict[str, str]) -> str:
    for escape, character in {"%0D": "\r", "%0A": "\n", **extra, "%25": "%"}.items():
        text = text.replace(escape, character)
    return text


def command(line: str) -> Command:
    """Read a line as the runner's `ActionCommand.TryParseV2` does."""
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    name, _, written = head.partition(" ")
    pairs = [one.partition("=") for one in written.strip().split(",") if one]
    properties = {key: unescaped(value, {"%3A": ":", "%2C": ","}) for key, _, value in pairs}
    return Command(name, properties, unescaped(message, {}))


def read(*verifications: Verification) -> list[Command]:
    return [command(line) for line in "".join(github(verifications)).split("\n")[:-1]]


def test_an_error_is_an_annotation_of_its_target() -> None:
    assert "".join(github([failing(judged("archive-truncated", "", "50% of a, b: c"))])) == (
        f"::error file={ARCHIVE},title=archive-truncated::the archive is cut off (50%25 of a, b: c)%0A"
        "advice: fetch the archive again, or compare its digest with the original's; "
        "if it is still being written, wait\n"
        "::notice title=backupmeta verify::1 target: 1 fail\n"
    )


def test_findings_of_one_id_are_one_annotation() -> None:
    found = [judged("record-no-equals", "", f"line {line}") for line in (3, 7)]
    annotation, _ = read(failing(*found))
    assert annotation.name == "warning"
    assert annotation.message == (
        "a line is no key=value\nline 3\nline 7\n"
        "advice: 'backupmeta explain' shows the line; see whether it was edited by hand"
    )


def test_the_most_severe_come_first_whatever_their_group() -> None:
    found = (judged("dump-missing"), judged("archive-no-end"))
    assert [one.name for one in read(failing(*found))] == ["error", "warning", "notice"]


def test_a_line_is_one_of_the_file_itself() -> None:
    member = Source(Witness.EMBEDDED_RECORD, ARCHIVE, "APP-META.INI", 3, 40)
    line = Source(Witness.BACKUP_RECORD, RECORD, None, 8, 155)
    found = (judged("record-nul", "", "", member, line), judged("record-bom", "", "", member, severity=Severity.ERROR))
    first, second, _ = read(failing(*found))
    assert first.properties == {"file": RECORD, "line": "8", "title": "record-nul"}
    assert second.properties == {"file": ARCHIVE, "title": "record-bom"}


@pytest.mark.parametrize(("path", "base"), [(ARCHIVE, "/home/u"), (f"/mnt/image{ARCHIVE}", "/mnt/image/home/u")])
def test_files_are_named_from_the_base_on(path: str, base: str) -> None:
    line = Source(Witness.BACKUP_RECORD, RECORD, None, 8, 155)
    verification = replace(failing(judged("dump-missing"), judged("record-nul", "", "", line)), path=path)
    first, second, _ = map(command, github([verification], VerificationView(base=Base(base))))
    assert first.properties["file"] == "application_backups/app_a.tar.gz"
    assert second.properties["file"] == ".appdata/backups/1234567890abcdefghij12345"


def test_notes_are_annotations_only_where_they_fail_their_target() -> None:
    note = judged("record-bom")
    assert [one.name for one in read(passing(note), failing(judged("dump-missing"), note))] == ["error", "notice"]
    annotation, verdict = read(failing(note))
    assert (annotation.name, annotation.properties["title"]) == ("notice", "record-bom")
    assert verdict.message == "1 target: 1 fail"


def test_the_verdict_over_everything_is_last_and_always_there() -> None:
    assert read()[-1] == Command("notice", {"title": "backupmeta verify"}, "0 targets: nothing was verified")
    assert read(passing(), account(), unreadable())[-1].message == "3 targets: 2 pass, 1 unreadable"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("a,b:c%d=e f.tar.gz", "a%2Cb%3Ac%25d=e f.tar.gz"),
        ("a\r\n::error::b", "a\\r\\n%3A%3Aerror%3A%3Ab"),
        ("\udcff\x1b", "\ufffd\\x1b"),
    ],
)
def test_names_are_escaped(path: str, written: str) -> None:
    told = next(github([failing(judged("dump-missing"), path=path)]))
    assert told.startswith(f"::error file={written},title=dump-missing::")


@given(VERIFICATIONS)
def test_anything_is_commands_and_nothing_else(verifications: list[Verification]) -> None:
    told = "".join(github(verifications))
    assert CANARY not in told
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", told)
    *annotations, verdict = read(*verifications)
    assert {one.name for one in annotations} <= {"error", "warning", "notice"}
    assert all(one.properties.keys() - {"line"} == {"file", "title"} for one in annotations)
    assert verdict.properties == {"title": "backupmeta verify"}
    titles = {
        (one.server_path, found.finding.id)
        for one in verifications
        for found in one.judged
        if found.severity != Severity.NOTE and not found.is_known
    }
    assert {id_ for _, id_ in titles} <= {one.properties["title"] for one in annotations}
