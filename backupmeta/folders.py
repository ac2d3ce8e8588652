"""Folders that others may write to as well: whom to rely on, how to write in them, and temporary files.

Whoever may write to a folder can put a link or a pipe at any name in it, at any moment. So the folder is opened first,
and all that follows happens in it (openat(2), renameat(2), POSIX.1-2017). What is new gets a name that nobody could
know before, and takes its own name once it is whole.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Self
from weakref import finalize

from backupmeta.errors import OutputError, TemporaryFileError

CLOSED: Final[int] = getattr(os, "O_CLOEXEC", 0)
NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
NEW_FILE: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | CLOSED | getattr(os, "O_BINARY", 0)
"""How a new file is opened: nothing is at its name, not even a link."""
FOLDER: Final[int] = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NOFOLLOW | CLOSED
"""How a folder is opened; what is a link is none."""
PRIVATE_FILE: Final[int] = 0o600
PRIVATE_FOLDER: Final[int] = 0o700

IS_RELATIVE: Final[bool] = {os.open, os.stat, os.rename, os.unlink} <= os.supports_dir_fd
"""Whether the system makes files in a folder that is open, whatever has taken the place of its path."""
_NO_FSYNC: Final = frozenset({errno.EINVAL, errno.EBADF, errno.EACCES, errno.EROFS, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that can't write a folder by itself (fsync(2)); the file's content is on the disk anyway."""
_NOTHING_OPEN: Final = -1


class Folder:
    """An open folder to write in.

    Attributes:
        path: its path, as it was named.
        number: its descriptor; None where the system opens no file relative to one.
    """

    def __init__(self, path: str, within: "Folder | None" = None, *, follows_link: bool = False) -> None:
        """Open the folder at ``path``, which goes from ``within`` on, if that is given; a link only if it is followed.

        Raises `OSError`, and `ValueError` for a name that no system has.
        """
        self.path: str = path or os.curdir
        self.number: int | None = None
        if IS_RELATIVE:
            flags = FOLDER & ~NOFOLLOW if follows_link else FOLDER
            self.number = os.open(self.path, flags, dir_fd=None if within is None else within.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what is made in it later fails."""
        if self.number is not None:
            number, self.number = self.number, _NOTHING_OPEN  # the number may be another file's soon
            os.close(number)

    @property
    def real(self) -> str:
        """Its path without links: that of the folder which is open, even if another one has taken its place."""
        with suppress(OSError):
            if self.number is not None:
                return os.readlink(f"/proc/self/fd/{self.number}")
        return os.path.realpath(self.path)

    @property
    def handle(self) -> int | str:
        """What the system knows it by: its descriptor, or else its path."""
        return self.path if self.number is None else self.number

    @property
    def device(self) -> int:
        """The number of the device that it lies on. Raises `OSError`."""
        return os.stat(self.handle).st_dev

    def status_of(self, name: str) -> os.stat_result | None:
        """Return what the system tells of ``name``, which may be a link; None where there is nothing."""
        with suppress(FileNotFoundError):
            return os.stat(self._at(name), dir_fd=self.number, follow_symlinks=False)
        return None

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of ``name``; a new file is its owner's alone."""
        return os.open(self._at(name), flags, PRIVATE_FILE, dir_fd=self.number)

    def make_folder(self, name: str) -> None:
        """Make a folder that is its owner's alone."""
        os.mkdir(self._at(name), PRIVATE_FOLDER, dir_fd=self.number)

    def has_empty(self, name: str) -> bool:
        """Return whether the folder called ``name``, which is no link, is empty."""
        with Folder(self._at(name), within=self) as folder, os.scandir(folder.handle) as entries:
            return next(entries, None) is None

    def change_mode(self, name: str, mode: int) -> None:
        """Give the file or folder called ``name`` a ``mode``."""
        os.chmod(self._at(name), mode, dir_fd=self.number)

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder its ``new`` name, which it takes from another one if need be."""
        os.replace(self._at(old), self._at(new), src_dir_fd=self.number, dst_dir_fd=self.number)

    def sync(self) -> None:
        """Have the names in it on the disk, where the file system can."""
        if self.number is None:
            return
        try:
            os.fsync(self.number)
        except OSError as error:
            if error.errno not in _NO_FSYNC:
                raise

    def remove(self, name: str) -> None:
        """Remove a file, if it is there still."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self.number)

    def remove_all(self, name: str) -> None:
        """Remove a folder and all in it, as far as the system lets it."""
        import shutil

        shutil.rmtree(self._at(name), ignore_errors=True, dir_fd=self.number)

    def _at(self, name: str) -> str:
        return name if IS_RELATIVE else os.path.join(self.path, name)


def temporary_name() -> str:
    """Return a name that nobody could know before."""
    return f".backupmeta-{os.urandom(16).hex()}"


@contextmanager
def writing_to(path: str, advice: str) -> Iterator[None]:
    """Raise `unwritable` for the file or folder at ``path`` where the system refuses."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise unwritable(path, error, advice) from error


def unwritable(path: str, error: OSError | ValueError, advice: str) -> OutputError:
    """Return the error for a file or folder at ``path`` that can't be written."""
    return OutputError(path, f"can't be written: {reason(error)}", advice)


def reason(error: OSError | ValueError) -> str:
    """Return a phrase that says why the system refuses."""
    if isinstance(error, ValueError):  # a NUL in a name
        return "the name can't be used"
    text = error.strerror or "the system refuses"
    return text[:1].lower() + text[1:]


# --- whom to rely on --------------------------------------------------------------------------------------------------


_USER_NUMBER: Final = re.compile(r"[0-9]{1,10}")


def exposure(path: str) -> str | None:
    """Return why somebody else might put files into the folder at ``path``, or exchange it; None where nobody may.

    Whoever may write to a folder above it can put another one in its place, but not in one that is sticky, ``/tmp``.
    Raises `OSError` where there is no such folder.
    """
    real = os.path.realpath(path)
    reasons = (_exposed(above, os.stat(above), is_sticky_safe=above != real) for above in upwards(real))
    return next(filter(None, reasons), None)


def upwards(path: str) -> Iterator[str]:
    """Yield ``path`` and the folders that it lies in, the nearest first."""
    yield path
    while (above := os.path.dirname(path)) != path:
        yield (path := above)


def _exposed(path: str, status: os.stat_result, *, is_sticky_safe: bool) -> str | None:
    """Return why others may write to one folder; None where nobody may."""
    if not hasattr(os, "geteuid"):
        return None
    if status.st_uid not in trusted_users():
        return f"{path} belongs to another user ({user_name(status.st_uid)})"
    if is_sticky_safe and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"every user may write to {path}"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid):
        return f"the group {_group_name(status.st_gid)} may write to {path}"
    return None


