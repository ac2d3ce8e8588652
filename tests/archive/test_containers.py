"""Archives in a row, and what they are packed in: streams in a row, padding and junk behind them.

Expected is what GNU tar, bsdtar and tarfile read in what gzip, zstd, xz and bzip2 unpack.
"""

import bz2
import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from tests.archive.peers import (
    END,
    Entry,
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
    padded,
    python,
    row,
    run,
    tar,
    timeless,
    walked,
)
from tests.examples import examples
from tests.hostile import xz

FIRST: Final = block("first", size=5) + padded(b"12345")
LAST: Final = block("last", size=5) + padded(b"54321")
FORMS: Final = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def odd(opened: Opened, content: bytes) -> list[str]:
    """Return what was odd about an archive that is whole."""
    archive = walked(opened, content)
    assert archive.end is not None
    assert archive.end.verdict == "complete"
    return [one.id for one in archive.findings()]


# --- archives in a row ------------------------------------------------------------------------------------------------

ONE: Final = {name: tar(entry("a" * 90), entry("b", b"1" * 600), form=form) for name, form in FORMS.items()}
OTHER: Final = {name: tar(entry("c"), entry("d" * 90, b"2" * 600), form=form) for name, form in FORMS.items()}
CONCATENATED: Final = {
    **{f"{one} and {other}": ONE[one] + OTHER[other] for one in FORMS for other in FORMS},
    "without padding": ONE["gnu"].rstrip(b"\0") + bytes(-len(ONE["gnu"].rstrip(b"\0")) % 512) + END + OTHER["gnu"],
    "three": ONE["pax"] + OTHER["pax"] + ONE["gnu"],
    "empty first": bytes(10240) + ONE["gnu"],
    "empty between": ONE["gnu"] + bytes(10240) + OTHER["gnu"],
    "two blocks of zeros": FIRST + bytes(1024) + LAST + END,
    "three blocks of zeros": FIRST + bytes(1536) + LAST + END,
}
GAPS: Final = {
    "one block of zeros": FIRST + bytes(512) + LAST + END,
    "two gaps": FIRST + bytes(512) + LAST + bytes(512) + FIRST + END,
}


@needs_gnu_tar
@needs_bsdtar
@pytest.mark.parametrize(
    ("content", "finding"),
    [
        *(pytest.param(one, "archive-concatenated", id=name) for name, one in CONCATENATED.items()),
        *(pytest.param(one, "archive-zero-gap", id=name) for name, one in GAPS.items()),
    ],
)
def test_archives_in_a_row(opened: Opened, content: bytes, finding: str) -> None:
    found = ours(opened, content)
    assert found == gnu_tar(content, "--ignore-zeros") == python(content, ignore_zeros=True)
    assert timeless(found) == bsdtar_listing(content, "--options", "read_concatenated_archives")
    assert set(odd(opened, content)) - {"member-name-duplicate"} == {finding}


@needs_gnu_tar
@against_all
@pytest.mark.parametrize("form", FORMS)
def test_archives_joined_by_gnu_tar(opened: Opened, tmp_path: Path, form: str, peer: Peer) -> None:
    one, other = tmp_path / "one.tar", tmp_path / "other.tar"
    one.write_bytes(ONE[form])
    other.write_bytes(OTHER[form])
    run(["tar", f"--file={one}", "--concatenate", str(other)])
    content = one.read_bytes()
    assert ours(opened, content) == peer(content)
    assert [one.name for one in ours(opened, content)] == [b"a" * 90, b"b", b"c", b"d" * 90]
    assert odd(opened, content) == []


@needs_gnu_tar
def test_global_records_hold_for_the_archive_behind(opened: Opened) -> None:
    content = tar(entry("a"), records={"mtime": "1000000000"}) + OTHER["pax"]
    assert ours(opened, content) == gnu_tar(content, "--ignore-zeros") == python(content, ignore_zeros=True)
    assert {one.mtime for one in ours(opened, content)} == {1_000_000_000}


@against_all
@pytest.mark.parametrize(
    ("end", "finding"),
    [
        (b"", ["archive-no-end"]),
        (bytes(512), ["archive-no-end"]),
        (END, []),
        (bytes(100 * 512), []),
        (END + b"junk" * 300, ["archive-trailing-content"]),
        (END + b"junk", ["archive-trailing-content"]),
    ],
    ids=["none", "one block", "two blocks", "many blocks", "junk behind", "a little junk behind"],
)
def test_ends(opened: Opened, end: bytes, finding: list[str], peer: Peer) -> None:
    content = FIRST + LAST + end
    assert ours(opened, content) == peer(content)
    assert odd(opened, content) == finding


# --- streams in a row -------------------------------------------------------------------------------------------------

NOISE: Final = zlib.compress(b"".join(b"%d" % (n * n) for n in range(9000)))
PLAIN: Final = tar(entry("first"), entry("second", NOISE), entry("third", b"3" * 90_000), form=tarfile.GNU_FORMAT)
PIECES: Final = [PLAIN[begin:end] for begin, end in pairwise([0, 300, 512, 5000, 5001, len(PLAIN)])]
PROGRAMS: Final = ("gzip", "zstd", "xz", "bzip2")

COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": lambda piece: gzip.compress(piece, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": xz,
    "bzip2": bz2.compress,
}

every_program = pytest.mark.parametrize("program", [pytest.param(one, marks=needs(one), id=one) for one in PROGRAMS])


class Kept:
    """Takes in all contents of an archive."""

    def __init__(self) -> None:
        self.content = b""

    def wants(self, member: Member) -> "Kept | None":
        return self if member.kind == "file" else None

    def take(self, piece: bytes) -> None:
        self.content += piece

    def close(self, missing: int) -> None:
        assert not missing


def read(opened: Opened, packed: bytes) -> tuple[Pass, list[Row], bytes]:
    """Return a pass over an archive after its end, its members, and their contents."""
    kept = Kept()
    with opened(packed) as file:
        archive = Pass(file, consumers=[kept])
        rows = [row(one) for one in archive]
    return archive, rows, kept.content


def contents(plain: bytes) -> bytes:
    """Return the contents of a tar that tarfile reads."""
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        streams = [archive.extractfile(one) for one in archive if one.isreg()]
        return b"".join(one.read() for one in streams if one)


def assert_like(opened: Opened, packed: bytes, plain: bytes) -> Pass:
    """Compare what is read in ``packed`` with what tarfile reads in ``plain``."""
    archive, rows, content = read(opened, packed)
    assert rows == python(plain)
    assert content == contents(plain)
    assert archive.stream.position == len(plain)
    assert archive.end is not None
    assert archive.end.verdict == "complete"
    return archive


@every_program
@needs_bsdtar
def test_streams_in_a_row(opened: Opened, program: str) -> None:
    packed = b"".join(run([program, "-c"], one) for one in PIECES)
    archive = assert_like(opened, packed, run([program, "-dc"], packed))
    assert (archive.stream.stream_count, list(archive.findings())) == (len(PIECES), [])
    assert ours(opened, packed) == bsdtar(packed)


@every_program
@needs_bsdtar
def test_empty_streams(opened: Opened, program: str) -> None:
    empty = run([program, "-c"])
    packed = empty + b"".join(run([program, "-c"], one) + empty for one in PIECES) + empty
    archive = assert_like(opened, packed, run([program, "-dc"], packed))
    assert (archive.stream.stream_count, list(archive.findings())) == (2 * len(PIECES) + 2, [])
    assert ours(opened, packed) == bsdtar(packed)


@every_program
@pytest.mark.parametrize(
    ("behind", "finding"),
    [
        (bytes(512), "archive-padding"),
        (bytes(3), "archive-padding"),
        (bytes(100_000), "archive-padding"),
        (b"junk" * 40, "archive-trailing-bytes"),
        (bytes(512) + b"junk", "archive-trailing-bytes"),
        (b"j" * 100_000, "archive-trailing-bytes"),
    ],
    ids=["zeros", "few zeros", "many zeros", "junk", "zeros and junk", "much junk"],
)
def test_what_stands_behind_the_streams(opened: Opened, program: str, behind: bytes, finding: str) -> None:
    packed = b"".join(run([program, "-c"], one) for one in PIECES) + behind
    archive = assert_like(opened, packed, run([program, "-dc"], packed, codes=(0, 1, 2)))
    (found,) = archive.findings()
    is_refused = finding == "archive-padding" and (program == "zstd" or (program == "xz" and len(behind) % 4))
    assert found.id == (f"{finding}-refused" if is_refused else finding)


@pytest.mark.parametrize("program", ["gzip", pytest.param("xz", marks=needs("xz"))])
def test_zeros_between_streams(opened: Opened, program: str) -> None:
    # The programs gzip, zstd and bzip2 end there, and Python's lzma; Python's gzip goes on, and xz behind whole fours.
    packed = bytes(512).join(COMPRESS[program](one) for one in PIECES)
    plain = gzip.decompress(packed) if program == "gzip" else run(["xz", "-dc"], packed)
    archive = assert_like(opened, packed, plain)
    (found,) = archive.findings()
    first = len(COMPRESS[program](PIECES[0]))
    assert (found.id, found.detail) == ("archive-zeros-between", f"2,048 bytes, the first of them at byte {first}")


