"""The accounts: each kind of home, and each way in which records, archives and links disagree."""

import json
from pathlib import Path
from typing import Final

import zstandard
from fixture_cases import containers
from fixture_cases.accounts.case import (
    Account,
    Backup,
    answered,
    archive,
    home,
    home_of,
    install,
    refused,
)
from fixture_cases.base import (
    ABSENT,
    ARCHIVE_NAME,
    ARCHIVE_STEM,
    BACKUP_TIME,
    INSTALL_ID,
    RECORD_ID,
    FieldChanges,
    LineChanges,
)
from fixture_cases.records.dialects import FIELDS_2019, LINES_2019, WITHOUT_PLUGINS, WITHOUT_PLUGINS_FIELDS
from fixture_cases.tree import Json, Link, Tree

FIXTURES: Final = Path(__file__).resolve().parents[3] / "fixtures"
DAY: Final = 86_400
UNKNOWN_ID: Final = "0000000000000000000000000"
SECOND_ID: Final = "c0pyo2m5xw1k0gs8wok4cc0s4"
ONE_BACKUP: Final[FieldChanges] = {"cache_numbackups": 1}


def alone(backup: Backup, *findings: str) -> dict[str, Json]:
    """Return what `view` answers for an account's only backup: by its id, and by its archive's name."""
    return {backup.record_id: answered(backup, *findings), backup.file_name: answered(backup, *findings)}


def example() -> Account:
    """Return the vendor's example: its files are given, so only the expectation is written."""
    given = json.loads((FIXTURES / "api/example-response.json").read_text())
    record_id = "1234567890abcdefghij12345"
    listed: Json = {
        "id": record_id,
        "state": "archive",
        "data": {
            "backup_filename": "app__My-blog_2020-12-31_23-59-59.tar.gz",
            "backup_install": record_id,
            "backup_location": "local",
            "backup_time": "1234567890",
            "id": record_id,
            "application": "wordpress",
            "user": "useraccountname",
        },
    }
    viewed: Json = {
        "status": 200,
        "errcode": None,
        "data": given["data"],
        "findings": ["name-time-differs", "name-title-differs"],
    }
    return Account(
        "example",
        "The vendor's own example, made into files; the answer is the vendor's, too.",
        {},
        [listed],
        view={record_id: viewed, "app__My-blog_2020-12-31_23-59-59.tar.gz": viewed},
    )


SHOP_ID: Final = "d8wz1k6y3tcs0k4wg8o0c4ogk"
NOTES_ID: Final = "e1x5rm2b9ls4k0wcs8g4o0ckw"
REMOTE_ID: Final = "0123456789abcdef0123456789abcdef"
SCHEDULE_ID: Final = "00112233445566778899aabbccddeeff"

LIVE_LINES: Final[LineChanges] = {
    "list-notification": "update_error",
    "cache-numerrors": "0",
    "cache-numwarnings": "1",
    "cache-time": "1742100000",
}
LIVE_FIELDS: Final[FieldChanges] = {
    "notification": ["update_error"],
    "cache_numerrors": 0,
    "cache_numwarnings": 1,
    "cache_time": 1742100000,
}
SHOP_LINES: Final[LineChanges] = {
    **WITHOUT_PLUGINS,
    "installer": "drupal",
    "version": "10.2.6",
    "path": "/home/exampleu/public_html/shop",
    "url": "https://shop.example.com/",
    "title": "Shop",
    "link-admin": "user/login",
}
SHOP_FIELDS: Final[FieldChanges] = {
    **WITHOUT_PLUGINS_FIELDS,
    "autoup_plugins": ABSENT,
    "autoup_themes": ABSENT,
    "application": "drupal",
    "version": "10.2.6",
    "path": "/home/exampleu/public_html/shop",
    "url": "https://shop.example.com/",
    "title": "Shop",
    "link_admin": "user/login",
    "file": f"/home/exampleu/.appdata/current/{SHOP_ID}",
    "backup_install": SHOP_ID,
}
NOTES_LINES: Final[LineChanges] = {
    "path": "/home/exampleu/notes",
    "url": "https://example.net/notes",
    "url-domain": "example.net",
    "title": "Notes",
}
NOTES_FIELDS: Final[FieldChanges] = {
    "path": "/home/exampleu/notes",
    "url": "https://example.net/notes",
    "url_domain": "example.net",
    "title": "Notes",
    "file": f"/home/exampleu/.appdata/current/{NOTES_ID}",
    "backup_install": NOTES_ID,
}

