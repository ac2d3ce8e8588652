"""Checks of an archive against what its record lists: files, tables, the dump, sizes."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.checks import completeness as checks
from backupmeta.checks import rulebook
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import Policy
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity
from backupmeta.provenance import Witness
from tests.checks.subjects import ARCHIVE, DUMP, FILES, FOLDER, MEMBERS, TABLES, backup, ids, record, surveyed, without
from tests.invented import archive, install_record

MIB: Final = 2**20
NO_APP: Final = {"installer": "an-app-nobody-knows"}
"""Its own files are not looked for."""


def listing(text: str) -> dict[str, str | None]:
    """Return the changes to a record that lists ``text`` and nothing else."""
    return {**NO_APP, "list_files": text, "list_tables": None, "db_prefix": None}


def only(findings: list[Finding]) -> list[Finding]:
    """Return the findings without the note that the application is unknown."""
    return [one for one in findings if one.id != "application-unknown"]


# --- files that have to be there --------------------------------------------------------------------------------------

WORDPRESS: Final = [
    "index.php",
    "wp-admin/index.php",
    "wp-blog-header.php",
    "wp-config.php",
    "wp-content/index.php",
    "wp-load.php",
    "wp-login.php",
    "wp-settings.php",
]


@pytest.mark.parametrize("name", WORDPRESS)
def test_what_wordpress_can_not_do_without_is_missing(name: str) -> None:
    one = backup(None, without(name))
    detail = name.partition("/")[0]
    assert one.found == [Finding(FINDINGS["file-missing"], "files", detail, (one.line("list-files"), ARCHIVE))]


def test_a_listed_file_that_wordpress_can_do_without_may_be_missing() -> None:
    # wp-config-local.php and .maintenance are on the list and not in the archive (FORMAT.md §2)
    assert "wp-config-local.php" in FILES
    assert backup().found == []


def test_what_the_record_does_not_list_is_not_missed() -> None:
    one = backup(record(list_files=FILES.replace("wp-load.php,", "")), without("wp-load.php"))
    assert one.found == []


@pytest.mark.parametrize("files", ["", None])
def test_without_a_list_no_file_is_missing(files: str | None) -> None:
    assert list(checks.files_missing(backup(record(list_files=files), {"APP-DATA.SQL": DUMP}).subject)) == []


@pytest.mark.parametrize(
    "excluded",
    ["wp-admin", "wp-admin/", f"{FOLDER}/wp-admin", f"{FOLDER}/wp-admin/", "./wp-admin"],
)
def test_an_excluded_folder_is_not_missing(excluded: str) -> None:
    assert backup(record(list_exclude_files=excluded), without("wp-admin/index.php")).found == []


def test_another_install_s_excluded_folder_is_not_this_one_s() -> None:
    one = backup(record(list_exclude_files=f"{FOLDER}2/wp-admin"), without("wp-admin/index.php"))
    assert ids(one.found) == ["file-missing"]


def test_a_partial_survey_misses_what_the_top_lacks() -> None:
    one = backup(None, without("wp-load.php"), limits=replace(DEFAULT_LIMITS, names=11))
    assert not one.subject.inventory.is_partial
    assert ids(list(checks.files_missing(one.subject))) == ["file-missing"]
    one = backup(None, without("wp-load.php"), limits=replace(DEFAULT_LIMITS, names=5))
    assert one.subject.inventory.is_partial
    assert ids(list(checks.files_missing(one.subject))) == ["file-missing"]


def requiring(*files: str) -> Policy:
    return Policy(requirements=Requirements(files=files))


@pytest.mark.parametrize("name", ["wp-config.php", "wp-admin", "wp-admin/", "./wp-admin/index.php", "APP-DATA.SQL"])
def test_what_the_policy_requires_is_there(name: str) -> None:
    assert backup(policy=requiring(name)).found == []


@pytest.mark.parametrize("name", ["wp-conf", "WP-CONFIG.PHP", "index.php/x", "wp-admin/none", "ünknown"])
def test_what_the_policy_requires_is_missing(name: str) -> None:
    assert backup(policy=requiring(name)).found == [
        Finding(FINDINGS["file-missing"], name, "the policy requires it", (ARCHIVE,)),
    ]


def test_what_both_require_is_told_twice() -> None:
    found = backup(None, without("wp-load.php"), policy=requiring("wp-load.php")).found
    assert [(one.id, one.subject) for one in found] == [("file-missing", "files"), ("file-missing", "wp-load.php")]


def test_the_policy_s_files_are_looked_for_without_any_list() -> None:
    one = backup(record(**listing("")), {}, policy=requiring("wp-config.php"))
    assert ids(only(one.found)) == ["file-missing"]


# --- files on no list -------------------------------------------------------------------------------------------------


def test_a_name_at_the_top_is_on_no_list() -> None:
    one = backup(None, {**MEMBERS, "shell.php": b"", "old/wp-load.php": b"", "old/b": b"", "wp-admin/new.php": b""})
    assert one.found == [
        Finding(FINDINGS["file-unlisted"], "files", "shell.php", (one.line("list-files"), one.member("shell.php"))),
        # a folder without a member of its own is shown by the archive
        Finding(FINDINGS["file-unlisted"], "files", "old", (one.line("list-files"), ARCHIVE)),
    ]


@pytest.mark.parametrize(
    "name", ["extra", "extra/", "./extra", "extra/deep/file.txt", f"{FOLDER}/extra", f"{FOLDER}/extra/deep/file.txt"]
)
@pytest.mark.parametrize("key", ["list-files", "list-backup-files"])
def test_any_list_names_a_file(key: str, name: str) -> None:
    changes = {"list_files": FILES, key: f"{FILES},{name}"}
    assert list(checks.files_unlisted(backup(record(**changes), {**MEMBERS, "extra/deep/file.txt": b""}).subject)) == []


def test_a_file_that_was_to_be_excluded_is_not_unlisted_as_well() -> None:
    one = backup(record(list_exclude_files="extra"), {**MEMBERS, "extra": b""})
    assert ids(one.found) == ["file-excluded"]


def test_a_file_outside_the_install_is_named_by_its_whole_path() -> None:
    # FORMAT.md §7: data folders outside path are unknown; such a list must not break anything
    one = backup(record(list_backup_files="/home/exampleu/moodledata"))
    assert one.found == []


def test_another_install_with_a_longer_name_is_not_inside() -> None:
    one = backup(record(list_backup_files=f"{FOLDER}-2/extra"), {**MEMBERS, "-2": b""})
    assert ids(one.found) == ["file-unlisted"]


def test_without_a_list_nothing_is_unlisted() -> None:
    assert list(checks.files_unlisted(backup(record(list_files=None)).subject)) == []


def test_by_an_empty_list_everything_is_unlisted() -> None:
    one = backup(record(**listing("")), {"b": b"", "a": b"", "APP-DATA.SQL": b"SET AUTOCOMMIT = 0;\nCOMMIT;"})
    assert [finding.detail for finding in only(one.found)] == ["b", "a"]


def test_names_that_are_not_utf8_are_unlisted() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    one = backup(None, {**MEMBERS, name: b""})
    assert one.found == [Finding(FINDINGS["file-unlisted"], "files", name, (one.line("list-files"), one.member(name)))]


@pytest.mark.parametrize("key", ["list-files", "list-backup-files", "list-exclude-files"])
def test_by_a_list_that_can_not_be_decoded_nothing_is_unlisted(key: str) -> None:
    content = record(**{"list_files": FILES, key: f"{FILES},PLACE"}).replace(b"PLACE", b"caf\xe9")
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert list(checks.files_unlisted(backup(content, {**MEMBERS, name: b""}).subject)) == []


# --- files that were to be left out -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("excluded", "inside"),
    [
        ("wp-admin", "wp-admin"),
        ("wp-admin/", "wp-admin"),
        ("./wp-admin/index.php", "wp-admin/index.php"),
        ("wp-admin/index.php", "wp-admin/index.php"),
        (f"{FOLDER}/wp-admin/index.php", "wp-admin/index.php"),
    ],
)
def test_what_was_to_be_left_out_is_there(excluded: str, inside: str) -> None:
    one = backup(record(list_exclude_files=f"none,{excluded}"))
    place = one.member(inside) if inside.endswith(".php") else ARCHIVE
    places = (one.line("list-exclude-files"), place)
    assert list(checks.files_excluded(one.subject)) == [
        Finding(FINDINGS["file-excluded"], "exclude_files", excluded, places)
    ]


@pytest.mark.parametrize(
    "excluded",
    ["", "none", FOLDER, f"{FOLDER}/", "/", ".", "./", ",,", "wp-admi", "wp-admin/index", f"{FOLDER}2/wp-admin", "*"],
)
def test_what_was_to_be_left_out_is_not_there(excluded: str) -> None:
    assert backup(record(list_exclude_files=excluded)).found == []


def test_without_a_path_excluded_names_are_the_archive_s() -> None:
    one = backup(record(path="", list_exclude_files="wp-content/index.php"))
    assert ids(one.found) == ["file-excluded"]


def test_nothing_is_excluded_by_a_list_that_can_not_be_decoded() -> None:
    assert backup(record(list_exclude_files="PLACE").replace(b"PLACE", b"wp-admin,\xff")).found == []


# --- the dump ---------------------------------------------------------------------------------------------------------


def test_there_is_no_dump() -> None:
    one = backup(None, without("APP-DATA.SQL"))
    assert one.found == [Finding(FINDINGS["dump-missing"], "tables", "", (one.line("list-tables"), ARCHIVE))]


def test_a_dump_deeper_in_the_archive_is_none() -> None:
    one = backup(None, {**without("APP-DATA.SQL"), "wp-content/APP-DATA.SQL": DUMP})
    assert ids(one.found) == ["dump-missing"]


@pytest.mark.parametrize("tables", ["", None])
def test_without_tables_there_needs_to_be_no_dump(tables: str | None) -> None:
    # FORMAT.md §7: what an application without a database has is unknown
    assert backup(record(list_tables=tables), without("APP-DATA.SQL")).found == []


def test_there_is_no_dump_of_added_tables() -> None:
    one = backup(record(list_tables="", list_backup_tables="extra"), without("APP-DATA.SQL"))
    assert ids(one.found) == ["dump-missing"]


@pytest.mark.parametrize("tables", ["", None])
def test_without_tables_the_dump_may_be_empty(tables: str | None) -> None:
    assert backup(record(list_tables=tables, db_prefix=None), {**MEMBERS, "APP-DATA.SQL": b""}).found == []


@pytest.mark.parametrize(
    ("dump", "detail"),
    [
        (DUMP.removesuffix(b"COMMIT;\n"), "its transaction has no COMMIT"),
        (DUMP.removesuffix(b"MIT;\n"), "its transaction has no COMMIT"),  # COM is no SQL
        (DUMP.removesuffix(b";\n"), "it ends within the statement that begins on line 20"),
        (DUMP[: len(DUMP) // 2], "it ends within the statement that begins on line 12"),
        (
            b"-- MySQL dump 10.13\nCREATE TABLE `wp_users` (\n  `ID` int\n);\n",
            "its last line is not '-- Dump completed'",
        ),
        (b"-- Adminer 4.8.1\nSET NAMES utf8;\n", "its last line is not 'a comment with the time'"),
        (b"SET AUTOCOMMIT = 0;\nDELIMITER ;;\n", "it ends within a comment or a routine"),
        (b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE */;\n", "@OLD_SQL_MODE, saved on line 1, is not set back"),
    ],
)
def test_the_dump_breaks_off(dump: bytes, detail: str) -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": dump})
    assert list(checks.dump_incomplete(one.subject)) == [
        Finding(FINDINGS["dump-incomplete"], "", detail, (one.member("APP-DATA.SQL"),))
    ]
    # nobody knows what the rest held
    assert list(checks.tables_missing(one.subject)) == []


@pytest.mark.parametrize("dump", [b"", b"\n", b" \r\n\t", b"\xef\xbb\xbf"])
def test_the_dump_is_empty(dump: bytes) -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": dump})
    assert one.found == [Finding(FINDINGS["dump-empty"], "", "", (one.member("APP-DATA.SQL"),))]


def test_the_dump_is_padded() -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": DUMP + bytes(400)})
    assert one.found == [Finding(FINDINGS["dump-padded"], "", "400 bytes", (one.member("APP-DATA.SQL"),))]
    assert ids(backup(None, {**MEMBERS, "APP-DATA.SQL": bytes(400)}).found) == ["dump-empty", "dump-padded"]


def test_whether_the_dump_is_whole_is_not_known() -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": OLD_DUMP})
    assert one.found == [
        Finding(FINDINGS["dump-end-unknown"], "", "nothing at its end tells", (one.member("APP-DATA.SQL"),))
    ]
    assert one.found[0].severity is Severity.NOTE


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"mysqldump: Got error: CANARY", "line 1, which begins with 'mysqldump:'"),
        (b"\nmysqldump: [Warning] Using a password\n" + DUMP, "line 2, which begins with 'mysqldump:'"),
        (DUMP + b"<br />\n<b>Warning</b>\n", "line 21, which begins with '<br'"),
        (b"'CANARY'),(2);\n" + DUMP, "line 1"),
        ("CREATE TABLE".encode("utf-16"), "line 1: it is UTF-16"),
        (b"\x1f\x8b\x08" + bytes(9) + b"\n", "line 1: it is compressed by gzip"),
    ],
)
def test_text_in_the_dump_is_no_sql(text: bytes, detail: str) -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": text})
    (found,) = [found for found in one.found if found.id == "dump-not-sql"]
    assert (found.detail, found.severity) == (detail, Severity.ERROR)
    (place,) = found.evidence
    assert (place.member, place.line) == ("APP-DATA.SQL", int(detail.split()[1].rstrip(",:")))


# FORMAT.md §5: what mysqldump writes, in the order in which it does.
MYSQLDUMP: Final = rb"""-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
/*!50503 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `wp_options`;
CREATE TABLE `wp_options` (
  `option_id` int NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_options` VALUES (1);
CREATE TABLE `wp_posts` (
  `ID` int NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_posts` VALUES (1);
/*!50001 CREATE VIEW `wp_recent` AS SELECT
 1 AS `ID`*/;
