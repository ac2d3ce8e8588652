"""A catalog's SQL: the tables, the views for the usual questions, and the steps from older schemas.

`VERSION` is the file's ``user_version``, `APPLICATION` its ``application_id`` (SQLite, "The database header").
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from backupmeta.catalog.tables import SQL_TYPES, TABLES, Column, Table
from backupmeta.catalog.views import VIEWS

APPLICATION: Final = int.from_bytes(b"bkup")
"""What says that a SQLite file is a catalog."""

VERSION: Final = 3
"""The schema that this program writes."""

MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE all_files ADD COLUMN verdict TEXT",
        "ALTER TABLE all_files ADD COLUMN walked INTEGER",
        "ALTER TABLE all_findings ADD COLUMN file INTEGER",
        "CREATE INDEX all_findings_by_file ON all_findings (file)",
        "DROP INDEX accounts_unique",
        "CREATE UNIQUE INDEX accounts_unique ON accounts (path, host, ifnull(path_bytes, x''))",
        "DROP INDEX accounts_by_root_last_scan",
        "DROP INDEX all_backups_by_backup_install",
    ),
    2: (
        "ALTER TABLE all_files ADD COLUMN ctime_ns INTEGER",
        "CREATE TABLE seals (account INTEGER PRIMARY KEY, digest BLOB NOT NULL, digests BLOB NOT NULL) STRICT",
    ),
}
"""By the version that they start from: the statements that change its tables into those of the next one."""


def creation() -> Iterator[str]:
    """Yield the statements that make an empty catalog, but for its views."""
    for _, statement in (*tables(), *indices()):
        yield statement


def tables() -> Iterator[tuple[str, str]]:
    """Yield the name of each table, and the statement that makes it."""
    for table in TABLES:
        yield table.name, _table(table)


def indices() -> Iterator[tuple[str, str]]:
    """Yield the name of each index, and the statement that makes it."""
    for table in TABLES:
        yield from _indices(table)


def described(statement: str) -> Counter[str]:
    """Return what a statement makes, in parts: the columns of a table may come in any order, as they were added."""
    return Counter(re.split("[(,)]", compact(statement)))


@lru_cache(maxsize=256)
def compact(statement: str) -> str:
    """Return a statement without comments and blanks: what an older program wrote is the same then."""
    return _BLANK.sub("", statement)


_BLANK: Final = re.compile(r"/\*.*?\*/|\s+", re.DOTALL)


def _table(table: Table) -> str:
    columns = ",\n".join(f"  {one.name} {_type(one)} /* {one.meaning} */" for one in table.columns)
    return f"CREATE TABLE {table.name} ( /* {table.meaning} */\n{columns}\n) STRICT"


def _type(column: Column) -> str:
    return SQL_TYPES[column.type] + (" NOT NULL" if column.is_required else "")


def _indices(table: Table) -> Iterator[tuple[str, str]]:
    if table.unique is not None:
        name = f"{table.name}_unique"
        yield name, f"CREATE UNIQUE INDEX {name} ON {table.name} ({table.unique})"
    for columns in table.indices:
        name = f"{table.name}_by_{columns.replace(', ', '_')}"
        yield name, f"CREATE INDEX {name} ON {table.name} ({columns})"


def insertion(table: Table, columns: Sequence[str]) -> str:
    """Return the statement that inserts a row into ``table``: a value for each of the ``columns``."""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def replacement(table: Table, columns: Sequence[str]) -> str:
    """Return the statement that does so, and takes away the row that has the same key."""
    return insertion(table, columns).replace("INSERT", "INSERT OR REPLACE", 1)


def views() -> Iterator[tuple[str, str]]:
    """Yield the name of each view, and the statement that makes it."""
    for view in VIEWS.values():
        columns = ",\n".join(f"  {sql} AS {one.name} /* {one.meaning} */" for one, sql in view.columns)
        yield view.name, f"CREATE VIEW {view.name} AS /* {view.meaning} */\nSELECT\n{columns}\n{view.rows}"


NAMES: Final = frozenset(name for name, _ in (*tables(), *indices(), *views())) | {
    "accounts_by_root_last_scan",
    "all_backups_by_backup_install",
}
"""What a catalog has; the last two are of the first schema."""
