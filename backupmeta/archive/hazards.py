"""What unpacking an archive's members would do: names and links that lead elsewhere, devices, names that collide."""

import re
from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import dropwhile, islice, product
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.archive.headers import LINKS
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import PATH_MAX, RECORD, Member, Records, escapes, folded, is_absolute, label, plain
from backupmeta.findings import Finding, FindingRule, Findings
from backupmeta.provenance import Source, Witness
from backupmeta.words import counted

ELSEWHERE: Final = "as other programs read it"

_LINKS_IN_A_ROW: Final = 40
"""How many links the system follows before it gives up (Linux, path_resolution(7))."""

_KEPT_BYTES: Final = 16 * MIB
_LINK_BYTES: Final = 650
"""What a remembered link takes beside its name and target, about."""

_NAMES_KEPT: Final = 3
"""How often a link's name is kept: for itself, without case, and to find what lies below it."""

_OF_A_NAME: Final = 16
"""How many targets are remembered of the links of one name."""

_READINGS: Final = 16
"""In how many ways the name and target of a link may be read by programs."""

_FEW: Final = 8
"""In how many links' names a text of names is searched for at once."""

_STEPS: Final = 4096
_ALL_STEPS: Final = 64 * _STEPS
_STEP_BYTES: Final = 256
"""A step along a link's target counts once for itself, and once for each so many bytes of path."""


class _Link(NamedTuple):
    """A link by which a path may lead elsewhere.

    Attributes:
        path: where it lies.
        target: where it leads, from its own folder on.
        name: its member's name, as in the archive.
        offset: where its member begins, in inflated bytes.
    """

    path: bytes
    target: bytes
    name: bytes
    offset: int

    @property
    def folder(self) -> bytes:
        return self.path.rpartition(b"/")[0]


_Reading = Callable[[bytes], bytes]
"""How a program reads a target: as it is, or a backslash as a slash."""

_Way = tuple[bytes, bytes, int]
"""How far a target was followed: the folder that was reached, what is left, and how many links were passed."""


