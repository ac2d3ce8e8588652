"""All backups of one install, oldest first, and what changed from each to the next."""

from pathlib import Path
from typing import Final

import pytest

from backupmeta.comparison.diff import Row, history
from backupmeta.errors import AnswerError
from backupmeta.render.differences import in_few_words
from backupmeta.search import Search
from tests.invented import INSTALL, TIME, Account, archive, backup_record, install_record

IDS: Final = tuple(letter * 25 for letter in "abc")
DAY: Final = 86_400


def name(day: int) -> str:
    return f"app_example-com_Blog_2024-06-{13 + day}_20-55-21.tar.gz"


def record(day: int, **changes: str | None) -> bytes:
    return backup_record(**{"backup_time": str(TIME + day * DAY), "backup_filename": name(day), **changes})


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Give a home with three backups of one install, written in no order, and one of another."""
    found = Account(tmp_path / "home/exampleu")
    versions = {2: "6.4.3", 0: "6.4.2", 1: "6.4.2"}
    plugins = {0: "+akismet/5.3", 1: "+akismet/5.3.1,|classic-editor/1.6", 2: "+akismet/5.3.1,=classic-editor/1.6"}
    for day, version in versions.items():
        one = record(day, version=version, list_plugins=plugins[day], db_pass=f"CANARY{day // 2}", cache_files=str(day))
        found.backup(IDS[day], one)
        found.archive(name(day), one)
    found.backup("d" * 25, backup_record(backup_install="e" * 25, backup_filename="other.tar.gz"))
    found.archive("other.tar.gz", backup_record(backup_install="e" * 25))
    found.install(content=install_record(version="6.5", list_plugins="+akismet/5.3.1,=classic-editor/1.6"))
    return found


def summary(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    return [(row.name, "" if row.changes is None else in_few_words(row.changes)) for row in rows]


EXPECTED: Final = [
    (IDS[0], ""),
    (IDS[1], "akismet 5.3 → 5.3.1; + classic-editor"),
    (IDS[2], "6.4.2 → 6.4.3; classic-editor deactivated; db_pass"),
    ("current", "6.4.3 → 6.5; db_pass"),
]


def test_every_way_to_name_an_install(account: Account) -> None:
    where = Search([str(account.home)])
    named = (INSTALL, IDS[1], name(1))
    files = (account.installs / INSTALL, account.backups / IDS[0], account.archives / name(2))
    for found in (*(history(one, where) for one in named), *(history(str(one)) for one in files)):
        assert found.install == INSTALL
        assert summary(found.rows) == EXPECTED
        assert not any(one.is_unread for one in found.findings)
    assert [row.size for row in history(INSTALL, where).rows] == [
        *((account.archives / name(day)).stat().st_size for day in range(3)),
        None,
    ]


def test_backups_without_records_and_without_archives(account: Account) -> None:
    (account.backups / IDS[0]).unlink()
    (account.archives / name(1)).unlink()
    found = history(INSTALL, Search([str(account.home)]))
    assert [row.name for row in found.rows] == [name(0), IDS[1], IDS[2], "current"]
    assert [row.size is None for row in found.rows] == [False, True, False, True]


def test_an_install_that_is_gone(account: Account) -> None:
    (account.installs / INSTALL).unlink()
    assert summary(history(INSTALL, Search([str(account.home)])).rows) == EXPECTED[:3]


def test_archives_alone_in_a_folder(account: Account) -> None:
    (account.archives / "deeper").mkdir()
    account.archive("deeper/" + name(5), record(5))
    alone = account.archives.rename(account.home.parent / "alone")
    found = history(str(alone / name(1)))
    assert [row.name for row in found.rows] == [name(day) for day in range(3)]
    both = history(str(alone / name(1)), Search([str(account.home), str(alone)]))
    assert (
        len(both.rows) == 3 + 3 + 1 + 1
    )  # records whose archives are not there, archives, one deeper, the live install


def test_what_cannot_be_read_has_its_row(account: Account) -> None:
    content = archive(record(1))
    (account.archives / name(4)).write_bytes(content[:40])
    (account.archives / "app_example-org_Other_2024-06-13_20-55-21.tar.gz").write_bytes(content[:40])
    (account.archives / name(1)).write_bytes(content[:40])
    found = history(INSTALL, Search([str(account.home)]))
    assert [(row.name, row.trouble and row.trouble.id) for row in found.rows] == [
        *((one, None) for one in IDS),
        (name(4), "archive-truncated"),
        ("current", None),
    ]
    assert summary(found.rows)[1:3] == EXPECTED[1:3]
    assert {one.subject for one in found.findings if one.is_unread} == {
        name(1),
        str(account.archives / name(4)),
    }


def test_what_is_not_there(account: Account) -> None:
    where = Search([str(account.home)])
    for target in ("x", "f" * 25):
        with pytest.raises(AnswerError, match=f"nothing here is called '{target}'"):
            history(target, where)
    nameless = account.archive("nameless.tar.gz", backup_record(backup_install=None))
    with pytest.raises(AnswerError, match="does not say which install it is of"):
        history(str(nameless))
