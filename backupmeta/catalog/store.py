"""The catalog's file: opened, checked, migrated, and written to by one scan at a time."""

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from typing import Final

from backupmeta.account.protected import CATALOG_FILES
from backupmeta.archive.limits import MIB
from backupmeta.catalog import schema
from backupmeta.catalog.seals import altered, seal_all
from backupmeta.errors import CatalogError, DamagedCatalogError, EvidenceError
from backupmeta.evidence import kind_of, open_named
from backupmeta.provenance import display
from backupmeta.trust import exposure, own_users, user_name

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_LEAST_SQLITE: Final = (3, 38, 0)
_FOR_NOW: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
_UNSEALED: Final = 3
"""The first schema whose rows are sealed."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
LOCK: Final = "-scan"
_OF_SQLITE: Final = tuple(end for end in CATALOG_FILES[1:] if end != LOCK)
"""What the name of its lock ends with."""
_OWN_FOLDER: Final = "make a folder of your own for it, with mkdir -m 700, and name a file in that"
_WAIT: Final = 10.0
"""How long, in seconds, a reader waits for a writer's moment."""


def require(path: str) -> None:
    """Raise `CatalogError` where there can't be a catalog at ``path``: something else is there."""
    if os.path.isdir(path) or not os.path.basename(path):
        raise CatalogError(path, "is a folder", "name a file")
    if os.path.lexists(path) and not os.path.isfile(path):
        raise CatalogError(path, "is no regular file", "name one, or a new one")
    _require_own_folder(path)
    if os.path.lexists(path) and os.path.getsize(path):
        _check(path)


def put_aside(path: str) -> str:
    """Give the catalog at ``path`` another name, with all that lies beside it but its lock; return that name."""
    path = os.path.realpath(path)
    names = (f"{path}{end}" for end in chain(("-damaged",), (f"-damaged-{number}" for number in count(2))))
    aside = next(one for one in names if not os.path.lexists(one))
    for end in CATALOG_FILES:
        if end != LOCK and os.path.lexists(f"{path}{end}"):
            os.rename(f"{path}{end}", f"{aside}{end}")
    return aside


def _require_own_folder(path: str) -> None:
    """Raise `CatalogError` where others could put files beside the catalog at ``path``: SQLite would write to them."""
    for name in {os.path.abspath(path), os.path.realpath(path)}:
        if reason := _exposure(name):
            raise CatalogError(path, reason, _OWN_FOLDER)
    _require_plain_files(os.path.realpath(path), CATALOG_FILES[1:])


def _exposure(path: str) -> str | None:
    try:
        return exposure(os.path.dirname(path))
    except OSError as error:
        reason = (error.strerror or "can't be used").lower()
        raise CatalogError(path, reason, "name a file in a folder that is there, and that you may write to") from error


def _require_plain_files(path: str, ends: Iterable[str]) -> None:
    """Raise `CatalogError` where what lies beside the catalog at ``path`` is no file that SQLite may have made.

    The names of these files have one of the ``ends``. SQLite would wait for who opens the other side of a pipe.
    """
    for beside in (f"{path}{end}" for end in ends):
        if os.path.lexists(beside) and not stat.S_ISREG(mode := os.lstat(beside).st_mode):
            raise CatalogError(path, f"{beside} is {kind_of(mode)}", "see who put it there, and remove it")


@contextmanager
def locked(path: str) -> Iterator[sqlite3.Connection]:
    """Be the only scan that writes to the catalog at ``path``; raise `CatalogError` where another one does.

    The lock is one of SQLite's own, on a file beside the catalog: it ends with its process, however that ends. The
    block is given that file, for `note`.
    """
    lock_file = f"{os.path.realpath(path)}{LOCK}"
    _require_own_folder(path)
    _require_own_lock(lock_file, path)
    with (
        telling(path),
        closing(sqlite3.connect(lock_file, timeout=0, isolation_level=None)) as lock,
    ):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if _primary(error) != sqlite3.SQLITE_BUSY:
                raise
            raise CatalogError(path, "another scan writes to it", "wait for its end, or name another file") from error
        yield lock


def note(path: str, lock: sqlite3.Connection) -> None:
    """Note what the file at ``path`` is like, of which a scan knows that it is whole: it need not be checked then.

    That is noted in the ``lock``, for the file can't hold its own digest. Where it can't be, as on a full disk, the
    next answer checks.
    """
    with suppress(sqlite3.Error, CatalogError):
        lock.execute("CREATE TABLE IF NOT EXISTS noted (sha256 BLOB NOT NULL) STRICT")
        lock.execute("DELETE FROM noted")
        if not _is_unfinished(path):
            lock.execute("INSERT INTO noted (sha256) VALUES (?)", (_digest(path),))
        lock.execute("COMMIT")


