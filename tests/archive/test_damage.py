"""Damaged archives: every damage is a finding, what can be read is listed, the digests are the file's own."""

import bz2
import gzip
import hashlib
import json
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.hostile import END, Opened, Seen, header, member, seen, xz
from tests.invented import run

BODY: Final = 3000
COUNT: Final = 8
NAMES: Final = [f"m{n}" for n in range(COUNT)]
SLOT: Final = 512 + 3072
"""What one of the members takes: a header, and its content in whole blocks."""


def content(number: int) -> bytes:
    return hashlib.shake_128(bytes([number])).digest(BODY)


PARTS: Final = [member(name, content(n)) for n, name in enumerate(NAMES)]
TAR: Final = b"".join(PARTS) + END


def pack_gzip(part: bytes) -> bytes:
    return gzip.compress(part, mtime=0)


PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": pack_gzip,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": xz,
}
GZIP: Final = pack_gzip(TAR)


class Inflater(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


PEERS: Final[dict[str, Callable[[], Inflater]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def inflated(kind: str, packed: bytes) -> bytes:
    """Return what the library gives that is fed byte by byte, up to its error."""
    peer, made = PEERS[kind](), bytearray()
    try:
        for at in range(len(packed)):
            made += peer.decompress(packed[at : at + 1])
    except (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError, EOFError):
        pass
    return bytes(made)


def whole_headers(tar: bytes) -> list[str]:
    """Return the names of the members whose headers lie unharmed in ``tar``."""
    places = ((name, n * SLOT) for n, name in enumerate(NAMES))
    return [name for name, at in places if len(tar) >= at + 512 and tar[at : at + 512] == TAR[at : at + 512]]


def flipped(packed: bytes, at: int, bit: int = 0) -> bytes:
    return packed[:at] + bytes([packed[at] ^ 1 << bit]) + packed[at + 1 :]


def assert_damaged(found: Seen, packed: bytes, *ids: str) -> None:
    """Expect the findings ``ids`` and a verdict that says so; the file's digests are what hashlib counts."""
    assert set(ids) <= set(found.ids)
    assert found.end.verdict in {"truncated", "damaged"}
    assert found.end.reason
    assert_digests(found, packed)


def assert_digests(found: Seen, packed: bytes) -> None:
    assert found.digests == {name: hashlib.new(name, packed).hexdigest() for name in ("sha256", "sha1", "md5")}


def near(found: Seen, id_: str) -> tuple[int, int]:
    """Return where a finding says that it is: the inflated and the compressed offset; the evidence has the former."""
    (one,) = found.of(id_)
    place = re.search(r"at inflated byte (\d+), near byte (\d+)$", one.detail)
    assert place is not None, one
    assert one.evidence[0].offset == int(place[1])
    return int(place[1]), int(place[2])


def test_the_undamaged_archive_is_clean(opened: Opened) -> None:
    for packed in (TAR, *(pack(TAR) for pack in PACK.values())):
        found = seen(opened, packed)
        assert (found.names, found.findings, found.end.verdict) == (NAMES, [], "complete")
        assert_digests(found, packed)


# --- cut off ---------------------------------------------------------------------------------------------------------


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("kind", PACK)
def test_a_cut_stream_gives_every_header_before_the_cut(opened: Opened, kind: str) -> None:
    packed = PACK[kind](TAR)
    for cut in [*range(len(packed) // 40, len(packed), len(packed) // 25), *range(len(packed) - 12, len(packed))]:
        if not (expected := whole_headers(inflated(kind, packed[:cut]))):
            continue
        found = seen(opened, packed[:cut])
        assert found.names == expected, cut
        assert_damaged(found, packed[:cut], "archive-truncated")
        assert near(found, "archive-truncated")[1] == cut
        assert found.end.verdict == "truncated"


def test_a_cut_tar_gives_every_header_before_the_cut(opened: Opened) -> None:
    for cut in range(512, COUNT * SLOT, 128):
        found = seen(opened, TAR[:cut])
        assert found.names == whole_headers(TAR[:cut])
        assert_digests(found, TAR[:cut])
        inside = cut % SLOT
        if inside == 0:
            assert (found.ids, found.end.verdict) == (["archive-no-end"], "complete")
        elif inside < 512:
            assert (found.ids, found.end.verdict) == (["archive-truncated"], "truncated")
            assert near(found, "archive-truncated") == (cut - inside, cut)
        elif inside < 512 + BODY:
            assert (found.ids, found.end.verdict) == (["member-cut", "archive-truncated"], "truncated")
            (one,) = found.of("member-cut")
            assert one.subject == found.names[-1]
            assert one.detail == f"{512 + BODY - inside:,} of 3,000 bytes are missing"
            assert near(found, "archive-truncated") == (cut, cut)
        else:  # only padding is missing
            assert (found.ids, found.end.verdict) == (["archive-truncated"], "truncated")


@pytest.mark.parametrize("kept", range(8))
def test_a_gzip_trailer_that_is_cut_is_told_and_no_member_is_lost(opened: Opened, kept: int) -> None:
    packed = GZIP[: len(GZIP) - 8 + kept]
    found = seen(opened, packed)
    assert found.names == NAMES
    assert_damaged(found, packed, "archive-truncated")
    assert found.end.reason == "the gzip stream has no trailer"
    assert near(found, "archive-truncated") == (len(TAR), len(packed))


def test_blocks_of_zeros_at_the_end(opened: Opened) -> None:
    for zeros, ids in ((0, ["archive-no-end"]), (512, ["archive-no-end"]), (1024, []), (10240, [])):
        found = seen(opened, b"".join(PARTS) + bytes(zeros))
        assert (found.names, found.ids, found.end.verdict) == (NAMES, ids, "complete")


def test_a_cut_in_the_end_mark_is_told(opened: Opened) -> None:
    found = seen(opened, TAR[:-100])
    assert found.names == NAMES
    assert not found.is_clean


# --- one bit ---------------------------------------------------------------------------------------------------------


def test_a_bit_of_a_gzip_header(opened: Opened) -> None:
    silent = {(3, 0), *((at, bit) for at in (4, 5, 6, 7, 8, 9) for bit in range(8))}  # FTEXT; time, level, system
    for at in range(3, 10):
        for bit in range(8):
            packed = flipped(GZIP, at, bit)
            ran = run_members(opened, packed)
            if (at, bit) in silent:
                assert isinstance(ran, Seen)
                assert (ran.names, ran.ids) == (NAMES, [])
            else:
                assert isinstance(ran, Exception) or not ran.is_clean


def run_members(opened: Opened, packed: bytes) -> Seen | Exception:
    from backupmeta.errors import DamagedError, NotAnArchiveError

    try:
        return seen(opened, packed)
    except (DamagedError, NotAnArchiveError) as error:
        return error


@pytest.mark.untraced  # the same lines, bit after bit
@pytest.mark.parametrize("kind", PACK)
def test_a_bit_of_compressed_content(opened: Opened, kind: str) -> None:
    packed = PACK[kind](TAR)
    step = len(packed) // 30
    for at in range(len(packed) // 20, len(packed) - 60, step):
        bad = flipped(packed, at, at % 8)
        expected = whole_headers(inflated(kind, bad))
        found = run_members(opened, bad)
        if isinstance(found, Exception):
            assert not expected
            continue
        assert set(expected) <= set(found.names), at
        assert {"archive-damaged", "archive-checksum-differs"} & set(found.ids), at
        assert_damaged(found, bad)


def stored(parts: Sequence[bytes]) -> bytes:
    """Return a gzip of uncompressed blocks, one for each part (RFC 1951 §3.2.4)."""
    blocks = b"".join(b"\0" + struct.pack("<HH", len(part), 0xFFFF - len(part)) + part for part in parts)
    tar = b"".join(parts)
    trailer = struct.pack("<II", zlib.crc32(tar), len(tar))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\3" + blocks + b"\1\0\0\xff\xff" + trailer


@pytest.mark.parametrize("broken", range(1, COUNT))
def test_the_place_of_damage_is_told(opened: Opened, broken: int) -> None:
    packed = stored([*PARTS, END])
    assert seen(opened, packed).is_clean
    at = 10 + broken * (SLOT + 5)
    packed = flipped(packed, at + 3)  # its length and the length's complement contradict each other
    found = seen(opened, packed)
    assert (found.names, found.ids) == (NAMES[:broken], ["archive-damaged"])
    assert_damaged(found, packed)
    inside, outside = near(found, "archive-damaged")
    assert broken * SLOT - 8 <= inside <= broken * SLOT  # zlib keeps the last few to itself
    assert at < outside <= at + 4096


@pytest.mark.parametrize("at", range(-8, 0))
def test_a_bit_of_a_gzip_trailer(opened: Opened, at: int) -> None:
    packed = flipped(GZIP, len(GZIP) + at, 3)
    found = seen(opened, packed)
    assert (found.names, found.ids) == (NAMES, ["archive-checksum-differs"])
    assert_damaged(found, packed)
    assert near(found, "archive-checksum-differs") == (len(TAR), len(packed))
    assert ("CRC-32" if at < -4 else "length") in found.streams[0].fault


def test_a_trailer_that_contradicts_is_told_with_its_stream(opened: Opened) -> None:
    first, second, third = (pack_gzip(b"".join(part)) for part in (PARTS[:3], PARTS[3:6], [*PARTS[6:], END]))
    packed = first + flipped(second, len(second) - 8) + third
    found = seen(opened, packed)
    assert (found.names, found.ids) == (NAMES, ["archive-checksum-differs"])
    assert [bool(one.fault) for one in found.streams] == [False, True, False]
    assert (found.streams[1].offset, found.streams[1].inflated_offset) == (len(first), 3 * SLOT)
    assert f"from byte {len(first)} on" in found.end.reason
    assert_damaged(found, packed)


@pytest.mark.parametrize("at", [0, 50, 100, 120, 125, 134, 140, 148, 152, 156, 200, 258, 300, 400, 511])
def test_a_bit_of_a_tar_header(opened: Opened, at: int) -> None:
    for bit in (0, 1, 6):
        packed = flipped(TAR, 3 * SLOT + at, bit)
        found = seen(opened, packed)
        assert [name for name in NAMES if name not in found.names] == ["m3"]
        assert found.ids == ["archive-header-damaged"]
        assert_damaged(found, packed)
        (one,) = found.findings
        passed = f"3,584 bytes from inflated byte {3 * SLOT} on hold no tar header"
        assert one.detail == f"{passed}, at inflated byte {4 * SLOT}, near byte {len(TAR)}"


def test_a_bit_of_a_member_s_content_shows_in_the_digest_alone(opened: Opened) -> None:
    packed = flipped(TAR, 3 * SLOT + 1000)
    found = seen(opened, packed)
    assert (found.names, found.ids) == (NAMES, [])
    assert_digests(found, packed)
    assert found.digests["sha256"] != hashlib.sha256(TAR).hexdigest()


# --- headers that are none, zeros, junk ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", *PACK])
@pytest.mark.parametrize("moved", [1, 100, 511, 513, 5000])
def test_headers_that_were_moved_off_the_grid_are_found(opened: Opened, kind: str, moved: int) -> None:
    shifted = TAR[: 2 * SLOT + 900] + b"x" * moved + TAR[2 * SLOT + 900 :]
    found = seen(opened, PACK[kind](shifted) if kind in PACK else shifted)
    assert found.names == NAMES
    assert [one.offset for one in found.members][3:] == [n * SLOT + moved for n in range(3, COUNT)]
    assert found.ids[0] == "archive-header-damaged"
    assert found.end.verdict == "damaged"


gaps = st.lists(
    st.sampled_from([1, 255, 256, 300, 511, 512, 513, 1024, 3583, 3584, 4095, 4096, 4097, 9000]) | st.integers(1, 5000),
    min_size=1,
    max_size=8,
)


@examples(60)
@given(gaps=gaps, fill=st.sampled_from([b"j", b"\0j", b"ustar", b"0000000\0ustar "]), grid=st.sampled_from([1, 512]))
def test_each_header_between_any_gaps_is_found(opened: Opened, gaps: Sequence[int], fill: bytes, grid: int) -> None:
    names, tar = [], member("first", b"x")
    for number, gap in enumerate(gaps):
        names.append(f"m{number}")
        tar += (fill * gap)[:gap]
        tar += bytes(-len(tar) % grid)
        tar += member(names[-1], b"content")
    assert [one.text for one in seen(opened, tar + END).members] == ["first", *names]


@pytest.mark.parametrize(
    ("lost", "names"), [(1, "m3"), (100, "m3"), (512, "m3"), (2000, "m3"), (SLOT - 1, "m3"), (SLOT + 1, "m3 m4")]
)
def test_what_lies_behind_a_hole_is_found(opened: Opened, lost: int, names: str) -> None:
    found = seen(opened, TAR[: 2 * SLOT + 900] + TAR[2 * SLOT + 900 + lost :])
    # The hole, or the content before it, which seems to reach over it, took these headers.
    assert [name for name in NAMES if name not in found.names] == names.split()
    assert found.ids == ["archive-header-damaged"]
    assert found.end.verdict == "damaged"


def test_a_hole_of_whole_members_can_t_be_seen(opened: Opened) -> None:
    assert seen(opened, TAR[: 2 * SLOT] + TAR[3 * SLOT :]).is_clean


def test_a_header_of_zeros_hides_nothing_behind_it(opened: Opened) -> None:
    packed = TAR[: 3 * SLOT] + bytes(512) + TAR[3 * SLOT + 512 :]
    found = seen(opened, packed)
    assert found.names == [*NAMES[:3], *NAMES[4:]]
    assert not found.is_clean
    assert found.findings[0].evidence[0].offset == 3 * SLOT + 512
    assert_digests(found, packed)


@pytest.mark.parametrize(
    ("zeros", "id_"), [(512, "archive-zero-gap"), (1024, "archive-concatenated"), (10240, "archive-concatenated")]
)
def test_zeros_between_members_hide_nothing(opened: Opened, zeros: int, id_: str) -> None:
    found = seen(opened, TAR[: 3 * SLOT] + bytes(zeros) + TAR[3 * SLOT :])
    assert (found.names, found.ids) == (NAMES, [id_])
    (one,) = found.findings
    assert (one.detail, one.evidence[0].offset) == ("after 3 members", 3 * SLOT + zeros)


@pytest.mark.parametrize("junk", [b"j", b"junk" * 128, b"junk" * 5000], ids=["a byte", "a block", "many"])
def test_junk_behind_the_end_mark_is_told_and_hides_nothing(opened: Opened, junk: bytes) -> None:
    packed = TAR + junk
    found = seen(opened, packed)
    assert (found.names, found.ids) == (NAMES, ["archive-trailing-content"])
    assert_digests(found, packed)
    behind = seen(opened, packed + bytes(-len(packed) % 512) + member("behind") + END)
    assert behind.names == [*NAMES, "behind"]
    assert "archive-trailing-content" in behind.ids


@pytest.mark.parametrize("kind", PACK)
def test_junk_behind_the_compressed_stream_is_told(opened: Opened, kind: str) -> None:
    whole = PACK[kind](TAR)
    kinds = ((b"\7", "1 byte", "of an unknown kind"), (b"\r\n", "2 bytes", "blanks and line ends"))
    for junk, length, words in (*kinds, (b"junk" * 50_000, "200,000 bytes", "ASCII text")):
        found = seen(opened, whole + junk)
        assert (found.names, found.ids) == (NAMES, ["archive-trailing-bytes"])
        assert found.findings[0].detail.startswith(f"{length} from byte {len(whole)} on: {words}")
        assert_digests(found, whole + junk)
    padded, is_refused = seen(opened, whole + bytes(9000)), kind == "zstd"
    ids = ["archive-padding-refused" if is_refused else "archive-padding"]
    assert (padded.names, padded.ids, padded.is_clean) == (NAMES, ids, not is_refused)
    assert padded.findings[0].detail == f"9,000 bytes from byte {len(whole)} on"
    assert_digests(padded, whole + bytes(9000))


# --- a corrupt stream before a good one ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("where", ["begin", "middle", "end"])
def test_streams_behind_a_corrupt_one_are_read(opened: Opened, kind: str, where: str) -> None:
    streams = [PACK[kind](part) for part in (*PARTS[:-1], PARTS[-1] + END)]
    bad = bytearray(streams[2])
    at = {"begin": 30, "middle": len(bad) // 2, "end": len(bad) - 60}[where]
    bad[at : at + 30] = b"\xff" * 30
    packed = b"".join([*streams[:2], bytes(bad), *streams[3:]])
    found = seen(opened, packed)
    assert [name for name in found.names if name != "m2"] == [*NAMES[:2], *NAMES[3:]]
    assert_damaged(found, packed)
    assert {"archive-damaged", "archive-checksum-differs"} & set(found.ids)
    begin = sum(map(len, streams[:2]))
    first = next(one for one in found.findings if one.id in {"archive-damaged", "archive-checksum-differs"})
    (near_byte,) = re.findall(r"near byte (\d+)", first.detail)
    assert begin <= int(near_byte) <= begin + len(bad) + 4096


@pytest.mark.parametrize("bad", [[0], [1, 2], [1, 3, 5], [6, 7]], ids=str)
def test_any_of_several_gzip_members_may_be_corrupt(opened: Opened, bad: Sequence[int]) -> None:
    streams = [pack_gzip(part) for part in (*PARTS[:-1], PARTS[-1] + END)]
    for one in bad:
        streams[one] = streams[one][:1500] + b"\xff" * 40 + streams[one][1540:]
    packed = b"".join(streams)
    found = seen(opened, packed)
    assert [name for name in found.names if NAMES.index(name) not in bad] == [
        name for n, name in enumerate(NAMES) if n not in bad
    ]
    assert "archive-damaged" in found.ids
    assert_digests(found, packed)


@pytest.mark.parametrize("kind", PACK)
def test_a_stream_whose_beginning_is_corrupt_hides_none_behind_it(opened: Opened, kind: str) -> None:
    streams = [PACK[kind](part) for part in (*PARTS[:-1], PARTS[-1] + END)]
    streams[2] = b"?" + streams[2][1:]
    packed = b"".join(streams)
    found = seen(opened, packed)
    assert (found.names, found.ids) == ([*NAMES[:2], *NAMES[3:]], ["archive-damaged"])
    assert_damaged(found, packed)
    assert f"{len(streams[2]):,} bytes between two streams" in found.end.reason


# --- what a user sees ------------------------------------------------------------------------------------------------


def broken() -> Iterator[tuple[str, bytes, int]]:
    """Yield archives, each with the exit code of `members`."""
    yield "clean", GZIP, 0
    yield "padded", GZIP + bytes(512), 0
    yield "no-end", pack_gzip(TAR[: -len(END)]), 1
    yield "trailing", GZIP + b"junk", 1
    yield "zero-gap", pack_gzip(TAR[:SLOT] + bytes(512) + TAR[SLOT:]), 1
    yield "trailing-content", pack_gzip(TAR + b"junk"), 1
    yield "cut", GZIP[:-3000], 2
    yield "no-trailer", GZIP[:-8], 2
    yield "crc", flipped(GZIP, len(GZIP) - 7), 2
    yield "isize", flipped(GZIP, len(GZIP) - 2), 2
    yield "corrupt", GZIP[:9000] + b"\xff" * 64 + GZIP[9064:], 2
    yield "header", pack_gzip(flipped(TAR, 2 * SLOT)), 2
    yield "size", pack_gzip(TAR[:SLOT] + header(b"x", b"12x") + TAR[SLOT:]), 2
    yield "no-tar", pack_gzip(b"hello\n" * 300), 2
    yield "nothing", b"", 2
    yield "two-bytes", GZIP[:2], 2


BROKEN: Final = {name: (packed, code) for name, packed, code in broken()}


@pytest.mark.parametrize("name", BROKEN)
def test_exit_codes_and_json(tmp_path: Path, name: str) -> None:
    packed, code = BROKEN[name]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed)
    told, as_json = run("members", path), run("members", path, "--json", "--archive-digest", "md5")
    assert (told.code, as_json.code) == (code, code)
    assert told.err == as_json.err.partition(", md5")[0] + "\n" or not as_json.out
    if name in {"no-tar", "nothing", "two-bytes"}:
        assert (told.out, as_json.out, told.err.count("\n")) == (b"", b"", 1)
        return
    shown = json.loads(as_json.out)
    assert shown["digests"] == {one: hashlib.new(one, packed).hexdigest() for one in ("sha256", "md5")}
    assert shown["member_count"] == len(shown["members"]) == told.text.count("\n")
    assert {0: set(), 1: {"warning"}}.get(code, {"error"}) <= {one["severity"] for one in shown["findings"]}
    assert (shown["verdict"] == "complete") is (code < 2)
