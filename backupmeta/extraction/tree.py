"""A folder that is filled from an archive: nothing in it is reached through a link.

Each folder is opened from the one that it lies in (openat(2) with ``O_NOFOLLOW``, POSIX.1-2017), and each file is made
there. What fills a new folder works under a random name beside it, which becomes its own once all is done.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, NamedTuple, Self

from backupmeta.errors import OutputError
from backupmeta.evidence import kind_of
from backupmeta.folders import IS_RELATIVE, NEW_FILE, Folder, reason, temporary_name, unwritable, writing_to

_DEFAULT_MODE: Final = 0o755
"""The mode of a folder that no member describes: what GNU tar gives it under umask 022."""

_ADVICE: Final = "name a folder elsewhere, or make room"

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""What ends the extraction, as all that follows would fail likewise."""

_DEEPEST: Final = 8
"""How many folders are open at once at most, one in the other."""

_CLOSED: Final = -1
"""The descriptor of a file that is closed, which every call refuses."""


class RefusedError(Exception):
    """A member that can't be made; its argument is the reason, a phrase."""


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


class _Making(NamedTuple):
    """Tells what the system refuses in a block; made once, as each member has several."""

    path: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, OSError | ValueError):
            return
        if isinstance(error, OSError) and error.errno in _FULL:
            raise unwritable(self.path, error, _ADVICE) from error
        raise RefusedError(reason(error)) from error


class _Entered(NamedTuple):
    """A folder that is open, and its path in the tree."""

    path: bytes
    folder: Folder


