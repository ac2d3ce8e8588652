"""The key table: which key becomes which field of the server's answer, and how (FORMAT.md §4).

`FIELDS` is the one place where keys, order, decoders, scopes, defaults and meanings are written. The descriptions of
the JSON Schema, the resolved fields, the catalog's columns and their types, CSV, Parquet and ``explain`` follow from
it. Its order is the order on the wire. The wire types, which type checkers must see, are those of the answer's models;
tests/api/test_fields.py holds the two tables together, field by field.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.findings import FindingRule
from backupmeta.masking import is_secret
from backupmeta.provenance import as_text
from backupmeta.record import values
from backupmeta.record.values import Decoder
from backupmeta.secrets import mask_text
from backupmeta.words import cut, recorded_dated


class Scope(Enum):
    """What a field describes, and so which records may speak for it (`backupmeta help view`, "Who is believed")."""

    BACKUP = "the backup itself"
    SNAPSHOT = "the install at the time of the backup"
    LIVE = "the install as it is now"


class Default(NamedTuple):
    """A documented default: what holds where no record has the key."""

    value: str | list[str]
    application: str | None = None


class Field(NamedTuple):
    """One field of the answer.

    Attributes:
        name: its name on the wire.
        key: the record's key; None where no record has it.
        decode: from the value's bytes to the value on the wire.
        meaning: one sentence.
        scope: what it describes.
        default: the documented default, or None.
    """

    name: str
    key: str | None
    decode: Decoder
    meaning: str
    scope: Scope = Scope.SNAPSHOT
    default: Default | None = None

    @property
    def secret(self) -> bool:
        """Whether its value is masked."""
        return is_secret(self.name)

    @property
    def is_time(self) -> bool:
        """Whether its value is a time in Unix seconds, an integer or the digits of one."""
        return self.decode in {values.seconds, values.digits}


NOTIFICATIONS: Final = (
    "backup backup_error clone clone_error install install_error plugin_update plugin_update_available "
    "plugin_update_error restore restore_error sync sync_error template template_error update update_available "
    "update_error"
).split()

_core_updates: Final = values.code({b"0": "none", b"1": "minor", b"2": "all"})
_backups_first: Final = values.code({b"0": "none", b"1": "all"})
_extension_updates: Final = values.code({b"0": "none", b"1": "all", b"2": "custom", b"custom": "custom"})
_ALL_OF_WORDPRESS: Final = Default("all", application="wordpress")

FIELDS: Final[tuple[Field, ...]] = (
    Field("backup_filename", "backup-filename", values.text, "Name of the archive.", Scope.BACKUP),
    Field("backup_install", "backup-install", values.text, "Id of the install that was backed up.", Scope.BACKUP),
    Field("backup_location", "backup-location", values.text, "local, a location's id, or a URI.", Scope.BACKUP),
    Field("backup_note", "backup-note", values.text, "The user's note about this backup.", Scope.BACKUP),
    Field("backup_time", "backup-time", values.digits, "When it was made, Unix seconds as digits.", Scope.BACKUP),
    Field("id", None, values.text, "Id of the backup, or of the install: its record's name."),
    Field("application", "installer", values.text, "Which application this is: wordpress, drupal, …"),
    Field("agent", "agent", values.text, "Version of Installatron that installed or imported it."),
    Field(
        "autobk",
        "autobk",
        values.schedule_mode,
        "Automatic backups: none, schedule or custom.",
        default=Default("none"),
    ),
    Field("autobk_schedule", "autobk", values.schedule_id, "Id of their schedule, or empty.", default=Default("")),
    Field("autobk_daily", "autobk-daily", values.integer, "Daily backups to keep, where autobk is custom."),
    Field("autobk_weekly", "autobk-weekly", values.integer, "Weekly backups to keep, where autobk is custom."),
    Field("autobk_monthly", "autobk-monthly", values.integer, "Monthly backups to keep, where autobk is custom."),
    Field("autoup", "autoup", _core_updates, "Automatic updates: none, minor or all.", default=Default("minor")),
    Field(
        "autoup_backup",
        "autoup-backup",
        _backups_first,
        "Whether an update makes a backup first: none or all.",
        default=Default("all"),
    ),
    Field(
        "autoup_plugins",
        "autoup-plugins",
        _extension_updates,
        "Automatic plugin updates: none, all or custom (WordPress).",
        default=_ALL_OF_WORDPRESS,
    ),
    Field(
        "autoup_themes",
        "autoup-themes",
        _extension_updates,
        "Automatic theme updates: none, all or custom (WordPress).",
        default=_ALL_OF_WORDPRESS,
    ),
    Field("bkloc", "bkloc", values.text, "Location of new backups: local, or a location's id."),
    Field("cache_numerrors", "cache-numerrors", values.integer, "Errors that the server counted.", Scope.LIVE),
    Field("cache_numwarnings", "cache-numwarnings", values.integer, "Warnings that it counted.", Scope.LIVE),
    Field("cache_files", "cache-files", values.integer, "Size of the files, in bytes.", Scope.LIVE),
    Field("cache_numbackups", "cache-numbackups", values.integer, "Number of the install's backups.", Scope.LIVE),
    Field("cache_preview", "cache-preview", values.integer, "The server's own, about its preview.", Scope.LIVE),
    Field("cache_tables", "cache-tables", values.integer, "Size of the tables, in bytes.", Scope.LIVE),
    Field("cache_time", "cache-time", values.seconds, "When these were counted, Unix seconds.", Scope.LIVE),
    Field("db_host", "db-host", values.text, "Host of the database server."),
    Field("db_type", "db-type", values.text, "Type of the database: mysql, pgsql, …"),
    Field("db_name", "db-name", values.text, "Name of the database."),
    Field("db_user", "db-user", values.text, "Name of the database's user."),
    Field("db_pass", "db-pass", values.text, "That user's password, in clear text."),
    Field("db_prefix", "db-prefix", values.text, "Prefix of the tables' names."),
    Field("login", "cf-login", values.text, "Custom field: the administrator's user name."),
    Field("email", "cf-email", values.text, "Custom field: the administrator's address."),
    Field("language", "language", values.text, "Language of the install: en, no, …"),
    Field("sitetitle", "cf-sitetitle", values.text, "Custom field: the site's title."),
    Field("sitetagline", "cf-sitetagline", values.text, "Custom field: the site's tagline."),
    Field("limitloginattempts", "cf-limitloginattempts", values.text, "Custom field: yes or no."),
    Field("twofactor", "cf-twofactor", values.text, "Custom field: yes or no."),
    Field("exclude_files", "list-exclude-files", values.items, "Files and folders left out of backups."),
    Field("failures", "list-failures", values.items, "Failures that the server noted.", Scope.LIVE),
    Field("file", None, values.text, "Path of the install's record, as the server saw it."),
    Field("files", "list-files", values.items, "Files and folders that belong to the install."),
    Field("incomplete", "incomplete", values.flag, "Whether the install is known to be broken.", Scope.LIVE),
    Field("link_admin", "link-admin", values.text, "Path of the administration, below the url."),
    Field(
        "notification",
        "list-notification",
        values.items,
        "Notifications that the owner receives.",
        Scope.LIVE,
        Default(NOTIFICATIONS),
    ),
    Field("parent", "parent", values.text, "Id of the install this was staged from.", Scope.LIVE, Default("")),
    Field("path", "path", values.text, "Folder of the install, as the server saw it."),
    Field("plugins", "list-plugins", values.plugins, "Plugins (WordPress)."),
    Field("stage", "stage", values.text, "Id of the install's default stage.", Scope.LIVE, Default("")),
    Field("tables", "list-tables", values.items, "Database tables that belong to the install."),
    Field("themes", "list-themes", values.themes, "Themes (WordPress)."),
    Field("time_created", "time", values.seconds, "When it was installed, Unix seconds."),
    Field("time_updated", "time-updated", values.seconds, "When it was last updated, Unix seconds."),
    Field("title", "title", values.text, "Title of the install, as Installatron shows it."),
    Field("url", "url", values.text, "Address of the site."),
    Field("url_domain", "url-domain", values.text, "The url's domain."),
    Field("user", "owner", values.text, "The account that owns the install."),
    Field("version", "version", values.text, "Version of the application."),
    Field("version_autouped", "version-autouped", values.text, "The last version that an automatic update reached."),
    Field(
        "version_autouped_attempts",
        "version-autouped-attempts",
        values.integer,
        "Automatic updates that failed since the last success.",
    ),
    Field("version_available", "version-available", values.text, "The highest version it can be updated to."),
    Field(
        "version_available_minor",
        "version-available-minor",
        values.text,
        "The highest minor version it can be updated to.",
    ),
    Field(
        "version_updates_available", "version-updates-available", values.integer, "How many newer versions there are."
    ),
)

FIELD: Final[dict[str, Field]] = {field.name: field for field in FIELDS}
API_KEYS: Final[frozenset[str]] = frozenset(field.key for field in FIELDS if field.key is not None)

CUSTOM: Final = "cf-"
"""What the installer's custom fields begin with: ``cf-sitename`` becomes the field ``sitename``."""

