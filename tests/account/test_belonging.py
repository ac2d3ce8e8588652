"""Whether a home's records belong to it: the home that they name, and when an install was installed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backupmeta.account import places
from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS
from tests.invented import BACKUP, INSTALL, Account, backup_record, install_record

SECOND = "b2x4kq9m2v7c8n3z5l6j0h1g2"
Findings = Callable[[str, Callable[[Account], object]], list[tuple[str, str, str]]]


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """Give what is odd about a home at this path, after something was written into it."""

    def of(path: str, write: Callable[[Account], object]) -> list[tuple[str, str, str]]:
        write(Account(tmp_path / path))
        homes = places.homes([Root(str(tmp_path / path))], DEFAULT_LIMITS, [])
        return [
            (finding.id, finding.subject.rpartition("/")[2], finding.detail)
            for home in homes
            for finding in home.findings
        ]

    return of


@pytest.mark.parametrize(
    ("home", "path"),
    [
        ("home/exampleu", "/home/exampleu/public_html"),
        ("home2/exampleu", "/home/exampleu/public_html"),  # it was moved to another disk
        ("home/exampleu", "/home3/exampleu/public_html"),
        ("home/e/exampleu", "/home/e/exampleu/public_html"),
        ("case-7/evidence", "/home/exampleu/public_html"),  # whose home that is, its path does not tell
        ("home/exampleu", "/var/www/vhosts/example.com/httpdocs"),
        ("home/exampleu", "/home/"),
        ("home/exampleu", ""),
        ("home/exampleu", None),
    ],
)
def test_records_of_their_own_home(findings: Findings, home: str, path: str | None) -> None:
    assert findings(home, lambda account: account.backup(content=backup_record(path=path))) == []


def test_records_of_a_home_that_was_moved_to_another_name(findings: Findings) -> None:
    def write(account: Account) -> None:
        account.backup()
        account.install()

    assert findings("home/exampleu-new", write) == [("home-differs", "exampleu-new", "/home/exampleu by 2 records")]


def test_an_install_is_older_than_its_backups_say(findings: Findings) -> None:
    def write(account: Account) -> None:
        account.install(content=install_record(time="1000000000"))
        account.backup(BACKUP)
        account.backup(SECOND)

    detail = "2001-09-09 01:46:40 UTC: install record; 2024-06-13 16:33:54 UTC: 2 backup records"
    assert findings("home/exampleu", write) == [("install-time-differs", INSTALL, detail)]


@pytest.mark.parametrize("time", ["", "0", None])
def test_a_time_that_was_never_set_contradicts_nothing(findings: Findings, time: str | None) -> None:
    def write(account: Account) -> None:
        account.install(content=install_record(time=time))
        account.backup()

    assert findings("home/exampleu", write) == []


def test_backups_of_another_install_contradict_nothing(findings: Findings) -> None:
    def write(account: Account) -> None:
        account.install(content=install_record(time="1000000000"))
        account.backup(content=backup_record(backup_install="anotherzzzzzzzzzzzzzzzzzz"))

    assert findings("home/exampleu", write) == []
