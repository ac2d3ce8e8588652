"""What CI servers and hooks run, as they run it: the action, the hook, the workflow, the manual's scripts."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from backupmeta.archive.compression import SUFFIXES
from tests.invented import NAME
from tests.sites import honest, packed, record

PROJECT: Final = Path(__file__).parents[1]
ACTION: Final = yaml.safe_load((PROJECT / "action.yml").read_text("utf-8"))
WORKFLOW: Final = yaml.safe_load((PROJECT / ".github/workflows/tests.yml").read_text("utf-8"))
[HOOK] = yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text("utf-8"))
PAGE: Final = (PROJECT / "backupmeta/manual/ci.md").read_text("utf-8")
RECIPES: Final = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]
PATH: Final = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
LINES: Final = (PROJECT / "pyproject.toml").read_text("utf-8")


def bash(script: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``script`` as GitHub does where a step's shell is bash (docs, "Workflow syntax", ``steps[*].shell``)."""
    folder.joinpath(".script.sh").write_text(script)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", ".script.sh"]
    variables = {**os.environ, "PATH": PATH, **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False, text=True)


def act(folder: Path, **inputs: str) -> "subprocess.CompletedProcess[str]":
    """Run the last step of the action in ``folder`` with ``inputs``; ``_`` in a name stands for ``-``."""
    defaults = {name: str(described.get("default", "")) for name, described in ACTION["inputs"].items()}
    values = defaults | {name.replace("_", "-"): value for name, value in inputs.items()}
    step = ACTION["runs"]["steps"][-1]
    expressions = {name: re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text) for name, text in step["env"].items()}
    environment = {name: values[match[1]] for name, match in expressions.items() if match}
    assert environment.keys() == step["env"].keys()
    return bash(step["run"], folder, **environment)


def runs(steps: list[dict[str, Any]]) -> list[str]:
    return [step["run"] for step in steps if "run" in step]


