"""Who is believed, where somebody else puts policies, homes and names in the way: class, attempt, what must hold."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from backupmeta.account.home import State
from backupmeta.catalog.remembered import InCatalog
from backupmeta.library import list_backups
from backupmeta.search import Search
from tests.invented import BACKUP, INSTALL, NAME, SECOND, Account, archive, backup_record, install_record, run

OTHER: Final = 12345
"""Another user, by number."""
THIRD: Final = 12346
NOW: Final = ("--now", "2024-06-14")
LAX: Final = '[tool.backupmeta]\nselect = ["account"]\nignore = ["archive-truncated"]\nfail-on = "error"\n'
HIDDEN: Final = "../../etc/cron.d/x"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that other users can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@pytest.fixture
def dangerous(public: Path) -> Account:
    """Give a home with an archive that leads elsewhere."""
    account = Account(public / "home/exampleu")
    account.backup()
    account.install()
    (account.archives / NAME).write_bytes(archive(backup_record(), [(HIDDEN, b"* * * * * root id\n")]))
    return account


def project(public: Path) -> Path:
    """Return a folder with a policy that lets anything pass."""
    folder = public / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(LAX)
    return folder


# Class: a policy among what is judged.


@pytest.mark.parametrize(
    ("where", "target"),
    [
        (where, target)
        for where in ("", ".appdata", ".appdata/backups", "application_backups")
        for target in (f"application_backups/{NAME}", "application_backups", "")
    ],
)
@pytest.mark.parametrize("way", ["in it", "by a link", "linked policy"])
def test_evidence_brings_no_policy(
    dangerous: Account, monkeypatch: pytest.MonkeyPatch, where: str, target: str, way: str
) -> None:
    home, public = dangerous.home, dangerous.home.parent.parent
    (home / where / "pyproject.toml").write_text(LAX)
    working = home / where
    if way == "by a link":
        working = public / "link"
        working.symlink_to(home / where)
    if way == "linked policy":
        working = public / "elsewhere"
        working.mkdir()
        (working / "pyproject.toml").symlink_to(home / where / "pyproject.toml")
    monkeypatch.chdir(working)
    ran = run("verify", home / target, *NOW)
    assert (ran.code, HIDDEN in ran.text, "is no policy" in ran.err) == (1, True, True)


# Class: a policy of somebody else.


def of_another(folder: Path) -> None:
    os.chown(folder / "pyproject.toml", OTHER, OTHER)


def of_all(folder: Path) -> None:
    (folder / "pyproject.toml").chmod(0o666)


def by_a_link_of_another(folder: Path) -> None:
    (folder / "pyproject.toml").rename(folder / "policy.toml")
    (folder / "pyproject.toml").symlink_to("policy.toml")
    os.chown(folder / "pyproject.toml", OTHER, OTHER, follow_symlinks=False)


def by_an_own_link(folder: Path) -> None:
    (folder / "pyproject.toml").rename(folder / "policy.toml")
    (folder / "pyproject.toml").symlink_to("policy.toml")
    os.chown(folder / "policy.toml", OTHER, OTHER)


@root_only
@pytest.mark.parametrize("plant", [of_another, of_all, by_a_link_of_another, by_an_own_link])
@pytest.mark.parametrize("deeper", ["", "src/package"])
def test_a_found_policy_of_somebody_else_is_refused(
    dangerous: Account, public: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None], deeper: str
) -> None:
    folder = project(public)
    plant(folder)
    (folder / deeper).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder / deeper)
    ran = run("verify", dangerous.home, *NOW)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.endswith(f"; if you trust it, name it: --policy {folder}/pyproject.toml\n")
    assert run("verify", dangerous.home, "--policy", folder / "pyproject.toml", *NOW).code == 0


@root_only
def test_those_of_the_caller_of_root_and_of_who_called_sudo_are_taken(
    dangerous: Account, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(public)
    monkeypatch.chdir(folder)
    assert run("verify", dangerous.home, *NOW).code == 0
    of_another(folder)
    monkeypatch.setenv("SUDO_UID", str(THIRD))
    assert run("verify", dangerous.home, *NOW).code == 2
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert run("verify", dangerous.home, *NOW).code == 0
    (folder / "pyproject.toml").chmod(0o664)
    assert run("verify", dangerous.home, *NOW).code == 0


@root_only
def test_a_project_of_somebody_else_without_a_policy_is_no_matter(
    dangerous: Account, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(public)
    (folder / "pyproject.toml").write_text('[project]\nname = "other"\n')
    of_another(folder)
    monkeypatch.chdir(folder)
    assert run("verify", dangerous.home, *NOW).code == 1


# Class: a home that somebody put above an archive.


@pytest.fixture
def case(public: Path) -> Path:
    """Give an archive in a folder of its own, in one that is shared, in which there are records about it."""
    (public / "case").mkdir()
    (public / "case" / NAME).write_bytes(archive(backup_record(title="true")))
    account = Account(public)
    account.backup(content=backup_record(title="false", owner="mallory"))
    account.install()
    return public / "case"


def spoken(target: Path, *options: str) -> list[str]:
    """Return the titles that commands tell."""
    viewed = run("view", target, "--allow-missing", *options).json["data"]["title"]
    listed = [row["title"] for row in run("list", target.parent, "--json").json["data"]]
    return [viewed, *listed]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_shared_folder_is_no_home(case: Path, mode: int) -> None:
    assert spoken(case / NAME) == ["false", "false"]
    case.parent.chmod(mode)
    assert spoken(case / NAME) == ["true", "true"]


PASSED_OVER: Final = "records, which are not read"


@pytest.mark.parametrize(
    "command",
    [
        ("view", f"case/{NAME}"),
        ("list", "case"),
        ("list", "case", "--jsonl"),
        ("list", f"case/{NAME}"),
        ("verify", f"case/{NAME}", "--fail-on", "note"),
        ("verify", "case", "--fail-on", "note"),
        ("timeline", "case"),
        ("view", "case/record"),
    ],
)
def test_a_home_that_is_passed_over_is_told(
    case: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    (case / "record").write_bytes(backup_record())
    monkeypatch.chdir(case.parent)
    assert PASSED_OVER not in run(*command).text + run(*command).err
    case.parent.chmod(0o1777)
    ran = run(*command)
    assert PASSED_OVER in ran.err + ran.text
    assert "every user may write to it" in ran.err + ran.text


def test_a_catalog_knows_of_a_home_that_was_passed_over(case: Path, tmp_path: Path) -> None:
    case.parent.chmod(0o1777)
    assert run("scan", case, "-o", tmp_path / "catalog.sqlite", "--jobs", "1").code == 0
    assert PASSED_OVER in run("list", "--catalog", tmp_path / "catalog.sqlite").err


def test_what_is_passed_over_makes_no_verdict_worse(case: Path) -> None:
    case.parent.chmod(0o1777)
    assert run("verify", case / NAME, "--select", "account").code == 0


@root_only
def test_whose_a_home_is_that_is_passed_over_is_told(case: Path) -> None:
    os.chown(case.parent, OTHER, OTHER)
    assert f"it belongs to {OTHER}" in run("view", case / NAME).err


@root_only
def test_a_folder_of_another_user_is_no_home(case: Path) -> None:
    os.chown(case.parent, OTHER, OTHER)
    assert spoken(case / NAME) == ["true", "true"]
    os.chown(case, OTHER, OTHER)
    assert spoken(case / NAME) == ["false", "false"]


@root_only
def test_nor_is_one_two_folders_above(public: Path) -> None:
    account = Account(public)
    account.backup(content=backup_record(title="false"))
    (public / "cases/one").mkdir(parents=True)
    (public / "cases/one" / NAME).write_bytes(archive(backup_record(title="true")))
    assert run("view", public / "cases/one" / NAME).json["data"]["title"] == "false"
    os.chown(public, OTHER, OTHER)
    assert run("view", public / "cases/one" / NAME).json["data"]["title"] == "true"
    os.chown(public, 0, 0)
    public.chmod(0o1777)
    assert run("view", public / "cases/one" / NAME).json["data"]["title"] == "true"
    assert run("view", BACKUP, "--root", public, "--allow-missing").json["data"]["title"] == "false"


# Class: an account that speaks for another one.


@pytest.fixture
def attacked(tmp_path: Path) -> Path:
    """Give homes: of a victim, and of an attacker whose records name the victim as their owner."""
    victim = Account(tmp_path / "home/victim")
    victim.install(content=install_record(owner="victim"))
    attacker = Account(tmp_path / "home2/attacker")
    attacker.backup(content=backup_record(owner="victim", title="false"))
    attacker.install(content=install_record(owner="victim", title="false"))
    attacker.archive(embedded=backup_record(owner="victim", title="false"))
    return tmp_path


@pytest.mark.parametrize("has_home", [True, False])
@pytest.mark.parametrize("target", [BACKUP, NAME, f"home2/attacker/application_backups/{NAME}"])
@pytest.mark.parametrize("command", ["view", "view --catalog"])
def test_no_account_answers_for_another(
    attacked: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    has_home: bool,  # noqa: FBT001
    command: str,
) -> None:
    if not has_home:
        shutil.rmtree(attacked / "home")
    monkeypatch.chdir(attacked)
    where: tuple[str | Path, ...] = ("--root", attacked)
    if command == "view --catalog" and not target.startswith("home2"):
        assert run("scan", attacked, "-o", "catalog.sqlite", "--jobs", "1").code == 0
        where = ("--catalog", "catalog.sqlite")
    ran = run("view", target, "--user", "victim", *where)
    assert (ran.code, "false" in ran.text.replace('"result": false', "")) == (1, False)
    assert run("view", target, *where).json["data"]["title"] == "false"


@root_only
@pytest.mark.parametrize("has_home", [True, False])
@pytest.mark.parametrize("deeper", ["victim", "www/victim"])
def test_nor_does_a_folder_with_anothers_name_in_its_home(tmp_path: Path, deeper: str, has_home: bool) -> None:  # noqa: FBT001
    if has_home:
        Account(tmp_path / "home/victim")
    attacker = Account(tmp_path / "home2/attacker" / deeper).whole()
    attacker.backup(content=backup_record(owner="victim", title="false"))
    attacker.archive(embedded=backup_record(owner="victim", title="false"))
    os.chown(tmp_path / "home2/attacker", OTHER, OTHER)
    assert run("view", BACKUP, "--user", "victim", "--root", tmp_path).code == 1
    assert titles("list", tmp_path, "--user", "victim") == []
    os.chown(tmp_path / "home2/attacker", 0, 0)  # the home of who looks: evidence that was copied
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    assert titles("list", tmp_path, "--user", "victim") == ["false"]


def test_nor_of_its_installs(attacked: Path) -> None:
    ran = run("view", INSTALL, "--user", "victim", "--root", attacked)
    assert ran.json["data"]["title"] == "Blog"
    shutil.rmtree(attacked / "home/victim/.appdata/current")
    ran = run("view", INSTALL, "--user", "victim", "--root", attacked)
    assert (ran.code, ran.json["data"]) == (1, None)


def titles(*command: str | Path) -> list[str]:
    """Return the titles of what a command lists, row by row."""
    return sorted(str(row["title"]) for row in run(*command, "--jsonl").jsonl)


@pytest.mark.parametrize("has_record", [True, False])
@pytest.mark.parametrize("command", ["list", "installs", "list --catalog", "installs --catalog", "timeline"])
def test_no_account_is_listed_for_another(attacked: Path, command: str, has_record: bool) -> None:  # noqa: FBT001
    attacker = attacked / "home2/attacker"
    if not has_record:
        shutil.rmtree(attacker / ".appdata")
    Account.whole(Account(attacked / "copies/attacker"))
    for name in ("backups", "current"):
        for record in (attacked / "copies/attacker/.appdata" / name).iterdir():
            record.write_bytes(record.read_bytes().replace(b"owner=exampleu", b"owner=victim"))
    where: tuple[str | Path, ...] = (attacked,)
    if command.endswith("--catalog"):
        assert run("scan", attacked, "-o", attacked / "catalog.sqlite", "--jobs", "1").code == 0
        where = ("--catalog", attacked / "catalog.sqlite")
    ran = run(command.split(maxsplit=1)[0], *where, "--user", "victim", "--json")
    if command == "timeline":
        assert {one["account"].rpartition("/")[2] for one in ran.json} == {"victim"}
        return
    expected = ["Blog"] if command.startswith("installs") else []
    assert [row["title"] for row in ran.json["data"]] == expected


def test_without_a_home_of_its_name_a_users_backups_lie_where_no_account_is_named(tmp_path: Path) -> None:
    for name in ("var/www/vhosts/example.com", "copies/first", "home/other"):
        Account(tmp_path / name).whole()
    assert titles("list", tmp_path, "--user", "exampleu") == ["Blog", "Blog"]
    assert titles("list", tmp_path / "home/other", "--user", "exampleu") == []
    assert titles("list", tmp_path / "copies/first/application_backups" / NAME, "--user", "exampleu") == ["Blog"]
    Account(tmp_path / "home/exampleu")
    assert titles("list", tmp_path, "--user", "exampleu") == []


@pytest.mark.parametrize("name", ["var/www/vhosts/example.com", "copies/first"])
def test_homes_that_are_not_named_by_their_users_answer(tmp_path: Path, name: str) -> None:
    Account(tmp_path / name).whole()
    assert run("view", BACKUP, "--user", "exampleu", "--root", tmp_path).json["data"]["id"] == BACKUP


# Class: a file in the working folder that has the name of what is asked for.


@pytest.mark.parametrize("content", [backup_record(title="false"), archive(backup_record(title="false"))])
def test_a_file_named_like_the_id_does_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    home = Account(tmp_path / "home/exampleu").whole().home
    (tmp_path / "working").mkdir()
    (tmp_path / "working" / BACKUP).write_bytes(content)
    monkeypatch.chdir(tmp_path / "working")
    ran = run("view", BACKUP, "--root", home)
    assert (ran.json["data"]["title"], "name of the id" in ran.err) == ("Blog", True)
    monkeypatch.chdir(home / ".appdata/backups")
    assert "name of the id" not in run("view", BACKUP, "--root", home).err


def test_where_nothing_else_has_the_id_the_file_is_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Account(tmp_path / "home/exampleu").home
    (tmp_path / BACKUP).write_bytes(backup_record(title="file"))
    monkeypatch.chdir(tmp_path)
    ran = run("view", BACKUP, "--root", home)
    assert (ran.json["data"]["title"], "name of the id" in ran.err) == ("file", True)


# Class: another archive of the same name.

COPY: Final = f"old_backups/{NAME}"
OWN: Final = f"application_backups/{NAME}"


@pytest.fixture
def twice(tmp_path: Path) -> Account:
    """Give a home with two archives of one name; one of them is the record's."""
    account = Account(tmp_path / "home/exampleu").whole()
    (account.home / COPY).parent.mkdir()
    (account.home / COPY).write_bytes(archive(backup_record(title="copy")))
    return account


