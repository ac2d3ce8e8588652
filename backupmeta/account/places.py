r"""Where homes are: the conventional places, and below a root of any kind.

A root is a home, a folder of homes, a folder of archives, or one archive; any other folder is searched downwards for
these, to a bounded depth. The conventional places are ``/home/<user>``, ``/home<N>/<user>`` (cPanel, DirectAdmin),
``/var/www/vhosts/<domain>`` (Plesk) and ``c:\inetpub\vhosts\<domain>`` (Plesk on Windows); FORMAT.md §1.
"""

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from backupmeta.account.entries import Sieve, refused, unreadable
from backupmeta.account.filename import is_archive_name, resembles_archive
from backupmeta.account.home import ARCHIVES, FROM_DISK, RECORDS, Home, Reading, is_id
from backupmeta.archive.beginning import Beginning
from backupmeta.archive.compression import BLOCK, identify
from backupmeta.archive.limits import Limits
from backupmeta.archive.names import RECORD
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.evidence import Entry, Folder, open_folder, open_named, replaced
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness

_UPWARDS: Final = 3
_RECORD_SIGN: Final = b"installer="
_TEXT: Final = 512  # a tar's first header has zero bytes, a record's first lines have none
_NUMBERED_HOME: Final = re.compile(r"home[0-9]*")
_CONVENTIONAL: Final = re.compile(r"/home[0-9]*/[^/]+|/var/www/vhosts/[^/]+")
"""The homes of this machine, by convention."""


