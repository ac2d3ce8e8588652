"""What was no archive is remembered by a catalog, and opened again only when it changed."""

import gzip
import os
from pathlib import Path
from typing import Final

import pytest

from backupmeta import Search
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.remembered import InCatalog
from backupmeta.catalog.scanning import scan
from backupmeta.library import list_backups
from tests.catalog.snapshots import current
from tests.invented import BACKUP, NAME, Account, archive, backup_record

BACKED_UP: Final = archive(backup_record())
ELSE: Final = gzip.compress(b"else" * 1000)
NEITHER: Final = {"f0100.gz", "f0101.gz", f"{NAME}.1"}


class Disk:
    """A folder with an archive and files that are none, and its catalog."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.catalog = root.parent / "catalog.sqlite"
        for name in NEITHER:
            (folder / name).write_bytes(ELSE)
        (folder / "f0102.gz").write_bytes(BACKED_UP)
        self.opened: list[str] = []

    def scan(self) -> ScanResult:
        self.opened.clear()
        return scan(str(self.catalog), Search((str(self.root),)))

    def scan_deep(self) -> ScanResult:
        self.opened.clear()
        return scan(str(self.catalog), Search((str(self.root),)), deep=True)

    def found(self) -> set[str]:
        return {Path(one.server_path).name for one in list_backups(InCatalog(catalog=str(self.catalog)))}

    def is_as_fresh(self) -> bool:
        fresh = self.catalog.with_name("fresh.sqlite")
        scan(str(fresh), Search((str(self.root),)))
        found = current(fresh)
        fresh.unlink()
        return current(self.catalog) == found


def watch(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note the files in the folder that are opened from now on."""
    opening = os.open

    def watched(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if (disk.folder / Path(path).name).is_file():
            disk.opened.append(Path(path).name)
        return opening(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)


@pytest.fixture(params=["folder", "home"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    root = tmp_path / "exampleu"
    if request.param == "folder":
        root.mkdir()
        (root / NAME).write_bytes(BACKED_UP)
        disk = Disk(root, root)
    else:
        disk = Disk(root, Account(root).whole().archives)
    watch(disk, monkeypatch)
    assert disk.scan().archives == 2
    assert set(disk.opened) == {*NEITHER, NAME, "f0102.gz"}
    return disk


def test_nothing_is_opened_where_nothing_changed(disk: Disk) -> None:
    disk.scan()
    assert disk.opened == []
    assert disk.found() == {NAME, "f0102.gz"}


def test_only_what_is_new_is_opened(disk: Disk) -> None:
    (disk.folder / "f0103.gz").write_bytes(ELSE)
    disk.scan()
    assert set(disk.opened) == {"f0103.gz"}
    assert disk.is_as_fresh()


def test_what_became_an_archive_is_found(disk: Disk) -> None:
    (disk.folder / "f0100.gz").write_bytes(BACKED_UP)
    disk.scan()
    assert set(disk.opened) & NEITHER == {"f0100.gz"}
    assert disk.found() == {NAME, "f0100.gz", "f0102.gz"}
    assert disk.is_as_fresh()


def test_what_is_none_any_more_is_gone(disk: Disk) -> None:
    (disk.folder / "f0102.gz").write_bytes(ELSE)
    disk.scan()
    assert set(disk.opened) & NEITHER == set()
    assert disk.found() == {NAME}
    assert disk.is_as_fresh()


def test_what_could_not_be_opened_is_tried_again(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = os.open

    def refusing(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if Path(path).name == "f0103.gz":
            raise PermissionError(13, "Permission denied")
        return watched(path, flags, mode, dir_fd=dir_fd)

    (disk.folder / "f0103.gz").write_bytes(BACKED_UP)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refusing)
        disk.scan()
    assert disk.found() == {NAME, "f0102.gz"}
    disk.scan()
    assert disk.found() == {NAME, "f0102.gz", "f0103.gz"}


def test_a_record_joins_what_was_found_by_content(tmp_path: Path) -> None:
    account = Account(tmp_path / "exampleu")
    account.backup()
    (account.archives / "f0100").write_bytes(BACKED_UP)
    catalog = tmp_path / "catalog.sqlite"
    scan(str(catalog), Search((str(account.home),)))
    [found] = list_backups(InCatalog(catalog=str(catalog)))
    assert (found.get("id"), str(found.state), Path(found.server_path).name) == (BACKUP, "paired", "f0100")


def test_in_a_carved_folder_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "carved"
    root.mkdir()
    disk = Disk(root, root)
    watch(disk, monkeypatch)
    assert disk.scan().archives == 1
    disk.scan()
    assert disk.opened == []
    (root / "f0100.gz").write_bytes(BACKED_UP)
    disk.scan()
    assert set(disk.opened) & NEITHER == {"f0100.gz"}
    assert disk.found() == {"f0100.gz", "f0102.gz"}
    disk.scan_deep()
    assert set(disk.opened) == {"f0100.gz", "f0102.gz"}
