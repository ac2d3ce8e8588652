#!/usr/bin/env python3
"""Writes an invented server to look at: four accounts, six sites and two years of their backups, always the same.

    scripts/invented_server.py FOLDER      # FOLDER/home/alma, FOLDER/home/bruno, …

Sites are backed up each month and before each update. Not all is well: an archive is cut off, one is
missing, one was renamed, one is a copy, and one site is gone while its backups stayed.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from fixture_cases.applications.case import DAY, DB_NAME, DB_PASSWORD, PAGE, moment, table
from fixture_cases.applications.wordpress import LISTED, TABLES, core, plugin, theme
from fixture_cases.base import LineChanges, record
from writers.installatron import Entry, gzip_bytes, tar_bytes

END: Final = moment("2025-03-16 00:00:00")
"""When the disk was taken."""
HOUR: Final = 3_600
MONTH: Final = 30 * DAY
WRITTEN: Final = 40
"""How many seconds writing an archive takes."""


class Update(NamedTuple):
    """What a site consists of from a day on: its version, and its plugins, with their marks (FORMAT.md §4)."""

    day: str
    version: str
    plugins: tuple[str, ...]


class Site(NamedTuple):
    """A site: whose it is, where, what it is called, and what became of it."""

    user: str
    host: str
    title: str
    updates: tuple[Update, ...]

    @property
    def id(self) -> str:
        """Its install's id."""
        return f"{self.host.replace('.', '').replace('-', ''):z<25.25}"

    @property
    def first(self) -> int:
        """When it was installed, Unix seconds."""
        return moment(f"{self.updates[0].day} 09:30:00")

    def at(self, time: int) -> Update:
        """Return what it consists of at this ``time``, Unix seconds; an update takes place at three in the morning."""
        return [state for state in self.updates if _time(state) <= time or state is self.updates[0]][-1]


def _time(update: Update) -> int:
    return moment(f"{update.day} 03:00:00")


AKISMET: Final = ("+akismet/5.0.2", "+akismet/5.1", "+akismet/5.3.1", "+akismet/5.3.6")
SHOP: Final = ("|shop-window/7.4.0", "|shop-window/8.2.1", "|shop-window/9.1.0")
FORMS: Final = ("=letter-box/1.2", "-letter-box/1.2", "+letter-box/1.3.1")

SITES: Final = (
    Site(
        "alma",
        "alma-cafe.example",
        "Alma's café",
        (
            Update("2023-03-04", "6.1.1", (AKISMET[0], FORMS[0])),
            Update("2023-03-30", "6.2", (AKISMET[1], FORMS[0])),
            Update("2023-08-09", "6.3", (AKISMET[1], FORMS[1])),
            Update("2023-11-08", "6.4.1", (AKISMET[2], FORMS[2])),
            Update("2024-04-03", "6.5", (AKISMET[2], FORMS[2])),
            Update("2024-06-06", "6.5.4", (AKISMET[3], FORMS[2])),
            Update("2024-11-13", "6.7", (AKISMET[3], FORMS[2])),
            Update("2025-02-12", "6.7.2", (AKISMET[3], FORMS[2])),
        ),
    ),
    Site(
        "alma",
        "shop.alma-cafe.example",
        "Alma's shop",
        (
            Update("2023-10-01", "6.3.1", (AKISMET[1], SHOP[0])),
            Update("2024-02-01", "6.4.3", (AKISMET[2], SHOP[1])),
            Update("2024-07-17", "6.6", (AKISMET[3], SHOP[2])),
            Update("2024-11-20", "6.7.1", (AKISMET[3], SHOP[2])),
        ),
    ),
    Site(
        "bruno",
        "bruno-roofing.example",
        "Roofs by Bruno (2)",
        (
            Update("2023-03-20", "6.1.1", (AKISMET[0],)),
            Update("2024-01-31", "6.4.3", (AKISMET[0], FORMS[0])),
        ),
    ),
    Site(
        "carla",
        "choir.example",
        "The choir",
        (
            Update("2023-06-01", "6.2.2", (FORMS[0],)),
            Update("2023-10-13", "6.3.2", (FORMS[0],)),
            Update("2024-06-25", "6.5.5", (FORMS[2],)),
            Update("2025-01-10", "6.7.1", (FORMS[2],)),
        ),
    ),
    Site(
        "carla",
        "choir-tickets.example",
        "Tickets",
        (
            Update("2023-09-12", "6.3.1", (SHOP[0],)),
            Update("2024-05-08", "6.5.3", (SHOP[1],)),
        ),
    ),
    Site(
        "dora",
        "dora-photo.example",
        "Dora: photographs",
        (
            Update("2023-04-22", "6.2", (AKISMET[0], FORMS[0])),
            Update("2024-04-10", "6.5.2", (AKISMET[2],)),
            Update("2025-02-12", "6.7.2", (AKISMET[3],)),
        ),
    ),
)
GONE: Final = SITES[4]
"""The site that is no longer there; its last backup was made a year before the end."""


