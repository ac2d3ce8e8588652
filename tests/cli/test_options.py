"""The options that commands share: ``--format`` and its short forms, where to look, moments."""

import re
import shlex
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Final

import click
import pytest
from click.types import FuncParamType

from backupmeta.cli import commands
from backupmeta.cli.options import last_moment, moment
from backupmeta.cli.output import Destination
from backupmeta.render.manual import topics
from tests.invented import NAME, Account, Ran, run

DAY = 1_718_236_800
"""2024-06-13T00:00:00Z, in Unix seconds (date -u -d 2024-06-13 +%s)."""

WITHOUT_A_FORMAT = {"cat", "help"}
"""They answer with the bytes of a member, and of a page."""


def described(option: click.Option) -> tuple[object, ...]:
    """Return what an option of this name is in all commands: spelling, metavar, type, the first clause of its help.

    Which words a choice has, and what follows in the help, may be the command's.
    """
    type_ = option.type
    kind = type_.func.__name__ if isinstance(type_, FuncParamType) else type(type_).__name__
    bounds = (type_.min, type_.max) if isinstance(type_, click.IntRange) else ()
    clause = re.split(r"[,;:.]", option.help or "")[0]
    return (*option.opts, *option.secondary_opts, option.is_flag, option.metavar, kind, bounds, clause)


def tree() -> dict[str, list[click.Option]]:
    """Return the options of each command, in their order."""
    every = {name: commands.command(name).params for name in commands.COMMANDS}
    return {name: [param for param in params if isinstance(param, click.Option)] for name, params in every.items()}


def test_an_option_means_the_same_in_all_commands() -> None:
    meanings = defaultdict[str, dict[tuple[object, ...], list[str]]](lambda: defaultdict(list))
    for command, options in tree().items():
        for option in options:
            for spelling in (*option.opts, *option.secondary_opts):
                meanings[spelling][described(option)].append(command)
    assert {spelling: dict(kinds) for spelling, kinds in meanings.items() if len(kinds) > 1} == {}
    assert {spelling for spelling in meanings if not spelling.startswith("--")} == {"-o", "-q"}


def test_options_have_one_order_in_all_commands() -> None:
    orders = {command: [max(option.opts, key=len) for option in options] for command, options in tree().items()}
    after = {pair: command for command, names in orders.items() for pair in combinations(names, 2)}
    assert {(pair, command, after[pair[::-1]]) for pair, command in after.items() if pair[::-1] in after} == set()


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
    ("arguments", "newer"),
    [
        (["members", "x", "--limit", "members=1"], "--bound"),
        (["export", "x", "--to", "csv"], "--format"),
        (["members", "x", "--digest", "md5"], "--archive-digest"),
    ],
)
def test_an_option_that_was_renamed_is_told_by_its_new_name(arguments: list[str], newer: str) -> None:
    ran = run(*arguments)
    old = next(argument for argument in arguments if argument.startswith("--"))
    assert (ran.code, ran.err.splitlines()[-1]) == (2, f"Error: No such option {old!r}. Did you mean {newer!r}?")


WITH_PROGRESS: Final = {
    name for name, options in tree().items() if any("--progress" in option.opts for option in options)
}
DEEP: Final = {"diff": ("--deep",), "history": ("--deep", "--jobs", "1"), "timeline": ("--deep", "--jobs", "1")}
"""What makes a command long."""
HELP: Final = ("", *commands.COMMANDS)
"""The commands, and the group of them."""


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """Return what each command's ``--help`` prints in 100 columns."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "100")
        return {name: run(*filter(None, [name]), "--help").text for name in HELP}


@pytest.mark.parametrize("name", HELP)
def test_help_fits_on_a_screen_and_ends_with_a_page_of_the_manual(name: str, helps: dict[str, str]) -> None:
    *lines, last = helps[name].splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 110  # an example is not wrapped
    more = re.fullmatch(r"  More: 'backupmeta help ([a-z-]+|TOPIC)'\.", last)
    assert more is not None
    assert more[1] in topics() or not name


@pytest.mark.parametrize("name", HELP)
def test_help_has_examples_that_are_understood(name: str, helps: dict[str, str]) -> None:
    examples = re.findall(r"^    backupmeta (.+?)(?:  .*| (?:[|>]|&&).*)?$", helps[name], re.MULTILINE)
    assert examples
    for example in examples:
        command, *arguments = shlex.split(example)
        assert command == (name or command)
        group = click.Context(commands.backupmeta, info_name="backupmeta")
        assert commands.command(command).make_context(command, arguments, parent=group).args == []


ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "cat": ("{archive}", "APP-META.INI"),
    "checks": ("--json",),
    "diff": ("{archive}", "{archive}"),
    "explain": ("{archive}",),
    "export": ("{catalog}",),
    "extract": ("{archive}", "--json", "--to", "{folder}"),
    "find": ("{catalog}",),
    "find ": ("{catalog}", "--member", "*"),
    "history": ("{archive}", "--json"),
    "installs": ("{home}",),
    "installs ": ("{home}", "--gone", "--json"),
    "list": ("{home}",),
    "list ": ("{home}", "--jsonl"),
    "members": ("{archive}",),
    "needs": ("{archive}",),
    "schema": ("verify",),
    "stats": ("{catalog}", "--now", "2024-06-15"),
    "timeline": ("{home}",),
    "verify": ("{archive}", "--now", "2024-06-15", "--json"),
    "view": ("{archive}",),
}
"""What each command is asked; a report has the command line in it, scan's answer is a catalog, help's the manual."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("answers")
    account = Account(folder / "home/exampleu").whole()
    catalog = folder / "catalog.sqlite"
    assert run("scan", account.home, "-o", catalog, "--members", "--jobs", "1").code == 0
    return {"archive": account.archives / NAME, "home": account.home, "catalog": catalog, "out": folder / "out"}


