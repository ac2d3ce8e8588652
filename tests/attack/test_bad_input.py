"""Bad input through the real command line: one clear line, exit code 2, no hang, little memory."""

import base64
import gzip
import hashlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import zstandard
from writers import installatron as writer

from backupmeta.cli import main
from tests.endless import ENDLESS
from tests.invented import run
from tests.measured import COMMAND, KIBIBYTES_MORE, Outcome, measured

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="FIFOs, sockets and resource.getrusage of POSIX"),
    pytest.mark.untraced,  # the same lines, in many ways
]

NAME: Final = "app_example-com_My-blog-2_2024-06-13_20-55-21.tar.gz"
ID: Final = "1234567890abcdefghij12345"
MTIME: Final = 1718312121
MIB: Final = 2**20

IDLE: Final = textwrap.dedent(
    """
    from backupmeta.cli import commands, answer_cmds, file_cmds, output
    from backupmeta import library, explain
    from backupmeta.api import models
    from backupmeta.render import backups, members
    """
)


@pytest.fixture(scope="module")
def idle() -> int:
    """Measure a process that imports what `view` does, and does nothing; in KiB."""
    return measured(IDLE).peak


def assert_one_clear_line(code: int, out: str, err: str, words: str) -> None:
    assert err.count("\n") == 1, err
    assert err.startswith("backupmeta: ")
    assert words in err
    assert "Traceback" not in err
    assert (code, out) == (2, "")


def assert_little_taken(outcome: Outcome, idle: int, words: str) -> None:
    assert_one_clear_line(outcome.code, outcome.out, outcome.err, words)
    assert outcome.seconds < ENDLESS
    assert outcome.peak - idle <= KIBIBYTES_MORE


def record(**more: str) -> bytes:
    """Return a record of about 1.6 kB, as real ones are at least."""
    files = ",".join(f"wp-{hashlib.sha256(bytes([n])).hexdigest()}.php" for n in range(18))
    lines = {"backup-note": "", "installer": "wordpress", "version": "6.5.4", "owner": "exampleu"}
    lines |= {"title": "My blog (2)", "url": "https://www.example.com/blog", "list-files": files, "db-pass": "a=b;c#"}
    lines |= {"backup-install": ID, "backup-location": "local", "backup-time": str(MTIME), "backup-filename": NAME}
    return writer.record((lines | more).items())


def archive(content: bytes, *, dump: bytes = b"", before: tuple[writer.Entry, ...] = ()) -> bytes:
    entries = [
        *before,
        writer.Entry(b"APP-META.INI", content, MTIME),
        writer.Entry(b"APP-DATA.SQL", dump, MTIME),
        writer.Entry(b"index.php", b"<?php\n", MTIME),
    ]
    return writer.gzip_bytes(writer.tar_bytes(entries), MTIME)


