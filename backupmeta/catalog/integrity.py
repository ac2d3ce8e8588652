"""Integrity: whether a catalog says what a scan wrote, and what is done about rows that were altered since.

A seal has a digest (BLAKE2b, 8 bytes) of each row that an account has or refers to, and one (16 bytes) of all of these.
The catalog's own seal, of the account `OWN`, has those of its scans, of what is odd about no account, and the number
and sum of all other seals: so an account that is missing altogether shows, too. A row is digested as SQLite writes it
as JSON, with bytes as literals (SQLite, "JSON Functions", "quote"), which tells null, "", 0 and b"" apart.

Whoever writes rows and seals anew is not noticed: there is no key. An answer leaves out what was altered and says so; a
scan deletes it and reads it anew.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from struct import Struct
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.catalog import member_runs, schema
from backupmeta.catalog.views import views
from backupmeta.errors import CatalogError, DamagedCatalogError
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display

OWN: Final = 0
"""The number that the catalog itself has among the accounts: these are numbered from 1."""

_ENTRY: Final = Struct(">Bq8s")
"""A row in a seal: its table's number in `schema.SEALED`, its key, its digest."""

_AT_HAND: Final = 100_000
"""How many digests of shared values are kept in memory."""

Key = tuple[int, int]
"""A row in a seal: its table's number in `schema.SEALED`, and its key."""


class Altered(NamedTuple):
    """What is not as it was sealed.

    Attributes:
        account: the account, or `OWN`.
        was: the digests that the seal has; none where it is missing, or was altered itself.
        now: those of the rows that are there.
    """

    account: int
    was: Mapping[Key, bytes]
    now: Mapping[Key, bytes]

    def lost(self, table: schema.Table) -> list[int]:
        """Return the keys of the rows of ``table`` that differ, or are there no longer."""
        number = schema.SEALED.index(table)
        return [key for of, key in self.was if of == number and self.now.get((of, key)) != self.was[of, key]]

    def added(self, table: schema.Table) -> list[int]:
        """Return the keys of the rows of ``table`` that were not sealed."""
        number = schema.SEALED.index(table)
        return [key for of, key in self.now if of == number and (of, key) not in self.was]

    def differing(self, table: schema.Table) -> list[int]:
        """Return the keys of all rows of ``table`` that are not as they were sealed."""
        return self.lost(table) + self.added(table)

    @property
    def has_place(self) -> bool:
        """Whether it is an account of which is known where it lies: its seal and its own row are as they were."""
        return self.account != OWN and bool(self.was) and not self.differing(schema.ACCOUNTS)


_DIGESTS: Final = "SELECT CAST(ifnull(digest, '') AS BLOB) FROM seals WHERE account <> ?"
_SEAL: Final = """
SELECT CAST(ifnull(digest, '') AS BLOB), CAST(ifnull(digests, '') AS BLOB) FROM seals WHERE account = ?
"""  # a page that was damaged may have any type


def _of_seal(account: int, rows: bytes) -> bytes:
    """Return the digest of a whole seal."""
    return blake2b(b"%d:" % account + rows, digest_size=16).digest()


