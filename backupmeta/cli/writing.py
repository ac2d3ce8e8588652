"""Writing files: whole or not at all, through no link, and under no name that anybody could know before.

Whoever may write to a folder can put a link or a pipe at any name in it, at any moment. So the folder is opened first,
and all that follows happens in it (openat(2), renameat(2), POSIX.1-2017): a new file gets a random name, with
``O_EXCL`` and ``O_NOFOLLOW``, and takes its own name once it is whole and on the disk.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedWriter
from secrets import token_hex
from typing import Final, NamedTuple, Self

from backupmeta.errors import OutputError
from backupmeta.escapes import Terminal
from backupmeta.evidence import kind_of

Write = Callable[[bytes], object]
"""Writes the bytes that follow."""

AtEnd = Callable[[Callable[[], None]], object]
"""Has something called when the command ends, however it does."""

_CLOSED: Final = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOSED | getattr(os, "O_BINARY", 0)
_THERE: Final = os.O_WRONLY | _NOFOLLOW | _CLOSED | getattr(os, "O_NOCTTY", 0)
_FOLDER: Final = os.O_RDONLY | _CLOSED | getattr(os, "O_DIRECTORY", 0)
_RELATIVE: Final = {os.open, os.stat, os.rename, os.unlink} <= os.supports_dir_fd
_NO_FSYNC: Final = frozenset({errno.EINVAL, errno.EBADF, errno.EACCES, errno.EROFS, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that can't write a folder by itself (fsync(2)); the file's content is on the disk anyway."""
_NOTHING_OPEN: Final = -1
_OWN: Final = 0o600
_PERMISSIONS: Final = 0o777
_DESCRIPTOR: Final = re.compile(r"/dev/std(?P<name>out|err)|/(?:dev|proc/(?:thread-)?self)/fd/(?P<number>\d{1,6})")
"""The links to what the process has open already (proc(5))."""


