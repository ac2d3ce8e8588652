"""The summary of a catalog, which `stats` shows and a report begins with: each word is counted in one way.

SQLite counts, within bounded memory, and the summary is of bounded size, too. All is about what is there now. An
archive that two records claim counts for both, where backups are counted.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from backupmeta.account.home import State
from backupmeta.catalog.database import Catalog, Scan
from backupmeta.catalog.schema import exact_path
from backupmeta.catalog.views import VIEWS
from backupmeta.checks.applications import Order, order
from backupmeta.checks.policy import Verdict
from backupmeta.checks.rulebook import FINDINGS, is_contradiction
from backupmeta.findings import Finding, Severity
from backupmeta.objects import json_object

if TYPE_CHECKING:
    from backupmeta.json_answers import SummaryJson

MOST: Final = 1_000
"""How many applications, versions and months are listed at most."""
MOST_ACCOUNTS: Final = 20
MOST_SCANS: Final = 5

_DAY: Final = 86_400
_AGES: Final = {
    "under 1 day": 1,
    "1 to 7 days": 8,
    "8 to 30 days": 31,
    "31 to 90 days": 91,
    "91 to 365 days": 366,
}
"""Ages, and the days that they are below of."""
_OLDER: Final = "over 365 days"
_LATER: Final = "in the future"
_STATUSES: Final = dict.fromkeys(("present", "vanished", "unreadable"), 0)
_STATES: Final = dict.fromkeys(map(str, State), 0)
_VERDICTS: Final = dict.fromkeys(map(str, Verdict), 0)
_LONGEST: Final = 100
"""How many characters of a name are kept; a hostile record may have a million."""

AMOUNTS: Final = ("backups", "archives", "bytes")
PARTED: Final[dict[str, tuple[str, ...]]] = {
    "applications": ("application",),
    "versions": ("application", "version"),
    "ages": ("age",),
    "months": ("month",),
}
"""How backups are parted: the attributes of a summary, and what the backups of a part have in common."""

KEYS: Final = {"now": "as_of", "largest": "largest_accounts", "months": "growth"}
"""The members of JSON that are not called as the attributes of a summary."""

_NOT_SHOWN: Final = frozenset({"digested", "verdicts"})
_TIMES: Final = frozenset({"now", "time", "began", "ended"})
"""The attributes that are Unix seconds."""


class Part(NamedTuple):
    """Some of the backups.

    Attributes:
        names: what they have in common: an application and a version, an age, a month; None where it is not known.
        backups: how many they are.
        archives: how many of them have an archive here.
        bytes: how large these are.
    """

    names: tuple[str | None, ...]
    backups: int
    archives: int
    bytes: int

    def to_json(self, names: tuple[str, ...] = ()) -> dict[str, object]:
        """Return it for JSON; ``names`` are what `names` are called."""
        return {**dict(zip(names, self.names, strict=True)), **dict(zip(AMOUNTS, self[1:], strict=True))}


class AccountSize(NamedTuple):
    """An account: its host and path (surrogates stand for bytes that are not UTF-8), its archives, and their size."""

    host: str
    path: str
    archives: int
    bytes: int


class DatedBackup(NamedTuple):
    """A backup: its account's host and path, when it was made (Unix seconds), its id, and what it is of."""

    host: str
    account: str
    time: int
    id: str | None
    application: str | None
    version: str | None
    url: str | None


class Duplicates(NamedTuple):
    """Archives that are there more than once.

    Attributes:
        digested: of how many archives a digest is known: those that were scanned deep.
        contents: how many contents are there more than once.
        copies: how many archives could be spared.
        wasted_bytes: how large these are.
    """

    digested: int
    contents: int
    copies: int
    wasted_bytes: int


class FindingCount(NamedTuple):
    """A finding's id, its severity, and how often it is there."""

    id: str
    severity: str
    times: int

    @property
    def sentence(self) -> str:
        """What it says; its id where this version does not know it."""
        return FINDINGS[self.id].sentence if self.id in FINDINGS else self.id

    @property
    def advice(self) -> str:
        """What to do about it; empty where this version does not know it."""
        return FINDINGS[self.id].advice if self.id in FINDINGS else ""

    def to_json(self) -> dict[str, object]:
        """Return it for JSON, with what it says."""
        words = {"sentence": self.sentence, "advice": self.advice}
        return {"id": self.id, "severity": self.severity, **words, "times": self.times}


