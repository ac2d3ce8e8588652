"""Members and tables of two archives: what differs by what, what is renamed, what a damaged archive still tells."""

import gzip
import hashlib
import io
import os
import signal
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive import reader
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.reader import Pass
from backupmeta.comparison import walks
from backupmeta.comparison.archive_changes import ComparedArchive, Contents, MemberSpool, compared_contents
from backupmeta.comparison.changes import What
from backupmeta.comparison.diff import diff
from backupmeta.comparison.walks import Entry, MemberNames
from backupmeta.errors import EvidenceError
from backupmeta.evidence import EvidenceFile, Place
from backupmeta.work.processes import processes
from tests.endless import ends
from tests.examples import examples
from tests.invented import TIME, backup_record

RECORD: Final = ("APP-META.INI", backup_record())


def info(name: str, **changes: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mtime = TIME
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def packed(path: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as target:
        for name, content in members:
            one = info(name) if isinstance(name, str) else name
            one.size = len(content)
            target.addfile(one, io.BytesIO(content))
    return path


def contents(a: Path, b: Path) -> Contents:
    sides = [ComparedArchive(Place(str(path.parent), None, path.name, is_named=True), str(path)) for path in (a, b)]
    return compared_contents((sides[0], sides[1]), DEFAULT_LIMITS)


def told(found: Contents) -> list[tuple[str, bytes, bytes, tuple[str, ...]]]:
    return [
        (one.what, one.before.name if one.before else b"", one.after.name if one.after else b"", one.by)
        for one in found.members()
    ]


@contextmanager
def another_thread() -> Iterator[None]:
    """Have another thread run meanwhile, so that no process is forked."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


BEFORE: Final[list[tuple[str | tarfile.TarInfo, bytes]]] = [
    RECORD,
    ("same.php", b"same"),
    ("./dotted", b"same"),
    ("gone.php", b"gone"),
    ("old/name.php", b"moved"),
    ("empty", b""),
    ("size", b"1"),
    ("content", b"1"),
    (info("mode", mode=0o644), b"1"),
    (info("mtime", mtime=TIME), b"1"),
    (info("link", type=tarfile.SYMTYPE, linkname="here"), b""),
    (info("kind", type=tarfile.DIRTYPE, mode=0o755), b""),
    ("twice", b"first"),
    ("twice", b"last"),
]
AFTER: Final[list[tuple[str | tarfile.TarInfo, bytes]]] = [
    RECORD,
    ("same.php", b"same"),
    ("dotted", b"same"),
    ("come.php", b"come"),
    ("new/name.php", b"moved"),
    ("void", b""),
    ("size", b"12"),
    ("content", b"2"),
    (info("mode", mode=0o600), b"1"),
    (info("mtime", mtime=TIME + 1), b"1"),
    (info("link", type=tarfile.SYMTYPE, linkname="there"), b""),
    (info("kind", mode=0o755), b""),
    ("twice", b"last"),
]
EXPECTED: Final = [
    ("added", b"", b"come.php", ()),
    ("changed", b"content", b"content", ("content",)),
    ("removed", b"empty", b"", ()),
    ("removed", b"gone.php", b"", ()),
    ("changed", b"kind", b"kind", ("kind",)),
    ("changed", b"link", b"link", ("link",)),
    ("changed", b"mode", b"mode", ("mode",)),
    ("changed", b"mtime", b"mtime", ("mtime",)),
    ("renamed", b"old/name.php", b"new/name.php", ()),
    ("changed", b"size", b"size", ("size", "content")),
    ("added", b"", b"void", ()),
]


def test_members(tmp_path: Path) -> None:
    a, b = packed(tmp_path / "a.tar.gz", BEFORE), packed(tmp_path / "b.tar.gz", AFTER)
    found = contents(a, b)
    assert told(found) == EXPECTED
    assert found.counts == Counter({What.CHANGED: 6, What.ADDED: 2, What.REMOVED: 2, What.RENAMED: 1})
    (content,) = (one for one in found.members() if one.either.name == b"content")
    assert [one.digest for one in content.sides if one is not None] == [
        hashlib.sha256(text).hexdigest() for text in (b"1", b"2")
    ]
    with another_thread():
        assert told(contents(a, b)) == EXPECTED


def test_the_same_archive_differs_in_nothing(tmp_path: Path) -> None:
    a = packed(tmp_path / "a.tar.gz", BEFORE)
    found = contents(a, a)
    assert (found.is_same, told(found), found.tables) == (True, [], ())


files = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e/f", "é"]),
    st.tuples(st.sampled_from([b"", b"1", b"2", b"x" * 300_000]), st.sampled_from([0o644, 0o600])),
)


@given(before=files, after=files)
@examples(25)
def test_any_archives(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[bytes, int]],
    after: dict[str, tuple[bytes, int]],
) -> None:
    folder = tmp_path_factory.mktemp("archives")
    a, b = (
        packed(folder / name, [RECORD, *((info(key, mode=mode), text) for key, (text, mode) in some.items())])
        for name, some in (("a.tar.gz", before), ("b.tar.gz", after))
    )
    found = contents(a, b)
    changes = list(found.members())
    assert found.counts == Counter(one.what for one in changes)
    old, new = ({os.fsencode(key): value for key, value in some.items()} for some in (before, after))
    both = {one.either.name: one.by for one in changes if one.what is What.CHANGED}
    assert both == {
        key: tuple(
            name
            for name, differs in (
                ("size", len(old[key][0]) != len(new[key][0])),
                ("mode", old[key][1] != new[key][1]),
                ("content", old[key][0] != new[key][0]),
            )
            if differs
        )
        for key in old.keys() & new.keys()
        if old[key] != new[key]
    }
    others = [one for one in changes if one.what is not What.CHANGED]
    assert sorted(one.before.name for one in others if one.before) == sorted(old.keys() - new.keys())
    assert sorted(one.after.name for one in others if one.after) == sorted(new.keys() - old.keys())
    renamed = Counter(old[one.before.name][0] for one in others if one.before and one.after)
    gone, come = (Counter(some[key][0] for key in some.keys() - rest.keys()) for some, rest in ((old, new), (new, old)))
    assert renamed == Counter({text: count for text, count in (gone & come).items() if text})
    assert all(old[one.before.name][0] == new[one.after.name][0] for one in others if one.before and one.after)


DUMP: Final = b"""SET AUTOCOMMIT = 0;
CREATE TABLE `gone` (
  `id` int
);
CREATE TABLE `wp_posts` (
  `id` int,
  `text` varchar(9)
) AUTO_INCREMENT=3;
INSERT INTO `wp_posts` VALUES (1,'a'),(2,'),(');
CREATE TABLE `wp_users` (
  `id` int
);
INSERT INTO `wp_users` VALUES (1);
CREATE TABLE `wp_same` (
  `id` int
) AUTO_INCREMENT=1;
COMMIT;
"""
CHANGED_DUMP: Final = b"""SET AUTOCOMMIT = 0;
CREATE TABLE `come` (
  `id` int
);
INSERT INTO `come` VALUES (7);
CREATE TABLE `wp_posts` (
  `id` bigint,
  `text` varchar(9)
) AUTO_INCREMENT=9;
INSERT INTO `wp_posts` VALUES (1,'a'),(2,'),('),(3,'');
INSERT INTO `wp_posts` VALUES (4,'a');
CREATE TABLE `wp_users` (
  `id` int
);
CREATE TABLE `wp_same` (
  `id` int
) AUTO_INCREMENT=2;
COMMIT;
"""


def test_tables(tmp_path: Path) -> None:
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("APP-DATA.SQL", DUMP)])
    b = packed(tmp_path / "b.tar.gz", [RECORD, ("APP-DATA.SQL", CHANGED_DUMP)])
    found = contents(a, b)
    rows = [
        (one.what, one.either.name, *(table and table.rows for table in one.sides), one.lines) for one in found.tables
    ]
    assert rows == [
        ("added", b"come", None, 1, ((), ())),
        ("removed", b"gone", 0, None, ((), ())),
        ("changed", b"wp_posts", 2, 4, ((b"`id` int",), (b"`id` bigint",))),
        ("changed", b"wp_users", 1, 0, ((), ())),
    ]
    assert not found.is_same
    assert [one.by for one in found.members()] == [("size", "content")]


def test_of_a_damaged_archive_what_is_readable_is_compared(tmp_path: Path) -> None:
    noise = [(f"{number}.jpg", os.urandom(20_000)) for number in range(20)]
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("x", b"1"), *noise])
    b = packed(tmp_path / "b.tar.gz", [RECORD, ("x", b"2"), *noise])
    b.write_bytes(b.read_bytes()[:150_000])
    found = diff(str(a), str(b), deep=True)
    assert found.contents is not None
    assert found.contents.counts[What.CHANGED] == 1
    assert found.contents.counts[What.REMOVED] == 0
    assert 10 < found.contents.counts[What.UNKNOWN] < 15
    unread = [one for one in found.findings if one.is_unread]
    assert {one.id for one in unread} == {"archive-truncated", "member-cut", "member-not-compared"}
    assert {place.path for one in unread for place in one.evidence} == {str(b)}


def cut(path: Path, size: int) -> Path:
    """Return a copy of an archive, of which the tar's first bytes are left, compressed anew."""
    short = path.with_name(f"cut-{path.name}")
    short.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:size]))
    return short


