"""`Member`: one member of an archive, made of its header and of the records before it."""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple
from zlib import adler32

from backupmeta.archive.header import (
    KINDS,
    LINKS,
    WITHOUT_CONTENT,
    Fields,
    Kind,
    access,
    number_or_none,
    owners,
    pax_not_numbers,
    pax_number,
    pax_time,
    prefix_in,
    sparse_size,
    text,
    time,
)

RECORD: Final = b"APP-META.INI"
"""The embedded record's name (FORMAT.md §2)."""

DUMP: Final = b"APP-DATA.SQL"
"""The database dump's name (FORMAT.md §2)."""

AT_ROOT: Final = frozenset({RECORD, b"./" + RECORD})
"""The record's name at the archive's root."""

_NANOSECONDS: Final = 1_000_000_000
_BLANK: Final = ord(" ")
_BLANKS: Final = 8 * _BLANK
_NAME_BYTES: Final = 100
_NUMBER_ENDS: Final = frozenset({b"\0", b" "})
_LABEL_BYTES: Final = 4096
_ORDINARY: Final[Mapping[bytes, Kind]] = {b"0": "file", b"\0": "file", b"5": "directory"}
_unpack: Final = struct.Struct("100x24s11sc12s6s2scB107x64s16xB166x").unpack
"""Mode, uid and gid; size, what ends it; mtime; checksum, what ends it; type; the link's first byte; owners; the
prefix's first byte."""

_new: Final = tuple.__new__  # what a NamedTuple's own constructor does, at half its cost


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
    def label(self) -> str:
        """The name as text, for findings: of one longer than any system allows (Linux, PATH_MAX) the beginning."""
        if len(self.name) <= _LABEL_BYTES:
            return self.text
        return self.name[:_LABEL_BYTES].decode("utf-8", "surrogateescape") + "…"

    @property
    def is_sparse(self) -> bool:
        """Whether the archive holds a file without its holes, which nothing here fills in."""
        return self.kind == "file" and self.stored != self.size


def plain(name: bytes) -> bytes:
    """Return the path that a member's ``name`` means: without ``.``, empty parts, and slashes behind it.

    >>> plain(b"./wp-includes//./version.php"), plain(b"wp-admin/"), plain(b"/etc/passwd")
    (b'wp-includes/version.php', b'wp-admin', b'/etc/passwd')
    """
    if name[:2] != b"./" and name[-1:] != b"/" and b"//" not in name and b"/./" not in name:
        return name
    path = b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})
    return b"/" + path if name[:1] == b"/" else path


def is_record(member: Member) -> bool:
    """Tell whether ``member`` is a record, at the root or deeper."""
    return (
        member.kind == "file"
        and not member.is_sparse
        and (member.name in AT_ROOT or member.name.endswith(b"/" + RECORD))
    )


def ordinary(block: bytes, offset: int) -> Member | None:
    """Return the member of an ordinary header: a file or folder, ASCII, all numbers octal, the checksum right.

    ``block`` is ``offset`` inflated bytes into the archive, and no records precede it. None for anything else, which
    `described` knows. Nearly all headers are ordinary: most of a walk's own time goes here.
    """
    access_field, digits, size_end, mtime_field, expected, sum_end, type_, link, owners_field, prefix = _unpack(block)
    kind, may, mtime_ns = _ORDINARY.get(type_), access(access_field), time(mtime_field)
    if kind is None or may is None or mtime_ns is None or link or prefix:
        return None
    is_written_so = sum_end == b"\0 " and size_end in _NUMBER_ENDS and block.isascii()
    if not (is_written_so and digits.isdigit() and expected.isdigit()):
        return None
    try:
        # Adler-32's lower half is one plus the sum of the bytes modulo 65521 (RFC 1950 §8.2); 512 of ASCII are below.
        if int(expected, 8) + (adler32(expected) & 0xFFFF) + _BLANK - _BLANKS != adler32(block) & 0xFFFF:
            return None
        size = int(digits, 8)
    except ValueError:  # an 8 or a 9
        return None
    end = block.find(0, 0, _NAME_BYTES)
    name = block[: end if end >= 0 else _NAME_BYTES]
    stored = size
    if type_ == b"5":
        stored = 0
    elif name[-1:] == b"/":
        return None
    mode, uid, gid = may
    owner, group = owners(owners_field)
    return _new(Member, (name, kind, size, mtime_ns, mode, uid, gid, owner, group, b"", offset, stored))


def described(fields: Fields, records: Mapping[bytes, bytes], size: int, offset: int, bad: list[str]) -> Member:
    """Return the member of a header with ``fields``, and of the pax ``records`` that hold for it.

    GNU long names are records ``L`` (of the member) and ``K`` (of its link).

    ``size`` is the header's, ``offset`` where its first header begins. A field without a number counts as 0, and its
    name is appended to ``bad``.
    """
    name_field, access_field, _, mtime_field, _, type_, link_field, rest_field = fields
    numbers = {"mode": access_field[:8], "uid": access_field[8:16], "gid": access_field[16:], "mtime": mtime_field}
    values = {name: number_or_none(field) for name, field in numbers.items()}
    bad += [name for name, value in values.items() if value is None]
    owner, group = owners(rest_field[8:72])
    prefix = prefix_in(rest_field)
    name = prefix + b"/" + text(name_field) if prefix else text(name_field)
    kind = KINDS.get(type_, "other")
    link = records.get(b"linkpath") or records.get(b"K") or text(link_field)
    member = Member(
        name=name,
        kind="directory" if kind == "file" and name[-1:] == b"/" and type_ != b"S" else kind,
        size=size,
        mtime_ns=(values["mtime"] or 0) * _NANOSECONDS,
        mode=values["mode"] or 0,
        uid=values["uid"] or 0,
        gid=values["gid"] or 0,
        owner=owner,
        group=group,
        link=link if kind in LINKS else b"",
        offset=offset,
        stored=0 if type_ in WITHOUT_CONTENT or (type_ == b"\0" and name[-1:] == b"/") else size,
    )
    if type_ == b"S":
        member = member._replace(size=sparse_size(rest_field))
    if not records:
        return member
    bad += pax_not_numbers(records)
    return _overridden(member, type_, records)


def _overridden(member: Member, type_: bytes, records: Mapping[bytes, bytes]) -> Member:
    """Return ``member`` with what ``records`` say instead; an empty record takes back a global one (POSIX pax)."""
    size = pax_number(records, b"size")
    if size is not None:
        member = member._replace(size=size, stored=0 if type_ in WITHOUT_CONTENT else size)
    real = pax_number(records, b"GNU.sparse.realsize")
    real = pax_number(records, b"GNU.sparse.size") if real is None else real
    mtime_ns, uid, gid = pax_time(records), pax_number(records, b"uid"), pax_number(records, b"gid")
    name = records.get(b"GNU.sparse.name") or records.get(b"path") or records.get(b"L") or member.name
    is_folder = member.kind == "file" and name[-1:] == b"/"
    return member._replace(
        name=name,
        kind="directory" if is_folder else member.kind,
        size=member.size if real is None else real,
        mtime_ns=member.mtime_ns if mtime_ns is None else mtime_ns,
        uid=member.uid if uid is None else uid,
        gid=member.gid if gid is None else gid,
        owner=records.get(b"uname") or member.owner,
        group=records.get(b"gname") or member.group,
    )
