"""What a comparison answers: `Difference`, and the one vocabulary of changes, `What`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from backupmeta.backup.inspection import Inspection
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.provenance import Source
from backupmeta.record.values import Value

if TYPE_CHECKING:
    from backupmeta.comparison.contents import Contents


class What(StrEnum):
    """What became of something on the way from A to B."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"
    INSTALLED = "installed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    AUTOUP_ON = "auto-update on"
    AUTOUP_OFF = "auto-update off"

    @classmethod
    def between(cls, before: object, after: object) -> "What":
        """Return what became of something that is ``before`` in A and ``after`` in B, None where it is not there."""
        if before is None:
            return cls.ADDED
        return cls.REMOVED if after is None else cls.CHANGED


class Side(NamedTuple):
    """A or B.

    Attributes:
        name: as it was named.
        inspection: what is known of it.
        place: where its archive lies; None where it has none.
    """

    name: str
    inspection: Inspection
    place: Place | None = None


class Sources(NamedTuple):
    """Who says so in A, and who in B; None where nobody says anything."""

    before: Source | None
    after: Source | None


class FieldChange(NamedTuple):
    """A field of the answer, or a key that was kept beside it, and what became of its value.

    Attributes:
        what: added, removed or changed.
        name: the field's, or the record's key.
        before: the value in A, as it may be shown: never a secret.
        after: the value in B.
        sources: who says so.
        is_extra: whether it is a record's key that is no part of the answer; its values are raw text.
        is_secret: whether what differs must not be shown; both values are None then.
    """

    what: What
    name: str
    before: Value
    after: Value
    sources: Sources
    is_extra: bool = False
    is_secret: bool = False


class ListChange(NamedTuple):
    """A list, and the entries that only one side has, in their order there; userinfo of URIs is masked."""

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    sources: Sources


class Step(NamedTuple):
    """One thing that became of a plugin or theme, and its versions where they are told and matter."""

    what: What
    id: str
    before: str | None = None
    after: str | None = None


class ExtensionsChange(NamedTuple):
    """``plugins`` or ``themes``, and what became of them, plugin by plugin."""

    name: str
    steps: tuple[Step, ...]
    sources: Sources


class Changes(NamedTuple):
    """What differs between what is known of two backups, in the order of the wire."""

    fields: tuple[FieldChange, ...] = ()
    extensions: tuple[ExtensionsChange, ...] = ()
    lists: tuple[ListChange, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What differs between two sides.

    Attributes:
        a: the one that is compared with.
        b: the other one.
        changes: what differs in their metadata.
        contents: what differs in their archives; None unless these were read.
        findings: what was odd on the way.
    """

    a: Side
    b: Side
    changes: Changes
    contents: "Contents | None" = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def is_same(self) -> bool:
        """Whether nothing differs that was compared."""
        return not any(self.changes) and (self.contents is None or self.contents.is_same)
