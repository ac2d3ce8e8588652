"""What is in a catalog, counted: as it can be counted by hand."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from backupmeta.catalog.scanning import scan
from backupmeta.catalog.summary import MOST, AccountSize, DatedBackup, Duplicates, FindingCount, Part, Summary, stats
from backupmeta.errors import CatalogError
from backupmeta.findings import Severity
from backupmeta.search import Search
from tests.catalog.snapshots import sealed
from tests.endless import ends
from tests.invented import INSTALL, TIME, Account, archive, backup_record

DAY: Final = 86_400
NOW: Final = TIME + 2 * DAY
FIRST, SECOND, THIRD, FOURTH = (f"{number:025}" for number in range(1, 5))


SIZE: Final = 50_000
MANY_INSTALLS: Final = """
WITH RECURSIVE numbers(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers LIMIT ?)
INSERT INTO all_installs (install, account, since, began, record_file, id)
SELECT 100 + value, 1, 1, 'new', 1, 'i' || value FROM numbers
"""
MANY_BACKUPS: Final = """
WITH RECURSIVE numbers(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers LIMIT ?)
INSERT INTO all_backups (backup, account, since, began, state, id, backup_install)
SELECT 100 + value, 1, 1, 'new', 'missing', 'b' || value, 'i' || value FROM numbers
"""


class Site:
    """Two accounts. The first has four backups, one without an archive, one elsewhere; the second a lone archive."""

    def __init__(self, folder: Path) -> None:
        self.catalog = folder / "catalog.sqlite"
        self.one = Account(folder / "home/one")
        self.other = Account(folder / "home/other")
        self.one.install()
        self.first = self.backup(FIRST, "app_a_Blog_2024-06-13_20-55-21.tar.gz", TIME, version="6.10")
        self.second = self.backup(SECOND, "app_a_Blog_2024-05-04_20-55-21.tar.gz", TIME - 40 * DAY, version="6.9")
        self.one.backup(THIRD, self.record("app_a_Blog_x.tar.gz", TIME - 400 * DAY, version="6.9"))
        elsewhere = {"backup_location": "ftp://h/b", "backup_install": "gone", "installer": "drupal"}
        self.one.backup(FOURTH, self.record("app_a_Blog_y.tar.gz", NOW + 1, version=None, **elsewhere))
        embedded = backup_record(installer="drupal", version="10.1", backup_time=None, backup_filename=None)
        self.lone = self.size(self.other, "app_lone.tar.gz", archive(embedded, [("big", os.urandom(9_000))]))
        self.scan()

    def record(self, name: str, time: int, **changes: str | None) -> bytes:
        return backup_record(backup_filename=name, backup_time=str(time), **changes)

    def backup(self, id_: str, name: str, time: int, version: str) -> int:
        content = self.record(name, time, version=version)
        self.one.backup(id_, content)
        return self.size(self.one, name, archive(content))

    def size(self, account: Account, name: str, content: bytes) -> int:
        (account.archives / name).write_bytes(content)
        return len(content)

    def scan(self) -> None:
        scan(str(self.catalog), Search((str(self.one.home.parent),)))

    def stats(self, now: int = NOW) -> Summary:
        return stats(str(self.catalog), now)

    def change(self, statement: str) -> None:
        with closing(sqlite3.connect(self.catalog)) as connection, connection:
            connection.execute(statement)
        sealed(self.catalog)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_how_much_there_is(site: Site) -> None:
    found = site.stats()
    assert found.now == NOW
    assert found.accounts == {"present": 2, "vanished": 0, "unreadable": 0}
    assert found.installs == 1
    assert found.backups == {"paired": 2, "missing": 1, "remote": 1, "unclaimed": 1}
    assert (found.archives, found.bytes) == (3, site.first + site.second + site.lone)


def test_the_largest_accounts_come_first(site: Site) -> None:
    assert site.stats().largest == (
        AccountSize("", str(site.other.home), 1, site.lone),
        AccountSize("", str(site.one.home), 2, site.first + site.second),
    )


def test_an_account_is_one_of_its_host(site: Site) -> None:
    site.change("UPDATE accounts SET host = 'tcp://host:1' WHERE path LIKE '%other'")
    assert [one.host for one in site.stats().largest] == ["tcp://host:1", ""]


def test_the_oldest_and_the_newest(site: Site) -> None:
    found = site.stats()
    url = "https://www.example.com/blog"
    assert found.oldest == DatedBackup("", str(site.one.home), TIME - 400 * DAY, THIRD, "wordpress", "6.9", url)
    assert found.newest == DatedBackup("", str(site.one.home), NOW + 1, FOURTH, "drupal", None, url)


def test_of_each_application(site: Site) -> None:
    assert site.stats().applications == (
        Part(("drupal",), 2, 1, site.lone),
        Part(("wordpress",), 3, 2, site.first + site.second),
    )


def test_versions_are_in_their_real_order(site: Site) -> None:
    assert site.stats().versions == (
        Part(("drupal", "10.1"), 1, 1, site.lone),
        Part(("drupal", None), 1, 0, 0),
        Part(("wordpress", "6.9"), 2, 1, site.second),
        Part(("wordpress", "6.10"), 1, 1, site.first),
    )


def test_ages(site: Site) -> None:
    assert site.stats().ages == (
        Part(("under 1 day",), 0, 0, 0),
        Part(("1 to 7 days",), 1, 1, site.first),
        Part(("8 to 30 days",), 0, 0, 0),
        Part(("31 to 90 days",), 1, 1, site.second),
        Part(("91 to 365 days",), 0, 0, 0),
        Part(("over 365 days",), 1, 0, 0),
        Part((None,), 1, 1, site.lone),
        Part(("in the future",), 1, 0, 0),
    )


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-1, "in the future"),
        (0, "under 1 day"),
        (DAY - 1, "under 1 day"),
        (DAY, "1 to 7 days"),
        (8 * DAY - 1, "1 to 7 days"),
        (8 * DAY, "8 to 30 days"),
        (31 * DAY, "31 to 90 days"),
        (91 * DAY, "91 to 365 days"),
        (366 * DAY - 1, "91 to 365 days"),
        (366 * DAY, "over 365 days"),
    ],
)
def test_where_an_age_begins(site: Site, seconds: int, age: str) -> None:
    site.change(f"DELETE FROM all_backups WHERE id IS NOT '{FIRST}'")  # noqa: S608
    assert [one.names for one in site.stats(TIME + seconds).ages if one.backups] == [(age,)]


def test_growth(site: Site) -> None:
    assert site.stats().months == (
        Part(("2023-05",), 1, 0, 0),
        Part(("2024-05",), 1, 1, site.second),
        Part(("2024-06",), 2, 1, site.first),
        Part((None,), 1, 1, site.lone),
    )


def test_orphans_are_those_whose_install_is_gone(site: Site) -> None:
    assert site.stats().orphans == Part((), 2, 1, site.lone)  # the other account has no install at all
    assert site.stats().gone_installs == 2
    (site.one.installs / INSTALL).unlink()
    site.scan()
    assert site.stats().orphans == Part((), 5, 3, site.first + site.second + site.lone)
    assert site.stats().gone_installs == 3


def test_duplicates_are_not_known_without_digests(site: Site) -> None:
    assert site.stats().duplicates is None


def test_duplicates(site: Site) -> None:
    site.change("UPDATE all_files SET sha256 = 'x', size = 100 WHERE path LIKE '%_Blog_%'")
    assert site.stats().duplicates == Duplicates(2, 1, 1, 100)
    site.change("UPDATE all_files SET sha256 = 'x', size = 100 WHERE kind = 'archive'")
    assert site.stats().duplicates == Duplicates(3, 1, 1, 100)  # the third is another account's
    site.change("UPDATE all_files SET sha256 = path WHERE kind = 'archive'")
    assert site.stats().duplicates == Duplicates(3, 0, 0, 0)


def test_findings_are_counted_the_worst_first(site: Site) -> None:
    found = site.stats().findings
    assert FindingCount("archive-missing", "warning", 1) in found
    ranks = [(list(Severity).index(Severity(one.severity)), -one.times) for one in found]
    assert ranks == sorted(ranks)
    with closing(sqlite3.connect(site.catalog)) as connection:
        assert sum(one.times for one in found) == connection.execute("SELECT count(*) FROM findings").fetchone()[0]


def test_scans(site: Site) -> None:
    site.scan()
    newest, first = site.stats().scans
    assert (newest.number, first.number) == (2, 1)
    assert newest.roots == (str(site.one.home.parent),)
    assert newest.ended is not None
    assert first.began <= newest.began <= newest.ended
    assert newest.is_whole


def test_a_scan_that_was_interrupted_is_not_whole(site: Site) -> None:
    site.change("UPDATE scans SET ended = NULL, unread = NULL")
    [one] = site.stats().scans
    assert (one.ended, one.is_whole) == (None, False)


def test_a_scan_with_a_root_that_could_not_be_read_is_not_whole(site: Site) -> None:
    site.one.home.parent.rename(site.one.home.parent.with_name("elsewhere"))
    site.scan()
    newest, _ = site.stats().scans
    assert newest.unread == (str(site.one.home.parent),)
    assert not newest.is_whole


def test_what_is_gone_is_counted_no_longer(site: Site) -> None:
    for path in (site.one.backups / THIRD, site.other.archives / "app_lone.tar.gz", site.one.installs):
        path.rename(path.with_name(".gone")) if path.is_dir() else path.unlink()
    site.scan()
    found = site.stats()
    assert (found.installs, found.archives, found.backups["missing"], found.backups["unclaimed"]) == (0, 2, 0, 0)


def test_what_is_told_is_bounded(site: Site) -> None:
    site.change(
        "WITH RECURSIVE numbers(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers LIMIT 1500)"
        " INSERT INTO all_backups (backup, account, since, began, state, application, version, backup_time)"
        " SELECT 100 + value, 1, 1, 'new', 'missing', value, value, value * 3000000 FROM numbers"
    )
    site.change(f"UPDATE all_backups SET version = '{'9' * 100_000}' WHERE archive_file IS NOT NULL")  # noqa: S608
    found = site.stats()
    assert [len(some) for some in (found.applications, found.versions, found.months)] == [MOST] * 3
    assert max(len(one.names[1] or "") for one in found.versions) == 100
    assert found.backups["missing"] == 1501


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("view", ["installs", "orphans", "gone_installs", "newest_backups"])
def test_an_account_with_very_much_takes_no_time_by_the_square(site: Site, view: str) -> None:
    with closing(sqlite3.connect(site.catalog)) as connection, connection:
        connection.execute(MANY_INSTALLS, (SIZE,))
        connection.execute(MANY_BACKUPS, (SIZE,))

    def count(size: int) -> None:
        with closing(sqlite3.connect(site.catalog)) as connection:
            rows = connection.execute(f"SELECT * FROM {view}").fetchall()  # noqa: S608 - our own names
            assert len(rows) >= (0 if view in {"orphans", "gone_installs"} else size)

    assert ends(count, SIZE)


def test_of_a_catalog_without_anything(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    scan(str(tmp_path / "catalog.sqlite"), Search((str(tmp_path / "home"),)))
    found = stats(str(tmp_path / "catalog.sqlite"), NOW)
    assert (found.archives, found.bytes, found.oldest, found.largest, found.versions) == (0, 0, None, (), ())


def test_of_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(CatalogError):
        stats(str(tmp_path / "nowhere"), NOW)
