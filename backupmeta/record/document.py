"""`Document`: a record and where it stands."""

from collections.abc import Iterator
from typing import NamedTuple

from backupmeta.errors import LimitExceededError
from backupmeta.findings import Finding
from backupmeta.provenance import Fact, Source
from backupmeta.record import grammar
from backupmeta.record.grammar import Line, Record


class Document(NamedTuple):
    """A record and where it stands.

    Attributes:
        source: its witness, path and member.
        content: its bytes.
        record: its lines.
    """

    source: Source
    content: bytes
    record: Record

    def __repr__(self) -> str:
        return f"Document({self.source!r}, {len(self.content)} bytes)"

    def text(self, key: str) -> str | None:
        """Return the value of ``key`` as text, or None where there is none or it is not UTF-8."""
        line = self.record.by_key.get(key)
        if line is None:
            return None
        try:
            return line.value.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def at(self, line: Line) -> Source:
        """Return the place of ``line``."""
        return grammar.at(self.source, line)

    def fact(self, line: Line) -> Fact:
        """Return what ``line`` says."""
        return Fact(line.key or "", line.value, self.at(line))

    def findings(self) -> Iterator[Finding]:
        """Yield what is odd about its text."""
        return grammar.findings(self.record, self.source)


def document(source: Source, content: bytes, most_lines: int) -> Document:
    """Return the record in ``content``, which stands at ``source``.

    Raises:
        LimitExceededError: it has more than ``most_lines`` lines.
    """
    if (lines := content.count(b"\n")) > most_lines:
        raise LimitExceededError(source.path, "record_lines", most_lines, lines)
    return Document(source, content, grammar.parse(content))
