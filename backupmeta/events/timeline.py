"""`timeline`: everything that happened in any number of accounts, in order, each event with its witness.

What all witnesses of each backup state is set against one another, then what is said of each install. The archives are
read by any workers, in the order in which they are met: the events are the same whoever does it.
"""

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self

from backupmeta.account.filename import unreadable
from backupmeta.account.home import Archive, Home, Pair, by_archive
from backupmeta.backup.contradictions import Making
from backupmeta.errors import EvidenceError, told_of
from backupmeta.events import claims
from backupmeta.events.claims import (
    KINDS,
    Claim,
    Ended,
    Event,
    Examined,
    Examining,
    File,
    Part,
    Statement,
    Subject,
    ToRead,
    nearest,
)
from backupmeta.findings import Finding
from backupmeta.folders import rows, telling
from backupmeta.provenance import Source, Witness
from backupmeta.record.grammar import Document
from backupmeta.search import EVERYWHERE, Search
from backupmeta.work.orders import HERE, Workers, results, spared

MEMBERS: Final = 10_000
"""How many members of an archive make an event of their own by default: more than a usual site has."""

NAMED: Final = 20
"""How many further witnesses of an event are named; the rest is counted."""

_CONTRADICTING: Final = 20
"""How many witnesses that contradict an install's record are named."""

_NOTHING: Final = Examined(None, (), ())
_Contradictions = dict[Claim, list[Claim]]
"""Who contradicts whom."""


def timeline(
    search: Search = EVERYWHERE,
    *,
    deep: bool = False,
    members: int = MEMBERS,
    findings: list[Finding] | None = None,
    workers: Workers = HERE,
) -> Iterator[Event]:
    """Yield what happened, by time; of one time by kind, then by account.

    Args:
        search: where to look; its ``zone`` tells the clock by which archives were named.
        deep: read archives to their ends, for the times of their members; else only their heads.
        members: how many members of each archive make an event of their own, the newest ones.
        findings: what can't be read is appended to it, and the rest goes on.
        workers: who reads archives to their ends; of heads, this process reads more than it could give away.

    Raises:
        UnreadableError: a root can't be read.
        TemporaryFileError: there is no room for temporary files.
    """
    with EventSpool() as spool:
        accounts = _Accounts(search, spool, [] if findings is None else findings)
        orders, chosen = spared(accounts.orders(), workers if deep else HERE)
        for _, part in results(orders, Examining(search.limits, deep, members), chosen):
            accounts.take(part)
        accounts.settle()
        yield from spool


# --- accounts ---------------------------------------------------------------------------------------------------------


class _Step(NamedTuple):
    """What comes next of an account.

    Attributes:
        account: the account.
        pairs: the backups that have one archive, or one that has none; none at the end of the account.
        order: the archive that is being read for it; None where there is none.
    """

    account: "_Account"
    pairs: Sequence[Pair] = ()
    order: ToRead | None = None


