"""The grammar: every byte accounted for, every oddity told."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backupmeta.masking import MASK
from backupmeta.provenance import Source, Witness
from backupmeta.record.grammar import findings, parse, secret_lines

SOURCE = Source(Witness.BACKUP_RECORD, "/home/exampleu/.appdata/backups/1234567890abcdefghij12345")

rows = st.lists(
    st.sampled_from(
        [b"", b"=", b"a", b"a=", b"=b", b"a=b=c", b"\r", b"a=\r", b"\0", b"a\0=b", b"\xff=\xfe", b"db-pass=x"]
    )
    | st.binary(max_size=12)
)
contents = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda bom, lines, end, last: bom + end.join(lines) + last,
        st.sampled_from([b"", b"\xef\xbb\xbf"]),
        rows,
        st.sampled_from([b"\n", b"\r\n"]),
        st.sampled_from([b"", b"\n", b"\r\n", b"\r"]),
    ),
)


@given(contents)
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"\n")
@example(b"a=1\r")
def test_every_byte_is_accounted_for(content: bytes) -> None:
    record = parse(content)
    assert record.clear == record.bom + b"".join(map(bytes, record.lines)) == content


@given(contents)
def test_numbers_and_offsets_are_where_the_lines_stand(content: bytes) -> None:
    begins = [len(parse(content).bom)]
    begins += [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    lines = parse(content).lines
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert [line.offset for line in lines] == [at for at in begins if at < len(content)]
    assert all(content.startswith(bytes(line), line.offset) for line in lines)


@given(contents)
def test_a_key_s_last_line_counts(content: bytes) -> None:
    expected = {}
    for row in content.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True) if b"\r" not in content else []:
        key, equals, value = row.rstrip(b"\n").partition(b"=")
        if equals:
            expected[key.decode("utf-8", "surrogateescape")] = value
    record = parse(content)
    assert list(record.opened.items()) == [(key, line.value) for key, line in record.by_key.items()]
    if (
        b"\r" not in content
        and not secret_lines(record)
        and not any(byte in content for byte in b"\v\f\x1c\x1d\x1e\x85")
    ):
        assert record.opened == expected


@given(contents)
def test_an_odd_text_is_told_and_a_plain_one_is_not(content: bytes) -> None:
    record = parse(content)
    keys = [line.key for line in record.lines]
    is_odd = (
        not keys
        or None in keys
        or len(set(keys)) < len(keys)
        or b"\0" in content
        or content.startswith(b"\xef\xbb\xbf")
        or b"\r\n" in content
    )
    assert bool(list(findings(record, SOURCE))) is is_odd


def test_a_value_is_kept_exactly() -> None:
    text = b'title= a = [b] ; # "c" \\n %s \nurl=https://www.example.com/?a=b\nbackup-note='
    assert [(line.key, line.value) for line in parse(text).lines] == [
        ("title", b' a = [b] ; # "c" \\n %s '),
        ("url", b"https://www.example.com/?a=b"),
        ("backup-note", b""),
    ]


def test_keys_that_are_not_utf_8_survive() -> None:
    (line,) = parse(b"caf\xe9=\xff").lines
    assert (line.key, line.value, bytes(line)) == ("caf\udce9", b"\xff", b"caf\xe9=\xff")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [("record-empty", "", "", None)]),
        (b"\xef\xbb\xbfa=1", [("record-bom", "", "", None)]),
        (b"a=1\r\nb=2\r\nc=3", [("record-crlf", "", "2 of 3 lines", 1)]),
        (b"a=1\nb=\0", [("record-nul", "b", "line 2", 2)]),
        (b"a\0=1", [("record-nul", "a\0", "line 1", 1)]),
        (b"a=1\nhello\n", [("record-no-equals", "", "line 2, 5 bytes", 2)]),
        (b"a=1\n\nb=2", [("record-no-equals", "", "line 2, 0 bytes", 2)]),
        (b"a=1\na=2", [("record-duplicate-key", "a", "lines 1 and 2, another value", 1)]),
        (b"a=1\nb=2\na=1", [("record-duplicate-key", "a", "lines 1 and 3, the same value", 1)]),
        (b"a=1\nb=2\n", []),
    ],
)
def test_each_oddity(content: bytes, expected: list[tuple[str, str, str, int | None]]) -> None:
    found = [(one.id, one.subject, one.detail, one.evidence[0].line) for one in findings(parse(content), SOURCE)]
    assert found == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"db-pass=a\ntitle=b", {1}),
        (b"db-pass=a\nrest of it\ntitle=b\nx", {1, 2}),
        (b"cf-enckey=a\nb=c\n", {1}),
        (b"db-pass=a\n<odd one>=b\nowner=c", {1, 2}),
        (b"X-API-Token=a", {1}),
        (b"title=a\nrest", set()),
    ],
)
def test_secrets_reach_to_the_next_plain_line(content: bytes, expected: set[int]) -> None:
    assert secret_lines(parse(content)) == expected


@pytest.mark.parametrize("text", [b"db-pass=canary", b"canary", b"bkloc=ftp://a:canary@b", b"x-api-token=canary"])
def test_a_line_does_not_show_what_may_be_secret(text: bytes) -> None:
    (line,) = parse(text).lines
    assert MASK in repr(line)
    assert "canary" not in repr(line) + repr(parse(text))


def test_a_line_shows_what_is_harmless() -> None:
    assert repr(parse(b"title=My blog").lines[0]) == "Line(number=1, offset=0, key='title', value='My blog')"
    assert repr(parse(b"title=a\ntitle=b\nx")) == "Record(1 keys)"


def test_what_follows_a_secret_and_has_no_plain_key_is_perhaps_its_rest() -> None:
    record = parse(b"db-pass=x\nCANA/RY=CANARY\ntitle=a\nodd one=kept\n")
    assert [line.key for line in record.lines] == ["db-pass", None, "title", "odd one"]
    assert record.opened == {"db-pass": b"x", "title": b"a", "odd one": b"kept"}
    assert b"".join(map(bytes, record.lines)) == record.clear
    assert secret_lines(record) == {1, 2}
