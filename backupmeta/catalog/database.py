"""`Catalog`: an open catalog, to write to or to answer from, and the rows that several answers need.

Opening checks the file, migrates an older one, and leaves out what is not as it was scanned.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from backupmeta.catalog import integrity, schema, seals, views
from backupmeta.catalog.catalog_file import (
    OF_SQLITE,
    can_write_beside,
    check_header,
    connected,
    exposed,
    is_as_noted,
    is_unfinished,
    require,
    require_plain_files,
    telling,
    transaction,
)
from backupmeta.errors import CatalogError, DamagedCatalogError
from backupmeta.findings import Finding
from backupmeta.provenance import place_in

_UNSEALED: Final = 3
"""The first schema whose rows are sealed."""


class StoredMemory(NamedTuple):
    """What is remembered of an account, as the catalog has it; see `backupmeta.catalog.remembered`.

    Attributes:
        account: the account's number.
        host: the host that it lies on; empty where all are reached from here.
        path: its path; surrogates stand for bytes that are not UTF-8.
        content: its memory.
    """

    account: int
    host: str
    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan: its number, its roots, the version of backupmeta, when it began and ended, which roots were not read.

    Times are Unix seconds; ``ended`` is None for a scan that was interrupted.
    """

    number: int
    roots: tuple[str, ...]
    version: str
    began: int
    ended: int | None
    unread: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, and could read every root."""
        return self.ended is not None and not self.unread


class Age(NamedTuple):
    """How old a catalog is.

    Attributes:
        oldest: when the scan began that looked last at the account not looked at for longest, Unix seconds.
        newest: when the last scan began.
        is_whole: whether that came to its end.
    """

    oldest: int
    newest: int
    is_whole: bool


_TROUBLES: Final = 20
"""Of how many accounts it is kept why they could not be read: the catalog has all."""


@dataclass(slots=True)
class ScanResult:
    """How far a scan is.

    Attributes:
        accounts: how many accounts were looked at.
        unchanged: in how many of them nothing changed.
        unreadable: how many of them could not be read.
        vanished: how many accounts are gone.
        archives: how many archives those have that were read.
        bytes: how large these archives are.
        walked: how many archives were read to their end.
        changes: how many files, installs and backups are new, changed, moved, returned, vanished, by table.
        unread: why a root could not be read; what was known below it stays as it is.
        altered: what of the catalog was not as it was scanned, and was taken out of it.
        troubles: why an account could not be read, or not all of it, by its path; the first ones.
    """

    accounts: int = 0
    unchanged: int = 0
    unreadable: int = 0
    vanished: int = 0
    archives: int = 0
    bytes: int = 0
    walked: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread: dict[str, str] = field(default_factory=dict)
    altered: list[Finding] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)

    def note_trouble(self, account: str, reason: str) -> None:
        """Count an account that could not be read, or not all of it, and keep why."""
        self.unreadable += 1
        if len(self.troubles) < _TROUBLES:
            self.troubles[account] = reason


class Catalog:
    """An open catalog.

    Attributes:
        path: its file.
        connection: the connection to it.
    """

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        """Use a ``connection`` to the catalog at ``path``; the class methods below open one."""
        self.path = path
        self.connection = connection

    @classmethod
    @contextmanager
    def written(cls, path: str) -> Iterator[Self]:
        """Open the catalog at ``path`` to write to it, as `open_to_write` does, and close it after the block."""
        with closing(open_to_write(path)) as connection, telling(path):
            yield cls(path, connection)

    @classmethod
    @contextmanager
    def unchecked(cls, path: str) -> Iterator[Self]:
        """Open the catalog at ``path`` to read it, as `open_to_read` does; altered rows are not looked for."""
        with closing(open_to_read(path)) as connection, telling(path):
            yield cls(path, connection)

    @classmethod
    @contextmanager
    def checked(cls, path: str, findings: list[Finding] | None) -> Iterator[Self]:
        """Open the catalog at ``path`` to read what was not altered of it, all as of one moment.

        What was altered is appended to ``findings`` and hidden. All accounts are checked, whatever the question is,
        because their rows decide which of them an answer is about.

        Raises:
            CatalogError: it is none, or has no structure that can be relied upon; without ``findings``, also where
                anything was altered.
        """
        with cls.unchecked(path) as catalog:
            catalog.connection.execute("BEGIN")
            if not is_as_noted(path):
                integrity.require_structure(catalog.connection, path)
                integrity.leave_out(catalog.connection, path, seals.altered(catalog.connection), findings)
            yield catalog

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, or roll it back where the block fails."""
        with transaction(self.connection):
            yield

    def memories(self, condition: str, arguments: Sequence[str | int | bytes] = ()) -> Iterator[StoredMemory]:
        """Yield what is remembered of the accounts, named ``a``, that fulfil an SQL ``condition``."""
        rows = self.connection.execute(f"{_MEMORIES} WHERE {condition}", arguments)
        for account, host, path, path_bytes, content in rows:
            yield StoredMemory(account, host, schema.exact_path(path, path_bytes), content)

    def memory(self, account: int) -> StoredMemory:
        """Return what is remembered of the account of this number."""
        return next(self.memories("account = ?", (account,)))

    def findings(self, condition: str, arguments: Sequence[str | int | None] = ()) -> Iterator[Finding]:
        """Yield the findings of now that fulfil an SQL ``condition``."""
        from backupmeta.checks.rulebook import FINDINGS

        for id_, subject, detail, evidence in self.connection.execute(_FINDINGS.format(condition), arguments):
            yield Finding(FINDINGS[id_], subject, detail, tuple(map(place_in, json.loads(evidence))))

    def named(self, select: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a ``select``, their cells by the names of its columns."""
        rows = self.connection.execute(select)
        names = [name for name, *_ in rows.description]
        for row in rows:
            yield dict(zip(names, row, strict=True))

    def scans(self, most: int) -> Iterator[Scan]:
        """Yield the last scans, the newest first."""
        for number, roots, version, began, ended, unread in self.connection.execute(_SCANS, (most,)):
            yield Scan(number, tuple(json.loads(roots)), version, began, ended, tuple(json.loads(unread or "[]")))

    def names(self) -> list[str]:
        """Return the names of the folders of its accounts that are not gone."""
        return [name for (name,) in self.connection.execute("SELECT name FROM accounts WHERE status <> 'vanished'")]


_MEMORIES: Final = "SELECT account, host, path, path_bytes, content FROM accounts a JOIN memories USING (account)"
_FINDINGS: Final = "SELECT id, subject, detail, evidence FROM all_findings WHERE until IS NULL AND {} ORDER BY finding"
_SCANS: Final = "SELECT scan, roots, version, began, ended, unread FROM scans ORDER BY scan DESC LIMIT ?"
_OLDEST: Final = """
SELECT min(began) FROM scans WHERE scan = (SELECT min(last_scan) FROM accounts WHERE status <> 'vanished')
"""


def roots(path: str) -> list[str]:
    """Return the roots on this host that the accounts of the catalog at ``path`` were found below.

    Raises `CatalogError`.
    """
    with Catalog.unchecked(path) as catalog:
        rows = catalog.connection.execute("SELECT DISTINCT root FROM accounts WHERE host = ''")
        return [str(root) for (root,) in rows]


def accounts(path: str) -> int:
    """Return how many accounts the catalog at ``path`` has, that are not gone. Raises `CatalogError`."""
    with Catalog.unchecked(path) as catalog:
        return len(catalog.names())


def age(path: str) -> Age:
    """Return how old the catalog at ``path`` is. Of its rows only those of no account are checked.

    Raises `CatalogError`, also where nothing was scanned into it.
    """
    altered: list[Finding] = []
    with Catalog.unchecked(path) as catalog:
        catalog.connection.execute("BEGIN")
        integrity.leave_out(catalog.connection, path, seals.altered_own(catalog.connection), altered)
        last = next(catalog.scans(1), None)
        (oldest,) = catalog.connection.execute(_OLDEST).fetchone()
    if last is None and altered:
        raise integrity.refusal(path, altered)
    if last is None:
        raise CatalogError(path, "has nothing in it", "scan into it first: 'backupmeta scan ROOT -o CATALOG'")
    return Age(last.began if oldest is None else int(oldest), last.began, last.ended is not None)


def open_to_write(path: str) -> sqlite3.Connection:
    """Open the catalog at ``path`` to write to it; make it where there is none, migrate it where it is an older one.

    Raises `CatalogError` for anything that is no catalog, which is left as it is.
    """
    require(path)
    with telling(path), _closed_on_error(connected(path, "mode=rwc")) as connection:
        _refuse_foreign(connection, path)
        version = _version(connection)
        if version < schema.VERSION:
            with transaction(connection):
                _bring_up(connection, version)
        _require_tables(connection, path)
        if _differing(connection):
            with transaction(connection):
                _make_anew(connection)
        connection.execute("PRAGMA journal_mode = WAL")  # only now: what _check looks at is in the file itself
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close the ``connection`` where the block fails."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def open_to_read(path: str) -> sqlite3.Connection:
    """Open the catalog at ``path`` to read from it.

    Raises `CatalogError` where there is none, for anything that is no catalog, and for one of an older schema that
    can't be migrated, because it can't be written to.
    """
    version = check_header(path)
    is_own = exposed(os.path.realpath(path)) is None
    if version < schema.VERSION or is_unfinished(path):
        open_to_write(path).close()
    is_alone = not (is_own and can_write_beside(path))  # then SQLite looks at no other file
    if not is_alone:
        require_plain_files(os.path.realpath(path), OF_SQLITE)
    mode = "mode=ro&immutable=1" if is_alone else "mode=ro"
    with telling(path), _closed_on_error(connected(path, mode)) as connection:
        _refuse_foreign(connection, path)
        _require_tables(connection, path)
        for name in _differing(connection):
            raise DamagedCatalogError(path, f"is damaged: {name} is not as it should be")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of its schema; 0 where there is nothing in it yet."""
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]


