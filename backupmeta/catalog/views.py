"""The views of a catalog: the answers to the usual questions, by name, for ``export`` and for who reads SQL."""

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
)
from backupmeta.checks.retention import BACKUP_DUPLICATE
from backupmeta.masking import MASK
from backupmeta.provenance import Witness
from backupmeta.rules import BACKUP_ORPHANED

_IS_MASKED: Final = f"instr({{path}}, '{MASK}') > 0"
"""Tells whether a path has a secret in it, so that its exact bytes must not be shown."""


class Shown(NamedTuple):
    """A column of a view, and the SQL that gives it."""

    column: Column
    sql: str


class View(NamedTuple):
    """A view: its meaning, its columns, the SQL of its rows, and the SQL that they are ordered by."""

    meaning: str
    columns: tuple[Shown, ...]
    rows: str
    order: str


def table_view(table: Table) -> View:
    """Return ``table`` as a view of all of it."""
    return View(table.meaning, _all(table.name, table.columns), f"FROM {table.name}", table.key)


_ROWS: Final = {
    "a": ACCOUNTS,
    "b": BACKUPS,
    "changes": FILES,
    "e": EXTENSIONS,
    "f": FILES,
    "i": INSTALLS,
    "n": FINDINGS,
}
"""The tables whose columns views have, by the names of their rows in the views' SQL."""


def _taken(names: str) -> tuple[Shown, ...]:
    """Return columns of tables as a view has them: ``b.id, b.version AS application_version``."""
    asked = (column.partition(" AS ") for column in names.split(", "))
    rows = ((*source.partition("."), name) for source, _, name in asked)
    return tuple(_shown(row, _ROWS[row].column(column), name or column) for row, _, column, name in rows)


def _all(row: str, columns: Iterable[Column]) -> tuple[Shown, ...]:
    return tuple(_shown(row, column, column.name) for column in columns)


def _shown(row: str, column: Column, name: str) -> Shown:
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
        f"The {field} of each backup.",
        (
            *_taken("b.backup, b.account, e.id, e.version, e.active, e.autoup"),
            *_taken("b.id AS backup_id, b.application, b.version AS application_version, b.url, b.backup_time"),
        ),
        f"FROM extensions e JOIN all_backups b ON b.{field} = e.list WHERE b.until IS NULL",
        "b.backup, e.rowid",
    )


_NAME: Final = "replace({0}, rtrim({0}, replace({0}, '/', '')), '')".format
_PLACE: Final = f"json_object('witness', '{Witness.FILE_SYSTEM}', 'path', seen || '/' || {{}})".format
_ALL_FINDINGS: Final = f"""
  SELECT {", ".join(FINDINGS.names)} FROM all_findings UNION ALL
  SELECT NULL, account, NULL, NULL, since, NULL, '{BACKUP_DUPLICATE.id}', '{BACKUP_DUPLICATE.severity}',
    {_NAME("path")}, {_NAME("first")}, {_NAME("path")} || ': {BACKUP_DUPLICATE.sentence} (' || {_NAME("first")} || ')',
    json_array({_PLACE("path")}, {_PLACE("first")}), file
  FROM (SELECT f.file, f.account, f.since, seen, f.path, first_value(f.path) OVER same AS first,
      row_number() OVER same AS copy
    FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL AND kind = 'archive' AND sha256 IS NOT NULL
    WINDOW same AS (PARTITION BY f.account, sha256 ORDER BY f.path)) WHERE copy > 1"""
"""All findings, with the copies of archives, which follow from what all files of an account are."""
_EXACT_PATH: Final = f"""CASE WHEN {_IS_MASKED.format(path="a.path || f.path")} THEN NULL
    WHEN a.path_bytes IS NOT NULL OR f.path_bytes IS NOT NULL THEN
    CAST(ifnull(a.path_bytes, a.path) || '/' || ifnull(f.path_bytes, f.path) AS BLOB) END"""
_WITNESS_PATH: Final = """CASE o.value ->> 0 WHEN 'backup record' THEN r.path
    WHEN 'embedded record' THEN f.path WHEN 'file name' THEN ifnull(r.path, f.path) END"""
_CHANGES: Final = """SELECT since AS scan, began AS change, {columns}
  UNION ALL SELECT until, ended, {columns} WHERE until IS NOT NULL"""
