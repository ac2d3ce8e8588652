"""`Member`: one member of an archive, made of its header and of the records before it.

Its name comes first: the path that it means, and where that leads when it is unpacked.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from zlib import adler32

from backupmeta import rules
from backupmeta.archive import headers
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display, named
from backupmeta.secrets import mask_text
from backupmeta.words import NANOSECONDS, instant_of, utc_to_the_microsecond

# --- names ------------------------------------------------------------------------------------------------------------

RECORD: Final = b"APP-META.INI"
"""The embedded record's name (FORMAT.md §2)."""

DUMP: Final = b"APP-DATA.SQL"
"""The database dump's name (FORMAT.md §2)."""

OWN: Final = frozenset({RECORD, DUMP})
"""What Installatron adds to the application's files."""

_ABSOLUTE: Final = re.compile(rb"[/\\]|[A-Za-z]:")
_SEPARATOR: Final = re.compile(rb"[/\\]")
_ENDS: Final = (b"/", b".")
"""What a name ends with that may be no part of its path."""

PATH_MAX: Final = 4096
"""The bytes of the longest path that can be made (Linux)."""


def plain(name: bytes) -> bytes:
    r"""Return the path that a member's ``name`` means: without ``.``, empty parts, and slashes after it.

    A backslash separates as a slash does: programs on Windows write, and unpack, such names so.

    >>> plain(b"./wp-includes//./version.php"), plain(b"wp-admin/"), plain(b"/etc/passwd"), plain(b"wp-admin\\a.php")
    (b'wp-includes/version.php', b'wp-admin', b'/etc/passwd', b'wp-admin/a.php')
    """
    if b"\\" in name:
        name = name.replace(b"\\", b"/")
    if name[:2] != b"./" and name[-1:] not in _ENDS and b"//" not in name and b"/./" not in name:
        return name
    path = b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})
    return b"/" + path if name[:1] == b"/" else path


def shown(name: bytes) -> bytes:
    """Return the path that a member's ``name`` means, as `plain`, with the secrets in the name masked.

    They are looked for in the name itself: what `plain` leaves of ``//user:password@host`` has another form.
    """
    return plain(masked_name(name))


def masked_name(name: bytes) -> bytes:
    """Return a ``name`` as it is, with the secrets in it masked."""
    text = name.decode("utf-8", "surrogateescape")
    masks = mask_text(text)
    return name if masks == text else masks.encode("utf-8", "surrogateescape")


def is_absolute(name: bytes) -> bool:
    r"""Return whether ``name`` begins at a file system's root or names a drive: ``/x``, ``\x``, ``C:/x``, ``C:x``."""
    return _ABSOLUTE.match(name) is not None


def escapes(name: bytes) -> bool:
    """Return whether a part of ``name`` leads up."""
    return b".." in name and b".." in _SEPARATOR.split(name)


def folded(name: bytes) -> bytes:
    """Return a name as a system compares it that tells neither case nor Unicode form (APFS, NTFS, HFS+).

    Names that can't be made are left as they are: putting many accents in order takes time by the square.
    """
    import unicodedata

    if name.isascii():
        return name.lower()
    if len(name) > PATH_MAX:
        return name
    text = name.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).encode(
        "utf-8", "surrogateescape"
    )


def effect(name: bytes) -> tuple[bool, bool, bytes]:
    """Return what unpacking ``name`` would do: two names of one member are harmless where that is the same."""
    path = plain(name)
    return is_absolute(name), escapes(name), path if path in OWN else b""


# --- what the headers before one say ----------------------------------------------------------------------------------

_OCTAL_MOST: Final = 8 * 1024**3
"""From this size on an octal field can't hold a size, in bytes: what stands there tells nothing."""

_NAME_KEYS: Final = (b"GNU.sparse.name", b"path")
_SIZE_KEYS: Final = (b"GNU.sparse.realsize", b"GNU.sparse.size", b"size")
_CUT_AT_NUL: Final = (*_NAME_KEYS, b"linkpath", b"uname", b"gname")
BOUNDED: Final = _CUT_AT_NUL
"""Pax records that are bounded as a GNU long name is."""


