"""The inflated bytes of an open file, as one stream.

Several gzip members, zstd frames, bzip2 or xz streams in a row are one stream; zero padding behind them is passed
over. Where the stream ends badly it says how and where instead of raising, after every byte that came before; and
`Inflated.resume` looks for a stream behind the damage.
"""

import time
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from backupmeta.archive.compression import (
    BLOCK,
    GZIP,
    PLAIN,
    Compression,
    Decompressor,
    open_carefully,
    open_stream,
)
from backupmeta.archive.digests import Digests
from backupmeta.archive.gzip import Gzip, Header, LongHeaderError
from backupmeta.archive.input import PIECE_MOST, Input
from backupmeta.archive.limits import KIB, MIB, Limits
from backupmeta.evidence import EvidenceFile

CHUNK: Final = 16 * KIB
"""How many inflated bytes are asked for at first: a header and a record of real size."""

_CHUNK_MOST: Final = 256 * KIB
_PIECE_LEAST: Final = 4 * KIB

_CAREFUL: Final = 8
"""How many inflated bytes are asked for at once where the input is known to be corrupt soon: so many may be lost."""

_RATIO_FROM: Final = 64 * MIB
"""Inflated bytes up to which any ratio is harmless."""

_STREAMS_KEPT: Final = 100

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
    """

    offset: int
    inflated_offset: int
    inflated: int
    header: Header | None
    fault: str


class Inflated:
    """The inflated bytes of an open file; `buffer` holds some, and `at` is the place in it that was reached.

    Attributes:
        buffer: inflated bytes.
        at: how many of them were passed.
        base: how many inflated bytes came before `buffer`.
        first: the first inflated bytes, at most one `CHUNK`.
        end: how the stream ended, or None as long as it hasn't.
        streams: the first gzip members, zstd frames, … that it consists of.
        stream_count: how many there were so far.
        padding: zero bytes behind streams.
        trailing: how many bytes behind the last stream are something else.
        is_broken: whether corrupt input was met; a trailer that contradicts its content breaks nothing.
    """

    def __init__(
        self,
        file: EvidenceFile,
        block: bytes,
        compression: Compression,
        limits: Limits,
        digests: Digests | None = None,
    ) -> None:
        """Begin with ``block``, which was read from the beginning of ``file`` already."""
        self._file = file
        self._compression = compression
        self._limits = limits
        self._input = Input(file, block, digests)
        self._can_seek = compression is PLAIN and digests is None
        self._deadline = time.monotonic() + limits.seconds
        self._harmless = min(limits.inflated_bytes, _RATIO_FROM)
        self._step = CHUNK if digests is None else _CHUNK_MOST
        self._begin = 0
        self.base = 0
        self._contradicted: Stream | None = None
        self._chunks = self._plain() if compression is PLAIN else self._streams()
        self.buffer = b""
        self.at = 0
        self.first = b""
        self.end: End | None = None
        self.streams: list[Stream] = []
        self.stream_count = 0
        self.padding = 0
        self.trailing = 0
        self.is_broken = False

    @property
    def position(self) -> int:
        """How many inflated bytes were passed."""
        return self.base + self.at

    @property
    def taken(self) -> int:
        """How many bytes of the file were taken in."""
        return self._input.offset

    def fill(self, length: int) -> int:
        """See to it that ``length`` bytes lie ahead in `buffer`; return how many do: fewer where the stream ends."""
        while (ahead := len(self.buffer) - self.at) < length and (chunk := self._next()):
            self.base += self.at
            self.buffer, self.at = self.buffer[self.at :] + chunk if ahead else chunk, 0
        return len(self.buffer) - self.at

    def read(self, length: int) -> bytes:
        """Return the next ``length`` bytes, or fewer where the stream ends; `end` says how."""
        self.fill(length)
        part = self.buffer[self.at : self.at + length]
        self.at += len(part)
        return part

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most ``most``, in pieces as they come; nothing where the stream ends."""
        if self.at == len(self.buffer):
            self.fill(1)
        part = self.buffer[self.at : self.at + most]
        self.at += len(part)
        return part

    def skip(self, length: int) -> int:
        """Pass over ``length`` bytes without copying them; return how many there were."""
        left = length
        while left > (ahead := len(self.buffer) - self.at):
            left -= ahead
            self.base += len(self.buffer)
            self.buffer, self.at = b"", 0
            if self._can_seek:
                left -= self._seek(left)
            if not left or not (chunk := self._next()):
                return length - left
            self.buffer = chunk
        self.at += left
        return length

    def resume(self) -> bool:
        """Look for a stream behind the damage, or the trailing bytes, that ended this one; return whether there is one.

        Where the search takes too long, `end` says so.
        """
        if self.end is None or self.end.verdict not in {"damaged", "complete"} or not (self.is_broken or self.trailing):
            return False
        self._input.go_to(max(self.end.offset - _PIECE_LEAST, self._begin + 1))
        while self._input.pass_to(self._compression.signatures) and not self.is_too_late():
            if self._can_inflate(self._input.peek(BLOCK)):
                self.end, self._contradicted, self.trailing = None, None, 0
                self._chunks = self._streams()
                return True
            self._input.take(1)
        return False

    def _can_inflate(self, block: bytes) -> bool:
        """Tell whether ``block`` begins with a stream: nothing corrupt is in it.

        gzip's signature has two bytes only, so something must come out of it; a block of bzip2 may be longer than this.
        """
        opened = open_carefully(self._compression, self._limits)
        try:
            is_inflated = bool(opened.inner.decompress(block, CHUNK)) or opened.inner.eof
        except opened.corrupt:
            return False
        return is_inflated or self._compression is not GZIP

    def drain(self) -> None:
        """Take in the rest of the file, for its digest."""
        self._input.drain()

    def _next(self) -> bytes:
        """Return the next inflated bytes; nothing at the end."""
        chunk = next(self._chunks, b"") if self.end is None else b""
        self.first = self.first or chunk[:CHUNK]
        self._step = min(2 * self._step, _CHUNK_MOST)
        return chunk

    def _is_over_limit(self) -> bool:
        """End where what was inflated, or the time that it took, is over a limit."""
        made = self.base + len(self.buffer)
        if made <= self._harmless and time.monotonic() <= self._deadline:
            return False
        limits, taken = self._limits, self._input.offset
        if made > limits.inflated_bytes:
            self.end = End("limit", f"inflates to more than {limits.inflated_bytes:,} bytes", taken, "inflated_bytes")
        elif made > _RATIO_FROM and made > limits.ratio * taken:
            self.end = End("limit", f"inflates to more than {limits.ratio:,} times its size", taken, "ratio")
        else:
            self.is_too_late()
        return self.end is not None

    def is_too_late(self) -> bool:
        """End where too much time has passed."""
        if is_late := time.monotonic() > self._deadline:
            reason = f"takes more than {self._limits.seconds:,} seconds"
            self.end = End("limit", reason, self._input.offset, "seconds")
        return is_late

    def _seek(self, length: int) -> int:
        """Pass over at most ``length`` bytes of a file that isn't compressed, without reading; return how many."""
        offset = min(self._input.offset + length, self._file.size)
        skipped = max(offset - self._input.offset, 0)
        self._input.go_to(offset)
        self.base += skipped
        return skipped

    def _plain(self) -> Iterator[bytes]:
        while chunk := self._input.take(max(self._step, BLOCK)):
            yield chunk
            if self._is_over_limit():
                return
        self.end = End("complete", "", self._input.offset)

    def _streams(self) -> Iterator[bytes]:
        """Yield what one stream after the other inflates to, and say how the last one ended."""
        longest, is_stream = max(map(len, self._compression.signatures)), True
        while is_stream:
            yield from self._stream()
            if self.end is not None or self._is_over_limit():
                return
            self.padding += self._input.pass_zeros()
            is_stream = self._input.peek(longest).startswith(self._compression.signatures)
        self.trailing = max(self._file.size - self._input.offset, 0)
        self.end = self._last_end()

    def _last_end(self) -> End:
        """Return the end behind the last stream; a trailer that contradicts its content is damage."""
        offset, bad = self._input.offset, self._contradicted
        if bad is None or self.is_broken:
            return End("complete", "", offset)
        return End("damaged", f"the gzip stream from byte {bad.offset} on is corrupt: {bad.fault}", offset)

    def _stream(self) -> Iterator[bytes]:
        """Yield what one stream inflates to; where its input is corrupt, once more from there, carefully."""
        self._begin = begin = self._input.offset
        before = self.base + len(self.buffer)
        opened = open_stream(self._compression, self._limits)
        given = 0
        try:
            for chunk in self._inflate(opened.inner, BLOCK if begin == 0 else _PIECE_LEAST):
                given += len(chunk)
                yield chunk
        except opened.corrupt:
            self._input.go_to(begin)
            opened = open_carefully(self._compression, self._limits)
            try:
                for chunk in self._inflate(opened.inner, _PIECE_LEAST, given):
                    given += len(chunk)
                    yield chunk
            except opened.corrupt as error:
                self.end = self._bad_end(error)
        self._note(opened.inner, Stream(begin, before, given, None, self.end.reason if self.end else ""))

    def _inflate(self, inner: Decompressor, piece: int, repeated: int | None = None) -> Iterator[bytes]:
        """Yield what ``inner`` inflates, fed at first with ``piece`` bytes at once.

        Where a number of bytes is ``repeated``, they are not yielded, and what follows comes byte by byte, nearly.
        """
        made = 0
        while not inner.eof and not self._is_over_limit():
            data = b""
            if inner.needs_input:
                if not (data := self._input.take(piece)):
                    self.end = End("truncated", self._lack(inner), self._input.offset)
                    return
                piece = min(2 * piece, PIECE_MOST) if repeated is None else piece
            most = self._step if repeated is None else max(min(repeated - made, CHUNK), 0) or _CAREFUL
            chunk = inner.decompress(data, most)
            made += len(chunk)
            if chunk and made > (repeated or 0):
                yield chunk
        if inner.eof:
            self._input.give_back(inner.unused_data)

    def _lack(self, inner: Decompressor) -> str:
        what = "trailer" if isinstance(inner, Gzip) and inner.lacks_trailer_only else "end"
        return f"the {self._compression.name} stream has no {what}"

    def _bad_end(self, error: Exception) -> End:
        reason = str(error)
        if isinstance(error, LongHeaderError):
            return End("limit", reason, self._input.offset, "name_bytes")
        if "memory" in reason.lower():  # the words of zstd and of liblzma for a window over the bound
            reason = f"needs a window of more than {self._limits.window_bytes:,} bytes"
            return End("limit", reason, self._input.offset, "window_bytes")
        self.is_broken = True
        return End("damaged", f"the {self._compression.name} stream is corrupt ({reason})", self._input.offset)

    def _note(self, inner: Decompressor, stream: Stream) -> None:
        """Keep what is known of a stream that ended; a gzip trailer that contradicts its content is damage."""
        if isinstance(inner, Gzip):
            stream = stream._replace(header=inner.header, fault=stream.fault or inner.fault)
        self.stream_count += 1
        if len(self.streams) < _STREAMS_KEPT:
            self.streams.append(stream)
        if stream.fault and self._contradicted is None:
            self._contradicted = stream
