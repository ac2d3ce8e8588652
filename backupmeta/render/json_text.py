"""JSON: how any result is described and written, so that it means the same in every answer, and nobody obeys it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final

from backupmeta import escapes
from backupmeta.findings import Finding
from backupmeta.provenance import Source, display, located, named
from backupmeta.words import moment

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_SPACED: Final = json.JSONEncoder(ensure_ascii=False)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


# --- writing ----------------------------------------------------------------------------------------------------------


def pretty(value: object, indent: int = 2) -> str:
    """Return ``value`` as JSON for people, a level indented by ``indent`` blanks, with a line end."""
    return escapes.json(json.dumps(value, ensure_ascii=False, indent=indent)) + "\n"


def spaced(value: object) -> str:
    """Return ``value`` as JSON in a line, a blank after each comma and colon."""
    return escapes.json(_SPACED.encode(value))


def compact(value: object) -> str:
    """Return ``value`` as JSON in a line, without blanks."""
    return escapes.json(_COMPACT.encode(value))


def json_line(value: object) -> str:
    """Return ``value`` as one line of JSONL."""
    return compact(value) + "\n"


def json_list(before: str, entries: Iterable[object]) -> Iterator[str]:
    """Yield a list in pieces, a line an entry as they come; ``before`` is what stands before it."""
    is_empty = True
    for entry in entries:
        yield f"{before}[\n  {spaced(entry)}" if is_empty else f",\n  {spaced(entry)}"
        is_empty = False
    yield f"{before}[]" if is_empty else "\n]"


# --- describing -------------------------------------------------------------------------------------------------------


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
        return finding_object(value)
    if (attributes := _attributes(value)) is not None:
        return _object(attributes, times)
    return [as_json(entry, times) for entry in value] if isinstance(value, (list, tuple)) else value


def json_object(value: object, times: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return `as_json` of a named tuple, a dataclass or a mapping."""
    return _object(_attributes(value) or {}, times)


def _object(attributes: Mapping[str, object], times: frozenset[str]) -> dict[str, object]:
    described: dict[str, object] = {}
    for key, attribute in attributes.items():
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
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def finding_object(finding: Finding) -> dict[str, object]:
    """Return a finding."""
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "message": display(finding.message),
        "evidence": list(map(located, finding.evidence)),
    }
