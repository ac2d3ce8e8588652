"""Reading archives: the head, one member, and what ends either."""

import bz2
import gzip
import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Final

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from writers import installatron as writer

from backupmeta.archive.head import Head, head
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import Pass, find
from backupmeta.errors import (
    BackupMetaError,
    DamagedError,
    LimitExceededError,
    NoMemberError,
    NoRecordError,
    NotAnArchiveError,
)
from backupmeta.evidence import EvidenceFile
from tests.examples import examples
from tests.hostile import xz

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]

MTIME: Final = 1718312121
TEXT: Final = b"backup-note=\ninstaller=wordpress\ntitle=My blog (2)\ndb-pass=not%a=real;password#"
RECORD: Final = writer.Entry(b"APP-META.INI", TEXT, MTIME)
DUMP: Final = writer.Entry(b"APP-DATA.SQL", b"DROP TABLE IF EXISTS `wp_posts`;\n" * 40, MTIME)
INDEX: Final = writer.Entry(b"index.php", b"<?php\n", MTIME)
FOLDER: Final = writer.Entry(b"wp-content", None, MTIME, 0o755)
BACKUP: Final = (RECORD, DUMP, FOLDER, INDEX)
MIB: Final = 2**20


def named(name: bytes, content: bytes = TEXT) -> writer.Entry:
    return writer.Entry(name, content, MTIME)


def tar_gz(*entries: writer.Entry) -> bytes:
    return writer.gzip_bytes(writer.tar_bytes(entries), MTIME)


def head_of(opened: Opened, content: bytes, limits: Limits | None = None, server_path: str | None = None) -> Head:
    with opened(content) as file:
        return head(file, limits or Limits(), server_path)


def ids(found: Head) -> list[str]:
    return [finding.id for finding in found.findings]


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (lambda tar: writer.gzip_bytes(tar, MTIME), "gzip"),
        (zstandard.ZstdCompressor().compress, "zstd"),
        (bz2.compress, "bzip2"),
        (xz, "xz"),
        (lambda tar: tar, "none"),
        (lambda tar: gzip.compress(tar[:700], mtime=0) + gzip.compress(tar[700:]), "gzip"),
    ],
)
def test_the_record_is_found_however_it_is_compressed(
    opened: Opened, pack: Callable[[bytes], bytes], name: str
) -> None:
    content = pack(writer.tar_bytes(BACKUP))
    found = head_of(opened, content)
    assert found.record == TEXT
    assert (found.compression.name, found.size, found.place, found.findings) == (name, len(content), 0, ())
    assert (found.member.name, found.member.mtime_ns) == (b"APP-META.INI", MTIME * 10**9)


@pytest.mark.parametrize(
    ("entries", "place", "findings"),
    [
        ([named(b"./APP-META.INI"), INDEX], 0, []),
        ([FOLDER, INDEX, RECORD], 2, ["record-not-first"]),
        ([named(b"blog/APP-META.INI"), INDEX], 0, ["record-not-at-root"]),
        ([named(b"/APP-META.INI"), INDEX], 0, ["record-not-at-root"]),
        ([named(b"blog/APP-META.INI", b"x=1"), RECORD], 1, ["record-not-first", "record-deeper"]),
        ([named(b"a/APP-META.INI"), named(b"b/APP-META.INI", b"x=1")], 0, ["record-not-at-root", "record-deeper"]),
        ([RECORD, named(b"APP-META.INI", b"x=1")], 0, ["record-several"]),
        ([RECORD, named(b".//APP-META.INI", b"x=1")], 0, ["record-several"]),
        ([RECORD, named(b"old/APP-META.INI", b"x=1")], 0, ["record-deeper"]),
        (
            [writer.Entry(b"APP-META.INI", None, MTIME), named(b"NOT-APP-META.INI", b""), RECORD],
            2,
            ["record-not-first"],
        ),
    ],
)
def test_the_record_at_the_root_wins(
    opened: Opened, entries: list[writer.Entry], place: int, findings: list[str]
) -> None:
    found = head_of(opened, tar_gz(*entries))
    assert (found.record, found.place, ids(found)) == (TEXT, place, findings)


def test_a_full_pass_tells_of_several_records(opened: Opened) -> None:
    entries = [named(b"%d/APP-META.INI" % n) for n in range(150)]
    with opened(tar_gz(RECORD, *entries)) as file:
        found = Pass(file)
        assert len(list(found)) == 151
        assert [finding.id for finding in found.findings()] == ["record-deeper"]
        assert len(found.records) == 100


def test_the_record_at_the_root_is_kept_after_any_number_of_others(opened: Opened) -> None:
    entries = [named(b"%d/APP-META.INI" % n) for n in range(150)]
    with opened(tar_gz(*entries, RECORD)) as file:
        found = Pass(file)
        assert len(list(found)) == 151
        assert [finding.id for finding in found.findings()] == ["record-not-first", "record-deeper"]
        assert found.findings()[0].detail == "member 151"


