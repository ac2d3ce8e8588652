"""Reading archives: `head` for the record alone, `Reader` for all members in one pass.

The record is the first member (FORMAT.md §2), so `head` reads one block, inflates until the record is complete, and
stops; it goes on only where the record isn't there.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from backupmeta.archive import tar
from backupmeta.archive.compression import BLOCK, PLAIN, Compression, End, Inflated, by_suffix, identify
from backupmeta.archive.limits import DEFAULT_LIMITS, MIB, Limits
from backupmeta.errors import DamagedError, LimitExceededError, NoMemberError, NoRecordError, NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

RECORD: Final = b"APP-META.INI"
"""The embedded record's name (FORMAT.md §2)."""

DUMP: Final = b"APP-DATA.SQL"
"""The database dump's name (FORMAT.md §2)."""

_OUTCOMES: Final = {"truncated": "archive-truncated", "damaged": "archive-damaged", "limit": "limit-exceeded"}
_RECORDS_KEPT: Final = 100
_TAIL: Final = 4 * MIB
"""How much is inflated behind the record, in bytes, to see whether a small file's stream is whole."""


class Head(NamedTuple):
    """What an archive's beginning tells.

    Attributes:
        path: the archive, as it was found on disk.
        compression: how it is compressed.
        size: of the file, in bytes.
        mtime_ns: of the file, nanoseconds since 1970, UTC.
        member: the record's member.
        place: the record's place among the members, from 0.
        record: the record's bytes.
        findings: what was odd.
    """

    path: str
    compression: Compression
    size: int
    mtime_ns: int
    member: tar.Member
    place: int
    record: bytes
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"Head({self.path!r}, {self.compression.name}, record of {len(self.record)} bytes)"


class Reader:
    """One pass over the members of an open archive.

    Iterate it once; between two members, `content` gives the last one's content, piece by piece.

    Attributes:
        records: the members that are records, so far.
    """

    def __init__(self, file: EvidenceFile, limits: Limits = DEFAULT_LIMITS) -> None:
        """Begin to read ``file``; iterating raises `NotAnArchiveError`, `DamagedError` where nothing in it is tar."""
        self.file = file
        self.limits = limits
        self.block = file.read(BLOCK)
        self.compression = identify(self.block) or PLAIN
        self._stream = Inflated(file, self.block, self.compression, limits)
        self._walk = tar.Walk(self._stream, limits)
        self.records: list[tar.Member] = []

    def __iter__(self) -> Iterator[tar.Member]:
        for member in self._walk:
            if is_record(member) and len(self.records) < _RECORDS_KEPT:
                self.records.append(member)
            yield member
        if not self._walk.seen:
            self._check_is_tar()

    def content(self, member: tar.Member) -> Iterator[bytes]:
        """Yield the content of ``member``, which the iteration gave last. Raises `DamagedError` where it breaks off."""
        missing = member.stored
        while missing and (piece := self._walk.content(BLOCK)):
            missing -= len(piece)
            yield piece
        if missing:
            raise self.broken(f"{missing:,} bytes of {member.text!r} are missing")

    def record(self, member: tar.Member) -> bytes:
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
            return DamagedError(self.file.path, f"{why}: {reason}", min(self._stream.taken, self.file.size))
        return DamagedError(self.file.path, f"{stream.reason}: {reason}", stream.offset)

    def _limit(self) -> LimitExceededError | None:
        """Return the error for the limit that ended the walk, or None where none did."""
        name = next((end.limit for end in (self._stream.end, self._walk.end) if end is not None and end.limit), None)
        return None if name is None else LimitExceededError(self.file.path, name, getattr(self.limits, name))

    def findings(self) -> Iterator[Finding]:
        """Yield, after the iteration, what was odd: how it ended, and records beside the one that counts."""
        if len(self.records) > 1:
            yield Finding("record-several", "", "", tuple(_at(self.file.path, one) for one in self.records))
        if self.end is not None and self.end.verdict != "complete":
            place = f"at byte {self.end.offset} of the inflated archive, after {self._walk.seen} members"
            where = (_at(self.file.path, None),)
            yield Finding(_OUTCOMES[self.end.verdict], "", f"{self.end.reason} {place}", where)

    def bad_end(self) -> End | None:
        """Take in the rest of a small file; return how it ends badly, as far as `_TAIL` shows, or None."""
        if self.file.size > BLOCK:
            return None
        if self.compression is PLAIN:
            for _ in self._walk:
                pass
            end = self._walk.end
        else:
            self._take_in_tail()
            end = self._stream.end
        return None if end is None or end.verdict == "complete" else end

    def _take_in_tail(self) -> None:
        left = _TAIL
        while left and (got := len(self._stream.read(min(left, BLOCK)))):
            left -= got

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
            raise DamagedError(path, inflated.reason, inflated.offset)
        raise NotAnArchiveError(path, f"{self.compression.name}, but no tar inside: {describe(self._stream.first)}")


