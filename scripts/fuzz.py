#!/usr/bin/env python3
"""Mutates valid archives and reads them: nothing but `BackupMetaError` may come, within 5 s; what is said must hold.

    scripts/fuzz.py --executions 200000            # on all cores
    scripts/fuzz.py --seconds 60 --corpus FOLDER   # …as many as there is time for, with these files, too
    scripts/fuzz.py --reproduce FILE               # an input that failed, once more
    scripts/fuzz.py --seed 1 --first 77 --executions 1   # execution 77 of seed 1, once more
    scripts/fuzz.py --engine atheris               # guided by coverage, where atheris is installed

Execution i depends on the seed, i and the corpus only. `fuzzing/corpus.py` has what is mutated,
`fuzzing/mutate.py` how, `fuzzing/check.py` what must hold. Exit code 1 on any crash, hang or broken promise; its input
is saved. Needs Linux or macOS.
"""

import argparse
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final, NamedTuple

from fuzzing import corpus
from fuzzing.check import FailedError, original, outcomes
from fuzzing.corpus import Sample
from fuzzing.mutate import Mutant, mutant

HANG: Final = 5
"""Seconds on a processor after which an execution counts as a hang."""

STUCK: Final = 60
"""Seconds after which a process counts as one that not even a signal reaches, however busy the machine is."""

CHUNK: Final = 1000
FAILURES_KEPT: Final = 200
MIB: Final = 2**20
FORK: Final = multiprocessing.get_context("fork")


class HungError(Exception):
    """An execution took more than `HANG` seconds."""


class Failure(NamedTuple):
    """An execution that failed: ``kind`` is ``crash``, ``hang`` or ``promise``."""

    number: int
    kind: str
    reason: str


@dataclass
class Tally:
    """What executions showed; tallies of several processes are added."""

    executions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)
    peak: int = 0

    def add(self, other: "Tally") -> None:
        """Add another one."""
        self.executions += other.executions
        self.outcomes += other.outcomes
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.peak = max(self.peak, other.peak)

    def count(self, kind: str) -> int:
        """Return how many executions failed in this way."""
        return sum(failure.kind == kind for failure in self.failures)


def mutant_of(seed: int, number: int, samples: Sequence[Sample]) -> Mutant:
    """Return what execution ``number`` reads."""
    return mutant(Random(f"{seed}:{number}"), samples)


def attempt(number: int, mutant: Mutant, tally: Tally) -> None:
    """Execute once, and count it."""
    begin = time.process_time()
    failure = None
    try:
        tally.outcomes.update(outcomes(mutant))
    except FailedError as error:
        failure = Failure(number, "promise", str(error))
    except HungError:
        failure = Failure(number, "hang", traceback.format_exc(limit=-6))
    except Exception:  # noqa: BLE001 - whatever it is, is what is looked for
        failure = Failure(number, "crash", traceback.format_exc(limit=-6))
    tally.slowest = max(tally.slowest, (time.process_time() - begin, number))
    tally.executions += 1
    tally.failures += [failure] if failure else []


# --- processes --------------------------------------------------------------------------------------------------------


def hung(_signal: int, _frame: FrameType | None) -> None:
    """Break off what takes too long."""
    raise HungError


def work(seed: int, chunk: range, samples: Sequence[Sample], current: "Synchronized[int]", results: Connection) -> None:
    """Execute a chunk in a process of its own, and send what it showed."""
    signal.signal(signal.SIGPROF, hung)
    tally = Tally()
    for number in chunk:
        current.value = number
        mutant = mutant_of(seed, number, samples)
        signal.setitimer(signal.ITIMER_PROF, HANG)
        attempt(number, mutant, tally)
        signal.setitimer(signal.ITIMER_PROF, 0)
    tally.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    results.send(tally)


