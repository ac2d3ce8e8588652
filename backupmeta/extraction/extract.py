"""Extracting an archive: one pass that reads it, judges it and writes its files.

Members are unpacked as GNU tar leaves them with ``--no-same-permissions`` under umask 022, but for what leads
elsewhere: of several members of a name the last one counts, a link is made once all files and folders are there, and a
folder gets its time last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from backupmeta import rules, verification
from backupmeta.archive.hazards import Links
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import DUMP, OWN, WITH_CONTENT, Member, escapes, is_absolute, plain
from backupmeta.archive.reader import Content
from backupmeta.checks.policy import Verdict, Verification
from backupmeta.evidence import EvidenceFile
from backupmeta.extraction.tree import Attributes, NewFile, RefusedError, Tree, new, over
from backupmeta.findings import FindingRule, Severity
from backupmeta.provenance import display, named
from backupmeta.verification import Case
from backupmeta.words import are, counted
from backupmeta.work.orders import Watch

if TYPE_CHECKING:
    from backupmeta.json_types import ExtractedJson, ExtractionJson

_PERMISSIONS: Final = 0o755
"""What umask 022 leaves; the bits beyond permissions are left out, too."""

_READ_AND_WRITE: Final = 0o600
_ENTER: Final = 0o700
_HOLE: Final = 4096


class Fate(StrEnum):
    """What became of a member."""

    WRITTEN = "written"
    LEFT_OUT = "left out"
    """It was not asked for."""
    REFUSED = "refused"
    """Unpacking it would do harm, or can't be done."""
    INCOMPLETE = "incomplete"
    """The archive does not hold all of its content."""


class MemberResult(NamedTuple):
    """What became of a member, and why.

    Attributes:
        member: the member.
        fate: what became of it.
        reason: why, a phrase; empty where it was written.
    """

    member: Member
    fate: Fate
    reason: str = ""

    def to_json(self) -> "ExtractedJson":
        """Return it for JSON, as an entry of the ``members`` of ``extract``."""
        return {"fate": self.fate, "reason": self.reason or None, **self.member.to_json()}


Report = Callable[[MemberResult], object]
"""Is told what became of each member."""

Write = Callable[[bytes], object]
"""Takes in the next bytes of the dump."""


class Selection:
    """Which members are asked for: those that are named; the site's files, which are all but the backup's own; or all.

    Attributes:
        names: the paths that are asked for, with all that lies below them; empty for the site's files, or all.
    """

    def __init__(self, names: Iterable[bytes] = (), *, has_own: bool = False) -> None:
        """Choose by ``names``; without any the site's files, and the backup's own files where it ``has_own``."""
        self.names: frozenset[bytes] = frozenset(map(plain, names))
        self._left_out = frozenset[bytes]() if has_own else OWN
        self._matched = set[bytes]()

    def wants(self, path: bytes) -> bool:
        """Return whether the member at ``path`` is asked for."""
        if not self.names:
            return path not in self._left_out
        name = next((folder for folder in _upwards(path) if folder in self.names), None)
        if name is not None:
            self._matched.add(name)
        return name is not None

    @property
    def missing(self) -> Sequence[bytes]:
        """The names that no member had, once all members have been looked at."""
        return sorted(self.names - self._matched)


