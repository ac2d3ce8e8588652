"""``verify`` and ``checks`` as a person uses them: options, formats, files, exit codes, progress, processes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from backupmeta.archive import reader
from backupmeta.archive.reader import Pass
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.evidence import EvidenceFile
from tests.invented import INSTALL, NAME, TIME, Account, run
from tests.sites import honest, packed, record

COMMAND = Path(sys.executable).parent / "backupmeta"
NOW = ("--now", str(TIME + 3600))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return honest(tmp_path / "exampleu")


@pytest.fixture
def broken(account: Account) -> Path:
    """A backup without one of its tables."""
    path, changed = account.archives / NAME, record(list_tables="wp_options,wp_users,wp_posts")
    account.backup(content=changed)
    path.write_bytes(packed(changed))
    return path


class TestExitCodes:
    def test_0_where_all_passes(self, account: Account) -> None:
        ran = run("verify", account.home, *NOW)
        assert (ran.code, ran.err) == (0, "")
        assert ran.text.splitlines()[-1] == "2 targets: 2 pass"

    def test_1_where_something_fails(self, broken: Path) -> None:
        ran = run("verify", broken, *NOW)
        assert ran.code == 1
        assert "[table-missing]" in ran.text
        assert ran.text.splitlines()[-1] == "1 target: 1 fail"

    def test_2_wins(self, broken: Path, tmp_path: Path) -> None:
        ran = run("verify", broken, tmp_path / "missing.tar.gz", *NOW)
        assert ran.code == 2
        assert ran.text.splitlines()[-1] == "2 targets: 1 fail, 1 unreadable"

    def test_2_where_nothing_is(self, tmp_path: Path) -> None:
        ran = run("verify", tmp_path)
        assert ran.code == 2
        assert ran.text == "0 targets: nothing was verified\n"
        assert ran.err.startswith(f"backupmeta: there is no backup in {tmp_path}; give")

    @pytest.mark.parametrize(("least", "code"), [("error", 0), ("warning", 0), ("note", 1)])
    def test_fail_on(self, account: Account, least: str, code: int) -> None:
        assert run("verify", account.archives / NAME, "--fail-on", least, *NOW).code == code

    def test_a_mistake_is_told_with_the_nearest_right_name(self, account: Account) -> None:
        ran = run("verify", account.home, "--ignore", "table-mising")
        assert ran.code == 2
        assert "--ignore" in ran.err
        assert "did you mean 'table-missing'?" in ran.err
        assert ran.out == b""


class TestPolicy:
    def test_a_file(self, account: Account, tmp_path: Path) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text(
            '[require]\nfiles = ["wp-cron.php"]\ntables = ["{prefix}posts"]\n[versions]\nwordpress = "6.6"\n'
        )
        ran = run("verify", account.archives / NAME, "--policy", policy, "--json", *NOW)
        assert ran.code == 1
        found = {one["id"] for one in ran.json["targets"][0]["findings"]}
        assert found == {"file-missing", "table-missing", "version-too-old", "record-holds-secrets"}

    def test_the_nearest_project(self, broken: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        project = tmp_path / "project"
        (project / "deeper").mkdir(parents=True)
        (project / "pyproject.toml").write_text('[tool.backupmeta]\nignore = ["table-missing"]\n')
        monkeypatch.chdir(project / "deeper")
        assert run("verify", broken, *NOW).code == 0
        monkeypatch.chdir(tmp_path)
        assert run("verify", broken, *NOW).code == 1

    def test_evidence_does_not_choose_it(self, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = broken.parent.parent
        (home / "pyproject.toml").write_text('[tool.backupmeta]\nignore = ["table-missing"]\n')
        monkeypatch.chdir(home)
        ran = run("verify", ".", *NOW)
        assert ran.code == 1
        assert "name it with --policy if you trust it" in ran.err
        assert run("verify", ".", "--policy", "pyproject.toml", *NOW).code == 0
        (home.parent / "pyproject.toml").write_text('[tool.backupmeta]\nignore = ["safe"]\nfail-on = "error"\n')
        assert "the policy is the one in" in run("verify", ".", *NOW).err
        (home / "pyproject.toml").write_text("[tool.backupmeta")
        assert run("verify", ".", *NOW).code == 1

    def test_all_its_mistakes_at_once(self, broken: Path, tmp_path: Path) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text('fail_on = "eror"\n[requir]\n')
        ran = run("verify", broken, "--policy", policy)
        assert ran.code == 2
        lines = ran.err.splitlines()
        assert len(lines) == 2
        assert all(str(policy) in line for line in lines)

    def test_limits_of_the_option_win(self, account: Account, tmp_path: Path) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text("[bounds]\nmembers = 2\n")
        path = account.archives / NAME
        assert "limit-exceeded" in run("verify", path, "--policy", policy, *NOW).text
        assert run("verify", path, "--policy", policy, "--bound", "members=100", *NOW).code == 0

    def test_select(self, broken: Path) -> None:
        assert run("verify", broken, "--select", "safe", "--select", "record", *NOW).code == 0
        assert run("verify", broken, "--select", "table-missing", *NOW).code == 1


class TestAnswers:
    def test_json(self, broken: Path) -> None:
        ran = run("verify", broken, "--json", *NOW)
        assert ran.json["summary"]["verdicts"] == {"not judged": 0, "pass": 0, "fail": 1, "unreadable": 0}
        assert ran.err == "backupmeta: 1 target: 1 fail\n"

    def test_junit(self, broken: Path) -> None:
        assert ET.fromstring(run("verify", broken, "--format", "junit", *NOW).text).find(".//failure") is not None  # noqa: S314

    def test_sarif(self, broken: Path) -> None:
        assert run("verify", broken, "--format", "sarif", *NOW).json["version"] == "2.1.0"

    def test_sarif_has_the_most_severe_and_says_what_it_leaves_out(self, broken: Path) -> None:
        changed = record(list_tables="wp_options,wp_users,wp_posts", url="https://other.example/blog")
        broken.write_bytes(packed(changed))
        whole = run("verify", broken, "--format", "sarif", "--sarif-results", "25000", "--sarif-notes", *NOW)
        levels = [found["level"] for found in whole.json["runs"][0]["results"]]
        assert (levels.count("error"), set(levels)) == (1, {"error", "warning", "note"})
        assert whole.err == "backupmeta: 1 target: 1 fail\n"
        ran = run("verify", broken, "--format", "sarif", "--sarif-results", "1", *NOW)
        (only,) = ran.json["runs"]
        assert [found["level"] for found in only["results"]] == ["error"]
        said = only["invocations"][0]["toolExecutionNotifications"]
        assert sum(one["properties"]["leftOut"] for one in said) == len(levels) - 1
        first, second = ran.err.splitlines()
        assert re.fullmatch(r"backupmeta: left out of SARIF: \d+ warnings?, \d+ notes?; --sarif-results N .*", first)
        assert second == "backupmeta: 1 target: 1 fail"

    def test_sarif_has_notes_that_fail(self, account: Account) -> None:
        def levels(*arguments: str) -> set[str]:
            ran = run("verify", account.home, "--format", "sarif", *NOW, *arguments)
            return {found["level"] for found in ran.json["runs"][0]["results"]}

        assert levels() == set()
        assert levels("--fail-on", "note") == levels("--sarif-notes") == {"note"}

    @pytest.mark.parametrize("option", [["--sarif-results", "2"], ["--sarif-notes"]])
    def test_what_is_for_sarif_goes_with_no_other_format(self, account: Account, option: list[str]) -> None:
        ran = run("verify", account.home, "--json", *option)
        assert ran.code == 2
        assert "--format sarif" in ran.err

    def test_files_are_named_from_the_working_folder_on(self, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def names(*arguments: str) -> set[str]:
            log = run("verify", broken, "--format", "sarif", *NOW, *arguments).json
            return {one["location"]["uri"] for one in log["runs"][0]["artifacts"]}

        monkeypatch.chdir(broken.parents[1])
        name = broken.name
        assert names() == {f"application_backups/{name}"}
        assert names("--relative-to", "..") == {f"exampleu/application_backups/{name}"}
        assert names("--relative-to", ".appdata") == {broken.as_uri()}

    def test_another_folder_is_for_ci(self, broken: Path, tmp_path: Path) -> None:
        ran = run("verify", broken, "--relative-to", tmp_path)
        assert (ran.code, ran.out) == (2, b"")
        assert "--relative-to needs --format junit or --format sarif or --format github" in ran.err
        ran = run("verify", broken, "--format", "junit", "--relative-to", tmp_path / "missing")
        assert (ran.code, ran.out) == (2, b"")
        assert "does not exist" in ran.err

    def test_no_run_has_more_results_than_github_accepts(self, broken: Path) -> None:
        assert run("verify", broken, "--format", "sarif", "--sarif-results", "25001").code == 2

    def test_a_working_folder_that_was_removed(self, broken: Path, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        script = 'rmdir "$PWD" && exec "$@"'
        command = ["sh", "-c", script, "sh", str(COMMAND), "verify", str(broken), "--format", "sarif", *NOW]
        log = json.loads(subprocess.run(command, cwd=gone, stdout=subprocess.PIPE, check=False).stdout)
        assert log["runs"][0]["artifacts"][0]["location"]["uri"] == str(broken)[1:]

    def test_github(self, broken: Path) -> None:
        assert run("verify", broken, "--format", "github", *NOW).text.startswith("::error ")

    def test_a_file_for_the_answer(self, broken: Path, tmp_path: Path) -> None:
        target = tmp_path / "report.json"
        ran = run("verify", broken, "--json", "-o", target, *NOW)
        assert (ran.code, ran.out) == (1, b"")
        assert json.loads(target.read_text())["summary"]["targets"] == 1
        assert ran.err == "backupmeta: 1 target: 1 fail\n"

    def test_an_archive_is_never_overwritten(self, broken: Path) -> None:
        before = broken.read_bytes()
        ran = run("verify", "--json", "-o", broken)
        assert ran.code == 2
        assert "would be overwritten" in ran.err
        assert broken.read_bytes() == before

    @pytest.mark.parametrize("name", ["link", "plain", "home/report.json"])
    def test_nothing_is_written_over_evidence_or_beside_it(self, broken: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / "link").symlink_to(broken)
        (tmp_path / "plain").write_bytes(broken.read_bytes())
        (tmp_path / "home").symlink_to(broken.parent.parent)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        ran = run("verify", tmp_path / "plain", tmp_path / "home", "-o", tmp_path / name)
        assert ran.code == 2
        assert "--output" in ran.err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_an_interrupted_run_leaves_the_last_answer(
        self, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        target = tmp_path / "report.json"
        target.write_text("whole")
        monkeypatch.setattr("backupmeta.verification.examined", interrupted)
        assert run("verify", broken, "--json", "-o", target).code == 130
        assert target.read_text() == "whole"
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.json"]

    def test_a_device_is_written_to(self, broken: Path) -> None:
        assert run("verify", broken, "-o", "/dev/null", *NOW).code == 1

    def test_no_line_begins_with_evidence(self, tmp_path: Path) -> None:
        account = honest(tmp_path / "exampleu")
        names = {f"{word}::pwned": b"" for word in ("::error", "::stop-commands", "::warning file=x")}
        (account.archives / NAME).write_bytes(packed(record(), names))
        lines = run("verify", account.archives / NAME, *NOW).text.splitlines()
        assert sum("::" in line for line in lines) == 3
        assert not any(line.lstrip().startswith("::") for line in lines)

    def test_a_folder_that_is_not_there(self, broken: Path, tmp_path: Path) -> None:
        ran = run("verify", broken, "-o", tmp_path / "missing/report.txt")
        assert ran.code == 2
        assert "report.txt" in ran.err


class TestQuiet:
    def test_what_is_well_is_not_told_by_any_command(self, account: Account, tmp_path: Path) -> None:
        archive, catalog = account.archives / NAME, tmp_path / "catalog.sqlite"
        silent: list[list[str | Path]] = [
            ["verify", account.home, *NOW],
            ["verify", archive, "-o", tmp_path / "text", *NOW],
            ["scan", account.home, "-o", catalog],
            ["extract", archive, "--to", tmp_path / "site"],
        ]
        for arguments in silent:
            assert run(*arguments, "--quiet") == (0, b"", "")
        answering: list[list[str | Path]] = [
            ["members", archive],
            ["list", "--catalog", catalog],
            ["scan", account.home, "-o", catalog],
        ]
        for arguments in answering:
            ran = run(*arguments, "--quiet", "--json")
            assert (ran.code, bool(ran.json), ran.err) == (0, True, "")
        assert "backupmeta: " in run("members", archive).err

    def test_what_fails_is_told(self, broken: Path, tmp_path: Path) -> None:
        ran = run("verify", broken, "--quiet", *NOW)
        assert (ran.code, ran.err) == (1, "")
        assert ran.text.splitlines()[0] == f"{broken}: fail (1 error)"
        assert "[table-missing]" in ran.text
        broken.write_bytes(broken.read_bytes()[:-40])
        for more in ((), ("--to", tmp_path / "site")):
            ran = run("extract" if more else "members", broken, *more, "--quiet")
            assert ran.code == 2
            assert "[archive-truncated]" in ran.err


class TestProcesses:
    def many(self, folder: Path, count: int = 9) -> Path:
        for number in range(count):
            honest(folder / f"user{number}")
        (folder / f"user3/application_backups/{NAME}").write_bytes(b"<html>")
        (folder / f"user5/.appdata/current/{INSTALL}").unlink()
        return folder

    @pytest.mark.parametrize("form", ["text", "json", "sarif", "junit"])
    def test_the_answer_does_not_depend_on_them(self, tmp_path: Path, form: str) -> None:
        folder = self.many(tmp_path)
        one, three = (run("verify", folder, "--jobs", jobs, "--format", form, *NOW) for jobs in ("1", "3"))
        assert one == three
        assert one.code == 2

    def test_more_than_the_system_allows(self, tmp_path: Path) -> None:
        folder = self.many(tmp_path, 40)
        command = f"ulimit -n 40; exec {COMMAND} verify {folder} --jobs 40 --now {TIME + 3600}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
        assert (done.returncode, b"only 1 of 40 processes" in done.stderr) == (2, True)
        assert done.stdout == run("verify", folder, "--jobs", "1", *NOW).out

    def test_too_little_memory_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise MemoryError

        account = honest(tmp_path / "exampleu")
        monkeypatch.setattr("backupmeta.verification.library.resolved", refuse)
        ran = run("verify", account.archives / NAME)
        assert ran.code == 2
        assert "it asks for more memory than there is" in ran.text

    def test_a_full_disk_behind_stderr_changes_no_exit_code(self, tmp_path: Path) -> None:
        account = honest(tmp_path / "exampleu")
        for arguments, code in ((["--json"], 0), (["--policy", "nope"], 2)):
            with open("/dev/full", "w") as full:  # noqa: PTH123
                command = [str(COMMAND), "verify", str(account.archives / NAME), *arguments, *NOW]
                done = subprocess.run(command, stderr=full, stdout=subprocess.DEVNULL, check=False)
            assert done.returncode == code

    def test_a_killed_one_costs_nothing_but_time(self, tmp_path: Path) -> None:
        """As the system does it that runs out of memory."""
        for number in range(3):
            with (tmp_path / f"app_{number}_b_2024-06-13_20-55-21.tar").open("wb") as file:
                file.write(b"x" * 512)
                file.truncate(2**29)  # sparse; a search for headers in it takes long
        command = [str(COMMAND), "verify", str(tmp_path), *NOW, "--jobs"]
        with subprocess.Popen([*command, "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            children = wait_for_children(process.pid, 2)
            os.kill(children[0], signal.SIGKILL)
            out, err = process.communicate(timeout=120)
        undisturbed = subprocess.run([*command, "1"], capture_output=True, check=False)
        assert (process.returncode, out, err) == (undisturbed.returncode, undisturbed.stdout, undisturbed.stderr)
        assert not any(is_running(child) for child in children)

    def test_an_archive_that_kills_each_of_them_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own, walk, folder = os.getpid(), reader.Pass, self.many(tmp_path)

        def deadly(file: EvidenceFile, *arguments: Any, **options: Any) -> Pass:
            if "user4" in file.path and os.getpid() != own:
                os.kill(os.getpid(), signal.SIGKILL)
            return walk(file, *arguments, **options)

        before = run("verify", folder, "--json", "--jobs", "1", *NOW).json["targets"]
        monkeypatch.setattr("backupmeta.verification.Pass", deadly)
        after = run("verify", folder, "--json", "--jobs", "2", *NOW).json["targets"]
        differing = [new for old, new in zip(before, after, strict=True) if old != new]
        [told] = [one for one in differing if one["path"].endswith(NAME)]
        assert (told["verdict"], "user4" in told["path"]) == ("unreadable", True)
        assert "the process that read it ended; is there too little memory?" in str(told["findings"])

    def test_they_end_with_the_command(self, tmp_path: Path) -> None:
        for number in range(3):
            with (tmp_path / f"app_{number}_b_2024-06-13_20-55-21.tar").open("wb") as file:
                file.write(b"x" * 512)
                file.truncate(2 * 2**30)
        with subprocess.Popen([COMMAND, "verify", tmp_path, "--jobs", "2"], stderr=subprocess.DEVNULL) as process:
            children = wait_for_children(process.pid, 2)
            process.kill()
        deadline = time.monotonic() + 20
        while any(is_running(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(is_running(child) for child in children)


def wait_for_children(parent: int, count: int) -> list[int]:
    """Return the processes that ``parent`` started, once there are ``count`` of them."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if len(found := listed.read_text().split()) >= count:
            return [int(one) for one in found]
        time.sleep(0.02)
    raise TimeoutError


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestOnATerminal:
    def shown(self, *arguments: str | Path, out: int | None = None) -> tuple[bytes, bytes]:
        """Return what ``verify`` writes to a terminal as stderr, and to stdout: the same terminal, or a pipe."""
        master, slave = pty.openpty()
        with subprocess.Popen(
            [COMMAND, "verify", *arguments],
            stdout=slave if out is None else out,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        ) as process:
            os.close(slave)
            written = b""
            try:
                while piece := os.read(master, 65536):
                    written += piece
            except OSError:
                pass  # a terminal whose last user went away
            piped = process.stdout.read() if process.stdout else b""
        os.close(master)
        return written, piped

    def test_a_bar_and_colours(self, tmp_path: Path) -> None:
        folder = TestProcesses().many(tmp_path)
        written, _ = self.shown(folder, *NOW)
        assert b"\x1b[31mfail" in written or b"\x1b[35munreadable" in written
        assert re.search(rb"[0-9.]+/[0-9.]+ (bytes|kB)[^\r\n]* [0-9]+ pass", written)
        assert b"17 targets: " in written or b"18 targets: " in written

    def test_a_pipe_gets_no_colours(self, tmp_path: Path) -> None:
        folder = TestProcesses().many(tmp_path)
        written, piped = self.shown(folder, *NOW, out=subprocess.PIPE)
        assert b"\x1b" not in piped
        assert b"\x1b" in written

    def test_ctrl_c_ends_all_of_them_without_a_word(self, tmp_path: Path) -> None:
        for number in range(3):
            with (tmp_path / f"app_{number}_b_2024-06-13_20-55-21.tar").open("wb") as file:
                file.write(b"x" * 512)
                file.truncate(2 * 2**30)
        with subprocess.Popen(
            [COMMAND, "verify", tmp_path, "--jobs", "2"], stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            children = wait_for_children(process.pid, 2)
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (130, b"\n")
        assert not any(is_running(child) for child in children)


class TestChecks:
    def test_all_of_them(self) -> None:
        lines = run("checks").text.splitlines()
        assert lines[0].split("\t") == ["id", "severity", "group", "says"]
        assert [line.split("\t")[0] for line in lines[1:]] == list(FINDINGS)

    def test_one(self) -> None:
        ran = run("checks", "table-missing")
        assert ran.text.splitlines() == [
            "table-missing: a table that has to be there is not in the dump",
            "  severity: error",
            "  group:    contents",
            "  advice:   don't restore from this backup alone; look for another one",
        ]

    def test_a_group(self) -> None:
        lines = run("checks", "safe").text.splitlines()[1:]
        assert {line.split("\t")[2] for line in lines} == {"safe"}

    def test_json(self) -> None:
        assert [one["id"] for one in run("checks", "--json").json] == list(FINDINGS)
        assert run("checks", "dump-missing", "--json").json[0]["severity"] == "error"

    def test_a_typo(self) -> None:
        ran = run("checks", "table-mising")
        assert ran.code == 2
        assert "did you mean 'table-missing'?" in ran.err