class Summary(NamedTuple):
    """What is in a catalog.

    Attributes:
        now: the moment that ages are as of, Unix seconds.
        scans: the last scans, the newest first.
        accounts: how many accounts there are, by status.
        installs: how many installs there are.
        gone_installs: how many more there are backups of.
        backups: how many backups there are, by state.
        archives: how many archives there are, whatever they are of.
        bytes: how large these are.
        digested: of how many of them a digest is known: those that were scanned deep.
        verdicts: how many of them came out how.
        oldest: the oldest backup whose time is known, or None.
        newest: the newest one.
        orphans: the backups whose install is gone, in accounts that have installs.
        duplicates: archives that are there more than once; None where no digest is known.
        largest: the accounts with the largest archives, the largest first.
        applications: the backups of each application, the largest first.
        versions: the backups of each version of these, in the order of versions.
        ages: the backups of each age, the newest first.
        months: the backups of each month, UTC, the oldest first.
        findings: the findings, the worst first.
    """

    now: int
    scans: tuple[Scan, ...]
    accounts: Mapping[str, int]
    installs: int
    gone_installs: int
    backups: Mapping[str, int]
    archives: int
    bytes: int
    digested: int
    verdicts: Mapping[str, int]
    oldest: DatedBackup | None
    newest: DatedBackup | None
    orphans: Part
    duplicates: Duplicates | None
    largest: tuple[AccountSize, ...]
    applications: tuple[Part, ...]
    versions: tuple[Part, ...]
    ages: tuple[Part, ...]
    months: tuple[Part, ...]
    findings: tuple[FindingCount, ...]

    @property
    def severities(self) -> Mapping[str, int]:
        """How many findings are how severe, the worst first."""
        return _by_severity(self.findings)

    @property
    def contradictions(self) -> Mapping[str, int]:
        """The same of those that say that evidence contradicts itself."""
        return _by_severity([finding for finding in self.findings if is_contradiction(finding.id)])

    def to_json(self) -> "SummaryJson":
        """Return it for JSON: times are in UTC, what is not known is null."""
        values = {key: value for key, value in self._asdict().items() if key not in _NOT_SHOWN}
        values["scans"] = list(map(_scan_object, self.scans))
        values["orphans"] = self.orphans.to_json()
        for key, names in PARTED.items():
            values[key] = [part.to_json(names) for part in values[key]]
        described = {KEYS.get(key, key): value for key, value in json_object(values, _TIMES).items()}
        return cast("SummaryJson", described)


def _scan_object(scan: Scan) -> dict[str, object]:
    described = json_object(scan, _TIMES)
    del described["version"]
    return {**described, "is_whole": scan.is_whole}


def _by_severity(findings: Sequence[FindingCount]) -> Mapping[str, int]:
    return {word: sum(finding.times for finding in findings if finding.severity == word) for word in Severity}


def stats(path: str, now: int | None = None, findings: list[Finding] | None = None) -> Summary:
    """Return the summary of the catalog at ``path``; ages are as of ``now``, Unix seconds, by default the clock's.

    What is not as it was scanned is left out, and appended to ``findings``. Raises `CatalogError`; without
    ``findings`` also for that.
    """
    with Catalog.checked(path, findings) as catalog:
        return summary(catalog, int(time()) if now is None else now)


def summary(catalog: Catalog, now: int) -> Summary:
    """Return the summary of an open ``catalog``; ages are as of ``now``, Unix seconds."""
    connection = catalog.connection
    archives, size, digested = connection.execute(_ARCHIVES).fetchone()
    return Summary(
        now=now,
        scans=tuple(catalog.scans(MOST_SCANS)),
        accounts=_STATUSES | dict(connection.execute("SELECT status, count(*) FROM accounts GROUP BY status")),
        installs=connection.execute("SELECT count(*) FROM all_installs WHERE until IS NULL").fetchone()[0],
        gone_installs=connection.execute("SELECT count(*) FROM gone_installs").fetchone()[0],
        backups=_STATES | dict(connection.execute(_BY_STATE)),
        archives=archives,
        bytes=size,
        digested=digested,
        verdicts=_VERDICTS | dict(connection.execute(_BY_VERDICT)),
        oldest=_first(connection, "ASC"),
        newest=_first(connection, "DESC"),
        orphans=Part((), *connection.execute(_ORPHANS).fetchone()),
        duplicates=Duplicates(digested, *connection.execute(_DUPLICATES).fetchone()) if digested else None,
        largest=tuple(
            AccountSize(host, exact_path(path, path_bytes), *size_of)
            for host, path, path_bytes, *size_of in connection.execute(_LARGEST)
        ),
        applications=tuple(_parts(connection, _APPLICATION)),
        versions=tuple(sorted(_parts(connection, _APPLICATION, _VERSION), key=_in_order)),
        ages=tuple(_ages(connection, now)),
        months=tuple(sorted(_parts(connection, _MONTH), key=lambda part: (part.names == (None,), part.names))),
        findings=tuple(sorted(map(FindingCount._make, connection.execute(_FINDINGS)), key=_worst_first)),
    )


