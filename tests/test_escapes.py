"""Text from evidence where it would be obeyed."""

import json
import re
import sys
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from backupmeta.escapes import Terminal, inert, markdown, printable
from backupmeta.render.formats import compact, pretty

IGNORABLE: Final = (
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
"""`Default_Ignorable_Code_Point` (DerivedCoreProperties-16.0.0.txt)."""


def ignorable() -> set[int]:
    bounds = [[int(bound, 16) for bound in one.split("-")] for one in IGNORABLE.split()]
    return {number for first, *last in bounds for number in range(first, (last or [first])[0] + 1)}


def test_what_is_escaped_is_what_unicode_says() -> None:
    escaped = {number for number in range(sys.maxunicode + 1) if printable(chr(number)) != chr(number)}
    unseen = {number for number in range(sys.maxunicode + 1) if unicodedata.category(chr(number)) in CATEGORIES}
    assert unseen | ignorable() == {number for number in escaped if number not in YOUNGER}


CATEGORIES: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
YOUNGER: Final = {number for number in range(0x13430, 0x13440) if unicodedata.category(chr(number)) == "Cn"}
"""Assigned since: Python 3.11 has Unicode 14."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lébo äи漢", "Lébo äи漢"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\nlines\r", r"two\nlines\r"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u061c\u2066", r"\u061c\u2066"),
        ("caf\udce9", r"caf\udce9"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f", r"\x7f"),
        ("a\u200bb\ufeff\u00ad", r"a\u200bb\ufeff\xad"),
        ("\U000e0041", r"\U000e0041"),
        ("e\u0301 \u05d0", "e\u0301 \u05d0"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text())
def test_what_is_printable_can_be_printed_and_stays_so(text: str) -> None:
    assert printable(printable(text)) == printable(text)
    assert not {unicodedata.category(char) for char in printable(text)} & CATEGORIES
    printable(text).encode()


COMMAND: Final = re.compile(r"(?im)##[a-z]*\[|section_(start|end):\d|^\s*::|^(---|\+\+\+|~~~|\^\^\^) ")
PIECES: Final = st.lists(
    st.sampled_from(
        [
            *(
                "::",
                ":",
                "#",
                "##",
                "[",
                "vso[",
                "teamcity[",
                "section_start:",
                "1",
                "---",
                "+++",
                "^^^",
                " ",
                "\n",
                "\t",
            ),
            *(
                "error",
                "\u00a0",
                "\u3000",
                "\x1b[31m",
                "\\",
                "`",
                "|",
                "@a",
                "www.",
                "a.b",
                "deadbeef",
                "_",
                "*",
                "<",
                "é",
            ),
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::error::a", r"\x3a:error::a"),
        (" \t\u3000::a", " \t\u3000\\x3a:a"),
        ("a\n::b\n ::c", "a\n\\x3a:b\n \\x3a:c"),
        ("a ::b c::d [::1]", "a ::b c::d [::1]"),
        ("###[a] ##vso[b] ##TeamCity[c]", r"#\x23#[a] \x23#vso[b] \x23#TeamCity[c]"),
        ("## Title [a] #[b]", "## Title [a] #[b]"),
        ("section_end:1:a section_b: section_start:a", r"section_end\x3a1:a section_b: section_start:a"),
        ("+++ a\n--- b\n---- c\n ---", "++\\x2b a\n--\\x2d b\n---- c\n ---"),
        ("\x1b[31m::a", "\x1b[31m\\x3a:a"),
    ],
)
def test_a_command_of_a_runner_is_none_any_more(text: str, expected: str) -> None:
    assert inert(text) == expected


@given(PIECES)
def test_no_text_is_a_command(text: str) -> None:
    told = inert("".join(f"{printable(line)}\n" for line in text.split("\n")))
    assert COMMAND.search(told) is None
    assert inert(told) == told


JSON: Final = st.recursive(PIECES, lambda inner: st.lists(inner) | st.dictionaries(PIECES, inner), max_leaves=5)


@given(JSON)
def test_json_means_the_same_and_holds_nothing_unseen(value: object) -> None:
    for told in (pretty(value), compact(value)):
        assert json.loads(told) == value
        assert printable(told.replace("\n", "")) == told.replace("\n", "")
        assert re.search(r"(?i)##[a-z]*\[|section_(start|end):\d", told) is None


@given(PIECES)
def test_markdown_is_words_and_code_and_means_the_text(text: str) -> None:
    told = markdown(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n| - | - |\n| {told} | z |\n")
    cells = [one for one in tokens if one.type == "inline"]
    assert [one.content for one in cells[:2] + cells[3:]] == ["a", "b", "z"]
    parts = cells[2].children or []
    assert {one.type for one in parts} <= {"text", "code_inline"}
    escaped = printable(text).replace("`", r"\x60").replace("|", r"\x7c")
    assert "".join(one.content for one in parts).split() == escaped.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the archive is cut off (at byte 512)", "the archive is cut off (at byte 512)"),
        ("it's 1,234,567 bytes; 6.3 kB, 2024-06-13 20:55", "it's 1,234,567 bytes; 6.3 kB, 2024-06-13 20:55"),
        ("ask foo@example.com or @name, see #1", "ask `foo@example.com` or `@name,` see `#1`"),
        ("a|b `c`", r"`a\x7cb \x60c\x60`"),
        ("deadbeef 1234567 GH-1 www.a.b", "`deadbeef 1234567 GH-1 www.a.b`"),
        ("", ""),
    ],
)
def test_plain_words_stay_readable(text: str, expected: str) -> None:
    assert markdown(text) == expected


@given(st.lists(st.binary(max_size=6)))
def test_a_terminal_gets_all_bytes_seen_however_they_come(pieces: list[bytes]) -> None:
    whole, terminal = Terminal(), Terminal()
    told = b"".join(map(terminal.shown, pieces)) + terminal.rest()
    assert told == whole.shown(b"".join(pieces)) + whole.rest()
    assert printable(told.decode().replace("\n", "")) == told.decode().replace("\n", "")
