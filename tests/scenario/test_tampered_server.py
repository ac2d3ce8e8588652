"""A server whose backups were tampered with: each act is told by each command, each honest account is left alone."""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from tampered_server import write_server
from tampering.cases import ACTS, CASES, HONEST, Case
from tampering.server import INSTALLED

from tests.invented import Json, Ran, run

NOW = "2025-03-16"

NOT_YET_TOLD = {
    ("stefan", "verify"),
}


class Answers(NamedTuple):
    """What the commands say of the server."""

    root: Path
    catalog: Path
    verify: Json
    report: Json
    stats: Json
    timeline: list[Json]
    list: Ran


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    root, case = tmp_path_factory.mktemp("tampered"), tmp_path_factory.mktemp("case")
    case.chmod(0o700)
    write_server(root)
    catalog = case / "catalog.sqlite"
    there = ("--sysroot", root)
    assert run("scan", *there, "--deep", "-o", catalog, "--progress", "none").code == 0
    return Answers(
        root,
        catalog,
        run("verify", *there, "--now", NOW, "--json").json,
        run("report", catalog, "--json").json,
        run("stats", catalog, "--now", NOW, "--json").json,
        run("timeline", *there, "--deep", "--json").jsonl,
        run("list", *there, "--jsonl"),
    )


def user_of(path: str) -> str:
    """Return the account that a path on the server belongs to, as its cases name it."""
    return path.split("/")[2].removesuffix("-new")


def digest(root: Path) -> str:
    """Return the digest of all files below ``root``: names, times, contents."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    parts = ((path.relative_to(root), path.stat().st_mtime_ns, path.read_bytes()) for path in files)
    return sha256(repr(list(parts)).encode()).hexdigest()


def test_it_is_large_enough_and_always_the_same(answers: Answers, tmp_path: Path) -> None:
    assert len(CASES) == len({case.user for case in CASES}) == 30
    archives = list(answers.root.glob("home*/*/application_backups/*"))
    assert 300 <= len(archives) <= 450
    assert max(path.stat().st_size for path in archives) < 8_000
    assert min(path.stat().st_mtime for path in archives) > INSTALLED
    write_server(tmp_path)
    assert digest(tmp_path) == digest(answers.root)


# --- verify -----------------------------------------------------------------------------------------------------------


def verified(answers: Answers, user: str) -> Counter[tuple[str, str]]:
    """Return severity and id of each finding that `verify` has of an account."""
    return Counter(
        (finding["severity"], finding["id"])
        for target in answers.verify["targets"]
        if user_of(target["path"]) == user
        for finding in target["findings"]
    )


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case.user)
def test_an_honest_account_has_no_error_and_no_warning(case: Case, answers: Answers) -> None:
    assert {(severity, id_) for severity, id_ in verified(answers, case.user) if severity != "note"} == set()


@pytest.mark.parametrize("case", [case for case in ACTS if case.finding], ids=lambda case: case.user)
def test_an_act_is_told_by_verify(case: Case, answers: Answers) -> None:
    assert case.finding in {id_ for _, id_ in verified(answers, case.user)}
