"""What shells complete: names in evidence and catalogs, and names that the program itself has."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import COMPLETION, commands, completion
from backupmeta.findings import Group
from tests.invented import Account, backup_record, run

PATHS = {"FILE": "file", "CATALOG": "file", "[ROOT]...": "file", "[ROOT|CATALOG]...": "file"}
FOLDERS = {"DIR": "dir", "FOLDER": "dir"}


def offered(*arguments: str | Path) -> list[str]:
    """Return what may take the place of the last of the ``arguments``."""
    *before, incomplete = map(str, arguments)
    complete = BashComplete(commands.backupmeta, {}, "backupmeta", COMPLETION)
    return [item.value for item in complete.get_completions(before, incomplete)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("checks table-mi", ["table-missing"]),
        ("checks saf", ["safe"]),
        ("verify --select table-mi", ["table-missing"]),
        ("verify --ignore witn", ["witnesses"]),
        ("find catalog.sqlite --finding table-mi", ["table-missing"]),
        ("list --sort url_d", ["url_domain"]),
        ("find catalog.sqlite --sort url_d", ["url_domain"]),
        ("export catalog.sqlite --table the", ["themes"]),
        ("help exit", ["exit-codes"]),
        ("help forma", ["format"]),
        ("help hist", ["history"]),
        ("help table-mi", ["table-missing"]),
        ("help verif", ["verify"]),
        ("hel", ["help"]),
    ],
)
def test_names_of_the_program_are_completed(line: str, expected: list[str]) -> None:
    assert offered(*line.split(" ")) == expected


def test_all_findings_and_groups_are() -> None:
    assert {*offered("checks", "")} == {*FINDINGS, *Group}
    assert {*offered("find", "catalog.sqlite", "--finding", "")} == {*FINDINGS}


def test_a_finding_is_offered_with_its_sentence() -> None:
    item = next(
        item for item in completion.finding(click.Context(commands.backupmeta), click.Option(["--a"]), "table-m")
    )
    assert (item.value, item.help) == ("table-missing", FINDINGS["table-missing"].sentence)


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_whatever_takes_a_path_completes_paths(command: str) -> None:
    for param in commands.command(command).params:
        metavar = param.metavar or param.name.upper() if param.name else ""
        if kind := {**PATHS, **FOLDERS}.get(metavar):
            (item,) = param.shell_complete(click.Context(commands.command(command)), "/ho")
            assert (param.name, item.value, item.type) == (param.name, "/ho", kind)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_show_the_sentence_beside_the_name(shell: str) -> None:
    asked = {COMPLETION: f"{shell}_complete", "COMP_WORDS": "backupmeta help table-mi", "COMP_CWORD": "2"}
    if shell == "fish":  # it passes on what is typed of the last word
        asked["COMP_CWORD"] = "table-mi"
    command = [sys.executable, "-m", "backupmeta"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, check=False, text=True)
    assert "table-missing" in done.stdout
    assert FINDINGS["table-missing"].sentence in done.stdout
    assert done.stdout.count("plain") == 1


# --- what a catalog has -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of three applications, of which the name of one is no plain word."""
    folder = tmp_path_factory.mktemp("completion")
    account = Account(folder / "home/exampleu")
    for number, installer in enumerate(("wordpress", "Drupal", "wor\x1b[2Jm", "word*")):
        account.backup(str(number) * 25, backup_record(installer=installer))
    assert run("scan", folder / "home", "-o", folder / "catalog.sqlite").code == 0
    return folder / "catalog.sqlite"


def test_applications_of_a_catalog_are_completed(catalog: Path) -> None:
    assert {*offered("find", catalog, "")} == {"drupal", "wordpress"}
    assert offered("find", catalog, "drupal", "wo") == ["wordpress"]
    assert offered("list", "--catalog", catalog, "--application", "wo") == ["wordpress"]
    assert offered("list", "--application", "wo") == []


def test_plugins_and_themes_of_a_catalog_are_completed(tmp_path: Path) -> None:
    listed = backup_record(version="6.5.4", plugins="akismet:5.3:1")
    Account(tmp_path / "home/exampleu").backup("a" * 25, listed)
    assert run("scan", tmp_path / "home", "-o", tmp_path / "catalog.sqlite").code == 0
    known = {row["id"] for row in run("export", tmp_path / "catalog.sqlite", "--table", "plugins", "--jsonl").jsonl}
    assert {*offered("find", tmp_path / "catalog.sqlite", "--plugin", "")} == known


def test_what_is_no_catalog_completes_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for name in ("text", "nothing"):
        assert offered("find", tmp_path / name, "") == []


# --- hostile evidence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["app_*.tar.gz", "app_?.tar.gz", "app_[a-z].tar.gz", "app_\\$(id).tar.gz"])
def test_bash_expands_nothing_that_is_offered(tmp_path: Path, name: str) -> None:
    account = Account(tmp_path / "home/exampleu")
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    account.archive("app_b c.tar.gz")
    account.archive(name)
    for trap in ("'app_';id;'.tar.gz'", "'app_a.tar.gz'"):
        (tmp_path / trap).write_bytes(b"")
    program = tmp_path / "backupmeta"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m backupmeta "$@"\n')
    program.chmod(0o755)
    script = (
        f'eval "$({COMPLETION}=bash_source {program})"; COMP_CWORD=4; '
        f"COMP_WORDS=(backupmeta view --root '{account.home}' app_); "
        f'_backupmeta_completion {program} 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=here, capture_output=True, check=False, text=True)
    assert done.stdout == "'app_b c.tar.gz'\n"


def test_no_more_is_offered_or_read_than_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for user in "abcd":
        account = Account(tmp_path / user)
        for number in range(3):
            account.backup(f"{user}{number}" + "0" * 23, backup_record())
    assert len(offered("view", "--root", tmp_path, "")) == 12 + 1
    monkeypatch.setattr(completion, "_MOST_OFFERED", 5)
    assert offered("view", "--root", tmp_path, "")[:-1] == [
        f"{name}{'0' * 23}" for name in ("a0", "a1", "a2", "b0", "b1")
    ]
    monkeypatch.setattr(completion, "_MOST_HOMES", 2)
    assert offered("view", "--root", tmp_path, "c") == ["c"]
    monkeypatch.setattr(completion, "_MOST_NAMES", 1)
    assert offered("view", "--root", tmp_path, "b") == ["b"]