def test_a_name_that_promises_another_compression_is_told(opened: Opened) -> None:
    content = tar_gz(RECORD)
    assert ids(head_of(opened, content, server_path="/home/exampleu/app_a_b.tar.xz")) == ["archive-suffix-differs"]
    assert ids(head_of(opened, content, server_path="/home/exampleu/app_a_b.tar.gz")) == []


def test_an_archive_without_a_record(opened: Opened) -> None:
    for content in (tar_gz(INDEX, DUMP), writer.tar_bytes([INDEX]), *map(gzip.compress, (bytes(1024), bytes(10240)))):
        with pytest.raises(NoRecordError):
            head_of(opened, content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\0" * 100, "nothing but zeros"),
        (b"<?php echo 1;", "a PHP script"),
        (gzip.compress(b"hello world\n" * 100, mtime=0), "gzip, but no tar inside: ASCII text"),
        (gzip.compress(b"", mtime=0), "gzip, but no tar inside: empty"),
    ],
)
def test_what_is_no_archive_is_named(opened: Opened, content: bytes, words: str) -> None:
    with pytest.raises(NotAnArchiveError, match=words):
        head_of(opened, content)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b", b"BZhello", b"\xfd7zXZ\0\0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08" + b"\xff" * 90]
)
def test_nothing_but_a_signature_is_damage(opened: Opened, content: bytes) -> None:
    with pytest.raises(DamagedError):
        head_of(opened, content)


def test_a_damaged_archive_says_where(opened: Opened) -> None:
    content = tar_gz(named(b"APP-META.INI", b"".join(b"%d=%d\n" % (n, n * n) for n in range(3000))))
    with pytest.raises(DamagedError, match=r"has no end.* bytes of 'APP-META.INI' are missing at byte 9000") as caught:
        head_of(opened, content[:9000])
    assert caught.value.offset == 9000


def test_a_plain_tar_that_breaks_off_in_its_record(opened: Opened) -> None:
    with pytest.raises(DamagedError, match=r"the tar is cut off: 79 bytes of 'APP-META.INI' are missing"):
        head_of(opened, writer.tar_bytes([RECORD])[:512])


def test_what_breaks_off_before_the_record(opened: Opened) -> None:
    whole = writer.tar_bytes([INDEX, RECORD])
    with pytest.raises(DamagedError, match=r"APP-META\.INI was not met"):
        head_of(opened, whole[:1000])


def test_the_record_after_damage_is_found(opened: Opened) -> None:
    whole = writer.tar_bytes([INDEX, RECORD])
    found = head_of(opened, whole[:1024] + b"\1" * 512 + whole[1024:])
    assert (found.record, ids(found)) == (TEXT, ["record-not-first", "archive-header-damaged"])


def test_a_small_archive_is_looked_at_to_its_end(opened: Opened) -> None:
    content = tar_gz(*BACKUP)
    assert ids(head_of(opened, content[:-1])) == ["archive-truncated"]
    assert ids(head_of(opened, content[:-8] + bytes(8))) == ["archive-checksum-differs"]


def test_a_small_plain_tar_is_walked_to_its_end(opened: Opened) -> None:
    content = writer.tar_bytes(BACKUP)
    assert ids(head_of(opened, content)) == []
    assert ids(head_of(opened, content[:-1300])) == ["archive-truncated"]


def test_a_large_archive_is_not_looked_at_to_its_end(opened: Opened) -> None:
    content = tar_gz(RECORD, named(b"a.jpg", hashlib.shake_128(b"jpg").digest(100_000)))
    assert ids(head_of(opened, content[:-1])) == []


