"""Checks of what a restore of the dump needs: each is a note, told once, with its first place."""

from typing import Final

import pytest

from backupmeta.checks.completeness import RESTORE_CHECKS
from backupmeta.checks.policy import DEFAULT, Verdict, judge, verdict_of
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Group, Severity
from backupmeta.provenance import Source
from tests.checks.subjects import DUMP, MEMBERS, TABLES, Backup, backup, record

VIEW: Final = b"CREATE ALGORITHM=UNDEFINED DEFINER=`%b`@`localhost` SQL SECURITY DEFINER VIEW"


def of(dump: bytes, **changes: str | None) -> Backup:
    return backup(record(**changes), {**MEMBERS, "APP-DATA.SQL": dump})


def at(one: Backup, line: int, text: bytes, dump: bytes) -> Source:
    """Return the place of the ``text`` on ``line`` of the dump."""
    return one.member("APP-DATA.SQL")._replace(line=line, offset=dump.index(text))


def test_a_dump_that_any_server_takes() -> None:
    assert [found for check in RESTORE_CHECKS for found in check(of(DUMP).subject)] == []
    without = backup(None, {})
    assert [found for check in RESTORE_CHECKS for found in check(without.subject)] == []


def test_all_of_the_group_are_notes_and_fail_nothing() -> None:
    kinds = {id_: kind for id_, kind in FINDINGS.items() if kind.group is Group.RESTORE}
    assert {kind.severity for kind in kinds.values()} == {Severity.NOTE}
    one = of(DUMP.replace(b"InnoDB", b"InnoDB COLLATE=utf8mb4_0900_ai_ci"))
    assert verdict_of(judge(one.found, DEFAULT), DEFAULT) is Verdict.PASS


def test_a_collation_of_newer_servers() -> None:
    dump = DUMP.replace(b"InnoDB", b"InnoDB COLLATE=utf8mb4_uca1400_ai_ci")
    one = of(dump)
    detail = "utf8mb4_uca1400_ai_ci, 3 times, first on line 4"
    assert one.found == [
        Finding(FINDINGS["restore-collation"], "", detail, (at(one, 4, b"CREATE TABLE `wp_options`", dump),))
    ]


def test_another_user_than_the_record_s() -> None:
    dump = DUMP.replace(b"CREATE VIEW", VIEW % b"root")
    one = of(dump, db_user="blog")
    (found,) = one.found
    assert (found.id, found.detail) == ("restore-definer", "root, line 19")
    assert found.evidence == (one.line("db-user"), at(one, 19, b"CREATE ALGORITHM", dump))
    assert of(DUMP.replace(b"CREATE VIEW", VIEW % b"blog"), db_user="blog").found == []
    assert of(dump, db_user=None).found == []
    by_whoever_restores = DUMP.replace(b"CREATE VIEW", b"CREATE DEFINER=CURRENT_USER() VIEW")
    assert of(by_whoever_restores, db_user="blog").found == []


def test_several_users() -> None:
    triggers = b"".join(
        b"CREATE DEFINER=`u%d`@`%%` TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x=1;\n" % n for n in (1, 2, 1)
    )
    (found,) = of(DUMP.replace(b"COMMIT;", triggers + b"COMMIT;"), db_user="blog").found
    assert found.detail == "u1, 2 times, first on line 20; 1 more"


def test_the_sandbox_comment() -> None:
    dump = b"/*M!999999\\- enable the sandbox mode */ \n" + DUMP
    one = of(dump)
    assert one.found == [Finding(FINDINGS["restore-sandbox"], "", "line 1", (at(one, 1, b"/*M!", dump),))]


def test_statements_that_are_too_long() -> None:
    row = b"INSERT INTO `wp_posts` VALUES (2,'" + b"x" * (2**24 - 37) + b"');\n"
    assert len(row) == 2**24 + 1
    assert of(DUMP.replace(b"COMMIT;", row + b"COMMIT;"), cache_tables=None).found == []
    longer = row.replace(b"x'", b"xx'")
    dump = DUMP.replace(b"COMMIT;", longer + longer + b"COMMIT;")
    one = of(dump, cache_tables=None)
    detail = "16,777,217 bytes on line 20, the longest of 2"
    assert one.found == [Finding(FINDINGS["restore-packet"], "", detail, (at(one, 20, longer, dump),))]


def test_a_view_before_its_table() -> None:
    view = b"CREATE VIEW `wp_recent` AS select `wp_posts`.`ID` AS `ID` from `wp_posts`;\n"
    dump = DUMP.replace(b"DROP VIEW IF EXISTS `wp_recent`;\n" + view, b"").replace(
        b"START TRANSACTION;\n", b"START TRANSACTION;\n" + view
    )
    one = of(dump)
    assert one.found == [Finding(FINDINGS["restore-view-order"], "", "wp_recent, line 3", (at(one, 3, view, dump),))]


@pytest.mark.parametrize(
    ("changes", "detail", "keys"),
    [
        ({"db_prefix": "WP_"}, "the prefix WP_", ["db-prefix"]),
        (
            {"db_prefix": "wp_", "list_tables": TABLES.replace("wp_users", "wp_Users")},
            "1 listed, the first wp_Users for wp_users",
            ["list-tables"],
        ),
        (
            {"db_prefix": "WP_", "list_tables": TABLES.upper()},
            "the prefix WP_; 4 listed, the first WP_OPTIONS for wp_options",
            ["db-prefix", "list-tables"],
        ),
    ],
)
def test_names_that_differ_in_case_only(changes: dict[str, str | None], detail: str, keys: list[str]) -> None:
    one = of(DUMP, **changes)
    found = [found for found in one.found if found.id != "config-differs"]  # wp-config.php has wp_
    places = (*map(one.line, keys), one.member("APP-DATA.SQL"))
    assert found == [Finding(FINDINGS["restore-name-case"], "", detail, places)]
