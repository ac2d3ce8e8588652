"""What scanning a fleet costs, against a shell loop, against scanning it again, against one process. For `bench.py`."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks import fleets
from benchmarks.contest import Contest, Process, Task, executable
from benchmarks.floor import Floor

BACKUPS: Final = 20
"""How many backups each account has."""

ACCOUNTS: Final = 1_000
SHELL_LOOP: Final = 'for f in */application_backups/*.tar.gz; do tar -xzOf "$f" --occurrence=1 APP-META.INI; done'
ENDINGS: Final = ("", "-wal", "-shm", "-scan")


@dataclass(frozen=True)
class Scan:
    """A scan of a fleet as a whole process; callable. A first one takes its catalog away before."""

    fleet: Path
    catalog: Path
    backups: int
    options: tuple[str, ...] = ()
    is_first: bool = True

    def __call__(self) -> None:
        """Run it; stop where not all is in the catalog: its time would mean nothing."""
        if self.is_first:
            for ending in ENDINGS:
                Path(f"{self.catalog}{ending}").unlink(missing_ok=True)
        command = (executable(), "scan", str(self.fleet), "-o", str(self.catalog), *self.options)
        Process(command, self.fleet)()
        if (scanned := last_backup(self.catalog)) != self.backups:
            raise SystemExit(f"bench: {self.catalog} has {scanned:,} backups of {self.backups:,}")

    def again(self) -> "Scan":
        """Return the next scan into the same catalog; nothing changed since."""
        return replace(self, is_first=False)


def scan_contests(folder: Path, _archive: Path | None, accounts: int = ACCOUNTS) -> list[Contest]:
    """Make a fleet of ``accounts`` in ``folder``; return what to measure with it."""
    fleet, backups = folder / "home", accounts * BACKUPS
    fleets.write_fleet(fleet, accounts, BACKUPS)
    os.sync()  # what is still being written would disturb
    single = Scan(fleet, folder / "one.sqlite", backups, ("--jobs", "1"))
    double = Scan(fleet, folder / "two.sqlite", backups, ("--jobs", "2"))
    all_cores = Scan(fleet, folder / "most.sqlite", backups)
    first = Task("the first scan, --jobs 1", single)
    floor = Task("its floor: the same opens, reads, inflates, inserts", Floor(fleet, single.catalog, folder / "floor"))
    loop = Task("a shell loop of tar, one archive each", Process(("sh", "-c", SHELL_LOOP), fleet))
    words = f"scan of {backups:,} backups"
    return [
        Contest(f"{words}, --jobs 1", first, floor, 2.0),
        Contest(f"{words}, --jobs 1", first, loop, 1 / 20),
        Contest(f"{words}, --jobs 2", Task("scan --jobs 2", double), first, 1 / 1.7),
        Contest(f"{words} again, --jobs 1", Task("scan --jobs 1 again", single.again()), first, 1 / 10),
        Contest(f"{words} again", Task("scan again", all_cores.again()), Task("the first scan", all_cores), 1 / 10),
    ]


def last_backup(catalog: Path) -> int:
    """Return the number of the last backup that was put into a catalog."""
    with closing(sqlite3.connect(catalog)) as connection:
        return int(connection.execute("SELECT ifnull(max(backup), 0) FROM all_backups").fetchone()[0])
