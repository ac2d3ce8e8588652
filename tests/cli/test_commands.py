"""The commands, run in this process."""

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import backupmeta
from backupmeta import library, listing
from backupmeta.account.home import Home, Pair
from backupmeta.api.models import Backup, Install, ListResponse, Response
from backupmeta.backup.inspection import Inspection
from backupmeta.cli import commands, completion, output
from backupmeta.evidence import Entry
from backupmeta.record.fields import FIELDS
from backupmeta.search import Search
from tests.invented import (
    BACKUP,
    EXAMPLE,
    EXAMPLE_ARCHIVE,
    EXAMPLE_ID,
    FIXTURES,
    INSTALL,
    NAME,
    SECOND,
    Account,
    archive,
    backup_record,
    install_record,
    run,
)

EXAMPLE_ANSWER: Any = json.loads((FIXTURES / "api/example-response.json").read_text("utf-8"))
RICH = {
    "installer": "drupal",
    "backup_time": "1718398521",
    "backup_filename": "app_example-org_Shop_2024-06-14_20-55-21.tar.gz",
    "title": "Shop",
    "url": "https://shop.example.org/",
    "url_domain": "example.org",
    "owner": "someone",
    "list_plugins": "-akismet/5.3.6",
    "list_themes": "",
    "autobk": "custom",
    "autobk_daily": "2",
    "cf_enckey": "k",
    "cf_odd": "ü",
    "incomplete": "1",
    "bkloc": "ftp://u:p@h/b",
    "cache_files": "12",
}


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu").whole()


@pytest.fixture
def two(account: Account) -> Account:
    """Give a home of two backups, the second one rich and unlike the first."""
    account.backup(SECOND, backup_record(**RICH))
    account.archive(RICH["backup_filename"], backup_record(**RICH))
    return account


def table(*arguments: str | Path) -> list[dict[str, str]]:
    ran = run(*arguments)
    assert ran.code == 0
    return list(csv.DictReader(io.StringIO(ran.text), delimiter="\t"))


def test_the_examples_answer_is_the_vendors() -> None:
    ran = run("view", EXAMPLE_ID, "--sysroot", EXAMPLE, "--show-secrets")
    assert ran.code == 0
    assert ran.json == EXAMPLE_ANSWER
    assert list(ran.json["data"]) == list(EXAMPLE_ANSWER["data"])
    masked = run("view", EXAMPLE_ID, "--sysroot", EXAMPLE).json
    assert masked == {**EXAMPLE_ANSWER, "data": {**EXAMPLE_ANSWER["data"], "db_pass": "********"}}


def test_the_same_backup_by_id_by_path_and_by_name_with_the_same_provenance() -> None:
    answers = [
        run("view", target, "--sysroot", EXAMPLE, "--provenance").json
        for target in (EXAMPLE_ID, EXAMPLE_ARCHIVE, EXAMPLE_ARCHIVE.name)
    ]
    assert answers[0]["data"] == answers[1]["data"] == answers[2]["data"]
    for one in answers:
        assert list(one["provenance"]["fields"]) == list(one["data"])
        assert all(field["source"]["witness"] for field in one["provenance"]["fields"].values())
    assert answers[0]["provenance"]["fields"]["version"]["source"]["path"] == (
        f"/home/useraccountname/.appdata/backups/{EXAMPLE_ID}"
    )


@pytest.mark.parametrize("id_", [BACKUP, SECOND])
@pytest.mark.parametrize("show", [[], ["--show-secrets"]])
def test_the_command_and_the_library_give_the_same(two: Account, id_: str, show: list[str]) -> None:
    ran = run("view", id_, "--root", two.home, *show)
    response = backupmeta.view(id_, Search([str(two.home)]))
    assert ran.code == 0
    assert response.model_dump(mode="json", context={"show_secrets": bool(show)}) == ran.json
    assert Response[Backup].model_validate_json(ran.out).status == 200


