"""The tables of a catalog: names, columns, types and meanings, written once, and their SQL.

The statements that make and migrate a catalog, its documentation, the rows that a scan writes and the columns of an
export follow from here. Rows are never overwritten: what changed or vanished stays, with the scans since and until
which it was so. `VERSION` is the file's ``user_version``, `APPLICATION` its ``application_id`` (SQLite, "The database
header").
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from backupmeta.provenance import display
from backupmeta.record import values
from backupmeta.record.fields import FIELDS, Field, Scope
from backupmeta.record.values import Decoder


class Type(StrEnum):
    """What a column holds."""

    KEY = "key"
    """A number that names the row."""
    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"
    """0 or 1."""
    TIME = "time"
    """Unix seconds, UTC."""
    NANOSECONDS = "nanoseconds"
    """Nanoseconds since 1970, UTC."""
    UTC = "utc"
    """Of a view: a time that another column has, once more as text, for who reads SQL."""
    BYTES = "bytes"
    JSON = "json"
    SHARED = "shared"
    """A value that many rows have, such as a list of files: the key of its JSON in the table `shared`."""


_SQL_TYPES: Final = {
    Type.KEY: "INTEGER PRIMARY KEY",
    Type.TEXT: "TEXT",
    Type.JSON: "TEXT",
    Type.BYTES: "BLOB",
}
"""The types of columns in SQLite, where these are no integers."""


class Column(NamedTuple):
    """A column: its name, what it holds, what it means, and whether every row has it."""

    name: str
    type: Type
    meaning: str
    is_required: bool = False


class Table(NamedTuple):
    """A table: its name, its meaning, its columns, and the columns of its indices, the first of them unique if any."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    unique: str | None = None
    indices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The column that numbers its rows, or the one that says what they belong to."""
        return self.columns[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column of this ``name``."""
        return next(column for column in self.columns if column.name == name)


def _required(name: str, type_: Type, meaning: str) -> Column:
    return Column(name, type_, meaning, is_required=True)


_TYPES: Final[dict[Decoder, Type]] = {
    values.integer: Type.INTEGER,
    values.seconds: Type.TIME,
    values.digits: Type.TIME,
    values.flag: Type.FLAG,
    values.items: Type.SHARED,
    values.plugins: Type.SHARED,
    values.themes: Type.SHARED,
}


def _column(field: Field) -> Column:
    return Column(field.name, _TYPES.get(field.decode, Type.TEXT), field.meaning)


BACKUP_FIELDS: Final = tuple(_column(field) for field in FIELDS)
"""The fields of the server's answer for a backup, secrets masked."""

INSTALL_FIELDS: Final = tuple(_column(field) for field in FIELDS if field.scope is not Scope.BACKUP)
"""The fields of the server's answer for an install, secrets masked."""

_BESIDE: Final = (
    Column("custom", Type.SHARED, "The installer's own fields that the server's answer has no column for."),
    Column("extra", Type.SHARED, "All other keys of the records, as they stand there."),
    Column("origins", Type.SHARED, "Where each field comes from: witness and line; see the view provenance."),
)

INSTALL_CELLS: Final = (*INSTALL_FIELDS, *_BESIDE)
"""What resolving an install tells, as its row has it."""

BACKUP_CELLS: Final = (
    Column("state", Type.TEXT, "paired, missing, remote or unclaimed.", is_required=True),
    Column("utc_offset", Type.INTEGER, "The server's offset from UTC in seconds, as its archive's name implies."),
    *BACKUP_FIELDS,
    *_BESIDE,
)
"""What resolving a backup tells, as its row has it."""

_SPAN: Final = (
    _required("account", Type.INTEGER, "The account that it lies in."),
    _required("since", Type.INTEGER, "The scan that met it first."),
    Column("until", Type.INTEGER, "The scan that no longer met it so; null where it is so still."),
    _required("began", Type.TEXT, "How it came: new, changed, moved, returned."),
    Column("ended", Type.TEXT, "How it went: changed, moved, vanished."),
)

SCANS: Final = Table(
    "scans",
    "One run of backupmeta scan, from its begin to its end, interrupted or not.",
    (
        Column("scan", Type.KEY, "Its number."),
        _required("roots", Type.JSON, "What was scanned."),
        _required("version", Type.TEXT, "The version of backupmeta."),
        _required("began", Type.TIME, "When it began."),
        Column("ended", Type.TIME, "When it ended; null where it was interrupted, and goes on with the next run."),
        Column("unread", Type.JSON, "The roots that could not be read; null before its end."),
        _required("first_file", Type.INTEGER, "The number that the first file would have that it met first."),
    ),
)

