"""What each witness claims, and who contradicts whom.

Witnesses are a record, an archive's name, its file, its gzip header, its members, the files of records.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, timezone, tzinfo
from heapq import nlargest
from itertools import combinations, islice
from operator import itemgetter
from typing import Final, NamedTuple

from backupmeta import library, rules
from backupmeta.account import filename
from backupmeta.account.filename import ArchiveName, unreadable
from backupmeta.account.home import RECORDS, Home
from backupmeta.account.location import is_absent
from backupmeta.archive.head import head
from backupmeta.archive.headers import MemberKind
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass, walk
from backupmeta.backup.contradictions import SECOND, TOLERANCES, Making, Written
from backupmeta.errors import EvidenceError, NotRegularError
from backupmeta.events.event import KINDS, Claim, File, Statement
from backupmeta.evidence import EvidenceFile, Place, join_server_path
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.document import Document, document
from backupmeta.record.fields import FIELDS, Field, problem
from backupmeta.words import counted
from backupmeta.work.orders import Watch, Work

_BY_KEY: Final[dict[str, Field]] = {field.key: field for field in FIELDS if field.key is not None}
_KEYS: Final[dict[str, str]] = {id_: kind.key for id_, kind in KINDS.items() if kind.key is not None}
_UNSET: Final = frozenset({b"", b"0"})
_TYPES: Final[dict[MemberKind, int]] = {
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

_TOGETHER: Final = 256
"""How many members an archive's reader sends at once."""


def of_record(record: Document, findings: list[Finding]) -> Iterator[Statement]:
    """Yield the times in a record; a time that is empty or 0 was never set. Append what can't be decoded.

    ``backup-time=1718312121`` states that the backup was made at 2024-06-13 20:55:21 UTC.
    """
    for kind, key in _KEYS.items():
        raw = record.record.values.get(key, b"")
        if raw in _UNSET:
            continue
        source = record.at(key)
        try:
            seconds = int(str(_BY_KEY[key].decode(raw)))
        except ValueError as error:
            findings.append(Finding(problem(error), key, f"line {source.line}", (source,)))
        else:
            yield Statement(Claim(kind, seconds * SECOND, source), _reason(record) if kind == "backed-up" else "")


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
        findings.append(Finding(rules.ZONE_AMBIGUOUS, display(path), f"{name.local_time}", (source,)))
    return _named(name, source, zone, implied), against


def _named(name: ArchiveName, source: Source, zone: tzinfo | None, implied: timezone | None) -> Statement:
    known = zone or implied
    kind = "named-unzoned" if known is None else "named"
    clock = "in an unknown zone, shown as if it were UTC"
    if known is not None:
        clock = f"in {zone}" if zone else f"in {implied}, which backup-time implies"
    time = filename.unix_time(name, known or UTC) * SECOND
    return Statement(Claim(kind, time, source), f"at {name.local_time} {clock}")


def of_file(file: EvidenceFile, path: str) -> Iterator[Statement]:
    """Yield what an archive's ``file`` states by itself: when it was written, and its gzip header's time.

    Leaves the file at its beginning. Raises `UnreadableError`.
    """
    known, written = File(file.size, inode=file.inode), Written.of(file)
    yield Statement(Claim("archive", written.time, Source(Witness.FILE_SYSTEM, path)), file=known)
    if written.compressed is not None:
        yield Statement(Claim("compressed", written.compressed, Source(Witness.ARCHIVE, path)))


def of_members(walked: Pass, path: str, most: int) -> tuple[list[Statement], Iterator[Statement]]:
    """Return what an archive's newest member states of the archive, and the times of its newest members.

    Memory is for ``most`` members, whatever the archive has. Raises `EvidenceError` as `walk`.
    """
    newest = nlargest(max(most, 1), map(_brief, walked), key=itemgetter(0, 1))
    members = (
        Statement(Claim("member", time, _of_member(path, name, offset)), display(name), file)
        for time, offset, name, file in newest[:most]
    )
    if not newest:
        return [], members
    time, offset, name, file = newest[0]
    left_out = max(walked.members_read - most, 0)
    rest = f", {left_out:,} of which have no event of their own" if left_out else ""
    detail = f"{display(name)}, of {counted(walked.members_read, 'member')}{rest}"
    return [Statement(Claim("newest-member", time, _of_member(path, name, offset)), detail, file, left_out)], members


def _of_member(path: str, name: str, offset: int) -> Source:
    return Source(Witness.ARCHIVE, path, name, None, -offset)


def _brief(member: Member) -> tuple[int, int, str, File]:
    """Return of a member its time in microseconds, its place in the archive, negative, its name and what is known."""
    known = File(member.size, _TYPES.get(member.kind, 0) | member.mode & 0o7777, member.uid, member.gid)
    return member.mtime_ns // _NANOSECONDS, -member.offset, member.label, known


def of_record_files(home: Home, findings: list[Finding]) -> dict[str, Statement]:
    """Return when the files of a home's records were written, by their paths.

    What can't be listed is not in it, and appended to ``findings``.
    """
    files: dict[str, Statement] = {}
    for folder in ("backups", "current") if home.has_records else ():
        try:
            files |= _files_in(home, folder)
        except EvidenceError as error:
            is_reported = is_absent(error) or isinstance(error, NotRegularError)  # by the home, where there is anything
            path = join_server_path(home.folder.server_child(RECORDS), folder)
            findings += [] if is_reported else [unreadable(path, error)]
    return files


