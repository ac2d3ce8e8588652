"""Evidence made to cost `verify` memory or time: both stay bounded, and nothing is hidden by it."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from writers.installatron import Entry, tar

from tests.endless import ENDLESS
from tests.invented import NAME, TIME
from tests.measured import COMMAND, KIBIBYTES_MORE, Outcome, measured
from tests.sites import DUMP, FILES, LINES, record

posix = pytest.mark.skipif(sys.platform == "win32", reason="resource.getrusage of POSIX")

IDLE: Final = """
from backupmeta.cli import commands, messages, output, verify_cmds
from backupmeta import verification
from backupmeta.render import verified as _
from isal import igzip_lib
import bz2, difflib, lzma, unicodedata, zlib, zstandard
"""


@pytest.fixture(scope="module")
def idle() -> int:
    """Measure a process that imports what `verify` does, and does nothing; in KiB."""
    return measured(IDLE).peak


def entries(embedded: bytes, dump: bytes = DUMP) -> Iterator[Entry]:
    yield Entry(b"APP-META.INI", embedded, TIME)
    yield Entry(b"APP-DATA.SQL", dump, TIME)
    for name, content in FILES.items():
        yield Entry(name.encode(), content, TIME)


PLUGIN: Final = b"<?php\n/*\nPlugin Name: x\nVersion: 1\n" + b" " * 8000 + b"*/\n"


def flood_of_plugins() -> Iterator[Entry]:
    yield from entries(record())
    for number in range(30_000):
        yield Entry(b"wp-content/plugins/p%d/p.php" % number, PLUGIN, TIME)


def flood_of_tops() -> Iterator[Entry]:
    yield from entries(record())
    for number in range(85_000):
        yield Entry(b"%d" % number, b"", TIME)


def flood_of_tables() -> Iterator[Entry]:
    yield from entries(record(), b"".join(b"CREATE TABLE `t%d` (\n);\n" % number for number in range(60_000)))


def long_lists() -> Iterator[Entry]:
    names = ",".join(map(str, range(5_000)))
    lists = dict.fromkeys(("list_files", "list_tables", "list_exclude_files", "list_plugins", "list_themes"), names)
    yield from entries(record(**{**LINES, **lists}))


def one_long_line() -> Iterator[Entry]:
    yield from entries(
        record(), DUMP[:-8] + b"INSERT INTO `wp_users` VALUES ('" + b"x" * 64 * 2**20 + b"');\nCOMMIT;\n"
    )


def hostile_configuration() -> Iterator[Entry]:
    yield from entries(record())
    for part in (b"define(", b"'", b"/*", b"<?php ", b"$table_prefix = '\\", b"define( 'DB_NAME', "):
        yield Entry(b"wp-config.php", b"<?php\n" + part * (2**20 // len(part)), TIME)


def long_version() -> Iterator[Entry]:
    for entry in entries(record()):
        content = b"<?php\n$wp_version = '" + b"1." * 2**19 + b"';\n" if entry.name.endswith(b"version.php") else None
        yield entry if content is None else entry._replace(content=content)


ATTACKS: Final[dict[str, tuple[Callable[[], Iterator[Entry]], str]]] = {
    "30,000 plugins": (flood_of_plugins, "plugin-unlisted"),
    "85,000 names at the top": (flood_of_tops, "file-unlisted"),
    "60,000 tables": (flood_of_tables, "table-unlisted"),
    "lists of 5,000 names": (long_lists, "table-missing"),
    "a line of 64 MiB": (one_long_line, "record-holds-secrets"),
    "configurations of 1 MiB": (hostile_configuration, "member-name-duplicate"),
    "a version of 1 MiB": (long_version, "application-version-differs"),
}


def verified(path: Path) -> Outcome:
    return measured(COMMAND, "verify", str(path), "--json", "--now", str(TIME + 3600))


@posix
@pytest.mark.parametrize("attack", ATTACKS)
def test_memory_and_time_are_bounded(attack: str, tmp_path: Path, idle: int) -> None:
    made, expected = ATTACKS[attack]
    path = tmp_path / NAME
    with gzip.open(path, "wb", compresslevel=1) as file:
        for block in tar(made()):
            file.write(block)
    ran = verified(path)
    assert ran.seconds < ENDLESS
    assert ran.peak - idle < KIBIBYTES_MORE
    [target] = json.loads(ran.out)["targets"]
    assert expected in {one["id"] for one in target["findings"]}
    assert ran.code == (target["verdict"] != "pass")
