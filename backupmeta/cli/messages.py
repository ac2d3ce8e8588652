"""What commands say on stderr, while they work and after, and the exit codes that follow from it."""

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, time
from typing import TYPE_CHECKING, Final

import click

from backupmeta.errors import AnswerError
from backupmeta.escapes import inert, printable, printable_lines
from backupmeta.findings import Finding, Severity
from backupmeta.secrets import mask_text
from backupmeta.work.orders import Watch, Workers, unwatched

if TYPE_CHECKING:
    from rich.progress import Progress

    from backupmeta.catalog.database import ScanResult
    from backupmeta.catalog.scanning import Tell


def write_line(message: str) -> None:
    """Print one line on stderr; where that is full or closed, nowhere."""
    with suppress(OSError):
        click.echo(inert(f"backupmeta: {printable(mask_text(message))}"), err=True)


def write_usage_error(error: click.ClickException) -> None:
    """Print what is wrong with the command line on stderr; where that is full or closed, nowhere."""
    usage = io.StringIO()
    error.show(usage)
    with suppress(OSError):
        click.echo(inert(printable_lines(mask_text(usage.getvalue()))), err=True, nl=False)


def write_error(error: Exception) -> None:
    """Print what an error says on stderr; of a policy, a line for each mistake."""
    for line in str(error).splitlines():
        write_line(line)


def write_system_error(error: OSError | MemoryError | RecursionError) -> None:
    """Print what the system refuses to do, or to give."""
    if not isinstance(error, OSError):
        write_line("what is read asks for more memory than there is; name fewer files, or a lower --limit")
        return
    reason = error.strerror or str(error) or type(error).__name__
    write_line(f"{error.filename!s}: {reason}" if error.filename else f"can't write: {reason}")


def write_negative_answer(error: AnswerError) -> None:
    """Print a negative answer on stderr, then what could not be read, where what was asked for may be."""
    for line in (error.message, *getattr(error, "__notes__", ())):
        write_line(line)


def write_unread_accounts(tally: "ScanResult") -> None:
    """Print which accounts a scan could not read, or not all of them."""
    for account, reason in tally.troubles.items():
        write_line(f"{account}: {reason}")
    if (more := tally.unreadable - len(tally.troubles)) > 0:
        write_line(f"{more:,} more could not be read, or not to the end")


def is_whole(tally: "ScanResult", where: str) -> bool:
    """Return whether a scan of what is ``where`` it looked read all accounts; where there is none, print that."""
    if not tally.accounts and not tally.unread:
        write_line(f"there is no account in {where}; name a home, a folder of homes, or a folder of archives")
        return False
    return not tally.unread and not tally.unreadable


def write_age(catalog: str) -> None:
    """Print how old the ``catalog`` is that is answered from. Raises `CatalogError`."""
    from backupmeta.catalog.database import age
    from backupmeta.render.tallies import age_line

    write_line(age_line(catalog, age(catalog), int(time())))


def judge(findings: Iterable[Finding]) -> int:
    """Print errors and warnings on stderr; return 2 where something could not be read, 1 for any of them, else 0."""
    kept = list(findings)
    return report(kept, Severity.WARNING) or int(any(finding.severity is not Severity.NOTE for finding in kept))


def report(findings: Iterable[Finding], least: Severity) -> int:
    """Print findings at least as severe as ``least``, and those that hide records, on stderr.

    Return 2 where something could not be read, else 0.
    """
    order = list(Severity)
    code = 0
    for finding in findings:
        if finding.hides_records or order.index(finding.severity) <= order.index(least):
            from backupmeta.render.formats import finding_line

            write_line(finding_line(finding))
        if finding.is_unread:
            code = 2
    return code


