"""Tables: drawn for a terminal, tab-separated for a pipe, lines of columns, and CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from backupmeta.escapes import inert, printable
from backupmeta.words import visible

_TIMES: Final = ("time (UTC)", "created (UTC)")
_ALWAYS: Final = ("time (UTC)", "id")
_NEVER_FOLDED: Final = frozenset({*_ALWAYS, *_TIMES, "state"})
_FIRST_TO_GO: Final = ("archive", "path", "url", "application", "user", "backups", "version", "state", "title")
_WIDE_ENOUGH: Final = 30
"""To how many characters a column may be squeezed before others are left out."""
_GAP: Final = 2
_ALIGNED_TOGETHER: Final = 1_000
"""How many rows are aligned with each other: more are not held at once."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> str:
    """Return a table: drawn for a terminal of ``width`` columns, or, for None, tab-separated lines for a pipe.

    What a terminal has no room for is left out by whole columns, so that ids stay whole and can be copied.
    """
    cells = [list(columns), *([visible(cell) for cell in row] for row in rows)]
    return inert("".join("\t".join(row) + "\n" for row in cells) if width is None else _drawn(cells, width))


def _drawn(cells: list[list[str]], width: int) -> str:
    """Return a table, its columns' names first, as it is drawn for a terminal, whatever the environment says."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = cells[0]
    kept = _fitting(columns, [max(map(len, column)) for column in zip(*cells, strict=True)], width)
    may_fold_none = len(kept) > len(_ALWAYS)
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index in kept:
        drawn.add_column(columns[index], overflow="fold", no_wrap=columns[index] in _NEVER_FOLDED and may_fold_none)
    for row in cells[1:]:
        drawn.add_row(*(Text(row[index]) for index in kept))
    target = io.StringIO()
    height = 25  # no matter here; without it, the environment decides on the width, too
    Console(file=target, width=width, height=height, highlight=False, force_terminal=False, _environ={}).print(drawn)
    return target.getvalue()


def _fitting(columns: Sequence[str], widths: Sequence[int], width: int) -> list[int]:
    """Return the indices of the columns that have room in ``width``, each with what it needs, within reason."""
    kept = list(range(len(columns)))
    for name in _FIRST_TO_GO:
        if sum(min(widths[index], _WIDE_ENOUGH) + _GAP for index in kept) <= width + _GAP:
            break
        kept = [index for index in kept if columns[index] != name]
    return kept


def with_numbers(
    columns: Sequence[str], rows: Sequence[Sequence[str | int]], width: int | None
) -> Iterator[Sequence[str]]:
    """Yield the cells of ``rows``, numbers with their thousands; on a terminal they end where their column ends."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *texts, strict=True)]
    for row, cells in zip(rows, texts, strict=True):
        yield [
            text.rjust(most) if isinstance(cell, int) and width is not None else text
            for cell, text, most in zip(row, cells, widths, strict=True)
        ]


def aligned(rows: Iterable[Sequence[str]], indent: str) -> Iterator[str]:
    """Yield a line a row, the columns aligned among those that are held together."""
    coming = iter(rows)
    while together := [tuple(map(visible, row)) for row in islice(coming, _ALIGNED_TOGETHER)]:
        widths = [max(map(len, column)) for column in zip(*together, strict=True)]
        for row in together:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield inert((indent + "  ".join(cells)).rstrip() + "\n")


def csv_line(cells: Iterable[str], end: str = "\r\n") -> str:
    """Return a row of CSV (RFC 4180)."""
    target = io.StringIO()
    csv.writer(target, lineterminator=end).writerow(cells)
    return target.getvalue()


def rows_for(width: int | None, rows: Iterable[str]) -> Iterable[str]:
    """Return ``rows`` of text as they are; for a terminal, each as a line with what it would obey escaped."""
    return rows if width is None else (printable(row.rstrip("\r\n")) + "\n" for row in rows)
