"""The command ``help``: the manual's pages, as they are, on a terminal, for a browser."""

import os
import pty
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli.commands import COMMANDS
from backupmeta.render import manual
from backupmeta.render.man_pages import Described, man_page
from tests.invented import run

PROJECT = Path(__file__).parents[2]
PAGES = {page.stem: page for page in PROJECT.glob("backupmeta/manual/*.md")} | {
    "format": PROJECT / "fixtures/FORMAT.md"
}


def test_every_page_of_the_manual_is_listed_in_a_line_of_its_own() -> None:
    ran = run("help")
    topics = re.findall(r"^  ([\w-]+) +\S.*\.$", ran.text, re.MULTILINE)
    assert (ran.code, sorted(topics)) == (0, sorted(PAGES))
    assert topics[0] == "start"


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_in_a_pipe_is_its_file_byte_by_byte(topic: str) -> None:
    assert run("help", topic) == (0, PAGES[topic].read_bytes(), "")


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# `a` b\n\nSays *yes* or\n`no.` And why.\n\nMore.\n", "Says yes or no."),
        ("# a\n\nSays [yes](b.md), and why:\n\n    c\n", "Says yes, and why."),
        ("# A table\n\n| a | b |\n|---|---|\n", "A table."),
        ("# Code\n\n    a. b\n\nSays yes.\n", "Code."),
    ],
)
def test_the_first_sentence_stands_for_a_page(text: str, summary: str) -> None:
    assert manual.Page("a", text.encode()).summary == summary


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - PAGES.keys()))
def test_a_command_is_a_topic(command: str) -> None:
    assert run("help", command) == run(command, "--help")


@pytest.mark.parametrize("words", [("exit", "codes"), ("Exit-Codes",), ("exit codes",)])
def test_a_topic_may_be_given_in_words(words: tuple[str, ...]) -> None:
    assert run("help", *words).out == PAGES["exit-codes"].read_bytes()


def test_a_finding_and_a_group_of_them_are_topics() -> None:
    assert run("help", "table-missing") == run("checks", "table-missing")
    assert run("help", "safe") == run("checks", "safe")


def test_every_finding_can_be_asked_for() -> None:
    assert FINDINGS.keys() & {*PAGES, *COMMANDS} == set()


@pytest.mark.parametrize(
    ("topic", "advice"),
    [
        ("verfy", "did you mean 'verify'?"),
        ("exit-code", "did you mean 'exit-codes'?"),
        ("table-mising", "did you mean 'table-missing'?"),
        ("../verify", "did you mean 'verify'?"),
        ("qqqq", "'backupmeta help' lists the topics"),
        ("", "'backupmeta help' lists the topics"),
        ("xy", "'backupmeta help' lists the topics"),
        ("Ballast", "it stands in 'backupmeta help format'\n"),
        ("cPanel", "it stands in 'backupmeta help "),
        ("baseline", "it stands in 'backupmeta help ci', 'backupmeta help verify'"),
        ("2", "it stands in 'backupmeta help exit-codes'\n"),
    ],
)
def test_a_typo_names_the_nearest_topic(topic: str, advice: str) -> None:
    ran = run("help", topic)
    assert (ran.code, ran.out) == (2, b"")
    assert f"Error: {topic!r} is no topic; {advice}" in ran.err


def test_a_page_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual, "files", lambda _package: tmp_path / "backupmeta")
    for topic, reason in (((), "manual: the manual"), (("verify",), "manual: the manual")):
        ran = run("help", *topic)
        assert (ran.code, ran.out) == (2, b"")
        assert f"{reason} is missing; install backupmeta again: this installation is not whole\n" in ran.err
    (tmp_path / "backupmeta/manual").mkdir(parents=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text(manual.WRITTEN)
    assert run("help", "--html", tmp_path / "site").code == 2
    assert (tmp_path / "site/index.html").exists()
    assert "manual/verify.md: this page of the manual is missing; install" in run("help", "verify").err
    assert "manual/start.md: this page of the manual is missing; install" in run("help").err


# --- on a terminal ----------------------------------------------------------------------------------------------------


def on_terminal(*arguments: str, **environment: str) -> str:
    """Return what a terminal of 80 columns gets from the command, as a process."""
    ours, theirs = pty.openpty()
    told = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **environment}
    told.pop("LESS", None)
    command = [sys.executable, "-m", "backupmeta", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=told)
    os.close(theirs)
    output = b""
    try:
        while piece := os.read(ours, 65_536):
            output += piece
    except OSError:  # EIO: nobody has the other side open any more (Linux)
        pass
    os.close(ours)
    assert process.wait() == 0
    return output.decode()


def test_a_terminal_shows_a_page_rendered() -> None:
    shown = on_terminal("help", "verify", PAGER="")
    assert "\x1b[" in shown
    assert "```" not in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    assert "Verify" in plain
    assert re.search(r"\x1b\[[\d;]*3\d", shown)
    assert not re.search(r"\x1b\[[\d;]*3\d", on_terminal("help", "verify", PAGER="", NO_COLOR="1"))


