"""Listing backups as texts, by one process or several: each reads the homes that it lists, and no others."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from backupmeta import library, rules
from backupmeta.account.home import Home, Pair
from backupmeta.account.places import OpenedHome
from backupmeta.backup.inspection import Inspection
from backupmeta.findings import Finding
from backupmeta.provenance import on_disk
from backupmeta.search import Search
from backupmeta.work.orders import Watch, Work, Workers, results

BLOCK: Final = 64
"""How many backups of a home are listed by one order."""

_LONG: Final = 16 * 1024
"""From how many characters on a text does not wait for others."""


class Block(NamedTuple):
    """Some backups of a home.

    Attributes:
        home: the path of the home on this machine.
        path: its path, as the server saw it.
        first: the number of the first backup, from 0.
        stop: the number after that of the last one.
        has_rest: whether those that may come after it belong to the block, too.
        is_read: whether their archives are read; else they are only named.
    """

    home: str
    path: str
    first: int
    stop: int
    has_rest: bool
    is_read: bool = True


Part: TypeAlias = str | tuple[Finding, ...]
"""Texts of a block, or what could not be read up to here, since the last block of the same process."""


class BackupListing(Work[Block, Part]):
    """Listing backups as texts. A process goes on from the home that it read last."""

    def __init__(self, search: Search, text: Callable[[Inspection, list[Finding]], str]) -> None:
        """List what ``search`` finds; ``text`` returns that of a backup, and may append to the findings."""
        self._search = search
        self._text = text
        self._findings = list[Finding]()
        self._unread: Iterator[OpenedHome | Home] = iter(())
        self._read: Iterator[Home] = iter(())
        self._path: str | None = None
        self._home: Home | None = None
        self._pairs = list[Pair]()
        self._noted = 0

    def do(self, order: Block, _watch: Watch) -> Iterator[Part]:
        """Yield the texts of a block, many at once, and then what else there is to say."""
        texts = list[str]()
        for home, pair in self._backups(order):
            if order.is_read:
                inspections = library.inspected(home, pair, self._search, self._findings)
                texts.extend(self._text(inspection, self._findings) for inspection in inspections)
            else:
                self._findings.append(library.given_up(pair.archive.server_path if pair.archive else order.path))
            if texts and len(texts[-1]) > _LONG:
                yield "".join(texts)
                texts.clear()
        yield "".join(texts)
        if self._home is not None:
            self._findings.extend(self._home.findings[self._noted :])
            self._noted = len(self._home.findings)
        if self._findings:
            yield tuple(self._findings)
            self._findings.clear()

    def divided(self, order: Block) -> list[Block]:
        """Return a block for each backup, and one for the rest; of a single one, that it is only named."""
        if order.stop - order.first > 1:
            singles = [order._replace(first=n, stop=n + 1, has_rest=False) for n in range(order.first, order.stop)]
            return [*singles, order._replace(first=order.stop)] if order.has_rest else singles
        return [order._replace(is_read=False)] if order.is_read and order.stop > order.first else []

    def given_up(self, order: Block) -> Iterator[Part]:
        """Yield that a backup can't be listed, nor even named."""
        if order.stop > order.first:
            yield (library.given_up(f"{order.path}, backup {order.first + 1}"),)

    def _backups(self, order: Block) -> Iterator[tuple[Home, Pair]]:
        """Yield the backups of a block, each with its open home."""
        if order.home != self._path:
            self._open(order)
        if self._home is not None:
            for pair in self._pairs[order.first : None if order.has_rest else order.stop]:
                yield self._home, pair

    def _open(self, order: Block) -> None:
        """Read the home of a block, if it is still there; it is looked for from the last one on, and then once more."""
        self._path, self._home, self._pairs, self._noted, self._read = order.home, None, [], 0, iter(())
        opened = self._met(order.home)
        if opened is None:
            self._unread = self._search.unread([])  # who gives the orders notes what is odd about it
            opened = self._met(order.home)
        if opened is None:
            what = "it is not there any more"
            self._findings.append(Finding(rules.FOLDER_UNREADABLE, order.path, what, on_disk(order.path)))
            return
        self._read = self._search.read([opened], self._findings)
        self._home = next(self._read, None)
        if self._home is not None:
            self._pairs = self._home.pairs()

    def _met(self, path: str) -> OpenedHome | Home | None:
        """Return the next home at ``path``."""
        return next((opened for opened in self._unread if opened.folder.path == path), None)


def listed(
    search: Search, text: Callable[[Inspection, list[Finding]], str], findings: list[Finding], workers: Workers
) -> Iterator[str]:
    """Yield the texts of `backupmeta.library.list_backups`, many at once, which the ``workers`` make.

    What can't be read is appended to ``findings``; of a home with many backups more than once. Raises
    `UnreadableError` for a root.
    """
    for _, part in results(_blocks(search, findings), BackupListing(search, text), workers):
        if isinstance(part, str):
            yield part
        else:
            findings.extend(part)


def _blocks(search: Search, findings: list[Finding]) -> Iterator[Block]:
    """Yield the blocks of each home, by how many backups it has, about; its last one has all the rest."""
    for opened in search.unread(findings):
        size = opened.size(search.limits) if isinstance(opened, OpenedHome) else 1
        for first in range(0, max(size, 1), BLOCK):
            stop = min(first + BLOCK, max(size, 1))
            yield Block(opened.folder.path, opened.folder.server_path, first, stop, has_rest=stop >= size)
