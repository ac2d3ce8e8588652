"""Compression: what a file's first bytes are, what inflates them, with bounded output, and how a stream ends.

Of gzip (RFC 1952) the header before the deflated bytes and the trailer after them are read here.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol
from zlib import crc32

from backupmeta.archive.limits import KIB, Limits
from backupmeta.evidence import EvidenceFile
from backupmeta.words import counted

if TYPE_CHECKING:
    from isal.igzip_lib import IgzipDecompressor
    from zstandard import ZstdDecompressionObj

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


class GzipHeader(NamedTuple):
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


def parse_header(block: bytes, name_bytes: int) -> GzipHeader | None:
    r"""Return the header that ``block`` begins with, or None where it isn't complete yet.

    ``1f 8b 08 08 79 5e 6b 66 00 03`` and ``site.tar\0``: deflate, with a name, of 2024-06-13, by Unix. Raises
    `CorruptHeaderError`; names and comments are bounded by ``name_bytes``.
    """
    if len(block) < _FIXED:
        return None
    if block[:2] != b"\x1f\x8b" or block[2] != _DEFLATE or block[3] & _RESERVED:
        raise CorruptHeaderError("no gzip header")
    flags, end, name, fault = block[3], _FIXED, None, ""
    if flags & _EXTRA:
        end += 2 + int.from_bytes(block[end : end + 2], "little")
    for flag in (_NAME, _COMMENT):
        if not flags & flag:
            continue
        nul = block.find(b"\0", end, end + name_bytes)
        if nul < 0:
            if len(block) - end >= name_bytes:
                raise LongHeaderError(f"a gzip header with a name of more than {counted(name_bytes, 'byte')}")
            return None
        name = block[end:nul] if flag == _NAME else name
        end = nul + 1
    if flags & _CHECKSUM:
        fault = _header_fault(block[:end], int.from_bytes(block[end : end + 2], "little"))
        end += 2
    if end > len(block):
        return None
    return GzipHeader(int.from_bytes(block[4:8], "little"), block[9], name, end, fault)


def gzip_time(file: EvidenceFile) -> int | None:
    """Return the time in the gzip header that ``file`` begins with, Unix seconds; it is left at its beginning.

    None where there is none: in a file of another kind, and where the header has 0 (RFC 1952 §2.3.1). Raises
    `UnreadableError`.
    """
    header = file.read(_FIXED)
    file.seek(0)
    is_gzip = len(header) == _FIXED and header[:2] == b"\x1f\x8b" and header[2] == _DEFLATE
    return (int.from_bytes(header[4:8], "little") or None) if is_gzip else None


def _header_fault(header: bytes, expected: int) -> str:
    """Compare a header's checksum with its bytes: the lower half of their CRC-32 (RFC 1952 §2.3.1)."""
    crc = crc32(header) & 0xFFFF
    return "" if crc == expected else f"its header's CRC-16 is {expected:04x}, its bytes' {crc:04x}"


class Decompressor(Protocol):
    """What inflates one stream."""

    @property
    def eof(self) -> bool:
        """Whether one stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether all input was taken in; there may be more output for all that."""

    @property
    def unused_data(self) -> bytes:
        """The input after the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` inflated bytes."""


class Gzip:
    """One gzip member, with the interface of a decompressor.

    Attributes:
        header: its header, once it was read.
        fault: what is wrong with its header's checksum or its trailer, a phrase; empty as long as nothing is.
        eof: whether its trailer was read.
        unused_data: the input after it.
    """

    def __init__(self, deflate: "IgzipDecompressor | _Deflate", name_bytes: int) -> None:
        """Inflate with ``deflate``; a name or comment in the header has at most ``name_bytes``."""
        self._deflate = deflate
        self._name_bytes = name_bytes
        self._held = b""
        self._inflated = 0
        self.header: GzipHeader | None = None
        self.fault: str = ""
        self.eof: bool = False
        self.unused_data: bytes = b""

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


BLOCK: Final = 64 * KIB
"""How many compressed bytes are read at once at first: the head of an archive is one such block."""


class Compression(NamedTuple):
    """One way to compress.

    Attributes:
        name: as people call it.
        signatures: what its files begin with.
        suffixes: what the names of its files end with.
    """

    name: Literal["gzip", "zstd", "bzip2", "xz", "none"]
    signatures: tuple[bytes, ...]
    suffixes: tuple[str, ...]


