"""An archive's name: ``app_<host>_<title>_<YYYY-MM-DD>_<HH-MM-SS>.tar.gz`` (FORMAT.md §3); which entries are archives.

An entry of a folder is an archive by its name or by its content; each other one that could be one is reported.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from backupmeta import rules
from backupmeta.archive.compression import SUFFIXES
from backupmeta.archive.identification import Beginning
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Entry, Folder, open_folder
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import on_disk
from backupmeta.words import dated

_NAME: Final = re.compile(
    r"app_(.*)_([^_]*)_(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)((?:\.[A-Za-z0-9]+)*)", re.DOTALL | re.ASCII
)
_IN_ZONEINFO: Final = re.compile(r"(?:^|/)zoneinfo/(?:posix/)?([A-Za-z0-9_+/-]+)$")
"""A path to a zone's file, which ends with the zone's name (tzfile(5))."""
_ZONE_BYTES: Final = 64 * 1024
"""How long a zone's file may be; those of tzdata have 3 to 4 kB."""
_TIME: Final = "%Y-%m-%d_%H-%M-%S"
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - of the names' local times
_TIMES: Final = range((datetime.min - _EPOCH) // _SECOND, (datetime.max - _EPOCH) // _SECOND + 1)  # noqa: DTZ901 - local
"""The Unix seconds that `datetime` knows."""
_LONGEST_REMEMBERED: Final = 200
_SLUG: Final = bytes(byte if chr(byte).isascii() and chr(byte).isalnum() else ord("-") for byte in range(256))
"""What stands in a slug for each byte of a title."""
_APPLE_DOUBLE: Final = "._"
"""What the names begin with of files that macOS puts beside others, for what their place can't hold (RFC 1740)."""
_SUFFIX_WITHIN: Final = re.compile(r"\.t(?:ar|gz|zst|bz2?|xz)(?![a-z])")
_CONVENTION: Final = re.compile(r"app_[^/]*_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
_WRAPPED: Final = re.compile(
    r"(?:[.~ ](?:gz|bz2|xz|zst|\d{1,4}|bak|old|orig|part|filepart|crdownload)?|\(\d{1,4}\)){1,8}$"
)
"""What follows a name's own suffix once it was compressed, rotated, copied or fetched."""
_BESIDE: Final = (".md5", ".sha1", ".sha256", ".sha512", ".sig", ".asc", ".torrent", ".par2")
"""Suffixes of files that are about another one, whose name they have."""
_OTHERS: Final = tuple(
    ".php .phtml .html .htm .css .js .map .json .xml .yml .yaml .ini .conf .htaccess .txt .md .log .sql .csv "
    ".sqlite .db .sh .py .pl .cgi .pem .crt .key .jpg .jpeg .png .gif .webp .svg .ico .bmp .tif .tiff .psd .mp3 "
    ".mp4 .m4a .mov .avi .mkv .wav .ogg .pdf .doc .docx .xls .xlsx .ppt .pptx .odt .ods .woff .woff2 .ttf .eot "
    ".otf .zip .rar .7z .exe .dll .so .iso .img .deb .rpm .jar".split()
)
"""Suffixes of files that are no archives."""
_BEGUN: Final = re.compile(r"(?is)(.+)\.(?:part|partial|crdownload|filepart|download|opdownload|!ut)")
"""Names that browsers and other programs give a file while they write it: Firefox, curl, Chrome, WinSCP, Safari, …"""
_BEGUN_BY_RSYNC: Final = re.compile(r"\.(.+\.[A-Za-z0-9]+)\.[A-Za-z0-9]{6}", re.DOTALL | re.ASCII)
"""rsync's: ``.NAME.`` and six letters or digits (rsync(1), "--temp-dir")."""

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


def parse(name: str) -> ArchiveName | None:
    """Return the parts of an archive's ``name``, or None where it does not follow the convention.

    The time is read from the right. No slug of a title holds a ``_``, so the last one before the time ends the host.

    >>> parse("app_example-com_My-blog-2_2024-06-13_20-55-21.tar.gz").title
    'My-blog-2'
    """
    return _remembered_name(name) if len(name) <= _LONGEST_REMEMBERED else _parse(name)


def _parse(name: str) -> ArchiveName | None:
    if (match := _NAME.fullmatch(name)) is None:
        return None
    host, title, *time, suffix = match.groups()
    try:
        return ArchiveName(host, title, datetime(*map(int, time)), suffix)  # type: ignore[arg-type]  # noqa: DTZ001 - no zone
    except ValueError:
        return None


_remembered_name = lru_cache(maxsize=64)(_parse)


class Likeness(Enum):
    """What a file's name says of its being an archive."""

    ARCHIVE = "it is one, by its suffix"
    RESEMBLING = "it was one: its suffix stands further in, or its name follows the convention"
    UNTOLD = "nothing"
    OTHER = "it is something else"


def likeness(name: str) -> Likeness:
    """Return what the ``name`` of a file says of its being an archive (FORMAT.md §8, "Which files are archives").

    >>> likeness("app_example-com_Blog_2024-06-13_20-55-21.tar(1).gz").name, likeness("dump.sql.gz").name
    ('RESEMBLING', 'OTHER')
    """
    if is_archive_name(name):
        return Likeness.ARCHIVE
    folded = name.lower()
    if folded.endswith(_BESIDE):
        return Likeness.OTHER
    if _SUFFIX_WITHIN.search(folded):
        return Likeness.RESEMBLING
    if _WRAPPED.sub("", folded).endswith(_OTHERS):
        return Likeness.OTHER
    return Likeness.RESEMBLING if _CONVENTION.search(folded) else Likeness.UNTOLD


def is_archive_name(name: str) -> bool:
    """Return whether a file of this ``name`` is meant to be an archive: by its suffix."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(_APPLE_DOUBLE)


def is_of_backup(name: str) -> bool:
    """Return whether a file of this ``name`` is meant to be a backup's archive (FORMAT.md §2)."""
    return name.startswith("app_")


def resembles_archive(name: str) -> bool:
    """Return whether a file of this ``name`` was an archive once, as `likeness` does; most names are told at once."""
    folded = name.lower()
    return (".t" in folded or "app_" in folded) and likeness(name) is Likeness.RESEMBLING


def begun_as(name: str) -> str | None:
    """Return the name that a file gets once it is whole, where its ``name`` says that it is being written.

    >>> begun_as("site.tar.gz.part"), begun_as(".site.tar.gz.kX3d9a"), begun_as("site.tar.gz")
    ('site.tar.gz', 'site.tar.gz', None)
    """
    match = _BEGUN.fullmatch(name) or _BEGUN_BY_RSYNC.fullmatch(name)
    return match and match[1]


def stem(name: str) -> str:
    """Return an archive's ``name`` without its suffix: recompressing an archive changes no more than that.

    Nor does what a program adds while it writes the file.
    """
    name = begun_as(name) or name
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def title_slug(title: str) -> str:
    """Return the slug of a title: parentheses dropped, then each byte that is no ASCII letter or digit a ``-``.

    >>> title_slug("Mavs In Japan (2)"), title_slug("Lébo")
    ('Mavs-In-Japan-2', 'L--bo')
    """
    return title.encode("utf-8", "surrogateescape").translate(_SLUG, b"()").decode("ascii")


def host_slug(url: str) -> str:
    """Return the slug of the host of ``url``: without ``www.``, port and path, ``.`` as ``-``.

    >>> host_slug("https://www.example.com:8080/blog")
    'example-com'
    """
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:  # a bracket that doesn't close
        return ""
    return host.removeprefix("www.").replace(".", "-")


_remembered_host = lru_cache(maxsize=64)(host_slug)


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
    is_in_use = FURTHEST[0] // QUARTER <= quarters <= FURTHEST[1] // QUARTER
    return timezone(quarters * QUARTER) if is_explained and is_in_use else None


def unix_time(name: ArchiveName, zone: tzinfo) -> int:
    """Return the name's local time as Unix seconds, its clock showing ``zone``."""
    return int(name.local_time.replace(tzinfo=zone).timestamp())


def is_ambiguous(name: ArchiveName, zone: tzinfo) -> bool:
    """Return whether the name's local time stands twice on the clocks of ``zone``, or never (PEP 495)."""
    early, late = (name.local_time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return early.utcoffset() != late.utcoffset()


def zone_of_today(sysroot: str) -> tzinfo | None:
    """Return the time zone that the server below ``sysroot`` has today; None where nothing tells it.

    ``/etc/localtime`` is a link to a zone's file (localtime(5)), whose text is read and never followed, or a copy of
    one, which is compared with this machine's; ``/etc/timezone`` has the name, on Debian.
    """
    with suppress(EvidenceError), open_folder(sysroot) as root, root.open_folder("etc") as etc:
        linked = _IN_ZONEINFO.search(etc.link_target("localtime"))
        name = _content(etc, "timezone").decode("ascii", "replace").strip()
        copied = _zone_with(_content(etc, "localtime"), name)
        return _zone_called(linked[1]) if linked else copied or _zone_called(name)
    return None


def _content(folder: Folder, name: str) -> bytes:
    """Return the content of a small file in ``folder``; nothing where it can't be read, or is a link."""
    with suppress(EvidenceError), folder.open_file(name) as file:
        return file.read_whole("zone_bytes", _ZONE_BYTES)
    return b""


def _zone_called(name: str) -> tzinfo | None:
    """Return the zone of this ``name``; None where this machine knows none."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # what is no name; no zone's; a folder's
        return None


def _zone_with(content: bytes, name: str) -> tzinfo | None:
    """Return the zone whose file has this ``content``, the one of this ``name`` where that does; None without any."""
    from zoneinfo import TZPATH, available_timezones

    known = available_timezones() if content else set()
    names = sorted(known, key=lambda each: (each != name, each))
    with_content = (each for each in names if any(_holds(Path(folder, each), content) for folder in TZPATH))
    return _zone_called(next(with_content, ""))


def _holds(path: Path, content: bytes) -> bool:
    """Return whether the file at ``path``, of this machine, is there and has this ``content``."""
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def disagreements(
    name: ArchiveName, url: str | None, title: str | None, backup_time: int | None, zone: tzinfo | None = None
) -> Iterator[tuple[FindingRule, str]]:
    """Yield what the record's ``url``, ``title`` and ``backup_time`` (Unix seconds) say against the name.

    That is the rule of a finding about a part of the name, and its particulars.

    What the record does not tell is not judged, nor is an empty host. A ``_`` may stand on either side of where `parse`
    split. Where the server's ``zone`` is known, the offset has to be that zone's.
    """
    middle = f"{name.host}_{name.title}"
    slug_of = _remembered_host if len(url or "") <= _LONGEST_REMEMBERED else host_slug
    if url is not None and name.host and not middle.startswith(f"{(host := slug_of(url))}_"):
        yield rules.NAME_HOST_DIFFERS, f"{name.host!r}, by the record {host!r}"
    if title is not None and not middle.endswith(f"_{(slug := title_slug(title))}"):
        yield rules.NAME_TITLE_DIFFERS, f"{name.title!r}, by the record {slug!r}"
    if backup_time is not None and not _explains(name, backup_time, zone):
        yield rules.NAME_TIME_DIFFERS, f"{name.local_time} local, by the record {dated(backup_time)}"


def _explains(name: ArchiveName, backup_time: int, zone: tzinfo | None) -> bool:
    offset = utc_offset(name, backup_time)
    if offset is None or zone is None:
        return offset is not None
    try:
        return offset.utcoffset(None) == datetime.fromtimestamp(backup_time, zone).utcoffset()
    except (OverflowError, ValueError, OSError):  # beyond the years that `datetime` knows, in that zone
        return False


_NAMED: Final = 3
"""How many files a finding about several of them names."""


def archives_among(
    folder: Folder, entries: Iterable[Entry], begins: Callable[[str], Beginning], findings: list[Finding]
) -> Iterator[str]:
    """Yield the names of the ``entries`` of ``folder`` that are archives (FORMAT.md §8, "Which files are archives").

    A regular file is one by its name; where that does not say that it is something else, it is one if it begins as a
    tar does: ``begins`` tells of a file's name how it begins, and may raise `EvidenceError`. After the last of them
    append to ``findings`` what was odd, and in one finding the files that look like archives, and are not read as such.
    """
    odd, unread = list[Finding](), list[str]()
    for entry in entries:
        like = likeness(entry.name)
        if like is Likeness.ARCHIVE or (like is Likeness.RESEMBLING and not (entry.is_file or entry.is_folder)):
            is_archive = entry.is_file
            odd.extend(() if is_archive else refused(folder, entry))
        else:
            is_read = entry.is_file and like is not Likeness.OTHER
            beginning = _beginning(entry.name, begins) if is_read else Beginning.OTHER
            is_archive = beginning is Beginning.TAR
            if beginning is Beginning.BROKEN or (is_read and like is Likeness.RESEMBLING and not is_archive):
                unread.append(entry.name)
        if is_archive:
            yield entry.name
    if unread:
        path, more = folder.server_path, ", …" if len(unread) > _NAMED else ""
        detail = f"{len(unread):,}: {', '.join(unread[:_NAMED])}{more}"
        odd.append(Finding(rules.ARCHIVES_NOT_READ, path, detail, on_disk(path)))
    findings += odd


def _beginning(name: str, begins: Callable[[str], Beginning]) -> Beginning:
    try:
        return begins(name)
    except EvidenceError:
        return Beginning.BROKEN  # nobody knows


def refused(folder: Folder, entry: Entry) -> Iterator[Finding]:
    """Yield the finding about an ``entry`` of ``folder`` that is not opened: a link, a FIFO, a device, a socket."""
    evidence = on_disk(folder.server_child(entry.name))
    if entry.is_link:
        yield Finding(rules.LINK_NOT_FOLLOWED, entry.name, f"to {folder.link_target(entry.name)}", evidence)
    else:
        yield Finding(rules.NOT_A_REGULAR_FILE, entry.name, "a folder" if entry.is_folder else "", evidence)


def unreadable(path: str, error: EvidenceError) -> Finding:
    """Return the finding about a folder that can't be listed; ``path`` as the server saw it."""
    return Finding(rules.FOLDER_UNREADABLE, path, error.reason, on_disk(path))
