"""Moves: a file that vanished and one that is new are the same, where number, size and time of modification are."""

import sqlite3
from collections import Counter
from typing import Final

from backupmeta.catalog.seals import Seals

_PAIRS: Final = """
SELECT new.file, new.account, new.began, old.file, old.account FROM all_files new JOIN all_files old
  ON old.inode = new.inode AND old.size = new.size AND old.mtime_ns = new.mtime_ns AND old.kind = new.kind
WHERE new.file >= :first AND new.since = :scan AND new.began IN ('new', 'returned')
  AND old.until = :scan AND old.ended = 'vanished'
ORDER BY new.file, old.file
"""
_WITH_FILES: Final = {"all_backups": "? IN (record_file, archive_file)", "all_installs": "? = record_file"}
"""What has files, and so moves with them."""


def mark(
    connection: sqlite3.Connection, scan: int, first: int, changes: Counter[tuple[str, str]], seals: Seals
) -> None:
    """Mark what was moved between accounts, folders and names, by the scan of this number; count it in ``changes``.

    ``first`` is the number of the first file that the scan met first. Backups and installs move with their files.
    What is marked is left to be sealed.
    """
    met: set[int] = set()
    for new, into, began, old, out_of in connection.execute(_PAIRS, {"scan": scan, "first": first}).fetchall():
        if met & {new, old}:
            continue  # one of several with the same inode: on another file system
        met |= {new, old}
        seals.change(into)
        seals.change(out_of)
        connection.execute("UPDATE all_files SET began = 'moved', moved_from = ? WHERE file = ?", (old, new))
        connection.execute("UPDATE all_files SET ended = 'moved' WHERE file = ?", (old,))
        _count(changes, "all_files", began)
        for table, has_file in _WITH_FILES.items():
            where = f"account = ? AND {{}} AND {has_file}"
            old_row = f"UPDATE {table} SET ended = 'moved' WHERE {where.format('until = ? AND ended = ?')}"  # noqa: S608
            if connection.execute(old_row, (out_of, scan, "vanished", old)).rowcount:
                select = f"SELECT began FROM {table} WHERE {where.format('since = ?')}"  # noqa: S608 - our own names
                told = connection.execute(select, (into, scan, new)).fetchone()
                new_row = f"UPDATE {table} SET began = 'moved' WHERE {where.format('since = ?')}"  # noqa: S608
                connection.execute(new_row, (into, scan, new))
                _count(changes, table, told[0] if told else "new")


def _count(changes: Counter[tuple[str, str]], table: str, began: str) -> None:
    """Count as moved what was counted as ``began`` and as vanished, unless an interrupted scan has counted it."""
    changes[table, "moved"] += 1
    for change in (began, "vanished"):
        changes[table, change] = max(changes[table, change] - 1, 0)