MANUAL: Final = Backup(fields={**LIVE_FIELDS, "cache_numbackups": 3})
SCHEDULED: Final = MANUAL._replace(
    state="missing",
    record_id="b4k0s8sc5w2m7xq1zgo4cw0ok",
    file_name="app_example-com_My-blog-2_2025-03-11_11-02-01.tar.gz",
    time=BACKUP_TIME + DAY,
    lines={"backup-schedule": SCHEDULE_ID},
)
AUTOMATIC: Final = MANUAL._replace(
    record_id="b9c1m3n5p7r0s2t4v6w8x0y2z",
    file_name="app_example-com_My-blog-2_2025-03-12_11-02-01.tar.gz",
    time=BACKUP_TIME + 2 * DAY,
    lines={"backup-expiry": "auto"},
)
REMOTE: Final = Backup(
    state="remote",
    record_id="a7z5y3x1w9v8u6t4s2r0q1p3n",
    file_name="app_shop-example-com_Shop_2025-03-13_11-02-01.tar.gz",
    time=BACKUP_TIME + 3 * DAY,
    lines={**SHOP_LINES, "backup-install": SHOP_ID, "backup-location": REMOTE_ID, "bkloc": REMOTE_ID},
    fields={**SHOP_FIELDS, "backup_location": REMOTE_ID, "bkloc": REMOTE_ID, "cache_numbackups": 2},
)
MOVED: Final = Backup(
    record_id="b0a9z8y7x6w5v4u3t2s1r0q9p",
    file_name="app_shop-example-com_Shop_2025-03-14_11-02-01.tar.gz",
    time=BACKUP_TIME + 4 * DAY,
    lines={**SHOP_LINES, "backup-install": SHOP_ID},
    fields={**SHOP_FIELDS, "cache_numbackups": 2},
)
MOVED_NAME: Final = "shop before upgrade.tar.gz"
UNRECORDED: Final = Backup(
    state="unclaimed",
    record_id=NOTES_ID,
    file_name="app_example-net_Notes_2025-03-15_11-02-01.tar.gz",
    time=BACKUP_TIME + 5 * DAY,
    lines={**NOTES_LINES, "backup-install": NOTES_ID},
    fields={**NOTES_FIELDS, "cache_numbackups": 0},
)


def cpanel() -> Account:
    """Return a cPanel home with three installs and six backups, in each state that a backup can have."""
    tree = home(
        "home/exampleu",
        records={backup.record_id: backup.record() for backup in (MANUAL, SCHEDULED, AUTOMATIC, REMOTE, MOVED)},
        installs={
            INSTALL_ID: install({**LIVE_LINES, "version": "6.8.1", "version-available": "6.8.2"}),
            SHOP_ID: install({**SHOP_LINES, "cache-numbackups": "2"}),
            NOTES_ID: install({**NOTES_LINES, "version": "6.8.1"}),
        },
        archives={
            MANUAL.file_name: MANUAL.archive(),
            AUTOMATIC.file_name: AUTOMATIC.archive(),
            MOVED_NAME: MOVED.archive(),
            UNRECORDED.file_name: UNRECORDED.archive(),
        },
    )
    everything = (MANUAL, SCHEDULED, AUTOMATIC, REMOTE, MOVED, UNRECORDED)
    return Account(
        "cpanel",
        "A cPanel home: manual, scheduled and automatic backups; one archive missing, one renamed, one remote,"
        " one without a record. The live install has moved on since.",
        tree,
        [backup.listed() for backup in everything],
        [
            ("archive-missing", SCHEDULED.file_name),
            ("archive-remote", REMOTE.file_name),
            ("archive-without-record", UNRECORDED.file_name),
        ],
        {
            MANUAL.record_id: answered(MANUAL),
            MANUAL.file_name: answered(MANUAL),
            SCHEDULED.record_id: refused("backup_not_found"),
            AUTOMATIC.record_id: answered(AUTOMATIC),
            REMOTE.record_id: answered(REMOTE, "archive-remote"),
            MOVED.record_id: answered(MOVED, "archive-renamed", "name-unconventional"),
            MOVED_NAME: answered(MOVED, "archive-renamed", "name-unconventional"),
            UNRECORDED.file_name: answered(UNRECORDED, "archive-without-record", "id-from-install"),
            UNKNOWN_ID: refused("backup_not_found"),
        },
    )


