"""The members of archives, as a scan lists them: each archive's once, or what changed since the one before it.

The archives of one install mostly have the same members as the one before. So where both are read by one order, what
began and what ended is told instead of everything; long lists are always told as a whole, in parts. Of several members
of one name the last one counts, as after unpacking.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.limits import MIB, Limits, bounded
from backupmeta.archive.member import PATH_MAX, Member, shown
from backupmeta.archive.reader import Content
from backupmeta.folders import TemporaryDatabase
from backupmeta.provenance import as_text

_AT_HAND: Final = 20_000
"""How many members are kept in memory; longer lists wait in a temporary database."""

_TOGETHER: Final = 5_000
"""How many members of a long list are told at once."""

_NAMES: Final = 256 * MIB
"""How many bytes the names of an archive's members have together that are kept."""

_FIELDS: Final = "path, path_bytes, kind, size, mode, mtime_ns, digest"
_TABLE: Final = f"CREATE TABLE members (name BLOB PRIMARY KEY, {_FIELDS}) WITHOUT ROWID"
_INSERT: Final = f"INSERT OR REPLACE INTO members (name, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT: Final = f"SELECT {_FIELDS} FROM members ORDER BY name"


class MemberRow(NamedTuple):
    """A member, as the catalog has it.

    Attributes:
        path: the path that its name means, secrets masked; what is not UTF-8 as U+FFFD.
        path_bytes: its exact bytes, secrets masked, where they are not UTF-8.
        kind: what it is.
        size: the length of its content, in bytes.
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        digest: of a file's content; None where it is sparse, or not all there.
    """

    path: str
    path_bytes: bytes | None
    kind: str
    size: int
    mode: int
    mtime_ns: int
    digest: bytes | None


class MemberList(NamedTuple):
    """The members of an archive, or a part of them.

    Attributes:
        path: the archive, below its account's path.
        begun: the members that it has; those alone that the archive ``since`` has not.
        ended: the members of the archive ``since`` that it has not.
        since: the archive before it, below the same path; None where all members are told.
        left_out: how many members are not kept, for their names are too long.
        is_whole: whether the archive had no others: it was not damaged.
        is_last: whether no other part follows.
    """

    path: str
    begun: Sequence[MemberRow]
    ended: Sequence[MemberRow] = ()
    since: str | None = None
    left_out: int = 0
    is_whole: bool = False
    is_last: bool = True


class MemberLists:
    """Lists the members of an account's archives, one archive after the other."""

    def __init__(self, algorithm: str, limits: Limits) -> None:
        """List members with their digests by ``algorithm``."""
        self._algorithm = algorithm
        self._limits = limits
        self._origin = ""
        self._before: tuple[str, Mapping[bytes, MemberRow]] | None = None

    def begin(self) -> "MemberCollector":
        """Return what takes in the members of the next archive."""
        return MemberCollector(MemberDigests(self._algorithm, self._limits.names))

    def parts(self, path: str, origin: str, collected: "MemberCollector", *, is_whole: bool) -> Iterator[MemberList]:
        """Yield the members of the archive at ``path``, which were ``collected``; archives of one ``origin`` are alike.

        Raises `TemporaryFileError`.
        """
        before = self._before if origin == self._origin else None
        self._origin, self._before = origin, None
        if (members := collected.at_hand()) is None:
            spooled = collected.spooled()
            while told := list(islice(spooled, _TOGETHER)):
                yield MemberList(path, told, is_last=False)
            yield MemberList(path, (), left_out=collected.left_out, is_whole=is_whole)
            return
        self._before = path, members
        since, known = before or (None, {})
        begun = [row for name, row in members.items() if known.get(name) != row]
        ended = [row for name, row in known.items() if members.get(name) != row]
        yield MemberList(path, begun, ended, since, collected.left_out, is_whole)


class MemberCollector:
    """Takes in the members of one archive, as a consumer of the pass over it.

    Attributes:
        left_out: how many members are not kept, for their names are too long.
    """

    def __init__(self, digests: MemberDigests) -> None:
        self.left_out: int = 0
        self._digests = digests
        self._last: Member | None = None
        self._members = dict[bytes, MemberRow]()
        self._spool: TemporaryDatabase | None = None
        self._room = _NAMES

    def wants(self, member: Member) -> Content | None:
        """Take in the member before ``member``, of which the digest is known now; return what counts that of this."""
        self._take_last()
        self._last = member
        return self._digests.wants(member)

    def at_hand(self) -> Mapping[bytes, MemberRow] | None:
        """Return the members by their names, once the pass has ended; None where they are `spooled`."""
        self._take_last()
        self._last = None
        return self._members if self._spool is None else None

    def spooled(self) -> Iterator[MemberRow]:
        """Yield the members that are not at hand."""
        if self._spool is not None:
            self._put(self._spool)
            yield from map(MemberRow._make, self._spool.rows(_SELECT))

    def _put(self, spool: TemporaryDatabase) -> None:
        spool.insert(_INSERT, ((name, *row) for name, row in self._members.items()))
        self._members.clear()

    def _take_last(self) -> None:
        if (member := self._last) is None:
            return
        name = shown(member.name)
        self._room -= len(name)
        if len(name) > PATH_MAX or self._room < 0:
            self.left_out += 1
            return
        self._members[name] = _row(name, member, self._digests.last)
        if len(self._members) > _AT_HAND:
            self._spool = self._spool or TemporaryDatabase(_TABLE)
            self._put(self._spool)


def _row(name: bytes, member: Member, digest: bytes | None) -> MemberRow:
    text = name.decode("utf-8", "surrogateescape")
    path = as_text(text)
    return MemberRow(
        path,
        None if path == text else name,
        member.kind,
        bounded(member.size),
        member.mode,
        bounded(member.mtime_ns),
        digest,
    )
