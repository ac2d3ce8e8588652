"""How streams end, and what is known of each."""

from typing import Literal, NamedTuple

from backupmeta.archive.gzip import Header

Verdict = Literal["complete", "truncated", "damaged", "limit"]


class End(NamedTuple):
    """How a stream ended.

    Attributes:
        verdict: ``complete``, ``truncated``, ``damaged`` or ``limit``.
        reason: what is wrong, a phrase; empty for a complete one.
        offset: up to where the file was taken in, in bytes.
        limit: the name in `Limits` of the bound that was exceeded; empty for any other verdict than ``limit``.
    """

    verdict: Verdict
    reason: str
    offset: int
    limit: str = ""


class Stream(NamedTuple):
    """One gzip member, zstd frame, bzip2 or xz stream.

    Attributes:
        offset: where it begins, in bytes of the file.
        inflated_offset: where its content begins, in inflated bytes.
        inflated: how many bytes it holds, or held before it broke off.
        header: a gzip member's header; None for any other stream.
        fault: what is wrong with it, a phrase; empty where nothing is.
        layer: 2 where it lies in what other streams inflate to: `offset` then counts the bytes of layer 1, inflated.
    """

    offset: int
    inflated_offset: int
    inflated: int
    header: Header | None
    fault: str
    layer: int = 1


class Zeros(NamedTuple):
    """Zeros between or behind streams.

    Attributes:
        length: how many there are.
        offset: where the first one stands, in bytes of what was compressed.
    """

    length: int = 0
    offset: int = 0

    def and_then(self, later: "Zeros") -> "Zeros":
        """Return these and ``later`` ones together."""
        return Zeros(self.length + later.length, self.offset) if self.length else later