_COUNTED: Final = "count(*), count(f.file), ifnull(sum(f.size), 0)"
_BACKUPS: Final = "FROM all_backups b LEFT JOIN all_files f ON f.file = b.archive_file WHERE b.until IS NULL"
_APPLICATION: Final = f"substr(b.application, 1, {_LONGEST})"
_VERSION: Final = f"substr(b.version, 1, {_LONGEST})"
_MONTH: Final = "strftime('%Y-%m', b.backup_time, 'unixepoch')"
_BY_STATE: Final = "SELECT state, count(*) FROM all_backups WHERE until IS NULL GROUP BY state"
_ORPHANS: Final = f"SELECT {_COUNTED} {VIEWS['orphans'].rows}"
_ARCHIVES: Final = """
SELECT count(*), ifnull(sum(size), 0), count(sha256) FROM all_files WHERE until IS NULL AND kind = 'archive'
"""
_BY_VERDICT: Final = """
SELECT verdict, count(*) FROM all_files
WHERE until IS NULL AND kind = 'archive' AND verdict IS NOT NULL GROUP BY verdict
"""
_DUPLICATES: Final = "SELECT count(*), ifnull(sum(copies - 1), 0), ifnull(sum(wasted_bytes), 0) FROM duplicates"
_LARGEST: Final = f"""
SELECT a.host, a.path, a.path_bytes, count(*), sum(f.size) {VIEWS["sizes"].rows}
ORDER BY 5 DESC, f.account LIMIT {MOST_ACCOUNTS}
"""
_FIRST: Final = """
SELECT a.host, a.path, a.path_bytes, b.backup_time, b.id, b.application, b.version, b.url
FROM all_backups b JOIN accounts a USING (account) WHERE b.until IS NULL AND b.backup_time IS NOT NULL
ORDER BY b.backup_time {}, b.backup LIMIT 1
"""
_FINDINGS: Final = f"SELECT n.id, n.severity, count(*) {VIEWS['findings'].rows} GROUP BY n.id, n.severity"


def _first(connection: sqlite3.Connection, direction: str) -> DatedBackup | None:
    """Return the backup whose time comes first, in a ``direction``: ASC or DESC."""
    for host, path, path_bytes, *fields in connection.execute(_FIRST.format(direction)):
        return DatedBackup(host, exact_path(path, path_bytes), *fields)
    return None


def _parts(connection: sqlite3.Connection, *names: str) -> Iterator[Part]:
    """Yield the backups by what they have in common, the SQL of which are ``names``; the largest parts first."""
    groups = ", ".join(names)
    select = f"SELECT {_COUNTED}, {groups} {_BACKUPS} GROUP BY {groups} ORDER BY 3 DESC, 1 DESC, {groups} LIMIT {MOST}"
    for backups, archives, size, *values in connection.execute(select):
        yield Part(tuple(values), backups, archives, size)


def _in_order(part: Part) -> tuple[bool, str, bool, Order]:
    """Return what a version of an application is sorted by; what is not known comes last."""
    application, version = part.names
    return application is None, application or "", version is None, order(version or "")


def _ages(connection: sqlite3.Connection, now: int) -> Iterable[Part]:
    """Return the backups of the usual ages, even where there are none, then those of others."""
    ages = "".join(f" WHEN {now} - b.backup_time < {days * _DAY} THEN '{age}'" for age, days in _AGES.items())
    age = f"CASE WHEN b.backup_time > {now} THEN '{_LATER}'{ages} WHEN b.backup_time IS NOT NULL THEN '{_OLDER}' END"
    always: dict[tuple[str | None, ...], Part] = {(part,): Part((part,), 0, 0, 0) for part in (*_AGES, _OLDER)}
    return (always | {part.names: part for part in _parts(connection, age)}).values()


def _worst_first(finding: FindingCount) -> tuple[int, int, str]:
    return Severity(finding.severity).rank, -finding.times, finding.id
