"""Links within archives that lead out once they are unpacked, on whatever detour: class, attempt, what must hold.

`scripts/link_trees.py` makes such archives at random and unpacks those that pass; here are some of them, and the
classes one by one.
"""

import shutil
from collections import Counter
from pathlib import Path
from tarfile import DIRTYPE, LNKTYPE, REGTYPE, SYMTYPE
from typing import Final

import link_trees
import pytest

from backupmeta.archive.limits import Limits
from tests.hostile import END, Opened, header, long_name, pax, seen
from tests.invented import run

LONG: Final = "./" * 2100


def file(name: str) -> link_trees.Member:
    return REGTYPE, name, ""


def folder(name: str) -> link_trees.Member:
    return DIRTYPE, name, ""


def symlink(name: str, target: str) -> link_trees.Member:
    return SYMTYPE, name, target


def hard_link(name: str, target: str) -> link_trees.Member:
    return LNKTYPE, name, target


UP: Final = symlink("p/q/r/d", "../../..")
"""A link to the folder that is unpacked into: harmless, but for what goes on from it."""

OUT: Final[dict[str, list[link_trees.Member]]] = {
    "through a link": [folder("p/q/r"), UP, symlink("e", "p/q/r/d/../../../secret.txt")],
    "through a link that comes later": [symlink("e", "p/q/r/d/../../../secret.txt"), folder("p/q/r"), UP],
    "to it and one up": [UP, symlink("p/e", "q/r/d/..")],
    "through two": [UP, symlink("m", "p/q"), symlink("e", "m/r/d/../secret.txt")],
    "out and in again": [UP, symlink("e", "p/q/r/d/../../4/sandbox/p")],
    "through a chain": [UP, *(symlink(f"l{n}", f"l{n + 1}") for n in range(30)), symlink("l30", "p/q/r/d/../..")],
    "through the other one of two of a name": [symlink("p/d", "q"), symlink("p/d", ".."), symlink("e", "p/d/../x")],
    "through what is a folder, too": [folder("p/d"), symlink("p/d", ".."), symlink("e", "p/d/../x")],
    "through a link that a folder replaces": [symlink("p/d", ".."), folder("p/d"), symlink("e", "p/d/../x")],
    "in a circle": [symlink("a", "a/../..")],
    "in a circle of two": [symlink("p/a", "b/../.."), symlink("p/b", "a/../..")],
    "by a name in other case": [symlink("p/D", ".."), symlink("e", "p/d/../x")],
    "by a name in another form of Unicode": [symlink("p/e\u0301", ".."), symlink("e", "p/\u00e9/../x")],
    "a hard link to one": [symlink("a/b/l", "../x"), hard_link("h", "a/b/l")],
    "a hard link to one, by another name": [symlink("a/b/l", "../x"), hard_link("h", "./a//b/./l")],
    "a hard link to one in other case": [symlink("a/b/l", "../x"), hard_link("h", "a/B/L")],
    "a hard link to a hard link": [symlink("a/b/l", "../x"), hard_link("a/h", "a/b/l"), hard_link("h", "a/h")],
    "a hard link to the other of two": [symlink("a/l", "../x"), symlink("a/l", "x"), hard_link("h", "a/l")],
    "through a hard link": [symlink("p/q/d", "../.."), hard_link("p/d", "p/q/d"), symlink("e", "p/d/../x")],
    "a hard link through a link": [symlink("a/b/l", "../x"), symlink("m", "a"), hard_link("h", "m/b/l")],
    "a hard link up": [symlink("a/l", "b"), hard_link("h", "a/l/../../x")],
    "a hard link by the way that GNU tar cuts off": [symlink("a/b/l", "../x"), hard_link("h", "c/../a/b/l")],
    "below a hard link": [symlink("l", "d"), hard_link("h", "l"), file("h/x")],
    "a hard link whose target's target changes": [  # with tarfile of Python 3.11.2
        symlink("a/b/u", "missing"),
        hard_link("t", "a/b/u"),
        file("a/x"),
        symlink("a/b/u", "../x"),
        hard_link("h", "t"),
    ],
    "a copy of one, for a target is too long": [symlink("d/m", "../f"), symlink("l", f"{LONG}d/m")],
    "a copy of one, for a target is empty": [
        folder("r"),
        symlink("a/l", ""),
        symlink("a/q", ".."),
        symlink("a", "q/r/../.."),
    ],
    "a name that ends with a dot": [symlink("a/.", "../x")],
    "a name that ends with dots and slashes": [symlink("a/././", "../x")],
    "a backslash that is a letter of the name": [symlink("a\\b", "../x")],
    "a backslash that is a letter of the target": [symlink("l", "a\\b/../../x")],
    "a backslash that separates": [symlink("l", "a\\..\\..\\x")],
    "a backslash that separates in the one on the way": [symlink("p\\d", "..\\"), symlink("e", "p/d/../x")],
    "absolute": [symlink("l", "/etc/passwd")],
    "absolute, through a hard link": [symlink("a/l", "/etc/passwd"), hard_link("h", "a/l")],
    "a link below another": [symlink("a/b/l", "../.."), symlink("a/b/l/m", "../../..")],
    "a link below another, in other case": [symlink("a/b/l", "../.."), symlink("A/B/L/m", "../../..")],
}
"""Archives that lead out, to one program at least, or on a system that does not tell names apart."""


