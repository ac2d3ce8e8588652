"""A crew of processes on this machine."""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from backupmeta.catalog.crew import ALONE, Crew
from backupmeta.workers import Worker, context, starting

Outcome = TypeVar("Outcome")
_AHEAD: Final = 4
"""How many batches each process may have waiting or done before the oldest one is."""
_FEWER_COLLECTIONS: Final = 50_000  # a batch makes many small objects, and hardly a cycle


def processes(jobs: int) -> Crew:
    """Return a crew of ``jobs`` processes; a single one is this process."""
    return ALONE if jobs == 1 else Crew(partial(_Processes, jobs), ahead=_AHEAD * jobs)


class _Processes(Executor):
    """Processes, each with a thread here that gives it work and takes what comes out.

    Where one of them dies, all that is not done is lost: `BrokenExecutor`. (`ProcessPoolExecutor` waits for ever where
    a process is killed while it sends what came out.)
    """

    def __init__(self, jobs: int) -> None:
        """Start ``jobs`` processes. Raises `ChildProcessError` where they can't be."""
        self._orders: SimpleQueue[tuple[Future[Any], Callable[[], object]] | None] = SimpleQueue()
        self._is_broken = False
        how = context()
        self._workers = [Worker(how, _work) for _ in range(jobs)]
        self._threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._workers]
        try:
            with starting():
                for thread in self._threads:
                    thread.start()
        except ChildProcessError:
            self._kill()
            raise

    def submit(self, work: Callable[..., Outcome], /, *args: Any, **kwargs: Any) -> "Future[Outcome]":  # noqa: ANN401
        """Have the work done. Raises `BrokenExecutor` where a process has died."""
        if self._is_broken:
            raise BrokenExecutor
        future: Future[Outcome] = Future()
        self._orders.put((future, partial(work, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - as it is
        """Wait for the work that is given, and end the processes; at once where futures are cancelled."""
        if cancel_futures:
            self._is_broken = True
            self._kill()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()
        self._kill()
        for one in self._workers:
            one.join()

    def _kill(self) -> None:
        for one in self._workers:
            one.kill()

    def _serve(self, worker: Worker) -> None:
        """Have orders done by ``worker``, one after the other."""
        while (order := self._orders.get()) is not None:
            future, work = order
            try:
                outcome, error = self._done(worker, work)
            except ChildProcessError as death:
                self._is_broken = True
                outcome, error = None, BrokenExecutor(str(death))
            if error is None:
                future.set_result(outcome)
            else:
                future.set_exception(error)

    def _done(self, worker: Worker, work: Callable[[], object]) -> "_Ended":
        if self._is_broken:
            raise ChildProcessError
        worker.send(work)
        ended: _Ended = worker.receive()
        return ended


_Ended = tuple[object, Exception | None]
"""What came out of work, or what it raised."""


def _work(pipe: Connection) -> None:
    """Do what comes through ``pipe``, as a process."""
    gc.set_threshold(_FEWER_COLLECTIONS)
    while True:
        pipe.send(_ended(pipe.recv()))


def _ended(work: Callable[[], object]) -> _Ended:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - it is raised where the work is waited for
        return None, error
