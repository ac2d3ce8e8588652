"""The views of a catalog, the answers to the usual questions: their columns, and where their rows come from.

All are about what is there now, but for ``history``. A column that a table has is taken from there, type and meaning
and all; only what is made of several is described here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from backupmeta.catalog.schema import (
    ACCOUNTS,
    BACKUP_FIELDS,
    BACKUPS,
    EXTENSIONS,
    FILES,
    FINDINGS,
    INSTALL_FIELDS,
    INSTALLS,
    Column,
    Table,
    Type,
    indices,
    tables,
)
from backupmeta.checks.retention import BACKUP_DUPLICATE, BACKUP_ORPHANED
from backupmeta.masking import MASK
from backupmeta.provenance import Witness

_IS_MASKED: Final = f"instr({{path}}, '{MASK}') > 0"
"""Tells whether a path has a secret in it, so that its exact bytes must not be shown."""


class Shown(NamedTuple):
    """A column of a view, and the SQL that gives it."""

    column: Column
    sql: str


class View(NamedTuple):
    """A view: its name, its meaning, its columns, the SQL of its rows, and the SQL that they are ordered by."""

    name: str
    meaning: str
    columns: tuple[Shown, ...]
    rows: str
    order: str


def of_table(table: Table) -> View:
    """Return ``table`` as a view of all of it."""
    return View(table.name, table.meaning, _all(table.name, table.columns), f"FROM {table.name}", table.key)


def _all(row: str, columns: Iterable[Column]) -> tuple[Shown, ...]:
    return tuple(_taken(row, column, column.name) for column in columns)


def _of(table: Table, row: str, names: str) -> tuple[Shown, ...]:
    """Return what ``row`` has in the columns ``names`` of a table: ``id, version AS application_version``."""
    known = {column.name: column for column in table.columns}
    asked = (column.partition(" AS ") for column in names.split(", "))
    return tuple(_taken(row, known[name], renamed or name) for name, _, renamed in asked)


def _taken(row: str, column: Column, name: str) -> Shown:
    sql = f"{row}.{column.name}"
    if column.name == "path_bytes":
        sql = f"CASE WHEN NOT {_IS_MASKED.format(path=f'{row}.path')} THEN {sql} END"
    if column.type is Type.SHARED:
        sql = f"(SELECT content FROM shared WHERE shared.shared = {sql})"
    return Shown(column._replace(name=name), sql)


def _made(name: str, type_: Type, meaning: str, sql: str) -> Shown:
    return Shown(Column(name, type_, meaning), sql)


def _utc(name: str, of: str, seconds: str) -> Shown:
    return _made(name, Type.UTC, f"The same as {of}, as text.", f"datetime({seconds}, 'unixepoch')")


def _extensions(field: str) -> View:
    """Return the view of the entries of a list of plugins or themes."""
    return View(
        field,
        f"The {field} of each backup.",
        (
            *_of(BACKUPS, "b", "backup, account"),
            *_of(EXTENSIONS, "e", "id, version, active, autoup"),
            *_of(BACKUPS, "b", "id AS backup_id, application, version AS application_version, url, backup_time"),
        ),
        f"FROM extensions e JOIN all_backups b ON b.{field} = e.list WHERE b.until IS NULL",
        "b.backup, e.rowid",
    )


def _changes(table: Table, path: str, id_: str) -> str:
    """Return the SQL of how the rows of ``table`` came and went."""
    key = table.key
    columns = f"'{key}' AS what, {key} AS number, account, {path} AS path, {id_} AS id FROM {table.name}"
    return (
        f"SELECT since AS scan, began AS change, {columns}"
        f" UNION ALL\n  SELECT until, ended, {columns} WHERE until IS NOT NULL"
    )


_NAME: Final = "replace(path, rtrim(path, replace(path, '/', '')), '')"
_ALL_FINDINGS: Final = f"""
  SELECT {", ".join(FINDINGS.names)} FROM all_findings
  UNION ALL SELECT NULL, account, NULL, NULL, since, NULL, '{BACKUP_DUPLICATE.id}', '{BACKUP_DUPLICATE.severity}',
    name, first, name || ': {BACKUP_DUPLICATE.sentence} (' || first || ')', json_array(
      json_object('witness', '{Witness.FILE_SYSTEM}', 'path', path),
      json_object('witness', '{Witness.FILE_SYSTEM}', 'path', first_path)), NULL
  FROM (
    SELECT f.account, f.since, a.seen || '/' || f.path AS path, {_NAME.replace("path", "f.path")} AS name,
      first_value(a.seen || '/' || f.path) OVER same AS first_path,
      first_value({_NAME.replace("path", "f.path")}) OVER same AS first, row_number() OVER same AS place
    FROM all_files f JOIN accounts a USING (account)
    WHERE f.until IS NULL AND f.kind = 'archive' AND f.sha256 IS NOT NULL
    WINDOW same AS (PARTITION BY f.account, f.sha256 ORDER BY f.path)
  ) WHERE place > 1"""
"""All findings, with the copies of archives, which follow from what all files of an account are."""
_ACCOUNT: Final = _of(ACCOUNTS, "a", "host AS account_host, path AS account_path")
_EXACT_PATH: Final = f"""CASE WHEN {_IS_MASKED.format(path="a.path || f.path")} THEN NULL
    WHEN a.path_bytes IS NOT NULL OR f.path_bytes IS NOT NULL THEN
    CAST(ifnull(a.path_bytes, a.path) || '/' || ifnull(f.path_bytes, f.path) AS BLOB) END"""
_CHANGES: Final = "\n  UNION ALL ".join(
    (
        _changes(FILES, "path", "NULL"),
        _changes(BACKUPS, "backup_filename", "id"),
        _changes(INSTALLS, "url", "id"),
    )
)

_VIEWS: Final = (
    View(
        "backups",
        "The backups.",
        (
            *_of(BACKUPS, "b", "backup, account"),
            *_ACCOUNT,
            *_of(BACKUPS, "b", "state"),
            _utc("backup_utc", "backup_time", "b.backup_time"),
            *_of(BACKUPS, "b", "utc_offset, record_file, archive_file"),
            *_of(FILES, "f", "path AS archive, size AS archive_bytes, sha256 AS archive_sha256, verdict"),
            *_all("b", BACKUP_FIELDS),
            *_of(BACKUPS, "b", "custom, extra"),
        ),
        """FROM all_backups b JOIN accounts a USING (account) LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL""",
        "b.backup",
    ),
    View(
        "installs",
        "The live installs.",
        (
            *_of(INSTALLS, "i", "install, account"),
            *_ACCOUNT,
            _utc("created_utc", "time_created", "i.time_created"),
            _made("backups", Type.INTEGER, "How many backups of it are there.", "ifnull(n.backups, 0)"),
            *_of(INSTALLS, "i", "record_file"),
            *_all("i", INSTALL_FIELDS),
            *_of(INSTALLS, "i", "custom, extra"),
        ),
        """FROM all_installs i JOIN accounts a USING (account)
