"""The one invented backup that most fixtures vary: its record's lines, and the answer expected of it.

Both are written by hand, side by side; nothing here decodes a record. A case names what it changes in the lines and
what that changes in the answer; `ABSENT` takes a line or a field away.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from fixture_cases.tree import Json
from writers import installatron


class Mark(Enum):
    """What stands in place of a value."""

    ABSENT = "absent"


ABSENT: Final = Mark.ABSENT

LineChanges: TypeAlias = Mapping[str, str | Mark]
FieldChanges: TypeAlias = Mapping[str, "Json | Mark"]
Fields: TypeAlias = dict[str, Json]

UNCHANGED: Final[FieldChanges] = MappingProxyType({})

RECORD_ID: Final = "bq7o2m5xw1k0gs8wok4cc0s4k"
INSTALL_ID: Final = "cavtwnyvhzk8cgw8ks4gcgoo4"
ARCHIVE_STEM: Final = "app_example-com_My-blog-2_2025-03-10_11-02-01"
ARCHIVE_NAME: Final = f"{ARCHIVE_STEM}.tar.gz"
BACKUP_TIME: Final = 1741600921  # 2025-03-10 10:02:01 UTC; the server's clock says 11:02:01

LINES: Final[dict[str, str]] = {
    "backup-note": "before the redesign",
    "installer": "wordpress",
    "version": "6.7.2",
    "language": "en",
    "time": "1718296434",
    "agent": "9.1.73",
    "owner": "exampleu",
    "path": "/home/exampleu/public_html/blog",
    "path-created": "1",
    "url": "https://www.example.com/blog",
    "url-domain": "example.com",
    "title": "My blog (2)",
    "list-files": "wp-config.php,index.php,.htaccess,wp-admin,wp-content,wp-includes,wp-login.php,.maintenance",
    "list-tables": "wp_options,wp_posts,wp_users",
    "list-plugins": "+limit-login-attempts-reloaded/2.26.18,-akismet/5.3.6",
    "list-themes": "+twentytwentyfive/1.1,=twentytwentythree/1.6",
    "autoup": "1",
    "autoup-backup": "1",
    "autoup-plugins": "0",
    "autoup-themes": "1",
    "bkloc": "local",
    "autobk": "0",
    "db-host": "localhost",
    "db-type": "mysql",
    "db-name": "exampleu_wp1",
    "db-user": "exampleu_wp1",
    "db-pass": "CANARY-db-pass=%;#",
    "db-prefix": "wp_",
    "cf-login": "admin",
    "cf-email": "admin@example.com",
    "cf-sitetitle": "My blog",
    "cf-sitetagline": "",
    "cf-twofactor": "no",
    "cf-limitloginattempts": "yes",
    "cache-tables": "2211840",
    "link-admin": "wp-admin",
    "cache-files": "77844480",
    "errcode": "",
    "cf-passwd": "",
    "backup-install": INSTALL_ID,
    "backup-location": "local",
    "backup-time": str(BACKUP_TIME),
    "backup-filename": ARCHIVE_NAME,
}

FIELDS: Final[Fields] = {
    "backup_filename": ARCHIVE_NAME,
    "backup_install": INSTALL_ID,
    "backup_location": "local",
    "backup_note": "before the redesign",
    "backup_time": "1741600921",
    "id": RECORD_ID,
    "application": "wordpress",
    "agent": "9.1.73",
    "autobk": "none",
    "autobk_schedule": "",
    "autoup": "minor",
    "autoup_backup": "all",
    "autoup_plugins": "none",
    "autoup_themes": "all",
    "bkloc": "local",
    "cache_files": 77844480,
    "cache_tables": 2211840,
    "db_host": "localhost",
    "db_type": "mysql",
    "db_name": "exampleu_wp1",
    "db_user": "exampleu_wp1",
    "db_pass": "CANARY-db-pass=%;#",
    "db_prefix": "wp_",
    "login": "admin",
    "email": "admin@example.com",
    "language": "en",
    "sitetitle": "My blog",
    "sitetagline": "",
    "limitloginattempts": "yes",
    "twofactor": "no",
    "file": f"/home/exampleu/.appdata/current/{INSTALL_ID}",
    "files": [
        "wp-config.php",
        "index.php",
        ".htaccess",
        "wp-admin",
        "wp-content",
        "wp-includes",
        "wp-login.php",
        ".maintenance",
    ],
    "link_admin": "wp-admin",
    "notification": [
        "backup",
        "backup_error",
        "clone",
        "clone_error",
        "install",
        "install_error",
        "plugin_update",
        "plugin_update_available",
        "plugin_update_error",
        "restore",
        "restore_error",
        "sync",
        "sync_error",
        "template",
        "template_error",
        "update",
        "update_available",
        "update_error",
    ],
    "parent": "",
    "path": "/home/exampleu/public_html/blog",
    "plugins": [
        {"id": "limit-login-attempts-reloaded", "version": "2.26.18", "activated": True, "autoup": "all"},
        {"id": "akismet", "version": "5.3.6", "activated": False, "autoup": "all"},
    ],
    "stage": "",
    "tables": ["wp_options", "wp_posts", "wp_users"],
    "themes": [
        {"id": "twentytwentyfive", "version": "1.1", "active": True, "autoup": "all"},
        {"id": "twentytwentythree", "version": "1.6", "active": False, "autoup": "none"},
    ],
    "time_created": 1718296434,
    "title": "My blog (2)",
    "url": "https://www.example.com/blog",
    "url_domain": "example.com",
    "user": "exampleu",
    "version": "6.7.2",
    "passwd": "",
}

EXTRA: Final[Fields] = {"path-created": "1", "errcode": ""}

# The order of fixtures/api/example-response.json, with the fields that it lacks where FORMAT.md §8 puts them.
FIELD_ORDER: Final = (
    "backup_filename backup_install backup_location backup_note backup_time id application agent autobk"
    " autobk_schedule autobk_daily autobk_weekly autobk_monthly autoup autoup_backup autoup_plugins autoup_themes"
    " bkloc cache_numerrors cache_numwarnings cache_files cache_numbackups cache_preview cache_tables cache_time"
    " db_host db_type db_name db_user db_pass db_prefix login email language sitetitle sitetagline"
    " limitloginattempts twofactor exclude_files failures file files incomplete link_admin notification parent path"
    " plugins stage tables themes time_created time_updated title url url_domain user version version_autouped"
    " version_autouped_attempts version_available version_available_minor version_updates_available"
).split()

# Of the lines' order only this is kept: these four are last (FORMAT.md §4).
LAST_LINES: Final = ("backup-install", "backup-location", "backup-time", "backup-filename")


class RecordCase(NamedTuple):
    """A record file, and what differs from the expected answer above; ``error`` when it can't be read."""

    name: str
    why: str
    content: bytes
    fields: FieldChanges = UNCHANGED
    extra: FieldChanges = UNCHANGED
    findings: tuple[str, ...] = ()
    record_id: str = RECORD_ID
    error: str | None = None


