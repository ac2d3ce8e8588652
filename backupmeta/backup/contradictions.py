"""Contradictions: what witnesses of one moment or value may say beside one another, and which of them do not agree.

Every command that compares moments does it by `TOLERANCES`; the reasons stand in FORMAT.md §8, "Witnesses of one
moment". Moments are microseconds since 1970, UTC, of any size.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

from backupmeta.archive.compression import gzip_time
from backupmeta.archive.limits import KIB
from backupmeta.evidence import EvidenceFile

SECOND: Final = 1_000_000
"""Microseconds."""

_NANOSECONDS: Final = 1000
"""In a microsecond."""

_CLOCKS: Final = 300 * SECOND  # what two clocks may differ; FAT's two seconds are within it
_ZONES: Final = 14 * 3600 * SECOND  # a local time that was taken for UTC: the greatest UTC offset
_A_RUN: Final = 24 * 3600 * SECOND  # no backup takes longer
_SLOWEST: Final = 256 * KIB  # bytes of an archive that are written in a second, at least


class Written(NamedTuple):
    """What an archive's file says of itself.

    Attributes:
        size: in bytes.
        time: when it was written, as the file system has it.
        compressed: when it was compressed, as its gzip header has it; None where nothing does.
    """

    size: int
    time: int
    compressed: int | None

    @classmethod
    def of(cls, file: EvidenceFile) -> Self:
        """Return what ``file`` says; it is left at its beginning. Raises `UnreadableError`."""
        seconds, signature = gzip_time(file), file.signature
        return cls(signature.size, signature.mtime_ns // _NANOSECONDS, None if seconds is None else seconds * SECOND)


class Tolerance(NamedTuple):
    """How far from a backup another witness may be.

    Attributes:
        before: how much earlier than ``backup-time``; None for any.
        after: how much later than it, or than the end of writing.
        is_from_end: whether ``after`` counts from the end of writing.
    """

    before: int | None
    after: int
    is_from_end: bool = False


_OF_MEMBER: Final = Tolerance(None, _ZONES + _CLOCKS, is_from_end=True)  # a site may be as old as it likes

TOLERANCES: Final[Mapping[str, Tolerance]] = {
    "compressed": Tolerance(_CLOCKS, _A_RUN),
    "archive": Tolerance(_CLOCKS, _A_RUN),
    "newest-member": _OF_MEMBER,
    "member": _OF_MEMBER,
}
"""By kind of event (`backupmeta.events.event.KINDS`): gzip header, the archive's own file, members of the archive.

Records must agree to the second: they hold the same text (FORMAT.md §4). So must the name, but for a UTC offset, and
for the minutes that names were late before April 2020 (§3): `backupmeta.account.filename` judges that.
"""


class Making(NamedTuple):
    """When a backup was made: from its ``backup-time`` on, until its archive was written.

    Attributes:
        began: the ``backup-time`` that a record has.
        ended: when the last file of the site can have been read.
    """

    began: int
    ended: int

    @classmethod
    def of(cls, began: int, file: Written) -> Self:
        """Return when the backup in ``file`` was made.

        Writing ends with the file's time, where that lies within `_A_RUN`. Else the file was copied or changed since,
        and its size bounds how long it took.
        """
        if 0 <= file.time - began <= _A_RUN:
            return cls(began, file.time)
        return cls(began, began + min(file.size * SECOND // _SLOWEST, _A_RUN))

    def latest(self, kind: str) -> int:
        """Return the latest moment that a witness of this ``kind`` may tell."""
        tolerance = TOLERANCES[kind]
        return (self.ended if tolerance.is_from_end else self.began) + tolerance.after

    def allows(self, kind: str, time: int) -> bool:
        """Return whether a witness of this ``kind`` may tell this ``time``."""
        before = TOLERANCES[kind].before
        return (before is None or time >= self.began - before) and time <= self.latest(kind)


# --- values -----------------------------------------------------------------------------------------------------------

_MOVED: Final = frozenset({"owner", "path", "backup-location", "bkloc"})


def is_rewritten(key: str, values: Sequence[bytes], owners: Sequence[bytes]) -> bool:
    """Return whether a rename or a migration of the account explains two records' ``values`` of ``key``.

    It sets owner, path and location, and replaces the owner's name in other values, wherever it stands or where it
    stands first (FORMAT.md §4). ``owners`` are those of the same records, empty where they have none.
    """
    if key in _MOVED:
        return True
    if not all(owners) or owners[0] == owners[1]:
        return False
    return _is_replaced(values, owners) or _is_replaced(values[::-1], owners[::-1])


def _is_replaced(values: Sequence[bytes], names: Sequence[bytes]) -> bool:
    """Return whether the second value is the first one with the first name replaced by the second."""
    (old, new), (was, now) = values, names
    return any(
        len(old) + times * (len(now) - len(was)) == len(new) and old.replace(was, now, times) == new
        for times in (1, old.count(was))
    )