ACCOUNTS: Final = Table(
    "accounts",
    "A home, or a folder of archives that belongs to none.",
    (
        Column("account", Type.KEY, "Its number."),
        _required("host", Type.TEXT, "The host that it lies on; empty where all are reached from here."),
        _required("path", Type.TEXT, "Its path on that host."),
        Column("path_bytes", Type.BYTES, "The path's exact bytes, where they are not UTF-8."),
        _required("seen", Type.TEXT, "Its path as the server saw it."),
        _required("root", Type.TEXT, "The root that it was found below the last time."),
        _required("name", Type.TEXT, "The name of its folder."),
        _required("is_home", Type.FLAG, "Whether it is a home, and not just a folder of archives."),
        _required("status", Type.TEXT, "present, vanished, or unreadable."),
        _required("first_scan", Type.INTEGER, "The scan that met it first."),
        _required("last_scan", Type.INTEGER, "The scan that met it last."),
    ),
    unique="path, host, ifnull(path_bytes, x'')",
)

MEMORIES: Final = Table(
    "memories",
    "What the next scan, view and list need of an account; for backupmeta itself.",
    (
        Column("account", Type.KEY, "The account."),
        _required("fingerprint", Type.BYTES, "Tells whether anything in its folders changed."),
        _required("extents", Type.TEXT, "The folders that were looked into, JSON."),
        _required("content", Type.BYTES, "Its files and its records, secrets masked; JSON, zstd."),
    ),
)

FILES: Final = Table(
    "all_files",
    "An archive or a record.",
    (
        Column("file", Type.KEY, "Its number."),
        *_SPAN,
        _required("path", Type.TEXT, "Its path below the account's."),
        Column("path_bytes", Type.BYTES, "The path's exact bytes, where they are not UTF-8."),
        _required("kind", Type.TEXT, "archive, backup record or install record."),
        _required("size", Type.INTEGER, "In bytes."),
        _required("mtime_ns", Type.NANOSECONDS, "When it was modified."),
        _required("inode", Type.INTEGER, "Its number in its file system."),
        _required("status", Type.TEXT, "read; passed over: another archive has its name; or a finding's id: why not."),
        Column("sha256", Type.TEXT, "Its digest; of an archive, where it was scanned deep."),
        Column("moved_from", Type.INTEGER, "The file that it was before it was moved."),
        Column("verdict", Type.TEXT, "Of an archive that was scanned deep: pass, fail, unreadable or not judged."),
        Column("walked", Type.INTEGER, "The scan that read all of it; null where none did."),
        Column("ctime_ns", Type.NANOSECONDS, "When the system last noted a change; null where no scan has seen it."),
    ),
    indices=("account",),
)

INSTALLS: Final = Table(
    "all_installs",
    "A live install.",
    (
        Column("install", Type.KEY, "Its number."),
        *_SPAN,
        _required("record_file", Type.INTEGER, "Its record."),
        *INSTALL_CELLS,
    ),
    indices=("account",),
)

BACKUPS: Final = Table(
    "all_backups",
    "A backup: its record, its archive, or both.",
    (
        Column("backup", Type.KEY, "Its number."),
        *_SPAN,
        Column("record_file", Type.INTEGER, "Its record; null where there is none."),
        Column("archive_file", Type.INTEGER, "Its archive; null where there is none."),
        *BACKUP_CELLS,
    ),
    indices=("account", "id", "application, version", "plugins"),
)

FINDINGS: Final = Table(
    "all_findings",
    "Something that somebody should know.",
    (
        Column("finding", Type.KEY, "Its number."),
        Column("account", Type.INTEGER, "The account that it is about; null for a root."),
        Column("install", Type.INTEGER, "The install that it is about, if any."),
        Column("backup", Type.INTEGER, "The backup that it is about, if any."),
        _required("since", Type.INTEGER, "The scan that met it first."),
        Column("until", Type.INTEGER, "The scan that no longer met it; null where it is so still."),
        _required("id", Type.TEXT, "What it is: 'backupmeta checks ID' explains it."),
        _required("severity", Type.TEXT, "error, warning or note."),
        _required("subject", Type.TEXT, "What it is about: a field, a key, a name."),
        _required("detail", Type.TEXT, "The particulars."),
        _required("message", Type.TEXT, "One sentence."),
        _required("evidence", Type.JSON, "Where it can be seen."),
        Column("file", Type.INTEGER, "The archive that it is about, where reading all of it told it."),
    ),
    indices=("account", "id", "file"),
)

