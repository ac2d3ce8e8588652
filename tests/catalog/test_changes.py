"""A scan after a scan: what changed is told, what did not change is not opened, what can't be seen is not gone."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from backupmeta.catalog.accounts import Tally
from backupmeta.catalog.scan import scan
from backupmeta.library import Search
from tests.catalog.snapshots import Tables, current, differences, rows
from tests.invented import (
    BACKUP,
    INSTALL,
    NAME,
    SECOND,
    Account,
    archive,
    backup_record,
    install_record,
    run,
    unprivileged,
)

OTHER: Final = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
FOUND: Final = ("all_files", "all_installs", "all_backups", "shared", "extensions", "memories")
"""The tables that have what was found, but for what was odd."""
ALL: Final = {"ann": "present", "bob": "present", "cid": "present"}


class Fleet(NamedTuple):
    """Accounts below a root, and their catalog."""

    root: Path
    catalog: Path
    accounts: dict[str, Account]

    def add(self, name: str) -> Account:
        self.accounts[name] = Account(self.root / name).whole()
        return self.accounts[name]

    def scan(self) -> Tally:
        return scan(str(self.catalog), Search((str(self.root),)))

    def fresh(self) -> Tables:
        """Return what a new catalog of the same disk has."""
        catalog = self.catalog.with_name("fresh.sqlite")
        scan(str(catalog), Search((str(self.root),)))
        found = current(catalog)
        catalog.unlink()
        return found

    def found(self) -> Tables:
        return {name: some for name, some in rows(self.catalog).items() if name in FOUND}

    def status(self) -> dict[str, str]:
        return dict(self.asked("SELECT name, status FROM accounts"))

    def asked(self, select: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.catalog)) as connection:
            return connection.execute(select).fetchall()

    def history(self, what: str, scan: int) -> list[tuple[str, str]]:
        """Return what became of what, by the scan of this number: the change, and the file's name or the id."""
        select = f"SELECT change, path, id FROM history WHERE what = '{what}' AND scan = {scan} ORDER BY 1, 2, 3"  # noqa: S608
        return [(change, id_ or Path(path).name) for change, path, id_ in self.asked(select)]


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that everybody may read and write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def fleet(public: Path) -> Fleet:
    """Give three accounts that were scanned, each with a backup."""
    made = Fleet(public / "home", public / "catalog.sqlite", {})
    for name in ALL:
        made.add(name)
    made.scan()
    return made


class TestUnseen:
    """What can't be seen now is not gone."""

    def test_an_empty_root(self, fleet: Fleet) -> None:
        away_and_back(fleet, lambda root: root.mkdir())

    def test_no_root(self, fleet: Fleet) -> None:
        away_and_back(fleet, lambda root: None)

    def test_a_file_in_place_of_the_root(self, fleet: Fleet) -> None:
        away_and_back(fleet, lambda root: root.touch())

    def test_a_root_that_cant_be_listed(self, fleet: Fleet) -> None:
        before = fleet.found()
        assert refused(fleet, fleet.root).code == 2
        assert (fleet.found(), fleet.status()) == (before, ALL)
        assert fleet.scan().unchanged == 3

    def test_an_empty_home(self, fleet: Fleet) -> None:
        before, home = fleet.found(), fleet.accounts["bob"].home
        home.rename(fleet.root.with_name("away"))
        home.mkdir()
        assert fleet.scan().vanished == 0
        assert (fleet.found(), fleet.status()) == (before, ALL)
        home.rmdir()
        fleet.root.with_name("away").rename(home)
        assert fleet.scan().unchanged == 3
        assert fleet.found() == before

    def test_a_home_that_cant_be_listed(self, fleet: Fleet) -> None:
        before = fleet.found()
        refused(fleet, fleet.accounts["bob"].home)
        assert fleet.found() == before
        fleet.scan()
        assert (fleet.found(), fleet.status()) == (before, ALL)

    def test_a_folder_of_homes_that_cant_be_listed(self, fleet: Fleet) -> None:
        for name in ("dan", "eva"):
            fleet.add(f"more/{name}")
        fleet.scan()
        before = fleet.found()
        refused(fleet, fleet.root / "more")
        assert (fleet.found(), set(fleet.status().values())) == (before, {"present"})
        assert fleet.scan().unchanged == 5

    @pytest.mark.parametrize("folder", [".appdata", ".appdata/backups", ".appdata/current", "application_backups"])
    def test_a_homes_folder_that_cant_be_listed(self, fleet: Fleet, folder: str) -> None:
        before = current(fleet.catalog)
        refused(fleet, fleet.accounts["bob"].home / folder)
        assert ended(fleet) == []
        fleet.scan()
        assert ended(fleet) == []
        assert differences(current(fleet.catalog), before) == []

    @pytest.mark.parametrize("folder", ["", "bob", "bob/.appdata", "bob/.appdata/backups", "bob/application_backups"])
    def test_the_exit_code_tells(self, fleet: Fleet, folder: str) -> None:
        assert refused(fleet, fleet.root / folder).code == 2


