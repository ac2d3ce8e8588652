"""The tables of a report's page: what stands in which column, written once for the page's markup and its script."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from backupmeta.render.report.document import extensions, named_archive, places
from backupmeta.report.model import Account, Archive, Backup, Found, Install, Report
from backupmeta.words import minute


class Kind(StrEnum):
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
        told: gives the cell of a row of a report, where that is not the row's attribute of the column's key; of a link,
            the number that the other row has in the catalog.
        below: the key of the column that it stands below of, in the same cell of the table.
        is_detail: whether it is shown for one row, once that is opened.
        is_filter: whether rows can be chosen by it.
        target: the key of the table that a link leads to.
    """

    key: str
    label: str
    kind: Kind
    told: Callable[[Any, Report], Any] | None = None
    below: str = ""
    is_detail: bool = False
    is_filter: bool = False
    target: str = ""

    def cell(self, row: object, report: Report) -> Any:  # noqa: ANN401 - as its kind says
        """Return the cell of a ``row`` of ``report``."""
        return getattr(row, self.key) if self.told is None else self.told(row, report)

    @property
    def is_head(self) -> bool:
        """Whether it has a heading of its own."""
        return not self.below and not self.is_detail

    @property
    def is_number(self) -> bool:
        """Whether its cells end where the column ends."""
        return self.kind in {Kind.BYTES, Kind.COUNT}


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
        return tuple(one for one in self.columns if one.is_head)

    @property
    def has_details(self) -> bool:
        """Whether a row can be opened."""
        return any(one.is_detail for one in self.columns)

    @property
    def filters(self) -> tuple[Column, ...]:
        """The columns that rows can be chosen by."""
        return tuple(one for one in self.columns if one.is_filter)


def _account(*, below: str = "") -> Column:
    return Column("account", "Account", Kind.LINK, below=below, is_filter=True, target="accounts")


def _detail(key: str, label: str, kind: Kind, told: Callable[[Any, Report], Any] | None = None) -> Column:
    return Column(key, label, kind, told, is_detail=True)


def _plugins(one: Backup | Install, _report: Report) -> str:
    return extensions(one.plugins)


def _themes(one: Backup | Install, _report: Report) -> str:
    return extensions(one.themes)


def _seen(one: Account, _report: Report) -> str | None:
    return None if one.seen == one.path else one.seen


def _host(one: Account, _report: Report) -> str | None:
    return one.host or None


def _evidence(one: Found, report: Report) -> list[tuple[str, str]]:
    base = None if one.account is None else report.account_paths[one.account]
    return list(places(one, base))


_TALLY: Final = Column("findings", "Findings", Kind.TALLY, lambda _one, _report: None)


_FINDINGS: Final = (
    Column("severity", "Severity", Kind.WORD, is_filter=True),
    Column("message", "What was found", Kind.TEXT),
    Column("id", "Kind", Kind.CODE, below="message", is_filter=True),
    Column("backup", "About", Kind.LINK, target="backups"),
    Column("install", "Install", Kind.LINK, below="backup", target="installs"),
    _account(below="backup"),
    Column("evidence", "Where it can be seen", Kind.PLACES, _evidence),
    _detail("advice", "Advice", Kind.TEXT),
)

_BACKUPS: Final = (
    Column("time", "Made (UTC)", Kind.TIME),
    Column("title", "Site", Kind.TEXT),
    Column("url", "Address", Kind.TEXT, below="title"),
    Column("application", "Application", Kind.TEXT, is_filter=True),
    Column("version", "Version", Kind.VERSION, is_filter=True),
    _account(),
    Column("state", "State", Kind.WORD, is_filter=True),
    Column("verdict", "Verdict", Kind.WORD, below="state", is_filter=True),
    Column("bytes", "Size", Kind.BYTES),
    _TALLY,
    _detail("archive", "Archive", Kind.CODE),
    _detail("sha256", "SHA-256", Kind.CODE),
    _detail("id", "Id", Kind.CODE),
    Column("install", "Install", Kind.LINK, is_detail=True, target="installs"),
    _detail("install_id", "Id of the install", Kind.CODE),
    _detail("user", "Owner", Kind.TEXT),
    _detail("path", "Folder of the install", Kind.CODE),
    _detail("location", "Location", Kind.TEXT),
    _detail("note", "Note", Kind.TEXT),
    _detail("plugins", "Plugins", Kind.TEXT, _plugins),
    _detail("themes", "Themes", Kind.TEXT, _themes),
)

_INSTALLS: Final = (
    Column("title", "Site", Kind.TEXT),
    Column("url", "Address", Kind.TEXT, below="title"),
    Column("application", "Application", Kind.TEXT, is_filter=True),
    Column("version", "Version", Kind.VERSION, is_filter=True),
    _account(),
    Column("created", "Installed (UTC)", Kind.TIME),
    Column("updated", "Updated (UTC)", Kind.TIME),
    Column("backups", "Backups", Kind.COUNT),
    Column("newest", "Newest backup (UTC)", Kind.TIME),
    _TALLY,
    _detail("id", "Id", Kind.CODE),
    _detail("user", "Owner", Kind.TEXT),
    _detail("path", "Folder", Kind.CODE),
    _detail("available", "Can be updated to", Kind.VERSION),
    _detail("plugins", "Plugins", Kind.TEXT, _plugins),
    _detail("themes", "Themes", Kind.TEXT, _themes),
)

_ACCOUNTS: Final = (
    Column("path", "Account", Kind.CODE),
    Column("seen", "As the server saw it", Kind.CODE, _seen, "path"),
    Column("host", "Host", Kind.TEXT, _host, "path"),
    Column("status", "Status", Kind.WORD, is_filter=True),
    Column("installs", "Installs", Kind.COUNT),
    Column("backups", "Backups", Kind.COUNT),
    Column("archives", "Archives", Kind.COUNT),
    Column("bytes", "Size", Kind.BYTES),
    Column("newest", "Newest backup (UTC)", Kind.TIME),
    _TALLY,
)

_ARCHIVES: Final = (
    Column("path", "Archive", Kind.CODE),
    Column("sha256", "SHA-256", Kind.CODE, below="path"),
    _account(),
    Column("bytes", "Size", Kind.BYTES),
    Column("modified", "Modified (UTC)", Kind.TIME),
    Column("status", "Status", Kind.WORD, is_filter=True),
    Column("verdict", "Verdict", Kind.WORD, below="status", is_filter=True),
    Column("backup", "Backup", Kind.LINK, target="backups"),
)


def _message(one: Found) -> str:
    return one.message


def _account_name(one: Account) -> str:
    return f"{one.host}:{one.path}" if one.host else one.path


def _install_name(one: Install) -> str:
    return one.title or one.url or one.id


def _backup_name(one: Backup) -> str:
    site = one.title or one.url or one.application
    return (
        f"{site}, {minute(one.time)}" if site and one.time is not None else named_archive(one.archive) or one.id or "?"
    )


def _archive_name(one: Archive) -> str:
    return one.path


TABLES: Final = (
    Table(
        "findings",
        "Findings",
        "Something that somebody should know: the worst first. Severity is error, warning or note.",
        _message,
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
        _install_name,
        _INSTALLS,
    ),
    Table(
        "accounts",
        "Accounts",
        "Homes, and folders of archives that belong to none.",
        _account_name,
        _ACCOUNTS,
    ),
    Table(
        "archives",
        "Archives and digests",
        "Every archive's file. A digest and a verdict are there where all of it was read.",
        _archive_name,
        _ARCHIVES,
    ),
)
