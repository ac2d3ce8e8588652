"""Digests: of a file's bytes, counted in a thread of their own, beside inflating them; and of members' contents."""

import hashlib
from collections import deque
from collections.abc import Collection, Mapping
from threading import Event, Thread
from time import sleep
from typing import Final

from backupmeta.archive.member import Member

ALGORITHMS: Final = ("sha256", "sha1", "md5")
"""What lists of known files have; sha256 is always counted."""

_BLOCKS_AHEAD: Final = 8
_NAP: Final = 0.001
"""How long, in seconds, a thread sleeps that has nothing to do: to be woken would cost the other one more time."""


class Digests:
    """The digests of bytes that come block by block; hashlib lets go of Python's lock, so inflating goes on."""

    def __init__(self, algorithms: Collection[str]) -> None:
        """Count ``algorithms``, of `ALGORITHMS`."""
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._blocks: deque[bytes] = deque()
        self._thread: Thread | None = None
        self._finished = Event()

    def update(self, block: bytes) -> None:
        """Count ``block``, soon; wait where too many are waiting already. A single block needs no thread."""
        if self._blocks and self._thread is None:
            self._thread = Thread(target=self._run, name="digests", daemon=True)
            self._thread.start()
        while len(self._blocks) >= _BLOCKS_AHEAD:
            sleep(_NAP)
        self._blocks.append(block)

    def finish(self) -> Mapping[str, str]:
        """Return the digests of all blocks, in hexadecimal; the thread ends."""
        self._finished.set()
        if self._thread is not None:
            self._thread.join()
        self._count_waiting()
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def _run(self) -> None:
        while not self._finished.wait(_NAP):
            self._count_waiting()

    def _count_waiting(self) -> None:
        while self._blocks:
            block = self._blocks.popleft()
            for digest in self._digests.values():
                digest.update(block)


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
