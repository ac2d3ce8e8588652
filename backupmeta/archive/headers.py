"""Tar headers: a block of 512 bytes each, the headers that extend the next one, and maps of sparse files.

POSIX.1-2017 pax, "ustar Interchange Format": pax records (``x``, ``g``; Solaris ``X``). GNU tar manual: long names
(``L``, ``K``), "Sparse Formats".
"""

import re
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from zlib import adler32

from backupmeta.words import NANOSECONDS, counted

BLOCK: Final = 512

HEADER: Final = struct.Struct("100s24s12s12s8sc100s255s")
"""Name; mode, uid and gid; size; mtime; checksum; type; link; what stands after it."""

_ASCII: Final = bytes(range(128))
_HALF: Final = BLOCK // 2
_BLANKS: Final = 8 * ord(" ")
_PAX_TIME: Final = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]*))?")
_PAX_NUMBERS: Final = (b"size", b"uid", b"gid", b"GNU.sparse.size", b"GNU.sparse.realsize")
_PAX_KEYS: Final = frozenset(
    b"path linkpath size mtime uid gid uname gname GNU.sparse.name GNU.sparse.size GNU.sparse.realsize "
    b"GNU.sparse.map GNU.sparse.major GNU.sparse.minor GNU.volume.filename".split()
)
_PAX_RUNS: Final = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
"""Pax 0.0 writes a map of holes as these two, in turns."""

_PAX_LENGTH_DIGITS: Final = 20

