"""An export as Parquet: columns with types, times in UTC, lists as lists, compressed with zstd. Needs pa."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_type_hints

from backupmeta.catalog.queries import Row
from backupmeta.catalog.schema import Column, Type
from backupmeta.record import values
from backupmeta.record.fields import FIELD
from backupmeta.record.values import Decoder

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Schema

_GROUP_ROWS: Final = 10_000
_GROUP_BYTES: Final = 64 * 1024 * 1024
"""How many rows, of how many bytes, are kept until they are written together: a row group."""
_BATCH_ROWS: Final = 1_000
_BATCH_CHARACTERS: Final = 4 * 1024 * 1024
"""How many rows, of how many characters, are turned into columns together."""
_CALENDAR: Final = range(-62_135_596_800, 253_402_300_800)
"""The Unix seconds of the years 1 to 9999."""
_ENTRIES: Final[Mapping[Decoder | None, type]] = {
    values.items: str,
    values.plugins: values.Plugin,
    values.themes: values.Theme,
}
"""What the lists have as entries, by what reads them from a record."""


class _Kind(NamedTuple):
    """How a column is written: its type in Arrow, and what makes such a value of a cell that is none."""

    type: "DataType"
    make: Callable[[Any], object] | None = None

    def array(self, cells: tuple[Any, ...]) -> "Array":
        import pyarrow as pa

        if self.make is None:
            return pa.array(cells, self.type)
        return pa.array([None if cell is None else self.make(cell) for cell in cells], self.type)


def parquet(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a Parquet file of the ``columns`` and ``rows``, piece by piece: its row groups, and at last its end.

    Lists of text, of plugins and of themes are lists; any other JSON is text. A time that no calendar has is null.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = list(map(_kind, columns))
    schema = pa.schema([(one.name, kind.type) for one, kind in zip(columns, kinds, strict=True)])
    written = _Written()
    with ParquetWriter(written, schema, compression="zstd") as writer:
        for group in _groups(_batch(schema, kinds, some) for some in _together(rows)):
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

    def write(self, content: Any) -> int:  # noqa: ANN401 - any buffer
        self._pieces.append(bytes(content))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _together(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows that are turned into columns together."""
    some: list[Row] = []
    characters = 0
    for row in rows:
        some.append(row)
        characters += sum(len(cell) for cell in row if isinstance(cell, str))
        if len(some) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield some
            some, characters = [], 0
    if some:
        yield some


def _groups(batches: "Iterable[RecordBatch]") -> "Iterator[list[RecordBatch]]":
    """Yield the batches of each row group."""
    group: list[RecordBatch] = []
    for one in batches:
        group.append(one)
        if sum(map(len, group)) >= _GROUP_ROWS or sum(some.nbytes for some in group) >= _GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _kind(column: Column) -> _Kind:
    import pyarrow as pa

    known = FIELD.get(column.name)
    if column.type is Type.SHARED and known is not None:
        return _Kind(pa.list_(_entry(_ENTRIES[known.decode])), json.loads)
    number = _Kind(pa.int64())
    kinds = {
        Type.KEY: number,
        Type.INTEGER: number,
        Type.FLAG: _Kind(pa.bool_(), bool),
        Type.TIME: _Kind(pa.timestamp("s", "UTC"), _in_calendar),
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


def _in_calendar(seconds: int) -> int | None:
    return seconds if seconds in _CALENDAR else None
