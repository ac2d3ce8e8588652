"""Writing to a catalog: what a scan found of an account is set against what was known, so that nothing gets lost."""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from backupmeta.catalog import schema, store
from backupmeta.catalog.rows import Cell, Cells, FileRow, FindingRow, Rows, Walked, exact
from backupmeta.catalog.seals import OWN, Seals
from backupmeta.catalog.tables import BACKUPS, EXTENSIONS, FILES, FINDINGS, INSTALLS, SHARED, Table, Type
from backupmeta.catalog.whole import Damaged

_AT_HAND: Final = 100_000
"""How many keys of shared values are kept in memory."""
_SPAN: Final = 6
"""How many columns a row has before its own: its number, its account, since, until, began, ended."""
_OF_FINDING: Final = ("finding", "account", "install", "backup", "since", "until", *FindingRow._fields, "file")


class _Found(NamedTuple):
    """A row that was found: the path that it is known by, the numbers of its files, its cells."""

    path: str
    files: tuple[int | None, ...]
    cells: Cells


class _Known(NamedTuple):
    """A row that is in the catalog."""

    number: int
    files: tuple[int | None, ...]
    cells: Cells


class _Shape(NamedTuple):
    """How a table's rows are laid out.

    Attributes:
        name: the table's.
        key: its first column, the row's number.
        columns: the names of those that are written when the row begins: its number and span, its files, its cells.
        files: its columns with numbers of files.
        shared: which cells are shared.
        telling: how many cells tell a change.
    """

    name: str
    key: str
    columns: tuple[str, ...]
    files: tuple[str, ...]
    shared: tuple[int, ...]
    telling: int


def _shape(table: Table, *files: str, cells: Sequence[str] = (), telling: int | None = None) -> _Shape:
    names = [one.name for one in table.columns]
    begin, cells = names[:_SPAN], cells or names[_SPAN + len(files) :]
    types = {one.name: one.type for one in table.columns}
    shared = tuple(place for place, one in enumerate(cells) if types[one] is Type.SHARED)
    return _Shape(table.name, names[0], (*begin, *files, *cells), files, shared, telling or len(cells))


_FILES: Final = _shape(FILES, cells=FileRow._fields, telling=7)  # not its digest, nor when its inode changed
_INSTALLS: Final = _shape(INSTALLS, "record_file")
_BACKUPS: Final = _shape(BACKUPS, "record_file", "archive_file")
_WRITTEN: Final = (
    (FILES, _FILES.columns),
    (INSTALLS, _INSTALLS.columns),
    (BACKUPS, _BACKUPS.columns),
    (FINDINGS, _OF_FINDING),
)
_NOBODY: Final = frozenset[str]()
_CLAIMED: Final = """
SELECT backup FROM all_backups WHERE account = ? AND archive_file = ? AND until IS NULL AND (? IS NULL OR id = ?)
"""
_ENTRIES: Final = "SELECT id, version, active, autoup FROM extensions WHERE list = ? ORDER BY rowid"
_FORGET: Final = "UPDATE all_findings SET until = ? WHERE file = ? AND until IS NULL"


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
    paths: dict[int | None, str]


