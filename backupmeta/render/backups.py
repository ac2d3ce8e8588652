"""Backups and installs: one as the server answers, many as a table, as the server's list, JSONL and CSV."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import chain, islice
from typing import IO, Final, TypeAlias

from backupmeta.api.status import PAGE, SUCCESS
from backupmeta.backup.inspection import Inspection, Resolved, decoded
from backupmeta.errors import AnswerError
from backupmeta.folders import telling, text_file
from backupmeta.provenance import Fact, display, located
from backupmeta.record.fields import FIELD, FIELDS
from backupmeta.record.grammar import Document
from backupmeta.record.values import Value
from backupmeta.render.formats import (
    Format,
    Formats,
    Trait,
    View,
    csv_line,
    finding_object,
    formats,
    json_line,
    pretty,
    rows_for,
    table,
)
from backupmeta.secrets import is_closed, mask_text, opened, plain
from backupmeta.words import recorded_clock

BACKUP_COLUMNS: Final = ("time (UTC)", "id", "user", "application", "version", "url", "title", "state", "archive")
INSTALL_COLUMNS: Final = ("created (UTC)", "id", "user", "application", "version", "url", "title", "backups", "path")
CSV_COLUMNS: Final = tuple(field.name for field in FIELDS)

_IN_MEMORY: Final = 1024 * 1024
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ListView(View):
    """How backups or installs are to be shown.

    Attributes:
        show_secrets: whether secrets are shown instead of ``********``.
        provenance: whether it is added where each value comes from.
        offset: how many rows are left out first.
        limit: how many rows are shown at most; for None, as many as the format has: the server's list 50, others all.
    """

    show_secrets: bool = False
    provenance: bool = False
    offset: int = 0
    limit: int | None = None

    def page(self, rows: Iterable[Inspection]) -> Iterator[Inspection]:
        """Yield the ``rows`` that are to be shown."""
        return islice(rows, self.offset, None if self.limit is None else self.offset + self.limit)


ListRendering: TypeAlias = Callable[[Iterable[Inspection], ListView], Iterable[str]]
"""Renders the rows of a list, of which the view says which are to be shown."""

AnswerRendering: TypeAlias = Callable[[Inspection | AnswerError, ListView], Iterable[str]]
"""Renders one backup or install, or why there is none."""


# --- tables -----------------------------------------------------------------------------------------------------------


def backup_table(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield a table of backups."""
    yield table(BACKUP_COLUMNS, map(backup_cells, view.page(rows)), view.width)


def install_table(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield a table of installs."""
    yield table(INSTALL_COLUMNS, map(install_cells, view.page(rows)), view.width)


def backup_cells(backup: Inspection) -> tuple[str, ...]:
    """Return the cells of a backup's row, as `BACKUP_COLUMNS`."""
    time = recorded_clock(backup.text("backup_time"))
    return time, *_shared_cells(backup), str(backup.state or ""), _text(backup, "backup_filename")


def install_cells(install: Inspection) -> tuple[str, ...]:
    """Return the cells of an install's row, as `INSTALL_COLUMNS`."""
    created, backups = install.get("time_created"), install.get("cache_numbackups")
    time = recorded_clock(str(created) if isinstance(created, int) else "")
    return time, *_shared_cells(install), "" if backups is None else str(backups), _text(install, "path")


def _shared_cells(inspection: Inspection) -> tuple[str, ...]:
    return tuple(_text(inspection, name) for name in ("id", "user", "application", "version", "url", "title"))


def _text(inspection: Inspection, name: str) -> str:
    return str(inspection.text(name))


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv_rows(rows: Iterable[Inspection], view: ListView) -> Iterable[str]:
    """Yield CSV (RFC 4180): a column a field of the answer, in the order of the wire, and one for custom fields.

    Lists of text are joined by commas, plugins and themes are JSON.
    """
    return rows_for(view.width, _csv_rows(view.page(rows), view))


def _csv_rows(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    yield csv_line([*CSV_COLUMNS, "custom"])
    for inspection in rows:
        fields = inspection.wire(show_secrets=view.show_secrets)
        custom = {name: value for name, value in fields.items() if name not in CSV_COLUMNS}
        yield csv_line([*(_csv_cell(fields.get(name)) for name in CSV_COLUMNS), _cell_json(custom) if custom else ""])


def _csv_cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value)) if all(isinstance(item, str) for item in value) else _cell_json(value)
    return str(value)


