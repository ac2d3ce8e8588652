"""The tar walk: against tarfile, GNU tar and bsdtar, and headers made by hand."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from writers import installatron as writer

from backupmeta.archive.headers import number_or_none, pax_records
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Reader
from backupmeta.errors import BackupMetaError
from backupmeta.evidence import EvidenceFile
from tests.examples import examples

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]
Walked = tuple[list[tuple[Member, bytes]], str]

KINDS: Final = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}

components = st.text(
    st.sampled_from("abcdefgh.- ~äи漢🎈") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    min_size=1,
    max_size=120,
).filter(lambda one: one.strip(" ") == one)
names = st.lists(components, min_size=1, max_size=4).map("/".join)
texts = st.binary(max_size=1200)


@st.composite
def entries(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    """Draw a member and its content."""
    one = tarfile.TarInfo(draw(names))
    one.type = draw(st.sampled_from([kind for kind in KINDS if kind not in {tarfile.AREGTYPE, tarfile.GNUTYPE_SPARSE}]))
    one.mode = draw(st.integers(0, 0o7777))
    one.uid, one.gid = draw(st.tuples(st.integers(0, 2**33), st.integers(0, 2_000_000)))
    one.mtime = draw(st.integers(0, 2**34))
    one.uname, one.gname = draw(st.tuples(st.sampled_from(["", "root", "exämple"]), st.sampled_from(["", "www-data"])))
    if one.type in {tarfile.LNKTYPE, tarfile.SYMTYPE}:
        one.linkname = draw(names)
    content = draw(texts) if one.isreg() else b""
    one.size = len(content)
    return one, content


def written(members: Sequence[tuple[tarfile.TarInfo, bytes]], form: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for one, content in members:
            archive.addfile(one, io.BytesIO(content))
    return target.getvalue()


def walk(opened: Opened, content: bytes, limits: Limits = DEFAULT_LIMITS) -> Walked:
    """Return the members with their content, and how the walk ended."""
    with opened(content) as file:
        reader = Reader(file, limits)
        members = [(one, b"" if one.source is not None else b"".join(reader.content(one))) for one in reader]
        assert reader.end is not None
        return members, reader.end.verdict


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def assert_like_tarfile(opened: Opened, content: bytes) -> None:
    """Compare the walk with what tarfile reads in the same bytes."""
    found, verdict = walk(opened, content)
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8", errors="surrogateescape") as archive:
        expected = archive.getmembers()
        assert [one.name.rstrip(b"/") for one, _ in found] == [as_bytes(one.name) for one in expected]
        for (member, body), peer in zip(found, expected, strict=True):
            assert member.kind == KINDS[peer.type]
            assert (member.size, member.mode, member.uid, member.gid) == (peer.size, peer.mode, peer.uid, peer.gid)
            assert member.mtime_ns // 10**9 == int(peer.mtime // 1)
            assert (member.owner, member.group) == (as_bytes(peer.uname), as_bytes(peer.gname))
            assert member.link == as_bytes(peer.linkname)
            assert member.offset == peer.offset
            stream = archive.extractfile(peer) if peer.isreg() and not member.is_sparse else None
            assert stream is None or stream.read() == body
    assert verdict == "complete"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(members=st.lists(entries(), min_size=1, max_size=4))
@examples(50)
def test_every_member_is_as_tarfile_reads_it(
    opened: Opened, form: int, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    try:
        content = written(members, form)
    except ValueError:  # a name or number that ustar can't hold
        reject()
    assert_like_tarfile(opened, content)


@given(members=st.lists(entries(), min_size=1, max_size=3), data=st.data())
@examples(75)
def test_a_cut_archive_is_told_and_a_mutated_one_never_raises_anything_else(
    opened: Opened, members: list[tuple[tarfile.TarInfo, bytes]], data: st.DataObject
) -> None:
    content = written(members, tarfile.PAX_FORMAT)
    content = content[: content.rstrip(b"\0").__len__()]
    cut = data.draw(st.integers(1, len(content) - 1))
    mutated = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    for broken in (content[:cut], bytes(mutated)):
        try:
            found, verdict = walk(opened, broken)
        except BackupMetaError:
            continue
        assert verdict in {"complete", "truncated", "damaged", "limit"}
        assert len(found) <= len(broken) / 512


def test_a_tar_cut_anywhere_is_told_unless_between_two_members(opened: Opened) -> None:
    members = [(tarfile.TarInfo("é" * 90 + str(n)), bytes([n]) * 700) for n in range(1, 4)]
    for one, body in members:
        one.size = len(body)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        whole = written(members, form)
        with tarfile.open(fileobj=io.BytesIO(whole), encoding="utf-8") as archive:
            between = {one.offset for one in archive.getmembers()}
            end = archive.offset - 512
        for cut in range(64, end, 64):
            try:
                _, verdict = walk(opened, whole[:cut])
            except BackupMetaError:
                continue
            assert (verdict == "complete") is (cut in between), (form, cut)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Lay out a folder with everything that tar distinguishes."""
    top = tmp_path / "site"
    (top / "wp-content" / ("long-" * 25) / ("name-" * 30)).mkdir(parents=True)
    (top / "wp-content" / ("long-" * 25) / ("name-" * 30) / "deep.php").write_bytes(b"<?php\n")
    (top / "index.php").write_bytes(b"x" * 5000)
    (top / "empty").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(top) + b"/caf\xe9")).write_bytes(b"latin-1")
    (top / "link").symlink_to("index.php")
    (top / "hard").hardlink_to(top / "index.php")
    os.mkfifo(top / "fifo")
    with (top / "sparse").open("wb") as file:
        for hole in range(1, 31):
            file.seek(hole * 70_000)
            file.write(b"data")
    for one in top.rglob("*"):
        os.utime(one, ns=(1_718_312_121_123_456_789, 1_718_312_121_123_456_789), follow_symlinks=False)
    return top


