"""What comes of walking over an archive or a folder: what is compared of each member or file, and how the walk ended.

An archive is walked with the contents of its members and its dump. A folder is walked as it lies there: no link is
followed, nothing but regular files is opened, and all of it is bounded.
"""

import fnmatch
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta import rules
from backupmeta.account.roots import Root
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps, DumpState, Table
from backupmeta.archive.limits import Limits, bounded
from backupmeta.archive.member import PATH_MAX, masked_name, plain, shown
from backupmeta.archive.reader import Consumer, Pass
from backupmeta.archive.stream import HARMLESS
from backupmeta.checks.checked_backup import text_of
from backupmeta.errors import EvidenceError, LimitExceededError, UnreadableError
from backupmeta.evidence import EvidenceFile, Folder, Place
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import named, on_disk
from backupmeta.words import utc_to_the_microsecond
from backupmeta.work.orders import Watch, Work

if TYPE_CHECKING:
    from backupmeta.json_answers import EntryJson, SideJson

DIGEST: Final = "sha256"
_TOGETHER: Final = 512

LINK_MODE: Final = 0o777
"""The mode of every symbolic link: what it leads to has one of its own (symlink(7))."""


class Entry(NamedTuple):
    """What of a member is compared.

    Attributes:
        name: the path that its name means, secrets in it masked.
        kind: what it is.
        size: the length of its content, in bytes.
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        link: the target of a link, else empty.
        digest: the SHA-256 of a file's content, in hexadecimal; None where it is sparse or not all there.
    """

    name: bytes
    kind: str
    size: int
    mode: int
    mtime_ns: int
    link: bytes
    digest: str | None

    def to_json(self) -> "EntryJson":
        """Return it for JSON."""
        described: dict[str, object] = {**named("name", text_of(self.name)), "type": self.kind, "size": self.size}
        described.update(mode=f"{self.mode:04o}", mtime=utc_to_the_microsecond(self.mtime_ns))
        described.update(named("link", text_of(self.link)) if self.link else {})
        return cast("EntryJson", {**described, "sha256": self.digest})


class Site(NamedTuple):
    """A folder whose files are compared; in an image no link of its path leads out of that."""

    root: Root

    @property
    def path(self) -> str:
        """Its path on this machine."""
        return self.root.name

    def to_json(self) -> "SideJson":
        """Return it for JSON."""
        return {**named("path", self.root.seen_at), "kind": "folder", "time": None}


class End(NamedTuple):
    """What is known at the end of a walk.

    Attributes:
        tables: the tables and views of the dump.
        left_out: how many times a table was not kept, because there are too many.
        findings: what was odd about the archive.
        unread: why the archive may hold members that did not come; empty where it was read to its end, undamaged.
        has_all_tables: whether a table that did not come is not in the dump.
        unseen: the folders, as names of members, of which what lies in them did not come.
    """

    tables: tuple[Table, ...]
    left_out: int
    findings: tuple[Finding, ...]
    unread: str = ""
    has_all_tables: bool = True
    unseen: tuple[bytes, ...] = ()


Part = Sequence[Entry] | End
"""What comes of a walk: many members at once, again and again, and at last how it ended."""

MAY_LACK: Final = frozenset({rules.ARCHIVE_NO_END, rules.ARCHIVE_MULTI_VOLUME})
"""The findings by which an archive that was read to its end may have had more members."""


class MemberNames:
    """Which members are asked for: by a path, or by a pattern in which ``*`` stands for any text, also for slashes."""

    def __init__(self, pattern: bytes) -> None:
        """Ask for ``pattern``: a path as it may be written, or with ``*``, ``?``, ``[a-z]``, ``[^a-z]`` in it."""
        self._path = plain(pattern)
        text = self._path.decode("utf-8", "surrogateescape").replace("[^", "[!")
        self._pattern = re.compile(fnmatch.translate(text))

    def has(self, name: bytes) -> bool:
        """Return whether a member of this ``name`` is asked for."""
        path = plain(name)
        return path == self._path or self._pattern.match(path.decode("utf-8", "surrogateescape")) is not None


