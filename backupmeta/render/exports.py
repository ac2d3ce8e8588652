"""A table of a catalog, exported: JSONL and CSV, a line a row, and Parquet, columns with types; and what it means.

Times of the text formats are ISO 8601 in UTC, a time that no calendar has is its number, in digits; bytes are base64.
CSV tells what is absent from what is empty: nothing at all, and a pair of quotes. Parquet has times in UTC, lists as
lists, is compressed with zstd, and needs pyarrow, which is imported nowhere else.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar, get_type_hints

from backupmeta import escapes
from backupmeta.catalog.queries import EXPORTED, NUMBERS, PLAIN, CellText, Export, Row
from backupmeta.catalog.schema import TABLES, Column, Type
from backupmeta.catalog.views import View as CatalogView
from backupmeta.catalog.views import table_view
from backupmeta.provenance import display
from backupmeta.record import values
from backupmeta.record.fields import FIELD
from backupmeta.record.values import Decoder
from backupmeta.render.formats import CsvRow, Format, Formats, Trait, View, csv_formats, json_array, rows_for

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Schema
    from typing_extensions import Buffer

Item = TypeVar("Item")

ExportRendering: TypeAlias = Callable[[Export, View], Iterable[str] | Iterable[bytes]]
"""Renders the rows of a table, as they are read."""

_GROUP: Final = (10_000, 64 * 1024 * 1024)
"""How many rows, of how many bytes, are kept until they are written together: a row group."""
_BATCH: Final = (1_000, 4 * 1024 * 1024)
"""How many rows, of how many characters, are turned into columns together."""
_CALENDAR: Final = range(-62_135_596_800, 253_402_300_800)
"""The Unix seconds of the years 1 to 9999."""
_ENTRIES: Final[Mapping[Decoder | None, type]] = {
    values.items: str,
    values.plugins: values.Plugin,
    values.themes: values.Theme,
}
"""What the lists have as entries, by what reads them from a record."""


# --- text -------------------------------------------------------------------------------------------------------------


def jsonl(export: Export, view: View) -> Iterable[str]:
    """Yield a line a row: an object with a member for each column."""
    return rows_for(view.width, map(escapes.json, export.json_lines()))


def json_(export: Export, view: View) -> Iterator[str]:
    """Yield an array of the objects of `jsonl`, a line each."""
    yield from json_array(line.rstrip("\n") for line in jsonl(export, view))
    yield "\n"


def _csv_rows(export: Export, _view: View) -> Iterator[CsvRow]:
    """Yield the names of the columns, then the cells of each row."""
    texts = [_CSV[column.type] for column in export.columns]
    yield [column.name for column in export.columns]
    for row in export.rows:
        yield [None if cell is None else text(cell) for text, cell in zip(texts, row, strict=True)]


_CSV: Final[Mapping[Type, CellText]] = {**NUMBERS, **PLAIN, Type.TEXT: str, Type.JSON: str, Type.SHARED: str}


# --- Parquet ----------------------------------------------------------------------------------------------------------


class _Kind(NamedTuple):
    """How a column is written: its type in Arrow, and what makes such a value of a cell that is none."""

    type: "DataType"
    make: Callable[[Any], object] | None = None

    def array(self, cells: tuple[Any, ...]) -> "Array":
        import pyarrow as pa

        if self.make is None:
            return pa.array(cells, self.type)
        return pa.array([None if cell is None else self.make(cell) for cell in cells], self.type)


def parquet(export: Export, _view: View) -> Iterator[bytes]:
    """Yield a Parquet file, piece by piece: its row groups, and at last its end.

    Lists of text, of plugins and of themes are lists; any other JSON is text. A time that no calendar has is null.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = list(map(_kind, export.columns))
    schema = pa.schema([(column.name, kind.type) for column, kind in zip(export.columns, kinds, strict=True)])
    written = _Written()
    with ParquetWriter(written, schema, compression="zstd") as writer:
        batches = (_batch(schema, kinds, rows) for rows in _grouped(export.rows, _extent, _BATCH))
        for group in _grouped(batches, lambda batch: (len(batch), batch.nbytes), _GROUP):
            writer.write_table(pa.Table.from_batches(group))
            yield written.taken()
    yield written.taken()


