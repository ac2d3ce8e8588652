"""The command ``timeline``, as people use it."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backupmeta.archive import reader
from backupmeta.archive.reader import Pass
from backupmeta.evidence import EvidenceFile
from backupmeta.render.timelines import TIMELINES
from tests.events.scene import CREATED, DAY, agreeing, packed, touched
from tests.invented import BACKUP, INSTALL, NAME, SECOND, TIME, Account, backup_record, run
from tests.measured import COMMAND, KIBIBYTES_MORE, measured

CANARY = "CANARYq7x"
SECOND_NAME = NAME.replace("06-13", "06-14")


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return agreeing(tmp_path / "home/exampleu")


def test_text_by_default(account: Account) -> None:
    ran = run("timeline", account.home)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.text.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("2024-06-13 16:33:54  installed ")
    assert lines[3] == (
        "2024-06-13 20:55:21  backed-up      wordpress 6.5.4 at https://www.example.com/blog backed up"
        f"  [backup record, {account.backups / BACKUP}, line 13]"
    )


def test_json_is_jsonl(account: Account) -> None:
    ran = run("timeline", account.home, "--jsonl")
    assert ran.out == run("timeline", account.home, "--format", "jsonl").out
    assert [one["event"] for one in ran.jsonl][:3] == ["installed", "updated", "counted"]


@pytest.mark.parametrize(
    ("options", "events"),
    [
        (["--since", "2024-06-13T20:55:22"], ["archive", "record", "record"]),
        (["--since", str(TIME), "--until", "2024-06-13T20:55:21"], ["backed-up", "backed-up", "named", "compressed"]),
        (["--until", "2024-06-13T17:00:00+00:00"], ["installed"]),
        (["--user", "exampleu", "--until", str(CREATED)], ["installed"]),
        (["--until", str(CREATED), "--deep"], ["installed", "member"]),
    ],
)
def test_what_is_asked_for(account: Account, options: list[str], events: list[str]) -> None:
    assert [one["event"] for one in run("timeline", account.home, "--jsonl", *options).jsonl] == events


def test_who_finds_nothing_is_told(account: Account) -> None:
    ran = run("timeline", account.home, "--user", "exampel")
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err.splitlines() == [
        f"backupmeta: nothing happened in {account.home}; name another ROOT, or a wider time",
        "backupmeta: no user is called 'exampel'; did you mean 'exampleu'? there is exampleu",
    ]


@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["heads", "deep"])
@pytest.mark.parametrize("has_records", [True, False], ids=["records", "archives alone"])
def test_in_a_folder_of_archives_those_of_another_user_neither_are_read_nor_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_records: bool, deep: tuple[str, ...]
) -> None:
    site = Account(tmp_path / "evidence")
    for number, user in enumerate(("anna", "berta")):
        name = (NAME, SECOND_NAME)[number]
        record = backup_record(owner=user, backup_filename=name)
        path = site.archives / name
        path.write_bytes(packed(record, {f"{user}.php": CREATED, "more": CREATED})[: -9 if user == "berta" else None])
        touched(path, TIME)
        if has_records:
            site.backup(str(number) * 25, record)
    opened, walk = list[str](), reader.Pass

    def noting(file: EvidenceFile, *arguments: Any, **options: Any) -> Pass:
        opened.append(file.path)
        return walk(file, *arguments, **options)

    monkeypatch.setattr("backupmeta.events.timeline.Pass", noting)
    everybody, anna, berta = (
        run("timeline", site.home, "--jsonl", "--jobs", "1", *deep, *user)
        for user in ((), ("--user", "anna"), ("--user", "berta"))
    )
    assert {event["user"] for event in everybody.jsonl} >= {"anna", "berta"}
    assert {event["user"] for event in anna.jsonl} == {"anna"}
    assert {event["user"] for event in berta.jsonl} == {"berta"}
    assert (anna.code, [line for line in anna.err.splitlines() if ": note: " not in line]) == (0, [])
    assert everybody.code == berta.code == 2
    first, second = str(site.archives / NAME), str(site.archives / SECOND_NAME)
    assert sorted(opened) == sorted([first, second, first, second] if deep else [])


def test_what_happened_in_a_home_is_its_users_whatever_its_records_say(tmp_path: Path) -> None:
    account = agreeing(tmp_path / "home/renamed")  # its records say that exampleu owns it
    whole, own = (run("timeline", "--sysroot", tmp_path, "--jsonl", *user) for user in ((), ("--user", "renamed")))
    assert account.home.is_dir()
    assert len(own.jsonl) == len(whole.jsonl) == 10
    assert run("timeline", "--sysroot", tmp_path, "--jsonl", "--user", "exampleu").out == b""


def test_the_newest_members_are_those_of_the_period(account: Account) -> None:
    members = {f"old/{number}": CREATED - 30 * DAY + number for number in range(4)} | {"new": TIME - 5}
    (account.archives / NAME).write_bytes(packed(backup_record(), members))
    until = ("--until", str(CREATED - DAY))
    ran = run("timeline", account.home, "--deep", "--member-limit", "2", "--jsonl", *until)
    assert [event["member"] for event in ran.jsonl if event["event"] == "member"] == ["old/2", "old/3"]


def test_contradictions_are_counted_and_change_nothing(account: Account) -> None:
    touched(account.archives / NAME, TIME + 999_999)
    ran = run("timeline", account.home)
    assert (ran.code, ran.err) == (0, "backupmeta: 3 of 10 events are contradicted by other witnesses\n")
    assert ran.text.count("contradicted by Content Modification Time (Archive) 2024-06-25 10:42:00 UTC") == 2


@pytest.mark.parametrize("deep", [(), ("--deep",), ("--deep", "--jobs", "2")], ids=" ".join)
def test_what_is_in_doubt_of_a_backup_is_told_as_list_does(account: Account, deep: tuple[str, ...]) -> None:
    edited = backup_record(version="6.5.5", db_pass=CANARY)
    account.backup(content=edited)
    account.backup(SECOND, backup_record(backup_filename=SECOND_NAME, backup_time=str(TIME + DAY)))
    listed, ran = run("list", account.home), run("timeline", account.home, *deep)
    assert {line.rpartition(" ")[2] for line in listed.err.splitlines()} == {"[sources-disagree]", "[archive-missing]"}
    assert sorted(line for line in ran.err.splitlines() if "warning:" in line) == sorted(listed.err.splitlines())
    assert CANARY not in ran.err
    later = run("timeline", account.home, *deep, "--since", "2024-06-14").err
    assert ("[sources-disagree]" in later, "[archive-missing]" in later) == (False, True)


def test_what_is_gone_is_told_once_for_all_backups(account: Account) -> None:
    (account.installs / INSTALL).unlink()
    for number, name in enumerate((SECOND_NAME, NAME.replace("06-13", "07-14"))):
        record = backup_record(backup_filename=name, backup_time=str(TIME + (DAY if number == 0 else 31 * DAY)))
        (account.archives / name).write_bytes(packed(record, {}))
    lines = run("timeline", account.home).err.splitlines()
    assert [line for line in lines if "note:" in line] == [
        "backupmeta: note: the install of this backup is gone: 3 times [backup-orphaned]",
        "backupmeta: note: no backup record names this archive: 2 times [archive-without-record]",
    ]
    assert run("timeline", account.home, "--since", "2024-07-01").err.count(": 1 time [") == 2


def test_members_that_are_left_out_are_told(account: Account) -> None:
    ran = run("timeline", account.home, "--deep", "--member-limit", "1", "--jsonl")
    assert ran.code == 0
    assert ran.err == "backupmeta: 2 members have no event of their own; --member-limit N tells more of them\n"
    assert [one["left_out"] for one in ran.jsonl if "left_out" in one] == [2]


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(path.read_bytes()[:60])
    ran = run("timeline", account.home, "--jsonl")
    assert ran.code == 2
    assert f"backupmeta: error: {path}: the archive is cut off" in ran.err
    assert len(ran.jsonl) == 9


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--member-limit", "5"], "--member-limit needs --deep"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--bodyfile-unset", "0"], "--bodyfile-unset needs --format bodyfile"),
        (["--format", "bodyfile", "--bodyfile-unset", "1"], "'1' is not one of '-1', '0'"),
        (["--since", "soon"], "'soon' is no time"),
        (["--tz", "Mars"], "'Mars' is no time zone"),
        (["/nowhere"], "/nowhere: the folder can't be read (no such file"),
    ],
)
def test_mistakes(account: Account, arguments: list[str], told: str) -> None:
    ran = run("timeline", account.home, *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_a_file_is_not_written_among_the_evidence(account: Account, tmp_path: Path) -> None:
    ran = run("timeline", account.home, "-o", account.home / "out.jsonl")
    assert (ran.code, "lies among what is read" in ran.err) == (2, True)
    ran = run("timeline", account.home, "--jsonl", "-o", tmp_path / "out.jsonl")
    assert (ran.code, ran.out) == (0, b"")
    assert (tmp_path / "out.jsonl").read_bytes() == run("timeline", account.home, "--jsonl").out


@pytest.mark.parametrize("form", TIMELINES)
def test_no_secret_in_any_format(tmp_path: Path, form: str) -> None:
    account = Account(tmp_path / "u")
    uri = f"https://bob:{CANARY}@www.example.com/?token={CANARY}"
    record = backup_record(url=uri, version=uri, installer=uri, db_pass=CANARY, cf_enckey=CANARY, time=uri)
    account.backup(content=record)
    (account.archives / NAME).write_bytes(packed(record, {f"x/ftp://u:{CANARY}@h/y": 5})[:-9])
    account.install(content=record)
    ran = run("timeline", account.home, "--format", form, "--deep")
    assert ran.out
    assert CANARY not in ran.err
    assert ran.text.count(CANARY) == 0


@pytest.mark.skipif(shutil.which("mactime") is None, reason="The Sleuth Kit is not installed")
def test_through_mactime(account: Account) -> None:
    body = run("timeline", account.home, "--deep", "--format", "bodyfile").out
    done = subprocess.run(["mactime", "-d", "-y", "-z", "UTC"], input=body, capture_output=True, check=True)
    found = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    told = run("timeline", account.home, "--deep", "--jsonl").jsonl
    assert len(found) == len(told) == 14
    assert [one["Date"].rstrip("Z") for one in found] == sorted(one["datetime"][:19] for one in told)
    assert run("timeline", account.home, "--deep", "--format", "bodyfile", "--bodyfile-unset", "-1").out == body
    lines = run("timeline", account.home, "--deep", "--format", "bodyfile", "--bodyfile-unset", "0").text.splitlines()
    assert [line.split("|")[-4:].count("0") for line in lines] == [3] * 14


def test_the_answer_is_always_the_same(account: Account) -> None:
    assert len({run("timeline", account.home.parent, "--deep", "--jsonl").out for _ in range(3)}) == 1


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Give accounts with some archives that many members are in, and some that can't be read."""
    root = tmp_path / "home"
    for number in range(6):
        account = agreeing(root / f"u{number}")
        record = backup_record(backup_time=str(TIME + 60), backup_filename=SECOND, title=f"second of {number}")
        account.backup("b" * 25, content=record)
        path = account.archives / SECOND
        path.write_bytes(packed(record, {f"wp-content/{name}.php": TIME - name for name in range(600)}))
        touched(path, TIME + 62)
        if number % 3 == 0:
            (account.archives / NAME).write_bytes(b"<html>")
        if number % 3 == 1:
            path.write_bytes(path.read_bytes()[:-200])
    return root


