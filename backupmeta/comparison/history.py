"""`history`: what changed from each backup of an install to the next, and in which of them a file was.

The history of an install has all its backups, oldest first. Its archives are walked where their contents are asked for,
each once.
"""

import glob
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, groupby, takewhile
from operator import attrgetter
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.account.filename import parse
from backupmeta.account.home import Home, Pair, is_id
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import WITH_CONTENT
from backupmeta.archive.reader import NUMBERED, find
from backupmeta.backup.inspection import Inspection
from backupmeta.comparison.archive_changes import By, MemberSpool, TableChange, changed_tables, counts_object, differing
from backupmeta.comparison.changes import Changes, What, compared
from backupmeta.comparison.diff import CURRENT, noting
from backupmeta.comparison.walks import End, Entry, MemberNames, Part, Site, Walking
from backupmeta.errors import EvidenceError, install_not_found
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.objects import as_json
from backupmeta.provenance import named, on_disk
from backupmeta.search import EVERYWHERE, Search
from backupmeta.targets import archive_of, find_subject, homes_around
from backupmeta.words import recorded_moment
from backupmeta.work.orders import WORKER_ENDED, Watch, Workers, results, spared

_COUNTERS: Final = "cache_"
"""Sizes and numbers that the server counted: they change with nearly every backup, and tell nothing that happened."""


class ChangedContents(NamedTuple):
    """What changed in the archive of a backup.

    Attributes:
        counts: how many members became what.
        tables: the tables that differ, or may; without their definitions.
    """

    counts: Counter[What]
    tables: tuple[TableChange, ...]


class Row(NamedTuple):
    """One backup of the install, or, as the last one, the live install.

    Attributes:
        name: the backup's id, or the name of an archive that no record names; ``current`` for the live install.
        order: what rows are sorted by: time in Unix seconds, then names.
        inspection: what is known of it; None where it can't be read.
        size: its archive's, in bytes; None where there is none here.
        place: where that lies.
        trouble: why it can't be read.
        changes: what changed since the row before that could be read; None for the first of these.
        contents: the same of its members and tables; None where archives are not read, or it is the first of them.
    """

    name: str
    order: tuple[int, str, str]
    inspection: Inspection | None
    size: int | None = None
    place: Place | None = None
    trouble: Finding | None = None
    changes: Changes | None = None
    contents: "ChangedContents | None" = None

    @property
    def path(self) -> str:
        """The path, as the server saw it, of its archive, or of the record that speaks for it."""
        if self.inspection is not None:
            return self.inspection.server_path
        return "" if self.trouble is None else self.trouble.subject

    def to_json(self) -> dict[str, object]:
        """Return it for JSON: what is not known is null."""
        described: dict[str, object] = {**named("name", self.name), "size": self.size}
        if (inspection := self.inspection) is None:
            return {**described, "trouble": as_json(self.trouble)}
        plugins, contents = inspection.get("plugins"), self.contents
        return {
            **described,
            **named("path", inspection.server_path),
            "kind": inspection.kind,
            "state": inspection.state,
            "time": recorded_moment(inspection.text("backup_time")),
            "version": inspection.wire().get("version"),
            "plugins": len(plugins) if isinstance(plugins, list) else None,
            "changes": None if self.changes is None else self.changes.to_json(),
            "contents": None if contents is None else counts_object(contents.counts, contents.tables),
        }


class History(NamedTuple):
    """All backups of one install.

    Attributes:
        install: its id.
        rows: its backups, oldest first, and at last the live install where there is one.
        findings: what was odd on the way: in the homes, and of each backup.
    """

    install: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, object]:
        """Return it for JSON: sizes in bytes, times in UTC."""
        return {"install": self.install, "backups": [row.to_json() for row in self.rows]}


def history(target: str, search: Search = EVERYWHERE) -> History:
    """Return the history of an install.

    Args:
        target: its id or its record file, or a backup of it: an archive, a record file, an id, an archive's name.
        search: where to look; of a file also the home that it lies in.

    Raises:
        AnswerError: there is no such install, and no backup of it.
        EvidenceError: a file can't be read.
    """
    findings = list[Finding]()
    with noting(findings):
        if is_id(target) and (rows := _rows(target, target, search, findings)):
            return _history(target, rows, findings)
        inspection = find_subject(target, search, allow_missing=True, findings=findings)
    id_ = inspection.text("id" if inspection.kind == "install" else "backup_install")
    if not id_:
        raise install_not_found(f"{target!r} does not say which install it is of")
    return _history(id_, _rows(id_, target, search, findings), findings)


