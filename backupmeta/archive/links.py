"""Where an archive's links lead once they are unpacked: through one another, too, and whatever the order.

What is left on disk differs. GNU tar makes a link that goes up last of all; GNU tar and bsdtar put a link in the place
of an empty folder; a hard link to a symbolic link is one to all of them; tarfile puts a copy of the member that a link
leads to where the link can't be made (tried with GNU tar 1.34, bsdtar of libarchive 3.6, tarfile of Python 3.11). So a
link is judged by all that may be on disk:

- A part of a path that is the name of a link may be that link or a folder; of several links of a name, each of them.
- Names are the same where only case or Unicode form differs, and a backslash separates, or is a letter of a name.
- A hard link to a symbolic link is a symbolic link at another place; so what hard links lead to becomes none later.
- What lies below a link is told by itself, and so each other link lies where its name says.

A target that has ``..`` at its beginning alone leads where it says, for each link on its way is judged by itself. One
that has ``..`` after a name is followed.
"""

from bisect import bisect
from collections import deque
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import dropwhile, islice, product
from typing import Final, NamedTuple

from backupmeta.archive.limits import MIB
from backupmeta.archive.member import Member, label
from backupmeta.archive.names import escapes, folded, is_absolute, parts, plain

ELSEWHERE: Final = "as other programs read it"

ESCAPES: Final = "member-link-escapes"
UNFOLLOWED: Final = "member-link-unfollowed"
THROUGH: Final = "member-through-link"
CYCLIC: Final = "member-link-cyclic"

_PATH_MAX: Final = 4096
"""From this length on no target can be made (Linux, PATH_MAX)."""

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


