"""CSV (RFC 4180): a row a backup or install, a column a field of the answer, in the order of the wire."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Final

from backupmeta.inspection import Inspection
from backupmeta.record.fields import FIELDS
from backupmeta.record.values import Value

COLUMNS: Final = tuple(field.name for field in FIELDS)


def rows(inspections: Iterable[Inspection], *, show_secrets: bool) -> Iterator[str]:
    """Yield the header, then a line an inspection; lists of text joined by commas, plugins and themes as JSON."""
    yield _line([*COLUMNS, "custom"])
    for one in inspections:
        fields = one.wire(show_secrets=show_secrets)
        custom = {name: value for name, value in fields.items() if name not in COLUMNS}
        yield _line([*(_cell(fields.get(name)) for name in COLUMNS), _json(custom) if custom else ""])


def _line(cells: list[str]) -> str:
    target = io.StringIO()
    csv.writer(target).writerow(cells)
    return target.getvalue()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value)) if all(isinstance(item, str) for item in value) else _json(value)
    return str(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
