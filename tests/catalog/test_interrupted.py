"""Whatever ends a scan, its catalog is valid, the next scan goes on, and at last it is as if nothing had happened."""

import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import pytest
from benchmarks.fleets import write_fleet

from backupmeta.catalog.batch import Batch
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from backupmeta.work.orders import Order, Part, Pool, Watch, Work, Workers
from backupmeta.work.processes import processes
from tests.catalog import fleets
from tests.catalog.fleets import LIMIT, Done, Process, command, fleet_of, wait
from tests.catalog.snapshots import Difference, Tables, current, differences, rows

ACCOUNTS: Final = 40
BACKUPS: Final = 4
KILLS: Final = 20
IN_A_ROW: Final = (0.1, 0.3, 0.3, 0.2, 0.2)
"""When each of some scans is killed, as a part of the time that one takes."""
DEADLY: Final = "user000012"

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc of Linux")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fleet_of(ACCOUNTS, BACKUPS, tmp_path_factory)


@pytest.fixture(scope="module")
def undisturbed(fleet: Path) -> list[Tables]:
    """Give what a catalog has after one scan that nothing disturbed, after two, and so on."""
    catalog = fleet.parent / "undisturbed.sqlite"
    found = [scanned(fleet, catalog) for _ in range(1 + len(IN_A_ROW))]
    assert len(found[0]["all_backups"]) == ACCOUNTS * BACKUPS
    return found


def scanned(root: Path, catalog: Path) -> Tables:
    scan(str(catalog), Search((str(root),)))
    return rows(catalog)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


def finished(root: Path, catalog: Path, jobs: int = 1, **how: Any) -> Done:
    return fleets.finished(command(root, catalog, "--jobs", str(jobs)), **how)


def begun(root: Path, catalog: Path, jobs: int) -> Process:
    """Return a scan that takes its catalog right now."""
    lock = Path(f"{catalog}-scan")
    lock.unlink(missing_ok=True)
    line = command(root, catalog, "--jobs", str(jobs))
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait(lambda: lock.exists() or process.poll() is not None)
    return process


def kill(root: Path, catalog: Path, jobs: int, moment: float) -> None:
    """Begin a scan, and kill it some seconds after it took its catalog; sooner where it has come to its own end."""
    before = catalog.parent / "before"
    keep(catalog, before)
    while not end(begun(root, catalog, jobs), moment):
        keep(before / catalog.name, catalog.parent)
        moment /= 2


def end(process: Process, moment: float = 0) -> bool:
    """Kill a scan after some seconds, but not its workers, and wait for these; tell whether it was still running."""
    time.sleep(moment)
    process.kill()
    try:
        process.communicate(timeout=LIMIT)  # its workers hold its stdout open until they end
    finally:
        end_group(process)
    assert process.returncode in {0, -signal.SIGKILL}
    return process.returncode != 0


def keep(catalog: Path, folder: Path) -> None:
    """Make what lies in a folder of a catalog what lies in another one."""
    folder.mkdir(exist_ok=True)
    for ending in ("", "-wal", "-journal"):
        source = Path(f"{catalog}{ending}")
        if source.exists():
            shutil.copy(source, folder)
        else:
            (folder / source.name).unlink(missing_ok=True)


