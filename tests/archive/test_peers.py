"""Generated archives are read as GNU tar, bsdtar and tarfile read them, by majority; where these differ, we say so.

Each example puts several members into one archive, so that few programs are started. `EXCEPTIONS` is where we don't
follow a majority of two.
"""

import bz2
import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import zstandard
from fuzzing.corpus import link, plain, sparse_content
from hypothesis import given
from hypothesis import strategies as st
from writers import installatron as writer

from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.member import Member
from backupmeta.archive.member import plain as path_of
from backupmeta.archive.reader import Pass, find
from backupmeta.errors import BackupMetaError
from backupmeta.findings import Finding
from tests.archive.peers import (
    END,
    ENVIRONMENT,
    SECONDS,
    Opened,
    Row,
    bsdtar_listing,
    gnu_tar,
    needs_bsdtar,
    needs_gnu_tar,
    python,
    row,
)
from tests.examples import examples
from tests.hostile import xz

PEERS: Final[Mapping[str, Callable[[bytes], list[Row]]]] = {
    "GNU tar": lambda content: gnu_tar(content, codes=(0, 1, 2)),
    "bsdtar": lambda content: bsdtar_listing(content, codes=(0, 1)),
    "tarfile": lambda content: python(content, is_cut=True),
}
DIFFER: Final = frozenset(
    {
        "member-readings-differ",
        "member-extension-stray",
        "member-pax-malformed",
        "member-number",
        "member-name-empty",
        "member-sparse-map",
        "archive-header-damaged",
        "archive-truncated",
    }
)
"""The findings that tell that programs may read a member otherwise."""


# --- headers that extend the next one ---------------------------------------------------------------------------------


class Extension(NamedTuple):
    """A header that extends the next one: its type, and its name or its records, each with zeros before its length."""

    type: bytes
    name: bytes
    records: tuple[tuple[int, bytes, bytes], ...]

    def __bytes__(self) -> bytes:
        content = self.name if self.type in b"LK" else b"".join(_record(*one) for one in self.records)
        return writer.header(b"././@LongLink", len(content), 0, 0o644, self.type) + writer.padded(content)

    def gives(self, *keys: bytes) -> list[bytes]:
        """Return the values that it has for some of ``keys``."""
        return [value for _, key, value in self.records if key in keys]


def _record(zeros: int, key: bytes, value: bytes) -> bytes:
    length = zeros + len(key) + len(value) + 3
    while length != len(line := b"%s%d %s=%s\n" % (b"0" * zeros, length, key, value)):
        length = len(line)
    return line


class Extended(NamedTuple):
    """A member, and the headers that extend it."""

    extensions: tuple[Extension, ...]
    type: bytes
    name: bytes

    def __bytes__(self) -> bytes:
        sizes = [int(value or b"5") for one in self.extensions if one.type in b"xX" for value in one.gives(b"size")]
        before = b"".join(map(bytes, self.extensions))
        if self.type == b"2":
            return before + link(self.name, b"target", self.type)
        if self.type == b"5":
            return before + writer.header(self.name, 0, 0, 0o755, self.type)
        content = b"B" * (sizes[-1] if sizes and self._last_has_size else 5)
        return before + writer.header(self.name, 5, 0, 0o644, self.type) + writer.padded(content)

    @property
    def _last_has_size(self) -> bool:
        pax = [one for one in self.extensions if one.type in b"xX"]
        return bool(pax) and any(pax[-1].gives(b"size"))

    def of(self, types: bytes) -> list[Extension]:
        """Return the extensions of some types."""
        return [one for one in self.extensions if one.type in types]