LEFT JOIN newest_backups n ON n.account = i.account AND n.backup_install = i.id WHERE i.until IS NULL""",
        "i.install",
    ),
    View(
        "files",
        "The archives and records.",
        (
            *_of(FILES, "f", "file, account"),
            *_of(ACCOUNTS, "a", "host"),
            _made("path", Type.TEXT, "Its path.", "a.path || '/' || f.path"),
            _made("path_bytes", Type.BYTES, "The path's exact bytes, where they are not UTF-8.", _EXACT_PATH),
            *_of(FILES, "f", "kind, size, mtime_ns"),
            _utc("mtime_utc", "mtime_ns", "f.mtime_ns / 1000000000"),
            *_of(FILES, "f", "inode, status, sha256, verdict, walked, since"),
        ),
        "FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL",
        "f.file",
    ),
    View(
        "findings",
        "What somebody should know; of an archive that was scanned deep, what reading all of it told.",
        (
            *_of(FINDINGS, "n", "finding, account"),
            *_ACCOUNT,
            *_of(FINDINGS, "n", "install, backup, file, id, severity, subject, detail, message, evidence, since"),
        ),
        f"""FROM ({_ALL_FINDINGS}) n LEFT JOIN accounts a USING (account)
LEFT JOIN all_backups b ON b.backup = n.backup LEFT JOIN all_installs i ON i.install = n.install
LEFT JOIN all_files f ON f.file = n.file LEFT JOIN all_files w ON w.file = b.archive_file AND n.file IS NULL
WHERE n.until IS NULL AND b.until IS NULL AND i.until IS NULL AND f.until IS NULL
  AND (w.walked IS NULL OR n.id = '{BACKUP_ORPHANED.id}')""",
        "n.finding",
    ),
    _extensions("plugins"),
    _extensions("themes"),
    View(
        "provenance",
        "Where each value of a backup comes from.",
        (
            *_of(BACKUPS, "b", "backup, account"),
            _made("field", Type.TEXT, "The field.", "o.key"),
            _made("witness", Type.TEXT, "Who says so: backup record, embedded record, ….", "o.value ->> 0"),
            _made("line", Type.INTEGER, "The record's line, from 1.", "o.value ->> 1"),
            _made(
                "path",
                Type.TEXT,
                "The file, below the account's.",
                """CASE o.value ->> 0 WHEN 'backup record' THEN r.path
    WHEN 'embedded record' THEN f.path WHEN 'file name' THEN ifnull(r.path, f.path) END""",
            ),
        ),
        """FROM all_backups b JOIN shared s ON s.shared = b.origins JOIN json_each(s.content) o
