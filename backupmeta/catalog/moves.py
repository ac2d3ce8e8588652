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
_BEGAN: Final = "UPDATE all_backups SET began = 'moved' WHERE account = ? AND since = ? AND ? IN (record_file, archive_file)"
_ENDED: Final = "UPDATE all_backups SET ended = 'moved' WHERE account = ? AND until = ? AND ? IN (record_file, archive_file)"


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
        changes["all_files", "moved"] += 1
        began = connection.execute(_BEGAN, (to_account, scan, new)).rowcount
        connection.execute(_ENDED, (from_account, scan, old))
        changes["all_backups", "moved"] += began
