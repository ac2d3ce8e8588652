"""Checks of the record: its keys, ids, secrets, times, offset and location."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks import record as checks
from backupmeta.checks import rulebook
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import Policy, judge
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from tests.checks.subjects import ARCHIVE, DUMP, HOME, NOW, PATH, backup, ids, record, without
from tests.invented import INSTALL, TIME, install_record

HUGE: Final = "9" * 4000
CANARY: Final = "CANARY"


def test_an_honest_backup_is_silent() -> None:
    assert backup().found == []


def test_an_honest_backup_beside_its_live_install_is_silent() -> None:
    assert backup(install=install_record(version="6.6", time_updated=str(NOW))).found == []


# --- keys -------------------------------------------------------------------------------------------------------------

# FORMAT.md §4 and §6: what every record shown there has.
NEEDED: Final = (
    "installer version time owner path url title list-files backup-install backup-location backup-time backup-filename"
).split()


@pytest.mark.parametrize("key", NEEDED)
def test_a_key_that_every_record_has_is_missing(key: str) -> None:
    assert backup(record(**{key: None})).found == [Finding(FINDINGS["record-key-missing"], key, "", (ARCHIVE,))]


def test_all_missing_keys_are_told() -> None:
    found = list(checks.keys_missing(backup(record(**dict.fromkeys(NEEDED))).subject))
    assert sorted(one.subject for one in found) == sorted(NEEDED)


def test_what_only_the_live_install_tells_is_missing_from_the_record() -> None:
    one = backup(b"backup-time=1718312121", install=install_record())
    missing = [found.subject for found in checks.keys_missing(one.subject)]
    assert sorted(missing) == sorted(set(NEEDED) - {"backup-time"})


@pytest.mark.parametrize("key", ["version", "backup-install", "backup-filename"])
def test_a_key_that_must_not_be_empty_is(key: str) -> None:
    one = backup(record(**{key: ""}))
    assert one.found == [Finding(FINDINGS["record-key-missing"], key, "it is empty", (one.line(key),))]


def test_an_empty_installer_is_missing_and_no_application_is_looked_for() -> None:
    one = backup(record(installer=""), without("wp-load.php"))
    assert one.found == [Finding(FINDINGS["record-key-missing"], "installer", "it is empty", (one.line("installer"),))]


@pytest.mark.parametrize("key", ["owner", "path", "url", "title", "backup-location"])
def test_other_keys_may_be_empty(key: str) -> None:
    assert backup(record(**{key: ""})).found == []


def test_a_list_of_files_may_be_empty() -> None:
    assert backup(record(list_files=""), {"APP-DATA.SQL": DUMP}).found == []


@pytest.mark.parametrize("raw", ["", "yesterday", "-1"])
def test_an_undecodable_time_is_no_missing_key(raw: str) -> None:
    # resolving has found it already: value-undecodable
    one = backup(record(backup_time=raw))
    assert one.found == []
    assert ids(one.subject.inspection.findings)[0] == "value-undecodable"


def test_a_title_that_is_not_utf8_is_no_missing_key() -> None:
    assert list(checks.keys_missing(backup(record().replace(b"title=Blog", b"title=Bl\xf6g")).subject)) == []


# --- ids --------------------------------------------------------------------------------------------------------------

HEX: Final = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("key", ["backup-install", "parent", "stage"])
@pytest.mark.parametrize(
    "value",
    [
        "cavtwnyvhzk8cgw8ks",  # 18
        "CAVTWNYVHZK8CGW8KS4GCGOO4",
        "cavtwnyvhzk8cgw8ks4gcgoo4 ",
        "../../../../etc/cron.d/evil",
        "cavtwnyvhzk8cgw8ks4gcgoô4",
        "c" * 41,
        HUGE,
    ],
)
def test_an_id_is_none(key: str, value: str) -> None:
    one = backup(record(**{key: value}))
    assert one.found == [Finding(FINDINGS["record-id-malformed"], key.replace("-", "_"), "", (one.line(key),))]


@pytest.mark.parametrize("key", ["backup-install", "parent", "stage"])
@pytest.mark.parametrize("value", ["c" * 20, "c" * 40, HEX, INSTALL])
def test_an_id_is_one(key: str, value: str) -> None:
    assert backup(record(**{key: value})).found == []


@pytest.mark.parametrize("key", ["backup-location", "bkloc"])
@pytest.mark.parametrize("value", ["local", "", HEX, "ftp://user:CANARY@example.com/b", "s3://bucket", "file:///srv"])
def test_a_location_is_one(key: str, value: str) -> None:
    assert list(checks.ids_malformed(backup(record(**{key: value})).subject)) == []


@pytest.mark.parametrize("key", ["backup-location", "bkloc"])
@pytest.mark.parametrize("value", ["Local", "0", "somewhere", "/srv/backups", "s3:bucket", HUGE])
def test_a_location_is_none(key: str, value: str) -> None:
    one = backup(record(**{key: value}))
    assert one.found == [Finding(FINDINGS["record-id-malformed"], key.replace("-", "_"), "", (one.line(key),))]


def test_ids_that_can_not_be_decoded_are_resolving_s_findings() -> None:
    content = record().replace(INSTALL.encode(), b"\xff" * 25)
    assert backup(content).found == []


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_fields_with_secrets_are_named_once() -> None:
    one = backup(record(db_pass=CANARY, cf_enckey=CANARY))
    places = (one.line("db-pass"), one.line("cf-enckey"))
    assert one.found == [Finding(FINDINGS["record-holds-secrets"], "", "db_pass, enckey", places)]


def test_empty_secrets_are_none() -> None:
    assert backup(record(db_pass="", cf_passwd="", x_api_token="")).found == []


def test_an_unknown_key_with_a_secret_is_named() -> None:
    found = backup(record(x_api_token=CANARY)).found
    assert [(one.id, one.subject, one.detail) for one in found] == [("record-holds-secrets", "", "x-api-token")]


def test_an_unknown_key_with_a_secret_is_shown() -> None:
    one = backup(record(x_api_token=CANARY))
    assert one.found == [Finding(FINDINGS["record-holds-secrets"], "", "x-api-token", (one.line("x-api-token"),))]


def test_a_secret_that_is_not_utf8_is_named() -> None:
    found = backup(record(db_pass="PLACE").replace(b"PLACE", b"CANARY\xff")).found
    assert [(one.id, one.subject, one.detail) for one in found] == [("record-holds-secrets", "", "db-pass")]


SECRET_PLACES: Final = {
    "db_pass": CANARY,
    "cf_passwd": CANARY,
    "cf_enckey": CANARY,
    "x_api_token": CANARY,
    "auth_salt": CANARY,
    "link_secret": f"https://user:{CANARY}@example.com",
    "url": f"https://user:{CANARY}@example.com/blog",
    "backup_location": f"s3://AKIA:{CANARY}/{CANARY}@bucket/folder",
    "bkloc": f"ftp://user:{CANARY}@example.com/?token={CANARY}",
}


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\n"])
def test_no_secret_is_in_any_finding(raw: bytes) -> None:
    # Everything that can be wrong at once is: each check that can say something does.
    wrong = {
        **SECRET_PLACES,
        "backup_time": HUGE,
        "time": HUGE,
        "parent": "none",
        "list_exclude_files": "index.php",
        "list_files": "wp-config.php,wp-load.php",
        "list_tables": "wp_none",
        "db_prefix": "none_",
    }
    content = record(**wrong).replace(b"db-pass=CANARY", b"db-pass=CANARY" + raw + b"CANARY")
    policy = Policy(requirements=Requirements(locations=("local",), files=("none",), tables=("none",)))
    one = backup(content, without("wp-load.php"), policy=policy)
    found = [*one.found, *one.subject.inspection.findings]
    assert {"record-holds-secrets", "location-not-allowed", "file-missing", "table-missing"} <= set(ids(found))
    assert [one for one in found if CANARY in one.message] == []
    assert [one for one in found if CANARY in one.detail] == []
    assert CANARY not in repr(judge(found, policy))


# --- times ------------------------------------------------------------------------------------------------------------

LATER: Final = TIME + 1000


@pytest.mark.parametrize("ahead", [0, 299, 300])
def test_clocks_may_differ_a_little(ahead: int) -> None:
    one = backup(record(time_updated=str(TIME)), now=TIME - ahead)
    assert list(checks.times_in_future(one.subject)) == []


@pytest.mark.parametrize(
    ("key", "field"), [("time", "time_created"), ("time-updated", "time_updated"), ("backup-time", "backup_time")]
)
def test_a_time_lies_in_the_future(key: str, field: str) -> None:
    one = backup(record(**{key: "1718312422"}), now=TIME)  # TIME + 301
    found = list(checks.times_in_future(one.subject))
    assert found == [Finding(FINDINGS["time-in-future"], field, "2024-06-13 21:00:22 UTC", (one.line(key),))]


def test_a_time_beyond_all_calendars_lies_in_the_future() -> None:
    one = backup(record(time_updated=HUGE))
    found = list(checks.times_in_future(one.subject))
    assert found == [
        Finding(FINDINGS["time-in-future"], "time_updated", f"{HUGE[:29]}… Unix seconds", (one.line("time-updated"),))
    ]


@pytest.mark.parametrize("digits", [18, 19, 4000])
def test_a_backup_s_time_of_many_digits_lies_in_the_future(digits: int) -> None:
    seconds = "9" * digits
    one = backup(record(backup_time=seconds))
    found = list(checks.times_in_future(one.subject))
    shown = seconds if digits <= 30 else f"{seconds[:29]}…"
    assert found == [
        Finding(FINDINGS["time-in-future"], "backup_time", f"{shown} Unix seconds", (one.line("backup-time"),))
    ]


@pytest.mark.parametrize(("key", "field"), [("time", "time_created"), ("time-updated", "time_updated")])
def test_the_install_is_younger_than_its_backup(key: str, field: str) -> None:
    one = backup(record(**{key: "1718312422"}))  # TIME + 301
    detail = "2024-06-13 21:00:22 UTC, the backup 2024-06-13 20:55:21 UTC"
    assert one.found == [
        Finding(FINDINGS["time-out-of-order"], field, detail, (one.line(key), one.line("backup-time")))
    ]


@pytest.mark.parametrize("seconds", ["1718312421", "1718312121", "0", "-1", "", "soon"])
def test_the_install_is_not_younger_than_its_backup(seconds: str) -> None:
    one = backup(record(time=seconds, time_updated=seconds))
    assert list(checks.times_out_of_order(one.subject)) == []


@pytest.mark.parametrize("backup_time", [None, "", "soon"])
def test_without_the_backup_s_time_nothing_is_out_of_order(backup_time: str | None) -> None:
    one = backup(record(backup_time=backup_time, time=HUGE))
    assert list(checks.times_out_of_order(one.subject)) == []


# WordPress 6.5 was released on 2024-04-02; the day before is still allowed, for the zones that are ahead of UTC.
ALLOWED: Final = 1711929600  # 2024-04-01 00:00:00 UTC


def test_a_version_may_be_backed_up_from_its_release_on() -> None:
    assert list(checks.time_before_release(backup(record(backup_time=str(ALLOWED))).subject)) == []


def test_a_version_is_backed_up_before_its_release() -> None:
    one = backup(record(backup_time=str(ALLOWED - 1)))
    detail = "2024-03-31 23:59:59 UTC, released 2024-04-02"
    places = (one.line("backup-time"), one.line("version"))
    assert list(checks.time_before_release(one.subject)) == [
        Finding(FINDINGS["time-before-release"], "backup_time", detail, places)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"installer": "an-app-nobody-knows"},
        {"installer": None},
        {"version": None},
        {"version": ""},
        {"version": "0.7"},
        {"backup_time": None},
        {"backup_time": "soon"},
    ],
)
def test_what_is_not_known_is_not_before_its_release(changes: dict[str, str | None]) -> None:
    one = backup(record(**{"backup_time": "1", **changes}))
    assert list(checks.time_before_release(one.subject)) == []


# --- the offset -------------------------------------------------------------------------------------------------------


@cache
def used_offsets() -> frozenset[int]:
    """Return the UTC offsets, in minutes, that any zone used since 2004, week by week, by the IANA database."""
    weeks = [datetime(2004, 1, 1, tzinfo=UTC) + timedelta(weeks=n) for n in range(52 * 23)]
    offsets = {week.astimezone(ZoneInfo(zone)).utcoffset() for zone in available_timezones() for week in weeks}
    return frozenset(int(one.total_seconds()) // 60 for one in offsets if one is not None)


def named_with(minutes: int) -> str:
    """Return the name of an archive whose clock was ``minutes`` ahead of UTC."""
    local = datetime(2024, 6, 13, 20, 55, 21, tzinfo=UTC) + timedelta(minutes=minutes)
    return f"app_example-com_Blog_{local:%Y-%m-%d_%H-%M-%S}.tar.gz"


@pytest.mark.parametrize("minutes", range(-720, 841, 15))
def test_an_offset_is_unused_where_the_iana_database_has_no_place_with_it(minutes: int) -> None:
    name = named_with(minutes)
    one = backup(record(backup_filename=name), name=name)
    if minutes in used_offsets():
        assert one.found == []
    else:
        assert ids(one.found) == ["name-offset-unused"]


def test_the_iana_database_is_there() -> None:
    assert {-720, -210, 0, 345, 840} <= used_offsets()


def test_an_unused_offset_is_shown() -> None:
    name = named_with(75)
    one = backup(record(backup_filename=name), name=name)
    places = (Source(Witness.FILE_NAME, f"{HOME}/application_backups/{name}"), one.line("backup-time"))
    assert one.found == [Finding(FINDINGS["name-offset-unused"], "", "UTC+01:15", places)]


@pytest.mark.parametrize("name", ["backup.tar.gz", "app_example-com_Blog_2034-06-13_20-55-21.tar.gz"])
def test_a_name_that_implies_no_offset_is_not_judged(name: str) -> None:
    assert backup(record(backup_filename=name), name=name).found == []


# --- the location -----------------------------------------------------------------------------------------------------


def allowing(*locations: str) -> Policy:
    return Policy(requirements=Requirements(locations=locations))


@pytest.mark.parametrize(
    ("location", "allowed"),
    [
        ("local", ("local",)),
        ("local", ("s3://", "local")),
        ("s3://bucket/folder", ("s3://",)),
        (f"s3://id:{CANARY}@bucket/folder", ("s3://",)),
        (f"s3://id:{CANARY}@bucket/folder", ("s3://bucket/folder",)),
        (HEX, (HEX,)),
    ],
)
def test_a_location_is_allowed(location: str, allowed: tuple[str, ...]) -> None:
    assert backup(record(backup_location=location), policy=allowing(*allowed)).found == []


@pytest.mark.parametrize(
    ("location", "allowed", "detail"),
    [
        ("local", (), "local"),
        ("local", ("s3://",), "local"),
        (HEX, ("local",), HEX),
        ("s3://bucket/other", ("s3://bucket/folder",), "s3://bucket/other"),
        (f"ftp://id:{CANARY}@example.com/b", ("s3://",), "ftp://********@example.com/b"),
        (f"ftp://id:{CANARY}/{CANARY} @{CANARY}@example.com/b", ("s3://",), "ftp://********@example.com/b"),
        (f"s3://b?token={CANARY}", ("local",), "s3://b?token=********"),
    ],
)
def test_a_location_is_not_allowed(location: str, allowed: tuple[str, ...], detail: str) -> None:
    one = backup(record(backup_location=location), policy=allowing(*allowed))
    places = (one.line("backup-location"),)
    assert one.found == [Finding(FINDINGS["location-not-allowed"], "backup_location", detail, places)]


def test_an_empty_location_is_local() -> None:
    one = backup(record(backup_location=""), policy=allowing("s3://"))
    assert ids(one.found) == ["location-not-allowed"]
    assert backup(record(backup_location=""), policy=allowing("local")).found == []


def test_a_location_that_nobody_tells_is_a_missing_key_alone() -> None:
    one = backup(record(backup_location=None), policy=allowing("s3://"))
    assert ids(one.found) == ["record-key-missing"]


# --- whatever the record says -----------------------------------------------------------------------------------------

KEYS: Final = (*NEEDED, "time-updated", "parent", "stage", "bkloc", "db-pass", "list-tables", "cache-files", "autobk")
VALUES: Final = st.one_of(st.binary(max_size=30), st.integers().map(lambda n: b"%d" % n), st.just(HUGE.encode()))


@given(st.dictionaries(st.sampled_from(KEYS), VALUES.map(lambda raw: raw.replace(b"\n", b""))))
def test_no_value_breaks_a_check_and_all_findings_show_where(lines: dict[str, bytes]) -> None:
    one = backup(b"\n".join(key.encode() + b"=" + raw for key, raw in lines.items()))
    for finding in rulebook.of_backup(one.subject, is_whole=True):
        assert finding.evidence
        assert all(source.path == PATH for source in finding.evidence)
        assert finding.message
