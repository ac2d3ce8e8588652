"""The example of a restore: which backup it picks, and what it makes of wp-config.php."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import restore
from restore import Database, configure, defined

import backupmeta
from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME
from tests.sites import honest, packed, record

DAY = 86400


@pytest.fixture
def search(tmp_path: Path) -> backupmeta.Search:
    """An account with an honest backup, and a day later one of which the end is missing."""
    account = honest(tmp_path / "exampleu")
    name = NAME.replace("06-13", "06-14")
    content = record(backup_time=str(TIME + DAY), backup_filename=name)
    account.backup(SECOND, content)
    (account.archives / name).write_bytes(packed(content, time=TIME + DAY)[:-9])
    return backupmeta.Search([str(account.home)])


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def ids(search: backupmeta.Search, install: str, seconds: int) -> list[str]:
    return [backup.text("id") for backup in restore.candidates(install, search, at(seconds))]


def test_the_newest_backup_of_the_install_from_before_the_moment_comes_first(search: backupmeta.Search) -> None:
    assert ids(search, INSTALL, TIME + DAY + 1) == [SECOND, BACKUP]
    assert ids(search, INSTALL, TIME + DAY) == [BACKUP]
    assert ids(search, INSTALL, TIME) == []
    assert ids(search, "othertwnyvhzk8cgw8ks4gcgo", TIME + DAY + 1) == []


def test_a_backup_that_is_not_clean_is_passed_over_and_nothing_is_written(
    search: backupmeta.Search, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    created = list[str]()
    monkeypatch.setattr(Database, "create", lambda database: created.append(database.name))
    monkeypatch.setattr(Database, "load", lambda _, dump: created.append(str(dump.tell())))
    database, folder = Database("/nowhere", "restored", "secret"), tmp_path / "site"
    damaged, clean = restore.candidates(INSTALL, search, at(TIME + 2 * DAY))
    assert not restore.restore(damaged, search, folder, database)
    assert (created, folder.exists()) == ([], False)
    assert "06-14" in capsys.readouterr().err
    assert restore.restore(clean, search, folder, database)
    assert created[0] == "restored"
    assert int(created[1]) > 0
    assert (folder / "wp-load.php").is_file()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (b"<?php\ndefine( 'K', 'old' );\n", b"<?php\ndefine( 'K', 'it\\'s \\\\1' );\n"),
        (b'<?php\ndefine("K","a\\"b");\n', b"<?php\ndefine( 'K', 'it\\'s \\\\1' );\n"),
        (b"<?php\ndefine( 'K2', 'old' );\n", b"<?php\ndefine( 'K', 'it\\'s \\\\1' );\ndefine( 'K2', 'old' );\n"),
        (b"<?php\n// define('K', 'a');\n", b"<?php\ndefine( 'K', 'it\\'s \\\\1' );\n// define('K', 'a');\n"),
        (b"<?php\n  define('K', 'a');\n", b"<?php\n  define( 'K', 'it\\'s \\\\1' );\n"),
        (b"<?php\n\xff;\n", b"<?php\ndefine( 'K', 'it\\'s \\\\1' );\n\xff;\n"),
    ],
)
def test_a_constant_gets_a_value_or_comes_first(config: bytes, expected: bytes) -> None:
    assert defined(config, "K", "it's \\1") == expected


def test_a_file_without_php_is_refused() -> None:
    with pytest.raises(SystemExit, match="old database"):
        defined(b"<html>", "K", "v")


def test_it_is_built_on_public_names_alone() -> None:
    script = Path(restore.__file__).read_text("utf-8")
    assert re.findall(r"^(?:from|import) +backupmeta.*$", script, re.MULTILINE) == ["import backupmeta"]
    names = set(re.findall(r"\bbackupmeta\.(\w+)", script))
    assert names > {"list_backups", "open_archive"}
    assert names <= set(backupmeta.__all__)


@pytest.mark.skipif(shutil.which("php") is None, reason="needs php")
def test_the_site_connects_to_its_new_database(tmp_path: Path) -> None:
    path = tmp_path / "wp-config.php"
    path.write_bytes(b"<?php\ndefine( 'DB_NAME', 'old' );\ndefine( 'DB_PASSWORD', 'CANARY' );\n")
    configure(path, Database("/run/s", "restored", "p'w"), "http://127.0.0.1:8080")
    constants = ("DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "WP_HOME", "WP_SITEURL")
    script = f"require '{path}'; echo implode(' ', [{', '.join(constants)}]);"
    said = subprocess.run(["php", "-n", "-r", script], capture_output=True, check=True).stdout
    assert said == b"restored restored p'w localhost:/run/s http://127.0.0.1:8080 http://127.0.0.1:8080"


def test_what_mariadb_quotes_is_not_repeated() -> None:
    said = (
        b"--------------\nINSERT INTO u VALUES ('CANARY')\n--------------\n\n"
        b"ERROR 1064 (42000) at line 7: an error in your SQL syntax; the right syntax to use near 'CANARY' at line 1\n"
    )
    error = subprocess.CalledProcessError(1, "mariadb", stderr=said)
    assert restore.refusal(error) == (
        "ERROR 1064 (42000) at line 7: an error in your SQL syntax; the right syntax to use"
    )
    assert restore.refusal(subprocess.CalledProcessError(2, "mariadb", stderr=b"")) == "exit code 2"
