"""Tables of a dump: definitions and rows, whatever stands in texts, wherever pieces end."""

import sqlite3
from contextlib import closing
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupmeta.archive.tables import TableContent, Tables
from tests.archive.test_dump import DIALECTS, REAL

ROWS: Final = {
    "real": {b"wp_comments": 0, b"wp_posts": 3, b"wp_recent": 0},
    "mysqldump": {b"wp_posts": 2, b"wp_recent": 0},
    "mariadb-dump": {b"wp_posts": 2, b"wp_recent": 0},
}


def taken(*pieces: bytes) -> Tables:
    tables = Tables()
    for piece in pieces:
        tables.take(piece)
    tables.close(0)
    return tables


def rows(*pieces: bytes) -> dict[bytes, int]:
    return {one.name: one.rows for one in taken(*pieces).tables}


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(min(place, len(text)) for place in places)
    return [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects(dialect: str) -> None:
    text, tables = DIALECTS[dialect]
    for ends in (text, text.replace(b"\n", b"\r\n"), text.rstrip(b"\n")):
        assert rows(ends) == ROWS[dialect]
        assert rows(*(ends[at : at + 1] for at in range(min(len(ends), 5000)))) == rows(ends[:5000])
        assert [(one.name, one.kind) for one in taken(ends).tables] == [(one.name, one.kind) for one in tables]


@pytest.mark.parametrize(
    ("inserted", "count"),
    [
        (b"(1)", 1),
        (b"(1),(2),(3)", 3),
        (b"(1, 'a'), (2, 'b')", 2),
        (b"('),('),('(((')", 2),
        (b"('it''s'),('''),('''),('')", 3),
        (rb"('\'),('),('\\'),('\\\'),(')", 3),
        (rb"('\\\\'),('a\\'),('\"')", 3),
        (b"(';\n'),('a;\r\n),(;\n')", 2),
        (b"(now()),(concat('(',lower('X')))", 2),
        (b"(_binary 'x;\\n\\0'),(0xABCD),(NULL,-1.5e3)", 3),
        (b"\n(1,'a'),\n(2,'b'),\n(3,'c;')", 3),
    ],
)
def test_rows(inserted: bytes, count: int) -> None:
    for before in (b"VALUES ", b"(`id`,`VALUES`,`a)`) VALUES ", b"(`we``ird`) VALUES\n", b" VALUES "):
        text = b"INSERT INTO `t` " + before + inserted + b";\nINSERT INTO `u` VALUES (1);\nCOMMIT;\n"
        assert rows(text) == {b"t": count, b"u": 1}
        assert rows(*(text[at : at + 1] for at in range(len(text)))) == {b"t": count, b"u": 1}


# Whoever writes the rows knows how many there are.
nasty = st.text(st.sampled_from("a'\"\\(),;\n\r`-#/*é \0"), max_size=12)
values = st.one_of(nasty, st.integers(-99, 99), st.none())
tables_of_rows = st.lists(
    st.tuples(st.sampled_from("tuv"), st.lists(st.lists(values, min_size=1, max_size=3), min_size=1, max_size=5)),
    max_size=5,
)


def escaped(text: str, *, doubling: bool) -> str:
    """Return a text as mysqldump escapes it, or with its quotes doubled, and its newlines as they are."""
    if doubling:
        return text.replace("\\", "\\\\").replace("'", "''")
    for raw, written in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0"), ('"', '\\"')):
        text = text.replace(raw, written)
    return text


def written(value: str | int | None, *, doubling: bool) -> str:
    if isinstance(value, str):
        return f"'{escaped(value, doubling=doubling)}'"
    return "NULL" if value is None else str(value)


@given(
    inserted=tables_of_rows,
    doubling=st.booleans(),
    between=st.sampled_from([",", ", ", ",\n"]),
    places=st.lists(st.integers(0, 600), max_size=8),
)
@settings(max_examples=300)
def test_any_rows_are_counted_however_they_are_cut(
    inserted: list[tuple[str, list[list[str | int | None]]]],
    doubling: bool,  # noqa: FBT001
    between: str,
    places: list[int],
) -> None:
    text, expected = "", dict[bytes, int]()
    for name, some in inserted:
        told = between.join("(" + ",".join(written(one, doubling=doubling) for one in row) + ")" for row in some)
        text += f"-- it's (\nINSERT INTO `{name}` VALUES {told};\n"
        expected[name.encode()] = expected.get(name.encode(), 0) + len(some)
    assert rows(*cut(text.encode(), places)) == expected


@given(texts=st.lists(st.text(st.sampled_from("a'(),; \n"), max_size=10), min_size=1, max_size=9))
@settings(max_examples=50)
def test_sqlite_counts_the_same(texts: list[str]) -> None:
    told = ",".join("('" + text.replace("'", "''") + "')" for text in texts)
    dump = f"CREATE TABLE `t` (\n`a` text\n);\nINSERT INTO `t` VALUES {told};\n"
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(dump)
        count = database.execute("SELECT count(*) FROM t").fetchone()[0]
    assert rows(dump.encode()) == {b"t": count}


def definition(text: bytes) -> TableContent:
    (table,) = taken(text).tables
    return table


def test_definitions() -> None:
    create = b"CREATE TABLE `t` (\n  `a` int DEFAULT ';' COMMENT 'it''s;'\n) ENGINE=InnoDB AUTO_INCREMENT=12 X=1;\n"
    table = definition(create)
    assert table.definition == create.strip().replace(b" AUTO_INCREMENT=12", b"")
    assert definition(create.replace(b"=12", b"=13")).digest == table.digest
    assert definition(create.replace(b"`a` int", b"`a` bigint")).digest != table.digest
    assert definition(b"INSERT INTO `t` VALUES (1);\n").digest == ""


def test_a_long_definition_is_told_apart_to_its_end() -> None:
    long = b"CREATE TABLE `t` (\n" + b"  `a` int,\n" * 20_000 + b"  `%s` int\n);\n"
    one, other = definition(long % b"x"), definition(long % b"y")
    assert 65_000 < len(one.definition) <= 64 * 1024
    assert one.digest != other.digest
    assert definition(long % b"x").digest == one.digest


def test_definitions_are_kept_within_bounds() -> None:
    create = b"CREATE TABLE `t%d` (\n" + b"  `a` int,\n" * 5000 + b"  `b` int\n);\n"
    tables = Tables()
    for number in range(400):
        tables.take(create % number)
    tables.close(0)
    assert sum(len(one.definition) for one in tables.tables) <= 16 * 2**20
    assert len({one.digest for one in tables.tables}) == 400


def test_of_more_tables_than_are_kept_the_rest_is_counted() -> None:
    tables = taken(b"".join(b"INSERT INTO `t%d` VALUES (1);\n" % number for number in range(20_005)))
    assert (len(tables.tables), tables.left_out) == (20_000, 5)


def test_no_line_is_held() -> None:
    tables = Tables()
    tables.take(b"-- ")
    for line in (b"x", b"INSERT INTO `a` VALUES ('", b"\\'", b"CREATE TABLE `b` (\n"):
        for _ in range(100):
            tables.take(line * 3000)
            assert len(tables._held) <= 4096


@pytest.mark.parametrize(
    "line",
    [
        b"CREATE " * 9000,
        b"INSERT INTO `a` " + b"`" * 60_000,
        b"INSERT INTO `a` " + b"``" * 30_000,
        b"INSERT INTO `a` (",
    ],
)
def test_lines_that_begin_like_statements_take_no_time(line: bytes) -> None:
    assert taken(*[line + b"\n"] * 100).tables == ()


def test_a_query_inserts_what_nobody_counts() -> None:
    assert rows(b"INSERT INTO `a` SELECT 1;\nINSERT INTO `b` VALUES (1);\n") == {b"b": 1}


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes_give_the_same_however_they_are_cut(junk: bytes, places: list[int]) -> None:
    text = REAL[:200] + junk + b"\n" + REAL[200:900]
    assert taken(text).tables == taken(*cut(text, places)).tables
