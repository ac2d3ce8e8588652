#!/usr/bin/env python3
"""Makes archives with trees of links, at random; none that passes `verify --select safe` may put or lead anything out.

    scripts/link_trees.py 10000                # that many archives
    scripts/link_trees.py 10000 --seed 7       # others
    scripts/link_trees.py 1 --seed 7 --first 42          # archive 42 of seed 7, once more, and what is in it
    scripts/link_trees.py 10000 --python /usr/bin/python3    # with the tarfile of another Python

Those that pass where only errors fail, a superset of those that pass, are unpacked by GNU tar, bsdtar and tarfile
(at once, and member by member past what fails), each into an empty folder of its own with other files around, as the
user nobody where root asks. An escape is a change around that folder, a link in it that the system follows out of it,
or whose `os.path.realpath` is outside. Exit code 1 on any.
"""

import argparse
import io
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

NOBODY: Final = 65534
AROUND: Final = "1/2/3/4"
"""The folders between an archive's own one and the one that is unpacked into."""

NAMES: Final = ("a", "b", "c")
WILD: Final = 0.3
"""How many archives have targets of any parts; the others' stay inside by names alone."""
AGAIN: Final = 0.1
"""How many members have the name of one before them."""
ODD: Final = 0.05
"""How many names and targets are written in another way."""
LONG: Final = 2100
"""How often ``./`` stands in a target that is longer than any path may be."""
KNOWN: Final = 0.8
"""How many hard links lead to a member before them."""
UP: Final = 0.4
"""How often a target that stays inside goes up where it can."""
LINKS_IN_A_ROW: Final = 40
CHUNK: Final = 250
RECORD: Final = b"installer=wordpress\n"
TIME: Final = 1_718_312_121
SECONDS: Final = 600

Member = tuple[bytes, str, str]
"""A member: its type (POSIX ustar), its name, a link's target."""


class Tree(NamedTuple):
    """An archive: its number, its members."""

    number: int
    members: tuple[Member, ...]

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return packed(self.members)

    def __str__(self) -> str:
        """Return it in a line."""
        kinds = {tarfile.REGTYPE: "", tarfile.DIRTYPE: "/", tarfile.SYMTYPE: " -> ", tarfile.LNKTYPE: " == "}
        return f"{self.number}: " + ", ".join(f"{name}{kinds[kind]}{link}" for kind, name, link in self.members)