class HeaderExtensions:
    """What the headers before one member say.

    Attributes:
        begin: where the first of them begins, in inflated bytes.
        has_other_map: whether others take a map of holes that is not ours: of an earlier pax header, or none of a
            global one.
    """

    def __init__(self, begin: int, global_: Mapping[bytes, bytes]) -> None:
        """Begin with the first of the headers, at ``begin``; the pax records ``global_`` hold before it."""
        self.begin = begin
        self._global = global_
        self._own = dict[bytes, bytes]()
        self._long = dict[bytes, bytes]()
        self._names = list[bytes]()
        self._links = list[bytes]()
        self._sizes = set[int]()
        self.has_other_map: bool = headers.is_sparse_by(global_)
        self._bad = list[str]()

    def take_long(self, type_: bytes, content: bytes) -> None:
        """Take in a GNU long name (``L``) or link (``K``)."""
        if type_ in self._long:
            (self._names if type_ == b"L" else self._links).append(self._long[type_])
        self._long[type_] = headers.text(content)

    def take_records(self, records: dict[bytes, bytes]) -> None:
        """Take in the records of a pax header; those of an earlier one no longer hold."""
        self._remember(self._own)
        self._own = records

    def _remember(self, records: Mapping[bytes, bytes]) -> None:
        """Keep the names and the sizes that another program would take from ``records``."""
        self._names += [records[key] for key in _NAME_KEYS if key in records]
        self._links += [records[b"linkpath"]] if b"linkpath" in records else []
        self.has_other_map |= headers.is_sparse_by(records)
        self._bad += headers.pax_not_numbers(records)
        self._sizes.update(size for key in _SIZE_KEYS if (size := headers.pax_number(records, key)) is not None)

    def records(self) -> Mapping[bytes, bytes]:
        """Return what holds for the member: pax records, GNU long names as ``L`` and ``K``; names end at a NUL."""
        held = {**self._global, **self._long, **self._own}
        for key in _CUT_AT_NUL:
            if b"\0" in held.get(key, b""):
                self._names += [held[key]] if key in _NAME_KEYS else []
                held[key] = headers.text(held[key])
        return held

    def not_numbers(self) -> list[str]:
        """Return the keys of pax records that should be numbers and are none, also where they do not hold."""
        return [*self._bad, *headers.pax_not_numbers(self._global), *headers.pax_not_numbers(self._own)]

    def names(self) -> tuple[bytes, ...]:
        """Return all names that these headers give, where no member follows them."""
        held = self.records()
        return tuple(dict.fromkeys((*self._names, *filter(None, map(held.get, (*_NAME_KEYS, b"L"))))))

    @property
    def has_volume(self) -> bool:
        """Whether they tell of the volume of a multi-volume archive."""
        return b"GNU.volume.filename" in self._own or b"GNU.volume.filename" in self._global

    def other_names(self, name: bytes, own_name: bytes, *, is_sparse: bool) -> tuple[bytes, ...]:
        """Return which names others read of the member that is ``name`` to us, and ``own_name`` by its own header.

        That stands for those who pass over what extends it; a sparse file's is made up by its writer.
        """
        names = [*self._names, *self._others(b"L", own_name, *_NAME_KEYS)]
        mine, theirs = effect(name), effect(own_name)
        if not name.startswith(own_name) and (mine[:2] != theirs[:2] if is_sparse else mine != theirs):
            names.append(own_name)
        return tuple(dict.fromkeys(other_name for other_name in names if other_name != name))

    def other_links(self, link: bytes, own_link: bytes) -> tuple[bytes, ...]:
        """Return which targets others read of a link to ``link``, and to ``own_link`` by its own header."""
        links = [*self._links, *self._others(b"K", own_link, b"linkpath")]
        if not link.startswith(own_link) and effect(link) != effect(own_link):
            links.append(own_link)
        return tuple(dict.fromkeys(other_link for other_link in links if other_link != link))

    def _others(self, long: bytes, own: bytes, *keys: bytes) -> Iterator[bytes]:
        """Yield what counts to those who take ``long``, pass over global records, or take an empty one as it is."""
        if long in self._long:
            yield self._long[long]
        elif any(self._global.get(key) for key in keys) and not any(self._own.get(key) for key in keys):
            yield own
        if any(held.get(keys[-1]) == b"" for held in (self._own, self._global)):
            yield b""

    def other_sizes(self, size: int, own_size: int) -> tuple[int, ...]:
        """Return which sizes others read of a file of ``size`` bytes, which has ``own_size`` by its own header."""
        if not self._sizes and b"size" not in self._own and b"size" not in self._global:
            return ()
        empty = {0} if b"" in (self._own.get(b"size"), self._global.get(b"size")) else set[int]()
        return tuple(sorted({*self._sizes, *empty, *((own_size,) if size < _OCTAL_MOST else ())} - {size}))


