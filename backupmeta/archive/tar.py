"""Tar: a stream of inflated bytes to members (FORMAT.md §2; POSIX.1-2017 pax, "ustar Interchange Format").

Reads v7, ustar, GNU, pax and star archives, and several of them in a row. Where programs disagree about an archive:

- A directory may have no trailing slash, as the real writer's don't; a regular file whose name ends with a slash is a
  directory, as for GNU tar and bsdtar (tarfile: only with v7's type, which then has no content, as for bsdtar).
- A thorough walk goes on behind the end-of-archive blocks, as GNU tar with ``--ignore-zeros``, bsdtar with
  ``read_concatenated_archives`` and tarfile with ``ignore_zeros`` do; without these options all three stop there.
- Links, devices, folders and FIFOs have no content whatever their size field says, as for bsdtar and tarfile; only
  a hard link's size counts where no header follows it, as for bsdtar (a pax archive may hold a link's content).
- A pax header's name counts before a GNU long name, as for GNU tar; for bsdtar and tarfile the first of them does.
- A volume label is listed, as GNU tar does; bsdtar leaves it out, and tarfile takes it for a file.
- Global pax records hold, as for GNU tar and tarfile; an empty record leaves the header's own value.
- A star prefix has 131 bytes; the others read the times behind it as a part of the name.
- Where a header is none, a thorough walk looks for the next one, as GNU tar does; tarfile and bsdtar end there.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from backupmeta.archive.end import End, Verdict
from backupmeta.archive.header import (
    BLOCK,
    EXTENSIONS,
    HEADER,
    Fields,
    checksum_fits,
    has_more_maps,
    number_or_none,
    pax_records,
    text,
)
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import Member, described, ordinary
from backupmeta.archive.stream import Inflated
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness

ZERO_BLOCK: Final = bytes(BLOCK)

_MAGIC: Final = b"ustar"
_MAGIC_AT: Final = 257
_END_BLOCKS: Final = 2
_NAMES: Final = (b"path", b"linkpath", b"GNU.sparse.name", b"uname", b"gname")
"""Pax records that are bounded as a GNU long name is."""

OUTCOMES: Final = {"truncated": "archive-truncated", "damaged": "archive-damaged", "limit": "limit-exceeded"}
"""The findings for ends that are not complete."""


class Walk:
    """The members of a tar stream, one after the other.

    Iterate it once; between two members, `content` reads what the last one holds. A thorough walk goes on behind
    damage and behind the end-of-archive blocks; any other ends at the first of these.

    Attributes:
        end: how the walk ended, or None as long as it hasn't; offsets are in inflated bytes.
        seen: how many members there were so far.
        findings: what was odd.
        is_wanted: whether somebody wants the content of the last burst's last member.
    """

    def __init__(self, stream: Inflated, limits: Limits, path: str, *, is_thorough: bool) -> None:
        """Walk ``stream`` from its beginning; ``path`` is the archive's, for findings."""
        self._stream = stream
        self._limits = limits
        self._path = path
        self._is_thorough = is_thorough
        self._global: dict[bytes, bytes] = {}
        self._current: Member | None = None
        self._left = 0
        self._padding = 0
        self._is_lost = False
        self.is_wanted = False
        self._end_blocks = 0
        self._worst: End | None = None
        self.end: End | None = None
        self.seen = 0
        self.findings = Findings()

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
        room = min(most, self._limits.members - self.seen) if is_plain else 0
        self.is_wanted = False
        content = stored = 0
        while len(members) < room and begin + BLOCK <= size:
            if (member := ordinary(buffer[begin : begin + BLOCK], base + begin)) is None:
                break
            members.append(member)
            if wants is not None and wants(member):
                self.is_wanted, room = True, 0
            content, stored = begin + BLOCK, member.stored
            begin = content + stored + -stored % BLOCK
        if not members:
            found = self._member()
            self.is_wanted = found is not None and wants is not None and wants(found)
            return () if found is None else (found,)
        self.seen += len(members)
        self._current, self._left, self._padding = members[-1], stored, -stored % BLOCK
        stream.at = content
        return members

    def content(self, length: int) -> bytes:
        """Return the next bytes of the current member's content, at most ``length``; nothing at its end."""
        if not self._left:
            return b""
        part = self._stream.take(min(length, self._left))
        self._left -= len(part)
        return part

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
            self._note("member-cut", f"{missing:,} of {self._current.stored:,} bytes are missing", self._current.label)
        if end is None or end.verdict == "complete":
            self._damage("truncated", "the tar is cut off")
        return missing

    # --- from one header to the next --------------------------------------------------------------------------------

    def _member(self) -> Member | None:
        """Return the next member with its extension headers applied, or None at the end."""
        stream = self._stream
        begin, own = -1, dict[bytes, bytes]()
        while self.end is None:
            if len(stream.buffer) - stream.at < BLOCK and stream.fill(BLOCK) < BLOCK:
                self._run_out(is_inside=begin >= 0)
            elif self._is_lost or not checksum_fits(stream.buffer, stream.at):
                self._pass_gap()
            else:
                fields = cast("Fields", HEADER.unpack_from(stream.buffer, stream.at))
                begin = stream.position if begin < 0 else begin
                if (size := number_or_none(fields[2])) is None or size < 0:
                    self._note("member-number", "size", text(fields[0]).decode("utf-8", "surrogateescape"))
                    stream.at += BLOCK
                    self._lose("a header with a size that is none")
                elif fields[5] in EXTENSIONS:
                    self._extend(fields[5], size, own, begin)
                    continue
                elif self.seen == self._limits.members:
                    self._damage("limit", f"more than {self._limits.members:,} members", "members")
                    self._finish()
                else:
                    member = self._enter(fields, {**self._global, **own} if own or self._global else own, size, begin)
                    if self.end is None:
                        self.seen += 1
                        return member
            begin, own = -1, {}
        return None

    def _enter(self, fields: Fields, records: dict[bytes, bytes], size: int, begin: int) -> Member:
        """Return the member whose header lies ahead, and go to its content."""
        stream, bad = self._stream, list[str]()
        member = described(fields, records, size, begin, bad)
        stream.at += BLOCK
        if bad:
            self._note("member-number", ", ".join(bad), member.label)
        type_ = fields[5]
        if type_ == b"S" and has_more_maps(fields[7]):
            self._pass_sparse_maps(begin)
        elif type_ == b"1" and member.size:
            size = 0 if self._is_header_ahead() else member.size
            member = member._replace(size=size, stored=size)
        elif type_ == b"M" or b"GNU.volume.filename" in records:
            self._note("archive-multi-volume", "", member.label)
        if member.stored > self._limits.inflated_bytes - stream.position and self._is_thorough:
            self._note("member-oversized", f"{member.stored:,} bytes", member.label)
            member = member._replace(stored=0)
            self._lose("a member that claims more than any archive holds")
        self._current, self._left, self._padding = member, member.stored, -member.stored % BLOCK
        return member

    def _is_header_ahead(self) -> bool:
        stream = self._stream
        if stream.fill(BLOCK) < BLOCK:
            return True
        block = stream.buffer[stream.at : stream.at + BLOCK]
        return block == ZERO_BLOCK or checksum_fits(stream.buffer, stream.at)

    def _extend(self, type_: bytes, size: int, own: dict[bytes, bytes], begin: int) -> None:
        """Take in a GNU long name or link (``L``, ``K``), or a pax header (``x``, ``g``; Solaris ``X``)."""
        stream, limits = self._stream, self._limits
        stream.at += BLOCK
        extent = stream.position - begin + size
        if type_ in b"LK" and size > limits.name_bytes:
            self._refuse(f"a name of {size:,} bytes", "name_bytes")
        elif extent > limits.pax_bytes:
            self._refuse(f"extension headers of {extent:,} bytes", "pax_bytes")
        else:
            self._take_extension(type_, stream.read(size + -size % BLOCK)[:size], own)
            return
        if size > limits.inflated_bytes - stream.position:
            self._is_lost = True
        elif self.end is None:
            stream.skip(size + -size % BLOCK)

    def _take_extension(self, type_: bytes, content: bytes, own: dict[bytes, bytes]) -> None:
        if type_ in b"LK":
            own[type_] = text(content)
            return
        (records, rest), most = pax_records(content), self._limits.name_bytes
        if rest:
            self._note("member-pax-malformed", f"the last {len(rest):,} of {len(content):,} bytes")
        for key in _NAMES:
            if len(records.get(key, b"")) > most:
                self._refuse(f"a name of {len(records.pop(key)):,} bytes", "name_bytes")
        (self._global if type_ == b"g" else own).update(records)

    def _refuse(self, reason: str, limit: str) -> None:
        """Note that something is over a limit; only a thorough walk goes on behind it."""
        self._damage("limit", reason, limit)
        if not self._is_thorough:
            self._finish()

    def _pass_sparse_maps(self, begin: int) -> None:
        """Pass over the extra maps of an old GNU sparse file; each says whether another follows."""
        stream, has_more = self._stream, True
        while has_more and self.end is None:
            block = stream.read(BLOCK)
            has_more = block[504:505] not in {b"\0", b""}
            if stream.position - begin > self._limits.pax_bytes:
                self._is_lost = True
                self._refuse(f"sparse maps of more than {self._limits.pax_bytes:,} bytes", "pax_bytes")
                return

    # --- where no header lies ahead ---------------------------------------------------------------------------------

    def _pass_gap(self) -> None:
        """Pass over what is no header: the end-of-archive blocks, what stands behind them, damage."""
        stream = self._stream
        is_zero = stream.buffer[stream.at : stream.at + BLOCK] == ZERO_BLOCK
        if is_zero and not self._is_lost:
            self._pass_end_blocks()
        elif not self._is_thorough:
            self._damage("damaged", "no tar header")
            self._finish()
        else:
            self._find_header()

    def _pass_end_blocks(self) -> None:
        if not self._is_thorough:
            self._stream.at += BLOCK
            self._finish()
            return
        self._end_blocks = self._pass_zero_blocks()
        if (ahead := self._stream.fill(BLOCK)) < BLOCK:
            if self._stream.read(ahead).strip(b"\0"):
                self._note("archive-trailing-content", f"{ahead} bytes")
        elif not checksum_fits(self._stream.buffer, self._stream.at):
            self._note("archive-trailing-content", f"from inflated byte {self._stream.position} on")
            self._is_lost = True
        else:
            id_ = "archive-zero-gap" if self._end_blocks < _END_BLOCKS else "archive-concatenated"
            self._note(id_, f"after {self.seen:,} members")
            self._end_blocks = 0

    def _pass_zero_blocks(self) -> int:
        """Pass over blocks of zeros; return how many there were."""
        stream, begin = self._stream, self._stream.position
        while stream.fill(BLOCK) >= BLOCK:
            ahead = len(stream.buffer) - stream.at
            zeros = ahead - len(stream.buffer[stream.at :].lstrip(b"\0"))
            stream.at += zeros - zeros % BLOCK
            if ahead - zeros >= BLOCK or zeros < BLOCK:
                break
        return (stream.position - begin) // BLOCK

    def _find_header(self) -> None:
        """Go to the next valid header; where the way there is not known to be damage, say so."""
        stream, begin = self._stream, self._stream.position
        is_known, self._is_lost = self._is_lost, False
        is_found = self._search()
        if not is_known:
            passed = f"{stream.position - begin:,} bytes from inflated byte {begin} on hold no tar header"
            self._damage("damaged", passed if is_found else f"{passed}, up to the end", id_="archive-header-damaged")

    def _search(self) -> bool:
        """Go to the next valid header; return whether there is one.

        Headers are looked for at multiples of 512 bytes, as in a whole archive, and wherever ustar's magic stands, for
        what lies behind damage may have moved.
        """
        stream = self._stream
        while stream.fill(2 * BLOCK) >= BLOCK:
            if (found := _header_in(stream.buffer, stream.at, -stream.position % BLOCK)) >= 0:
                stream.at = found
                return True
            stream.at = len(stream.buffer) - BLOCK + 1
        stream.at = len(stream.buffer)
        return False

    def _run_out(self, *, is_inside: bool) -> None:
        """End where the stream did; behind damage to it, or bytes that are no stream, go on where it does."""
        stream = self._stream
        end, rest = stream.end, len(stream.buffer) - stream.at
        is_bad = end is not None and end.verdict != "complete"
        if is_bad:
            self._tell(end)
        if self._is_thorough and stream.resume():
            self._tell(stream.met)
            if not is_bad:
                self._damage("damaged", f"{stream.gap:,} bytes between two streams are something else")
            self._is_lost = True
            return
        if stream.end is not end:
            self._tell(stream.end)
        elif not is_bad and (rest or is_inside):
            self._damage("truncated", "the tar is cut off")
        elif self._end_blocks < _END_BLOCKS and self._worst is None:
            self._note("archive-no-end", f"{self._end_blocks} of {_END_BLOCKS} blocks of zeros")
        self._finish()

    def _tell(self, end: End | None) -> None:
        """Note a bad end of the stream."""
        if end is not None:
            id_ = "archive-checksum-differs" if end.verdict == "damaged" and not self._stream.is_broken else ""
            self._damage(end.verdict, end.reason, end.limit, id_)

    def _lose(self, reason: str) -> None:
        """Give a header up that was passed."""
        self._damage("damaged", reason, id_="archive-header-damaged")
        self._is_lost = True
        if not self._is_thorough:
            self._finish()

    def _damage(self, verdict: Verdict, reason: str, limit: str = "", id_: str = "") -> None:
        """Note what keeps the archive from being whole; the first such thing is what `end` tells."""
        position = self._stream.position
        if self._worst is None:
            self._worst = End(verdict, reason, position, limit)
        self._note(id_ or OUTCOMES[verdict], f"{reason}, at inflated byte {position}, near byte {self._stream.taken}")

    def _finish(self) -> None:
        self.end = self._worst or End("complete", "", self._stream.position)

    def _note(self, id_: str, detail: str = "", member: str | None = None) -> None:
        source = Source(Witness.ARCHIVE, self._path, member, None, self._stream.position)
        self.findings.add(Finding(id_, member or "", detail, (source,)))


def _header_in(buffer: bytes, begin: int, to_block: int) -> int:
    """Return the place of the first valid header in ``buffer`` from ``begin`` on, or -1.

    ``to_block`` is how far it is from ``begin`` to a multiple of 512 bytes in the archive.
    """
    last = len(buffer) - BLOCK
    places = range(begin + to_block, last + 1, BLOCK)
    found = next((place for place in places if checksum_fits(buffer, place)), last + 1)
    magic = buffer.find(_MAGIC, begin + _MAGIC_AT)
    while 0 <= magic < found + _MAGIC_AT:
        if checksum_fits(buffer, magic - _MAGIC_AT):
            found = magic - _MAGIC_AT
        magic = buffer.find(_MAGIC, magic + 1)
    return found if found <= last else -1
