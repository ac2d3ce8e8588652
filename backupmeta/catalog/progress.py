"""How far a scan is, and what came out of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from backupmeta.findings import Finding
from backupmeta.provenance import display

if TYPE_CHECKING:
    from backupmeta.json_answers import ScanResultJson

KINDS: Final[Mapping[str, str]] = {"all_files": "files", "all_installs": "installs", "all_backups": "backups"}
"""What a scan compares with the one before it: words for it, by table."""

CHANGES: Final = ("new", "changed", "moved", "returned", "vanished")
"""What may have become of each since the scan before, in the order in which it is told."""

_TROUBLES: Final = 20
"""Of how many accounts it is kept why they could not be read: the catalog has all."""


@dataclass(slots=True)
class ScanResult:
    """How far a scan is.

    Attributes:
        accounts: how many accounts were looked at.
        unchanged: in how many of them nothing changed.
        unreadable: how many of them could not be read.
        vanished: how many accounts are gone.
        archives: how many archives those have that were read.
        bytes: how large these archives are.
        walked: how many archives were read to their end.
        changes: how many files, installs and backups are new, changed, moved, returned, vanished, by table.
        unread: why a root could not be read; what was known below it stays as it is.
        altered: what of the catalog was not as it was scanned, and was taken out of it.
        troubles: why an account could not be read, or not all of it, by its path; the first ones.
    """

    accounts: int = 0
    unchanged: int = 0
    unreadable: int = 0
    vanished: int = 0
    archives: int = 0
    bytes: int = 0
    walked: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread: dict[str, str] = field(default_factory=dict)
    altered: list[Finding] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)

    def note_trouble(self, account: str, reason: str) -> None:
        """Count an account that could not be read, or not all of it, and keep why."""
        self.unreadable += 1
        if len(self.troubles) < _TROUBLES:
            self.troubles[account] = reason

    def changes_of(self, table: str) -> dict[str, int]:
        """Return how many rows of a ``table``, one of `KINDS`, are new, changed, and so on, without what is 0."""
        return {change: self.changes[table, change] for change in CHANGES if self.changes[table, change]}

    def to_json(self) -> "ScanResultJson":
        """Return it for JSON; sizes in bytes."""
        return {
            "accounts": self.accounts,
            "unchanged": self.unchanged,
            "unreadable": self.unreadable,
            "vanished": self.vanished,
            "archives_read": self.archives,
            "archives_verified": self.walked,
            "bytes": self.bytes,
            "changes": {word: self.changes_of(table) for table, word in KINDS.items()},
            "unread": {display(root): reason for root, reason in self.unread.items()},
        }
