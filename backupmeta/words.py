"""Words for people: how a count, a size, a time, a path and a long text are written in a sentence or a cell.

Each is defined here once, and nowhere else: what two commands show of the same value reads the same. On the ground
floor, because sentences are phrased in every room, from the readers of archives up to the renderers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeVar

from backupmeta.escapes import inert, markdown, printable
from backupmeta.provenance import Source, display

Word = TypeVar("Word", bound=str)

ARROW: Final = " → "
NANOSECONDS: Final = 1_000_000_000
"""How many there are in a second."""

_THOUSAND: Final = 1000
_NO_SIZE: Final = 10**30
"""From how many bytes on a size was made up: it is no number of petabytes that anybody reads."""
_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")
_SECONDS_OF: Final = {"day": 86_400, "hour": 3_600, "minute": 60}
_DIGITS_OF_A_DATE: Final = 12
"""More digits than any second of the calendar has (9999-12-31T23:59:59 is 253402300799), its sign apart."""
_LONGEST_NUMBER: Final = 30
_SECONDS: Final = "Unix seconds"
_END_OF_SECONDS: Final = len("2024-06-13T20:55:21")
_END_OF_DAY: Final = len("2024-06-13")
_END_OF_MINUTES: Final = len("2024-06-13T20:55")


# --- counts and sizes -------------------------------------------------------------------------------------------------


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number and what it counts: ``1 byte``, ``2,000 bytes``, ``2 copies``.

    ``plural`` is needed where it is not the ``singular`` with an s.
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def are(number: int) -> str:
    """Return the verb after a count: ``1 … is``, ``2 … are``."""
    return "is" if number == 1 else "are"


def amounts(counts: Mapping[Word, int], nothing: str = "") -> str:
    """Return how many there are of what, without what there is none of: ``3 new, 1 changed``; else ``nothing``."""
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or nothing


def counts_of(counts: Mapping[Word, int], nothing: str = "") -> str:
    """Return the same where the words are singular nouns: ``1 error, 2 warnings``."""
    return ", ".join(counted(count, word) for word, count in counts.items() if count) or nothing


def size(count: int) -> str:
    """Return a size in bytes in powers of 1000: ``1 byte``, ``999 bytes``, ``6.3 kB``."""
    if count < _THOUSAND:
        return counted(count, "byte")
    if count >= _NO_SIZE:
        return f"{number(str(count))} bytes"
    rest, unit = count / _THOUSAND, 0
    while rest >= _THOUSAND and unit < len(_UNITS) - 1:
        rest, unit = rest / _THOUSAND, unit + 1
    return f"{rest:,.1f} {_UNITS[unit]}"


# --- times ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)  # the members of an archive have few times
def utc(seconds: int, microseconds: int = 0) -> str | None:
    """Return Unix seconds, and microseconds after them, as ISO 8601 in UTC; None for a time no calendar has."""
    instant = instant_of(seconds, microseconds)
    return None if instant is None else instant.isoformat()


def instant_of(seconds: int, microseconds: int = 0) -> datetime | None:
    """Return Unix seconds, and microseconds after them, as a time in UTC; None for one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    except (OverflowError, ValueError, OSError):
        return None


