"""Scanning: what lies below roots is written into a catalog, and compared with what was there before.

Each batch of accounts is one transaction, in the order in which the accounts are found: whatever ends a scan, what it
did is kept, the next scan goes on, and the catalog is the same as without the interruption, whoever did the work.
Accounts are discovered as the scan goes on; or on the hosts of a cluster, each in roots of its own.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, permutations
from time import time
from typing import Final, NamedTuple

from backupmeta import __version__, rules
from backupmeta.account import places
from backupmeta.account.home import beginning_in, folder_name
from backupmeta.account.places import FoundHome
from backupmeta.account.roots import Root, apart
from backupmeta.archive.identification import Beginning
from backupmeta.archive.limits import Limits
from backupmeta.catalog import deep_scan, integrity, schema
from backupmeta.catalog.batch import UNSURE, Batch, Known, Outcome, Scanned, Scanning, Task
from backupmeta.catalog.database import Catalog, is_as_noted, locked, note, put_aside, require
from backupmeta.catalog.integrity import OWN, Damaged
from backupmeta.catalog.progress import ScanResult
from backupmeta.catalog.remembered import Memory, Remembered
from backupmeta.catalog.rows import Cell, FindingRow, finding_row
from backupmeta.catalog.schema import ACCOUNTS, MEMORIES, SCANS
from backupmeta.catalog.writer import Writer
from backupmeta.errors import DamagedCatalogError, EvidenceError, LimitExceededError, UnreadableError
from backupmeta.evidence import Folder, is_folder, open_folder, status_of
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, display
from backupmeta.search import Search
from backupmeta.work.orders import HERE, Watch, Work, Workers, results, unwatched

_AT: Final = "host = ? AND path = ? AND ifnull(path_bytes, x'') = ?"
_NUMBER: Final = f"SELECT account FROM accounts WHERE {_AT}"
_KNOWN: Final = f"""
SELECT account, status, {", ".join(Known._fields)} FROM accounts JOIN memories USING (account) WHERE {_AT}
"""
_SEEN: Final = "UPDATE accounts SET root = ?, status = ?, last_scan = ? WHERE account = ?"
_REMEMBER: Final = schema.insertion(MEMORIES, ("account", *Known._fields), "INSERT OR REPLACE")
_BELOW: Final = "host = ? AND status <> 'vanished' AND (path = ? OR substr(path, 1, ?) = ?)"
_GONE: Final = f"SELECT account, path, path_bytes, seen FROM accounts WHERE {_BELOW} AND last_scan < ?"
_BATCH: Final = 8
"""How many accounts a batch has."""
_NEXT_SCAN: Final = """
SELECT 1 + max((SELECT ifnull(max(scan), 0) FROM scans), (SELECT ifnull(max(last_scan), 0) FROM accounts))
"""  # a scan's row may be lost

Tell = Callable[[ScanResult], object]
"""Called with the state of a scan, after each batch."""


# --- a scan -----------------------------------------------------------------------------------------------------------


def scan(
    path: str,
    search: Search,
    *,
    deep: bool = False,
    member_digest: str | None = None,
    now: int | None = None,
    result: ScanResult | None = None,
    tell: Tell = unwatched,
    workers: Workers = HERE,
) -> ScanResult:
    """Scan what ``search`` names into the catalog at ``path``, and return what came out.

    Args:
        path: the catalog; it is made where there is none.
        search: where to look, and how.
        deep: read archives to their ends, and verify them; else only their heads.
        member_digest: of archives that are read to their ends, keep the members with this digest: one of
            `backupmeta.archive.digests.ALGORITHMS`; None keeps none.
        now: the moment of judging, Unix seconds; None for when the scan began.
        result: where to count what comes out, while it does.
        tell: called after each batch.
        workers: who does the work.

    Raises:
        UnreadableError: the sysroot is no folder.
        CatalogError: ``path`` is no catalog, another scan writes to it, or its disk is full; what was done is kept.
    """
    with suppress(DamagedCatalogError):  # it is made anew
        require(path)
    result = result or ScanResult()
    with locked(path) as lock:
        is_whole = os.path.lexists(path) and is_as_noted(path, lock)
        damaged = Damaged(path, result.altered) if is_whole else _damaged(path, result)
        with Catalog.written(path) as catalog:
            running = _Scan(catalog, search, result, damaged)
            running.look(tell, workers)
            if deep:
                running.walk(now, member_digest, tell, workers)
            running.finished()
            result.altered += damaged.rest(catalog.connection)
        if not damaged:
            note(path, lock)
    return result


def _damaged(path: str, result: ScanResult) -> Damaged:
    """Return what was altered of the catalog at ``path``; one whose structure is damaged is put aside."""
    try:
        with Catalog.written(path) as catalog, catalog.transaction():
            return integrity.damaged(catalog.connection, path, result.altered)
    except DamagedCatalogError as error:
        aside = put_aside(path)
        detail = f"it {error.reason}; it is {display(aside)} now, and what only it knew is there alone"
        result.altered.append(Finding(rules.CATALOG_ALTERED, display(path), detail))
        return Damaged(path, result.altered)


def _has_nested(search: Search) -> bool:
    """Return whether accounts may be found twice: one of the roots, or the home that it lies in, lies in another."""
    names = [os.path.realpath(root.name) for root in search.places()]
    homes = [os.path.dirname(name) if places.has_records_above(name) else name for name in names]
    tops = [os.path.join(home, "") for home in homes]
    return any(inner.startswith(outer) for inner, outer in permutations(tops, 2))


class _Scan:
    """One scan: a new one, or the last one where that was interrupted and had the same roots."""

    def __init__(self, catalog: Catalog, search: Search, result: ScanResult, damaged: Damaged) -> None:
        self._catalog = catalog
        self._connection = catalog.connection
        self._search = search
        self._result = result
        self._findings: list[Finding] = []
        self._met: list[tuple[str, str]] = []
        self._real_paths: set[tuple[str, str]] = set()
        self._names = frozenset(root.name for root in search.places())
        self._has_nested = _has_nested(search)
        self._read: list[tuple[str, str]] = []
        self._is_resumed = False
        with catalog.transaction():
            self._number, self._first_file, self._began = self._begun()
            self._writer = Writer(self._connection, self._number, result, damaged)
            self._seal_own()
        self._accounts = Accounts(catalog, self._number, self._writer, result, damaged)

    def look(self, tell: Tell, workers: Workers) -> None:
        """Scan all accounts, then write what is gone."""
        work = Scanning(self._search.limits, self._search.zone)
        for tasks, result in results(self._batches(workers), work, workers):
            with self._catalog.transaction():
                self._accounts.take(tasks, result.accounts, result.shared)
            tell(self._result)
        with self._catalog.transaction():
            self._settle_gone()

    def walk(self, now: int | None, algorithm: str | None, tell: Tell, workers: Workers) -> None:
        """Walk all archives that no scan has walked yet, judge them as of ``now``, keep members by ``algorithm``."""
        moment = self._began if now is None else now
        work = deep_scan.Walking(self._search.limits, self._search.zone, moment, algorithm)
        portions = deep_scan.portions(self._catalog, self._search, self._number, algorithm)
        for portion, part in results(portions, work, workers):
            with self._catalog.transaction():
                deep_scan.take(portion, part, algorithm, self._writer, self._result)
            tell(self._result)

    def finished(self) -> None:
        """Write that the scan has ended."""
        unread = json.dumps([display(name) for name in self._result.unread], ensure_ascii=False)
        with self._catalog.transaction():
            self._connection.execute(
                "UPDATE scans SET ended = ?, unread = ? WHERE scan = ?", (int(time()), unread, self._number)
            )
            self._seal_own()

    def _seal_own(self) -> None:
        self._writer.seals.change(OWN)
        self._writer.seals.write()

    def _begun(self) -> tuple[int, int, int]:
        """Return the scan's number, that of the first file that it may meet first, and when it began."""
        asked = (*self._search.roots, *([] if self._search.sysroot is None else [self._search.sysroot]))
        roots = json.dumps([display(os.path.abspath(root)) for root in asked], ensure_ascii=False)
        last = self._connection.execute(
            "SELECT scan, first_file, began, roots, ended FROM scans ORDER BY scan DESC LIMIT 1"
        ).fetchone()
        if last is not None:
            number, first_file, began, last_roots, ended = last
            if (last_roots, ended) == (roots, None):
                self._is_resumed = True
                return number, first_file, began
        number = int(self._connection.execute(_NEXT_SCAN).fetchone()[0])
        first_file = int(self._connection.execute("SELECT ifnull(max(file), 0) + 1 FROM all_files").fetchone()[0])
        now = int(time())
        row = {"scan": number, "roots": roots, "version": __version__, "began": now, "first_file": first_file}
        self._connection.execute(schema.insertion(SCANS, tuple(row)), tuple(row.values()))
        return number, first_file, now

    def _batches(self, workers: Workers) -> Iterator[Batch]:
        for host, root, accounts in self._roots(workers):
            tasks = self._tasks(host, root, accounts)
            while batch := tuple(islice(tasks, _BATCH)):
                yield batch

    def _roots(self, workers: Workers) -> Iterator[tuple[str, str, Iterator[FoundHome]]]:
        """Yield each root with its host and its accounts; taking the last of these may raise an error."""
        if workers.hosts == HERE.hosts:
            for root in apart(self._search.places()):
                yield (
                    "",
                    root.name,
                    places.find_homes(root, self._search.limits, self._findings, self._accounts.beginning),
                )
            return
        for host, roots in results(workers.hosts, Discovering(self._search), workers):
            for below in roots:
                yield host, below.root, below.accounts(self._findings)

    def _tasks(self, host: str, root: str, accounts: Iterator[FoundHome]) -> Iterator[Task]:
        self._met.append((host, root))
        count = 0
        try:
            for account in accounts:
                count += 1
                if not self._is_met(host, account):
                    yield Task(account, self._accounts.known(account, host), root, host)
        except EvidenceError as error:
            self._refuse(host, root, error.reason)
            return
        if not count and self._accounts.has_any(host, root, self._names):
            self._refuse(host, root, "has nothing in it, and had accounts before; is it mounted?")
            return
        self._read.append((host, root))

    def _is_met(self, host: str, account: FoundHome) -> bool:
        """Return whether an account was found already; this is remembered only where a root lies in another."""
        if not self._has_nested:
            return False
        real = (host, account.path if host else os.path.realpath(account.path))
        is_met = real in self._real_paths
        self._real_paths.add(real)
        return is_met

    def _refuse(self, host: str, root: str, reason: str) -> None:
        name = f"{host}:{root}" if host else root
        self._result.unread[name] = reason
        self._findings.append(Finding(rules.FOLDER_UNREADABLE, name, reason, (Source(Witness.FILE_SYSTEM, root),)))

    def _settle_gone(self) -> None:
        """Write what is gone, what was moved, and what was odd on the way."""
        blind = {display(source.path) for finding in self._findings if finding.is_unread for source in finding.evidence}
        for host, root in self._read:
            self._accounts.vanish(host, root, blind)
        if self._is_resumed or any(change == "vanished" for _, change in self._result.changes):
            self._writer.mark_moves(self._first_file)
        self._writer.note(map(finding_row, self._findings), [root for _, root in self._met])
        for finding in self._findings:
            if finding.is_unread:
                self._result.unread.setdefault(finding.subject, finding.detail)


