"""End to end: the commands on a real backup, and what WordPress, MariaDB and tarfile themselves say of it.

scripts/real_backup.py FOLDER
BACKUPMETA_REAL=FOLDER pytest -m real tests/real/test_real_backup.py
"""

import contextlib
import hashlib
import html
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from real import mariadb
from real import site as real_site
from writers import sql_dump

import backupmeta
from backupmeta.api.models import SHOW_SECRETS
from tests.invented import run as run_here

VARIABLE = "BACKUPMETA_REAL"
FOLDER = os.environ.get(VARIABLE, "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FOLDER, reason=f"needs {VARIABLE}=FOLDER, made by 'scripts/real_backup.py FOLDER'"),
]

PROJECT = Path(__file__).parents[2]
OUT = Path(FOLDER).absolute()
COMMAND = Path(sys.executable).parent / "backupmeta"
CONTENT_OF_SITE = ("APP-DATA.SQL", "wp-includes/version.php")

Json = dict[str, Any]


class Real:
    """The real backup: where its parts are, and the truth about it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.truth: Json = json.loads((out / "truth.json").read_text(encoding="utf-8"))
        self.homes = out / "home"
        self.home = self.homes / self.truth["user"]
        self.archive = out / self.truth["archive"]
        self.id: str = self.truth["backup_id"]
        self.install_id: str = self.truth["install_id"]
        self.record = self.home / ".appdata/backups" / self.id
        self.install_record = self.home / ".appdata/current" / self.install_id

    def told_install(self) -> Json:
        """Return the fields of an answer that the real things tell of the install."""
        truth = self.truth
        return {
            "application": "wordpress",
            "version": truth["wp_version"],
            "language": truth["locale"].split("_")[0],
            "title": truth["blogname"],
            "sitetitle": truth["blogname"],
            "sitetagline": truth["blogdescription"],
            "login": truth["admin_login"],
            "email": truth["admin_email"],
            "url": truth["siteurl"],
            "user": truth["user"],
            "path": truth["path"],
            "db_name": truth["db_name"],
            "db_user": truth["db_user"],
            "db_pass": truth["db_password"],
            "db_prefix": truth["db_prefix"],
            "tables": list(truth["tables"]),
            "cache_tables": truth["tables_bytes"],
            "cache_files": truth["files_bytes"],
            "cache_numbackups": 1,
            "time_created": truth["created"],
            "plugins": [told_plugin(one) for one in truth["plugins"]],
            "themes": [told_theme(one) for one in truth["themes"]],
        }

    def told_backup(self) -> Json:
        """Return the fields of an answer that the real things tell of the backup."""
        return {
            **self.told_install(),
            "id": self.id,
            "backup_install": self.install_id,
            "backup_filename": self.archive.name,
            "backup_location": "local",
            "backup_time": str(self.truth["backup_time"]),
        }


def told_plugin(plugin: Json) -> Json:
    slug = plugin["file"].split("/")[0].removesuffix(".php")
    return {"id": slug, "version": plugin["version"], "activated": plugin["active"], "autoup": autoup(plugin)}


def told_theme(theme: Json) -> Json:
    return {
        "id": theme["stylesheet"],
        "version": theme["version"],
        "active": theme["active"],
        "autoup": autoup(theme),
    }


def autoup(extension: Json) -> str:
    return "all" if extension["auto_update"] else "none"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, check=False)


def clean(*arguments: str | Path) -> bytes:
    """Return what a command prints that has nothing to complain of."""
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def answer(*arguments: str | Path) -> Json:
    """Return the envelope of a clean answer."""
    envelope: Json = json.loads(clean(*arguments))
    assert (envelope["result"], envelope["status"], envelope["errcode"]) == (True, 200, None)
    return envelope


def only_line(*arguments: str | Path) -> Json:
    """Return the one object that a command prints as JSONL, but for where its evidence lies."""
    (line,) = clean(*arguments, "--jsonl").splitlines()
    row: Json = json.loads(line)
    assert row.pop("evidence")["local_path"]
    return row


def same_fields(found: Json, told: Json) -> Json:
    """Return of ``found`` what ``told`` has as well."""
    return {name: found.get(name) for name in told}


@pytest.fixture(scope="module")
def real() -> Real:
    return Real(OUT)


@pytest.fixture(scope="module", autouse=True)
def untouched(real: Real) -> Iterator[None]:
    """Whatever the commands do, the evidence stays as it was."""
    before = traces(real.out)
    yield
    assert traces(real.out) == before


def traces(folder: Path) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns) for path, status in found.items()}


WAYS: dict[str, Callable[[Real], list[str | Path]]] = {
    "by id below a root": lambda real: [real.id, "--root", real.homes],
    "by id below the home": lambda real: [real.id, "--root", real.home],
    "by id in an image": lambda real: [real.id, "--sysroot", real.out],
    "by archive": lambda real: [real.archive],
    "by archive's name": lambda real: [real.archive.name, "--root", real.homes],
    "by record": lambda real: [real.record],
}


@pytest.mark.parametrize("way", WAYS)
def test_view_answers_what_wordpress_and_mariadb_say(real: Real, way: str) -> None:
    fields = answer("view", *WAYS[way](real), "--show-secrets")["data"]
    assert same_fields(fields, real.told_backup()) == real.told_backup()


def test_view_without_secrets_differs_in_the_password_alone(real: Real) -> None:
    shown = answer("view", real.archive, "--show-secrets")["data"]
    masked = answer("view", real.archive)["data"]
    assert {**shown, "db_pass": "********"} == masked
    assert list(shown) == list(masked)


def test_every_listed_table_is_real_the_view_too(real: Real) -> None:
    kinds = real.truth["tables"]
    assert sorted(set(kinds.values())) == ["BASE TABLE", "VIEW"]
    assert set(answer("view", real.archive)["data"]["tables"]) == set(kinds)


def test_provenance_tells_the_archives_clock_and_who_says_it(real: Real) -> None:
    provenance = answer("view", real.id, "--sysroot", real.out, "--provenance")["provenance"]
    home = f"/home/{real.truth['user']}"
    assert provenance["state"] == "paired"
    assert provenance["archive_name"]["local_time"] == real.truth["name_time"]
    assert provenance["archive_name"]["utc_offset"] == real.truth["utc_offset"]
    assert provenance["fields"]["version"]["source"]["path"] == f"{home}/.appdata/backups/{real.id}"
    assert provenance["fields"]["cache_time"]["source"]["path"] == f"{home}/.appdata/current/{real.install_id}"
    assert not [one for one in provenance["findings"] if one["severity"] != "note"]


def test_an_image_gives_paths_as_the_server_saw_them(real: Real) -> None:
    fields = answer("view", real.id, "--sysroot", real.out)["data"]
    assert fields["file"] == f"/home/{real.truth['user']}/.appdata/current/{real.install_id}"


def test_view_of_a_strange_user_is_refused(real: Real) -> None:
    assert answer("view", real.id, "--root", real.homes, "--user", real.truth["user"])
    refused = run("view", real.id, "--root", real.homes, "--user", "nobody-here")
    assert (refused.returncode, json.loads(refused.stdout)["errcode"]) == (1, "user_not_found")


def test_list_has_the_one_backup_as_view_shows_it(real: Real) -> None:
    viewed = answer("view", real.archive, "--show-secrets")["data"]
    listed = only_line("list", real.homes, "--show-secrets")
    assert listed == viewed
    page = answer("list", real.homes, "--json", "--show-secrets")
    assert (page["offset"], page["limit"], page["total_count"], page["data"]) == (0, 50, 1, [viewed])


def test_list_of_the_archives_folder_takes_the_records_beside_it(real: Real) -> None:
    assert only_line("list", real.archive.parent) == only_line("list", real.homes)


def test_list_filters(real: Real) -> None:
    domain = real.truth["siteurl"].split("/")[2]
    assert only_line("list", real.homes, "--application", "wordpress", "--domain", domain)["id"] == real.id
    nothing = run("list", real.homes, "--jsonl", "--until", "2001-01-01")
    assert (nothing.returncode, nothing.stdout) == (1, b"")
    assert b"nothing that matches" in nothing.stderr


def test_list_as_a_table_and_as_csv(real: Real) -> None:
    heading, row = clean("list", real.homes).decode().splitlines()
    cells = dict(zip(heading.split("\t"), row.split("\t"), strict=True))
    assert (cells["version"], cells["title"]) == (real.truth["wp_version"], real.truth["blogname"])
    assert cells["archive"] == real.archive.name
    assert len(clean("list", real.homes, "--csv").splitlines()) == 2


def test_installs_answer_what_wordpress_and_mariadb_say(real: Real) -> None:
    told = {**real.told_install(), "id": real.install_id}
    row = only_line("installs", real.homes, "--show-secrets")
    viewed = answer("view", real.install_id, "--root", real.homes, "--show-secrets")["data"]
    assert same_fields(row, told) == told
    assert row == viewed


def test_members_are_those_that_tar_lists(real: Real) -> None:
    members = json.loads(run("members", real.archive, "--json").stdout)["members"]
    assert [member["name"] for member in members] == real.truth["members"]
    assert len(members) == real.truth["member_count"]
    listed = run("members", real.archive)
    assert len(listed.stdout.splitlines()) == real.truth["member_count"]
    assert (listed.returncode, listed.stderr.count(b"\n"), b": complete; " in listed.stderr) == (0, 1, True)


def test_members_have_the_real_sizes(real: Real) -> None:
    sizes = {one["name"]: one["size"] for one in json.loads(run("members", real.archive, "--json").stdout)["members"]}
    assert sizes.pop("APP-META.INI") == real.record.stat().st_size
    assert sizes.pop("APP-DATA.SQL") == real.truth["dump_bytes"]
    assert sum(sizes.values()) == real.truth["files_bytes"]


def test_members_are_described_as_tarfile_does(real: Real) -> None:
    with tarfile.open(real.archive) as reference:
        told = [(one.name, one.size, f"{one.mode:04o}", one.isdir()) for one in reference]
    members = json.loads(run("members", real.archive, "--json").stdout)["members"]
    assert [
        (member["name"], member["size"], member["mode"], member["type"] == "directory") for member in members
    ] == told


def test_cat_gives_the_records_exact_bytes(real: Real) -> None:
    assert clean("cat", real.archive, "APP-META.INI", "--show-secrets") == real.record.read_bytes()


def test_cat_masks_the_password_of_a_record_and_nothing_else(real: Real) -> None:
    password = f"db-pass={real.truth['db_password']}".encode()
    assert clean("cat", real.archive, "APP-META.INI") == real.record.read_bytes().replace(password, b"db-pass=********")


@pytest.fixture(scope="module")
def unpacked(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that GNU tar unpacks the archive into."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "--extract", "--gzip", f"--file={real.archive}", "--directory", folder], check=True)
    return folder


def files(folder: Path) -> dict[str, Path]:
    """Return the regular files below a folder, by their names in the archive."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in found}