class Readings(NamedTuple):
    """How other programs read a member: names, links' targets, sizes, kinds, a map of holes that are not ours."""

    names: tuple[bytes, ...] = ()
    links: tuple[bytes, ...] = ()
    sizes: tuple[int, ...] = ()
    kinds: tuple[headers.MemberKind, ...] = ()
    has_other_map: bool = False


NO_READINGS: Final = Readings()


# --- members ----------------------------------------------------------------------------------------------------------

OWN_CONTENT: Final[frozenset[headers.MemberKind]] = frozenset({"file", "other"})
"""What is unpacked as a file with bytes of its own: of a type that nobody knows, too (POSIX pax, "typeflag")."""

WITH_CONTENT: Final = OWN_CONTENT | {"hard link"}
"""What holds bytes once it is unpacked."""

_BLANK: Final = ord(" ")
_NAME_BYTES: Final = 100
_NUMBER_ENDS: Final = frozenset({b"\0", b" "})
_ORDINARY: Final[Mapping[bytes, headers.MemberKind]] = {b"0": "file", b"\0": "file", b"5": "directory"}
_unpack: Final = struct.Struct("100x24s11sc12s6s2scB107x64s16xB166x").unpack
"""Mode, uid and gid; size, what ends it; mtime; checksum, what ends it; type; the link's first byte; owners; the
prefix's first byte."""

_PASSED_OVER: Final = frozenset({b"2", b"3", b"4", b"5", b"6"})
_new: Final = tuple.__new__  # what a NamedTuple's own constructor does, at half its cost


