"""Reading a `Report` from a catalog: all of it as of one moment, whatever a scan writes meanwhile."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from backupmeta import __version__
from backupmeta.catalog import store, whole
from backupmeta.catalog.answers import age
from backupmeta.findings import Finding
from backupmeta.provenance import place_in
from backupmeta.report.model import Account, Archive, Backup, Extension, Found, Install, Report, Scan
from backupmeta.vocabulary.kinds import Severity
from backupmeta.vocabulary.table import FINDINGS

MOST_SCANS: Final = 20
"""How many scans are told of at most."""

_Key = tuple[int, str]
"""An account's number, and an install's id."""


class Asked(NamedTuple):
    """What is written down beside what the catalog has: the moment (Unix seconds), the command line, the catalog.

    The latter's name is None for one that is there for the report alone.
    """

    now: int
    command: str
    catalog: str | None


def read(path: str, asked: Asked, findings: list[Finding] | None = None) -> Report:
    """Read what the catalog at ``path`` has. Raises `CatalogError`, also where nothing was scanned into it.

    What is not as it was scanned is left out, and appended to ``findings``; without these it is a `CatalogError`.
    """
    known = age(path)
    with whole.opened(path, findings) as connection:
        installs_by_id: dict[_Key, int] = dict(_keyed(connection.execute(_INSTALL_IDS)))
        backups = tuple(_backups(connection, installs_by_id))
        archives = tuple(_archives(connection))
        installs = tuple(_installs(connection, backups))
        return Report(
            written=asked.now,
            version=__version__,
            command=asked.command,
            catalog=asked.catalog,
            as_of=known.newest,
            oldest=known.oldest,
            scans=tuple(_scans(connection)),
            accounts=tuple(_accounts(connection, installs, backups, archives)),
            installs=installs,
            backups=backups,
            archives=archives,
            findings=tuple(sorted(_findings(connection), key=_worst_first)),
        )


_SCANS: Final = "SELECT scan, roots, version, began, ended, unread FROM scans ORDER BY scan DESC LIMIT ?"
_ACCOUNTS: Final = "SELECT account, host, path, path_bytes, seen, status FROM accounts ORDER BY path, host, account"
_INSTALL_IDS: Final = "SELECT account, id, install FROM all_installs WHERE until IS NULL"
_INSTALLS: Final = """
SELECT i.install, i.account, i.id, i.application, i.version, i.version_available, i.title, i.url, i.path, i.user,
  i.time_created, i.time_updated, i.plugins, i.themes
FROM installs i JOIN accounts a USING (account) ORDER BY a.path, a.host, i.account, i.install
"""
_BACKUPS: Final = """
SELECT b.backup, b.account, b.backup_install, b.id, b.state, b.backup_time, b.application, b.version, b.title, b.url,
  b.path, b.user, b.backup_location, b.backup_note, b.plugins, b.themes,
  f.path, f.path_bytes, f.size, f.sha256, f.verdict
FROM backups b LEFT JOIN all_files f ON f.file = b.archive_file ORDER BY b.backup_time DESC NULLS LAST, b.backup
"""
_ARCHIVES: Final = """
SELECT f.file, f.account, (SELECT min(b.backup) FROM all_backups b
    WHERE b.until IS NULL AND b.account = f.account AND b.archive_file = f.file),
  f.path, f.path_bytes, f.size, f.mtime_ns / 1000000000, f.status, f.sha256, f.verdict
FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL AND f.kind = 'archive'
ORDER BY a.path, a.host, f.account, f.path, f.file
"""
_FINDINGS: Final = """
SELECT n.account, n.install, ifnull(n.backup, (SELECT min(b.backup) FROM all_backups b
    WHERE b.until IS NULL AND b.account = n.account AND b.archive_file = n.file)),
  n.id, n.severity, n.message, n.evidence FROM findings n ORDER BY n.finding
