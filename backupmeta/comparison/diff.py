"""`diff`: what differs between two backups, or between a backup and the live install; `history`: from each to the next.

The history of an install has all its backups, oldest first.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from backupmeta import library
from backupmeta.account import places
from backupmeta.account.filename import parse
from backupmeta.account.home import Home, Pair, is_id
from backupmeta.backup.inspection import Inspection
from backupmeta.comparison.changes import Changes, compared
from backupmeta.errors import AnswerError, EvidenceError, UnreadableError, install_not_found
from backupmeta.evidence import Place, is_file, join_server_path
from backupmeta.findings import Finding
from backupmeta.search import EVERYWHERE, Search

if TYPE_CHECKING:
    from backupmeta.comparison import archive_changes

CURRENT: Final = "current"
"""What stands for the live install of the other side's backup."""


class Side(NamedTuple):
    """A or B.

    Attributes:
        name: as it was named.
        inspection: what is known of it.
        place: where its archive lies; None where it has none.
    """

    name: str
    inspection: Inspection
    place: Place | None = None


@dataclass(frozen=True)
class Difference:
    """What differs between two sides.

    Attributes:
        a: the one that is compared with.
        b: the other one.
        changes: what differs in their metadata.
        contents: what differs in their archives; None unless these were read.
        findings: what was odd on the way.
    """

    a: Side
    b: Side
    changes: Changes
    contents: "archive_changes.Contents | None" = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def is_same(self) -> bool:
        """Whether nothing differs that was compared."""
        return not any(self.changes) and (self.contents is None or self.contents.is_same)


def diff(a: str, b: str, search: Search = EVERYWHERE, *, user: str | None = None, deep: bool = False) -> Difference:
    """Return what differs between ``a`` and ``b``.

    Args:
        a: an archive, a record file, an id, an archive's name, or ``current``: the live install of the other side.
        b: the same.
        search: where to look for them, unless they are files.
        user: only what belongs to this owner.
        deep: whether the archives are walked: what differs in their members, and in the tables of their dumps.

    Raises:
        AnswerError: there is no such backup, no such live install, or ``user`` is not its owner.
        EvidenceError: a file can't be read, or ``deep`` is asked for and a side has no archive.
        ValueError: both are ``current``.
    """
    if a == b == CURRENT:
        raise ValueError("both are current; name a backup")
    findings = list[Finding]()
    with noting(findings):
        named = [Side(target, *backup(target, search, user, findings)) for target in (a, b) if target != CURRENT]
        if a == CURRENT:
            named.insert(0, _current(named[0], search, findings))
        elif b == CURRENT:
            named.append(_current(named[0], search, findings))
    before, after = named
    for side in named:
        findings += side.inspection.findings
    changes = compared(before.inspection, after.inspection)
    if not deep:
        return Difference(before, after, changes, None, tuple(dict.fromkeys(findings)))
    from backupmeta.comparison import archive_changes
    from backupmeta.work.processes import few_processes

    archives = _archive(before), _archive(after)
    contents = archive_changes.compared_contents(archives, search.limits, few_processes(2))
    return Difference(before, after, changes, contents, tuple(dict.fromkeys((*findings, *contents.findings))))


def _current(other: Side, search: Search, findings: list[Finding]) -> Side:
    return Side(CURRENT, current(other.name, other.inspection, search, findings))


def _archive(side: Side) -> "archive_changes.ComparedArchive":
    """Return the archive of a ``side``. Raises `UnreadableError` where it has none."""
    from backupmeta.comparison import archive_changes

    if side.place is None:
        raise UnreadableError(side.name, "has no archive here", "compare it without --deep, or name two archives")
    return archive_changes.ComparedArchive(side.place, side.inspection.path)


# --- finding what is to be compared -----------------------------------------------------------------------------------


def backup(target: str, search: Search, user: str | None, findings: list[Finding]) -> tuple[Inspection, Place | None]:
    """Return what is known of a backup, from its record where its archive is missing, and where that archive lies.

    A ``target`` that is no backup may be an install. Raises as `backupmeta.library.find_subject`.
    """
    inspection = library.find_subject(target, search, user=user, allow_missing=True, findings=findings)
    return inspection, _place(target, inspection, search)


