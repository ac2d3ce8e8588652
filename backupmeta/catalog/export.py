"""Exporting a catalog: the rows of its views, and of two of its tables, one by one, with what their columns hold."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from backupmeta.catalog import whole
from backupmeta.catalog.tables import ACCOUNTS, SCANS, Column, Type
from backupmeta.catalog.views import VIEWS, Shown, View, of_table
from backupmeta.findings import Finding

Row = tuple[Any, ...]
"""What SQLite gives: text, numbers, bytes and None, as the types of the columns say."""

EXPORTED: Final[Mapping[str, View]] = {**VIEWS, **{one.name: of_table(one) for one in (ACCOUNTS, SCANS)}}
"""What can be exported, by name."""

_JSON: Final = frozenset({Type.JSON, Type.SHARED})


class Export(NamedTuple):
    """What is exported.

    Attributes:
        columns: the columns. A time is there once: without the text of it that the views have besides.
        rows: the rows in the order of their keys, read while they are taken; of lists and objects, their JSON.
    """

    columns: tuple[Column, ...]
    rows: Iterator[Row]


def export(path: str, view: View, findings: list[Finding] | None = None) -> Export:
    """Return the columns of ``view``, one of `EXPORTED`, and its rows in the catalog at ``path``.

    All rows are of one moment, whatever a scan writes meanwhile. What is not as it was scanned is left out, and
    appended to ``findings``. Taking rows raises `CatalogError` where there is no catalog, or it can't be read; without
    ``findings`` also where anything is left out.
    """
    shown = [one for one in view.columns if one.column.type is not Type.UTC]
    cells = ", ".join(map(_cell, shown))
    select = f"SELECT {cells} {view.rows} ORDER BY {view.order}"
    return Export(tuple(one.column for one in shown), _rows(path, select, findings))


def _cell(shown: Shown) -> str:
    """Return a column's SQL; of JSON one that gives one line, or fails."""
    return f"json({shown.sql})" if shown.column.type in _JSON else shown.sql


def _rows(path: str, select: str, findings: list[Finding] | None) -> Iterator[Row]:
    with whole.opened(path, findings) as connection:
        yield from connection.execute(select)
