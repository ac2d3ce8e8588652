"""What differs in two archives: their members, and the tables of their dumps.

Both are walked at once, each once, each by a process of its own where that is safe and of use. Threads would not do: a
content is digested within microseconds, and each time Python's lock changes hands, which costs more than the digest.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from weakref import finalize

from backupmeta import rules
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps, Table
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import label, shown
from backupmeta.archive.reader import Pass
from backupmeta.comparison.changes import What
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.folders import rows, telling
from backupmeta.words import counted
from backupmeta.work.orders import HERE, Watch, Work, Workers, mixed_results

DIGEST: Final = "sha256"
_TOGETHER: Final = 512
_PERMISSIONS: Final = 0o7777
_LARGEST: Final = 2**63 - 1
"""What SQLite's integers hold; a header may claim more."""


class Entry(NamedTuple):
    """What of a member is compared.

    Attributes:
        name: the path that its name means, secrets in it masked.
        kind: what it is.
        size: the length of its content, in bytes.
        mode: permission bits.
        mtime_ns: when it was modified, nanoseconds since 1970, UTC.
        link: the target of a link, else empty.
        digest: the SHA-256 of a file's content, in hexadecimal; None where it is sparse or not all there.
    """

    name: bytes
    kind: str
    size: int
    mode: int
    mtime_ns: int
    link: bytes
    digest: str | None


class End(NamedTuple):
    """What is known at the end of a walk.

    Attributes:
        tables: the tables and views of the dump.
        left_out: how many times a table was not kept, because there are too many.
        findings: what was odd about the archive.
    """

    tables: tuple[Table, ...]
    left_out: int
    findings: tuple[Finding, ...]


class Failure(NamedTuple):
    """Why nothing of an archive can be read."""

    path: str
    reason: str
    advice: str


_Part = Sequence[Entry] | End | Failure
"""What comes of a walk: many members at once, again and again, and at last how it ended."""


@dataclass(frozen=True)
class Walking(Work[tuple[int, Place], _Part]):
    """Walking over archives: an order is a number and where the archive lies; ``limits`` is what each may ask for."""

    limits: Limits

    def do(self, order: tuple[int, Place], watch: Watch) -> Iterator[_Part]:
        """Walk over an archive; nothing is raised but for errors in this program."""
        try:
            with order[1].open() as file:
                file.watch = watch
                digests, dumps = MemberDigests(DIGEST, self.limits.names), Dumps()
                passed = Pass(file, self.limits, algorithms=(), consumers=[digests, dumps])
                yield from _entries(passed, digests)
                yield _end(dumps.dump, tuple(passed.findings()))
        except EvidenceError as error:
            yield Failure(error.path, error.reason, error.advice)

    def given_up(self, order: tuple[int, Place]) -> Iterator[_Part]:
        """Yield that no process survives walking over an archive."""
        yield Failure(order[1].path, "the process that read it ended", "is there too little memory?")


def _end(dump: Dump | None, findings: tuple[Finding, ...]) -> End:
    """Return what is known of the dump, if there is one, and the ``findings``."""
    if dump is None:
        return End((), 0, findings)
    return End((*dump.tables, *dump.filled), dump.left_out, findings)


def _entries(passed: Pass, digests: MemberDigests) -> Iterator[Sequence[Entry]]:
    """Yield the members, many at once."""
    entries = list[Entry]()
    for member in passed:
        mtime_ns = max(-_LARGEST, min(member.mtime_ns, _LARGEST))
        size, mode = min(member.size, _LARGEST), member.mode & _PERMISSIONS
        entries.append(Entry(shown(member.name), member.kind, size, mode, mtime_ns, member.link, digests.last))
        if len(entries) == _TOGETHER:
            yield entries
            entries = []
    yield entries


# --- comparing -------------------------------------------------------------------------------------------------------

