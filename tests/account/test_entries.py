"""Which files are archives: by their names, and by how they begin where these tell nothing (FORMAT.md §8)."""

import gzip
import os
from pathlib import Path
from typing import Final

import pytest

from backupmeta import Search
from backupmeta.account import places
from backupmeta.account.filename import archives_among
from backupmeta.account.home import State, beginning_in
from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.catalog.remembered import InCatalog
from backupmeta.catalog.scanning import scan
from backupmeta.evidence import Entry, Folder, open_folder
from backupmeta.findings import Finding
from backupmeta.library import list_backups
from backupmeta.targets import find_backup
from backupmeta.verification import verify
from tests.invented import BACKUP, NAME, Account, archive, backup_record, run, unprivileged

BASE: Final = NAME.removesuffix(".tar.gz")
BACKUP_BYTES: Final = archive(backup_record())
APPLE_DOUBLE: Final = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(100)  # RFC 1740, appendix A
DOWNLOADED: Final = (
    *(NAME, f"{BASE} (1).tar.gz", f"{BASE}.tar(1).gz", f"{BASE}.tgz", f"{NAME}.part", f"{NAME}.crdownload"),
    *(f"{NAME}.filepart", f"{BASE}.gz", f"{NAME}.1", f"{NAME}.bak", f"Copy of {NAME}", f"Kopie von {NAME}"),
    *("backup.tar.gz", "site.tgz", f"{BASE.upper()}.TAR.GZ", f".{NAME}.kX3d9a", f"{NAME}.gz", f"{NAME}~"),
    *(f"{BASE}.TGZ", f"old_{NAME}", f"APP{NAME[3:]}"),
)
"""The names that downloads, transfers and hands give an archive."""

