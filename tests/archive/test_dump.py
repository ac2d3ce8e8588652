"""The dump's tables and views: the real writer's dialect, mysqldump's and mariadb-dump's, wherever pieces end."""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backupmeta.archive.dump import Dump, Dumps, Table
from backupmeta.archive.reader import walk
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
REAL_TABLES: Final = (Table(b"wp_comments", "table", 0), Table(b"wp_posts", "table", 2), Table(b"wp_recent", "view", 0))

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
    MYSQLDUMP.replace(b"-- MySQL dump 10.13  Distrib 8.0.36", rb"/*M!999999\- enable the sandbox mode */")
    .replace(b"/*!50001 CREATE VIEW `wp_recent` AS SELECT\n 1 AS `ID`*/;", b"SET @saved = 1;\n")
    .replace(b"-- Temporary view structure", b"-- Temporary table structure")
    .replace(
        b"/*!50001 DROP VIEW IF EXISTS `wp_recent`*/;\nSET",
        b"/*!50001 CREATE TABLE `wp_recent` (\n  `ID` tinyint NOT NULL\n) ENGINE=MyISAM */;\nSET",
    )
)
DUMPED_TABLES: Final = (Table(b"wp_posts", "table", 1), Table(b"wp_recent", "view", 0))

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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_and_views(dialect: str) -> None:
    text, tables = DIALECTS[dialect]
    for ends in (text, text.replace(b"\n", b"\r\n"), text.rstrip(b"\n"), text + b"\n\n"):
        dump = taken(ends)
        assert (dump.tables, dump.is_complete) == (tables, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cut_dump_is_incomplete_and_keeps_its_tables(dialect: str) -> None:
    text, tables = DIALECTS[dialect]
    for cut in range(0, len(text) - 24, 61):
        dump = taken(text[:cut])
        assert not dump.is_complete, cut
        assert [one.name for one in dump.tables] == [one.name for one in tables][: len(dump.tables)]
    assert not taken(text, missing=1).is_complete
    assert not taken().is_complete


def test_a_dump_that_begins_with_no_sign_of_its_end_may_end_anywhere() -> None:
    assert taken(b"DROP TABLE IF EXISTS `a`;\nCREATE TABLE `a` (\n) ENGINE=InnoDB;\n").is_complete is None
    assert taken(b"DROP TABLE IF EXISTS `a`;\n", missing=1).is_complete is False
    assert taken(b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n").is_complete is False
    assert taken(b"-- MariaDB dump 10.19\n").is_complete is False
    assert taken().is_complete is False


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
@settings(max_examples=60)
def test_pieces_may_end_anywhere(dialect: str, data: st.DataObject) -> None:
    text, tables = DIALECTS[dialect]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    dump = taken(*(text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)))
    assert (dump.tables, dump.is_complete) == (tables, True)


def test_pieces_of_one_byte() -> None:
    text = MYSQLDUMP
    dump = taken(*(text[at : at + 1] for at in range(len(text))))
    assert (dump.tables, dump.is_complete) == (DUMPED_TABLES, True)


lines = st.sampled_from(
    [
        b"CREATE TABLE `a` (",
        b"CREATE TABLE IF NOT EXISTS `b` (",
        b"/*!50001 CREATE TABLE `v` (",
        b"CREATE OR REPLACE VIEW `v` AS select 1;",
        b"INSERT INTO `a` VALUES (1);",
        b"INSERT IGNORE INTO `b` VALUES (" + b"9" * 9000 + b");",
        b" CREATE TABLE `indented` (",
        b"COMMIT;",
        b"-- Dump completed",
        b"",
        b"  ",
        b"\0\xff`",
    ]
)


@given(parts=st.lists(lines, max_size=12).map(b"\n".join), cuts=st.lists(st.integers(0, 40_000), max_size=6))
@example(parts=b"COMMIT;\n" + b"x" * 5000, cuts=[4500])
def test_any_lines_give_the_same_however_they_are_split(parts: bytes, cuts: list[int]) -> None:
    places = sorted(min(cut, len(parts)) for cut in cuts)
    split = taken(*(parts[a:b] for a, b in zip([0, *places], [*places, len(parts)], strict=True)))
    whole = taken(parts)
    assert (split.tables, split.is_complete) == (whole.tables, whole.is_complete)
    names = [one.name for one in whole.tables]
    assert (b"a" in names, b"b" in names, b"v" in names) == (b"`a` (" in parts, b"S `b` (" in parts, b"`v`" in parts)
    assert b"indented" not in names


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (b"CREATE TABLE `we``ird` (", b"we`ird"),
        (b"CREATE TABLE `with space; -- and more` (", b"with space; -- and more"),
        ("CREATE TABLE `täble` (".encode(), "täble".encode()),
        (b"CREATE TABLE `caf\xe9` (", b"caf\xe9"),
        (b"CREATE TABLE IF NOT EXISTS `t` (", b"t"),
        (b"CREATE TABLE `" + b"n" * 256 + b"` (", b"n" * 256),
    ],
)
def test_names(statement: bytes, name: bytes) -> None:
    dump = taken(
        statement + b"\n  `a` int\n);\nREPLACE INTO " + statement[statement.index(b"`") : -1] + b"VALUES (1);\n"
    )
    assert dump.tables == (Table(name, "table", 1),)