def of_one_home(
    name: str, why: str, path: str, backup: Backup, archives_folder: str = "application_backups"
) -> Account:
    """Return an account with one home and one backup in which nothing is wrong."""
    return Account(name, why, home_of(path, backup, archives_folder), [backup.listed()], view=alone(backup))


def at_path(home_path: str, path: str) -> Backup:
    """Return a backup of an install at ``path`` in ``home_path``."""
    return Backup(
        lines={"path": path},
        fields={**ONE_BACKUP, "path": path, "file": f"{home_path}/.appdata/current/{INSTALL_ID}"},
    )


HOMES: Final = (
    of_one_home(
        "home2",
        "A home on a second disk.",
        "home2/exampleu",
        at_path("/home2/exampleu", "/home2/exampleu/public_html/blog"),
    ),
    of_one_home(
        "plesk",
        "A Plesk home: the domain's folder, not the owner's.",
        "var/www/vhosts/example.org",
        at_path("/var/www/vhosts/example.org", "/var/www/vhosts/example.org/httpdocs/blog"),
    ),
    of_one_home(
        "renamed-folder",
        "The archives' folder has another name; it can be changed.",
        "home/exampleu",
        Backup(fields=ONE_BACKUP),
        "backups",
    ),
    of_one_home(
        "before-2020",
        "The name's time is twelve seconds after backup-time, as it was before April 2020.",
        "home/exampleu",
        Backup(
            file_name="app_example-com_My-blog-2_2019-03-18_16-04-17.tar.gz",
            time=1552921445,
            lines=LINES_2019,
            fields={**FIELDS_2019, **ONE_BACKUP},
        ),
    ),
)


def two_homes() -> Account:
    """Return two homes side by side; the second one's backup is the older."""
    first = Backup(fields=ONE_BACKUP)
    second = Backup(
        record_id=SECOND_ID,
        time=BACKUP_TIME - DAY,
        file_name="app_example-com_My-blog-2_2025-03-09_11-02-01.tar.gz",
        lines={"owner": "samplev", "path": "/home/samplev/public_html"},
        fields={
            **ONE_BACKUP,
            "user": "samplev",
            "path": "/home/samplev/public_html",
            "file": f"/home/samplev/.appdata/current/{INSTALL_ID}",
        },
    )
    return Account(
        "two-homes",
        "Two homes share a root, and their installs an id: backups are counted in each home alone.",
        {**home_of("home/exampleu", first), **home_of("home/samplev", second)},
        [second.listed(), first.listed()],
        view={**alone(first), **alone(second)},
    )


def links() -> Account:
    """Return a home with links out of it, and a home that is a link."""
    backup = Backup(fields=ONE_BACKUP)
    evil = "app_evil-example_Passwords_2025-03-10_11-02-01.tar.gz"
    outside = Backup(record_id=UNKNOWN_ID, lines={"owner": "samplev", "db-pass": "CANARY-outside"})
    out: Tree = {
        f"home/exampleu/application_backups/{evil}": Link("../../../../expected.json"),
        f"home/exampleu/.appdata/backups/{SECOND_ID}": Link("../../../../etc/passwd"),
        "home/linked": Link("../outside/samplev"),
        "etc/passwd": b"installer=CANARY-etc-passwd\n",
    }
    return Account(
        "links",
        "Links out of the sysroot, out of the home, and to a whole home: none is followed, each is reported.",
        {**home_of("home/exampleu", backup), **home_of("outside/samplev", outside), **out},
        [backup.listed()],
        [("link-not-followed", evil), ("link-not-followed", SECOND_ID), ("link-not-followed", "linked")],
        {
            **alone(backup),
            SECOND_ID: refused("backup_not_found"),
            UNKNOWN_ID: refused("backup_not_found"),
        },
    )


def malformed_names() -> Account:
    """Return a home with files among the records that are no records."""
    backup = Backup(fields=ONE_BACKUP)
    names = ("README", f"{RECORD_ID}.bak", "UPPERCASEID0123456789ABCD", "tooshort1")
    strange = {f"home/exampleu/.appdata/backups/{name}": b"installer=CANARY-not-read\n" for name in names}
    return Account(
        "malformed-names",
        "The installer's ballast, which is no record; files whose names are no ids, which are reported and not read.",
        {**home_of("home/exampleu", backup), **strange, "home/exampleu/.appdata/.placeholder": b"#" * 200_000},
        [backup.listed()],
        [("record-name-malformed", name) for name in names],
        alone(backup),
    )