def _upwards(path: bytes) -> Iterable[bytes]:
    while path:
        yield path
        path = path.rpartition(b"/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How an archive is extracted.

    Attributes:
        folder: where to; it may not be there, or is empty.
        selection: which members.
        is_over: whether it is there, and its files are replaced one by one.
        is_synced: whether all is on the disk before it gets its name.
        has_owners: whether files get the owners that the archive names.
        keeps_partial: whether what could be had is kept where something could not.
    """

    folder: str
    selection: Selection
    is_over: bool = False
    is_synced: bool = True
    has_owners: bool = False
    keeps_partial: bool = False


class Unpacking:
    """Writes members to a tree as they pass, and what can't be written at once when all have passed.

    Attributes:
        order: how the archive is extracted.
        counts: how many members had each fate.
        narrowed: how many have fewer permissions than in the archive.
    """

    def __init__(self, tree: Tree, order: Order, limits: Limits, report: Report, dump: Write | None) -> None:
        """Write what is selected to ``tree``, and the dump's bytes to ``dump``; ``report`` what became of each."""
        self._tree = tree
        self.order: Order = order
        self._report = report
        self._dump = dump
        self._most = limits.names
        self._links = Links(limits.names)
        self._symlinks: dict[bytes, _PendingLink] = {}
        self._waiting: dict[bytes, int] = {}
        self._folders: dict[bytes, Attributes] = {}
        self.counts: dict[Fate, int] = dict.fromkeys(Fate, 0)
        self.narrowed: int = 0
        self.has_dump: bool = False

    def wants(self, member: Member) -> Content | None:
        """Write ``member``, or return what takes in its content."""
        path = plain(member.name)
        if self._dump is not None and path == DUMP and member.kind in WITH_CONTENT:
            return self._begin_dump(member, self._dump)
        if not self.order.selection.wants(path):
            self.record(member, Fate.LEFT_OUT)
            return None
        reason = self._refusal(member)
        if not reason:
            try:
                return self._begin(member, path)
            except RefusedError as error:
                reason = str(error)
        self.record(member, Fate.REFUSED, reason)
        return None

    def finish(self) -> None:
        """Make the links, once it is known where each leads; then give the folders their times."""
        refused = {link.offset: rule.sentence for rule, link, _ in self._links.finish() if _is_refused(rule)}
        for path, link in self._symlinks.items():
            with self.writing(link.member):
                if (reason := refused.get(link.member.offset)) is not None:
                    raise RefusedError(reason)
                self._tree.symlink(link.target, path, self.attributes(link.member))
        for path in sorted(self._folders, reverse=True):  # what lies in a folder sorts after it
            self._tree.finish_folder(path, self._folders[path])

    @contextmanager
    def writing(self, member: Member, missing: int = 0) -> Iterator[None]:
        """Record whether a member, of whose content so many bytes are ``missing``, could be written in the block."""
        try:
            yield
        except RefusedError as error:
            self.record(member, Fate.REFUSED, str(error))
        else:
            self.record_written(member, missing)

    def record_written(self, member: Member, missing: int = 0) -> None:
        """Record that what there is of a member is written; so many bytes of its content are ``missing``."""
        reason = f"at least {counted(missing, 'byte')} of it {are(missing)} missing" if missing else ""
        self.record(member, Fate.INCOMPLETE if missing else Fate.WRITTEN, reason)

    def record(self, member: Member, fate: Fate, reason: str = "") -> None:
        """Count what became of a member, and report it."""
        self.counts[fate] += 1
        self._report(MemberResult(member, fate, reason))

    def attributes(self, member: Member) -> Attributes:
        """Return what a file or folder gets beside its content."""
        least = _ENTER if member.kind == "directory" else _READ_AND_WRITE
        if member.mode & ~_PERMISSIONS:
            self.narrowed += 1
        owner = (member.uid, member.gid) if self.order.has_owners else None
        return Attributes(member.mode & _PERMISSIONS | least, member.mtime_ns, owner)

    def is_replaced(self, member: Member) -> bool:
        """Return whether a later member has the name of this one, a hard link whose content comes last."""
        return self._waiting.get(plain(member.name), member.offset) != member.offset

    def open(self, member: Member) -> NewFile:
        """Begin the file of a member. Raises `RefusedError`, `OutputError`."""
        return self._tree.file(plain(member.name))

    # --- one member -----------------------------------------------------------------------------------------------

    def _refusal(self, member: Member) -> str:
        """Return why ``member`` is not unpacked; an empty text where it is."""
        if not plain(member.name) and member.kind != "directory":
            return rules.MEMBER_NAME_EMPTY.sentence
        if is_absolute(member.name):
            return rules.MEMBER_NAME_ABSOLUTE.sentence
        if escapes(member.name):
            return rules.MEMBER_NAME_ESCAPES.sentence
        if member.is_device:
            return rules.MEMBER_DEVICE.sentence
        if self._links and self._links.above(member) is not None:
            return rules.MEMBER_THROUGH_LINK.sentence
        odd = self._links.take(member) if member.kind in {"symlink", "hard link"} else ()
        return next((rule.sentence for rule in odd if _is_refused(rule)), "")

    def _begin(self, member: Member, path: bytes) -> Content | None:
        """Write what has no content; return what takes in that of anything else. Raises `RefusedError`."""
        self._symlinks.pop(path, None)
        if path in self._waiting:
            self._waiting[path] = -1
        if member.kind == "directory":
            if path and self._tree.folder(path):
                self._folders[path] = self.attributes(member)
            self.record_written(member)
            return None
        self._folders.pop(path, None)
        if member.kind == "symlink":
            self._wait(path, _PendingLink(member, member.link))
            return None
        if member.source is not None:
            return self._begin_hard_link(member, path, plain(member.source))
        return _FileContent(self, member)

    def _begin_hard_link(self, member: Member, path: bytes, target: bytes) -> Content | None:
        """Make a second name of a file that is there; else return what takes in the content, which comes last."""
        if (link := self._symlinks.get(target)) is not None:
            self._wait(path, _PendingLink(member, link.target))
            return None
        if self._tree.is_new and target != path and self._tree.hard_link(target, path):
            self.record_written(member)
            return None
        if len(self._waiting) >= self._most:
            raise RefusedError(f"more than {self._most:,} hard links wait for their content")
        self._waiting[path] = member.offset
        return _FileContent(self, member)

    def _begin_dump(self, member: Member, write: Write) -> Content | None:
        if self.has_dump:
            self.record(member, Fate.REFUSED, "the archive holds several dumps")
            return None
        self.has_dump = True
        return _DumpContent(self, member, write)

    def _wait(self, path: bytes, link: "_PendingLink") -> None:
        if len(self._symlinks) >= self._most:
            raise RefusedError(f"more than {counted(self._most, 'link')}")
        self._symlinks[path] = link


class _PendingLink(NamedTuple):
    """A symbolic link that waits to be made; a hard link to one is one."""

    member: Member
    target: bytes


class _FileContent:
    """Writes the content of one member to its file."""

    def __init__(self, unpacking: Unpacking, member: Member) -> None:
        self._unpacking = unpacking
        self._member = member
        self._file: NewFile | None = None
        self._is_begun = False

    def _begun(self) -> NewFile | None:
        """Return the file, which is begun when its content comes; None where there is none."""
        if self._is_begun:
            return self._file
        self._is_begun = True
        if not self._unpacking.is_replaced(self._member):
            try:
                self._file = self._unpacking.open(self._member)
            except RefusedError as error:
                self._unpacking.record(self._member, Fate.REFUSED, str(error))
        return self._file

    def take(self, piece: bytes) -> None:
        """Write the next bytes."""
        if (file := self._begun()) is None:
            return
        if not self._member.is_sparse:
            file.write(piece)
            return
        for begin in range(0, len(piece), _HOLE):
            part = piece[begin : begin + _HOLE]
            if part.strip(b"\0"):
                file.write(part)
            else:
                file.skip(len(part))

    def close(self, missing: int) -> None:
        """Finish the file, or drop what is there of it where that was not asked for."""
        unpacking, member = self._unpacking, self._member
        if (file := self._begun()) is None:
            return
        with unpacking.writing(member, missing):
            if missing and not unpacking.order.keeps_partial:
                file.drop()
            else:
                file.finish(unpacking.attributes(member))


class _DumpContent(NamedTuple):
    """Passes the dump's content on."""

    unpacking: Unpacking
    member: Member
    write: Write

    def take(self, piece: bytes) -> None:
        """Pass the next bytes on."""
        self.write(piece)

    def close(self, missing: int) -> None:
        """Tell what became of the dump."""
        self.unpacking.record_written(self.member, missing)


def _is_refused(rule: FindingRule) -> bool:
    return rule.severity is Severity.ERROR


# --- the whole archive ------------------------------------------------------------------------------------------------


class Extraction(NamedTuple):
    """What came out.

    Attributes:
        order: how the archive is extracted.
        counts: how many members had each fate.
        narrowed: how many have fewer permissions than in the archive.
        has_dump: whether the archive has a dump that was asked for.
        verification: what the archive is judged to be.
    """

    order: Order
    counts: dict[Fate, int]
    narrowed: int
    has_dump: bool
    verification: Verification

    @property
    def missing(self) -> Sequence[bytes]:
        """The names that were asked for and that no member has."""
        return self.order.selection.missing

    def to_json(self) -> "ExtractionJson":
        """Return it for JSON, as ``extract`` gives it, but for what became of each member."""
        return {
            **named("folder", self.order.folder),
            "is_kept": self.is_kept,
            "counts": {fate: self.counts[fate] for fate in self.counts},
            "narrowed": self.narrowed,
            "missing": [display(name.decode("utf-8", "surrogateescape")) for name in self.missing],
            "verification": self.verification.to_json(),
        }

    @property
    def is_kept(self) -> bool:
        """Whether the folder is there: it holds all that was asked for, or is kept anyway."""
        is_kept_anyway = self.order.is_over or self.order.keeps_partial
        return is_kept_anyway or (self.is_whole and not self.has_refused)

    @property
    def is_whole(self) -> bool:
        """Whether the archive could be read to its end, and was not changed meanwhile."""
        is_judged = self.verification.verdict in {Verdict.PASS, Verdict.FAIL}
        return is_judged and not any(judged.finding.is_unread for judged in self.verification.judged)

    @property
    def has_refused(self) -> bool:
        """Whether something that was asked for is not there."""
        return bool(self.counts[Fate.REFUSED] or self.counts[Fate.INCOMPLETE] or self.missing)


def extract(case: Case, order: Order, report: Report, dump: Write | None, watch: Watch) -> Extraction:
    """Extract the archive of ``case``, judged in the same pass; ``report`` what became of each member.

    Without `Order.keeps_partial` the folder gets its name only if all that was asked for is in it, and the archive was
    read to its end. ``dump`` takes in the bytes of the database dump, ``watch`` how many bytes each read gave.

    Raises `EvidenceError` where the archive can't be read, `OutputError` where the folder can't be written.
    """
    with case.place.open() as file:
        file.watch = watch
        return extracted(case, file, order, report, dump)


def extracted(case: Case, file: EvidenceFile, order: Order, report: Report, dump: Write | None) -> Extraction:
    """Extract the open ``file`` of ``case``: see `extract`."""
    opened = over if order.is_over else new
    with opened(order.folder, is_synced=order.is_synced) as (tree, keep):
        unpacking = Unpacking(tree, order, case.limits, report, dump)
        verified = verification.examined(case, file, [unpacking])[0].outcome.verification
        unpacking.finish()
        extraction = Extraction(order, unpacking.counts, unpacking.narrowed, unpacking.has_dump, verified)
        if extraction.is_kept:
            keep()
    return extraction
