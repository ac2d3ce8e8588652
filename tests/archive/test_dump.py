"""The one reader of dumps: tables, rows, whether it is whole, what a restore needs, wherever pieces end."""

import re
import sqlite3
from contextlib import closing
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backupmeta.archive.dump import Dump, Dumps, DumpState, DumpWriter, Table
from backupmeta.archive.reader import Pass
from backupmeta.archive.statements import WORDS, Spot, Statement, Statements, word_at
from tests.endless import ends
from tests.examples import examples
from tests.hostile import END, Opened, header, member

# FORMAT.md §5: per table DROP, CREATE, INSERT lines of about 64 KB; constraints; views at the end; COMMIT.
REAL: Final = b"""SET AUTOCOMMIT = 0;
START TRANSACTION;
DROP TABLE IF EXISTS `wp_comments`;
CREATE TABLE `wp_comments` (
  `comment_ID` bigint unsigned NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`comment_ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
DROP TABLE IF EXISTS `wp_posts`;
CREATE TABLE `wp_posts` (
  `ID` bigint NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_posts` VALUES (1,'CREATE TABLE `no_table` (\\nCREATE TABLE `none` ('),(2,'COMMIT;');
INSERT INTO `wp_posts` VALUES (3,'%s');
ALTER TABLE `wp_posts` ADD CONSTRAINT `c` FOREIGN KEY (`ID`) REFERENCES `wp_comments` (`comment_ID`);
DROP VIEW IF EXISTS `wp_recent`;
CREATE VIEW `wp_recent` AS select `wp_posts`.`ID` AS `ID` from `wp_posts`;
COMMIT;
""" % (b"x" * 70_000)
REAL_TABLES: Final = {b"wp_comments": ("table", 0), b"wp_posts": ("table", 3), b"wp_recent": ("view", 0)}

