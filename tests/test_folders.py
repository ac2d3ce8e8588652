"""Folders that are written to."""

import errno
import os
from pathlib import Path

import pytest

from backupmeta.errors import OutputError
from backupmeta.folders import NEW_FILE, Folder, reason, temporary_name, writing_to


def test_what_is_written_stays_in_the_folder_that_was_opened(tmp_path: Path) -> None:
    opened, elsewhere = tmp_path / "opened", tmp_path / "elsewhere"
    opened.mkdir()
    elsewhere.mkdir()
    with Folder(str(opened)) as folder:
        opened.rename(tmp_path / "moved")
        opened.symlink_to(elsewhere)
        os.close(folder.open("new", NEW_FILE))
        folder.rename("new", "file")
        assert folder.real == str(tmp_path / "moved")
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["file"]
    assert list(elsewhere.iterdir()) == []


def test_a_new_file_goes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with Folder(str(tmp_path)) as folder, pytest.raises(FileExistsError):
        folder.open("link", NEW_FILE)
    assert not (tmp_path / "target").exists()


def test_a_folder_that_a_link_leads_to_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "link").symlink_to("empty")
    with Folder(str(tmp_path)) as folder:
        assert [folder.has_empty(name) for name in ("empty", "full")] == [True, False]
        with pytest.raises(NotADirectoryError):
            folder.has_empty("link")


@pytest.mark.parametrize(
    ("error", "phrase"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device"),
        (OSError(), "the system refuses"),
        (ValueError("embedded null byte"), "the name can't be used"),
    ],
)
def test_why_it_is_not_written_is_said_in_one_way(error: OSError | ValueError, phrase: str) -> None:
    assert reason(error) == phrase
    with (
        pytest.raises(OutputError, match=f"^out: can't be written: {phrase}; name another$"),
        writing_to("out", "name another"),
    ):
        raise error


def test_temporary_names_differ() -> None:
    assert len({temporary_name() for _ in range(100)}) == 100