class Judged(NamedTuple):
    """What is odd about a link, once all members are known.

    Attributes:
        id: the finding's.
        name: the link's name, as in the archive.
        offset: where its member begins, in inflated bytes.
        detail: the particulars.
    """

    id: str
    name: bytes
    offset: int
    detail: str = ""


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
        """Tell whether there are any."""
        return bool(self._by_path)

    def may_hold(self, names: bytes) -> bool:
        """Tell whether one of the ``names``, which are plain and together in one text, may lie below a link."""
        return self._tops.may_hold(names)

    def above(self, member: Member) -> str | None:
        """Return the name of a link that ``member`` lies below, to some program; None without one.

        For a link it counts, too, where only case or Unicode form differs: it would lead from elsewhere.
        """
        for name in dict.fromkeys((member.name, *member.readings.names)):
            for path in _paths(name):
                folder = path.rpartition(b"/")[0]
                found = self._through(folder) if member.kind in {"hard link", "symlink"} else self._exactly(folder)
                if found is not None:
                    return found
        return None

    def take(self, member: Member) -> Mapping[str, str]:
        """Take in a link, as each program reads it; return the ids of what is odd about it, and the particulars."""
        told = dict[str, str]()
        ways = product((member.name, *member.readings.names), (member.link, *member.readings.links))
        for name, target in islice(ways, _READINGS):
            is_own = (name, target) == (member.name, member.link)
            for id_, detail in self._take(member, name, target):
                told.setdefault(id_, detail if is_own or detail else ELSEWHERE)
        if next(ways, None) is not None:
            told.setdefault(UNFOLLOWED, f"programs read it in more than {_READINGS} ways")
        return told

    def finish(self) -> Iterator[Judged]:
        """Yield what only all links together tell."""
        told = set[int]()
        for link in self._climbing:
            if link.offset not in told and (judged := self._judged(link)) is not None:
                told.add(link.offset)
                yield judged
        yield from self._cyclic(told)

    def _take(self, member: Member, name: bytes, target: bytes) -> Iterator[tuple[str, str]]:
        """Take in a link of this ``name`` to ``target``; yield what is odd about it."""
        self._has_backslash |= b"\\" in name or b"\\" in target
        ways = zip(_both(name, target), _both(target, name), strict=True)
        for path, leads_to in dict.fromkeys((_normal(one), other) for one, other in ways):
            if member.kind == "symlink":
                yield from self._take_symlink(_Link(path, leads_to, member.name, member.offset))
            else:
                yield from self._take_hard_link(_Link(path, leads_to, member.name, member.offset))

    def _take_symlink(self, link: _Link) -> Iterator[tuple[str, str]]:
        if not link.target or len(link.target) >= _PATH_MAX:
            yield UNFOLLOWED, f"its target is {'longer than any path' if link.target else 'empty'}"
            return
        is_inside = not is_absolute(link.target) and _resolved(link.folder, link.target.split(b"/")) is not None
        if not is_inside:
            yield ESCAPES, ""
        if reason := self._remember(link, is_climbing=is_inside and _climbs_after_a_name(link.target)):
            yield UNFOLLOWED, reason

    def _take_hard_link(self, link: _Link) -> Iterator[tuple[str, str]]:
        """Take in a hard link, which leads from the archive's root on; it is what its target is."""
        if is_absolute(link.target) or escapes(link.target):
            yield ESCAPES, ""
            return
        target = _normal(link.target)
        if (found := self._through(target.rpartition(b"/")[0])) is not None:
            yield THROUGH, found
        key = folded(target)
        if len(self._linked_to) < self._most:
            self._linked_to.add(hash(key))
        for one in tuple(self._targets.get(key, ())) if target != link.path else ():
            yield from self._take_symlink(link._replace(target=one))

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
        found = self._tops.first(path)
        return None if found is None else label(self._by_path[found].name)

    def _through(self, path: bytes) -> str | None:
        """Return the name of the link that ``path`` is or lies below, also where only case or Unicode form differs."""
        if (found := self._exactly(path)) is not None:
            return found
        other = self._folded_tops.first(folded(path))
        return None if other is None else label(other)

    def _judged(self, link: _Link) -> Judged | None:
        """Return what is odd about where a link leads through others."""
        for is_separator in (False, True) if self._has_backslash else (False,):
            if (id_ := self._followed(link, is_separator=is_separator)) is not None:
                return Judged(id_, link.name, link.offset, "through other links")
        return None

    def _followed(self, link: _Link, *, is_separator: bool) -> str | None:
        """Return what is odd about the ways along the target of ``link``; a backslash in it may be a separator.

        Those through fewest links come first. A way ends where no ``..`` is left.
        """
        begin = (link.folder, _separated(link.target, is_separator=is_separator))
        ways, met, steps, worst = deque([(*begin, 0)]), {begin}, _STEPS, None
        while ways:
            at, rest, links = ways.popleft()
            cost = 1 + (len(at) + len(rest)) // _STEP_BYTES
            steps, self._steps = steps - cost, self._steps - cost
            if steps < 0 or self._steps < 0:
                return UNFOLLOWED
            step, _, rest = rest.partition(b"/")
            if step == b".." and not at:
                return ESCAPES
            for way in self._next(at, step, rest, links, is_separator=is_separator):
                if links == _LINKS_IN_A_ROW < way[2]:
                    worst = CYCLIC
                elif b".." in way[1] and way[:2] not in met:
                    met.add(way[:2])
                    ways.append(way)
        return worst

    def _next(
        self, at: bytes, step: bytes, rest: bytes, links: int, *, is_separator: bool
    ) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield where one ``step`` from the folder ``at`` may lead: each time a folder, what is left, and links."""
        if step in {b"", b"."}:
            yield at, rest, links
        elif step == b"..":
            yield at.rpartition(b"/")[0], rest, links
        else:
            below = at + b"/" + step if at else step
            yield below, rest, links
            for target in self._targets.get(folded(below), ()):
                yield at, _separated(target, is_separator=is_separator) + b"/" + rest, links + 1

    def _cyclic(self, told: AbstractSet[int]) -> Iterator[Judged]:
        """Yield which links lead back to themselves by names alone, but for those that were ``told``."""
        cyclic, cleared = set[bytes](), set[bytes]()
        for path in self._by_path:
            self._follow(path, cyclic, cleared)
        for path, link in self._by_path.items():
            if path in cyclic and link.offset not in told:
                yield Judged(CYCLIC, link.name, link.offset)

    def _follow(self, path: bytes, cyclic: set[bytes], cleared: set[bytes]) -> None:
        """Put a link into ``cyclic`` where following it does not end, and what was met on the way likewise."""
        met = list[bytes]()
        for _ in range(_LINKS_IN_A_ROW):
            link = self._tops.first(path[:_PATH_MAX])
            if link is None or link in cleared or link in cyclic:
                (cyclic if link in cyclic else cleared).update(met)
                return
            met.append(link)
            one = self._by_path[link]
            path = (_resolved(one.folder, parts(one.target)) or b"") + path[len(link) :]
        cyclic.update(met)


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
        """Tell whether a path in a text of ``names`` may lie below one of them; of many it may be."""
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
    return (path, _separated(path, is_separator=True)) if b"\\" in path or b"\\" in other else (path,)


def _separated(path: bytes, *, is_separator: bool) -> bytes:
    return path.replace(b"\\", b"/") if is_separator else path


def _normal(path: bytes) -> bytes:
    """Return a relative ``path`` without ``.`` and empty parts; a backslash is a letter."""
    return b"/".join(part for part in path.split(b"/") if part not in {b"", b"."})


def _climbs_after_a_name(target: bytes) -> bool:
    """Tell whether ``target`` has ``..`` after a name."""
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
