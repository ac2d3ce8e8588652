"""What a tar is packed in: where its streams begin, one layer of them in another, and what is odd about that.

Bytes may stand before the first stream, as where a script's message was sent before a download: they are told, and
the rest is read. So are two layers, as where a server compresses what is compressed; three are not read.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from backupmeta import rules
from backupmeta.archive.compression import BLOCK, PLAIN, XZ, ZSTD, Compression, identify
from backupmeta.archive.digests import Digests
from backupmeta.archive.headers import BLOCK as HEADER_BYTES
from backupmeta.archive.headers import is_header
from backupmeta.archive.limits import Limits
from backupmeta.archive.stream import Inflated, Layer
from backupmeta.errors import NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import Source
from backupmeta.words import counted


def within(outer: Inflated, compression: Compression, limits: Limits) -> Inflated:
    """Return what the streams inflate to that ``outer``, of which nothing was passed yet, inflates to."""
    outer.name = f"outer {outer.compression.name}"
    return Inflated(Layer(outer), b"", compression, limits, outer=outer)


# Of gzip the reserved flags are none; of bzip2 a block or the end follows (RFC 1952 §2.3.1; bzip2's own two magics).
_BEGINNING: Final = re.compile(
    rb"\x1f\x8b\x08[\0-\x1f]|\x28\xb5\x2f\xfd|\xfd7zXZ\0|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|ustar", re.DOTALL
)
_MAGIC_AT: Final = 257
_TRIALS: Final = 32
"""How many places in a file's first `BLOCK` are inflated to see whether its archive begins there."""

_WIDE: Final = frozenset({ZSTD, XZ})
"""What asks for a window that only a limit bounds."""

_CHECK_NONE: Final = 0
_XZ_PADDING: Final = 4
"""Zeros after an xz stream come in groups of so many (the .xz file format, §2.2)."""


def unpacked(file: EvidenceFile, block: bytes, limits: Limits, digests: Digests | None = None) -> Inflated:
    """Return what ``file`` inflates to, which begins with ``block`` and was read that far.

    Raises `NotAnArchiveError` where it is a container of another kind: a disk image, a zip archive.
    """
    compression, before = _begin(file, block, limits)
    stream = Inflated(file, block, compression, limits, digests, before=before)
    if compression is PLAIN or (inner := _inner(stream)) is None:
        return stream
    if {compression, inner} <= _WIDE:
        limits = replace(limits, window_bytes=limits.window_bytes // 2)
        stream.restart(limits)
    return within(stream, inner, limits)


def _inner(stream: Inflated) -> Compression | None:
    """Return the compression of what ``stream`` inflates to; None for a tar, or anything else."""
    stream.fill(HEADER_BYTES)
    return None if is_header(stream.buffer, 0) else identify(stream.buffer)


def _begin(file: EvidenceFile, block: bytes, limits: Limits) -> tuple[Compression, int]:
    """Return the compression, and how many bytes stand before the archive."""
    if (known := identify(block)) is not None:
        return known, 0
    if is_header(block, 0) or block.startswith(b"ustar", _MAGIC_AT):
        return PLAIN, 0
    from backupmeta.archive.identification import container

    if (foreign := container(block)) is not None:
        raise NotAnArchiveError(file.path, f"no archive: {foreign.words}", foreign.advice or None)
    if any(is_header(block, at) for at in range(HEADER_BYTES, len(block), HEADER_BYTES)):
        return PLAIN, 0  # a broken header, or more before the first one, at which a walk looks
    begin = _begins(file, block, limits)
    file.seek(len(block))  # where whoever reads on goes on
    return begin


def _begins(file: EvidenceFile, block: bytes, limits: Limits) -> tuple[Compression, int]:
    """Look for the archive's beginning in ``block``: where something inflates to a tar's header, or one stands."""
    trials = 0
    for sign in _BEGINNING.finditer(block):
        at, kind = sign.start(), identify(sign[0])
        if kind is None:
            if at > _MAGIC_AT and is_header(block, at - _MAGIC_AT):
                return PLAIN, at - _MAGIC_AT
        elif (trials := trials + 1) > _TRIALS:
            break
        elif _holds_tar(file, at, kind, limits):
            return kind, at
    return PLAIN, 0


def _holds_tar(file: EvidenceFile, at: int, kind: Compression, limits: Limits) -> bool:
    """Return whether what begins at ``at`` inflates to a tar's header, in one layer or two."""
    file.seek(at)
    stream = Inflated(file, file.read(BLOCK), kind, limits)
    if (inner := _inner(stream)) is not None:
        stream = within(stream, inner, limits)
        stream.fill(HEADER_BYTES)
    return is_header(stream.buffer, 0)


def layers(stream: Inflated) -> str:
    """Return how the archive is compressed: ``gzip``, ``zstd in gzip``."""
    inner = stream.compression.name
    return inner if stream.outer is None else f"{inner} in {stream.outer.compression.name}"


def findings(stream: Inflated, where: Source) -> Iterator[Finding]:
    """Yield what is odd about the streams, as far as they were read; ``where`` is their archive."""
    outer = stream.outer
    if outer is not None:
        yield from findings(outer, where)
        yield Finding(rules.ARCHIVE_COMPRESSED_TWICE, "", layers(stream), (where,))
    if before := stream.before:
        from backupmeta.archive.identification import stray

        detail = f"{counted(before, 'byte')}: {stray(stream.start[:before])}"
        yield Finding(rules.ARCHIVE_LEADING_BYTES, "", detail, (where._replace(offset=0),))
    layer = "" if outer is None else ", in the outer stream's content"
    for rule, detail in (*_of_zeros(stream), *_of_checks(stream)):
        yield Finding(rule, "", f"{detail}{layer}", (where,))


def _of_zeros(stream: Inflated) -> Iterator[tuple[FindingRule, str]]:
    """Yield what stands between and after the streams."""
    if count := stream.between.length:
        yield (
            rules.ARCHIVE_ZEROS_BETWEEN,
            f"{counted(count, 'byte')}, the first of them at byte {stream.between.offset}",
        )
    if trailing := stream.trailing:
        from backupmeta.archive.identification import stray

        yield (
            rules.ARCHIVE_TRAILING_BYTES,
            f"{counted(trailing, 'byte')} from byte {stream.stopped} on: {stray(stream.after)}",
        )
    elif count := stream.padding.length:
        is_refused = stream.compression is ZSTD or (stream.compression is XZ and count % _XZ_PADDING)
        detail = f"{counted(count, 'byte')} from byte {stream.padding.offset} on"
        yield rules.ARCHIVE_PADDING_REFUSED if is_refused else rules.ARCHIVE_PADDING, detail


def _of_checks(stream: Inflated) -> Iterator[tuple[FindingRule, str]]:
    """Yield which checks of xz streams tell nothing about their content."""
    if not stream.checks:
        return
    import lzma

    for check, count in sorted(stream.checks.items()):
        streams = f"{count:,} of {counted(sum(stream.checks.values()), 'stream')}"
        if check == _CHECK_NONE:
            yield rules.ARCHIVE_CHECK_NONE, streams
        elif check != lzma.CHECK_UNKNOWN and not lzma.is_check_supported(check):
            yield rules.ARCHIVE_CHECK_UNSUPPORTED, f"{streams}: check {check}"
