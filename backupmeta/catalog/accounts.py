"""The accounts of a catalog, as a scan meets them: new, known, changed, unreadable, gone."""

import os
from collections.abc import Collection, Mapping
from typing import Final

from backupmeta.account.home import FROM_DISK, folder_name
from backupmeta.account.places import FoundHome
from backupmeta.archive.identification import Beginning
from backupmeta.archive.limits import Limits
from backupmeta.catalog import schema
from backupmeta.catalog.batch import UNSURE, Known, Refused, Scanned, Task, Unchanged
from backupmeta.catalog.database import Catalog, ScanResult
from backupmeta.catalog.integrity import Damaged
from backupmeta.catalog.remembered import Memory, Remembered
from backupmeta.catalog.rows import Cell
from backupmeta.catalog.schema import ACCOUNTS, MEMORIES
from backupmeta.catalog.writer import Writer
from backupmeta.errors import LimitExceededError, UnreadableError
from backupmeta.evidence import Folder, is_folder, open_folder, status_of
from backupmeta.provenance import display

_AT: Final = "host = ? AND path = ? AND ifnull(path_bytes, x'') = ?"
_NUMBER: Final = f"SELECT account, status FROM accounts WHERE {_AT}"
_KNOWN: Final = f"""
SELECT account, status, {", ".join(Known._fields)} FROM accounts JOIN memories USING (account) WHERE {_AT}
"""
_SEEN: Final = "UPDATE accounts SET root = ?, status = ?, last_scan = ? WHERE account = ?"
_REMEMBER: Final = schema.replacement(MEMORIES, ("account", *Known._fields))
_BELOW: Final = "host = ? AND status <> 'vanished' AND (path = ? OR substr(path, 1, ?) = ?)"
_GONE: Final = f"SELECT account, path, path_bytes, seen FROM accounts WHERE {_BELOW} AND last_scan < ?"


