"""A layer of streams within another."""

from typing import Final

from backupmeta.archive.compression import Compression
from backupmeta.archive.limits import MIB, Limits
from backupmeta.archive.stream import Inflated

_KEPT: Final = MIB
"""How many bytes that an outer stream inflated to are kept to go back to."""

_RESTARTS: Final = 8
"""How often an outer stream is inflated anew, to go back in it: each time may cost as much as the whole file."""


def within(outer: Inflated, compression: Compression, limits: Limits) -> Inflated:
    """Return what the streams inflate to that ``outer``, of which nothing was passed yet, inflates to."""
    outer.name = f"outer {outer.compression.name}"
    return Inflated(Layer(outer), b"", compression, limits, outer=outer)


class Layer:
    """What an outer stream inflates to, as the input of other streams.

    The last bytes are kept, so that going back to them costs nothing; beyond them the outer stream begins anew, a few
    times, unless it is broken.
    """

    def __init__(self, outer: Inflated) -> None:
        """Begin at the beginning of ``outer``."""
        self._outer = outer
        self._restarts = _RESTARTS
        self._kept = bytearray()
        self.position = 0

    @property
    def size(self) -> int:
        """How many bytes were inflated so far."""
        return self._outer.position

    def read(self, length: int) -> bytes:
        """Return the next bytes, at most ``length``; nothing where the outer stream ends."""
        if back := self._outer.position - self.position:
            at = len(self._kept) - back
            piece = bytes(self._kept[at : at + length])
        else:
            piece = self._outer.take(length)
            self._kept += piece
            if len(self._kept) > 2 * _KEPT:
                del self._kept[:-_KEPT]
        self.position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        """Go to ``offset``, or stay where that is too far back."""
        outer = self._outer
        if not 0 <= outer.position - offset <= len(self._kept):
            if offset < outer.position:
                if outer.is_broken or not self._restarts:
                    return
                self._restarts -= 1
                outer.restart()
            outer.skip(offset - outer.position)
            self._kept.clear()
        self.position = min(offset, outer.position)
