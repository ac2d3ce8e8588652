"""`history`: all backups of one install, oldest first, and what changed from each to the next."""

from collections.abc import Iterable
from itertools import chain
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.account.filename import parse
from backupmeta.account.home import Home, Pair, is_id
from backupmeta.api.status import install_not_found
from backupmeta.backup.inspection import Inspection
from backupmeta.comparison import diff
from backupmeta.comparison.changes import Changes, compared
from backupmeta.errors import EvidenceError
from backupmeta.findings import Finding
from backupmeta.search import EVERYWHERE, Search

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
    with diff.noting(findings):
        if is_id(target) and (rows := _rows(target, target, search, findings)):
            return _history(target, rows, findings)
        inspection, _ = diff.backup(target, search, None, findings)
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
    for home in diff.homes(target, search, findings):
        for pair in home.pairs():
            row = _row(home, pair, id_, search)
            if row is not None and row.inspection is not None:
                backups.setdefault(row.inspection.path + "\0" + row.name, row)
            elif row is not None and pair.archive is not None:
                broken.setdefault(pair.archive.server_path, row)
        if id_ in home.installs and not live:
            live.append(Row(diff.CURRENT, (0, "", ""), library.inspect_install(home, id_)))
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
