"""What each kind of witness states: a record, an archive's name, its file, its members, the files of records."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, timezone, tzinfo
from heapq import nlargest
from operator import itemgetter
from typing import Final

from backupmeta.account import filename
from backupmeta.account.filename import ArchiveName, unreadable
from backupmeta.account.home import RECORDS, Home
from backupmeta.account.location import is_absent
from backupmeta.archive.compression import BLOCK, GZIP, CorruptHeaderError, parse_header
from backupmeta.archive.headers import Kind
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.errors import EvidenceError, NotRegularError
from backupmeta.events.event import SECOND, Claim, File, Statement
from backupmeta.events.kinds import KINDS
from backupmeta.evidence import EvidenceFile, join_seen
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.document import Document
from backupmeta.record.fields import FIELDS, Field, problem
from backupmeta.words import counted

_BY_KEY: Final[dict[str, Field]] = {field.key: field for field in FIELDS if field.key is not None}
_UNSET: Final = frozenset({b"", b"0"})
_TYPES: Final[dict[Kind, int]] = {
    "file": stat.S_IFREG,
    "hard link": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "character device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}
_NANOSECONDS: Final = 1000
"""In a microsecond."""


def of_record(record: Document, findings: list[Finding]) -> Iterator[Statement]:
    """Yield the times that a record tells; one that is empty or 0 was never set. Append what can't be decoded.

    ``backup-time=1718312121`` states that the backup was made at 2024-06-13 20:55:21 UTC.
    """
    for kind, one in KINDS.items():
        raw = record.record.values.get(one.key, b"") if one.key else b""
        if one.key is None or raw in _UNSET:
            continue
        place = record.at(one.key)
        try:
            seconds = int(str(_BY_KEY[one.key].decode(raw)))
        except ValueError as error:
            findings.append(Finding(problem(error), one.key, f"line {place.line}", (place,)))
        else:
            yield Statement(Claim(kind, seconds * SECOND, place), _reason(record) if kind == "backed-up" else "")


def _reason(record: Document) -> str:
    """Return why a backup was made (FORMAT.md §4, "Kind of a backup")."""
    if record.text("backup-expiry") == "auto":
        return " before an update"
    return " on schedule" if record.text("backup-schedule") else ""


def of_name(
    path: str, records: Iterable[Claim], zone: tzinfo | None, findings: list[Finding]
) -> tuple[Statement, list[Claim]] | None:
    """Return what the name of the archive at ``path`` states, and which of the ``records`` it contradicts.

    None for a name that does not follow the convention. Its clock's zone is the server's ``zone``, where a person named
    it, else the one that a record's ``backup-time`` implies; else it is unknown, and the local time stands for itself.
    """
    name = filename.parse(path.replace("\\", "/").rpartition("/")[2])
    if name is None:
        return None
    seconds = {claim: claim.time // SECOND for claim in records}
    against = [claim for claim, time in seconds.items() if filename.disagreements(name, None, None, time, zone)]
    implied = next((offset for time in seconds.values() if (offset := filename.utc_offset(name, time))), None)
    source = Source(Witness.FILE_NAME, path)
    if zone is not None and filename.is_ambiguous(name, zone):
        findings.append(Finding("zone-ambiguous", display(path), f"{name.local_time}", (source,)))
    return _named(name, source, zone, implied), against


def _named(name: ArchiveName, source: Source, zone: tzinfo | None, implied: timezone | None) -> Statement:
    told = zone or implied
    kind = "named-unzoned" if told is None else "named"
    clock = "in an unknown zone, shown as if it were UTC"
    if told is not None:
        clock = f"in {zone}" if zone else f"in {implied}, which backup-time implies"
    time = filename.unix_time(name, told or UTC) * SECOND
    return Statement(Claim(kind, time, source), f"at {name.local_time} {clock}")


def of_file(file: EvidenceFile, path: str, limits: Limits) -> Iterator[Statement]:
    """Yield what an archive's ``file`` states by itself: when it was written, and its gzip header's time.

    A header without a time has 0 there (RFC 1952 §2.3.1). Leaves the file at its beginning. Raises `UnreadableError`.
    """
    known = File(file.size, inode=file.inode)
    yield Statement(Claim("archive", file.mtime_ns // _NANOSECONDS, Source(Witness.FILE_SYSTEM, path)), file=known)
    block = file.read(BLOCK)
    file.seek(0)
    with suppress(CorruptHeaderError):  # whoever reads on will report it
        header = parse_header(block, limits.name_bytes) if block.startswith(GZIP.signatures) else None
        if header is not None and header.mtime:
            yield Statement(Claim("compressed", header.mtime * SECOND, Source(Witness.ARCHIVE, path)))


def of_members(walked: Pass, path: str, most: int) -> Iterator[Statement]:
    """Yield the times of the newest members of an archive, at most ``most``; first the newest of all.

    Memory is for ``most`` members, whatever the archive has. Raises `EvidenceError` as `walk`.
    """
    newest = nlargest(max(most, 1), map(_brief, walked), key=itemgetter(0, 1))
    for place, (time, offset, name, file) in enumerate(newest):
        source = Source(Witness.ARCHIVE, path, name, None, -offset)
        if not place:
            left_out = max(walked.seen - most, 0)
            rest = f", {left_out:,} of which have no event of their own" if left_out else ""
            detail = f"{display(name)}, of {counted(walked.seen, 'member')}{rest}"
            yield Statement(Claim("newest-member", time, source), detail, file, left_out)
        if place < most:
            yield Statement(Claim("member", time, source), display(name), file)


def _brief(member: Member) -> tuple[int, int, str, File]:
    """Return of a member its time in microseconds, its place in the archive, negative, its name and what is known."""
    known = File(member.size, _TYPES.get(member.kind, 0) | member.mode & 0o7777, member.uid, member.gid)
    return member.mtime_ns // _NANOSECONDS, -member.offset, member.label, known


def of_record_files(home: Home, findings: list[Finding]) -> dict[str, Statement]:
    """Return when the files of a home's records were written, by their paths.

    What can't be listed is not in it, and appended to ``findings``.
    """
    found: dict[str, Statement] = {}
    for folder in ("backups", "current") if home.has_records else ():
        try:
            found |= _files_in(home, folder)
        except EvidenceError as error:
            is_told = is_absent(error) or isinstance(error, NotRegularError)  # by the home, where there is anything
            path = join_seen(home.folder.seen_child(RECORDS), folder)
            findings += [] if is_told else [unreadable(path, error)]
    return found


def _files_in(home: Home, name: str) -> Iterator[tuple[str, Statement]]:
    with home.folder.open_folder(RECORDS) as records, records.open_folder(name) as folder:
        for entry, _, size, mtime_ns, inode, _ in folder.signatures(
            home.limits.folder_entries, lambda _, is_file: is_file
        ):
            path = folder.seen_child(entry)
            claim = Claim("record", mtime_ns // _NANOSECONDS, Source(Witness.FILE_SYSTEM, path))
            yield path, Statement(claim, file=File(size, inode=inode))
