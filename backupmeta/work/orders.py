"""Orders in, results out: the one way to have work done, whoever does it.

Work is divided into orders, such as an archive to verify or some accounts to scan. What comes out of an order comes in
parts: a single one, or many where it would not fit into memory. `results` yields the parts in the order of the orders,
`mixed_results` as they come. Only a bounded number of orders is begun before the oldest is done.

A worker may be killed, as by a system that runs out of memory. That costs the order that it did: the order is done
again with nothing beside it, then each of the orders that it can be divided into, and at last it is given up, which its
work turns into a finding. Parts that came before are not repeated: the same order gives the same parts.
"""

import pickle
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Final, Generic, TypeVar

Order = TypeVar("Order")
Part = TypeVar("Part")
Watch = Callable[[int], object]
"""Is called with how many more bytes of evidence were read."""


def unwatched(_progress: object) -> None:
    """Take no notice of how far the work is."""


WORKER_ENDED: Final = "the process that read it ended; is there too little memory?"
"""Why an order is given up."""


class LostError(Exception):
    """Who did an order died of it, or of something else."""


class Work(ABC, Generic[Order, Part]):
    """What is done with each order. Each process has a copy, which may keep something from one order to the next."""

    @abstractmethod
    def do(self, order: Order, watch: Watch, /) -> Iterable[Part]:
        """Return what comes out of the ``order``; the same parts whenever it is done. Calls ``watch`` on the way."""

    @abstractmethod
    def given_up(self, order: Order, /) -> Iterable[Part]:
        """Return what comes out of an ``order`` that no process survives, in place of what is missing."""

    def divided(self, _order: Order, /) -> Sequence[Order]:
        """Return the orders that an order can be divided into; none where it can't be."""
        return ()

    def pickled(self, order: Order, /) -> bytes:
        """Return the ``order`` as it goes through the pipe to a process of this program."""
        return pickle.dumps(order)

    def host(self, _order: Order, /) -> str:
        """Return the host that has the evidence of an order; empty where every worker reaches it."""
        return ""


class Task(Generic[Order, Part]):
    """An order that was begun, and what came out of it so far.

    Attributes:
        order: the order.
        parts: what came and is not taken yet.
        received: how many parts came.
        is_done: whether all of it came.
        error: what the work raised; `LostError` where who did it died.
    """

    def __init__(self, order: Order) -> None:
        self.order: Order = order
        self.parts: deque[Part] = deque()
        self.received: int = 0
        self.is_done = False
        self.error: Exception | None = None
        self._repeated = 0

    def restart(self) -> None:
        """Begin anew: the parts that came already will come again, and are left out then."""
        self.error = None
        self._repeated = self.received

    def receive(self, part: Part) -> None:
        """Take in a part."""
        if self._repeated:
            self._repeated -= 1
        else:
            self.received += 1
            self.parts.append(part)

    def is_ready(self) -> bool:
        """Return whether there is something to take, or nothing more will come. Raises the task's error."""
        if self.error is not None and not self.parts:
            raise self.error
        return bool(self.parts) or self.is_done

    def take(self) -> Iterator[tuple[Order, Part]]:
        """Yield the parts that came, each once, and the order with it."""
        while self.parts:
            yield self.order, self.parts.popleft()


class Pool(ABC, Generic[Order, Part]):
    """Workers that are at work."""

    @abstractmethod
    def begin(self, task: Task[Order, Part]) -> None:
        """Have a ``task`` done, after those that were begun before."""

    @abstractmethod
    def advance(self, tasks: Sequence[Task[Order, Part]]) -> None:
        """Wait until one of the ``tasks`` is ready. Raises as `Task.is_ready`."""

    @abstractmethod
    def stop(self) -> None:
        """End all work at once."""


class Workers:
    """Who does the work: here this process, which does an order when its result is asked for; others are kinds of it.

    Attributes:
        ahead: how many orders may be begun before the oldest is done.
        hosts: the hosts whose own evidence is meant; an empty name where every worker reaches all of it.
        watch: is called with how many more bytes of evidence were read, by whichever worker.
    """

    ahead = 1
    hosts: tuple[str, ...] = ("",)

    def __init__(self, watch: Watch = unwatched) -> None:
        self.watch = watch

    def pool(self, work: Work[Order, Part]) -> Pool[Order, Part]:
        """Return what does this ``work``. Raises `ChildProcessError` where there is nothing that can."""
        return _InTurn(work, self.watch)


