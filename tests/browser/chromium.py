"""A report's page in Chromium, and what the browser had to say about it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Dialog, Locator, Page, Playwright

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS: Final = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
_PATIENCE: Final = 5_000  # milliseconds
Scheme = Literal["light", "dark"]


def launched(playwright: Playwright) -> Browser:
    """Return a Chromium that talks to nobody."""
    return playwright.chromium.launch(executable_path=PROGRAM, args=_ARGUMENTS)


class Opened:
    """A page that is open, and what happened in it.

    Attributes:
        page: the page.
        said: its messages on the console, its errors, and its dialogs.
        asked: the addresses that it asked for.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(_PATIENCE)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def reset(self) -> None:
        """Let all tables be as at the beginning."""
        self.page.evaluate(
            """() => {
                history.replaceState(null, "", "#");
                for (const table of report.tables.values()) {
                    const { words, chosen, sort, opened, page } = table;
                    if (!words.length && !chosen.size && !sort && !opened.size && !page) continue;
                    table.reset();
                    table.sort = null;
                    table.opened.clear();
                    table.update();
                }
            }"""
        )

    def section(self, key: str) -> Locator:
        return self.page.locator(f"section#{key}")

    def rows(self, key: str) -> Locator:
        return self.section(key).locator("> .scroll > table > tbody > tr:not(.details, .group)")

    def column(self, key: str, name: str) -> list[str]:
        """Return the texts of a column, by its heading; of a cell its first line."""
        headings = self.section(key).locator("> .scroll > table > thead th").all_inner_texts()
        cells = self.rows(key).locator(f"> td:nth-child({headings.index(name) + 1})").all_inner_texts()
        return [cell.split("\n")[0] for cell in cells]

    def sort(self, key: str, name: str) -> None:
        self.section(key).get_by_role("columnheader", name=name, exact=True).get_by_role("button").click()

    def status(self, key: str) -> str:
        return self.section(key).get_by_role("status").inner_text()


@contextmanager
def opened(browser: Browser, path: Path, scheme: Scheme = "light", width: int = 1280) -> Iterator[Opened]:
    """Open the page at ``path`` from its file."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    try:
        shown = Opened(page)
        page.goto(path.as_uri())
        yield shown
    finally:
        page.close()
