"""Making the rows of an account: of what lies on disk, and was read without its secrets."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from itertools import chain
from typing import Final, NamedTuple

from backupmeta import __version__, library
from backupmeta.account.allowance import OverAllowanceError
from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import PLACEHOLDER, Home, Pair, Surroundings, is_id
from backupmeta.account.listing import BACKUPS, CURRENT, Listing
from backupmeta.archive.head import Head
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.catalog import store
from backupmeta.catalog.cells import BACKUP, GREATEST, INSTALL, Shelf, cells_of, seconds
from backupmeta.catalog.memory import Remembered
from backupmeta.catalog.reading import Forgetful
from backupmeta.catalog.rows import BackupRow, Cells, FileRow, FindingRow, InstallRow, Rows, exact, finding_row
from backupmeta.catalog.usual import Usual
from backupmeta.errors import EvidenceError, NoRecordError
from backupmeta.evidence import Signature
from backupmeta.findings import Finding
from backupmeta.provenance import Witness, display
from backupmeta.record.document import Document
from backupmeta.record.grammar import Record

_NOBODY: Final[Mapping[str, Document]] = {}


class RowMaker:
    """Makes the rows of accounts.

    Attributes:
        shelf: the values that many rows have.
        told: what rows depend on beside the evidence.
    """

    def __init__(self, zone: tzinfo | None, limits: Limits = DEFAULT_LIMITS) -> None:
        """Begin; ``zone`` is the server's time zone, where it is known, ``limits`` what a file may ask for."""
        self.shelf = Shelf()
        self.told = f"{__version__} {zone}" if limits == DEFAULT_LIMITS else f"{__version__} {zone} {limits}"
        self._zone = zone
        self._usual = Usual(self.shelf, zone)

    def rows(self, home: Home, reading: Forgetful, listing: Listing) -> Rows:
        """Return the rows of ``home``, whose files ``reading`` reads, and were listed before in ``listing``."""
        odd: list[Finding] = []
        backups = list(self._backups(home, reading, odd))  # first: this reads the archives' heads
        files = list(_files(home, reading, listing))
        places = {exact(row): place for place, row in enumerate(files)}
        return Rows(
            files,
            [self._install(home, id_, places) for id_ in sorted(home.installs)],
            [BackupRow(places.get(one.record), places.get(one.archive), one.cells, one.findings) for one in backups],
            tuple(map(finding_row, chain(home.findings, odd))),
        )

    def _backups(self, home: Home, reading: Forgetful, odd: list[Finding]) -> Iterator["_Backup"]:
        around = home.surroundings._replace(installs=_NOBODY)
        for pair in home.pairs():
            archive = reading.below(pair.archive.folder, pair.archive.name) if pair.archive else ""
            try:
                record = f"{BACKUPS}/{pair.id}" if pair.record else ""
                yield _Backup(record, archive, *self._backup(home, pair, around))
            except OverAllowanceError:  # the home tells it once
                continue
            except EvidenceError as error:
                odd += (*pair.findings, library.unreadable(pair, error))

    def _backup(self, home: Home, pair: Pair, around: Surroundings) -> tuple[Cells, tuple[FindingRow, ...]]:
        """Return the cells of a backup, and what is odd about it. Raises `EvidenceError` where nothing is known."""
        if (usual := self._usual.of(home, pair, around)) is not None:
            cells, findings = usual
            return cells, tuple(map(finding_row, findings)) if findings else ()
        found = library.inspect_backup(home, pair, around, self._zone)
        cells = (str(found.state), seconds(found.utc_offset), *cells_of(found, BACKUP, self.shelf))
        self._usual.learn(home, pair, found, cells)
        return cells, tuple(map(finding_row, found.findings))

    def _install(self, home: Home, id_: str, places: Mapping[str, int]) -> InstallRow:
        found = library.inspect_install(home, id_)
        cells = cells_of(found, INSTALL, self.shelf)
        return InstallRow(places[f"{CURRENT}/{id_}"], cells, tuple(map(finding_row, found.findings)))


class _Backup(NamedTuple):
    """A backup: where its record and its archive would be, its cells, and what is odd about it."""

    record: str
    archive: str
    cells: Cells
    findings: tuple[FindingRow, ...]


def _files(home: Home, reading: Forgetful, listing: Listing) -> Iterator[FileRow]:
    """Yield the rows of the records and archives; what was opened is as it was then, not as it was listed."""
    opened = {path: one.signature for path, one in reading.files.items()}
    for path, signature in {**listing.files, **opened}.items():
        if (home.wanted is None or path in opened) and (row := _file(path, signature, reading)) is not None:
            yield row


def _file(path: str, signature: Signature, reading: Forgetful) -> FileRow | None:
    """Return the row of a file; None for what is neither a record nor an archive."""
    folder, _, name = path.rpartition("/")
    kind = _KINDS.get(folder, Witness.ARCHIVE)
    found = reading.files.get(path)
    if name == PLACEHOLDER or (kind is Witness.ARCHIVE and not _is_archive(name, found)):
        return None
    size, mtime_ns, inode, ctime_ns = (max(-GREATEST, min(one, GREATEST)) for one in signature)  # a time after 2262
    status = _status(kind, name, found)
    digest = reading.digests.get(path)
    return FileRow(display(path), store.path_bytes(path), str(kind), size, mtime_ns, inode, status, digest, ctime_ns)


def _is_archive(name: str, found: Remembered | None) -> bool:
    """Tell whether a file was taken for an archive: by its name, or by how it begins."""
    return is_archive_name(name) or (found is not None and isinstance(found.found, Head | EvidenceError))


_KINDS: Final = {CURRENT: Witness.INSTALL_RECORD, BACKUPS: Witness.BACKUP_RECORD}


def _status(kind: Witness, name: str, found: Remembered | None) -> str:
    if kind is not Witness.ARCHIVE and not is_id(name):
        return "record-name-malformed"
    if kind is not Witness.ARCHIVE:
        return "read" if found is not None and isinstance(found.found, Record) else "record-unreadable"
    if found is None:
        return "passed over"
    if isinstance(found.found, EvidenceError) and not isinstance(found.found, NoRecordError):
        return library.unread(found.found)
    return "read"