_SIDES: Final = ("a", "b")
_TABLE: Final = """
CREATE TABLE {} (
  name BLOB PRIMARY KEY, kind TEXT, size INTEGER, mode INTEGER, mtime_ns INTEGER, link BLOB, digest TEXT
) WITHOUT ROWID
"""
_INSERT: Final = (
    "INSERT OR REPLACE INTO {} (name, kind, size, mode, mtime_ns, link, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_COMPARE: Final = """
CREATE TABLE changes AS
WITH gone AS (
  SELECT name, size, digest, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
  FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.name = a.name)
), come AS (
  SELECT name, size, digest, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
  FROM b WHERE NOT EXISTS (SELECT 1 FROM a WHERE a.name = b.name)
), renamed AS (
  SELECT gone.name AS before, come.name AS after FROM gone JOIN come USING (digest, place)
  WHERE gone.size > 0 AND come.size > 0
)
SELECT 'changed' AS what, name AS before, name AS after FROM a JOIN b USING (name)
WHERE (a.kind, a.size, a.mode, a.mtime_ns, a.link) <> (b.kind, b.size, b.mode, b.mtime_ns, b.link)
   OR a.digest <> b.digest
UNION ALL SELECT 'renamed', before, after FROM renamed
UNION ALL SELECT 'removed', name, NULL FROM gone WHERE name NOT IN (SELECT before FROM renamed)
UNION ALL SELECT 'added', NULL, name FROM come WHERE name NOT IN (SELECT after FROM renamed)
"""
"""Only files have digests; what is not known, NULL, is equal to nothing and differs from nothing."""

_UNCOMPARED: Final = """
SELECT count(*), min(name) FROM a JOIN b USING (name)
WHERE a.kind IN ('file', 'hard link', 'other') AND b.kind IN ('file', 'hard link', 'other')
  AND (a.digest IS NULL OR b.digest IS NULL)
"""
_CHANGED: Final = """
SELECT a.name, a.kind, a.size, a.mode, a.mtime_ns, a.link, a.digest,
  b.name, b.kind, b.size, b.mode, b.mtime_ns, b.link, b.digest
FROM changes LEFT JOIN a ON a.name = before LEFT JOIN b ON b.name = after
ORDER BY coalesce(before, after)
"""


class MemberSpool:
    """The members of two archives, in a temporary database that compares them.

    SQLite keeps it in a file without a name once it is large (sqlite.org/inmemorydb.html, "Temp Databases"): memory
    stays flat however many members there are. Of several members of one name the last one counts, as in unpacking. It
    is gone when nobody has it any more. Its methods raise `TemporaryFileError`.
    """

    def __init__(self) -> None:
        with telling():
            self._database = sqlite3.connect("", isolation_level=None)
            finalize(self, self._database.close)
            self._database.execute("PRAGMA journal_mode = OFF")
            for side in _SIDES:
                self._database.execute(_TABLE.format(side))

    def take(self, number: int, entries: Sequence[Entry]) -> None:
        """Take members of the first archive, ``number`` 0, or of the second one, 1."""
        with telling():
            self._database.execute("BEGIN")
            self._database.executemany(_INSERT.format(_SIDES[number]), entries)
            self._database.execute("COMMIT")

    def compare(self) -> dict[str, int]:
        """Compare what was taken; return how many members became what. To be done once, before `changed`."""
        with telling():
            self._database.execute(_COMPARE)
            return dict(self._database.execute("SELECT what, count(*) FROM changes GROUP BY what"))

    def uncompared(self) -> tuple[int, bytes]:
        """Return how many members have a content on both sides that is not known on one, and the first one's name."""
        [(count, name)] = rows(self._database, _UNCOMPARED)
        return count, name or b""

    def changed(self) -> Iterator[tuple[Entry | None, Entry | None]]:
        """Yield the members that differ, as they are in each archive, None where they are not, by their names."""
        width = len(Entry._fields)
        for row in rows(self._database, _CHANGED):
            yield _entry(row[:width]), _entry(row[width:])


def _entry(row: Sequence[object]) -> Entry | None:
    return None if row[0] is None else Entry._make(row)


By = Literal["kind", "size", "mode", "mtime", "link", "content"]


class MemberChange(NamedTuple):
    """A member that differs; None where it is not there."""

    before: Entry | None
    after: Entry | None

    @property
    def either(self) -> Entry:
        """The member, in A or else in B."""
        return next(side for side in self if side is not None)

    @property
    def what(self) -> What:
        """What became of it: a file is renamed where another name has its content."""
        if self.before is not None and self.after is not None and self.before.name != self.after.name:
            return What.RENAMED
        return What.between(self.before, self.after)

    @property
    def by(self) -> tuple[By, ...]:
        """By what it differs, where it is on both sides; a content that is not known is none that differs."""
        if self.before is None or self.after is None:
            return ()
        old, new = self.before, self.after
        differences: dict[By, bool] = {
            "kind": old.kind != new.kind,
            "size": old.size != new.size,
            "mode": old.mode != new.mode,
            "mtime": old.mtime_ns != new.mtime_ns,
            "link": old.link != new.link,
            "content": None not in {old.digest, new.digest} and old.digest != new.digest,
        }
        return tuple(name for name, differs in differences.items() if differs)


