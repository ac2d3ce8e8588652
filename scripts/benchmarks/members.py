"""What keeping members costs, and how fast they are found.

    scripts/bench.py members              # 500 installs, 20 backups each, 1,000 members, of which 2 % change
    scripts/bench.py members 50           # as many installs

No two installs have a file in common, by name or content. Prints two tables (Markdown): how many bytes the catalog has
for each pair of backup and member, and how long `find` takes, as a whole process; and `scan --members` against
`scan --deep`, of a site whose files have the sizes of WordPress's, in turns. Exit code 1 where a bound is missed.
"""

import argparse
import os
import random
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

from benchmarks import fleets
from benchmarks.contest import Contest, Task, executable, measure
from benchmarks.scan import Scan
from writers.installatron import Entry

INSTALLS: Final = 500
BACKUPS: Final = 20
MEMBERS: Final = 1_000
CHANGED: Final = 0.02
"""How many of the members change from one backup to the next."""

RUNS: Final = 7
MOST_BYTES: Final = 40.0
"""The catalog's bytes for a pair, at most."""
MOST_SECONDS: Final = 1.0
"""How long an answer takes, at most."""
MOST_RATIO: Final = 1.3
"""How much longer a deep scan takes that keeps members, at most."""

_ZEROS: Final = bytes(1024)


class Part(NamedTuple):
    """Bytes of an archive, and the same deflated: nothing in it refers back (RFC 1951 §2)."""

    plain: bytes
    deflated: bytes

    @classmethod
    def of(cls, plain: bytes, flush: int = zlib.Z_FULL_FLUSH) -> "Part":
        """Return the part that is ``plain``."""
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        return cls(plain, deflate.compress(plain) + deflate.flush(flush))


END: Final = Part.of(_ZEROS, zlib.Z_FINISH)


def name_of(install: int, number: int) -> bytes:
    """Return the name of a member: four of five are PHP."""
    kind = b"png" if number % 5 == 0 else b"php"
    return b"wp-content/plugins/p%d-%02d/class-%05d.%s" % (install, number % 50, number, kind)


def content_of(install: int, number: int, revision: int) -> bytes:
    """Return a content that no other member has."""
    return b"<?php // %d %d %d\n" % (install, number, revision)


class Site:
    """An install whose members change; ``content`` makes that of a member of this number and revision."""

    def __init__(self, install: int, content: Callable[[int, int, int], bytes]) -> None:
        self._install = install
        self._content = content
        self._choice = random.Random(install)
        self._revisions = [0] * MEMBERS
        self._parts = [self._part(number) for number in range(MEMBERS)]

    def backups(self) -> Iterator[fleets.Backup]:
        """Yield the backups."""
        first = self._install * fleets.BACKUPS_OF_AN_INSTALL
        return (fleets.Backup(number, self.user) for number in range(first, first + BACKUPS))

    @property
    def user(self) -> str:
        """Whose it is."""
        return f"user{self._install}"

    def write(self, path: Path, backup: fleets.Backup) -> None:
        """Write the archive of a ``backup``; then some members change."""
        first = Part.of(b"".join(map(_tarred, fleets.first_members(backup, b"START TRANSACTION;\nCOMMIT;\n"))))
        parts, digest, length = [first, *self._parts, END], 0, 0
        for part in parts:
            digest, length = zlib.crc32(part.plain, digest), length + len(part.plain)
        ending = digest.to_bytes(4, "little") + length.to_bytes(4, "little")
        path.write_bytes(b"".join([fleets.GZIP_HEADER, *(part.deflated for part in parts), ending]))
        for number in self._choice.sample(range(MEMBERS), int(CHANGED * MEMBERS)):
            self._revisions[number] += 1
            self._parts[number] = self._part(number)

    def _part(self, number: int) -> Part:
        revision = self._revisions[number]
        content = self._content(self._install, number, revision)
        return Part.of(_tarred(Entry(name_of(self._install, number), content, fleets.BEGIN + revision)))


def _tarred(entry: Entry) -> bytes:
    return b"".join(fleets.member(entry))


def write_sites(root: Path, installs: int, content: Callable[[int, int, int], bytes]) -> None:
    """Make a home for each of so many ``installs``."""
    for install in range(installs):
        site = Site(install, content)
        fleets.fill(root / site.user, site.backups(), site.write)
    os.sync()  # what is still being written would disturb


def of_real_size() -> Callable[[int, int, int], bytes]:
    """Return what makes contents as long as WordPress's files: half of them have less than 5 kB, 18 kB on average."""
    text = fleets.Author(fleets.SEED).php(4 * fleets.MIB)

    def content(install: int, number: int, revision: int) -> bytes:
        choice = random.Random(f"{install} {number}")
        length = min(int(choice.lognormvariate(8.5, 1.6)), fleets.MIB)
        begin = random.Random(f"{install} {number} {revision}").randrange(3 * fleets.MIB)
        return text[begin : begin + length]

    return content


