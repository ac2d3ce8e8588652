"""Scanning by a cluster: a real Dask scheduler and real workers, on loopback; some of them die."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import bench_archives
import pytest

from tests.catalog.snapshots import Tables, differences, rows
from tests.invented import FIXTURES
from tests.measured import COMMAND

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ACCOUNTS: Final = 60
BACKUPS: Final = 20
LIMIT: Final = 30
"""After so many seconds a test gives a process up."""
IMPATIENT: Final = f"from backupmeta.catalog import cluster; cluster._PATIENCE = 1; {COMMAND}"
HERE: Final = socket.gethostname()
ONE_FAILURE: Final = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
"""Lets the scheduler give an order up whose worker died once, not only the fourth time."""

Process = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]


class Cluster:
    """A scheduler and its workers, processes of their own; all of them end with the ``with``."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.workers: list[Process] = []
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._ending = ExitStack()

    def __enter__(self) -> "Cluster":
        self._folder.mkdir()
        with self._ending:
            self.scheduler = self._started(*DASK, "scheduler", "--port", "0", "--dashboard-address", ":0")
            wait(self._file.exists)
            self._ending = self._ending.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.close()

    @property
    def _file(self) -> Path:
        return self._folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self._file.read_text())["address"])

    def hire(self, *before: str) -> Process:
        """Return a new worker; its command stands behind ``before``."""
        log = self._folder / f"worker{len(self.workers)}.log"
        worker = self._started(*before, *DASK, "worker", *WORKER, "--local-directory", str(self._folder), log=log)
        wait(lambda: "Registered to" in log.read_text())
        self.workers.append(worker)
        return worker

    def dismiss(self, worker: Process) -> None:
        """Kill a worker."""
        end(worker)
        self.workers.remove(worker)

    def _started(self, *command: str, log: Path | None = None) -> Process:
        line = [*command, "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self._file)]
        with (log or self._folder / "scheduler.log").open("w") as told:
            process = subprocess.Popen(line, stdout=told, stderr=told, text=True, env=self._environment)
        self._ending.callback(end, process)
        return process


DASK: Final = (sys.executable, "-m", "distributed.cli.dask_spec")
WORKER: Final = ("--nthreads", "1", "--no-nanny")


def end(process: Process) -> None:
    process.kill()
    process.wait(LIMIT)


def wait(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.001)
