"""A scan after a scan: what changed is told, what did not change is not opened, what can't be seen is not gone."""

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from backupmeta.account.layout import Extent, Listing, listed
from backupmeta.archive.limits import Limits
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.scanning import scan
from backupmeta.evidence import Folder
from backupmeta.search import Search
from tests.catalog.snapshots import Tables, current, differences, rows
from tests.examples import seeds
from tests.invented import (
    BACKUP,
    INSTALL,
    NAME,
    NOBODY,
    SECOND,
    TIME,
    Account,
    archive,
    backup_record,
    install_record,
    run,
    unprivileged,
)
from tests.measured import COMMAND

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

    def scan(self) -> ScanResult:
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
    """Give a folder that everybody may read, of the user that `unprivileged` is, whom root relies on (``SUDO_UID``)."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        Path(folder).chmod(0o755)
        if not os.geteuid():
            os.chown(folder, NOBODY, NOBODY)
            environment.setenv("SUDO_UID", str(NOBODY))
        yield Path(folder)


@pytest.fixture
def fleet(public: Path) -> Fleet:
    """Give three accounts that were scanned, each with a backup."""
    made = Fleet(public / "home", public / "catalog.sqlite", {})
    for name in ALL:
        made.add(name)
    ran = run("scan", made.root, "-o", made.catalog, "--jobs", "1")  # imports what it needs: nobody may, later
    assert ran.code == 0
    return made


class TestUnseen:
    """What can't be seen now is not gone."""

    def test_an_empty_root(self, fleet: Fleet) -> None:
        away_and_back(fleet, lambda root: root.mkdir())

    def test_no_root(self, fleet: Fleet) -> None:
        away_and_back(fleet, lambda _root: None)

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
        same: Tables = {"scans": [], "accounts": [], "seals": []}
        assert {**after, **same} == {**before, **same}

    def test_a_new_backup(self, fleet: Fleet) -> None:
        record = backup_record(backup_filename=OTHER)
        fleet.accounts["bob"].backup(SECOND, record)
        fleet.accounts["bob"].archive(OTHER, record)
        told = changes(fleet)
        assert (told["file"], told["backup"]) == ([("new", OTHER), ("new", SECOND)], [("new", SECOND)])

    def test_a_new_account(self, fleet: Fleet) -> None:
        fleet.add("dan")
        assert changes(fleet) == {
            "file": [("new", NAME), ("new", BACKUP), ("new", INSTALL)],
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
        told = changes(fleet)
        assert told["file"] == [("moved", NAME), ("moved", OTHER)]
        assert len({change for change, _ in told.get("backup", [])}) <= 1  # its two ends tell the same
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
        told = {change: count for (table, change), count in tally.changes.items() if table == "all_files" and count}
        assert told == {"moved": 1}

    def test_what_was_read_is_told_at_once(self, fleet: Fleet) -> None:
        record = backup_record(backup_filename=OTHER)
        fleet.accounts["bob"].archive(OTHER, record)
        fleet.scan()
        assert fleet.asked("SELECT DISTINCT status FROM all_files") == [("read",)]
        (fleet.accounts["bob"].archives / OTHER).write_bytes(archive(record)[:40])
        fleet.scan()
        assert fleet.asked("SELECT path FROM files WHERE status <> 'read'") == [
            (str(fleet.accounts["bob"].archives / OTHER),)
        ]

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
            "file": [("vanished", NAME), ("vanished", BACKUP), ("vanished", INSTALL)],
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
            "file": [("returned", NAME), ("returned", BACKUP), ("returned", INSTALL)],
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


class TestOpened:
    """What did not change is not opened."""

    @pytest.fixture
    def big(self, fleet: Fleet) -> Account:
        """Give an account with more than one backup, that was scanned, too."""
        account = fleet.accounts["bob"]
        for id_, name in ((SECOND, OTHER), (THIRD, LAST)):
            record = backup_record(backup_filename=name)
            account.backup(id_, record)
            account.archive(name, record)
        fleet.scan()
        return account

    def test_nothing_where_nothing_changed(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        fleet.scan()
        assert opened == []
        assert big.home.exists()

    def test_a_new_archive_and_no_other(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        big.archive(NEW, backup_record(backup_filename=NEW))
        fleet.scan()
        assert opened == [NEW]

    def test_a_new_backup_and_no_other(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        record = backup_record(backup_filename=NEW)
        big.archive(NEW, record)
        big.backup(FOURTH, record)
        fleet.scan()
        assert sorted(opened) == [NEW, FOURTH]

    def test_a_changed_install_and_nothing_else(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        big.install(content=install_record(version="6.5.5"))
        fleet.scan()
        assert opened == [INSTALL]

    def test_a_changed_record_and_its_archive(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        big.backup(SECOND, backup_record(backup_filename=OTHER, backup_note="changed"))
        fleet.scan()
        assert set(opened) == {OTHER, SECOND}

    def test_a_changed_archive_and_its_record(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        os.utime(big.archives / OTHER)
        fleet.scan()
        assert set(opened) == {OTHER, SECOND}

    def test_the_other_one_where_one_is_gone(self, fleet: Fleet, big: Account, opened: list[str]) -> None:
        (big.archives / OTHER).unlink()
        (big.backups / THIRD).unlink()
        fleet.scan()
        assert set(opened) <= {SECOND, LAST}
        opened.clear()
        fleet.scan()
        assert opened == []

    def test_nothing_where_an_archive_was_renamed_but_itself(
        self, fleet: Fleet, big: Account, opened: list[str]
    ) -> None:
        (big.archives / OTHER).rename(big.archives / NEW)
        fleet.scan()
        assert set(opened) <= {NEW, SECOND}

    @pytest.mark.parametrize("damage", [b"", b"no archive", b"\x1f\x8b"])
    def test_a_broken_archive_once(self, fleet: Fleet, opened: list[str], damage: bytes) -> None:
        (fleet.accounts["bob"].archives / NEW).write_bytes(damage)
        fleet.scan()
        assert opened == [NEW]
        fleet.scan()
        assert opened == [NEW]

    @pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
    def test_the_system_opened_folders_alone(self, fleet: Fleet, tmp_path: Path) -> None:
        command = [sys.executable, "-c", COMMAND, "scan", str(fleet.root), "-o", str(fleet.catalog), "--jobs", "2"]
        strace = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", str(tmp_path / "trace")]
        subprocess.run([*strace, *command], capture_output=True, check=True, timeout=60)
        lines = (tmp_path / "trace").read_text().splitlines()
        names = [name for name in (NAME, BACKUP, INSTALL) if any(f'{name}"' in line for line in lines)]
        assert names == []
        assert any('"application_backups", ' in line and "O_DIRECTORY" in line for line in lines)


THIRD: Final = "b3x4kq9m2v7c8n3z5l6j0h1g2"
FOURTH: Final = "b4x4kq9m2v7c8n3z5l6j0h1g2"
LAST: Final = "app_example-com_Blog_2024-06-15_20-55-21.tar.gz"
NEW: Final = "app_example-com_Blog_2024-06-16_20-55-21.tar.gz"


@pytest.fixture
def opened(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files below the root that were opened since, folders aside."""
    names: list[str] = []
    opening = os.open
    evidence = {NAME, OTHER, LAST, NEW, BACKUP, SECOND, THIRD, FOURTH, INSTALL}

    def watched(path: str, *arguments: Any, **options: Any) -> int:
        if Path(path).name in evidence:
            names.append(Path(path).name)
        return opening(path, *arguments, **options)

    monkeypatch.setattr(os, "open", watched)
    fleet.accounts["ann"].archive()  # written anew: it is opened
    fleet.scan()
    assert set(names) == {NAME, BACKUP}
    names.clear()
    return names


class TestLikeFresh:
    """After any change, what is there now is what a new catalog of the same disk has."""

    @pytest.mark.parametrize("seed", seeds(4, 12))
    def test_after_random_changes(self, fleet: Fleet, seed: int) -> None:
        choice = random.Random(seed)  # noqa: S311
        for number in range(30):
            change = choice.choice(CHANGES)
            change(Disk(fleet.root, choice, number))
            if choice.random() < 0.7:
                fleet.scan()
        fleet.scan()
        assert differences(current(fleet.catalog), fleet.fresh()) == []
        assert quick(fleet) == [("ok",)]

    @pytest.mark.parametrize("change", ["renamed", "claimed twice", "record gone"])
    def test_secrets_that_disagree(self, fleet: Fleet, change: str) -> None:
        account = fleet.accounts["bob"]
        account.backup(content=backup_record(db_pass="another"))
        fleet.scan()
        assert fleet.asked("SELECT id FROM findings WHERE subject = 'db_pass'") == [("sources-disagree",)]
        if change == "renamed":
            (account.archives / NAME).rename(account.archives / OTHER)
        elif change == "claimed twice":
            account.backup(SECOND)
        else:
            (account.backups / BACKUP).unlink()
        fleet.scan()
        assert differences(current(fleet.catalog), fleet.fresh()) == []


def quick(fleet: Fleet) -> list[tuple[Any, ...]]:
    return fleet.asked("PRAGMA integrity_check")


class Disk(NamedTuple):
    """What lies below a root, to be changed at random; always the same, given the same choices."""

    root: Path
    choice: random.Random
    number: int

    def any_of(self, pattern: str) -> Path | None:
        found = sorted(self.root.glob(pattern))
        return self.choice.choice(found) if found else None

    @property
    def account(self) -> Path:
        return self.root / self.choice.choice(("ann", "bob", "cid", "dan"))

    @property
    def name(self) -> str:
        return f"app_example-com_Blog_2024-07-{self.choice.randrange(10, 20)}_20-55-21.tar.gz"

    @property
    def id(self) -> str:
        return f"b{self.choice.randrange(5)}x4kq9m2v7c8n3z5l6j0h1g2"

    @property
    def archive(self) -> Path | None:
        return self.any_of("*/*/app_*")

    @property
    def record(self) -> Path | None:
        return self.any_of("*/.appdata/*/?????????????????????????")

    def write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if ".appdata" not in path.parts:  # else its folder is an account, which may be elsewhere once it is empty
            (path.parent.parent / ".appdata").mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(TIME * 10**9 + self.number,) * 2)


def add_backup(disk: Disk) -> None:
    account, name = disk.account, disk.name
    record = backup_record(backup_filename=name, backup_note=str(disk.number))
    disk.write(account / ".appdata/backups" / disk.id, record)
    disk.write(account / "application_backups" / name, archive(record))


def add_archive(disk: Disk) -> None:
    name = disk.name
    record = backup_record(backup_filename=name, db_pass=f"secret{disk.number}")
    folder = disk.choice.choice(("application_backups", "old"))
    disk.write(disk.account / folder / name, archive(record))


def add_record(disk: Disk) -> None:
    record = backup_record(backup_filename=disk.name, db_pass=f"secret{disk.choice.randrange(3)}")
    disk.write(disk.account / ".appdata/backups" / disk.id, record)


def add_install(disk: Disk) -> None:
    record = install_record(version=f"6.5.{disk.number}")
    disk.write(disk.account / ".appdata/current" / INSTALL, record)


def change_secret(disk: Disk) -> None:
    if (path := disk.record) is not None:
        disk.write(path, path.read_bytes().replace(b"db-pass=", b"db-pass=%d" % disk.number))


def touch(disk: Disk) -> None:
    if (path := disk.archive or disk.record) is not None:
        os.utime(path, ns=(TIME * 10**9 + disk.number,) * 2)


def remove_archive(disk: Disk) -> None:
    if (path := disk.archive) is not None:
        path.unlink()


def remove_record(disk: Disk) -> None:
    if (path := disk.record) is not None:
        path.unlink()


def rename_archive(disk: Disk) -> None:
    if (path := disk.archive) is not None:
        path.rename(path.with_name(disk.name))


def rename_record(disk: Disk) -> None:
    if (path := disk.record) is not None:
        path.rename(path.with_name(disk.id))


def move_archive(disk: Disk) -> None:
    folder = disk.account / disk.choice.choice(("application_backups", "old"))
    if (path := disk.archive) is not None and folder.is_dir():
        path.rename(folder / path.name)


def damage_archive(disk: Disk) -> None:
    if (path := disk.archive) is not None:
        content = path.read_bytes()
        disk.write(path, content[: disk.choice.randrange(len(content) + 1)])


def damage_record(disk: Disk) -> None:
    if (path := disk.record) is not None:
        disk.write(path, path.read_bytes() + disk.choice.choice((b"\nowner=other", b"\n\xff\xfe", b"\nno line", b"\0")))


def forge_record(disk: Disk) -> None:
    """Put an archive's record in another one's place."""
    path, other = disk.record, disk.record
    if path is not None and other is not None:
        disk.write(path, other.read_bytes())


def link(disk: Disk) -> None:
    path = disk.account / "application_backups" / disk.name
    if path.parent.is_dir() and not path.exists():
        path.symlink_to("/etc/hostname")


def litter(disk: Disk) -> None:
    disk.write(disk.account / ".appdata/backups/no-id", b"")


def rename_home(disk: Disk) -> None:
    path, other = disk.account, disk.account
    if path.exists() and not other.exists():
        path.rename(other)


def remove_home(disk: Disk) -> None:
    if disk.choice.random() < 0.3 and (path := disk.account).exists():
        shutil.rmtree(path)


CHANGES: Final[tuple[Callable[[Disk], None], ...]] = (
    add_backup,
    add_backup,
    add_archive,
    add_record,
    add_install,
    change_secret,
    touch,
    remove_archive,
    remove_record,
    rename_archive,
    rename_record,
    move_archive,
    damage_archive,
    damage_record,
    forge_record,
    link,
    litter,
    rename_home,
    remove_home,
)


class TestBroken:
    """One broken account never stops the rest."""

    @pytest.mark.parametrize("known", [False, True])
    @pytest.mark.parametrize(
        "break_", ["home", "appdata", "records", "fifo", "socket", "garbage", "loop", "deep", "record_is_folder"]
    )
    def test_the_rest_is_there(self, fleet: Fleet, break_: str, known: bool) -> None:  # noqa: FBT001
        if not known:
            fleet.catalog.unlink()
        BREAKING[break_](fleet.accounts["bob"])
        tally = fleet.scan()
        assert tally.accounts >= 2
        assert {name: fleet.status()[name] for name in ("ann", "cid")} == {"ann": "present", "cid": "present"}
        backups = fleet.asked("SELECT name FROM backups JOIN accounts USING (account) WHERE state = 'paired'")
        assert {"ann", "cid"} <= {name for (name,) in backups}
        if fleet.status().get("bob") == "present":
            assert fleet.asked("SELECT 1 FROM findings WHERE account_path LIKE '%/bob'")

    def test_a_record_that_comes_while_its_home_is_read(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        def late(folder: Folder, extents: Iterable[Extent], beside: str, limits: Limits) -> Listing:
            found = listed(folder, extents, beside, limits)
            if folder.path.endswith("bob"):
                fleet.accounts["bob"].install(OTHER_INSTALL)
                fleet.accounts["bob"].backup(SECOND)
            return found

        os.utime(fleet.accounts["bob"].backups / BACKUP)
        monkeypatch.setattr("backupmeta.catalog.batch.listed", late)
        fleet.scan()
        monkeypatch.undo()
        fleet.scan()
        assert differences(current(fleet.catalog), fleet.fresh()) == []

    def test_a_record_that_goes_while_its_home_is_read(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        def early(folder: Folder, extents: Iterable[Extent], beside: str, limits: Limits) -> Listing:
            found = listed(folder, extents, beside, limits)
            if folder.path.endswith("bob"):
                for path in (fleet.accounts["bob"].installs / INSTALL, fleet.accounts["bob"].archives / NAME):
                    path.unlink(missing_ok=True)
            return found

        os.utime(fleet.accounts["bob"].backups / BACKUP)
        monkeypatch.setattr("backupmeta.catalog.batch.listed", early)
        fleet.scan()
        monkeypatch.undo()
        fleet.scan()
        assert differences(current(fleet.catalog), fleet.fresh()) == []

    def test_a_folder_of_archives_in_a_home_may_be_the_root(self, fleet: Fleet) -> None:
        old = fleet.accounts["bob"].home / "old"
        old.mkdir()
        (old / NAME).write_bytes(archive(backup_record(backup_note="old")))
        ran = run("scan", old, "-o", fleet.catalog.with_name("other.sqlite"), "--jobs", "1", "--json")
        assert (ran.code, ran.json["changes"]["backups"]) == (0, {"new": 1})


OTHER_INSTALL: Final = "davtwnyvhzk8cgw8ks4gcgoo4"


def replace(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def break_home(account: Account) -> None:
    replace(account.home)
    account.home.write_bytes(b"")


def break_appdata(account: Account) -> None:
    replace(account.home / ".appdata")
    (account.home / ".appdata").write_bytes(b"")


def break_records(account: Account) -> None:
    replace(account.backups)
    os.mkfifo(account.backups)


def break_with_fifo(account: Account) -> None:
    for path in (account.backups / BACKUP, account.archives / NAME, account.installs / INSTALL):
        path.unlink()
        os.mkfifo(path)


def break_with_socket(account: Account) -> None:
    (account.archives / NAME).unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(account.archives / NAME))


def break_with_garbage(account: Account) -> None:
    for number in range(10_000):
        (account.backups / f"{number}.garbage").write_bytes(b"")


def break_with_loop(account: Account) -> None:
    replace(account.archives)
    account.archives.symlink_to(account.home)


def break_with_depth(account: Account) -> None:
    (account.archives / NAME).unlink()
    (account.home / "/".join(["deep"] * 200)).mkdir(parents=True)


def break_record(account: Account) -> None:
    replace(account.backups / BACKUP)
    (account.backups / BACKUP).mkdir()


BREAKING: Final[dict[str, Callable[[Account], None]]] = {
    "home": break_home,
    "appdata": break_appdata,
    "records": break_records,
    "fifo": break_with_fifo,
    "socket": break_with_socket,
    "garbage": break_with_garbage,
    "loop": break_with_loop,
    "deep": break_with_depth,
    "record_is_folder": break_record,
}