def _history(id_: str, rows: Iterable[Row], findings: Iterable[Finding]) -> History:
    """Return the history of the ``rows``, each of them set against the one before it."""
    changed, notes = list[Row](), list(findings)
    last: Inspection | None = None
    for row in rows:
        if row.inspection is None:
            changed.append(row)
            notes += [] if row.trouble is None else [row.trouble]
            continue
        changes = None if last is None else _without_counters(compared(last, row.inspection, as_installs=True))
        changed.append(row._replace(changes=changes))
        notes += [finding.at_path(row.path) for finding in row.inspection.findings]
        last = row.inspection
    return History(id_, tuple(changed), tuple(notes))


def _without_counters(changes: Changes) -> Changes:
    return changes._replace(fields=tuple(field for field in changes.fields if not field.name.startswith(_COUNTERS)))


def _rows(id_: str, target: str, search: Search, findings: list[Finding]) -> list[Row]:
    """Return the backups of the install, oldest first, then the live install; a home may be met twice."""
    backups, broken, live = dict[str, Row](), dict[str, Row](), list[Row]()
    for home in homes_around(target, search, findings):
        for pair in home.pairs():
            row = _row(home, pair, id_, search)
            if row is not None and row.inspection is not None:
                backups.setdefault(row.inspection.server_path + "\0" + row.name, row)
            elif row is not None and pair.archive is not None:
                broken.setdefault(pair.archive.server_path, row)
        if id_ in home.installs and not live:
            live.append(Row(CURRENT, (0, "", ""), library.inspect_install(home, id_)))
        findings.extend(home.findings)
    known = (row.inspection for row in backups.values())
    own = {name[:2] for inspection in known if inspection is not None and (name := inspection.archive_name) is not None}
    fitting = (row for row in broken.values() if (name := parse(row.name)) and name[:2] in own)
    return [*sorted(chain(backups.values(), fitting), key=lambda row: row.order), *live]


def _row(home: Home, pair: Pair, id_: str, search: Search) -> Row | None:
    """Return the row of a backup of the install, or of one that can't be read and may be; None for any other."""
    if pair.record is not None and pair.record.opened("backup-install") != id_:
        return None
    name = pair.id or (pair.archive.name if pair.archive else "")
    place = None if pair.archive is None else pair.archive.place
    try:
        inspection = library.inspect_backup(home, pair, home.surroundings, search.zone)
    except EvidenceError as error:
        return Row(name, pair.order, None, _size(pair, []), place, library.unreadable(pair, error))
    if inspection.text("backup_install") != id_:
        return None
    return Row(name, pair.order, inspection, _size(pair, inspection.findings), place)


def _size(pair: Pair, findings: list[Finding]) -> int | None:
    """Return how large the archive is; append to ``findings`` why that is not known, unless they say so."""
    if pair.archive is None:
        return None
    try:
        with pair.archive.open() as file:
            return file.size
    except EvidenceError as error:
        findings += [] if any(finding.is_unread for finding in findings) else [library.unreadable(pair, error)]
        return None


# --- walking over the archives ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Following(Walking):
    """Walking over the archives of backups; one that can't be read says nothing, and why."""

    def do(self, order: tuple[int, Place | Site], watch: Watch) -> Iterator[Part]:
        """Walk over an archive."""
        try:
            yield from super().do(order, watch)
        except EvidenceError as error:
            path = order[1].path
            finding = Finding(library.unread(error), path, error.particulars, on_disk(path))
            yield End((), 0, (finding,), error.reason, has_all_tables=False)

    def given_up(self, order: tuple[int, Place | Site]) -> Iterator[Part]:
        """Yield that no process survives walking over an archive."""
        yield End((), 0, (library.given_up(order[1].path),), WORKER_ENDED, has_all_tables=False)


def _walked(rows: Iterable[Row], work: Walking, workers: Workers) -> Iterator[tuple[Sequence[int], Part]]:
    """Yield what comes of walking over each archive once, with the numbers of the ``rows`` whose archive it is."""
    numbers_of = dict[Place, list[int]]()
    for number, row in enumerate(rows):
        if row.place is not None:
            numbers_of.setdefault(row.place, []).append(number)
    sharing = {numbers[0]: numbers for numbers in numbers_of.values()}
    orders, chosen = spared(((numbers[0], place) for place, numbers in numbers_of.items()), workers)
    for (number, _), part in results(orders, work, chosen):
        yield sharing[number], part


