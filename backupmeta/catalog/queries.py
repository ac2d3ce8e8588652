"""Asking a catalog: which backups are of a version, a plugin, a user, a time; and the rows of a view, for export."""

import base64
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import chain, groupby
from json.encoder import encode_basestring
from operator import attrgetter, eq, ge, gt, itemgetter, le, lt, ne
from typing import Any, Final, NamedTuple

from backupmeta import library
from backupmeta.account.layout import BACKUPS
from backupmeta.archive.limits import DEFAULT_LIMITS, GREATEST
from backupmeta.backup.inspection import Inspection
from backupmeta.catalog import schema
from backupmeta.catalog.database import Catalog
from backupmeta.catalog.remembered import below, recalled
from backupmeta.catalog.schema import ACCOUNTS, SCANS, Column, Type
from backupmeta.catalog.views import VIEWS, Shown, View, table_view
from backupmeta.checks.applications import Order, order
from backupmeta.errors import EvidenceError, did_you_mean
from backupmeta.findings import Finding
from backupmeta.provenance import display
from backupmeta.search import ALWAYS, Known, Period
from backupmeta.words import NANOSECONDS, moment, utc

_COMPARE: Final[Mapping[str, Callable[[Order, Order], bool]]] = {
    "": eq,
    "=": eq,
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_NAME: Final = re.compile(r"\s*([^\s<>=!,]+)")
_BOUND: Final = re.compile(r"[\s,]*(<=|>=|==|!=|<|>|=|)\s*([^\s<>=!,]+)")
_REST: Final = re.compile(r"[\s,]*")


class Bound(NamedTuple):
    """A bound on versions: an operator of `_COMPARE`, and a version."""

    operator: str
    version: str

    def admits(self, version: str) -> bool:
        """Return whether ``version`` is within the bound."""
        return _COMPARE[self.operator](order(version), order(self.version))


class Requirement(NamedTuple):
    """An application, a plugin or a theme, and the bounds on its version."""

    name: str
    bounds: tuple[Bound, ...] = ()

    def admits(self, version: str | None) -> bool:
        """Return whether ``version`` is within all bounds; an unknown one is within none."""
        return not self.bounds or (version is not None and all(bound.admits(version) for bound in self.bounds))


def parsed_requirement(text: str) -> Requirement | None:
    """Return what ``text`` asks for; None where it can't be understood.

    >>> parsed_requirement("wordpress >= 6.0, < 6.4.3")
    Requirement(name='wordpress', bounds=(Bound(operator='>=', version='6.0'), Bound(operator='<', version='6.4.3')))
    """
    if (name := _NAME.match(text)) is None:
        return None
    bounds, end = [], name.end()
    while match := _BOUND.match(text, end):
        bounds.append(Bound(*match.groups()))
        end = match.end()
    return Requirement(display(name[1]), tuple(bounds)) if _REST.fullmatch(text, end) else None


class Query(NamedTuple):
    """What is asked of backups; all of it has to hold.

    Attributes:
        applications: one of these applications.
        plugins: all of these plugins.
        themes: all of these themes.
        period: when it was made.
        user: this owner.
        install: the id of its install.
        email: its administrator's address, in any case.
        login: its administrator's name.
        prefix: this prefix of its tables.
        digest: what the SHA-256 of its archive or record begins with, in hexadecimal.
        verdict: what came out for its archive.
        finding: the id of something that was found of it.
    """

    applications: tuple[Requirement, ...] = ()
    plugins: tuple[Requirement, ...] = ()
    themes: tuple[Requirement, ...] = ()
    period: Period = ALWAYS
    user: str | None = None
    install: str | None = None
    email: str | None = None
    login: str | None = None
    prefix: str | None = None
    digest: str | None = None
    verdict: str | None = None
    finding: str | None = None


EVERYTHING: Final = Query()


class Condition(NamedTuple):
    """What has to hold of a backup, a row ``b`` of `BACKUPS`: SQL, and its arguments."""

    sql: str
    arguments: tuple[str | int, ...]


def find(
    catalog: str, query: Query, zone: tzinfo | None = None, findings: list[Finding] | None = None
) -> Iterator[Inspection]:
    """Yield the backups in ``catalog`` that answer the ``query``, account by account, oldest first in each.

    ``zone`` is the server's time zone, where it is known. What is not as it was scanned is left out, and appended to
    ``findings``. Raises `CatalogError`; without ``findings`` also for that.
    """
    with Catalog.checked(catalog, findings) as opened:
        connection = opened.connection
        asked = list(conditions(connection, query))
        where = "".join(f" AND {condition.sql}" for condition in asked)
        arguments = [argument for condition in asked for argument in condition.arguments]
        rows = connection.execute(_SELECT.format(where), arguments)
        for account, matches in groupby(rows, itemgetter(0)):
            paths = {schema.exact_path(path, path_bytes) for _, path, path_bytes in matches}
            yield from _inspected(opened, account, paths, zone)


_SELECT: Final = """
SELECT b.account, n.path, n.path_bytes FROM all_backups b
JOIN accounts a USING (account) JOIN all_files n ON n.file = ifnull(b.record_file, b.archive_file)
WHERE b.until IS NULL{} ORDER BY a.path, a.host, b.account
"""


def _inspected(catalog: Catalog, account: int, paths: set[str], zone: tzinfo | None) -> Iterator[Inspection]:
    """Yield the backups of an account whose record or, without one, whose archive is one of ``paths``."""
    stored = catalog.memory(account)
    with recalled(catalog, stored, DEFAULT_LIMITS) as home:
        for pair in home.pairs():
            archive = pair.archive and below(home.folder, pair.archive.folder, pair.archive.name)
            if (f"{BACKUPS}/{pair.id}" if pair.record else archive) in paths:
                try:
                    yield library.inspect_at_home(home, pair, zone)
                except EvidenceError:
                    continue  # it has no row, so no query can be about it


def conditions(connection: sqlite3.Connection, query: Query) -> Iterator[Condition]:
    """Yield what has to hold of the backups that answer the ``query``."""
    if query.applications:
        applications = (_of_versions(connection, _APPLICATION, _APPLICATION_VERSIONS, of) for of in query.applications)
        yield _any_of(list(applications))
    for column, extensions in (("plugins", query.plugins), ("themes", query.themes)):
        lists = f"b.{column} IN (SELECT list FROM extensions WHERE id = ? COLLATE NOCASE{{}})"
        for requirement in extensions:
            yield _of_versions(connection, lists, _EXTENSION_VERSIONS, requirement)
    if query.digest is not None:
        yield Condition(_DIGEST, (f"{query.digest.lower()}*",) * 2)
    for sql, value in _EQUAL.items():
        if (text := value(query)) is not None:
            yield Condition(sql, (display(text),) * sql.count("?"))
    for operator, limit in zip((">=", "<="), query.period, strict=True):
        if limit is not None:
            yield Condition(f"b.backup_time {operator} ?", (min(limit, GREATEST),))


def _any_of(conditions: Sequence[Condition]) -> Condition:
    alternatives = " OR ".join(condition.sql for condition in conditions)
    return Condition(f"({alternatives})", tuple(chain.from_iterable(condition.arguments for condition in conditions)))


_EQUAL: Final[Mapping[str, Callable[[Query], str | None]]] = {
    "b.user = ?": attrgetter("user"),
    "b.backup_install = ?": attrgetter("install"),
    "lower(b.email) = lower(?)": attrgetter("email"),
    "b.login = ?": attrgetter("login"),
    "b.db_prefix = ?": attrgetter("prefix"),
    "b.archive_file IN (SELECT file FROM all_files WHERE verdict = ?)": attrgetter("verdict"),
    "(b.backup IN (SELECT backup FROM findings WHERE id = ?)"
    " OR b.archive_file IN (SELECT file FROM findings WHERE id = ?))": attrgetter("finding"),
}
"""What has to be equal to a text, by its SQL."""

_DIGEST: Final = (
    "(b.archive_file IN (SELECT file FROM all_files WHERE sha256 GLOB ?)"
    " OR b.record_file IN (SELECT file FROM all_files WHERE sha256 GLOB ?))"
)


def _of_versions(connection: sqlite3.Connection, sql: str, known: str, requirement: Requirement) -> Condition:
    """Return that something is as it is required: ``sql`` with a place for the versions, ``known`` selects all."""
    if not requirement.bounds:
        return Condition(sql.format(""), (requirement.name,))
    versions = [version for (version,) in connection.execute(known, (requirement.name,)) if requirement.admits(version)]
    within = " AND version IN (SELECT value FROM json_each(?))"
    return Condition(sql.format(within), (requirement.name, json.dumps(versions)))


_APPLICATION: Final = "(b.application = ? COLLATE NOCASE{})"
_APPLICATION_VERSIONS: Final = "SELECT DISTINCT version FROM all_backups WHERE application = ? COLLATE NOCASE"
_EXTENSION_VERSIONS: Final = "SELECT DISTINCT version FROM extensions WHERE id = ? COLLATE NOCASE"


# --- what there is instead --------------------------------------------------------------------------------------------

_COLUMN: Final = "SELECT DISTINCT {} FROM all_backups WHERE until IS NULL"
_EXTENSIONS: Final = (
    "SELECT DISTINCT lower(extensions.id) FROM extensions JOIN all_backups ON list = {} WHERE until IS NULL"
)


_NAMES: Final = {
    "application": _COLUMN.format("lower(application)"),
    "plugin": _EXTENSIONS.format("plugins"),
    "theme": _EXTENSIONS.format("themes"),
}


def names(catalog: str, kind: str) -> Iterator[str]:
    """Yield the names of each application, plugin or theme, which is the ``kind``, in a catalog.

    Raises `CatalogError`.
    """
    with Catalog.unchecked(catalog) as opened:
        yield from (text for (text,) in opened.connection.execute(_NAMES[kind]) if text is not None)


def unknown(catalog: str, query: Query, domain: str | None = None) -> Iterator[str]:
    """Yield a sentence for each word of a ``query``, or ``domain``, that no backup has: what there is instead.

    Raises `CatalogError`.
    """
    asked = [
        *(("application", wanted.name.lower(), _NAMES["application"]) for wanted in query.applications),
        *(("plugin", wanted.name.lower(), _NAMES["plugin"]) for wanted in query.plugins),
        *(("theme", wanted.name.lower(), _NAMES["theme"]) for wanted in query.themes),
        ("user", query.user, _COLUMN.format("user")),
        ("install", query.install, _COLUMN.format("backup_install")),
        ("email", query.email and query.email.lower(), _COLUMN.format("lower(email)")),
        ("login", query.login, _COLUMN.format("login")),
        ("prefix", query.prefix, _COLUMN.format("db_prefix")),
        ("domain", domain and domain.lower().removeprefix("www."), _COLUMN.format("lower(url_domain)")),
    ]
    with Catalog.checked(catalog, []) as opened:
        for kind, word, select in asked:
            if word is not None:
                known = (text for (text,) in opened.connection.execute(select) if text is not None)
                yield from Known(kind, word, known).sentences


Row = tuple[Any, ...]
"""What SQLite gives: text, numbers, bytes and None, as the types of the columns say."""

EXPORTED: Final[Mapping[str, View]] = {**VIEWS, **{table.name: table_view(table) for table in (ACCOUNTS, SCANS)}}
"""What can be exported, by name."""

_JSON: Final = frozenset({Type.JSON, Type.SHARED})

CellText = Callable[[Any], str]
"""How what a column holds is written."""

_SECONDS_END: Final = len("2024-06-13T20:55:21")


def _flag(number: int) -> str:
    return "true" if number else "false"


def _time_ns(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    time = utc(seconds)
    return f"{time[:_SECONDS_END]}.{rest:09}{time[_SECONDS_END:]}" if time else str(nanoseconds)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _string(text: CellText) -> CellText:
    return lambda cell: f'"{text(cell)}"'


NUMBERS: Final[Mapping[Type, CellText]] = {Type.KEY: str, Type.INTEGER: str, Type.FLAG: _flag}
"""How what a column holds is written, where it is written so in JSON, too."""
PLAIN: Final[Mapping[Type, CellText]] = {Type.TIME: moment, Type.NANOSECONDS: _time_ns, Type.BYTES: _base64}
"""How what a column holds is written, where it is a string in JSON."""
_JSON_TEXTS: Final[Mapping[Type, CellText]] = {
    **NUMBERS,
    **{type_: _string(text) for type_, text in PLAIN.items()},
    Type.TEXT: encode_basestring,
    Type.JSON: str,
    Type.SHARED: str,
}


class Export(NamedTuple):
    """What is exported. Times of its JSON are ISO 8601 in UTC, those that no calendar has digits; bytes are base64.

    Attributes:
        columns: the columns. A time is there once: without the text of it that the views have besides.
        rows: the rows in the order of their keys, read while they are taken; of lists and objects, their JSON.
    """

    columns: tuple[Column, ...]
    rows: Iterator[Row]

    def json_lines(self) -> Iterator[str]:
        """Yield a line a row, as it is read: an object with a member for each column."""
        keys = [(encode_basestring(column.name) + ":", _JSON_TEXTS[column.type]) for column in self.columns]
        for row in self.rows:
            cells = zip(keys, row, strict=True)
            members = ",".join([key + ("null" if cell is None else text(cell)) for (key, text), cell in cells])
            yield f"{{{members}}}\n"

    def to_json(self) -> list[dict[str, object]]:
        """Return all rows for JSON, as ``export`` prints them; `json_lines` gives them one by one, as text."""
        return [json.loads(line) for line in self.json_lines()]


def exported(table: str) -> View:
    """Return what is exported as ``table``. Raises `ValueError` where it is none of `EXPORTED`."""
    if table not in EXPORTED:
        raise ValueError(f"{table!r} can't be exported; {did_you_mean(table, EXPORTED)}")
    return EXPORTED[table]


def export(path: str, table: str = "backups", findings: list[Finding] | None = None) -> Export:
    """Return the columns of a ``table``, one of `EXPORTED`, and its rows in the catalog at ``path``.

    All rows are of one moment, whatever a scan writes meanwhile. What is not as it was scanned is left out, and
    appended to ``findings``. Taking rows raises `CatalogError` where there is no catalog, or it can't be read; without
    ``findings`` also where anything is left out. Raises `ValueError` where there is no such table.
    """
    view = exported(table)
    cells = ", ".join(map(_cell, _shown(view)))
    select = f"SELECT {cells} {view.rows} ORDER BY {view.order}"
    return Export(export_columns(table), _rows(path, select, findings))


def export_columns(table: str) -> tuple[Column, ...]:
    """Return the columns of an exported ``table``. Raises `ValueError` where there is no such table."""
    return tuple(shown.column for shown in _shown(exported(table)))


def _shown(view: View) -> list[Shown]:
    return [shown for shown in view.columns if shown.column.type is not Type.UTC]


def _cell(shown: Shown) -> str:
    """Return a column's SQL; of JSON one that gives one line, or fails."""
    return f"json({shown.sql})" if shown.column.type in _JSON else shown.sql


def _rows(path: str, select: str, findings: list[Finding] | None) -> Iterator[Row]:
    with Catalog.checked(path, findings) as catalog:
        yield from catalog.connection.execute(select)