def claimed_twice() -> Account:
    """Return a home in which two records name one archive; the archive agrees with the first."""
    first = Backup(fields={"cache_numbackups": 2})
    second = first._replace(
        record_id=SECOND_ID,
        lines={"backup-note": "a copy by hand"},
        fields={**first.fields, "backup_note": "a copy by hand"},
    )
    tree = home_of("home/exampleu", first)
    return Account(
        "claimed-twice",
        "Two records name the same archive: both are listed with it.",
        {**tree, f"home/exampleu/.appdata/backups/{SECOND_ID}": second.record()},
        [first.listed(), second.listed()],
        [("archive-claimed-twice", ARCHIVE_NAME)],
        {
            RECORD_ID: answered(first, "archive-claimed-twice"),
            SECOND_ID: answered(second, "archive-claimed-twice", "sources-disagree"),
        },
    )


def renamed_account() -> Account:
    """Return a renamed account: its records were rewritten, its archives were not."""
    lines: LineChanges = {
        "owner": "renamedu",
        "path": "/home/renamedu/public_html/blog",
        "db-name": "renamedu_wp1",
        "db-user": "renamedu_wp1",
    }
    fields: FieldChanges = {
        **ONE_BACKUP,
        "user": "renamedu",
        "path": "/home/renamedu/public_html/blog",
        "db_name": "renamedu_wp1",
        "db_user": "renamedu_wp1",
        "file": f"/home/renamedu/.appdata/current/{INSTALL_ID}",
    }
    backup = Backup(lines=lines, fields=fields)
    tree = home_of("home/renamedu", backup)
    tree[f"home/renamedu/application_backups/{ARCHIVE_NAME}"] = archive(Backup().record())
    return Account(
        "account-renamed",
        "A renamed account: the backup record has the new name and wins, the embedded record has the old one.",
        tree,
        [backup.listed()],
        view=alone(backup, "record-rewritten"),
    )


def edited_record() -> Account:
    """Return a home in which somebody edited the backup record: its version is not the archive's."""
    backup = Backup(lines={"version": "6.5.4"}, fields={**ONE_BACKUP, "version": "6.5.4"})
    tree = home_of("home/exampleu", backup)
    tree[f"home/exampleu/application_backups/{ARCHIVE_NAME}"] = archive(Backup().record())
    return Account(
        "sources-disagree",
        "An edited backup record: it wins, and the embedded record has another version.",
        tree,
        [backup.listed()],
        view=alone(backup, "sources-disagree"),
    )


def archives_only() -> Account:
    """Return a home of which only the archives are left."""
    first = Backup(state="unclaimed", record_id=INSTALL_ID)
    second = first._replace(file_name="app_example-com_My-blog-2_2025-03-11_11-02-01.tar.gz", time=BACKUP_TIME + DAY)
    page = "app_example-com_My-blog-2_2025-03-12_11-02-01.tar.gz"
    tree = home(
        "home/exampleu",
        archives={
            first.file_name: first.archive(),
            second.file_name: second.archive(),
            page: b"<!DOCTYPE html>\n<html><body>Not Found</body></html>\n",
        },
    )
    return Account(
        "archives-only",
        "Only archives, no .appdata: they answer for themselves; one is no archive, and is not listed.",
        tree,
        [first.listed(), second.listed()],
        [
            ("archive-unreadable", page),
            *(("archive-without-record", name) for name in (first.file_name, second.file_name, page)),
        ],
        {
            first.file_name: answered(first, "archive-without-record", "id-from-install"),
            second.file_name: answered(second, "archive-without-record", "id-from-install"),
            UNKNOWN_ID: refused("backup_not_found"),
        },
    )


def recompressed() -> Account:
    """Return a home whose archive was recompressed for cold storage."""
    backup = Backup(fields=ONE_BACKUP)
    name = f"{ARCHIVE_STEM}.tar.zst"
    content = zstandard.ZstdCompressor(level=3).compress(containers.backup(backup.record()))
    return Account(
        "recompressed",
        "The archive was recompressed with zstd: a name that differs in its suffix alone is still the record's.",
        home(
            "home/exampleu",
            records={RECORD_ID: backup.record()},
            installs={INSTALL_ID: install()},
            archives={name: content},
        ),
        [backup.listed()],
        view={RECORD_ID: answered(backup), name: answered(backup)},
    )


CASES: Final[tuple[Account, ...]] = (
    example(),
    cpanel(),
    *HOMES,
    two_homes(),
    links(),
    malformed_names(),
    claimed_twice(),
    renamed_account(),
    edited_record(),
    archives_only(),
    recompressed(),
)
