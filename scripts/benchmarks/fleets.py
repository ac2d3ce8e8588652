"""Invented accounts and archives to measure with, in the real writer's dialect, always the same ones.

For `bench.py`. A big archive has the head of a small one and then uploads that no longer compress, stored instead of
deflated, so that it is written as fast as the disk takes it.
"""

import random
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from writers.installatron import Entry, gzip_bytes, header, padded, record, tar, tar_bytes

KIB = 1024
MIB = 1024 * KIB
UPLOAD_BYTES = 16 * MIB
BLOCK_BYTES = 512
SEED = 20240613
BEGIN = 1_718_312_121
DAY = 86_400
DAYS = 10_000
"""After so many backups the days are the same again: a tar's header tells none beyond the year 2242."""
BACKUPS_OF_AN_INSTALL = 25
WORDS = 2_000
GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\x03"  # RFC 1952 §2.3: deflate, no name, no time, Unix

CODE = (
    "\t${} = {}_{}( ${}, '{}' );",
    "\tif ( ! empty( ${}['{}'] ) && is_{}( ${} ) ) {{",
    "\t\treturn apply_filters( '{}_{}', ${}->{} );",
    "\t}}\n",
    "\t * @param string ${} {} {} {} {} {} {}.",
    "\t * {} {} {} {} {} {} {} {} {} {} {} {} {}.",
    "\tadd_action( '{}', array( ${}, '{}_{}' ) );",
    "function {}_{}( ${}, ${} = null ) {{",
)
LISTED = (
    "wp-config.php,wp-config-local.php,index.php,license.txt,.htaccess,readme.html,wp-activate.php,wp-admin,wp-app.php,"
    "wp-blog-header.php,wp-comments-post.php,wp-config-sample.php,wp-content,wp-cron.php,wp-includes,wp-links-opml.php,"
    "wp-load.php,wp-login.php,wp-settings.php,wp-signup.php,wp-trackback.php,xmlrpc.php,wp-mail.php,.maintenance"
)
TABLES = (
    "wp_commentmeta wp_comments wp_links wp_options wp_postmeta wp_posts wp_term_relationships wp_term_taxonomy "
    "wp_termmeta wp_terms wp_usermeta wp_users"
).split()


class Backup(NamedTuple):
    """One invented backup."""

    number: int
    user: str = "exampleu"

    @property
    def id(self) -> str:
        """Its id."""
        return f"bk{self.number:023d}"

    @property
    def install(self) -> str:
        """The id of the install that it was made of."""
        return f"in{self.number // BACKUPS_OF_AN_INSTALL:023d}"

    @property
    def time(self) -> int:
        """When it was made."""
        return BEGIN + self.number % DAYS * DAY

    @property
    def title(self) -> str:
        """The install's title."""
        return f"Blog {self.number // BACKUPS_OF_AN_INSTALL} (2)"

    @property
    def archive_name(self) -> str:
        """Its archive's name; its server lives by UTC."""
        title = re.sub(r"[^A-Za-z0-9]", "-", self.title.replace("(", "").replace(")", ""))
        return f"app_example-com_{title}_{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d_%H-%M-%S}.tar.gz"

    @property
    def record(self) -> bytes:
        """Its record, of real size."""
        last = [
            ("backup-install", self.install),
            ("backup-location", "local"),
            ("backup-time", str(self.time)),
            ("backup-filename", self.archive_name),
        ]
        return record([("backup-note", ""), *site_lines(self), *last])

    @property
    def install_record(self) -> bytes:
        """Its install's record."""
        return record([*site_lines(self), ("cache-numerrors", "0"), ("cache-numwarnings", "0"), ("list-failures", "")])


def site_lines(backup: Backup) -> list[tuple[str, str]]:
    """Return the lines that a backup's and its install's record share."""
    number = backup.number // BACKUPS_OF_AN_INSTALL
    text = f"""installer=wordpress
version=6.5.4
language=en
time={BEGIN - DAY}
agent=9.1.61
owner={backup.user}
path=/home/{backup.user}/public_html/blog{number}
path-created=1
url=https://www.example.com/blog{number}
url-domain=example.com
title={backup.title}
list-files={LISTED}
list-tables={",".join(TABLES)}
list-plugins=+limit-login-attempts-reloaded/2.26.18,-akismet/5.3.6,|classic-editor/1.6.3,=hello/1.7.2
list-themes=+twentytwentyfour/1.1,-twentytwentythree/1.4
autoup=1
autoup-backup=1
autoup-plugins=custom
autoup-themes=custom
bkloc=local
autobk=0
db-host=localhost
db-type=mysql
db-name=exampleu_wp{number}
db-user=exampleu_wp{number}
db-pass=invented%{number}=;
db-prefix=wp_
cf-login=admin
cf-email=admin@example.com
cf-sitetitle={backup.title}
cf-sitetagline=
cf-twofactor=no
cf-limitloginattempts=yes
cache-tables=2211840
link-admin=wp-admin
cache-files=77844480
errcode=
cf-passwd="""
    return [(key, value) for key, _, value in (line.partition("=") for line in text.split("\n"))]


