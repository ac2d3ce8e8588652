"""A backup compared with a folder: what GNU tar --compare says, what it does not say, and what must not be touched."""

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupmeta.account.roots import Root
from backupmeta.archive.limits import DEFAULT_LIMITS, MIB, Limits
from backupmeta.comparison.archive_changes import ComparedArchive, Contents, compared_with_site
from backupmeta.comparison.walks import Site
from backupmeta.evidence import EvidenceFile, Place
from tests.comparison.test_archive_changes import cut, told
from tests.invented import backup_record, unprivileged

ENVIRONMENT: Final = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
LONG_AGO: Final = 1_000_000_000


def compared(archive: Path, folder: Path, limits: Limits = DEFAULT_LIMITS) -> Contents:
    place = Place(str(archive.parent), None, archive.name, is_named=True)
    return compared_with_site(ComparedArchive(place, str(archive)), Site(Root(str(folder))), limits)


def changes(archive: Path, folder: Path, limits: Limits = DEFAULT_LIMITS) -> list[tuple[str, bytes, tuple[str, ...]]]:
    """Return what became of which name, and by what, as `compared` has it."""
    return [(what, before or after, by) for what, before, after, by in told(compared(archive, folder, limits))]


def site(folder: Path) -> Path:
    """Make a site of files, folders and links."""
    (folder / "wp-content/uploads").mkdir(parents=True)
    for name in ("index.php", "wp-config.php", "wp-content/a.php", "wp-content/uploads/1.jpg"):
        (folder / name).write_bytes(name.encode())
    (folder / "link").symlink_to("wp-content")
    (folder / "wp-content/same").hardlink_to(folder / "index.php")
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    return folder


def packed(folder: Path, *options: str) -> Path:
    """Return an archive of all that is in a folder, by GNU tar."""
    path = folder.with_name(f"{folder.name}.tar.gz")
    subprocess.run(
        ["tar", "-czf", path, "-C", folder, *options, *sorted(path.name for path in folder.iterdir())],
        check=True,
        env=ENVIRONMENT,
    )
    return path


def test_what_was_unpacked_differs_in_nothing(tmp_path: Path) -> None:
    archive, unpacked = packed(site(tmp_path / "site")), tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True, env=ENVIRONMENT)
    assert compared(archive, tmp_path / "site").is_same
    assert compared(archive, unpacked).is_same
    for path in (unpacked, *unpacked.rglob("*")):
        os.utime(path, (0, 0), follow_symlinks=False)
    assert compared(archive, unpacked).is_same


def test_each_kind_of_difference(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    archive = packed(folder)
    (folder / "index.php").write_bytes(b"INDEX.PHP")  # and with it the hard link, of the same length
    (folder / "wp-config.php").chmod(0o600)
    (folder / "wp-content/a.php").write_bytes(b"longer, with another time")
    (folder / "wp-content/uploads/1.jpg").rename(folder / "wp-content/uploads/moved.jpg")
    (folder / "wp-content/uploads/shell.php").write_bytes(b"<?php")
    (folder / "link").unlink()
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "wp-content/pipe")
    assert changes(archive, folder) == [
        ("changed", b"index.php", ("mtime", "content")),
        ("changed", b"link", ("mtime", "link")),
        ("changed", b"wp-config.php", ("mode",)),
        ("changed", b"wp-content/a.php", ("size", "mtime", "content")),
        ("added", b"wp-content/pipe", ()),
        ("changed", b"wp-content/same", ("mtime", "content")),
        ("renamed", b"wp-content/uploads/1.jpg", ()),
        ("added", b"wp-content/uploads/shell.php", ()),
    ]


Tree = Mapping[str, tuple[str, bytes, int]]
"""Of each name what it is, the content of a file or the target of a link, and a mode."""

nodes = st.tuples(
    st.sampled_from(["file", "file", "file", "symlink", "directory"]),
    st.sampled_from([b"a", b"b", b"aa", b"x" * 70_000]),
    st.sampled_from([0o644, 0o600, 0o755]),
)
trees = st.dictionaries(st.sampled_from(["a", "b", "d/c", "d/e", "d/f/g", "\udce9"]), nodes)