def bomb(entries: Iterable[writer.Entry], size: int) -> bytes:
    """Return a gzip that begins with a member of ``size`` zeros."""
    header = writer.header(b"zeros", size, MTIME, 0o644, b"0")
    mebibyte = gzip.compress(bytes(MIB), mtime=0)
    return gzip.compress(header, mtime=0) + mebibyte * (size // MIB) + gzip.compress(writer.tar_bytes(entries))


def test_the_record_is_looked_for_within_a_limit_only(opened: Opened) -> None:
    content = bomb([RECORD], 20 * MIB)
    assert head_of(opened, content).place == 1
    with pytest.raises(LimitExceededError, match="search_bytes"):
        head_of(opened, content, Limits(search_bytes=10 * MIB))


def test_what_lies_behind_the_limit_is_not_inflated(opened: Opened) -> None:
    header = writer.header(b"zeros", 2**33 - 512, MTIME, 0o644, b"0")
    content = gzip.compress(header, mtime=0) + gzip.compress(bytes(100 * MIB), 1) * 20
    with opened(content) as file:
        with pytest.raises(LimitExceededError, match="search_bytes"):
            head(file, Limits())
        assert file.position < len(content) // 2


@pytest.mark.parametrize(
    ("limits", "entries", "name"),
    [
        (Limits(record_bytes=40), [RECORD], "record_bytes"),
        (Limits(members=1), [INDEX, INDEX, RECORD], "members"),
    ],
)
def test_over_a_limit_is_said_so(opened: Opened, limits: Limits, entries: list[writer.Entry], name: str) -> None:
    for content in (tar_gz(*entries), writer.tar_bytes(entries)):
        with pytest.raises(LimitExceededError) as caught:
            head_of(opened, content, limits)
        assert (caught.value.limit, caught.value.bound) == (name, getattr(limits, name))


@pytest.mark.parametrize("limits", [Limits(name_bytes=150), Limits(pax_bytes=512)])
def test_the_record_after_a_header_over_a_limit_is_found(opened: Opened, limits: Limits) -> None:
    found = head_of(opened, tar_gz(named(b"n" * 151), RECORD), limits)
    assert (found.record, ids(found)) == (TEXT, ["record-not-first", "limit-exceeded"])


def test_a_sparse_record_without_a_map_can_t_be_told(opened: Opened) -> None:
    records = b"26 GNU.sparse.realsize=10\n"
    sparse = writer.header(b"x", len(records), 0, 0, b"x") + writer.padded(records)
    sparse += b"".join(writer.blocks(named(b"APP-META.INI", b"x" * 5 * MIB)))
    with pytest.raises(DamagedError, match="no map of holes"):
        head_of(opened, gzip.compress(sparse + bytes(1024), mtime=0))
    with opened(sparse + bytes(1024)) as file, pytest.raises(DamagedError, match="no map of holes"):
        find(file, "APP-META.INI").record(Limits())


def test_finding_one_member(opened: Opened) -> None:
    with opened(tar_gz(*BACKUP, named(b"./caf\xe9/x", b"1"))) as file:
        found = find(file, "APP-DATA.SQL")
        assert (b"".join(found.content), found.findings) == (DUMP.content, ())
    for name in ("caf\udce9/x", "./caf\udce9/x"):
        with opened(tar_gz(*BACKUP, named(b"./caf\xe9/x", b"1"))) as file:
            assert find(file, name).member.size == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (tar_gz(*BACKUP), NoMemberError),
        (tar_gz(*BACKUP)[:-30], DamagedError),
        (b"hello", NotAnArchiveError),
        (tar_gz(writer.Entry(b"missing", None, MTIME)), NoMemberError),
    ],
)
def test_a_member_that_can_t_be_found(opened: Opened, content: bytes, error: type[BackupMetaError]) -> None:
    with opened(content) as file, pytest.raises(error):
        find(file, "missing")


def test_damage_is_told_after_a_full_pass(opened: Opened) -> None:
    whole = writer.tar_bytes(BACKUP)
    with opened(whole[:-1200]) as file:
        found = Pass(file)
        assert [one.name for one in found] == [one.name for one in BACKUP]
        assert list(found) == []
        (truncated,) = found.findings()
    assert (truncated.id, truncated.detail) == (
        "archive-truncated",
        f"the tar is cut off, at inflated byte {len(whole) - 1200}, near byte {len(whole) - 1200}",
    )


def test_a_head_does_not_show_its_record(opened: Opened) -> None:
    assert repr(head_of(opened, tar_gz(*BACKUP))) == "Head('evidence', gzip, record of 79 bytes)"


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw a backup that was cut, mutated, or both."""
    pack = draw(st.sampled_from([lambda tar: tar, gzip.compress, bz2.compress, xz, zstandard.compress]))
    mutate_tar = draw(st.booleans())
    content = bytearray(writer.tar_bytes(BACKUP) if mutate_tar else pack(writer.tar_bytes(BACKUP)))
    for _ in range(draw(st.integers(0, 6))):
        content[draw(st.integers(0, min(len(content), 600) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(content)))
    result = bytes(content[:cut] if draw(st.booleans()) else content)
    return pack(result) if mutate_tar else result


@given(content=broken())
@examples(150)
def test_broken_input_raises_nothing_but_our_errors(opened: Opened, content: bytes) -> None:
    with suppress(BackupMetaError):
        assert len(head_of(opened, content).record) <= MIB


@given(
    content=st.binary(max_size=2000),
    begin=st.sampled_from([b"", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]),
)
def test_any_bytes_raise_nothing_but_our_errors(opened: Opened, content: bytes, begin: bytes) -> None:
    with pytest.raises(BackupMetaError):
        head_of(opened, begin + content)
