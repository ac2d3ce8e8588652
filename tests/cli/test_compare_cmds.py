"""``diff`` and ``history`` as commands: formats, exit codes, messages, files, and no secret in any of it."""

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.attack.test_canaries import PLACES, leaks
from tests.comparison.test_archive_changes import RECORD, cut, packed
from tests.invented import BACKUP, INSTALL, NAME, SECOND, Account, archive, backup_record, install_record, run

OTHER = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Give a home with two backups of one install."""
    found = Account(tmp_path / "home/exampleu").whole()
    record = backup_record(version="6.5.5", backup_filename=OTHER, backup_time="1718398521", title="a | b")
    found.backup(SECOND, record)
    found.archive(OTHER, record)
    return found


def test_diff(account: Account) -> None:
    ran = run("diff", BACKUP, SECOND, "--root", account.home)
    assert (ran.code, ran.err) == (1, "")
    assert "  changed  version          6.5.4 → 6.5.5" in ran.text
    assert run("diff", BACKUP, SECOND, "--root", account.home, "--json").json["is_same"] is False
    as_json = run("diff", BACKUP, SECOND, "--root", account.home, "--format", "json")
    assert as_json.out == run("diff", BACKUP, SECOND, "--root", account.home, "--json").out
    markdown = run("diff", BACKUP, SECOND, "--root", account.home, "--format", "markdown")
    assert r"| changed | title | Blog → a `\x7c` b | backup record |" in markdown.text


def test_exit_codes(account: Account, tmp_path: Path) -> None:
    path = account.archives / NAME
    assert run("diff", path, path).code == 0
    assert run("diff", path, path, "--deep").code == 0
    assert run("diff", path, account.archives / OTHER).code == 1
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(path.read_bytes()[:-9])
    ran = run("diff", path, cut, "--deep")
    assert ran.code == 2
    assert ": the archive is cut off" in ran.err
    assert "not read, and so not compared" in ran.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diff", "current", "current"], "both are current; name a backup"),
        (["diff", BACKUP, "current", "--deep"], "--deep needs two archives; a live install has none"),
        (["diff", BACKUP, "nothing"], "nothing here is called 'nothing'"),
        (["diff", BACKUP, SECOND, "--user", "nobody"], "'nobody'"),
        (["diff", BACKUP, "./none"], "./none: no such file"),
        (["diff", BACKUP], "Missing argument 'B'"),
        (["history", "nothing"], "nothing here is called 'nothing'"),
        (["history", "./none"], "./none: no such file"),
        (["history", "nothing", "--member", "x"], "nothing here is called 'nothing'"),
        (["history", INSTALL, "--member", "#1"], "has no archive here; #1 is a member of an archive: name that"),
        (["history", INSTALL, "--jobs", "2"], "--jobs needs --deep or --member"),
        (["history", INSTALL, "--deep", "--member", "x"], "give one of them"),
    ],
)
def test_mistakes(account: Account, arguments: list[str], message: str) -> None:
    ran = run(*arguments, "--root", account.home)
    assert (ran.code, ran.out) == (2, b"")
    assert message in ran.err


def test_current(account: Account) -> None:
    ran = run("diff", SECOND, "current", "--root", account.home)
    assert ran.code == 1
    assert "backup_time" not in ran.text
    assert "live install\n" in ran.text


def test_deep(tmp_path: Path) -> None:
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("x.php", b"1"), ("old", b"moved")])
    b = packed(tmp_path / "b.tar.gz", [RECORD, ("x.php", b"2"), ("new", b"moved")])
    ran = run("diff", a, b, "--deep")
    assert ran.code == 1
    assert (
        "members: 1 renamed, 1 changed\n  renamed  old → new\n  changed  x.php      sha256 6b86b273… → d4735e3a…\n"
        in ran.text
    )
    described = run("diff", a, b, "--deep", "--json").json
    assert [one["what"] for one in described["members"]] == ["renamed", "changed"]
    assert "members" not in run("diff", a, b, "--json").json
    limited = run("diff", a, b, "--deep", "--bound", "members=2")
    assert (limited.code, "limit-exceeded" in limited.err) == (2, True)


def test_what_cannot_be_told_is_said_in_every_format(tmp_path: Path) -> None:
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("x.php", b"1")])
    b = cut(packed(tmp_path / "b.tar.gz", [RECORD, ("x.php", b"1")]), 1024)
    ran = run("diff", a, b, "--deep")
    assert (ran.code, "  can't tell  x.php  1 byte, mtime 2024-06-13 20:55:21 UTC" in ran.text) == (1, True)
    described = run("diff", a, b, "--deep", "--json").json
    assert (described["member_counts"], described["is_same"]) == ({"can't tell": 1}, False)
    assert "| can't tell | x.php |" in run("diff", a, b, "--deep", "--format", "markdown").text.replace("`", "")


def test_a_backup_and_a_folder(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    path = packed(tmp_path / "a.tar.gz", [RECORD, ("x.php", b"1"), ("gone | away.php", b"2")])
    (site / "x.php").write_bytes(b"1")
    (site / "gone | away.php").write_bytes(b"2")
    for name in ("x.php", "gone | away.php"):
        (site / name).chmod(0o644)
    ran = run("diff", path, site)
    assert (ran.code, ran.err, ran.text.splitlines()[-1]) == (0, "", "no differences")
    (site / "gone | away.php").unlink()
    (site / "shell.php").symlink_to("/etc/passwd")
    os.utime(site / "shell.php", (0, 0), follow_symlinks=False)
    ran = run("diff", path, site)
    assert ran.code == 1
    assert ran.text.splitlines()[2:] == [
        "",
        "members: 1 added, 1 removed",
        "  removed  gone | away.php  1 byte, mtime 2024-06-13 20:55:21 UTC",
        "  added    shell.php        symlink, mtime 1970-01-01 00:00:00 UTC, link /etc/passwd",
    ]
    assert "| removed | gone `\\x7c away.php` | 1 byte" in run("diff", path, site, "--format", "markdown").text
    described = run("diff", path, site, "--json").json
    assert described["b"] == {"path": str(site), "kind": "folder", "time": None}
    assert [(one["what"], one["after"] and one["after"]["link"]) for one in described["members"]] == [
        ("removed", None),
        ("added", "/etc/passwd"),
    ]
    ran = run("diff", path, site, "-o", site / "answer.txt")
    assert (ran.code, "--output" in ran.err, (site / "answer.txt").exists()) == (2, True, False)
    ran = run("diff", path, site, "-o", tmp_path / "answer.txt")
    assert (ran.code, ran.out) == (1, b"")


def test_a_folder_of_an_image_is_named_as_its_server_saw_it_and_no_link_leads_out(tmp_path: Path) -> None:
    image, path = tmp_path / "image", packed(tmp_path / "a.tar.gz", [RECORD, ("x.php", b"1")])
    (image / "home/u/www").mkdir(parents=True)
    (image / "home/u/www/x.php").write_bytes(b"1")
    (image / "home/u/www/x.php").chmod(0o644)
    (image / "home/u/public_html").symlink_to("/home/u/www")  # which this machine need not have
    (image / "home/u/out").symlink_to(tmp_path)
    ran = run("diff", path, "/home/u/public_html", "--sysroot", image, "--json")
    assert (ran.code, ran.json["b"]["path"]) == (0, "/home/u/www")
    assert run("diff", path, image / "home/u/public_html", "--sysroot", image).code == 0
    assert run("diff", path, "/home/u/out", "--sysroot", image).code == 2


def test_mistakes_with_a_folder(account: Account, tmp_path: Path) -> None:
    for a in (account.home, "current"):
        ran = run("diff", a, account.home, "--root", account.home)
        assert (ran.code, "is no backup; a folder is compared with one: backupmeta diff BACKUP FOLDER" in ran.err) == (
            2,
            True,
        )
    (account.archives / NAME).unlink()
    ran = run("diff", BACKUP, tmp_path, "--root", account.home)
    assert (ran.code, f"{BACKUP}: has no archive here" in ran.err) == (2, True)
    assert "--deep" not in ran.err


def test_a_file_takes_the_answer(account: Account, tmp_path: Path) -> None:
    target = tmp_path / "changes.md"
    ran = run("diff", BACKUP, SECOND, "--root", account.home, "--format", "markdown", "-o", target)
    assert (ran.code, ran.out) == (1, b"")
    assert target.read_text().startswith("# Differences\n")
    for refused in (account.home / "changes.md", account.archives / NAME):
        ran = run("diff", BACKUP, SECOND, "--root", account.home, "-o", refused)
        assert (ran.code, "--output" in ran.err) == (2, True)
    assert not (account.home / "changes.md").exists()


def test_history(account: Account) -> None:
    ran = run("history", INSTALL, "--root", account.home)
    sizes = [f"{(account.archives / name).stat().st_size:,}" for name in (NAME, OTHER)]
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.splitlines() == [
        "time (UTC)\tbackup\tversion\tplugins\tsize\tchanges",
        f"2024-06-13 20:55:21\t{BACKUP}\t6.5.4\t\t{sizes[0]}\t",
        f"2024-06-14 20:55:21\t{SECOND}\t6.5.5\t\t{sizes[1]}\t6.5.4 → 6.5.5; title",
        "\tcurrent\t6.5.4\t\t\t6.5.5 → 6.5.4; title",
    ]
    markdown = run("history", INSTALL, "--root", account.home, "--format", "markdown").text
    assert markdown.startswith(
        f"# History of `{INSTALL}`\n\n| time (UTC) | backup | version | plugins | size | changes |"
    )
    described = run("history", INSTALL, "--root", account.home, "--json").json
    assert described["install"] == INSTALL
    assert [one["changes"] and [f["name"] for f in one["changes"]["fields"]] for one in described["backups"]] == [
        None,
        ["title", "version"],
        ["title", "version"],
    ]


def test_history_counts_what_changed_in_contents(account: Account) -> None:
    ran = run("history", INSTALL, "--root", account.home, "--deep")
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.splitlines()[2].endswith("\t6.5.4 → 6.5.5; title; members: 1 changed")
    contents = [
        one["contents"] for one in run("history", INSTALL, "--root", account.home, "--deep", "--json").json["backups"]
    ]
    assert contents == [None, {"tables": [], "member_counts": {"changed": 1}}, None]


def test_history_on_a_terminal(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupmeta.cli.output.width", lambda: 120)
    told = run("history", INSTALL, "--root", account.home).text
    assert "6.5.4 → 6.5.5; title" in told
    assert "\t" not in told


def test_a_backup_that_cannot_be_read_has_its_row(account: Account) -> None:
    name = "app_example-com_Blog_2024-06-15_20-55-21.tar.gz"
    (account.archives / name).write_bytes(archive(backup_record())[:40])
    ran = run("history", INSTALL, "--root", account.home)
    assert ran.code == 2
    assert f"\t{name}\t\t\t40\tcan't be read: the archive is cut off" in ran.text
    described = run("history", INSTALL, "--root", account.home, "--json").json
    assert described["backups"][2]["trouble"]["id"] == "archive-truncated"


def test_history_of_a_file(account: Account) -> None:
    member = ("--root", account.home, "--member", "APP-META.INI")
    ran = run("history", INSTALL, *member)
    assert (ran.code, ran.err) == (0, "")
    first, second = (
        sha256(content).hexdigest() for content in (backup_record(), account.backups.joinpath(SECOND).read_bytes())
    )
    size, length = len(backup_record()), account.backups.joinpath(SECOND).stat().st_size
    assert (
        ran.text
        == f"""\
{INSTALL}: 2 backups