def planted(tree: Tree, folder: Path) -> None:
    for name, (kind, content, mode) in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "symlink":
            path.symlink_to(content[:9].decode())
            continue
        path.write_bytes(content) if kind == "file" else path.mkdir()
        path.chmod(mode)
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def said_by_tar(archive: Path, folder: Path) -> tuple[set[str], set[str]]:
    """Return what GNU tar says to differ, but by time and owner, and what it says not to be there."""
    ran = subprocess.run(
        ["tar", "--compare", "-f", archive, "-C", folder, "--quoting-style=literal"],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
    )
    said = [line.decode("utf-8", "surrogateescape") for line in ran.stdout.splitlines()]
    differ = {line.partition(": ")[0] for line in said if not line.endswith(("Mod time differs", "id differs"))}
    errors = [line.decode("utf-8", "surrogateescape").split(": ") for line in ran.stderr.splitlines()]
    warned = {parts[1]: parts[-1] for parts in errors if {"Cannot stat", "Cannot readlink"} & set(parts)}
    no_links = {name for name, reason in warned.items() if reason == "Invalid argument"}
    return differ | no_links, warned.keys() - no_links


@given(before=trees, after=trees)
@settings(max_examples=20, deadline=None)
def test_gnu_tar_says_the_same(tmp_path_factory: pytest.TempPathFactory, before: Tree, after: Tree) -> None:
    folder, other = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("other")
    planted(before, folder)
    planted({**before, **after} if len(after) % 2 else after, other)
    archive = packed(folder, "--format=gnu") if before else _empty(folder)
    differ, missing = said_by_tar(archive, other)
    found = compared(archive, other)
    members = list(found.members())
    assert {os.fsdecode(one.before.name) for one in members if one.what == "changed" and one.before} == differ - {"."}
    gone = {os.fsdecode(one.before.name) for one in members if one.what in {"removed", "renamed"} and one.before}
    assert gone == missing
    there, here = ({str(path.relative_to(root)) for path in root.rglob("*")} for root in (other, folder))
    come = {os.fsdecode(one.after.name) for one in members if one.what in {"added", "renamed"} and one.after}
    assert come == there - here
    assert [one for one in found.findings if one.is_unread] == []


def _empty(folder: Path) -> Path:
    path = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("."))
    return path


def archive_of(folder: Path, members: Mapping[str, bytes]) -> Path:
    """Return an archive of files alone, without folders."""
    path = folder / "made.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_folders_without_members_and_the_backups_own_members_are_no_differences(tmp_path: Path) -> None:
    own = {"APP-META.INI": backup_record(), "APP-DATA.SQL": b"COMMIT;"}
    archive, folder = archive_of(tmp_path, {**own, "./a/b/c": b"1", "d": b"", "e0": b""}), tmp_path / "site"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c").write_bytes(b"1")
    (folder / "d").touch()
    (folder / "e0").touch()
    assert changes(archive, folder) == []
    (folder / "a.b").mkdir()  # it stands between a and a/b in the order of bytes
    (folder / "e").mkdir()  # and e0 after all that is below e
    (folder / "APP-DATA.SQL").write_bytes(b"COMMIT; -- changed")
    assert changes(archive, folder) == [
        ("changed", b"APP-DATA.SQL", ("size", "mtime", "content")),
        ("added", b"a.b", ()),
        ("added", b"e", ()),
    ]


def test_what_a_cut_archive_may_have_had_is_not_added(tmp_path: Path) -> None:
    archive, folder = archive_of(tmp_path, {"a": b"1", "b": b"1"}), tmp_path / "site"
    folder.mkdir()
    (folder / "b").write_bytes(b"1")
    assert changes(cut(archive, 1024), folder) == [("removed", b"a", ()), ("can't tell", b"b", ())]


