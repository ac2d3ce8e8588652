#!/usr/bin/env python3
"""Damages and alters catalogs, and asks them: no traceback, and no answer that is another one without saying so.

    scripts/mutate_catalogs.py                           # 10,000 mutants, on all cores
    scripts/mutate_catalogs.py --mutants 500 --seed 7
    scripts/mutate_catalogs.py --seed 7 --first 123 --mutants 1   # mutant 123 of seed 7, once more

Mutant i depends on the seed and i only. Each is asked with some of the commands, as a user calls them: an answer with
exit code 2 says in a line why; any other one is, byte for byte, that of the whole catalog. Every fifth is scanned, too:
after that the answers about what is there now are those of the whole catalog. Exit code 1 where anything else happens.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final, NamedTuple
from unittest.mock import patch

from benchmarks import fleets

from backupmeta.catalog.database import LOCK
from backupmeta.catalog.schema import TABLES
from backupmeta.cli import main as backupmeta

FIXTURES: Final = Path(__file__).parent.parent / "fixtures" / "accounts"
READABLE: Final = ("claimed-twice", "example", "malformed-names", "plesk", "recompressed", "two-homes")
"""Accounts in which nothing is unreadable: they are answered about with exit code 0 or 1."""
NOW: Final = ("--now", "2026-01-01")
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "find": ("find", "CATALOG", "--jsonl"),
    "find an application": ("find", "CATALOG", "wordpress >= 1", "--jsonl", "--provenance"),
    "find a plugin": ("find", "CATALOG", "--plugin", "akismet", "--csv"),
    "find a time": ("find", "CATALOG", "--since", "2020-01-01", "--jsonl"),
    "find an owner's backups": ("find", "CATALOG", "--login", "admin", "--verdict", "fail", "--jsonl"),
    "find a finding": ("find", "CATALOG", "--finding", "plugin-missing", "--jsonl"),
    "find members": ("find", "CATALOG", "--member", "*", "--jsonl"),
    "find a digest": ("find", "CATALOG", "--member-sha256", "DIGEST", "--csv"),
    "list": ("list", "--catalog", "CATALOG", "--json"),
    "installs": ("installs", "--catalog", "CATALOG", "--jsonl"),
    "gone installs": ("installs", "--gone", "--catalog", "CATALOG", "--jsonl"),
    "stats": ("stats", "CATALOG", "--json", *NOW),
    "report": ("report", "CATALOG", "--json", *NOW),
    "verify": ("verify", "--catalog", "CATALOG", "--json", *NOW),
    "view": ("view", "ID", "--catalog", "CATALOG"),
    **{
        f"export {table}": ("export", "CATALOG", "--format", "jsonl", "--table", table)
        for table in (
            "backups",
            "installs",
            "plugins",
            "files",
            "findings",
            "provenance",
            "history",
            "gone_installs",
            "accounts",
            "scans",
        )
    },
}
"""What is asked, by name."""

AFTER_SCAN: Final = ("find", "find a plugin", "find members", "find a digest", "installs", "gone installs", "verify")
"""What is about that which is there now, and the same however often it is scanned."""

ASKED: Final = 4
"""How many commands are asked of each mutant."""

SCANNED: Final = 5
"""Every so many mutants one is scanned, too."""

PAGE: Final = 4096
"""The length of a catalog's pages in bytes, as SQLite makes them by default."""


class Answer(NamedTuple):
    """What a command printed, and its exit code; the traceback of what ended it otherwise, if anything did."""

    code: int
    out: bytes
    err: str
    trace: str = ""


class Whole(NamedTuple):
    """A whole catalog: its file, the root that was scanned, what ID and DIGEST stand for, and the commands' answers."""

    path: Path
    root: Path
    words: Mapping[str, str]
    answers: Mapping[str, Answer]


def asked(arguments: Sequence[str]) -> Answer:
    """Return what the command with these ``arguments`` answers, in this process."""
    out, err = io.BytesIO(), io.StringIO()
    stdout, code, trace = io.TextIOWrapper(out, encoding="utf-8"), -1, ""
    with (
        patch.object(sys, "argv", ["backupmeta", *arguments]),
        patch("backupmeta.cli.catalog_cmds.time", lambda: 0),  # when a report is written
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(err),
    ):
        try:
            backupmeta()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else -1
        except Exception:  # noqa: BLE001 - which one is what is asked
            trace = traceback.format_exc()
        stdout.flush()
    return Answer(code, out.getvalue(), err.getvalue(), trace)


def command(name: str, catalog: Path, words: Mapping[str, str]) -> list[str]:
    """Return the arguments of a command about ``catalog``."""
    return [{"CATALOG": str(catalog), **words}.get(argument, argument) for argument in COMMANDS[name]]


