"""What differs in two archives: their members, and the tables of their dumps; or in an archive and a folder.

Both are walked at once, each once, each by a process of its own where that is safe and of use. Threads would not do: a
content is digested within microseconds, and each time Python's lock changes hands, which costs more than the digest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeVar, cast, get_args

from backupmeta import rules
from backupmeta.archive.dump import Table
from backupmeta.archive.limits import Limits
from backupmeta.archive.member import OWN, label
from backupmeta.checks.checked_backup import text_of
from backupmeta.comparison.changes import What
from backupmeta.comparison.walks import End, Entry, Site, Walking
from backupmeta.evidence import Place
from backupmeta.findings import Finding
from backupmeta.folders import TemporaryDatabase
from backupmeta.provenance import display, named
from backupmeta.words import NANOSECONDS, counted
from backupmeta.work.orders import HERE, Workers, mixed_results

if TYPE_CHECKING:
    from backupmeta.json_answers import ContentsJson, MemberChangeJson, TableChangeJson

_TABLES: Final = (
    """
    CREATE TABLE members (
      side INTEGER, name BLOB, kind TEXT, size INTEGER, mode INTEGER, mtime_ns INTEGER, link BLOB, digest TEXT,
      PRIMARY KEY (side, name)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE unseen (side INTEGER, start BLOB, stop BLOB, PRIMARY KEY (side, start)) WITHOUT ROWID",
    "CREATE TABLE sides (a INTEGER, b INTEGER, by_time INTEGER)",
    "CREATE VIEW a AS SELECT * FROM members WHERE side = (SELECT a FROM sides)",
    "CREATE VIEW b AS SELECT * FROM members WHERE side = (SELECT b FROM sides)",
)
"""From ``start`` on, up to ``stop``, names of a side were not seen; to the end of all names for NULL."""

_INSERT: Final = """
INSERT OR REPLACE INTO members (side, name, kind, size, mode, mtime_ns, link, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_BY_NAME: Final = """
SELECT side, name, kind, size, mode, mtime_ns, link, digest FROM members ORDER BY name, side
"""
_COMPARE: Final = (
    "DROP TABLE IF EXISTS alone",
    """
    CREATE TABLE alone AS
    WITH unpaired AS (
      SELECT side = a AS is_gone, name, size, digest, (
        SELECT stop IS NULL OR members.name < stop FROM unseen
        WHERE unseen.side = iif(members.side = a, b, a) AND start <= members.name ORDER BY start DESC LIMIT 1
      ) AS is_unseen
      FROM sides JOIN members ON side IN (a, b)
      WHERE NOT EXISTS (
        SELECT 1 FROM members AS other WHERE other.side = iif(members.side = a, b, a) AND other.name = members.name
      )
    ), movable AS (
      SELECT is_gone, name, is_unseen, iif(size > 0 AND is_unseen IS NOT TRUE, digest, NULL) AS digest FROM unpaired
    )
    SELECT *, row_number() OVER (PARTITION BY is_gone, digest ORDER BY name) AS place FROM movable
    """,
    "CREATE INDEX contents ON alone (digest, place, is_gone)",
    "DROP TABLE IF EXISTS renamed",
    """
    CREATE TABLE renamed AS
    SELECT old.name AS before, new.name AS after FROM alone AS old JOIN alone AS new USING (digest, place)
    WHERE old.is_gone AND new.is_gone = 0
    """,
    "DROP TABLE IF EXISTS changes",
    """
    CREATE TABLE changes AS
    SELECT 'changed' AS what, name AS before, name AS after FROM a JOIN b USING (name)
    WHERE (a.kind, a.size, a.mode, a.link) <> (b.kind, b.size, b.mode, b.link) OR a.digest <> b.digest
       OR (a.mtime_ns <> b.mtime_ns AND (SELECT by_time FROM sides)
           AND (a.mtime_ns / 1000000000 <> b.mtime_ns / 1000000000
                OR (a.mtime_ns % 1000000000 <> 0 AND b.mtime_ns % 1000000000 <> 0)))
    UNION ALL SELECT 'renamed', before, after FROM renamed
    UNION ALL SELECT iif(is_unseen, 'can''t tell', 'removed'), name, NULL
      FROM alone WHERE is_gone AND name NOT IN (SELECT before FROM renamed)
    UNION ALL SELECT iif(is_unseen, 'can''t tell', 'added'), NULL, name
      FROM alone WHERE NOT is_gone AND name NOT IN (SELECT after FROM renamed)
    """,
)
"""Only files have digests; what is not known, NULL, is equal to nothing and differs from nothing. A time in whole
seconds, as older forms of tar have it, is that of any part of the second."""

_UNCOMPARED: Final = """
SELECT count(*), min(name) FROM a JOIN b USING (name)
WHERE a.kind IN ('file', 'hard link', 'other') AND b.kind IN ('file', 'hard link', 'other')
  AND (a.digest IS NULL OR b.digest IS NULL)
