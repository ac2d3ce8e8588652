"""Archives made to cost memory or time, or to look harmless: flat memory, a limit's name, nothing hidden."""

import base64
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import zstandard
from writers import installatron as writer

from backupmeta.archive.limits import Limits
from tests.endless import ENDLESS
from tests.hostile import END, MIB, Opened, Seen, header, long_name, member, pax, seen
from tests.invented import run
from tests.measured import COMMAND, KIBIBYTES_MORE, Outcome, measured

posix = pytest.mark.skipif(sys.platform == "win32", reason="resource.getrusage of POSIX")

IDLE: Final = """
from backupmeta.cli import commands, file_cmds, output
from backupmeta.archive import digests, dump, reader
from backupmeta.render import backups, members
from isal import igzip_lib
import bz2, difflib, lzma, unicodedata, zlib, zstandard
"""

FIRST: Final = member("first", b"1")
LAST: Final = member("last", b"2") + END


def packed(part: bytes, level: int = 6) -> bytes:
    return gzip.compress(part, level, mtime=0)


@pytest.fixture(scope="module")
def idle() -> int:
    """Measure a process that imports what `members` does, and does nothing; in KiB."""
    return measured(IDLE).peak


# --- memory and time, in processes of their own ----------------------------------------------------------------------


def huge_pax_header() -> bytes:
    """Return a gzip of 300 kB with a pax header that holds one value of 300 MiB."""
    size = 300 * MIB
    block = writer.header(b"PaxHeaders/x", size, 0, 0o644, b"x")
    return (
        packed(FIRST + block) + packed(b"x" * 16 * MIB) * (size // (16 * MIB)) + packed(bytes(size % (16 * MIB)) + LAST)
    )


def endless_pax_headers() -> bytes:
    return packed(FIRST + pax([(b"comment", b"x" * 400)]) * 100_000 + LAST)


def many_members() -> bytes:
    """Return 50,000 empty members of 1,000 names."""
    return packed(b"".join(header(b"%d" % n) for n in range(1000))) * 50 + packed(LAST)


def many_names() -> bytes:
    """Return more members than names are compared for, with names of their own."""
    first = header(b"000000")
    total = int(first[148:154], 8) - sum(first[:6])
    names = (b"%06d" % n for n in range(110_000))
    return packed(b"".join(n + first[6:148] + b"%06o" % (total + sum(n)) + first[154:] for n in names) + LAST, 1)


def many_links(target: Callable[[int], bytes]) -> bytes:
    return packed(b"".join(header(b"%d" % n, 0, b"2", link=target(n)) for n in range(30_000)) + LAST, 1)


def deep_names() -> bytes:
    """Return names of a thousand folders each, beside a link."""
    return packed(header(b"l", 0, b"2", link=b"t") + (long_name(b"a/" * 2040) + header(b"x")) * 5000 + LAST)


def bad_names(length: int) -> bytes:
    """Return 200 names of ``length`` bytes, each with all that is wrong with names."""
    names = (b"/../\x1b\xff\xf0\x9f\x8e\x88%d" % (n % 100) + b"n" * length for n in range(200))
    return packed(b"".join(long_name(name) + header(b"x", mode=b"0007777") for name in names) + LAST)


def pax_names() -> bytes:
    names = (b"/../\x1b\xff\xf0\x9f\x8e\x88%d" % n + b"n" * 900_000 for n in range(20))
    return packed(
        b"".join(pax([(b"path", name), (b"linkpath", name[:60_000])]) + header(b"x") for name in names) + LAST
    )


def global_names() -> bytes:
    """Return one global pax header that gives many members a name of 60 kB."""
    return packed(FIRST + pax([(b"path", b"n" * 60_000)], b"g") + header(b"x") * 2000 + LAST)


def zeros(size: int) -> bytes:
    return packed(FIRST) + packed(bytes(16 * MIB)) * (size // (16 * MIB)) + packed(LAST)


def zstd_with_window(log: int) -> bytes:
    """Return a zstd frame that asks for a window of ``2 ** log`` bytes (RFC 8878 §3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd" + bytes([0, (log - 10) << 3]) + (1 | 1 << 1 | 2**17 << 3).to_bytes(3, "little") + b"x"


def xz_with_dictionary() -> bytes:
    """Return an xz stream whose block asks for a dictionary of 4 GiB - 1 (the .xz file format, §3.1, §5.3.1)."""
    block = b"\x02\x00\x21\x01\x28\x00\x00\x00"
    start = b"\xfd7zXZ\0" + b"\0\1" + zlib.crc32(b"\0\1").to_bytes(4, "little")
    return start + block + zlib.crc32(block).to_bytes(4, "little") + bytes(100)


def gzip_names(length: int, count: int = 1) -> bytes:
    """Return gzip members with all optional parts, as long as they may be (RFC 1952 §2.3)."""
    start = b"\x1f\x8b\x08\x1c\0\0\0\0\0\3\xff\xff" + b"e" * 65535 + b"n" * length + b"\0" + b"c" * length + b"\0"
    return (start + packed(b"")[10:]) * count + packed(LAST)


def full_of_magic() -> bytes:
    """Return damage followed by 4 MiB of what a header is searched by."""
    junk = (b"0000000 " + b"ustar" + b"000") * (4 * MIB // 16)
    return FIRST + b"\1" * 512 + junk + LAST


def full_of_signatures(count: int) -> bytes:
    """Return a corrupt gzip stream followed by ``count`` beginnings of streams that are none."""
    bad = packed(FIRST + hashlib.shake_128(b"x").digest(9000))
    return bad[:3000] + b"\xff" * 60 + b"\x1f\x8b\x08\0\0\0\0\0\0\3\x07" * count


def twice(part: bytes) -> bytes:
    return packed(packed(part, 9), 9)


def damaged_inside() -> bytes:
    """Return a gzip of a thousand gzip streams, each corrupt behind its first member."""
    noise = (hashlib.shake_128(b"%d" % n).digest(3000) for n in range(1000))
    return packed(b"".join(packed(FIRST + one)[:-40] + b"\xff" * 40 for one in noise) + packed(LAST))


def false_beginnings() -> bytes:
    """Return bytes that are full of beginnings of streams, most of them good, none of a tar."""
    frame = zstd_with_window(27)
    return b"j" + b"".join(packed(bytes(MIB)) + frame * 20 for _ in range(40)) + packed(FIRST + LAST)


def skippable(length: int, count: int) -> bytes:
    """Return an archive behind zstd frames that hold no content (RFC 8878 §3.1.2)."""
    frame = b"\x50\x2a\x4d\x18" + length.to_bytes(4, "little") + bytes(length)
    return frame * count + zstandard.compress(FIRST + LAST)


def map_of_holes() -> bytes:
    """Return a sparse file whose map of 60,000 runs takes nearly a MiB of its content (pax 1.0)."""
    numbers = b"".join(b"%d\n1\n" % (20 * n) for n in range(60_000))
    content = writer.padded(b"60000\n" + numbers) + b"x" * 60_000
    return packed(sparse(2_000_000) + header(b"s", len(content)) + writer.padded(content) + LAST)


def sparse(size: int, *more: tuple[bytes, bytes]) -> bytes:
    """Return the pax header of a sparse file of ``size`` bytes; its map stands in its content unless there is more."""
    version = more or ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))
    return pax([(b"GNU.sparse.name", b"s"), (b"GNU.sparse.realsize", b"%d" % size), *version])


def huge_holes() -> bytes:
    return packed(sparse(2**40, (b"GNU.sparse.map", b"0,1")) + header(b"s", 1) + writer.padded(b"x") + LAST)


def hard_links(count: int, target: Callable[[int], bytes]) -> bytes:
    """Return a file, and hard links to what comes before them."""
    links = (header(b"%d" % n, 0, b"1", link=target(n)) for n in range(1, count + 1))
    return packed(member("0", b"linked") + b"".join(links) + LAST, 1)


def many_pax_headers() -> bytes:
    return packed(FIRST + pax([]) * 300_000 + LAST, 1)


def names_twice() -> bytes:
    once = b"".join(header(b"%d" % n) for n in range(25_000))
    return packed(once + once + LAST, 1)


def many_readings() -> bytes:
    """Return members before each of which 1,000 headers give names of their own."""
    headers = (b"".join(pax([(b"path", b"../%d-%d" % (at, n))]) for n in range(1000)) for at in range(50))
    return packed(b"".join(one + header(b"x") for one in headers) + LAST, 1)


ATTACKS: Final[dict[str, tuple[Callable[[], bytes], str, str]]] = {
    # what the file is, the limits that are set, and the end of what is said, up to the digest
    "one huge pax header": (huge_pax_header, "", "limit: extension headers of 314,573,312 bytes; "),
    "endless small pax headers": (endless_pax_headers, "ratio=100000", "limit: extension headers of 1,049,"),
    "a zip bomb": (lambda: packed(FIRST) + packed(bytes(128 * MIB)), "", "limit: inflates to more than 200 times"),
    "endless zeros": (lambda: zeros(256 * MIB), "ratio=100000", "complete; 2 members"),
    "a zstd window of 2 GiB": (lambda: zstd_with_window(31), "", "over the limit window_bytes"),
    "an xz dictionary of 4 GiB": (xz_with_dictionary, "", "over the limit window_bytes"),
    "many members": (many_members, "ratio=100000", "complete; 50,001 members"),
    "many names": (many_names, "ratio=100000", "complete; 110,001 members"),
    "many links": (lambda: many_links(lambda _: b"t"), "ratio=100000", "complete; 30,001 members"),
    "links in a circle": (lambda: many_links(lambda n: b"%d" % (n + 1)), "ratio=100000", "complete; 30,001 members"),
    "deep names": (deep_names, "ratio=100000", "complete; 5,002 members"),
    "bad names": (lambda: bad_names(65_000), "ratio=100000", "complete; 201 members"),
    "names of 1 MB": (lambda: bad_names(10**6), "ratio=100000", "limit: a name of 1,000,0"),
    "names of 1 MB in pax": (pax_names, "ratio=100000", "limit: a name of 900,0"),
    "a name for all": (global_names, "ratio=100000", "complete; 2,002 members"),
    "a gzip name of 1 MB": (lambda: gzip_names(MIB), "", "over the limit name_bytes"),
    "gzip names": (lambda: gzip_names(65_000, 50), "", "complete; 1 member"),
    "tiny gzip members": (lambda: packed(FIRST) + packed(b"") * 50_000 + packed(LAST), "", "complete; 2 members"),
    "full of magic": (full_of_magic, "", "damaged: 4,194,816 bytes from inflated byte 1024 on hold no tar header; 2 "),
    "full of signatures": (lambda: full_of_signatures(20_000), "", "damaged: "),
    "a zip bomb in gzip": (
        lambda: packed(packed(FIRST) + packed(bytes(128 * MIB))),
        "",
        "limit: inflates to more than ",
    ),
    "a zip bomb twice": (
        lambda: twice(FIRST + header(b"z", 512 * MIB) + bytes(80 * MIB)),
        "",
        "limit: inflates to more",
    ),
    "a bomb whose outer layer is the large one": (lambda: packed(packed(FIRST) + bytes(128 * MIB)), "", "limit: holds"),
    "zstd windows in zstd": (lambda: zstandard.compress(zstd_with_window(27)), "", "over the limit window_bytes"),
    "two layers of zeros": (lambda: packed(zeros(64 * MIB)), "ratio=10000000", "complete; 2 members"),
    "damage in an inner layer": (damaged_inside, "", "damaged: "),
    "junk in an inner layer": (lambda: packed((packed(FIRST) + b"junk") * 2000 + packed(LAST)), "", "damaged: 4 bytes"),
    "layers without end": (lambda: twice(twice(twice(FIRST + LAST))), "", "compressed more than twice"),
    "false beginnings": (false_beginnings, "", "no archive"),
    "a long skippable frame": (lambda: skippable(64 * MIB, 1), "", "complete; 2 members"),
    "skippable frames": (lambda: skippable(0, 50_000), "", "complete; 2 members"),
    "zeros alone": (lambda: bytes(64 * MIB), "", "nothing but zeros"),
    "zeros between streams": (lambda: packed(FIRST) + bytes(64 * MIB) + packed(LAST), "", "complete; 2 members"),
    "zeros behind a cut stream": (lambda: packed(FIRST + LAST)[:-60] + bytes(64 * MIB), "", "over the limit ratio"),
    "a map of holes": (map_of_holes, "", "complete; 2 members"),
    "holes of a terabyte": (huge_holes, "", "limit: holes of more than 67,108,864 bytes"),
    "hard links": (lambda: hard_links(30_000, lambda _: b"0"), "ratio=100000", "complete; 30,002 members"),
    "a chain of hard links": (
        lambda: hard_links(30_000, lambda n: b"%d" % (n - 1)),
        "ratio=100000",
        "complete; 30,002 ",
    ),
    "many pax headers": (many_pax_headers, "ratio=100000", "limit: extension headers of 1,04"),
    "each name twice": (names_twice, "ratio=100000", "complete; 50,001 members"),
    "many readings": (many_readings, "ratio=100000", "complete; 51 members"),
}


@posix
@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_costs_memory(tmp_path: Path, idle: int, name: str) -> None:
    make, limits, words = ATTACKS[name]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make())
    arguments = [word for limit in limits.split() for word in ("--bound", limit)]
    command = ["members", str(path), "--json", "--member-digest", "sha256", *arguments]
    outcome = measured(COMMAND, *command, keeps_out=False)
    assert_flat(outcome, idle)
    assert words in outcome.err.splitlines()[-1]
    assert outcome.code == 2 or words.startswith("complete")


_ALL_LINKS: Final = """
import sys
from backupmeta.archive.reader import Pass
from backupmeta.evidence import open_named

class Wanted:
    told = 0
    def wants(self, member):
        return self if member.kind == "hard link" else None
    def take(self, piece):
        pass
    def close(self, missing):
        Wanted.told += 1

with open_named(sys.argv[1]) as file:
    found = Pass(file, consumers=[Wanted()])
    for _ in found:
        pass
    print(Wanted.told, {one.id for one in found.findings()})
"""


@posix
@pytest.mark.long
def test_hard_links_that_are_all_asked_for_cost_no_memory(tmp_path: Path, idle: int) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(hard_links(99_000, lambda n: b"%d" % (n - 1)))
    outcome = measured(_ALL_LINKS, str(path))
    assert_flat(outcome, idle)
    assert outcome.out == "99000 {'limit-exceeded'}\n"


def assert_flat(outcome: Outcome, idle: int) -> None:
    assert "Traceback" not in outcome.err
    assert outcome.peak - idle <= KIBIBYTES_MORE, outcome.peak - idle
    assert outcome.seconds < ENDLESS
    assert len(outcome.err) < 4 * MIB


@posix
def test_many_records_cost_a_head_no_memory(tmp_path: Path, idle: int) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(header(b"old/APP-META.INI") * 200_000 + LAST))
    assert_flat(measured(COMMAND, "view", str(path), "--bound", "ratio=100000", keeps_out=False), idle)


@posix
def test_4_gib_are_walked_in_flat_memory(tmp_path: Path, idle: int) -> None:
    size = 4096 * MIB
    big = header(b"big", b"\x80" + size.to_bytes(11, "big"))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(big) + packed(bytes(64 * MIB)) * 64 + packed(LAST))
    outcome = measured(COMMAND, "members", str(path), "--bound", "ratio=2000")
    assert_flat(outcome, idle)
    assert [line.split()[-1] for line in outcome.out.splitlines()] == ["big", "last"]
    assert f"complete; 2 members, {size + 512 + len(LAST):,} bytes inflated" in outcome.err


@posix
def test_the_limit_on_time_ends_a_search_for_streams(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(full_of_signatures(400_000))
    outcome = measured(COMMAND, "members", str(path), "--bound", "seconds=1")
    assert (outcome.code, outcome.out.split()[-1]) == (2, "first")
    assert "takes more than 1 second," in outcome.err


# --- each limit is what ends it --------------------------------------------------------------------------------------

TENTH: Final = b"".join(hashlib.shake_128(b"%d" % n).digest(100) + bytes(924) for n in range(1024))
"""A MiB of which a tenth is left when it is compressed."""

LIMITED: Final[dict[str, Callable[[], bytes]]] = {
    "name_bytes=150": lambda: packed(FIRST + long_name(b"n" * 150) + header(b"n") + LAST),
    "name_bytes=151": lambda: packed(FIRST + pax([(b"path", b"n" * 152)]) + header(b"n") + LAST),
    "pax_bytes=1000": lambda: packed(FIRST + pax([(b"path", b"n" * 600)]) + header(b"n") + LAST),
    "inflated_bytes=2000": lambda: packed(FIRST + LAST),
    "members=1": lambda: packed(FIRST + LAST),
    "ratio=2": lambda: packed(FIRST + header(b"z", 65 * MIB)) + packed(TENTH) * 65 + packed(LAST),
    "seconds=0": lambda: packed(FIRST) + packed(LAST),
    "window_bytes=1M": lambda: zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=23)
    ).compress(FIRST + bytes(9 * MIB)),
}


@pytest.mark.parametrize("limit", LIMITED)
def test_each_limit_can_be_set_and_ends_the_walk(tmp_path: Path, limit: str) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(LIMITED[limit]())
    without, told = run("members", path), run("members", path, "--bound", limit)
    as_json = run("members", path, "--json", "--bound", limit)
    assert without.code < 2
    assert (told.code, as_json.code) == (2, 2)
    if not as_json.out:
        assert f"over the limit {limit.partition('=')[0]}" in told.err
        return
    assert as_json.json["verdict"] == "limit"
    assert "limit-exceeded" in [one["id"] for one in as_json.json["findings"]]


def test_fewer_names_are_compared_where_the_limit_says_so(opened: Opened) -> None:
    twice = header(b"a") + header(b"b") + header(b"b") + header(b"a") + END
    assert [one.subject for one in seen(opened, twice).of("member-name-duplicate")] == ["b", "a"]
    found = seen(opened, twice, Limits(names=1))
    assert [one.subject for one in found.of("member-name-duplicate")] == ["a"]
    assert "names-not-compared" in found.ids


@pytest.mark.parametrize(
    "over",
    [
        long_name(b"n" * 70_000) + header(b"cut"),
        pax([(b"path", b"n" * 70_000)]) + header(b"cut"),
        pax([(b"comment", b"n" * MIB)]) + header(b"cut"),
    ],
    ids=["a long name", "a pax name", "a pax header"],
)
def test_behind_what_is_over_a_limit_the_walk_goes_on(opened: Opened, over: bytes) -> None:
    content = FIRST + over + LAST
    found = seen(opened, content)
    assert (found.names, found.ids) == (["first", "cut", "last"], ["limit-exceeded"])
    assert found.digests["sha256"] == hashlib.sha256(content).hexdigest()


# --- sizes that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "ids"),
    [
        (b"\x80\0\0\0\x80" + bytes(7), ["member-oversized", "archive-header-damaged"]),
        (b"\x80" + b"\xff" * 11, ["member-oversized", "archive-header-damaged"]),
        (b"\xff" * 12, ["member-number", "archive-header-damaged"]),
        (b"\xff" + bytes(11), ["member-number", "archive-header-damaged"]),
        (b"12x", ["member-number", "archive-header-damaged"]),
        (b"-1", ["member-number", "archive-header-damaged"]),
        (b"99999999999", ["member-number", "archive-header-damaged"]),
    ],
    ids=["2^63", "2^88", "-1 in base 256", "-2^88", "12x", "-1", "nines"],
)
@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"S"], ids=["file", "pax", "long name", "sparse"])
def test_members_behind_a_size_that_is_none_are_listed(
    opened: Opened, size: bytes, ids: list[str], kind: bytes
) -> None:
    for content in (FIRST + header(b"huge", size, kind) + LAST, packed(FIRST + header(b"huge", size, kind) + LAST)):
        found = seen(opened, content)
        assert [name for name in found.names if name != "huge"] == ["first", "last"]
        assert found.end.verdict in {"damaged", "limit"}
        if kind == b"0":
            assert found.ids == ids
            assert found.findings[0].subject == "huge"


def test_a_member_that_claims_more_than_is_there_is_cut(opened: Opened) -> None:
    found = seen(opened, FIRST + header(b"big", 8**11 - 1) + LAST)
    assert (found.names, found.ids) == (["first", "big"], ["member-cut", "archive-truncated"])
    assert found.end.verdict == "truncated"


def test_endless_sparse_maps_are_passed_over_to_the_next_header(opened: Opened) -> None:
    sparse = bytearray(header(b"sparse", 0, b"S"))
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    found = seen(opened, FIRST + bytes(sparse) + (bytes(504) + b"\1" + bytes(7)) * 5000 + LAST)
    assert [name for name in found.names if name != "sparse"] == ["first", "last"]
    assert found.ids == ["limit-exceeded", "member-sparse-map"]
    assert found.end.limit == "pax_bytes"


# --- what is shown ---------------------------------------------------------------------------------------------------

NASTY: Final = {
    "escape": b"a\x1b[31mred\x1b]0;title\x07",
    "newline": b"a\nbackupmeta: all is well",
    "return": b"a\rover",
    "c1": "a\x9b31m".encode(),
    "bidi": "photo\u202egpj.exe".encode(),
    "isolate": "a\u2066b\u2069".encode(),
    "separator": "a\u2028b".encode(),
    "latin-1": b"caf\xe9",
    "half": b"\xed\xa0\x80",
    "quote": b'"},{"a\\',
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("kind", [b"0", b"2"], ids=["name", "target"])
def test_nothing_reaches_a_terminal_as_a_command(tmp_path: Path, name: str, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    entry = header(NASTY[name], 0, b"0") if kind == b"0" else header(b"l", 0, b"2", link=NASTY[name])
    path.write_bytes(entry + entry + LAST)
    told, as_json = run("members", path), run("members", path, "--json")
    for text in (told.text, told.err, as_json.err):
        assert all(line.isprintable() for line in text.split("\n"))
        assert not any(sign in text for sign in "\u202e\u2066\u2069\u2028\x9b\x1b\r")
    assert told.text.count("\n") == 3
    assert all(line.startswith("backupmeta: ") for line in told.err.splitlines())
    first, second, _ = json.loads(as_json.out)["members"]
    assert first == {**second, "number": 1, "offset": 0}
    key = "name" if kind == b"0" else "link"
    exact = NASTY[name].decode("utf-8", "surrogateescape")
    if exact.encode("utf-8", "surrogateescape").decode("utf-8", "replace") == exact:
        assert first[key] == exact
    else:
        assert base64.b64decode(first[f"{key}_base64"]) == NASTY[name]


def test_of_many_findings_the_first_are_kept_and_the_rest_counted(opened: Opened) -> None:
    found = seen(opened, b"".join(header(b"../%d" % n) for n in range(5000)) + END)
    told = found.of("member-name-escapes")
    assert len(told) == 101
    assert [one.subject for one in told[:100]] == [f"../{n}" for n in range(100)]
    assert told[100].detail == "and 4,900 more"


def test_of_long_names_fewer_findings_are_kept_and_none_is_lost(opened: Opened) -> None:
    found: Seen = seen(
        opened, b"".join(long_name(b"../%d" % n + b"n" * 60_000) + header(b"x") for n in range(300)) + END
    )
    told = found.of("member-name-escapes")
    assert 1 < len(told) < 101
    assert told[-1].detail == f"and {300 - len(told) + 1:,} more"
    assert all(len(one.subject) < 5000 for one in told)
    assert len(found.members[0].name) == 60_004
