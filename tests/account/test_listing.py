"""What lies in a home's folders: listed without opening a file, with a fingerprint that any change changes."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from backupmeta.account.layout import ALONE, HOME, Counting, Extent, Listing, listed
from backupmeta.evidence import Signature, open_folder
from tests.invented import BACKUP, INSTALL, NAME, TIME, Account, unprivileged

RECORD: Final = f".appdata/backups/{BACKUP}"
ARCHIVE: Final = f"application_backups/{NAME}"
EXTENTS: Final = (*HOME, Extent("old", Counting.CONVENTIONAL))


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a home that everybody may read, with a folder beside the conventional ones."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        found = Account(Path(folder, "exampleu")).whole().home
        (found / "old").mkdir()
        (found / "old" / NAME).write_bytes(b"older")
        (found / "link").symlink_to("public_html")
        for path in found.rglob("*"):
            if path.is_file():
                os.utime(path, (TIME, TIME))
        yield found


def listing(home: Path, extents: tuple[Extent, ...] = EXTENTS, beside: str = "") -> Listing:
    with open_folder(str(home)) as folder:
        return listed(folder, extents, beside)


def test_files_by_their_paths(home: Path) -> None:
    (home / "old/notes.tar.gz").write_bytes(b"")  # follows no convention
    (home / "readme.txt").write_bytes(b"")
    (home / ".appdata/version").write_bytes(b"")
    expected = {}
    for path in (f".appdata/current/{INSTALL}", RECORD, ARCHIVE, f"old/{NAME}"):
        status = (home / path).stat()
        expected[path] = Signature(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    assert listing(home).files == expected


def test_of_a_folder_of_archives_the_archives(home: Path) -> None:
    folder = home / "application_backups"
    (folder / "x.TAR").write_bytes(b"")
    (folder / "x.txt").write_bytes(b"")
    (folder / "folder.tar").mkdir()
    (folder / "link.tar").symlink_to(NAME)
    assert set(listing(folder, ALONE).files) == {NAME, "x.TAR"}


def test_it_is_the_same_where_nothing_changed(home: Path) -> None:
    before = listing(home)
    (home / RECORD).read_bytes()
    assert listing(home).fingerprint == before.fingerprint


CHANGES: Final[dict[str, Callable[[Path], object]]] = {
    "content": lambda home: (home / RECORD).write_bytes(b"x" * (home / RECORD).stat().st_size),
    "size": lambda home: same_time(home / ARCHIVE, lambda path: path.write_bytes(b"x")),
    "time": lambda home: os.utime(home / ARCHIVE, ns=(0, TIME * 10**9 + 1)),
    "inode": lambda home: same_time(home / ARCHIVE, replaced),
    "new record": lambda home: (home / ".appdata/backups/new").touch(),
    "new install": lambda home: (home / ".appdata/current/new").touch(),
    "new archive": lambda home: (home / "application_backups/new.tar").touch(),
    "new archive elsewhere": lambda home: shutil.copy2(home / ARCHIVE, home / "old" / NAME.replace("Blog", "New")),
    "archive gone": lambda home: (home / ARCHIVE).unlink(),
    "archive gone elsewhere": lambda home: (home / "old" / NAME).unlink(),
    "record renamed": lambda home: (home / RECORD).rename((home / RECORD).with_name("renamed")),
    "archive of another mode, which changes its inode": lambda home: (home / "old" / NAME).chmod(0o600),
    "archive moved": lambda home: (home / ARCHIVE).rename(home / "old" / NAME),
    "names exchanged": lambda home: exchanged(home / RECORD, home / ".appdata/backups/other"),
    "folder in a file's place": lambda home: in_place(home / RECORD, Path.mkdir),
    "link in a file's place": lambda home: in_place(home / RECORD, lambda path: path.symlink_to("other")),
    "new folder": lambda home: (home / "new").mkdir(),
    "new folder of records": lambda home: (home / ".appdata/new").mkdir(),
    "link in a folder's place": lambda home: in_place(home / "old", lambda path: path.symlink_to("new")),
    "folder gone": lambda home: shutil.rmtree(home / "application_backups"),
    "file in a folder's place": lambda home: in_place(home / "application_backups", Path.touch),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_another_one_after_any_change(home: Path, change: str) -> None:
    (home / ".appdata/backups/other").write_bytes(b"another record")
    before = listing(home)
    CHANGES[change](home)
    assert listing(home).fingerprint != before.fingerprint


def test_it_is_another_one_after_a_link_points_elsewhere(home: Path) -> None:
    before = listing(home)
    in_place(home / "link", lambda path: path.symlink_to("another"))
    assert listing(home).fingerprint != before.fingerprint


def test_it_is_the_same_after_what_makes_no_difference(home: Path) -> None:
    before = listing(home)
    (home / "readme.txt").touch()
    (home / "old/notes.tar.gz").touch()
    (home / ".appdata/version").touch()
    assert listing(home).fingerprint == before.fingerprint


def test_it_depends_on_what_is_looked_at(home: Path) -> None:
    fingerprints = {listing(home, extents).fingerprint for extents in (HOME, EXTENTS, ALONE, ())}
    assert len({*fingerprints, listing(home, beside="another version").fingerprint}) == 5


class TestUnread:
    @pytest.mark.parametrize("folder", [".appdata", ".appdata/backups", "application_backups", "old"])
    def test_a_folder_that_cant_be_listed(self, home: Path, folder: str) -> None:
        before = listing(home)
        (home / folder).chmod(0)
        with unprivileged():
            found = listing(home)
        (home / folder).chmod(0o755)
        inside = {path for path in before.files if path.startswith(f"{folder}/")}
        assert found.unread == tuple(one.path for one in EXTENTS if f"{one.path}/".startswith(f"{folder}/"))
        assert set(found.files) == set(before.files) - inside
        assert found.fingerprint != before.fingerprint

    @pytest.mark.parametrize("change", ["folder gone", "link in a folder's place", "file in a folder's place"])
    def test_one_that_is_not_there_is_none(self, home: Path, change: str) -> None:
        CHANGES[change](home)
        assert listing(home).unread == ()


def same_time(path: Path, change: Callable[[Path], object]) -> None:
    change(path)
    os.utime(path, (TIME, TIME))


def replaced(path: Path) -> None:
    """Put a file with the same content in a file's place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def exchanged(one: Path, other: Path) -> None:
    for source, target in ((one, one.with_name("x")), (other, one), (one.with_name("x"), other)):
        source.rename(target)


def in_place(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    make(path)
