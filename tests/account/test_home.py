"""A home on disk: its records and archives, paired."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backupmeta.account import places
from backupmeta.account.home import Home, Pair, State
from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.errors import UnreadableError
from backupmeta.evidence import Counts, Entry, Folder
from backupmeta.findings import Finding
from tests.invented import (
    BACKUP,
    INSTALL,
    NAME,
    SECOND,
    Account,
    archive,
    backup_record,
)

OTHER = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu")


@contextmanager
def home_at(path: Path) -> Iterator[Home]:
    findings: list[Finding] = []
    found = places.homes([Root(str(path))], DEFAULT_LIMITS, findings)
    yield next(found)
    assert next(found, None) is None
    assert findings == []


def paired(account: Account) -> list[tuple[str | None, str | None, State]]:
    with home_at(account.home) as home:
        return [(pair.id, pair.archive and pair.archive.name, pair.state) for pair in home.pairs()]


def met(account: Account) -> list[tuple[str, str]]:
    """Return the ids and subjects of what was odd about the home and its backups."""
    with home_at(account.home) as home:
        of_pairs = [finding for pair in home.pairs() for finding in pair.findings]
        return [(finding.id, finding.subject) for finding in (*home.findings, *of_pairs)]


def only(account: Account) -> Pair:
    with home_at(account.home) as home:
        (pair,) = home.pairs()
        return pair


def test_a_record_and_the_archive_that_it_names_are_a_pair(account: Account) -> None:
    account.whole()
    assert paired(account) == [(BACKUP, NAME, State.PAIRED)]
    assert met(account) == []
    with home_at(account.home) as home:
        assert (home.name, home.users, list(home.installs)) == ("exampleu", {"exampleu"}, [INSTALL])


def test_a_record_without_its_archive_is_missing_it(account: Account) -> None:
    account.backup()
    assert paired(account) == [(BACKUP, None, State.MISSING)]
    assert met(account) == [("archive-missing", NAME)]


@pytest.mark.parametrize("location", ["0123456789abcdef0123456789abcdef", "ftp://u:p@backup.example.com/b", "s3://b"])
def test_an_archive_elsewhere_is_remote_not_missing(account: Account, location: str) -> None:
    account.backup(content=backup_record(backup_location=location))
    assert paired(account) == [(BACKUP, None, State.REMOTE)]
    assert met(account) == [("archive-remote", NAME)]


@pytest.mark.parametrize("location", ["local", "", None])
def test_local_is_also_what_no_location_means(account: Account, location: str | None) -> None:
    account.backup(content=backup_record(backup_location=location))
    assert only(account).state is State.MISSING


def test_an_archive_that_no_record_names_is_unclaimed(account: Account) -> None:
    account.whole()
    account.archive(OTHER, backup_record(backup_filename=OTHER))
    assert paired(account) == [(BACKUP, NAME, State.PAIRED), (None, OTHER, State.UNCLAIMED)]
    assert met(account) == [("archive-without-record", OTHER)]


def test_a_renamed_archive_is_found_by_the_name_in_its_own_record(account: Account) -> None:
    account.backup()
    account.archive("before the update.tar.gz")
    assert paired(account) == [(BACKUP, "before the update.tar.gz", State.PAIRED)]


def test_a_renamed_archive_whose_record_is_over_a_limit_is_left_alone(account: Account) -> None:
    account.backup()
    account.archive("renamed.tar.gz", b"a=b\n" * (DEFAULT_LIMITS.record_lines + 1))
    assert paired(account) == [(None, "renamed.tar.gz", State.UNCLAIMED), (BACKUP, None, State.MISSING)]


def test_an_archive_that_two_records_name_belongs_to_both_and_is_told(account: Account) -> None:
    account.whole()
    account.backup(SECOND)
    assert paired(account) == [(BACKUP, NAME, State.PAIRED), (SECOND, NAME, State.PAIRED)]
    assert met(account) == [("archive-claimed-twice", NAME)] * 2


def test_backups_are_sorted_by_time_then_id(account: Account) -> None:
    account.backup("z" * 25, backup_record(backup_time="5"))
    account.backup("y" * 25, backup_record(backup_time="40"))
    account.backup("x" * 25, backup_record(backup_time="40"))
    account.backup("w" * 25, backup_record(backup_time=None, backup_filename="none.tar.gz"))
    assert [id_[0] for id_, _, _ in paired(account) if id_] == ["w", "z", "x", "y"]


def test_the_archives_folder_may_have_another_name(account: Account) -> None:
    account.whole()
    account.archives.rename(account.home / "my_backups")
    assert paired(account) == [(BACKUP, NAME, State.PAIRED)]


def test_only_conventional_names_are_taken_from_other_folders(account: Account) -> None:
    account.backup()
    (account.home / "downloads").mkdir()
    (account.home / "downloads/photos.tar.gz").write_bytes(b"not looked into")
    assert paired(account) == [(BACKUP, None, State.MISSING)]


def test_many_folders_beside_a_missing_archive_do_not_exhaust_descriptors(account: Account) -> None:
    account.backup()
    for number in range(300):
        (account.home / f"folder{number}").mkdir()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        assert met(account) == [("archive-missing", NAME)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_placeholder_and_malformed_names_are_not_read(account: Account) -> None:
    account.whole()
    (account.backups.parent / ".placeholder").write_bytes(b"\0" * 200_000)
    (account.backups / ".placeholder").write_bytes(b"\0")
    (account.backups / f"{BACKUP}.bak").write_bytes(backup_record())
    (account.backups / BACKUP.upper()).write_bytes(backup_record())
    (account.installs / "short").write_bytes(b"")
    assert [id_ for id_, _, _ in paired(account)] == [BACKUP]
    assert sorted(met(account)) == sorted(
        ("record-name-malformed", name) for name in (f"{BACKUP}.bak", BACKUP.upper(), "short")
    )


@pytest.mark.parametrize("id_", ["a" * 20, "0" * 23, "z9" * 12, "0123456789abcdef0123456789abcdef", "a" * 40])
def test_ids_of_every_length_are_ids(account: Account, id_: str) -> None:
    account.backup(id_)
    assert only(account).id == id_


def test_links_are_not_followed_wherever_they_lead(account: Account, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(backup_record())
    (tmp_path / NAME).write_bytes(archive(backup_record()))
    (account.backups / BACKUP).symlink_to(outside)
    (account.backups / SECOND).symlink_to(SECOND)
    (account.installs / INSTALL).symlink_to(tmp_path / "nowhere")
    (account.archives / NAME).symlink_to(tmp_path / NAME)
    assert paired(account) == []
    assert met(account) == [
        ("link-not-followed", INSTALL),
        ("link-not-followed", BACKUP),
        ("link-not-followed", SECOND),
        ("link-not-followed", NAME),
    ]


def test_a_linked_folder_of_records_is_not_entered(account: Account, tmp_path: Path) -> None:
    account.whole()
    account.backups.rename(tmp_path / "elsewhere")
    account.backups.symlink_to(tmp_path / "elsewhere")
    assert [state for _, _, state in paired(account)] == [State.UNCLAIMED]
    assert ("link-not-followed", "backups") in met(account)


def test_linked_appdata_is_not_entered(account: Account, tmp_path: Path) -> None:
    account.whole()
    account.backups.parent.rename(tmp_path / "elsewhere")
    (account.home / ".appdata").symlink_to(tmp_path / "elsewhere")
    assert [state for _, _, state in paired(account)] == [State.UNCLAIMED]
    assert ("link-not-followed", ".appdata") in met(account)


def test_what_is_no_regular_file_is_never_opened(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.whole()
    os.mkfifo(account.backups / SECOND)
    os.mkfifo(account.archives / OTHER)
    (account.installs / ("i" * 25)).mkdir()
    monkeypatch.chdir(account.backups)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s" * 25)
    assert [id_ for id_, _, _ in paired(account)] == [BACKUP]
    assert met(account) == [
        ("not-a-regular-file", "i" * 25),
        ("not-a-regular-file", SECOND),
        ("not-a-regular-file", "s" * 25),
        ("not-a-regular-file", OTHER),
    ]


def test_a_record_over_the_limit_is_a_finding_and_the_rest_goes_on(account: Account) -> None:
    account.whole()
    (account.backups / SECOND).write_bytes(b"x" * (DEFAULT_LIMITS.record_bytes + 1))
    assert [id_ for id_, _, _ in paired(account)] == [BACKUP]
    assert met(account) == [("record-unreadable", SECOND)]


def test_a_folder_that_breaks_off_is_a_finding(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.whole()
    entries = Folder.entries

    def broken(folder: Folder, most: int, counts: Counts = None) -> list[Entry]:
        if folder.path.endswith("application_backups"):
            raise UnreadableError(folder.path, "input/output error")
        return entries(folder, most, counts)

    monkeypatch.setattr(Folder, "entries", broken)
    assert met(account) == [("folder-unreadable", str(account.archives)), ("archive-missing", NAME)]


def test_names_that_are_not_utf8_are_paired_by_their_bytes(account: Account) -> None:
    exact = b"app_b\xfccher-de_Blog_2024-06-13_20-55-21.tar.gz"
    account.backup(content=backup_record(backup_filename=None) + b"\nbackup-filename=" + exact)
    account.archive(os.fsdecode(exact))
    assert paired(account) == [(BACKUP, os.fsdecode(exact), State.PAIRED)]
