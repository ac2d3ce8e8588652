"""Where a home's files lie, and what does, without opening a file: enough to tell whether anything changed.

Besides its own folders (FORMAT.md §1) that may be a folder of the server itself, where a record says so (§4):
``file://localhost/backup_test`` is ``/backup_test``. Where a home's path on the server is known, so is the server's
root, and the folder is opened from there, step by step and through no link.

Whether the records of a home belong to it, and to one another, is told by the homes and the times in them.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from errno import ENOENT, ENOTDIR
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from backupmeta import rules
from backupmeta.account.filename import Likeness, likeness, parse, unreadable
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.errors import EvidenceError, LimitExceededError, NotRegularError, UnreadableError
from backupmeta.evidence import Counts, Folder, Signature, Signed, open_folder
from backupmeta.findings import Finding
from backupmeta.provenance import on_disk
from backupmeta.record.fields import sides
from backupmeta.record.grammar import Document
from backupmeta.words import counted

RECORDS: Final = ".appdata"
ARCHIVES: Final = "application_backups"
PLACEHOLDER: Final = ".placeholder"
CURRENT: Final = f"{RECORDS}/current"
"""Where a home's install records lie (FORMAT.md §1)."""

BACKUPS: Final = f"{RECORDS}/backups"
"""Where a home's backup records lie (FORMAT.md §1)."""

LOCAL: Final = frozenset({"local", ""})
"""The locations that are the home's own folder of archives."""

_FILE_URI: Final = re.compile(r"file://(?:localhost)?((?:/(?:[^/?#%\\\x00-\x1f\x7f]|%[0-9a-f]{2})+)+)/?", re.IGNORECASE)
_LONGEST: Final = 4096
"""How long a path can be, in bytes (Linux, PATH_MAX)."""


def server_path(location: str, home: str) -> str | None:
    """Return the folder of the server itself that a ``file://`` URI names; None for any other location.

    Strictly (RFC 8089 §2): the host is ``localhost`` or empty; no query, no fragment; ``%`` begins an escape. ``home``
    is the path on that server of the home that says so; on Windows no such location is known.

    >>> server_path("file://localhost/backup_test", "/home/u"), server_path("file://example.com/backup_test", "/home/u")
    ('/backup_test', None)
    """
    if not home.startswith("/") or len(location) > _LONGEST:
        return None
    if (match := _FILE_URI.fullmatch(location)) is None:
        return None
    steps = [unquote_to_bytes(step.encode("utf-8", "surrogateescape")) for step in match[1].split("/")[1:]]
    if any(step in {b".", b".."} or b"/" in step or b"\0" in step for step in steps):
        return None
    return "/" + b"/".join(steps).decode("utf-8", "surrogateescape")


def below_home(home: str, path: str) -> str:
    """Return the ``path`` of a file, from the folder ``home`` on: ``../../backup_test/app_a.tar.gz``."""
    return posixpath.relpath(path, home)


def is_outside(path: str) -> bool:
    """Return whether a ``path`` that begins at a home leads out of it, to a folder of the server itself."""
    return path.startswith("../")


def path_on_server(home: str, path: str) -> str:
    """Return the path of what lies at ``path`` from the folder ``home`` on, as the server saw it."""
    return posixpath.normpath(posixpath.join(home, path))


def open_from_server(home: Folder, path: str) -> Folder:
    """Return the folder that is at ``path`` on the server that ``home`` lies on.

    Raises `NotRegularError` for a link, `UnreadableError`, also where nobody knows that server's root.
    """
    if home.server is None:
        raise UnreadableError(home.path, "is a home of which the server's root is not known")
    folder = open_folder(home.server, "/", home.server)
    for step in filter(None, path.split("/")):
        with folder:
            folder = folder.open_folder(step)
    return folder


def is_absent(error: EvidenceError) -> bool:
    """Return whether ``error`` says that something is not there, or lies below what is no folder."""
    cause = error.__cause__
    return isinstance(error, UnreadableError) and isinstance(cause, OSError) and cause.errno in {ENOENT, ENOTDIR}


