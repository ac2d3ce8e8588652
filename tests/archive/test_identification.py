"""What a file is that is no archive: own signatures, libmagic, and machines that have none."""

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import re
import shutil
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive import identification
from backupmeta.archive.compression import likely_cause
from backupmeta.archive.identification import describe, is_torn_header, stray
from backupmeta.errors import DamagedError, NotAnArchiveError
from tests.archive.peers import run
from tests.hostile import END, Opened, header, member, seen, xz

HTML = b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head><body></body></html>\n"


@pytest.fixture
def no_detector_yet() -> Iterator[None]:
    """Forget which libmagic was found, before and after."""
    identification._detector.cache_clear()
    yield
    identification._detector.cache_clear()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"", "empty"),
        (HTML, "HTML document"),
        (b"<?php\nrequire 'wp-load.php';\n", "a PHP script"),
        (b"PK\x03\x04" + bytes(40), "a zip archive"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"Salted__" + bytes(range(100, 164)), r"encrypted \(openssl enc\)"),
        (b"age-encryption.org/v1\n-> X25519 ", r"encrypted \(age\)"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA", r"encrypted \(PGP\)"),
        (b"\x85\x01\x0c\x03" + bytes(range(8)) + b"\x07\xff" + bytes(60), "PGP"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-zip archive"),
        (b"SQLite format 3\0" + bytes(84), "an SQLite database"),
        (b"plain words\n", "ASCII text"),
        (b"\0\1\2\3\4\5" * 10, "of an unknown kind"),
    ],
)
def test_a_file_is_named(block: bytes, words: str) -> None:
    assert re.search(words, describe(block).words)


@given(st.binary(max_size=200))
def test_describing_never_raises_and_stays_on_one_line(block: bytes) -> None:
    assert describe(block).words.isprintable()


@pytest.mark.usefixtures("no_detector_yet")
def test_without_python_magic_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "magic", None)
    monkeypatch.setattr(identification, "_load_bundled_library", lambda: None)
    assert describe(HTML).words == "of an unknown kind"
    assert describe(b"PK\x03\x04").words == "a zip archive"


@pytest.mark.usefixtures("no_detector_yet")
def test_a_libmagic_without_a_database_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import magic

    def refuse(**_: object) -> None:
        raise magic.MagicException("could not find any valid magic files!")

    monkeypatch.setattr(magic, "Magic", refuse)
    assert describe(HTML).words == "of an unknown kind"


@pytest.mark.usefixtures("no_detector_yet")
def test_a_libmagic_that_fails_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import magic

    class Failing:
        def from_buffer(self, buf: bytes) -> str:
            raise magic.MagicException(f"regex error in {len(buf)} bytes")

    monkeypatch.setattr(identification, "_detector", Failing)
    assert describe(HTML).words == "of an unknown kind"


@pytest.mark.parametrize("found", [None, "/nonexistent/libmagic.so.1"])
def test_no_bundled_library_is_no_error(found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identification, "_bundled", lambda _name: found)
    assert identification._load_bundled_library() is None


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="pylibmagic is for Linux and macOS")
def test_the_bundled_database_is_found_without_importing_its_package() -> None:
    found = identification._bundled("magic.mgc")
    assert found is not None
    assert Path(found).stat().st_size > 10**6
    assert identification._bundled("absent") is None
    assert "pylibmagic" not in sys.modules


def test_a_package_that_is_not_there_bundles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identification, "find_spec", lambda _name: None)
    assert identification._bundled("magic.mgc") is None


WITHOUT_SYSTEM_LIBMAGIC = """
    import ctypes, ctypes.util, json, os, sys

    find, load = ctypes.util.find_library, ctypes.CDLL

    def found(name):
        return None if name == "magic" else find(name)

    class Loaded(load):
        here = False

        def __init__(self, name, *rest, **more):
            if str(name).startswith("libmagic") and not Loaded.here:
                raise OSError(f"{name}: cannot open shared object file")
            Loaded.here = Loaded.here or "magic" in str(name)
            super().__init__(name, *rest, **more)

    ctypes.util.find_library, ctypes.CDLL = found, Loaded
    before = dict(os.environ)
    HIDE_BUNDLED
    from backupmeta.archive.identification import describe

    print(json.dumps([describe(sys.argv[1].encode()).words, "pylibmagic" in sys.modules, dict(os.environ) == before]))
"""


