"""A canary in every secret place comes out of no command, object or error, unless secrets are asked for."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import backupmeta
from backupmeta import AnswerError, EvidenceError, Search
from backupmeta.archive.head import head
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.errors import BackupMetaError
from backupmeta.evidence import open_named
from backupmeta.provenance import Source, Witness
from backupmeta.record import grammar
from backupmeta.record.grammar import document
from backupmeta.targets import find_backup
from tests.invented import BACKUP, INSTALL, NAME, Account, archive, backup_record, install_record, run

pytestmark = pytest.mark.untraced  # the same lines, in many ways

CANARY = b"CANARYq7x"
SHOWN = [CANARY, *(base64.b64encode(b"x" * shift + CANARY)[4 if shift else 0 : -4] for shift in range(3))]
S3 = "s3://AKIA0:CANARYq7x/CANARYq7x+CANARYq7x@CANARYq7x@bucket/path"

CASE = [
    "--title",
    "ftp://u:CANARYq7x@h/",
    "--case",
    "password=CANARYq7x",
    "--remark",
    S3,
    "--examiner",
    "?key=CANARYq7x",
]

PLACES = {
    "database": backup_record(db_pass="CANARYq7x"),
    "empty-before": backup_record(db_pass="") + b"\ndb-pass=CANARYq7x",
    "custom": backup_record(cf_enckey="CANARYq7x", cf_passwd="CANARYq7x", cf_api_token="CANARYq7x"),
    "unknown": backup_record(x_api_token="CANARYq7x", authentication="CANARYq7x", X_SALT="CANARYq7x"),
    "ftp": backup_record(backup_location="ftp://user:CANARYq7x@backup.example.com:21/b", bkloc="ftp://CANARYq7x@h/"),
    "s3": backup_record(backup_location=S3, bkloc=S3),
    "dropbox": backup_record(backup_location="dropbox3://CANARYq7x:CANARYq7x@/folder", bkloc="gdrive://CANARYq7x@x"),
    "query": backup_record(bkloc="gdrive://h/x?refresh_token=CANARYq7x&a=b", url="https://h/?key=CANARYq7x"),
    "url": backup_record(url="https://user:CANARYq7x@www.example.com/blog", list_files="a,https://u:CANARYq7x@h/x"),
    "note": backup_record(
        backup_note="see ftp://u:CANARYq7x@h/x", cf_odd="ftp://u:CANARYq7x@h/x", x="ftp://CANARYq7x@h/"
    ),
    "rest-of-a-secret": backup_record() + b"\ndb-pass=x\nCANARYq7x\n\nCANARYq7x",
    "crlf": backup_record(db_pass="CANARYq7x", x_token="CANARYq7x").replace(b"\n", b"\r\n"),
    "bom-and-nul": b"\xef\xbb\xbfdb-pass=\0CANARYq7x\n" + backup_record(db_pass=None),
    "duplicate": b"db-pass=CANARYq7x\nx-token=CANARYq7x\n" + backup_record(db_pass="CANARYq7x2", x_token="y"),
    "not-utf8": backup_record(db_pass=None) + b"\ndb-pass=\xffCANARYq7x\ncf-key=CANARYq7x\xff\nx-key=\xfeCANARYq7x",
    "not-utf8-uri": backup_record(bkloc=None) + b"\nbkloc=ftp://u:CANARYq7x\xff@h/\nurl=https://u:CANARYq7x@h/\xff",
    "odd-keys": backup_record() + b"\nDB-PASS=CANARYq7x\n db-pass=CANARYq7x\n\xffpassword=CANARYq7x",
    "extensions": backup_record(
        list_plugins="-https://user:CANARYq7x@h/x,|akismet/5.3.6", list_themes="|ftp://CANARYq7x@h/"
    ),
    "undecodable": backup_record(time="ftp://u:CANARYq7x@h", autoup="ftp://u:CANARYq7x@h"),
}


def account_of(place: str, folder: Path) -> Account:
    """Return a home whose records hold the canary: alike, and unlike each other in a home beside it."""
    content = PLACES[place]
    account = Account(folder / "home/exampleu")
    account.backup(content=content)
    account.archive(embedded=content)
    account.install(content=install_record() + b"\n" + content)
    other = Account(folder / "home/other")
    other.backup("b" * 25, backup_record(db_pass="other", bkloc="local", x_api_token="o", cf_enckey="o"))
    other.archive(embedded=content)
    other.archive("lone.tar.gz", embedded=content)
    (other.archives / "app_cut.tar.gz").write_bytes(archive(content)[:-30])
    return account


@pytest.fixture(params=PLACES)
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Account:
    """Give a home of each kind."""
    return account_of(request.param, tmp_path)


def of_targets(account: Account) -> Iterator[list[str]]:
    """Yield commands on a home's archives and records."""
    homes, record = str(account.home.parent), str(account.backups / BACKUP)
    path = str(account.archives / NAME)
    for target in (BACKUP, path, NAME, record, "b" * 25, "lone.tar.gz", str(account.home.parent / "other")):
        yield ["view", target, "--root", homes]
        yield ["view", target, "--root", homes, "--provenance", "--allow-missing"]
    yield ["view", INSTALL, "--root", homes, "--provenance"]
    yield ["view", BACKUP, "--root", homes, "--user", "nobody"]
    for file in (record, path, str(account.installs / INSTALL)):
        yield ["explain", file]
        yield ["explain", file, "--json"]
    yield ["members", path]
    yield ["members", path, "--json"]
    yield ["needs", path]
    yield ["needs", path, "--json"]
    yield ["cat", path, "APP-META.INI"]
    yield ["cat", path, "nothing"]
    other = str(account.home.parent / "other/application_backups/lone.tar.gz")
    for form in ("text", "json", "markdown"):
        for targets in ([BACKUP, "b" * 25], [path, other, "--deep"], [path, "current"]):
            yield ["diff", *targets, "--root", homes, "--format", form]
        yield ["diff", path, homes, "--format", form]
        yield ["history", INSTALL, "--root", homes, "--format", form]
        yield ["history", INSTALL, "--root", homes, "--deep", "--jobs", "1", "--format", form]
        yield ["history", INSTALL, "--root", homes, "--member", "*", "--jobs", "1", "--format", form]


