"""Writing to a catalog: what a scan found of an account is compared with what was known, so that nothing is lost.

A file that vanished and one that is new are the same, moved, where number, size and time of modification are.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from backupmeta.catalog import schema
from backupmeta.catalog.integrity import OWN, Damaged, Seals
from backupmeta.catalog.member_lists import MemberList
from backupmeta.catalog.member_runs import MemberWriter, Reading
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.rows import Cell, Cells, FileRow, FindingRow, ResolvedRow, Rows, Walked, exact
from backupmeta.record.values import Extension

_AT_HAND: Final = 100_000
"""How many keys of shared values are kept in memory."""


class _About(NamedTuple):
    """A finding, and the numbers of the install and the backup that it is about, if any."""

    install: int | None
    backup: int | None
    finding: FindingRow


class _Shape(NamedTuple):
    """How a table's rows are laid out.

    Attributes:
        table: the table.
        files: its columns with numbers of files.
        cells: its columns that are set against what is known.
        shared: which cells are shared.
    """

    table: schema.Table
    files: tuple[str, ...]
    cells: tuple[str, ...]
    shared: tuple[int, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are written when a row begins: its number, its account, since and how, its files, its cells."""
        return (self.table.key, "account", "since", "began", *self.files, *self.cells)


def _shape(table: schema.Table, cells: Sequence[schema.Column], *files: str) -> _Shape:
    shared = tuple(number for number, column in enumerate(cells) if column.type is schema.Type.SHARED)
    return _Shape(table, files, tuple(column.name for column in cells), shared)


_FILES: Final = _Shape(schema.FILES, (), FileRow._fields, ())
_INSTALLS: Final = _shape(schema.INSTALLS, schema.INSTALL_CELLS, "record_file")
_BACKUPS: Final = _shape(schema.BACKUPS, schema.BACKUP_CELLS, "record_file", "archive_file")
_FINDING: Final = ("finding", "account", "install", "backup", "since", "file", *FindingRow._fields)
_WRITTEN: Final = {
    **{shape.table.name: schema.insertion(shape.table, shape.columns) for shape in (_FILES, _INSTALLS, _BACKUPS)},
    schema.FINDINGS.name: schema.insertion(schema.FINDINGS, _FINDING),
}
"""By table: the statement that writes a row which begins."""
_CLAIMED: Final = """
SELECT backup FROM all_backups WHERE account = ? AND archive_file = ? AND until IS NULL AND (? IS NULL OR id = ?)
"""
_SHARE: Final = schema.insertion(schema.SHARED, schema.SHARED.names)
_EXTEND: Final = schema.insertion(schema.EXTENSIONS, ("list", *Extension._fields))
_KNOWN_FINDINGS: Final = f"""
SELECT finding, install, backup, {", ".join(FindingRow._fields)}
FROM all_findings WHERE account IS ? AND until IS NULL AND file IS NULL
"""
_ENTRIES: Final = f"SELECT {', '.join(Extension._fields)} FROM extensions WHERE list = ? ORDER BY rowid"
_END_READING: Final = "UPDATE readings SET until = ? WHERE file = ? AND until IS NULL"
_END_OF_GONE: Final = """
UPDATE readings SET until = ?1 WHERE account = ?2 AND until IS NULL
  AND file IN (SELECT file FROM all_files WHERE account = ?2 AND until IS NOT NULL)
"""
_FORGET: Final = "UPDATE all_findings SET until = ? WHERE file = ? AND until IS NULL"


_PAIRS: Final = """
WITH new AS (
  SELECT file, account, began, inode, size, mtime_ns, kind,
    row_number() OVER (PARTITION BY inode, size, mtime_ns, kind ORDER BY file) AS place
  FROM all_files WHERE file >= :first AND since = :scan AND began IN ('new', 'returned')
), old AS (
  SELECT file, account, inode, size, mtime_ns, kind,
    row_number() OVER (PARTITION BY inode, size, mtime_ns, kind ORDER BY file) AS place
  FROM all_files WHERE until = :scan AND ended = 'vanished'
)
SELECT new.file, new.account, new.began, old.file, old.account FROM new JOIN old
  USING (inode, size, mtime_ns, kind, place) ORDER BY new.file
"""
"""Of several with the same inode, on several file systems or hard links, the first ones belong together."""

