"""An invented host to report on: sites that grew, were updated and backed up for two years; some of it is not whole."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.fleets import DAY, SEED, Author

from tests.invented import Account, install_record
from tests.sites import packed, record

BEGIN = 1_656_633_600  # 2022-07-01 00:00 UTC
NOW = 1_721_829_600  # 2024-07-24 14:00 UTC


class Site(NamedTuple):
    """A site: its owner, its application, its title, its domain, its versions, and the days between two backups."""

    user: str
    application: str
    title: str
    domain: str
    versions: tuple[str, ...]
    days: int


SITES = (
    Site("anna", "wordpress", "Garden", "garden.example", ("6.0", "6.1.1", "6.2.2", "6.4.3", "6.5.4"), 30),
    Site("anna", "wordpress", "Seed shop", "shop.garden.example", ("6.0", "6.2.2", "6.4.3"), 14),
    Site("bakery", "wordpress", "Corner Bakery", "bakery.example", ("5.9.3", "6.0", "6.2.2"), 45),
    Site("bakery", "mantisbt", "Orders", "orders.bakery.example", ("2.25.5", "2.25.7", "2.26.1"), 30),
    Site("choir", "wordpress", "The Harbour Choir", "choir.example", ("5.9.3", "6.2.2", "6.4.3"), 60),
    Site("choir", "punbb", "Choir forum", "forum.choir.example", ("1.4.5", "1.4.6"), 90),
    Site("dorothea", "piwigo", "Pictures", "pictures.example", ("12.3.0", "13.8.0", "14.3.0"), 21),
    Site("museum", "dokuwiki", "Museum of Clocks", "clocks.example", ("9.4.1", "9.5.3", "10.1.6", "10.10.2"), 40),
)
"""The last version of ``museum`` comes behind 10.1.6 in the order of versions, and before it in that of letters."""


def sample(homes: Path) -> Path:
    """Make the host's homes below ``homes``, and return that."""
    author = Author(SEED)
    accounts = {user: Account(homes / user) for user in sorted({one.user for one in SITES})}
    for number, site in enumerate(SITES):
        account = accounts[site.user]
        for place, (time, version) in enumerate(_moments(site)):
            ids = _id("b", number, place), _id("i", number, 0)
            upload = author.noise(4_000 + 700 * place)
            _back_up(account, ids, _lines(site, number, version), time, upload)
        account.install(_id("i", number, 0), _installed(site, number))
    damage(homes)
    return homes


def damage(homes: Path) -> None:
    """Let a few backups be less than whole: one cut off, one gone, one without its record."""
    oldest = sorted((homes / "bakery/application_backups").iterdir())
    oldest[0].write_bytes(oldest[0].read_bytes()[:-40])
    oldest[3].unlink()
    (homes / "choir/.appdata/backups" / _id("b", 4, 2)).unlink()


def _moments(site: Site) -> Iterator[tuple[int, str]]:
    """Yield when the site was backed up, Unix seconds, and its version then."""
    days = range(40, (NOW - BEGIN) // DAY, site.days)
    for place, day in enumerate(days):
        yield BEGIN + day * DAY + 3 * 3600, site.versions[place * len(site.versions) // len(days)]


def _back_up(account: Account, ids: tuple[str, str], lines: dict[str, str], time: int, upload: bytes) -> None:
    domain, title = (re.sub(r"[. ]", "-", lines[key]) for key in ("url_domain", "title"))
    name = f"app_{domain}_{title}_{datetime.fromtimestamp(time, UTC):%Y-%m-%d_%H-%M-%S}.tar.gz"
    backup, install = ids
    content = record(**lines, backup_install=install, backup_time=str(time), backup_filename=name)
    account.backup(backup, content)
    version = f"<?php\n$wp_version = '{lines['version']}';\n".encode()
    files = {"wp-includes/version.php": version, "wp-content/a.jpg": upload}
    (account.archives / name).write_bytes(packed(content, files, time=time))


def _lines(site: Site, number: int, version: str) -> dict[str, str]:
    return {
        "installer": site.application,
        "version": version,
        "owner": site.user,
        "path": f"/home/{site.user}/public_html/{site.domain}",
        "url": f"https://{site.domain}",
        "url_domain": site.domain,
        "title": site.title,
        "time": str(BEGIN + number * 3 * DAY),
    }


def _installed(site: Site, number: int) -> bytes:
    lines = _lines(site, number, site.versions[-1])
    return install_record(**lines, time_updated=str(NOW - (number + 1) * 9 * DAY), version_available=site.versions[-1])


def _id(kind: str, number: int, place: int) -> str:
    return f"{kind}{number:02d}{place:03d}".ljust(25, "x")
