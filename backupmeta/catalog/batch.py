"""The work of a scan: from a batch of accounts to rows.

It needs nothing but the batch and the evidence, and gives the same for the same evidence, wherever it runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.account.home import Home
from backupmeta.account.layout import ALONE, HOME, Counting, Extent, Listing, listed
from backupmeta.account.places import FoundHome, OpenedHome
from backupmeta.archive.limits import Limits
from backupmeta.catalog.remembered import Memory, Reader
from backupmeta.catalog.rows import FindingRow, RowBuilder, Rows, finding_row
from backupmeta.errors import EvidenceError, UnreadableError, told_of
from backupmeta.evidence import Folder
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
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
        entries = self.folder.entries(self.limits.folder_entries)
        met = OpenedHome(self.folder, entries, account.as_server, account.is_home)
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
        contents = ((path, file.content) for path, file in reading.files.items())
        errors = (f"{path}: {content.reason}" for path, content in contents if isinstance(content, UnreadableError))
        return next(errors, "")


def _memory(home: Home, reading: Reader) -> Memory:
    """Return what is to be remembered of ``home``."""
    return Memory(home.folder.server_path, home.as_server, home.is_home, home.has_records, reading.files, home.findings)
