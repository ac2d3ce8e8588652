"""A crew of Dask workers: of one storage that all of them reach, or each with roots of its own host.

Workers have this package installed. What they are sent is what any process is sent: a batch of places, or archives.
"""

import asyncio
import logging
import pickle
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from enum import Enum
from functools import partial
from importlib import metadata
from typing import Any, Final, Literal, Protocol, TypeVar

from backupmeta import __version__
from backupmeta.catalog.crew import Crew


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

    def get_executor(self, *, pure: bool, workers: Sequence[str] | None = None) -> Executor:
        """Return an executor of these ``workers``, or of all."""
        ...


Outcome = TypeVar("Outcome")
_AHEAD: Final = 4
"""How many orders each thread of the workers may have waiting or done before the oldest one is."""
_PATIENCE: Final = 10
"""How long, in seconds, the scheduler is waited for."""


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
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    for name in ("distributed.client", "distributed.batched", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to tell is raised, too
    try:
        asyncio.run(_met(address))
        opened = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, MemoryError) as error:  # whatever answers there, and whatever it says
        raise ChildProcessError(f"{address}: no Dask scheduler answers there; is it running?") from error
    with opened:
        client: Client = opened
        threads = sum(client.nthreads().values())
        if not threads:
            raise ChildProcessError(f"{address}: the scheduler has no workers; start some: dask worker {address}")
        _check(client)
        hosts = _hosts(client) if roots is Roots.OF_EACH_HOST else {}
        try:
            yield Crew(
                partial(_Workers, client, hosts), _AHEAD * threads, (KilledWorker,), tuple(sorted(hosts)) or ("",)
            )
        except (CancelledError, CommClosedError) as error:
            raise ChildProcessError(f"{address}: the scheduler went away; what was done is kept") from error


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
    """The workers of a cluster; what belongs to a host is done there."""

    def __init__(self, client: Client, hosts: dict[str, list[str]]) -> None:
        self._executors: dict[str, Executor] = {
            host: client.get_executor(pure=False, workers=addresses) for host, addresses in hosts.items()
        }
        self._executors[""] = client.get_executor(pure=False)

    def submit(self, work: Callable[..., Outcome], /, *args: Any, **kwargs: Any) -> "Future[Outcome]":  # noqa: ANN401
        """Have an order done: the only argument of ``work``. It is sent as bytes, which Dask does not look into."""
        (order,) = (*args, *kwargs.values())
        return self._executors[order.host].submit(_done, work, pickle.dumps(order))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
        """Wait for what is being done, or cancel it; the workers are somebody else's, and stay."""
        for executor in self._executors.values():
            executor.shutdown(wait=wait and not cancel_futures)


def _done(work: Callable[[Any], Outcome], order: bytes) -> Outcome:
    """Do an order, as a worker."""
    return work(pickle.loads(order))  # noqa: S301 - what the scheduler sends is as trusted as the code it sends
