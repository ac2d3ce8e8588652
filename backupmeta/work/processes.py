"""Processes of this machine that do work, each at the end of a pipe of its own.

What a process writes when it is killed is cut off, and the reader has to notice: only the process itself has the other
end, so the pipe ends with it. (A queue that several processes write to goes on waiting for the rest.) In the process a
thread takes the orders in, so that sending an order never waits for somebody who waits to send a result; where it meets
the end of the pipe, the process that started this one is gone, and this one ends, too. The process that gives the
orders has no threads for it: what other threads hold while a process is forked would be held there for ever.
"""

import gc
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic

from backupmeta.work.orders import LostError, Order, Part, Pool, Task, Watch, Work, Workers, unwatched

if TYPE_CHECKING:  # what starts no process need not wait for these: a tenth of a small command's time
    from multiprocessing.connection import Connection
    from queue import SimpleQueue

_OWN_DESCRIPTORS: Final = 48
"""How many descriptors a process may need for itself: of evidence at most 16, of a catalog, outputs, a terminal."""

_DESCRIPTORS_OF_WORKER: Final = 4
"""How many descriptors a worker takes of the process that started it: its pipe, and what tells that it has ended."""

_AHEAD: Final = 4
_BUFFERED: Final = 8
"""How many parts of an order wait here before the process that does it has to wait."""

_BETWEEN_REPORTS: Final = 0.1
"""After how many seconds a worker tells again how many bytes it has read."""

_FEWER_COLLECTIONS: Final = 50_000  # an order makes many small objects, and hardly a cycle


class _Kind(Enum):
    """What a message of a worker holds."""

    READ = auto()
    """How many more bytes were read."""
    PART = auto()
    """A part of what comes out of the oldest order that the worker has."""
    DONE = auto()
    """That was all of it; how many more bytes were read."""
    ERROR = auto()
    """What the work raised."""


def cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def affordable(jobs: int) -> int:
    """Return how many of so many processes there are descriptors for here; at least one."""
    if sys.platform == "win32":
        return jobs
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return jobs
    return max(1, min(jobs, (most - _OWN_DESCRIPTORS) // _DESCRIPTORS_OF_WORKER))


def can_fork() -> bool:
    """Return whether a process may be forked: not among other threads."""
    return sys.platform == "linux" and threading.active_count() == 1


def processes(jobs: int, watch: Watch = unwatched, ahead: int = _AHEAD) -> Workers:
    """Return ``jobs`` processes as workers; a single one is this process.

    ``watch`` is called, in this process, with how many more bytes of evidence were read; ``ahead`` is how many orders
    for each process may be begun before the oldest of all is done.
    """
    return Workers(watch) if jobs == 1 else _Processes(jobs, ahead, watch)


def few_processes(most: int, watch: Watch = unwatched) -> Workers:
    """Return as many processes as can run at once here, at most ``most``; this process where none can be forked."""
    jobs = min(most, affordable(cores())) if can_fork() else 1
    return Workers(watch) if jobs == 1 else _Processes(jobs, _AHEAD, watch, are_wanted=False)


class _Processes(Workers):
    """Processes that are started when there is work; where none can be, this process, unless they ``are_wanted``."""

    def __init__(self, jobs: int, ahead: int, watch: Watch, *, are_wanted: bool = True) -> None:
        super().__init__(watch)
        self.ahead = ahead * jobs
        self._jobs = jobs
        self._are_wanted = are_wanted

    def pool(self, work: Work[Order, Part]) -> Pool[Order, Part]:
        try:
            return _ProcessPool(work, self._jobs, self.watch)
        except ChildProcessError:
            if self._are_wanted:
                raise
            return super().pool(work)


class _ProcessPool(Pool[Order, Part]):
    """Processes, and the tasks that wait for one of them."""

    def __init__(self, work: Work[Order, Part], jobs: int, watch: Watch) -> None:
        self._work = work
        self._jobs = jobs
        self._watch = watch
        self._workers = [_Worker(work)]
        self._waiting = deque[Task[Order, Part]]()

    def begin(self, task: Task[Order, Part]) -> None:
        self._waiting.append(task)
        self._give()

    def advance(self, tasks: Sequence[Task[Order, Part]]) -> None:
        from multiprocessing.connection import wait

        while not any(task.is_ready() for task in tasks):
            self._give()
            readable = {worker.pipe: worker for worker in self._workers if worker.may_send(tasks)}
            for pipe in wait(list(readable)):
                self._receive(readable[pipe])  # type: ignore[index]  # it is one of them

    def stop(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._waiting.clear()

    def _give(self) -> None:
        """Give tasks that wait to workers, as long as one may take one more."""
        while self._waiting and (worker := self._free()) is not None:
            worker.give(self._waiting.popleft())

    def _free(self) -> "_Worker[Order, Part] | None":
        """Return a worker that may take a task: an idle one, a new one, or, where tasks abound, one with a single one.

        So none is idle while this process does something else.
        """
        least = min(self._workers, key=lambda worker: len(worker.tasks), default=None)
        if least is not None and not least.tasks:
            return least
        if len(self._workers) < self._jobs:
            self._workers.append(_Worker(self._work))
            return self._workers[-1]
        return least if least is not None and len(least.tasks) == 1 and len(self._waiting) >= self._jobs else None

    def _receive(self, worker: "_Worker[Order, Part]") -> None:
        """Take in a message of a ``worker``, or that it is dead: its task is lost, those that it did not begin wait."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            worker.end()
            self._workers.remove(worker)
            worker.tasks.popleft().error = LostError()
            self._waiting.extendleft(reversed(worker.tasks))
            return
        if kind is _Kind.PART:
            worker.tasks[0].receive(content)
        elif kind is _Kind.ERROR:
            worker.tasks.popleft().error = content
        else:
            self._watch(content)
            if kind is _Kind.DONE:
                worker.tasks.popleft().is_done = True


class _Worker(Generic[Order, Part]):
    """A process.

    Attributes:
        pipe: our end of what connects us with it.
        process: the process itself.
        tasks: what it was given and is not done, oldest first.
    """

    def __init__(self, work: Work[Order, Part]) -> None:
        """Start a process that does this ``work``. Raises `ChildProcessError` where none can be started."""
        from multiprocessing import get_context

        context = get_context("fork") if can_fork() else get_context("spawn")
        self.tasks = deque[Task[Order, Part]]()
        self._work = work
        with _starting():
            self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, theirs, self.pipe), daemon=True)
        try:
            with _starting(), _without_interrupts():
                self.process.start()
        except ChildProcessError:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    def give(self, task: Task[Order, Part]) -> None:
        """Give it a ``task``; where it is dead, or can't be given any, its end is noticed when it is waited for."""
        self.tasks.append(task)
        try:
            self.pipe.send_bytes(self._work.pickled(task.order))
        except OSError:
            self.process.kill()

    def may_send(self, tasks: Sequence[Task[Order, Part]]) -> bool:
        """Return whether more of its task may come: not too much is there, or one of these ``tasks`` is waited for."""
        return bool(self.tasks) and (len(self.tasks[0].parts) < _BUFFERED or self.tasks[0] in tasks)

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextmanager
def _starting() -> Iterator[None]:
    """Raise `ChildProcessError` where the system has no room for one more process or thread."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ChildProcessError(f"no process can be started ({reason}); try --jobs 1") from error


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that are started meanwhile know nothing of Ctrl-C: it reaches this one, which ends them."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in a worker ------------------------------------------------------------------------------------------------------


def _serve(work: Work[Any, Any], pipe: "Connection", other_end: "Connection") -> None:
    """Do the orders that come through ``pipe``, one after the other, as a process.

    The ``other_end`` of it has to be open nowhere but in the process that gives the orders.
    """
    gc.set_threshold(_FEWER_COLLECTIONS)
    other_end.close()
    try:
        orders = _orders(pipe)
        while True:
            _answer(work, orders.get(), pipe)
    finally:
        os._exit(1)  # without a word: the end of the pipe tells enough


def _orders(pipe: "Connection") -> "SimpleQueue[Any]":
    """Return where the orders are that come through ``pipe``; end the process where none can be taken in."""
    from queue import SimpleQueue

    orders = SimpleQueue[Any]()
    try:
        with _starting():
            threading.Thread(target=_take_orders, args=(pipe, orders), daemon=True).start()
    except ChildProcessError as error:
        pipe.send((_Kind.ERROR, error))
        raise
    return orders


def _take_orders(pipe: "Connection", orders: "SimpleQueue[Any]") -> None:
    """Take in the orders, and end the process where none can come any more: whoever gave them is gone."""
    try:
        while True:
            orders.put(pipe.recv())
    finally:
        os._exit(1)


def _answer(work: Work[Any, Any], order: object, pipe: "Connection") -> None:
    """Do an ``order``, and send what comes out; now and then, and at last, how many bytes were read."""
    unreported, reported = 0, monotonic()

    def watch(count: int) -> None:
        nonlocal unreported, reported
        unreported += count
        if (now := monotonic()) - reported >= _BETWEEN_REPORTS:
            pipe.send((_Kind.READ, unreported))
            unreported, reported = 0, now

    try:
        for part in work.do(order, watch):
            pipe.send((_Kind.PART, part))
    except Exception as error:  # noqa: BLE001 - it is raised where the work is waited for
        pipe.send((_Kind.ERROR, error))
    else:
        pipe.send((_Kind.DONE, unreported))
