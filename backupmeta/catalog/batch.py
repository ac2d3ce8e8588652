"""The work of a scan: from a batch of accounts to rows.

It needs nothing but the batch and the evidence, and gives the same for the same evidence, wherever it runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain
from typing import Final, NamedTuple

from backupmeta import __version__, library, rules
from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import Home, Pair, Surroundings, is_id
from backupmeta.account.layout import ALONE, BACKUPS, CURRENT, HOME, PLACEHOLDER, Counting, Extent, Listing, listed
from backupmeta.account.places import FoundHome, OpenedHome
from backupmeta.archive.head import Head
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits, OverAllowanceError
from backupmeta.catalog.remembered import Memory, Reader, Remembered, below
from backupmeta.catalog.rows import (
    GREATEST,
    Cells,
    FileRow,
    FindingRow,
    RecordCells,
    ResolvedRow,
    Rows,
    Shelf,
    cells_of,
    exact,
    finding_row,
    seconds,
)
from backupmeta.catalog.schema import BACKUP_CELLS, path_bytes
from backupmeta.checks.checked_backup import CheckedBackup, Inventory
from backupmeta.checks.policy import DEFAULT
from backupmeta.checks.retention import KeptBackup, orphans
from backupmeta.checks.rulebook import of_backup
from backupmeta.errors import EvidenceError, NoRecordError, UnreadableError, told_of
from backupmeta.evidence import Folder, Signature
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display
from backupmeta.record.grammar import Document, Record
from backupmeta.work.orders import WORKER_ENDED, Watch, Work

UNSURE: Final = b""
"""The fingerprint of an account that has to be looked at again."""


class Known(NamedTuple):
    """What the catalog knows of an account; as the table of memories."""

    fingerprint: bytes
    extents: str
    content: bytes


class Task(NamedTuple):
    """An account to scan.

    Attributes:
        account: where it is.
        known: what the catalog knows of it; None for a new one.
        root: the root that it was found below.
        host: the host that it lies on; empty where all are reached from here.
    """

    account: FoundHome
    known: Known | None = None
    root: str = ""
    host: str = ""


class Scanned(NamedTuple):
    """An account that was read: what is to be known of it, its rows, and what of it can't be read, if anything."""

    known: Known
    rows: Rows
    trouble: str


Outcome = Scanned | FindingRow | None
"""What came out for an account: what it has; or why it can't be read at all; or None, for nothing changed."""


class Result(NamedTuple):
    """What became of a batch.

    Attributes:
        accounts: what came out of each task, in their order.
        shared: the values that many rows have, by their digests.
    """

    accounts: tuple[Outcome, ...]
    shared: Mapping[bytes, str]


Batch = tuple[Task, ...]
"""Some accounts, all on one host."""


@dataclass(frozen=True)
class Scanning(Work[Batch, Result]):
    """Scanning accounts.

    Attributes:
        limits: what a file may ask for.
        zone: the server's time zone, where it is known.
    """

    limits: Limits
    zone: tzinfo | None

    def do(self, order: Batch, _watch: Watch) -> Iterator[Result]:
        """Scan the accounts; one that can't be read keeps nothing from the others."""
        builder = RowBuilder(self.zone, self.limits)
        accounts = tuple(_account(task, self.limits, builder) for task in order)
        yield Result(accounts, builder.shelf.values)

    def divided(self, order: Batch) -> list[Batch]:
        """Return a batch for each account."""
        return [(task,) for task in order] if len(order) > 1 else []

    def given_up(self, order: Batch) -> Iterator[Result]:
        """Return that no process survives reading the accounts."""
        yield Result(tuple(refused(task.account, WORKER_ENDED) for task in order), {})

    def host(self, order: Batch) -> str:
        """Return the host that all of the accounts lie on."""
        return order[0].host


_NOBODY: Final[Mapping[str, Document]] = {}
_OF_INSTALL: Final = [column.name for column in BACKUP_CELLS].index("backup_install")
"""Which cell of a backup has the id of its install."""
_EDITION: Final = 2
"""It rises where the same evidence gets other rows, so that a scan makes them anew."""


