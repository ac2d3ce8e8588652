"""A folder that is filled from an archive: nothing in it is reached through a link.

Each folder is opened from the one that it lies in (openat(2) with ``O_NOFOLLOW``, POSIX.1-2017), and each file is made
there. What fills a new folder works under a random name beside it, which becomes its own once all is done.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, Self

from backupmeta.errors import OutputError
from backupmeta.evidence import kind_of
from backupmeta.folders import (
    FOLDER,
    NEW_FILE,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    Folder,
    reason,
    temporary_name,
    unwritable,
    writing_to,
)

_DEFAULT_MODE: Final = 0o755
"""The mode of a folder that no member describes: what GNU tar gives it under umask 022."""

_ADVICE: Final = "name a folder elsewhere, or make room"

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""What ends the extraction, as all that follows would fail likewise."""


class RefusedError(Exception):
    """A member that can't be made: ``reason`` is a phrase."""

    def __init__(self, reason: str) -> None:
        """Remember the ``reason``."""
        super().__init__(reason)
        self.reason = reason


class Attributes(NamedTuple):
    """What a file or folder has beside its content.

    Attributes:
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        owner: the numbers of its owner and group; None where it is the caller's.
    """

    mode: int
    mtime_ns: int
    owner: tuple[int, int] | None = None


