"""A report as one page that needs nothing else: opened from a file, it loads nothing, and runs its own scripts alone.

What stands in which column of its tables is written once, for the page's markup and its script.

Whatever comes from evidence is escaped by the template, or stands in a data block that a script turns into text nodes.
What the template calls ``safe`` is our own, or that block, which has no character that markup has.
The block has columns of numbers, and the texts that they stand for, each once. The texts are sorted, so that cells
compare as their texts do; versions have an order of their own.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from backupmeta.checks.applications import order
from backupmeta.render.formats import Format, Formats, Rendering, Trait, compact, formats
from backupmeta.render.report_text import (
    depth,
    extensions,
    markdown,
    named_archive,
    origin,
    places,
    report_json,
    scope,
    shown,
    tiles,
    verdict,
)
from backupmeta.report import (
    Report,
    ReportedAccount,
    ReportedBackup,
    ReportedFinding,
)
from backupmeta.words import minute, place

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS: Final = ("page.js", "chart.umd.min.js", "plots.js")
_NO_MARKUP: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}

_Cells = list[Any]


# --- its tables -------------------------------------------------------------------------------------------------------


class CellKind(StrEnum):
    """What the cells of a column are, and so how the page's script shows them."""

    TEXT = "text"
    CODE = "code"
    """Text that is exact: a path, an id, a digest."""
    WORD = "word"
    """One of few words: a severity, a state, a verdict."""
    VERSION = "version"
    """Text that is sorted as versions are."""
    TIME = "time"
    """Unix seconds."""
    BYTES = "bytes"
    COUNT = "count"
    LINK = "link"
    """The row of another table."""
    TALLY = "tally"
    """How many findings of which severity there are about the row; the script counts them."""
    PLACES = "places"
    """Places of evidence, each a phrase and a path."""


