"""The key table, against the server's own example answer."""

import json
from pathlib import Path

import pytest

from backupmeta.record import fields
from backupmeta.record.fields import FIELD, FIELDS, Use, sides, use_of
from backupmeta.secrets import closed

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "api" / "example-response.json"


def test_names_and_order_are_those_of_the_server_s_example() -> None:
    answered = list(json.loads(EXAMPLE.read_text())["data"])
    assert [field.name for field in FIELDS if field.name in answered] == answered


def test_each_name_stands_once_and_says_what_it_means() -> None:
    assert len(FIELD) == len(FIELDS)
    assert all(field.meaning.endswith((".", "…")) for field in FIELDS)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("application", "installer"),
        ("user", "owner"),
        ("time_created", "time"),
        ("time_updated", "time-updated"),
        ("backup_time", "backup-time"),
        ("url_domain", "url-domain"),
        ("login", "cf-login"),
        ("files", "list-files"),
        ("exclude_files", "list-exclude-files"),
        ("autobk_schedule", "autobk"),
        ("cache_numerrors", "cache-numerrors"),
        ("db_pass", "db-pass"),
        ("id", None),
        ("file", None),
    ],
)
def test_each_field_has_its_record_s_key(name: str, key: str | None) -> None:
    assert FIELD[name].key == key


def test_defaults_are_the_documented_ones() -> None:
    defaults = {field.name: field.default.value for field in FIELDS if field.default}
    assert len(defaults.pop("notification")) == 18
    assert defaults == {
        "autobk": "none",
        "autobk_schedule": "",
        "autoup": "minor",
        "autoup_backup": "all",
        "autoup_plugins": "all",
        "autoup_themes": "all",
        "parent": "",
        "stage": "",
    }


def test_only_secrets_are_secret() -> None:
    assert [field.name for field in FIELDS if field.secret] == ["db_pass"]


@pytest.mark.parametrize(
    ("key", "use"),
    [
        ("installer", Use.FIELD),
        ("cf-login", Use.FIELD),
        ("cf-sitename", Use.CUSTOM),
        ("cf-version", Use.COLLISION),
        ("cf-", Use.UNKNOWN),
        ("backup-expiry", Use.OTHER),
        ("list-plugins-available", Use.OTHER),
        ("list-themes-attempted", Use.OTHER),
        ("core-updates-notified", Use.OTHER),
        ("x-api-token", Use.UNKNOWN),
        ("", Use.UNKNOWN),
        ("cf-" + "x" * 1000, Use.CUSTOM),
    ],
)
def test_what_becomes_of_a_key(key: str, use: Use) -> None:
    assert use_of(key) is use


def test_long_keys_are_not_remembered() -> None:
    before = fields._remembered_use.cache_info().currsize
    use_of("k" * 100_000)
    assert fields._remembered_use.cache_info().currsize == before


@pytest.mark.parametrize(("raw", "finding"), [(b"\xff", "value-not-utf8"), (b"x", "value-undecodable")])
def test_a_value_that_can_t_be_decoded_is_a_finding(raw: bytes, finding: str) -> None:
    decode = FIELD["title"].decode if raw == b"\xff" else FIELD["time_created"].decode
    with pytest.raises(ValueError, match=r".") as caught:
        decode(raw)
    assert fields.problem(caught.value).id == finding


# --- who says what ----------------------------------------------------------------------------------------------------


def test_values_that_agree_stand_on_one_side() -> None:
    said = [(b"6.2.2", "backup record"), (b"6.4.3", "embedded record"), (b"6.4.3", "version.php")]
    assert sides("version", said) == "6.2.2: backup record; 6.4.3: embedded record, version.php"


def test_times_are_dates_and_long_values_are_cut() -> None:
    said = [(b"1718312121", "backup record"), (b"", "embedded record"), (b"9" * 4000, "file name")]
    told = sides("backup-time", said)
    assert told.startswith("2024-06-13 20:55:21 UTC: backup record; nothing: embedded record; 999")
    assert len(told) < 200


def test_secrets_are_masks_and_no_two_the_same_side() -> None:
    said = [(closed("db-pass", b"CANARY-1"), "backup record"), (closed("db-pass", b"CANARY-2"), "embedded record")]
    told = sides("db-pass", said)
    assert "CANARY" not in told
    assert [part.partition(": ")[2] for part in told.split("; ")] == ["backup record", "embedded record"]