APP-META.INI
  last backup before it first changed  2024-06-13 20:55:21  {BACKUP}  {account.archives / NAME}
  there  2024-06-13 20:55:21  1 backup  {size} bytes, mtime 2024-06-13 20:55:21 UTC, sha256 {first}
  there  2024-06-14 20:55:21  1 backup  size {size} → {length}, sha256 {first[:8]}… → {second[:8]}…
"""
    )
    markdown = run("history", INSTALL, *member, "--format", "markdown").text
    assert f"| there | 2024-06-13 20:55:21 | 1 backup | {size} bytes, mtime" in markdown
    described = run("history", BACKUP, *member, "--json").json
    assert [one["name"] for one in described["backups"]] == [BACKUP, SECOND]
    assert described["files"][0]["runs"][1]["member"]["sha256"] == second


def test_history_of_a_file_that_no_backup_has(account: Account) -> None:
    ran = run("history", INSTALL, "--root", account.home, "--member", "none.php", "--json")
    assert (ran.code, ran.json["files"]) == (1, [])
    assert "none of 2 backups has a member 'none.php'" in ran.err
    (account.archives / NAME).unlink()
    ran = run("history", INSTALL, "--root", account.home, "--member", "none.php")
    assert ran.code == 1
    assert f"{BACKUP}  {account.backups / BACKUP}  its archive is not here" in ran.text
    path = account.archives / OTHER
    path.write_bytes(path.read_bytes()[:-9])
    ran = run("history", INSTALL, "--root", account.home, "--member", "none.php")
    assert (ran.code, f"{path}: the archive is cut off" in ran.err) == (2, True)


def commands(account: Account) -> Iterator[list[str]]:
    root = ["--root", str(account.home)]
    for form in ("text", "json", "markdown"):
        for a, b in ((BACKUP, SECOND), (SECOND, BACKUP), (BACKUP, "current"), ("current", SECOND)):
            yield ["diff", a, b, *root, "--format", form]
        yield ["diff", BACKUP, SECOND, *root, "--format", form, "--deep"]
        yield ["diff", BACKUP, str(account.home), *root, "--format", form]
        yield ["history", INSTALL, *root, "--format", form]
        yield ["history", INSTALL, *root, "--format", form, "--member", "*"]
        yield ["history", INSTALL, *root, "--format", form, "--deep"]


@pytest.mark.untraced  # the same lines for each place
@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_told(tmp_path: Path, place: str) -> None:
    account = Account(tmp_path / "exampleu")
    content, changed = PLACES[place], PLACES[place].replace(b"CANARYq7x", b"CANARYq7xCHANGED")
    account.backup(content=content)
    account.archive(embedded=content)
    account.backup(SECOND, changed + f"\nbackup-filename={OTHER}".encode())
    account.archive(OTHER, embedded=changed)
    account.install(content=install_record())
    told = [(command, run(*command)) for command in commands(account)]
    assert [command for command, ran in told if leaks(ran.out) or leaks(ran.err.encode())] == []
    assert all(ran.code in {0, 1} for _, ran in told)
    assert all(json.loads(ran.out) for command, ran in told if "json" in command)
