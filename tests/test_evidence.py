"""Opening evidence: only regular files, no link out of a root, no trace."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from backupmeta import evidence
from backupmeta.errors import EvidenceError, LimitExceededError, NotRegularError, UnreadableError
from backupmeta.evidence import EvidenceFile, kind_of, open_folder, open_named

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, FIFOs and sockets of POSIX")


@pytest.fixture(params=["relative", "by path"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Lay out a folder with a bit of everything; the second time as on a system without openat."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deeper").write_bytes(b"deeper")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "link-to-folder").symlink_to("below")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    with patch.object(evidence, "_RELATIVE", request.param == "relative"):
        yield tmp_path


@pytest.fixture
def socket_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Give a function that puts a socket at a path."""
    with socket.socket(socket.AF_UNIX) as one:

        def put(path: Path) -> None:
            monkeypatch.chdir(path.parent)  # a socket's whole path may have 107 bytes
            one.bind(path.name)

        yield put


def test_a_file_is_read_as_it_was_named(folder: Path) -> None:
    for name in ("file", "link"):
        with open_named(str(folder / name)) as file:
            status = (folder / "file").stat()
            assert (file.path, file.size, file.signature.mtime_ns) == (str(folder / name), 7, status.st_mtime_ns)
            assert (file.read(4), file.read(9), file.read(9)) == (b"cont", b"ent", b"")
            file.seek(0)
            assert file.read_whole("record_bytes", 7) == b"content"


def test_reading_leaves_no_trace_in_atime(folder: Path) -> None:
    os.utime(folder / "file", (1_000_000_000, 1_700_000_000))
    with open_named(str(folder / "file")) as file:
        file.read(10)
    assert (folder / "file").stat().st_atime == 1_000_000_000


def test_where_no_atime_can_t_be_asked_for_the_file_is_read_all_the_same(folder: Path) -> None:
    asked, plain = [], os.open

    def refuse(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        asked.append(flags)
        if flags & os.O_NOATIME:
            raise PermissionError(1, "Operation not permitted")
        return plain(path, flags, dir_fd=dir_fd)

    with patch.object(os, "open", refuse), open_named(str(folder / "file")) as file:
        assert file.read(10) == b"content"
    assert len(asked) == 2


def test_a_system_without_noatime_says_no_once(folder: Path) -> None:
    def refuse(path: str, _flags: int, *, dir_fd: int | None = None) -> int:
        raise PermissionError(13, "Permission denied", path, dir_fd)

    with (
        patch.object(os, "open", refuse),
        patch.object(evidence, "_NOATIME", 0),
        pytest.raises(UnreadableError, match="permission denied"),
    ):
        open_named(str(folder / "file"))


def test_a_file_is_opened_read_only(folder: Path) -> None:
    flags = []
    plain = os.open

    def note(path: str, asked: int, *, dir_fd: int | None = None) -> int:
        flags.append(asked)
        return plain(path, asked, dir_fd=dir_fd)

    with patch.object(os, "open", note):
        open_named(str(folder / "file")).close()
        with open_folder(str(folder)) as opened:
            opened.open_file("file").close()
    assert flags
    assert not any(one & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) for one in flags)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("absent", UnreadableError, "no such file or directory"),
        ("file/below", UnreadableError, "not a directory"),
        ("dangling", UnreadableError, "no such file or directory"),
        ("x" * 300, UnreadableError, "file name too long"),
        ("nul\0", UnreadableError, "the name can't be used"),
        ("below", NotRegularError, "is a folder; only regular files are read"),
        ("link-to-folder", NotRegularError, "is a folder"),
        ("fifo", NotRegularError, "is a FIFO"),
    ],
)
def test_what_can_t_be_opened(folder: Path, name: str, error: type[EvidenceError], words: str) -> None:
    with pytest.raises(error, match=words):
        open_named(str(folder / name))


def test_sockets_and_devices_are_not_opened(tmp_path: Path, socket_at: Callable[[Path], None]) -> None:
    socket_at(tmp_path / "socket")
    with pytest.raises(NotRegularError, match="is a socket"):
        open_named(str(tmp_path / "socket"))
    with pytest.raises(NotRegularError, match="is a character device"):
        open_named(os.devnull)


