"""What is checked before a commit is what `scripts/test` checks before its tests."""

import re
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
HOOKS: Final = (PROJECT / ".pre-commit-config.yaml").read_text("utf-8")
ENVIRONMENT: Final = ".venv/test/bin/"


def values(key: str) -> list[str]:
    """Return what the hooks say of ``key``, in their order: each is a line of its own."""
    return re.findall(rf"^ +{key}: (.+)$", HOOKS, re.MULTILINE)


def test_hooks_run_the_steps_of_scripts_test_in_their_order() -> None:
    steps = re.findall(r"^step (.+)$", (PROJECT / "scripts/test").read_text("utf-8"), re.MULTILINE)
    assert [entry.removeprefix(ENVIRONMENT) for entry in values("entry")] == steps
    assert len(steps) > 4


def test_hooks_run_in_the_environment_of_scripts_test_and_judge_the_whole_project() -> None:
    entries = values("entry")
    assert all(entry.startswith(ENVIRONMENT) for entry in entries)
    assert values("language") == ["system"] * len(entries)
    assert values("pass_filenames") == ["false"] * len(entries)
