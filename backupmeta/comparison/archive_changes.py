"""What differs in two archives: their members, and the tables of their dumps.

Both are walked at once, each once, each by a process of its own where that is safe and of use. Threads would not do: a
content is digested within microseconds, and each time Python's lock changes hands, which costs more than the digest.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, NamedTuple, TypeVar, get_args

from backupmeta import rules
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dump, Dumps, DumpState, Table
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import label, plain, shown
from backupmeta.archive.reader import Consumer, Pass
from backupmeta.comparison.changes import What
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.folders import TemporaryDatabase
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
        unread: why the archive may hold members that did not come; empty where it was read to its end, undamaged.
        has_all_tables: whether a table that did not come is not in the dump.
    """

    tables: tuple[Table, ...]
    left_out: int
    findings: tuple[Finding, ...]
    unread: str = ""
    has_all_tables: bool = True


Part = Sequence[Entry] | End
"""What comes of a walk: many members at once, again and again, and at last how it ended."""

MAY_LACK: Final = frozenset({rules.ARCHIVE_NO_END, rules.ARCHIVE_MULTI_VOLUME})
"""The findings by which an archive that was read to its end may have had more members."""


class MemberNames:
    """Which members are asked for: by a path, or by a pattern in which ``*`` stands for any text, also for slashes."""

    def __init__(self, pattern: bytes) -> None:
        """Ask for ``pattern``: a path as it may be written, or with ``*``, ``?``, ``[a-z]``, ``[^a-z]`` in it."""
        self._path = plain(pattern)
        text = self._path.decode("utf-8", "surrogateescape").replace("[^", "[!")
        self._pattern = re.compile(fnmatch.translate(text))

    def has(self, name: bytes) -> bool:
        """Return whether a member of this ``name`` is asked for."""
        path = plain(name)
        return path == self._path or self._pattern.match(path.decode("utf-8", "surrogateescape")) is not None


@dataclass(frozen=True)
class Walking(Work[tuple[int, Place], Part]):
    """Walking over archives: an order is a number and where the archive lies.

    Attributes:
        limits: what each of them may ask for.
        names: which members are asked for, and no tables; None for all of them.
    """

    limits: Limits
    names: MemberNames | None = None

    def do(self, order: tuple[int, Place], watch: Watch) -> Iterator[Part]:
        """Walk over an archive. Raises `EvidenceError` where nothing of it can be read."""
        with order[1].open() as file:
            file.watch = watch
            digests, dumps = MemberDigests(DIGEST, self.limits.names), Dumps()
            consumers: list[Consumer] = [digests, dumps] if self.names is None else [digests]
            passed = Pass(file, self.limits, algorithms=(), consumers=consumers)
            yield from _entries(passed, digests, self.names)
            yield _end(passed, dumps.dump)

    def given_up(self, order: tuple[int, Place]) -> Iterator[Part]:
        """Raise that no process survives walking over an archive."""
        raise EvidenceError(order[1].path, "the process that read it ended", "is there too little memory?")


def _entries(passed: Pass, digests: MemberDigests, names: MemberNames | None = None) -> Iterator[Sequence[Entry]]:
    """Yield the members that have such ``names``, many at once."""
    entries = list[Entry]()
    for member in passed if names is None else filter(lambda member: names.has(member.name), passed):
        mtime_ns = max(-_LARGEST, min(member.mtime_ns, _LARGEST))
        size, mode = min(member.size, _LARGEST), member.mode & _PERMISSIONS
        entries.append(Entry(shown(member.name), member.kind, size, mode, mtime_ns, member.link, digests.last))
        if len(entries) == _TOGETHER:
            yield entries
            entries = []
    yield entries


def _end(passed: Pass, dump: Dump | None) -> End:
    """Return what is known at the end of a walk."""
    findings, end = tuple(passed.findings()), passed.end
    unread = next((finding.message for finding in findings if finding.rule in MAY_LACK), "")
    if end is None or end.verdict != "complete":
        unread = "not walked" if end is None else end.reason
    if dump is None:
        return End((), 0, findings, unread, not unread)
    has_all_tables = dump.state is not DumpState.CUT and not dump.left_out
    return End((*dump.tables, *dump.filled), dump.left_out, findings, unread, has_all_tables)


# --- comparing -------------------------------------------------------------------------------------------------------

