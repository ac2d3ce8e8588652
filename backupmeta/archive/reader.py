"""Reading archives: `Reader` for their members, `walk` for one thorough pass over everything.

The record is the first member (FORMAT.md §2), so `backupmeta.archive.head` stops a `Reader` there; a `Pass` goes to the
end, behind damage too, and hands the content of members to whoever wants it, so that nothing is inflated twice.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

from backupmeta.archive import packing
from backupmeta.archive.compression import BLOCK, PLAIN, by_suffix, identify, is_skippable
from backupmeta.archive.digests import ALGORITHMS, Digests
from backupmeta.archive.end import End, Stream
from backupmeta.archive.hazards import Hazards
from backupmeta.archive.header import BLOCK as HEADER_BYTES
from backupmeta.archive.limits import DEFAULT_LIMITS, MIB, Limits
from backupmeta.archive.member import Member, plain
from backupmeta.archive.tar import Walk
from backupmeta.errors import DamagedError, LimitExceededError, NoMemberError, NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

_BURST: Final = 128
"""How many members are judged together: what has just run runs again at half its cost, and they are still at hand."""

_END_MARKS: Final = frozenset({1024, 10240})
"""How many zeros an archive without members has: two blocks, and what GNU tar fills a record with."""

_TAIL: Final = 4 * MIB
"""How much is inflated behind the record, in bytes, to see whether a small file's stream is whole."""


class Reader:
    """The members of an open archive, up to its end mark or the first damage.

    Iterate it once; between two members, `content` gives the last one's content, piece by piece.
    """

    is_thorough = False

    def __init__(self, file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, digests: Digests | None = None) -> None:
        """Begin to read ``file``; this and iterating raise `NotAnArchiveError`, `DamagedError` where nothing is tar."""
        self.file = file
        self.limits = limits
        self.block = file.read(BLOCK)
        self._stream = packing.unpacked(file, self.block, limits, digests)
        outer = self._stream.outer
        self.compression = self._stream.compression if outer is None else outer.compression
        self._walk = Walk(self._stream, limits, file.path, is_thorough=self.is_thorough)

    def __iter__(self) -> Iterator[Member]:
        yield from self._walk
        if not self._walk.seen:
            self._check_is_tar()

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the content of ``member``, which the iteration gave last. Raises `DamagedError` where it breaks off."""
        missing = member.stored
        while missing and (piece := self._walk.content(BLOCK)):
            missing -= len(piece)
            yield piece
        if missing:
            raise self.broken(f"{missing:,} bytes of {member.text!r} are missing")

    def record(self, member: Member) -> bytes:
        """Return the whole content of a record. Raises `LimitExceededError`, and as `content`."""
        if member.stored > self.limits.record_bytes:
            raise LimitExceededError(self.file.path, "record_bytes", self.limits.record_bytes, member.stored)
        return b"".join(self.content(member))

    @property
    def position(self) -> int:
        """How many inflated bytes were taken so far."""
        return self._stream.position

    @property
    def begin(self) -> int:
        """Where the first stream, or the tar, begins, in bytes of the file."""
        stream = self._stream if self._stream.outer is None else self._stream.outer
        return stream.before

    @property
    def end(self) -> End | None:
        """How the walk ended; None before its end."""
        return self._walk.end

    def broken(self, reason: str) -> DamagedError | LimitExceededError:
        """Return the error for content that ends before it should."""
        stream, walk = self._stream.end, self._walk.end
        if (limit := self._limit()) is not None:
            return limit
        if stream is None or stream.verdict == "complete":
            why = walk.reason if walk and walk.reason else "the tar is cut off"
            verdict = "truncated" if walk is None or walk.verdict == "complete" else walk.verdict
            return DamagedError(self.file.path, f"{why}: {reason}", min(self._stream.taken, self.file.size), verdict)
        return DamagedError(self.file.path, f"{stream.reason}: {reason}", stream.offset, stream.verdict)

    def _limit(self) -> LimitExceededError | None:
        """Return the error for the limit that ended the walk, or None where none did."""
        name = next((end.limit for end in (self._stream.end, self._walk.end) if end is not None and end.limit), None)
        return None if name is None else LimitExceededError(self.file.path, name, getattr(self.limits, name))

    def bad_end(self) -> End | None:
        """Take in the rest of a small file; return how it ends badly, as far as `_TAIL` shows, or None."""
        if self.file.size > BLOCK:
            return None
        if self.compression is PLAIN:
            for _ in self._walk:
                pass
            end = self._walk.end
        else:
            self._stream.skip(_TAIL)
            end = self._stream.end
        return None if end is None or end.verdict == "complete" else end

    def of_streams(self, path: str) -> Iterator[Finding]:
        """Yield what is odd about what the tar is packed in, as far as it was read; ``path`` is the archive's."""
        return packing.findings(self._stream, Source(Witness.ARCHIVE, path))

    def _check_is_tar(self) -> None:
        """Raise where there was not a single header: it is no tar, or it broke off too early to tell."""
        from backupmeta.archive.foreign import container, is_torn_header

        path, stream, walked = self.file.path, self._stream, self._walk.end
        is_whole = walked is not None and walked.verdict == "complete" and stream.position and not self._is_zeros()
        if walked is None or (is_whole and container(stream.first) is None):
            return
        if (limit := self._limit()) is not None:
            raise limit
        if (end := stream.end) is not None and end.verdict != "complete":
            raise DamagedError(path, end.reason, end.offset, end.verdict)
        if is_torn_header(stream.first, path):
            is_cut = len(stream.first) < HEADER_BYTES
            reason = "the tar is cut off in its first header" if is_cut else "the tar's first header is broken"
            offset = stream.before if self.compression is PLAIN and not is_cut else min(stream.taken, self.file.size)
            raise DamagedError(path, reason, offset, "truncated" if is_cut else "damaged")
        raise self._foreign()

    def _is_zeros(self) -> bool:
        """Tell whether there are zeros alone, and not just the end mark of a writer that packed nothing."""
        stream = self._stream
        if stream.first.strip(b"\0") or any(one.id == "archive-trailing-content" for one in self._walk.findings):
            return False
        while stream.position < self.limits.search_bytes and (piece := stream.take(BLOCK)):
            if piece.strip(b"\0"):
                return False
        return self.compression is PLAIN or stream.position not in _END_MARKS

    def _foreign(self) -> NotAnArchiveError:
        """Return the error that says what the file is."""
        from backupmeta.archive.foreign import describe

        stream, path = self._stream, self.file.path
        if self.compression is PLAIN:
            what = describe(self.block)
            return NotAnArchiveError(path, f"no archive: {what.words}", what.advice or None)
        layers = packing.layers(stream)
        if (third := identify(stream.first)) is not None:
            reason = f"compressed more than twice: {third.name} in {layers}"
            return NotAnArchiveError(path, reason, "unpack the outermost layer; two are read")
        if not (stream.position or stream.trailing) and is_skippable(self.block):
            return NotAnArchiveError(path, "nothing but zstd frames without content")
        what = describe(stream.first)
        return NotAnArchiveError(path, f"{layers}, but no tar inside: {what.words}", what.advice or None)


