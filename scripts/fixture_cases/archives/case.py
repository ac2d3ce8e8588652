"""Archives that lie alone, with no home around them: containers, members, names, and what is no archive.

A case is the archive's bytes and name, and what they change in the expected answer (`fixture_cases/base.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from fixture_cases import containers
from fixture_cases.base import (
    ARCHIVE_NAME,
    ARCHIVE_STEM,
    INSTALL_ID,
    UNCHANGED,
    FieldChanges,
    LineChanges,
    answer,
    extras,
    ids,
    record,
)
from fixture_cases.tree import Json, Tree, below, json_bytes
from writers.installatron import gzip_bytes

Names = Mapping[str, str | None]

NAMES: Final[Names] = {
    "host": "example-com",
    "title": "My-blog-2",
    "local_time": "2025-03-10T11:02:01",
    "utc_offset": "+01:00",
}
UNKNOWN_OFFSET: Final[Names] = {**NAMES, "utc_offset": None}


class ArchiveCase(NamedTuple):
    """An archive, and what is expected of it; ``error`` when it can't be read."""

    name: str
    why: str
    content: bytes
    findings: tuple[str, ...] = ()
    file_name: str = ARCHIVE_NAME
    names: Names | None = NAMES
    fields: FieldChanges = UNCHANGED
    extra: FieldChanges = UNCHANGED
    error: str | None = None


def packed(tar: bytes) -> bytes:
    """Return a tar compressed as the real writer compresses."""
    return gzip_bytes(tar)


def unreadable(name: str, why: str, content: bytes, error: str, file_name: str = ARCHIVE_NAME) -> ArchiveCase:
    """Return a case in which no record is read: the name is parsed, but tells no offset."""
    return ArchiveCase(name, why, content, (), file_name, UNKNOWN_OFFSET, error=error)


def written_as(
    name: str,
    why: str,
    file_name: str,
    names: Names | None,
    findings: tuple[str, ...] = (),
    *,
    lines: LineChanges | None = None,
    fields: FieldChanges = UNCHANGED,
) -> ArchiveCase:
    """Return a case about an archive's name: its record names it so, too."""
    content = packed(containers.backup(record({**(lines or {}), "backup-filename": file_name})))
    return ArchiveCase(name, why, content, findings, file_name, names, {**fields, "backup_filename": file_name})


def renamed(name: str, why: str, file_name: str, names: Names | None, findings: tuple[str, ...]) -> ArchiveCase:
    """Return a case about an archive whose record has another name for it."""
    return ArchiveCase(name, why, packed(containers.backup()), ("archive-renamed", *findings), file_name, names)


def expected(case: ArchiveCase) -> Json:
    """Return what is expected of an archive."""
    verdict: dict[str, Json] = {"why": case.why, "data": None, "errcode": None, "extra": {}, "findings": []}
    if case.error is None:
        verdict["data"] = answer({"id": INSTALL_ID, **case.fields})
        verdict["extra"] = extras(case.extra)
        verdict["findings"] = ids(("id-from-install", *case.findings))
    verdict["names"] = case.names
    return verdict if case.error is None else {**verdict, "error": case.error}


def files(case: ArchiveCase) -> Tree:
    """Return a case's folder: the archive, and what is expected of it."""
    return {case.file_name: case.content, "expected.json": json_bytes(expected(case))}


def trees(cases: tuple[ArchiveCase, ...]) -> Iterator[Tree]:
    """Yield every archive case's folder."""
    for case in cases:
        yield below(f"archives/{case.name}", files(case))


def stem_with(suffix: str) -> str:
    """Return the base archive's name with another suffix."""
    return ARCHIVE_STEM + suffix
