"""The bytes of an open file or of another stream, and the inflated bytes that they become, as one stream."""

import time
from collections.abc import Iterator
from typing import Final, Literal

from backupmeta.archive import compression
from backupmeta.archive.digests import Digests
from backupmeta.archive.limits import KIB, MIB, Limits
from backupmeta.evidence import EvidenceFile
from backupmeta.words import counted

_MOST: Final = 256 * KIB
"""How many bytes are taken, or inflated, at once, at most."""

HARMLESS: Final = 64 * MIB
"""Bytes, inflated or filled in, up to which any ratio is harmless."""


class Input:
    """The bytes of an open file, taken piece by piece, and given back where too many were taken.

    Blocks are digested as they are read, each byte once, however often it is gone back to.

    Attributes:
        over: the name in `Limits` of the bound that reading has met, from which on there is no more; empty for none.
        deadline: when that is ``seconds``, by the monotonic clock.
    """

    def __init__(self, file: "EvidenceFile | Layer", block: bytes, digests: Digests | None, limits: Limits) -> None:
        """Begin with ``block``, which was read from the beginning of ``file`` already."""
        self.over: Literal["", "ratio", "seconds"] = ""
        self.deadline: float = time.monotonic() + limits.seconds
        self._ratio = limits.ratio
        self._zeros, self._other = 0, len(block)
        self._file = file
        self._digests = digests
        self._digested = 0
        self._block = block
        self._at = 0
        self._digest(0, block)

    @property
    def offset(self) -> int:
        """Where the next byte stands in the file."""
        return self._file.position - len(self._block) + self._at

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most ``most``; nothing at the file's end."""
        if self._at == len(self._block):
            self._block, self._at = self._read(max(most, compression.BLOCK)), 0
        piece = self._block[self._at : self._at + most] if self._at or len(self._block) > most else self._block
        self._at += len(piece)
        return piece

    def give_back(self, rest: bytes) -> None:
        """Take back ``rest``, which are the last bytes that were given; isal may hold some of an earlier piece."""
        if len(rest) <= self._at:
            self._at -= len(rest)
        else:
            self._block, self._at = rest + self._block[self._at :], 0

    def peek(self, length: int) -> bytes:
        """Return the next ``length`` bytes, or fewer at the file's end, without taking them."""
        while len(self._block) - self._at < length and (more := self._read(compression.BLOCK)):
            self._block, self._at = self._block[self._at :] + more, 0
        return self._block[self._at : self._at + length]

    def go_to(self, offset: int) -> None:
        """Go to ``offset`` in the file; what is read twice is digested once."""
        self._file.seek(offset)
        self._block, self._at = b"", 0

    def pass_zeros(self) -> int:
        """Pass over zero bytes; return how many there were."""
        count = 0
        while piece := self.take(compression.BLOCK):
            rest = piece.lstrip(b"\0")
            count += len(piece) - len(rest)
            if rest:
                self.give_back(rest)
                break
        return count

    def zeros_around(self, least: int) -> tuple[int, int]:
        """Return where the zeros begin that reach up to here, from ``least`` on, and how many they are.

        Those that follow here are counted, too, as far as one `BLOCK`.
        """
        here, block = self.offset, self.peek(compression.BLOCK)
        ahead, begin = len(block) - len(block.lstrip(b"\0")), here
        while begin > least:
            length = min(compression.BLOCK, begin - least)
            self.go_to(begin - length)
            zeros = length - len(self.peek(length).rstrip(b"\0"))
            begin -= zeros
            if zeros < length or self.over:
                break
        self.go_to(here)
        return begin, here - begin + ahead

    def pass_to(self, signatures: tuple[bytes, ...]) -> bool:
        """Pass over bytes up to one of ``signatures``; return whether there is one."""
        longest = max(map(len, signatures))
        while len(block := self.peek(compression.BLOCK)) >= longest:
            nearest = len(block)
            for signature in signatures:  # each is looked for up to the nearest one only: there may be very many
                at = block.find(signature, 0, nearest + len(signature) - 1)
                nearest = at if at >= 0 else nearest
            is_found = nearest < len(block)
            self._at += nearest if is_found else len(block) - longest + 1
            if is_found:
                return True
        return False

    def _read(self, length: int) -> bytes:
        """Return the next bytes of the file, at most ``length``; nothing at its end, or where it is over a limit."""
        if self.over:
            return b""
        begin = self._file.position
        block = self._file.read(length)
        self._digest(begin, block)
        if block.rstrip(b"\0"):
            self._other += len(block)
        elif (zeros := self._zeros + len(block)) > HARMLESS and zeros > self._ratio * self._other:
            self.over = "ratio"
        else:
            self._zeros = zeros
        if time.monotonic() > self.deadline:
            self.over = "seconds"
        return block

    def _digest(self, begin: int, block: bytes) -> None:
        if self._digests is not None and begin + len(block) > self._digested:
            self._digests.update(block[max(self._digested - begin, 0) :])
            self._digested = begin + len(block)


