"""Verifying from a catalog that was scanned deep: as from the disk, which is gone."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from backupmeta.work.orders import Workers
from tests.invented import FIXTURES, NAME, SECOND, TIME, Account, Ran, run
from tests.sites import NOW, honest, packed, record

ACCOUNTS: Final = FIXTURES / "accounts"
OTHER: Final = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
LONE: Final = "app_example-com_Blog_2024-06-15_20-55-21.tar.gz"
DAY: Final = 86_400


class Both:
    """An image, and a deep catalog of it."""

    def __init__(self, image: Path) -> None:
        self._image, self.catalog = image, image.with_name("catalog.sqlite")

    def scanned(self) -> "Both":
        assert run("scan", "--sysroot", self._image, "-o", self.catalog, "--deep", "--jobs", "1").code in {0, 2}
        return self

    def told_by_disk(self, *options: str | Path) -> tuple[int, Any]:
        return told(run("verify", "--sysroot", self._image, "--json", "--jobs", "1", *options))

    def told_by_catalog(self, *options: str | Path) -> tuple[int, Any]:
        code, found = told(run("verify", "--catalog", self.catalog, "--json", *options))
        for target in found["targets"]:  # what was odd on the way to the accounts is told of where one looked
            target["path"] = target["path"].replace(str(self.catalog), str(self._image))
        return code, found


def told(ran: Ran) -> tuple[int, Any]:
    """Return the exit code, and what was told; without the offsets, which a catalog does not keep."""
    return ran.code, json.loads(re.sub(r', "offset": \d+', "", ran.text))


def aged(folder: Path) -> Path:
    """Make all files as old as the backup, or they may still be being written."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (TIME, TIME))
    return folder


class TestLikeTheDisk:
    @pytest.mark.parametrize("now", ["2025-03-16", "2024-06-14"])
    @pytest.mark.parametrize("name", sorted(path.name for path in ACCOUNTS.iterdir()))
    def test_of_fixtures(self, name: str, now: str, tmp_path: Path) -> None:
        image = aged(Path(shutil.copytree(ACCOUNTS / name / "sysroot", tmp_path / "image", symlinks=True)))
        both = Both(image).scanned()
        by_disk = both.told_by_disk("--now", now)
        shutil.rmtree(image)
        assert both.told_by_catalog("--now", now) == by_disk

    @pytest.mark.parametrize(
        "options",
        [
            [],
            ["--select", "whole", "--select", "safe"],
            ["--ignore", "record", "--ignore", "table-missing"],
            ["--fail-on", "error"],
            ["--fail-on", "note"],
            ["--tz", "America/New_York"],
            ["--now", str(TIME - 10 * DAY)],
            ["--now", "2030-01-01"],
            'select = ["record"]',
            'ignore = ["contents", "record-holds-secrets"]\nfail-on = "note"',
            '[severity]\nrecord = "error"\naccount = "note"',
            "[require]\nminimum-backups = 9",
            "[require]\nmaximum-age-days = 0.5",
            '[require]\nlocations = ["s3://"]',
            'select = ["account"]\nfail-on = "error"\n[require]\nminimum-backups = 9\nmaximum-age-days = 1',
        ],
        ids=str,
    )
    def test_by_any_policy(self, varied: Both, options: list[str] | str, tmp_path: Path) -> None:
        asked = options if isinstance(options, list) else ["--policy", str(policy(tmp_path, options))]
        now = [] if "--now" in asked else ["--now", str(NOW)]
        disk, catalog = varied.told_by_disk(*asked, *now), varied.told_by_catalog(*asked, *now)
        assert catalog == disk

    def test_policies_make_a_difference(self, varied: Both, tmp_path: Path) -> None:
        asked = policy(tmp_path, '[require]\nminimum-backups = 9\nmaximum-age-days = 0.01\nlocations = ["s3://"]')
        assert {"backups-too-few", "backup-too-old", "location-not-allowed"} <= found(
            varied.told_by_catalog("--policy", asked, "--now", str(NOW + 3 * DAY))
        )
        assert found(varied.told_by_catalog("--select", "safe")) <= {"archive-truncated"}

    def test_by_a_location_that_a_lone_archive_tells(self, image: Path, tmp_path: Path) -> None:
        Account(image / "home/exampleu").archive(LONE, record(backup_filename=LONE))
        both = Both(aged(image)).scanned()
        asked = ("--policy", policy(tmp_path, '[require]\nlocations = ["s3://"]'), "--now", str(NOW))
        assert both.told_by_catalog(*asked) == both.told_by_disk(*asked)

    def test_of_an_archive_that_is_passed_over_for_its_namesake(self, image: Path) -> None:
        account = honest(image / "home/exampleu")
        account.backup(SECOND, record(backup_filename=OTHER))  # which is missing, and looked for everywhere
        (account.home / "old").mkdir()
        shutil.copy(account.archives / NAME, account.home / "old" / NAME)
        both = Both(aged(image)).scanned()
        assert both.told_by_catalog("--now", str(NOW)) == both.told_by_disk("--now", str(NOW))

    def test_of_names_that_are_alike_but_for_their_bytes(self, image: Path) -> None:
        account = Account(image / "home/exampleu")
        for name, content in ((b"app_\xfe.tar.gz", packed(record())), (b"app_\xff.tar.gz", b"no archive")):
            (account.archives / os.fsdecode(name)).write_bytes(content)
        both = Both(aged(image)).scanned()
        assert both.told_by_catalog("--now", str(NOW)) == both.told_by_disk("--now", str(NOW))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "image"


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Give an account with an honest backup, and one that is odd and cut off; and one whose archive is missing."""
    image = tmp_path_factory.mktemp("varied") / "image"
    account = honest(image / "home/exampleu")
    odd = record(backup_filename=OTHER, backup_time=str(TIME + DAY), list_tables="wp_options,wp_gone")
    account.backup(SECOND, odd)
    (account.archives / OTHER).write_bytes(packed(odd)[:-30])
    account.backup("c" * 25, record(backup_filename=LONE, backup_location="ftp://user@example.com/"))
    return Both(aged(image)).scanned()


def policy(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def found(ran: tuple[int, Any]) -> set[str]:
    """Return the ids of all findings."""
    return {finding["id"] for target in ran[1]["targets"] for finding in target["findings"]}


class TestRefused:
    """What a catalog does not know is a clear line, and exit code 2."""

    def test_a_shallow_catalog(self, image: Path) -> None:
        account, catalog = honest(image / "home/exampleu"), image.with_name("catalog.sqlite")
        run("scan", image, "-o", catalog, "--jobs", "1")
        assert refusal(catalog) == not_read(catalog, account.archives / NAME)

    def test_a_catalog_that_is_no_longer_deep(self, image: Path) -> None:
        account = honest(image / "home/exampleu")
        both = Both(aged(image)).scanned()
        account.archive(OTHER, record(backup_filename=OTHER))
        aged(image)
        run("scan", "--sysroot", image, "-o", both.catalog, "--jobs", "1")
        assert refusal(both.catalog) == not_read(both.catalog, account.archives / NAME)  # its inode was changed, too
        assert both.scanned().told_by_catalog("--now", str(NOW)) == both.told_by_disk("--now", str(NOW))

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('[require]\nfiles = ["wp-config.php"]', "require.files"),
            ('[require]\ntables = ["wp_users"]', "require.tables"),
            ('[versions]\nwordpress = "6.4"', "versions"),
        ],
    )
    def test_a_policy_that_asks_the_archives(self, varied: Both, text: str, key: str, tmp_path: Path) -> None:
        line = f"backupmeta: {key}: is told by the archives alone; verify those, without --catalog"
        assert refusal(varied.catalog, "--policy", policy(tmp_path, text)) == line

    def test_a_place_beside_it(self, varied: Both, tmp_path: Path) -> None:
        for beside in ([tmp_path], ["--sysroot", tmp_path]):
            ran = run("verify", "--catalog", varied.catalog, *beside)
            assert (ran.code, ran.out) == (2, b"")
            assert "does not go with --catalog: it is for what is on disk" in ran.err


def refusal(catalog: Path, *options: str | Path) -> str:
    """Return the line that is told behind the catalog's age."""
    ran = run("verify", "--catalog", catalog, "--json", *options)
    age, line = ran.err.splitlines()
    assert (ran.code, ran.out) == (2, b"")
    assert age.startswith(f"backupmeta: {catalog}: as of ")
    return line