def test_an_install_is_viewed_as_the_library_views_it(account: Account) -> None:
    ran = run("view", INSTALL, "--root", account.home)
    assert ran.code == 0
    assert ran.json == backupmeta.view_install(INSTALL, Search([str(account.home)])).model_dump(mode="json")
    assert Response[Install].model_validate_json(ran.out).data


@pytest.mark.parametrize(
    ("arguments", "status", "errcode"),
    [
        (["nothing"], 404, "backup_not_found"),
        ([SECOND], 404, "backup_not_found"),
        ([BACKUP, "--user", "nobody"], 404, "user_not_found"),
        ([BACKUP, "--user", "other"], 403, "invalid_argument_user"),
    ],
)
def test_negative_answers_are_the_servers_envelope(
    account: Account, arguments: list[str], status: int, errcode: str
) -> None:
    account.backup(SECOND, backup_record(backup_filename="missing.tar.gz"))
    Account(account.home.parent / "other").install(content=install_record(owner="other"))
    ran = run("view", *arguments, "--root", account.home.parent)
    assert ran.code == 1
    assert ran.err == ""
    assert list(ran.json) == ["result", "status", "errcode", "errfield", "message", "data"]
    assert (ran.json["result"], ran.json["status"], ran.json["errcode"], ran.json["data"]) == (
        False,
        status,
        errcode,
        None,
    )
    assert Response[Backup].model_validate_json(ran.out).data is None


def test_a_missing_archive_may_be_allowed(account: Account) -> None:
    (account.archives / NAME).unlink()
    ran = run("view", BACKUP, "--root", account.home, "--allow-missing")
    assert ran.code == 0
    assert ran.json["data"]["id"] == BACKUP
    assert "archive-missing" in ran.err


def test_what_could_not_be_read_beside_a_404_wins(account: Account) -> None:
    (account.backups / SECOND).write_bytes(b"x" * 2_000_000)
    ran = run("view", SECOND, "--root", account.home)
    assert ran.code == 2
    assert ran.json["errcode"] == "backup_not_found"
    assert "record-unreadable" in ran.err


def test_warnings_go_to_stderr_and_leave_the_exit_code_alone(account: Account) -> None:
    account.backup(content=backup_record(title="Another", x_new="1"))
    ran = run("view", BACKUP, "--root", account.home)
    assert ran.code == 0
    assert "[name-title-differs]" in ran.err
    assert "[record-unknown-key]" not in ran.err


def test_a_zone_gives_a_timeless_archive_its_time(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(archive(backup_record(backup_time=None)))
    for zone in ("Europe/Berlin", "+02:00", "+0200"):
        assert run("view", path, "--tz", zone).json["data"]["backup_time"] == "1718304921"
    assert "backup_time" not in run("view", path).json["data"]


def test_a_list_is_a_table(two: Account) -> None:
    rows = table("list", two.home)
    assert [(row["time (UTC)"], row["id"], row["title"], row["state"]) for row in rows] == [
        ("2024-06-13 20:55:21", BACKUP, "Blog", "paired"),
        ("2024-06-14 20:55:21", SECOND, "Shop", "paired"),
    ]


def test_installs_are_a_table(two: Account) -> None:
    (row,) = table("installs", two.home)
    assert (row["id"], row["backups"], row["path"]) == (INSTALL, "2", "/home/exampleu/public_html/blog")


def test_json_is_the_servers_list(two: Account) -> None:
    ran = run("list", "--json", two.home)
    page = ListResponse[Backup].model_validate_json(ran.out)
    assert (page.offset, page.limit, page.total_count) == (0, 50, 2)
    assert [one["id"] for one in ran.json["data"]] == [BACKUP, SECOND]
    assert ran.json["data"][0] == run("view", BACKUP, "--root", two.home).json["data"]
    installs = run("installs", "--json", two.home)
    assert ListResponse[Install].model_validate_json(installs.out).total_count == 1


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--offset", "1"], [SECOND]),
        (["--limit", "1"], [BACKUP]),
        (["--offset", "2"], []),
        (["--limit", "0"], []),
        (["--offset", "1", "--limit", "1"], [SECOND]),
    ],
)
def test_a_part_of_a_list_still_tells_the_total(two: Account, options: list[str], ids: list[str]) -> None:
    ran = run("list", "--json", two.home, *options)
    assert [one["id"] for one in ran.json["data"]] == ids
    assert ran.json["total_count"] == 2
    assert [one["id"] for one in run("list", "--jsonl", two.home, *options).jsonl] == ids


