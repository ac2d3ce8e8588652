"""What the README and the manual say to type, typed; what they name is there."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Final

import click
import pytest
from reference.examples import EXAMPLE
from reference.sections import HEADING, SECTION, anchor

import backupmeta
from backupmeta.api.models import Response
from backupmeta.archive.limits import Limits
from backupmeta.catalog.schema import TABLES
from backupmeta.catalog.views import VIEWS
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli.commands import COMMANDS, command
from backupmeta.cli.schema_cmd import PRINTED
from backupmeta.events.claims import KINDS
from backupmeta.record.fields import FIELDS, OTHER_KEYS
from tests.invented import NAME, TIME, run
from tests.sites import honest, packed, record

PROJECT = Path(__file__).parent.parent
MANUAL = {page.stem: page.read_text("utf-8") for page in sorted(PROJECT.glob("backupmeta/manual/*.md"))}
README: Final = (PROJECT / "README.md").read_text("utf-8")
WRITTEN: Final = {**MANUAL, "README": README}
PAGES = "\n".join(WRITTEN.values())
LATER = NAME.replace("06-13", "06-14")


def blocks(language: str) -> list[str]:
    """Return the pages' blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES, re.DOTALL | re.MULTILINE)


def shell(script: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run ``script`` in ``folder`` as CI servers do, with this project's command at hand."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one good backup in ``backups``."""
    (tmp_path / "backups").mkdir()
    honest(tmp_path / "elsewhere").archives.joinpath(NAME).rename(tmp_path / "backups" / NAME)
    return tmp_path


def steps(recipe: str) -> list[str]:
    """Return the commands of a CI's recipe that verify."""
    return re.findall(r"(?:run: |- )(backupmeta .*)", recipe)


@pytest.mark.parametrize("recipe", [block for block in blocks("yaml") if steps(block)])
def test_the_recipes_for_ci(recipe: str, project: Path) -> None:
    commands = steps(recipe)
    assert [shell(command, project).returncode for command in commands] == [0] * len(commands)
    (project / "backups" / NAME).write_bytes(packed(record(), {"wp-load.php": None}))
    assert [shell(command, project).returncode for command in commands[:1]] == [1]
    reports = [path.name for path in project.glob("backups.*")]
    assert all(name in recipe for name in reports)


def test_what_is_new_in_a_folder(project: Path) -> None:
    script = next(block for block in blocks("sh") if "-cnewer" in block)
    first = shell(script, project)
    assert (first.returncode, first.stdout.count(b": pass")) == (0, 1)
    assert shell(script, project).stdout == b""
    (project / "backups" / LATER).write_bytes(b"<html>")
    failed, again = shell(script, project), shell(script, project)
    assert failed.returncode != 0
    assert failed.stdout == again.stdout
    assert failed.stdout.count(b"unreadable") > 0
    assert NAME.encode() not in failed.stdout


def test_the_policy(project: Path) -> None:
    [text] = [block for block in blocks("toml") if "examiner" not in block]
    (project / "policy.toml").write_text(text)
    ran = run("verify", project / "backups" / NAME, "--policy", project / "policy.toml", "--now", str(TIME))
    assert ran.code == 0


def test_the_case_file(project: Path) -> None:
    [text] = [block for block in blocks("toml") if "examiner" in block]
    (project / "case.toml").write_text(text)
    ran = run("report", project / "backups", "--json", "--case-file", project / "case.toml", "--jobs", "1")
    assert (ran.code, ran.json["case"]["number"]) == (0, "2024-0117")


def test_every_group_of_checks_is_there() -> None:
    assert all(f"| `{kind.group}` |" in MANUAL["verify"] for kind in FINDINGS.values())


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= 8192


@pytest.mark.parametrize("page", MANUAL)
def test_a_page_begins_with_what_it_is_for_and_has_an_example(page: str) -> None:
    title, sentence = re.findall(r"\A# (.+)\n\n((?:[^\n#`|].*\n)+)\n", MANUAL[page])[0]
    assert title
    assert ". " not in sentence, "one sentence: the list of topics shows it"
    assert EXAMPLE.search(MANUAL[page]) or any(recipe in MANUAL[page] for recipe in (*blocks("yaml"), *blocks("toml")))


@pytest.mark.parametrize("page", MANUAL)
def test_the_readme_leads_to_each_page(page: str) -> None:
    assert f"(backupmeta/manual/{page}.md)" in README


def test_each_measurement_has_its_date_and_machine() -> None:
    before = re.findall(r"\n\n((?:[^\n|].*\n)+)\n\| ", MANUAL["performance"])
    assert len(before) == MANUAL["performance"].count("\n|--")
    assert [text for text in before if not re.search(r"20\d\d-\d\d-\d\d.* cores", text, re.DOTALL)] == []


def test_each_kind_of_event_is_there() -> None:
    rows = "".join(line.split("|")[1] for line in MANUAL["timeline"].splitlines() if line.startswith("| `"))
    assert {kind for kind in KINDS if f"`{kind}`" not in rows} == set()


@pytest.mark.parametrize("page", WRITTEN)
def test_links_lead_somewhere(page: str) -> None:
    folder = PROJECT if page == "README" else PROJECT / "backupmeta/manual"
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(WRITTEN[page])):
        path, _, part = target.partition("#")
        file = folder / path if path else folder / f"{page}.md"
        assert file.exists(), target
        assert not part or part in map(anchor, HEADING.findall(file.read_text("utf-8"))), target


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


