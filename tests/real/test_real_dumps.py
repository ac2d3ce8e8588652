"""End to end: real dumps of an invented database, by mariadb-dump, phpMyAdmin and Adminer, and what the reader says.

pytest -m real tests/real/test_real_dumps.py
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from real import dumps, mariadb
from real.dumps import ADMINER_EXPORTS, MARIADB_DUMPS, PHPMYADMIN_EXPORTS
from writers import sql_dump

from backupmeta.archive.dump import Dump, DumpState

SBIN: Final = "/usr/sbin"
"""Where mariadbd is."""

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not all(map(shutil.which, ("mariadb", "mariadb-dump"))) or not Path(SBIN, "mariadbd").exists(),
        reason="needs MariaDB: apt-get install mariadb-server mariadb-client",
    ),
]

SOURCE: Final = "invented"
SETTINGS: Final = "--init-command=SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"
"""What dumps set themselves, but for compact ones."""
UNRESTORABLE: Final = {"ansi, routines"}
"""MariaDB refuses the names in double quotes where mariadb-dump has set a routine's own mode."""

PLACES: Final = 20
PIECE: Final = 64 * 1024


def needs(site: Path) -> pytest.MarkDecorator:
    """Return the mark for a dump by a program in PHP."""
    is_there = shutil.which("php") is not None and site.exists()
    return pytest.mark.skipif(not is_there, reason=f"needs {site}: apt-get install php-cli php-mysql {site.name}")


NAMES: Final = [
    *MARIADB_DUMPS,
    *(pytest.param(export, marks=needs(dumps.PHPMYADMIN)) for export in PHPMYADMIN_EXPORTS),
    *(pytest.param(export, marks=needs(dumps.ADMINER)) for export in ADMINER_EXPORTS),
]
UNSIGNED: Final = {"without comments", "without comments, routines", "compact", "phpMyAdmin without comments"}
"""Those at whose end it may be that nothing tells whether they are whole."""


class Contents(NamedTuple):
    """What a database holds: the rows of its tables, and its views."""

    rows: dict[str, int]
    views: set[str]

    @property
    def emptied(self) -> "Contents":
        return self._replace(rows=dict.fromkeys(self.rows, 0))


