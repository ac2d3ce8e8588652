"""What GNU tar unpacks is what we read: each file's bytes, holes and hard links included, the last of each name."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.member import WITH_CONTENT, Member
from backupmeta.archive.reader import Pass, find
from backupmeta.errors import DamagedError, NotAnArchiveError
from backupmeta.evidence import open_named
from tests.archive.peers import ENVIRONMENT, SECONDS, needs_gnu_tar
from tests.invented import FIXTURES
from tests.kinds import KINDS, Archive

pytestmark = needs_gnu_tar

_CUT: Final = "it breaks off"
_CORRUPT: Final = "it is corrupt"
_OUTSIDE: Final = "GNU tar unpacks nothing above the folder"
_NOTHING: Final = "a link leads to nothing"
_PACKED: Final = "the compression's own program refuses it, or gives no tar"
REFUSED: Final[Mapping[str, str]] = {
    "two pax headers": _OUTSIDE,
    "long name, then pax": _OUTSIDE,
    "pax keyword with NUL": "GNU tar reads on, and says so",
    "not octal": "GNU tar reads on, and says so",
    "link to itself": _NOTHING,
    "link to nothing": _NOTHING,
    "link to what comes later": _NOTHING,
    "link to a folder": _NOTHING,
    "link in another case": _NOTHING,
    "record again, deeper, and before, a link to nothing": _NOTHING,
    "long name of a folder, then a file": "GNU tar takes a folder's content for a header",
    "compressed twice": _PACKED,
    "archives-compressed-twice": _PACKED,
    "archives-leading-bom-tar": _PACKED,
    "archives-leading-message": _PACKED,
    "archives-padding-xz": "xz refuses the zeros behind its stream",
    "zstd in gzip": _PACKED,
    "newline before the stream": _PACKED,
    "notice before the stream": _PACKED,
    "junk between two streams": _PACKED,
    "zeros between two streams": _PACKED,
    "xz, zeros behind the stream": _PACKED,
    "zstd, zeros behind the stream": _PACKED,
    "link with a content": "GNU tar takes the content for damage, and goes on after it",
    "record behind a broken header": _CORRUPT,
    "record behind a file and a broken header": _CORRUPT,
    "broken header in the middle": _CORRUPT,
    "flipped bit in a header": _CORRUPT,
    "wrong checksum": _CORRUPT,
    "wrong length": _CORRUPT,
    "flipped bit in the deflated stream": _CORRUPT,
    "bzip2, wrong checksum": _CORRUPT,
    "archives-flipped-bit-after-record": _CORRUPT,
    "archives-flipped-bit-in-record": _CORRUPT,
    "bytes behind the stream": "gzip ends with a warning",
    "archives-truncated-trailer": _CUT,
    **{name: _CUT for name in KINDS if "cut in" in name and not name.startswith("tar cut in a header")},
}
"""Where GNU tar does not end with 0, and why; whatever it has unpacked by then is compared all the same."""

UNKNOWN: Final[Mapping[str, str]] = {
    "map of holes beyond the file": "its content can't be told (`member-sparse-map`); GNU tar makes it longer",
    "link to a symlink": "it is no file once it is unpacked",
}
"""Where a whole archive holds something that we give no content of, and why."""

LOST: Final[Mapping[str, str]] = {
    "archives-zeros-between-streams": "gzip ends at the zeros, and GNU tar leaves the file that is being read cut off"
}
"""Where GNU tar leaves less of a file than we give, and why."""

NO_ARCHIVE: Final = {
    "nothing but zeros",
    "archives-truncated-in-first-header",
    *(f"archives-{one.name}" for one in (FIXTURES / "archives").glob("not-*")),
}


def _fixtures() -> Iterator[tuple[str, Archive]]:
    for folder in sorted([*(FIXTURES / "archives").iterdir(), *(FIXTURES / "applications").iterdir()]):
        path = next(one for one in folder.iterdir() if one.name != "expected.json")
        yield f"{folder.parent.name}-{folder.name}", Archive(path.name, path.read_bytes())


ARCHIVES: Final = {**dict(_fixtures()), **KINDS}


@pytest.mark.untraced  # the same lines for each archive
@pytest.mark.parametrize("name", ARCHIVES)
def test_gnu_tar_unpacks_what_we_read(name: str, tmp_path: Path) -> None:
    given = ARCHIVES[name]
    path = tmp_path / given.name
    path.write_bytes(given.content)
    code, theirs = _unpacked(path, tmp_path / "unpacked", *["--ignore-zeros"] * given.has_gap)
    if name in NO_ARCHIVE:
        with pytest.raises(NotAnArchiveError if "truncated" not in name else DamagedError):
            _read(path)
        assert theirs == {}
        return
    ours = _read(path)
    told = {key: digest for key, (_, digest) in ours.items() if digest is not None}
    if name in LOST:
        assert (code, theirs.keys() < told.keys()) == (2, True)
        return
    assert {key: theirs[key] for key in told if key in theirs} == {key: told[key] for key in told if key in theirs}
    if name in REFUSED or "truncated-" in name:
        assert code == 2
        return
    assert code == 0
    assert (theirs.keys() == told.keys() == ours.keys()) == (name not in UNKNOWN)
    for key in told:
        if _may_differ(ours[key][0], list(ours)):
            assert _given(path, ours[key][0]) == theirs[key]


def _may_differ(member: Member, keys: list[bytes]) -> bool:
    """Choose of what the content is asked for alone: all that is unusual, and some of what is not."""
    is_own = member.is_record and member.is_at_root  # of several the first counts
    return not is_own and (
        member.kind != "file" or member.is_sparse or keys.index(os.path.normpath(member.name).lstrip(b"/")) % 8 == 0
    )


def _unpacked(path: Path, folder: Path, *options: str) -> tuple[int, dict[bytes, str]]:
    """Return how GNU tar ends, and the digests of the files that it leaves in ``folder``."""
    folder.mkdir()
    command = ["tar", "--no-same-owner", *options, "-xf", str(path), "-C", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS, env=ENVIRONMENT)
    found = dict[bytes, str]()
    for parent, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            one = Path(os.fsdecode(os.path.join(parent, name)))  # noqa: PTH118 - bytes
            if one.is_file() and not one.is_symlink():
                found[os.path.relpath(os.fsencode(one), os.fsencode(folder))] = sha256(one.read_bytes()).hexdigest()
    return done.returncode, found


def _read(path: Path) -> dict[bytes, tuple[Member, str | None]]:
    """Return the last member of each name that has a content, with its digest."""
    digests, found = MemberDigests("sha256", DEFAULT_LIMITS.names), dict[bytes, tuple[Member, str | None]]()
    with open_named(str(path)) as file:
        for one in Pass(file, consumers=[digests]):
            key = os.path.normpath(one.name).lstrip(b"/")
            found.pop(key, None)
            if one.kind in WITH_CONTENT:
                found[key] = one, digests.hexadecimal
    return found


def _given(path: Path, member: Member) -> str:
    """Return the digest of the content that is given of one ``member``."""
    with open_named(str(path)) as file:
        content = find(file, member.text, DEFAULT_LIMITS).content
        return sha256(b"".join(content)).hexdigest()