class Accounts:
    """Writes accounts; its caller begins and ends the transactions."""

    def __init__(self, catalog: Catalog, scan: int, writer: Writer, result: ScanResult, damaged: Damaged) -> None:
        """Write into ``catalog`` what the scan of this number finds, and count it; know what is ``damaged``."""
        self._damaged = damaged
        self._unread: set[int] = set()
        self._catalog = catalog
        self._connection = catalog.connection
        self._scan = scan
        self._result = result
        self._writer = writer
        self._remembered: tuple[str, Mapping[str, Remembered]] = "", {}
        self._last = int(self._connection.execute("SELECT ifnull(max(account), 0) FROM accounts").fetchone()[0])

    def known(self, account: FoundHome, host: str) -> Known | None:
        """Return what is known of an account; where it was gone or could not be read, that it has to be read anew.

        Nothing is known of a damaged account.
        """
        row = self._connection.execute(_KNOWN, _at(host, account.path)).fetchone()
        if row is None or row[0] in self._damaged:
            return None
        _, status, *known = row
        return Known(*known) if status == "present" else Known(*known)._replace(fingerprint=UNSURE)

    def beginning(self, folder: Folder, name: str, limits: Limits) -> Beginning:
        """Return how the file ``name`` of ``folder`` begins; it is not opened where it is known, and did not change.

        Raises `EvidenceError`.
        """
        if self._remembered[0] != folder.path:
            self._remembered = folder.path, self._files(folder)
        known = self._remembered[1].get(name)
        if known is None or known.signature != folder.signature(name) or isinstance(known.content, UnreadableError):
            return FROM_DISK.beginning(folder, name, limits)
        return known.content if isinstance(known.content, Beginning) else Beginning.TAR

    def _files(self, folder: Folder) -> Mapping[str, Remembered]:
        """Return what is remembered of the files of a folder on this machine."""
        stored = next(self._catalog.memories(_AT, _at("", folder.path)), None)
        if stored is None or stored.account in self._damaged:
            return {}
        try:
            return Memory.from_bytes(stored.content).files
        except ValueError:  # a damaged catalog: nothing is remembered then
            return {}

    def take(
        self, tasks: Collection[Task], results: Collection[Scanned | Unchanged | Refused], shared: Mapping[bytes, str]
    ) -> None:
        """Write what came out of the ``tasks`` as what is there now."""
        self._writer.take_shared(shared)
        for task, result in zip(tasks, results, strict=True):
            self._take(task, result)
        self._writer.flush()

    def _take(self, task: Task, result: Scanned | Unchanged | Refused) -> None:
        self._result.accounts += 1
        row = self._connection.execute(_NUMBER, _at(task.host, task.account.path)).fetchone()
        status = "unreadable" if isinstance(result, Refused) else "present"
        if row is not None and isinstance(result, Refused) and row[0] in self._damaged:
            self._result.note_trouble(task.account.server_path, result.finding.detail)
            self._unread.add(row[0])  # what was altered stays, and is reported
            return
        if row is None:
            account = self._begin(task, status)
            self._writer.seals.change(account)
        else:
            account = int(row[0])
            self._damaged.take_away(self._connection, account)
            self._connection.execute(_SEEN, (display(task.root), status, self._scan, account))
            self._writer.seals.meet(account)
        if isinstance(result, Refused):
            self._result.note_trouble(task.account.server_path, result.finding.detail)
            self._writer.refuse(account, result.finding)
        elif isinstance(result, Unchanged):
            self._result.unchanged += 1
        else:
            archives = [file.size for file in result.rows.files if file.kind == "archive"]
            self._result.archives += len(archives)
            self._result.bytes += sum(archives)
            if result.trouble:
                self._result.note_trouble(task.account.server_path, result.trouble)
            self._writer.settle(account, result.rows, is_new=row is None)
            self._connection.execute(_REMEMBER, (account, *result.known))

    def _begin(self, task: Task, status: str) -> int:
        self._last += 1
        path, server_path = task.account.path, display(task.account.server_path)
        row = {
            "account": self._last,
            "host": task.host,
            "path": display(path),
            "path_bytes": schema.path_bytes(path),
            "seen": server_path,
            "root": display(task.root),
            "name": display(folder_name(task.account.server_path)),
            "is_home": task.account.is_home,
            "status": status,
            "first_scan": self._scan,
            "last_scan": self._scan,
        }
        self._connection.execute(schema.insertion(ACCOUNTS, tuple(row)), tuple(row.values()))
        return self._last

    def vanish(self, host: str, root: str, blind: Collection[str]) -> None:
        """Note that accounts below ``root`` that were not met are gone, unless they lie below ``blind`` folders.

        An account whose folder, or the folder around it, is empty now is not gone: something may be mounted there.
        """
        gone = self._connection.execute(_GONE, (*_at_or_below(host, root), self._scan)).fetchall()
        for account, path, path_bytes, server_path in gone:
            is_hidden = any(f"{server_path}/".startswith(f"{folder.rstrip('/')}/") for folder in blind)
            if account in self._unread or is_hidden:
                continue
            if not host and (doubt := _doubt(schema.exact_path(path, path_bytes))) is not None:
                self._result.unread.setdefault(*doubt)
            else:
                self._result.vanished += 1
                self._damaged.take_away(self._connection, account)
                self._writer.vanish(account)
                self._connection.execute("UPDATE accounts SET status = 'vanished' WHERE account = ?", (account,))

    def has_any(self, host: str, root: str, others: Collection[str]) -> bool:
        """Return whether there were accounts at or below ``root`` that were not found below one of the ``others``."""
        select = f"SELECT DISTINCT root FROM accounts WHERE {_BELOW}"
        known = {row[0] for row in self._connection.execute(select, _at_or_below(host, root))}
        return not known <= {display(other) for other in others if other != root}


def _at(host: str, path: str) -> tuple[str, str, bytes]:
    """Return the arguments of `_AT`."""
    return host, display(path), schema.path_bytes(path) or b""


def _at_or_below(host: str, root: str) -> tuple[Cell, ...]:
    folder = display(root).rstrip("/") + "/"
    return host, display(root), len(folder), folder


def _doubt(path: str) -> tuple[str, str] | None:
    """Return the folder that makes it doubtful whether the account at ``path`` is gone, and why; None where it is gone.

    It is the nearest folder above that exists, if it is empty or can't be read.
    """
    try:
        while status_of(path) is None and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        if not is_folder(path):
            return None
        with open_folder(path) as folder:
            folder.entries(0)
    except LimitExceededError:  # there is something in it
        return None
    except UnreadableError as error:
        return path, error.reason
    return path, "is empty, and had accounts before; is it mounted?"
