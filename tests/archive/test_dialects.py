"""Every tar there is: what real programs write is read as other programs read it.

Each archive is compared with what GNU tar, bsdtar and tarfile read in it. Where one of them is left out, it disagrees
with the others, and the test says how.
"""

import base64
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.archive.peers import (
    BSDTAR,
    ENVIRONMENT,
    GNU_TAR,
    SECONDS,
    TARFILE,
    TIME,
    Opened,
    Peer,
    Row,
    against_all,
    block,
    bsdtar,
    bsdtar_listing,
    entry,
    gnu_tar,
    needs,
    needs_bsdtar,
    needs_gnu_tar,
    ours,
    python,
    run,
    tar,
    timeless,
    walked,
)
from tests.invented import run as backupmeta

LATIN: Final = b"latin-\xe9"
SHORT: Final = (
    "empty",
    "hard",
    "index.php",
    "link",
    "setuid",
    "short",
    "sticky",
    "utf-8-é漢🎈",
    "a b",
    'odd "q" \\ \n\t.php',
)
DEEP: Final = f"{'d' * 30}/{'e' * 60}/{'f' * 50}"
PREFIXED: Final = f"{DEEP}/{'g' * 90}"
LONG: Final = (DEEP, "huge")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a folder with everything that tar distinguishes."""
    top = tmp_path_factory.mktemp("dialects")
    for name in ("empty", "setuid", SHORT[-1], SHORT[-2], SHORT[-3], os.fsdecode(LATIN)):
        (top / name).write_bytes(b"" if name == "empty" else os.fsencode(name))
    (top / "index.php").write_bytes(b"x" * 5000)
    (top / "hard").hardlink_to(top / "index.php")
    (top / "link").symlink_to("index.php")
    os.mkfifo(top / "fifo")
    for name in ("short", "sticky", DEEP, f"huge/{'p' * 200}/{'q' * 200}/{'r' * 200}"):
        (top / name).mkdir(parents=True)
    (top / PREFIXED).write_bytes(b"by prefix")
    (top / DEEP / "hard").hardlink_to(top / PREFIXED)
    (top / DEEP / "link").symlink_to("t" * 300)
    (top / "setuid").chmod(0o6755)
    (top / "sticky").chmod(0o1777)
    for folder, folders, files in os.walk(top):  # rglob can't pass over the link's long target in early Python 3.11
        for name in (*folders, *files):
            os.utime(Path(folder, name), ns=(TIME * 10**9 + 123_456_789,) * 2, follow_symlinks=False)
    return top


WRITERS: Final = [
    pytest.param([*command, option], names, id=f"{command[0]} {option}", marks=mark)
    for command, mark, options in (
        (
            ["tar", "-cf", "-"],
            needs_gnu_tar,
            {
                "--format=v7": SHORT,
                "--format=ustar": (*SHORT, "fifo", PREFIXED),
                "--format=oldgnu": (*SHORT, "fifo", *LONG),
                "--format=gnu": (*SHORT, "fifo", *LONG),
                "--format=posix": (*SHORT, "fifo", *LONG),
            },
        ),
        (
            ["bsdtar", "-cf", "-"],
            needs_bsdtar,
            {
                "--format=v7": SHORT,
                "--format=ustar": (*SHORT, "fifo", PREFIXED),
                "--format=gnutar": (*SHORT, "fifo", *LONG),
                "--format=pax": (*SHORT, "fifo", *LONG),
            },
        ),
        (["pax", "-w"], needs("pax"), {"-xtar": SHORT, "-xustar": (*SHORT, "fifo", PREFIXED)}),
        (["busybox", "tar", "-c"], needs("busybox"), {"-f-": (*SHORT, "fifo", *LONG)}),
    )
    for option, names in options.items()
]


def written(site: Path, command: Sequence[str | bytes], *names: str | bytes) -> bytes:
    """Return the archive of ``names`` that a ``command`` writes."""
    done = subprocess.run(
        [*command, *names], cwd=site, capture_output=True, check=True, timeout=SECONDS, env=ENVIRONMENT
    )
    return done.stdout


@against_all
@pytest.mark.parametrize(("command", "names"), WRITERS)
def test_what_programs_write(opened: Opened, site: Path, command: list[str], names: Sequence[str], peer: Peer) -> None:
    content = written(site, command, *names)
    found = ours(opened, content)
    assert found == peer(content)
    assert {os.fsencode(name) for name in names} <= {one.name for one in found}
    assert walked(opened, content).end == ("complete", "", len(content), "")


@against_all
@pytest.mark.parametrize(("command", "names"), WRITERS)
def test_a_name_that_is_not_utf8(
    opened: Opened, site: Path, command: list[str], names: Sequence[str], peer: Peer
) -> None:
    content = written(site, command, LATIN, names[0])
    if peer is bsdtar and "--format=posix" in command:  # GNU tar calls it UTF-8: bsdtar warns, and lists it
        assert timeless(ours(opened, content)) == bsdtar_listing(content, codes=(0, 1))
    else:
        assert ours(opened, content) == peer(content)
    assert ours(opened, content)[0].name == LATIN


@needs_gnu_tar
def test_json_says_what_gnu_tar_lists(site: Path, tmp_path: Path) -> None:
    content = written(site, ["tar", "-cf", "-", "--format=posix"], LATIN, *SHORT, *LONG)
    path = tmp_path / "site.tar"
    path.write_bytes(content)
    listed = json.loads(backupmeta("members", path, "--json").out)["members"]
    expected = gnu_tar(content)
    assert [(exact(one, "name").rstrip(b"/"), one["type"], one["size"]) for one in listed] == [
        (one.name, one.kind, one.size) for one in expected
    ]
    assert [(exact(one, "link"), one["mode"], one["uid"], one["gid"]) for one in listed] == [
        (one.link, f"{one.mode:04o}", one.uid, one.gid) for one in expected
    ]
    assert {one["mtime"] for one in listed} == {"2024-06-13T20:55:21.123456+00:00"}


def exact(member: dict[str, str], key: str) -> bytes:
    """Return a name's exact bytes."""
    twin = member.get(f"{key}_base64")
    return member.get(key, "").encode() if twin is None else base64.b64decode(twin)


