"""Write `fixtures/`: each case a folder with its input beside the answer expected of it.

The input is in the real writer's dialect (`installatron_writer`) unless a case is about another one. The expected
answers are written by hand from `fixtures/FORMAT.md`; nothing here runs the package. Two runs write the same bytes.

    scripts/make_fixtures.py            write what is missing or different, remove what no case accounts for
    scripts/make_fixtures.py --check    write nothing; name the differences and exit 1 if there are any

Where to look: `fixtures_base` (the one invented backup), `fixtures_record_*`, `fixtures_archive_*`,
`fixtures_account_cases`, `fixtures_application_*` (the cases), `fixtures_containers` (tars and compressions),
`fixtures_tree` (the disk).
"""

import argparse
import sys
from itertools import chain
from typing import Final

import fixtures_account_cases
import fixtures_accounts
import fixtures_application_cases
import fixtures_applications
import fixtures_archive_containers
import fixtures_archive_names
import fixtures_archives
import fixtures_records
from fixtures_tree import Tree, changed, strays, write

FIXTURES: Final = fixtures_account_cases.FIXTURES
FOLDERS: Final = ("records", "archives", "accounts", "applications")
GIVEN: Final = ("accounts/example/sysroot/",)


def whole_tree() -> Tree:
    """Return every generated file; no two cases may write the same one."""
    tree: Tree = {}
    archives = (*fixtures_archive_containers.CASES, *fixtures_archive_names.CASES)
    for folder in chain(
        fixtures_records.trees(),
        fixtures_archives.trees(archives),
        fixtures_accounts.trees(fixtures_account_cases.CASES),
        fixtures_applications.trees(fixtures_application_cases.SITES),
    ):
        if clash := tree.keys() & folder.keys():
            raise ValueError(clash)
        tree |= folder
    return tree


def check(tree: Tree) -> int:
    """Name what is different on disk; return the exit code."""
    different = [f"different or missing: {name}" for name in changed(tree, FIXTURES)]
    unaccounted = [f"no case writes it: {name}" for name in strays(tree, FIXTURES, FOLDERS, GIVEN)]
    for line in (*different, *unaccounted):
        print(line)
    return 1 if different or unaccounted else 0


def update(tree: Tree) -> int:
    """Make the disk like ``tree``; return the exit code."""
    outdated = strays(tree, FIXTURES, FOLDERS, GIVEN)
    for name in outdated:
        (FIXTURES / name).unlink()
    different = changed(tree, FIXTURES)
    for name in different:
        write(FIXTURES / name, tree[name])
    print(f"{len(tree)} files: {len(different)} written, {len(outdated)} removed")
    return 0


def main() -> int:
    """Run the script; return the exit code."""
    parser = argparse.ArgumentParser(description="Write fixtures/, or check it.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    tree = whole_tree()
    return check(tree) if parser.parse_args().check else update(tree)


if __name__ == "__main__":
    sys.exit(main())
