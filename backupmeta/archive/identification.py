"""What a file is by its content: as a tar archive begins, what that is packed in, or what it really is instead.

Bytes may stand before the first stream, as where a script's message was sent before a download: they are told, and
the rest is read. So are two layers, as where a server compresses what is compressed; three are not read. A file that
is no archive is named by signatures of our own first, then by libmagic, which is loaded only here.
"""

import base64
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from backupmeta import rules
from backupmeta.advice import MOUNT
from backupmeta.archive.compression import BLOCK, GZIP, PLAIN, REFETCH, XZ, ZSTD, Compression, identify, open_carefully
from backupmeta.archive.digests import Digests
from backupmeta.archive.headers import BLOCK as HEADER_BYTES
from backupmeta.archive.headers import is_header
from backupmeta.archive.limits import KIB, MIB, Limits
from backupmeta.archive.stream import Inflated, Layer
from backupmeta.errors import NotAnArchiveError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import Source
from backupmeta.words import counted

_MOST: Final = MIB
"""How many bytes of a file, or of what it inflates to, a decompressor is fed, at most."""

_PIECE: Final = 4 * KIB
"""How many inflated bytes are asked for at once."""

_LAYERS: Final = 2
"""How often a file may be compressed."""

_STREAMS: Final = 16
"""How many streams are passed, at most: those that are empty, as zstd's skippable frames are."""

_MAGIC_AT: Final = 257
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
    pieces: Iterator[bytes] = iter(lambda: file.read(BLOCK), b"")
    try:
        for _ in range(_LAYERS + 1):
            block = _at_least_a_header(pieces)
            if (compression := identify(block)) is None:
                is_broken = block.startswith(b"ustar", _MAGIC_AT)
                return Beginning.TAR if is_header(block, 0) else Beginning.BROKEN if is_broken else Beginning.OTHER
            pieces = _inflated(chain([block], pieces), compression, limits)
    except _BrokenError:
        return Beginning.BROKEN
    return Beginning.OTHER


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


# --- what a tar is packed in -----------------------------------------------------------------------------------------


def within(outer: Inflated, compression: Compression, limits: Limits) -> Inflated:
    """Return what the streams inflate to that ``outer``, of which nothing was passed yet, inflates to."""
    outer.name = f"outer {outer.compression.name}"
    return Inflated(Layer(outer), b"", compression, limits)


# Of gzip the reserved flags are none; of bzip2 a block or the end follows (RFC 1952 §2.3.1; bzip2's own two magics).
_BEGINNING: Final = re.compile(
    rb"\x1f\x8b\x08[\0-\x1f]|\x28\xb5\x2f\xfd|\xfd7zXZ\0|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|ustar", re.DOTALL
)
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


# --- what is no archive -----------------------------------------------------------------------------------------------


class Foreign(NamedTuple):
    """What a file is.

    Attributes:
        words: what it is, a phrase.
        advice: what to do next, a sentence; empty where nothing better is known than to give an archive.
    """

    words: str
    advice: str = ""


_OURS: Final = "Installatron's backups are tar archives; unpack another program's by its own means"
_UNPACK: Final = "unpack it first"

_CONTAINERS: Final = (  # offset, signature, what it is
    (0, b"PK\x03\x04", Foreign("a zip archive", _OURS)),
    (0, b"PK\x05\x06", Foreign("an empty zip archive", _OURS)),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign("a 7-zip archive")),
    (0, b"Rar!\x1a\x07", Foreign("a RAR archive")),
    (0, b"!<arch>\n", Foreign("an ar archive, such as a Debian package")),
    (0, b"\x1f\x9d", Foreign("compressed by the old 'compress'")),
    (0, b"\x04\x22\x4d\x18", Foreign("compressed by lz4", f"{_UNPACK}: 'lz4 -d'")),
    (0, b"\x02\x21\x4c\x18", Foreign("compressed by lz4, in its legacy format", f"{_UNPACK}: 'lz4 -d'")),
    (0, b"LZIP", Foreign("compressed by lzip", f"{_UNPACK}: 'lzip -d'")),
    (0, b"Salted__", Foreign("encrypted (openssl enc)")),
    (0, b"age-encryption.org/", Foreign("encrypted (age)")),
    (0, b"SQLite format 3\0", Foreign("an SQLite database", "one that 'backupmeta scan' wrote goes after --catalog")),
    (0, b"EVF\x09\x0d\x0a\xff\x00", Foreign("an EnCase disk image", MOUNT)),
    (0, b"QFI\xfb", Foreign("a QEMU disk image", MOUNT)),
    (0, b"KDMV", Foreign("a VMware disk image", MOUNT)),
    (0, b"conectix", Foreign("a VHD disk image", MOUNT)),
    (0, b"vhdxfile", Foreign("a VHDX disk image", MOUNT)),
    (0, b"hsqs", Foreign("a squashfs file system", MOUNT)),
    (0, b"XFSB", Foreign("an image of an XFS file system", MOUNT)),
    (0, b"LUKS\xba\xbe", Foreign("an encrypted disk image (LUKS)")),
    (3, b"NTFS    ", Foreign("an image of an NTFS file system", MOUNT)),
    (3, b"EXFAT   ", Foreign("an image of an exFAT file system", MOUNT)),
    (54, b"FAT1", Foreign("an image of a FAT file system", MOUNT)),
    (82, b"FAT32   ", Foreign("an image of a FAT file system", MOUNT)),
    (512, b"EFI PART", Foreign("a disk image with a GPT", MOUNT)),
    (32769, b"CD001", Foreign("an ISO 9660 image", MOUNT)),
    (32769, b"BEA01", Foreign("a UDF image", MOUNT)),
)
"""What holds files of its own, which are not the archive: no tar is looked for in it."""

