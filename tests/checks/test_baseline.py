"""Baselines: which findings are known, what is new and what is no longer met, and whose files are believed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from backupmeta.checks.baseline import Baseline, KnownFindings, load
from backupmeta.checks.identity import Base
from backupmeta.checks.policy import DEFAULT, Verdict, Verification
from backupmeta.render.verified import baseline_json
from tests.examples import examples
from tests.invented import NAME, TIME, Account, Ran, run
from tests.render.judged import VERIFICATIONS
from tests.sites import honest, packed, record

NOW = ("--now", str(TIME + 3600))
KNOWN = "known.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a backup in ``backups`` that lacks a table that its record lists."""
    (tmp_path / "project/backups").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    write("wp_posts")
    return tmp_path / "project"


def write(*missing: str, name: str = NAME) -> None:
    """Write a backup that lacks the tables ``missing``."""
    Path("backups", name).write_bytes(packed(record(list_tables=",".join(("wp_options", "wp_users", *missing)))))


def verified(*options: str | Path) -> Ran:
    """Verify the folder of backups in the working folder by its baseline."""
    return run("verify", "backups", "--baseline", KNOWN, "--json", *NOW, *options)


def write_baseline(*targets: str) -> Ran:
    return run("verify", *(targets or ["backups"]), "--write-baseline", KNOWN, *NOW)


def known(ran: Ran) -> list[tuple[str, bool]]:
    """Return the ids of findings that are no notes, and whether they are known."""
    return [
        (finding["id"], finding["is_known"])
        for target in ran.json["targets"]
        for finding in target["findings"]
        if finding["severity"] != "note"
    ]


def test_what_is_written_is_known_and_passes(project: Path) -> None:
    assert write_baseline().code == 1
    ran = verified()
    assert (ran.code, known(ran)) == (0, [("table-missing", True)])
    assert ran.json["targets"][0]["verdict"] == "pass"
    assert ran.json["baseline"] == {"known": 3, "new": 0, "absent": []}
    assert f"{KNOWN}: 3 known, 0 new, 0 no longer met\n" in ran.err
    assert project.joinpath(KNOWN).stat().st_mode & 0o777 == 0o600


def test_the_file_has_a_line_a_finding(project: Path) -> None:
    write_baseline()
    digest = hashlib.sha256((project / "backups" / NAME).read_bytes()).hexdigest()
    assert (project / KNOWN).read_text() == (
        '{"version": 1, "findings": [\n'
        f'  {{"path": "backups/{NAME}", "id": "id-from-install", "subject": "id", "sha256": "{digest}"}},\n'
        f'  {{"path": "backups/{NAME}", "id": "record-holds-secrets", "sha256": "{digest}"}},\n'
        f'  {{"path": "backups/{NAME}", "id": "table-missing", "subject": "tables", "sha256": "{digest}"}}\n]}}\n'
    )
    assert run("verify", "backups", "--select", "safe", "--write-baseline", KNOWN, *NOW).code == 0
    assert (project / KNOWN).read_text() == '{"version": 1, "findings": []}\n'


@pytest.mark.parametrize("target", ["backups", "misspelt", "page.html"])
def test_where_nothing_could_be_judged_the_file_stays(project: Path, target: str) -> None:
    write_baseline()
    before = (project / KNOWN).read_bytes()
    (project / "backups" / NAME).unlink()
    (project / "page.html").write_bytes(b"<html>")
    ran = write_baseline(target)
    assert ran.code == 2
    assert f"{KNOWN} is not written: nothing could be judged\n" in ran.err
    assert (project / KNOWN).read_bytes() == before


def test_the_folder_may_lie_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_baseline()
    shutil.move(project, project.parent / "moved")
    monkeypatch.chdir(project.parent / "moved")
    assert verified().code == 0


@pytest.mark.usefixtures("project")
def test_changed_bytes_make_it_new() -> None:
    write_baseline()
    write("wp_posts", "wp_links")
    ran = verified()
    assert (ran.code, known(ran)) == (1, [("table-missing", False), ("table-missing", False)])
    assert [(finding["id"], finding.get("subject")) for finding in ran.json["baseline"]["absent"]] == [
        ("id-from-install", "id"),
        ("record-holds-secrets", None),
        ("table-missing", "tables"),
    ]


@pytest.mark.usefixtures("project")
def test_another_path_makes_it_new() -> None:
    write_baseline()
    other = NAME.replace("06-13", "06-14")
    Path("backups", NAME).rename(Path("backups", other))
    ran = verified()
    assert ran.code == 1
    assert ("table-missing", False) in known(ran)


