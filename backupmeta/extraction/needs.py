"""What a restore of a backup needs: room for its files, a database, versions; and whether a folder has that room.

One pass reads the archive and judges it, as `extract` does; no server is asked. What the record tells is masked.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta import verification
from backupmeta.archive.dump import Dump
from backupmeta.checks import application
from backupmeta.checks.checked_backup import CheckedBackup
from backupmeta.checks.policy import Verification
from backupmeta.errors import OutputError
from backupmeta.evidence import EvidenceFile
from backupmeta.extraction.tree import Free, free
from backupmeta.provenance import Source, display, located, named
from backupmeta.record.values import Value
from backupmeta.search import NOTHING_PROTECTED, Protected
from backupmeta.verification import Case
from backupmeta.work.orders import Watch

if TYPE_CHECKING:
    from backupmeta.json_types import NeededDumpJson, RestoreNeedsJson, RoomJson

FIELDS: Final = (
    "application", "version", "url", "path", "db_type", "db_host", "db_name", "db_user", "db_prefix", "cache_tables",
)  # fmt: skip
"""The fields of the answer that a restore asks for, by their names there."""


class Told(NamedTuple):
    """A value, and what tells it: a file of the application before the record."""

    value: Value
    source: Source


class Needs(NamedTuple):
    """What a restore of one backup needs.

    Attributes:
        path: the archive, as the server saw it.
        fields: what is known of `FIELDS`, and as ``php`` the lowest version of PHP that the application runs with.
        size: the length of all the application's files together, in bytes.
        entries: how many files and folders these are, links included.
        is_partial: whether there are more names than are kept, and so more ``entries``.
        dump: the database dump; None where there is none.
        verification: what the archive is judged to be.
    """

    path: str
    fields: Mapping[str, Told]
    size: int
    entries: int
    is_partial: bool
    dump: Dump | None
    verification: Verification

    def to_json(self) -> "RestoreNeedsJson":
        """Return it for JSON; sizes in bytes."""
        values = {name: told.value for name, told in self.fields.items()}
        texts = {key: named(key, value) if isinstance(value, str) else {key: value} for key, value in values.items()}
        described = {
            "fields": {key: value for described in texts.values() for key, value in described.items()},
            "sources": {name: located(told.source) for name, told in self.fields.items()},
            "files": {"size": self.size, "entries": self.entries, "is_partial": self.is_partial},
            "dump": None if self.dump is None else _of_dump(self.dump),
            "verification": self.verification.to_json(),
        }
        return cast("RestoreNeedsJson", described)

    def room_at(self, folder: str, protected: Protected = NOTHING_PROTECTED) -> "Room":
        """Return whether a new ``folder`` has room for the site, and does not lie among what is ``protected``.

        Nothing is written.
        """
        there = free(folder)
        try:
            protected.refuse(os.path.abspath(folder), folder)
        except OutputError as error:
            there = there._replace(obstacle=error.reason)
        return Room(folder, there, self.size + self.entries * there.block, self.entries)


class Room(NamedTuple):
    """Whether a folder has room for a site.

    Attributes:
        folder: the folder, as it was named.
        free: what there is.
        size: how many bytes the site takes there, at most: each file begins a new block.
        entries: how many files and folders it has.
    """

    folder: str
    free: Free
    size: int
    entries: int

    @property
    def is_enough(self) -> bool | None:
        """Whether the site has room there; None where that can't be told."""
        if self.free.size is None:
            return None
        return self.size <= self.free.size and (self.free.entries is None or self.entries <= self.free.entries)

    @property
    def is_fit(self) -> bool:
        """Whether the site can be unpacked there."""
        return not self.free.obstacle and self.is_enough is True

    def to_json(self) -> "RoomJson":
        """Return it for JSON; sizes in bytes."""
        there = self.free
        return {
            **named("folder", self.folder),
            "is_fit": self.is_fit,
            "is_enough": self.is_enough,
            "obstacle": there.obstacle or None,
            "size": self.size,
            "entries": self.entries,
            "free_size": there.size,
            "free_entries": there.entries,
        }


def needed(case: Case, watch: Watch | None = None) -> Needs:
    """Return what a restore of the archive of ``case`` needs; ``watch`` is told how many bytes each read gave.

    Raises `EvidenceError` where the archive can't be read.
    """
    with case.place.open() as file:
        file.watch = watch
        return needed_by(case, file)


def needed_by(case: Case, file: EvidenceFile) -> Needs:
    """Return what a restore of the open ``file`` of ``case`` needs. Raises as `needed`."""
    examination = verification.examined(case, file)[0]
    inventory = examination.inventory
    fields = {} if examination.subject is None else _fields(examination.subject)
    return Needs(
        case.server_path,
        fields,
        inventory.file_bytes,
        inventory.entries(),
        inventory.is_partial,
        inventory.dump,
        examination.outcome.verification,
    )


def _of_dump(dump: Dump) -> "NeededDumpJson":
    return {
        "size": dump.size,
        "longest_statement": dump.longest_statement,
        "collations": [display(name.decode("utf-8", "replace")) for name in dump.collation_names],
        "definers": [display(name.decode("utf-8", "replace")) for name in dump.definers],
        "routines": dump.routines,
        **dump.to_json(),
    }


def _fields(backup: CheckedBackup) -> dict[str, Told]:
    """Return what is known of each field, the application's own files before the record."""
    inspection, files = backup.inspection, application.told_by_contents(backup)
    if (php := application.php_by_files(backup)) is not None:
        files["php"] = php.version, php.sign.path
    recorded = {
        name: Told(inspection.fields[name], inspection.source(name)) for name in FIELDS if name in inspection.fields
    }
    return recorded | {name: Told(value, backup.member_source(path)) for name, (value, path) in files.items()}