_TEXTS: Final = (
    (b"version https://git-lfs.github.com/spec/", Foreign("a Git LFS pointer, not the file", "run 'git lfs pull'")),
    (b"version https://hawser.github.com/spec/", Foreign("a Git LFS pointer, not the file", "run 'git lfs pull'")),
    (b"-----BEGIN AGE ENCRYPTED FILE", Foreign("encrypted (age)")),
    (b"-----BEGIN PGP MESSAGE", Foreign("encrypted (PGP)")),
    (b"<?php", Foreign("a PHP script")),
)

_HTML: Final = re.compile(rb"\s*<(?:!--|(?:!doctype|html|head|body|br|script|div|p)\b)", re.IGNORECASE)
_BOM: Final = b"\xef\xbb\xbf"
_PHP_MESSAGE: Final = re.compile(rb"\s*(<br />\s*)?(<b>)?(PHP )?(Notice|Warning|Deprecated|Fatal error|Parse error)\b")
_HTTP: Final = re.compile(rb"HTTP/[0-9.]+ [0-9]{3}\b|(?i:content-(type|disposition|length|transfer-encoding):)")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/\r\n]+={0,2}\s*")
_DATA_URI: Final = re.compile(rb"data:[a-z0-9.+/-]*;base64,")
_NAME: Final = re.compile(rb"[^\x00-\x1f\x7f<{][^\x00-\x1f\x7f]{0,99}\x00*")
_NUMBERS: Final = re.compile(rb"[0-7 ]{1,7}[\x00 ]|\x00{8}")
_SAMPLE: Final = 4096
_UNKNOWN: Final = "of an unknown kind"
_NOTHING: Final = frozenset({"data", "very short file (no magic)"})
"""What libmagic says of what it does not know."""


class _Detector(Protocol):
    def from_buffer(self, buf: bytes) -> str:
        """Return what ``buf`` is."""


def describe(block: bytes) -> Foreign:
    """Return what a file beginning with ``block`` is: ``an HTML document``; never raises."""
    if not block:
        return Foreign("empty", REFETCH)
    if not block.strip(b"\0"):
        return Foreign("nothing but zeros", "fetch it again: its content was never written")
    named = container(block) or next((what for sign, what in _TEXTS if block.startswith(sign)), None)
    return named or _as_text(block) or _lzma(block) or Foreign(_by_libmagic(block[:_SAMPLE]), _sent(block))


def _sent(block: bytes) -> str:
    """Return what to do with HTML; empty for what is none."""
    return "a web server sent it in place of the file: fetch that again" if _HTML.match(block) else ""


def container(block: bytes) -> Foreign | None:
    """Return which archive, disk image, … of another kind begins with ``block``; None where none is known."""
    known = (what for at, sign, what in _CONTAINERS if block.startswith(sign, at))
    return next(known, None) or _file_system(block)


def stray(sample: bytes) -> str:
    """Return what bytes are that stand before or after an archive: ``a message of PHP``."""
    text = sample.removeprefix(_BOM)
    if not text:
        return "a byte order mark"
    if not text.strip():
        return "blanks and line ends"
    if _PHP_MESSAGE.match(text):
        return "a message of PHP"
    if _HTTP.match(text):
        return "HTTP headers"
    return "HTML" if _HTML.match(text) else describe(sample).words


def is_torn_header(block: bytes, name: str) -> bool:
    """Return whether ``block`` begins with a tar header that is cut, or broken; ``name`` is the file's.

    Told by ustar's magic, or by a name and numbers where a header has them (POSIX.1-2017 pax); where it ends before
    them, by the name, and by the suffix of the file.
    """
    if block.startswith(b"ustar", _MAGIC_AT):
        return True
    if any(is_header(block, at) for at in range(0, len(block), HEADER_BYTES)):
        return True
    if not _NAME.fullmatch(block[:100]):
        return False
    if numbers := [block[at : at + 8] for at in (100, 108, 116) if len(block) >= at + 8]:
        return any(number.strip(b"\0 ") for number in numbers) and all(map(_NUMBERS.fullmatch, numbers))
    return name.lower().endswith(".tar") or b"\0" in block[:100]


