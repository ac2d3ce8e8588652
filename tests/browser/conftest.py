"""A Chromium for each file of tests of a report's page, and one sample; left out where there is no Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import PROGRAM, launched
from tests.browser.sample import NOW, sample
from tests.invented import run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; as long as it is there, an event loop of asyncio runs: other files' tests could not start theirs."""
    if PROGRAM is None:
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        one = launched(playwright)
        yield one
        one.close()


@pytest.fixture(scope="session")
def page_of_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sample, scanned deep."""
    folder = tmp_path_factory.mktemp("report")
    return written(sample(folder / "home"), folder / "report.html", "--deep")


def written(homes: Path, page: Path, *options: str) -> Path:
    """Write the report of ``homes`` to ``page``."""
    ran = run("report", homes, "-o", page, "--now", str(NOW), "--jobs", "1", *options)
    assert (ran.code in {0, 2}, ran.out) == (True, b""), ran.err
    return page
