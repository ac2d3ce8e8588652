"""Text from evidence where it would be obeyed."""

import sys
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.escapes import printable

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