def _file_system(block: bytes) -> Foreign | None:
    """Return which disk or file system begins with ``block``, by fields that a lone signature could not tell."""
    state, errors = (int.from_bytes(block[at : at + 2], "little") for at in (1082, 1084))
    if (
        block[1080:1082] == b"\x53\xef" and state in range(8) and errors in {1, 2, 3}
    ):  # ext4's s_magic, s_state, s_errors
        return Foreign("an image of an ext2, ext3 or ext4 file system", MOUNT)
    entries = [block[at : at + 16] for at in range(446, 510, 16)]
    if (
        block[510:512] == b"\x55\xaa"
        and all(entry[0] in {0, 0x80} for entry in entries)
        and any(entry[4] and any(entry[8:12]) and any(entry[12:]) for entry in entries)  # type, beginning, length
    ):
        return Foreign("a disk image with a partition table (MBR)", MOUNT)
    return None


_LZMA_LEAST: Final = 18
"""The bytes of the shortest stream: a header, and the range coder's first five."""


def _lzma(block: bytes) -> Foreign | None:
    """Return whether ``block`` begins with LZMA's header of 13 bytes, by what liblzma itself looks at."""
    properties, window, length = block[0], *(int.from_bytes(block[a:b], "little") for a, b in ((1, 5), (5, 13)))
    is_window = window in range(4096, 2**32) and (window.bit_count() == 1 or window == (window & -window) * 3)
    is_length = length in range(1, 2**38) or length == 2**64 - 1
    is_header = len(block) >= _LZMA_LEAST and properties in range(225) and not block[13]
    if not (is_header and is_window and is_length):
        return None
    return Foreign("compressed by LZMA alone (.lzma)", f"{_UNPACK}: 'xz --format=lzma -d'")


def _as_text(block: bytes) -> Foreign | None:
    """Return what was made into text: by base64, or by a conversion as if its bytes had been text."""
    for compression in (GZIP, ZSTD, XZ):  # the signatures of the others are ASCII
        sign = compression.signatures[0]
        if block.startswith(sign.decode("utf-8", "replace").encode()):
            return Foreign(f"a {compression.name} stream, converted as if it were text; bytes of it are lost", REFETCH)
        if block.startswith(sign.decode("latin-1").encode()):
            return Foreign(f"a {compression.name} stream, converted from Latin-1 to UTF-8 as if it were text", REFETCH)
    uri = _DATA_URI.match(block)
    text = block[uri.end() if uri else 0 :][:_SAMPLE]
    if not _BASE64.fullmatch(text):
        return None
    letters = b"".join(text.split())
    decoded = base64.b64decode(letters[: len(letters) // 4 * 4])
    known = identify(decoded)
    what = f"a {known.name} stream" if known else "a tar" if decoded.startswith(b"ustar", _MAGIC_AT) else ""
    return Foreign(f"base64 of {what}", "decode it first: 'base64 -d'") if what else None


def _by_libmagic(sample: bytes) -> str:
    if (detector := _detector()) is None:
        return _UNKNOWN
    import magic

    try:
        words = detector.from_buffer(sample)
    except magic.MagicException:
        return _UNKNOWN
    return _UNKNOWN if words in _NOTHING else words


@cache
def _detector() -> _Detector | None:
    """Return libmagic by python-magic, or None where there is none, or none with a database."""
    database = None
    try:
        import magic
    except ImportError:
        database = _load_bundled_library()
        try:
            import magic
        except ImportError:
            return None
    try:
        with _without_own_databases():
            detector: _Detector = magic.Magic(magic_file=database)
    except magic.MagicException:
        return None
    return detector


@contextmanager
def _without_own_databases() -> Iterator[None]:
    """Have libmagic take its own database: neither the one that ``MAGIC`` names, nor ``~/.magic`` (libmagic(3))."""
    taken = {name: os.environ.pop(name) for name in ("MAGIC", "HOME") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _load_bundled_library() -> str | None:
    """Load pylibmagic's library, so that python-magic finds it by its name; return the path of its database."""
    library = _bundled("libmagic.so.1" if sys.platform == "linux" else "libmagic.dylib")
    if library is None:
        return None
    try:
        import ctypes

        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError:  # built for another system
        return None
    return _bundled("magic.mgc")


def _bundled(name: str) -> str | None:
    """Return the path of a file in the package pylibmagic, without importing it."""
    spec = find_spec("pylibmagic")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / name).is_file():
            return os.fspath(path)
    return None
