"""Tar: a stream of inflated bytes to members (FORMAT.md §2; POSIX.1-2017 pax, "ustar Interchange Format").

Reads v7, ustar, GNU (long names and links, base-256 numbers, old sparse) and pax headers. A directory may have no
trailing slash, as the real writer's don't. Where an archive breaks off or a header is no header, the walk ends and
says so; what came before stands.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from backupmeta.archive.compression import End, Inflated, Verdict
from backupmeta.archive.limits import Limits

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)

# name, mode, uid, gid, size, mtime, checksum, type, link, magic and version, owner, group, device numbers, prefix
_HEADER: Final = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s16s155s12x")
_EXTENSIONS: Final = frozenset({b"L", b"K", b"x", b"g", b"X"})
_REGULAR: Final = frozenset({b"0", b"\0", b"7", b"S"})
_WITHOUT_DATA: Final = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_NANOSECONDS: Final = 1_000_000_000
_PAX_TIME: Final = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]*))?")
_PAX_KEYS: Final = frozenset(
    b"path linkpath size mtime uid gid uname gname GNU.sparse.name GNU.sparse.size GNU.sparse.realsize".split()
)
_REAL_SIZE: Final = slice(483 - 345, 495 - 345)  # where, in its prefix field, an old GNU sparse file has its size
_MORE_MAPS: Final = slice(482 - 345, 483 - 345)

Kind = Literal["file", "hard link", "symlink", "character device", "block device", "directory", "fifo", "other"]
_KINDS: Final[Mapping[bytes, Kind]] = {
    b"1": "hard link",
    b"2": "symlink",
    b"3": "character device",
    b"4": "block device",
    b"5": "directory",
    b"6": "fifo",
}


class Member(NamedTuple):
    """One member of an archive.

    Attributes:
        name: exactly as in the archive; pax and GNU long names applied.
        kind: what it is.
        size: the length of its content, in bytes.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        mode: permission bits.
        uid: the owner's number.
        gid: the group's number.
        owner: the owner's name; empty where the archive has none.
        group: the group's name.
        link: the target of a link, else empty.
        offset: where its first header begins, in inflated bytes.
        stored: how many bytes of content the archive holds; less than `size` for a sparse file.
    """

    name: bytes
    kind: Kind
    size: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    owner: bytes
    group: bytes
    link: bytes
    offset: int
    stored: int

    @property
    def text(self) -> str:
        """The name as text, for messages; bytes that aren't UTF-8 as surrogates."""
        return self.name.decode("utf-8", "surrogateescape")

    @property
    def is_sparse(self) -> bool:
        """Whether the archive holds a file without its holes; `Walk.content` does not fill them in."""
        return self.kind == "file" and self.stored != self.size


class _BadHeaderError(Exception):
    """A block that is no header; its argument is the reason."""


class _OverLimitError(Exception):
    """A header that asks for too much; its arguments are the reason and the limit's name."""


class Walk:
    """The members of a tar stream, one after the other.

    Iterate it once; between two members, `content` reads what the last one holds.

    Attributes:
        end: how the walk ended, or None as long as it hasn't; offsets are in inflated bytes.
        seen: how many members there were so far.
    """

    def __init__(self, stream: Inflated, limits: Limits) -> None:
        """Walk ``stream`` from its beginning."""
        self._stream = stream
        self._limits = limits
        self._global: dict[bytes, bytes] = {}
        self._left = 0
        self._next = 0
        self.end: End | None = None
        self.seen = 0

    def __iter__(self) -> Iterator[Member]:
        while self.end is None:
            try:
                member = self._member()
            except _BadHeaderError as error:
                self._finish("damaged", str(error))
                return
            except _OverLimitError as error:
                self._finish("limit", *error.args)
                return
            if member is None:
                return
            self.seen += 1
            if self.seen > self._limits.members:
                self._finish("limit", f"more than {self._limits.members:,} members", "members")
                return
            yield member

    def content(self, length: int) -> bytes:
        """Return the next bytes of the current member's content, at most ``length``; nothing at its end."""
        part = self._stream.read(min(length, self._left))
        self._left -= len(part)
        return part

    def _member(self) -> Member | None:
        """Return the next member with its extension headers applied, or None at the end."""
        self._go_to(self._next)
        offset = self._stream.position
        extended: dict[bytes, bytes] = {}
        while (block := self._header_block()) is not None:
            header = _Header(*_HEADER.unpack(block))
            size = number(header.size)
            if size < 0:
                raise _BadHeaderError("a header with a negative size")
            if header.type in _EXTENSIONS:
                self._extend(header.type, size, extended, offset)
                continue
            return self._described(
                header, {**self._global, **extended} if extended or self._global else {}, size, offset
            )
        return None

    def _described(self, header: "_Header", extended: Mapping[bytes, bytes], size: int, offset: int) -> Member:
        size = _pax_number(extended, b"size", size)
        stored = 0 if header.type in _WITHOUT_DATA else size
        if header.type == b"S":
            self._pass_sparse_maps(header, offset)
            size = number(header.prefix[_REAL_SIZE])
        self._left = stored
        self._next = self._stream.position + stored + -stored % BLOCK
        return _member(header, extended, size, offset, stored)

    def _header_block(self) -> bytes | None:
        """Return the next header, or None at the end of the archive or of what there is of it."""
        block = self._stream.read(BLOCK)
        if block == ZERO_BLOCK:
            self.end = End("complete", "", self._stream.position)
            return None
        if len(block) < BLOCK:
            self._run_out(len(block))
            return None
        if not _checksum_fits(block):
            raise _BadHeaderError("no tar header")
        return block

    def _run_out(self, rest: int) -> None:
        """End where the stream did: a whole tar may lack its zero blocks, but not a part of a block."""
        end = self._stream.end
        if end is not None and end.verdict != "complete":
            self._finish(end.verdict, end.reason)
        elif rest or self._stream.position < self._next:
            self._finish("truncated", "the tar is cut off")
        else:
            self.end = End("complete", "", self._stream.position)

    def _go_to(self, offset: int) -> None:
        missing = offset - self._stream.position
        if missing > 0:
            self._stream.skip(missing)
        self._left = 0

    def _extend(self, type_: bytes, size: int, extended: dict[bytes, bytes], offset: int) -> None:
        """Take in a GNU long name or link (``L``, ``K``), or a pax header (``x``, ``g``; Solaris ``X``)."""
        if type_ in b"LK" and size > self._limits.name_bytes:
            raise _OverLimitError(f"a name of {size:,} bytes", "name_bytes")
        self._check_extent(offset, size)
        self._next = self._stream.position + size + -size % BLOCK + BLOCK  # at least one more header must follow
        content = self._stream.read(size + -size % BLOCK)[:size]
        if type_ in b"LK":
            extended[b"path" if type_ == b"L" else b"linkpath"] = _text(content)
        else:
            (self._global if type_ == b"g" else extended).update(pax_records(content))

    def _pass_sparse_maps(self, header: "_Header", offset: int) -> None:
        """Pass over the extra maps of an old GNU sparse file; the first says whether another follows."""
        more = header.prefix[_MORE_MAPS]
        while more not in {b"\0", b""}:
            self._check_extent(offset, BLOCK)
            more = self._stream.read(BLOCK)[504:505]

    def _check_extent(self, offset: int, size: int) -> None:
        """Raise where ``size`` more bytes would make too much of what precedes a member that begins at ``offset``."""
        if (extent := self._stream.position - offset + size) > self._limits.pax_bytes:
            raise _OverLimitError(f"extension headers of {extent:,} bytes", "pax_bytes")

    def _finish(self, verdict: Verdict, reason: str, limit: str = "") -> None:
        self.end = End(verdict, reason, self._stream.position, limit)