class Dumped:
    """The invented database, its dumps, and what they restore."""

    def __init__(self, server: mariadb.Server, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._dumps: dict[str, bytes] = {}
        dumps.create(server, SOURCE)

    def dump(self, name: str) -> bytes:
        """Return a dump, written once."""
        if name not in self._dumps:
            self._dumps[name] = self._written(name)
        return self._dumps[name]

    def _written(self, name: str) -> bytes:
        if name in MARIADB_DUMPS:
            return dumps.by_mariadb_dump(self.server, SOURCE, *MARIADB_DUMPS[name])
        if name in PHPMYADMIN_EXPORTS:
            return dumps.by_phpmyadmin(self.server, SOURCE, self._folder, **PHPMYADMIN_EXPORTS[name])
        return dumps.by_adminer(self.server, SOURCE, self._folder, **ADMINER_EXPORTS[name])

    def contents(self, database: str) -> Contents:
        """Return what MariaDB says of a database."""
        kinds = sql_dump.table_kinds(self.server, database)
        tables = [name for name, kind in kinds.items() if kind == "BASE TABLE"]
        rows = {name: sql_dump.row_count(self.server, database, name) for name in tables}
        return Contents(rows, {name for name, kind in kinds.items() if kind == "VIEW"})

    @cached_property
    def source(self) -> Contents:
        return self.contents(SOURCE)

    def restored(self, text: bytes) -> Contents:
        """Return what a dump makes of an empty database."""
        try:
            sql_dump.restore(self.server, text, "restored", SETTINGS)
            return self.contents("restored")
        finally:
            self.server.rows("DROP DATABASE IF EXISTS restored")


@pytest.fixture(scope="module")
def dumped() -> Iterator[Dumped]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setenv("PATH", SBIN, prepend=":")
        folder = Path(name)
        folder.chmod(0o711)  # the server's own user must pass through
        (folder / "php").mkdir()
        with mariadb.running(folder / "mariadb") as server:
            yield Dumped(server, folder / "php")


def read(text: bytes, piece: int = PIECE) -> Dump:
    dump = Dump()
    for at in range(0, len(text), piece):
        dump.take(text[at : at + piece])
    dump.close(0)
    return dump


def said(dump: Dump) -> Contents:
    """Return what the reader says of a dump."""
    rows = {table.name.decode(): table.rows for table in dump.tables if table.kind == "table"}
    return Contents(rows, {table.name.decode() for table in dump.tables if table.kind == "view"})


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_says_what_a_restore_makes_of_it(dumped: Dumped, name: str) -> None:
    text = dumped.dump(name)
    restored = dumped.source if name in UNRESTORABLE else dumped.restored(text)
    assert restored == (dumped.source.emptied if "--no-data" in MARIADB_DUMPS.get(name, ()) else dumped.source)
    dump = read(text)
    assert said(dump) == said(read(text, 997)) == restored
    assert (dump.filled, dump.foreign) == ((), None)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_dump_is_never_called_cut(dumped: Dumped, name: str) -> None:
    dump = read(dumped.dump(name))
    assert dump.state in ({DumpState.WHOLE, DumpState.UNKNOWN} if name in UNSIGNED else {DumpState.WHOLE}), dump.reason


def places(text: bytes) -> list[int]:
    """Return where to cut a dump, before its last statement's end: anywhere, and behind lines and statements."""
    end = text.rindex(b";")
    lines = [found.end() for found in re.finditer(rb"\n", text[:end])]
    statements = [found.end() for found in re.finditer(rb";\n", text[:end])]
    anywhere = range(1, end)
    return [*spread(anywhere, 5), *spread(lines, 4), *spread(statements[:-4], 5), *statements[-4:], end - 1, end]


def spread(places: Sequence[int], count: int) -> list[int]:
    """Return so many of ``places``, from the first to the last."""
    return [places[(len(places) - 1) * one // (count - 1)] for one in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_dump_is_never_called_whole(dumped: Dumped, name: str) -> None:
    text = dumped.dump(name)
    cut_at = places(text)
    assert len(cut_at) == PLACES
    allowed = {DumpState.CUT, DumpState.UNKNOWN} if name in UNSIGNED else {DumpState.CUT}
    states = {at: read(text[:at]).state for at in cut_at}
    assert {at: state for at, state in states.items() if state not in allowed} == {}


@pytest.mark.parametrize("name", list(MARIADB_DUMPS))
def test_nothing_within_a_routine_is_taken_for_a_table(dumped: Dumped, name: str) -> None:
    names = {table.name for table in read(dumped.dump(name)).tables}
    assert not names & {b"wp_none", b"wp_scratch", b"wp_of_routine"}


CREATED: Final = """
SELECT lower(routine_type), count(*) FROM information_schema.routines WHERE routine_schema = database() GROUP BY 1
UNION SELECT 'trigger', count(*) FROM information_schema.triggers WHERE trigger_schema = database() HAVING count(*)
UNION SELECT 'event', count(*) FROM information_schema.events WHERE event_schema = database() HAVING count(*)
"""
COLLATED: Final = """
SELECT DISTINCT table_collation FROM information_schema.tables
WHERE table_schema = database() AND table_collation IS NOT NULL
"""


@pytest.mark.parametrize("name", ["routines", "definitions alone"])
def test_routines_and_collations_are_those_that_mariadb_has(dumped: Dumped, name: str) -> None:
    dump = read(dumped.dump(name))
    created = {kind: int(count) for kind, count in dumped.server.rows(CREATED, SOURCE)}
    assert dump.routines == created
    assert len(created) > 2
    assert {name.encode() for (name,) in dumped.server.rows(COLLATED, SOURCE)} <= dump.collation_names.keys()
