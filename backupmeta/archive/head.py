"""The head of an archive: its record, and what the way there shows.

The record is the first member (FORMAT.md §2), so `head` reads one block, inflates until the record is complete, and
stops; it goes on only where the record isn't there.
"""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.archive.compression import Compression, by_suffix
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.member import AT_ROOT, RECORD, Member, is_record
from backupmeta.archive.reader import Reader
from backupmeta.archive.tar import OUTCOMES
from backupmeta.errors import LimitExceededError, NoRecordError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness


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
    member: Member
    place: int
    record: bytes
    findings: tuple[Finding, ...]

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
    reader = Reader(file, limits)
    path = file.path if seen is None else seen
    found: list[_Found] = []
    for place, member in enumerate(reader):
        at_root = member.name in AT_ROOT
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
    member: Member
    place: int
    record: bytes


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
    if chosen.member.name not in AT_ROOT:
        yield Finding("record-not-at-root", "", "", (_at(path, chosen.member),))
    if chosen.place:
        yield Finding("record-not-first", "", f"member {chosen.place + 1}", (_at(path, chosen.member),))
    if len(found) > 1:
        yield Finding("record-several", "", "", tuple(_at(path, one.member) for one in found))


def _verdict(reader: Reader, path: str) -> Iterator[Finding]:
    if (end := reader.bad_end()) is not None:
        yield Finding(OUTCOMES[end.verdict], "", f"{end.reason} at byte {end.offset}", (_at(path, None),))


def _at(path: str, member: Member | None) -> Source:
    return Source(Witness.EMBEDDED_RECORD, path, member.text if member else None)
