"""Walking the archives of a catalog: those that no scan has read to their end are read, and verified."""

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from typing import Final, NamedTuple

from backupmeta.account.filename import is_archive_name
from backupmeta.account.home import Archive, FromDisk, Home, Pair, by_archive
from backupmeta.account.location import below_home, is_outside
from backupmeta.account.places import Found, Met
from backupmeta.archive.beginning import Beginning
from backupmeta.archive.head import Head
from backupmeta.archive.limits import Limits
from backupmeta.catalog import memory, store
from backupmeta.catalog.answers import below
from backupmeta.catalog.memory import Memory
from backupmeta.catalog.rows import Walked, finding_row
from backupmeta.catalog.tally import Tally
from backupmeta.catalog.writer import Writer
from backupmeta.checks.policy import DEFAULT
from backupmeta.checks.verdict import Verdict
from backupmeta.errors import EvidenceError, LimitExceededError
from backupmeta.evidence import Folder, Signature, join_seen
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from backupmeta.search import Search
from backupmeta.verification import case_of, verify_archive

_MOST_ARCHIVES: Final = 16
_MOST_BYTES: Final = 256 * 1024 * 1024
"""How many archives, of how many bytes, an order has; one archive may be larger."""
_MOST_ORDERS: Final = 16
"""How many orders an account has where it has very many archives: each of them reads the account's records."""


class Order(NamedTuple):
    """Archives of an account to walk, and how; see `backupmeta.catalog.crew.Order`.

    Attributes:
        found: the account.
        archives: the signatures of the archives, by their paths below the account's.
        limits: what a file may ask for.
        zone: the server's time zone, where it is known.
        now: the moment of judging, Unix seconds.
        host: the host that the account lies on; empty where everybody reaches it.
        unnamed: the paths of the account's archives whose names do not say so: no other file is opened to see that.
        is_over: whether these archives are not read, for the account asks for too much.
    """

    found: Found
    archives: Mapping[str, Signature]
    limits: Limits
    zone: tzinfo | None
    now: int
    host: str
    unnamed: frozenset[str] = frozenset()
    is_over: bool = False

    def do(self) -> list[Walked]:
        """Walk the archives. What is not as it was scanned has no outcome: the next scan will tell."""
        if self.is_over:
            error = LimitExceededError(self.found.path, "account_bytes", self.limits.account_bytes)
            return self._unread("limit-exceeded", error.reason)
        try:
            with (
                self.found.open() as folder,
                Met(folder, folder.entries(self.limits.folder_entries), self.found.as_server, self.found.is_home).home(
                    self.limits, _Knowing(folder.path, self.unnamed)
                ) as home,
            ):
                return [one for some in by_archive(home.pairs()).items() for one in self._walked(home, *some)]
        except EvidenceError:
            return []

    def parts(self) -> "list[Order]":
        """Return an order for each archive."""
        return [self._replace(archives={path: signature}) for path, signature in self.archives.items()]

    def joined(self, parts: Sequence[list[Walked]]) -> list[Walked]:
        """Return the outcomes of its ``parts`` as one."""
        return [one for part in parts for one in part]

    def given_up(self) -> list[Walked]:
        """Return that no process survives reading the archives."""
        return self._unread("archive-unreadable", "the process that read it ended")

    def _unread(self, id_: str, reason: str) -> list[Walked]:
        """Return why none of the archives was read."""
        found = {path: (Source(Witness.ARCHIVE, join_seen(self.found.seen, path)),) for path in self.archives}
        return [
            Walked(path, None, str(Verdict.UNREADABLE), None, (finding_row(Finding(id_, "", reason, where)),), False)  # noqa: FBT003
            for path, where in found.items()
        ]

    def _walked(self, home: Home, archive: Archive, pairs: Sequence[Pair]) -> Iterator[Walked]:
        """Yield what came out for an archive of some ``pairs``; nothing where it is not asked for, or not as it was."""
        if (path := _below(home, archive)) not in self.archives:
            return
        with suppress(EvidenceError), archive.open() as file:
            if file.signature != self.archives[path]:
                return
        outcome = verify_archive(case_of(home, archive, pairs, zone=self.zone, policy=DEFAULT, now=self.now))
        for pair, one in zip(pairs, outcome.each, strict=True):
            came = one.verification
            findings = tuple(finding_row(judged.finding) for judged in came.judged)
            yield Walked(path, pair.id, str(came.verdict), came.sha256, findings, one.is_final)