def of_homes(homes: list[str]) -> Iterator[list[str]]:
    """Yield commands on whole homes."""
    for command in ("list", "installs"):
        for form in ("--json", "--jsonl"):
            yield [command, *homes, form, "--provenance"]
        for form in ("csv", "csv-safe", "csv-excel"):
            yield [command, *homes, "--format", form]
        yield [command, *homes]
        yield [command, *homes, "--jsonl", "--sort", "db_pass"]
    for form in ("table", "json", "jsonl", "csv", "csv-safe"):
        yield ["installs", "--gone", *homes, "--format", form]
    for form in ("text", "json", "junit", "sarif", "github"):
        yield ["verify", *homes, "--format", form, "--fail-on", "note", *([] if form == "text" else ["--jobs", "1"])]
    yield ["verify", *homes, "--write-baseline", "/dev/stdout"]
    for form in ("text", "jsonl", "l2tcsv", "bodyfile"):
        yield ["timeline", *homes, "--format", form, "--deep"]
    for form in ("html", "markdown", "json"):
        yield ["report", *homes, "--deep", "--jobs", "1", "--format", form, *CASE]


def leaks(shown: bytes) -> bool:
    return any(one in shown for one in SHOWN)


def test_no_command_on_a_target_shows_the_canary(account: Account) -> None:
    assert_silent(of_targets(account), 12)


def test_no_command_on_all_homes_shows_the_canary(tmp_path: Path) -> None:
    homes = [str(account_of(place, tmp_path / place).home.parent) for place in PLACES]
    assert_silent(of_homes(homes), 5)


def assert_silent(commands: Iterator[list[str]], answers: int) -> None:
    """Run ``commands``: none shows the canary, and at least so many ``answers`` are clean."""
    outcomes = [(command, run(*command)) for command in commands]
    assert [command for command, ran in outcomes if leaks(ran.out) or leaks(ran.err.encode())] == []
    assert all(ran.code in {0, 1, 2} for _, ran in outcomes)
    assert sum(ran.code == 0 for _, ran in outcomes) >= answers


def test_a_terminals_table_does_not_show_it_either(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupmeta.cli.output.width", lambda: 500)
    for command in ("list", "installs"):
        assert not leaks(run(command, account.home.parent).out)


@pytest.mark.parametrize("show", [False, True])
def test_the_model_masks_what_the_command_masks(account: Account, show: bool) -> None:  # noqa: FBT001
    ran = run("view", BACKUP, "--root", account.home, *(["--show-secrets"] if show else []))
    response = backupmeta.view(BACKUP, Search([str(account.home)]))
    assert response.model_dump(mode="json", context={"show_secrets": show}) == ran.json


def test_it_is_shown_to_who_asks_for_it(account: Account) -> None:
    homes = account.home.parent
    account.backup(content=(account.backups / BACKUP).read_bytes() + b"\nx-token=CANARYq7x")
    for ran in (
        run("view", BACKUP, "--root", homes, "--provenance", "--show-secrets"),
        run("list", "--jsonl", "--provenance", "--show-secrets", homes),
        run("explain", account.backups / BACKUP, "--show-secrets"),
        run("cat", account.archives / NAME, "APP-META.INI", "--show-secrets"),
    ):
        assert CANARY in ran.out


def test_no_public_object_shows_it(account: Account) -> None:
    path = str(account.archives / NAME)
    content = (account.backups / BACKUP).read_bytes()
    found = find_backup(path)
    record = grammar.parse(content)
    with open_named(path) as file:
        archive_head = head(file)
    objects: list[object] = [
        found,
        found.values,
        *found.values.values(),
        found.extra,
        *found.extra.values(),
        found.conflicts,
        found.findings,
        *(finding.message for finding in found.findings),
        found.wire(),
        record,
        record.lines,
        *record.lines,
        document(Source(Witness.BACKUP_RECORD, "x"), content, DEFAULT_LIMITS),
        archive_head,
        Search([path]),
    ]
    response = backupmeta.view(path)
    objects += [found.answer, response, response.data, response.model_dump(), response.model_dump_json()]
    assert [type(one) for one in objects if leaks(f"{one!a} {one!s}".encode("utf-8", "surrogateescape"))] == []


def test_no_error_or_log_shows_it(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (account.archives / NAME).write_bytes(archive(PLACES["database"])[:-30])
    (account.archives / "plain.tar").write_bytes(PLACES["database"])
    raised: list[BackupMetaError] = []
    for target in ("nothing", "lone.tar.gz", *map(str, account.archives.iterdir()), str(account.home)):
        try:
            backupmeta.view(target, Search([str(account.home)]), user="nobody")
        except (AnswerError, EvidenceError) as error:
            raised.append(error)
    assert len(raised) >= 4
    assert not any(leaks(f"{error} {error!r} {error.args} {vars(error)}".encode()) for error in raised)
    assert not leaks(caplog.text.encode())