@contextmanager
def noting(findings: list[Finding]) -> Iterator[None]:
    """Add to an `AnswerError` what could not be read: what was looked for may be there."""
    try:
        yield
    except AnswerError as error:
        for finding in dict.fromkeys(findings):
            if finding.is_unread:
                error.add_note(finding.message)
        raise


def current(target: str, backup: Inspection, search: Search, findings: list[Finding]) -> Inspection:
    """Return what is known of the live install of a ``backup`` that was named as ``target``.

    What could not be read on the way is appended to ``findings``. Raises `AnswerError` where it is gone, or where the
    backup does not say which one it is.
    """
    id_, live = backup.text("backup_install"), None
    for home in homes(target, search, findings):
        findings.extend(finding for finding in home.findings if finding.is_unread)
        if id_ in home.installs:
            live = library.inspect_install(home, id_)
            if backup.path.startswith(
                join_server_path(home.folder.server_path, "")
            ):  # a copy of the home may lie somewhere else
                return live
    if live is None:
        raise install_not_found(f"the live install of {target!r} is not here: {id_ or 'no record names it'}")
    return live


def homes(target: str, search: Search, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes that ``target`` may belong to, each open until the next one; append what was odd.

    Of a file that is first the home it lies in, or else its folder; and others only where roots are named.
    """
    if is_file(target):
        with places.home_above(os.path.dirname(os.path.abspath(target)), search.limits) as home:
            above = places.Root(home.folder.path, depth=0)
        yield from places.homes([above], search.limits, findings)
        if not search.roots and search.sysroot is None:
            return
    yield from search.homes(findings)


def _place(target: str, inspection: Inspection, search: Search) -> Place | None:
    """Return where the archive lies that the ``inspection`` was made of, or None where there is none."""
    if is_file(target) and not places.is_record_file(target):
        folder, name = os.path.split(os.path.abspath(target))
        return Place(folder, None, name, is_named=True)
    for home in homes(target, search, []):
        for pair in home.pairs():
            if pair.archive is not None and pair.archive.server_path == inspection.path:
                return pair.archive.place
    return None


# --- history ----------------------------------------------------------------------------------------------------------


_COUNTERS: Final = "cache_"
"""Sizes and numbers that the server counted: they change with nearly every backup, and tell nothing that happened."""


class Row(NamedTuple):
    """One backup of the install, or, as the last one, the live install.

    Attributes:
        name: the backup's id, or the name of an archive that no record names; ``current`` for the live install.
        order: what rows are sorted by: time in Unix seconds, then names.
        inspection: what is known of it; None where it can't be read.
        size: its archive's, in bytes; None where there is none here.
        trouble: why it can't be read.
        changes: what changed since the row before that could be read; None for the first of these.
    """

    name: str
    order: tuple[int, str, str]
    inspection: Inspection | None
    size: int | None = None
    trouble: Finding | None = None
    changes: Changes | None = None


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
        inspection, _ = backup(target, search, None, findings)
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
        notes += row.inspection.findings
        last = row.inspection
    return History(id_, tuple(changed), tuple(notes))


def _without_counters(changes: Changes) -> Changes:
    return changes._replace(fields=tuple(field for field in changes.fields if not field.name.startswith(_COUNTERS)))


def _rows(id_: str, target: str, search: Search, findings: list[Finding]) -> list[Row]:
    """Return the backups of the install, oldest first, then the live install; a home may be met twice."""
    backups, broken, live = dict[str, Row](), dict[str, Row](), list[Row]()
    for home in homes(target, search, findings):
        for pair in home.pairs():
            row = _row(home, pair, id_, search)
            if row is not None and row.inspection is not None:
                backups.setdefault(row.inspection.path + "\0" + row.name, row)
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
    try:
        inspection = library.inspect_backup(home, pair, home.surroundings, search.zone)
    except EvidenceError as error:
        return Row(name, pair.order, None, _size(pair, []), library.unreadable(pair, error))
    if inspection.text("backup_install") != id_:
        return None
    return Row(name, pair.order, inspection, _size(pair, inspection.findings))


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
