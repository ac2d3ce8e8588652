"""Rows: what a home has, as the tables want it, without the numbers that only the catalog gives."""

import json
from typing import NamedTuple

from backupmeta.catalog.schema import exact_path
from backupmeta.findings import Finding
from backupmeta.provenance import display, located

Cell = str | int | bytes | None
Cells = tuple[Cell, ...]


class FileRow(NamedTuple):
    """A row of the files; as their table."""

    path: str
    path_bytes: bytes | None
    kind: str
    size: int
    mtime_ns: int
    inode: int
    status: str
    sha256: str | None
    ctime_ns: int


class FindingRow(NamedTuple):
    """A row of the findings; as their table."""

    id: str
    severity: str
    subject: str
    detail: str
    message: str
    evidence: str


class InstallRow(NamedTuple):
    """A row of the installs: its record's place among the files, its fields, and its findings."""

    record_file: int
    cells: Cells
    findings: tuple[FindingRow, ...]


class BackupRow(NamedTuple):
    """A row of the backups: the places of its files, its state, its fields, and its findings."""

    record_file: int | None
    archive_file: int | None
    cells: Cells
    findings: tuple[FindingRow, ...]


class Rows(NamedTuple):
    """All rows of an account.

    Attributes:
        files: its records and archives.
        installs: its installs.
        backups: its backups.
        findings: what is odd about the account itself.
    """

    files: list[FileRow]
    installs: list[InstallRow]
    backups: list[BackupRow]
    findings: tuple[FindingRow, ...]


class Walked(NamedTuple):
    """What came out for an archive.

    Attributes:
        path: its path below the account's.
        id: the id of the record that claims it, if any.
        verdict: pass, fail, unreadable or not judged.
        sha256: its digest, where all of it was read.
        findings: what was found.
        is_final: whether reading it again would tell the same: no disk failed, no process ended.
    """

    path: str
    id: str | None
    verdict: str
    sha256: str | None
    findings: tuple[FindingRow, ...]
    is_final: bool


def exact(row: FileRow) -> str:
    """Return the path of a file, bytes that are not UTF-8 as surrogates."""
    return exact_path(row.path, row.path_bytes)


def finding_row(finding: Finding) -> FindingRow:
    """Return the row of a finding."""
    shown = finding.masked
    texts = (display(shown.subject), display(shown.detail), display(finding.message))
    evidence = json.dumps([located(source) for source in finding.evidence], ensure_ascii=False)
    return FindingRow(finding.id, str(finding.severity), *texts, evidence)