class _Rows:
    """Reads rows as they are sealed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the columns that a catalog has, in the order of its schema: an older one may have fewer."""
        self._connection = connection
        self._values: dict[int, bytes] = {}
        tables = (schema.ACCOUNTS, schema.MEMORIES, schema.FILES, schema.FINDINGS, schema.READINGS)
        of_account = [f"{self._select(table)} WHERE account = ?1" for table in tables if self._columns(table)]
        self._head = of_account[0]
        self._plain = " UNION ALL ".join(of_account)
        self._sharing = [f"{self._select(table)} WHERE account = ?1" for table in (schema.INSTALLS, schema.BACKUPS)]
        self._own = f"{self._select(schema.SCANS)} UNION ALL {self._select(schema.FINDINGS)} WHERE account IS NULL"
        columns = self._columns(schema.EXTENSIONS)
        entries = f"SELECT {', '.join(column.name for column in columns)} FROM extensions"
        listed = f"json_group_array({_text(columns)}) FROM ({entries} WHERE list = ?1 ORDER BY rowid)"
        value = f"json_array({_text(self._columns(schema.SHARED))}, (SELECT {listed}))"
        number = schema.SEALED.index(schema.SHARED)
        self._value_of = f"SELECT {number}, shared, CAST({value} AS BLOB) FROM shared WHERE shared = ?1"

    def _select(self, table: schema.Table) -> str:
        """Return the SQL of the rows of ``table`` as they are digested; the keys of what they share come last."""
        columns = self._columns(table)
        shared = "".join(f", {column.name}" for column in columns if column.type is schema.Type.SHARED)
        row = f"CAST({_text(columns)} AS BLOB)"
        return f"SELECT {schema.SEALED.index(table)}, {table.key}, {row}{shared} FROM {table.name}"

    def _columns(self, table: schema.Table) -> list[schema.Column]:
        select = "SELECT name FROM pragma_table_info(?, 'main')"
        there = {name for (name,) in self._connection.execute(select, (table.name,))}
        return [column for column in table.columns if column.name in there]

    def account(self, account: int) -> bytes:
        """Return what a seal has of all rows of ``account``, and of what they share; its own row comes first."""
        values, entries = set[int](), self._entries(self._plain, account)
        for select in self._sharing:
            entries += self._entries(select, account, values)
        entries += map(self._value, values - {None})
        return b"".join(sorted(entries))

    def head(self, account: int) -> bytes:
        """Return what a seal has of the account's own row."""
        return b"".join(self._entries(self._head, account))

    def own(self) -> bytes:
        """Return what the catalog's own seal has of its rows."""
        return b"".join(sorted(self._entries(self._own)))

    def values(self, keys: Iterable[Key]) -> bytes:
        """Return what a seal has of the shared values among the rows of another: their own rows may be gone."""
        return b"".join(self._value(key) for of, key in keys if schema.SEALED[of] is schema.SHARED)

    def _value(self, key: int) -> bytes:
        """Return what a seal has of a shared value; nothing where it is missing."""
        if key not in self._values:
            if len(self._values) >= _AT_HAND:
                self._values.clear()
            self._values[key] = b"".join(self._entries(self._value_of, key))
        return self._values[key]

    def _entries(self, select: str, key: int | None = None, values: set[int] | None = None) -> list[bytes]:
        """Return what a seal has of the rows that ``select`` gives for a ``key``; add what they share to ``values``."""
        entries, pack = list[bytes](), _ENTRY.pack  # at hand: this is done for every row
        for of, number, row, *shared in self._connection.execute(select, () if key is None else (key,)):
            entries.append(pack(of, number, blake2b(row, digest_size=8).digest()))
            if values is not None:
                values.update(shared)
        return entries


def _text(columns: Iterable[schema.Column]) -> str:
    """Return the SQL of a row as it is digested."""
    cells = (f"quote({column.name})" if column.type is schema.Type.BYTES else column.name for column in columns)
    return f"json_array({', '.join(cells)})"


def _sum(digests: Iterable[tuple[bytes]]) -> tuple[int, int]:
    """Return how many seals there are, and the sum of their digests."""
    count = total = 0
    for (digest,) in digests:
        count, total = count + 1, total + _number(digest)
    return count, total


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8])


def _summed(count: int, total: int) -> bytes:
    """Return what the catalog's own seal has of all others."""
    return _ENTRY.pack(schema.SEALED.index(schema.SEALS), count, (total % 2**64).to_bytes(8))