def is_as_noted(path: str, lock: sqlite3.Connection | None = None) -> bool:
    """Tell whether the file at ``path`` is, byte for byte, what the last scan left; ``lock`` is one that is held."""
    if _is_unfinished(path):
        return False
    noted = _noted(lock) if lock is not None else _noted_beside(path)
    return noted is not None and noted == _digest(path)


def _noted(lock: sqlite3.Connection) -> bytes | None:
    try:
        (found,) = lock.execute("SELECT sha256 FROM noted").fetchone() or (None,)
    except sqlite3.Error:  # nothing is, as in the lock of an older program; or a scan writes
        return None
    return found if isinstance(found, bytes) else None


def _noted_beside(path: str) -> bytes | None:
    """Return what is noted beside the catalog at ``path``, in a lock that no other user can have written."""
    lock = f"{os.path.realpath(path)}{LOCK}"
    if not os.path.lexists(lock) or not stat.S_ISREG((status := os.lstat(lock)).st_mode):
        return None
    if status.st_uid not in own_users() or _exposure(lock) is not None:
        return None
    with closing(sqlite3.connect(_uri(lock, "mode=ro"), uri=True, timeout=0)) as connection:
        return _noted(connection)


def _digest(path: str) -> bytes:
    """Return the SHA-256 of the file at ``path``."""
    digest = sha256()
    try:
        with open_named(path) as file:
            while piece := file.read(MIB):
                digest.update(piece)
    except EvidenceError as error:
        raise CatalogError(path, error.reason, "name the file that 'backupmeta scan -o' wrote") from error
    return digest.digest()


def _require_own_lock(lock: str, path: str) -> None:
    """Raise `CatalogError` where another user made the ``lock``: SQLite would only say that it can't be opened."""
    if os.path.lexists(lock) and (owner := os.lstat(lock).st_uid) not in own_users():
        reason = f"its lock, {lock}, belongs to another user ({user_name(owner)})"
        raise CatalogError(path, reason, "let that user scan, or name another file")


@contextmanager
def opened_to_write(path: str) -> Iterator[sqlite3.Connection]:
    """Give the catalog at ``path``, as `open_to_write` does, while the block runs."""
    with closing(open_to_write(path)) as connection:
        yield connection


def open_to_write(path: str) -> sqlite3.Connection:
    """Open the catalog at ``path`` to write to it; make it where there is none, migrate it where it is an older one.

    Raises `CatalogError` for anything that is no catalog, which is left as it is.
    """
    require(path)
    with telling(path), _closed_on_error(_connected(path, "mode=rwc")) as connection:
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
    """Leave nothing behind where the block fails."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _can_write_beside(path: str) -> bool:
    """Tell whether SQLite can make its files beside the catalog; where nobody can write, nobody does."""
    folder = os.path.dirname(os.path.realpath(path))
    return os.access(folder, os.W_OK) or _is_unfinished(path)


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of its schema; 0 where there is nothing in it yet."""
    found: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return found[0]


