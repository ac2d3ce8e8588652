"""What a tar is packed in: bytes before it, zeros between its streams, two layers; against the formats' own testers."""

import bz2
import gzip
import hashlib
import json
import lzma
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive import compression, identification, stream
from backupmeta.archive.head import head
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import Pass
from backupmeta.errors import DamagedError, LimitExceededError, NotAnArchiveError
from tests.examples import examples
from tests.hostile import END, MIB, Opened, Seen, member, seen, xz
from tests.invented import run as backupmeta

COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda part: gzip.compress(part, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": xz,
}
SUFFIX: Final = {"gzip": "gz", "zstd": "zst", "bzip2": "bz2", "xz": "xz", "none": ""}
NAMES: Final = [f"m{n}" for n in range(6)]
PARTS: Final = [member(name, hashlib.shake_128(name.encode()).digest(3000)) for name in NAMES]
TAR: Final = b"".join(PARTS) + END
RECORD: Final = member("APP-META.INI", b"backup-note=\ninstaller=wordpress\ntitle=Blog\n")

every_kind = pytest.mark.parametrize("kind", COMPRESS)


def ids(found: Seen) -> dict[str, str]:
    """Return the findings' details by their ids."""
    return {one.id: one.detail for one in found.findings}


# --- what stands before ----------------------------------------------------------------------------------------------