def assert_like_disk(found: Sequence[tuple[Member, bytes]], top: Path, *, with_fractions: bool) -> None:
    """Compare the members with the files themselves."""
    seen = set()
    for member, body in found:
        name = os.fsdecode(member.name).removeprefix("./").rstrip("/")
        path = top / name
        seen.add(name)
        status = path.lstat()
        if path.is_symlink():
            assert (member.kind, member.link) == ("symlink", os.fsencode(path.readlink()))
        elif member.kind == "hard link":
            assert (top / os.fsdecode(member.link).removeprefix("./")).samefile(path)
        elif path.is_file():
            assert (member.kind, member.size) == ("file", status.st_size)
            assert member.is_sparse or body == path.read_bytes()
        else:
            assert member.kind == ("directory" if path.is_dir() else "fifo")
        assert (member.mode, member.uid, member.gid) == (status.st_mode & 0o7777, status.st_uid, status.st_gid)
        if path != top:
            expected = 1_718_312_121_123_456_789 if with_fractions else 1_718_312_121_000_000_000
            assert member.mtime_ns == expected
    assert seen - {"", "."} == {str(one.relative_to(top)) for one in top.rglob("*")}


def is_gnu_tar() -> bool:
    program = shutil.which("tar")
    return (
        program is not None
        and b"GNU tar" in subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    )


@pytest.mark.skipif(not is_gnu_tar(), reason="no GNU tar here")
@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=oldgnu", "--sparse"],
        ["--format=gnu", "--sparse"],
        ["--format=posix"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0"],
    ],
    ids=" ".join,
)
def test_what_gnu_tar_writes_is_what_lies_on_disk(opened: Opened, site: Path, options: list[str]) -> None:
    packed = subprocess.run(["tar", "-C", str(site), "-cf", "-", *options, "."], capture_output=True, check=True).stdout
    found, verdict = walk(opened, packed)
    assert verdict == "complete"
    assert_like_disk(found, site, with_fractions="--format=posix" in options)
    assert any(one.is_sparse for one, _ in found) is ("--sparse" in options)


