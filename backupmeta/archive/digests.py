"""Digests: of a file's bytes, counted in a thread of their own, beside inflating them; and of members' contents."""

import hashlib
from collections.abc import Collection, Mapping
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

from backupmeta.archive.member import Member

ALGORITHMS: Final = ("sha256", "sha1", "md5")
"""What lists of known files have; sha256 is always counted."""

_BLOCKS_AHEAD: Final = 8


class Digests:
    """The digests of bytes that come block by block; hashlib lets go of Python's lock, so inflating goes on."""

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


class MemberDigests:
    """The digest of each file in an archive, as a consumer of a walk.

    Attributes:
        last: the digest of the last member, in hexadecimal; None where it is no file, sparse, or broken off.
    """

    def __init__(self, algorithm: str) -> None:
        """Count ``algorithm``, one of `ALGORITHMS`."""
        self._algorithm = algorithm
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self.last: str | None = None

    def wants(self, member: Member) -> bool:
        """Tell whether ``member`` is a file whose content the archive holds as it is."""
        self.last = None
        self._digest = hashlib.new(self._algorithm, usedforsecurity=False)
        return member.kind == "file" and not member.is_sparse

    def take(self, piece: bytes) -> None:
        """Take in the next bytes of a content."""
        self._digest.update(piece)

    def close(self, missing: int) -> None:
        """Remember the digest of a whole content."""
        self.last = None if missing else self._digest.hexdigest()