def _bring_up(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables, or change those of an older ``version``; make all views anew."""
    if not version:
        for statement in schema.creation():
            connection.execute(statement)
    known = list(altered(connection)) if version >= _UNSEALED else []
    for older in range(version or schema.VERSION, schema.VERSION):
        for statement in schema.MIGRATIONS[older]:
            connection.execute(statement)
    _make_anew(connection)
    seal_all(connection, but=known)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def _make_anew(connection: sqlite3.Connection) -> None:
    """Make all views anew, and the indices that are not as they should be."""
    for name, statement in schema.views():
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
    for name, (kind, _) in _objects(connection).items():
        if kind == "trigger" or name not in schema.NAMES:
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
        for name, statement in (*schema.indices(), *schema.views())
        if there.get(name, ("", ""))[1] != schema.compact(statement)
    }


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def open_to_read(path: str) -> sqlite3.Connection:
    """Open the catalog at ``path`` to read from it.

    Raises `CatalogError` where there is none, for anything that is no catalog, and for one of an older schema that
    can't be migrated, because it can't be written to.
    """
    version = _check(path)
    is_own = _exposure(os.path.realpath(path)) is None
    if version < schema.VERSION or _is_unfinished(path):
        open_to_write(path).close()
    is_alone = not (is_own and _can_write_beside(path))  # then SQLite looks at no other file
    if not is_alone:
        _require_plain_files(os.path.realpath(path), _OF_SQLITE)
    mode = "mode=ro&immutable=1" if is_alone else "mode=ro"
    with telling(path), _closed_on_error(_connected(path, mode)) as connection:
        _refuse_foreign(connection, path)
        _require_tables(connection, path)
        for name in _differing(connection):
            raise DamagedCatalogError(path, f"is damaged: {name} is not as it should be")
    return connection


@contextmanager
def opened_to_read(path: str) -> Iterator[sqlite3.Connection]:
    """Give the catalog at ``path``, as `open_to_read` does, while the block runs."""
    with closing(open_to_read(path)) as connection, telling(path):
        yield connection


def accounts(path: str) -> int:
    """Return how many accounts the catalog at ``path`` has, that are not gone. Raises `CatalogError`."""
    with opened_to_read(path) as connection:
        return int(connection.execute("SELECT count(*) FROM accounts WHERE status <> 'vanished'").fetchone()[0])


def path_bytes(path: str) -> bytes | None:
    """Return the exact bytes of a path that is not UTF-8; None for one that is. `exact` is the way back."""
    return None if display(path) == path else path.encode("utf-8", "surrogateescape")


def exact(path: str, path_bytes: bytes | None) -> str:
    """Return a path as the system writes it, bytes that are not UTF-8 as surrogates."""
    return path if path_bytes is None else path_bytes.decode("utf-8", "surrogateescape")


def roots(path: str) -> list[str]:
    """Return the roots on this host that the accounts of the catalog at ``path`` were found below.

    Raises `CatalogError`.
    """
    with opened_to_read(path) as connection:
        return [str(root) for (root,) in connection.execute("SELECT DISTINCT root FROM accounts WHERE host = ''")]


def _connected(path: str, mode: str) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        raise CatalogError(
            path, f"needs SQLite {least}, this Python has {sqlite3.sqlite_version}", "use a newer Python"
        )
    return sqlite3.connect(_uri(path, mode), uri=True, timeout=_WAIT, isolation_level=None)


def _uri(path: str, mode: str) -> str:
    return f"{Path(os.path.abspath(path)).as_uri()}?{mode}"


def _check(path: str) -> int:
    """Return the version of the schema at ``path``; raise `CatalogError` where there is no whole catalog."""
    header, size = _header(path)
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        raise CatalogError(path, "is no catalog", "name the file that 'backupmeta scan -o' wrote, or a new one")
    if int.from_bytes(header[68:72]) != schema.APPLICATION:
        raise CatalogError(path, "is a SQLite database, but no catalog", "name another file")
    version = int.from_bytes(header[60:64])
    if version > schema.VERSION:
        raise CatalogError(path, f"was made by a newer backupmeta (schema {version})", "use that one")
    page = int.from_bytes(header[16:18])
    pages = int.from_bytes(header[28:32])
    if size < pages * (65536 if page == 1 else page) and not _is_unfinished(path):
        raise DamagedCatalogError(path, "is cut off")
    return version


def _is_unfinished(path: str) -> bool:
    """Tell whether what a killed scan wrote lies beside the catalog still, for SQLite to put it in or take it back."""
    beside = (f"{path}-wal", f"{path}-journal")
    return any(os.path.exists(one) and os.path.getsize(one) for one in beside)


def _header(path: str) -> tuple[bytes, int]:
    try:
        with open_named(path) as file:
            return file.read(_HEADER_BYTES), file.size
    except EvidenceError as error:
        raise CatalogError(path, error.reason, "name the file that 'backupmeta scan -o' wrote") from error


def _primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code ("Result and Error Codes"); 0 for an error that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def telling(path: str) -> Iterator[None]:
    """Raise `CatalogError` for what SQLite says."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes a broken schema as it is
        raise DamagedCatalogError(path, "is damaged: its schema is no text") from error
    except OverflowError as error:  # a row was given the greatest number that there is
        raise DamagedCatalogError(path, "is damaged: no number is left for a new row") from error
    except sqlite3.Error as error:
        if _primary(error) in _DAMAGED:
            raise DamagedCatalogError(path, f"is damaged: {error}") from error
        advice = "restore it from a copy, or scan into a new file"
        if _primary(error) in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            advice = "name a file in a folder that is there, and that you may write to"
        elif _primary(error) in _FOR_NOW:
            advice = "what was done until then is kept; try again once that is mended"
        raise CatalogError(path, str(error), advice) from error
