"""What unpacking would do: each hazard is a finding about the right member, and harmless archives have none."""

import itertools
import posixpath
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writers import installatron as writer

from backupmeta.archive.hazards import Hazards
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.checks.rulebook import FINDINGS
from tests.examples import examples
from tests.hostile import END, Opened, header, long_name, member, pax, seen
from tests.invented import run


def told(opened: Opened, *headers: bytes) -> list[tuple[str, str]]:
    """Return the id and the member of each finding."""
    return [(one.id, one.subject) for one in seen(opened, b"".join(headers) + END).findings]


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, 0, b"2", link=target)


def hard_link(name: bytes, target: bytes) -> bytes:
    return header(name, 0, b"1", link=target)


def folder(name: bytes) -> bytes:
    return header(name, 0, b"5")


NAMES: Final = [
    (b"", ["member-name-empty"]),
    (b"/etc/passwd", ["member-name-absolute"]),
    (b"//host/share", ["member-name-absolute"]),
    (b"\\windows\\system32", ["member-name-absolute", "member-names-backslash"]),
    (b"C:\\autoexec.bat", ["member-name-absolute", "member-names-backslash"]),
    (b"C:evil.php", ["member-name-absolute"]),
    (b"a:b", ["member-name-absolute"]),
    (b"C:", ["member-name-absolute"]),
    (b"c:/autoexec.bat", ["member-name-absolute"]),
    (b"..", ["member-name-escapes"]),
    (b"../up", ["member-name-escapes"]),
    (b"a/../../up", ["member-name-escapes"]),
    (b"a/../b", ["member-name-escapes"]),
    (b"a\\..\\..\\up", ["member-name-escapes", "member-names-backslash"]),
    (b"/../up", ["member-name-absolute", "member-name-escapes"]),
    (b"a\nb", ["member-name-control"]),
    (b"a\tb", ["member-name-control"]),
    (b"a\x7fb", ["member-name-control"]),
    (b"a\x1b[2Jb", ["member-name-control"]),
    ("a\x9bb".encode(), ["member-name-control"]),
    ("a\u202eb".encode(), ["member-name-control"]),
    ("a\u2066b".encode(), ["member-name-control"]),
    ("a\u200fb".encode(), ["member-name-control"]),
    ("a\u2028b".encode(), ["member-name-control"]),
    ("a\u061cb".encode(), ["member-name-control"]),
    (b"caf\xe9", ["member-name-not-utf8"]),
    (b"\xed\xa0\x80", ["member-name-not-utf8"]),
    (b"\xc0\xaf", ["member-name-not-utf8"]),
]


@pytest.mark.parametrize(("name", "ids"), NAMES, ids=ascii)
def test_names(opened: Opened, name: bytes, ids: list[str]) -> None:
    text = name.decode("utf-8", "surrogateescape")
    for headers in ([header(name)], [header(b"before"), header(name), header(b"after")]):
        assert told(opened, *headers) == [(id_, text) for id_ in ids]
    if name:
        for long in (long_name(name), pax([(b"path", name)])):
            assert told(opened, long, header(name[:100])) == [(id_, text) for id_ in ids]


@pytest.mark.parametrize(
    "name",
    [b"a", b"a..b", b"...", b"a/..b/c", b"~", b"-rf", b" ", b"a b", b"./a", b".", "ä漢🎈".encode(), b"ab:c", b"1:c"],
)
def test_harmless_names(opened: Opened, name: bytes) -> None:
    assert told(opened, header(b"before"), header(name), header(b"after")) == []


@pytest.mark.parametrize(
    ("entry", "id_"),
    [
        (header(b"x", 0, b"3"), "member-device"),
        (header(b"x", 0, b"4"), "member-device"),
        (header(b"x", 0, b"6"), "member-device"),
        (header(b"x", mode=b"0004755"), "member-setuid"),
        (header(b"x", mode=b"0002755"), "member-setuid"),
        (header(b"x", mode=b"0006755"), "member-setuid"),
        (header(b"x", mode=b"0104755"), "member-setuid"),
        (header(b"x", mode=b"12x"), "member-number"),
        (header(b"x", mtime=b"12x"), "member-number"),
        (header(b"x", 0, b"M"), "archive-multi-volume"),
    ],
)
def test_kinds_and_modes(opened: Opened, entry: bytes, id_: str) -> None:
    assert told(opened, entry) == [(id_, "x")]


