"""Verdicts of a catalog: what a deep scan found of an archive stands in for reading it again."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.catalog import store
from backupmeta.checks import judge
from backupmeta.checks.account import Kept
from backupmeta.checks.policy import Policy
from backupmeta.checks.subject import Subject
from backupmeta.checks.survey import Survey
from backupmeta.checks.verdict import Verdict, Verification
from backupmeta.errors import CatalogError, Mistake, PolicyError
from backupmeta.findings import Finding
from backupmeta.provenance import display, place_in
from backupmeta.verification import Case, Outcome, Run

_UPWARDS: Final = 3
"""How many folders upwards from an archive its account may be."""

_OF_NOW: Final = frozenset({"time-in-future", "archive-recent"})
"""What depends on the moment of judging, and is judged anew."""

_ARCHIVE: Final = """
SELECT f.account, f.file, f.verdict, f.sha256, b.backup_install, b.backup_time
FROM accounts a JOIN all_files f ON f.account = a.account AND f.until IS NULL AND f.kind = 'archive'
LEFT JOIN all_backups b ON b.account = a.account AND b.archive_file = f.file AND b.until IS NULL
WHERE a.path = ? AND a.status <> 'vanished' AND f.path = ?
"""
_FINDINGS: Final = """
SELECT id, subject, detail, evidence FROM all_findings
WHERE account = ? AND until IS NULL AND file = ? ORDER BY finding
"""


def recorded(catalog: str) -> Run:
    """Return what gives the outcomes that a deep scan has written to ``catalog``.

    It raises `CatalogError` for an archive that no scan has walked, `PolicyError` for a policy that asks for what only
    the archive itself tells.
    """

    def run(cases: Iterable[Case]) -> Iterator[Outcome]:
        with store.opened_to_read(catalog) as connection:
            for case in cases:
                _refuse(case.policy)
                yield _outcome(catalog, connection, case)

    return run


def _refuse(policy: Policy) -> None:
    needs = policy.requirements
    asked = {"require.files": needs.files, "require.tables": needs.tables, "versions": policy.versions}
    advice = "verify those, without --catalog"
    if mistakes := tuple(
        Mistake(key, "is told by the archives alone", advice) for key, value in asked.items() if value
    ):
        raise PolicyError("", mistakes)


class _Archive(NamedTuple):
    """What the catalog has of an archive."""

    account: int
    file: int
    verdict: str | None
    sha256: str | None
    install: str | None
    time: int | None


def _outcome(catalog: str, connection: sqlite3.Connection, case: Case) -> Outcome:
    """Return what a deep scan found of an archive, judged by the policy of now."""
    archive = _archive(connection, case.place.path)
    if archive is None or archive.verdict is None:
        advice = "scan it again with --deep, or verify the archives without --catalog"
        raise CatalogError(catalog, f"{case.place.path} was not read to its end", advice)
    findings = [one for one in _findings(connection, archive) if one.id not in _OF_NOW]
    findings += _anew(case, {one.id for one in findings})
    found = judge.judged(findings, case.policy)
    verdict = judge.verdict(found, case.policy)
    if archive.verdict == Verdict.UNREADABLE:
        verdict = Verdict.UNREADABLE
    is_whole = archive.sha256 is not None and not any(one.is_unread for one in findings)
    kept = Kept(case.seen, archive.install or "", archive.time, archive.sha256) if is_whole else None
    return Outcome(Verification("archive", case.seen, verdict, archive.sha256, found), kept)


def _archive(connection: sqlite3.Connection, path: str) -> _Archive | None:
    """Return what there is of the archive at ``path``, which lies in an account, or in a folder of it."""
    folder, name = os.path.split(path)
    below = name
    for _ in range(_UPWARDS):
        found = connection.execute(_ARCHIVE, (display(folder), display(below))).fetchone()
        if found is not None:
            return _Archive(*found)
        folder, name = os.path.split(folder)
        below = f"{name}/{below}"
    return None


def _findings(connection: sqlite3.Connection, archive: _Archive) -> Iterator[Finding]:
    told = connection.execute(_FINDINGS, (archive.account, archive.file))
    for id_, subject, detail, evidence in told:
        yield Finding(id_, subject, detail, tuple(map(place_in, json.loads(evidence))))


def _anew(case: Case, known: set[str]) -> Iterator[Finding]:
    """Yield what the policy of now finds in the record, beside what is ``known``."""
    if case.pair.record is not None:
        inspection = library.resolved(case.pair, case.seen, None, case.around, case.zone)
        subject = Subject(case.seen, inspection, Survey(case.limits), case.policy, case.now)
        yield from (one for one in judge.of_backup(subject, is_whole=False) if one.id not in known)