# --- numbers, holes ---------------------------------------------------------------------------------------------------


@needs_gnu_tar
@against_all
@pytest.mark.parametrize("form", ["oldgnu", "gnu", "posix"])
@pytest.mark.parametrize("mtime", [-100_000_000, -1, 0, 2**31, 2**33, 2**34])
def test_numbers_beyond_octal(opened: Opened, site: Path, form: str, mtime: int, peer: Peer) -> None:
    numbers = [f"--mtime=@{mtime}", "--owner=x:3000000", "--group=y:2097152"]
    content = written(site, ["tar", "-cf", "-", f"--format={form}", *numbers], "empty")
    assert ours(opened, content) == peer(content)
    ((_, _, _, *numbers_read, _),) = ours(opened, content)
    assert numbers_read == [mtime, 0o644, 3_000_000, 2_097_152]


@against_all
@pytest.mark.parametrize("mtime", ["1.5", "0.999999999", "17179869184", "-1", "-3.000"])
def test_pax_times(opened: Opened, mtime: str, peer: Peer) -> None:
    content = tar(entry("a", pax={"mtime": mtime}))
    assert ours(opened, content) == peer(content)


def test_a_negative_fraction_of_a_second_is_below_it(opened: Opened) -> None:
    # As GNU tar extracts it, and as tarfile reads it; GNU tar lists -1.5 as -0.5, bsdtar reads it as such.
    content = tar(entry("a", pax={"mtime": "-1.5"}))
    assert ours(opened, content) == python(content)


EXTENTS: Final = {"three": 3, "nine": 9, "thirty": 30, "hundred": 100}


