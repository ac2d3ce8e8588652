"""What was altered in a catalog: an answer leaves it out and says so, a scan deletes it and reads it anew."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from backupmeta import rules
from backupmeta.catalog import schema, seals
from backupmeta.catalog.schema import (
    ACCOUNTS,
    BACKUPS,
    FILES,
    FINDINGS,
    INSTALLS,
    MEMORIES,
    SCANS,
    SEALS,
    SHARED,
    Table,
    Type,
)
from backupmeta.catalog.seals import OF_ACCOUNT, OWN, SEALED, Altered
from backupmeta.errors import CatalogError, DamagedCatalogError
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display

_WORDS: Final = {
    SEALS: "accounts",
    SCANS: "scans",
    BACKUPS: "backups",
    INSTALLS: "installs",
    FILES: "files",
    FINDINGS: "findings",
    SHARED: "shared values",
    ACCOUNTS: "places",
    MEMORIES: "memories",
}


def leave_out(
    connection: sqlite3.Connection, path: str, altered: Iterable[Altered], findings: list[Finding] | None
) -> None:
    """Append what was ``altered`` of the catalog at ``path`` to ``findings``, and hide it.

    Raises `CatalogError` for the first of it without ``findings``.
    """
    accounts, scans = list[int](), list[int]()
    for difference in altered:
        finding = _finding(connection, path, difference, _LEFT_OUT)
        if findings is None:
            raise refusal(path, [finding])
        findings.append(finding)
        accounts.append(difference.account)
        scans += difference.differing(SCANS)
    if accounts:
        _shadow(connection, accounts, scans)


def refusal(path: str, altered: Sequence[Finding]) -> CatalogError:
    """Return the error of an answer that is refused: what was ``altered`` first of the catalog at ``path``."""
    first = altered[0]
    account = first.subject.removeprefix(display(path))
    return CatalogError(path, first._replace(subject=account.removeprefix(": ")).message, _RESTORE)


_GREATEST_KEY: Final = 2**62
"""No catalog has as many rows: who gives one this number wants none to follow."""

_RESTORE: Final = "or restore it from a copy"
_ADVICE: Final = "'backupmeta scan ROOT -o CATALOG' reads it anew"
_LEFT_OUT: Final = f"it is left out; {_ADVICE}"
_READ_ANEW: Final = "these are gone, and what is there is read anew"
_STAYS: Final = "it was not read now, and is left as it is"


def require_structure(connection: sqlite3.Connection, path: str) -> None:
    """Raise `DamagedCatalogError` where pages, rows and indices do not fit together, or no row can be added."""
    (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise DamagedCatalogError(path, f"is damaged: {' '.join(str(answer).split())}")
    for table in SEALED:
        (greatest,) = connection.execute(f"SELECT max({table.key}) FROM {table.name}").fetchone()
        if isinstance(greatest, int) and greatest > _GREATEST_KEY:
            raise DamagedCatalogError(path, f"is damaged: a row of {table.name} has the number {greatest}")


def _finding(connection: sqlite3.Connection, path: str, altered: Altered, what_is_done: str) -> Finding:
    """Return what was altered of the catalog at ``path``, and what is done about it, in words."""
    detail = f"{_detail(altered)}; {what_is_done}"
    if altered.account == OWN:
        return Finding(rules.CATALOG_ALTERED, display(path), detail)
    row = connection.execute("SELECT path FROM accounts WHERE account = ?", (altered.account,)).fetchone()
    if row is None or not altered.has_place:
        return Finding(rules.CATALOG_ALTERED, f"{display(path)}: account {altered.account}", detail)
    where = (Source(Witness.FILE_SYSTEM, str(row[0])),)
    return Finding(rules.CATALOG_ALTERED, f"{display(path)}: {row[0]}", detail, where)


def _detail(altered: Altered) -> str:
    if not altered.was:
        return "nothing tells what was scanned of it"
    parts = [
        f"{len(lost):,} of its {altered.sealed(table):,} {word} differ"
        for table, word in _WORDS.items()
        if (lost := altered.lost(table))
    ]
    for table, word in _WORDS.items():
        if table is not SEALS and (added := altered.added(table)):
            parts.append(f"{len(added):,} {word} were not there")
    return ", ".join(parts)


def _shadow(connection: sqlite3.Connection, accounts: Iterable[int], scans: Iterable[int]) -> None:
    """Hide ``accounts`` and ``scans``: temporary views stand in for the tables, and for the other views."""
    execute, many = connection.execute, connection.executemany
    execute("CREATE TEMP TABLE left_out (account)")
    execute("CREATE TEMP TABLE left_scans (scan)")
    many("INSERT INTO left_out (account) VALUES (?)", ((number,) for number in accounts))
    many("INSERT INTO left_scans (scan) VALUES (?)", ((number,) for number in scans))
    for table in OF_ACCOUNT:
        execute(_without(table, "ifnull(account, 0) NOT IN (SELECT account FROM left_out)"))
    execute(_without(SCANS, "scan NOT IN (SELECT scan FROM left_scans)"))
    for _, statement in schema.views():
        execute(statement.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _without(table: Table, condition: str) -> str:
    return f"CREATE TEMP VIEW {table.name} AS SELECT {', '.join(table.names)} FROM main.{table.name} WHERE {condition}"


class Damaged:
    """The accounts with altered rows: these rows are deleted when the account is read anew, or is gone.

    Until then they stay, and are reported: a scan of other roots, or of a disk that can't be read, deletes nothing.

    Attributes:
        findings: what was deleted.
    """

    def __init__(self, path: str, findings: list[Finding]) -> None:
        """Begin without damage in the catalog at ``path``; what is deleted is appended to ``findings``."""
        self.findings = findings
        self._path = path
        self._accounts: dict[int, Altered] = {}

    def __contains__(self, account: int) -> bool:
        return account in self._accounts

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def add(self, connection: sqlite3.Connection, altered: Altered) -> bool:
        """Add what was altered of an account; return whether it was deleted at once, because its place is not known."""
        if altered.has_place:
            self._accounts[altered.account] = altered
            return False
        self.findings.append(_finding(connection, self._path, altered, _READ_ANEW))
        _take_away_own(connection, altered) if altered.account == OWN else _take_away_all(connection, altered.account)
        return True

    def greatest(self, table: Table) -> int:
        """Return the greatest key that a row of ``table`` has or had: a new one would be taken for it."""
        number = SEALED.index(table)
        rows = chain.from_iterable((*altered.was, *altered.now) for altered in self._accounts.values())
        return max((key for of, key in rows if of == number), default=0)

    def values(self) -> frozenset[int]:
        """Return the keys of the shared values that were altered."""
        return frozenset(key for altered in self._accounts.values() for key in altered.lost(SHARED))

    def take_away(self, connection: sqlite3.Connection, account: int) -> None:
        """Delete the altered rows of an account, if any; the caller seals the rest of it."""
        if (altered := self._accounts.pop(account, None)) is not None:
            self.findings.append(_finding(connection, self._path, altered, _READ_ANEW))
            _take_away(connection, altered)

    def rest(self, connection: sqlite3.Connection) -> Iterator[Finding]:
        """Yield what was altered and not deleted."""
        for altered in self._accounts.values():
            yield _finding(connection, self._path, altered, _STAYS)


def damaged(connection: sqlite3.Connection, path: str, findings: list[Finding]) -> Damaged:
    """Return what was altered of the catalog at ``path``, which is going to be scanned into.

    What belongs to no account, or to an account whose place is not known any more, is deleted, and appended to
    ``findings``. Raises `DamagedCatalogError` where the structure can't be mended.
    """
    _mend_indices(connection, path)
    damage = Damaged(path, findings)
    taken = [damage.add(connection, altered) for altered in seals.altered(connection)]
    if any(taken):
        seals.seal(connection, (OWN,))
    return damage


def _mend_indices(connection: sqlite3.Connection, path: str) -> None:
    try:
        require_structure(connection, path)
    except DamagedCatalogError:
        try:
            connection.execute("REINDEX")
        except sqlite3.DatabaseError as error:
            raise DamagedCatalogError(path, f"is damaged: {error}") from error
        require_structure(connection, path)


def _take_away_all(connection: sqlite3.Connection, account: int) -> None:
    for table in (*OF_ACCOUNT, SEALS):
        connection.execute(f"DELETE FROM {table.name} WHERE account = ?", (account,))


def _take_away(connection: sqlite3.Connection, altered: Altered) -> None:
    """Delete the altered rows of an account, and what refers to them."""
    for table in (FILES, INSTALLS, BACKUPS, FINDINGS):
        _delete(connection, table, altered.differing(table))
    _delete_shared(connection, altered.account, altered.lost(SHARED))
    for statement in _DANGLING:
        connection.execute(statement, (altered.account,))
    if altered.differing(FINDINGS):
        for statement in _UNWALK:
            connection.execute(statement, (altered.account,))
    connection.execute("DELETE FROM memories WHERE account = ?", (altered.account,))


def _take_away_own(connection: sqlite3.Connection, altered: Altered) -> None:
    if altered.was:
        for table in (SCANS, FINDINGS):
            _delete(connection, table, altered.differing(table))
    else:
        connection.execute("DELETE FROM scans")
        connection.execute("DELETE FROM all_findings WHERE account IS NULL")
    for table in OF_ACCOUNT:
        connection.execute(f"DELETE FROM {table.name} WHERE account = ?", (OWN,))


def _delete(connection: sqlite3.Connection, table: Table, keys: Iterable[int]) -> None:
    connection.executemany(f"DELETE FROM {table.name} WHERE {table.key} = ?", [(key,) for key in keys])


def _delete_shared(connection: sqlite3.Connection, account: int, keys: Sequence[int]) -> None:
    """Delete values, and all that the account has with them."""
    if not keys:
        return
    _delete(connection, SHARED, keys)
    connection.executemany("DELETE FROM extensions WHERE list = ?", [(key,) for key in keys])
    for table in (INSTALLS, BACKUPS):
        columns = [column.name for column in table.columns if column.type is Type.SHARED]
        lost = (f"({column} IS NOT NULL AND {column} NOT IN (SELECT shared FROM shared))" for column in columns)
        missing = " OR ".join(lost)
        connection.execute(f"DELETE FROM {table.name} WHERE account = ? AND ({missing})", (account,))


_UNWALK: Final = (
    "UPDATE all_files SET verdict = NULL, walked = NULL WHERE account = ? AND until IS NULL",
    "DELETE FROM all_findings WHERE account = ? AND until IS NULL AND file IS NOT NULL",
)
"""Forget what reading all of its archives found: some of that is lost."""

_DANGLING: Final = (
    """
    DELETE FROM all_installs WHERE account = ? AND record_file NOT IN (SELECT file FROM all_files)
    """,
    """
    DELETE FROM all_backups WHERE account = ? AND (
      (record_file IS NOT NULL AND record_file NOT IN (SELECT file FROM all_files))
      OR (archive_file IS NOT NULL AND archive_file NOT IN (SELECT file FROM all_files)))
    """,
    """
    DELETE FROM all_findings WHERE account = ? AND (
      (file IS NOT NULL AND file NOT IN (SELECT file FROM all_files))
      OR (install IS NOT NULL AND install NOT IN (SELECT install FROM all_installs))
      OR (backup IS NOT NULL AND backup NOT IN (SELECT backup FROM all_backups)))
    """,
)
"""What refers to rows that are gone. Null is not in an empty table either, for SQL."""
