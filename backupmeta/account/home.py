"""A home on disk: its records and its archives, paired (FORMAT.md §1).

As the server leaves it::

    .appdata/current/<install id>        install records
    .appdata/backups/<backup id>         backup records
    application_backups/app_*.tar.gz     archives, flat; the folder's name can be changed

A backup record and an archive belong together when the record's ``backup-filename`` is the archive's name, or, for a
renamed archive, when their records name the same file. Of several archives of a name that is the one in the folder that
the record's ``backup-location`` names. Which files are archives is told by their names, and where these tell nothing by
how the files begin (FORMAT.md §8).
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple, Self

from backupmeta import rules
from backupmeta.account.filename import archives_among, parse, refused, unix_time, unreadable
from backupmeta.account.layout import (
    ARCHIVES,
    CURRENT,
    LOCAL,
    PLACEHOLDER,
    RECORDS,
    Counting,
    Extent,
    Locations,
    contradictions,
    server_path,
)
from backupmeta.archive.head import Head, head
from backupmeta.archive.identification import Beginning, beginning
from backupmeta.archive.limits import Allowance, Limits, OverAllowanceError
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Entry, EvidenceFile, Folder, Place, open_named
from backupmeta.findings import Finding, Findings
from backupmeta.provenance import Source, Witness, on_disk, shown_name
from backupmeta.record.grammar import Document, Record, check, document, memory_of

_MANY_FINDINGS: Final = 1000
"""From how many findings on those of a home are gathered: the first of each id, the others counted."""

_ID: Final = re.compile(r"[0-9a-z]{20,40}")
_FOR_BACKUPS: Final = re.compile("backup|archive", re.IGNORECASE)
"""What a folder is called that may well hold archives beside those in the home's own folder."""


def is_id(name: str) -> bool:
    """Return whether ``name`` has the form of an install's or a backup's id (FORMAT.md §1)."""
    return _ID.fullmatch(name) is not None


def folder_name(path: str) -> str:
    """Return the last part of a folder's ``path``, as the server saw it or on this machine."""
    return _slashed(path).rstrip("/").rpartition("/")[2]


def _slashed(path: str) -> str:
    """Return a path of any server, its parts separated by slashes."""
    return path.replace("\\", "/")


class State(StrEnum):
    """What there is of a backup."""

    PAIRED = "paired"
    """Its record and its archive."""
    MISSING = "missing"
    """Its record; the archive is not where it belongs."""
    REMOTE = "remote"
    """Its record; the archive is kept at a remote location."""
    UNCLAIMED = "unclaimed"
    """Its archive; no record names it."""


def orphaned(path: str, install: str, live: Container[str] | None) -> Iterator[Finding]:
    """Yield that the ``install`` of the backup at ``path`` is gone, if it is: none of the `Home.live` ones.

    ``path`` is the archive's, or without one the record's, as the server saw it; of a backup whose install nothing
    tells, nobody knows.
    """
    if live is not None and install and install not in live:
        evidence = (Source(Witness.FILE_SYSTEM, path),)
        yield Finding(rules.BACKUP_ORPHANED, shown_name(path), f"install {install}", evidence)


class Archive(NamedTuple):
    """An archive's file: its name, and the open folder that it lies in.

    Attributes:
        name: its name.
        folder: the open folder.
        is_named: whether a person named it, and so means it even if it is a link.
    """

    name: str
    folder: Folder
    is_named: bool = False

    @property
    def server_path(self) -> str:
        """Its path as the server saw it."""
        return self.folder.server_child(self.name)

    @property
    def place(self) -> Place:
        """Where it lies, to be opened by another process."""
        return Place(self.folder.path, self.folder.identity, self.name, self.is_named)

    def open(self) -> EvidenceFile:
        """Open it. Raises `NotRegularError`, `UnreadableError`."""
        return open_named(self.folder.child(self.name)) if self.is_named else self.folder.open_file(self.name)


class Pair(NamedTuple):
    """A backup: its record and its archive; one of them may be missing."""

    id: str | None
    record: Document | None
    archive: Archive | None
    state: State
    findings: tuple[Finding, ...] = ()

    @property
    def server_path(self) -> str:
        """The path of its archive, or else of its record, as the server saw it; empty where it has neither."""
        if self.archive is not None:
            return self.archive.server_path
        return self.record.source.path if self.record is not None else ""

    @property
    def order(self) -> tuple[int, str, str]:
        """What backups of a home are sorted by: time, then id, then the archive's name."""
        time = (self.record and self.record.opened("backup-time")) or ""
        name = self.archive.name if self.archive else ""
        if time.isdecimal() and time.isascii():
            return (int(time[:20]), self.id or "", name)
        parsed = parse(name)
        return (unix_time(parsed, UTC) if parsed else 0, self.id or "", name)


