"""`Report`: what a report tells, whatever it is written as; read from a catalog, all of it as of one moment.

Rows know each other by the catalog's numbers. Times are Unix seconds, sizes are bytes. Surrogates in paths stand for
bytes that are not UTF-8. Secrets are masked: a catalog holds none.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from time import time
from typing import Final, NamedTuple, TypeVar

from backupmeta import __version__
from backupmeta.catalog.case import NO_CASE, Case
from backupmeta.catalog.database import Catalog, Scan, age, digest_of
from backupmeta.catalog.schema import exact_path
from backupmeta.catalog.summary import Summary, summary
from backupmeta.checks.rulebook import FINDINGS, is_contradiction
from backupmeta.findings import Finding, Severity
from backupmeta.objects import as_json, json_object
from backupmeta.provenance import Source, place_in
from backupmeta.record import values
from backupmeta.words import place

MOST_SCANS: Final = 20
"""How many scans are listed at most."""

Row = TypeVar("Row")

_EXACT: Final = {"path_bytes": "path", "archive_bytes": "archive"}
"""The columns with exact bytes, and those with the text of the same paths."""
_LISTS: Final = frozenset({"plugins", "themes"})
_LONGEST_REMEMBERED: Final = 16_384  # characters
TIMES: Final = frozenset("written as_of oldest began ended newest created updated time modified".split())
"""The attributes that are times."""

_COUNTED: Final = (
    "accounts installs gone_installs backups orphans archives bytes digested verdicts duplicates oldest newest "
    "severities contradictions".split()
)
"""The attributes of a summary that JSON has, in its order."""


# --- what it tells ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extension:
    """A plugin or a theme: its folder's name, its version, whether it is active; None for what is not known."""

    id: str
    version: str | None
    is_active: bool | None


