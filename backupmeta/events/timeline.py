"""`timeline`: everything that happened in any number of accounts, in order, each event with its witness."""

from collections.abc import Iterator
from typing import Final

from backupmeta.account.filename import unreadable
from backupmeta.errors import EvidenceError, told_of
from backupmeta.events.account import events
from backupmeta.events.archive import Depth
from backupmeta.events.event import Event
from backupmeta.events.spool import Spool
from backupmeta.findings import Finding
from backupmeta.search import EVERYWHERE, Search

MEMBERS: Final = 10_000
"""How many members of an archive make an event of their own by default: more than a usual site has."""


def timeline(
    search: Search = EVERYWHERE,
    *,
    deep: bool = False,
    members: int = MEMBERS,
    findings: list[Finding] | None = None,
) -> Iterator[Event]:
    """Yield what happened, by time; of one time by kind, then by account.

    Args:
        search: where to look; its ``zone`` tells the clock by which archives were named.
        deep: read archives to their ends, for the times of their members; else only their heads.
        members: how many members of each archive make an event of their own, the newest ones.
        findings: what can't be read is appended to it, and the rest goes on.

    Raises:
        UnreadableError: a root can't be read.
        TemporaryFileError: there is no room for temporary files.
    """
    met: list[Finding] = [] if findings is None else findings
    with Spool() as spool:
        for home in search.homes(met):
            try:
                with told_of(home.folder.path):
                    spool.take(events(home, search, Depth(deep, members), met))
            except EvidenceError as error:
                met.append(unreadable(home.folder.seen, error))
            met.extend(home.findings)
        yield from spool
