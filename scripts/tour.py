#!/usr/bin/env python3
"""Takes the pictures of the README's tour: the report on an invented server, by Chromium.

    scripts/tour.py /mnt/image             # which must not be there yet; writes fixtures/tour/*.png

Needs Chromium and what `scripts/test` installs. The folder is removed again.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from invented_server import END, write_server
from playwright.sync_api import sync_playwright

PROJECT: Final = Path(__file__).parents[1]
PICTURES: Final = PROJECT / "fixtures/tour"
DENSE: Final = 2
"""So many pixels a point: readable on any screen."""


PARTS: Final = {"timeline.png": "#plot-timeline"}
"""What is shown by itself, by the picture's name."""


def take(page: Path) -> None:
    """Take the pictures of the report ``page``."""
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 960}, device_scale_factor=DENSE)
        shown.goto(page.as_uri())
        shown.screenshot(path=PICTURES / "report.png")
        for name, element in PARTS.items():
            shown.locator(element).screenshot(path=PICTURES / name)
        browser.close()


def main() -> None:
    """Write the server, its report, and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the server lies meanwhile")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True)
    try:
        write_server(folder)
        page = folder.with_name("report.html")
        backupmeta = Path(sys.executable).with_name("backupmeta")
        options = ["--deep", "-o", str(page), "--now", str(END)]
        subprocess.run(
            [str(backupmeta), "report", "--sysroot", str(folder), *options], check=False
        )  # 2: one is cut off
        take(page)
        page.unlink()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
