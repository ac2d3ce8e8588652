"""Where commands print: answers on stdout as UTF-8, whatever the locale; talk on stderr."""

import sys
from collections.abc import Iterable

import click

from backupmeta.findings import Finding, Severity


def write(text: str) -> None:
    """Print ``text`` on stdout."""
    write_bytes(text.encode("utf-8", "backslashreplace"))


def write_all(parts: Iterable[str]) -> None:
    """Print the ``parts`` on stdout, as they come."""
    for part in parts:
        write(part)


def write_bytes(content: bytes) -> None:
    """Print ``content`` on stdout; where that is closed, nowhere."""
    if sys.stdout is not None:
        sys.stdout.buffer.write(content)


def flush() -> None:
    """Send what is buffered; a broken pipe shows here at the latest."""
    if sys.stdout is not None:
        sys.stdout.flush()


def width() -> int | None:
    """Return the terminal's width in columns, or None where stdout is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def complain(message: str) -> None:
    """Print one line on stderr."""
    click.echo(f"backupmeta: {message}", err=True)


def report(findings: Iterable[Finding], least: Severity) -> int:
    """Print the findings that are at least as severe as ``least`` on stderr; return 2 where one is an error, else 0."""
    from backupmeta.render import text

    order = list(Severity)
    code = 0
    for one in findings:
        if order.index(one.severity) <= order.index(least):
            complain(text.finding(one))
        if one.severity is Severity.ERROR:
            code = 2
    return code
