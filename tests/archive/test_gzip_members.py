"""Gzip members: headers against gzip, pigz and Python's module, trailers, wherever pieces end."""

import gzip
import io
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive import compression
from backupmeta.archive.compression import (
    GZIP,
    Compression,
    CorruptHeaderError,
    Gzip,
    GzipHeader,
    LongHeaderError,
    open_carefully,
    open_stream,
    parse_header,
)
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from tests.hostile import END, Opened, member, seen
from tests.invented import run

TIME: Final = 1718312121  # 2024-06-13 20:55:21 UTC
CONTENT: Final = b"words and words\n" * 99
MOST: Final = DEFAULT_LIMITS.name_bytes


def built(
    *, extra: bytes | None = None, name: bytes | None = None, comment: bytes | None = None, crc: bool = False
) -> bytes:
    """Return a header with the optional parts that are given (RFC 1952 §2.3)."""
    flags = 2 * crc | 4 * (extra is not None) | 8 * (name is not None) | 16 * (comment is not None)
    block = b"\x1f\x8b\x08" + bytes([flags]) + struct.pack("<IBB", TIME, 0, 3)
    block += b"" if extra is None else struct.pack("<H", len(extra)) + extra
    block += b"" if name is None else name + b"\0"
    block += b"" if comment is None else comment + b"\0"
    return block + (struct.pack("<H", zlib.crc32(block) & 0xFFFF) if crc else b"")


def member_of(header: bytes, content: bytes = CONTENT) -> bytes:
    """Return a gzip member with this header."""
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(content) + packer.flush()
    return header + body + struct.pack("<II", zlib.crc32(content), len(content))


names = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b""))


@given(
    extra=st.none() | st.binary(max_size=60),
    name=st.none() | names,
    comment=st.none() | names,
    crc=st.booleans(),
    behind=st.binary(max_size=9),
)
def test_optional_parts(
    extra: bytes | None, name: bytes | None, comment: bytes | None, *, crc: bool, behind: bytes
) -> None:
    block = built(extra=extra, name=name, comment=comment, crc=crc)
    assert parse_header(block + behind, MOST) == GzipHeader(TIME, 3, name, len(block))
    assert all(parse_header(block[:cut], MOST) is None for cut in range(len(block)))
    assert gzip.decompress(member_of(block)) == CONTENT


@pytest.mark.parametrize("name", ["site.tar", "", "caf\xe9.tar"])
def test_what_python_s_module_writes(name: str) -> None:
    target = io.BytesIO()
    with gzip.GzipFile(filename=f"{name}.gz" if name else "", mode="wb", fileobj=target, mtime=TIME) as file:
        file.write(CONTENT)
    found = parse_header(target.getvalue(), MOST)
    assert found is not None
    assert (found.mtime, found.name) == (TIME, name.encode("latin-1") or None)
    assert zlib.decompress(target.getvalue()[found.length : -8], wbits=-15) == CONTENT


