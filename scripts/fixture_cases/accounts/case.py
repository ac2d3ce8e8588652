"""Accounts: small file systems with homes in them, and what `list` and `view` answer from them.

This module has the parts that accounts are made of; `homes.py` has the accounts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from fixture_cases import containers
from fixture_cases.base import (
    ABSENT,
    ARCHIVE_NAME,
    BACKUP_TIME,
    INSTALL_ID,
    LINES,
    RECORD_ID,
    UNCHANGED,
    FieldChanges,
    Fields,
    LineChanges,
    answer,
    ids,
    record,
)
from fixture_cases.tree import Json, Tree, below, json_bytes
from writers.installatron import gzip_bytes

LIST_FIELDS: Final = "backup_filename backup_install backup_location backup_time id application user".split()
NO_BACKUP_LINES: Final[LineChanges] = dict.fromkeys((key for key in LINES if key.startswith("backup-")), ABSENT)
NO_LINES: Final[LineChanges] = {}


class Backup(NamedTuple):
    """One backup of an account: its record's lines, and the answer expected of them.

    Attributes:
        state: what `list` says: "archive", "missing", "remote", or "unclaimed" (an archive without a record).
        record_id: its id; of an unclaimed archive, its install's.
        file_name: what the record calls its archive.
        time: ``backup-time``.
        lines: what differs from the invented record.
        fields: what differs from the invented answer.
    """

    state: str = "archive"
    record_id: str = RECORD_ID
    file_name: str = ARCHIVE_NAME
    time: int = BACKUP_TIME
    lines: LineChanges = NO_LINES
    fields: FieldChanges = UNCHANGED

    def record(self) -> bytes:
        """Return its record."""
        return record({**self.lines, "backup-time": str(self.time), "backup-filename": self.file_name})

    def archive(self) -> bytes:
        """Return its archive, with the same record in it."""
        return archive(self.record())

    def answer(self) -> Fields:
        """Return the answer expected of `view`."""
        own: FieldChanges = {
            "id": self.record_id,
            "backup_time": str(self.time),
            "backup_filename": self.file_name,
        }
        return answer({**self.fields, **own})

    def listed(self) -> Json:
        """Return the entry expected in `list`."""
        data = self.answer()
        return {"id": self.record_id, "state": self.state, "data": {name: data[name] for name in LIST_FIELDS}}


class Account(NamedTuple):
    """One account: its files below ``sysroot``, and what is expected of them."""

    name: str
    why: str
    tree: Tree
    listed: Sequence[Json]
    findings: Sequence[tuple[str, str]] = ()
    view: Mapping[str, Json] = {}


def archive(content: bytes) -> bytes:
    """Return an archive around the record ``content``."""
    return gzip_bytes(containers.backup(content))


def install(changes: LineChanges = NO_LINES) -> bytes:
    """Return an install record: the invented record without its backup's lines."""
    return record({**NO_BACKUP_LINES, **changes})


def home(
    path: str,
    *,
    records: Mapping[str, bytes] = {},
    installs: Mapping[str, bytes] = {},
    archives: Mapping[str, bytes] = {},
    archives_folder: str = "application_backups",
) -> Tree:
    """Return a home's files."""
    return {
        **{f"{path}/.appdata/backups/{name}": content for name, content in records.items()},
        **{f"{path}/.appdata/current/{name}": content for name, content in installs.items()},
        **{f"{path}/{archives_folder}/{name}": content for name, content in archives.items()},
    }


def home_of(path: str, backup: Backup, archives_folder: str = "application_backups") -> Tree:
    """Return a home with one backup, its archive, and its live install."""
    live = install({key: value for key, value in backup.lines.items() if not key.startswith("backup-")})
    return home(
        path,
        records={backup.record_id: backup.record()},
        installs={INSTALL_ID: live},
        archives={backup.file_name: backup.archive()},
        archives_folder=archives_folder,
    )


def answered(backup: Backup, *findings: str) -> Json:
    """Return a positive answer of `view`."""
    return {"status": 200, "errcode": None, "data": backup.answer(), "findings": ids(findings)}


def refused(errcode: str) -> Json:
    """Return a negative answer of `view`."""
    return {"status": 404, "errcode": errcode, "data": None, "findings": []}


def files(account: Account) -> Tree:
    """Return an account's folder: its files, and what is expected of them."""
    expected: dict[str, Json] = {
        "why": account.why,
        "list": account.listed,
        "findings": [list(pair) for pair in sorted(account.findings)],
        "view": account.view,
    }
    return {**below("sysroot", account.tree), "expected.json": json_bytes(expected)}


def trees(accounts: Sequence[Account]) -> Iterator[Tree]:
    """Yield every account's folder."""
    for account in accounts:
        yield below(f"accounts/{account.name}", files(account))