# --- names ------------------------------------------------------------------------------------------------------------

ELSEWHERE: Final = {
    *("max_allowed_packet", "timestamp_desc", "zsh_source", "application_backups", "target-mount"),
    *("--compare", "--occurrence", "--timeline_name"),
    *("fail-on", "sarif-file"),
}
"""Names of other programs and formats, and of the action's inputs."""
SCRIPT: Final = re.compile(r"scripts/(\w+\.py)")


def source(module: str) -> str:
    return (PROJECT / f"backupmeta/{module}.py").read_text("utf-8")


@cache
def names() -> frozenset[str]:
    """Return what a page may name: ids, fields, keys, columns, bounds, schemas, formats, public names."""
    tables = [(table.name, *table.names) for table in TABLES]
    views = [(name, *(column.name for column, _ in view.columns)) for name, view in VIEWS.items()]
    public = [(name, *dir(getattr(backupmeta, name))) for name in backupmeta.__all__]
    keys = [(field.name, field.key or "") for field in FIELDS]
    params = (each.type for name in COMMANDS for each in command(name).params)
    choices = [tuple(map(str, each.choices)) for each in params if isinstance(each, click.Choice)]
    errcodes = re.findall(r'"(\w+_\w+)"', source("errors"))
    members = re.findall(r"^    (\w+): ", source("json_types") + source("json_answers"), re.MULTILINE)
    return frozenset(
        {*FINDINGS, *KINDS, *COMMANDS, *PRINTED, *OTHER_KEYS, *Response.model_fields, *errcodes, *members, *ELSEWHERE}
        | {bound.name for bound in fields(Limits)}
        | {name for group in (*tables, *views, *public, *keys, *choices) for name in group}
    )


@cache
def options(name: str) -> frozenset[str]:
    """Return the options of a command."""
    return frozenset(
        {"-h", "--help", *(option for each in command(name).params for option in (*each.opts, *each.secondary_opts))}
    )


def spans(page: str) -> list[str]:
    """Return what stands in code in the lines of a page that are written by hand."""
    by_hand = without_code(SECTION.sub("", WRITTEN[page]))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", by_hand)]


def calls(page: str) -> list[list[str]]:
    """Return the words of each call of a command in a page."""
    by_hand = SECTION.sub("", WRITTEN[page]).replace("\\\n", " ")
    lines = re.findall(r"^(?:    )?(?:\$ )?backupmeta ([a-z].*)$", by_hand, re.MULTILINE)
    phrases = (span.removeprefix("backupmeta ") for span in spans(page))
    named = (phrase for phrase in phrases if phrase.split(" ")[0] in COMMANDS)
    return [shlex.split(re.split(r" (?:[|]{1,2}|>) ", line)[0], comments=True) for line in (*lines, *named)]


@pytest.mark.parametrize("page", WRITTEN)
def test_ids_fields_and_columns_in_a_page_are_there(page: str) -> None:
    words = {span for span in spans(page) if re.fullmatch(r"[a-z]+([-_][a-z0-9]+)+", span)}
    assert words - names() == set()


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_and_options_in_a_page_are_there(page: str) -> None:
    for name, *words in calls(page):
        assert name in COMMANDS
        given = words[: words.index("--")] if "--" in words else words
        asked = {word.split("=")[0] for word in given if re.match(r"--[a-z]|-[a-z]$", word)}
        assert asked - options(name) == set(), " ".join((name, *words))


@pytest.mark.parametrize("page", WRITTEN)
def test_options_that_a_page_speaks_of_are_there(page: str) -> None:
    known = frozenset({"--version"}).union(ELSEWHERE, *map(options, COMMANDS))
    for span in spans(page):
        script = SCRIPT.match(span)
        source = (PROJECT / "scripts" / script[1]).read_text("utf-8") if script else ""
        asked = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", span))
        assert {option for option in asked - known if f'"{option}"' not in source} == set(), span


@pytest.mark.long
def test_the_examples_of_the_library_are_typed(tmp_path: Path) -> None:
    for page, text in WRITTEN.items():
        programs = (example["python"] or "" for example in EXAMPLE.finditer(text))
        (tmp_path / f"{page.replace('-', '_')}.py").write_text("".join(programs))
    environment = {**os.environ, "MYPYPATH": str(PROJECT)}
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "."]
    checked = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
