"""The command as a process of its own: pipes, signals, imports, completion."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.invented import BACKUP, EXAMPLE, EXAMPLE_ID, INSTALL, NAME, Account, archive, backup_record

COMMAND = (sys.executable, "-c", "from backupmeta.cli import main; main()")
HEAVY = {"pydantic", "rich", "magic", "zstandard", "isal"}


def process(*arguments: str | Path, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=120, check=False, env=env)


def shell(script: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a ``script`` in which ``B`` is the command."""
    program = f'B() {{ "{sys.executable}" -c "{COMMAND[2]}" "$@"; }}; {script}'
    return subprocess.run(["bash", "-c", program], capture_output=True, timeout=120, check=False)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Give a home whose list is longer than any pipe."""
    account = Account(tmp_path / "home/exampleu")
    for number in range(300):
        account.backup(f"{number:025}", backup_record(backup_note="x" * 500))
    return account.home


@pytest.mark.parametrize("form", ["--jsonl", "--json --limit 300", "--csv"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_broken_pipe_ends_quietly(large: Path, form: str, unbuffered: str) -> None:
    done = shell(f'export PYTHONUNBUFFERED={unbuffered}; B list {form} "{large}" | head -1; echo "${{PIPESTATUS[0]}}"')
    assert done.stderr == b""
    assert done.stdout.splitlines()[-1] == b"141"


def test_a_broken_pipe_in_the_middle_of_a_member_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(backup_record(), [("big", os.urandom(2_000_000))]))
    done = shell(f'B cat "{tmp_path / NAME}" big | head -c 10 | wc -c; echo "${{PIPESTATUS[0]}}"')
    assert (done.stdout.split(), done.stderr) == ([b"10", b"141"], b"")


@pytest.mark.parametrize(
    "command", ["view {id} --sysroot {root}", "list --sysroot {root}", "list --jsonl --sysroot {root}", "--help"]
)
def test_a_closed_stdout_ends_quietly(command: str) -> None:
    command = command.format(id=EXAMPLE_ID, root=EXAMPLE)
    done = shell(f'B {command} >&-; echo "$?"')
    assert done.stdout == b"0\n"
    assert b"Traceback" not in done.stderr


def test_a_closed_stderr_costs_nothing_but_the_talk() -> None:
    done = shell(f"B list '{EXAMPLE}/nowhere' 2>&-; echo \"$?\"")
    assert done.stdout == b"2\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", ["--jsonl", "--json"])
def test_a_full_disk_is_one_line(large: Path, form: str) -> None:
    done = shell(f'B list {form} "{large}" >/dev/full; echo "$?"')
    assert done.stdout == b"2\n"
    assert done.stderr == b"backupmeta: can't write: No space left on device\n"


@pytest.mark.parametrize("form", ["--jsonl", "--csv"])
def test_ctrl_c_ends_quietly(large: Path, form: str) -> None:
    running = subprocess.Popen(
        [*COMMAND, "list", form, str(large)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.read(1)  # it is in the middle of its output, which nobody takes
    time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(10) == 130
    assert running.stderr.read().strip() == b""
    running.stdout.close()
    running.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["--version"], HEAVY),
        (["--help"], HEAVY),
        (["list", "--help"], HEAVY),
        (["list", "--jsonl", str(EXAMPLE)], {"pydantic", "rich", "magic", "zstandard"}),
        (["view", EXAMPLE_ID, "--sysroot", str(EXAMPLE)], {"pydantic", "rich", "magic", "zstandard"}),
        (["view", "nothing", "--sysroot", str(EXAMPLE)], {"pydantic", "rich", "magic", "zstandard"}),
    ],
)
def test_nothing_is_imported_that_is_not_needed(arguments: list[str], without: set[str]) -> None:
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    done = subprocess.run([*COMMAND[:2], told + COMMAND[2], *arguments], capture_output=True, check=False)
    imported = done.stderr.decode().splitlines()[-1].split()
    assert "click" in imported
    assert not without & set(imported)


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "backupmeta", "view", EXAMPLE_ID], capture_output=True, check=False)
    direct = process("view", EXAMPLE_ID)
    assert (done.returncode, done.stdout) == (direct.returncode, direct.stdout)
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["backupmeta", "python -m backupmeta"])
def test_usage_has_what_was_typed(name: str) -> None:
    begin = COMMAND if name == "backupmeta" else [sys.executable, "-m", "backupmeta"]
    done = subprocess.run([*begin, "view"], capture_output=True, check=False)
    assert done.stderr.decode().splitlines()[:2] == [
        f"Usage: {name} view [OPTIONS] TARGET",
        f"Try '{name} view --help' for help.",
    ]
    version = subprocess.run([*begin, "--version"], capture_output=True, check=False).stdout
    assert version.startswith(b"backupmeta 0.")


def test_completion_is_of_the_program_even_where_a_module_offers_it() -> None:
    told = {**os.environ, "_BACKUPMETA_COMPLETE": "bash_source"}
    done = subprocess.run([sys.executable, "-m", "backupmeta"], env=told, capture_output=True, check=False)
    assert b"complete -o nosort -F _backupmeta_completion backupmeta\n" in done.stdout


def completed(line: str, **environment: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    told: Mapping[str, str] = {**os.environ, "_BACKUPMETA_COMPLETE": "bash_complete", **words, **environment}
    return process(env=told).stdout.decode().splitlines()


def test_commands_are_completed() -> None:
    assert completed("backupmeta vi") == ["plain,view"]
    assert completed("backupmeta schema b") == ["plain,backup", "plain,baseline"]
    assert "plain,--sysroot" in completed("backupmeta list --s")


def test_ids_and_archives_are_completed_where_the_command_looks(tmp_path: Path) -> None:
    account = Account(tmp_path / "exampleu").whole()
    assert completed(f"backupmeta view --root {tmp_path} {BACKUP[:2]}") == [f"plain,{BACKUP}"]
    assert completed(f"backupmeta view --root {account.home} app_") == [f"plain,{NAME}"]
    assert completed(f"backupmeta view --root {tmp_path} c") == [f"plain,{INSTALL}"]
    assert completed(f"backupmeta view --sysroot {EXAMPLE} 12")[0] == f"plain,{EXAMPLE_ID}"
    assert completed(f"backupmeta view --root {tmp_path}/nowhere b") == ["file,b"]


def test_completion_is_offered_for_the_shells() -> None:
    done = process(env={**os.environ, "_BACKUPMETA_COMPLETE": "zsh_source"})
    assert b"compdef _backupmeta_completion backupmeta" in done.stdout


def test_output_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / BACKUP).write_bytes(backup_record(title="é—日本"))
    done = process("view", tmp_path / BACKUP, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert "é—日本" in done.stdout.decode("utf-8")
