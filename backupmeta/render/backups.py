"""Backups and installs: one as the server answers, many as a table, as the server's list, JSONL and CSV."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias, TypeVar

from backupmeta import rules
from backupmeta.backup.inspection import GoneInstall, Inspection
from backupmeta.errors import PAGE, SUCCESS, AnswerError
from backupmeta.folders import TemporaryDatabase
from backupmeta.provenance import display
from backupmeta.record.fields import FIELDS
from backupmeta.record.values import Value
from backupmeta.render.formats import (
    CsvRow,
    Format,
    Formats,
    Trait,
    View,
    compact,
    csv_formats,
    json_list,
    pretty,
    table,
)
from backupmeta.words import clock, recorded_clock

_EVIDENCE: Final = ("account", "local path")
_LEAST_TELLING: Final = (*_EVIDENCE, "archive", "path", "id", "title", "backups", "state", "version", "findings")
"""What is left out of a table first where there is no room; a time, a user, an application and a URL never are."""
_IN_EACH_TABLE: Final = ("id", "user", "application", "version", "url", "title")
BACKUP_COLUMNS: Final = ("time (UTC)", *_IN_EACH_TABLE, "state", "archive", "findings", *_EVIDENCE)
INSTALL_COLUMNS: Final = ("created (UTC)", *_IN_EACH_TABLE, "backups", "path", "findings", *_EVIDENCE)
_CSV_EVIDENCE: Final = ("account", "local_path", "server_path")
CSV_COLUMNS: Final = tuple(field.name for field in FIELDS)

Row = TypeVar("Row")


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

    def page(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the ``rows`` that are to be shown."""
        return islice(rows, self.offset, None if self.limit is None else self.offset + self.limit)


ListRendering: TypeAlias = Callable[[Iterable[Row], ListView], Iterable[str]]
"""Renders the rows of a list, of which the view says which are to be shown."""

AnswerRendering: TypeAlias = Callable[[Inspection | AnswerError, ListView], Iterable[str]]
"""Renders one backup or install, or why there is none."""


# --- tables -----------------------------------------------------------------------------------------------------------


def backup_table(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield a table of backups."""
    yield from _with_findings(BACKUP_COLUMNS, map(backup_cells, view.page(rows)), view)


def install_table(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield a table of installs."""
    yield from _with_findings(INSTALL_COLUMNS, map(install_cells, view.page(rows)), view)


def _with_findings(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], view: ListView) -> Iterator[str]:
    """Yield a table; on a terminal the column of findings takes room only where there are any."""
    if view.width is None:
        return table(columns, rows, view)
    kept, at = list(rows), columns.index("findings")
    if not any(row[at] for row in kept):
        columns, kept = (*columns[:at], *columns[at + 1 :]), [(*row[:at], *row[at + 1 :]) for row in kept]
    return table(columns, kept, view, _LEAST_TELLING)


def backup_cells(backup: Inspection) -> tuple[str, ...]:
    """Return the cells of a backup's row, as `BACKUP_COLUMNS`."""
    time, shared = recorded_clock(backup.text("backup_time")), map(backup.text, _IN_EACH_TABLE)
    state, evidence = str(backup.state or ""), (backup.account, backup.path)
    return time, *shared, state, backup.text("backup_filename"), _findings(backup), *evidence


def install_cells(install: Inspection) -> tuple[str, ...]:
    """Return the cells of an install's row, as `INSTALL_COLUMNS`."""
    created, backups = install.seconds("time_created"), install.get("cache_numbackups")
    time, shared = "" if created is None else clock(created), map(install.text, _IN_EACH_TABLE)
    number, evidence = "" if backups is None else str(backups), (install.account, install.path)
    return time, *shared, number, install.text("path"), _findings(install), *evidence


def _findings(row: Inspection) -> str:
    """Return the ids of the errors and warnings about a row, and of what says that a part of it is gone, each once."""
    return " ".join(
        dict.fromkeys(finding.id for finding in row.findings if finding.is_doubt or finding.rule in rules.LOST)
    )


# --- installs that are gone -------------------------------------------------------------------------------------------

GONE_COLUMNS: Final = ("last backup (UTC)", *_IN_EACH_TABLE, "backups", "first backup (UTC)", "archive")
_OF_NEWEST: Final = ("application", "version", "url", "title", "user", "path")
_OF_ALL: Final = ("backups", "first_backup_time", "last_backup_time", "last_backup", "archive")
GONE_MEMBERS: Final = ("id", "account", *_OF_NEWEST, *_OF_ALL)


def gone_table(rows: Iterable[GoneInstall], view: ListView) -> Iterator[str]:
    """Yield a table of installs that are gone."""
    return table(GONE_COLUMNS, map(gone_cells, view.page(rows)), view, ("first backup (UTC)", *_LEAST_TELLING))


def gone_cells(gone: GoneInstall) -> tuple[str, ...]:
    """Return the cells of an install's row, as `GONE_COLUMNS`."""
    shared = map(gone.newest.text, _IN_EACH_TABLE[1:])
    last, first = ("" if time is None else clock(time) for time in (gone.last_backup_time, gone.first_backup_time))
    return last, gone.id, *shared, str(gone.backups), first, gone.archive or ""


def gone_json(rows: Iterable[GoneInstall], view: ListView) -> Iterator[str]:
    """Yield an array of objects with `GONE_MEMBERS`; times are ISO 8601 in UTC."""
    yield from json_list("", (gone.to_json() for gone in view.page(rows)))
    yield "\n"


def gone_jsonl(rows: Iterable[GoneInstall], view: ListView) -> Iterator[str]:
    """Yield the same objects, one a line."""
    return (compact(gone.to_json()) + "\n" for gone in view.page(rows))