SHARED: Final = Table(
    "shared",
    "Values that many rows have.",
    (
        Column("shared", Type.KEY, "Its number."),
        _required("digest", Type.BYTES, "The value's digest (BLAKE2b, 16 bytes)."),
        _required("content", Type.JSON, "The value."),
    ),
    unique="digest",
)

EXTENSIONS: Final = Table(
    "extensions",
    "The entries of the lists of plugins and themes; see the views plugins and themes.",
    (
        _required("list", Type.INTEGER, "The list's key in the table shared."),
        _required("id", Type.TEXT, "The plugin's or theme's folder."),
        Column("version", Type.TEXT, "Its version; null where the record does not tell it."),
        Column("active", Type.FLAG, "Whether it is active; null where the record does not tell it."),
        Column("autoup", Type.TEXT, "all or none; null where the record does not tell it."),
    ),
    indices=("id, version", "list"),
)

MEMBER_NAMES: Final = Table(
    "member_names",
    "The names of archives' members, each once.",
    (
        Column("name", Type.KEY, "Its number."),
        _required("path", Type.TEXT, "The path that it means, below the site's folder."),
        Column("path_bytes", Type.BYTES, "The path's exact bytes, where they are not UTF-8."),
    ),
    unique="path, ifnull(path_bytes, x'')",
)

MEMBER_VERSIONS: Final = Table(
    "member_versions",
    "What members were, each once, in however many archives they were it.",
    (
        Column("version", Type.KEY, "Its number."),
        _required("name", Type.INTEGER, "The number of its name."),
        _required("kind", Type.TEXT, "file, directory, symlink, hard link, …."),
        _required("size", Type.INTEGER, "The length of its content, in bytes."),
        _required("mode", Type.INTEGER, "Permission bits."),
        _required("mtime_ns", Type.NANOSECONDS, "When it was modified."),
        Column("digest", Type.BYTES, "The digest of a file's content; null where it is sparse, or not all there."),
    ),
    unique="name, mtime_ns, ifnull(digest, x''), size, mode, kind",
    indices=("digest",),
)

READINGS: Final = Table(
    "readings",
    "An archive that was read to its end by a scan that keeps members.",
    (
        Column("reading", Type.KEY, "Its number."),
        _required("account", Type.INTEGER, "The account that the archive lies in."),
        _required("since", Type.INTEGER, "The scan that read it."),
        Column("until", Type.INTEGER, "The scan since which it tells nothing of what is there; null where it does."),
        _required("file", Type.INTEGER, "The archive."),
        _required("series", Type.INTEGER, "The first reading of an archive of the same install or site."),
        _required("origin", Type.TEXT, "The install's id; without one the site that the archive's name tells."),
        _required("algorithm", Type.TEXT, "How members were digested: sha256, sha1 or md5."),
        _required("members", Type.INTEGER, "How many there are; of several with one name the last one counts."),
        _required("left_out", Type.INTEGER, "How many were not kept, for their names are too long."),
        _required("is_whole", Type.FLAG, "Whether these are all that the archive had: it was not damaged."),
        _required("sum", Type.BYTES, "The sum of the digests of its members' rows (BLAKE2b, 8 bytes)."),
    ),
    indices=("account, origin", "file", "series"),
)

MEMBER_RUNS: Final = Table(
    "member_runs",
    "Readings of a series, one after the other, whose archives have a member that did not change.",
    (
        Column("run", Type.KEY, "Its number."),
        _required("series", Type.INTEGER, "The series."),
        _required("version", Type.INTEGER, "The member as it is in all of them."),
        _required("first", Type.INTEGER, "The first reading."),
        Column("last", Type.INTEGER, "The last reading; null where that is the series' last one."),
    ),
    indices=("version, series", "series, last"),
)