# --- what is measured -------------------------------------------------------------------------------------------------


def answers(catalog: Path, installs: int, folder: Path) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Yield what is asked for, how, and how many answers there are."""
    digest = sha256(content_of(1, 1, 0)).hexdigest()
    hashes = folder / "hashes"
    listed = [sha256(content_of(install, 7, 0)).hexdigest() for install in range(installs)]
    unknown = (sha256(b"unknown %d" % number).hexdigest() for number in range(10_000))
    hashes.write_text("\n".join([*listed, *unknown]))
    command = (executable(), "find", str(catalog), "--jsonl")
    yield "a name", (*command, "--member", name_of(1, 1).decode()), -1
    yield "`*.php`, the first 1,000", (*command, "--member", "*.php"), 1_000
    yield "`*class-00001.php`", (*command, "--member", "*class-00001.php"), -1
    yield "`*nowhere*`", (*command, "--member", "*nowhere*"), 0
    yield "a SHA-256", (*command, "--member-sha256", digest), 1
    yield f"{10_000 + installs:,} SHA-256", (*command, "--member-sha256", f"@{hashes}"), min(installs, 1_000)


def timed(command: tuple[str, ...], expected: int) -> float:
    """Return the median of the seconds that a ``command`` takes; stop where it has other answers than are there."""
    times = list[float]()
    for _ in range(RUNS):
        began = perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        times.append(perf_counter() - began)
        count = done.stdout.count(b"\n")
        if done.returncode != int(not count) or (count != expected and expected >= 0):
            raise SystemExit(f"bench: {' '.join(command)}: {count:,} answers, code {done.returncode}: {done.stderr!r}")
    return median(times)


def found(folder: Path, installs: int) -> Iterator[tuple[str, bool]]:
    """Yield the lines about a catalog of so many ``installs``, and whether each bound is kept."""
    root, catalog = folder / "home", folder / "catalog.sqlite"
    write_sites(root, installs, content_of)
    began = perf_counter()
    Scan(root, catalog, installs * BACKUPS, ("--members",))()
    seconds, pairs = perf_counter() - began, installs * BACKUPS * (MEMBERS + 2)
    bytes_a_pair = catalog.stat().st_size / pairs
    yield f"{pairs:,} pairs of backup and member, scanned in {seconds:,.0f} s", True
    yield f"{catalog.stat().st_size / fleets.MIB:,.0f} MiB, {bytes_a_pair:.1f} bytes a pair", bytes_a_pair <= MOST_BYTES
    yield "", True
    yield "| find | time |", True
    yield "|---|--:|", True
    for what, command, expected in answers(catalog, installs, folder):
        seconds = timed(command, expected)
        yield f"| {what} | {seconds * 1e3:,.0f} ms |", seconds <= MOST_SECONDS


def contests(folder: Path) -> list[Contest]:
    """Return `scan --members` against `scan --deep`, with as many processes as there are cores, and with one."""
    root = folder / "real"
    write_sites(root, 1, of_real_size())
    made = list[Contest]()
    for jobs in (1, os.cpu_count() or 1):
        options = ("--jobs", str(jobs))
        keeping = Scan(root, folder / f"members{jobs}.sqlite", BACKUPS, ("--members", *options))
        deep = Scan(root, folder / f"deep{jobs}.sqlite", BACKUPS, ("--deep", *options))
        words = f"--jobs {jobs}"
        made.append(Contest(words, Task(f"scan --members {words}", keeping), Task("scan --deep", deep), MOST_RATIO))
    return made


def main(arguments: list[str]) -> int:
    """Parse, measure, print; return the exit code."""
    parser = argparse.ArgumentParser("bench.py members", description="Measures what keeping members costs.")
    parser.add_argument("installs", nargs="?", type=int, default=INSTALLS, help=f"how many (default: {INSTALLS})")
    options = parser.parse_args(arguments)
    kept = list[bool]()
    with tempfile.TemporaryDirectory(prefix="bench-members-") as name:
        folder = Path(name)
        for line, is_kept in found(folder, options.installs):
            print(line if is_kept else f"{line} **MISSED**", flush=True)
            kept.append(is_kept)
        print("", "| scan --members | time | scan --deep | ratio |", "|---|--:|--:|--:|", sep="\n")
        for result in measure(contests(folder), RUNS):
            times = f"{result.ours:.2f} s | {result.peer:.2f} s | {result.ratio:.2f}"
            print(f"| {result.contest.what} | {times} |{'' if result.is_within else ' **MISSED**'}")
            kept.append(result.is_within)
    return 0 if all(kept) else 1
