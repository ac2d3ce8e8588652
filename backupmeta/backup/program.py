"""`Program`: which record says which field of a backup or an install, decided from the records' keys alone.

Records of many backups have the same keys: the program of a set of keys is compiled once, and then run over the values
of each backup. What keys can't decide (values that differ, a custom schedule, a path) are its open steps.

Precedence (`backupmeta help view`, "Who is believed"): the records in the order in which they are given, then, for a
field that describes the live install, the install record; then the file name, the file system or the documented
default.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta.backup.witnesses import BY_NAME, DERIVABLE
from backupmeta.record.fields import CUSTOM, FIELDS, Default, Field, Scope, Use, use_of
from backupmeta.record.grammar import Record
from backupmeta.record.values import Decoder, text

CUSTOM_SCHEDULE: Final = frozenset({"autobk_daily", "autobk_weekly", "autobk_monthly"})
"""The fields that are part of the answer only where ``autobk`` is ``custom``."""

_INSTALL_FIELDS: Final = tuple(field for field in FIELDS if field.scope is not Scope.BACKUP)

Keys = tuple[str, ...]
Decoding = tuple[str, str, Decoder]
"""A field's name, the key of its value, and the decoder."""


class Won(NamedTuple):
    """The fields in which one record is believed, whatever the values are.

    Attributes:
        names: the fields.
        of_key: the fields of each key; of most one.
        texts: those that are texts, and their keys: decoded all at once.
        decoded: the others.
    """

    names: tuple[str, ...]
    of_key: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, str]
    decoded: tuple[Decoding, ...]


class FieldStep(NamedTuple):
    """A field, and the records that have its key.

    Attributes:
        field: the field.
        holders: the numbers of these records, that of the believed record first.
    """

    field: Field
    holders: tuple[int, ...]


class KeyStep(NamedTuple):
    """A key of a record that is no field of the answer, and is kept as it stands.

    Attributes:
        key: the key.
        use: what it is.
        holder: the number of the record.
        first: the number of the first record that has the key.
    """

    key: str
    use: Use
    holder: int
    first: int


class Program(NamedTuple):
    """Which record says which field.

    Records are numbered in the order of precedence, the live install's record last.

    Attributes:
        is_fallback: whether no record of the backup describes the install, and the live install's record stands in.
        names: the fields that may be part of the answer, in the order of the wire; custom fields last.
        won: for each record, the fields in which it is believed.
        defaults: the fields that have their documented default, whatever the application is.
        steps: all fields in the order of the wire, then custom fields and kept keys, record by record.
        open_steps: those of them that depend on values: what is contested, of a custom schedule, derived from something
            else than a record, or odd.
        kept: the keys that are no fields, each with the numbers of the records that have it.
        by_name: the fields that the names and paths of files say, if anything does.
    """

    is_fallback: bool
    names: tuple[str, ...]
    won: tuple[Won, ...]
    defaults: Mapping[str, Default]
    steps: tuple[FieldStep | KeyStep, ...]
    open_steps: tuple[FieldStep | KeyStep, ...]
    kept: Mapping[str, tuple[int, ...]]
    by_name: tuple[str, ...]


def program(records: Sequence[Record], live: Record | None, *, is_backup: bool) -> Program:
    """Return the program for ``records`` and the ``live`` install's with such keys.

    It is remembered, unless a record is larger than real ones are.
    """
    keys = tuple([tuple(record.opened) for record in records])
    live_keys = None if live is None else tuple(live.opened)
    for record in records if live is None else (*records, live):
        if not record.is_usual:
            return compiled(keys, live_keys, is_backup=is_backup)
    return _remembered(keys, live_keys, is_backup=is_backup)