class _InTurn(Pool[Order, Part]):
    """Tasks that are done one after the other, in this process."""

    def __init__(self, work: Work[Order, Part], watch: Watch) -> None:
        self._work = work
        self._watch = watch
        self._running = dict[Task[Order, Part], Iterator[Part]]()

    def begin(self, task: Task[Order, Part]) -> None:
        self._running[task] = iter(self._work.do(task.order, self._watch))

    def advance(self, tasks: Sequence[Task[Order, Part]]) -> None:
        task = tasks[0]
        while not task.is_ready():
            try:
                task.receive(next(self._running[task]))
            except StopIteration:
                task.is_done = True
                del self._running[task]

    def stop(self) -> None:
        self._running.clear()  # which closes what is begun


HERE: Final = Workers()
"""This process."""


def results(orders: Iterable[Order], work: Work[Order, Part], workers: Workers = HERE) -> Iterator[tuple[Order, Part]]:
    """Yield what comes out of the ``orders``, in their order, each part with its order.

    An order is asked for when a worker may begin it; where it had to be divided, those that it was divided into come
    in its place.
    """
    with closing(_Line(work, workers)) as line:
        for order in orders:
            line.begin(order)
            while len(line.tasks) >= workers.ahead:
                yield from line.advance([line.tasks[0]])
        while line.tasks:
            yield from line.advance([line.tasks[0]])


def mixed_results(orders: Sequence[Order], work: Work[Order, Part], workers: Workers) -> Iterator[tuple[Order, Part]]:
    """Yield what comes out of the ``orders`` as it comes, each part with its order; all of them are begun at once."""
    with closing(_Line(work, workers)) as line:
        for order in orders:
            line.begin(order)
        while line.tasks:
            yield from line.advance(list(line.tasks))


def spared(orders: Iterable[Order], workers: Workers, few: int = 1) -> tuple[Iterable[Order], Workers]:
    """Return the ``orders`` and who does them: this process where they are at most so ``few``, else the ``workers``."""
    coming = iter(orders)
    first = list(islice(coming, few + 1))
    return chain(first, coming), workers if len(first) > few else Workers(workers.watch)


class _Line(Generic[Order, Part]):
    """The tasks that were begun and are not done, oldest first."""

    def __init__(self, work: Work[Order, Part], workers: Workers) -> None:
        self._work = work
        self._workers = workers
        self._pool = workers.pool(work)
        self.tasks = deque[Task[Order, Part]]()

    def begin(self, order: Order) -> None:
        task = Task[Order, Part](order)
        self.tasks.append(task)
        self._pool.begin(task)

    def advance(self, tasks: Sequence[Task[Order, Part]]) -> Iterator[tuple[Order, Part]]:
        """Yield what came of these ``tasks``, once something did; of one whose worker died the rest."""
        try:
            self._pool.advance(tasks)
        except LostError:
            lost = next(task for task in tasks if isinstance(task.error, LostError))
            self.tasks.remove(lost)
            yield from self._after_loss(lost)
            return
        for task in tasks:
            yield from task.take()
            if task.is_done:
                self.tasks.remove(task)

    def close(self) -> None:
        self._pool.stop()

    def _all_of(self, task: Task[Order, Part]) -> Iterator[tuple[Order, Part]]:
        while task.parts or not task.is_done:
            self._pool.advance([task])
            yield from task.take()

    def _after_loss(self, task: Task[Order, Part]) -> Iterator[tuple[Order, Part]]:
        """Yield the rest of a ``task`` whose worker died; then have all others begun anew."""
        yield from self._alone(task)
        for other in self.tasks:
            if not other.is_done:
                other.restart()
                self._pool.begin(other)

    def _alone(self, task: Task[Order, Part]) -> Iterator[tuple[Order, Part]]:
        """Yield the rest of a ``task``, done again with nothing beside it; where that fails, divided; else given up."""
        self._pool.stop()
        self._pool = self._workers.pool(self._work)
        task.restart()
        self._pool.begin(task)
        try:
            yield from self._all_of(task)
        except LostError:
            orders = () if task.received else self._work.divided(task.order)
        else:
            return
        if orders:
            for order in orders:
                yield from self._alone(Task(order))
        else:
            yield from ((task.order, part) for part in self._work.given_up(task.order))
