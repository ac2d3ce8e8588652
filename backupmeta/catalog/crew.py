"""Who does the work of a scan: this process, others, a cluster: whatever is a `concurrent.futures.Executor`.

Results come in the order of the work. A worker that dies costs the time of what it did: that is done again, and where
it ends a worker again, each part of it alone, so that the one that does it is known.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Final, Generic, NamedTuple, ParamSpec, Protocol, Self, TypeVar

Outcome = TypeVar("Outcome")
Arguments = ParamSpec("Arguments")


class Order(Protocol[Outcome]):
    """Something to be done by anybody: it needs nothing but itself and the evidence."""

    @property
    def host(self) -> str:
        """The host that the evidence lies on; empty where everybody reaches it."""
        ...

    def do(self) -> Outcome:
        """Do it."""
        ...

    def parts(self) -> Sequence[Self]:
        """Return the parts that it can be done in; one, where it can't be divided."""
        ...

    def joined(self, parts: Sequence[Outcome]) -> Outcome:
        """Return what came out of its ``parts`` as one."""
        ...

    def given_up(self) -> Outcome:
        """Return what comes out where nobody survives doing it."""
        ...


class Here(Executor):
    """Does work at once, in this process."""

    def submit(
        self, work: Callable[Arguments, Outcome], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "Future[Outcome]":
        """Do the work, and return what came out."""
        future: Future[Outcome] = Future()
        future.set_result(work(*args, **kwargs))
        return future


class Crew(NamedTuple):
    """Who does the work.

    Attributes:
        hire: returns an executor.
        ahead: how many orders may be given before the first of them is done.
        lost: what is raised for an order whose worker died.
        hosts: the hosts whose own roots are meant; an empty name where everybody reaches them.
    """

    hire: Callable[[], Executor]
    ahead: int = 1
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)
    hosts: tuple[str, ...] = ("",)


ALONE: Final = Crew(Here)
"""This process."""


def results(orders: Iterable[Order[Outcome]], crew: Crew) -> Iterator[Outcome]:
    """Yield what comes out of ``orders``, done by ``crew``, in their order."""
    line = _Line[Outcome](crew)
    try:
        for one in orders:
            line.add(one)
            if line.is_full:
                yield line.first()
        while line.is_waiting:
            yield line.first()
    except BaseException:
        line.dismiss()
        raise
    line.close()


def do(order: Order[Outcome]) -> Outcome:
    """Do ``order``, as a worker."""
    return order.do()


class _Line(Generic[Outcome]):
    """The orders that are given, oldest first."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._executor = crew.hire()
        self._pending: deque[tuple[Order[Outcome], Future[Outcome]]] = deque()

    @property
    def is_waiting(self) -> bool:
        return bool(self._pending)

    @property
    def is_full(self) -> bool:
        return len(self._pending) >= self._crew.ahead

    def add(self, one: Order[Outcome]) -> None:
        self._pending.append((one, self._given(one)))

    def first(self) -> Outcome:
        """Return what came out of the oldest order."""
        one, future = self._pending.popleft()
        try:
            return future.result()
        except self._crew.lost:
            found = self._alone(one)
            again = [one for one, _ in self._pending]
            self._pending = deque((one, self._given(one)) for one in again)
            return found

    def close(self) -> None:
        self._executor.shutdown()

    def dismiss(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    def _given(self, one: Order[Outcome]) -> "Future[Outcome]":
        try:
            return self._executor.submit(do, one)
        except self._crew.lost as error:  # some worker has died meanwhile; whoever waits for this order is told
            future: Future[Outcome] = Future()
            future.set_exception(error)
            return future

    def _alone(self, one: Order[Outcome]) -> Outcome:
        """Do an order again with nothing beside it; where that fails, each of its parts for itself."""
        self._hire_anew()
        try:
            return self._executor.submit(do, one).result()
        except self._crew.lost:
            parts = one.parts()
        self._hire_anew()
        return one.given_up() if len(parts) == 1 else one.joined([self._alone(part) for part in parts])

    def _hire_anew(self) -> None:
        self.dismiss()
        self._executor = self._crew.hire()
