#!/usr/bin/env python3
"""Write what a program knows into README.md and the pages of `backupmeta/manual/`.

These are sections, each between its two marks, and the answers of examples.

scripts/make_manual.py            write it
scripts/make_manual.py --check    write nothing; name the page that differs and exit 1 if there is any
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from reference import library_page, tables
from reference.examples import Stage
from reference.sections import MANUAL, README, Writer, filled
from tampering import answers

WRITERS: Final[Mapping[str, Writer]] = {**tables.WRITERS, **library_page.WRITERS, **answers.WRITERS}


def differing() -> Iterator[tuple[Path, str]]:
    """Yield each page that is not as it should be, with what it should be."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        for path in (*sorted(MANUAL.glob("*.md")), README):
            text = path.read_text("utf-8")
            if (whole := stage.shown(filled(text, WRITERS))) != text:
                yield path, whole


def main() -> int:
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Write what a program knows into the manual, or check it.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    is_check: bool = parser.parse_args().check
    pages = dict(differing())
    for path, text in pages.items():
        if is_check:
            print(f"different: {path.name}; scripts/make_manual.py writes it")
        else:
            path.write_text(text, "utf-8")
    return int(is_check and bool(pages))


if __name__ == "__main__":
    sys.exit(main())