MYSQLDUMP: Final = rb"""-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: blog
-- ------------------------------------------------------

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;

--
-- Table structure for table `wp_posts`
--

DROP TABLE IF EXISTS `wp_posts`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `wp_posts` (
  `ID` int NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

LOCK TABLES `wp_posts` WRITE;
/*!40000 ALTER TABLE `wp_posts` DISABLE KEYS */;
INSERT INTO `wp_posts` VALUES (1),(2);
/*!40000 ALTER TABLE `wp_posts` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Temporary view structure for view `wp_recent`
--

DROP TABLE IF EXISTS `wp_recent`;
/*!50001 DROP VIEW IF EXISTS `wp_recent`*/;
/*!50001 CREATE VIEW `wp_recent` AS SELECT
 1 AS `ID`*/;

--
-- Final view structure for view `wp_recent`
--

/*!50001 DROP VIEW IF EXISTS `wp_recent`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `wp_recent` AS select `wp_posts`.`ID` AS `ID` from `wp_posts` */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2024-06-13 20:55:21
"""
MARIADB_DUMP: Final = (
    MYSQLDUMP.replace(b"-- MySQL dump 10.13", b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19")
    .replace(b"/*!50001 CREATE VIEW `wp_recent` AS SELECT\n 1 AS `ID`*/;", b"SET @saved = 1;\n")
    .replace(b"-- Temporary view structure", b"-- Temporary table structure")
    .replace(
        b"/*!50001 DROP VIEW IF EXISTS `wp_recent`*/;\nSET",
        b"/*!50001 CREATE TABLE `wp_recent` (\n  `ID` tinyint NOT NULL\n) ENGINE=MyISAM */;\nSET",
    )
)
DUMPED_TABLES: Final = {b"wp_posts": ("table", 2), b"wp_recent": ("view", 0)}

DIALECTS: Final = {
    "real": (REAL, REAL_TABLES),
    "mysqldump": (MYSQLDUMP, DUMPED_TABLES),
    "mariadb-dump": (MARIADB_DUMP, DUMPED_TABLES),
}


def taken(*pieces: bytes, missing: int = 0) -> Dump:
    dump = Dump()
    for piece in pieces:
        dump.take(piece)
    dump.close(missing)
    return dump


def told(dump: Dump) -> dict[bytes, tuple[str, int]]:
    """Return each table's kind and number of rows."""
    return {one.name: (one.kind, one.rows) for one in dump.tables}


def everything(dump: Dump) -> tuple[object, ...]:
    """Return all that a dump tells."""
    needs = (dump.sandbox, dump.collations, dump.long_statements, dump.early_views, dump.definers)
    is_like = (dump.size, dump.padding, dump.is_empty, dump.writer, dump.state, dump.reason)
    return (dump.tables, dump.filled, dump.left_out, dump.foreign, *is_like, *needs)


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(min(place, len(text)) for place in places)
    return [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def singles(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


# --- tables and rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_views_and_rows(dialect: str) -> None:
    text, tables = DIALECTS[dialect]
    for variant in (text, text.replace(b"\n", b"\r\n"), text.rstrip(b"\n"), text + b"\n\n", b"\xef\xbb\xbf" + text):
        dump = taken(variant)
        assert (told(dump), dump.state, dump.foreign) == (tables, DumpState.WHOLE, None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cut_dump_is_not_whole_and_keeps_its_tables(dialect: str) -> None:
    text, tables = DIALECTS[dialect]
    for place in range(0, len(text) - 24, 61):
        dump = taken(text[:place])
        assert dump.state is DumpState.CUT, place
        assert [one.name for one in dump.tables] == list(tables)[: len(dump.tables)]
    assert taken(text, missing=1).state is DumpState.CUT


@pytest.mark.parametrize("dialect", DIALECTS)
@given(places=st.lists(st.integers(0, 72_000), max_size=12))
@examples(60)
def test_pieces_may_end_anywhere(dialect: str, places: list[int]) -> None:
    text = DIALECTS[dialect][0]
    assert everything(taken(*cut(text, places))) == everything(taken(text))


@pytest.mark.parametrize("text", [MYSQLDUMP, MARIADB_DUMP, REAL[:900]])
def test_pieces_of_one_byte(text: bytes) -> None:
    assert everything(taken(*singles(text))) == everything(taken(text))


# What stands in any dump, whole or not, sense or not: however it is split, the same is told.
PARTS: Final = [
    *(
        b"CREATE TABLE `a` (\n `x` int\n)",
        b"create temporary table t (a int)",
        b"/*!50001 CREATE TABLE `v` (\n x int)*/",
    ),
    *(b"CREATE OR REPLACE VIEW `v` AS select 1 from `a`", b"CREATE DEFINER=`u`@`%` TRIGGER x BEFORE INSERT ON a"),
    *(b"INSERT INTO `a` VALUES ", b"INSERT IGNORE INTO b (`x`,`;`) VALUES", b"REPLACE INTO a SELECT 1", b"(1,'x')"),
    *(b"BEGIN", b"END", b"COMMIT", b"START TRANSACTION", b"SET AUTOCOMMIT = 0", b"SET @OLD_X=@@X", b"SET X=@OLD_X"),
    *(b"DELIMITER $$\n", b"DELIMITER ;\n", b"DELIMITER //\n", b"$$", b"//", b";", b";\n", b"\n", b"\r\n", b" ", b","),
    *(b"'", b'"', b"`", b"\\", b"\\'", b"--", b"-- ", b"-", b"#", b"/", b"/*", b"/*!", b"/*M!100 ", b"*/", b"*", b"$"),
    *(
        b"/*M!999999\\- x */\n",
        b"-- MySQL dump 10\n",
        b"-- Adminer 4\n",
        b"-- Dump completed",
        b"-- 2024-06-13 20:55:20",
    ),
    *(
        b"mysqldump: no\n",
        b"<html>",
        b"\0",
        b"\xff",
        b"x" * 5000,
        b"utf8mb4_0900_ai_ci",
        b"VALUES",
        b"(now())",
        b" SET ",
    ),
    *(b"ON DUPLICATE KEY UPDATE a=VALUES(a)", b"DROP TABLE a", b"(", b")"),
]


@given(
    parts=st.lists(st.sampled_from(PARTS), max_size=25).map(b"".join), places=st.lists(st.integers(0, 400), max_size=8)
)
@examples(150)
@example(parts=b"INSERT INTO `a` VALUES (1,'x'),\n", places=[24, 31])
@example(parts=b"DELIMITER $$\nCREATE TABLE a (x int) $ ; $$", places=[39])
def test_any_text_tells_the_same_however_it_is_split(parts: bytes, places: list[int]) -> None:
    assert everything(taken(*cut(parts, places))) == everything(taken(parts))


def split_slowly(text: bytes) -> list[tuple[int, int]]:
    """Return where each statement begins and ends, as a client finds it: byte by byte."""
    found, at, delimiter = list[tuple[int, int]](), 0, b";"
    while (at := after_gap(text, at, delimiter)) < len(text):
        line = text.find(b"\n", at) + 1 or len(text)
        if re.match(rb"/\*M?!999999\\-", text[at:]):
            at = line
        elif word_at(text + b"\n", at) == b"delimiter":
            named = re.match(rb"(?i:delimiter)[ \t]+(\S{1,16})(?!\S)", text[at:])
            delimiter, at = named[1] if named and b"\\" not in named[1] else delimiter, line
        elif word_at(text + b"\n", at) not in WORDS:
            at = line
        else:
            end = end_of(text, at, delimiter)
            found.append((at, end))
            at = end
    return found


def comment_at(text: bytes, at: int) -> int:
    """Return where the comment that begins at byte ``at`` ends; ``at`` where none does."""
    after = text[at + 2 : at + 4] + b"\n\n"
    if text[at : at + 2] == b"/*" and after[:1] != b"!" and after[:2] != b"M!":
        return text.find(b"*/", at + 2) + 2 if b"*/" in text[at + 2 :] else len(text)
    if text[at : at + 1] == b"#" or (text[at : at + 2] == b"--" and after[0] <= 32):
        return text.find(b"\n", at) + 1 or len(text)
    return at


def after_gap(text: bytes, at: int, delimiter: bytes) -> int:
    while at < len(text):
        if text[at : at + 1] in {b" ", b"\t", b"\n", b"\r", b"\f", b"\v", b";"}:
            at += 1
        elif (end := comment_at(text, at)) > at:
            at = end
        elif text.startswith(delimiter, at):
            at += len(delimiter)
        else:
            break
    return at


def end_of(text: bytes, at: int, delimiter: bytes) -> int:
    """Return where the statement at byte ``at`` ends."""
    quote = 0
    while at < len(text):
        byte = text[at]
        if quote:
            at += 1 if byte == ord("\\") and quote != ord("`") else 0
            quote = 0 if byte == quote else quote
        elif text.startswith(delimiter, at):
            return at + len(delimiter)
        elif (end := comment_at(text, at)) > at:
            at = end - 1
        elif byte in b"'\"`":
            quote = byte
        at += 1
    return len(text)


@given(parts=st.lists(st.sampled_from([one for one in PARTS if b"TRIGGER" not in one]), max_size=40).map(b"".join))
@examples(150)
def test_statements_are_those_that_a_client_finds_byte_by_byte(parts: bytes) -> None:
    found = list[Statement]()
    statements = Statements(found.append)
    statements.take(parts)
    statements.close()
    assert [(one.begin.offset, one.begin.offset + one.size) for one in found] == split_slowly(parts)


@given(junk=st.binary(max_size=200), places=st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes_tell_the_same_however_they_are_split(junk: bytes, places: list[int]) -> None:
    text = REAL[:200] + junk + b"\n" + REAL[200:900]
    assert everything(taken(*cut(text, places))) == everything(taken(text))


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (b"CREATE TABLE `t` (", b"t"),
        (b"CREATE TABLE `we``ird` (", b"we`ird"),
        (b"CREATE TABLE `with space; -- and more` (", b"with space; -- and more"),
        ("CREATE TABLE `täble` (".encode(), "täble".encode()),
        ("create table täble (".encode(), "täble".encode()),
        (b"CREATE TABLE `caf\xe9` (", b"caf\xe9"),
        (b"CREATE TABLE IF NOT EXISTS `t` (", b"t"),
        (b"CREATE TABLE `" + b"n" * 256 + b"` (", b"n" * 256),
        (b"create table t (", b"t"),
        (b"  CREATE  TABLE\n`t`(", b"t"),
        (b"CREATE TABLE t(", b"t"),
        (b'CREATE TABLE "t ""x""" (', b't "x"'),
        (b"CREATE TABLE `blog`.`t` (", b"t"),
        (b"CREATE TABLE blog . t (", b"t"),
        (b"CREATE OR REPLACE TABLE `t` (", b"t"),
        (b"/*!50001 CREATE TABLE `t` (", b"t"),
        (b"/* it's */ CREATE -- a ' here\n TABLE /* ; */ `t` (", b"t"),
        (b"/*M!100100 CREATE */ TABLE `t` (", b"t"),
    ],
)
def test_names(statement: bytes, name: bytes) -> None:
    dump = taken(statement + b"\n  `a` int\n);\nREPLACE INTO `" + name.replace(b"`", b"``") + b"` VALUES (1);\n")
    assert told(dump) == {name: ("table", 1)}


@pytest.mark.parametrize(
    "text",
    [
        b"CREATE TABLE `open",
        b"CREATE TABLE ``",
        b"CREATE",
        b"CREATE TEMPORARY TABLE `t` (a int);\nINSERT INTO `t` VALUES (1);",
        b"CREATE INDEX `t` ON `u` (a);",
        b"CREATE DATABASE `t`;",
        b"# CREATE TABLE `t` (\n",
        b"-- CREATE TABLE `t` (\n",
        b"/* CREATE TABLE `t` (a int); */",
        b"SELECT '\nCREATE TABLE `t` (a int);\n';",
        b'SELECT "\nCREATE TABLE `t` (a int);\n\\"";',
        b"SELECT `\nCREATE TABLE ``t`` (a int);\n`;",
        b"ALTER TABLE `t` ADD `x` int;",
        b"CREATE TABLE `t` (a int);\nDROP TABLE IF EXISTS `u`, `t`;",
        b"CREATE VIEW `t` AS SELECT 1;\nDROP VIEW `blog`.`t`;",
    ],
)
def test_what_is_no_table(text: bytes) -> None:
    dump = taken(text + b"\n")
    assert (dump.tables, dump.filled) == ((), ())


ROUTINE: Final = b"""CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
BEGIN
  DECLARE x int; -- BEGIN
  IF x THEN BEGIN SELECT 'END;'; END; END IF;
  CASE x WHEN 1 THEN DROP TABLE IF EXISTS `t`; ELSE SELECT CASE x WHEN 2 THEN 3 END; END CASE;
  CREATE TABLE `t` (
    a int
);
  INSERT INTO `t` VALUES (1);
END"""


@pytest.mark.parametrize("delimiter", [b";;", b"$$", b"//", b"|", b"$"])
def test_no_line_of_a_routine_is_a_statement(delimiter: bytes) -> None:
    text = b"DELIMITER %b\n%b %b\nDELIMITER ;\nCREATE TABLE `u` (a int);\n" % (delimiter, ROUTINE, delimiter)
    for dump in (taken(text), taken(*singles(text))):
        assert (told(dump), dump.foreign, dump.state) == ({b"u": ("table", 0)}, None, DumpState.UNKNOWN)


def test_a_routine_without_another_delimiter_ends_with_its_block() -> None:
    function = b"CREATE FUNCTION f() RETURNS int RETURN 1;\n"
    dump = taken(ROUTINE + b";\nCREATE TABLE `u` (a int);\n" + function + b"CREATE TABLE `v` (a int);")
    assert (list(told(dump)), dump.foreign) == ([b"u", b"v"], None)


def test_triggers_and_events_as_mysqldump_writes_them() -> None:
    text = b"""DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW BEGIN
CREATE TABLE `no` (a int);
END */;;
/*!50106 CREATE*/ /*!50117 DEFINER=`ev`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT 1; END */ ;;
DELIMITER ;
"""
    dump = taken(text)
    assert (dump.tables, dump.foreign) == ((), None)
    assert {name: (met.line, met.times) for name, met in dump.definers.items()} == {b"root": (2, 1), b"ev": (5, 1)}


def test_a_delimiter_that_is_never_taken_back() -> None:
    dump = taken(b"DELIMITER $$\nCREATE TABLE t (a int) $$\n")
    assert (list(told(dump)), dump.state) == ([b"t"], DumpState.CUT)


def test_of_many_delimiters_a_few_are_taken() -> None:
    text = b"".join(b"DELIMITER x%d\n" % number for number in range(50_000))
    assert taken(text).state is DumpState.CUT


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
        (b"(_binary 'x;\\n\\0\\Z'),(0xABCD),(b'01'),(x'FF'),(NULL,-1.5e3)", 5),
        (b"\n(1,'a'),\n(2,'b'),\n(3,'c;')", 3),
        (b'("it\'s;"),("a""b\\\\"),(")")', 3),
        (b"(1 /* ),( */),(2) -- ),(\n,(3) # it's\n", 3),
        (b"('-- x'),('/* y'),('# z'),(1--1)", 4),
        (b"(1),(2) ON DUPLICATE KEY UPDATE a=VALUES(a),b=(1)", 2),
        (b"(1)\n,\n(2)", 2),
    ],
)
def test_rows(inserted: bytes, count: int) -> None:
    second = b"INSERT LOW_PRIORITY IGNORE `b`.u VALUES (1);\nCOMMIT;\n"
    for before in (b"VALUES ", b"(`id`,`VALUES`,`a)`) VALUES ", b"(`we``ird`) VALUES\n", b" VALUES ", b"value "):
        for end in (b";\n", b";\r\n", b";"):
            text = b"INSERT INTO `t` " + before + inserted + end + second
            for dump in (taken(text), taken(*singles(text))):
                assert {one.name: one.rows for one in dump.filled} == {b"t": count, b"u": 1}
                assert dump.foreign is None


def test_rows_under_another_delimiter() -> None:
    dump = taken(b"DELIMITER $$\nINSERT INTO t VALUES (1,';'),(2)$$\nDELIMITER ;\nINSERT INTO t SET a=1;\n")
    assert [(one.name, one.rows, one.inserts) for one in dump.filled] == [(b"t", 3, 2)]


def test_a_query_inserts_what_nobody_counts() -> None:
    dump = taken(b"INSERT INTO `a` SELECT (1);\nINSERT INTO `b` VALUES (1);\n")
    assert [(one.name, one.rows, one.inserts) for one in dump.filled] == [(b"a", 0, 1), (b"b", 1, 1)]


def test_columns_may_take_some_room() -> None:
    columns = b",".join(b"`column_%d`" % number for number in range(1000))
    assert taken(b"INSERT INTO `t` (" + columns + b") VALUES (1),(2);\n").filled[0].rows == 2


def test_a_table_that_is_created_again_begins_anew() -> None:
    some = b"DROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (a int);\nINSERT INTO `t` VALUES (1);\n"
    assert told(taken(some + some)) == {b"t": ("table", 1)}


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
@examples(100)
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
    found = taken(*cut(text.encode(), places)).filled
    assert {one.name: one.rows for one in found} == expected


@given(texts=st.lists(st.text(st.sampled_from("a'(),; \n"), max_size=10), min_size=1, max_size=9))
@examples(50)
def test_sqlite_counts_the_same(texts: list[str]) -> None:
    inserted = ",".join("('" + text.replace("'", "''") + "')" for text in texts)
    dump = f"CREATE TABLE `t` (\n`a` text\n);\nINSERT INTO `t` VALUES {inserted};\n"
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(dump)
        count = database.execute("SELECT count(*) FROM t").fetchone()[0]
    assert told(taken(dump.encode())) == {b"t": ("table", count)}


def definition(text: bytes) -> Table:
    (table,) = taken(text).tables
    return table


def test_definitions() -> None:
    create = b"CREATE TABLE `t` (\n  `a` int DEFAULT ';' COMMENT 'it''s;'\n) ENGINE=InnoDB AUTO_INCREMENT=12 X=1;\n"
    table = definition(create)
    assert table.definition == create.strip().replace(b" AUTO_INCREMENT=12", b"")
    assert definition(create.replace(b"=12", b"=13")).digest == table.digest
    assert definition(create.replace(b"`a` int", b"`a` bigint")).digest != table.digest
    assert taken(b"INSERT INTO `t` VALUES (1);\n").filled[0].digest == ""


def test_a_long_definition_is_told_apart_to_its_end() -> None:
    long = b"CREATE TABLE `t` (\n" + b"  `a` int,\n" * 20_000 + b"  `%s` int\n);\n"
    one, other = definition(long % b"x"), definition(long % b"y")
    assert 65_000 < len(one.definition) <= 64 * 1024
    assert one.digest != other.digest
    assert taken(*cut(long % b"x", [70_000, 150_000])).tables == (one,)


@pytest.mark.untraced  # the same lines, thousands of times
def test_definitions_are_kept_within_bounds() -> None:
    create = b"CREATE TABLE `t%d` (\n" + b"  `a` int,\n" * 5000 + b"  `b` int\n);\n"
    dump = taken(*(create % number for number in range(400)))
    assert sum(len(one.definition) for one in dump.tables) <= 16 * 2**20
    assert len({one.digest for one in dump.tables}) == 400


@pytest.mark.untraced  # the same lines, thousands of times
def test_of_more_tables_than_are_kept_the_rest_is_counted() -> None:
    dump = taken(
        b"".join(b"CREATE TABLE `t%d` (a int);\nINSERT INTO `t%d` VALUES (1);\n" % (n, n) for n in range(25_000))
    )
    assert (len(dump.tables), dump.left_out) == (20_000, 5_000)
    assert dump.tables[-1].name == b"t19999"
    dump = taken(b"".join(b"INSERT INTO `t%d` VALUES (1);\n" % number for number in range(20_005)))
    assert (len(dump.filled), dump.left_out) == (20_000, 5)


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize(
    ("before", "endless"),
    [
        (b"", b"x"),
        (b"", b"'"),
        (b"INSERT INTO `a` VALUES ('", b"x"),
        (b"INSERT INTO `a` VALUES ('", rb"\'"),
        (b"INSERT INTO `a` VALUES (", b"("),
        (b"INSERT INTO `a` VALUES ", b"(1),"),
        (b"INSERT INTO `a` VALUES 5", b"5"),
        (b"INSERT INTO `a` VALUES )", b")"),
        (b"CREATE TABLE `b` (", b"`a` int,\n"),
        (b"CREATE PROCEDURE `b` () BEGIN ", b"SELECT 1;"),
        (b"/*", b"*"),
        (b"-- ", b"-"),
        (b"DELIMITER ", b"$"),
        (b"SELECT ", b"-"),
        (b"SELECT ", b"/"),
    ],
)
def test_what_has_no_end_is_not_held(before: bytes, endless: bytes) -> None:
    dump = Dump()
    dump.take(before)
    for _ in range(30):
        dump.take(endless * 3000)
        assert len(dump._statements._held) <= 17_000
        assert len(dump._statements._text) <= 65_536
    dump.close(0)


HOSTILE: Final = {
    "quotes": b"'",
    "backslashes": b"\\",
    "escaped": b"\\'",
    "names": b"`",
    "semicolons": b";",
    "comments": b"/* x */",
    "comment openings": b"/*",
    "executed openings": b"/*!50001 ",
    "minuses": b"-",
    "empty comments": b"#\n",
    "CREATE": b"CREATE ",
    "CREATE with comments": b"CREATE /* */",
    "definers": b"CREATE DEFINER=a@b ",
    "parentheses": b"INSERT INTO a VALUES ((((",
    "functions": b"(now()),",
    "blocks": b"BEGIN; ",
    "delimiters": b"DELIMITER $$\nDELIMITER ;\n",
    "variables": b"SET @a=@@b, @c=@@d;\n",
    "views": b"CREATE VIEW a AS SELECT 1 FROM b JOIN c;\n",
}


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("before", [b"", b"INSERT INTO `a` VALUES (", b"CREATE PROCEDURE p() BEGIN "])
def test_hostile_statements_take_no_time_by_the_square(name: str, before: bytes) -> None:
    def read(size: int) -> None:
        text = before + HOSTILE[name] * (size // len(HOSTILE[name]))
        taken(*(text[at : at + 2**16] for at in range(0, len(text), 2**16)))

    assert ends(read, 400_000)


# --- whole, cut, or unknown -------------------------------------------------------------------------------------------

BODY: Final = (
    b"DROP TABLE IF EXISTS `a`;\nCREATE TABLE `a` (\n  `b` int\n) ENGINE=InnoDB;\nINSERT INTO `a` VALUES (1);\n"
)
SAVE: Final = (
    b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n"
    b"/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\n"
)
SET_BACK: Final = (
    b"/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n"
)
PMA: Final = b'-- phpMyAdmin SQL Dump\n-- version 5.2.1\n\nSET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";\n'
ADMINER: Final = b"-- Adminer 4.8.1 MySQL 10.11.8-MariaDB dump\n\nSET NAMES utf8;\n"
VENDOR: Final = b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n"


@pytest.mark.parametrize(
    ("text", "writer", "state"),
    [
        (VENDOR + BODY + b"COMMIT;\n", DumpWriter.INSTALLATRON, DumpState.WHOLE),
        (VENDOR + BODY + b"COMMIT;", DumpWriter.INSTALLATRON, DumpState.WHOLE),
        (VENDOR + BODY + b"COMMIT;\n-- added\n", DumpWriter.INSTALLATRON, DumpState.WHOLE),
        (VENDOR + BODY, DumpWriter.INSTALLATRON, DumpState.CUT),
        (VENDOR + BODY + b"COMMIT", DumpWriter.INSTALLATRON, DumpState.CUT),
        (VENDOR + BODY + b"COMMIT;\n" + BODY, DumpWriter.INSTALLATRON, DumpState.UNKNOWN),
        (b"\n\n" + VENDOR + BODY + b"COMMIT;\n", DumpWriter.INSTALLATRON, DumpState.WHOLE),
        (BODY, DumpWriter.UNKNOWN, DumpState.UNKNOWN),
        (BODY + b"COMMIT;\n", DumpWriter.UNKNOWN, DumpState.UNKNOWN),
        (BODY[:-2], DumpWriter.UNKNOWN, DumpState.CUT),
        (BODY + b"-- a comment", DumpWriter.UNKNOWN, DumpState.UNKNOWN),
        (BODY + b"/* a comment", DumpWriter.UNKNOWN, DumpState.CUT),
        (BODY + b"INSERT INTO `a` VALUES ('\n-- Dump completed\n", DumpWriter.UNKNOWN, DumpState.CUT),
        (BODY + b"INSERT INTO `a` VALUES ('\n-- Dump completed');\n", DumpWriter.UNKNOWN, DumpState.UNKNOWN),
        (b"-- MySQL dump 10.13\n" + BODY, DumpWriter.MYSQLDUMP, DumpState.CUT),
        (
            b"-- MySQL dump 10.13\n" + BODY + b"-- Dump completed on 2024-06-13 20:55:21\n",
            DumpWriter.MYSQLDUMP,
            DumpState.WHOLE,
        ),
        (b"\xef\xbb\xbf-- MariaDB dump 10.19\n" + BODY + b"-- Dump completed\n", DumpWriter.MYSQLDUMP, DumpState.WHOLE),
        (
            b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n" + BODY,
            DumpWriter.MYSQLDUMP,
            DumpState.CUT,
        ),
        (b"mysqldump: [Warning] x\n-- MySQL dump 10.13\n" + BODY, DumpWriter.MYSQLDUMP, DumpState.CUT),
        (SAVE + BODY + SET_BACK, DumpWriter.UNKNOWN, DumpState.WHOLE),  # mysqldump --skip-comments
        (SAVE + BODY, DumpWriter.UNKNOWN, DumpState.CUT),
        (SAVE + BODY + SET_BACK[:70], DumpWriter.UNKNOWN, DumpState.CUT),
        (b"SET @saved_cs_client = @@character_set_client;\n" + BODY, DumpWriter.UNKNOWN, DumpState.CUT),
        (b"SET @saved=@@x;\n" + BODY + b"SET x=@saved;\n", DumpWriter.UNKNOWN, DumpState.UNKNOWN),  # so for each table
        (
            b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT;\n" + BODY + b"SET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n",
            DumpWriter.UNKNOWN,
            DumpState.UNKNOWN,
        ),
        (b"set autocommit=0;\n" + BODY, DumpWriter.UNKNOWN, DumpState.CUT),
        (b"set autocommit=0;\n" + BODY + b"commit;\n", DumpWriter.UNKNOWN, DumpState.UNKNOWN),
        (
            PMA + b"START TRANSACTION;\n" + SAVE + BODY + b"COMMIT;\n\n" + SET_BACK,
            DumpWriter.PHPMYADMIN,
            DumpState.WHOLE,
        ),
        (PMA + b"START TRANSACTION;\n" + SAVE + BODY + b"COMMIT;\n\n", DumpWriter.PHPMYADMIN, DumpState.CUT),
        (PMA + b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n" + BODY, DumpWriter.PHPMYADMIN, DumpState.CUT),
        (PMA + b"START TRANSACTION;\n" + BODY + b"COMMIT;\n", DumpWriter.PHPMYADMIN, DumpState.WHOLE),
        (PMA + SAVE + BODY + SET_BACK, DumpWriter.PHPMYADMIN, DumpState.WHOLE),
        (PMA + BODY, DumpWriter.PHPMYADMIN, DumpState.UNKNOWN),
        (ADMINER + BODY + b"-- 2024-06-13 20:55:20\n", DumpWriter.ADMINER, DumpState.WHOLE),
        (ADMINER + BODY + b"\n-- 2024-06-13 20:55:20 UTC\n", DumpWriter.ADMINER, DumpState.WHOLE),
        (ADMINER + BODY, DumpWriter.ADMINER, DumpState.CUT),
        (
            b"SET sql_mode='NO_BACKSLASH_ESCAPES';\nINSERT INTO `a` VALUES ('\\');\n",
            DumpWriter.UNKNOWN,
            DumpState.UNKNOWN,
        ),
        (b"", DumpWriter.UNKNOWN, DumpState.CUT),
        (b"\n\0\0", DumpWriter.UNKNOWN, DumpState.CUT),
    ],
)
def test_whether_it_is_whole(text: bytes, writer: DumpWriter, state: DumpState) -> None:
    for dump in (taken(text), taken(*singles(text))):
        assert (dump.writer, dump.state, dump.reason != "") == (writer, state, True)
        assert dump.is_empty == (not text.strip(b"\n\0"))


def test_nothing_tells_the_middle_of_a_signed_or_framed_dump_from_its_end() -> None:
    whole = (
        VENDOR + BODY + b"COMMIT;\n",
        SAVE + BODY + SET_BACK,
        PMA + b"START TRANSACTION;\n" + SAVE + BODY + b"COMMIT;\n\n" + SET_BACK,
        ADMINER + BODY + b"-- 2024-06-13 20:55:20\n",
    )
    for text in whole:
        assert taken(text).state is DumpState.WHOLE
        for place in range(len(text.rstrip()) - 1):
            assert taken(text[:place]).state is not DumpState.WHOLE, text[:place]


# --- what is no SQL ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "offset"),
    [
        (b"mysqldump: Got error: 1045: Access denied for user 'a'@'b' (can't)\n", 1, 0),
        (b"mysqldump: [Warning] it's insecure.\n-- MySQL dump 10\n" + BODY, 1, 0),
        (BODY + b"mysqldump: Error 2013: Lost connection\n", 6, len(BODY)),
        (BODY + b"\n<br />\n<b>Warning</b>: x\n" + BODY, 7, len(BODY) + 1),
        (BODY.replace(b"\n", b"\r\n") + b"oops\r\n", 6, len(BODY) + 5),
        (BODY + b"'a'),(2);\n", 6, len(BODY)),
        (BODY + b"\0\0\0\n" + BODY, 6, len(BODY)),
        (b"\xff\xfeC\0R\0E\0A\0T\0E\0", 1, 0),
    ],
)
def test_text_that_is_no_sql(text: bytes, line: int, offset: int) -> None:
    for dump in (taken(text), taken(*singles(text))):
        assert dump.foreign is not None
        assert (dump.foreign.line, dump.foreign.offset) == (line, offset)
        assert dump.foreign.text == text[offset:].partition(b"\n")[0].rstrip()[:80]
    assert len(taken(text).tables) == (BODY in text or BODY.replace(b"\n", b"\r\n") in text)


@pytest.mark.parametrize("end", [b"", b"\n", b"COMMIT"])
def test_nul_bytes_at_the_end_are_padding(end: bytes) -> None:
    dump = taken(BODY + end + b"\0" * 400)
    assert (dump.padding, dump.foreign) == (400, None)
    assert dump.state is (DumpState.CUT if end == b"COMMIT" else DumpState.UNKNOWN)


def test_lines_that_end_as_on_an_old_mac() -> None:
    # A client takes a comment to the next LF: of mysqldump's nothing is left, the real writer's has none.
    assert taken((VENDOR + BODY + b"COMMIT;\n").replace(b"\n", b"\r")).state is DumpState.WHOLE
    assert taken(MYSQLDUMP.replace(b"\n", b"\r")).state is DumpState.CUT


# --- what a restore needs ---------------------------------------------------------------------------------------------


def test_collations_of_newer_servers() -> None:
    create = b"CREATE TABLE `%b` (\n a text COLLATE %b\n);\nINSERT INTO `x` VALUES ('utf8mb4_0900_ai_ci');\n"
    assert taken(create % (b"a", b"utf8mb4_unicode_520_ci")).collations is None
    dump = taken(BODY + create % (b"t", b"utf8mb4_0900_ai_ci") + create % (b"u", b"utf8mb4_uca1400_ai_ci"))
    assert dump.collations == Spot(6, len(BODY), b"utf8mb4_0900_ai_ci", 2)
    for one in (b"uca1400_ai_ci", b"utf8mb4_0900_bin", b"UTF8MB4_DE_PB_0900_AI_CI"):
        assert taken(create % (b"t", one)).collations is not None


def test_definers_are_told_with_their_first_place() -> None:
    text = b"CREATE ALGORITHM=UNDEFINED DEFINER=`ro``ot`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1;\n"
    dump = taken(text + text + b"CREATE DEFINER = 'x'@localhost FUNCTION f() RETURNS int RETURN 1;\n")
    assert dump.definers == {b"ro`ot": Spot(1, 0, times=2), b"x": Spot(3, 2 * len(text))}
    assert taken(b"CREATE SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`x`';\n").definers == {}


@pytest.mark.parametrize(
    "sign", [b"/*!999999\\- enable the sandbox mode */ ", b"/*M!999999\\- enable the sandbox mode */"]
)
def test_the_sandbox_comment(sign: bytes) -> None:
    dump = taken(b"-- it's\n" + sign + b"\n" + BODY)
    assert (dump.sandbox, dump.foreign, len(dump.tables)) == (Spot(2, 8, sign.rstrip()), None, 1)


def test_long_statements() -> None:
    def inserted(size: int) -> bytes:
        return b"INSERT INTO `t` VALUES ('" + b"x" * (size - 28) + b"');"

    assert taken(inserted(2**24)).long_statements is None
    dump = taken(inserted(2**24 + 1), b"\n", inserted(2**24 + 9), b"\n", inserted(2**24 + 5))
    assert dump.long_statements == Spot(2, 2**24 + 2, times=3, size=2**24 + 9)


@pytest.mark.parametrize(
    ("text", "views"),
    [
        (b"CREATE VIEW v AS select a from `t`;\nCREATE TABLE t (a int);", 1),
        (b"CREATE VIEW v AS select a from (`x`.`t` join `u`);\nCREATE TABLE u (a int);\nCREATE TABLE t (a int);", 1),
        (b"CREATE VIEW v AS select a from w;\nCREATE VIEW w AS select a from t;\nCREATE TABLE t (a int);", 2),
        (b"CREATE TABLE t (a int);\nCREATE VIEW v AS select a from t;", 0),
        (b"CREATE VIEW v AS select a from other.t;", 0),
        (b"CREATE VIEW v AS select 1;\nCREATE TABLE t (a int);\nDROP VIEW v;\nCREATE VIEW v AS select a from t;", 0),
        (b"CREATE VIEW v AS select a from t;\nDROP VIEW v;\nCREATE TABLE t (a int);", 0),
    ],
)
def test_views_before_what_they_read(text: bytes, views: int) -> None:
    dump = taken(text)
    assert (dump.early_views.times if dump.early_views else 0) == views


# --- in an archive ----------------------------------------------------------------------------------------------------


def test_the_dump_is_the_last_of_its_name_at_the_root(opened: Opened) -> None:
    parts = (
        member("blog/APP-DATA.SQL", b"CREATE TABLE `no` (\n"),
        header(b"APP-DATA.SQL", 0, b"5"),
        member("./APP-DATA.SQL", b"CREATE TABLE `yes` (a int);\nCOMMIT;"),
        member("APP-DATA.SQL", b"CREATE TABLE `late` (a int);\nCOMMIT;"),
    )
    for some, names in ((parts, [b"late"]), (parts[:3], [b"yes"]), (parts[:2], None)):
        found = Dumps()
        with opened(b"".join(some) + END) as file:
            assert len(list(Pass(file, consumers=[found]))) == len(some)
        assert (None if found.dump is None else [one.name for one in found.dump.tables]) == names


def test_a_dump_that_the_archive_cuts_off_is_cut(opened: Opened) -> None:
    whole = member("APP-DATA.SQL", b"CREATE TABLE `a` (b);\n" * 9 + b"COMMIT;\n" * 200)
    found = Dumps()
    with opened(whole[:1000]) as file:
        list(Pass(file, consumers=[found]))
    assert found.dump is not None
    assert (found.dump.state, found.dump.missing) == (DumpState.CUT, 198 + 1600 - (1000 - 512))
    assert [one.name for one in found.dump.tables] == [b"a"]
