"""What unpacking an archive's members would do: names and links that lead elsewhere, devices, names that collide."""

import re
from typing import Final

from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import Member
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness

_ABSOLUTE: Final = re.compile(rb"[/\\]|[A-Za-z]:[/\\]")
_SEPARATOR: Final = re.compile(rb"[/\\]")
_HERE: Final = re.compile(rb"(?:\./+)+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal may take for a command, and what reverses or breaks the text that follows."""

_BACKSLASH: Final = ord("\\")
_ODD_BEGINNINGS: Final = frozenset({"", "/"})

_DEVICES: Final = frozenset({"character device", "block device", "fifo"})
_LINKS: Final = frozenset({"symlink", "hard link"})
_SETUID_OR_SETGID: Final = 0o6000
_PATH_MAX: Final = 4096
"""Longer names can't be made (Linux, PATH_MAX), so they lead nowhere."""

_LINKS_IN_A_ROW: Final = 40
"""How many links the system follows before it gives up (Linux, path_resolution(7))."""

_LINK_BYTES: Final = 4 * MIB


class Hazards:
    """Looks at members one by one, and remembers what it must to compare them, within bounds.

    Attributes:
        findings: what was met.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        """Begin with the archive at ``path``."""
        self.findings = Findings()
        self._path = path
        self._most_names = limits.names
        self._names: dict[int, int] = {}
        self._links: dict[bytes, tuple[Member, bytes]] = {}
        self._link_bytes = 0
        self._is_full = False

    def look_at(self, member: Member) -> None:
        """Take in the next member of the archive."""
        name, kind = member.name, member.kind
        text = name.decode("utf-8", "surrogateescape")
        is_ascii = text.isascii()
        if not (is_ascii and text.isprintable()) or ".." in text or text[:1] in _ODD_BEGINNINGS or _BACKSLASH in name:
            self._look_at_name(member)
        if self._links:
            self._look_at_parents(member)
        if kind != "file":
            self._look_at_kind(member)
        elif member.mode & _SETUID_OR_SETGID:
            self._note("member-setuid", member, f"mode {member.mode & 0o7777:04o}")
        # Of each name two hashes are kept: of what is compared, and of itself, the latter turned for a directory.
        if name[-1:] == b"/" or name[:2] == b"./":
            name = _plain(name)
        key, value = hash(name.lower() if is_ascii else _folded(name)), hash(name)
        if kind == "directory":
            value = ~value
        if (known := self._names.get(key)) is not None:
            self._compare(member, known, value)
        elif len(self._names) < self._most_names:
            self._names[key] = value
        else:
            self._is_full = True

    def finish(self) -> Findings:
        """Look at what only the whole archive tells; return all that was met."""
        cyclic, cleared = set[bytes](), set[bytes]()
        for name in self._links:
            self._follow(name, cyclic, cleared)
        for name, (member, _) in self._links.items():
            if name in cyclic:
                self._note("member-link-cyclic", member)
        if self._is_full:
            where = (Source(Witness.ARCHIVE, self._path),)
            self.findings.add(Finding("names-not-compared", "", f"the first {len(self._names):,} are", where))
        return self.findings

    def _look_at_name(self, member: Member) -> None:
        name = member.name
        text = name.decode("utf-8", "replace")
        if not name:
            self._note("member-name-empty", member)
        if text.encode() != name:
            self._note("member-name-not-utf8", member)
        if _CONTROL.search(text):
            self._note("member-name-control", member)
        if _ABSOLUTE.match(name):
            self._note("member-name-absolute", member)
        if b".." in name and b".." in _SEPARATOR.split(name):
            self._note("member-name-escapes", member)

    def _look_at_kind(self, member: Member) -> None:
        if member.kind in _LINKS:
            self._look_at_link(member)
        elif member.kind in _DEVICES:
            self._note("member-device", member, member.kind)

    def _look_at_link(self, member: Member) -> None:
        """Judge where a link leads: a symbolic one from its own folder, a hard one from the archive's root."""
        name = _plain(member.name)
        folder = name.rpartition(b"/")[0] if member.kind == "symlink" else b""
        target = _resolved(folder, member.link)
        if target is None:
            self._note("member-link-escapes", member, "")
        elif member.kind == "hard link":
            if target == name:
                self._note("member-link-cyclic", member)
            return
        self._link_bytes += len(name) + len(member.link)
        if member.kind == "symlink" and len(self._links) < self._most_names and self._link_bytes < _LINK_BYTES:
            self._links[name] = member, b"" if target is None else target
        self._is_full |= self._link_bytes >= _LINK_BYTES

    def _look_at_parents(self, member: Member) -> None:
        """Judge whether a folder that the member lies in is a link of this archive."""
        name = _plain(member.name)[:_PATH_MAX]
        if (link := self._link_in(name.rpartition(b"/")[0])) is not None:
            self._note("member-through-link", member, self._links[link][0].text)

    def _link_in(self, path: bytes) -> bytes | None:
        """Return the first folder of ``path``, or itself, that is a link."""
        end = path.find(b"/")
        while end >= 0:
            if path[:end] in self._links:
                return path[:end]
            end = path.find(b"/", end + 1)
        return path if path in self._links else None

    def _follow(self, name: bytes, cyclic: set[bytes], cleared: set[bytes]) -> None:
        """Put a link into ``cyclic`` where following it does not end, and what was met on the way likewise."""
        path, met = name, list[bytes]()
        for _ in range(_LINKS_IN_A_ROW):
            link = self._link_in(path[:_PATH_MAX])
            if link is None or link in cleared or link in cyclic:
                (cyclic if link in cyclic else cleared).update(met)
                return
            met.append(link)
            path = self._links[link][1] + path[len(link) :]
        cyclic.update(met)

    def _compare(self, member: Member, known: int, value: int) -> None:
        """Judge two names that are the same, at least to a system that does not tell case or Unicode form."""
        if known not in {value, ~value}:
            self._note("member-name-collides", member)
        elif known != value or member.kind != "directory":
            self._note("member-name-duplicate", member)

    def _note(self, id_: str, member: Member, detail: str = "") -> None:
        source = Source(Witness.ARCHIVE, self._path, member.text, None, member.offset)
        self.findings.add(Finding(id_, member.text, detail, (source,)))


def _plain(name: bytes) -> bytes:
    """Return a name without ``./`` before it and slashes behind it."""
    if begin := _HERE.match(name):
        name = name[begin.end() :]
    return name.rstrip(b"/")


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


def _resolved(folder: bytes, target: bytes) -> bytes | None:
    """Return the path that ``target`` means from ``folder`` on; None where that is outside of the archive."""
    if _ABSOLUTE.match(target):
        return None
    parts: list[bytes] = [part for part in folder.split(b"/") if part]
    for part in _SEPARATOR.split(target):
        if part == b"..":
            if not parts:
                return None
            parts.pop()
        elif part not in {b"", b"."}:
            parts.append(part)
    return b"/".join(parts)