# --- its accounts -----------------------------------------------------------------------------------------------------


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
            return beginning_in(folder, name, limits)
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

    def take(self, tasks: Collection[Task], outcomes: Collection[Outcome], shared: Mapping[bytes, str]) -> None:
        """Write what came out of the ``tasks`` as what is there now."""
        self._writer.take_shared(shared)
        for task, outcome in zip(tasks, outcomes, strict=True):
            self._take(task, outcome)
        self._writer.flush()

    def _take(self, task: Task, outcome: Outcome) -> None:
        self._result.accounts += 1
        row = self._connection.execute(_NUMBER, _at(task.host, task.account.path)).fetchone()
        account = 0 if row is None else int(row[0])
        if isinstance(outcome, FindingRow):
            self._result.note_trouble(task.account.server_path, outcome.detail)
            if account in self._damaged:
                self._unread.add(account)  # what was altered stays, and is reported
                return
        status = "unreadable" if isinstance(outcome, FindingRow) else "present"
        if row is None:
            account = self._begin(task, status)
        else:
            self._damaged.take_away(self._connection, account)
            self._connection.execute(_SEEN, (display(task.root), status, self._scan, account))
            self._writer.seals.meet(account)
        if isinstance(outcome, FindingRow):
            self._writer.refuse(account, outcome)
        elif outcome is None:
            self._result.unchanged += 1
        else:
            self._settle(task, account, outcome, is_new=row is None)

    def _settle(self, task: Task, account: int, scanned: Scanned, *, is_new: bool) -> None:
        archives = [file.size for file in scanned.rows.files if file.kind == "archive"]
        self._result.archives += len(archives)
        self._result.bytes += sum(archives)
        if scanned.trouble:
            self._result.note_trouble(task.account.server_path, scanned.trouble)
        self._writer.settle(account, scanned.rows, is_new=is_new)
        self._connection.execute(_REMEMBER, (account, *scanned.known))

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
        self._writer.seals.change(self._last)
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


