"""How far a command is, told on stderr: by a bar on a terminal; elsewhere, where it is asked for, by lines."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, ParamSpec, TypeVar

import click

from backupmeta.cli import messages, output
from backupmeta.words import counted, size
from backupmeta.work.orders import Watch, unwatched

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from backupmeta.catalog.progress import ScanResult
    from backupmeta.catalog.scanning import Tell

Arguments = ParamSpec("Arguments")
Row = TypeVar("Row")
Amount = Callable[[int], str]
"""Phrases how much is done: so many bytes, so many backups."""

_BETWEEN_LINES: Final = 5.0
"""How long it is silent between two lines, in seconds."""
_REFRESH: Final = 0.1
"""How often the bar is drawn, in seconds; without a thread of its own, so that processes can be forked."""
_ASKED: Final = "backupmeta.progress"


def remember(context: click.Context, _parameter: click.Parameter, asked: bool | None) -> None:  # noqa: FBT001 - click's
    """Remember for the command what ``--progress`` or ``--no-progress`` says: a callback of the option."""
    context.meta[_ASKED] = asked


def is_wanted() -> bool:
    """Return whether it is told how far the command is: where that was asked for, else where stderr is a terminal."""
    asked = click.get_current_context().meta.get(_ASKED)
    return not messages.is_quiet() and (_is_terminal() if asked is None else bool(asked))


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class Bar(NamedTuple):
    """A bar on stderr, or lines, or nothing.

    Attributes:
        watch: is to be called with how much more is done.
        making_way: passes on parts of an answer, nothing in the way while each of them is written.
    """

    watch: Watch = unwatched
    making_way: Callable[[Iterable[str | bytes]], Iterable[str | bytes]] = iter

    def counting(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return the ``rows``, each of which is done when it comes."""
        return rows if self.watch is unwatched else self._counted(rows)

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.watch(1)
            yield row


@contextmanager
def progress_bar(
    total: Callable[[], int] | None = None, counts: Callable[[], str] = str, amount: Amount | None = None
) -> Iterator[Bar]:
    """Tell how much of ``total()`` is done, with ``counts()`` of what came of it, while the block runs.

    What is done is counted in bytes that were read, or as ``amount`` says; it is told without a total, too.
    """
    if not is_wanted():
        yield Bar()
    elif _is_terminal():
        with _drawn(*_columns(amount)) as progress:
            yield _bar(progress, None if total is None else total(), counts, amount)
    else:
        yield Bar(_lines(counts, amount or _read))


def rows_bar(singular: str) -> AbstractContextManager[Bar]:
    """Tell how many rows have come: ``12,345 backups``."""
    return progress_bar(amount=partial(counted, singular=singular))


def _read(count: int) -> str:
    return f"{size(count)} read"


def _columns(amount: Amount | None) -> "list[ProgressColumn]":
    """Return what a bar of bytes, or of any other ``amount``, consists of."""
    from rich import progress

    text = progress.TextColumn("{task.description}")
    if amount is not None:
        return [text, progress.TimeElapsedColumn()]
    speed, rest = progress.TransferSpeedColumn(), progress.TimeRemainingColumn()
    return [progress.BarColumn(), progress.DownloadColumn(), speed, rest, text]


def _bar(progress: "Progress", total: int | None, counts: Callable[[], str], amount: Amount | None) -> Bar:
    done, task = 0, progress.add_task("", total=total)

    def draw() -> None:
        progress.start()
        text = " ".join(filter(None, (amount(done) if amount else "", counts())))
        progress.update(task, completed=done, description=text, refresh=True)

    refresh = _now_and_then(_REFRESH, draw)

    def watch(more: int) -> None:
        nonlocal done
        done += more
        refresh()

    def making_way(parts: Iterable[str | bytes]) -> Iterator[str | bytes]:
        for part in parts:
            if progress.live.is_started:
                progress.stop()  # until it is drawn again
            yield part
            sys.stdout.flush()

    return Bar(watch, making_way) if output.width() else Bar(watch)


def _lines(counts: Callable[[], str], amount: Amount) -> Watch:
    """Return what is told how much more is done, and prints a line at times."""
    done = 0
    report = _now_and_then(
        _BETWEEN_LINES, lambda: messages.write_line("; ".join(filter(None, (amount(done), counts())))), monotonic()
    )

    def watch(more: int) -> None:
        nonlocal done
        done += more
        report()

    return watch


# --- a scan -----------------------------------------------------------------------------------------------------------


@contextmanager
def scan_progress(accounts: Callable[[], int] | None = None, *, as_json: bool = False) -> "Iterator[Tell]":
    """Give what reports how far a scan is; lines are in words, or ``as_json``.

    ``accounts`` returns how many accounts there may be, where that is known; it is called for a bar alone.
    """
    began = monotonic()
    if not is_wanted():
        yield unwatched
    elif _is_terminal():
        with _bar_of_accounts(None if accounts is None else accounts(), began) as tell:
            yield tell
    else:
        yield _now_and_then(_BETWEEN_LINES, partial(_write_progress, began, as_json=as_json), began)


def _write_progress(began: float, result: "ScanResult", *, as_json: bool) -> None:
    from backupmeta.render.tallies import progress, progress_line

    seconds = monotonic() - began
    if not as_json:
        messages.write_line(progress_line(result, seconds))
        return
    with suppress(OSError):
        click.echo(json.dumps(progress(result, seconds)), err=True)


@contextmanager
def _bar_of_accounts(total: int | None, began: float) -> "Iterator[Tell]":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from backupmeta.render.tallies import archives_line

    text = TextColumn("{task.description}")
    with _drawn(BarColumn(), MofNCompleteColumn(), text, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("accounts", total=total)

        def draw(result: "ScanResult") -> None:
            line = archives_line(result, monotonic() - began)
            progress.update(task, completed=result.accounts, description=line, refresh=True)

        yield _now_and_then(_REFRESH, draw)


@contextmanager
def _drawn(*columns: "ProgressColumn") -> "Iterator[Progress]":
    """Give what draws a bar of these ``columns`` on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        yield progress


def _now_and_then(
    seconds: float, report: Callable[Arguments, object], reported: float = 0
) -> Callable[Arguments, None]:
    """Return what calls ``report``, unless that was called less than so many ``seconds`` ago."""

    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        nonlocal reported
        if (now := monotonic()) - reported >= seconds:
            reported = now
            report(*arguments, **named)

    return call
