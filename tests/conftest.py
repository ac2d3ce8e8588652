"""Fixtures that several files of tests need."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hypothesis import HealthCheck, settings

from backupmeta.evidence import EvidenceFile

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background job; what tests start would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no coverage in property tests: half of their time, for lines that other tests reach as well."""
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item.function, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)


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
