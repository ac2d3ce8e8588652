"""Tar: a stream of inflated bytes to members (FORMAT.md §2; POSIX.1-2017 pax, "ustar Interchange Format").

Reads v7, ustar, GNU, pax and star archives, and several of them in a row. Where programs disagree about an archive
(about headers that extend the next one, see `backupmeta.archive.headers`):

- A member's kind, name and size are judged once all headers that extend its own are applied, as everybody does.
- A directory may have no trailing slash, as the real writer's don't; a regular file whose name ends with a slash is a
  directory, as for GNU tar and bsdtar (tarfile: only with v7's type and by the header's own name, and then it has no
  content, as for bsdtar; bsdtar: not where it has warned of the headers before); that is told.
- The walk goes on after the end-of-archive blocks, as GNU tar with ``--ignore-zeros``, bsdtar with
  ``read_concatenated_archives`` and tarfile with ``ignore_zeros`` do; without these options all three stop there.
- Links, devices, folders and FIFOs have no content whatever their size field says, as for bsdtar and tarfile (GNU tar
  passes over it, but for a folder's; that is told); only
  a hard link's size counts where no header follows it, as for bsdtar (a pax archive may hold a link's content).
- A dumpdir (``D``) is a directory, its content a list of names, as for GNU tar and bsdtar.
- A type that nobody knows, Solaris' ``A`` (an access control list) among them, is listed and has content, which GNU
  tar, bsdtar and tarfile unpack as a file's; bsdtar takes ``A`` as a header that extends the next one.
- A volume label is listed, as GNU tar does; bsdtar leaves it out, and tarfile takes it for a file.
- A number may have a NUL before it (AIX), as for GNU tar and bsdtar; for tarfile it is 0.
- A star prefix has 131 bytes; the others read the times after it as a part of the name.
- Holes of sparse files are filled in, as everybody does; where a map of holes can't hold, the content can't be told.
- Where a header is none, the walk looks for the next one, as GNU tar does; tarfile and bsdtar end there.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from backupmeta import rules
from backupmeta.archive import headers
from backupmeta.archive.compression import End, Verdict
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.member import BOUNDED, NO_READINGS, HeaderExtensions, Member, Readings, described, ordinary
from backupmeta.archive.stream import HARMLESS, Inflated
from backupmeta.findings import Finding, FindingRule, Findings
from backupmeta.provenance import Source, Witness
from backupmeta.words import are, counted, few

ZERO_BLOCK: Final = bytes(headers.BLOCK)

_MAGIC: Final = re.compile(rb"ustar")
_MAGIC_AT: Final = 257
_SEARCHED: Final = 4096
"""How many bytes are searched for headers at once."""

_END_BLOCKS: Final = 2
_MAP: Final = b"GNU.sparse.map"
_GLOBAL_MAPS: Final = 4 * MIB
"""How many bytes of a map of holes that stands before all members are read, each time anew; nobody writes one."""

_OTHERS_KEPT: Final = 1000
_SHOWN: Final = 3
OUTCOMES: Final = {
    "truncated": rules.ARCHIVE_TRUNCATED,
    "damaged": rules.ARCHIVE_DAMAGED,
    "limit": rules.LIMIT_EXCEEDED,
}
"""The findings for ends that are not complete."""


class Walk:
    """The members of a tar stream, one after the other, up to its end: after damage and end-of-archive blocks, too.

    Iterate it once; between two members, `content` reads what the last one holds.

    Attributes:
        end: how the walk ended, or None as long as it hasn't; offsets are in inflated bytes.
        worst: the first damage so far, or limit that was met, as `end` will tell it; None without any.
        members_read: how many members there were so far.
        until: how many inflated bytes from its beginning a header is looked for.
        findings: what was odd.
        others: the names by which other programs read what was met, and where that begins, in inflated bytes; whoever
            judges them empties it.
        is_wanted: whether somebody wants the content of the last burst's last member.
    """

    def __init__(self, stream: Inflated, limits: Limits, path: str, until: int | None = None) -> None:
        """Walk ``stream`` from its beginning; ``path`` is the archive's, for findings.

        Headers that begin more than ``until`` inflated bytes from there are not looked for; None for no such bound.
        """
        self._stream = stream
        self._limits = limits
        self._path = path
        self.until: int = limits.inflated_bytes if until is None else until
        self._global: dict[bytes, bytes] = {}
        self._global_maps = 0
        self._current: Member | None = None
        self._left = 0
        self._padding = 0
        self._filling: headers.Filling | None = None
        self._holes = 0
        self._is_lost = False
        self.is_wanted: bool = False
        self._end_blocks = 0
        self.worst: End | None = None
        self.end: End | None = None
        self.members_read: int = 0
        self.findings: Findings = Findings()
        self.others: list[tuple[bytes, int]] = []

    def __iter__(self) -> Iterator[Member]:
        self.pass_content()  # of a member at which an earlier iteration stopped
        while members := self.burst(1):
            yield from members
            self.pass_content()

    def burst(self, most: int, wants: Callable[[Member], bool] | None = None) -> Sequence[Member]:
        """Return the next members, at most ``most``: those that lie in the stream's buffer, or one; none at the end.

        Only the last one's content is still ahead, for `content`. One whose content somebody ``wants`` is the last;
        `is_wanted` tells it.
        """
        stream, base, members = self._stream, self._stream.base, list[Member]()
        buffer, begin, size = stream.buffer, stream.at, len(stream.buffer)
        is_plain = self.end is None and not self._global and not self._is_lost
        room = min(most, self._limits.members - self.members_read) if is_plain else 0
        self.is_wanted = False
        content = stored = 0
        while len(members) < room and begin + headers.BLOCK <= size:
            if (member := ordinary(buffer[begin : begin + headers.BLOCK], base + begin)) is None:
                break
            members.append(member)
            if wants is not None and wants(member):
                self.is_wanted, room = True, 0
            content, stored = begin + headers.BLOCK, member.stored
            begin = content + stored + -stored % headers.BLOCK
        if not members:
            single = self._member()
            self.is_wanted = single is not None and wants is not None and wants(single)
            return () if single is None else (single,)
        self.members_read += len(members)
        self._current, self._left, self._padding, self._filling = members[-1], stored, -stored % headers.BLOCK, None
        stream.at = content
        return members

    def content(self, length: int) -> bytes:
        """Return the next bytes of the current member's content, at most ``length``; nothing at its end.

        A sparse file's holes are filled in, within the limits for what is inflated.
        """
        if (filling := self._filling) is None:
            return self._stored(length)
        before = filling.filled
        piece = filling.piece(self._stored, length)
        self._holes += filling.filled - before
        if filling.filled > before and self._has_too_many_holes():
            self._filling = headers.Filling(headers.faulty("its holes are over a limit"), 0)
        return piece

    def _stored(self, length: int) -> bytes:
        """Return the next bytes that are stored of the current member, at most ``length``."""
        if not self._left:
            return b""
        part = self._stream.take(min(length, self._left))
        self._left -= len(part)
        return part

    def _has_too_many_holes(self) -> bool:
        """Return whether holes are more than a file of this size may inflate to, or take too long."""
        most = min(max(HARMLESS, self._limits.ratio * self._stream.taken), self._limits.inflated_bytes)
        if is_over := self._holes > most:
            self._damage("limit", f"holes of more than {counted(most, 'byte')}", "ratio")
        return is_over or self._stream.is_too_late()

    def pass_content(self) -> int:
        """Go to the end of the current member's content; return how many of its bytes are missing."""
        stream, left = self._stream, self._left
        length = left + self._padding
        self._left = self._padding = 0
        if (at := stream.at + length) <= len(stream.buffer):
            stream.at = at
            return 0
        if (passed := stream.skip(length)) == length:
            return 0
        end, missing = stream.end, max(left - passed, 0)
        if missing and self._current is not None and not (end and end.limit):
            cut = f"{missing:,} of {counted(self._current.stored, 'byte')} {are(missing)} missing"
            self._note(rules.MEMBER_CUT, cut, self._current.label)
        if end is None or end.verdict == "complete":
            self._damage("truncated", "the tar is cut off")
        return missing

    # --- from one header to the next --------------------------------------------------------------------------------

    def _member(self) -> Member | None:
        """Return the next member with its extension headers applied, or None at the end."""
        stream = self._stream
        extensions: HeaderExtensions | None = None
        while self.end is None:
            if len(stream.buffer) - stream.at < headers.BLOCK and stream.fill(headers.BLOCK) < headers.BLOCK:
                self._run_out(is_inside=extensions is not None)
            elif stream.position > self.until:
                self._damage("limit", f"more than {counted(self.until, 'byte')} of it", "search_bytes")
                self._finish()
            elif self._is_lost or not headers.is_header(stream.buffer, stream.at):
                self._leave(extensions)
                if self._is_lost or stream.buffer[stream.at : stream.at + headers.BLOCK] != ZERO_BLOCK:
                    self._find_header()
                else:
                    self._pass_end_blocks()
            else:
                fields = cast("headers.Fields", headers.HEADER.unpack_from(stream.buffer, stream.at))
                if (size := headers.number_or_none(fields[2])) is None or size < 0:
                    self._note(rules.MEMBER_NUMBER, "size", headers.text(fields[0]).decode("utf-8", "surrogateescape"))
                    stream.at += headers.BLOCK
                    self._lose("a header with a size that is none")
                elif fields[5] in headers.EXTENSIONS:
                    extensions = extensions or HeaderExtensions(stream.position, self._global)
                    self._extend(fields[5], size, extensions)
                    continue
                elif self.members_read == self._limits.members:
                    self._damage("limit", f"more than {counted(self._limits.members, 'member')}", "members")
                    self._finish()
                else:
                    member = self._enter(fields, extensions or HeaderExtensions(stream.position, self._global), size)
                    if self.end is None:
                        self.members_read += 1
                        return member
            extensions = None
        return None

    def _leave(self, extensions: HeaderExtensions | None) -> None:
        """Note that no member follows the headers that extend it."""
        if extensions is not None:
            names = extensions.names()
            self._note(rules.MEMBER_EXTENSION_STRAY, _shown(names))
            self._judge(names, extensions.begin)

    def _judge(self, names: Sequence[bytes], offset: int) -> None:
        """Have the ``names`` judged that other programs read of what begins at ``offset``."""
        if len(self.others) < _OTHERS_KEPT:
            self.others += [(name, offset) for name in names]

    def _enter(self, fields: headers.Fields, extensions: HeaderExtensions, size: int) -> Member:
        """Return the member whose header lies ahead, and go to its content."""
        stream, bad = self._stream, list[str]()
        self._count_global_map()
        member, type_ = described(fields, extensions, size, bad), fields[5]
        stream.at += headers.BLOCK
        if bad:
            self._note(rules.MEMBER_NUMBER, ", ".join(bad), member.label)
        if member.readings is not NO_READINGS:
            self._note(rules.MEMBER_READINGS_DIFFER, _other(member.readings), member.label)
            self._judge(member.readings.names, member.offset)
        if type_ == b"1" and member.size:
            size = 0 if self._is_header_ahead() else member.size
            member = member._replace(size=size, stored=size)
        elif type_ == b"M" or extensions.has_volume:
            self._note(rules.ARCHIVE_MULTI_VOLUME, "", member.label)
        if member.stored > self._limits.inflated_bytes - stream.position:
            self._note(rules.MEMBER_OVERSIZED, counted(member.stored, "byte"), member.label)
            member = member._replace(stored=0)
            self._lose("a member that claims more than any archive holds")
        self._left, self._padding, self._filling = member.stored, -member.stored % headers.BLOCK, None
        self._current = member = member if member.map is None else self._mapped(member, member.map, fields[7])
        return member

    def _count_global_map(self) -> None:
        """Give a map of holes up that stands before all members, and has been read for very many of them."""
        self._global_maps += len(self._global.get(_MAP, b""))
        if self._global_maps > _GLOBAL_MAPS:
            self._global[_MAP] = b"?"

    def _mapped(self, member: Member, map_: headers.SparseMap, rest: bytes) -> Member:
        """Return a sparse file with its map, which may still be to be read; its content is given by it."""
        stream = self._stream
        if map_ is headers.IN_HEADER:
            map_ = headers.of_header(rest, self._map_blocks(rest, member.offset))
            map_ = headers.faulty("its map of holes is over a limit") if self._is_lost else map_
        elif map_ is headers.IN_CONTENT:
            map_, taken = headers.of_content(
                lambda: stream.read(headers.BLOCK), min(member.stored, self._limits.pax_bytes)
            )
            padded = self._left + self._padding - taken
            self._left = max(self._left - taken, 0)
            self._padding = padded - self._left
        map_ = map_.checked(member.size, self._left)
        if map_.fault:
            self._note(rules.MEMBER_SPARSE_MAP, map_.fault, member.label)
        self._filling = headers.Filling(map_, member.size)
        return member._replace(map=map_)

    def _map_blocks(self, rest: bytes, begin: int) -> Iterator[bytes]:
        """Yield the extra maps of an old GNU sparse file; each says whether another follows."""
        stream, has_more = self._stream, rest[482 - 257] != 0
        while has_more and self.end is None:
            block = stream.read(headers.BLOCK)
            has_more = block[504:505] not in {b"\0", b""}
            if stream.position - begin > self._limits.pax_bytes:
                self._is_lost = True
                most = counted(self._limits.pax_bytes, "byte")
                self._damage("limit", f"sparse maps of more than {most}", "pax_bytes")
                return
            yield block

    def _is_header_ahead(self) -> bool:
        stream = self._stream
        if stream.fill(headers.BLOCK) < headers.BLOCK:
            return True
        block = stream.buffer[stream.at : stream.at + headers.BLOCK]
        return block == ZERO_BLOCK or headers.is_header(stream.buffer, stream.at)

    def _extend(self, type_: bytes, size: int, extensions: HeaderExtensions) -> None:
        """Take in a GNU long name or link (``L``, ``K``), or a pax header (``x``, ``g``; Solaris ``X``)."""
        stream, limits = self._stream, self._limits
        stream.at += headers.BLOCK
        extent = stream.position - extensions.begin + size
        if type_ in b"LK" and size > limits.name_bytes:
            self._damage("limit", f"a name of {counted(size, 'byte')}", "name_bytes")
        elif extent > limits.pax_bytes:
            self._damage("limit", f"extension headers of {counted(extent, 'byte')}", "pax_bytes")
        else:
            self._take_extension(type_, stream.read(size + -size % headers.BLOCK)[:size], extensions)
            return
        if size > limits.inflated_bytes - stream.position:
            self._is_lost = True
        elif self.end is None:
            stream.skip(size + -size % headers.BLOCK)

    def _take_extension(self, type_: bytes, content: bytes, extensions: HeaderExtensions) -> None:
        if type_ in b"LK":
            extensions.take_long(type_, content)
            return
        (records, rest), most = headers.pax_records(content), self._limits.name_bytes
        if rest:
            self._note(rules.MEMBER_PAX_MALFORMED, f"the last {len(rest):,} of {counted(len(content), 'byte')}")
        for key in BOUNDED:
            if len(records.get(key, b"")) > most:
                self._damage("limit", f"a name of {counted(len(records.pop(key)), 'byte')}", "name_bytes")
        if type_ == b"g":
            self._global.update(records)
        else:
            extensions.take_records(records)

    # --- where no header lies ahead ---------------------------------------------------------------------------------

    def _pass_end_blocks(self) -> None:
        self._end_blocks = self._pass_zero_blocks()
        if (ahead := self._stream.fill(headers.BLOCK)) < headers.BLOCK:
            if self._stream.read(ahead).strip(b"\0"):
                self._note(rules.ARCHIVE_TRAILING_CONTENT, f"{ahead} bytes")
        elif not headers.is_header(self._stream.buffer, self._stream.at):
            self._note(rules.ARCHIVE_TRAILING_CONTENT, f"from inflated byte {self._stream.position} on")
            self._is_lost = True
        else:
            rule = rules.ARCHIVE_ZERO_GAP if self._end_blocks < _END_BLOCKS else rules.ARCHIVE_CONCATENATED
            self._note(rule, f"after {counted(self.members_read, 'member')}")
            self._end_blocks = 0

    def _pass_zero_blocks(self) -> int:
        """Pass over blocks of zeros; return how many there were."""
        stream, begin = self._stream, self._stream.position
        while stream.fill(headers.BLOCK) >= headers.BLOCK and stream.position <= self.until:
            ahead = len(stream.buffer) - stream.at
            zeros = ahead - len(stream.buffer[stream.at :].lstrip(b"\0"))
            stream.at += zeros - zeros % headers.BLOCK
            if ahead - zeros >= headers.BLOCK or zeros < headers.BLOCK:
                break
        return (stream.position - begin) // headers.BLOCK

    def _find_header(self) -> None:
        """Go to the next valid header; where the way there is not known to be damage, say so."""
        stream, begin = self._stream, self._stream.position
        is_known, self._is_lost = self._is_lost, False
        is_found = self._search()
        if not is_known:
            passed = f"{counted(stream.position - begin, 'byte')} from inflated byte {begin} on hold no tar header"
            self._damage(
                "damaged", passed if is_found else f"{passed}, up to the end", rule=rules.ARCHIVE_HEADER_DAMAGED
            )

    def _search(self) -> bool:
        """Go to the next valid header; return whether there is one.

        Headers are looked for at multiples of 512 bytes, as in a whole archive, and wherever ustar's magic stands, for
        what lies after damage may have moved.
        """
        stream = self._stream
        while stream.fill(2 * headers.BLOCK) >= headers.BLOCK and stream.position <= self.until:
            if (header := _header_in(stream.buffer, stream.at, -stream.position % headers.BLOCK)) >= 0:
                stream.at = header
                return True
            stream.at = len(stream.buffer) - headers.BLOCK + 1
        stream.at = len(stream.buffer) if stream.position <= self.until else stream.at
        return False

    def _run_out(self, *, is_inside: bool) -> None:
        """End where the stream did; after damage to it, or bytes that are no stream, go on where it does."""
        stream = self._stream
        end, rest = stream.end, len(stream.buffer) - stream.at
        is_bad = end is not None and end.verdict != "complete"
        if is_bad:
            self._tell(end)
        if stream.resume():
            self._tell(stream.passed_end)
            if not is_bad:
                gap = f"{counted(stream.gap, 'byte')} between two streams {are(stream.gap)}"
                self._damage("damaged", f"{gap} something else")
            self._is_lost = True
            return
        if stream.end is not end:
            self._tell(stream.end)
        elif not is_bad and (rest or is_inside):
            self._damage("truncated", "the tar is cut off")
        elif self._end_blocks < _END_BLOCKS and self.worst is None:
            self._note(rules.ARCHIVE_NO_END, f"{self._end_blocks} of {_END_BLOCKS} blocks of zeros")
        self._finish()

    def _tell(self, end: End | None) -> None:
        """Note a bad end of the stream."""
        if end is not None:
            rule = rules.ARCHIVE_CHECKSUM_DIFFERS if end.verdict == "damaged" and not self._stream.is_broken else None
            self._damage(end.verdict, end.reason, end.limit, rule)

    def _lose(self, reason: str) -> None:
        """Give a header up that was passed."""
        self._damage("damaged", reason, rule=rules.ARCHIVE_HEADER_DAMAGED)
        self._is_lost = True

    def _damage(self, verdict: Verdict, reason: str, limit: str = "", rule: FindingRule | None = None) -> None:
        """Note what keeps the archive from being whole; the first such thing is what `end` tells."""
        position = self._stream.position
        if self.worst is None:
            self.worst = End(verdict, reason, position, limit)
        self._note(rule or OUTCOMES[verdict], f"{reason}, at inflated byte {position}, near byte {self._stream.taken}")

    def _finish(self) -> None:
        self.end = self.worst or End("complete", "", self._stream.position)

    def _note(self, rule: FindingRule, detail: str = "", member: str | None = None) -> None:
        source = Source(Witness.ARCHIVE, self._path, member, None, self._stream.position)
        self.findings.add(Finding(rule, member or "", detail, (source,)))


