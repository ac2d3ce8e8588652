"""What each witness claims of a moment, who contradicts whom, and the `Event` that comes of it; `KINDS` of events.

Witnesses are a record, an archive's name, its file, its gzip header, its members, the files of records. Formats, tests
and documents read the table of kinds; code names a kind by its id.

Times are microseconds since 1970, UTC, of any size: a record may hold any number. `moment` gives the nearest time that
a calendar has.
"""

import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappush, heappushpop
from itertools import combinations
from operator import methodcaller
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from backupmeta import rules
from backupmeta.account import filename
from backupmeta.account.filename import unreadable
from backupmeta.account.home import Home
from backupmeta.account.layout import RECORDS, is_absent
from backupmeta.archive.headers import MemberKind
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.backup.contradictions import SECOND, TOLERANCES, Making, Written
from backupmeta.errors import EvidenceError, NotRegularError
from backupmeta.evidence import EvidenceFile, join_server_path
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, base_name, display, located, named
from backupmeta.record.fields import FIELDS, Field, problem
from backupmeta.record.grammar import Document
from backupmeta.search import Period
from backupmeta.words import counted, dated

if TYPE_CHECKING:
    from backupmeta.json_types import ClaimJson, EventJson

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The first microsecond of the calendar: the year 1 begins."""
LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The last microsecond of the calendar: the year 9999 ends."""


def nearest(time: int) -> int:
    """Return ``time``, or, for one that no calendar has, the calendar's first or last microsecond."""
    return min(max(time, FIRST), LAST)


def moment(time: int) -> datetime:
    """Return `nearest` of ``time`` as a date and time in UTC."""
    return _EPOCH + timedelta(microseconds=nearest(time))


class EventKind(NamedTuple):
    """One kind of event.

    Attributes:
        timestamp_desc: what its time is, as Timesketch and plaso call such a thing.
        macb: which of a file's times it is most like: M modified, B born.
        sentence: what happened, for `str.format`: ``site`` is the application and its address, ``software`` has the
            version, too, ``detail`` is what the witness adds.
        key: the record's key that tells it; None where no record does.
        shared_by: whose witnesses tell the same one: it is told once then, with all of them. The records of an install
            do, or the backups that have one member; None where each witness tells its own.
    """

    timestamp_desc: str
    macb: Literal["M", "B"]
    sentence: str
    key: str | None = None
    shared_by: Literal["records", "members"] | None = None


KINDS: Final[dict[str, EventKind]] = {
    "installed": EventKind("Installation Time", "B", "{site} installed", "time", "records"),
    "updated": EventKind("Update Time", "M", "{site} last updated, to {version}", "time-updated", "records"),
    "counted": EventKind("Cache Time", "M", "sizes of {site} counted", "cache-time", "records"),
    "backed-up": EventKind("Backup Time", "B", "{software} backed up{detail}", "backup-time"),
    "named": EventKind("Backup Time (Archive Name)", "B", "archive of {software} named {detail}"),
    "named-unzoned": EventKind("Backup Time (Archive Name, Zone Unknown)", "B", "archive of {software} named {detail}"),
    "compressed": EventKind("Compression Time (Gzip Header)", "M", "archive of {software} compressed"),
    "newest-member": EventKind(
        "Content Modification Time (Newest Member)", "M", "newest member of an archive: {detail}"
    ),
    "member": EventKind("Content Modification Time (Member)", "M", "member modified: {detail}", shared_by="members"),
    "archive": EventKind("Content Modification Time (Archive)", "M", "archive of {software} written"),
    "record": EventKind("Content Modification Time (Record)", "M", "record of {site} written"),
}
"""By id, in the order in which events of one time are listed. Times come from FORMAT.md §2 (archive), §3 (name), §4.

What carries no time makes no event: ``version-autouped`` and its ``-attempts``, ``list-*-attempted``,
``*-updates-autouped`` (FORMAT.md §4). The trace of an update is the time of the backup that was made before it.
"""


