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

from backupmeta import rules
from backupmeta.errors import EvidenceError, NotRegularError, UnreadableError
from backupmeta.evidence import Folder, open_folder
from backupmeta.findings import Finding, FindingRule
from backupmeta.provenance import on_disk

LOCAL: Final = frozenset({"local", ""})
"""The locations that are the home's own folder of archives."""

_FILE_URI: Final = re.compile(r"file://(?:localhost)?((?:/(?:[^/?#%\\\x00-\x1f\x7f]|%[0-9a-f]{2})+)+)/?", re.IGNORECASE)
_LONGEST: Final = 4096
"""How long a path can be, in bytes (Linux, PATH_MAX)."""


def server_path(location: str, home: str) -> str | None:
    """Return the folder of the server itself that a ``file://`` URI names; None for any other location.

    Strictly (RFC 8089 §2): the host is ``localhost`` or empty; no query, no fragment; ``%`` begins an escape. ``home``
    is the path on that server of the home that says so; on Windows no such location is known.

    >>> server_path("file://localhost/backup_test", "/home/u"), server_path("file://example.com/backup_test", "/home/u")
    ('/backup_test', None)
    """
    if not home.startswith("/") or len(location) > _LONGEST:
        return None
    if (match := _FILE_URI.fullmatch(location)) is None:
        return None
    steps = [unquote_to_bytes(step.encode("utf-8", "surrogateescape")) for step in match[1].split("/")[1:]]
    if any(step in {b".", b".."} or b"/" in step or b"\0" in step for step in steps):
        return None
    return "/" + b"/".join(steps).decode("utf-8", "surrogateescape")


def below_home(home: str, path: str) -> str:
    """Return the ``path`` of a file, from the folder ``home`` on: ``../../backup_test/app_a.tar.gz``."""
    return posixpath.relpath(path, home)


def is_outside(path: str) -> bool:
    """Return whether a ``path`` that begins at a home leads out of it, to a folder of the server itself."""
    return path.startswith("../")


def steps_from_server(home: str, path: str) -> list[str]:
    """Return the steps from the server's root to what lies at ``path`` from ``home`` on, as the server saw that."""
    return posixpath.normpath(posixpath.join(home, path)).strip("/").split("/")


def open_from_server(home: Folder, steps: Sequence[str]) -> Folder:
    """Return the folder that ``steps`` lead to from the root of the server that ``home`` lies on.

    Raises `NotRegularError` for a link, `UnreadableError`, also where nobody knows that root.
    """
    if home.server is None:
        raise UnreadableError(home.path, "is a home of which the server's root is not known")
    folder = open_folder(home.server, "/", home.server)
    for step in steps:
        with folder:
            folder = folder.open_folder(step)
    return folder


def is_absent(error: EvidenceError) -> bool:
    """Return whether ``error`` says that something is not there, or lies below what is no folder."""
    cause = error.__cause__
    return isinstance(error, UnreadableError) and isinstance(cause, OSError) and cause.errno in {ENOENT, ENOTDIR}


class Locations:
    """The folders of the server itself in which a home's backups are kept, each opened once.

    Attributes:
        files: the paths, from the home on, of the archives that were looked for, whether they are there or not.
    """

    MOST: Final = 64
    """How many folders are held open."""

    def __init__(self, home: Folder, opened: ExitStack) -> None:
        """Know the server by its ``home``; close the folders with ``opened``."""
        self.files: set[str] = set()
        self._home = home
        self._opened = opened
        self._folders: dict[str, Folder | None] = {}

    def folder_with(self, name: str, path: str, findings: list[Finding]) -> Folder | None:
        """Return the folder at ``path`` on the server where a regular file ``name`` is in it; None otherwise.

        Append to ``findings`` why a folder that is there can't be opened, or does not tell.
        """
        if not _is_file_name(name):
            return None
        self.files.add(below_home(self._home.server_path, f"{path}/{name}"))
        if path not in self._folders:
            self._folders[path] = self._open(path, findings) if len(self._folders) < self.MOST else None
            if len(self._folders) == self.MOST + 1:
                findings.append(_not_opened(path, f"records name more than {self.MOST} folders of the server"))
        folder = self._folders[path]
        try:
            return folder if folder is not None and folder.signature(name) is not None else None
        except EvidenceError as error:
            findings.append(_not_opened(path, error.reason))
            return None

    def _open(self, path: str, findings: list[Finding]) -> Folder | None:
        try:
            return self._opened.enter_context(open_from_server(self._home, path.strip("/").split("/")))
        except EvidenceError as error:
            rule = rules.LINK_NOT_FOLLOWED if isinstance(error, NotRegularError) else rules.FOLDER_UNREADABLE
            findings += [] if is_absent(error) else [_not_opened(path, error.reason, rule)]
            return None


def _not_opened(path: str, reason: str, rule: FindingRule = rules.FOLDER_UNREADABLE) -> Finding:
    return Finding(rule, path, reason, on_disk(path))


def _is_file_name(name: str) -> bool:
    """Return whether ``name`` can be that of a file in a folder, and leads nowhere else."""
    return name not in {"", ".", ".."} and not {"/", "\0"} & set(name)