def _other(readings: Readings) -> str:
    """Return how other programs read a member, for a finding."""
    sizes = (counted(size, "byte") for size in readings.sizes)
    links = f"a link to {_shown(readings.links)}" if readings.links else ""
    map_ = "another map of holes" if readings.has_other_map else ""
    kinds = (f"a {kind}" for kind in readings.kinds)
    return ", ".join(filter(None, (_shown(readings.names), links, *sizes, *kinds, map_)))


def _shown(names: Sequence[bytes]) -> str:
    """Return the first of some names, for a finding."""
    return few([repr(name.decode("utf-8", "surrogateescape"))[:200] for name in names], _SHOWN)


def _header_in(buffer: bytes, begin: int, to_block: int) -> int:
    """Return the place of the first valid header in ``buffer`` from ``begin`` on, or -1.

    ``to_block`` is how far it is from ``begin`` to a multiple of 512 bytes in the archive. A window after the other is
    searched: what lies far after the header is searched again from there, so it is not looked at before.
    """
    end = len(buffer) - headers.BLOCK + 1
    for first in range(begin, end, _SEARCHED):
        past = min(first + _SEARCHED, end)
        places = {*range(first + (begin + to_block - first) % headers.BLOCK, past, headers.BLOCK)}
        places |= {
            match.start() - _MAGIC_AT for match in _MAGIC.finditer(buffer, first + _MAGIC_AT, past + _MAGIC_AT + 4)
        }
        if (first_header := next((place for place in sorted(places) if headers.is_header(buffer, place)), -1)) >= 0:
            return first_header
    return -1