def test_a_sticky_or_setgid_folder_is_harmless(opened: Opened) -> None:
    assert told(opened, header(b"d", 0, b"5", mode=b"0003775"), header(b"f", mode=b"0001644")) == []


LINKS: Final = [
    ([symlink(b"l", b"/etc/passwd")], [("member-link-escapes", "l")]),
    ([symlink(b"l", b"../up")], [("member-link-escapes", "l")]),
    ([symlink(b"d/l", b"../../up")], [("member-link-escapes", "d/l")]),
    ([symlink(b"d/l", b"../up")], []),
    ([symlink(b"d/l", b"a/../../../up")], [("member-link-escapes", "d/l")]),
    ([symlink(b"l", b"C:\\up")], [("member-link-escapes", "l")]),
    ([symlink(b"l", b"..\\up")], [("member-link-escapes", "l")]),
    ([hard_link(b"l", b"/etc/shadow")], [("member-link-escapes", "l")]),
    ([hard_link(b"d/l", b"../up")], [("member-link-escapes", "d/l")]),
    ([hard_link(b"l", b"l")], [("member-link-cyclic", "l")]),
    ([symlink(b"l", b"l")], [("member-link-cyclic", "l")]),
    ([symlink(b"l", b"l/x")], [("member-link-cyclic", "l")]),
    ([symlink(b"a", b"b"), symlink(b"b", b"a")], [("member-link-cyclic", "a"), ("member-link-cyclic", "b")]),
    ([symlink(b"a", b"b"), symlink(b"b", b"c")], []),
    ([symlink(b"l", b"d"), member("l/x")], [("member-through-link", "l/x")]),
    ([symlink(b"./l", b"d"), member("l/a/b/x")], [("member-through-link", "l/a/b/x")]),
    ([symlink(b"l/", b"d"), member("./l/x")], [("member-through-link", "./l/x")]),
    ([member("l/x"), symlink(b"l", b"d")], []),
    ([symlink(b"l", b"d"), member("lx/y"), member("k/l/x")], []),
    ([symlink(b"l", b"/tmp"), member("l/x")], [("member-link-escapes", "l"), ("member-through-link", "l/x")]),
    (
        [symlink(b"a/b", b"c"), symlink(b"a", b"d"), member("a/b/x"), member("a/e")],
        [("member-through-link", "a/b/x"), ("member-through-link", "a/e")],
    ),
    (
        [symlink(b"a", b"b"), symlink(b"a-", b"b"), symlink(b"a0", b"b"), member("a/x")],
        [("member-through-link", "a/x")],
    ),
]


@pytest.mark.parametrize(("headers", "expected"), LINKS, ids=itertools.count())
def test_links(opened: Opened, headers: list[bytes], expected: list[tuple[str, str]]) -> None:
    assert told(opened, *headers) == expected


def test_what_is_written_through_which_link_is_told(opened: Opened) -> None:
    found = seen(opened, symlink(b"./l", b"d") + member("l/x") + END)
    assert [(one.detail, one.evidence[0].offset) for one in found.findings] == [("./l", 512)]


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(links=st.lists(paths, max_size=6), files=st.lists(paths, min_size=1, max_size=6, unique=True))
@examples(100)
def test_members_below_links_are_told_whatever_the_order_of_links(
    opened: Opened, links: list[str], files: list[str]
) -> None:
    headers = [symlink(link.encode(), b"elsewhere") for link in links] + [header(one.encode()) for one in files]
    found = seen(opened, b"".join(headers) + END)
    parents = {one: set(itertools.takewhile(bool, _parents(one))) for one in (*links, *files)}
    expected = [one for n, one in enumerate(links) if parents[one] & set(links[:n])]
    expected += [one for one in files if parents[one] & set(links)]
    assert [one.subject for one in found.of("member-through-link")] == expected


def _parents(path: str) -> list[str]:
    return [posixpath.dirname(path)] + (_parents(posixpath.dirname(path)) if "/" in path else [])


