"""`timeline`: everything that happened in any number of accounts, in order, each event with its witness.

What all witnesses of each backup state is set against one another, then what is said of each install. The archives are
read by any workers, in the order in which they are met: the events are the same whoever does it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

from backupmeta import library, rules
from backupmeta.account.filename import parse, unreadable, zone_of_today
from backupmeta.account.home import Archive, Home, Pair, Surroundings, by_archive, orphaned
from backupmeta.account.places import belongs
from backupmeta.archive.head import head
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import Pass
from backupmeta.backup.contradictions import SECOND, Making
from backupmeta.backup.inspection import Inspection
from backupmeta.errors import EvidenceError, told_of
from backupmeta.events import claims
from backupmeta.events.claims import KINDS, Claim, Event, File, Statement, Subject, nearest
from backupmeta.evidence import EvidenceFile, Place
from backupmeta.findings import Finding
from backupmeta.folders import TemporaryDatabase
from backupmeta.provenance import Source, Witness, on_disk
from backupmeta.record.grammar import Document, pickled_in_clear
from backupmeta.search import ALWAYS, EVERYWHERE, Period, Search
from backupmeta.words import seconds_in
from backupmeta.work.orders import HERE, Watch, Work, Workers, results, spared

MEMBERS: Final = 10_000
"""How many members of an archive make an event of their own by default: more than a usual site has."""

NAMED: Final = 20
"""How many further witnesses of an event are named, and how many that contradict it; the former are counted."""

_Contradictions = dict[Claim, list[Claim]]
"""Who contradicts whom."""


def timeline(
    search: Search = EVERYWHERE,
    *,
    deep: bool = False,
    members: int = MEMBERS,
    period: Period = ALWAYS,
    findings: list[Finding] | None = None,
    workers: Workers = HERE,
) -> Iterator[Event]:
    """Yield what happened, by time; of one time by kind, then by account.

    Args:
        search: where to look; its ``zone`` tells the clock by which archives were named. Of a ``user``, what lies in
            another account is not read; in folders that tell nobody's name, nor is what the record says is another's.
        deep: read archives to their ends, for the times of their members; else only their heads.
        members: how many members of each archive make an event of their own, the newest ones of the period.
        period: when the events happened. Archives of any time are read for it: a member may be of any time.
        findings: what can't be read is appended to it, and the rest goes on; also what is in doubt of the period's
            backups, and what is gone of what belongs to them.
        workers: who reads archives to their ends; of heads, this process reads more than it could give away.

    Raises:
        UnreadableError: a root can't be read.
        TemporaryFileError: there is no room for temporary files.
    """
    spool = EventSpool()
    notes = list[Finding]() if findings is None else findings
    steps, chosen = spared(_steps(search, period, notes), workers if deep else HERE, _ARCHIVE_AND_INSTALLS)
    for step, part in results(steps, Examining(search.limits, deep, members, period), chosen):
        with step.account.noting_errors():
            spool.take(event for event in step.events(part) if period.has(event.time // SECOND))
        if not step.pairs:
            notes.extend((*step.account.findings, *step.account.home.findings))
    yield from spool


# --- an archive, from one opening -------------------------------------------------------------------------------------


class ToRead(NamedTuple):
    """An archive to be read.

    Attributes:
        place: where it lies.
        path: its path as the server saw it.
        pairs: the backups that it is the archive of, without the open file.
        around: its home.
        zone: the server's time zone, where it is known.
        user: where no record names it: whose alone is read, as its own record tells; None for anybody's.
    """

    place: Place
    path: str
    pairs: tuple[Pair, ...]
    around: Surroundings
    zone: tzinfo | None
    user: str | None

    @property
    def record(self) -> Document | None:
        """The record of the first backup that names it, where there is one."""
        return self.pairs[0].record


class Examined(NamedTuple):
    """What an archive states.

    Attributes:
        embedded: its own record, where that can be read.
        recorded: what that states, with its places in clear text: a record that comes from a process shows masks.
        statements: of its file, and of all its members together.
        findings: what could not be read, and what is not as it should be with the archive.
    """

    embedded: Document | None = None
    recorded: tuple[Statement, ...] = ()
    statements: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()


Part = Examined | tuple[Statement, ...]
"""What comes of an archive: `Examined`, then many of its members at once, again and again."""

_NOTHING: Final = Examined()
_TOGETHER: Final = 256
"""How many members an archive's reader sends at once."""