ALL_STEPS: Final = [
    *ACTION["runs"]["steps"],
    *(step for job in WORKFLOW["jobs"].values() for step in job["steps"]),
    *(step for recipe in RECIPES for job in recipe.get("jobs", {}).values() for step in job["steps"]),
]


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good backup, and one that lacks a file that its application needs."""
    account = honest(tmp_path_factory.mktemp("account") / "exampleu")
    return {"good": (account.archives / NAME).read_bytes(), "bad": packed(record(), {"wp-load.php": None})}


@pytest.fixture
def repository(tmp_path: Path, backups: dict[str, bytes]) -> Path:
    """A git repository with a good backup and a bad one, in folders of their own."""
    for name, content in backups.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / NAME).write_bytes(content)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    return tmp_path


class TestAction:
    def test_annotates(self, repository: Path) -> None:
        good, bad = act(repository, paths="good"), act(repository, paths="good\nbad\n")
        assert (good.returncode, bad.returncode) == (0, 1)
        assert f"::error file=bad/{NAME},title=" in bad.stdout
        assert "::error" not in good.stdout

    def test_by_default_all_is_verified(self, repository: Path) -> None:
        assert act(repository).returncode == 1

    def test_writes_sarif(self, repository: Path) -> None:
        ran = act(repository, paths="bad", sarif_file="found.sarif")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert '"version": "2.1.0"' in (repository / "found.sarif").read_text()

    def test_takes_a_policy_a_baseline_and_what_fails(self, repository: Path) -> None:
        (repository / "policy.toml").write_text('select = ["whole"]\n')
        assert act(repository, paths="bad", policy="policy.toml").returncode == 0
        assert act(repository, paths="bad", baseline="known.json").returncode == 2
        assert bash("backupmeta verify bad --write-baseline known.json", repository).returncode == 1
        assert act(repository, paths="bad", baseline="known.json").returncode == 0
        assert act(repository, paths="good", fail_on="note").returncode == 1

    def test_runs_nothing_that_an_input_holds(self, repository: Path) -> None:
        hostile = "$(touch ran) `touch ran`; touch ran #' \" && touch ran"
        inputs = dict.fromkeys(("paths", "policy", "baseline", "fail_on", "sarif_file"), hostile)
        assert act(repository, **inputs).returncode == 2
        assert act(repository, paths=hostile).returncode == 2
        assert not (repository / "ran").exists()

    @pytest.mark.parametrize("paths", ["\n", "--help"])
    def test_needs_paths_that_are_there(self, repository: Path, paths: str) -> None:
        assert act(repository, paths=paths).returncode == 2

    def test_installs_itself_whatever_its_folder_is_called(self, tmp_path: Path) -> None:
        (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tmp_path / "python").chmod(0o755)
        environment = {"PATH": f"{tmp_path}{os.pathsep}{PATH}", "GITHUB_ACTION_PATH": "/a b/$c"}
        [install, _] = runs(ACTION["runs"]["steps"])
        ran = bash(install, tmp_path, **environment)
        assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "/a b/$c")

    def test_runs_no_module_of_the_working_folder(self, tmp_path: Path) -> None:
        """A merge request brings along what it likes: ``python -m pip`` would run its pip.py."""
        (tmp_path / "pip.py").write_text("open('ran', 'w')")
        [install, _] = runs(ACTION["runs"]["steps"])
        assert bash(install, tmp_path, GITHUB_ACTION_PATH=str(tmp_path / "nothing")).returncode != 0
        assert not (tmp_path / "ran").exists()

    def test_has_the_inputs_that_the_manual_names(self) -> None:
        steps = [step for recipe in RECIPES for job in recipe.get("jobs", {}).values() for step in job["steps"]]
        [used] = [step["with"] for step in steps if step.get("uses") == "OWNER/backupmeta@VERSION"]
        assert used.keys() <= ACTION["inputs"].keys()
        assert [name for name in ACTION["inputs"] if name != "python-version" and f"`{name}`" not in PAGE] == []


class TestHook:
    def test_judges_the_backups_of_a_commit(self, repository: Path) -> None:
        (repository / "app.txt").write_text("no backup")
        subprocess.run(["git", "add", "."], cwd=repository, check=True)
        assert self.ran(repository).returncode == 1
        assert self.ran(repository, "good").returncode == 0
        assert bash("backupmeta verify bad --write-baseline known.json", repository).returncode == 1
        [config] = [hook for recipe in RECIPES for repo in recipe.get("repos", []) for hook in repo["hooks"]]
        assert config["id"] == HOOK["id"]
        assert self.ran(repository, *config["args"]).returncode == 0

    def ran(self, repository: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """Run the hook as pre-commit does: its entry, ``args``, then the names of staged files that match."""
        folder = [word for word in words if (repository / word).is_dir()]
        listed = subprocess.run(
            ["git", "ls-files", *folder], cwd=repository, capture_output=True, check=True, text=True
        )
        names = [name for name in listed.stdout.splitlines() if re.search(HOOK["files"], name)]
        assert names
        command = [*shlex.split(HOOK["entry"]), *(word for word in words if word not in folder), *names]
        return subprocess.run(
            command, cwd=repository, env={**os.environ, "PATH": PATH}, capture_output=True, check=False
        )

    @pytest.mark.parametrize("suffix", [*SUFFIXES, ".TAR.GZ"])
    def test_takes_every_archive(self, suffix: str) -> None:
        assert re.search(HOOK["files"], f"app_example{suffix}")
        assert re.search(HOOK["files"], f"backups/app_example{suffix}")
        assert not re.search(HOOK["files"], f"backups/example{suffix}")
        assert not re.search(HOOK["files"], f"app_example{suffix}/a.txt")
        assert not re.search(HOOK["files"], f"app_example{suffix}.txt")

    def test_is_run_once_for_all_names(self) -> None:
        assert HOOK["require_serial"] is True
        assert HOOK.get("pass_filenames", True) is True


class TestWorkflow:
    def test_tests_on_three_systems_by_every_python_that_is_promised(self) -> None:
        matrix = WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]
        assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
        assert matrix["python"] == re.findall(r'"Programming Language :: Python :: (3\.\d+)"', LINES)

    def test_may_do_nothing_but_read(self) -> None:
        assert WORKFLOW["permissions"] == {"contents": "read"}
        assert [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job] == []
        checkouts = [step for step in ALL_STEPS if step.get("uses", "").startswith("actions/checkout")]
        assert all(step["with"].get("persist-credentials", False) is False for step in checkouts)

    def test_its_steps_run(self, tmp_path: Path) -> None:
        assert os.access(PROJECT / "scripts/test", os.X_OK)
        [whole] = runs(WORKFLOW["jobs"]["checks"]["steps"])
        assert whole == "scripts/test"
        (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s " "$@"\n')
        (tmp_path / "python").chmod(0o755)
        *installs, test = runs(WORKFLOW["jobs"]["tests"]["steps"])
        told = [bash(step, tmp_path, PATH=f"{tmp_path}{os.pathsep}{PATH}").stdout for step in installs]
        assert [line.split()[-1] for line in told] == ["pip>=25.1", "dev"]
        assert re.search(r"^\[dependency-groups\]\ndev = \[", LINES, re.MULTILINE)
        options = "--collect-only --quiet -c /dev/null --rootdir . test_nothing.py"
        (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        assert bash(test, tmp_path, PYTEST_ADDOPTS=options).returncode == 0

    def test_actions_are_pinned_and_no_expression_is_in_a_script(self) -> None:
        uses = [step["uses"] for step in ALL_STEPS if "uses" in step]
        assert [name for name in uses if not re.fullmatch(r"[\w-]+/[\w/-]+@(v\d+|VERSION)", name)] == []
        assert [script for script in runs(ALL_STEPS) if "${{" in script] == []


def test_the_scripts_of_the_manual(repository: Path) -> None:
    (repository / "bad").rename(repository / "backups")
    baseline, nightly = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert bash(baseline, repository).returncode == 0
    assert bash(nightly, repository).returncode == 0
    (repository / "backups" / NAME).unlink()
    (repository / "backups" / NAME.replace("Blog", "Shop")).write_bytes(b"")
    ran = bash(nightly, repository)
    assert ran.returncode == 1
    assert "--fail-on: vanished: 1 file" in ran.stderr
