"""What the commands say of the tampered server, asked once, and whose account each answer is about."""

import csv
import io
import re
import sqlite3
from collections import Counter
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tampered_server import write_server
from tampering.cases import CASES

from tests.invented import Json, Ran, run

NOW: Final = "2025-03-16"
Finding = tuple[str, str, str, str]
"""An account, a severity, an id, a message."""
_ON_STDERR: Final = re.compile(r"backupmeta: (error|warning): (/[^/]+/([a-z]+)(?:-new)?[/:].*) \[([a-z0-9-]+)\]")


class Answers:
    """What the commands say of the server, each asked when somebody wants to know."""

    def __init__(self, root: Path, case: Path) -> None:
        write_server(root)
        self.root = root
        self.catalog = case / "catalog.sqlite"
        ran = run("scan", "--sysroot", root, "--members", "-o", self.catalog)
        assert ran.code == 0

    def ran(self, *arguments: str | Path) -> Ran:
        return run(*arguments, "--sysroot", self.root)

    def query(self, select: str) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects from the catalog."""
        with closing(sqlite3.connect(self.catalog)) as connection:
            return connection.execute(select).fetchall()

    @cached_property
    def verify(self) -> Json:
        return dict(self.ran("verify", "--now", NOW, "--json").json)

    @cached_property
    def verify_catalog(self) -> Json:
        return dict(run("verify", "--catalog", self.catalog, "--now", NOW, "--json").json)

    @cached_property
    def report(self) -> Json:
        return dict(run("report", self.catalog, "--json").json)

    @cached_property
    def stats(self) -> Json:
        return dict(run("stats", self.catalog, "--now", NOW, "--json").json)

    @cached_property
    def told(self) -> Ran:
        """What `timeline` says."""
        return self.ran("timeline", "--deep", "--jsonl")

    @cached_property
    def timeline(self) -> list[Json]:
        return self.told.jsonl

    @cached_property
    def listed(self) -> Ran:
        return self.ran("list", "--csv")

    @cached_property
    def listed_catalog(self) -> Ran:
        return run("list", "--catalog", self.catalog, "--csv")

    @cached_property
    def backups(self) -> list[Json]:
        """The backups as `list` has them, with provenance."""
        return self.ran("list", "--jsonl", "--provenance").jsonl

    @cached_property
    def installs(self) -> Ran:
        return self.ran("installs", "--csv")

    @cached_property
    def gone(self) -> list[Json]:
        return list(self.ran("installs", "--gone", "--json").json)

    @property
    def archives(self) -> list[Path]:
        """The archives' files."""
        return [path for path in self.root.glob("home*/*/application_backups/*") if path.is_file()]

    @cached_property
    def seen(self) -> dict[int, str]:
        """The paths of the report's accounts as the server saw them, by their numbers."""
        return {account["number"]: account["seen"] for account in self.report["accounts"]}

    @cached_property
    def account_of(self) -> dict[int, str]:
        """The report's accounts by their numbers, as the cases name them."""
        return {number: user_of(seen) for number, seen in self.seen.items()}


def user_of(path: str) -> str:
    """Return the account that a path on the server belongs to, as its cases name it."""
    return path.split("/")[2].removesuffix("-new")


def rows_of(ran: Ran) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(ran.text, newline="")))


def on_stderr(ran: Ran) -> Counter[tuple[str, str, str]]:
    """Return account, severity and id of each finding that a command has printed beside its answer."""
    matches = filter(None, map(_ON_STDERR.match, ran.err.splitlines()))
    found = Counter((match[3], match[1], match[4]) for match in matches)
    assert {user for user, _, _ in found} <= {case.user for case in CASES}
    assert found.total() == sum(line.endswith("]") for line in ran.err.splitlines() if ": note: " not in line)
    return found


def losses(ran: Ran) -> Counter[str]:
    """Return how often a command says beside its answer that something is gone, by the finding's id."""
    lines = re.findall(r"^backupmeta: note: .*: ([0-9,]+) times? \[([a-z-]+)\]$", ran.err, re.MULTILINE)
    return Counter({id_: int(times.replace(",", "")) for times, id_ in lines})


def in_columns(ran: Ran) -> set[tuple[str, str]]:
    """Return account and id of each finding that the column of a list has."""
    return {(user_of(row["file"]), id_) for row in rows_of(ran) for id_ in row["findings"].split()}


def of_targets(verified: Json) -> Counter[Finding]:
    """Return each finding that `verify` has."""
    findings = Counter[Finding]()
    for target in verified["targets"]:
        findings.update((user_of(target["path"]), *words(each)) for each in target["findings"])
    return findings


def words(finding: Json) -> tuple[str, str, str]:
    """Return severity, id and message of a finding."""
    return finding["severity"], finding["id"], finding["message"]