@cache
def huge_pax_header() -> bytes:
    """Return a gzip of 300 kB whose tar begins with one pax header that holds one value of 300 MiB."""
    size = 300 * MIB
    before = writer.header(b"PaxHeaders/x", size, MTIME, 0o644, b"x") + f"{size} comment=".encode()
    behind = b"x" * (size % (16 * MIB) + writer.BLOCK - len(before) - 1) + b"\n"
    member = writer.tar_bytes([writer.Entry(b"a", b"", MTIME)])
    return (
        gzip.compress(before) + gzip.compress(b"x" * 16 * MIB) * (size // (16 * MIB)) + gzip.compress(behind + member)
    )


def many_pax_headers(count: int) -> bytes:
    """Return a gzip with ``count`` pax headers before a member, each of 1 MB and with keys of its own."""
    keys = b"".join(b"18 k#####%05d=v\n" % key for key in range(50_000))
    header = writer.header(b"x", len(keys), MTIME, 0o644, b"x")
    parts = (header + writer.padded(keys.replace(b"#####", b"%05d" % number)) for number in range(count))
    return b"".join(gzip.compress(part, 1) for part in parts)


def zstd_with_window(log: int) -> bytes:
    """Return a zstd frame that asks for a window of ``2 ** log`` bytes (RFC 8878 §3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd" + bytes([0, (log - 10) << 3]) + (1 | 1 << 1 | 2**17 << 3).to_bytes(3, "little") + b"x"


def xz_with_dictionary() -> bytes:
    """Return an xz stream whose block asks for a dictionary of 4 GiB - 1 (the .xz file format, §3.1, §5.3.1)."""
    block = b"\x02\x00\x21\x01\x28\x00\x00\x00"
    header = b"\xfd7zXZ\0" + b"\0\1" + zlib.crc32(b"\0\1").to_bytes(4, "little")
    return header + block + zlib.crc32(block).to_bytes(4, "little") + bytes(100)


def zeros_first(pack: Callable[[bytes], bytes], size: int) -> bytes:
    """Return an archive that hides its record behind ``size`` zeros."""
    zeros = writer.header(b"zeros", size, MTIME, 0o644, b"0")
    return pack(zeros) + pack(bytes(16 * MIB)) * (size // (16 * MIB)) + pack(writer.tar_bytes([]))


BAD: Final[dict[str, tuple[str, Callable[[], bytes], str]]] = {
    "an empty file": (NAME, lambda: b"", "empty"),
    "a text": (NAME, lambda: b"This is no archive.\n" * 50, "ASCII text"),
    "a zip": (NAME, lambda: b"PK\x03\x04" + bytes(2000), "a zip archive"),
    "openssl enc": (NAME, lambda: b"Salted__" + hashlib.shake_128(b"x").digest(5000), "encrypted (openssl enc)"),
    "gpg": (NAME, lambda: b"\x85\x01\x0c\x03" + hashlib.shake_128(b"x").digest(5000), "no archive"),
    "random bytes": (NAME, lambda: hashlib.shake_128(b"y").digest(100_000), "no archive"),
    "an HTML page": (NAME, lambda: b"<!DOCTYPE html>\n<html><body>503</body></html>\n", "HTML"),
    "a PHP script": (NAME, lambda: b"<?php\necho 1;\n", "a PHP script"),
    "a gzip of a text": (NAME, lambda: gzip.compress(b"words and words\n" * 99), "no tar inside: ASCII text"),
    "a gzip's first byte": (NAME, lambda: b"\x1f", "no archive"),
    "a cut gzip": (NAME, lambda: archive(record())[:500], "has no end"),
    "a corrupt gzip": (NAME, lambda: archive(record())[:100] + b"\xff" * 900, "corrupt"),
    "zeros": (NAME, lambda: bytes(4096), "nothing but zeros"),
    "a Git LFS pointer": (
        NAME,
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "run 'git lfs pull'",
    ),
    "base64": (NAME, lambda: base64.encodebytes(archive(record())), "base64 of a gzip stream"),
    "UTF-8": (NAME, lambda: archive(record()).decode("latin-1").encode(), "converted from Latin-1 to UTF-8"),
    "three layers": (NAME, lambda: gzip.compress(gzip.compress(archive(record()))), "compressed more than twice"),
    "a cut tar": ("a.tar", lambda: gzip.decompress(archive(record()))[:300], "the tar is cut off in its first header"),
    "no record": (NAME, lambda: writer.gzip_bytes(writer.tar_bytes([writer.Entry(b"a", b"", 0)]), 0), "APP-META.INI"),
    "a name with control characters": ("\x1b[31mred\n.tar.gz", lambda: b"", r"\x1b[31mred\n.tar.gz"),
}
HUNGRY: Final[dict[str, tuple[str, Callable[[], bytes], str]]] = {
    "a record of 100 MB": (ID, lambda: b"title=" + b"x" * 10**8, "over the limit record_bytes"),
    "a record of a million newlines": (ID, lambda: b"\n" * 10**6, "over the limit record_lines"),
    "an embedded record of 100 MB": (NAME, lambda: archive(b"title=" + b"x" * 10**8), "over the limit record_bytes"),
    "an embedded record of newlines": (NAME, lambda: archive(b"\n" * 10**6), "over the limit record_lines"),
    "one huge pax header": (NAME, huge_pax_header, "over the limit pax_bytes"),
    "many pax headers": (NAME, lambda: many_pax_headers(60), "over the limit pax_bytes"),
    "a zstd window of 2 GiB": (NAME, lambda: zstd_with_window(31), "over the limit window_bytes"),
    "an xz dictionary of 4 GiB": (NAME, xz_with_dictionary, "over the limit window_bytes"),
    "a gzip bomb": (NAME, lambda: zeros_first(gzip.compress, 512 * MIB), "over the limit search_bytes"),
    "a zstd bomb": (NAME, lambda: zeros_first(zstandard.compress, 240 * MIB), "over the limit ratio"),
    "a tar that claims 8 GiB": (
        "a.tar",
        lambda: writer.header(b"a", 8**11 - 1, 0, 0, b"0"),
        "over the limit search_bytes",
    ),
}
"""What may take memory: its name, content, and words of what is said."""


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind: str, tmp_path: Path) -> None:
    name, content, words = BAD[kind]
    (tmp_path / name).write_bytes(content())
    ran = run("view", tmp_path / name)
    assert_one_clear_line(ran.code, ran.text, ran.err, words)


@pytest.mark.parametrize("kind", HUNGRY)
def test_hungry_files(kind: str, tmp_path: Path, idle: int) -> None:
    name, content, words = HUNGRY[kind]
    (tmp_path / name).write_bytes(content())
    assert_little_taken(measured(COMMAND, "view", str(tmp_path / name)), idle, words)


def test_the_pax_bomb_is_as_small_as_it_is_said_to_be() -> None:
    assert len(huge_pax_header()) < 320_000


@pytest.fixture
def special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Lay out a folder of what is no regular file."""
    (tmp_path / "folder.tar.gz").mkdir()
    os.mkfifo(tmp_path / "fifo.tar.gz")
    (tmp_path / "device.tar.gz").symlink_to(os.devnull)
    (tmp_path / "endless.tar.gz").symlink_to("/dev/zero")
    (tmp_path / "dangling.tar.gz").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)  # a socket's whole path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.tar.gz")
        yield tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder", "is a folder"),
        ("fifo", "is a FIFO"),
        ("socket", "is a socket"),
        ("device", "is a character device"),
        ("endless", "is a character device"),
        ("dangling", "no such file"),
        ("absent", "no such file"),
    ],
)
def test_what_is_no_regular_file(special: Path, idle: int, name: str, words: str) -> None:
    assert_little_taken(measured(COMMAND, "view", str(special / f"{name}.tar.gz")), idle, words)


