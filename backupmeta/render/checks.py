"""The vocabulary of findings, for people and as JSON: what is judged, how severely, and what to do about it."""

from collections.abc import Sequence

from backupmeta.render.json import pretty
from backupmeta.render.text import table
from backupmeta.vocabulary.table import FINDINGS

_COLUMNS = ("id", "severity", "group", "says")


def listed(ids: Sequence[str], width: int | None) -> str:
    """Return a table of checks, drawn for a terminal of ``width`` columns, or tab-separated for None."""
    kinds = ((id_, FINDINGS[id_]) for id_ in ids)
    return table(_COLUMNS, [(id_, kind.severity, kind.group, kind.sentence) for id_, kind in kinds], width)


def explained(id_: str) -> str:
    """Return what one check says, and what to do."""
    kind = FINDINGS[id_]
    return f"{id_}: {kind.sentence}\n  severity: {kind.severity}\n  group:    {kind.group}\n  advice:   {kind.advice}\n"


def as_json(ids: Sequence[str]) -> str:
    """Return the checks as a JSON array."""
    names = ("group", "severity", "sentence", "advice")
    return pretty([{"id": id_, **{name: getattr(FINDINGS[id_], name) for name in names}} for id_ in ids])