def describe_elsewhere(hide: str) -> list[object]:
    script = textwrap.dedent(WITHOUT_SYSTEM_LIBMAGIC).replace("HIDE_BUNDLED", hide)
    command = [sys.executable, "-c", script, HTML.decode()]
    found: list[object] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    return found


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="pylibmagic is for Linux and macOS")
def test_where_the_system_has_no_libmagic_the_bundled_one_is_loaded_by_its_path() -> None:
    words, is_imported, is_environment_unchanged = describe_elsewhere("")
    assert str(words).startswith("HTML document")
    assert (is_imported, is_environment_unchanged) == (False, True)


def test_where_there_is_none_at_all_nothing_is_known() -> None:
    hide = "import importlib.util; importlib.util.find_spec = lambda name: None"
    assert describe_elsewhere(hide) == ["of an unknown kind", False, True]


# --- what is recognised without libmagic ------------------------------------------------------------------------------

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 23456789\n"
NOISE = hashlib.shake_128(b"noise").digest(9000)
GZIP = gzip.compress(NOISE, mtime=0)


def partitioned(kind: int = 0x83) -> bytes:
    """Return a disk's first sectors: a boot sector with one partition of ``kind``."""
    entry = b"\x80\1\1\0" + bytes([kind]) + b"\xfe\xff\xff" + struct.pack("<II", 2048, 204_800)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def ext(state: int = 1) -> bytes:
    """Return the beginning of an ext file system: its superblock stands 1,024 bytes into it."""
    return bytes(1024 + 56) + struct.pack("<HHH", 0xEF53, state, 1) + bytes(900)


