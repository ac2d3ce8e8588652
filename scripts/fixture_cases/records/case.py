"""Every record case's folder: a record file, named by its id and looked at alone, beside what is expected of it."""

from collections.abc import Iterator
from typing import Final

from fixture_cases.base import RecordCase, answer, extras, ids
from fixture_cases.records import dialects, text, values
from fixture_cases.tree import Json, Tree, below, json_bytes

CASES: Final[tuple[RecordCase, ...]] = (
    *dialects.YEARS,
    *dialects.APPS_AND_PANELS,
    *values.CHOICES,
    *values.VALUES,
    *values.NUMBERS,
    *text.ODDITIES,
    *text.IDS_AND_INSTALLS,
)


def expected(case: RecordCase) -> Json:
    """Return what is expected of a record."""
    verdict: dict[str, Json] = {"why": case.why, "data": None, "errcode": None, "extra": {}, "findings": []}
    if case.error is not None:
        return {**verdict, "error": case.error}
    return {**verdict, "data": answer(case.fields), "extra": extras(case.extra), "findings": ids(case.findings)}


def files(case: RecordCase) -> Tree:
    """Return a case's folder: the record, and what is expected of it."""
    return {case.record_id: case.content, "expected.json": json_bytes(expected(case))}


def trees() -> Iterator[Tree]:
    """Yield every record case's folder."""
    for case in CASES:
        yield below(f"records/{case.name}", files(case))
