"""Answering from a catalog: its accounts stand in for those on disk, for any command."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from backupmeta.account.home import Archive, Home, HomeReading, is_id
from backupmeta.account.layout import BACKUPS, CURRENT, is_outside, steps_from_server
from backupmeta.archive.head import Head
from backupmeta.archive.identification import Beginning
from backupmeta.archive.limits import Limits
from backupmeta.catalog.database import Catalog, StoredMemory
from backupmeta.catalog.remembered import Memory, recall
from backupmeta.errors import EvidenceError, NotRegularError
from backupmeta.evidence import Folder
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.document import Document
from backupmeta.record.grammar import Record
from backupmeta.search import Search

_CLOSED: Final = -1
"""The descriptor of a folder that is not opened."""


@dataclass(frozen=True)
class InCatalog(Search):
    """Where to look, and how: in a catalog, instead of on disk.

    Attributes:
        catalog: the catalog's path.
        wanted: SQL that selects the numbers of the accounts to look at, and its arguments; all, where it is empty.
    """

    catalog: str = ""
    wanted: tuple[str, Sequence[str | int]] = ("", ())

    @property
    def name(self) -> str:
        """What stands for where it looks."""
        return self.catalog

    def homes(self, findings: list[Finding]) -> Iterator[Home]:
        """Yield the homes as they were when they were scanned; append what could not be read. Raises `CatalogError`."""
        yield from self.of_user(self._recalled(findings))

    def names(self) -> Iterator[str]:
        """Yield the names of all homes, whosever they are."""
        with Catalog.unchecked(self.catalog) as catalog:
            yield from catalog.names()

    def _recalled(self, findings: list[Finding]) -> Iterator[Home]:
        select, arguments = self.wanted
        which = f"status <> 'vanished' AND account IN ({select})" if select else "status <> 'vanished'"
        with Catalog.checked(self.catalog, findings) as catalog:
            findings += catalog.findings(_ON_THE_WAY)
            for stored in catalog.memories(f"{which} ORDER BY path, host", arguments):
                yield recalled(self.catalog, stored, self.limits)


_ON_THE_WAY: Final = "backup IS NULL AND install IS NULL AND (account IS NULL OR id = 'folder-unreadable')"


class _Recalling(HomeReading):
    """Reads what lies in a home from what is remembered of it."""

    def __init__(self, remembered: Memory, base: str) -> None:
        self._remembered = remembered
        self._base = base

    def record(self, folder: Folder, name: str, _limits: Limits, /) -> Record:
        raise NotRegularError(folder.child(name), "is in a catalog")

    def head(self, archive: Archive, _limits: Limits, /) -> Head:
        """Return what is remembered of an archive's head, or raise what is remembered."""
        content = self._remembered.files[below(self._base, archive)].content
        if isinstance(content, EvidenceError):
            raise content
        if not isinstance(content, Head):
            raise NotRegularError(archive.server_path, "is no archive")
        return content

    def beginning(self, folder: Folder, name: str, _limits: Limits, /) -> Beginning:
        raise NotRegularError(folder.child(name), "is in a catalog")


class Recalled(Folder):
    """A folder as a catalog has it: of the account of this number; what lies in it can't be opened."""

    def __init__(self, account: int, path: str, server_path: str | None = None) -> None:
        """Recall the folder at ``path``, which the server saw at ``server_path``."""
        super().__init__(path, path if server_path is None else server_path, _CLOSED)
        self.account = account

    @property
    def identity(self) -> tuple[int, int]:
        """The number of its account: there is no device and no inode."""
        return self.account, _CLOSED

    def below(self, path: str) -> "Recalled":
        """Return the folder at ``path`` from it on."""
        folder = self
        if is_outside(path):
            server_path = "/" + "/".join(steps_from_server(self.server_path, path))
            return Recalled(self.account, os.path.normpath(self.child(path)), server_path)
        for step in path.split("/") if path else ():
            folder = Recalled(self.account, folder.child(step), folder.server_child(step))
        return folder


def recalled(catalog: str, stored: StoredMemory, limits: Limits) -> Home:
    """Return the home that is ``stored`` in a catalog. Raises `CatalogError` where that is no memory."""
    remembered = recall(catalog, stored)
    folder = Recalled(stored.account, stored.path, remembered.server_path)
    home = Home(folder, remembered.as_server, limits, _Recalling(remembered, stored.path))
    home.is_home, home.has_records = remembered.is_home, remembered.has_records
    home.findings = list(remembered.findings)
    home.installs = dict(_documents(folder, remembered, CURRENT, Witness.INSTALL_RECORD))
    home.backups = dict(_documents(folder, remembered, BACKUPS, Witness.BACKUP_RECORD))
    for name, file in remembered.files.items():
        parent, _, archive = name.rpartition("/")
        if parent not in {CURRENT, BACKUPS} and not isinstance(file.content, Beginning):
            home.add(Archive(archive, folder.below(parent)))
    return home


def _documents(home: Recalled, remembered: Memory, below: str, witness: Witness) -> Iterator[tuple[str, Document]]:
    """Yield the records in a folder of ``home``, by their names."""
    folder = home.below(below)
    for path, file in remembered.files.items():
        parent, _, name = path.rpartition("/")
        if parent == below and is_id(name) and isinstance(file.content, Record):
            yield name, Document(Source(witness, folder.server_child(name)), file.content)


def below(base: str, archive: Archive) -> str:
    """Return the path of an archive below the account's folder ``base``."""
    return os.path.relpath(archive.folder.child(archive.name), base).replace(os.sep, "/")


_BACKUPS_NAMED: Final = """
SELECT account FROM all_backups WHERE until IS NULL AND (id = ? OR backup_filename = ?)
UNION SELECT account FROM all_files WHERE until IS NULL AND kind = 'archive' AND (path = ? OR path LIKE '%/' || ?)
"""
_INSTALLS_NAMED: Final = "SELECT account FROM all_installs WHERE until IS NULL AND id = ?"


def backup_named(catalog: str, name: str, zone: tzinfo | None, user: str | None) -> InCatalog:
    """Return a search in the accounts that have a backup of this id or archive's ``name``.

    In all accounts where a ``user`` is asked for: who that is, any of them may tell.
    """
    wanted = ("", ()) if user else (_BACKUPS_NAMED, (display(name),) * 4)
    return InCatalog(catalog=catalog, zone=zone, wanted=wanted)


def install_named(catalog: str, id_: str, zone: tzinfo | None, user: str | None) -> InCatalog:
    """Return a search in the accounts that have an install of this id. As `backup_named` otherwise."""
    return InCatalog(catalog=catalog, zone=zone, wanted=("", ()) if user else (_INSTALLS_NAMED, (display(id_),)))