def test_member_digests_are_those_of_the_files_that_gnu_tar_unpacks(real: Real, unpacked: Path) -> None:
    listed = run("members", real.archive, "--json", "--member-digest", "sha256")
    members = json.loads(listed.stdout)["members"]
    told = {member["name"]: member["digest"] for member in members if member["type"] == "file"}
    assert told == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files(unpacked).items()}


def test_members_are_of_the_kind_that_gnu_tar_makes(real: Real, unpacked: Path) -> None:
    members = json.loads(run("members", real.archive, "--json").stdout)["members"]
    paths = {member["name"]: unpacked / member["name"] for member in members}
    assert {member["name"] for member in members if member["type"] == "directory"} == {
        name for name, path in paths.items() if path.is_dir() and not path.is_symlink()
    }
    assert {member["name"]: member["link"] for member in members if member["type"] == "symlink"} == {
        name: str(path.readlink()) for name, path in paths.items() if path.is_symlink()
    }


def test_cat_gives_what_gnu_tar_unpacks(real: Real, unpacked: Path) -> None:
    found = files(unpacked)
    bounds = [name for name in found if name.startswith("wp-content/uploads/")]
    assert len(bounds) > 15
    for name in [*bounds, *list(found)[:: len(found) // 20]]:
        done = run_here("cat", real.archive, name, "--show-secrets")
        assert (done.code, done.out == found[name].read_bytes(), name) == (0, True, name)


def entries(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, time in seconds and content of all that lies below a folder, by path; of a link its target alone."""
    found = dict[str, tuple[int, int, bytes]]()
    for path in folder.rglob("*"):
        status, name = path.lstat(), path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = (status.st_mode, 0, os.fsencode(path.readlink()))
        else:
            content = b"" if path.is_dir() else path.read_bytes()
            found[name] = (status.st_mode, status.st_mtime_ns // 10**9, content)
    return found


def test_what_is_extracted_is_what_gnu_tar_unpacks(real: Real, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert run("extract", real.archive, "--to", ours, "--no-fsync").returncode == 0
    theirs.mkdir()
    command = ["tar", "--extract", "--gzip", f"--file={real.archive}", f"--directory={theirs}"]
    options = ["--no-same-permissions", "--no-same-owner", "--exclude=APP-META.INI", "--exclude=APP-DATA.SQL"]
    subprocess.run([*command, *options], check=True, umask=0o022)
    extracted = entries(ours)
    assert len(extracted) == real.truth["member_count"] - 2
    assert extracted == entries(theirs)


@pytest.mark.parametrize("name", CONTENT_OF_SITE)
def test_cat_gives_a_files_exact_bytes(real: Real, name: str) -> None:
    with tarfile.open(real.archive) as reference:
        stored = reference.extractfile(name)
        assert stored is not None
        assert clean("cat", real.archive, name) == stored.read()


def test_the_dump_has_every_table_and_view(real: Real) -> None:
    dump = clean("cat", real.archive, "APP-DATA.SQL")
    assert len(dump) == real.truth["dump_bytes"]
    words = {"BASE TABLE": "TABLE", "VIEW": "VIEW"}
    lines = set(re.findall(rb"^CREATE (?:TABLE|VIEW) `\w+`", dump, re.MULTILINE))
    assert lines == {f"CREATE {words[kind]} `{name}`".encode() for name, kind in real.truth["tables"].items()}


def test_the_version_in_the_files_is_the_answers(real: Real) -> None:
    told = re.search(rb"\$wp_version = '([^']+)'", clean("cat", real.archive, "wp-includes/version.php"))
    assert told is not None
    assert told[1].decode() == answer("view", real.archive)["data"]["version"] == real.truth["wp_version"]


def test_explain_goes_through_the_archive_and_every_line_of_its_record(real: Real) -> None:
    steps = json.loads(clean("explain", real.archive, "--json", "--show-secrets"))
    lines = [step["text"] for step in steps if step["line"] is not None]
    assert "\n".join(lines).encode() == real.record.read_bytes()
    meanings = {step["meaning"]: step["text"] for step in steps if step["place"] == "name"}
    assert real.truth["name_time"].replace("T", " ") in meanings.values()


def test_explain_knows_the_record_on_disk_as_well(real: Real) -> None:
    lines = json.loads(clean("explain", real.record, "--json"))
    in_archive = [step for step in json.loads(clean("explain", real.archive, "--json")) if step["line"] is not None]
    assert lines == in_archive


def test_the_library_answers_the_same(real: Real) -> None:
    response = backupmeta.view(str(real.archive))
    assert response.data is not None
    assert response.data.model_dump(context=SHOW_SECRETS) == answer("view", real.archive, "--show-secrets")["data"]
    assert real.truth["db_password"] not in repr(response)


def viewing(way: str) -> Callable[[Real], list[str | Path]]:
    return lambda real: ["view", *WAYS[way](real)]


COMMANDS: dict[str, Callable[[Real], list[str | Path]]] = {
    **{f"view {way}": viewing(way) for way in WAYS},
    "view --provenance": lambda real: ["view", real.archive, "--provenance"],
    "view of an install": lambda real: ["view", real.install_record, "--provenance"],
    "view nothing": lambda real: ["view", "nothing", "--root", real.homes],
    "list": lambda real: ["list", real.homes],
    "list --json": lambda real: ["list", real.homes, "--json", "--provenance"],
    "list --jsonl": lambda real: ["list", real.homes, "--jsonl", "--provenance"],
    "list --csv": lambda real: ["list", real.homes, "--csv"],
    "installs": lambda real: ["installs", real.homes],
    "installs --json": lambda real: ["installs", real.homes, "--json", "--provenance"],
    "installs --csv": lambda real: ["installs", real.homes, "--csv"],
    "members": lambda real: ["members", real.archive],
    "members --json": lambda real: ["members", real.archive, "--json"],
    "cat the record": lambda real: ["cat", real.archive, "APP-META.INI"],
    "explain the archive": lambda real: ["explain", real.archive],
    "explain --json": lambda real: ["explain", real.archive, "--json"],
    "explain the record": lambda real: ["explain", real.record],
    **{
        f"verify --format {form}": lambda real, form=form: ["verify", real.homes, "--format", form]  # type: ignore[misc]
        for form in ("text", "json", "junit", "sarif", "github")
    },
    "explain the install's record": lambda real: ["explain", real.install_record, "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_tells_the_password_unasked(real: Real, command: str) -> None:
    done = run(*COMMANDS[command](real))
    assert done.returncode in {0, 1}
    for part in pieces(real.truth["db_password"]):
        assert part not in done.stdout + done.stderr


def pieces(password: str) -> set[bytes]:
    """Return the password, whole and as its longer parts."""
    return {password.encode(), *(part.encode() for part in re.split(r"[=; ]", password) if len(part) > 3)}


def test_the_password_is_told_when_asked(real: Real) -> None:
    assert real.truth["db_password"].encode() in clean("view", real.archive, "--show-secrets")


def test_it_passes_with_no_error_and_no_warning(real: Real) -> None:
    done = run("verify", real.archive, real.homes, "--json")
    assert done.returncode == 0
    targets = json.loads(done.stdout)["targets"]
    assert [target["verdict"] for target in targets] == ["pass", "pass", "pass"]
    assert {found["severity"] for target in targets for found in target["findings"]} == {"note"}


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """Give a folder that the server's own user may pass through."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_the_readmes_restore_restores_it(real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # mariadbd's place
    page = (PROJECT / "backupmeta/manual/restore.md").read_text("utf-8")
    [script] = [one for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "mariadb" in one]
    (tmp_path / "restore.sh").write_text(script)
    with shared_folder() as folder, mariadb.running(folder / "server") as server:
        server.rows("CREATE DATABASE restored CHARACTER SET utf8mb4")
        (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={server.socket}\nuser=root\n")
        environment = {"HOME": str(tmp_path), "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
        site = tmp_path / "site"
        command = ["sh", tmp_path / "restore.sh", real.archive, site, "restored"]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        counts = {name: sql_dump.row_count(server, "restored", name) for name in real.truth["table_rows"]}
    assert counts == real.truth["table_rows"]
    there = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert there == {name.rstrip("/") for name in real.truth["members"]} - {"APP-META.INI", "APP-DATA.SQL"}
    cut = tmp_path / real.archive.name
    cut.write_bytes(real.archive.read_bytes()[:-9])
    again = subprocess.run([*command[:2], cut, tmp_path / "other", "restored"], env=environment, check=False)
    assert again.returncode == 2  # it can't be read to its end
    assert not (tmp_path / "other").exists()


@contextlib.contextmanager
def served(folder: Path, port: int, prepended: Path) -> Iterator[None]:
    """Serve a site by PHP's own server."""
    command = ["php", f"-dauto_prepend_file={prepended}", "-S", f"127.0.0.1:{port}", "-t", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def page(url: str) -> str:
    """Return a page, unescaped, as soon as its server is up."""
    for _ in range(1200):
        try:
            with build_opener(ProxyHandler({})).open(url) as response:
                return html.unescape(response.read().decode())
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.05)
    raise AssertionError(url)


def restored(real: Real, server: mariadb.Server, url: str, before: int, folder: Path) -> tuple[int, str]:
    """Restore to a ``folder`` by the example; return its exit code, and what it says."""
    command = [sys.executable, PROJECT / "scripts/restore.py", real.install_id, "--root", real.home, "--to", folder]
    command += ["--socket", server.socket, "--database", "restored_12", "--url", url]
    command += ["--before", f"{datetime.fromtimestamp(before, UTC):%Y-%m-%d %H:%M:%S}"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.returncode, done.stderr


def test_the_restored_site_has_the_post_that_was_written_before_the_backup(
    real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # mariadbd's place
    site, url, made = tmp_path / "site", f"http://127.0.0.1:{(port := free_port())}", real.truth["backup_time"]
    prepended = tmp_path / "prepended.php"
    prepended.write_text("<?php define( 'DISABLE_WP_CRON', true ); define( 'WP_HTTP_BLOCK_EXTERNAL', true );")
    last = list(real_site.posts())[-1]
    with shared_folder() as folder, mariadb.running(folder / "server") as server:
        code, said = restored(real, server, url, made, site)
        assert (code, "no clean backup" in said, site.exists()) == (1, True, False)
        code, said = restored(real, server, url, made + 1, site)
        assert code == 0, said
        counts = {name: sql_dump.row_count(server, "restored_12", name) for name in real.truth["table_rows"]}
        assert counts == real.truth["table_rows"]
        code, said = restored(real, server, url, made + 1, tmp_path / "other")
        assert (code, "database exists" in said, (tmp_path / "other").exists()) == (1, True, False)
        with served(site, port, prepended):
            front = page(url)
            [link] = set(re.findall(rf'href="([^"]+)"[^>]*>{last["post_title"]}<', front))
            assert link.startswith(url)
            assert real.truth["blogname"] in front
            words = max(re.split("[^ A-Za-zäöüß]+", last["post_content"]), key=len).strip()
            assert words in page(link)