def rows(search: Search) -> list[tuple[str, str, bool]]:
    """Return of each backup the folder of its archive, its title, and whether a record claims it."""
    return sorted(
        (Path(backup.server_path).parent.name, backup.text("title"), backup.state is State.PAIRED)
        for backup in list_backups(search)
    )


def scanned(folder: Path, *target: str | Path) -> InCatalog:
    """Scan into a new catalog in ``folder``, and return a search in that."""
    catalog = folder / "c.sqlite"
    assert run("scan", *target, "-o", catalog, "--jobs", "1").code == 0
    return InCatalog(catalog=str(catalog))


BOTH: Final = [("application_backups", "Blog", True), ("old_backups", "copy", False)]


@pytest.mark.parametrize("where", ["disk", "catalog"])
def test_both_of_a_name_are_listed(twice: Account, where: str) -> None:
    home = twice.home
    assert rows(scanned(home.parent, home) if where == "catalog" else Search((str(home),))) == BOTH


def test_the_record_speaks_for_the_one_in_the_folder_that_it_names(twice: Account) -> None:
    for path, title, is_own in ((OWN, "Blog", True), (COPY, "copy", False)):
        viewed = run("view", twice.home / path).json["data"]
        assert (viewed["title"], viewed["id"] == BACKUP) == (title, is_own)
        ((_, listed, is_claimed),) = rows(Search((str((twice.home / path).parent),)))
        assert (listed, is_claimed) == (title, is_own)
    assert run("view", BACKUP, "--root", twice.home).json["data"]["title"] == "Blog"
    by_name = run("view", NAME, "--root", twice.home)
    assert (by_name.json["data"]["title"], "several" in by_name.err) == ("Blog", True)


