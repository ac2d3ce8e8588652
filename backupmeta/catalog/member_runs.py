"""The members of archives in a catalog: each once for the readings in which it did not change.

A reading is an archive that was read with its members. Those of one install or site are a series, in the order in which
they were read, which is mostly that of the backups' times. A run says that all readings of a series from the first to
the last one have a member. It goes on by itself: where the next archive has the same members, no row is written.

A reading has the sum of the digests of its members' rows. So no name, version or run is altered unnoticed, and none of
them needs a seal of its own: see `backupmeta.catalog.integrity`.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from backupmeta.catalog.member_lists import MemberList, MemberRow
from backupmeta.catalog.schema import READINGS, insertion

_MODULUS: Final = 2**64
_FIELDS: Final = ", ".join(MemberRow._fields)
_STAGE: Final = (
    f"CREATE TEMP TABLE IF NOT EXISTS staged (is_there, {_FIELDS})",
    "CREATE TEMP TABLE IF NOT EXISTS chosen (version INTEGER PRIMARY KEY, is_there)",
    "DELETE FROM staged",
)
_PUT: Final = f"INSERT INTO staged (is_there, {_FIELDS}) VALUES (?{', ?' * len(MemberRow._fields)})"
_NAMED: Final = "n.path = s.path AND ifnull(n.path_bytes, x'') = ifnull(s.path_bytes, x'')"
_SAME: Final = """v.name = n.name AND v.mtime_ns = s.mtime_ns AND ifnull(v.digest, x'') = ifnull(s.digest, x'')
  AND v.size = s.size AND v.mode = s.mode AND v.kind = s.kind"""
_NUMBER: Final = (
    "DELETE FROM chosen",
    "INSERT OR IGNORE INTO member_names (path, path_bytes) SELECT path, path_bytes FROM staged WHERE is_there",
    f"""INSERT OR IGNORE INTO member_versions (name, kind, size, mode, mtime_ns, digest)
    SELECT n.name, s.kind, s.size, s.mode, s.mtime_ns, s.digest FROM staged s JOIN member_names n ON {_NAMED}
    WHERE s.is_there""",
    f"""INSERT INTO chosen (version, is_there)
    SELECT v.version, s.is_there FROM staged s JOIN member_names n ON {_NAMED} JOIN member_versions v ON {_SAME}""",
)
_GOING_ON: Final = "SELECT version FROM member_runs WHERE series = ? AND last IS NULL"
_LEAVE_CHANGES: Final = (
    f"""INSERT INTO chosen (version, is_there) SELECT version, NULL FROM ({_GOING_ON}) WHERE true
    ON CONFLICT (version) DO UPDATE SET is_there = 2""",
    "UPDATE chosen SET is_there = 0 WHERE is_there IS NULL",
)
"""Of a list of all members: 1 begins, 0 ended, 2 goes on."""
_WRITE_ENDS: Final = """
UPDATE member_runs SET last = ? WHERE series = ? AND last IS NULL
  AND version IN (SELECT version FROM chosen WHERE is_there = 0)