class _Accounts:
    """All accounts: gives their archives to be read, and takes the events of each, in the order of the disk."""

    def __init__(self, search: Search, spool: "EventSpool", findings: list[Finding]) -> None:
        self._search = search
        self._spool = spool
        self._findings = findings
        self._steps = deque[_Step]()
        self._backups: list[_Backup] | None = None
        """The backups that the archive is of that is being read; None before any of it came."""

    def orders(self) -> Iterator[ToRead]:
        """Yield the archives; take the events that need none on the way. Raises `UnreadableError` for a root."""
        met = list[Finding]()
        for home in self._search.homes(met):
            account = _Account(home, self._search, met)
            met.clear()
            with account.noting_errors():
                yield from self._of_account(account)
            self._add(_Step(account))
        self._findings.extend(met)

    def _of_account(self, account: "_Account") -> Iterator[ToRead]:
        pairs = account.home.pairs()
        sharing = by_archive(pairs)
        for pair in pairs:
            if pair.archive is None:
                self._add(_Step(account, [pair]))
            elif claiming := sharing.pop(pair.archive, None):  # read once, however many records name it
                order = ToRead(pair.archive.place, pair.archive.server_path, pair.record)
                self._add(_Step(account, claiming, order))
                yield order

    def take(self, part: Part) -> None:
        """Take a part of what the oldest archive states whose end has not come."""
        step = self._steps[0]
        if isinstance(part, Ended):
            step.account.findings.extend(part.findings)
            self._steps.popleft()
            self._backups = None
            self.settle()
        elif isinstance(part, Examined):
            self._take_events(step, part)
        else:
            self._spool.take(backup.event(statement) for statement in part for backup in self._backups or ())

    def settle(self) -> None:
        """Take the events of all steps that wait for no archive."""
        while self._steps and self._steps[0].order is None:
            step = self._steps.popleft()
            self._take_events(step, _NOTHING)
            if not step.pairs:
                self._findings.extend((*step.account.findings, *step.account.home.findings))

    def _add(self, step: _Step) -> None:
        self._steps.append(step)
        self.settle()

    def _take_events(self, step: _Step, examined: Examined) -> None:
        """Take the events of the backups of a ``step``, or of the installs of its account, unless that was done."""
        account = step.account
        if self._backups is not None:
            return
        with account.noting_errors():
            if not step.pairs:
                self._spool.take(account.of_installs())
                return
            account.findings.extend(examined.findings)
            backups = [account.of_backup(pair, examined) for pair in step.pairs]
            self._spool.take(chain.from_iterable(events for _, events in backups))
            self._backups = None if step.order is None else [backup for backup, _ in backups]


class _Backup(NamedTuple):
    """A backup whose archive is being read.

    Attributes:
        subject: whom its witnesses speak of.
        makings: the claims of when it was made, and until when.
    """

    subject: Subject
    makings: list[tuple[Claim, Making]]

    def event(self, member: Statement) -> Event:
        """Return what a member of its archive states, with the claims that it contradicts."""
        return member.event(self.subject, tuple(claims.contradicted(member, self.makings)))


class _Account:
    """An account: first the events of its backups, then those of its installs, whom backups may contradict.

    Attributes:
        home: its home.
        findings: what could not be read of it.
    """

    def __init__(self, home: Home, search: Search, findings: Iterable[Finding]) -> None:
        """Read when the records of ``home`` were written; ``findings`` are those on the way to it."""
        self.home = home
        self.findings = list(findings)
        self._zone = search.zone
        self._files = dict[str, Statement]()
        self._installs = dict[str, list[Statement]]()
        self._against_installs: _Contradictions = {}
        with self.noting_errors():
            self._files = claims.of_record_files(home, self.findings)
            for id_, record in home.installs.items():
                self._installs[id_] = list(claims.of_record(record, self.findings))

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """Note what of the account can't be read in the block."""
        try:
            with told_of(self.home.folder.path):
                yield
        except EvidenceError as error:
            self.findings.append(unreadable(self.home.folder.server_path, error))

    def of_backup(self, pair: Pair, examined: Examined) -> tuple[_Backup, Iterator[Event]]:
        """Return a backup, and what its witnesses state, each with those who contradict it; members come later."""
        records = [record for record in (pair.record, examined.embedded) if record is not None]
        subject = self._subject(records[0] if records else None, pair.id)
        statements = [statement for record in records for statement in claims.of_record(record, self.findings)]
        stated = (*statements, *examined.statements)
        marks = self._contradictions(stated, subject.install)
        made = [statement.claim for statement in statements if statement.claim.kind == "backed-up"]
        statements += self._of_name(pair.archive, made, marks)
        everything = chain(statements, self._of_record_file(pair.record), examined.statements)
        events = (statement.event(subject, tuple(marks.get(statement.claim, ()))) for statement in everything)
        return _Backup(subject, claims.makings(stated)), events

    def of_installs(self) -> Iterator[Event]:
        """Yield what the records of the live installs state; nothing where one archive was asked for."""
        for id_, record in self.home.installs.items() if self.home.wanted is None else ():
            subject = self._subject(record, None)._replace(install=id_)
            for statement in chain(self._installs.get(id_, ()), self._of_record_file(record)):
                yield statement.event(subject, tuple(self._against_installs.get(statement.claim, ())))

    def _contradictions(self, stated: Sequence[Statement], install: str) -> _Contradictions:
        """Return who contradicts whom; the live install's record is asked only when it was installed."""
        live = [statement.claim for statement in self._installs.get(install, ()) if statement.claim.kind == "installed"]
        marks = claims.contradicting(stated, live)
        for claim in live:
            known = self._against_installs.setdefault(claim, [])
            known += marks.get(claim, [])[: _CONTRADICTING - len(known)]
        return marks

    def _of_name(self, archive: Archive | None, made: list[Claim], marks: _Contradictions) -> Iterator[Statement]:
        """Yield what the archive's name states; add to ``marks`` which of the claims ``made`` it contradicts."""
        named = archive and claims.of_name(archive.server_path, made, self._zone, self.findings)
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
        user = (record and record.text("owner")) or (self.home.name if self.home.is_home else "")
        application, version, url, install = (
            record.text(key) if record else "" for key in ("installer", "version", "url", "backup-install")
        )
        return Subject(self.home.folder.server_path, user, application, version, url, install, backup or "")