@pytest.fixture(scope="module")
def holes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out files with holes: old GNU headers have room for 4 extents, and each more map for 21."""
    top = tmp_path_factory.mktemp("holes")
    for name, count in EXTENTS.items():
        with (top / name).open("wb") as file:
            for hole in range(1, count + 1):
                file.seek(hole * 70_000)
                file.write(b"data")
            file.truncate(count * 70_000 + 200_000)
    with (top / "huge").open("wb") as file:
        file.seek(2**33)
        file.write(b"x")
        file.truncate(2**33 + 2**30)
    with (top / "huge").open("rb") as file:
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE):
            pytest.skip("files have no holes here")
    return top


@needs_gnu_tar
@against_all
@pytest.mark.parametrize(
    "options",
    [
        ["--format=oldgnu"],
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=" ".join,
)
def test_files_with_holes(opened: Opened, holes: Path, options: list[str], peer: Peer) -> None:
    content = written(holes, ["tar", "-cf", "-", "--sparse", *options], *EXTENTS, "huge")
    assert ours(opened, content) == peer(content)
    assert [one.size for one in ours(opened, content)][-1] == 2**33 + 2**30
    assert list(walked(opened, content).findings()) == []
    assert len(content) < 10**6


@needs_bsdtar
@against_all
def test_files_with_holes_by_bsdtar(opened: Opened, holes: Path, peer: Peer) -> None:
    content = written(holes, ["bsdtar", "-cf", "-", "--format=pax"], *EXTENTS, "huge")
    assert ours(opened, content) == peer(content)
    assert list(walked(opened, content).findings()) == []
    assert len(content) < 10**6


@needs_gnu_tar
@pytest.mark.parametrize("peer", [GNU_TAR, BSDTAR])
def test_a_sparse_file_s_name_is_the_one_it_has(opened: Opened, holes: Path, tmp_path: Path, peer: Peer) -> None:
    # tarfile gives the name of the header, ./GNUSparseFile.1234/nnn.
    (tmp_path / ("n" * 200)).hardlink_to(holes / "three")
    options = ["--sparse", "--format=posix", "--sparse-version=0.1"]
    content = written(tmp_path, ["tar", "-cf", "-", *options], "n" * 200)
    assert ours(opened, content) == peer(content)
    assert ours(opened, content)[0].name == b"n" * 200


# --- GNU tar's own: labels, volumes, incremental backups --------------------------------------------------------------


@needs_gnu_tar
@pytest.mark.parametrize("peer", [GNU_TAR, TARFILE])
def test_a_volume_label(opened: Opened, site: Path, peer: Peer) -> None:
    # bsdtar leaves it out.
    content = written(site, ["tar", "-cf", "-", "--format=gnu", "--label=A label"], "empty", "index.php")
    found = ours(opened, content)
    assert found == peer(content)
    assert [one.kind for one in found] == ["volume label", "file", "file"]


@needs_gnu_tar
@pytest.mark.parametrize("peer", [BSDTAR, TARFILE])
def test_a_volume_label_in_a_pax_header_is_no_member(opened: Opened, site: Path, peer: Peer) -> None:
    # GNU tar, which writes it into a global header, lists it.
    content = written(site, ["tar", "-cf", "-", "--format=posix", "--label=A label"], "empty", "index.php")
    assert ours(opened, content) == peer(content)
    assert [one.kind for one in gnu_tar(content)] == ["volume label", "file", "file"]


def volumes(folder: Path, form: str) -> list[bytes]:
    """Return the volumes that GNU tar writes of a file of 25,000 bytes and one of 3,000."""
    for name, size in (("one", 25_000), ("two", 3_000)):
        (folder / name).write_bytes(b"1" * size)
        os.utime(folder / name, (TIME, TIME))
    parts = [folder / f"volume{n}" for n in (1, 2, 3)]
    command = ["tar", "-c", "--multi-volume", "--tape-length=20", f"--format={form}"]
    written(folder, [*command, *(f"--file={one}" for one in parts)], "one", "two")
    return [one.read_bytes() for one in parts if one.exists()]


@needs_gnu_tar
@pytest.mark.parametrize("form", ["oldgnu", "gnu"])
def test_a_second_volume_begins_with_a_continuation(opened: Opened, tmp_path: Path, form: str) -> None:
    _, content = volumes(tmp_path, form)
    found = ours(opened, content)
    assert found == gnu_tar(content)
    assert found == gnu_tar(content, "--multi-volume")
    assert found == python(content)  # bsdtar leaves the continuation out
    assert [(one.name, one.kind) for one in found] == [(b"one", "continuation"), (b"two", "file")]
    assert [one.id for one in walked(opened, content).findings()] == ["archive-multi-volume"]


@needs_gnu_tar
@against_all
def test_a_second_pax_volume_begins_with_a_file(opened: Opened, tmp_path: Path, peer: Peer) -> None:
    _, content = volumes(tmp_path, "posix")
    assert ours(opened, content) == peer(content)
    assert [one.name for one in ours(opened, content)] == [b"./GNUFileParts/one.2", b"two"]


@needs_gnu_tar
@pytest.mark.parametrize("form", ["oldgnu", "gnu", "posix"])
def test_a_first_volume_is_cut(opened: Opened, tmp_path: Path, form: str) -> None:
    content, _ = volumes(tmp_path, form)
    found = ours(opened, content, "truncated")
    assert found == gnu_tar(content, codes=(2,)) == python(content, is_cut=True)
    assert len(found) == 1


@needs_gnu_tar
@needs_bsdtar
@pytest.mark.parametrize("form", ["oldgnu", "gnu", "posix"])
def test_an_incremental_backup(opened: Opened, site: Path, tmp_path: Path, form: str) -> None:
    command = ["tar", "-cf", "-", f"--format={form}", f"--listed-incremental={tmp_path / 'snapshot'}"]
    content = written(site, command, "huge", "empty")
    found = ours(opened, content)
    assert found == gnu_tar(content) == gnu_tar(content, "--incremental")
    assert [one.kind for one in found] == ["file"] + ["directory"] * 4
    # bsdtar: a folder has no size. tarfile takes the times of access, which oldgnu's headers hold, for a prefix.
    assert [one._replace(size=0) if one.kind == "directory" else one for one in found] == bsdtar(content)
    assert form != "posix" or found == python(content)


# --- pax --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a git repository."""
    top = tmp_path_factory.mktemp("repository")
    (top / "dir").mkdir()
    for name in ("a", "dir/x", "é", "n" * 120):
        (top / name).write_bytes(name.encode())
    (top / "link").symlink_to("t" * 150)
    author = ["-c", "user.name=Example", "-c", "user.email=example@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "First"]):
        run(["git", "-C", str(top), *command])
    return top


@needs("git")
@against_all
def test_git_s_global_header(opened: Opened, repository: Path, peer: Peer) -> None:
    content = written(repository, ["git", "archive", "--format=tar", "--prefix=p/"], "HEAD")
    assert content[156:157] == b"g"
    assert ours(opened, content) == peer(content)
    assert len(ours(opened, content)) == 7


@pytest.mark.parametrize("peer", [GNU_TAR, TARFILE])
@pytest.mark.parametrize(
    "records",
    [{"mtime": "1000000000", "uid": "77", "gid": "78", "comment": "all"}, {"path": "every"}, {"size": "5"}],
    ids=" ".join,
)
def test_global_records(opened: Opened, records: dict[str, str], peer: Peer) -> None:
    # bsdtar leaves them out.
    own = entry("b", pax={"mtime": "17", "path": "other", "uid": "1"})
    content = tar(entry("a"), own, entry("c"), records=records)
    assert ours(opened, content) == peer(content)


@against_all
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "hdrcharset"])
def test_a_link_that_is_not_utf8(opened: Opened, form: int, peer: Peer) -> None:
    name = os.fsdecode(LATIN)
    link = entry("link", kind=tarfile.SYMTYPE, link=name * 50)
    content = tar(entry(name), entry(name * 50), link, entry("after"), form=form)
    assert (b"hdrcharset=BINARY" in content) is (form == tarfile.PAX_FORMAT)
    assert ours(opened, content) == peer(content)
    assert [one.name for one in ours(opened, content)][:2] == [LATIN, LATIN * 50]


@against_all
def test_pax_records_override_the_header(opened: Opened, peer: Peer) -> None:
    pax = {"path": "o/" + "t" * 300, "size": "600", "uid": "70000", "gid": "80000", "mtime": "5"}
    made = tar(entry("b", b"6" * 600, pax=pax))
    content = made[:1024] + block("b", size=1) + made[1536:]
    assert ours(opened, content) == peer(content)
    assert ours(opened, content) == [Row(pax["path"].encode(), "file", 600, 5, 0o644, 70000, 80000, b"")]