def whole(folder: Path) -> Whole:
    """Make accounts in ``folder``, and a catalog of them, scanned deep and twice, with a change between."""
    root, path = folder / "root", folder / "catalog.sqlite"
    for name in READABLE:
        shutil.copytree(FIXTURES / name, root / name, symlinks=True)
    fleets.write_fleet(root / "fleet", 3, 3)
    scan(root, path)
    min((root / "fleet").rglob("*.tar.gz")).unlink()
    min((root / "fleet").rglob(".appdata/current/*")).unlink()
    scan(root, path)
    with closing(sqlite3.connect(path)) as connection:
        [id_] = connection.execute(
            "SELECT id FROM backups WHERE state = 'paired' GROUP BY id HAVING id IS NOT NULL AND count(*) = 1 LIMIT 1"
        ).fetchone()
        [digest] = connection.execute(
            "SELECT lower(hex(max(digest))) FROM member_versions JOIN member_runs USING (version) WHERE last IS NULL"
        ).fetchone()
    words = {"ID": id_, "DIGEST": digest}
    answers = {name: asked(command(name, path, words)) for name in COMMANDS}
    if unsaid := {name: answer for name, answer in answers.items() if answer.trace or answer.code not in {0, 1}}:
        raise SystemExit(f"the whole catalog is not answered from: {unsaid}")
    return Whole(path, root, words, answers)


def scan(root: Path, path: Path) -> Answer:
    """Scan all below ``root`` into the catalog at ``path``."""
    return asked(["scan", str(root), "-o", str(path), "--members", "--jobs", "1"])


Change = Callable[[Random, Path], None]


def _bytes(random: Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 1, 2, 8))):
        content[random.randrange(len(content))] = random.randrange(256)
    path.write_bytes(content)


