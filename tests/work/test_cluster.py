"""Scanning by a cluster: a real Dask scheduler and real workers, on loopback; some of them die."""

import asyncio
import json
import os
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, cast

import pytest
from benchmarks import fleets
from distributed.comm.core import CommClosedError

import backupmeta
from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from backupmeta.work.cluster import _result
from tests.catalog.fleets import LIMIT, Process, command, fleet_of, wait
from tests.catalog.snapshots import Tables, differences, rows
from tests.invented import TIME, Account, Ran, backup_record, run
from tests.measured import COMMAND

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ACCOUNTS: Final = 60
BACKUPS: Final = 12
HERE: Final = socket.gethostname()
NOWHERE: Final = "tcp://127.0.0.1:9"
ANOTHER_HOST: Final = 'hostname another && mount --bind "$0" "$1" && shift && exec "$@"'
"""Makes a host of a process: its own name, and its own disk in the place of a folder."""


class Cluster:
    """A scheduler and its workers, processes of their own; all of them end with the ``with``."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        own = {"DASK_TEMPORARY_DIRECTORY": str(folder), "DASK_CONFIG": str(folder)}
        self._environment = {**os.environ, **own, **settings}
        self._ending = ExitStack()
        self._hired = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        with ExitStack() as ending:
            self._ending = ending
            self.scheduler = self._started("scheduler", *DASK, "scheduler", "--port", "0", "--dashboard-address", ":0")
            wait(self._is_told)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.close()

    @property
    def address(self) -> str:
        return str(json.loads((self._folder / "file").read_text())["address"])

    def hire(self, *before: str, python: tuple[str, ...] = ()) -> Process:
        """Return a new worker; ``before`` stands before its command."""
        self._hired += 1
        name = f"worker{self._hired}"
        line = (*before, *(python or DASK), "worker", "--no-nanny", "--nthreads", "1")
        worker = self._started(name, *line)
        wait(lambda: "Registered to" in (self._folder / name).read_text())
        return worker

    def _started(self, name: str, *line: str) -> Process:
        common = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self._folder / "file"))
        with (self._folder / name).open("w") as told:
            process = subprocess.Popen((*line, *common), stdout=told, stderr=told, text=True, env=self._environment)
        self._ending.callback(end, process)
        return process

    def _is_told(self) -> bool:
        with suppress(OSError, ValueError):  # not there yet, or not yet whole
            return bool(self.address)
        return False


DASK: Final = (sys.executable, "-m", "dask")


def end(process: Process) -> None:
    process.kill()
    process.wait(LIMIT)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fleet_of(ACCOUNTS, BACKUPS, tmp_path_factory)


@pytest.fixture(scope="module")
def alone(fleet: Path) -> Tables:
    """Give what one process makes of the fleet."""
    catalog = fleet.with_name("alone.sqlite")
    assert run("scan", fleet, "-o", catalog, "--jobs", "1").code == 0
    found = rows(catalog)
    assert len(found["all_backups"]) == ACCOUNTS * BACKUPS
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster with a worker that stays."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "dask") as made:
        made.hire()
        yield made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster without workers, whose scheduler gives up what a worker dies of at once."""
    with Cluster(tmp_path_factory.mktemp("empty") / "dask", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as made:
        yield made


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture(scope="module")
def seconds() -> list[Process]:
    """Give a list for the cluster's second workers, one after the other."""
    return []


@pytest.fixture
def second(cluster: Cluster, seconds: list[Process]) -> Process:
    """Give the cluster's second worker: a new one, where the last one is dead."""
    if not seconds or seconds[-1].poll() is not None:
        seconds.append(cluster.hire())
    return seconds[-1]


def finished(root: Path, catalog: Path, address: str, *options: str) -> Ran:
    return run("scan", root, "-o", catalog, "--cluster", address, *options)


@contextmanager
def midway(root: Path, catalog: Path, cluster: Cluster, worker: Process) -> Iterator[Process]:
    """Give a scan that waits for a ``worker``, which is stopped: some accounts are in its catalog, others are not."""
    python, dash_c, _, *line = command(root, catalog, "--cluster", cluster.address)
    with subprocess.Popen(
        [python, dash_c, LESS_PATIENT, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait(lambda: done(catalog) > 0)
            worker.send_signal(signal.SIGSTOP)
            wait(lambda: is_still(catalog))
            assert done(catalog) < ACCOUNTS
            assert process.poll() is None
            yield process
        finally:
            process.kill()


LESS_PATIENT: Final = f"from backupmeta.work import cluster; cluster._PATIENCE = 3; {COMMAND}"


def done(catalog: Path) -> int:
    """Return how many accounts a catalog has."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM accounts").fetchone()[0])
    return 0


def is_still(catalog: Path) -> bool:
    """Tell whether a catalog grows no more."""
    before = done(catalog)
    time.sleep(0.4)
    return done(catalog) == before


class TestLikeAlone:
    """The rows are those that one process makes."""

    def test_shallow(self, fleet: Path, alone: Tables, cluster: Cluster, second: Process, catalog: Path) -> None:
        ran = finished(fleet, catalog, cluster.address)
        assert (ran.code, ran.err) == (0, "")
        assert ran.text.startswith(f"{ACCOUNTS} accounts; {ACCOUNTS * BACKUPS:,} archives of ")
        assert differences(rows(catalog), alone) == []
        assert second.poll() is None

    def test_deep(self, cluster: Cluster, tmp_path: Path, catalog: Path) -> None:
        root, other = tmp_path / "home", tmp_path / "other.sqlite"
        fleets.write_fleet(root, 3, 2)
        paths = sorted(root.glob("*/application_backups/*"))
        paths[1].write_bytes(paths[1].read_bytes()[:-30])
        for path in paths:
            os.utime(path, (TIME, TIME))  # or they may still be being written
        assert finished(root, catalog, cluster.address, "--deep").code == 0
        scan(str(other), Search((str(root),)), deep=True)
        assert differences(rows(catalog), rows(other)) == []
        assert asked(catalog, "SELECT count(*) FROM files WHERE kind = 'archive' AND walked = 1") == [(6,)]
        cut = asked(catalog, "SELECT path FROM files JOIN findings USING (file) WHERE id = 'archive-truncated'")
        assert cut == [(str(paths[1]),)]

    def test_of_each_host_but_for_its_name(
        self, fleet: Path, alone: Tables, cluster: Cluster, second: Process, catalog: Path
    ) -> None:
        assert finished(fleet, catalog, cluster.address, "--per-host").code == 0
        assert second.poll() is None
        found = rows(catalog)
        assert {one[1] for one in found["accounts"]} == {HERE}
        found["accounts"] = [(one[0], "", *one[2:]) for one in found["accounts"]]
        assert differences({**found, "seals": []}, {**alone, "seals": []}) == []


def asked(catalog: Path, select: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(select).fetchall()


@pytest.mark.long
class TestDeath:
    """Who dies in the middle costs some time, and no row."""

    def test_of_a_worker(self, fleet: Path, alone: Tables, cluster: Cluster, second: Process, catalog: Path) -> None:
        with midway(fleet, catalog, cluster, second) as process:
            end(second)
            out, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, err) == (0, "")
        assert out.startswith(f"{ACCOUNTS} accounts; ")  # none of them unreadable
        assert differences(rows(catalog), alone) == []

    def test_of_a_worker_whose_orders_the_scheduler_gives_up(
        self, fleet: Path, alone: Tables, empty: Cluster, catalog: Path
    ) -> None:
        first, second = empty.hire(), empty.hire()
        with midway(fleet, catalog, empty, second) as process:
            end(second)
            out, err = process.communicate(timeout=LIMIT)
        end(first)
        assert (process.returncode, err) == (0, "")
        assert out.startswith(f"{ACCOUNTS} accounts; ")
        assert differences(rows(catalog), alone) == []

    def test_of_all_workers(self, fleet: Path, alone: Tables, empty: Cluster, catalog: Path) -> None:
        only = empty.hire()
        with midway(fleet, catalog, empty, only) as process:
            end(only)
            assert process.stderr is not None
            told = process.stderr.readline()
            new = empty.hire()
            _, err = process.communicate(timeout=LIMIT)
        end(new)
        waiting = f"no workers are left; the scan waits for new ones: dask worker {empty.address}"
        assert (process.returncode, told, err) == (0, f"backupmeta: {empty.address}: {waiting}\n", "")
        assert differences(rows(catalog), alone) == []

    def test_of_the_scheduler(self, fleet: Path, alone: Tables, tmp_path: Path, catalog: Path) -> None:
        with Cluster(tmp_path / "dask") as mortal:
            address, worker = mortal.address, mortal.hire()
            with midway(fleet, catalog, mortal, worker) as process:
                kept = done(catalog)
                end(mortal.scheduler)
                out, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, out) == (2, "")
        assert err == f"backupmeta: {address}: the scheduler went away; what was done is kept\n"
        assert 0 < kept <= done(catalog) < ACCOUNTS
        tally = scan(str(catalog), Search((str(fleet),)))
        assert (tally.accounts, tally.unchanged) == (ACCOUNTS, kept)
        assert differences(rows(catalog), alone) == []

    def test_by_ctrl_c(self, fleet: Path, alone: Tables, cluster: Cluster, second: Process, catalog: Path) -> None:
        with midway(fleet, catalog, cluster, second) as process:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 130
        assert err == "backupmeta: interrupted; what was done is saved, and the next scan goes on from there\n"
        second.send_signal(signal.SIGCONT)
        assert finished(fleet, catalog, cluster.address).code == 0
        assert differences(rows(catalog), alone) == []


class Sent:
    """What a scheduler has, and is asked for: what the work asks of one of Dask's futures."""

    def __init__(self, status: str, error: Exception) -> None:
        self.status = status
        self._error = error

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._raised().__await__()

    async def _raised(self) -> None:
        raise self._error


class TestSent:
    """What was done, and can't be had: Dask's own executor waits for ever."""

    @pytest.mark.parametrize("error", [OSError("timed out"), CancelledError(), AttributeError("of a closed client")])
    def test_by_a_scheduler_that_went_away(self, error: Exception) -> None:
        with pytest.raises(CommClosedError):
            asyncio.run(_result(cast("Any", Sent("finished", error))))

    def test_what_the_work_raised_is_raised(self) -> None:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(_result(cast("Any", Sent("error", ZeroDivisionError()))))


class TestHosts:
    """Each host has roots of its own."""

    @pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="another host needs root")
    def test_two_of_them(self, cluster: Cluster, tmp_path: Path, catalog: Path) -> None:
        root, other_root = tmp_path / "home", tmp_path / "other"
        for home, title in ((root / "ann", "Ann's"), (root / "bob", "Bob's"), (other_root / "bob", "another Bob's")):
            Account(home).backup(content=backup_record(title=title))
        another = ("unshare", "--uts", "--mount", "sh", "-c", ANOTHER_HOST, str(other_root), str(root))
        worker = cluster.hire(*another)
        assert finished(root, catalog, cluster.address, "--per-host").code == 0
        ann, bob = str(root / "ann"), str(root / "bob")
        everything = [("another", bob, "another Bob's"), (HERE, ann, "Ann's"), (HERE, bob, "Bob's")]
        assert titles(catalog) == everything
        end(worker)
        shutil.rmtree(root / "ann")
        assert finished(root, catalog, cluster.address, "--per-host").code == 0
        assert titles(catalog) == [one for one in everything if one[1] == bob]

    def test_of_which_one_has_no_such_root(self, cluster: Cluster, tmp_path: Path, catalog: Path) -> None:
        ran = finished(tmp_path / "nowhere", catalog, cluster.address, "--per-host")
        assert ran.code == 2
        assert f"not read: {HERE}:{tmp_path / 'nowhere'}: no such file or directory\n" in ran.text


def titles(catalog: Path) -> list[tuple[Any, ...]]:
    return asked(catalog, "SELECT account_host, account_path, title FROM backups ORDER BY 1, 2")


class TestRefused:
    """What can't be is one clear line, and exit code 2."""

    def test_no_scheduler(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, NOWHERE) == f"{NOWHERE}: no Dask scheduler answers there; is it running?"

    @pytest.mark.parametrize("address", ["127.0.0.1", "tls://127.0.0.1:9"])
    def test_no_address(self, address: str, tmp_path: Path) -> None:
        assert refusal(tmp_path, address).startswith(f"{address}: ")

    def test_another_server(self, tmp_path: Path) -> None:
        with server(lambda request: request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
            assert refusal(tmp_path, address).startswith(f"{address}: no Dask scheduler answers there")

    def test_a_server_that_says_nothing(self, tmp_path: Path) -> None:
        with server(lambda request: request.recv(2**20)) as address:
            assert refusal(tmp_path, address).startswith(f"{address}: no Dask scheduler answers there")

    def test_no_workers(self, empty: Cluster, tmp_path: Path) -> None:
        reason = f"the scheduler has no workers; start some: dask worker {empty.address}"
        assert refusal(tmp_path, empty.address) == f"{empty.address}: {reason}"

    def test_a_worker_without_this_package(self, empty: Cluster, tmp_path: Path) -> None:
        program = "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module('dask', run_name='__main__')"
        site = packages(tmp_path / "site", "backupmeta", "_editable")
        worker = empty.hire(python=(sys.executable, "-I", "-S", "-c", program, str(site)))
        assert "backupmeta" in refusal(tmp_path, empty.address)
        assert worker.poll() is None
        end(worker)

    def test_no_dask(self, tmp_path: Path) -> None:
        folders = [packages(tmp_path / "site", "dask", "distributed"), Path(backupmeta.__file__).parent.parent]
        program = f"import sys; sys.path += sys.argv.pop(1).split({os.pathsep!r}); {COMMAND}"
        line = [sys.executable, "-I", "-S", "-c", program, os.pathsep.join(map(str, folders))]
        told = refusal(tmp_path, NOWHERE, line)
        assert told == "--cluster needs Dask: pip install 'backupmeta[cluster]'"

    def test_hosts_without_a_cluster(self, catalog: Path) -> None:
        ran = run("scan", "-o", catalog, "--per-host")
        assert (ran.code, ran.err.splitlines()[-1]) == (2, "Error: --per-host needs --cluster")

    def test_processes_beside_a_cluster(self, catalog: Path) -> None:
        ran = run("scan", "-o", catalog, "--cluster", NOWHERE, "--jobs", "2")
        told = "Error: --jobs is for this machine; a cluster has its own workers"
        assert (ran.code, ran.err.splitlines()[-1]) == (2, told)


IMPATIENT: Final = f"from backupmeta.work import cluster; cluster._PATIENCE = 1; {COMMAND}"


def refusal(folder: Path, address: str, line: list[str] | None = None) -> str:
    """Return why a scan is refused."""
    Account(folder / "home/exampleu").backup()
    python = line or [sys.executable, "-c", IMPATIENT]
    options = ["-o", str(folder / "catalog.sqlite"), "--cluster", address]
    ran = subprocess.run(
        [*python, "scan", str(folder / "home"), *options], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    *usage, told = ran.stderr.splitlines()
    assert usage in ([], ["Usage: backupmeta scan [OPTIONS] [ROOT]...", "Try 'backupmeta scan --help' for help.", ""])
    return told.removeprefix("Error: " if usage else "backupmeta: ")


def packages(folder: Path, *without: str) -> Path:
    """Return a folder of the packages that are installed, ``without`` those whose names begin so."""
    folder.mkdir()
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for one in Path(site).iterdir():
            if not one.name.startswith(without):
                (folder / one.name).symlink_to(one)
    return folder


@contextmanager
def server(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Give the address of a server that does what ``answer`` does with each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer(self.request)
            stopped.wait(LIMIT)

    stopped = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever).start()
        try:
            yield f"tcp://127.0.0.1:{serving.server_address[1]}"
        finally:
            stopped.set()
            serving.shutdown()
