"""What terminals, CI runners and services for code obey, in evidence: class, text, command and format, what must hold.

The texts stand in every place that evidence has: names of homes, archives and members, links, records, dumps. Terminals
are real ones; how runners and services read is written down here, from their own sources and manuals.
"""

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import tty
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import click
import pytest
from markdown_it import MarkdownIt
from writers.installatron import Entry, gzip_bytes, tar_bytes

from backupmeta.cli import commands, main
from tests.invented import BACKUP, NAME, SECOND, TIME, Account, Ran, backup_record, install_record, run

pytestmark = pytest.mark.untraced  # the same lines, in many ways

COMMAND: Final = [sys.executable, "-c", "from backupmeta.cli import console; console()"]
NOW: Final = ("--now", "2024-06-14")
ALONE: Final = (*NOW, "--jobs", "1")
LIMIT: Final = 120.0
KNOWN: Final = "known.json"
CASE: Final = "case.toml"

Arguments = tuple[str, ...]


class Scene(NamedTuple):
    """What is read: homes, one of them, two of its archives, a catalog, a site's folder; all paths are relative."""

    homes: str
    home: str
    archive: str
    other: str
    lone: str
    catalog: str
    site: str


class Asked(NamedTuple):
    """A command, and in which form it answers."""

    form: str
    arguments: Callable[[Scene], Arguments]


def asked(form: str, *arguments: str) -> Asked:
    """Return a command; words in braces are the scene's."""
    return Asked(form, lambda scene: tuple(argument.format(**scene._asdict()) for argument in arguments))


