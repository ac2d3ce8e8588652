"""Compression: what a file's first bytes are, and inflating them with bounded output.

`identify` knows our own signatures; `describe` asks libmagic what anything else is. `Inflated` turns an open file
into a stream of inflated bytes: several gzip members, zstd frames or xz streams in a row are one stream, zero padding
behind them is passed over, and where the stream ends badly it says how and where instead of raising.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, cast

from backupmeta.archive.limits import KIB, Limits
from backupmeta.evidence import EvidenceFile

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionObj

BLOCK: Final = 64 * KIB
"""How many compressed bytes are read at once: the head of an archive is one such block."""

CHUNK: Final = 16 * KIB
"""How many inflated bytes are asked for at first: a header and a record of real size."""

_AHEAD: Final = BLOCK
"""How much of a later stream is read before it begins: isal misreads a gzip header with options that comes in parts."""

_CAREFUL: Final = 64
"""How many inflated bytes are asked for at once where the input is known to be corrupt soon."""


class Decompressor(Protocol):
    """What bz2, lzma and isal have in common."""

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


def by_suffix(name: str) -> Compression | None:
    """Return the compression that a file's ``name`` promises; None for a name without one of `SUFFIXES`."""
    return next((one for one in COMPRESSIONS if name.lower().endswith(one.suffixes)), None)