def test_a_file_without_permission(idle: int) -> None:
    # root may read everything: become nobody, who finds no way into pytest's own folders
    drop = "import os\nos.setgid(65534)\nos.setuid(65534)\n" if os.getuid() == 0 else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(archive(record()))
        path.chmod(0)
        path.parent.chmod(0o755)
        assert_little_taken(measured(IDLE + drop + COMMAND, "view", str(path)), idle, "permission denied")


def test_memory_does_not_grow_with_the_archive(tmp_path: Path, idle: int) -> None:
    dump = hashlib.shake_128(b"dump").digest(40 * MIB)
    (tmp_path / NAME).write_bytes(archive(record(), dump=dump))
    outcome = measured(COMMAND, "view", str(tmp_path / NAME))
    assert (outcome.code, json.loads(outcome.out)["data"]["title"]) == (0, "My blog (2)")
    assert outcome.peak - idle <= KIBIBYTES_MORE


def test_the_measure_measures() -> None:
    assert measured("bytearray(100 * 2 ** 20)").peak - measured("pass").peak > 90 * 1024
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0


def test_a_gzip_cut_anywhere_in_its_first_4096_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = record()
    whole = archive(text, dump=hashlib.shake_128(b"dump").digest(6000))
    path = tmp_path / NAME
    path.write_bytes(whole[:4096])
    monkeypatch.setattr(sys, "argv", ["backupmeta", "view", str(path)])
    assert len(whole) > 4096
    assert 1500 < len(text) < 1700
    answered = 0
    for cut in range(4096, -1, -3):
        os.truncate(path, cut)
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsysbinary.readouterr()
        readable = len(zlib.decompressobj(wbits=31).decompress(whole[:cut])) - writer.BLOCK - len(text)
        assert (left.value.code, b"Traceback" in err) == (2, False), (cut, err)
        assert err.count(b"\n") == 1 + (b"[member-cut]" in err), (cut, err)
        if out:
            assert readable >= 0
            assert json.loads(out)["data"]["title"] == "My blog (2)"
            assert b"cut off" in err
            answered += 1
        else:
            assert readable <= 3, cut  # isal decodes up to three literals at once, or none
    assert 600 < answered < 1400


def test_gnu_gzip_and_tar_agree_that_the_realistic_archive_is_one(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive(record(), dump=hashlib.shake_128(b"dump").digest(6000)))
    program = shutil.which("tar")
    if program is None:
        pytest.skip("no tar here")
    command = [program, "-xzOf", str(tmp_path / NAME), "APP-META.INI"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == record()
