"""This version of backupmeta and another one, whose commands take turns on the same fleet. For `bench.py`.

Both are run by the same Python in the same environment: the other version is taken out of git into a temporary folder,
and each process is told by ``PYTHONPATH`` which of them to import.
"""

import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias

from benchmarks import fleets

PROJECT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "backupmeta"

ACCOUNTS: Final = 200
BACKUPS: Final = 20
"""How many backups each account has."""

MEMBERS: Final = 10_000
BOUND: Final = 1.05
"""The most that this version's time on a processor may be, as a multiple of the other's."""

START: Final = "from backupmeta.cli import console; console()"
WHERE: Final = "import backupmeta; print(backupmeta.__file__)"
CATALOG_FILES: Final = ("", "-wal", "-shm", "-scan")


class Version(NamedTuple):
    """A version of the program: what it is called, the folder that holds its package, and one for what it writes."""

    words: str
    folder: Path
    own: Path

    @property
    def catalog(self) -> Path:
        """The catalog that its scans make."""
        return self.own / "catalog.sqlite"

    def run(self, *python: str) -> subprocess.CompletedProcess[bytes]:
        """Run Python with these arguments so that it imports this version. Its bytecode is kept apart."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": str(self.folder), "PYTHONPYCACHEPREFIX": str(self.own / "bytecode")}
        return subprocess.run(
            [sys.executable, *python], env=environment, cwd=self.own, capture_output=True, check=False
        )


class Scene(NamedTuple):
    """What is there to be read: a fleet of accounts, and an archive of many members."""

    fleet: Path
    archive: Path


Arguments: TypeAlias = Callable[[Scene, Version], tuple[str, ...]]


def scan(scene: Scene, version: Version) -> tuple[str, ...]:
    """Return the arguments of a scan with one process."""
    return ("scan", str(scene.fleet), "-o", str(version.catalog), "--jobs", "1")


def first_scan(scene: Scene, version: Version) -> tuple[str, ...]:
    """Take the catalog away, and return the arguments of a scan."""
    for ending in CATALOG_FILES:
        Path(f"{version.catalog}{ending}").unlink(missing_ok=True)
    return scan(scene, version)


COMMANDS: Final[dict[str, Arguments]] = {
    "list": lambda scene, _version: ("list", "--jsonl", str(scene.fleet)),
    "scan": first_scan,
    "rescan": scan,
    "view": lambda scene, _version: ("view", str(scene.archive)),
    "verify": lambda scene, _version: ("verify", "--jobs", "1", str(scene.fleet)),
    "members": lambda scene, _version: ("members", str(scene.archive)),
}
"""What is measured; each reads the scene. The turn that does not count writes the catalog of ``rescan``."""


class Spent(NamedTuple):
    """What a command took, in seconds: on the clock, and on processors, with those that it started."""

    wall: float
    processor: float


class Comparison(NamedTuple):
    """The medians of a command's times, by this version and by the other one."""

    command: str
    ours: Spent
    theirs: Spent

    @property
    def ratio(self) -> Spent:
        """Our times divided by theirs."""
        return Spent(self.ours.wall / self.theirs.wall, self.ours.processor / self.theirs.processor)

    @property
    def is_within(self) -> bool:
        """Whether the bound is kept, by the time on processors: the clock shows what else the machine does."""
        return self.ratio.processor <= BOUND


def this_version(folder: Path) -> Version:
    """Return the version of this checkout."""
    return checked(Version("this version", PROJECT, folder / "this"))


def version_at(commit: str, folder: Path) -> Version:
    """Return the version at ``commit``, taken out of git into ``folder``; stop where there is no such commit."""
    archive = ["git", "-C", str(PROJECT), "archive", "--format=tar", commit, PACKAGE]
    done = subprocess.run(archive, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {commit}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        tar.extractall(folder / "source")  # noqa: S202 - of our own repository
    return checked(Version(commit, folder / "source", folder / "that"))


def checked(version: Version) -> Version:
    """Return ``version``, if Python does import it from its own folder: else both times would be one version's."""
    version.own.mkdir()
    done = version.run("-c", WHERE)
    if Path(done.stdout.decode().strip()).parent != version.folder / PACKAGE:
        raise SystemExit(f"bench: {version.words} is not what Python imports: {(done.stdout + done.stderr).decode()}")
    return version


def scene_in(folder: Path, archive: Path | None) -> Scene:
    """Make a fleet in ``folder``, and an archive where none is given."""
    fleet = folder / "home"
    fleets.write_fleet(fleet, ACCOUNTS, BACKUPS)
    if archive is None:
        archive = folder / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
        fleets.many_files_archive(archive, MEMBERS)
    os.sync()  # what is still being written would disturb
    return Scene(fleet, archive.resolve())


def spent(version: Version, arguments: tuple[str, ...]) -> tuple[Spent, int]:
    """Run a command; return what it took, and its exit code."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    code = version.run("-c", START, *arguments).returncode
    wall, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime), code


def compare(command: str, versions: tuple[Version, Version], scene: Scene, turns: int) -> Comparison:
    """Return the medians of so many ``turns``, after one that doesn't count; who begins a turn changes each time."""
    times: dict[Version, list[Spent]] = {version: [] for version in versions}
    require_same(command, versions, scene)
    for turn in range(turns):
        for version in versions if turn % 2 else reversed(versions):
            times[version].append(spent(version, COMMANDS[command](scene, version))[0])
    ours, theirs = (Spent(*map(median, zip(*times[version], strict=True))) for version in versions)
    return Comparison(command, ours, theirs)


def require_same(command: str, versions: tuple[Version, Version], scene: Scene) -> None:
    """Run the command by both; stop where they end otherwise, or can't read the scene: their times mean nothing."""
    codes = [spent(version, COMMANDS[command](scene, version))[1] for version in versions]
    if len(set(codes)) > 1 or max(codes) > 1:
        raise SystemExit(f"bench: {command} ends with {codes[0]} and {codes[1]}")


def comparisons(
    commit: str, commands: Iterable[str], folder: Path, archive: Path | None, turns: int
) -> Iterator[Comparison]:
    """Yield how this version and the one at ``commit`` compare, command by command; both work in ``folder``."""
    versions = (this_version(folder), version_at(commit, folder))
    scene = scene_in(folder, archive)
    for command in commands:
        yield compare(command, versions, scene, turns)


def rows(results: Iterable[Comparison], commit: str) -> Iterator[str]:
    """Yield the table's lines."""
    yield f"| command | wall | {commit} | ratio | processor | {commit} | ratio | at most | |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    for comparison in results:
        cells = [comparison.command]
        for ours, theirs, ratio in zip(comparison.ours, comparison.theirs, comparison.ratio, strict=True):
            cells += [f"{ours * 1e3:,.0f} ms", f"{theirs * 1e3:,.0f} ms", f"{ratio:.3f}"]
        yield "| " + " | ".join([*cells, f"{BOUND:.2f}", "ok" if comparison.is_within else "**MISSED**"]) + " |"
