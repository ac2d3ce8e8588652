"""Comparing what is known of two backups or installs: fields, lists, plugins and themes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from backupmeta.backup.inspection import Inspection, shown
from backupmeta.checks.applications import order
from backupmeta.comparison.difference import Changes, ExtensionsChange, FieldChange, ListChange, Sources, Step, What
from backupmeta.masking import is_secret, masked
from backupmeta.provenance import Fact, Source
from backupmeta.record.fields import FIELD, Scope
from backupmeta.record.values import Extension, Value

EXTENSIONS: Final = ("plugins", "themes")
"""The lists whose entries have a version, and are active or not."""

_OF_BACKUPS: Final = frozenset(name for name, one in FIELD.items() if one.scope is Scope.BACKUP) | {"id"}
"""What an install does not have, or has of its own."""

_KEYS_OF_BACKUPS: Final = "backup-"


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


def _source(one: Inspection, name: str) -> Source | None:
    return one.source(name) if name in one.fields else None


def _field(
    name: str, before: Mapping[str, Value], after: Mapping[str, Value], sources: Sources
) -> Iterator[FieldChange]:
    """Yield what became of a field; one that could not be decoded is null, which is not absent."""
    if name in before and name in after and before[name] == after[name]:
        return
    what = What.between(sources.before, sources.after)
    values = shown(name, before.get(name)), shown(name, after.get(name))
    yield _shown(FieldChange(what, name, *values, sources))


def _shown(change: FieldChange) -> FieldChange:
    """Return the ``change`` without its values where they are secret, or where only what is masked differs."""
    is_hidden = is_secret(change.name) or (change.what is What.CHANGED and change.before == change.after)
    return change._replace(before=None, after=None, is_secret=True) if is_hidden else change


def _extra(a: Inspection, b: Inspection, *, only_installs: bool) -> Iterator[FieldChange]:
    """Yield what became of the keys that are kept beside the answer; bytes that aren't UTF-8 as surrogates."""
    for key in dict.fromkeys((*a.kept, *b.kept)):
        if only_installs and key.startswith(_KEYS_OF_BACKUPS):
            continue
        before, after = (one.kept[key][0].fact(key) if key in one.kept else None for one in (a, b))
        if before is not None and after is not None and before.raw == after.raw:
            continue
        sources = Sources(before and before.source, after and after.source)
        yield _shown(FieldChange(What.between(before, after), key, _raw(before), _raw(after), sources, is_extra=True))


def _raw(fact: Fact | None) -> str | None:
    return None if fact is None else masked(fact.field, fact.raw.decode("utf-8", "surrogateescape"))


# --- lists ------------------------------------------------------------------------------------------------------------


def _list(name: str, before: Iterable[object], after: Iterable[object], sources: Sources) -> Iterator[ListChange]:
    """Yield what became of a list of texts."""
    old, new = list(map(str, before)), list(map(str, after))
    if _only(old, new) or _only(new, old):
        old, new = _entries(name, old), _entries(name, new)
        yield ListChange(name, tuple(_only(new, old)), tuple(_only(old, new)), sources)


def _only(some: list[str], others: list[str]) -> list[str]:
    """Return the entries that are in ``some`` more often than in ``others``, in their order."""
    return list((Counter(some) - Counter(others)).elements())


def _entries(name: str, entries: list[str]) -> list[str]:
    """Return the ``entries`` as they may be shown; a secret may reach over several, so it is masked in all at once."""
    masks = shown(name, entries)
    return list(map(str, masks)) if isinstance(masks, list) else [str(masks)]


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
    found = (Extension(*entry.values()) for entry in entries if isinstance(entry, dict))
    return {one.id: one for one in found}


def _steps(old: Extension | None, new: Extension | None) -> Iterator[Step]:
    """Yield what became of one plugin or theme; what is not told on both sides is no change."""
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