NAMES: Final = (b"one", b"two", b"dir/", b"n" * 150, b"", b"nul\0z", b"a/../b", b"/root")
VALUES: Final[Mapping[bytes, Sequence[bytes]]] = {
    b"path": NAMES,
    b"linkpath": NAMES,
    b"size": (b"5", b"0", b"600", b"0005", b""),
    b"mtime": (b"1.5", b"", b"0001"),
    b"uid": (b"77", b"0077"),
    b"comment": (b"c",),
    b"path\0q": (b"odd",),
}
records = st.sampled_from(list(VALUES)).flatmap(
    lambda key: st.tuples(st.sampled_from((0, 0, 0, 2)), st.just(key), st.sampled_from(VALUES[key]))
)
longs = st.builds(
    lambda type_, name, end: Extension(type_, name + end, ()),
    st.sampled_from((b"L", b"K")),
    st.sampled_from(NAMES),
    st.sampled_from((b"\0", b"", b"\0\0")),
)
paxes = st.builds(
    Extension, st.sampled_from((b"x", b"x", b"X")), st.just(b""), st.lists(records, max_size=3).map(tuple)
)
globals_ = st.builds(Extension, st.just(b"g"), st.just(b""), st.lists(records, max_size=2).map(tuple))


def extended(*kinds: st.SearchStrategy[Extension]) -> st.SearchStrategy[Extended]:
    """Return members with headers of some kinds before them."""
    return st.builds(
        Extended,
        st.lists(st.one_of(*kinds), max_size=4).map(tuple),
        st.sampled_from((b"0", b"0", b"\0", b"2", b"5")),
        st.sampled_from((b"own", b"own", b"own/", b"a" * 99 + b"/")),
    )


class Rule(NamedTuple):
    """Where we read a member otherwise than two of the three programs.

    Attributes:
        reason: whom we follow, and why.
        holds: whether it is about a member.
    """

    reason: str
    holds: Callable[[Extended], bool]


EXCEPTIONS: Final = (
    Rule(
        "L with the path of an x (K with a linkpath): x counts, as for GNU tar and Go: it can hold what L can't; "
        "bsdtar and tarfile let the first one count",
        lambda one: any(one.of(b"LK")) and any(pax.gives(b"path", b"linkpath") for pax in one.of(b"xXg")),
    ),
    Rule(
        "an empty record takes back a global one, as POSIX says and bsdtar does; GNU tar and tarfile take it as it is",
        lambda one: any(b"" in pax.gives(b"path", b"linkpath", b"size") for pax in one.of(b"xXg")),
    ),
    Rule(
        "global records hold until another one gives a value for the same key, as POSIX says and tarfile does; for GNU "
        "tar the last header counts as a whole, bsdtar passes over all",
        lambda one: any(one.of(b"g")),
    ),
    Rule(
        "a file whose name ends with a slash is a directory, as for GNU tar; for bsdtar not where it has warned of "
        "something, for tarfile never",
        lambda one: any(
            name.rstrip(b"\0").endswith(b"/")
            for name in (
                one.name,
                *(long.name for long in one.of(b"L")),
                *(name for pax in one.of(b"xXg") for name in pax.gives(b"path")),
            )
        ),
    ),
    Rule(
        "links, devices and FIFOs have no content, as for tarfile, whatever pax's size says: what follows is listed; "
        "GNU tar and bsdtar pass over as many bytes",
        lambda one: one.type not in b"0\0" and any(pax.gives(b"size") for pax in one.of(b"xXg")),
    ),
)
"""As the tables in the docstrings of `backupmeta.archive.headers` and `backupmeta.archive.tar` say."""


def facts(one: Row) -> Mapping[str, object]:
    """Return what is compared: the size of what is no file, and the target of what is no link, tell nothing."""
    is_link = one.kind in {"symlink", "hard link"}
    return {
        "name": one.name.partition(b"\0")[0].rstrip(b"/"),
        "kind": one.kind,
        "size": one.size if one.kind == "file" else 0,
        "link": one.link.partition(b"\0")[0] if is_link else b"",
    }


def read(opened: Opened, content: bytes) -> tuple[list[Member], list[Finding]]:
    with opened(content) as file:
        archive = Pass(file)
        return list(archive), list(archive.findings())


