"""What a first scan can't do without, in a bare loop: the same opens, reads, inflates and inserts. For `bench.py`.

Nothing is parsed, judged or resolved: the rows are those of a catalog that a scan made of the same fleet, read
beforehand. So the ratio says what backupmeta's own work costs, on any machine.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from isal import isal_zlib

FOLDERS: Final = (".appdata/backups", ".appdata/current", "application_backups")
"""The folders of an account that a scan reads: `fixtures/FORMAT.md` §1."""

BLOCK: Final = 64 * 1024
"""How many bytes of an archive a scan reads, at most, where its record lies in them."""

GZIP_WINDOW: Final = 31
"""zlib's number for a gzip stream with a window of 32 KiB."""

Row: TypeAlias = tuple[int | float | str | bytes | None, ...]


class Rows(NamedTuple):
    """The rows of a catalog's table, and the statement that inserts one of them."""

    insert: str
    rows: list[Row]

    def share(self, number: int, count: int) -> list[Row]:
        """Return share ``number``, from 0, of ``count`` equal ones."""
        return self.rows[len(self.rows) * number // count : len(self.rows) * (number + 1) // count]


@dataclass(frozen=True)
class Floor:
    """The bare loop over a ``fleet``; callable. ``example`` is a catalog of it, ``made`` the file to make."""

    fleet: Path
    example: Path
    made: Path

    def __call__(self) -> None:
        """Read and inflate what a scan reads and inflates, and insert what it inserts, account by account."""
        tables, schema, accounts = self.tables, self.schema, paths_in(str(self.fleet))
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.made}{ending}").unlink(missing_ok=True)
        with closing(sqlite3.connect(self.made, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for statement in schema:
                connection.execute(statement)
            for number, account in enumerate(accounts):
                read_account(account)
                connection.execute("BEGIN")
                for table in tables:
                    connection.executemany(table.insert, table.share(number, len(accounts)))
                connection.execute("COMMIT")

    @cached_property
    def schema(self) -> list[str]:
        """The statements that make the example's tables and indices."""
        with closing(sqlite3.connect(self.example)) as connection:
            select = "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL ORDER BY rowid"
            return [sql for (sql,) in connection.execute(select)]

    @cached_property
    def tables(self) -> list[Rows]:
        """The example's rows, table by table."""
        with closing(sqlite3.connect(self.example)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return [rows_of(connection, name) for name in names]


def rows_of(connection: sqlite3.Connection, table: str) -> Rows:
    """Return the rows of a ``table``, whose name is one of the catalog's own."""
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    rows = connection.execute(f"SELECT {names} FROM {table}").fetchall()  # noqa: S608 - the catalog's own names
    return Rows(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 - as above


def read_account(account: str) -> None:
    """Open, read and close every record and archive of an ``account``, and inflate what was read of the archives."""
    for path in (path for folder in FOLDERS for path in paths_in(f"{account}/{folder}")):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.fstat(descriptor)
        content = os.read(descriptor, BLOCK)
        os.close(descriptor)
        if path.endswith(".gz"):
            isal_zlib.decompressobj(GZIP_WINDOW).decompress(content)


def paths_in(folder: str) -> list[str]:
    """Return what lies in a ``folder``, in order."""
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries)
