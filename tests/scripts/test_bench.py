"""The benchmark: what it compares is comparable."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import bench
import pytest
from benchmarks import fleets, versions
from benchmarks.contest import Task
from benchmarks.floor import Floor
from benchmarks.versions import Comparison, Spent

from tests.invented import run

needs_git: Final = pytest.mark.skipif(not (versions.PROJECT / ".git").exists(), reason="needs the repository")


def rows(catalog: Path) -> dict[str, list[Any]]:
    """Return the rows of all tables."""
    with closing(sqlite3.connect(catalog)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}  # noqa: S608


def test_the_floor_of_a_scan_inserts_the_rows_that_the_scan_inserts(tmp_path: Path) -> None:
    fleet, example, made = tmp_path / "home", tmp_path / "example.sqlite", tmp_path / "made.sqlite"
    fleets.write_fleet(fleet, 3, 2)
    assert run("scan", fleet, "-o", example, "--jobs", "1").code == 0
    Floor(fleet, example, made)()
    assert rows(made) == rows(example)
    assert len(rows(made)["all_backups"]) == 6


def test_what_fills_a_folder_finds_it_empty_in_each_turn(tmp_path: Path) -> None:
    filled = tmp_path / "filled"
    filled.mkdir()
    task = Task("fill", (filled / "new").mkdir, emptied=filled)  # fails where it is there
    for _ in range(2):
        task.seconds()
    assert [path.name for path in filled.iterdir()] == ["new"]


@needs_git
def test_another_version_is_imported_from_its_own_folder(tmp_path: Path) -> None:
    version = versions.version_at("HEAD", tmp_path)
    done = version.run("-c", versions.START, "--version")
    assert (done.returncode, done.stdout.split()[:1]) == (0, [b"backupmeta"])
    assert version.folder.is_relative_to(tmp_path)


def test_a_bound_is_kept_by_the_time_on_processors() -> None:
    theirs = Spent(wall=1.0, processor=1.0)
    assert Comparison("list", Spent(wall=2.0, processor=1.05), theirs).is_within
    assert not Comparison("list", Spent(wall=1.0, processor=1.06), theirs).is_within


@pytest.mark.parametrize(
    "arguments", [[], ["lists"], ["head", "rescan"], ["head", "--against", "HEAD"], ["--runs", "6"]]
)
def test_what_can_not_be_measured_is_a_mistake(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        bench.parsed(arguments)
    assert raised.value.code == 2


def test_against_another_version_all_commands_are_measured_unless_some_are_named() -> None:
    assert bench.parsed(["--against", "HEAD"]).what == ["list", "scan", "rescan", "view", "verify", "members"]
    assert bench.parsed(["scan", "--against", "HEAD"]).what == ["scan"]
