"""The manual's pages in Chromium: on a phone, light and dark, with nothing that axe-core complains of."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import opened
from tests.browser.test_accessible import assert_accessible
from tests.invented import run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    assert run("help", "--html", folder).code == 0
    return folder


def test_every_page_is_readable_on_a_phone_and_asks_for_nothing_else(browser: Browser, manual: Path) -> None:
    pages = sorted(manual.iterdir())
    with opened(browser, pages[0], width=390) as shown:
        wide = []
        for page in pages[1:]:
            shown.page.goto(page.as_uri())
            wide += [page.name] * (shown.page.evaluate("document.documentElement.scrollWidth") > 390)
        assert wide == []
        assert shown.asked == [page.as_uri() for page in pages]
        assert shown.said == []


@pytest.mark.parametrize("topic", ["index", "verify", "commands"])
def test_axe_finds_no_violation(browser: Browser, manual: Path, topic: str) -> None:
    with opened(browser, manual / f"{topic}.html", width=390) as shown:
        assert_accessible(shown.page)