def away_and_back(fleet: Fleet, stand_in: Callable[[Path], object]) -> None:
    before, away = fleet.found(), fleet.root.with_name("away")
    fleet.root.rename(away)
    stand_in(fleet.root)
    ran = run("scan", fleet.root, "-o", fleet.catalog, "--jobs", "1", "--json")
    assert (ran.code, fleet.status()) == (2, ALL)
    assert (list(ran.json["unread"]), ran.json["is_whole"]) == ([str(fleet.root)], False)
    if fleet.root.is_dir():
        fleet.root.rmdir()
    fleet.root.unlink(missing_ok=True)
    away.rename(fleet.root)
    back = fleet.scan()
    assert (back.accounts, back.unchanged, back.vanished, back.changes.total()) == (3, 3, 0, 0)
    assert fleet.found() == before


def refused(fleet: Fleet, folder: Path) -> Any:
    """Scan while a folder can't be listed."""
    for file in fleet.catalog.parent.glob(f"{fleet.catalog.name}*"):
        file.chmod(0o666)
    folder.chmod(0)
    with unprivileged():
        ran = run("scan", fleet.root, "-o", fleet.catalog, "--jobs", "1")
    folder.chmod(0o755)
    return ran


def ended(fleet: Fleet) -> list[tuple[Any, ...]]:
    """Return everything that came to an end."""
    return fleet.asked("SELECT what, change, path, id FROM history WHERE change IN ('changed', 'moved', 'vanished')")


