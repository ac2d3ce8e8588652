"""Decoders: by hand from FORMAT.md §4, and none of them raises anything but ValueError."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.record import values
from backupmeta.record.fields import FIELDS
from backupmeta.record.values import Decoder, Value

DECODERS = list(dict.fromkeys(field.decode for field in FIELDS))

Row = tuple[str, str | None, bool | None, str | None]


@pytest.mark.parametrize("decode", DECODERS)
@given(raw=st.binary(max_size=40) | st.text(alphabet="-+|=/,.019abcé").map(str.encode))
def test_no_decoder_raises_anything_but_value_error(decode: Decoder, raw: bytes) -> None:
    with suppress(ValueError):
        decode(raw)


@pytest.mark.parametrize(
    ("decode", "raw", "expected"),
    [
        (values.text, b" My blog (2) ", " My blog (2) "),
        (values.text, "Lébo".encode(), "Lébo"),
        (values.text, b"", ""),
        (values.integer, b"77844480", 77844480),
        (values.integer, b"-1", -1),
        (values.integer, b"0", 0),
        (values.digits, b"1718312121", "1718312121"),
        (values.flag, b"1", True),
        (values.flag, b"yes", True),
        (values.flag, b"0", False),
        (values.flag, b"", False),
        (values.items, b"", []),
        (values.items, b"index.php", ["index.php"]),
        (values.items, b"index.php,wp-admin,.htaccess", ["index.php", "wp-admin", ".htaccess"]),
        (values.code({b"0": "none", b"1": "minor"}), b"1", "minor"),
        (values.schedule_mode, b"0", "none"),
        (values.schedule_mode, b"", "none"),
        (values.schedule_mode, b"custom", "custom"),
        (values.schedule_mode, b"weeklymonthly", "schedule"),
        (values.schedule_id, b"weeklymonthly", "weeklymonthly"),
        (values.schedule_id, b"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        (values.schedule_id, b"custom", ""),
        (values.schedule_id, b"0", ""),
    ],
)
def test_a_value(decode: Decoder, raw: bytes, expected: Value) -> None:
    assert decode(raw) == expected


@pytest.mark.parametrize(
    ("decode", "raw"),
    [
        (values.integer, b""),
        (values.integer, b"-"),
        (values.integer, b"1.5"),
        (values.integer, b" 1"),
        (values.integer, b"1_0"),
        (values.integer, b"+1"),
        (values.integer, "٣".encode()),
        (values.integer, b"9" * 5000),
        (values.digits, b""),
        (values.seconds, b"-1"),
        (values.digits, b"-1"),
        (values.digits, b"9" * 5000),
        (values.flag, b"2"),
        (values.code({b"0": "none"}), b"7"),
        (values.text, b"\xff"),
        (values.items, b"a,\xff"),
        (values.schedule_id, b"\xff"),
        (values.plugins, b"akismet,,hello"),
        (values.plugins, b"-"),
        (values.themes, b"/1.0"),
    ],
)
def test_a_value_that_is_none(decode: Decoder, raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        # 2018-2022: the main file
        (
            b"-akismet/akismet.php,hello.php,classic-editor/classic-editor.php",
            [("akismet", None, False, None), ("hello", None, True, None), ("classic-editor", None, True, None)],
        ),
        # 2023-2024: the slug
        (b"-akismet,classic-editor", [("akismet", None, False, None), ("classic-editor", None, True, None)]),
        # 2025: mark, slug, version
        (
            b"+limit-login/2.26.18,-akismet/5.3.6,|a/1.0,=b/2",
            [
                ("limit-login", "2.26.18", True, "all"),
                ("akismet", "5.3.6", False, "all"),
                ("a", "1.0", True, "none"),
                ("b", "2", False, "none"),
            ],
        ),
        (b"-akismet,+a/1.0", [("akismet", None, False, "all"), ("a", "1.0", True, "all")]),
        (b"|a,-b", [("a", None, True, "none"), ("b", None, False, "all")]),
        (b"a/1.0,b/2.0", [("a", "1.0", None, None), ("b", "2.0", None, None)]),
    ],
)
def test_plugins_and_themes_in_each_dialect(raw: bytes, expected: list[Row]) -> None:
    assert [(one["id"], one["version"], one["activated"], one["autoup"]) for one in values.plugins(raw)] == expected
    assert [(one["id"], one["version"], one["active"], one["autoup"]) for one in values.themes(raw)] == expected


slugs = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1).filter(lambda one: one[0] != "-")


@pytest.mark.parametrize("write", [lambda slug: f"{slug}/{slug}.php", lambda slug: slug, lambda slug: f"+{slug}/1.2"])
@given(names=st.lists(slugs, min_size=1, max_size=5))
def test_every_slug_is_its_plugin_s_id(write: Callable[[str], str], names: list[str]) -> None:
    raw = ",".join(map(write, names)).encode()
    assert [one["id"] for one in values.plugins(raw)] == names
    assert all(one["activated"] for one in values.plugins(raw))


def test_a_list_of_any_length_is_read_and_each_answer_is_its_own() -> None:
    for count in (1, 1000):
        raw = b",".join(b"+p%d/1" % n for n in range(count))
        first, second = values.plugins(raw), values.plugins(raw)
        assert (
            first
            == second
            == [{"id": f"p{n}", "version": "1", "activated": True, "autoup": "all"} for n in range(count)]
        )
        assert first[0] is not second[0]