class Root(NamedTuple):
    """Where to look.

    Attributes:
        path: a folder or an archive on this machine.
        as_server: its path as the server saw it, where that is known: below a sysroot, or on the server itself.
        depth: how many folders deep homes are looked for below it; None for the limit.
        is_convention: whether it is a conventional place, which may as well be absent.
        steps: folders to go down from ``path`` first, none of them through a link: it could lead out of a sysroot.
    """

    path: str
    as_server: str | None = None
    depth: int | None = None
    is_convention: bool = False
    steps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The path of the folder that the steps lead to, absolute, on this machine."""
        return os.path.join(os.path.abspath(self.path), *self.steps)  # noqa: PTH100, PTH118 - of any bytes


def apart(roots: Iterable[Root]) -> list[Root]:
    """Return the ``roots``, sorted, each once; one may lie in another."""
    found = {os.path.realpath(root.name): root for root in reversed(list(roots))}
    return [found[real] for real in sorted(found)]


def conventional(sysroot: str | None = None) -> list[Root]:
    r"""Return the conventional places of this machine, or of the image that is mounted at ``sysroot``.

    ``<sysroot>/inetpub/vhosts`` is ``c:\inetpub\vhosts``: a Windows image is mounted by its drive.
    """
    if sysroot is not None:
        unix = [(name,) for name in sorted(_numbered_homes(sysroot))] + [("var", "www", "vhosts")]
        places = [("/", steps) for steps in unix] + [("c:\\", ("inetpub", "vhosts"))]
        return [Root(sysroot, top, depth=1, is_convention=True, steps=steps) for top, steps in places]
    if sys.platform == "win32":
        return [_place(r"c:\inetpub\vhosts")]
    roots = [_place(f"/{name}") for name in sorted(_numbered_homes("/"))] + [_place("/var/www/vhosts")]
    own = Path.home()
    if str(own.parent) not in {root.path for root in roots}:
        roots.append(Root(str(own), str(own), depth=0, is_convention=True))
    return roots


class Found(NamedTuple):
    """Where a home is, or a folder of archives: what another process needs to open it.

    Attributes:
        path: its path on this machine.
        seen: its path as the server saw it, or else ``path``.
        as_server: its path as the server saw it, where that is known.
        identity: its device and inode, where it has to be the same one still; None where nobody knows.
        is_home: whether it is a home, and not just a folder of archives.
    """

    path: str
    seen: str
    as_server: str | None
    identity: tuple[int, int] | None
    is_home: bool

    def open(self) -> Folder:
        """Open it. Raises `UnreadableError`, also where another folder took its place."""
        folder = open_folder(self.path, self.seen)
        if self.identity not in {None, folder.identity}:
            with folder:
                raise replaced(self.path)
        return folder


class Met(NamedTuple):
    """A home, or a folder of archives, that is open, and what lies in it."""

    folder: Folder
    entries: list[Entry]
    as_server: str | None
    is_home: bool

    @property
    def found(self) -> Found:
        """Where it is."""
        return Found(self.folder.path, self.folder.seen, self.as_server, self.folder.identity, self.is_home)

    def home(self, limits: Limits, reading: Reading = FROM_DISK) -> Home:
        """Return it, read; a folder of archives with the records of the home above it, else as a home of its own."""
        if not self.is_home and has_records_above(self.folder.path):
            return _only_here(home_above(self.folder.path, limits, reading), self.folder, self.entries)
        home = Home(self.folder, self.as_server, limits, reading)
        if self.is_home:
            home.read(self.entries)
        else:
            home.add_archives(self.folder, self.entries)
        return home


Begins = Callable[[Folder, str, Limits], Beginning]
"""Tells how the file of this name in a folder begins. Raises `EvidenceError`."""


def found(root: Root, limits: Limits, findings: list[Finding], begins: Begins = FROM_DISK.beginning) -> Iterator[Found]:
    """Yield where the homes at and below the folder ``root`` are, none of them read.

    Where it lies in a home that has records, that is the home. What is known of a file already, ``begins`` need not
    open it for. As `homes` otherwise.
    """
    if os.path.isfile(root.path):  # noqa: PTH113
        raise UnreadableError(root.path, "is a file", "name a home, a folder of homes, or a folder of archives")
    if not root.is_convention and has_records_above(root.name):
        yield _home_at(os.path.dirname(root.name))  # noqa: PTH120 - of any bytes
    elif not root.is_convention or os.path.isdir(root.path):  # noqa: PTH112
        yield from (met.found for met in _Search(limits, findings, begins).at(root))


def _home_at(path: str) -> Found:
    with open_folder(path) as folder:
        return Found(folder.path, folder.seen, None, folder.identity, is_home=True)


def has_records_above(path: str) -> bool:
    """Tell whether the folder at ``path`` lies in a home that has records."""
    return _speaks_for(os.path.dirname(path), path)  # noqa: PTH120


def folder_of_home(path: str) -> str | None:
    """Return the home that the folder at ``path`` is, or lies in, found upwards from it; None without one."""
    above = path
    for _ in range(_UPWARDS):
        if _speaks_for(above, path):
            return above
        above = os.path.dirname(above)  # noqa: PTH120
    return None


def account_name(home: str) -> str | None:
    r"""Return whose home it is, by its path, as the server saw it or on this machine; None where that does not tell.

    >>> account_name("/mnt/image/home2/anna"), account_name("/var/www/vhosts/example.com")
    ('anna', None)
    """
    folder, _, name = home.replace("\\", "/").rstrip("/").rpartition("/")
    return name if _NUMBERED_HOME.fullmatch(folder.rpartition("/")[2]) else None


def _speaks_for(home: str, folder: str) -> bool:
    """Tell whether the folder at ``home``, found upwards from ``folder``, is its home, whose records count.

    It has to be a conventional one, or of the same owner; it is none where every user may write to it: anybody could
    have put the records there.
    """
    records = os.path.join(home, RECORDS)  # noqa: PTH118 - of any bytes
    if not os.path.isdir(records) and not os.path.islink(records):  # noqa: PTH112, PTH114
        return False
    try:
        above, below = os.stat(home), os.stat(folder)  # noqa: PTH116
    except OSError:
        return False  # whoever opens it will tell
    if above.st_mode & stat.S_IWOTH and sys.platform != "win32":
        return False
    return above.st_uid == below.st_uid or _CONVENTIONAL.fullmatch(os.path.realpath(home)) is not None


def homes(roots: Iterable[Root], limits: Limits, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes at and below ``roots``, each open until the next one; append what was odd to ``findings``.

    Raises:
        UnreadableError: a root that is no conventional place can't be read at all.
    """
    for root in roots:
        if os.path.isdir(root.path):  # noqa: PTH112 - a str is enough
            for met in _Search(limits, findings).at(root):
                with met.home(limits) as home:
                    yield home
        elif not root.is_convention:
            open_named(root.path).close()
            with home_of_archive(root.path, limits) as home:
                yield home


def is_record_file(path: str) -> bool:
    """Tell whether the file at ``path`` is a record, by its name or by how it begins. Raises `EvidenceError`."""
    name = os.path.basename(path)  # noqa: PTH119
    if name == RECORD.decode() or is_id(name):
        return True
    with open_named(path) as file:
        block = file.read(BLOCK)
    if identify(block) is not None or b"\0" in block[:_TEXT]:
        return False
    return block.startswith(_RECORD_SIGN) or b"\n" + _RECORD_SIGN in block


def is_evidence(path: str) -> bool:
    """Tell whether there is a file at ``path`` that is an archive or a record, by its name or by how it begins."""
    if is_archive_name(os.path.basename(path)):  # noqa: PTH119
        return True
    try:
        if is_record_file(path):
            return os.path.isfile(path)  # noqa: PTH113
        with open_named(path) as file:
            return identify(file.read(BLOCK)) is not None
    except EvidenceError:
        return False


def home_of_archive(path: str, limits: Limits) -> Home:
    """Return the home that the archive at ``path`` lies in, asking for that archive alone. Raises `UnreadableError`."""
    beside, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - lexically, as it was named
    home = home_above(beside, limits)
    home.take_archive(home.keep(open_folder(beside)), name)
    home.wanted = frozenset({name})
    return home


