"""An invented account whose witnesses say when things happened, with the modification times of its files; for tests."""

import os
from pathlib import Path

from writers.installatron import Entry, gzip_bytes, tar_bytes

from backupmeta import Search
from backupmeta.events.claims import Event
from backupmeta.events.timeline import timeline
from backupmeta.findings import Finding
from backupmeta.rules import LOST
from tests.invented import INSTALL, NAME, TIME, Account, backup_record, install_record

HOUR = 3600
DAY = 24 * HOUR
CREATED = 1718296434  # 2024-06-13 16:33:54 UTC
UPDATED = 1718300000  # 2024-06-13 17:33:20 UTC
COUNTED = 1718310000  # 2024-06-13 20:20:00 UTC


def touched(path: Path, seconds: int) -> Path:
    """Set when ``path`` was modified."""
    os.utime(path, (seconds, seconds))
    return path


def packed(embedded: bytes, members: dict[str, int], gzip_mtime: int = TIME) -> bytes:
    """Return an archive of an ``embedded`` record and ``members``, by their modification times."""
    entries = [Entry(b"APP-META.INI", embedded, TIME)]
    entries += [Entry(os.fsencode(name), b"x", mtime) for name, mtime in members.items()]
    return gzip_bytes(tar_bytes(entries), gzip_mtime)


def agreeing(home: Path) -> Account:
    """Return an account with one backup, about which all witnesses agree."""
    account = Account(home)
    record = backup_record(time_updated=str(UPDATED))
    touched(account.backup(content=record), TIME + 3)
    touched(account.install(content=install_record(time_updated=str(UPDATED), cache_time=str(COUNTED))), TIME + 5)
    path = account.archives / NAME
    path.write_bytes(packed(record, {"index.php": CREATED, "wp-content/new.php": TIME - HOUR}))
    touched(path, TIME + 2)
    return account


def told(search: Search, *, deep: bool = False, members: int = 100) -> tuple[list[Event], list[Finding]]:
    """Return the events of a timeline, and what it could not read: not that something of an account is gone."""
    findings: list[Finding] = []
    events = list(timeline(search, deep=deep, members=members, findings=findings))
    return events, [finding for finding in findings if finding.rule not in LOST]


def at(account: Account, **options: bool | int) -> list[Event]:
    """Return the events of ``account``, about which nothing is unreadable."""
    events, findings = told(Search([str(account.home)]), **options)  # type: ignore[arg-type]
    assert [finding for finding in findings if finding.is_unread] == []
    return events


__all__ = ["COUNTED", "CREATED", "DAY", "HOUR", "INSTALL", "UPDATED", "agreeing", "at", "packed", "told", "touched"]
