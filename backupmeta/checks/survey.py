"""What one pass over an archive collects for the checks: its names and sizes, its record, its dump, telling files."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from backupmeta.archive.dump import Dump, DumpFinder
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import AT_ROOT, DUMP, RECORD, Member, is_record, plain
from backupmeta.checks.applications import TELLING, bytes_wanted, tells

_KEPT: Final = 8 * MIB
"""How much is kept of plugins' and themes' files, in bytes; real sites have some hundred kB of them."""

_OBJECT: Final = 512
"""What each of them takes beside its bytes, about."""

_NAMES: Final = 16 * MIB
"""How many bytes the names have together that are kept."""

_PICKED: Final = 255
"""The longest name that a file or folder can have, in bytes (Linux, NAME_MAX)."""

_OWN: Final = frozenset({RECORD, DUMP})
_NO_TOPS: Final = frozenset({*_OWN, b"", b".", b".."})
"""What stands at an archive's top and is none of the application's files."""


class Embedded(NamedTuple):
    """The record in an archive.

    Attributes:
        member: its member.
        place: its place among the members, from 0.
        content: its bytes, as many as there are.
    """

    member: Member
    place: int
    content: bytes


class Survey:
    """Takes in, as the one consumer of a pass, what the checks ask for; within bounds, whatever the archive.

    Attributes:
        names: where each member begins, in inflated bytes, by the path that its name means.
        is_partial: whether there were more names than are kept: one that is not among them may be there, unless it
            stands at the archive's top or was ``asked`` for.
        file_bytes: the length of all the application's files together.
        record: the record that counts: the first one at the root, else the first one deeper; None without any.
        heads: the beginnings of files that tell something of the application, by name.
    """

    def __init__(self, limits: Limits, asked: Iterable[bytes] = ()) -> None:
        """Collect within ``limits``; whether the names ``asked`` for are there is told of any archive."""
        self.names: dict[bytes, int] = {}
        self.is_partial = False
        self.file_bytes = 0
        self.record: Embedded | None = None
        self._dumped = DumpFinder()
        self.heads: dict[bytes, bytes] = {}
        self._limits = limits
        self._asked = frozenset(map(plain, asked))
        self._most_names = limits.names
        self._room_for_names = _NAMES
        self._seen = 0
        self._room = _KEPT
        self._name = b""
        self._taking: Member | None = None
        self._most = 0
        self._pieces: list[bytes] = []

    def wants(self, member: Member) -> bool:
        """Remember ``member``; tell whether its content shall be given."""
        self._seen += 1
        name = plain(member.name)
        if (len(self.names) < self._most_names and self._room_for_names > 0) or name in self.names:
            self._room_for_names -= len(name)
            self.names[name] = member.offset
        else:
            self._pick(name, member.offset)
        if member.kind != "file":
            return False
        if name in _OWN:
            return self._wants_own(member)
        self.file_bytes += member.size
        is_first_record = self.record is None and is_record(member)
        if not (most := self._limits.record_bytes if is_first_record else bytes_wanted(name)) or member.is_sparse:
            return False
        self._begin(member, name, most)
        return True

    def _pick(self, name: bytes, offset: int) -> None:
        """Remember of a name beyond the bounds what it has at the archive's top, or all of it if it was asked for."""
        self.is_partial = True
        picked = name if name in self._asked else name.partition(b"/")[0][:_PICKED]
        if len(self.names) < 2 * self._most_names:
            self.names.setdefault(picked, offset)

    def _wants_own(self, member: Member) -> bool:
        """Tell whether the content of Installatron's own files is wanted: the first record, the first dump."""
        if self._dumped.wants(member):
            self._taking = None
            return True
        is_known = self.record is not None and self.record.member.name in AT_ROOT
        if is_known or not is_record(member):
            return False
        self._begin(member, RECORD, self._limits.record_bytes)
        return True

    def _begin(self, member: Member, name: bytes, most: int) -> None:
        self._taking, self._name, self._most, self._pieces = member, name, most, []

    def take(self, piece: bytes) -> None:
        """Take in the next bytes of a content, up to what is wanted of it."""
        if self._taking is None:
            self._dumped.take(piece)
        elif self._most > 0:
            self._pieces.append(piece[: self._most])
            self._most -= len(piece)

    def close(self, missing: int) -> None:
        """Keep what was taken in, if it tells anything."""
        if self._taking is None:
            self._dumped.close(missing)
            return
        content = b"".join(self._pieces)
        if is_record(self._taking):
            self.record = Embedded(self._taking, self._seen - 1, content)
        elif self._name in TELLING:
            self.heads[self._name] = content
        elif self._room > 0 and tells(self._name, content):
            self.heads[self._name] = content
            self._room -= len(content) + len(self._name) + _OBJECT

    @property
    def dump(self) -> Dump | None:
        """The database dump; None without any."""
        return self._dumped.dump

    @cached_property
    def _sorted(self) -> Sequence[bytes]:
        return sorted(self.names)

    def has(self, name: bytes) -> bool:
        """Tell whether a file or folder called ``name`` is there; a folder needs no member of its own."""
        name = plain(name).lstrip(b"/")
        below = name + b"/"
        if name in self.names:
            return True
        place = bisect_left(self._sorted, below)
        return place < len(self._sorted) and self._sorted[place].startswith(below)

    def tops(self) -> Iterator[bytes]:
        """Yield the names at the archive's top, without Installatron's own, each once."""
        met = set(_NO_TOPS)
        for name in self.names:
            if (top := name.partition(b"/")[0]) not in met:
                met.add(top)
                yield top