class Writer:
    """Writes what a scan found; its caller begins and ends the transactions.

    Attributes:
        seals: seals what is written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        scan: int,
        changes: Counter[tuple[str, str]],
        seals: Seals,
        damaged: Damaged,
    ) -> None:
        """Write into ``connection`` what the scan of this number finds; count it in ``changes``, seal it.

        No row gets the number of one that is ``damaged``.
        """
        self.seals = seals
        self._changes = changes
        self._connection = connection
        self._scan = scan
        self._shared: dict[bytes, int] = {}
        self._damaged = damaged.values()
        self._last = {
            one.name: max(self._greatest(one), damaged.greatest(one))
            for one in (FILES, INSTALLS, BACKUPS, FINDINGS, SHARED)
        }
        self._pending: dict[str, list[Cells]] = {one.name: [] for one in (FILES, INSTALLS, BACKUPS, FINDINGS)}

    def take_shared(self, values: Mapping[bytes, str]) -> None:
        """Know the ``values`` that the next rows share, by their digests."""
        if len(self._shared) > _AT_HAND:
            self._shared.clear()
        for digest, value in values.items():
            if digest not in self._shared:
                self._shared[digest] = self._key_of(digest, value)

    def settle(self, account: int, rows: Rows, *, is_new: bool) -> None:
        """Make ``rows`` what is there of ``account``; what is there no longer stays as history."""
        self.seals.change(account)
        known = {} if is_new else {_path(one.cells): one for one in self._known(_FILES, account)}
        gone = _NOBODY if is_new else self._gone(account)
        into = _Account(account, is_new, gone, {one.number: path for path, one in known.items()})
        files = self._settle(_FILES, into, known, [_Found(exact(one), (), one) for one in rows.files])
        into.paths.update(zip(files, map(exact, rows.files), strict=True))
        installs = self._settle_named(_INSTALLS, into, self._installs(rows, files, into.paths))
        backups = self._settle_named(_BACKUPS, into, self._backups(rows, files, into.paths))
        findings = chain(
            ((None, None, one) for one in rows.findings),
            ((key, None, one) for key, row in zip(installs, rows.installs, strict=True) for one in row.findings),
            ((None, key, one) for key, row in zip(backups, rows.backups, strict=True) for one in row.findings),
        )
        self._settle_findings(account, findings, {} if is_new else self._known_findings(account))

    def refuse(self, account: int, finding: FindingRow) -> None:
        """Know why ``account`` can't be read; what was known of it stays."""
        known = self._known_findings(account)
        other = [(self._scan, number) for row, number in known.items() if row[2:5:2] == finding[0:3:2]]
        if (None, None, *finding) not in known:
            self._connection.executemany("UPDATE all_findings SET until = ? WHERE finding = ?", other)
            row = (self._next(FINDINGS.name), account, None, None, self._scan, None, *finding, None)
            self._pending[FINDINGS.name].append(row)
            self.seals.change(account)

    def take_walked(self, account: int, file: int, one: Walked) -> None:
        """Know what came out of walking the archive ``file`` of ``account``."""
        self.seals.change(account)
        told = (one.verdict, self._scan if one.is_final else None, one.sha256, file)
        self._connection.execute("UPDATE all_files SET verdict = ?, walked = ?, sha256 = ? WHERE file = ?", told)
        found = self._connection.execute(_CLAIMED, (account, file, one.id, one.id)).fetchone()
        backup = None if found is None else found[0]
        self._connection.execute(f"{_FORGET} AND backup IS ?", (self._scan, file, backup))
        for finding in one.findings:
            row = (self._next(FINDINGS.name), account, None, backup, self._scan, None, *finding, file)
            self._pending[FINDINGS.name].append(row)

    def vanish(self, account: int) -> None:
        """Know that ``account`` is gone, and all that it had."""
        self.seals.change(account)
        for shape in (_FILES, _INSTALLS, _BACKUPS):
            ended = self._connection.execute(
                f"UPDATE {shape.name} SET until = ?, ended = 'vanished' WHERE account = ? AND until IS NULL",
                (self._scan, account),
            )
            self._changes[shape.name, "vanished"] += ended.rowcount
        self._connection.execute(
            "UPDATE all_findings SET until = ? WHERE account = ? AND until IS NULL", (self._scan, account)
        )

    def note(self, findings: Iterable[FindingRow], roots: Collection[str]) -> None:
        """Make the ``findings`` those that are about no account, and about something below ``roots``."""
        known = {row: number for row, number in self._known_findings(None).items() if _is_below(row[-1], roots)}
        self._settle_findings(None, ((None, None, one) for one in findings), known)
        self.seals.change(OWN)
        self.flush()

    def flush(self) -> None:
        """Write what was settled so far, and seal it."""
        for table, columns in _WRITTEN:
            if pending := self._pending[table.name]:
                self._connection.executemany(schema.insertion(table, columns), pending)
                pending.clear()
        self.seals.write()

    def _installs(self, rows: Rows, files: list[int], paths: Mapping[int | None, str]) -> Iterator[_Found]:
        for one in rows.installs:
            record = files[one.record_file]
            yield _Found(paths[record], (record,), self._translated(_INSTALLS, one.cells))

    def _backups(self, rows: Rows, files: list[int], paths: Mapping[int | None, str]) -> Iterator[_Found]:
        for one in rows.backups:
            record = None if one.record_file is None else files[one.record_file]
            archive = None if one.archive_file is None else files[one.archive_file]
            path = paths[archive if record is None else record]
            yield _Found(path, (record, archive), self._translated(_BACKUPS, one.cells))

    def _translated(self, shape: _Shape, cells: Cells) -> Cells:
        """Return the cells with the keys of what they share."""
        row: list[Cell] = list(cells)
        for place in shape.shared:
            if (digest := row[place]) is not None:
                row[place] = self._shared[digest]  # type: ignore[index]  # a digest
        return tuple(row)

    def _settle_named(self, shape: _Shape, into: "_Account", found: Iterator[_Found]) -> list[int]:
        """Settle rows that are known by the path of their first file."""
        known = {} if into.is_new else {into.paths[_first(one.files)]: one for one in self._known(shape, into.number)}
        return self._settle(shape, into, known, found)

    def _settle(self, shape: _Shape, into: "_Account", known: dict[str, _Known], found: Iterable[_Found]) -> list[int]:
        """Make ``found`` what is there, and return its numbers; take what is there still out of what is ``known``."""
        numbers = []
        for one in found:
            before = known.pop(one.path, None)
            if before is not None and _is_same(shape, before.cells, one.cells):
                self._refer(shape, before, one.files)
                if shape is _FILES:
                    self._note_change(before, one.cells)
                numbers.append(before.number)
                continue
            if before is not None:
                self._end(shape, before.number, "changed")
            if shape is _BACKUPS and not into.is_new:
                self._walk_again(one.files[-1])
            began = "changed" if before is not None else "returned" if one.path in into.gone else "new"
            numbers.append(self._begin(shape, into.number, began, one))
        for before in known.values():
            self._end(shape, before.number, "vanished")
        return numbers

    def _begin(self, shape: _Shape, account: int, began: str, one: _Found) -> int:
        self._changes[shape.name, began] += 1
        number = self._next(shape.name)
        self._pending[shape.name].append((number, account, self._scan, None, began, None, *one.files, *one.cells))
        return number

    def _end(self, shape: _Shape, number: int, ended: str) -> None:
        if ended == "vanished":
            self._changes[shape.name, ended] += 1
        self._connection.execute(
            f"UPDATE {shape.name} SET until = ?, ended = ? WHERE {shape.key} = ?",
            (self._scan, ended, number),
        )

    def _walk_again(self, file: int | None) -> None:
        """Forget what reading all of an archive told, for its record is another one now."""
        self._connection.execute("UPDATE all_files SET verdict = NULL, walked = NULL WHERE file = ?", (file,))
        self._connection.execute(_FORGET, (self._scan, file))

    def _note_change(self, known: _Known, cells: Cells) -> None:
        """Note that a file's inode was changed: what is in it may be something else, and is read again.

        A file that an older program has met has no such time yet.
        """
        *_, digest, ctime_ns = cells
        if known.cells[-1] == ctime_ns:
            return
        if known.cells[-1] is not None:
            self._walk_again(known.number)
            self._connection.execute("UPDATE all_files SET sha256 = ? WHERE file = ?", (digest, known.number))
        self._connection.execute("UPDATE all_files SET ctime_ns = ? WHERE file = ?", (ctime_ns, known.number))

    def _refer(self, shape: _Shape, known: _Known, files: tuple[int | None, ...]) -> None:
        """Let a row that is as it was refer to its files, which may be others."""
        if known.files != files:
            places = ", ".join(f"{name} = ?" for name in shape.files)
            self._connection.execute(
                f"UPDATE {shape.name} SET {places} WHERE {shape.key} = ?",
                (*files, known.number),
            )

    def _settle_findings(
        self,
        account: int | None,
        found: Iterable[tuple[int | None, int | None, FindingRow]],
        known: dict[tuple[Cell, ...], int],
    ) -> None:
        """Make ``found`` what is odd, of what is ``known`` to be."""
        for install, backup, one in found:
            if known.pop((install, backup, *one), None) is None:
                row = (self._next(FINDINGS.name), account, install, backup, self._scan, None, *one, None)
                self._pending[FINDINGS.name].append(row)
        ended = [(self._scan, number) for number in known.values()]
        self._connection.executemany("UPDATE all_findings SET until = ? WHERE finding = ?", ended)

    def _known(self, shape: _Shape, account: int) -> Iterator[_Known]:
        own = ", ".join((shape.key, *shape.columns[_SPAN:]))
        select = f"SELECT {own} FROM {shape.name} WHERE account = ? AND until IS NULL ORDER BY {shape.key}"
        for number, *rest in self._connection.execute(select, (account,)):
            yield _Known(number, tuple(rest[: len(shape.files)]), tuple(rest[len(shape.files) :]))

    def _known_findings(self, account: int | None) -> dict[tuple[Cell, ...], int]:
        found = self._connection.execute(
            "SELECT finding, install, backup, id, severity, subject, detail, message, evidence"
            " FROM all_findings WHERE account IS ? AND until IS NULL AND file IS NULL",
            (account,),
        )
        return {tuple(rest): number for number, *rest in found}

    def _gone(self, account: int) -> frozenset[str]:
        select = "SELECT path, path_bytes FROM all_files WHERE account = ? AND until IS NOT NULL"
        return frozenset(map(_path, self._connection.execute(select, (account,))))

    def _key_of(self, digest: bytes, value: str) -> int:
        """Return the key of a shared value, which may have to be written first."""
        entries = [*_extensions(value)]
        found = self._connection.execute("SELECT shared, content FROM shared WHERE digest = ?", (digest,)).fetchone()
        key, content = found or (0, None)
        if content == value and key not in self._damaged and self._entries(key) == entries:
            return int(key)
        key = self._next(SHARED.name)
        self._connection.execute("DELETE FROM shared WHERE digest = ?", (digest,))  # nobody refers to one that lies
        self._connection.execute("DELETE FROM extensions WHERE list = ?", (key,))
        self._connection.execute(schema.insertion(SHARED), (key, digest, value))
        self._connection.executemany(schema.insertion(EXTENSIONS), [(key, *one) for one in entries])
        return key

    def _entries(self, key: int) -> list[Cells]:
        return self._connection.execute(_ENTRIES, (key,)).fetchall()

    def _next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]

    def _greatest(self, table: Table) -> int:
        select = f"SELECT ifnull(max({table.columns[0].name}), 0) FROM {table.name}"
        return int(self._connection.execute(select).fetchone()[0])


