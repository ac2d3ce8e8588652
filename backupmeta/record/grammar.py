r"""The grammar of a record: bytes to lines, lossless (FORMAT.md §4).

An example, as ``APP-META.INI`` has it, LF between the lines and none after the last::

    installer=wordpress
    title=My blog (2)
    db-pass=not%a=real;password#

A line is split at its first ``=``; everything after that is the value, exactly. There are no sections, comments,
quotes or escapes. What follows a secret and has no plain key may be the secret's rest, after a newline in it: such a
line is not split.

A `Record` shows its secrets to nobody: its content and values, repr and pickle have the mask, and every line stays
where it was. `Record.opened` has the clear values; tests/test_secrets.py names who may ask for them. A `Document` is a
record and where it stands.
"""

import copyreg
import io
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from functools import cached_property, lru_cache
from itertools import compress, count
from operator import ne
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.archive.limits import Limits
from backupmeta.errors import LimitExceededError
from backupmeta.findings import Finding
from backupmeta.masking import MASK, is_secret
from backupmeta.provenance import Fact, Source
from backupmeta.secrets import closed, is_location, mask_text, masked
from backupmeta.words import counted

BOM = b"\xef\xbb\xbf"
_MASK: Final = MASK.encode()

_USUAL_BYTES: Final = 16 * 1024  # real records have 3 to 10 kB (FORMAT.md §4)
_USUAL_KEYS: Final = 200

_OF_BYTE: Final = 3
_OF_FILE: Final = 1024
_OF_LINE: Final = 128
_OF_NEW_KEY: Final = 256
_OF_ODD_LINE: Final = 512
"""What CPython takes for a record, about, in bytes: for each byte, which stands in it, in a value, and in an answer;
for itself; for each line and its value; for a key that other records don't share; for a line that is odd."""


class Line(NamedTuple):
    """One line of a record.

    Attributes:
        number: from 1.
        offset: where the line begins, in bytes of the record.
        key: the text before the first ``=``, bytes that aren't UTF-8 as surrogates; None for a line without one, and
            for what follows a secret and has no plain key: perhaps its rest, after a newline in it.
        value: the bytes after the first ``=``, or all of a line without a key.
        end: the line's end: LF, CRLF, or nothing on a last line.
    """

    number: int
    offset: int
    key: str | None
    value: bytes
    end: bytes

    def __bytes__(self) -> bytes:
        before = b"" if self.key is None else self.key.encode("utf-8", "surrogateescape") + b"="
        return before + self.value + self.end

    def __repr__(self) -> str:
        key = None if self.key is None else mask_text(self.key)
        shown = MASK if self.key is None else masked(self.key, self.value.decode("utf-8", "replace"))
        return f"Line(number={self.number}, offset={self.offset}, key={key!r}, value={shown!r})"


_LONG: Final = 65536
"""A record of more bytes is longer than any that is known: those have 3 to 10 kB (FORMAT.md §4)."""


