"""What differs between what is known of two backups or installs: fields, lists, plugins and themes.

`What` is the one vocabulary of changes, also of members and tables.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta.backup.inspection import Inspection
from backupmeta.checks.applications import order
from backupmeta.masking import is_secret
from backupmeta.objects import as_json, json_object
from backupmeta.provenance import Fact, Source
from backupmeta.record.fields import FIELD, Scope
from backupmeta.record.values import Extension, Value
from backupmeta.secrets import closed, opened, plain

if TYPE_CHECKING:
    from backupmeta.json_answers import ChangesJson, FieldChangeJson

EXTENSIONS: Final = ("plugins", "themes")
"""The lists whose entries have a version, and are active or not."""

_OF_BACKUPS: Final = frozenset(name for name, field in FIELD.items() if field.scope is Scope.BACKUP) | {"id"}
"""What an install does not have, or has of its own."""

_KEYS_OF_BACKUPS: Final = "backup-"


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
    UNKNOWN = "can't tell"
    """It is on one side, and was not seen on the other, which was not read to its end."""

    @classmethod
    def between(cls, before: object, after: object) -> "What":
        """Return what became of something that is ``before`` in A and ``after`` in B, None where it is not there."""
        if before is None:
            return cls.ADDED
        return cls.REMOVED if after is None else cls.CHANGED


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

    def to_json(self) -> "FieldChangeJson":
        """Return it for JSON: a value that nobody tells is left out."""
        sides = {"before": self.before, "after": self.after}
        values = {key: value for key, value in sides.items() if getattr(self.sources, key) is not None}
        shown: dict[str, object] = {"is_secret": True} if self.is_secret else {**values}
        described = {"what": self.what, "name": self.name, "is_extra": self.is_extra, **shown}
        return cast("FieldChangeJson", json_object({**described, "sources": self.sources}))


class ListChange(NamedTuple):
    """A list, and the entries that only one side has, in their order there; userinfo of URIs is masked."""

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    sources: Sources


class Step(NamedTuple):
    """One thing that became of a plugin or theme, and its versions where they are known and matter."""

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

    def to_json(self) -> "ChangesJson":
        """Return it for JSON."""
        fields = [change.to_json() for change in self.fields]
        described = {"fields": fields, "lists": as_json(self.lists), "extensions": as_json(self.extensions)}
        return cast("ChangesJson", described)


def compared(a: Inspection, b: Inspection, *, as_installs: bool = False) -> Changes:
    """Return what differs; of an install, and ``as_installs``, only what an install has.

    What a record's dialect does not tell is no change; neither is another order of a list.
    """
    only_installs = as_installs or "install" in {a.kind, b.kind}
    fields, extensions, lists = list[FieldChange](), list[ExtensionsChange](), list[ListChange]()
    for name in dict.fromkeys((*a.fields, *b.fields)):
        if only_installs and name in _OF_BACKUPS:
            continue
        before, after, sources = a.get(name), b.get(name), Sources(_source(a, name), _source(b, name))
        if not (isinstance(before, list) and isinstance(after, list)):
            fields += _field(name, a.fields, b.fields, sources)
        elif name in EXTENSIONS:
            extensions += _extensions(name, before, after, sources)
        else:
            lists += _list(name, before, after, sources)
    fields += _extra(a, b, only_installs=only_installs)
    return Changes(tuple(fields), tuple(extensions), tuple(lists))


def _source(inspection: Inspection, name: str) -> Source | None:
    return inspection.source(name) if name in inspection.fields else None


def _field(
    name: str, before: Mapping[str, Value], after: Mapping[str, Value], sources: Sources
) -> Iterator[FieldChange]:
    """Yield what became of a field; one that could not be decoded is null, which is not absent."""
    if name in before and name in after and before[name] == after[name]:
        return
    what = What.between(sources.before, sources.after)
    yield _hidden(FieldChange(what, name, plain(before.get(name)), plain(after.get(name)), sources))


def _hidden(change: FieldChange) -> FieldChange:
    """Return the ``change`` without its values where they are secret, or where only what is masked differs."""
    is_hidden = is_secret(change.name) or (change.what is What.CHANGED and change.before == change.after)
    return change._replace(before=None, after=None, is_secret=True) if is_hidden else change


def _extra(a: Inspection, b: Inspection, *, only_installs: bool) -> Iterator[FieldChange]:
    """Yield what became of the keys that are kept beside the answer; bytes that aren't UTF-8 as surrogates."""
    for key in dict.fromkeys((*a.kept, *b.kept)):
        if only_installs and key.startswith(_KEYS_OF_BACKUPS):
            continue
        before, after = (side.kept[key][0].fact(key) if key in side.kept else None for side in (a, b))
        if before is not None and after is not None and before.raw == after.raw:
            continue
        sources = Sources(before and before.source, after and after.source)
        yield _hidden(FieldChange(What.between(before, after), key, _raw(before), _raw(after), sources, is_extra=True))


def _raw(fact: Fact | None) -> str | None:
    return None if fact is None else fact.raw.decode("utf-8", "surrogateescape")


# --- lists ------------------------------------------------------------------------------------------------------------


def _list(name: str, before: Iterable[object], after: Iterable[object], sources: Sources) -> Iterator[ListChange]:
    """Yield what became of a list of texts."""
    old, new = list(map(str, opened(before))), list(map(str, opened(after)))
    if _only(old, new) or _only(new, old):
        old, new = plain(closed(name, old)), plain(closed(name, new))  # a secret may reach over several entries
        yield ListChange(name, tuple(_only(new, old)), tuple(_only(old, new)), sources)


def _only(entries: list[str], others: list[str]) -> list[str]:
    """Return the ``entries`` that are there more often than in ``others``, in their order."""
    return list((Counter(entries) - Counter(others)).elements())


# --- plugins and themes -----------------------------------------------------------------------------------------------


def _extensions(
    name: str, before: Iterable[object], after: Iterable[object], sources: Sources
) -> Iterator[ExtensionsChange]:
    """Yield what became of the plugins, or of the themes."""
    old, new = _by_id(before), _by_id(after)
    if steps := tuple(step for id_ in dict.fromkeys((*old, *new)) for step in _steps(old.get(id_), new.get(id_))):
        yield ExtensionsChange(name, steps, sources)


def _by_id(entries: Iterable[object]) -> dict[str, Extension]:
    """Return the entries of a list on the wire by their ids; of two of one id the last counts."""
    return {entry["id"]: Extension.of(entry) for entry in entries if isinstance(entry, dict)}


def _steps(old: Extension | None, new: Extension | None) -> Iterator[Step]:
    """Yield what became of one plugin or theme; what only one side says is no change."""
    if old is None or new is None:
        if new is not None:
            yield Step(What.INSTALLED, new.id, after=new.version)
        if old is not None:
            yield Step(What.REMOVED, old.id, before=old.version)
        return
    if old.version is not None and new.version is not None and old.version != new.version:
        yield Step(_direction(old.version, new.version), old.id, old.version, new.version)
    if None not in {old.active, new.active} and old.active != new.active:
        yield Step(What.ACTIVATED if new.active else What.DEACTIVATED, old.id)
    if None not in {old.autoup, new.autoup} and old.autoup != new.autoup:
        yield Step(What.AUTOUP_OFF if new.autoup == "none" else What.AUTOUP_ON, old.id)


def _direction(before: str, after: str) -> What:
    """Return which way a version went; ``6.5`` and ``6.5.0`` are written differently, and neither is higher."""
    old, new = order(before), order(after)
    return What.CHANGED if old == new else What.UPGRADED if old < new else What.DOWNGRADED
