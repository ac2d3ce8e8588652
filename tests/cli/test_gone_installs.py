"""`installs --gone`: what only backups tell of, on disk, in a catalog, in a report."""

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME, Account, Json, backup_record, run

OTHER = "o" * 25
DAY = 86_400
LATER = NAME.replace("06-13", "06-14")
MISSING = NAME.replace("06-13", "06-15")
THIRD = "b3x4kq9m2v7c8n3z5l6j0h1g2"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An account with a live install, one that is gone but for two backups and an archive, and one of another owner."""
    account = Account(tmp_path_factory.mktemp("disk") / "home/exampleu")
    account.whole()
    gone = {"backup_install": OTHER, "title": "Shop", "installer": "joomla"}
    for id_, name, time, version in ((SECOND, LATER, TIME + DAY, "5.1"), (THIRD, MISSING, TIME + 2 * DAY, "5.2")):
        content = backup_record(**gone, backup_filename=name, backup_time=str(time), version=version)
        account.backup(id_, content)
        if name != MISSING:
            account.archive(name, content)
    return account


@pytest.fixture(scope="module")
def catalog(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    folder.chmod(0o700)
    assert run("scan", account.home.parent, "-o", folder / "catalog.sqlite").code == 0
    return folder / "catalog.sqlite"


def shop(account: Account) -> Json:
    """Return what is said of the install that is gone: the newest backup's record, which has lost its archive."""
    return {
        "id": OTHER,
        "account": str(account.home),
        "application": "joomla",
        "version": "5.2",
        "url": "https://www.example.com/blog",
        "title": "Shop",
        "user": "exampleu",
        "path": "/home/exampleu/public_html/blog",
        "backups": 2,
        "first_backup_time": "2024-06-14T20:55:21+00:00",
        "last_backup_time": "2024-06-15T20:55:21+00:00",
        "last_backup": THIRD,
        "archive": None,
    }


def test_they_are_told_by_their_newest_backups(account: Account, catalog: Path) -> None:
    ran = run("installs", "--gone", "--json", account.home)
    assert (ran.code, ran.json) == (0, [shop(account)])
    assert run("installs", "--gone", "--jsonl", "--catalog", catalog).jsonl == [shop(account)]
    [row] = csv.DictReader(io.StringIO(run("installs", "--gone", "--csv", account.home).text, newline=""))
    assert row == {key: "" if value is None else str(value) for key, value in shop(account).items()}
    columns, cells = (line.split("\t") for line in run("installs", "--gone", account.home).text.splitlines())
    table = dict(zip(columns, cells, strict=True))
    assert (table["last backup (UTC)"], table["backups"], table["title"]) == ("2024-06-15 20:55:21", "2", "Shop")


def test_the_catalogs_view_and_the_report_say_the_same(account: Account, catalog: Path) -> None:
    with closing(sqlite3.connect(catalog)) as connection:
        connection.row_factory = sqlite3.Row
        [row] = map(dict, connection.execute("SELECT * FROM gone_installs"))
    assert (row["first_backup_time"], row["last_backup_time"]) == (TIME + DAY, TIME + 2 * DAY)
    same = shop(account).keys() - {"account", "first_backup_time", "last_backup_time"}
    assert {key: row[key] for key in same} == {key: shop(account)[key] for key in same}
    assert row["account_path"] == str(account.home)
    report = run("report", catalog, "--json").json
    [told] = report["gone_installs"]
    assert (told["id"], told["backups"], told["title"]) == (OTHER, 2, "Shop")
    assert (told["oldest"], told["newest"]) == (shop(account)["first_backup_time"], shop(account)["last_backup_time"])
    assert report["summary"]["gone_installs"] == 1
    assert "1 more is gone" in run("report", catalog, "--format", "markdown").text


def test_the_archive_is_where_it_lies_on_this_machine(account: Account) -> None:
    ran = run("installs", "--gone", "--json", "--until", "2024-06-14", account.home)
    assert ran.json == []  # the newest backup decides
    (account.backups / THIRD).rename(account.home / "kept")
    try:
        [gone] = run("installs", "--gone", "--json", "--until", "2024-06-14", account.home).json
    finally:
        (account.home / "kept").rename(account.backups / THIRD)
    assert (gone["archive"], gone["version"], gone["backups"]) == (str(account.archives / LATER), "5.1", 1)


def test_they_are_chosen_and_sorted_by_their_newest_backups(account: Account, tmp_path: Path) -> None:
    second = Account(tmp_path / "other")
    second.backup(BACKUP, backup_record(backup_install=INSTALL, title="Another", owner="other"))
    roots = (account.home, second.home)
    titles = {
        options: [gone["title"] for gone in run("installs", "--gone", "--jsonl", *options, *roots).jsonl]
        for options in ((), ("--sort", "title"), ("--user", "other"), ("--application", "joomla"), ("--offset", "1"))
    }
    assert list(titles.values()) == [["Shop", "Another"], ["Another", "Shop"], ["Another"], ["Shop"], ["Another"]]


def test_list_and_view_say_that_a_backups_install_is_gone(account: Account) -> None:
    rows = csv.DictReader(io.StringIO(run("list", "--csv", account.home).text, newline=""))
    assert {row["id"]: row["findings"] for row in rows} == {
        BACKUP: "",
        SECOND: "name-title-differs backup-orphaned",
        THIRD: "archive-missing backup-orphaned",
    }
    ran = run("view", SECOND, "--root", account.home, "--provenance")
    assert [finding["id"] for finding in ran.json["provenance"]["findings"]] == [
        "name-title-differs",
        "backup-orphaned",
    ]
    assert "backup-orphaned" not in ran.err  # a note


def test_in_a_folder_of_archives_nobody_knows_what_is_gone(account: Account) -> None:
    ran = run("installs", "--gone", account.archives)
    assert (ran.code, ran.err) == (0, f"backupmeta: no install is known to be gone in {account.archives}\n")


def test_an_install_whose_record_cannot_be_read_is_not_gone(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    (account.installs / INSTALL).unlink()
    assert len(run("installs", "--gone", "--jsonl", account.home).jsonl) == 1
    (account.installs / INSTALL).symlink_to("elsewhere")
    assert run("installs", "--gone", "--jsonl", account.home).jsonl == []
    account.installs.rename(account.home / "kept")
    account.installs.write_bytes(b"no folder")
    assert run("installs", "--gone", "--jsonl", account.home).jsonl == []
    assert "backup-orphaned" not in run("verify", "--json", account.home).text
    catalog = tmp_path / "case/catalog.sqlite"
    catalog.parent.mkdir(mode=0o700)
    run("scan", account.home, "-o", catalog)
    assert run("stats", catalog, "--json").json["orphans"]["backups"] == 0


@pytest.mark.parametrize("option", ["--provenance", "--show-secrets"])
def test_what_does_not_go_with_it(account: Account, option: str) -> None:
    ran = run("installs", "--gone", "--json", option, account.home)
    assert (ran.code, f"{option} does not go with --gone" in ran.err) == (2, True)
