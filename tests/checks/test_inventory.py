"""What one pass over an archive collects for the checks: names, sizes, the record, the dump, telling files."""

import gzip
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writers.installatron import Entry, gzip_bytes, tar_bytes

from backupmeta.archive.dump import Dump
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.checks.applications import bytes_wanted
from backupmeta.checks.checked_backup import Inventory
from tests.checks.subjects import DUMP, MEMBERS, backup, record, surveyed
from tests.hostile import END, header, member, pax
from tests.invented import TIME, archive

MIB: Final = 2**20
KIB: Final = 1024
RECORD: Final = record()
VERSION: Final = "wp-includes/version.php"


def packed(*entries: tuple[str, bytes | None]) -> Inventory:
    """Return what is collected of an archive with members as the real writer has them; None makes a folder."""
    return surveyed(gzip_bytes(tar_bytes(Entry(name.encode(), content, TIME) for name, content in entries), TIME))


def embedded(inventory: Inventory) -> tuple[bytes, bytes] | None:
    """Return the name and the content of the record that counts."""
    found = inventory.record
    return None if found is None else (found.member.name, found.content)


def places(inventory: Inventory) -> dict[bytes, int | None]:
    """Return where the last member of each name begins."""
    return {name: inventory.offset(name) for name in inventory.names}


def dump_of(inventory: Inventory) -> Dump:
    assert inventory.dump is not None
    return inventory.dump


def told(inventory: Inventory) -> list[tuple[bytes, str, int]]:
    """Return each table's name, kind and number of INSERT statements."""
    return [(one.name, one.kind, one.inserts) for one in dump_of(inventory).tables]


# --- an archive as the server writes it -------------------------------------------------------------------------------


def test_an_honest_archive() -> None:
    inventory = surveyed(archive(RECORD, MEMBERS.items()))
    assert list(inventory.names) == [b"APP-META.INI", *(name.encode() for name in MEMBERS)]
    assert not inventory.is_partial
    assert embedded(inventory) == (b"APP-META.INI", RECORD)
    assert told(inventory) == [
        (b"wp_options", "table", 1),
        (b"wp_posts", "table", 1),
        (b"wp_users", "table", 1),
        (b"wp_recent", "view", 0),
    ]
    assert dump_of(inventory).size == len(DUMP)
    assert inventory.file_bytes == sum(len(content) for name, content in MEMBERS.items() if name != "APP-DATA.SQL")
    assert inventory.heads == {
        b"index.php": MEMBERS["index.php"],  # Joomla's tells which PHP it needs
        b"wp-config.php": MEMBERS["wp-config.php"],
        VERSION.encode(): MEMBERS[VERSION],
    }
    assert all(map(inventory.has, (b"wp-admin", b"wp-content", b"wp-includes")))
    assert set(inventory.tops()) == {name.encode().partition(b"/")[0] for name in MEMBERS} - {b"APP-DATA.SQL"}


def test_names_have_their_places_as_tarfile_tells_them() -> None:
    long = "wp-content/" + "n" * 150  # a GNU long name stands before its header
    whole = archive(RECORD, {**MEMBERS, long: b"x", "last": b""}.items())
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert places(surveyed(whole)) == {one.name.encode(): one.offset for one in tar}


def test_an_empty_tar() -> None:
    inventory = surveyed(gzip.compress(END, mtime=0))  # bare, nobody would tell it from a file of zeros
    assert (places(inventory), inventory.record, inventory.dump, inventory.file_bytes) == ({}, None, None, 0)
    assert (set(inventory.tops()), inventory.heads) == (set(), {})
    assert not inventory.has(b"anything")


def test_folders_with_members_of_their_own_and_without() -> None:
    with_folders = packed(("a", None), ("a/b", None), ("a/b/c", b""))
    without_folders = packed(("a/b/c", b""))
    for inventory in (with_folders, without_folders):
        assert [inventory.has(name) for name in (b"a", b"a/", b"./a/b", b"a/b/c", b"/a")] == [True] * 5
        assert [inventory.has(name) for name in (b"b", b"a/c", b"a/b/c/d", b"A")] == [False] * 4
        assert inventory.has(b"a")
        assert inventory.has(b"a/b")
        assert set(inventory.tops()) == {b"a"}


def test_an_empty_folder_is_there() -> None:
    inventory = packed(("empty", None))
    assert inventory.has(b"empty")
    assert set(inventory.tops()) == {b"empty"}


def test_a_link_is_there_and_has_no_size_and_no_content() -> None:
    whole = header(VERSION.encode(), 0, b"2", link=b"/etc/passwd") + header(b"hard", 0, b"1", link=b"other") + END
    inventory = surveyed(whole)
    assert inventory.has(VERSION.encode())
    assert inventory.has(b"hard")
    assert (inventory.file_bytes, inventory.heads) == (0, {})