LEFT JOIN all_files r ON r.file = b.record_file LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL""",
        "b.backup, o.id",
    ),
    View(
        "history",
        "How everything came and went.",
        (
            _made("scan", Type.INTEGER, "The scan that met it.", "scan"),
            _made("change", Type.TEXT, "new, changed, moved, returned or vanished.", "change"),
            _made("what", Type.TEXT, "file, backup or install.", "what"),
            _made("number", Type.INTEGER, "Its number.", "number"),
            *_of(FILES, "changes", "account"),
            _made("path", Type.TEXT, "A file's path, a backup's archive, an install's address.", "path"),
            _made("id", Type.TEXT, "A backup's or an install's id.", "id"),
        ),
        f"FROM (\n  {_CHANGES}\n) changes",
        "scan, what, number, change",
    ),
    View(
        "newest_backups",
        "How many backups each install has, and the newest one.",
        (
            *_of(BACKUPS, "b", "account, backup_install"),
            _made("backups", Type.INTEGER, "How many there are.", "count(*)"),
            _made("backup_time", Type.TIME, "When the newest one was made.", "max(b.backup_time)"),
            _utc("backup_utc", "backup_time", "max(b.backup_time)"),
            *_of(BACKUPS, "b", "id, version, url"),
        ),
        "FROM all_backups b WHERE b.until IS NULL GROUP BY b.account, b.backup_install",
        "b.account, b.backup_install",
    ),
    View(
        "orphans",
        "The backups whose install is gone, in accounts that have records.",
        (
            *_of(BACKUPS, "b", "backup, account, id, backup_install, url, backup_time"),
            *_of(FILES, "f", "size AS archive_bytes"),
        ),
        f"""FROM all_backups b LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL
  AND b.backup IN (SELECT backup FROM all_findings WHERE id = '{BACKUP_ORPHANED.id}' AND until IS NULL)""",
        "b.backup",
    ),
    View(
        "duplicates",
        "The archives that an account has more than once, where they were scanned deep.",
        (
            *_of(FILES, "f", "sha256, account"),
            _made("copies", Type.INTEGER, "How many there are.", "count(*)"),
            _made("wasted_bytes", Type.INTEGER, "The size of all but one.", "sum(f.size) - min(f.size)"),
            _made("files", Type.JSON, "Their numbers.", "json_group_array(f.file)"),
        ),
        """FROM all_files f WHERE f.until IS NULL AND f.kind = 'archive' AND f.sha256 IS NOT NULL
GROUP BY f.account, f.sha256 HAVING count(*) > 1""",
        "f.sha256, f.account",
    ),
    View(
        "sizes",
        "How many archives each account has, and how large they are.",
        (
            *_of(FILES, "f", "account"),
            *_ACCOUNT,
            _made("archives", Type.INTEGER, "How many there are.", "count(*)"),
            _made("bytes", Type.INTEGER, "The size of all of them.", "sum(f.size)"),
        ),
        """FROM all_files f JOIN accounts a USING (account)
WHERE f.until IS NULL AND f.kind = 'archive' GROUP BY f.account""",
        "f.account",
    ),
)

VIEWS: Final[Mapping[str, View]] = {view.name: view for view in _VIEWS}
"""The answers to the usual questions, by name."""


def statements() -> Iterator[tuple[str, str]]:
    """Yield the name of each view, and the statement that makes it."""
    for view in VIEWS.values():
        columns = ",\n".join(f"  {sql} AS {column.name} /* {column.meaning} */" for column, sql in view.columns)
        yield view.name, f"CREATE VIEW {view.name} AS /* {view.meaning} */\nSELECT\n{columns}\n{view.rows}"


def names() -> frozenset[str]:
    """Return the names of all that a catalog has, or had in its first schema: tables, indices, views."""
    older = ("accounts_by_root_last_scan", "all_backups_by_backup_install")
    return frozenset((*older, *(name for name, _ in (*tables(), *indices(), *statements()))))
