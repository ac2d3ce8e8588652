"""Where a record says that its backup is kept: here, in a folder of the server itself, or elsewhere (FORMAT.md §4).

``file://localhost/backup_test`` is the folder ``/backup_test`` of the server itself. Where a home's path on the server
is known, so is the server's root, and the folder is opened from there, step by step and through no link.
"""

import posixpath
import re
from collections.abc import Sequence
from contextlib import ExitStack
from errno import ENOENT, ENOTDIR
from typing import Final
from urllib.parse import unquote_to_bytes

from backupmeta.errors import EvidenceError, NotRegularError
from backupmeta.evidence import Folder, open_folder
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

LOCAL: Final = frozenset({"local", ""})
"""The locations that are the home's own folder of archives."""

_FILE_URI: Final = re.compile(r"file://(?:localhost)?((?:/(?:[^/?#%\\\x00-\x1f\x7f]|%[0-9a-f]{2})+)+)/?", re.IGNORECASE)
_LONGEST: Final = 4096
"""How long a path can be, in bytes (Linux, PATH_MAX)."""


def server_path(location: str) -> str | None:
    """Return the folder of the server itself that a ``file://`` URI names; None for any other location.

    Strictly (RFC 8089 §2): the host is ``localhost`` or empty; no query, no fragment; ``%`` begins an escape.

    >>> server_path("file://localhost/backup_test"), server_path("file://example.com/backup_test")
    ('/backup_test', None)
    """
    if len(location) > _LONGEST or (found := _FILE_URI.fullmatch(location)) is None:
        return None
    steps = [unquote_to_bytes(step.encode("utf-8", "surrogateescape")) for step in found[1].split("/")[1:]]
    if any(step in {b".", b".."} or b"/" in step or b"\0" in step for step in steps):
        return None
    return "/" + b"/".join(steps).decode("utf-8", "surrogateescape")


def is_file_name(name: str) -> bool:
    """Tell whether ``name`` can be that of a file in a folder, and leads nowhere else."""
    return name not in {"", ".", ".."} and not {"/", "\0"} & set(name)


def below_home(home: str, path: str) -> str:
    """Return the ``path`` of a file, from the folder ``home`` on: ``../../backup_test/app_a.tar.gz``."""
    return posixpath.relpath(path, home)


def is_outside(path: str) -> bool:
    """Tell whether a ``path`` that begins at a home leads out of it, to a folder of the server itself."""
    return path.startswith("../")


def steps_from_server(home: str, path: str) -> list[str]:
    """Return the steps from the server's root to what lies at ``path`` from ``home`` on, as the server saw that."""
    return posixpath.normpath(posixpath.join(home, path)).strip("/").split("/")


def open_from_server(home: Folder, steps: Sequence[str]) -> Folder:
    """Return the folder that ``steps`` lead to from the root of the server that ``home`` lies on.

    The server has to have seen the home at `Folder.seen`. Raises `NotRegularError` for a link, `UnreadableError`.
    """
    folder = open_folder(home.path.removesuffix(home.seen) or "/", "/")
    for step in steps:
        with folder:
            folder = folder.open_folder(step)
    return folder


def is_absent(error: EvidenceError) -> bool:
    """Tell whether ``error`` says that something is not there, or lies below what is no folder."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in {ENOENT, ENOTDIR}


class Locations:
    """The folders of the server itself in which a home's backups are kept, each opened once.

    Attributes:
        files: the paths, from the home on, of the archives that were looked for, whether they are there or not.
        findings: why folders that are there can't be opened.
    """

    MOST: Final = 64
    """How many folders are held open."""

    def __init__(self, home: Folder, opened: ExitStack) -> None:
        """Know the server by its ``home``; close the folders with ``opened``."""
        self.files: set[str] = set()
        self.findings: list[Finding] = []
        self._home = home
        self._opened = opened
        self._folders: dict[str, Folder | None] = {}

    def folder_of(self, path: str, name: str) -> Folder | None:
        """Return the folder at ``path`` on the server where a regular file ``name`` is in it; None otherwise."""
        self.files.add(below_home(self._home.seen, f"{path}/{name}"))
        if path not in self._folders and len(self._folders) < self.MOST:
            self._folders[path] = self._open(path)
        folder = self._folders.get(path)
        return folder if folder is not None and folder.signature(name) is not None else None

    def _open(self, path: str) -> Folder | None:
        try:
            return self._opened.enter_context(open_from_server(self._home, path.strip("/").split("/")))
        except EvidenceError as error:
            id_ = "link-not-followed" if isinstance(error, NotRegularError) else "folder-unreadable"
            where = (Source(Witness.FILE_SYSTEM, path),)
            self.findings += [] if is_absent(error) else [Finding(id_, path, error.reason, where)]
            return None