def _path(cells: Sequence[Cell]) -> str:
    """Return a file's exact path."""
    path, path_bytes, *_ = cells
    return store.exact(str(path), path_bytes if isinstance(path_bytes, bytes) else None)


def _is_below(evidence: Cell, roots: Collection[str]) -> bool:
    """Tell whether the places in a finding's ``evidence`` lie below one of ``roots``."""
    paths = [place.get("path", "") for place in json.loads(str(evidence))]
    return not paths or any(f"{path}/".startswith(f"{root.rstrip('/')}/") for path in paths for root in roots)


def _is_same(shape: _Shape, known: Cells, found: Cells) -> bool:
    """Tell whether what was found is what is known; of a record that was read again, by its digest, too."""
    if known[: shape.telling] != found[: shape.telling]:
        return False
    digests = {known[shape.telling], found[shape.telling]} - {None} if shape is _FILES else set()
    return len(digests) <= 1


def _first(files: tuple[int | None, ...]) -> int | None:
    return next((one for one in files if one is not None), None)


def _extensions(value: str) -> Iterator[Cells]:
    """Yield the entries of a list of plugins or themes; nothing for any other value."""
    if value.startswith('[{"id":'):
        for one in json.loads(value):
            yield one["id"], one["version"], one.get("activated", one.get("active")), one["autoup"]
