"""Walking the archives of a catalog: those that no scan has read to their end are read, and verified."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from backupmeta.work.orders import Watch, Work

_MOST_ARCHIVES: Final = 16
_MOST_BYTES: Final = 256 * 1024 * 1024
"""How many archives, of how many bytes, an order has; one archive may be larger."""
_MOST_ORDERS: Final = 16
"""How many orders an account has where it has very many archives: each of them reads the account's records."""


class Portion(NamedTuple):
    """Archives of an account to walk.

    Attributes:
        account: the account's number in the catalog.
        found: where the account is.
        archives: the signatures of the archives, by their paths below the account's.
        files: the archives' numbers in the catalog, by the same paths.
        host: the host that the account lies on; empty where everybody reaches it.
        unnamed: the paths of the account's archives whose names do not say so: no other file is opened to see that.
        is_over: whether these archives are not read, for the account asks for too much.
    """

    account: int
    found: Found
    archives: Mapping[str, Signature]
    files: Mapping[str, int]
    host: str
    unnamed: frozenset[str] = frozenset()
    is_over: bool = False

    def unread(self, id_: str, reason: str) -> list[Walked]:
        """Return why none of the archives was read."""
        evidence = {path: (Source(Witness.ARCHIVE, join_seen(self.found.seen, path)),) for path in self.archives}
        return [
            Walked(path, None, str(Verdict.UNREADABLE), None, (finding_row(Finding(id_, "", reason, where)),), False)  # noqa: FBT003
            for path, where in evidence.items()
        ]


@dataclass(frozen=True)
class Walking(Work[Portion, list[Walked]]):
    """Reading archives to their ends.

    Attributes:
        limits: what a file may ask for.
        zone: the server's time zone, where it is known.
        now: the moment of judging, Unix seconds.
    """

    limits: Limits
    zone: tzinfo | None
    now: int

    def do(self, order: Portion, watch: Watch) -> Iterator[list[Walked]]:
        """Walk the archives. What is not as it was scanned has no outcome: the next scan will tell."""
        if order.is_over:
            error = LimitExceededError(order.found.path, "account_bytes", self.limits.account_bytes)
            yield order.unread("limit-exceeded", error.reason)
            return
        found = order.found
        try:
            with (
                found.open() as folder,
                Met(folder, folder.entries(self.limits.folder_entries), found.as_server, found.is_home).home(
                    self.limits, _Knowing(folder.path, order.unnamed)
                ) as home,
            ):
                shared = by_archive(home.pairs()).items()
                yield [walked for some in shared for walked in self._walked(order, home, *some, watch=watch)]
        except EvidenceError:
            yield []

    def divided(self, order: Portion) -> list[Portion]:
        """Return an order for each archive."""
        if len(order.archives) == 1:
            return []
        return [order._replace(archives={path: signature}) for path, signature in order.archives.items()]

    def given_up(self, order: Portion) -> Iterator[list[Walked]]:
        """Yield that no process survives reading the archives."""
        yield order.unread("archive-unreadable", "the process that read it ended")

    def host(self, order: Portion) -> str:
        """Return the host that the account lies on."""
        return order.host

    def _walked(
        self, order: Portion, home: Home, archive: Archive, pairs: Sequence[Pair], *, watch: Watch
    ) -> Iterator[Walked]:
        """Yield what came out for an archive of some ``pairs``; nothing where it is not asked for, or not as it was."""
        if (path := _below(home, archive)) not in order.archives:
            return
        with suppress(EvidenceError), archive.open() as file:
            if file.signature != order.archives[path]:
                return
        outcome = verify_archive(case_of(home, archive, pairs, zone=self.zone, policy=DEFAULT, now=self.now), watch)
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
    """The archives of a catalog that no scan has read to their end.

    Attributes:
        work: what is to be done with each order.
    """

    def __init__(self, connection: sqlite3.Connection, search: Search, scan: int, now: int) -> None:
        """Look in ``connection`` for what the scan of this number met; ``now`` is the moment of judging."""
        self._connection = connection
        self._search = search
        self._scan = scan
        self.work = Walking(search.limits, search.zone, now)

    def orders(self) -> Iterator[Portion]:
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
                    files = {one.path: one.file for one in some}
                    archives = {path: remembered.files[path].signature for path in files if path in remembered.files}
                    yield Portion(last, found, archives, files, host, unnamed, is_over)

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

    def take(self, portion: Portion, outcomes: list[Walked], writer: Writer, tally: Tally) -> None:
        """Write what came out of an order, and count it."""
        for one in outcomes:
            tally.walked += one.is_final
            if not one.is_final:
                tally.note_trouble(join_seen(portion.found.seen, one.path), "can't be read to its end")
            writer.take_walked(portion.account, portion.files[one.path], one)
        writer.flush()


class _Archive(NamedTuple):
    file: int
    path: str


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