class _Header(NamedTuple):
    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    checksum: bytes
    type: bytes
    link: bytes
    magic: bytes
    owner: bytes
    group: bytes
    device: bytes
    prefix: bytes


def number(field: bytes) -> int:
    r"""Return a number of a header: octal, or base-256 where the first bit is set (GNU, star).

    >>> number(b"0000644\0")
    420
    """
    if field[:1] >= b"\x80":
        return int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(field[1:], "big")  # noqa: PLR2004
    digits = field.split(b"\0", 1)[0].strip()
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        raise _BadHeaderError("a header with a number that is none") from None


def pax_records(content: bytes) -> dict[bytes, bytes]:
    r"""Return the known records of a pax header: ``27 path=wp-content/x.php\n``, the length counting all of itself.

    What comes after a malformed record is left out.
    """
    records = {}
    at = 0
    while (blank := content.find(b" ", at, at + 8)) > at and (length := content[at:blank]).isdigit():
        begin, at = blank + 1, at + int(length)
        if not begin < at <= len(content):
            break
        key, _, value = content[begin : at - 1].partition(b"=")
        if key in _PAX_KEYS:
            records[key] = value
    return records


def _checksum_fits(block: bytes) -> bool:
    """Tell whether the sum of a header's bytes, blanks for the checksum itself, is its checksum; or the signed sum."""
    try:
        expected = number(block[148:156])
    except _BadHeaderError:
        return False
    counted = block[:148] + block[156:]
    total = sum(counted) + 256
    return expected == total or expected == total - 256 * sum(byte > 127 for byte in counted)  # noqa: PLR2004


def _member(header: _Header, extended: Mapping[bytes, bytes], size: int, offset: int, stored: int) -> Member:
    name = extended.get(b"GNU.sparse.name") or extended.get(b"path") or _name(header)
    return Member(
        name=name,
        kind=_kind(header.type, name),
        size=_pax_number(extended, b"GNU.sparse.realsize", _pax_number(extended, b"GNU.sparse.size", size)),
        mtime_ns=_mtime_ns(header, extended),
        mode=number(header.mode),
        uid=_pax_number(extended, b"uid", number(header.uid)),
        gid=_pax_number(extended, b"gid", number(header.gid)),
        owner=extended.get(b"uname") or _text(header.owner),
        group=extended.get(b"gname") or _text(header.group),
        link=extended.get(b"linkpath") or _text(header.link),
        offset=offset,
        stored=stored,
    )


def _name(header: _Header) -> bytes:
    name = _text(header.name)
    if header.magic[:6] == b"ustar\0" and (prefix := _text(header.prefix)):
        return prefix + b"/" + name
    return name


def _kind(type_: bytes, name: bytes) -> Kind:
    if type_ in _REGULAR:
        return "directory" if type_ == b"\0" and name.endswith(b"/") else "file"
    return _KINDS.get(type_, "other")


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _mtime_ns(header: _Header, extended: Mapping[bytes, bytes]) -> int:
    """Return the time in nanoseconds; pax writes decimals: ``1718312121.123456789``."""
    if (time := _PAX_TIME.fullmatch(extended.get(b"mtime", b""))) is None:
        return number(header.mtime) * _NANOSECONDS
    sign, seconds, fraction = time.groups(default=b"")
    nanoseconds = int(seconds) * _NANOSECONDS + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if sign else nanoseconds


def _pax_number(extended: Mapping[bytes, bytes], key: bytes, otherwise: int) -> int:
    value = extended.get(key, b"")
    return int(value) if value.isdigit() and len(value) < 20 else otherwise  # noqa: PLR2004 - 64 bits
