"""The head of the usual archive, read at once: the same answer as the walk's, whatever the archive."""

import gzip
import hashlib
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writers import installatron as writer

from backupmeta.archive import head as module
from backupmeta.archive.head import Head, head
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.tar import Walk
from backupmeta.errors import BackupMetaError
from backupmeta.evidence import EvidenceFile, open_named
from tests.examples import examples

Opened = Callable[[bytes], AbstractContextManager[EvidenceFile]]
Outcome = Head | tuple[type[BackupMetaError], str]

MTIME: Final = 1718312121
FIXTURES: Final = Path(__file__).parent.parent.parent / "fixtures"
ARCHIVES: Final = sorted(path for path in FIXTURES.rglob("*.t*") if path.is_file() and ".tar" in path.name)
LINES: Final = b"".join(b"cf-%d=%d\n" % (n, n * n) for n in range(700))
NOISE: Final = writer.Entry(b"a.jpg", hashlib.shake_128(b"jpg").digest(100_000), MTIME)
DUMP: Final = writer.Entry(b"APP-DATA.SQL", b"DROP TABLE IF EXISTS `wp_posts`;\n" * 40, MTIME)


def named(name: bytes, content: bytes) -> writer.Entry:
    return writer.Entry(name, content, MTIME)


def tar_gz(*entries: writer.Entry) -> bytes:
    return writer.gzip_bytes(writer.tar_bytes(entries), MTIME)


SHORT: Final = tar_gz(named(b"APP-META.INI", LINES[:1500]), DUMP)
SAMPLES: Final = (
    SHORT,
    tar_gz(named(b"./APP-META.INI", LINES), DUMP),
    tar_gz(named(b"APP-META.INI", LINES[:1500]), NOISE),
    tar_gz(named(b"APP-META.INI", LINES), NOISE),
    tar_gz(named(b"APP-META.INI", b""), DUMP),
    tar_gz(named(b"APP-META.INI", LINES[:1500]), named(b"zeros", bytes(2**21))),
    tar_gz(DUMP, named(b"APP-META.INI", LINES[:1500])),
    tar_gz(writer.Entry(b"APP-META.INI", None, MTIME), named(b"APP-META.INI", LINES[:1500])),
    gzip.compress(writer.tar_bytes([named(b"APP-META.INI", LINES[:1500])])) + bytes(512),
    gzip.compress(writer.tar_bytes([named(b"APP-META.INI", LINES[:1500])])) + b"trailing",
    gzip.compress(writer.tar_bytes([named(b"APP-META.INI", LINES[:1500])])) + gzip.compress(LINES)[:-3],
    gzip.compress(writer.tar_bytes([named(b"APP-META.INI", LINES)])[:700]) + gzip.compress(LINES),
)


def outcome(file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, seen: str | None = None) -> Outcome:
    try:
        return head(file, limits, seen)
    except BackupMetaError as error:
        return type(error), str(error)


def walked(file: EvidenceFile, limits: Limits = DEFAULT_LIMITS, seen: str | None = None) -> Outcome:
    """Return what the walk says, which the other tests hold to FORMAT.md."""
    with patch.object(module, "_record_ahead", return_value=None):
        return outcome(file, limits, seen)


def both(opened: Opened, content: bytes, limits: Limits = DEFAULT_LIMITS, seen: str | None = None) -> list[Outcome]:
    with opened(content) as file:
        at_once = outcome(file, limits, seen)
        file.seek(0)
        return [at_once, walked(file, limits, seen)]


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_every_fixture_has_the_same_head_either_way(path: Path) -> None:
    with open_named(str(path)) as one, open_named(str(path)) as other:
        assert outcome(one) == walked(other)


def test_the_usual_archive_is_not_walked(opened: Opened) -> None:
    with patch.object(Walk, "burst", side_effect=AssertionError), patch.object(Walk, "__iter__", None):
        for content in SAMPLES[:5]:
            with opened(content) as file:
                assert head(file).record in {LINES, LINES[:1500], b""}


def test_fixtures_are_archives_of_the_usual_kind_too() -> None:
    at_once = 0
    for path in ARCHIVES:
        with open_named(str(path)) as file:
            at_once += module._record_ahead(file, DEFAULT_LIMITS) is not None
    assert 10 < at_once < len(ARCHIVES)


@pytest.mark.parametrize("content", SAMPLES, ids=range(len(SAMPLES)))
@pytest.mark.parametrize("seen", [None, "/home/exampleu/app_a_b.tar.gz", "/home/exampleu/app_a_b.tar.xz"])
def test_what_is_odd_is_told_either_way(opened: Opened, content: bytes, seen: str | None) -> None:
    at_once, by_walking = both(opened, content, seen=seen)
    assert at_once == by_walking


@pytest.mark.parametrize("content", SAMPLES, ids=range(len(SAMPLES)))
@pytest.mark.parametrize(
    "limits",
    [
        Limits(record_bytes=1499),
        Limits(record_bytes=1500),
        Limits(seconds=0),
        Limits(members=0),
        Limits(inflated_bytes=1000),
        Limits(inflated_bytes=2**20),
        Limits(name_bytes=1),
        Limits(search_bytes=0),
    ],
    ids=str,
)
def test_limits_are_kept_either_way(opened: Opened, content: bytes, limits: Limits) -> None:
    at_once, by_walking = both(opened, content, limits)
    assert at_once == by_walking


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a sample that was cut, or of which bytes were changed, before it was compressed or after."""
    sample, is_inside = draw(st.sampled_from(SAMPLES)), draw(st.booleans())
    content = bytearray(zlib.decompress(sample, zlib.MAX_WBITS | 16) if is_inside else sample)
    ends = st.integers(0, min(len(content), 700) - 1)
    for place in draw(st.lists(st.one_of(ends, ends.map(lambda at: -1 - at)), max_size=4)):
        content[place] = draw(st.sampled_from([0, 1, 8, 32, 48, 53, 255]) | st.integers(0, 255))
    if draw(st.booleans()):
        del content[draw(st.one_of(st.integers(0, len(content)), ends, ends.map(lambda at: -1 - at))) :]
    return gzip.compress(content, 1, mtime=0) if is_inside else bytes(content)


@given(content=damaged())
@examples(150)
def test_damage_is_told_either_way(opened: Opened, content: bytes) -> None:
    at_once, by_walking = both(opened, content)
    assert at_once == by_walking


@pytest.mark.untraced  # the same lines for each byte
def test_no_byte_may_be_changed_unseen(opened: Opened) -> None:
    changed = (SHORT[:place] + bytes([byte ^ 1]) + SHORT[place + 1 :] for place, byte in enumerate(SHORT))
    outcomes = [both(opened, content) for content in changed]
    assert [place for place, (at_once, by_walking) in enumerate(outcomes) if at_once != by_walking] == []
