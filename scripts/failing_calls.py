#!/usr/bin/env python3
"""Lets one system call of a command fail, again and again: the failure has to be told, and other accounts stay whole.

    scripts/failing_calls.py --runs 2000              # as many failures, over all commands
    scripts/failing_calls.py --runs 1 --seed 7 --first 42   # run 42 of seed 7, once more
    scripts/failing_calls.py --command list --runs 50

Invented accounts lie in an image. Each command is traced once with strace(1) and nothing fails: that tells its calls on
evidence, on its catalog, its output and its temporary files. Then one of them fails in each run, with an error that the
system knows for it (EIO, ESTALE, EACCES, ENOSPC, EMFILE, EINTR …), chosen by the seed. What must hold:

- no traceback, no error in the program itself, no hang;
- the answer, the exit code and the file written are as without the failure, or the exit code is 2 and a line says why;
- of accounts whose files no failing call was about, each row is there, and as it was;
- a file that is written is the old one or the whole new one.

Exit code 1 where one of these does not hold. Needs Linux and strace.
"""

import argparse
import compileall
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from writers.installatron import Entry, gzip_bytes, record, tar_bytes

PATIENCE: Final = 60
"""Seconds that a run may take."""
TIME: Final = 1718312121  # 2024-06-13 20:55:21 UTC
COMMAND: Final = "from backupmeta.cli import console; console()"
ACCOUNTS: Final = {
    "annaberg": "home/annaberg",
    "bertholt": "home/bertholt",
    "carolina": "home2/carolina",
    "dorothea": "data/users/dorothea",
    "emiliano": "var/www/vhosts/emiliano",
}
"""Where each account lies in the image; ``/home3`` is a link to ``/data/users``."""

_READING: Final = ("EIO", "ESTALE", "EINTR")
_WRITING: Final = ("ENOSPC", "EIO", "EDQUOT", "EINTR")
_NAMING: Final = ("EIO", "EACCES", "ESTALE")
_OPENING: Final = ("EIO", "EACCES", "EMFILE", "ENFILE", "ESTALE", "ENOMEM", "EINTR")
ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "openat": _OPENING,
    "newfstatat": _NAMING,
    "fstat": _NAMING,
    "statx": _NAMING,
    "lstat": _NAMING,
    "stat": _NAMING,
    "readlink": _NAMING,
    "readlinkat": _NAMING,
    "access": _NAMING,
    "faccessat2": _NAMING,
    "getdents64": _READING,
    "read": _READING,
    "pread64": _READING,
    "lseek": ("EIO", "ESTALE"),
    "close": ("EIO", "EINTR"),
    "fcntl": ("EIO", "ENOLCK", "EMFILE"),
    "write": _WRITING,
    "pwrite64": _WRITING,
    "ftruncate": ("ENOSPC", "EIO"),
    "fallocate": ("ENOSPC",),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "renameat": ("EIO", "ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "unlinkat": ("EIO", "EACCES"),
    "mkdir": ("ENOSPC", "EACCES"),
    "rmdir": ("EIO", "EACCES"),
    "fchmod": ("EIO", "EPERM"),
    "dup": ("EMFILE",),
}
"""How each call fails."""


# --- an invented disk -------------------------------------------------------------------------------------------------


class Disk(NamedTuple):
    """Where everything lies.

    Attributes:
        base: the folder of all.
        image: the evidence.
        catalog: a catalog of it, as it was before an account changed.
        temporary: the folder for temporary files.
        out: where commands write.
    """

    base: Path
    image: Path
    catalog: Path
    temporary: Path
    out: Path


def disk(base: Path) -> Disk:
    """Make an image in ``base``, and its catalog."""
    made = Disk(base, base / "image", base / "catalogs/catalog.sqlite", base / "temporary", base / "out")
    for folder in (made.catalog.parent, made.temporary, made.out):
        folder.mkdir(parents=True)
    for number, (name, home) in enumerate(ACCOUNTS.items()):
        account(made.image / home, name, number)
    (made.image / "home3").symlink_to("/data/users")
    many(made.image / "opt/many")
    scan = ("scan", "--sysroot", str(made.image), "-o", str(made.catalog), "--members", "--jobs", "1")
    ran = subprocess.run(
        [sys.executable, "-c", COMMAND, *scan],
        env=environment(made),
        capture_output=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"failing_calls: the first scan ended with {ran.returncode}: {ran.stderr.decode()}")
    return made