@pytest.mark.parametrize("name", ["APP-META.INI", "APP-DATA.SQL"])
def test_a_folder_called_as_installatron_s_own_files_is_neither(name: str) -> None:
    inventory = packed((name, None), ("index.php", b""))
    assert (inventory.record, inventory.dump, set(inventory.tops())) == (None, None, {b"index.php"})


# --- repacked by hand -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--format=gnu"], ["--format=posix"], ["--format=ustar"], ["--sort=name"]])
@pytest.mark.parametrize("dotted", [True, False])
def test_an_archive_that_gnu_tar_packed_again(tmp_path: Path, options: list[str], *, dotted: bool) -> None:
    for name, content in {"APP-META.INI": RECORD, **MEMBERS}.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    names = ["."] if dotted else sorted(one.name for one in (tmp_path / "site").iterdir())
    subprocess.run(["tar", "-czf", tmp_path / "a.tar.gz", *options, "-C", tmp_path / "site", *names], check=True)
    inventory, honest = surveyed((tmp_path / "a.tar.gz").read_bytes()), backup().subject.inventory
    found = embedded(inventory)
    assert found is not None
    assert (found[0].removeprefix(b"./"), found[1]) == (b"APP-META.INI", RECORD)
    assert set(inventory.tops()) == set(honest.tops())
    assert inventory.heads == honest.heads
    assert inventory.file_bytes == honest.file_bytes
    assert dump_of(inventory).tables == dump_of(honest).tables
    assert all(inventory.has(name.encode()) for name in MEMBERS)


@pytest.mark.parametrize("record_name", ["APP-META.INI", "./APP-META.INI"])
def test_of_several_records_the_first_one_at_the_root_counts(record_name: str) -> None:
    inventory = packed(
        ("old/APP-META.INI", b"old=1"),
        ("index.php", b""),
        (record_name, b"counts=1"),
        ("APP-META.INI", b"second=1"),
        ("older/APP-META.INI", b"older=1"),
    )
    assert embedded(inventory) == (record_name.encode(), b"counts=1")


def test_without_one_at_the_root_the_first_deeper_record_counts() -> None:
    inventory = packed(("a/b/APP-META.INI", b"first=1"), ("c/APP-META.INI", b"second=1"))
    assert embedded(inventory) == (b"a/b/APP-META.INI", b"first=1")


@pytest.mark.parametrize("name", ["app-meta.ini", "APP-META.INI.bak", "xAPP-META.INI", "APP-META.INI/x"])
def test_other_names_are_no_record(name: str) -> None:
    assert packed((name, b"a=b")).record is None


def test_of_several_dumps_the_last_one_at_the_root_counts() -> None:
    inventory = packed(
        ("old/APP-DATA.SQL", b"CREATE TABLE `old` (\n"),
        ("./APP-DATA.SQL", b"CREATE TABLE `counts` (\n"),
        ("APP-DATA.SQL", b"CREATE TABLE `second` (\n"),
    )
    assert told(inventory) == [(b"second", "table", 0)]
    assert inventory.file_bytes == len(b"CREATE TABLE `old` (\n")


def test_a_dump_before_the_record() -> None:
    inventory = packed(("APP-DATA.SQL", DUMP), ("APP-META.INI", RECORD))
    assert embedded(inventory) == (b"APP-META.INI", RECORD)
    assert dump_of(inventory).size == len(DUMP)
    assert inventory.file_bytes == 0


def test_of_a_name_that_comes_twice_the_later_one_counts() -> None:
    # As for whoever unpacks it.
    inventory = packed((VERSION, b"first"), (VERSION, b"second"))
    assert inventory.heads == {VERSION.encode(): b"second"}
    assert places(inventory) == {VERSION.encode(): 1024}
    assert inventory.file_bytes == len(b"second")


def test_what_takes_a_file_s_place_leaves_nothing_of_it() -> None:
    for kind in (b"2", b"5"):
        whole = member(VERSION, b"first") + member("APP-DATA.SQL", DUMP)
        whole += header(VERSION.encode(), 0, kind) + header(b"APP-DATA.SQL", 0, kind)
        inventory = surveyed(whole + END)
        assert (inventory.heads, inventory.dump, inventory.file_bytes) == ({}, None, 0)


def test_a_hard_link_has_the_content_that_its_target_had() -> None:
    whole = member("a.php", b"first") + header(VERSION.encode(), 0, b"1", link=b"./a.php") + member("a.php", b"second")
    whole += member("copy.sql", DUMP) + header(b"APP-DATA.SQL", 0, b"1", link=b"copy.sql")
    whole += member("copy.ini", RECORD) + header(b"APP-META.INI", 0, b"1", link=b"copy.ini")
    inventory = surveyed(whole + END)
    assert inventory.heads == {VERSION.encode(): b"first"}
    assert (embedded(inventory), dump_of(inventory).size) == ((b"APP-META.INI", RECORD), len(DUMP))


