"""Verifying archives in several processes, and telling how far they are.

The outcomes and their order are the same with one process and with many.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from typing import Final

from backupmeta.verification import Case, Outcome, Run, verify_archive
from backupmeta.workers import Worker, can_fork, context

Advance = Callable[[int], object]
"""Is told how many more bytes were read."""

_AHEAD: Final = 64
"""How many outcomes may be there before the one that is waited for."""

_PATIENCE: Final = 0.1
"""After how many seconds of waiting it is told how far the work is."""


def in_processes(jobs: int, advance: Advance | None) -> Run:
    """Return what verifies archives in ``jobs`` processes, a single one in this process, and tells ``advance``."""

    def run(cases: Iterable[Case]) -> Iterator[Outcome]:
        coming = iter(cases)
        first = list(islice(coming, 2))
        if jobs == 1 or len(first) < 2:  # noqa: PLR2004 - one archive needs no second process
            yield from map(partial(verify_archive, watch=advance), chain(first, coming))
        else:
            yield from _parallel(chain(first, coming), jobs, advance)

    return run


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts bytes for all processes that were forked from this one: by the position of a file that they share."""

    descriptor: int

    def __call__(self, count: int) -> None:
        with suppress(OSError):  # how far it is, is no part of the answer
            os.lseek(self.descriptor, count, os.SEEK_CUR)

    def taken(self) -> int:
        """Return how many bytes were counted since the last call."""
        count = 0
        with suppress(OSError):
            count = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            os.lseek(self.descriptor, -count, os.SEEK_CUR)
        return count


class _Verifier(Worker):
    """A process that verifies one archive after the other; ``number`` is that of the case that it has."""

    number = 0

    def begin(self, number: int, case: Case) -> None:
        """Give it a case. Raises `ChildProcessError` where the process is gone."""
        self.number = number
        self.send(case)


def _parallel(cases: Iterable[Case], jobs: int, advance: Advance | None) -> Iterator[Outcome]:
    """Yield the outcomes of ``cases`` in their order, however long each of them takes."""
    with ExitStack() as opened:
        counter = _counter(opened) if can_fork() and advance is not None else None
        how, workers = context(), list[_Verifier]()

        def another() -> _Verifier | None:
            if len(workers) == jobs:
                return None
            workers.append(_Verifier(how, _work, counter))
            return workers[-1]

        try:
            for outcome in _in_order(cases, another):
                if counter is not None and advance is not None:
                    advance(counter.taken())
                if outcome is not None:
                    yield outcome
        finally:
            for worker in workers:
                worker.kill()
                worker.join()


def _counter(opened: ExitStack) -> _Counter | None:
    """Return a counter, to be closed with ``opened``; None where there can't be a temporary file."""
    from tempfile import TemporaryFile

    with suppress(OSError):
        return _Counter(opened.enter_context(TemporaryFile()).fileno())
    return None


def _in_order(cases: Iterable[Case], another: Callable[[], _Verifier | None]) -> Iterator[Outcome | None]:
    """Yield the outcomes of ``cases`` in their order, and None now and then while they are waited for.

    ``another`` starts one more process, which happens only when there is work for it.
    """
    coming, following, done = enumerate(cases), 0, dict[int, Outcome]()
    idle, busy, upcoming = deque[_Verifier](), dict[object, _Verifier](), next(coming, None)
    while True:
        while upcoming and len(done) < _AHEAD and (worker := idle.popleft() if idle else another()) is not None:
            worker.begin(*upcoming)
            busy[worker.pipe] = busy[worker.process.sentinel] = worker
            upcoming = next(coming, None)
        if not busy:
            return
        for worker in {busy[ready] for ready in wait(list(busy), _PATIENCE)}:  # type: ignore[arg-type]
            done[worker.number] = worker.receive()
            del busy[worker.pipe], busy[worker.process.sentinel]
            idle.append(worker)
        yield None
        while following in done:
            yield done.pop(following)
            following += 1


def _work(pipe: Connection, counter: _Counter | None) -> None:
    """Verify the archives that come through ``pipe``, as a process."""
    while True:
        pipe.send(verify_archive(pipe.recv(), counter))
