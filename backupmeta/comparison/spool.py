"""The members of two archives, in a temporary database that compares them.

SQLite keeps it in a file without a name once it is large (sqlite.org/inmemorydb.html, "Temp Databases"): memory stays
flat however many members there are. Of several members of one name the last one counts, as in unpacking.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final
from weakref import finalize

from backupmeta.comparison.walking import Entry
from backupmeta.temporary import rows, telling

_SIDES: Final = ("a", "b")
_TABLE: Final = """
CREATE TABLE {} (
  name BLOB PRIMARY KEY, kind TEXT, size INTEGER, mode INTEGER, mtime_ns INTEGER, link BLOB, digest TEXT
) WITHOUT ROWID
"""
_INSERT: Final = "INSERT OR REPLACE INTO {} VALUES (?, ?, ?, ?, ?, ?, ?)"
_COMPARE: Final = """
CREATE TABLE changes AS
WITH gone AS (
  SELECT *, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
  FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.name = a.name)
), come AS (
  SELECT *, row_number() OVER (PARTITION BY digest ORDER BY name) AS place
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
SELECT a.*, b.* FROM changes LEFT JOIN a ON a.name = before LEFT JOIN b ON b.name = after
ORDER BY coalesce(before, after)
"""


class Spool:
    """The members of two archives; gone when nobody has it any more. Its methods raise `TemporaryFileError`."""

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
