"""How a file begins: as a tar archive does, compressed or not, whatever its name says.

Only the first header is looked at: `beginning` reads blocks until 512 bytes are inflated, which is one block for gzip
and xz; bzip2 and zstd compress up to 900 KB as one, and give nothing before all of it is there.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from typing import Final

from backupmeta.archive.compression import BLOCK, Compression, identify, open_carefully
from backupmeta.archive.header import BLOCK as HEADER_BYTES
from backupmeta.archive.header import checksum_fits
from backupmeta.archive.limits import KIB, MIB, Limits
from backupmeta.evidence import EvidenceFile

_MOST: Final = MIB
"""How many bytes of a file, or of what it inflates to, a decompressor is fed, at most."""

_PIECE: Final = 4 * KIB
"""How many inflated bytes are asked for at once."""

_LAYERS: Final = 2
"""How often a file may be compressed."""

_STREAMS: Final = 16
"""How many streams are passed, at most: those that are empty, as zstd's skippable frames are."""

_MAGIC: Final = slice(257, 262)
"""Where ``ustar`` stands in a header (POSIX.1-2017 pax, "ustar Interchange Format")."""


class Beginning(StrEnum):
    """What the first bytes of a file are."""

    TAR = "tar"
    """A member's header, whose checksum fits, compressed or not."""
    BROKEN = "broken"
    """A compressed stream that breaks before there is a header, or a header that is cut off or broken."""
    OTHER = "other"
    """Something else."""


class _BrokenError(Exception):
    """A stream is cut off or corrupt, or gives too little."""


def beginning(file: EvidenceFile, limits: Limits) -> Beginning:
    """Return how ``file`` begins. Raises `UnreadableError`."""
    pieces = _read(file)
    try:
        for _ in range(_LAYERS + 1):
            block = _at_least_a_header(pieces)
            if (compression := identify(block)) is None:
                return _of_tar(block)
            pieces = _inflated(chain([block], pieces), compression, limits)
    except _BrokenError:
        return Beginning.BROKEN
    return Beginning.OTHER


def _of_tar(block: bytes) -> Beginning:
    """Return what a ``block`` without compression is."""
    if len(block) >= HEADER_BYTES and checksum_fits(block, 0):
        return Beginning.TAR
    return Beginning.BROKEN if block[_MAGIC] == b"ustar" else Beginning.OTHER


def _read(file: EvidenceFile) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _at_least_a_header(pieces: Iterator[bytes]) -> bytes:
    """Return the first 512 bytes of ``pieces``, and what comes with them; less where there is no more."""
    block = b""
    while len(block) < HEADER_BYTES and (piece := next(pieces, b"")):
        block += piece
    return block


def _inflated(pieces: Iterator[bytes], compression: Compression, limits: Limits) -> Iterator[bytes]:
    """Yield what ``pieces``, which begin a file of this ``compression``, inflate to. Raises `_BrokenError`."""
    room = _MOST
    for _ in range(_STREAMS):
        opened = open_carefully(compression, limits)
        stream = opened.inner
        while not stream.eof:
            fed = next(pieces, b"") if stream.needs_input else b""
            room -= len(fed)
            try:
                output = stream.decompress(fed, _PIECE)
            except opened.corrupt as error:
                raise _BrokenError from error
            if output:
                yield output
            elif not (fed or stream.eof) or room <= 0:
                raise _BrokenError
        if not (rest := stream.unused_data or next(pieces, b"")):
            return
        pieces = chain([rest], pieces)
