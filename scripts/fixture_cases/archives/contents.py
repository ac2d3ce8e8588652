"""Archives looked at alone: compressions, tar dialects, where the record lies, damage, and what is no archive."""

import bz2
import lzma
import tarfile
from typing import Final

import zstandard
from fixture_cases import containers
from fixture_cases.archives.case import ArchiveCase, packed, stem_with, unreadable
from fixture_cases.base import record
from fixture_cases.containers import DUMP, SITE, SQL, Member, file, folder, meta, prefixed
from writers.installatron import tar_bytes

TAR: Final = containers.backup()
RECORD_AT: Final = containers.BLOCK
IN_RECORD: Final = RECORD_AT + 300
IN_DUMP: Final = TAR.index(b"START TRANSACTION")
DECOY: Final = file(b"wp-content/uploads/APP-META.INI", record({"title": "decoy", "db-pass": "CANARY-decoy"}))


def zstd_piped(content: bytes) -> bytes:
    """Return ``content`` as ``zstd`` writes it from a pipe: without its size."""
    stream = zstandard.ZstdCompressor(level=3).compressobj()
    return stream.compress(content) + stream.flush()


COMPRESSIONS: Final = (
    ArchiveCase("gzip", "As the real writer packs it.", packed(TAR)),
    ArchiveCase(
        "gzip-two-members",
        "Two gzip members in a row; the record goes on from the first to the second.",
        packed(TAR[:IN_RECORD]) + packed(TAR[IN_RECORD:]),
    ),
    ArchiveCase(
        "gzip-with-name",
        "Recompressed with gzip's own command: the member's header holds a file name.",
        packed(TAR)[:3] + b"\x08" + packed(TAR)[4:10] + b"blog.tar\0" + packed(TAR)[10:],
    ),
    ArchiveCase("gzip-stored", "gzip that does not compress.", containers.stored_gzip(TAR)),
    ArchiveCase("tar", "Uncompressed.", TAR, file_name=stem_with(".tar")),
    ArchiveCase(
        "zstd",
        "Recompressed with zstd.",
        zstandard.ZstdCompressor(level=3).compress(TAR),
        file_name=stem_with(".tar.zst"),
    ),
    ArchiveCase(
        "zstd-piped",
        "zstd from a pipe: its frame does not tell the size.",
        zstd_piped(TAR),
        file_name=stem_with(".tar.zst"),
    ),
    ArchiveCase("bzip2", "Recompressed with bzip2.", bz2.compress(TAR), file_name=stem_with(".tar.bz2")),
    ArchiveCase("xz", "Recompressed with xz.", lzma.compress(TAR), file_name=stem_with(".tar.xz")),
    ArchiveCase(
        "suffix-differs",
        "zstd under a name that ends with .tar.gz.",
        zstd_piped(TAR),
        ("archive-suffix-differs",),
    ),
)

PACKINGS: Final = (
    ArchiveCase(
        "leading-message",
        "A message of PHP, sent before the download.",
        b"<br />\n<b>Notice</b>:  Undefined index: id in <b>/srv/download.php</b> on line <b>12</b><br />\n"
        + packed(TAR),
        ("archive-leading-bytes",),
    ),
    ArchiveCase(
        "leading-bom-tar",
        "A byte order mark before an uncompressed tar.",
        b"\xef\xbb\xbf" + TAR,
        ("archive-leading-bytes",),
        stem_with(".tar"),
    ),
    ArchiveCase(
        "compressed-twice",
        "gzip in gzip, as a server packs what is packed.",
        packed(packed(TAR)),
        ("archive-compressed-twice",),
    ),
    ArchiveCase(
        "zeros-between-streams",
        "Zeros between two gzip members; gzip and tar stop there.",
        packed(TAR[:IN_RECORD]) + bytes(5) + packed(TAR[IN_RECORD:]),
        ("archive-zeros-between",),
    ),
    ArchiveCase(
        "padding-xz",
        "Five zeros behind an xz stream; xz itself refuses what does not come in groups of four.",
        lzma.compress(TAR) + bytes(5),
        ("archive-padding-refused",),
        stem_with(".tar.xz"),
    ),
)

