"""``schema``: what commands print is what their schemas say, member for member."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from backupmeta.cli.schema_cmd import PRINTED
from tests.invented import BACKUP, FIXTURES, INSTALL, NAME, Account, run
from tests.sites import honest

ARCHIVES: Final = sorted(
    path for path in (FIXTURES / "archives").glob("*/*") if path.is_file() and path.name != "expected.json"
)


@cache
def validator(name: str) -> Draft202012Validator:
    described = run("schema", name).json
    Draft202012Validator.check_schema(described)
    return Draft202012Validator(described)


def mistakes(name: str, printed: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(name).iter_errors(printed)]


def objects(described: Any) -> Iterator[dict[str, Any]]:
    """Yield each object that a schema describes by its members, at any depth."""
    if isinstance(described, dict):
        if "properties" in described:
            yield described
        for value in described.values():
            yield from objects(value)
    elif isinstance(described, list):
        for entry in described:
            yield from objects(entry)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return honest(tmp_path_factory.mktemp("home") / "exampleu")


@pytest.mark.parametrize("name", PRINTED)
def test_a_schema_has_an_id_a_version_and_allows_no_other_members(name: str) -> None:
    described = run("schema", name).json
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert described["$id"] == f"urn:backupmeta:schema:{name}:1"
    assert {str(each.get("additionalProperties")) for each in objects(described)} <= {
        "False",
        "{'type': ['string', 'null']}",  # custom fields
    }


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("explain", ["explain", "--json"]), ("verify", ["verify", "--json"])],
)
def test_what_is_printed_of_each_archive_is_as_its_schema_says(name: str, arguments: list[str], path: Path) -> None:
    ran = run(*arguments, path)
    if ran.out:
        assert mistakes(name, ran.json) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("checks", ["checks", "--json"]),
        ("checks", ["checks", "table-missing", "--json"]),
        ("response", ["view", "{archive}"]),
        ("response", ["view", "nothing-has-this-id", "--root", "{home}"]),
        ("response-install", ["view", INSTALL, "--root", "{home}"]),
        ("list", ["list", "{home}", "--json"]),
        ("installs", ["installs", "{home}", "--json"]),
        ("verify", ["verify", "{home}", "{home}/missing", "--json"]),
        ("verify", ["verify", "{archive}", "--sysroot", "{home}", "--json"]),
    ],
)
def test_what_is_printed_of_an_account_is_as_its_schema_says(name: str, arguments: list[str], account: Account) -> None:
    places = {"archive": account.archives / NAME, "home": account.home, "backup": BACKUP}
    ran = run(*(argument.format(**places) for argument in arguments))
    assert ran.out
    assert mistakes(name, ran.json) == []


def test_a_member_without_a_schema_is_noticed(account: Account) -> None:
    printed = run("verify", account.home, "--json").json
    printed["targets"][0]["colour"] = "red"
    assert mistakes("verify", printed) == [
        "$.targets[0]: Additional properties are not allowed ('colour' was unexpected)"
    ]


def test_all_schemas_are_written_to_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    for _ in range(2):
        ran = run("schema", "--all", "-o", folder)
        assert (ran.code, ran.out, ran.err) == (0, b"", "")
    assert {path.name for path in folder.iterdir()} == {f"{name}.schema.json" for name in PRINTED}
    assert json.loads((folder / "verify.schema.json").read_text()) == run("schema", "verify").json


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "give the NAME of one schema, or --all"),
        (["verify", "--all", "-o", "x"], "give the NAME of one schema, or --all"),
        (["--all"], "--all and --output FOLDER go together"),
        (["verify", "-o", "x"], "--all and --output FOLDER go together"),
        (["verfy"], "'verify'"),
    ],
)
def test_mistakes_are_told(arguments: list[str], hint: str) -> None:
    ran = run("schema", *arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert hint in ran.err
