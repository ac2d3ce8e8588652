"""Inflating: against the libraries and programs that compress."""

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import Final
from unittest.mock import patch

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from backupmeta.archive import compression
from backupmeta.archive.compression import BZIP2, GZIP, PLAIN, XZ, ZSTD, Compression, End, by_suffix, identify
from backupmeta.archive.limits import DEFAULT_LIMITS, KIB, Limits
from backupmeta.archive.stream import Inflated
from backupmeta.evidence import EvidenceFile
from tests.examples import examples
from tests.hostile import xz

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

COMPRESS: Final[dict[Compression, Callable[[bytes], bytes]]] = {
    GZIP: lambda content: gzip.compress(content, mtime=0),
    ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
    BZIP2: bz2.compress,
    XZ: xz,
}
PROGRAMS: Final = {GZIP: "gzip", ZSTD: "zstd", BZIP2: "bzip2", XZ: "xz"}

contents = st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.integers(0, 9000))


@pytest.fixture(params=["isal", "zlib"])
def gunzipper(request: pytest.FixtureRequest) -> Iterator[str]:
    """Inflate gzip with isal, then as on a machine that has no wheel of it."""
    if request.param == "isal":
        pytest.importorskip("isal.igzip_lib")
        yield request.param
    else:
        with patch.object(compression, "_isal", lambda: None):
            yield request.param


def inflate(
    opened: Opened,
    content: bytes,
    kind: Compression,
    *,
    block: int = compression.BLOCK,
    step: int = 100_000,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[bytes, End]:
    """Return all that is inflated from a file, read by ``block`` and asked for by ``step``, and how it ended."""
    with opened(content) as file, patch.object(compression, "BLOCK", block):
        stream = Inflated(file, file.read(block), kind, limits)
        parts = list(iter(lambda: stream.read(step), b""))
        inflated = b"".join(parts)
        assert stream.position == len(inflated)
        assert all(len(part) == step for part in parts[:-1])
        assert stream.end is not None
        return inflated, stream.end


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
@given(parts=st.lists(contents, min_size=1, max_size=4), block=st.integers(1, 70), step=st.integers(1, 3000))
@examples(60)
def test_streams_in_a_row_are_one_stream_wherever_blocks_end(
    opened: Opened, kind: Compression, parts: list[bytes], block: int, step: int
) -> None:
    packed = b"".join(map(COMPRESS[kind], parts))
    assert inflate(opened, packed, kind, block=block, step=step) == (b"".join(parts), End("complete", "", len(packed)))


@given(parts=st.lists(contents, min_size=1, max_size=4), block=st.integers(1, 70), step=st.integers(1, 3000))
@examples(60)
def test_without_isal_zlib_gives_the_same(opened: Opened, parts: list[bytes], block: int, step: int) -> None:
    packed = b"".join(map(COMPRESS[GZIP], parts))
    with patch.object(compression, "_isal", lambda: None):
        assert inflate(opened, packed, GZIP, block=block, step=step)[0] == b"".join(parts)


HELLO: Final = gzip.compress(b"hello" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(HELLO, b"hello" * 1000, id="whole"),
        pytest.param(HELLO[:-3], None, id="cut in its trailer"),
        pytest.param(HELLO[:20], None, id="cut"),
        pytest.param(HELLO + b"x", None, id="a byte behind"),
        pytest.param(HELLO + HELLO, None, id="another stream behind"),
        pytest.param(HELLO[:-8] + b"\0\0\0\0" + HELLO[-4:], None, id="another checksum"),
        pytest.param(HELLO[:-4] + struct.pack("<I", 4999), None, id="a shorter length"),
        pytest.param(HELLO[:-4] + struct.pack("<I", 5001), None, id="a longer length"),
        pytest.param(HELLO[:12] + b"\xff\xff" + HELLO[14:], None, id="corrupt"),
        pytest.param(HELLO[:2] + b"\x07" + HELLO[3:], None, id="another method"),
        pytest.param(HELLO[:3] + b"\x08" + HELLO[4:10] + b"a\0" + HELLO[10:], None, id="a name"),
        pytest.param(gzip.compress(bytes(100_001)), None, id="more than there may be"),
        pytest.param(gzip.compress(bytes(100_000)), bytes(100_000), id="as much as there may be"),
        pytest.param(b"", None, id="empty"),
    ],
)
@pytest.mark.usefixtures("gunzipper")
def test_what_is_inflated_at_once(block: bytes, expected: bytes | None) -> None:
    assert compression.whole(block, 100_000) == expected


