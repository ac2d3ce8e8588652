"""A report as one page that needs nothing else: opened from a file, it loads nothing, and runs its own scripts alone.

What stands in which column of its tables is written once, for the page's markup and its script; what the page says of
its tables and plots stands in its template.

Whatever comes from evidence is escaped by the template, or stands in a data block that a script turns into text nodes.
What the template calls ``safe`` is our own, or that block, which has no character that markup has.
The block has columns of numbers, and the texts that they stand for, each once. The texts are sorted, so that cells
compare as their texts do; versions have an order of their own.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from backupmeta.catalog.report import Extension, Report, ReportedAccount, ReportedBackup, ReportedFinding
from backupmeta.checks.applications import order
from backupmeta.render import report_summary, report_text
from backupmeta.render.formats import Format, Formats, Rendering, Trait, compact
from backupmeta.render.report_summary import shown
from backupmeta.words import cut, minute

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_SCRIPTS: Final = ("page.js", "chart.umd.min.js", "plots.js")
_AFTER_SEPARATOR: Final = re.compile(r"(?<=[^\s:/\\][/\\_])(?=[^/\\_])")
_FOOT: Final = "backupmeta report"
"""What the style sheet has at the foot of each printed page."""
_LONGEST_FOOT: Final = 80
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ,.-]")
_NO_MARKUP: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}

_Cells = list[Any]
_Lists = dict[tuple[str, str], _Cells]
"""The cells of each column, by the keys of its table and its own; of an empty key, the names of the table's rows."""


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
        is_group: whether rows stand below its cells, and are told apart by these.
    """

    key: str
    label: str
    kind: CellKind
    value: Callable[[Any, Report], Any] | None = None
    below: str = ""
    is_detail: bool = False
    is_filter: bool = False
    is_group: bool = False

    @property
    def target(self) -> str:
        """The key of the table that a link leads to; empty for any other column."""
        return f"{self.key}s" if self.kind is CellKind.LINK else ""


class Table(NamedTuple):
    """A table.

    Attributes:
        name: gives the name of a row of a report.
        columns: its columns.
    """

    name: Callable[[Any, Report], str]
    columns: tuple[Column, ...]


def _account(*, below: str = "") -> Column:
    return Column("account", "Account", CellKind.LINK, below=below, is_filter=True)


def _detail(key: str, label: str, kind: CellKind, value: Callable[[Any, Report], Any] | None = None) -> Column:
    return Column(key, label, kind, value, is_detail=True)


def _evidence(finding: ReportedFinding, report: Report) -> list[tuple[str, str]]:
    return list(report_text.places(finding, report))


def _seen_elsewhere(account: ReportedAccount, _report: Report) -> str | None:
    return None if account.seen == account.path else account.seen


def _extensions(entries: Iterable[Extension]) -> str:
    """Return plugins or themes: ``akismet 5.3.6, hello 1.7.2 (inactive)``."""
    return ", ".join(map(_extension, entries))


def _extension(entry: Extension) -> str:
    version = f" {entry.version}" if entry.version else ""
    return f"{entry.id}{version}{' (inactive)' if entry.is_active is False else ''}"


_TALLY: Final = Column("findings", "Findings", CellKind.TALLY, lambda _row, _report: None)
_PLUGINS: Final = _detail("plugins", "Plugins", CellKind.TEXT, lambda row, _report: _extensions(row.plugins))
_THEMES: Final = _detail("themes", "Themes", CellKind.TEXT, lambda row, _report: _extensions(row.themes))

_FINDINGS: Final = (
    Column("severity", "Severity", CellKind.WORD, is_filter=True),
    Column("message", "What was found", CellKind.TEXT),
    Column("id", "Kind", CellKind.CODE, below="message", is_filter=True),
    Column("backup", "About", CellKind.LINK),
    Column("install", "Install", CellKind.LINK, below="backup"),
    _account(below="backup"),
    Column("evidence", "Where it can be seen", CellKind.PLACES, _evidence),
    _detail("advice", "Advice", CellKind.TEXT),
)

_BY_ACCOUNT: Final = (
    Column("account", "Account", CellKind.LINK, is_filter=True, is_group=True),
    Column("severity", "Severity", CellKind.WORD, is_filter=True),
    Column("times", "Times", CellKind.COUNT),
    Column("message", "What the first of them says", CellKind.TEXT),
    Column("id", "Kind", CellKind.CODE, below="message", is_filter=True),
)

_PEOPLE: Final = (
    Column("user", "Owner", CellKind.TEXT),
    Column("login", "Administrator", CellKind.TEXT),
    Column("email", "Address of the administrator", CellKind.TEXT, below="login"),
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
    *_PEOPLE,
    _detail("archive", "Archive", CellKind.CODE),
    _detail("sha256", "SHA-256", CellKind.CODE),
    _detail("id", "Id", CellKind.CODE),
    Column("install", "Install", CellKind.LINK, is_detail=True),
    _detail("install_id", "Id of the install", CellKind.CODE),
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
    *_PEOPLE,
    _detail("id", "Id", CellKind.CODE),
    _detail("path", "Folder", CellKind.CODE),
    _detail("available", "Can be updated to", CellKind.VERSION),
    _PLUGINS,
    _THEMES,
)

_GONE_INSTALLS: Final = (
    Column("title", "Site", CellKind.TEXT),
    Column("url", "Address", CellKind.TEXT, below="title"),
    Column("application", "Application", CellKind.TEXT, is_filter=True),
    Column("version", "Version", CellKind.VERSION, is_filter=True),
    _account(),
    Column("backups", "Backups", CellKind.COUNT),
    Column("oldest", "Oldest backup (UTC)", CellKind.TIME),
    Column("newest", "Newest backup (UTC)", CellKind.TIME),
    Column("backup", "Newest backup", CellKind.LINK, below="newest"),
    *_PEOPLE,
    _detail("archive", "Archive of the newest backup", CellKind.CODE),
    _detail("id", "Id", CellKind.CODE),
    _detail("path", "Folder", CellKind.CODE),
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
    Column("modified", "Written (UTC)", CellKind.TIME),
    Column("status", "Status", CellKind.WORD, is_filter=True),
    Column("verdict", "Verdict", CellKind.WORD, below="status", is_filter=True),
    Column("backup", "Backup", CellKind.LINK),
)


def _backup_name(backup: ReportedBackup, _report: Report) -> str:
    site = backup.title or backup.url or backup.application
    if site and backup.time is not None:
        return f"{site}, {minute(backup.time)}"
    return (backup.archive or "").rpartition("/")[2] or backup.id or "?"


TABLES: Final = {
    "account_findings": Table(lambda kind, _report: kind.message, _BY_ACCOUNT),
    "contradictions": Table(lambda finding, _report: finding.message, _FINDINGS),
    "findings": Table(lambda finding, _report: finding.message, _FINDINGS),
    "backups": Table(_backup_name, _BACKUPS),
    "installs": Table(lambda install, _report: install.title or install.url or install.id, _INSTALLS),
    "gone_installs": Table(lambda install, _report: install.title or install.url or install.id, _GONE_INSTALLS),
    "accounts": Table(lambda account, report: report.account_names[account.number], _ACCOUNTS),
    "archives": Table(lambda archive, _report: archive.path, _ARCHIVES),
}
"""The tables by their names for the script and in links, which the report's attributes with their rows have, too."""