OTHER_KEYS: Final[frozenset[str]] = frozenset(
    "path-created imported errno errcode link-0 list-backup-files list-backup-tables list-issues list-plugins-issues "
    "version-notified plugin-updates-available theme-updates-available plugin-updates-notified "
    "theme-updates-notified plugin-updates-autouped theme-updates-autouped backup-expiry backup-schedule".split()
)
"""Keys that are known and are no part of the answer (FORMAT.md §4, "Other keys seen")."""

_LONGEST_REMEMBERED: Final = 100

_OTHER_ENDINGS: Final = {
    "list-": ("-available", "-attempted"),
    "": ("-updates-autouped", "-updates-notified"),
}


class Use(Enum):
    """What becomes of a key."""

    FIELD = "a field of the answer"
    CUSTOM = "a custom field of the answer"
    COLLISION = "a custom field with the name of another field; kept in extra"
    OTHER = "known, no part of the answer; kept in extra"
    UNKNOWN = "unknown; kept in extra"


def use_of(key: str) -> Use:
    """Return what becomes of a record's ``key``."""
    return _remembered_use(key) if len(key) <= _LONGEST_REMEMBERED else _use_of(key)


def _use_of(key: str) -> Use:
    if key in API_KEYS:
        return Use.FIELD
    if key.startswith(CUSTOM) and len(key) > len(CUSTOM) and mask_text(as_text(key)) == key:
        return Use.COLLISION if key.removeprefix(CUSTOM) in FIELD else Use.CUSTOM
    return Use.OTHER if key in OTHER_KEYS or _has_other_shape(key) else Use.UNKNOWN


