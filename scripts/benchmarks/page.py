"""The page of a report: how large it is, how soon it can be used, how fast it sorts, filters and searches.

    scripts/bench.py page                # 10,000 backups, three rounds
    scripts/bench.py page 1000 --rounds 1

Needs Playwright and a Chromium.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.fleets import write_fleet

if TYPE_CHECKING:
    from playwright.sync_api import Page

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


def main(arguments: list[str]) -> int:
    """Parse, measure, print; return 1 where an aim is missed."""
    parser = argparse.ArgumentParser("bench.py page", description="Measures the page of a report.")
    parser.add_argument("backups", nargs="?", type=int, default=10_000, help="how many it shows (default: 10,000)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often it is opened (default: 3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), options.backups)
        measured = [("size (MB)", path.stat().st_size / 1e6), *browsed(path, options.rounds)]
    for name, value in measured:
        aim = f"   aim: {AIMS[name]:g}" if name in AIMS else ""
        print(f"{name:22} {value:8.3f}{aim}")
    return int(any(value > AIMS.get(name, value) for name, value in measured))


def written(folder: Path, backups: int) -> Path:
    """Make so many ``backups`` in ``folder``, and write the report of them."""
    write_fleet(folder / "home", backups // EACH, EACH)
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
    from playwright.sync_api import sync_playwright  # only here: the other benchmarks need no browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        rounds_taken = [opened(browser.new_page(bypass_csp=True), path) for _ in range(rounds)]
        browser.close()
    return [(name, median(times[name] for times in rounds_taken)) for name in rounds_taken[0]]


def opened(page: "Page", path: Path) -> dict[str, float]:
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
