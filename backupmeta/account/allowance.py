"""`Allowance`: what an account may still ask for, of memory and of time; the next account has its own."""

import time
from typing import Final

from backupmeta.archive.limits import Limits
from backupmeta.errors import LimitExceededError
from backupmeta.record.grammar import Record

_OF_BYTE: Final = 3
_OF_FILE: Final = 1024
_OF_LINE: Final = 128
_OF_NEW_KEY: Final = 256
_OF_ODD_LINE: Final = 512
"""What CPython takes for a record, about, in bytes: for each byte, which stands in it, in a value, and in an answer;
for itself; for each line and its value; for a key that other records don't share; for a line that is odd."""


_OF_ANY_ODD: Final = _OF_LINE + _OF_NEW_KEY + _OF_ODD_LINE


class OverAllowanceError(LimitExceededError):
    """An account as a whole asks for more than a bound of `backupmeta.archive.limits.Limits`."""


class Allowance:
    """What is left of what an account may ask for.

    Attributes:
        over: the name in `Limits` of the bound that was met first; empty as long as none was.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin with an account, now."""
        self.over = ""
        self._limits = limits
        self._memory = limits.account_memory
        self._deadline = time.monotonic() + limits.account_seconds

    @property
    def is_spent(self) -> bool:
        """Whether no file may be read any more."""
        if not self.over and time.monotonic() > self._deadline:
            self.over = "account_seconds"
        return bool(self.over)

    def ask(self, path: str) -> None:
        """Raise `OverAllowanceError` where the file at ``path`` may not be read any more."""
        if self.is_spent:
            raise OverAllowanceError(path, self.over, getattr(self._limits, self.over))

    def take(self, record: Record, copies: int) -> None:
        """Know that a ``record`` is kept, in so many ``copies``."""
        if record.is_tidy:
            of_line = _OF_LINE if record.is_usual else _OF_LINE + _OF_NEW_KEY
            self._take(copies, len(record.content), of_line * len(record.values))
        else:
            self._take(copies, len(record.content), _OF_ANY_ODD * (record.content.count(b"\n") + 1))

    def take_text(self, content: bytes, copies: int) -> None:
        """Know that the text of a record is kept, and what was made of it."""
        if copies:
            self._take(copies, len(content), _OF_LINE * (content.count(b"\n") + 1))

    def _take(self, copies: int, length: int, of_lines: int) -> None:
        self._memory -= copies * (_OF_FILE + _OF_BYTE * length + of_lines)
        if self._memory < 0:
            self.over = self.over or "account_memory"