@dataclass(frozen=True, slots=True)
class ReportedAccount:
    """A home, or a folder of archives that belongs to none.

    Attributes:
        number: its number in the catalog.
        host: the host that it lies on; empty where all are reached from here.
        path: its path on that host.
        seen: its path as the server saw it.
        status: present, vanished, or unreadable.
        installs: how many live installs it has.
        backups: how many backups it has.
        archives: how many archives it has.
        bytes: how large these are.
        newest: when the newest of its backups was made; None where there is none whose time is known.
    """

    number: int
    host: str
    path: str
    seen: str
    status: str
    installs: int
    backups: int
    archives: int
    bytes: int
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReportedInstall:
    """A live install, as its own record tells it.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        created: when it was installed.
        updated: when it was last updated.
        available: the highest version that it can be updated to.
        user: the account that owns it.
        login: the administrator's user name.
        email: the administrator's address.
        backups: how many backups of it there are.
        newest: when the newest of them was made.
    """

    number: int
    account: int
    id: str
    application: str | None
    version: str | None
    available: str | None
    title: str | None
    url: str | None
    path: str | None
    user: str | None
    login: str | None
    email: str | None
    created: int | None
    updated: int | None
    plugins: tuple[Extension, ...]
    themes: tuple[Extension, ...]
    backups: int
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReportedGoneInstall:
    """An install that is gone, as the newest of its backups tells of it.

    Attributes:
        account: the number of its account.
        user: the account that owned it.
        login: the administrator's user name.
        email: the administrator's address.
        backup: the number of the newest backup of it.
        archive: the path of that one's archive; None where there is none.
        backups: how many there are.
        oldest: when the oldest of them was made.
        newest: when the newest one was.
    """

    account: int
    id: str
    application: str | None
    version: str | None
    title: str | None
    url: str | None
    path: str | None
    user: str | None
    login: str | None
    email: str | None
    backup: int
    archive: str | None
    backups: int
    oldest: int | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReportedBackup:
    """A backup: its record, its archive, or both.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        install: the number of the live install that it is of; None where that is gone.
        install_id: the id of that install.
        state: paired, missing, remote or unclaimed.
        time: when it was made.
        user: the account that owned the install.
        login: the administrator's user name.
        email: the administrator's address.
        location: local, a location's id, or a URI.
        archive: the path of its archive, below its account's; None where there is none.
        bytes: how large that is.
        sha256: its digest, where it was scanned deep.
        verdict: pass, fail, unreadable or not judged, where it was scanned deep.
    """

    number: int
    account: int
    install: int | None
    install_id: str | None
    id: str | None
    state: str
    time: int | None
    application: str | None
    version: str | None
    title: str | None
    url: str | None
    path: str | None
    user: str | None
    login: str | None
    email: str | None
    location: str | None
    note: str | None
    plugins: tuple[Extension, ...]
    themes: tuple[Extension, ...]
    archive: str | None
    bytes: int | None
    sha256: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class ReportedArchive:
    """An archive's file.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        backup: the number of the backup that it is of, if any.
        path: its path, below its account's.
        bytes: how large it is.
        modified: when it was modified.
        status: read; passed over, where another one has its name; or the id of the finding that says why not.
        sha256: its digest, where it was scanned deep.
        verdict: pass, fail, unreadable or not judged, where it was scanned deep.
    """

    number: int
    account: int
    backup: int | None
    path: str
    bytes: int
    modified: int
    status: str
    sha256: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding, and what it is about.

    Attributes:
        account: the number of the account; None for a root.
        install: the number of the install, if it is about one.
        backup: the number of the backup, if it is about one.
        id: the id of its rule.
        severity: error, warning or note.
        message: one sentence.
        advice: what to do about it; empty where this version does not know the word.
        evidence: where it can be seen.
    """

    account: int | None
    install: int | None
    backup: int | None
    id: str
    severity: str
    message: str
    advice: str
    evidence: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class AccountFindings:
    """The findings of one kind about one account.

    Attributes:
        account: the number of the account; None for roots.
        id: the id of their rule.
        severity: error, warning or note.
        times: how many there are.
        message: what the first of them says.
    """

    account: int | None
    id: str
    severity: str
    times: int
    message: str


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Attributes:
        written: when it was written.
        version: the version of backupmeta that wrote it.
        command: the command line, as it was given.
        case: what it is written for.
        catalog: the catalog's path; None where what is told was scanned for this report alone.
        catalog_sha256: the digest of the catalog's file; None without one, and where a scan is at work on it.
        as_of: when the newest scan began, which it tells of.
        oldest: when the scan began that looked last at the account not looked at for longest.
        scans: the last scans, the newest first.
        accounts: the accounts, by path.
        installs: the live installs, account by account.
        gone_installs: those of which there are backups alone, account by account.
        backups: the backups, the newest first.
        archives: the archives, account by account.
        findings: the findings, the worst first.
        summary: how much there is of what.
    """

    written: int
    version: str
    command: str
    case: Case
    catalog: str | None
    catalog_sha256: str | None
    as_of: int
    oldest: int
    scans: tuple[Scan, ...]
    accounts: tuple[ReportedAccount, ...]
    installs: tuple[ReportedInstall, ...]
    gone_installs: tuple[ReportedGoneInstall, ...]
    backups: tuple[ReportedBackup, ...]
    archives: tuple[ReportedArchive, ...]
    findings: tuple[ReportedFinding, ...]
    summary: Summary

    @cached_property
    def contradictions(self) -> tuple[ReportedFinding, ...]:
        """Those of the findings that say that evidence contradicts itself, the worst first."""
        return tuple(finding for finding in self.findings if is_contradiction(finding.id))

    @cached_property
    def account_findings(self) -> tuple[AccountFindings, ...]:
        """The findings by account and kind: the accounts with the worst first, and of each the worst first."""
        times = Counter((finding.account, finding.id, finding.severity) for finding in self.findings)
        messages: dict[tuple[int | None, str, str], str] = {}
        for finding in self.findings:
            messages.setdefault((finding.account, finding.id, finding.severity), finding.message)
        places = {account: place for place, (account, *_) in reversed([*enumerate(messages)])}
        kinds = (AccountFindings(*kind, times[kind], message) for kind, message in messages.items())
        return tuple(sorted(kinds, key=lambda kind: places[kind.account]))

    @cached_property
    def account_names(self) -> Mapping[int, str]:
        """What the accounts are called, by number: their paths as the server saw them; of several alike, those here."""
        seen = [place(account.host, account.seen) for account in self.accounts]
        times = Counter(seen)
        return {
            account.number: name if times[name] == 1 else place(account.host, account.path)
            for account, name in zip(self.accounts, seen, strict=True)
        }

    @cached_property
    def account_paths(self) -> Mapping[int, str]:
        """The accounts' paths as the server saw them, by number."""
        return {account.number: account.seen for account in self.accounts}

    def json_members(self) -> Iterator[tuple[str, object]]:
        """Yield the members of its JSON: lists are iterators, whose objects are made while they are taken."""
        values = {member.name: getattr(self, member.name) for member in fields(self) if member.name != "summary"}
        lists = {key: value for key, value in values.items() if isinstance(value, tuple)}
        lists["contradictions"] = self.contradictions
        yield "summary", json_object(_counted(self.summary), TIMES)
        yield from json_object({key: value for key, value in values.items() if key not in lists}, TIMES).items()
        yield from ((key, (as_json(row, TIMES) for row in rows)) for key, rows in lists.items())

    def to_json(self) -> dict[str, object]:
        """Return it for JSON."""
        return {key: list(value) if isinstance(value, Iterator) else value for key, value in self.json_members()}


