"""Accounts with a site each and a year of its backups, as they are to be written: honest, until a case changes them.

Contents are those of the fixtures' applications. All of an account lies open, so that a case can say what it changes:
lines of records, members, names, times of files. Times are Unix seconds.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from fixture_cases import base
from fixture_cases.applications import case, others, wordpress
from fixture_cases.applications.case import DAY, DB_NAME, DB_PASSWORD, NEVER_THERE, PAGE, moment, table
from fixture_cases.base import LineChanges
from writers.installatron import Entry, gzip_bytes, record, tar_bytes

Lines = dict[str, str]
"""A record's lines: values by key."""

INSTALLED: Final = moment("2024-04-15 09:30:00")
END: Final = moment("2025-03-16 00:00:00")
"""When the disk was taken."""
HOUR: Final = 3_600
MONTH: Final = 30 * DAY
WRITING: Final = 40
"""How many seconds writing an archive takes."""
UPDATES: Final = {
    "2024-04-15 09:30:00": "6.5.2",
    "2024-06-06 03:00:00": "6.5.4",
    "2024-07-24 03:00:00": "6.6.1",
    "2024-11-13 03:00:00": "6.7",
    "2025-02-12 03:00:00": "6.7.2",
}
"""When each WordPress was updated to which version."""
_OTHERS: Final = {site.name: site for site in others.SITES}


class Software(NamedTuple):
    """An application as it was installed: its files' contents by path, its tables, and what only its record has."""

    installer: str
    version: str
    since: int
    files: Mapping[str, bytes]
    tables: tuple[str, ...]
    prefix: str
    lines: LineChanges


def _wordpress(version: str, since: int) -> Software:
    files = {
        **wordpress.core(version),
        "wp-content/plugins/letter-box/letter-box.php": wordpress.plugin("Letter Box", "1.2"),
        "wp-content/themes/one-column/style.css": wordpress.theme("One Column", "1.4"),
    }
    lines = {**wordpress.LISTED, "list-plugins": "=letter-box/1.2", "list-themes": "+one-column/1.4"}
    return Software("wordpress", version, since, _bytes(files), wordpress.TABLES, "wp_", lines)


def _bytes(files: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items() if not path.endswith("/")}


def software(name: str) -> tuple[Software, ...]:
    """Return what a site consists of, from when on: WordPress with its updates, or the ``name`` of a fixture."""
    if name == "wordpress":
        return tuple(_wordpress(version, moment(since)) for since, version in UPDATES.items())
    site = _OTHERS[name]
    files, tops = _bytes(site.files), ",".join([*case.tops(site), *NEVER_THERE])
    lines = {**site.lines, "list-files": f"{tops},uploads"}
    return (Software(site.installer, site.version, INSTALLED, files, site.tables, site.prefix, lines),)


@dataclass
class Backup:
    """A backup as it is to be written.

    Attributes:
        id: the backup record's name.
        time: when it was made.
        name: the archive's name.
        record: the backup record; None where there is none.
        embedded: the embedded record.
        members: the members after that.
        modified: when the archive was modified.
        recorded: when the backup record was modified.
        compressed: the time in the gzip header.
        pack: what makes an archive of a tar, and of that time.
        has_archive: whether there is an archive.
    """

    id: str
    time: int
    name: str
    record: Lines | None
    embedded: Lines
    members: list[Entry]
    modified: int
    recorded: int
    compressed: int = 0
    pack: Callable[[bytes, int], bytes] = gzip_bytes
    has_archive: bool = True

    def archive(self) -> bytes:
        """Return the archive."""
        own = Entry(b"APP-META.INI", record(self.embedded.items()), self.time)
        return self.pack(tar_bytes([own, *self.members]), self.compressed)