ASKED: Final[Mapping[str, Asked]] = {
    "list": asked("text", "list", "{homes}"),
    "list json": asked("json", "list", "{homes}", "--json", "--provenance"),
    "list jsonl": asked("jsonl", "list", "{homes}", "--jsonl", "--provenance"),
    "list csv": asked("csv", "list", "{homes}", "--csv"),
    **{
        f"{command} {form}": asked("csv", command, place, "--format", form)
        for command, place in {"list": "{homes}", "installs": "{homes}", "find": "{catalog}"}.items()
        for form in ("csv-safe", "csv-excel")
    },
    "list catalog": asked("text", "list", "--catalog", "{catalog}"),
    "installs": asked("text", "installs", "{homes}"),
    **{
        f"gone installs {form}": asked(form, "installs", "--gone", "{homes}", "--format", how)
        for form, how in {"text": "table", "json": "json", "jsonl": "jsonl", "csv": "csv"}.items()
    },
    "view": asked("json", "view", "{archive}", "--provenance"),
    "view negative": asked("json", "view", "{archive}", "--user", "nobody"),
    "explain record": asked("text", "explain", "{home}/.appdata/backups/" + BACKUP),
    "explain": asked("text", "explain", "{archive}"),
    "explain json": asked("json", "explain", "{archive}", "--json"),
    "members": asked("text", "members", "{archive}"),
    "members json": asked("json", "members", "{archive}", "--json", "--member-digest", "md5"),
    "needs": asked("text", "needs", "{archive}", "--against", "site"),
    "needs json": asked("json", "needs", "{archive}", "--json"),
    "cat record": asked("exact", "cat", "{archive}", "APP-META.INI"),
    "cat": asked("exact", "cat", "{archive}", "readme"),
    "verify": asked("text", "verify", "{home}", "{archive}", "{lone}", *ALONE, "--fail-on", "note"),
    "verify json": asked("json", "verify", "{homes}", *ALONE, "--json"),
    "verify junit": asked("xml", "verify", "{homes}", *ALONE, "--format", "junit", "--fail-on", "note"),
    "verify sarif": asked("json", "verify", "{homes}", *ALONE, "--format", "sarif", "--sarif-notes"),
    "verify github": asked("github", "verify", "{home}", "{archive}", "{lone}", *ALONE, "--format", "github"),
    **{
        f"verify {form} with a baseline": asked(how, "verify", "{homes}", *ALONE, "--baseline", KNOWN, "--format", form)
        for form, how in {"text": "text", "json": "json", "sarif": "json", "junit": "xml"}.items()
    },
    "verify catalog": asked("text", "verify", "--catalog", "{catalog}", *ALONE),
    "diff": asked("text", "diff", "{archive}", "{other}", "--deep"),
    "diff json": asked("json", "diff", "{archive}", "{other}", "--deep", "--json"),
    "diff markdown": asked("markdown", "diff", "{archive}", "{other}", "--deep", "--format", "markdown"),
    "diff with a folder": asked("text", "diff", "{archive}", "{site}"),
    "diff with a folder json": asked("json", "diff", "{archive}", "{site}", "--json"),
    "diff with a folder markdown": asked("markdown", "diff", "{archive}", "{site}", "--format", "markdown"),
    "history": asked("text", "history", "{archive}"),
    **{
        f"history {name} {form}": asked(form, "history", "{archive}", *how, "--jobs", "1", "--format", form)
        for name, how in {"deep": ["--deep"], "of files": ["--member", "*"]}.items()
        for form in ("text", "json", "markdown")
    },
    "history json": asked("json", "history", "{archive}", "--json"),
    "history markdown": asked("markdown", "history", "{archive}", "--format", "markdown"),
    "timeline": asked("text", "timeline", "{homes}", "--deep"),
    "timeline json": asked("json", "timeline", "{homes}", "--deep", "--json"),
    "timeline jsonl": asked("jsonl", "timeline", "{homes}", "--deep", "--jsonl"),
    "timeline l2tcsv": asked("text", "timeline", "{homes}", "--deep", "--format", "l2tcsv"),
    "timeline bodyfile": asked("text", "timeline", "{homes}", "--deep", "--format", "bodyfile"),
    "report markdown": asked("markdown", "report", "{catalog}", *NOW, "--format", "markdown"),
    "report json": asked("json", "report", "{catalog}", *NOW, "--json"),
    "report html": asked("html", "report", "{catalog}", *NOW),
    **{
        f"report {form} of a case": asked(form, "report", "{catalog}", *NOW, "--case-file", CASE, "--format", form)
        for form in ("markdown", "json", "html")
    },
    "find": asked("text", "find", "{catalog}"),
    "find csv": asked("csv", "find", "{catalog}", "--csv"),
    "find jsonl": asked("jsonl", "find", "{catalog}", "--jsonl", "--provenance"),
    **{
        f"find members {form}": asked(form, "find", "{catalog}", "--member", "*", "--format", how)
        for form, how in {"text": "table", "json": "json", "jsonl": "jsonl", "csv": "csv"}.items()
    },
    "stats": asked("text", "stats", "{catalog}", *NOW),
    "stats json": asked("json", "stats", "{catalog}", *NOW, "--json"),
    **{
        f"export {table} {form}": asked(form, "export", "{catalog}", "--format", form, "--table", table)
        for table in ("backups", "plugins", "files", "findings", "gone_installs")
        for form in ("jsonl", "csv")
    },
    **{
        f"export findings {form}": asked(how, "export", "{catalog}", "--format", form, "--table", "findings")
        for form, how in {"json": "json", "csv-safe": "csv", "csv-excel": "csv"}.items()
    },
    "export for datasette": asked("json", "export", "{catalog}", "--datasette-metadata"),
    "extract json": asked("json", "extract", "{archive}", "--to", "unpacked", "--json"),
    "scan": asked("text", "scan", "{homes}", "{lone}", "nowhere", "-o", "{lone}.sqlite", "--jobs", "1"),
    "scan json": asked("json", "scan", "{homes}", "-o", "{lone}.sqlite", "--jobs", "1", "--json"),
    "checks": asked("text", "checks"),
    "checks json": asked("json", "checks", "--json"),
    "schema": asked("json", "schema", "verify"),
    "help": asked("text", "help"),
}
"""Every command in every form that it has on stdout."""

TEXTS: Final = ("text", "markdown", "github", "xml", "json", "jsonl", "html")
"""The forms that hold nothing raw, wherever they go."""

