"""How far witnesses of one moment may differ (FORMAT.md §8, "Witnesses of one moment"), and who says what."""

import os
from pathlib import Path
from typing import Final

import pytest
from writers.installatron import gzip_bytes

from backupmeta.backup.contradictions import TOLERANCES, Making, Written, is_rewritten
from backupmeta.evidence import open_named
from tests.invented import TIME

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
MADE: Final = TIME * SECOND


def making(written: int, size: int = 0) -> Making:
    """Return when a backup was made whose archive has ``size`` bytes and was written so long after ``backup-time``."""
    return Making.of(MADE, Written(size, MADE + written, None))


@pytest.mark.parametrize(
    ("written", "size", "took"),
    [
        (0, 0, 0),
        (10 * SECOND, 1, 10 * SECOND),
        (DAY, 1, DAY),
        (DAY + 1, 256 * 1024 * 60, MINUTE),  # copied: a minute by its size
        (-1, 256 * 1024, SECOND),
        (DAY + 1, 2**50, DAY),
        (-MADE, 0, 0),
        (2**80, 0, 0),
    ],
)
def test_writing_ends_with_the_file_or_is_bounded_by_its_size(written: int, size: int, took: int) -> None:
    assert making(written, size) == Making(MADE, MADE + took)


@pytest.mark.parametrize(
    ("kind", "earliest", "latest"),
    [
        ("compressed", -5 * MINUTE, DAY),
        ("archive", -5 * MINUTE, DAY),
        ("member", -(2**90), HOUR + 14 * HOUR + 5 * MINUTE),
        ("newest-member", -(2**90), HOUR + 14 * HOUR + 5 * MINUTE),
    ],
)
def test_what_each_witness_may_tell(kind: str, earliest: int, latest: int) -> None:
    backup = making(HOUR)
    moments = (earliest - 1, earliest, latest, latest + 1)
    is_open = kind.endswith("member")
    assert [backup.allows(kind, MADE + moment) for moment in moments] == [is_open, True, True, False]


def test_the_table_stands_in_the_formats_description() -> None:
    page = (Path(__file__).parents[2] / "fixtures/FORMAT.md").read_text("utf-8")
    section = page.partition("### Witnesses of one moment")[2].partition("###")[0]
    assert "| gzip header | 5 min | 24 h |" in section
    assert "| the file | 5 min | 24 h |" in section
    assert "| a member | any time | 14 h 5 min after the end of writing |" in section
    assert set(TOLERANCES) == {"compressed", "archive", "member", "newest-member"}


@pytest.mark.parametrize(
    ("content", "compressed"),
    [
        (gzip_bytes(b"x", TIME), MADE),
        (gzip_bytes(b"x", 0), None),
        (gzip_bytes(b"x", 2**32 - 1), (2**32 - 1) * SECOND),
        (gzip_bytes(b"x", TIME)[:9], None),
        (b"\x1f\x8b\x07" + bytes(20), None),
        (b"app.tar of no kind at all", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("moment", [MADE, 0, -SECOND])
def test_what_a_file_says_of_itself(content: bytes, compressed: int | None, moment: int, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    os.utime(path, ns=(moment * 1000 + 999, moment * 1000 + 999))
    with open_named(str(path)) as file:
        assert Written.of(file) == Written(len(content), moment, compressed)
        assert file.read(100) == content[:100]


# --- values -----------------------------------------------------------------------------------------------------------


ALICE: Final = (b"alice", b"bob")


@pytest.mark.parametrize(
    ("key", "values", "is_honest"),
    [
        ("owner", (b"alice", b"bob"), True),
        ("path", (b"/home/alice/x", b"/var/www/vhosts/example.com"), True),
        ("backup-location", (b"local", b"0123456789abcdef0123456789abcdef"), True),
        ("db-name", (b"alice_wp1", b"bob_wp1"), True),
        ("url", (b"https://example.com/~alice/alice", b"https://example.com/~bob/bob"), True),
        ("url", (b"https://example.com/~alice/alice", b"https://example.com/~bob/alice"), True),
        ("url", (b"https://example.com/~alice", b"https://example.net/~bob"), False),
        ("version", (b"6.2.2", b"6.4.3"), False),
        ("cf-login", (b"alice", b"carol"), False),
        ("title", (b"", b"bob"), False),
    ],
)
def test_what_a_rename_leaves(key: str, values: tuple[bytes, bytes], is_honest: bool) -> None:  # noqa: FBT001
    assert is_rewritten(key, values, ALICE) == is_honest
    assert is_rewritten(key, values[::-1], ALICE[::-1]) == is_honest


@pytest.mark.parametrize("owners", [(b"", b"bob"), (b"alice", b""), (b"", b""), (b"alice", b"alice")])
def test_without_another_owner_nothing_is_renamed(owners: tuple[bytes, bytes]) -> None:
    assert not is_rewritten("db-name", (b"alice_wp1", b"bob_wp1"), owners)


def test_a_hostile_owner_takes_no_more_room_than_the_values() -> None:
    long = b"a" * 2**20
    assert not is_rewritten("title", (long, b"b"), (b"a", b"b" * 2**20))