class Links:
    """The links of an archive, so many of them as there is room for."""

    def __init__(self, most: int) -> None:
        """Begin without links; remember at most so many."""
        self._most = most
        self._room = _KEPT_BYTES
        self._steps = _ALL_STEPS
        self._has_backslash = False
        self._by_path: dict[bytes, _Link] = {}
        self._targets: dict[bytes, list[bytes]] = {}
        self._tops = _Folders()
        self._folded_tops = _Folders()
        self._climbing: list[_Link] = []
        self._linked_to = set[int]()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._by_path)

    def may_hold(self, names: bytes) -> bool:
        """Return whether one of the ``names``, which are plain and together in one text, may lie below a link."""
        return self._tops.may_hold(names)

    def above(self, member: Member) -> str | None:
        """Return the name of a link that ``member`` lies below, to some program; None without one.

        For a link it counts, too, where only case or Unicode form differs: it would lead from elsewhere.
        """
        look = self._through if member.kind in LINKS else self._exactly
        paths = (path for name in (member.name, *member.readings.names) for path in _paths(name))
        links = (look(path.rpartition(b"/")[0]) for path in paths)
        return next((link for link in links if link is not None), None)

    def take(self, member: Member) -> Mapping[FindingRule, str]:
        """Take in a link, as each program reads it; return what is odd about it, and the particulars of each."""
        odd = dict[FindingRule, str]()
        ways = product((member.name, *member.readings.names), (member.link, *member.readings.links))
        for name, target in islice(ways, _READINGS):
            is_own = (name, target) == (member.name, member.link)
            for rule, detail in self._take(member, name, target):
                odd.setdefault(rule, detail if is_own or detail else ELSEWHERE)
        if next(ways, None) is not None:
            odd.setdefault(rules.MEMBER_LINK_UNFOLLOWED, f"programs read it in more than {_READINGS} ways")
        return odd

    def finish(self) -> Iterator[tuple[FindingRule, _Link, str]]:
        """Yield what is odd about which link, and the particulars, of what only all links together tell."""
        odd_offsets = set[int]()
        for link in self._climbing:
            if link.offset not in odd_offsets and (rule := self._judged(link)) is not None:
                odd_offsets.add(link.offset)
                yield rule, link, "through other links"
        for link in self._cyclic():
            if link.offset not in odd_offsets:
                yield rules.MEMBER_LINK_CYCLIC, link, ""

    def _take(self, member: Member, name: bytes, target: bytes) -> Iterator[tuple[FindingRule, str]]:
        """Take in a link of this ``name`` to ``target``; yield what is odd about it."""
        self._has_backslash |= b"\\" in name or b"\\" in target
        ways = zip(_both(name, target), _both(target, name), strict=True)
        for path, leads_to in dict.fromkeys((_normal(way), other) for way, other in ways):
            if member.kind == "symlink":
                yield from self._take_symlink(_Link(path, leads_to, member.name, member.offset))
            else:
                yield from self._take_hard_link(_Link(path, leads_to, member.name, member.offset))

    def _take_symlink(self, link: _Link) -> Iterator[tuple[FindingRule, str]]:
        if not link.target or len(link.target) >= PATH_MAX:
            yield rules.MEMBER_LINK_UNFOLLOWED, f"its target is {'longer than any path' if link.target else 'empty'}"
            return
        is_inside = not is_absolute(link.target) and _resolved(link.folder, link.target.split(b"/")) is not None
        if not is_inside:
            yield rules.MEMBER_LINK_ESCAPES, ""
        if reason := self._remember(link, is_climbing=is_inside and _climbs_after_a_name(link.target)):
            yield rules.MEMBER_LINK_UNFOLLOWED, reason

    def _take_hard_link(self, link: _Link) -> Iterator[tuple[FindingRule, str]]:
        """Take in a hard link, which leads from the archive's root on; it is what its target is."""
        if is_absolute(link.target) or escapes(link.target):
            yield rules.MEMBER_LINK_ESCAPES, ""
            return
        target = _normal(link.target)
        if (through := self._through(target.rpartition(b"/")[0])) is not None:
            yield rules.MEMBER_THROUGH_LINK, through
        key = folded(target)
        if len(self._linked_to) < self._most:
            self._linked_to.add(hash(key))
        for further in tuple(self._targets.get(key, ())) if target != link.path else ():
            yield from self._take_symlink(link._replace(target=further))

    def _remember(self, link: _Link, *, is_climbing: bool) -> str:
        """Remember a link; return why it can't be followed, if so."""
        key = folded(link.path)
        targets = self._targets.get(key, ())
        is_new = link.target not in targets
        self._room -= _LINK_BYTES + _NAMES_KEPT * len(link.path) + len(link.name) + len(link.target)
        if self._room <= 0 or len(self._by_path) >= self._most:
            return "the archive has more links than are followed"
        if is_new and (hash(key) in self._linked_to or len(self._linked_to) >= self._most):
            return "hard links to its name are before it"
        if is_new and len(targets) >= _OF_A_NAME:
            return f"more than {_OF_A_NAME} links have its name"
        self._by_path[link.path] = link
        self._tops.add(link.path)
        self._folded_tops.add(key)
        if is_new:
            self._targets.setdefault(key, []).append(link.target)
        if is_climbing:
            self._climbing.append(link)
        return ""

    def _exactly(self, path: bytes) -> str | None:
        """Return the name of the link that ``path`` is or lies below."""
        top = self._tops.first(path)
        return None if top is None else label(self._by_path[top].name)

    def _through(self, path: bytes) -> str | None:
        """Return the name of the link that ``path`` is or lies below, also where only case or Unicode form differs."""
        if (exact := self._exactly(path)) is not None:
            return exact
        other = self._folded_tops.first(folded(path))
        return None if other is None else label(other)

    def _judged(self, link: _Link) -> FindingRule | None:
        """Return what is odd about where a link leads through others."""
        ways = (bytes, _slashed) if self._has_backslash else (bytes,)
        return next(filter(None, (self._followed(link, reading) for reading in ways)), None)

    def _followed(self, link: _Link, reading: _Reading) -> FindingRule | None:
        """Return what is odd about the ways along the target of ``link``, as a ``reading`` of targets has it.

        Those through fewest links come first. A way ends where no ``..`` is left.
        """
        begin = (link.folder, reading(link.target))
        ways, reached, steps, worst = deque([(*begin, 0)]), {begin}, _STEPS, None
        while ways:
            at, rest, links = ways.popleft()
            cost = 1 + (len(at) + len(rest)) // _STEP_BYTES
            steps, self._steps = steps - cost, self._steps - cost
            if steps < 0 or self._steps < 0:
                return rules.MEMBER_LINK_UNFOLLOWED
            step, _, rest = rest.partition(b"/")
            if step == b".." and not at:
                return rules.MEMBER_LINK_ESCAPES
            for way in self._next(at, step, rest, links, reading):
                if links == _LINKS_IN_A_ROW < way[2]:
                    worst = rules.MEMBER_LINK_CYCLIC
                elif b".." in way[1] and way[:2] not in reached:
                    reached.add(way[:2])
                    ways.append(way)
        return worst

    def _next(self, at: bytes, step: bytes, rest: bytes, links: int, reading: _Reading) -> Iterator[_Way]:
        """Yield where one ``step`` from the folder ``at`` may lead: each time a folder, what is left, and links."""
        if step in {b"", b"."}:
            yield at, rest, links
        elif step == b"..":
            yield at.rpartition(b"/")[0], rest, links
        else:
            below = at + b"/" + step if at else step
            yield below, rest, links
            for target in self._targets.get(folded(below), ()):
                yield at, reading(target) + b"/" + rest, links + 1

    def _cyclic(self) -> Iterator[_Link]:
        """Return which links lead back to themselves by names alone."""
        cyclic, cleared = set[bytes](), set[bytes]()
        for path in self._by_path:
            self._follow(path, cyclic, cleared)
        return (link for path, link in self._by_path.items() if path in cyclic)

    def _follow(self, path: bytes, cyclic: set[bytes], cleared: set[bytes]) -> None:
        """Put a link into ``cyclic`` where following it does not end, and what was met on the way likewise."""
        passed_by = list[bytes]()
        for _ in range(_LINKS_IN_A_ROW):
            link = self._tops.first(path[:PATH_MAX])
            if link is None or link in cleared or link in cyclic:
                (cyclic if link in cyclic else cleared).update(passed_by)
                return
            passed_by.append(link)
            passed = self._by_path[link]
            path = (_resolved(passed.folder, _slashed(passed.target).split(b"/")) or b"") + path[len(link) :]
        cyclic.update(passed_by)


