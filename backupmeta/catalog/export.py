"""Exporting a catalog: the rows of its views, and of two of its tables, one by one, with what their columns hold."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from backupmeta.catalog import store
from backupmeta.catalog.tables import ACCOUNTS, SCANS, Column, Type
from backupmeta.catalog.views import VIEWS, Shown, View, whole

Row = tuple[Any, ...]
"""What SQLite gives: text, numbers, bytes and None, as the types of the columns say."""

EXPORTED: Final[Mapping[str, View]] = {**VIEWS, **{one.name: whole(one) for one in (ACCOUNTS, SCANS)}}
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


def export(path: str, view: View) -> Export:
    """Return the columns of ``view``, one of `EXPORTED`, and its rows in the catalog at ``path``.

    All rows are of one moment, whatever a scan writes meanwhile. Taking them raises `CatalogError` where there is no
    catalog, or it can't be read.
    """
    shown = [one for one in view.columns if one.column.type is not Type.UTC]
    cells = ", ".join(map(_cell, shown))
    select = f"SELECT {cells} {view.rows} ORDER BY {view.order}"
    return Export(tuple(one.column for one in shown), _rows(path, select))


def _cell(shown: Shown) -> str:
    """Return a column's SQL; of JSON one that gives one line, or fails."""
    return f"json({shown.sql})" if shown.column.type in _JSON else shown.sql


def _rows(path: str, select: str) -> Iterator[Row]:
    with store.opened_to_read(path) as connection:
        yield from connection.execute(select)
