"""Compression: what a file's first bytes are, and what inflates them, with bounded output.

`identify` knows our own signatures. `open_stream` gives a decompressor for one gzip member, zstd frame, bzip2 or xz
stream; `backupmeta.archive.stream` puts them in a row.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from backupmeta.archive.gzip import CorruptHeaderError, Gzip
from backupmeta.archive.limits import KIB, Limits

if TYPE_CHECKING:
    from bz2 import BZ2Decompressor

    from zstandard import ZstdDecompressionObj

BLOCK: Final = 64 * KIB
"""How many compressed bytes are read at once at first: the head of an archive is one such block."""


class Decompressor(Protocol):
    """What inflates one stream."""

    @property
    def eof(self) -> bool:
        """Whether one stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more output takes more input."""

    @property
    def unused_data(self) -> bytes:
        """The input behind the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` inflated bytes."""


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
BZIP2: Final = Compression("bzip2", (b"BZh",), (".tar.bz2", ".tbz2", ".tbz"))
XZ: Final = Compression("xz", (b"\xfd7zXZ\x00",), (".tar.xz", ".txz"))  # the .xz file format, §2.1.1.1
PLAIN: Final = Compression("none", (), (".tar",))
COMPRESSIONS: Final = (GZIP, ZSTD, BZIP2, XZ, PLAIN)
SUFFIXES: Final[tuple[str, ...]] = tuple(suffix for one in COMPRESSIONS for suffix in one.suffixes)


def identify(block: bytes) -> Compression | None:
    """Return the compression that a file beginning with ``block`` has; None where no signature of ours matches."""
    return next((one for one in COMPRESSIONS if one.signatures and block.startswith(one.signatures)), None)


def is_skippable(block: bytes) -> bool:
    """Tell whether ``block`` begins with a zstd frame that holds no content (RFC 8878 §3.1.2)."""
    return block.startswith(ZSTD.signatures[1:])


def by_suffix(name: str) -> Compression | None:
    """Return the compression that a file's ``name`` promises; None for a name without one of `SUFFIXES`."""
    return next((one for one in COMPRESSIONS if name.lower().endswith(one.suffixes)), None)


_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16
"""zlib's number for a gzip stream: header, deflate, trailer."""


class _Deflate:
    """zlib, for deflate (RFC 1951) without a wrapper, with the interface of the others."""

    def __init__(self, window: int = -zlib.MAX_WBITS) -> None:
        self._inner = zlib.decompressobj(window)
        self._may_hold_more = False
        self._crc = 0

    @property
    def crc(self) -> int:
        return self._crc

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._inner.eof or self._inner.unconsumed_tail or self._may_hold_more)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))
        self._may_hold_more = len(output) == max_length
        self._crc = zlib.crc32(output, self._crc)
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


class _Bzip2:
    """bz2 with the interface of the others: Python's own asks for input while it still holds output."""

    def __init__(self, inner: "BZ2Decompressor") -> None:
        self._inner = inner
        self._may_hold_more = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input and not self._may_hold_more

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._inner.decompress(data, max_length)
        self._may_hold_more = bool(output) and not self._inner.eof
        return output


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

    return Opened(_Bzip2(bz2.BZ2Decompressor()), (OSError, ValueError))


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


def whole(block: bytes, most: int) -> bytes | None:
    """Return what the gzip file ``block`` holds: one stream without a name, whole, right, and nothing behind it.

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
