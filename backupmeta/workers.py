"""Processes that work for this one, each at the end of a pipe of its own.

What a process writes when it is killed is cut off, and who reads it has to be told: only the process itself has the
other end, so the pipe ends with it. (A queue that several processes write to goes on waiting for the rest.)
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, Final

_OWN_DESCRIPTORS: Final = 48
"""How many descriptors a process may need for itself: of evidence at most 16, of a catalog, outputs, a terminal."""

_OF_WORKER: Final = 4
"""How many a process takes of the one that it works for: its pipe, and what tells that it has ended."""


def cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def affordable(jobs: int) -> int:
    """Return how many of so many processes there are descriptors for here; at least one."""
    if sys.platform == "win32":
        return jobs
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return jobs if most == resource.RLIM_INFINITY else max(1, min(jobs, (most - _OWN_DESCRIPTORS) // _OF_WORKER))


def can_fork() -> bool:
    """Tell whether a process may be forked: what other threads hold would be held there for ever."""
    return sys.platform == "linux" and threading.active_count() == 1


def context() -> BaseContext:
    """Return how processes are started now."""
    return get_context("fork" if can_fork() else "spawn")


class Worker:
    """A process that does what it is sent, and sends back what came out.

    Attributes:
        process: the process.
        pipe: our end of what connects us with it.
    """

    def __init__(self, context: BaseContext, work: Callable[..., None], *arguments: object) -> None:
        """Have a process ``work``, given its end of the pipe and the ``arguments``.

        Raises `ChildProcessError` where none can be started.
        """
        with starting():
            self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_begin, args=(work, theirs, *arguments), daemon=True)  # type: ignore[attr-defined]
        try:
            with starting(), _deaf():
                self.process.start()
        finally:
            theirs.close()

    def send(self, order: object) -> None:
        """Send it something to do. Raises `ChildProcessError` where the process is gone."""
        with _noticing_death():
            self.pipe.send(order)

    def receive(self) -> Any:  # noqa: ANN401 - what it was asked for
        """Wait for what came out, and return it. Raises `ChildProcessError` where the process is gone.

        What the work raised is raised here.
        """
        with _noticing_death():
            came = self.pipe.recv()
        if isinstance(came, Exception):
            raise came
        return came

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()

    def join(self) -> None:
        """Wait until the process has ended."""
        self.process.join()
        self.pipe.close()


@contextmanager
def _noticing_death() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise ChildProcessError("a process ended before its work did; was there too little memory?") from error


@contextmanager
def starting() -> Iterator[None]:
    """Raise `ChildProcessError` where the system has no room for one more process or thread."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ChildProcessError(f"no process can be started ({reason}); try --jobs 1") from error


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


def _begin(work: Callable[..., None], pipe: Connection, *arguments: object) -> None:
    """Be a worker; end when the process does that started it."""
    try:
        with starting():
            threading.Thread(target=_end_with_parent, daemon=True).start()
        work(pipe, *arguments)
    except Exception as error:  # noqa: BLE001 - it is raised where the work is waited for
        with suppress(Exception):  # where nothing can be sent, the end of this process tells enough
            pipe.send(error)
        os._exit(1)


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
