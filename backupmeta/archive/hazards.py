"""What unpacking an archive's members would do: names and links that lead elsewhere, devices, names that collide."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from backupmeta.archive.extension import NO_READINGS
from backupmeta.archive.header import LINKS
from backupmeta.archive.limits import Limits
from backupmeta.archive.links import CYCLIC, ELSEWHERE, ESCAPES, THROUGH, Links
from backupmeta.archive.member import DEVICES, OWN_CONTENT, Member, is_record, label
from backupmeta.archive.names import RECORD, escapes, folded, is_absolute, plain
from backupmeta.archive.records import Placed, remember
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness
from backupmeta.words import counted

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal may take for a command, and what reverses or breaks the text that follows."""

_HARMLESS: Final = b"\n" + bytes(set(range(0x20, 0x7F)) - set(b"\\:"))
"""What may stand in any name: printable ASCII but for the backslash and a drive's colon; a newline parts the names."""

_ODD: Final = frozenset({b"", b"/"})
_ENDS: Final = frozenset({b"/", b"."})

_SETUID_OR_SETGID: Final = 0o6000


class OtherNames(NamedTuple):
    """By which names other programs read a member, or headers that extend none.

    Attributes:
        offset: where it begins, in inflated bytes.
        names: the other names.
    """

    offset: int
    names: tuple[bytes, ...]


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
        self._links = Links(limits.names)
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
        is_plain = b"\\" not in odd and b"." not in first and last.isdisjoint(_ENDS)
        is_plain = is_plain and b"//" not in text and b"/./" not in text
        for member in members if self._may_lead(members, special, text if is_plain else None) else special:
            if self._links:
                self._look_at_parents(member)
            self._look_at_kind(member)
        fold = bytes.lower if not odd or odd.isascii() else folded
        if is_plain:
            self._compare(members, [hash(fold(name)) for name in names], [hash(name) for name in names])
        else:  # a path after the other: each may be as long as a name may be
            self._compare(members, [hash(fold(plain(name))) for name in names], [hash(plain(name)) for name in names])

    def _may_lead(self, members: Sequence[Member], special: Sequence[Member], names: bytes | None) -> bool:
        """Tell whether links matter to any of ``members``, which have these plain ``names``; None for other names."""
        if not self._links or any(one.kind in LINKS for one in special):
            return any(one.kind in LINKS for one in special)
        return names is None or self._links.may_hold(names) or any(one.readings is not NO_READINGS for one in members)

    def look_at_others(self, others: Sequence[OtherNames]) -> None:
        """Take in the names that other programs read of some members."""
        for one in others:
            for name in one.names:
                self._look_at_name(name, one.offset, ELSEWHERE)

    def has_unresolved(self, link: Member) -> bool:
        """Tell whether a hard ``link`` is known to have nothing before it that it could be a link to."""
        return link.offset in self._unresolved

    def finish(self) -> Findings:
        """Look at what only the whole archive tells; return all that was met."""
        if self._backslashed is not None:
            detail = f"{self._backslashes:,} of {counted(self._seen, 'name')}"
            self._note("member-names-backslash", self._backslashed, detail)
            self._backslashed = None
        for one in self._links.finish():
            self._add(one.id, label(one.name), one.offset, one.detail)
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
        elif member.kind in DEVICES:
            self._note("member-device", member, member.kind)
        elif member.mode & _SETUID_OR_SETGID and member.kind in OWN_CONTENT:
            self._note("member-setuid", member, f"mode {member.mode & 0o7777:04o}")

    def _look_at_link(self, member: Member) -> None:
        """Judge where a link leads: a symbolic one from its own folder, a hard one from the archive's root."""
        told = self._links.take(member)
        for id_, detail in told.items():
            self._note(id_, member, detail)
        if member.kind == "hard link" and ESCAPES not in told:
            self._look_at_hard_link(member, plain(member.link), plain(member.name))

    def _look_at_hard_link(self, member: Member, target: bytes, name: bytes) -> None:
        """Judge whether anything was there that a hard link could be a link to; one to itself leads nowhere."""
        if target == name:
            self._note(CYCLIC, member)
        elif member.source is not None and not self._is_full and not self._is_known(target):
            self._note("member-link-unresolved", member, target.decode("utf-8", "replace"))
            if len(self._unresolved) < self._most_names:
                self._unresolved.add(member.offset)

    def _is_known(self, path: bytes) -> bool:
        """Tell whether the last member of this ``path`` is no folder; of those that differ in case one is enough."""
        key = hash(folded(path))
        return key in self._collided or self._names.get(key) == hash(path)

    def _look_at_parents(self, member: Member) -> None:
        """Judge whether a folder that the member lies in is a link of this archive."""
        if (link := self._links.above(member)) is not None:
            self._note(THROUGH, member, link)

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
