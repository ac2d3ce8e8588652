"""The events of one account: what all witnesses of each backup state, set against one another, then of each install."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from backupmeta.account.home import Archive, Home, Pair, by_archive
from backupmeta.events import witnesses
from backupmeta.events.archive import Depth, Examined, examine
from backupmeta.events.contradiction import contradicting
from backupmeta.events.event import Claim, Event, Statement, Subject
from backupmeta.findings import Finding
from backupmeta.record.document import Document
from backupmeta.search import Search
from backupmeta.secrets import closed

_NAMED: Final = 20
"""How many witnesses that contradict an install's record are named."""

_NOTHING: Final = Examined(None, (), ())
_Marks = dict[Claim, list[Claim]]
"""Who contradicts whom."""


def events(home: Home, search: Search, depth: Depth, findings: list[Finding]) -> Iterator[Event]:
    """Yield the events of one account, in no order; append what could not be read to ``findings``.

    Where one archive of it was asked for, only the events of that backup.
    """
    account, pairs = _Account(home, search, depth, findings), home.pairs()
    sharing = by_archive(pairs)
    for pair in pairs:
        if pair.archive is None:
            yield from account.of_backup(pair, _NOTHING)
        elif some := sharing.pop(pair.archive, None):  # read once, however many records name it
            seen = examine(pair, pair.archive, home.limits, depth)
            for one in some:
                yield from account.of_backup(one, seen)
    if home.wanted is None:
        for id_, record in home.installs.items():
            yield from account.of_install(id_, record)


class _Account:
    """One account that is being told: first its backups, then its installs, whom backups may contradict."""

    def __init__(self, home: Home, search: Search, depth: Depth, findings: list[Finding]) -> None:
        self._home = home
        self._zone = search.zone
        self._depth = depth
        self._findings = findings
        self._files = witnesses.of_record_files(home, findings)
        self._installs = {id_: list(witnesses.of_record(one, findings)) for id_, one in home.installs.items()}
        self._against_installs: _Marks = {}

    def of_backup(self, pair: Pair, seen: Examined) -> Iterator[Event]:
        """Yield what the witnesses of one backup state, each with those who contradict it; ``seen`` of its archive."""
        self._findings.extend(seen.findings)
        records = [one for one in (pair.record, seen.embedded) if one is not None]
        subject = self._subject(records[0] if records else None, pair.id)
        told = [one for record in records for one in witnesses.of_record(record, self._findings)]
        marks = self._contradictions((*told, *seen.statements), subject.install)
        told += self._of_name(pair.archive, [one.claim for one in told if one.claim.kind == "backed-up"], marks)
        for statement in chain(told, self._of_record_file(pair.record), seen.statements):
            yield statement.event(subject, tuple(marks.get(statement.claim, ())))

    def of_install(self, id_: str, record: Document) -> Iterator[Event]:
        """Yield what the record of a live install states."""
        subject = self._subject(record, None)._replace(install=id_)
        for statement in chain(self._installs[id_], self._of_record_file(record)):
            yield statement.event(subject, tuple(self._against_installs.get(statement.claim, ())))

    def _contradictions(self, stated: Iterable[Statement], install: str) -> _Marks:
        """Return who contradicts whom; the live install's record is asked only when it was installed."""
        live = [one.claim for one in self._installs.get(install, ()) if one.claim.kind == "installed"]
        marks = contradicting([*(one.claim for one in stated if one.claim.kind != "member"), *live])
        for claim in live:
            known = self._against_installs.setdefault(claim, [])
            known += marks.get(claim, [])[: _NAMED - len(known)]
        return marks

    def _of_name(self, archive: Archive | None, records: list[Claim], marks: _Marks) -> Iterator[Statement]:
        """Yield what the archive's name states; add to ``marks`` which of the ``records`` it contradicts."""
        named = archive and witnesses.of_name(archive.seen, records, self._zone, self._findings)
        if not named:
            return
        statement, against = named
        for claim in against:
            marks.setdefault(claim, []).append(statement.claim)
            marks.setdefault(statement.claim, []).append(claim)
        yield statement

    def _of_record_file(self, record: Document | None) -> Iterator[Statement]:
        if record is not None and (statement := self._files.get(record.source.path)) is not None:
            yield statement

    def _subject(self, record: Document | None, backup: str | None) -> Subject:
        """Return whom the events of a ``record`` are about; without one, only the account is known."""
        user = _shown(record, "owner") or (self._home.name if self._home.is_home else "")
        application, version, url, install = (
            _shown(record, key) for key in ("installer", "version", "url", "backup-install")
        )
        return Subject(self._home.folder.seen, user, application, version, url, install, backup or "")


def _shown(record: Document | None, key: str) -> str:
    """Return a record's value as it may be shown; empty where there is none, and where it is not UTF-8."""
    return closed(key, (record and record.text(key)) or "")
