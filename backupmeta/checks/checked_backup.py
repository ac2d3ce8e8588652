"""What the checks see of one backup: `CheckedBackup`, with what one pass over its archive collected, its `Inventory`.

Of several members of one name the last one counts, as after unpacking; of records at the root the first.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Final, NamedTuple

from backupmeta.archive.dump import Dump, Dumps
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import DUMP, OWN, OWN_CONTENT, RECORD, WITH_CONTENT, Member, label, plain, shown
from backupmeta.archive.reader import Content
from backupmeta.archive.statements import Spot
from backupmeta.backup.contradictions import Written
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.applications import TELLING, bytes_wanted, tells
from backupmeta.findings import Finding, FindingRule
from backupmeta.masking import MASK
from backupmeta.provenance import Source, Witness
from backupmeta.record.values import items
from backupmeta.secrets import opened

_KEPT: Final = 8 * MIB
"""How much is kept of plugins' and themes' files, in bytes; real sites have some hundred kB of them."""

_OBJECT: Final = 512
"""What each of them takes beside its bytes, about."""

_NAMES: Final = 16 * MIB
"""How many bytes the names have together that are kept."""

_PICKED: Final = 255
"""The longest name that a file or folder can have, in bytes (Linux, NAME_MAX)."""

_LARGEST: Final = 2**64 - 1
_LAST: Final = 2**63 - 1
"""What arrays of 64 bits hold, without and with a sign; a header may claim more."""

_NO_TIME: Final = -_LAST
"""For the time of what is no file: that of a folder or a link is often the one of its unpacking."""

_NO_TOPS: Final = frozenset({*OWN, b"", b".", b".."})
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


class Younger(NamedTuple):
    """Files of an archive that are younger than something.

    Attributes:
        files: their times, nanoseconds since 1970, and their names, the newest first.
        are_most: whether they are more than half of all files.
    """

    files: Sequence[tuple[int, bytes]]
    are_most: bool


class _Taking:
    """Takes in the beginning of one content."""

    def __init__(self, inventory: "Inventory", member: Member, name: bytes, most: int) -> None:
        self._survey = inventory
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
        """Give the inventory what was taken in."""
        self._survey.keep(self._member, self._name, b"".join(self._pieces), missing)


class Inventory:
    """Takes in, as the one consumer of a pass, what the checks ask for; within bounds, whatever the archive.

    Attributes:
        is_partial: whether there were more names than are kept: one that is not among them may be there, unless it
            stands at the archive's top or was ``asked`` for.
        file_bytes: the length of all the application's files together.
        record: the record that counts; None without any.
        heads: the beginnings of files that tell something of the application, by name.
        names: the paths that the names of the members mean, each with its number.
    """

    def __init__(self, limits: Limits, asked: Iterable[bytes] = ()) -> None:
        """Collect within ``limits``; whether the names ``asked`` for are there is told of any archive."""
        self.is_partial: bool = False
        self.file_bytes: int = 0
        self.record: Embedded | None = None
        self._dumps = Dumps()
        self.heads: dict[bytes, bytes] = {}
        self.names: dict[bytes, int] = {}
        self._offsets = array("Q")
        self._times = array("q")
        self._sizes = array("Q")
        self._newest_beyond: tuple[int, bytes] = (_NO_TIME, b"")
        self._latest: dict[bytes, int] = {}
        self._asked = frozenset(map(plain, asked))
        self._limits = limits
        self._most_names = limits.names
        self._room_for_names = _NAMES
        self._room = _KEPT
        self._chosen: Member | None = None

    def wants(self, member: Member) -> Content | None:
        """Remember ``member``; return what takes in its content, if that tells something."""
        name, kind, names = shown(member.name), member.kind, self.names
        size = member.size if kind in OWN_CONTENT and name not in OWN else 0
        time = member.mtime_ns if kind in WITH_CONTENT else _NO_TIME
        is_held = size <= _LARGEST and _NO_TIME <= time <= _LAST
        if name not in names and len(names) < self._most_names and self._room_for_names > 0 and is_held:
            names[name] = len(names)
            self._offsets.append(member.offset)
            self._times.append(time)
            self._sizes.append(size)
            self.file_bytes += size
            self._room_for_names -= len(name)
        else:
            self._remember(name, member.offset, size, max(min(time, _LAST), _NO_TIME))
        most = bytes_wanted(name) if kind in WITH_CONTENT else 0
        if most or name in self._latest or name == DUMP or RECORD in name:
            return self._wanted(member, name, most)
        return None

    def _wanted(self, member: Member, name: bytes, most: int) -> Content | None:
        """Return what takes in a member that may tell something, and forget what an earlier one of its name told."""
        if self._latest.pop(name, None) is not None:
            self.heads.pop(name, None)
        if name == DUMP:
            return self._dumps.wants(member)
        if member.is_record:
            return self._record(member)
        if not most:
            return None
        self._latest[name] = member.offset
        return _Taking(self, member, name, most)

    def _remember(self, name: bytes, offset: int, size: int, time: int) -> None:
        """Remember where the last member of a ``name`` begins, and what it adds to the size of all files.

        Of a name beyond the bounds that is what it has at the archive's top, or all of it if it was asked for.
        """
        self.file_bytes += size
        size = min(size, _LARGEST)
        if (place := self.names.get(name)) is not None:
            self.file_bytes -= self._sizes[place]
            self._offsets[place], self._sizes[place], self._times[place] = offset, size, time
            return
        if len(self.names) >= self._most_names or self._room_for_names <= 0:
            self.is_partial = True
            self._newest_beyond = max(self._newest_beyond, (time, name[:_PICKED]))
            name, size = name if name in self._asked else name.partition(b"/")[0][:_PICKED], 0
            if name in self.names or len(self.names) >= 2 * self._most_names:
                return
        self._room_for_names -= len(name)
        self.names[name] = len(self._offsets)
        self._offsets.append(offset)
        self._times.append(time)
        self._sizes.append(size)

    def _record(self, member: Member) -> Content | None:
        """Return what takes in a record, if it is the first one at the root, or the first of all so far."""
        if self._chosen is not None and (self._chosen.is_at_root or not member.is_at_root):
            return None
        self._chosen = member
        return _Taking(self, member, RECORD, self._limits.record_bytes + 1)

    def keep(self, member: Member, name: bytes, content: bytes, missing: int) -> None:
        """Keep the beginning of a member's content, if it tells anything and the member is the one that counts."""
        if member.is_record:
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
        place = self.names.get(name)
        return None if place is None else self._offsets[place]

    def younger(self, latest: int) -> Younger | None:
        """Return the files that were modified after ``latest``, nanoseconds since 1970; None where there are none.

        Beyond the bounds on names the newest file alone is known.
        """
        if max(self._newest_beyond[0], max(self._times, default=latest)) <= latest:
            return None
        younger = [timed for timed in zip(self._times, self.names, strict=True) if timed[0] > latest]
        are_most = 2 * len(younger) > len(self._times) - self._times.count(_NO_TIME)
        younger += [self._newest_beyond] if self._newest_beyond[0] > latest else []
        return Younger(sorted(younger, reverse=True), are_most)

    def entries(self) -> int:
        """Return how many files and folders of the application there are; a folder needs no member of its own."""
        count, before = -sum(name in self.names for name in OWN), list[bytes]()
        for name in sorted(self.names, key=lambda name: name.replace(b"/", b"\0")):
            parts = name.split(b"/")
            count += len(parts) - sum(1 for _ in takewhile(_is_pair, zip(parts, before, strict=False)))
            before = parts
        return count

    @cached_property
    def _sorted(self) -> Sequence[bytes]:
        return sorted(self.names)

    def has(self, name: bytes) -> bool:
        """Return whether a file or folder called ``name`` is there; a folder needs no member of its own."""
        name = plain(name).lstrip(b"/")
        below = name + b"/"
        if name in self.names:
            return True
        place = bisect_left(self._sorted, below)
        return place < len(self._sorted) and self._sorted[place].startswith(below)

    def tops(self) -> Iterator[bytes]:
        """Yield the names at the archive's top, without Installatron's own, each once."""
        tops = set(_NO_TOPS)
        for name in self.names:
            if (top := name.partition(b"/")[0]) not in tops:
                tops.add(top)
                yield top


