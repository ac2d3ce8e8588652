"""What became of an archive's members when it was extracted: said to people on the way, an object for programs."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from backupmeta.escapes import printable
from backupmeta.extraction.extract import Extraction, Fate, MemberResult
from backupmeta.provenance import display, named
from backupmeta.render.formats import Format, Formats, formats, pretty, spaced
from backupmeta.render.members import member_object
from backupmeta.render.verified import target
from backupmeta.words import amounts, counted

_MISSING_SHOWN: Final = 20
"""How many members are named to people that are not there."""


class ExtractionTalk:
    """Says on the way which members are not there, and at last what is."""

    def __init__(self) -> None:
        self._missing = 0

    def line(self, result: MemberResult) -> str | None:
        """Return the line about a member, if it is worth one."""
        if result.fate in {Fate.WRITTEN, Fate.LEFT_OUT}:
            return None
        self._missing += 1
        return f"{result.member.text}: {result.fate}: {result.reason}" if self._missing <= _MISSING_SHOWN else None

    def end(self, extraction: Extraction) -> Iterator[str]:
        """Yield the lines about all of it."""
        if (more := self._missing - _MISSING_SHOWN) > 0:
            yield f"{counted(more, 'more member is', 'more members are')} not there"
        yield from (f"{name.decode('utf-8', 'surrogateescape')}: is not in the archive" for name in extraction.missing)
        if extraction.narrowed:
            narrowed = counted(extraction.narrowed, "member has", "members have")
            yield f"{narrowed} fewer permissions than in the archive"
        yield _outcome(extraction)


def _outcome(extraction: Extraction) -> str:
    folder = printable(extraction.order.folder)
    others = amounts({fate: count for fate, count in extraction.counts.items() if fate != Fate.WRITTEN})
    what = f"{counted(extraction.counts[Fate.WRITTEN], 'member')} written to {folder}"
    if not extraction.is_kept:
        what = f"{folder} was not made: --keep-partial keeps what could be had"
    return f"{what}; {others}" if others else what


class ExtractionText:
    """Writes no answer: what is to be said is said by `ExtractionTalk`."""

    def piece(self, _result: MemberResult) -> str:
        """Return nothing."""
        return ""

    def end(self, _extraction: Extraction) -> str:
        """Return nothing."""
        return ""


class ExtractionJson:
    """Writes a JSON object: what became of each member, as they come, and at last of all of them."""

    def __init__(self) -> None:
        self._before = '{"members": [\n  '

    def piece(self, result: MemberResult) -> str:
        """Return what became of a member."""
        before, self._before = self._before, ",\n  "
        described = {"fate": str(result.fate), "reason": result.reason or None, **member_object(result.member)}
        return before + spaced(described)

    def end(self, extraction: Extraction) -> str:
        """Return the rest."""
        rest = {
            **named("folder", extraction.order.folder),
            "is_kept": extraction.is_kept,
            "counts": {str(fate): count for fate, count in extraction.counts.items()},
            "narrowed": extraction.narrowed,
            "missing": [display(name.decode("utf-8", "surrogateescape")) for name in extraction.missing],
            "verification": target(extraction.verification),
        }
        begin = self._before.removesuffix("  ") if self._before.startswith("{") else "\n"
        return f"{begin}],\n{pretty(rest, indent=1).removeprefix('{').lstrip()}"


ExtractionRendering: TypeAlias = Callable[[], ExtractionText | ExtractionJson]
"""Makes what writes an extraction: ``piece`` by piece, as members come, and its ``end``."""


EXTRACTION: Final[Formats[ExtractionRendering]] = formats(
    Format("text", "nothing but what is missing, on stderr", ExtractionText),
    Format("json", "what became of each member", ExtractionJson),
)
"""The formats of an extraction."""
