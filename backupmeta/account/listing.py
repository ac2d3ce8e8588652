"""What lies in a home's folders, without opening a file: enough to tell whether anything changed."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple

from backupmeta.account.filename import Likeness, likeness, parse
from backupmeta.account.home import ARCHIVES, RECORDS
from backupmeta.account.location import is_absent, open_from_server, steps_from_server
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.errors import EvidenceError, LimitExceededError, UnreadableError
from backupmeta.evidence import Folder, Signature, Signed


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


CURRENT: Final = f"{RECORDS}/current"
"""Where a home's install records lie (FORMAT.md §1)."""

BACKUPS: Final = f"{RECORDS}/backups"
"""Where a home's backup records lie (FORMAT.md §1)."""

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


def elsewhere(names: Iterable[str]) -> tuple[Extent, ...]:
    """Return a home's other folders, in which missing archives were looked for."""
    return tuple(Extent(name, Counting.CONVENTIONAL) for name in names)


def located(paths: Iterable[str]) -> tuple[Extent, ...]:
    """Return the archives of a home that are kept in folders of the server itself, by their paths from it on."""
    return tuple(Extent(path, Counting.FILE) for path in paths)


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
    if extent.counting is Counting.FILE:
        return _counted_alone(folder, extent.path, unread)
    try:
        with ExitStack() as opened:
            for step in extent.path.split("/") if extent.path else ():
                folder = opened.enter_context(folder.open_folder(step))
            return folder.signatures(limits.folder_entries, _COUNTS[extent.counting])
    except (UnreadableError, LimitExceededError) as error:
        if not is_absent(error):
            unread.append(extent.path)
    except EvidenceError:
        pass  # a link, or a file in its place
    return []


def _counted_alone(home: Folder, path: str, unread: list[str]) -> list[Signed]:
    """Return the file at ``path`` from ``home`` on, without a name; nothing where it is not there."""
    *steps, name = steps_from_server(home.server_path, path)
    try:
        with open_from_server(home, steps) as folder:
            signature = folder.signature(name)
            return [] if signature is None else [("", "f", *signature)]
    except UnreadableError as error:
        if not is_absent(error):
            unread.append(path.rpartition("/")[0])
    except EvidenceError:
        pass  # a link
    return []


_COUNTS: Final[dict[Counting, Callable[[str, bool], bool]]] = {
    Counting.FOLDERS: lambda _name, is_file: not is_file,
    Counting.FILES: lambda _name, _is_file: True,
    Counting.ARCHIVES: lambda name, _is_file: likeness(name) is not Likeness.OTHER,
    Counting.CONVENTIONAL: lambda name, _is_file: parse(name) is not None,
}


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
