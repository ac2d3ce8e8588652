#!/usr/bin/env python3
"""Takes the picture of the README: the report on an invented server, by Chromium.

    scripts/tour.py /mnt/image             # which must not be there yet; writes fixtures/tour/report.png

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
PICTURE: Final = PROJECT / "fixtures/tour/report.png"
DENSE: Final = 2
"""So many pixels a point: readable on any screen."""


def take(page: Path) -> None:
    """Take the picture of the report ``page``."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 1700}, device_scale_factor=DENSE)
        shown.goto(page.as_uri())
        shown.screenshot(path=PICTURE)
        browser.close()


def main() -> None:
    """Write the server, its report, and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the server lies meanwhile")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True)
    try:
        write_server(folder)
        page = folder.with_name("report.html")
        backupmeta = Path(sys.executable).with_name("backupmeta")
        options = ["--deep", "-o", str(page), "--now", str(END), "--title", "A server that was taken out of service"]
        subprocess.run(
            [str(backupmeta), "report", "--sysroot", str(folder), *options], check=False
        )  # 2: one is cut off
        take(page)
        page.unlink()
        page.with_name("report.html.sha256").unlink()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