def _counted(counts: Summary) -> dict[str, object]:
    values = {key: getattr(counts, key) for key in _COUNTED}
    copies = counts.duplicates
    spare = {"copies": 0, "bytes": 0} if copies is None else {"copies": copies.copies, "bytes": copies.wasted_bytes}
    values |= {"orphans": counts.orphans.backups, "duplicates": spare}
    values |= {key: values[key] and values[key].time for key in ("oldest", "newest")}
    return {**values, "kinds": [finding.to_json() for finding in counts.findings]}


# --- reading it -------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What is written down beside what the catalog has.

    Attributes:
        now: the moment that ages are as of, Unix seconds.
        command: the command line.
        catalog: the catalog's path; None for one that is there for the report alone.
        written: when the report is written, Unix seconds, whatever it is as of.
        case: what it is written for.
    """

    now: int
    command: str
    catalog: str | None
    written: int
    case: Case = NO_CASE


def report(path: str, asked: Asked | None = None, findings: list[Finding] | None = None) -> Report:
    """Return what the catalog at ``path`` has. Raises `CatalogError`, also where nothing was scanned into it.

    ``asked`` is what is written down beside that; by default it is as of now.

    What is not as it was scanned is left out, and appended to ``findings``; without these it is a `CatalogError`.
    """
    asked = asked or Asked(int(time()), "", path, int(time()))
    known = age(path)
    with Catalog.checked(path, findings) as catalog:
        return Report(
            written=asked.written,
            version=__version__,
            command=asked.command,
            case=asked.case,
            catalog=asked.catalog,
            catalog_sha256=None if asked.catalog is None else digest_of(path),
            as_of=known.newest,
            oldest=known.oldest,
            scans=tuple(catalog.scans(MOST_SCANS)),
            accounts=tuple(_rows(catalog, _ACCOUNTS, ReportedAccount)),
            installs=tuple(_rows(catalog, _INSTALLS, ReportedInstall)),
            gone_installs=tuple(_rows(catalog, _GONE_INSTALLS, ReportedGoneInstall)),
            backups=tuple(_rows(catalog, _BACKUPS, ReportedBackup)),
            archives=tuple(_rows(catalog, _ARCHIVES, ReportedArchive)),
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
  i.path, i.user, i.login, i.email, i.time_created AS created, i.time_updated AS updated, i.plugins, i.themes,
  ifnull(b.backups, 0) AS backups, b.backup_time AS newest
FROM installs i JOIN accounts a USING (account)
LEFT JOIN newest_backups b ON b.account = i.account AND b.backup_install = i.id
ORDER BY a.path, a.host, i.account, i.install
"""
_GONE_INSTALLS: Final = """
SELECT g.account, g.id, g.application, g.version, g.title, g.url, g.path, g.user, b.login, b.email, g.backup, g.archive,
  g.archive_bytes, g.backups, g.first_backup_time AS oldest, g.last_backup_time AS newest
FROM gone_installs g JOIN all_backups b USING (backup) ORDER BY g.account_path, g.account_host, g.account, g.id
"""
_BACKUPS: Final = """
WITH live AS MATERIALIZED (
  SELECT account, id, min(install) AS install FROM all_installs WHERE until IS NULL GROUP BY account, id)
SELECT b.backup AS number, b.account, i.install, b.backup_install AS install_id, b.id, b.state, b.backup_time AS time,
  b.application, b.version, b.title, b.url, b.path, b.user, b.login, b.email,
  b.backup_location AS location, b.backup_note AS note,
  b.plugins, b.themes, f.path AS archive, f.path_bytes AS archive_bytes, f.size AS bytes, f.sha256, f.verdict
FROM backups b LEFT JOIN all_files f ON f.file = b.archive_file
LEFT JOIN live i ON i.account = b.account AND i.id = b.backup_install
ORDER BY b.backup_time DESC NULLS LAST, b.backup
"""
_OF_FILE: Final = """
  SELECT account, archive_file AS file, min(backup) AS backup FROM all_backups
  WHERE until IS NULL AND archive_file IS NOT NULL GROUP BY account, archive_file
"""
"""The backup that an archive is of; the first one, where several records claim it."""
_ARCHIVES: Final = f"""
SELECT f.file AS number, f.account, b.backup, f.path, f.path_bytes, f.size AS bytes,
  f.mtime_ns / 1000000000 AS modified, f.status, f.sha256, f.verdict
FROM all_files f JOIN accounts a USING (account)
LEFT JOIN ({_OF_FILE}) b ON b.account = f.account AND b.file = f.file
WHERE f.until IS NULL AND f.kind = 'archive' ORDER BY a.path, a.host, f.account, f.path, f.file
"""
_FINDINGS: Final = f"""
SELECT n.account, n.install, ifnull(n.backup, b.backup) AS backup, n.id, n.severity, n.message, n.evidence
FROM findings n
LEFT JOIN ({_OF_FILE}) b ON b.account = n.account AND b.file = n.file
ORDER BY n.finding
"""


