"""A report as one page that needs nothing else: opened from a file, it loads nothing, and runs its own scripts alone.

Whatever comes from evidence is escaped by the template, or stands in a data block that a script turns into text nodes.
What the template calls ``safe`` is our own, or that block, which has no character that markup has.
The block has columns of numbers, and the texts that they stand for, each once. The texts are sorted, so that cells
compare as their texts do; versions have an order of their own.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from backupmeta.checks.applications import order
from backupmeta.render.json_text import compact
from backupmeta.render.report.columns import TABLES, CellKind, Column, Table
from backupmeta.render.report.report_text import depth, origin, scope, shown, tiles, verdict
from backupmeta.report.model import Report
from backupmeta.words import minute

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS: Final = ("page.js", "chart.umd.min.js", "plots.js")
_TEXTS: Final = frozenset({CellKind.TEXT, CellKind.CODE, CellKind.WORD, CellKind.VERSION})
_NO_MARKUP: Final = {ord(one): f"\\u{ord(one):04x}" for one in "<>&"}

_Cells = list[Any]


# --- the page ---------------------------------------------------------------------------------------------------------


class Plot(NamedTuple):
    """A plot: its key for the script, its title, what it says of itself, and the headings of the same as a table."""

    key: str
    title: str
    note: str
    headings: tuple[str, ...]


_PLOTS: Final = (
    Plot(
        "timeline",
        "Backups and updates by install",
        "Each line is an install. It shows the backups that are chosen in the table below.",
        ("Install", "Backups", "First (UTC)", "Last (UTC)", "Versions"),
    ),
    Plot(
        "sizes",
        "Sizes over time",
        "The size of the archives by when they were made, of the backups that are chosen in the table below.",
        ("When (UTC)", "Archives", "Size"),
    ),
    Plot(
        "versions",
        "Versions in use",
        "The applications of the live installs that are chosen in the table below.",
        ("Application", "Version", "Installs"),
    ),
)


def html(report: Report) -> str:
    """Return ``report`` as a page."""
    counts, style = report.summary, _own("style.css")
    scripts = [_own(name) for name in _SCRIPTS]
    return _template().render(
        report=report,
        summary=counts,
        scope=scope(report),
        policy=_policy(style, scripts),
        style=style,
        scripts=scripts,
        content=content(report),
        verdict=verdict(counts),
        worst=next((severity for severity, times in counts.severities.items() if times), None),
        tiles=list(tiles(counts)),
        depth=depth(counts),
        origin=list(origin(report)),
        tables=TABLES,
        plots=_PLOTS,
    )


def _template() -> "Template":
    """Return the page's template."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(minute=minute, shown=shown)
    return environment.from_string(_own("page.html"))


@cache
def _own(name: str) -> str:
    """Return the text of a file beside this module."""
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy (CSP level 3): nothing is loaded, and what runs is known by its digest."""
    allowed = " ".join(map(_digest, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# --- what it carries --------------------------------------------------------------------------------------------------


def content(report: Report) -> str:
    """Return the tables of ``report`` as JSON that can stand in a page: no character of it ends or begins a tag."""
    tables = [_Shown(table, report) for table in TABLES]
    texts = sorted({text for table in tables for text in table.texts()}, key=lambda text: (text.lower(), text))
    indices = {text: index for index, text in enumerate(texts)}
    numbers = {table.key: table.numbers() for table in tables}
    versions = {text for table in tables for text in table.texts_of(CellKind.VERSION)}
    described = {
        "texts": texts,
        "versions": [indices[text] for text in sorted(versions, key=lambda text: (order(text), text))],
        "tables": [table.described(indices, numbers) for table in tables],
    }
    return compact(described).translate(_NO_MARKUP)


class _Shown:
    """A table with its rows, as the page shows them."""

    def __init__(self, table: Table, report: Report) -> None:
        self.key = table.key
        self._rows = table.rows(report)
        self._columns = [(column, self._cells(column, report)) for column in table.columns]
        self._names = [shown(table.name(row)) for row in self._rows]

    def _cells(self, column: Column, report: Report) -> _Cells:
        cell = column.getter
        cells = (cell(row, report) for row in self._rows)
        if column.kind in _TEXTS:
            return [None if cell is None else shown(cell) for cell in cells]
        if column.kind is CellKind.PLACES:
            return [[tuple(map(shown, place)) for place in cell] for cell in cells]
        return list(cells)

    def texts(self) -> Iterator[str]:
        """Yield all texts, and the names of the rows."""
        for kind in (*_TEXTS, CellKind.PLACES):
            yield from self.texts_of(kind)
        yield from self._names

    def texts_of(self, kind: CellKind) -> Iterator[str]:
        """Yield the texts in columns of a ``kind``."""
        for column, cells in self._columns:
            if column.kind is kind is CellKind.PLACES:
                yield from (text for cell in cells for place in cell for text in place)
            elif column.kind is kind:
                yield from (cell for cell in cells if cell is not None)

    def numbers(self) -> dict[int, int]:
        """Return the rows by their numbers in the catalog, where they have one."""
        return {row.number: index for index, row in enumerate(self._rows) if hasattr(row, "number")}

    def described(self, indices: dict[str, int], numbers: dict[str, dict[int, int]]) -> dict[str, object]:
        """Return the table for the script; texts are given by their ``indices``, links by those of rows."""
        columns = [
            {**_described(column), "cells": _numbered(column, cells, indices, numbers)}
            for column, cells in self._columns
        ]
        return {"key": self.key, "names": [indices[name] for name in self._names], "columns": columns}


def _described(column: Column) -> dict[str, object]:
    """Return what the script has to know of a column; what most columns lack is left out."""
    described: dict[str, object] = {
        "key": column.key,
        "label": column.label,
        "kind": column.kind,
        "target": column.target,
    }
    described |= {"below": column.below, "detail": column.is_detail}
    return {key: value for key, value in described.items() if value}


def _numbered(column: Column, cells: _Cells, indices: dict[str, int], numbers: dict[str, dict[int, int]]) -> _Cells:
    if column.kind in _TEXTS:
        return [None if cell is None else indices[cell] for cell in cells]
    if column.kind is CellKind.PLACES:
        return [[indices[text] for place in cell for text in place] for cell in cells]
    if column.kind is CellKind.LINK:
        return [None if cell is None else numbers[column.target].get(cell) for cell in cells]
    return cells
