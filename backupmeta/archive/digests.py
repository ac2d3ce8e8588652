"""Digests of a file's bytes, made beside its inflating, in a thread of their own: hashlib lets go of Python's lock."""

import hashlib
from collections.abc import Collection, Mapping
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

ALGORITHMS: Final = ("sha256", "sha1", "md5")
"""What lists of known files have; sha256 is always counted."""

_BLOCKS_AHEAD: Final = 8


class Digests:
    """The digests of bytes that come block by block."""

    def __init__(self, algorithms: Collection[str]) -> None:
        """Begin to count ``algorithms``, of `ALGORITHMS`."""
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._blocks: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Semaphore(_BLOCKS_AHEAD)
        self._thread = Thread(target=self._count, name="digests", daemon=True)
        self._thread.start()

    def update(self, block: bytes) -> None:
        """Count ``block``, soon; wait where too many are waiting already."""
        self._room.acquire()
        self._blocks.put(block)

    def finish(self) -> Mapping[str, str]:
        """Return the digests of all blocks, in hexadecimal; the thread ends."""
        self._blocks.put(None)
        self._thread.join()
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def _count(self) -> None:
        while (block := self._blocks.get()) is not None:
            for digest in self._digests.values():
                digest.update(block)
            self._room.release()