# --- hosts of a cluster -----------------------------------------------------------------------------------------------


class Below(NamedTuple):
    """What lies below a root.

    Attributes:
        root: the root's path.
        homes: the accounts.
        findings: what was odd on the way to them.
        reason: why it could not be read to its end; empty where it could.
    """

    root: str
    homes: tuple[FoundHome, ...]
    findings: tuple[Finding, ...]
    reason: str

    def accounts(self, findings: list[Finding]) -> Iterator[FoundHome]:
        """Yield the accounts; append what was odd to ``findings``. Raises `UnreadableError` after the last one."""
        yield from self.homes
        findings += self.findings
        if self.reason:
            raise UnreadableError(self.root, self.reason)


@dataclass(frozen=True)
class Discovering(Work[str, list[Below]]):
    """Looking for accounts on a host, wherever ``search`` says."""

    search: Search

    def do(self, _order: str, _watch: Watch) -> Iterator[list[Below]]:
        """Yield what lies below each root."""
        yield [self._below(root) for root in apart(self.search.places())]

    def _below(self, root: Root) -> Below:
        accounts, findings, reason = list[FoundHome](), list[Finding](), ""
        try:
            accounts.extend(places.find_homes(root, self.search.limits, findings))
        except EvidenceError as error:
            reason = error.reason
        return Below(root.name, tuple(accounts), tuple(findings), reason)

    def given_up(self, order: str) -> Iterator[list[Below]]:
        """Yield that nothing could be discovered."""
        reason = f"the process that looked for accounts on {order} ended"
        yield [Below(root, (), (), reason) for root in self.search.roots or ("/",)]

    def host(self, order: str) -> str:
        """Return the host, which is all that is ordered."""
        return order
