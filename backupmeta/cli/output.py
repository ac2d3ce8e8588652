"""Where commands print: answers on stdout as UTF-8, whatever the locale; talk on stderr."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from backupmeta.escapes import Terminal, inert, printable, printable_lines
from backupmeta.findings import Finding
from backupmeta.masking import mask_text
from backupmeta.vocabulary.kinds import Severity

if TYPE_CHECKING:
    from backupmeta.account.protected import Protected
    from backupmeta.catalog.accounts import ScanResult
    from backupmeta.cli.writing import Write
    from backupmeta.errors import AnswerError
    from backupmeta.work.orders import Watch, Workers

BROKEN_PIPE: Final = 141
"""The exit code for a reader that went away, as a shell gives it for SIGPIPE."""


def write(text: str) -> None:
    """Print ``text`` on stdout."""
    write_bytes(_encoded(text))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def write_exact(contents: Iterable[bytes]) -> None:
    """Print ``contents`` on stdout as they are; on a terminal, with what it would obey escaped."""
    for content in contents if width() is None else _for_terminal(contents):
        write_bytes(content)


def _for_terminal(contents: Iterable[bytes]) -> Iterator[bytes]:
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

    Raises `click.BadParameter` for a link, and for any place that is ``protected``: evidence; `OutputError` where the
    system does not write it.
    """
    from backupmeta.cli import writing

    if (number := writing.descriptor(path)) is not None:
        with writing.channel(number) as write_channel:
            yield write_channel
        return
    command = click.get_current_context()
    with ExitStack() as opened:
        with _refusing():
            where = command.with_resource(writing.place(path))
            protected.refuse(where.real, path)
            write_file = opened.enter_context(writing.written(where, command.call_on_close))
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
        with suppress(OSError):
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
        click.echo(inert(f"backupmeta: {printable(mask_text(message))}"), err=True)


def complain_of_usage(error: click.ClickException) -> None:
    """Print what is wrong with the command line on stderr; where that is full or closed, nowhere."""
    told = io.StringIO()
    error.show(told)
    with suppress(OSError):
        click.echo(inert(printable_lines(mask_text(told.getvalue()))), err=True, nl=False)


def complain_of(error: Exception) -> None:
    """Print what an error says on stderr; of a policy, a line for each mistake."""
    for line in str(error).splitlines():
        complain(line)


def complain_of_answer(error: "AnswerError") -> None:
    """Print a negative answer on stderr, then what could not be read, where what was asked for may be."""
    for line in (error.message, *getattr(error, "__notes__", ())):
        complain(line)


def complain_of_accounts(tally: "ScanResult") -> None:
    """Print which accounts a scan could not read, or not all of them."""
    for account, reason in tally.troubles.items():
        complain(f"{account}: {reason}")
    if (more := tally.unreadable - len(tally.troubles)) > 0:
        complain(f"{more:,} more could not be read, or not to the end")


def workers(jobs: int | None, watch: "Watch | None" = None, ahead: int = 4) -> "Workers":
    """Return who does the work: as many processes as are asked for, else one a core; fewer, and a line, without room.

    ``watch`` is called with how many more bytes were read; ``ahead`` is how many orders for each of them are begun.
    """
    from backupmeta.work.orders import unwatched
    from backupmeta.work.processes import affordable, cores, processes

    wanted = jobs or cores()
    if (given := affordable(wanted)) < wanted:
        complain(f"only {given} of {wanted} processes: there are few descriptors (ulimit -n); allow 64 or more")
    return processes(given, watch or unwatched, ahead)


def tell_age(catalog: str) -> None:
    """Print how old the ``catalog`` is that is answered from. Raises `CatalogError`."""
    from time import time

    from backupmeta.catalog.database import age
    from backupmeta.render.tallies import age_line

    complain(age_line(catalog, age(catalog), int(time())))


def judge(findings: Iterable[Finding]) -> int:
    """Print errors and warnings on stderr; return 2 where something could not be read, 1 for any of them, else 0."""
    kept = list(findings)
    return report(kept, Severity.WARNING) or int(any(one.severity is not Severity.NOTE for one in kept))


def report(findings: Iterable[Finding], least: Severity) -> int:
    """Print findings at least as severe as ``least``, and those that hide records, on stderr.

    Return 2 where something could not be read, else 0.
    """
    order = list(Severity)
    code = 0
    for one in findings:
        if one.hides_records or order.index(one.severity) <= order.index(least):
            from backupmeta.render.explanations import finding_line

            complain(finding_line(one))
        if one.is_unread:
            code = 2
    return code