class Worker:
    """A process at work on a chunk, and when it was last seen to go on."""

    def __init__(self, seed: int, chunk: range, samples: Sequence[Sample]) -> None:
        """Start it."""
        self.chunk = chunk
        self.results, sender = FORK.Pipe(duplex=False)
        self._current: Synchronized[int] = FORK.Value("q", chunk.start)
        self._process: ForkProcess = FORK.Process(target=work, args=(seed, chunk, samples, self._current, sender))
        self._process.start()
        sender.close()
        self._last = (chunk.start, time.monotonic())

    @property
    def number(self) -> int:
        """The execution that it is at."""
        return self._current.value

    def stop_if_stuck(self) -> bool:
        """End a process that does not go on."""
        if self.number != self._last[0]:
            self._last = (self.number, time.monotonic())
        is_stuck = time.monotonic() - self._last[1] > STUCK
        if is_stuck:
            self._process.kill()
        return is_stuck

    def tally(self) -> Tally | None:
        """Return what it sent; None where it died before."""
        try:
            tally: Tally | None = self.results.recv()
        except EOFError:
            tally = None
        self._process.join()
        self.results.close()
        return tally

    @property
    def code(self) -> int | None:
        """How it ended: negative for a signal."""
        return self._process.exitcode


class Run:
    """All executions, in chunks, on several processes."""

    def __init__(self, options: argparse.Namespace, samples: Sequence[Sample]) -> None:
        """Share out the executions that the ``options`` ask for."""
        last = options.first + options.executions
        self._seed, self._jobs, self._samples = options.seed, options.jobs, samples
        self._chunks = deque(range(at, min(at + CHUNK, last)) for at in range(options.first, last, CHUNK))
        self._end = time.monotonic() + (options.seconds or 1e9)
        self._workers: list[Worker] = []
        self.tally = Tally()

    def __call__(self) -> Tally:
        """Execute all; return what they showed."""
        done = 0
        while self._workers or (self._chunks and time.monotonic() < self._end):
            while self._chunks and len(self._workers) < self._jobs and time.monotonic() < self._end:
                self._workers.append(Worker(self._seed, self._chunks.popleft(), self._samples))
            self._collect()
            if self.tally.executions // 10_000 > done:
                done = self.tally.executions // 10_000
                print(f"{self.tally.executions:,} executions, {len(self.tally.failures)} failed", file=sys.stderr)
        return self.tally

    def _collect(self) -> None:
        """Take in what is done, and put those out of their misery that don't go on."""
        ready = wait([worker.results for worker in self._workers], timeout=1)
        for worker in list(self._workers):
            is_stuck = worker.stop_if_stuck()
            if worker.results in ready or is_stuck:
                self._workers.remove(worker)
                self._take(worker, worker.tally(), is_stuck=is_stuck)

    def _take(self, worker: Worker, tally: Tally | None, *, is_stuck: bool) -> None:
        """Add a tally; where a process died, blame the execution it was at, and repeat the others."""
        if tally is not None:
            self.tally.add(tally)
            print(*map(summary, tally.failures), sep="", end="", file=sys.stderr)
            return
        at = worker.number
        failure = Failure(at, "hang", "not even a signal ended it") if is_stuck else died(at, worker.code)
        self.tally.add(Tally(executions=1, failures=[failure]))
        self._chunks += [part for part in (range(worker.chunk.start, at), range(at + 1, worker.chunk.stop)) if part]


def died(number: int, code: int | None) -> Failure:
    """Return the failure of an execution that ended its process."""
    return Failure(number, "crash", f"the process ended with {code}")


def summary(failure: Failure) -> str:
    """Return a failure in one line."""
    return f"execution {failure.number} failed: {failure.kind}: {failure.reason.strip().splitlines()[-1]}\n"


# --- the command ------------------------------------------------------------------------------------------------------


def save(folder: Path, seed: int, failures: Sequence[Failure], samples: Sequence[Sample]) -> None:
    """Write the inputs that failed, and how to repeat each."""
    for failure in failures[:FAILURES_KEPT]:
        folder.mkdir(parents=True, exist_ok=True)
        path, made = folder / f"{seed}-{failure.number}.bin", mutant_of(seed, failure.number, samples)
        path.write_bytes(made.content)
        again = (f"scripts/fuzz.py --reproduce {path}", f"scripts/fuzz.py --seed {seed} --first {failure.number} -n 1")
        lines = (
            f"{failure.kind} of execution {failure.number}, made of: {made.sample.name}",
            *again,
            "",
            failure.reason,
        )
        path.with_suffix(".txt").write_text("\n".join(lines), encoding="utf-8")


