"""Invented fleets of accounts, and scans of them by processes of their own, which may be ended; for tests."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from benchmarks import fleets

from tests.measured import COMMAND

LIMIT: Final = 120
"""After so many seconds a test gives a process up."""

Process = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]


def fleet_of(accounts: int, backups: int, factory: pytest.TempPathFactory) -> Path:
    """Return the root of so many accounts with so many backups each; whatever lies beside it belongs to it alone."""
    root = factory.mktemp("fleet") / "home"
    fleets.write_fleet(root, accounts, backups)
    return root


def command(root: Path, catalog: Path, *options: str) -> list[str]:
    """Return the line that scans ``root`` without telling how far it is."""
    return [sys.executable, "-c", COMMAND, "scan", str(root), "-o", str(catalog), *options]


def finished(line: list[str], **how: Any) -> Done:
    """Return what a process did that came to its end."""
    return subprocess.run(line, capture_output=True, text=True, timeout=LIMIT, check=False, **how)


def wait(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.0005)
