"""CSV for spreadsheets: no cell is a formula, whatever separates cells there, and nothing is lost."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.render.formats import View, csv_formats
from tests.endless import ends

MANUAL: Final = Path(__file__).parents[2] / "backupmeta/manual/tools.md"


def rows(asked: list[list[str | None]], _view: View) -> list[list[str | None]]:
    return asked


FORMATS: Final = {entry.name: entry.render for entry in csv_formats("rows", rows)}
FORMULA: Final = re.compile('[\\s\\x00-\\x1f\\x7f\\ufeff"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]')
"""What OWASP says that no cell begins with ("CSV Injection"), after what spreadsheets pass over."""
NEGATIVE: Final = re.compile(r"-\d+(\.\d+)?")
CELLS: Final = st.text(st.sampled_from("=+-@\uff1d'\";,\t\r\n\0 \ufeffa5."), max_size=12) | st.text(max_size=12)


def written(form: str, *row: str | None, width: int | None = None) -> str:
    return "".join(FORMATS[form]([list(row)], View(width)))


def read(text: str, delimiter: str = ",") -> list[str]:
    """Return the cells of a text in each row, as Python's own reader has them."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]


def from_the_manual() -> Callable[[str], str]:
    """Return the function that the manual has for who wants a cell as it was."""
    [code] = re.findall(r"^```python\n(.*?)^```", MANUAL.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Callable[[str], str]] = {}
    exec(code, names)  # noqa: S102 - what the manual says to run
    return names["exact"]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("https://example.org";"x")', '"\'=HYPERLINK(""https://example.org"";""x"")"'),
        ("+49 30 123", "'+49 30 123"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\uff1d1", "'\uff1d1"),
        ("\ufe631", "'\ufe631"),
        ("  =1", "  '=1"),
        ('"=1', '"""\'=1"'),
        ("'=1", "''=1"),
        ("\ufeff=1", "\ufeff'=1"),
        ("\0=1", "'\0'=1"),
        ("\t=1", "\"'\t'=1\""),
        ("\rx", '"\'\rx"'),
        ("'\nx", "\"''\nx\""),
        ("Blog;=1", '"Blog;\'=1"'),
        ("Blog\n=1", '"Blog\n\'=1"'),
        ("Blog; '=1", "\"Blog; ''=1\""),
        ("-5", "-5"),
        ("-1.5", "-1.5"),
        ("-5;", '"\'-5;"'),
        ("--5", "'--5"),
        ("-\u0665", "'-\u0665"),
        ("2024-06-13T20:55:21+00:00", "2024-06-13T20:55:21+00:00"),
        ("a - b, c=d @e", '"a - b, c=d @e"'),
        ('["-a","=b"]', '"[""-a"",""=b""]"'),
        ("it's", "it's"),
        ("5", "5"),
        ("", '""'),
        (None, ""),
    ],
)
def test_what_a_spreadsheet_would_run_is_text(cell: str | None, safe: str) -> None:
    assert written("csv-safe", "x", cell) == f"x,{safe}\r\n"
    assert written("csv-excel", "x", cell) == f"\ufeffx,{safe}\r\n"
    assert written("csv", "x", cell).removeprefix("x,").removesuffix("\r\n") in {safe, *exactly(cell)}


def exactly(cell: str | None) -> set[str]:
    """Return how exact CSV may have a cell: as it is, or between quotes."""
    return {""} if cell is None else {cell, '"' + cell.replace('"', '""') + '"'}


def test_a_terminal_gets_no_byte_order_mark() -> None:
    assert written("csv-excel", "x", width=80) == "x\n"


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_no_cell_is_a_formula_whatever_separates_cells(row: list[str]) -> None:
    text = written("csv-safe", "x", *row)
    for delimiter in ",;\t":
        cells = read(text, delimiter)
        assert [cell for cell in cells if FORMULA.match(cell) and not NEGATIVE.fullmatch(cell)] == []


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_nothing_is_lost(row: list[str]) -> None:
    undo = from_the_manual()
    assert read(written("csv", *row)) == row
    assert [undo(cell) for cell in read(written("csv-safe", *row))] == row


@pytest.mark.parametrize("part", ["\t", "'", " -", ";", "a-", ";=", "\t\0"])
def test_a_hostile_cell_ends(part: str) -> None:
    assert ends(lambda size: written("csv-safe", part * size), 1_000_000)
