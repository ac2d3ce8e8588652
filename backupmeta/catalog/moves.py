"""Moves: a file that vanished and one that is new are the same, where number, size and time of modification are."""

import sqlite3
from collections import Counter
from typing import Final

from backupmeta.catalog.seals import Seals

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

_WITH_FILES: Final = {
    "all_backups": ("backup", "record_file", "archive_file"),
    "all_installs": ("install", "record_file"),
}
"""What has files, and so moves with them: its number, and its columns with numbers of files."""

_CHANGED: Final = """
INSERT INTO moving SELECT '{table}', {key}, account, {file}, since = :scan FROM {table}
WHERE {file} IS NOT NULL AND (since = :scan OR (until = :scan AND ended = 'vanished'))
"""
_OF_FILE: Final = "SELECT number FROM moving WHERE file = ? AND name = ? AND account = ? AND is_new = ?"


def mark(
    connection: sqlite3.Connection, scan: int, first: int, changes: Counter[tuple[str, str]], seals: Seals
) -> None:
    """Mark what was moved between accounts, folders and names, by the scan of this number; count it in ``changes``.

    ``first`` is the number of the first file that the scan met first. Backups and installs move with their files.
    What is marked is left to be sealed.
    """
    _gather(connection, scan)
    for new, into, began, old, out_of in connection.execute(_PAIRS, {"scan": scan, "first": first}).fetchall():
        seals.change(into)
        seals.change(out_of)
        connection.execute("UPDATE all_files SET began = 'moved', moved_from = ? WHERE file = ?", (old, new))
        connection.execute("UPDATE all_files SET ended = 'moved' WHERE file = ?", (old,))
        _count(changes, "all_files", began)
        for table, (key, *_) in _WITH_FILES.items():
            gone = connection.execute(_OF_FILE, (old, table, out_of, False)).fetchall()
            end = f"UPDATE {table} SET ended = 'moved' WHERE {key} = ? AND ended = 'vanished'"
            if connection.executemany(end, gone).rowcount > 0:
                _begin(connection, table, connection.execute(_OF_FILE, (new, table, into, True)).fetchall(), changes)
    connection.execute("DROP TABLE moving")


def _gather(connection: sqlite3.Connection, scan: int) -> None:
    """Gather what is new and what vanished by its files, for there may be very many of an account."""
    connection.execute("DROP TABLE IF EXISTS temp.moving")
    columns = "name TEXT, number INTEGER, account INTEGER, file INTEGER, is_new INTEGER"
    connection.execute(f"CREATE TEMP TABLE moving ({columns})")
    for table, (key, *files) in _WITH_FILES.items():
        for file in files:
            connection.execute(_CHANGED.format(table=table, key=key, file=file), {"scan": scan})
    connection.execute("CREATE INDEX temp.moving_by_file ON moving (file)")


def _begin(
    connection: sqlite3.Connection, table: str, numbers: list[tuple[int]], changes: Counter[tuple[str, str]]
) -> None:
    """Mark the new rows of these ``numbers`` as moved."""
    key = _WITH_FILES[table][0]
    select = f"SELECT began FROM {table} WHERE {key} = ?"
    told = connection.execute(select, numbers[0]).fetchone() if numbers else None
    connection.executemany(f"UPDATE {table} SET began = 'moved' WHERE {key} = ?", numbers)
    _count(changes, table, told[0] if told else "new")


def _count(changes: Counter[tuple[str, str]], table: str, began: str) -> None:
    """Count as moved what was counted as ``began`` and as vanished, unless an interrupted scan has counted it."""
    changes[table, "moved"] += 1
    for change in (began, "vanished"):
        changes[table, change] = max(changes[table, change] - 1, 0)