def test_it_goes_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "less"
    pager.write_text(f'#!/bin/sh\necho "$LESS" > {tmp_path}/said\nexec cat > {tmp_path}/shown\n')
    pager.chmod(0o755)
    assert on_terminal("help", "verify", PAGER=str(pager)) == ""
    assert (tmp_path / "said").read_text() == "-FRX\n"
    assert "\x1b[" in (tmp_path / "shown").read_text()


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("see [Verify](verify.md)", "see Verify (help verify)"),
        ("see [the format](../../fixtures/FORMAT.md#2-the-archive)", "see the format (help format)"),
        ("see [`help verify`](verify.md#x)", "see help verify"),
        ("see [promises](../../SECURITY.md)", "see promises"),
    ],
)
def test_a_link_to_a_page_shows_what_to_type(link: str, shown: str) -> None:
    assert re.sub(r"\x1b\[[\d;]*m", "", manual.for_terminal(link, 80)).strip() == shown


# --- for a browser ----------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Reads a page: what can be linked to in it, where its links lead, what it loads, its tags."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors, self.links, self.loaded, self.tags = [""], list[str](), list[str](), list[str]()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.anchors += [attributes["id"]] if "id" in attributes else []
        self.loaded += [attributes["src"]] if "src" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual for a browser, written twice."""
    folder = tmp_path_factory.mktemp("manual") / "site"
    assert run("help", "--html", folder) == run("help", "--html", folder) == (0, b"", "")
    return folder


def test_the_pages_link_to_what_exists_and_load_nothing(site: Path) -> None:
    pages = {page.name: Reader(page) for page in site.iterdir()}
    assert pages.keys() == {"index.html", *(f"{topic}.html" for topic in PAGES)}
    for name, page in pages.items():
        assert page.loaded == []
        assert not {"script", "link", "img", "iframe"} & set(page.tags)
        inner = [link.partition("#") for link in page.links if not re.match(r"https?://", link)]
        dead = [
            link for link in inner if link[2] not in pages.get(link[0] or name, Reader(site / "index.html")).anchors
        ]
        assert [link for link in inner if link[0] and link[0] not in pages] == []
        assert dead == []
        assert len(page.anchors) == len(set(page.anchors))
    assert {f"{topic}.html" for topic in PAGES} <= set(pages["index.html"].links)


def test_links_of_a_page_lead_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "backupmeta/manual"
    shutil.copytree(PROJECT / "backupmeta/manual", folder)
    shutil.copytree(PROJECT / "fixtures/api", tmp_path / "fixtures/api")
    shutil.copy(PAGES["format"], tmp_path / "fixtures")
    (folder / "zoo.md").write_text(
        "# Zoo & <b>bold</b>\n\n<!-- begin -->\n\nA [page](verify.md#verify-and-policy), "
        "[format](../../fixtures/FORMAT.md), [no page](../../SECURITY.md), [outside](https://example.com/a.md), "
        "[here](#two-words-1).\n\n"
        "## Two `words`\n\n## Two words\n"
    )
    shutil.copy(PROJECT / "backupmeta/render/manual.html", tmp_path)
    folders = {"backupmeta": tmp_path / "backupmeta", "backupmeta.render": tmp_path}
    monkeypatch.setattr(manual, "files", folders.__getitem__)
    page = dict(manual.site())["zoo.html"]
    for expected in (
        '<a href="verify.html#verify-and-policy">page</a>',
        '<a href="format.html">format</a>',
        ", no page,",
        '<a href="https://example.com/a.md">outside</a>',
        '<a href="#two-words-1">here</a>',
        '<h2 id="two-words">Two <code>words</code></h2>',
        '<h2 id="two-words-1">Two words</h2>',
        "Zoo &amp; &lt;b&gt;bold&lt;/b&gt;</h1>",
        "<title>Zoo &amp; &lt;b&gt;bold&lt;/b&gt; | backupmeta</title>",
    ):
        assert expected in page
    assert "begin" not in page
    assert "\n  zoo " in run("help").text


@pytest.mark.parametrize("option", ["--html", "--man"])
def test_other_peoples_files_are_left_alone(tmp_path: Path, option: str) -> None:
    (tmp_path / "mine.html").write_text("<!doctype html>\n")
    ran = run("help", option, tmp_path)
    assert ran.code == 2
    assert f"{tmp_path}: has other files, such as mine.html; name a new or an empty folder" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]
    (tmp_path / "mine.html").unlink()
    (tmp_path / "verify.html").symlink_to("/dev/zero")
    assert run("help", option, tmp_path).code == 2
    (tmp_path / "verify.html").unlink()
    os.mkfifo(tmp_path / "pipe")
    assert run("help", option, tmp_path).code == 2


@pytest.mark.parametrize("option", ["--html", "--man"])
def test_a_folder_of_evidence_is_not_written_to(tmp_path: Path, option: str) -> None:
    records = tmp_path / "exampleu/.appdata/current"
    records.mkdir(parents=True)
    assert run("help", option, records).code == 2
    assert list(records.iterdir()) == []


@pytest.mark.parametrize("option", ["--html", "--man"])
def test_a_file_is_no_folder(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("mine")
    ran = run("help", option, tmp_path / "file")
    assert (ran.code, ran.out) == (2, b"")
    assert f"{tmp_path}/file: is no folder; name a new or an empty folder" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_one_thing_at_a_time(tmp_path: Path) -> None:
    ran = run("help", "verify", "--html", tmp_path)
    assert ran.code == 2
    assert "--html and --man write all pages; give no TOPIC with them" in ran.err


# --- man pages --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def man_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The man pages by their names, written twice."""
    folder = tmp_path_factory.mktemp("manual") / "man1"
    assert run("help", "--man", folder) == run("help", "--man", folder) == (0, b"", "")
    return {path.stem: path for path in folder.iterdir()}