_remembered_use = lru_cache(maxsize=4096)(_use_of)


def _has_other_shape(key: str) -> bool:
    return any(key.startswith(start) and key.endswith(ends) for start, ends in _OTHER_ENDINGS.items())


_TIMES: Final = frozenset(field.key for field in FIELDS if field.is_time)
_LONGEST_SHOWN: Final = 100
"""How many characters of a value are shown."""


def sides(key: str, said: Iterable[tuple[bytes, str]]) -> str:
    """Return who says what of a record's ``key``, from the values and those who say them, the believed one first.

    Values are shown by their beginnings, times as dates; secrets as masks, of which no two are the same value.

    >>> sides("version", [(b"6.2.2", "backup record"), (b"6.4.3", "embedded record"), (b"6.4.3", "version.php")])
    '6.2.2: backup record; 6.4.3: embedded record, version.php'
    """
    sides = dict[bytes, list[str]]()
    for value, witness in said:
        sides.setdefault(value, []).append(witness)
    return "; ".join(f"{_in_words(key, value)}: {', '.join(witnesses)}" for value, witnesses in sides.items())


def _in_words(key: str, value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return cut(recorded_dated(text) if key in _TIMES else text, _LONGEST_SHOWN) or "nothing"


def problem(error: ValueError) -> FindingRule:
    """Return the rule of the finding about a value whose decoder raised ``error``."""
    return rules.VALUE_NOT_UTF8 if isinstance(error, UnicodeDecodeError) else rules.VALUE_UNDECODABLE