class _Zlib:
    """zlib with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._may_hold_more = False

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
        while self._given == len(self._output) and self._fed < len(self._input) and not self._inner.eof:
            piece = self._input[self._fed : self._fed + self._PIECE]
            self._fed += len(piece)
            self._output, self._given = self._inner.decompress(piece), 0
        begin, end = self._given, len(self._output) if max_length < 0 else self._given + max_length
        self._given = min(end, len(self._output))
        return self._output[begin:end]


Opened = tuple[Decompressor, tuple[type[Exception], ...]]
"""A decompressor and what it raises for corrupt input."""


@cache
def _isal() -> ModuleType | None:
    try:
        from isal import igzip_lib
    except ImportError:  # no wheel for this machine: slower, the same verdicts
        return None
    return igzip_lib


def _gzip(limits: Limits) -> Opened:
    if (isal := _isal()) is None:
        return _zlib(limits)
    return cast("Opened", (isal.IgzipDecompressor(flag=isal.DECOMP_GZIP), (isal.IsalError,)))


def _zlib(_limits: Limits) -> Opened:
    return _Zlib(), (zlib.error,)


def _zstd(limits: Limits) -> Opened:
    import zstandard

    opened = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes).decompressobj()
    return _Zstd(opened), (zstandard.ZstdError,)


def _bzip2(_limits: Limits) -> Opened:
    import bz2

    return bz2.BZ2Decompressor(), (OSError, ValueError)


def _xz(limits: Limits) -> Opened:
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=limits.window_bytes), (lzma.LZMAError,)


_OPEN: Final[Mapping[str, Callable[[Limits], Opened]]] = {"gzip": _gzip, "zstd": _zstd, "bzip2": _bzip2, "xz": _xz}
_OPEN_CAREFULLY: Final = {**_OPEN, "gzip": _zlib}  # isal inflates far ahead of what it gives


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


class Inflated:
    """The inflated bytes of an open file.

    Attributes:
        first: the first inflated bytes, at most one `CHUNK`.
        position: how many inflated bytes were given.
        taken: how many bytes of the file were taken in.
        end: how the stream ended, or None as long as it hasn't.
    """

    def __init__(self, file: EvidenceFile, block: bytes, compression: Compression, limits: Limits) -> None:
        """Begin with ``block``, which was read from the beginning of ``file`` already."""
        self._file = file
        self._open = _OPEN.get(compression.name)
        self._limits = limits
        self._compression = compression
        self._inner: Decompressor | None = None
        self._corrupt: tuple[type[Exception], ...] = ()
        if self._open:
            self._inner, self._corrupt = self._open(limits)
        self._inflated = 0
        self._repeating = 0
        self._is_careful = False
        self._input = block
        self.taken = len(block)
        self._buffer = b""
        self._at = 0
        self.first = b""
        self.position = 0
        self.end: End | None = None

    def read(self, length: int) -> bytes:
        """Return the next ``length`` bytes, or fewer where the stream ends; `end` says how."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at >= length:
            self._at = at + length
            self.position += length
            return buffer[at : at + length]
        parts = [buffer[at:]]
        missing = length - len(parts[0])
        self._buffer, self._at = b"", 0
        while missing and (chunk := self._inflate(max(missing, CHUNK))):
            parts.append(chunk[:missing])
            missing -= len(parts[-1])
            self._buffer, self._at = chunk, len(parts[-1])
        self.position += length - missing
        return b"".join(parts)

    def skip(self, length: int) -> int:
        """Pass over ``length`` bytes; return how many there were."""
        before = self.position
        if self._inner is None and length > len(self._buffer) - self._at + BLOCK:
            self._seek(length)
        else:
            while length and (got := len(self.read(min(length, 4 * BLOCK)))):
                length -= got
        return self.position - before

    def _seek(self, length: int) -> None:
        """Pass over ``length`` bytes of a file that isn't compressed, without reading them."""
        target = self.position + length
        self._buffer, self._at, self._input = b"", 0, b""
        self.position = self.taken = min(target, self._file.size)
        self._file.seek(self.position)

    def _inflate(self, most: int) -> bytes:
        """Return the next inflated bytes, at most about ``most``; nothing at the end."""
        while self.end is None:
            if self._is_careful:
                most = min(self._repeating, most) or _CAREFUL
            chunk = self._plain() if self._inner is None else self._step(self._inner, most)
            if self._repeating:
                self._repeating -= len(chunk)
            elif chunk:
                self._inflated += len(chunk)
                self.first = self.first or chunk[:CHUNK]
                return chunk
        return b""

    def _plain(self) -> bytes:
        chunk, self._input = self._input or self._more(), b""
        if not chunk:
            self.end = End("complete", "", self.taken)
        return chunk

    def _step(self, inner: Decompressor, most: int) -> bytes:
        """Take one step: inflate what there is, read on, or begin the next stream."""
        if inner.eof:
            self._next_stream(inner.unused_data)
            return b""
        if inner.needs_input and not self._input and not self._take_more():
            self.end = End("truncated", f"the {self._compression.name} stream has no end", self.taken)
            return b""
        data, self._input = self._input, b""
        try:
            return inner.decompress(data, most)
        except self._corrupt as error:
            if self._is_careful:
                self.end = self._bad_end(str(error))
            else:
                self._begin_again()
        return b""

    def _begin_again(self) -> None:
        """Go back to the beginning: a decompressor that meets corrupt input keeps what it inflated just before."""
        self._is_careful = True
        self._repeating = self._inflated
        self._open = _OPEN_CAREFULLY[self._compression.name]
        self._inner, self._corrupt = self._open(self._limits)
        self._file.seek(0)
        self._input, self.taken = b"", 0

    def _bad_end(self, reason: str) -> End:
        if "memory" in reason.lower():  # the words of zstd and of liblzma for a window over the bound
            reason = f"needs a window of more than {self._limits.window_bytes:,} bytes"
            return End("limit", reason, self.taken, "window_bytes")
        return End("damaged", f"the {self._compression.name} stream is corrupt ({reason})", self.taken)

    def _next_stream(self, rest: bytes) -> None:
        """Begin the next gzip member, zstd frame or xz stream; zero padding between them is passed over."""
        while not (rest := rest.lstrip(b"\0")) and (rest := self._more()):
            pass
        while rest and len(rest) < _AHEAD and (more := self._more()):
            rest += more
        if rest and self._open and rest.startswith(self._compression.signatures):
            self._inner, self._corrupt = self._open(self._limits)
            self._input = rest
        else:
            self.end = End("complete", "", self.taken - len(rest))

    def _take_more(self) -> bool:
        self._input = self._more()
        return bool(self._input)

    def _more(self) -> bytes:
        block = self._file.read(BLOCK)
        self.taken += len(block)
        return block