class RowBuilder:
    """Makes the rows of accounts.

    Attributes:
        shelf: the values that many rows have.
        dependencies: what rows depend on beside the evidence.
    """

    def __init__(self, zone: tzinfo | None, limits: Limits = DEFAULT_LIMITS) -> None:
        """Begin; ``zone`` is the server's time zone, where it is known, ``limits`` what a file may ask for."""
        self.shelf: Shelf = Shelf()
        asked = "" if limits == DEFAULT_LIMITS else f" {limits}"
        self.dependencies: str = f"{__version__} {_EDITION} {zone}{asked}"
        self._zone = zone
        self._records = RecordCells(self.shelf, zone)

    def rows(self, home: Home, reading: Reader, listing: Listing) -> Rows:
        """Return the rows of ``home``, whose files ``reading`` reads, and were listed before in ``listing``."""
        odd: list[Finding] = []
        backups = list(self._backups(home, odd))  # first: this reads the archives' heads
        files = list(_files(home, reading, listing))
        positions = {exact(row): position for position, row in enumerate(files)}
        return Rows(
            files,
            [self._install(home, id_, positions) for id_ in sorted(home.installs)],
            [
                ResolvedRow((positions.get(record), positions.get(archive)), cells, findings)
                for record, archive, cells, findings in backups
            ],
            tuple(map(finding_row, chain(home.findings, odd))),
        )

    def _backups(self, home: Home, odd: list[Finding]) -> Iterator[tuple[str, str, Cells, tuple[FindingRow, ...]]]:
        """Yield where the record and the archive of each backup would be, its cells, and what is odd about it."""
        around = home.surroundings._replace(installs=_NOBODY)
        installs = home.installs if home.has_records and home.wanted is None else None
        for pair in home.pairs():
            archive = below(home.folder, pair.archive.folder, pair.archive.name) if pair.archive else ""
            try:
                record = f"{BACKUPS}/{pair.id}" if pair.record else ""
                cells, findings = self._backup(home, pair, around)
                kept = KeptBackup(pair.server_path, str(cells[_OF_INSTALL] or ""), None, None)
                yield record, archive, cells, (*findings, *map(finding_row, orphans([kept], installs)))
            except OverAllowanceError:  # the home tells it once
                continue
            except EvidenceError as error:
                odd += (*pair.findings, library.unreadable(pair, error))

    def _backup(self, home: Home, pair: Pair, around: Surroundings) -> tuple[Cells, tuple[FindingRow, ...]]:
        """Return the cells of a backup, and what is odd about it. Raises `EvidenceError` where nothing is known."""
        if (known := self._records.of(home, pair, around)) is not None:
            cells, findings = known
            return cells, tuple(map(finding_row, findings)) if findings else ()
        inspection = library.inspect_backup(home, pair, around, self._zone)
        cells = (str(inspection.state), seconds(inspection.utc_offset), *cells_of(inspection, self.shelf))
        if pair.archive is None:  # no deep scan will judge it; that a time lies ahead, a scan can't say
            subject = CheckedBackup(inspection.path, inspection, Inventory(home.limits), DEFAULT.requirements, GREATEST)
            inspection.findings += of_backup(subject, is_whole=False)
        return cells, tuple(map(finding_row, inspection.findings))

    def _install(self, home: Home, id_: str, positions: Mapping[str, int]) -> ResolvedRow:
        inspection = library.inspect_install(home, id_)
        findings = tuple(map(finding_row, inspection.findings))
        return ResolvedRow((positions[f"{CURRENT}/{id_}"],), cells_of(inspection, self.shelf), findings)


def _files(home: Home, reading: Reader, listing: Listing) -> Iterator[FileRow]:
    """Yield the rows of the records and archives; what was opened is as it was then, not as it was listed."""
    opened = {path: file.signature for path, file in reading.files.items()}
    for path, signature in {**listing.files, **opened}.items():
        if (home.wanted is None or path in opened) and (row := _file(path, signature, reading)) is not None:
            yield row


def _file(path: str, signature: Signature, reading: Reader) -> FileRow | None:
    """Return the row of a file; None for what is neither a record nor an archive."""
    folder, _, name = path.rpartition("/")
    kind = _KINDS.get(folder, Witness.ARCHIVE)
    remembered = reading.files.get(path)
    if name == PLACEHOLDER or (kind is Witness.ARCHIVE and not _is_archive(name, remembered)):
        return None
    size, mtime_ns, inode, ctime_ns = (
        max(-GREATEST, min(number, GREATEST)) for number in signature
    )  # a time after 2262
    status = _status(kind, name, remembered)
    digest = reading.digests.get(path)
    return FileRow(display(path), path_bytes(path), str(kind), size, mtime_ns, inode, status, digest, ctime_ns)


def _is_archive(name: str, remembered: Remembered | None) -> bool:
    """Return whether a file was taken for an archive: by its name, or by how it begins."""
    return is_archive_name(name) or (remembered is not None and isinstance(remembered.content, Head | EvidenceError))


