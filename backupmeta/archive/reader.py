"""Reading archives: a `Reader` for members and contents, a `Pass` over everything, `find` for one member.

The record is the first member (FORMAT.md §2), so `backupmeta.archive.head` stops a `Reader` there; a `Pass` goes to the
end, and hands the content of members to whoever wants it, so that nothing is inflated twice. Contents are as unpacking
leaves them: a sparse file's holes are filled in, and a hard link has the content that its target had when the link
came. That target has gone by when the link is met, so the archive is read again where somebody wants its content.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

from backupmeta import rules
from backupmeta.advice import near, offered
from backupmeta.archive import identification
from backupmeta.archive.compression import BLOCK, PLAIN, SKIPPABLE, Compression, End, by_suffix, identify
from backupmeta.archive.digests import ALGORITHMS, Digests
from backupmeta.archive.hazards import Hazards
from backupmeta.archive.headers import BLOCK as HEADER_BYTES
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.member import PATH_MAX, WITH_CONTENT, Member, Records, plain
from backupmeta.archive.stream import Inflated
from backupmeta.archive.tar import Walk
from backupmeta.errors import DamagedError, LimitExceededError, NoMemberError, NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding, FindingRule, Findings
from backupmeta.provenance import Source, Witness
from backupmeta.words import are, counted

_BURST: Final = 128
"""How many members are judged together: what has just run runs again at half its cost, and they are still at hand."""

NUMBERED: Final[re.Pattern[str]] = re.compile("#([0-9]{1,18})")
"""What names a member by its number, from 1: ``#3``."""

_LINKS_KEPT: Final = 10_000
"""Of how many hard links the content can be asked for."""

_OF_NOTHING: Final = 1
"""How many bytes are missing of a content that can't be told at all: at least one."""

_END_MARKS: Final = frozenset({1024, 10240})
"""How many zeros an archive without members has: two blocks, and what GNU tar fills a record with."""


