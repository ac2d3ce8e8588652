"""Valid archives to mutate: every dialect of tar in every compression that backupmeta reads, made in memory."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import zstandard
from fixtures_base import BACKUP_TIME
from fixtures_containers import (
    SITE,
    SQL,
    Member,
    backup,
    file,
    folder,
    meta,
    python_tar,
    stored_gzip,
    v7_tar,
)
from installatron_writer import BLOCK, header, padded, tar_bytes

END: Final = bytes(2 * BLOCK)
SKIPPABLE: Final = b"\x5a\x2a\x4d\x18\x07\0\0\0skipped"
"""A skippable zstd frame of seven bytes (RFC 8878 §3.1.2)."""

Pack = Callable[[bytes], bytes]


class Sample(NamedTuple):
    """A valid archive.

    Attributes:
        name: what it is.
        content: its bytes.
        tar: what it inflates to; None where that isn't known.
        pack: makes the one of the other.
    """

    name: str
    content: bytes
    tar: bytes | None
    pack: Pack


# --- compressions -----------------------------------------------------------------------------------------------------


def pieces(content: bytes, count: int = 4) -> Iterator[bytes]:
    """Yield ``content`` in ``count`` pieces of the same length, nearly."""
    length = len(content) // count + 1
    return (content[at : at + length] for at in range(0, len(content), length))


def gzip_fast(content: bytes) -> bytes:
    """Return one gzip member with a name, an extra field and a comment in its header."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflate.compress(content) + deflate.flush()
    begin = b"\x1f\x8b\x08\x1c" + BACKUP_TIME.to_bytes(4, "little") + b"\0\x03\x04\0abcdsite.tar\0made by hand\0"
    return begin + deflated + zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")


def gzip_members(content: bytes) -> bytes:
    """Return several gzip members, then padding."""
    return b"".join(gzip.compress(piece, 6, mtime=BACKUP_TIME) for piece in pieces(content)) + bytes(100)


def zstd(content: bytes) -> bytes:
    """Return one zstd frame with a checksum."""
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)


def zstd_frames(content: bytes) -> bytes:
    """Return several zstd frames without their content's length, skippable ones between them."""
    frames = map(zstandard.ZstdCompressor(level=1, write_content_size=False).compress, pieces(content))
    return SKIPPABLE + SKIPPABLE.join(frames)


def xz(content: bytes) -> bytes:
    """Return one xz stream."""
    return lzma.compress(content, lzma.FORMAT_XZ, lzma.CHECK_CRC32, 0)


PACKS: Final[Mapping[str, Pack]] = {
    "plain": bytes,
    "gzip": gzip_fast,
    "gzip, stored": stored_gzip,
    "gzip members": gzip_members,
    "zstd": zstd,
    "zstd frames": zstd_frames,
    "xz": xz,
    "xz streams": lambda content: bytes(4).join(map(xz, pieces(content))),
    "bzip2": lambda content: bz2.compress(content, 1),
    "bzip2 streams": lambda content: b"".join(bz2.compress(piece, 1) for piece in pieces(content)),
}


# --- tars -------------------------------------------------------------------------------------------------------------


def pax(*records: tuple[bytes, bytes], type_: bytes = b"x") -> bytes:
    """Return a pax header of ``records``; the length of each counts all of itself."""
    content = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while length != len(line := b"%d %s=%s\n" % (length, key, value)):
            length = len(line)
        content += line
    return header(b"PaxHeaders/a", len(content), 0, 0o644, type_) + padded(content)


def plain(name: bytes, content: bytes, type_: bytes = b"0") -> bytes:
    """Return one member by hand."""
    return header(name, len(content), BACKUP_TIME, 0o644, type_) + padded(content)


def every_kind(dialect: int) -> bytes:
    """Return a tar by `tarfile` with every type of member it knows, long names, and numbers that are too large."""
    target = io.BytesIO()
    kinds = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)
    with tarfile.open(fileobj=target, mode="w", format=dialect) as tar:
        for number, kind in enumerate((tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, *kinds)):
            for name in (f"k{number}", f"{'folder/' * 20}kind-{number}"):
                one = tarfile.TarInfo(name)
                one.type, one.linkname, one.mtime, one.uname = kind, "k0" if number > 2 else "", BACKUP_TIME, "owner"  # noqa: PLR2004
                one.size = 700 if number < 3 else 0  # noqa: PLR2004 - the three types of files
                one.uid = 2_097_151 if dialect == tarfile.USTAR_FORMAT else 4_000_000_000
                tar.addfile(one, io.BytesIO(bytes([48 + number]) * 700))
    return target.getvalue()


def long_names(dialect: int) -> bytes:
    """Return a tar by `tarfile` with names and links that no header holds, and letters beyond ASCII."""
    names = ["a" * 99, "b" * 100, "c" * 101, "d/" * 2000 + "d", "größe/日本.php", "cafe\u0301", "CAF\u00c9"]
    members = [Member(name, b"x" * number, mtime=BACKUP_TIME + 0.5) for number, name in enumerate(names)]
    links = [Member("link", link="t" * 300), Member("z/../../y"), Member("l2", link="../l2"), Member("l2/within")]
    return python_tar(dialect, [*members, *links])


def old_sparse() -> bytes:
    """Return an old GNU sparse file with an extra map, and a file behind it."""
    block = bytearray(header(b"sparse", 1024, BACKUP_TIME, 0o644, b"S"))
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[482:495] = b"\1%011o\0" % 100_000
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    extra = (b"%011o\0%011o\0" % (50_000, 512)).ljust(BLOCK, b"\0")
    return bytes(block) + extra + b"s" * 1024 + plain(b"behind", b"b" * 10) + END