class _Folders:
    """Paths of which the first is found that another path is or lies below: those below another are left out."""

    def __init__(self) -> None:
        self._tops: list[bytes] = []  # sorted, with a slash after each: each sorts right before what lies below it

    def add(self, path: bytes) -> None:
        """Add a path."""
        if self.first(path) is not None:
            return
        top, tops = path + b"/", self._tops
        begin = end = bisect(tops, top)
        while end < len(tops) and tops[end].startswith(top):
            end += 1
        tops[begin:end] = [top]

    def may_hold(self, names: bytes) -> bool:
        """Return whether a path in a text of ``names`` may lie below one of them; of many it may be."""
        return len(self._tops) > _FEW or any(top in names for top in self._tops)

    def first(self, path: bytes) -> bytes | None:
        """Return the one that ``path`` is or lies below."""
        path += b"/"
        place = bisect(self._tops, path)
        return self._tops[place - 1][:-1] if place and path.startswith(self._tops[place - 1]) else None


def _paths(name: bytes) -> tuple[bytes, ...]:
    """Return the paths that a ``name`` means: where a backslash separates, and where it is a letter."""
    return (plain(name),) if b"\\" not in name else (plain(name), _normal(name))


def _both(path: bytes, other: bytes) -> tuple[bytes, ...]:
    """Return ``path`` as it is; where it or an ``other`` has backslashes, also with slashes for them."""
    return (path, _slashed(path)) if b"\\" in path or b"\\" in other else (path,)


