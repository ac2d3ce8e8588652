"""``schema``: what commands print is what their schemas say, member for member."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from backupmeta.catalog.queries import EXPORTED
from backupmeta.catalog.scanning import scan
from backupmeta.cli import commands
from backupmeta.cli.schema_cmd import PRINTED
from backupmeta.render.tallies import progress
from backupmeta.search import Search
from tests.ajv import PACKAGES, Validate, ajv, needs_packages
from tests.invented import BACKUP, FIXTURES, INSTALL, NAME, TIME, Account, backup_record, run
from tests.sites import DUMP, honest, packed, record

pytestmark = pytest.mark.untraced  # the same lines, in many ways

ARCHIVES: Final = sorted(
    path for path in (FIXTURES / "archives").glob("*/*") if path.is_file() and path.name != "expected.json"
)
ACCOUNTS: Final = sorted(path for path in (FIXTURES / "accounts").iterdir() if path.is_dir())
RECORDS: Final = sorted(path for path in (FIXTURES / "records").glob("*/*") if path.name != "expected.json")
LATER: Final = NAME.replace("06-13", "06-14")


@cache
def validator(name: str) -> Draft202012Validator:
    described = run("schema", name).json
    Draft202012Validator.check_schema(described)
    return Draft202012Validator(described)


def by_jsonschema(name: str, printed: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(name).iter_errors(printed)]


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all") / "schemas"
    assert run("schema", "--all", "-o", folder) == (0, b"", "")
    return folder


@pytest.fixture(scope="module")
def by_ajv(schemas: Path) -> Iterator[Validate]:
    """Give a function that asks ajv: one process answers all that this module's tests ask."""
    with ajv(schemas) as validate:
        yield validate


@pytest.fixture(scope="module")
def mistakes(request: pytest.FixtureRequest) -> Validate:
    """Give a function that asks jsonschema, and ajv where it is installed."""
    validators: list[Validate] = [by_jsonschema]
    if PACKAGES:
        validators.append(request.getfixturevalue("by_ajv"))
    return lambda name, printed: [mistake for validate in validators for mistake in validate(name, printed)]


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
    """An account with a backup, an altered copy of it under a name that is not UTF-8, and an install that is gone."""
    account = honest(tmp_path_factory.mktemp("home") / "exampleu")
    members = {"index.php": None, "a.php": b"a", "b\udcff.php": b"b"}
    (account.archives / LATER).write_bytes(
        packed(record(version="6.5.5", title="News"), members, DUMP.replace(b"`a` int", b"`b` int"))
    )
    shop = {"backup_install": "s" * 25, "backup_filename": LATER, "title": "Shop", "backup_time": str(TIME + 5)}
    account.backup("t" * 25, backup_record(**shop))
    return account