class Account:
    """An account as it is to be written.

    Attributes:
        user: whose it is.
        site: the name of its site.
        home: its path on the server.
        installs: the records of its live installs, by id.
        changed: when these were modified.
        backups: its backups, the oldest first.
        copies: further archives, by the path below its home: of which backup.
    """

    def __init__(self, user: str, application: str = "wordpress", zone: tzinfo = UTC, site: str = "") -> None:
        """Make a year of backups of one site; the server's clock is that of ``zone``."""
        self.user = user
        self.site = site or user
        self.home = f"/home/{user}"
        self.software = software(application)
        self.zone = zone
        self.installs = {self.install: _of_install(self.lines(END))}
        self.changed = self.software[-1].since
        self.backups = [self.backup(time) for time in self._times()]
        self.copies: dict[str, Backup] = {}

    @property
    def install(self) -> str:
        """The id of its install."""
        return f"{self.site.replace('-', ''):z<25.25}"

    def _times(self) -> list[int]:
        """Return when backups were made: each month, and an hour before each update."""
        before_updates = {state.since - HOUR for state in self.software[1:]}
        return sorted({*range(INSTALLED + 12 * DAY, END, MONTH), *before_updates})

    def at(self, time: int) -> Software:
        """Return what the site consisted of at this ``time``."""
        return [state for state in self.software if state.since <= time or state is self.software[0]][-1]

    def files(self, time: int) -> dict[str, tuple[bytes, int]]:
        """Return the site's files at this ``time``, contents and times; each month a picture comes."""
        state = self.at(time)
        files = {path: (content, state.since) for path, content in state.files.items()}
        folder = "wp-content/uploads" if state.installer == "wordpress" else "uploads"
        for month in range((time - INSTALLED) // MONTH):
            picture = os.fsencode(self.site) * (10 + month)
            files[f"{folder}/{month:02d}.jpg"] = (picture, INSTALLED + month * MONTH + HOUR)
        return files

    def lines(self, time: int) -> Lines:
        """Return the lines that all records have at this ``time``."""
        state, host, title = self.at(time), f"{self.site}.example", f"{self.site.title()} (2)"
        own: LineChanges = {
            "backup-note": "",
            "installer": state.installer,
            "version": state.version,
            "time": str(INSTALLED),
            "time-updated": str(state.since),
            "owner": self.user,
            "path": f"{self.home}/public_html/{self.site}",
            "url": f"https://www.{host}",
            "url-domain": host,
            "title": title,
            "list-tables": ",".join(sorted(state.tables)),
            "db-name": DB_NAME,
            "db-user": DB_NAME,
            "db-pass": DB_PASSWORD,
            "db-prefix": state.prefix,
            "cf-sitetitle": title,
            "link-admin": case.ADMINISTRATION[state.installer],
            "cache-tables": str(PAGE * len(state.tables)),
            "cache-files": str(sum(len(content) for content, _ in self.files(time).values())),
        }
        return base.lines({**state.lines, **own})

    def backup(self, time: int) -> Backup:
        """Return a backup that is made at this ``time``, as the server's clock has it then."""
        lines = self.lines(time) | {"backup-install": self.install, "backup-time": str(time)}
        lines["backup-filename"] = name = self.archive_name(time)
        written = time + WRITING
        return Backup(self.backup_id(time), time, name, lines, dict(lines), self.members(time), written, written)

    def archive_name(self, time: int) -> str:
        """Return the name of the archive of a backup that was made at this ``time``."""
        local = datetime.fromtimestamp(time, self.zone)
        return f"app_{self.site}-example_{self.site.title()}-2_{local:%Y-%m-%d_%H-%M-%S}.tar.gz"

    def backup_id(self, time: int) -> str:
        """Return the id of a backup that was made at this ``time``."""
        return f"{self.site.replace('-', '')[:13]:z<13}{time:012d}"

    def members(self, time: int) -> list[Entry]:
        """Return the members of an archive after its record: the dump, then each folder before what lies in it."""
        tables = "".join(map(table, sorted(self.at(time).tables)))
        dump = f"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n{tables}COMMIT;\n".encode()
        members, folders = [Entry(b"APP-DATA.SQL", dump, time)], set[str]()
        for path, (content, changed) in self.files(time).items():
            for folder in [str(parent) for parent in reversed(Path(path).parents)][1:]:
                if folder not in folders:
                    folders.add(folder)
                    members.append(Entry(folder.encode(), None, INSTALLED, 0o755))
            members.append(Entry(path.encode(), content, changed))
        return members

    def write(self, root: Path) -> None:
        """Write it below the server's ``root``."""
        home = root / self.home.lstrip("/")
        records, archives = home / ".appdata", home / "application_backups"
        for folder in (records / "current", records / "backups", archives):
            folder.mkdir(parents=True, exist_ok=True)
        for id_, lines in self.installs.items():
            _write(records / "current" / id_, record(lines.items()), self.changed)
        for backup in self.backups:
            if backup.record is not None:
                _write(records / "backups" / backup.id, record(backup.record.items()), backup.recorded)
            if backup.has_archive:
                _write(archives / backup.name, backup.archive(), backup.modified)
        for path, backup in self.copies.items():
            _write(home / path, backup.archive(), backup.modified)


def _of_install(lines: Lines) -> Lines:
    """Return the lines of an install's record: no ``backup-…`` (FORMAT.md §4)."""
    return {key: value for key, value in lines.items() if not key.startswith("backup-")}


def _write(path: Path, content: bytes, time: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time, time))
