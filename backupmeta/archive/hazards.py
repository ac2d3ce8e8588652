"""What unpacking an archive's members would do: names and links that lead elsewhere, devices, names that collide."""

import re
from bisect import bisect
from collections.abc import Sequence
from typing import Final, NamedTuple

from backupmeta.archive.header import LINKS
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import OWN_CONTENT, Member, is_record, label
from backupmeta.archive.names import RECORD, escapes, is_absolute, parts, plain
from backupmeta.archive.records import Placed, remember
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal may take for a command, and what reverses or breaks the text that follows."""

_HARMLESS: Final = b"\n" + bytes(set(range(0x20, 0x7F)) - set(b"\\:"))
"""What may stand in any name: printable ASCII but for the backslash and a drive's colon; a newline parts the names."""

_ELSEWHERE: Final = "as other programs read it"
_ODD: Final = frozenset({b"", b"/"})

_DEVICES: Final = frozenset({"character device", "block device", "fifo"})
_SETUID_OR_SETGID: Final = 0o6000
_PATH_MAX: Final = 4096
"""Longer names can't be made (Linux, PATH_MAX), so they lead nowhere."""

_LINKS_IN_A_ROW: Final = 40
"""How many links the system follows before it gives up (Linux, path_resolution(7))."""

_LINKS_BYTES: Final = 8 * MIB
_LINK_BYTES: Final = 300
"""What a remembered link takes beside its name and target, about."""


class OtherNames(NamedTuple):
    """By which names other programs read a member, or headers that extend none.

    Attributes:
        offset: where it begins, in inflated bytes.
        names: the other names.
        member: the member as we read it; None for headers that extend none.
    """

    offset: int
    names: tuple[bytes, ...]
    member: Member | None = None


class _Link(NamedTuple):
    """A symbolic link: its name, where its member begins, and the path in the archive that it leads to."""

    name: bytes
    offset: int
    target: bytes

    @property
    def label(self) -> str:
        return self.name.decode("utf-8", "surrogateescape")