def workers(jobs: int | None, watch: Watch = unwatched, ahead: int = 4) -> Workers:
    """Return who does the work: as many processes as are asked for, else one a core; fewer, and a line, without room.

    ``watch`` is called with how many more bytes were read; ``ahead`` is how many orders for each of them are begun.
    """
    from backupmeta.work.processes import affordable, cores, processes

    wanted = jobs or cores()
    if (given := affordable(wanted)) < wanted:
        write_line(f"only {given} of {wanted} processes: there are few descriptors (ulimit -n); allow 64 or more")
    return processes(given, watch, ahead)


# --- how far the work is: a bar on a terminal, lines elsewhere --------------------------------------------------------

_BETWEEN_LINES: Final = 5.0
"""How long it is silent between two lines, in seconds."""

_REFRESH: Final = 0.1
"""How often the bar is drawn, in seconds; without a thread of its own, so that processes can be forked."""


class NoBar:
    """Shows nothing.

    Attributes:
        watch: is to be called with how many more bytes were read.
    """

    watch: Watch = staticmethod(unwatched)

    def making_way(self, parts: Iterable[str]) -> Iterator[str]:
        """Pass on ``parts``, nothing in the way while each of them is written."""
        yield from parts


class Bar(NoBar):
    """A bar that is drawn on stderr of `progress_bar`."""

    def __init__(self, progress: "Progress", total: int) -> None:
        """Draw with ``progress``, up to ``total`` bytes."""
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._drawn = 0.0
        self.watch: Watch = self._advance

    def making_way(self, parts: Iterable[str]) -> Iterator[str]:
        """Pass on ``parts``, the bar out of the way while each of them is written."""
        for part in parts:
            self._progress.stop()
            yield part
            sys.stdout.flush()
            self._progress.start()

    def _advance(self, count: int) -> None:
        self._progress.advance(self._task, count)
        if (now := monotonic()) - self._drawn >= _REFRESH:
            self._progress.refresh()
            self._drawn = now


@contextmanager
def progress_bar(total: Callable[[], int] | None) -> Iterator[NoBar]:
    """Show a bar up to ``total()`` bytes while the block runs; none without a total, or where stderr is no terminal."""
    if total is None or sys.stderr is None or not sys.stderr.isatty():
        yield NoBar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        yield Bar(progress, total())


@contextmanager
def scan_progress(form: str, accounts: Callable[[], int | None]) -> "Iterator[Tell]":
    """Give what reports on stderr how far a scan is, in a ``form``: bar, plain lines, json, none; auto chooses.

    ``accounts`` returns how many accounts there may be, where that is known; it is called for a bar alone.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    form = ("bar" if is_terminal else "plain") if form == "auto" else form
    if form == "bar":
        with _bar_of_accounts(accounts()) as tell:
            yield tell
    elif form == "none":
        yield lambda _result: None
    else:
        from backupmeta.render.tallies import progress_line

        yield _Lines(_json_line if form == "json" else progress_line).tell


class _Lines:
    """Reports in lines, now and then."""

    def __init__(self, line: "Callable[[ScanResult, float], str]") -> None:
        self._line = line
        self._began = self._written = monotonic()

    def tell(self, result: "ScanResult") -> None:
        if (now := monotonic()) - self._written >= _BETWEEN_LINES:
            self._written = now
            with suppress(OSError):
                click.echo(self._line(result, now - self._began), err=True)


def _json_line(result: "ScanResult", seconds: float) -> str:
    from backupmeta.render.tallies import progress

    return json.dumps(progress(result, seconds))


@contextmanager
def _bar_of_accounts(total: int | None) -> "Iterator[Tell]":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from backupmeta.render.tallies import archives_line

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as drawn:
        task, began, refreshed = drawn.add_task("accounts", total=total), monotonic(), 0.0

        def tell(result: "ScanResult") -> None:
            nonlocal refreshed
            if (now := monotonic()) - refreshed < _REFRESH:
                return
            refreshed = now
            drawn.update(task, completed=result.accounts, description=archives_line(result, now - began), refresh=True)

        yield tell