GZIP: Final = Compression("gzip", (b"\x1f\x8b",), (".tar.gz", ".tgz"))  # RFC 1952 §2.3.1
ZSTD: Final = Compression(
    "zstd",
    (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))),  # RFC 8878 §3.1.1, §3.1.2
    (".tar.zst", ".tzst"),
)
SKIPPABLE: Final = ZSTD.signatures[1:]
"""How a zstd frame begins that holds no content (RFC 8878 §3.1.2)."""

BZIP2: Final = Compression("bzip2", (b"BZh",), (".tar.bz2", ".tbz2", ".tbz"))
XZ: Final = Compression("xz", (b"\xfd7zXZ\x00",), (".tar.xz", ".txz"))  # the .xz file format, §2.1.1.1
PLAIN: Final = Compression("none", (), (".tar",))
COMPRESSIONS: Final = (GZIP, ZSTD, BZIP2, XZ, PLAIN)
SUFFIXES: Final[tuple[str, ...]] = tuple(suffix for compression in COMPRESSIONS for suffix in compression.suffixes)


def identify(block: bytes) -> Compression | None:
    """Return the compression that a file beginning with ``block`` has; None where no signature of ours matches."""
    return next((compression for compression in COMPRESSIONS if block.startswith(compression.signatures)), None)


def by_suffix(name: str) -> Compression | None:
    """Return the compression that a file's ``name`` promises; None for a name without one of `SUFFIXES`."""
    return next((compression for compression in COMPRESSIONS if name.lower().endswith(compression.suffixes)), None)


_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16
"""zlib's number for a gzip stream: header, deflate, trailer."""


class _Deflate:
    """zlib, for deflate (RFC 1951) without a wrapper, with the interface of the others."""

    def __init__(self, window: int = -zlib.MAX_WBITS) -> None:
        self._inner = zlib.decompressobj(window)
        self.crc: int = 0

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._inner.eof or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))
        self.crc = zlib.crc32(output, self.crc)
        return output


class _Zstd:
    """zstandard with the interface of the others, fed so little at once that its output is bounded.

    A block of zstd takes at least 4 bytes and gives at most 128 KiB (RFC 8878 §3.1.1.2), so a `_PIECE` gives at most
    8 MiB. Its own stream reader bounds output better, but accepts truncated input without a word.
    """

    _PIECE: Final = 256

    def __init__(self, inner: "ZstdDecompressionObj") -> None:
        self._inner = inner
        self._input = b""
        self._fed = 0
        self._output = b""
        self._given = 0

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof) and self._given == len(self._output)

    @property
    def needs_input(self) -> bool:
        return self._given == len(self._output) and self._fed == len(self._input) and not self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self._input[self._fed :]

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._input, self._fed = self._input[self._fed :] + data, 0
        # Where little is asked for, an error is near, and would take with it what its piece had given.
        length = 1 if 0 <= max_length < self._PIECE else self._PIECE
        while self._given == len(self._output) and self._fed < len(self._input) and not self._inner.eof:
            piece = self._input[self._fed : self._fed + length]
            self._fed += len(piece)
            self._output, self._given = self._inner.decompress(piece), 0
        begin, end = self._given, len(self._output) if max_length < 0 else self._given + max_length
        self._given = min(end, len(self._output))
        return self._output[begin:end]


class Opened(NamedTuple):
    """A decompressor for one stream.

    Attributes:
        inner: the decompressor.
        corrupt: what it raises for corrupt input.
        check: gives the number of an xz stream's check (the .xz file format, §2.1.1.2); None for any other.
    """

    inner: Decompressor
    corrupt: tuple[type[Exception], ...]
    check: Callable[[], int] | None = None


@cache
def _isal() -> ModuleType | None:
    try:
        from isal import igzip_lib
    except ImportError:  # no wheel for this machine: slower, the same verdicts
        return None
    return igzip_lib


def _gzip(limits: Limits) -> Opened:
    if (isal := _isal()) is None:
        return _gzip_carefully(limits)
    deflate = isal.IgzipDecompressor(flag=isal.DECOMP_GZIP_NO_HDR)
    return Opened(Gzip(deflate, limits.name_bytes), (isal.IsalError, CorruptHeaderError))


def _gzip_carefully(limits: Limits) -> Opened:
    return Opened(Gzip(_Deflate(), limits.name_bytes), (zlib.error, CorruptHeaderError))


def _zstd(limits: Limits) -> Opened:
    import zstandard

    opened = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes).decompressobj()
    return Opened(_Zstd(opened), (zstandard.ZstdError,))