def not_read(catalog: Path, archive: Path) -> str:
    advice = "scan it again with --deep, or verify the archives without --catalog"
    return f"backupmeta: {catalog}: {archive} was not read to its end; {advice}"


class OnHost(Workers):
    """This process, which says that it is on a host."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.hosts = (host,)


def test_each_host_has_its_own(tmp_path: Path) -> None:
    account, catalog = honest(tmp_path / "home/exampleu"), tmp_path / "catalog.sqlite"
    search = Search((str(tmp_path / "home"),))
    scan(str(catalog), search, deep=True, workers=OnHost("one"))
    (account.archives / NAME).write_bytes(packed(record())[:-30])
    scan(str(catalog), search, deep=True, workers=OnHost("two"))
    _, told_by_catalog = told(run("verify", "--catalog", catalog, "--json", "--now", str(NOW)))
    verdicts = [target["verdict"] for target in told_by_catalog["targets"] if target["path"].endswith(NAME)]
    assert verdicts == ["pass", "fail"]


def test_a_root_that_could_not_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    honest(aged(tmp_path) / "home/exampleu")
    nowhere, catalog = str(tmp_path / "nowhere"), tmp_path / "catalog.sqlite"
    assert run("scan", tmp_path / "home", nowhere, "-o", catalog, "--deep", "--jobs", "1").code == 2
    code, told_by_catalog = told(run("verify", "--catalog", catalog, "--json"))
    assert code == 2
    (of_roots,) = [target for target in told_by_catalog["targets"] if target["path"] == str(catalog)]
    assert of_roots["verdict"] == "unreadable"
    assert [finding["message"].partition(": ")[0] for finding in of_roots["findings"]] == [nowhere]
    assert of_roots["findings"][0]["evidence"] == [{"witness": "file system", "path": nowhere}]