def end_group(process: Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_whole(catalog: Path, elsewhere: Path) -> bool:
    """Tell whether SQLite finds nothing wrong with a copy; the catalog itself stays as the scan left it."""
    keep(catalog, elsewhere)
    with closing(sqlite3.connect(elsewhere / catalog.name)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def duration(root: Path, catalog: Path, jobs: int) -> float:
    """Return the seconds from when a scan takes its catalog to its end."""
    process = begun(root, catalog, jobs)
    began = time.monotonic()
    process.communicate(timeout=LIMIT)
    return time.monotonic() - began


def moments(seconds: float, count: int) -> Iterator[float]:
    """Yield so many random moments, spread over so many ``seconds``."""
    choice = random.Random(count)  # noqa: S311
    yield from (seconds * (number + choice.random()) / count for number in range(count))


def apart(found: Tables, undisturbed: list[Tables]) -> list[Difference]:
    """Return how a catalog differs from what it has to be; each scan that was killed at its very end is one more."""
    return differences(found, undisturbed[len(found["scans"]) - 1])


class TestKilled:
    @posix
    @pytest.mark.parametrize(("jobs", "kills"), [(1, 3), pytest.param(2, KILLS, marks=pytest.mark.long)])
    def test_at_any_moment_the_next_scan_goes_on(
        self, fleet: Path, undisturbed: list[Tables], jobs: int, kills: int, tmp_path: Path
    ) -> None:
        seconds = duration(fleet, tmp_path / "measured.sqlite", jobs)
        for number, moment in enumerate(moments(seconds, kills)):
            catalog = tmp_path / f"{number}.sqlite"
            kill(fleet, catalog, jobs, moment)
            assert is_whole(catalog, tmp_path / "copy")
            assert apart(scanned(fleet, catalog), undisturbed) == []

    @posix
    def test_many_times_in_a_row(self, fleet: Path, undisturbed: list[Tables], catalog: Path, tmp_path: Path) -> None:
        seconds = duration(fleet, tmp_path / "measured.sqlite", 2)
        for moment in IN_A_ROW:
            kill(fleet, catalog, 2, moment * seconds)
            assert is_whole(catalog, tmp_path / "copy")
        assert apart(scanned(fleet, catalog), undisturbed) == []

    @strace
    @pytest.mark.parametrize("write", [5, 20, 32, 36, 40, 50, 150, 300, -90, -50, -2])
    def test_before_any_write(
        self, fleet: Path, undisturbed: list[Tables], writes: int, write: int, catalog: Path
    ) -> None:
        place = write if write > 0 else writes + write
        killed = traced(f"inject=pwrite64:signal=SIGKILL:when={place}", fleet, catalog)
        assert killed.returncode == -signal.SIGKILL
        assert apart(scanned(fleet, catalog), undisturbed) == []

    @pytest.mark.parametrize("batches", range(5))
    def test_between_batches_a_later_scan_goes_on(self, batches: int, tmp_path: Path) -> None:
        root, catalog, other = tmp_path / "home", tmp_path / "catalog.sqlite", tmp_path / "other.sqlite"
        write_fleet(root, 40, 2)
        scanned(root, catalog)
        shutil.copy(catalog, other)
        change(root)
        with pytest.raises(InterruptedError):
            scan(str(catalog), Search((str(root),)), tell=Patience(batches).lose)
        assert differences(scanned(root, catalog), scanned(root, other)) == []

    def test_a_move_is_known_that_was_met_before_that(self, tmp_path: Path) -> None:
        root, catalog, other = tmp_path / "home", tmp_path / "catalog.sqlite", tmp_path / "other.sqlite"
        write_fleet(root, 16, 1)
        scanned(root, catalog)
        shutil.copy(catalog, other)
        (archive,) = (root / "user000000/application_backups").iterdir()
        archive.rename(root / "user000001/application_backups" / archive.name)
        with pytest.raises(InterruptedError):
            scan(str(catalog), Search((str(root),)), tell=Patience(0).lose)
        assert differences(scanned(root, catalog), scanned(root, other)) == []


class TestWorkers:
    @pytest.mark.parametrize("jobs", [1, 2, 3])
    def test_their_number_makes_no_difference(
        self, fleet: Path, undisturbed: list[Tables], jobs: int, catalog: Path
    ) -> None:
        assert finished(fleet, catalog, jobs).returncode == 0
        assert differences(rows(catalog), undisturbed[0]) == []

    @posix
    @pytest.mark.parametrize("account", ["user000000", DEADLY, "user000039"])
    @pytest.mark.parametrize("parts", [0, 1])
    def test_one_may_be_killed(
        self, fleet: Path, undisturbed: list[Tables], account: str, parts: int, catalog: Path
    ) -> None:
        mortal = Mortal(catalog.with_name("kills"), account, parts, most=1)
        tally = scan(str(catalog), Search((str(fleet),)), workers=mortal)
        assert mortal.kills.read_text() == account
        assert (tally.accounts, tally.unreadable) == (ACCOUNTS, 0)
        assert differences(rows(catalog), undisturbed[0]) == []

    @posix
    def test_an_account_that_ends_each_of_them_is_told(
        self, fleet: Path, undisturbed: list[Tables], catalog: Path
    ) -> None:
        mortal = Mortal(catalog.with_name("kills"), DEADLY)
        tally = scan(str(catalog), Search((str(fleet),)), workers=mortal)
        assert (tally.accounts, tally.unreadable) == (ACCOUNTS, 1)
        found = rows(catalog)
        (finding,) = found["all_findings"]
        assert (finding[6], Path(finding[8]).name) == ("folder-unreadable", DEADLY)
        assert [Path(one[2]).name for one in found["accounts"] if one[8] == "unreadable"] == [DEADLY]
        assert len(found["all_backups"]) == len(undisturbed[0]["all_backups"]) - BACKUPS

    @posix
    def test_once_it_can_be_read_it_is_there(self, fleet: Path, catalog: Path) -> None:
        scan(str(catalog), Search((str(fleet),)), workers=Mortal(catalog.with_name("kills"), DEADLY))
        fresh = catalog.with_name("fresh.sqlite")
        scanned(fleet, catalog)
        scanned(fleet, fresh)
        assert differences(current(catalog), current(fresh)) == []


class Mortal(Workers):
    """Two processes; each that reads a certain account is killed, after it has sent so many parts of what comes out.

    Attributes:
        kills: the file to which each process that is killed writes the account's name.
    """

    ahead = 8

    def __init__(self, kills: Path, account: str, parts: int = 0, most: int = sys.maxsize) -> None:
        """Let at ``most`` so many processes be killed."""
        super().__init__()
        self.kills = kills
        self._deadly = account, parts, most

    def pool(self, work: Work[Order, Part]) -> Pool[Order, Part]:
        return processes(2).pool(Deadly(work, self.kills, *self._deadly))


class Deadly(Work[Order, Part]):
    """Work that kills the process which does it, where it reads a certain account."""

    def __init__(self, work: Work[Order, Part], kills: Path, account: str, parts: int, most: int) -> None:
        self._work = work
        self._kills = kills
        self._account = account
        self._parts = parts
        self._most = most
        kills.touch()

    def do(self, order: Order, watch: Watch) -> Iterator[Part]:
        parts = iter(self._work.do(order, watch))
        names = [Path(task.account.path).name for task in cast("Batch", order)]
        if self._account in names and self._kills.read_text().count(self._account) < self._most:
            yield from islice(parts, self._parts)
            with self._kills.open("a") as kills:
                kills.write(self._account)
            os.kill(os.getpid(), signal.SIGKILL)
        yield from parts

    def given_up(self, order: Order) -> Iterator[Part]:
        raise NotImplementedError  # who gives the orders knows the work itself


def workers(process: Process) -> list[int]:
    """Return the children of a scan."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(one) for one in path.read_text(encoding="ascii").split()] if path.exists() else []


class TestTwoAtOnce:
    @linux
    def test_the_second_says_so_at_once(self, fleet: Path, undisturbed: list[Tables], catalog: Path) -> None:
        with stopped(fleet, catalog):
            done = finished(fleet, catalog)  # the first scan is stopped: waiting for it would never end
        assert (done.returncode, done.stdout) == (2, "")
        reason = "another scan writes to it; wait for its end, or name another file"
        assert done.stderr == f"backupmeta: {catalog}: {reason}\n"
        assert apart(scanned(fleet, catalog), undisturbed) == []

    @linux
    def test_the_second_says_so_by_another_name(self, fleet: Path, catalog: Path) -> None:
        link = catalog.with_name("link.sqlite")
        link.symlink_to(catalog)
        with stopped(fleet, catalog):
            assert finished(fleet, link).returncode == 2

    @linux
    def test_workers_of_a_killed_one_keep_nobody_out(
        self, fleet: Path, undisturbed: list[Tables], catalog: Path
    ) -> None:
        with stopped(fleet, catalog) as process:
            orphans = workers(process)
            assert orphans
            process.kill()
            process.wait(LIMIT)
            assert apart(scanned(fleet, catalog), undisturbed) == []
            assert all(Path(f"/proc/{one}").exists() for one in orphans)


STOPPING: Final = """
import os, signal, sys
from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from backupmeta.work.processes import processes

stop = lambda _: os.killpg(0, signal.SIGSTOP)
scan(sys.argv[2], Search((sys.argv[1],)), tell=stop, workers=processes(2))
"""
"""A scan that stops itself and its workers after its first batch."""


@contextmanager
def stopped(root: Path, catalog: Path) -> Iterator[Process]:
    """Give a scan that is stopped in the middle, its workers, too; kill them all at last."""
    line = [sys.executable, "-c", STOPPING, str(root), str(catalog)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    status = Path(f"/proc/{process.pid}/stat")
    try:
        wait(lambda: status.read_text(encoding="ascii").rpartition(") ")[2].startswith("T"))
        yield process
    finally:
        end_group(process)
        process.communicate(timeout=LIMIT)


class TestFullDisk:
    @linux
    @pytest.mark.parametrize("kibibytes", [0, 4, 64, 160, 256, 400, 700])
    def test_says_so_and_goes_on_once_there_is_room(
        self, fleet: Path, undisturbed: list[Tables], kibibytes: int, tmp_path: Path
    ) -> None:
        with disk(tmp_path / "disk", kibibytes) as folder:
            catalog = folder / "catalog.sqlite"
            done = finished(fleet, catalog, 2)
            assert (done.returncode, done.stdout) == (2, "")
            assert ONE_LINE.fullmatch(done.stderr)
            assert is_whole(catalog, tmp_path / "copy")
            resize(folder, 64 * 1024)
            assert apart(scanned(fleet, catalog), undisturbed) == []

    @posix
    @pytest.mark.parametrize("kibibytes", [0, 4, 64, 160, 256, 400])
    def test_so_does_a_quota(self, fleet: Path, undisturbed: list[Tables], kibibytes: int, catalog: Path) -> None:
        bound = kibibytes * 1024
        done = finished(fleet, catalog, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound)))
        assert (done.returncode, done.stdout) == (2, "")
        assert ONE_LINE.fullmatch(done.stderr)
        assert is_whole(catalog, catalog.parent / "copy")
        assert apart(scanned(fleet, catalog), undisturbed) == []


ONE_LINE: Final = re.compile(
    r"backupmeta: /\S+/catalog\.sqlite: [^\n;]+; what was done until then is kept; try again once that is mended\n"
)


@contextmanager
def disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """Give a file system of its own with so much room."""
    folder.mkdir()
    pages = kibibytes + 4  # its root takes one
    mount = ["mount", "-t", "tmpfs", "-o", f"size={pages}k,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def resize(folder: Path, kibibytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(folder)], check=True)


class Patience:
    """Ends after some batches."""

    def __init__(self, batches: int) -> None:
        self._left = batches

    def lose(self, _tally: ScanResult) -> None:
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
    filtered = ["strace", "-f", "--seccomp-bpf", "-qq"]  # all other calls of the system as fast as without it
    return fleets.finished([*filtered, "-o", str(told), "-e", what, *command(root, catalog, "--jobs", "1")])