def _slashed(path: bytes) -> bytes:
    """Return a ``path`` as programs read it to which a backslash separates."""
    return path.replace(b"\\", b"/")


def _normal(path: bytes) -> bytes:
    """Return a relative ``path`` without ``.`` and empty parts; a backslash is a letter."""
    return b"/".join(part for part in path.split(b"/") if part not in {b"", b"."})


def _climbs_after_a_name(target: bytes) -> bool:
    """Return whether ``target`` has ``..`` after a name."""
    if b".." not in target:
        return False
    steps = (part for part in target.split(b"/") if part not in {b"", b"."})
    return b".." in dropwhile(lambda step: step == b"..", steps)


def _resolved(folder: bytes, steps: list[bytes]) -> bytes | None:
    """Return the path that ``steps`` from ``folder`` on lead to, by names alone; None where that is outside."""
    path = folder.split(b"/") if folder else []
    for step in steps:
        if step == b"..":
            if not path:
                return None
            path.pop()
        elif step not in {b"", b"."}:
            path.append(step)
    return b"/".join(path)


_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal may take for a command, and what reverses or breaks the text that follows."""

_HARMLESS: Final = b"\n" + bytes(set(range(0x20, 0x7F)) - set(b"\\:"))
"""What may stand in any name: printable ASCII but for the backslash and a drive's colon; a newline parts the names."""

_ODD: Final = frozenset({b"", b"/"})
_ENDS: Final = frozenset({b"/", b"."})

_SETUID_OR_SETGID: Final = 0o6000