@pytest.mark.usefixtures("project")
def test_a_finding_that_is_new_fails_beside_one_that_is_known() -> None:
    write_baseline("backups", "--ignore", "table-missing")
    ran = verified()
    assert (ran.code, known(ran)) == (1, [("table-missing", False)])
    assert ran.json["baseline"]["known"] == 2
    assert run("verify", "backups", "--baseline", KNOWN, "--format", "junit", *NOW).code == 1


def test_what_can_not_be_read_never_passes(project: Path) -> None:
    write(name=NAME.replace("06-13", "06-14"))
    (project / "backups" / NAME).write_bytes(b"<html>")
    assert write_baseline().code == 2
    assert NAME not in (project / KNOWN).read_text()
    (project / KNOWN).write_text(
        json.dumps(
            {"version": 1, "findings": [{"path": f"backups/{NAME}", "id": "archive-unreadable", "sha256": None}]}
        )
    )
    ran = verified()
    assert ran.code == 2
    assert ("archive-unreadable", False) in known(ran)
    assert ran.json["baseline"]["absent"] == []


class TestAccounts:
    @pytest.fixture
    def account(self, project: Path) -> Account:
        """An account with a record whose archive is gone."""
        account = honest(project.parent / "home/exampleu")
        (account.archives / NAME).unlink()
        return account

    def verified(self, account: Account, *options: str) -> Ran:
        return run("verify", account.home, "--baseline", KNOWN, "--json", *NOW, *options)

    def test_are_known_without_a_digest(self, account: Account) -> None:
        assert run("verify", account.home, "--write-baseline", KNOWN, *NOW).code == 1
        ran = self.verified(account)
        assert ran.code == 0
        assert {finding["is_known"] for finding in ran.json["targets"][0]["findings"]} == {True}

    def test_other_findings_are_new(self, account: Account) -> None:
        run("verify", account.home, "--write-baseline", KNOWN, *NOW)
        account.backup("b2x4kq9m2v7c8n3z5l6j0h1g2", record(backup_filename=NAME.replace("06-13", "06-14")))
        assert self.verified(account).code == 1


class TestNoLongerMet:
    OTHER = NAME.replace("06-13", "06-14")

    @pytest.fixture
    def two(self, project: Path) -> Path:
        """The working folder with two backups that lack a table, and a baseline that knows it."""
        write("wp_links", name=self.OTHER)
        write_baseline()
        return project

    def absent(self, ran: Ran) -> set[str]:
        return {Path(finding["path"]).name for finding in ran.json["baseline"]["absent"]}

    def test_is_what_is_gone_from_a_folder_that_was_asked_for(self, two: Path) -> None:
        (two / "backups" / NAME).unlink()
        for target in ("backups", str(two), "./backups/"):
            assert self.absent(run("verify", target, "--baseline", KNOWN, "--json", *NOW)) == {NAME}

    def test_is_not_what_was_not_asked_for(self, two: Path) -> None:
        ran = run("verify", two / "backups" / self.OTHER, "--baseline", KNOWN, "--json", *NOW)
        assert (ran.code, self.absent(ran)) == (0, set())

    @pytest.mark.usefixtures("two")
    def test_is_what_an_archive_that_was_judged_does_not_have(self) -> None:
        write(name=self.OTHER)
        ran = run("verify", f"backups/{self.OTHER}", "--baseline", KNOWN, "--json", *NOW)
        assert self.absent(ran) == {self.OTHER}

    def test_is_not_what_could_not_be_read(self, two: Path) -> None:
        (two / "backups" / NAME).write_bytes(b"<html>")
        assert self.absent(verified()) == set()


class TestFormats:
    """What each says of a finding that is known, of one that is new, and of what is no longer met."""

    OTHER = NAME.replace("06-13", "06-14")

    @pytest.fixture(autouse=True)
    def _two(self, project: Path) -> None:
        write("wp_links", name=self.OTHER)
        write_baseline()
        (project / "backups" / self.OTHER).unlink()
        write("wp_comments", name=NAME.replace("06-13", "06-15"))

    def told(self, form: str) -> str:
        return run("verify", "backups", "--baseline", KNOWN, "--format", form, "--select", "table-missing", *NOW).text

    def test_sarif(self) -> None:
        [sarif] = json.loads(self.told("sarif"))["runs"]
        states = [
            (result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], result["baselineState"])
            for result in sarif["results"]
        ]
        assert states == [
            (f"backups/{NAME}", "unchanged"),
            (f"backups/{NAME.replace('06-13', '06-15')}", "new"),
        ]
        notifications = sarif["invocations"][0]["toolExecutionNotifications"]
        assert {"message": {"text": "no longer met: 1 finding of the baseline: table-missing"}} in [
            {"message": notification["message"]} for notification in notifications
        ]

    def test_sarif_without_a_baseline_has_no_states(self) -> None:
        assert "baselineState" not in run("verify", "backups", "--format", "sarif", *NOW).text

    def test_junit(self) -> None:
        first, second = ET.fromstring(self.told("junit"))  # noqa: S314 - our own
        assert (first.get("failures"), second.get("failures")) == ("0", "1")
        assert "known error: " in "".join(first.itertext())

    def test_annotations(self) -> None:
        *annotations, _ = self.told("github").splitlines()
        assert [line.split("file=")[1].split(",")[0] for line in annotations] == [
            f"backups/{NAME.replace('06-13', '06-15')}"
        ]

    def test_text(self) -> None:
        text = self.told("text")
        assert "\nknown error: " in text
        assert "\nerror: " in text
        assert f"backups/{NAME}: fail" not in text
        [line] = run("verify", f"backups/{NAME}", "--baseline", KNOWN, *NOW).text.splitlines()[:1]
        assert line == f"{os.path.realpath('backups')}/{NAME}: pass (1 error, 2 notes)"


