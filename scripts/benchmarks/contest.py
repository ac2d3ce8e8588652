"""Contests: two tasks whose times are taken in turns, so that what else the machine does hits both. For `bench.py`."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Final, NamedTuple

_WARM_BYTES: Final = 1024 * 1024


class Task(NamedTuple):
    """Something whose time is taken; ``repeat`` times at once where it is short, after reading the file ``warm``.

    A system may have dropped a file from memory that was last read a minute ago; whoever is first would pay for it.
    What fills a folder finds ``emptied`` as it was before the first run.
    """

    words: str
    run: Callable[[], object]
    repeat: int = 1
    warm: Path | None = None
    emptied: Path | None = None

    def seconds(self) -> float:
        """Return the time that it takes now."""
        if self.emptied is not None:
            shutil.rmtree(self.emptied)
            self.emptied.mkdir()
        if self.warm is not None:
            with self.warm.open("rb", buffering=0) as file:
                while file.read(_WARM_BYTES):
                    pass
        return timeit(self.run, number=self.repeat) / self.repeat


class Contest(NamedTuple):
    """Two tasks to compare; ``bound`` is the most that the time of ours may be, as a multiple of the peer's."""

    what: str
    ours: Task
    peer: Task
    bound: float | None = None


class Result(NamedTuple):
    """The medians of a contest, in seconds."""

    contest: Contest
    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """The time of ours divided by the peer's."""
        return self.ours / self.peer

    @property
    def is_within(self) -> bool:
        """Whether the bound is kept, where there is one."""
        return self.contest.bound is None or self.ratio <= self.contest.bound


def measure(contests: list[Contest], runs: int) -> list[Result]:
    """Return the medians of ``runs`` runs; in each, every task takes its turn, after one turn that doesn't count."""
    times: dict[Task, list[float]] = {task: [] for contest in contests for task in (contest.ours, contest.peer)}
    for task in times:
        task.run()
    for _ in range(runs):
        for task, taken in times.items():
            taken.append(task.seconds())
    return [Result(contest, median(times[contest.ours]), median(times[contest.peer])) for contest in contests]


@dataclass(frozen=True)
class Process:
    """A command, run from start to end; callable."""

    command: tuple[str, ...]
    folder: Path
    stderr: int | None = None

    def __call__(self) -> None:
        """Run it; what it prints goes nowhere, so that no reader's time is taken."""
        subprocess.run(self.command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=self.stderr, check=True)

    def output(self) -> bytes:
        """Return what it prints."""
        return subprocess.run(self.command, cwd=self.folder, stdout=subprocess.PIPE, check=True).stdout


def executable() -> str:
    """Return the console script beside this Python."""
    path = shutil.which("backupmeta", path=str(Path(sys.executable).parent))
    if path is None:
        raise SystemExit(f"bench: no backupmeta beside {sys.executable}; install it there: pip install -e .")
    return path
