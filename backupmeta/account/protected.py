"""What is evidence: where nothing is written, and from where no policy is taken.

That is an image; of each home its ``.appdata``, the folders of its archives, and the paths in its records; what was
named to be read: a home with records and all below it, a folder of archives, a file; and the files of a catalog. The
folder that such places lie in is none: a project may keep backups, and reports about them beside them.

It is asked upwards, from the one place in question: which of the folders above it are evidence?
"""

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from backupmeta.account import places
from backupmeta.account.filename import is_archive_name
from backupmeta.account.layout import ARCHIVES, RECORDS
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.errors import EvidenceError, OutputError
from backupmeta.evidence import identity_at
from backupmeta.folders import upwards

CATALOG_FILES: Final = ("", "-wal", "-shm", "-journal", "-scan")
"""What the names of a catalog's files end with."""


class Protected(NamedTuple):
    """What is evidence, of what a command reads.

    Attributes:
        named: files and folders that are read; what is no path is passed over.
        sysroot: the image that is read.
        catalog: the catalog that is read.
    """

    named: tuple[str, ...] = ()
    sysroot: str | None = None
    catalog: str | None = None

    def refuse(self, path: str, named: str) -> None:
        """Raise `OutputError` where a file at ``path``, so ``named``, would be evidence or take the place of it."""
        if places.is_evidence(path):
            raise OutputError(named, "is an archive or a record; it would be overwritten", _ADVICE)
        if self.holds(path):
            raise OutputError(named, "lies among what is read, where nothing is written", _ADVICE)

    def holds(self, path: str) -> bool:
        """Return whether what is at ``path``, or would be there, is evidence: as it is named, or where links lead."""
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        return any(self._holds(spelling) for spelling in dict.fromkeys((real, os.path.realpath(path))))

    def _holds(self, path: str) -> bool:
        files = set(self._files())
        if path in files or identity_at(path) in set(map(identity_at, files)) - {None}:
            return True
        folders = list(upwards(path))
        image = set() if self.sysroot is None else {identity_at(self.sysroot)} - {None}
        return (
            any(_is_always(folder) for folder in folders)
            or not image.isdisjoint(map(identity_at, folders))
            or any(_has_records(folder) or _has_archives(folder) for folder in self._below_roots(folders))
            or _is_of_home(folders)
        )

    def _below_roots(self, folders: list[str]) -> list[str]:
        """Return those of the ``folders``, each in the next one, that are read, or lie in one that is."""
        roots = self._roots()
        top = max((number for number, folder in enumerate(folders, 1) if identity_at(folder) in roots), default=0)
        return folders[:top]

    def _files(self) -> Iterator[str]:
        """Yield the paths of files that are read, without links: also of those of a catalog that are not there now."""
        yield from (os.path.realpath(path) for path in self.named if os.path.isfile(path))
        if self.catalog is not None:
            for name in {os.path.abspath(self.catalog), os.path.realpath(self.catalog)}:
                folder = os.path.realpath(os.path.dirname(name))
                beside = os.path.join(folder, os.path.basename(name))
                yield from (f"{beside}{end}" for end in CATALOG_FILES)

    def _roots(self) -> set[tuple[int, int] | None]:
        """Return the folders that are read, and the homes that what is read lies in."""
        there = [path for path in self.named if os.path.exists(path)]
        folders = [path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)) for path in there]
        homes = [home for folder in folders if (home := places.folder_of_home(os.path.abspath(folder))) is not None]
        return {identity_at(path) for path in (*filter(os.path.isdir, there), *homes)} - {None}


_ADVICE: Final = "name a file in another folder"


def _is_always(path: str) -> bool:
    """Return whether a folder is a home's own for records or archives, by its name."""
    return os.path.basename(path) in {RECORDS, ARCHIVES}


def _has_records(path: str) -> bool:
    return os.path.lexists(os.path.join(path, RECORDS))


def _has_archives(path: str) -> bool:
    """Return whether there are archives in a folder, by their names."""
    try:
        with os.scandir(path) as entries:
            return any(is_archive_name(entry.name) for entry in entries)
    except (OSError, ValueError):
        return False


def _is_of_home(folders: list[str]) -> bool:
    """Return whether one of the ``folders``, each in the next one, is of a home that is among them.

    It is where it has archives, as a folder of another name for them, or where a record names it.
    """
    number = next((number for number, numbered in enumerate(folders) if _has_records(numbered)), 0)
    inner, home = folders[:number], folders[number]
    if not inner:
        return False
    return _has_archives(inner[-1]) or not _recorded(home).isdisjoint(map(identity_at, inner))


def _recorded(path: str) -> set[tuple[int, int] | None]:
    """Return the folders that the records of the home at ``path`` are about."""
    try:
        with places.home_above(path, DEFAULT_LIMITS) as home:
            records = (*home.installs.values(), *home.backups.values())
            return {identity_at(record.opened("path") or "") for record in records} - {None}
    except EvidenceError:
        return set()
