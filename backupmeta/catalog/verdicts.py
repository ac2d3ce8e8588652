"""Verdicts of a catalog: what a deep scan found of an archive stands in for reading it again."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.archive.head import Head
from backupmeta.catalog import memory, store
from backupmeta.catalog.memory import Memory, Remembered
from backupmeta.checks import judge
from backupmeta.checks.account import Kept
from backupmeta.checks.policy import Policy
from backupmeta.checks.subject import Subject
from backupmeta.checks.survey import Survey
from backupmeta.checks.verdict import Verdict, Verification
from backupmeta.errors import CatalogError, Mistake, PolicyError
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, place_in
from backupmeta.record import grammar
from backupmeta.record.document import Document
from backupmeta.verification import Case, Outcome, Run

_OF_NOW: Final = frozenset({"time-in-future", "archive-recent", "name-time-differs"})
"""What depends on the moment of judging, and on the zone; it is judged anew where there is a record."""

_UNWALKED: Final = """
SELECT a.path || '/' || f.path FROM all_files f JOIN accounts a USING (account)
WHERE f.kind = 'archive' AND f.until IS NULL AND f.verdict IS NULL AND f.status <> 'passed over'
  AND a.status <> 'vanished' ORDER BY f.file LIMIT 1
"""
_ARCHIVES: Final = """
SELECT f.path, f.path_bytes, b.id, f.file, f.verdict, f.sha256, b.backup, b.backup_install, b.backup_time
FROM all_files f LEFT JOIN all_backups b ON b.account = f.account AND b.archive_file = f.file AND b.until IS NULL
WHERE f.account = ? AND f.until IS NULL AND f.kind = 'archive'
"""
_MEMORY: Final = "SELECT path, path_bytes, content FROM accounts JOIN memories USING (account) WHERE account = ?"
_FINDINGS: Final = """
SELECT id, subject, detail, evidence FROM all_findings
WHERE account = ? AND until IS NULL AND file = ? AND backup IS ? ORDER BY finding
"""


def recorded(catalog: str, policy: Policy) -> Run:
    """Return what gives the outcomes that a deep scan has written to ``catalog``, to be judged by ``policy``.

    Raises:
        CatalogError: it is none, or has an archive that no scan has walked.
        PolicyError: the policy asks for what only the archives themselves tell.
    """
    _refuse(policy)
    with store.opened_to_read(catalog) as connection:
        if (unwalked := connection.execute(_UNWALKED).fetchone()) is not None:
            advice = "scan it again with --deep, or verify the archives without --catalog"
            raise CatalogError(catalog, f"{unwalked[0]} was not read to its end", advice)

    def run(cases: Iterable[Case]) -> Iterator[Outcome]:
        with store.opened_to_read(catalog) as opened:
            accounts = _Accounts(catalog, opened)
            for case in cases:
                yield Outcome.joined(_outcome(opened, *accounts.archive(one), one) for one in case.alone)

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
    """What the catalog has of an archive, as that of one backup."""

    account: int
    file: int
    verdict: str
    sha256: str | None
    backup: int | None
    install: str | None
    time: int | None


class _Account(NamedTuple):
    """An account: its number, its path, its archives by their paths and backups' ids, what is remembered of it."""

    number: int
    base: str
    archives: Mapping[tuple[str, str | None], _Archive]
    remembered: Memory


class _Accounts:
    """The archives of the accounts; cases come account by account."""

    def __init__(self, catalog: str, connection: sqlite3.Connection) -> None:
        self._catalog = catalog
        self._connection = connection
        self._last: _Account | None = None

    def archive(self, case: Case) -> tuple[_Archive, Document | None]:
        """Return what there is of the archive of ``case``, which a recalled home gave, and its own record."""
        number = case.place.identity[0] if case.place.identity is not None else 0
        if self._last is None or self._last.number != number:
            self._last = self._account(number)
        account = self._last
        path = os.path.relpath(case.place.path, account.base).replace(os.sep, "/")
        archives = account.archives
        found = archives[path, case.pair.id] if (path, case.pair.id) in archives else archives[path, None]
        return found, _embedded(case, account.remembered.files.get(path))

    def _account(self, number: int) -> _Account:
        path, path_bytes, content = self._connection.execute(_MEMORY, (number,)).fetchone()
        base = store.exact(path, path_bytes)
        return _Account(number, base, dict(self._archives(number)), memory.recall(self._catalog, base, content))

    def _archives(self, account: int) -> Iterator[tuple[tuple[str, str | None], _Archive]]:
        for path, path_bytes, id_, *told in self._connection.execute(_ARCHIVES, (account,)):
            found = _Archive(account, *told)
            yield (store.exact(path, path_bytes), id_), found
            yield (store.exact(path, path_bytes), None), found


def _embedded(case: Case, remembered: Remembered | None) -> Document | None:
    """Return the archive's own record, where its backup has no other."""
    if case.pair.record is not None or remembered is None or not isinstance(remembered.found, Head):
        return None
    found = remembered.found
    return Document(Source(Witness.EMBEDDED_RECORD, case.seen, found.member.text), grammar.parse(found.record))


def _outcome(connection: sqlite3.Connection, archive: _Archive, embedded: Document | None, case: Case) -> Outcome:
    """Return what a deep scan found of an archive, judged by the policy of now."""
    if archive.verdict == Verdict.NOT_JUDGED:
        found = judge.judged(_findings(connection, archive), case.policy)
        return Outcome(Verification("archive", case.seen, Verdict.NOT_JUDGED, None, found), None)
    has_record = case.pair.record is not None or embedded is not None
    findings = [one for one in _findings(connection, archive) if not has_record or one.id not in _OF_NOW]
    if has_record:
        findings += _anew(case, embedded, {one.id for one in findings})
    found = judge.judged(findings, case.policy)
    verdict = judge.verdict(found, case.policy)
    if archive.verdict == Verdict.UNREADABLE:
        verdict = Verdict.UNREADABLE
    is_whole = archive.sha256 is not None and not any(one.is_unread for one in findings)
    kept = Kept(case.seen, archive.install or "", archive.time, archive.sha256) if is_whole else None
    return Outcome(Verification("archive", case.seen, verdict, archive.sha256, found), kept)


def _findings(connection: sqlite3.Connection, archive: _Archive) -> Iterator[Finding]:
    told = connection.execute(_FINDINGS, (archive.account, archive.file, archive.backup))
    for id_, subject, detail, evidence in told:
        yield Finding(id_, subject, detail, tuple(map(place_in, json.loads(evidence))))


def _anew(case: Case, embedded: Document | None, known: set[str]) -> Iterator[Finding]:
    """Yield what the moment, the zone and the policy of now find in the record, beside what is ``known``."""
    inspection = library.resolved(case.pair, case.seen, embedded, case.around, case.zone)
    subject = Subject(case.seen, inspection, Survey(case.limits), case.policy, case.now)
    told = (one for one in inspection.findings if one.id in _OF_NOW)
    yield from (one for one in (*told, *judge.of_backup(subject, is_whole=False)) if one.id not in known)
