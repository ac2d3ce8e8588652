"""Writes a database as ``APP-DATA.SQL``, in the documented form (``fixtures/FORMAT.md`` §5), and proves it.

Definitions come from ``SHOW CREATE``, rows from ``mariadb-dump``. `restore` loads the text into an empty database, so
that the two can be compared by `contents`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from real.mariadb import Server

ROW_OPTIONS = (
    "--skip-opt",  # no locks, no disabled keys, no character sets
    "--compact",
    "--quick",
    "--no-create-info",
    "--skip-triggers",
    "--skip-tz-utc",
    "--order-by-primary",
    "--extended-insert",
    "--net-buffer-length=65536",  # about 64 KB a statement
)
FOREIGN_KEY = re.compile(r"^  (CONSTRAINT .* FOREIGN KEY .*?),?$", re.MULTILINE)
VIEW_ATTRIBUTES = re.compile(r"^CREATE .*? VIEW ")


class Contents(NamedTuple):
    """What makes two databases equal: kinds, definitions, row counts and checksums, by table."""

    kinds: dict[str, str]
    definitions: dict[str, str]
    row_counts: dict[str, int]
    checksums: dict[str, str]


def dump(server: Server, database: str) -> Iterator[bytes]:
    """Yield the statements of a whole dump, each with its newline."""
    kinds = table_kinds(server, database)
    tables = [name for name, kind in kinds.items() if kind == "BASE TABLE"]
    views = [name for name, kind in kinds.items() if kind == "VIEW"]
    definitions = {name: definition(server, database, name) for name in kinds}
    yield b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n"
    for table in tables:
        yield f"DROP TABLE IF EXISTS {quoted(table)};\n{without_foreign_keys(definitions[table])};\n".encode()
        yield insert_statements(server, database, table)
    for table in tables:
        for constraint in FOREIGN_KEY.findall(definitions[table]):
            yield f"ALTER TABLE {quoted(table)} ADD {constraint};\n".encode()
    for view in views:
        yield f"DROP VIEW IF EXISTS {quoted(view)};\n{definitions[view]};\n".encode()
    yield b"COMMIT;\n"


def table_kinds(server: Server, database: str) -> dict[str, str]:
    """Return each table's and view's kind, alphabetically."""
    return {row[0]: row[1] for row in server.rows("SHOW FULL TABLES", database)}


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def definition(server: Server, database: str, table: str) -> str:
    """Return a CREATE statement as the server words it; a view's without definer and algorithm."""
    statement = server.rows(f"SHOW CREATE TABLE {quoted(table)}", database)[0][1]
    return VIEW_ATTRIBUTES.sub("CREATE VIEW ", statement)


def without_foreign_keys(create_table: str) -> str:
    """Return a CREATE TABLE that needs no other table."""
    kept = [line for line in create_table.split("\n") if not FOREIGN_KEY.match(line)]
    return re.sub(r",\n\)", "\n)", "\n".join(kept))


def insert_statements(server: Server, database: str, table: str) -> bytes:
    """Return a table's rows, one INSERT a line; strings hold no raw newline, so each one joins two rows."""
    text = server.run("mariadb-dump", *ROW_OPTIONS, database, table)
    joined = text.replace(b" VALUES\n", b" VALUES ").replace(b"),\n(", b"),(")
    return b"".join(line + b"\n" for line in joined.split(b"\n") if line.startswith(b"INSERT INTO "))


def restore(server: Server, text: bytes, database: str, *options: str) -> None:
    """Load a dump into a new, empty database, with ``options`` of the client."""
    server.rows(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
    server.run("mariadb", *options, database, stdin=text)


def contents(server: Server, database: str) -> Contents:
    """Return what to compare a restored database by."""
    kinds = table_kinds(server, database)
    return Contents(
        kinds,
        {name: definition(server, database, name) for name in kinds},
        {name: row_count(server, database, name) for name in kinds},
        {name: checksum(server, database, name) for name, kind in kinds.items() if kind == "BASE TABLE"},
    )


def row_count(server: Server, database: str, table: str) -> int:
    """Return how many rows a table or view has."""
    return int(server.rows(f"SELECT COUNT(*) FROM {quoted(table)}", database)[0][0])  # noqa: S608 - names of our own


def checksum(server: Server, database: str, table: str) -> str:
    """Return what CHECKSUM TABLE says of a table's rows."""
    return server.rows(f"CHECKSUM TABLE {quoted(table)} EXTENDED", database)[0][1]
