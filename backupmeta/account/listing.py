"""What lies in a home's folders, without opening a file: enough to tell whether anything changed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from errno import ENOENT, ENOTDIR
from hashlib import blake2b
from typing import Final, NamedTuple

from backupmeta.account.filename import is_archive_name, parse
from backupmeta.account.home import ARCHIVES, RECORDS
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.evidence import Entry, Folder, Signature


class Counting(StrEnum):
    """What of a folder makes a difference."""

    FOLDERS = "folders"
    """What is no regular file: folders and links, by name."""
    FILES = "files"
    """Everything; regular files by their signatures."""
    ARCHIVES = "archives"
    """Files whose name says that they are archives, by their signatures."""
    CONVENTIONAL = "conventional"
    """Files whose name follows the convention for archives, by their signatures."""


class Extent(NamedTuple):
    """A folder, by its path below the account's, and what of it makes a difference."""

    path: str
    counting: Counting


HOME: Final = (
    Extent("", Counting.FOLDERS),
    Extent(RECORDS, Counting.FOLDERS),
    Extent(f"{RECORDS}/current", Counting.FILES),
    Extent(f"{RECORDS}/backups", Counting.FILES),
    Extent(ARCHIVES, Counting.FILES),
)
"""The folders of a home (FORMAT.md §1)."""

ALONE: Final = (Extent("", Counting.ARCHIVES),)
"""A folder of archives."""


def elsewhere(names: Iterable[str]) -> tuple[Extent, ...]:
    """Return a home's other folders, in which missing archives were looked for."""
    return tuple(Extent(name, Counting.CONVENTIONAL) for name in names)


class Listing(NamedTuple):
    """What lies in an account's folders.

    Attributes:
        files: the signatures of its records and archives, by their paths below the account's folder.
        fingerprint: differs where anything does.
        unread: the paths of folders that are there, and can't be listed.
    """

    files: dict[str, Signature]
    fingerprint: bytes
    unread: tuple[str, ...]


def listed(folder: Folder, extents: Iterable[Extent], beside: str = "") -> Listing:
    """Return what lies in ``folder``, as far as the ``extents`` go; a folder that can't be listed has nothing.

    The fingerprint differs, too, where what is told ``beside`` it does.
    """
    files: dict[str, Signature] = {}
    unread: list[str] = []
    digest = blake2b(beside.encode(), digest_size=16)
    for extent in extents:
        found = list(_counted(folder, extent, unread))
        told = [(*entry, *(signature or ())) for entry, signature in found]
        digest.update(repr((extent.path, told)).encode("utf-8", "surrogateescape"))
        files.update((_below(extent.path, entry.name), signature) for entry, signature in found if signature)
    return Listing(files, digest.digest(), tuple(unread))


def _counted(folder: Folder, extent: Extent, unread: list[str]) -> Iterator[tuple[Entry, Signature | None]]:
    try:
        with ExitStack() as opened:
            for step in extent.path.split("/") if extent.path else ():
                folder = opened.enter_context(folder.open_folder(step))
            found = folder.signatures()
    except UnreadableError as error:
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _ABSENT):
            unread.append(extent.path)
        return
    except EvidenceError:
        return
    counts = _COUNTS[extent.counting]
    yield from (one for one in found.items() if counts(one[0]))


_ABSENT: Final = frozenset({ENOENT, ENOTDIR})

_COUNTS: Final[dict[Counting, Callable[[Entry], bool]]] = {
    Counting.FOLDERS: lambda entry: not entry.is_file,
    Counting.FILES: lambda entry: True,  # noqa: ARG005 - as the others
    Counting.ARCHIVES: lambda entry: is_archive_name(entry.name),
    Counting.CONVENTIONAL: lambda entry: parse(entry.name) is not None,
}


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
