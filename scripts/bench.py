#!/usr/bin/env python3
"""Measures backupmeta against its peers, both in one run, and holds the ratios to their bounds.

    scripts/bench.py head                        # the head of an archive, of 1 MB and of 2 GB
    scripts/bench.py head --archive app_….tar.gz # …and of this one
    scripts/bench.py list                        # listing 1,000 backups, and starting at all
    scripts/bench.py walk --archive app_….tar.gz # a full pass over this one, 50,000 small files, one of 2 GB
    scripts/bench.py verify --archive app_….tar.gz # every check on this one, and on 50 copies of it
    scripts/bench.py diff --archive app_….tar.gz # comparing this one with a changed copy; an install's history
    scripts/bench.py extract --archive app_….tar.gz # unpacking this one, in memory
    scripts/bench.py scan                        # 1,000 accounts with 20 backups each; takes some minutes
    scripts/bench.py all                         # all of these

    scripts/bench.py --against COMMIT            # this version's commands and those of another, taking turns
    scripts/bench.py list scan --against COMMIT  # these alone; of list, scan, rescan, view, verify, members

    scripts/bench.py doubling [SHAPE...]         # what twice as much of anything costs; takes some minutes
    scripts/bench.py cost [BACKUPS...]           # a scan's time, memory and catalog, projected to more
    scripts/bench.py members [INSTALLS]          # what keeping archives' members costs, and how fast they are found
    scripts/bench.py page [BACKUPS]              # the report's page in a browser

Prints a table (Markdown) with the medians of runs that take turns with the peer. Machines differ, so the ratio is what
counts: the time of ours divided by the peer's. Exit code 1 when a bound is missed. Needs isal, sh, GNU tar,
bsdtar, gzip and pigz, and 2.2 GB of free disk (TMPDIR says where); everything made is removed again.
"""

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import doubling, fleets, members, page, scan_cost, versions
from benchmarks.contest import Contest, Process, Result, Task, executable, measure
from benchmarks.diff import diff_contests
from benchmarks.extract import MEMORY, extract_contests
from benchmarks.scan import scan_contests
from benchmarks.verify import verify_contests
from benchmarks.walks import walk_contests
from isal import isal_zlib

from backupmeta import __version__
from backupmeta.archive.head import head as read_head
from backupmeta.errors import EvidenceError
from backupmeta.evidence import open_named

INTERRUPTED: Final = 130
LEAST_RUNS: Final = 7
HEADS_IN_A_RUN: Final = 20
BLOCK: Final = 64 * fleets.KIB
GIB: Final = 1024 * fleets.MIB
BIG_BYTES: Final = 2 * GIB
SPARE_BYTES: Final = GIB // 5
BACKUPS: Final = 1_000
GZIP_WINDOW: Final = 31
"""zlib's number for a gzip stream with a window of 32 KiB."""

SHELL_LOOP: Final = 'for f in *.tar.gz; do tar -xzOf "$f" --occurrence=1 APP-META.INI; done'


# --- the head of an archive -------------------------------------------------------------------------------------------


def head_contests(folder: Path, archive: Path | None) -> list[Contest]:
    """Make the archives in ``folder``; return what to measure with them, and with the ``archive`` that was given."""
    require_space(folder)
    small, big = folder / "small.tar.gz", folder / "big.tar.gz"
    fleets.megabyte_archive(small)
    fleets.big_archive(big, BIG_BYTES)
    os.sync()  # what is still being written would disturb
    of_small, of_big = head_contest("head, 1 MB archive", small), head_contest("head, 2 GB archive", big)
    of_size = Contest("head, 2 GB and 1 MB archive", of_big.ours, of_small.ours, 1.1)
    of_given = [head_contest("head, given archive", archive)] if archive else []
    return [of_small, of_big, of_size, *of_given]


def head_contest(what: str, archive: Path) -> Contest:
    """Return reading the head of ``archive`` against inflating its first block."""
    path = str(archive)

    def ours() -> bytes:
        with open_named(path) as file:
            return read_head(file).record

    def peer() -> bytes:
        descriptor = os.open(path, os.O_RDONLY)
        block = os.read(descriptor, BLOCK)
        os.close(descriptor)
        return isal_zlib.decompressobj(GZIP_WINDOW).decompress(block)

    if ours() not in peer():
        raise SystemExit(f"bench: {path}: the record that was read is not in the first block")
    words = "open, read 64 KiB, inflate them with isal"
    return Contest(what, Task(what, ours, HEADS_IN_A_RUN), Task(words, peer, HEADS_IN_A_RUN), 2.0)


def require_space(folder: Path) -> None:
    """Stop where the big archive doesn't fit."""
    free = shutil.disk_usage(folder).free
    if free < BIG_BYTES + SPARE_BYTES:
        raise SystemExit(
            f"bench: {folder} has {free / GIB:.1f} GiB free; 2.2 are needed: set TMPDIR to a roomier place"
        )


# --- whole processes --------------------------------------------------------------------------------------------------


def list_contests(folder: Path, _archive: Path | None) -> list[Contest]:
    """Make a thousand backups in ``folder``; return what to measure with them, and starting at all."""
    home, alone = folder / "exampleu", folder / "archives"
    fleets.account(home, BACKUPS)
    shutil.copytree(home / "application_backups", alone)
    loop = Process(("sh", "-c", SHELL_LOOP), alone)
    of_archives, of_home = (Process((executable(), "list", "--jsonl", str(root)), folder) for root in (alone, home))
    require_all(loop, b"backup-note=")
    for ours in (of_archives, of_home):
        require_all(ours, b'"backup_note":')
    peer = Task("a shell loop of tar, one archive each", loop)
    return [
        Contest("list --jsonl, folder of 1,000 archives", Task("list --jsonl", of_archives), peer, 0.1),
        Contest("list --jsonl, home with 1,000 backups", Task("list --jsonl", of_home), peer, 0.1),
        start_contest(folder),
    ]


