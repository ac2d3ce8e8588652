"""The catalog's file, and what lies beside it: whose it may be, what its header says, its lock, what is noted of it.

A reader and a writer open it by `backupmeta.catalog.database`.
"""

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
from backupmeta.errors import CatalogError, DamagedCatalogError, EvidenceError
from backupmeta.evidence import EvidenceFile, kind_of, open_named
from backupmeta.folders import exposure, own_users, user_name

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_LEAST_SQLITE: Final = (3, 38, 0)
_FOR_NOW: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
LOCK: Final = "-scan"
"""What the name of its lock ends with."""
OF_SQLITE: Final = tuple(end for end in CATALOG_FILES[1:] if end != LOCK)
"""What the names of SQLite's own files beside it end with."""
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
        check_header(path)


def put_aside(path: str) -> str:
    """Rename the catalog at ``path`` and the files beside it, but for its lock; return the new name."""
    path = os.path.realpath(path)
    names = (f"{path}{end}" for end in chain(("-damaged",), (f"-damaged-{number}" for number in count(2))))
    aside = next(name for name in names if not os.path.lexists(name))
    for end in CATALOG_FILES:
        if end != LOCK and os.path.lexists(f"{path}{end}"):
            os.rename(f"{path}{end}", f"{aside}{end}")
    return aside


def _require_own_folder(path: str) -> None:
    """Raise `CatalogError` where others could put files beside the catalog at ``path``: SQLite would write to them."""
    for name in {os.path.abspath(path), os.path.realpath(path)}:
        if reason := exposed(name):
            raise CatalogError(path, reason, _OWN_FOLDER)
    require_plain_files(os.path.realpath(path), CATALOG_FILES[1:])


def exposed(path: str) -> str | None:
    """Return why others may write beside the catalog at ``path``; None where they may not. Raises `CatalogError`."""
    try:
        return exposure(os.path.dirname(path))
    except OSError as error:
        reason = (error.strerror or "can't be used").lower()
        raise CatalogError(path, reason, "name a file in a folder that is there, and that you may write to") from error


def require_plain_files(path: str, ends: Iterable[str]) -> None:
    """Raise `CatalogError` where what lies beside the catalog at ``path`` is no file that SQLite may have made.

    The names of these files have one of the ``ends``. SQLite would wait for who opens the other side of a pipe.
    """
    for beside in (f"{path}{end}" for end in ends):
        if os.path.lexists(beside) and not stat.S_ISREG(mode := os.lstat(beside).st_mode):
            raise CatalogError(path, f"{beside} is {kind_of(mode)}", "see who put it there, and remove it")


@contextmanager
def locked(path: str) -> Iterator[sqlite3.Connection]:
    """Hold the lock of the catalog at ``path`` while the block runs; raise `CatalogError` where another scan holds it.

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
        if not is_unfinished(path):
            lock.execute("INSERT INTO noted (sha256) VALUES (?)", (_digest(path),))
        lock.execute("COMMIT")


def is_as_noted(path: str, lock: sqlite3.Connection | None = None) -> bool:
    """Return whether the file at ``path`` is, byte for byte, what the last scan left; ``lock`` is one that is held."""
    if is_unfinished(path):
        return False
    noted = _noted(lock) if lock is not None else _noted_beside(path)
    return noted is not None and noted == _digest(path)


def _noted(lock: sqlite3.Connection) -> bytes | None:
    try:
        (digest,) = lock.execute("SELECT sha256 FROM noted").fetchone() or (None,)
    except sqlite3.Error:  # nothing is, as in the lock of an older program; or a scan writes
        return None
    return digest if isinstance(digest, bytes) else None


def _noted_beside(path: str) -> bytes | None:
    """Return what is noted beside the catalog at ``path``, in a lock that no other user can have written."""
    lock = f"{os.path.realpath(path)}{LOCK}"
    if not os.path.lexists(lock) or not stat.S_ISREG((status := os.lstat(lock)).st_mode):
        return None
    if status.st_uid not in own_users() or exposed(lock) is not None:
        return None
    with closing(sqlite3.connect(_uri(lock, "mode=ro"), uri=True, timeout=0)) as connection:
        return _noted(connection)


def _digest(path: str) -> bytes:
    """Return the SHA-256 of the file at ``path``."""
    digest = sha256()
    with _opened(path) as file:
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.digest()


@contextmanager
def _opened(path: str) -> Iterator[EvidenceFile]:
    """Open the file at ``path`` itself. Raises `CatalogError`."""
    try:
        with open_named(path) as file:
            yield file
    except EvidenceError as error:
        raise CatalogError(path, error.reason, "name the file that 'backupmeta scan -o' wrote") from error


def _require_own_lock(lock: str, path: str) -> None:
    """Raise `CatalogError` where another user made the ``lock``: SQLite would only say that it can't be opened."""
    if os.path.lexists(lock) and (owner := os.lstat(lock).st_uid) not in own_users():
        reason = f"its lock, {lock}, belongs to another user ({user_name(owner)})"
        raise CatalogError(path, reason, "let that user scan, or name another file")


def can_write_beside(path: str) -> bool:
    """Return whether SQLite can make its files beside the catalog."""
    folder = os.path.dirname(os.path.realpath(path))
    return os.access(folder, os.W_OK) or is_unfinished(path)


def connected(path: str, mode: str) -> sqlite3.Connection:
    """Return a connection to the catalog at ``path``; ``mode`` is as in SQLite's URIs. Raises `CatalogError`."""
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        raise CatalogError(
            path, f"needs SQLite {least}, this Python has {sqlite3.sqlite_version}", "use a newer Python"
        )
    return sqlite3.connect(_uri(path, mode), uri=True, timeout=_WAIT, isolation_level=None)


def _uri(path: str, mode: str) -> str:
    return f"{Path(os.path.abspath(path)).as_uri()}?{mode}"


def check_header(path: str) -> int:
    """Return the version of the schema at ``path``; raise `CatalogError` where there is no whole catalog."""
    with _opened(path) as file:
        header, size = file.read(_HEADER_BYTES), file.size
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        raise CatalogError(path, "is no catalog", "name the file that 'backupmeta scan -o' wrote, or a new one")
    if int.from_bytes(header[68:72]) != schema.APPLICATION:
        raise CatalogError(path, "is a SQLite database, but no catalog", "name another file")
    version = int.from_bytes(header[60:64])
    if version > schema.VERSION:
        raise CatalogError(path, f"was made by a newer backupmeta (schema {version})", "use that one")
    page = int.from_bytes(header[16:18])
    pages = int.from_bytes(header[28:32])
    if size < pages * (65536 if page == 1 else page) and not is_unfinished(path):
        raise DamagedCatalogError(path, "is cut off")
    return version


def is_unfinished(path: str) -> bool:
    """Return whether a killed scan left files beside the catalog that SQLite has yet to put in or take back."""
    beside = (f"{path}-wal", f"{path}-journal")
    return any(os.path.exists(name) and os.path.getsize(name) for name in beside)


def _primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code ("Result and Error Codes"); 0 for an error that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def telling(path: str) -> Iterator[None]:
    """Raise SQLite's errors as `CatalogError`."""
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


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or roll it back where the block fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
