"""Formats: how an answer can be written, and how JSON, tables and CSV are written in all of them.

Each renderer's module ends with the table of its answer. An entry has the format's name, what it means, and what
renders it. Options, help, documents and tests follow from the tables: a format is added by one entry, and the function
that it names. JSON describes any result alike, so that it means the same in every answer, and nobody obeys it.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from itertools import chain
from typing import Final, Generic, TypeAlias, TypeVar

from backupmeta import escapes
from backupmeta.escapes import inert, printable
from backupmeta.findings import Finding
from backupmeta.words import visible

Answer = TypeVar("Answer")
Render = TypeVar("Render")

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_SPACED: Final = json.JSONEncoder(ensure_ascii=False)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_NEVER_FOLDED: Final = frozenset(
    {"time (UTC)", "created (UTC)", "first backup (UTC)", "last backup (UTC)", "id", "state"}
)
_SQUEEZED: Final = 16
"""To how many characters a column may be folded before others are left out."""
_FOLDED: Final = 8
"""To how many it may be folded before times and ids are folded, too."""
_GAP: Final = 2


# --- the formats of an answer -----------------------------------------------------------------------------------------


class Trait(Flag):
    """What a command has to know of a format."""

    NONE = 0
    ROW_BY_ROW = auto()
    """Each row is rendered by itself, so that many processes can render rows, which are joined."""
    WITH_PROVENANCE = auto()
    """It has room for where each value comes from."""
    WITH_CONTENTS = auto()
    """It shows what only a look into members tells: the dump, digests of members."""
    NOT_ON_A_TERMINAL = auto()
    """It is for programs alone, and long: a page."""
    WITH_UNSET_TIMES = auto()
    """Each line has several times, most of which nobody tells."""
    IN_A_FILE_ALONE = auto()
    """It is no text."""
    FROM_BASE = auto()
    """It is for CI, and names files from a base folder on."""


@dataclass(frozen=True, slots=True)
class Format(Generic[Render]):
    """A format of one answer.

    Attributes:
        name: its name, as ``--format`` has it.
        meaning: what it is, a phrase for the help.
        render: what renders the answer; each table says what that is.
        traits: what a command has to know of it.
    """

    name: str
    meaning: str
    render: Render
    traits: Trait = Trait.NONE


class Formats(dict[str, Format[Render]]):
    """The formats of an answer by their names; the first is the one that nobody has to ask for."""

    def __init__(self, *entries: Format[Render]) -> None:
        super().__init__({entry.name: entry for entry in entries})


def _unnoted(_sentence: str) -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class View:
    """How an answer is to be shown; a format passes over what it has no use for.

    Attributes:
        width: the terminal's, in columns; None for a pipe or a file.
        note: is told, in a sentence, what the answer had no room for.
    """

    width: int | None = None
    note: Callable[[str], object] = field(default=_unnoted, kw_only=True)


Rendering: TypeAlias = Callable[[Answer, View], Iterable[str]]
"""Renders an answer, and gives its text in pieces, as they come."""


def any_view(render: Callable[[Answer], Iterable[str]]) -> Rendering[Answer]:
    """Return what renders alike, however the answer is shown."""
    return lambda answer, _view: render(answer)


# --- JSON, written ----------------------------------------------------------------------------------------------------


def pretty(value: object, indent: int = 2) -> str:
    """Return ``value`` as JSON for people, a level indented by ``indent`` blanks, with a line end."""
    return escapes.json(json.dumps(value, ensure_ascii=False, indent=indent)) + "\n"


def spaced(value: object) -> str:
    """Return ``value`` as JSON in a line, a blank after each comma and colon."""
    return escapes.json(_SPACED.encode(value))


def compact(value: object) -> str:
    """Return ``value`` as JSON in a line, without blanks."""
    return escapes.json(_COMPACT.encode(value))


def json_list(before: str, entries: Iterable[object]) -> Iterator[str]:
    """Yield a list in pieces, a line an entry as they come; ``before`` is what stands before it."""
    is_empty = True
    for entry in entries:
        yield f"{before}[\n  {spaced(entry)}" if is_empty else f",\n  {spaced(entry)}"
        is_empty = False
    yield f"{before}[]" if is_empty else "\n]"


def finding_line(finding: Finding) -> str:
    """Return a finding as one line: ``warning: title: … [name-title-differs]``."""
    return visible(f"{finding.severity}: {finding.message} [{finding.id}]")


# --- tables and CSV ---------------------------------------------------------------------------------------------------


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str | int]], view: View, least: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a table: drawn for a terminal, or tab-separated lines for a pipe.

    What a terminal has no room for is left out by whole columns, those first that come first in ``least``; then that
    is noted. Numbers have their thousands; on a terminal they end where their column ends.
    """
    if view.width is None:
        yield inert("".join("\t".join(map(_cell, row)) + "\n" for row in chain([columns], rows)))
        return
    cells = list(rows)
    widths = [max(len(_cell(cell)) for cell in column) for column in zip(columns, *cells, strict=True)]
    kept = _fitting(columns, widths, view.width, least)
    yield inert(_drawn(columns, cells, kept, view.width, folds=_needed(columns, widths, kept, _FOLDED) > view.width))
    if left_out := [name for index, name in enumerate(columns) if index not in kept]:
        what = f"{view.width} columns have no room for {', '.join(left_out)}"
        view.note(f"{what}; a wider terminal has, a pipe such as '| less -S', and --csv")


def _cell(cell: str | int) -> str:
    return f"{cell:,}" if isinstance(cell, int) else visible(cell)


def _drawn(
    columns: Sequence[str], rows: Iterable[Sequence[str | int]], kept: Iterable[int], width: int, *, folds: bool
) -> str:
    """Return the columns that are ``kept`` as they are drawn for a terminal, whatever the environment says."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index in kept:
        drawn.add_column(columns[index], overflow="fold", no_wrap=columns[index] in _NEVER_FOLDED and not folds)
    for row in rows:
        cells = [row[index] for index in kept]
        drawn.add_row(*(Text(_cell(cell), justify="right" if isinstance(cell, int) else "default") for cell in cells))
    target = io.StringIO()
    height = 25  # no matter here; without it, the environment decides on the width, too
    Console(file=target, width=width, height=height, highlight=False, force_terminal=False, _environ={}).print(drawn)
    return target.getvalue()


def _fitting(columns: Sequence[str], widths: Sequence[int], width: int, least: Iterable[str]) -> list[int]:
    """Return the indices of the columns that have room in ``width``, each with what it needs, within reason."""
    kept = list(range(len(columns)))
    for name in least:
        if _needed(columns, widths, kept, _SQUEEZED) <= width:
            break
        kept = [index for index in kept if columns[index] != name]
    return kept


def _needed(columns: Sequence[str], widths: Sequence[int], kept: Sequence[int], most: int) -> int:
    """Return how wide the columns are that are ``kept``, folded to ``most`` characters where they may be folded."""
    folded = (widths[index] if columns[index] in _NEVER_FOLDED else min(widths[index], most) for index in kept)
    return sum(folded) + _GAP * (len(kept) - 1)


def csv_line(cells: Iterable[str], end: str = "\r\n") -> str:
    """Return a row of CSV (RFC 4180)."""
    import csv

    target = io.StringIO()
    csv.writer(target, lineterminator=end).writerow(cells)
    return target.getvalue()


def rows_for(width: int | None, rows: Iterable[str]) -> Iterable[str]:
    """Return ``rows`` of text as they are; for a terminal, each as a line with what it would obey escaped."""
    return rows if width is None else (printable(row.rstrip("\r\n")) + "\n" for row in rows)