_CHANGED: Final = """
INSERT INTO moving (name, number, account, file, is_new)
SELECT '{table}', {key}, account, {file}, since = :scan FROM {table}
WHERE {file} IS NOT NULL AND (since = :scan OR (until = :scan AND ended = 'vanished'))
"""
_OF_FILE: Final = "SELECT number FROM moving WHERE file = ? AND name = ? AND account = ? AND is_new = ?"


class _Account(NamedTuple):
    """An account whose rows are settled.

    Attributes:
        number: its number.
        is_new: whether there are no rows of it yet.
        gone: the paths of its files that were there once.
        paths: the paths of its files, by their numbers.
    """

    number: int
    is_new: bool
    gone: frozenset[str]
    paths: dict[int, str]

    def path(self, row: ResolvedRow) -> str:
        """Return the path that a ``row`` is known by: a file's own, or that of the first of its files."""
        if isinstance(row.cells, FileRow):
            return exact(row.cells)
        return self.paths[next(file for file in row.files if file is not None)]


class Writer:
    """Writes what a scan found; its caller begins and ends the transactions.

    Attributes:
        seals: seals what is written.
    """

    def __init__(self, connection: sqlite3.Connection, scan: int, result: ScanResult, damaged: Damaged) -> None:
        """Write into ``connection`` what the scan of this number finds; count it in ``result``, and seal it.

        No row gets the number of one that is ``damaged``.
        """
        self.seals: Seals = Seals(connection)
        self._changes = result.changes
        self._connection = connection
        self._scan = scan
        self._shared: dict[bytes, int] = {}
        self._damaged = damaged.values()
        self._last = {
            table.name: max(self._greatest(table), damaged.greatest(table))
            for table in (
                schema.FILES,
                schema.INSTALLS,
                schema.BACKUPS,
                schema.FINDINGS,
                schema.SHARED,
                schema.READINGS,
            )
        }
        self._pending: dict[str, list[Cells]] = {name: [] for name in _WRITTEN}
        self._members = MemberWriter(connection)

    def take_shared(self, values: Mapping[bytes, str]) -> None:
        """Write the ``values`` that the next rows share, by their digests, unless they are there."""
        if len(self._shared) > _AT_HAND:
            self._shared.clear()
        for digest, value in values.items():
            if digest not in self._shared:
                self._shared[digest] = self._key_of(digest, value)

    def settle(self, account: int, rows: Rows, *, is_new: bool) -> None:
        """Write ``rows`` as what ``account`` has now; what it has no longer stays as history."""
        self.seals.change(account)
        into = _Account(account, is_new, frozenset() if is_new else self._gone(account), {})
        files = self._settle(_FILES, into, (ResolvedRow((), file) for file in rows.files))
        self._connection.execute(_END_OF_GONE, (self._scan, account))
        installs = self._settle(_INSTALLS, into, self._numbered(_INSTALLS, rows.installs, files))
        backups = self._settle(_BACKUPS, into, self._numbered(_BACKUPS, rows.backups, files))
        findings = [_About(None, None, finding) for finding in rows.findings]
        for number, install in zip(installs, rows.installs, strict=True):
            findings += (_About(number, None, finding) for finding in install.findings)
        for number, backup in zip(backups, rows.backups, strict=True):
            findings += (_About(None, number, finding) for finding in backup.findings)
        self._settle_findings(account, findings, {} if is_new else self._known_findings(account))

    def refuse(self, account: int, finding: FindingRow) -> None:
        """Write why ``account`` can't be read; what was known of it stays."""
        known = self._known_findings(account)
        if (about := _About(None, None, finding)) in known:
            return
        same = (finding.id, finding.subject)
        outdated = (number for before, number in known.items() if (before.finding.id, before.finding.subject) == same)
        self._end_findings(outdated)
        self._begin_finding(account, about)
        self.seals.change(account)

    def take_walked(self, account: int, file: int, walked: Walked) -> None:
        """Write what came out of walking the archive ``file`` of ``account``."""
        self.seals.change(account)
        outcome = (walked.verdict, self._scan if walked.is_final else None, walked.sha256, file)
        self._connection.execute("UPDATE all_files SET verdict = ?, walked = ?, sha256 = ? WHERE file = ?", outcome)
        row = self._connection.execute(_CLAIMED, (account, file, walked.id, walked.id)).fetchone()
        backup = None if row is None else row[0]
        self._connection.execute(f"{_FORGET} AND backup IS ?", (self._scan, file, backup))
        for finding in walked.findings:
            self._begin_finding(account, _About(None, backup, finding), file)

    def take_members(self, account: int, file: int, origin: str, algorithm: str, part: MemberList) -> None:
        """Write the members of the archive ``file`` of ``account``, or a part of them; see `Reading`."""
        self._members.take(file, part)
        if part.is_last:
            self._connection.execute(_END_READING, (self._scan, file))
            number = self._next(schema.READINGS.name)
            self._members.write(Reading(number, account, self._scan, file, origin, algorithm), part)
            self.seals.change(account)

    def vanish(self, account: int) -> None:
        """Write that ``account`` is gone, and all that it had."""
        self.seals.change(account)
        for shape in (_FILES, _INSTALLS, _BACKUPS):
            name = shape.table.name
            end = f"UPDATE {name} SET until = ?, ended = 'vanished' WHERE account = ? AND until IS NULL"
            self._changes[name, "vanished"] += self._connection.execute(end, (self._scan, account)).rowcount
        for table in (schema.FINDINGS, schema.READINGS):
            end = f"UPDATE {table.name} SET until = ? WHERE account = ? AND until IS NULL"
            self._connection.execute(end, (self._scan, account))

    def note(self, findings: Iterable[FindingRow], roots: Collection[str]) -> None:
        """Write the ``findings`` as those about no account, of what lies below ``roots``."""
        known = self._known_findings(None)
        below = {about: number for about, number in known.items() if _is_below(about.finding.evidence, roots)}
        self._settle_findings(None, (_About(None, None, finding) for finding in findings), below)
        self.seals.change(OWN)
        self.flush()

    def mark_moves(self, first: int) -> None:
        """Mark what was moved between accounts, folders and names.

        ``first`` is the number of the first file that this scan added. Backups and installs move with their files.
        What is marked is left to be sealed.
        """
        execute = self._connection.execute
        self._gather_moving()
        for new, into, began, old, out_of in execute(_PAIRS, {"scan": self._scan, "first": first}).fetchall():
            self.seals.change(into)
            self.seals.change(out_of)
            execute("UPDATE all_files SET began = 'moved', moved_from = ? WHERE file = ?", (old, new))
            execute("UPDATE all_files SET ended = 'moved' WHERE file = ?", (old,))
            self._count_moved(schema.FILES, began)
            for table in (schema.BACKUPS, schema.INSTALLS):
                gone = execute(_OF_FILE, (old, table.name, out_of, False)).fetchall()
                end = f"UPDATE {table.name} SET ended = 'moved' WHERE {table.key} = ? AND ended = 'vanished'"
                if self._connection.executemany(end, gone).rowcount > 0:
                    self._begin_moved(table, execute(_OF_FILE, (new, table.name, into, True)).fetchall())
        execute("DROP TABLE moving")

    def _gather_moving(self) -> None:
        """Gather what is new and what vanished by its files, for there may be very many of an account."""
        execute = self._connection.execute
        execute("DROP TABLE IF EXISTS temp.moving")
        execute("CREATE TEMP TABLE moving (name TEXT, number INTEGER, account INTEGER, file INTEGER, is_new INTEGER)")
        for shape in (_BACKUPS, _INSTALLS):
            for file in shape.files:
                changed = _CHANGED.format(table=shape.table.name, key=shape.table.key, file=file)
                execute(changed, {"scan": self._scan})
        execute("CREATE INDEX temp.moving_by_file ON moving (file)")

    def _begin_moved(self, table: schema.Table, numbers: list[tuple[int]]) -> None:
        """Mark the new rows of these ``numbers`` as moved."""
        select = f"SELECT began FROM {table.name} WHERE {table.key} = ?"
        row = self._connection.execute(select, numbers[0]).fetchone() if numbers else None
        self._connection.executemany(f"UPDATE {table.name} SET began = 'moved' WHERE {table.key} = ?", numbers)
        self._count_moved(table, row[0] if row else "new")

    def _count_moved(self, table: schema.Table, began: str) -> None:
        """Count as moved what was counted as ``began`` and as vanished, unless an interrupted scan has counted it."""
        self._changes[table.name, "moved"] += 1
        for change in (began, "vanished"):
            self._changes[table.name, change] = max(self._changes[table.name, change] - 1, 0)

    def flush(self) -> None:
        """Write what was settled so far, and seal it."""
        for name, pending in self._pending.items():
            if pending:
                self._connection.executemany(_WRITTEN[name], pending)
                pending.clear()
        self.seals.write()

    def _numbered(self, shape: _Shape, rows: Iterable[ResolvedRow], files: list[int]) -> Iterator[ResolvedRow]:
        """Yield the ``rows`` with the numbers of their ``files``."""
        for row in rows:
            numbers = tuple([None if file is None else files[file] for file in row.files])
            yield row._replace(files=numbers, cells=self._translated(shape, row.cells))

    def _translated(self, shape: _Shape, cells: Cells) -> Cells:
        """Return the cells with the keys of what they share."""
        row: list[Cell] = list(cells)
        for number in shape.shared:
            if (digest := row[number]) is not None:
                row[number] = self._shared[digest]  # type: ignore[index]  # a digest
        return tuple(row)

    def _settle(self, shape: _Shape, into: _Account, now: Iterable[ResolvedRow]) -> list[int]:
        """Write the rows of ``now`` as what is there, and return their numbers; what is not among them has vanished."""
        known, numbers = self._known(shape, into), list[int]()
        for row in now:
            path = into.path(row)
            number, before = known.pop(path, (0, None))
            if before is not None and _is_same(before.cells, row.cells):
                self._keep(shape, number, before, row)
            else:
                if before is not None:
                    self._end(shape, number, "changed")
                if shape is _BACKUPS and not into.is_new:
                    self._walk_again(row.files[-1])
                began = "changed" if before is not None else "returned" if path in into.gone else "new"
                number = self._begin(shape, into.number, began, row)
            numbers.append(number)
            if shape is _FILES:
                into.paths[number] = path
        for number, _ in known.values():
            self._end(shape, number, "vanished")
        return numbers

    def _begin(self, shape: _Shape, account: int, began: str, row: ResolvedRow) -> int:
        name = shape.table.name
        self._changes[name, began] += 1
        number = self._next(name)
        self._pending[name].append((number, account, self._scan, began, *row.files, *row.cells))
        return number

    def _end(self, shape: _Shape, number: int, ended: str) -> None:
        if ended == "vanished":
            self._changes[shape.table.name, ended] += 1
        end = f"UPDATE {shape.table.name} SET until = ?, ended = ? WHERE {shape.table.key} = ?"
        self._connection.execute(end, (self._scan, ended, number))

    def _keep(self, shape: _Shape, number: int, known: ResolvedRow, now: ResolvedRow) -> None:
        """Let a row that is as it was refer to its files, which may be others."""
        if known.files != now.files:
            places = ", ".join(f"{name} = ?" for name in shape.files)
            refer = f"UPDATE {shape.table.name} SET {places} WHERE {shape.table.key} = ?"
            self._connection.execute(refer, (*now.files, number))
        if isinstance(known.cells, FileRow) and isinstance(now.cells, FileRow):
            self._note_change(number, known.cells, now.cells)

    def _walk_again(self, file: int | None) -> None:
        """Forget what reading all of an archive found: its record is another one now."""
        self._connection.execute("UPDATE all_files SET verdict = NULL, walked = NULL WHERE file = ?", (file,))
        self._connection.execute(_FORGET, (self._scan, file))
        self._connection.execute(_END_READING, (self._scan, file))

    def _note_change(self, file: int, known: FileRow, now: FileRow) -> None:
        """Note that a file's inode was changed: what is in it may be something else, and is read again.

        A file that only an older program has read has no such time yet.
        """
        if known.ctime_ns == now.ctime_ns:
            return
        if known.ctime_ns is not None:
            self._walk_again(file)
            self._connection.execute("UPDATE all_files SET sha256 = ? WHERE file = ?", (now.sha256, file))
        self._connection.execute("UPDATE all_files SET ctime_ns = ? WHERE file = ?", (now.ctime_ns, file))

    def _settle_findings(self, account: int | None, now: Iterable[_About], known: dict[_About, int]) -> None:
        """Write the findings of ``now``; the ``known`` ones that are not among them end."""
        for about in now:
            if known.pop(about, None) is None:
                self._begin_finding(account, about)
        self._end_findings(known.values())

    def _begin_finding(self, account: int | None, about: _About, file: int | None = None) -> None:
        number, (install, backup, finding) = self._next(schema.FINDINGS.name), about
        self._pending[schema.FINDINGS.name].append((number, account, install, backup, self._scan, file, *finding))

    def _end_findings(self, numbers: Iterable[int]) -> None:
        ended = [(self._scan, number) for number in numbers]
        self._connection.executemany("UPDATE all_findings SET until = ? WHERE finding = ?", ended)

    def _known(self, shape: _Shape, of: _Account) -> dict[str, tuple[int, ResolvedRow]]:
        """Return the rows that an account has in the catalog, and their numbers, by the path that they are known by."""
        known = dict[str, tuple[int, ResolvedRow]]()
        if of.is_new:
            return known
        (key, name), count = (shape.table.key, shape.table.name), len(shape.files)
        own = ", ".join((key, *shape.files, *shape.cells))
        select = f"SELECT {own} FROM {name} WHERE account = ? AND until IS NULL ORDER BY {key}"
        for number, *cells in self._connection.execute(select, (of.number,)):
            row = ResolvedRow(tuple(cells[:count]), tuple(cells[count:]))
            if shape is _FILES:
                row = ResolvedRow((), FileRow._make(cells))
                of.paths[number] = of.path(row)
            known[of.path(row)] = number, row
        return known

    def _known_findings(self, account: int | None) -> dict[_About, int]:
        rows = self._connection.execute(_KNOWN_FINDINGS, (account,))
        return {_About(install, backup, FindingRow(*row)): number for number, install, backup, *row in rows}

    def _gone(self, account: int) -> frozenset[str]:
        select = "SELECT path, path_bytes FROM all_files WHERE account = ? AND until IS NOT NULL"
        return frozenset(schema.exact_path(*row) for row in self._connection.execute(select, (account,)))

    def _key_of(self, digest: bytes, value: str) -> int:
        """Return the key of a shared value, which may have to be written first."""
        entries = [*_extensions(value)]
        row = self._connection.execute("SELECT shared, content FROM shared WHERE digest = ?", (digest,)).fetchone()
        key, content = row or (0, None)
        if content == value and key not in self._damaged and self._entries(key) == entries:
            return int(key)
        key = self._next(schema.SHARED.name)
        # no row refers to a value that was altered
        self._connection.execute("DELETE FROM shared WHERE digest = ?", (digest,))
        self._connection.execute("DELETE FROM extensions WHERE list = ?", (key,))
        self._connection.execute(_SHARE, (key, digest, value))
        self._connection.executemany(_EXTEND, [(key, *entry) for entry in entries])
        return key

    def _entries(self, key: int) -> list[Cells]:
        return self._connection.execute(_ENTRIES, (key,)).fetchall()

    def _next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]

    def _greatest(self, table: schema.Table) -> int:
        select = f"SELECT ifnull(max({table.key}), 0) FROM {table.name}"
        return int(self._connection.execute(select).fetchone()[0])


def _is_below(evidence: str, roots: Collection[str]) -> bool:
    """Return whether the places in a finding's ``evidence`` lie below one of ``roots``."""
    paths = [source.get("path", "") for source in json.loads(evidence)]
    return not paths or any(f"{path}/".startswith(f"{root.rstrip('/')}/") for path in paths for root in roots)


def _is_same(known: Cells, now: Cells) -> bool:
    """Return whether a row is ``now`` as it is known.

    A file is, whenever its inode changed, if it has the digest that is known.
    """
    if known == now or not isinstance(now, FileRow) or not isinstance(known, FileRow):
        return known == now
    if None not in {known.sha256, now.sha256} and known.sha256 != now.sha256:
        return False
    return now._replace(sha256=known.sha256, ctime_ns=known.ctime_ns) == known


def _extensions(value: str) -> Iterator[Cells]:
    """Yield the entries of a list of plugins or themes; nothing for any other value."""
    if value.startswith('[{"id":'):
        yield from map(Extension.of, json.loads(value))