@pytest.mark.parametrize("command", ["verify", "timeline", "report"])
def test_other_commands_tell_both(twice: Account, command: str) -> None:
    ran = run(command, twice.home, *NOW) if command == "verify" else run(command, twice.home)
    assert (OWN in ran.text, COPY in ran.text) == (True, True)


def test_find_and_stats_count_both(twice: Account, tmp_path: Path) -> None:
    catalog = tmp_path / "c.sqlite"
    assert run("scan", twice.home, "-o", catalog, "--jobs", "1", "--deep").code == 0
    assert titles("find", catalog, "wordpress") == ["Blog", "copy"]
    told = run("verify", "--catalog", catalog, *NOW).text
    assert (OWN in told, COPY in told) == (True, True)
    assert "archives\t2 of" in run("stats", catalog).text
    (twice.home / COPY).unlink()
    assert run("scan", twice.home, "-o", catalog, "--jobs", "1").code == 0
    assert titles("find", catalog, "wordpress") == ["Blog"]


def test_a_scan_notices_one_that_comes_later(twice: Account, tmp_path: Path) -> None:
    (twice.home / COPY).rename(tmp_path / NAME)
    search = scanned(tmp_path, twice.home)
    assert rows(search) == BOTH[:1]
    (tmp_path / NAME).rename(twice.home / COPY)
    assert run("scan", twice.home, "-o", search.catalog, "--jobs", "1").code == 0
    assert rows(search) == BOTH


