"""`Document`: a record and where it stands."""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.archive.limits import Limits
from backupmeta.errors import LimitExceededError
from backupmeta.findings import Finding
from backupmeta.provenance import Fact, Source
from backupmeta.record import grammar
from backupmeta.record.grammar import Record
from backupmeta.secrets import closed


class Document(NamedTuple):
    """A record and where it stands.

    Attributes:
        source: its witness, path and member.
        record: its content.
    """

    source: Source
    record: Record

    def text(self, key: str) -> str | None:
        """Return the value of ``key`` as text, in clear, or None where there is none or it is not UTF-8."""
        value = self.record.values.get(key)
        if value is None:
            return None
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def at(self, key: str) -> Source:
        """Return the place of the line that counts for ``key``."""
        return grammar.at(self.source, self.record, self.record.by_key[key])

    def fact(self, key: str) -> Fact:
        """Return what it says of ``key``, closed where that is a secret, or has one in it."""
        return Fact(key, closed(key, self.record.values[key]), self.at(key))

    def findings(self) -> Iterator[Finding]:
        """Yield what is odd about its text."""
        return grammar.findings(self.record, self.source)


def document(source: Source, content: bytes, limits: Limits) -> Document:
    """Return the record in ``content``, which stands at ``source``. Raises `LimitExceededError` as `check`."""
    return Document(source, bounded(source.path, content, limits))


def bounded(path: str, content: bytes, limits: Limits) -> Record:
    """Return the record in the ``content`` of the file at ``path``. Raises `LimitExceededError` as `check`."""
    check(path, content, limits)
    return grammar.parse(content)


def check(path: str, content: bytes, limits: Limits) -> None:
    """Raise `LimitExceededError` where the record at ``path`` has more lines or commas than ``limits`` allow."""
    if (lines := content.count(b"\n")) > limits.record_lines:
        raise LimitExceededError(path, "record_lines", limits.record_lines, lines)
    if (items := content.count(b",")) > limits.record_items:
        raise LimitExceededError(path, "record_items", limits.record_items, items)
