"""Scanning takes as much memory for many backups as for few, in the process itself and in its workers."""

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from benchmarks import fleets

from tests.measured import measured

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="resource.getrusage of POSIX")

BACKUPS: Final = 20
FEW: Final = 1_000
MANY: Final = 4_000
MOST: Final = 150 * 1024
"""What a process may take, in KiB."""

SCRIPT: Final = """
import atexit, resource, sys
from backupmeta.cli import main

def tell():
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("peaks", *peaks, file=sys.stderr)

atexit.register(tell)
main()
"""


class Peaks(NamedTuple):
    """What a scan took at most, and what its largest worker did; in KiB."""

    own: int
    workers: int


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Give a root with few backups and one with many: each file is a link to one of twenty."""
    folder = tmp_path_factory.mktemp("roots")
    fleets.write_fleet(folder / "first", 1, BACKUPS)
    (first,) = (folder / "first").iterdir()
    return {count: linked(first, folder / str(count), count // BACKUPS) for count in (FEW, MANY)}


def linked(first: Path, root: Path, accounts: int) -> Path:
    files = [path for path in first.rglob("*") if path.is_file()]
    for number in range(accounts):
        home = root / f"user{number:06d}"
        for folder in (path for path in first.rglob("*") if path.is_dir()):
            (home / folder.relative_to(first)).mkdir(parents=True, exist_ok=True)
        for path in files:
            os.link(path, home / path.relative_to(first))
    return root


def peaks(root: Path, catalog: Path, jobs: int) -> Peaks:
    done = measured(SCRIPT, "scan", str(root), "-o", str(catalog), "--jobs", str(jobs))
    assert done.code == 0
    own, workers = map(int, done.err.rpartition("peaks")[2].split())
    assert max(own, workers) <= done.peak < max(own, workers) * 1.02  # what comes after the last look
    return Peaks(own, workers)


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_take_no_more_than_few(roots: dict[int, Path], jobs: int, tmp_path: Path) -> None:
    few, many = (peaks(roots[count], tmp_path / f"{count}.sqlite", jobs) for count in (FEW, MANY))
    assert max(many) < MOST
    assert many.own < few.own * 1.1
    assert many.workers <= few.workers * 1.1


def test_scanning_again_takes_no_more(roots: dict[int, Path], tmp_path: Path) -> None:
    first, again = (peaks(roots[MANY], tmp_path / "catalog.sqlite", 1) for _ in range(2))
    assert again.own < first.own * 1.1


def test_a_large_account_takes_no_more_than_it_may(roots: dict[int, Path], tmp_path: Path) -> None:
    home = tmp_path / "home/exampleu"
    archives = sorted(roots[FEW].glob("*/application_backups/*"))[:BACKUPS]
    (home / "application_backups").mkdir(parents=True)
    for number in range(MANY):
        os.link(archives[number % BACKUPS], home / f"application_backups/app_x_y_{number}.tar.gz")
    assert peaks(home, tmp_path / "catalog.sqlite", 1).own < MOST