class Claim(NamedTuple):
    """What one witness says of one thing.

    Attributes:
        kind: a key of `KINDS`.
        time: when it happened, microseconds since 1970, UTC.
        source: the witness, and where it says so.
    """

    kind: str
    time: int
    source: Source

    def to_json(self) -> "ClaimJson":
        """Return it for JSON."""
        time = moment(self.time).isoformat()
        return {"datetime": time, "timestamp_desc": KINDS[self.kind].timestamp_desc, **located(self.source)}


class File(NamedTuple):
    """What else is known of the file or member whose time it is; numbers that nobody tells are 0.

    Attributes:
        size: in bytes.
        mode: what it is and its permission bits, as ``st_mode``; None where nobody tells.
        uid: the owner's number.
        gid: the group's number.
        inode: its number in its file system.
    """

    size: int
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    inode: int = 0


class Subject(NamedTuple):
    """Which account, install and backup an event is about. No secret is in it.

    Attributes:
        account: the home, or the folder of archives, as the server saw it.
        user: its owner.
        application: ``wordpress``, …; empty where nobody tells.
        version: the application's.
        url: the site's address.
        install: the install's id.
        backup: the backup's id; empty for an event of the install, or of several backups.
    """

    account: str
    user: str
    application: str = ""
    version: str = ""
    url: str = ""
    install: str = ""
    backup: str = ""

    def words(self, detail: str) -> dict[str, str]:
        """Return what a kind's sentence asks for."""
        software = f"{self.application or 'an application'} {self.version}".rstrip()
        at = f" at {self.url}" if self.url else ""
        return {
            "site": (self.application or "an application") + at,
            "software": software + at,
            "version": self.version or "a version that no record tells",
            "detail": detail,
        }


class Event(NamedTuple):
    """One thing that happened.

    Attributes:
        claim: its kind and time, and the witness.
        message: one sentence.
        subject: which account, install and backup it is about.
        file: what else is known of the file or member, where it is the time of one.
        contradicted_by: what other witnesses say of the same thing that does not go with this; where several witnesses
            tell the event, those that are contradicted stand first.
        left_out: of the newest member of an archive: how many other members make no event of their own.
        also: further witnesses who say the same, the first of them.
        witnesses: how many witnesses say so, all told.
    """

    claim: Claim
    message: str
    subject: Subject
    file: File | None = None
    contradicted_by: tuple[Claim, ...] = ()
    left_out: int = 0
    also: tuple[Source, ...] = ()
    witnesses: int = 1

    @property
    def kind(self) -> str:
        """A key of `KINDS`."""
        return self.claim.kind

    @property
    def time(self) -> int:
        """When it happened, microseconds since 1970, UTC."""
        return self.claim.time

    @property
    def instant(self) -> datetime:
        """The same in UTC; of a time that no calendar has, the nearest one."""
        return moment(self.time)

    @property
    def source(self) -> Source:
        """The witness, and where it says so."""
        return self.claim.source

    def to_json(self) -> "EventJson":
        """Return it for JSON, as Timesketch imports it."""
        subject = self.subject
        described: dict[str, object] = {
            "message": display(self.message),
            "datetime": moment(self.time).isoformat(),
            "timestamp": nearest(self.time),
            "timestamp_desc": KINDS[self.kind].timestamp_desc,
            "event": self.kind,
            **located(self.source),
            **named("account", subject.account),
            **named("user", subject.user),
        }
        described |= {key: display(value) for key, value in subject._asdict().items() if key not in described and value}
        described |= {} if self.file is None else {"size": self.file.size}
        described |= {"left_out": self.left_out} if self.left_out else {}
        if self.witnesses > 1:
            described |= {"witnesses": self.witnesses, "also": list(map(located, self.also))}
        if self.contradicted_by:
            claims = [claim.to_json() for claim in self.contradicted_by]
            described |= {"tag": ["contradicted"], "contradicted_by": claims}
        return cast("EventJson", described)


