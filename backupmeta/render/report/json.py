"""A report as JSON: an object with the attributes of `Report`, and its `Summary`.

Times are ISO 8601 in UTC, sizes are bytes; what is not known is null. A path that is not UTF-8 has a twin,
``path_base64``, with its exact bytes. The rows know each other by the catalog's numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import Field, fields
from typing import Any, Final

from backupmeta.catalog.summary import Summary
from backupmeta.provenance import Source, display, located, named
from backupmeta.render.export import moment
from backupmeta.render.json import spaced
from backupmeta.report.model import Report

_TIMES: Final = frozenset("written as_of oldest began ended newest created updated time modified".split())
"""The attributes that are times."""


def as_json(report: Report) -> str:
    """Return ``report`` as JSON, a line a row."""
    head = {"summary": _summary(report.summary), **_told(report, _scalars(report))}
    lists = (one.name for one in _own_fields(report) if isinstance(getattr(report, one.name), tuple))
    parts = [f"{spaced(key)}: {spaced(value)}" for key, value in head.items()]
    parts += [f"{spaced(key)}: {_rows(getattr(report, key))}" for key in lists]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _scalars(report: Report) -> Iterator[str]:
    return (one.name for one in _own_fields(report) if not isinstance(getattr(report, one.name), tuple))


def _own_fields(report: Report) -> Iterator[Field[Any]]:
    return (one for one in fields(report) if one.name != "summary")


def _rows(rows: Iterable[Any]) -> str:
    lines = ",\n".join(f"  {spaced(_row(one))}" for one in rows)
    return f"[\n{lines}\n]" if lines else "[]"


def _row(one: Any) -> dict[str, object]:  # noqa: ANN401 - a dataclass of the model, whichever
    return _told(one, (field.name for field in fields(one)))


def _told(one: object, keys: Iterable[str]) -> dict[str, object]:
    """Return the attributes ``keys``."""
    told: dict[str, object] = {}
    for key in keys:
        told.update(_member(key, getattr(one, key)))
    return told


def _member(key: str, value: object) -> dict[str, object]:
    if isinstance(value, str):
        return named(key, value)
    if isinstance(value, int) and key in _TIMES:
        return {key: moment(value)}
    if isinstance(value, tuple):
        return {key: [_entry(one) for one in value]}
    return {key: value}


def _entry(one: object) -> object:
    """Return an entry of a list: a place, a plugin, a path."""
    if isinstance(one, Source):
        return located(one)
    return display(one) if isinstance(one, str) else _row(one)


def _summary(counts: Summary) -> dict[str, object]:
    copies, wasted = (counts.duplicates.copies, counts.duplicates.wasted_bytes) if counts.duplicates else (0, 0)
    return {
        "accounts": counts.accounts,
        "installs": counts.installs,
        "backups": counts.backups,
        "orphans": counts.orphans.backups,
        "archives": counts.archives,
        "bytes": counts.bytes,
        "digested": counts.digested,
        "verdicts": counts.verdicts,
        "duplicates": {"copies": copies, "bytes": wasted},
        "oldest": None if counts.oldest is None else moment(counts.oldest.time),
        "newest": None if counts.newest is None else moment(counts.newest.time),
        "severities": counts.severities,
        "kinds": [
            {"id": one.id, "severity": one.severity, "sentence": one.sentence, "advice": one.advice, "times": one.times}
            for one in counts.findings
        ],
    }