def check(opened: Opened, made: Sequence[Extended]) -> None:
    """Compare what the programs read of one archive with what we do, member by member; global records hold after it."""
    units = [*made, made[-1]]
    parts = [*map(bytes, made), plain(b"after", b"12345")]
    content = b"".join(parts) + END
    members, findings = read(opened, content)
    places = [one.evidence[0].offset or 0 for one in findings if one.id in DIFFER]
    rows = {name: list_(content) for name, list_ in PEERS.items()}
    assert places or all(len(one) == len(members) for one in rows.values()), {
        name: len(one) for name, one in rows.items()
    }
    alike = [one for one in rows.values() if len(one) == len(members) == len(parts)]
    begin = 0
    for part, unit, ours, *theirs in zip(parts, units, members, *alike, strict=len(members) == len(parts)):
        is_told = any(begin <= place <= begin + len(part) for place in places)
        compare(facts(row(ours)), [facts(one) for one in theirs], unit, is_told=is_told)
        begin += len(part)


def compare(
    ours: Mapping[str, object], theirs: Sequence[Mapping[str, object]], unit: Extended, *, is_told: bool
) -> None:
    """Check that two programs that agree agree with us, or a rule says why not; and that any difference is told."""
    for key, value in ours.items():
        votes = Counter(one[key] for one in theirs)
        assert is_told or set(votes) <= {value}, (key, value, votes)
        most = [other for other, count in votes.items() if count > 1]
        assert most in ([], [value]) or any(rule.holds(unit) for rule in EXCEPTIONS), (key, value, votes)


@needs_gnu_tar
@needs_bsdtar
@examples(60)
@given(made=st.lists(extended(longs, paxes), min_size=1, max_size=3))
def test_headers_that_extend_the_next_one(opened: Opened, made: list[Extended]) -> None:
    check(opened, made)


@needs_gnu_tar
@needs_bsdtar
@examples(30)
@given(made=extended(globals_, globals_, longs, paxes))
def test_global_headers(opened: Opened, made: Extended) -> None:
    check(opened, [made])


@pytest.mark.parametrize("type_", [b"L", b"x", b"X"])
def test_headers_that_extend_nothing_are_told(opened: Opened, type_: bytes) -> None:
    stray = bytes(Extension(type_, b"../x", ((0, b"path", b"../x"),)))
    for content in (plain(b"first", b"1") + stray + END, stray + bytes(512) + plain(b"first", b"1") + END):
        members, findings = read(opened, content)
        assert [one.name for one in members] == [b"first"]
        assert {"member-extension-stray", "member-name-escapes"} <= {one.id for one in findings}


# --- contents ---------------------------------------------------------------------------------------------------------

Tree = Mapping[bytes, bytes]
"""What unpacking leaves: the files' contents by their paths."""


def unpacked(content: bytes) -> list[Tree]:
    """Return what each of the programs unpacks."""
    return [_unpacked(content, one) for one in (_by_gnu_tar, _by_bsdtar, _by_tarfile)]


def _unpacked(content: bytes, unpack: Callable[[bytes, str], None]) -> Tree:
    with tempfile.TemporaryDirectory() as folder:
        unpack(content, folder)
        top = Path(folder)
        files = [one for one in top.rglob("*") if one.is_file() and not one.is_symlink()]
        return {os.fsencode(one.relative_to(top)): one.read_bytes() for one in files}


def _by_gnu_tar(content: bytes, folder: str) -> None:
    _run(["tar", "-xf", "-", "-C", folder], content)


def _by_bsdtar(content: bytes, folder: str) -> None:
    _run(["bsdtar", "-xf", "-", "-C", folder], content)


