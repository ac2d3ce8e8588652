"""What a TARGET may be: every command that takes one takes each kind, and says the same of it."""

import csv
import io
from pathlib import Path
from typing import Final

import pytest

from tests.invented import BACKUP, INSTALL, NAME, SECOND, Account, archive, backup_record, run

HOME: Final = "/home/exampleu"
KINDS: Final = {
    "archive": "{image}/home/exampleu/application_backups/" + NAME,
    "record": "{image}/home/exampleu/.appdata/backups/" + BACKUP,
    "id": BACKUP,
    "name": NAME,
    "archive, of the server": f"{HOME}/application_backups/{NAME}",
    "record, of the server": f"{HOME}/.appdata/backups/{BACKUP}",
    "archive, through a link of the server": f"/home2/exampleu/application_backups/{NAME}",
}
"""How a backup can be named, where an image is mounted at ``image``."""
INSTALLS: Final = {
    "record": "{image}/home/exampleu/.appdata/current/" + INSTALL,
    "id": INSTALL,
    "record, of the server": f"{HOME}/.appdata/current/{INSTALL}",
}
OTHER: Final = "app_example-com_Blog_2024-06-14_20-55-21.tar.gz"
COMMANDS: Final = (
    "view {} --provenance",
    "diff {} current",
    "diff " + SECOND + " {} --deep --json",
    "history {} --json",
    "history {} --member '#2' --json",
    "verify {} --json --now 2024-06-14",
    "explain {}",
    "members {} --json",
    "cat {} index.php",
    "extract {} --to {folder} --json",
    "needs {} --json",
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an image of two accounts, one of them with two backups of an install."""
    image = tmp_path_factory.mktemp("image")
    record = backup_record(backup_filename=OTHER, backup_time="1718398521")
    account = Account(image / "home/exampleu").whole()
    for name, content in ((NAME, backup_record()), (OTHER, record)):
        (account.archives / name).write_bytes(archive(content, [("index.php", b"<?php\n")]))
    account.backup(SECOND, record)
    name = "app_example-com_Other_2024-06-13_20-55-21.tar.gz"
    Account(image / "home/other").archive(name, backup_record(backup_install="d" * 25, backup_filename=name))
    (image / "home2").symlink_to("/home")
    return image


def answer(command: str, target: str, image: Path, folder: Path) -> tuple[int, str]:
    named = target.format(image=image)
    arguments = [part.strip("'").format(named, folder=folder) for part in command.split()]
    ran = run(*arguments, "--sysroot", image)
    as_named = f'"name": "{named}"' if command.startswith("diff") else ""
    return ran.code, ran.text.replace(as_named or "\0", "").replace(str(folder), "FOLDER") or ran.err


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "id"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_the_same_however_a_backup_is_named(
    image: Path, tmp_path: Path, command: str, kind: str
) -> None:
    code, text = answer(command, KINDS[kind], image, tmp_path / "a")
    expected_code, expected = answer(command, BACKUP, image, tmp_path / "b")
    if command.startswith("explain"):
        assert (text == expected) is ("record" in kind)
        assert "backup_install" in text
    else:
        assert text == expected
    assert code == expected_code < 2


@pytest.mark.parametrize("kind", INSTALLS)
def test_an_install_is_named_where_it_makes_sense(image: Path, tmp_path: Path, kind: str) -> None:
    def of(command: str) -> tuple[int, str]:
        return answer(command, INSTALLS[kind], image, tmp_path / "a")

    assert f'"id": "{INSTALL}"' in of("view {}")[1]
    assert of(f"diff {BACKUP} {{}}")[0] == 0
    assert of("history {} --json") == answer("history {} --json", BACKUP, image, tmp_path / "b")
    assert "url-domain" in of("explain {}")[1]
    verified = run("verify", INSTALLS[kind].format(image=image), "--sysroot", image, "--json", "--now", "2024-06-14")
    assert [Path(target["path"]).name for target in verified.json["targets"]] == [NAME, OTHER]


@pytest.mark.parametrize("command", ["members {}", "cat {} index.php", "extract {} --to {folder}", "needs {}"])
@pytest.mark.parametrize(
    ("target", "says"),
    [
        (INSTALL, f"{INSTALL}: has no archive here; name a backup that has"),
        ("no-such.tar.gz", "no-such.tar.gz: no such file, and no archive here is called so; give an archive, "),
        ("/home/exampleu/no-such", "/home/exampleu/no-such: no such file; give an archive, "),
        ("/etc/passwd", "/etc/passwd: no archive: ASCII text; give a tar archive"),
        ("{image}/home/exampleu", "{image}/home/exampleu: is a folder; 'backupmeta list "),
    ],
)
def test_what_has_no_archive_is_told(image: Path, tmp_path: Path, command: str, target: str, says: str) -> None:
    code, text = answer(command, target, image, tmp_path / "a")
    assert code == 2
    assert text.startswith(f"backupmeta: {says.format(image=image)}")


def test_of_several_of_a_name_all_are_named(tmp_path: Path) -> None:
    paths = [Account(tmp_path / "home" / name).archive() for name in ("anna", "bob")]
    ran = run("members", NAME, "--root", tmp_path / "home")
    assert ran.code == 2
    assert ran.err.startswith(
        f"backupmeta: {NAME}: 2 files answer to this name: {paths[0]}, {paths[1]}; name one of them"
    )
    assert run("members", NAME, "--root", tmp_path / "home/anna").code == 0


def test_verify_judges_what_is_named_and_no_more(image: Path) -> None:
    path = f"/home/exampleu/application_backups/{NAME}"
    ran = run("verify", NAME, "--sysroot", image, "--json", "--now", "2024-06-14")
    assert [target["path"] for target in ran.json["targets"]] == [path]
    account = run("verify", HOME, "--sysroot", image, "--json", "--now", "2024-06-14")
    assert {target["path"].split("/")[2] for target in account.json["targets"]} == {"exampleu"}
    assert all(target["local_path"] == f"{image}{target['path']}" for target in account.json["targets"])
    assert not any("local_path" in target for target in run("verify", image / "home", "--json").json["targets"])
    of_server = [row["evidence"] for row in run("list", HOME, "--sysroot", image, "--jsonl").jsonl]
    here = [row["evidence"] for row in run("list", image / HOME[1:], "--jsonl").jsonl]
    assert [row["local_path"] for row in of_server] == [row["local_path"] for row in here]
    assert [row["server_path"] for row in of_server] == [f"{HOME}/application_backups/{name}" for name in (NAME, OTHER)]
    assert {row["account"] for row in of_server} == {HOME}


@pytest.mark.parametrize("form", ["--jsonl", "--csv", "table"])
@pytest.mark.parametrize("command", ["list", "installs"])
def test_what_a_list_tells_of_places_can_be_pasted(image: Path, command: str, form: str) -> None:
    ran = run(command, "--sysroot", image, *([] if form == "table" else [form]))
    if form == "--jsonl":
        places = [row["evidence"] for row in ran.jsonl]
    else:
        rows = csv.DictReader(io.StringIO(ran.text), delimiter="," if form == "--csv" else "\t")
        places = [{key.replace(" ", "_"): value for key, value in row.items()} for row in rows]
    assert len(places) == (3 if command == "list" else 1)
    for place in places:
        answers = [
            run("view", place[name], "--sysroot", image).json["data"]
            for name in ("local_path", "server_path")
            if name in place
        ]
        assert answers[0]["application"] == "wordpress"
        assert all(answer == answers[0] for answer in answers)
        assert run("verify", place["account"], "--sysroot", image, "--now", "2024-06-14").code < 2


def test_what_could_not_be_looked_into_is_told_where_nothing_answers(tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    account.backup(content=b"x" * 2_000_000)
    ran = run("members", SECOND, "--root", account.home)
    assert ran.code == 2
    assert "no archive here is called so" in ran.err
    assert "record-unreadable" in ran.err or "is too large" in ran.err or "limit" in ran.err


def test_no_path_of_the_server_leads_out_of_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside.tar.gz"
    outside.write_bytes(archive(backup_record()))
    (tmp_path / "image/home").mkdir(parents=True)
    (tmp_path / "image/home/link.tar.gz").symlink_to(outside)
    (tmp_path / "image/home/up").symlink_to("../../..")
    for target in ("/home/link.tar.gz", "/home/up/outside.tar.gz", "/../outside.tar.gz"):
        ran = run("members", target, "--sysroot", tmp_path / "image")
        assert (ran.code, ran.out) == (2, b"")
        assert f"{target}: no such file" in ran.err
