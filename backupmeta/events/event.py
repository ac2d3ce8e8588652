"""`Event`: what happened, the witness for it, and who contradicts that witness; `KINDS`: every kind of event.

Formats, tests and documents read the table of kinds; code names a kind by its id.

Times are microseconds since 1970, UTC, of any size: a record may hold any number. `moment` gives the nearest time that
a calendar has.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from backupmeta.backup.contradictions import SECOND
from backupmeta.provenance import Source
from backupmeta.words import dated

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
        is_shared: whether all records of an install tell the same one: it is told once then, with all its witnesses.
    """

    timestamp_desc: str
    macb: Literal["M", "B"]
    sentence: str
    key: str | None = None
    is_shared: bool = False


KINDS: Final[dict[str, EventKind]] = {
    "installed": EventKind("Installation Time", "B", "{site} installed", "time", is_shared=True),
    "updated": EventKind("Update Time", "M", "{site} last updated, to {version}", "time-updated", is_shared=True),
    "counted": EventKind("Cache Time", "M", "sizes of {site} counted", "cache-time", is_shared=True),
    "backed-up": EventKind("Backup Time", "B", "{software} backed up{detail}", "backup-time"),
    "named": EventKind("Backup Time (Archive Name)", "B", "archive of {software} named {detail}"),
    "named-unzoned": EventKind("Backup Time (Archive Name, Zone Unknown)", "B", "archive of {software} named {detail}"),
    "compressed": EventKind("Compression Time (Gzip Header)", "M", "archive of {software} compressed"),
    "newest-member": EventKind(
        "Content Modification Time (Newest Member)", "M", "newest member of an archive: {detail}"
    ),
    "member": EventKind("Content Modification Time (Member)", "M", "member modified: {detail}"),
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
        backup: the backup's id; empty for an event of the install.
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
        contradicted_by: what other witnesses say of the same thing that does not go with this.
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
    def source(self) -> Source:
        """The witness, and where it says so."""
        return self.claim.source


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
        if kind.is_shared:
            subject = subject._replace(version="", backup="")
        return Event(self.claim, message, subject, self.file, contradicted_by, self.left_out)