def pax_sparse() -> bytes:
    """Return sparse files in the three ways of GNU's pax headers."""
    size, name = (b"GNU.sparse.realsize", b"100000"), (b"GNU.sparse.name", b"sparse")
    oldest = pax((b"GNU.sparse.size", b"100000"), (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"512"))
    older = pax((b"GNU.sparse.size", b"100000"), (b"GNU.sparse.map", b"0,512"), name)
    newest = pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), name, size)
    content = b"s" * 512
    with_map = b"1\n0\n512\n".ljust(BLOCK, b"\0") + content
    return oldest + plain(b"a", content) + older + plain(b"b", content) + newest + plain(b"c", with_map) + END


def hard_links() -> bytes:
    """Return hard links that claim a size: one with its content behind it, one without."""
    claims = header(b"with", 600, BACKUP_TIME, 0o644, b"1") + padded(b"h" * 600)
    return plain(b"first", b"f") + claims + header(b"without", 600, BACKUP_TIME, 0, b"1") + plain(b"last", b"") + END


def rare() -> bytes:
    """Return a volume label, a continuation, a GNU incremental folder, a type that is none, a global pax header."""
    kinds = plain(b"label", b"", b"V") + plain(b"rest", b"r" * 600, b"M") + plain(b"names", b"Ya\0\0", b"D")
    return pax((b"uname", b"all"), type_=b"g") + kinds + plain(b"odd", b"o", b"Z") + plain(b"folder/", b"") + END


def large_dump() -> bytes:
    """Return a backup whose dump is longer than a chunk, with many small files behind it."""
    rows = b"".join(b"INSERT INTO `wp_options` VALUES ('%d','%d');\n" % (n, n * n) for n in range(3000))
    content = (SQL.content or b"").replace(b"COMMIT;\n", b"") + rows + b"COMMIT;\n"
    files = [file(b"wp-content/%d/%d.php" % (n % 7, n), b"<?php %d;\n" % n * (n % 90)) for n in range(150)]
    return tar_bytes([meta(), SQL._replace(content=content), *SITE, *files, folder(b"x" * 300)])


def odd_names() -> bytes:
    """Return names and links that mean mischief, of a length that takes time unless it is bounded."""
    here, accents = b"./" * 30_000 + b"a", b"a" + "\u0301\u0316".encode() * 15_000
    links = pax((b"linkpath", b"../" * 20_000), (b"path", b"d/" * 1000 + b"l")) + plain(b"l", b"", b"2")
    named = (pax((b"path", name)) + plain(b"n", b"") for name in (here, accents, accents.upper(), b"a\n\0\x1b[2J\xff"))
    return links + b"".join(named) + END


TARS: Final[Mapping[str, Callable[[], bytes]]] = {
    "the real writer's": backup,
    "ustar": lambda: tar_of_tarfile(tarfile.USTAR_FORMAT),
    "gnu": lambda: tar_of_tarfile(tarfile.GNU_FORMAT),
    "pax": lambda: tar_of_tarfile(tarfile.PAX_FORMAT),
    "every kind, gnu": lambda: every_kind(tarfile.GNU_FORMAT),
    "every kind, pax": lambda: every_kind(tarfile.PAX_FORMAT),
    "long names, gnu": lambda: long_names(tarfile.GNU_FORMAT),
    "long names, pax": lambda: long_names(tarfile.PAX_FORMAT),
    "v7": lambda: v7_tar([meta(), SQL, *SITE, file(b"a", b"a" * 2000)]),
    "old sparse": old_sparse,
    "pax sparse": pax_sparse,
    "hard links": hard_links,
    "rare": rare,
    "concatenated": lambda: backup() + every_kind(tarfile.USTAR_FORMAT)[: 40 * BLOCK] + bytes(512) + rare(),
    "large dump": large_dump,
    "odd names": odd_names,
}


def tar_of_tarfile(dialect: int) -> bytes:
    """Return a backup as `tarfile` writes it in its ``dialect``."""
    content = [Member(one.name.decode(), one.content or b"") for one in (meta(), SQL, *SITE)]
    global_pax = (("comment", "by hand"),) if dialect == tarfile.PAX_FORMAT else ()
    return python_tar(dialect, [*content, Member("a/link", link="../index.php")], global_pax)


# --- samples ----------------------------------------------------------------------------------------------------------


def made() -> list[Sample]:
    """Return every dialect, plain and in every compression; of long ones only some."""
    tars = {name: make() for name, make in TARS.items()}
    return [
        Sample(f"{name}, {packed}", pack(tar), tar, pack)
        for name, tar in tars.items()
        for packed, pack in PACKS.items()
        if len(tar) < 100_000 or packed in {"plain", "gzip", "zstd"}  # noqa: PLR2004 - so that most are short
    ]


def given(folder: Path) -> list[Sample]:
    """Return the files of ``folder``, in the order of their names."""
    return [of_file(path.name, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


def of_file(name: str, content: bytes) -> Sample:
    """Return the sample that a file is; what it inflates to is known for whole files only."""
    ways: tuple[tuple[bytes, Pack, Pack], ...] = (
        (b"\x1f\x8b", gzip.decompress, gzip_fast),
        (b"BZh", bz2.decompress, PACKS["bzip2"]),
        (b"\xfd7zXZ\0", lzma.decompress, xz),
    )
    for signature, inflate, pack in ways:
        if content.startswith(signature):
            try:
                return Sample(name, content, inflate(content), pack)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return Sample(name, content, None, pack)
    return Sample(name, content, None if content.startswith(b"\x28\xb5\x2f\xfd") else content, bytes)
