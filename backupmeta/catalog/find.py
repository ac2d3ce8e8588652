"""Finding backups in a catalog: by application, version, plugin, theme, domain, user, table prefix, digest, time."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from itertools import groupby
from operator import eq, ge, gt, itemgetter, le, lt, ne
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.account.listing import BACKUPS
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.catalog import store, whole
from backupmeta.catalog.answers import Recalled, below, recalled
from backupmeta.catalog.cells import GREATEST
from backupmeta.checks.versions import Order, order
from backupmeta.errors import EvidenceError
from backupmeta.findings import Finding
from backupmeta.inspection import Inspection
from backupmeta.provenance import display

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
        """Tell whether ``version`` is within the bound."""
        return _COMPARE[self.operator](order(version), order(self.version))


class Wanted(NamedTuple):
    """An application, a plugin or a theme, and the bounds on its version."""

    name: str
    bounds: tuple[Bound, ...] = ()

    def admits(self, version: str | None) -> bool:
        """Tell whether ``version`` is within all bounds; an unknown one is within none."""
        return not self.bounds or (version is not None and all(one.admits(version) for one in self.bounds))


def wanted(text: str) -> Wanted | None:
    """Return what ``text`` asks for; None where it can't be understood.

    >>> wanted("wordpress >= 6.0, < 6.4.3")
    Wanted(name='wordpress', bounds=(Bound(operator='>=', version='6.0'), Bound(operator='<', version='6.4.3')))
    """
    if (name := _NAME.match(text)) is None:
        return None
    bounds, place = [], name.end()
    while found := _BOUND.match(text, place):
        bounds.append(Bound(*found.groups()))
        place = found.end()
    return Wanted(display(name[1]), tuple(bounds)) if _REST.fullmatch(text, place) else None


class Asked(NamedTuple):
    """What backups are asked for; all of it has to hold.

    Attributes:
        applications: one of these applications.
        plugins: all of these plugins.
        themes: all of these themes.
        user: this owner.
        prefix: this prefix of its tables.
        digest: what the SHA-256 of its archive or record begins with, in hexadecimal.
        since: made then or later, Unix seconds.
        until: made then or before, Unix seconds.
    """

    applications: tuple[Wanted, ...] = ()
    plugins: tuple[Wanted, ...] = ()
    themes: tuple[Wanted, ...] = ()
    user: str | None = None
    prefix: str | None = None
    digest: str | None = None
    since: int | None = None
    until: int | None = None


class _Condition(NamedTuple):
    sql: str
    arguments: tuple[str | int, ...]


def find(
    catalog: str, asked: Asked, zone: tzinfo | None = None, findings: list[Finding] | None = None
) -> Iterator[Inspection]:
    """Yield the backups in ``catalog`` that are ``asked`` for, account by account, oldest first in each.

    ``zone`` is the server's time zone, where it is known. What is not as it was scanned is left out, and appended to
    ``findings``. Raises `CatalogError`; without ``findings`` also for that.
    """
    with whole.opened(catalog, findings) as connection:
        conditions = list(_conditions(connection, asked))
        where = "".join(f" AND {one.sql}" for one in conditions)
        arguments = [argument for one in conditions for argument in one.arguments]
        rows = connection.execute(_SELECT.format(where), arguments)
        for account, found in groupby(rows, itemgetter(0)):
            paths = {store.exact(path, path_bytes) for _, path, path_bytes in found}
            yield from _inspected(connection, catalog, account, paths, zone)


_SELECT: Final = """
SELECT b.account, n.path, n.path_bytes FROM all_backups b
JOIN accounts a USING (account) JOIN all_files n ON n.file = ifnull(b.record_file, b.archive_file)
WHERE b.until IS NULL{} ORDER BY a.path, a.host, b.account
"""
_MEMORY: Final = "SELECT path, path_bytes, content FROM accounts JOIN memories USING (account) WHERE account = ?"


def _inspected(
    connection: sqlite3.Connection, catalog: str, account: int, paths: set[str], zone: tzinfo | None
) -> Iterator[Inspection]:
    """Yield the backups of an account whose record or, without one, whose archive is one of ``paths``."""
    path, path_bytes, content = connection.execute(_MEMORY, (account,)).fetchone()
    base = store.exact(path, path_bytes)
    with recalled(catalog, Recalled(account, base), content, DEFAULT_LIMITS) as home:
        for pair in home.pairs():
            named = f"{BACKUPS}/{pair.id}" if pair.record else pair.archive and below(base, pair.archive)
            if named in paths:
                try:
                    yield library.inspect_backup(home, pair, home.surroundings, zone)
                except EvidenceError:
                    continue  # it has no row, so nobody asked for it


def _conditions(connection: sqlite3.Connection, asked: Asked) -> Iterator[_Condition]:
    if asked.applications:
        some = [_of_application(connection, one) for one in asked.applications]
        alternatives = " OR ".join(one.sql for one in some)
        yield _Condition(f"({alternatives})", tuple(argument for one in some for argument in one.arguments))
    for column, extensions in (("plugins", asked.plugins), ("themes", asked.themes)):
        for one in extensions:
            yield _of_extension(connection, column, one)
    if asked.digest is not None:
        yield _Condition(_DIGEST, (f"{asked.digest.lower()}*",) * 2)
    equal = {"user": asked.user, "db_prefix": asked.prefix}
    for column, value in equal.items():
        if value is not None:
            yield _Condition(f"b.{column} = ?", (display(value),))
    if asked.since is not None:
        yield _Condition("b.backup_time >= ?", (min(asked.since, GREATEST),))
    if asked.until is not None:
        yield _Condition("b.backup_time <= ?", (min(asked.until, GREATEST),))


_DIGEST: Final = (
    "(b.archive_file IN (SELECT file FROM all_files WHERE sha256 GLOB ?)"
    " OR b.record_file IN (SELECT file FROM all_files WHERE sha256 GLOB ?))"
)


def _of_application(connection: sqlite3.Connection, one: Wanted) -> _Condition:
    select = "SELECT DISTINCT version FROM all_backups WHERE application = ?"
    versions = _admitted(connection.execute(select, (one.name,)), one)
    if not one.bounds:
        return _Condition("b.application = ?", (one.name,))
    return _Condition(
        "(b.application = ? AND b.version IN (SELECT value FROM json_each(?)))", (one.name, json.dumps(versions))
    )


def _of_extension(connection: sqlite3.Connection, column: str, one: Wanted) -> _Condition:
    """Return that a backup's list of plugins or themes has ``one``."""
    lists = f"b.{column} IN (SELECT list FROM extensions WHERE id = ?"
    if not one.bounds:
        return _Condition(f"{lists})", (one.name,))
    select = "SELECT DISTINCT version FROM extensions WHERE id = ?"
    versions = _admitted(connection.execute(select, (one.name,)), one)
    within = f"{lists} AND version IN (SELECT value FROM json_each(?)))"
    return _Condition(within, (one.name, json.dumps(versions)))


def _admitted(rows: sqlite3.Cursor, one: Wanted) -> list[str]:
    return [version for (version,) in rows if version is not None and one.admits(version)]