def _bring_up(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables, or change those of an older ``version``; make all views anew."""
    if not version:
        for statement in schema.creation():
            connection.execute(statement)
    steps = [step for older in range(version or schema.VERSION, schema.VERSION) for step in schema.MIGRATIONS[older]]
    is_sealed = version >= _UNSEALED
    known = list(seals.altered(connection)) if steps and is_sealed else []
    for statement in steps:
        connection.execute(statement)
    _make_anew(connection)
    if steps or not is_sealed:
        seals.seal_all(connection, but=known)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def _make_anew(connection: sqlite3.Connection) -> None:
    """Make all views anew, and the indices that are not as they should be."""
    for name, statement in views.statements():
        connection.execute(f"DROP VIEW IF EXISTS {name}")
        connection.execute(statement)
    for name, statement in _differing(connection).items():
        connection.execute(f"DROP INDEX IF EXISTS {name}")
        connection.execute(statement)


def _objects(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Return the type and the SQL of all that is in a database, by name, without SQLite's own."""
    select = "SELECT name, type, ifnull(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    return {str(name): (str(kind), schema.compact(str(sql))) for name, kind, sql in connection.execute(select)}


def _refuse_foreign(connection: sqlite3.Connection, path: str) -> None:
    """Raise `CatalogError` where something is in a catalog that no scan puts there: it could change what is written."""
    known = views.names()
    for name, (kind, _) in _objects(connection).items():
        if kind == "trigger" or name not in known:
            advice = f"see who put it there, and take it away: sqlite3 {path} 'DROP {kind} {name}'"
            raise CatalogError(path, f"has a {kind} of its own, {name}", advice)


def _require_tables(connection: sqlite3.Connection, path: str) -> None:
    """Raise `DamagedCatalogError` where a table is missing, or has other columns."""
    there = _objects(connection)
    for name, statement in schema.tables():
        kind, sql = there.get(name, ("", ""))
        if kind != "table" or schema.described(sql) != schema.described(statement):
            raise DamagedCatalogError(path, f"is damaged: the table {name} is not as it should be")


def _differing(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the views and indices that are not as they should be, and the statements that make them so."""
    there = _objects(connection)
    return {
        name: statement
        for name, statement in (*schema.indices(), *views.statements())
        if there.get(name, ("", ""))[1] != schema.compact(statement)
    }