@pytest.mark.parametrize(
    ("command", "program"),
    [
        pytest.param(command.split(), program, marks=[needs(command.split()[0]), needs(program)], id=command)
        for program, commands in {
            "gzip": ("gzip -1c", "gzip -9c", "gzip -c --rsyncable", "busybox gzip -c", "bsdtar -cz @-"),
            "zstd": (
                "zstd -1c",
                "zstd -19c --long=27",
                "zstd -c --no-check",
                "zstd -c --fast=5",
                "bsdtar -c --zstd @-",
            ),
            "xz": (
                *(f"xz -c --check={one}" for one in ("none", "crc32", "crc64", "sha256")),
                "xz -9ce",
                "xz -c -T2 --block-size=4096",
                "xz -c --delta=dist=4 --lzma2=preset=1",
                "xz -c --x86 --lzma2",
                "bsdtar -cJ @-",
            ),
            "bzip2": ("bzip2 -1c", "bzip2 -9c", "busybox bzip2 -c", "bsdtar -cj @-"),
        }.items()
        for command in commands
    ],
)
def test_what_programs_pack(opened: Opened, command: list[str], program: str) -> None:
    packed = run(command, PLAIN)
    # bsdtar fills what it writes into a pipe up with zeros, which zstd complains about.
    archive = assert_like(opened, packed, run([program, "-dc"], packed, codes=(0, 1)))
    assert archive.compression.name == program
    padded = ["archive-padding-refused" if program == "zstd" else "archive-padding"] * packed.endswith(bytes(64))
    assert [one.id for one in archive.findings()] == padded + ["archive-check-none"] * ("--check=none" in command)


def skippable(number: int, content: bytes) -> bytes:
    """Return a frame that decompressors skip (RFC 8878 §3.1.2)."""
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


@needs("zstd")
@needs_bsdtar
@pytest.mark.parametrize(
    "frames",
    [
        [skippable(0, b"seen first")],
        [skippable(15, b""), skippable(3, b"x" * 70_000)],
        [b"", skippable(0, b"between")],
        [b""] * len(PIECES) + [skippable(1, b"behind")],
    ],
    ids=["first", "two first", "between", "behind"],
)
def test_skippable_zstd_frames(opened: Opened, frames: list[bytes]) -> None:
    pieces = [run(["zstd", "-c"], one) for one in PIECES]
    count = max(len(frames), len(pieces))
    rows = zip(frames + [b""] * (count - len(frames)), pieces + [b""] * (count - len(pieces)), strict=True)
    packed = b"".join(frame + piece for frame, piece in rows)
    archive = assert_like(opened, packed, run(["zstd", "-dc"], packed))
    assert list(archive.findings()) == []
    assert ours(opened, packed) == bsdtar(packed)


def gzip_member(content: bytes, flags: int, optional: bytes) -> bytes:
    """Return a gzip member with ``flags`` and the parts of the header that they promise (RFC 1952 §2.3)."""
    header = struct.pack("<4BIBB", 0x1F, 0x8B, 8, flags, 1_718_312_121, 0, 3) + optional
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflated = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflated.compress(content) + deflated.flush()
    return header + body + struct.pack("<II", zlib.crc32(content), len(content))


@needs("gzip")
@pytest.mark.parametrize(
    ("flags", "optional"),
    [
        (0, b""),
        (1, b""),
        (2, b""),
        (4, b"\x06\0BC\x02\0\x10\0"),
        (8, b"site.tar\0"),
        (16, b"a comment\0"),
        (31, b"\x04\0XX\0\0caf\xe9.tar\0a comment\0"),
        (8, b"n" * 60_000 + b"\0"),
        (4, b"\xff\xff" + b"\x08\0" * 32767 + b"\0"),
    ],
    ids=["none", "text", "checksum", "extra", "name", "comment", "all", "a long name", "a long extra"],
)
def test_gzip_headers(opened: Opened, flags: int, optional: bytes) -> None:
    packed = b"".join(gzip_member(one, flags, optional) for one in PIECES)
    if flags & 2:  # a checksum of the header, which gzip takes for something else
        assert_like(opened, packed, gzip.decompress(packed))
    else:
        assert_like(opened, packed, run(["gzip", "-dc"], packed))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a file, a folder or a link."""
    kind = draw(st.sampled_from([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]))
    name = draw(st.text("ab/é\udce9", min_size=1, max_size=300).map(lambda text: f"x{text.rstrip('/')}x"))
    content = draw(st.binary(max_size=40)) * draw(st.sampled_from([1, 30, 700]))
    return entry(name, content if kind == tarfile.REGTYPE else b"", kind=kind, link=name if kind in b"12" else "")


@dataclass(frozen=True)
class Packed:
    """A tar, and how it is packed."""

    plain: bytes = field(repr=False)
    packed: bytes = field(repr=False)


@st.composite
def packings(draw: st.DrawFn) -> Packed:
    """Draw a tar that is packed in pieces, some with zeros behind them."""
    form = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    plain = tar(*draw(st.lists(entries(), min_size=1, max_size=6)), form=form)
    name = draw(st.sampled_from(sorted(COMPRESS)))
    cuts = sorted(draw(st.lists(st.integers(0, len(plain)), max_size=4))) if name != "none" else []
    pieces = [COMPRESS[name](plain[begin:end]) for begin, end in pairwise([0, *cuts, len(plain)])]
    return Packed(plain, b"".join(one + bytes(draw(st.sampled_from([0, 0, 0, 1, 600]))) for one in pieces))


@given(one=packings())
@examples(100)
def test_a_tar_is_the_same_however_it_is_packed(opened: Opened, one: Packed) -> None:
    _, rows, content = read(opened, one.packed)
    assert rows == python(one.plain)
    assert content == contents(one.plain)