_VERSIONS: Final = [
    (key, column.key) for key, table in TABLES.items() for column in table.columns if column.kind is CellKind.VERSION
]
"""The columns of versions."""


# --- the page ---------------------------------------------------------------------------------------------------------


def html(report: Report) -> str:
    """Return ``report`` as a page."""
    style, scripts = _style(report), list(map(_own, _SCRIPTS))
    worst = next((severity for severity, times in report.summary.severities.items() if times), None)
    page = {"policy": _policy(style, scripts), "style": style, "scripts": scripts, "content": content(report)}
    return _template().render(report=report, summary=report.summary, worst=worst, tables=TABLES, **page)


def _template() -> "Template":
    """Return the page's template."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(minute=minute, shown=shown, breakable=_breakable)
    environment.globals.update(words=report_summary)
    return environment.from_string(_own("page.html"))


def _breakable(text: str) -> "Markup":
    """Return text from evidence as markup whose lines break after the separators of paths; it is copied as it is."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in _AFTER_SEPARATOR.split(shown(text)))


@cache
def _own(name: str) -> str:
    """Return the text of a file of the page."""
    from importlib.resources import files

    return files(__package__).joinpath("report", name).read_text("utf-8")


def _style(report: Report) -> str:
    """Return the style of the page; on paper, the number of the case stands on each page."""
    case = f", case {cut(shown(report.case.number), _LONGEST_FOOT)}" if report.case.number else ""
    return _own("style.css").replace(_FOOT, f"{_FOOT}{_NOT_PLAIN.sub(_css_escape, case)}")