class Reader:
    """The members of an open archive, up to its end, after damage as well.

    Iterate it once; between two members, `content` gives the last one's content, piece by piece.

    Attributes:
        file: the archive.
        limits: what it may ask for.
        block: its first bytes, at most one `BLOCK`.
        compression: how it is compressed; the outermost of two ways.
        begin: where the first stream, or the tar, begins, in bytes of the file.
        stream: what it inflates to.
        records: the members that are records, the first of them.
    """

    def __init__(
        self,
        file: EvidenceFile,
        limits: Limits = DEFAULT_LIMITS,
        digests: Digests | None = None,
        until: int | None = None,
    ) -> None:
        """Begin to read ``file``; no header is looked for more than ``until`` inflated bytes from its beginning.

        This and iterating raise `NotAnArchiveError`, `DamagedError` where nothing in it is tar.
        """
        self.file = file
        self.limits = limits
        self.block: bytes = file.read(BLOCK)
        self.stream: Inflated = identification.unpacked(file, self.block, limits, digests)
        outermost = self.stream.outer or self.stream
        self.compression: Compression = outermost.compression
        self.begin: int = outermost.before
        self._walk = Walk(self.stream, limits, file.path, until)
        self.records: Records = Records()

    def __iter__(self) -> Iterator[Member]:
        for member in self._walk:
            self.records.take(member, self.members_read - 1)
            yield member
        if not self._walk.members_read:
            self._check_is_tar()

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the content of ``member``, which the iteration gave last, piece by piece.

        Of a hard link that is its target's, for which the archive is read once more from its beginning. Raises
        `DamagedError` where it breaks off or can't be told, `LimitExceededError`.
        """
        if member.source is not None:
            with _again(self.file):
                offset = sources(self.file, self.limits, [member]).get(member.offset)
                if offset is None:
                    what = f"{member.text!r} is a hard link to {member.link.decode('utf-8', 'surrogateescape')!r}"
                    raise DamagedError(self.file.path, f"{what}, which is not before it", 0, "damaged")
                yield from at_offset(self.file, self.limits, offset)
            return
        given = 0
        while piece := self._walk.content(BLOCK):
            given += len(piece)
            yield piece
        if member.map is not None and member.map.fault:
            raise DamagedError(self.file.path, f"{member.text!r}: {member.map.fault}", self.stream.taken, "damaged")
        if (missing := member.length - given) > 0:
            raise self.broken(f"{counted(missing, 'byte')} of {member.text!r} {are(missing)} missing")

    def give(self, member: Member, contents: "Sequence[Content]") -> None:
        """Have ``contents`` take in that of ``member``, which comes next or was yielded last."""
        given = 0
        while piece := self._walk.content(BLOCK):
            given += len(piece)
            for content in contents:
                content.take(piece)
        self._walk.pass_content()
        has_fault = member.map is not None and member.map.fault
        for content in contents:
            content.close(max(member.length - given, _OF_NOTHING if has_fault else 0))

    def record(self, member: Member) -> bytes:
        """Return the whole content of a record. Raises `LimitExceededError`, and as `content`."""
        return _bounded(self.file.path, self.content(member), self.limits.record_bytes)

    @property
    def end(self) -> End | None:
        """How the walk ended; None before its end."""
        return self._walk.end

    @property
    def members_read(self) -> int:
        """How many members there were so far."""
        return self._walk.members_read

    def rest(self) -> Iterator[Member]:
        """Yield the members that are left, however far from the archive's beginning they are."""
        self._walk.until = self.limits.inflated_bytes
        yield from self

    def oddities(self, path: str) -> Iterator[Finding]:
        """Yield what was odd so far about the archive at ``path`` as a whole, its records' places, and its headers."""
        yield from self.records.misplaced(path)
        yield from unpromised(self.compression, path)
        yield from (finding.in_file(path) for finding in self._walk.findings)
        yield from identification.findings(self.stream, Source(Witness.ARCHIVE, path))

    def broken(self, reason: str) -> DamagedError | LimitExceededError:
        """Return the error for content that ends before it should."""
        stream, walk = self.stream.end, self._walk.end
        if (limit := self._limit()) is not None:
            return limit
        if stream is None or stream.verdict == "complete":
            why = walk.reason if walk and walk.reason else "the tar is cut off"
            verdict = "truncated" if walk is None or walk.verdict == "complete" else walk.verdict
            return DamagedError(self.file.path, f"{why}: {reason}", min(self.stream.taken, self.file.size), verdict)
        return DamagedError(self.file.path, f"{stream.reason}: {reason}", stream.offset, stream.verdict)

    def _limit(self) -> LimitExceededError | None:
        """Return the error for the limit that was met, or None where none was."""
        name = next((end.limit for end in (self._walk.worst, self.stream.end) if end is not None and end.limit), None)
        return None if name is None else LimitExceededError(self.file.path, name, getattr(self.limits, name))

    def _check_is_tar(self) -> None:
        """Raise where there was not a single header: it is no tar, or it broke off too early to tell."""
        path, stream, walked = self.file.path, self.stream, self._walk.end
        is_whole = walked is not None and walked.verdict == "complete" and stream.position and not self._is_zeros()
        if walked is None or (is_whole and identification.container(stream.first) is None):
            return
        if (limit := self._limit()) is not None:
            raise limit
        if (end := stream.end) is not None and end.verdict != "complete":
            raise DamagedError(path, end.reason, end.offset, end.verdict)
        if identification.is_torn_header(stream.first, path):
            is_cut = len(stream.first) < HEADER_BYTES
            reason = "the tar is cut off in its first header" if is_cut else "the tar's first header is broken"
            offset = stream.before if self.compression is PLAIN and not is_cut else min(stream.taken, self.file.size)
            raise DamagedError(path, reason, offset, "truncated" if is_cut else "damaged")
        raise self._foreign()

    def _is_zeros(self) -> bool:
        """Return whether there are zeros alone, and not just the end mark of a writer that packed nothing."""
        stream = self.stream
        if stream.first.strip(b"\0") or any(
            finding.rule is rules.ARCHIVE_TRAILING_CONTENT for finding in self._walk.findings
        ):
            return False
        while stream.position < self.limits.search_bytes and (piece := stream.take(BLOCK)):
            if piece.strip(b"\0"):
                return False
        return self.compression is PLAIN or stream.position not in _END_MARKS

    def _foreign(self) -> NotAnArchiveError:
        """Return the error that says what the file is."""
        stream, path = self.stream, self.file.path
        if self.compression is PLAIN:
            what = identification.describe(self.block)
            return NotAnArchiveError(path, f"no archive: {what.words}", what.advice or None)
        layers = identification.layers(stream)
        if (third := identify(stream.first)) is not None:
            reason = f"compressed more than twice: {third.name} in {layers}"
            return NotAnArchiveError(path, reason, "unpack the outermost layer; two are read")
        if not (stream.position or stream.trailing) and self.block.startswith(SKIPPABLE):
            return NotAnArchiveError(path, "nothing but zstd frames without content")
        what = identification.describe(stream.first)
        return NotAnArchiveError(path, f"{layers}, but no tar inside: {what.words}", what.advice or None)