@dataclass(frozen=True)
class Examining(Work["Step", Part]):
    """Reading archives for what they state of time.

    Attributes:
        limits: what each of them may ask for.
        is_deep: whether they are read to their ends, member by member; else only their heads.
        members: how many members of each make an event of their own, the newest ones of the period.
        period: when the events happened that are asked for.
    """

    limits: Limits
    is_deep: bool
    members: int
    period: Period

    def do(self, order: "Step | ToRead | None", watch: Watch) -> Iterator[Part]:
        """Yield what a step's archive states; one that is no backup, by content and name, states nothing."""
        archive = order.archive if isinstance(order, Step) else order
        if archive is None:
            yield _NOTHING
            return
        try:
            with archive.place.open() as file:
                file.watch = watch
                examined = self._head(archive, file)
                if self.is_deep and examined.statements:
                    yield from self._members(archive, file, examined)
                else:
                    yield examined
        except EvidenceError as error:
            yield Examined(findings=(_unreadable(archive, error),))

    def pickled(self, order: "Step") -> bytes:
        """Return the archive as it goes to a process: with the secrets of its record, which is compared there."""
        return pickled_in_clear(order.archive)

    def given_up(self, order: "Step") -> Iterator[Part]:
        """Yield that no process survives reading an archive."""
        yield Examined(findings=() if order.archive is None else (library.given_up(order.archive.path),))

    def _head(self, order: ToRead, file: EvidenceFile) -> Examined:
        """Return what an archive's file and its head state."""
        statements = tuple(claims.of_file(file, order.path))
        embedded, findings = self._embedded(order, file)
        if embedded is None and order.record is None and parse(order.place.name) is None:
            return Examined(findings=findings)
        if embedded is not None and order.user not in {None, embedded.text("owner")}:
            return _NOTHING
        odd = list(findings)
        recorded = () if embedded is None else tuple(claims.of_record(embedded, odd))
        for pair in order.pairs if order.record is not None or embedded is not None else ():
            backup = library.resolved(pair, order.path, embedded, order.around, order.zone)
            odd += _doubts(pair, backup, self.period)
        return Examined(embedded, recorded, statements, tuple(odd))

    def _embedded(self, order: ToRead, file: EvidenceFile) -> tuple[Document | None, tuple[Finding, ...]]:
        """Return the archive's own record, and what was odd on the way to it."""
        try:
            beginning = head(file, self.limits, order.path)
            source = Source(Witness.EMBEDDED_RECORD, order.path, beginning.member.text)
            grave = _grave(order, beginning.findings)
            return library.own_record(source, beginning.record, order.record, self.limits), grave
        except EvidenceError as error:
            return None, (_unreadable(order, error),)

    def _members(self, order: ToRead, file: EvidenceFile, examined: Examined) -> Iterator[Part]:
        """Yield what is ``examined``, with what all members state, then each of the newest ones, many at once."""
        try:
            file.seek(0)
            walked = Pass(file, self.limits, algorithms=())
            of_all, each = claims.of_members(walked, order.path, self.members, self.period)
            findings = _grave(order, walked.findings())
        except EvidenceError as error:
            of_all, each, findings = (), iter(()), (_unreadable(order, error),)
        known = {finding.id for finding in findings}
        further = (finding for finding in examined.findings if finding.id not in known)
        yield examined._replace(statements=(*examined.statements, *of_all), findings=(*findings, *further))
        while batch := tuple(islice(each, _TOGETHER)):
            yield batch


def _unreadable(order: ToRead, error: EvidenceError) -> Finding:
    """Return the finding about an archive that can't be read, or not to its end."""
    odd = library.trouble(error, order.record, order.place)
    return odd._replace(subject=order.path, evidence=on_disk(order.path))


def _doubts(pair: Pair, backup: Inspection, period: Period) -> Iterator[Finding]:
    """Yield what is in doubt of a backup, as a list tells it: one of the ``period``, or of no time that is known."""
    made = seconds_in(backup.text("backup_time"))
    if not isinstance(made, int) or period.has(made):
        doubts = (finding for finding in (*pair.findings, *backup.findings) if finding.is_doubt)
        yield from (finding.at_path(backup.server_path) for finding in doubts)


