"""Whole small backups, one of each application and of each file that tells a version: nothing is odd about any of them.

A case is the record's own lines, the files with their text, and the tables. The rest follows from them: lists, sizes,
times and the name agree, as they do in a real backup. All text is invented; only the lines that programs read are as
the applications write them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple

from fixture_cases.base import LineChanges, record
from fixture_cases.records.dialects import UNTIL_2023, WITHOUT_PLUGINS
from fixture_cases.tree import Tree, below, json_bytes
from writers.installatron import Entry, gzip_bytes, tar_bytes

DAY: Final = 86_400
PAGE: Final = 16_384
"""What the smallest table takes in a database, in bytes."""

VIENNA_IN_WINTER: Final = timezone(timedelta(hours=1))
DB_NAME: Final = "exampleu_db1"
DB_PASSWORD: Final = "CANARY-db-pass=%;#"
EMPTY_PAGE: Final = "<!DOCTYPE html><title></title>\n"
NEVER_THERE: Final = (".htaccess", "robots.txt")
"""What every record lists, whether it exists or not."""

ADMINISTRATION: Final = {
    "wordpress": "wp-admin",
    "drupal": "user/login",
    "joomla": "administrator",
    "magento": "admin_x1",
    "mediawiki": "index.php/Special:SpecialPages",
    "prestashop": "admin1x",
    "phpbb": "adm",
    "moodle": "admin",
}
"""Where each application's administration is, below its url."""


class Site(NamedTuple):
    """A backup of one site.

    Attributes:
        name: the case's name.
        why: what it shows.
        installer: the application.
        version: its version.
        told_by: the file that tells it.
        time: when it was backed up, Unix seconds.
        files: the text of each file, by its path; a path that ends with a slash is an empty folder.
        tables: the names of its tables, with their prefix.
        prefix: the record's ``db-prefix``.
        lines: what is special about its record.
        views: the names of its views.
    """

    name: str
    why: str
    installer: str
    version: str
    told_by: str
    time: int
    files: Mapping[str, str]
    tables: tuple[str, ...]
    prefix: str
    lines: LineChanges = WITHOUT_PLUGINS
    views: tuple[str, ...] = ()


def tables(prefix: str, names: str) -> tuple[str, ...]:
    """Return the names of tables, with their prefix."""
    return tuple(prefix + name for name in names.split())


def moment(text: str) -> int:
    """Return the Unix seconds of ``2024-06-13 20:55:21`` UTC."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


def file_name(site: Site) -> str:
    """Return the archive's name; before April 2020 its time is some seconds late (FORMAT.md §3)."""
    late = 6 if site.time < moment("2020-04-01 00:00:00") else 0
    local = datetime.fromtimestamp(site.time + late, VIENNA_IN_WINTER)
    return f"app_{site.installer}-example-com_My-{site.installer}-2_{local:%Y-%m-%d_%H-%M-%S}.tar.gz"


def tops(site: Site) -> list[str]:
    """Return the names at the top, in the order of their first file."""
    return list(dict.fromkeys(path.partition("/")[0] for path in site.files))


def site_record(site: Site) -> bytes:
    """Return the record."""
    host = f"{site.installer}.example.com"
    return record(
        {
            **(UNTIL_2023 if site.time < moment("2024-01-01 00:00:00") else {}),
            "backup-note": "",
            "installer": site.installer,
            "version": site.version,
            "time": str(site.time - 30 * DAY),
            "path": f"/home/exampleu/public_html/{site.installer}",
            "url": f"https://www.{host}",
            "title": f"My {site.installer} (2)",
            "list-files": ",".join([*tops(site), *NEVER_THERE]),
            "list-tables": ",".join(sorted([*site.tables, *site.views])),
            "db-name": DB_NAME,
            "db-user": DB_NAME,
            "db-pass": DB_PASSWORD,
            "db-prefix": site.prefix,
            "cf-sitetitle": f"My {site.installer}",
            "link-admin": ADMINISTRATION[site.installer],
            "cache-tables": str(PAGE * len(site.tables)),
            "cache-files": str(sum(len(text.encode()) for text in site.files.values())),
            "backup-time": str(site.time),
            "backup-filename": file_name(site),
            **site.lines,
        }
    )


def dump(site: Site) -> bytes:
    """Return the database; since 2021 it is one transaction (FORMAT.md §5)."""
    statements = [*map(table, sorted(site.tables)), *(view(name, site.tables[0]) for name in sorted(site.views))]
    if site.time >= moment("2021-01-01 00:00:00"):
        statements = ["SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n", *statements, "COMMIT;\n"]
    return "".join(statements).encode()


def table(name: str) -> str:
    """Return a table with two rows."""
    return f"""DROP TABLE IF EXISTS `{name}`;
CREATE TABLE `{name}` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `content` varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `{name}` VALUES ('1','It\\'s; a {name}'),('2','CANARY-row');
"""  # noqa: S608 - nothing runs it


def view(name: str, of: str) -> str:
    """Return a view of one table."""
    return f"""DROP VIEW IF EXISTS `{name}`;
CREATE VIEW `{name}` AS select `{of}`.`id` AS `id` from `{of}` where `{of}`.`id` > 1;
"""  # noqa: S608 - nothing runs it


def members(site: Site) -> Iterator[Entry]:
    """Yield the archive's members: the record, the dump, the files, each folder before what lies in it."""
    yield Entry(b"APP-META.INI", site_record(site), site.time)
    yield Entry(b"APP-DATA.SQL", dump(site), site.time)
    folders = set[str]()
    for path in sorted(site.files, key=lambda path: tops(site).index(path.partition("/")[0])):
        for folder in (path[: slash.start()] for slash in re.finditer("/", path)):
            if folder not in folders:
                folders.add(folder)
                yield Entry(folder.encode(), None, site.time - DAY, 0o755)
        if not path.endswith("/"):
            yield Entry(path.encode(), site.files[path].encode(), site.time - DAY)


def trees(sites: Iterable[Site]) -> Iterator[Tree]:
    """Yield the folder of each case: the archive, and what is expected of it."""
    for site in sites:
        expected = {"why": site.why, "application": site.installer, "version": site.version, "told_by": site.told_by}
        archive = gzip_bytes(tar_bytes(members(site)))
        yield below(f"applications/{site.name}", {file_name(site): archive, "expected.json": json_bytes(expected)})