def report(tally: Tally, options: argparse.Namespace, samples: int, seconds: float) -> Iterator[str]:
    """Yield the figures, line by line."""
    words = f"seed {options.seed}, from {options.first:,} on, {samples} samples, {options.jobs} processes"
    yield f"executions             {tally.executions:,} ({words})"
    yield f"executions per second  {tally.executions / seconds:,.0f} ({seconds:,.0f} s)"
    yield f"crashes                {tally.count('crash')}"
    yield f"hangs over {HANG} s        {tally.count('hang')}"
    yield f"broken promises        {tally.count('promise')}"
    yield f"slowest                {tally.slowest[0]:.2f} s (execution {tally.slowest[1]})"
    yield f"peak memory            {tally.peak / MIB:,.0f} MiB"
    yield f"distinct outcomes      {len(tally.outcomes)}"
    yield from (
        f"  {count:>9,}  {words}" for words, count in sorted(tally.outcomes.items(), key=lambda item: (-item[1], item))
    )
    reasons = Counter(f"{failure.kind}: {failure.reason.strip().splitlines()[-1]}" for failure in tally.failures)
    firsts = {
        f"{failure.kind}: {failure.reason.strip().splitlines()[-1]}": failure.number
        for failure in reversed(tally.failures)
    }
    yield from (f"  FAILED {count:>2,}  {words} (execution {firsts[words]})" for words, count in reasons.most_common())


def reproduce(path: Path) -> int:
    """Read one file as every execution does; return the exit code."""
    sample = corpus.Sample(path.name, path.read_bytes(), None, bytes)
    try:
        print(*outcomes(Mutant(sample.content, sample, 0)), sep="\n")
    except FailedError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


def run_atheris(options: argparse.Namespace, samples: Sequence[Sample]) -> None:
    """Let atheris mutate, guided by coverage; it ends the process itself."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number, sample in enumerate(samples):
            (Path(folder) / f"{number}").write_bytes(sample.content)
        flags = [f"-runs={options.executions}", f"-seed={options.seed + 1}", f"-timeout={HANG}"]
        flags += [f"-max_total_time={options.seconds}", f"-artifact_prefix={options.failures}/", folder]
        options.failures.mkdir(parents=True, exist_ok=True)
        atheris.Setup([sys.argv[0], *flags], lambda content: outcomes(Mutant(content, samples[0], 0)))
        atheris.Fuzz()


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Mutates archives and reads them.")
    parser.add_argument("-n", "--executions", type=int, default=20_000, metavar="N", help="how many (default: 20,000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random numbers (default: 0)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first execution (default: 0)")
    parser.add_argument("--seconds", type=int, default=0, metavar="N", help="begin nothing more after this time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: cores)")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="mutate these files, too")
    parser.add_argument("--failures", type=Path, default=Path(".cache/fuzz"), metavar="FOLDER", help="where they go")
    parser.add_argument("--engine", choices=["mutation", "atheris"], default="mutation", help="who mutates")
    parser.add_argument("--reproduce", type=Path, metavar="FILE", help="read this file, and nothing else")
    return parser.parse_args()


def main() -> int:
    """Parse, execute, report; return the exit code."""
    options = parsed()
    if options.reproduce:
        return reproduce(options.reproduce)
    samples = [*corpus.made(), *(corpus.given(options.corpus) if options.corpus else ())]
    if options.engine == "atheris":
        run_atheris(options, samples)
    for sample in samples:
        original(sample)  # known to all processes, which begin as copies of this one
    begin = time.monotonic()
    tally = Run(options, samples)()
    tally.failures.sort()
    print(*report(tally, options, len(samples), time.monotonic() - begin), sep="\n")
    save(options.failures, options.seed, tally.failures, samples)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
