"""What A and B may be: archives, record files, ids, names, the live install; and where none is."""

import shutil
from pathlib import Path

import pytest

from backupmeta.comparison.diff import Difference, Side, diff
from backupmeta.errors import AnswerError, NotRegularError, UnreadableError
from backupmeta.search import Search
from tests.invented import BACKUP, INSTALL, NAME, SECOND, Account, backup_record, install_record

OTHER = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Give a home with two backups of one install."""
    found = Account(tmp_path / "home/exampleu").whole()
    record = backup_record(version="6.5.5", backup_filename=OTHER, backup_time="1718398521")
    found.backup(SECOND, record)
    found.archive(OTHER, record)
    return found


def changed(a: str | Path, b: str | Path, *roots: Path) -> tuple[object, object]:
    found = diff(str(a), str(b), Search(tuple(map(str, roots))))
    (version,) = (one for one in found.changes.fields if one.name == "version")
    return version.before, version.after


def live(difference: Difference) -> Side:
    assert isinstance(difference.b, Side)
    return difference.b


def test_each_kind_of_target(account: Account) -> None:
    home = account.home.parent
    for a in (BACKUP, NAME, account.backups / BACKUP, account.archives / NAME):
        for b in (SECOND, OTHER, account.backups / SECOND, account.archives / OTHER):
            assert changed(a, b, home) == ("6.5.4", "6.5.5")


def test_files_need_no_roots(account: Account) -> None:
    one, other = str(account.archives / NAME), str(account.archives / OTHER)
    assert [change.name for change in diff(one, other).changes.fields] == [
        "backup_filename",
        "backup_time",
        "id",
        "version",
    ]
    assert live(diff(other, "current")).inspection.server_path == str(account.installs / INSTALL)


def test_current_is_the_install_of_the_others_home(account: Account) -> None:
    copy = account.home.parent / "copy"
    shutil.copytree(account.home, copy)
    (account.installs / INSTALL).write_bytes(install_record(version="7.0"))
    for name, version in (("exampleu", "7.0"), ("copy", "6.5.4")):
        found = diff(str(account.home.parent / name / ".appdata/backups" / SECOND), "current")
        assert live(found).inspection.text("version") == version
    named = diff(SECOND, "current", Search([str(copy), str(account.home)]))
    assert live(named).inspection.server_path == str(copy / ".appdata/current" / INSTALL)


def test_an_installs_id_is_the_install(account: Account) -> None:
    assert changed(INSTALL, SECOND, account.home) == ("6.5.4", "6.5.5")


def test_a_record_is_compared_where_its_archive_is_missing(account: Account) -> None:
    (account.archives / NAME).unlink()
    assert changed(BACKUP, SECOND, account.home) == ("6.5.4", "6.5.5")


def test_what_is_not_there(account: Account) -> None:
    where = Search([str(account.home)])
    with pytest.raises(AnswerError, match="nothing here is called 'x'"):
        diff("x", BACKUP, where)
    with pytest.raises(AnswerError, match="'nobody'"):
        diff(BACKUP, SECOND, where, user="nobody")
    with pytest.raises(ValueError, match="name a backup"):
        diff("current", "current", where)
    with pytest.raises(UnreadableError):
        diff(BACKUP, "./none.tar.gz", where)
    with pytest.raises(NotRegularError):
        diff(str(account.home), BACKUP, where)
    (account.installs / INSTALL).unlink()
    with pytest.raises(AnswerError, match=f"the live install of '{BACKUP}' is not here: {INSTALL}"):
        diff(BACKUP, "current", where)


def test_deep_needs_two_archives(account: Account) -> None:
    where = Search([str(account.home)])
    assert diff(BACKUP, SECOND, where, deep=True).contents is not None
    with pytest.raises(UnreadableError, match="current: has no archive here; compare it without --deep"):
        diff(BACKUP, "current", where, deep=True)
    (account.archives / NAME).unlink()
    with pytest.raises(UnreadableError, match="has no archive here"):
        diff(BACKUP, SECOND, where, deep=True)
