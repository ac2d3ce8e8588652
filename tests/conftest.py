"""Fixtures that several files of tests need."""

import os
import signal
import sys
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Trace no line in property tests and in those marked ``untraced``: it would double their time.

    What they reach, other tests reach as well. The mark no_cover of pytest-cov has no effect in workers of xdist.
    """
    is_property = isinstance(item, pytest.Function) and getattr(item.function, "is_hypothesis_test", False)
    tracing = sys.gettrace()
    if is_property or item.get_closest_marker("untraced"):
        sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracing)


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