class Content(Protocol):
    """Takes in one member's content."""

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""

    def close(self, missing: int) -> None:
        """Know that the content has ended, ``missing`` bytes before it should; at least one where it can't be told."""


class Consumer(Protocol):
    """Who takes in the contents of some members during a walk."""

    def wants(self, member: Member) -> Content | None:
        """Return what takes in the content of ``member``, whose turn it is; None where nothing wants it.

        A hard link's content comes only after the last member.
        """


class Pass(Reader):
    """One pass over an open archive, up to the file's last byte.

    Iterate it once; each member comes when the consumers have its content. Then ask what else was met. Iterating raises
    `NotAnArchiveError`, `DamagedError`, `LimitExceededError` where not a single header could be read,
    `UnreadableError` where the system refuses; anything else that is odd or damaged is one of `findings`.

    Attributes:
        digests: of the file, in hexadecimal; empty before the end, and where a limit ended the pass.
    """

    def __init__(
        self,
        file: EvidenceFile,
        limits: Limits = DEFAULT_LIMITS,
        *,
        algorithms: Collection[str] = ALGORITHMS[:1],
        consumers: Sequence[Consumer] = (),
    ) -> None:
        """Begin to read ``file``, counting its digests by ``algorithms`` (of `ALGORITHMS`), for ``consumers``."""
        self._digests = Digests(algorithms) if algorithms else None
        self._asked = [consumer.wants for consumer in consumers]
        self._contents: Sequence[Content] = ()
        self._linked = list[tuple[Member, Sequence[Content]]]()
        self._unread = Findings()
        self._hazards = Hazards(file.path, limits)
        super().__init__(file, limits, self._digests)
        self.records: Records = self._hazards.records
        self._findings: Sequence[Finding] = ()
        self.digests: Mapping[str, str] = {}

    def __iter__(self) -> Iterator[Member]:
        is_whole = False
        try:
            yield from self._members()
            is_whole = self._went_to_the_end() and self._drained()
        finally:
            digests = self._digests.finish() if self._digests is not None else {}
            self.digests = digests if is_whole else {}
        self._read_linked()

    def _drained(self) -> bool:
        """Take in what is after the archive; return whether all of the file was, and no limit ended it."""
        self.stream.drain()
        if (end := self.stream.end) is None or not end.limit:
            return True
        self._unread.add(
            Finding(rules.LIMIT_EXCEEDED, "", f"{end.reason}, near byte {end.offset}", (_at(self.file.path, None),))
        )
        return False

    def _went_to_the_end(self) -> bool:
        """Return whether no limit ended the pass; a member's name over one does not."""
        stream, walked = self.stream.end, self.end
        return not ((stream and stream.limit) or (walked and walked.limit == "members"))

    def _members(self) -> Iterator[Member]:
        walk, unjudged = self._walk, list[Member]()
        wants = self._wants if self._asked else None
        while members := walk.burst(_BURST, wants):
            unjudged += members
            if len(unjudged) >= _BURST or len(members[0].name) > PATH_MAX:  # it does not wait for others
                self._judge(unjudged)
                unjudged = []
            if walk.is_wanted:
                yield from members[:-1]
                self.give(members[-1], self._contents)
                members = members[-1:]
            yield from members
            walk.pass_content()
        self._judge(unjudged)
        if not walk.members_read:
            self._check_is_tar()

    def _judge(self, members: Sequence[Member]) -> None:
        self._hazards.look_at(members)
        for name, offset in self._walk.others:
            self._hazards.look_at_other_name(name, offset)
        self._walk.others.clear()

    def _wants(self, member: Member) -> bool:
        """Ask the consumers whether they want the content of ``member``, now; a hard link's comes later."""
        contents: tuple[Content, ...] = ()
        for wants in self._asked:  # a loop: this is asked of each member
            if (content := wants(member)) is not None:
                contents += (content,)
        if not contents:
            return False
        if member.source is None:
            self._contents = contents
            return True
        if len(self._linked) < _LINKS_KEPT:
            self._linked.append((member, contents))
        else:
            self._refuse(member, contents, rules.LIMIT_EXCEEDED, f"more than {_LINKS_KEPT:,} hard links to read")
        return False

    def _read_linked(self) -> None:
        """Read the archive once more for the contents of the hard links that somebody wants."""
        if not self._linked:
            return
        origins = sources(self.file, self.limits, [link for link, _ in self._linked])
        wanted = dict[int, list[Content]]()
        for link, contents in self._linked:
            if (offset := origins.get(link.offset)) is None:
                self._refuse(link, contents, rules.MEMBER_LINK_UNRESOLVED, link.link.decode("utf-8", "replace"))
            else:
                wanted.setdefault(offset, []).extend(contents)
        self._linked.clear()
        hand_out(self.file, self.limits, wanted)

    def _refuse(self, member: Member, contents: Sequence[Content], rule: FindingRule, detail: str) -> None:
        """Tell that the content of a hard link is not there."""
        for content in contents:
            content.close(_OF_NOTHING)
        if not self._hazards.has_unresolved(member):
            self._unread.add(Finding(rule, member.label, detail, (_at(self.file.path, member),)))

    def findings(self) -> Sequence[Finding]:
        """Return, after the iteration, what was odd."""
        if not self._findings:
            self._findings = (*self.oddities(self.file.path), *self._hazards.finish(), *self._unread)
        return self._findings