CREATE TABLE `wp_users` (
  `ID` int NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_users` VALUES (1);
/*!50001 DROP VIEW IF EXISTS `wp_recent`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `wp_recent` AS select `wp_posts`.`ID` AS `ID` from `wp_posts` */;

-- Dump completed on 2024-06-13 20:55:21
"""
# Before 2021: no transaction around it.
OLD_DUMP: Final = DUMP.removeprefix(b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n").removesuffix(b"COMMIT;\n")


@pytest.mark.parametrize("dump", [DUMP, MYSQLDUMP, DUMP.rstrip(), MYSQLDUMP.rstrip()])
def test_every_dialect_of_a_dump_is_silent(dump: bytes) -> None:
    assert backup(None, {**MEMBERS, "APP-DATA.SQL": dump}).found == []


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dump", [DUMP, MYSQLDUMP, OLD_DUMP])
@pytest.mark.parametrize(
    "name", ["wp_comments", "wp_user", "wp_userss", "WP_USERS", "not_one", "wp_ü"]
)  # WP_USERS beside wp_users
def test_a_listed_table_is_not_in_the_dump(dump: bytes, name: str) -> None:
    one = backup(record(list_tables=f"{TABLES},{name}"), {**MEMBERS, "APP-DATA.SQL": dump})
    places = (one.line("list-tables"), one.member("APP-DATA.SQL"))
    found = [found for found in one.found if found.id != "dump-end-unknown"]
    assert found == [Finding(FINDINGS["table-missing"], "tables", name, places)]


def test_a_listed_view_is_not_in_the_dump() -> None:
    dump = DUMP.replace(b"CREATE VIEW `wp_recent`", b"CREATE VIEW `wp_other`")
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": dump})
    places = (one.line("list-tables"), one.member("APP-DATA.SQL"))
    assert one.found == [
        Finding(FINDINGS["table-missing"], "tables", "wp_recent", places),
        Finding(FINDINGS["table-unlisted"], "tables", "wp_other", places),
    ]


def test_a_table_that_is_only_filled_is_not_in_the_dump() -> None:
    dump = DUMP.replace(b"COMMIT;", b"INSERT INTO `wp_links` VALUES (1);\nCOMMIT;")
    one = backup(record(list_tables=f"{TABLES},wp_links"), {**MEMBERS, "APP-DATA.SQL": dump})
    assert [(found.id, found.detail) for found in one.found] == [("table-missing", "wp_links")]


def test_an_added_table_is_not_in_the_dump() -> None:
    one = backup(record(list_backup_tables="forum_posts"))
    assert [(found.id, found.subject, found.detail) for found in one.found] == [
        ("table-missing", "tables", "forum_posts")
    ]


def test_an_added_table_is_shown_where_it_is_listed() -> None:
    one = backup(record(list_backup_tables="forum_posts"))
    (found,) = one.found
    assert found.evidence == (one.line("list-backup-tables"), one.member("APP-DATA.SQL"))


def test_an_added_table_is_listed() -> None:
    dump = DUMP.replace(b"COMMIT;", b"CREATE TABLE `forum_posts` (\n  `ID` int\n);\nCOMMIT;")
    one = backup(record(list_backup_tables="forum_posts"), {**MEMBERS, "APP-DATA.SQL": dump})
    assert one.found == []


@pytest.mark.parametrize(
    "added",
    [
        "CREATE TABLE `evil` (\n  `ID` int\n);",
        "CREATE VIEW `evil` AS select 1;",
        "CREATE TABLE `evil` LIKE `wp_posts`;",
    ],
)
def test_a_table_of_the_dump_is_on_no_list(added: str) -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": DUMP.replace(b"COMMIT;", added.encode() + b"\nCOMMIT;")})
    places = (one.line("list-tables"), one.member("APP-DATA.SQL"))
    assert one.found == [Finding(FINDINGS["table-unlisted"], "tables", "evil", places)]


def test_a_table_whose_name_is_not_utf8_is_on_no_list() -> None:
    dump = DUMP.replace(b"COMMIT;", b"CREATE TABLE `\xff` (\n  `ID` int\n);\nCOMMIT;")
    found = backup(None, {**MEMBERS, "APP-DATA.SQL": dump}).found
    assert [(one.id, one.detail) for one in found] == [("table-unlisted", "\udcff")]


def test_without_a_list_no_table_is_missing_or_unlisted() -> None:
    assert backup(record(list_tables=None)).found == []


def test_by_an_empty_list_every_table_is_unlisted() -> None:
    found = backup(record(list_tables="")).found
    assert [one.detail for one in found] == ["wp_options", "wp_posts", "wp_users", "wp_recent"]
    assert set(ids(found)) == {"table-unlisted"}


def test_by_a_list_that_can_not_be_decoded_no_table_is_unlisted() -> None:
    assert backup(record(list_tables=f"{TABLES},PLACE").replace(b"PLACE", b"\xff")).found == []


def test_tables_in_a_broken_dump_are_still_unlisted() -> None:
    dump = b"SET AUTOCOMMIT = 0;\nCREATE TABLE `evil` (\n"
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": dump})
    assert ids(list(checks.tables_unlisted(one.subject))) == ["table-unlisted"]


@pytest.mark.untraced  # the same lines, thousands of times
def test_too_many_tables_are_not_compared() -> None:
    dump = b"".join(b"CREATE TABLE `t%d` (\n);\n" % n for n in range(20_001))
    one = backup(record(list_tables="t20000"), {**MEMBERS, "APP-DATA.SQL": dump})
    assert one.subject.inventory.dump is not None
    assert one.subject.inventory.dump.left_out == 1
    [found] = checks.tables_missing(one.subject)
    assert (found.id, found.detail) == ("tables-not-compared", "the first 20,000 of 20,001")


def demanding(*tables: str) -> Policy:
    return Policy(requirements=Requirements(tables=tables))


@pytest.mark.parametrize("name", ["wp_users", "{prefix}users", "{prefix}recent"])
def test_a_table_that_the_policy_requires_is_there(name: str) -> None:
    assert backup(policy=demanding(name)).found == []


@pytest.mark.parametrize(("name", "meant"), [("users", "users"), ("{prefix}links", "wp_links")])
def test_a_table_that_the_policy_requires_is_missing(name: str, meant: str) -> None:
    one = backup(policy=demanding(name))
    assert one.found == [
        Finding(FINDINGS["table-missing"], meant, "the policy requires it", (one.member("APP-DATA.SQL"),)),
    ]


def test_without_a_prefix_none_is_put_before_a_required_table() -> None:
    assert ids(backup(record(db_prefix=None), policy=demanding("{prefix}users")).found) == ["table-missing"]


def test_a_table_that_the_policy_requires_is_missing_with_the_whole_dump() -> None:
    one = backup(record(list_tables=None), without("APP-DATA.SQL"), policy=demanding("wp_users"))
    assert ids(one.found) == ["table-missing"]


LISTING: Final = b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\nCOMMIT;\n"


def test_no_table_of_the_dump_can_be_told() -> None:
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": LISTING})
    assert one.found == [
        Finding(FINDINGS["tables-unknown"], "tables", "", (one.line("list-tables"), one.member("APP-DATA.SQL"))),
    ]


@pytest.mark.parametrize(
    "dump", [DUMP.replace(b"`", b""), DUMP.replace(b"`", b'"'), DUMP.replace(b"TABLE `", b"table `blog`.`")]
)
def test_names_of_tables_however_they_are_written(dump: bytes) -> None:
    assert backup(None, {**MEMBERS, "APP-DATA.SQL": dump}).found == []


def test_what_a_routine_creates_is_no_table_of_the_dump() -> None:
    routine = (
        b"DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nCREATE TABLE `%b` (\n a int\n);\nEND ;;\nDELIMITER ;\nCOMMIT;"
    )
    dump = DUMP.replace(b"COMMIT;", routine % b"wp_tmp")
    assert backup(None, {**MEMBERS, "APP-DATA.SQL": dump}).found == []
    one = backup(
        record(list_tables=f"{TABLES},wp_gone"),
        {**MEMBERS, "APP-DATA.SQL": DUMP.replace(b"COMMIT;", routine % b"wp_gone")},
    )
    assert [(found.id, found.detail) for found in one.found] == [("table-missing", "wp_gone")]


@pytest.mark.parametrize("name", ["options", "users"])
def test_a_table_that_no_wordpress_is_without_rows_in(name: str) -> None:
    dump = DUMP.replace(b"INSERT INTO `wp_%b` VALUES (1);\n" % name.encode(), b"")
    one = backup(None, {**MEMBERS, "APP-DATA.SQL": dump})
    assert one.found == [Finding(FINDINGS["table-empty"], "", f"wp_{name}", (one.member("APP-DATA.SQL"),))]
    assert one.found[0].severity is Severity.WARNING
    assert only(backup(record(installer="an-app-nobody-knows"), {**MEMBERS, "APP-DATA.SQL": dump}).found) == []
    assert list(checks.tables_empty(backup(record(db_prefix=None), {**MEMBERS, "APP-DATA.SQL": dump}).subject)) == []
    assert list(checks.tables_empty(backup(record(db_prefix="x_"), {**MEMBERS, "APP-DATA.SQL": dump}).subject)) == []
    cut = dump.replace(b"COMMIT;", b"")  # nobody knows what the rest held
    assert list(checks.tables_empty(backup(None, {**MEMBERS, "APP-DATA.SQL": cut}).subject)) == []


def test_any_other_table_may_be_without_rows() -> None:
    dump = DUMP.replace(b"COMMIT;", b"CREATE TABLE `wp_2_options` (a int);\nCREATE TABLE `users` (a int);\nCOMMIT;")
    one = backup(record(list_tables=f"{TABLES},wp_2_options,users"), {**MEMBERS, "APP-DATA.SQL": dump})
    assert one.found == []


# --- the prefix -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["blog_", "wp__", "wp-", "wp_users_"])
def test_no_table_has_the_prefix(prefix: str) -> None:
    one = backup(record(db_prefix=prefix))
    places = (one.line("db-prefix"), one.member("APP-DATA.SQL"))
    assert list(checks.prefix_differs(one.subject)) == [
        Finding(FINDINGS["table-prefix-differs"], "db_prefix", prefix, places)
    ]


@pytest.mark.parametrize("prefix", ["wp_", "w", "wp_users", "WP_", "", None])
def test_some_table_has_the_prefix(prefix: str | None) -> None:
    assert list(checks.prefix_differs(backup(record(db_prefix=prefix)).subject)) == []


def test_without_tables_no_prefix_is_wrong() -> None:
    dump = b"SET AUTOCOMMIT = 0;\nCOMMIT;\n"
    one = backup(record(list_tables="", db_prefix="blog_"), {**MEMBERS, "APP-DATA.SQL": dump})
    assert list(checks.prefix_differs(one.subject)) == []


# --- sizes ------------------------------------------------------------------------------------------------------------

BIG: Final = {"index.php": bytes(4 * MIB)}


@pytest.mark.parametrize("told", [2 * MIB, 3 * MIB, 4 * MIB, 8 * MIB])
def test_the_files_are_about_as_large_as_the_record_says(told: int) -> None:
    assert list(checks.sizes_differ(backup(record(cache_files=str(told)), BIG).subject)) == []


@pytest.mark.parametrize(
    ("told", "text"),
    [("2097151", "2,097,151"), ("8388609", "8,388,609"), ("1", "1"), ("9" * 30, ",".join(["999"] * 10))],
)
def test_the_files_are_far_larger_or_smaller_than_the_record_says(told: str, text: str) -> None:
    one = backup(record(cache_files=told), BIG)
    detail = f"4,194,304 bytes, by the record {text}"
    places = (one.line("cache-files"), ARCHIVE)
    assert list(checks.sizes_differ(one.subject)) == [
        Finding(FINDINGS["files-size-differs"], "cache_files", detail, places)
    ]


def test_a_size_of_thousands_of_digits_is_judged() -> None:
    assert ids(list(checks.sizes_differ(backup(record(cache_files="9" * 4000), BIG).subject))) == ["files-size-differs"]


@pytest.mark.parametrize("told", ["0", "-5", "", "many", None])
def test_a_size_that_says_nothing_is_not_judged(told: str | None) -> None:
    assert list(checks.sizes_differ(backup(record(cache_files=told, cache_tables=told), BIG).subject)) == []


@pytest.mark.parametrize(("size", "found"), [(MIB + 1, []), (MIB + 2, ["files-size-differs"])])
def test_a_mebibyte_more_or_less_tells_nothing(size: int, found: list[str]) -> None:
    one = backup(record(cache_files="1"), {"index.php": bytes(size)})
    assert ids(list(checks.sizes_differ(one.subject))) == found


def test_where_files_were_excluded_the_rest_may_be_far_smaller() -> None:
    one = backup(record(cache_files="9" * 12, list_exclude_files="cache"), BIG)
    assert list(checks.sizes_differ(one.subject)) == []
    one = backup(record(cache_files="2097151", list_exclude_files="cache"), BIG)
    assert ids(list(checks.sizes_differ(one.subject))) == ["files-size-differs"]


def test_record_and_dump_are_no_files_of_the_application() -> None:
    one = backup(record(cache_files="1", title="x" * 2 * MIB), {"APP-DATA.SQL": bytes(2 * MIB)})
    assert list(checks.sizes_differ(one.subject)) == []


def test_what_the_live_install_counts_now_says_nothing_of_the_backup() -> None:
    one = backup(record(cache_files=None), BIG, install=install_record(cache_files="99999999"))
    assert one.subject.inspection.source("cache_files").witness is Witness.INSTALL_RECORD
    assert list(checks.sizes_differ(one.subject)) == []


def filled(size: int) -> dict[str, bytes]:
    """Return the members of an archive with a dump of ``size`` bytes."""
    return {"APP-DATA.SQL": b"-" * (size - 1) + b"\n"}


@pytest.mark.parametrize(("size", "told"), [(8 * MIB, 2 * MIB), (2 * MIB, 2 * MIB), (2 * MIB, 100 * MIB), (MIB + 1, 1)])
def test_the_dump_is_about_as_large_as_the_record_says(size: int, told: int) -> None:
    assert list(checks.sizes_differ(backup(record(cache_tables=str(told)), filled(size)).subject)) == []


@pytest.mark.parametrize(
    ("size", "told", "detail"),
    [
        (8 * MIB, 2 * MIB - 1, "8,388,608 bytes, by the record 2,097,151"),
        (2 * MIB, 100 * MIB + 1, "2,097,152 bytes, by the record 104,857,601"),
        (MIB + 2, 1, "1,048,578 bytes, by the record 1"),
    ],
)
def test_the_dump_is_far_larger_or_smaller_than_the_record_says(size: int, told: int, detail: str) -> None:
    one = backup(record(cache_tables=str(told)), filled(size))
    places = (one.line("cache-tables"), one.member("APP-DATA.SQL"))
    assert list(checks.sizes_differ(one.subject)) == [
        Finding(FINDINGS["tables-size-differs"], "cache_tables", detail, places)
    ]


def test_without_a_dump_its_size_is_not_judged() -> None:
    assert list(checks.sizes_differ(backup(record(cache_tables="99999999"), {}).subject)) == []


# --- any honest backup ------------------------------------------------------------------------------------------------

NAMES: Final = st.lists(st.text("abcdefg", min_size=1, max_size=3), unique=True, max_size=8)


@given(files=NAMES, tables=NAMES, absent=NAMES)
def test_a_backup_of_what_its_record_lists_is_silent(files: list[str], tables: list[str], absent: list[str]) -> None:
    dump = "".join(f"CREATE TABLE `{one}` (\n  `ID` int\n);\n" for one in tables)
    listed = [*files, *(one for one in absent if one not in files)]
    content = record(**NO_APP, list_files=",".join(listed), list_tables=",".join(tables), db_prefix=None)
    one = backup(
        content, {"APP-DATA.SQL": f"SET AUTOCOMMIT = 0;\n{dump}COMMIT;\n".encode(), **dict.fromkeys(files, b"")}
    )
    assert only(one.found) == []


@given(files=NAMES, tables=NAMES, odd=st.sampled_from("abcdefg"))
def test_whatever_else_there_is_is_found(files: list[str], tables: list[str], odd: str) -> None:
    dump = "".join(f"CREATE TABLE `{one}` (\n  `ID` int\n);\n" for one in tables)
    listed = [one for one in files if one != odd]
    demanded = [one for one in tables if one != odd]
    content = record(**NO_APP, list_files=",".join(listed), list_tables=",".join(demanded), db_prefix=None)
    inside = {"APP-DATA.SQL": f"SET AUTOCOMMIT = 0;\n{dump}COMMIT;\n".encode(), **dict.fromkeys(files, b"")}
    found = [(one.id, one.detail) for one in only(backup(content, inside).found)]
    expected = [("file-unlisted", odd)] * (odd in files) + [("table-unlisted", odd)] * (odd in tables)
    assert found == expected


# --- a dot and a slash before every name ------------------------------------------------------------------------------


def dotted() -> dict[str, bytes]:
    return {f"./{name}": content for name, content in MEMBERS.items()}


def test_names_that_begin_with_a_dot_and_a_slash_are_the_same() -> None:
    assert backup(None, dotted()).found == []
    one = backup(record(list_tables=f"{TABLES},gone", list_exclude_files="wp-load.php"), dotted())
    assert [(found.id, found.detail) for found in one.found] == [
        ("file-excluded", "wp-load.php"),
        ("table-missing", "gone"),
    ]


# --- below a top folder -----------------------------------------------------------------------------------------------


def test_below_a_top_folder_nothing_is_missing() -> None:
    # record-not-at-root tells that it was packed with its folder; nothing else is wrong with it
    packed = {"site/APP-META.INI": record(), **{f"site/{name}": content for name, content in MEMBERS.items()}}
    subject = replace(backup().subject, inventory=surveyed(archive(None, packed.items())))
    assert list(rulebook.of_backup(subject, is_whole=True)) == []
