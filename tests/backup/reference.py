"""A plain resolver, written from FORMAT.md §4 and §8 and the manual, "Who is believed". It uses nothing of the package.

It is slow and short, and knows no more than what those pages say: what a record is, who is believed, what a field's
default is. Plugins, themes, paths and times of archives' names are not its business.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Lines = Mapping[str, bytes]
Value = object

TEXT: Final = (
    "backup-filename backup-install backup-location backup-note agent bkloc db-host db-type db-name db-user db-pass "
    "db-prefix language link-admin parent path stage title url url-domain version version-autouped version-available "
    "version-available-minor"
).split()
INTEGER: Final = (
    "autobk-daily autobk-weekly autobk-monthly cache-numerrors cache-numwarnings cache-files cache-numbackups "
    "cache-preview cache-tables version-autouped-attempts version-updates-available"
).split()
LIST: Final = "exclude-files failures files notification tables".split()
CUSTOM_OF_THE_API: Final = "login email sitetitle sitetagline limitloginattempts twofactor".split()
RENAMED: Final = {"installer": "application", "owner": "user", "time": "time_created", "time-updated": "time_updated"}
LIVE: Final = frozenset(
    "cache_numerrors cache_numwarnings cache_files cache_numbackups cache_preview cache_tables cache_time failures "
    "incomplete notification parent stage".split()
)
OF_THE_BACKUP: Final = frozenset("backup_filename backup_install backup_location backup_note backup_time".split())
CUSTOM_SCHEDULE: Final = ("autobk_daily", "autobk_weekly", "autobk_monthly")
NOTIFICATIONS: Final = (
    "backup backup_error clone clone_error install install_error plugin_update plugin_update_available "
    "plugin_update_error restore restore_error sync sync_error template template_error update update_available "
    "update_error"
).split()
DEFAULTS: Final[Mapping[str, Value]] = {
    "autobk": "none",
    "autobk_schedule": "",
    "autoup": "minor",
    "autoup_backup": "all",
    "notification": NOTIFICATIONS,
    "parent": "",
    "stage": "",
}
OTHER_KEYS: Final = frozenset(
    "path-created imported errno errcode link-0 list-backup-files list-backup-tables list-issues list-plugins-issues "
    "version-notified plugin-updates-available theme-updates-available backup-expiry backup-schedule "
    "plugin-updates-notified theme-updates-notified plugin-updates-autouped theme-updates-autouped".split()
)


class UndecodableError(Exception):
    """A value that is none of its field's; the id of the finding."""


def integer(raw: bytes) -> Value:
    if not re.fullmatch(rb"-?[0-9]+", raw):
        raise UndecodableError("value-undecodable")
    return int(raw)


def digits(raw: bytes) -> Value:
    if not re.fullmatch(rb"[0-9]+", raw):
        raise UndecodableError("value-undecodable")
    return raw.decode("ascii")


def seconds(raw: bytes) -> Value:
    return int(str(digits(raw)))


def text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UndecodableError("value-not-utf8") from None


def items(raw: bytes) -> Value:
    return text(raw).split(",") if raw else []


def choice(**names: str) -> Callable[[bytes], Value]:
    def decode(raw: bytes) -> Value:
        for number, name in names.items():
            if raw == number.removeprefix("_").encode():
                return name
        raise UndecodableError("value-undecodable")

    return decode


def boolean(raw: bytes) -> Value:
    if raw in (b"1", b"true", b"yes"):
        return True
    if raw in (b"0", b"no", b"false", b""):
        return False
    raise UndecodableError("value-undecodable")


def schedule_mode(raw: bytes) -> Value:
    return {b"0": "none", b"": "none", b"custom": "custom"}.get(raw, "schedule")


def schedule_id(raw: bytes) -> Value:
    return text(raw) if schedule_mode(raw) == "schedule" else ""


def _extension_updates() -> Callable[[bytes], Value]:
    return choice(_0="none", _1="all", _2="custom", custom="custom")


FIELDS: Final[Mapping[str, tuple[str, Callable[[bytes], Value]]]] = {
    **{key.replace("-", "_"): (key, text) for key in TEXT},
    **{key.replace("-", "_"): (key, integer) for key in INTEGER},
    "cache_time": ("cache-time", seconds),
    **{name.replace("-", "_"): (f"list-{name}", items) for name in LIST},
    **{name: (f"cf-{name}", text) for name in CUSTOM_OF_THE_API},
    **{name: (key, seconds if key.startswith("time") else text) for key, name in RENAMED.items()},
    "backup_time": ("backup-time", digits),
    "autobk": ("autobk", schedule_mode),
    "autobk_schedule": ("autobk", schedule_id),
    "autoup": ("autoup", choice(_0="none", _1="minor", _2="all")),
    "autoup_backup": ("autoup-backup", choice(_0="none", _1="all")),
    "autoup_plugins": ("autoup-plugins", _extension_updates()),
    "autoup_themes": ("autoup-themes", _extension_updates()),
    "incomplete": ("incomplete", boolean),
}
"""The key and the decoder of each field that a record may have."""

NO_RECORD_HAS: Final = frozenset({"id", "file"})
NOT_HERE: Final = frozenset({"plugins", "themes"})
KEYS: Final = frozenset(key for key, _ in FIELDS.values())