@pytest.mark.untraced  # the same lines in each form
@pytest.mark.parametrize("form", sorted(TIMELINES))
def test_the_number_of_processes_makes_no_difference(many: Path, form: str) -> None:
    arguments = ("timeline", many, "--deep", "--format", form, "--member-limit", "500", "--jobs")
    alone, *others = (run(*arguments, jobs) for jobs in ("1", "2", "3"))
    assert others == [alone, alone]
    assert len(alone.out.splitlines()) > 3000
    assert alone.err.count("\n") >= 4


@pytest.mark.untraced  # the same lines, thousands of times
def test_an_archive_that_kills_each_process_costs_only_its_events(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, walk = os.getpid(), reader.Pass

    def deadly(file: EvidenceFile, *arguments: Any, **options: Any) -> Pass:
        if "u2/" in file.path and file.path.endswith(SECOND) and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return walk(file, *arguments, **options)

    before = run("timeline", many, "--deep", "--jsonl", "--jobs", "1")
    monkeypatch.setattr("backupmeta.events.timeline.Pass", deadly)
    ran = run("timeline", many, "--deep", "--jsonl", "--jobs", "2")
    kept = set(ran.out.splitlines())
    lost = [line for line in before.out.splitlines() if line not in kept]
    assert len(lost) > 600
    assert all(b"u2/" in line for line in lost)
    assert ran.code == 2
    assert f"u2/application_backups/{SECOND}" in ran.err
    assert "the process that read it ended; is there too little memory?" in ran.err


def test_memory_stays_flat(tmp_path: Path) -> None:
    def peak(accounts: int, root: Path) -> int:
        for number in range(accounts):
            agreeing(root / f"u{number}")
        arguments = ("timeline", str(root), "--deep", "--jsonl")
        done = measured(COMMAND, *arguments)
        assert (done.code, len(done.out.splitlines())) == (0, 14 * accounts)
        assert json.loads(done.out.splitlines()[0])["event"] == "installed"
        return done.peak

    few, many = peak(40, tmp_path / "few"), peak(400, tmp_path / "many")
    assert many < few + KIBIBYTES_MORE // 4


@pytest.mark.long
def test_memory_stays_flat_over_backups_that_have_the_same_members(tmp_path: Path) -> None:
    def peak(backups: int, root: Path) -> int:
        account = Account(root / "home/exampleu")
        members = {f"wp-includes/{number:04}.php": CREATED - number for number in range(1000)}
        for number in range(backups):
            name, time = f"app_a_{number}.tar.gz", TIME + number * DAY
            record = backup_record(backup_filename=name, backup_time=str(time))
            (account.archives / name).write_bytes(packed(record, members))
            account.backup(f"{number:025}", record)
        done = measured(COMMAND, "timeline", str(account.home), "--deep", "--jsonl", "--jobs", "1")
        told = [event for event in map(json.loads, done.out.splitlines()) if event["event"] == "member"]
        counts = [event["witnesses"] for event in told if event["member"] in members]
        assert (done.code, counts) == (0, [backups] * 1000)
        return done.peak

    few, many = peak(5, tmp_path / "few"), peak(100, tmp_path / "many")
    assert many < few + KIBIBYTES_MORE // 4
