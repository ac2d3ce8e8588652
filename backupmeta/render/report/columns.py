"""The tables of a report's page: what stands in which column, written once for the page's markup and its script."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from backupmeta.render.report.report_text import extensions, named_archive, places
from backupmeta.report.model import (
    Report,
    ReportedAccount,
    ReportedBackup,
    ReportedFinding,
)
from backupmeta.words import minute, place


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