def _beginning(random: Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[random.randrange(16, 200)] = random.randrange(256)
    path.write_bytes(content)


def _pages(random: Random, path: Path) -> None:
    content = path.read_bytes()
    pages = [content[place : place + PAGE] for place in range(0, len(content), PAGE)]
    first, second = random.randrange(1, len(pages)), random.randrange(1, len(pages))
    how = random.randrange(5)
    if how == 0:
        pages[first], pages[second] = pages[second], pages[first]
    elif how == 1:
        pages[first] = pages[second]
    elif how == 2:  # noqa: PLR2004 - the third of five
        pages[first] = bytes(PAGE)
    elif how == 3:  # noqa: PLR2004
        pages[first] = random.randbytes(PAGE)
    else:
        half = random.randrange(PAGE)
        pages[first] = pages[first][:half] + pages[second][half:]
    path.write_bytes(b"".join(pages))


def _cut(random: Random, path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, random.choice((random.randrange(size), random.randrange(size // PAGE) * PAGE, size - 1)))


def _texts(random: Random, path: Path) -> None:
    content = path.read_bytes()
    old, new = random.choice(
        (
            (b"wordpress", b"wordprest"),
            (b"paired", b"remote"),
            (b"archive", b"barchiv"),
            (b"pass", b"fail"),
            (b"akismet", b"akismat"),
            (b"example", b"\xff\xfe\xfd\x80\x81\x82\x83"),
            (b"present", b"vanishe"),
            (b"warning", b"errorrr"),
            (b"[{", b"{["),
            (b"CREATE VIEW", b"CREATE VIEV"),
            (b"until IS NULL", b"until IS 7   "),
            (b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfe"),
        )
    )
    places = [place for place in range(len(content)) if content.startswith(old, place)]
    chosen = places if random.random() < 0.3 else random.sample(places, min(len(places), 1))  # noqa: PLR2004
    changed = bytearray(content)
    for place in chosen:
        changed[place : place + len(old)] = new
    path.write_bytes(changed)


_VALUES: Final = (
    *(
        "NULL",
        "''",
        "0",
        "1",
        "-1",
        "x''",
        "'0'",
        "'x'",
        "9223372036854775807",
        "'[]'",
        "'{{'",
        "'[1,2]'",
        "'a' || char(0)",
    ),
    *("{column} || 'x'", "{column} + 1", "substr({column}, 2)", "upper({column})", "CAST(x'ff' AS TEXT)", "{other}"),
    "(SELECT {column} FROM {table} LIMIT 1 OFFSET {place})",
)
"""What a cell may become."""

_STATEMENTS: Final = (
    "UPDATE {table} SET {column} = {value} WHERE {row}",
    "UPDATE {table} SET {column} = {value}",
    "DELETE FROM {table} WHERE {row}",
    "DELETE FROM {table}",
    "INSERT INTO {table} ({names}) SELECT {names} FROM {table} WHERE {row}",
    "UPDATE {table} SET {key} = {key} + 1000 WHERE {row}",
)


def _statement(random: Random, connection: sqlite3.Connection) -> str:
    """Return a statement that alters one row, or all of a table."""
    table = random.choice(TABLES)
    count = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]  # noqa: S608 - our own names
    words = {
        "table": table.name,
        "key": table.columns[0].name,
        "column": random.choice(table.columns).name,
        "other": random.choice(table.columns).name,
        "names": ", ".join(column.name for column in table.columns[1:]),
        "place": str(random.randrange(max(count, 1))),
    }
    words["row"] = "rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {place})".format_map(words)
    words["value"] = random.choice(_VALUES).format_map(words)
    return random.choice(_STATEMENTS).format_map(words)


def _rows(random: Random, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for _ in range(random.choice((1, 1, 1, 3))):
            with contextlib.suppress(sqlite3.Error):  # a strict table takes no other type
                connection.execute(_statement(random, connection))


def _accounts(random: Random, path: Path) -> None:
    """Take an account away as a whole, or give what it has to another one."""
    owned = [table.name for table in TABLES if any(column.name == "account" for column in table.columns)]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        numbers = [number for (number,) in connection.execute("SELECT account FROM accounts")]
        first, second = random.sample(numbers, 2)
        for name in owned if random.random() < 0.6 else random.sample(owned, 2):  # noqa: PLR2004
            if random.random() < 0.7:  # noqa: PLR2004
                connection.execute(f"DELETE FROM {name} WHERE account = ?", (first,))  # noqa: S608 - our own names
            else:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute(f"UPDATE {name} SET account = ? WHERE account = ?", (second, first))  # noqa: S608


_SCHEMA: Final = (
    "CREATE TRIGGER late AFTER INSERT ON all_files BEGIN DELETE FROM all_files WHERE file = new.file; END",
    "CREATE TRIGGER early BEFORE UPDATE ON accounts BEGIN DELETE FROM all_backups; END",
    "CREATE VIEW more AS SELECT 1",
    "CREATE TABLE beside (a)",
    "CREATE INDEX partial ON all_backups (id) WHERE id > 'k'",
    "DROP VIEW backups; CREATE VIEW backups AS SELECT * FROM all_backups LIMIT 1",
    "DROP VIEW duplicates; CREATE VIEW duplicates AS SELECT 1 AS copies, 0 AS wasted_bytes",
    "DROP VIEW findings",
    "DROP INDEX all_files_by_account",
    "DROP INDEX all_backups_by_id; CREATE INDEX all_backups_by_id ON all_backups (url)",
    "DROP TABLE all_findings",
    "DROP TABLE seals",
    "ALTER TABLE all_backups RENAME TO old; CREATE VIEW all_backups AS SELECT * FROM old LIMIT 2",
    "ALTER TABLE all_files ADD COLUMN more TEXT",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = 9",
    "PRAGMA user_version = 0",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'accounts'",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE type = 'index'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 3 WHERE name = 'all_backups_by_id'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2 WHERE name = 'all_files'",
    "ANALYZE; UPDATE sqlite_stat1 SET stat = '1 1 1'",
    "UPDATE seals SET digest = x''",
    "UPDATE seals SET digests = substr(digests, 18)",
    "DELETE FROM seals WHERE account = 0",
    "DELETE FROM seals WHERE account = 1",
    "UPDATE seals SET account = account + 100",
    "INSERT INTO seals SELECT 999, digest, digests FROM seals WHERE account = 1",
    "PRAGMA page_size = 1024; VACUUM",
    "PRAGMA encoding = 'UTF-16le'; VACUUM",
    "PRAGMA auto_vacuum = 1; VACUUM",
)


def _schema(random: Random, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, contextlib.suppress(sqlite3.Error):
        connection.executescript(random.choice(_SCHEMA))


CHANGES: Final[Mapping[str, Change]] = {
    "bytes": _bytes,
    "beginning": _beginning,
    "pages": _pages,
    "cut": _cut,
    "texts": _texts,
    "rows": _rows,
    "rows again": _rows,
    "accounts": _accounts,
    "schema": _schema,
}
"""How a catalog is altered."""


class Outcome(NamedTuple):
    """What came of a mutant: how it was altered, what each command did, and what should not have happened."""

    number: int
    kind: str
    outcomes: tuple[str, ...]
    faults: tuple[str, ...]


def mutant(number: int, seed: int, known: Whole, folder: Path) -> Outcome:
    """Make the mutant of this number in ``folder``, ask it, and return what came of it."""
    random = Random(f"{seed} {number}")  # it can be made again
    for old in folder.iterdir():
        old.unlink()
    path = folder / known.path.name
    for end in ("", LOCK):  # the lock knows what the last scan left
        shutil.copyfile(f"{known.path}{end}", f"{path}{end}")
    kind = random.choice(tuple(CHANGES))
    CHANGES[kind](random, path)
    outcomes, faults = [], []
    for name in random.sample(tuple(COMMANDS), ASKED):
        outcome, fault = _judged(known.answers[name], asked(command(name, path, known.words)), known, path)
        outcomes.append(outcome)
        faults += [f"{name}: {fault}"] if fault else []
    if number % SCANNED == 0:
        outcome, more = _scanned(known, path, random)
        outcomes.append(outcome)
        faults += more
    return Outcome(number, kind, tuple(outcomes), tuple(faults))


def _judged(whole_: Answer, answer: Answer, known: Whole, path: Path) -> tuple[str, str]:
    """Return what an answer is, in a word, and what is wrong with it, if anything."""
    if answer.trace or "Traceback" in answer.err:
        return "traceback", answer.trace or answer.err
    if answer.code == 2:  # noqa: PLR2004 - what could not be read
        said = (*(line for line in answer.err.splitlines() if ": as of " not in line), os.fsdecode(answer.out))
        return "told", "" if any(str(path) in line for line in said) else f"exit code 2, and {answer.err!r}"
    said_of = answer.out.replace(os.fsencode(path), os.fsencode(known.path))
    if (answer.code, said_of.replace(_digest(path), _digest(known.path))) == (whole_.code, whole_.out):
        return "same", ""
    return "silent", f"exit code {answer.code}, another answer: {_apart(whole_.out, answer.out)}"


def _digest(path: Path) -> bytes:
    """Return a catalog's SHA-256, which a report has in it."""
    return sha256(path.read_bytes()).hexdigest().encode()


def _apart(expected: bytes, actual: bytes) -> str:
    at = next(
        (n for n, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), min(len(expected), len(actual))
    )
    part = slice(max(at - 20, 0), at + 60)
    return f"{len(expected)} and {len(actual)} bytes, from {at}: {expected[part]!r}, {actual[part]!r}"


def _scanned(known: Whole, path: Path, random: Random) -> tuple[str, list[str]]:
    """Scan into a mutant, and return what came out, in a word, and what is wrong with it."""
    answer = scan(known.root, path)
    if answer.trace or answer.code not in {0, 2}:
        return "traceback", [f"scan: {answer.code} {answer.trace} {answer.err}"]
    if not path.exists() or b"catalog.sqlite: " not in answer.out:
        return ("scan refused", []) if str(path) in answer.err else ("silent", [f"scan: {answer.err!r}"])
    name = random.choice(AFTER_SCAN)
    outcome, fault = _judged(known.answers[name], asked(command(name, path, known.words)), known, path)
    if outcome == "told":
        fault = "after a scan it is told still"
    return f"scan, then {outcome}", [f"scan ({answer.err}), then {name}: {fault}"] if fault else []


CHUNK: Final = 50
"""How many mutants are made between two lines that tell how far it is; a whole catalog is made for each chunk."""


def _chunk(task: tuple[int, range]) -> list[Outcome]:
    """Return what came of the mutants of these numbers."""
    seed, numbers = task
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        for folder in (whole_folder := Path(name) / "whole", mutant_folder := Path(name) / "mutant"):
            folder.mkdir()
        known = whole(whole_folder)
        return [mutant(number, seed, known, mutant_folder) for number in numbers]


def _print_summary(outcomes: Sequence[Outcome]) -> int:
    """Print what came of all mutants; return how many have faults."""
    counts = Counter((outcome.kind, kind) for outcome in outcomes for kind in outcome.outcomes)
    for (change, kind), count in sorted(counts.items()):
        print(f"{change:12} {kind:24} {count:7,}")
    faults = sum(bool(outcome.faults) for outcome in outcomes)
    print(f"{len(outcomes):,} mutants, {sum(counts.values()):,} answers, {faults:,} mutants with faults")
    return faults


def main() -> int:
    """Make the mutants that are asked for, and print what came of them; Ctrl-C prints what came of those so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked_for = parser.parse_args()
    numbers = range(asked_for.first, asked_for.first + asked_for.mutants)
    tasks = [(asked_for.seed, numbers[place : place + CHUNK]) for place in range(0, len(numbers), CHUNK)]
    outcomes: list[Outcome] = []
    with multiprocessing.get_context("spawn").Pool(asked_for.processes) as pool, contextlib.suppress(KeyboardInterrupt):
        for chunk in pool.imap_unordered(_chunk, tasks):
            outcomes += chunk
            for outcome in chunk:
                for fault in outcome.faults:
                    print(f"mutant {outcome.number} ({outcome.kind}): {fault}", flush=True)
            print(f"{len(outcomes):,} of {len(numbers):,}", file=sys.stderr, flush=True)
    return int(bool(_print_summary(outcomes)))


if __name__ == "__main__":
    raise SystemExit(main())
