"""What JSON describes: any result as objects, lists, text, numbers and null, alike in every answer."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from backupmeta.findings import Finding
from backupmeta.provenance import Source, display, located, named
from backupmeta.words import moment


def as_json(value: object, times: frozenset[str] = frozenset()) -> object:
    """Return any result as objects, lists, text, numbers and null.

    A named tuple or a dataclass is an object with its attributes. Text that is not UTF-8 has a twin with its exact
    bytes where it is an object's member; secrets in text are masked. A place and a finding are described alike in all
    answers. Members whose names are in ``times`` are Unix seconds, given as ISO 8601 in UTC.
    """
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return display(str(value))
    if isinstance(value, Source):
        return located(value)
    if isinstance(value, Finding):
        return value.to_json()
    if (attributes := _attributes(value)) is not None:
        return json_object(attributes, times)
    return [as_json(entry, times) for entry in value] if isinstance(value, (list, tuple)) else value


def json_object(value: object, times: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return `as_json` of a named tuple, a dataclass or a mapping."""
    described: dict[str, object] = {}
    for key, attribute in (_attributes(value) or {}).items():
        if isinstance(attribute, str):
            described.update(named(key, str(attribute)))
        elif isinstance(attribute, int) and key in times:
            described[key] = moment(attribute)
        else:
            described[key] = as_json(attribute, times)
    return described


def _attributes(value: object) -> Mapping[str, object] | None:
    """Return the members of an object; None for what is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(zip(value._fields, value, strict=True))  # type: ignore[attr-defined]
    if is_dataclass(value):
        return {attribute.name: getattr(value, attribute.name) for attribute in fields(value)}
    return None
