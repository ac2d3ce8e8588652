"""The options that commands share: ``--format`` and its short forms, where to look, moments."""

from pathlib import Path

import click
import pytest

from backupmeta.cli import commands
from backupmeta.cli.options import last_moment, moment
from backupmeta.cli.output import Target
from tests.invented import Account, run

DAY = 1_718_236_800
"""2024-06-13T00:00:00Z, in Unix seconds (date -u -d 2024-06-13 +%s)."""

WITHOUT_A_FORMAT = {"cat", "help"}
"""They answer with the bytes of a member, and of a page."""


@pytest.mark.parametrize("name", sorted(commands.COMMANDS.keys() - WITHOUT_A_FORMAT))
def test_every_command_that_answers_has_one_option_for_its_format(name: str) -> None:
    options = {option: param for param in commands.command(name).params for option in param.opts}
    formats = options["--format"].type
    assert isinstance(formats, click.Choice)
    assert "--json" in options
    assert {f"--{short}" for short in ("json", "jsonl", "csv") if short in formats.choices} <= set(options)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.mark.parametrize(
    ("format_name", "short"), [("json", "--json"), ("jsonl", "--jsonl"), ("csv", "--csv"), ("table", None)]
)
def test_a_short_form_is_the_format(account: Account, format_name: str, short: str | None) -> None:
    ran = run("list", account.home, "--format", format_name)
    assert ran.code == 0
    assert ran.out == run("list", account.home, *([short] if short else [])).out
    assert ran.out == run("list", account.home, *([short] if short else []), "--format", format_name).out


@pytest.mark.parametrize(
    ("command", "formats", "spelled"),
    [
        ("list", ("--json", "--csv"), "--json and --csv"),
        ("installs", ("--format", "table", "--jsonl"), "--format table and --jsonl"),
        ("verify", ("--json", "--format", "junit"), "--format junit and --json"),
        ("timeline", ("--format", "text", "--format", "bodyfile"), "--format text and --format bodyfile"),
    ],
)
def test_two_formats_at_once_are_a_mistake(
    account: Account, command: str, formats: tuple[str, ...], spelled: str
) -> None:
    ran = run(command, account.home, *formats)
    assert (ran.code, ran.out) == (2, b"")
    assert f"Error: {spelled} are two formats; give one\n" in ran.err


@pytest.mark.parametrize(
    ("arguments", "newer"),
    [
        (["members", "x", "--limit", "members=1"], "--bound"),
        (["export", "x", "--to", "csv"], "--format"),
        (["schema", "--all", "-o", "x"], "--to"),
    ],
)
def test_an_option_that_was_renamed_is_told_by_its_new_name(arguments: list[str], newer: str) -> None:
    ran = run(*arguments)
    old = next(argument for argument in arguments if argument.startswith("--"))
    assert (ran.code, ran.err.splitlines()[-1]) == (2, f"Error: No such option {old!r}. Did you mean {newer!r}?")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-06-13", DAY, DAY + 86_399),
        ("2024-06-13T00:00:00", DAY, DAY),
        ("2024-06-13T02:00:00+02:00", DAY, DAY),
        (str(DAY), DAY, DAY),
    ],
)
def test_a_date_means_its_first_or_its_last_second(text: str, first: int, last: int) -> None:
    assert moment(text) == first
    assert last_moment(text) == last


def test_an_answer_goes_to_stdout_or_a_file() -> None:
    paths = [None, "-", "answer.json", "/dev/stdout"]
    assert [path for path in paths if Target(path).is_stdout] == [None, "-"]