ONE_FORMAT: Final = {"cat", "help", "schema", "view"}
"""There are no two."""


@pytest.mark.parametrize("name", sorted(commands.COMMANDS.keys() - ONE_FORMAT))
def test_two_formats_at_once_are_a_mistake(name: str, places: dict[str, Path], tmp_path: Path) -> None:
    first = {"find": "csv", "installs": "csv", "list": "csv", "report": "html", "export": "parquet"}.get(name, "text")
    asked = [word.format(**places, folder=tmp_path / "x") for word in ANSWERS.get(name, ("{home}", "-o", "{folder}"))]
    words = [word for word in asked if word != "--json"]
    for formats, spelled in (
        (("--format", first, "--format", "json"), f"--format {first} and --format json"),
        (("--json", "--format", first), f"--format {first} and --json"),
    ):
        ran = run(name, *words, *formats)
        assert (ran.code, ran.out) == (2, b"")
        assert ran.err.endswith(f"Error: {spelled} are two formats; give one\n")
    if first == "csv":
        assert "--json and --csv are two formats" in run(name, *words, "--csv", "--json").err


@pytest.mark.parametrize("name", ANSWERS)
def test_a_file_gets_what_stdout_would_have_had(name: str, places: dict[str, Path], tmp_path: Path) -> None:
    def asked(folder: str, *more: str | Path) -> Ran:
        words = [word.format(**places, folder=tmp_path / folder) for word in ANSWERS[name]]
        return run(name.strip(), *words, *more)

    printed, written = asked("first"), asked("second", "-o", places["out"])
    assert (printed.code, bool(printed.out)) == (written.code, True)
    assert written.out == b""
    assert places["out"].read_bytes().replace(b"/second", b"/first") == printed.out
    places["out"].unlink()
    beside = asked("third", "--output", places["archive"].with_name("answer"))
    assert (beside.code, beside.out, "--output" in beside.err) == (2, b"", True)
    assert not places["archive"].with_name("answer").exists()


def test_every_command_that_answers_is_asked_to_write_to_a_file() -> None:
    assert {name.strip() for name in ANSWERS} == commands.COMMANDS.keys() - {"help", "report", "scan"}


LONG: Final = sorted(name for name in ANSWERS if name.strip() in WITH_PROGRESS and name != "installs ")
"""None is gone here."""


@pytest.mark.parametrize("name", LONG)
def test_a_long_command_tells_how_far_it_is_where_that_is_asked_for(
    name: str, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupmeta.cli.progress_bar._BETWEEN_LINES", 0.0)

    def asked(*more: str) -> Ran:
        words = [word.format(**places, folder=tmp_path / "-".join(["to", *more])) for word in ANSWERS[name]]
        return run(name.strip(), *words, *DEEP.get(name, ()), *more)

    told, silent, piped, quiet = (
        asked(*more) for more in (["--progress"], ["--no-progress"], [], ["-q", "--progress"])
    )
    lines = re.findall(r"^backupmeta: ([0-9.,]+ (?:[kM]?B|bytes) read|[0-9,]+ [a-z]+s?)\b.*\n", told.err, re.MULTILINE)
    assert lines
    assert not re.search(r"bytes read|B read|^backupmeta: [0-9]+ [a-z]+$", piped.err + quiet.err, re.MULTILINE)
    ages = re.compile(r"\d+ seconds? ago")
    assert ages.sub("", piped.err) == ages.sub("", silent.err.replace("to---no-progress", "to"))
    assert told.code == silent.code == piped.code


@pytest.mark.parametrize(
    ("form", "line"),
    [((), r"backupmeta: 1 account, 0 of them unchanged; 1 archive, .*"), (("--json",), r'\{"accounts": 1, .*\}')],
)
def test_a_scan_tells_it_in_words_or_as_json(
    form: tuple[str, ...], line: str, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupmeta.cli.progress_bar._BETWEEN_LINES", 0.0)
    arguments: list[str | Path] = ["scan", account.home, "-o", tmp_path / "catalog.sqlite", "--jobs=1", *form]
    assert re.fullmatch(line, run(*arguments, "--progress").err.splitlines()[0])
    assert run(*arguments).err == ""


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
    assert [path for path in paths if Destination(path).is_stdout] == [None, "-"]


@pytest.mark.parametrize(
    ("file", "options", "remark"),
    [
        ("a.json", [], "is written as table; '--format json' writes what its name says\n"),
        ("a.CSV", [], "is written as table; '--format csv' writes what its name says\n"),
        ("a.xlsx", ["--csv"], "is written as csv; no command writes workbooks; see 'backupmeta help tools'"),
        ("a.json", ["--json"], ""),
        ("a.csv", ["--format", "csv-excel"], ""),
        ("a.json", ["--quiet"], ""),
        ("a.txt", [], ""),
    ],
)
def test_a_name_that_ends_as_another_format_is_told(
    account: Account, tmp_path: Path, file: str, options: list[str], remark: str
) -> None:
    written = run("list", account.home, "-o", tmp_path / file, *options)
    assert written.code == 0
    assert (f"{tmp_path / file}: {remark}" in written.err) if remark else str(tmp_path / file) not in written.err
