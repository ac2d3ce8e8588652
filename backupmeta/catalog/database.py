"""`Catalog`: an open catalog, to write to or to answer from, and the rows that several answers need.

Opening checks the file and what lies beside it, migrates an older one, and leaves out what is not as it was scanned.
"""

import json
import os
import re
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from backupmeta.archive.limits import MIB
from backupmeta.catalog import integrity, schema
from backupmeta.catalog.views import views
from backupmeta.errors import CatalogError, DamagedCatalogError, EvidenceError
from backupmeta.evidence import EvidenceFile, kind_of, open_named
from backupmeta.findings import Finding
from backupmeta.folders import exposure, own_users, user_name
from backupmeta.provenance import place_in
from backupmeta.search import CATALOG_FILES

_UNSEALED: Final = 3
"""The first schema whose rows are sealed."""
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_LEAST_SQLITE: Final = (3, 38, 0)
_FOR_NOW: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
LOCK: Final = "-scan"
"""What the name of its lock ends with."""
_OF_SQLITE: Final = tuple(end for end in CATALOG_FILES[1:] if end != LOCK)
"""What the names of SQLite's own files beside it end with."""
_OWN_FOLDER: Final = "make a folder of your own for it, with mkdir -m 700, and name a file in that"
_WAIT: Final = 10.0
"""How long, in seconds, a reader waits for a writer's moment."""


class StoredMemory(NamedTuple):
    """What is remembered of an account, as the catalog has it; see `backupmeta.catalog.remembered`.

    Attributes:
        account: the account's number.
        host: the host that it lies on; empty where all are reached from here.
        path: its path; surrogates stand for bytes that are not UTF-8.
        content: its memory.
    """

    account: int
    host: str
    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan: its number, its roots, the version of backupmeta, when it began and ended, which roots were not read.

    Times are Unix seconds; ``ended`` is None for a scan that was interrupted.
    """

    number: int
    roots: tuple[str, ...]
    version: str
    began: int
    ended: int | None
    unread: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, and could read every root."""
        return self.ended is not None and not self.unread


class Age(NamedTuple):
    """How old a catalog is.

    Attributes:
        oldest: when the scan began that looked last at the account not looked at for longest, Unix seconds.
        newest: when the last scan began.
        is_whole: whether that came to its end.
    """

    oldest: int
    newest: int
    is_whole: bool