def test_a_hard_link_has_the_content_of_its_target_in_the_archive(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    archive = packed(folder)
    (folder / "wp-content/same").unlink()
    (folder / "wp-content/same").write_bytes(b"index.php")
    assert changes(archive, folder) == []
    (folder / "wp-content/same").write_bytes(b"another, longer")
    assert changes(archive, folder) == [("changed", b"wp-content/same", ("mtime", "content"))]
    (folder / "wp-content/same").unlink()
    assert changes(archive, folder) == [("removed", b"wp-content/same", ())]


def test_names_that_mean_something_else_elsewhere(tmp_path: Path) -> None:
    archive, folder = archive_of(tmp_path, {"a/b": b"1", "caf\udce9": b"1"}), tmp_path / "site"
    (folder / "a").mkdir(parents=True)
    for name in ("a/b", "caf\udce9", "a\\b", "-x", "line\nend", "password=CANARYq7x"):
        (folder / name).write_bytes(b"1")
    assert [(what, name) for what, name, _ in changes(archive, folder)] == [
        ("added", b"-x"),
        ("added", b"a\\b"),
        ("added", b"line\nend"),
        ("added", b"password=********"),
    ]


# --- what must not be touched -----------------------------------------------------------------------------------------


def test_no_link_is_followed_and_nothing_but_files_is_opened(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "site"
    outside.mkdir()
    folder.mkdir()
    (outside / "secret").write_bytes(b"1")
    (folder / "out").symlink_to(outside)
    (folder / "loop").symlink_to(".")
    (folder / "file").symlink_to(outside / "secret")
    os.mkfifo(folder / "pipe")
    opened, plain = list[str](), os.open

    def noting(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(path)
        return plain(path, flags, mode, dir_fd=dir_fd)

    archive = archive_of(tmp_path, {"out/secret": b"1", "file": b"1"})
    with patch.object(os, "open", noting):
        assert changes(archive, folder) == [
            ("changed", b"file", ("kind", "size", "mode", "mtime", "link")),
            ("added", b"loop", ()),
            ("added", b"out", ()),
            ("removed", b"out/secret", ()),
            ("added", b"pipe", ()),
        ]
    assert opened == [str(archive), str(folder)]


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    archive = packed(folder)
    paths = [archive, folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO + 5))
    before = {path: path.stat() for path in paths}
    compared(archive, folder)
    after = {path: path.stat() for path in paths}
    assert [path for path in paths if before[path] != after[path]] == []


@contextmanager
def refused(*paths: Path) -> Iterator[None]:
    """Have the system refuse to open files and folders, also to a test that runs as root."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for path in paths:
        path.chmod(0)
    try:
        with unprivileged():
            yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that everybody may read."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_cannot_be_read_is_not_said_to_differ(public: Path) -> None:
    folder = site(public / "site")
    archive = packed(folder)
    compared(archive, folder)  # imports what it needs: nobody may, later
    with refused(folder / "wp-config.php", folder / "wp-content/uploads"):
        found = compared(archive, folder)
        said = told(found)
    assert [(what, before or after, by) for what, before, after, by in said] == [
        ("changed", b"wp-config.php", ("mode",)),  # of what can't be opened the mode is known
        ("changed", b"wp-content/uploads", ("mode",)),
        ("can't tell", b"wp-content/uploads/1.jpg", ()),
    ]
    assert sorted((one.id, one.subject) for one in found.findings) == [
        ("file-unreadable", str(folder / "wp-config.php")),
        ("file-unreadable", str(folder / "wp-content/uploads")),
        ("member-not-compared", "wp-config.php"),
    ]


def test_a_file_that_is_written_meanwhile_is_not_compared(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    archive = packed(folder)
    plain = EvidenceFile.has_changed

    def changing(file: EvidenceFile) -> bool:
        return file.path.endswith("index.php") or plain(file)

    with patch.object(EvidenceFile, "has_changed", changing):
        found = compared(archive, folder)
    assert told(found) == []
    assert [one.id for one in found.findings if one.is_unread] == ["file-unreadable", "member-not-compared"]


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "unknown"),
    [
        (replace(DEFAULT_LIMITS, folder_entries=2), {b"index.php", b"wp-content/a.php"}),
        (replace(DEFAULT_LIMITS, seconds=-1), {b"index.php", b"wp-content/a.php"}),
    ],
)
def test_what_a_limit_keeps_from_being_read_is_unknown(limits: Limits, unknown: set[bytes], tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    plain = archive_of(tmp_path, {"index.php": b"index.php", "wp-content/a.php": b"wp-content/a.php", "gone": b"1"})
    with patch("backupmeta.archive.stream.Inflated.is_too_late", lambda _: False):
        found = compared(plain, folder, limits)
    assert {name for what, name, _, _ in told(found) if what == "can't tell"} == {*unknown, b"gone"}
    assert {one.id for one in found.findings} == {"limit-exceeded"}


def test_a_hole_of_any_size_is_not_read(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    archive = packed(folder)
    with (folder / "hole").open("wb") as file:
        file.truncate(2**40)
    found = compared(archive, folder)
    assert [(what, after) for what, _, after, _ in told(found)] == [("added", b"hole")]
    assert [one.message.rpartition("(")[2] for one in found.findings] == ["over the limit ratio: more of at most 200)"]
    assert compared(archive, folder, replace(DEFAULT_LIMITS, inflated_bytes=MIB)).findings != ()


def test_folders_deeper_than_any_path_end(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=descriptor)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    found = compared(archive_of(tmp_path, {"a": b"1"}), folder)
    assert 15 < sum(found.counts.values()) < 25
    assert [one.id for one in found.findings] == ["file-unreadable"]
