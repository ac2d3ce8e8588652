"""Reading archives: `Reader` for their members, `walk` for one thorough pass over everything.

The record is the first member (FORMAT.md §2), so `backupmeta.archive.head` stops a `Reader` there; a `Pass` goes to the
end, behind damage too, and hands the content of members to whoever wants it, so that nothing is inflated twice.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

from backupmeta.archive.compression import BLOCK, PLAIN, by_suffix, identify
from backupmeta.archive.digests import ALGORITHMS, Digests
from backupmeta.archive.hazards import Hazards
from backupmeta.archive.limits import DEFAULT_LIMITS, MIB, Limits
from backupmeta.archive.member import Member, plain
from backupmeta.archive.stream import End, Inflated, Stream
from backupmeta.archive.tar import Walk
from backupmeta.errors import DamagedError, LimitExceededError, NoMemberError, NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

_BURST: Final = 128
"""How many members are judged together: what has just run runs again at half its cost, and they are still at hand."""

_TAIL: Final = 4 * MIB
"""How much is inflated behind the record, in bytes, to see whether a small file's stream is whole."""


class Reader:
    """The members of an open archive, up to its end mark or the first damage.

    Iterate it once; between two members, `content` gives the last one's content, piece by piece.
    """

    is_thorough = False

    def __init__(self, file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, digests: Digests | None = None) -> None:
        """Begin to read ``file``; iterating raises `NotAnArchiveError`, `DamagedError` where nothing in it is tar."""
        self.file = file
        self.limits = limits
        self.block = file.read(BLOCK)
        self.compression = identify(self.block) or PLAIN
        self._stream = Inflated(file, self.block, self.compression, limits, digests)
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

    def _check_is_tar(self) -> None:
        """Raise where there was not a single header: it is no tar, or it broke off too early to tell."""
        from backupmeta.archive.foreign import describe

        path, walked, inflated = self.file.path, self._walk.end, self._stream.end
        if walked is None or (walked.verdict == "complete" and self._stream.position):
            return
        if (limit := self._limit()) is not None:
            raise limit
        if self.compression is PLAIN:
            raise NotAnArchiveError(path, f"no archive: {describe(self.block)}")
        if inflated is not None and inflated.verdict != "complete":
            raise DamagedError(path, inflated.reason, inflated.offset, inflated.verdict)
        raise NotAnArchiveError(path, f"{self.compression.name}, but no tar inside: {describe(self._stream.first)}")


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
        if trailing := self._stream.trailing:
            where = f"{trailing:,} bytes from byte {self.file.size - trailing} on"
            yield Finding("archive-trailing-bytes", "", where, (_at(path, None),))
        elif padding := self._stream.padding:
            yield Finding("archive-padding", "", f"{padding:,} bytes", (_at(path, None),))
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
