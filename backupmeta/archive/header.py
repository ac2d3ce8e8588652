"""Tar headers: a block of 512 bytes each, and pax records (POSIX.1-2017 pax, "ustar Interchange Format").

Pure functions from bytes to facts. Those whose input repeats from member to member remember their last answers.
"""

import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zlib import adler32

BLOCK: Final = 512

HEADER: Final = struct.Struct("100s24s12s12s8sc100s255s")
"""Name; mode, uid and gid; size; mtime; checksum; type; link; what stands behind it."""

_ASCII: Final = bytes(range(128))
_HALF: Final = BLOCK // 2
_BLANKS: Final = 8 * ord(" ")
_NANOSECONDS: Final = 1_000_000_000
_PAX_TIME: Final = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]*))?")
_PAX_NUMBERS: Final = (b"size", b"uid", b"gid", b"GNU.sparse.size", b"GNU.sparse.realsize")
_PAX_KEYS: Final = frozenset(
    b"path linkpath size mtime uid gid uname gname GNU.sparse.name GNU.sparse.size GNU.sparse.realsize "
    b"GNU.sparse.map GNU.sparse.major GNU.sparse.minor GNU.volume.filename".split()
)
_PAX_RUNS: Final = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
"""Pax 0.0 writes a map of holes as these two, in turns."""

_PAX_LENGTH_DIGITS: Final = 20

