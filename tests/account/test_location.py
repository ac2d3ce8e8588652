"""Backups that are kept in a folder of the server itself: which locations name one, and what is opened there."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta import Search
from backupmeta.account import places, roots
from backupmeta.account.home import State
from backupmeta.account.layout import Locations, server_path
from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.remembered import InCatalog
from backupmeta.catalog.scanning import scan
from backupmeta.library import list_backups
from backupmeta.targets import find_backup
from backupmeta.verification import verify
from tests.invented import BACKUP, NAME, SECOND, Account, archive, backup_record, run

HOME: Final = "home/exampleu"
KEPT: Final = "backup_test"
OTHER: Final = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("file://localhost/backup_test", "/backup_test"),
        ("file:///backup_test", "/backup_test"),
        ("FILE://LOCALHOST/a/b/", "/a/b"),
        ("file:///with%20blank/%C3%A9", "/with blank/é"),
        ("file:///with blank/é", "/with blank/é"),
        ("file:///%ff", "/\udcff"),
        ("file:///a%3Fb%23c%25", "/a?b#c%"),
        *(
            (location, None)
            for location in (
                *("local", "", "0123456789abcdef0123456789abcdef", "sftp://u:secret@backup.example.com:22/x"),
                *("file:", "file:/a", "file://", "file:///", "file://localhost", "file://localhost/", "/backup_test"),
                *("file://example.com/a", "file://127.0.0.1/a", "file://u@localhost/a", "file://localhost:80/a"),
                *("file:///a?b", "file:///a#b", "file:///a%", "file:///a%2", "file:///a%zz", "file:///a\\b"),
                *("file:///..", "file:///a/../b", "file:///a/./b", "file:///%2e%2e/b", "file:///a/%2E", "file:///a//b"),
                *("file:///a%2Fb", "file:///a%00b", "file:///a\nb", " file:///a", "file:////a"),
                f"file:///{'a' * 5000}",
            )
        ),
    ],
)
def test_which_locations_are_folders_of_the_server_itself(location: str, path: str | None) -> None:
    assert server_path(location, "/home/exampleu") == path


def test_on_windows_none_is_known() -> None:
    assert server_path("file:///backup_test", r"c:\inetpub\vhosts\example.com") is None


@given(st.text(max_size=40) | st.text("/.%2efF\\?#@:a\udcff", max_size=40))
def test_no_location_leads_upwards(text: str) -> None:
    path = server_path(f"file://{text}", "/home/exampleu")
    assert path is None or (path.startswith("/") and not {"", ".", ".."} & set(path.split("/")[1:]))


@pytest.fixture
def sysroot(tmp_path: Path) -> Path:
    """Give an image whose one backup is kept in a folder of the server itself."""
    account = Account(tmp_path / "image" / HOME)
    account.install()
    keep(account, f"file://localhost/{KEPT}")
    return tmp_path / "image"


def keep(account: Account, location: str, id_: str = BACKUP, name: str = NAME) -> Path:
    """Keep a backup of ``account`` in the folder of its server; return its archive."""
    record = backup_record(backup_location=location, backup_filename=name)
    account.backup(id_, record)
    folder = account.home.parent.parent / KEPT
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(archive(record))
    return folder / name


def states(sysroot: Path) -> list[tuple[State, str, list[str]]]:
    """Return, for each backup, what there is of it, where its archive is, and what was met."""
    return [
        (
            pair.state,
            pair.archive.server_path if pair.archive else "",
            [one.id for one in (*pair.findings, *home.findings)],
        )
        for home in places.homes(roots.conventional(str(sysroot)), DEFAULT_LIMITS, [])
        for pair in home.pairs()
    ]


def test_the_archive_is_found_there_and_paired(sysroot: Path) -> None:
    assert states(sysroot) == [(State.PAIRED, f"/{KEPT}/{NAME}", [])]


def test_each_command_says_so(sysroot: Path) -> None:
    search, catalog = Search(sysroot=str(sysroot)), sysroot.parent / "catalog.sqlite"
    [found] = list_backups(search)
    assert (found.state, found.server_path) == (State.PAIRED, f"/{KEPT}/{NAME}")
    assert find_backup(BACKUP, search).state is State.PAIRED
    assert find_backup(NAME, search).state is State.PAIRED
    assert [one.server_path for one in verify(search)] == [f"/{KEPT}/{NAME}", f"/{HOME}"]
    scan(str(catalog), search)
    [recalled] = list_backups(InCatalog(catalog=str(catalog)))
    assert (recalled.state, recalled.server_path) == (State.PAIRED, f"/{KEPT}/{NAME}")
    assert run("view", BACKUP, "--sysroot", sysroot).code == 0
    assert f"../../{KEPT}/{NAME}" in run("export", catalog, "--table", "files", "--format", "jsonl").text


def test_where_the_server_is_not_known_it_stays_remote(sysroot: Path) -> None:
    [home] = list(opened(Root(str(sysroot / HOME))))
    assert home == [(State.REMOTE, ["archive-remote"])]


def opened(root: Root) -> list[list[tuple[State, list[str]]]]:
    return [
        [(pair.state, [one.id for one in pair.findings]) for pair in home.pairs()]
        for home in places.homes([root], DEFAULT_LIMITS, [])
    ]


def test_on_the_server_itself_the_root_is_its_own(tmp_path: Path) -> None:
    account = Account(tmp_path / HOME)
    keep(account, f"file://{tmp_path}/{KEPT}")
    root = Root(str(tmp_path / "home"), str(tmp_path / "home"), depth=1, is_convention=True)
    assert opened(root) == [[(State.PAIRED, [])]]


@pytest.mark.parametrize(
    "location", ["0123456789abcdef0123456789abcdef", "cavtwnyvhzk8cgw8ks4gcgoo4", "file://example.com/backup_test"]
)
def test_other_locations_stay_remote(sysroot: Path, location: str) -> None:
    (sysroot / HOME / ".appdata/backups" / BACKUP).write_bytes(backup_record(backup_location=location))
    assert states(sysroot) == [(State.REMOTE, "", ["archive-remote"])]


def test_an_archive_that_is_not_there_is_missing(sysroot: Path) -> None:
    (sysroot / KEPT / NAME).unlink()
    assert states(sysroot) == [(State.MISSING, "", ["archive-missing"])]
    shutil.rmtree(sysroot / KEPT)
    assert states(sysroot) == [(State.MISSING, "", ["archive-missing"])]
    assert f"(/{KEPT})" in run("verify", "--sysroot", sysroot).text
    assert run("view", BACKUP, "--sysroot", sysroot).json["errcode"] == "backup_not_found"


@pytest.mark.parametrize("where", [KEPT, f"{KEPT}/{NAME}"])
def test_no_link_is_followed(sysroot: Path, where: str) -> None:
    outside = sysroot.parent / "outside"
    shutil.move(sysroot / where, outside)
    (sysroot / where).symlink_to(outside)
    met = ["archive-missing", *(["link-not-followed"] if where == KEPT else [])]
    assert states(sysroot) == [(State.MISSING, "", met)]


def test_a_fifo_in_its_place_is_not_opened(sysroot: Path) -> None:
    (sysroot / KEPT / NAME).unlink()
    os.mkfifo(sysroot / KEPT / NAME)
    assert states(sysroot) == [(State.MISSING, "", ["archive-missing"])]


@pytest.mark.parametrize("name", ["../etc/passwd", "..", ".", "a/b", "", "a\0b"])
def test_only_a_files_name_is_looked_for(sysroot: Path, name: str) -> None:
    record = backup_record(backup_location=f"file:///{KEPT}", backup_filename=name)
    (sysroot / HOME / ".appdata/backups" / BACKUP).write_bytes(record)
    assert [state for state, _, _ in states(sysroot)] == [State.MISSING]


@pytest.mark.parametrize("copy", [NAME, "copy.tar.gz", "f0100"])
def test_what_lies_there_comes_before_copies_of_it(sysroot: Path, copy: str) -> None:
    shutil.copy(sysroot / KEPT / NAME, sysroot / HOME / "application_backups" / copy)
    expected = [f"/{KEPT}/{NAME}", f"/{HOME}/application_backups/{copy}"]
    assert sorted(where for _, where, _ in states(sysroot)) == sorted(expected)
    search, catalog = Search(sysroot=str(sysroot)), sysroot.parent / "catalog.sqlite"
    scan(str(catalog), search)
    for answer in (search, InCatalog(catalog=str(catalog))):
        assert sorted(one.server_path for one in list_backups(answer)) == sorted(expected)
    (sysroot / KEPT / NAME).unlink()
    assert [state for state, _, _ in states(sysroot)] == [State.PAIRED]


def test_its_id_is_well_formed(sysroot: Path) -> None:
    for location in ("0123456789abcdef0123456789abcdef", "cavtwnyvhzk8cgw8ks4gcgoo4", f"file:///{KEPT}"):
        record = backup_record(backup_location=location, bkloc=location)
        (sysroot / HOME / ".appdata/backups" / BACKUP).write_bytes(record)
        told = {one.finding.id for each in verify(Search(sysroot=str(sysroot))) for one in each.judged}
        assert "record-id-malformed" not in told


def test_a_file_that_another_record_names_is_not_taken(sysroot: Path) -> None:
    (sysroot / KEPT / OTHER).write_bytes(archive(backup_record()))
    assert [where for _, where, _ in states(sysroot)] == [f"/{KEPT}/{NAME}"]


def test_only_so_many_folders_are_held_open(sysroot: Path) -> None:
    account = sysroot / HOME
    for number in range(Locations.MOST + 3):
        record = backup_record(backup_location=f"file:///f{number}")
        (account / ".appdata/backups" / f"{number:025}").write_bytes(record)
    [home] = [
        (home.pairs(), [one.id for one in home.findings])
        for home in places.homes(roots.conventional(str(sysroot)), DEFAULT_LIMITS, [])
    ]
    assert home[1] == ["folder-unreadable"]


class TestScans:
    """A catalog knows what is kept there, and sees what changes."""

    @pytest.fixture
    def catalog(self, sysroot: Path) -> Path:
        catalog = sysroot.parent / "catalog.sqlite"
        assert self.scan(catalog, sysroot).archives == 1
        return catalog

    def scan(self, catalog: Path, sysroot: Path) -> ScanResult:
        return scan(str(catalog), Search(sysroot=str(sysroot)))

    def told(self, catalog: Path) -> list[str]:
        return [str(one.state) for one in list_backups(InCatalog(catalog=str(catalog)))]

    def test_nothing_where_nothing_changed(self, catalog: Path, sysroot: Path) -> None:
        assert self.scan(catalog, sysroot).unchanged == 1

    def test_that_it_is_gone_and_back(self, catalog: Path, sysroot: Path) -> None:
        content = (sysroot / KEPT / NAME).read_bytes()
        (sysroot / KEPT / NAME).unlink()
        assert self.scan(catalog, sysroot).unchanged == 0
        assert self.told(catalog) == ["missing"]
        (sysroot / KEPT / NAME).write_bytes(content)
        assert self.scan(catalog, sysroot).unchanged == 0
        assert self.told(catalog) == ["paired"]
        assert self.scan(catalog, sysroot).unchanged == 1

    def test_a_second_one(self, catalog: Path, sysroot: Path) -> None:
        record = backup_record(backup_location=f"file:///{KEPT}", backup_filename=OTHER)
        (sysroot / HOME / ".appdata/backups" / SECOND).write_bytes(record)
        (sysroot / KEPT / OTHER).write_bytes(archive(record))
        self.scan(catalog, sysroot)
        assert self.told(catalog) == ["paired", "paired"]

    def test_deep(self, catalog: Path, sysroot: Path) -> None:
        assert run("scan", "--sysroot", sysroot, "-o", catalog, "--deep").code == 0
        from_disk = run("verify", "--sysroot", sysroot, "--json").json["targets"]
        recorded = run("verify", "--catalog", catalog, "--json").json["targets"]
        assert [(one["path"], one["verdict"], one["sha256"]) for one in recorded] == [
            (one["path"], one["verdict"], one["sha256"]) for one in from_disk
        ]