class Seals:
    """Seals what is written; its caller begins and ends the transactions, and calls `write` before their end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Seal what is written into ``connection``."""
        self._connection = connection
        self._rows = _Rows(connection)
        self._changed: set[int] = set()
        self._met: set[int] = set()
        self._count, self._sum = _sum(connection.execute(_DIGESTS, (OWN,)))
        self._own = self._rows.own()

    def change(self, account: int) -> None:
        """Note that rows of an account, or of `OWN`, are written."""
        self._changed.add(account)

    def meet(self, account: int) -> None:
        """Note that an account's row in the table of accounts is written, and perhaps no other row of it."""
        self._met.add(account)

    def write(self) -> None:
        """Seal what was written."""
        for account in sorted(self._changed - {OWN}):
            self._put(account, self._rows.account(account))
        for account in sorted(self._met - self._changed):
            _, rows = self._connection.execute(_SEAL, (account,)).fetchone()
            self._put(account, self._rows.head(account) + rows[_ENTRY.size :])
        if OWN in self._changed:
            self._own = self._rows.own()
        self._write(OWN, self._all_own())
        self._changed.clear()
        self._met.clear()

    def leave(self, altered: Altered) -> None:
        """Seal an account, or `OWN`, anew; its rows that are ``altered`` still do not fit the seal."""
        account, was, now = altered
        rows = _entries(self._all_own() if account == OWN else self._rows.account(account))
        sealed = {key: rows.get(key, digest) if now.get(key) == digest else digest for key, digest in was.items()}
        content = b"".join(_ENTRY.pack(*key, digest) for key, digest in sealed.items())
        if account != OWN:
            self._put(account, content)
            content = self._all_own()
        self._write(OWN, content)

    def _all_own(self) -> bytes:
        return _summed(self._count, self._sum) + self._own

    def _put(self, account: int, rows: bytes) -> None:
        """Replace the seal of an account, or give it one."""
        seal = self._connection.execute(_SEAL, (account,)).fetchone()
        self._count += seal is None
        self._sum += _number(self._write(account, rows)) - (0 if seal is None else _number(seal[0]))

    def _write(self, account: int, rows: bytes) -> bytes:
        digest = _of_seal(account, rows)
        self._connection.execute(_WRITE, (account, digest, rows))
        return digest


_WRITE: Final = schema.insertion(schema.SEALS, schema.SEALS.names, "INSERT OR REPLACE")


def seal_all(connection: sqlite3.Connection, but: Iterable[Altered] = ()) -> None:
    """Seal a catalog that has no seals yet, or whose tables have other columns since.

    Rows that were altered before, in ``but``, still do not fit their seals.
    """
    seal(connection, (OWN, *_numbers(connection)))
    seals = Seals(connection)
    # the catalog's own seal comes last: it has the sum of all others
    for difference in sorted(but, key=lambda difference: difference.account == OWN):
        seals.leave(difference)


def seal(connection: sqlite3.Connection, accounts: Iterable[int]) -> None:
    """Seal these ``accounts`` as they are, and the catalog itself."""
    seals = Seals(connection)
    for account in accounts:
        seals.change(account)
    seals.write()


def altered(connection: sqlite3.Connection) -> Iterator[Altered]:
    """Yield what is not as it was sealed, of the catalog itself and of all accounts."""
    yield from altered_own(connection)
    rows = _Rows(connection)
    readings = member_runs.altered(connection) if _has(connection, schema.READINGS) else {}
    for account in _numbers(connection):
        now = rows.account(account)
        if account in readings:
            now = _without(now, readings[account])
        for difference in _compared(connection, account, now):
            yield difference._replace(now={**difference.now, **_entries(rows.values(difference.was))})


def altered_own(connection: sqlite3.Connection) -> Iterator[Altered]:
    """Yield what is not as it was sealed, of the catalog itself."""
    rows, others = _Rows(connection), _summed(*_sum(connection.execute(_DIGESTS, (OWN,))))
    yield from _compared(connection, OWN, others + rows.own() + rows.account(OWN))  # of the latter there is nothing