def test_of_a_link_and_a_later_file_of_its_name_the_file_counts() -> None:
    whole = member("a.php", b"first") + header(VERSION.encode(), 0, b"1", link=b"a.php") + member(VERSION, b"second")
    assert surveyed(whole + END).heads == {VERSION.encode(): b"second"}


# --- sparse files -----------------------------------------------------------------------------------------------------


def sparse(name: bytes) -> bytes:
    """Return a file of 5,000,000 bytes, of which 7 are no hole, as GNU tar's format 1.0 has it: a map, and the 7."""
    records = [
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"5000000"),
    ]
    stored = b"1\n4999993\n7\n".ljust(512, b"\0") + b"a=b\nc=d"
    return pax(records) + header(b"GNUSparseFile.0/x", len(stored)) + stored.ljust(1024, b"\0")


def test_a_sparse_file_counts_with_its_holes() -> None:
    inventory = surveyed(sparse(b"index.php") + member("b", b"12") + END)
    assert inventory.file_bytes == 5_000_002
    assert inventory.has(b"index.php")


@pytest.mark.parametrize("name", [VERSION, "wp-config.php"])
def test_of_a_sparse_file_the_beginning_is_read_with_its_holes(name: str) -> None:
    inventory = surveyed(sparse(name.encode()) + END)
    (head,) = inventory.heads.values()
    assert (len(head), head.strip(b"\0")) == (bytes_wanted(name.encode()), b"")


def test_a_sparse_record_over_its_limit_is_not_kept_whole() -> None:
    inventory = surveyed(sparse(b"APP-META.INI") + END)
    assert embedded(inventory) == (b"APP-META.INI", bytes(DEFAULT_LIMITS.record_bytes + 1))


# --- bounds -----------------------------------------------------------------------------------------------------------


def limited(names: int, *members: str) -> Inventory:
    return surveyed(archive(None, [(name, b"x") for name in members]), replace(DEFAULT_LIMITS, names=names))


def test_as_many_names_as_the_limit_are_kept() -> None:
    inventory = limited(3, "a", "b", "c")
    assert list(inventory.names) == [b"a", b"b", b"c"]
    assert not inventory.is_partial


def test_beyond_the_limit_names_are_not_kept_and_files_still_are() -> None:
    inventory = limited(2, "a", "b", "c/d", VERSION, "APP-META.INI", "APP-DATA.SQL")
    assert list(inventory.names) == [b"a", b"b", b"c", b"wp-includes"]
    assert inventory.is_partial
    assert inventory.file_bytes == 4
    assert inventory.heads == {VERSION.encode(): b"x"}
    assert embedded(inventory) == (b"APP-META.INI", b"x")
    assert inventory.dump is not None


def test_a_name_that_comes_again_is_not_one_more() -> None:
    inventory = limited(2, "a", "b", "a")
    assert not inventory.is_partial
    assert places(inventory) == {b"a": 2048, b"b": 1024}


def plugin(number: int, size: int) -> tuple[str, bytes]:
    """Return a plugin's main file of ``size`` bytes."""
    return f"wp-content/plugins/p{number}/p{number}.php", b"<?php /*\nPlugin Name: p\n".ljust(size, b"x")


def test_plugins_are_kept_within_8_mib_of_content_and_names() -> None:
    files = [plugin(number, 8 * KIB) for number in range(1100)]
    inventory = surveyed(archive(None, files))
    assert 7 * MIB < sum(map(len, inventory.heads.values())) <= 8 * MIB
    assert list(inventory.heads) == [name.encode() for name, _ in files[: len(inventory.heads)]]
    assert all(inventory.has(name.encode()) for name, _ in files)


@pytest.mark.untraced  # the same lines, thousands of times
def test_many_small_plugins_take_no_more() -> None:
    inventory = surveyed(archive(None, [plugin(number, 100) for number in range(20_000)]))
    assert len(inventory.heads) < 8 * MIB / 512


def test_however_many_plugins_there_are_the_version_is_kept() -> None:
    files = [*(plugin(number, 8 * KIB) for number in range(1100)), (VERSION, b"version"), ("wp-config.php", b"config")]
    heads = surveyed(archive(None, files)).heads
    assert (heads[VERSION.encode()], heads[b"wp-config.php"]) == (b"version", b"config")