class Located(NamedTuple):
    """A member that was looked for.

    Attributes:
        member: the member that counts: the last of its name, as after unpacking; of records at the root the first.
        content: its content, piece by piece, from another reading. Raises as `Reader.content`.
        findings: what was odd on the way, and that there are several.
        path: the archive.
    """

    member: Member
    content: Iterator[bytes]
    findings: tuple[Finding, ...]
    path: str

    def record(self, limits: Limits) -> bytes:
        """Return the whole content of a record. Raises `LimitExceededError`, and as `content`."""
        return _bounded(self.path, self.content, limits.record_bytes)


def find(file: EvidenceFile, name: str, limits: Limits = DEFAULT_LIMITS) -> Located:
    """Return the member called ``name``: the same path, however it is written (``./x``, ``x``).

    ``#3`` is the third member, whatever it is called; a member of that name is ``./#3``.

    Raises:
        NoMemberError: there is none, or it has no content.
        NotAnArchiveError, DamagedError, UnreadableError: the archive can't be read, and no such member was met.
    """
    wanted, numbered = plain(name.encode("utf-8", "surrogateescape")), NUMBERED.fullmatch(name)
    number = None if numbered is None else int(numbered[1])
    reader, named = Reader(file, limits), list[Member]()
    for member in reader:
        is_wanted = plain(member.name) == wanted if number is None else reader.members_read == number
        if is_wanted and not (number is None and _is_own(named)):
            named = [*named[:1], member]
        if (_is_own(named) or (named and number is not None)) and file.size > BLOCK:
            break
    if not named and reader.end is not None and reader.end.verdict != "complete":
        raise reader.broken(f"{name!r} was not met")
    if not named:
        raise NoMemberError(file.path, name, advice=_instead(file, name, limits))
    member, odd = named[-1], [*reader.oddities(file.path)]
    if member.kind not in WITH_CONTENT:
        raise NoMemberError(file.path, name, f"is no plain file but a {member.kind}")
    if len(named) > 1:
        where = (_at(file.path, member),)
        odd.append(Finding(rules.MEMBER_NAME_DUPLICATE, member.label, "the last one is given", where))
    return Located(member, at_offset(file, limits, member.offset), tuple(odd), file.path)


