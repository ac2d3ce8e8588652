"""Sparse files: which bytes an archive stores of them, and the holes between (GNU tar manual, "Sparse Formats").

Four ways to write the same map, a file of 40,972 bytes of which the last 524 are stored::

    old GNU   type S; the header and blocks after it hold octal numbers
    pax 0.0   GNU.sparse.offset=40448 GNU.sparse.numbytes=524, again and again
    pax 0.1   GNU.sparse.map=40448,524
    pax 1.0   1\n40448\n524\n at the beginning of the content, filled up to 512 bytes
"""

import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Final, NamedTuple, Self

from backupmeta.archive.header import BLOCK, number_or_none
from backupmeta.words import counted

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
    """Tell whether pax ``records`` make their file a sparse one."""
    return any(key.startswith(b"GNU.sparse.") and key != b"GNU.sparse.name" for key in records)


IN_HEADER: Final = faulty("its map stands in its header")
IN_CONTENT: Final = faulty("its map stands in its content")
"""What stands for a map that is still to be read."""


def of_records(records: Mapping[bytes, bytes]) -> SparseMap:
    """Return the map in the pax ``records`` of a sparse file; `IN_CONTENT` where it stands there (1.0)."""
    if (written := records.get(b"GNU.sparse.map")) is not None:
        return of_numbers(found.group() for found in re.finditer(rb"[^,]+", written))
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

    def __init__(self, runs: "array[int]", size: int) -> None:
        """Give ``size`` bytes, of which ``runs`` are stored."""
        self._runs = runs
        self._size = size
        self._place = 0
        self._at = 0
        self.filled = 0

    @classmethod
    def empty(cls) -> Self:
        """Return what gives nothing: of a content that can't be told."""
        return cls(array("q"), 0)

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