SEALS: Final = Table(
    "seals",
    "What the rows of each account were when they were written; for backupmeta itself.",
    (
        Column("account", Type.KEY, "The account; 0 for the catalog itself."),
        _required("digest", Type.BYTES, "The digest of its number and of all digests of its rows (BLAKE2b, 16 bytes)."),
        _required("digests", Type.BYTES, "The digest of each of its rows, by table and key (BLAKE2b, 8 bytes)."),
    ),
)

_OF_MEMBERS: Final = (MEMBER_NAMES, MEMBER_VERSIONS, READINGS, MEMBER_RUNS)

TABLES: Final = (SCANS, ACCOUNTS, MEMORIES, FILES, INSTALLS, BACKUPS, FINDINGS, SHARED, EXTENSIONS, *_OF_MEMBERS, SEALS)

OF_ACCOUNT: Final = (ACCOUNTS, MEMORIES, FILES, INSTALLS, BACKUPS, FINDINGS, READINGS)
"""The tables whose rows belong to an account."""

SEALED: Final = (SEALS, ACCOUNTS, MEMORIES, FILES, INSTALLS, BACKUPS, FINDINGS, SHARED, SCANS, READINGS)
"""The tables, by the numbers that their rows have in a seal; the first one stands for all other seals."""

APPLICATION: Final = int.from_bytes(b"bkup")
"""What says that a SQLite file is a catalog."""

VERSION: Final = 7
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
    **dict.fromkeys((3, 4, 5), ()),  # other views alone
    6: (
        "CREATE TABLE member_names (name INTEGER PRIMARY KEY, path TEXT NOT NULL, path_bytes BLOB) STRICT",
        """CREATE TABLE member_versions (version INTEGER PRIMARY KEY, name INTEGER NOT NULL, kind TEXT NOT NULL,
        size INTEGER NOT NULL, mode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB) STRICT""",
        """CREATE TABLE readings (reading INTEGER PRIMARY KEY, account INTEGER NOT NULL, since INTEGER NOT NULL,
        until INTEGER, file INTEGER NOT NULL, series INTEGER NOT NULL, origin TEXT NOT NULL,
        algorithm TEXT NOT NULL, members INTEGER NOT NULL, left_out INTEGER NOT NULL, is_whole INTEGER NOT NULL,
        sum BLOB NOT NULL) STRICT""",
        """CREATE TABLE member_runs (run INTEGER PRIMARY KEY, series INTEGER NOT NULL, version INTEGER NOT NULL,
        first INTEGER NOT NULL, last INTEGER) STRICT""",
    ),
}
"""By the version that they start from: the statements that change its tables into those of the next one.

A column is added where SQLite adds one, at the end; `TABLES` may have it anywhere. Views are made anew with each step.
"""


def tables() -> Iterator[tuple[str, str]]:
    """Yield the name of each table, and the statement that makes it."""
    for table in TABLES:
        columns = ",\n".join(f"  {column.name} {_sql_type(column)} /* {column.meaning} */" for column in table.columns)
        yield table.name, f"CREATE TABLE {table.name} ( /* {table.meaning} */\n{columns}\n) STRICT"


def _sql_type(column: Column) -> str:
    return _SQL_TYPES.get(column.type, "INTEGER") + (" NOT NULL" if column.is_required else "")


def indices() -> Iterator[tuple[str, str]]:
    """Yield the name of each index, and the statement that makes it."""
    for table in TABLES:
        if table.unique is not None:
            yield f"{table.name}_unique", f"CREATE UNIQUE INDEX {table.name}_unique ON {table.name} ({table.unique})"
        for columns in table.indices:
            name = f"{table.name}_by_{columns.replace(', ', '_')}"
            yield name, f"CREATE INDEX {name} ON {table.name} ({columns})"


def insertion(table: Table, columns: Sequence[str], insert: str = "INSERT") -> str:
    """Return the statement that inserts a row into ``table``: a value for each of the ``columns``.

    ``insert`` is INSERT, or INSERT OR REPLACE where the row with the same key is to go.
    """
    return f"{insert} INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def path_bytes(path: str) -> bytes | None:
    """Return the exact bytes of a path that is not UTF-8; None for one that is. `exact_path` is the way back."""
    return None if display(path) == path else path.encode("utf-8", "surrogateescape")


def exact_path(path: str, path_bytes: bytes | None) -> str:
    """Return a path as the system writes it, bytes that are not UTF-8 as surrogates."""
    return path if path_bytes is None else path_bytes.decode("utf-8", "surrogateescape")
