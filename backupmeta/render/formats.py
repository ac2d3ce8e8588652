"""Formats: how an answer can be written, and how JSON, tables and CSV are written in all of them.

Each renderer's module ends with the table of its answer. An entry has the format's name, what it means, and what
renders it. Options, help, documents and tests follow from the tables: a format is added by one entry, and the function
that it names. JSON describes any result alike, so that it means the same in every answer, and nobody obeys it.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from functools import cache
from itertools import chain
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from backupmeta import escapes
from backupmeta.escapes import inert, printable
from backupmeta.findings import Finding
from backupmeta.words import visible

Answer = TypeVar("Answer")
Render = TypeVar("Render")
Render_co = TypeVar("Render_co", covariant=True)

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
class Format(Generic[Render_co]):
    """A format of one answer.

    Attributes:
        name: its name, as ``--format`` has it.
        meaning: what it is, a phrase for the help.
        render: what renders the answer; each table says what that is.
        traits: what a command has to know of it.
    """

    name: str
    meaning: str
    render: Render_co
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


Shown = TypeVar("Shown", bound=View)

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
    return json_array(map(spaced, entries), before)


def json_array(entries: Iterable[str], before: str = "") -> Iterator[str]:
    """Yield the same of ``entries`` that are JSON already."""
    is_empty = True
    for entry in entries:
        yield f"{before}[\n  {entry}" if is_empty else f",\n  {entry}"
        is_empty = False
    yield f"{before}[]" if is_empty else "\n]"


def finding_line(finding: Finding) -> str:
    """Return a finding as one line: ``warning: title: … [name-title-differs]``."""
    return visible(f"{finding.severity}: {finding.message} [{finding.id}]")


# --- tables -----------------------------------------------------------------------------------------------------------


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


def rows_for(width: int | None, rows: Iterable[str]) -> Iterable[str]:
    """Return ``rows`` of text as they are; for a terminal, each as a line with what it would obey escaped."""
    return rows if width is None else (printable(row.rstrip("\r\n")) + "\n" for row in rows)


# --- CSV --------------------------------------------------------------------------------------------------------------

CsvRow: TypeAlias = Iterable[str | None]
"""The cells of a row: nothing at all for None, and a pair of quotes for text that is empty."""

_FORMULA: Final = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
_PASSED_OVER: Final = r"\s\x00-\x20\x7f\u200b-\u200f\u2060\ufeff\"';"
_SEPARATOR: Final = re.compile(r"[;\t\r\n]")
_ODD_BEGINNING: Final = re.compile(r"'*+[\t\r\n\x00]")
_NEGATIVE: Final = re.compile(r"-[0-9]+(?:\.[0-9]+)?")
"""What a spreadsheet would run, and how a cell is written so that it is text.

| what | which | what is written |
|---|---|---|
| signs that begin a formula | = + - @, full-width and small forms of them | an apostrophe before the sign |
| what is passed over before a sign | white space, control characters, " and ' | as if it were not there |
| what begins a cell where another list separator counts | ; tab, CR, LF in a cell | a sign after it begins one |
| what begins no cell either | tab, CR, LF, NUL | an apostrophe before it |
| numbers below zero | -5, -1.5 | as they are |

(OWASP, "CSV Injection"; NUL: OWASP ASVS 5.0, 1.2.10.) Nothing else changes, and where an apostrophe stands already it
gets another one, so that it can be undone: the manual's page ``tools`` has how.
"""


@cache
def _before_formula() -> re.Pattern[str]:
    """Return what finds all that is passed over before a sign that may begin a formula."""
    return re.compile(rf"(?:\A|(?<=[^{_PASSED_OVER}])[{_PASSED_OVER}])[{_PASSED_OVER}]*+(?=[{_FORMULA}])")


def _safe(cell: str | None) -> str | None:
    """Return a cell as no spreadsheet runs it."""
    if cell is None or cell.isalnum() or _NEGATIVE.fullmatch(cell):
        return cell
    marked = _before_formula().sub(_marked, cell)
    return f"'{marked}" if _ODD_BEGINNING.match(marked) else marked


def _marked(match: re.Match[str]) -> str:
    begins_cell = match.start() == 0 or _SEPARATOR.search(match[0])
    return f"{match[0]}'" if begins_cell else match[0]


class _Dialect(NamedTuple):
    """A way to write CSV (RFC 4180).

    Attributes:
        meaning: what it is, for the help; ``{}`` stands for what its rows are.
        to_quote: finds what a cell is quoted for.
        shown: gives a cell as it is written; None where that is as it is.
        beginning: what stands before the first row of a file.
    """

    meaning: str
    to_quote: re.Pattern[str]
    shown: Callable[[str | None], str | None] | None = None
    beginning: str = ""


_TO_QUOTE: Final = re.compile(r'[",\r\n]')
_SAFE: Final = _Dialect("the same, no cell a formula", re.compile(r'[",;\t\r\n]'), _safe)
_DIALECTS: Final = {
    "csv": _Dialect("{}", _TO_QUOTE),
    "csv-safe": _SAFE,
    "csv-excel": _SAFE._replace(meaning="csv-safe after a byte order mark, for Excel", beginning="\ufeff"),
}


def csv_formats(
    meaning: str, rows: Callable[[Answer, Shown], Iterable[CsvRow]]
) -> Iterator[Format[Callable[[Answer, Shown], Iterable[str]]]]:
    """Yield the formats of an answer that are CSV; ``rows`` gives its rows, the names of the columns first."""
    for name, dialect in _DIALECTS.items():
        yield Format(name, dialect.meaning.format(meaning), _csv(dialect, rows))


def _csv(
    dialect: _Dialect, rows: Callable[[Answer, Shown], Iterable[CsvRow]]
) -> Callable[[Answer, Shown], Iterable[str]]:
    def render(answer: Answer, view: Shown) -> Iterable[str]:
        shown = rows(answer, view) if dialect.shown is None else (map(dialect.shown, row) for row in rows(answer, view))
        lines = rows_for(view.width, (csv_line(row, dialect.to_quote) for row in shown))
        return chain([dialect.beginning], lines) if dialect.beginning and view.width is None else lines

    return render


def csv_line(cells: CsvRow, to_quote: re.Pattern[str] = _TO_QUOTE, end: str = "\r\n") -> str:
    """Return a row of CSV; what finds a character ``to_quote`` puts a cell between quotes."""
    found = to_quote.search
    return (
        ",".join(["" if cell is None else _quoted(cell) if not cell or found(cell) else cell for cell in cells]) + end
    )


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
