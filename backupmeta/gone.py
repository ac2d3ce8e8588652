"""Installs that are gone: no record in ``.appdata/current`` is theirs, and only their backups tell of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from backupmeta import rules
from backupmeta.account.home import Home, Pair
from backupmeta.backup.inspection import Inspection
from backupmeta.findings import Finding
from backupmeta.library import inspected
from backupmeta.search import EVERYWHERE, Search


@dataclass(frozen=True, slots=True)
class GoneInstall:
    """An install that is gone: none of its account's records in ``.appdata/current`` is its own; what its backups tell.

    Attributes:
        id: its id.
        account: the path of its account on this machine.
        newest: the newest of its backups.
        archive: the path of that one's archive on this machine; None where it is not there.
        backups: how many there are.
        first_backup_time: when the oldest of them was made, Unix seconds; None where no record tells any's time.
        last_backup_time: when the newest one was.
    """

    id: str
    account: str
    newest: Inspection
    archive: str | None
    backups: int
    first_backup_time: int | None
    last_backup_time: int | None

    @property
    def last_backup(self) -> str:
        """The id of the newest backup; empty where there is none."""
        return self.newest.text("id")


class _Orphan(NamedTuple):
    """A backup whose install is gone, by what the newest one is told: its time, its id, its archive or record."""

    time: int
    id: str
    path: str
    pair: Pair


def list_gone_installs(search: Search = EVERYWHERE, findings: list[Finding] | None = None) -> Iterator[GoneInstall]:
    """Yield the installs that are gone, but have backups, home by home, by id. As `list_backups` otherwise."""
    notes: list[Finding] = [] if findings is None else findings
    for home in search.homes(notes):
        gone = dict[str, list[_Orphan]]()
        for pair in home.pairs() if home.live is not None else ():
            for backup in inspected(home, pair, search, notes):
                if any(finding.rule == rules.BACKUP_ORPHANED for finding in backup.findings):
                    orphan = _Orphan(_made(backup), backup.text("id"), pair.server_path, pair)
                    gone.setdefault(backup.text("backup_install"), []).append(orphan)
        for id_ in sorted(gone):
            yield from _gone(home, id_, gone[id_], search)
        notes.extend(home.findings)


def _gone(home: Home, id_: str, orphans: Sequence[_Orphan], search: Search) -> Iterator[GoneInstall]:
    """Yield an install of ``home`` that is gone, by its backups."""
    pair = max(orphans, key=itemgetter(0, 1, 2)).pair
    times = [orphan.time for orphan in orphans if orphan.time >= 0]
    for newest in inspected(home, pair, search, []):
        archive = pair.archive and pair.archive.place.path
        yield GoneInstall(
            id_,
            home.folder.path,
            newest,
            archive,
            len(orphans),
            min(times, default=None),
            max(times, default=None),
        )


def _made(backup: Inspection) -> int:
    """Return when a backup was made, Unix seconds; -1 where no record tells."""
    return int(backup.text("backup_time") or -1)