class Statement(NamedTuple):
    """A claim, and what its witness adds: an event before it is known whom it is about."""

    claim: Claim
    detail: str = ""
    file: File | None = None
    left_out: int = 0

    def event(self, subject: Subject, contradicted_by: tuple[Claim, ...] = ()) -> Event:
        """Return the event about ``subject``. One of its install is told alike, whichever backup tells it."""
        kind = KINDS[self.claim.kind]
        message = kind.sentence.format(**subject.words(self.detail))
        if nearest(self.claim.time) != self.claim.time:
            message += f" (at {dated(self.claim.time // SECOND)}, which no calendar has)"
        if kind.shared_by == "records":
            subject = subject._replace(version="", backup="")
        return Event(self.claim, message, subject, self.file, contradicted_by, self.left_out)


# --- what each witness states -----------------------------------------------------------------------------------------


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


def of_record(record: Document, findings: list[Finding]) -> Iterator[Statement]:
    """Yield the times in a record; a time that is empty or 0 was never set. Append what can't be decoded.

    ``backup-time=1718312121`` states that the backup was made at 2024-06-13 20:55:21 UTC.
    """
    for kind, key in _KEYS.items():
        raw = record.record.opened.get(key, b"")
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
    if record.opened("backup-expiry") == "auto":
        return " before an update"
    return " on schedule" if record.opened("backup-schedule") else ""


