"""What came out of an extraction, for people and for programs."""

from typing import Final

from backupmeta.escapes import printable
from backupmeta.extraction.extract import Extraction
from backupmeta.extraction.unpacking import Fate, Told
from backupmeta.provenance import display, named
from backupmeta.render.json import member, pretty, spaced
from backupmeta.render.verification import target

_SHOWN: Final = 20
"""How many members are told to people that are not there."""


class AsText:
    """Tells people what is not there, and at last what is."""

    def __init__(self) -> None:
        self._more = 0
        self._lines = 0

    def line(self, told: Told) -> str | None:
        """Return the line about a member, if it is worth one."""
        if told.fate in {Fate.WRITTEN, Fate.LEFT_OUT}:
            return None
        self._lines += 1
        return f"{told.member.text}: {told.fate}: {told.reason}" if self._lines <= _SHOWN else None

    def end(self, found: Extraction) -> list[str]:
        """Return the lines about all of it."""
        lines = [f"{self._lines - _SHOWN:,} more members are not there"] if self._lines > _SHOWN else []
        lines += [f"{name.decode('utf-8', 'surrogateescape')}: is not in the archive" for name in found.missing]
        if found.narrowed:
            lines.append(f"{found.narrowed:,} members have fewer permissions than in the archive")
        others = ", ".join(
            f"{count:,} {fate}" for fate, count in found.counts.items() if count and fate != Fate.WRITTEN
        )
        what = f"{found.counts[Fate.WRITTEN]:,} members written to {printable(found.folder)}"
        if not found.is_kept:
            what = f"{printable(found.folder)} was not made: --keep-partial keeps what could be had"
        return [*lines, f"{what}; {others}" if others else what]


class AsJson:
    """Tells programs what became of each member, as they come, and at last of all of them."""

    def __init__(self) -> None:
        self._before = '{"members": [\n  '

    def piece(self, told: Told) -> str:
        """Return what became of a member."""
        before, self._before = self._before, ",\n  "
        described = {"fate": str(told.fate), "reason": told.reason or None, **member(told.member)}
        return before + spaced(described)

    def end(self, found: Extraction) -> str:
        """Return the rest."""
        rest = {
            **named("folder", found.folder),
            "is_kept": found.is_kept,
            "counts": {str(fate): count for fate, count in found.counts.items()},
            "narrowed": found.narrowed,
            "missing": [display(one.decode("utf-8", "surrogateescape")) for one in found.missing],
            "verification": target(found.verification),
        }
        begin = self._before.removesuffix("  ") if self._before.startswith("{") else "\n"
        return f"{begin}],\n{pretty(rest, indent=1).removeprefix('{').lstrip()}"
