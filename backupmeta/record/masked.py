"""A record without its secrets: every line stands where it stood, only what must not be shown is replaced."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import compress, count
from operator import ne
from typing import Final, NamedTuple

from backupmeta.masking import MASK, is_secret
from backupmeta.record import grammar
from backupmeta.record.grammar import Line, Record
from backupmeta.secrets import is_location, mask_text, masked

_MASK: Final = MASK.encode()
_OTHER: Final = _MASK + b" (another)"
"""What stands for a secret that is not the one it was compared with."""
_BROKEN: Final = b"\xff"
"""Stands after the mask of a secret that was not UTF-8: what is masked can't be decoded either."""
_NOTHING: Final[Mapping[str, bytes]] = {}


def without_secrets(record: Record, other: Mapping[str, bytes] = _NOTHING) -> Record:
    """Return ``record`` with its secrets, and those that stand in its texts, masked.

    Args:
        record: the record.
        other: the values of another record, by key; a secret that is another one there is told from one that is not.
    """
    if record.is_tidy and not record.content.endswith(b"\n"):
        return _of_tidy(record, other)
    hidden = grammar.secret_lines(record)
    lines = (_of_line(record, line, line.number in hidden, other) for line in record.lines)
    return grammar.parse(record.bom + b"".join(lines))


def _of_tidy(record: Record, other: Mapping[str, bytes]) -> Record:
    """Mask a record with a key in every line: what has to be masked is few, and found without looking at each line."""
    content, values, rows = record.content, dict(record.values), record.content.split(b"\n")
    keys = tuple(values)
    secrets, locations = (_remembered_places if record.is_usual else _places)(keys)
    suspects = _suspects(content, rows)
    for place in suspects.union(locations).difference(place for place, _ in secrets):
        key = keys[place]
        if (masks := _shown(key, values[key])) is not values[key]:
            values[key] = masks
            rows[place] = rows[place].partition(b"=")[0] + b"=" + masks
    for place, key in secrets:
        values[key] = _masked(key, values[key], other)
        rows[place] = rows[place].partition(b"=")[0] + b"=" + values[key]
    return Record(b"\n".join(rows), values)


_MARKS: Final = (b":", b"//", b"%", b'"', b"'")
"""One of these, or a second ``=``, stands in every line in which something is masked that has no secret's name."""


def _suspects(content: bytes, rows: Sequence[bytes]) -> set[int]:
    """Return the places of the ``rows`` of ``content`` in which something may have to be masked."""
    places = set[int]()
    if content.count(b"=") > len(rows):
        places.update([place for place, row in enumerate(rows) if row.count(b"=") > 1])
    for mark in _MARKS:
        place, end, position = 0, 0, content.find(mark)
        while position >= 0:
            place += content.count(b"\n", end, position)
            places.add(place)
            end = content.find(b"\n", position)
            position = content.find(mark, end) if end >= 0 else -1
    return places


class Masked(NamedTuple):
    """A record, and the same without its secrets."""

    record: Record
    masked: Record

    def like(self, content: bytes) -> "Masked | None":
        """Return the record in ``content``, and without its secrets, where hardly a line differs from this one's.

        One account's records, one after the other, differ in a few lines. None where they differ in more.
        """
        before, rows = self.record, content.split(b"\n")
        old = before.content.split(b"\n")
        if len(rows) != len(old) or b"\r" in content or b"\0" in content or not rows[-1] or not before.is_tidy:
            return None
        values, masked, shown = dict(before.values), dict(self.masked.values), self.masked.content.split(b"\n")
        for place in compress(count(), map(ne, rows, old)):
            name, equals, value = rows[place].partition(b"=")
            if not equals or not old[place].startswith(name + equals):
                return None
            key = name.decode("utf-8", "surrogateescape")
            values[key] = value
            masked[key] = _masked(key, value, _NOTHING) if is_secret(key) else _shown(key, value)
            shown[place] = name + b"=" + masked[key]
        return Masked(Record(content, values), Record(b"\n".join(shown), masked))


def _places(keys: tuple[str, ...]) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...]]:
    """Return the secret ones among ``keys``, each with its place, and the places of those that name a location."""
    secrets = tuple((place, key) for place, key in enumerate(keys) if is_secret(key))
    return secrets, tuple(place for place, key in enumerate(keys) if is_location(key))


_remembered_places = lru_cache(maxsize=256)(_places)


def _of_line(record: Record, line: Line, is_hidden: bool, other: Mapping[str, bytes]) -> bytes:  # noqa: FBT001
    if line.key is None:
        text = _MASK if is_hidden and line.value else _shown("", line.value)
        return text + line.end
    counted = {line.key: record.values[line.key]} if record.by_key[line.key] is not line else other
    text = _masked(line.key, line.value, counted) if is_hidden else _shown(line.key, line.value)
    return bytes(line._replace(key=mask_text(line.key), value=text))


def _masked(key: str, value: bytes, other: Mapping[str, bytes]) -> bytes:
    """Return what stands for the secret ``value``; an empty one stays empty."""
    if not value:
        return value
    mask = _MASK if other.get(key, value) == value else _OTHER
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return mask + _BROKEN
    return mask


def _shown(key: str, value: bytes) -> bytes:
    """Return the ``value`` of a harmless ``key`` with the secrets that stand in it masked."""
    is_marked = b":" in value or b"=" in value or b"%" in value or b'"' in value or b"'" in value or b"//" in value
    if not (is_marked or (b"@" in value and is_location(key))):
        return value
    return masked(key, value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


NOTHING: Final = Masked(grammar.parse(b""), grammar.parse(b""))
"""What no record is like."""