def test_a_page_has_fifty_entries_unless_asked_otherwise(account: Account) -> None:
    for number in range(60):
        account.backup(f"{number:025}", backup_record(backup_time=str(number)))
    ran = run("list", "--json", account.home).json
    assert (len(ran["data"]), ran["limit"], ran["total_count"]) == (50, 50, 61)
    assert ran["data"][49]["id"] == f"{49:025}"
    assert len(run("list", "--jsonl", account.home).jsonl) == 61


def test_jsonl_has_what_json_has_also_over_many_blocks(account: Account) -> None:
    for number in range(200):
        account.backup(f"{number:025}", backup_record(backup_time=str(number)))
    lines = run("list", "--jsonl", account.home).jsonl
    evidence = [one.pop("evidence") for one in lines]
    assert lines == run("list", "--json", "--limit", "500", account.home).json["data"]
    assert evidence[0] == {
        "account": str(account.home),
        "local_path": str(account.archives / NAME),
        "server_path": str(account.archives / NAME),
    }
    assert [one["backup_time"] for one in lines[:200]] == [str(number) for number in range(200)]


def test_jsonl_in_one_process_is_the_same(two: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run("list", "--jsonl", "--provenance", two.home)
    monkeypatch.setattr("backupmeta.work.processes.can_fork", bool)
    assert run("list", "--jsonl", "--provenance", two.home) == before


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_a_list_has_its_provenance_on_request(two: Account, form: str) -> None:
    ran = run("list", form, "--provenance", two.home)
    first = ran.json["data"][0] if form == "--json" else ran.jsonl[0]
    assert list(first["provenance"]["fields"]) == [name for name in first if name not in {"provenance", "evidence"}]


def test_csv_has_a_column_a_field(two: Account) -> None:
    ran = run("list", "--csv", two.home)
    rows = list(csv.DictReader(io.StringIO(ran.text, newline="")))
    evidence = ["account", "local_path", "server_path"]
    assert list(rows[0]) == [*(field.name for field in FIELDS), "custom", "findings", *evidence]
    assert [row["title"] for row in rows] == ["Blog", "Shop"]
    assert json.loads(rows[1]["custom"]) == {"enckey": "********", "odd": "ü"}


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--user", "exampleu"], [BACKUP]),
        (["--user", "someone"], []),
        (["--application", "wordpress"], [BACKUP]),
        (["--application", "WordPress"], [BACKUP]),
        (["--domain", "example.com"], [BACKUP]),
        (["--domain", "WWW.Example.com"], [BACKUP]),
        (["--domain", "shop.example.org"], [SECOND]),
        (["--domain", "ample.org"], []),
        (["--since", "2024-06-14"], [SECOND]),
        (["--until", "2024-06-13"], [BACKUP]),
        (["--until", "2024-06-13T20:55:21Z"], [BACKUP]),
        (["--until", "2024-06-13T20:55:20Z"], []),
        (["--since", "1718312121"], [BACKUP, SECOND]),
        (["--since", "1718312122"], [SECOND]),
        (["--since", "2024-06-14T00:00:00-05:00", "--until", "9999-12-31"], [SECOND]),
        (["--since", "2024-06-14T00:00:00+05:00"], [BACKUP, SECOND]),
        (["--sort", "-backup_time"], [SECOND, BACKUP]),
        (["--sort", "title"], [BACKUP, SECOND]),
        (["--sort", "application"], [SECOND, BACKUP]),
        (["--sort", "cache_files"], [SECOND, BACKUP]),
        (["--sort", "-cache_files"], [SECOND, BACKUP]),
    ],
)
def test_filters_and_sorting(two: Account, options: list[str], ids: list[str]) -> None:
    ran = run("list", "--jsonl", two.home, *options)
    assert ran.code == (0 if ids else 1)
    assert [one["id"] for one in ran.jsonl] == ids