"""
_WRITE_RUNS: Final = """
INSERT INTO member_runs (series, version, first) SELECT ?, version, ? FROM chosen WHERE is_there = 1 ORDER BY version
"""
_BEFORE: Final = """
SELECT series, reading, members, sum FROM readings WHERE account = ? AND origin = ? AND algorithm = ?
ORDER BY reading DESC LIMIT 1
"""
_WRITE: Final = insertion(READINGS, tuple(name for name in READINGS.names if name != "until"))
_DELETE: Final = (
    "DELETE FROM readings WHERE account = ?",
    "DELETE FROM member_runs WHERE series NOT IN (SELECT series FROM readings)",
)
_RUNS: Final = """
SELECT series, first, last, CAST(path AS BLOB), path_bytes, CAST(kind AS BLOB), size, mode, mtime_ns, digest
FROM member_runs JOIN member_versions USING (version) JOIN member_names USING (name)
WHERE typeof(series) = 'integer' ORDER BY series
"""
_READINGS: Final = """
SELECT reading, account, series, sum FROM readings WHERE typeof(series) = 'integer' ORDER BY series, reading
"""


class Reading(NamedTuple):
    """An archive that was read with its members: its number, its account, the scan, its file, …: as in the table."""

    reading: int
    account: int
    since: int
    file: int
    origin: str
    algorithm: str


class MemberWriter:
    """Writes the members of archives; its caller begins and ends the transactions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._file: int | None = None
        self._count = self._sum = 0

    def take(self, file: int, part: MemberList) -> None:
        """Take a part of the members of the archive ``file``."""
        if file != self._file:  # what is staged of another one was never told to its end
            self._file, self._count, self._sum = file, 0, 0
            for statement in _STAGE:
                self._connection.execute(statement)
        for is_there, members in ((1, part.begun), (0, part.ended)):
            self._connection.executemany(_PUT, ((is_there, *row) for row in members))
            self._count += len(members) if is_there else -len(members)
            digests = (_digest(path.encode(), exact, kind.encode(), *rest) for path, exact, kind, *rest in members)
            self._sum += sum(digests) * (1 if is_there else -1)

    def write(self, reading: Reading, last: MemberList) -> None:
        """Write what was taken as the members of ``reading``, of which ``last`` is the last part."""
        execute = self._connection.execute
        asked = reading.account, reading.origin, reading.algorithm
        series, before, members, total = execute(_BEFORE, asked).fetchone() or (reading.reading, 0, 0, b"")
        for statement in _NUMBER:
            execute(statement)
        if last.since is None:
            members, total = 0, b""
            execute(_LEAVE_CHANGES[0], (series,))
            execute(_LEAVE_CHANGES[1])
        execute(_WRITE_ENDS, (before, series))
        execute(_WRITE_RUNS, (series, reading.reading))
        summed = ((int.from_bytes(total) + self._sum) % _MODULUS).to_bytes(8)
        row = {**reading._asdict(), "series": series, "members": members + self._count, "sum": summed}
        row |= {"left_out": last.left_out, "is_whole": last.is_whole}
        execute(_WRITE, tuple(row[name] for name in READINGS.names if name != "until"))
        self._file = None


def _digest(*row: object) -> int:
    """Return the digest of a member's row, its texts as bytes: as the sum of a reading has it."""
    return int.from_bytes(blake2b(repr(row).encode(), digest_size=8).digest())


def forget(connection: sqlite3.Connection, account: int) -> None:
    """Delete the members of the archives of an ``account``: some of them were altered."""
    for statement in _DELETE:
        connection.execute(statement, (account,) if "?" in statement else ())


def altered(connection: sqlite3.Connection) -> dict[int, set[int]]:
    """Return the readings that have other members than were read, by their accounts."""
    differing = dict[int, set[int]]()
    runs = groupby(connection.execute(_RUNS), itemgetter(0))
    ahead = next(runs, None)
    for series, readings in groupby(connection.execute(_READINGS), itemgetter(2)):
        changes = Counter[int]()
        while ahead is not None and ahead[0] <= series:
            changes = _changes(row[1:] for row in ahead[1]) if ahead[0] == series else changes
            ahead = next(runs, None)
        for account, reading in _differing(changes, ((row[0], row[1], row[3]) for row in readings)):
            differing.setdefault(account, set()).add(reading)
    return differing


def _changes(runs: Iterator[tuple[object, ...]]) -> Counter[int]:
    """Return by how much the sum differs from one reading to the next, by the number of that."""
    changes = Counter[int]()
    for first, last, *row in runs:
        if isinstance(first, int) and (last is None or (isinstance(last, int) and first <= last)):
            digest = _digest(*row)
            changes[first] += digest
            if last is not None:
                changes[last + 1] -= digest
    return changes


def _differing(changes: Counter[int], readings: Iterator[tuple[int, int, bytes]]) -> Iterator[tuple[int, int]]:
    """Yield the accounts and numbers of those of the ``readings`` whose sums differ from those of the ``changes``."""
    ahead, total = sorted(changes, reverse=True), 0
    for reading, account, summed in readings:
        while ahead and ahead[-1] <= reading:
            total += changes[ahead.pop()]
        if summed != (total % _MODULUS).to_bytes(8):
            yield account, reading