def home_above(folder: str, limits: Limits, reading: Reading = FROM_DISK) -> Home:
    """Return the home that ``folder`` lies in, found upwards from it, or else ``folder`` itself as an empty one.

    Raises `UnreadableError`.
    """
    above = folder_of_home(folder)
    home = Home(open_folder(folder if above is None else above), None, limits, reading).owning_folder()
    if above is not None:
        home.read(home.folder.entries(limits.folder_entries))
    return home


def _place(path: str) -> Root:
    return Root(path, path, depth=1, is_convention=True)


def _numbered_homes(base: str) -> Iterator[str]:
    try:
        yield from (name for name in os.listdir(base) if _NUMBERED_HOME.fullmatch(name))  # noqa: PTH208
    except OSError:
        yield "home"


class _Search:
    """One search downwards; remembers what was odd."""

    def __init__(self, limits: Limits, findings: list[Finding], begins: Begins = FROM_DISK.beginning) -> None:
        self.limits = limits
        self.findings = findings
        self.begins = begins
        self.is_cut = False

    def at(self, root: Root) -> Iterator[Met]:
        """Yield the homes at and below ``root``, each open until the next one."""
        depth = self.limits.search_depth if root.depth is None else root.depth
        path = os.path.abspath(root.path)  # noqa: PTH100
        try:
            with ExitStack() as opened:
                folder = self._go_down(opened.enter_context(open_folder(path, root.as_server)), root.steps, opened)
                if folder is not None:
                    yield from self._visit(folder, self._entries(folder), depth, root)
        except EvidenceError as error:
            if not root.is_convention:
                raise
            self.findings.append(Finding("place-unreadable", error.path, error.reason))
        if self.is_cut and not root.is_convention:
            evidence = (Source(Witness.FILE_SYSTEM, path),)
            self.findings.append(Finding("search-depth-reached", path, f"{depth} folders", evidence))

    def _entries(self, folder: Folder) -> list[Entry]:
        return folder.entries(self.limits.folder_entries)

    def _go_down(self, folder: Folder, steps: tuple[str, ...], opened: ExitStack) -> Folder | None:
        """Return the folder that the ``steps`` lead to, or None where one is missing or a link."""
        for step in steps:
            entry = next((one for one in self._entries(folder) if one.name == step), None)
            if entry is None or not entry.is_folder:
                self.findings.extend(refused(folder, entry) if entry else ())
                return None
            folder = opened.enter_context(folder.open_folder(step))
        return folder

    def _visit(self, folder: Folder, entries: list[Entry], depth: int, root: Root) -> Iterator[Met]:
        as_server = folder.seen if root.as_server is not None else None
        if any(entry.name in {RECORDS, ARCHIVES} for entry in entries):
            yield Met(folder, entries, as_server, is_home=True)
            return
        if has_archives := self._has_archives(folder, entries, root):
            yield Met(folder, entries, as_server, is_home=False)
        self.findings.extend(
            Findings.of(
                finding
                for entry in entries
                if entry.is_link and not (has_archives and _is_like_archive(entry.name))  # of those the home will tell
                for finding in refused(folder, entry)
            )
        )
        yield from self._descend(folder, [entry.name for entry in entries if entry.is_folder], depth, root)

    def _has_archives(self, folder: Folder, entries: list[Entry], root: Root) -> bool:
        """Tell whether archives lie in a folder (FORMAT.md §8, "Which files are archives").

        Where no name says so, files are opened up to the first archive: those that look like one by their names, and
        in a folder that a person named as the root those whose names tell nothing.
        """
        if any(is_archive_name(entry.name) for entry in entries):
            return True
        is_named = not root.is_convention and folder.path == root.name
        sieve = Sieve(folder, lambda name: self.begins(folder, name, self.limits))
        if any(
            sieve.is_archive(entry)
            for entry in entries
            if entry.is_file and (is_named or resembles_archive(entry.name))
        ):
            return True
        self.findings += sieve.finish()
        return False

    def _descend(self, folder: Folder, names: list[str], depth: int, root: Root) -> Iterator[Met]:
        if names and not depth:
            self.is_cut = True
            return
        for name in names:
            try:
                with folder.open_folder(name) as child:
                    yield from self._visit(child, self._entries(child), depth - 1, root)
            except EvidenceError as error:
                self.findings.append(unreadable(folder.seen_child(name), error))


def _is_like_archive(name: str) -> bool:
    """Tell whether a file of this ``name`` is an archive by it, or was one once."""
    return is_archive_name(name) or resembles_archive(name)


def _only_here(home: Home, folder: Folder, entries: list[Entry]) -> Home:
    """Ask ``home`` for the archives in ``folder`` alone; they come before others of their names."""
    others, home.archives = home.archives, {}
    home.add_archives(folder, entries)
    home.wanted = frozenset(home.archives)
    home.archives = {**others, **home.archives}
    home.findings = list(dict.fromkeys(home.findings))  # it may have met this folder before
    return home
