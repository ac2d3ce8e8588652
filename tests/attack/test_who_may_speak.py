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

from tests.invented import BACKUP, INSTALL, NAME, Account, archive, backup_record, install_record, run

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


def test_nor_of_its_installs(attacked: Path) -> None:
    ran = run("view", INSTALL, "--install", "--user", "victim", "--root", attacked)
    assert ran.json["data"]["title"] == "Blog"
    shutil.rmtree(attacked / "home/victim/.appdata/current")
    ran = run("view", INSTALL, "--install", "--user", "victim", "--root", attacked)
    assert (ran.code, ran.json["data"]) == (1, None)


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