@given(targets=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefx"), min_size=1))
def test_circles_of_links_are_told(opened: Opened, targets: dict[str, str]) -> None:
    found = seen(opened, b"".join(symlink(one.encode(), to.encode()) for one, to in targets.items()) + END)
    ends = dict.fromkeys(targets, "")
    for one in targets:
        at = one
        for _ in range(len(targets) + 1):
            at = targets.get(at, "")
        ends[one] = at
    assert [one.subject for one in found.of("member-link-cyclic")] == [one for one, end in ends.items() if end]


SAME: Final = [
    ([header(b"a"), header(b"a")], [("member-name-duplicate", "a")]),
    ([header(b"a"), header(b"./a")], [("member-name-duplicate", "./a")]),
    ([header(b"a"), header(b".//./a")], [("member-name-duplicate", ".//./a")]),
    ([folder(b"d"), folder(b"d/")], []),
    ([folder(b"d"), folder(b"./d")], []),
    ([folder(b"d"), header(b"d")], [("member-name-duplicate", "d")]),
    ([header(b"d"), folder(b"d/")], [("member-name-duplicate", "d/")]),
    ([header(b"d"), symlink(b"d", b"x")], [("member-name-duplicate", "d")]),
    ([header(b"a"), header(b"A")], [("member-name-collides", "A")]),
    ([folder(b"D"), header(b"d")], [("member-name-collides", "d")]),
    ([folder(b"D"), folder(b"d")], [("member-name-collides", "d")]),
    ([header("é".encode()), header("e\u0301".encode())], [("member-name-collides", "e\u0301")]),
    ([header("Ä".encode()), header("a\u0308".encode())], [("member-name-collides", "a\u0308")]),
    ([header("straße".encode()), header(b"STRASSE")], [("member-name-collides", "STRASSE")]),
    ([header("ﬁ".encode()), header(b"ffi")], []),
    ([header(b"caf\xe9"), header("café".encode())], [("member-name-not-utf8", "caf\udce9")]),
    ([header(b"a"), header(b"b"), header(b"ab"), header(b"a/b")], []),
]


@pytest.mark.parametrize(("headers", "expected"), SAME, ids=itertools.count())
def test_names_that_are_the_same_to_some_system(
    opened: Opened, headers: list[bytes], expected: list[tuple[str, str]]
) -> None:
    assert told(opened, *headers) == expected


def test_of_members_looked_at_together_and_apart_the_same_is_told(opened: Opened) -> None:
    names = [b"a", b"A", b"../x", b"./a", "\u202e".encode(), b"a/b/", b"/r", b"caf\xe9", b"", b"x\ny", b"C:\\x"]
    found = seen(opened, b"".join(header(name, 0, b"5" if name.endswith(b"/") else b"0") for name in names) + END)
    for size in (1, 2, 3, 100):
        hazards = Hazards("evidence", DEFAULT_LIMITS)
        for begin in range(0, len(names), size):
            hazards.look_at(found.members[begin : begin + size])
        assert sorted(hazards.finish()) == sorted(found.findings), size


def test_links_are_forgotten_where_names_are(opened: Opened) -> None:
    headers = [symlink(b"l%d" % n, b"d") for n in range(3)] + [header(b"l%d/x" % n) for n in range(3)]
    found = seen(opened, b"".join(headers) + END, Limits(names=2))
    assert [one.subject for one in found.of("member-through-link")] == ["l0/x", "l1/x"]
    assert found.ids[-1] == "names-not-compared"


def test_the_first_records_are_kept(opened: Opened) -> None:
    found = seen(opened, b"".join(member(f"{n}/APP-META.INI") for n in range(150)) + folder(b"APP-META.INI") + END)
    not_at_root, deeper = found.findings
    assert (not_at_root.id, deeper.id, len(deeper.evidence)) == ("record-not-at-root", "record-deeper", 99)


READ_OTHERWISE: Final = [
    ([pax([(b"path", b"../../out")]), pax([(b"path", b"in")]), header(b"own")], ["../../out", "own"]),
    ([pax([(b"path", b"../../out")]), pax([(b"mtime", b"1")]), header(b"own")], ["../../out"]),
    ([long_name(b"../../out"), pax([(b"path", b"in")]), header(b"own")], ["../../out"]),
    ([long_name(b"../../out"), long_name(b"in"), header(b"own")], ["../../out"]),
    ([pax([(b"path", b"in\0../../out")]), header(b"own")], ["in\0../../out"]),
    ([pax([(b"path", b"in")]), header(b"../../out")], ["../../out"]),
    ([pax([(b"path", b"in")], b"g"), header(b"../../out")], ["../../out"]),
    ([long_name(b"in"), header(b"../../out")], ["../../out"]),
]


@pytest.mark.parametrize(("headers", "escaping"), READ_OTHERWISE, ids=itertools.count())
def test_each_name_by_which_a_program_reads_a_member_is_judged(
    opened: Opened, headers: list[bytes], escaping: list[str]
) -> None:
    found = told(opened, *headers)
    assert "member-readings-differ" in [id_ for id_, _ in found]
    assert [name for id_, name in found if id_ == "member-name-escapes"] == escaping[:1]


@pytest.mark.parametrize(
    "headers", [[pax([(b"path", b"../x")])], [long_name(b"../x")], [pax([(b"path", b"../x")], b"x") * 2]]
)
def test_headers_that_extend_no_member_are_told_and_their_names_judged(opened: Opened, headers: list[bytes]) -> None:
    found = told(opened, header(b"before"), *headers)
    assert found == [("member-extension-stray", ""), ("member-name-escapes", "../x")]


@pytest.mark.parametrize(
    ("first", "size", "is_told"), [(b"3", 3, False), (b"0000003", 3, False), (b"3", 0, True), (b"2", 3, True)]
)
def test_a_size_that_programs_read_otherwise_is_told(opened: Opened, first: bytes, size: int, *, is_told: bool) -> None:
    whole = pax([(b"size", first)]) + header(b"a", size) + b"abc".ljust(512, b"\0") + END
    assert ("member-readings-differ" in seen(opened, whole).ids) == is_told


def test_of_hard_links_those_with_nothing_before_them_are_told(opened: Opened) -> None:
    headers = [
        header(b"a"),
        hard_link(b"l1", b"a"),
        hard_link(b"l2", b"./l1"),
        hard_link(b"l3", b"later"),
        header(b"later"),
        hard_link(b"l4", b"nowhere"),
    ]
    assert told(opened, *headers) == [("member-link-unresolved", "l3"), ("member-link-unresolved", "l4")]


def test_a_hard_link_can_be_no_folder_and_no_file_of_another_case(opened: Opened) -> None:
    headers = [header(b"a"), folder(b"d"), hard_link(b"l1", b"d"), hard_link(b"l2", b"A"), header(b"d")]
    headers += [hard_link(b"l3", b"d"), header(b"D"), hard_link(b"l4", b"D"), hard_link(b"l5", b"d")]
    assert [one for one in told(opened, *headers) if one[0] == "member-link-unresolved"] == [
        ("member-link-unresolved", "l1"),
        ("member-link-unresolved", "l2"),
    ]


def test_names_separated_by_backslashes_are_told_once_and_judged_by_their_paths(opened: Opened) -> None:
    names = [b"wp-content\\plugins\\a.php", b"wp-content/plugins/a.php", b"wp-content\\..\\..\\b.php", b"plain"]
    found = seen(opened, b"".join(map(header, names)) + END)
    assert [(one.id, one.subject) for one in found.findings] == [
        ("member-name-escapes", "wp-content\\..\\..\\b.php"),
        ("member-name-duplicate", "wp-content/plugins/a.php"),
        ("member-names-backslash", "wp-content\\plugins\\a.php"),
    ]
    assert found.of("member-names-backslash")[0].detail == "2 of 4 names"


def test_hazards_are_read_and_end_with_1(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(header(b"../up") + symlink(b"l", b"/etc") + header(b"s", mode=b"0004755") + END)
    ran = run("members", path)
    assert ran.code == 1
    ids = ["member-name-escapes", "member-link-escapes", "member-setuid"]
    assert [line.rpartition("[")[2] for line in ran.err.splitlines()[:-1]] == [f"{id_}]" for id_ in ids]
    assert not any(FINDINGS[id_].is_unread for id_ in ids)


def test_the_real_writer_s_archive_has_no_hazard(opened: Opened) -> None:
    entries = [
        writer.Entry(b"APP-META.INI", b"installer=wordpress", 0),
        writer.Entry(b"APP-DATA.SQL", b"COMMIT;\n", 0),
        writer.Entry(b"wp-content", None, 0, 0o755),
        writer.Entry(b"wp-content/" + b"d" * 200, b"x", 0),
        writer.Entry("wp-content/uploads/fünf.jpg".encode(), b"x", 0),
    ]
    assert seen(opened, writer.tar_bytes(entries)).findings == []
