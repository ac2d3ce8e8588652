"""Checks of the record: whether it tells what every record tells, and whether its ids and times are plausible.

What reading it met, and where witnesses disagree, resolving has found already (`backupmeta.backup.resolve`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from backupmeta import rules
from backupmeta.account.home import is_id
from backupmeta.checks.applications import released
from backupmeta.checks.checked_backup import Check, CheckedBackup
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.masking import is_secret
from backupmeta.provenance import Source, Witness
from backupmeta.record.fields import FIELD
from backupmeta.words import dated

_error = partial(FindingRule, Group.RECORD, Severity.ERROR)
_warning = partial(FindingRule, Group.RECORD, Severity.WARNING)
_note = partial(FindingRule, Group.RECORD, Severity.NOTE)
_NAME: Final = "find out whether the archive was renamed, or the record edited"
_CLOCK: Final = "find out whether a clock was wrong, or the record edited"


REQUIRED: Final = (
    "application version time_created user path url title files "
    "backup_install backup_location backup_time backup_filename"
).split()
"""The fields whose keys every record of a backup has, of any year (FORMAT.md §4)."""

_TIMES: Final = ("time_created", "time_updated", "backup_time")
_RECORDS: Final = frozenset({Witness.BACKUP_RECORD, Witness.EMBEDDED_RECORD})
_NOT_EMPTY: Final = frozenset({"application", "version", "backup_install", "backup_filename"})

_SKEW: Final = 300
"""How many seconds two clocks may differ."""

_HOUR: Final = 60
_PARTS_OF_HOURS: Final = frozenset(
    {-570, -270, -210, -150, 210, 270, 330, 345, 390, 510, 525, 570, 585, 630, 690, 765, 825}
)
"""The UTC offsets in use since 2004 that are no whole hours, in minutes (IANA time zone database)."""


RECORD_KEY_MISSING: Final = _error(
    "record-key-missing", "a key is missing that every record of a backup has", rules.EXPLAIN
)


def keys_missing(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the keys that every record of a backup has, and this one lacks or leaves empty."""
    inspection = backup.inspection
    names = {name for name in inspection.fields if inspection.source(name).witness in _RECORDS}
    for name in REQUIRED if names else ():  # of an empty record it is told that it is empty
        if name not in names:
            yield Finding(RECORD_KEY_MISSING, FIELD[name].key or name, "", (backup.archive_source,))
        elif name in _NOT_EMPTY and inspection.get(name) == "":
            yield Finding(RECORD_KEY_MISSING, FIELD[name].key or name, "it is empty", backup.field_sources(name))


RECORD_ID_MALFORMED: Final = _warning(
    "record-id-malformed", "an id is none: letters a to z and digits, 20 to 40 of them", rules.EXPLAIN
)


def ids_malformed(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield ids that are none: of installs, and of locations, which may also be ``local`` or a URI."""
    for name in ("backup_install", "parent", "stage"):
        if (id_ := backup.text(name)) and not is_id(id_):
            yield Finding(RECORD_ID_MALFORMED, name, "", backup.field_sources(name))
    for name in ("backup_location", "bkloc"):
        place = backup.text(name)
        if place not in {"", "local"} and "://" not in place and not is_id(place):
            yield Finding(RECORD_ID_MALFORMED, name, "", backup.field_sources(name))


RECORD_HOLDS_SECRETS: Final = _note(
    "record-holds-secrets", "the record holds secrets in clear text", "keep the archive as safe as the passwords in it"
)


def secrets_held(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield a note that names the keys whose values are secrets; never the values."""
    inspection = backup.inspection
    places = {name: inspection.source(name) for name in inspection.fields if is_secret(name) and inspection.get(name)}
    places |= {key: fact.source for key, fact in inspection.extra.items() if is_secret(key) and fact.raw}
    if places:
        yield Finding(RECORD_HOLDS_SECRETS, "", ", ".join(places), tuple(places.values()))


TIME_IN_FUTURE: Final = _warning("time-in-future", "a time lies in the future", _CLOCK)


def times_in_future(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield times that lie after the moment of judging."""
    for name in _TIMES:
        seconds = backup.inspection.seconds(name)
        if seconds is not None and seconds > backup.now + _SKEW:
            yield Finding(TIME_IN_FUTURE, name, dated(seconds), backup.field_sources(name))


TIME_OUT_OF_ORDER: Final = _warning(
    "time-out-of-order", "the backup is older than what it is a backup of", _CLOCK, is_contradiction=True
)


def times_out_of_order(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield times of the install that lie after the time of its backup."""
    made = backup.inspection.seconds("backup_time")
    for name in ("time_created", "time_updated"):
        seconds = backup.inspection.seconds(name)
        if seconds is not None and made is not None and seconds > made + _SKEW:
            places = (*backup.field_sources(name), *backup.field_sources("backup_time"))
            yield Finding(TIME_OUT_OF_ORDER, name, f"{dated(seconds)}, the backup {dated(made)}", places)


TIME_BEFORE_RELEASE: Final = _warning(
    "time-before-release", "a time lies before the application's version was released", _CLOCK
)


def time_before_release(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the time of a backup whose application was not released in this version yet."""
    inspection = backup.inspection
    release = released(inspection.text("application"), inspection.text("version"))
    made = backup.inspection.seconds("backup_time")
    if release is None or made is None:
        return
    midnight = datetime(release.year, release.month, release.day, tzinfo=UTC) - timedelta(days=1)
    if made < midnight.timestamp():
        places = (*backup.field_sources("backup_time"), *backup.field_sources("version"))
        yield Finding(TIME_BEFORE_RELEASE, "backup_time", f"{dated(made)}, released {release}", places)


NAME_OFFSET_UNUSED: Final = _warning(
    "name-offset-unused", "the name's time implies a UTC offset that no place on earth uses", _NAME
)


def offset_unused(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the UTC offset that name and record imply together, where no place uses it."""
    offset = backup.inspection.utc_offset
    if offset is None:
        return
    minutes = int(offset.utcoffset(None).total_seconds()) // 60
    if minutes % _HOUR and minutes not in _PARTS_OF_HOURS:
        source = Source(Witness.FILE_NAME, backup.path)
        yield Finding(NAME_OFFSET_UNUSED, "", str(offset), (source, *backup.field_sources("backup_time")))


LOCATION_NOT_ALLOWED: Final = _error(
    "location-not-allowed", "the backup is kept where the policy allows none", "move it, or change the policy"
)


def location_not_allowed(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the backup's location where the policy does not allow it."""
    location = str(backup.inspection.text("backup_location")) or "local"
    if "backup_location" in backup.inspection.fields and not backup.requirements.allows(location):
        yield Finding(LOCATION_NOT_ALLOWED, "backup_location", location, backup.field_sources("backup_location"))


CHECKS: Final[tuple[Check, ...]] = (
    keys_missing,
    ids_malformed,
    secrets_held,
    times_in_future,
    times_out_of_order,
    time_before_release,
    offset_unused,
    location_not_allowed,
)
