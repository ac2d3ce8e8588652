"""Opening evidence: read-only, without a trace, and never anything but regular files.

Files are opened ``O_RDONLY``, with ``O_NOATIME`` where the system permits it and ``O_NONBLOCK`` so that a FIFO that
takes a file's place can't hang. What was named by a person is opened as named; whatever lies below a root is opened
relative to its folder's descriptor and with ``O_NOFOLLOW``, so that no link leads out of the root, not even one that
is put there while we read (openat(2), POSIX.1-2017).

However many folders a disk holds, a few of their descriptors are open at once: the others are closed, and opened again
by their paths when they are needed, which has to lead to the same folder still.
"""

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from errno import ENOENT
from itertools import islice
from typing import Final, NamedTuple, ParamSpec, Self, TypeVar

from backupmeta.errors import EvidenceError, LimitExceededError, NotRegularError, UnreadableError
from backupmeta.folders import reason

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")

_FILE: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0)
_NOATIME: Final = getattr(os, "O_NOATIME", 0)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_RELATIVE: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
_PIECE: Final = 1024 * 1024
_VANISHED: Final = "see whether it is still mounted, and who changes the evidence"

_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def kind_of(mode: int) -> str:
    """Return what a file of this ``st_mode`` is, in words: ``a FIFO``."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "a regular file")


class Signature(NamedTuple):
    """What tells a file that was changed from one that was not.

    Attributes:
        size: its size in bytes.
        mtime_ns: its modification time in nanoseconds since 1970, UTC.
        inode: its number in its file system.
        ctime_ns: when the system last noted a change, in nanoseconds since 1970, UTC: whoever puts the modification
            time back can't put this back.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def _answer(path: str, call: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
    """Return what the system answers to a ``call``. Raises `UnreadableError` about ``path`` where it refuses."""
    try:
        return call(*args, **kwargs)
    except (OSError, ValueError) as error:
        raise UnreadableError(path, reason(error)) from error


