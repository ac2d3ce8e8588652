"""Answering from a catalog: its accounts stand in for those on disk, and nothing else has to know."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple

from backupmeta.account.home import Archive, Home, is_id
from backupmeta.account.listing import BACKUPS, CURRENT
from backupmeta.account.location import is_outside, steps_from_server
from backupmeta.archive.beginning import Beginning
from backupmeta.archive.head import Head
from backupmeta.archive.limits import Limits
from backupmeta.catalog import memory, store, whole
from backupmeta.catalog.memory import Memory
from backupmeta.errors import CatalogError, EvidenceError, NotRegularError
from backupmeta.evidence import Folder
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display, place_in
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
        with store.opened_to_read(self.catalog) as connection:
            yield from (name for (name,) in connection.execute(_NAMES))

    def _recalled(self, findings: list[Finding]) -> Iterator[Home]:
        select, arguments = self.wanted
        some = f"AND account IN ({select})" if select else ""
        with whole.opened(self.catalog, findings) as connection:
            findings += (
                Finding(id_, subject, detail, tuple(map(place_in, json.loads(evidence))))
                for id_, subject, detail, evidence in connection.execute(_ON_THE_WAY)
            )
            for account, path, path_bytes, content in connection.execute(_MEMORIES.format(some), arguments):
                where = Recalled(account, store.exact(path, path_bytes))
                yield recalled(self.catalog, where, content, self.limits)


_ON_THE_WAY: Final = """
SELECT id, subject, detail, evidence FROM all_findings
WHERE until IS NULL AND backup IS NULL AND install IS NULL AND (account IS NULL OR id = 'folder-unreadable')
ORDER BY finding
"""
_NAMES: Final = "SELECT name FROM accounts WHERE status <> 'vanished'"
_MEMORIES: Final = """
SELECT account, path, path_bytes, content FROM accounts JOIN memories USING (account) WHERE status <> 'vanished' {}
ORDER BY path, host
"""


class _Recalling:
    """Reads what lies in a home from what is remembered of it; see `backupmeta.account.home.Reading`."""

    copies = 1

    def __init__(self, remembered: Memory, base: str) -> None:
        self._remembered = remembered
        self._base = base

    def record(self, folder: Folder, name: str, limits: Limits) -> Record:  # noqa: ARG002 - as the protocol has it
        raise NotRegularError(folder.child(name), "is in a catalog")

    def head(self, archive: Archive, limits: Limits) -> Head:  # noqa: ARG002 - as the protocol has it
        """Return what is remembered of an archive's head, or raise what is remembered."""
        found = self._remembered.files[below(self._base, archive)].found
        if isinstance(found, EvidenceError):
            raise found
        if not isinstance(found, Head):
            raise NotRegularError(archive.seen, "is no archive")
        return found

    def beginning(self, folder: Folder, name: str, limits: Limits) -> Beginning:  # noqa: ARG002 - as the protocol has it
        raise NotRegularError(folder.child(name), "is in a catalog")


class Recalled(Folder):
    """A folder as a catalog has it: of the account of this number; what lies in it can't be opened."""

    def __init__(self, account: int, path: str, seen: str | None = None) -> None:
        """Recall the folder at ``path``, which the server saw at ``seen``."""
        super().__init__(path, path if seen is None else seen, _CLOSED)
        self.account = account

    @property
    def identity(self) -> tuple[int, int]:
        """The number of its account: there is no device and no inode."""
        return self.account, _CLOSED

    def below(self, path: str) -> "Recalled":
        """Return the folder at ``path`` from it on."""
        folder = self
        if is_outside(path):
            seen = "/" + "/".join(steps_from_server(self.seen, path))
            return Recalled(self.account, os.path.normpath(self.child(path)), seen)
        for step in path.split("/") if path else ():
            folder = Recalled(self.account, folder.child(step), folder.seen_child(step))
        return folder


def recalled(catalog: str, where: Recalled, content: bytes, limits: Limits) -> Home:
    """Return the home ``where`` it was, as the ``content`` of its memory has it.

    Raises `CatalogError` where that is no memory.
    """
    path = where.path
    remembered = memory.recall(catalog, path, content)
    folder = Recalled(where.account, path, remembered.seen)
    home = Home(folder, remembered.as_server, limits, _Recalling(remembered, path))
    home.is_home, home.has_records = remembered.is_home, remembered.has_records
    home.findings = list(remembered.findings)
    home.installs = dict(_documents(folder, remembered, CURRENT, Witness.INSTALL_RECORD))
    home.backups = dict(_documents(folder, remembered, BACKUPS, Witness.BACKUP_RECORD))
    for name, one in remembered.files.items():
        place, _, archive = name.rpartition("/")
        if place not in {CURRENT, BACKUPS} and not isinstance(one.found, Beginning):
            home.add(Archive(archive, folder.below(place)))
    return home


def _documents(home: Recalled, remembered: Memory, below: str, witness: Witness) -> Iterator[tuple[str, Document]]:
    """Yield the records in a folder of ``home``, by their names."""
    folder = home.below(below)
    for path, one in remembered.files.items():
        parent, _, name = path.rpartition("/")
        if parent == below and is_id(name) and isinstance(one.found, Record):
            yield name, Document(Source(witness, folder.seen_child(name)), one.found)


def below(base: str, archive: Archive) -> str:
    """Return the path of an archive below the account's folder ``base``."""
    return os.path.relpath(archive.folder.child(archive.name), base).replace(os.sep, "/")


class Age(NamedTuple):
    """How old a catalog is.

    Attributes:
        oldest: when the scan began that looked last at the account not looked at for longest, Unix seconds.
        newest: when the last scan began.
        is_whole: whether that came to its end.
    """

    oldest: int
    newest: int
    is_whole: bool


def age(catalog: str) -> Age:
    """Return how old ``catalog`` is. Raises `CatalogError`, also where nothing was scanned into it."""
    altered: list[Finding] = []
    with whole.opened_own(catalog, altered) as connection:
        found = connection.execute("SELECT began, ended FROM scans ORDER BY scan DESC LIMIT 1").fetchone()
        oldest = connection.execute(_OLDEST).fetchone()[0]
    if found is None and altered:
        raise whole.refusal(catalog, altered)
    if found is None:
        raise CatalogError(catalog, "has nothing in it", "scan into it first: 'backupmeta scan ROOT -o CATALOG'")
    return Age(int(found[0] if oldest is None else oldest), int(found[0]), found[1] is not None)


_OLDEST: Final = """
SELECT min(began) FROM scans WHERE scan = (SELECT min(last_scan) FROM accounts WHERE status <> 'vanished')
"""


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
