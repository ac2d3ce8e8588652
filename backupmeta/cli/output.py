"""Where commands print: answers on stdout as UTF-8, whatever the locale; talk on stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from backupmeta.findings import Finding
from backupmeta.masking import printable
from backupmeta.vocabulary.kinds import Severity

if TYPE_CHECKING:
    from backupmeta.account.protected import Protected
    from backupmeta.cli.writing import Write

BROKEN_PIPE: Final = 141
"""The exit code for a reader that went away, as a shell gives it for SIGPIPE."""


def write(text: str) -> None:
    """Print ``text`` on stdout."""
    write_bytes(_encoded(text))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


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


@contextmanager
def opened(path: str | None, protected: "Protected") -> Iterator[Callable[[str], object]]:
    """Give what writes an answer: to stdout for None and for ``-``, else to a file, as `opened_file` does."""
    if path is None or path == "-":
        yield write
        return
    with opened_file(path, protected) as write_file:
        yield lambda text: write_file(_encoded(text))


@contextmanager
def opened_file(path: str, protected: "Protected") -> Iterator["Write"]:
    """Give what writes a file: it is ``path`` once all is written.

    Raises `click.BadParameter` for a link, and for any place that is ``protected``: evidence.
    """
    from backupmeta.cli import writing

    if (number := writing.descriptor(path)) is not None:
        with writing.channel(number) as write_channel:
            yield write_channel
        return
    with ExitStack() as opened:
        with _refusing():
            where = opened.enter_context(writing.place(path))
            protected.refuse(where.real, path)
            write_file = opened.enter_context(writing.written(where))
        yield write_file


def refuse_evidence(path: str | None, protected: "Protected") -> None:
    """Raise where an answer at ``path`` would be written among what is ``protected``, before work begins for it."""
    from backupmeta.cli import writing

    if path is not None and path != "-" and writing.descriptor(path) is None:
        with _refusing(), writing.place(path) as where:
            protected.refuse(where.real, path)


@contextmanager
def private_files() -> Iterator[None]:
    """Let files that are made meanwhile be their owner's alone (mode 0600)."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _refusing() -> Iterator[None]:
    from backupmeta.errors import OutputError

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
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def width() -> int | None:
    """Return the terminal's width in columns, or None where stdout is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def complain(message: str) -> None:
    """Print one line on stderr; where that is full or closed, nowhere."""
    with suppress(OSError):
        click.echo(f"backupmeta: {printable(message)}", err=True)


def processes(jobs: int | None) -> int:
    """Return how many processes work: as many as are asked for, one a core else; fewer, told, without descriptors."""
    from backupmeta.workers import affordable, cores

    wanted = jobs or cores()
    if (given := affordable(wanted)) < wanted:
        complain(f"only {given} of {wanted} processes: there are few descriptors (ulimit -n); allow 64 or more")
    return given


def tell_age(catalog: str) -> None:
    """Print how old the ``catalog`` is that is answered from. Raises `CatalogError`."""
    from time import time

    from backupmeta.catalog.answers import age
    from backupmeta.render.scan import age_line

    complain(age_line(catalog, age(catalog), int(time())))


def judge(findings: Iterable[Finding]) -> int:
    """Print errors and warnings on stderr; return 2 where something could not be read, 1 for any of them, else 0."""
    kept = list(findings)
    return report(kept, Severity.WARNING) or int(any(one.severity is not Severity.NOTE for one in kept))


def report(findings: Iterable[Finding], least: Severity) -> int:
    """Print findings at least as severe as ``least`` on stderr; return 2 where something could not be read, else 0."""
    order = list(Severity)
    code = 0
    for one in findings:
        if order.index(one.severity) <= order.index(least):
            from backupmeta.render import text

            complain(text.finding(one))
        if one.is_unread:
            code = 2
    return code
