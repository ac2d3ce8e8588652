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

    def ask(self, path: str) -> None:
        """Raise `OverAllowanceError` where the file at ``path`` may not be read any more."""
        if not self.over and time.monotonic() > self._deadline:
            self.over = "account_seconds"
        if self.over:
            raise OverAllowanceError(path, self.over, getattr(self._limits, self.over))

    def take(self, record: Record, copies: int) -> None:
        """Know that a ``record`` is kept, in so many ``copies``."""
        is_odd = not record.is_tidy
        self._take(record.content, copies, (0 if record.is_usual else _OF_NEW_KEY) + (_OF_ODD_LINE if is_odd else 0))

    def take_text(self, content: bytes, copies: int) -> None:
        """Know that the text of a record is kept, and what was made of it."""
        self._take(content, copies, 0)

    def _take(self, content: bytes, copies: int, of_line: int) -> None:
        lines = content.count(b"\n") + 1
        self._memory -= copies * (_OF_FILE + _OF_BYTE * len(content) + (_OF_LINE + of_line) * lines)
        if self._memory < 0:
            self.over = self.over or "account_memory"