@pytest.fixture(scope="module")
def catalog(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"
    run("scan", account.home, "-o", path, "--members")
    return path


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
    [
        ("explain", ["explain", "--json"]),
        ("verify", ["verify", "--json"]),
        ("members", ["members", "--json", "--member-digest", "sha256"]),
        ("needs", ["needs", "--json"]),
        ("diff", ["diff", "--json", "--deep", str(ARCHIVES[0])]),
        ("extract", ["extract", "--json", "--all", "--keep-partial", "--to", "{folder}/site"]),
    ],
)
def test_what_is_printed_of_each_archive_is_as_its_schema_says(
    name: str, arguments: list[str], path: Path, tmp_path: Path, mistakes: Validate
) -> None:
    ran = run(*(argument.format(folder=tmp_path) for argument in arguments), path)
    assert ran.out or ran.code == 2
    assert mistakes(name, ran.json) == [] if ran.out else ran.err


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
        ("needs", ["needs", "{archive}", "--against", "{home}/new", "--json"]),
        ("diff", ["diff", "{archive}", "{later}", "--json"]),
        ("diff", ["diff", "{archive}", "{later}", "--deep", "--json"]),
        ("diff", ["diff", "{archive}", "{home}", "--json"]),
        ("history", ["history", BACKUP, "--root", "{home}", "--json"]),
        ("history", ["history", BACKUP, "--root", "{home}", "--deep", "--json"]),
        ("history-files", ["history", BACKUP, "--root", "{home}", "--member", "*.php", "--json"]),
        ("gone", ["installs", "{home}", "--gone", "--json"]),
        ("find-members", ["find", "{catalog}", "--member", "*", "--json"]),
        ("response-provenance", ["view", "{archive}", "--provenance"]),
        ("response-install-provenance", ["view", INSTALL, "--root", "{home}", "--provenance"]),
        ("stats", ["stats", "{catalog}", "--json"]),
        ("report", ["report", "{catalog}", "--json"]),
        ("scan", ["scan", "{home}", "{home}/missing", "-o", "{catalog}-other", "--json"]),
    ],
)
def test_what_is_printed_of_an_account_is_as_its_schema_says(
    name: str, arguments: list[str], account: Account, catalog: Path, mistakes: Validate
) -> None:
    places = {"archive": account.archives / NAME, "later": account.archives / LATER, "home": account.home}
    places["catalog"] = catalog
    ran = run(*(argument.format(**places) for argument in arguments))
    assert ran.out
    assert mistakes(name, ran.json) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("timeline-line", ["timeline", "{home}", "--deep", "--jsonl"]),
        ("gone-line", ["installs", "{home}", "--gone", "--jsonl"]),
        ("find-members-line", ["find", "{catalog}", "--member", "*", "--jsonl"]),
    ],
)
def test_each_line_that_is_printed_is_as_its_schema_says(
    name: str, arguments: list[str], account: Account, catalog: Path, mistakes: Validate
) -> None:
    lines = run(*(argument.format(home=account.home, catalog=catalog) for argument in arguments)).jsonl
    assert lines
    assert [mistake for each in lines for mistake in mistakes(name, each)] == []


@pytest.mark.parametrize("home", ACCOUNTS, ids=lambda home: home.name)
def test_what_is_printed_of_each_fixture_of_an_account_is_as_its_schema_says(home: Path, mistakes: Validate) -> None:
    for command in ("list", "installs", "verify"):
        assert mistakes(command, run(command, home, "--json").json) == []
    for command in ("list", "installs"):
        assert mistakes(f"{command}-provenance", run(command, home, "--json", "--provenance").json) == []
        for each in run(command, home, "--jsonl").jsonl:
            assert mistakes(f"{command}-line", each) == []
        for each in run(command, home, "--jsonl", "--provenance").jsonl:
            assert mistakes(f"{command}-line-provenance", each) == []
    printed = run("timeline", home, "--deep", "--json").json
    assert mistakes("timeline", printed) == []
    assert printed == run("timeline", home, "--deep", "--jsonl").jsonl


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_what_is_printed_of_each_record_is_as_its_schema_says(path: Path, mistakes: Validate) -> None:
    for name, *arguments in (
        ("response", "view"),
        ("response-provenance", "view", "--provenance"),
        ("explain", "explain", "--json"),
    ):
        ran = run(*arguments, path)
        assert ran.out or ran.code == 2
        assert mistakes(name, ran.json) == [] if ran.out else ran.err


@pytest.mark.parametrize("command", ["list", "verify"])
def test_what_is_printed_of_applications_is_as_its_schema_says(command: str, mistakes: Validate) -> None:
    ran = run(command, FIXTURES / "applications", "--json")
    assert mistakes(command, ran.json) == []
    assert ran.text.count(".tar.gz") >= len(list((FIXTURES / "applications").iterdir()))


@pytest.mark.parametrize("table", EXPORTED)
def test_each_exported_row_is_as_its_schema_says(table: str, catalog: Path, mistakes: Validate) -> None:
    rows = run("export", catalog, "--table", table, "--json").json
    assert mistakes(f"export-{table}", rows) == []
    for each in run("export", catalog, "--table", table, "--jsonl").jsonl:
        assert mistakes(f"export-{table}-line", each) == []
        assert each == rows.pop(0)
    assert rows == []


