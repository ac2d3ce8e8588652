"""Whatever ends a scan, its catalog is valid, the next scan goes on, and at last it is as if nothing had happened."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import bench_archives
import pytest

from backupmeta.catalog.accounts import Tally
from backupmeta.catalog.crew import Crew, Here
from backupmeta.catalog.scan import scan
from backupmeta.library import Search
from tests.catalog.snapshots import Difference, Tables, differences, rows
from tests.measured import COMMAND

ACCOUNTS: Final = 48
BACKUPS: Final = 4
KILLS: Final = 20
LIMIT: Final = 30
"""After so many seconds a test gives a process up."""

Process = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc of Linux")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet") / "home"
    bench_archives.fleet(folder, ACCOUNTS, BACKUPS)
    return folder


@pytest.fixture(scope="module")
def undisturbed(fleet: Path) -> list[Tables]:
    """Give what a catalog has after one scan that nothing disturbed, and after two."""
    catalog = fleet.parent / "undisturbed.sqlite"
    found = [scanned(fleet, catalog), scanned(fleet, catalog)]
    assert len(found[0]["all_backups"]) == ACCOUNTS * BACKUPS
    return found


def scanned(root: Path, catalog: Path) -> Tables:
    scan(str(catalog), Search((str(root),)))
    return rows(catalog)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


def command(root: Path, catalog: Path, jobs: int) -> list[str]:
    arguments = ["scan", str(root), "-o", str(catalog), "--jobs", str(jobs), "--progress", "none"]
    return [sys.executable, "-c", COMMAND, *arguments]


def finished(root: Path, catalog: Path, jobs: int = 1, **options: Any) -> Done:
    line = command(root, catalog, jobs)
    return subprocess.run(line, capture_output=True, text=True, timeout=LIMIT, check=False, **options)


def begun(root: Path, catalog: Path, jobs: int) -> Process:
    """Return a scan that takes its catalog right now."""
    lock = Path(f"{catalog}-scan")
    lock.unlink(missing_ok=True)
    process = subprocess.Popen(
        command(root, catalog, jobs), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait(lambda: lock.exists() or process.poll() is not None)
    return process


def wait(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.0005)


def end(process: Process) -> bool:
    """Kill a scan, but not its workers, and wait for their end; tell whether it had not come to its own end."""
    process.kill()
    try:
        process.communicate(timeout=LIMIT)  # its workers hold its stdout open until they end
    finally:
        end_group(process)
    assert process.returncode in {0, -signal.SIGKILL}
    return process.returncode != 0


def end_group(process: Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_whole(catalog: Path, elsewhere: Path) -> bool:
    """Tell whether SQLite finds nothing wrong with a copy; the catalog itself stays as whatever ended a scan left it."""
    if not catalog.exists():
        return True
    elsewhere.mkdir()
    for ending in ("", "-wal", "-journal"):
        if (file := Path(f"{catalog}{ending}")).exists():
            shutil.copy(file, elsewhere)
    with closing(sqlite3.connect(elsewhere / catalog.name)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
    shutil.rmtree(elsewhere)
    return found == [("ok",)]


def duration(root: Path, catalog: Path, jobs: int) -> float:
    """Return the seconds from when a scan takes its catalog to its end."""
    process = begun(root, catalog, jobs)
    began = time.monotonic()
    process.communicate(timeout=LIMIT)
    return time.monotonic() - began


def moments(seconds: float, seed: int) -> Iterator[float]:
    """Yield random moments, spread over so many ``seconds``."""
    choice = random.Random(seed)
    yield from (seconds * (number + choice.random()) / KILLS for number in range(KILLS))


def apart(catalog: Path, undisturbed: list[Tables]) -> list[Difference]:
    """Return how a catalog differs from what it has to be; a scan that was killed at its very end is one more."""
    found = rows(catalog)
    return differences(found, undisturbed[len(found["scans"]) - 1])


class TestKilled:
    @posix
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_at_any_moment_the_next_scan_goes_on(
        self, fleet: Path, undisturbed: list[Tables], jobs: int, tmp_path: Path
    ) -> None:
        seconds = duration(fleet, tmp_path / "measured.sqlite", jobs)
        killed = 0
        for number, moment in enumerate(moments(seconds, jobs)):
            catalog = tmp_path / f"{number}.sqlite"
            process = begun(fleet, catalog, jobs)
            time.sleep(moment)
            killed += end(process)
            assert is_whole(catalog, tmp_path / "copy")
            assert finished(fleet, catalog, jobs).returncode == 0
            assert apart(catalog, undisturbed) == []
        assert killed > KILLS // 2

    @posix
    def test_many_times_in_a_row(self, fleet: Path, undisturbed: list[Tables], catalog: Path, tmp_path: Path) -> None:
        seconds = duration(fleet, tmp_path / "measured.sqlite", 1)
        killed = 0
        for moment in random.Random(3).sample(list(moments(seconds, 3)), 6):
            process = begun(fleet, catalog, 2)
            time.sleep(moment)
            killed += end(process)
            assert is_whole(catalog, tmp_path / "copy")
        assert killed
        assert finished(fleet, catalog, 2).returncode == 0
        assert apart(catalog, undisturbed) == []

    @strace
    @pytest.mark.parametrize("write", [5, 20, 32, 36, 40, 50, 150, 300, -90, -50, -2])
    def test_before_any_write(
        self, fleet: Path, undisturbed: list[Tables], writes: int, write: int, catalog: Path
    ) -> None:
        place = write if write > 0 else writes + write
        killed = traced(f"inject=pwrite64:signal=SIGKILL:when={place}", fleet, catalog)
        assert killed.returncode == -signal.SIGKILL
        done = finished(fleet, catalog)
        assert (done.returncode, done.stderr) == (0, "")
        assert apart(catalog, undisturbed) == []

    @pytest.mark.parametrize("batches", range(5))
    def test_between_batches_a_later_scan_goes_on(self, batches: int, tmp_path: Path) -> None:
        root, catalog, other = tmp_path / "home", tmp_path / "catalog.sqlite", tmp_path / "other.sqlite"
        bench_archives.fleet(root, 40, 2)
        scanned(root, catalog)
        shutil.copy(catalog, other)
        change(root)
        with pytest.raises(InterruptedError):
            scan(str(catalog), Search((str(root),)), tell=Patience(batches).lose)
        assert differences(scanned(root, catalog), scanned(root, other)) == []


class Patience:
    """Ends after some batches."""

    def __init__(self, batches: int) -> None:
        self._left = batches

    def lose(self, _tally: Tally) -> None:
        self._left -= 1
        if self._left < 0:
            raise InterruptedError


def change(root: Path) -> None:
    """Change one account of each batch, and more."""
    users = sorted(root.iterdir())
    archives = [sorted((user / "application_backups").iterdir()) for user in users]
    records = [sorted((user / ".appdata/backups").iterdir()) for user in users]
    archives[0][0].unlink()
    archives[1][0].rename(archives[1][0].with_name("app_renamed.tar.gz"))
    archives[2][0].rename(users[37] / "application_backups" / archives[2][0].name)
    records[9][0].unlink()
    records[10][1].write_bytes(records[10][1].read_bytes() + b"\nbackup-note=changed")
    shutil.rmtree(users[11])
    users[12].rename(root / "user900000")
    os.utime(archives[17][0])
    archives[25][0].write_bytes(b"no archive")
    archives[33][0].rename(users[3] / "application_backups" / archives[33][0].name)


@pytest.fixture(scope="module")
def writes(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Give the number of times that a scan writes to its catalog."""
    folder = tmp_path_factory.mktemp("traced")
    assert traced("trace=pwrite64", fleet, folder / "catalog.sqlite", folder / "trace").returncode == 0
    return (folder / "trace").read_text().count("pwrite64(")


def traced(what: str, root: Path, catalog: Path, told: Path = Path(os.devnull)) -> Done:
    line = ["strace", "-f", "-qq", "-o", str(told), "-e", what, *command(root, catalog, 1)]
    return subprocess.run(line, capture_output=True, text=True, timeout=LIMIT, check=False)


def has_ended(catalog: Path) -> bool:
    """Tell whether a scan came to its end."""
    with closing(sqlite3.connect(catalog)) as connection:
        return bool(connection.execute("SELECT count(ended) FROM scans").fetchone()[0])
