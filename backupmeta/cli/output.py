"""Where commands write answers: on stdout as UTF-8, whatever the locale, or to a file.

A file is written whole or not at all; a pipe or a device is written to as it is.
"""

import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha256
from io import BufferedWriter
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from backupmeta.errors import OutputError
from backupmeta.escapes import Terminal
from backupmeta.evidence import kind_of
from backupmeta.folders import CLOSED, NEW_FILE, NOFOLLOW, PRIVATE_FILE, Folder, temporary_name, writing_to

if TYPE_CHECKING:
    from backupmeta.search import Protected

Write = Callable[[bytes], object]
"""Writes the bytes that follow."""

AtEnd = Callable[[Callable[[], None]], object]
"""Has something called when the command ends, however it does."""

BROKEN_PIPE: Final[int] = 141
"""The exit code for a reader that went away, as a shell gives it for SIGPIPE."""
_THERE: Final = os.O_WRONLY | NOFOLLOW | CLOSED | getattr(os, "O_NOCTTY", 0)
_READ: Final = os.O_RDONLY | NOFOLLOW | CLOSED | getattr(os, "O_NONBLOCK", 0)
_PERMISSIONS: Final = 0o777
_ADVICE: Final = "name a file elsewhere"
_SQLITE: Final = b"SQLite format 3\0"
_NEW_FOLDER: Final = "name a new or an empty folder"
_DESCRIPTOR: Final = re.compile(r"/dev/std(?P<name>out|err)|/(?:dev|proc/(?:thread-)?self)/fd/(?P<number>\d{1,6})")
"""The links to what the process has open already (proc(5))."""


def write(text: str) -> None:
    """Print ``text`` on stdout."""
    write_bytes(_encoded(text))


def _encoded(part: str | bytes) -> bytes:
    return part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part


@contextmanager
def _escaping(write: Write, *, is_terminal: bool) -> Iterator[Write]:
    """Give what writes bytes as they are; to a terminal, with what it would obey escaped."""
    if not is_terminal:
        yield write
        return
    terminal = Terminal()
    yield lambda content: write(terminal.shown(content))
    write(terminal.rest())


def write_bytes(content: bytes) -> None:
    """Print ``content`` on stdout; where that is closed, nowhere."""
    if sys.stdout is None:
        return
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[sys.stdout.buffer.write(rest) :]  # under PYTHONUNBUFFERED it may take only a part
    except BrokenPipeError:
        raise click.exceptions.Exit(BROKEN_PIPE) from None  # click itself would make it a 1: a negative answer


class Destination(NamedTuple):
    """Where an answer goes: to a file, or, for no path and for ``-``, to stdout.

    Attributes:
        path: the file's, or none.
        option: what it was named by, for messages.
    """

    path: str | None
    option: str = "--output"

    @property
    def is_stdout(self) -> bool:
        """Whether it is stdout."""
        return self.path is None or self.path == "-"

    @property
    def width(self) -> int | None:
        """The width in columns of the terminal that it is; None where it is none."""
        return width() if self.is_stdout else None

    def write(self, parts: Iterable[str | bytes], protected: "Protected") -> None:
        """Write all ``parts``. Raises as `opened`."""
        with self.opened(protected) as write_part:
            for part in parts:
                write_part(part)

    def write_digested(self, parts: Iterable[str | bytes], protected: "Protected") -> None:
        """Write all ``parts``; beside a file, its `manifest` is written after it. Raises as `opened`."""
        digest = sha256()
        with self.opened(protected) as write_part:
            for content in map(_encoded, parts):
                digest.update(content)
                write_part(content)
        if (beside := self.manifest) is not None and self.path is not None and os.path.isfile(self.path):
            Destination(beside).write([_checksum_line(digest.hexdigest(), os.path.basename(self.path))], protected)

    @property
    def manifest(self) -> str | None:
        """The path of the file with its SHA-256 that may be written beside it; None where it is no file."""
        if self.path is None or self.path == "-" or descriptor(self.path) is not None:
            return None
        return f"{self.path}.sha256"

    def write_exact(self, contents: Iterable[bytes], protected: "Protected") -> None:
        """Write ``contents`` as they are; to a terminal, with what it would obey escaped. Raises as `opened`."""
        is_terminal = self.width is not None
        with self.opened(protected) as write_part, _escaping(write_part, is_terminal=is_terminal) as write_shown:
            for content in contents:
                write_shown(content)

    @contextmanager
    def opened(self, protected: "Protected") -> Iterator[Callable[[str | bytes], object]]:
        """Give what writes the answer; a file is there once all is written.

        Raises `click.BadParameter` for a link, and for any place that is ``protected``: evidence; `OutputError` where
        the system does not write it.
        """
        if self.path is None or self.path == "-":
            yield lambda part: write_bytes(_encoded(part))
            return
        command = click.get_current_context()
        with ExitStack() as opened:
            if (number := descriptor(self.path)) is not None:
                write_file = opened.enter_context(channel(number))
            else:
                with _refusing(self.option):
                    where = command.with_resource(place(self.path))
                    protected.refuse(where.real, self.path)
                    write_file = opened.enter_context(written(where, command.call_on_close))
            yield lambda part: write_file(_encoded(part))


