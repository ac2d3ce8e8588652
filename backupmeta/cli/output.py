"""Where commands print: answers on stdout as UTF-8, whatever the locale; talk on stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from backupmeta.findings import Finding
from backupmeta.masking import printable
from backupmeta.vocabulary.kinds import Severity

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
def opened(path: str | None, evidence: Iterable[str]) -> Iterator[Callable[[str], object]]:
    """Give what writes an answer: to stdout for None and for ``-``, else to a file, as `opened_file` does."""
    if path is None or path == "-":
        yield write
        return
    with opened_file(path, evidence) as write_file:
        yield lambda text: write_file(_encoded(text))


@contextmanager
def opened_file(path: str, evidence: Iterable[str]) -> Iterator[Callable[[bytes], object]]:
    """Give what writes a file: it is ``path`` once all is written.

    Raises `click.BadParameter` for an archive, a record, and any place in ``evidence``, what is read.
    """
    is_special = os.path.lexists(path) and not os.path.isfile(path)  # noqa: PTH113 - a pipe, a terminal
    written = path if is_special else f"{path}.part"
    evidence = list(evidence)
    for one in (path, written):
        refuse_evidence(one, evidence)
    try:
        file = open(written, "wb")  # noqa: PTH123, SIM115
    except OSError as error:
        raise click.FileError(path, error.strerror) from None
    try:
        with file:
            yield file.write
    except BaseException:
        if not is_special:
            os.unlink(written)  # noqa: PTH108 - it is no whole answer
        raise
    if not is_special:
        os.replace(written, path)  # noqa: PTH105


def refuse_evidence(path: str, evidence: Iterable[str]) -> None:
    """Raise where a file at ``path`` would lie among the ``evidence``, or takes the place of an archive or record."""
    from backupmeta.account.places import is_evidence

    if is_evidence(path):
        raise click.BadParameter(f"{path!r} is an archive or a record; it would be overwritten", param_hint="--output")
    if lies_in(path, evidence):
        message = f"{path!r} lies among what is read, where nothing is written; name another folder"
        raise click.BadParameter(message, param_hint="--output")


def lies_in(path: str, folders: Iterable[str]) -> bool:
    """Tell whether ``path`` is one of the ``folders``, or lies in one of them, once all links are followed."""
    real = os.path.realpath(path)
    places = map(os.path.realpath, folders)
    return any(real == one or real.startswith(os.path.join(one, "")) for one in places)  # noqa: PTH118


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