def _new(findings: Iterable[Finding], row: Row) -> list[Finding]:
    """Return those of the ``findings`` about the archive of a ``row`` that were not known of it, with its path."""
    known = () if row.inspection is None else {finding.id for finding in row.inspection.findings}
    return [finding.at_path(row.path) for finding in findings if finding.id not in known]


def deepened(history: History, limits: Limits, workers: Workers) -> History:
    """Return a ``history`` with what changed in members and tables from each archive that can be read to the next.

    The ``workers`` walk over each archive once; two of them are compared at a time.
    """
    rows, findings, spool = list(history.rows), list(history.findings), MemberSpool()
    before: tuple[int, End] | None = None
    has_members = False
    for (number, *_), part in _walked(history.rows, Following(limits), workers):
        if not isinstance(part, End):
            spool.take(number, part)
            has_members = has_members or bool(part)
            continue
        findings += _new(part.findings, rows[number])
        if part.unread:
            spool.miss_members(number)
        if has_members:
            if before is not None:
                rows[number] = rows[number]._replace(contents=_changed(spool, before, (number, part)))
                spool.forget(before[0])
            before, has_members = (number, part), False
    return history._replace(rows=tuple(rows), findings=tuple(findings))


def _changed(spool: MemberSpool, before: tuple[int, End], after: tuple[int, End]) -> ChangedContents:
    """Return what changed from one archive in the ``spool`` to another; definitions of tables would take memory."""
    (a, old), (b, new) = before, after
    tables = (change.without_definition() for change in changed_tables(old, new))
    return ChangedContents(spool.compare(a, b), tuple(tables))


# --- files along the backups ------------------------------------------------------------------------------------------


class Presence(StrEnum):
    """Whether a file is in a backup."""

    THERE = "there"
    ABSENT = "absent"
    UNKNOWN = "can't tell"
    """It was not seen, and the archive was not read to its end, or is not here."""


_TIME_ALONE: Final = ("mtime",)


class Run(NamedTuple):
    """Backups in a row in which a file is the same.

    Attributes:
        presence: whether it is in them.
        first: the number of the first of them, from 0.
        last: the number of the last of them.
        entry: what it is, as in the first of them; None where it is not there.
        before: what it was when it was there before, with a content that is known; None where it was not.
    """

    presence: Presence
    first: int
    last: int
    entry: Entry | None = None
    before: Entry | None = None

    @property
    def by(self) -> tuple[By, ...]:
        """By what it differs from what it was before; a time alone makes no other run."""
        if self.entry is None or self.before is None:
            return ()
        by = differing(self.before, self.entry)
        return () if by == _TIME_ALONE else by

    @property
    def length(self) -> int:
        """How many backups it has."""
        return self.last - self.first + 1

    @property
    def is_known(self) -> bool:
        """Whether the content is known of what is there."""
        return self.entry is None or _content(self.entry) is not None

    def continues(self, following: "Run") -> bool:
        """Return whether the file is in the ``following`` backup what it is here."""
        return self.presence is following.presence and not following.by and self.is_known == following.is_known


_Content = tuple[str, bytes]


class FileHistory(NamedTuple):
    """A file along the backups of an install; numbers are those of backups, None where there is no such one.

    Attributes:
        name: its path, secrets in it masked.
        runs: what it was, from the first backup to the last.
    """

    name: bytes
    runs: tuple[Run, ...]

    @property
    def is_constant(self) -> bool:
        """Whether it is the same in every backup that was read."""
        return all(run.presence is not Presence.ABSENT and run.is_known and not run.by for run in self.runs)

    @property
    def appearance(self) -> Run:
        """The first backups that it is in."""
        return next(run for run in self.runs if run.presence is Presence.THERE)

    @property
    def last_without(self) -> int | None:
        """The last backup without it."""
        return max((run.last for run in self._absences()), default=None)

    @property
    def last_before(self) -> int | None:
        """The last backup without it before the first one with it: where it came and went, that is the clean one."""
        return max((run.last for run in self._absences() if run.last < self.appearance.first), default=None)

    @property
    def last_with_earlier_content(self) -> int | None:
        """The last backup in which it has another content than in the last one that has it."""
        contents = self._contents()
        return max((run.last for run, content in contents if content != contents[-1][1]), default=None)

    @property
    def last_with_first_content(self) -> int | None:
        """The last backup that has it before its content changed for the first time."""
        contents = self._contents()
        alike = list(takewhile(lambda known: known[1] == contents[0][1], contents))
        return None if len(alike) == len(contents) else alike[-1][0].last

    def _absences(self) -> Iterator[Run]:
        return (run for run in self.runs if run.presence is Presence.ABSENT)

    def _contents(self) -> list[tuple[Run, _Content]]:
        """Return the runs in which its content is known, each with that."""
        return [
            (run, content)
            for run in self.runs
            if run.entry is not None and (content := _content(run.entry)) is not None
        ]


