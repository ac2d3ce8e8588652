"""Headers that hardly any program writes, made by hand, are read as GNU tar, bsdtar and tarfile read them.

Where one of them is left out, it disagrees with the others, and the test says how.
"""

from typing import Final

import pytest

from tests.archive.peers import (
    BSDTAR,
    END,
    GNU_TAR,
    Opened,
    Peer,
    against_all,
    block,
    bsdtar,
    bsdtar_listing,
    gnu_tar,
    needs_bsdtar,
    needs_gnu_tar,
    ours,
    padded,
    python,
    timeless,
)

FIRST: Final = block("first", size=5) + padded(b"12345")
LAST: Final = block("last", size=5) + padded(b"54321")


@against_all
def test_star_s_header(opened: Opened, peer: Peer) -> None:
    # star's prefix has 131 bytes, and times behind it. The others take it for ustar's of 155, so it must end before.
    times = {476: b"14632451371 ", 488: b"14632451372 ", 508: b"tar\0"}
    content = block("name", size=5, at={345: b"p" * 130, **times}) + padded(b"12345") + LAST + END
    assert ours(opened, content) == peer(content)
    assert [one.name for one in ours(opened, content)] == [b"p" * 130 + b"/name", b"last"]


def test_star_s_longest_prefix_ends_before_its_times(opened: Opened) -> None:
    # GNU tar, bsdtar and tarfile take the times for a part of the name.
    times = {476: b"14632451371 ", 488: b"14632451372 ", 508: b"tar\0"}
    content = block("name", at={345: b"p" * 131, **times}) + END
    assert [one.name for one in ours(opened, content)] == [b"p" * 131 + b"/name"]


@against_all
@pytest.mark.parametrize("prefix", [b"", b"folder"])
def test_a_mode_with_the_member_s_kind_in_it_is_its_permission_bits(opened: Opened, prefix: bytes, peer: Peer) -> None:
    content = FIRST + block("name", at={100: b"0104755\0", 345: prefix}) + LAST + END
    assert ours(opened, content) == peer(content)


@against_all
@pytest.mark.parametrize("magic", [b"ustar\00000", bytes(8)], ids=["ustar", "v7"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("d", b"5"), ("d/", b"5"), ("d", b"D"), ("d/", b"D"), ("d", b"0"), ("d", b"\0"), ("d/", b"\0"), ("d", b"7")],
)
def test_folders_with_and_without_a_slash(opened: Opened, name: str, kind: bytes, magic: bytes, peer: Peer) -> None:
    content = FIRST + block(name, kind, at={257: magic}) + LAST + END
    assert ours(opened, content) == peer(content)


@pytest.mark.parametrize("peer", [GNU_TAR, BSDTAR])
@pytest.mark.parametrize("magic", [b"ustar\00000", bytes(8)], ids=["ustar", "v7"])
def test_a_file_whose_name_ends_with_a_slash_is_a_folder(opened: Opened, magic: bytes, peer: Peer) -> None:
    # tarfile: a file.
    content = FIRST + block("d/", b"0", at={257: magic}) + LAST + END
    assert ours(opened, content) == peer(content)
    assert ours(opened, content)[1].kind == "directory"


@needs_bsdtar
@pytest.mark.parametrize("magic", [b"ustar\00000", bytes(8)], ids=["ustar", "v7"])
def test_a_contiguous_file_whose_name_ends_with_a_slash_is_a_folder(opened: Opened, magic: bytes) -> None:
    # GNU tar and tarfile: a file.
    content = FIRST + block("d/", b"7", at={257: magic}) + LAST + END
    assert ours(opened, content) == bsdtar(content)


def extension(kind: bytes, content: bytes) -> bytes:
    """Return an extension header."""
    return block("extension", kind, size=len(content)) + padded(content)


@against_all
@pytest.mark.parametrize(
    "headers",
    [
        [(b"L", b"name" * 50 + b"\0")],
        [(b"K", b"link" * 50 + b"\0"), (b"L", b"name" * 50 + b"\0")],
        [(b"L", b"name" * 50 + b"\0"), (b"K", b"link" * 50 + b"\0")],
        [(b"x", b"12 path=pax\n"), (b"L", b"long" * 50 + b"\0")],
        [(b"x", b"16 linkpath=pax\n"), (b"K", b"long" * 50 + b"\0")],
        [(b"X", b"12 path=pax\n")],
        [(b"x", b"12 path=one\n12 path=two\n")],
    ],
    ids=["L", "K, L", "L, K", "x, L", "x, K", "X", "twice in one"],
)
def test_names_before_the_header(opened: Opened, headers: list[tuple[bytes, bytes]], peer: Peer) -> None:
    link = block("short", b"2", link="target")
    content = FIRST + b"".join(extension(*one) for one in headers) + link + LAST + END
    assert ours(opened, content) == peer(content)


