"""Who does the work of a scan: this process, others, a cluster; anything with `concurrent.futures.Executor`'s interface.

Results come in the order of the work. A worker that dies costs its batch's time: the batch is done again, and where
that ends a worker again, each of its accounts alone, so that the one that does it is known.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Final, NamedTuple, ParamSpec, TypeVar

from backupmeta.catalog import batch
from backupmeta.catalog.batch import Batch, Result, refused

Outcome = TypeVar("Outcome")
Arguments = ParamSpec("Arguments")
_FATAL: Final = "the process that read it ended; is there too little memory?"


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
        ahead: how many batches may be given away before the first of them is done.
        lost: what is raised for a batch whose worker died.
    """

    hire: Callable[[], Executor]
    ahead: int = 1
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)


ALONE: Final = Crew(Here)
"""This process."""


def results(batches: Iterable[Batch], crew: Crew) -> Iterator[tuple[Batch, Result]]:
    """Yield the ``batches`` in their order, each with what came out; done by ``crew``."""
    line = _Line(crew)
    try:
        for one in batches:
            line.add(one)
            if line.is_full:
                yield line.first()
        while line:
            yield line.first()
    finally:
        line.dismiss()


class _Line:
    """The batches that are given away, oldest first."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._executor = crew.hire()
        self._pending: deque[tuple[Batch, Future[Result]]] = deque()

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def is_full(self) -> bool:
        return len(self) >= self._crew.ahead

    def add(self, one: Batch) -> None:
        try:
            self._pending.append((one, self._executor.submit(batch.scan, one)))
        except self._crew.lost as error:  # found out only now; whoever takes the batch out of the line deals with it
            future: Future[Result] = Future()
            future.set_exception(error)
            self._pending.append((one, future))

    def first(self) -> tuple[Batch, Result]:
        """Return the oldest batch, and what came out of it."""
        one, future = self._pending.popleft()
        try:
            return one, future.result()
        except self._crew.lost:
            result = self._alone(one)
            self._renew()
            return one, result

    def dismiss(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _alone(self, one: Batch) -> Result:
        """Do a batch again with nothing beside it; where that fails, each of its accounts for itself."""
        self._hire_anew()
        try:
            return self._executor.submit(batch.scan, one).result()
        except self._crew.lost:
            if len(one.tasks) == 1:
                return Result((refused(one.tasks[0].found, _FATAL),), {})
        parts = [self._alone(one._replace(tasks=(task,))) for task in one.tasks]
        shared = {digest: value for part in parts for digest, value in part.shared.items()}
        return Result(tuple(account for part in parts for account in part.accounts), shared)

    def _renew(self) -> None:
        """Give away again what was given to workers that are gone."""
        self._hire_anew()
        again = [one for one, _ in self._pending]
        self._pending.clear()
        for one in again:
            self.add(one)

    def _hire_anew(self) -> None:
        self.dismiss()
        self._executor = self._crew.hire()