def label(name: bytes) -> str:
    """Return a name as text, for findings: of one longer than any system allows (Linux, PATH_MAX) the beginning."""
    return name[:PATH_MAX].decode("utf-8", "surrogateescape") + ("…" if len(name) > PATH_MAX else "")


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
        stored: how many bytes follow its header; of a sparse file without its holes, and with a map that stands there.
        map: where these belong in a sparse file; None for any other.
        readings: how other programs read it, where they differ about its name, size or kind.
    """

    name: bytes
    kind: headers.MemberKind
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
    map: headers.SparseMap | None = None
    readings: Readings = NO_READINGS

    @property
    def text(self) -> str:
        """The name as text, for messages; bytes that aren't UTF-8 as surrogates."""
        return self.name.decode("utf-8", "surrogateescape")

    @property
    def label(self) -> str:
        """The name as text, for findings: see `label`."""
        return label(self.name)

    @property
    def is_record(self) -> bool:
        """Whether it is a record, at the root or deeper."""
        return RECORD in self.name and self.kind in WITH_CONTENT and plain(self.name).rpartition(b"/")[2] == RECORD

    @property
    def is_at_root(self) -> bool:
        """Whether a record lies at the archive's root."""
        return plain(self.name) == RECORD

    @property
    def modified(self) -> datetime | None:
        """When it was modified, in UTC, to the microsecond; None for a time that no calendar has."""
        seconds, nanoseconds = divmod(self.mtime_ns, NANOSECONDS)
        return instant_of(seconds, nanoseconds // 1000)

    def to_json(self) -> dict[str, object]:
        """Return it for JSON: sizes and offsets in bytes, times in UTC."""
        described: dict[str, object] = {**named("name", self.text)}
        described.update(type=self.kind, size=self.size, mode=f"{self.mode:04o}", uid=self.uid, gid=self.gid)
        names = {"user": self.owner, "group": self.group}
        described.update({key: display(name.decode("utf-8", "replace")) for key, name in names.items()})
        described["mtime"] = utc_to_the_microsecond(self.mtime_ns)
        described.update(named("link", self.link.decode("utf-8", "surrogateescape")) if self.link else {})
        return {**described, "offset": self.offset, **({"stored": self.stored} if self.is_sparse else {})}

    @property
    def is_device(self) -> bool:
        """Whether it is no file of a site: unpacking it makes something that a program talks to."""
        return self.kind in {"character device", "block device", "fifo"}

    @property
    def has_own_content(self) -> bool:
        """Whether it is unpacked as a file with bytes of its own."""
        return self.kind in OWN_CONTENT

    @property
    def is_sparse(self) -> bool:
        """Whether the archive holds a file without its holes."""
        return self.map is not None

    @property
    def length(self) -> int:
        """How many bytes its content has in this archive: of what is no file those that follow its header."""
        return self.size if self.kind in WITH_CONTENT else self.stored

    @property
    def source(self) -> bytes | None:
        """The name of the member whose content a hard link has; None where the member has its own, or none."""
        return self.link if self.kind == "hard link" and not self.stored else None


def ordinary(block: bytes, offset: int) -> Member | None:
    """Return the member of an ordinary header: a file or folder, ASCII, all numbers octal, the checksum right.

    ``block`` is ``offset`` inflated bytes into the archive, and no records precede it. None for anything else, which
    `described` knows. Nearly all headers are ordinary: most of a walk's own time goes here.
    """
    access_field, digits, size_end, mtime_field, expected, sum_end, type_, link, owners_field, prefix = _unpack(block)
    kind, may, mtime_ns = _ORDINARY.get(type_), headers.access(access_field), headers.time(mtime_field)
    if kind is None or may is None or mtime_ns is None or link or prefix:
        return None
    is_written_so = sum_end == b"\0 " and size_end in _NUMBER_ENDS and block.isascii()
    if not (is_written_so and digits.isdigit() and expected.isdigit()):
        return None
    try:
        # Adler-32's lower half is one plus the sum of the bytes modulo 65521 (RFC 1950 §8.2); 512 of ASCII are below.
        if int(expected, 8) + (adler32(expected) & 0xFFFF) - 7 * _BLANK != adler32(block) & 0xFFFF:
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
    owner, group = headers.owners(owners_field)
    return _new(
        Member, (name, kind, size, mtime_ns, mode, uid, gid, owner, group, b"", offset, stored, None, NO_READINGS)
    )


def described(fields: headers.Fields, extensions: HeaderExtensions, size: int, bad: list[str]) -> Member:
    """Return the member of a header with ``fields``, and of what the headers before it say.

    The map of a sparse file may still be to be read: `IN_HEADER`, `IN_CONTENT`.

    Its kind, name and size are judged once all of these are applied: the 100 bytes of a header's own name may end with
    a slash that is none of the name's end. ``size`` is the header's. A field without a number counts as 0, and its name
    is appended to ``bad``.
    """
    name_field, access_field, _, mtime_field, _, type_, link_field, rest = fields
    numbers = {"mode": access_field[:8], "uid": access_field[8:16], "gid": access_field[16:], "mtime": mtime_field}
    values = {name: headers.number_or_none(field) for name, field in numbers.items()}
    bad += [name for name, value in values.items() if value is None]
    owner, group = headers.owners(rest[8:72])
    prefix = headers.prefix_in(rest)
    own_name = prefix + b"/" + headers.text(name_field) if prefix else headers.text(name_field)
    records = extensions.records()
    bad += dict.fromkeys(extensions.not_numbers())
    name = _first(records, b"GNU.sparse.name", b"path") or records.get(b"L", own_name)
    link = _first(records, b"linkpath") or records.get(b"K", headers.text(link_field))
    recorded, mtime_ns = headers.pax_number(records, b"size"), headers.pax_time(records)
    uid, gid = headers.pax_number(records, b"uid"), headers.pax_number(records, b"gid")
    kind, stored = _kind(type_, name), size if recorded is None else recorded
    is_sparse = type_ == b"S" or (kind == "file" and headers.is_sparse_by(records))
    real_size = _real_size(records, rest if type_ == b"S" else None, stored)
    is_cut = len(own_name) == _NAME_BYTES and name != own_name and name.startswith(own_name)
    readings = Readings(
        names=extensions.other_names(name, own_name, is_sparse=is_sparse),
        links=extensions.other_links(link, headers.text(link_field)) if kind in headers.LINKS else (),
        sizes=(
            extensions.other_sizes(real_size, real_size if is_sparse else size)
            if kind == "file"
            else _skipped(type_, recorded, size)
        ),
        kinds=() if is_cut else _other_kinds(type_, kind, own_name),
        has_other_map=extensions.has_other_map,
    )
    return Member(
        name=name,
        kind=kind,
        size=real_size,
        mtime_ns=(values["mtime"] or 0) * NANOSECONDS if mtime_ns is None else mtime_ns,
        mode=(values["mode"] or 0) & headers.PERMISSIONS,
        uid=(values["uid"] or 0) if uid is None else uid,
        gid=(values["gid"] or 0) if gid is None else gid,
        owner=records.get(b"uname") or owner,
        group=records.get(b"gname") or group,
        link=link if kind in headers.LINKS else b"",
        offset=extensions.begin,
        stored=0 if type_ in headers.WITHOUT_CONTENT or (type_ == b"\0" and kind == "directory") else stored,
        map=None if not is_sparse else headers.IN_HEADER if type_ == b"S" else headers.of_records(records),
        readings=readings if any(readings) else NO_READINGS,
    )


def _first(records: Mapping[bytes, bytes], *keys: bytes) -> bytes:
    """Return the first record that is there and not empty: an empty one takes back a global one (POSIX pax)."""
    return next(filter(None, map(records.get, keys)), b"")


def _kind(type_: bytes, name: bytes) -> headers.MemberKind:
    kind = headers.KINDS.get(type_, "other")
    return "directory" if kind == "file" and name[-1:] == b"/" and type_ != b"S" else kind


def _other_kinds(type_: bytes, kind: headers.MemberKind, own_name: bytes) -> tuple[headers.MemberKind, ...]:
    """Return what tarfile takes a file or folder for, where that is not its ``kind``: see `backupmeta.archive.tar`.

    Of a name that was cut at its hundredth byte nobody is asked: a slash there is the cut's, and tarfile's mistake.
    """
    if headers.KINDS.get(type_) != "file" or type_ == b"S":
        return ()
    other: headers.MemberKind = "directory" if type_ == b"\0" and own_name[-1:] == b"/" else "file"
    return (other,) if other != kind else ()


def _skipped(type_: bytes, recorded: int | None, size: int) -> tuple[int, ...]:
    """Return how many bytes others pass over after a header that has no content to us: see `backupmeta.archive.tar`."""
    passed = recorded if type_ == b"5" else size if recorded is None else recorded
    return (passed,) if type_ in _PASSED_OVER and passed else ()


def _real_size(records: Mapping[bytes, bytes], old_gnu: bytes | None, size: int) -> int:
    """Return the length of a member's content, holes included; ``old_gnu`` are what stands after the link."""
    for key in (b"GNU.sparse.realsize", b"GNU.sparse.size"):
        if (real := headers.pax_number(records, key)) is not None:
            return real
    return size if old_gnu is None else headers.number_or_none(old_gnu[483 - 257 : 495 - 257]) or 0


_KEPT: Final = 100
"""How many of an archive's records are remembered."""


class Placed(NamedTuple):
    """A record in an archive: its member, and its place among the members, from 0."""

    member: Member
    place: int


class Records(list[Placed]):
    """The first records of an archive, and in any case the first one at its root."""

    def take(self, member: Member, place: int) -> None:
        """Add a ``member`` if it is a record; ``place`` is its place among the members."""
        if member.is_record and (len(self) < _KEPT or (member.is_at_root and not self._at_root())):
            self.append(Placed(member, place))

    def _at_root(self) -> list[Placed]:
        return [record for record in self if record.member.is_at_root]

    @property
    def own(self) -> Placed | None:
        """The backup's own record; None where there is none."""
        return next(iter(self._at_root() or self), None)

    def misplaced(self, path: str) -> Iterator[Finding]:
        """Yield what is odd about the place of the backup's own record in the archive at ``path``."""
        if (chosen := self.own) is None:
            return
        roots, where = self._at_root(), (at(path, chosen.member),)
        if not roots:
            yield Finding(rules.RECORD_NOT_AT_ROOT, "", "", where)
        if chosen.place:
            yield Finding(rules.RECORD_NOT_FIRST, "", f"member {chosen.place + 1}", where)
        if len(roots) > 1:
            sources = tuple(at(path, record.member) for record in roots)
            yield Finding(rules.RECORD_SEVERAL, "", f"{len(roots):,}", sources)
        if others := [record.member for record in self if record is not chosen and not record.member.is_at_root]:
            yield Finding(rules.RECORD_DEEPER, "", f"{len(others):,}", tuple(at(path, member) for member in others))


def at(path: str, member: Member) -> Source:
    """Return the place of a record: in the archive at ``path``, the member."""
    return Source(Witness.EMBEDDED_RECORD, path, member.label)