class Locations:
    """The folders of the server itself in which a home's backups are kept, each opened once.

    Attributes:
        files: the paths, from the home on, of the archives that were looked for, whether they are there or not.
    """

    MOST: Final = 64
    """How many folders are held open."""

    def __init__(self, home: Folder, opened: ExitStack) -> None:
        """Know the server by its ``home``; close the folders with ``opened``."""
        self.files: set[str] = set()
        self._home = home
        self._opened = opened
        self._folders: dict[str, Folder | None] = {}

    def folder_with(self, name: str, path: str, findings: list[Finding]) -> Folder | None:
        """Return the folder at ``path`` on the server where a regular file ``name`` is in it; None otherwise.

        Append to ``findings`` why a folder that is there can't be opened, or does not tell.
        """
        if name in {"", ".", ".."} or {"/", "\0"} & set(name):  # no name of a file, or it leads elsewhere
            return None
        self.files.add(below_home(self._home.server_path, f"{path}/{name}"))
        if path not in self._folders:
            self._folders[path] = None
            if len(self._folders) <= self.MOST:
                self._folders[path] = self._open(path, findings)
            elif len(self._folders) == self.MOST + 1:
                detail = f"records name more than {self.MOST} folders of the server"
                findings.append(Finding(rules.FOLDER_UNREADABLE, path, detail, on_disk(path)))
        folder = self._folders[path]
        try:
            return folder if folder is not None and folder.signature(name) is not None else None
        except EvidenceError as error:
            findings.append(unreadable(path, error))
            return None

    def _open(self, path: str, findings: list[Finding]) -> Folder | None:
        try:
            return self._opened.enter_context(open_from_server(self._home, path))
        except NotRegularError as error:
            findings.append(Finding(rules.LINK_NOT_FOLLOWED, path, error.reason, on_disk(path)))
        except EvidenceError as error:
            findings += [] if is_absent(error) else [unreadable(path, error)]
        return None


# --- what lies there --------------------------------------------------------------------------------------------------


class Counting(StrEnum):
    """What of a folder makes a difference."""

    FOLDERS = "folders"
    """What is no regular file: folders and links, by name."""
    FILES = "files"
    """Everything; regular files by their signatures."""
    ARCHIVES = "archives"
    """What may be an archive: whose name says that it is, or nothing else; files by their signatures."""
    CONVENTIONAL = "conventional"
    """Files whose name follows the convention for archives, by their signatures."""
    FILE = "file"
    """It is no folder but one file, by its signature."""


class Extent(NamedTuple):
    """A folder, by its path from the account's on, and what of it makes a difference.

    What is kept in a folder of the server itself lies outside: ``../../backup_test/app_a.tar.gz``.
    """

    path: str
    counting: Counting


HOME: Final = (
    Extent("", Counting.FOLDERS),
    Extent(RECORDS, Counting.FOLDERS),
    Extent(CURRENT, Counting.FILES),
    Extent(BACKUPS, Counting.FILES),
    Extent(ARCHIVES, Counting.FILES),
)
"""The folders of a home (FORMAT.md §1)."""

ALONE: Final = (Extent("", Counting.ARCHIVES),)
"""A folder of archives."""


@dataclass(frozen=True)
class Listing:
    """What lies in an account's folders.

    Attributes:
        folders: by the folder's path below the account's: what of it makes a difference.
        fingerprint: differs where anything does.
        unread: the paths of folders that are there, and can't be listed.
    """

    folders: dict[str, list[Signed]]
    fingerprint: bytes
    unread: tuple[str, ...]

    @cached_property
    def files(self) -> dict[str, Signature]:
        """The signatures of its records and archives, by their paths below the account's folder."""
        return {
            _below(folder, name): Signature(*signature)
            for folder, names in self.folders.items()
            for name, kind, *signature in names
            if kind == "f"
        }


def listed(folder: Folder, extents: Iterable[Extent], beside: str = "", limits: Limits = DEFAULT_LIMITS) -> Listing:
    """Return what lies in ``folder``, as far as the ``extents`` go; a folder that can't be listed has nothing.

    Nor has one with more entries than ``limits`` allow. The fingerprint differs, too, where what is told ``beside`` it
    does.
    """
    unread: list[str] = []
    folders = {extent.path: _counted(folder, extent, limits, unread) for extent in extents}
    content = repr((beside, folders)).encode("utf-8", "surrogateescape")
    return Listing(folders, blake2b(content, digest_size=16).digest(), tuple(unread))


