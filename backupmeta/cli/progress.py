"""How far the work is: a bar on a terminal, lines elsewhere."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from backupmeta.catalog.accounts import ScanResult
    from backupmeta.catalog.scanning import Tell

_BETWEEN_LINES: Final = 5.0
"""How long it is silent between two lines, in seconds."""

_REFRESH: Final = 0.1
"""How often the bar is drawn, in seconds; without a thread of its own, so that processes can be forked."""


class Bar:
    """A bar that is drawn on stderr while it is `shown`; where that is no terminal, nothing is drawn."""

    def __init__(self, progress: "Progress | None" = None, total: int = 0) -> None:
        """Draw with ``progress``, up to ``total`` bytes."""
        self._progress = progress
        self._task = None if progress is None else progress.add_task("", total=total)
        self._drawn = 0.0

    @property
    def watch(self) -> Callable[[int], object] | None:
        """What is to be called with how many more bytes were read; None where nobody watches."""
        return None if self._progress is None else self._advance

    def _advance(self, count: int) -> None:
        if self._progress is None or self._task is None:
            return
        self._progress.advance(self._task, count)
        if (now := monotonic()) - self._drawn >= _REFRESH:
            self._progress.refresh()
            self._drawn = now

    def making_way(self, parts: Iterable[str]) -> Iterator[str]:
        """Pass on ``parts``, the bar out of the way while each of them is written."""
        if self._progress is None:
            yield from parts
            return
        for part in parts:
            self._progress.stop()
            yield part
            sys.stdout.flush()
            self._progress.start()


@contextmanager
def shown(total: Callable[[], int] | None) -> Iterator[Bar]:
    """Show a bar up to ``total()`` bytes while the block runs; nothing without a total, or off a terminal."""
    if total is None or sys.stderr is None or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        yield Bar(progress, total())


@contextmanager
def telling(form: str, accounts: Callable[[], int | None]) -> "Iterator[Tell]":
    """Give what tells on stderr how far a scan is: ``bar``, ``plain`` lines, ``json``, ``none``; ``auto`` chooses.

    ``accounts`` tells how many accounts there may be, where that is known; it is asked for a bar alone.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    form = ("bar" if is_terminal else "plain") if form == "auto" else form
    if form == "bar":
        with _bar_of_accounts(accounts()) as tell:
            yield tell
    elif form == "none":
        yield lambda _tally: None
    else:
        from backupmeta.render.tallies import progress_line

        yield _Lines(_json_line if form == "json" else progress_line).tell


class _Lines:
    """Tells in lines, now and then."""

    def __init__(self, line: "Callable[[ScanResult, float], str]") -> None:
        self._line = line
        self._began = self._told = monotonic()

    def tell(self, tally: "ScanResult") -> None:
        if (now := monotonic()) - self._told >= _BETWEEN_LINES:
            self._told = now
            with suppress(OSError):
                click.echo(self._line(tally, now - self._began), err=True)


def _json_line(tally: "ScanResult", seconds: float) -> str:
    from backupmeta.render.tallies import progress

    return json.dumps(progress(tally, seconds))


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
        task, began, shown = drawn.add_task("accounts", total=total), monotonic(), 0.0

        def tell(tally: "ScanResult") -> None:
            nonlocal shown
            if (now := monotonic()) - shown < _REFRESH:
                return
            shown = now
            drawn.update(task, completed=tally.accounts, description=archives_line(tally, now - began), refresh=True)

        yield tell
