"""What must not be shown, and how fast that is decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta import masking
from backupmeta.masking import MASK, is_secret
from backupmeta.secrets import mask_location, mask_text, masked
from tests.endless import ends
from tests.pairs import pairs

CANARY = "canary"


@pytest.mark.parametrize(
    "name",
    [
        "db-pass",
        "db_pass",
        "cf-passwd",
        "cf-enckey",
        "x-api-token",
        "SECRET",
        "auth-nonce",
        "AuthSalt",
        "p" * 200 + "pass",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["", "title", "db-user", "url", "list-files", "x" * 200])
def test_other_names(name: str) -> None:
    assert not is_secret(name)


def test_long_names_are_not_remembered() -> None:
    before = masking._remembered.cache_info().currsize
    is_secret("k" * 100_000)
    assert masking._remembered.cache_info().currsize == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My blog", "My blog"),
        ("me@example.com", "me@example.com"),
        ("https://www.example.com/blog?a=b#c", "https://www.example.com/blog?a=b#c"),
        ("https://example.com/@me", "https://example.com/@me"),
        ("ftp://abc:canary@example.com:21/b", f"ftp://{MASK}@example.com:21/b"),
        ("sftp://canary@example.com/b", f"sftp://{MASK}@example.com/b"),
        ("s3://KEY:can@ary/x?y#z@bucket/b", f"s3://{MASK}@bucket/b"),
        ("s3://:canary@bucket", f"s3://{MASK}@bucket"),
        ("see ftp://a:canary@b and ftp://canary@d/ there", f"see ftp://{MASK}@b and ftp://{MASK}@d/ there"),
        ("ftp://a:canary@b,ftp://c:canary@d", f"ftp://{MASK}@d"),
        ("ftp://canary@b,ftp://c:canary@d", f"ftp://{MASK}@b,ftp://{MASK}@d"),
        ("https://b/?user=a&secret_key=canary&x=1", f"https://b/?user=a&secret_key={MASK}&x=1"),
        ("https://b/?a=1?PASS=can?ary;auth=canary", f"https://b/?a=1?PASS={MASK};auth={MASK}"),
        ("https://b/?passage", "https://b/?passage"),
    ],
)
def test_uris(text: str, expected: str) -> None:
    assert mask_text(text) == expected


@given(
    scheme=st.sampled_from(["ftp", "sftp", "s3", "dropbox3", "gdrive"]),
    user=st.text(alphabet="abc%+-.", max_size=5),
    secret=st.text(min_size=1, max_size=12).filter(lambda one: not any(char.isspace() for char in one)),
    before=st.sampled_from(["", "see ", "(", "'"]),
)
def test_no_secret_of_a_uri_is_shown(scheme: str, user: str, secret: str, before: str) -> None:
    text = f"{before}{scheme}://{user}:{CANARY}{secret}{CANARY}@example.com/backups"
    assert mask_text(text) == f"{before}{scheme}://{MASK}@example.com/backups"


@given(st.text(alphabet="ab:/@?#&;= \npasskey", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local", "local"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("ftp://a:can ary@example.com/b", f"ftp://{MASK}@example.com/b"),
        ("ftp://can/ary@example.com/b", f"ftp://{MASK}@example.com/b"),
        ("s3://bucket/?key=canary", f"s3://bucket/?key={MASK}"),
    ],
)
def test_locations(text: str, expected: str) -> None:
    assert mask_location(text) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("db-pass", "canary", MASK),
        ("db-pass", "", ""),
        ("bkloc", "ftp://can/ary@b", f"ftp://{MASK}@b"),
        ("backup-location", "ftp://can/ary@b", f"ftp://{MASK}@b"),
        ("title", "ftp://can/ary@b", "ftp://can/ary@b"),
        ("title", "ftp://a:canary@b", f"ftp://{MASK}@b"),
    ],
)
def test_values_by_their_name(name: str, text: str, expected: str) -> None:
    assert masked(name, text) == expected


@pytest.mark.untraced  # the same lines, many times
@pytest.mark.parametrize(
    ("part", "begin", "end"),
    pairs(
        ["://a:", "://a@", "://@", "?pass", "&pass=", ";key=a", "?a=", "a@", "pas", "@ ://", "://"],
        ["", "://", "://a", "://?"],
        ["", "@", "://", "="],
    ),
)
def test_a_hostile_value_takes_no_time_by_the_square(part: str, begin: str, end: str) -> None:
    def mask(size: int) -> None:
        text = begin + part * (size // len(part)) + end
        mask_text(text)
        mask_location(text)

    assert ends(mask, 2**18)