MISTAKES: Final[Mapping[str, Callable[[str], Arguments]]] = {
    "no file": lambda text: ("view", f"./{text}"),
    "no root": lambda text: ("list", f"./{text}"),
    "no id": lambda text: ("view", text, "--root", "."),
    "no archive": lambda text: ("members", f"./{text}"),
    "no member": lambda text: ("cat", NAME, text),
    "no record": lambda text: ("explain", f"./{text}"),
    "no sysroot": lambda text: ("list", "--sysroot", text),
    "no install": lambda text: ("history", text, "--root", "."),
    "no side": lambda text: ("diff", f"./{text}", "current", "--root", "."),
    "no member in any": lambda text: ("history", NAME, "--root", ".", "--member", text),
    "no folder": lambda text: ("diff", NAME, f"./{text}"),
    "no needs": lambda text: ("needs", f"./{text}"),
    "no digest": lambda text: ("find", NAME, "--member-sha256", text),
    "no list of digests": lambda text: ("find", NAME, "--member-sha256", f"@{text}"),
    "no finding": lambda text: ("find", NAME, "--finding", text),
    "no verdict": lambda text: ("find", NAME, "--verdict", text),
    "no policy": lambda text: ("verify", ".", "--policy", text),
    "no catalog": lambda text: ("stats", text),
    "no column": lambda text: ("list", ".", "--sort", text),
    "no zone": lambda text: ("list", ".", "--tz", text),
    "no time": lambda text: ("list", ".", "--since", text),
    "no check": lambda text: ("checks", text),
    "no table": lambda text: ("export", NAME, "--format", "csv", "--table", text),
    "no limit": lambda text: ("members", NAME, "--bound", text),
    "no option": lambda text: ("list", f"--{text}"),
    "no command": lambda text: (text,),
    "an argument more": lambda text: ("explain", NAME, text),
    "no folder to write to": lambda text: ("verify", ".", "-o", f"{text}/answer"),
}
"""Commands that say what is wrong with a name, which may come from evidence."""


def home(folder: Path, text: str) -> Account:
    """Make a home that has ``text`` everywhere."""
    line = text.replace("\n", " ")
    account = Account(folder)
    told = {
        "title": line,
        "url": f"https://example.com/{line}",
        "path": f"/home/{line}",
        "owner": line,
        "installer": line,
        "version": f"6.{line}",
        "cf_odd": line,
        "list_plugins": f"+{line}/{line}",
        "list_files": line,
        "bkloc": line,
    }
    first = backup_record(**told, backup_note=line) + f"\n{line}=x\nx-{line}={line}\n{line}".encode()
    account.backup(content=first)
    account.backup(SECOND, backup_record(title=f"{line}2", backup_filename=f"app_{NAME}"))
    account.backup("g" * 25, backup_record(**told, backup_install="i" * 25, backup_filename="gone.tar.gz"))
    account.install(content=install_record(**told) + f"\n{line}={line}".encode())
    name = line.replace("/", "_")
    (account.archives / NAME).write_bytes(packed(first, text))
    (account.archives / f"app_{NAME}").write_bytes(packed(backup_record(title=f"2{line}"), f"2{text}"))
    (account.archives / f"{name}.tar.gz").write_bytes(packed(first, text)[:-30])
    (account.archives / f"app_{name}_2024-06-13_20-55-21.tar.gz").write_bytes(text.encode())
    (account.installs / name).write_text(text)
    return account


def packed(record: bytes, text: str) -> bytes:
    """Return an archive with ``text`` in names, links and contents."""
    table = text.replace("`", "").replace("\n", " ")
    dump = f"CREATE TABLE `{table}` (a int);\nINSERT INTO `{table}` VALUES (1);\n-- {text}\n".encode()
    entries = [
        Entry(b"APP-META.INI", record, TIME),
        Entry(text.encode()[:99], text.encode(), TIME),
        Entry(b"readme", text.encode() + b"\xff\x1b\xc3", TIME),
        Entry(b"link", None, TIME, link=text.encode()[:99]),
        Entry(b"../" + text.encode()[:90], b"1", TIME),
        Entry(b"APP-DATA.SQL", dump, TIME),
    ]
    return gzip_bytes(tar_bytes(entries), TIME)


def scene(folder: Path, texts: Iterable[str]) -> Scene:
    """Make a home for each of the ``texts``, and a catalog of all; what is asked about has the first of them."""
    texts = list(texts)
    for number, text in enumerate(texts):
        home(folder / "homes" / f"{text.replace('/', '_')}{number}", text)
    first = f"homes/{texts[0].replace('/', '_')}0"
    with contextlib.chdir(folder):
        assert run("scan", "homes", "-o", "catalog.sqlite", "--jobs", "1", "--members").code in {0, 2}
        lone = Path(f"{texts[0].replace('/', '_').strip()}.tar.gz")
        lone.write_bytes(b"no archive")
        assert run("verify", "homes", *ALONE, "--write-baseline", KNOWN).code in {1, 2}
    case_file(folder / CASE, texts)
    archives = f"{first}/application_backups"
    site(folder / "site", texts)
    return Scene("homes", first, f"{archives}/{NAME}", f"{archives}/app_{NAME}", str(lone), "catalog.sqlite", "site")