_CHANGED: Final = "'{0}' AS what, {0} AS number, account, {1} AS path, {2} AS id FROM {3}"
_HISTORY: Final = "\n  UNION ALL ".join(
    _CHANGES.format(columns=_CHANGED.format(table.key, path, id_, table.name))
    for table, path, id_ in ((FILES, "path", "NULL"), (BACKUPS, "backup_filename", "id"), (INSTALLS, "url", "id"))
)

VIEWS: Final[Mapping[str, View]] = {
    "backups": View(
        "The backups.",
        (
            *_taken("b.backup, b.account, a.host AS account_host, a.path AS account_path, b.state"),
            _utc("backup_utc", "backup_time", "b.backup_time"),
            *_taken("b.utc_offset, b.record_file, b.archive_file"),
            *_taken("f.path AS archive, f.size AS archive_bytes, f.sha256 AS archive_sha256, f.verdict"),
            *_all("b", BACKUP_FIELDS),
            *_taken("b.custom, b.extra"),
        ),
        """FROM all_backups b JOIN accounts a USING (account) LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL""",
        "b.backup",
    ),
    "installs": View(
        "The live installs.",
        (
            *_taken("i.install, i.account, a.host AS account_host, a.path AS account_path"),
            _utc("created_utc", "time_created", "i.time_created"),
            _made("backups", Type.INTEGER, "How many backups of it are there.", "ifnull(n.backups, 0)"),
            *_taken("i.record_file"),
            *_all("i", INSTALL_FIELDS),
            *_taken("i.custom, i.extra"),
        ),
        """FROM all_installs i JOIN accounts a USING (account)
LEFT JOIN newest_backups n ON n.account = i.account AND n.backup_install = i.id WHERE i.until IS NULL""",
        "i.install",
    ),
    "files": View(
        "The archives and records.",
        (
            *_taken("f.file, f.account, a.host"),
            _made("path", Type.TEXT, "Its path.", "a.path || '/' || f.path"),
            _made("path_bytes", Type.BYTES, "The path's exact bytes, where they are not UTF-8.", _EXACT_PATH),
            *_taken("f.kind, f.size, f.mtime_ns"),
            _utc("mtime_utc", "mtime_ns", "f.mtime_ns / 1000000000"),
            *_taken("f.inode, f.status, f.sha256, f.verdict, f.walked, f.since"),
        ),
        "FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL",
        "f.file",
    ),
    "findings": View(
        "What somebody should know; of an archive that was scanned deep, what reading all of it told.",
        (
            *_taken("n.finding, n.account, a.host AS account_host, a.path AS account_path, n.install"),
            *_taken("n.backup, n.file, n.id, n.severity, n.subject, n.detail, n.message, n.evidence, n.since"),
        ),
        f"""FROM ({_ALL_FINDINGS}) n LEFT JOIN accounts a USING (account)
LEFT JOIN all_backups b ON b.backup = n.backup LEFT JOIN all_installs i ON i.install = n.install
LEFT JOIN all_files f ON f.file = n.file LEFT JOIN all_files w ON w.file = b.archive_file AND n.file IS NULL
WHERE n.until IS NULL AND b.until IS NULL AND i.until IS NULL AND f.until IS NULL
  AND (w.walked IS NULL OR n.id = '{BACKUP_ORPHANED.id}')""",
        "n.finding",
    ),
    "plugins": _extensions("plugins"),
    "themes": _extensions("themes"),
    "provenance": View(
        "Where each value of a backup comes from.",
        (
            *_taken("b.backup, b.account"),
            _made("field", Type.TEXT, "The field.", "o.key"),
            _made("witness", Type.TEXT, "Who says so: backup record, embedded record, ….", "o.value ->> 0"),
            _made("line", Type.INTEGER, "The record's line, from 1.", "o.value ->> 1"),
            _made("path", Type.TEXT, "The file, below the account's.", _WITNESS_PATH),
        ),
        """FROM all_backups b JOIN shared s ON s.shared = b.origins JOIN json_each(s.content) o
LEFT JOIN all_files r ON r.file = b.record_file LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL""",
        "b.backup, o.id",
    ),
    "history": View(
        "How everything came and went.",
        (
            _made("scan", Type.INTEGER, "The scan that met it.", "scan"),
            _made("change", Type.TEXT, "new, changed, moved, returned or vanished.", "change"),
            _made("what", Type.TEXT, "file, backup or install.", "what"),
            _made("number", Type.INTEGER, "Its number.", "number"),
            *_taken("changes.account"),
            _made("path", Type.TEXT, "A file's path, a backup's archive, an install's address.", "path"),
            _made("id", Type.TEXT, "A backup's or an install's id.", "id"),
        ),
        f"FROM (\n  {_HISTORY}\n) changes",
        "scan, what, number, change",
    ),
    "newest_backups": View(
        "How many backups each install has, and the newest one.",
        (
            *_taken("b.account, b.backup_install"),
            _made("backups", Type.INTEGER, "How many there are.", "count(*)"),
            _made("backup_time", Type.TIME, "When the newest one was made.", "max(b.backup_time)"),
            _utc("backup_utc", "backup_time", "max(b.backup_time)"),
            *_taken("b.id, b.version, b.url"),
        ),
        "FROM all_backups b WHERE b.until IS NULL GROUP BY b.account, b.backup_install",
        "b.account, b.backup_install",
    ),
    "orphans": View(
        "The backups whose install is gone, in accounts that have records.",
        _taken("b.backup, b.account, b.id, b.backup_install, b.url, b.backup_time, f.size AS archive_bytes"),
        f"""FROM all_backups b LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL
  AND b.backup IN (SELECT backup FROM all_findings WHERE id = '{BACKUP_ORPHANED.id}' AND until IS NULL)""",
        "b.backup",
    ),
    "gone_installs": View(
        "The installs that are gone, each as the newest of its backups tells of it, in accounts that have records.",
        (
            *_taken("b.account, a.host AS account_host, a.path AS account_path, b.backup_install AS id"),
            *_taken("b.application, b.version, b.url, b.title, b.user, b.path"),
            _made("backups", Type.INTEGER, "How many backups of it there are.", "g.backups"),
            _made("first_backup_time", Type.TIME, "When the oldest of them was made.", "g.first"),
            *_taken("b.backup_time AS last_backup_time"),
            _utc("last_backup_utc", "last_backup_time", "b.backup_time"),
            *_taken("b.backup, b.id AS last_backup, b.archive_file"),
            _made("archive", Type.TEXT, "The path of the newest backup's archive.", "a.path || '/' || f.path"),
            _made("archive_bytes", Type.BYTES, "That path's exact bytes, where they are not UTF-8.", _EXACT_PATH),
        ),
        """FROM (SELECT o.backup, count(*) OVER same AS backups, min(o.backup_time) OVER same AS first,
    row_number() OVER (PARTITION BY o.account, o.backup_install
      ORDER BY o.backup_time DESC NULLS LAST, o.id DESC, o.backup DESC) AS place
  FROM orphans o WINDOW same AS (PARTITION BY o.account, o.backup_install)) g
JOIN all_backups b USING (backup) JOIN accounts a USING (account) LEFT JOIN all_files f ON f.file = b.archive_file
WHERE g.place = 1""",
        "a.path, b.account, b.backup_install",
    ),
    "duplicates": View(
        "The archives that an account has more than once, where they were scanned deep.",
        (
            *_taken("f.sha256, f.account"),
            _made("copies", Type.INTEGER, "How many there are.", "count(*)"),
            _made("wasted_bytes", Type.INTEGER, "The size of all but one.", "sum(f.size) - min(f.size)"),
            _made("files", Type.JSON, "Their numbers.", "json_group_array(f.file)"),
        ),
        """FROM all_files f WHERE f.until IS NULL AND f.kind = 'archive' AND f.sha256 IS NOT NULL
GROUP BY f.account, f.sha256 HAVING count(*) > 1""",
        "f.sha256, f.account",
    ),
    "sizes": View(
        "How many archives each account has, and how large they are.",
        (
            *_taken("f.account, a.host AS account_host, a.path AS account_path"),
            _made("archives", Type.INTEGER, "How many there are.", "count(*)"),
            _made("bytes", Type.INTEGER, "The size of all of them.", "sum(f.size)"),
        ),
        """FROM all_files f JOIN accounts a USING (account)
WHERE f.until IS NULL AND f.kind = 'archive' GROUP BY f.account""",
        "f.account",
    ),
}
"""The answers to the usual questions, by name. All but `history` are about what is there now."""


def views() -> Iterator[tuple[str, str]]:
    """Yield the name of each view, and the statement that makes it."""
    for name, view in VIEWS.items():
        columns = ",\n".join(f"  {sql} AS {column.name} /* {column.meaning} */" for column, sql in view.columns)
        yield name, f"CREATE VIEW {name} AS /* {view.meaning} */\nSELECT\n{columns}\n{view.rows}"
