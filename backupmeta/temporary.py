"""Temporary files, which nobody named: what SQLite and the system say of them becomes one error."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

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


def rows(database: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that a ``statement`` gives. Raises `TemporaryFileError`."""
    with telling():
        yield from database.execute(statement)
