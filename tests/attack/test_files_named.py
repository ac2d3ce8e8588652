"""Files and folders that a user is led to name: baselines, case files, folders to write to; attempt, what must hold."""

import json
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.invented import NAME, TIME, Account, backup_record, run
from tests.measured import measured

pytestmark = pytest.mark.untraced  # the same lines, in many ways

MANY: Final = 300_000
MOST_MEMORY: Final = 200 * 1024
"""KiB of a process that reads files of 2 MB with `MANY` of whatever they have."""


def known(path: str, **more: str) -> str:
    return json.dumps({"path": path, "id": "archive-missing", "sha256": None, **more})


def baseline(findings: str, more: str = "") -> str:
    return '{"version": 1, "findings": [' + findings + "]" + more + "}"


MEMBERS: Final = ",".join(f'"{number}":0' for number in range(MANY))
BASELINES: Final = {
    "mistakes": (baseline(",".join(["0"] * MANY)), "findings.0: "),
    "members": (baseline("", f",{MEMBERS}"), "is no baseline"),
    "a finding's members": (baseline("{" + MEMBERS + "}"), "findings.0: "),
    "a member without end": (baseline(known("a", **{"x" * MANY: ""})), "findings.0.xxx"),
    "a number without end": ('{"version": ' + "9" * 4_000 + ', "findings": []}', "is of version a huge number"),
    "brackets": (baseline("[" * MANY), "recursion limit"),
    "folders in one another": (baseline(known("a/" * MANY)), ""),
}
_READ: Final = """
import sys
from backupmeta.checks import baseline, identity, policy
from backupmeta.errors import PolicyError
for path in sys.argv[1:]:
    try:
        print(len(baseline.Baseline(baseline.load(path), identity.Base(), policy.DEFAULT).absent()))
    except PolicyError as error:
        print(error)
"""


def test_a_baseline_costs_what_its_size_does(tmp_path: Path) -> None:
    """pydantic gathers 800 bytes for each mistake; a path lies in half as many folders as it has characters."""
    files = [tmp_path / f"{number}.json" for number in range(len(BASELINES))]
    for file, (content, _) in zip(files, BASELINES.values(), strict=True):
        file.write_text(content)
        file.chmod(0o600)
    outcome = measured(_READ, *map(str, files))
    assert outcome.code == 0, outcome.err  # it is killed after a minute
    lines = outcome.out.splitlines()
    assert [name for name, line in zip(BASELINES, lines, strict=True) if BASELINES[name][1] not in line] == []
    assert max(map(len, lines)) < 1_000
    if sys.platform != "win32":
        assert outcome.peak < MOST_MEMORY


def test_no_account_passes_by_what_is_known_of_one_whose_name_is_masked_alike(tmp_path: Path) -> None:
    """``u:first@h`` and ``u:second@h`` are both ``u:********@h``."""
    homes = [Account(tmp_path / f"homes/u:{secret}@h") for secret in ("first", "second")]
    for account in homes:
        account.backup(content=backup_record(backup_filename=NAME))
    file, now = tmp_path / "known.json", ("--now", str(TIME + 3600))
    assert run("verify", homes[0].home, "--write-baseline", file, *now).code == 1
    assert file.read_text().count('"path"') == 0
    file.write_text(baseline(known(f"{tmp_path}/homes/u:********@h", subject=NAME)))
    ran = run("verify", homes[1].home, "--baseline", file, "--json", *now)
    assert ran.code == 1
    assert {finding["is_known"] for target in ran.json["targets"] for finding in target["findings"]} == {False}


def test_a_baseline_does_not_take_the_place_of_the_answer(tmp_path: Path) -> None:
    account, file = Account(tmp_path / "home/exampleu").whole(), tmp_path / "answer.json"
    for spelling in (file, tmp_path / "home/../answer.json"):
        ran = run("verify", account.home, "--json", "-o", file, "--write-baseline", spelling)
        assert (ran.code, file.exists()) == (2, False)
        assert "--write-baseline: the answer goes there" in ran.err


@pytest.mark.parametrize("command", ["help --html", "help --man", "schema --all --output"])
@pytest.mark.parametrize("place", ["application_backups", "application_backups/new", ".appdata/backups/new/newer"])
def test_no_folder_is_made_or_filled_among_evidence(tmp_path: Path, command: str, place: str) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    link = tmp_path / "link"
    link.symlink_to(account.home)
    before = sorted(tmp_path.rglob("*"))
    for path in (account.home / place, link / place):
        ran = run(*command.split(), path)
        assert (ran.code, ran.out) == (2, b"")
        assert f"{path}: lies among evidence, where nothing is written" in ran.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "case",
    [
        f'title = "{"x" * MANY}"',
        f'evidence-digest = "{"a" * MANY}"',
        f'"{"k" * MANY}" = 1',
        "\n".join(f"{'k' * 100}{number} = 1" for number in range(3_000)),
        f"title = {'[' * MANY}",
        f"title = {'1' * 4_000}",
    ],
    ids=["title", "digest", "key", "keys", "brackets", "number"],
)
def test_a_mistake_in_a_case_file_is_told_in_a_line_that_can_be_read(tmp_path: Path, case: str) -> None:
    file = tmp_path / "case.toml"
    file.write_text(case)
    ran = run("report", Account(tmp_path / "home/exampleu").whole().home, "--case-file", file, "--format", "json")
    assert (ran.code, ran.out) == (2, b"")
    assert len(ran.err) < 60_000
    assert max(map(len, ran.err.splitlines())) < 1_000


def test_no_answer_shows_a_secret_in_the_name_of_a_catalog(tmp_path: Path) -> None:
    catalog, home = tmp_path / "token=CANARYq7x.sqlite", Account(tmp_path / "home/exampleu").whole().home
    commands = (
        ("scan", home, "-o", catalog, "--json", "--deep", "--jobs", "1"),
        ("export", catalog, "--datasette-metadata"),
        ("export", catalog, "--table", "scans", "--format", "csv-safe"),
        *(("report", catalog, "--format", form) for form in ("html", "markdown", "json")),
        *(("verify", "--catalog", catalog, "--format", form) for form in ("text", "json", "sarif")),
        ("stats", catalog),
        ("find", catalog, "--json"),
    )
    outcomes = {" ".join(map(str, command)): run(*command) for command in commands}
    assert [name for name, ran in outcomes.items() if b"CANARY" in ran.out or "CANARY" in ran.err] == []
    assert {ran.code for ran in outcomes.values()} <= {0, 1}


LINKED: Final = {
    "report's digest": ("report.html.sha256", ("report", "{home}", "-o", "{out}/report.html", "--jobs", "1")),
    "baseline": ("known.json", ("verify", "{home}", "--write-baseline", "{out}/known.json", "--jobs", "1")),
    "page of the manual": ("index.html", ("help", "--html", "{out}")),
    "schema": ("verify.schema.json", ("schema", "--all", "-o", "{out}")),
}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("name", LINKED)
def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path, name: str) -> None:
    link, command = LINKED[name]
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_text("<!doctype html>\n<!-- written by backupmeta help --html -->\n")
    (out / link).symlink_to(victim)
    before = victim.read_bytes()
    home = Account(tmp_path / "home/exampleu").whole().home
    ran = run(*(word.format(home=home, out=out) for word in command))
    assert (ran.code, victim.read_bytes(), (out / link).is_symlink()) == (2, before, True)