"""
_AS_UNPACKED: Final = (
    "DELETE FROM members WHERE side = 0 AND name = x''",
    "UPDATE members SET size = 0 WHERE side = 0 AND kind NOT IN ('file', 'hard link', 'other')",
    "UPDATE members SET mode = 511 WHERE side = 0 AND kind = 'symlink'",
    "UPDATE members SET kind = 'file' WHERE side = 0 AND kind = 'other'",
    """
    UPDATE members SET kind = 'file', link = x'', size = ifnull(
      (SELECT size FROM members AS files WHERE side = 1 AND files.name = members.name), 0
    ) WHERE side = 0 AND kind = 'hard link' AND digest IS NOT NULL
    """,
    """
    DELETE FROM members WHERE side = 1 AND kind = 'directory'
      AND NOT EXISTS (SELECT 1 FROM members AS other WHERE side = 0 AND other.name = members.name)
      AND EXISTS (
        SELECT 1 FROM members AS other WHERE side = 0
          AND other.name >= CAST(members.name || x'2f' AS BLOB) AND other.name < CAST(members.name || x'30' AS BLOB)
      )
    """,
)
"""Names, modes and sizes as in a folder; of a hard link, which has none, the content alone is compared. A slash is 2f,
and what comes after it 30."""

_LEAVE_OUT: Final = """
DELETE FROM members
WHERE side = 0 AND name = ? AND NOT EXISTS (SELECT 1 FROM members AS files WHERE side = 1 AND name = ?)
"""
_AFTER_SLASH: Final = b"0"
"""What comes after the slash in the order of bytes: with it instead, a folder's path comes after all that is below."""

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

    def miss_members(self, side: int, folder: bytes = b"") -> None:
        """Know that any other member below a ``folder``, anywhere by default, may be on a ``side``: it was not read."""
        if not folder:
            self.execute("DELETE FROM unseen WHERE side = ?", side)
        stop = folder[:-1] + _AFTER_SLASH if folder else None
        self.execute("INSERT INTO unseen (side, start, stop) VALUES (?, ?, ?)", side, folder, stop)

    def forget(self, side: int) -> None:
        """Forget the members of a ``side``."""
        self.execute("DELETE FROM members WHERE side = ?", side)

    def compare(self, a: int = 0, b: int = 1, *, by_time: bool = True) -> Counter[What]:
        """Compare what was taken of two sides; return how many members became what. To be done before `changed`.

        A time alone makes a difference only ``by_time``.
        """
        self.execute("DELETE FROM sides")
        self.execute("INSERT INTO sides (a, b, by_time) VALUES (?, ?, ?)", a, b, by_time)
        for statement in _COMPARE:
            self.execute(statement)
        return Counter({What(what): count for what, count in self.rows(_COUNT)})

    def compare_with_site(self) -> Counter[What]:
        """Compare the members of side 0, as they would be unpacked, with the files of a folder, side 1; as `compare`.

        No difference is what unpacking alone brings: times, folders that archives have no member for. The backup's own
        members are left out where the folder does not have them.
        """
        for statement in _AS_UNPACKED:
            self.execute(statement)
        for name in OWN:
            self.execute(_LEAVE_OUT, name, name)
        return self.compare(by_time=False)

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

    def to_json(self) -> "MemberChangeJson":
        """Return it for JSON."""
        before, after = (None if entry is None else entry.to_json() for entry in self.sides)
        return {"what": self.what, "by": list(self.by), "before": before, "after": after}