def test_what_a_cut_archive_may_have_had_is_neither_removed_nor_added_nor_renamed(tmp_path: Path) -> None:
    """After the record (2 blocks) and ``old`` (2) the tar is cut off, once even between two members."""
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("old", b"moved"), ("x", b"x"), ("y", b"y")])
    b = packed(tmp_path / "b.tar.gz", [RECORD, ("new", b"moved"), ("x", b"x"), ("z", b"z")])
    for size in (2048, 2048 + 100):
        assert told(contents(a, cut(b, size))) == [
            ("added", b"", b"new", ()),
            ("can't tell", b"old", b"", ()),
            ("can't tell", b"x", b"", ()),
            ("can't tell", b"y", b"", ()),
        ]
        assert [what for what, *_ in told(contents(cut(a, size), b))] == ["can't tell", "removed", *["can't tell"] * 2]
        assert {what for what, *_ in told(contents(cut(a, size), cut(b, size)))} == {"can't tell"}


def test_what_a_cut_dump_may_have_had_is_neither_removed_nor_added(tmp_path: Path) -> None:
    """It breaks off in the second row of ``wp_posts``: how many rows that has is not known, nor what comes after it."""
    a = packed(tmp_path / "a.tar.gz", [RECORD, ("APP-DATA.SQL", DUMP)])
    b = packed(tmp_path / "b.tar.gz", [RECORD, ("APP-DATA.SQL", CHANGED_DUMP[: CHANGED_DUMP.index(b"(3,")])])
    assert [(one.what, one.either.name) for one in contents(a, b).tables] == [
        ("added", b"come"),
        ("can't tell", b"gone"),
        ("changed", b"wp_posts"),
        ("can't tell", b"wp_same"),
        ("can't tell", b"wp_users"),
    ]
    short = packed(tmp_path / "short.tar.gz", [RECORD, ("APP-DATA.SQL", DUMP[: DUMP.index(b"(2,")])])
    assert next((one.what, one.either.name) for one in contents(a, short).tables) == ("can't tell", b"wp_posts")
    none = cut(a, 1024)
    assert {one.what for one in contents(a, none).tables} == {"can't tell"}


