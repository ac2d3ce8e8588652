"""A bar on a terminal: how many bytes of evidence were read, how fast, how long it will take."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress

_REFRESH: Final = 0.1
"""How often the bar is drawn, in seconds; without a thread of its own, so that processes can be forked."""


class Bar:
    """A bar that is drawn on stderr while it is `shown`."""

    def __init__(self, progress: "Progress", total: int) -> None:
        """Draw with ``progress``, up to ``total`` bytes."""
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._drawn = 0.0

    def advance(self, count: int) -> None:
        """Know that ``count`` more bytes were read."""
        self._progress.advance(self._task, count)
        if (now := monotonic()) - self._drawn >= _REFRESH:
            self._progress.refresh()
            self._drawn = now

    def making_way(self, parts: Iterator[str]) -> Iterator[str]:
        """Pass on ``parts``, the bar out of the way while each of them is written."""
        for part in parts:
            self._progress.stop()
            yield part
            sys.stdout.flush()
            self._progress.start()


@contextmanager
def shown(total: Callable[[], int]) -> Iterator[Bar | None]:
    """Show a bar up to ``total()`` bytes while the block runs; None where stderr is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        yield Bar(progress, total())