class Catalog:
    """An open catalog.

    Attributes:
        path: its file.
        connection: the connection to it.
    """

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        """Use a ``connection`` to the catalog at ``path``; the class methods below open one."""
        self.path = path
        self.connection = connection

    @classmethod
    @contextmanager
    def written(cls, path: str) -> Iterator[Self]:
        """Open the catalog at ``path`` to write to it; make it where there is none, migrate an older one.

        Raises `CatalogError` for anything that is no catalog, which is left as it is.
        """
        require(path)
        with translated_errors(path), closing(_connected(path, "mode=rwc")) as connection:
            catalog = cls(path, connection)
            catalog._bring_up()
            connection.execute("PRAGMA journal_mode = WAL")  # only now: what is checked before is in the file itself
            connection.execute("PRAGMA synchronous = NORMAL")
            yield catalog

    @classmethod
    @contextmanager
    def unchecked(cls, path: str) -> Iterator[Self]:
        """Open the catalog at ``path`` to read it; altered rows are not looked for.

        Raises `CatalogError` where there is none, for anything that is no catalog, and for one of an older schema that
        can't be migrated, because it can't be written to.
        """
        version, real = _header_version(path), os.path.realpath(path)
        is_own = _exposed(real) is None
        if version < schema.VERSION or _is_unfinished(path):
            with cls.written(path):
                pass
        is_alone = not (is_own and (os.access(os.path.dirname(real), os.W_OK) or _is_unfinished(path)))
        if not is_alone:
            _require_plain_files(real, _OF_SQLITE)
        mode = "mode=ro&immutable=1" if is_alone else "mode=ro"  # alone: SQLite looks at no other file
        with translated_errors(path), closing(_connected(path, mode)) as connection:
            for name in _differing(connection, path):
                raise DamagedCatalogError(path, f"is damaged: {name} is not as it should be")
            yield cls(path, connection)

    @classmethod
    @contextmanager
    def checked(cls, path: str, findings: list[Finding] | None) -> Iterator[Self]:
        """Open the catalog at ``path`` to read what was not altered of it, all as of one moment.

        What was altered is appended to ``findings`` and hidden. All accounts are checked, whatever the question is,
        because their rows decide which of them an answer is about.

        Raises:
            CatalogError: it is none, or has no structure that can be relied upon; without ``findings``, also where
                anything was altered.
        """
        with cls.unchecked(path) as catalog:
            catalog.connection.execute("BEGIN")
            if not is_as_noted(path):
                integrity.require_structure(catalog.connection, path)
                integrity.leave_out(catalog.connection, path, integrity.altered(catalog.connection), findings)
            yield catalog

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, or roll it back where the block fails."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # a full disk has ended it already
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _bring_up(self) -> None:
        """Make what is missing of its schema, or change an older one into this one."""
        _objects(self.connection, self.path)
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()  # 0: there is nothing in it yet
        if version < schema.VERSION:
            with self.transaction():
                _migrate(self.connection, self.path, version)
        if _differing(self.connection, self.path):
            with self.transaction():
                _make_anew(self.connection, self.path)

    def memories(self, condition: str, arguments: Sequence[str | int | bytes] = ()) -> Iterator[StoredMemory]:
        """Yield what is remembered of the accounts, named ``a``, that fulfil an SQL ``condition``."""
        rows = self.connection.execute(f"{_MEMORIES} WHERE {condition}", arguments)
        for account, host, path, path_bytes, content in rows:
            yield StoredMemory(account, host, schema.exact_path(path, path_bytes), content)

    def memory(self, account: int) -> StoredMemory:
        """Return what is remembered of the account of this number."""
        return next(self.memories("account = ?", (account,)))

    def findings(self, condition: str, arguments: Sequence[str | int | None] = ()) -> Iterator[Finding]:
        """Yield the findings of now that fulfil an SQL ``condition``."""
        from backupmeta.checks.rulebook import FINDINGS

        for id_, subject, detail, evidence in self.connection.execute(_FINDINGS.format(condition), arguments):
            yield Finding(FINDINGS[id_], subject, detail, tuple(map(place_in, json.loads(evidence))))

    def named(self, select: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a ``select``, their cells by the names of its columns."""
        rows = self.connection.execute(select)
        names = [name for name, *_ in rows.description]
        for row in rows:
            yield dict(zip(names, row, strict=True))

    def scans(self, most: int) -> Iterator[Scan]:
        """Yield the last scans, the newest first."""
        for number, roots, version, began, ended, unread in self.connection.execute(_SCANS, (most,)):
            yield Scan(number, tuple(json.loads(roots)), version, began, ended, tuple(json.loads(unread or "[]")))

    def names(self) -> list[str]:
        """Return the names of the folders of its accounts that are not gone."""
        return [name for (name,) in self.connection.execute("SELECT name FROM accounts WHERE status <> 'vanished'")]


_MEMORIES: Final = "SELECT account, host, path, path_bytes, content FROM accounts a JOIN memories USING (account)"
_FINDINGS: Final = "SELECT id, subject, detail, evidence FROM all_findings WHERE until IS NULL AND {} ORDER BY finding"
_SCANS: Final = "SELECT scan, roots, version, began, ended, unread FROM scans ORDER BY scan DESC LIMIT ?"
_OLDEST: Final = """
SELECT min(began) FROM scans WHERE scan = (SELECT min(last_scan) FROM accounts WHERE status <> 'vanished')
"""


def roots(path: str) -> list[str]:
    """Return the roots on this host that the accounts of the catalog at ``path`` were found below.

    Raises `CatalogError`.
    """
    with Catalog.unchecked(path) as catalog:
        rows = catalog.connection.execute("SELECT DISTINCT root FROM accounts WHERE host = ''")
        return [str(root) for (root,) in rows]


def accounts(path: str) -> int:
    """Return how many accounts the catalog at ``path`` has, that are not gone. Raises `CatalogError`."""
    with Catalog.unchecked(path) as catalog:
        return len(catalog.names())


def age(path: str) -> Age:
    """Return how old the catalog at ``path`` is. Of its rows only those of no account are checked.

    Raises `CatalogError`, also where nothing was scanned into it.
    """
    altered: list[Finding] = []
    with Catalog.unchecked(path) as catalog:
        catalog.connection.execute("BEGIN")
        integrity.leave_out(catalog.connection, path, integrity.altered_own(catalog.connection), altered)
        last = next(catalog.scans(1), None)
        (oldest,) = catalog.connection.execute(_OLDEST).fetchone()
    if last is None and altered:
        raise integrity.refusal(path, altered)
    if last is None:
        raise CatalogError(path, "has nothing in it", "scan into it first: 'backupmeta scan ROOT -o CATALOG'")
    return Age(last.began if oldest is None else int(oldest), last.began, last.ended is not None)


def _migrate(connection: sqlite3.Connection, path: str, version: int) -> None:
    """Make the tables, or change those of an older ``version``; make all views anew."""
    if not version:
        for _, statement in schema.tables():
            connection.execute(statement)
    steps = [step for older in range(version or schema.VERSION, schema.VERSION) for step in schema.MIGRATIONS[older]]
    is_sealed = version >= _UNSEALED
    known = list(integrity.altered(connection)) if steps and is_sealed else []
    for statement in steps:
        connection.execute(statement)
    _make_anew(connection, path)
    if steps or not is_sealed:
        integrity.seal_all(connection, but=known)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def _make_anew(connection: sqlite3.Connection, path: str) -> None:
    """Make all views anew, and the indices that are not as they should be."""
    for name, statement in views():
        connection.execute(f"DROP VIEW IF EXISTS {name}")
        connection.execute(statement)
    for name, statement in _differing(connection, path).items():
        connection.execute(f"DROP INDEX IF EXISTS {name}")
        connection.execute(statement)


def _known_names() -> frozenset[str]:
    """Return the names of all that a catalog has, or had in its first schema: tables, indices, views."""
    older = ("accounts_by_root_last_scan", "all_backups_by_backup_install")
    made = (*schema.tables(), *schema.indices(), *views())
    return frozenset((*older, *(name for name, _ in made)))


def _objects(connection: sqlite3.Connection, path: str) -> dict[str, tuple[str, str]]:
    """Return the type and the SQL of all that is in a catalog, by name, without SQLite's own.

    Raises `CatalogError` where something is in it that no scan puts there: it could change what is written.
    """
    select = "SELECT name, type, ifnull(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    objects = {str(name): (str(kind), _compact(str(sql))) for name, kind, sql in connection.execute(select)}
    known = _known_names()
    for name, (kind, _) in objects.items():
        if kind == "trigger" or name not in known:
            advice = f"see who put it there, and take it away: sqlite3 {path} 'DROP {kind} {name}'"
            raise CatalogError(path, f"has a {kind} of its own, {name}", advice)
    return objects


def _differing(connection: sqlite3.Connection, path: str) -> dict[str, str]:
    """Return the views and indices that are not as they should be, and the statements that make them so.

    Raises `DamagedCatalogError` where a table is missing, or has other columns.
    """
    there = _objects(connection, path)
    for name, statement in schema.tables():
        kind, sql = there.get(name, ("", ""))
        if kind != "table" or _parts(sql) != _parts(statement):
            raise DamagedCatalogError(path, f"is damaged: the table {name} is not as it should be")
    return {
        name: statement
        for name, statement in (*schema.indices(), *views())
        if there.get(name, ("", ""))[1] != _compact(statement)
    }


def _parts(statement: str) -> Counter[str]:
    """Return what a statement makes, in parts: the columns of a table may come in any order, as they were added."""
    return Counter(re.split("[(,)]", _compact(statement)))


@lru_cache(maxsize=256)
def _compact(statement: str) -> str:
    """Return a statement without comments and blanks: what an older program wrote is the same then."""
    return re.sub(r"/\*.*?\*/|\s+", "", statement, flags=re.DOTALL)


# --- the file and what lies beside it ---------------------------------------------------------------------------------


def require(path: str) -> None:
    """Raise `CatalogError` where there can't be a catalog at ``path``: something else is there."""
    if os.path.isdir(path) or not os.path.basename(path):
        raise CatalogError(path, "is a folder", "name a file")
    if os.path.lexists(path) and not os.path.isfile(path):
        raise CatalogError(path, "is no regular file", "name one, or a new one")
    _require_own_folder(path)
    if os.path.lexists(path) and os.path.getsize(path):
        _header_version(path)


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
        if reason := _exposed(name):
            raise CatalogError(path, reason, _OWN_FOLDER)
    _require_plain_files(os.path.realpath(path), CATALOG_FILES[1:])


def _exposed(path: str) -> str | None:
    """Return why others may write beside the catalog at ``path``; None where they may not. Raises `CatalogError`."""
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
    """Hold the lock of the catalog at ``path`` while the block runs; raise `CatalogError` where another scan holds it.

    The lock is one of SQLite's own, on a file beside the catalog: it ends with its process, however that ends. The
    block is given that file, for `note`.
    """
    lock_file = f"{os.path.realpath(path)}{LOCK}"
    _require_own_folder(path)
    _require_own_lock(lock_file, path)
    with (
        translated_errors(path),
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
    """Return whether the file at ``path`` is, byte for byte, what the last scan left; ``lock`` is one that is held."""
    if _is_unfinished(path):
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
    if status.st_uid not in own_users() or _exposed(lock) is not None:
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


def _connected(path: str, mode: str) -> sqlite3.Connection:
    """Return a connection to the catalog at ``path``; ``mode`` is as in SQLite's URIs. Raises `CatalogError`."""
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        raise CatalogError(
            path, f"needs SQLite {least}, this Python has {sqlite3.sqlite_version}", "use a newer Python"
        )
    return sqlite3.connect(_uri(path, mode), uri=True, timeout=_WAIT, isolation_level=None)


def _uri(path: str, mode: str) -> str:
    return f"{Path(os.path.abspath(path)).as_uri()}?{mode}"


def _header_version(path: str) -> int:
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
    if size < pages * (65536 if page == 1 else page) and not _is_unfinished(path):
        raise DamagedCatalogError(path, "is cut off")
    return version


def _is_unfinished(path: str) -> bool:
    """Return whether a killed scan left files beside the catalog that SQLite has yet to put in or take back."""
    beside = (f"{path}-wal", f"{path}-journal")
    return any(os.path.exists(name) and os.path.getsize(name) for name in beside)


def _primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code ("Result and Error Codes"); 0 for an error that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def digest_of(path: str) -> str | None:
    """Return the SHA-256 of the catalog's file at ``path``; None where part of what is in it lies beside it still."""
    if _is_unfinished(path):
        return None
    digest = sha256()
    with _opened(path) as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def translated_errors(path: str) -> Iterator[None]:
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
