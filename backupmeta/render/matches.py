"""Members of archives that a catalog found, each with the backups that have it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, cast

from backupmeta.catalog.member_search import Holder, MemberMatch
from backupmeta.objects import json_object
from backupmeta.provenance import named
from backupmeta.render.formats import (
    CsvRow,
    Format,
    Formats,
    Rendering,
    View,
    any_view,
    compact,
    csv_formats,
    json_list,
    table,
)
from backupmeta.words import NANOSECONDS, clock, minute, utc, utc_to_the_microsecond

if TYPE_CHECKING:
    from backupmeta.json_answers import MemberMatchJson

_COLUMNS: Final = (
    "member",
    "size",
    "mtime (UTC)",
    "digest",
    "first backup (UTC)",
    "last backup (UTC)",
    "backups",
    "user",
    "url",
    "id",
    "archive",
)
_LEAST: Final = ("id", "url", "mtime (UTC)", "size", "backups", "digest")
_CSV_COLUMNS: Final = ("name", "type", "size", "mode", "mtime", "algorithm", "digest", "backups")
_CSV_OF_BACKUP: Final = ("id", "time", "user", "url", "archive", "host")


def match_table(matches: Iterable[MemberMatch], view: View) -> Iterator[str]:
    """Yield a table of members; id and archive are those of the first backup that has each."""
    return table(_COLUMNS, map(_cells, matches), view, _LEAST)


def _cells(match: MemberMatch) -> tuple[str | int, ...]:
    first, last = match.first, match.last
    member = (match.name, match.size, clock(match.mtime_ns // NANOSECONDS), match.digest)
    times = (minute(first.time), minute(last.time))
    return (*member, *times, match.backups, first.user, first.url, first.id, first.archive)


def match_object(match: MemberMatch) -> "MemberMatchJson":
    """Return a member for JSON: sizes in bytes, times in UTC."""
    described: dict[str, object] = {**named("name", match.name)}
    described.update(type=match.kind, size=match.size, mode=f"{match.mode:04o}")
    described.update(mtime=utc_to_the_microsecond(match.mtime_ns), algorithm=match.algorithm)
    described.update(digest=match.digest or None, backups=match.backups)
    return cast("MemberMatchJson", {**described, "first": _holder(match.first), "last": _holder(match.last)})


def _holder(holder: Holder) -> dict[str, object]:
    return {**json_object(holder), "time": None if holder.time is None else utc(holder.time)}


def _json(matches: Iterable[MemberMatch]) -> Iterator[str]:
    yield from json_list("", map(match_object, matches))
    yield "\n"


def _lines(matches: Iterable[MemberMatch]) -> Iterator[str]:
    return (compact(match_object(match)) + "\n" for match in matches)


def _csv_rows(matches: Iterable[MemberMatch], _view: View) -> Iterator[CsvRow]:
    """Yield the cells of members, with the first and the last backup that has each."""
    yield [*_CSV_COLUMNS, *(f"{which}_{name}" for which in ("first", "last") for name in _CSV_OF_BACKUP)]
    for match in matches:
        member, backups = match_object(match), (_holder(match.first), _holder(match.last))
        cells = [*map(member.get, _CSV_COLUMNS), *(backup[name] for backup in backups for name in _CSV_OF_BACKUP)]
        yield [None if cell in {None, ""} else str(cell) for cell in cells]


MATCHES: Final[Formats[Rendering[Iterable[MemberMatch]]]] = Formats(
    Format("table", "a table for people", match_table),
    Format("json", "an array of objects", any_view(_json)),
    Format("jsonl", "one JSON object a line", any_view(_lines)),
    *csv_formats("a row a member", _csv_rows),
)
"""The formats of members that were found in a catalog; those of a list of backups."""
