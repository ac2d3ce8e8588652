"""Walking two archives at once, each once: what of their members and dumps is compared, part by part.

Each is walked by a process of its own where that is safe and of use. Threads would not do: a content is digested
within microseconds, and each time Python's lock changes hands, which costs more than the digest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps, Table
from backupmeta.archive.limits import Limits
from backupmeta.archive.names import shown
from backupmeta.archive.reader import Pass, walk
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.work.orders import Watch, Work

DIGEST: Final = "sha256"
_TOGETHER: Final = 512
_PERMISSIONS: Final = 0o7777
_LARGEST: Final = 2**63 - 1
"""What SQLite's integers hold; a header may claim more."""


class Entry(NamedTuple):
    """What of a member is compared.

    Attributes:
        name: the path that its name means, secrets in it masked.
        kind: what it is.
        size: the length of its content, in bytes.
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        link: the target of a link, else empty.
        digest: the SHA-256 of a file's content, in hexadecimal; None where it is sparse or not all there.
    """

    name: bytes
    kind: str
    size: int
    mode: int
    mtime_ns: int
    link: bytes
    digest: str | None


class End(NamedTuple):
    """What a whole walk tells.

    Attributes:
        tables: the tables and views of the dump.
        left_out: how many times a table was not kept, because there are too many.
        findings: what was odd about the archive.
    """

    tables: tuple[Table, ...]
    left_out: int
    findings: tuple[Finding, ...]


class Failure(NamedTuple):
    """Why nothing of an archive can be read."""

    path: str
    reason: str
    advice: str


Part = Sequence[Entry] | End | Failure
"""What comes of a walk: some members, again and again, and at last how it ended."""


@dataclass(frozen=True)
class Walking(Work[tuple[int, Place], Part]):
    """Walking over archives: an order is a number and where the archive lies; ``limits`` is what each may ask for."""

    limits: Limits

    def do(self, order: tuple[int, Place], watch: Watch) -> Iterator[Part]:
        """Walk over an archive; nothing is raised but for errors in this program."""
        try:
            with order[1].open() as file:
                file.watch = watch
                digests, dumps = MemberDigests(DIGEST, self.limits.names), Dumps()
                passed = walk(file, self.limits, algorithms=(), consumers=[digests, dumps])
                yield from _entries(passed, digests)
                yield _end(dumps.dump, tuple(passed.findings()))
        except EvidenceError as error:
            yield Failure(error.path, error.reason, error.advice)

    def given_up(self, order: tuple[int, Place]) -> Iterator[Part]:
        """Yield that no process survives walking over an archive."""
        yield Failure(order[1].path, "the process that read it ended", "is there too little memory?")


def _end(dump: Dump | None, findings: tuple[Finding, ...]) -> End:
    """Return what is told of the dump, if there is one, and the ``findings``."""
    if dump is None:
        return End((), 0, findings)
    return End((*dump.tables, *dump.filled), dump.left_out, findings)


def _entries(passed: Pass, digests: MemberDigests) -> Iterator[Sequence[Entry]]:
    """Yield the members, some at once."""
    some = list[Entry]()
    for one in passed:
        mtime_ns = max(-_LARGEST, min(one.mtime_ns, _LARGEST))
        size, mode = min(one.size, _LARGEST), one.mode & _PERMISSIONS
        some.append(Entry(shown(one.name), one.kind, size, mode, mtime_ns, one.link, digests.last))
        if len(some) == _TOGETHER:
            yield some
            some = []
    yield some