def test_what_is_no_archive_raises(tmp_path: Path) -> None:
    a, b = packed(tmp_path / "a.tar.gz", [RECORD]), tmp_path / "b.tar.gz"
    b.write_bytes(b"no archive")
    with pytest.raises(EvidenceError, match=r"b\.tar\.gz: no archive"):
        contents(a, b)
    with another_thread(), pytest.raises(EvidenceError, match=r"b\.tar\.gz: no archive"):
        contents(a, b)
    b.unlink()
    with pytest.raises(EvidenceError, match="no such file"):
        contents(b, a)


def alike(prefix: bytes, size: int) -> Iterator[Entry]:
    """Yield files of one content, each other one a hard link, and folders without members of their own."""
    for number in range(size):
        kind = "hard link" if number % 2 and prefix == b"a" else "file"
        yield Entry(b"%b/%d/x" % (prefix, number), kind, 1, 0o644, 0, b"", "0" * 64)
        if prefix == b"b":
            yield Entry(b"a/%d" % number, "directory", 0, 0o755, 0, b"", None)


@pytest.mark.parametrize("compare", [MemberSpool.compare, MemberSpool.compare_with_site])
def test_comparing_ends_however_many_files_have_one_content(compare: Callable[[MemberSpool], Counter[What]]) -> None:
    def compared(size: int) -> None:
        spool = MemberSpool()
        for side, prefix in enumerate((b"a", b"b")):
            spool.take(side, list(alike(prefix, size)))
        for number in range(0, size, 2):
            spool.miss_members(1, b"c/%d/" % number)
        assert compare(spool)[What.RENAMED] >= size // 2

    assert ends(compared, 25_000)