def _cell_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- JSON -------------------------------------------------------------------------------------------------------------


def answer(result: Inspection | AnswerError, view: ListView) -> Iterator[str]:
    """Yield the server's envelope for one backup or install, or for a negative answer."""
    if isinstance(result, AnswerError):
        message = display(result.message) + "\n"
        envelope = _envelope(result=False, status=result.status, errcode=result.errcode, message=message)
        yield pretty({**envelope, "data": None})
        return
    envelope = _envelope(result=True, status=200, errcode=None, message=SUCCESS)
    envelope["data"] = result.wire(show_secrets=view.show_secrets)
    if view.provenance:
        envelope["provenance"] = origins(result, show_secrets=view.show_secrets)
    yield pretty(envelope)


def page(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield the server's envelope for a part of a list.

    The rows after the page are counted; the page waits in a temporary file where it is large.
    """
    limit, total = PAGE if view.limit is None else view.limit, 0
    with text_file(_IN_MEMORY) as kept:
        for total, inspection in enumerate(rows, 1):
            if view.offset < total <= view.offset + limit:
                _keep(kept, "\n    " if total == view.offset + 1 else ",\n    ")
                _keep(kept, page_entry(_object(inspection, view)))
        is_empty = not (limit and total > view.offset)
        before, after = page_envelope(view.offset, limit, total, is_empty=is_empty)
        yield from chain([before], _kept(kept), [after])


def _keep(file: IO[str], text: str) -> None:
    with telling():
        file.write(text)


def _kept(file: IO[str]) -> Iterator[str]:
    with telling():
        file.seek(0)
        yield from iter(partial(file.read, _PIECE), "")


def page_envelope(offset: int, limit: int, total_count: int, *, is_empty: bool) -> tuple[str, str]:
    """Return the server's envelope for a part of a list: what stands before its entries, and what after them."""
    envelope = _envelope(result=True, status=200, errcode=None, message=SUCCESS)
    text = pretty({**envelope, "offset": offset, "limit": limit, "total_count": total_count, "data": []})
    before, _, after = text.rpartition("]")
    return before, f"]{after}" if is_empty else f"\n  ]{after}"


def page_entry(value: Mapping[str, object]) -> str:
    """Return an entry of a `page`, without what parts it from the one before it."""
    return pretty(value).rstrip().replace("\n", "\n    ")


def jsonl(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield one JSON object a line."""
    return (json_line(_object(inspection, view)) for inspection in view.page(rows))


def _object(inspection: Inspection, view: ListView) -> Mapping[str, object]:
    """Return one entry of a list, as the server has it, its provenance beside its fields if wanted."""
    fields = inspection.wire(show_secrets=view.show_secrets)
    if not view.provenance:
        return fields
    return {**fields, "provenance": origins(inspection, show_secrets=view.show_secrets)}


def _envelope(*, result: bool, status: int, errcode: str | None, message: str) -> dict[str, object]:
    return {"result": result, "status": status, "errcode": errcode, "errfield": None, "message": message}


# --- provenance -------------------------------------------------------------------------------------------------------


def origins(inspection: Inspection, *, show_secrets: bool) -> dict[str, object]:
    """Return where each value comes from, what else was said, what was kept beside, and every finding."""
    described: dict[str, object] = {}
    if inspection.state is not None:
        described["state"] = str(inspection.state)
    if (name := inspection.archive_name) is not None:
        described["archive_name"] = {
            "host": display(name.host),
            "title": display(name.title),
            "local_time": name.local_time.isoformat(),
            "utc_offset": _offset(inspection.utc_offset),
        }
    ids = dict[str, list[str]]()
    for finding in inspection.findings:
        ids.setdefault(finding.subject, []).append(finding.id)
    described["fields"] = {
        name: _field(resolved, ids.get(name, []), show_secrets=show_secrets)
        for name, resolved in inspection.values.items()
    }
    described["extra"] = dict(
        _extra(key, holding, show_secrets=show_secrets) for key, holding in inspection.kept.items()
    )
    described["findings"] = list(map(finding_object, inspection.findings))
    return described


def _offset(zone: timezone | None) -> str | None:
    return None if zone is None else datetime(2000, 1, 1, tzinfo=zone).isoformat()[-6:]


def _field(resolved: Resolved, ids: list[str], *, show_secrets: bool) -> dict[str, object]:
    described: dict[str, object] = {"source": located(resolved.source)}
    if resolved.losers:
        described["conflicts"] = [_loser(resolved.name, fact, show_secrets=show_secrets) for fact in resolved.losers]
    if ids:
        described["findings"] = ids
    return described


def _loser(name: str, fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a value that lost, decoded like the one that won where it can be."""
    described = _raw(fact, show_secrets=show_secrets)
    if (known := FIELD.get(name)) is not None:
        with suppress(ValueError):
            value = decoded(known, fact)
            described = {"value": (opened if show_secrets else plain)(value)}
    return {**described, "source": located(fact.source)}


def _raw(fact: Fact, *, show_secrets: bool) -> dict[str, object]:
    """Return a raw value: its text, and its bytes where they are not UTF-8 and no secret."""
    raw = opened(fact.raw) if show_secrets else fact.raw
    text = raw.decode("utf-8", "replace")
    described: dict[str, object] = {"value": text}
    if not is_closed(raw) and raw.decode("utf-8", "surrogateescape") != text:
        described["base64"] = base64.b64encode(raw).decode("ascii")
    return described


def _extra(field: str, holding: list[Document], *, show_secrets: bool) -> tuple[str, dict[str, object]]:
    """Return a key and what is kept of it; bytes of a key that aren't UTF-8 as ``\\xff``, exactly in base64."""
    exact = field.encode("utf-8", "surrogateescape")
    key = exact.decode("utf-8", "backslashreplace")
    described: dict[str, object] = {}
    if not show_secrets and (shown_key := mask_text(key)) != key:
        key = shown_key
    elif key != field:
        described["key_base64"] = base64.b64encode(exact).decode("ascii")
    fact, *others = (document.fact(field) for document in holding)
    described |= {**_raw(fact, show_secrets=show_secrets), "source": located(fact.source)}
    if losers := [other for other in others if other.raw != fact.raw]:
        described["conflicts"] = [
            {**_raw(other, show_secrets=show_secrets), "source": located(other.source)} for other in losers
        ]
    return key, described


# --- formats ----------------------------------------------------------------------------------------------------------

_WITH_PROVENANCE: Final = frozenset({Trait.WITH_PROVENANCE})
_SHARED: Final[tuple[Format[ListRendering], ...]] = (
    Format("json", "the server's list envelope, 50 entries unless --limit says otherwise", page, _WITH_PROVENANCE),
    Format("jsonl", "one JSON object a line", jsonl, _WITH_PROVENANCE | {Trait.ROW_BY_ROW}),
    Format("csv", "a column a field", csv_rows),
)

BACKUPS: Final[Formats[ListRendering]] = formats(Format("table", "a table for people", backup_table), *_SHARED)
"""The formats of a list of backups."""

INSTALLS: Final[Formats[ListRendering]] = formats(Format("table", "a table for people", install_table), *_SHARED)
"""The formats of a list of installs."""

ANSWERS: Final[Formats[AnswerRendering]] = formats(Format("json", "the server's envelope", answer, _WITH_PROVENANCE))
"""The formats of one backup or install."""
