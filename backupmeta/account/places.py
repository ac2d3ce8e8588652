"""Where homes are: the conventional places, and below a root of any kind.

A root is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched downwards for
these, to a bounded depth.
"""

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.account.filename import (
    Likeness,
    archives_among,
    is_archive_name,
    likeness,
    refused,
    resembles_archive,
    unreadable,
)
from backupmeta.account.home import Archive, Home, HomeReading, beginning_in, folder_name, is_id
from backupmeta.account.layout import ALONE, ARCHIVES, BACKUPS, RECORDS, Counting, Extent, account_name, listed
from backupmeta.account.roots import Root, named
from backupmeta.archive.compression import BLOCK, identify
from backupmeta.archive.identification import Beginning
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import RECORD
from backupmeta.errors import EvidenceError, UnreadableError, told_of
from backupmeta.evidence import (
    Entry,
    Folder,
    is_file,
    is_folder,
    open_folder,
    open_named,
    status_of,
)
from backupmeta.findings import Finding, Findings
from backupmeta.folders import trusted_users, upwards, user_name
from backupmeta.provenance import on_disk

_UPWARDS: Final = 3
_BESIDE: Final = (1,)
"""How many folders above a folder of archives its home lies: it is the one that its folder lies in."""

_RECORD_SIGN: Final = b"installer="
_TEXT: Final = 512  # a tar's first header has zero bytes, a record's first lines have none
_LIKE_ARCHIVES: Final = frozenset({Likeness.ARCHIVE, Likeness.RESEMBLING})
_CONVENTIONAL: Final = re.compile(r"/home[0-9]*/[^/]+|/var/www/vhosts/[^/]+")
"""The homes of this machine, by convention."""


class FoundHome(NamedTuple):
    """Where a home is, or a folder of archives: what another process needs to open it.

    Attributes:
        path: its path on this machine.
        server_path: its path as the server saw it, or else ``path``.
        as_server: its path as the server saw it, where that is known.
        identity: its device and inode, where it has to be the same one still; None where nobody knows.
        is_home: whether it is a home, and not just a folder of archives.
        server: the path on this machine of the server's root, where that is known.
    """

    path: str
    server_path: str
    as_server: str | None
    identity: tuple[int, int] | None
    is_home: bool
    server: str | None = None

    def open(self) -> Folder:
        """Open it. Raises `UnreadableError`, also where another folder took its place."""
        return open_folder(self.path, self.server_path, self.server, self.identity)


class OpenedHome(NamedTuple):
    """A home, or a folder of archives, that is open, and what lies in it."""

    folder: Folder
    entries: list[Entry]
    as_server: str | None
    is_home: bool

    @property
    def place(self) -> FoundHome:
        """Where it is. Raises `UnreadableError`."""
        folder = self.folder
        return FoundHome(folder.path, folder.server_path, self.as_server, folder.identity, self.is_home, folder.server)

    def size(self, limits: Limits) -> int:
        """Return how many backups it has, about: how many records or archives lie in it. Nothing is read."""
        extents = (Extent(BACKUPS, Counting.FILES), Extent(ARCHIVES, Counting.FILES)) if self.is_home else ALONE
        return max(map(len, listed(self.folder, extents, limits=limits).folders.values()))

    def home(self, limits: Limits, reading: HomeReading | None = None) -> Home:
        """Return it, read; a folder of archives with the records of the home above it, else as a home of its own.

        Raises `UnreadableError`.
        """
        home = Home(self.folder, self.as_server, limits, reading)
        if self.is_home:
            home.read(self.entries)
            return home
        above, why_not = _above(self.folder.path, _BESIDE)
        if above is not None:
            home = home_above(self.folder.path, limits, self.folder.server, reading)
            return _only_here(home, self.folder, self.entries)
        home.add_archives(self.folder, self.entries)
        home.findings += why_not
        return home


Begins = Callable[[Folder, str, Limits], Beginning]
"""Tells how the file of this name in a folder begins. Raises `EvidenceError`."""