def packed(members: Iterable[Member]) -> bytes:
    """Return an archive of a record and ``members``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        first = tarfile.TarInfo("APP-META.INI")
        first.size, first.mtime = len(RECORD), TIME
        archive.addfile(first, io.BytesIO(RECORD))
        for kind, name, link in members:
            header = tarfile.TarInfo(name)
            header.type, header.linkname, header.mtime = kind, link, TIME
            header.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            archive.addfile(header)
    return buffer.getvalue()


# --- made at random ---------------------------------------------------------------------------------------------------


def made(seed: int, number: int) -> Tree:
    """Return the archive of this ``number``."""
    random = Random(f"{seed} {number}")
    letters, is_wild = NAMES[: random.choice([2, 3])], random.random() < WILD
    names, members = list[str](), list[Member]()
    for _ in range(random.randint(3, 8)):
        name = random.choice(names) if names and random.random() < AGAIN else _name(random, letters)
        if random.random() < ODD:
            name = random.choice([name.upper(), f"./{name}", f"{name}/.", f"{name}/", name.replace("/", "\\", 1)])
        members.append(_member(random, letters, name, names, is_wild=is_wild))
        names.append(name)
    return Tree(number, tuple(members))


def _member(random: Random, letters: Sequence[str], name: str, names: Sequence[str], *, is_wild: bool) -> Member:
    kind = random.choices([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE], [25, 20, 40, 15])[0]
    if kind not in {tarfile.LNKTYPE, tarfile.SYMTYPE}:
        return kind, name, ""
    if kind == tarfile.LNKTYPE:
        target = random.choice(names) if names and random.random() < KNOWN else _name(random, letters)
    else:
        target = _wild(random, letters) if is_wild else _tame(random, letters, name.count("/"))
    if random.random() < ODD:
        # Not two slashes: realpath of Python 3.11 takes what comes after them in a circle for a path from the root.
        odd = ["", "./" * LONG + target, target.replace("/", "\\", 1), target.upper()]
        target = random.choice(odd)
    return kind, name, target


def _name(random: Random, letters: Sequence[str]) -> str:
    return "/".join(random.choices(letters, k=random.choice([1, 1, 2, 2, 3])))


def _wild(random: Random, letters: Sequence[str]) -> str:
    weights = [3] * len(letters) + [4, 1]
    return "/".join(random.choices([*letters, "..", "."], weights, k=random.randint(1, 5)))


def _tame(random: Random, letters: Sequence[str], depth: int) -> str:
    """Return a target that stays inside by names alone, from a folder of that ``depth``."""
    steps = [".."] * random.randint(0, depth)
    height = depth - len(steps)
    for _ in range(random.randint(1, 5)):
        is_up = height > 0 and random.random() < UP
        steps.append(".." if is_up else random.choice(letters))
        height += -1 if is_up else 1
    return "/".join(steps)


# --- judged -----------------------------------------------------------------------------------------------------------


class Judgement(NamedTuple):
    """How `verify --select safe` judges an archive: by its warnings, too, and by errors alone."""

    passes: bool
    passes_by_errors: bool


def judged(path: Path) -> Judgement:
    """Return how the archive at ``path`` is judged."""
    from backupmeta.checks.policy import DEFAULT, Verdict
    from backupmeta.findings import Severity
    from backupmeta.search import Search
    from backupmeta.verification import verify

    (verification,) = verify(Search((str(path),)), DEFAULT.with_options(select=("safe",)))
    has_error = verification.verdict is Verdict.UNREADABLE or any(
        finding.severity is Severity.ERROR for finding in verification.judged
    )
    return Judgement(verification.verdict is Verdict.PASS, not has_error)


# --- unpacked ---------------------------------------------------------------------------------------------------------


def by_tarfile(archive: Path, sandbox: Path) -> None:
    """Unpack all at once; an error ends it."""
    with suppress(OSError, tarfile.TarError, KeyError, RecursionError, ValueError), tarfile.open(archive) as opened:
        opened.extractall(sandbox)  # noqa: S202 - that is what is tried


def by_tarfile_each(archive: Path, sandbox: Path) -> None:
    """Unpack a member after the other; those that can't be are passed over."""
    with tarfile.open(archive) as opened:
        for member in opened:
            with suppress(OSError, tarfile.TarError, KeyError, RecursionError, ValueError):
                opened.extract(member, sandbox)


def _by_command(command: str) -> Callable[[Path, Path], None]:
    def unpack(archive: Path, sandbox: Path) -> None:
        subprocess.run([command, "-xf", archive, "-C", sandbox], capture_output=True, check=False, timeout=SECONDS)

    return unpack


PROGRAMS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "GNU tar": _by_command("tar"),
    "bsdtar": _by_command("bsdtar"),
    "tarfile": by_tarfile,
    "tarfile, each": by_tarfile_each,
}


def sandboxed(around: Path) -> Path:
    """Make a folder to unpack into, with files and folders around it that links may lead to; all have one time."""
    sandbox = around / AROUND / "sandbox"
    sandbox.mkdir(parents=True)
    for above in sandbox.parents[: AROUND.count("/") + 2]:
        for name in NAMES:
            (above / name / "a").mkdir(parents=True)
            (above / name / "canary").write_text("canary")
        (above / "canary").write_text("canary")
    for folder, _, names in os.walk(around, topdown=False):
        for path in (*(os.path.join(folder, name) for name in names), folder):  # noqa: PTH118
            os.utime(path, (TIME, TIME))
    return sandbox


def surroundings(around: Path, sandbox: Path) -> dict[str, tuple[object, ...]]:
    """Return what lies around a sandbox: each path, what it is and what is in it."""
    states: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(around):
        if Path(folder) == sandbox.parent:
            folders.remove("sandbox")
        for name in (".", *folders, *names):
            path = os.path.join(folder, name)  # noqa: PTH118
            states[os.path.relpath(path, around)] = _state(path)
    return states