def test_isal_is_not_needed() -> None:
    compression._isal.cache_clear()
    with patch.dict("sys.modules", {"isal": None}):
        assert compression._isal() is None
    compression._isal.cache_clear()


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
@given(parts=st.lists(contents, min_size=1, max_size=3), where=st.floats(0, 1), step=st.integers(1, 3000))
@example(parts=[b"ab" * 5000], where=0.0, step=1)
@examples(60)
def test_a_cut_stream_is_told_and_gives_what_came_before(
    opened: Opened, kind: Compression, parts: list[bytes], where: float, step: int
) -> None:
    packed = [COMPRESS[kind](part) for part in parts]
    whole = b"".join(packed)
    cut = int(where * (len(whole) - 1))
    inflated, end = inflate(opened, whole[:cut], kind, step=step)
    assert b"".join(parts).startswith(inflated)
    if cut in accumulate(map(len, packed)) and cut:
        assert end.verdict == "complete"
    else:
        assert _is_told(end, cut, whole, kind)


def _is_told(end: End, cut: int, whole: bytes, kind: Compression) -> bool:
    """Tell whether the cut was told; one within the signature of a later stream can't be told from junk."""
    begins = {at for at in range(cut) if whole.startswith(kind.signatures, at)}
    in_signature = any(cut - at < max(map(len, kind.signatures)) for at in begins)
    return (end.verdict, end.offset) == ("truncated", cut) or (end.verdict == "complete" and in_signature)


def test_a_cut_gzip_gives_every_byte_that_zlib_gives(opened: Opened, gunzipper: str) -> None:
    text = b"".join(b"%d=%s\n" % (n * n, b"x" * (n % 300)) for n in range(400))
    packed = gzip.compress(text, mtime=0)
    for cut in range(18, len(packed), 7):
        expected = zlib.decompressobj(wbits=31).decompress(packed[:cut])
        held_back = 3 if gunzipper == "isal" else 0  # isal decodes up to three literals at once, or none
        for step in (1000, 100_000):
            inflated = inflate(opened, packed[:cut], GZIP, step=step)[0]
            assert expected.startswith(inflated)
            assert len(expected) - len(inflated) <= held_back


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
@given(data=st.data())
@examples(60)
def test_corrupt_input_never_raises(opened: Opened, kind: Compression, data: st.DataObject) -> None:
    packed = bytearray(COMPRESS[kind](data.draw(contents)))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    _, end = inflate(opened, bytes(packed), kind)
    assert end.verdict in {"complete", "truncated", "damaged", "limit"}


def test_what_stands_before_damage_is_given(opened: Opened, gunzipper: str) -> None:
    text = b"".join(b"%d=%d\n" % (n, n * n) for n in range(9000))
    for first in (b"", gzip.compress(b"x" * 70_000)):
        packed = bytearray(first + gzip.compress(text, mtime=0))
        for at in range(len(first) + 200, len(packed), 997):
            broken = bytes(packed[:at]) + bytes(20) + bytes(packed[at + 20 :])
            readable = zlib.decompressobj(wbits=31).decompress(broken[len(first) : at])
            inflated, end = inflate(opened, broken, GZIP)
            assert (end.verdict, gunzipper) == ("damaged", gunzipper)
            assert len(inflated) - (70_000 if first else 0) >= len(readable) - 70


@pytest.mark.parametrize("at", [-8, -4], ids=["crc", "length"])
def test_a_wrong_gzip_trailer_is_damage(opened: Opened, gunzipper: str, at: int) -> None:
    packed = bytearray(gzip.compress(b"hello"))
    packed[at] ^= 1
    inflated, end = inflate(opened, bytes(packed), GZIP)
    assert (end.verdict, gunzipper) == ("damaged", gunzipper)
    assert b"hello".startswith(inflated)


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("zeros", [1, 4, 512, 200_000])
def test_zero_padding_is_passed_over(opened: Opened, kind: Compression, zeros: int) -> None:
    packed = COMPRESS[kind](b"one") + bytes(zeros) + COMPRESS[kind](b"two") + bytes(zeros)
    assert inflate(opened, packed, kind) == (b"onetwo", End("complete", "", len(packed)))


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("junk", [b"j", b"\x1f", b"junk behind it", b"\0\0junk", b"PK\x03\x04" * 40_000])
def test_trailing_junk_ends_the_stream_where_it_begins(opened: Opened, kind: Compression, junk: bytes) -> None:
    packed = COMPRESS[kind](b"one")
    inflated, end = inflate(opened, packed + junk, kind)
    assert (inflated, end.verdict) == (b"one", "complete")
    assert end.offset == len(packed) + len(junk) - len(junk.lstrip(b"\0"))


def test_skippable_zstd_frames_are_passed_over(opened: Opened) -> None:
    frame, skipped = COMPRESS[ZSTD], struct.pack("<II", 0x184D2A53, 300) + bytes(300)
    packed = skipped + frame(b"one") + skipped + skipped + frame(b"two") + skipped
    assert identify(packed) is ZSTD
    assert inflate(opened, packed, ZSTD, block=50) == (b"onetwo", End("complete", "", len(packed)))