def find_homes(
    root: Root, limits: Limits, findings: list[Finding], begins: Begins = beginning_in
) -> Iterator[FoundHome]:
    """Yield where the homes at and below the folder ``root`` are, none of them read.

    Where it lies in a home that has records, that is the home. What is known of a file already, ``begins`` need not
    open it for. What can't be read of an account is appended to ``findings``. Raises `UnreadableError` for the root.
    """
    if not root.is_convention and is_file(root.name):
        raise UnreadableError(root.name, "is a file", "name a home, a folder of homes, or a folder of archives")
    if not root.is_convention and has_records_above(root.name):
        above = named(os.path.dirname(root.name), root.server)
        with above.open() as folder:
            yield OpenedHome(folder, [], above.on_server, is_home=True).place
        return
    for opened in _HomeSearch(limits, findings, begins).at(root):
        try:
            place = opened.place
        except EvidenceError as error:
            findings.append(unreadable(opened.folder.server_path, error))
        else:
            yield place


def has_records_above(path: str) -> bool:
    """Return whether the folder at ``path`` lies in a home that has records."""
    return _above(path, _BESIDE)[0] is not None


def folder_of_home(path: str) -> str | None:
    """Return the home that the folder at ``path`` is, or lies in, found upwards from it; None without one."""
    return _above(path, range(_UPWARDS))[0]


def _above(folder: str, heights: Iterable[int]) -> tuple[str | None, list[Finding]]:
    """Return the home found upwards from ``folder``, so many folders above it; and which were passed over, and why.

    Raises `UnreadableError` where the system does not tell whether there are records.
    """
    passed_over = list[Finding]()
    for height in heights:
        home = os.path.normpath(os.path.join(folder, *[os.pardir] * height))
        records = os.path.join(home, RECORDS)
        if is_folder(records) or os.path.islink(records):
            if (why_not := _distrusted(home, folder)) is None:
                return home, passed_over
            passed_over.append(Finding(rules.HOME_PASSED_OVER, home, why_not, on_disk(records)))
    return None, passed_over


def _distrusted(home: str, folder: str) -> str | None:
    """Return why the records in ``home``, found upwards from ``folder``, do not count; None where they do.

    It has to be a conventional home, or of the same owner; and none where every user may write to it: anybody could
    have put the records there. Raises `UnreadableError` where the system does not tell whose it is.
    """
    above, below = status_of(home), status_of(folder)
    if above is None or below is None:
        return "it is not there any more"
    if above.st_mode & stat.S_IWOTH and sys.platform != "win32":
        return "every user may write to it"
    if above.st_uid == below.st_uid or _CONVENTIONAL.fullmatch(os.path.realpath(home)) is not None:
        return None
    return f"it belongs to {user_name(above.st_uid)}, and {folder} to {user_name(below.st_uid)}"


def account_of(folder: Folder | FoundHome) -> str:
    """Return the name of the account that has a ``folder``, which is a home or is taken for one, by its path.

    That is its own name; but where it lies in the conventional home of another user, that one's: any account can make
    folders with the names of others. Where a home is the caller's own, evidence may lie in it.
    """
    for above in upwards(os.path.dirname(folder.path)):
        if (name := account_name(above)) is not None and not _is_own(above):
            return name
    return folder_name(folder.server_path)


def _is_own(folder: str) -> bool:
    status = status_of(folder)
    return status is not None and status.st_uid in trusted_users()


def belongs(home: Home, user: str) -> bool | None:
    """Return whether a ``home`` is the one of this ``user``, by its path; None where that does not tell whose it is."""
    if (name := account_of(home.folder)) == user:
        return True
    return False if name != home.name or account_name(home.folder.server_path) is not None else None


def names(roots: Iterable[Root], limits: Limits) -> Iterator[str]:
    """Yield the names of the homes at and below ``roots``, none of them read; as `Home.name`."""
    for root in roots:
        if root.is_convention or os.path.isdir(root.name):
            yield from map(account_of, find_homes(root, limits, []))
        else:
            beside = os.path.dirname(root.name)
            yield folder_name(folder_of_home(beside) or beside)


