"""Tar headers and pax records made by hand, and what one pass over an archive shows; for tests."""

import lzma
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from writers import installatron as writer

from backupmeta.archive.compression import End, Stream
from backupmeta.archive.digests import ALGORITHMS
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding, Severity

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

TIME: Final = 1718312121  # 2024-06-13 20:55:21 UTC
END: Final = bytes(1024)
MIB: Final = 2**20


def xz(content: bytes) -> bytes:
    """Return ``content`` as an xz stream, made quickly; the usual preset would take 94 MiB for each."""
    return lzma.compress(content, preset=0)


class Seen(NamedTuple):
    """What one pass over an archive shows."""

    members: list[Member]
    findings: list[Finding]
    end: End
    streams: list[Stream]
    digests: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [one.text for one in self.members]

    @property
    def ids(self) -> list[str]:
        """The findings' ids, each once, in the order in which they were met."""
        return list(dict.fromkeys(finding.id for finding in self.findings))

    @property
    def is_clean(self) -> bool:
        return self.end.verdict == "complete" and all(finding.severity is Severity.NOTE for finding in self.findings)

    def of(self, id_: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.id == id_]


def seen(opened: Opened, content: bytes, limits: Limits = DEFAULT_LIMITS) -> Seen:
    """Return what one thorough pass over ``content`` shows; all digests are counted."""
    with opened(content) as file:
        one = Pass(file, limits, algorithms=ALGORITHMS)
        members = list(one)
        assert one.end is not None
        return Seen(members, list(one.findings()), one.end, list(one.stream.streams), dict(one.digests))


def header(
    name: bytes,
    size: int | bytes = 0,
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    mode: bytes = b"0000644\0",
    mtime: bytes = b"14632457571\0",
) -> bytes:
    """Return a GNU header with its fields as they are given, and the checksum that fits them."""
    block = bytearray(writer.header(name, 0, 0, 0o644, kind))
    block[100:108] = mode.ljust(8, b"\0")
    block[124:136] = (b"%011o\0" % size if isinstance(size, int) else size).ljust(12, b"\0")
    block[136:148] = mtime.ljust(12, b"\0")
    block[157:257] = link.ljust(100, b"\0")
    return stamped(block)


def stamped(block: bytearray) -> bytes:
    """Return a header with the checksum that fits it."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: str, content: bytes = b"") -> bytes:
    """Return a file's header and content, in whole blocks."""
    return b"".join(writer.blocks(writer.Entry(name.encode(), content, TIME, owner=writer.UNNAMED)))


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """Return a GNU long name, or, with the kind ``K``, a link's long target."""
    return header(b"././@LongLink", len(name) + 1, kind) + writer.padded(name + b"\0")


def pax(records: Iterable[tuple[bytes, bytes]], kind: bytes = b"x") -> bytes:
    """Return a pax header of ``records``, its own header before it."""
    content = b"".join(_pax_record(key, value) for key, value in records)
    return header(b"PaxHeaders/x", len(content), kind) + writer.padded(content)


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = next(n for n in range(rest, rest + 9) if n == rest + len(str(n)))
    return b"%d %s=%s\n" % (length, key, value)