IMAGES = {
    "MBR": (partitioned(), "partition table"),
    "GPT": (partitioned(0xEE) + b"EFI PART" + bytes(504), "GPT"),
    "ISO": (bytes(32768) + b"\1CD001\1" + bytes(2041), "ISO 9660"),
    "UDF": (bytes(32768) + b"\0BEA01\1" + bytes(2041), "UDF"),
    "ext": (ext(), "ext2, ext3 or ext4"),
    "NTFS": (b"\xeb\x52\x90NTFS    " + bytes(499) + b"\x55\xaa", "NTFS"),
    "FAT": (b"\xeb\x3c\x90mkfs.fat" + bytes(43) + b"FAT16   " + bytes(448) + b"\x55\xaa", "FAT"),
    "FAT32": (b"\xeb\x58\x90mkfs.fat" + bytes(71) + b"FAT32   " + bytes(420) + b"\x55\xaa", "FAT"),
    "XFS": (b"XFSB" + bytes(508), "XFS"),
    "squashfs": (b"hsqs" + bytes(92), "squashfs"),
    "QEMU": (b"QFI\xfb\0\0\0\3" + bytes(96), "QEMU"),
    "EnCase": (b"EVF\x09\x0d\x0a\xff\x00\1\1\0\0\0" + bytes(64), "EnCase"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_disk_images_are_named_and_never_read_as_archives(opened: Opened, name: str) -> None:
    content, words = IMAGES[name]
    found = describe(content)
    assert words in found.words
    assert "--sysroot" in found.advice
    with pytest.raises(NotAnArchiveError, match=f"gzip, but no tar inside: .*{words}"):
        seen(opened, gzip.compress(content + bytes(9000) + b"files"))
    for behind in (b"", member("a", b"1") + END, gzip.compress(member("a") + END)):
        with pytest.raises(NotAnArchiveError, match=words) as told:
            seen(opened, content + behind)
        assert told.value.advice == found.advice


@pytest.mark.parametrize("block", [partitioned(0), ext(state=99), bytes(510) + b"\x55\xaa"])
def test_a_lone_signature_makes_no_disk(block: bytes) -> None:
    assert identification.container(block) is None


def test_a_tar_in_which_such_signatures_stand_is_a_tar(opened: Opened) -> None:
    content = bytearray(member("a", bytes(70_000)) + END)
    for at, sign in ((1080, b"\x53\xef\1\0\1\0"), (32769, b"CD001"), (512, b"EFI PART")):
        content[at : at + len(sign)] = sign
    assert (seen(opened, bytes(content)).names, seen(opened, bytes(content)).ids) == (["a"], [])


def test_a_git_lfs_pointer_has_its_advice() -> None:
    assert describe(LFS) == ("a Git LFS pointer, not the file", "run 'git lfs pull'")


@pytest.mark.parametrize("preset", range(10))
def test_lzma_alone_is_told_by_its_header(preset: int) -> None:
    for content in (NOISE, b"words " * 999, b""):
        assert "LZMA alone" in describe(lzma.compress(content, format=lzma.FORMAT_ALONE, preset=preset)).words


@pytest.mark.skipif(shutil.which("xz") is None, reason="no xz here")
def test_lzma_alone_as_xz_writes_it(opened: Opened) -> None:
    packed = run(["xz", "--format=lzma", "-c"], member("a", NOISE) + END)
    with pytest.raises(NotAnArchiveError, match=r"LZMA alone.*unpack it first"):
        seen(opened, packed)


@given(st.binary(min_size=18, max_size=40).filter(lambda block: block[0] != 0x5D))
def test_little_else_is_taken_for_lzma(block: bytes) -> None:
    window, length = int.from_bytes(block[1:5], "little"), int.from_bytes(block[5:13], "little")
    is_told = "LZMA alone" in describe(block).words
    assert not is_told or (window.bit_count() <= 2 and (length < 2**38 or length == 2**64 - 1) and not block[13])


@pytest.mark.skipif(shutil.which("lz4") is None, reason="no lz4 here")
@pytest.mark.parametrize("options", [[], ["-l"]], ids=["frame", "legacy"])
def test_lz4_is_named(opened: Opened, options: list[str]) -> None:
    packed = run(["lz4", "-c", *options], member("a", NOISE) + END)
    with pytest.raises(NotAnArchiveError, match=r"compressed by lz4.*unpack it first: 'lz4 -d'"):
        seen(opened, packed)


@pytest.mark.parametrize(
    "encode",
    [base64.b64encode, base64.encodebytes, lambda raw: b"data:application/gzip;base64," + base64.b64encode(raw)],
    ids=["one line", "lines", "a URI"],
)
def test_base64_is_named_with_what_it_holds(encode: Callable[[bytes], bytes]) -> None:
    for packed, name in (
        (GZIP, "a gzip stream"),
        (bz2.compress(NOISE), "a bzip2 stream"),
        (member("a", NOISE), "a tar"),
    ):
        assert describe(encode(packed)) == (f"base64 of {name}", "decode it first: 'base64 -d'")
    for other in (NOISE, b"words"):
        assert "base64" not in describe(base64.b64encode(other)).words


def test_conversions_as_if_it_were_text_are_named() -> None:
    for packed, name in ((GZIP, "gzip"), (lzma.compress(NOISE), "xz"), (b"\x28\xb5\x2f\xfd" + NOISE, "zstd")):
        converted = describe(packed.decode("latin-1").encode())
        assert converted.words == f"a {name} stream, converted from Latin-1 to UTF-8 as if it were text"
        replaced = describe(packed.decode("utf-8", "replace").encode())
        assert replaced.words == f"a {name} stream, converted as if it were text; bytes of it are lost"
        assert {converted.advice, replaced.advice} == {"fetch it again, in binary mode"}


def test_why_a_stream_is_corrupt() -> None:
    assert "transferred as text" in likely_cause(GZIP.replace(b"\n", b"\r\n"))
    bzip2 = bz2.compress(NOISE)
    for cut in range(5):
        assert "as if it were text" in likely_cause(bzip2.decode("latin-1").encode()[: 5000 - cut])
    assert likely_cause(b"") == likely_cause(GZIP) == likely_cause(bzip2) == ""


@given(st.binary(max_size=600))
def test_a_cause_is_told_of_text_alone(block: bytes) -> None:
    cause = likely_cause(block)
    assert not cause or block.count(b"\n") == block.count(b"\r\n") >= 4 or block[:-3].decode()


@pytest.mark.parametrize("kind", ["gzip", "bzip2"])
def test_damage_tells_its_cause(opened: Opened, kind: str) -> None:
    # of each kind a stream before it, which has no line feed, so that its member is read
    first, tar = member("a"), member("b", b"".join(b"%d" % (n * n) for n in range(9000))) + END
    pack: Callable[[bytes], bytes] = bz2.compress if kind == "bzip2" else lambda part: gzip.compress(part, mtime=0)
    packed = pack(first) + pack(tar)
    assert b"\n" not in pack(first)
    (one,) = seen(opened, packed.replace(b"\n", b"\r\n")).of("archive-damaged")
    assert "it was transferred as text; fetch it again, in binary mode" in one.detail


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (b"\xef\xbb\xbf", "a byte order mark"),
        (b" \r\n\t", "blanks and line ends"),
        (b"PHP Warning:  Undefined array key", "a message of PHP"),
        (b"<br />\n<b>Deprecated</b>: ", "a message of PHP"),
        (b"Content-Length: 3\r\n\r\n", "HTTP headers"),
        (b"<!-- cached -->\n", "HTML"),
        (b"<script>stats()</script>", "HTML"),
        (b"PK\x03\x04" + bytes(30), "a zip archive"),
        (b"some words\n", "ASCII text"),
        (b"\7", "of an unknown kind"),
    ],
)
def test_stray_bytes_are_named(sample: bytes, words: str) -> None:
    assert stray(sample).startswith(words)


