"""The command ``timeline``, as people use it."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from backupmeta.render.timelines import TIMELINES
from tests.events.scene import CREATED, agreeing, packed, touched
from tests.invented import BACKUP, NAME, TIME, Account, backup_record, run
from tests.measured import COMMAND, KIBIBYTES_MORE, measured

CANARY = "CANARYq7x"


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
        f"  [backup record, {account.backups / BACKUP}:13]"
    )


def test_json_is_jsonl(account: Account) -> None:
    ran = run("timeline", account.home, "--json")
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
    assert [one["event"] for one in run("timeline", account.home, "--json", *options).jsonl] == events


def test_who_finds_nothing_is_told(account: Account) -> None:
    ran = run("timeline", account.home, "--user", "nobody")
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err == f"backupmeta: nothing happened in {account.home}; name another ROOT, or a wider time\n"


def test_contradictions_are_counted_and_change_nothing(account: Account) -> None:
    touched(account.archives / NAME, TIME + 999_999)
    ran = run("timeline", account.home)
    assert (ran.code, ran.err) == (0, "backupmeta: 3 of 10 events are contradicted by other witnesses\n")
    assert ran.text.count("contradicted by Content Modification Time (Archive) 2024-06-25 10:42:00 UTC") == 2


def test_members_that_are_left_out_are_told(account: Account) -> None:
    ran = run("timeline", account.home, "--deep", "--members", "1", "--json")
    assert ran.code == 0
    assert ran.err == "backupmeta: 2 members have no event of their own; --members N tells more of them\n"
    assert [one["left_out"] for one in ran.jsonl if "left_out" in one] == [2]


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(path.read_bytes()[:60])
    ran = run("timeline", account.home, "--json")
    assert ran.code == 2
    assert f"backupmeta: error: {path}: the archive is cut off" in ran.err
    assert len(ran.jsonl) == 9


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--members", "5"], "--members needs --deep"),
        (["--format", "xml"], "'xml' is not one of"),
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
    ran = run("timeline", account.home, "--json", "-o", tmp_path / "out.jsonl")
    assert (ran.code, ran.out) == (0, b"")
    assert (tmp_path / "out.jsonl").read_bytes() == run("timeline", account.home, "--json").out


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
    told = run("timeline", account.home, "--deep", "--json").jsonl
    assert len(found) == len(told) == 14
    assert [one["Date"].rstrip("Z") for one in found] == sorted(one["datetime"][:19] for one in told)


def test_the_answer_is_always_the_same(account: Account) -> None:
    assert len({run("timeline", account.home.parent, "--deep", "--json").out for _ in range(3)}) == 1


def test_memory_stays_flat(tmp_path: Path) -> None:
    def peak(accounts: int, root: Path) -> int:
        for number in range(accounts):
            agreeing(root / f"u{number}")
        arguments = ("timeline", str(root), "--deep", "--json")
        done = measured(COMMAND, *arguments)
        assert (done.code, len(done.out.splitlines())) == (0, 14 * accounts)
        assert json.loads(done.out.splitlines()[0])["event"] == "installed"
        return done.peak

    few, many = peak(40, tmp_path / "few"), peak(400, tmp_path / "many")
    assert many < few + KIBIBYTES_MORE // 4