def _by_tarfile(content: bytes, folder: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # not in Python before 3.11.4
        for one in archive:
            try:
                archive.extract(one, folder)
            except (tarfile.TarError, OSError, KeyError):
                continue


def _run(command: Sequence[str], content: bytes) -> None:
    """Run a command; how it ends tells no more than what it leaves."""
    subprocess.run(command, input=content, capture_output=True, check=False, timeout=SECONDS, env=ENVIRONMENT)


def digests(opened: Opened, content: bytes) -> Mapping[bytes, str | None]:
    """Return the digests of the last member of each path, as the walk counts them."""
    counted = MemberDigests("sha256", DEFAULT_LIMITS.names)
    with opened(content) as file:
        return {path_of(one.name): counted.hexadecimal for one in Pass(file, consumers=[counted])}


def found(opened: Opened, content: bytes, path: bytes) -> bytes | None:
    """Return the content of the last member called ``path``; None where it can't be told."""
    with opened(content) as file:
        try:
            return b"".join(find(file, os.fsdecode(path)).content)
        except BackupMetaError:
            return None


def check_contents(opened: Opened, content: bytes) -> None:
    """Check that our contents are those that two of the programs unpack, by digest and by bytes."""
    trees = unpacked(content)
    for path, digest in digests(opened, content).items():
        ours = found(opened, content, path)
        assert digest == (None if ours is None else hashlib.sha256(ours).hexdigest()), path
        votes = Counter(tree[path] for tree in trees if path in tree)
        most = [theirs for theirs, count in votes.items() if count > 1]
        assert ours is None or most in ([], [ours]), (path, ours, votes)


@st.composite
def maps(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Draw a sound map of holes, and the file's size; old GNU has room for 4 runs in a header, for 21 in a block."""
    runs, at = [], 0
    for _ in range(draw(st.sampled_from((0, 1, 2, 4, 5, 25, 26, 60)))):
        at += draw(st.sampled_from((0, 1, 511, 512, 4096)))
        length = draw(st.sampled_from((1, 10, 512, 700)))
        runs.append((at, length))
        at += length
    size = at + draw(st.sampled_from((0, 1, 1000, 70_000)))
    return runs or [(size, 0)], size  # as GNU tar writes it: of what has no map in pax 0.0, nobody reads the same


VERSIONS: Final = ("old", "0.0", "0.1", "1.0")


@needs_gnu_tar
@needs_bsdtar
@examples(25)
@given(made=st.lists(st.tuples(st.sampled_from(VERSIONS), maps()), min_size=1, max_size=5))
def test_files_with_holes(opened: Opened, made: list[tuple[str, tuple[list[tuple[int, int]], int]]]) -> None:
    files = [sparse_content(version, b"s%d" % at, *map_) for at, (version, map_) in enumerate(made)]
    content = b"".join(files) + link(b"hard", b"s0") + END
    assert DIFFER.isdisjoint(one.id for one in read(opened, content)[1])
    check_contents(opened, content)
    assert None not in digests(opened, content).values()


UNSOUND: Final[Mapping[str, tuple[list[tuple[int, int]], int]]] = {
    "twice": ([(5, 10), (5, 10)], 100),
    "backwards": ([(50, 10), (5, 10)], 100),
    "overlapping": ([(0, 10), (9, 10)], 100),
    "longer than the file": ([(0, 600)], 10),
    "after the file": ([(5000, 10)], 10),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("map_", UNSOUND.values(), ids=UNSOUND)
def test_a_map_that_can_t_hold_is_told_and_what_follows_is_read(
    opened: Opened, version: str, map_: tuple[list[tuple[int, int]], int]
) -> None:
    content = sparse_content(version, b"s", *map_) + plain(b"after", b"12345") + END
    members, findings = read(opened, content)
    assert [(one.name, one.size) for one in members] == [(b"s", map_[1]), (b"after", 5)]
    assert [one.id for one in findings] == ["member-sparse-map"]
    assert digests(opened, content)[b"s"] is None
    assert found(opened, content, b"s") is None
    assert found(opened, content, b"after") == b"12345"


names = st.sampled_from((b"a", b"b", b"c", b"./a"))
entries = st.one_of(
    st.tuples(st.just(b"0"), st.one_of(names, st.sampled_from((b"d", b"d/x"))), st.just(b"")),
    st.tuples(st.just(b"1"), names, st.one_of(names, st.sampled_from((b"d/x", b"missing", b"later")))),
    st.tuples(st.just(b"1"), names, names),
    st.tuples(st.just(b"2"), names, st.just(b"nowhere")),
    st.tuples(st.just(b"5"), st.just(b"d"), st.just(b"")),
)


def member(number: int, type_: bytes, name: bytes, target: bytes) -> bytes:
    """Return a member; a file's content is its own."""
    if type_ in b"12":
        return link(name, target, type_)
    return plain(name, b"" if type_ == b"5" else b"content %d" % number, type_)


@needs_gnu_tar
@needs_bsdtar
@examples(60)
@given(made=st.lists(entries, min_size=2, max_size=10))
def test_links_and_members_that_replace_each_other(opened: Opened, made: list[tuple[bytes, bytes, bytes]]) -> None:
    parts = [member(at, *one) for at, one in enumerate(made)]
    content = b"".join(parts) + plain(b"later", b"l") + END
    check_contents(opened, content)
    assert [one.name for one in read(opened, content)[0]] == [*(name for _, name, _ in made), b"later"]


# --- zeros, streams ---------------------------------------------------------------------------------------------------


@needs_gnu_tar
@needs_bsdtar
@examples(25)
@given(gaps=st.lists(st.sampled_from((0, 0, 1, 2, 3, 20, 150)), min_size=2, max_size=6))
def test_zeros_between_members(opened: Opened, gaps: list[int]) -> None:
    parts = [bytes(512 * gap) + plain(b"%d" % at, b"z" * (at * 300)) for at, gap in enumerate(gaps)]
    content = b"".join(parts) + END
    members, findings = read(opened, content)
    ours = [row(one) for one in members]
    assert ours == gnu_tar(content, "--ignore-zeros")
    assert ours == python(content, ignore_zeros=True)
    names = [one.name for one in ours]
    assert names == [one.name for one in bsdtar_listing(content, "--options", "read_concatenated_archives")]
    assert bool(findings) == any(gaps)


COMPRESS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda part: gzip.compress(part, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": xz,
}


@pytest.mark.parametrize("kind", COMPRESS)
@examples(25)
@given(data=st.data())
def test_streams_in_a_row_and_zeros_after_them(opened: Opened, kind: str, data: st.DataObject) -> None:
    tar = b"".join(plain(b"%d" % at, b"s" * 700 * at) for at in range(4)) + END
    cuts = sorted(data.draw(st.lists(st.integers(1, len(tar) - 1), max_size=4, unique=True)))
    pads = data.draw(st.lists(st.sampled_from((0, 0, 1, 4, 512)), min_size=len(cuts) + 1, max_size=len(cuts) + 1))
    parts = [tar[begin:end] for begin, end in pairwise((0, *cuts, len(tar)))]
    packed = b"".join(COMPRESS[kind](part) + bytes(pad) for part, pad in zip(parts, pads, strict=True))
    members, findings = read(opened, packed)
    assert members == read(opened, tar)[0]
    assert digests(opened, packed) == digests(opened, tar)
    assert bool(findings) == any(pads)


@pytest.mark.parametrize("first", COMPRESS)
@pytest.mark.parametrize("second", COMPRESS)
def test_a_stream_of_another_compression_is_told(opened: Opened, first: str, second: str) -> None:
    one, two = plain(b"one", b"1"), plain(b"two", b"2") + END
    members, findings = read(opened, COMPRESS[first](one) + COMPRESS[second](two))
    assert [member.name for member in members] == [b"one", b"two"][: 1 + (first == second)]
    assert bool(findings) == (first != second)