def case_file(path: Path, texts: Iterable[str]) -> None:
    """Write a case that is described by the ``texts``, as TOML and JSON both have them, but for DEL."""
    first, *others = (json.dumps(f"{text}a", ensure_ascii=False).replace("\x7f", "\\u007f") for text in texts)
    keys = [f"{key} = {first}\n" for key in ("title", "case", "examiner")]
    path.write_text(f"{''.join(keys)}remark = [{', '.join(others)}]\n", "utf-8", newline="")


def site(folder: Path, texts: Iterable[str]) -> None:
    """Make a folder with files, a link and a pipe that are called as the ``texts``."""
    for number, text in enumerate(texts):
        name = f"{number}{text.replace('/', '_')}"
        (folder / name).mkdir(parents=True)
        (folder / name / name).write_text(text)
        (folder / name / "link").symlink_to(text)
        os.mkfifo(folder / f"p{name}")


# Class: what a terminal obeys, or does not show.

UNSEEN: Final = {
    "control sequence": "\x1b]0;owned\x07\x1b[2J",
    "C0": "\x01\x08\x0b\x0c\x0e",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "line feed": "a\nb",
    "DEL": "\x7f",
    "C1": "\x9b31m\x85\x90",
    "bidirectional": "\u202e\u2066\u061c\u200f",
    "zero width": "\u200b\u200d\u2060\u2064\ufeff",
    "soft hyphen": "\u00ad",
    "Mongolian": "\u180e\u180b",
    "separators": "\u2028\u2029",
    "tags": "\U000e0001\U000e0041",
    "variation selectors": "\ufe0f\U000e0100",
    "fillers": "\u115f\u3164\uffa0\u034f",
}
ALL_UNSEEN: Final = "a".join(UNSEEN.values())
IGNORABLE: Final = {
    0x34F,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x3164,
    0xFFA0,
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
}
"""Of category Mn or Lo, and yet not seen; so are variation selectors and tags."""
COLOUR: Final = re.compile(r"\x1b\[(3[1-6]|0)m")


def is_obeyed(char: str) -> bool:
    """Return whether a character must not be printed."""
    number = ord(char)
    is_control = unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return is_control or number in IGNORABLE or 0xE0000 <= number < 0xE1000


def obeyed(text: str, allowed: str = "\n") -> set[str]:
    """Return the characters of ``text`` that must not be printed."""
    return set(filter(is_obeyed, set(text))) - set(allowed)