PROGRAMS: Final = {
    "gzip -N": (["gzip", "-N", "-c"], True),
    "gzip -n": (["gzip", "-n", "-c"], False),
    "gzip -9": (["gzip", "-9", "-c"], True),
    "pigz -N": (["pigz", "-N", "-c"], True),
    "pigz -n": (["pigz", "-n", "-c"], False),
    "pigz -C": (["pigz", "-N", "-c", "-C", "a comment"], True),
    "pigz -i": (["pigz", "-N", "-i", "-b", "128", "-c"], True),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_programs_write(tmp_path: Path, opened: Opened, program: str) -> None:
    command, has_name = PROGRAMS[program]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    path = tmp_path / "site.tar"
    path.write_bytes(member("a", bytes(range(256)) * 4000) + END)
    os.utime(path, (TIME, TIME))
    packed = subprocess.run([*command, str(path)], capture_output=True, check=True).stdout
    if command[-1] == "a comment" and b"a comment\0" not in packed:
        pytest.skip("this pigz writes no comments")
    found = seen(opened, packed)
    assert (found.names, found.ids, len(found.streams)) == (["a"], [], 1)
    (header,) = (one.header for one in found.streams)
    assert header is not None
    assert (header.name, header.system, header.fault) == (b"site.tar" if has_name else None, 3, "")
    assert header.mtime == (TIME if has_name else 0)


@pytest.mark.parametrize(
    "block", [b"\x1f\x8c\x08" + bytes(9), b"\x1f\x8b\x07" + bytes(9), b"\x1f\x8b\x08\x20" + bytes(9), b"x" * 10]
)
def test_what_is_no_header(block: bytes) -> None:
    with pytest.raises(CorruptHeaderError):
        parse_header(block, MOST)


@pytest.mark.parametrize("part", ["name", "comment"])
def test_names_and_comments_are_bounded(part: str) -> None:
    allowed, refused = ({part: b"n" * length} for length in (99, 100))
    assert parse_header(_with(allowed), 100) is not None
    for cut in (0, 1, 50):
        with pytest.raises(LongHeaderError, match="more than 100 bytes"):
            parse_header(_with(refused)[: 10 + 100 + cut], 100)
    assert parse_header(_with(refused)[: 10 + 99], 100) is None


def _with(part: dict[str, bytes]) -> bytes:
    return built(name=part.get("name"), comment=part.get("comment"))


def test_an_extra_field_is_never_mistaken_for_a_name() -> None:
    found = parse_header(built(extra=b"no\0name\0", name=b"yes"), MOST)
    assert found is not None
    assert found.name == b"yes"


def test_a_header_s_own_checksum_is_compared(opened: Opened) -> None:
    good = built(name=b"site.tar", crc=True)
    bad = good.replace(b"site", b"sitf")
    assert parse_header(good, MOST) == GzipHeader(TIME, 3, b"site.tar", len(good))
    content = member("a", b"1") + END
    assert seen(opened, member_of(good, content)).findings == []
    found = seen(opened, member_of(bad, content))
    assert (found.names, found.ids, found.end.verdict) == (["a"], ["archive-checksum-differs"], "damaged")
    crc, real = (zlib.crc32(one[:-2]) & 0xFFFF for one in (good, bad))
    assert found.streams[0].fault == f"its header's CRC-16 is {crc:04x}, its bytes' {real:04x}"


def fed(inner: Gzip, pieces: list[bytes], most: int) -> bytes:
    """Return what comes out when ``inner`` is asked for ``most`` bytes at once; take away what was fed."""
    made = b""
    while pieces and not inner.eof:
        piece = pieces.pop(0)
        made += inner.decompress(piece, most)
        while not inner.needs_input and not inner.eof:
            made += inner.decompress(b"", most)
    return made


@pytest.mark.parametrize("opening", [open_stream, open_carefully], ids=["isal", "zlib"])
@given(
    cuts=st.lists(st.integers(0, 300), max_size=9),
    most=st.integers(1, 4000),
    crc=st.booleans(),
    trailer=st.sampled_from(["good", "crc", "length"]),
)
def test_pieces_may_end_anywhere(
    opening: Callable[[Compression, Limits], compression.Opened], cuts: list[int], most: int, *, crc: bool, trailer: str
) -> None:
    inner = opening(GZIP, DEFAULT_LIMITS).inner
    assert isinstance(inner, Gzip)
    packed = member_of(built(extra=b"e" * 9, name=b"site.tar", comment=b"c", crc=crc))
    at = {"good": None, "crc": -8, "length": -4}[trailer]
    if at is not None:
        packed = packed[:at] + bytes([packed[at] ^ 1]) + packed[at:][1:]
    whole = packed + b"behind"
    places = sorted(min(cut, len(whole)) for cut in cuts)
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    assert fed(inner, pieces, most) == CONTENT
    assert inner.eof
    assert inner.header is not None
    assert inner.header.name == b"site.tar"
    assert inner.fault[:10] == {"good": "", "crc": "its CRC-32", "length": "its length"}[trailer]
    assert inner.unused_data + b"".join(pieces) == b"behind"


def test_what_lacks_is_told(opened: Opened) -> None:
    packed = member_of(built(), member("a", b"1") + END)
    for kept in range(8):
        inner = open_carefully(GZIP, DEFAULT_LIMITS).inner
        assert isinstance(inner, Gzip)
        fed(inner, [packed[: len(packed) - 8 + kept]], 10_000)
        assert (inner.lacks_trailer_only, inner.eof, inner.fault) == (True, False, "")
        assert seen(opened, packed[: len(packed) - 8 + kept]).end.reason == "the gzip stream has no trailer"


def test_the_command_shows_each_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    tar = member("a", b"1") + END
    path.write_bytes(member_of(built(name=b"caf\xe9.tar"), tar[:700]) + member_of(built(), tar[700:]))
    first, second = run("members", path, "--json").json["streams"]
    assert (first["name"], first["system"], first["offset"], first["fault"]) == ("caf\xe9.tar", "Unix", 0, None)
    assert datetime.fromisoformat(first["mtime"]) == datetime.fromtimestamp(TIME, UTC)
    assert (second["name"], second["inflated_offset"], second["inflated"]) == (None, 700, len(tar) - 700)
