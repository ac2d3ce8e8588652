"""A catalog's SQL: the tables, the views for the usual questions, and the steps from older schemas.

`VERSION` is the file's ``user_version``, `APPLICATION` its ``application_id`` (SQLite, "The database header").
"""

from collections.abc import Iterator
from typing import Final

from backupmeta.catalog.tables import (
    BACKUP_FIELDS,
    INSTALL_FIELDS,
    SQL_TYPES,
    TABLES,
    Column,
    Table,
    Type,
)

APPLICATION: Final = int.from_bytes(b"bkup")
"""What says that a SQLite file is a catalog."""

VERSION: Final = 2
"""The schema that this program writes."""

MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE all_files ADD COLUMN verdict TEXT",
        "ALTER TABLE all_files ADD COLUMN walked INTEGER",
        "ALTER TABLE all_findings ADD COLUMN file INTEGER",
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
    for name, select in VIEWS.items():
        yield name, f"CREATE VIEW {name} AS\n{select.strip()}"


def _fields(row: str, columns: tuple[Column, ...]) -> str:
    return ",\n  ".join(_shown(row, one) for one in columns)


def _shown(row: str, column: Column) -> str:
    if column.type is Type.SHARED:
        return f"(SELECT content FROM shared WHERE shared.shared = {row}.{column.name}) AS {column.name}"  # noqa: S608
    return f"{row}.{column.name}"


_BESIDE: Final = (Column("custom", Type.SHARED, ""), Column("extra", Type.SHARED, ""))
_EXTENSIONS: Final = """
SELECT b.backup, b.account, e.id, e.version, e.active, e.autoup,
  b.id AS backup_id, b.application, b.version AS application_version, b.url, b.backup_time
FROM extensions e JOIN all_backups b ON b.{0} = e.list WHERE b.until IS NULL
"""

VIEWS: Final = {
    "files": """
SELECT f.file, f.account, a.path || '/' || f.path AS path, f.kind, f.size, f.mtime_ns,
  datetime(f.mtime_ns / 1000000000, 'unixepoch') AS mtime_utc, f.inode, f.status, f.sha256, f.since
FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL
""",
    "installs": f"""
SELECT i.install, i.account, a.path AS account_path,
  datetime(i.time_created, 'unixepoch') AS created_utc,
  (SELECT count(*) FROM all_backups b WHERE b.until IS NULL AND b.account = i.account AND b.backup_install = i.id)
    AS backups,
  {_fields("i", INSTALL_FIELDS)},
  {_fields("i", _BESIDE)}
FROM all_installs i JOIN accounts a USING (account) WHERE i.until IS NULL
""",
    "backups": f"""
SELECT b.backup, b.account, a.path AS account_path, b.state,
  datetime(b.backup_time, 'unixepoch') AS backup_utc, b.utc_offset,
  f.path AS archive, f.size AS archive_bytes, f.sha256 AS archive_sha256,
  {_fields("b", BACKUP_FIELDS)},
  {_fields("b", _BESIDE)}
FROM all_backups b JOIN accounts a USING (account) LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL
""",
    "findings": """
SELECT n.finding, n.account, a.path AS account_path, n.install, n.backup, n.id, n.severity, n.subject, n.detail,
  n.message, n.evidence, n.since
FROM all_findings n LEFT JOIN accounts a USING (account)
LEFT JOIN all_backups b ON b.backup = n.backup LEFT JOIN all_installs i ON i.install = n.install
WHERE n.until IS NULL AND b.until IS NULL AND i.until IS NULL
""",
    "plugins": _EXTENSIONS.format("plugins"),
    "themes": _EXTENSIONS.format("themes"),
    "provenance": """
SELECT b.backup, b.account, o.key AS field, o.value ->> 0 AS witness, o.value ->> 1 AS line,
  CASE o.value ->> 0 WHEN 'backup record' THEN r.path WHEN 'embedded record' THEN f.path WHEN 'file name' THEN
    ifnull(r.path, f.path) END AS path
FROM all_backups b JOIN shared s ON s.shared = b.origins JOIN json_each(s.content) o
LEFT JOIN all_files r ON r.file = b.record_file LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL
""",
    "history": """
SELECT since AS scan, began AS change, 'file' AS what, file AS number, account, path, NULL AS id FROM all_files
UNION ALL SELECT until, ended, 'file', file, account, path, NULL FROM all_files WHERE until IS NOT NULL
UNION ALL SELECT since, began, 'backup', backup, account, backup_filename, id FROM all_backups
UNION ALL SELECT until, ended, 'backup', backup, account, backup_filename, id FROM all_backups WHERE until IS NOT NULL
UNION ALL SELECT since, began, 'install', install, account, url, id FROM all_installs
UNION ALL SELECT until, ended, 'install', install, account, url, id FROM all_installs WHERE until IS NOT NULL
""",
    "newest_backups": """
SELECT account, backup_install, count(*) AS backups, max(backup_time) AS backup_time,
  datetime(max(backup_time), 'unixepoch') AS backup_utc, id, version, url
FROM all_backups WHERE until IS NULL GROUP BY account, backup_install
""",
    "orphans": """
SELECT b.backup, b.account, b.id, b.backup_install, b.url, b.backup_time FROM all_backups b
WHERE b.until IS NULL AND EXISTS (SELECT 1 FROM all_installs i WHERE i.account = b.account AND i.until IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM all_installs i WHERE i.account = b.account AND i.until IS NULL AND i.id = b.backup_install)
""",
    "duplicates": """
SELECT sha256, count(*) AS copies, sum(size) - min(size) AS wasted_bytes, json_group_array(file) AS files
FROM all_files WHERE until IS NULL AND kind = 'archive' AND sha256 IS NOT NULL
GROUP BY sha256 HAVING count(*) > 1
""",
    "sizes": """
SELECT a.account, a.path AS account_path, count(*) AS archives, sum(f.size) AS bytes
FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL AND f.kind = 'archive' GROUP BY a.account
""",
}
"""The answers to the usual questions, by name: all about what is there now, but for ``history``."""
