"""What is in a catalog, to be compared: with another one, with what it was before, with the disk; for tests."""

import json
import sqlite3
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import zstandard

from backupmeta.catalog.integrity import OWN, seal_all
from backupmeta.catalog.schema import BACKUPS, INSTALLS, Table, Type

Row = tuple[Any, ...]
Tables = dict[str, list[Row]]
Difference = tuple[str, Row | None, Row | None]

_MOST_BYTES: Final = 2**28
_FILES: Final = """
SELECT a.path, f.path, f.path_bytes, f.kind, f.size, f.mtime_ns, f.inode, f.status, f.sha256
FROM all_files f JOIN accounts a USING (account) WHERE f.until IS NULL
"""
_FINDINGS: Final = """
SELECT a.path, i.id, b.id, b.backup_filename, n.id, n.severity, n.subject, n.detail, n.message, n.evidence
FROM all_findings n LEFT JOIN accounts a USING (account)
LEFT JOIN all_installs i USING (install) LEFT JOIN all_backups b USING (backup) WHERE n.until IS NULL
"""
_ACCOUNTS: Final = "SELECT host, path, path_bytes, seen, name, is_home, status FROM accounts WHERE status <> 'vanished'"
_MEMORIES: Final = (
    "SELECT path, extents, content FROM memories JOIN accounts USING (account) WHERE status <> 'vanished'"
)
_BEGIN: Final = 6
"""How many columns of a row number and date it."""


def rows(catalog: Path) -> Tables:
    """Return every table row by row, in the order of its key; of the scans' times only whether they have ended.

    The catalog's own seal depends on these times, and is left out.
    """
    with closing(sqlite3.connect(catalog)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        found = {name: connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for (name,) in names}  # noqa: S608
    found["seals"] = [one for one in found["seals"] if one[0] != OWN]
    found["scans"] = [(*one[:3], one[4] is not None, *one[5:]) for one in found["scans"]]
    return found


def sealed(catalog: Path) -> None:
    """Seal what a test has written into a catalog, as if a scan had."""
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute("DELETE FROM seals")
        seal_all(connection)
        connection.commit()


def current(catalog: Path) -> Tables:
    """Return what is there now, without what depends on when it was met: no numbers, no scans, no history."""
    with closing(sqlite3.connect(catalog)) as connection:
        found = {
            "accounts": connection.execute(_ACCOUNTS).fetchall(),
            "files": connection.execute(_FILES).fetchall(),
            "installs": _spelt_out(connection, INSTALLS),
            "backups": _spelt_out(connection, BACKUPS),
            "findings": connection.execute(_FINDINGS).fetchall(),
            "memories": [(*one, _memory(content)) for *one, content in connection.execute(_MEMORIES)],
        }
    return {name: sorted(some, key=repr) for name, some in found.items()}


def differences(one: Tables, other: Tables) -> list[Difference]:
    """Return, of each table in which the two differ, the first rows that do: few lines, however large they are."""
    apart = [name for name in one | other if one.get(name) != other.get(name)]
    return [(name, *_first_apart(one.get(name, []), other.get(name, []))) for name in apart]


def _first_apart(one: list[Row], other: list[Row]) -> tuple[Row | None, Row | None]:
    return next(pair for pair in zip_longest(one, other) if pair[0] != pair[1])


def _spelt_out(connection: sqlite3.Connection, table: Table) -> list[Row]:
    """Return the current rows of a table, the paths of their files and the values that they share in their places."""
    accounts = dict(connection.execute("SELECT account, path FROM accounts"))
    paths = dict(connection.execute("SELECT file, path FROM all_files"))
    shared = dict(connection.execute("SELECT shared, content FROM shared"))
    columns = table.columns[_BEGIN:]
    spelling = [_spelling(one.name, one.type, paths, shared) for one in columns]
    names = ", ".join(one.name for one in columns)
    select = f"SELECT account, {names} FROM {table.name} WHERE until IS NULL"  # noqa: S608 - our own names
    return [
        (
            accounts[account],
            *(cell if names is None else names.get(cell) for names, cell in zip(spelling, cells, strict=True)),
        )
        for account, *cells in connection.execute(select)
    ]


def _spelling(name: str, type_: Type, paths: dict[int, str], shared: dict[int, str]) -> dict[int, str] | None:
    if name in {"record_file", "archive_file"}:
        return paths
    return shared if type_ is Type.SHARED else None


def _memory(content: bytes) -> str:
    """Return a memory as JSON, sorted; its records where their numbers stand."""
    told = json.loads(zstandard.ZstdDecompressor().decompress(content, max_output_size=_MOST_BYTES))
    records = told.pop("records")
    for signed in told["files"].values():
        if isinstance(signed[-1], int):
            signed[-1] = records[signed[-1]]
        elif "record" in signed[-1]:
            signed[-1]["record"] = records[signed[-1]["record"]]
    return json.dumps(told, sort_keys=True)
