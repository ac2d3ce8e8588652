"""The real writer's dialect, by hand: records, tar headers and archives as PHP's Archive_Tar writes them.

Made for fixtures and for tests; shares no code with the package, so that the two check each other, and is itself
compared with Archive_Tar, byte for byte, by `tests/scripts/test_writers.py`.
Facts: `fixtures/FORMAT.md` §2 (tar dialect), §4 (records).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

BLOCK: Final = 512
NAME_BYTES: Final = 100


class Owner(NamedTuple):
    """Whom a member belongs to: numbers, and the names that the system had for them."""

    uid: int
    gid: int
    user: bytes
    group: bytes


ACCOUNT: Final = Owner(1000, 1000, b"exampleu", b"exampleu")
UNNAMED: Final = Owner(1000, 1000, b"", b"")
NOBODY: Final = Owner(0, 0, b"", b"")


class Entry(NamedTuple):
    """A member to write: with a ``link`` a symbolic link to it, else without ``content`` a directory, else a file."""

    name: bytes
    content: bytes | None
    mtime: int
    mode: int = 0o644
    link: bytes = b""
    owner: Owner = ACCOUNT

    @property
    def kind(self) -> bytes:
        """The header's type."""
        if self.link:
            return b"2"
        return b"5" if self.content is None else b"0"


def record(lines: Iterable[tuple[str, str]]) -> bytes:
    """Return a record: ``key=value`` lines, LF between them, none at the end (FORMAT.md §4)."""
    return "\n".join(f"{key}={value}" for key, value in lines).encode()


def header(
    name: bytes, size: int, mtime: int, mode: int, kind: bytes, *, link: bytes = b"", owner: Owner = UNNAMED
) -> bytes:
    """Return one GNU tar header block; a directory's name has no trailing slash (FORMAT.md §2)."""
    fields = (
        name[:NAME_BYTES].ljust(NAME_BYTES, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % owner.uid,
        b"%07o\0" % owner.gid,
        (b"%011o" % size).ljust(12, b"\0"),
        b"%011o\0" % mtime,
        b" " * 8,
        kind,
        link[:NAME_BYTES].ljust(NAME_BYTES, b"\0"),
        b"ustar  \0",
        owner.user[:32].ljust(32, b"\0"),
        owner.group[:32].ljust(32, b"\0"),
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    """Return ``content`` filled up to whole blocks."""
    return content + b"\0" * (-len(content) % BLOCK)


def long_name(name: bytes, kind: bytes) -> bytes:
    """Return the blocks that hold a name of 100 bytes or more, without a NUL of its own (FORMAT.md §2)."""
    return header(b"././@LongLink", len(name), 0, 0, kind, owner=NOBODY) + padded(name)


def blocks(entry: Entry) -> Iterator[bytes]:
    """Yield the blocks of one member, its GNU long name and long target first where it needs them."""
    if len(entry.name) >= NAME_BYTES:
        yield long_name(entry.name, b"L")
    if len(entry.link) >= NAME_BYTES:
        yield long_name(entry.link, b"K")
    content = entry.content or b""
    yield header(entry.name, len(content), entry.mtime, entry.mode, entry.kind, link=entry.link, owner=entry.owner)
    yield padded(content)


def tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield a whole tar: the members, then two zero blocks."""
    for entry in entries:
        yield from blocks(entry)
    yield b"\0" * (2 * BLOCK)


def tar_bytes(entries: Iterable[Entry]) -> bytes:
    """Return a whole tar in memory; for small archives."""
    return b"".join(tar(entries))


def gzip_bytes(content: bytes, mtime: int = 0) -> bytes:
    """Return ``content`` as one gzip member as PHP's gzopen writes it: no time, name or flags, XFL 2, system 3."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = struct.pack("<4sIBB", b"\x1f\x8b\x08\0", mtime, 2, 3)  # RFC 1952
    end = struct.pack("<II", zlib.crc32(content), len(content) % 2**32)
    return begin + deflater.compress(content) + deflater.flush() + end