def account(home: Path, name: str, number: int) -> None:
    """Make an account with an install, two backups, and a folder beside them."""
    install = f"i{number}x4kq9m2v7c8n3z5l6j0h1g2"
    for folder in (".appdata/current", ".appdata/backups", "application_backups", "public_html"):
        (home / folder).mkdir(parents=True)
    lines = [("installer", "wordpress"), ("version", "6.5.4"), ("owner", name), ("path", f"/home/{name}/public_html")]
    lines += [("url", f"https://{name}.example/"), ("url-domain", f"{name}.example"), ("title", "Blog")]
    lines += [("time", str(TIME - 86400)), ("db-pass", "invented")]
    (home / ".appdata/current" / install).write_bytes(record(lines))
    for which, time in enumerate((TIME, TIME + 86400)):
        file = f"app_{name}-example_Blog_2024-06-1{3 + which}_20-55-21.tar.gz"
        about = [("backup-install", install), ("backup-location", "local"), ("backup-time", str(time))]
        content = record([("backup-note", ""), *lines, *about, ("backup-filename", file)])
        (home / f".appdata/backups/b{number}{which}4kq9m2v7c8n3z5l6j0h1g2").write_bytes(content)
        members = [Entry(b"APP-META.INI", content, time), Entry(b"index.php", b"<?php\n" * 20_000 * (which + 1), time)]
        (home / "application_backups" / file).write_bytes(gzip_bytes(tar_bytes(members), time))


def many(folder: Path) -> None:
    """Make a folder of more archives than one process lists."""
    folder.mkdir(parents=True)
    for number in range(100):
        content = record([("installer", "wordpress"), ("backup-time", str(TIME)), ("title", f"Blog {number}")])
        packed = gzip_bytes(tar_bytes([Entry(b"APP-META.INI", content, TIME)]), TIME)
        (folder / f"app_example_{number}_2024-06-13_20-55-21.tar.gz").write_bytes(packed)


def environment(made: Disk) -> dict[str, str]:
    """Return what a command is run with: the same every time."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "VIRTUAL_ENV"}}
    return {**kept, "TMPDIR": str(made.temporary), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "HOME": str(made.out)}


# --- commands ---------------------------------------------------------------------------------------------------------

Rows = Callable[[bytes, Disk], list[str]]
"""Returns the rows of an answer, each as text that names its account."""


def lines(answer: bytes, _made: Disk) -> list[str]:
    """Return the rows of JSON lines."""
    return answer.decode().splitlines()


def targets(answer: bytes, _made: Disk) -> list[str]:
    """Return what ``verify --json`` says of each archive and account; nothing of an answer that is cut off."""
    with contextlib.suppress(ValueError):
        return [json.dumps(target) for target in json.loads(answer)["targets"]]
    return []


def cataloged(_answer: bytes, made: Disk) -> list[str]:
    """Return the backups in the catalog that was written."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(made.out / "new.sqlite")) as opened:
        return [json.dumps(row) for row in opened.execute(_BACKUPS)]
    return []