META: Final = Member("APP-META.INI", record())
LONG: Final = "wp-content/" + "very-long-folder/" * 8
AFTER_RECORD: Final = (Member("APP-DATA.SQL", DUMP), Member("index.php", b"<?php\n"))

DIALECTS: Final = (
    ArchiveCase(
        "dialect-ustar", "ustar headers.", packed(containers.python_tar(tarfile.USTAR_FORMAT, [META, *AFTER_RECORD]))
    ),
    ArchiveCase(
        "dialect-v7", "The oldest headers: no magic, no types.", packed(containers.v7_tar([meta(), SQL, *SITE]))
    ),
    ArchiveCase(
        "dialect-pax",
        "pax headers before the record.",
        packed(
            containers.python_tar(
                tarfile.PAX_FORMAT,
                [META._replace(mtime=META.mtime + 0.5, pax=(("comment", "unpacked and repacked"),)), *AFTER_RECORD],
            ),
        ),
    ),
    ArchiveCase(
        "dialect-pax-global",
        "A global pax header first; it is no member.",
        packed(containers.python_tar(tarfile.PAX_FORMAT, [META, *AFTER_RECORD], (("comment", "a whole archive's"),))),
    ),
    ArchiveCase(
        "dialect-pax-path",
        "The record's name stands in its pax header only.",
        packed(
            containers.python_tar(
                tarfile.PAX_FORMAT, [META._replace(name="shortened", pax=(("path", "APP-META.INI"),)), *AFTER_RECORD]
            ),
        ),
        ("member-readings-differ",),
    ),
    ArchiveCase(
        "dialect-long-names",
        "A GNU long name and a long link before the record.",
        packed(
            containers.python_tar(
                tarfile.GNU_FORMAT,
                [Member(f"{LONG}a.txt", b"a"), Member(f"{LONG}b", link=f"{LONG}a.txt"), META, *AFTER_RECORD],
            ),
        ),
        ("record-not-first",),
    ),
    ArchiveCase(
        "dialect-pax-long-names",
        "The same with pax, and letters beyond ASCII.",
        packed(
            containers.python_tar(
                tarfile.PAX_FORMAT,
                [Member(f"{LONG}é.txt", b"a"), Member(f"{LONG}b", link=f"{LONG}é.txt"), META, *AFTER_RECORD],
            ),
        ),
        ("record-not-first",),
    ),
    ArchiveCase("dot-slash", "Names with ./ before them.", packed(tar_bytes(prefixed(b"./", [meta(), SQL, *SITE])))),
    ArchiveCase(
        "dot-slash-folder-first",
        "tar -c . puts the folder itself first.",
        packed(tar_bytes([folder(b"./"), *prefixed(b"./", [meta(), SQL, *SITE])])),
        ("record-not-first",),
    ),
    ArchiveCase(
        "names-not-utf8",
        "Latin-1 member names before and after the record.",
        packed(tar_bytes([file(b"caf\xe9.txt", b"x"), meta(), SQL, *SITE, file(b"na\xefve/\xff\xfe", b"y")])),
        ("record-not-first",),
    ),
)

PLACES: Final = (
    ArchiveCase(
        "record-after-dump",
        "The record comes after the SQL dump.",
        packed(tar_bytes([SQL, meta(), *SITE])),
        ("record-not-first",),
    ),
    ArchiveCase(
        "record-last",
        "The record comes last.",
        packed(tar_bytes([*SITE, SQL, meta()])),
        ("record-not-first",),
    ),
    ArchiveCase(
        "record-deeper",
        "Repacked one folder up: the only record lies in it.",
        packed(tar_bytes(prefixed(b"site/", [meta(), SQL, *SITE]))),
        ("record-not-at-root",),
    ),
    ArchiveCase(
        "record-deeper-in-folder",
        "The same, with the folder itself first.",
        packed(tar_bytes([folder(b"site"), *prefixed(b"site/", [meta(), SQL, *SITE])])),
        ("record-not-at-root", "record-not-first"),
    ),
    ArchiveCase(
        "record-decoy-before",
        "Another record among the site's uploads comes first: the one at the root counts.",
        packed(tar_bytes([DECOY, meta(), SQL, *SITE])),
        ("record-not-first", "record-deeper"),
    ),
    ArchiveCase(
        "record-decoy-after",
        "Another record comes later, deeper: the one at the root counts.",
        packed(tar_bytes([meta(), SQL, *SITE, DECOY])),
        ("record-deeper",),
    ),
    unreadable("record-missing", "No record at all.", packed(tar_bytes([SQL, *SITE])), "NoRecordError"),
    unreadable(
        "record-is-a-link",
        "APP-META.INI is a symbolic link: no record.",
        packed(containers.python_tar(tarfile.GNU_FORMAT, [Member("APP-META.INI", link="/etc/passwd"), *AFTER_RECORD])),
        "NoRecordError",
    ),
)

