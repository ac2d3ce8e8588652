"""Where commands write answers: on stdout as UTF-8, whatever the locale, or to a file."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from backupmeta.errors import OutputError

if TYPE_CHECKING:
    from backupmeta.search import Protected

BROKEN_PIPE: Final[int] = 141
"""The exit code for a reader that went away, as a shell gives it for SIGPIPE."""


def write(text: str) -> None:
    """Print ``text`` on stdout."""
    write_bytes(_encoded(text))


def _encoded(part: str | bytes) -> bytes:
    return part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part


def write_exact(contents: Iterable[bytes]) -> None:
    """Print ``contents`` on stdout as they are; on a terminal, with what it would obey escaped."""
    for content in contents if width() is None else _for_terminal(contents):
        write_bytes(content)


def _for_terminal(contents: Iterable[bytes]) -> Iterator[bytes]:
    from backupmeta.escapes import Terminal

    terminal = Terminal()
    yield from map(terminal.shown, contents)
    yield terminal.rest()


def write_all(parts: Iterable[str]) -> None:
    """Print the ``parts`` on stdout, as they come."""
    for part in parts:
        write(part)


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


class Target(NamedTuple):
    """Where an answer goes: to a file, or, for no path and for ``-``, to stdout."""

    path: str | None

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

    @contextmanager
    def opened(self, protected: "Protected") -> Iterator[Callable[[str | bytes], object]]:
        """Give what writes the answer; a file is there once all is written.

        Raises `click.BadParameter` for a link, and for any place that is ``protected``: evidence; `OutputError` where
        the system does not write it.
        """
        if self.path is None or self.path == "-":
            yield lambda part: write_bytes(_encoded(part))
            return
        from backupmeta.cli import writing

        command = click.get_current_context()
        with ExitStack() as opened:
            if (number := writing.descriptor(self.path)) is not None:
                write_file = opened.enter_context(writing.channel(number))
            else:
                with _refusing():
                    where = command.with_resource(writing.place(self.path))
                    protected.refuse(where.real, self.path)
                    write_file = opened.enter_context(writing.written(where, command.call_on_close))
            yield lambda part: write_file(_encoded(part))


def refuse_evidence(path: str | None, protected: "Protected") -> None:
    """Raise where an answer at ``path`` would be written among what is ``protected``, before work begins for it."""
    from backupmeta.cli import writing

    if path is not None and path != "-" and writing.descriptor(path) is None:
        with _refusing(), writing.place(path) as where:
            protected.refuse(where.real, path)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise click.BadParameter(str(error), param_hint="--output") from error


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
