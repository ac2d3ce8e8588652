"""Each single mutation of the real backup is caught by the check meant for it, and by no unrelated one.

scripts/real_backup.py FOLDER
BACKUPMETA_REAL=FOLDER pytest -m real tests/real/test_mutations_of_real_backup.py
"""

import gzip
import lzma
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import zstandard

from backupmeta.checks.policy import Verdict
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Severity
from tests.hostile import header, pax
from tests.invented import run
from tests.real import mutations as m
from tests.real.test_real_backup import FOLDER, VARIABLE

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FOLDER, reason=f"needs {VARIABLE}=FOLDER, made by 'scripts/real_backup.py FOLDER'"),
]

PASS, FAIL, UNREADABLE = Verdict.PASS, Verdict.FAIL, Verdict.UNREADABLE


class Mutation(NamedTuple):
    """What is done to the backup, and what is to come out.

    Attributes:
        caught_by: the check meant for it.
        acts: what is done.
        also: further errors and warnings that follow from it, each with the reason.
        at: the target that it is told of.
        elsewhere: by further targets, the errors and warnings there.
        verdict: of the target; None for the one that the severity of what is found makes.
    """

    caught_by: str
    acts: tuple[m.Act, ...]
    also: Mapping[str, str] = MappingProxyType({})
    at: str = m.ARCHIVE
    elsewhere: Mapping[str, set[str]] = MappingProxyType({})
    verdict: Verdict | None = None

    @property
    def told(self) -> dict[str, set[str]]:
        """The errors and warnings that are to come out, by target."""
        own = {one for one in (self.caught_by, *self.also) if FINDINGS[one].severity is not Severity.NOTE}
        return {target: ids for target, ids in {self.at: own, **self.elsewhere}.items() if ids}

    @property
    def outcome(self) -> Verdict:
        """The verdict that is to come out."""
        return self.verdict or (FAIL if self.at in self.told else PASS)


def by(caught_by: str, *acts: m.Act, **more: Any) -> Mutation:
    return Mutation(caught_by, acts, **more)


# --- is it whole? -----------------------------------------------------------------------------------------------------

Place = Callable[[m.Original], int]

CUT: Final = MappingProxyType({"member-cut": "a member is where it ends"})

EARLY: Final[dict[str, Place]] = {
    "after 4 bytes, in the gzip header": lambda _: 4,
    "after 9 bytes, in the gzip header": lambda _: 9,
    "after 12 bytes, in the first block's codes": lambda _: 12,
    "after 60 bytes, in the first block's codes": lambda _: 60,
    "in the record's header": lambda real: real.reached(200),
}


