"""What a restore needs: values by hand, bytes by GNU tar and du, and whether a folder has room."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from backupmeta.cli.commands import backupmeta
from backupmeta.extraction.tree import free
from tests.archive.peers import ENVIRONMENT, needs_gnu_tar
from tests.endless import ends
from tests.invented import NAME, archive, run, unprivileged
from tests.sites import FILES, packed, record

# As mariadb-dump 10.11 writes it, with --routines: a table, a view, a trigger and two routines.
DUMP: Final = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
DROP TABLE IF EXISTS `wp_users`;
CREATE TABLE `wp_users` (
  `name` varchar(60) COLLATE utf8mb4_bin NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO `wp_users` VALUES
('a CREATE TRIGGER t COLLATE none'),
('b');
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`exampleu`@`localhost`*/ /*!50003 TRIGGER t BEFORE INSERT ON wp_users
FOR EACH ROW BEGIN SET NEW.name = ''; END */;;
CREATE DEFINER=`root`@`localhost` FUNCTION `f`() RETURNS int(11)
BEGIN
  CREATE TEMPORARY TABLE wp_scratch (a int);
  RETURN 1;
END ;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
SELECT 1 ;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`exampleu`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `wp_names` AS select `wp_users`.`name` AS `name` from `wp_users` */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
-- Dump completed on 2024-06-13 20:55:21
"""
LONGEST: Final = len(
    b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n"
    b"/*!50013 DEFINER=`exampleu`@`localhost` SQL SECURITY DEFINER */\n"
    b"/*!50001 VIEW `wp_names` AS select `wp_users`.`name` AS `name` from `wp_users` */;"
)
VERSION_PHP: Final = b"<?php\n$wp_version = '6.5.4';\n$required_php_version = '7.0.0';\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of an honest WordPress, its dump by MariaDB; the configuration names another user than the record."""
    config = FILES["wp-config.php"] + b"define( 'DB_USER', 'exampleu_wp2' );\n"
    files = {"wp-includes/version.php": VERSION_PHP, "wp-config.php": config}
    content = record(
        version="6.5.3",
        db_user="exampleu_wp1",
        db_pass="CANARY",
        db_type="mysql",
        db_host="localhost",
        cache_tables="65536",
    )
    path = tmp_path_factory.mktemp("needs") / NAME
    path.write_bytes(packed(content, files, DUMP))
    return path


@pytest.fixture(scope="module")
def answer(site: Path) -> dict[str, Any]:
    ran = run("needs", site, "--json")
    assert ran.code == 0
    assert b"CANARY" not in ran.out
    assert "CANARY" not in ran.err
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def test_files_of_the_application_are_believed_before_the_record(answer: dict[str, Any]) -> None:
    assert answer["fields"] == {
        "application": "wordpress",
        "version": "6.5.4",
        "url": "https://www.example.com/blog",
        "path": "/home/exampleu/public_html/blog",
        "db_type": "mysql",
        "db_host": "localhost",
        "db_name": "exampleu_wp1",
        "db_user": "exampleu_wp2",
        "db_prefix": "wp_",
        "cache_tables": 65536,
        "php": "7.0.0",
    }
    told = {name: source["member"] for name, source in answer["sources"].items()}
    assert (told["version"], told["php"]) == ("wp-includes/version.php", "wp-includes/version.php")
    assert (told["db_user"], told["db_host"]) == ("wp-config.php", "APP-META.INI")


def test_what_the_dump_needs(answer: dict[str, Any]) -> None:
    dump = answer["dump"]
    assert (dump["size"], dump["is_complete"], dump["writer"]) == (len(DUMP), True, "mysqldump")
    assert dump["longest_statement"] == LONGEST
    assert dump["collations"] == ["utf8mb4_bin", "utf8mb4_unicode_520_ci"]
    assert dump["definers"] == ["exampleu", "root"]
    assert dump["routines"] == {"trigger": 1, "function": 1, "procedure": 1}
    assert [(table["name"], table["type"], table["rows"]) for table in dump["tables"]] == [
        ("wp_users", "table", 2),
        ("wp_names", "view", 0),
    ]