MemberKind = Literal[
    "file",
    "hard link",
    "symlink",
    "character device",
    "block device",
    "directory",
    "fifo",
    "volume label",
    "continuation",
    "other",
]
KINDS: Final[Mapping[bytes, MemberKind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",  # contiguous
    b"S": "file",  # GNU sparse
    b"1": "hard link",
    b"2": "symlink",
    b"3": "character device",
    b"4": "block device",
    b"5": "directory",
    b"D": "directory",  # GNU incremental: its content lists names
    b"6": "fifo",
    b"V": "volume label",
    b"M": "continuation",
}
EXTENSIONS: Final = frozenset({b"L", b"K", b"x", b"g", b"X"})
LINKS: Final = frozenset({"hard link", "symlink"})
WITHOUT_CONTENT: Final = frozenset({b"1", b"2", b"3", b"4", b"5", b"6", b"V"})


Fields = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""What `HEADER` unpacks."""


def number_or_none(field: bytes) -> int | None:
    r"""Return a number of a header: octal, or base-256 where the first bit is set (GNU, star); None where it is none.

    A NUL before the digits, which AIX writes, is passed over, as GNU tar and bsdtar do.

    >>> number_or_none(b"0000644\0")
    420
    """
    digits = field[:-1] if field[-1:] in {b"\0", b" "} else field
    if not digits.isdigit():
        digits = field[field[:1] == b"\0" :].partition(b"\0")[0].strip()
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:  # an 8 or a 9
            return None
    if field[:1] >= b"\x80":
        is_negative = field.startswith(b"\xff")
        return int.from_bytes(field, "big", signed=True) if is_negative else int.from_bytes(field[1:], "big")
    return None if digits else 0


PERMISSIONS: Final = 0o7777
"""The bits of a mode that are permissions; old programs write the member's kind in others."""


@lru_cache(1024)
def access(fields: bytes) -> tuple[int, int, int] | None:
    """Return the permission bits, the owner's and the group's number from their 24 bytes; None where one is none."""
    mode, uid, gid = (number_or_none(fields[at : at + 8]) for at in (0, 8, 16))
    return None if mode is None or uid is None or gid is None else (mode & PERMISSIONS, uid, gid)


@lru_cache(4096)
def time(field: bytes) -> int | None:
    """Return a modification time in nanoseconds; None where it is no number."""
    return None if (seconds := number_or_none(field)) is None else seconds * NANOSECONDS


@lru_cache(1024)
def owners(fields: bytes) -> tuple[bytes, bytes]:
    """Return the owner's and the group's name from their 64 bytes."""
    return text(fields[:32]), text(fields[32:])


def prefix_in(fields: bytes) -> bytes:
    """Return what goes before the name; ``fields`` are the bytes after the link's target.

    ustar and pax headers have a prefix (as for bsdtar and tarfile also where no NUL ends the magic), GNU's, whose magic
    ends with blanks, have not; star's is 131 bytes long, with times after it, and a magic of its own ends its header.
    """
    if not fields.startswith(b"ustar") or fields.startswith(b"ustar  \0"):
        return b""
    begin = 345 - 257
    return text(fields[begin : begin + (131 if fields[-4:] == b"tar\0" else 155)])


def text(field: bytes) -> bytes:
    """Return what stands before the first NUL."""
    return field.partition(b"\0")[0]


def is_header(buffer: bytes, at: int) -> bool:
    """Return whether the 512 bytes of ``buffer`` from ``at`` on add up to their checksum, with blanks in its place.

    Some old programs added signed bytes; that is accepted, too (as tarfile, GNU tar and bsdtar do).
    """
    field, middle = buffer[at + 148 : at + 156], at + _HALF
    if len(buffer) - at < BLOCK or (expected := number_or_none(field)) is None:
        return False
    # Adler-32's lower half is one plus the sum of the bytes modulo 65521 (RFC 1950 §8.2); 256 bytes add up to less.
    total = (adler32(buffer[at:middle]) & 0xFFFF) + (adler32(buffer[middle : at + BLOCK]) & 0xFFFF) - 2
    total += _BLANKS - sum(field)
    if expected == total:
        return True
    signed = (buffer[at : at + 148] + buffer[at + 156 : at + BLOCK]).translate(None, _ASCII)
    return expected == total - 256 * len(signed)


def pax_records(content: bytes) -> tuple[dict[bytes, bytes], bytes]:
    r"""Return the known records of a pax header, and the rest of it from the first malformed one on.

    ``27 path=wp-content/x.php\n``: the length, decimal, counts all of itself. A keyword holds no NUL; NULs may stand
    after the last record. The runs of pax 0.0's sparse files become the map of 0.1.
    """
    records, runs = dict[bytes, bytes](), list[tuple[bytes, bytes]]()
    at = 0
    while (blank := content.find(b" ", at, at + _PAX_LENGTH_DIGITS)) > at and (length := content[at:blank]).isdigit():
        end = at + int(length)
        key, equals, value = content[blank + 1 : end - 1].partition(b"=")
        if not equals or content[end - 1 : end] != b"\n" or b"\0" in key:
            break
        at = end
        if key in _PAX_KEYS:
            records[key] = value
        elif key in _PAX_RUNS:
            runs.append((key, value))
    if runs:
        in_turns = all(key == _PAX_RUNS[place % 2] for place, (key, _) in enumerate(runs))
        records[b"GNU.sparse.map"] = b",".join(value for _, value in runs) if in_turns else b"?"
    return records, content[at:].rstrip(b"\0")


def pax_number(records: Mapping[bytes, bytes], key: bytes) -> int | None:
    """Return a record's number; None where there is none, or where it is none."""
    value = records.get(key, b"")
    return int(value) if value.isdigit() and len(value.lstrip(b"0")) <= _DIGITS else None


def pax_not_numbers(records: Mapping[bytes, bytes]) -> list[str]:
    """Return the keys of records that should be numbers and are none; an empty one only takes back a global one."""
    keys = [key for key in _PAX_NUMBERS if pax_number(records, key) is None]
    keys += [b"mtime"] if pax_time(records) is None else []
    return [key.decode() for key in keys if records.get(key)]


def pax_time(records: Mapping[bytes, bytes]) -> int | None:
    """Return the modification time in nanoseconds; pax writes decimals: ``1718312121.123456789``."""
    if (time := _PAX_TIME.fullmatch(records.get(b"mtime", b""))) is None:
        return None
    sign, seconds, fraction = time.groups(default=b"")
    nanoseconds = int(seconds) * NANOSECONDS + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if sign else nanoseconds


_ENTRY: Final = 24
_IN_HEADER: Final = 4
_IN_BLOCK: Final = 21
_HEADER_MAP: Final = 386 - 257
_LARGEST: Final = 2**63 - 1
_DIGITS: Final = 19
_ZEROS: Final = bytes(64 * 1024)


class SparseMap(NamedTuple):
    """Where the stored bytes of a sparse file belong.

    Attributes:
        runs: the offset and the length of each stored run, in bytes, in turns.
        fault: why the content can't be told, a phrase; empty where it can.
    """

    runs: "array[int]"
    fault: str = ""

    def checked(self, size: int, stored: int) -> "SparseMap":
        """Return this map, with its fault for a file of ``size`` bytes of which ``stored`` are in the archive."""
        return self if self.fault else self._replace(fault=self._fault(size, stored))

    def _fault(self, size: int, stored: int) -> str:
        if len(self.runs) % 2:
            return "its map of holes ends within a pair"
        ends = [0]
        for offset, length in zip(self.runs[::2], self.runs[1::2], strict=True):
            ends += (offset, offset + length)
        if any(before > after for before, after in pairwise(ends)):
            return "its map of holes is out of order"
        if ends[-1] > size:
            return f"its map of holes ends at {ends[-1]:,} of {counted(size, 'byte')}"
        if (held := sum(self.runs[1::2])) > stored:
            return f"its map of holes asks for {held:,} of {stored:,} stored bytes"
        return ""


def faulty(reason: str) -> SparseMap:
    """Return the map of a sparse file whose content can't be told."""
    return SparseMap(array("q"), reason)


def of_numbers(texts: Iterable[bytes]) -> SparseMap:
    """Return the map that decimal numbers give, offsets and lengths in turns."""
    runs = array("q")
    for text in texts:
        if not text.isdigit() or len(text.lstrip(b"0")) > _DIGITS or (number := int(text)) > _LARGEST:
            return faulty("its map of holes holds something else than numbers")
        runs.append(number)
    return SparseMap(runs)


def is_sparse_by(records: Mapping[bytes, bytes]) -> bool:
    """Return whether pax ``records`` make their file a sparse one."""
    return any(key.startswith(b"GNU.sparse.") and key != b"GNU.sparse.name" for key in records)


IN_HEADER: Final = faulty("its map stands in its header")
IN_CONTENT: Final = faulty("its map stands in its content")
"""What stands for a map that is still to be read."""


def of_records(records: Mapping[bytes, bytes]) -> SparseMap:
    """Return the map in the pax ``records`` of a sparse file; `IN_CONTENT` where it stands there (1.0)."""
    if (written := records.get(b"GNU.sparse.map")) is not None:
        return of_numbers(number.group() for number in re.finditer(rb"[^,]+", written))
    version = records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor")
    if version == (b"1", b"0"):
        return IN_CONTENT
    return faulty("it has no map of holes" if version == (None, None) else "its map of holes is of an unknown version")


def of_content(read: Callable[[], bytes], most: int) -> tuple[SparseMap, int]:
    r"""Return the map at the beginning of a content, of at most ``most`` bytes, and how many it takes.

    ``read`` gives the content's blocks, one at a time: ``1\n40448\n524\n`` and NUL bytes up to 512.
    """
    numbers, held, taken, wanted = list[bytes](), b"", 0, 1
    while len(numbers) < wanted:
        block = read() if taken < most else b""
        taken += len(block)
        if len(block) < BLOCK:
            return faulty("its map of holes does not end"), taken
        *lines, held = (held + block).split(b"\n")
        numbers += lines
        if len(held) > BLOCK:
            return faulty("its map of holes holds something else than numbers"), taken
        if numbers and wanted == 1:
            if not numbers[0].isdigit() or len(numbers[0]) > _DIGITS:
                return faulty("its map of holes holds something else than numbers"), taken
            wanted = 1 + 2 * int(numbers[0])
    return of_numbers(numbers[1:wanted]), taken


def of_header(rest: bytes, blocks: Iterable[bytes]) -> SparseMap:
    """Return an old GNU sparse file's map: ``rest`` follows the link in its header, ``blocks`` come after it."""
    runs = array("q")
    for entries, count in ((rest[_HEADER_MAP:], _IN_HEADER), *((block, _IN_BLOCK) for block in blocks)):
        for at in range(0, count * _ENTRY, _ENTRY):
            if entries[at + 12 : at + 13] in {b"\0", b""}:
                break
            offset, length = number_or_none(entries[at : at + 12]), number_or_none(entries[at + 12 : at + 24])
            if offset is None or length is None or not (0 <= offset <= _LARGEST and 0 <= length <= _LARGEST):
                return faulty("its map of holes holds something else than numbers")
            runs += array("q", (offset, length))
    return SparseMap(runs)


class Filling:
    """Gives the content of a sparse file, holes filled in.

    Attributes:
        filled: how many bytes of holes were given.
    """

    def __init__(self, map_: SparseMap, size: int) -> None:
        """Give ``size`` bytes, of which those of ``map_`` are stored; nothing where that has a fault."""
        self._runs, self._size = (array("q"), 0) if map_.fault else (map_.runs, size)
        self._place = 0
        self._at = 0
        self.filled: int = 0

    def piece(self, take: Callable[[int], bytes], most: int) -> bytes:
        """Return the next bytes, at most ``most``, of which ``take`` gives the stored ones; nothing at the end."""
        while self._place < len(self._runs):
            begin, end = self._runs[self._place], self._runs[self._place] + self._runs[self._place + 1]
            if self._at < begin:
                return self._zeros(min(begin - self._at, most))
            if self._at < end:
                part = take(min(end - self._at, most))
                self._at += len(part)
                return part
            self._place += 2
        return self._zeros(min(self._size - self._at, most))

    def _zeros(self, length: int) -> bytes:
        zeros = _ZEROS[:length]
        self._at += len(zeros)
        self.filled += len(zeros)
        return zeros