_TABLES: Final = (
    """
    CREATE TABLE members (
      side INTEGER, name BLOB, kind TEXT, size INTEGER, mode INTEGER, mtime_ns INTEGER, link BLOB, digest TEXT,
      PRIMARY KEY (side, name)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE unseen (side INTEGER, start BLOB, stop BLOB, PRIMARY KEY (side, start)) WITHOUT ROWID",
    "CREATE TABLE sides (a INTEGER, b INTEGER)",
    "CREATE VIEW a AS SELECT * FROM members WHERE side = (SELECT a FROM sides)",
    "CREATE VIEW b AS SELECT * FROM members WHERE side = (SELECT b FROM sides)",
    "CREATE VIEW unseen_a AS SELECT * FROM unseen WHERE side = (SELECT a FROM sides)",
    "CREATE VIEW unseen_b AS SELECT * FROM unseen WHERE side = (SELECT b FROM sides)",
)
"""From ``start`` on, up to ``stop``, names of a side were not seen; to the end of all names for NULL."""

_INSERT: Final = """
INSERT OR REPLACE INTO members (side, name, kind, size, mode, mtime_ns, link, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_BY_NAME: Final = """
SELECT side, name, kind, size, mode, mtime_ns, link, digest FROM members ORDER BY name, side
"""
_COMPARE: Final = """
CREATE TABLE changes AS
WITH gone AS (
  SELECT name, size, digest,
    (SELECT stop IS NULL OR name < stop FROM unseen_b WHERE start <= name ORDER BY start DESC LIMIT 1) AS is_unseen
  FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.name = a.name)
), come AS (
  SELECT name, size, digest,
    (SELECT stop IS NULL OR name < stop FROM unseen_a WHERE start <= name ORDER BY start DESC LIMIT 1) AS is_unseen
  FROM b WHERE NOT EXISTS (SELECT 1 FROM a WHERE a.name = b.name)
), old AS (
  SELECT name, digest, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
  FROM gone WHERE size > 0 AND is_unseen IS NOT TRUE
), new AS (
  SELECT name, digest, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
  FROM come WHERE size > 0 AND is_unseen IS NOT TRUE
), renamed AS (
  SELECT old.name AS before, new.name AS after FROM old JOIN new USING (digest, place)
)
SELECT 'changed' AS what, name AS before, name AS after FROM a JOIN b USING (name)
WHERE (a.kind, a.size, a.mode, a.mtime_ns, a.link) <> (b.kind, b.size, b.mode, b.mtime_ns, b.link)
   OR a.digest <> b.digest
UNION ALL SELECT 'renamed', before, after FROM renamed
UNION ALL SELECT iif(is_unseen, 'can''t tell', 'removed'), name, NULL
  FROM gone WHERE name NOT IN (SELECT before FROM renamed)
UNION ALL SELECT iif(is_unseen, 'can''t tell', 'added'), NULL, name
  FROM come WHERE name NOT IN (SELECT after FROM renamed)
"""
"""Only files have digests; what is not known, NULL, is equal to nothing and differs from nothing."""

_UNCOMPARED: Final = """
SELECT count(*), min(name) FROM a JOIN b USING (name)
WHERE a.kind IN ('file', 'hard link', 'other') AND b.kind IN ('file', 'hard link', 'other')
  AND (a.digest IS NULL OR b.digest IS NULL)
"""
_COUNT: Final = "SELECT what, count(*) FROM changes GROUP BY what"
_CHANGED: Final = """
SELECT what, a.name, a.kind, a.size, a.mode, a.mtime_ns, a.link, a.digest,
  b.name, b.kind, b.size, b.mode, b.mtime_ns, b.link, b.digest
FROM changes LEFT JOIN a ON a.name = before LEFT JOIN b ON b.name = after
ORDER BY coalesce(before, after)
"""


class MemberSpool(TemporaryDatabase):
    """The members of archives, each of which is a side, in a temporary database that compares two of them.

    Of several members of one name the last one counts, as in unpacking. Its methods raise `TemporaryFileError`.
    """

    def __init__(self) -> None:
        super().__init__(*_TABLES)

    def take(self, side: int, entries: Sequence[Entry]) -> None:
        """Take members of a ``side``."""
        self.insert(_INSERT, ((side, *entry) for entry in entries))

    def miss_members(self, side: int) -> None:
        """Know that any other member may be on a ``side``, as its archive was not read to its end."""
        self.execute("INSERT INTO unseen (side, start) VALUES (?, x'')", side)

    def forget(self, side: int) -> None:
        """Forget the members of a ``side``."""
        self.execute("DELETE FROM members WHERE side = ?", side)

    def compare(self, a: int = 0, b: int = 1) -> Counter[What]:
        """Compare what was taken of two sides; return how many members became what. To be done before `changed`."""
        self.execute("DELETE FROM sides")
        self.execute("INSERT INTO sides (a, b) VALUES (?, ?)", a, b)
        self.execute("DROP TABLE IF EXISTS changes")
        self.execute(_COMPARE)
        return Counter({What(what): count for what, count in self.rows(_COUNT)})

    def by_name(self) -> Iterator[tuple[int, Entry]]:
        """Yield each member with its side: in the order of their names, those of one name in the order of sides."""
        for side, *entry in self.rows(_BY_NAME):
            yield side, Entry._make(entry)

    def uncompared(self) -> Iterator[Finding]:
        """Yield that there are members with a content on both sides that could not be read on one."""
        [(count, name)] = self.rows(_UNCOMPARED)
        if count:
            yield Finding(rules.MEMBER_NOT_COMPARED, label(name), f"and {count - 1:,} more" if count > 1 else "")

    def changed(self) -> "Iterator[MemberChange]":
        """Yield the members that differ, by their names."""
        after = 1 + len(Entry._fields)
        for row in self.rows(_CHANGED):
            yield MemberChange(What(row[0]), _entry(row[1:after]), _entry(row[after:]))


def _entry(row: Sequence[object]) -> Entry | None:
    return None if row[0] is None else Entry._make(row)


Compared = TypeVar("Compared", Entry, Table)


class _Change(NamedTuple, Generic[Compared]):
    """What became of something, what is in A, and what in B; None where it is not there, or was not seen."""

    what: What
    before: Compared | None
    after: Compared | None

    @property
    def sides(self) -> tuple[Compared | None, Compared | None]:
        """What is in A, and what in B."""
        return self.before, self.after

    @property
    def either(self) -> Compared:
        """What is in A, or else in B."""
        return next(side for side in self.sides if side is not None)


By = Literal["kind", "size", "mode", "mtime", "link", "content"]
_BY: Final[tuple[By, ...]] = get_args(By)
"""By what members of one name can differ, in the order of what an `Entry` has after the name."""


class MemberChange(_Change[Entry]):
    """A member that differs; a file is renamed where another name has its content."""

    __slots__ = ()

    @property
    def by(self) -> tuple[By, ...]:
        """By what it differs, where it is on both sides; a content that is not known is none that differs."""
        return () if self.before is None or self.after is None else differing(self.before, self.after)


def differing(before: Entry, after: Entry) -> tuple[By, ...]:
    """Return by what two members differ; a content that is not known is none that differs."""
    values = zip(_BY, before[1:], after[1:], strict=True)
    return tuple(name for name, old, new in values if old != new and None not in {old, new})


class TableChange(_Change[Table]):
    """A table or view that differs."""

    __slots__ = ()

    def without_definition(self) -> "TableChange":
        """Return the same without the statements that create it, which may be long."""
        old, new = (None if table is None else table._replace(definition=b"") for table in self.sides)
        return TableChange(self.what, old, new)

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

    def __init__(self, spool: MemberSpool, tables: tuple[TableChange, ...], findings: Sequence[Finding]) -> None:
        """Compare the members in the ``spool``."""
        self._spool = spool
        self.counts: Counter[What] = spool.compare()
        self.tables = tables
        self.findings = (*findings, *spool.uncompared())

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.counts and not self.tables

    def members(self) -> Iterator[MemberChange]:
        """Yield the members that differ, in the order of their names in A, or else in B."""
        return self._spool.changed()


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
        if isinstance(part, End):
            ends[number] = part
            if part.unread:
                spool.miss_members(number)
        else:
            spool.take(number, part)
    findings = [finding for number in sorted(ends) for finding in _findings(ends[number], sides[number].path)]
    return Contents(spool, tuple(changed_tables(ends[0], ends[1])), findings)


def _findings(end: End, path: str) -> Iterator[Finding]:
    """Yield what was odd about an archive, at its ``path`` as the server saw it."""
    yield from (finding.in_file(path) for finding in end.findings)
    if end.left_out:
        yield Finding(rules.LIMIT_EXCEEDED, path, f"{counted(end.left_out, 'more table')} in the dump")


def changed_tables(before: End, after: End) -> Iterator[TableChange]:
    """Yield the tables that differ, or may."""
    old, new = ({table.name: table for table in end.tables} for end in (before, after))
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name), new.get(name)
        has_all_rows = before.has_all_tables if _rows(a) < _rows(b) else after.has_all_tables
        change = TableChange(What.between(a, b) if has_all_rows else What.UNKNOWN, a, b)
        if change.is_redefined:
            yield change._replace(what=What.CHANGED)
        elif _rows(a) != _rows(b):
            yield change


def _rows(table: Table | None) -> int:
    """Return how many rows a ``table`` has; fewer than any has, where there is no table."""
    return -1 if table is None else table.rows