def on_terminal(*arguments: str, columns: int = 100) -> Ran:
    """Run a command in this process, its stdout being a terminal that changes nothing of what is written."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    out = bytearray()
    reader = Thread(target=_read, args=(ours, out))
    reader.start()
    err, code = io.StringIO(), None
    with (
        patch.object(sys, "argv", ["backupmeta", *arguments]),
        patch.dict(os.environ, COLUMNS=str(columns)),
        open(theirs, "w", encoding="utf-8", newline="") as stdout,  # noqa: PTH123 - a descriptor
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as leave:
            code = leave.code
    reader.join(LIMIT)
    os.close(ours)
    return Ran(code if isinstance(code, int) else -1, bytes(out), err.getvalue())


def _read(number: int, out: bytearray) -> None:
    with contextlib.suppress(OSError):  # EIO: nobody has the other end open
        while piece := os.read(number, 65536):
            out += piece


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    folder = tmp_path_factory.mktemp("unseen")
    return folder, scene(folder, [ALL_UNSEEN, *UNSEEN.values()])


def test_each_command_is_asked_in_each_of_its_formats() -> None:
    choices = {
        name: parameter.type.choices
        for name in commands.COMMANDS
        for parameter in commands.command(name).params
        if parameter.name == "formats" and isinstance(parameter.type, click.Choice)
    }
    asked_in: dict[str, set[str]] = {name: set() for name in commands.COMMANDS}
    for _, arguments in ASKED.values():
        name, *words = arguments(Scene(*Scene._fields))
        given = {word.removeprefix("--") for word in words} & {*choices.get(name, ())}
        asked_in[name] |= given or {*choices.get(name, ("",))[:1]}
    missing = {(name, form) for name, forms in choices.items() for form in {*forms} - asked_in[name]}
    assert missing == {("export", "parquet"), ("extract", "text")}  # no text; nothing
    assert [name for name, forms in asked_in.items() if not forms] == []


@pytest.mark.parametrize("name", ASKED)
def test_a_terminal_gets_nothing_to_obey(unseen: tuple[Path, Scene], name: str) -> None:
    folder, where = unseen
    form, arguments = ASKED[name]
    with contextlib.chdir(folder):
        ran = on_terminal(*arguments(where))
    if form == "html":
        assert (ran.code, ran.out) == (2, b"")
        return
    assert ran.code in {0, 1, 2}
    assert ran.out
    text = COLOUR.sub("", ran.text) if name.startswith("verify") else ran.text
    assert (obeyed(text), obeyed(ran.err)) == (set(), set())


@pytest.mark.parametrize("name", [name for name, (form, _) in ASKED.items() if form in TEXTS])
def test_nor_does_any_other_text(unseen: tuple[Path, Scene], name: str) -> None:
    folder, where = unseen
    form, arguments = ASKED[name]
    with contextlib.chdir(folder):
        ran = run(*arguments(where))
    assert ran.code in {0, 1, 2}
    assert ran.out
    assert (obeyed(ran.text, "\n\t" if form == "text" else "\n"), obeyed(ran.err)) == (set(), set())


@pytest.mark.parametrize("name", MISTAKES)
def test_nor_do_mistakes(tmp_path: Path, name: str) -> None:
    with contextlib.chdir(tmp_path):
        Path(NAME).write_bytes(packed(backup_record(), "a"))
        ran = run(*MISTAKES[name](f"a{ALL_UNSEEN}b"))
    assert ran.code in {0, 1, 2}
    assert (obeyed(ran.text, "\n\t"), obeyed(ran.err)) == (set(), set())


def test_json_means_what_it_would_mean_raw(unseen: tuple[Path, Scene]) -> None:
    folder, where = unseen
    title = ALL_UNSEEN.replace("\n", " ")
    with contextlib.chdir(folder):
        for name in ("list json", "view", "list jsonl", "find jsonl", "report json", "export backups jsonl"):
            assert title in texts_in(run(*ASKED[name].arguments(where)).text), name


def texts_in(document: str) -> set[str]:
    """Return the strings in JSON, of a document or of one a line."""
    found: set[str] = set()

    def take(value: Any) -> None:
        if isinstance(value, str):
            found.add(value)
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            take(one)

    with contextlib.suppress(json.JSONDecodeError):
        take(json.loads(document))
        return found
    for line in document.splitlines():
        take(json.loads(line))
    return found


@pytest.mark.parametrize("text", [*UNSEEN.values(), "caf\udce9"], ids=[*UNSEEN, "not UTF-8"])
def test_cat_is_exact_but_on_a_terminal(tmp_path: Path, text: str) -> None:
    content = text.encode("utf-8", "surrogateescape")
    record = backup_record() + b"\nnote=" + content
    entries = [Entry(b"APP-META.INI", record, TIME), Entry(b"a", content * 9, TIME)]
    (tmp_path / NAME).write_bytes(gzip_bytes(tar_bytes(entries), TIME))
    for member, exact in (("APP-META.INI", content), ("a", content * 9)):
        arguments = ("cat", str(tmp_path / NAME), member)
        piped, shown = run(*arguments), on_terminal(*arguments)
        assert exact in piped.out
        assert obeyed(shown.text) == set()
        assert shown.text.count("\n") == piped.out.count(b"\n")


@pytest.mark.parametrize("name", [name for name, (form, _) in ASKED.items() if form == "csv"])
def test_csv_is_exact_but_on_a_terminal(unseen: tuple[Path, Scene], name: str) -> None:
    folder, where = unseen
    with contextlib.chdir(folder):
        piped, shown = (command(*ASKED[name].arguments(where)) for command in (run, on_terminal))
    assert obeyed(piped.text, "\r\n")
    assert piped.text.endswith("\r\n")
    assert shown.text.endswith("\n")
    assert obeyed(shown.text) == set()


@pytest.mark.parametrize("name", ["export backups csv", "export backups jsonl", "verify", "report html", "timeline"])
def test_a_terminal_that_is_named_is_one_too(unseen: tuple[Path, Scene], name: str) -> None:
    folder, where = unseen
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    out = bytearray()
    reader = Thread(target=_read, args=(ours, out))
    reader.start()
    with contextlib.chdir(folder):
        ran = run(*ASKED[name].arguments(where), "-o", os.ttyname(theirs))
    os.close(theirs)
    reader.join(LIMIT)
    os.close(ours)
    assert ran.code in {0, 1, 2}
    assert out
    assert obeyed(out.decode()) == set()


def test_what_is_completed_is_seen(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    for text in UNSEEN.values():
        account.archive(f"app_{text}.tar.gz")
    account.archive("app_good.tar.gz")
    line = f"backupmeta view --root {account.home} app"
    environment = {**os.environ, "_BACKUPMETA_COMPLETE": "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": "4"}
    program = "from backupmeta.cli.commands import backupmeta; backupmeta(prog_name='backupmeta')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert b"app_good" in done.stdout
    assert obeyed(done.stdout.decode()) == set()


# Class: what a CI runner takes for a command.

COMMANDS: Final = {
    "annotation": "::error file=a,line=1::owned",
    "blanks before": " \t\u00a0\u3000::add-mask::a",
    "stop": "::stop-commands::token",
    "after words": "word ::warning::b word ::debug::c word ::group::d",
    "old": "##[add-path]/tmp",
    "old, more": "###[command]a ## ##[group]b",
    "Azure": "a ##vso[task.setvariable variable=PATH]/tmp",
    "Azure, no blank": "a##VSO[task.complete]",
    "TeamCity": "##teamcity[buildStatus status='SUCCESS']",
    "GitLab": "section_start:1560896352:owned[collapsed=true]\r\x1b[0Kname",
    "Buildkite": "+++ owned",
    "line feed": "a\n::error::b\n##[group]c\n--- d",
    "carriage return": "a\r::error::b\r\n##[group]c",
    "other line ends": "a\x85::error::b\u2028::error::c\x0b::error::d",
    "colours before": "\x1b[31m::error::b",
    "not seen within": ":\u200b:error::a #\u00ad#[group]b #\ufe0f#vso[c]",
    "hash at the end": "a##",
    "bracket at the beginning": "[group]a",
    "colon": ":",
}
SPACE: Final = r"[\s\x1c-\x1f\x85\xa0]*"
GITHUB: Final = {*"error warning notice debug group endgroup echo add-mask stop-commands token save-state".split()} | {
    *"set-output set-env add-path add-matcher remove-matcher internal-set-repo-path command".split()
}


def github(line: str) -> bool:
    """Tell whether GitHub's runner finds a command: `ActionCommand.TryParseV2`, then `TryParse`."""
    found = re.match(r"\s*::([^ ]*?)(?: .*?)?::", line)
    old = re.search(r"##\[([^\] ]*)[^\]]*\]", line)
    return bool((found and found[1].lower() in GITHUB) or (old and old[1].lower() in GITHUB))


