"""Digests: of a file's bytes, counted in a thread of their own, beside inflating them; and of members' contents."""

import hashlib
from collections import deque
from collections.abc import Collection, Mapping
from threading import Event, Thread
from time import sleep
from typing import Final, NamedTuple

from backupmeta.archive.member import WITH_CONTENT, Member, plain

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
            self._begin()
        while len(self._blocks) >= _BLOCKS_AHEAD:
            sleep(_NAP)
        self._blocks.append(block)

    def _begin(self) -> None:
        """Start the thread; where the system has no room for one, count here what waits."""
        thread = Thread(target=self._run, name="digests", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._count_waiting()
        else:
            self._thread = thread

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
    """The digest of each file's content in an archive, as a consumer of a walk; a hard link has its target's.

    Attributes:
        last: the digest of the last member; None where it is no file, or its content not all there.
    """

    def __init__(self, algorithm: str, names: int) -> None:
        """Count ``algorithm``, one of `ALGORITHMS`; remember those of at most so many ``names``, for hard links."""
        self._empty = hashlib.new(algorithm, usedforsecurity=False)
        self.last: bytes | None = None
        self._most = names
        self._kept: dict[int, bytes] = {}

    @property
    def hexadecimal(self) -> str | None:
        """The last digest, in hexadecimal."""
        return None if self.last is None else self.last.hex()

    def wants(self, member: Member) -> "_Counting | None":
        """Return what counts the digest of ``member``, if it is a file with a content of its own."""
        key = hash(plain(member.name))
        if member.kind in WITH_CONTENT and member.source is None:
            return _Counting(self, key, self._empty.copy())
        self.keep(key, None if member.source is None else self._kept.get(hash(plain(member.source))))
        return None

    def keep(self, key: int, digest: bytes | None) -> None:
        """Remember the ``digest`` of the last member, whose name has the hash ``key``."""
        self.last = digest
        if digest is None:
            self._kept.pop(key, None)
        elif key in self._kept or len(self._kept) < self._most:
            self._kept[key] = digest


class _Counting(NamedTuple):
    """Counts the digest of one content; the name of its member has the hash ``key``."""

    digests: MemberDigests
    key: int
    digest: "hashlib._Hash"

    def take(self, piece: bytes) -> None:
        self.digest.update(piece)

    def close(self, missing: int) -> None:
        self.digests.keep(self.key, None if missing else self.digest.digest())