def _checksum_line(digest: str, name: str) -> bytes:
    """Return a line that sha256sum(1) checks: a name with a backslash or a line end is escaped (GNU coreutils, §6)."""
    escaped = name.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return os.fsencode(f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n")


def refuse_evidence(path: str | None, protected: "Protected", option: str = "--output") -> None:
    """Raise where an answer at ``path`` would be written among what is ``protected``, before work begins for it."""
    if path is not None and path != "-" and descriptor(path) is None:
        with _refusing(option), place(path) as where:
            protected.refuse(where.real, path)


@contextmanager
def _refusing(option: str) -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def write_folder(path: str, contents: Iterable[tuple[str, str]], mark: str = "") -> None:
    """Write files, each a name and its content, to the folder at ``path``, which is made where there is none.

    With a ``mark``, that all of the files begin with, the folder has no others afterwards. Raises `OutputError` where
    something in it does not begin so: it is somebody else's.
    """
    from backupmeta.search import NOTHING_PROTECTED

    if os.path.exists(path) and not os.path.isdir(path):
        raise OutputError(path, "is no folder", _NEW_FOLDER)
    if NOTHING_PROTECTED.holds(path):
        raise OutputError(path, "lies among evidence, where nothing is written", "name a folder elsewhere")
    files = list(contents)  # nothing goes before all of them are made
    with writing_to(path, _NEW_FOLDER):
        os.makedirs(path, exist_ok=True)
        if mark:
            _clear(path, mark.encode())
    for name, content in files:
        Destination(os.path.join(path, name)).write([content], NOTHING_PROTECTED)


def _clear(path: str, mark: bytes) -> None:
    """Remove the files in a folder, all of which begin with the ``mark``. Raises `OSError`, `OutputError`."""
    with Folder(path, follows_link=True) as folder:
        names = os.listdir(folder.handle)
        if stranger := next((name for name in names if not _begins_with(folder, name, mark)), None):
            raise OutputError(path, f"has other files, such as {stranger}", _NEW_FOLDER)
        for name in names:
            folder.remove(name)


def _begins_with(folder: Folder, name: str, mark: bytes) -> bool:
    """Return whether a file begins with the ``mark``; what is no regular file does not, and is not opened."""
    status = folder.status_of(name)
    if status is None or not stat.S_ISREG(status.st_mode):
        return False
    with os.fdopen(folder.open(name, _READ), "rb") as file:
        return file.read(len(mark)) == mark


def flush() -> None:
    """Send what is buffered; a broken pipe or a full disk shows here at the latest."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard() -> None:
    """Send what is still buffered nowhere."""
    if sys.stdout is not None:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def width() -> int | None:
    """Return the terminal's width in columns, or None where stdout is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


# --- files ------------------------------------------------------------------------------------------------------------


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
    with writing_to(path, _ADVICE):
        opened = Folder(folder, follows_link=True)
    with opened:
        yield Place(path, opened, name)


def descriptor(path: str) -> int | None:
    """Return the number of the open file that ``path`` stands for: ``/dev/stdout``, ``/proc/self/fd/3``; else None.

    A file is none, but for stdout and stderr: nobody but the caller could have opened these.
    """
    match = _DESCRIPTOR.fullmatch(path)
    if match is None:
        return None
    number = {"out": 1, "err": 2}.get(match["name"] or "") or int(match["number"] or 0)
    with suppress(OSError):
        mode = os.fstat(number).st_mode
        return number if number in {1, 2} or _is_channel(mode) else None
    return None


def _is_channel(mode: int) -> bool:
    """Return whether bytes go through it, to be nowhere: a pipe, a terminal, a socket."""
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


@contextmanager
def channel(number: int) -> Iterator[Write]:
    """Give what writes to an open file, which stays open. Raises `OSError`."""
    with os.fdopen(os.dup(number), "wb") as file, _escaping(file.write, is_terminal=file.isatty()) as write_shown:
        yield write_shown


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
    if before is not None and _begins_with(where.folder, where.name, _SQLITE):
        raise OutputError(where.path, "is an SQLite database, as catalogs are, and is kept", "name another file")
    if before is not None and not stat.S_ISREG(before.st_mode):
        with (
            os.fdopen(_channel_at(where), "wb") as file,
            _escaping(file.write, is_terminal=file.isatty()) as write_shown,
        ):
            yield write_shown
        return
    name, owner = temporary_name(), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            with suppress(OSError):  # why it is left is what has to be told
                where.folder.remove(name)  # it is no whole answer

    at_end(remove)
    file = os.fdopen(_opened(where, name, NEW_FILE), "wb")
    try:
        yield partial(_write, where, file)
        with writing_to(where.path, _ADVICE):
            file.flush()
            _finish(file.fileno(), before)
            file.close()
            where.folder.rename(name, where.name)
            where.folder.sync()
    except BaseException:
        with suppress(OSError):
            file.close()  # what is still buffered is no matter any more
        remove()
        raise


def _write(where: Place, file: BufferedWriter, content: bytes) -> None:
    with writing_to(where.path, _ADVICE):
        file.write(content)


def _replaceable(where: Place) -> os.stat_result | None:
    """Return what is known of what is at a place now; None where nothing is."""
    with writing_to(where.path, _ADVICE):
        status = where.folder.status_of(where.name)
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
    with writing_to(where.path, _ADVICE):
        return where.folder.open(name, flags)


def _finish(number: int, before: os.stat_result | None) -> None:
    """Give a new file its mode, and have it on the disk. Raises `OSError`."""
    if hasattr(os, "geteuid"):  # elsewhere modes tell nothing of owners
        is_own = before is not None and before.st_uid == os.geteuid()
        os.fchmod(number, before.st_mode & _PERMISSIONS if before is not None and is_own else PRIVATE_FILE)
    os.fsync(number)