def _css_escape(match: re.Match[str]) -> str:
    """Return a character as it may stand in a string of a style sheet (CSS Syntax, §4.3.7)."""
    return f"\\{ord(match[0]):06x}"


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
    lists = _lists(report)
    texts = sorted({text for cells in lists.values() for text in _texts(cells)}, key=lambda text: (text.lower(), text))
    indices = {text: index for index, text in enumerate(texts)}
    versions = {text for name in _VERSIONS for text in _texts(lists[name])}
    numbered = {name: [_numbered(cell, indices) for cell in cells] for name, cells in lists.items()}
    described = {
        "texts": texts,
        "versions": [indices[text] for text in sorted(versions, key=lambda text: (order(text), text))],
        "tables": [_described(key, numbered) for key in TABLES],
    }
    return compact(described).translate(_NO_MARKUP)


def _lists(report: Report) -> _Lists:
    """Return the cells of all tables: texts as they are shown."""
    lists: _Lists = {}
    for key, table in TABLES.items():
        rows = getattr(report, key)
        lists[key, ""] = [shown(table.name(row, report)) for row in rows]
        lists.update({(key, column.key): _cells(column, rows, report) for column in table.columns})
    return lists


def _cells(column: Column, rows: Sequence[Any], report: Report) -> _Cells:
    """Return the cells of a column: texts, lists of texts, numbers; of a link, the row of the other table."""
    value = column.value or (lambda row, _report: getattr(row, column.key))
    cells = [value(row, report) for row in rows]
    if column.kind in _TEXTS:
        return [None if cell is None else shown(cell) for cell in cells]
    if column.kind is CellKind.PLACES:
        return [[shown(text) for place in cell for text in place] for cell in cells]
    if column.kind is CellKind.LINK:
        numbers = {row.number: index for index, row in enumerate(getattr(report, column.target))}
        return list(map(numbers.get, cells))
    return cells


def _texts(cells: _Cells) -> Iterator[str]:
    for cell in cells:
        if isinstance(cell, str):
            yield cell
        elif isinstance(cell, list):
            yield from cell


def _numbered(cell: object, indices: dict[str, int]) -> object:
    """Return a cell, its texts given by their ``indices``."""
    if isinstance(cell, str):
        return indices[cell]
    return [indices[text] for text in cell] if isinstance(cell, list) else cell


def _described(key: str, lists: _Lists) -> dict[str, object]:
    """Return a table for the script; what most columns lack is left out."""
    columns = []
    for column in TABLES[key].columns:
        words = {"key": column.key, "label": column.label, "kind": column.kind}
        traits = {"target": column.target, "below": column.below, "detail": column.is_detail}
        traits["group"] = column.is_group
        given = {name: value for name, value in traits.items() if value}
        columns.append({**words, **given, "cells": lists[key, column.key]})
    return {"key": key, "names": lists[key, ""], "columns": columns}


# --- formats ----------------------------------------------------------------------------------------------------------

REPORTS: Final[Formats[Rendering[Report]]] = Formats(
    Format("html", "one page that opens anywhere", lambda report, _view: [html(report)], Trait.NOT_ON_A_TERMINAL),
    Format("markdown", "Markdown that reads well as text", lambda report, _view: [report_text.markdown(report)]),
    Format("json", "an object, a line a row", lambda report, _view: [report_text.report_json(report)]),
)
"""The formats of a report."""
