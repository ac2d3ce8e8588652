"""Write `fixtures/`: each case a folder with its input beside the answer expected of it.

The input is in the real writer's dialect (`writers/installatron.py`) unless a case is about another one. The expected
answers are written by hand from `fixtures/FORMAT.md`; nothing here runs the package. Two runs write the same bytes.

    scripts/make_fixtures.py            write what is missing or different, remove what no case accounts for
    scripts/make_fixtures.py --check    write nothing; name the differences and exit 1 if there are any

Where to look, below `fixture_cases/`: `base.py` (the one invented backup that most cases vary), `records/`,
`archives/`, `accounts/` and `applications/` (in each `case.py` says what a case is, the others are the cases),
`containers.py` (tars and compressions), `tree.py` (the disk).
"""

import argparse
import sys
from itertools import chain
from typing import Final

from fixture_cases.accounts import homes
from fixture_cases.accounts.case import trees as account_trees
from fixture_cases.applications import others
from fixture_cases.applications.case import trees as application_trees
from fixture_cases.archives import contents, names
from fixture_cases.archives.case import trees as archive_trees
from fixture_cases.records.case import trees as record_trees
from fixture_cases.tree import Tree, changed, strays, write

FIXTURES: Final = homes.FIXTURES
GIVEN: Final = (
    "FORMAT.md",  # what everything here is written from
    "api/",  # the vendor's page, and its example made valid
    "accounts/example/sysroot/",  # the same example as files
    "catalogs/",  # catalogs of older schemas, dumped when they were current
    "tour/",  # pictures, by `tour.py`
)
"""What no case writes."""


def whole_tree() -> Tree:
    """Return every generated file; no two cases may write the same one."""
    tree: Tree = {}
    for folder in chain(
        record_trees(),
        archive_trees((*contents.CASES, *names.CASES)),
        account_trees(homes.CASES),
        application_trees(others.SITES),
    ):
        if clash := tree.keys() & folder.keys():
            raise ValueError(clash)
        tree |= folder
    return tree


def check(tree: Tree) -> int:
    """Name what is different on disk; return the exit code."""
    different = [f"different or missing: {name}" for name in changed(tree, FIXTURES)]
    unaccounted = [f"no case writes it: {name}" for name in strays(tree, FIXTURES, GIVEN)]
    for line in (*different, *unaccounted):
        print(line)
    return 1 if different or unaccounted else 0


def update(tree: Tree) -> int:
    """Make the disk like ``tree``; return the exit code."""
    outdated = strays(tree, FIXTURES, GIVEN)
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
