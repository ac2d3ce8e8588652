"""`Limits`: what a file, and what an account as a whole, may ask for. Checked before memory is taken.

What is over a limit is told, and everything else goes on. Sizes and numbers decide, so that the same disk gives the
same answers everywhere; the times are the last resort.
"""

import re
import time
from dataclasses import dataclass, fields
from typing import Final

from backupmeta.errors import LimitExceededError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_UNITS: Final = {"": 1, "k": KIB, "m": MIB, "g": GIB}
_AMOUNT: Final = re.compile(r"([0-9]{1,18})([kmgKMG]?)")
GREATEST: Final = 2**63 - 1
"""The greatest number that 64 bits hold with its sign: a limit, and what a catalog has; a header may claim more."""
AMOUNTS: Final = "1000, 64K, 10M or 2G"
"""What a limit's number looks like."""


def bounded(number: int) -> int:
    """Return the number of 64 bits that is nearest to ``number``."""
    return number if -GREATEST <= number <= GREATEST else GREATEST if number > 0 else -GREATEST


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on every size that comes from a file, and on all files of an account together.

    Attributes:
        record_bytes: the length of a record; real ones have 3 to 10 kB (FORMAT.md §4).
        record_lines: the lines of a record.
        record_items: the commas in a record, each of which may begin an entry of a list.
        name_bytes: a GNU long name or link name, a name in a gzip header.
        pax_bytes: all that stands before a member's own header: pax headers, GNU long names, sparse maps.
        search_bytes: how far into an archive, in inflated bytes, its record is looked for.
        window_bytes: the window of a zstd frame, the dictionary of an xz stream.
        inflated_bytes: what an archive inflates to, and so a member's size.
        ratio: how many times its own size an archive inflates to, looked at from 64 MiB on; its own size is that
            without the zeros that fill whole blocks of it, for a disk does not store these.
        members: the members of an archive.
        names: the names of members that are compared with one another.
        seconds: the time that reading an archive takes.
        search_depth: how many folders deep homes and archives are looked for below a root.
        folder_entries: the entries of a folder that are looked at, the first by name.
        account_memory: the memory, in bytes, that the records of an account take, as estimated from their sizes.
        account_bytes: the size of its archives that are read to their ends.
        account_seconds: the time that reading an account takes.
    """

    record_bytes: int = MIB
    record_lines: int = 5_000
    record_items: int = 30_000
    name_bytes: int = 64 * KIB
    pax_bytes: int = MIB
    search_bytes: int = 256 * MIB
    window_bytes: int = 128 * MIB
    inflated_bytes: int = 1024 * GIB
    ratio: int = 200
    members: int = 10_000_000
    names: int = 100_000
    seconds: int = 3600
    search_depth: int = 6
    folder_entries: int = 100_000
    account_memory: int = 44 * MIB
    account_bytes: int = 4096 * GIB
    account_seconds: int = 4 * 3600


DEFAULT_LIMITS = Limits()
LIMIT_NAMES: Final = tuple(limit.name for limit in fields(Limits))


def amount(text: str) -> int | None:
    """Return the number that a person wrote, its units powers of 1024; None where it is none: ``1000``, ``64K``.

    What is beyond 63 bits bounds nothing, and is the largest number that has as many.
    """
    match = _AMOUNT.fullmatch(text)
    return min(int(match[1]) * _UNITS[match[2].lower()], GREATEST) if match else None


class OverAllowanceError(LimitExceededError):
    """An account as a whole asks for more than a bound of `backupmeta.archive.limits.Limits`."""


class Allowance:
    """What is left of what an account may ask for.

    Attributes:
        over: the name in `Limits` of the bound that was met first; empty as long as none was.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin with an account, now."""
        self.over: str = ""
        self._limits = limits
        self._memory = limits.account_memory
        self._bytes = limits.account_bytes
        self._deadline = time.monotonic() + limits.account_seconds

    @property
    def is_spent(self) -> bool:
        """Whether no file may be read any more."""
        if not self.over and time.monotonic() > self._deadline:
            self.over = "account_seconds"
        return bool(self.over)

    def ask(self, path: str) -> None:
        """Raise `OverAllowanceError` where the file at ``path`` may not be read any more."""
        if self.is_spent:
            raise OverAllowanceError(path, self.over, getattr(self._limits, self.over))

    def take_archive(self, size: int) -> None:
        """Know that an archive of so many bytes is read to its end."""
        self._bytes -= size
        if self._bytes < 0:
            self.over = self.over or "account_bytes"

    def take(self, memory: int, copies: int = 1) -> None:
        """Know that a record is kept, in so many ``copies`` of ``memory`` bytes each."""
        self._memory -= copies * memory
        if self._memory < 0:
            self.over = self.over or "account_memory"
