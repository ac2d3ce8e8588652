"""Work given away: results in its order; done again where who does it dies, given up where everybody does."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.catalog.crew import ALONE, Crew, results
from backupmeta.catalog.processes import processes


class Sum(NamedTuple):
    """Numbers to be doubled; whoever does one below zero dies of it."""

    numbers: tuple[int, ...]

    @property
    def host(self) -> str:
        return ""

    def do(self) -> list[int]:
        if any(number < 0 for number in self.numbers):
            raise DeathError
        return [2 * number for number in self.numbers]

    def parts(self) -> "list[Sum]":
        return [Sum((number,)) for number in self.numbers]

    def joined(self, parts: Sequence[list[int]]) -> list[int]:
        return [number for part in parts for number in part]

    def given_up(self) -> list[int]:
        return [0 for _ in self.numbers]


class DeathError(Exception):
    """Ends who does the work."""


class Workers(Executor):
    """Does work later, when somebody waits; one that dies takes with it all that is given."""

    def __init__(self, log: "Log") -> None:
        self._log = log
        self._is_dead = False
        self._given: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if self._is_dead:
            raise BrokenProcessPool
        future: Future[Any] = Later(self._work)
        self._log.submitted.append(args[0])
        self._given.append((future, lambda: work(*args, **kwargs)))
        self._log.most = max(self._log.most, sum(not one.done() for one, _ in self._given))
        return future

    def _work(self) -> None:
        for future, work in self._given:
            if not future.done():
                try:
                    future.set_result(work())
                except DeathError:
                    self._is_dead = True
                    for lost, _ in self._given:
                        if not lost.done():
                            lost.set_exception(BrokenProcessPool())
                    return

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        self._log.ended["dismissed" if cancel_futures else "closed"] += wait


class Honest(Workers):
    """Survives, and tells what it met."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except DeathError as error:
            future.set_exception(error)
        return future


class Later(Future[Any]):
    """Is done when it is waited for."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> Any:
        self._work()
        return super().result(timeout)


class Log:
    """What became of the workers."""

    def __init__(self) -> None:
        self.hired = 0
        self.most = 0
        self.submitted: list[Sum] = []
        self.ended: Counter[str] = Counter()

    def hire(self) -> Executor:
        self.hired += 1
        return Workers(self)


NUMBERS: Final = st.lists(st.lists(st.integers(-2, 20), min_size=1, max_size=4).map(tuple).map(Sum), max_size=8)


@given(NUMBERS, st.integers(1, 5))
def test_all_in_their_order_whoever_dies(orders: list[Sum], ahead: int) -> None:
    log = Log()
    found = list(results(iter(orders), Crew(log.hire, ahead)))
    assert found == [[max(0, 2 * number) for number in one.numbers] for one in orders]
    assert log.most <= ahead
    assert log.ended["closed"] == 1


def test_what_lives_is_given_once() -> None:
    log, orders = Log(), [Sum((number, number + 1)) for number in range(5)]
    assert list(results(orders, Crew(log.hire, 3))) == [[2 * n, 2 * n + 2] for n in range(5)]
    assert (log.hired, log.submitted) == (1, orders)


def test_who_kills_is_found_alone() -> None:
    log, deadly = Log(), Sum((1, -1, 3))
    assert list(results([Sum((7,)), deadly, Sum((8,))], Crew(log.hire, 3))) == [[14], [2, 0, 6], [16]]
    assert [Counter(log.submitted)[Sum((number,))] for number in (7, 1, -1, 3)] == [1, 1, 1, 1]
    assert Counter(log.submitted)[deadly] == 2


def test_no_more_is_asked_for_than_is_ahead() -> None:
    asked = 0

    def orders() -> Iterator[Sum]:
        nonlocal asked
        for number in range(100):
            asked += 1
            yield Sum((number,))

    came = results(orders(), Crew(Log().hire, 4))
    for number in range(10):
        assert next(came) == [2 * number]
        assert asked == number + 4


def test_whoever_leaves_early_dismisses_the_workers() -> None:
    log = Log()
    came = results((Sum((number,)) for number in range(10)), Crew(log.hire, 2))
    next(came)
    came.close()  # type: ignore[attr-defined]  # it is a generator
    assert log.ended == {"dismissed": 1}


def test_so_does_an_error_in_the_work_itself() -> None:
    log = Log()
    with pytest.raises(DeathError):
        list(results([Sum((1,)), Sum((-1,))], Crew(partial(Honest, log), 2)))
    assert log.ended == {"dismissed": 1}


def test_so_does_an_error_in_what_gives_it() -> None:
    def orders() -> Iterator[Sum]:
        yield Sum((1,))
        raise KeyboardInterrupt

    log = Log()
    with pytest.raises(KeyboardInterrupt):
        list(results(orders(), Crew(log.hire, 2)))
    assert log.ended == {"dismissed": 1}


def test_one_who_does_it_here_hires_nobody() -> None:
    assert processes(1) is ALONE
    assert list(results([Sum((1,)), Sum((2, 3))], ALONE)) == [[2], [4, 6]]


def test_only_who_is_lost_is_worked_for_again() -> None:
    log = Log()
    with pytest.raises(BrokenExecutor):
        list(results([Sum((-1,))], Crew(log.hire, 2, lost=(ConnectionError,))))
    assert log.hired == 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_by_real_processes(jobs: int) -> None:
    orders = [Sum(tuple(range(number, number + 3))) for number in range(20)]
    assert list(results(orders, processes(jobs))) == [one.do() for one in orders]