def _below(home: Home, archive: Archive) -> str:
    """Return the path of an archive from its home on; of one that is kept elsewhere, as the server saw both."""
    path = below(home.folder.path, archive)
    return below_home(home.folder.seen, archive.seen) if is_outside(path) else path


class _Knowing(FromDisk):
    """Reads what lies in a home from the disk; which files are archives is known."""

    def __init__(self, base: str, unnamed: frozenset[str]) -> None:
        self._base = base
        self._unnamed = unnamed

    def beginning(self, folder: Folder, name: str, limits: Limits) -> Beginning:  # noqa: ARG002 - as the protocol has it
        """Return that a file begins as a tar does, if it is known to, else that nothing is known of it."""
        return Beginning.TAR if below(self._base, Archive(name, folder)) in self._unnamed else Beginning.OTHER


def _unnamed(remembered: Memory) -> frozenset[str]:
    """Return the paths of an account's archives whose names do not say so."""
    return frozenset(
        path
        for path, one in remembered.files.items()
        if isinstance(one.found, Head | EvidenceError) and not is_archive_name(path.rpartition("/")[2])
    )


class Archives:
    """The archives of a catalog that no scan has read to their end."""

    def __init__(self, connection: sqlite3.Connection, search: Search, scan: int, now: int) -> None:
        """Look in ``connection`` for what the scan of this number met; ``now`` is the moment of judging."""
        self._connection = connection
        self._search = search
        self._scan = scan
        self._now = now
        self._given = deque[_Given]()

    def orders(self) -> Iterator[Order]:
        """Yield the orders to walk them, account by account."""
        last = 0
        while accounts := self._connection.execute(_ACCOUNTS, (last, self._scan)).fetchall():
            for last, host, path, path_bytes, content in accounts:
                try:
                    remembered = memory.from_bytes(content)
                except (
                    ValueError
                ):  # somebody has damaged the catalog; the account is read anew the next time it changes
                    continue
                found, unnamed = remembered.found(store.exact(path, path_bytes)), _unnamed(remembered)
                found = found._replace(server=self._search.server_root)
                for some, is_over in self._portions(last):
                    self._given.append(_Given(last, found.seen, {one.path: one.file for one in some}))
                    known = (one.path for one in some if one.path in remembered.files)
                    archives = {path: remembered.files[path].signature for path in known}
                    how = self._search.limits, self._search.zone, self._now
                    yield Order(found, archives, *how, host, unnamed, is_over)

    def _portions(self, account: int) -> Iterator[tuple[list["_Archive"], bool]]:
        """Yield the archives of an account, some at once, and whether they are more than may be read of it."""
        some, size, total = list[_Archive](), 0, 0
        rows = self._connection.execute(_UNWALKED, (account,)).fetchall()
        most, most_bytes = max(_MOST_ARCHIVES, -(-len(rows) // _MOST_ORDERS)), self._search.limits.account_bytes
        for file, path, path_bytes, length in rows:
            if some and (len(some) == most or size + length > _MOST_BYTES or (total <= most_bytes < total + length)):
                yield some, total > most_bytes
                some, size = [], 0
            some.append(_Archive(file, store.exact(path, path_bytes)))
            size, total = size + length, total + length
        if some:
            yield some, total > most_bytes

    def take(self, outcomes: list[Walked], writer: Writer, tally: Tally) -> None:
        """Write what came out of the oldest order, and count it."""
        account, seen, files = self._given.popleft()
        for one in outcomes:
            tally.walked += one.is_final
            if not one.is_final:
                tally.note_trouble(join_seen(seen, one.path), "can't be read to its end")
            writer.take_walked(account, files[one.path], one)
        writer.flush()


class _Archive(NamedTuple):
    file: int
    path: str


class _Given(NamedTuple):
    """An order that was given: the account, its path, and the numbers of its archives, by their paths."""

    account: int
    seen: str
    files: dict[str, int]


_ACCOUNTS: Final = """
SELECT account, host, path, path_bytes, content FROM accounts a JOIN memories USING (account)
WHERE account > ? AND last_scan = ? AND status = 'present' AND EXISTS (
  SELECT 1 FROM all_files f
  WHERE f.account = a.account AND f.until IS NULL AND f.kind = 'archive' AND f.walked IS NULL)
ORDER BY account LIMIT 100
"""
_UNWALKED: Final = """
SELECT file, path, path_bytes, size FROM all_files
WHERE account = ? AND until IS NULL AND kind = 'archive' AND walked IS NULL ORDER BY file
"""