def _files_in(home: Home, name: str) -> Iterator[tuple[str, Statement]]:
    with home.folder.open_folder(RECORDS) as records, records.open_folder(name) as folder:
        for entry, _, size, mtime_ns, inode, _ in folder.signatures(
            home.limits.folder_entries, lambda _, is_file: is_file
        ):
            path = folder.server_child(entry)
            claim = Claim("record", mtime_ns // _NANOSECONDS, Source(Witness.FILE_SYSTEM, path))
            yield path, Statement(claim, file=File(size, inode=inode))


# --- an archive, from one opening -------------------------------------------------------------------------------------


class ToRead(NamedTuple):
    """An archive to be read.

    Attributes:
        place: where it lies.
        path: its path as the server saw it.
        record: the record of the backup that names it, where there is one.
    """

    place: Place
    path: str
    record: Document | None


class Examined(NamedTuple):
    """What an archive states.

    Attributes:
        embedded: its own record, where that can be read.
        statements: of its file, and of all its members together.
        findings: what could not be read, and what is not as it should be with the archive.
    """

    embedded: Document | None
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]


class Ended(NamedTuple):
    """Says that nothing more comes of an archive; ``findings`` are why, where that is not its end."""

    findings: tuple[Finding, ...] = ()


Part = Examined | tuple[Statement, ...] | Ended
"""What comes of an archive: `Examined`, many of its members at once, again and again, and `Ended`."""


@dataclass(frozen=True)
class Examining(Work[ToRead, Part]):
    """Reading archives for what they state of time.

    Attributes:
        limits: what each of them may ask for.
        is_deep: whether they are read to their ends, member by member; else only their heads.
        members: how many members of each make an event of their own, the newest ones.
    """

    limits: Limits
    is_deep: bool
    members: int

    def do(self, order: ToRead, watch: Watch) -> Iterator[Part]:
        """Yield what an archive states; one that is no backup, by content and name, states nothing."""
        try:
            with order.place.open() as file:
                file.watch = watch
                examined = self._head(order, file)
                if self.is_deep and examined.statements:
                    yield from self._members(order, file, examined)
                else:
                    yield examined
        except EvidenceError as error:
            yield Examined(None, (), (_unreadable(order, error),))
        yield Ended()

    def given_up(self, order: ToRead) -> Iterator[Part]:
        """Yield that no process survives reading an archive."""
        yield Examined(None, (), ())
        yield Ended((library.given_up(order.path),))

    def _head(self, order: ToRead, file: EvidenceFile) -> Examined:
        """Return what an archive's file and its head state."""
        statements = tuple(of_file(file, order.path))
        embedded, findings = self._embedded(order, file)
        if embedded is None and order.record is None and filename.parse(order.place.name) is None:
            return Examined(None, (), findings)
        return Examined(embedded, statements, findings)

    def _embedded(self, order: ToRead, file: EvidenceFile) -> tuple[Document | None, tuple[Finding, ...]]:
        """Return the archive's own record, and what was odd on the way to it."""
        try:
            beginning = head(file, self.limits, order.path)
            source = Source(Witness.EMBEDDED_RECORD, order.path, beginning.member.text)
            grave = _grave(order, beginning.findings)
            if order.record is not None and order.record.record.content == beginning.record:  # parsed already
                return Document(source, order.record.record), grave
            return document(source, beginning.record, self.limits), grave
        except EvidenceError as error:
            return None, (_unreadable(order, error),)

    def _members(self, order: ToRead, file: EvidenceFile, examined: Examined) -> Iterator[Part]:
        """Yield what is ``examined``, with what all members state, then each of the newest ones, many at once."""
        try:
            file.seek(0)
            walked = walk(file, self.limits, algorithms=())
            of_all, members = of_members(walked, order.path, self.members)
            findings = _grave(order, walked.findings())
        except EvidenceError as error:
            of_all, members, findings = [], iter(()), (_unreadable(order, error),)
        known = {finding.id for finding in findings}
        further = (finding for finding in examined.findings if finding.id not in known)
        yield Examined(examined.embedded, (*examined.statements, *of_all), (*findings, *further))
        while batch := tuple(islice(members, _TOGETHER)):
            yield batch


def _unreadable(order: ToRead, error: EvidenceError) -> Finding:
    """Return the finding about an archive that can't be read, or not to its end."""
    kind = library.trouble(error, order.record, order.place)
    return Finding(kind, order.path, library.particulars(error), (Source(Witness.FILE_SYSTEM, order.path),))


def _grave(order: ToRead, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return which of the ``findings`` are reported whatever was asked, each with the archive's path."""
    return tuple(
        finding._replace(subject=": ".join(filter(None, (order.path, finding.subject))))
        for finding in findings
        if finding.is_grave
    )


# --- who contradicts whom ---------------------------------------------------------------------------------------------


def contradicting(stated: Iterable[Statement], live: Iterable[Claim]) -> dict[Claim, list[Claim]]:
    """Return who contradicts whom among what is ``stated`` of one backup, and of its ``live`` install.

    Names are not judged.
    """
    claims, written = list[Claim](), None
    for claim, _, file, _ in stated:
        claims.append(claim)
        if claim.kind == "archive" and file is not None:
            written = Written(file.size, claim.time, None)
    claims.extend(live)
    contradictions: dict[Claim, list[Claim]] = {}
    for first, second in combinations(claims, 2):
        if _disagree(first, second, written):
            contradictions.setdefault(first, []).append(second)
            contradictions.setdefault(second, []).append(first)
    return contradictions


def _disagree(first: Claim, second: Claim, written: Written | None) -> bool:
    """Return whether two claims about a backup disagree, whose archive's file says what is ``written``."""
    if first.kind == second.kind:
        return first.time != second.time
    if first.kind != "backed-up":
        first, second = second, first
    if first.kind != "backed-up" or second.kind not in TOLERANCES or written is None:
        return False
    return not Making.of(first.time, written).allows(second.kind, second.time)
