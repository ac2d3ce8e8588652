"""`Plan`: who tells which field where a single record speaks for a backup, and perhaps its live install.

Their keys alone decide it, and records of many backups have the same keys: so it is decided once for all of them, and
the values are then decoded with hardly a call for each.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta.backup.witnesses import BY_DEFAULT, ELSEWHERE, copied
from backupmeta.provenance import Source
from backupmeta.record.document import Document
from backupmeta.record.fields import CUSTOM, FIELDS, Default, Field, Scope, Use, use_of
from backupmeta.record.values import Decoder, Value, text

CUSTOM_SCHEDULE: Final = frozenset({"autobk_daily", "autobk_weekly", "autobk_monthly"})
"""The fields that are told only where the schedule is a custom one."""

_INSTALL_FIELDS: Final = tuple(one for one in FIELDS if one.scope is not Scope.BACKUP)

_Decoding = tuple[str, str, Decoder]


class Plan(NamedTuple):
    """Who tells which field.

    Attributes:
        names: the fields, in the order of the wire, custom ones last.
        own: those that the record tells.
        texts: the texts among these, and their keys.
        decoded: the others: name, key, decoder.
        live: what the live install alone tells.
        contested: what both tell, and so may disagree about.
        defaults: what nobody tells, whatever the application.
        elsewhere: what something else than a record may tell, and nothing in the end.
        schedule: what a custom schedule tells, in the record.
        kept: the record's other keys.
        odd: those of them that are a finding.
    """

    names: tuple[str, ...]
    own: tuple[str, ...]
    texts: Mapping[str, str]
    decoded: tuple[_Decoding, ...]
    live: tuple[_Decoding, ...]
    contested: tuple[Field, ...]
    defaults: Mapping[str, Default]
    elsewhere: tuple[Field, ...]
    schedule: tuple[Field, ...]
    kept: tuple[str, ...]
    odd: tuple[tuple[str, Use], ...]

    def decode(self, record: Document, live: Document | None) -> dict[str, Value]:
        """Return all fields that the plan names; those that are not decided are None.

        Raises `ValueError` where a value can't be decoded, or is to be kept and is no text.
        """
        raw = record.record.values
        fields = dict[str, Value].fromkeys(self.names)
        fields.update(zip(self.texts, map(bytes.decode, map(raw.__getitem__, self.texts.values())), strict=True))
        for name, key, decode in self.decoded:
            fields[name] = decode(raw[key])
        if live is not None:
            fields.update((name, decode(live.record.values[key])) for name, key, decode in self.live)
        for name, default in self.defaults.items():
            fields[name] = copied(default)
        b"\n".join(map(raw.__getitem__, self.kept)).decode()
        return fields

    def origins(self, record: Document, live: Document | None) -> dict[str, Document | Source]:
        """Return where the fields that are decided come from."""
        origins = dict[str, Document | Source].fromkeys(self.own, record)
        if live is not None:
            origins.update((name, live) for name, _, _ in self.live)
        return origins | dict.fromkeys(self.defaults, BY_DEFAULT)


def plan(record: Document, live: Document | None, *, is_backup: bool) -> Plan | None:
    """Return the plan for a ``record`` and the ``live`` install with such keys; None where they take more than a plan.

    That is where the record tells nothing of the install at the time of the backup, or is unusually large.
    """
    if not record.record.is_usual or not (live is None or live.record.is_usual):
        return None
    return _plan(tuple(record.record.values), None if live is None else tuple(live.record.values), is_backup)


@lru_cache(maxsize=256)
def _plan(keys: tuple[str, ...], live: tuple[str, ...] | None, is_backup: bool) -> Plan | None:  # noqa: FBT001
    if live is not None and not tells_snapshot(frozenset(keys)):
        return None
    fields = {one.name: one for one in fields_of(is_backup=is_backup)}
    own_keys, live_keys = frozenset(keys), frozenset(live or ())
    told = {name for name, one in fields.items() if one.key in own_keys}
    lives = {name for name, one in fields.items() if one.scope is Scope.LIVE and one.key in live_keys}
    silent = ELSEWHERE & fields.keys() - told - lives
    defaults = {
        name: one for name in fields if name in silent and (one := fields[name].default) and not one.application
    }
    custom = {key.removeprefix(CUSTOM): key for key in keys if use_of(key) is Use.CUSTOM}
    decoded = [(one.name, one.key or "", one.decode) for one in fields.values() if one.name not in CUSTOM_SCHEDULE]
    kept = {key: use for key in keys if (use := use_of(key)) not in {Use.FIELD, Use.CUSTOM}}
    return Plan(
        names=(*(name for name in fields if name in told | lives | silent), *custom),
        own=(*(name for name in fields if name in told - CUSTOM_SCHEDULE), *custom),
        texts={name: key for name, key, decode in decoded if name in told and decode is text} | custom,
        decoded=tuple(one for one in decoded if one[0] in told and one[2] is not text),
        live=tuple(one for one in decoded if one[0] in lives - told),
        contested=tuple(one for one in fields.values() if one.name in told & lives),
        defaults=defaults,
        elsewhere=tuple(one for one in fields.values() if one.name in silent - defaults.keys()),
        schedule=tuple(one for one in fields.values() if one.name in told & CUSTOM_SCHEDULE),
        kept=tuple(kept),
        odd=tuple((key, use) for key, use in kept.items() if use is not Use.OTHER),
    )


def fields_of(*, is_backup: bool) -> tuple[Field, ...]:
    """Return the fields of a backup, or of an install, in the order of the wire."""
    return FIELDS if is_backup else _INSTALL_FIELDS


def tells_snapshot(keys: Collection[str]) -> bool:
    """Tell whether a record with these ``keys`` says anything about the install at the time of the backup."""
    return any(one.key in keys for one in FIELDS if one.scope is Scope.SNAPSHOT)
