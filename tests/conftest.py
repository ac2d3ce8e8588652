"""Fixtures that several files of tests need."""

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from backupmeta.evidence import EvidenceFile
from tests.examples import TIMES

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=50 * TIMES,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background job; what tests start would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)


if hasattr(os, "register_at_fork"):  # what a worker reaches is not counted; tracing it would only take time
    os.register_at_fork(after_in_child=lambda: sys.settrace(None))

_OF_POSIX: Final = re.compile(
    rb"^(?:import|from) (?:bench|fcntl|fuzz|fuzzing|grp|pty|pwd|(?:tests\.)?real|resource|termios)\b|\bos\.geteuid\(",
    re.MULTILINE,
)
"""What only POSIX has, and scripts that need it."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Pass over files of tests that ask for what only POSIX has, where there is no POSIX."""
    if hasattr(os, "fork") or collection_path.suffix != ".py":
        return None
    return _OF_POSIX.search(collection_path.read_bytes()) is not None or None


_UNTRACED: Final = {"browser", "real", "scenario"}
"""Folders of tests that count no coverage: what they reach, other tests reach as well."""


def _is_traced(item: pytest.Item) -> bool:
    """Return whether a test counts coverage, which adds half to its time; a property test does the same many times."""
    is_property = isinstance(item, pytest.Function) and getattr(item.function, "is_hypothesis_test", False)
    return not is_property and item.path.parent.name not in _UNTRACED and item.get_closest_marker("untraced") is None


def _traced(item: pytest.Item) -> Generator[None, object, object]:
    """Trace no line of a test that counts no coverage. (The mark no_cover of pytest-cov has no effect with xdist.)"""
    tracing = sys.gettrace()
    if not _is_traced(item):
        sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracing)


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(_traced)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(_traced)
pytest_runtest_teardown = pytest.hookimpl(wrapper=True)(_traced)


@pytest.fixture(scope="session", autouse=True)
def _one_process() -> Iterator[None]:
    """Let a command that is run in this process do its work here, where no processes are asked for.

    To fork a process of tests, which is large, takes longer than the work that most tests have.
    """
    with patch("backupmeta.work.processes.cores", return_value=1):
        yield


Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]


@contextmanager
def _opened(content: bytes) -> Iterator[EvidenceFile]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        with EvidenceFile("evidence", os.dup(file.fileno())) as opened:
            yield opened


@pytest.fixture(scope="session")
def opened() -> Opened:
    """Give a function that opens bytes as a file of evidence, without a name on disk."""
    return _opened
