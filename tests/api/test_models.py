"""The models: the server's names, order and types; secrets closed."""

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import SecretStr, ValidationError

from backupmeta.api.models import SHOW_SECRETS, Backup, ListResponse, Plugin, Response, Theme
from backupmeta.errors import (
    SUCCESS,
    AnswerError,
    backup_not_found,
    install_not_found,
    user_not_authorized,
    user_not_found,
)
from backupmeta.record.fields import FIELDS
from tests.invented import FIXTURES

EXAMPLE: dict[str, Any] = json.loads((FIXTURES / "api/example-response.json").read_text("utf-8"))
BEYOND_THE_EXAMPLE = {"autobk_daily", "autobk_weekly", "autobk_monthly", "exclude_files", "version_available_minor"}


def example() -> Backup:
    return Backup.model_validate(EXAMPLE["data"])


def test_the_fields_are_the_examples_in_its_order() -> None:
    assert [name for name in Backup.model_fields if name not in BEYOND_THE_EXAMPLE] == list(EXAMPLE["data"])


def test_the_example_comes_back_as_it_is() -> None:
    dumped = example().model_dump(mode="json", context=SHOW_SECRETS)
    assert dumped == EXAMPLE["data"]
    assert list(dumped) == list(EXAMPLE["data"])
    assert [list(one) for one in dumped["plugins"]] == [["id", "version", "activated", "autoup"]] * 2
    assert [list(one) for one in dumped["themes"]] == [["id", "version", "active", "autoup"]] * 2


def test_the_examples_envelope_comes_back_as_it_is() -> None:
    response = Response[Backup].model_validate(EXAMPLE)
    assert json.loads(response.model_dump_json(context=SHOW_SECRETS)) == EXAMPLE
    assert list(response.model_dump()) == list(EXAMPLE)


def test_only_the_secret_differs_where_secrets_are_masked() -> None:
    assert example().model_dump(mode="json") == {**EXAMPLE["data"], "db_pass": "********"}


def test_a_secret_is_closed_until_it_is_asked_for() -> None:
    password = example().db_pass
    assert isinstance(password, SecretStr)
    assert password.get_secret_value() == EXAMPLE["data"]["db_pass"]


@pytest.mark.parametrize("show", [repr, str, lambda one: str(one.model_dump()), lambda one: one.model_dump_json()])
def test_no_picture_of_a_model_shows_a_secret(show: Callable[[Backup], str]) -> None:
    given = {
        **EXAMPLE["data"],
        "db_pass": "CANARY",
        "enckey": "CANARY",
        "odd": "ftp://u:CANARY@h/x",
        "backup_location": "s3://key:CAN@ARY@bucket",
        "bkloc": "ftp://u:CANARY@h/x",
        "url": "https://u:CANARY@h/x",
        "files": ["s3://CANARY@h/x"],
    }
    shown = show(Backup.model_validate(given))
    assert "CANARY" not in shown
    assert "ARY@" not in shown
    assert "My blog stage" in shown


def test_an_empty_secret_stays_empty_and_a_missing_one_null() -> None:
    assert Backup(db_pass=SecretStr("")).model_dump() == {"db_pass": ""}
    assert Backup(db_pass=None).model_dump() == {"db_pass": None}
    assert Backup(title=None, bkloc=None, files=None).model_dump() == {"bkloc": None, "files": None, "title": None}


def test_custom_fields_are_kept_behind_the_servers_own() -> None:
    dumped = Backup.model_validate({"sitename": "x", "version": "1", "enckey": "k"}).model_dump()
    assert list(dumped.items()) == [("version", "1"), ("sitename", "x"), ("enckey", "********")]


@pytest.mark.parametrize(
    "name", ["model_dump", "model_config", "copy", "json", "__class__", "__dict__", "data", "self"]
)
def test_a_custom_field_may_have_any_name(name: str) -> None:
    model = Backup.model_validate({name: "x"})
    assert model.model_dump() == {name: "x"}
    assert repr(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [("autoup", "5"), ("autobk", "weekly"), ("cache_files", "many"), ("incomplete", "perhaps"), ("plugins", ["a"])],
)
def test_other_values_than_the_servers_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Backup.model_validate({field: value})


def test_what_a_plugin_does_not_tell_is_null_and_nothing_else_is_known_of_it() -> None:
    plugin = Plugin(id="akismet", version=None, activated=None, autoup=None)
    assert plugin.model_dump() == {"id": "akismet", "version": None, "activated": None, "autoup": None}
    with pytest.raises(ValidationError):
        Theme.model_validate({"id": "x", "version": None, "activated": True, "autoup": None})


def test_answers_do_not_change() -> None:
    with pytest.raises(ValidationError):
        example().title = "other"  # type: ignore[misc]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_has_every_field_with_its_meaning_and_allows_custom_ones(
    mode: Literal["validation", "serialization"],
) -> None:
    schema = Backup.model_json_schema(mode=mode)
    assert list(schema["properties"]) == [field.name for field in FIELDS]
    assert schema["properties"]["backup_time"]["description"] == "When it was made, Unix seconds as digits."
    assert all(one["description"] for one in schema["properties"].values())
    assert schema["additionalProperties"] == {"type": ["string", "null"]}


@pytest.mark.parametrize(
    ("error", "status", "errcode"),
    [
        (backup_not_found("x"), 404, "backup_not_found"),
        (install_not_found("x"), 404, "install_not_found"),
        (user_not_found("x"), 404, "user_not_found"),
        (user_not_authorized("x"), 403, "invalid_argument_user"),
    ],
)
def test_the_servers_negative_answers_have_its_codes(error: AnswerError, status: int, errcode: str) -> None:
    assert (error.status, error.errcode) == (status, errcode)
    assert str(error).startswith(f"{status} {errcode}: The ")
    page = (FIXTURES / "api/view-backup.txt").read_text("utf-8")
    assert errcode in page or errcode == "install_not_found"


def test_success_is_said_as_the_server_says_it() -> None:
    assert EXAMPLE["message"] == SUCCESS


def test_a_list_has_its_offset_limit_and_total() -> None:
    page = ListResponse[Backup](
        result=True, status=200, message=SUCCESS, offset=50, limit=50, total_count=51, data=[example()]
    )
    assert list(page.model_dump()) == [
        *("result", "status", "errcode", "errfield", "message", "offset", "limit", "total_count", "data")
    ]
