"""What a report's page carries for its script: columns of numbers, and the texts that they stand for, each once.

The texts are sorted, so that cells compare as their texts do; versions have an order of their own.
"""

from collections.abc import Iterator
from typing import Any, Final

from backupmeta.checks.versions import order
from backupmeta.render.json import compact
from backupmeta.render.report.tables import TABLES, Column, Kind, Table
from backupmeta.render.report.words import shown
from backupmeta.report.model import Report

_TEXTS: Final = frozenset({Kind.TEXT, Kind.CODE, Kind.WORD, Kind.VERSION})
_NO_MARKUP: Final = {ord(one): f"\\u{ord(one):04x}" for one in "<>&"}

_Cells = list[Any]


def content(report: Report) -> str:
    """Return the tables of ``report`` as JSON that can stand in a page: no character of it ends or begins a tag."""
    tables = [_Shown(table, report) for table in TABLES]
    texts = sorted({text for one in tables for text in one.texts()}, key=lambda text: (text.lower(), text))
    places = {text: place for place, text in enumerate(texts)}
    numbers = {one.key: one.numbers() for one in tables}
    versions = {text for one in tables for text in one.texts_of(Kind.VERSION)}
    described = {
        "texts": texts,
        "versions": [places[text] for text in sorted(versions, key=lambda text: (order(text), text))],
        "tables": [one.described(places, numbers) for one in tables],
    }
    return compact(described).translate(_NO_MARKUP)


class _Shown:
    """A table with its rows, as the page shows them."""

    def __init__(self, table: Table, report: Report) -> None:
        self.key = table.key
        self._rows = table.rows(report)
        self._columns = [(one, self._cells(one, report)) for one in table.columns]
        self._names = [shown(table.name(row)) for row in self._rows]

    def _cells(self, column: Column, report: Report) -> _Cells:
        cells = (column.cell(row, report) for row in self._rows)
        if column.kind in _TEXTS:
            return [None if cell is None else shown(cell) for cell in cells]
        if column.kind is Kind.PLACES:
            return [[tuple(map(shown, place)) for place in cell] for cell in cells]
        return list(cells)

    def texts(self) -> Iterator[str]:
        """Yield all texts, and the names of the rows."""
        for kind in (*_TEXTS, Kind.PLACES):
            yield from self.texts_of(kind)
        yield from self._names

    def texts_of(self, kind: Kind) -> Iterator[str]:
        """Yield the texts in columns of a ``kind``."""
        for column, cells in self._columns:
            if column.kind is kind is Kind.PLACES:
                yield from (text for cell in cells for place in cell for text in place)
            elif column.kind is kind:
                yield from (cell for cell in cells if cell is not None)

    def numbers(self) -> dict[int, int]:
        """Return the rows by their numbers in the catalog, where they have one."""
        return {row.number: place for place, row in enumerate(self._rows) if hasattr(row, "number")}

    def described(self, places: dict[str, int], numbers: dict[str, dict[int, int]]) -> dict[str, object]:
        """Return the table for the script; texts are told by their ``places``, links by rows."""
        columns = [{**_described(one), "cells": _told(one, cells, places, numbers)} for one, cells in self._columns]
        return {"key": self.key, "names": [places[name] for name in self._names], "columns": columns}


def _described(column: Column) -> dict[str, object]:
    """Return what the script has to know of a column; what is usual is left out."""
    told = {"key": column.key, "label": column.label, "kind": column.kind, "target": column.target}
    return {key: value for key, value in {**told, "below": column.below, "detail": column.is_detail}.items() if value}


def _told(column: Column, cells: _Cells, places: dict[str, int], numbers: dict[str, dict[int, int]]) -> _Cells:
    if column.kind in _TEXTS:
        return [None if cell is None else places[cell] for cell in cells]
    if column.kind is Kind.PLACES:
        return [[places[text] for place in cell for text in place] for cell in cells]
    if column.kind is Kind.LINK:
        return [None if cell is None else numbers[column.target].get(cell) for cell in cells]
    return cells
