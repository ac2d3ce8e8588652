"""Archives made by hand, and what GNU tar, bsdtar (libarchive) and tarfile read in them, in the same rows as we do."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final, NamedTuple

import pytest

from backupmeta.archive.compression import Verdict
from backupmeta.archive.headers import MemberKind
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Pass
from backupmeta.evidence import EvidenceFile

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

SECONDS: Final = 20
"""How long a program may run."""

ENVIRONMENT: Final = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC0", "TAR_OPTIONS": ""}

TIME: Final = 1_718_312_121
END: Final = bytes(1024)

_GNU_LINE: Final = re.compile(
    rb"(?P<type>.)(?P<mode>[-rwxsStT]{9}) (?P<uid>[0-9]+)/(?P<gid>[0-9]+) +(?P<size>[0-9,]+) "
    rb'(?P<time>[-0-9]+ [0-9:]+)(?:\.[0-9]+)? +"(?P<name>(?:[^"\\]|\\.)*)"'
    rb'(?:(?: ->| link to) "(?P<link>(?:[^"\\]|\\.)*)")?'
    rb"(?:--Volume Header--|--Continued at byte [0-9]+--)?"
)
_BSDTAR_LINE: Final = re.compile(
    rb"(?P<type>.)(?P<mode>[-rwxsStT]{9}) +[0-9]+ +(?P<uid>[0-9]+) +(?P<gid>[0-9]+) +(?P<size>[0-9,]+) "
    rb"[A-Z][a-z]{2} [ 0-9][0-9] [ :0-9]{5} (?P<name>.*)"
)
_ESCAPE: Final = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPED: Final = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_LETTERS: Final[Mapping[bytes, MemberKind]] = {
    b"-": "file",
    b"C": "file",
    b"h": "hard link",
    b"l": "symlink",
    b"c": "character device",
    b"b": "block device",
    b"d": "directory",
    b"p": "fifo",
    b"V": "volume label",
    b"M": "continuation",
}
_TYPES: Final[Mapping[bytes, MemberKind]] = {
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
    b"D": "directory",  # here and below: types that tarfile gives as they are, and takes for files
    b"V": "volume label",
    b"M": "continuation",
}


class Row(NamedTuple):
    """One member, as a program lists it.

    Attributes:
        name: as in the archive, without slashes behind it, which the programs add and take away.
        kind: what it is.
        size: the length of its content, holes included.
        mtime: in whole seconds since 1970, UTC.
        mode: permission bits.
        uid: the owner's number.
        gid: the group's number.
        link: the target of a link, else empty.
    """

    name: bytes
    kind: MemberKind
    size: int
    mtime: int
    mode: int
    uid: int
    gid: int
    link: bytes


Peer = Callable[[bytes], list[Row]]


def row(one: Member) -> Row:
    """Return what we say of a member."""
    name, mtime = one.name.rstrip(b"/"), one.mtime_ns // 1_000_000_000
    return Row(name, one.kind, one.size, mtime, one.mode, one.uid, one.gid, one.link)


def walked(opened: Opened, content: bytes) -> Pass:
    """Return a pass over an archive, after its end."""
    with opened(content) as file:
        archive = Pass(file)
        for _ in archive:
            pass
        return archive


def ours(opened: Opened, content: bytes, verdict: Verdict = "complete") -> list[Row]:
    """Return what we read in an archive that ends with ``verdict``."""
    with opened(content) as file:
        archive = Pass(file)
        rows = [row(one) for one in archive]
    assert archive.end is not None
    assert archive.end.verdict == verdict
    return rows


def run(command: Sequence[str | bytes], given: bytes = b"", codes: Collection[int] = (0,)) -> bytes:
    """Return what a command prints, which must end with one of ``codes``."""
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=SECONDS, env=ENVIRONMENT)
    assert done.returncode in codes, (command, done.returncode, done.stderr)
    return done.stdout


def gnu_tar(content: bytes, *options: str, codes: Collection[int] = (0,)) -> list[Row]:
    """Return what GNU tar lists in a tar."""
    command = ["tar", "-tvf", "-", "--full-time", "--numeric-owner", "--quoting-style=c", *options]
    return [_gnu_row(line) for line in run(command, content, codes).splitlines()]


def _gnu_row(line: bytes) -> Row:
    r"""Return the row of ``lrwxrwxrwx 0/0    0 2024-06-13 20:55:21 "caf\303\251" -> "index.php"``."""
    found = _GNU_LINE.fullmatch(line)
    assert found is not None, line
    time = int(datetime.fromisoformat(found["time"].decode() + "+00:00").timestamp())
    name, link = _unquoted(found["name"]).rstrip(b"/"), _unquoted(found["link"] or b"")
    return Row(name, _LETTERS[found["type"]], _size(found["size"]), time, *_access(found), link)


def _unquoted(text: bytes) -> bytes:
    def byte(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code, 8) if len(code) > 1 else _ESCAPED.get(code[0], code[0])])

    return _ESCAPE.sub(byte, text)


def _size(text: bytes) -> int:
    """Return a size; devices have two numbers in its place."""
    return 0 if b"," in text else int(text)


def _access(found: re.Match[bytes]) -> tuple[int, int, int]:
    """Return mode, uid and gid; the mode of ``rwxr-sr-T``."""
    letters = found["mode"]
    bits = sum(0o400 >> at for at, letter in enumerate(letters) if letter not in b"-ST")
    bits |= sum(special for special, at in ((0o4000, 2), (0o2000, 5), (0o1000, 8)) if letters[at] in b"sStT")
    return bits, int(found["uid"]), int(found["gid"])


def bsdtar(content: bytes) -> list[Row]:
    """Return what bsdtar reads in an archive: it writes that as a pax archive, which has room for everything."""
    return python(run(["bsdtar", "-cf", "-", "--format=pax", "@-"], content))


def bsdtar_listing(content: bytes, *options: str, codes: Collection[int] = (0,)) -> list[Row]:
    """Return what bsdtar lists in an archive, all times 0.

    For what `bsdtar` can't show: it stops at a warning, and knows no options for what it reads.
    """
    lines = run(["bsdtar", "-tvf", "-", "--numeric-owner", *options], content, codes).splitlines()
    return [_bsdtar_row(line) for line in lines]


def _bsdtar_row(line: bytes) -> Row:
    r"""Return the row of ``hrw-r--r--  0 0   0    5 Jun 13  2024 caf\351 link to index.php``."""
    found = _BSDTAR_LINE.fullmatch(line)
    assert found is not None, line
    kind: MemberKind = "hard link" if b" link to " in found["name"] else _LETTERS[found["type"]]
    name, _, link = found["name"].partition({"symlink": b" -> ", "hard link": b" link to "}.get(kind, b"\n"))
    return Row(_unquoted(name).rstrip(b"/"), kind, _size(found["size"]), 0, *_access(found), _unquoted(link))


def python(content: bytes, *, ignore_zeros: bool = False, is_cut: bool = False) -> list[Row]:
    """Return what tarfile reads in a tar; of a cut one what comes before its error."""
    stream, rows = io.BytesIO(content), list[Row]()
    expected = (tarfile.ReadError,) if is_cut else ()
    with (
        contextlib.suppress(*expected),
        tarfile.open(fileobj=stream, encoding="utf-8", errors="surrogateescape", ignore_zeros=ignore_zeros) as archive,
    ):
        rows += (_tarfile_row(one) for one in archive)
    return rows


def _tarfile_row(one: tarfile.TarInfo) -> Row:
    name, link = (text.encode("utf-8", "surrogateescape") for text in (one.name, one.linkname))
    kind, mtime = _TYPES[one.type], int(one.mtime // 1)
    return Row(name.rstrip(b"/"), kind, one.size, mtime, one.mode & 0o7777, one.uid, one.gid, link)


def timeless(rows: Iterable[Row]) -> list[Row]:
    """Return rows as `bsdtar_listing` gives them."""
    return [one._replace(mtime=0) for one in rows]


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark for a test that runs ``program``."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} here")


def _is_gnu_tar() -> bool:
    return shutil.which("tar") is not None and b"GNU tar" in run(["tar", "--version"])


needs_gnu_tar: Final = pytest.mark.skipif(not _is_gnu_tar(), reason="no GNU tar here")
needs_bsdtar: Final = needs("bsdtar")

GNU_TAR: Final = pytest.param(gnu_tar, marks=needs_gnu_tar, id="GNU tar")
BSDTAR: Final = pytest.param(bsdtar, marks=needs_bsdtar, id="bsdtar")
TARFILE: Final = pytest.param(python, id="tarfile")

against_all: Final = pytest.mark.parametrize("peer", [GNU_TAR, BSDTAR, TARFILE])

Entry = tuple[tarfile.TarInfo, bytes]


def entry(
    name: str, content: bytes = b"12345", *, kind: bytes = b"0", link: str = "", pax: Mapping[str, str] | None = None
) -> Entry:
    """Return a member for `tar`."""
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.mtime, one.pax_headers = kind, link, TIME, dict(pax or {})
    one.size = len(content) if one.isreg() else 0
    return one, content


def tar(*entries: Entry, form: int = tarfile.PAX_FORMAT, records: Mapping[str, str] | None = None) -> bytes:
    """Return the archive that tarfile writes; ``records`` are its global ones."""
    target = io.BytesIO()
    with tarfile.open(
        fileobj=target, mode="w", format=form, encoding="utf-8", errors="surrogateescape", pax_headers=records or {}
    ) as archive:
        for one, content in entries:
            archive.addfile(one, io.BytesIO(content))
    return target.getvalue()


def block(
    name: str, kind: bytes = b"0", *, size: int = 0, link: str = "", at: Mapping[int, bytes] | None = None
) -> bytes:
    """Return a ustar header; ``at`` is what it has at some places instead."""
    one, _ = entry("x", kind=kind, link=link)
    one.size = size
    made = bytearray(one.tobuf(tarfile.USTAR_FORMAT))
    for place, content in {0: name.encode(), **(at or {}), 148: b" " * 8}.items():
        made[place : place + len(content)] = content
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def padded(content: bytes) -> bytes:
    """Return ``content`` up to the next multiple of 512 bytes."""
    return content + bytes(-len(content) % 512)