def _grave(order: ToRead, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return which of the ``findings`` are reported whatever was asked, each with the archive's path."""
    return tuple(finding.at_path(order.path) for finding in findings if finding.is_grave)


# --- accounts ---------------------------------------------------------------------------------------------------------


@dataclass
class Step:
    """What comes next of an account: the backups of one archive, a backup without one, or, at last, the installs.

    Attributes:
        account: the account.
        pairs: the backups; none at the end of the account.
        archive: the archive that is read for it; None where there is none.
        backups: the backups, once the first part of what the archive states came.
    """

    account: "_Account"
    pairs: Sequence[Pair] = ()
    archive: ToRead | None = None
    backups: "Sequence[_Backup] | None" = None

    def events(self, part: Part) -> Iterable[Event]:
        """Return the events that come with a ``part`` of what its archive states; the first part brings most."""
        if not isinstance(part, Examined):
            return (backup.event(statement) for statement in part for backup in self.backups or ())
        self.account.findings.extend(part.findings)
        if not self.pairs:
            return self.account.of_installs()
        if self.backups is not None:  # the rest of the archive is given up
            return ()
        asked_for = [pair for pair in self.pairs if self.account.is_asked_for(pair.record or part.embedded)]
        taken = [self.account.of_backup(pair, part) for pair in asked_for]
        self.backups = [backup for backup, _ in taken]
        return chain.from_iterable(events for _, events in taken)


_ARCHIVE_AND_INSTALLS: Final = 2
"""How many steps there are where there is one archive: it, and the installs of its account."""


def _steps(search: Search, period: Period, findings: list[Finding]) -> Iterator[Step]:
    """Yield the steps, account by account, in the order of the disk. Raises `UnreadableError` for a root."""
    met, today = list[Finding](), zone_of_today(search.sysroot) if search.sysroot is not None else None
    for home in search.homes(met):
        account = _Account(home, search, period, today, met)
        met.clear()
        with account.noting_errors():
            yield from _of_backups(account)
        yield Step(account)
    findings.extend(met)


def _of_backups(account: "_Account") -> Iterator[Step]:
    around, zone = account.home.surroundings, account.zone
    pairs = [pair for pair in account.home.pairs() if pair.record is None or account.is_asked_for(pair.record)]
    sharing = by_archive(pairs)
    for pair in pairs:
        if pair.archive is None:
            backup = library.resolved(pair, None, None, around, zone)
            account.findings += _doubts(pair, backup, account.period)
            yield Step(account, [pair])
        elif claiming := sharing.pop(pair.archive, None):  # read once, however many records name it
            user = account.user if pair.record is None else None
            closed = tuple(claimed._replace(archive=None) for claimed in claiming)
            place, path = pair.archive.place, pair.archive.server_path
            yield Step(account, claiming, ToRead(place, path, closed, around, zone, user))


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
        user: whose events alone are asked for, of those that lie in it; None for all.
        zone: the server's time zone, where it is known.
        period: when the events happened that are asked for.
        findings: what could not be read of it, what is in doubt of its backups, and what is gone.
    """

    def __init__(
        self, home: Home, search: Search, period: Period, today: tzinfo | None, findings: Iterable[Finding]
    ) -> None:
        """Read when the records of ``home`` were written; ``findings`` are those on the way to it.

        ``today`` is the zone that the server has today.
        """
        self.home = home
        self.user: str | None = None if search.user is None or belongs(home, search.user) else search.user
        self.findings: list[Finding] = list(findings)
        self.zone: tzinfo | None = search.zone
        self.period: Period = period
        self._today = None if home.folder.server is None else today
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

    def is_asked_for(self, record: Document | None) -> bool:
        """Return whether the events of a ``record`` are those of the user who is asked for."""
        return self.user in {None, self._user_of(record)}

    def of_backup(self, pair: Pair, examined: Examined) -> tuple[_Backup, Iterator[Event]]:
        """Return a backup, and what its witnesses state, each with those who contradict it; members come later."""
        subject = self._subject(pair.record or examined.embedded, pair.id)
        own = () if pair.record is None else claims.of_record(pair.record, self.findings)
        statements = [*own, *examined.recorded]
        stated = (*statements, *examined.statements)
        marks = self._contradictions(stated, subject.install)
        made = [statement.claim for statement in statements if statement.claim.kind == "backed-up"]
        statements += self._of_name(pair.archive, made, marks)
        is_asked_for = not made or any(self.period.has(claim.time // SECOND) for claim in made)
        if is_asked_for and (pair.record is not None or examined.embedded is not None):
            self.findings += (finding for finding in pair.findings if finding.rule in rules.LOST)
            self.findings += orphaned(pair.server_path, subject.install, self.home.live)
        everything = chain(statements, self._of_record_file(pair.record), examined.statements)
        events = (statement.event(subject, tuple(marks.get(statement.claim, ()))) for statement in everything)
        return _Backup(subject, claims.makings(stated)), events

    def of_installs(self) -> Iterator[Event]:
        """Yield what the records of the live installs state; nothing where one archive was asked for."""
        for id_, record in self.home.installs.items() if self.home.wanted is None else ():
            if not self.is_asked_for(record):
                continue
            subject = self._subject(record, None)._replace(install=id_)
            for statement in chain(self._installs.get(id_, ()), self._of_record_file(record)):
                yield statement.event(subject, tuple(self._against_installs.get(statement.claim, ())))

    def _contradictions(self, stated: Sequence[Statement], install: str) -> _Contradictions:
        """Return who contradicts whom; the live install's record is asked only when it was installed."""
        live = [statement.claim for statement in self._installs.get(install, ()) if statement.claim.kind == "installed"]
        marks = claims.contradicting(stated, live)
        for claim in live:
            known = self._against_installs.setdefault(claim, [])
            known += marks.get(claim, [])[: NAMED - len(known)]
        return marks

    def _of_name(self, archive: Archive | None, made: list[Claim], marks: _Contradictions) -> Iterator[Statement]:
        """Yield what the archive's name states; add to ``marks`` which of the claims ``made`` it contradicts."""
        named = archive and claims.of_name(archive.server_path, made, self.zone, self._today, self.findings)
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
        application, version, url, install = (
            record.text(key) if record else "" for key in ("installer", "version", "url", "backup-install")
        )
        path, user = self.home.folder.server_path, self._user_of(record)
        return Subject(path, user, application, version, url, install, backup or "")

    def _user_of(self, record: Document | None) -> str:
        return (record and record.text("owner")) or (self.home.name if self.home.is_home else "")


# --- in the order of time ---------------------------------------------------------------------------------------------

_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_TABLE: Final = "CREATE TABLE event (time INTEGER, rank INTEGER, alike TEXT, source TEXT, backup TEXT, against TEXT)"
_INSERT: Final = "INSERT INTO event (time, rank, alike, source, backup, against) VALUES (?, ?, ?, ?, ?, ?)"
_UNOPPOSED: Final = "[]"
_SORTED: Final = """
SELECT time, rank, alike, source, backup, against FROM event
ORDER BY time, rank, alike, against = '[]', source, backup, against
"""
_Row = tuple[int, int, str, str, str, str]
"""An event's time, its kind's place, what all its witnesses say alike, one of them, its backup, who contradicts it."""


class EventSpool(TemporaryDatabase):
    """Events in, the same events out in the order of time, in memory that does not grow with their number.

    Its methods raise `TemporaryFileError`.
    """

    def __init__(self) -> None:
        super().__init__(_TABLE)

    def take(self, events: Iterable[Event]) -> None:
        """Take the ``events``."""
        self.insert(_INSERT, map(_row, events))

    def __iter__(self) -> Iterator[Event]:
        """Yield the events by time; an event that several witnesses state alike comes once."""
        for (_, _, alike), witnesses in groupby(self.rows(_SORTED), key=itemgetter(0, 1, 2)):
            yield _event(alike, witnesses)


def _row(event: Event) -> _Row:
    """Return an event as a row. JSON in ASCII holds numbers of any size, and names that aren't UTF-8."""
    kind, time, source = event.claim
    subject, own = event.subject, _own(event)
    backup = {"version": subject.version, "backup": subject.backup}
    if own is not source:
        subject = subject._replace(version="", backup="")
    alike = json.dumps((kind, time, event.message, subject, event.file, event.left_out, own))
    against = json.dumps(event.contradicted_by) if event.contradicted_by else _UNOPPOSED
    return nearest(time), _RANKS[kind], alike, json.dumps(source), json.dumps(backup), against


def _own(event: Event) -> Source | str | None:
    """Return what of an event's source belongs to what it says: what other witnesses of it have, too.

    A member is the same in all backups of its install that have it with one name, kind, size, mode and owner, and time.
    Without a record, an archive may be of any install.
    """
    source, shared_by = event.source, KINDS[event.kind].shared_by
    if shared_by == "records":
        return None
    return source.member if shared_by == "members" and event.subject.install else source


def _event(alike: str, witnesses: Iterable[_Row]) -> Event:
    """Return the event that all ``witnesses`` state alike; a witness that was met twice counts once."""
    sources, against, count, backup, is_of_one = list[Source](), dict[Claim, None](), 0, "", True
    for source, met in groupby(witnesses, key=itemgetter(3)):
        count += 1
        sources += [_source(json.loads(source))] if count <= NAMED + 1 else []
        for *_, of, opposed in met:
            is_of_one, backup = is_of_one and backup in {"", of}, of
            against |= dict.fromkeys(_claims(opposed)) if opposed != _UNOPPOSED and len(against) < NAMED else {}
    kind, time, message, about, file, left_out, _ = json.loads(alike)
    subject = Subject(*about)
    return Event(
        Claim(kind, time, sources[0]),
        message,
        subject._replace(**json.loads(backup)) if is_of_one else subject,
        None if file is None else File(*file),
        tuple(against),
        left_out,
        tuple(sources[1:]),
        count,
    )


def _claims(text: str) -> Iterator[Claim]:
    """Yield claims as they came out of JSON."""
    return (Claim(kind, time, _source(source)) for kind, time, source in json.loads(text))


def _source(fields: Sequence[Any]) -> Source:
    """Return a source as it came out of JSON."""
    witness, *place = fields
    return Source(Witness(witness), *place)
