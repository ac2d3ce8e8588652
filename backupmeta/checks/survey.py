"""What one pass over an archive collects for the checks: its names and sizes, its record, its dump, telling files.

Of several members of one name the last one counts, as after unpacking; of records at the root the first.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from backupmeta.archive.dump import Dump, Dumps
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import OWN_CONTENT, WITH_CONTENT, Member, is_at_root, is_record
from backupmeta.archive.names import DUMP, RECORD, plain, shown
from backupmeta.archive.reader import Content
from backupmeta.checks.applications import TELLING, bytes_wanted, tells

_KEPT: Final = 8 * MIB
"""How much is kept of plugins' and themes' files, in bytes; real sites have some hundred kB of them."""

_OBJECT: Final = 512
"""What each of them takes beside its bytes, about."""

_NAMES: Final = 16 * MIB
"""How many bytes the names have together that are kept."""

_PICKED: Final = 255
"""The longest name that a file or folder can have, in bytes (Linux, NAME_MAX)."""

_LARGEST: Final = 2**64 - 1
"""What an array of 64 bits holds; a header may claim more."""

_OWN: Final = frozenset({RECORD, DUMP})
_NO_TOPS: Final = frozenset({*_OWN, b"", b".", b".."})
"""What stands at an archive's top and is none of the application's files."""


class Embedded(NamedTuple):
    """The record in an archive.

    Attributes:
        member: its member.
        content: its bytes, as many as there are, up to one more than a record may have.
        missing: how many of them are not there.
    """

    member: Member
    content: bytes
    missing: int


class _Taking:
    """Takes in the beginning of one content."""

    def __init__(self, survey: "Survey", member: Member, name: bytes, most: int) -> None:
        self._survey = survey
        self._member = member
        self._name = name
        self._room = most
        self._pieces: list[bytes] = []

    def take(self, piece: bytes) -> None:
        """Take in the next bytes, up to what is wanted."""
        if self._room > 0:
            self._pieces.append(piece[: self._room])
            self._room -= len(piece)

    def close(self, missing: int) -> None:
        """Give the survey what was taken in."""
        self._survey.keep(self._member, self._name, b"".join(self._pieces), missing)


class Survey:
    """Takes in, as the one consumer of a pass, what the checks ask for; within bounds, whatever the archive.

    Attributes:
        is_partial: whether there were more names than are kept: one that is not among them may be there, unless it
            stands at the archive's top or was ``asked`` for.
        file_bytes: the length of all the application's files together.
        record: the record that counts; None without any.
        heads: the beginnings of files that tell something of the application, by name.
    """

    def __init__(self, limits: Limits, asked: Iterable[bytes] = ()) -> None:
        """Collect within ``limits``; whether the names ``asked`` for are there is told of any archive."""
        self.is_partial: bool = False
        self.file_bytes: int = 0
        self.record: Embedded | None = None
        self._dumps = Dumps()
        self.heads: dict[bytes, bytes] = {}
        self._names: dict[bytes, int] = {}
        self._offsets = array("Q")
        self._sizes = array("Q")
        self._latest: dict[bytes, int] = {}
        self._asked = frozenset(map(plain, asked))
        self._limits = limits
        self._most_names = limits.names
        self._room_for_names = _NAMES
        self._room = _KEPT
        self._chosen: Member | None = None

    def wants(self, member: Member) -> Content | None:
        """Remember ``member``; return what takes in its content, if that tells something."""
        name, kind, names = shown(member.name), member.kind, self._names
        size = member.size if kind in OWN_CONTENT and name not in _OWN else 0
        if name not in names and len(names) < self._most_names and self._room_for_names > 0 and size <= _LARGEST:
            names[name] = len(names)
            self._offsets.append(member.offset)
            self._sizes.append(size)
            self.file_bytes += size
            self._room_for_names -= len(name)
        else:
            self._remember(name, member.offset, size)
        most = bytes_wanted(name) if kind in WITH_CONTENT else 0
        if most or name in self._latest or name == DUMP or RECORD in name:
            return self._wanted(member, name, most)
        return None

    def _wanted(self, member: Member, name: bytes, most: int) -> Content | None:
        """Return what takes in a member that may tell something, and forget what an earlier one of its name told."""
        if name in self._latest:
            self._forget(name)
        if name == DUMP:
            return self._dumps.wants(member)
        if is_record(member):
            return self._record(member)
        if not most:
            return None
        self._latest[name] = member.offset
        return _Taking(self, member, name, most)

    def _remember(self, name: bytes, offset: int, size: int) -> None:
        """Remember where the last member of a ``name`` begins, and what it adds to the size of all files.

        Of a name beyond the bounds that is what it has at the archive's top, or all of it if it was asked for.
        """
        self.file_bytes += size
        size = min(size, _LARGEST)
        if (place := self._names.get(name)) is not None:
            self.file_bytes -= self._sizes[place]
            self._offsets[place], self._sizes[place] = offset, size
            return
        if len(self._names) >= self._most_names or self._room_for_names <= 0:
            self.is_partial = True
            name, size = name if name in self._asked else name.partition(b"/")[0][:_PICKED], 0
            if name in self._names or len(self._names) >= 2 * self._most_names:
                return
        self._room_for_names -= len(name)
        self._names[name] = len(self._offsets)
        self._offsets.append(offset)
        self._sizes.append(size)

    def _forget(self, name: bytes) -> None:
        """Forget what an earlier member of this name told."""
        del self._latest[name]
        self.heads.pop(name, None)

    def _record(self, member: Member) -> Content | None:
        """Return what takes in a record, if it is the first one at the root, or the first of all so far."""
        if self._chosen is not None and (is_at_root(self._chosen) or not is_at_root(member)):
            return None
        self._chosen = member
        return _Taking(self, member, RECORD, self._limits.record_bytes + 1)

    def keep(self, member: Member, name: bytes, content: bytes, missing: int) -> None:
        """Keep the beginning of a member's content, if it tells anything and the member is the one that counts."""
        if is_record(member):
            self.record = Embedded(member, content, missing) if member is self._chosen else self.record
            return
        if self._latest.get(name) != member.offset:
            return
        if name in TELLING:
            self.heads[name] = content
        elif self._room > 0 and tells(name, content):
            self.heads[name] = content
            self._room -= len(content) + len(name) + _OBJECT

    @property
    def dump(self) -> Dump | None:
        """The database dump; None without any."""
        return self._dumps.dump

    def offset(self, name: bytes) -> int | None:
        """Return where the last member called ``name`` begins, in inflated bytes; None where there is none."""
        place = self._names.get(name)
        return None if place is None else self._offsets[place]

    @property
    def names(self) -> Iterable[bytes]:
        """The paths that the names of the members mean."""
        return self._names.keys()

    @cached_property
    def _sorted(self) -> Sequence[bytes]:
        return sorted(self._names)

    def has(self, name: bytes) -> bool:
        """Tell whether a file or folder called ``name`` is there; a folder needs no member of its own."""
        name = plain(name).lstrip(b"/")
        below = name + b"/"
        if name in self._names:
            return True
        place = bisect_left(self._sorted, below)
        return place < len(self._sorted) and self._sorted[place].startswith(below)

    def tops(self) -> Iterator[bytes]:
        """Yield the names at the archive's top, without Installatron's own, each once."""
        met = set(_NO_TOPS)
        for name in self._names:
            if (top := name.partition(b"/")[0]) not in met:
                met.add(top)
                yield top
