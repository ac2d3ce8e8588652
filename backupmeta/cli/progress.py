"""How far the work is: a bar on a terminal, lines elsewhere."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

from backupmeta.work.orders import Watch, unwatched

if TYPE_CHECKING:
    from rich.progress import Progress

    from backupmeta.catalog.database import ScanResult
    from backupmeta.catalog.scanning import Tell

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
    """A bar that is drawn on stderr while it is `shown`."""

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
def shown(total: Callable[[], int] | None) -> Iterator[NoBar]:
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
