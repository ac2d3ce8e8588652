"""Answering from a catalog: as from the disk it was scanned from, which may be gone."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.invented import BACKUP, NAME, TIME, Account, Ran, run

ACCOUNTS = Path(__file__).parent.parent.parent / "fixtures/accounts"
CASES = [pytest.param(folder / "sysroot", id=folder.name) for folder in sorted(ACCOUNTS.iterdir())]


def rows(ran: Ran) -> list[Any]:
    """Return the rows that were printed; without the offsets, which a catalog does not keep."""
    printed = re.sub(rb',"offset":\d+', b"", ran.out).decode()
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture
def moved(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give a fixture's account, at a place that can be taken away."""
    return Path(shutil.copytree(request.param, tmp_path / "image", symlinks=True))


@pytest.mark.parametrize("moved", CASES, indirect=True)
@pytest.mark.parametrize("command", ["list", "installs"])
def test_a_catalog_answers_as_the_disk(moved: Path, command: str, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    from_disk = run(command, "--sysroot", moved, "--jsonl", "--provenance")
    assert run("scan", "--sysroot", moved, "-o", catalog, "--jobs", "1").code == 0
    shutil.rmtree(moved)
    from_catalog = run(command, "--catalog", catalog, "--jsonl", "--provenance")
    assert rows(from_catalog) == rows(from_disk)
    assert from_catalog.code == from_disk.code
    assert "as of" in from_catalog.err


def test_a_view_from_a_catalog_knows_when_the_archive_was_written(tmp_path: Path) -> None:
    account, catalog = Account(tmp_path / "home/exampleu").whole(), tmp_path / "catalog.sqlite"
    os.utime(account.archives / NAME, (TIME + 90_000, TIME + 90_000))
    assert run("scan", account.home, "-o", catalog, "--jobs", "1").code == 0
    shutil.rmtree(account.home)
    shown = run("view", BACKUP, "--catalog", catalog, "--json", "--provenance")
    assert (shown.code, str(TIME + 90_000) in shown.text) == (0, True)
