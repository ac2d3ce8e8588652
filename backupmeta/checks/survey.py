"""What one pass over an archive collects for the checks: its names and sizes, its record, its dump, telling files."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Final, NamedTuple

from backupmeta.archive.dump import Dump
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import AT_ROOT, DUMP, RECORD, Member, is_record
from backupmeta.checks.applications import TELLING, bytes_wanted, tells

_KEPT: Final = 8 * MIB
"""How much is kept of plugins' and themes' files, in bytes; real sites have some hundred kB of them."""

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
        names: where each member begins, in inflated bytes, by its name without ``./`` before it and slashes behind it.
        is_partial: whether there were more names than ``limits.names``: what is not among them may be there.
        file_bytes: the length of all the application's files together.
        record: the record that counts: the first one at the root, else the first one deeper; None without any.
        dump: the database dump.
        heads: the beginnings of files that tell something of the application, by name.
    """

    def __init__(self, limits: Limits) -> None:
        """Collect within ``limits``."""
        self.names: dict[bytes, int] = {}
        self.is_partial = False
        self.file_bytes = 0
        self.record: Embedded | None = None
        self.dump = Dump()
        self.heads: dict[bytes, bytes] = {}
        self._limits = limits
        self._most_names = limits.names
        self._seen = 0
        self._room = _KEPT
        self._name = b""
        self._taking: Member | None = None
        self._most = 0
        self._pieces: list[bytes] = []

    def wants(self, member: Member) -> bool:
        """Remember ``member``; tell whether its content shall be given."""
        self._seen += 1
        name, names = member.name, self.names
        if name[:2] == b"./" or name[-1:] == b"/":
            name = name.removeprefix(b"./").rstrip(b"/")
        if len(names) < self._most_names or name in names:
            names[name] = member.offset
        else:
            self.is_partial = True
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

    def _wants_own(self, member: Member) -> bool:
        """Tell whether the content of Installatron's own files is wanted: the first record, the first dump."""
        if self.dump.wants(member):
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
            self.dump.take(piece)
        elif self._most > 0:
            self._pieces.append(piece[: self._most])
            self._most -= len(piece)

    def close(self, missing: int) -> None:
        """Keep what was taken in, if it tells anything."""
        if self._taking is None:
            self.dump.close(missing)
            return
        content = b"".join(self._pieces)
        if is_record(self._taking):
            self.record = Embedded(self._taking, self._seen - 1, content)
        elif self._name in TELLING or (len(content) <= self._room and tells(self._name, content)):
            self.heads[self._name] = content
            self._room -= 0 if self._name in TELLING else len(content)

    @cached_property
    def folders(self) -> AbstractSet[bytes]:
        """Every folder that a member lies in, whether it has a member of its own or not."""
        found = set[bytes]()
        for name in self.names:
            while (name := name.rpartition(b"/")[0]) and name not in found:
                found.add(name)
        return found

    def has(self, name: bytes) -> bool:
        """Tell whether a file or folder called ``name`` is there."""
        name = name.removeprefix(b"./").strip(b"/")
        return name in self.names or name in self.folders

    def tops(self) -> Iterator[bytes]:
        """Yield the names at the archive's top, without Installatron's own, each once."""
        met = set(_NO_TOPS)
        for name in self.names:
            if (top := name.partition(b"/")[0]) not in met:
                met.add(top)
                yield top