class Record:
    """A parsed record. Its values are there at once; its lines, with their places, when they are asked for.

    Attributes:
        clear: its bytes, in clear.
        is_masked: whether its secrets are gone: it was masked before.
        is_tidy: whether nothing is odd about its text: there is no BOM, no CR and no NUL in it, and each line has a
            key of its own, a plain one.
        opened: the value that counts for each key, in clear: its last line's (`backupmeta help view`, "Decisions").
    """

    def __init__(self, content: bytes, opened: dict[str, bytes] | None = None, *, is_masked: bool = False) -> None:
        """Parse ``content``, unless its values are known, and it to be tidy."""
        self.clear: bytes = content
        self.is_masked: bool = is_masked
        self.opened: dict[str, bytes] = _plain_values(content) if opened is None else opened
        self.is_tidy: bool = opened is not None or len(self.opened) == _lines_in(content) > 0
        if not self.opened:  # something odd, or nothing
            self.opened = {key: line.value for key, line in self.by_key.items()}

    def __repr__(self) -> str:
        return f"Record({len(self.opened)} keys)"

    def __reduce__(self) -> tuple[Callable[[bytes], "Record"], tuple[bytes]]:
        return parse_masked, (self.content,)

    def is_of(self, content: bytes) -> bool:
        """Return whether it is the record in ``content``, byte for byte."""
        return self.clear == content

    @property
    def content(self) -> bytes:
        """Its bytes, secrets masked."""
        return self.masked.clear

    @property
    def values(self) -> dict[str, bytes]:
        """The value that counts for each key, secrets masked."""
        return self.masked.opened

    @property
    def masked(self) -> "Record":
        """The same with its secrets, and those that stand in its texts, masked."""
        return self if self.is_masked else self._masked

    @cached_property
    def _masked(self) -> "Record":
        return without_secrets(self)

    @cached_property
    def masked_keys(self) -> frozenset[str]:
        """The keys in whose values, or in which themselves, something is masked that was not before.

        Of a long record they are all its keys: a copy with masks takes as much room as the record.
        """
        if len(self.clear) > _LONG and not self.is_masked:
            return frozenset(self.opened)
        shown = map(self.values.get, self.opened)
        return frozenset(compress(self.opened, map(ne, self.opened.values(), shown)))

    @property
    def is_text(self) -> bool:
        """Whether all of it is UTF-8."""
        try:
            return self.clear.isascii() or bool(self.clear.decode("utf-8"))
        except UnicodeDecodeError:
            return False

    def like(self, content: bytes) -> "Record | None":
        """Return the record in ``content``, where hardly a line differs from this one's; None where more do.

        One account's records, one after the other, differ in a few lines: the others are not masked again.
        """
        rows, old = content.split(b"\n"), self.clear.split(b"\n")
        if len(rows) != len(old) or b"\r" in content or b"\0" in content or not rows[-1] or not self.is_tidy:
            return None
        changed: dict[str, bytes] = {}
        masks: dict[str, bytes] = {}
        shown = self.content.split(b"\n")
        for place in compress(count(), map(ne, rows, old)):
            name, equals, value = rows[place].partition(b"=")
            if not equals or not old[place].startswith(name + equals):
                return None
            key = name.decode("utf-8", "surrogateescape")
            changed[key] = value
            masks[key] = _mask_of(value) if is_secret(key) else _shown(key, value)
            shown[place] = name + b"=" + masks[key]
        alike = Record(content, self.opened | changed)
        alike._masked = Record(b"\n".join(shown), self.values | masks, is_masked=True)
        alike.masked_keys = self.masked_keys - changed.keys() | {key for key in changed if masks[key] != changed[key]}
        return alike

    @property
    def is_usual(self) -> bool:
        """Whether it is no larger than real ones are: what its keys mean may be remembered."""
        return _is_usual(self.clear, self.opened)

    @property
    def memory(self) -> int:
        """How many bytes of memory it takes, about."""
        if not self.is_tidy:
            return memory_of(self.clear, _OF_LINE + _OF_NEW_KEY + _OF_ODD_LINE)
        return memory_of(self.clear, _OF_LINE if self.is_usual else _OF_LINE + _OF_NEW_KEY)

    @property
    def bom(self) -> bytes:
        """The byte order mark that it begins with, or nothing."""
        return BOM if self.clear.startswith(BOM) else b""

    @cached_property
    def has_mask(self) -> bool:
        """Whether something in it was masked when it was read."""
        return _MASK in self.clear

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every line, in order, in clear."""
        return tuple(_lines(self.clear, len(self.bom)))

    @cached_property
    def by_key(self) -> dict[str, Line]:
        """The line that counts for each key: its last one."""
        return {line.key: line for line in self.lines if line.key is not None}


def parse(content: bytes) -> Record:
    r"""Return the record in ``content``; never raises.

    >>> parse(b"title=a=b\nowner=\n").lines[0].value
    b'a=b'
    """
    return Record(content)


def parse_masked(content: bytes) -> Record:
    """Return the record in ``content``, whose secrets were masked before."""
    return Record(content, is_masked=True)


def memory_of(content: bytes, of_line: int = _OF_LINE) -> int:
    """Return how many bytes of memory the text of a record takes, about, with what is made of each line."""
    return _OF_FILE + _OF_BYTE * len(content) + of_line * (content.count(b"\n") + 1)


def _lines_in(content: bytes) -> int:
    """Return how many lines there are; a newline ends one and begins no other."""
    return content.count(b"\n") + (content[-1:] != b"\n")


def _plain_values(content: bytes) -> dict[str, bytes]:
    """Return the values of a record whose text is plain, as all its keys are; of any other nothing."""
    if b"\r" in content or b"\0" in content or content.startswith(BOM):
        return {}
    values = {}
    for row in content.split(b"\n"):
        key, equals, value = row.partition(b"=")
        if equals:
            values[key] = value
    keys = (_keys if _is_usual(content, values) else _keys_of)(tuple(values))
    return dict(zip(keys, values.values(), strict=True)) if keys else {}


def _keys_of(raw: tuple[bytes, ...]) -> tuple[str, ...]:
    """Return the keys that the bytes ``raw`` mean; nothing where one of them is not plain."""
    keys = tuple(key.decode("utf-8", "surrogateescape") for key in raw)
    return keys if "" not in keys and _is_plain("".join(keys)) else ()


_keys = lru_cache(maxsize=256)(_keys_of)


def _is_usual(content: bytes, values: Sized) -> bool:
    return len(content) <= _USUAL_BYTES and len(values) <= _USUAL_KEYS


def _lines(content: bytes, offset: int) -> Iterator[Line]:
    rows = content[offset:].split(b"\n")
    last = len(rows) if rows[-1] else len(rows) - 1  # nothing after the last LF is no line
    in_secret = False
    for number, row in enumerate(rows[:last], 1):
        end = b"\n" if number < len(rows) else b""
        body, end = (row[:-1], b"\r\n") if end and row.endswith(b"\r") else (row, end)
        before, equals, value = body.partition(b"=")
        key = before.decode("utf-8", "surrogateescape") if equals else None
        is_rest = key is None or not _is_plain(key)
        if in_secret and is_rest:
            yield Line(number, offset, None, body, end)
        else:
            in_secret = (in_secret and is_rest) or (key is not None and is_secret(key))
            yield Line(number, offset, key, value if equals else body, end)
        offset += len(body) + len(end)


def findings(record: Record, source: Source) -> Iterator[Finding]:
    """Yield what is odd about the text of ``record``, which stands at ``source``; meaning is not looked at."""
    if record.is_tidy:
        return
    if not record.lines:
        yield Finding(rules.RECORD_EMPTY, evidence=(source,))
    if record.bom:
        yield Finding(rules.RECORD_BOM, evidence=(source,))
    crlf = [line for line in record.lines if line.end == b"\r\n"]
    if crlf:
        lines = f"{len(crlf):,} of {counted(len(record.lines), 'line')}"
        yield Finding(rules.RECORD_CRLF, "", lines, (at(source, record, crlf[0]),))
    for line in record.lines:
        yield from _odd_line(record, line, source)


def _odd_line(record: Record, line: Line, source: Source) -> Iterator[Finding]:
    if b"\0" in line.value or (line.key and "\0" in line.key):
        yield Finding(rules.RECORD_NUL, line.key or "", f"line {line.number}", (at(source, record, line),))
    if line.key is None:
        where = f"line {line.number}, {counted(len(line.value), 'byte')}"
        yield Finding(rules.RECORD_NO_EQUALS, "", where, (at(source, record, line),))
    elif (used := record.by_key[line.key]) is not line:
        same = "the same value" if used.value == line.value else "another value"
        where = f"lines {line.number} and {used.number}, {same}"
        yield Finding(rules.RECORD_DUPLICATE_KEY, line.key, where, (at(source, record, line), at(source, record, used)))


def at(source: Source, record: Record, line: Line) -> Source:
    """Return the place of ``line`` in the ``record`` at ``source``.

    A record in which something is masked had other offsets; they are not told then, nor how long a secret was.
    """
    offset = None if record.has_mask else line.offset
    return Source(source.witness, source.path, source.member, line.number, offset)


def secret_lines(record: Record) -> frozenset[int]:
    """Return the numbers of the lines whose value must not be shown: of a secret key, or perhaps the rest of one."""
    in_secret = False
    numbers = set()
    for line in record.lines:
        in_secret = in_secret if line.key is None else is_secret(line.key)
        if in_secret:
            numbers.add(line.number)
    return frozenset(numbers)


def _is_plain(key: str) -> bool:
    """Return whether ``key`` has the form of the writer's keys: ``list-files``."""
    return key.isascii() and key.replace("-", "").replace("_", "").isalnum()