def _numbers(connection: sqlite3.Connection) -> Iterable[int]:
    """Return the numbers of all accounts that there are rows or seals of."""
    select = "SELECT DISTINCT account FROM {} WHERE typeof(account) = 'integer'"
    selects = (select.format(table.name) for table in schema.OF_ACCOUNT if _has(connection, table))
    sealed = connection.execute("SELECT account FROM seals WHERE account <> ?", (OWN,))
    numbers = dict.fromkeys(number for (number,) in chain(sealed, *map(connection.execute, selects)))
    numbers.pop(OWN, None)
    return numbers


def _has(connection: sqlite3.Connection, table: schema.Table) -> bool:
    """Return whether a catalog has a ``table``: one of an older schema may not."""
    return connection.execute("SELECT 1 FROM pragma_table_info(?, 'main')", (table.name,)).fetchone() is not None


def _without(rows: bytes, readings: Collection[int]) -> bytes:
    """Return what a seal has of ``rows``, without ``readings`` that have other members."""
    number = schema.SEALED.index(schema.READINGS)
    entries = (entry for entry in _ENTRY.iter_unpack(rows) if entry[0] != number or entry[1] not in readings)
    return b"".join(_ENTRY.pack(*entry) for entry in entries)


def _compared(connection: sqlite3.Connection, account: int, now: bytes) -> Iterator[Altered]:
    """Yield what was altered of an account that has these rows ``now``, if anything was."""
    digest, rows = connection.execute(_SEAL, (account,)).fetchone() or (b"", b"")
    if rows == now and digest == _of_seal(account, now):
        return
    was = _entries(rows) if digest == _of_seal(account, rows) else {}
    yield Altered(account, was, _entries(now))


def _entries(rows: bytes) -> dict[Key, bytes]:
    return {(of, key): digest for of, key, digest in _ENTRY.iter_unpack(rows)}


# --- what was altered -------------------------------------------------------------------------------------------------

