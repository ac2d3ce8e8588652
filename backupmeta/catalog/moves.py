"""Moves: a file that vanished and one that is new are the same, where number, size and time of modification are."""

import sqlite3
from collections import Counter
from typing import Final

_PAIRS: Final = """
SELECT new.file, old.file, old.account, new.account FROM all_files new JOIN all_files old
  ON old.inode = new.inode AND old.size = new.size AND old.mtime_ns = new.mtime_ns AND old.kind = new.kind
WHERE new.file >= :first AND new.since = :scan AND new.began IN ('new', 'returned')
  AND old.until = :scan AND old.ended = 'vanished'
ORDER BY new.file, old.file
"""
_OF_FILE: Final = "AND ? IN (record_file, archive_file)"
_BEGAN: Final = f"UPDATE all_backups SET began = 'moved' WHERE account = ? AND since = ? AND began = 'new' {_OF_FILE}"  # noqa: S608, E501
_ENDED: Final = f"UPDATE all_backups SET ended = 'moved' WHERE account = ? AND until = ? {_OF_FILE}"  # noqa: S608


def mark(connection: sqlite3.Connection, scan: int, first: int, changes: Counter[tuple[str, str]]) -> None:
    """Mark what was moved between accounts, folders and names, by the scan of this number; count it in ``changes``.

    ``first`` is the number of the first file that the scan met first. Backups move with their files.
    """
    met: set[int] = set()
    for new, old, from_account, to_account in connection.execute(_PAIRS, {"scan": scan, "first": first}).fetchall():
        if met & {new, old}:
            continue  # one of several with the same inode: on another file system
        met |= {new, old}
        connection.execute("UPDATE all_files SET began = 'moved', moved_from = ? WHERE file = ?", (old, new))
        connection.execute("UPDATE all_files SET ended = 'moved' WHERE file = ?", (old,))
        _count(changes, "all_files", 1)
        _count(changes, "all_backups", connection.execute(_BEGAN, (to_account, scan, new)).rowcount)
        connection.execute(_ENDED, (from_account, scan, old))


def _count(changes: Counter[tuple[str, str]], table: str, moved: int) -> None:
    """Count as moved what was counted as new and as vanished."""
    changes[table, "moved"] += moved
    for change in ("new", "vanished"):  # what an interrupted scan met before is not counted in this run
        changes[table, change] = max(changes[table, change] - moved, 0)