def by_archive(pairs: Iterable[Pair]) -> dict[Archive, list[Pair]]:
    """Return ``pairs`` by their archives, in their order; several records may name one."""
    by_archive = dict[Archive, list[Pair]]()
    for pair in pairs:
        if pair.archive is not None:
            by_archive.setdefault(pair.archive, []).append(pair)
    return by_archive


class HomeReading:
    """Reads what lies in a home from the disk; a reading of another kind reads from what is remembered of it.

    Attributes:
        copies: how many copies of a record are kept, one of them by the home.
    """

    copies: int = 1
    _last: Record = Record(b"")

    def record(self, folder: Folder, name: str, limits: Limits, /) -> Record:
        """Return the record ``name`` of ``folder``. Raises `EvidenceError`."""
        with folder.open_file(name) as file:
            return self._parsed(file.path, file.read_whole("record_bytes", limits.record_bytes), limits)

    def _parsed(self, path: str, content: bytes, limits: Limits) -> Record:
        """Return the record in ``content``, the file at ``path``: mostly it hardly differs from the one before it."""
        check(path, content, limits)
        self._last = self._last.like(content) or Record(content)
        return self._last

    def head(self, archive: Archive, limits: Limits, /) -> Head:
        """Return the head of an archive. Raises `EvidenceError`, as `backupmeta.archive.head.head`."""
        with archive.open() as file:
            return head(file, limits, archive.server_path)

    def beginning(self, folder: Folder, name: str, limits: Limits, /) -> Beginning:
        """Return how the file ``name`` of ``folder`` begins. Raises `EvidenceError`."""
        return beginning_in(folder, name, limits)

    def of_whole(self, _pair: "Pair", /) -> tuple[Finding, ...]:
        """Return what reading all of a backup's archive has told; nothing where nobody has read it."""
        return ()


def beginning_in(folder: Folder, name: str, limits: Limits) -> Beginning:
    """Return how the file ``name`` of ``folder`` begins. Raises `EvidenceError`."""
    with folder.open_file(name) as file:
        return beginning(file, limits)


class Surroundings(NamedTuple):
    """What a home tells of each of its backups.

    Attributes:
        server_path: the home, as the server saw it where that is known; None where it has no records.
        as_server: its path as the server saw it, where that is known.
        installs: the records of its live installs, by id.
        counts: how many backup records each install has, by its id.
    """

    server_path: str | None
    as_server: str | None
    installs: Mapping[str, Document]
    counts: Mapping[str | None, int]

    def backups_of(self, install: str) -> int | None:
        """Return how many backup records name the install of this id; None where there are no records."""
        return None if self.server_path is None else self.counts.get(install, 0)