@pytest.mark.parametrize(
    "line", [b"CREATE TABLE unquoted (", b"CREATE TABLE `open", b"CREATE TABLE ``", b"CREATE", b"`"]
)
def test_what_is_no_table(line: bytes) -> None:
    assert taken(line + b"\n").tables == ()


def test_a_line_of_any_length_is_not_kept() -> None:
    dump = Dump()
    dump.take(b"CREATE TABLE `a` (\nINSERT INTO `a` VALUES (")
    for _ in range(2000):
        dump.take(b"1" * 65536)
        assert len(dump._held) <= 4096
    dump.take(b");\nCOMMIT;")
    dump.close(0)
    assert (dump.tables, dump.is_complete) == ((Table(b"a", "table", 1),), True)


@pytest.mark.parametrize("line", [b"CREATE " * 9000, b"CREATE VIEW " * 9000, b"INSERT " + b" " * 60_000, b"`" * 60_000])
def test_lines_that_begin_like_statements_take_no_time(line: bytes) -> None:
    assert taken(*[line + b"\n"] * 100).tables == ()


def test_of_more_tables_than_are_kept_the_rest_is_counted() -> None:
    dump = taken(b"".join(b"CREATE TABLE `t%d` (\n" % n for n in range(25_000)))
    assert (len(dump.tables), dump.left_out) == (20_000, 5_000)
    assert dump.tables[-1].name == b"t19999"


def test_the_dump_is_the_last_of_its_name_at_the_root(opened: Opened) -> None:
    parts = (
        member("blog/APP-DATA.SQL", b"CREATE TABLE `no` (\n"),
        header(b"APP-DATA.SQL", 0, b"5"),
        member("./APP-DATA.SQL", b"CREATE TABLE `yes` (\nCOMMIT;"),
        member("APP-DATA.SQL", b"CREATE TABLE `late` (\n"),
    )
    for some, names in ((parts, [b"late"]), (parts[:3], [b"yes"]), (parts[:2], None)):
        dumps = Dumps()
        with opened(b"".join(some) + END) as file:
            assert len(list(walk(file, consumers=[dumps]))) == len(some)
        assert (None if dumps.dump is None else [one.name for one in dumps.dump.tables]) == names


def test_a_dump_that_the_archive_cuts_off_is_incomplete(opened: Opened) -> None:
    whole = member("APP-DATA.SQL", b"CREATE TABLE `a` (\n" * 9 + b"COMMIT;\n" * 200)
    dumps = Dumps()
    with opened(whole[:1000]) as file:
        list(walk(file, consumers=[dumps]))
    dump = dumps.dump
    assert dump is not None
    assert (dump.is_complete, dump.missing) == (False, 171 + 1600 - (1000 - 512))
    assert [one.name for one in dump.tables] == [b"a"]
