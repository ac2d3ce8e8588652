#!/usr/bin/env python3
"""Write the pages of `backupmeta/manual/` that are made from the table of the tests, or from docstrings.

scripts/make_manual.py            write them
scripts/make_manual.py --check    write nothing; name the page that differs and exit 1 if there is any
"""

import argparse
import sys

from reference import library_page
from tampering import page


def main() -> int:
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Write pages of the manual, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    is_check = parser.parse_args().check
    pages = {page.PAGE: page.page(), library_page.PAGE: library_page.page()}
    differing = {path: text for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in differing.items():
        if is_check:
            print(f"different or missing: {path.name}; scripts/make_manual.py writes it")
        else:
            path.write_text(text, "utf-8")
    return int(is_check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
