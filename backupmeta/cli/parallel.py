"""Verifying archives in several processes, and telling how far they are.

The outcomes and their order are the same with one process and with many.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, cast

from backupmeta.verification import Case, Outcome, Run, verify_archive

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

Advance = Callable[[int], object]
"""Is told how many more bytes were read."""

_AHEAD: Final = 64
"""How many outcomes may be there before the one that is waited for."""

_PATIENCE: Final = 0.1
"""After how many seconds of waiting it is told how far the work is."""


def cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


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
        os.lseek(self.descriptor, count, os.SEEK_CUR)

    def taken(self) -> int:
        """Return how many bytes were counted since the last call."""
        count = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        os.lseek(self.descriptor, -count, os.SEEK_CUR)
        return count


class _Worker:
    """A process that verifies one archive after the other.

    Attributes:
        process: the process.
        pipe: our end of what connects us with it: a case goes there, its outcome comes back.
        number: the number of the case that it has.
    """

    def __init__(self, context: "BaseContext", counter: _Counter | None) -> None:
        """Start it."""
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, counter), daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.number = 0

    def begin(self, number: int, case: Case) -> None:
        """Give it a case. Raises `ChildProcessError` where the process is gone."""
        self.number = number
        with _noticing_death():
            self.pipe.send(case)

    def outcome(self) -> Outcome:
        """Return what came out. Raises `ChildProcessError` where the process is gone."""
        with _noticing_death():
            return cast("Outcome", self.pipe.recv())


@contextmanager
def _noticing_death() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise ChildProcessError("a process ended before its work did; was there too little memory?") from error


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that are started meanwhile know nothing of Ctrl-C: it reaches this one, which ends them."""
    if sys.platform == "win32":
        yield
        return
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _parallel(cases: Iterable[Case], jobs: int, advance: Advance | None) -> Iterator[Outcome]:
    """Yield the outcomes of ``cases`` in their order, however long each of them takes."""
    import multiprocessing
    from tempfile import TemporaryFile

    can_fork = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if can_fork else "spawn")
    with TemporaryFile() as shared:
        counter = _Counter(shared.fileno()) if can_fork and advance is not None else None
        workers: list[_Worker] = []

        def another() -> _Worker | None:
            if len(workers) == jobs:
                return None
            try:
                with _deaf():
                    workers.append(_Worker(context, counter))
            except OSError as error:
                raise ChildProcessError(f"no process can be started ({error.strerror}); try --jobs 1") from error
            return workers[-1]

        try:
            for outcome in _in_order(cases, another):
                if counter is not None and advance is not None:
                    advance(counter.taken())
                if outcome is not None:
                    yield outcome
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()


def _in_order(cases: Iterable[Case], another: Callable[[], _Worker | None]) -> Iterator[Outcome | None]:
    """Yield the outcomes of ``cases`` in their order, and None now and then while they are waited for.

    ``another`` starts one more process, which happens only when there is work for it.
    """
    from multiprocessing.connection import wait

    coming, following, done = enumerate(cases), 0, dict[int, Outcome]()
    idle, busy, upcoming = deque[_Worker](), dict[object, _Worker](), next(coming, None)
    while True:
        while upcoming and len(done) < _AHEAD and (worker := idle.popleft() if idle else another()) is not None:
            worker.begin(*upcoming)
            busy[worker.pipe] = busy[worker.process.sentinel] = worker
            upcoming = next(coming, None)
        if not busy:
            return
        for worker in {busy[ready] for ready in wait(list(busy), _PATIENCE)}:  # type: ignore[arg-type]
            done[worker.number] = worker.outcome()
            del busy[worker.pipe], busy[worker.process.sentinel]
            idle.append(worker)
        yield None
        while following in done:
            yield done.pop(following)
            following += 1


def _work(pipe: "Connection", counter: _Counter | None) -> None:
    """Verify the archives that come through ``pipe``, as a process; end when the one does that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        pipe.send(verify_archive(pipe.recv(), counter))


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
