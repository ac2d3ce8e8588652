"""What the page and the Markdown of a report say alike: places, extensions, sizes, names."""

from collections.abc import Iterable, Iterator
from typing import Final

from backupmeta.escapes import inert
from backupmeta.provenance import Source
from backupmeta.render.json import utc
from backupmeta.render.text import visible
from backupmeta.report.model import Extension, Found

LONGEST: Final = 2_000
"""How many characters of a text are shown; a hostile record may have a million."""

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_THOUSAND: Final = 1000
_MOST_PLACES: Final = 10
"""How many places of evidence are told of one finding."""


def shown(text: str) -> str:
    """Return text from evidence as a report shows it: cut where it is very long, no control character, no command."""
    kept = inert(visible(text[:LONGEST]))
    return kept if len(text) <= LONGEST else f"{kept}… ({len(text):,} characters)"


def named_archive(path: str | None) -> str:
    """Return an archive's own name; empty where there is no archive."""
    return (path or "").rpartition("/")[2]


def extensions(found: Iterable[Extension]) -> str:
    """Return plugins or themes: ``akismet 5.3.6, hello 1.7.2 (inactive)``."""
    return ", ".join(map(_extension, found))


def _extension(one: Extension) -> str:
    version = f" {one.version}" if one.version else ""
    return f"{one.id}{version}{' (inactive)' if one.is_active is False else ''}"


def places(one: Found, base: str | None) -> Iterator[tuple[str, str]]:
    """Yield where a finding can be seen, each place a phrase and a path: ``embedded record, line 3``.

    Paths are told below the folder ``base`` of the account that it is about, where they lie there.
    """
    for place in one.evidence[:_MOST_PLACES]:
        yield _phrase(place), place.path if base is None else place.path.removeprefix(f"{base}/")
    if (more := len(one.evidence) - _MOST_PLACES) > 0:
        yield f"and {more:,} more", ""


def _phrase(place: Source) -> str:
    member = "" if place.member is None else f", {place.member}"
    line = "" if place.line is None else f", line {place.line:,}"
    offset = "" if place.offset is None or place.line is not None else f", at byte {place.offset:,}"
    return f"{place.witness}{member}{line}{offset}"


def size(count: int) -> str:
    """Return so many bytes for people: ``6.3 kB``."""
    rest, unit = float(count), 0
    while rest >= _THOUSAND and unit < len(_UNITS) - 1:
        rest, unit = rest / _THOUSAND, unit + 1
    return f"{rest:.1f} {_UNITS[unit]}" if unit else f"{count:,} bytes"


def minute(seconds: int | None) -> str:
    """Return Unix seconds as ``2024-06-13 20:55``, UTC; digits, where no calendar has them; a dash for None."""
    if seconds is None:
        return "-"
    told = utc(seconds)
    return str(seconds) if told is None else told[:16].replace("T", " ")


def counted(count: int, word: str) -> str:
    """Return ``1 error``, ``3 errors``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
