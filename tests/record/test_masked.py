"""Records without their secrets: every line stays where it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.record import grammar
from backupmeta.record.grammar import without_secrets


def masked(content: bytes, other: bytes = b"") -> bytes:
    return without_secrets(grammar.parse(content), grammar.parse(other).opened).content


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"db-pass=x\ntitle=a", b"db-pass=********\ntitle=a"),
        (b"db-pass=\ntitle=a", b"db-pass=\ntitle=a"),
        (b"title=a=b\nbkloc=s3://k:s@b/p\nurl=https://h/", b"title=a=b\nbkloc=s3://********@b/p\nurl=https://h/"),
        (
            b"\xef\xbb\xbfdb-pass=x\r\ntitle=a\xff=b\n\nurl=http://u:p@h/\ndb-pass=",
            b"\xef\xbb\xbfdb-pass=******** (another)\r\ntitle=a\xff=b\n\nurl=http://********@h/\ndb-pass=",
        ),
        (b"db-pass=x\n\n", b"db-pass=********\n\n"),
        (b"db-pass=x\nCANA/RY=CANARY\nCANARY\ntitle=x", b"db-pass=********\n********\n********\ntitle=x"),
        (b"x\nftp://u:p@h/\n", b"x\nftp://********@h/\n"),
        (b"title=a\nu:p@h=x", b"title=a\n********@h=x"),
        (b"", b""),
    ],
)
def test_what_must_not_be_shown_is_replaced(content: bytes, shown: bytes) -> None:
    assert masked(content) == shown


def test_a_secret_that_is_another_one_is_told_from_one_that_is_not() -> None:
    assert masked(b"db-pass=x\ncf-key=k", b"db-pass=y\ncf-key=k") == b"db-pass=******** (another)\ncf-key=********"
    assert masked(b"db-pass=x", b"title=y") == b"db-pass=********"
    assert masked(b"db-pass=x\ndb-pass=y\n") == b"db-pass=******** (another)\ndb-pass=********\n"


def test_a_secret_that_is_no_text_stays_none() -> None:
    assert masked(b"db-pass=\xffx") == b"db-pass=********\xff"


@given(st.lists(st.sampled_from([b"db-pass", b"title", b"x-token", b"\xff", b"", b"url"]), max_size=6), st.data())
def test_keys_and_their_places_stay(keys: list[bytes], data: st.DataObject) -> None:
    values = st.one_of(st.sampled_from([b"", b"a", b"u://a:b@c", b"\r", b"\0"]), st.binary(max_size=4))
    content = b"\n".join(key + b"=" + data.draw(values) for key in keys)
    before, after = grammar.parse(content), grammar.parse(masked(content))
    assert [line.key for line in after.lines] == [line.key for line in before.lines]
    assert masked(masked(content)) == masked(content)
    assert without_secrets(before).values == after.values


@given(st.data())
def test_a_record_like_another_one_is_masked_as_any(data: st.DataObject) -> None:
    keys = data.draw(st.permutations(["db-pass", "title", "x-token", "url", "list-files"]))
    values = st.sampled_from([b"", b"a", b"b=c", b"https://u:p@h/", b"\xff", b"x\ny", b"x\r", b"\0"])
    before = grammar.parse(b"\n".join(key.encode() + b"=" + data.draw(values) for key in keys))
    rows = [key.encode() + b"=" + data.draw(values) for key in keys]
    content = b"\n".join(rows[: data.draw(st.integers(3, 5))]) + data.draw(st.sampled_from([b"", b"\n", b"\nmore=1"]))
    alike = before.like(content)
    if alike is not None:
        record = grammar.parse(content)
        assert (alike.clear, alike.opened) == (content, record.opened)
        assert (alike.content, alike.values) == (record.content, record.values)


def test_a_line_more_is_not_alike() -> None:
    before = grammar.parse(b"db-pass=x\ntitle=a")
    assert before.like(b"db-pass=x\ntitle=a\nurl=b") is None
    assert before.like(b"title=x\ndb-pass=a") is None
    alike = before.like(b"db-pass=x\ntitle=b")
    assert alike is not None
    assert alike.values == {"db-pass": b"********", "title": b"b"}
