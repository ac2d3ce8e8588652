"""Valid archives to mutate: every dialect of tar in every compression that backupmeta reads, made in memory."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import zstandard
from fixture_cases.base import BACKUP_TIME
from fixture_cases.containers import (
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
from writers.installatron import BLOCK, header, padded, tar_bytes

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


def padded_streams(pack: Pack, padding: bytes) -> Pack:
    """Return what packs in several streams, ``padding`` after each."""
    return lambda content: b"".join(pack(piece) + padding for piece in pieces(content))


def streams_of_all(content: bytes) -> bytes:
    """Return a stream of each compression in a row: a program that knows one of them reads no more than the first."""
    packs: Sequence[Pack] = (gzip_fast, zstd, xz, bz2.compress)
    return b"".join(pack(piece) for pack, piece in zip(packs, pieces(content), strict=False))


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
    "gzip, padded": padded_streams(gzip_fast, bytes(512)),
    "zstd, padded": padded_streams(zstd, bytes(3)),
    "xz, padded": padded_streams(xz, bytes(5)),
    "bzip2, padded": padded_streams(bz2.compress, bytes(1)),
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
                member = tarfile.TarInfo(name)
                member.type, member.mtime, member.uname = kind, BACKUP_TIME, "owner"
                member.linkname = "k0" if number > 2 else ""  # noqa: PLR2004 - the three types of files
                member.size = 700 if number < 3 else 0  # noqa: PLR2004 - as above
                member.uid = 2_097_151 if dialect == tarfile.USTAR_FORMAT else 4_000_000_000
                tar.addfile(member, io.BytesIO(bytes([48 + number]) * 700))
    return target.getvalue()


def long_names(dialect: int) -> bytes:
    """Return a tar by `tarfile` with names and links that no header holds, and letters beyond ASCII."""
    names = ["a" * 99, "b" * 100, "c" * 101, "d/" * 2000 + "d", "größe/日本.php", "cafe\u0301", "CAF\u00c9"]
    members = [Member(name, b"x" * number, mtime=BACKUP_TIME + 0.5) for number, name in enumerate(names)]
    links = [Member("link", link="t" * 300), Member("z/../../y"), Member("l2", link="../l2"), Member("l2/within")]
    return python_tar(dialect, [*members, *links])


def old_sparse() -> bytes:
    """Return an old GNU sparse file with an extra map, and a file after it."""
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
    """Return hard links that claim a size: one with its content after it, one without."""
    claims = header(b"with", 600, BACKUP_TIME, 0o644, b"1") + padded(b"h" * 600)
    return plain(b"first", b"f") + claims + header(b"without", 600, BACKUP_TIME, 0, b"1") + plain(b"last", b"") + END


def link(name: bytes, target: bytes, kind: bytes = b"1") -> bytes:
    """Return a link by hand."""
    block = header(name, 0, BACKUP_TIME, 0o644, kind)
    block = block[:148] + b" " * 8 + block[156:157] + target[:100].ljust(100, b"\0") + block[257:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def linked() -> bytes:
    """Return hard links to what is before, after, nowhere, itself, a link, a folder, and what is replaced later on."""
    targets = (
        (b"b", b"a"),
        (b"c", b"b"),
        (b"e", b"later"),
        (b"f", b"nowhere"),
        (b"g", b"g"),
        (b"h", b"./a"),
        (b"i", b"d"),
    )
    links = b"".join(link(name, target) for name, target in targets)
    folder_ = header(b"d", 0, BACKUP_TIME, 0o755, b"5")
    record = (
        plain(b"kept.ini", b"installer=wordpress\n") + link(b"APP-META.INI", b"kept.ini") + link(b"APP-DATA.SQL", b"a")
    )
    return (
        plain(b"a", b"1" * 700)
        + folder_
        + links
        + plain(b"later", b"l")
        + plain(b"a", b"2")
        + link(b"j", b"a")
        + record
        + END
    )


def repeated() -> bytes:
    """Return members of the same names: files, folders and links that replace each other, records and dumps."""
    records = plain(b"APP-META.INI", b"installer=one\n") + plain(b"./APP-META.INI", b"installer=two\n")
    dumps = plain(b"APP-DATA.SQL", SQL.content or b"") + plain(b"APP-DATA.SQL", b"COMMIT;\n")
    others = (
        plain(b"a", b"1") + link(b"a", b"b", b"2") + plain(b"a", b"22") + plain(b"d/", b"", b"5") + plain(b"d", b"3")
    )
    return records + dumps + others + link(b"a", b"d") + plain(b"A", b"4") + plain(b"d/x", b"5") + END


def gaps() -> bytes:
    """Return members with zero blocks between them: one, two, many, and before the first one."""
    zeros = (1, 1, 2, 3, 20, 127)
    return b"".join(bytes(count * BLOCK) + plain(b"%d" % count, b"z" * count) for count in zeros) + backup()


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """Return a GNU long name, or a link's long target (``K``)."""
    return header(b"././@LongLink", len(name) + 1, 0, 0, kind) + padded(name + b"\0")


def extended() -> bytes:
    """Return members with several headers before each: of each type, in any order, empty, doubled, with odd records."""
    random, tar = Random(0), b""
    for number in range(40):
        for _ in range(random.choice((1, 1, 2, 3, 5))):
            tar += extension(random, number)
        name = b"own-%d" % number
        tar += random.choice((plain(name, b"e" * number), plain(name, b""), link(name, b"t", b"2")))
    return tar + END


