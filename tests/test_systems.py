"""Windows and macOS, as far as they can be tried elsewhere: what Python lacks there is not missed."""

import json
import ntpath
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive.member import escapes, folded, is_absolute, plain
from backupmeta.evidence import join_server_path
from tests.invented import FIXTURES, NAME, Account, run
from tests.systems import missing

PROJECT: Final = Path(__file__).parents[1]
COMMANDS: Final = {
    "version": "--version",
    "help": "help",
    "page": "help systems",
    "list": "list {homes}",
    "list as CSV": "list {homes} --csv",
    "installs": "installs {homes} --json",
    "view": "view {archive} --provenance",
    "explain": "explain {archive}",
    "members": "members {archive} --json",
    "cat": "cat {archive} APP-META.INI",
    "needs": "needs {archive}",
    "verify": "verify {homes} --json --jobs 1 --now 2025-06-01",
    "timeline": "timeline {homes} --deep --jobs 1 --jsonl",
    "diff": "diff {archive} {archive} --deep",
    "schema": "schema verify",
    "checks": "checks",
    "to a file": "list {homes} --json -o {folder}/list.json",
    "to the same file": "list {homes} --json -o {folder}/list.json",
    "a catalog": "scan {homes} -o {folder}/c.sqlite --jobs 1 --members --json",
    "find": "find {folder}/c.sqlite --jsonl",
    "list --catalog": "list --catalog {folder}/c.sqlite --json",
    "export": "export {folder}/c.sqlite --csv --table files",
}
"""What answers alike on every system."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="what others lack is taken away from Linux")

Answer: TypeAlias = tuple[int, str, str]
"""An exit code, stdout, stderr."""


class Scene(NamedTuple):
    """What commands are run on; each system has a folder of its own to write to."""

    homes: Path
    archive: Path
    folder: Path

    def command(self, line: str, platform: str) -> list[str]:
        """Return the words of a command that is run on a ``platform``."""
        (folder := self.folder / platform).mkdir(mode=0o700, exist_ok=True)
        return [word.format(homes=self.homes, archive=self.archive, folder=folder) for word in line.split()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("systems")
    shutil.copytree(FIXTURES / "accounts/example", folder / "homes", symlinks=True)
    account = Account(folder / "homes/otheru").whole()
    return Scene(folder / "homes", account.archives / NAME, folder)


def done(platform: str, commands: list[list[str]]) -> list[Answer]:
    """Return what ``commands`` do on a ``platform``: exit code, stdout, stderr."""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'scripts'}"}
    program = [sys.executable, "-W", "error", "-m", "tests.systems", platform]
    ran = subprocess.run(
        program, cwd=PROJECT, env=environment, input=json.dumps(commands), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [tuple(answer) for answer in json.loads(ran.stdout)]


@pytest.fixture(scope="module", params=["win32", "darwin"])
def answers(request: pytest.FixtureRequest, scene: Scene) -> dict[str, Answer]:
    """Give what each command does on a platform."""
    lines = [scene.command(line, request.param) for line in COMMANDS.values()]
    return dict(zip(COMMANDS, done(request.param, lines), strict=True))


@pytest.fixture(scope="module")
def expected(scene: Scene) -> dict[str, Answer]:
    """Give what each command does here."""
    ran = {name: run(*scene.command(line, sys.platform)) for name, line in COMMANDS.items()}
    return {name: (answer.code, answer.text, answer.err) for name, answer in ran.items()}


def comparable(answer: Answer, folder: Path) -> list[str]:
    """Return an answer without the folder of the platform, and how long ago a scan was."""
    own = re.compile(rf"{re.escape(str(folder))}/(win32|darwin|linux)/")
    text = "\n".join(map(str, answer))
    return [own.sub("", line) for line in text.splitlines() if " ago" not in line and '"seconds"' not in line]


@linux
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_answers_as_it_does_here(
    answers: dict[str, Answer], expected: dict[str, Answer], scene: Scene, name: str
) -> None:
    assert expected[name][0] in {0, 1}
    assert comparable(answers[name], scene.folder) == comparable(expected[name], scene.folder)


@linux
def test_files_are_written(answers: dict[str, Answer], expected: dict[str, Answer], scene: Scene) -> None:
    assert answers.keys() == expected.keys()
    lists = [path.read_bytes() for path in scene.folder.glob("*/list.json")]
    assert len(lists) > 1
    assert len(set(lists)) == 1


@linux
@pytest.mark.long
def test_processes_are_started_on_macos(scene: Scene) -> None:
    command = ["timeline", str(scene.homes), "--deep", "--jsonl"]
    [(code, out, _)] = done("darwin", [[*command, "--jobs", "2"]])
    assert (code, out) == (0, run(*command, "--jobs", "1").text)


@linux
def test_windows_has_no_way_to_unpack_safely(scene: Scene) -> None:
    site = str(scene.folder / "site")
    commands = [
        ["extract", str(scene.archive), "--to", site],
        ["extract", str(scene.archive), "--to", site, "--owners"],
        ["needs", str(scene.archive), "--against", site],
    ]
    extracted, with_owners, needs = done("win32", commands)
    refusal = f"{site}: can't be filled safely on this system; extract on Linux or macOS, or in WSL"
    assert (extracted[0], with_owners[0], needs[0]) == (2, 2, 1)
    assert refusal in extracted[2]
    assert refusal in with_owners[2]
    assert "can't be filled safely on this system" in needs[1]
    assert not Path(site).exists()


@linux
def test_what_is_taken_away_is_what_windows_has_not() -> None:
    posix = {"fork", "geteuid", "statvfs", "pread", "O_NOFOLLOW", "O_NOATIME", "O_NONBLOCK", "O_DIRECTORY"}
    assert posix <= missing("os", "win32")
    assert not {"open", "stat", "O_RDONLY", "O_CREAT", "fsync", "fchmod"} & missing("os", "win32")
    assert {"SIGHUP", "SIGALRM", "setitimer", "pthread_sigmask"} <= missing("signal", "win32")
    assert {"sched_getaffinity", "O_NOATIME"} <= missing("os", "darwin")


# --- paths of Windows -------------------------------------------------------------------------------------------------

SITE: Final = r"D:\site"
NAMES: Final = st.text(st.sampled_from("ab.:/\\"), max_size=12) | st.sampled_from(
    [r"C:\x", "C:x", r"\\server\share\x", r"\\?\C:\x", r"..\x", r"a\..\..\x", "/x", r"a/..\../x", "..", ". ./x"]
)


@given(NAMES)
def test_a_name_that_windows_takes_for_a_place_elsewhere_is_refused(name: str) -> None:
    meant = ntpath.normpath(ntpath.join(SITE, name))
    stays = meant == SITE or meant.startswith(f"{SITE}\\")
    names_no_drive = re.match("[^A-Za-z]:", name)  # Windows has letters for drives; ntpath takes anything for them
    assert stays or names_no_drive or is_absolute(name.encode()) or escapes(name.encode())


@given(NAMES)
def test_a_name_that_is_not_refused_means_the_same_file_there(name: str) -> None:
    if not is_absolute(name.encode()) and not escapes(name.encode()):
        path = plain(name.encode()).decode()
        assert ntpath.normpath(ntpath.join(SITE, path)) == ntpath.normpath(ntpath.join(SITE, name))


@pytest.mark.parametrize("folder", ["c:\\", r"c:\inetpub\vhosts", r"D:\a b"])
def test_paths_of_servers_on_windows_are_joined_as_windows_does(folder: str) -> None:
    assert join_server_path(folder, "x", "y.php") == ntpath.join(folder, "x", "y.php")


@pytest.mark.parametrize("pair", [("A.php", "a.PHP"), ("\u00c9", "\u00e9"), ("STRASSE", "stra\u00dfe")])
def test_names_in_another_case_are_told(pair: tuple[str, str]) -> None:
    first, second = (folded(name.encode()) for name in pair)
    assert first == second


# --- tests ------------------------------------------------------------------------------------------------------------

WITHOUT_POSIX: Final = """
import asyncio, os, signal, subprocess, sys, tempfile
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in (
    "chown fchmod fchown fork forkpty getegid geteuid getgid getpgid getuid killpg lchown mkfifo mknod "
    "register_at_fork sched_getaffinity setegid seteuid setsid statvfs "
    "O_CLOEXEC O_DIRECTORY O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGXFSZ", "alarm", "setitimer"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
"""Takes away what Python's documentation ("Availability") gives to POSIX alone; what `subprocess` needs here stays."""


@linux
@pytest.mark.long
def test_the_tests_are_collected_without_posix(tmp_path: Path) -> None:
    (tmp_path / "without_posix.py").write_text(WITHOUT_POSIX)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    command = [sys.executable, "-m", "pytest", "-p", "without_posix", "-p", "no:cacheprovider", "--collect-only", "-q"]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "tests/test_words.py" in ran.stdout
