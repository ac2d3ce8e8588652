"""Listing backups as texts, by one process or several: a process goes on where it listed last."""

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Final, NamedTuple

from backupmeta import library
from backupmeta.backup.inspection import Inspection
from backupmeta.findings import Finding
from backupmeta.search import Search
from backupmeta.work.orders import Watch, Work, Workers, results

BLOCK: Final = 64
"""How many backups are listed by one order."""

_LONG: Final = 16 * 1024
"""From how many characters on a text does not wait for others."""


class Block(NamedTuple):
    """Some backups of a list.

    Attributes:
        first: the number of the first one, from 0.
        stop: the number after that of the last one.
        is_read: whether their archives are read; else they are only named.
    """

    first: int
    stop: int
    is_read: bool = True


class Passed(NamedTuple):
    """What comes after the texts of a block.

    Attributes:
        findings: what could not be read up to here, since the last block of the same process.
        is_last: whether there are no more backups.
    """

    findings: tuple[Finding, ...]
    is_last: bool


class BackupListing(Work[Block, str | Passed]):
    """Listing backups as texts. A process goes on from the block that it listed last."""

    def __init__(self, search: Search, text: Callable[[Inspection, list[Finding]], str]) -> None:
        """List what ``search`` finds; ``text`` returns that of a backup, and may append to the findings."""
        self._search = search
        self._text = text
        self._findings = list[Finding]()
        self._begin()

    def do(self, order: Block, _watch: Watch) -> Iterator[str | Passed]:
        """Yield the texts of a block, many at once, and then what else there is to say."""
        if order.first < self._next:
            self._begin()
        texts = list[str]()
        for home, pair in islice(self._backups, order.stop - self._next):
            self._next += 1
            if self._next <= order.first:
                continue
            if order.is_read:
                inspections = library.inspected(home, pair, self._search, self._findings)
                texts.extend(self._text(inspection, self._findings) for inspection in inspections)
            else:
                self._findings.append(
                    library.given_up(pair.archive.server_path if pair.archive else home.folder.server_path)
                )
            if texts and len(texts[-1]) > _LONG:
                yield "".join(texts)
                texts.clear()
        yield "".join(texts)
        yield Passed(tuple(self._findings), is_last=self._next < order.stop)
        self._findings.clear()

    def divided(self, order: Block) -> list[Block]:
        """Return a block for each backup; of a single one, that it is only named."""
        if order.stop - order.first > 1:
            return [Block(number, number + 1) for number in range(order.first, order.stop)]
        return [order._replace(is_read=False)] if order.is_read else []

    def given_up(self, order: Block) -> Iterator[Passed]:
        """Yield that nothing can be listed from a backup on."""
        yield Passed((library.given_up(f"backup {order.first + 1} of the list, and all after it"),), is_last=True)

    def _begin(self) -> None:
        self._next = 0
        self._backups = library.each_backup(self._search, self._findings)


def listed(
    search: Search, text: Callable[[Inspection, list[Finding]], str], findings: list[Finding], workers: Workers
) -> Iterator[str]:
    """Yield the texts of `backupmeta.library.list_backups`, many at once, which the ``workers`` make.

    What can't be read is appended to ``findings``; of a home with many backups more than once.
    """
    blocks = (Block(number, number + BLOCK) for number in count(step=BLOCK))
    for _, part in results(blocks, BackupListing(search, text), workers):
        if isinstance(part, str):
            yield part
            continue
        findings.extend(part.findings)
        if part.is_last:
            return