def _findings(catalog: Catalog) -> Iterator[ReportedFinding]:
    for row in catalog.named(_FINDINGS):
        advice = FINDINGS[row["id"]].advice if row["id"] in FINDINGS else ""
        evidence = tuple(map(place_in, json.loads(row.pop("evidence"))))
        yield ReportedFinding(advice=advice, evidence=evidence, **row)


def _rows(catalog: Catalog, select: str, kind: Callable[..., Row]) -> Iterator[Row]:
    """Yield the rows of a ``select``: a path and its exact bytes are one, lists of extensions are their entries."""
    for row in catalog.named(select):
        for column in _EXACT.keys() & row.keys():
            path, exact = _EXACT[column], row.pop(column)
            row[path] = row[path] and exact_path(row[path], exact)
        for column in _LISTS & row.keys():
            row[column] = _extensions(row[column])
        yield kind(**row)


def _worst_first(finding: ReportedFinding) -> tuple[int, str]:
    return Severity(finding.severity).rank, finding.id


def _extensions(listed: str | None) -> tuple[Extension, ...]:
    """Return the plugins or themes of a list as the catalog has it; many backups have the same one."""
    return (_remembered_extensions if len(listed or "") <= _LONGEST_REMEMBERED else _extensions_of)(listed)


def _extensions_of(listed: str | None) -> tuple[Extension, ...]:
    return tuple(Extension(*values.Extension.of(entry)[:3]) for entry in json.loads(listed or "[]"))


_remembered_extensions = lru_cache(maxsize=4096)(_extensions_of)
