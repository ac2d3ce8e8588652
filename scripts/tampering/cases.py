"""The cases of a tampered server: an act or an honest oddity on each account, and what has to tell it.

Why the oddities are honest: FORMAT.md §3, §4, and §8, "Judging".
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo

import zstandard
from fixture_cases.applications.case import DAY, moment
from tampering.server import HOUR, INSTALLED, WRITING, Account, Backup
from writers.installatron import Entry, gzip_bytes

LATER: Final = moment("2025-03-01 02:11:00")
"""When somebody tampered with a backup, or copied all of them, months after they were made."""
WEBSHELL: Final = b"<?php @eval($_POST['q']); // CANARY-webshell\n"
FIFTH: Final = 4
"""The number of the backup that most acts are about: it has backups before and after it."""


class Told(NamedTuple):
    """What tells an act.

    Attributes:
        finding: the id of the finding that is meant for it: in `verify`, in a report and in lists from a catalog that
            was scanned deep.
        by_heads: the finding by which lists from disk tell it, which read the heads of archives; empty where none does.
        in_timeline: the finding that `timeline` has on stderr; empty where it has none.
        marked: the event that `timeline --deep` marks as contradicted; empty where no moment is.
        why: why a command can't know, a sentence; empty where all tell it.
    """

    finding: str
    by_heads: str
    in_timeline: str
    marked: str = ""
    why: str = ""

    @classmethod
    def everywhere(cls, finding: str, marked: str = "") -> Self:
        """Return that all commands tell an act by the same ``finding``."""
        return cls(finding, finding, finding, marked)


class Case(NamedTuple):
    """An account, and what happened to it.

    Attributes:
        user: its name.
        what: what happened to it.
        change: does that to the account as it is to be written.
        application: its application: WordPress, or the name of a fixture.
        zone: the zone of its server's clock.
        told: what tells it; of an honest account, nothing does.
    """

    user: str
    what: str
    change: Callable[[Account], object] = lambda _: None
    application: str = "wordpress"
    zone: tzinfo = UTC
    told: "Told | None" = None

    def account(self) -> Account:
        """Return the account, with what happened to it."""
        account = Account(self.user, self.application, self.zone)
        self.change(account)
        return account


# --- honest -----------------------------------------------------------------------------------------------------------


def _written_during(account: Account) -> None:
    """Let visitors upload pictures while the backup runs, which takes minutes."""
    for backup in account.backups:
        *members, last = backup.members
        backup.members = [*members, last._replace(mtime=backup.time + 170)]
        backup.modified = backup.recorded = backup.time + 180


def _moved_back(account: Account) -> None:
    """Copy the site without times, so that all its files are new; then let a clock be a month late for two backups."""
    copied, corrected = moment("2024-10-05 12:00:00"), moment("2024-11-13 00:00:00")
    for number, backup in enumerate(account.backups):
        if backup.time > copied:
            backup.members = [entry._replace(mtime=max(entry.mtime, copied)) for entry in backup.members]
            if backup.time < corrected:
                account.backups[number] = _remade(account, backup, backup.time - 29 * DAY)


def _ahead(account: Account) -> None:
    """Let a clock be forty days early for three backups."""
    for number in (3, 4, 5):
        backup = account.backups[number]
        account.backups[number] = _remade(account, backup, backup.time + 40 * DAY)


def _remade(account: Account, backup: Backup, time: int) -> Backup:
    """Return a backup of the same files, made at this ``time`` of a wrong clock."""
    dump, *files = backup.members
    remade = account.backup(time)
    lines = {**backup.embedded, **{key: remade.embedded[key] for key in ("backup-time", "backup-filename")}}
    return replace(remade, record=lines, embedded=dict(lines), members=[dump._replace(mtime=time), *files])


def _on_fat(account: Account) -> None:
    """Round times to even seconds, as FAT does: an archive written at once seems to be older than its backup."""
    for backup in account.backups:
        backup.modified = backup.recorded = backup.time & ~1


def _copied(account: Account) -> None:
    for backup in account.backups:
        backup.modified = LATER


def _recompressed(account: Account) -> None:
    for backup in account.backups:
        backup.modified = backup.compressed = LATER


def _as_zstandard(account: Account) -> None:
    for backup in account.backups:
        backup.name = backup.name.replace(".tar.gz", ".tar.zst")
        backup.pack, backup.modified = lambda tar, _: zstandard.compress(tar), LATER


def _checked_out(account: Account) -> None:
    """Give all files the time of a checkout."""
    account.changed = LATER
    for backup in account.backups:
        backup.modified = backup.recorded = LATER


def _account_renamed(account: Account) -> None:
    """Rename the account and rewrite its records, as panels do; older archives keep the old name inside."""
    renamed = moment("2024-12-01 10:00:00")
    for backup in account.backups:
        if backup.time < renamed:
            backup.embedded |= {"owner": "formerly", "path": f"/home/formerly/public_html/{account.site}"}
            backup.recorded = renamed


def _migrated(account: Account) -> None:
    """Rewrite owner, path and location in the records, and in no archive, as a migration to another panel does."""
    account.home, account.changed = f"/home2/{account.user}", LATER
    path = f"{account.home}/public_html/{account.site}"
    for lines in account.installs.values():
        lines["path"] = path
    for backup in account.backups:
        backup.embedded |= {"owner": "domain12", "path": "/var/www/vhosts/example.com/httpdocs"}
        backup.embedded |= {"backup-location": "0123456789abcdef0123456789abcdef"}
        backup.record, backup.recorded = {**(backup.record or {}), "path": path}, LATER


def _imported(account: Account) -> None:
    """Write the records of archives that are there already, as an import does."""
    for backup in account.backups:
        backup.recorded = LATER


def _without_times(account: Account) -> None:
    """Set the times of all files to 0, as some deployments do."""
    for backup in account.backups:
        backup.members = [entry._replace(mtime=0) for entry in backup.members]


def _with_gzip_time(account: Account) -> None:
    for backup in account.backups:
        backup.compressed = backup.time + WRITING


HONEST: Final = (
    Case("anna", "nothing"),
    Case("anton", "the gzip headers have times", _with_gzip_time, application="drupal-10"),
    Case("berta", "files are written while a backup runs", _written_during),
    Case("carlos", "a server in New York: its clock is put forward and back", zone=ZoneInfo("America/New_York")),
    Case("chandra", "a server in Nepal", zone=ZoneInfo("Asia/Kathmandu"), application="phpbb-3"),
    Case("dieter", "the site was copied without times; a clock was a month late", _moved_back),
    Case("dora", "a clock was forty days early", _ahead, application="moodle-4"),
    Case("emil", "archives on a FAT disk", _on_fat, application="prestashop-8"),
    Case("frida", "archives were copied without their times", _copied),
    Case("gustav", "archives were recompressed", _recompressed),
    Case("helga", "archives were recompressed with zstd", _as_zstandard, application="magento-2.4"),
    Case("igor", "all of it was checked out from a repository", _checked_out),
    Case("jutta", "the account was renamed by the panel", _account_renamed),
    Case("karl", "the account was migrated from another panel", _migrated),
    Case("lena", "the archives were imported", _imported, application="joomla-3.6"),
    Case("mia", "files were deployed without times", _without_times),
)


# --- acts -------------------------------------------------------------------------------------------------------------


def _repack(account: Account) -> None:
    """Put a webshell into an archive, and leave the times as the programs write them."""
    backup = account.backups[FIFTH]
    shell = Entry(b"wp-content/uploads/cache.php", WEBSHELL, LATER - HOUR)
    backup.members = [*backup.members, shell]
    backup.modified = backup.compressed = LATER


def _forge(account: Account) -> None:
    """Pack the live site of today with a webshell in it as an old backup, and put all times back."""
    backup = account.backups[FIFTH]
    newer = account.members(account.backups[-1].time)
    plugin = b"wp-content/plugins/letter-box/letter-box.php"
    backup.members = [
        entry._replace(
            mtime=min(entry.mtime, backup.time),
            content=(entry.content or b"") + WEBSHELL if entry.name == plugin else entry.content,
        )
        for entry in newer
    ]


def _edit_backup_record(account: Account) -> None:
    backup = account.backups[FIFTH]
    backup.record, backup.recorded = {**(backup.record or {}), "version": "6.5.5"}, LATER


def _edit_embedded_record(account: Account) -> None:
    account.backups[FIFTH].embedded["cf-email"] = "intruder@example.net"


def _edit_install_record(account: Account) -> None:
    account.installs[account.install]["time"] = str(INSTALLED + 40 * DAY)
    account.changed = LATER


def _rename_archive(account: Account) -> None:
    backup = account.backups[FIFTH]
    backup.name = account.archive_name(backup.time + 3 * DAY + 77)


def _truncate(account: Account) -> None:
    account.backups[FIFTH].pack = _cut


def _cut(tar: bytes, time: int) -> bytes:
    return gzip_bytes(tar, time)[:-600]


def _delete_archive(account: Account) -> None:
    account.backups[FIFTH].has_archive = False


def _delete_record(account: Account) -> None:
    account.backups[FIFTH].record = None


def _move_home(account: Account) -> None:
    account.home = f"{account.home}-new"


def _take_over(account: Account) -> None:
    """Copy a backup of another account, its record and its archive."""
    account.backups.append(Account("anna").backups[FIFTH])


def _duplicate(account: Account) -> None:
    backup = account.backups[FIFTH]
    account.copies[f"application_backups/copy-of-{backup.name}"] = backup


def _remove_install(account: Account) -> None:
    """Remove one of two sites; its backups stay."""
    account.backups += Account(account.user, "joomla-3.6", site=f"{account.user}-shop").backups


def _remove_only_install(account: Account) -> None:
    account.installs.clear()


ACTS: Final = (
    Case(
        "otto",
        "an archive was repacked with a webshell in it",
        _repack,
        told=Told("archive-altered", "", "", "member", "the head of an archive does not show its members"),
    ),
    Case(
        "petra",
        "an archive was forged from the live site, and all times were put back",
        _forge,
        told=Told("application-version-differs", "", "", "", "no moment lies, and no head shows contents"),
    ),
    Case("quirin", "a backup record was edited", _edit_backup_record, told=Told.everywhere("sources-disagree")),
    Case("rita", "an embedded record was edited", _edit_embedded_record, told=Told.everywhere("sources-disagree")),
    Case(
        "stefan",
        "an install record was edited",
        _edit_install_record,
        told=Told.everywhere("install-time-differs", "installed"),
    ),
    Case(
        "tina",
        "an archive was renamed to another time",
        _rename_archive,
        told=Told.everywhere("archive-renamed", "named-unzoned"),
    ),
    Case("udo", "an archive was cut off", _truncate, told=Told.everywhere("archive-truncated")),
    Case("vera", "an archive was deleted", _delete_archive, told=Told.everywhere("archive-missing")),
    Case(
        "willi",
        "a backup record was deleted",
        _delete_record,
        told=Told.everywhere("archive-without-record"),
    ),
    Case("xenia", "the home was moved to another name", _move_home, told=Told.everywhere("home-differs")),
    Case("yusuf", "a backup of another account was copied", _take_over, told=Told.everywhere("home-differs")),
    Case(
        "zoe",
        "an archive was copied beside itself",
        _duplicate,
        told=Told(
            "backup-duplicate",
            "archive-renamed",
            "archive-renamed",
            "",
            "that two archives are the same shows once both were read to their ends",
        ),
    ),
    Case(
        "paul",
        "a site was removed, its backups stayed",
        _remove_install,
        told=Told.everywhere("backup-orphaned"),
    ),
    Case(
        "ria",
        "the only site was removed, its backups stayed",
        _remove_only_install,
        told=Told.everywhere("backup-orphaned"),
    ),
)

CASES: Final = (*HONEST, *ACTS)