@dataclass(frozen=True)
class Walking(Work[tuple[int, Place | Site], Part]):
    """Walking over archives and folders: an order is a number, and where an archive or a folder lies.

    Attributes:
        limits: what each of them may ask for.
        names: which members of archives are asked for, and no tables; None for all of them.
    """

    limits: Limits
    names: MemberNames | None = None

    def do(self, order: tuple[int, Place | Site], watch: Watch) -> Iterator[Part]:
        """Walk over an archive or a folder. Raises `EvidenceError` where nothing of it can be read."""
        place = order[1]
        if isinstance(place, Site):
            yield from FolderWalk(self.limits, watch).parts(place.root.open())
            return
        with place.open() as file:
            file.watch = watch
            digests, dumps = MemberDigests(DIGEST, self.limits.names), Dumps()
            consumers: list[Consumer] = [digests, dumps] if self.names is None else [digests]
            passed = Pass(file, self.limits, algorithms=(), consumers=consumers)
            yield from _together(_entries(passed, digests, self.names))
            yield _end(passed, dumps.dump)

    def given_up(self, order: tuple[int, Place | Site]) -> Iterator[Part]:
        """Raise that no process survives walking over an archive or a folder."""
        raise EvidenceError(order[1].path, "the process that read it ended", "is there too little memory?")


