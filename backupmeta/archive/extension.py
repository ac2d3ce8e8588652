"""Headers that extend the next one: GNU long names (``L``, ``K``) and pax records (``x``, ``g``; Solaris ``X``).

Programs differ in what they make of several of them. Whom we follow, as tried with GNU tar 1.34, bsdtar of libarchive
3.6, busybox 1.35, Python 3.11's tarfile and PHP's Archive_Tar, and read in Go's archive/tar:

| what stands before a member | we read | as do | others |
|---|---|---|---|
| several ``x`` | the last, as a whole | GNU tar, bsdtar, Go | tarfile: the first name; busybox: all of them together |
| ``L`` and ``x`` with a path | the path of ``x`` | GNU tar, Go | bsdtar, tarfile: the first; busybox: the last |
| several ``L`` | the last | GNU tar, bsdtar, busybox | tarfile: the first |
| ``g`` with a path | it holds for all members | GNU tar, tarfile | bsdtar, busybox: it is passed over |
| an empty record | it takes back a global one | POSIX, bsdtar | GNU tar, tarfile: an empty name |
| NUL in a name | it ends the name | GNU tar, bsdtar | tarfile: a name that no system takes |
| NUL in a keyword | what follows is malformed | GNU tar, bsdtar, Go | tarfile, busybox: the records that follow hold |
| a number or a length with leading zeros | decimal | all | |
| an extension with no member after it | nothing | GNU tar | bsdtar, tarfile: damage |
| ``x`` at all | it holds | all but Archive_Tar | Archive_Tar: the header's own name |
| Solaris ``X`` | as ``x`` | GNU tar, bsdtar, tarfile | busybox: damage |

Where another reading has another name, or a size of its own, that is told, and every reading's name is judged.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from backupmeta.archive.header import Kind, pax_not_numbers, pax_number, text
from backupmeta.archive.names import effect
from backupmeta.archive.sparse import is_sparse_by

_OCTAL_MOST: Final = 8 * 1024**3
"""From this size on an octal field can't hold a size, in bytes: what stands there tells nothing."""

_NAME_KEYS: Final = (b"GNU.sparse.name", b"path")
_SIZE_KEYS: Final = (b"GNU.sparse.realsize", b"GNU.sparse.size", b"size")
_CUT_AT_NUL: Final = (*_NAME_KEYS, b"linkpath", b"uname", b"gname")
BOUNDED: Final = _CUT_AT_NUL
"""Pax records that are bounded as a GNU long name is."""


class Extensions:
    """What the headers before one member say.

    Attributes:
        begin: where the first of them begins, in inflated bytes.
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
        self._has_map = is_sparse_by(global_)
        self._bad = list[str]()

    def take_long(self, type_: bytes, content: bytes) -> None:
        """Take in a GNU long name (``L``) or link (``K``)."""
        if type_ in self._long:
            (self._names if type_ == b"L" else self._links).append(self._long[type_])
        self._long[type_] = text(content)

    def take_records(self, records: dict[bytes, bytes]) -> None:
        """Take in the records of a pax header; those of an earlier one no longer hold."""
        self._remember(self._own)
        self._own = records

    def _remember(self, records: Mapping[bytes, bytes]) -> None:
        """Keep the names and the sizes that another program would take from ``records``."""
        self._names += [records[key] for key in _NAME_KEYS if key in records]
        self._links += [records[b"linkpath"]] if b"linkpath" in records else []
        self._has_map |= is_sparse_by(records)
        self._bad += pax_not_numbers(records)
        self._sizes.update(size for key in _SIZE_KEYS if (size := pax_number(records, key)) is not None)

    def records(self) -> Mapping[bytes, bytes]:
        """Return what holds for the member: pax records, GNU long names as ``L`` and ``K``; names end at a NUL."""
        held = {**self._global, **self._long, **self._own}
        for key in _CUT_AT_NUL:
            if b"\0" in held.get(key, b""):
                self._names += [held[key]] if key in _NAME_KEYS else []
                held[key] = text(held[key])
        return held

    def not_numbers(self) -> list[str]:
        """Return the keys of pax records that should be numbers and are none, also where they do not hold."""
        return [*self._bad, *pax_not_numbers(self._global), *pax_not_numbers(self._own)]

    @property
    def has_other_map(self) -> bool:
        """Whether others take a map of holes that is not ours: of an earlier pax header, or none of a global one."""
        return self._has_map

    def names(self) -> tuple[bytes, ...]:
        """Return all names that these headers give, where no member follows them."""
        held = self.records()
        return tuple(dict.fromkeys((*self._names, *filter(None, map(held.get, (*_NAME_KEYS, b"L"))))))

    @property
    def say_nothing(self) -> bool:
        """Whether nothing in them is about the member, to no program."""
        return not (self._own or self._long or self._global or self._names or self._links or self._sizes)

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
        return tuple(dict.fromkeys(one for one in names if one != name))

    def other_links(self, link: bytes, own_link: bytes) -> tuple[bytes, ...]:
        """Return which targets others read of a link to ``link``, and to ``own_link`` by its own header."""
        links = [*self._links, *self._others(b"K", own_link, b"linkpath")]
        if not link.startswith(own_link) and effect(link) != effect(own_link):
            links.append(own_link)
        return tuple(dict.fromkeys(one for one in links if one != link))

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
    kinds: tuple[Kind, ...] = ()
    has_other_map: bool = False


NO_READINGS: Final = Readings()