_WORDS: Final = {
    schema.SEALS: "accounts",
    schema.SCANS: "scans",
    schema.BACKUPS: "backups",
    schema.INSTALLS: "installs",
    schema.FILES: "files",
    schema.FINDINGS: "findings",
    schema.SHARED: "shared values",
    schema.ACCOUNTS: "places",
    schema.MEMORIES: "memories",
    schema.READINGS: "lists of members",
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
        scans += difference.differing(schema.SCANS)
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
_LEFT_OUT: Final = "it is left out; 'backupmeta scan ROOT -o CATALOG' reads it anew"
_READ_ANEW: Final = "these are gone, and what is there is read anew"
_STAYS: Final = "it was not read now, and is left as it is"


def require_structure(connection: sqlite3.Connection, path: str) -> None:
    """Raise `DamagedCatalogError` where pages, rows and indices do not fit together, or no row can be added."""
    (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise DamagedCatalogError(path, f"is damaged: {' '.join(str(answer).split())}")
    for table in schema.SEALED:
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
    sealed = Counter(schema.SEALED[of] for of, _ in altered.was)
    lost = {table: len(altered.lost(table)) for table in _WORDS}
    added = {table: len(altered.added(table)) for table in _WORDS if table is not schema.SEALS}
    parts = [f"{lost[table]:,} of its {sealed[table]:,} {word} differ" for table, word in _WORDS.items() if lost[table]]
    parts += [f"{count:,} {_WORDS[table]} were not there" for table, count in added.items() if count]
    return ", ".join(parts)


def _shadow(connection: sqlite3.Connection, accounts: Iterable[int], scans: Iterable[int]) -> None:
    """Hide ``accounts`` and ``scans``: temporary views stand in for the tables, and for the other views."""
    execute, many = connection.execute, connection.executemany
    execute("CREATE TEMP TABLE left_out (account)")
    execute("CREATE TEMP TABLE left_scans (scan)")
    many("INSERT INTO left_out (account) VALUES (?)", ((number,) for number in accounts))
    many("INSERT INTO left_scans (scan) VALUES (?)", ((number,) for number in scans))
    for table in schema.OF_ACCOUNT:
        execute(_shadowed(table, "ifnull(account, 0) NOT IN (SELECT account FROM left_out)"))
    execute(_shadowed(schema.SCANS, "scan NOT IN (SELECT scan FROM left_scans)"))
    for _, statement in views():
        execute(statement.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _shadowed(table: schema.Table, condition: str) -> str:
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
        if altered.account == OWN:
            _take_away_own(connection, altered)
        member_runs.forget(connection, altered.account)
        for table in (*schema.OF_ACCOUNT, schema.SEALS):
            connection.execute(f"DELETE FROM {table.name} WHERE account = ?", (altered.account,))
        return True

    def greatest(self, table: schema.Table) -> int:
        """Return the greatest key that a row of ``table`` has or had: a new one would be taken for it."""
        number = schema.SEALED.index(table)
        rows = chain.from_iterable((*altered.was, *altered.now) for altered in self._accounts.values())
        return max((key for of, key in rows if of == number), default=0)

    def values(self) -> frozenset[int]:
        """Return the keys of the shared values that were altered."""
        return frozenset(key for altered in self._accounts.values() for key in altered.lost(schema.SHARED))

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
    taken = [damage.add(connection, altered) for altered in altered(connection)]
    if any(taken):
        seal(connection, (OWN,))
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


def _take_away(connection: sqlite3.Connection, altered: Altered) -> None:
    """Delete the altered rows of an account, and what refers to them."""
    for table in (schema.FILES, schema.INSTALLS, schema.BACKUPS, schema.FINDINGS):
        _delete(connection, table, altered.differing(table))
    lost = altered.lost(schema.SHARED)
    _delete(connection, schema.SHARED, lost)
    connection.executemany("DELETE FROM extensions WHERE list = ?", [(key,) for key in lost])
    for statement in (*_DANGLING, *(_UNWALK if altered.differing(schema.FINDINGS) else ())):
        connection.execute(statement, (altered.account,))
    if altered.differing(schema.READINGS):
        member_runs.forget(connection, altered.account)
    connection.execute("DELETE FROM memories WHERE account = ?", (altered.account,))


def _take_away_own(connection: sqlite3.Connection, altered: Altered) -> None:
    if altered.was:
        for table in (schema.SCANS, schema.FINDINGS):
            _delete(connection, table, altered.differing(table))
    else:
        connection.execute("DELETE FROM scans")
        connection.execute("DELETE FROM all_findings WHERE account IS NULL")


def _delete(connection: sqlite3.Connection, table: schema.Table, keys: Iterable[int]) -> None:
    connection.executemany(f"DELETE FROM {table.name} WHERE {table.key} = ?", [(key,) for key in keys])


_UNWALK: Final = (
    "UPDATE all_files SET verdict = NULL, walked = NULL WHERE account = ? AND until IS NULL",
    "DELETE FROM all_findings WHERE account = ? AND until IS NULL AND file IS NOT NULL",
)
"""Forget what reading all of its archives found: some of that is lost."""

_REFERENCES: Final = (
    *(
        (table, column.name, schema.SHARED)
        for table in (schema.INSTALLS, schema.BACKUPS)
        for column in table.columns
        if column.type is schema.Type.SHARED
    ),
    (schema.INSTALLS, "record_file", schema.FILES),
    (schema.BACKUPS, "record_file", schema.FILES),
    (schema.BACKUPS, "archive_file", schema.FILES),
    (schema.FINDINGS, "file", schema.FILES),
    (schema.READINGS, "file", schema.FILES),
    (schema.FINDINGS, "install", schema.INSTALLS),
    (schema.FINDINGS, "backup", schema.BACKUPS),
)
"""Which column of a table has the keys of which other table; findings come last, for they refer to what refers."""

_DANGLING: Final = tuple(
    f"DELETE FROM {table.name} WHERE account = ? AND {column} NOT IN (SELECT {of.key} FROM {of.name})"
    f" AND {column} IS NOT NULL"
    for table, column, of in _REFERENCES
)
"""What refers to rows that are gone. Null is not in an empty table either, for SQL."""
