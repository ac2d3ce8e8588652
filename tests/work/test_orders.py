"""Work given away: results in its order; done again where who does it dies, given up where everybody does."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.work.orders import (
    HERE,
    LostError,
    Order,
    Part,
    Pool,
    Task,
    Watch,
    Work,
    Workers,
    mixed_results,
    results,
    spared,
    unwatched,
)

Numbers = tuple[int, ...]


class Doubling(Work[Numbers, int]):
    """Numbers to be doubled, each of which comes as a part; whoever meets one below zero dies of it."""

    def do(self, order: Numbers, watch: Watch) -> Iterator[int]:
        for number in order:
            if number < 0:
                raise DeathError
            watch(number)
            yield 2 * number

    def divided(self, order: Numbers) -> list[Numbers]:
        return [(number,) for number in order] if len(order) > 1 else []

    def given_up(self, order: Numbers) -> Iterator[int]:
        yield from [0] * sum(number < 0 for number in order[:1])
        yield from [-1] * (len(order) > 1)


class DeathError(Exception):
    """Ends who does the work."""


class Logged(Workers):
    """Workers that do all that they were given when somebody waits; a death loses what is not done."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.pools = 0
        self.stopped = 0
        self.most = 0
        self.begun: list[object] = []

    def pool(self, work: Work[Order, Part]) -> Pool[Order, Part]:
        self.pools += 1
        return Mortal(work, self)


class Mortal(Pool[Order, Part]):
    def __init__(self, work: Work[Order, Part], log: Logged) -> None:
        self._work = work
        self._log = log
        self._tasks: deque[Task[Order, Part]] = deque()
        self._is_dead = False

    def begin(self, task: Task[Order, Part]) -> None:
        self._log.begun.append(task.order)
        task.error = LostError() if self._is_dead else None
        self._tasks.append(task)
        self._log.most = max(self._log.most, sum(not one.is_done for one in self._tasks))

    def advance(self, tasks: Sequence[Task[Order, Part]]) -> None:
        while not any(task.is_ready() for task in tasks):
            task = self._tasks.popleft()
            try:
                for part in self._work.do(task.order, unwatched):
                    task.receive(part)
                task.is_done = True
            except DeathError:
                self._is_dead, task.error = True, LostError()
                for other in self._tasks:
                    other.error = LostError()

    def stop(self) -> None:
        self._log.stopped += 1


class Honest(Workers):
    """Survives, and tells what it met."""

    ahead = 2


def expected(orders: Sequence[Numbers]) -> list[int]:
    """Return what comes out: where the first number of an order is deadly, each of its numbers is done alone."""
    found: list[int] = []
    for order in orders:
        if min(order, default=0) < 0 <= order[0]:
            found += [2 * number for number in order[: [number < 0 for number in order].index(True)]]
            found.append(-1)
        else:
            found += [max(0, 2 * number) for number in order]
    return found


NUMBERS: Final = st.lists(st.lists(st.integers(-2, 20), min_size=1, max_size=4).map(tuple), max_size=8)


@given(NUMBERS, st.integers(1, 5))
def test_all_in_their_order_whoever_dies(orders: list[Numbers], ahead: int) -> None:
    workers = Logged(ahead)
    assert [part for _, part in results(iter(orders), Doubling(), workers)] == expected(orders)
    assert workers.most <= ahead
    assert workers.stopped == workers.pools


@given(NUMBERS)
def test_as_they_come_each_with_its_order_whoever_dies(orders: list[Numbers]) -> None:
    numbered = [(*order, 1000 + number) for number, order in enumerate(orders)]
    came: dict[Numbers, list[int]] = {}
    for order, part in mixed_results(numbered, Doubling(), Logged(9)):
        came.setdefault(order, []).append(part)
    for order in numbered:
        if order[0] >= 0:
            assert came[order] == expected([order])


def test_what_lives_is_begun_once() -> None:
    workers, orders = Logged(3), [(number, number + 1) for number in range(5)]
    came = list(results(orders, Doubling(), workers))
    assert came == [(order, 2 * number) for order in orders for number in order]
    assert (workers.pools, workers.begun) == (1, orders)


def test_who_kills_is_found_alone() -> None:
    workers, deadly = Logged(3), (-1, 1, 3)
    assert [part for _, part in results([(7,), deadly, (8,)], Doubling(), workers)] == [14, 0, 2, 6, 16]
    assert [Counter(workers.begun)[(number,)] for number in (7, 1, -1, 3)] == [1, 1, 1, 1]
    assert Counter(workers.begun)[deadly] == 2


def test_what_came_before_a_death_comes_once_and_the_rest_is_given_up() -> None:
    assert list(results([(1, 2, -1, 3)], Doubling(), Logged(3))) == [
        ((1, 2, -1, 3), 2),
        ((1, 2, -1, 3), 4),
        ((1, 2, -1, 3), -1),
    ]


def test_no_more_is_asked_for_than_is_ahead() -> None:
    asked = 0

    def orders() -> Iterator[Numbers]:
        nonlocal asked
        for number in range(100):
            asked += 1
            yield (number,)

    came = results(orders(), Doubling(), Logged(4))
    for number in range(10):
        assert next(came) == ((number,), 2 * number)
        assert asked == number + 4


def test_whoever_leaves_early_stops_the_workers() -> None:
    workers = Logged(2)
    came = results(((number,) for number in range(10)), Doubling(), workers)
    next(came)
    came.close()  # type: ignore[attr-defined]  # it is a generator
    assert workers.stopped == 1


def test_an_error_in_the_work_itself_is_raised() -> None:
    with pytest.raises(DeathError):
        list(results([(1,), (-1,)], Doubling(), Honest()))


def test_so_is_one_in_what_gives_the_orders() -> None:
    def orders() -> Iterator[Numbers]:
        yield (1,)
        raise KeyboardInterrupt

    workers = Logged(2)
    with pytest.raises(KeyboardInterrupt):
        list(results(orders(), Doubling(), workers))
    assert workers.stopped == 1


def test_this_process_does_what_is_asked_for_when_it_is_asked_for() -> None:
    read = list[int]()
    came = results([(1, 2), (3,)], Doubling(), Workers(read.append))
    assert read == []
    assert next(came) == ((1, 2), 2)
    assert read == [1]
    assert [part for _, part in came] == [4, 6]
    assert read == [1, 2, 3]


def test_a_single_order_needs_nobody_else() -> None:
    workers = Logged(3)
    orders, chosen = spared([(1,)], workers)
    assert (list(orders), chosen is workers) == ([(1,)], False)
    orders, chosen = spared([(1,), (2,), (3,)], workers)
    assert (list(orders), chosen is workers) == ([(1,), (2,), (3,)], True)
    assert HERE.hosts == ("",)
