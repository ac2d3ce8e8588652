#!/usr/bin/env python3
"""Writes an invented server whose backups were tampered with, always the same: 30 accounts, a year of backups each.

    scripts/tampered_server.py FOLDER      # FOLDER/home/anna, …; judge it as of 2025-03-16

More than half of the accounts are honest, each with another oddity; on each of the others is one act. All of them stand
in `tampering/cases.py`.
"""

import argparse
from pathlib import Path

from tampering.cases import CASES


def write_server(root: Path) -> None:
    """Write the server below ``root``."""
    for case in CASES:
        case.account().write(root)


def main() -> None:
    """Write the server into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write it; it must not be there yet")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True)
    write_server(folder)


if __name__ == "__main__":
    main()