def _is_own_group(group: int) -> bool:
    """Return whether a ``group`` is the superuser's, or has its user's name and no other members (login.defs(5))."""
    import grp

    if group == 0:
        return True
    with suppress(KeyError):
        entry = grp.getgrgid(group)
        users = {user_name(trusted) for trusted in trusted_users()}
        return entry.gr_name in users and set(entry.gr_mem) <= users
    return False


def _group_name(group: int) -> str:
    import grp

    with suppress(KeyError):
        return grp.getgrgid(group).gr_name
    return str(group)


def trusted_users() -> frozenset[int]:
    """Return the users whose files this process may rely on, by number: its own, the superuser, who called sudo(8)."""
    caller = os.environ.get("SUDO_UID", "")
    called = {int(caller)} if _USER_NUMBER.fullmatch(caller) else set[int]()
    return frozenset({0, *called, *([os.geteuid()] if hasattr(os, "geteuid") else [])})


def own_users() -> frozenset[int]:
    """Return the users whose files this process takes for its own, its own; the superuser, all trusted."""
    if not hasattr(os, "geteuid"):
        return frozenset({0})
    return trusted_users() if os.geteuid() == 0 else frozenset({os.geteuid()})


def user_name(number: int) -> str:
    """Return the name of the user with this ``number``, or the number where there is none."""
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(number).pw_name
    return str(number)


# --- temporary files --------------------------------------------------------------------------------------------------


_MORE_ROOM: Final = "set TMPDIR to a folder that can be written to, with more room"


@contextmanager
def telling() -> Iterator[None]:
    """Raise `TemporaryFileError` for what SQLite or the system says in the block, which is about nothing else."""
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TemporaryFileError("temporary files", said[:1].lower() + said[1:], _MORE_ROOM) from error


class TemporaryDatabase:
    """A private database of SQLite, in a file without a name once it is large: memory does not grow with its rows.

    (sqlite.org/inmemorydb.html, "Temp Databases".) It is gone when nobody has it any more. Its methods raise
    `TemporaryFileError`.
    """

    def __init__(self, *statements: str) -> None:
        """Make it, with the tables that the ``statements`` make."""
        import sqlite3

        with telling():
            self._connection = sqlite3.connect("")
            finalize(self, self._connection.close)
        for statement in ("PRAGMA journal_mode = OFF", *statements):
            self.execute(statement)

    def execute(self, statement: str, *values: object) -> None:
        """Execute a ``statement`` that gives no rows, with the ``values`` that it asks for."""
        with telling():
            self._connection.execute(statement, values)

    def insert(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Insert ``rows``, each by the ``statement``."""
        with telling():
            self._connection.executemany(statement, rows)

    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that a ``statement`` gives."""
        with telling():
            yield from self._connection.execute(statement)
