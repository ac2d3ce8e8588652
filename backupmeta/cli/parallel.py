"""Verifying archives in several processes, and telling how far they are.

The outcomes and their order are the same with one process and with many.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import Final

from backupmeta.verification import Case, Outcome, Run, verify_archive

_AHEAD: Final = 4
"""How many archives a process has waiting."""

_PATIENCE: Final = 0.1
"""After how many seconds of waiting it is told how far the work is."""


def cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_processes(jobs: int, advance: Callable[[int], object] | None) -> Run:
    """Return what verifies archives in ``jobs`` processes; ``advance`` is told how many more bytes were read."""

    def run(cases: Iterable[Case]) -> Iterator[Outcome]:
        coming = iter(cases)
        first = list(islice(coming, 2))
        if jobs == 1 or len(first) == 1:
            yield from map(partial(verify_archive, watch=advance), chain(first, coming))
        elif first:
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


def _parallel(cases: Iterable[Case], jobs: int, advance: Callable[[int], object] | None) -> Iterator[Outcome]:
    """Yield the outcomes of ``cases`` in their order, at most a few of them ahead of what is taken."""
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if can_fork else "spawn")
    waiting = deque[Future[Outcome]]()
    with TemporaryFile() as shared, ProcessPoolExecutor(jobs, context, _end_with_parent) as pool:
        counter = _Counter(shared.fileno()) if can_fork and advance else None

        def tell() -> None:
            if counter is not None and advance is not None:
                advance(counter.taken())

        try:
            for case in cases:
                waiting.append(pool.submit(verify_archive, case, counter))
                if len(waiting) > jobs * _AHEAD:
                    yield _result(waiting.popleft(), tell)
            while waiting:
                yield _result(waiting.popleft(), tell)
        except BrokenProcessPool as error:
            raise ChildProcessError("a process ended before its work did; was it out of memory?") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        tell()


def _result(future: Future[Outcome], tell: Callable[[], None]) -> Outcome:
    """Return the outcome, once it is there; meanwhile tell now and then how far the work is."""
    while True:
        tell()
        try:
            return future.result(_PATIENCE)
        except NotYet:
            continue


def _end_with_parent() -> None:
    """Let this process end when the one does that started it, and without a word on Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