CHUNK: Final = 16 * KIB
"""How many inflated bytes are asked for at first: a header and a record of real size."""

_PIECE_LEAST: Final = 4 * KIB

_CAREFUL: Final = 8
"""How many inflated bytes are asked for at once where the input is known to be corrupt soon: so many may be lost.

They end at its multiples, so that the same ones are lost however much was asked for before.
"""

_STREAMS_KEPT: Final = 100

_ZEROS_LEAST: Final = 512
"""How many zeros in a row at the place where a stream breaks off are told: compressed content has no such run."""


class Inflated:
    """The inflated bytes of an open file; `buffer` holds some, and `at` is the place in it that was reached.

    Attributes:
        compression: what the streams are.
        name: what they are called in reasons.
        before: how many bytes stand before the first stream.
        start: the first bytes of the file, at most one `BLOCK`.
        outer: the stream that these ones lie in; None where they lie in the file.
        buffer: inflated bytes.
        at: how many of them were passed.
        base: how many inflated bytes came before `buffer`.
        first: the first inflated bytes, at most one `BLOCK`.
        end: how the stream ended, or None as long as it hasn't.
        stopped: where the streams ended, in bytes of what was compressed.
        between: zero bytes between streams.
        padding: zero bytes after the last stream.
        after: the first bytes after the last stream that are something else.
        gap: how many bytes the last `resume` passed over.
        passed_end: the first bad end of the outer stream that the last `resume` passed over; None for none.
        checks: of xz streams, how many have each check, by its number.
        is_broken: whether corrupt input was met; a trailer that contradicts its content breaks nothing.
    """

    def __init__(
        self,
        file: "EvidenceFile | Layer",
        block: bytes,
        kind: compression.Compression,
        limits: Limits,
        digests: Digests | None = None,
        *,
        before: int = 0,
    ) -> None:
        """Begin with ``block``, which was read from the beginning of ``file`` already, ``before`` bytes into it."""
        self._file = file
        self.compression = kind
        self._limits = limits
        self._input = Input(file, block, digests, limits)
        self._input.take(before)
        self.start = block
        self._can_seek = kind is compression.PLAIN and digests is None
        self._harmless = min(limits.inflated_bytes, HARMLESS)
        self._step = CHUNK if digests is None else _MOST
        self.outer: Inflated | None = file.outer if isinstance(file, Layer) else None
        self.name = kind.name if self.outer is None else f"inner {kind.name}"
        self.before = before
        self._clear()

    def _clear(self) -> None:
        self._begin = 0
        self.stopped: int = 0
        self.base: int = 0
        self.at: int = 0
        self._contradicted: compression.Stream | None = None
        self._chunks = self._plain() if self.compression is compression.PLAIN else self._streams()
        self._kept: list[compression.Stream] = []
        self._count = 0
        self.buffer: bytes = b""
        self.first: bytes = b""
        self.after: bytes = b""
        self.end: compression.End | None = None
        self.passed_end: compression.End | None = None
        self.between: compression.Zeros = compression.Zeros()
        self.padding: compression.Zeros = compression.Zeros()
        self.gap: int = 0
        self.checks: dict[int, int] = {}
        self.is_broken: bool = False

    def restart(self, limits: Limits | None = None) -> None:
        """Begin again at the first stream, with ``limits`` from now on where they are given."""
        self._limits = limits or self._limits
        self._input.go_to(self.before)
        self._clear()

    @property
    def streams(self) -> list[compression.Stream]:
        """The first gzip members, zstd frames, … that it consists of, those of an outer layer first."""
        return [*self.outer.streams, *self._kept] if self.outer is not None else self._kept

    @property
    def stream_count(self) -> int:
        """How many there were so far."""
        return self._count + (self.outer.stream_count if self.outer is not None else 0)

    @property
    def trailing(self) -> int:
        """How many bytes after the last stream are something else; in an outer layer, as far as was inflated."""
        return max(self._file.size - self.stopped, 0) if self.after else 0

    @property
    def position(self) -> int:
        """How many inflated bytes were passed."""
        return self.base + self.at

    @property
    def taken(self) -> int:
        """How many bytes of the file were taken in."""
        return self._input.offset if self.outer is None else self.outer.taken

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
                here = self._input.offset
                self._input.go_to(max(min(here + left, self._file.size), here))
                left -= self._input.offset - here
                self.base += self._input.offset - here
            if not left or not (chunk := self._next()):
                return length - left
            self.buffer = chunk
        self.at += left
        return length

    def resume(self) -> bool:
        """Look for a stream after the damage, or the trailing bytes, that ended this one; return whether there is one.

        Where the search takes too long, or what is left ends badly, `end` says so.
        """
        if self.end is None or self.end.verdict not in {"damaged", "complete"} or not (self.is_broken or self.trailing):
            return False
        back = 0 if self._contradicted is None else _PIECE_LEAST  # a corrupt stream may have taken in its neighbour
        self._input.go_to(max(self.stopped - back, self._begin + 1))
        self.passed_end = None
        while not (is_found := self._search()) and not self.is_too_late():
            if self.outer is None or (end := self._outer_end()) is None or not self.outer.resume():
                break
            self.passed_end = end if self.passed_end is None and end is not self.end else self.passed_end
        if is_found:
            self.gap = self._input.offset - self.stopped
            self.end, self._contradicted, self.after = None, None, b""
            self._chunks = self._streams()
        elif not self.end.limit and (end := self._outer_end()) is not None:
            self.end = end
        elif self._input.over:
            self._finish("limit")
        return is_found

    def _search(self) -> bool:
        """Go to the next stream; return whether there is one."""
        while self._input.pass_to(self.compression.signatures) and not self.is_too_late():
            if self._can_inflate(self._input.peek(compression.BLOCK)):
                return True
            self._input.take(1)
        return False

    def _can_inflate(self, block: bytes) -> bool:
        """Return whether ``block`` begins with a stream: nothing corrupt is in it.

        gzip's signature has two bytes only, so something must come out of it; a block of bzip2 may be longer than this.
        """
        opened = compression.open_carefully(self.compression, self._limits)
        try:
            is_inflated = bool(opened.inner.decompress(block, CHUNK)) or opened.inner.eof
        except opened.corrupt:
            return False
        return is_inflated or self.compression is not compression.GZIP

    def drain(self) -> None:
        """Take in the rest of the file, for its digest; where that is over a limit, `end` says so."""
        while self._input.take(_MOST):
            pass
        if self._input.over:
            self._finish("limit")
        if self.outer is not None:
            self.outer.drain()
            self.end = end if (end := self.outer.end) is not None and end.limit else self.end

    def _next(self) -> bytes:
        """Return the next inflated bytes; nothing at the end."""
        chunk = next(self._chunks, b"") if self.end is None else b""
        self.first = self.first or chunk[: compression.BLOCK]
        self._step = min(2 * self._step, _MOST)
        return chunk

    def _is_over_limit(self) -> bool:
        """End where what was inflated, or the time that it took, is over a limit; both layers count together."""
        made = self.base + len(self.buffer) + (0 if self.outer is None else self.outer.position)
        if made <= self._harmless and time.monotonic() <= self._input.deadline:
            return False
        limits = self._limits
        if made > limits.inflated_bytes:
            self._finish("limit", f"inflates to more than {counted(limits.inflated_bytes, 'byte')}", "inflated_bytes")
        elif made > HARMLESS and made > limits.ratio * self.taken:
            self._finish("limit", f"inflates to more than {limits.ratio:,} times its size", "ratio")
        else:
            self.is_too_late()
        return self.end is not None

    def is_too_late(self) -> bool:
        """End where too much time has passed."""
        if is_late := time.monotonic() > self._input.deadline:
            self._finish("limit", self._reason("seconds"), "seconds")
        return is_late

    def _reason(self, limit: Literal["ratio", "seconds"]) -> str:
        """Return why the input is over a ``limit``; of a time, that another machine may tell otherwise."""
        if limit == "ratio":
            return f"holds more than {self._limits.ratio:,} times as many zeros as anything else"
        return f"takes more than {counted(self._limits.seconds, 'second')}, here and now"

    def _finish(self, verdict: compression.Verdict, reason: str = "", limit: str = "") -> None:
        """End; where the input did because it is over a limit, for that reason."""
        self.stopped = self._input.offset
        if over := self._input.over:
            verdict, reason, limit = "limit", self._reason(over), over
        self.end = compression.End(verdict, reason, self.taken, limit)

    def _outer_end(self) -> compression.End | None:
        """Return how the outer stream ended badly; None where it didn't."""
        end = None if self.outer is None else self.outer.end
        return None if end is None or end.verdict == "complete" else end

    def _plain(self) -> Iterator[bytes]:
        while chunk := self._input.take(max(self._step, compression.BLOCK)):
            yield chunk
            if self._is_over_limit():
                return
        self._finish("complete")

    def _streams(self) -> Iterator[bytes]:
        """Yield what one stream after the other inflates to, and say how the last one ended."""
        longest, is_stream = max(map(len, self.compression.signatures)), True
        while is_stream:
            yield from self._stream()
            if self.end is not None or self._is_over_limit():
                return
            offset = self._input.offset
            zeros = compression.Zeros(self._input.pass_zeros(), offset)
            ahead = self._input.peek(longest)
            if is_stream := ahead.startswith(self.compression.signatures):
                self.between = self.between.and_then(zeros)
            elif not ahead:
                self.padding = zeros
        self._end_after_the_last()

    def _end_after_the_last(self) -> None:
        """Look at what stands after the last stream; a trailer that contradicts its content is damage."""
        self.after, bad = self._input.peek(_PIECE_LEAST), self._contradicted
        if bad is None or self.is_broken:
            self._finish("complete")
        else:
            self._finish("damaged", f"the {self.name} stream from byte {bad.offset} on is corrupt: {bad.fault}")
        if bad is None and (end := self._outer_end()) is not None:
            self._take_over(end)

    def _take_over(self, end: compression.End) -> None:
        """End as the outer stream did."""
        self.end = end
        self.is_broken = self.is_broken or (self.outer is not None and self.outer.is_broken)

    def _stream(self) -> Iterator[bytes]:
        """Yield what one stream inflates to; where its input is corrupt, again from its beginning, more carefully."""
        self._begin = begin = self._input.offset
        before, given, error = self.base + len(self.buffer), 0, None
        for opened, step in self._attempts():
            if error is not None:
                self._input.go_to(begin)
                if self._input.offset != begin:  # an outer layer does not go back that far
                    break
            try:
                for chunk in self._inflate(opened.inner, given, step):
                    given += len(chunk)
                    yield chunk
            except opened.corrupt as met:
                error = met
            else:
                error = None
                break
        if error is not None:
            self._end_badly(error)
        layer = 1 if self.outer is None else 2
        self._note(opened, compression.Stream(begin, before, given, None, self.end.reason if self.end else "", layer))

    def _attempts(self) -> Iterator[tuple[compression.Opened, int | None]]:
        """Yield what inflates a stream, and how many bytes it is asked for at once; None for as many as it may be.

        isal gives some streams that zlib refuses from their beginning; at an error it loses what was asked for.
        """
        yield compression.open_stream(self.compression, self._limits), None
        if self.compression is compression.GZIP:
            yield compression.open_stream(self.compression, self._limits), CHUNK
        yield compression.open_carefully(self.compression, self._limits), _CAREFUL

    def _inflate(self, inner: compression.Decompressor, given: int, step: int | None) -> Iterator[bytes]:
        """Yield what ``inner`` inflates, without what was ``given`` before; at most ``step`` bytes at once."""
        made, piece = 0, compression.BLOCK if step is None and self._begin == 0 else _PIECE_LEAST
        while not inner.eof and not self._is_over_limit():
            needs_input, data = inner.needs_input, b""
            if needs_input:
                data = self._input.take(piece)
                piece = min(2 * piece, _MOST) if step is None else piece
            most = self._step if step is None else max(min(given - made, CHUNK), 0) or step - made % step
            chunk = inner.decompress(data, most)
            made += len(chunk)
            if chunk and made > given:
                yield chunk
            elif needs_input and not (data or chunk or inner.eof):
                self._end_early(inner)
                return
        if inner.eof:
            self._input.give_back(inner.unused_data)

    def _end_early(self, inner: compression.Decompressor) -> None:
        """End where there is no more input, but the stream goes on."""
        if (end := self._outer_end()) is not None:
            self._take_over(end)
            return
        what = "trailer" if isinstance(inner, compression.Gzip) and inner.lacks_trailer_only else "end"
        self._finish("truncated", f"the {self.name} stream has no {what}{self._zeros_here()}")

    def _end_badly(self, error: Exception) -> None:
        """End where the input is corrupt, or asks for more than a limit allows."""
        reason = str(error)
        if isinstance(error, compression.LongHeaderError):
            self._finish("limit", reason, "name_bytes")
        elif "memory" in reason.lower():  # the words of zstd and of liblzma for a window over the bound
            self._finish(
                "limit", f"needs a window of more than {counted(self._limits.window_bytes, 'byte')}", "window_bytes"
            )
        else:
            self.is_broken = True
            cause = self._zeros_here() or compression.likely_cause(self.start)
            self._finish("damaged", f"the {self.name} stream is corrupt ({reason}){cause}")

    def _zeros_here(self) -> str:
        """Tell where the zeros begin that stand where a stream in the file broke off; nothing where there are few."""
        if self.outer is not None or time.monotonic() > self._input.deadline:
            return ""
        begin, count = self._input.zeros_around(self._begin)
        return f"; from byte {begin} on stand zeros" if count >= _ZEROS_LEAST else ""

    def _note(self, opened: compression.Opened, stream: compression.Stream) -> None:
        """Keep what is known of a stream that ended; a gzip trailer that contradicts its content is damage."""
        if isinstance(opened.inner, compression.Gzip):
            stream = stream._replace(header=opened.inner.header, fault=stream.fault or opened.inner.fault)
        if opened.check is not None:
            check = opened.check()
            self.checks[check] = self.checks.get(check, 0) + 1
        self._count += 1
        if len(self._kept) < _STREAMS_KEPT:
            self._kept.append(stream)
        if stream.fault and self._contradicted is None:
            self._contradicted = stream