def find(file: EvidenceFile, name: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Reader, tar.Member]:
    """Return the first member called ``name`` (a ``./`` before it does not count), and the reader that stands there.

    Raises:
        NoMemberError: there is none.
        NotAnArchiveError, DamagedError, UnreadableError: the archive can't be read up to there.
    """
    wanted = name.encode("utf-8", "surrogateescape").removeprefix(b"./").rstrip(b"/")
    reader = Reader(file, limits)
    for member in reader:
        if member.name.removeprefix(b"./").rstrip(b"/") == wanted:
            if member.kind != "file" or member.is_sparse:
                kind = "sparse file, whose holes are not filled in" if member.is_sparse else member.kind
                raise NoMemberError(file.path, name, f"is no plain file but a {kind}")
            return reader, member
    if reader.end is not None and reader.end.verdict != "complete":
        raise reader.broken(f"{name!r} was not met before")
    raise NoMemberError(file.path, name)


def head(file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, seen: str | None = None) -> Head:
    """Return what the beginning of the archive ``file`` tells.

    ``seen`` is its path as the server saw it, for findings.

    Raises:
        NotAnArchiveError: its bytes are something else.
        NoRecordError: no member is called ``APP-META.INI``, at the root or deeper, within ``limits.search_bytes``.
        DamagedError: it breaks off before its record is complete.
        LimitExceededError: its record, or what must be read before it, is over one of ``limits``.
        UnreadableError: the system refuses.
    """
    reader = Reader(file, limits)
    path = file.path if seen is None else seen
    found: list[_Found] = []
    for place, member in enumerate(reader):
        at_root = member.name in _AT_ROOT
        if is_record(member) and (at_root or not found):
            found.insert(0, _Found(member, place, reader.record(member)))
            if at_root:
                break
        if member.offset + member.stored > limits.search_bytes:
            break
    if not found:
        raise _without_record(reader)
    chosen = found[0]
    findings = (*_findings(reader, found, path), *_verdict(reader, path))
    return Head(
        path, reader.compression, file.size, file.mtime_ns, chosen.member, chosen.place, chosen.record, findings
    )


class _Found(NamedTuple):
    member: tar.Member
    place: int
    record: bytes


_AT_ROOT: Final = frozenset({RECORD, b"./" + RECORD})


def is_record(member: tar.Member) -> bool:
    """Tell whether ``member`` is a record, at the root or deeper."""
    return (
        member.kind == "file"
        and not member.is_sparse
        and (member.name in _AT_ROOT or member.name.endswith(b"/" + RECORD))
    )


def _without_record(reader: Reader) -> Exception:
    end, path = reader.end, reader.file.path
    if end is None:
        return LimitExceededError(path, "search_bytes", reader.limits.search_bytes)
    if end.verdict == "complete":
        return NoRecordError(path, f"an archive without {RECORD.decode()}")
    return reader.broken(f"before {RECORD.decode()} was met")


def _findings(reader: Reader, found: list[_Found], path: str) -> Iterator[Finding]:
    chosen = found[0]
    promised = by_suffix(path)
    if promised is not None and promised is not reader.compression:
        yield Finding("archive-suffix-differs", "", f"it is {reader.compression.name}", (_at(path, None),))
    if chosen.member.name not in _AT_ROOT:
        yield Finding("record-not-at-root", "", "", (_at(path, chosen.member),))
    if chosen.place:
        yield Finding("record-not-first", "", f"member {chosen.place + 1}", (_at(path, chosen.member),))
    if len(found) > 1:
        yield Finding("record-several", "", "", tuple(_at(path, one.member) for one in found))


def _verdict(reader: Reader, path: str) -> Iterator[Finding]:
    if (end := reader.bad_end()) is not None:
        yield Finding(_OUTCOMES[end.verdict], "", f"{end.reason} at byte {end.offset}", (_at(path, None),))


def _at(path: str, member: tar.Member | None) -> Source:
    return Source(Witness.EMBEDDED_RECORD, path, member.text if member else None)