def test_numbers_and_names_that_nobody_expects(tmp_path: Path) -> None:
    odd = [(info("caf\udce9", mtime=2**60, mode=0o7777), b"x"), (info("y", mtime=-(2**60)), b"")]
    a = packed(tmp_path / "a.tar.gz", [RECORD, *odd])
    b = packed(tmp_path / "b.tar.gz", [RECORD])
    assert told(contents(a, b)) == [("removed", b"caf\xe9", b"", ()), ("removed", b"y", b"", ())]


@pytest.fixture
def differing(tmp_path: Path) -> tuple[ComparedArchive, ComparedArchive]:
    """Give two archives of 3,000 members each, of which those differ whose numbers 7 does not divide."""
    paths = [
        packed(tmp_path / f"{letter}.tar.gz", [RECORD, *((f"{n}", letter.encode() * (n % 7)) for n in range(3000))])
        for letter in "ab"
    ]
    one, other = (ComparedArchive(Place(str(tmp_path), None, path.name, is_named=True), str(path)) for path in paths)
    return one, other


def test_one_process_killed_in_the_middle_changes_nothing(
    differing: tuple[ComparedArchive, ComparedArchive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that came before the death do not come again."""
    own, mark, entries = os.getpid(), tmp_path / "killed", walks._entries

    def killed_once(passed: Pass, digests: MemberDigests, names: MemberNames | None) -> Iterator[Entry]:
        for number, part in enumerate(entries(passed, digests, names)):
            if number == 1000 and os.getpid() != own and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield part

    before = list(compared_contents(differing, DEFAULT_LIMITS).members())
    monkeypatch.setattr(walks, "_entries", killed_once)
    after = list(compared_contents(differing, DEFAULT_LIMITS, processes(2)).members())
    assert (mark.exists(), after) == (True, before)
    assert len(before) == 3000 - 429  # 0, 7, …, 2996


def test_an_archive_that_no_process_survives_cannot_be_read(
    differing: tuple[ComparedArchive, ComparedArchive], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, walk = os.getpid(), reader.Pass

    def deadly(file: EvidenceFile, *arguments: Any, **options: Any) -> Pass:
        if file.path == differing[1].path and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return walk(file, *arguments, **options)

    monkeypatch.setattr(walks, "Pass", deadly)
    with pytest.raises(EvidenceError, match="the process that read it ended") as raised:
        compared_contents(differing, DEFAULT_LIMITS, processes(2))
    assert raised.value.path == differing[1].path