def _batch(schema: "Schema", kinds: list[_Kind], rows: list[Row]) -> "RecordBatch":
    """Return ``rows`` as columns."""
    import pyarrow as pa

    columns = [kind.array(cells) for kind, cells in zip(kinds, zip(*rows, strict=True), strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _Written(io.RawIOBase):
    """A file whose content is taken away as soon as it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: "Buffer") -> int:
        self._pieces.append(bytes(content))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _grouped(
    items: Iterable[Item], extent: Callable[[Item], tuple[int, int]], most: tuple[int, int]
) -> Iterator[list[Item]]:
    """Yield the ``items`` in groups, each as soon as what it has of rows, or of bytes, is ``most``."""
    group: list[Item] = []
    rows = size = 0
    for item in items:
        more_rows, more = extent(item)
        group.append(item)
        rows, size = rows + more_rows, size + more
        if rows >= most[0] or size >= most[1]:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _extent(row: Row) -> tuple[int, int]:
    return 1, sum(len(cell) for cell in row if isinstance(cell, str))


def _kind(column: Column) -> _Kind:
    import pyarrow as pa

    known = FIELD.get(column.name)
    if column.type is Type.SHARED and known is not None:
        return _Kind(pa.list_(_entry(_ENTRIES[known.decode])), json.loads)
    kinds = {
        Type.KEY: _Kind(pa.int64()),
        Type.INTEGER: _Kind(pa.int64()),
        Type.FLAG: _Kind(pa.bool_(), bool),
        Type.TIME: _Kind(pa.timestamp("s", "UTC"), lambda seconds: seconds if seconds in _CALENDAR else None),
        Type.NANOSECONDS: _Kind(pa.timestamp("ns", "UTC")),
        Type.BYTES: _Kind(pa.binary()),
    }
    return kinds.get(column.type, _Kind(pa.string()))


def _entry(kind: type) -> "DataType":
    """Return the type of a list's entries: of text, or of what a typed dictionary has."""
    import pyarrow as pa

    if kind is str:
        return pa.string()
    types = {str: pa.string(), str | None: pa.string(), bool | None: pa.bool_()}
    return pa.struct([(name, types[hint]) for name, hint in get_type_hints(kind).items()])


# --- metadata for datasette -------------------------------------------------------------------------------------------

_FACETS: Final[Mapping[str, tuple[str, ...]]] = {
    "backups": ("application", "version", "state", "verdict"),
    "installs": ("application", "version"),
    "files": ("kind", "status", "verdict"),
    "findings": ("severity", "id"),
    "plugins": ("id", "active"),
    "themes": ("id", "active"),
    "provenance": ("witness",),
    "history": ("what", "change"),
    "accounts": ("status",),
}
"""The columns whose values are counted beside a table."""
_LARGEST_FIRST: Final = {
    "backups": "backup_time",
    "installs": "time_created",
    "files": "mtime_ns",
    "history": "scan",
    "newest_backups": "backup_time",
    "orphans": "backup_time",
    "gone_installs": "last_backup_time",
    "duplicates": "wasted_bytes",
    "sizes": "bytes",
    "scans": "scan",
}
"""The column that a table is sorted by: the newest or the largest first."""
_UNITS: Final = {
    "archive_bytes": "byte",
    "bytes": "byte",
    "cache_files": "byte",
    "cache_tables": "byte",
    "size": "byte",
    "utc_offset": "second",
    "wasted_bytes": "byte",
}
"""What columns of numbers are counted in."""


def datasette_metadata(catalog: str) -> dict[str, object]:
    """Return what datasette shows beside the tables of a ``catalog``, a path (docs.datasette.io, "Metadata").

    Its views, accounts and scans are what is meant to be read; all other tables are hidden, and can be read, too.
    """
    name, _ = os.path.splitext(os.path.basename(display(catalog)))
    hidden = {table.name: table_view(table) for table in TABLES if table.name not in EXPORTED}
    described = {table: _described(table, view) for table, view in EXPORTED.items()}
    described.update({table: {**_described(table, view), "hidden": True} for table, view in hidden.items()})
    return {
        "title": "Backups that Installatron left",
        "description": "A catalog that 'backupmeta scan' wrote: what it found, secrets masked. Times are in UTC.",
        "databases": {name: {"tables": described}},
    }


def _described(table: str, view: CatalogView) -> dict[str, object]:
    """Return what datasette may know of a table or a view: it passes over what it has no use for."""
    columns = [shown.column for shown in view.columns]
    units = {column.name: _UNITS[column.name] for column in columns if _is_counted(column)}
    described: dict[str, object] = {"title": table.replace("_", " ").capitalize(), "description": view.meaning}
    described["columns"] = {column.name: column.meaning for column in columns}
    optional = {"units": units, "facets": _FACETS.get(table), "sort_desc": _LARGEST_FIRST.get(table)}
    return {**described, **{key: value for key, value in optional.items() if value}}


def _is_counted(column: Column) -> bool:
    return column.type is Type.INTEGER and column.name in _UNITS


# --- formats ----------------------------------------------------------------------------------------------------------

EXPORTS: Final[Formats[ExportRendering]] = Formats(
    Format("jsonl", "one JSON object a line", jsonl),
    Format("json", "an array of the same objects", json_),
    *csv_formats("a column a field", _csv_rows),
    Format("parquet", "columns with types; needs -o FILE", parquet, Trait.IN_A_FILE_ALONE),
)
"""The formats of an exported table."""