class TestHistory:
    """What came, changed, was moved, went and came back; nothing is ever deleted."""

    def test_an_unchanged_scan_writes_that_it_was(self, fleet: Fleet) -> None:
        before = rows(fleet.catalog)
        tally = fleet.scan()
        after = rows(fleet.catalog)
        assert (tally.unchanged, tally.changes.total()) == (3, 0)
        assert after["scans"][:1] == before["scans"]
        assert len(after["scans"]) == 2
        assert [one[:-1] for one in after["accounts"]] == [one[:-1] for one in before["accounts"]]  # but the last scan
        assert {**after, "scans": [], "accounts": []} == {**before, "scans": [], "accounts": []}

    def test_a_new_backup(self, fleet: Fleet) -> None:
        record = backup_record(backup_filename=OTHER)
        fleet.accounts["bob"].backup(SECOND, record)
        fleet.accounts["bob"].archive(OTHER, record)
        assert changes(fleet) == {"file": [("new", SECOND), ("new", OTHER)], "backup": [("new", SECOND)]}

    def test_a_new_account(self, fleet: Fleet) -> None:
        fleet.add("dan")
        assert changes(fleet) == {
            "file": [("new", BACKUP), ("new", INSTALL), ("new", NAME)],
            "backup": [("new", BACKUP)],
            "install": [("new", INSTALL)],
        }

    def test_a_changed_record(self, fleet: Fleet) -> None:
        fleet.accounts["bob"].backup(content=backup_record(backup_note="changed"))
        assert changes(fleet) == {
            "file": [("changed", BACKUP), ("changed", BACKUP)],
            "backup": [("changed", BACKUP), ("changed", BACKUP)],
        }
        notes = "SELECT backup_note, until IS NULL FROM all_backups WHERE account = 2 ORDER BY backup"
        assert fleet.asked(notes) == [("", 0), ("changed", 1)]

    def test_a_touched_record(self, fleet: Fleet) -> None:
        os.utime(fleet.accounts["bob"].backups / BACKUP, (1, 1))
        assert changes(fleet) == {"file": [("changed", BACKUP), ("changed", BACKUP)]}

    def test_an_archive_that_another_one_replaced(self, fleet: Fleet) -> None:
        path = fleet.accounts["bob"].archives / NAME
        copy = Path(shutil.copy2(path, path.with_name("copy")))
        assert (copy.stat().st_size, copy.stat().st_mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
        copy.rename(path)
        assert changes(fleet) == {"file": [("changed", NAME), ("changed", NAME)]}

    def test_a_changed_install(self, fleet: Fleet) -> None:
        fleet.accounts["bob"].install(content=install_record(version="6.5.5"))
        assert changes(fleet) == {
            "file": [("changed", INSTALL), ("changed", INSTALL)],
            "install": [("changed", INSTALL), ("changed", INSTALL)],
        }

    def test_a_renamed_archive(self, fleet: Fleet) -> None:
        path = fleet.accounts["bob"].archives / NAME
        path.rename(path.with_name(OTHER))
        assert changes(fleet) == {"file": [("moved", NAME), ("moved", OTHER)]}
        assert fleet.asked("SELECT state, archive FROM backups WHERE account = 2") == [
            ("paired", f"application_backups/{OTHER}")
        ]

    def test_a_renamed_archive_without_a_record(self, fleet: Fleet) -> None:
        (fleet.accounts["bob"].backups / BACKUP).unlink()
        fleet.scan()
        path = fleet.accounts["bob"].archives / NAME
        path.rename(path.with_name(OTHER))
        told = changes(fleet)
        assert told["file"] == [("moved", NAME), ("moved", OTHER)]
        assert [change for change, _ in told["backup"]] == ["moved", "moved"]

    def test_an_archive_that_was_renamed_and_named_back(self, fleet: Fleet) -> None:
        path = fleet.accounts["bob"].archives / NAME
        path.rename(path.with_name(OTHER))
        fleet.scan()
        path.with_name(OTHER).rename(path)
        tally = fleet.scan()
        assert {change: count for change, count in tally.changes.items() if count} == {("all_files", "moved"): 1}

    def test_an_archive_that_was_moved_to_another_account(self, fleet: Fleet) -> None:
        (fleet.accounts["cid"].archives / NAME).unlink()
        fleet.scan()
        (fleet.accounts["bob"].archives / NAME).rename(fleet.accounts["cid"].archives / NAME)
        assert changes(fleet)["file"] == [("moved", NAME), ("moved", NAME)]
        files = fleet.asked("SELECT file, account, moved_from FROM all_files WHERE since = 3")
        before = fleet.asked("SELECT file FROM all_files WHERE until = 3")
        assert files == [(files[0][0], 3, before[0][0])]

    def test_a_renamed_home(self, fleet: Fleet) -> None:
        fleet.accounts["bob"].home.rename(fleet.root / "rob")
        told = changes(fleet)
        both = ["moved", "moved"]
        assert told["file"] == [("moved", name) for name in sorted((BACKUP, INSTALL, NAME)) for _ in both]
        assert told["backup"] == [("moved", BACKUP)] * 2
        assert fleet.status() == {**ALL, "bob": "vanished", "rob": "present"}

    def test_a_renamed_homes_installs(self, fleet: Fleet) -> None:
        fleet.accounts["bob"].home.rename(fleet.root / "rob")
        assert changes(fleet)["install"] == [("moved", INSTALL)] * 2

    def test_a_vanished_archive(self, fleet: Fleet) -> None:
        (fleet.accounts["bob"].archives / NAME).unlink()
        assert changes(fleet) == {"file": [("vanished", NAME)], "backup": [("changed", BACKUP), ("changed", BACKUP)]}
        assert fleet.asked("SELECT state FROM backups WHERE account = 2") == [("missing",)]

    def test_a_vanished_record(self, fleet: Fleet) -> None:
        (fleet.accounts["bob"].backups / BACKUP).unlink()
        told = changes(fleet)
        assert told["file"] == [("vanished", BACKUP)]
        assert ("vanished", BACKUP) in told["backup"]
        assert fleet.asked("SELECT state FROM backups WHERE account = 2") == [("unclaimed",)]

    def test_a_vanished_install(self, fleet: Fleet) -> None:
        (fleet.accounts["bob"].installs / INSTALL).unlink()
        assert changes(fleet) == {"file": [("vanished", INSTALL)], "install": [("vanished", INSTALL)]}

    @pytest.mark.parametrize("rest", ["", "public_html"])
    def test_a_vanished_account(self, fleet: Fleet, rest: str) -> None:
        shutil.rmtree(fleet.accounts["bob"].home)
        if rest:
            (fleet.accounts["bob"].home / rest).mkdir(parents=True)
        assert changes(fleet) == {
            "file": [("vanished", BACKUP), ("vanished", INSTALL), ("vanished", NAME)],
            "backup": [("vanished", BACKUP)],
            "install": [("vanished", INSTALL)],
        }
        assert fleet.status() == {**ALL, "bob": "vanished"}

    def test_what_returned(self, fleet: Fleet) -> None:
        away = fleet.root.with_name("away")
        (fleet.accounts["bob"].home).rename(away)
        fleet.scan()
        away.rename(fleet.accounts["bob"].home)
        assert changes(fleet) == {
            "file": [("returned", BACKUP), ("returned", INSTALL), ("returned", NAME)],
            "backup": [("returned", BACKUP)],
            "install": [("returned", INSTALL)],
        }
        assert fleet.status() == ALL

    def test_an_account_that_vanished_after_it_was_scanned_alone(self, fleet: Fleet) -> None:
        scan(str(fleet.catalog), Search((str(fleet.accounts["bob"].home),)))
        shutil.rmtree(fleet.accounts["bob"].home)
        fleet.scan()
        assert fleet.status() == {**ALL, "bob": "vanished"}


def changes(fleet: Fleet) -> dict[str, list[tuple[str, str]]]:
    """Scan again; return what changed by what it is: how, and the file's name or the id. No row may have got lost."""
    before = rows(fleet.catalog)
    fleet.scan()
    after = rows(fleet.catalog)
    for table, key in (("all_files", 6), ("all_installs", 7), ("all_backups", 8)):
        told = [(*one[:3], one[4], *one[key:]) for one in before[table]]
        assert [(*one[:3], one[4], *one[key:]) for one in after[table][: len(told)]] == told
    number = len(after["scans"])
    found = {what: fleet.history(what, number) for what in ("file", "backup", "install")}
    return {what: sorted(some, key=lambda one: one[::-1]) for what, some in found.items() if some}