class Tree:
    """An open folder, and what is made in it.

    Paths are relative to it, their parts separated by ``/``, without ``.``, ``..`` and empty parts.

    Attributes:
        path: its path, as it was named.
        is_new: whether nothing but this tree fills it: else files take the place of others one by one.
        is_synced: whether all of it is on the disk at the end.
        begun: the files that are not finished.
        making: a block in it raises `RefusedError` where the system refuses one member, `OutputError` where it would
            refuse all.
    """

    def __init__(self, path: str, root: Folder, *, is_new: bool, is_synced: bool) -> None:
        """Fill the folder ``root``, which is called ``path``."""
        self.path = path
        self.is_new = is_new
        self.begun: set[NewFile] = set()
        self.is_synced = is_synced
        self.making: AbstractContextManager[None] = _Making(path)
        self._root = root
        self._entered = [_Entered(b"", root)]
        self._made = set[bytes]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for file in tuple(self.begun):
            file.drop()
        self._leave(1)

    def file(self, path: bytes) -> "NewFile":
        """Begin a file, which takes the place of what lies there. Raises `RefusedError`, `OutputError`."""
        with self.making:
            parent, name = self.parent_of(path)
            if not self.is_new:
                _check_is_file(parent, name)
                return NewFile(self, path, parent, temporary_name())
            try:
                return NewFile(self, path, parent, name)
            except FileExistsError:
                _clear(parent, name)
                return NewFile(self, path, parent, name)

    def folder(self, path: bytes) -> bool:
        """Make a folder, unless it is there; return whether this tree made it. Raises as `file`."""
        with self.making:
            parent, name = self.parent_of(path)
            if self.is_new and not stat.S_ISDIR(_mode(parent, name)):
                parent.remove(name)
            with self._enter(parent, name, path):
                return path in self._made

    def hard_link(self, target: bytes, path: bytes) -> bool:
        """Make ``path`` another name of the file ``target`` of this tree; return whether it is. Raises as `file`."""
        folder, _, name = target.rpartition(b"/")
        with (
            self.making,
            suppress(FileNotFoundError, NotADirectoryError),
            self._opened(folder) as held,
        ):
            parent, own_name = self.parent_of(path)
            if stat.S_ISREG(_mode(held, os.fsdecode(name))):
                _clear(parent, own_name)
                os.link(name, own_name, src_dir_fd=held.number, dst_dir_fd=parent.number, follow_symlinks=False)
                return True
        return False

    def symlink(self, target: bytes, path: bytes, attributes: Attributes) -> None:
        """Make a symbolic link; in a new tree it takes the place of an earlier member. Raises as `file`."""
        with self.making:
            parent, name = self.parent_of(path)
            if self.is_new:
                _clear(parent, name)
            os.symlink(target, os.fsencode(name), dir_fd=parent.number)
            if attributes.owner is not None:
                os.chown(name, *attributes.owner, dir_fd=parent.number, follow_symlinks=False)
            with suppress(OSError, OverflowError):
                times = (attributes.mtime_ns, attributes.mtime_ns)
                os.utime(name, ns=times, dir_fd=parent.number, follow_symlinks=False)

    def finish_folder(self, path: bytes, attributes: Attributes) -> None:
        """Give a folder what it has beside its members. Raises as `file`."""
        with self.making:
            parent, name = self.parent_of(path)
            with Folder(name, within=parent) as folder:
                _give(folder.handle, attributes)
                if self.is_synced:
                    folder.sync()

    # --- folders --------------------------------------------------------------------------------------------------

    def parent_of(self, path: bytes) -> tuple[Folder, str]:
        """Return the open folder that ``path`` lies in, made where it is not there, and its name."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._entered[-1].path:
            self._go_to(folder)
        return self._entered[-1].folder, os.fsdecode(name)

    def _go_to(self, path: bytes) -> None:
        """Enter the folder at ``path``, from the nearest one above it that is open: members come folder by folder."""
        self._leave(1 + sum((path + b"/").startswith(entered.path + b"/") for entered in self._entered[1:]))
        at, within = self._entered[-1]
        for name in filter(None, path[len(at) :].split(b"/")):
            at = at + b"/" + name if at else name
            within = self._enter(within, os.fsdecode(name), at)
            self._entered.append(_Entered(at, within))
            if len(self._entered) > _DEEPEST:
                self._entered.pop(1).folder.close()

    def _leave(self, kept: int) -> None:
        """Close the folders that were entered, but for the first ones, the root among them."""
        while len(self._entered) > kept:
            self._entered.pop().folder.close()

    def _opened(self, path: bytes) -> Folder:
        """Return the folder at ``path``, which is there, opened one step after the other."""
        opened = Folder(os.curdir, within=self._root)
        for name in path.split(b"/") if path else ():
            with opened:
                opened = Folder(os.fsdecode(name), within=opened)
        return opened

    def _enter(self, parent: Folder, name: str, path: bytes) -> Folder:
        """Return the folder called ``name``, made where it is not there."""
        with suppress(FileNotFoundError):
            return Folder(name, within=parent)
        parent.make_folder(name)
        self._made.add(path)
        made = Folder(name, within=parent)
        os.chmod(made.handle, _DEFAULT_MODE)
        return made


class NewFile:
    """A file that is being written, in a folder of a tree."""

    def __init__(self, tree: Tree, path: bytes, parent: Folder, name: str) -> None:
        """Begin the file at ``path``, which is called ``name`` in its folder ``parent`` until it is finished."""
        self._tree = tree
        self._path = path
        self._name = name
        self._descriptor = parent.open(name, NEW_FILE)
        self._has_hole = False
        tree.begun.add(self)

    def write(self, piece: bytes) -> None:
        """Write the next bytes, at once: a piece is a small file, or large. Raises `OutputError`."""
        try:
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError as error:
            raise unwritable(self._tree.path, error, _ADVICE) from error

    def skip(self, length: int) -> None:
        """Leave a hole of ``length`` bytes. Raises `OutputError`."""
        with writing_to(self._tree.path, _ADVICE):
            os.lseek(self._descriptor, length, os.SEEK_CUR)
        self._has_hole = True

    def finish(self, attributes: Attributes) -> None:
        """Give it what it has beside its content, and its name. Raises `OutputError`, `RefusedError`."""
        try:
            if self._has_hole:  # it may be the file's end
                os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR))
            _give(self._descriptor, attributes)
            if self._tree.is_synced:
                os.fsync(self._descriptor)
            self._close()
        except OSError as error:
            raise unwritable(self._tree.path, error, _ADVICE) from error
        if not self._tree.is_new:
            with self._tree.making:
                parent, name = self._tree.parent_of(self._path)
                parent.rename(self._name, name)
        self._tree.begun.discard(self)

    def drop(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self._close()
        self._tree.begun.discard(self)
        with self._tree.making:
            self._tree.parent_of(self._path)[0].remove(self._name)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED  # the number may be another file's soon
        os.close(descriptor)


def _give(handle: int | str, attributes: Attributes) -> None:
    """Give an open file or folder what it has beside its content."""
    if attributes.owner is not None:
        os.chown(handle, *attributes.owner)
    os.chmod(handle, attributes.mode)
    with suppress(OverflowError):  # a time that no file has
        os.utime(handle, ns=(attributes.mtime_ns, attributes.mtime_ns))


def _mode(parent: Folder, name: str) -> int:
    """Return the mode of what lies at a name; 0 where nothing does."""
    status = parent.status_of(name)
    return 0 if status is None else status.st_mode


def _clear(parent: Folder, name: str) -> None:
    """Remove what lies at a name: an earlier member; of a folder only an empty one, as GNU tar does."""
    if stat.S_ISDIR(_mode(parent, name)):
        os.rmdir(name, dir_fd=parent.number)
    else:
        parent.remove(name)


def _check_is_file(parent: Folder, name: str) -> None:
    """Raise where something lies at a name that is no regular file: it is not replaced."""
    mode = _mode(parent, name)
    if mode and not stat.S_ISREG(mode):
        raise RefusedError(f"there is {kind_of(mode)}, which is not replaced")


# --- whole trees ------------------------------------------------------------------------------------------------------

Keep = Callable[[], None]
"""Gives a new tree its name. Raises `OutputError`."""


@contextmanager
def new(path: str, *, is_synced: bool = True) -> Iterator[tuple[Tree, Keep]]:
    """Give a tree under a random name beside ``path``, and what gives it that name; without it all is removed.

    Raises `OutputError` where ``path`` is there and no empty folder, or can't be written.
    """
    _require_open_folders(path)
    place, name = os.path.split(os.path.abspath(path))
    temporary = temporary_name()
    with writing_to(path, _ADVICE):
        parent = Folder(place, follows_link=True)

    def keep() -> None:
        with writing_to(path, _ADVICE):
            parent.change_mode(temporary, mode)
            parent.rename(temporary, name)
            if is_synced:
                parent.sync()

    with parent:
        mode = _mode_of_free(path, parent, name)
        with writing_to(path, _ADVICE):
            parent.make_folder(temporary)
        try:
            with Folder(temporary, within=parent) as root, Tree(path, root, is_new=True, is_synced=is_synced) as tree:
                yield tree, keep
        finally:
            parent.remove_all(temporary)  # unless it was kept: nothing has this name then


@contextmanager
def over(path: str, *, is_synced: bool = True) -> Iterator[tuple[Tree, Keep]]:
    """Give the tree of the folder at ``path``, which is there, and is no link, as `new`. Raises `OutputError`."""
    _require_open_folders(path)
    with writing_to(path, _ADVICE):
        root = Folder(path)
    with root, Tree(path, root, is_new=False, is_synced=is_synced) as tree:
        yield tree, lambda: None


def _require_open_folders(path: str) -> None:
    """Raise `OutputError` where the system has no openat(2): on Windows a link could lead members elsewhere."""
    if not IS_RELATIVE:
        raise OutputError(path, "can't be filled safely on this system", "extract on Linux or macOS, or in WSL")


class Free(NamedTuple):
    """What there is for a new folder.

    Attributes:
        obstacle: why no folder can be made there, a phrase; empty where one can.
        size: how many bytes the caller may write there; None where that can't be told.
        entries: how many files and folders the caller may make; None where that can't be told, or has no end.
        block: what a file or folder takes at least, in bytes.
    """

    obstacle: str
    size: int | None = None
    entries: int | None = None
    block: int = 1


def free(path: str) -> Free:
    """Return what there is for a folder that `new` would make at ``path``; nothing is written."""
    place, name = os.path.split(os.path.abspath(path))
    try:
        _require_open_folders(path)
        with writing_to(path, _ADVICE), Folder(place, follows_link=True) as parent:
            system = os.statvfs(parent.handle)
            obstacle = _obstacle(path, parent, name)
    except OutputError as error:
        return Free(error.reason)
    entries = system.f_favail if system.f_files else None
    return Free(obstacle, system.f_bavail * system.f_frsize, entries, system.f_frsize)


def _obstacle(path: str, parent: Folder, name: str) -> str:
    """Return why no new folder can be made at ``path``; empty where one can."""
    try:
        _mode_of_free(path, parent, name)
    except OutputError as error:
        return error.reason
    may_write = os.access(os.curdir, os.W_OK | os.X_OK, dir_fd=parent.number)
    return "" if may_write else "nothing can be written beside it"


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