class Tree:
    """An open folder, and what is made in it.

    Paths are relative to it, their parts separated by ``/``, without ``.``, ``..`` and empty parts.
    """

    def __init__(self, path: str, fd: int, *, is_new: bool, is_synced: bool) -> None:
        """Fill the folder ``path`` that ``fd`` has open.

        ``is_new`` tells that nothing but this tree fills it: else files take the place of others one by one.
        ``is_synced`` has all of it on the disk at the end.
        """
        self.path = path
        self.is_new = is_new
        self._is_synced = is_synced
        self._fd = fd
        self._parent: tuple[bytes, int] = (b"", fd)
        self._made = set[bytes]()
        self._begun: NewFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._begun is not None:
            self._begun.drop()
        self._leave()
        os.close(self._fd)

    def file(self, path: bytes) -> "NewFile":
        """Begin a file, which takes the place of what lies there. Raises `RefusedError`, `OutputError`."""
        with _refusing(self.path):
            parent, name = self._parent_of(path)
            if not self.is_new:
                self._check_is_file(parent, name)
                name = temporary_name().encode()
            try:
                fd = os.open(name, NEW_FILE, PRIVATE_FILE, dir_fd=parent)
            except FileExistsError:
                self._clear(parent, name)
                fd = os.open(name, NEW_FILE, PRIVATE_FILE, dir_fd=parent)
            self._begun = NewFile(self, path, fd, name)
            return self._begun

    def folder(self, path: bytes) -> bool:
        """Make a folder, unless it is there; return whether this tree made it. Raises as `file`."""
        with _refusing(self.path):
            parent, name = self._parent_of(path)
            if self.is_new and self._is_other(parent, name):
                os.unlink(name, dir_fd=parent)
            os.close(self._entered(parent, name, path))
            return path in self._made

    def hard_link(self, target: bytes, path: bytes) -> bool:
        """Make ``path`` another name of the file ``target`` of this tree; return whether it is. Raises as `file`."""
        with _refusing(self.path):
            held = self._held(target)
            if held is None:
                return False
            parent, name = self._parent_of(path)
            try:
                if not stat.S_ISREG(os.stat(target.rpartition(b"/")[2], dir_fd=held, follow_symlinks=False).st_mode):
                    return False
                self._clear(parent, name)
                os.link(target.rpartition(b"/")[2], name, src_dir_fd=held, dst_dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return False
            finally:
                os.close(held)
            return True

    def symlink(self, target: bytes, path: bytes, attributes: Attributes) -> None:
        """Make a symbolic link; in a new tree it takes the place of an earlier member. Raises as `file`."""
        with _refusing(self.path):
            parent, name = self._parent_of(path)
            if self.is_new:
                self._clear(parent, name)
            os.symlink(target, name, dir_fd=parent)
            if attributes.owner is not None:
                os.chown(name, *attributes.owner, dir_fd=parent, follow_symlinks=False)
            with suppress(OSError, OverflowError):
                times = (attributes.mtime_ns, attributes.mtime_ns)
                os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    def finish_folder(self, path: bytes, attributes: Attributes) -> None:
        """Give a folder what it has beside its members. Raises as `file`."""
        with _refusing(self.path):
            parent, name = self._parent_of(path)
            fd = os.open(name, FOLDER, dir_fd=parent)
            try:
                self.finish(fd, attributes)
            finally:
                os.close(fd)

    def finish(self, fd: int, attributes: Attributes) -> None:
        """Give an open file or folder what it has beside its content, and have it on the disk."""
        if attributes.owner is not None:
            os.fchown(fd, *attributes.owner)
        os.fchmod(fd, attributes.mode)
        with suppress(OverflowError):  # a time that no file has
            os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))
        if self._is_synced:
            os.fsync(fd)

    def end(self) -> None:
        """Know that the file that was begun last is finished, or gone."""
        self._begun = None

    def rename(self, old: bytes, path: bytes) -> None:
        """Give the file that lies beside ``path`` under another name its own. Raises as `file`."""
        with _refusing(self.path):
            parent, name = self._parent_of(path)
            os.rename(old, name, src_dir_fd=parent, dst_dir_fd=parent)

    def remove(self, path: bytes, name: bytes) -> None:
        """Remove the file ``name`` that lies beside ``path``."""
        with _refusing(self.path), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._parent_of(path)[0])

    # --- folders --------------------------------------------------------------------------------------------------

    def _parent_of(self, path: bytes) -> tuple[int, bytes]:
        """Return the open folder that ``path`` lies in, made where it is not there, and its name."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._parent[0]:
            self._leave()
            self._parent = (folder, self._open(folder))
        return self._parent[1], name

    def _open(self, folder: bytes) -> int:
        fd, path = os.dup(self._fd), b""
        for name in folder.split(b"/") if folder else ():
            path = path + b"/" + name if path else name
            try:
                below = self._entered(fd, name, path)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _leave(self) -> None:
        if self._parent[1] != self._fd:
            os.close(self._parent[1])
        self._parent = (b"", self._fd)

    def _entered(self, parent: int, name: bytes, path: bytes) -> int:
        """Return a descriptor of a folder, made where it is not there."""
        with suppress(FileNotFoundError):
            return os.open(name, FOLDER, dir_fd=parent)
        os.mkdir(name, PRIVATE_FOLDER, dir_fd=parent)
        self._made.add(path)
        fd = os.open(name, FOLDER, dir_fd=parent)
        os.fchmod(fd, _DEFAULT_MODE)
        return fd

    def _held(self, path: bytes) -> int | None:
        """Return a descriptor of the folder that ``path`` lies in; None where there is none."""
        fd = os.dup(self._fd)
        for name in path.split(b"/")[:-1]:
            try:
                below = os.open(name, FOLDER, dir_fd=fd)
            except (FileNotFoundError, NotADirectoryError):
                return None
            finally:
                os.close(fd)
            fd = below
        return fd

    def _clear(self, parent: int, name: bytes) -> None:
        """Remove what lies at a name: an earlier member; of a folder only an empty one, as GNU tar does."""
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=parent)
            else:
                os.unlink(name, dir_fd=parent)

    def _is_other(self, parent: int, name: bytes) -> bool:
        with suppress(FileNotFoundError):
            return not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        return False

    def _check_is_file(self, parent: int, name: bytes) -> None:
        """Raise where something lies at a name that is no regular file: it is not replaced."""
        with suppress(FileNotFoundError):
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
            if not stat.S_ISREG(mode):
                raise RefusedError(f"there is {kind_of(mode)}, which is not replaced")


class NewFile:
    """A file that is being written, in a folder of a tree."""

    def __init__(self, tree: Tree, path: bytes, fd: int, name: bytes) -> None:
        """Write to ``fd``, which is called ``name`` until it is finished."""
        self._tree = tree
        self._path = path
        self._fd = fd
        self._name = name

    def write(self, piece: bytes) -> None:
        """Write the next bytes. Raises `OutputError`."""
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            self.drop()
            raise unwritable(self._tree.path, error, _ADVICE) from error

    def skip(self, length: int) -> None:
        """Leave a hole of ``length`` bytes."""
        os.lseek(self._fd, length, os.SEEK_CUR)

    def finish(self, attributes: Attributes) -> None:
        """Give it what it has beside its content, and its name. Raises `OutputError`, `RefusedError`."""
        try:
            os.ftruncate(self._fd, os.lseek(self._fd, 0, os.SEEK_CUR))  # a hole at its end
            self._tree.finish(self._fd, attributes)
        except OSError as error:
            self.drop()
            raise unwritable(self._tree.path, error, _ADVICE) from error
        self._close()
        if not self._tree.is_new:
            self._tree.rename(self._name, self._path)
        self._tree.end()

    def drop(self) -> None:
        """Remove it."""
        self._close()
        self._tree.remove(self._path, self._name)
        self._tree.end()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Make one error of those that a member has, and another one of those that all have."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise unwritable(path, error, _ADVICE) from error
        raise RefusedError(reason(error)) from error
    except ValueError as error:  # a NUL in a name
        raise RefusedError("no file can have its name") from error


@contextmanager
def new(path: str, *, is_synced: bool = True) -> Iterator[tuple[Tree, "Keep"]]:
    """Give a tree under a random name beside ``path``, and what gives it that name; without it all is removed.

    Raises `OutputError` where ``path`` is there and no empty folder, or can't be written.
    """
    place, name = os.path.split(os.path.abspath(path))
    with writing_to(path, _ADVICE):
        parent = Folder(place)
    with parent:
        keep = Keep(path, parent, name, _mode_of_free(path, parent, name), is_synced=is_synced)
        with writing_to(path, _ADVICE):
            parent.make_folder(keep.temporary)
        try:
            fd = parent.open(keep.temporary, FOLDER)
            with Tree(path, fd, is_new=True, is_synced=is_synced) as tree:
                yield tree, keep
        finally:
            if not keep.is_kept:
                parent.remove_all(keep.temporary)


class Keep:
    """Gives a new tree its name.

    Attributes:
        temporary: the name that it has until then.
        is_kept: whether it has its own.
    """

    def __init__(self, path: str, parent: Folder, name: str, mode: int, *, is_synced: bool) -> None:
        """Have the folder `temporary` of ``parent`` become ``name``, with a ``mode``."""
        self.temporary: str = temporary_name()
        self.is_kept: bool = False
        self._path = path
        self._parent = parent
        self._name = name
        self._mode = mode
        self._is_synced = is_synced

    def __call__(self) -> None:
        """Give it its name. Raises `OutputError`."""
        with writing_to(self._path, _ADVICE):
            self._parent.change_mode(self.temporary, self._mode)
            self._parent.rename(self.temporary, self._name)
            self.is_kept = True
            if self._is_synced:
                self._parent.sync()


@contextmanager
def over(path: str, *, is_synced: bool = True) -> Iterator[Tree]:
    """Give the tree of the folder at ``path``, which is there, and is no link. Raises `OutputError`."""
    with writing_to(path, _ADVICE):
        fd = os.open(path, FOLDER)
    with Tree(path, fd, is_new=False, is_synced=is_synced) as tree:
        yield tree


def _mode_of_free(path: str, parent: Folder, name: str) -> int:
    """Return the mode that a new folder gets: of the empty one whose place it takes, else `_DEFAULT_MODE`.

    Raises `OutputError` where anything else is there.
    """
    if name in {"", os.curdir, os.pardir}:
        raise OutputError(path, "is no name of a folder", "name a new one")
    with writing_to(path, _ADVICE):
        status = parent.status_of(name)
        if status is None:
            return _DEFAULT_MODE
        if not stat.S_ISDIR(status.st_mode):
            raise OutputError(path, f"is {kind_of(status.st_mode)}", "name a new or an empty folder")
        if status.st_dev != parent.device:
            raise OutputError(path, "is another file system than its folder's", "name a new folder in it")
        if not parent.has_empty(name):
            raise OutputError(path, "is not empty", "name a new or an empty folder, or see --over")
    return stat.S_IMODE(status.st_mode)
