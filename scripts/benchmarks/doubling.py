"""What twice as much of anything costs: every shape that a file or a home can hold, at n and at 2n.

    scripts/bench.py doubling                # every shape, each command that reads it; takes some minutes
    scripts/bench.py doubling keys URIs      # these alone

Prints the time on a processor at n and at 2n, without what starting takes, and their ratio; exit code 1 where a ratio
is above 2.3. What takes n log n takes 2.2 times as long at most; what takes the square takes 4 times as long.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.contest import Contest, Task, executable
from writers.installatron import Entry, gzip_bytes, header, long_name, padded, record, tar

BOUND: Final = 2.3
"""The most that twice as much may cost, as a multiple."""

TIME: Final = 1_718_312_121
INSTALL: Final = "cavtwnyvhzk8cgw8ks4gcgoo4"
COPIES: Final = 20
"""In how many accounts a shape of a single record or archive stands: one alone is read too fast to be measured."""

DUMP: Final = b"-- MySQL dump 10.13\nCREATE TABLE `wp_posts` (\n  `ID` int\n);\n"
LINES: Final = {
    "installer": "wordpress",
    "version": "6.5.4",
    "owner": "exampleu",
    "path": "/home/exampleu/public_html",
    "url": "https://example.com",
    "title": "Blog",
    "db-pass": "hunter2",
    "list-files": "index.php",
    "list-tables": "wp_posts",
    "backup-install": INSTALL,
    "backup-location": "local",
    "backup-time": str(TIME),
}


class Backup(NamedTuple):
    """One invented backup: its id, its archive's name, its record, and the members beside it."""

    id: str
    name: str
    record: bytes
    members: bytes = b""

    def write(self, home: Path, embedded: bytes | None = None) -> None:
        """Write its record and its archive into ``home``."""
        for folder in (".appdata/backups", "application_backups"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        (home / ".appdata/backups" / self.id).write_bytes(self.record)
        first = b"".join(tar([Entry(b"APP-META.INI", embedded or self.record, TIME)]))[: -2 * 512]
        archive = gzip_bytes(first + self.members + bytes(1024), TIME)
        (home / "application_backups" / self.name).write_bytes(archive)


def backup(number: int = 0, more: str = "", members: bytes = b"", *, name: str | None = None) -> Backup:
    """Return the backup of this ``number``, ``more`` in its record, ``members`` in its archive."""
    own = name or f"app_example-com_Blog-{number}_2024-06-13_20-55-21.tar.gz"
    text = record({**LINES, "backup-filename": own}.items()) + b"\n" + more.encode()
    return Backup(f"b{number:024d}", own, text.removesuffix(b"\n"), members)


# --- shapes -----------------------------------------------------------------------------------------------------------


def of_record(text: Callable[[range], Iterator[str]]) -> Callable[[Path, int], None]:
    """Return what makes accounts with a backup whose record has the lines that ``text`` gives for some numbers.

    No two accounts have the same numbers: names that are remembered from one to the next would hide what they cost.
    """

    def make(folder: Path, n: int) -> None:
        for copy in range(COPIES):
            more = "\n".join(text(range(copy * n, copy * n + n)))
            home = folder / f"user{copy}"
            backup(copy, more).write(home)
            (home / ".appdata/current").mkdir()
            (home / ".appdata/current" / INSTALL).write_bytes(backup(copy, more).record)

    return make


def of_archive(members: Callable[[int], Iterator[bytes]]) -> Callable[[Path, int], None]:
    """Return what makes an account with a backup whose archive has the ``members``."""
    return lambda folder, n: backup(0, "", b"".join(members(n))).write(folder / "user")


def files(names: Iterable[bytes]) -> Iterator[bytes]:
    """Yield empty files of these ``names``."""
    return (header(name, 0, TIME, 0o644, b"0") for name in names)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """Return a pax header of ``records``."""
    content = b"".join(_pax_record(key, value) for key, value in records)
    return header(b"PaxHeaders/x", len(content), TIME, 0o644, kind) + padded(content)


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = next(n for n in range(rest, rest + 9) if n == rest + len(str(n)))
    return b"%d %s=%s\n" % (length, key, value)


def long_names(n: int) -> Iterator[bytes]:
    """Yield files with names of 4 kB."""
    for number in range(n):
        yield long_name(b"%05d/" % number * 680, b"L") + header(b"x", 0, TIME, 0o644, b"0")


def pax_keys(n: int) -> Iterator[bytes]:
    """Yield files, each of which a pax header with ten keys stands before, no two of them the same."""
    for number in range(n):
        yield pax(*((b"USER.%d.%d" % (number, key), b"x") for key in range(10)))
        yield header(b"f%d" % number, 0, TIME, 0o644, b"0")


def global_keys(n: int) -> Iterator[bytes]:
    """Yield global pax headers, each with keys of its own, and a file after each."""
    for number in range(n):
        yield pax(*((b"USER.%d.%d" % (number, key), b"x") for key in range(10)), kind=b"g")
        yield header(b"f%d" % number, 0, TIME, 0o644, b"0")


def links(n: int) -> Iterator[bytes]:
    """Yield links, each to the one before it."""
    for number in range(n):
        yield header(b"d%d" % number, 0, TIME, 0o777, b"2", link=b"d%d" % max(number - 1, 0))


def links_below_one_another(n: int) -> Iterator[bytes]:
    """Yield links in folders, and files that lie below them."""
    for number in range(n):
        yield header(b"a/b/c/l%d" % number, 0, TIME, 0o777, b"2", link=b"../../x%d" % number)
        yield header(b"a/b/c/l%d/f" % number, 0, TIME, 0o644, b"0")


def hard_links(n: int) -> Iterator[bytes]:
    """Yield a file, and hard links, each to the one before it."""
    yield header(b"h0", 0, TIME, 0o644, b"0")
    for number in range(1, n):
        yield header(b"h%d" % number, 0, TIME, 0o644, b"1", link=b"h%d" % (number - 1))


def maps_of_holes(n: int) -> Iterator[bytes]:
    """Yield sparse files with many runs."""
    for number in range(n):
        runs = b",".join(b"%d,1" % (2 * run) for run in range(100))
        yield pax((b"GNU.sparse.major", b"0"), (b"GNU.sparse.size", b"1000"), (b"GNU.sparse.map", runs))
        yield header(b"s%d" % number, 100, TIME, 0o644, b"0") + padded(b"x" * 100)


def dump(statement: bytes) -> Callable[[int], Iterator[bytes]]:
    """Return what gives a dump with so many ``statement``s; ``%d`` in it is a number."""

    def members(n: int) -> Iterator[bytes]:
        content = DUMP + b"".join(statement % number if b"%d" in statement else statement for number in range(n))
        yield header(b"APP-DATA.SQL", len(content), TIME, 0o644, b"0") + padded(content)

    return members


def streams(folder: Path, n: int) -> None:
    """Make an account with an archive of many gzip streams."""
    made = backup()
    made.write(folder / "user")
    with (folder / "user/application_backups" / made.name).open("ab") as file:
        file.write(gzip_bytes(b"") * n)


def damage(folder: Path, n: int) -> None:
    """Make an account with an archive followed by many bytes that look like the beginning of a stream."""
    made = backup()
    made.write(folder / "user")
    with (folder / "user/application_backups" / made.name).open("ab") as file:
        file.write(b"\x1f\x8b\x08\x00\xff" * n)


def backups(folder: Path, n: int) -> None:
    """Make an account with many backups."""
    for number in range(n):
        backup(number).write(folder / "user")


def installs(folder: Path, n: int) -> None:
    """Make an account with many installs."""
    current = folder / "user/.appdata/current"
    current.mkdir(parents=True)
    for number in range(n):
        (current / f"c{number:024d}").write_bytes(backup().record)


def folders(folder: Path, n: int) -> None:
    """Make a home with many folders, each with an archive, and records that name one archive each."""
    for number in range(n):
        backup(number).write(folder / "user")
        below = folder / f"user/f{number}"
        below.mkdir()
        (folder / "user/application_backups" / backup(number).name).rename(below / backup(number).name)
    (folder / "user/application_backups").rmdir()


def renamed(folder: Path, n: int) -> None:
    """Make an account with a chain of renamed archives: each has the name that the next one's record has."""
    for number in range(n):
        backup(number).write(folder / "user", embedded=backup(number, name=backup(number + 1).name).record)


def of_one_archive(folder: Path, n: int) -> None:
    """Make an account with many records that name one archive of some size."""
    members = b"".join(files(b"f%d" % number for number in range(2_000)))
    name = "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
    backup(0, name=name, members=members).write(folder / "user")
    for number in range(1, n):
        made = backup(number, name=name)
        (folder / "user/.appdata/backups" / made.id).write_bytes(made.record)


def symbolic_links(folder: Path, n: int) -> None:
    """Make an account with many links in the folder of its archives."""
    backup().write(folder / "user")
    for number in range(n):
        (folder / "user/application_backups" / f"app_{number}.tar.gz").symlink_to("/nowhere")


def accounts(folder: Path, n: int) -> None:
    """Make many accounts with a backup each."""
    for number in range(n):
        backup(number).write(folder / f"user{number:06d}")


LISTS: Final = ("list --json --provenance --limit 100000", "list --jsonl", "list --csv", "installs --json --provenance")
READS: Final = ("verify --json", "timeline", "scan --jobs 1 -o CATALOG")
AGAIN: Final = "scan --jobs 1 -o CATALOG"
DEEP: Final = ("scan --deep --jobs 1 -o CATALOG", "timeline --deep")
OF_RECORDS: Final = (*LISTS, *READS, "diff FIRST SECOND", "explain RECORD", "report -o OUTPUT")
OF_ARCHIVES: Final = ("list --json", "verify --json", "members ARCHIVE", "members --json ARCHIVE", *DEEP)
OF_HOMES: Final = (*LISTS[:1], *READS, "TOUCH", *DEEP[:1], "view --root ROOT ID --allow-missing")


@dataclass(frozen=True)
class Shape:
    """Something that a file or a home can hold, how much of it, and which commands read it."""

    make: Callable[[Path, int], None]
    n: int
    commands: tuple[str, ...]


SHAPES: Final = {
    "keys": Shape(of_record(lambda numbers: (f"k{number}=" for number in numbers)), 2_000, OF_RECORDS),
    "custom fields": Shape(of_record(lambda numbers: (f"cf-k{number}=x" for number in numbers)), 2_000, OF_RECORDS),
    "duplicate keys": Shape(of_record(lambda numbers: (f"a={number}" for number in numbers)), 2_000, OF_RECORDS),
    "lines without '='": Shape(of_record(lambda numbers: (f"a{number}" for number in numbers)), 2_000, OF_RECORDS),
    "secrets": Shape(of_record(lambda numbers: (f"k{number}-pass=x" for number in numbers)), 2_000, OF_RECORDS),
    "commas": Shape(of_record(lambda numbers: iter([f"list-failures={',' * len(numbers)}"])), 14_000, OF_RECORDS),
    "tables": Shape(
        of_record(lambda numbers: iter([f"list-tables={','.join(map(str, numbers))}"])), 14_000, OF_RECORDS
    ),
    "plugins": Shape(
        of_record(lambda numbers: iter(["list-plugins=" + ",".join(f"|p{number}/1" for number in numbers)])),
        7_000,
        OF_RECORDS,
    ),
    "URIs": Shape(of_record(lambda numbers: iter(["title=" + "http://a:b@c " * len(numbers)])), 15_000, OF_RECORDS),
    "URIs in lines": Shape(
        of_record(lambda numbers: (f"k{number}=ftp://a:b@c?token=1" for number in numbers)), 2_000, OF_RECORDS
    ),
    "a long value": Shape(of_record(lambda numbers: iter(["title=" + "x_" * len(numbers)])), 200_000, OF_RECORDS),
    "members": Shape(of_archive(lambda n: files(b"f%d" % number for number in range(n))), 40_000, OF_ARCHIVES),
    "members of one name": Shape(of_archive(lambda n: files(b"same" for _ in range(n))), 40_000, OF_ARCHIVES),
    "long names": Shape(of_archive(long_names), 5_000, OF_ARCHIVES),
    "pax keys": Shape(of_archive(pax_keys), 5_000, OF_ARCHIVES),
    "global pax keys": Shape(of_archive(global_keys), 5_000, OF_ARCHIVES),
    "links": Shape(of_archive(links), 10_000, OF_ARCHIVES),
    "files below links": Shape(of_archive(links_below_one_another), 10_000, OF_ARCHIVES),
    "hard links": Shape(of_archive(hard_links), 10_000, OF_ARCHIVES),
    "maps of holes": Shape(of_archive(maps_of_holes), 4_000, OF_ARCHIVES),
    "tables of a dump": Shape(of_archive(dump(b"CREATE TABLE `t%d` (\n  `ID` int\n);\n")), 10_000, OF_ARCHIVES),
    "rows of a dump": Shape(of_archive(dump(b"INSERT INTO `wp_posts` VALUES (%d);\n")), 100_000, OF_ARCHIVES),
    "quotes of a dump": Shape(of_archive(dump(b"'`\"/*")), 500_000, OF_ARCHIVES),
    "gzip streams": Shape(streams, 50_000, OF_ARCHIVES),
    "beginnings of streams": Shape(damage, 50_000, OF_ARCHIVES),
    "backups": Shape(backups, 1_500, OF_HOMES),
    "installs": Shape(installs, 1_500, (*LISTS, *READS)),
    "folders": Shape(folders, 1_500, OF_HOMES),
    "renamed archives": Shape(renamed, 1_500, OF_HOMES),
    "records of one archive": Shape(of_one_archive, 500, (*OF_HOMES, *DEEP)),
    "links in a folder": Shape(symbolic_links, 10_000, OF_HOMES),
    "accounts": Shape(accounts, 1_500, OF_HOMES),
}


# --- taking the time --------------------------------------------------------------------------------------------------


LEAST: Final = 0.05
"""Seconds below which a ratio tells nothing: they count as so many."""


class Timed(Task):
    """A command as a whole process; its time is the one on a processor, without what starting takes."""

    def seconds(self) -> float:
        """Return that time now."""
        return max(float(self.run() or 0) - starting(), LEAST)  # type: ignore[arg-type]


def spent(command: list[str]) -> float:
    """Run ``command``, and return the seconds on a processor that it took. Stops where a signal ended it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1, 2}:
        raise SystemExit(f"bench: {' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


@cache
def starting() -> float:
    """Return the seconds that starting takes."""
    return min(spent([executable(), "list", os.devnull]) for _ in range(5))


@dataclass(frozen=True)
class Run:
    """A ``command`` on the shape in ``root``; callable, and gives its seconds."""

    command: str
    root: Path

    def __call__(self) -> float:
        """Run it."""
        catalog = self.root.parent / f"{self.root.name}.sqlite"
        archives = sorted(self.root.glob("*/application_backups/*"))
        records = sorted(self.root.glob("*/.appdata/*/*"))
        words = self.command
        if words == "TOUCH":  # a scan of what was scanned before, and of which one archive changed since
            if not catalog.exists():
                spent([executable(), *AGAIN.replace("CATALOG", str(catalog)).split(), str(self.root)])
            os.utime((archives or sorted(self.root.glob("*/*/*.gz")))[0], follow_symlinks=False)
            return spent([executable(), *AGAIN.replace("CATALOG", str(catalog)).split(), str(self.root)])
        if "CATALOG" in words:
            for ending in ("", "-wal", "-shm", "-scan"):
                Path(f"{catalog}{ending}").unlink(missing_ok=True)
        named = {
            "CATALOG": catalog,
            "OUTPUT": catalog.with_suffix(".html"),
            "ROOT": self.root,
            "ARCHIVE": archives[0] if archives else "",
            "FIRST": archives[0] if archives else "",
            "SECOND": archives[-1] if archives else "",
            "RECORD": records[0] if records else "",
            "ID": records[0].name if records else "",
        }
        arguments = [str(named.get(word, word)) for word in words.split()]
        is_of_root = not {"ROOT", "ARCHIVE", "FIRST", "RECORD"} & set(words.split())
        return spent([executable(), *arguments, *([str(self.root)] if is_of_root else [])])


def contests(folder: Path, shapes: Iterable[str]) -> Iterator[Contest]:
    """Make the ``shapes`` in ``folder``, and yield what to measure with them."""
    for name in shapes:
        shape = SHAPES[name]
        roots = [folder / name.replace(" ", "-") / str(n) for n in (shape.n, 2 * shape.n)]
        for root, n in zip(roots, (shape.n, 2 * shape.n), strict=True):
            root.mkdir(parents=True)
            shape.make(root, n)
        for command in shape.commands:
            once, twice = (Timed(f"{name}, {root.name}", Run(command, root)) for root in roots)
            words = command.replace("TOUCH", f"{AGAIN}, one archive touched")
            yield Contest(f"{name}: {words}", twice, once, BOUND)


RUNS: Final = 3


def main(arguments: list[str]) -> int:
    """Measure, print a line for each command, and return the exit code."""
    parser = argparse.ArgumentParser("bench.py doubling", description="Measures what twice as much costs.")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}")
    chosen = parser.parse_args(arguments).shapes or list(SHAPES)
    if unknown := set(chosen) - SHAPES.keys():
        parser.error(f"no such shape: {', '.join(sorted(unknown))}")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for contest in contests(Path(folder), chosen):
            once, twice = (min(task.seconds() for _ in range(RUNS)) for task in (contest.peer, contest.ours))
            ratio = twice / once
            worst = max(worst, ratio)
            verdict = "" if ratio <= BOUND else "  MISSED"
            print(f"{contest.what:<75} {once:8.3f} s {twice:8.3f} s {ratio:6.2f}{verdict}", flush=True)
    return 0 if worst <= BOUND else 1