def _bzip2(_limits: Limits) -> Opened:
    import bz2

    return Opened(bz2.BZ2Decompressor(), (OSError, ValueError))


def _xz(limits: Limits) -> Opened:
    import lzma

    opened = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=limits.window_bytes)
    return Opened(opened, (lzma.LZMAError,), lambda: opened.check)


_OPEN: Final[Mapping[str, Callable[[Limits], Opened]]] = {"gzip": _gzip, "zstd": _zstd, "bzip2": _bzip2, "xz": _xz}


def open_stream(compression: Compression, limits: Limits) -> Opened:
    """Return what inflates one stream of a ``compression`` that is not `PLAIN`."""
    return _OPEN[compression.name](limits)


def open_carefully(compression: Compression, limits: Limits) -> Opened:
    """Return what gives every byte before corrupt input; isal inflates far ahead, and loses that at an error."""
    return _gzip_carefully(limits) if compression is GZIP else open_stream(compression, limits)


REFETCH: Final = "fetch it again, in binary mode"
"""What to do with what was taken for text on its way."""

_TEXT_LEAST: Final = 4
"""How many line feeds that all follow a carriage return, or characters beyond ASCII, can't be chance."""


def likely_cause(block: bytes) -> str:
    """Return why a compressed file beginning with ``block`` is corrupt, a phrase; empty where that is not sure.

    Among compressed bytes one line feed of 256 follows a carriage return, and next to none are UTF-8 throughout.
    """
    feeds = block.count(b"\n")
    if feeds >= _TEXT_LEAST and block.count(b"\r\n") == feeds:
        return f"; every line feed in it follows a carriage return: it was transferred as text; {REFETCH}"
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        if error.start < len(block) - 3:  # else the last character is cut, no more
            return ""
        text = block[: error.start].decode()
    if sum(not character.isascii() for character in text) < _TEXT_LEAST:
        return ""
    return f"; its bytes are UTF-8: it was converted as if it were text; {REFETCH}"


def whole(block: bytes, most: int) -> bytes | None:
    """Return what the gzip file ``block`` holds: one stream without a name, whole, right, and nothing after it.

    None for any other, and where it says to hold more than ``most`` bytes (RFC 1952 §2.3.1). Told the length, isal
    allocates it once, which halves its time; it compares checksum and length itself.
    """
    length = int.from_bytes(block[-4:], "little")
    if length > most or block[3:4] != b"\0":
        return None
    opened = _gzip_stream()
    try:
        content = opened.inner.decompress(block, length + 1)
    except opened.corrupt:
        return None
    return content if opened.inner.eof and not opened.inner.unused_data else None


def _gzip_stream() -> Opened:
    """Return what inflates one gzip stream, header and trailer included, and says no more of a bad one."""
    if (isal := _isal()) is None:
        return Opened(_Deflate(_GZIP_WINDOW), (zlib.error,))
    return Opened(isal.IgzipDecompressor(flag=isal.DECOMP_GZIP), (isal.IsalError,))


Verdict = Literal["complete", "truncated", "damaged", "limit"]


class End(NamedTuple):
    """How a stream ended.

    Attributes:
        verdict: ``complete``, ``truncated``, ``damaged`` or ``limit``.
        reason: what is wrong, a phrase; empty for a complete one.
        offset: up to where the file was taken in, in bytes.
        limit: the name in `Limits` of the bound that was exceeded; empty for any other verdict than ``limit``.
    """

    verdict: Verdict
    reason: str
    offset: int
    limit: str = ""


class Stream(NamedTuple):
    """One gzip member, zstd frame, bzip2 or xz stream.

    Attributes:
        offset: where it begins, in bytes of the file.
        inflated_offset: where its content begins, in inflated bytes.
        inflated: how many bytes it holds, or held before it broke off.
        header: a gzip member's header; None for any other stream.
        fault: what is wrong with it, a phrase; empty where nothing is.
        layer: 2 where it lies in what other streams inflate to: `offset` then counts the bytes of layer 1, inflated.
    """

    offset: int
    inflated_offset: int
    inflated: int
    header: GzipHeader | None
    fault: str
    layer: int = 1


class Zeros(NamedTuple):
    """Zeros between or after streams.

    Attributes:
        length: how many there are.
        offset: where the first one stands, in bytes of what was compressed.
    """

    length: int = 0
    offset: int = 0

    def and_then(self, later: "Zeros") -> "Zeros":
        """Return these and ``later`` ones together."""
        return Zeros(self.length + later.length, self.offset) if self.length else later