def utc_to_the_microsecond(nanoseconds: int) -> str | None:
    """Return nanoseconds since 1970 as `utc` does seconds: no calendar of ours has shorter times than microseconds."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return utc(seconds, rest // 1000)


def moment(seconds: int) -> str:
    """Return Unix seconds as ISO 8601 in UTC: ``2024-06-13T20:55:21+00:00``; a time no calendar has as its digits."""
    return utc(seconds) or str(seconds)


def clock(seconds: int) -> str:
    """Return Unix seconds for people: ``2024-06-13 20:55:21``, in UTC; a time no calendar has as its digits."""
    return _spaced(seconds, _END_OF_SECONDS)


def minute(seconds: int | None) -> str:
    """Return the same to the minute: ``2024-06-13 20:55``; a dash for None."""
    return "-" if seconds is None else _spaced(seconds, _END_OF_MINUTES)


def day(seconds: int | None) -> str:
    """Return the same to the day: ``2024-06-13``."""
    return "-" if seconds is None else _spaced(seconds, _END_OF_DAY)


def _spaced(seconds: int, end: int) -> str:
    text = utc(seconds)
    return number(str(seconds)) if text is None else text[:end].replace("T", " ")


def seconds_in(text: str) -> int | str | None:
    """Return the Unix seconds that a record's ``text`` has, by their value; their digits where they are too many.

    None where the text is no number: nothing is known of such a time.
    """
    digits = text.removeprefix("-")
    if not (digits.isdecimal() and digits.isascii()):
        return None
    value = digits.lstrip("0") or "0"
    return int(value) * (1 if digits == text else -1) if len(value) <= _DIGITS_OF_A_DATE else text


def dated(seconds: int) -> str:
    """Return Unix seconds in a sentence: ``2024-06-13 20:55:21 UTC``; those that no calendar has as what they are."""
    return f"{clock(seconds)} {'UTC' if utc(seconds) else _SECONDS}"


def recorded_clock(text: str) -> str:
    """Return Unix seconds as a record has them as `clock` does; nothing for what is no number."""
    seconds = seconds_in(text)
    return clock(seconds) if isinstance(seconds, int) else number(seconds or "")


def recorded_dated(text: str) -> str:
    """Return Unix seconds as a record has them as `dated` does; what is no number as it is."""
    seconds = seconds_in(text)
    if isinstance(seconds, int):
        return dated(seconds)
    return text if seconds is None else f"{number(seconds)} {_SECONDS}"


def recorded_moment(text: str) -> str | None:
    """Return Unix seconds as a record has them as `moment` does; None for what is no number."""
    seconds = seconds_in(text)
    return moment(seconds) if isinstance(seconds, int) else seconds


def number(digits: str) -> str:
    """Return a number as it is; of one that was made to be long, its beginning."""
    return cut(digits, _LONGEST_NUMBER)


def ago(seconds: int) -> str:
    """Return how long so many seconds are, in the largest unit that gives two or more: ``3 days``."""
    for unit, length in _SECONDS_OF.items():
        if seconds >= 2 * length:
            return counted(seconds // length, unit)
    return counted(seconds, "second")


# --- texts, paths and cells -------------------------------------------------------------------------------------------


def cut(text: str, most: int) -> str:
    """Return ``text``, or of a longer one its beginning, so that ``most`` characters are shown."""
    return text if len(text) <= most else text[: most - 1] + "…"


def few(texts: Sequence[str], most: int) -> str:
    """Return the first of the ``texts``, and how many more there are: ``/a, /b and 3 more``."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")


def visible(text: str) -> str:
    """Return text from evidence, a path or a name fit to be shown.

    What isn't UTF-8 is U+FFFD, secrets are masked, characters that are obeyed or not seen are escaped.
    """
    return printable(display(text))


def line(text: str) -> str:
    """Return text from evidence as a whole line."""
    return inert(visible(text) + "\n")


def place(host: str, path: str) -> str:
    """Return a path, and before it the host that it lies on, where that is another one."""
    return f"{host}:{display(path)}" if host else display(path)


def seen_at(source: Source, base: str = "") -> str:
    """Return where something stands: ``/home/…/a.tar.gz » b.php, line 3``, or ``…, at byte 512`` without a line.

    The path is shown from the folder ``base`` on, where it lies in it.
    """
    path = source.path.removeprefix(f"{base}/") if base else source.path
    member = "" if source.member is None else f" » {source.member}"
    offset = "" if source.offset is None else f", at byte {source.offset}"
    return f"{path}{member}{offset if source.line is None else f', line {source.line}'}"


def said_by(source: Source) -> str:
    """Return who says something, and where: ``backup record, /home/…/b1x4…, line 9``."""
    return f"{source.witness}, {seen_at(source)}"


def markdown_cell(text: str) -> str:
    """Return text from evidence for a cell or a line of Markdown: nothing in it is markup, or becomes a link."""
    return markdown(display(text))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """Yield the lines of a table in Markdown (GitHub Flavored Markdown §4.10); nothing in its cells is markup."""
    yield f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"
    for row in rows:
        yield inert(f"| {' | '.join(map(markdown_cell, row))} |\n")