# --- without secrets --------------------------------------------------------------------------------------------------

_OTHER: Final = _MASK + b" (another)"
"""What stands for a secret that is not the one it was compared with."""
_BROKEN: Final = b"\xff"
"""Stands after the mask of a secret that was not UTF-8: what is masked can't be decoded either."""
_MARKS: Final = (b":", b"//", b"%", b'"', b"'")
"""One of these, or a second ``=``, stands in every line in which something is masked that has no secret's name."""
_NOTHING: Final[Mapping[str, bytes]] = {}


def without_secrets(record: Record, other: Mapping[str, bytes] = _NOTHING) -> Record:
    """Return ``record`` with its secrets, and those that stand in its texts, masked.

    Args:
        record: the record.
        other: the clear values of another record, by key; a secret that is another one there is told from one that is
            not.
    """
    content = record.clear
    if record.is_tidy and not content.endswith(b"\n"):
        return _of_tidy(content, record, other)
    hidden = secret_lines(record)
    lines = (_of_line(record, line, other, is_hidden=line.number in hidden) for line in record.lines)
    return parse_masked(record.bom + b"".join(lines))


def _of_tidy(content: bytes, record: Record, other: Mapping[str, bytes]) -> Record:
    """Mask a record with a key in every line: what has to be masked is few, and found without looking at each line."""
    values, rows = record.opened.copy(), content.split(b"\n")
    keys = tuple(values)
    secrets, locations = (_remembered_places if record.is_usual else _places)(keys)
    for place in _suspects(content, rows).union(locations).difference(secrets):
        key = keys[place]
        if (masks := _shown(key, values[key])) is not values[key]:
            values[key] = masks
            rows[place] = rows[place].partition(b"=")[0] + b"=" + masks
    for place in secrets:
        key = keys[place]
        values[key] = _mask_of(values[key], other.get(key))
        rows[place] = rows[place].partition(b"=")[0] + b"=" + values[key]
    return Record(b"\n".join(rows), values, is_masked=True)


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


