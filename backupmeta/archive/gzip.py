"""Gzip members (RFC 1952): the header before deflated bytes, the trailer behind them.

The framing is read here, and deflate is left to isal or zlib, so that a wrong checksum, a wrong length and a missing
trailer are three things, and what was inflated before each of them is kept.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol
from zlib import crc32

from backupmeta.words import counted

SYSTEMS: Final = {0: "FAT", 3: "Unix", 7: "Macintosh", 10: "NTFS", 11: "NTFS", 255: "unknown"}
"""What wrote the file, by the header's ``OS`` byte (RFC 1952 §2.3.1; 10 is what zlib writes on Windows)."""

TRAILER_BYTES: Final = 8
_FIXED: Final = 10
_DEFLATE: Final = 8
_CHECKSUM, _EXTRA, _NAME, _COMMENT, _RESERVED = 2, 4, 8, 16, 0xE0


class CorruptHeaderError(Exception):
    """Bytes that are no gzip header; its argument is the reason."""


class LongHeaderError(CorruptHeaderError):
    """A gzip header whose name or comment is over its limit; its argument is the reason."""


class Header(NamedTuple):
    """A gzip header.

    Attributes:
        mtime: when the content was modified, Unix seconds, UTC; 0 where it is not set.
        system: what wrote it, one of `SYSTEMS`' numbers.
        name: the original file's name, Latin-1; None where there is none.
        length: of the header, in bytes.
        fault: what is wrong with its own checksum, a phrase; empty where nothing is, or where it has none.
    """

    mtime: int
    system: int
    name: bytes | None
    length: int
    fault: str = ""


class Deflate(Protocol):
    """What inflates raw deflate and counts its CRC-32."""

    @property
    def crc(self) -> int:
        """The CRC-32 of what was inflated."""

    @property
    def eof(self) -> bool:
        """Whether the last block has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more output takes more input."""

    @property
    def unused_data(self) -> bytes:
        """The input behind the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` inflated bytes."""


def parse_header(block: bytes, name_bytes: int) -> Header | None:
    r"""Return the header that ``block`` begins with, or None where it isn't complete yet.

    ``1f 8b 08 08 79 5e 6b 66 00 03`` and ``site.tar\0``: deflate, with a name, of 2024-06-13, by Unix. Raises
    `CorruptHeaderError`; names and comments are bounded by ``name_bytes``.
    """
    if len(block) < _FIXED:
        return None
    if block[:2] != b"\x1f\x8b" or block[2] != _DEFLATE or block[3] & _RESERVED:
        raise CorruptHeaderError("no gzip header")
    parts = _optional_parts(block, name_bytes)
    end, name, fault = _FIXED, None, ""
    for flag, end_of_part in parts:
        if end_of_part < 0:
            return None
        if flag == _NAME:
            name = block[end : end_of_part - 1]
        elif flag == _CHECKSUM:
            fault = _header_fault(block[:end], int.from_bytes(block[end:end_of_part], "little"))
        end = end_of_part
    return Header(int.from_bytes(block[4:8], "little"), block[9], name, end, fault)


def _header_fault(header: bytes, expected: int) -> str:
    """Compare a header's checksum with its bytes: the lower half of their CRC-32 (RFC 1952 §2.3.1)."""
    crc = crc32(header) & 0xFFFF
    return "" if crc == expected else f"its header's CRC-16 is {expected:04x}, its bytes' {crc:04x}"


def _optional_parts(block: bytes, name_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the flag and the end of each optional part of a header; -1 where ``block`` ends before."""
    flags, end = block[3], _FIXED
    for flag in (_EXTRA, _NAME, _COMMENT, _CHECKSUM):
        if not flags & flag:
            continue
        if flag == _EXTRA:
            end = end + 2 + int.from_bytes(block[end : end + 2], "little") if end + 2 <= len(block) else -1
        elif flag == _CHECKSUM:
            end += 2
        else:
            found = block.find(b"\0", end, end + name_bytes)
            if found < 0 and len(block) - end >= name_bytes:
                raise LongHeaderError(f"a gzip header with a name of more than {counted(name_bytes, 'byte')}")
            end = found + 1 or -1
        yield flag, end if end <= len(block) else -1
        if end < 0:
            return


class Gzip:
    """One gzip member, with the interface of a decompressor.

    Attributes:
        header: its header, once it was read.
        fault: what is wrong with its header's checksum or its trailer, a phrase; empty as long as nothing is.
        eof: whether its trailer was read.
        unused_data: the input behind it.
    """

    def __init__(self, deflate: Deflate, name_bytes: int) -> None:
        """Inflate with ``deflate``; a name or comment in the header has at most ``name_bytes``."""
        self._deflate = deflate
        self._name_bytes = name_bytes
        self._held = b""
        self._inflated = 0
        self.header: Header | None = None
        self.fault = ""
        self.eof = False
        self.unused_data = b""

    @property
    def needs_input(self) -> bool:
        """Whether more output takes more input."""
        return not self.eof and (self.header is None or self._deflate.eof or self._deflate.needs_input)

    @property
    def lacks_trailer_only(self) -> bool:
        """Whether all is there but the trailer."""
        return self._deflate.eof and not self.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` inflated bytes."""
        if self.header is None:
            self._held += data
            self.header = parse_header(self._held, self._name_bytes)
            if self.header is None:
                return b""
            self.fault = self.header.fault
            data, self._held = self._held[self.header.length :], b""
        if self._deflate.eof:
            self._take_trailer(data)
            return b""
        return self._inflate(data, max_length)

    def _inflate(self, data: bytes, max_length: int) -> bytes:
        inflated = self._deflate.decompress(data, max_length)
        self._inflated += len(inflated)
        if self._deflate.eof:
            self._take_trailer(self._deflate.unused_data)
        return inflated

    def _take_trailer(self, data: bytes) -> None:
        """Compare the CRC-32 and the length, modulo 2^32, with what was inflated (RFC 1952 §2.3.1)."""
        self._held += data
        if len(self._held) < TRAILER_BYTES:
            return
        self.eof, self.unused_data = True, self._held[TRAILER_BYTES:]
        crc, length = (int.from_bytes(self._held[at : at + 4], "little") for at in (0, 4))
        if crc != self._deflate.crc:
            self.fault = f"its CRC-32 is {crc:08x}, its content's {self._deflate.crc:08x}"
        elif length != self._inflated % 2**32:
            self.fault = f"its length is given as {length:,}, its content has {counted(self._inflated % 2**32, 'byte')}"
        self._held = b""
