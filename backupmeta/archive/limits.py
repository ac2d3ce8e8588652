"""`Limits`: what a file may ask for. Checked before memory is taken."""

import re
from dataclasses import dataclass, fields
from typing import Final

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_UNITS: Final = {"": 1, "k": KIB, "m": MIB, "g": GIB}
_AMOUNT: Final = re.compile(r"([0-9]{1,18})([kmgKMG]?)")
_MOST: Final = 2**63 - 1
AMOUNTS: Final = "1000, 64K, 10M or 2G"
"""What a limit's number looks like."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on every size that comes from a file.

    Attributes:
        record_bytes: the length of a record; real ones have 3 to 10 kB (FORMAT.md §4).
        record_lines: the lines of a record.
        name_bytes: a GNU long name or link name, a name in a gzip header.
        pax_bytes: all that stands before a member's own header: pax headers, GNU long names, sparse maps.
        search_bytes: how far into an archive, in inflated bytes, its record is looked for.
        window_bytes: the window of a zstd frame, the dictionary of an xz stream.
        inflated_bytes: what an archive inflates to, and so a member's size.
        ratio: how many times its own size an archive inflates to, looked at from 64 MiB on.
        members: the members of an archive.
        names: the names of members that are compared with one another.
        seconds: the time that a walk over an archive takes.
        search_depth: how many folders deep homes and archives are looked for below a root.
    """

    record_bytes: int = MIB
    record_lines: int = 20_000
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


DEFAULT_LIMITS = Limits()
LIMIT_NAMES: Final = tuple(one.name for one in fields(Limits))


def amount(text: str) -> int | None:
    """Return the number that a person wrote, its units powers of 1024; None where it is none: ``1000``, ``64K``.

    What is beyond 63 bits bounds nothing, and is the largest number that has as many.
    """
    found = _AMOUNT.fullmatch(text)
    return min(int(found[1]) * _UNITS[found[2].lower()], _MOST) if found else None
