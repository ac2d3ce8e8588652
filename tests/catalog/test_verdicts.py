"""Verifying from a catalog that was scanned deep: as from the disk, which is gone."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.invented import BACKUP, FIXTURES, INSTALL, NAME, SECOND, TIME, Account, Ran, backup_record, install_record, run
from tests.sites import NOW, honest, packed, record

ACCOUNTS: Final = sorted((FIXTURES / "accounts").iterdir())
SECOND_NAME: Final = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
POLICIES: Final = {
    "none": "",
    "select": 'select = ["record"]',
    "ignore": 'ignore = ["contents", "record-holds-secrets"]',
    "fail-on": 'fail-on = "note"',
    "severity": '[severity]\nrecord = "error"\naccount = "note"',
    "backups": "[require]\nminimum-backups = 3",
    "age": "[require]\nmaximum-age-days = 0.5",
    "locations": '[require]\nlocations = ["s3://"]',
    "all": 'select = ["whole", "account"]\nfail-on = "error"\n[require]\nminimum-backups = 9\nmaximum-age-days = 1',
}
OPTIONS: Final = {
    "select": ["--select", "whole", "--select", "safe"],
    "ignore": ["--ignore", "record", "--ignore", "account"],
    "fail-on": ["--fail-on", "error"],
    "now": ["--now", str(TIME - 10 * 86_400)],  # before it was made
    "later": ["--now", "2030-01-01"],
    "zone": ["--tz", "America/New_York"],
}


def copied(folder: Path, target: Path) -> Path:
    """Copy an image to where it can be taken away, its files as old as their backup."""
    shutil.copytree(folder, target, symlinks=True)
    return aged(target)


def aged(folder: Path) -> Path:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (TIME, TIME))
    return folder


def told(ran: Ran) -> Any:
    """Return what was told; without the offsets, which a catalog does not keep."""
    return json.loads(re.sub(r', "offset": \d+', "", ran.text))


class Both:
    """A disk, and a catalog of it."""

    def __init__(self, place: list[str | Path], catalog: Path) -> None:
        self._place, self._catalog = place, catalog

    def scan(self, *options: str) -> None:
        assert run("scan", *self._place, "-o", self._catalog, "--deep", "--jobs", "1", *options).code in {0, 2}

    def apart(self, *options: str | Path) -> tuple[Any, Any]:
        """Return what disk and catalog tell; a target each."""
        ran = [run("verify", *where, "--json", "--jobs", "1", *options) for where in (self._place, ["--catalog", self._catalog])]
        return (ran[0].code, told(ran[0])), (ran[1].code, told(ran[1]))


@pytest.mark.parametrize("folder", ACCOUNTS, ids=lambda folder: folder.name)
def test_accounts(folder: Path, tmp_path: Path) -> None:
    image = copied(folder / "sysroot", tmp_path / "image")
    both = Both(["--sysroot", image], tmp_path / "catalog.sqlite")
    both.scan()
    for now in (str(NOW), "2025-03-16"):
        disk, catalog = both.apart("--now", now)
        assert catalog == disk