def _together(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    """Yield the ``entries``, many at once."""
    coming = iter(entries)
    while together := list(islice(coming, _TOGETHER)):
        yield together


def _entries(passed: Pass, digests: MemberDigests, names: MemberNames | None) -> Iterator[Entry]:
    """Yield the members that have such ``names``."""
    for member in passed:
        if names is None or names.has(member.name):
            mtime_ns = bounded(member.mtime_ns)
            size, mode = bounded(member.size), member.mode
            yield Entry(shown(member.name), member.kind, size, mode, mtime_ns, member.link, digests.hexadecimal)


def _end(passed: Pass, dump: Dump | None) -> End:
    """Return what is known at the end of a walk."""
    findings, end = tuple(passed.findings()), passed.end
    unread = next((finding.message for finding in findings if finding.rule in MAY_LACK), "")
    if end is None or end.verdict != "complete":
        unread = "not walked" if end is None else end.reason
    if dump is None:
        return End((), 0, findings, unread, not unread)
    has_all_tables = dump.state is not DumpState.CUT and not dump.left_out
    return End((*dump.tables, *dump.filled), dump.left_out, findings, unread, has_all_tables)


# --- a folder ---------------------------------------------------------------------------------------------------------

_KINDS: Final = {
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFSOCK: "socket",
}
"""What else than a regular file there is, as members are called that are the same."""

_BLOCK: Final = 512
"""What ``st_blocks`` counts, in bytes (stat(2))."""

_PIECE: Final = 1024 * 1024


class _Level(NamedTuple):
    """A folder on the way down.

    Attributes:
        folder: the folder, open.
        path: its path from the root of the walk, as a member would be called; with a slash, but for the root itself.
        subfolders: the folders in it that are not entered yet.
    """

    folder: Folder
    path: bytes
    subfolders: list[str]


class FolderWalk:
    """One walk over a folder. What of it can't be read is told, and the rest goes on."""

    def __init__(self, limits: Limits, watch: Watch) -> None:
        """Begin within ``limits``: of an archive's members, of what it inflates to, of time, and of each folder."""
        self._limits = limits
        self._watch = watch
        self._findings = Findings()
        self._unseen = list[bytes]()
        self._count = 0
        self._bytes = 0
        self._waiting = 0
        self._deadline = time.monotonic() + limits.seconds

    def parts(self, root: Folder) -> Iterator[Part]:
        """Yield what lies below ``root``, which is closed then, and how the walk ended."""
        end = End((), 0, ())
        try:
            yield from _together(self._below(root))
        except LimitExceededError as error:
            end = end._replace(unread=error.reason)
            self._note(error)
        yield end._replace(findings=tuple(self._findings), unseen=tuple(self._unseen))

    def _below(self, root: Folder) -> Iterator[Entry]:
        """Yield what lies below ``root``, folder by folder."""
        levels = [_Level(root, b"", [])]
        try:
            yield from self._in(levels[0])
            while levels:
                above = levels[-1]
                if not above.subfolders:
                    levels.pop().folder.close()
                elif (level := self._entered(above, above.subfolders.pop())) is not None:
                    levels.append(level)
                    yield from self._in(level)
        finally:
            for level in levels:
                level.folder.close()

    def _entered(self, above: _Level, name: str) -> _Level | None:
        """Return the folder ``name``, open; None where it can't be opened."""
        self._waiting -= 1
        path = above.path + os.fsencode(name) + b"/"
        try:
            return _Level(above.folder.open_folder(name), path, [])
        except EvidenceError as error:
            self._miss(path, error)
            return None

    def _in(self, level: _Level) -> Iterator[Entry]:
        """Yield what lies in a folder, and note which folders do."""
        try:
            described = level.folder.statuses(self._limits.folder_entries)
        except EvidenceError as error:
            self._miss(level.path, error)
            return
        for name, status in described:
            self._go_on(level.folder.child(name))
            if status is not None:
                yield self._entry(level, name, status)
        level.subfolders.reverse()  # the last one is entered first

    def _go_on(self, path: str) -> None:
        """Count what lies at ``path``. Raises `LimitExceededError` where there are too many, or it takes too long."""
        self._count += 1
        if self._count > self._limits.members:
            raise LimitExceededError(path, "members", self._limits.members)
        if time.monotonic() > self._deadline:
            raise LimitExceededError(path, "seconds", self._limits.seconds)

    def _entry(self, level: _Level, name: str, status: os.stat_result) -> Entry:
        """Return what is compared of what is called ``name``: nothing but files has a size."""
        path, kind, link, digest = level.path + os.fsencode(name), _KINDS.get(stat.S_IFMT(status.st_mode)), b"", None
        if kind is None:
            status, digest = self._read(level.folder, name, status)
        elif kind == "symlink":
            link = os.fsencode(level.folder.link_target(name))
            if not link:
                self._note(UnreadableError(level.folder.child(name), "its target can't be read"))
        elif kind == "directory":
            self._wait(level, name, path)
        size, mode = status.st_size if kind is None else 0, stat.S_IMODE(status.st_mode)
        mode = LINK_MODE if kind == "symlink" else mode
        return Entry(masked_name(path), kind or "file", size, mode, status.st_mtime_ns, link, digest)

    def _wait(self, level: _Level, name: str, path: bytes) -> None:
        """Note that a folder is to be entered; not where too many wait already, or no system opens such a path."""
        child = level.folder.child(name)
        if self._waiting == self._limits.folder_entries:
            self._miss(path + b"/", LimitExceededError(child, "folder_entries", self._limits.folder_entries))
        elif len(os.fsencode(child)) > PATH_MAX:
            self._miss(path + b"/", UnreadableError(child, "its path is too long"))
        else:
            self._waiting += 1
            level.subfolders.append(name)

    def _read(self, folder: Folder, name: str, status: os.stat_result) -> tuple[os.stat_result, str | None]:
        """Return what the system tells of a file once it is open, and its digest; None where that can't be told."""
        try:
            with folder.open_file(name) as file:
                file.watch = self._watch
                return file.status, self._digest(file)
        except EvidenceError as error:
            self._note(error)
            return status, None

    def _digest(self, file: EvidenceFile) -> str | None:
        """Return the SHA-256 of a file, in hexadecimal. Raises `LimitExceededError`, `UnreadableError`."""
        stored = getattr(file.status, "st_blocks", file.size) * _BLOCK
        if file.size > max(HARMLESS, self._limits.ratio * stored):
            raise LimitExceededError(file.path, "ratio", self._limits.ratio)
        if self._bytes + file.size > self._limits.inflated_bytes:
            raise LimitExceededError(file.path, "inflated_bytes", self._limits.inflated_bytes)
        self._bytes += file.size
        digest = hashlib.new(DIGEST, usedforsecurity=False)
        while (left := file.size - file.position) > 0 and (piece := file.read(min(left, _PIECE))):
            digest.update(piece)
            if time.monotonic() > self._deadline:
                raise LimitExceededError(file.path, "seconds", self._limits.seconds)
        if file.has_changed():
            raise UnreadableError(file.path, "somebody writes it", "compare it once nobody does")
        return digest.hexdigest()

    def _miss(self, path: bytes, error: EvidenceError) -> None:
        """Know that what lies in the folder at ``path`` does not come; after very many of them: anywhere."""
        self._note(error)
        if len(self._unseen) < self._limits.names:
            self._unseen.append(masked_name(path))
        else:
            self._unseen[-1] = b""

    def _note(self, error: EvidenceError) -> None:
        rule = rules.LIMIT_EXCEEDED if isinstance(error, LimitExceededError) else rules.FILE_UNREADABLE
        self._findings.add(Finding(rule, error.path, error.particulars, on_disk(error.path)))