# --- a tar that breaks off, or is broken, in its first header ---------------------------------------------------------

FIRST = member("APP-META.INI", b"installer=wordpress\n")
OLD = bytearray(header(b"wp-config.php", 5))
OLD[257:] = bytes(255)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_cut_in_its_first_header_is_a_cut_tar(suffix: str) -> None:
    for block in (FIRST, bytes(OLD), header(b"d" * 100)):
        for cut in range(1, 512):
            is_telling = suffix == ".tar" or cut >= 108 or b"\0" in block[: min(cut, 100)]
            assert is_torn_header(block[:cut], f"app_a{suffix}") >= is_telling, cut


@pytest.mark.parametrize(
    "block",
    [b"", b"\n", b"<html>", b"words\n", bytes(300), bytes(2000), b"backup-note=\ninstaller=wordpress\n", NOISE, LFS],
)
def test_anything_else_is_no_cut_tar(block: bytes) -> None:
    for cut in (300, 511, 9000):
        assert not is_torn_header(block[:cut], "a.tar")


def test_a_cut_or_broken_first_header_is_told_in_any_packing(opened: Opened) -> None:
    broken = FIRST[:150] + b"999" + FIRST[153:512]
    for pack in (bytes, gzip.compress, bz2.compress, xz):
        with pytest.raises(DamagedError, match="cut off in its first header") as told:
            seen(opened, pack(FIRST[:300]))
        assert (told.value.verdict, told.value.offset) == ("truncated", len(pack(FIRST[:300])))
        with pytest.raises(DamagedError, match="first header is broken") as told:
            seen(opened, pack(broken))
        assert told.value.verdict == "damaged"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_behind_a_broken_first_header_the_walk_goes_on(opened: Opened, pack: Callable[[bytes], bytes]) -> None:
    tar = FIRST + member("index.php", b"<?php\n") + END
    for at in (0, 150, 257):
        found = seen(opened, pack(tar[:at] + b"\xff\xfe\xfd" + tar[at + 3 :]))
        assert (found.names, found.ids) == (["index.php"], ["archive-header-damaged"])


def test_zeros_alone_are_named_and_an_empty_tar_is_one(opened: Opened) -> None:
    for content in (bytes(1), bytes(512), bytes(4096), bytes(10240), bytes(200_000), gzip.compress(bytes(4096))):
        with pytest.raises(NotAnArchiveError, match="nothing but zeros"):
            seen(opened, content)
    for content in (bytes(1024), bytes(10240)):
        assert seen(opened, gzip.compress(content)).end.verdict == "complete"
    assert "archive-trailing-content" in seen(opened, bytes(4096) + b"j").ids
