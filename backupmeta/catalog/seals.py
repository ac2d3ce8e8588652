"""Seals: digests of the rows of each account when they were written, so that later alterations show.

A seal has a digest (BLAKE2b, 8 bytes) of each row that an account has or refers to, and one (16 bytes) of all of these.
The catalog's own seal, of the account `OWN`, has those of its scans, of what is odd about no account, and the number
and sum of all other seals: so an account that is missing altogether shows, too. A row is digested as SQLite writes it
as JSON, with bytes as literals (SQLite, "JSON Functions", "quote"), which tells null, "", 0 and b"" apart.

Whoever writes rows and seals anew is not noticed: there is no key.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from struct import Struct
from typing import Final, NamedTuple

from backupmeta.catalog import schema
from backupmeta.catalog.schema import (
    ACCOUNTS,
    BACKUPS,
    EXTENSIONS,
    FILES,
    FINDINGS,
    INSTALLS,
    MEMORIES,
    SCANS,
    SEALS,
    SHARED,
    Column,
    Table,
    Type,
)

OWN: Final = 0
"""The number that the catalog itself has among the accounts: these are numbered from 1."""

_ENTRY: Final = Struct(">Bq8s")
"""A row in a seal: its table's number in `SEALED`, its key, its digest."""

_AT_HAND: Final = 100_000
"""How many digests of shared values are kept in memory."""

SEALED: Final = (SEALS, ACCOUNTS, MEMORIES, FILES, INSTALLS, BACKUPS, FINDINGS, SHARED, SCANS)
"""The tables, by the numbers that their rows have in a seal; the first one stands for all other seals."""

OF_ACCOUNT: Final = (ACCOUNTS, MEMORIES, FILES, INSTALLS, BACKUPS, FINDINGS)
"""The tables whose rows belong to an account."""

Key = tuple[int, int]
"""A row in a seal: its table's number in `SEALED`, and its key."""


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

    def lost(self, table: Table) -> list[int]:
        """Return the keys of the rows of ``table`` that differ, or are there no longer."""
        number = SEALED.index(table)
        return [key for of, key in self.was if of == number and self.now.get((of, key)) != self.was[of, key]]

    def added(self, table: Table) -> list[int]:
        """Return the keys of the rows of ``table`` that were not sealed."""
        number = SEALED.index(table)
        return [key for of, key in self.now if of == number and (of, key) not in self.was]

    def differing(self, table: Table) -> tuple[int, ...]:
        """Return the keys of all rows of ``table`` that are not as they were sealed."""
        return (*self.lost(table), *self.added(table))

    @property
    def has_place(self) -> bool:
        """Whether it is an account of which is known where it lies: its seal and its own row are as they were."""
        return self.account != OWN and bool(self.was) and not self.differing(ACCOUNTS)

    def sealed(self, table: Table) -> int:
        """Return how many rows of ``table`` were sealed."""
        number = SEALED.index(table)
        return sum(of == number for of, _ in self.was)


class _Statements(NamedTuple):
    """The SQL that reads rows as they are digested.

    Attributes:
        account: an account's own row.
        plain: all rows of an account that share nothing.
        sharing: those that share values: their keys follow each row.
        value: a shared value, with its entries.
        own: the rows of no account.
    """

    account: str
    plain: str
    sharing: tuple[str, ...]
    value: str
    own: str


def _statements(connection: sqlite3.Connection) -> _Statements:
    """Return the statements for a catalog: of the columns that it has, for an older one may have fewer.

    Their order is that of `TABLES`, wherever a migration has added them.
    """
    columns = {table: tuple(_columns(connection, table)) for table in (*SEALED, EXTENSIONS)}

    def select(table: Table, *beside: str) -> str:
        key, row = table.key, f"CAST({_text(columns[table])} AS BLOB)"
        return f"SELECT {', '.join((str(SEALED.index(table)), key, row, *beside))} FROM {table.name}"

    entries = f"SELECT {', '.join(column.name for column in columns[EXTENSIONS])} FROM extensions"
    listed = f"json_group_array({_text(columns[EXTENSIONS])}) FROM ({entries} WHERE list = ?1 ORDER BY rowid)"
    value = f"CAST(json_array({_text(columns[SHARED])}, (SELECT {listed})) AS BLOB)"
    by_account = "WHERE account = ?1"
    return _Statements(
        account=f"{select(ACCOUNTS)} {by_account}",
        plain=" UNION ALL ".join(f"{select(table)} {by_account}" for table in (ACCOUNTS, MEMORIES, FILES, FINDINGS)),
        sharing=tuple(
            f"{select(table, *(column.name for column in columns[table] if column.type is Type.SHARED))} {by_account}"
            for table in (INSTALLS, BACKUPS)
        ),
        value=f"SELECT {value} FROM shared WHERE shared = ?1",
        own=f"{select(SCANS)} UNION ALL {select(FINDINGS)} WHERE account IS NULL",
    )


def _columns(connection: sqlite3.Connection, table: Table) -> Iterator[Column]:
    """Yield the columns of ``table`` that a catalog has."""
    there = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table.name,))}
    yield from (column for column in table.columns if column.name in there)


def _text(columns: Iterable[Column]) -> str:
    """Return the SQL of a row as it is digested."""
    cells = (f"quote({column.name})" if column.type is Type.BYTES else column.name for column in columns)
    return f"json_array({', '.join(cells)})"