def _places(keys: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the places of the secret ones among ``keys``, and of those that name a location."""
    return (
        tuple(place for place, key in enumerate(keys) if is_secret(key)),
        tuple(place for place, key in enumerate(keys) if is_location(key)),
    )


_remembered_places = lru_cache(maxsize=256)(_places)


def _of_line(record: Record, line: Line, other: Mapping[str, bytes], *, is_hidden: bool) -> bytes:
    if line.key is None:
        return (_MASK if is_hidden and line.value else _shown("", line.value)) + line.end
    compared = other.get(line.key) if record.by_key[line.key] is line else record.opened[line.key]
    value = _mask_of(line.value, compared) if is_hidden else _shown(line.key, line.value)
    return bytes(line._replace(key=mask_text(line.key), value=value))


def _mask_of(value: bytes, other: bytes | None = None) -> bytes:
    """Return what stands for the secret ``value``, which may be an ``other`` one; an empty one stays empty."""
    if not value:
        return value
    mask = _MASK if other in {None, value} else _OTHER
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return mask + _BROKEN
    return mask


def _shown(key: str, value: bytes) -> bytes:
    """Return the ``value`` of a harmless ``key`` with the secrets that stand in it masked."""
    is_marked = b"=" in value or any(mark in value for mark in _MARKS)
    if not (is_marked or (b"@" in value and is_location(key))):
        return value
    return masked(key, value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


# --- a record and where it stands -------------------------------------------------------------------------------------


class Document(NamedTuple):
    """A record and where it stands.

    Attributes:
        source: its witness, path and member.
        record: its content.
    """

    source: Source
    record: Record

    def opened(self, key: str) -> str | None:
        """Return the value of ``key`` as text, in clear, or None where there is none or it is not UTF-8."""
        value = self.record.opened.get(key)
        try:
            return None if value is None else value.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def text(self, key: str) -> str:
        """Return the value of ``key`` as it may be shown; empty where there is none, and where it is not UTF-8."""
        return closed(key, self.opened(key) or "")

    def at(self, key: str) -> Source:
        """Return the place of the line that counts for ``key``."""
        return at(self.source, self.record, self.record.by_key[key])

    def fact(self, key: str) -> Fact:
        """Return what it says of ``key``, closed where that is a secret, or has one in it."""
        return Fact(key, closed(key, self.record.opened[key]), self.at(key))


def document(source: Source, content: bytes, limits: Limits) -> Document:
    """Return the record in ``content``, which stands at ``source``. Raises `LimitExceededError` as `check`."""
    check(source.path, content, limits)
    return Document(source, Record(content))


def check(path: str, content: bytes, limits: Limits) -> None:
    """Raise `LimitExceededError` where the record at ``path`` has more lines or commas than ``limits`` allow."""
    for name, mark, most in (("record_lines", b"\n", limits.record_lines), ("record_items", b",", limits.record_items)):
        if (number := content.count(mark)) > most:
            raise LimitExceededError(path, name, most, number)


def pickled_in_clear(order: object) -> bytes:
    """Return a pickled order in which records have their secrets: for a pipe to a process of this program alone."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.dispatch_table = {**copyreg.dispatch_table, Record: _in_clear}
    pickler.dump(order)
    return buffer.getvalue()


def _in_clear(record: Record) -> tuple[Callable[[bytes], Record], tuple[bytes]]:
    return parse_masked if record.is_masked else parse, (record.clear,)
