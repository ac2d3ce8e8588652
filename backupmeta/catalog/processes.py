"""A crew of processes on this machine."""

import gc
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.context import BaseContext
from typing import Final

from backupmeta.catalog.crew import ALONE, Crew

_AHEAD: Final = 4
"""How many batches each process may have waiting or done before the oldest one is."""
_FEWER_COLLECTIONS: Final = 50_000  # a batch makes many small objects, and hardly a cycle


def processes(jobs: int) -> Crew:
    """Return a crew of ``jobs`` processes; a single one is this process."""
    return ALONE if jobs == 1 else Crew(partial(_pool, jobs), ahead=_AHEAD * jobs)


class _Pool(ProcessPoolExecutor):
    """Processes that stop at once where nobody waits for their work."""

    def __init__(self, jobs: int, context: BaseContext) -> None:
        super().__init__(jobs, mp_context=context, initializer=_begin)
        self._others = active_children()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        """End the processes, those that still work too where futures are cancelled."""
        if cancel_futures:
            for child in active_children():
                if child not in self._others:
                    child.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _pool(jobs: int) -> ProcessPoolExecutor:
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    context = get_context("fork" if can_fork else "spawn")
    return _Pool(jobs, context)


def _begin() -> None:
    """Begin as a worker: Ctrl-C is for the process that hired it, and where that ends it ends, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_FEWER_COLLECTIONS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