def test_a_filter_by_time_leaves_out_what_has_none(account: Account) -> None:
    account.backup(content=backup_record(backup_time=None, url="http://[broken", url_domain="example.com"))
    account.archive(embedded=backup_record(backup_time=None))
    assert run("list", "--jsonl", account.home, "--since", "2000-01-01").jsonl == []
    assert len(run("list", "--jsonl", account.home, "--domain", "example.com").jsonl) == 1


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"], ["--csv"]])
def test_an_empty_list_says_where_was_looked(tmp_path: Path, form: list[str]) -> None:
    (tmp_path / "homes").symlink_to(tmp_path)
    ran = run("list", tmp_path, *form)
    assert ran.code == 0
    assert ran.err.splitlines()[0] == f"backupmeta: nothing in {tmp_path}"
    assert "[link-not-followed]" in ran.err


def test_an_empty_list_tells_a_filter_from_an_empty_place(two: Account, tmp_path: Path) -> None:
    assert "nothing that matches in" in run("list", two.home, "--user", "nobody").err
    assert f"in the conventional places of {two.home}; name a ROOT" in run("list", "--sysroot", two.home).err
    assert run("installs", tmp_path / "home").code == 0


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--application", "Wordpres"], "no application is called 'wordpres'; did you mean 'wordpress'? there {}"),
        (["--domain", "shop"], "no domain is called 'shop'; there {}"),
        (["--user", "EXAMPLEU"], "no user is called 'EXAMPLEU'; did you mean 'exampleu'? there {}"),
        (["--application", "drupal", "--domain", "example.com"], ""),
        (["--since", "2030-01-01"], ""),
    ],
)
@pytest.mark.parametrize("command", [["list", "--jsonl"], ["list"], ["installs", "--csv"], ["list", "--catalog"]])
def test_who_asks_for_what_is_not_there_is_told_what_is(
    two: Account, tmp_path: Path, command: list[str], asked: list[str], says: str
) -> None:
    two.install(SECOND, install_record(installer="drupal", url="https://shop.example.org/", url_domain="example.org"))
    assert run("scan", two.home, "-o", tmp_path / "c.sqlite").code == 0
    ran = run(*command, tmp_path / "c.sqlite" if "--catalog" in command else two.home, *asked)
    domains = "example.com, example.org, shop.example.org"
    users = "exampleu" if "installs" in command else "exampleu, someone"
    there = {"--application": "are drupal, wordpress", "--domain": f"are {domains}"}
    known = there.get(asked[0], f"{'is' if users == 'exampleu' else 'are'} {users}")
    assert ran.code == 1
    assert ran.err.splitlines()["--catalog" in command :] == [
        f"backupmeta: nothing that matches in {tmp_path / 'c.sqlite' if '--catalog' in command else two.home}",
        *([f"backupmeta: {says.format(known)}"] if says else []),
    ]


def test_what_could_not_be_read_of_a_list_is_told_with_exit_code_2(account: Account) -> None:
    (account.archives / "app_cut.tar.gz").write_bytes(archive(backup_record())[:50])
    for form in ("--json", "--jsonl", "--csv"):
        ran = run("list", account.home, form)
        assert ran.code == 2
        assert "[archive-truncated]" in ran.err
        assert BACKUP in ran.text


