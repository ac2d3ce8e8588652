"""Invented accounts on disk, and the command line run in this process; for tests."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from writers.installatron import Entry, gzip_bytes, record, tar_bytes

from backupmeta.cli import main

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXAMPLE = FIXTURES / "accounts/example/sysroot"
EXAMPLE_ID = "1234567890abcdefghij12345"
EXAMPLE_ARCHIVE = EXAMPLE / "home/useraccountname/application_backups/app__My-blog_2020-12-31_23-59-59.tar.gz"

INSTALL = "cavtwnyvhzk8cgw8ks4gcgoo4"
BACKUP = "b1x4kq9m2v7c8n3z5l6j0h1g2"
SECOND = "b2x4kq9m2v7c8n3z5l6j0h1g2"
NAME = "app_example-com_Blog_2024-06-13_20-55-21.tar.gz"
TIME = 1718312121  # 2024-06-13 20:55:21 UTC
NOBODY = 65534

INSTALLED = {
    "installer": "wordpress",
    "version": "6.5.4",
    "owner": "exampleu",
    "path": "/home/exampleu/public_html/blog",
    "url": "https://www.example.com/blog",
    "url-domain": "example.com",
    "title": "Blog",
    "time": "1718296434",
    "db-pass": "hunter2",
}
BACKED_UP = {
    "backup-note": "",
    **INSTALLED,
    "backup-install": INSTALL,
    "backup-location": "local",
    "backup-time": str(TIME),
    "backup-filename": NAME,
}

Json = dict[str, Any]


def backup_record(**changes: str | None) -> bytes:
    """Return a backup record; ``_`` in a key stands for ``-``, None leaves the key out."""
    return _record(BACKED_UP, changes)


def install_record(**changes: str | None) -> bytes:
    """Return an install record, its keys as for `backup_record`."""
    return _record(INSTALLED, changes)


def _record(lines: dict[str, str], changes: dict[str, str | None]) -> bytes:
    merged = {**lines, **{key.replace("_", "-"): value for key, value in changes.items()}}
    return record((key, value) for key, value in merged.items() if value is not None)


def archive(embedded: bytes | None, members: Iterable[tuple[str, bytes]] = (), time: int = TIME) -> bytes:
    """Return an archive of a ``time`` with an ``embedded`` record, or without one, and ``members`` after it."""
    entries = [] if embedded is None else [Entry(b"APP-META.INI", embedded, time)]
    entries += [Entry(os.fsencode(name), content, time) for name, content in members]
    return gzip_bytes(tar_bytes(entries), time)


class Account:
    """A home to put records and archives into."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.backups = home / ".appdata/backups"
        self.installs = home / ".appdata/current"
        self.archives = home / "application_backups"
        for folder in (self.backups, self.installs, self.archives):
            folder.mkdir(parents=True)

    def backup(self, id_: str = BACKUP, content: bytes | None = None) -> Path:
        return _written(self.backups / id_, backup_record() if content is None else content)

    def install(self, id_: str = INSTALL, content: bytes | None = None) -> Path:
        return _written(self.installs / id_, install_record() if content is None else content)

    def archive(self, name: str = NAME, embedded: bytes | None = None) -> Path:
        return _written(self.archives / name, archive(backup_record() if embedded is None else embedded))

    def whole(self) -> "Account":
        """Put one backup into it: record, archive, and the install's record."""
        self.backup()
        self.archive()
        self.install()
        return self


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Ran(NamedTuple):
    """What a command did: its exit code, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def jsonl(self) -> list[Json]:
        return [json.loads(line) for line in self.text.splitlines()]


def run(*arguments: str | Path) -> Ran:
    """Run ``backupmeta`` with ``arguments`` in this process."""
    out, err = io.BytesIO(), io.StringIO()
    stdout = io.TextIOWrapper(out, encoding="utf-8")
    code: object = None
    with (
        patch.object(sys, "argv", ["backupmeta", *map(str, arguments)]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        stdout.flush()
    return Ran(code if isinstance(code, int) else -1, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Let the system refuse what it refuses an ordinary user, even where tests run as root."""
    if os.geteuid():
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