def homes(roots: Iterable[Root], limits: Limits, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes at and below ``roots``, as `unread` does, each of them read."""
    yield from read(unread(roots, limits, findings), limits, findings)


def unread(roots: Iterable[Root], limits: Limits, findings: list[Finding]) -> Iterator[OpenedHome | Home]:
    """Yield the homes at and below ``roots``, each open until the next one; append what was odd to ``findings``.

    That is, too, why one of several roots can't be read. Only that of a single archive is read already.

    Raises:
        UnreadableError: the only root can't be read, and is no conventional place.
    """
    named = list(roots)
    for root in named:
        try:
            yield from _unread_at(root, limits, findings)
        except EvidenceError as error:
            if len(named) == 1:
                raise
            findings.append(Finding(rules.FOLDER_UNREADABLE, root.name, error.particulars, on_disk(root.name)))


def _unread_at(root: Root, limits: Limits, findings: list[Finding]) -> Iterator[OpenedHome | Home]:
    """Yield the homes at and below one root. Raises `UnreadableError` for the root alone."""
    if root.is_convention or is_folder(root.name):
        yield from _HomeSearch(limits, findings).at(root)
        return
    open_named(root.name).close()
    with home_of_archive(root.name, limits, root.server) as home:
        yield home


def read(opened: Iterable[OpenedHome | Home], limits: Limits, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes that were ``opened``, read; append to ``findings`` which can't be."""
    for each in opened:
        if isinstance(each, Home):
            yield each
            continue
        with ExitStack() as kept:
            try:
                with told_of(each.folder.path):
                    home = kept.enter_context(each.home(limits))
            except EvidenceError as error:
                findings.append(unreadable(each.folder.server_path, error))
            else:
                yield home


def is_record_file(path: str) -> bool:
    """Return whether the file at ``path`` is a record, by its name or by how it begins. Raises `EvidenceError`."""
    name = os.path.basename(path)
    if name == RECORD.decode() or is_id(name):
        return True
    with open_named(path) as file:
        block = file.read(BLOCK)
    if identify(block) is not None or b"\0" in block[:_TEXT]:
        return False
    return block.startswith(_RECORD_SIGN) or b"\n" + _RECORD_SIGN in block


def is_evidence(path: str) -> bool:
    """Return whether there is a file at ``path`` that is an archive or a record, by its name or by how it begins."""
    if is_archive_name(os.path.basename(path)):
        return True
    try:
        if is_record_file(path):
            return os.path.isfile(path)
        with open_named(path) as file:
            return identify(file.read(BLOCK)) is not None
    except EvidenceError:
        return False


def home_of_archive(path: str, limits: Limits, sysroot: str | None = None) -> Home:
    """Return the home that the archive at ``path`` lies in, asking for that archive alone. Raises `UnreadableError`."""
    beside, name = os.path.split(os.path.abspath(path))
    home = home_above(beside, limits, sysroot)
    archive = Archive(name, home.keep(named(beside, sysroot).open()), is_named=True)
    home.prefer(archive)
    home.wanted = frozenset({archive})
    return home


def home_above(folder: str, limits: Limits, sysroot: str | None = None, reading: HomeReading | None = None) -> Home:
    """Return the home that ``folder`` lies in, found upwards from it, or else ``folder`` itself as an empty one.

    It may lie in an image that is mounted at ``sysroot``. Raises `UnreadableError`.
    """
    above, passed_over = _above(folder, range(_UPWARDS))
    root = named(folder if above is None else above, sysroot)
    home = Home(root.open(), root.on_server, limits, reading)
    home.keep(home.folder)
    if above is not None:
        home.read(home.folder.entries(limits.folder_entries))
    home.findings += passed_over
    return home


class _HomeSearch:
    """One search downwards; remembers what was odd."""

    def __init__(self, limits: Limits, findings: list[Finding], begins: Begins = beginning_in) -> None:
        self.limits = limits
        self.findings = findings
        self.begins = begins
        self.is_cut = False

    def at(self, root: Root) -> Iterator[OpenedHome]:
        """Yield the homes at and below ``root``, each open until the next one."""
        depth = self.limits.search_depth if root.depth is None else root.depth
        try:
            if not root.steps and not root.was_there and not is_folder(root.name):
                return
            with ExitStack() as opened:
                top = opened.enter_context(root.top())
                folder = self._go_down(top, root, opened)
                if folder is not None:
                    yield from self._visit(folder, self._entries(folder), depth, root)
                    self._see_that_it_is_there(folder, root)
        except EvidenceError as error:
            if not root.is_convention:
                raise
            self._note(root, error)
        if self.is_cut and not root.is_convention:
            self.findings.append(Finding(rules.SEARCH_DEPTH_REACHED, root.name, f"{depth} folders", on_disk(root.name)))

    def _entries(self, folder: Folder) -> list[Entry]:
        return folder.entries(self.limits.folder_entries)

    def _see_that_it_is_there(self, folder: Folder, root: Root) -> None:
        """Note that the root vanished while it was read: what was read of it may not be all."""
        try:
            folder.require_there()
        except EvidenceError as error:
            self._note(root, error)

    def _note(self, root: Root, error: EvidenceError) -> None:
        """Note why a root can't be read, or not to its end."""
        rule = rules.PLACE_UNREADABLE if root.is_convention else rules.FOLDER_UNREADABLE
        self.findings.append(Finding(rule, error.path, error.reason, on_disk(root.seen_at)))

    def _go_down(self, folder: Folder, root: Root, opened: ExitStack) -> Folder | None:
        """Return the folder that the steps lead to; None where there is none.

        Raises `UnreadableError` for a link, and where one was there.
        """
        for step in root.steps:
            entry = next((entry for entry in self._entries(folder) if entry.name == step), None)
            if entry is not None and entry.is_link:
                reason = f"is a link to {folder.link_target(step)}, where there is no folder in this image"
                raise UnreadableError(folder.child(step), reason)
            if entry is None and root.was_there:
                raise UnreadableError(folder.child(step), "is gone, and was there a moment ago")
            if entry is None or not entry.is_folder:
                self.findings.extend(refused(folder, entry) if entry else ())
                return None
            folder = opened.enter_context(folder.open_folder(step))
        folder.server_path = folder.server_path if root.server_path is None else root.server_path
        return folder

    def _visit(self, folder: Folder, entries: list[Entry], depth: int, root: Root) -> Iterator[OpenedHome]:
        as_server = folder.server_path if root.as_server is not None else None
        if any(entry.name in {RECORDS, ARCHIVES} for entry in entries):
            yield OpenedHome(folder, entries, as_server, is_home=True)
            return
        if has_archives := self._has_archives(folder, entries, root):
            yield OpenedHome(folder, entries, as_server, is_home=False)
        met_by_home = _LIKE_ARCHIVES if has_archives else frozenset[Likeness]()
        links = (entry for entry in entries if entry.is_link and likeness(entry.name) not in met_by_home)
        self.findings.extend(Findings.of(finding for link in links for finding in refused(folder, link)))
        yield from self._descend(folder, [entry.name for entry in entries if entry.is_folder], depth, root)

    def _has_archives(self, folder: Folder, entries: list[Entry], root: Root) -> bool:
        """Return whether archives lie in a folder (FORMAT.md §8, "Which files are archives").

        Where no name says so, files are opened up to the first archive: those that look like one by their names, and
        in a folder that a person named as the root those whose names tell nothing.
        """
        if any(is_archive_name(entry.name) for entry in entries):
            return True
        is_named = not root.is_convention and folder.path == root.name
        files = (entry for entry in entries if entry.is_file and (is_named or resembles_archive(entry.name)))
        archives = archives_among(folder, files, lambda name: self.begins(folder, name, self.limits), self.findings)
        return any(archives)

    def _descend(self, folder: Folder, names: list[str], depth: int, root: Root) -> Iterator[OpenedHome]:
        if names and not depth:
            self.is_cut = True
            return
        for name in names:
            try:
                with folder.open_folder(name) as child:
                    yield from self._visit(child, self._entries(child), depth - 1, root)
            except EvidenceError as error:
                self.findings.append(unreadable(folder.server_child(name), error))


def _only_here(home: Home, folder: Folder, entries: list[Entry]) -> Home:
    """Ask ``home`` for the archives in ``folder`` alone; they come before others of their names."""
    archives = home.add_archives(folder, entries)
    for archive in archives:
        home.prefer(archive)
    home.wanted = frozenset(archives)
    home.findings = list(dict.fromkeys(home.findings))  # it may have met this folder before
    return home
