"""What a report tells of a catalog: as its rows have it, counted by hand."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backupmeta.catalog.report import Asked, Report
from backupmeta.catalog.report import report as read
from backupmeta.catalog.scanning import scan
from backupmeta.catalog.schema import VERSION
from backupmeta.catalog.summary import Duplicates
from backupmeta.errors import CatalogError
from backupmeta.search import Search
from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME, Account, archive, backup_record
from tests.sites import honest

ASKED = Asked(TIME, "backupmeta report", None, TIME + 60)
LATER = NAME.replace("06-13", "06-14")


def told(homes: Path, *, deep: bool = False) -> Report:
    catalog = str(homes.parent / "catalog.sqlite")
    scan(catalog, Search((str(homes),)), deep=deep)
    return read(catalog, ASKED)


def test_one_honest_account(tmp_path: Path) -> None:
    account = honest(tmp_path / "home/exampleu")
    report = told(tmp_path / "home", deep=True)
    [home], [install], [backup], [file] = report.accounts, report.installs, report.backups, report.archives
    assert (home.path, home.status, home.installs, home.backups) == (str(account.home), "present", 1, 1)
    assert (home.archives, home.bytes, home.newest) == (1, (account.archives / NAME).stat().st_size, TIME)
    assert (install.id, install.backups, install.newest, install.created) == (INSTALL, 1, TIME, 1718296434)
    assert (backup.id, backup.install, backup.time, backup.state) == (BACKUP, install.number, TIME, "paired")
    assert [(one.id, one.version, one.is_active) for one in backup.plugins] == [("akismet", "5.3.6", True)]
    assert (file.path, file.backup) == (f"application_backups/{NAME}", backup.number)
    assert (backup.sha256, backup.verdict) == (file.sha256, file.verdict)
    assert file.verdict == "pass"
    assert (report.written, report.command, report.catalog) == (TIME + 60, "backupmeta report", None)
    assert report.summary.now == TIME


def test_findings_are_the_worst_first_and_know_what_they_are_about(tmp_path: Path) -> None:
    account = honest(tmp_path / "home/exampleu")
    account.backup(SECOND, backup_record(backup_filename=LATER))
    (account.archives / NAME).write_bytes((account.archives / NAME).read_bytes()[:-20])
    report = told(tmp_path / "home", deep=True)
    whole, second = (next(one for one in report.backups if one.id == id_) for id_ in (BACKUP, SECOND))
    about = {one.id: one.backup for one in report.findings}
    assert (about["archive-truncated"], about["archive-missing"]) == (whole.number, second.number)
    severities = [one.severity for one in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert {one.account for one in report.findings} == {report.accounts[0].number}
    assert next(one for one in report.findings if one.id == "archive-missing").advice.startswith("look for it")


def test_contradictions_are_the_findings_with_two_sides(tmp_path: Path) -> None:
    account = honest(tmp_path / "home/exampleu")
    account.backup(BACKUP, backup_record(title="Edited"))
    (account.archives / "app_copy.tar.gz").write_bytes((account.archives / NAME).read_bytes()[:-20])
    report = told(tmp_path / "home", deep=True)
    [renamed] = [finding for finding in report.contradictions if finding.id == "sources-disagree"]
    assert "Edited: backup record" in renamed.message
    assert "Blog: embedded record" in renamed.message
    assert {place.witness for place in renamed.evidence} >= {"backup record", "embedded record"}
    assert "archive-truncated" in {finding.id for finding in report.findings}
    assert "archive-truncated" not in {finding.id for finding in report.contradictions}


def test_counted(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    account.backup(SECOND, backup_record(backup_filename=LATER, backup_install="o" * 25, backup_time=str(TIME + 86400)))
    for copy in ("app_a.tar.gz", "app_b.tar.gz"):
        (account.archives / copy).write_bytes(archive(backup_record()))
    size = (account.archives / NAME).stat().st_size
    counts = told(tmp_path / "home", deep=True).summary
    assert counts.accounts == {"present": 1, "vanished": 0, "unreadable": 0}
    assert counts.backups == {"paired": 1, "missing": 1, "remote": 0, "unclaimed": 2}
    assert (counts.installs, counts.orphans.backups, counts.archives, counts.digested) == (1, 1, 3, 3)
    assert (counts.bytes, counts.duplicates) == (3 * size, Duplicates(3, 1, 2, 2 * size))
    assert counts.oldest is not None
    assert counts.newest is not None
    assert (counts.oldest.time, counts.newest.time) == (TIME, TIME + 86400)
    assert sum(counts.severities.values()) == sum(one.times for one in counts.findings)


def test_what_is_gone_is_not_told(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    other = Account(tmp_path / "home/other").whole()
    told(tmp_path / "home")
    for path in (account.archives / NAME, account.backups / BACKUP):
        path.unlink()
    report = told(tmp_path / "home")
    assert [(one.path, one.backups) for one in report.accounts] == [(str(account.home), 0), (str(other.home), 1)]
    assert [one.number for one in report.scans] == [2, 1]
    assert (len(report.backups), len(report.archives)) == (1, 1)


def test_names_that_are_not_utf8_are_exact(tmp_path: Path) -> None:
    account = Account(tmp_path / "home" / os.fsdecode(b"\xff"))
    (account.archives / os.fsdecode(b"app_\xfe.tar.gz")).write_bytes(archive(backup_record()))
    report = told(tmp_path / "home")
    assert os.fsencode(report.accounts[0].path).endswith(b"/home/\xff")
    assert os.fsencode(report.archives[0].path) == b"application_backups/app_\xfe.tar.gz"
    assert report.backups[0].archive == report.archives[0].path


def test_without_a_scan_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no such file"):
        read(str(tmp_path / "none.sqlite"), ASKED)


def test_an_account_is_called_as_the_server_saw_it_unless_two_are_called_so(tmp_path: Path) -> None:
    for image in ("one", "two"):
        honest(tmp_path / image / "home/exampleu")
    honest(tmp_path / "two/home/other")
    catalog = str(tmp_path / "catalog.sqlite")
    for image in ("one", "two"):
        scan(catalog, Search((), str(tmp_path / image)))
    report = read(catalog, ASKED)
    assert sorted(report.account_names.values()) == [
        "/home/other",
        str(tmp_path / "one/home/exampleu"),
        str(tmp_path / "two/home/exampleu"),
    ]


def test_findings_by_account_begin_with_the_account_of_the_worst(tmp_path: Path) -> None:
    honest(tmp_path / "home/anna")
    broken = honest(tmp_path / "home/zoe")
    (broken.archives / NAME).write_bytes((broken.archives / NAME).read_bytes()[:-20])
    report = told(tmp_path / "home", deep=True)
    names = [report.account_names[kind.account] for kind in report.account_findings if kind.account is not None]
    assert names == sorted(names, reverse=True)
    assert report.account_findings[0].id == "archive-truncated"
    assert sum(kind.times for kind in report.account_findings) == len(report.findings)


def test_a_catalog_that_a_scan_is_at_work_on_has_no_digest(tmp_path: Path) -> None:
    honest(tmp_path / "home/exampleu")
    told(tmp_path / "home")
    catalog = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA user_version = 1000")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        assert read(str(catalog)).catalog_sha256 is None
    digest = hashlib.sha256(catalog.read_bytes()).hexdigest()
    assert read(str(catalog)).catalog_sha256 == digest
