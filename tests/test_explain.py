"""Explaining records and archives, line by line and step by step."""

import gzip
from pathlib import Path

import pytest

from backupmeta import explain
from backupmeta.errors import EvidenceError, LimitExceededError
from tests.invented import BACKUP, NAME, archive, backup_record


def meanings(content: bytes, *, show_secrets: bool = False) -> list[tuple[int | None, str, str]]:
    return [(one.line, one.text, one.meaning) for one in explain.record(content, show_secrets=show_secrets)]


def test_each_line_is_shown_with_what_was_made_of_it() -> None:
    content = (
        b"installer=wordpress\nautoup=1\nlist-files=a,b\ncf-sitename=x\ncf-version=x\nerrcode=\nx-new=1\n"
        b"no equals\ntitle=first\ntime=soon\ntitle=last\nautobk=0"
    )
    assert meanings(content) == [
        (1, "installer=wordpress", "application"),
        (2, "autoup=1", "autoup: 'minor'"),
        (3, "list-files=a,b", "files: 2 entries"),
        (4, "cf-sitename=x", "custom field sitename"),
        (5, "cf-version=x", "a custom field with the name of another field; kept in extra"),
        (6, "errcode=", "known, no part of the answer; kept in extra"),
        (7, "x-new=1", "unknown; kept in extra"),
        (8, "no equals", "no '=': kept, part of nothing"),
        (9, "title=first", "not used: line 11 has the same key"),
        (10, "time=soon", "time_created: can't be decoded (value-undecodable)"),
        (11, "title=last", "title"),
        (12, "autobk=0", "autobk: 'none'; autobk_schedule: ''"),
    ]


def test_offsets_count_the_bytes_of_the_record() -> None:
    steps = list(explain.record(b"\xef\xbb\xbftitle=\xc3\xa9\r\nowner=x"))
    assert [(one.offset, one.meaning) for one in steps] == [(0, "byte order mark"), (3, "title"), (13, "user")]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"db-pass=CANARY", ["db-pass=********"]),
        (b"db-pass=", ["db-pass="]),
        (b"db-pass=CANARY\nCANARY\ntitle=x", ["db-pass=********", "********", "title=x"]),
        (b"db-pass=CANARY\nCANA/RY=CANARY", ["db-pass=********", "********"]),
        (b"backup-location=ftp://u:CANARY@h/x", ["backup-location=ftp://********@h/x"]),
        (b"db-pass=CANARY\xff", ["db-pass=********"]),
        (b"db-pass=CANARY\r\n", ["db-pass=********"]),
    ],
)
def test_secrets_are_masked_unless_asked_for(content: bytes, shown: list[str]) -> None:
    assert [text for _, text, _ in meanings(content)] == shown
    if b"CANARY" in content:
        assert "CANARY" in str(meanings(content, show_secrets=True))


def test_what_may_be_the_rest_of_a_secret_is_masked_whole() -> None:
    content = b"db-pass=x\nCANA/RY=CANARY\nCANARY\ntitle=x"
    assert meanings(content)[1:3] == [
        (2, "********", "perhaps the rest of the secret above"),
        (3, "********", "perhaps the rest of the secret above"),
    ]


def test_an_archive_is_explained_from_its_name_to_its_record(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(b"installer=wordpress"))
    size = (tmp_path / NAME).stat().st_size
    assert [(one.place, one.text, one.meaning) for one in explain.file(str(tmp_path / NAME))] == [
        ("name", "example-com", "slug of the url's host"),
        ("name", "Blog", "slug of the title"),
        ("name", "2024-06-13 20:55:21", "when it was begun, server-local time"),
        ("file", f"{size:,} bytes", "compression: gzip"),
        ("file", "gzip header", "time 1718312121, system Unix"),
        ("member", "APP-META.INI", "member 1: 19 bytes, the embedded record"),
        ("record", "installer=wordpress", "application"),
    ]


def test_what_is_odd_about_an_archive_is_a_step(tmp_path: Path) -> None:
    (tmp_path / "copy.tar").write_bytes(archive(b"a=b"))
    steps = [(one.place, one.text) for one in explain.file(str(tmp_path / "copy.tar"))]
    assert steps[0] == ("name", "copy.tar")
    assert ("file", "archive-suffix-differs") in steps


def test_a_plain_tar_has_no_gzip_header(tmp_path: Path) -> None:
    (tmp_path / "copy.tar").write_bytes(gzip.decompress(archive(b"a=b")))
    meanings = [one.meaning for one in explain.file(str(tmp_path / "copy.tar"))]
    assert meanings[1:3] == ["compression: none", "member 1: 3 bytes, the embedded record"]


def test_a_record_is_explained_by_its_name_or_its_beginning(tmp_path: Path) -> None:
    for name in (BACKUP, "APP-META.INI", "notes.txt"):
        (tmp_path / name).write_bytes(backup_record())
        assert next(iter(explain.file(str(tmp_path / name)))).text == "backup-note="


def test_what_is_neither_is_refused_before_anything_is_shown(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<html></html>")
    with pytest.raises(EvidenceError):
        next(explain.file(str(tmp_path / "page.html")))


def test_a_record_of_a_million_lines_is_refused_before_it_is_taken_in(tmp_path: Path) -> None:
    record = tmp_path / "1234567890abcdefghij12345"
    record.write_bytes(b"\n" * 900_000)
    with pytest.raises(LimitExceededError, match="record_lines"):
        list(explain.file(str(record)))