def test_that_they_have_one_name_is_told_of_both(twice: Account) -> None:
    ran = run("verify", twice.home, *NOW, "--json")
    told = [one["path"] for one in ran.json["targets"] if any(f["id"] == "archive-name-twice" for f in one["findings"])]
    assert sorted(told) == [str(twice.home / OWN), str(twice.home / COPY)]


def test_where_the_records_folder_has_none_the_first_one_is_taken_and_both_are_told(twice: Account) -> None:
    (twice.home / OWN).rename(twice.home / "z.tar.gz")
    (twice.home / "archived").mkdir()
    (twice.home / "z.tar.gz").rename(twice.home / "archived" / NAME)
    assert rows(Search((str(twice.home),))) == [
        ("archived", "Blog", True),
        ("old_backups", "copy", False),
    ]
    told = run("verify", twice.home, *NOW, "--select", "archive-name-twice", "--json").text
    assert told.count('"id": "archive-name-twice"') == 2


@pytest.mark.parametrize("where", ["disk", "catalog"])
def test_a_record_that_names_a_folder_of_the_server_has_the_archive_there(tmp_path: Path, where: str) -> None:
    image = tmp_path / "image"
    account = Account(image / "home/exampleu").whole()
    account.backup(content=backup_record(backup_location="file://localhost/kept"))
    (image / "kept").mkdir()
    (image / "kept" / NAME).write_bytes(archive(backup_record(title="kept")))
    search = scanned(tmp_path, "--sysroot", image) if where == "catalog" else Search(sysroot=str(image))
    assert [(folder, is_claimed) for folder, _, is_claimed in rows(search)] == [
        ("application_backups", False),
        ("kept", True),
    ]


