"""The head of an archive: its record, and what the way there shows.

The record is the first member (FORMAT.md §2), so `head` reads one block, inflates until the record is complete, and
stops; it goes on only where the record isn't there. Nearly every archive begins a gzip stream with an ordinary header
of the record, which takes two or three calls. Any other is walked.
"""

import os
import re
from collections import deque
from typing import Final, NamedTuple

from backupmeta.archive.compression import BLOCK, GZIP, Compression, Decompressor, open_carefully, whole
from backupmeta.archive.headers import BLOCK as HEADER_BYTES
from backupmeta.archive.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from backupmeta.archive.member import RECORD, Member, Placed, ordinary, plain
from backupmeta.archive.reader import Reader, record_of, unpromised
from backupmeta.errors import LimitExceededError, NoRecordError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding

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


def head(file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, server_path: str | None = None) -> Head:
    """Return what the beginning of the archive ``file`` tells.

    ``server_path`` is its path as the server saw it, for findings.

    Raises:
        NotAnArchiveError: its bytes are something else.
        NoRecordError: no member is called ``APP-META.INI``, at the root or deeper, within ``limits.search_bytes``.
        DamagedError: it breaks off before its record is complete.
        LimitExceededError: its record, or what must be read before it, is over one of ``limits``.
        UnreadableError: the system refuses.
    """
    path = file.path if server_path is None else server_path
    if (ahead := _record_ahead(file, limits)) is not None:
        member, content = ahead
        return Head(path, GZIP, file.size, file.signature.mtime_ns, member, 0, content, tuple(unpromised(GZIP, path)))
    file.seek(0)
    reader = Reader(file, limits, until=limits.search_bytes)
    record, content = _walked(reader)
    if file.size <= BLOCK:
        deque(reader.rest(), maxlen=0)
    odd = tuple(reader.oddities(path))
    return Head(path, reader.compression, file.size, file.signature.mtime_ns, *record, content, odd, reader.begin)


def _record_ahead(file: EvidenceFile, limits: Limits) -> tuple[Member, bytes] | None:
    """Return the record with which a gzip file begins, and its bytes, as `_walked` does.

    None for any other file, where anything is odd, and where limits that only a walk looks at could be met.
    """
    block = file.read(BLOCK)
    is_wide = limits.seconds > 0 and limits.members > 0 and limits.inflated_bytes >= _MOST
    if not block.startswith(GZIP.signatures) or not is_wide:
        return None
    if file.size <= BLOCK:  # a scan of small archives takes a third more where each of them is walked
        content = whole(block, _MOST) if len(block) == file.size else None
        return _first(content, None, limits) if content is not None and _is_ordinary(content) else None
    opened = open_carefully(GZIP, limits)
    try:
        return _first(opened.inner.decompress(block, _FIRST), opened.inner, limits)
    except opened.corrupt:
        return None


def _is_ordinary(content: bytes) -> bool:
    """Return whether a whole tar holds ordinary members up to its end mark, and no second record."""
    at, records, last = 0, 0, len(content) - HEADER_BYTES
    while at <= last and (member := ordinary(content[at : at + HEADER_BYTES], at)) is not None:
        records += RECORD in member.name
        at += HEADER_BYTES + member.stored + -member.stored % HEADER_BYTES
    return records == 1 and at + HEADER_BYTES <= last and not content[at:].strip(b"\0")


def _first(content: bytes, stream: Decompressor | None, limits: Limits) -> tuple[Member, bytes] | None:
    """Return the record whose header ``content`` begins with, the rest of it inflated by ``stream``; None otherwise."""
    member = ordinary(content[:HEADER_BYTES], 0) if len(content) >= HEADER_BYTES else None
    if member is None or member.kind != "file" or plain(member.name) != RECORD:
        return None
    end = HEADER_BYTES + member.stored
    if member.stored > limits.record_bytes or end > _MOST:
        return None
    if end > len(content) and stream is not None:
        content += stream.decompress(b"", end - len(content))
    return (member, content[HEADER_BYTES:end]) if end <= len(content) else None


def _walked(reader: Reader) -> tuple[Placed, bytes]:
    """Return the record that counts, the one at the root or else the first one, and its bytes."""
    for member in reader:
        if member.is_record and member.is_at_root:
            return Placed(member, reader.members_read - 1), reader.record(member)
        if member.offset + member.stored > reader.limits.search_bytes:
            break
    if (chosen := reader.records.own) is None:
        raise _without_record(reader)
    return chosen, record_of(reader.file, reader.limits, chosen.member)


def _without_record(reader: Reader) -> Exception:
    end, path = reader.end, reader.file.path
    if end is None or end.limit == "search_bytes":
        return LimitExceededError(path, "search_bytes", reader.limits.search_bytes)
    if end.verdict == "complete":
        return NoRecordError(path, f"an archive without {RECORD.decode()}", _of_another_program(path))
    return reader.broken(f"{RECORD.decode()} was not met")


_OTHERS: Final = (
    (r"cpmove-.+|backup-\d+\.\d+\.\d{4}_.+", "an account by cPanel: unpack it, and list its homedir"),
    (r"\w+\.\d+_\d+\.\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\..+", "a site by Softaculous, which restores it"),
)
"""How other programs name backups: cPanel's ``pkgacct``, Softaculous."""


def _of_another_program(path: str) -> str | None:
    """Return whose backup an archive without a record is by its name; None for a name that does not tell."""
    name = os.path.basename(path)
    whose = next((whose for pattern, whose in _OTHERS if re.fullmatch(pattern, name)), None)
    return whose and f"by its name it is a backup of {whose}"