def compiled(keys: tuple[Keys, ...], live: Keys | None, *, is_backup: bool) -> Program:
    """Return the program for records with these ``keys``, and ``live`` those of the live install's record."""
    is_fallback = live is not None and not any(map(_describes_install, keys))
    speaking = (*keys, live) if is_fallback and live is not None else keys
    holders = _holders(speaking)
    live_holders = _holders((*keys, live)) if live is not None else holders
    fields = FIELDS if is_backup else _INSTALL_FIELDS
    known = [_step(field, live_holders if field.scope is Scope.LIVE else holders) for field in fields]
    others = list(_others(speaking, holders))
    field_steps = [*known, *(step for step in others if isinstance(step, FieldStep))]
    kept = {step.key: holders[step.key] for step in others if isinstance(step, KeyStep)}
    possible = [step.field for step in field_steps if step.holders or step.field.name in DERIVABLE]
    return Program(
        is_fallback=is_fallback,
        names=tuple([field.name for field in possible]),
        won=_won(field_steps, len(keys) + (live is not None)),
        defaults={step.field.name: default for step in known if (default := _fixed_default(step)) is not None},
        steps=(*known, *others),
        open_steps=tuple(filter(_is_open, (*known, *others))),
        kept=kept,
        by_name=tuple([step.field.name for step in known if not step.holders and step.field.name in BY_NAME]),
    )


_remembered = lru_cache(maxsize=256)(compiled)


def _describes_install(keys: Collection[str]) -> bool:
    """Return whether a record with these ``keys`` says anything about the install at the time of the backup."""
    return not _SNAPSHOT_KEYS.isdisjoint(keys)


_SNAPSHOT_KEYS: Final = frozenset(field.key for field in FIELDS if field.scope is Scope.SNAPSHOT and field.key)


def _holders(keys: Sequence[Keys]) -> dict[str, tuple[int, ...]]:
    """Return the numbers of the records that have each key."""
    holders = dict[str, tuple[int, ...]]()
    for number, record in enumerate(keys):
        for key in record:
            holders[key] = (*holders.get(key, ()), number)
    return holders


def _step(field: Field, holders: Mapping[str, tuple[int, ...]]) -> FieldStep:
    return FieldStep(field, holders.get(field.key, ()) if field.key else ())


def _others(keys: Sequence[Keys], holders: Mapping[str, tuple[int, ...]]) -> Iterator[FieldStep | KeyStep]:
    """Yield the steps of the keys that are not in the key table, a custom field's at its first record."""
    for number, record in enumerate(keys):
        for key in record:
            first, use = holders[key][0], use_of(key)
            if use is Use.CUSTOM and first == number:
                yield FieldStep(Field(key.removeprefix(CUSTOM), key, text, ""), holders[key])
            elif use not in {Use.CUSTOM, Use.FIELD}:
                yield KeyStep(key, use, number, first)


def _fixed_default(step: FieldStep) -> Default | None:
    """Return the default of a field that no record has, where it holds for every application."""
    default = step.field.default
    return None if step.holders or default is None or default.application is not None else default


def _is_open(step: FieldStep | KeyStep) -> bool:
    """Return whether the keys alone leave open what comes of a step."""
    if isinstance(step, KeyStep):
        return step.use is not Use.OTHER or step.holder != step.first
    if step.field.name in CUSTOM_SCHEDULE or len(step.holders) > 1:
        return bool(step.holders)
    return not step.holders and step.field.name in DERIVABLE and _fixed_default(step) is None


def _won(steps: Sequence[FieldStep], count: int) -> tuple[Won, ...]:
    """Return the fields in which each of ``count`` records is believed; a custom schedule's are open."""
    won: list[list[Field]] = [[] for _ in range(count)]
    for step in steps:
        if step.holders and step.field.name not in CUSTOM_SCHEDULE:
            won[step.holders[0]].append(step.field)
    return tuple(map(_won_fields, won))


def _won_fields(fields: Sequence[Field]) -> Won:
    texts = {field.name: field.key or "" for field in fields if field.decode is text}
    decoded = [(field.name, field.key or "", field.decode) for field in fields if field.name not in texts]
    of_key = dict[str, tuple[str, ...]]()
    for field in fields:
        of_key[field.key or ""] = (*of_key.get(field.key or "", ()), field.name)
    return Won(tuple([field.name for field in fields]), of_key, texts, tuple(decoded))