def test_optional_parts_of_a_gzip_header_are_passed_over(opened: Opened, gunzipper: str) -> None:
    first = gzip.compress(hashlib.shake_128(b"seed").digest(50_000))
    deflated = gzip.compress(b"content", mtime=0)[10:]
    flags = 0x02 | 0x04 | 0x08 | 0x10  # RFC 1952 §2.3.1: FHCRC, FEXTRA, FNAME, FCOMMENT
    header = b"\x1f\x8b\x08" + bytes([flags, 0, 0, 0, 0, 0, 3]) + struct.pack("<H", 3000) + b"e" * 3000
    header += b"n" * 20_000 + b"\0" + b"c" * 5000 + b"\0"
    packed = header + struct.pack("<H", zlib.crc32(header) & 0xFFFF) + deflated
    assert inflate(opened, first + packed, GZIP)[0][-7:] == b"content", gunzipper


@pytest.mark.parametrize("kind", COMPRESS, ids=lambda kind: kind.name)
def test_what_the_programs_write_is_read(opened: Opened, kind: Compression) -> None:
    if shutil.which(PROGRAMS[kind]) is None:
        pytest.skip(f"no {PROGRAMS[kind]} here")
    text = bytes(range(256)) * 3000
    packed = subprocess.run([PROGRAMS[kind], "-9", "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout
    assert identify(packed) is kind
    assert inflate(opened, packed, kind)[0] == text


def test_what_is_not_compressed_comes_as_it_is(opened: Opened) -> None:
    text = bytes(range(256)) * 1000
    assert inflate(opened, text, PLAIN, step=700) == (text, End("complete", "", len(text)))


def test_skipping_is_reading_without_keeping(opened: Opened) -> None:
    text = bytes(range(251)) * 4000
    for kind, packed in ((PLAIN, text), (GZIP, gzip.compress(text))):
        with opened(packed) as file:
            stream = Inflated(file, file.read(compression.BLOCK), kind, DEFAULT_LIMITS)
            assert stream.read(10) == text[:10]
            assert stream.skip(20) == 20
            assert stream.read(5) == text[30:35]
            assert stream.skip(900_000) == 900_000
            assert stream.read(5) == text[900_035:900_040]
            assert stream.skip(10**15) == len(text) - 900_040
            assert stream.read(1) == b""
            assert stream.end == End("complete", "", len(packed))


def zstd_frame(window_log: int) -> bytes:
    """Return a frame that declares a window and holds one block of one byte, 128 KiB long (RFC 8878 §3.1.1)."""
    block = (1 | 1 << 1 | (128 * KIB) << 3).to_bytes(3, "little") + b"x"
    return b"\x28\xb5\x2f\xfd" + bytes([0, (window_log - 10) << 3]) + block


def xz_asking_for(dictionary: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    target = io.BytesIO()
    small = lzma.compress(b"content", filters=[{**filters[0], "dict_size": 4 * KIB}])
    target.write(small)
    # the block header's property byte says how large the dictionary is (the .xz file format, §5.3.1)
    at = small.index(b"\x21\x01", 12) + 2
    size = (small[12] + 1) * 4
    code = 40 if dictionary >= 2**32 - 1 else (dictionary.bit_length() - 1 - 12) * 2
    header = bytearray(small[12 : 12 + size - 4])
    header[at - 12] = code
    return small[:12] + bytes(header) + struct.pack("<I", zlib.crc32(header)) + small[12 + size :]


@pytest.mark.parametrize(
    ("packed", "kind"),
    [(zstd_frame(31), ZSTD), (zstd_frame(41), ZSTD), (xz_asking_for(2**31), XZ), (xz_asking_for(2**32 - 1), XZ)],
    ids=["zstd 2 GiB", "zstd 2 TiB", "xz 2 GiB", "xz 4 GiB"],
)
def test_a_window_over_the_limit_is_refused(opened: Opened, packed: bytes, kind: Compression) -> None:
    inflated, end = inflate(opened, packed, kind)
    assert (inflated, end.verdict, end.limit) == (b"", "limit", "window_bytes")


def test_a_window_within_the_limit_is_read(opened: Opened) -> None:
    assert inflate(opened, zstd_frame(27), ZSTD)[0] == b"x" * 128 * KIB
    assert inflate(opened, xz_asking_for(2**26), XZ) == (b"content", End("complete", "", len(xz_asking_for(2**26))))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app_a_b_2024-06-13_20-55-21.tar.gz", GZIP),
        ("A.TGZ", GZIP),
        ("a.tar.zst", ZSTD),
        ("a.tbz", BZIP2),
        ("a.tar.xz", XZ),
        ("a.tar", PLAIN),
        ("a.gz", None),
        ("tar", None),
    ],
)
def test_a_name_promises_a_compression(name: str, expected: Compression | None) -> None:
    assert by_suffix(name) is expected


@pytest.mark.parametrize("block", [b"", b"\x1f", b"BZ", b"PK\x03\x04", b"backup-note="])
def test_anything_else_has_no_compression(block: bytes) -> None:
    assert identify(block) is None
