"""A server whose backups were tampered with: each act is told by each command, each honest account is left alone."""

import gzip
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from tampered_server import write_server
from tampering.cases import ACTS, CASES
from tampering.server import INSTALLED

from tests.invented import run
from tests.scenario.asked import Answers, rows_of, user_of


def digest(root: Path) -> str:
    """Return the digest of all files below ``root``: names, times, contents."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    parts = ((path.relative_to(root), path.stat().st_mtime_ns, path.read_bytes()) for path in files)
    return sha256(repr(list(parts)).encode()).hexdigest()


def test_it_is_large_enough_and_always_the_same(answers: Answers, tmp_path: Path) -> None:
    assert len(CASES) == len({case.user for case in CASES}) == 30
    archives = list(answers.root.glob("home*/*/application_backups/*"))
    assert 300 <= len(archives) <= 450
    assert max(path.stat().st_size for path in archives) < 8_000
    assert min(path.stat().st_mtime for path in archives) > INSTALLED
    write_server(tmp_path)
    assert digest(tmp_path) == digest(answers.root)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_list_has_a_column_of_findings(answers: Answers) -> None:
    odd = {(row["user"], row["findings"]) for row in rows_of(answers.listed) if row["findings"]}
    assert odd == {
        ("quirin", "sources-disagree"),
        ("rita", "sources-disagree"),
        ("tina", "archive-renamed name-time-differs"),
        ("udo", "archive-truncated"),
        ("vera", "archive-missing"),
        ("willi", "archive-without-record"),
        ("anna", "backup-orphaned"),  # her backup in yusuf's account, which has no such install
        ("zoe", "archive-without-record archive-renamed"),
        ("paul", "backup-orphaned"),
        ("ria", "backup-orphaned"),
    }


def test_installs_tell_the_same(answers: Answers) -> None:
    odd = {(row["user"], row["findings"]) for row in rows_of(answers.installs) if row["findings"]}
    assert odd == {("stefan", "install-time-differs"), ("xenia", "home-differs")}
    assert [line.rpartition(" ")[2] for line in answers.installs.err.splitlines()] == [
        "[install-time-differs]",
        "[home-differs]",
        "[home-differs]",
    ]


@pytest.mark.parametrize("user", ["quirin", "rita", "tina", "udo", "vera"])
def test_view_has_the_same_findings_as_list(user: str, answers: Answers) -> None:
    row = next(row for row in rows_of(answers.listed) if row["user"] == user and row["findings"])
    ran = run(
        "view",
        row["id"] if user != "udo" else row["backup_filename"],
        "--sysroot",
        answers.root,
        "--allow-missing",
    )
    assert {line.rpartition("[")[2].rstrip("]") for line in ran.err.splitlines()} == set(row["findings"].split())


def test_an_id_in_two_accounts_is_shown_of_the_first_and_both_are_named(answers: Answers) -> None:
    [id_] = [
        row["id"] for row in rows_of(answers.listed) if row["file"].startswith("/home/yusuf/") and row["user"] == "anna"
    ]
    ran = run("view", id_, "--sysroot", answers.root)
    assert (ran.code, ran.json["data"]["file"]) == (
        2,
        f"/home/anna/.appdata/current/{ran.json['data']['backup_install']}",
    )
    assert "/home/anna/application_backups/" in ran.err
    assert "/home/yusuf/application_backups/" in ran.err
    assert run("view", id_, "--catalog", answers.catalog).code == 2
    assert run("view", id_, "--sysroot", answers.root, "--user", "anna").code == 0
    assert run("view", id_, "--sysroot", answers.root, "--user", "yusuf").code == 1  # it is not his


# --- timeline ---------------------------------------------------------------------------------------------------------


def test_a_timeline_marks_what_moments_contradict(answers: Answers) -> None:
    marked = {user_of(event["account"]) for event in answers.timeline if event.get("contradicted_by")}
    assert {"otto", "stefan", "tina"} <= marked
    assert not marked & {"petra", "quirin", "rita", "vera", "willi", "zoe", "paul", "ria"}  # no moment lies


def members_of(path: Path) -> Iterator[tuple[object, ...]]:
    """Yield what tells each member of an archive from those of other backups of its install, as tarfile has it."""
    content = path.read_bytes()
    tar = zstandard.decompress(content) if path.suffix == ".zst" else gzip.decompress(content)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members, record = archive.getmembers(), archive.extractfile("APP-META.INI")
        assert record is not None
        [install] = re.findall(rb"(?m)^backup-install=(.*)$", record.read())
    for member in members:
        owner = member.uid, member.gid
        yield path.parts[-3], install, member.name, member.type, member.size, member.mode, member.mtime, *owner


def test_a_member_that_many_backups_have_alike_is_told_once(answers: Answers) -> None:
    paths = [path for path in answers.root.glob("home*/*/application_backups/*") if path.parts[-3] != "udo"]
    witnesses = Counter(key for path in paths for key in members_of(path))
    members = [event for event in answers.timeline if event["event"] == "member" and event["user"] != "udo"]  # cut off
    told = Counter((event["account"].split("/")[2], event["member"], event.get("witnesses", 1)) for event in members)
    assert told == Counter((user, str(name), times) for (user, _, name, *_), times in witnesses.items())
    assert witnesses.total() > 3 * len(members)


# --- history ----------------------------------------------------------------------------------------------------------


def test_the_last_clean_backup_before_the_webshell_is_found_in_one_command(answers: Answers) -> None:
    """The fifth backup (number 4) was repacked with it: the fourth is the last before it, and later ones have none."""
    otto = next(case for case in ACTS if case.user == "otto").account()
    ran = run("history", otto.install, "--sysroot", answers.root, "--member", "*/uploads/*.php")
    clean, last = otto.backups[3], otto.backups[-1]
    path = "/home/otto/application_backups"
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[-2:] for line in ran.text.splitlines() if line.startswith("  last backup")] == [
        [clean.id, f"{path}/{clean.name}"],
        [last.id, f"{path}/{last.name}"],
    ]
    [file] = run("history", otto.install, "--sysroot", answers.root, "--member", "*/uploads/*.php", "--json").json[
        "files"
    ]
    assert [(each["presence"], each["first"], each["last"]) for each in file["runs"]] == [
        ("absent", 0, 3),
        ("there", 4, 4),
        ("absent", 5, 14),
    ]


def test_a_catalog_tells_in_which_backups_the_webshell_is(answers: Answers) -> None:
    otto = next(case for case in ACTS if case.user == "otto").account()
    repacked = otto.backups[4]
    asked = ("find", answers.catalog, "--member", "*/uploads/*.php", "--user", "otto", "--json")
    [shell] = run(*asked).json
    assert (shell["backups"], shell["first"]["id"], shell["last"]["id"]) == (1, repacked.id, repacked.id)
    assert shell["first"]["archive"] == str(answers.root / "home/otto/application_backups" / repacked.name)
    assert run("find", answers.catalog, "--member-sha256", shell["digest"], "--user", "otto", "--json").json == [shell]


def test_a_catalog_counts_the_backups_of_each_member_as_tarfile_does(answers: Answers) -> None:
    anna = answers.root / "home/anna/application_backups"
    there = Counter(name for path in anna.iterdir() for name in {member[2] for member in members_of(path)})
    told = Counter[str]()
    for row in run("find", answers.catalog, "--member", "*", "--user", "anna", "--limit", "100000", "--jsonl").jsonl:
        if row["first"]["archive"].startswith(f"{anna}/"):  # a copy lies in another's home
            told[row["name"]] += row["backups"]
    assert told == there


def test_the_plugin_with_a_webshell_has_its_last_earlier_content_in_one_command(answers: Answers) -> None:
    petra = next(case for case in ACTS if case.user == "petra").account()
    member = ("--member", "wp-content/plugins/letter-box/letter-box.php", "--json")
    ran = run("history", petra.install, "--sysroot", answers.root, *member)
    [file] = ran.json["files"]
    assert (file["last_with_first_content"], file["last_with_earlier_content"]) == (3, 4)
    assert ran.json["backups"][3]["name"] == petra.backups[3].id


def test_a_site_that_is_gone_has_its_history_and_a_cut_archive_says_nothing_of_what_is_missing(
    answers: Answers,
) -> None:
    there, picture = ("--sysroot", answers.root, "--json"), ("--member", "wp-content/uploads/00.jpg")
    gone, cut = (next(case for case in ACTS if case.user == user).account() for user in ("ria", "udo"))
    [file] = run("history", gone.backups[0].embedded["backup-install"], *there, *picture).json["files"]
    assert [(each["presence"], each["last"]) for each in file["runs"]] == [("absent", 0), ("there", 14)]
    ran = run("history", cut.install, *there, *picture)
    assert ran.code == 2
    assert [(each["presence"], each["last"]) for each in ran.json["files"][0]["runs"]] == [
        ("absent", 0),
        ("there", 3),
        ("can't tell", 4),
        ("there", 14),
    ]