def differing(before: Entry, after: Entry) -> tuple[By, ...]:
    """Return by what two members differ: not by a content that is not known, nor by parts of a second that are not."""
    (seconds, part), (other_seconds, other_part) = (divmod(side.mtime_ns, NANOSECONDS) for side in (before, after))
    if seconds == other_seconds and 0 in {part, other_part}:
        after = after._replace(mtime_ns=before.mtime_ns)
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

    def to_json(self) -> "TableChangeJson":
        """Return it for JSON, with the lines of its definition that differ."""
        before, after = (None if table is None else table.rows for table in self.sides)
        described: dict[str, object] = {"what": self.what, **named("name", self.either.text)}
        described |= {"rows": {"before": before, "after": after}, "is_redefined": self.is_redefined}
        if self.is_redefined:
            removed, added = ([display(text_of(line)) for line in lines] for lines in self.lines)
            described["definition"] = {"removed": removed, "added": added}
        return cast("TableChangeJson", described)


def counts_object(counts: Counter[What], tables: Iterable[TableChange]) -> "ContentsJson":
    """Return for JSON how many members became what, and the ``tables`` that differ."""
    kept: dict[str, int] = {what: counts[what] for what in What if counts[what]}
    return {"tables": [table.to_json() for table in tables], "member_counts": kept}


class Contents:
    """What differs in two archives.

    Attributes:
        counts: how many members became what.
        tables: the tables and views that differ, in the order of their names.
        findings: what was odd about the archives.
    """

    def __init__(
        self, spool: MemberSpool, counts: Counter[What], tables: tuple[TableChange, ...], findings: Sequence[Finding]
    ) -> None:
        """Know what the ``spool`` has compared."""
        self._spool = spool
        self.counts: Counter[What] = counts
        self.tables = tables
        self.findings: tuple[Finding, ...] = (*findings, *spool.uncompared())

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
    spool = MemberSpool()
    before, after = _walked(spool, (sides[0].place, sides[1].place), limits, workers)
    findings = [*_findings(before, sides[0].path), *_findings(after, sides[1].path)]
    return Contents(spool, spool.compare(), tuple(changed_tables(before, after)), findings)


def compared_with_site(archive: ComparedArchive, site: Site, limits: Limits, workers: Workers = HERE) -> Contents:
    """Return what differs in an ``archive``, as it would be unpacked, and a ``site``; as `compared_contents`."""
    spool = MemberSpool()
    before, after = _walked(spool, (archive.place, site), limits, workers)
    return Contents(spool, spool.compare_with_site(), (), [*_findings(before, archive.path), *after.findings])


def _walked(
    spool: MemberSpool, places: tuple[Place | Site, Place | Site], limits: Limits, workers: Workers
) -> tuple[End, End]:
    """Walk over two archives or folders, of which the ``spool`` takes the members; return how the walks ended."""
    ends = dict[int, End]()
    for (number, _), part in mixed_results(list(enumerate(places)), Walking(limits), workers):
        if not isinstance(part, End):
            spool.take(number, part)
            continue
        ends[number] = part
        for folder in (*part.unseen, *([b""] if part.unread else [])):
            spool.miss_members(number, folder)
    return ends[0], ends[1]


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