@pytest.mark.skipif(not is_gnu_tar(), reason="no GNU tar here")
@pytest.mark.parametrize("form", ["v7", "ustar"])
def test_v7_and_ustar_by_gnu_tar_are_read(opened: Opened, site: Path, form: str) -> None:
    shutil.rmtree(site / "wp-content")
    (site / "folder" / ("f" * 60)).mkdir(parents=True)
    short = ["index.php", "empty", "link", "hard", "folder", os.fsdecode(b"caf\xe9")]
    if form == "ustar":
        (site / "folder" / ("f" * 60) / ("g" * 99)).write_bytes(b"by prefix")  # POSIX.1: prefix, "/", name
    command = ["tar", "-C", str(site), "-cf", "-", f"--format={form}", *short]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    assert_like_tarfile(opened, packed)
    found, _ = walk(opened, packed)
    kinds = {os.fsdecode(one.name).rstrip("/"): one.kind for one, _ in found}
    assert (kinds["folder"], kinds["link"], kinds["empty"]) == ("directory", "symlink", "file")
    assert (f"folder/{'f' * 60}/{'g' * 99}" in kinds) is (form == "ustar")


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="no bsdtar here; tarfile writes the same formats")
@pytest.mark.parametrize("form", ["v7", "ustar", "gnutar", "pax"])
def test_what_bsdtar_writes_is_read(opened: Opened, site: Path, form: str) -> None:
    for one in ("sparse", "fifo", os.fsdecode(b"caf\xe9")):
        (site / one).unlink()
    if form == "v7":
        shutil.rmtree(site / "wp-content")
    command = ["bsdtar", "-C", str(site), "-cf", "-", f"--format={form}", "index.php", "empty", "link", "hard"]
    packed = subprocess.run(command, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", **os.environ}).stdout
    assert_like_tarfile(opened, packed)


def test_the_real_writer_s_dialect(opened: Opened) -> None:
    deep = b"wp-content/" + b"d" * 300
    packed = writer.tar_bytes(
        [
            writer.Entry(b"APP-META.INI", b"installer=wordpress", 1718312121),
            writer.Entry(b"wp-admin", None, 1718312121, 0o755),
            writer.Entry(deep, b"content", 1718312121),
        ]
    )
    found, verdict = walk(opened, packed)
    assert [(one.name, one.kind, body) for one, body in found] == [
        (b"APP-META.INI", "file", b"installer=wordpress"),
        (b"wp-admin", "directory", b""),
        (deep, "file", b"content"),
    ]
    assert [one.offset for one, _ in found] == [0, 1024, 1536]
    assert verdict == "complete"


def header(name: bytes, size: bytes, kind: bytes = b"0", mtime: bytes = b"%011o\0" % 0) -> bytes:
    """Return a header with fields as they are given, and the checksum that fits them."""
    block = bytearray(writer.header(name, 0, 0, 0o644, kind))
    block[124:136], block[136:148] = size.ljust(12, b"\0"), mtime.ljust(12, b"\0")
    return stamped(block)


def stamped(block: bytearray) -> bytes:
    """Return a header with the checksum that fits it."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def sparse_with_maps(count: int) -> bytes:
    """Return the header of an old GNU sparse file, and ``count`` more maps that each say that another follows."""
    block = bytearray(header(b"sparse", b"0", b"S"))
    block[482] = 1
    return stamped(block) + (bytes(504) + b"\1" + bytes(7)) * count


def pax(**records: bytes) -> bytes:
    """Return a pax header of ``records``, its own header before it."""
    content = b"".join(_pax_record(key.replace("__", ".").encode(), value) for key, value in records.items())
    return header(b"PaxHeaders/x", b"%011o\0" % len(content), b"x") + writer.padded(content)


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = next(n for n in range(rest, rest + 9) if n == rest + len(str(n)))
    return b"%d %s=%s\n" % (length, key, value)


END: Final = bytes(1024)


def test_a_signed_checksum_is_a_checksum(opened: Opened) -> None:
    block = bytearray(writer.header(b"caf\xe9", 0, 0, 0o644, b"0"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in block)
    assert [one.name for one, _ in walk(opened, bytes(block) + END)[0]] == [b"caf\xe9"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"0000644\0", 0o644),
        (b"   1750 ", 0o1750),
        (b"\0" * 8, 0),
        (b"", 0),
        (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", 2 * 2**32),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
    ],
)
def test_numbers_of_a_header(field: bytes, expected: int) -> None:
    assert number_or_none(field) == expected


@pytest.mark.parametrize("size", [b"12x", b"\xff" * 12, b"-1"], ids=["no number", "negative base-256", "negative"])
def test_a_bad_number_ends_the_walk_and_what_came_before_stands(opened: Opened, size: bytes) -> None:
    packed = b"".join(writer.blocks(writer.Entry(b"first", b"1", 0))) + header(b"second", size) + END
    found, verdict = walk(opened, packed)
    assert [one.name for one, _ in found] == [b"first"]
    assert verdict == "damaged"


def test_a_checksum_that_is_no_number_is_no_header(opened: Opened) -> None:
    first = b"".join(writer.blocks(writer.Entry(b"first", b"1", 0)))
    second = bytearray(header(b"second", b"0"))
    second[148:156] = b"zzzzzzz\0"
    assert walk(opened, first + bytes(second) + END)[1] == "damaged"


def test_pax_records_override_the_header(opened: Opened) -> None:
    extended = pax(path=b"real/name", size=b"3", mtime=b"-1.5", uid=b"70000", gid=b"x", uname=b"me", linkpath=b"to")
    packed = extended + header(b"short", b"0") + writer.padded(b"abc") + END
    ((member, body),), verdict = walk(opened, packed)
    assert (member.name, member.size, member.mtime_ns, body) == (b"real/name", 3, -1_500_000_000, b"abc")
    assert (member.uid, member.gid, member.owner, member.link) == (70000, 1000, b"me", b"")
    assert (member.offset, verdict) == (0, "complete")


@pytest.mark.parametrize("mtime", [b"", b"x", b"1_0", b"5.-1", b"+5", b" 5", b"9" * 4000, b"\xb2"])
def test_a_pax_time_that_is_none_leaves_the_header_s(opened: Opened, mtime: bytes) -> None:
    packed = pax(mtime=mtime) + header(b"a", b"0", mtime=b"17") + END
    assert walk(opened, packed)[0][0][0].mtime_ns == 15 * 10**9


def test_global_pax_records_hold_until_a_member_s_own(opened: Opened) -> None:
    everybody = bytearray(pax(uname=b"all"))
    everybody[:512] = header(b"g", bytes(everybody[124:136]), b"g")
    packed = bytes(everybody) + header(b"a", b"0") + pax(uname=b"own") + header(b"b", b"0") + header(b"c", b"0") + END
    assert [one.owner for one, _ in walk(opened, packed)[0]] == [b"all", b"own", b"all"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"27 path=wp-content/xyz.php\n", ({b"path": b"wp-content/xyz.php"}, b"")),
        (b"12 comment=\n10 path=a\n", ({b"path": b"a"}, b"")),
        (b"10 path=a\n99 path=b\n", ({b"path": b"a"}, b"99 path=b\n")),
        (b"10 path=a\n3 path=b\n", ({b"path": b"a"}, b"3 path=b\n")),
        (b"10 path=a\n9 path=bc\n", ({b"path": b"a"}, b"9 path=bc\n")),
        (b"10 path=a\n7 path\n", ({b"path": b"a"}, b"7 path\n")),
        (b"10 path=a\nx path=b\n", ({b"path": b"a"}, b"x path=b\n")),
        (b"10 path=a\n\xb2 path=b\n", ({b"path": b"a"}, b"\xb2 path=b\n")),
        (b"10 path=a\n\0\0", ({b"path": b"a"}, b"")),
        (b" 10 path=a\n", ({}, b" 10 path=a\n")),
        (b"10path=a\n", ({}, b"10path=a\n")),
        (b"00000000010 path=a\n", ({}, b"00000000010 path=a\n")),
        (b"", ({}, b"")),
    ],
)
def test_pax_records_up_to_the_first_malformed_one(content: bytes, expected: tuple[dict[bytes, bytes], bytes]) -> None:
    assert pax_records(content) == expected


@given(st.binary(max_size=200))
def test_pax_records_never_raise(content: bytes) -> None:
    records, rest = pax_records(content)
    assert all(value in content for value in records.values())
    assert content.rstrip(b"\0").endswith(rest)


def test_a_long_name_ends_at_its_nul(opened: Opened) -> None:
    packed = header(b"././@LongLink", b"11", b"L") + writer.padded(b"name\0junk") + header(b"n", b"0") + END
    assert walk(opened, packed)[0][0][0].name == b"name"


@pytest.mark.parametrize(
    ("kind", "name", "expected"), [(b"\0", b"dir/", "directory"), (b"V", b"label", "volume label")]
)
def test_rare_types(opened: Opened, kind: bytes, name: bytes, expected: str) -> None:
    ((member, _),), verdict = walk(opened, header(name, b"0", kind) + END)
    assert (member.kind, verdict) == (expected, "complete")


def test_a_v7_folder_by_its_slash_has_no_content_whatever_its_size(opened: Opened) -> None:
    packed = header(b"folder/", b"%011o\0" % 513, b"\0") + header(b"folder/file", b"0") + END
    assert_like_tarfile(opened, packed)
    assert [(one.name, one.kind) for one, _ in walk(opened, packed)[0]] == [
        (b"folder/", "directory"),
        (b"folder/file", "file"),
    ]


def test_a_size_beyond_the_file_is_a_cut(opened: Opened) -> None:
    with opened(header(b"a", b"77777777777") + END) as file:
        reader = Reader(file)
        assert [one.name for one in reader] == [b"a"]
        assert reader.end is not None
        assert reader.end.verdict == "truncated"


def test_a_size_beyond_any_archive_is_none(opened: Opened) -> None:
    with opened(header(b"a", b"\x80" + b"\xff" * 11) + header(b"b", b"0") + END) as file:
        reader = Reader(file)
        assert [one.name for one in reader] == [b"a", b"b"]
        assert reader.end is not None
        assert reader.end.verdict == "damaged"


MIB: Final = 2**20


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        (header(b"././@LongLink", b"%011o\0" % 70_000, b"L") + bytes(70_144), "name_bytes"),
        (header(b"x", b"%011o\0" % (MIB + 1), b"x") + bytes(MIB + 512), "pax_bytes"),
        ((header(b"x", b"%011o\0" % 1000, b"x") + bytes(1024)) * 1000, "pax_bytes"),
        (header(b"x", b"0", b"g") * 3000, "pax_bytes"),
        (sparse_with_maps(3000), "pax_bytes"),
    ],
    ids=["a name", "a pax header", "many pax headers", "many empty headers", "sparse maps"],
)
def test_headers_over_a_limit_are_not_taken_in(opened: Opened, headers: bytes, limit: str) -> None:
    first = b"".join(writer.blocks(writer.Entry(b"first", b"1", 0)))
    with opened(first + headers + header(b"a", b"0") + END) as file:
        reader = Reader(file)
        names = [one.name for one in reader]
        assert (names[0], names[-1]) == (b"first", b"a")
        assert reader.end is not None
        assert (reader.end.verdict, reader.end.limit) == ("limit", limit)


def test_members_over_the_limit_end_the_walk(opened: Opened) -> None:
    with opened(header(b"a", b"0") * 5 + END) as file:
        reader = Reader(file, Limits(members=3))
        assert len(list(reader)) == 3
        assert reader.end is not None
        assert (reader.end.verdict, reader.end.limit) == ("limit", "members")