class Author:
    """Writes PHP and SQL that mean nothing and compress about 3:1, as a WordPress does."""

    def __init__(self, seed: int) -> None:
        """Begin with ``seed``; the same seed writes the same texts."""
        self._random = random.Random(seed)
        self._words = ["".join(self._random.choices("etaoinsrhldcum", k=self._length())) for _ in range(WORDS)]

    def php(self, length: int) -> bytes:
        """Return a PHP file of about ``length`` bytes."""
        return b"<?php\n" + "\n".join(self._until(length, self._line)).encode() + b"\n"

    def dump(self, length: int) -> bytes:
        """Return a dump of about ``length`` bytes (fixtures/FORMAT.md §5)."""
        tables = "".join(self._table(name, length // len(TABLES)) for name in TABLES)
        return f"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n{tables}COMMIT;\n".encode()

    def noise(self, length: int) -> bytes:
        """Return ``length`` bytes that don't compress, as a picture's."""
        return self._random.randbytes(length)

    def _length(self) -> int:
        return self._random.randint(3, 10)

    def _until(self, length: int, write: Callable[[], str]) -> Iterator[str]:
        while length > 0:
            text = write()
            length -= len(text) + 1
            yield text

    def _line(self) -> str:
        template = self._random.choice(CODE)
        return template.format(*self._random.choices(self._words, k=template.count("{}")))

    def _row(self) -> str:
        text = " ".join(self._random.choices(self._words, k=30))
        return f"({self._random.randrange(100_000)},1,'2024-06-13 20:55:21','{text}','publish','open')"

    def _table(self, name: str, length: int) -> str:
        columns = "`id` bigint(20) unsigned NOT NULL,\n  `time` datetime NOT NULL,\n  `text` longtext NOT NULL"
        rows = ",".join(self._until(length, self._row))
        create = f"DROP TABLE IF EXISTS `{name}`;\nCREATE TABLE `{name}` (\n  {columns}\n) ENGINE=InnoDB;\n"
        return f"{create}INSERT INTO `{name}` VALUES {rows};\n"  # noqa: S608 - written, not run


def small_archive(path: Path, backup: Backup, author: Author) -> None:
    """Write a backup of a few kB to ``path``."""
    files = [Entry(b"index.php", author.php(400), BEGIN), Entry(b"wp-config.php", author.php(3 * KIB), BEGIN)]
    path.write_bytes(gzip_bytes(tar_bytes([*first_members(backup, author.dump(6 * KIB)), *files])))


def megabyte_archive(path: Path) -> None:
    """Write a backup of about 1 MB, as `big_archive`'s beginning."""
    with path.open("wb") as target:
        target.writelines(gzip_stream(tar(megabyte_members()), []))


def big_archive(path: Path, length: int) -> None:
    """Write a backup of about ``length`` bytes: `megabyte_archive`'s members, then big uploads."""
    with path.open("wb") as target:
        target.writelines(gzip_stream(chain.from_iterable(map(member, megabyte_members())), uploads(length)))


def many_files_archive(path: Path, count: int) -> None:
    """Write an archive of ``count`` files of 0 to 8 KiB, 4 on average."""
    author = Author(SEED)
    text, choice = author.php(2 * MIB), random.Random(SEED)

    def entries() -> Iterator[Entry]:
        yield from first_members(Backup(0), author.dump(420 * KIB))
        for number in range(count):
            begin, length = choice.randrange(MIB), choice.randrange(8 * KIB)
            yield Entry(b"wp-content/cache/%03d/%d.php" % (number // 100, number), text[begin : begin + length], BEGIN)

    with path.open("wb") as target:
        target.writelines(gzip_stream(chain(chain.from_iterable(map(member, entries())), [bytes(1024)]), []))


def big_file_archive(path: Path, mebibytes: int) -> None:
    """Write an archive of one file of ``mebibytes`` MiB: PHP that compresses about 4:1, 16 MiB of it again and again.

    It is deflated once: after a full flush nothing refers back, so the same bytes can follow again (RFC 1951 §2).
    """
    rounds = mebibytes // 16
    text = Author(SEED).php(16 * MIB + KIB)[: 16 * MIB]
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    first = deflate.compress(header(b"error.log", rounds * len(text), BEGIN, 0o644, b"0"))
    first += deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)
    last = deflate.compress(bytes(1024)) + deflate.flush()
    digest = zlib.crc32(header(b"error.log", rounds * len(text), BEGIN, 0o644, b"0"))
    with path.open("wb") as target:
        target.write(GZIP_HEADER + first)
        for _ in range(rounds):
            target.write(again)
            digest = zlib.crc32(text, digest)
        digest, length = zlib.crc32(bytes(1024), digest), BLOCK_BYTES + rounds * len(text) + 1024
        target.write(last + digest.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little"))


def first_members(backup: Backup, dump: bytes) -> list[Entry]:
    """Return the record and the dump, which every archive begins with."""
    return [Entry(b"APP-META.INI", backup.record, backup.time), Entry(b"APP-DATA.SQL", dump, backup.time)]


def megabyte_members() -> Iterator[Entry]:
    """Yield members that compress to about 1 MB together."""
    author = Author(SEED)
    yield from first_members(Backup(0), author.dump(420 * KIB))
    yield Entry(b"wp-admin", None, BEGIN, 0o755)
    for number in range(160):
        yield Entry(b"wp-admin/page-%d.php" % number, author.php(16 * KIB), BEGIN)


def member(entry: Entry) -> Iterator[bytes]:
    """Yield the header and the content of a file or folder with a short name."""
    content = entry.content or b""
    yield header(entry.name, len(content), entry.mtime, entry.mode, b"5" if entry.content is None else b"0")
    yield padded(content)


def uploads(length: int) -> Iterator[bytes]:
    """Yield the blocks of big uploads, ``length`` bytes in all, then a tar's end."""
    picture = padded(Author(SEED).noise(UPLOAD_BYTES))
    for number in range(length // UPLOAD_BYTES):
        yield header(b"wp-content/uploads/%d.jpg" % number, UPLOAD_BYTES, BEGIN, 0o644, b"0")
        yield picture
    yield bytes(1024)


def gzip_stream(deflated: Iterable[bytes], stored: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one gzip member: its beginning deflated, the rest in stored blocks (RFC 1951 §3.2.4)."""
    deflate, store = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.compressobj(0, zlib.DEFLATED, -15)
    digest = length = 0
    yield GZIP_HEADER
    for stream, parts in ((deflate, deflated), (store, stored)):
        for part in parts:
            digest, length = zlib.crc32(part, digest), length + len(part)
            yield stream.compress(part)
        yield stream.flush(zlib.Z_SYNC_FLUSH if stream is deflate else zlib.Z_FINISH)
    yield digest.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")


def account(home: Path, count: int) -> None:
    """Make a home with ``count`` small backups, their archives and records."""
    author = Author(SEED)
    fill(home, map(Backup, range(count)), lambda path, backup: small_archive(path, backup, author))


def fill(home: Path, backups: Iterable[Backup], write: Callable[[Path, Backup], object]) -> None:
    """Make a home with ``backups``, whose archives ``write`` writes, and their records."""
    archives, records, installs = (
        home / name for name in ("application_backups", ".appdata/backups", ".appdata/current")
    )
    for folder in (archives, records, installs):
        folder.mkdir(parents=True)
    for backup in backups:
        write(archives / backup.archive_name, backup)
        (records / backup.id).write_bytes(backup.record)
        (installs / backup.install).write_bytes(backup.install_record)


class Stencil:
    """What archives have after their records: deflated once, so that a hundred thousand are written in no time.

    Behind a full flush nothing refers back, so the same bytes can follow any record (RFC 1951 §2).
    """

    def __init__(self, author: Author) -> None:
        """Let ``author`` write a dump and two files, as `small_archive` has them."""
        entries = [
            Entry(b"APP-DATA.SQL", author.dump(6 * KIB), BEGIN),
            Entry(b"index.php", author.php(400), BEGIN),
            Entry(b"wp-config.php", author.php(3 * KIB), BEGIN),
        ]
        self._rest = b"".join(tar(entries))
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._deflated = deflate.compress(self._rest) + deflate.flush()

    def write(self, path: Path, backup: Backup) -> None:
        """Write the archive of ``backup`` to ``path``: a gzip member of its own, with its own record."""
        first = b"".join(member(Entry(b"APP-META.INI", backup.record, backup.time)))
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        head = deflate.compress(first) + deflate.flush(zlib.Z_FULL_FLUSH)
        digest, length = zlib.crc32(self._rest, zlib.crc32(first)), len(first) + len(self._rest)
        end = digest.to_bytes(4, "little") + length.to_bytes(4, "little")
        path.write_bytes(GZIP_HEADER + head + self._deflated + end)


def write_fleet(folder: Path, accounts: int, backups: int) -> None:
    """Make ``accounts`` homes in ``folder``, each with so many small ``backups``."""
    stencil = Stencil(Author(SEED))
    apart = -(-backups // BACKUPS_OF_AN_INSTALL) * BACKUPS_OF_AN_INSTALL  # no install belongs to two accounts
    for number in range(accounts):
        user = f"user{number:06d}"
        own = (Backup(number * apart + place, user) for place in range(backups))
        fill(folder / user, own, stencil.write)