def _is_pair(parts: tuple[bytes, bytes]) -> bool:
    return parts[0] == parts[1]


PREFIX: Final = "{prefix}"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What installs and their backups must have.

    Attributes:
        maximum_age_days: the age of an install's newest backup, in days; None for any.
        minimum_backups: how many backups an install has.
        files: members that every archive has.
        tables: tables that every dump has, with `PREFIX` for the record's ``db-prefix``: see `tables_with`.
        locations: where backups may be kept; None for anywhere: see `allows`.
        versions: the lowest version that is allowed of an application, by the record's ``installer``.
    """

    maximum_age_days: float | None = None
    minimum_backups: int = 0
    files: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    locations: tuple[str, ...] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def tables_with(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the tables that a dump must have whose record's ``db-prefix`` is ``prefix``."""
        return tuple(name.replace(PREFIX, prefix) for name in self.tables)

    def allows(self, location: str) -> bool:
        """Return whether a backup may be kept at ``location``, a masked ``backup-location``, whatever its userinfo.

        It is one of the `locations`, or of a scheme that is one: ``s3://``.
        """
        plain = location.replace(f"{MASK}@", "")
        scheme = "".join(plain.partition("://")[:2])
        return self.locations is None or plain in self.locations or scheme in self.locations


@dataclass(frozen=True, slots=True)
class CheckedBackup:
    """One backup to judge.

    Attributes:
        path: the archive, as the server saw it.
        inspection: what its records and its name tell.
        inventory: what was seen in its archive.
        requirements: what every backup must have.
        now: the moment of judging, Unix seconds.
        written: what its archive's file says of itself; None where that was not read.
    """

    path: str
    inspection: Inspection
    inventory: Inventory
    requirements: Requirements
    now: int
    written: Written | None = None

    def text(self, field: str) -> str:
        """Return ``field`` of the answer as text, in clear, to be compared; empty where it is none."""
        return opened(self.inspection.text(field))

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the list in ``field`` of the answer; empty where there is none."""
        value = opened(self.inspection.get(field))
        return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, list) else ()

    def list_of(self, key: str) -> tuple[str, ...]:
        """Return the list that the record's ``key`` has, of those that are no part of the answer."""
        fact = self.inspection.extra.get(key)
        if fact is None:
            return ()
        try:
            return tuple(filter(None, items(opened(fact.raw))))
        except UnicodeDecodeError:
            return ()

    def inside(self, name: str) -> str:
        """Return a listed name as members are called: from the install's folder on, without slashes around it."""
        folder = self.text("path").rstrip("/") + "/"
        return f"{name}/".removeprefix(folder).removeprefix("./").strip("/")

    @property
    def excluded(self) -> tuple[str, ...]:
        """The names that the record excludes, as members are called."""
        return tuple(filter(None, map(self.inside, self.texts("exclude_files"))))

    @property
    def has_readable_lists(self) -> bool:
        """Whether each list that the record has can be decoded: what is on one that can't be, nobody knows."""
        lists = (opened(fact.raw) for key, fact in self.inspection.extra.items() if key.startswith("list-"))
        return all(map(_is_utf8, lists))

    def field_sources(self, field: str) -> tuple[Source, ...]:
        """Return where ``field`` of the answer comes from; nothing where it is absent."""
        return (self.inspection.source(field),) if field in self.inspection.fields else ()

    @property
    def archive_source(self) -> Source:
        """The archive as a whole."""
        return Source(Witness.ARCHIVE, self.path)

    def member_source(self, name: bytes) -> Source:
        """Return the place of the member called ``name`` in the archive, or of the archive where there is none."""
        offset = self.inventory.offset(name)
        if offset is None:
            return self.archive_source
        return Source(Witness.ARCHIVE, self.path, label(name), None, offset)

    def dump_source(self, spot: Spot) -> Source:
        """Return the place of a statement or line of the dump."""
        return Source(Witness.ARCHIVE, self.path, text_of(DUMP), spot.line, spot.offset)

    def key_sources(self, key: str) -> tuple[Source, ...]:
        """Return where the record's ``key`` stands, as `list_of` reads it; nothing where it doesn't."""
        fact = self.inspection.extra.get(key)
        return () if fact is None else (fact.source,)

    def differs(self, rule: FindingRule, field: str, detail: str, *places: Source) -> Finding:
        """Return the finding that the archive at ``places`` is not what ``field`` of the record says."""
        return Finding(rule, field, detail, (*self.field_sources(field), *places))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_of(name: bytes) -> str:
    """Return a member's or a table's name as text; bytes that aren't UTF-8 as surrogates."""
    return name.decode("utf-8", "surrogateescape")


Check = Callable[[CheckedBackup], Iterator[Finding]]
"""Yields what it finds in one backup."""