_KINDS: Final = {CURRENT: Witness.INSTALL_RECORD, BACKUPS: Witness.BACKUP_RECORD}


def _status(kind: Witness, name: str, remembered: Remembered | None) -> str:
    if kind is not Witness.ARCHIVE and not is_id(name):
        return rules.RECORD_NAME_MALFORMED.id
    if kind is not Witness.ARCHIVE:
        return (
            "read" if remembered is not None and isinstance(remembered.content, Record) else rules.RECORD_UNREADABLE.id
        )
    if remembered is None:
        return "passed over"
    if isinstance(remembered.content, EvidenceError) and not isinstance(remembered.content, NoRecordError):
        return library.unread(remembered.content).id
    return "read"


def _account(task: Task, limits: Limits, builder: RowBuilder) -> Outcome:
    try:
        with told_of(task.account.path), task.account.open() as folder:
            return _Visit(task.account, folder, limits, builder).outcome(task.known)
    except EvidenceError as error:
        return refused(task.account, error.reason)


def refused(account: FoundHome, reason: str) -> FindingRow:
    """Return that an account can't be read for this ``reason``."""
    where = (Source(Witness.FILE_SYSTEM, account.server_path),)
    return finding_row(Finding(rules.FOLDER_UNREADABLE, account.server_path, reason, where))


class _Visit(NamedTuple):
    """A visit to an account, whose folder is open."""

    account: FoundHome
    folder: Folder
    limits: Limits
    builder: RowBuilder

    @property
    def usual(self) -> tuple[Extent, ...]:
        """The folders that count in any account of its kind."""
        return HOME if self.account.is_home else ALONE

    def outcome(self, known: Known | None) -> Scanned | None:
        """Return what is there now; None for an account in which nothing changed.

        Raises `UnreadableError` where a folder can't be listed any more that had something in it.
        """
        if known is None:
            return self.read(self.usual, Reader(self.folder))
        extents = tuple(Extent(path, Counting(counting)) for path, counting in json.loads(known.extents))
        listing = listed(self.folder, extents, self.builder.dependencies, self.limits)
        if listing.fingerprint == known.fingerprint:
            return None
        try:
            remembered = Memory.from_bytes(known.content).files
        except ValueError:  # a damaged catalog: nothing is remembered then
            return self.read(self.usual, Reader(self.folder))
        for hidden in listing.unread:
            if any(path.startswith(f"{hidden}/") for path in remembered):
                raise UnreadableError(self.folder.child(hidden), f"{hidden} can't be listed any more")
        return self.read(extents, Reader(self.folder, remembered))

    def read(self, extents: tuple[Extent, ...], before: Reader, attempts: int = 3) -> Scanned:
        """List the folders that count, then read what is in them that was not read ``before``.

        Which folders those are is known once the home is read, for a missing archive is looked for in all of them.
        Where they are others than the ``extents``, or backups are torn, it is done once more, with what was read known.
        """
        account, listing = self.account, listed(self.folder, extents, self.builder.dependencies, self.limits)
        reading = before.reread(listing.files)
        met = OpenedHome(
            self.folder, self.folder.entries(self.limits.folder_entries), account.as_server, account.is_home
        )
        with met.home(self.limits, reading) as home:
            rows = self.builder.rows(home, reading, listing)
            content = _memory(home, reading).to_bytes()
            wanted = (*self.usual, *home.extents)
        is_settled = wanted == extents and not reading.torn
        if not is_settled and attempts:
            return self.read(wanted, reading, attempts - 1)
        fingerprint = listing.fingerprint if reading.is_sure and is_settled else UNSURE
        trouble = self._trouble(listing, reading)
        return Scanned(Known(fingerprint, json.dumps(extents), content), rows, trouble)

    def _trouble(self, listing: Listing, reading: Reader) -> str:
        """Return what the system does not let us read, and why; empty for nothing. Damage is another matter."""
        hidden = (extent.path for extent in self.usual if extent.path in listing.unread)
        if (folder := next(hidden, None)) is not None:
            return f"{folder or 'the folder'} can't be listed"
        errors = (
            (path, file.content) for path, file in reading.files.items() if isinstance(file.content, UnreadableError)
        )
        return next((f"{path}: {error.reason}" for path, error in errors), "")


def _memory(home: Home, reading: Reader) -> Memory:
    """Return what is to be remembered of ``home``."""
    return Memory(home.folder.server_path, home.as_server, home.is_home, home.has_records, reading.files, home.findings)