class EvidenceFile:
    """An open regular file.

    Attributes:
        path: its path on this machine.
        status: what the system told of it when it was opened.
        position: where the next read begins, in bytes from the file's beginning.
        watch: who is told how many bytes each read gave; None for nobody.
    """

    __slots__ = ("_fd", "path", "position", "status", "watch")

    def __init__(self, path: str, fd: int) -> None:
        """Take over ``fd``; raise `NotRegularError` for anything but a regular file. Raises `UnreadableError`."""
        self._fd = fd
        self.path: str = path
        self.position: int = 0
        self.watch: Callable[[int], object] | None = None
        try:
            self.status: os.stat_result = _answer(path, os.fstat, fd)
            _require_regular(path, self.status)
        except EvidenceError:
            _close(fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        _close(self._fd)

    @property
    def number(self) -> int:
        """Its descriptor."""
        return self._fd

    @property
    def size(self) -> int:
        """Its size in bytes, when it was opened."""
        return self.status.st_size

    @property
    def signature(self) -> Signature:
        """What tells it from what it may become, as of when it was opened."""
        return _signature(self.status)

    def read(self, length: int) -> bytes:
        """Return the next bytes, at most ``length``; nothing at the end. Raises `UnreadableError`."""
        content = _answer(self.path, self._next, length)
        self.position += len(content)
        if self.watch is not None:
            self.watch(len(content))
        return content

    def _next(self, length: int) -> bytes:
        return os.read(self._fd, length)

    def read_whole(self, limit: str, bound: int) -> bytes:
        """Return all of a small file, or raise `LimitExceededError` where it is longer than ``bound`` bytes."""
        if self.size > bound:
            raise LimitExceededError(self.path, limit, bound, self.size)
        content = self.read(self.size + 1)  # never more at once, however large the bound is
        while len(content) != self.size and len(content) <= bound:
            more = self.read(min(bound + 1 - len(content), _PIECE))
            if not more:
                break
            content += more
        if len(content) > bound:
            raise LimitExceededError(self.path, limit, bound)
        return content

    def has_changed(self) -> bool:
        """Return whether the file was written to since it was opened, by its size and its modification time.

        Raises `UnreadableError`.
        """
        return _signature(_answer(self.path, os.fstat, self._fd))[:2] != self.signature[:2]

    def seek(self, offset: int) -> None:
        """Go to ``offset``, in bytes from the beginning. Raises `UnreadableError`."""
        self.position = _answer(self.path, os.lseek, self._fd, offset, os.SEEK_SET)


class EvidenceView(EvidenceFile):
    """An open file, read from a place of its own (pread(2), POSIX.1-2017); its descriptor is closed apart."""

    __slots__ = ()

    def __init__(self, file: EvidenceFile) -> None:
        """Read what ``file`` has open; what has changed since that was opened has changed. Raises `UnreadableError`."""
        super().__init__(file.path, _answer(file.path, os.dup, file.number))
        self.status: os.stat_result = file.status

    def _next(self, length: int) -> bytes:
        return os.pread(self._fd, length, self.position)  # who shares the descriptor stays where it is

    def seek(self, offset: int) -> None:
        """Go to ``offset``, in bytes from the beginning."""
        self.position = offset


def _require_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(path, f"is {kind_of(status.st_mode)}")


def status_of(path: str) -> os.stat_result | None:
    """Return what the system tells of ``path``, through links; None where there is nothing.

    Raises `UnreadableError` where it tells nothing, which is not the same: `os.path.exists` takes it for that.
    """
    return _answer(path, _status, path)


def _status(path: str, folder: int | None = None, *, follows_links: bool = True) -> os.stat_result | None:
    try:
        return os.stat(path, dir_fd=folder, follow_symlinks=follows_links)
    except (FileNotFoundError, NotADirectoryError):
        return None


def identity_at(path: str, *, follows_links: bool = True) -> tuple[int, int] | None:
    """Return the device and the inode of what is at ``path``; None where nobody knows: whoever opens it will tell."""
    try:
        status = os.stat(path, follow_symlinks=follows_links)
    except (OSError, ValueError):
        return None
    return _identity(status)


def is_folder(path: str) -> bool:
    """Return whether there is a folder at ``path``, or a link to one. Raises `UnreadableError`."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def is_file(path: str) -> bool:
    """Return whether there is a regular file at ``path``, or a link to one. Raises `UnreadableError`."""
    status = status_of(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def open_named(path: str) -> EvidenceFile:
    """Open the file that a person named, through links if need be.

    Raises:
        NotRegularError: it is a folder, a FIFO, a device or a socket; it was not opened.
        UnreadableError: it does not exist, or the system refuses.
    """
    _require_regular(path, _answer(path, os.stat, path))
    return EvidenceFile(path, _answer(path, _open, path, _FILE))


class Entry(NamedTuple):
    """One entry of a folder, as the folder tells it without opening anything."""

    name: str
    is_folder: bool
    is_file: bool
    is_link: bool


Signed = tuple[str, str, int, int, int, int]
"""One entry of a folder: its name, what it is (f for a regular file, d, l), and the signature of a file or link."""


class Described(NamedTuple):
    """One entry of a folder, and what the system tells of it, of a link itself; None where it has vanished."""

    name: str
    status: os.stat_result | None


Listed = TypeVar("Listed", Entry, Signed, Described)
Counts = Callable[["os.DirEntry[str]"], bool] | None
"""Tells whether an entry of a folder counts."""


class _OpenFolders(threading.local):
    """The folders of a thread that have a descriptor, the one that was used last at the end."""

    MOST: Final = 8

    def __init__(self) -> None:
        self.last: Folder | None = None
        self._folders: dict[int, Folder] = {}

    def use(self, folder: "Folder") -> None:
        """Know that ``folder``, which is open, is used; close the one that was not used for longest if there are many.

        Other programs' folders don't count: a process has a descriptor for each one that is read, and one for a file.
        """
        folders, self.last = self._folders, folder
        folders.pop(id(folder), None)
        folders[id(folder)] = folder
        if len(folders) > self.MOST:
            folders.pop(next(iter(folders))).set_aside()

    def forget(self, folder: "Folder") -> None:
        """Know that ``folder`` is closed."""
        self._folders.pop(id(folder), None)
        self.last = None


_OPEN_FOLDERS: Final = _OpenFolders()
_CLOSED: Final = -1
"""The descriptor of a folder that is not open."""


class Folder:
    """An open folder; what it opens lies below it.

    Attributes:
        path: its path on this machine.
        server_path: its path as the server saw it: below a sysroot that is the path from there.
        server: the path on this machine of that server's root; None where it is not known.
    """

    def __init__(self, path: str, server_path: str, fd: int, server: str | None = None) -> None:
        """Take over the folder's descriptor ``fd``; a negative one where folders are not opened."""
        self.path = path
        self.server_path = server_path
        self.server = server
        self._fd = fd
        self._identity: tuple[int, int] | None = None
        self._before = os.path.join(path, "")
        if fd >= 0:
            _OPEN_FOLDERS.use(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        if self._fd >= 0:
            _OPEN_FOLDERS.forget(self)
            _close(self._fd)
        self._fd, self._identity = _CLOSED, None

    @property
    def identity(self) -> tuple[int, int] | None:
        """Its device and inode, by which it is known again; None where folders are not opened.

        Raises `UnreadableError`.
        """
        if self._fd >= 0 and self._identity is None:
            self._identity = _identity(_answer(self.path, os.fstat, self._fd))
        return self._identity

    def require_there(self) -> None:
        """Raise `UnreadableError` where something else is at its path now: it was removed, replaced or unmounted."""
        status = status_of(self.path)
        if status is None:
            raise UnreadableError(self.path, "is gone, and was there a moment ago", _VANISHED)
        if self.identity not in {None, _identity(status)}:
            raise UnreadableError(self.path, "was replaced by another folder", _VANISHED)

    def set_aside(self) -> None:
        """Close it until it is used again; where the system does not tell which folder it is, it stays open."""
        with suppress(UnreadableError):
            if self.identity is not None:
                _close(self._fd)
                self._fd = _CLOSED

    @property
    def _descriptor(self) -> int:
        """Its descriptor, for one call. Raises `UnreadableError` where it was set aside, and is not there any more."""
        if _OPEN_FOLDERS.last is self and self._fd >= 0:
            return self._fd
        if self._fd < 0 and self._identity is not None:
            self._fd = _opened(self.path, self._identity)
        if self._fd >= 0:
            _OPEN_FOLDERS.use(self)
        return self._fd

    def _nothing(self) -> None:
        """Take it that nothing lies in the folder; one that was removed seems to be empty, too. Raises `OSError`."""
        if self._fd >= 0 and not os.fstat(self._fd).st_nlink:
            raise FileNotFoundError(ENOENT, "it was removed meanwhile")

    def entries(self, most: int, counts: Counts = None) -> list[Entry]:
        """Return what lies in the folder, sorted by name, as far as it ``counts``; None for all of it.

        Raises `UnreadableError`, and `LimitExceededError` where more than ``most`` entries count.
        """
        return _answer(self.path, self._scanned, most, counts, _entry)

    def signatures(self, most: int, counts: Counts = None) -> list[Signed]:
        """Return the same with what tells files from what they may become; nothing is opened. Raises as `entries`."""
        return _answer(self.path, self._scanned, most, counts, _signed)

    def statuses(self, most: int) -> list[Described]:
        """Return all entries with what the system tells of each; nothing is opened. Raises as `entries`."""
        return _answer(self.path, self._scanned, most, None, _described)

    def _scanned(self, most: int, counts: Counts, described: "Callable[[os.DirEntry[str]], Listed]") -> list[Listed]:
        with os.scandir(self._descriptor if _RELATIVE else self.path) as scanned:
            entries = list(islice(map(described, filter(counts, scanned)), most + 1))
        if len(entries) > most:
            raise LimitExceededError(self.path, "folder_entries", most)
        if not entries:
            self._nothing()
        return sorted(entries)

    def signature(self, name: str) -> Signature | None:
        """Return what tells the regular file ``name`` from what it may become; None where there is none.

        Raises `UnreadableError`.
        """
        if _RELATIVE:
            status = _answer(self.child(name), _status, name, self._descriptor, follows_links=False)
        else:
            status = _answer(self.child(name), _status, self.child(name), follows_links=False)
        return _signature(status) if status is not None and stat.S_ISREG(status.st_mode) else None

    def link_target(self, name: str) -> str:
        """Return where the link ``name`` points, unresolved; empty where it can't be told."""
        try:
            return os.readlink(name, dir_fd=self._descriptor) if _RELATIVE else os.readlink(self.child(name))
        except (OSError, UnreadableError):
            return ""

    def open_file(self, name: str) -> EvidenceFile:
        """Open the regular file ``name``. Raises `NotRegularError`, `UnreadableError`."""
        return EvidenceFile(self.child(name), self._open_child(name, _FILE))

    def open_folder(self, name: str) -> "Folder":
        """Open the folder ``name``. Raises `NotRegularError` for a link, `UnreadableError`."""
        return Folder(self.child(name), self.server_child(name), self._open_child(name, _FOLDER), self.server)

    def child(self, name: str) -> str:
        """Return the path of ``name`` in this folder, on this machine."""
        return self._before + name

    def server_child(self, name: str) -> str:
        """Return the path of ``name`` in this folder, as the server saw it."""
        return join_server_path(self.server_path, name)

    def _open_child(self, name: str, flags: int) -> int:
        try:
            if _RELATIVE:
                return _open(name, flags | _NOFOLLOW, self._descriptor)
            if os.path.islink(self.child(name)):
                raise NotRegularError(self.child(name), "is a symbolic link")
            return _open(self.child(name), flags) if flags == _FILE else -1
        except OSError as error:
            if self.link_target(name):
                raise NotRegularError(self.child(name), "is a symbolic link") from error
            raise UnreadableError(self.child(name), reason(error)) from error


_NOWHERE: Final = Signature(0, 0, 0, 0)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _entry(entry: "os.DirEntry[str]") -> Entry:
    return Entry(
        entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), entry.is_symlink()
    )


def _described(entry: "os.DirEntry[str]") -> Described:
    try:
        return Described(entry.name, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return Described(entry.name, None)


def _signed(entry: "os.DirEntry[str]") -> Signed:
    kind = "f" if entry.is_file(follow_symlinks=False) else "l" if entry.is_symlink() else ""
    if not kind:
        return (entry.name, "d" if entry.is_dir(follow_symlinks=False) else "", *_NOWHERE)
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it has vanished meanwhile
        return (entry.name, "", *_NOWHERE)
    return (entry.name, kind, *_signature(status))


def open_folder(
    path: str, server_path: str | None = None, server: str | None = None, identity: tuple[int, int] | None = None
) -> Folder:
    """Open the folder that a person named, or that convention names, through links if need be.

    ``server_path`` is its path as the server saw it, where that is another; ``server`` is that server's root on this
    machine, where it is known; ``identity`` is what it has to have still. Raises `UnreadableError`.
    """
    fd = _opened(path, identity) if _RELATIVE else _CLOSED
    return Folder(path, path if server_path is None else server_path, fd, server)


def _opened(path: str, identity: tuple[int, int] | None) -> int:
    """Return a descriptor of a folder. Raises `UnreadableError`, also where another one took the place of it."""
    fd = _answer(path, _open, path, _FOLDER)
    if identity not in {None, _identity(_answer(path, os.fstat, fd))}:
        _close(fd)
        raise UnreadableError(path, "was replaced by another folder", "see who changes the evidence")
    return fd


class Place(NamedTuple):
    """Where a file lies, to be opened by another process.

    Attributes:
        folder: its folder's path on this machine.
        identity: that folder's device and inode, where it has to be the same one still.
        name: the file's name.
        is_named: whether a person named it, and so means it even if it is a link.
    """

    folder: str
    identity: tuple[int, int] | None
    name: str
    is_named: bool

    @property
    def path(self) -> str:
        """The file's path on this machine."""
        return os.path.join(self.folder, self.name)

    def open(self) -> EvidenceFile:
        """Open the file, through no link below the root. Raises `NotRegularError`, `UnreadableError`."""
        if self.is_named:
            return open_named(self.path)
        with open_folder(self.folder, identity=self.identity) as folder:
            return folder.open_file(self.name)


def join_server_path(folder: str, *names: str) -> str:
    r"""Join a path as the server wrote it: with ``\`` below a drive letter, with ``/`` elsewhere."""
    separator = "\\" if folder[1:3] in {":\\", ":"} else "/"
    return folder.removesuffix(separator) + separator + separator.join(names)


def _open(path: str, flags: int, folder: int | None = None) -> int:
    try:
        return os.open(path, flags | _NOATIME, dir_fd=folder)
    except PermissionError:
        if not _NOATIME:
            raise
        return os.open(path, flags, dir_fd=folder)  # only a file's owner may ask not to touch its atime


def _close(fd: int) -> None:
    """Close a descriptor that was only read from: where the system refuses, nothing is lost (close(2))."""
    with suppress(OSError):
        os.close(fd)
