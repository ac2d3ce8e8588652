"""The bytes of an open file, or of another stream, before they are inflated.

Whoever reads them, and whatever for, they are bounded here: by the time that reading takes, and by the zeros among
them. Blocks of nothing but zeros are what a file with holes gives, which may seem 4 TiB long and take 4 kB of a disk.
"""

import time
from typing import Final, Literal, Protocol

from backupmeta.archive.compression import BLOCK
from backupmeta.archive.digests import Digests
from backupmeta.archive.limits import KIB, MIB, Limits

PIECE_MOST: Final = 256 * KIB
"""How many bytes are taken at once, at most."""


HARMLESS: Final = 64 * MIB
"""Bytes, inflated or filled in, up to which any ratio is harmless."""


class Source(Protocol):
    """Where the bytes lie: an open file, or what an outer stream inflates to."""

    @property
    def position(self) -> int:
        """Where the next byte stands."""

    @property
    def size(self) -> int:
        """How many bytes there are; of an outer stream, how many were inflated so far."""

    def read(self, length: int, /) -> bytes:
        """Return the next bytes, at most ``length``; nothing at the end."""

    def seek(self, offset: int, /) -> None:
        """Go to ``offset``; an outer stream that can't go back stays where it is."""


class Input:
    """The bytes of an open file, taken piece by piece, and given back where too many were taken.

    Blocks are digested as they are read, each byte once, however often it is gone back to.

    Attributes:
        over: the name in `Limits` of the bound that reading has met, from which on there is no more; empty for none.
    """

    def __init__(self, file: Source, block: bytes, digests: Digests | None, limits: Limits) -> None:
        """Begin with ``block``, which was read from the beginning of ``file`` already."""
        self.over: Literal["", "ratio", "seconds"] = ""
        self._deadline = time.monotonic() + limits.seconds
        self._ratio = limits.ratio
        self._zeros, self._other = 0, len(block)
        self._file = file
        self._digests = digests
        self._digested = 0
        self._block = block
        self._at = 0
        self._digest(0, block)

    @property
    def offset(self) -> int:
        """Where the next byte stands in the file."""
        return self._file.position - len(self._block) + self._at

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most ``most``; nothing at the file's end."""
        if self._at == len(self._block):
            begin = self._file.position
            self._block, self._at = self._read(max(most, BLOCK)), 0
            self._digest(begin, self._block)
        piece = self._block[self._at : self._at + most] if self._at or len(self._block) > most else self._block
        self._at += len(piece)
        return piece

    def give_back(self, rest: bytes) -> None:
        """Take back ``rest``, which are the last bytes that were given; isal may hold some of an earlier piece."""
        if len(rest) <= self._at:
            self._at -= len(rest)
        else:
            self._block, self._at = rest + self._block[self._at :], 0

    def peek(self, length: int) -> bytes:
        """Return the next ``length`` bytes, or fewer at the file's end, without taking them."""
        while len(self._block) - self._at < length:
            begin = self._file.position
            if not (more := self._read(BLOCK)):
                break
            self._digest(begin, more)
            self._block, self._at = self._block[self._at :] + more, 0
        return self._block[self._at : self._at + length]

    def go_to(self, offset: int) -> None:
        """Go to ``offset`` in the file; what is read twice is digested once."""
        self._file.seek(offset)
        self._block, self._at = b"", 0

    def pass_zeros(self) -> int:
        """Pass over zero bytes; return how many there were."""
        count = 0
        while piece := self.take(BLOCK):
            rest = piece.lstrip(b"\0")
            count += len(piece) - len(rest)
            if rest:
                self.give_back(rest)
                break
        return count

    def zeros_around(self, least: int) -> tuple[int, int]:
        """Return where the zeros begin that reach up to here, from ``least`` on, and how many they are.

        Those that follow here are counted, too, as far as one `BLOCK`.
        """
        here, block = self.offset, self.peek(BLOCK)
        ahead, begin = len(block) - len(block.lstrip(b"\0")), here
        while begin > least:
            length = min(BLOCK, begin - least)
            self.go_to(begin - length)
            zeros = length - len(self.peek(length).rstrip(b"\0"))
            begin -= zeros
            if zeros < length or self.over:
                break
        self.go_to(here)
        return begin, here - begin + ahead

    def pass_to(self, signatures: tuple[bytes, ...]) -> bool:
        """Pass over bytes up to one of ``signatures``; return whether there is one."""
        longest = max(map(len, signatures))
        while len(block := self.peek(BLOCK)) >= longest:
            nearest = len(block)
            for one in signatures:  # each is looked for up to the nearest one only: there may be very many
                at = block.find(one, 0, nearest + len(one) - 1)
                nearest = at if at >= 0 else nearest
            is_found = nearest < len(block)
            self._at += nearest if is_found else len(block) - longest + 1
            if is_found:
                return True
        return False

    def drain(self) -> None:
        """Take in the rest of the file, for its digest."""
        while self.take(PIECE_MOST):
            pass

    def _read(self, length: int) -> bytes:
        """Return the next bytes of the file, at most ``length``; nothing at its end, or where it is over a limit."""
        if self.over:
            return b""
        block = self._file.read(length)
        if block.rstrip(b"\0"):
            self._other += len(block)
        elif (zeros := self._zeros + len(block)) > HARMLESS and zeros > self._ratio * self._other:
            self.over = "ratio"
        else:
            self._zeros = zeros
        if time.monotonic() > self._deadline:
            self.over = "seconds"
        return block

    def _digest(self, begin: int, block: bytes) -> None:
        if self._digests is not None and begin + len(block) > self._digested:
            self._digests.update(block[max(self._digested - begin, 0) :])
            self._digested = begin + len(block)