def _content(entry: Entry) -> _Content | None:
    """Return what tells the content of a file from others, and a link, a folder, … from files; None for nothing."""
    if entry.kind not in WITH_CONTENT:
        return entry.kind, entry.link
    return None if entry.digest is None else ("file", entry.digest.encode())


class FollowedFiles:
    """Files along all backups of an install.

    Attributes:
        install: its id.
        backups: its backups, oldest first, without the live install.
        unread: why what is not seen in a backup may be in it nevertheless, by the backup's number.
        findings: what was odd on the way.
        is_empty: whether no such file was seen.
    """

    def __init__(self, history: History) -> None:
        """Begin with the backups of a ``history``."""
        self.install: str = history.install
        self.backups: tuple[Row, ...] = tuple(row for row in history.rows if row.name != CURRENT)
        missing = (number for number, row in enumerate(self.backups) if row.place is None)
        self.unread: dict[int, str] = dict.fromkeys(missing, "its archive is not here")
        self.findings: list[Finding] = list(history.findings)
        self.is_empty: bool = True
        self._spool = MemberSpool()

    def walk(self, names: MemberNames, limits: Limits, workers: Workers) -> None:
        """Have the ``workers`` look for ``names`` in the archives, each of which is walked once."""
        for numbers, part in _walked(self.backups, Following(limits, names), workers):
            if isinstance(part, End):
                self.findings += _new(part.findings, self.backups[numbers[0]])
                self.unread.update(dict.fromkeys(numbers, part.unread) if part.unread else {})
            elif part:
                self.is_empty = False
                for number in numbers:
                    self._spool.take(number, part)

    def files(self) -> Iterator[FileHistory]:
        """Yield the files that are in one of them at least, in the order of their names."""
        nowhere = list(self._nowhere())
        for name, sightings in groupby(self._spool.by_name(), lambda sighting: sighting[1].name):
            yield FileHistory(name, tuple(_joined(self._parts(dict(sightings), nowhere))))

    def _nowhere(self) -> Iterator[Run]:
        """Yield the runs of a file that is in none of the backups."""
        for is_unread, numbers in groupby(range(len(self.backups)), self.unread.__contains__):
            run = list(numbers)
            yield Run(Presence.UNKNOWN if is_unread else Presence.ABSENT, run[0], run[-1])

    def _parts(self, entries: Mapping[int, Entry], nowhere: Sequence[Run]) -> Iterator[Run]:
        """Yield each backup that a file is in, as a run of its own, and the runs between them; ``entries`` has those.

        The backups between them are not looked at one by one: most of many files may be in few of many backups.
        """
        after, known = 0, None
        for number, entry in entries.items():
            yield from _within(nowhere, after, number - 1)
            yield Run(Presence.THERE, number, number, entry, known)
            after, known = number + 1, known if _content(entry) is None else entry
        yield from _within(nowhere, after, len(self.backups) - 1)


def _within(runs: Sequence[Run], first: int, last: int) -> Iterator[Run]:
    """Yield what of ``runs``, which have all backups, lies between the backups ``first`` and ``last``."""
    place = bisect_right(runs, first, key=attrgetter("first")) - 1
    while first <= last:
        end = min(runs[place].last, last)
        yield runs[place]._replace(first=first, last=end)
        first, place = end + 1, place + 1


def _joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield ``runs``, those as one in which the file is the same."""
    joined: Run | None = None
    for run in runs:
        if joined is not None and joined.continues(run):
            joined = joined._replace(last=run.last)
            continue
        yield from () if joined is None else (joined,)
        joined = run
    yield from () if joined is None else (joined,)


def member_names(target: str, member: str, search: Search) -> MemberNames:
    """Return which members ``member`` asks for: a path, a pattern (`MemberNames`), or ``#3`` in a ``target``'s archive.

    Raises `EvidenceError` where that is none, or has no such number.
    """
    if NUMBERED.fullmatch(member) is None:
        return MemberNames(os.fsencode(member))
    place = archive_of(target, search, f"{member} is a member of an archive: name that")
    with place.open() as file:
        return MemberNames(glob.escape(find(file, member, search.limits).member.name))