@given(VERIFICATIONS)
@examples(30)
def test_whatever_is_written_is_known(verifications: list[Verification]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, findings = Path(folder, KNOWN), KnownFindings(Base())
        deque(findings.taking(verifications), maxlen=0)
        path.write_text("".join(baseline_json(findings)), "utf-8")
        baseline = Baseline(load(str(path)), Base(), DEFAULT)
    for verification in baseline.compared(verifications):
        is_same = verification.kind == "account" or verification.sha256 is not None
        is_known = is_same and verification.verdict is not Verdict.UNREADABLE
        assert {judged.is_known for judged in verification.judged} <= {is_known}
        assert verification.verdict is not Verdict.FAIL or not is_known
    assert baseline.absent() == []


class TestTheFile:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "is no baseline: "),
            (b"[]", "is no baseline: "),
            (b"[" * 100_000, "is no baseline: "),
            (b"\xff", "is no baseline: "),
            (b'{"version": 1, "findings": [{"path": "a"}]}', "is no baseline: findings.0.id: Field required"),
            (b'{"version": 2, "findings": []}', "is of version 2, and this program reads version 1"),
            (
                b'{"version": 1, "findings": [{"path": "a", "path_base64": "b", "id": "x", "sha256": null}]}',
                "is no baseline: the exact bytes of a name are no base64",
            ),
        ],
    )
    def test_that_is_none_is_refused(self, project: Path, content: bytes, reason: str) -> None:
        (project / KNOWN).write_bytes(content)
        ran = verified()
        assert (ran.code, ran.out) == (2, b"")
        assert f"backupmeta: {KNOWN}: {reason}" in ran.err
        assert ran.err.endswith("'backupmeta verify --write-baseline FILE' writes one\n")

    @pytest.mark.usefixtures("project")
    def test_that_is_not_there(self) -> None:
        ran = verified()
        assert (ran.code, ran.out) == (2, b"")
        assert KNOWN in ran.err

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_of_another_user_is_refused(self, project: Path) -> None:
        write_baseline()
        (project / KNOWN).chmod(0o644)
        os.chown(project / KNOWN, 4242, 4242)
        ran = verified()
        assert (ran.code, ran.out) == (2, b"")
        assert f"{KNOWN}: belongs to another user (4242); if you trust it, copy it to a file of your own" in ran.err

    def test_that_every_user_may_write_is_refused(self, project: Path) -> None:
        write_baseline()
        (project / KNOWN).chmod(0o666)
        ran = verified()
        assert (ran.code, ran.out) == (2, b"")
        assert f"{KNOWN}: every user may write to it" in ran.err

    def test_keeps_the_mode_of_the_one_that_it_replaces(self, project: Path) -> None:
        write_baseline()
        (project / KNOWN).chmod(0o644)
        assert verified("--write-baseline", KNOWN).code == 0
        assert (project / KNOWN).stat().st_mode & 0o777 == 0o644
        assert verified().code == 0

    @pytest.mark.parametrize("path", [f"backups/{KNOWN}", f"backups/{NAME}", "-"])
    def test_is_not_written_among_evidence_nor_printed(self, project: Path, path: str) -> None:
        before = (project / "backups" / NAME).read_bytes()
        ran = run("verify", "backups", "--write-baseline", path, *NOW)
        assert (ran.code, ran.out) == (2, b"")
        assert "--write-baseline" in ran.err
        assert (project / "backups" / NAME).read_bytes() == before
        assert [path.name for path in (project / "backups").iterdir()] == [NAME]

    def test_of_names_that_are_no_utf8(self, project: Path) -> None:
        (project / "backups" / NAME).rename(project / "backups" / NAME.replace("Blog", "Bl\udcf6g"))
        write_baseline()
        assert "path_base64" in (project / KNOWN).read_text()
        assert verified().code == 0