_BACKUPS: Final = """
SELECT a.path, a.status, b.id, b.title, b.url, b.backup_time, f.path, f.size, f.walked IS NULL
FROM all_backups b JOIN accounts a USING (account) LEFT JOIN all_files f ON f.file = b.archive_file
WHERE b.until IS NULL ORDER BY 1, 3
"""


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        arguments: what comes after its name; ``{image}`` and so on are the places of a `Disk`.
        rows: how the rows of its answer are told apart; None where it answers about one thing.
        writes: the file that it writes in the folder for that; empty for none.
    """

    arguments: tuple[str, ...]
    rows: Rows | None = None
    writes: str = ""

    def line(self, made: Disk) -> list[str]:
        """Return the command line."""
        places = {name: str(place) for name, place in made._asdict().items()}
        return [sys.executable, "-c", COMMAND, *(argument.format(**places) for argument in self.arguments)]


_ANNA: Final = f"{{image}}/{ACCOUNTS['annaberg']}"
_FIRST: Final = f"{_ANNA}/application_backups/app_annaberg-example_Blog_2024-06-13_20-55-21.tar.gz"
_SECOND: Final = f"{_ANNA}/application_backups/app_annaberg-example_Blog_2024-06-14_20-55-21.tar.gz"
_RECORD: Final = f"{_ANNA}/.appdata/backups/b004kq9m2v7c8n3z5l6j0h1g2"
_ID: Final = "b004kq9m2v7c8n3z5l6j0h1g2"
_ROOTS: Final = ("{image}/home", "{image}/home2", "{image}/data/users", "{image}/var/www/vhosts")
_NOW: Final = ("--now", "2024-06-15")
COMMANDS: Final[Mapping[str, Command]] = {
    "list": Command(("list", "--sysroot", "{image}", "--jsonl"), lines),
    "list of roots": Command(("list", *_ROOTS, "--jsonl", "--limit", "99"), lines),
    "list in two processes": Command(("list", "{image}/opt/many", "--jsonl")),
    "list a table": Command(("list", "--sysroot", "{image}", "--sort", "-backup_time")),
    "installs": Command(("installs", "--sysroot", "{image}", "--jsonl"), lines),
    "gone installs": Command(("installs", "--gone", "--sysroot", "{image}", "--jsonl"), lines),
    "view": Command(("view", _FIRST, "--provenance")),
    "view an id": Command(("view", _ID, "--sysroot", "{image}")),
    "explain": Command(("explain", _FIRST)),
    "explain a record": Command(("explain", _RECORD, "--json")),
    "members": Command(("members", _FIRST, "--json")),
    "cat": Command(("cat", _FIRST, "index.php")),
    "needs": Command(("needs", _FIRST, "--json")),
    "verify": Command(("verify", "--sysroot", "{image}", "--json", "--jobs", "1", *_NOW), targets),
    "verify in processes": Command(("verify", *_ROOTS, "--json", "--jobs", "2", *_NOW), targets),
    "verify to a file": Command(("verify", _ANNA, "--format", "sarif", "-o", "{out}/x.sarif", *_NOW), writes="x.sarif"),
    "diff": Command(("diff", _FIRST, _SECOND, "--deep", "--json")),
    "diff with the install": Command(("diff", _ID, "current", "--sysroot", "{image}")),
    "diff with a folder": Command(("diff", _FIRST, _ANNA, "--json")),
    "history": Command(("history", _ID, "--sysroot", "{image}", "--json")),
    "history of files": Command(("history", _ID, "--sysroot", "{image}", "--member", "*.php", "--jobs", "1")),
    "history in depth": Command(("history", _ID, "--sysroot", "{image}", "--deep", "--json", "--jobs", "2")),
    "timeline": Command(("timeline", "--sysroot", "{image}", "--jsonl", "--deep", "--jobs", "1"), lines),
    "timeline in processes": Command(("timeline", *_ROOTS, "--jsonl", "--deep", "--jobs", "2"), lines),
    "timeline to a file": Command(("timeline", _ANNA, "-o", "{out}/x.txt"), writes="x.txt"),
    "scan": Command(("scan", "--sysroot", "{image}", "-o", "{out}/new.sqlite", "--jobs", "1"), cataloged),
    "scan in processes": Command(("scan", *_ROOTS, "-o", "{out}/new.sqlite", "--deep", "--jobs", "2"), cataloged),
    "scan of members": Command(
        ("scan", "--sysroot", "{image}", "-o", "{out}/new.sqlite", "--members", "--jobs", "1"), cataloged
    ),
    "find": Command(("find", "{catalog}", "wordpress > 5", "--jsonl")),
    "find members": Command(("find", "{catalog}", "--member", "*.php", "--jsonl")),
    "export": Command(("export", "{catalog}", "--format", "csv", "-o", "{out}/x.csv"), writes="x.csv"),
    "stats": Command(("stats", "{catalog}", "--json", *_NOW)),
    "list a catalog": Command(("list", "--catalog", "{catalog}", "--json")),
    "verify a catalog": Command(("verify", "--catalog", "{catalog}", "--json", *_NOW)),
    "report": Command(("report", "{catalog}", "-o", "{out}/x.html", *_NOW), writes="x.html"),
    "report of an image": Command(
        ("report", "--sysroot", "{image}", "--format", "json", "-o", "{out}/x.json", "--jobs", "1", *_NOW),
        writes="x.json",
    ),
}


# --- runs -------------------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """A system call that a command made: its name, which of those of its process it was, and about what."""

    name: str
    number: int
    path: str


class Ran(NamedTuple):
    """What a command did."""

    code: int
    answer: bytes
    messages: str
    written: bytes | None
    rows: list[str]
    calls: list[Call]
    """All that were about our files; where one was to fail, those that did."""


_BEFORE: Final = b"what was there before\n"
_BEGUN: Final = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_RESUMED: Final = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")


def ran(made: Disk, command: Command, failure: str = "") -> Ran:
    """Run a command; let a call fail as strace's ``inject`` has it."""
    for path in (*made.out.iterdir(), *made.temporary.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if command.writes:
        (made.out / command.writes).write_bytes(_BEFORE)
    log, answer = made.base / "log", made.out / "answer"
    names = failure.partition(":")[0] or ",".join(ERRORS)
    trace = ["strace", "-f", "--seccomp-bpf", "-y", "-s", "0", "-o", str(log), "-e", f"trace={names}"]
    trace += ["-e", f"inject={failure}"] if failure else []
    with answer.open("wb") as stdout:
        ended = subprocess.run(
            [*trace, *command.line(made)],
            env=environment(made),
            cwd="/",
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    written = made.out / command.writes
    content = written.read_bytes() if command.writes and written.exists() else None
    given = answer.read_bytes()
    rows = command.rows(given, made) if command.rows else []
    messages = ended.stderr.decode("utf-8", "replace")
    return Ran(ended.returncode, given, messages, content, rows, list(calls(log, made.base, only_failed=bool(failure))))


def calls(log: Path, base: Path, *, only_failed: bool) -> Iterator[Call]:
    """Yield the calls in a log of strace that are about files below ``base``, or those that were made to fail.

    What Python did before the program began is none of its calls, nor is one of another process with such a number.
    """
    before: dict[str, int] | None = {} if only_failed else None
    counts, begun = Counter[tuple[str, str]](), dict[str, Call]()
    about = re.compile(rf'[<"](?P<folder>{re.escape(str(base))}[^>"]*)[>"](?:, "(?P<name>[^"]+)")?')
    for line in log.read_text(errors="replace").splitlines():
        if match := _BEGUN.match(line):
            counts[match["pid"], match["name"]] += 1
            path = about.search(match["rest"])
            folder = os.path.normpath(f"{path['folder']}/{path['name'] or ''}") if path else ""
            begun[match["pid"]] = Call(match["name"], counts[match["pid"], match["name"]], folder)
        elif (match := _RESUMED.match(line)) is None:
            continue
        if before is None and "/backupmeta/cli/" in line:
            before = {name: count for (_, name), count in counts.items()}
        call = begun[match["pid"]]
        if only_failed:
            yield from [call] if "(INJECTED)" in line else []
        elif (
            before is not None
            and call.path
            and call.number > before.get(call.name, 0)
            and not match["rest"].endswith("<unfinished ...>")
        ):
            yield call


# --- what must hold ---------------------------------------------------------------------------------------------------


def concerned(failed: Iterable[Call]) -> set[str]:
    """Return the accounts whose files the calls were about; all of them, where one was about none of these."""
    names = set[str]()
    for call in failed:
        names |= {name for name, folder in ACCOUNTS.items() if f"/{folder}/" in f"{call.path}/"} or set(ACCOUNTS)
    return names


def of_others(rows: Iterable[str], names: set[str]) -> list[str]:
    """Return the rows of accounts that are none of ``names``."""
    return sorted(row for row in rows if not any(name in row for name in names))


def broken(command: Command, whole: Ran, after: Ran) -> Iterator[str]:
    """Yield what does not hold of a run, against the same without a failure."""
    if "Traceback" in after.messages or "error in this program" in after.messages:
        yield "a traceback"
    if after.code not in {whole.code, 2}:
        yield f"exit code {after.code} instead of {whole.code} or 2"
    is_same = (after.answer, after.written, after.rows) == (whole.answer, whole.written, whole.rows)
    if after.code == whole.code != 2 and not is_same and not _is_timed(command):  # noqa: PLR2004
        yield "another answer, and no word about it"
    if after.code == 2 and not after.messages.strip() and b"not read: " not in after.answer:  # noqa: PLR2004
        yield "exit code 2, and no word about it"
    is_new = after.written == whole.written or _is_timed(command)
    if command.writes and not is_new and after.written != _BEFORE and after.code != 2:  # noqa: PLR2004
        yield "a file that is neither the old one nor the new one"
    names = concerned(after.calls)
    if command.rows and (missing := set(of_others(whole.rows, names)) - set(of_others(after.rows, names))):
        yield f"rows of other accounts are missing: {min(missing)[:200]}"


def _is_timed(command: Command) -> bool:
    """Tell whether an answer holds the time of its writing: it is another one each time, and can't be compared."""
    return command.arguments[0] in {"scan", "report"}


@dataclass
class Tally:
    """What came out.

    Attributes:
        runs: how many runs there were of each command.
        failed: how many calls were made to fail, by name and error.
        told: how many failures ended with exit code 2; the others made no difference.
        broken: what did not hold.
    """

    runs: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reported: int = 0
    broken: list[str] = field(default_factory=list)


class Trial:
    """Commands on one disk, and how they run when nothing fails."""

    def __init__(self, made: Disk, names: Iterable[str]) -> None:
        """Run each of the commands once, to count its calls; none of these is to compile a module."""
        compileall.compile_dir(Path(__file__).parent.parent / "backupmeta", quiet=1)
        self.made = made
        self.whole = {name: ran(made, COMMANDS[name]) for name in names}

    def run(self, random: Random, tally: Tally) -> list[str]:
        """Let a call fail, chosen at ``random``; return what did not hold."""
        name = random.choice(sorted(self.whole))
        whole = self.whole[name]
        kinds = sorted({call.name for call in whole.calls})
        kind = random.choice(kinds)
        call = random.choice([call for call in whole.calls if call.name == kind])
        error = random.choice(ERRORS[kind])
        failure = f"{call.name}:error={error}:when={call.number}"
        try:
            after = ran(self.made, COMMANDS[name], failure)
        except subprocess.TimeoutExpired:
            return [f"{name}: {failure}: hangs"]
        if not after.calls or not all(call.path for call in after.calls):
            return []  # the process did otherwise this time, and a file of Python's own would have failed
        tally.runs[name] += 1
        tally.failed[f"{call.name} {error}"] += 1
        tally.reported += after.code == 2  # noqa: PLR2004
        about = ", ".join(sorted({call.path.removeprefix(f"{self.made.base}/") for call in after.calls}))
        messages = after.messages.strip().replace("\n", " | ")[:600]
        return [
            f"{name}: {failure} on {about}: {promise} [{messages}]" for promise in broken(COMMANDS[name], whole, after)
        ]


def main() -> int:
    """Run the trials; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--command", action="append", choices=sorted(COMMANDS), help="Only this one. Repeatable.")
    asked = parser.parse_args()
    tally, number = Tally(), asked.first
    with tempfile.TemporaryDirectory(prefix="failing-calls-") as folder:
        trial = Trial(disk(Path(folder).resolve()), asked.command or COMMANDS)
        while tally.runs.total() < asked.runs:
            faults = trial.run(Random(f"{asked.seed} {number}"), tally)
            for fault in faults:
                print(f"{number}: {fault}", flush=True)
            tally.broken += faults
            number += 1
    print(f"{tally.runs.total():,} runs; {tally.reported:,} failures were told, {len(tally.broken):,} broke a promise")
    for name, count in sorted(tally.runs.items()):
        print(f"  {count:5,}  {name}")
    print("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(tally.failed.items())))
    return 1 if tally.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