_DIGESTS: Final = "SELECT CAST(ifnull(digest, '') AS BLOB) FROM seals WHERE account <> ?"
_SEAL: Final = """
SELECT CAST(ifnull(digest, '') AS BLOB), CAST(ifnull(digests, '') AS BLOB) FROM seals WHERE account = ?
"""  # a page that was damaged may have any type


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()


def _of_seal(account: int, rows: bytes) -> bytes:
    """Return the digest of a whole seal."""
    return blake2b(b"%d:" % account + rows, digest_size=16).digest()


class _Rows:
    """Reads rows as they are sealed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sql = _statements(connection)
        self._values: dict[int, bytes] = {}

    def account(self, account: int) -> bytes:
        """Return what a seal has of all rows of ``account``, and of what they share; its own row comes first."""
        values, digest, pack = set[int](), _digest, _ENTRY.pack  # names at hand: this is done for every row
        entries = [pack(of, key, digest(row)) for of, key, row in self._connection.execute(self._sql.plain, (account,))]
        for select in self._sql.sharing:
            for of, key, row, *shared in self._connection.execute(select, (account,)):
                entries.append(pack(of, key, digest(row)))
                values.update(shared)
        entries += map(self._value, values - {None})
        entries.sort()
        return b"".join(entries)

    def head(self, account: int) -> bytes:
        """Return what a seal has of the account's own row."""
        return b"".join(
            _ENTRY.pack(of, key, _digest(row))
            for of, key, row in self._connection.execute(self._sql.account, (account,))
        )

    def own(self) -> bytes:
        """Return what the catalog's own seal has of its rows."""
        rows = self._connection.execute(self._sql.own)
        return b"".join(sorted(_ENTRY.pack(of, key, _digest(row)) for of, key, row in rows))

    def values(self, keys: Iterable[Key]) -> bytes:
        """Return what a seal has of the shared values among the rows of another: their own rows may be gone."""
        return b"".join(self._value(key) for of, key in keys if SEALED[of] is SHARED)

    def _value(self, key: int) -> bytes:
        """Return what a seal has of a shared value; nothing where it is missing."""
        if key not in self._values:
            if len(self._values) >= _AT_HAND:
                self._values.clear()
            row = self._connection.execute(self._sql.value, (key,)).fetchone()
            self._values[key] = b"" if row is None else _ENTRY.pack(SEALED.index(SHARED), key, _digest(row[0]))
        return self._values[key]


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
    return _ENTRY.pack(SEALED.index(SEALS), count, (total % 2**64).to_bytes(8))


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
            digest, rows = self._connection.execute(_SEAL, (account,)).fetchone()
            self._replace(account, digest, self._rows.head(account) + rows[_ENTRY.size :])
        if OWN in self._changed:
            self._own = self._rows.own()
        self._write(OWN, self._all_own())
        self._changed.clear()
        self._met.clear()

    def leave(self, altered: "Altered") -> None:
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
        self._replace(account, b"" if seal is None else seal[0], rows)

    def _replace(self, account: int, before: bytes, rows: bytes) -> None:
        """Replace a seal that has the digest ``before``."""
        self._sum += _number(self._write(account, rows)) - _number(before)

    def _write(self, account: int, rows: bytes) -> bytes:
        digest = _of_seal(account, rows)
        self._connection.execute(_WRITE, (account, digest, rows))
        return digest


_WRITE: Final = schema.insertion(SEALS, ("account", "digest", "digests"), "INSERT OR REPLACE")


def seal_all(connection: sqlite3.Connection, but: Iterable["Altered"] = ()) -> None:
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
    for account in _numbers(connection):
        for difference in _compared(connection, account, rows.account(account)):
            yield difference._replace(now={**difference.now, **_entries(rows.values(difference.was))})


def altered_own(connection: sqlite3.Connection) -> Iterator[Altered]:
    """Yield what is not as it was sealed, of the catalog itself."""
    rows, others = _Rows(connection), _summed(*_sum(connection.execute(_DIGESTS, (OWN,))))
    yield from _compared(connection, OWN, others + rows.own() + rows.account(OWN))  # of the latter there is nothing


def _numbers(connection: sqlite3.Connection) -> Iterable[int]:
    """Return the numbers of all accounts that there are rows or seals of."""
    selects = (f"SELECT DISTINCT account FROM {table.name} WHERE typeof(account) = 'integer'" for table in OF_ACCOUNT)
    sealed = connection.execute("SELECT account FROM seals WHERE account <> ?", (OWN,))
    numbers = dict.fromkeys(number for (number,) in chain(sealed, *map(connection.execute, selects)))
    numbers.pop(OWN, None)
    return numbers


def _compared(connection: sqlite3.Connection, account: int, now: bytes) -> Iterator[Altered]:
    """Yield what was altered of an account that has these rows ``now``, if anything was."""
    digest, rows = connection.execute(_SEAL, (account,)).fetchone() or (b"", b"")
    if rows == now and digest == _of_seal(account, now):
        return
    was = _entries(rows) if digest == _of_seal(account, rows) else {}
    yield Altered(account, was, _entries(now))


def _entries(rows: bytes) -> dict[Key, bytes]:
    return {(of, key): digest for of, key, digest in _ENTRY.iter_unpack(rows)}