def of_name(
    path: str, records: Iterable[Claim], zone: tzinfo | None, today: tzinfo | None, findings: list[Finding]
) -> tuple[Statement, list[Claim]] | None:
    """Return what the name of the archive at ``path`` states, and which of the ``records`` it contradicts.

    None for a name that does not follow the convention. Its clock's zone is the server's ``zone``, where a person named
    it, else the one that a record's ``backup-time`` implies, else, as the weakest witness, the one that the server has
    ``today``; else it is unknown, and the local time stands for itself.
    """
    name = filename.parse(base_name(path))
    if name is None:
        return None
    seconds = {claim: claim.time // SECOND for claim in records}
    against = [claim for claim, time in seconds.items() if any(filename.disagreements(name, None, None, time, zone))]
    implied = next((offset for time in seconds.values() if (offset := filename.utc_offset(name, time))), None)
    clocks = (
        (zone, f"in {zone}"),
        (implied, f"in {implied}, which backup-time implies"),
        (today, f"in {today}, the zone that the server has today"),
    )
    unknown = (None, "in an unknown zone, shown as if it were UTC")
    known, words = next((clock for clock in clocks if clock[0] is not None), unknown)
    source = Source(Witness.FILE_NAME, path)
    if known is not None and filename.is_ambiguous(name, known):
        findings.append(Finding(rules.ZONE_AMBIGUOUS, display(path), f"{name.local_time}", (source,)))
    time = filename.unix_time(name, known or UTC) * SECOND
    claim = Claim("named-unzoned" if known is None else "named", time, source)
    return Statement(claim, f"at {name.local_time} {words}"), against


def of_file(file: EvidenceFile, path: str) -> Iterator[Statement]:
    """Yield what an archive's ``file`` states by itself: when it was written, and its gzip header's time.

    Leaves the file at its beginning. Raises `UnreadableError`.
    """
    written = Written.of(file)
    known = File(written.size, inode=file.signature.inode)
    yield Statement(Claim("archive", written.time, Source(Witness.FILE_SYSTEM, path)), file=known)
    if written.compressed is not None:
        yield Statement(Claim("compressed", written.compressed, Source(Witness.ARCHIVE, path)))


def of_members(walked: Pass, path: str, most: int, period: Period) -> tuple[tuple[Statement, ...], Iterator[Statement]]:
    """Return what the members of the archive at ``path`` state of it, and what each of the newest of a period states.

    Of the archive, its newest file states when it was written, or the newest member where there is no file: folders and
    links are often as new as their unpacking; where there is no member, nothing does. The newest ``most`` of the period
    come the newest first; memory is for these. Raises `EvidenceError`.
    """
    newest, in_period, chosen = None, 0, list[_Brief]()
    for brief in map(_brief, walked):
        newest = brief if newest is None else max(newest, brief, key=_rank)
        if period.has(brief[0] // SECOND):
            in_period += 1
            (heappush if len(chosen) < most else heappushpop)(chosen, brief)
    left_out = max(in_period - most, 0)
    of_archive = () if newest is None else (_of_archive(newest, path, walked.members_read, left_out),)
    return of_archive, (
        Statement(Claim("member", time, _of_member(path, name, offset)), display(name), file)
        for time, offset, name, file in sorted(chosen, reverse=True)
    )


_Brief: TypeAlias = tuple[int, int, str, File]
"""Of a member its time in microseconds, its place in the archive, negative, its name, and what is known of it."""


def _rank(brief: _Brief) -> tuple[bool, int, int]:
    """Return what is greatest for the newest file of an archive."""
    time, offset, _, file = brief
    return stat.S_ISREG(file.mode or 0), time, offset


def _of_archive(newest: _Brief, path: str, members: int, left_out: int) -> Statement:
    time, offset, name, file = newest
    rest = f", {left_out:,} of which have no event of their own" if left_out else ""
    detail = f"{display(name)}, of {counted(members, 'member')}{rest}"
    return Statement(Claim("newest-member", time, _of_member(path, name, offset)), detail, file, left_out)


def _of_member(path: str, name: str, offset: int) -> Source:
    return Source(Witness.ARCHIVE, path, name, None, -offset)


def _brief(member: Member) -> _Brief:
    known = File(member.size, _TYPES.get(member.kind, 0) | member.mode, member.uid, member.gid)
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
        is_file = methodcaller("is_file", follow_symlinks=False)
        for entry, _, size, mtime_ns, inode, _ in folder.signatures(home.limits.folder_entries, is_file):
            path = folder.server_child(entry)
            claim = Claim("record", mtime_ns // _NANOSECONDS, Source(Witness.FILE_SYSTEM, path))
            yield path, Statement(claim, file=File(size, inode=inode))


# --- who contradicts whom ---------------------------------------------------------------------------------------------


def makings(stated: Iterable[Statement]) -> list[tuple[Claim, Making]]:
    """Return each claim of when a backup was made, and until when by its archive's file; none where none was read."""
    made, written = list[Claim](), list[Written]()
    for claim, _, file, _ in stated:
        if claim.kind == "backed-up":
            made.append(claim)
        elif claim.kind == "archive" and file is not None:
            written.append(Written(file.size, claim.time, None))
    return [(claim, Making.of(claim.time, file)) for claim in made for file in written]


def contradicted(statement: Statement, makings: Iterable[tuple[Claim, Making]]) -> Iterator[Claim]:
    """Yield the claims of when a backup was made that a ``statement`` of its archive contradicts.

    Of members, files are judged: unpacking gives folders and links a time of its own.
    """
    claim, _, file, _ = statement
    is_member = claim.kind in {"member", "newest-member"}
    if claim.kind in TOLERANCES and (not is_member or (file is not None and stat.S_ISREG(file.mode or 0))):
        yield from (made for made, making in makings if not making.allows(claim.kind, claim.time))


def contradicting(stated: Sequence[Statement], live: Sequence[Claim]) -> dict[Claim, list[Claim]]:
    """Return who contradicts whom among what is ``stated`` of one backup, and of its ``live`` install.

    Names are not judged.
    """
    claims, known = [*(statement.claim for statement in stated), *live], makings(stated)
    pairs = [
        (first, second)
        for first, second in combinations(claims, 2)
        if first.kind == second.kind and first.time != second.time
    ]
    pairs += [(made, statement.claim) for statement in stated for made in contradicted(statement, known)]
    contradictions: dict[Claim, list[Claim]] = {}
    for first, second in pairs:
        contradictions.setdefault(first, []).append(second)
        contradictions.setdefault(second, []).append(first)
    return contradictions