_TEXTS: Final = frozenset({CellKind.TEXT, CellKind.CODE, CellKind.WORD, CellKind.VERSION})


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        key: its name for the script and in links.
        label: its heading.
        kind: what its cells are.
        value: gives the cell of a row of a report, where that is not the row's attribute of the column's key; of a
            link, the number that the other row has in the catalog.
        below: the key of the column that it stands below of, in the same cell of the table.
        is_detail: whether it is shown for one row, once that is opened.
        is_filter: whether rows can be chosen by it.
        target: the key of the table that a link leads to.
    """

    key: str
    label: str
    kind: CellKind
    value: Callable[[Any, Report], Any] | None = None
    below: str = ""
    is_detail: bool = False
    is_filter: bool = False
    target: str = ""

    @property
    def getter(self) -> Callable[[Any, Report], Any]:
        """What gives the cell of a row of a report."""
        return self.value or (lambda row, _report: getattr(row, self.key))

    @property
    def is_head(self) -> bool:
        """Whether it has a heading of its own."""
        return not self.below and not self.is_detail

    @property
    def is_number(self) -> bool:
        """Whether its cells end where the column ends."""
        return self.kind in {CellKind.BYTES, CellKind.COUNT}


class Table(NamedTuple):
    """A table.

    Attributes:
        key: its name for the script and in links; the report's attribute that has its rows.
        title: its title.
        note: what it says of itself.
        name: gives the name of a row.
        columns: its columns.
    """

    key: str
    title: str
    note: str
    name: Callable[[Any], str]
    columns: tuple[Column, ...]

    def rows(self, report: Report) -> Sequence[Any]:
        """Return the rows of ``report``."""
        rows: Sequence[Any] = getattr(report, self.key)
        return rows

    @property
    def heads(self) -> tuple[Column, ...]:
        """The columns with a heading."""
        return tuple(column for column in self.columns if column.is_head)

    @property
    def has_details(self) -> bool:
        """Whether a row can be opened."""
        return any(column.is_detail for column in self.columns)

    @property
    def filters(self) -> tuple[Column, ...]:
        """The columns that rows can be chosen by."""
        return tuple(column for column in self.columns if column.is_filter)


def _account(*, below: str = "") -> Column:
    return Column("account", "Account", CellKind.LINK, below=below, is_filter=True, target="accounts")


def _detail(key: str, label: str, kind: CellKind, value: Callable[[Any, Report], Any] | None = None) -> Column:
    return Column(key, label, kind, value, is_detail=True)


def _evidence(finding: ReportedFinding, report: Report) -> list[tuple[str, str]]:
    base = None if finding.account is None else report.account_paths[finding.account]
    return list(places(finding, base))


def _seen_elsewhere(account: ReportedAccount, _report: Report) -> str | None:
    return None if account.seen == account.path else account.seen


_TALLY: Final = Column("findings", "Findings", CellKind.TALLY, lambda _row, _report: None)
_PLUGINS: Final = _detail("plugins", "Plugins", CellKind.TEXT, lambda row, _report: extensions(row.plugins))
_THEMES: Final = _detail("themes", "Themes", CellKind.TEXT, lambda row, _report: extensions(row.themes))

_FINDINGS: Final = (
    Column("severity", "Severity", CellKind.WORD, is_filter=True),
    Column("message", "What was found", CellKind.TEXT),
    Column("id", "Kind", CellKind.CODE, below="message", is_filter=True),
    Column("backup", "About", CellKind.LINK, target="backups"),
    Column("install", "Install", CellKind.LINK, below="backup", target="installs"),
    _account(below="backup"),
    Column("evidence", "Where it can be seen", CellKind.PLACES, _evidence),
    _detail("advice", "Advice", CellKind.TEXT),
)

_BACKUPS: Final = (
    Column("time", "Made (UTC)", CellKind.TIME),
    Column("title", "Site", CellKind.TEXT),
    Column("url", "Address", CellKind.TEXT, below="title"),
    Column("application", "Application", CellKind.TEXT, is_filter=True),
    Column("version", "Version", CellKind.VERSION, is_filter=True),
    _account(),
    Column("state", "State", CellKind.WORD, is_filter=True),
    Column("verdict", "Verdict", CellKind.WORD, below="state", is_filter=True),
    Column("bytes", "Size", CellKind.BYTES),
    _TALLY,
    _detail("archive", "Archive", CellKind.CODE),
    _detail("sha256", "SHA-256", CellKind.CODE),
    _detail("id", "Id", CellKind.CODE),
    Column("install", "Install", CellKind.LINK, is_detail=True, target="installs"),
    _detail("install_id", "Id of the install", CellKind.CODE),
    _detail("user", "Owner", CellKind.TEXT),
    _detail("path", "Folder of the install", CellKind.CODE),
    _detail("location", "Location", CellKind.TEXT),
    _detail("note", "Note", CellKind.TEXT),
    _PLUGINS,
    _THEMES,
)

_INSTALLS: Final = (
    Column("title", "Site", CellKind.TEXT),
    Column("url", "Address", CellKind.TEXT, below="title"),
    Column("application", "Application", CellKind.TEXT, is_filter=True),
    Column("version", "Version", CellKind.VERSION, is_filter=True),
    _account(),
    Column("created", "Installed (UTC)", CellKind.TIME),
    Column("updated", "Updated (UTC)", CellKind.TIME),
    Column("backups", "Backups", CellKind.COUNT),
    Column("newest", "Newest backup (UTC)", CellKind.TIME),
    _TALLY,
    _detail("id", "Id", CellKind.CODE),
    _detail("user", "Owner", CellKind.TEXT),
    _detail("path", "Folder", CellKind.CODE),
    _detail("available", "Can be updated to", CellKind.VERSION),
    _PLUGINS,
    _THEMES,
)

_ACCOUNTS: Final = (
    Column("path", "Account", CellKind.CODE),
    Column("seen", "As the server saw it", CellKind.CODE, _seen_elsewhere, "path"),
    Column("host", "Host", CellKind.TEXT, lambda account, _report: account.host or None, "path"),
    Column("status", "Status", CellKind.WORD, is_filter=True),
    Column("installs", "Installs", CellKind.COUNT),
    Column("backups", "Backups", CellKind.COUNT),
    Column("archives", "Archives", CellKind.COUNT),
    Column("bytes", "Size", CellKind.BYTES),
    Column("newest", "Newest backup (UTC)", CellKind.TIME),
    _TALLY,
)

_ARCHIVES: Final = (
    Column("path", "Archive", CellKind.CODE),
    Column("sha256", "SHA-256", CellKind.CODE, below="path"),
    _account(),
    Column("bytes", "Size", CellKind.BYTES),
    Column("modified", "Modified (UTC)", CellKind.TIME),
    Column("status", "Status", CellKind.WORD, is_filter=True),
    Column("verdict", "Verdict", CellKind.WORD, below="status", is_filter=True),
    Column("backup", "Backup", CellKind.LINK, target="backups"),
)


def _backup_name(backup: ReportedBackup) -> str:
    site = backup.title or backup.url or backup.application
    if site and backup.time is not None:
        return f"{site}, {minute(backup.time)}"
    return named_archive(backup.archive) or backup.id or "?"


TABLES: Final = (
    Table(
        "findings",
        "Findings",
        "Something that somebody should know: the worst first. Severity is error, warning or note.",
        lambda finding: finding.message,
        _FINDINGS,
    ),
    Table(
        "backups",
        "Backups",
        "Paired: a record and its archive. Missing: a record without its archive. Remote: its archive is elsewhere."
        " Unclaimed: an archive that no record names.",
        _backup_name,
        _BACKUPS,
    ),
    Table(
        "installs",
        "Installs",
        "What is installed now, as the server's own records tell.",
        lambda install: install.title or install.url or install.id,
        _INSTALLS,
    ),
    Table(
        "accounts",
        "Accounts",
        "Homes, and folders of archives that belong to none.",
        lambda account: place(account.host, account.path),
        _ACCOUNTS,
    ),
    Table(
        "archives",
        "Archives and digests",
        "Every archive's file. A digest and a verdict are there where all of it was read.",
        lambda archive: archive.path,
        _ARCHIVES,
    ),
)


# --- the page ---------------------------------------------------------------------------------------------------------


class Plot(NamedTuple):
    """A plot: its key for the script, its title, what it says of itself, and the headings of the same as a table."""

    key: str
    title: str
    note: str
    headings: tuple[str, ...]


_PLOTS: Final = (
    Plot(
        "timeline",
        "Backups and updates by install",
        "Each line is an install. It shows the backups that are chosen in the table below.",
        ("Install", "Backups", "First (UTC)", "Last (UTC)", "Versions"),
    ),
    Plot(
        "sizes",
        "Sizes over time",
        "The size of the archives by when they were made, of the backups that are chosen in the table below.",
        ("When (UTC)", "Archives", "Size"),
    ),
    Plot(
        "versions",
        "Versions in use",
        "The applications of the live installs that are chosen in the table below.",
        ("Application", "Version", "Installs"),
    ),
)


def html(report: Report) -> str:
    """Return ``report`` as a page."""
    counts, style = report.summary, _own("style.css")
    scripts = [_own(name) for name in _SCRIPTS]
    return _template().render(
        report=report,
        summary=counts,
        scope=scope(report),
        policy=_policy(style, scripts),
        style=style,
        scripts=scripts,
        content=content(report),
        verdict=verdict(counts),
        worst=next((severity for severity, times in counts.severities.items() if times), None),
        tiles=list(tiles(counts)),
        depth=depth(counts),
        origin=list(origin(report)),
        tables=TABLES,
        plots=_PLOTS,
    )


def _template() -> "Template":
    """Return the page's template."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(minute=minute, shown=shown)
    return environment.from_string(_own("page.html"))