@pytest.mark.parametrize("attempt", OUT)
def test_no_way_out_passes(tmp_path: Path, attempt: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(link_trees.packed(OUT[attempt]))
    assert run("verify", path, "--select", "safe", "--fail-on", "error").code == 1


HONEST: Final[dict[str, list[link_trees.Member]]] = {
    "a library's versions": [file("lib/a.so.1.2"), symlink("lib/a.so.1", "a.so.1.2"), symlink("lib/a.so", "a.so.1")],
    "programs of packages": [file("n/p/cli.js"), symlink("n/.bin/p", "../p/cli.js"), symlink("n/.bin/q", "../q/./q")],
    "a deployment": [
        folder("releases/1"),
        symlink("current", "releases/1"),
        symlink("releases/1/public/files", "../../../shared/files"),
        symlink("files", "current/public/files"),
    ],
    "beside where a link leads": [
        folder("releases/1"),
        symlink("current", "releases/1"),
        symlink("next", "current/../2"),
    ],
    "to the top": [file("a/b/x"), symlink("a/b/top", "../..")],
    "hard links": [file("a/x"), hard_link("y", "a/x"), hard_link("a/z", "y")],
    "a hard link to a link beside it": [file("x"), symlink("l", "x"), hard_link("m", "l")],
    "a link in a folder of another case": [folder("docs"), symlink("Docs.txt", "docs/x"), file("docs/x")],
    "a folder called dots": [file(".../x"), symlink("l", ".../x"), symlink("m", "..a/..b")],
}


@pytest.mark.parametrize("kind", HONEST)
def test_what_stays_inside_passes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(link_trees.packed(HONEST[kind]))
    ran = run("verify", path, "--select", "safe")
    assert (ran.code, ran.err) == (0, "")


needs_programs = pytest.mark.skipif(
    not (shutil.which("tar") and shutil.which("bsdtar")), reason="GNU tar and bsdtar unpack what is tried"
)

LEFT: Final[dict[str, list[str]]] = {
    "through a link": ["GNU tar", "bsdtar", "tarfile", "tarfile, each"],
    "a hard link to one": ["GNU tar", "bsdtar", "tarfile", "tarfile, each"],
    "a copy of one, for a target is too long": ["tarfile", "tarfile, each"],
    "a name that ends with dots and slashes": ["bsdtar"],
    "a backslash that is a letter of the name": ["GNU tar", "bsdtar", "tarfile", "tarfile, each"],
}
"""By which programs some of them lead out: where they no longer do, a rule may go."""


@needs_programs
def test_programs_do_lead_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_trees, "judged", lambda _: link_trees.Judgement(passes=True, passes_by_errors=True))
    trees = [link_trees.Tree(number, tuple(OUT[attempt])) for number, attempt in enumerate(LEFT)]
    found = link_trees.tried(trees, Counter())
    by_tree = {
        attempt: [name for name in link_trees.PROGRAMS if any(f"{tree}\n    {name}: " in one for one in found)]
        for attempt, tree in zip(LEFT, trees, strict=True)
    }
    assert by_tree == LEFT


@needs_programs
def test_of_random_trees_those_that_pass_lead_nowhere() -> None:
    tally = Counter[str]()
    assert link_trees.tried((link_trees.made(0, number) for number in range(150)), tally) == []
    assert tally["pass"] >= 5
    assert tally["pass by errors alone"] >= 30


# Class: what can't be followed.


def symlinks(count: int, target: bytes) -> bytes:
    return b"".join(header(b"d%d/l" % n, 0, b"2", link=target) for n in range(count))


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        (symlinks(4, b"x"), Limits(names=3)),
        (b"".join(header(b"l", 0, b"2", link=b"%d" % n) for n in range(17)), Limits()),
        (
            header(b"f", 0)
            + b"".join(header(b"h%d" % n, 0, b"1", link=b"f%d" % n) for n in range(3))
            + symlinks(1, b"x"),
            Limits(names=3),
        ),
        (b"".join(long_name(b"x/../" * 5000, b"K") + header(b"l%d" % n, 0, b"2") for n in range(2)), Limits()),
        (b"".join(header(b"l%d" % n, 0, b"2", link=b"l%d/../l%d/../x" % (n + 1, n + 1)) for n in range(40)), Limits()),
        (header(b"h", 0, b"1", link=b"l") + symlinks(1, b"x") + header(b"l", 0, b"2", link=b"x"), Limits()),
    ],
    ids=["many", "many of a name", "many hard links", "long targets", "many ways", "hard link before it"],
)
def test_links_that_are_not_followed_are_told(opened: Opened, content: bytes, limits: Limits) -> None:
    assert "member-link-unfollowed" in seen(opened, content + END, limits).ids


# Class: what programs read in different ways.


@pytest.mark.parametrize(
    "content",
    [
        pax([(b"linkpath", b"p/d/../x")]) + pax([(b"linkpath", b"y")]) + header(b"e", 0, b"2"),
        pax([(b"path", b"e")]) + pax([(b"path", b"q/q")]) + header(b"f", 0, b"2", link=b"p/d/.."),
        long_name(b"p/d/../x", b"K") + long_name(b"y", b"K") + header(b"e", 0, b"2"),
        pax([(b"path", b"p/d/x")]) + pax([(b"path", b"x")]) + header(b"f"),
        b"".join(pax([(b"path", b"%d" % n), (b"linkpath", b"%d" % n)]) for n in range(9)) + header(b"f", 0, b"2"),
    ],
    ids=["a target", "a name", "a long target", "a file's name", "many"],
)
def test_each_reading_of_a_link_counts(opened: Opened, content: bytes) -> None:
    found = seen(opened, header(b"p/d", 0, b"2", link=b"..") + content + END)
    assert {"member-link-escapes", "member-through-link", "member-link-unfollowed"} & set(found.ids)