def start_contest(folder: Path) -> Contest:
    """Return starting the command line against importing what it mostly consists of."""
    ours = Process((executable(), "--version"), folder)
    peer = Process((sys.executable, "-c", "import pydantic"), folder)
    return Contest("--version", Task("--version", ours), Task('python -c "import pydantic"', peer), 2.0)


def require_all(run: Process, sign: bytes) -> None:
    """Stop where ``run`` does not print every backup: its time would mean nothing."""
    if (printed := run.output().count(sign)) != BACKUPS:
        raise SystemExit(f"bench: {' '.join(run.command)} printed {printed:,} backups of {BACKUPS:,}")


# --- the command ------------------------------------------------------------------------------------------------------


class Event(NamedTuple):
    """Contests that are measured together; short ones take more turns, so that what else runs here hits both sides.

    Their files are made in ``place``, without one where temporary files are.
    """

    prepare: Callable[[Path, Path | None], list[Contest]]
    turns: int
    place: Path | None = None


EVENTS: Final = {
    "head": Event(head_contests, turns=10),
    "list": Event(list_contests, turns=1),
    "walk": Event(walk_contests, turns=1),
    "verify": Event(verify_contests, turns=1),
    "diff": Event(diff_contests, turns=1),
    "extract": Event(extract_contests, turns=3, place=MEMORY),
    "scan": Event(scan_contests, turns=1),
}
MEASUREMENTS: Final = {"doubling": doubling.main, "cost": scan_cost.main, "members": members.main, "page": page.main}
"""What has a peer in itself alone, arguments of its own, and prints as it goes."""


def rows(results: Iterable[Result]) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| what | time | peer | its time | ratio | at most | |"
    yield "|---|--:|---|--:|--:|--:|---|"
    for result in results:
        what, _, peer, bound = result.contest
        cells = [what, duration(result.ours), peer.words, duration(result.peer), ratio(result.ratio)]
        verdict = "" if bound is None else "ok" if result.is_within else "**MISSED**"
        yield "| " + " | ".join([*cells, "" if bound is None else f"{bound:.3g}", verdict]) + " |"


def duration(seconds: float) -> str:
    """Return a time in words."""
    return f"{seconds * 1e3:,.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.0f} µs"  # noqa: PLR2004 - a millisecond


def ratio(value: float) -> str:
    """Return a ratio in words."""
    return f"{value:.2f}" if value > 0.5 else f"{value:.3f} ({1 / value:.1f}x faster)"  # noqa: PLR2004 - half the time


def surroundings(runs: int) -> str:
    """Return when and on what it was measured."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{today} · backupmeta {__version__} · {python} · {machine} · medians of {runs} runs or more, taking turns"


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def outcome(what: str, archive: Path | None, runs: int) -> list[Result]:
    """Return what was measured, in a temporary folder."""
    event = EVENTS[what]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=event.place) as folder:
        return measure(event.prepare(Path(folder), archive), runs * event.turns)


def enough_runs(text: str) -> int:
    """Return the number of runs, if it is enough for a median to mean something."""
    runs = int(text)
    if runs < LEAST_RUNS:
        raise argparse.ArgumentTypeError(f"at least {LEAST_RUNS}")
    return runs


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return the options, with the names of all that is to be measured."""
    parser = argparse.ArgumentParser(description="Measures backupmeta against its peers; prints ratios.")
    parser.add_argument("what", nargs="*", help=f"of {', '.join([*EVENTS, 'all', *MEASUREMENTS])}")
    commands = ", ".join(versions.COMMANDS)
    parser.add_argument("--against", metavar="COMMIT", help=f"compare with the version at COMMIT, of {commands}")
    parser.add_argument("--archive", type=Path, metavar="PATH", help="measure this archive, too")
    parser.add_argument("--runs", type=enough_runs, default=9, metavar="N", help="runs of each (default: 9)")
    options = parser.parse_args(arguments)
    known = EVENTS if options.against is None else versions.COMMANDS
    if options.what == ["all"] or (options.against is not None and not options.what):
        options.what = list(known)
    if not options.what or (unknown := set(options.what) - known.keys()):
        parser.error(f"unknown: {', '.join(sorted(unknown))}" if options.what else "say what to measure")
    return options


def compared(options: argparse.Namespace) -> int:
    """Compare with another version, print, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        comparisons = versions.comparisons(options.against, options.what, Path(folder), options.archive, options.runs)
        results = list(comparisons)
    print(surroundings(options.runs), "", *versions.rows(results, options.against), sep="\n")
    return 0 if all(result.is_within for result in results) else 1


def contested(options: argparse.Namespace) -> int:
    """Compare with the peers, print, and return the exit code."""
    try:
        results = [result for what in options.what for result in outcome(what, options.archive, options.runs)]
    except (EvidenceError, isal_zlib.error) as error:  # type: ignore[misc]  # its stub declares an instance
        raise SystemExit(f"bench: {error}") from None
    print(surroundings(options.runs), "", *rows(results), sep="\n")
    return 0 if all(result.is_within for result in results) else 1


def main(arguments: list[str]) -> int:
    """Parse, measure, print; return the exit code."""
    if arguments[:1] and (measurement := MEASUREMENTS.get(arguments[0])):
        return measurement(arguments[1:])
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up, as Ctrl-C does
    try:
        return contested(options) if options.against is None else compared(options)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