def test_two_records_of_one_name_each_have_their_own(tmp_path: Path) -> None:
    image = tmp_path / "image"
    account = Account(image / "home/exampleu").whole()
    account.backup(SECOND, backup_record(backup_location="file://localhost/kept"))
    (image / "kept").mkdir()
    (image / "kept" / NAME).write_bytes(archive(backup_record()))
    found = {
        (backup.text("id"), Path(backup.server_path).parent.name) for backup in list_backups(Search(sysroot=str(image)))
    }
    assert found == {(BACKUP, "application_backups"), (SECOND, "kept")}
    assert "archive-claimed-twice" not in run("verify", "--sysroot", image, *NOW).text


# Class: what has the name of a home's records, and is none; names that look like options.


@pytest.mark.parametrize("target", ["real", "nowhere"])
@pytest.mark.parametrize(
    "command", [("list", "home/exampleu"), ("list", "home"), ("view", f"home/exampleu/application_backups/{NAME}")]
)
def test_records_that_are_a_link_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, command: tuple[str, ...]
) -> None:
    account = Account(tmp_path / "home/exampleu").whole()
    (account.home / ".appdata").rename(tmp_path / "real")
    (account.home / ".appdata").symlink_to(tmp_path / target)
    monkeypatch.chdir(tmp_path)
    ran = run(*command)
    assert (ran.code, ".appdata: a symbolic link below a root is not followed" in ran.err) == (0, True)


@pytest.mark.parametrize("name", ["--help.tar.gz", "-o.tar.gz", "-"])
@pytest.mark.parametrize("command", ["verify", "view", "members", "explain", "list"])
def test_a_file_whose_name_begins_with_a_dash_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(archive(backup_record()))
    if name != "-":
        assert run(command, "--", name).out == run(command, "--", name).out != b""
        assert run(command, "--", name).code in {0, 1}
    assert run(command, f"./{name}").code in {0, 1}


@pytest.mark.parametrize("name", ["app_$(id).tar.gz", "app_`id`.tar.gz", "app_a;id.tar.gz", "app_a b.tar.gz"])
def test_what_bash_completes_is_one_word(tmp_path: Path, name: str) -> None:
    account = Account(tmp_path / "home/exampleu")
    for one in (name, "-app_o.tar.gz", "app_two\nlines.tar.gz"):
        account.archive(one)
    line = f"backupmeta view --root {account.home} app"
    environment = {**os.environ, "_BACKUPMETA_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "4"}
    command = [
        sys.executable,
        "-c",
        "from backupmeta.cli.commands import backupmeta; backupmeta(prog_name='backupmeta')",
    ]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
    (completed,) = (one for one in told.splitlines() if one.startswith("plain,"))
    script = f"printf '%s\\n' {completed.removeprefix('plain,')}"
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout == f"{name}\n"