def in_dump(percent: int) -> Place:
    return lambda real: real.reached(len(real.members[0].raw) + 512 + real.truth["dump_bytes"] * percent // 100)


def in_files(part: int, parts: int) -> Place:
    return lambda real: real.reached(real.middle(part, parts))


TRUNCATED: Final[dict[str, Place]] = {
    "at the record's beginning": lambda real: real.reached(600),
    "at the record's end": lambda real: real.reached(2000),
    **{f"in the dump, behind {percent} % of it": in_dump(percent) for percent in (1, 25, 50, 90)},
    **{f"in the files, part {part + 1} of 5": in_files(part, 5) for part in range(5)},
}
ENDED: Final[dict[str, Place]] = {
    "in the last block": lambda _: -9,
    "before the trailer": lambda _: -8,
    "in the trailer, between checksum and length": lambda _: -4,
    "in the trailer, but for its last byte": lambda _: -1,
}


def inflated(old: bytes) -> bytes:
    return zlib.decompress(old, 31)


def parted(tar: bytes) -> bytes:
    """Return a tar in two gzip streams, with zeros between them."""
    half = len(tar) // 1024 * 512
    return gzip.compress(tar[:half], 1) + bytes(512) + gzip.compress(tar[half:], 1)


def xz(old: bytes, check: int) -> bytes:
    return lzma.compress(inflated(old), check=check, preset=0)


def unknown_check(stream: bytes) -> bytes:
    """Return an xz stream whose CRC-64 goes by the number of a check that is not defined (the .xz format, §2.1.1.2)."""
    flags = b"\0\x05"
    size = stream[-8:-4]
    begin, end = (struct.pack("<I", zlib.crc32(one)) for one in (flags, size + flags))
    return stream[:6] + flags + begin + stream[12:-12] + end + size + flags + stream[-2:]


WHOLE: Final = {
    **{f"cut {where}": by("archive-truncated", m.cut_at(place)) for where, place in EARLY.items()},
    **{f"cut {where}": by("archive-truncated", m.cut_at(place), also=CUT) for where, place in TRUNCATED.items()},
    **{f"cut {where}": by("archive-truncated", m.cut_at(place)) for where, place in ENDED.items()},
    "the file is empty": by("archive-unreadable", m.cut_at(lambda _: 0), verdict=UNREADABLE),
    "a bit of gzip's magic": by("archive-unreadable", m.packed(m.flipped(0)), verdict=UNREADABLE),
    "a bit of gzip's method": by("archive-damaged", m.packed(m.flipped(2))),
    "a reserved flag of gzip": by("archive-damaged", m.packed(m.flipped(3, 7))),
    "a flag of gzip: a name that is none": by("archive-damaged", m.packed(m.flipped(3, 3))),
    "the first bit of the CRC": by("archive-checksum-differs", m.packed(m.flipped(-8))),
    "the last bit of the CRC": by("archive-checksum-differs", m.packed(m.flipped(-5, 7))),
    "the first bit of the length": by("archive-checksum-differs", m.packed(m.flipped(-4))),
    "the last bit of the length": by("archive-checksum-differs", m.packed(m.flipped(-1, 7))),
    "an error page in its place": by(
        "archive-unreadable", m.packed(lambda _: b"<!DOCTYPE html><title>404</title>\n" * 50), verdict=UNREADABLE
    ),
    "bytes behind the stream": by("archive-trailing-bytes", m.packed(lambda old: old + b"<!-- cached -->")),
    "zeros behind the stream": by("archive-padding", m.packed(lambda old: old + bytes(10240))),
    "the archive twice": by(
        "archive-concatenated",
        m.packed(lambda old: old + old),
        also={
            "member-name-duplicate": "every member is there twice",
            "record-several": "the record as well",
        },
    ),
    "a message before the stream": by("archive-leading-bytes", m.packed(lambda old: b"<br />\nNotice\n" + old)),
    "compressed once more": by("archive-compressed-twice", m.packed(lambda old: gzip.compress(old, 1))),
    "zeros between two streams": by("archive-zeros-between", m.packed(lambda old: parted(inflated(old)))),
    "zeros behind a stream of zstd": by(
        "archive-padding-refused", m.packed(lambda old: zstandard.compress(inflated(old), 1) + bytes(5))
    ),
    "compressed by xz, without a check": by("archive-check-none", m.packed(lambda old: xz(old, lzma.CHECK_NONE))),
    "compressed by xz, with a check that nobody knows": by(
        "archive-check-unsupported", m.packed(lambda old: unknown_check(xz(old, lzma.CHECK_CRC64)))
    ),
    "compressed by zstd, under its old name": by(
        "archive-suffix-differs", m.packed(lambda old: zstandard.compress(gzip.decompress(old), 1))
    ),
    "not compressed, under its old name": by("archive-suffix-differs", m.packed(gzip.decompress)),
    "a bit in a member's name": by("archive-header-damaged", m.raw(m.LEAF, m.flipped(3))),
    "a bit in a member's size": by("archive-header-damaged", m.raw(m.LEAF, m.flipped(130))),
    "a bit in a member's checksum": by("archive-header-damaged", m.raw(m.LEAF, m.flipped(150))),
    "a bit in the record's header": by("archive-header-damaged", m.raw(m.RECORD, m.flipped(3))),
    "a bit in the dump's header": by("archive-header-damaged", m.raw(m.DUMP, m.flipped(3))),
    "a bit in the version file's header": by("archive-header-damaged", m.raw(m.VERSION, m.flipped(3))),
    "the tar was cut in a member": by(
        "member-cut", m.tar_cut(m.VERSION, 700), also={"archive-truncated": "the member is where it ends"}
    ),
    "the tar was cut in a header": by("archive-truncated", m.tar_cut(m.VERSION, 100)),
    "no end mark": by("archive-no-end", m.ended(b"")),
    "half an end mark": by("archive-no-end", m.ended(bytes(512))),
    "a block of zeros between two members": by("archive-zero-gap", m.before(m.LEAF, bytes(512))),
    "an end mark between two members": by("archive-concatenated", m.before(m.LEAF, m.END)),
    "text behind the end mark": by("archive-trailing-content", m.ended(m.END + b"text".ljust(512, b"."))),
    "a member continued from another volume": by("archive-multi-volume", m.field_of(m.LEAF, 156, b"M")),
    "a member of an exabyte": by(
        "member-oversized",
        m.field_of(m.LEAF, 124, b"\x80\0\0\0\x10" + bytes(7)),
        also={"archive-header-damaged": "such a header is given up, and none is where the next should be"},
    ),
    "an owner that is no number": by("member-number", m.field_of(m.LEAF, 108, b"wwwdata\0")),
    "pax records that are none": by(
        "member-pax-malformed", m.before(m.LEAF, header(b"PaxHeaders/x", 30, b"x") + b"no pax record".ljust(512, b"\0"))
    ),
    "a map of holes that ends beyond its file": by(
        "member-sparse-map", m.before(m.LEAF, pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.map", b"20,5")]))
    ),
    "a hard link to nothing": by("member-link-unresolved", m.adding_special("wp-content/a", b"1", "nothing")),
    "somebody writes to it": by("archive-growing", m.attributes(is_written=True), verdict=Verdict.NOT_JUDGED),
    "truncated, and written to just now": by(
        "archive-recent",
        m.cut_at(lambda _: -9),
        lambda site: setattr(site, "written", site.now - 5),
        also={"archive-truncated": "what is there of it"},
    ),
    "it may not be read": by("archive-unreadable", m.forbidden(lambda site: site.archive), verdict=UNREADABLE),
    "somebody else's tar beside it": by(
        "archive-foreign",
        m.beside("application_backups/photos.tar.gz", gzip.compress(header(b"photo.jpg") + m.END)),
        at="cafezw/application_backups/photos.tar.gz",
        verdict=Verdict.NOT_JUDGED,
    ),
    "a tar beside it that nobody says to be a backup": by(
        "archive-not-judged",
        m.beside("application_backups/f0100.gz", gzip.compress(header(b"photo.jpg") + m.END)),
        at="cafezw/application_backups/f0100.gz",
        verdict=Verdict.NOT_JUDGED,
    ),
    "what a Mac put beside it": by(
        "archives-not-read",
        m.beside("application_backups/._app_a.tar.gz", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ".ljust(163, b"\0")),
        at=m.HOME,
    ),
}

# --- is it safe to unpack? --------------------------------------------------------------------------------------------

PLACE: Final = "wp-content/cache"

SAFE: Final = {
    "more members than allowed": by("limit-exceeded", m.bounded(members=1000)),
    "inflates to more than allowed": by("limit-exceeded", m.bounded(inflated_bytes=10_000_000)),
    "a record of two megabytes": by("limit-exceeded", m.embedded(m.line("backup-note", "x" * 2_000_000))),
    "more names than are compared": by("names-not-compared", m.bounded(names=100)),
    "two pax headers before a file": by(
        "member-readings-differ",
        m.before(m.LEAF, pax([(b"path", b"wp-content/other.php")]) + pax([(b"path", m.LEAF.encode())])),
    ),
    "a name that leads out in the first of two pax headers": by(
        "member-name-escapes",
        m.before(m.LEAF, pax([(b"path", b"../../job.php")]) + pax([(b"path", m.LEAF.encode())])),
        also={"member-readings-differ": "programs take either"},
    ),
    "a pax header with no member after it": by("member-extension-stray", m.ended(pax([(b"path", b"x")]) + m.END)),
    "names separated by backslashes": by("member-names-backslash", m.renamed(lambda name: name.replace("/", "\\"))),
    "a member without a name": by("member-name-empty", m.adding("")),
    "an absolute name": by("member-name-absolute", m.adding("/etc/cron.d/job")),
    "a name that leads out": by("member-name-escapes", m.adding("../../.ssh/authorized_keys")),
    "a name that leads out on a detour": by("member-name-escapes", m.adding(f"{PLACE}/../../../job.php")),
    "a line break in a name": by("member-name-control", m.adding(f"{PLACE}/a\nb.php")),
    "a name that is not UTF-8": by("member-name-not-utf8", m.adding(b"wp-content/cache/caf\xe9.txt")),
    "a file twice": by("member-name-duplicate", m.adding(m.LEAF)),
    "a name in capitals as well": by("member-name-collides", m.adding(m.LEAF.replace("post", "POST"))),
    "a name in two forms of Unicode": by(
        "member-name-collides", m.adding(f"{PLACE}/caf\u00e9.txt"), m.adding(f"{PLACE}/cafe\u0301.txt")
    ),
    "a link to a system file": by("member-link-escapes", m.adding_special(f"{PLACE}/a", b"2", "/etc/passwd")),
    "a link that climbs out": by("member-link-escapes", m.adding_special(f"{PLACE}/a", b"2", "../../../../.my.cnf")),
    "a hard link to a system file": by("member-link-escapes", m.adding_special(f"{PLACE}/a", b"1", "/etc/passwd")),
    "a link that climbs out through another": by(
        "member-link-escapes",
        m.adding_special(f"{PLACE}/up", b"2", "../.."),
        m.adding_special(f"{PLACE}/a", b"2", "up/../.my.cnf"),
    ),
    "a hard link to a link from further down": by(
        "member-link-escapes",
        m.adding_special(f"{PLACE}/a", b"2", "../../.my.cnf"),
        m.adding_special("wp-content/a", b"1", f"{PLACE}/a"),
    ),
    "a link to nothing": by("member-link-unfollowed", m.adding_special(f"{PLACE}/a", b"2")),
    "a link to itself": by("member-link-cyclic", m.adding_special(f"{PLACE}/a", b"2", "a")),
    "two links to each other": by(
        "member-link-cyclic",
        m.adding_special(f"{PLACE}/a", b"2", "b"),
        m.adding_special(f"{PLACE}/b", b"2", "a"),
    ),
    "a file through a link": by(
        "member-through-link", m.adding_special(PLACE, b"2", "uploads"), m.adding(f"{PLACE}/page.php")
    ),
    "a character device": by("member-device", m.adding_special(f"{PLACE}/null", b"3")),
    "a block device": by("member-device", m.adding_special(f"{PLACE}/disk", b"4")),
    "a FIFO": by("member-device", m.adding_special(f"{PLACE}/pipe", b"6")),
    "a file with its owner's rights": by("member-setuid", m.adding(f"{PLACE}/run", mode=0o4755)),
    "a file with its group's rights": by("member-setuid", m.adding(f"{PLACE}/run", mode=0o2755)),
}

# --- record, name and clock -------------------------------------------------------------------------------------------

YEAR: Final = 365 * m.DAY
LONG_AGO: Final = 1262347200  # 2010-01-01 12:00:00 UTC
TITLE: Final = "Caf---Zw--lf---50---2"

RECORD: Final = {
    "no record anywhere": by("record-missing", m.without(m.RECORD), m.gone(lambda site: site.record)),
    "no record in the archive": by("record-not-embedded", m.without(m.RECORD)),
    "the account's record may not be read": by(
        "record-unreadable", m.forbidden(lambda site: site.record), at=m.HOME, verdict=UNREADABLE
    ),
    "the account's record is empty": by(
        "record-empty",
        m.on_disk(lambda _: b""),
        also={"archive-missing": "it names none"},
        at=m.HOME,
    ),
    "the embedded record is empty": by("record-empty", m.embedded(lambda _: b"")),
    "a byte order mark": by("record-bom", m.embedded(lambda old: b"\xef\xbb\xbf" + old)),
    "lines of Windows": by("record-crlf", m.embedded(lambda old: old.replace(b"\n", b"\r\n"))),
    "a NUL in a value": by("record-nul", m.lines(backup_note="before\0the update")),
    "a line that is none": by("record-no-equals", m.records(lambda old: old + b"\nby hand")),
    "a key twice": by("record-duplicate-key", m.records(lambda old: b"language=en\n" + old)),
    "a key that nobody knows": by("record-unknown-key", m.records(lambda old: b"weather=fine\n" + old)),
    "no path": by("record-key-missing", m.lines(path=None)),
    "no installer": by("record-key-missing", m.lines(installer=None)),
    "no owner": by("record-key-missing", m.lines(owner=None)),
    "no title": by("record-key-missing", m.lines(title=None)),
    "no time of the backup": by("record-key-missing", m.lines(backup_time=None)),
    "no version": by("record-key-missing", m.lines(version=None)),
    "a file that is no record": by("record-name-malformed", m.beside(".appdata/backups/README.txt", b"?"), at=m.HOME),
    "an install's id that is none": by("record-id-malformed", m.lines(backup_install="The Install!")),
    "the password that any record holds": by("record-holds-secrets"),
    "the record behind the dump": by("record-not-first", m.moved(m.RECORD, 1)),
    "the record in a folder": by(
        "record-not-at-root", m.renamed(lambda name: f"wp-content/{name}" if name == m.RECORD else name)
    ),
    "a second record in a folder": by("record-deeper", m.adding(f"wp-content/{m.RECORD}", b"installer=joomla")),
    "a second record at the root": by(
        "record-several",
        m.adding(m.RECORD, b"installer=joomla"),
        also={"member-name-duplicate": "it has the name of the first"},
    ),
    "a value in Latin-1": by("value-not-utf8", m.lines(cf_sitetagline=b"Kuchen; B\xfccher")),
    "a size that is no number": by("value-undecodable", m.lines(cache_files="65 MB")),
    "a custom field named as the server's": by("field-collision", m.lines(cf_version="7")),
    "edited on disk: language": by("sources-disagree", m.on_disk(m.line("language", "de"))),
    "edited on disk: administrator": by("sources-disagree", m.on_disk(m.line("cf-login", "intruder"))),
    "edited in the archive: version": by("sources-disagree", m.embedded(m.line("version", "4.9.1"))),
    "edited in the archive: title": by("sources-disagree", m.embedded(m.line("title", "Another"))),
    "edited in the archive: tables": by("sources-disagree", m.embedded(m.line("list-tables", "kz4_posts,kz4_users"))),
    "edited in the archive: database's user": by("sources-disagree", m.embedded(m.line("db-user", "root"))),
    "a bit in the embedded record": by(
        "sources-disagree", m.raw(m.RECORD, lambda old: m.flipped(old.index(b"version=") + 8)(old))
    ),
    "the names of two archives swapped": by(
        "sources-disagree", m.second, m.swapped, elsewhere={m.SECOND: {"sources-disagree"}}
    ),
    "only the archive is left": by(
        "id-from-install", m.gone(lambda site: site.record), m.gone(lambda site: site.install)
    ),
    "records of the backup's own lines alone": by(
        "live-value-used",
        m.records(lambda old: b"\n".join(one for one in old.split(b"\n") if one.startswith(b"backup-"))),
        also={"record-key-missing": "the other lines have them"},
    ),
    "made in ten years": by("time-in-future", m.dated(10 * YEAR)),
    "updated in ten years": by(
        "time-in-future",
        lambda site: m.lines(time_updated=str(site.real.moment + 10 * YEAR))(site),
        also={"time-out-of-order": "it is then older than the install's update"},
    ),
    "made before its WordPress was": by("time-before-release", lambda site: m.dated(LONG_AGO - site.real.moment)(site)),
    "older than its install": by(
        "time-out-of-order",
        lambda site: m.lines(time=str(site.real.moment + 600))(site),
        lambda site: m.installed(time=str(site.real.moment + 600))(site),
    ),
    "renamed: another title": by(
        "archive-renamed",
        m.named(lambda name: name.replace(TITLE, "Another")),
        also={"name-title-differs": "the new name has another title"},
    ),
    "renamed: another host": by(
        "archive-renamed",
        m.named(lambda name: name.replace("cafe-zwoelf-example", "example-com")),
        also={"name-host-differs": "the new name has another host"},
    ),
    "renamed: seconds later": by(
        "archive-renamed",
        lambda site: setattr(site, "archive", f"application_backups/{site.name_at(site.real.moment + 77)}"),
        also={"name-time-differs": "the new name has another time"},
    ),
    "renamed: a copy's": by(
        "archive-renamed",
        m.named(lambda name: name.replace(".tar.gz", " (1).tar.gz")),
    ),
    "renamed: freely": by("name-unconventional", m.named(lambda _: "blog.tar.gz"), also={"archive-renamed": "it was"}),
    "another url in the records": by("name-host-differs", m.lines(url="https://www.example.com/blog")),
    "another title in the records": by("name-title-differs", m.lines(title="Another")),
    "another time in the records": by("name-time-differs", m.shifted(100)),
    "an offset that nobody uses": by("name-offset-unused", m.shifted(m.HOUR // 4)),
    "in the hour that comes twice": by(
        "zone-ambiguous",
        m.attributes(zone=ZoneInfo("Europe/Berlin")),
        m.named(lambda name: name[:-26] + "2025-10-26_02-30-00.tar.gz"),
        m.installed(time="1700000000"),
        lambda site: m.lines(backup_time=None, time="1700000000", backup_filename=site.archive.partition("/")[2])(site),
        also={"record-key-missing": "where it is there, no zone is needed"},
    ),
    "kept where the policy allows none": by("location-not-allowed", m.asking(locations=("s3://",))),
}

# --- do the witnesses of one moment agree? ----------------------------------------------------------------------------

SHELL: Final = "wp-content/uploads/cache.php"

WITNESSES: Final = {
    "repacked with a webshell three days later": by(
        "archive-altered", m.adding(SHELL, after=3 * m.DAY), m.written(3 * m.DAY + 60)
    ),
    "repacked, and compressed later": by(
        "archive-altered",
        m.adding(SHELL, after=3 * m.DAY),
        m.packed(lambda old: old[:4] + struct.pack("<I", m.original().moment + 4 * m.DAY) + old[8:]),
    ),
    "repacked, and the file's time put back": by("member-younger", m.adding(SHELL, after=3 * m.DAY)),
    "a better forgery: another version, one file's time forgotten": by(
        "archive-altered",
        m.adding(SHELL, after=3 * m.DAY),
        m.edited(m.VERSION, r"\$wp_version = '[0-9.]+'", "$wp_version = '6.0.1'"),
        also={"application-version-differs": "contents that contradict the record are the second sign"},
    ),
    "a server whose clock was a month late, of a site that was copied": by(
        "members-in-future", m.touched, m.dated(-30 * m.DAY), m.written(60 - 30 * m.DAY)
    ),
    "a server whose clock was a month late": by("member-younger", m.dated(-30 * m.DAY), m.written(60 - 30 * m.DAY)),
    "the account was renamed, and its archive keeps the old name": by(
        "record-rewritten", m.embedded(m.line("owner", "formerly")), m.embedded(m.line("path", "/home/formerly/web"))
    ),
}

# --- contents against the record --------------------------------------------------------------------------------------

LINKS: Final = r"DROP TABLE IF EXISTS `kz4_links`;\nCREATE TABLE `kz4_links` \((?s:.*?);\n(?=DROP)"
SPAM: Final = f"INSERT INTO `kz4_links` VALUES ({'1,' * 3_000_000}1);\n"  # noqa: S608 - no query
EXTRA: Final = r"DROP TABLE IF EXISTS `kz4_spam`;\nCREATE TABLE `kz4_spam` (\n  `id` int\n) ENGINE=InnoDB;\n"

CONTENTS: Final = {
    **{f"no {name}": by("file-missing", m.without(name)) for name in ("wp-settings.php", "index.php", "wp-admin")},
    "no configuration": by("file-missing", m.without(m.CONFIG)),
    "no wp-includes": by(
        "file-missing",
        m.without("wp-includes"),
        also={"application-not-found": "its version.php", "files-size-differs": "most of the bytes are in it"},
    ),
    "no wp-content": by("file-missing", m.without("wp-content")),
    "not the file of the policy": by("file-missing", m.asking(files=("wp-content/db.php",))),
    "a file of nobody's": by("file-unlisted", m.adding("shell.php")),
    "a folder of nobody's": by("file-unlisted", m.adding("old/index.php")),
    "an excluded file": by("file-excluded", m.lines(list_exclude_files="readme.html")),
    "no dump": by("dump-missing", m.without(m.DUMP)),
    "an empty dump": by(
        "dump-empty",
        lambda site: site.put(m.DUMP, b""),
        also={"tables-size-differs": "there is nothing of what the record counts"},
    ),
    "a dump without tables": by(
        "tables-unknown",
        lambda site: site.put(m.DUMP, b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\nSELECT 1;\nCOMMIT;\n"),
        also={"tables-size-differs": "there is nothing of what the record counts"},
    ),
    "a program's message before the dump": by(
        "dump-not-sql", m.edited(m.DUMP, r"\A", "mysqldump: [Warning] careful\n")
    ),
    "NUL bytes behind the dump": by("dump-padded", lambda site: site.put(m.DUMP, site.content(m.DUMP) + bytes(400))),
    "a dump as before 2021": by(
        "dump-end-unknown",
        m.edited(m.DUMP, r"\ASET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n"),
        m.edited(m.DUMP, r"COMMIT;\s*\Z"),
    ),
    "no rows of users": by("table-empty", m.edited(m.DUMP, r"(?m)^INSERT INTO `kz4_users` [^\n]*\n")),
    "the dump without its COMMIT": by("dump-incomplete", m.edited(m.DUMP, r"COMMIT;\s*\Z")),
    "the dump cut in its last view": by("dump-incomplete", m.edited(m.DUMP, r" AS select (?s:.*)\Z")),
    "the dump cut in its last rows": by("dump-incomplete", m.edited(m.DUMP, r"'zwoelf-admin',(?s:.*)\Z")),
    "the dump cut between two tables": by(
        "dump-incomplete", m.edited(m.DUMP, r"DROP TABLE IF EXISTS `kz4_users`(?s:.*)\Z")
    ),
    "the dump cut in its middle": by("dump-incomplete", lambda site: site.put(m.DUMP, site.content(m.DUMP)[:200_000])),
    "a table less in the dump": by("table-missing", m.edited(m.DUMP, LINKS)),
    "the view not in the dump": by("table-missing", m.edited(m.DUMP, r"DROP VIEW [^\n]*\nCREATE VIEW [^\n]*\n")),
    "a table more in the records": by("table-missing", lambda site: m.lines(list_tables=tables(site, "kz4_zzz"))(site)),
    "a bit in a table's name": by(
        "table-missing",
        m.edited(m.DUMP, "CREATE TABLE `kz4_links`", "CREATE TABLE `kz4_linkr`"),
        also={"table-unlisted": "the other name is on no list"},
    ),
    "not the table of the policy": by("table-missing", m.asking(tables=("{prefix}actionscheduler_logs",))),
    "a table more in the dump": by("table-unlisted", m.edited(m.DUMP, r"COMMIT;\n\Z", EXTRA + "COMMIT;\n")),
    "20,000 tables more in the dump": by(
        "tables-not-compared",
        m.edited(m.DUMP, r"COMMIT;\n\Z", "".join(f"CREATE TABLE `a{n}` (\n);\n" for n in range(20_000)) + "COMMIT;\n"),
        also={"table-unlisted": "they are on no list"},
    ),
    "a table less in the records": by(
        "table-unlisted", lambda site: m.lines(list_tables=tables(site).replace("kz4_links,", ""))(site)
    ),
    "another prefix in the records": by(
        "table-prefix-differs", m.lines(db_prefix="wp_"), also={"config-differs": "wp-config.php has the old one"}
    ),
    "another prefix in the dump": by(
        "table-prefix-differs",
        m.edited(m.DUMP, "`kz4_", "`wp_", every=True),
        also={"table-missing": "under their old names", "table-unlisted": "under their new names"},
    ),
    "files of a thousand bytes in the records": by("files-size-differs", m.lines(cache_files="1000")),
    "files of a terabyte in the records": by("files-size-differs", m.lines(cache_files=str(10**12))),
    "six million bytes more in the dump": by("tables-size-differs", m.edited(m.DUMP, "COMMIT;", f"{SPAM}COMMIT;")),
    "tables of a terabyte in the records": by("tables-size-differs", m.lines(cache_tables=str(10**12))),
}


def tables(site: m.Site, *more: str) -> str:
    """Return the value of ``list-tables``, with ``more`` tables."""
    return ",".join([*site.real.truth["tables"], *more])


# --- what a restore needs ---------------------------------------------------------------------------------------------

LONG: Final = f"INSERT INTO `kz4_links` VALUES ('{'x' * 17_000_000}');\n"  # noqa: S608 - no query

RESTORE: Final = {
    "a collation of MySQL 8": by(
        "restore-collation", m.edited(m.DUMP, r"\) ENGINE=InnoDB", r") ENGINE=InnoDB COLLATE=utf8mb4_0900_ai_ci")
    ),
    "a view of the administrator's": by(
        "restore-definer", m.edited(m.DUMP, "CREATE VIEW", "CREATE DEFINER=`root`@`localhost` VIEW")
    ),
    "the comment of the sandbox": by(
        "restore-sandbox", m.edited(m.DUMP, r"\A", r"/*M!999999\\- enable the sandbox mode */ \n")
    ),
    "a statement of 17 million bytes": by(
        "restore-packet",
        m.edited(m.DUMP, r"COMMIT;\n\Z", LONG + "COMMIT;\n"),
        also={"tables-size-differs": "it is far longer than all tables"},
    ),
    "a view before its table": by(
        "restore-view-order",
        m.edited(
            m.DUMP, "START TRANSACTION;\n", "START TRANSACTION;\nCREATE VIEW `kz4_a` AS select `ID` from `kz4_posts`;\n"
        ),
        also={"table-unlisted": "the view is on no list"},
    ),
    "the prefix in capitals in the records": by(
        "restore-name-case", m.lines(db_prefix="KZ4_"), also={"config-differs": "wp-config.php has small letters"}
    ),
}

# --- the application --------------------------------------------------------------------------------------------------

HELLO: Final = b"<?php\n/*\nPlugin Name: Hello\nVersion: 1.0\n*/\n"
STYLE: Final = b"/*\nTheme Name: Bare\nVersion: 1.0\n*/\n"
THEME: Final = m.original().truth["themes"][0]["stylesheet"] if FOLDER else ""

APPLICATION: Final = {
    "an application that nobody knows": by("application-unknown", m.lines(installer="wikiwonder")),
    "no version file": by("application-not-found", m.without(m.VERSION)),
    "another application's files": by("application-not-found", m.lines(installer="joomla")),
    "another version in version.php": by(
        "application-version-differs", m.edited(m.VERSION, r"(wp_version = ')[0-9.]+", r"\g<1>4.9.1")
    ),
    "a bit of the version in version.php": by(
        "application-version-differs", m.edited(m.VERSION, "wp_version = '6", "wp_version = '7")
    ),
    "another version in the records": by("application-version-differs", m.lines(version="4.9.1")),
    "older than the policy allows": by("version-too-old", m.version_floor("99.1")),
    "a plugin's folder is gone": by("plugin-missing", m.without(f"{m.PLUGINS}/reading-shelf")),
    "the plugins' folder is gone": by("plugin-missing", m.without(m.PLUGINS)),
    "a plugin of one file is gone": by("plugin-missing", m.without(f"{m.PLUGINS}/opening-hours.php")),
    "a plugin more in the records": by("plugin-missing", m.replaced("list-plugins=", "list-plugins=+jetpack/11.5,")),
    "a plugin more in the archive": by("plugin-unlisted", m.adding(f"{m.PLUGINS}/hello/hello.php", HELLO)),
    "another version in a plugin": by(
        "plugin-version-differs", m.edited(f"{m.PLUGINS}/reading-shelf/shelf.php", r"Version: \S+", "Version: 5.3.1")
    ),
    "another version of a plugin in the records": by(
        "plugin-version-differs", m.replaced("reading-shelf/[0-9.]+", "reading-shelf/4.2.5")
    ),
    "a theme's folder is gone": by("theme-missing", m.without(f"{m.THEMES}/{THEME}")),
    "the themes' folder is gone": by("theme-missing", m.without(m.THEMES)),
    "a theme more in the records": by("theme-missing", m.replaced("list-themes=", "list-themes=+astra/4.0,")),
    "a theme more in the archive": by("theme-unlisted", m.adding(f"{m.THEMES}/bare/style.css", STYLE)),
    "another version in a theme": by(
        "theme-version-differs", m.edited(f"{m.THEMES}/{THEME}/style.css", r"Version: \S+", "Version: 99.1")
    ),
    "another version of a theme in the records": by(
        "theme-version-differs", m.replaced(f"{THEME}/[0-9.]+", f"{THEME}/99.1")
    ),
    "a bit in wp-config.php": by("config-differs", m.edited(m.CONFIG, "'cafezw_wp1'", "'cafezw_wp0'")),
    "another database in wp-config.php": by("config-differs", m.edited(m.CONFIG, "'cafezw_wp1'", "'cafezw_shop'")),
    "another user in wp-config.php": by(
        "config-differs", m.edited(m.CONFIG, "'DB_USER', 'cafezw_wp1'", "'DB_USER', 'root'")
    ),
    "another user in a wp-config.php of a type that nobody knows": by(
        "config-differs",
        m.edited(m.CONFIG, "'DB_USER', 'cafezw_wp1'", "'DB_USER', 'root'"),
        m.field_of(m.CONFIG, 156, b"Z"),
    ),
    "another user in a wp-config.php that was appended": by(
        "config-differs",
        lambda site: m.adding(m.CONFIG, site.content(m.CONFIG).replace(b"'cafezw_wp1'", b"'root'"))(site),
        also={"member-name-duplicate": "the first one is there"},
    ),
    "another user in a wp-config.php that is a hard link": by(
        "config-differs",
        lambda site: m.adding("wp-content/c", site.content(m.CONFIG).replace(b"'cafezw_wp1'", b"'root'"))(site),
        m.adding_special(m.CONFIG, b"1", "wp-content/c"),
        also={"member-name-duplicate": "the first one is there"},
    ),
    "another prefix in wp-config.php": by("config-differs", m.edited(m.CONFIG, "'kz4_'", "'wp_'")),
    "another database in the records": by("config-differs", m.lines(db_name="cafezw_shop")),
    "another user in the records": by("config-differs", m.lines(db_user="cafezw_shop")),
}

# --- the account ------------------------------------------------------------------------------------------------------


def a_year_before(site: m.Site) -> str:
    return str(site.real.moment - YEAR)


OLDER_INSTALL: Final = {"install-time-differs": "no record of a backup says so"}
LINKED: Final = f".appdata/backups/{m.SECOND_ID}"

ACCOUNT: Final = {
    "the archive is gone": by("archive-missing", m.no_archive, at=m.HOME),
    "the archive is kept elsewhere": by(
        "archive-remote", m.no_archive, m.on_disk(m.line("backup-location", "0123456789abcdef" * 2)), at=m.HOME
    ),
    "the backup's record is gone": by("archive-without-record", m.gone(lambda site: site.record)),
    "the install's record says that it is older": by(
        "install-time-differs", lambda site: m.installed(time=a_year_before(site))(site), at=m.HOME
    ),
    "the install's record says that it lies in another account's home": by(
        "home-differs", m.installed(path="/home/somebody/public_html"), at=m.HOME
    ),
    "the install's record is gone": by("backup-orphaned", m.gone(lambda site: site.install), at=m.HOME),
    "two records of one archive": by(
        "archive-claimed-twice",
        lambda site: site.files.update({LINKED: site.files[site.record]}),
    ),
    "the archive twice, the copy in another folder": by(
        "archive-name-twice",
        m.copied(lambda site: site.copy),
        elsewhere={m.COPY: {"archive-name-twice"}, m.HOME: {"backup-duplicate"}},
    ),
    "the archive twice, the copy under another name": by(
        "backup-duplicate",
        m.copied(lambda site: site.second),
        at=m.HOME,
        elsewhere={m.SECOND: {"archive-renamed", "name-offset-unused"}},
    ),
    "a month later": by("backup-too-old", m.asking(maximum_age_days=8), m.looked_at(30 * m.DAY), at=m.HOME),
    "one backup where two are asked for": by("backups-too-few", m.asking(minimum_backups=2), at=m.HOME),
    **{
        f"a month later, with backups by {schedule}": by(
            "retention-unmet",
            m.installed(autobk=schedule),
            m.looked_at(30 * m.DAY),
            at=m.HOME,
            also={"backup-too-old": "the schedule made none since"},
        )
        for schedule in ("daily30", "dailyweeklymonthly", "weeklymonthly")
    },
    "one backup of a year, with thirty kept by the day": by(
        "retention-unmet",
        lambda site: m.installed(autobk="daily30", time=a_year_before(site))(site),
        at=m.HOME,
        also=OLDER_INSTALL,
    ),
    "one backup of a year, with two kept by the week": by(
        "retention-unmet",
        lambda site: m.installed(autobk="custom", autobk_weekly="2", time=a_year_before(site))(site),
        at=m.HOME,
        also=OLDER_INSTALL,
    ),
    "a schedule by its id": by("schedule-unknown", m.installed(autobk="0123456789abcdef" * 2), at=m.HOME),
    "records that may not be read": by(
        "folder-unreadable", m.forbidden(lambda _: ".appdata/backups"), at=m.HOME, verdict=UNREADABLE
    ),
    "a link among the records": by(
        "link-not-followed", m.making(LINKED, lambda path: path.symlink_to("/etc/passwd")), at=m.HOME
    ),
    "a link in the archive's place": by(
        "link-not-followed",
        m.no_archive,
        lambda site: m.making(f"application_backups/{site.real.archive.name}", lambda path: path.symlink_to("/x"))(
            site
        ),
        at=m.HOME,
        also={"archive-missing": "what the link hides does not exist"},
    ),
    "a FIFO among the records": by("not-a-regular-file", m.making(LINKED, os.mkfifo), at=m.HOME),
    "homes that may not be listed": by(
        "place-unreadable", m.attributes(is_image=True), m.forbidden(lambda _: ".."), at=m.IMAGE, verdict=UNREADABLE
    ),
    "a home that lies deep": by(
        "search-depth-reached", lambda site: setattr(site, "home", f"a/b/c/d/e/f/g/h/{site.home}"), at=m.ROOT
    ),
}

MUTATIONS: Final = {**WHOLE, **SAFE, **RECORD, **WITNESSES, **CONTENTS, **RESTORE, **APPLICATION, **ACCOUNT}

UNCOVERED: Final = {
    "file-named-like-id": "of view alone, which is asked for ids",
    "home-passed-over": "of archives below somebody else's records; here the home is named",
    "several-matches": "of view alone, which has to choose; verify judges all of them",
    "several-accounts": "likewise",
    "member-not-compared": "of diff alone; verify compares no two archives",
    "file-unreadable": "of diff with a folder alone; verify reads no live site",
    "catalog-altered": "of answers from a catalog alone",
}
"""Ids that no mutation brings about, and why."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_caught_by_the_check_meant_for_it_and_by_no_other(name: str) -> None:
    mutation = MUTATIONS[name]
    told = m.verify_mutated(mutation.acts)
    own = next(one for one in told if one.target == mutation.at)
    assert {one.target: one.wrong for one in told if one.wrong} == mutation.told
    assert mutation.caught_by in own.ids
    assert own.verdict == mutation.outcome
    assert m.original().truth["db_password"] not in "".join(one.text for one in told)


def lost(old: bytes) -> bytes:
    """Return ``old`` without one of its sectors."""
    return old[: len(old) // 3] + old[len(old) // 3 + 512 :]


def zeroed(old: bytes) -> bytes:
    """Return ``old`` with a page of zeros in it."""
    return old[: len(old) // 2] + bytes(4096) + old[len(old) // 2 + 4096 :]


def flipped_at(percent: int, old: bytes) -> bytes:
    return m.flipped(len(old) * percent // 100)(old)


INFLATED: Final[dict[str, Callable[[bytes], bytes]]] = {
    **{f"a bit at {part} % of it": partial(flipped_at, part) for part in (5, 15, 30, 45, 60, 75, 90, 99)},
    "a sector less": lost,
    "a page of zeros": zeroed,
}
"""What is done to the deflated bytes: what it makes of them depends on them."""


@pytest.mark.parametrize("name", INFLATED)
def test_broken_deflated_bytes_are_what_zlib_says_they_are(name: str) -> None:
    content = INFLATED[name](m.original().packed)
    own, home = m.verify_mutated([m.packed(lambda _: content)])
    if not (id_ := by_zlib(content)):
        assert (own.verdict, own.wrong) == (PASS, set())
        return
    assert (own.verdict, home.verdict) == (FAIL, PASS)
    assert id_ in own.wrong
    assert own.wrong <= {id_, "archive-header-damaged", "archive-checksum-differs", "member-cut"}


def by_zlib(content: bytes) -> str:
    """Return the finding that says the same as zlib; nothing where it inflates to the same: a copy from elsewhere."""
    inflater = zlib.decompressobj(31)
    try:
        inflater.decompress(content)
    except zlib.error as error:
        return "archive-checksum-differs" if "incorrect" in str(error) else "archive-damaged"
    return "" if inflater.eof else "archive-truncated"


HARMLESS: Final[dict[str, tuple[m.Act, ...]]] = {
    "nothing": (),
    "recompressed": (m.tar(lambda old: old),),
    "a second backup": (m.second,),
    "the live install has moved on": (m.installed(version="6.4.3", title="Another"),),
    # What nothing guards: no checksum covers these bits.
    "a bit of gzip's time": (m.packed(m.flipped(5)),),
    "a bit of gzip's extra flags": (m.packed(m.flipped(8)),),
    "a bit of gzip's system": (m.packed(m.flipped(9)),),
    "a bit of a file that nobody describes, compressed anew": (m.raw(m.LEAF, m.flipped(600)),),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_passes(name: str) -> None:
    told = m.verify_mutated(HARMLESS[name])
    assert {(one.verdict, frozenset(one.wrong)) for one in told} == {(PASS, frozenset())}


@pytest.mark.parametrize(
    ("acts", "code"), [((), 0), (CONTENTS["a table less in the dump"].acts, 1), (WHOLE["the file is empty"].acts, 2)]
)
def test_the_commands_exit_code_tells_it(acts: tuple[m.Act, ...], code: int) -> None:
    site = m.Site()
    for act in acts:
        act(site)
    with m.laid() as folder:
        ran = run("verify", site.lay(folder), "--now", str(site.now))
    assert ran.code == code, ran.text
    assert site.real.truth["db_password"] not in ran.text + ran.err


def test_each_check_has_a_mutation_or_a_reason_to_have_none() -> None:
    covered = {mutation.caught_by for mutation in MUTATIONS.values()}
    assert set(FINDINGS) - covered == set(UNCOVERED)
