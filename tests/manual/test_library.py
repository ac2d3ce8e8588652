"""The page about the library: every public name, as its source says, and an example that runs."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest
from reference import library_page

import backupmeta
from tests.invented import NAME
from tests.sites import honest

PAGE: Final = files("backupmeta").joinpath("manual/library.md").read_text("utf-8")


def test_it_has_each_public_name_once() -> None:
    assert sorted(["__version__", *re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)]) == sorted(backupmeta.__all__)


def test_a_public_name_without_a_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backupmeta, "__all__", [*backupmeta.__all__, "unplaced"])
    with pytest.raises(ValueError, match="unplaced"):
        library_page.WRITERS["public-names"]()


def test_a_signature_is_that_of_the_source() -> None:
    expected = "stats(path: str, now: int | None = None, findings: list[Finding] | None = None) -> Summary"
    assert expected in PAGE


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(honest(tmp_path / "exampleu").archives)
    assert NAME in PAGE
    example = re.search(r"^```python\n(import backupmeta\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert example is not None
    exec(example[1], {})  # noqa: S102 - the page's own
    assert capsys.readouterr().out == "pass 6.5.4\n<?php\n$wp_version = '6.5.4';\n\n"