Kind = Literal[
    "file",
    "hard link",
    "symlink",
    "character device",
    "block device",
    "directory",
    "fifo",
    "volume label",
    "continuation",
    "other",
]
KINDS: Final[Mapping[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",  # contiguous
    b"S": "file",  # GNU sparse
    b"1": "hard link",
    b"2": "symlink",
    b"3": "character device",
    b"4": "block device",
    b"5": "directory",
    b"D": "directory",  # GNU incremental: its content lists names
    b"6": "fifo",
    b"V": "volume label",
    b"M": "continuation",
}
EXTENSIONS: Final = frozenset({b"L", b"K", b"x", b"g", b"X"})
LINKS: Final = frozenset({"hard link", "symlink"})
WITHOUT_CONTENT: Final = frozenset({b"1", b"2", b"3", b"4", b"5", b"6", b"V"})


Fields = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""What `HEADER` unpacks."""


class Access(NamedTuple):
    """Who may do what: permission bits, the owner's and the group's number."""

    mode: int
    uid: int
    gid: int


def number_or_none(field: bytes) -> int | None:
    r"""Return a number of a header: octal, or base-256 where the first bit is set (GNU, star); None where it is none.

    A NUL before the digits, which AIX writes, is passed over, as GNU tar and bsdtar do.

    >>> number_or_none(b"0000644\0")
    420
    """
    digits = field[:-1] if field[-1:] in {b"\0", b" "} else field
    if not digits.isdigit():
        digits = field[field[:1] == b"\0" :].partition(b"\0")[0].strip()
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:  # an 8 or a 9
            return None
    if field[:1] >= b"\x80":
        return int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(field[1:], "big")  # noqa: PLR2004
    return None if digits else 0


@lru_cache(1024)
def access(fields: bytes) -> Access | None:
    """Return what the 24 bytes of mode, uid and gid say; None where one of them is no number."""
    mode, uid, gid = (number_or_none(fields[at : at + 8]) for at in (0, 8, 16))
    return None if mode is None or uid is None or gid is None else Access(mode, uid, gid)


@lru_cache(4096)
def time(field: bytes) -> int | None:
    """Return a modification time in nanoseconds; None where it is no number."""
    return None if (seconds := number_or_none(field)) is None else seconds * _NANOSECONDS


@lru_cache(1024)
def owners(fields: bytes) -> tuple[bytes, bytes]:
    """Return the owner's and the group's name from their 64 bytes."""
    return text(fields[:32]), text(fields[32:])


def prefix_in(fields: bytes) -> bytes:
    """Return what goes before the name; ``fields`` are the bytes behind the link's target.

    ustar and pax headers have a prefix (as for bsdtar and tarfile also where no NUL ends the magic), GNU's, whose magic
    ends with blanks, have not; star's is 131 bytes long, with times behind it, and a magic of its own ends its header.
    """
    if not fields.startswith(b"ustar") or fields.startswith(b"ustar  \0"):
        return b""
    begin = 345 - 257
    return text(fields[begin : begin + (131 if fields[-4:] == b"tar\0" else 155)])


def text(field: bytes) -> bytes:
    """Return what stands before the first NUL."""
    return field.partition(b"\0")[0]


def checksum_fits(buffer: bytes, at: int) -> bool:
    """Tell whether the 512 bytes of ``buffer`` from ``at`` on add up to their checksum, with blanks in its place.

    Some old programs added signed bytes; that is accepted, too (as tarfile, GNU tar and bsdtar do).
    """
    field, middle = buffer[at + 148 : at + 156], at + _HALF
    if (expected := number_or_none(field)) is None:
        return False
    # Adler-32's lower half is one plus the sum of the bytes modulo 65521 (RFC 1950 §8.2); 256 bytes add up to less.
    total = (adler32(buffer[at:middle]) & 0xFFFF) + (adler32(buffer[middle : at + BLOCK]) & 0xFFFF) - 2
    total += _BLANKS - sum(field)
    if expected == total:
        return True
    counted = buffer[at : at + 148] + buffer[at + 156 : at + BLOCK]
    return len(counted) == BLOCK - 8 and expected == total - 256 * len(counted.translate(None, _ASCII))


def sparse_size(fields: bytes) -> int:
    """Return an old GNU sparse file's real size, from byte 483 of its header; ``fields`` are those behind the link."""
    return number_or_none(fields[483 - 257 : 495 - 257]) or 0


def has_more_maps(fields: bytes) -> bool:
    """Tell whether more sparse maps follow an old GNU sparse file's header, by its byte 482."""
    return fields[482 - 257] != 0


def pax_records(content: bytes) -> tuple[dict[bytes, bytes], bytes]:
    r"""Return the known records of a pax header, and the rest of it from the first malformed one on.

    ``27 path=wp-content/x.php\n``: the length, decimal, counts all of itself. A keyword holds no NUL; NULs may stand
    after the last record. The runs of pax 0.0's sparse files become the map of 0.1.
    """
    records, runs = dict[bytes, bytes](), list[tuple[bytes, bytes]]()
    at = 0
    while (blank := content.find(b" ", at, at + _PAX_LENGTH_DIGITS)) > at and (length := content[at:blank]).isdigit():
        end = at + int(length)
        key, equals, value = content[blank + 1 : end - 1].partition(b"=")
        if not equals or content[end - 1 : end] != b"\n" or b"\0" in key:
            break
        at = end
        if key in _PAX_KEYS:
            records[key] = value
        elif key in _PAX_RUNS:
            runs.append((key, value))
    if runs:
        in_turns = all(key == _PAX_RUNS[place % 2] for place, (key, _) in enumerate(runs))
        records[b"GNU.sparse.map"] = b",".join(value for _, value in runs) if in_turns else b"?"
    return records, content[at:].rstrip(b"\0")


def pax_number(records: Mapping[bytes, bytes], key: bytes) -> int | None:
    """Return a record's number; None where there is none, or where it is none."""
    value = records.get(key, b"")
    return int(value) if value.isdigit() and len(value.lstrip(b"0")) < 20 else None  # noqa: PLR2004 - 64 bits


def pax_not_numbers(records: Mapping[bytes, bytes]) -> list[str]:
    """Return the keys of records that should be numbers and are none; an empty one only takes back a global one."""
    keys = [key for key in _PAX_NUMBERS if pax_number(records, key) is None]
    keys += [b"mtime"] if pax_time(records) is None else []
    return [key.decode() for key in keys if records.get(key)]


def pax_time(records: Mapping[bytes, bytes]) -> int | None:
    """Return the modification time in nanoseconds; pax writes decimals: ``1718312121.123456789``."""
    if (time := _PAX_TIME.fullmatch(records.get(b"mtime", b""))) is None:
        return None
    sign, seconds, fraction = time.groups(default=b"")
    nanoseconds = int(seconds) * _NANOSECONDS + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if sign else nanoseconds