BEFORE: Final = {
    "newline": (b"\n", "1 byte: blanks and line ends"),
    "blank lines": (b"\r\n \n", "4 bytes: blanks and line ends"),
    "byte order mark": (b"\xef\xbb\xbf", "3 bytes: a byte order mark"),
    "PHP": (
        b"<br />\n<b>Warning</b>:  Undefined variable $a in <b>/srv/get.php</b> on line <b>3</b><br />\n",
        "a message of PHP",
    ),
    "PHP, as text": (b"\nNotice: Undefined index: id in /srv/get.php on line 12\n", "a message of PHP"),
    "HTTP": (b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n\r\n", "51 bytes: HTTP headers"),
    "fields": (b"Content-Disposition: attachment\r\n\r\n", "35 bytes: HTTP headers"),
    "HTML": (b"<!DOCTYPE html>\n<title>Wait</title>\n", "36 bytes: HTML"),
    "signatures": (b"j\x1f\x8b\x08 \x1f\x8b\x08\0 BZh9 \x28\xb5\x2f\xfd", ""),
    "zeros": (bytes(700), "700 bytes: nothing but zeros"),
    "as much as there may be": (b"j" * (compression.BLOCK - 20), "65,516 bytes: "),
}


@every_kind
@pytest.mark.parametrize("name", BEFORE)
def test_bytes_before_the_stream_are_told_and_all_else_is_as_without_them(opened: Opened, kind: str, name: str) -> None:
    before, words = BEFORE[name]
    content = COMPRESS[kind](TAR)
    clean, found = seen(opened, content), seen(opened, before + content)
    assert found.members == clean.members
    assert list(ids(found)) == ["archive-leading-bytes"]
    assert found.findings[0].detail.startswith(f"{len(before):,} byte")
    assert words in found.findings[0].detail
    assert found.end == clean.end
    assert [one.offset - len(before) for one in found.streams] == [one.offset for one in clean.streams]
    assert found.digests["sha256"] == hashlib.sha256(before + content).hexdigest()


def test_bytes_before_a_tar_that_is_not_compressed(opened: Opened) -> None:
    for before in (b"\n", b"\xef\xbb\xbf", b"j" * 513, b"j" * 5000):
        found = seen(opened, before + TAR)
        assert (found.members, list(ids(found))) == (seen(opened, TAR).members, ["archive-leading-bytes"])
        assert found.end.verdict == "complete"


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_damage_behind_leading_bytes_is_told_by_its_place_in_the_file(opened: Opened, kind: str) -> None:
    before, content = b"junk\n", COMPRESS[kind](TAR)
    for cut in (len(content) - 1, len(content) // 2 + 1):
        found = seen(opened, before + content[:cut])
        assert list(ids(found))[-1] == "archive-leading-bytes"
        assert (found.end.verdict, found.names) == ("truncated", seen(opened, content[:cut]).names)
        assert f"near byte {len(before) + cut}" in ids(found)["archive-truncated"]


@pytest.mark.parametrize(
    "content",
    [
        b"words about \x1f\x8b\x08\0 and BZh91AY&SY, no more\n" * 40,
        b"j" + COMPRESS["gzip"](b"a text that is no tar\n" * 99),
        b"j" * (compression.BLOCK + 1) + COMPRESS["gzip"](TAR),
        b"j" + b"\x1f\x8b\x08\0" * 16_000,
        b"junk " + COMPRESS["gzip"](b"words\n") * 99 + COMPRESS["gzip"](TAR),
    ],
    ids=["signatures", "no tar", "beyond the bound", "nothing but signatures", "more than are tried"],
)
def test_what_is_no_archive_behind_other_bytes_is_none(opened: Opened, content: bytes) -> None:
    with pytest.raises(NotAnArchiveError, match="no archive"):
        seen(opened, content)


def test_other_containers_are_not_searched(opened: Opened) -> None:
    packed = COMPRESS["gzip"](TAR)
    disk = bytes(446) + b"\x80\1\1\0\x83\xfe\xff\xff\0\x08\0\0\0\0\x10\0" + bytes(48) + b"\x55\xaa"
    iso = bytes(32768) + b"\1CD001\1" + bytes(2041)
    for what, words in ((b"PK\x03\x04" + bytes(26), "zip"), (b"!<arch>\n", "ar archive"), (disk, "MBR"), (iso, "ISO")):
        with pytest.raises(NotAnArchiveError, match=words):
            seen(opened, what + packed)


@every_kind
def test_the_head_tells_what_stands_before(opened: Opened, kind: str) -> None:
    for content in (COMPRESS[kind](RECORD + TAR), COMPRESS[kind](RECORD + member("big", NOISE) + END)):
        with opened(b"\r\n" + content) as file:
            told = head(file)
        assert (told.record[:12], told.begin) == (b"backup-note=", 2)
        assert [one.id for one in told.findings] == ["archive-leading-bytes"]


NOISE: Final = hashlib.shake_128(b"noise").digest(200_000)


# --- two layers ------------------------------------------------------------------------------------------------------

LAYERS: Final = [*product(COMPRESS, COMPRESS)]
two_layers = pytest.mark.parametrize(("inner", "outer"), LAYERS, ids=["-in-".join(one) for one in LAYERS])


@two_layers
def test_two_layers_are_told_and_read(opened: Opened, inner: str, outer: str) -> None:
    plain = seen(opened, TAR)
    for packed in (
        COMPRESS[inner](TAR),
        COMPRESS[inner](TAR[:5000]) + COMPRESS[inner](TAR[5000:]),
    ):
        content = COMPRESS[outer](packed[:900]) + COMPRESS[outer](packed[900:])
        found = seen(opened, content)
        assert found.members == plain.members
        assert ids(found) == {"archive-compressed-twice": f"{inner} in {outer}"}
        assert found.end == plain.end
        assert [one.layer for one in found.streams] == [1, 1] + [2] * (len(found.streams) - 2)
        assert found.digests["sha256"] == hashlib.sha256(content).hexdigest()


@two_layers
def test_the_head_of_two_layers(opened: Opened, inner: str, outer: str) -> None:
    content = COMPRESS[outer](COMPRESS[inner](RECORD + member("big", NOISE) + END))
    with opened(content) as file:
        told = head(file)
    assert (told.record[:12], told.compression.name) == (b"backup-note=", outer)
    assert [one.id for one in told.findings] == ["archive-compressed-twice"]


@two_layers
def test_a_cut_in_either_layer_is_told_as_of_it(opened: Opened, inner: str, outer: str) -> None:
    packed = COMPRESS[inner](TAR)
    whole = COMPRESS[outer](packed)
    assert f"the inner {inner} stream has no " in cut_off(opened, COMPRESS[outer](packed[:-5]))
    assert f"the outer {outer} stream has no " in cut_off(opened, whole[:-5])


def cut_off(opened: Opened, content: bytes) -> str:
    """Return what is told of an archive that is cut off, in which perhaps not one header can be read."""
    try:
        found = seen(opened, content)
    except DamagedError as error:
        return error.reason if error.offset == len(content) else "told of another place"
    assert f"near byte {len(content)}" in ids(found)["archive-truncated"]
    return found.end.reason


@two_layers
@pytest.mark.parametrize("damaged", ["inner", "outer"])
def test_damage_in_either_layer_is_told_as_of_it_and_what_lies_behind_is_read(
    opened: Opened, inner: str, outer: str, damaged: str
) -> None:
    # Each member is a stream of its own in both layers; the third one is corrupt.
    inside = [COMPRESS[inner](part) for part in (*PARTS[:-1], PARTS[-1] + END)]
    if damaged == "inner":
        inside[2] = _corrupt(inside[2])
    outside = [COMPRESS[outer](part) for part in inside]
    if damaged == "outer":
        outside[2] = _corrupt(outside[2])
    content = b"".join(outside)
    found = seen(opened, content)
    assert [name for name in found.names if name != "m2"] == [*NAMES[:2], *NAMES[3:]]
    words = f"the {damaged} {inner if damaged == 'inner' else outer} stream"
    assert any(words in one.detail for one in found.findings)
    assert {"archive-damaged", "archive-checksum-differs"} & set(found.ids)
    assert found.digests["sha256"] == hashlib.sha256(content).hexdigest()


def _corrupt(packed: bytes) -> bytes:
    at = len(packed) // 2
    return packed[:at] + b"\xff" * 40 + packed[at + 40 :]


def test_what_stands_before_damage_in_the_inner_layer_is_given(opened: Opened) -> None:
    packed = COMPRESS["gzip"](TAR)
    bad = packed[:12_000] + b"\xff" * 60 + packed[12_060:]
    once, twice = seen(opened, bad), seen(opened, COMPRESS["xz"](bad))
    assert twice.members == once.members
    assert len(twice.names) > 2


NUMBERS: Final = b"".join(b"%d=%x\n" % (n, n**5) for n in range(40_000))
LONG: Final = [member(f"long{n}", NUMBERS) for n in range(8)]


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("restarts", [0, 8])
def test_long_streams_that_are_damaged_in_the_inner_layer(opened: Opened, restarts: int) -> None:
    # Each is longer than what is kept to go back to, so that the outer stream begins anew.
    inner = COMPRESS["gzip"](b"".join(LONG))
    bad = b"".join(inner[:at] + b"\xff" * 300 + inner[at + 300 :] for at in (2_000_000, 2_200_000))
    once, content = seen(opened, bad + COMPRESS["gzip"](TAR)), COMPRESS["gzip"](bad + COMPRESS["gzip"](TAR))
    with patch.object(stream, "_RESTARTS", restarts):
        twice = seen(opened, content)
    assert once.names[-6:] == twice.names[-6:] == NAMES
    assert "the inner gzip stream is corrupt" in twice.end.reason
    assert twice.digests["sha256"] == hashlib.sha256(content).hexdigest()
    assert twice.names == once.names or not restarts  # without them as much is lost as was inflated at once


def test_a_wrong_checksum_of_either_layer(opened: Opened) -> None:
    inner, outer = COMPRESS["gzip"](TAR), COMPRESS["gzip"](COMPRESS["gzip"](TAR))
    bad = inner[:-8] + bytes([inner[-8] ^ 1]) + inner[-7:]
    for content, words in (
        (COMPRESS["gzip"](bad), "inner gzip"),
        (outer[:-8] + bytes([outer[-8] ^ 1]) + outer[-7:], "outer gzip"),
    ):
        found = seen(opened, content)
        assert (found.names, found.ids) == (NAMES, ["archive-checksum-differs", "archive-compressed-twice"])
        assert f"the {words} stream from byte 0 on is corrupt: its CRC-32" in found.end.reason


def test_what_is_odd_of_each_layer_is_told(opened: Opened) -> None:
    inner = COMPRESS["gzip"](TAR[:5000]) + bytes(3) + COMPRESS["gzip"](TAR[5000:]) + b"end\n"
    found = seen(opened, b"\n" + COMPRESS["gzip"](inner) + bytes(7))
    told = [(one.id, one.detail.partition(" from")[0].partition(",")[0]) for one in found.findings]
    assert told == [
        ("archive-leading-bytes", "1 byte: blanks and line ends"),
        ("archive-padding", "7 bytes"),
        ("archive-compressed-twice", "gzip in gzip"),
        ("archive-zeros-between", "3 bytes"),
        ("archive-trailing-bytes", "4 bytes"),
    ]
    assert found.names == NAMES
    assert "in the outer stream's content" in found.findings[-1].detail


@pytest.mark.parametrize("kinds", [("gzip", "gzip", "gzip"), ("xz", "zstd", "gzip")])
def test_three_layers_are_not_read(opened: Opened, kinds: tuple[str, str, str]) -> None:
    content = TAR
    for kind in kinds:
        content = COMPRESS[kind](content)
    with pytest.raises(NotAnArchiveError, match=f"more than twice: {kinds[0]} in {kinds[1]} in {kinds[2]}"):
        seen(opened, content)


def test_two_layers_of_something_else_are_named(opened: Opened) -> None:
    with pytest.raises(NotAnArchiveError, match="gzip in zstd, but no tar inside: ASCII text"):
        seen(opened, COMPRESS["zstd"](COMPRESS["gzip"](b"words and words\n" * 99)))


def test_a_tar_whose_first_name_looks_like_a_stream_is_a_tar(opened: Opened) -> None:
    name = b"\x1f\x8b\x08\1 name".decode("utf-8", "surrogateescape")
    tar = writer_member(name) + END
    found = seen(opened, COMPRESS["gzip"](tar))
    assert (found.names, "archive-compressed-twice" in found.ids) == ([name], False)


def writer_member(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


TENTH: Final = b"".join(hashlib.shake_128(b"%d" % n).digest(100) + bytes(924) for n in range(1024))


@pytest.mark.parametrize(
    ("content", "limits", "name"),
    [
        (COMPRESS["gzip"](COMPRESS["gzip"](member("z", bytes(70 * MIB)) + END)), Limits(), "ratio"),
        (COMPRESS["gzip"](COMPRESS["gzip"](TAR)), Limits(inflated_bytes=len(TAR) + 9000), "inflated_bytes"),
        (COMPRESS["gzip"](COMPRESS["gzip"](TAR)), Limits(seconds=0), "seconds"),
    ],
    ids=["ratio", "inflated_bytes", "seconds"],
)
def test_limits_hold_over_both_layers(opened: Opened, content: bytes, limits: Limits, name: str) -> None:
    with opened(content) as file:
        passed = Pass(file, limits)
        with suppress(LimitExceededError):
            deque(passed, maxlen=0)
        assert passed.end is not None
        assert (passed.end.verdict, passed.end.limit) == ("limit", name)
        assert "limit-exceeded" in [one.id for one in passed.findings()]


def test_two_windows_are_within_the_limit_together(opened: Opened) -> None:
    big = zstandard.ZstdCompressionParameters(window_log=23)
    wide = zstandard.ZstdCompressor(compression_params=big).compress
    noise = member("n", hashlib.shake_128(b"n").digest(9 * MIB)) + END
    assert seen(opened, wide(noise), Limits(window_bytes=8 * MIB)).names == ["n"]
    assert seen(opened, COMPRESS["gzip"](wide(noise)), Limits(window_bytes=8 * MIB)).names == ["n"]
    assert seen(opened, wide(wide(noise)), Limits(window_bytes=16 * MIB)).names == ["n"]
    with pytest.raises(LimitExceededError, match="window_bytes"):
        seen(opened, wide(wide(noise)), Limits(window_bytes=15 * MIB))


@given(
    kinds=st.tuples(st.sampled_from(sorted(COMPRESS)), st.sampled_from(sorted(COMPRESS))),
    cuts=st.lists(st.integers(0, len(TAR)), max_size=3),
    block=st.integers(64, 3000),
)
@examples(40)
def test_two_layers_wherever_blocks_end(opened: Opened, kinds: tuple[str, str], cuts: list[int], block: int) -> None:
    inner, outer = kinds
    packed = b"".join(COMPRESS[inner](TAR[a:b]) for a, b in pairwise([0, *sorted(cuts), len(TAR)]))
    content = b"".join(COMPRESS[outer](packed[a : a + 777]) for a in range(0, len(packed), 777))
    with patch.object(compression, "BLOCK", block), patch.object(identification, "BLOCK", block):
        assert seen(opened, content).members == seen(opened, TAR).members


@given(data=st.data())
@examples(60)
def test_corrupt_layers_never_raise_and_keep_the_digest(opened: Opened, data: st.DataObject) -> None:
    inner, outer = (data.draw(st.sampled_from(sorted(COMPRESS))) for _ in range(2))
    packed = bytearray(COMPRESS[inner](TAR[:9000]) + COMPRESS[inner](TAR[9000:]))
    for is_inner in (True, False):
        if data.draw(st.booleans()):
            packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        if is_inner:
            packed = bytearray(COMPRESS[outer](bytes(packed)))
    try:
        found = seen(opened, bytes(packed))
    except (DamagedError, NotAnArchiveError, LimitExceededError):
        return
    assert found.digests["sha256"] == hashlib.sha256(packed).hexdigest()
    assert set(found.names) <= set(NAMES) or not found.is_clean


# --- zeros, against the testers ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """Streams in a row with zeros between and behind them."""

    kind: str
    zeros: list[int]
    junk: bytes
    content: bytes = field(repr=False)


@st.composite
def runs(draw: st.DrawFn) -> Runs:
    """Draw streams in a row, zeros between and behind them, and sometimes something else."""
    kind = draw(st.sampled_from(sorted(COMPRESS)))
    cuts = sorted(draw(st.lists(st.integers(1, len(TAR) - 1), max_size=2, unique=True)))
    pieces = [COMPRESS[kind](TAR[a:b]) for a, b in pairwise([0, *cuts, len(TAR)])]
    zeros = [draw(st.sampled_from([0, 0, 0, 1, 3, 4, 5, 8, 512])) for _ in pieces]
    streams = (piece + bytes(count) for piece, count in zip(pieces, zeros, strict=True))
    junk = draw(st.sampled_from([b"", b"", b"", b"\n", b"\x1f", b"junk"]))
    return Runs(kind, zeros, junk, b"".join(streams) + junk)


@pytest.mark.skipif(not all(map(shutil.which, (*COMPRESS, "tar"))), reason="a tester is missing")
@given(one=runs())
@examples(50)
def test_what_any_program_refuses_or_loses_is_never_called_whole(opened: Opened, workshop: Path, one: Runs) -> None:
    path = workshop / f"a.tar.{SUFFIX[one.kind]}"
    path.write_bytes(one.content)
    found = seen(opened, one.content)
    tested = subprocess.run([one.kind, "-t", str(path)], capture_output=True, check=False)
    listed = subprocess.run(["tar", "-tf", str(path)], capture_output=True, check=False)
    is_accepted = not tested.returncode and not listed.returncode and listed.stdout.decode().split() == NAMES
    assert found.names == NAMES
    if one.kind == "bzip2":  # it ends with 0 where it ignores what follows zeros or junk
        is_accepted = is_accepted and not one.junk and not any(one.zeros[:-1])
    assert found.is_clean == (is_accepted and _by_python(path) == NAMES)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for many small files, one after the other."""
    return tmp_path_factory.mktemp("runs")


def _by_python(path: Path) -> list[str]:
    """Return the names that Python's tarfile reads; zstd is not known to it."""
    if path.suffix == ".zst":
        return NAMES
    try:
        with tarfile.open(path) as archive:
            return archive.getnames()
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return []


# --- checks of xz ----------------------------------------------------------------------------------------------------


def with_check(packed: bytes, number: int) -> bytes:
    """Return an xz stream that says to have another check, of the same length (the .xz file format, §2.1.1.2)."""
    flags = bytes([0, number])
    footer = packed[-8:-4] + flags
    begin = packed[:6] + flags + struct.pack("<I", zlib.crc32(flags))
    return begin + packed[12:-12] + struct.pack("<I", zlib.crc32(footer)) + footer + b"YZ"


CRC32: Final = lzma.compress(TAR, check=lzma.CHECK_CRC32)


def test_the_check_that_is_changed_in_these_tests_is_a_crc() -> None:
    assert with_check(CRC32, lzma.CHECK_CRC32) == CRC32


@pytest.mark.parametrize("number", [2, 3])
def test_a_check_that_is_not_known_is_told(opened: Opened, tmp_path: Path, number: int) -> None:
    content = with_check(CRC32, number)
    (tmp_path / "a.tar.xz").write_bytes(content)
    found = seen(opened, COMPRESS["xz"](b"") + content)
    assert (found.names, ids(found)) == (NAMES, {"archive-check-unsupported": f"1 of 2 streams: check {number}"})
    assert not found.is_clean
    if shutil.which("xz") is not None:
        tested = subprocess.run(["xz", "-t", str(tmp_path / "a.tar.xz")], capture_output=True, check=False)
        assert tested.returncode == 2


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_a_stream_without_a_check_is_noted(opened: Opened, check: int) -> None:
    found = seen(opened, lzma.compress(TAR, check=check))
    assert ids(found) == ({"archive-check-none": "1 of 1 stream"} if check == lzma.CHECK_NONE else {})
    assert found.is_clean


# --- zstd frames without content -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 300, 200_000])
def test_skippable_frames_in_front_are_passed_over(opened: Opened, length: int) -> None:
    frames = struct.pack("<II", 0x184D2A57, length) + bytes(length)
    found = seen(opened, frames * 2 + COMPRESS["zstd"](TAR))
    assert (found.names, found.ids) == (NAMES, [])
    with pytest.raises(NotAnArchiveError, match="nothing but zstd frames without content"):
        seen(opened, frames * 2)
    with pytest.raises(DamagedError, match="the zstd stream has no end"):
        seen(opened, frames[:-1] if length else frames[:-2])


# --- what commands say -----------------------------------------------------------------------------------------------

ODD: Final[dict[str, tuple[Callable[[bytes], bytes], str, str]]] = {
    "leading": (lambda packed: b"\n" + packed, "archive-leading-bytes", "error"),
    "twice": (COMPRESS["gzip"], "archive-compressed-twice", "error"),
    "twice, xz": (COMPRESS["xz"], "archive-compressed-twice", "error"),
    "between": (lambda packed: packed + bytes(3) + COMPRESS["gzip"](b""), "archive-zeros-between", "warning"),
    "trailing": (lambda packed: packed + b"\n", "archive-trailing-bytes", "warning"),
}


@pytest.mark.parametrize("name", ODD)
def test_every_command_reads_it_and_says_what_is_odd(tmp_path: Path, name: str) -> None:
    pack, id_, severity = ODD[name]
    record = (
        b"backup-note=\ninstaller=wordpress\nbackup-install=1234567890abcdefghij12345\nbackup-time=1718312121\n"
        b"title=Blog\nurl=https://example.com"
    )
    plain = member("APP-META.INI", record) + member("index.php", b"<?php\n") + END
    path = tmp_path / "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
    path.write_bytes(pack(COMPRESS["gzip"](plain)))
    for command in ("members", "verify"):
        assert backupmeta(command, path).code == 1
    assert id_ in [one["id"] for one in backupmeta("members", path, "--json").json["findings"]]
    told = [one for one in backupmeta("verify", path, "--json").json["targets"][0]["findings"] if one["id"] == id_]
    assert [one["severity"] for one in told] == [severity]
    assert json.loads(backupmeta("view", path).out)["data"]["title"] == "Blog"
    assert id_ in backupmeta("view", path).err
    assert backupmeta("cat", path, "index.php").out == b"<?php\n"
    assert id_ in backupmeta("explain", path).text
    assert "Blog" in backupmeta("list", tmp_path).text
    assert backupmeta("scan", tmp_path, "-o", tmp_path.with_suffix(".db")).code in {0, 1}
    assert "Blog" in backupmeta("find", tmp_path.with_suffix(".db")).text


def test_explain_shows_the_gzip_header_behind_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    packed = bytearray(COMPRESS["gzip"](RECORD + END))
    packed[9] = 3  # RFC 1952 §2.3.1: Unix; Python says so until 3.12, later that it does not know
    path.write_bytes(b"\n\n\n" + packed)
    steps = backupmeta("explain", path, "--json").json
    (shown,) = [one for one in steps if one["text"] == "gzip header"]
    assert (shown["offset"], shown["meaning"]) == (3, "time not set, system Unix")