def extension(random: Random, number: int) -> bytes:
    """Return one header that extends the next one."""
    kind = random.choice((b"L", b"K", b"x", b"x", b"g", b"X"))
    name = random.choice((b"one-%d" % number, b"two-%d" % number, b"folder-%d/" % number, b"", b"n" * 150, b"a\0b"))
    if kind in b"LK":
        return long_name(name, kind)
    records = [(b"path", name), (b"linkpath", name), (b"size", b"0%d" % number), (b"comment", b"c"), (b"mtime", b"1.5")]
    return pax(*random.sample(records, random.randrange(len(records))), type_=kind)


def sparse_content(version: str, name: bytes, runs: Sequence[tuple[int, int]], size: int) -> bytes:
    """Return a sparse file in one of GNU's ways: ``old``, ``0.0``, ``0.1``, ``1.0``; ``runs`` are what is stored."""
    stored = b"".join(bytes([97 + at % 26]) * length for at, (_, length) in enumerate(runs))
    numbers = [b"%d" % number for run in runs for number in run]
    if version == "old":
        return old_sparse_file(name, runs, size, stored)
    if version == "0.0":
        keys = [(b"GNU.sparse.offset", b"GNU.sparse.numbytes")[at % 2] for at in range(len(numbers))]
        return pax((b"GNU.sparse.size", b"%d" % size), *zip(keys, numbers, strict=True)) + plain(name, stored)
    named = (b"GNU.sparse.name", name)
    if version == "0.1":
        map_ = (b"GNU.sparse.map", b",".join(numbers))
        return pax((b"GNU.sparse.size", b"%d" % size), map_, named) + plain(b"GNUSparseFile.0/x", stored)
    realsize = (b"GNU.sparse.realsize", b"%d" % size)
    lines = b"".join(b"%s\n" % number for number in (b"%d" % len(runs), *numbers))
    return pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), named, realsize) + plain(
        b"GNUSparseFile.0/x", padded(lines) + stored
    )


def old_sparse_file(name: bytes, runs: Sequence[tuple[int, int]], size: int, stored: bytes) -> bytes:
    """Return a sparse file as old GNU tar writes it: four runs in its header, 21 in each block after it."""
    pairs = [b"%011o\0%011o\0" % (abs(offset), abs(length)) for offset, length in runs]
    block = bytearray(header(name, len(stored), BACKUP_TIME, 0o644, b"S"))
    block[386:482] = b"".join(pairs[:4]).ljust(96, b"\0")
    block[482:495] = (b"\1" if pairs[4:] else b"\0") + b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = [b"".join(pairs[at : at + 21]).ljust(504, b"\0") for at in range(4, len(pairs), 21)]
    maps = b"".join(entry + (b"\0" if entry is more[-1] else b"\1") + bytes(7) for entry in more)
    return bytes(block) + maps + padded(stored)


MAPS: Final[tuple[tuple[Sequence[tuple[int, int]], int], ...]] = (
    ([(0, 600)], 600),
    ([(1000, 1)], 5000),
    ([(512 * n, 7) for n in range(60)], 40_000),
    ([(100, 10), (3000, 700)], 3700),
    ([(0, 0), (800, 0)], 800),
    ([], 70_000),
    ([(5, 10), (5, 10)], 100),
    ([(50, 10), (5, 10)], 100),
    ([(0, 600)], 10),
)
"""Maps of holes, and the size of the whole file; the last three can't hold."""


def sparse_of_all_kinds() -> bytes:
    """Return sparse files in every way, also the record, the dump, and a link to one."""
    versions = ("old", "0.0", "0.1", "1.0")
    files = (
        sparse_content(version, b"%s-%d" % (version.encode(), at), runs, size)
        for version in versions
        for at, (runs, size) in enumerate(MAPS)
    )
    own = sparse_content("1.0", b"APP-META.INI", [(0, 40)], 1000) + sparse_content("old", b"APP-DATA.SQL", [(9, 1)], 50)
    return own + b"".join(files) + link(b"hard", b"1.0-2") + END


def rare() -> bytes:
    """Return a volume label, a continuation, a GNU incremental folder, a type that is none, a global pax header."""
    kinds = plain(b"label", b"", b"V") + plain(b"rest", b"r" * 600, b"M") + plain(b"names", b"Ya\0\0", b"D")
    return pax((b"uname", b"all"), type_=b"g") + kinds + plain(b"odd", b"o", b"Z") + plain(b"folder/", b"") + END


def large_dump() -> bytes:
    """Return a backup whose dump is longer than a chunk, with many small files after it."""
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
    "linked": linked,
    "repeated": repeated,
    "gaps": gaps,
    "extended": extended,
    "all sparse": sparse_of_all_kinds,
    "rare": rare,
    "concatenated": lambda: backup() + every_kind(tarfile.USTAR_FORMAT)[: 40 * BLOCK] + bytes(512) + rare(),
    "large dump": large_dump,
    "odd names": odd_names,
}


def tar_of_tarfile(dialect: int) -> bytes:
    """Return a backup as `tarfile` writes it in its ``dialect``."""
    content = [Member(entry.name.decode(), entry.content or b"") for entry in (meta(), SQL, *SITE)]
    global_pax = (("comment", "by hand"),) if dialect == tarfile.PAX_FORMAT else ()
    return python_tar(dialect, [*content, Member("a/link", link="../index.php")], global_pax)


# --- samples ----------------------------------------------------------------------------------------------------------


def made() -> list[Sample]:
    """Return every dialect, plain and in every compression; of long ones only some."""
    tars = {name: make() for name, make in TARS.items()}
    mixed = Sample("streams of all compressions", streams_of_all(tars["gaps"]), None, bytes)
    samples = [
        Sample(f"{name}, {packed}", pack(tar), tar, pack)
        for name, tar in tars.items()
        for packed, pack in PACKS.items()
        if len(tar) < 100_000 or packed in {"plain", "gzip", "zstd"}  # noqa: PLR2004 - so that most are short
    ]
    return [*samples, mixed]


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