class Home:
    """A home, or a folder of archives that belongs to none: opened, listed, its records read.

    Its folders stay open until the end of the ``with``, so that its archives can be opened.

    Attributes:
        folder: the home.
        as_server: its path as the server saw it, where that is known.
        installs: the install records, by install id.
        backups: the backup records, by backup id.
        archives: the archives, by name, those of one name by their folders' paths; the first of them is taken where no
            record tells.
        wanted: the archives that were asked for, where not all of the home's are.
        findings: what was odd so far.
        is_home: whether it is a home, and not just a folder of archives.
        has_records: whether there is an ``.appdata``: a home, and not just a folder of archives.
        elsewhere: its other folders that were looked into, for archives that are missing.
    """

    def __init__(
        self, folder: Folder, as_server: str | None, limits: Limits, reading: HomeReading | None = None
    ) -> None:
        """Read the home in ``folder``, whose descriptor it keeps; use it as a context manager."""
        self.folder = folder
        self.as_server = as_server
        self.limits = limits
        self.installs: dict[str, Document] = {}
        self.backups: dict[str, Document] = {}
        self.archives: dict[str, dict[str, Archive]] = {}
        self.wanted: frozenset[Archive] | None = None
        self.findings: list[Finding] = []
        self.is_home: bool = False
        self.has_records: bool = False
        self.elsewhere: list[Extent] = []
        self._allowance = Allowance(limits)
        self._is_over = False
        self._heads: dict[Archive, Head | EvidenceError] = {}
        self._taken = Counter[Archive]()
        self._reading = reading or HomeReading()
        self._open = ExitStack()
        self._locations: Locations | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @property
    def name(self) -> str:
        """The name of its folder: the account's name, where homes are named so."""
        return folder_name(self.folder.server_path)

    @property
    def users(self) -> set[str]:
        """The users that it speaks of: its folder's name and the owners in its records."""
        owners = {record.opened("owner") for record in (*self.installs.values(), *self.backups.values())}
        return {self.name, *(owner for owner in owners if owner)}

    @cached_property
    def live(self) -> frozenset[str] | None:
        """The ids of its install records, also of those that could not be read.

        None where they don't tell what is gone: without an ``.appdata``, where not all of them could be listed, and
        where archives were asked for.
        """
        current = _slashed(self.folder.server_child(CURRENT))
        odd = {_slashed(source.path): finding.rule for finding in self.findings for source in finding.evidence}
        unread = {path.rpartition("/")[2]: rule for path, rule in odd.items() if path.rpartition("/")[0] == current}
        is_known = self.has_records and current not in odd and rules.LIMIT_EXCEEDED not in unread.values()
        return frozenset(self.installs.keys() | unread) if is_known and self.wanted is None else None

    def file_at(self, server_path: str) -> str:
        """Return the path on this machine of a record of its own, which the server saw at ``server_path``."""
        inside = server_path.removeprefix(self.folder.server_path)
        return self.folder.path + inside.replace("\\", "/") if inside[:1] == "\\" else self.folder.path + inside

    def read(self, entries: list[Entry]) -> None:
        """Read the home's records and list its archives; ``entries`` are its folder's."""
        self.is_home = True
        if self.as_server is not None:
            self._locations = Locations(self.folder, self._open)
        records, inside = self._subfolder(self.folder, RECORDS, entries)
        if records is not None:
            self.has_records = True
            self.installs = self._records(records, "current", inside, Witness.INSTALL_RECORD)
            self.backups = self._records(records, "backups", inside, Witness.BACKUP_RECORD)
        archives, inside = self._subfolder(self.folder, ARCHIVES, entries)
        if archives is not None:
            self.add_archives(archives, inside)
        is_missing = not self.archives or not self._named_locally() <= self.archives.keys()
        self._look_elsewhere([entry for entry in entries if is_missing or _FOR_BACKUPS.search(entry.name)])
        self.findings += contradictions(self.folder.server_path, self.installs, self.backups)
        if len(self.findings) > _MANY_FINDINGS:
            self.findings[:] = Findings.of(self.findings)

    def add(self, archive: Archive) -> Archive:
        """Take an archive; return it as it is known."""
        return self.archives.setdefault(archive.name, {}).setdefault(archive.folder.path, archive)

    def prefer(self, archive: Archive) -> None:
        """Take an archive before any other of its name."""
        others, place = self.archives.get(archive.name, {}), archive.folder.path
        self.archives[archive.name] = {place: archive, **(others | {place: archive})}

    def add_archives(self, folder: Folder, entries: list[Entry]) -> list[Archive]:
        """Take the archives among the ``entries`` of ``folder``, and return them.

        What looks like one and is none is told.
        """
        names = archives_among(folder, entries, lambda name: self._beginning(folder, name), self.findings)
        return [self.add(Archive(name, folder)) for name in names]

    def _beginning(self, folder: Folder, name: str) -> Beginning:
        self._ask(folder.server_child(name))
        return self._reading.beginning(folder, name, self.limits)

    def pairs(self) -> list[Pair]:
        """Return the backups of this home, oldest first; where archives were asked for, only theirs."""
        claims = Counter(map(_claim, self.backups.values()))
        claimed = {id_: self._claimed_by(record) for id_, record in self.backups.items()}
        taken = self._taken = Counter(archive for archive in claimed.values() if archive is not None)
        unclaimed = [archive for named in self.archives.values() for archive in named.values() if archive not in taken]
        renamed = self._renamed(
            unclaimed, {_claim(self.backups[id_]) for id_, archive in claimed.items() if archive is None}
        )
        paired = [
            self._pair(id_, claimed[id_] or renamed.get(_claim(record)), taken) for id_, record in self.backups.items()
        ]
        renamed_archives = set(renamed.values())
        lone = (self._lone(archive, claims) for archive in unclaimed if archive not in renamed_archives)
        wanted = (pair for pair in (*paired, *lone) if self.wanted is None or pair.archive in self.wanted)
        return sorted(wanted, key=lambda pair: pair.order)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What it tells of each of its backups."""
        if not self.has_records:
            return Surroundings(None, None, {}, {})
        counts = Counter(record.opened("backup-install") for record in self.backups.values())
        return Surroundings(self.folder.server_path, self.as_server, self.installs, counts)

    def keep(self, folder: Folder) -> Folder:
        """Close ``folder`` together with this home."""
        return self._open.enter_context(folder)

    def _pair(self, id_: str, archive: Archive | None, taken: Counter[Archive]) -> Pair:
        record = self.backups[id_]
        name = _claim(record)
        if archive is None:
            here = self._folder_named_by(record)
            is_remote = here is None and (record.opened("backup-location") or "") not in LOCAL
            rule = rules.ARCHIVE_REMOTE if is_remote else rules.ARCHIVE_MISSING
            state = State.REMOTE if is_remote else State.MISSING
            return Pair(id_, record, None, state, (Finding(rule, name, here or "", (record.source,)),))
        twice = (Finding(rules.ARCHIVE_CLAIMED_TWICE, name, "", (record.source,)),) if taken[archive] > 1 else ()
        return Pair(id_, record, archive, State.PAIRED, (*twice, *self._same_name(archive)))

    def _folder_named_by(self, record: Document) -> str | None:
        """Return the path of the folder of the server itself that a ``record`` names; None where it names none."""
        return None if self.as_server is None else server_path(record.opened("backup-location") or "", self.as_server)

    def _claimed_by(self, record: Document) -> Archive | None:
        """Return the archive that a ``record`` claims: in the folder that it names, or else the first of its name."""
        name, here = _claim(record), self._folder_named_by(record)
        if here is not None and self._locations is not None:
            folder = self._locations.folder_with(name, here, self.findings)
            if folder is not None:
                return self._known(Archive(name, folder))
        same = self.archives.get(name, {}).values()
        if len(same) <= 1:
            return next(iter(same), None)
        named = self.folder.server_child(ARCHIVES) if here is None else here
        return next((archive for archive in same if archive.folder.server_path == named), next(iter(same)))

    def _known(self, archive: Archive) -> Archive:
        """Return an archive in a folder of the server itself as it is known, perhaps from the home's own folders."""
        known = self.archives.get(archive.name, {}).values()
        return next((same for same in known if same.folder.identity == archive.folder.identity), None) or self.add(
            archive
        )

    def _same_name(self, archive: Archive) -> tuple[Finding, ...]:
        """Return that other archives have the name of this one, if so."""
        same = self.archives[archive.name]
        if len(same) == 1:
            return ()
        other = next(other for other in same.values() if other != archive)
        evidence = tuple(Source(Witness.FILE_SYSTEM, each.server_path) for each in (archive, other))
        return (Finding(rules.ARCHIVE_NAME_TWICE, archive.name, f"{len(same)} of them", evidence),)

    @property
    def extents(self) -> tuple[Extent, ...]:
        """What makes a difference to it beside the folders of every home: other folders, files on the server itself."""
        files = sorted(self._locations.files) if self._locations is not None else []
        return (*self.elsewhere, *(Extent(path, Counting.FILE) for path in files))

    def _lone(self, archive: Archive, claims: Mapping[str, int]) -> Pair:
        findings = list(self._same_name(archive))
        if self.is_home and archive.name not in claims:
            findings.insert(0, Finding(rules.ARCHIVE_WITHOUT_RECORD, archive.name, "", on_disk(archive.server_path)))
        return Pair(None, None, archive, State.UNCLAIMED, tuple(findings))

    def _renamed(self, unclaimed: list[Archive], missed: set[str]) -> dict[str, Archive]:
        """Return the unclaimed archives by the name that their own record has, where a record misses that name."""
        named = ((self._embedded_name(archive), archive) for archive in unclaimed) if missed - {""} else ()
        return {name: archive for name, archive in named if name and name in missed}

    def _embedded_name(self, archive: Archive) -> str:
        try:
            head = self.read_head(archive)
            source = Source(Witness.EMBEDDED_RECORD, archive.server_path)
            return _claim(document(source, head.record, self.limits))
        except EvidenceError:
            return ""  # whoever opens it again will report it

    def read_head(self, archive: Archive) -> Head:
        """Return the head of one of its archives. Raises `EvidenceError`, as `backupmeta.archive.head.head`.

        One that several records name is read once. Raises `OverAllowanceError` where the account asks for too much.
        """
        if self._taken[archive] <= 1:
            return self._head(archive)
        if (known := self._heads.get(archive)) is None:
            try:
                known = self._head(archive)
                self._allowance.take(memory_of(known.record))
            except EvidenceError as error:
                known = error
            if not self._allowance.over:
                self._heads[archive] = known
        if isinstance(known, EvidenceError):
            raise known
        return known

    def findings_of_whole(self, pair: Pair) -> tuple[Finding, ...]:
        """Return what reading all of a backup's archive has told before; nothing where nobody has."""
        return self._reading.of_whole(pair)

    def _head(self, archive: Archive) -> Head:
        self._ask(archive.server_path)
        head = self._reading.head(archive, self.limits)
        if archive not in self._taken:  # else it mostly has the text of the record that names it
            self._allowance.take(memory_of(head.record), self._reading.copies - 1)
        return head

    def _ask(self, path: str) -> None:
        """Raise `OverAllowanceError` where the account asks for too much; that it does is told once."""
        try:
            self._allowance.ask(path)
        except OverAllowanceError as error:
            if not self._is_over:
                self._is_over = True
                detail = f"{error.reason}; not read from {path} on"
                self.findings.append(Finding(rules.LIMIT_EXCEEDED, self.folder.server_path, detail, on_disk(path)))
            raise

    def _named_locally(self) -> set[str]:
        """Return the names of the archives that local backups should have here."""
        local = (record for record in self.backups.values() if (record.opened("backup-location") or "") in LOCAL)
        return {name for record in local if (name := _claim(record))}

    def _look_elsewhere(self, entries: list[Entry]) -> None:
        """Look for conventional archives in the home's other folders: the name of its own can be changed."""
        for entry in entries:
            if entry.is_folder and entry.name not in {RECORDS, ARCHIVES}:
                self.elsewhere.append(Extent(entry.name, Counting.CONVENTIONAL))
                self._look_into(entry.name)

    def _look_into(self, name: str) -> None:
        """Take the conventional archives in the folder ``name``, which stays open only if it has any."""
        try:
            with ExitStack() as opened:
                folder = opened.enter_context(self.folder.open_folder(name))
                if archives := folder.entries(self.limits.folder_entries, lambda entry: parse(entry.name) is not None):
                    self.add_archives(folder, archives)
                    self._open.push(opened.pop_all())
        except EvidenceError as error:
            self.findings.append(unreadable(self.folder.server_child(name), error))

    def _records(self, records: Folder, name: str, entries: list[Entry], witness: Witness) -> dict[str, Document]:
        folder, files = self._subfolder(records, name, entries)
        documents = dict[str, Document]()
        if folder is None:
            return documents
        for entry in files:
            if entry.name == PLACEHOLDER:
                continue
            if not entry.is_file:
                self.findings.extend(refused(folder, entry))
            elif (record := self._record(folder, entry.name, witness)) is not None:
                documents[entry.name] = record
        return documents

    def _record(self, folder: Folder, name: str, witness: Witness) -> Document | None:
        source = Source(witness, folder.server_child(name))
        if not is_id(name):
            self.findings.append(Finding(rules.RECORD_NAME_MALFORMED, name, "", (source,)))
            return None
        try:
            self._ask(source.path)
            record = self._reading.record(folder, name, self.limits)
            self._allowance.take(record.memory, self._reading.copies)
            return Document(source, record)
        except OverAllowanceError:
            return None
        except EvidenceError as error:
            self.findings.append(Finding(rules.RECORD_UNREADABLE, name, error.reason, (source,)))
            return None

    def _subfolder(self, parent: Folder, name: str, entries: list[Entry]) -> tuple[Folder | None, list[Entry]]:
        """Return the subfolder ``name``, opened, and what lies in it; None for one that is missing or no folder."""
        entry = next((entry for entry in entries if entry.name == name), None)
        folder, inside = None, list[Entry]()
        if entry is not None and not entry.is_folder:
            self.findings.extend(refused(parent, entry))
        elif entry is not None:
            try:
                folder = self.keep(parent.open_folder(name))
                inside = folder.entries(self.limits.folder_entries)
            except EvidenceError as error:
                self.findings.append(unreadable(parent.server_child(name), error))
        return folder, inside


def _claim(record: Document) -> str:
    """Return the archive's name that a record gives, as the system writes names; empty where it gives none."""
    return record.record.opened.get("backup-filename", b"").decode("utf-8", "surrogateescape")