def test_what_takes_a_file_s_place_is_not_read(folder: Path) -> None:
    status = (folder / "file").stat()
    with patch.object(os, "stat", lambda _path: status), pytest.raises(NotRegularError, match="is a FIFO"):
        open_named(str(folder / "fifo"))


def test_a_file_longer_than_its_limit_is_refused(folder: Path) -> None:
    with open_named(str(folder / "file")) as file, pytest.raises(LimitExceededError, match="7 of at most 6"):
        file.read_whole("record_bytes", 6)


def test_a_file_that_grows_while_it_is_read_is_refused(folder: Path) -> None:
    with open_named(str(folder / "file")) as file:
        (folder / "file").write_bytes(b"more content")
        with pytest.raises(LimitExceededError, match="more of at most 8"):
            file.read_whole("record_bytes", 8)


def test_a_file_that_comes_in_parts_is_read_whole(folder: Path) -> None:
    plain = os.read
    with (
        patch.object(os, "read", lambda fd, length: plain(fd, min(length, 3))),
        open_named(str(folder / "file")) as file,
    ):
        assert file.read_whole("record_bytes", 7) == b"content"


def test_an_error_while_reading_is_said_so() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    with patch("stat.S_ISREG", lambda _mode: True):
        file = EvidenceFile("/evidence", fd)
    file.close()
    with pytest.raises(UnreadableError, match="/evidence: bad file descriptor"):
        file.read(1)


def test_a_folder_tells_what_lies_in_it_again_and_again(folder: Path) -> None:
    with open_folder(str(folder)) as opened:
        for _ in range(2):
            entries = opened.entries(100)
            assert [one.name for one in entries] == sorted(one.name for one in folder.iterdir())
            kinds = {one.name: (one.is_folder, one.is_file, one.is_link) for one in entries}
            assert kinds["file"] == (False, True, False)
            assert kinds["below"] == (True, False, False)
            assert kinds["link-to-folder"] == kinds["link"] == (False, False, True)
            assert kinds["fifo"] == (False, False, False)


def test_what_lies_below_is_opened(folder: Path) -> None:
    with open_folder(str(folder), "/home/exampleu") as opened, opened.open_folder("below") as below:
        assert (below.path, below.server_path) == (str(folder / "below"), "/home/exampleu/below")
        with below.open_file("deeper") as file:
            assert (file.path, file.read(9)) == (str(folder / "below" / "deeper"), b"deeper")


@pytest.mark.parametrize("name", ["link", "link-to-folder", "dangling"])
def test_no_link_is_followed(folder: Path, name: str) -> None:
    with open_folder(str(folder)) as opened:
        with pytest.raises(NotRegularError, match="is a symbolic link"):
            opened.open_file(name)
        with pytest.raises(NotRegularError, match="is a symbolic link"):
            opened.open_folder(name)
        assert opened.link_target(name) == str((folder / name).readlink())
        assert opened.link_target("file") == ""


def test_what_can_t_be_opened_below_a_root(folder: Path) -> None:
    with open_folder(str(folder)) as opened:
        with pytest.raises(UnreadableError, match="no such file"):
            opened.open_file("absent")
        with pytest.raises(NotRegularError, match="is a FIFO"):
            opened.open_file("fifo")
        with pytest.raises(NotRegularError, match="is a folder"):
            opened.open_file("below")


def test_a_folder_that_can_t_be_read(folder: Path) -> None:
    with pytest.raises(UnreadableError, match="the name can't be used"), open_folder("nul\0") as opened:
        opened.entries(100)
    with pytest.raises(UnreadableError, match="no such file"), open_folder(str(folder / "absent")) as opened:
        opened.entries(100)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/exampleu", "/home/exampleu/x"),
        ("/", "/x"),
        ("c:\\inetpub\\vhosts", "c:\\inetpub\\vhosts\\x"),
        ("c:\\", "c:\\x"),
        ("c:", "c:\\x"),
    ],
)
def test_paths_are_joined_as_the_server_wrote_them(folder: str, expected: str) -> None:
    assert evidence.join_server_path(folder, "x") == expected


def test_kinds_of_files_in_words(tmp_path: Path) -> None:
    assert kind_of(tmp_path.stat().st_mode) == "a folder"
    assert kind_of(Path(os.devnull).stat().st_mode) == "a character device"
    assert kind_of(0o100644) == "a regular file"
    assert kind_of(0o060600) == "a block device"
