"""Dask workers: of one storage that all of them reach, or each with roots of its own host.

Workers have this package installed. They are sent the work with each order, and send back all parts of its result.
"""

import asyncio
import logging
import pickle
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from backupmeta.work.orders import LostError, Order, Part, Pool, Task, Work, Workers, unwatched

if TYPE_CHECKING:
    import distributed

_LOG: Final = logging.getLogger(__name__)
_AHEAD: Final = 4
"""How many orders each thread of the workers may have waiting or done before the oldest one is."""
_PATIENCE: Final = 10
"""How long, in seconds, the scheduler is waited for, and new workers, before it is said that there are none."""


@contextmanager
def cluster(address: str, *, has_own_roots: bool) -> Iterator[Workers]:
    """Give the workers of the scheduler at ``address``, such as ``tcp://scheduler:8786``.

    All of them reach one storage under the same paths, or each host ``has_own_roots``.

    Raises:
        ModuleNotFoundError: Dask is not installed.
        ChildProcessError: the scheduler does not answer, goes away, or has no workers.
    """
    import distributed
    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError

    for name in ("distributed.client", "distributed.batched", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to tell is raised, too
    try:
        asyncio.run(_met(address))
        opened = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, MemoryError) as error:  # whatever answers there, and whatever it says
        raise ChildProcessError(f"{address}: no Dask scheduler answers there; is it running?") from error
    try:
        with opened:
            loop: asyncio.AbstractEventLoop = opened.loop.asyncio_loop  # type: ignore[union-attr]  # it runs
            watching = asyncio.run_coroutine_threadsafe(_watch(opened.nthreads, address), loop)
            try:
                yield _workers(opened, loop, address, has_own_roots=has_own_roots)
            finally:
                watching.cancel()
    except (ClosedClientError, CommClosedError) as error:
        raise ChildProcessError(f"{address}: the scheduler went away; what was done is kept") from error


def _workers(
    client: "distributed.Client", loop: asyncio.AbstractEventLoop, address: str, *, has_own_roots: bool
) -> Workers:
    """Return the workers that there are. Raises `ChildProcessError` where there are none, or none of use."""
    threads = sum(client.nthreads().values())
    if not threads:
        raise ChildProcessError(f"{address}: the scheduler has no workers; start some: dask worker {address}")
    own = metadata.version("backupmeta")
    for worker, version in client.run(metadata.version, "backupmeta", on_error="return").items():
        if version != own:  # an order would end it
            advice = f"install it there: pip install 'backupmeta[cluster]=={own}'"
            raise ChildProcessError(f"{worker}: this worker has no backupmeta {own}; {advice}")
    addresses = defaultdict[str, list[str]](list)
    for worker, host in client.run(socket.gethostname).items() if has_own_roots else ():
        addresses[str(host)].append(worker)
    return _Cluster(client, loop, addresses, _AHEAD * threads)


async def _watch(workers: Callable[[], Awaitable[Mapping[str, int]]], address: str) -> None:
    """Say so, once, where there have been no ``workers`` for some time: a scan waits for new ones."""
    seconds = 0
    while seconds < _PATIENCE:
        await asyncio.sleep(1)
        seconds = 0 if await workers() else seconds + 1
    _LOG.warning("backupmeta: %s: no workers are left; the scan waits for new ones: dask worker %s", address, address)


async def _met(address: str) -> None:
    """Connect to the scheduler once: a client itself waits for ever for a server that says nothing."""
    from distributed.comm.core import connect

    async with asyncio.timeout(_PATIENCE):
        comm = await connect(address, timeout=_PATIENCE)
        await comm.close()


@dataclass(eq=False)
class _Cluster(Workers):
    """The workers of a cluster, somebody else's: they stay when the work is done. What they read is not reported.

    Attributes:
        client: gives them orders.
        loop: what its thread runs.
        addresses: of the workers on each host; empty where all evidence is reached from everywhere.
        ahead: how many orders may be begun before the oldest is done.
    """

    client: "distributed.Client"
    loop: asyncio.AbstractEventLoop
    addresses: Mapping[str, list[str]]
    ahead: int

    def __post_init__(self) -> None:
        super().__init__()
        self.hosts = tuple(sorted(self.addresses)) or self.hosts

    def pool(self, work: Work[Order, Part]) -> Pool[Order, Part]:
        return _ClusterPool(work, self)


class _ClusterPool(Pool[Order, Part]):
    """Tasks that a cluster has; what belongs to a host is done there.

    Whatever becomes of the scheduler, each order comes to an end. (Dask's own executor waits for ever where the
    scheduler goes away while it sends a result.)
    """

    def __init__(self, work: Work[Order, Part], workers: _Cluster) -> None:
        self._work = work
        self._workers = workers
        self._sent = dict[Task[Order, Part], tuple["distributed.Future[Any]", Future[list[Part]]]]()

    def begin(self, task: Task[Order, Part]) -> None:
        hosts = self._workers.addresses.get(self._work.host(task.order))
        content = pickle.dumps((self._work, task.order))  # Dask does not look into bytes
        sent = self._workers.client.submit(_done, content, pure=False, workers=hosts)
        self._sent[task] = (sent, asyncio.run_coroutine_threadsafe(_result(sent), self._workers.loop))

    def advance(self, tasks: Sequence[Task[Order, Part]]) -> None:
        while not any(task.is_ready() for task in tasks):
            wait([self._sent[task][1] for task in tasks], return_when=FIRST_COMPLETED)
            for task in tasks:
                if self._sent[task][1].done():
                    self._receive(task)

    def stop(self) -> None:
        self._workers.client.cancel([sent for sent, future in self._sent.values() if not future.done()])
        self._sent.clear()

    def _receive(self, task: Task[Order, Part]) -> None:
        """Take in all that came out of a ``task``, or that who did it died. Raises what the work raised."""
        from distributed.scheduler import KilledWorker

        _, future = self._sent.pop(task)
        try:
            parts = future.result()
        except KilledWorker:
            task.error = LostError()
            return
        for part in parts:
            task.receive(part)
        task.is_done = True


async def _result(sent: "distributed.Future[Any]") -> Any:  # noqa: ANN401 - whatever the work returns
    """Return what came out of what was ``sent``, or raise what it raised.

    Raises `CommClosedError` where the scheduler went away.
    """
    from distributed.comm.core import CommClosedError

    try:
        return await sent
    except Exception as error:  # Dask promises no type: CancelledError, OSError, what comes of a client that is closed
        if sent.status == "error":
            raise
        raise CommClosedError from error


def _done(content: bytes) -> list[object]:
    """Return what comes out of the work and the order that were sent, as a worker."""
    work, order = pickle.loads(content)  # noqa: S301 - what the scheduler sends is as trusted as the code it sends
    return list(work.do(order, unwatched))
