"""Processes that do work: what they tell, and what is told of them when they are killed."""

import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread, Timer, active_count
from time import monotonic, sleep
from typing import Final

import pytest

import backupmeta
from backupmeta.work.orders import Watch, Work, Workers, mixed_results, results
from backupmeta.work.processes import can_fork, few_processes, processes

MANY_BYTES: Final = 16 * 1024 * 1024
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")


class Doubling(Work[int, int]):
    def do(self, order: int, watch: Watch) -> Iterator[int]:
        watch(order)
        yield 2 * order

    def given_up(self, order: int) -> Iterator[int]:
        yield -order


class Dividing(Doubling):
    def do(self, order: int, watch: Watch) -> Iterator[int]:
        watch(order)
        yield 100 // order


class Counting(Doubling):
    """Counts as far as it is ordered, and kills itself at the number 13."""

    def do(self, order: int, _watch: Watch) -> Iterator[int]:
        for number in range(order):
            if number == 13:
                os.kill(os.getpid(), signal.SIGKILL)
            yield number


class KilledWhileSending(Work[tuple[str, float], bytes]):
    """Returns much, and is killed meanwhile, once: a pipe takes some 200 KiB at a time."""

    def do(self, order: tuple[str, float], _watch: Watch) -> Iterator[bytes]:
        path, seconds = order
        if not Path(path).exists():
            Path(path).touch()
            Timer(seconds, partial(os.kill, os.getpid(), signal.SIGKILL)).start()
        yield bytes(MANY_BYTES)

    def given_up(self, _order: tuple[str, float]) -> Iterator[bytes]:
        yield b""


class Remembering(Work[int, list[int]]):
    """Returns what its process was ordered so far."""

    def __init__(self) -> None:
        self._before: list[int] = []

    def do(self, order: int, _watch: Watch) -> Iterator[list[int]]:
        self._before.append(order)
        yield self._before

    def given_up(self, _order: int) -> Iterator[list[int]]:
        yield []


class Sleeping(Doubling):
    def do(self, order: int, _watch: Watch) -> Iterator[int]:
        sleep(order)
        yield order


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_work_is_done_in_its_order(jobs: int) -> None:
    came = list(results(range(200), Doubling(), processes(jobs)))
    assert came == [(number, 2 * number) for number in range(200)]


def test_a_single_process_is_this_one() -> None:
    assert type(processes(1)) is Workers


def test_each_order_in_many_parts() -> None:
    came = [part for _, part in results([9, 0, 12, 5], Counting(), processes(2))]
    assert came == [*range(9), *range(12), *range(5)]


def test_both_as_they_come() -> None:
    """One order of many parts does not wait for the other one to be taken, nor the other way round."""
    came = list(mixed_results([11, 12], Counting(), processes(2)))
    for order in (11, 12):
        assert [part for one, part in came if one == order] == list(range(order))


def test_what_work_raises_is_raised() -> None:
    came = results([1, 0, 2], Dividing(), processes(2))
    assert next(came) == (1, 100)
    with pytest.raises(ZeroDivisionError):
        next(came)


@pytest.mark.parametrize("seconds", [0, 0.001, 0.002, 0.004, 0.008])
def test_one_that_is_killed_while_it_sends_costs_nothing_but_time(seconds: float, tmp_path: Path) -> None:
    orders = [(str(tmp_path / f"{number}"), seconds) for number in range(4)]
    came = list(results(orders, KilledWhileSending(), processes(2)))
    assert [order for order, _ in came] == orders
    assert [len(part) for _, part in came] == [MANY_BYTES] * 4


@linux
def test_an_order_that_the_system_refuses_to_send_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    own, send, sent = os.getpid(), Connection.send, list[object]()

    def flaky(pipe: Connection, content: object) -> None:
        if os.getpid() == own:
            sent.append(content)
            if len(sent) == 3:
                raise OSError(errno.EIO, "Input/output error")
        send(pipe, content)

    monkeypatch.setattr(Connection, "send", flaky)
    assert [part for _, part in results(range(20), Doubling(), processes(2))] == [2 * number for number in range(20)]


def test_what_kills_each_of_them_is_given_up_and_nothing_comes_twice() -> None:
    came = [part for _, part in results([5, 20, 7], Counting(), processes(2))]
    assert came == [*range(5), *range(13), -20, *range(7)]


def test_whoever_goes_waits_for_nobody() -> None:
    came = results([0, 600, 600, 600], Sleeping(), processes(2))
    assert next(came) == (0, 0)
    began = monotonic()
    came.close()  # type: ignore[attr-defined]  # it is a generator
    assert monotonic() - began < 60  # each of the others sleeps ten minutes


@linux
def test_a_process_may_remember_and_this_one_knows_nothing_of_it() -> None:
    work = Remembering()
    came = [part for _, part in results(range(20), work, processes(2))]
    assert [part[-1] for part in came] == list(range(20))
    assert all(part == sorted(part) for part in came)
    assert next(iter(work.do(7, int))) == [7]


@linux
def test_where_none_can_be_started_this_process_does_what_nobody_asked_processes_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    monkeypatch.setattr("backupmeta.work.processes.cores", lambda: 2)
    assert [part for _, part in results(range(5), Doubling(), few_processes(2))] == [0, 2, 4, 6, 8]
    with pytest.raises(ChildProcessError, match=r"no process can be started \(Resource temporarily .*\); try --jobs 1"):
        next(results(range(5), Doubling(), processes(2)))


def test_what_they_read_is_told_here() -> None:
    read = list[int]()
    list(results(range(1, 50), Doubling(), processes(2, read.append)))
    assert sum(read) == sum(range(1, 50))


@linux
def test_no_thread_is_needed_here_and_none_is_forked_among_others() -> None:
    came = results([0, 1], Sleeping(), processes(2))
    next(came)
    assert active_count() == 1
    thread = Thread(target=sleep, args=(0.5,))
    thread.start()
    assert (can_fork(), type(few_processes(2))) == (False, Workers)
    thread.join()
    assert can_fork()


def test_processes_pipes_and_forks_are_nowhere_else() -> None:
    package = Path(backupmeta.__file__).parent
    starting = re.compile(r"multiprocessing|subprocess|concurrent\.futures|os\.(?:fork|pipe|spawn|popen|system)")
    found = {
        str(module.relative_to(package)): starting.findall(module.read_text("utf-8"))
        for module in package.rglob("*.py")
        if module.parent.name != "work"
    }
    assert {module: calls for module, calls in found.items() if calls} == {}
