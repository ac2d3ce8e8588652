"""An archive's name: ``app_<host>_<title>_<YYYY-MM-DD>_<HH-MM-SS>.tar.gz`` (FORMAT.md §3).

Host and title are slugs that can't be undone (``my-domain-com`` is ``my-domain.com`` or ``my.domain.com``), so a
name is compared with a record by slugging the record's values forward.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from backupmeta.archive.compression import SUFFIXES

_NAME: Final = re.compile(
    r"app_(.*)_([^_]*)_(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)((?:\.[A-Za-z0-9]+)*)", re.DOTALL | re.ASCII
)
_TIME: Final = "%Y-%m-%d_%H-%M-%S"
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - of the names' local times
_TIMES: Final = range((datetime.min - _EPOCH) // _SECOND, (datetime.max - _EPOCH) // _SECOND + 1)  # noqa: DTZ901 - local
"""The Unix seconds that `datetime` knows."""
_LONGEST_REMEMBERED: Final = 200
_NOT_SLUG: Final = re.compile(rb"[^A-Za-z0-9]")
_PARENTHESES: Final = str.maketrans("", "", "()")

QUARTER: Final = timedelta(minutes=15)
"""What UTC offsets are multiples of."""

FURTHEST: Final = (timedelta(hours=-12), timedelta(hours=14))
"""The least and the greatest UTC offset in use (IANA time zone database)."""

EXACT_SINCE: Final = datetime(2020, 4, 1)  # noqa: DTZ001 - local time, as the names have it
"""Since then a name's time equals ``backup-time`` to the second; before it was seconds, once 12 minutes later."""


class ArchiveName(NamedTuple):
    """The parts of a conventional name.

    Attributes:
        host: the slug of the url's host; may be empty.
        title: the slug of the title.
        local_time: when the archive was begun, in the server's local time, without a zone.
        suffix: what follows, such as ``.tar.gz``.
    """

    host: str
    title: str
    local_time: datetime
    suffix: str

    def __str__(self) -> str:
        return f"app_{self.host}_{self.title}_{self.local_time.strftime(_TIME)}{self.suffix}"


@lru_cache(maxsize=64)
def parse(name: str) -> ArchiveName | None:
    """Return the parts of an archive's ``name``, or None where it does not follow the convention.

    The time is read from the right. No slug of a title holds a ``_``, so the last one before the time ends the host.

    >>> parse("app_example-com_My-blog-2_2024-06-13_20-55-21.tar.gz").title
    'My-blog-2'
    """
    if (found := _NAME.fullmatch(name)) is None:
        return None
    host, title, *time, suffix = found.groups()
    try:
        return ArchiveName(host, title, datetime(*map(int, time)), suffix)  # type: ignore[arg-type]  # noqa: DTZ001 - no zone
    except ValueError:
        return None


def is_archive_name(name: str) -> bool:
    """Tell whether a file of this ``name`` is meant to be an archive: by its suffix."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """Return an archive's ``name`` without its suffix: recompressing an archive changes no more than that."""
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def title_slug(title: str) -> str:
    """Return the slug of a title: parentheses dropped, then each byte that is no ASCII letter or digit a ``-``.

    >>> title_slug("Mavs In Japan (2)"), title_slug("Lébo")
    ('Mavs-In-Japan-2', 'L--bo')
    """
    return _remembered_title(title) if len(title) <= _LONGEST_REMEMBERED else _title_slug(title)


def _title_slug(title: str) -> str:
    return _NOT_SLUG.sub(b"-", title.translate(_PARENTHESES).encode("utf-8", "surrogateescape")).decode("ascii")


_remembered_title = lru_cache(maxsize=512)(_title_slug)


def host_slug(url: str) -> str:
    """Return the slug of the host of ``url``: without ``www.``, port and path, ``.`` as ``-``.

    >>> host_slug("https://www.example.com:8080/blog")
    'example-com'
    """
    return _remembered_host(url) if len(url) <= _LONGEST_REMEMBERED else _host_slug(url)


def _host_slug(url: str) -> str:
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:  # a bracket that doesn't close
        return ""
    return host.removeprefix("www.").replace(".", "-")


_remembered_host = lru_cache(maxsize=512)(_host_slug)


@lru_cache(maxsize=64)
def utc_offset(name: ArchiveName, backup_time: int) -> timezone | None:
    """Return the server's UTC offset, which the name's local time and ``backup_time`` (Unix seconds) imply together.

    Their difference is rounded down to a `QUARTER`. None where no offset explains them: beyond the `FURTHEST`, or with
    a rest since `EXACT_SINCE`.
    """
    if backup_time not in _TIMES:
        return None
    quarters, rest = divmod((name.local_time - _EPOCH) // _SECOND - backup_time, QUARTER // _SECOND)
    is_explained = not rest or name.local_time < EXACT_SINCE
    return _zone(quarters) if is_explained else None


@lru_cache(maxsize=128)
def _zone(quarters: int) -> timezone | None:
    """Return the offset of so many `QUARTER`s; None beyond the `FURTHEST`."""
    return timezone(quarters * QUARTER) if FURTHEST[0] // QUARTER <= quarters <= FURTHEST[1] // QUARTER else None


def unix_time(name: ArchiveName, zone: tzinfo) -> int:
    """Return the name's local time as Unix seconds, its clock showing ``zone``."""
    return int(name.local_time.replace(tzinfo=zone).timestamp())


def is_ambiguous(name: ArchiveName, zone: tzinfo) -> bool:
    """Tell whether the name's local time stands twice on the clocks of ``zone``, or never (PEP 495)."""
    early, late = (name.local_time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return early.utcoffset() != late.utcoffset()


class Disagreement(NamedTuple):
    """One part of a name that the record contradicts: a finding's id and the particulars."""

    finding: str
    detail: str


def disagreements(
    name: ArchiveName, url: str | None, title: str | None, backup_time: int | None, zone: tzinfo | None = None
) -> list[Disagreement]:
    """Return what the record's ``url``, ``title`` and ``backup_time`` (Unix seconds) say against the name.

    What the record does not tell is not judged, nor is an empty host. A ``_`` may stand on either side of where `parse`
    split. Where the server's ``zone`` is known, the offset has to be that zone's.
    """
    found = []
    middle = f"{name.host}_{name.title}"
    if url is not None and name.host and not middle.startswith(f"{(host := host_slug(url))}_"):
        found.append(Disagreement("name-host-differs", f"{name.host!r}, by the record {host!r}"))
    if title is not None and not middle.endswith(f"_{(slug := title_slug(title))}"):
        found.append(Disagreement("name-title-differs", f"{name.title!r}, by the record {slug!r}"))
    if backup_time is not None and not _explains(name, backup_time, zone):
        found.append(Disagreement("name-time-differs", f"{name.local_time} local, by the record {_utc(backup_time)}"))
    return found


def _explains(name: ArchiveName, backup_time: int, zone: tzinfo | None) -> bool:
    offset = utc_offset(name, backup_time)
    if offset is None or zone is None:
        return offset is not None
    try:
        return offset.utcoffset(None) == datetime.fromtimestamp(backup_time, zone).utcoffset()
    except (OverflowError, ValueError, OSError):  # beyond the years that `datetime` knows, in that zone
        return False


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} Unix seconds"