def _counted(folder: Folder, extent: Extent, limits: Limits, unread: list[str]) -> list[Signed]:
    above = extent.path.rpartition("/")[0] if extent.counting is Counting.FILE else extent.path
    try:
        return _alone(folder, extent.path) if extent.counting is Counting.FILE else _inside(folder, extent, limits)
    except (UnreadableError, LimitExceededError) as error:
        unread += [] if is_absent(error) else [above]
    except EvidenceError:
        pass  # a link, or a file in its place
    return []


def _inside(folder: Folder, extent: Extent, limits: Limits) -> list[Signed]:
    with ExitStack() as opened:
        for step in filter(None, extent.path.split("/")):
            folder = opened.enter_context(folder.open_folder(step))
        return folder.signatures(limits.folder_entries, _COUNTS[extent.counting])


def _alone(home: Folder, path: str) -> list[Signed]:
    """Return the file at ``path`` from ``home`` on, without a name; nothing where it is not there."""
    above, name = posixpath.split(path_on_server(home.server_path, path))
    with open_from_server(home, above) as folder:
        signature = folder.signature(name)
        return [] if signature is None else [("", "f", *signature)]


_COUNTS: Final[dict[Counting, Counts]] = {
    Counting.FOLDERS: lambda entry: not entry.is_file(follow_symlinks=False),
    Counting.FILES: None,
    Counting.ARCHIVES: lambda entry: likeness(entry.name) is not Likeness.OTHER,
    Counting.CONVENTIONAL: lambda entry: parse(entry.name) is not None,
}


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


# --- whether records belong to a home ---------------------------------------------------------------------------------

NUMBERED_HOME: Final = re.compile(r"home[0-9]*")
"""What the folder is called that has the homes (FORMAT.md §1)."""
_HOME: Final = re.compile(r"/home[0-9]*/[^/]+")
_SHOWN: Final = 20
"""How many records are named as evidence."""
_SAID: Final = 3
"""How many times are shown that others say."""
_NEVER: Final = frozenset({b"", b"0"})
"""What stands for a time that was never set."""


def account_name(home: str) -> str | None:
    r"""Return whose home it is, by its path, as the server saw it or on this machine; None where that does not tell.

    >>> account_name("/mnt/image/home2/anna"), account_name("/var/www/vhosts/example.com")
    ('anna', None)
    """
    folder, _, name = home.replace("\\", "/").rstrip("/").rpartition("/")
    return name if NUMBERED_HOME.fullmatch(folder.rpartition("/")[2]) else None


def contradictions(home: str, installs: Mapping[str, Document], backups: Mapping[str, Document]) -> Iterator[Finding]:
    """Yield what the records of a ``home``, a path as the server saw it, contradict: its name, or one another."""
    yield from _of_other_homes(home, (*installs.values(), *backups.values()))
    yield from _of_installing(installs, backups.values())


def _of_other_homes(home: str, records: Iterable[Document]) -> Iterator[Finding]:
    """Yield each home of another account that records say their sites lie in; one on another disk is the same."""
    own, by_home = account_name(home), dict[str, list[Document]]()
    for record in records if own is not None else ():
        if (named := _HOME.match(record.opened("path") or "")) is not None:
            by_home.setdefault(named[0], []).append(record)
    for other, others in by_home.items():
        if account_name(other) != own:
            places = tuple(record.at("path") for record in others[:_SHOWN])
            yield Finding(rules.HOME_DIFFERS, home, f"{other} by {counted(len(others), 'record')}", places)


def _of_installing(installs: Mapping[str, Document], backups: Iterable[Document]) -> Iterator[Finding]:
    """Yield each install whose record and backups' records do not agree on when it was installed."""
    others = dict[str, list[Document]]()
    for record in backups:
        id_ = record.opened("backup-install") or ""
        if id_ in installs and len({_time(installs[id_]), _time(record)} - _NEVER) > 1:
            others.setdefault(id_, []).append(record)
    for id_, records in others.items():
        times = Counter(map(_time, records)).most_common(_SAID)
        said = [(_time(installs[id_]), "install record")]
        said += [(time, counted(number, "backup record")) for time, number in times]
        places = tuple(record.at("time") for record in (installs[id_], *records[:_SHOWN]))
        yield Finding(rules.INSTALL_TIME_DIFFERS, places[0].path, sides("time", said), places)


def _time(record: Document) -> bytes:
    """Return when the site of a ``record`` was installed, as it stands there."""
    return record.record.values.get("time", b"")
