"""The command ``report``."""

import hashlib
import json
import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupmeta.catalog.scanning import scan
from backupmeta.search import Search
from tests.attack.test_canaries import leaks
from tests.invented import BACKUP, NAME, TIME, Account, run

FORMATS = ("html", "markdown", "json")
NOW = ("--now", str(TIME))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.fixture
def catalog(account: Account, tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite"
    scan(str(path), Search((str(account.home.parent),)))
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_of_a_catalog_into_a_file_and_to_stdout(
    catalog: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupmeta.cli.catalog_cmds.time", lambda: TIME + 0.5)
    ran = run("report", catalog, "--format", form, *NOW)
    assert (ran.code, f"{catalog}: as of" in ran.err) == (0, True)
    target = tmp_path / "report"
    assert run("report", catalog, "--format", form, *NOW, "-o", target).out == b""
    known = {f"-o {target}", ""}
    assert {target.read_text().replace(one, "").count(BACKUP) for one in known} == {ran.text.count(BACKUP)}
    assert run("report", catalog, "--format", form, *NOW).out == ran.out


def test_of_roots_leaves_no_catalog_behind(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    before = sorted(path.stat().st_mtime_ns for path in account.home.rglob("*"))
    ran = run("report", account.home.parent, "--deep", "--json", "--jobs", "1")
    assert (ran.code, ran.json["catalog"], ran.json["summary"]["digested"]) == (0, None, 1)
    assert ran.json["command"] == f"backupmeta report {account.home.parent} --deep --json --jobs 1"
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(path.stat().st_mtime_ns for path in account.home.rglob("*")) == before


def test_it_is_the_same_from_a_catalog_and_from_disk(account: Account, catalog: Path) -> None:
    ours, theirs = (run("report", one, "--json", *NOW).json for one in (catalog, account.home.parent))
    for key in ("summary", "accounts", "installs", "backups", "archives", "findings"):
        assert ours[key] == theirs[key]


@pytest.mark.parametrize("now", [NOW, ()], ids=["as of then", "as of now"])
def test_it_is_dated_by_the_clock_alone(catalog: Path, now: tuple[str, ...]) -> None:
    earliest = datetime.now(UTC).replace(microsecond=0)
    report = run("report", catalog, "--json", *now).json
    assert earliest <= datetime.fromisoformat(report["written"]) <= datetime.now(UTC)


@pytest.mark.parametrize(("now", "is_odd"), [("2024-06-12", True), ("2024-06-14", False)])
def test_homes_are_judged_as_of_the_moment_that_is_named(account: Account, now: str, is_odd: bool) -> None:  # noqa: FBT001
    report = run("report", account.home, "--deep", "--json", "--jobs", "1", "--now", now).json
    assert ("time-in-future" in {finding["id"] for finding in report["findings"]}) == is_odd


def test_temporary_files_never_lie_among_the_evidence(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(account.home))
    ran = run("report", account.home, "--json")
    assert (ran.code, "TMPDIR" in ran.err) == (2, True)
    assert not any("backupmeta-" in path.name for path in account.home.iterdir())


@pytest.mark.parametrize("target", ["report.html", f"application_backups/{NAME}"])
@pytest.mark.parametrize("source", ["catalog", "home"])
def test_nothing_is_written_among_the_evidence(account: Account, catalog: Path, source: str, target: str) -> None:
    before = (account.archives / NAME).read_bytes()
    root = catalog if source == "catalog" else account.home
    ran = run("report", root, "-o", account.home / target)
    assert (ran.code, ran.out) == (2, b"")
    assert (account.archives / NAME).read_bytes() == before
    assert not (account.home / "report.html").exists()


def test_the_catalog_is_not_written_over(catalog: Path) -> None:
    before = catalog.read_bytes()
    assert run("report", catalog, "-o", catalog).code == 2
    assert catalog.read_bytes() == before


def test_a_page_is_not_printed_on_a_terminal(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupmeta.cli.output.width", lambda: 80)
    ran = run("report", catalog)
    assert (ran.code, ran.out, "-o report.html" in ran.err) == (2, b"", True)
    assert run("report", catalog, "--format", "markdown").code == 0


@pytest.mark.parametrize(
    ("option", "named"),
    [(["--deep"], "--deep"), (["--sysroot", "/"], "--sysroot"), (["--tz", "UTC"], "--tz"), (["--jobs", "2"], "--jobs")],
)
def test_what_is_for_the_disk_does_not_go_with_a_catalog(catalog: Path, option: list[str], named: str) -> None:
    ran = run("report", catalog, "--json", *option)
    assert (ran.code, f"{named} does not go with a catalog" in ran.err) == (2, True)


def test_mistakes_are_told(account: Account, catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    mistakes: dict[str, list[str | Path]] = {
        "name the folder that it lies in": ["report", account.archives / NAME, "--json"],
        "stands alone": ["report", catalog, account.home, "--json"],
        "is no catalog": ["report", tmp_path / "notes.txt", "--json"],
        "there is no account in": ["report", tmp_path / "empty", "--json"],
        "missing": ["report", tmp_path / "missing", "--json"],
    }
    for message, command in mistakes.items():
        ran = run(*command)
        assert (ran.code, message in ran.err, message) == (2, True, message)


def test_its_command_line_holds_no_secret(account: Account) -> None:
    ran = run("report", account.home.parent, "ftp://u:CANARYq7x@h/", "--json", "--jobs", "1")
    assert json.loads(ran.text)["command"].count("ftp://********@h/") == 1
    assert not leaks(json.dumps(ran.json["command"]).encode())


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-scan"])
def test_the_files_beside_a_catalog_are_not_written_to(ending: str, tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    account.backup()
    catalog = tmp_path / "catalog.sqlite"
    run("scan", account.home.parent, "-o", catalog, "--jobs", "1")
    ran = run("report", catalog, "-o", f"{catalog}{ending}")
    assert ran.code == 2
    assert "lies among what is read" in ran.err
    assert run("stats", catalog).code == 0


def test_what_it_is_written_for_stands_in_every_format(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text('case = "2024-0117"\nexaminer = "J. Doe"\nremark = "From the file."\n')
    beside: list[str | Path] = [
        "--case-file",
        tmp_path / "case.toml",
        "--title",
        "Webspace <b>",
        "--remark",
        "One.",
        "--remark",
        "Two.",
    ]
    digest = hashlib.sha256(catalog.read_bytes()).hexdigest()
    page, text = (run("report", catalog, "--format", form, *beside).text for form in ("html", "markdown"))
    for written, title in ((page, "<h1>Webspace &lt;b&gt;</h1>"), (text, "# Webspace `<b>`\n")):
        assert all(words in written for words in (title, "2024-0117", "J. Doe", "One.", "Two.", digest))
        assert "From the file." not in written
    told = run("report", catalog, "--json", *beside, "--evidence-digest", "A" * 40).json
    assert told["case"] == {
        "title": "Webspace <b>",
        "number": "2024-0117",
        "examiner": "J. Doe",
        "remarks": ["One.", "Two."],
        "evidence_digest": "sha1:" + "a" * 40,
    }
    assert told["catalog_sha256"] == digest


def test_a_case_that_can_not_be_read_is_a_mistake(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text('examinor = "J. Doe"')
    ran = run("report", catalog, "--json", "--case-file", tmp_path / "case.toml")
    assert (ran.code, ran.out) == (2, b"")
    assert "case.toml: examinor: is no key of a case file; did you mean 'examiner'?" in ran.err
    assert run("report", catalog, "--json", "--case-file", tmp_path / "none.toml").code == 2


@pytest.mark.parametrize("name", ["report.html", "a report\n\\.html", os.fsdecode(b"report\xff.html")])
def test_a_manifest_that_sha256sum_checks_lies_beside_it(catalog: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    assert run("report", catalog, "-o", tmp_path / "out" / name).code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([name, f"{name}.sha256"])
    check = ["sha256sum", "--check", "--strict", f"{name}.sha256"]
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True, check=False).returncode == 0
    (tmp_path / "out" / name).write_text("changed")
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True, check=False).returncode == 1


def test_a_pipe_has_no_manifest(catalog: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.DEVNULL):
        assert run("report", catalog, "-o", tmp_path / "pipe").code == 0
    assert run("report", catalog, "-o", "/dev/null").code == 0
    assert not any(path.name.endswith(".sha256") for path in (*tmp_path.iterdir(), *Path("/dev").iterdir()))


def test_the_manifest_takes_the_place_of_no_evidence(catalog: Path) -> None:
    beside = catalog.rename(catalog.with_name("report.html.sha256"))
    before = beside.read_bytes()
    ran = run("report", beside, "-o", beside.with_name("report.html"))
    assert (ran.code, beside.read_bytes()) == (2, before)
    assert not beside.with_name("report.html").exists()


def test_the_manifest_goes_through_no_link(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("root:*:")
    (tmp_path / "report.html.sha256").symlink_to(tmp_path / "victim")
    ran = run("report", catalog, "-o", tmp_path / "report.html")
    assert (ran.code, "report.html.sha256" in ran.err) == (2, True)
    assert (tmp_path / "victim").read_text() == "root:*:"