@dataclass
class Answer:
    """What the pages say comes of some records; each value, raw or not, with the number of the record that says it.

    The number is -1 for what the live install's record says, None for what no record does.
    """

    fields: dict[str, tuple[Value, int | None]] = field(default_factory=dict)
    conflicts: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    extra: dict[str, bytes] = field(default_factory=dict)
    findings: list[tuple[str, str]] = field(default_factory=list)


def resolve(
    records: Sequence[Lines],
    live: Lines | None = None,
    *,
    own_id: str | None = None,
    archive_name: str | None = None,
    numbackups: int | None = None,
    home: str = "/home/exampleu",
) -> Answer:
    """Return what is known of a backup; its ``records`` in the order in which they are believed."""
    answer = Answer()
    numbered = list(enumerate(records))
    snapshot_keys = {key for name, (key, _) in FIELDS.items() if name not in LIVE | OF_THE_BACKUP}
    snapshot_keys |= {"list-plugins", "list-themes"}
    speaking = numbered
    if live is not None and not any(snapshot_keys & record.keys() for record in records):
        answer.findings.append(("live-value-used", ""))
        speaking = [*numbered, (-1, live)]
    with_live = numbered if live is None else [*numbered, (-1, live)]
    for name, (key, decode) in FIELDS.items():
        if name not in CUSTOM_SCHEDULE:
            _take(answer, name, key, decode, with_live if name in LIVE else speaking)
    for name in CUSTOM_SCHEDULE:
        key, decode = FIELDS[name]
        if answer.fields.get("autobk", ("none", None))[0] == "custom":
            _take(answer, name, key, decode, speaking)
        else:
            _keep(answer, key, speaking)
    _others(answer, speaking)
    _elsewhere(answer, own_id, archive_name, numbackups, home)
    return answer


def _take(
    answer: Answer, name: str, key: str, decode: Callable[[bytes], Value], records: Sequence[tuple[int, Lines]]
) -> None:
    having = [(number, record[key]) for number, record in records if key in record]
    if not having:
        return
    winner, raw = having[0]
    losers = [(other, number) for number, other in having[1:] if other != raw]
    if losers:
        answer.conflicts[name] = losers
        if any(number >= 0 for _, number in losers) and name != "autobk_schedule":
            first, second, *_ = (record for _, record in records if key in record)
            answer.findings.append((_disagreement(key, first, second), name))
    try:
        answer.fields[name] = decode(raw), winner
    except UndecodableError as error:
        answer.fields[name] = None, winner
        answer.extra[key] = raw
        answer.findings.append((str(error), name))


def _disagreement(key: str, new: Lines, old: Lines) -> str:
    """Return what two records that differ are: edited, or rewritten as FORMAT.md §4 has it of renamed accounts."""
    if key in {"owner", "path", "backup-location", "bkloc"}:
        return "record-rewritten"
    for one, other in ((new, old), (old, new)):
        was, now = one.get("owner", b""), other.get("owner", b"")
        if was and now and was != now:
            parts = one[key].split(was)
            if other[key] in {now.join(parts), was.join((now.join(parts[:2]), *parts[2:]))}:
                return "record-rewritten"
    return "sources-disagree"


def _keep(answer: Answer, key: str, records: Sequence[tuple[int, Lines]]) -> list[bytes]:
    values = [record[key] for _, record in records if key in record]
    if values:
        answer.extra[key] = values[0]
    return values


def _others(answer: Answer, records: Sequence[tuple[int, Lines]]) -> None:
    """Custom fields, and all keys that are no fields."""
    plain = {key: None for _, record in records for key in record if key not in KEYS | {"list-plugins", "list-themes"}}
    for key in plain:
        name = key.removeprefix("cf-")
        if key.startswith("cf-") and name and name not in FIELDS.keys() | NO_RECORD_HAS | NOT_HERE:
            _take(answer, name, key, text, records)
            continue
        raw, *_ = _keep(answer, key, records)
        if key.startswith("cf-") and name:
            answer.findings.append(("field-collision", key))
        elif key not in OTHER_KEYS and not re.fullmatch(r"list-.*-(available|attempted)", key):
            answer.findings.append(("record-unknown-key", key))
        try:
            text(raw)
        except UndecodableError as error:
            answer.findings.append((str(error), key))
        first, *others = (record for _, record in records if key in record)
        answer.findings += [(_disagreement(key, first, other), key) for other in others if other[key] != raw]


def _elsewhere(answer: Answer, own_id: str | None, archive_name: str | None, numbackups: int | None, home: str) -> None:
    """What no record says."""
    install, origin = answer.fields.get("backup_install", (None, None))
    derived: dict[str, Value] = {"cache_numbackups": numbackups, "backup_filename": archive_name, **DEFAULTS}
    if answer.fields.get("application", (None, None))[0] == "wordpress":
        derived |= {"autoup_plugins": "all", "autoup_themes": "all"}
    if install:
        derived["file"] = f"{home}/.appdata/current/{install}"
    for name, value in derived.items():
        if value is not None and name not in answer.fields:
            answer.fields[name] = value, None
    if own_id is not None:
        answer.fields["id"] = own_id, None
    elif install:
        answer.fields["id"] = install, origin
        answer.findings.append(("id-from-install", "id"))