class Hazards:
    """Looks at members, some at a time, and remembers what it must to compare them, within bounds.

    Attributes:
        findings: what was met.
        records: the members that are records, the first of them.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        """Begin with the archive at ``path``."""
        self.findings: Findings = Findings()
        self.records: Records = Records()
        self._count = 0
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
        special = [member for member in members if member.kind != "file" or member.mode & _SETUID_OR_SETGID]
        if not members or (len(members) > 1 and any(member.kind == "hard link" for member in special)):
            for member in members:  # what stands before a hard link decides what it is
                self.look_at([member])
            return
        # All names at once: nearly all are harmless, and one look at them together tells.
        names = [member.name for member in members]
        text = b"\n".join(names)
        odd, first, last = text.translate(None, _HARMLESS), {name[:1] for name in names}, {name[-1:] for name in names}
        if odd or b".." in text or not first.isdisjoint(_ODD) or text.count(b"\n") >= len(names):
            self._look_at_names(members)
        if RECORD in text:
            for place, member in enumerate(members, self._count):
                self.records.take(member, place)
        self._count += len(members)
        is_plain = b"\\" not in odd and b"." not in first and last.isdisjoint(_ENDS)
        is_plain = is_plain and b"//" not in text and b"/./" not in text
        for member in members if self._may_lead(members, special, text if is_plain else None) else special:
            if self._links and (link := self._links.above(member)) is not None:
                self._note(rules.MEMBER_THROUGH_LINK, member, link)
            self._look_at_kind(member)
        fold = bytes.lower if not odd or odd.isascii() else folded
        paths = names if is_plain else [plain(name) for name in names]
        self._compare(members, [hash(fold(path)) for path in paths], [hash(path) for path in paths])

    def _may_lead(self, members: Sequence[Member], special: Sequence[Member], names: bytes | None) -> bool:
        """Return whether links matter to any of ``members``, which have these plain ``names``; None for other names."""
        has_links = any(member.kind in LINKS for member in special)
        if has_links or not self._links:
            return has_links
        return names is None or self._links.may_hold(names) or any(any(member.readings) for member in members)

    def look_at_other_name(self, name: bytes, offset: int) -> None:
        """Take in a name that other programs read of the member, or of stray headers, at ``offset``."""
        self._look_at_name(name, offset, ELSEWHERE)

    def has_unresolved(self, link: Member) -> bool:
        """Return whether a hard ``link`` is known to have nothing before it that it could be a link to."""
        return link.offset in self._unresolved

    def finish(self) -> Findings:
        """Look at what only the whole archive tells; return all that was met."""
        if self._backslashed is not None:
            detail = f"{self._backslashes:,} of {counted(self._count, 'name')}"
            self._note(rules.MEMBER_NAMES_BACKSLASH, self._backslashed, detail)
            self._backslashed = None
        for rule, link, detail in self._links.finish():
            self._add(rule, label(link.name), link.offset, detail)
        if self._is_full:
            where = (Source(Witness.ARCHIVE, self._path),)
            self.findings.add(Finding(rules.NAMES_NOT_COMPARED, "", f"the first {len(self._names):,} are", where))
        return self.findings

    def _look_at_names(self, members: Sequence[Member]) -> None:
        for member in members:
            self._look_at_name(member.name, member.offset)
            if b"\\" in member.name:
                self._backslashes += 1
                self._backslashed = self._backslashed or member

    def _look_at_name(self, name: bytes, offset: int, detail: str = "") -> None:
        text = name.decode("utf-8", "replace")
        odd = (
            (rules.MEMBER_NAME_EMPTY, not name),
            (rules.MEMBER_NAME_NOT_UTF8, text.encode() != name),
            (rules.MEMBER_NAME_CONTROL, _CONTROL.search(text) is not None),
            (rules.MEMBER_NAME_ABSOLUTE, is_absolute(name)),
            (rules.MEMBER_NAME_ESCAPES, escapes(name)),
        )
        for rule in (rule for rule, is_odd in odd if is_odd):
            self._add(rule, label(name), offset, detail)

    def _look_at_kind(self, member: Member) -> None:
        if member.kind in LINKS:
            self._look_at_link(member)
        elif member.is_device:
            self._note(rules.MEMBER_DEVICE, member, member.kind)
        elif member.mode & _SETUID_OR_SETGID and member.has_own_content:
            self._note(rules.MEMBER_SETUID, member, f"mode {member.mode:04o}")

    def _look_at_link(self, member: Member) -> None:
        """Judge where a link leads: a symbolic one from its own folder, a hard one from the archive's root."""
        odd = self._links.take(member)
        for rule, detail in odd.items():
            self._note(rule, member, detail)
        if member.kind == "hard link" and rules.MEMBER_LINK_ESCAPES not in odd:
            self._look_at_hard_link(member, plain(member.link), plain(member.name))

    def _look_at_hard_link(self, member: Member, target: bytes, name: bytes) -> None:
        """Judge whether anything was there that a hard link could be a link to; one to itself leads nowhere."""
        if target == name:
            self._note(rules.MEMBER_LINK_CYCLIC, member)
        elif member.source is not None and not self._is_full and not self._is_known(target):
            self._note(rules.MEMBER_LINK_UNRESOLVED, member, target.decode("utf-8", "replace"))
            if len(self._unresolved) < self._most_names:
                self._unresolved.add(member.offset)

    def _is_known(self, path: bytes) -> bool:
        """Return whether the last member of this ``path`` is no folder; of those that differ in case one is enough."""
        key = hash(folded(path))
        return key in self._collided or self._names.get(key) == hash(path)

    def _compare(self, members: Sequence[Member], keys: Sequence[int], exact: Sequence[int]) -> None:
        """Compare the names of ``members`` with those before them.

        Of each two hashes are kept: of what is compared, its key, and of itself, the latter turned for a directory.
        """
        known, room = self._names, self._most_names - len(self._names)
        are_folders = [member.kind == "directory" for member in members]
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
            self._note(rules.MEMBER_NAME_COLLIDES, member)
            self._collided.add(key)
            return
        self._names[key] = value
        if known != value or member.kind != "directory":
            self._note(rules.MEMBER_NAME_DUPLICATE, member)

    def _note(self, rule: FindingRule, member: Member, detail: str = "") -> None:
        self._add(rule, member.label, member.offset, detail)

    def _add(self, rule: FindingRule, name: str, offset: int, detail: str = "") -> None:
        self.findings.add(Finding(rule, name, detail, (Source(Witness.ARCHIVE, self._path, name, None, offset),)))
