"""A record without its secrets: every line stands where it stood, only what must not be shown is replaced."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import compress, count
from operator import ne
from typing import Final, NamedTuple

from backupmeta.masking import MASK, is_secret, masked
from backupmeta.record import grammar
from backupmeta.record.grammar import Line, Record

_MASK: Final = MASK.encode()
_OTHER: Final = _MASK + b" (another)"
"""What stands for a secret that is not the one it was compared with."""
_BROKEN: Final = b"\xff"
"""Stands behind the mask of a secret that was not UTF-8: what is masked can't be decoded either."""
_NOTHING: Final[Mapping[str, bytes]] = {}


def without_secrets(record: Record, other: Mapping[str, bytes] = _NOTHING) -> Record:
    """Return ``record`` with its secrets, and the userinfo of URIs, masked.

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
    for place, key in (_secrets if record.is_usual else _secrets_of)(tuple(values)):
        values[key] = _masked(key, values[key], other)
        rows[place] = rows[place].partition(b"=")[0] + b"=" + values[key]
    for place in _with_uris(content):
        name, _, value = rows[place].partition(b"=")
        if not _PLAIN_URI(value):
            key = name.decode("utf-8", "surrogateescape")
            values[key] = _without_userinfo(key, value)
            rows[place] = name + b"=" + values[key]
    return Record(b"\n".join(rows), values)


def _with_uris(content: bytes) -> Iterator[int]:
    """Yield the places of the lines that hold a URI, each once."""
    place = begin = 0
    while (found := content.find(b"://", begin)) >= 0:
        place += content.count(b"\n", begin, found)
        yield place
        if (begin := content.find(b"\n", found)) < 0:
            return


_PLAIN_URI: Final = re.compile(rb"[^@?&;]*").fullmatch
"""Tells whether a value has no character that begins or ends what is masked in a URI."""


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
            masked[key] = _masked(key, value, _NOTHING) if is_secret(key) else _without_userinfo(key, value)
            shown[place] = name + b"=" + masked[key]
        return Masked(Record(content, values), Record(b"\n".join(shown), masked))


def _secrets_of(keys: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Return the secret ones among ``keys``, each with its place."""
    return tuple((place, key) for place, key in enumerate(keys) if is_secret(key))


_secrets = lru_cache(maxsize=256)(_secrets_of)


def _of_line(record: Record, line: Line, is_hidden: bool, other: Mapping[str, bytes]) -> bytes:  # noqa: FBT001
    if line.key is None:
        text = _MASK if is_hidden and line.value else _without_userinfo("", line.value)
        return text + line.end
    counted = {line.key: record.values[line.key]} if record.by_key[line.key] is not line else other
    text = _masked(line.key, line.value, counted) if is_hidden else _without_userinfo(line.key, line.value)
    return bytes(line._replace(value=text))


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


def _without_userinfo(key: str, value: bytes) -> bytes:
    if b"://" not in value:
        return value
    return masked(key, value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


NOTHING: Final = Masked(grammar.parse(b""), grammar.parse(b""))
"""What no record is like."""
