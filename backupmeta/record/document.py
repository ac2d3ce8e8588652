"""`Document`: a record and where it stands."""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.errors import LimitExceededError
from backupmeta.findings import Finding
from backupmeta.provenance import Fact, Source
from backupmeta.record import grammar
from backupmeta.record.grammar import Record


class Document(NamedTuple):
    """A record and where it stands.

    Attributes:
        source: its witness, path and member.
        record: its content.
    """

    source: Source
    record: Record

    def text(self, key: str) -> str | None:
        """Return the value of ``key`` as text, or None where there is none or it is not UTF-8."""
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
        """Return what it says of ``key``."""
        return Fact(key, self.record.values[key], self.at(key))

    def findings(self) -> Iterator[Finding]:
        """Yield what is odd about its text."""
        return grammar.findings(self.record, self.source)


def document(source: Source, content: bytes, most_lines: int) -> Document:
    """Return the record in ``content``, which stands at ``source``.

    Raises:
        LimitExceededError: it has more than ``most_lines`` lines.
    """
    return Document(source, bounded(source.path, content, most_lines))


def bounded(path: str, content: bytes, most_lines: int) -> Record:
    """Return the record in the ``content`` of the file at ``path``. Raises `LimitExceededError` as `document`."""
    if (lines := content.count(b"\n")) > most_lines:
        raise LimitExceededError(path, "record_lines", most_lines, lines)
    return grammar.parse(content)