Met = tuple[list[str], list[tuple[str, str, str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def put(folder: Path, *names: str, content: bytes = BACKUP_BYTES) -> None:
    for name in names:
        (folder / name).write_bytes(content)


def met(*roots: Path | Root) -> Met:
    """Return the archives that are found, and what is told of the others."""
    findings: list[Finding] = []
    named = [root if isinstance(root, Root) else Root(str(root)) for root in roots]
    archives: list[str] = []
    for home in places.homes(named, DEFAULT_LIMITS, findings):
        archives += sorted(home.archives)
        findings += home.findings
    return archives, [(one.id, one.subject, one.detail) for one in findings]


def test_whatever_a_download_calls_it(folder: Path) -> None:
    put(folder, *DOWNLOADED)
    put(folder, f"._{NAME}", content=APPLE_DOUBLE)
    assert met(folder) == (sorted(DOWNLOADED), [("archives-not-read", str(folder), f"1: ._{NAME}")])


@pytest.mark.parametrize("name", DOWNLOADED)
def test_alone_in_a_folder_that_nobody_named(folder: Path, name: str) -> None:
    put(folder, name)
    assert met(folder.parent) == ([name], [])


def test_carved_files_in_a_folder_that_a_person_named(folder: Path) -> None:
    put(folder, "f0100.gz", "f0102", "f0103.bin")
    put(folder, "f0101.gz", content=gzip.compress(b"INSERT INTO a VALUES (1);\n" * 100))
    put(folder, "f0104.gz", content=BACKUP_BYTES[:12] + b"\xff" * 100)
    put(folder, "f0105.gz", content=BACKUP_BYTES[:100])
    expected = ["f0100.gz", "f0102", "f0103.bin"], [("archives-not-read", str(folder), "2: f0104.gz, f0105.gz")]
    assert met(folder) == expected
    assert met(folder.parent) == ([], [])  # nothing there says that it is one: not every file of a disk is opened


def test_a_link_to_a_folder_that_a_person_named(folder: Path) -> None:
    put(folder, "f0100.gz")
    (folder.parent / "link").symlink_to(folder)
    assert met(folder.parent / "link") == (["f0100.gz"], [])


def test_beside_an_archive_by_its_name(folder: Path) -> None:
    put(folder, "f0100.gz", "site.tar.gz")
    assert met(folder.parent) == (["f0100.gz", "site.tar.gz"], [])


def test_in_a_homes_folder_of_archives(tmp_path: Path) -> None:
    account = Account(tmp_path / "exampleu")
    put(account.archives, "f0100", f"{NAME}.part")
    put(account.home, "other.gz")
    assert met(account.home) == (sorted([f"{NAME}.part", "f0100"]), [])


def test_what_looks_like_archives_and_is_none_is_one_finding_a_folder(folder: Path) -> None:
    names = sorted(f"{BASE}.tar.gz.{number}" for number in range(1, 1300))
    put(folder, *names, content=b"<html>not found</html>")
    put(folder, "site.tar.gz")
    put(folder, *("notes", "photos.zip", "dump.sql.gz", f"{NAME}.md5"), content=b"else")
    detail = f"1,299: {', '.join(names[:3])}, …"
    assert met(folder) == (["site.tar.gz"], [("archives-not-read", str(folder), detail)])


def test_it_is_told_of_a_folder_without_any_archive_as_well(folder: Path) -> None:
    put(folder, f"._{NAME}", content=APPLE_DOUBLE)
    assert met(folder) == met(folder.parent) == ([], [("archives-not-read", str(folder), f"1: ._{NAME}")])
    put(folder, "empty.tar.gz.part", content=b"")
    assert met(folder)[1] == [("archives-not-read", str(folder), f"2: ._{NAME}, empty.tar.gz.part")]


@pytest.mark.parametrize("name", ["f0100.gz", f"{NAME}.1", NAME])
def test_a_fifo_does_not_hang_and_a_link_leads_nowhere(folder: Path, name: str) -> None:
    put(folder, "site.tar.gz")
    os.mkfifo(folder / name)
    is_told = [] if name == "f0100.gz" else [("not-a-regular-file", name, "")]
    assert met(folder) == (["site.tar.gz"], is_told)
    (folder / name).unlink()
    (folder / name).symlink_to("site.tar.gz")
    assert met(folder) == (["site.tar.gz"], [("link-not-followed", name, "to site.tar.gz")])


def test_a_folder_with_an_archives_name_is_none(folder: Path) -> None:
    put(folder, "site.tar.gz")
    (folder / BASE).mkdir()
    assert met(folder) == (["site.tar.gz"], [])


def among(folder: Folder, entries: list[Entry]) -> tuple[list[str], list[Finding]]:
    """Return which of the entries are archives, and what was odd."""
    findings = list[Finding]()
    names = archives_among(folder, entries, lambda name: beginning_in(folder, name, DEFAULT_LIMITS), findings)
    return list(names), findings


def test_a_fifo_that_takes_a_files_place_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "f0100.gz")
    with open_folder(str(folder)) as opened:
        names, findings = among(opened, [Entry("f0100.gz", is_folder=False, is_file=True, is_link=False)])
    assert (names, [finding.id for finding in findings]) == ([], ["archives-not-read"])


def test_what_may_not_be_read_is_counted(folder: Path) -> None:
    put(folder, "f0100.gz", "site.tar.gz")
    (folder / "f0100.gz").chmod(0)
    folder.chmod(0o755)
    with open_folder(str(folder)) as opened, unprivileged():
        names, findings = among(opened, opened.entries(100))
    assert (names, [finding.detail for finding in findings]) == (["site.tar.gz"], ["1: f0100.gz"])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files and folders that are opened."""
    names: list[str] = []
    opening = os.open

    def watched(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        names.append(Path(path).name)
        return opening(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)
    return names


def test_names_that_tell_it_cost_nothing(folder: Path, opened: list[str]) -> None:
    put(folder, *(name.replace("2024", f"20{year}") for name in (NAME, f"Copy of {NAME}") for year in range(10, 25)))
    put(folder, *("index.php", "a.jpg", "dump.sql.gz", f"{NAME}.sha256"), content=b"else")
    opened.clear()
    met(folder)
    assert opened == ["folder"]


class TestHomes:
    """An archive that got another name is its record's by what stands in it."""

    @pytest.fixture
    def account(self, tmp_path: Path) -> Account:
        account = Account(tmp_path / "exampleu")
        account.backup()
        account.install()
        return account

    @pytest.mark.parametrize("name", [one for one in DOWNLOADED if one != NAME])
    def test_by_its_embedded_record(self, account: Account, name: str) -> None:
        put(account.archives, name)
        [home] = [home.pairs() for home in places.homes([Root(str(account.home))], DEFAULT_LIMITS, [])]
        assert [(pair.id, pair.state, pair.archive and pair.archive.name) for pair in home] == [
            (BACKUP, State.PAIRED, name)
        ]
        found = find_backup(BACKUP, Search((str(account.home),)))
        is_same = name.upper().startswith(BASE.upper() + ".T") and "(1)" not in name and name[:3] != "APP"
        is_same = is_same or name.startswith(f".{BASE}")
        is_same = is_same and not name.endswith((".1", ".bak", ".gz.gz", "~"))
        assert [one.id for one in found.findings if one.id == "archive-renamed"] == (
            [] if is_same else ["archive-renamed"]
        )

    def test_copies_beside_it_make_no_other_noise(self, account: Account) -> None:
        put(account.archives, NAME, f"{BASE}.tar(1).gz", f"{NAME}.1")
        *copies, home = verify(Search((str(account.home),)), now=1718400000)
        told = {one.finding.id for copy in copies for one in copy.judged if one.severity != "note"}
        assert "archive-renamed" in told
        assert [one.finding.id for one in home.judged if one.severity != "note"] == ["backup-duplicate"] * 2


def test_every_command_finds_the_same(folder: Path) -> None:
    put(folder, *DOWNLOADED, "f0100.gz")
    put(folder, "f0101.gz", content=gzip.compress(b"else" * 1000))
    paths = {f"{folder}/{name}" for name in (*DOWNLOADED, "f0100.gz")}
    search, catalog = Search((str(folder),)), folder.parent / "catalog.sqlite"
    assert {one.server_path for one in list_backups(search)} == paths
    assert {one.server_path for one in verify(search) if one.kind == "archive"} == paths
    tally = scan(str(catalog), search)
    assert (tally.archives, tally.bytes) == (len(paths), len(paths) * len(BACKUP_BYTES))
    recalled = InCatalog(catalog=str(catalog))
    assert {one.server_path for one in list_backups(recalled)} == paths
    assert run("stats", catalog, "--json").json["archives"] == len(paths)
    assert {f"{folder}/{one['path']}" for one in run("report", catalog, "--json").json["archives"]} == paths
    told = run("timeline", folder, "--format", "jsonl").text
    assert [path for path in sorted(paths) if path not in told] == []
