"""Cells: what is known of a backup or an install as its row has it.

A row of a backup depends on its own files alone; what the live install says of itself stands in the install's row.
"""

import json
from collections.abc import Sequence
from datetime import timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from backupmeta.backup.inspection import Inspection
from backupmeta.catalog.rows import Cell, Cells
from backupmeta.catalog.schema import BACKUP_FIELDS, INSTALL_FIELDS, Column, Type
from backupmeta.masking import is_secret, masked
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.document import Document
from backupmeta.record.fields import CUSTOM, FIELD, FIELDS, Scope
from backupmeta.record.values import Value
from backupmeta.secrets import closed

GREATEST: Final = 2**63 - 1
"""The greatest number that a column holds."""
_LIVE: Final = frozenset(one.name for one in FIELDS if one.scope is Scope.LIVE)
"""The fields that a live install tells, or nobody: here they stand in its own row."""
_MADE: Final = frozenset({"id", "file", "backup_filename"})
"""The fields that a file's name or a path may tell: no record that was masked."""


_LONGEST_REMEMBERED: Final = 4096  # bytes; real lists are shorter, and a record may hold a million


class Text(NamedTuple):
    """A value that many rows have: its digest, which stands for it in a row, and its JSON."""

    digest: bytes
    content: str


class Shelf:
    """Collects the values that many rows have, each once.

    Attributes:
        values: the values, as JSON, by their digests.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, str] = {}

    def key(self, text: Text) -> bytes:
        """Return what stands for ``text`` in a row."""
        self.values[text.digest] = text.content
        return text.digest


def cells_of(found: Inspection, shape: "Shape", shelf: Shelf) -> Cells:
    """Return the cells of the fields that are ``found``, and those beside; put what many rows have on ``shelf``."""
    fields, origins = found.fields, found.origins
    cells: list[Any] = [fields.get(name) for name in shape.names]  # fields' values first, then cells
    for place in shape.numbers:
        cells[place] = number(cells[place])
    for place, name in shape.live:
        if origins.get(name).__class__ is not Document:
            cells[place] = None
    for place, name, key in shape.shared:
        if cells[place] is not None:
            cells[place] = shelf.key(_shared(name, fields[name], origins[name], key))
    for place in shape.made:
        if isinstance(cell := cells[place], str) and origins[shape.names[place]].__class__ is not Document:
            cells[place] = display(cell)
    custom = {name: fields[name] for name in fields if name not in FIELD}
    kept = tuple((key, holding[0].record.values[key]) for key, holding in found.kept.items())
    return (*cells, *map(shelf.key, (json_of(custom) if custom else EMPTY, extra(kept), _origins(found))))


def _shared(name: str, value: Value, origin: Document | Source, key: str) -> Text:
    return list_of(name, origin.record.values[key]) if isinstance(origin, Document) else json_of(value)


class Shape(NamedTuple):
    """Where in a row of fields is what."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    shared: tuple[tuple[int, str, str], ...]
    secrets: tuple[int, ...]
    live: tuple[tuple[int, str], ...]
    made: tuple[int, ...]


def _shape(columns: Sequence[Column], told_alone: frozenset[str]) -> Shape:
    """Return the shape of ``columns``; of those ``told_alone`` only what a record of its own tells counts."""
    numbers = {Type.INTEGER, Type.TIME, Type.FLAG}
    return Shape(
        tuple(one.name for one in columns),
        tuple(place for place, one in enumerate(columns) if one.type in numbers),
        tuple(
            (place, one.name, FIELD[one.name].key or "") for place, one in enumerate(columns) if one.type is Type.SHARED
        ),
        tuple(place for place, one in enumerate(columns) if is_secret(one.name)),
        tuple((place, one.name) for place, one in enumerate(columns) if one.name in told_alone),
        tuple(place for place, one in enumerate(columns) if one.name in _MADE),
    )


BACKUP: Final = _shape(BACKUP_FIELDS, _LIVE)
INSTALL: Final = _shape(INSTALL_FIELDS, frozenset({"cache_numbackups"}))  # unless its record tells it: see the view


def number(value: Value | Cell) -> int | None:
    """Return a number as the catalog holds it; None for one beyond 64 bits, which the memory has exactly."""
    if value is None or value == "":
        return None
    number = int(value)  # type: ignore[arg-type]  # digits, a number or a flag
    return number if -GREATEST <= number <= GREATEST else None


def seconds(offset: timezone | None) -> int | None:
    """Return an offset from UTC in seconds."""
    return None if offset is None else int(offset.utcoffset(None).total_seconds())


def list_of(name: str, raw: bytes) -> Text:
    """Return the list that a record has in ``raw`` for the field ``name``."""
    return (_remembered_list if len(raw) <= _LONGEST_REMEMBERED else _list_of)(name, raw)


def _list_of(name: str, raw: bytes) -> Text:
    return json_of(closed(name, FIELD[name].decode(raw)))


_remembered_list = lru_cache(maxsize=4096)(_list_of)


def json_of(value: object) -> Text:
    """Return ``value`` as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return (_remembered_text if len(content) <= _LONGEST_REMEMBERED else _text)(content)


def _text(content: str) -> Text:
    return Text(blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest(), content)


_remembered_text = lru_cache(maxsize=4096)(_text)

EMPTY: Final = json_of({})


def custom_of(fields: tuple[tuple[str, str], ...]) -> Text:
    """Return the custom ``fields`` that have no column."""
    return json_of(dict(fields))


def extra(kept: tuple[tuple[str, bytes], ...]) -> Text:
    """Return all other keys with what the first record says of them."""
    return (_remembered_extra if _length(kept) <= _LONGEST_REMEMBERED else _extra)(kept)


def _extra(kept: tuple[tuple[str, bytes], ...]) -> Text:
    texts = ((key, raw.decode("utf-8", "replace")) for key, raw in kept)
    return json_of({display(key): masked(key, text) for key, text in texts})


_remembered_extra = lru_cache(maxsize=4096)(_extra)


def _length(kept: Sequence[tuple[str, bytes]]) -> int:
    return sum(len(key) + len(value) for key, value in kept)


def _origins(found: Inspection) -> Text:
    """Return the witness and the line of each field."""
    origins = found.origins
    main = next((one for one in origins.values() if isinstance(one, Document)), None)
    others = {name: one for name, one in origins.items() if one is not main}
    if main is None or not main.record.is_tidy or any(isinstance(one, Document) for one in others.values()):
        return json_of({name: [str(place.witness), place.line] for name in origins for place in [found.source(name)]})
    witnesses = tuple([(name, str(one[0])) for name, one in others.items()])
    tell = _remembered_origins if main.record.is_usual else _origins_of
    return tell(tuple(origins), main.source.witness, tuple(main.record.values), witnesses)


def _origins_of(
    names: tuple[str, ...], main: Witness, keys: tuple[str, ...], others: tuple[tuple[str, str], ...]
) -> Text:
    """Return the witness and the line of each field, where one record with a key in each line tells most of them."""
    lines, without_line = {key: line for line, key in enumerate(keys, 1)}, dict(others)
    return json_of(
        {
            name: [without_line[name], None] if name in without_line else [str(main), lines[_key_of(name)]]
            for name in names
        }
    )


_remembered_origins = lru_cache(maxsize=1024)(_origins_of)


def _key_of(name: str) -> str:
    known = FIELD.get(name)
    return known.key if known is not None and known.key is not None else CUSTOM + name