def _gone_csv(rows: Iterable[GoneInstall], view: ListView) -> Iterator[CsvRow]:
    """Yield the cells of the same objects, a column a member."""
    yield GONE_MEMBERS
    for gone in view.page(rows):
        described = gone.to_json()
        yield [str(described[name] or "") or None for name in GONE_MEMBERS]


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv_rows(rows: Iterable[Inspection], view: ListView) -> Iterator[CsvRow]:
    """Yield a column a field of the answer, in the order of the wire; custom fields, findings, places.

    Lists of text are joined by commas, plugins and themes are JSON; what is empty is nothing.
    """
    yield [*CSV_COLUMNS, "custom", "findings", *_CSV_EVIDENCE]
    for inspection in view.page(rows):
        fields = inspection.wire(show_secrets=view.show_secrets)
        custom = {name: value for name, value in fields.items() if name not in CSV_COLUMNS}
        cells = [*(_csv_cell(fields.get(name)) for name in CSV_COLUMNS), _json(custom) if custom else ""]
        evidence = inspection.evidence
        yield [
            cell or None for cell in (*cells, _findings(inspection), *(str(evidence[name]) for name in _CSV_EVIDENCE))
        ]


def _csv_cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value)) if all(isinstance(item, str) for item in value) else _json(value)
    return str(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- JSON -------------------------------------------------------------------------------------------------------------


def answer(result: Inspection | AnswerError, view: ListView) -> Iterator[str]:
    """Yield the server's envelope for one backup or install, or for a negative answer."""
    if isinstance(result, AnswerError):
        yield pretty({**_envelope(result), "data": None})
        return
    envelope = {**_envelope(), "data": result.wire(show_secrets=view.show_secrets)}
    if view.provenance:
        envelope["provenance"] = result.provenance(show_secrets=view.show_secrets)
    yield pretty(envelope)


def page(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield the server's envelope for a part of a list.

    The rows after the page are counted; the page waits in a temporary file where it is large.
    """
    limit, total = PAGE if view.limit is None else view.limit, 0
    kept = TemporaryDatabase("CREATE TABLE entry (text TEXT)")
    for total, inspection in enumerate(rows, 1):
        if view.offset < total <= view.offset + limit:
            kept.insert("INSERT INTO entry (text) VALUES (?)", [(page_entry(_object(inspection, view)),)])
    is_empty = not (limit and total > view.offset)
    before, after = page_envelope(view.offset, limit, total, is_empty=is_empty)
    yield before
    for number, (entry,) in enumerate(kept.rows("SELECT text FROM entry ORDER BY rowid")):
        yield f"{',' if number else ''}\n    {entry}"
    yield after


def page_envelope(offset: int, limit: int, total_count: int, *, is_empty: bool) -> tuple[str, str]:
    """Return the server's envelope for a part of a list: what stands before its entries, and what after them."""
    text = pretty({**_envelope(), "offset": offset, "limit": limit, "total_count": total_count, "data": []})
    before, _, after = text.rpartition("]")
    return before, f"]{after}" if is_empty else f"\n  ]{after}"


def page_entry(value: Mapping[str, object]) -> str:
    """Return an entry of a `page`, without what parts it from the one before it."""
    return pretty(value).rstrip().replace("\n", "\n    ")


def jsonl(rows: Iterable[Inspection], view: ListView) -> Iterator[str]:
    """Yield one JSON object a line: an entry of the server's list, and where its evidence lies."""
    rows = view.page(rows)
    return (compact({**_object(inspection, view), "evidence": inspection.evidence}) + "\n" for inspection in rows)


def _object(inspection: Inspection, view: ListView) -> Mapping[str, object]:
    """Return one entry of a list, as the server has it, its provenance beside its fields if wanted."""
    return inspection.to_json(provenance=view.provenance, show_secrets=view.show_secrets)


def _envelope(error: AnswerError | None = None) -> dict[str, object]:
    """Return what stands before the data of an answer, or of an ``error``."""
    if error is None:
        return {"result": True, "status": 200, "errcode": None, "errfield": None, "message": SUCCESS}
    answered = {"result": False, "status": error.status, "errcode": error.errcode, "errfield": None}
    return {**answered, "message": display(error.message) + "\n"}


# --- formats ----------------------------------------------------------------------------------------------------------

_SHARED: Final[tuple[Format[ListRendering[Inspection]], ...]] = (
    Format("json", "the server's list envelope, 50 entries unless --limit says otherwise", page, Trait.WITH_PROVENANCE),
    Format("jsonl", "one JSON object a line", jsonl, Trait.WITH_PROVENANCE | Trait.ROW_BY_ROW),
    *csv_formats("a column a field", _csv_rows),
)

BACKUPS: Final[Formats[ListRendering[Inspection]]] = Formats(
    Format("table", "a table for people", backup_table), *_SHARED
)
"""The formats of a list of backups."""

INSTALLS: Final[Formats[ListRendering[Inspection]]] = Formats(
    Format("table", "a table for people", install_table), *_SHARED
)
"""The formats of a list of installs."""

GONE: Final[Formats[ListRendering[GoneInstall]]] = Formats(
    Format("table", "a table for people", gone_table),
    Format("json", "an array of objects", gone_json),
    Format("jsonl", "one JSON object a line", gone_jsonl),
    *csv_formats("a column a member of these objects", _gone_csv),
)
"""The formats of a list of installs that are gone."""

ANSWERS: Final[Formats[AnswerRendering]] = Formats(
    Format("json", "the server's envelope", answer, Trait.WITH_PROVENANCE)
)
"""The formats of one backup or install."""
