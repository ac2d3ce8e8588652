#!/usr/bin/env python3
"""Write the pages of `backupmeta/manual/` that are made from what the tests are made from.

scripts/make_manual.py            write them
scripts/make_manual.py --check    write nothing; name the page that differs and exit 1 if there is any
"""

import argparse
import sys

from tampering.page import PAGE, page


def main() -> int:
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Write pages of the manual, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    text = page()
    if parser.parse_args().check:
        is_same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print("" if is_same else f"different or missing: {PAGE.name}", end="" if is_same else "\n")
        return int(not is_same)
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
