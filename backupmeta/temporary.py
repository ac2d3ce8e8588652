"""Temporary files, which nobody named: what SQLite and the system say of them becomes one error."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from backupmeta.errors import TemporaryFileError

_ADVICE: Final = "set TMPDIR to a folder that can be written to, with more room"


@contextmanager
def telling() -> Iterator[None]:
    """Raise `TemporaryFileError` for what SQLite or the system says in the block, which is about nothing else."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TemporaryFileError("temporary files", reason[:1].lower() + reason[1:], _ADVICE) from error


def text_file(in_memory: int) -> IO[str]:
    """Return a new file without a name for text; up to ``in_memory`` bytes of it are never on disk.

    Lines in it end with LF alone. Raises `TemporaryFileError`; who writes and reads it uses `telling`.
    """
    from tempfile import SpooledTemporaryFile

    with telling():
        return SpooledTemporaryFile(in_memory, "w+", encoding="utf-8", errors="surrogatepass", newline="\n")


def rows(database: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that a ``statement`` gives. Raises `TemporaryFileError`."""
    with telling():
        yield from database.execute(statement)