def lines(changes: LineChanges | None = None) -> dict[str, str]:
    """Return the invented record's lines with ``changes``; new ones stand before the last four."""
    merged: dict[str, str | Mark] = {**LINES, **(changes or {})}
    kept = {key: value for key, value in merged.items() if not isinstance(value, Mark)}
    return {key: kept[key] for key in sorted(kept, key=lambda key: LAST_LINES.index(key) if key in LAST_LINES else -1)}


def record(changes: LineChanges | None = None) -> bytes:
    """Return the invented record with ``changes``, as the real writer writes it."""
    return installatron.record(lines(changes).items())


def edited(*edits: tuple[bytes, bytes]) -> bytes:
    """Return the invented record with bytes replaced, each exactly once, for what no writer would write."""
    content = record()
    for old, new in edits:
        if content.count(old) != 1:
            raise ValueError(old)
        content = content.replace(old, new)
    return content


def merged_fields(base: Mapping[str, Json], changes: FieldChanges) -> Fields:
    """Return ``base`` with ``changes``, without the absent ones."""
    merged: dict[str, Json | Mark] = {**base, **changes}
    return {name: value for name, value in merged.items() if not isinstance(value, Mark)}


def answer(changes: FieldChanges = UNCHANGED, base: Mapping[str, Json] = FIELDS) -> Fields:
    """Return the expected answer with ``changes``, in the API's order; custom fields beyond it keep theirs, last."""
    fields = merged_fields(base, changes)
    known = [name for name in FIELD_ORDER if name in fields]
    return {name: fields[name] for name in (*known, *(name for name in fields if name not in FIELD_ORDER))}


def extras(changes: FieldChanges = UNCHANGED) -> Fields:
    """Return the expected ``extra`` with ``changes``, sorted by key."""
    return dict(sorted(merged_fields(EXTRA, changes).items()))


def ids(findings: Iterable[str]) -> list[str]:
    """Return findings as they are expected: sorted, each once."""
    return sorted(set(findings))
