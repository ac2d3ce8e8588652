"""What `backupmeta scan` costs: time, memory, size of the catalog; projected to fleets not made here.

    scripts/bench.py cost                 # 10,000 and 100,000 backups, about 1.5 GB of disk for a while
    scripts/bench.py cost 1000 5000       # these
    scripts/bench.py cost --jobs 1

Prints a table (Markdown): what was measured, then what follows from a straight line through the two measurements,
labelled projected. Memory is each process's own peak: of the scan itself, and of its largest worker.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from benchmarks import fleets

BACKUPS: Final = 20
"""How many backups each account has."""

MEASURED: Final = (10_000, 100_000)
PROJECTED: Final = (1_000_000, 100_000_000)
MIB: Final = 1024 * 1024

SCRIPT: Final = """
import atexit, json, resource, sys
from backupmeta.cli import main

def tell():
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps(peaks), file=sys.stderr)

atexit.register(tell)
main()
"""


class Cost(NamedTuple):
    """What scanning so many backups costs: seconds, of the first scan and of one more; peaks in KiB; bytes."""

    backups: float
    first: float
    again: float
    own_peak: float
    worker_peak: float
    catalog: float


def cost(backups: int, jobs: int) -> Cost:
    """Make a fleet with so many ``backups``, and measure."""
    with tempfile.TemporaryDirectory(prefix="scan-cost-") as folder:
        root, catalog = Path(folder) / "home", Path(folder) / "catalog.sqlite"
        fleets.write_fleet(root, backups // BACKUPS, BACKUPS)
        os.sync()  # what is still being written would disturb
        first, peaks = scanned(root, catalog, jobs)
        again, _ = scanned(root, catalog, jobs)
        return Cost(backups, first, again, *peaks, catalog.stat().st_size)


def scanned(root: Path, catalog: Path, jobs: int) -> tuple[float, tuple[float, float]]:
    """Return the seconds that a scan took, and the peaks of its processes."""
    arguments = ["scan", str(root), "-o", str(catalog), "--jobs", str(jobs)]
    began = perf_counter()
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True)
    seconds = perf_counter() - began
    own, worker = json.loads(done.stderr.splitlines()[-1])
    return seconds, (own, worker)


def projected(few: Cost, many: Cost, backups: int) -> Cost:
    """Return the point for so many ``backups`` on the line through two measurements."""
    share = (backups - few.backups) / (many.backups - few.backups)
    return Cost(*(fewer + (more - fewer) * share for fewer, more in zip(few, many, strict=True)))


def rows(costs: list[Cost]) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| backups | | first scan | a second | again | peak, scan | peak, worker | catalog | a backup |"
    yield "|--:|---|--:|--:|--:|--:|--:|--:|--:|"
    yield from (row(cost, "measured") for cost in costs)
    yield from (row(projected(costs[0], costs[-1], backups), "projected") for backups in PROJECTED)


def row(cost: Cost, how: str) -> str:
    """Return a line of the table."""
    cells = [
        f"{cost.backups:,.0f}",
        how,
        duration(cost.first),
        f"{cost.backups / cost.first:,.0f}",
        duration(cost.again),
        f"{cost.own_peak / 1024:,.0f} MiB",
        f"{cost.worker_peak / 1024:,.0f} MiB",
        f"{cost.catalog / MIB:,.0f} MiB",
        f"{cost.catalog / cost.backups:,.0f} bytes",
    ]
    return "| " + " | ".join(cells) + " |"


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 2 * 60:
        return f"{seconds:,.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 2 * 60 * 60 else f"{seconds / 3600:,.1f} h"


def main(arguments: list[str]) -> int:
    """Parse, measure, print; return the exit code."""
    parser = argparse.ArgumentParser("bench.py cost", description="Measures what a scan costs, and projects it.")
    parser.add_argument("backups", nargs="*", type=int, help="how many backups to measure with (default: 10^4, 10^5)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes (default: all cores)")
    options = parser.parse_args(arguments)
    costs = [cost(backups, options.jobs) for backups in sorted(options.backups or MEASURED)]
    print(f"{options.jobs} processes", "", *rows(costs), sep="\n")
    return 0