def _state(path: str) -> tuple[object, ...]:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return status.st_mode, status.st_mtime
        return status.st_mode, status.st_mtime, status.st_nlink, Path(path).read_bytes()
    except OSError as error:  # somebody took the rights away
        return (error.errno,)


def leads_out(sandbox: str, link: str) -> bool:
    """Tell whether the system follows a ``link`` out of the ``sandbox``, or `os.path.realpath` does."""
    return _is_followed_out(sandbox, link) or not _is_in(sandbox, os.path.realpath(link))


def _is_followed_out(sandbox: str, link: str) -> bool:
    at, steps, followed = os.path.dirname(link), [os.path.basename(link)], 0  # noqa: PTH119, PTH120
    while steps and followed <= LINKS_IN_A_ROW:
        step = steps.pop()
        if step in {"", "."}:
            continue
        path = os.path.dirname(at) if step == ".." else os.path.join(at, step)  # noqa: PTH118, PTH120
        if not _is_in(sandbox, path):
            return True
        if os.path.islink(path):  # noqa: PTH114
            target, followed = os.readlink(path), followed + 1  # noqa: PTH115
            if target.startswith("/"):
                return True
            steps += reversed(target.split("/"))
        elif os.path.isdir(path) or not steps:  # noqa: PTH112
            at = path
        else:
            return False
    return False


def _is_in(sandbox: str, path: str) -> bool:
    return path == sandbox or path.startswith(f"{sandbox}/")


def escapes(around: Path, before: dict[str, tuple[object, ...]]) -> Iterator[str]:
    """Yield what was put out of the sandbox in ``place``, and which links in it lead out."""
    sandbox = around / AROUND / "sandbox"
    after = surroundings(around, sandbox)
    yield from (path for path in {**before, **after} if before.get(path) != after.get(path))
    for folder, folders, names in os.walk(sandbox):
        for name in (*folders, *names):
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.islink(path) and leads_out(str(sandbox), path):  # noqa: PTH114
                yield f"{os.path.relpath(path, sandbox)} -> {os.readlink(path)}"  # noqa: PTH115


def unpack_all(folder: Path) -> None:
    """Unpack the archives in a folder by each program, each into a place of its own beside it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.chdir(folder)
    for archive in sorted(folder.glob("*.tar")):
        for name, unpack in PROGRAMS.items():
            unpack(archive, sandboxed(folder / f"{archive.stem} {name}"))


# --- all of it --------------------------------------------------------------------------------------------------------


def tried(trees: Iterable[Tree], tally: "Counter[str]", python: str = sys.executable) -> list[str]:
    """Judge the archives and unpack those that pass; return the escapes, each a line, and count in ``tally``."""
    with tempfile.TemporaryDirectory() as name:
        folder, passed = Path(name).resolve(), dict[str, Tree]()
        folder.chmod(0o777)
        for tree in trees:
            path = folder / f"{tree.number}.tar"
            path.write_bytes(tree.content)
            judgement = judged(path)
            tally["pass"] += judgement.passes
            tally["pass by errors alone"] += judgement.passes_by_errors
            tally["refused"] += not judgement.passes_by_errors
            if judgement.passes_by_errors:
                passed[str(tree.number)] = tree
            else:
                path.unlink()
        subprocess.run([python, __file__, "--unpack", str(folder)], check=True, timeout=SECONDS)
        before = surroundings(folder / "pristine", sandboxed(folder / "pristine"))
        return [
            f"{tree}\n    {program}: {escape}"
            for number, tree in passed.items()
            for program in PROGRAMS
            for escape in escapes(folder / f"{number} {program}", before)
        ]


def main() -> int:
    """Do what the arguments ask."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--unpack", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.unpack:
        unpack_all(asked.unpack)
        return 0
    tally, faults, end = Counter[str](), list[str](), asked.first + asked.count
    for first in range(asked.first, end, CHUNK):
        numbers = range(first, min(first + CHUNK, end))
        faults += tried((made(asked.seed, number) for number in numbers), tally, asked.python)
    if asked.count == 1:
        print(made(asked.seed, asked.first))
    print("\n".join([*faults, f"{asked.count:,} archives of seed {asked.seed}: {dict(tally)}, {len(faults)} escapes"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