_KEPT: Final = MIB
"""How many bytes that an outer stream inflated to are kept to go back to."""

_RESTARTS: Final = 8
"""How often an outer stream is inflated anew, to go back in it: each time may cost as much as the whole file."""


class Layer:
    """What an outer stream inflates to, as the input of other streams.

    The last bytes are kept, so that going back to them costs nothing; beyond them the outer stream begins anew, a few
    times, unless it is broken.

    Attributes:
        outer: the outer stream.
        position: where the next byte stands.
    """

    def __init__(self, outer: Inflated) -> None:
        """Begin at the beginning of ``outer``."""
        self.outer: Inflated = outer
        self._restarts = _RESTARTS
        self._kept = bytearray()
        self.position: int = 0

    @property
    def size(self) -> int:
        """How many bytes were inflated so far."""
        return self.outer.position

    def read(self, length: int) -> bytes:
        """Return the next bytes, at most ``length``; nothing where the outer stream ends."""
        if back := self.outer.position - self.position:
            at = len(self._kept) - back
            piece = bytes(self._kept[at : at + length])
        else:
            piece = self.outer.take(length)
            self._kept += piece
            if len(self._kept) > 2 * _KEPT:
                del self._kept[:-_KEPT]
        self.position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        """Go to ``offset``, or stay where that is too far back."""
        outer = self.outer
        if not 0 <= outer.position - offset <= len(self._kept):
            if offset < outer.position:
                if outer.is_broken or not self._restarts:
                    return
                self._restarts -= 1
                outer.restart()
            outer.skip(offset - outer.position)
            self._kept.clear()
        self.position = min(offset, outer.position)
