"""Extraction: GNU tar's tree of what is sound, nothing outside the folder, and all of it or nothing."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.peers import ENVIRONMENT, needs_gnu_tar
from tests.examples import TIMES
from tests.invented import NAME, archive, backup_record, run
from tests.kinds import KINDS

OWN: Final = {"APP-META.INI", "APP-DATA.SQL"}
RECORD: Final = backup_record(list_files="")
DUMP: Final = b"-- MySQL dump 10.13\n-- Dump completed on 2024-06-13 20:55:21\n"
FILES: Final = [("index.php", b"<?php\n"), ("wp-content/a.txt", b"a"), ("APP-DATA.SQL", DUMP)]
TIME: Final = 1718312121
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and gives files to others")


class Entry(NamedTuple):
    """What lies at a path."""

    kind: str
    mode: int
    size: int
    mtime: int
    content: bytes


def tree(folder: Path) -> dict[str, Entry]:
    """Return all that lies below a folder, by path; of links modes and times are left out."""
    found = dict[str, Entry]()
    for path in sorted(folder.rglob("*")):
        status, name = path.lstat(), os.fspath(path.relative_to(folder))
        mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns // 10**9
        if path.is_symlink():
            found[name] = Entry("link", 0, 0, 0, os.fsencode(path.readlink()))
        elif path.is_dir():
            found[name] = Entry("folder", mode, 0, mtime, b"")
        else:
            found[name] = Entry("file", mode, status.st_size, mtime, path.read_bytes())
    return found


def without_folders(folder: Path) -> dict[str, Entry]:
    """Return all that lies below a folder, of folders that they are there: their members differ in what they are."""
    return {name: Entry("folder", 0, 0, 0, b"") if one.kind == "folder" else one for name, one in tree(folder).items()}


def unpacked(path: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    folder.mkdir()
    command = ["tar", "-xf", str(path), "-C", str(folder), "--no-same-permissions", "--no-same-owner", *options]
    return subprocess.run(command, capture_output=True, env=ENVIRONMENT, umask=0o022, check=False)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / NAME
    path.write_bytes(content)
    return path


def site(tmp_path: Path, files: Iterable[tuple[str, bytes]] = FILES) -> Path:
    return written(tmp_path, archive(RECORD, files))


def tarred(tmp_path: Path, *members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write an archive of a record and these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.GNU_FORMAT) as out:
        record = tarfile.TarInfo("APP-META.INI")
        record.size, record.mtime = len(RECORD), TIME
        out.addfile(record, io.BytesIO(RECORD))
        for one in members:
            info, content = one if isinstance(one, tuple) else (one, b"")
            info.size, info.mtime = len(content), TIME
            out.addfile(info, io.BytesIO(content))
    return written(tmp_path, packed.getvalue())


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


# --- what is sound is as GNU tar leaves it ----------------------------------------------------------------------------


@pytest.mark.untraced  # the same lines for each archive
@needs_gnu_tar
@pytest.mark.parametrize("name", KINDS)
def test_what_is_extracted_is_what_gnu_tar_unpacks(tmp_path: Path, name: str) -> None:
    path = tmp_path / KINDS[name].name
    path.write_bytes(KINDS[name].content)
    ran = run("extract", path, "--to", tmp_path / "ours", "--all", "--no-fsync")
    assert (tmp_path / "ours").exists() == (ran.code == 0 or "written to" in ran.err)
    peer = unpacked(path, tmp_path / "theirs", *(["--ignore-zeros"] if KINDS[name].has_gap else []))
    if ran.code == 0 and peer.returncode == 0 and name != "names with backslashes":  # a letter for GNU tar
        assert without_folders(tmp_path / "ours") == without_folders(tmp_path / "theirs")
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(".")) == []


def test_some_kinds_are_compared(tmp_path: Path) -> None:
    path = site(tmp_path)
    assert run("extract", path, "--to", tmp_path / "ours", "--all", "--no-fsync").code == 0
    unpacked(path, tmp_path / "theirs")
    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")
    assert set(tree(tmp_path / "ours")) >= OWN


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_the_sites_files_alone_and_the_dump_where_it_is_asked_for(tmp_path: Path) -> None:
    path, folder, dump = site(tmp_path), tmp_path / "site", tmp_path / "dump.sql"
    ran = run("extract", path, "--to", folder, "--dump", dump)
    assert (ran.code, set(tree(folder))) == (0, {"index.php", "wp-content", "wp-content/a.txt"})
    assert (dump.read_bytes(), stat.S_IMODE(dump.stat().st_mode)) == (DUMP, 0o600)


def test_the_dump_to_stdout(tmp_path: Path) -> None:
    ran = run("extract", site(tmp_path), "--to", tmp_path / "site", "--dump", "-")
    assert (ran.code, ran.out) == (0, DUMP)


@pytest.mark.parametrize("asked", [["wp-content"], ["./wp-content/"], ["wp-content/a.txt"]])
def test_a_folder_stands_for_all_in_it(tmp_path: Path, asked: list[str]) -> None:
    assert run("extract", site(tmp_path), *asked, "--to", tmp_path / "site").code == 0
    assert set(tree(tmp_path / "site")) == {"wp-content", "wp-content/a.txt"}


def test_a_name_that_no_member_has(tmp_path: Path) -> None:
    ran = run("extract", site(tmp_path), "wp-content", "nothing", "--to", tmp_path / "site")
    assert (ran.code, (tmp_path / "site").exists()) == (1, False)
    assert "nothing: is not in the archive" in ran.err


def test_no_dump_there(tmp_path: Path) -> None:
    ran = run("extract", site(tmp_path, FILES[:1]), "--to", tmp_path / "site", "--dump", tmp_path / "dump.sql")
    assert (ran.code, (tmp_path / "dump.sql").exists(), "holds no dump" in ran.err) == (1, False, True)


def test_a_hard_link_whose_target_is_not_asked_for_is_a_file(tmp_path: Path) -> None:
    path = tarred(tmp_path, (entry("a/x"), b"content"), entry("b/y", tarfile.LNKTYPE, "a/x"))
    assert run("extract", path, "b", "--to", tmp_path / "site").code == 0
    assert (tmp_path / "site/b/y").read_bytes() == b"content"
    assert not (tmp_path / "site/a").exists()


# --- what each member gets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "gets"),
    [(0o4755, 0o755), (0o2777, 0o755), (0o1666, 0o644), (0o444, 0o644), (0, 0o600), (0o640, 0o640), (0o711, 0o711)],
)
def test_modes_are_those_that_umask_022_leaves(tmp_path: Path, given: int, gets: int) -> None:
    path = tarred(tmp_path, entry("file", mode=given), entry("folder", tarfile.DIRTYPE, mode=given))
    ran = run("extract", path, "--to", tmp_path / "site")
    assert stat.S_IMODE((tmp_path / "site/file").stat().st_mode) == gets
    assert stat.S_IMODE((tmp_path / "site/folder").stat().st_mode) == gets & 0o755 | 0o700
    assert ("2 members have fewer permissions" in ran.err) == bool(given & ~0o755)


def test_a_sparse_file_stays_sparse(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with (tmp_path / "in/sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(8 * 2**20)
        file.write(b"end")
        file.truncate(16 * 2**20)
    (tmp_path / "in/APP-META.INI").write_bytes(RECORD)
    path = tmp_path / NAME
    subprocess.run(["tar", "-C", tmp_path / "in", "-czSf", path, "APP-META.INI", "sparse"], check=True, env=ENVIRONMENT)
    assert run("extract", path, "--to", tmp_path / "site").code == 0
    status = (tmp_path / "site/sparse").stat()
    assert (status.st_size, status.st_blocks * 512 < 2**20) == (16 * 2**20, True)
    assert (tmp_path / "site/sparse").read_bytes() == (tmp_path / "in/sparse").read_bytes()


@root_only
def test_owners_only_where_they_are_asked_for(tmp_path: Path) -> None:
    one = entry("file")
    one.uid, one.gid = 12345, 12346
    path = tarred(tmp_path, one)
    run("extract", path, "--to", tmp_path / "own")
    run("extract", path, "--to", tmp_path / "theirs", "--owners")
    assert (tmp_path / "own/file").stat().st_uid == os.geteuid()
    assert ((tmp_path / "theirs/file").stat().st_uid, (tmp_path / "theirs/file").stat().st_gid) == (12345, 12346)


def test_of_several_members_of_a_name_the_last_one_is_left(tmp_path: Path) -> None:
    path = site(tmp_path, [("a", b"first"), ("a", b"second, and longer"), ("b", b"b"), ("a", b"third")])
    assert run("extract", path, "--to", tmp_path / "site").code == 0
    assert (tmp_path / "site/a").read_bytes() == b"third"


# --- what would lead elsewhere ----------------------------------------------------------------------------------------

REFUSED: Final[dict[str, Sequence[tarfile.TarInfo]]] = {
    "absolute": [entry("/tmp/x")],  # noqa: S108 - it must not be written
    "up": [entry("../x")],
    "up, later": [entry("a/../../x")],
    "drive": [entry("C:evil.php")],
    "backslashes up": [entry("..\\x")],
    "link up": [entry("l", tarfile.SYMTYPE, "../x")],
    "absolute link": [entry("l", tarfile.SYMTYPE, "/etc/passwd")],
    "link through a link": [entry("d", tarfile.SYMTYPE, "a/b"), entry("e", tarfile.SYMTYPE, "d/../../x")],
    "below a link": [entry("l", tarfile.SYMTYPE, "a"), entry("l/x")],
    "below a link that leads up": [entry("l", tarfile.SYMTYPE, ".."), entry("l/x")],
    "link in a folder's place": [entry("d/x"), entry("d", tarfile.SYMTYPE, "a")],
    "hard link up": [entry("l", tarfile.LNKTYPE, "../x")],
    "absolute hard link": [entry("l", tarfile.LNKTYPE, "/etc/passwd")],
    "hard link to a link up": [entry("l", tarfile.SYMTYPE, "x/../.."), entry("h", tarfile.LNKTYPE, "l")],
    "hard link to nothing": [entry("l", tarfile.LNKTYPE, "nothing")],
    "hard link to itself": [entry("l", tarfile.LNKTYPE, "l")],
    "device": [entry("sda", tarfile.BLKTYPE)],
    "terminal": [entry("tty", tarfile.CHRTYPE)],
    "pipe": [entry("pipe", tarfile.FIFOTYPE)],
    "file in a folder's place": [entry("d/x"), entry("d")],
    "folder in a file's place": [entry("d"), entry("d/x")],
    "name too long": [entry("n" * 300)],
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", [(), ("--keep-partial",)])
def test_what_would_do_harm_is_refused(tmp_path: Path, name: str, way: Sequence[str]) -> None:
    inside = tmp_path / "1/2/3/4"
    inside.mkdir(parents=True)
    path = tarred(tmp_path, (entry("before"), b"b"), *REFUSED[name], (entry("last"), b"l"))
    before = set(tmp_path.rglob("*"))
    ran = run("extract", path, "--to", inside / "site", *way)
    assert (ran.code, "refused" in ran.err or "incomplete" in ran.err) in {(1, True), (2, True)}, ran.err
    assert (inside / "site").exists() == bool(way)
    there = {one for one in tmp_path.rglob("*") if inside / "site" not in {one, *one.parents}}
    assert there == before
    if way:
        assert {"before", "last"} <= set(tree(inside / "site"))
        assert all(
            one.kind in {"file", "folder"} or is_inside(inside / "site", name)
            for name, one in tree(inside / "site").items()
        )


def is_inside(folder: Path, name: str) -> bool:
    """Tell whether a link leads nowhere but into its folder."""
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except RuntimeError:  # it leads to itself
        return True


names = st.lists(st.sampled_from(["a", "b", "..", "C", "A", "."]), min_size=1, max_size=4).map("/".join)
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
members = st.lists(st.tuples(names, kinds, names | names.map(lambda one: f"/{one}")), max_size=8)


@settings(max_examples=60 * TIMES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=members, way=st.sampled_from([[], ["--keep-partial"], ["--over"]]))
def test_nothing_is_written_but_the_folder_whatever_the_tree(
    tmp_path: Path, entries: Sequence[tuple[str, bytes, str]], way: list[str]
) -> None:
    shutil.rmtree(tmp_path)
    inside = tmp_path / "1/2/3/4"
    inside.mkdir(parents=True)
    (inside / "neighbour").write_bytes(b"n")
    path = tarred(tmp_path, *(entry(name, kind, link) for name, kind, link in entries))
    before = tree(tmp_path)
    if "--over" in way:
        (inside / "site").mkdir()
    ran = run("extract", path, "--to", inside / "site", "--no-fsync", "--json", *way)
    after = tree(tmp_path)
    is_refused = any(member["fate"] == "refused" for member in json.loads(ran.out)["members"])
    assert ran.code != 0 or not is_refused
    own = {name for name in after if f"{name}/".startswith("1/2/3/4/site/")}
    assert {name: one._replace(mtime=0) for name, one in after.items() if name not in own} == {
        name: one._replace(mtime=0) for name, one in before.items()
    }
    assert (inside / "site").exists() == (ran.code == 0 or bool(way))
    for name in own:
        assert is_inside(inside / "site", name.removeprefix("1/2/3/4/site").lstrip("/"))


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_folder_may_be_there_and_empty(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir(mode=0o750)
    assert run("extract", site(tmp_path), "--to", tmp_path / "site").code == 0
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o750


def full(folder: Path) -> None:
    folder.mkdir()
    (folder / "x").write_bytes(b"x")


def linked(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to("elsewhere")


def a_file(folder: Path) -> None:
    folder.write_bytes(b"x")


@pytest.mark.parametrize("plant", [full, linked, a_file])
def test_a_folder_that_is_something_else_is_refused(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    path = site(tmp_path)
    plant(tmp_path / "site")
    before = tree(tmp_path)
    ran = run("extract", path, "--to", tmp_path / "site")
    assert (ran.code, tree(tmp_path)) == (2, before)


def test_over_replaces_files_and_leaves_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "wp-content").mkdir(parents=True, mode=0o700)
    (folder / "index.php").write_bytes(b"old")
    (folder / "own.txt").write_bytes(b"own")
    assert run("extract", site(tmp_path), "--to", folder, "--over").code == 0
    found = {name: one.content for name, one in tree(folder).items() if one.kind == "file"}
    assert found == {"index.php": b"<?php\n", "own.txt": b"own", "wp-content/a.txt": b"a"}


@pytest.mark.parametrize("planted", ["index.php", "wp-content"])
def test_over_goes_through_no_link(tmp_path: Path, planted: str) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / planted).symlink_to(outside)
    ran = run("extract", site(tmp_path), "--to", folder, "--over")
    assert (ran.code, list(outside.iterdir())) == (1, [])


def test_the_archives_own_folder_is_evidence(tmp_path: Path) -> None:
    home = tmp_path / "home/exampleu"
    (home / "application_backups").mkdir(parents=True)
    (home / ".appdata/backups").mkdir(parents=True)
    path = home / "application_backups" / NAME
    path.write_bytes(archive(RECORD, FILES))
    for inside in ("application_backups/site", ".appdata/site"):
        assert run("extract", path, "--to", home / inside).code == 2
    assert run("extract", path, "--to", home / "public_html").code == 0


# --- broken archives, and a bad day -----------------------------------------------------------------------------------


def test_a_cut_archive_leaves_nothing_unless_it_is_asked_for(tmp_path: Path) -> None:
    whole = archive(RECORD, [("a", b"a" * 5000), ("b", os.urandom(90_000)), ("APP-DATA.SQL", b"x")])
    path = written(tmp_path, whole[: len(whole) // 2])
    dump = tmp_path / "dump.sql"
    ran = run("extract", path, "--to", tmp_path / "site", "--dump", dump)
    assert (ran.code, (tmp_path / "site").exists(), dump.exists()) == (2, False, False)
    ran = run("extract", path, "--to", tmp_path / "site", "--keep-partial")
    assert (ran.code, set(tree(tmp_path / "site"))) == (2, {"a", "b"})
    assert "b: incomplete: at least" in ran.err


def test_json_tells_each_members_fate(tmp_path: Path) -> None:
    path = tarred(tmp_path, (entry("a"), b"a"), entry("../x"))
    told = run("extract", path, "--to", tmp_path / "site", "--json").json
    assert [(one["name"], one["fate"]) for one in told["members"]] == [
        ("APP-META.INI", "left out"),
        ("a", "written"),
        ("../x", "refused"),
    ]
    assert (told["is_kept"], told["counts"]["refused"]) == (False, 1)
    assert run("extract", tarred(tmp_path), "--to", tmp_path / "none", "--json").json["counts"]["written"] == 0


def command(path: Path, folder: Path, *more: str | Path) -> list[str]:
    code = "from backupmeta.cli import console; console()"
    return [sys.executable, "-c", code, "extract", str(path), "--to", str(folder), *map(str, more)]


@pytest.mark.parametrize("attempts", [8, pytest.param(40, marks=pytest.mark.long)])
def test_a_killed_run_leaves_all_or_nothing_and_the_next_one_succeeds(tmp_path: Path, attempts: int) -> None:
    path = site(tmp_path, [(f"f{n:03}/{n}", bytes([n % 256]) * 3000) for n in range(400)])
    random = Random(attempts)  # noqa: S311 - no secret
    for attempt in range(attempts):
        folder, before = tmp_path / f"site{attempt}", hidden(tmp_path)
        process = subprocess.Popen(command(path, folder), stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.15, 0.7))
        process.send_signal(signal.SIGKILL if attempt % 2 else signal.SIGTERM)
        process.wait()
        assert attempt % 2 or hidden(tmp_path) == before
        if not folder.exists():
            assert run("extract", path, "--to", folder).code == 0
        assert len(list(folder.iterdir())) == 400


def hidden(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir() if one.name.startswith(".backupmeta")}


@root_only
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    path, disk = site(tmp_path, [("a", os.urandom(100_000)), ("b", os.urandom(900_000))]), tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        ran = run("extract", path, "--to", disk / "site")
        assert (ran.code, list(disk.iterdir())) == (2, [])
        assert "no space left on device" in ran.err
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("hostile", [(), tuple(chain.from_iterable(REFUSED.values()))])
def test_nothing_else_is_opened_for_writing(tmp_path: Path, hostile: Sequence[tarfile.TarInfo]) -> None:
    path, folder, dump, log = tmp_path / NAME, tmp_path / "to/site", tmp_path / "dump.sql", tmp_path / "log"
    tarred(tmp_path, *hostile, (entry("index.php"), b"<?php"), (entry("APP-DATA.SQL"), b"SELECT 1;\n"))
    folder.parent.mkdir()
    calls = "trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate"
    extract = command(path, folder, "--dump", dump, *(["--keep-partial"] if hostile else []))
    strace = ["strace", "-f", "-y", "-o", str(log), "-e", calls, *extract]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(strace, check=False, capture_output=True, env=environment)
    assert bool(ran.returncode) == bool(hostile), ran.stderr
    lines = [
        one for one in log.read_text().splitlines() if "= -1" not in one and ("O_RDONLY" not in one or "O_CREAT" in one)
    ]
    made = [one for one in lines if "(" in one and "+++" not in one and "/dev/null" not in one]
    assert made != []
    assert [one for one in made if str(tmp_path) not in one] == []
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted({NAME, "to", "dump.sql", "log"})
    assert [one.name for one in folder.parent.iterdir()] == ["site"]


# --- what a person gets wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dump", "-", "--json"], "both write to stdout"),
        (["--all", "index.php"], "--all goes without MEMBER"),
        (["--over", "--to", "nowhere"], "no such file or directory"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], message: str) -> None:
    more = arguments if "--to" in arguments else ["--to", str(tmp_path / "site"), *arguments]
    ran = run("extract", site(tmp_path), *more)
    assert (ran.code, message in ran.err) == (2, True), ran.err


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = written(tmp_path, b"no archive at all")
    ran = run("extract", path, "--to", tmp_path / "site")
    assert (ran.code, (tmp_path / "site").exists()) == (2, False)
    assert [one.name for one in tmp_path.iterdir()] == [NAME]
