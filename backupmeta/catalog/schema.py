"""A catalog's SQL: the tables, the views for the usual questions, and the steps from older schemas.

`VERSION` is the file's ``user_version``, `APPLICATION` its ``application_id`` (SQLite, "The database header").
"""

from collections.abc import Iterator
from typing import Final

from backupmeta.catalog.tables import SQL_TYPES, TABLES, Column, Table
from backupmeta.catalog.views import VIEWS

APPLICATION: Final = int.from_bytes(b"bkup")
"""What says that a SQLite file is a catalog."""

VERSION: Final = 2
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
}
"""By the version that they start from: the statements that change its tables into those of the next one."""


def creation() -> Iterator[str]:
    """Yield the statements that make an empty catalog, but for its views."""
    for table in TABLES:
        yield _table(table)
        yield from _indices(table)


def _table(table: Table) -> str:
    columns = ",\n".join(f"  {one.name} {_type(one)} /* {one.meaning} */" for one in table.columns)
    return f"CREATE TABLE {table.name} ( /* {table.meaning} */\n{columns}\n) STRICT"


def _type(column: Column) -> str:
    return SQL_TYPES[column.type] + (" NOT NULL" if column.is_required else "")


def _indices(table: Table) -> Iterator[str]:
    if table.unique is not None:
        yield f"CREATE UNIQUE INDEX {table.name}_unique ON {table.name} ({table.unique})"
    for columns in table.indices:
        name = f"{table.name}_by_{columns.replace(', ', '_')}"
        yield f"CREATE INDEX {name} ON {table.name} ({columns})"


def insertion(table: Table) -> str:
    """Return the statement that inserts a row of ``table``."""
    return f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608 - our own names


def views() -> Iterator[tuple[str, str]]:
    """Yield the name of each view, and the statement that makes it."""
    for view in VIEWS.values():
        columns = ",\n".join(f"  {sql} AS {one.name} /* {one.meaning} */" for one, sql in view.columns)
        yield view.name, f"CREATE VIEW {view.name} AS /* {view.meaning} */\nSELECT\n{columns}\n{view.rows}"
