"""Measure the page of a report: how large it is, how soon it can be used, how fast it sorts, filters and searches.

Usage: bench_report.py [BACKUPS [ROUNDS]], 10,000 backups and three rounds by default. Needs Playwright and a Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from bench_archives import fleet
from playwright.sync_api import Page, sync_playwright

EACH = 50
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
AIMS = {"size (MB)": 15.0, "first table (s)": 2.0}
ACTIONS = {
    "sort (s)": "table.sortBy('title')",
    "sort by version (s)": "table.sortBy('version')",
    "filter (s)": "table.choose('account', 7)",
    "search (s)": "table.search('blog 2031-0')",
}
TIMED = """action => {
    const table = report.tables.get("backups");
    const begin = performance.now();
    new Function("table", action)(table);
    table.section.getBoundingClientRect();
    return (performance.now() - begin) / 1000;
}"""
"""Does something, and returns after how many seconds it is laid out."""


def main(backups: int = 10_000, rounds: int = 3) -> int:
    """Print what is measured; return 1 where an aim is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), backups)
        measured = [("size (MB)", path.stat().st_size / 1e6), *browsed(path, rounds)]
    for name, value in measured:
        aim = f"   aim: {AIMS[name]:g}" if name in AIMS else ""
        print(f"{name:22} {value:8.3f}{aim}")
    return int(any(value > AIMS.get(name, value) for name, value in measured))


def written(folder: Path, backups: int) -> Path:
    """Make so many ``backups`` in ``folder``, and write the report of them."""
    fleet(folder / "home", backups // EACH, EACH)
    page = folder / "report.html"
    begin = perf_counter()
    command = [sys.executable, "-c", "from backupmeta.cli import main; main()"]
    subprocess.run([*command, "scan", folder / "home", "-o", folder / "catalog"], check=True, stdout=subprocess.DEVNULL)
    scanned = perf_counter()
    subprocess.run([*command, "report", folder / "catalog", "-o", page], check=True)
    print(f"scanned in {scanned - begin:.1f} s, written in {perf_counter() - scanned:.1f} s")
    return page


def browsed(path: Path, rounds: int) -> list[tuple[str, float]]:
    """Return the medians of what opening the page at ``path``, and each of the `ACTIONS`, took in seconds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        found = [opened(browser.new_page(bypass_csp=True), path) for _ in range(rounds)]
        browser.close()
    return [(name, median(one[name] for one in found)) for name in found[0]]


def opened(page: Page, path: Path) -> dict[str, float]:
    """Open the page at ``path``; return how long everything took."""
    begin = perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.locator("#backups tbody tr").first.wait_for()
    page.evaluate("() => document.body.getBoundingClientRect().height")
    taken = {"first table (s)": perf_counter() - begin}
    page.wait_for_load_state("load")
    taken["plots, too (s)"] = perf_counter() - begin
    for name, action in ACTIONS.items():
        taken[name] = page.evaluate(TIMED, action)
    page.close()
    return taken


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
