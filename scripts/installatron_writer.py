"""The real writer's dialect, by hand: records, tar headers and archives as Installatron's PHP code writes them.

Made for fixtures and for `real_backup.py`; shares no code with the package, so that the two check each other.
Facts: `fixtures/FORMAT.md` §2 (tar dialect), §4 (records).
"""

import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

BLOCK = 512


class Entry(NamedTuple):
    """A member to write: ``content`` None makes a directory."""

    name: bytes
    content: bytes | None
    mtime: int
    mode: int = 0o644


def record(lines: Iterable[tuple[str, str]]) -> bytes:
    """Return a record: ``key=value`` lines, LF between them, none at the end (FORMAT.md §4)."""
    return "\n".join(f"{key}={value}" for key, value in lines).encode()


def header(name: bytes, size: int, mtime: int, mode: int, kind: bytes) -> bytes:
    """Return one GNU tar header block; a directory's name has no trailing slash (FORMAT.md §2)."""
    fields = (
        name[:100].ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 1000,
        b"%07o\0" % 1000,
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        b" " * 8,
        kind,
        b"\0" * 100,
        b"ustar  \0",
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    """Return ``content`` filled up to whole blocks."""
    return content + b"\0" * (-len(content) % BLOCK)


def blocks(entry: Entry) -> Iterator[bytes]:
    """Yield the blocks of one member, its GNU long name first where it needs one."""
    if len(entry.name) >= 100:  # noqa: PLR2004 - the width of the name field
        long_name = entry.name + b"\0"
        yield header(b"././@LongLink", len(long_name), 0, 0, b"L")
        yield padded(long_name)
    if entry.content is None:
        yield header(entry.name, 0, entry.mtime, entry.mode, b"5")
    else:
        yield header(entry.name, len(entry.content), entry.mtime, entry.mode, b"0")
        yield padded(entry.content)


def tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield a whole tar: the members, then two zero blocks."""
    for entry in entries:
        yield from blocks(entry)
    yield b"\0" * (2 * BLOCK)


def tar_bytes(entries: Iterable[Entry]) -> bytes:
    """Return a whole tar in memory; for small archives."""
    return b"".join(tar(entries))


def gzip_bytes(content: bytes, mtime: int) -> bytes:
    """Return ``content`` as one gzip member without a name, as PHP's gzopen writes it."""
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=mtime) as stream:
        stream.write(content)
    return target.getvalue()


def write_archive(path: Path, entries: Iterable[Entry], mtime: int) -> None:
    """Write a ``.tar.gz`` to ``path``, one member at a time."""
    with path.open("wb") as target, gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=mtime) as stream:
        for block in tar(entries):
            stream.write(block)