READERS: Final[Mapping[str, Callable[[str], bool]]] = {
    "GitHub": github,
    "any annotation": lambda line: line.lstrip().startswith("::"),
    "Azure": lambda line: "##[" in line or "##vso[" in line.lower(),
    "TeamCity": lambda line: "##teamcity[" in line.lower(),
    "GitLab": lambda line: re.search(r"section_(start|end):\d+:", line) is not None,
    "Buildkite": lambda line: re.match(r"(---|\+\+\+|~~~|\^\^\^ \+\+\+) ", line) is not None,
}
LINE_END: Final = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]")


def read_as_commands(text: str) -> list[str]:
    """Return the lines that a runner takes for commands; it may drop colours and what is not seen."""
    found = {line for one in (text, COLOUR.sub("", text)) for line in LINE_END.split(one)}
    found |= {"".join(char for char in line if not is_obeyed(char) or char == "\t") for line in found if obeyed(line)}
    return [line for line in found if any(reads(line) for reads in READERS.values())]


@pytest.fixture(scope="module")
def commanding(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    folder = tmp_path_factory.mktemp("commanding")
    return folder, scene(folder, COMMANDS.values())


@pytest.mark.parametrize("name", [name for name, (form, _) in ASKED.items() if form in TEXTS])
def test_no_runner_reads_a_command(commanding: tuple[Path, Scene], name: str) -> None:
    folder, where = commanding
    form, arguments = ASKED[name]
    with contextlib.chdir(folder):
        ran = run(*arguments(where))
    assert ran.out
    assert read_as_commands(ran.err) == []
    ours = re.compile(r"::(error|warning|notice) (file=[^:]*,)?(line=\d+,)?title=[^:]*::")
    commands = read_as_commands(ran.text)
    if form == "github":
        assert commands
        assert [line for line in commands if ours.match(line) is None] == []
        commands = read_as_commands("\n".join(ours.sub("", line) for line in ran.text.splitlines()))
    assert commands == []


IN_EACH_FORM: Final = (
    *("view", "explain", "members", "verify", "verify github", "diff", "history markdown"),
    *("diff with a folder", "history of files text", "needs"),
)


@pytest.mark.parametrize("text", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("name", IN_EACH_FORM)
def test_nor_in_any_of_its_forms(tmp_path: Path, name: str, text: str) -> None:
    account = home(tmp_path / f"{text.replace('/', '_').strip()}", text)
    with contextlib.chdir(tmp_path):
        first = account.home.name
        archives = f"{first}/application_backups"
        lone = next(one for one in os.listdir(archives) if not one.startswith("app_"))  # noqa: PTH208 - of any bytes
        os.link(f"{archives}/{NAME}", lone)
        where = Scene(".", first, lone, f"{archives}/app_{NAME}", lone, "", first)
        ran = run(*ASKED[name].arguments(where))
    assert ran.code in {0, 1, 2}
    told = [line for line in ran.text.splitlines() if name != "verify github" or not line.startswith("::")]
    assert read_as_commands("\n".join(told) + "\n" + ran.err) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_nor_where_something_is_wrong(tmp_path: Path, name: str) -> None:
    with contextlib.chdir(tmp_path):
        Path(NAME).write_bytes(packed(backup_record(), "a"))
        outcomes = {title: run(*MISTAKES[name](text)) for title, text in COMMANDS.items()}
    commands = {title: read_as_commands(ran.text + ran.err) for title, ran in outcomes.items()}
    assert commands == {title: [] for title in COMMANDS}


@pytest.mark.parametrize("columns", range(20, 130, 13))
@pytest.mark.parametrize("name", ["list", "history", "stats", "installs", "gone installs text", "find members text"])
def test_a_line_that_is_wrapped_begins_with_no_command(commanding: tuple[Path, Scene], name: str, columns: int) -> None:
    folder, where = commanding
    with contextlib.chdir(folder):
        ran = on_terminal(*ASKED[name].arguments(where), columns=columns)
    assert read_as_commands(ran.text + ran.err) == []


# Class: what a service for code makes of Markdown.

LIVE: Final = {
    "links": "https://example.com www.example.com http://a ftp://b mailto:c@example.com xmpp:d@e //f.example",
    "markup": "[a](b) ![c](d) <e> **f** _g_ ~h~ `i` | j | # k > l - m 1. n \\ & &amp; &#64; * o",
    "html": "<img src=x onerror=alert(1)> <a href=b>c</a> <!-- d --> <script>",
    "mail addresses": "foo@example.com <foo@example.com> foo+bar@example.co.uk",
    "mentions": "@name @org/team a@name (@name) \\@name",
    "references": "#123 GH-123 owner/repo#1 !12 ~label ~'a b' %3 $4 &5 ^alert [issue:1] ABC-123 owner/repo!1 a@abcdef1",
    "commits": "deadbeef 0123456789abcdef0123456789abcdef01234567 defaced 1234567 deadbeef-x (deadbeef).",
    "backticks": "` `` ``` " + "`" * 90 + " @name",
    "bars": "a|b a\\|b \\\\|@name| `|`",
    "emoji": ":smile: :+1:",
    "mathematics": "$a$ $$b$$ $`c`$",
    "commands": "/close #1",
    "contents": "[[_TOC_]] [TOC] [^1] [ ] [x]",
}
OUR_TAGS: Final = {*"h1 h2 p ul li table thead tbody tr th td code".split()}
AUTOLINKED: Final = re.compile(
    r"""(?ix) https?: | ftp: | mailto: | xmpp: | www\. | :// | @ | \#\d | \bGH-\d | [!~%$&^]["'\w] |
    \b(?!SHA-256)[A-Z]+-\d |
    \b[0-9a-f]{7,40}\b | :(?!\d+:)[a-z+\d_-]+: | \w+/\w+ | \[ | \b[\w-]+\.[a-z]{2,}\b"""
)
"""What GitHub and GitLab make links, mentions, references and emoji of, in text that is no code."""


class Rendered(HTMLParser):
    """What is left of a page: its tags, its attributes, and its text outside of code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._depth = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._depth += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._depth else f"{data}\n"


@pytest.mark.parametrize("name", [name for name, (form, _) in ASKED.items() if form == "markdown"])
def test_nothing_in_markdown_is_live(tmp_path: Path, name: str) -> None:
    where = scene(tmp_path, ["; ".join(LIVE.values())[:200], *(text[:100] for text in LIVE.values())])
    with contextlib.chdir(tmp_path):
        ran = run(*ASKED[name].arguments(where))
    page = Rendered(MarkdownIt("commonmark").enable("table").render(ran.text))
    assert page.tags - OUR_TAGS == set()
    assert page.attributes == set()
    assert AUTOLINKED.findall(page.text) == []


@pytest.mark.parametrize("text", LIVE.values(), ids=LIVE)
def test_nor_in_a_cell(text: str) -> None:
    from backupmeta.words import markdown_table

    page = Rendered(MarkdownIt("commonmark").enable("table").render("".join(markdown_table(("a", "b"), [(text, "z")]))))
    assert (page.tags - OUR_TAGS, AUTOLINKED.findall(page.text)) == (set(), [])
    assert page.text.split()[-1] == "z"


# Class: an environment that decides on bytes.

ENVIRONMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "of a runner": {
        **dict.fromkeys(["CI", "GITHUB_ACTIONS", "TF_BUILD", "GITLAB_CI", "TEAMCITY_VERSION", "JENKINS_URL"], "true"),
        "FORCE_COLOR": "1",
        "CLICOLOR_FORCE": "1",
        "TERM": "xterm-256color",
        "COLUMNS": "11",
        "LINES": "2",
        "TZ": "Asia/Kathmandu",
        "PYTHONHASHSEED": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONINTMAXSTRDIGITS": "640",
    },
    "of another language": {
        "LC_ALL": "C",
        "LANG": "de_DE.ISO-8859-1",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "utf-16:strict",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "0",
        "TZ": ":nonsense",
        "PYTHONHASHSEED": "2",
        "PYTHONINTMAXSTRDIGITS": "0",
        "MAGIC": "/dev/null",
        "LANGUAGE": "de",
    },
}
EXACT: Final[Mapping[str, Arguments]] = {
    "cat": ("cat", "home/ä/application_backups/" + NAME, "APP-META.INI"),
    "view": ("view", "home/ä/application_backups/" + NAME, "--provenance"),
    "list jsonl": ("list", "home", "--jsonl", "--provenance"),
    "list csv": ("list", "home", "--csv"),
    "members json": ("members", "home/ä/application_backups/" + NAME, "--json"),
    "verify junit": ("verify", "home", *NOW, "--format", "junit"),
    "verify sarif": ("verify", "home", *NOW, "--format", "sarif"),
    "timeline": ("timeline", "home", "--jsonl"),
    "report json": ("report", "catalog.sqlite", *NOW, "--json"),
    "export csv": ("export", "catalog.sqlite", "--format", "csv"),
    "export parquet": ("export", "catalog.sqlite", "--format", "parquet", "-o", "out.parquet"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a home that has names, numbers and files which an environment may decide on."""
    folder = tmp_path_factory.mktemp("plain")
    account = Account(folder / "home/ä").whole()
    account.backup(content=backup_record(title="Lébo", backup_time="9" * 700, bytes="9" * 5000))
    (account.archives / "app_ö_b_2024-06-13_20-55-21.tar.gz").write_bytes(b"\x7fELF\x02\x01\x01")
    with contextlib.chdir(folder):
        assert run("scan", "home", "-o", "catalog.sqlite", "--jobs", "1", "--deep").code in {0, 2}
    return folder


@pytest.mark.parametrize("name", EXACT)
def test_the_environment_decides_on_no_byte(plain: Path, name: str) -> None:
    with contextlib.chdir(plain):
        ran = run(*EXACT[name])
    here = _answered(plain, ran.code, ran.out)
    assert here.stdout or here.file
    for changed in ENVIRONMENTS.values():
        line, environment = [*COMMAND, *EXACT[name]], {**os.environ, **changed}
        done = subprocess.run(line, env=environment, cwd=plain, capture_output=True, timeout=LIMIT, check=False)
        assert b"Traceback" not in done.stderr
        assert _answered(plain, done.returncode, done.stdout) == here


class _Answer(NamedTuple):
    code: int
    stdout: bytes
    file: bytes


def _answered(folder: Path, code: int, stdout: bytes) -> _Answer:
    """Return what a command answered, but for when a report was written; and take away the file that it wrote."""
    path = folder / "out.parquet"
    content = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    return _Answer(code, re.sub(rb'"written": ?"[^"]*"', b"", stdout), content)