class Consumer(Protocol):
    """Who takes in the content of some members during a walk."""

    def wants(self, member: Member) -> bool:
        """Tell whether the content of ``member``, whose turn it is, shall be given to `take`."""

    def take(self, piece: bytes) -> None:
        """Take in the next bytes of the member's content; for a sparse file without its holes."""

    def close(self, missing: int) -> None:
        """Know that the content has ended, ``missing`` bytes before it should."""


class Pass(Reader):
    """One thorough pass over an open archive, up to the file's last byte.

    Iterate it once; each member comes when the consumers have its content. Then ask what else was seen.

    Attributes:
        digests: of the file, in hexadecimal; empty before the end, and where a limit ended the pass.
    """

    is_thorough = True

    def __init__(
        self,
        file: EvidenceFile,
        limits: Limits = DEFAULT_LIMITS,
        *,
        algorithms: Collection[str] = ALGORITHMS[:1],
        consumers: Sequence[Consumer] = (),
    ) -> None:
        """Begin to read ``file``, counting the digests ``algorithms`` of its bytes, for ``consumers``."""
        self._digests = Digests(algorithms) if algorithms else None
        self._consumers = consumers
        self._wanting = list(consumers)
        self._hazards = Hazards(file.path, limits)
        super().__init__(file, limits, self._digests)
        self._found: tuple[Finding, ...] = ()
        self.digests: Mapping[str, str] = {}

    def __iter__(self) -> Iterator[Member]:
        is_whole = False
        try:
            yield from self._members()
            if is_whole := self._went_to_the_end():
                self._stream.drain()
        finally:
            if self._digests is not None:
                digests = self._digests.finish()
                self.digests = digests if is_whole else {}

    def _went_to_the_end(self) -> bool:
        """Tell whether no limit ended the pass; a member's name over one does not."""
        stream, walked = self._stream.end, self.end
        return not ((stream and stream.limit) or (walked and walked.limit == "members"))

    def _members(self) -> Iterator[Member]:
        walk, unjudged = self._walk, list[Member]()
        wants = self._consumers[0].wants if len(self._consumers) == 1 else self._wants if self._consumers else None
        while members := walk.burst(_BURST, wants):
            unjudged += members
            if len(unjudged) >= _BURST:
                self._hazards.look_at(unjudged)
                unjudged = []
            if walk.is_wanted:
                yield from members[:-1]
                self._hand_out()
                members = members[-1:]
            yield from members
            walk.pass_content()
        self._hazards.look_at(unjudged)
        if not walk.seen:
            self._check_is_tar()

    def _wants(self, member: Member) -> bool:
        """Ask the consumers, each once, whether they want the content of ``member``."""
        self._wanting = [one for one in self._consumers if one.wants(member)]
        return bool(self._wanting)

    def _hand_out(self) -> None:
        """Give the content that is still ahead to the consumers that want it."""
        while piece := self._walk.content(BLOCK):
            for one in self._wanting:
                one.take(piece)
        missing = self._walk.pass_content()
        for one in self._wanting:
            one.close(missing)

    @property
    def records(self) -> Sequence[Member]:
        """The first members that are records."""
        return self._hazards.records

    @property
    def seen(self) -> int:
        """How many members there were so far."""
        return self._walk.seen

    @property
    def streams(self) -> Sequence[Stream]:
        """The first gzip members, zstd frames, … that the file consists of, and those with a fault."""
        return self._stream.streams

    @property
    def stream_count(self) -> int:
        """How many there were."""
        return self._stream.stream_count

    def findings(self) -> Sequence[Finding]:
        """Return, after the iteration, what was odd."""
        self._found = self._found or tuple(self._judged())
        return self._found

    def _judged(self) -> Iterator[Finding]:
        path, promised = self.file.path, by_suffix(self.file.path)
        if promised is not None and promised is not self.compression:
            yield Finding("archive-suffix-differs", "", f"it is {self.compression.name}", (_at(path, None),))
        if len(self.records) > 1:
            yield Finding("record-several", "", "", tuple(_at(path, one) for one in self.records))
        yield from self._walk.findings
        yield from self.of_streams(path)
        yield from self._hazards.finish()