def test_there_is_a_man_page_of_each_command(man_pages: dict[str, Path]) -> None:
    assert man_pages.keys() == {"backupmeta", *(f"backupmeta-{name}" for name in COMMANDS)}
    assert {path.suffix for path in man_pages.values()} == {".1"}


def shown(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Return what man(1) makes of a page; it has to be the one of man-db."""
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("there is no man here")
    told = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANROFFSEQ": ""}
    command = ["man", "--local-file", *options, str(page)]
    return subprocess.run(command, env=told, capture_output=True, check=False, text=True)


def test_man_warns_of_nothing(man_pages: dict[str, Path]) -> None:
    for page in man_pages.values():
        checked = shown(page, "--warnings", "-E", "UTF-8", "-Tutf8", "-Z")
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_man_page_has_what_help_says_and_the_commands_page(man_pages: dict[str, Path]) -> None:
    text = re.sub(r".\x08", "", shown(man_pages["backupmeta-verify"], "--no-hyphenation", "--no-justification").stdout)
    words = " ".join(text.split())
    assert "NAME backupmeta-verify - Say whether backups are whole, and are what their records say" in words
    assert "SYNOPSIS backupmeta verify [OPTIONS] [TARGET]... DESCRIPTION" in words
    assert "--select ID Judge this alone: a check's id, or a group." in words
    assert "\n         backupmeta verify --sysroot /mnt/image --now 2024-06-14 --json\n" in text
    assert re.search(r"^VERIFY, AND POLICY$", text, re.MULTILINE)
    assert re.search(r"^ +whole +Does it inflate to its end", text, re.MULTILINE)
    assert "backupmeta-view(1)" in words
    assert "More: 'backupmeta help verify'." in words
    everything = re.sub(r".\x08", "", shown(man_pages["backupmeta"]).stdout)
    assert all(re.search(rf"^ +{name}\b", everything, re.MULTILINE) for name in COMMANDS)


def test_roff_takes_nothing_of_a_page_for_its_own() -> None:
    blocks = [
        "# A `b` page",
        ".SH no heading, 'nor \\f *this*\n'nor this…",
        "    .TH a\n    b\\c",
        "- an **item `code` on**\n\n  more",
        "2. two",
        "<!-- nothing -->",
        "## Part",
        "### Deeper",
        "| a | b | c |\n|---|---|---|\n| x | .y | |\n| z | 1 | 2 |",
    ]
    described = Described("a b", "Does.", "C", "Says.", [("-x", "Means.")], {}, "\n\n".join(blocks))
    assert man_page(described, "1.0", ["a"]).splitlines()[5:] == [
        "a\\-b \\- Does.",
        ".SH SYNOPSIS",
        "\\fBa b\\fR C",
        ".SH DESCRIPTION",
        ".PP",
        "Says.",
        ".SH OPTIONS",
        ".TP",
        "\\fB\\-x\\fR",
        "Means.",
        ".SH A B PAGE",
        ".PP",
        "\\&.SH no heading, \\(aqnor \\ef \\fIthis\\fR",
        "\\(aqnor this\\[u2026]",
        ".PP",
        ".RS 4",
        ".EX",
        "\\&.TH a",
        "b\\ec",
        ".EE",
        ".RE",
        ".IP \\(bu 2",
        "an \\fBitem \\fBcode\\fB on\\fR",
        ".RS 4",
        ".PP",
        "more",
        ".RE",
        ".IP 2. 4",
        "two",
        ".SS Part",
        ".PP",
        "\\fBDeeper\\fR",
        ".TP",
        "\\fBx\\fR",
        "\\&.y",
        ".TP",
        "\\fBz\\fR",
        "1",
        ".br",
        "2",
        ".SH SEE ALSO",
        "\\fBa\\fR(1)",
    ]