@needs_gnu_tar
def test_bytes_are_those_that_gnu_tar_unpacks(site: Path, answer: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", site, "-C", tmp_path], check=True, env=ENVIRONMENT)
    for name in ("APP-META.INI", "APP-DATA.SQL"):
        (tmp_path / name).unlink()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert answer["files"]["size"] == sum(path.stat().st_size for path in files)
    du = subprocess.run(["du", "-s", "-B1", tmp_path], check=True, capture_output=True)
    room = json.loads(run("needs", site, "--json", "--against", tmp_path / "new").out)["room"]
    assert int(du.stdout.split()[0]) - tmp_path.stat().st_blocks * 512 <= room["size"]


def test_text_says_the_same(site: Path) -> None:
    ran = run("needs", site)
    lines = ran.out.decode().splitlines()
    assert "version            6.5.4" in lines
    assert "php                7.0.0 or later" in lines
    assert f"longest statement  {LONGEST} bytes" in lines
    assert "collations         utf8mb4_bin, utf8mb4_unicode_520_ci" in lines
    assert "dump               1.2 kB, whole; 1 table, 1 view, 1 trigger, 1 function, 1 procedure" in lines
    assert "database           65.5 kB when the server last counted" in lines
    assert any("[restore-definer]" in line for line in lines)


# --- against a folder -------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_empty_is_free(site: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty", "empty/"):
        ran = run("needs", site, "--against", f"{tmp_path}/{name}", "--json")
        room = json.loads(ran.out)["room"]
        assert (ran.code, room["is_fit"], room["is_enough"], room["obstacle"]) == (0, True, True, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


@pytest.mark.parametrize(
    ("name", "obstacle"),
    [
        ("full", "is not empty"),
        ("file", "is a regular file"),
        ("link", "is a symbolic link"),
        ("nowhere/new", "can't be written: no such file or directory"),
    ],
)
def test_what_is_in_the_way(site: Path, tmp_path: Path, name: str, obstacle: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("full")
    ran = run("needs", site, "--against", f"{tmp_path}/{name}", "--json")
    room = json.loads(ran.out)["room"]
    assert (ran.code, room["is_fit"], room["obstacle"]) == (1, False, obstacle)
    assert run("extract", site, "--to", f"{tmp_path}/{name}", "--no-fsync").code == 2


def test_among_evidence_nothing_is_unpacked(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "application_backups/site"
    folder.parent.mkdir()
    ran = run("needs", site, "--against", folder, "--json")
    obstacle = json.loads(ran.out)["room"]["obstacle"]
    assert (ran.code, obstacle) == (1, "lies among what is read, where nothing is written")
    assert run("extract", site, "--to", folder).code == 2


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    with unprivileged():
        assert free(str(tmp_path / "theirs/new")).obstacle != ""


# 10 files and 7 folders, a block of 4,096 bytes each beside the files' 384 bytes
def test_too_little_room(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class System:
        f_bavail, f_frsize, f_files, f_favail = 10, 4096, 0, 0

    monkeypatch.setattr("os.statvfs", lambda _path: System)
    ran = run("needs", site, "--against", site.parent / "new")
    assert ran.code == 1
    assert "too little, 70.0 kB of 41.0 kB that are free" in ran.out.decode()


# --- what is odd ------------------------------------------------------------------------------------------------------


def test_without_a_record_or_a_dump_there_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(archive(None, [("index.php", b"<?php\n")]))
    ran = run("needs", path, "--json")
    answer = json.loads(ran.out)
    assert (answer["fields"], answer["dump"], answer["files"]["size"]) == ({}, None, 6)
    assert "record-missing" in ran.err


def test_a_cut_archive_is_told_and_unread(site: Path, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(site.read_bytes()[:-100])
    ran = run("needs", path)
    assert (ran.code, "archive-truncated" in ran.err) == (2, True)
    assert run("needs", tmp_path / "nothing.tar.gz").code == 2


def test_folders_need_no_member_and_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / NAME
    names = ("a/b/c", "a-b", "a/b", "a/b/d/e", "a-b/c", "APP-DATA.SQL")  # a, a/b, a/b/c, a/b/d, a/b/d/e, a-b, a-b/c
    path.write_bytes(archive(record(), [(name, b"") for name in names]))
    assert json.loads(run("needs", path, "--json").out)["files"] == {"size": 0, "entries": 7, "is_partial": False}


def test_a_hostile_dump_ends_and_names_few(tmp_path: Path) -> None:
    def tell(size: int) -> None:
        lines = b"".join(b"CREATE TABLE t%d (a text COLLATE c%d);\n" % (number, number) for number in range(size))
        path = tmp_path / NAME
        path.write_bytes(packed(record(), None, lines + b"CREATE TABLE u (" + b"COLLATE " * size + b");\n"))
        dump = json.loads(run("needs", path, "--json").out)["dump"]
        assert len(dump["collations"]) == 100
        assert dump["longest_statement"] == 8 * size + len(b"CREATE TABLE u ();")

    assert ends(tell, 20_000)


def test_the_command_is_listed() -> None:
    assert "needs" in backupmeta.commands


@pytest.mark.parametrize("digits", [30, 400, 4_000, 5_000])
def test_a_size_of_any_number_of_digits(tmp_path: Path, digits: int) -> None:
    path = tmp_path / NAME
    path.write_bytes(packed(record(cache_tables="9" * digits)))
    ran = run("needs", path)
    assert (ran.code, "an error in this program" in ran.err) == (0, False)
    assert run("needs", path, "--json").code == 0
