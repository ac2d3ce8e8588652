"""How a file begins: as a tar does, in every compression, twice compressed, cut, corrupt, and as anything else."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive.identification import Beginning, beginning
from backupmeta.archive.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from backupmeta.evidence import EvidenceFile
from tests.archive.peers import entry, needs_bsdtar, needs_gnu_tar, run, tar
from tests.hostile import xz

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

BLOCK: Final = 64 * KIB
NOISE: Final = random.Random(4).randbytes(2 * MIB)  # noqa: S311 - can't be compressed: blocks are as long as they get
TAR: Final = tar(entry("wp-config.php", NOISE))
SHORT: Final = tar(entry("a", b"x"))
COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": xz,
}
GZIP: Final = COMPRESS["gzip"]
SKIPPABLE: Final = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"  # RFC 8878 §3.1.2


def began(opened: Opened, content: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Beginning, int]:
    """Return how ``content`` begins, and how many of its bytes were read."""
    with opened(content) as file:
        return beginning(file, limits), file.position


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("content", [TAR, SHORT], ids=["long", "short"])
def test_a_tar_in_any_compression(opened: Opened, kind: str, content: bytes) -> None:
    found, read = began(opened, COMPRESS[kind](content))
    assert found is Beginning.TAR
    assert read <= (MIB if kind == "bzip2" else BLOCK)


@pytest.mark.parametrize("outer", list(COMPRESS)[1:])
@pytest.mark.parametrize("inner", COMPRESS)
def test_a_tar_compressed_twice(opened: Opened, outer: str, inner: str) -> None:
    assert began(opened, COMPRESS[outer](COMPRESS[inner](SHORT)))[0] is Beginning.TAR


def test_three_times_is_not_looked_for(opened: Opened) -> None:
    assert began(opened, GZIP(GZIP(GZIP(SHORT))))[0] is Beginning.OTHER


@needs_gnu_tar
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
@pytest.mark.parametrize("name", ["a", "b" * 150])
def test_what_gnu_tar_writes(opened: Opened, tmp_path: Path, form: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    written = run(
        ["tar", f"--format={form}", "--ignore-failed-read", "-C", str(tmp_path), "-cf", "-", "."], codes=(0, 2)
    )
    assert began(opened, GZIP(written))[0] is Beginning.TAR


@needs_bsdtar
@pytest.mark.parametrize("kind", ["--gzip", "--xz", "--zstd", "--bzip2"])
def test_what_bsdtar_writes(opened: Opened, tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(NOISE[:BLOCK])
    assert began(opened, run(["bsdtar", kind, "-C", str(tmp_path), "-cf", "-", "."]))[0] is Beginning.TAR


def test_old_tars_without_a_magic(opened: Opened) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as into:
        into.addfile(tarfile.TarInfo("a"))
    block = bytearray(written.getvalue())
    block[257:265] = bytes(8)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    assert began(opened, bytes(block))[0] is Beginning.TAR


def test_empty_streams_before_it(opened: Opened) -> None:
    assert began(opened, GZIP(b"") * 3 + GZIP(SHORT))[0] is Beginning.TAR
    assert began(opened, SKIPPABLE + COMPRESS["zstd"](SHORT))[0] is Beginning.TAR


@pytest.mark.parametrize(
    "content",
    [
        GZIP(SHORT)[:30],
        GZIP(TAR)[:15] + b"\xff" * 3000,
        lzma.compress(TAR)[:200],
        SHORT[:400],
        SHORT[:10] + b"\x01" + SHORT[11:],
        GZIP(SHORT[:10] + b"\x01" + SHORT[11:]),
    ],
    ids=["cut", "corrupt", "cut xz", "cut header", "broken header", "broken header in gzip"],
)
def test_what_breaks_before_there_is_a_header(opened: Opened, content: bytes) -> None:
    assert began(opened, content)[0] is Beginning.BROKEN


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\0" * BLOCK * 2, b"<!DOCTYPE html>" * 100, GZIP(b"INSERT INTO a;\n" * 100), GZIP(b""), GZIP(b"x")],
    ids=["nothing", "a byte", "zeros", "a page", "a dump", "compressed nothing", "a compressed byte"],
)
def test_anything_else(opened: Opened, content: bytes) -> None:
    assert began(opened, content)[0] is Beginning.OTHER


@pytest.mark.parametrize(
    "content",
    [GZIP(b"") * 50_000, GZIP(b"\0" * (64 * MIB)), GZIP(GZIP(b"") * 10**6), NOISE],
    ids=["empty streams", "a bomb", "empty streams in a stream", "noise"],
)
def test_no_more_is_read_than_a_block(opened: Opened, content: bytes) -> None:
    found, read = began(opened, content)
    assert found is not Beginning.TAR
    assert read <= BLOCK


def test_a_bomb_that_gives_nothing_ends(opened: Opened) -> None:
    nothing = b"\x1f\x8b\x08" + bytes(7) + b"\0\0\0\xff\xff" * (4 * MIB)  # RFC 1951 §3.2.4: empty stored blocks
    found, read = began(opened, nothing)
    assert (found, read <= 2 * MIB) == (Beginning.BROKEN, True)
    assert began(opened, GZIP(nothing))[0] is Beginning.BROKEN


def test_a_window_over_the_limit_is_not_opened(opened: Opened) -> None:
    assert began(opened, lzma.compress(SHORT, preset=9), Limits(window_bytes=MIB))[0] is Beginning.BROKEN


@given(content=st.binary(max_size=600), kind=st.sampled_from(sorted(COMPRESS)), end=st.integers(0, 4000))
def test_nothing_is_raised(opened: Opened, content: bytes, kind: str, end: int) -> None:
    began(opened, content)
    began(opened, COMPRESS[kind](content)[:end])
    began(opened, COMPRESS[kind](SHORT)[:end] + content)