def test_the_progress_of_a_scan_is_as_its_schema_says(account: Account, tmp_path: Path, mistakes: Validate) -> None:
    tally = scan(str(tmp_path / "catalog.sqlite"), Search([str(account.home)]))
    assert mistakes("scan-progress", progress(tally, 1.5)) == []


def test_a_baseline_and_what_became_of_it_are_as_their_schemas_say(
    account: Account, tmp_path: Path, mistakes: Validate
) -> None:
    path = tmp_path / "known.json"
    run("verify", account.home, "--write-baseline", path)
    written = json.loads(path.read_text("utf-8"))
    assert mistakes("baseline", written) == []
    assert {"file", "number", "sha256", "subject"} <= {key for each in written["findings"] for key in each}
    path.write_text(json.dumps({**written, "findings": [{**each, "number": 99} for each in written["findings"]]}))
    printed = run("verify", account.home, "--baseline", path, "--json").json
    assert len(printed["baseline"]["absent"]) > 1
    assert mistakes("verify", printed) == []


def test_a_member_without_a_schema_is_noticed(account: Account) -> None:
    printed = run("verify", account.home, "--json").json
    printed["targets"][0]["colour"] = "red"
    assert by_jsonschema("verify", printed) == [
        "$.targets[0]: Additional properties are not allowed ('colour' was unexpected)"
    ]


def test_all_schemas_are_written_to_a_folder(schemas: Path) -> None:
    assert run("schema", "--all", "-o", schemas) == (0, b"", "")  # once more
    assert {path.name for path in schemas.iterdir()} == {f"{name}.schema.json" for name in PRINTED}
    assert json.loads((schemas / "verify.schema.json").read_text()) == run("schema", "verify").json


@needs_packages
def test_each_schema_compiles_in_the_strict_mode_of_ajv(by_ajv: Validate) -> None:
    assert {name: wrong for name in PRINTED if (wrong := by_ajv(name))} == {}


@needs_packages
def test_a_member_without_a_schema_is_noticed_by_ajv(by_ajv: Validate) -> None:
    [check, *_] = run("checks", "table-missing", "--json").json
    assert by_ajv("checks", [check]) == []
    assert by_ajv("checks", [{**check, "colour": "red"}]) == ["/0: must NOT have additional properties"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["verify", "--all", "-o", "x"], "--all goes without a NAME, and with --output FOLDER"),
        (["--all"], "--all goes without a NAME, and with --output FOLDER"),
        (["--all", "-o", "-"], "--all goes without a NAME, and with --output FOLDER"),
        (["-o", "y"], "give the NAME of one schema"),
        (["verfy"], "'verify'"),
    ],
)
def test_mistakes_are_told(arguments: list[str], hint: str) -> None:
    ran = run("schema", *arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert hint in ran.err


def test_provenance_belongs_to_what_is_asked_for_with_it(account: Account) -> None:
    [entry] = run("list", account.archives / NAME, "--jsonl", "--provenance").jsonl
    assert by_jsonschema("list-line-provenance", entry) == []
    assert by_jsonschema("list-line", entry) != []
    del entry["provenance"]["evidence"]["account"]
    assert by_jsonschema("list-line-provenance", entry) == ["$.provenance.evidence: 'account' is a required property"]


@pytest.mark.parametrize("command", [name for name in commands.COMMANDS if name != "schema"])
def test_every_command_that_prints_json_has_its_schema(command: str) -> None:
    options = {option for each in commands.command(command).params for option in each.opts}
    printing = options & {"--json", "--jsonl"}
    meanings = [printed.meaning for printed in PRINTED.values()]
    known = {option for option in printing if any(f"{command} " in each and option[2:] in each for each in meanings)}
    assert known | ({"--json"} & printing if command == "view" else set()) == printing