class TableChange(NamedTuple):
    """A table or view that differs; None where it is not there."""

    before: Table | None
    after: Table | None

    @property
    def either(self) -> Table:
        """The table, in A or else in B."""
        return next(side for side in self if side is not None)

    @property
    def what(self) -> What:
        """What became of it."""
        return What.between(self.before, self.after)

    @property
    def is_redefined(self) -> bool:
        """Whether it is there on both sides, and defined otherwise."""
        if self.before is None or self.after is None:
            return False
        return (self.before.kind, self.before.digest) != (self.after.kind, self.after.digest)

    @property
    def lines(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The lines of the definition that only A has, and those that only B has."""
        if self.before is None or self.after is None or not self.is_redefined:
            return (), ()
        old, new = (
            [line.strip().removesuffix(b",") for line in table.definition.splitlines()]
            for table in (self.before, self.after)
        )
        return tuple((Counter(old) - Counter(new)).elements()), tuple((Counter(new) - Counter(old)).elements())


class Contents:
    """What differs in two archives.

    Attributes:
        counts: how many members became what.
        tables: the tables and views that differ, in the order of their names.
        findings: what was odd about the archives.
    """

    def __init__(self, spool: MemberSpool, tables: tuple[TableChange, ...], findings: tuple[Finding, ...]) -> None:
        """Compare the members in the ``spool``."""
        self._spool = spool
        self.counts: Counter[What] = Counter({What(what): count for what, count in spool.compare().items()})
        self.tables = tables
        self.findings = findings

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.counts and not self.tables

    def members(self) -> Iterator[MemberChange]:
        """Yield the members that differ, in the order of their names in A, or else in B."""
        return (MemberChange(before, after) for before, after in self._spool.changed())


class ComparedArchive(NamedTuple):
    """An archive to compare.

    Attributes:
        place: where it lies.
        path: its path as the server saw it.
    """

    place: Place
    path: str


def compared_contents(
    sides: tuple[ComparedArchive, ComparedArchive], limits: Limits, workers: Workers = HERE
) -> Contents:
    """Return what differs in two archives, each of which one of the ``workers`` walks once.

    Raises `EvidenceError` where nothing of one can be read; what can be read of a damaged one is compared.
    """
    ends, spool = dict[int, End](), MemberSpool()
    orders = [(number, side.place) for number, side in enumerate(sides)]
    for (number, _), part in mixed_results(orders, Walking(limits), workers):
        if isinstance(part, Failure):
            raise EvidenceError(*part)
        if isinstance(part, End):
            ends[number] = part
        else:
            spool.take(number, part)
    findings = [finding for number in sorted(ends) for finding in _findings(ends[number], sides[number].path)]
    findings += _uncompared(spool)
    return Contents(spool, tuple(_tables(ends[0].tables, ends[1].tables)), tuple(findings))


def _uncompared(spool: MemberSpool) -> Iterator[Finding]:
    """Yield that there are contents that were not compared, because they could not be read."""
    count, name = spool.uncompared()
    if count:
        yield Finding(rules.MEMBER_NOT_COMPARED, label(name), f"and {count - 1:,} more" if count > 1 else "")


def _findings(end: End, path: str) -> Iterator[Finding]:
    """Yield what was odd about an archive, at its ``path`` as the server saw it."""
    for finding in end.findings:
        yield finding._replace(evidence=tuple(source._replace(path=path) for source in finding.evidence))
    if end.left_out:
        yield Finding(rules.LIMIT_EXCEEDED, path, f"{counted(end.left_out, 'more table')} in the dump")


def _tables(before: Iterable[Table], after: Iterable[Table]) -> Iterator[TableChange]:
    """Yield the tables that differ."""
    old, new = ({table.name: table for table in tables} for tables in (before, after))
    for name in sorted(old.keys() | new.keys()):
        change = TableChange(old.get(name), new.get(name))
        is_there = change.before is not None and change.after is not None
        if not is_there or change.is_redefined or _rows(change.before) != _rows(change.after):
            yield change


def _rows(table: Table | None) -> int:
    return 0 if table is None else table.rows