@pytest.mark.untraced  # the same lines, thousands of times
def test_names_are_kept_within_16_mib() -> None:
    inventory = surveyed(archive(None, [("a/" + "b" * 4000 + str(number), b"") for number in range(5000)]))
    assert inventory.is_partial
    assert sum(map(len, inventory.names)) < 17 * MIB


def test_beyond_the_bounds_the_tops_and_what_was_asked_for_are_known() -> None:
    names = [(name, b"") for name in ("a", "b", "x", "c/d", "c/e", "f/g")]
    inventory = surveyed(archive(None, names), replace(DEFAULT_LIMITS, names=3), asked=[b"./c/d"])
    assert inventory.is_partial
    assert [inventory.has(name) for name in (b"c/d", b"c", b"c/e", b"f", b"f/g")] == [True, True, False, True, False]


@pytest.mark.parametrize(
    "name", ["wp-includes//version.php", "wp-includes/./version.php", ".//wp-includes/version.php"]
)
def test_a_name_is_the_path_that_it_means(name: str) -> None:
    inventory = surveyed(archive(None, [(VERSION, b"one"), (name, b"other")]))
    assert inventory.heads == {VERSION.encode(): b"other"}


@pytest.mark.parametrize(("size", "kept"), [(8 * KIB, 8 * KIB), (200 * KIB, 8 * KIB)])
def test_of_a_plugin_the_beginning_is_kept(size: int, kept: int) -> None:
    name, content = plugin(1, size)
    assert packed((name, content)).heads == {name.encode(): content[:kept]}


@pytest.mark.parametrize("size", [64 * KIB, 65 * KIB, 300 * KIB])
def test_of_the_configuration_the_first_64_kib_are_kept(size: int) -> None:
    content = bytes(range(256)) * (size // 256)
    assert packed(("wp-config.php", content)).heads == {b"wp-config.php": content[: 64 * KIB]}


def test_files_that_tell_nothing_are_not_kept() -> None:
    names = ["wp-content/plugins/p/class.php", "wp-content/uploads/wp-config.php", "version.txt", "x/" + VERSION]
    assert packed(*((name, b"<?php // no header") for name in names)).heads == {}


@pytest.mark.parametrize("name", ["APP-META.INI", "site/APP-META.INI"])
@pytest.mark.parametrize(("size", "kept"), [(99, 99), (100, 100), (101, 101), (200_000, 101)])
def test_of_a_record_one_byte_more_than_its_limit_is_kept(name: str, size: int, kept: int) -> None:
    inventory = surveyed(archive(None, [(name, b"a" * size)]), replace(DEFAULT_LIMITS, record_bytes=100))
    assert embedded(inventory) == (name.encode(), b"a" * kept)
    assert inventory.record is not None
    assert inventory.record.member.stored == size


def test_a_record_that_is_cut_off_is_kept_as_far_as_it_goes() -> None:
    inventory = surveyed(member("APP-META.INI", b"a=" + b"b" * 5000)[:2048])
    assert embedded(inventory) == (b"APP-META.INI", b"a=" + b"b" * 1534)


def test_a_dump_that_is_cut_off_misses_bytes() -> None:
    inventory = surveyed(member("APP-DATA.SQL", DUMP + b"x" * 5000)[:2048])
    assert dump_of(inventory).missing == len(DUMP) + 5000 - 1536


# --- any names --------------------------------------------------------------------------------------------------------

PART: Final = st.sampled_from([b"a", b"b", b"A", b"..a", b"a b", b"\xff\xe9", "ü".encode(), b"APP-META.INI"])
PARTS: Final = st.lists(PART, min_size=1, max_size=4).map(tuple)
SPELLED: Final = st.tuples(PARTS, st.sampled_from([b"", b"./"]), st.booleans(), st.sampled_from([b"", b"/", b"//"]))


@given(st.lists(SPELLED, min_size=1, max_size=8), PARTS)
def test_names_folders_and_tops_are_those_of_a_plain_model(
    spelled: list[tuple[tuple[bytes, ...], bytes, bool, bytes]], asked: tuple[bytes, ...]
) -> None:
    entries = [
        Entry(before + b"/".join(parts) + (behind if is_folder else b""), None if is_folder else b"", TIME)
        for parts, before, is_folder, behind in spelled
    ]
    inventory = surveyed(tar_bytes(entries))
    paths = [parts for parts, *_ in spelled]
    own = {b"APP-META.INI"}
    assert set(inventory.names) == {b"/".join(parts) for parts in paths}
    assert set(inventory.tops()) == {parts[0] for parts in paths} - own
    is_there = any(parts[: len(asked)] == asked for parts in paths)
    for before in (b"", b"./", b"/"):
        for behind in (b"", b"/"):
            assert inventory.has(before + b"/".join(asked) + behind) == is_there