DAMAGE: Final = (
    unreadable(
        "truncated-in-record",
        "Cut off within the record.",
        containers.stored_gzip(TAR)[: containers.stored_offset(IN_RECORD)],
        "DamagedError",
    ),
    unreadable(
        "truncated-in-record-tar",
        "Cut off within the record, uncompressed.",
        TAR[:IN_RECORD],
        "DamagedError",
        stem_with(".tar"),
    ),
    unreadable(
        "truncated-in-record-zstd",
        "Cut off within the record, in zstd's second block; the decoder alone says nothing.",
        containers.raw_zstd(TAR)[:1200],
        "DamagedError",
        stem_with(".tar.zst"),
    ),
    unreadable(
        "truncated-in-first-header", "Cut off within the first header.", TAR[:300], "DamagedError", stem_with(".tar")
    ),
    ArchiveCase(
        "truncated-after-record",
        "Cut off within the dump: the record is whole, and the whole file lies in the first block that is read.",
        containers.stored_gzip(TAR)[: containers.stored_offset(IN_DUMP)],
        ("archive-truncated", "member-cut"),
    ),
    ArchiveCase(
        "truncated-after-record-tar",
        "The same, uncompressed.",
        TAR[:IN_DUMP],
        ("archive-truncated", "member-cut"),
        stem_with(".tar"),
    ),
    ArchiveCase(
        "truncated-trailer",
        "Only gzip's trailer is missing.",
        containers.stored_gzip(TAR)[:-8],
        ("archive-truncated",),
    ),
    unreadable(
        "flipped-bit-in-record",
        "A flipped bit in the deflate stream, within the record.",
        containers.flipped_block(TAR, RECORD_AT),
        "DamagedError",
    ),
    ArchiveCase(
        "flipped-bit-after-record",
        "A flipped bit in the deflate stream, after the record.",
        containers.flipped_block(TAR, IN_DUMP),
        ("archive-damaged", "member-cut"),
    ),
)

ERROR_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
SALTED: Final = b"Salted__" + bytes((at * 167 + 41) % 256 for at in range(1016))

NO_ARCHIVES: Final = (
    unreadable("not-html", "An error page, saved under the archive's name.", ERROR_PAGE, "NotAnArchiveError"),
    unreadable("not-php", "A PHP script.", b"<?php\n// CANARY-script\necho 'x';\n", "NotAnArchiveError"),
    unreadable("not-zip", "A zip with the same members.", containers.zip_file(), "NotAnArchiveError"),
    unreadable("not-encrypted", "Encrypted with openssl enc.", SALTED, "NotAnArchiveError"),
    unreadable(
        "not-lfs-pointer",
        "What Git has in a file's place until 'git lfs pull' fetches it.",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"01" * 32 + b"\nsize 23456789\n",
        "NotAnArchiveError",
    ),
    unreadable("not-zeros", "Nothing but zeros.", bytes(4096), "NotAnArchiveError"),
    unreadable("not-empty", "An empty file.", b"", "NotAnArchiveError"),
    unreadable("not-tar-in-gzip", "A gzip file that holds a bare SQL dump.", packed(DUMP), "NotAnArchiveError"),
)

CASES: Final[tuple[ArchiveCase, ...]] = (*COMPRESSIONS, *PACKINGS, *DIALECTS, *PLACES, *DAMAGE, *NO_ARCHIVES)
