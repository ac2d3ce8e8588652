"""The head of an archive: its record, and what the way there shows.

The record is the first member (FORMAT.md §2), so `head` reads one block, inflates until the record is complete, and
stops; it goes on only where the record isn't there. Of the usual archive, whose block begins a gzip stream with an
ordinary header of the record, that takes two or three calls; any other is walked, member by member.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from backupmeta.archive.compression import (
    BLOCK,
    GZIP,
    Compression,
    Decompressor,
    by_suffix,
    open_carefully,
    whole,
)
from backupmeta.archive.header import BLOCK as HEADER_BYTES
from backupmeta.archive.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from backupmeta.archive.member import AT_ROOT, RECORD, Member, is_record, ordinary
from backupmeta.archive.reader import Reader
from backupmeta.archive.tar import OUTCOMES
from backupmeta.errors import LimitExceededError, NoRecordError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

_FIRST: Final = 4 * KIB
"""How many inflated bytes of a large file are asked for at first: for a header and a short record."""

_MOST: Final = MIB
"""How many inflated bytes of an archive are at hand at once, at most; of one that has more the members are walked."""


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
        begin: where its first stream begins, in bytes of the file.
    """

    path: str
    compression: Compression
    size: int
    mtime_ns: int
    member: Member
    place: int
    record: bytes
    findings: tuple[Finding, ...]
    begin: int = 0

    def __repr__(self) -> str:
        return f"Head({self.path!r}, {self.compression.name}, record of {len(self.record)} bytes)"


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
    path = file.path if seen is None else seen
    if (usual := _at_once(file, limits)) is not None:
        return _head(file, path, GZIP, [usual], ())
    file.seek(0)
    reader = Reader(file, limits)
    found = _walked(reader)
    told = _head(file, path, reader.compression, found, _verdict(reader, path))
    return told._replace(begin=reader.begin)


class _Found(NamedTuple):
    member: Member
    place: int
    record: bytes


def _head(
    file: EvidenceFile, path: str, compression: Compression, found: Sequence[_Found], verdict: Iterable[Finding]
) -> Head:
    member, place, record = found[0]
    findings = (*_findings(compression, found, path), *verdict)
    return Head(path, compression, file.size, file.mtime_ns, member, place, record, findings)


def _at_once(file: EvidenceFile, limits: Limits) -> _Found | None:
    """Return the record of the usual archive, as `_walked` does; None for any other, and where anything is odd."""
    block = file.read(BLOCK)
    if not block.startswith(GZIP.signatures) or not _are_wide(limits):
        return None
    if file.size <= BLOCK:
        content = whole(block, _MOST) if len(block) == file.size else None
        return None if content is None else _first(content, None, limits)
    opened = open_carefully(GZIP, limits)
    try:
        return _first(opened.inner.decompress(block, _FIRST), opened.inner, limits)
    except opened.corrupt:
        return None


def _are_wide(limits: Limits) -> bool:
    """Tell whether the limits that only a walk looks at can't be met by the way."""
    return limits.seconds > 0 and limits.members > 0 and limits.inflated_bytes >= _MOST


def _first(content: bytes, stream: Decompressor | None, limits: Limits) -> _Found | None:
    """Return the record whose header ``content`` begins with, the rest of it inflated by ``stream``; None otherwise."""
    header = content[:HEADER_BYTES]
    member = ordinary(header, 0) if len(header) == HEADER_BYTES else None
    if member is None or member.name not in AT_ROOT or not is_record(member):
        return None
    end = HEADER_BYTES + member.stored
    if member.stored > limits.record_bytes or end > _MOST:
        return None
    if end > len(content) and stream is not None:
        content += stream.decompress(b"", end - len(content))
    return _Found(member, 0, content[HEADER_BYTES:end]) if end <= len(content) else None


def _walked(reader: Reader) -> Sequence[_Found]:
    """Return the records that were met up to the one at the root, the one that counts first."""
    found: list[_Found] = []
    for place, member in enumerate(reader):
        at_root = member.name in AT_ROOT
        if is_record(member) and (at_root or not found):
            found.insert(0, _Found(member, place, reader.record(member)))
            if at_root:
                break
        if member.offset + member.stored > reader.limits.search_bytes:
            break
    if not found:
        raise _without_record(reader)
    return found


def _without_record(reader: Reader) -> Exception:
    end, path = reader.end, reader.file.path
    if end is None:
        return LimitExceededError(path, "search_bytes", reader.limits.search_bytes)
    if end.verdict == "complete":
        return NoRecordError(path, f"an archive without {RECORD.decode()}")
    return reader.broken(f"before {RECORD.decode()} was met")


def _findings(compression: Compression, found: Sequence[_Found], path: str) -> Iterator[Finding]:
    chosen = found[0]
    promised = by_suffix(path)
    if promised is not None and promised is not compression:
        yield Finding("archive-suffix-differs", "", f"it is {compression.name}", (_at(path, None),))
    if chosen.member.name not in AT_ROOT:
        yield Finding("record-not-at-root", "", "", (_at(path, chosen.member),))
    if chosen.place:
        yield Finding("record-not-first", "", f"member {chosen.place + 1}", (_at(path, chosen.member),))
    if len(found) > 1:
        yield Finding("record-several", "", "", tuple(_at(path, one.member) for one in found))


def _verdict(reader: Reader, path: str) -> Iterator[Finding]:
    yield from _of_end(reader, path)
    yield from reader.of_streams(path)


def _of_end(reader: Reader, path: str) -> Iterator[Finding]:
    if (end := reader.bad_end()) is not None:
        yield Finding(OUTCOMES[end.verdict], "", f"{end.reason} at byte {end.offset}", (_at(path, None),))


def _at(path: str, member: Member | None) -> Source:
    return Source(Witness.EMBEDDED_RECORD, path, member.text if member else None)
