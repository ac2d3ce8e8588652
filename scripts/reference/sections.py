"""Sections of the manual's pages that are written by a program, each between two marks in its page.

A page is written by hand but for what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
MANUAL: Final = PROJECT / "backupmeta/manual"
README: Final = PROJECT / "README.md"

Writer = Callable[[], str]
"""Writes a section: Markdown without an empty line at its ends."""

SECTION: Final = re.compile(r"<!-- begin (\S+) -->\n.*?<!-- end \1 -->", re.DOTALL)
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MARK: Final = re.compile(r"<!-- (?:begin|end) ")
_WIDEST: Final = 60


def filled(text: str, writers: Mapping[str, Writer]) -> str:
    """Return a page's ``text`` with each of its sections written anew.

    Raises `KeyError` for a section that nobody writes, `ValueError` for a mark without its other mark.
    """
    if len(_MARK.findall(text)) != 2 * len(SECTION.findall(text)):
        raise ValueError("a section is not between a mark of its beginning and one of its end")
    return SECTION.sub(lambda section: _written(section[1], writers), text)


def _written(name: str, writers: Mapping[str, Writer]) -> str:
    return f"<!-- begin {name} -->\n\n{writers[name]()}\n\n<!-- end {name} -->"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table (GitHub Flavored Markdown, §4.10), its columns below each other; a bar in a cell is escaped."""
    return "\n".join(_lines([columns, *rows]))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*cells, strict=True)]
    first, *others = ("| " + " | ".join(map(str.ljust, row, widths)).rstrip() + " |" for row in cells)
    yield from (first, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *others)


def anchor(heading: str) -> str:
    """Return the name of a heading in a link, as GitHub and GitLab make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def code(text: str) -> str:
    """Return ``text`` as a code span; an empty text as it is."""
    return f"`{text}`" if text else ""
