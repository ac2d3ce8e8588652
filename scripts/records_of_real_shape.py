#!/usr/bin/env python3
"""Makes 23 invented records of real shape: each year and dialect of FORMAT.md §4, applications, panels.

Their values are harmless, but for what FORMAT.md calls a secret, and chosen to look like secrets where real ones do:
titles and notes with colons and mail addresses, ports and queries, serialized lists, plugins called after passwords.
Tests ask what of them is masked; called as a script it writes them into a folder::

    scripts/records_of_real_shape.py FOLDER
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fixture_cases.base import ABSENT, LineChanges, record
from fixture_cases.records import dialects

_OLD: Final[LineChanges] = {**dialects.UNTIL_2023, **dialects.WITHOUT_PLUGINS, "db-pass": "Pq7=x%2;"}
_SLUGS: Final[LineChanges] = {
    "list-plugins": "-akismet,password-protected,two-factor",
    "list-themes": "twentytwentyfour",
}
_NOTIFIED: Final = 'a:2:{s:19:"akismet/akismet.php";s:5:"5.3.1";s:16:"hello-dolly/h.php";s:5:"1.7.2";}'
_FACTOR: Final = 'a:2:{s:25:"two-factor-authentication";s:6:"1.14.5";s:7:"akismet";s:5:"5.3.1";}'

_SHAPES: Final[dict[str, LineChanges]] = {
    "2014": {**_OLD, **dialects.LINES_2014, "autoup": "2", "title": "Key West: a diving diary"},
    "2015": {
        **_OLD,
        **dialects.LINES_2014,
        "version": "4.3.1",
        "cf-email": "info+web@example.com",
        "title": "The Key: a diary",
    },
    "2016": {**_OLD, **dialects.LINES_2016, "db-host": "127.0.0.1:3306", "backup-note": "20:55, ask me@example.com"},
    "2017": {**_OLD, **dialects.LINES_2016, "version": "4.9", "url": "http://www.example.com:8080/blog"},
    "2018": {
        **_OLD,
        **dialects.LINES_2019,
        "list-plugins": "-akismet/akismet.php,hello.php,password-protected/password-protected.php",
        "plugin-updates-notified": _NOTIFIED,
    },
    "2019": {
        **dialects.UNTIL_2023,
        **dialects.LINES_2019,
        "list-plugins": "-akismet/akismet.php,hello.php",
        "list-themes": "twentynineteen,-twentyseventeen",
        "cf-sitetagline": 'Tom & Jerry\'s "best of", 100% = all',
    },
    "2020": {
        **dialects.UNTIL_2023,
        **dialects.LINES_2021,
        "list-plugins": "wordpress-seo/wp-seo.php",
        "list-files": "wp-config.php,index.php,logo@2x.png,wp-admin,wp-content,.htaccess,.well-known",
    },
    "2021": {
        **dialects.UNTIL_2023,
        **dialects.LINES_2021,
        "list-plugins": "akismet/akismet.php,-wordpress-seo/wp-seo.php",
        "url": "https://www.example.com/index.php?page_id=2&lang=en#top",
        "plugin-updates-notified": 'a:1:{i:0;a:2:{s:2:"id";s:7:"akismet";s:5:"email";s:17:"admin@example.com";}}',
    },
    "2022": {
        **dialects.UNTIL_2023,
        **dialects.LINES_2021,
        "list-plugins": "two-factor-authentication/two-factor-login.php",
        "plugin-updates-notified": _FACTOR,
        "theme-updates-autouped": "a:0:{}",
    },
    "2023": {**dialects.UNTIL_2023, **dialects.LINES_2023, **_SLUGS, "backup-note": "Before update; tel.: 555-01"},
    "2023-location": {**dialects.UNTIL_2023, **dialects.LINES_2023, **_SLUGS, "bkloc": "0123456789abcdef" * 2},
    "2024": {**dialects.LINES_2024, **_SLUGS, "cf-sitetitle": "Shipping & Design: signs, opinions"},
    "2024-scheduled": {
        **dialects.LINES_2024,
        **_SLUGS,
        "autobk": "dailyweeklymonthly",
        "backup-schedule": "dailyweeklymonthly",
        "list-issues": "db:1,files:2",
    },
    "2024-remote": {
        **dialects.LINES_2024,
        **_SLUGS,
        "backup-location": "ftp://exampleu:Pq7x@backup.example.com:21/b",
        "bkloc": "file://localhost/backup_test",
    },
    "2025": {"list-plugins": "+akismet/5.3.6,-password-protected/2.7,|keyring/3.0,=sign-up-sheets/2.3"},
    "2025-updates": {
        "list-plugins": "+wp-2fa/2.8.0,|wordfence/8.0.3",
        "plugin-updates-available": '{"akismet":{"version":"5.3.7","url":"https:\\/\\/example.com\\/akismet"}}',
        "list-plugins-available": "akismet/5.3.7,wordfence/8.0.4",
        "backup-expiry": "auto",
    },
    "2025-secrets": {
        "cf-enckey": "0f1e2d3c",
        "cf-smtp-pwd": "Pq7x",
        "list-plugins": "+akismet/5.3.6",
        "backup-note": "new password: Pq7x",
    },
    "drupal": {
        **dialects.WITHOUT_PLUGINS,
        "installer": "drupal",
        "version": "10.2.6",
        "list-files": "index.php,core,modules,sites,.htaccess,web.config",
        "link-admin": "?q=user/login",
    },
    "magento": {
        **dialects.WITHOUT_PLUGINS,
        "installer": "magento",
        "version": "2.4.6-p3",
        "list-tables": "admin_passwords,admin_user_session,oauth_token,session,salesrule",
        "link-admin": "index.php/admin_1x2y3z/?key=0f1e2d3c",
    },
    "groupoffice": {**dialects.WITHOUT_PLUGINS, "installer": "groupoffice", "version": "6.6.170", "link-admin": ""},
    "plesk": {"path": "/var/www/vhosts/example.org/httpdocs/blog", "owner": "domain1234", "cf-login": "me@example.org"},
    "plesk-windows": {"path": "c:\\inetpub\\vhosts\\example.org\\httpdocs\\blog", "owner": "domain17"},
    "directadmin": {
        "path": "/home2/exampleu/domains/example.com/public_html",
        "url": "https://example.com/",
        "title": "L\u00e9bo \u2013 \u0431\u043b\u043e\u0433: \u00abnews\u00bb",
        "cf-twofactor": ABSENT,
        "list-failures": "",
    },
}


def records() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each record."""
    yield from ((name, record(changes)) for name, changes in _SHAPES.items())


def main(folder: Path) -> None:
    """Write them into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in records():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes invented records of real shape.")
    parser.add_argument("folder", type=Path, help="where to write them")
    main(parser.parse_args().folder)
