"""axe-core finds nothing to complain of, light and dark, with rows opened and chosen."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page

from tests.browser.chromium import Scheme, opened

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


SCHEMES: Final[tuple[tuple[Scheme, dict[str, object]], ...]] = (
    ("light", {}),
    ("dark", {"runOnly": ["color-contrast"]}),
)
"""All that axe-core asks for; in the dark, what is different there."""


def violations(page: Page, rules: dict[str, object]) -> list[str]:
    asked = {**rules, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate("asked => axe.run(document, asked)", asked)
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


def assert_accessible(page: Page) -> None:
    """Ask axe-core about a page in light and in dark, which do not look alike."""
    page.evaluate(AXE)
    pictures = []
    for scheme, rules in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert violations(page, rules) == []
        pictures.append(page.screenshot())
    assert pictures[0] != pictures[1]


def test_axe_finds_no_violation(browser: Browser, page_of_sample: Path) -> None:
    with opened(browser, page_of_sample) as shown:
        for key in ("backups", "archives"):
            shown.section(key).get_by_label("Search").fill("bakery 2023-05")
        shown.section("backups").locator(".toggle button").first.click()
        shown.sort("installs", "Version")
        shown.section("summary").get_by_role("link", name="archive-missing").click()
        shown.section("accounts").get_by_role("link", name="2 errors").click()
        assert_accessible(shown.page)
