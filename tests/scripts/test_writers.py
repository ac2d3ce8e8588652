"""The writer of fixtures, made by hand, writes what PHP's Archive_Tar writes, byte for byte."""

import grp
import gzip
import os
import pwd
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from writers import archive_tar
from writers.installatron import Entry, Owner, gzip_bytes, tar_bytes

from tests.archive.peers import needs

pytestmark = pytest.mark.skipif(not archive_tar.is_there(), reason="needs PHP's Archive_Tar: apt-get install php-pear")

MTIME: Final = 1718312121
FOLDER: Final = "f" * 99
"""Byte 100 of every name in it is the slash behind it."""
SIZES: Final = (0, 1, 511, 512, 513, 1024, 32 * 1024, 32 * 1024 + 512, 65 * 1024 + 1)
NAME_LENGTHS: Final = (98, 99, 100, 101, 254, 255)
TARGET_LENGTHS: Final = (1, 99, 100, 101, 512, 700)


def build(root: Path) -> None:
    """Make a tree whose names, sizes, links and modes lie at the bounds of the form."""
    deep = root / FOLDER / ("d" * 255)
    (deep / ("e" * 155)).mkdir(parents=True)  # 511 bytes from the root
    (deep / ("e" * 155) / "x").write_text("in a name of 513 bytes\n")
    (deep / ("g" * 156)).touch()  # 512: no NUL stands behind it
    for size in SIZES:
        (root / f"{size}.bin").write_bytes((b"%d bytes, " % size * size)[:size])
    for length in NAME_LENGTHS:
        (root / f"{length}-".ljust(length, "n")).write_text(f"{length}\n")
    for length in TARGET_LENGTHS:
        (root / f"to-{length}").symlink_to("t" * min(length, 255) + "/t" * max(0, (length - 255) // 2))
    (root / FOLDER / "file.php").write_text("<?php\n")
    (root / "linked.bin").hardlink_to(root / "513.bin")
    (root / "nothing in it").mkdir(mode=0o711)
    (root / "ä🥐 und\nmehr").write_text("0")
    (root / "1.bin").chmod(0o4755)
    (root / os.fsdecode(b"caf\xe9")).touch()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return the tree, and the archive that PHP makes of it."""
    root = tmp_path_factory.mktemp("tree")
    build(root)
    for path in root.rglob("*"):
        os.utime(path, (MTIME, MTIME), follow_symlinks=False)
    archive = tmp_path_factory.mktemp("packed") / "php.tar.gz"
    archive_tar.pack(root, [b"missing", *(os.fsencode(path.name) for path in root.iterdir())], archive)
    return root, archive.read_bytes()


def entries(folder: Path, before: bytes = b"") -> Iterator[Entry]:
    """Yield the members of a folder, as readdir orders them."""
    for path in folder.iterdir():
        status, name = path.lstat(), before + os.fsencode(path.name)
        is_link, is_folder = path.is_symlink(), path.is_dir()
        link = os.fsencode(path.readlink()) if is_link else b""
        content = None if is_link or is_folder else path.read_bytes()
        yield Entry(name, content, MTIME, status.st_mode & 0o777, link, owner(status))
        if is_folder and not is_link:
            yield from entries(path, name + b"/")


def owner(status: os.stat_result) -> Owner:
    """Return a file's owner; who has no name here has none in the archive."""
    user = group = ""
    with suppress(KeyError):
        user = pwd.getpwuid(status.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(status.st_gid).gr_name
    return Owner(status.st_uid, status.st_gid, user.encode(), group.encode())


def blocks(tar: bytes) -> list[bytes]:
    return [tar[at : at + 512] for at in range(0, len(tar), 512)]


def test_a_tree_is_packed_as_php_packs_it(packed: tuple[Path, bytes]) -> None:
    root, archive = packed
    ours, theirs = tar_bytes(entries(root)), gzip.decompress(archive)
    assert blocks(ours) == blocks(theirs)


def test_the_stream_begins_and_ends_as_php_writes_it(packed: tuple[Path, bytes]) -> None:
    _, archive = packed
    ours = gzip_bytes(gzip.decompress(archive))
    assert ours[:10] == archive[:10] == bytes.fromhex("1f8b 08 00 00000000 02 03")
    assert ours[-8:] == archive[-8:]
    inflater = zlib.decompressobj(31)
    tar = inflater.decompress(archive)
    assert (inflater.eof, inflater.unused_data) == (True, b"")
    assert tar[-1024:] == bytes(1024) != tar[-1536:-512]


@needs("tar")
def test_gnu_tar_unpacks_the_tree(packed: tuple[Path, bytes], tmp_path: Path) -> None:
    root, archive = packed
    subprocess.run(["tar", "-xzf", "-", "-C", tmp_path], input=archive, check=True)
    subprocess.run(["diff", "--recursive", "--no-dereference", root, tmp_path], check=True)