@pytest.mark.parametrize("width", [40, 200])
def test_a_terminal_never_gets_control_characters(
    account: Account, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    account.backup(content=backup_record(title="a\x1b]0;evil\x07b\u202ec\x9bd", owner="\x1b[31m"))
    monkeypatch.setattr(output, "width", lambda: width)
    ran = run("list", account.home)
    assert ran.code == 0
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(ran.text)
    assert (BACKUP in ran.text) is (width > 100)
    assert "\\x1b[" in ran.text


def test_explain_shows_each_line(account: Account) -> None:
    ran = run("explain", account.backups / BACKUP)
    assert ran.code == 0
    assert "line 2  installer=wordpress" in ran.text
    as_json = run("explain", account.archives / NAME, "--json").json
    assert [one["place"] for one in as_json[:3]] == ["name"] * 3
    assert [one["line"] for one in as_json if one["text"] == "title=Blog"] == [8]


def test_members_are_listed(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("index.php", b"<?php"), ("a" * 120, b"")]))
    assert [line.split()[-1] for line in run("members", path).text.splitlines()] == [
        "APP-META.INI",
        "index.php",
        "a" * 120,
    ]
    listed = run("members", path, "--json").json
    assert [(one["name"], one["size"], one["mtime"]) for one in listed["members"]][1] == (
        "index.php",
        5,
        "2024-06-13T20:55:21+00:00",
    )
    content = path.read_bytes()
    assert (listed["path"], listed["size"], listed["compression"]) == (str(path), len(content), "gzip")
    assert listed["digests"] == {"sha256": hashlib.sha256(content).hexdigest()}
    assert (listed["verdict"], listed["findings"], listed["member_count"]) == ("complete", [], 3)


def test_the_last_line_about_an_archive_is_the_verdict(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("index.php", b"<?php")]))
    ran = run("members", path, "--archive-digest", "md5")
    sha256, md5 = (hashlib.new(name, path.read_bytes()).hexdigest() for name in ("sha256", "md5"))
    assert (ran.code, ran.err.splitlines()[-1].partition(".tar.gz: ")[2]) == (
        0,
        f"complete; 2 members, 3,072 bytes inflated, sha256 {sha256}, md5 {md5}",
    )


def test_members_can_have_digests(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("index.php", b"<?php"), ("empty", b"")]))
    listed = run("members", path, "--json", "--member-digest", "sha1").json["members"]
    assert [one["digest"] for one in listed] == [
        hashlib.sha1(content, usedforsecurity=False).hexdigest() for content in (backup_record(), b"<?php", b"")
    ]


def test_what_only_the_whole_archive_tells_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "circle.tar"
    with tarfile.open(path, "w") as target:
        for name, link in (("a", "b"), ("b", "a")):
            one = tarfile.TarInfo(name)
            one.type, one.linkname = tarfile.SYMTYPE, link
            target.addfile(one)
    ran = run("members", path, "--json")
    assert [one["id"] for one in ran.json["findings"]] == ["member-link-cyclic"] * 2
    assert (ran.code, ran.err.count("[member-link-cyclic]")) == (1, 2)


def test_a_limit_can_be_set(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("index.php", b"<?php"), ("b", os.urandom(300_000))]))
    ran = run("members", path, "--bound", "members=1")
    assert (ran.code, "[limit-exceeded]" in ran.err, "more than 1 member" in ran.err) == (2, True, True)
    assert run("cat", path, "b", "--bound", "inflated_bytes=1k").code == 2
    assert run("members", path, "--bound", "inflated_bytes=1g", "--bound", "members=3").code == 0