class Folder:
    """An open folder to write in.

    Attributes:
        path: its path, as it was named.
    """

    def __init__(self, path: str) -> None:
        """Open the folder at ``path``. Raises `OSError`, and `ValueError` for a name that no system has."""
        self.path: str = path or os.curdir
        self._fd = os.open(self.path, _FOLDER) if _RELATIVE else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._fd is not None:
            number, self._fd = self._fd, _NOTHING_OPEN  # the number may be another file's soon
            os.close(number)

    @property
    def real(self) -> str:
        """Its path without links: that of the folder which is open, even if another one has taken its place."""
        with suppress(OSError):
            if self._fd is not None:
                return os.readlink(f"/proc/self/fd/{self._fd}")
        return os.path.realpath(self.path)

    def status_of(self, name: str) -> os.stat_result | None:
        """Return what the system tells of ``name``, which may be a link; None where there is nothing."""
        with suppress(FileNotFoundError):
            return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
        return None

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of ``name``; a new file is its owner's alone."""
        return os.open(self._at(name), flags, _OWN, dir_fd=self._fd)

    def rename(self, old: str, new: str) -> None:
        """Give a file its ``new`` name, which it takes from another one if need be; both names are on the disk then."""
        os.replace(self._at(old), self._at(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        if self._fd is None:
            return
        try:
            os.fsync(self._fd)
        except OSError as error:
            if error.errno not in _NO_FSYNC:
                raise

    def remove(self, name: str) -> None:
        """Remove a file, if it is there still."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._fd)

    def _at(self, name: str) -> str:
        return name if _RELATIVE else os.path.join(self.path, name)


class Place(NamedTuple):
    """Where a file is to be written.

    Attributes:
        path: its path, as it was named.
        folder: the open folder that it lies in.
        name: its name there.
    """

    path: str
    folder: Folder
    name: str

    @property
    def real(self) -> str:
        """Its path, no folder of which is a link."""
        return os.path.join(self.folder.real, self.name)


@contextmanager
def place(path: str) -> Iterator[Place]:
    """Give the place at ``path``, its folder open. Raises `OutputError` where there is no such folder."""
    folder, name = os.path.split(path)
    if name in {"", os.curdir, os.pardir}:
        raise OutputError(path, "is a folder", "name a file in it")
    try:
        opened = Folder(folder)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    with opened:
        yield Place(path, opened, name)


def descriptor(path: str) -> int | None:
    """Return the number of the open file that ``path`` stands for: ``/dev/stdout``, ``/proc/self/fd/3``; else None.

    A file is none, but for stdout and stderr: nobody but the caller could have opened these.
    """
    found = _DESCRIPTOR.fullmatch(path)
    if found is None:
        return None
    number = {"out": 1, "err": 2}.get(found["name"] or "") or int(found["number"] or 0)
    with suppress(OSError):
        mode = os.fstat(number).st_mode
        return number if number in {1, 2} or _is_channel(mode) else None
    return None


def _is_channel(mode: int) -> bool:
    """Tell whether bytes go through it, to be nowhere: a pipe, a terminal, a socket."""
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


@contextmanager
def channel(number: int) -> Iterator[Write]:
    """Give what writes to an open file, which stays open. Raises `OSError`."""
    with os.fdopen(os.dup(number), "wb") as file, _going_through(file) as write:
        yield write


@contextmanager
def _going_through(file: BufferedWriter) -> Iterator[Write]:
    """Give what writes to a pipe or a device as it is; to a terminal, with what it would obey escaped."""
    if not file.isatty():
        yield file.write
        return
    terminal = Terminal()
    yield lambda content: file.write(terminal.shown(content))
    file.write(terminal.rest())


@contextmanager
def written(where: Place, at_end: AtEnd) -> Iterator[Write]:
    """Give what writes the file at a place: it is there once all of it is, and on the disk.

    What is a pipe or a character device is written to as it is. A new file is its owner's alone (mode 0600); one that
    takes the place of another of the same owner has the mode of that. ``at_end`` is told how to remove what is half
    written before there is any: a signal may come where nobody would do so yet.

    Raises `OutputError` for a link, a folder, and anything else that can't be replaced, and where the system fails: in
    writing, on the way to the disk, in renaming.
    """
    before = _replaceable(where)
    if before is not None and not stat.S_ISREG(before.st_mode):
        with os.fdopen(_channel_at(where), "wb") as file, _going_through(file) as write:
            yield write
        return
    name, owner = f".backupmeta-{token_hex(16)}", os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            with suppress(OSError):  # why it is left is what has to be told
                where.folder.remove(name)  # it is no whole answer

    at_end(remove)
    try:
        file = os.fdopen(_opened(where, name, _NEW), "wb")
        try:
            yield partial(_write, where, file)
            with _telling(where):
                file.flush()
                _finish(file.fileno(), before)
        except BaseException:
            with suppress(OSError):
                file.close()  # what is still buffered is no matter any more
            raise
        with _telling(where):
            file.close()
            where.folder.rename(name, where.name)
    except BaseException:
        remove()
        raise


def _write(where: Place, file: BufferedWriter, content: bytes) -> None:
    try:
        file.write(content)
    except OSError as error:
        raise _refused(where.path, error) from error


@contextmanager
def _telling(where: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refused(where.path, error) from error


def _replaceable(where: Place) -> os.stat_result | None:
    """Return what is known of what is at a place now; None where nothing is."""
    try:
        status = where.folder.status_of(where.name)
    except (OSError, ValueError) as error:
        raise _refused(where.path, error) from error
    if status is None or stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
        return status
    advice = "name the file that it leads to" if stat.S_ISLNK(status.st_mode) else "name another file"
    raise OutputError(where.path, f"is {kind_of(status.st_mode)}, which is not written to", advice)


def _channel_at(where: Place) -> int:
    """Open the pipe or the device at a place; nothing else, even if it has taken its place meanwhile."""
    number = _opened(where, where.name, _THERE)
    if _is_channel(mode := os.fstat(number).st_mode):
        return number
    os.close(number)
    raise OutputError(where.path, f"became {kind_of(mode)}", "see who changes it")


def _opened(where: Place, name: str, flags: int) -> int:
    try:
        return where.folder.open(name, flags)
    except (OSError, ValueError) as error:
        raise _refused(where.path, error) from error


def _finish(number: int, before: os.stat_result | None) -> None:
    """Give a new file its mode, and have it on the disk. Raises `OSError`."""
    if hasattr(os, "fchmod"):
        is_own = before is not None and before.st_uid == os.geteuid()
        os.fchmod(number, before.st_mode & _PERMISSIONS if before is not None and is_own else _OWN)
    os.fsync(number)


def _refused(path: str, error: OSError | ValueError) -> OutputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or "the name can't be used"
    return OutputError(path, f"can't be written: {reason[:1].lower()}{reason[1:]}", "name a file elsewhere")