def _instead(file: EvidenceFile, name: str, limits: Limits) -> str | None:
    """Return which members may be meant by a ``name`` that none has; None where nothing is near."""
    if "*" in name or "?" in name:
        return "a MEMBER is one name, without wildcards; 'backupmeta members' lists them"
    if name.isdecimal():
        return f"'#{name}' is the member of this number"
    file.seek(0)
    wanted = os.fsdecode(plain(os.fsencode(name)))
    return offered(near(wanted, (os.fsdecode(plain(member.name)) for member in Reader(file, limits)))) or None


def _is_own(named: Sequence[Member]) -> bool:
    """Return whether the last member ``named`` is the backup's own record: the first one at the root."""
    return bool(named) and named[-1].is_record and named[-1].is_at_root


def at_offset(file: EvidenceFile, limits: Limits, offset: int) -> Iterator[bytes]:
    """Yield the content of the member whose first header begins at ``offset``, in inflated bytes; raises as `find`."""
    file.seek(0)
    reader = Reader(file, limits)
    for member in reader:
        if member.offset == offset:
            yield from reader.content(member)
            return


def record_of(file: EvidenceFile, limits: Limits, member: Member) -> bytes:
    """Return the whole content of the record that is ``member``, from another reading of ``file``; raises as `find`."""
    with _again(file):
        return _bounded(file.path, at_offset(file, limits, member.offset), limits.record_bytes)


def _bounded(path: str, content: Iterable[bytes], most: int) -> bytes:
    """Return a ``content``, if it has at most so many bytes. Raises `LimitExceededError`."""
    whole = bytearray()
    for piece in content:
        whole += piece
        if len(whole) > most:
            raise LimitExceededError(path, "record_bytes", most)
    return bytes(whole)


# --- hard links -------------------------------------------------------------------------------------------------------


def sources(file: EvidenceFile, limits: Limits, links: Iterable[Member]) -> dict[int, int]:
    """Return where the member begins whose content each of some hard ``links`` has, by where the link begins.

    That is the last one of the target's name before the link, or what that one has, if it is a link itself.
    """
    asked, lengths, known = {link.offset for link in links}, dict[int, int](), dict[int, int]()
    file.seek(0)
    for member in Reader(file, limits):
        key = hash(plain(member.name))
        source = member.offset if member.source is None else known.get(hash(plain(member.source)))
        if source is None or member.kind not in WITH_CONTENT:
            known.pop(key, None)
        elif key in known or len(known) < limits.names:
            known[key] = source
        if member.offset in asked:
            asked.remove(member.offset)
            lengths |= {} if source is None else {member.offset: source}
            if not asked:
                break
    return lengths


def hand_out(file: EvidenceFile, limits: Limits, wanted: Mapping[int, Sequence[Content]]) -> None:
    """Give the contents of members to who wants them; ``wanted`` goes by where each begins, in inflated bytes."""
    left = dict(wanted)
    file.seek(0)
    reader = Reader(file, limits)
    for member in reader if left else ():
        if (contents := left.pop(member.offset, None)) is not None:
            reader.give(member, contents)
            if not left:
                return


@contextmanager
def _again(file: EvidenceFile) -> Iterator[None]:
    """Have ``file`` where it was, once something else has read it."""
    position = file.position
    try:
        yield
    finally:
        file.seek(position)


def unpromised(compression: Compression, path: str) -> Iterator[Finding]:
    """Yield that the ``compression`` of the archive at ``path`` is not the one that its name ends with."""
    promised = by_suffix(path)
    if promised is not None and promised is not compression:
        yield Finding(rules.ARCHIVE_SUFFIX_DIFFERS, "", f"it is {compression.name}", (_at(path, None),))


def _at(path: str, member: Member | None) -> Source:
    if member is None:
        return Source(Witness.ARCHIVE, path)
    return Source(Witness.ARCHIVE, path, member.text, None, member.offset)
