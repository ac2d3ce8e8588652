"""What the README and the manual say to type, typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backupmeta.checks.rulebook import FINDINGS
from tests.invented import NAME, TIME, run
from tests.sites import honest, packed, record

PROJECT = Path(__file__).parent.parent
MANUAL = {page.stem: page.read_text("utf-8") for page in sorted(PROJECT.glob("backupmeta/manual/*.md"))}
PAGES = "\n".join(((PROJECT / "README.md").read_text("utf-8"), *MANUAL.values()))
LATER = NAME.replace("06-13", "06-14")


def blocks(language: str) -> list[str]:
    """Return the pages' blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES, re.DOTALL | re.MULTILINE)


def shell(script: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run ``script`` in ``folder`` as CI servers do, with this project's command at hand."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one good backup in ``backups``."""
    (tmp_path / "backups").mkdir()
    honest(tmp_path / "elsewhere").archives.joinpath(NAME).rename(tmp_path / "backups" / NAME)
    return tmp_path


def steps(recipe: str) -> list[str]:
    """Return the commands of a CI's recipe that verify."""
    return re.findall(r"(?:run: |- )(backupmeta .*)", recipe)


@pytest.mark.parametrize("recipe", [block for block in blocks("yaml") if steps(block)])
def test_the_recipes_for_ci(recipe: str, project: Path) -> None:
    commands = steps(recipe)
    assert [shell(command, project).returncode for command in commands] == [0] * len(commands)
    (project / "backups" / NAME).write_bytes(packed(record(), {"wp-load.php": None}))
    assert [shell(command, project).returncode for command in commands[:1]] == [1]
    reports = [path.name for path in project.glob("backups.*")]
    assert all(name in recipe for name in reports)


def test_what_is_new_in_a_folder(project: Path) -> None:
    script = next(block for block in blocks("sh") if "-cnewer" in block)
    first = shell(script, project)
    assert (first.returncode, first.stdout.count(b": pass")) == (0, 1)
    assert shell(script, project).stdout == b""
    (project / "backups" / LATER).write_bytes(b"<html>")
    failed, again = shell(script, project), shell(script, project)
    assert failed.returncode != 0
    assert failed.stdout == again.stdout
    assert failed.stdout.count(b"unreadable") > 0
    assert NAME.encode() not in failed.stdout


def test_the_policy(project: Path) -> None:
    [text] = [block for block in blocks("toml") if "examiner" not in block]
    (project / "policy.toml").write_text(text)
    ran = run("verify", project / "backups" / NAME, "--policy", project / "policy.toml", "--now", str(TIME))
    assert ran.code == 0


def test_the_case_file(project: Path) -> None:
    [text] = [block for block in blocks("toml") if "examiner" in block]
    (project / "case.toml").write_text(text)
    ran = run("report", project / "backups", "--json", "--case-file", project / "case.toml", "--jobs", "1")
    assert (ran.code, ran.json["case"]["number"]) == (0, "2024-0117")


def test_every_group_of_checks_is_there() -> None:
    assert all(f"| `{kind.group}` |" in MANUAL["verify"] for kind in FINDINGS.values())


@pytest.mark.long
def test_the_examples_of_the_library_are_typed(tmp_path: Path) -> None:
    (tmp_path / "examples.py").write_text("\n".join(blocks("python")))
    environment = {**os.environ, "MYPYPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "examples.py"]
    checked = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