"""


def _scans(connection: sqlite3.Connection) -> Iterator[Scan]:
    for number, roots, version, began, ended, unread in connection.execute(_SCANS, (MOST_SCANS,)):
        yield Scan(number, tuple(json.loads(roots)), version, began, ended, tuple(json.loads(unread or "[]")))


def _accounts(
    connection: sqlite3.Connection, installs: Iterable[Install], backups: Sequence[Backup], archives: Iterable[Archive]
) -> Iterator[Account]:
    of_installs, of_backups = (Counter(one.account for one in rows) for rows in (installs, backups))
    newest = _newest((one.account, one.time) for one in backups)
    files, sizes = Counter[int](), Counter[int]()
    for one in archives:
        files[one.account] += 1
        sizes[one.account] += one.bytes
    for number, host, path, path_bytes, seen, status in connection.execute(_ACCOUNTS):
        counts = of_installs[number], of_backups[number], files[number], sizes[number]
        yield Account(number, host, store.exact(path, path_bytes), seen, status, *counts, newest.get(number))


def _installs(connection: sqlite3.Connection, backups: Iterable[Backup]) -> Iterator[Install]:
    known = [(one.install, one.time) for one in backups if one.install is not None]
    counts, newest = Counter(install for install, _ in known), _newest(known)
    for row in connection.execute(_INSTALLS):
        *told, plugins, themes = row
        told += [_extensions(plugins), _extensions(themes), counts[row[0]], newest.get(row[0])]
        yield Install(*told)


def _newest(times: Iterable[tuple[int, int | None]]) -> Mapping[int, int]:
    """Return the last of the times of each key."""
    found: dict[int, int] = {}
    for key, time in times:
        if time is not None:
            found[key] = max(time, found.get(key, time))
    return found


def _backups(connection: sqlite3.Connection, installs: Mapping[_Key, int]) -> Iterator[Backup]:
    rows = connection.execute(_BACKUPS)
    for number, account, install_id, *told, plugins, themes, path, path_bytes, size, sha256, verdict in rows:
        told += [_extensions(plugins), _extensions(themes), None if path is None else store.exact(path, path_bytes)]
        told += [size, sha256, verdict]
        yield Backup(number, account, installs.get((account, install_id)), install_id, *told)


def _archives(connection: sqlite3.Connection) -> Iterator[Archive]:
    for number, account, backup, path, path_bytes, *told in connection.execute(_ARCHIVES):
        yield Archive(number, account, backup, store.exact(path, path_bytes), *told)


def _findings(connection: sqlite3.Connection) -> Iterator[Found]:
    for account, install, backup, id_, severity, message, evidence in connection.execute(_FINDINGS):
        advice = FINDINGS[id_].advice if id_ in FINDINGS else ""
        places = tuple(map(place_in, json.loads(evidence)))
        yield Found(account, install, backup, id_, severity, message, advice, places)


def _worst_first(one: Found) -> tuple[int, str]:
    return _SEVERITIES.index(one.severity), one.id


_SEVERITIES: Final = tuple(map(str, Severity))


def _keyed(rows: Iterable[tuple[int, str, int]]) -> Iterator[tuple[_Key, int]]:
    for account, id_, number in rows:
        yield (account, id_), number


def _extensions(listed: str | None) -> tuple[Extension, ...]:
    """Return the plugins or themes of a list as the catalog has it; many backups have the same one."""
    return (_remembered_extensions if len(listed or "") <= _LONGEST_REMEMBERED else _extensions_of)(listed)


def _extensions_of(listed: str | None) -> tuple[Extension, ...]:
    entries: list[dict[str, Any]] = [] if listed is None else json.loads(listed)
    return tuple(Extension(one["id"], one.get("version"), one.get("activated", one.get("active"))) for one in entries)


_LONGEST_REMEMBERED: Final = 16_384  # characters
_remembered_extensions = lru_cache(maxsize=4096)(_extensions_of)