class Hazards:
    """Looks at members, some at a time, and remembers what it must to compare them, within bounds.

    Attributes:
        findings: what was met.
        records: the members that are records, the first of them.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        """Begin with the archive at ``path``."""
        self.findings = Findings()
        self.records: list[Placed] = []
        self._seen = 0
        self._backslashes = 0
        self._backslashed: Member | None = None
        self._unresolved = set[int]()
        self._path = path
        self._most_names = limits.names
        self._names: dict[int, int] = {}
        self._collided = set[int]()
        self._links: dict[bytes, _Link] = {}
        self._tops: list[bytes] = []  # sorted, with a slash behind each; those that lie below no other one
        self._room = _LINKS_BYTES
        self._is_full = False

    def look_at(self, members: Sequence[Member]) -> None:
        """Take in the next members of the archive."""
        special = [one for one in members if one.kind != "file" or one.mode & _SETUID_OR_SETGID]
        if not members or (len(members) > 1 and any(one.kind == "hard link" for one in special)):
            for one in members:  # what stands before a hard link decides what it is
                self.look_at([one])
            return
        # All names at once: nearly all are harmless, and one look at them together tells.
        names = [member.name for member in members]
        text = b"\n".join(names)
        odd, first, last = text.translate(None, _HARMLESS), {name[:1] for name in names}, {name[-1:] for name in names}
        if odd or b".." in text or not first.isdisjoint(_ODD) or text.count(b"\n") >= len(names):
            self._look_at_names(members)
        if RECORD in text:
            self._keep_records(members)
        self._seen += len(members)
        for member in members if self._links or any(one.kind in LINKS for one in special) else special:
            if self._links:
                self._look_at_parents(member)
            self._look_at_kind(member)
        is_plain = b"\\" not in odd and b"." not in first and b"/" not in last
        fold = bytes.lower if not odd or odd.isascii() else _folded
        if is_plain and b"//" not in text and b"/./" not in text:
            self._compare(members, [hash(fold(name)) for name in names], [hash(name) for name in names])
        else:  # a path after the other: each may be as long as a name may be
            self._compare(members, [hash(fold(plain(name))) for name in names], [hash(plain(name)) for name in names])

    def look_at_others(self, others: Sequence[OtherNames]) -> None:
        """Take in the names and targets that other programs read of some members."""
        for one in others:
            for name in one.names:
                self._look_at_name(name, one.offset, _ELSEWHERE)
            member = one.member
            if member is not None and any(_leads_to(member, link) is None for link in member.readings.links):
                self._note("member-link-escapes", member, _ELSEWHERE)

    def has_unresolved(self, link: Member) -> bool:
        """Tell whether a hard ``link`` is known to have nothing before it that it could be a link to."""
        return link.offset in self._unresolved

    def finish(self) -> Findings:
        """Look at what only the whole archive tells; return all that was met."""
        if self._backslashed is not None:
            detail = f"{self._backslashes:,} of {self._seen:,} names"
            self._note("member-names-backslash", self._backslashed, detail)
            self._backslashed = None
        cyclic, cleared = set[bytes](), set[bytes]()
        for name in self._links:
            self._follow(name, cyclic, cleared)
        for name, link in self._links.items():
            if name in cyclic:
                self._add("member-link-cyclic", link.label, link.offset)
        if self._is_full:
            where = (Source(Witness.ARCHIVE, self._path),)
            self.findings.add(Finding("names-not-compared", "", f"the first {len(self._names):,} are", where))
        return self.findings

    def _keep_records(self, members: Sequence[Member]) -> None:
        """Keep the first records, and the first one at the root in any case."""
        for place, member in enumerate(members, self._seen):
            if is_record(member):
                remember(self.records, Placed(member, place))

    def _look_at_names(self, members: Sequence[Member]) -> None:
        for member in members:
            self._look_at_name(member.name, member.offset)
            if b"\\" in member.name:
                self._backslashes += 1
                self._backslashed = self._backslashed or member

    def _look_at_name(self, name: bytes, offset: int, detail: str = "") -> None:
        text = name.decode("utf-8", "replace")
        met = {
            "member-name-empty": not name,
            "member-name-not-utf8": text.encode() != name,
            "member-name-control": _CONTROL.search(text) is not None,
            "member-name-absolute": is_absolute(name),
            "member-name-escapes": escapes(name),
        }
        for id_ in (id_ for id_, is_met in met.items() if is_met):
            self._add(id_, label(name), offset, detail)

    def _look_at_kind(self, member: Member) -> None:
        if member.kind in LINKS:
            self._look_at_link(member)
        elif member.kind in _DEVICES:
            self._note("member-device", member, member.kind)
        elif member.mode & _SETUID_OR_SETGID and member.kind in OWN_CONTENT:
            self._note("member-setuid", member, f"mode {member.mode & 0o7777:04o}")

    def _look_at_link(self, member: Member) -> None:
        """Judge where a link leads: a symbolic one from its own folder, a hard one from the archive's root."""
        name, target = plain(member.name), _leads_to(member, member.link)
        if target is None:
            self._note("member-link-escapes", member, "")
        elif member.kind == "hard link":
            self._look_at_hard_link(member, target, name)
            return
        if member.kind == "symlink" and len(member.name) <= _PATH_MAX:
            self._remember(name, _Link(member.name, member.offset, target or b""))

    def _look_at_hard_link(self, member: Member, target: bytes, name: bytes) -> None:
        """Judge whether anything was there that a hard link could be a link to; one to itself leads nowhere."""
        if target == name:
            self._note("member-link-cyclic", member)
        elif member.source is not None and not self._is_full and not self._is_known(target):
            self._note("member-link-unresolved", member, target.decode("utf-8", "replace"))
            if len(self._unresolved) < self._most_names:
                self._unresolved.add(member.offset)

    def _is_known(self, path: bytes) -> bool:
        """Tell whether the last member of this ``path`` is no folder; of those that differ in case one is enough."""
        key = hash(path.lower() if path.isascii() else _folded(path))
        return key in self._collided or self._names.get(key) == hash(path)

    def _remember(self, name: bytes, link: _Link) -> None:
        self._room -= _LINK_BYTES + len(link.name) + len(link.target)
        if self._room <= 0 or len(self._links) >= self._most_names:
            self._is_full = True
            return
        self._links[name] = link
        if self._link_in(name) is None:
            top, tops = name + b"/", self._tops
            begin = end = bisect(tops, top)
            while end < len(tops) and tops[end].startswith(top):
                end += 1
            tops[begin:end] = [top]

    def _look_at_parents(self, member: Member) -> None:
        """Judge whether a folder that the member lies in is a link of this archive."""
        name = plain(member.name)[:_PATH_MAX]
        if (link := self._link_in(name.rpartition(b"/")[0])) is not None:
            self._note("member-through-link", member, self._links[link].label)

    def _link_in(self, path: bytes) -> bytes | None:
        """Return the first folder of ``path``, or itself, that is a link; it sorts right before what lies below it."""
        path += b"/"
        place = bisect(self._tops, path)
        return self._tops[place - 1][:-1] if place and path.startswith(self._tops[place - 1]) else None

    def _follow(self, name: bytes, cyclic: set[bytes], cleared: set[bytes]) -> None:
        """Put a link into ``cyclic`` where following it does not end, and what was met on the way likewise."""
        path, met = name, list[bytes]()
        for _ in range(_LINKS_IN_A_ROW):
            link = self._link_in(path[:_PATH_MAX])
            if link is None or link in cleared or link in cyclic:
                (cyclic if link in cyclic else cleared).update(met)
                return
            met.append(link)
            path = self._links[link].target + path[len(link) :]
        cyclic.update(met)

    def _compare(self, members: Sequence[Member], keys: Sequence[int], exact: Sequence[int]) -> None:
        """Compare the names of ``members`` with those before them.

        Of each two hashes are kept: of what is compared, its key, and of itself, the latter turned for a directory.
        """
        known, room = self._names, self._most_names - len(self._names)
        are_folders = [one.kind == "directory" for one in members]
        values = [~value if is_it else value for value, is_it in zip(exact, are_folders, strict=True)]
        new = dict(zip(keys, values, strict=True))
        if len(new) == len(keys) <= room and new.keys().isdisjoint(known.keys()):
            known.update(new)
            return
        for member, key, value in zip(members, keys, values, strict=True):
            if key in known:
                self._judge_same(member, key, value)
            elif len(known) < self._most_names:
                known[key] = value
            else:
                self._is_full = True

    def _judge_same(self, member: Member, key: int, value: int) -> None:
        """Judge two names that are the same, at least to a system that does not tell case or Unicode form."""
        known = self._names[key]
        if known not in {value, ~value}:
            self._note("member-name-collides", member)
            self._collided.add(key)
            return
        self._names[key] = value
        if known != value or member.kind != "directory":
            self._note("member-name-duplicate", member)

    def _note(self, id_: str, member: Member, detail: str = "") -> None:
        self._add(id_, member.label, member.offset, detail)

    def _add(self, id_: str, name: str, offset: int, detail: str = "") -> None:
        self.findings.add(Finding(id_, name, detail, (Source(Witness.ARCHIVE, self._path, name, None, offset),)))


def _folded(name: bytes) -> bytes:
    """Return a name as a system compares it that tells neither case nor Unicode form (APFS, NTFS, HFS+).

    Names that can't be made are left as they are: putting many accents in order takes time by the square.
    """
    import unicodedata

    if len(name) > _PATH_MAX:
        return name
    text = name.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).encode(
        "utf-8", "surrogateescape"
    )


def _leads_to(link: Member, target: bytes) -> bytes | None:
    """Return the path that the ``target`` of a ``link`` means; None where that is outside of the archive.

    A symbolic link leads there from its own folder, a hard one from the archive's root.
    """
    return _resolved(plain(link.name).rpartition(b"/")[0] if link.kind == "symlink" else b"", target)


def _resolved(folder: bytes, target: bytes) -> bytes | None:
    """Return the path that ``target`` means from ``folder`` on; None where that is outside of the archive."""
    if is_absolute(target):
        return None
    path: list[bytes] = [part for part in folder.split(b"/") if part]
    for part in parts(target):
        if part == b"..":
            if not path:
                return None
            path.pop()
        elif part not in {b"", b"."}:
            path.append(part)
    return b"/".join(path)
