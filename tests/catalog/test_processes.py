"""Processes that do work: what they tell, and what is told of them when they are killed."""

import os
import signal
from concurrent.futures import BrokenExecutor, Executor
from functools import partial
from threading import Timer
from time import sleep

import pytest

from backupmeta.catalog.processes import processes

MANY_BYTES = 16 * 1024 * 1024


def hired() -> Executor:
    return processes(2).hire()


def doubled(number: int) -> int:
    return 2 * number


def killed_meanwhile(seconds: float) -> bytes:
    """Return much, and be killed while it is sent: a pipe takes 64 KiB at a time."""
    Timer(seconds, partial(os.kill, os.getpid(), signal.SIGKILL)).start()
    return bytes(MANY_BYTES)


def test_work_is_done() -> None:
    executor = hired()
    assert list(executor.map(doubled, range(50))) == [doubled(number) for number in range(50)]
    executor.shutdown()


def test_what_work_raises_is_raised() -> None:
    executor = hired()
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
    assert executor.submit(doubled, 2).result() == 4
    executor.shutdown()


@pytest.mark.parametrize("seconds", [0, 0.001, 0.002, 0.004, 0.008])
def test_one_that_is_killed_while_it_sends_is_noticed(seconds: float) -> None:
    executor = hired()
    given = [executor.submit(killed_meanwhile, seconds) for _ in range(6)]
    with pytest.raises(BrokenExecutor):
        [one.result(timeout=10) for one in given]
    with pytest.raises(BrokenExecutor):
        executor.submit(doubled, 1)
    executor.shutdown()


def test_whoever_goes_waits_for_nobody() -> None:
    executor = hired()
    given = [executor.submit(sleep, 600) for _ in range(4)]
    executor.shutdown(cancel_futures=True)
    for one in given:
        with pytest.raises(BrokenExecutor):
            one.result(timeout=0)