@cache
def _own(name: str) -> str:
    """Return the text of a file of the page."""
    return files(__package__).joinpath("report", name).read_text("utf-8")


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy (CSP level 3): nothing is loaded, and what runs is known by its digest."""
    allowed = " ".join(map(_digest, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# --- what it carries --------------------------------------------------------------------------------------------------


def content(report: Report) -> str:
    """Return the tables of ``report`` as JSON that can stand in a page: no character of it ends or begins a tag."""
    tables = [_Shown(table, report) for table in TABLES]
    texts = sorted({text for table in tables for text in table.texts()}, key=lambda text: (text.lower(), text))
    indices = {text: index for index, text in enumerate(texts)}
    numbers = {table.key: table.numbers() for table in tables}
    versions = {text for table in tables for text in table.texts_of(CellKind.VERSION)}
    described = {
        "texts": texts,
        "versions": [indices[text] for text in sorted(versions, key=lambda text: (order(text), text))],
        "tables": [table.described(indices, numbers) for table in tables],
    }
    return compact(described).translate(_NO_MARKUP)


class _Shown:
    """A table with its rows, as the page shows them."""

    def __init__(self, table: Table, report: Report) -> None:
        self.key = table.key
        self._rows = table.rows(report)
        self._columns = [(column, self._cells(column, report)) for column in table.columns]
        self._names = [shown(table.name(row)) for row in self._rows]

    def _cells(self, column: Column, report: Report) -> _Cells:
        cell = column.getter
        cells = (cell(row, report) for row in self._rows)
        if column.kind in _TEXTS:
            return [None if cell is None else shown(cell) for cell in cells]
        if column.kind is CellKind.PLACES:
            return [[tuple(map(shown, place)) for place in cell] for cell in cells]
        return list(cells)

    def texts(self) -> Iterator[str]:
        """Yield all texts, and the names of the rows."""
        for kind in (*_TEXTS, CellKind.PLACES):
            yield from self.texts_of(kind)
        yield from self._names

    def texts_of(self, kind: CellKind) -> Iterator[str]:
        """Yield the texts in columns of a ``kind``."""
        for column, cells in self._columns:
            if column.kind is kind is CellKind.PLACES:
                yield from (text for cell in cells for place in cell for text in place)
            elif column.kind is kind:
                yield from (cell for cell in cells if cell is not None)

    def numbers(self) -> dict[int, int]:
        """Return the rows by their numbers in the catalog, where they have one."""
        return {row.number: index for index, row in enumerate(self._rows) if hasattr(row, "number")}

    def described(self, indices: dict[str, int], numbers: dict[str, dict[int, int]]) -> dict[str, object]:
        """Return the table for the script; texts are given by their ``indices``, links by those of rows."""
        columns = [
            {**_described(column), "cells": _numbered(column, cells, indices, numbers)}
            for column, cells in self._columns
        ]
        return {"key": self.key, "names": [indices[name] for name in self._names], "columns": columns}


def _described(column: Column) -> dict[str, object]:
    """Return what the script has to know of a column; what most columns lack is left out."""
    described: dict[str, object] = {
        "key": column.key,
        "label": column.label,
        "kind": column.kind,
        "target": column.target,
    }
    described |= {"below": column.below, "detail": column.is_detail}
    return {key: value for key, value in described.items() if value}


def _numbered(column: Column, cells: _Cells, indices: dict[str, int], numbers: dict[str, dict[int, int]]) -> _Cells:
    if column.kind in _TEXTS:
        return [None if cell is None else indices[cell] for cell in cells]
    if column.kind is CellKind.PLACES:
        return [[indices[text] for place in cell for text in place] for cell in cells]
    if column.kind is CellKind.LINK:
        return [None if cell is None else numbers[column.target].get(cell) for cell in cells]
    return cells


# --- formats ----------------------------------------------------------------------------------------------------------

REPORTS: Final[Formats[Rendering[Report]]] = formats(
    Format(
        "html",
        "one page that opens anywhere",
        lambda report, _view: [html(report)],
        frozenset({Trait.NOT_ON_A_TERMINAL}),
    ),
    Format("markdown", "Markdown that reads well as text", lambda report, _view: [markdown(report)]),
    Format("json", "an object, a line a row", lambda report, _view: [report_json(report)]),
)
"""The formats of a report."""