@needs_gnu_tar
def test_a_pax_name_counts_before_a_gnu_long_name(opened: Opened) -> None:
    # bsdtar and tarfile: the first one counts.
    headers = extension(b"L", b"long" * 50 + b"\0") + extension(b"x", b"12 path=pax\n")
    content = FIRST + headers + block("short") + LAST + END
    assert ours(opened, content) == gnu_tar(content)
    assert ours(opened, content)[1].name == b"pax"


@pytest.mark.parametrize("peer", [GNU_TAR, BSDTAR])
def test_the_last_of_two_long_names_counts(opened: Opened, peer: Peer) -> None:
    # tarfile: the first one.
    headers = extension(b"L", b"one" * 50 + b"\0") + extension(b"L", b"two" * 50 + b"\0")
    content = FIRST + headers + block("short") + LAST + END
    assert ours(opened, content) == peer(content)


MAGICS: Final = {"v7": bytes(8), "ustar": b"ustar\00000", "gnu": b"ustar  \0"}
TIMES: Final = b"28 mtime=1718312121.5000000\n"
EXTENDED: Final = block("x", b"x", size=len(TIMES)) + padded(TIMES)


def linked(magic: bytes, content: bytes) -> bytes:
    """Return a hard link that says that it has 700 bytes."""
    return block("h", b"1", size=700, link="first", at={257: magic}) + padded(content)


@needs_bsdtar
def test_a_hard_link_with_content_in_a_pax_archive(opened: Opened) -> None:
    # pax -o linkdata. GNU tar searches for the next header and says that the link has no size, tarfile ends here.
    content = FIRST + EXTENDED + linked(MAGICS["ustar"], b"d" * 700) + LAST + END
    found = ours(opened, content)
    assert timeless(found) == bsdtar_listing(content)
    assert [(one.name, one.kind, one.size) for one in found][1] == (b"h", "hard link", 700)


@needs_gnu_tar
@pytest.mark.parametrize("magic", MAGICS.values(), ids=MAGICS)
def test_a_hard_link_with_content_elsewhere(opened: Opened, magic: bytes) -> None:
    # GNU tar is the only one to go on behind it, and ends with an error.
    content = FIRST + linked(magic, b"d" * 700) + LAST + END
    found = ours(opened, content)
    assert [one._replace(size=0) if one.kind == "hard link" else one for one in found] == gnu_tar(content, codes=(2,))
    assert (len(found), found[1].size) == (3, 700)


@pytest.mark.parametrize("peer", [GNU_TAR, BSDTAR])
@pytest.mark.parametrize("magic", MAGICS.values(), ids=MAGICS)
def test_a_hard_link_with_a_size_only(opened: Opened, magic: bytes, peer: Peer) -> None:
    # tarfile gives the size, and passes over nothing, either.
    content = FIRST + linked(magic, b"") + LAST + END
    assert ours(opened, content) == peer(content)
    assert [one.name for one in python(content)] == [one.name for one in ours(opened, content)]


@needs_gnu_tar
def test_a_hard_link_with_a_size_only_in_a_pax_archive(opened: Opened) -> None:
    # bsdtar passes over the next member, for its content; tarfile goes on there.
    content = FIRST + EXTENDED + linked(MAGICS["ustar"], b"") + LAST + END
    assert ours(opened, content) == gnu_tar(content)
    assert [one.name for one in python(content)] == [one.name for one in ours(opened, content)]


@needs_bsdtar
@pytest.mark.parametrize("kind", [b"2", b"3", b"4", b"5", b"6"], ids=["symlink", "char", "block", "folder", "fifo"])
def test_links_devices_folders_and_fifos_have_no_content(opened: Opened, kind: bytes) -> None:
    # bsdtar gives them no size; GNU tar passes over content, except for a folder's.
    content = FIRST + block("x", kind, size=700) + LAST + END
    found = ours(opened, content)
    assert found == python(content)
    assert [one._replace(size=0) if one.name == b"x" else one for one in found] == bsdtar(content)
