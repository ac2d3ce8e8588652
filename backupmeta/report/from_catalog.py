"""Reading a `Report` from a catalog: all of it as of one moment, whatever a scan writes meanwhile."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from backupmeta import __version__
from backupmeta.catalog.database import Catalog, age
from backupmeta.catalog.schema import exact_path
from backupmeta.catalog.summary import summary
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from backupmeta.provenance import place_in
from backupmeta.record import values
from backupmeta.report.model import (
    Extension,
    Report,
    ReportedAccount,
    ReportedArchive,
    ReportedBackup,
    ReportedFinding,
    ReportedInstall,
)

MOST_SCANS: Final = 20
"""How many scans are listed at most."""


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
    with Catalog.checked(path, findings) as catalog:
        return Report(
            written=asked.now,
            version=__version__,
            command=asked.command,
            catalog=asked.catalog,
            as_of=known.newest,
            oldest=known.oldest,
            scans=tuple(catalog.scans(MOST_SCANS)),
            accounts=tuple(_accounts(catalog)),
            installs=tuple(_installs(catalog)),
            backups=tuple(_backups(catalog)),
            archives=tuple(_archives(catalog)),
            findings=tuple(sorted(_findings(catalog), key=_worst_first)),
            summary=summary(catalog, asked.now),
        )


_ACCOUNTS: Final = """
SELECT a.account AS number, a.host, a.path, a.path_bytes, a.seen, a.status,
  ifnull(i.installs, 0) AS installs, ifnull(b.backups, 0) AS backups,
  ifnull(s.archives, 0) AS archives, ifnull(s.bytes, 0) AS bytes, b.newest
FROM accounts a
LEFT JOIN (SELECT account, count(*) AS installs FROM all_installs WHERE until IS NULL GROUP BY account) i
  USING (account)
LEFT JOIN (SELECT account, sum(backups) AS backups, max(backup_time) AS newest FROM newest_backups GROUP BY account) b
  USING (account)
LEFT JOIN sizes s USING (account)
ORDER BY a.path, a.host, a.account
"""
_INSTALLS: Final = """
SELECT i.install AS number, i.account, i.id, i.application, i.version, i.version_available AS available, i.title, i.url,
  i.path, i.user, i.time_created AS created, i.time_updated AS updated, i.plugins, i.themes,
  ifnull(b.backups, 0) AS backups, b.backup_time AS newest
FROM installs i JOIN accounts a USING (account)
LEFT JOIN newest_backups b ON b.account = i.account AND b.backup_install = i.id
ORDER BY a.path, a.host, i.account, i.install
"""
_BACKUPS: Final = """
WITH live AS MATERIALIZED (
  SELECT account, id, min(install) AS install FROM all_installs WHERE until IS NULL GROUP BY account, id)
SELECT b.backup AS number, b.account, i.install, b.backup_install AS install_id, b.id, b.state, b.backup_time AS time,
  b.application, b.version, b.title, b.url, b.path, b.user, b.backup_location AS location, b.backup_note AS note,
  b.plugins, b.themes, f.path AS archive, f.path_bytes AS archive_bytes, f.size AS bytes, f.sha256, f.verdict
FROM backups b LEFT JOIN all_files f ON f.file = b.archive_file
LEFT JOIN live i ON i.account = b.account AND i.id = b.backup_install
ORDER BY b.backup_time DESC NULLS LAST, b.backup
"""
_ARCHIVES: Final = """
SELECT f.file AS number, f.account, b.backup, f.path, f.path_bytes, f.size AS bytes,
  f.mtime_ns / 1000000000 AS modified, f.status, f.sha256, f.verdict
FROM all_files f JOIN accounts a USING (account)
LEFT JOIN (
  SELECT account, archive_file AS file, min(backup) AS backup FROM all_backups
  WHERE until IS NULL AND archive_file IS NOT NULL GROUP BY account, archive_file
) b ON b.account = f.account AND b.file = f.file
WHERE f.until IS NULL AND f.kind = 'archive' ORDER BY a.path, a.host, f.account, f.path, f.file
"""
_FINDINGS: Final = """
SELECT n.account, n.install, ifnull(n.backup, b.backup) AS backup, n.id, n.severity, n.message, n.evidence
FROM findings n
LEFT JOIN (
  SELECT account, archive_file AS file, min(backup) AS backup FROM all_backups
  WHERE until IS NULL AND archive_file IS NOT NULL GROUP BY account, archive_file
) b ON b.account = n.account AND b.file = n.file
ORDER BY n.finding
"""


def _accounts(catalog: Catalog) -> Iterator[ReportedAccount]:
    for row in catalog.named(_ACCOUNTS):
        yield ReportedAccount(**_with_path(row, "path", "path_bytes"))


def _installs(catalog: Catalog) -> Iterator[ReportedInstall]:
    for row in catalog.named(_INSTALLS):
        yield ReportedInstall(**_with_extensions(row))


def _backups(catalog: Catalog) -> Iterator[ReportedBackup]:
    for row in catalog.named(_BACKUPS):
        yield ReportedBackup(**_with_extensions(_with_path(row, "archive", "archive_bytes")))


def _archives(catalog: Catalog) -> Iterator[ReportedArchive]:
    for row in catalog.named(_ARCHIVES):
        yield ReportedArchive(**_with_path(row, "path", "path_bytes"))


def _findings(catalog: Catalog) -> Iterator[ReportedFinding]:
    for row in catalog.named(_FINDINGS):
        advice = FINDINGS[row["id"]].advice if row["id"] in FINDINGS else ""
        evidence = tuple(map(place_in, json.loads(row.pop("evidence"))))
        yield ReportedFinding(advice=advice, evidence=evidence, **row)


def _with_path(row: dict[str, Any], path: str, path_bytes: str) -> dict[str, Any]:
    """Return ``row`` with its exact path in one column instead of two."""
    exact = row.pop(path_bytes)
    if row[path] is not None:
        row[path] = exact_path(row[path], exact)
    return row


def _with_extensions(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with the entries of its lists."""
    row["plugins"], row["themes"] = _extensions(row["plugins"]), _extensions(row["themes"])
    return row


def _worst_first(finding: ReportedFinding) -> tuple[int, str]:
    return _SEVERITIES.index(finding.severity), finding.id


_SEVERITIES: Final = tuple(map(str, Severity))


def _extensions(listed: str | None) -> tuple[Extension, ...]:
    """Return the plugins or themes of a list as the catalog has it; many backups have the same one."""
    return (_remembered_extensions if len(listed or "") <= _LONGEST_REMEMBERED else _extensions_of)(listed)


def _extensions_of(listed: str | None) -> tuple[Extension, ...]:
    return tuple(Extension(*values.Extension.of(entry)[:3]) for entry in json.loads(listed or "[]"))


_LONGEST_REMEMBERED: Final = 16_384  # characters
_remembered_extensions = lru_cache(maxsize=4096)(_extensions_of)