# --- in the order of time ---------------------------------------------------------------------------------------------

_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_INSERT: Final = "INSERT INTO event (time, rank, alike, source) VALUES (?, ?, ?, ?)"
_SORTED: Final = "SELECT time, rank, alike, source FROM event ORDER BY time, rank, alike, source"
_Row = tuple[int, int, str, str]
"""An event's time, its kind's place, what all its witnesses say alike, and one of them."""


class EventSpool:
    """Events in, the same events out in the order of time, in memory that does not grow with their number.

    They lie in a private temporary database of SQLite, without a name, which is gone when it is closed. Use it as a
    context manager.
    """

    def __init__(self) -> None:
        with telling():
            self._database = sqlite3.connect("")
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE event (time INTEGER, rank INTEGER, alike TEXT, source TEXT)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def take(self, events: Iterable[Event]) -> None:
        """Take the ``events``. Raises `TemporaryFileError` where there is no room for them."""
        with telling():
            self._database.executemany(_INSERT, map(_row, events))

    def __iter__(self) -> Iterator[Event]:
        """Yield the events by time; an event that several witnesses state alike comes once.

        Raises `TemporaryFileError`.
        """
        for (_, _, alike), events in groupby(rows(self._database, _SORTED), key=itemgetter(0, 1, 2)):
            yield _event(alike, _sources(events))


def _sources(rows: Iterable[_Row]) -> tuple[list[Source], int]:
    """Return the first of the witnesses, and how many there are; a witness that was met twice counts once."""
    first, count = list[Source](), 0
    for source, _ in groupby(row[3] for row in rows):
        count += 1
        if len(first) <= NAMED:
            first.append(_source(json.loads(source)))
    return first, count


def _row(event: Event) -> _Row:
    """Return an event as a row. JSON in ASCII holds numbers of any size, and names that aren't UTF-8."""
    kind, time, source = event.claim
    about = (event.message, event.subject, event.file, event.contradicted_by, event.left_out)
    shared = "" if KINDS[kind].is_shared else source
    return nearest(time), _RANKS[kind], json.dumps((kind, time, *about, shared)), json.dumps(source)


def _event(alike: str, witnesses: tuple[list[Source], int]) -> Event:
    kind, time, message, subject, file, against, left_out, _ = json.loads(alike)
    (source, *also), count = witnesses
    return Event(
        Claim(kind, time, source),
        message,
        Subject(*subject),
        None if file is None else File(*file),
        tuple(Claim(other_kind, other_time, _source(other)) for other_kind, other_time, other in against),
        left_out,
        tuple(also),
        count,
    )


def _source(fields: Sequence[Any]) -> Source:
    """Return a source as it came out of JSON."""
    witness, *place = fields
    return Source(Witness(witness), *place)