def test_members_before_damage_are_listed_all_the_same(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("big", os.urandom(100_000))])[:60_000])
    ran = run("members", path, "--json")
    assert ran.code == 2
    assert [one["name"] for one in ran.json["members"]] == ["APP-META.INI", "big"]
    assert (ran.json["verdict"], ran.json["digests"]["sha256"]) == (
        "truncated",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    assert "[archive-truncated]" in ran.err


def test_cat_gives_exact_bytes_and_masks_records_alone(account: Account) -> None:
    path = account.archives / NAME
    path.write_bytes(archive(backup_record(), [("x.bin", bytes(range(256))), ("sub/APP-META.INI", b"db-pass=x")]))
    assert run("cat", path, "x.bin").out == bytes(range(256))
    assert run("cat", path, "./x.bin").out == bytes(range(256))
    assert run("cat", path, "APP-META.INI").out == backup_record(db_pass="********")
    assert run("cat", path, "sub/APP-META.INI").out == b"db-pass=********"
    assert run("cat", path, "APP-META.INI", "--show-secrets").out == backup_record()


@pytest.mark.parametrize("name", ["backup", "install", "plugin", "theme", "response", "list"])
def test_schemas_are_json_schemas(name: str) -> None:
    schema = run("schema", name).json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"
    assert schema["properties"]


def test_the_schema_of_a_backup_names_the_examples_fields() -> None:
    properties = run("schema", "backup").json["properties"]
    assert set(EXAMPLE_ANSWER["data"]) <= set(properties)
    assert Backup.model_validate(EXAMPLE_ANSWER["data"]).version == "6.7.2"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["list", "--jsno"], "--json"),
        (["members", "x", "--bound", "member=1"], "did you mean 'members'?"),
        (["members", "x", "--member-digest", "md5"], "--member-digest needs --json"),
        (["members", "x", "--bound", "xyzzy=1"], "there are record_bytes, "),
        (["members", "x", "--bound", "members=many"], "1000, 64K, 10M or 2G"),
        (["list", "--sort", "titel"], "did you mean 'title'?"),
        (["list", "--sort", "xyzzy"], "'backupmeta schema backup' names them"),
        (["list", "--since", "yesterday"], "give 2024-06-13"),
        (["list", "--tz", "Mars/Phobos"], "Europe/Berlin"),
        (["list", "--tz", "+2"], "+02:00"),
        (["list", "--tz", ""], "Europe/Berlin"),
        (["list", "--tz", "../../etc/passwd"], "Europe/Berlin"),
        (["list", "--limit", "-1"], "--limit"),
        (["list", "--provenance"], "--provenance needs --json or --jsonl"),
        (["installs", "--csv", "--provenance"], "--provenance needs --json or --jsonl"),
        (["view"], "TARGET"),
        (["cat", "x.tar.gz"], "MEMBER"),
        (["schema", "backups"], "'backup'"),
    ],
)
def test_usage_errors_end_with_2_and_name_the_right_thing(arguments: list[str], hint: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == b""
    assert hint in ran.err


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (lambda home: ["view", home], "'backupmeta list "),
        (lambda home: ["view", home / "nowhere"], "no such file; give an archive"),
        (lambda home: ["explain", home], "is a folder"),
        (lambda home: ["members", home / "nowhere"], "no such file"),
        (lambda home: ["members", home / ".appdata/current" / INSTALL], "name a backup that has"),
        (lambda home: ["cat", home / "application_backups" / NAME, "nowhere"], "'backupmeta members' lists"),
        (lambda home: ["list", home / "nowhere"], "no such file"),
        (lambda home: ["list", "--sysroot", home / "nowhere"], "the folder that an image is mounted at"),
        (lambda home: ["view", "x", "--root", home / "nowhere"], "no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_helps(
    account: Account, command: Callable[[Path], list[str | Path]], hint: str
) -> None:
    ran = run(*command(account.home))
    assert ran.code == 2
    assert ran.out == b""
    (line,) = ran.err.splitlines()
    assert line.startswith("backupmeta: ")
    assert hint in line


def test_no_message_carries_control_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31mb\nc"
    folder.mkdir()
    for command, target in (("view", folder), ("explain", folder), ("list", folder), ("list", folder / "x")):
        ran = run(command, target)
        assert "\x1b" not in ran.err
        assert len(ran.err.splitlines()) == 1


COMMANDS = ["view", "list", "installs", "explain", "members", "cat", "schema"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example_of_it(command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    _, _, examples = ran.text.partition("Example")
    assert f"  backupmeta {command} " in examples
    assert run(command, "-h") == ran


def test_the_help_names_every_command_and_the_exit_codes() -> None:
    ran = run("--help")
    assert all(f"\n  {command} " in ran.text for command in COMMANDS)
    assert "Exit codes" in ran.text


def test_ctrl_c_before_anything_is_read_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_name: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("backupmeta.cli._run", interrupted)
    assert run("list") == (130, b"", "")


def test_a_backup_that_kills_each_process_is_named_and_all_others_are_listed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        account.backup(f"{number:025}", backup_record(backup_time=str(number)))
    deadly, own, inspect = f"{100:025}", os.getpid(), library.inspect_backup

    def killed(home: Home, pair: Pair, *arguments: Any) -> Inspection:
        if pair.id == deadly and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return inspect(home, pair, *arguments)

    monkeypatch.setattr("backupmeta.work.processes.cores", lambda: 2)
    before = run("list", "--jsonl", account.home).jsonl
    monkeypatch.setattr(library, "inspect_backup", killed)
    ran = run("list", "--jsonl", account.home)
    assert ran.jsonl == [one for one in before if one["id"] != deadly]
    assert ran.code == 2
    assert ran.err.count("the process that read it ended") == 1
    assert str(account.home) in ran.err


def test_each_home_is_read_once_however_many_processes_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        Account(tmp_path / "homes" / name).backup(name * 25, backup_record())
    log, read = tmp_path / "log", Home.read

    def logged(home: Home, entries: list[Entry]) -> None:
        with log.open("a") as file:
            file.write(f"{home.name}\n")
        read(home, entries)

    monkeypatch.setattr("backupmeta.work.processes.cores", lambda: 2)
    monkeypatch.setattr(Home, "read", logged)
    assert [row["id"] for row in run("list", "--jsonl", tmp_path / "homes").jsonl] == [name * 25 for name in "abcd"]
    assert sorted(log.read_text().split()) == list("abcd")


def test_a_list_that_no_process_survives_ends_and_says_so(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.backup("0" * 25, backup_record())
    monkeypatch.setattr("backupmeta.work.processes.cores", lambda: 2)
    monkeypatch.setattr(listing.BackupListing, "do", lambda *_: os._exit(1))
    ran = run("list", "--jsonl", account.home)
    assert (ran.code, ran.text) == (2, "")
    assert f"{account.home}, backup 1: " in ran.err
    assert "the process that read it ended; is there too little memory?" in ran.err


def test_a_terminal_is_as_wide_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output.width() is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "123")
    assert output.width() == 123


def test_completion_leaves_out_what_cannot_be_read(account: Account) -> None:
    view = commands.command("view")
    for roots, names in ((account.home, [BACKUP, "b"]), (account.home / "nowhere", ["b"])):
        context = click.Context(view)
        context.params = {"roots": (str(roots),)}
        assert [item.value for item in completion.target(context, view.params[0], "b")] == names


def test_the_version_is_the_packages() -> None:
    assert run("--version").text == f"backupmeta {backupmeta.__version__}\n"


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_the_list_of_commands_has_the_first_sentence_of_each(name: str) -> None:
    command = commands.command(name)
    assert command.name == name
    assert command.get_short_help_str(limit=1000) == commands.COMMANDS[name]


def test_the_list_and_completion_of_commands_import_none_of_them() -> None:
    code = (
        "import sys; from backupmeta.cli.commands import backupmeta as group; from click import Context;"
        "context = Context(group); print(group.get_help(context)); group.shell_complete(context, 'v');"
        "print([name for name in sys.modules if name.startswith('backupmeta.')])"
    )
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.splitlines()
    assert [line.split()[0] for line in lines[lines.index("Commands:") + 1 : -3] if line[2] != " "] == sorted(
        commands.COMMANDS
    )
    assert lines[-3:-1] == ["", "  More: 'backupmeta help TOPIC'."]
    assert lines[-1] == "['backupmeta.cli', 'backupmeta.cli.commands']"
