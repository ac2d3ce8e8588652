"""A crew of Dask workers: of one storage that all of them reach, or each with roots of its own host.

Workers have this package installed. What they are sent is what any process is sent: a batch of places, or archives.
"""

import asyncio
import logging
import pickle
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from enum import Enum
from functools import partial
from importlib import metadata
from typing import Any, Final, Literal, Protocol, TypeVar

from backupmeta import __version__
from backupmeta.catalog.crew import Crew

Outcome = TypeVar("Outcome")


class Task(Awaitable[Any], Protocol):
    """What Dask calls a future: an order, as its client knows it."""

    @property
    def status(self) -> str | None:
        """Return how far it is: "error" where the work raised something, or its workers died."""
        ...


class Client(Protocol):
    """What is asked of Dask's client."""

    def nthreads(self) -> Mapping[str, int]:
        """Return how many threads each worker has, by its address."""
        ...

    def run(
        self, function: Callable[..., str], *arguments: str, on_error: Literal["raise", "return"] = "raise"
    ) -> Mapping[str, object]:
        """Return what ``function`` returns on each worker, by its address; or what it raises, ``on_error`` "return"."""
        ...

    def submit(
        self, function: Callable[..., object], /, *arguments: object, pure: bool, workers: Sequence[str] | None
    ) -> Task:
        """Have a function called by one of these ``workers``, or by any; ``pure``: once, however often it is asked."""
        ...

    def cancel(self, tasks: Sequence[Task], /) -> None:
        """Have what has not begun not begin."""
        ...

    def sync(self, function: Callable[[], Coroutine[object, object, Outcome]], /) -> Outcome:
        """Return what a coroutine returns in the client's thread."""
        ...


_LOG: Final = logging.getLogger(__name__)
_AHEAD: Final = 4
"""How many orders each thread of the workers may have waiting or done before the oldest one is."""
_PATIENCE: Final = 10
"""How long, in seconds, the scheduler is waited for, and new workers, before it is said that there are none."""


class Roots(Enum):
    """Where the roots are."""

    SHARED = "on a storage that all workers reach under the same paths"
    OF_EACH_HOST = "on each worker's own host"


@contextmanager
def cluster(address: str, roots: Roots) -> Iterator[Crew]:
    """Give the crew of the scheduler at ``address``, such as ``tcp://scheduler:8786``.

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
        opened = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, MemoryError) as error:  # whatever answers there, and whatever it says
        raise ChildProcessError(f"{address}: no Dask scheduler answers there; is it running?") from error
    try:
        with opened:
            client: Client = opened
            loop = client.sync(_loop)
            with _watched(opened.nthreads, loop, address):
                yield _crew(client, loop, address, roots)
    except (ClosedClientError, CommClosedError) as error:
        raise ChildProcessError(f"{address}: the scheduler went away; what was done is kept") from error


def _crew(client: Client, loop: asyncio.AbstractEventLoop, address: str, roots: Roots) -> Crew:
    """Return the workers that there are. Raises `ChildProcessError` where there are none, or none of use."""
    from distributed.scheduler import KilledWorker

    threads = sum(client.nthreads().values())
    if not threads:
        raise ChildProcessError(f"{address}: the scheduler has no workers; start some: dask worker {address}")
    _check(client)
    hosts = _hosts(client) if roots is Roots.OF_EACH_HOST else {}
    hire = partial(_Workers, client, loop, hosts)
    return Crew(hire, _AHEAD * threads, (KilledWorker,), tuple(sorted(hosts)) or ("",))


@contextmanager
def _watched(workers: "_Counting", loop: asyncio.AbstractEventLoop, address: str) -> Iterator[None]:
    """Have ``loop`` say so, once, where there have been no ``workers`` for some time: a scan waits for new ones."""
    watching = asyncio.run_coroutine_threadsafe(_watch(workers, address), loop)
    try:
        yield
    finally:
        watching.cancel()


async def _watch(workers: "_Counting", address: str) -> None:
    seconds = 0
    while seconds < _PATIENCE:
        await asyncio.sleep(1)
        seconds = 0 if await workers() else seconds + 1
    _LOG.warning("backupmeta: %s: no workers are left; the scan waits for new ones: dask worker %s", address, address)


_Counting = Callable[[], Awaitable[Mapping[str, int]]]


async def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop that does this."""
    return asyncio.get_running_loop()


async def _met(address: str) -> None:
    """Connect to the scheduler once: a client itself waits for ever for a server that says nothing."""
    from distributed.comm.core import connect

    async with asyncio.timeout(_PATIENCE):
        comm = await connect(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
        await comm.close()


def _check(client: Client) -> None:
    """Raise `ChildProcessError` where a worker has not this package: an order would end it."""
    for worker, version in client.run(metadata.version, "backupmeta", on_error="return").items():
        if version != __version__:
            advice = f"install it there: pip install 'backupmeta[cluster]=={__version__}'"
            raise ChildProcessError(f"{worker}: this worker has no backupmeta {__version__}; {advice}")


def _hosts(client: Client) -> dict[str, list[str]]:
    """Return the addresses of the workers on each host."""
    found = defaultdict[str, list[str]](list)
    for address, host in client.run(socket.gethostname).items():
        found[str(host)].append(address)
    return dict(found)


class _Workers(Executor):
    """The workers of a cluster; what belongs to a host is done there.

    Whatever becomes of the scheduler, each order comes to an end. (Dask's own executor has somebody wait for ever
    where the scheduler goes away while it sends what came out.)
    """

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, hosts: Mapping[str, Sequence[str]]) -> None:
        """Have ``client``, whose thread runs ``loop``, give orders; the workers of each of the ``hosts`` are known."""
        self._client = client
        self._loop = loop
        self._hosts = hosts
        self._given: dict[Future[Any], Task] = {}

    def submit(self, work: Callable[..., Outcome], /, *args: Any, **kwargs: Any) -> "Future[Outcome]":  # noqa: ANN401
        """Have an order done: the only argument of ``work``. It is sent as bytes, which Dask does not look into."""
        (order,) = (*args, *kwargs.values())
        task = self._client.submit(_done, work, pickle.dumps(order), pure=False, workers=self._hosts.get(order.host))
        future: Future[Outcome] = asyncio.run_coroutine_threadsafe(_outcome(task), self._loop)
        self._given[future] = task
        future.add_done_callback(self._given.pop)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        """Wait for what is being done, or cancel it; the workers are somebody else's, and stay."""
        if cancel_futures:
            self._client.cancel(list(self._given.values()))
        elif wait:
            futures.wait(list(self._given))


async def _outcome(task: Task) -> Any:  # noqa: ANN401 - whatever the work returns
    """Return what came out of ``task``, or raise what it raised; `CommClosedError` where the scheduler went away."""
    from distributed.comm.core import CommClosedError

    try:
        return await task
    except Exception as error:  # Dask promises no type: CancelledError, OSError, what comes of a client that is closed
        if task.status == "error":
            raise
        raise CommClosedError from error


def _done(work: Callable[[Any], Outcome], order: bytes) -> Outcome:
    """Do an order, as a worker."""
    return work(pickle.loads(order))  # noqa: S301 - what the scheduler sends is as trusted as the code it sends