class Backup(NamedTuple):
    """A backup of a site: when it was made, Unix seconds, and whether before an update."""

    site: Site
    time: int
    is_before_update: bool

    @property
    def id(self) -> str:
        """Its id."""
        return f"{self.site.id[:13]}{self.time:012d}"

    @property
    def name(self) -> str:
        """Its archive's name; the server lives by UTC."""
        host, title = self.site.host.replace(".", "-"), self.site.title.replace("(", "").replace(")", "")
        slug = "".join(chr(byte) if chr(byte).isalnum() and byte < ord("\x7f") else "-" for byte in title.encode())
        return f"app_{host}_{slug}_{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d_%H-%M-%S}.tar.gz"

    @property
    def record(self) -> bytes:
        """Its record."""
        last = {
            "backup-install": self.site.id,
            "backup-location": "local",
            "backup-time": str(self.time),
            "backup-filename": self.name,
        }
        expiry = {"backup-expiry": "auto"} if self.is_before_update else {"backup-schedule": "monthly"}
        return record({**lines(self.site, self.time), "backup-note": "", **expiry, **last})

    @property
    def archive(self) -> bytes:
        """Its archive."""
        return gzip_bytes(tar_bytes(members(self)))


def lines(site: Site, time: int) -> LineChanges:
    """Return the lines of a record of ``site`` at this ``time``."""
    now = site.at(time)
    return {
        **LISTED,
        "version": now.version,
        "time": str(site.first),
        "time-updated": str(site.first if now is site.updates[0] else _time(now)),
        "owner": site.user,
        "path": f"/home/{site.user}/public_html/{site.host}",
        "url": f"https://www.{site.host}",
        "url-domain": site.host,
        "title": site.title,
        "list-tables": ",".join(TABLES),
        "list-plugins": ",".join(now.plugins),
        "list-themes": "+one-column/1.4",
        "db-name": DB_NAME,
        "db-user": DB_NAME,
        "db-pass": DB_PASSWORD,
        "db-prefix": "wp_",
        "cf-sitetitle": site.title,
        "cache-tables": str(PAGE * len(TABLES)),
        "cache-files": str(sum(len(content) for content in files(site, time).values())),
    }


def files(site: Site, time: int) -> dict[str, bytes]:
    """Return the files of ``site`` at this ``time``: pictures come in every month."""
    now = site.at(time)
    contents = {path: text.encode() for path, text in core(now.version).items() if not path.endswith("/")}
    for listed in now.plugins:
        name, version = listed[1:].split("/")
        contents[f"wp-content/plugins/{name}/{name}.php"] = plugin(name.replace("-", " ").title(), version).encode()
    contents["wp-content/themes/one-column/style.css"] = theme("One Column", "1.4").encode()
    for month in range((time - site.first) // MONTH):
        contents[f"wp-content/uploads/{month:02d}.jpg"] = os.fsencode(site.host) * (
            40 * (month % 7 + 1) * len(site.title)
        )
    return contents


def members(backup: Backup) -> Iterator[Entry]:
    """Yield the members of an archive."""
    site, time = backup.site, backup.time
    yield Entry(b"APP-META.INI", backup.record, time)
    tables = "".join(map(table, TABLES))
    yield Entry(b"APP-DATA.SQL", f"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n{tables}COMMIT;\n".encode(), time)
    folders = set[str]()
    for path, content in files(site, time).items():
        for folder in reversed([str(parent) for parent in Path(path).parents if str(parent) != "."]):
            if folder not in folders:
                folders.add(folder)
                yield Entry(folder.encode(), None, site.first, 0o755)
        month = int(Path(path).stem) if "uploads" in path else 0
        yield Entry(path.encode(), content, site.first + month * MONTH)


def backups(site: Site) -> Iterator[Backup]:
    """Yield the backups of ``site``: each month at four, and an hour before each update."""
    end = moment("2024-03-16 00:00:00") if site is GONE else END
    updates = {_time(update) - HOUR for update in site.updates[1:]}
    months = range(site.first - site.first % DAY + 12 * DAY + 4 * HOUR, end, MONTH)
    yield from (Backup(site, time, time in updates) for time in sorted({*months, *updates}) if time < end)


def write(path: Path, content: bytes, time: int) -> None:
    """Write a file as of ``time``, Unix seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time, time))


def write_site(root: Path, site: Site) -> None:
    """Write what there is of ``site`` below ``root``."""
    home = root / "home" / site.user
    for backup in backups(site):
        write(home / ".appdata/backups" / backup.id, backup.record, backup.time + WRITTEN)
        write(home / "application_backups" / backup.name, backup.archive, backup.time + WRITTEN)
    if site is not GONE:
        content = record({**lines(site, END), "cache-numerrors": "0", "cache-numwarnings": "0", "list-failures": ""})
        write(home / ".appdata/current" / site.id, content, _time(site.updates[-1]))


def write_server(root: Path) -> None:
    """Write the server below ``root``."""
    for site in SITES:
        write_site(root, site)
    archives = {site.user: sorted((root / "home" / site.user / "application_backups").iterdir()) for site in SITES}
    cut = archives["carla"][-1]
    write(cut, cut.read_bytes()[:-600], int(cut.stat().st_mtime))
    archives["bruno"][3].unlink()
    renamed = archives["alma"][5]
    renamed.rename(renamed.with_name("before-the-relaunch.tar.gz"))
    copied = archives["dora"][7]
    shutil.copy2(copied, copied.with_name(f"copy-of-{copied.name}"))


def main() -> None:
    """Write the server into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write it; it must not be there yet")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True)
    write_server(folder)


if __name__ == "__main__":
    main()
