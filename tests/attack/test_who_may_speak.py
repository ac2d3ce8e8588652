"""Who is believed, where somebody else puts policies, homes and names in the way: class, attempt, what must hold."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.invented import BACKUP, NAME, Account, archive, backup_record, run

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
