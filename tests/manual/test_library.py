"""The page about the library: every public name, as its source says."""

import re
from importlib.resources import files
from typing import Final

import pytest
from reference import library_page

import backupmeta

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
