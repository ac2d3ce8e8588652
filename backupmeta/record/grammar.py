r"""The grammar of a record: bytes to lines, lossless (FORMAT.md §4).

An example, as ``APP-META.INI`` has it, LF between the lines and none after the last::

    installer=wordpress
    title=My blog (2)
    db-pass=not%a=real;password#

A line is split at its first ``=``; everything after that is the value, exactly. There are no sections, comments,
quotes or escapes. What follows a secret and has no plain key may be the secret's rest, after a newline in it: such a
line is not split. ``bytes(parse(content)) == content`` for every input.
"""

from collections.abc import Iterator, Sized
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.findings import Finding
from backupmeta.masking import MASK, is_secret
from backupmeta.provenance import Source
from backupmeta.secrets import mask_text, masked
from backupmeta.words import counted

BOM = b"\xef\xbb\xbf"
_MASK = MASK.encode()

_USUAL_BYTES: Final = 16 * 1024  # real records have 3 to 10 kB (FORMAT.md §4)
_USUAL_KEYS: Final = 200


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
        return f"Line(number={self.number}, offset={self.offset}, key={key!r}, value={self.shown!r})"

    @property
    def shown(self) -> str:
        """A rough, always harmless picture of the value, for a debugger."""
        return MASK if self.key is None else masked(self.key, self.value.decode("utf-8", "replace"))


class Record:
    """A parsed record. Its values are there at once; its lines, with their places, when they are asked for.

    Attributes:
        content: its bytes.
        is_plain: whether there is no BOM, no CR and no NUL in it.
        is_tidy: whether nothing is odd about its text: it is plain, and has as many keys as lines.
        values: the value that counts for each key: its last line's (README, "Decisions").
    """

    def __init__(self, content: bytes, values: dict[str, bytes] | None = None) -> None:
        """Parse ``content``, unless its ``values`` are known, and it to be tidy."""
        self.content = content
        self.is_plain: bool
        self.is_tidy: bool
        self.values: dict[str, bytes]
        if values is not None:
            self.is_plain = self.is_tidy = True
            self.values = values
            return
        self.is_plain = b"\r" not in content and b"\0" not in content and not content.startswith(BOM)
        self.values = _plain_values(content) if self.is_plain else {}
        if not self.values:  # something odd, or nothing
            self.values = {key: line.value for key, line in self.by_key.items()}
        self.is_tidy = self.is_plain and len(self.values) == _lines_in(content) > 0

    def __bytes__(self) -> bytes:
        return self.bom + b"".join(map(bytes, self.lines))

    def __repr__(self) -> str:
        return f"Record({len(self.values)} keys)"

    @property
    def is_usual(self) -> bool:
        """Whether it is no larger than real ones are: what its keys mean may be remembered."""
        return _is_usual(self.content, self.values)

    @property
    def bom(self) -> bytes:
        """The byte order mark that it begins with, or nothing."""
        return BOM if self.content.startswith(BOM) else b""

    @cached_property
    def has_mask(self) -> bool:
        """Whether something in it may be masked."""
        return _MASK in self.content

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every line, in order."""
        return tuple(_lines(self.content, len(self.bom)))

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


def _lines_in(content: bytes) -> int:
    """Return how many lines there are; a newline ends one and begins no other."""
    return content.count(b"\n") + (content[-1:] != b"\n")


def _plain_values(content: bytes) -> dict[str, bytes]:
    """Return the values of a record all of whose keys are plain; of any other nothing."""
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