def walk(
    file: EvidenceFile,
    limits: Limits = DEFAULT_LIMITS,
    *,
    algorithms: Collection[str] = ALGORITHMS[:1],
    consumers: Sequence[Consumer] = (),
) -> Pass:
    """Return one thorough pass over the archive ``file``, to be iterated.

    Args:
        file: the open archive.
        limits: what it may ask for.
        algorithms: the digests of the file's bytes to count, of `backupmeta.archive.digests.ALGORITHMS`.
        consumers: who takes in the content of members.

    Iterating raises `NotAnArchiveError`, `DamagedError`, `LimitExceededError` where not a single header could be read,
    `UnreadableError` where the system refuses; anything else that is odd or damaged is one of `Pass.findings`.
    """
    return Pass(file, limits, algorithms=algorithms, consumers=consumers)


def find(file: EvidenceFile, name: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Reader, Member]:
    """Return the first member called ``name`` (a ``./`` before it does not count), and the reader that stands there.

    Raises:
        NoMemberError: there is none.
        NotAnArchiveError, DamagedError, UnreadableError: the archive can't be read up to there.
    """
    wanted = plain(name.encode("utf-8", "surrogateescape"))
    reader = Reader(file, limits)
    for member in reader:
        if plain(member.name) == wanted:
            if member.kind != "file" or member.is_sparse:
                kind = "sparse file, whose holes are not filled in" if member.is_sparse else member.kind
                raise NoMemberError(file.path, name, f"is no plain file but a {kind}")
            return reader, member
    if reader.end is not None and reader.end.verdict != "complete":
        raise reader.broken(f"{name!r} was not met before")
    raise NoMemberError(file.path, name)


def _at(path: str, member: Member | None) -> Source:
    if member is None:
        return Source(Witness.ARCHIVE, path)
    return Source(Witness.ARCHIVE, path, member.text, None, member.offset)
