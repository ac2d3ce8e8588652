"""Containers that the real writer does not make: other tar dialects, other compressions, and broken ones.

What must be broken at an exact byte is written without compressing (stored blocks), so that it has the same bytes
on every machine, whatever its zlib.
"""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from fixture_cases.base import BACKUP_TIME, record
from writers.installatron import Entry, header, padded, tar_bytes

BLOCK: Final = 512
STORED: Final = 1024
GZIP_HEADER: Final = b"\x1f\x8b\x08\0" + struct.pack("<I", BACKUP_TIME) + b"\0\x03"

DUMP: Final = b"""SET AUTOCOMMIT = 0;
START TRANSACTION;
DROP TABLE IF EXISTS `wp_options`;
CREATE TABLE `wp_options` (
  `option_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `option_name` varchar(191) NOT NULL DEFAULT '',
  `option_value` longtext NOT NULL,
  PRIMARY KEY (`option_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `wp_options` VALUES ('1','siteurl','https://www.example.com/blog'),('2','blogname','My blog');
DROP TABLE IF EXISTS `wp_posts`;
CREATE TABLE `wp_posts` (
  `ID` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `post_title` text NOT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `wp_posts` VALUES ('1','Hello; world'),('2','It\\'s');
DROP TABLE IF EXISTS `wp_users`;
CREATE TABLE `wp_users` (
  `ID` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `user_login` varchar(60) NOT NULL DEFAULT '',
  `user_pass` varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `wp_users` VALUES ('1','admin','CANARY-user-pass');
COMMIT;
"""


def file(name: bytes, content: bytes) -> Entry:
    """Return a member that is a file."""
    return Entry(name, content, BACKUP_TIME)


def folder(name: bytes) -> Entry:
    """Return a member that is a directory."""
    return Entry(name, None, BACKUP_TIME, 0o755)


def meta(content: bytes | None = None) -> Entry:
    """Return the embedded record's member; the invented record, unless ``content`` is given."""
    return file(b"APP-META.INI", record() if content is None else content)


SQL: Final = file(b"APP-DATA.SQL", DUMP)
SITE: Final = (
    file(b"wp-config.php", b"<?php define('DB_PASSWORD', 'CANARY-config-pass');\n"),
    file(b"index.php", b"<?php require __DIR__ . '/wp-blog-header.php';\n"),
    folder(b"wp-content"),
    file(b"wp-content/index.php", b"<?php // Silence is golden.\n"),
)


def backup(content: bytes | None = None) -> bytes:
    """Return a backup's tar as the real writer orders it."""
    return tar_bytes([meta(content), SQL, *SITE])


def prefixed(prefix: bytes, entries: Iterable[Entry]) -> list[Entry]:
    """Return ``entries`` with ``prefix`` before their names."""
    return [entry._replace(name=prefix + entry.name) for entry in entries]


def stored_blocks(content: bytes) -> Iterator[bytes]:
    """Yield ``content`` as deflate's stored blocks of 1 KiB."""
    for at in range(0, len(content), STORED):
        block = content[at : at + STORED]
        last = at + STORED >= len(content)
        yield struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block


def stored_gzip(content: bytes) -> bytes:
    """Return ``content`` as gzip without compression."""
    trailer = struct.pack("<II", zlib.crc32(content), len(content))
    return GZIP_HEADER + b"".join(stored_blocks(content)) + trailer


def stored_offset(at: int) -> int:
    """Return where in `stored_gzip` the byte ``at`` of its content lies."""
    return len(GZIP_HEADER) + at + 5 * (at // STORED + 1)


def with_flipped_bit(content: bytes, at: int) -> bytes:
    """Return ``content`` with one bit of the byte ``at`` flipped."""
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def flipped_block(content: bytes, at: int) -> bytes:
    """Return `stored_gzip` with a bit flipped in the length of the first block that begins at or after ``at``."""
    start = -(-at // STORED) * STORED
    return with_flipped_bit(stored_gzip(content), stored_offset(start) - 4)


def raw_zstd(content: bytes) -> bytes:
    """Return ``content`` as one zstd frame of raw blocks of 1 KiB."""
    frame = b"\x28\xb5\x2f\xfd" + b"\0" + b"\0"  # no content size, no checksum; a window of 1 KiB
    for at in range(0, len(content), STORED):
        block = content[at : at + STORED]
        last = at + STORED >= len(content)
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return frame


def v7_header(name: bytes, size: int) -> bytes:
    """Return a header of the oldest tar: no magic, no type but NUL."""
    block = bytearray(header(name, size, BACKUP_TIME, 0o644, b"\0"))
    block[257:265] = bytes(8)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def v7_tar(entries: Iterable[Entry]) -> bytes:
    """Return a tar of the oldest kind: a directory is a name with a trailing slash."""
    blocks = b""
    for entry in entries:
        name, content = entry.name, entry.content
        blocks += v7_header(name + b"/", 0) if content is None else v7_header(name, len(content)) + padded(content)
    return blocks + bytes(2 * BLOCK)


class Member(NamedTuple):
    """A member for `tarfile`: what it can write and the real writer can't."""

    name: str
    content: bytes = b""
    link: str = ""
    pax: tuple[tuple[str, str], ...] = ()
    mtime: float = BACKUP_TIME


def tar_info(member: Member) -> tarfile.TarInfo:
    """Return a member's header."""
    entry = tarfile.TarInfo(member.name)
    entry.size, entry.mtime, entry.pax_headers = len(member.content), member.mtime, dict(member.pax)
    if member.link:
        entry.type, entry.linkname = tarfile.SYMTYPE, member.link
    return entry


def python_tar(dialect: int, members: Iterable[Member], global_pax: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return a tar written by `tarfile` in its ``dialect``."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=dialect, pax_headers=dict(global_pax)) as tar:
        for member in members:
            tar.addfile(tar_info(member), io.BytesIO(member.content))
    return target.getvalue()


def zip_file() -> bytes:
    """Return the backup's two first members as a zip, stored."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in (("APP-META.INI", record()), ("APP-DATA.SQL", DUMP)):
            archive.writestr(zipfile.ZipInfo(name, (2025, 3, 10, 11, 2, 0)), content)
    return target.getvalue()
