"""The pages for people name only what is there."""

import re
from pathlib import Path
from typing import Final

import pytest

PROJECT: Final = Path(__file__).parents[1]
MANUAL: Final = sorted(str(path.relative_to(PROJECT)) for path in PROJECT.glob("backupmeta/manual/*.md"))
PAGES: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "fixtures/FORMAT.md", *MANUAL)
FOLDERS: Final = "backupmeta|tests|scripts|fixtures|.ci"


def named(page: str) -> set[str]:
    """Return the paths of the project that a page has in code, without what stands for any name."""
    code = re.findall(r"`([^`\n]+)`", (PROJECT / page).read_text("utf-8"))
    words = {word for span in code for word in span.split() if re.match(rf"({FOLDERS})/\w", word)}
    return {word for word in words if not re.search(r"[<…*]", word)}


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_a_page_exist(page: str) -> None:
    assert [path for path in sorted(named(page)) if not (PROJECT / path).exists()] == []


def test_folders_of_tests_are_those_of_the_package_and_those_that_are_explained() -> None:
    folders = {path.parent.relative_to(PROJECT / "tests").parts[0] for path in (PROJECT / "tests").glob("*/**/*.py")}
    packages = {path.parent.name for path in (PROJECT / "backupmeta").glob("*/__init__.py")}
    explained = {Path(path).name for path in named("CONTRIBUTING.md") if re.fullmatch(r"tests/\w+/", path)}
    assert folders - packages - explained == set()


def test_paths_are_looked_for() -> None:
    assert {"scripts/test", "scripts/run", "fixtures/FORMAT.md"} <= {path for page in PAGES for path in named(page)}


def test_tests_that_the_promises_name_are_there() -> None:
    names = set(re.findall(r"`(test_\w+\.py)`", (PROJECT / "SECURITY.md").read_text("utf-8")))
    assert names
    assert names - {path.name for path in (PROJECT / "tests/attack").iterdir()} == set()
