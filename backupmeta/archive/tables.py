r"""The tables of a dump, read through: how each is defined, and how many rows it has (FORMAT.md §5).

Reads what the real writer, mysqldump and mariadb-dump write: a statement begins a line, its last line ends with ``;``,
text stands in ``'…'`` with ``\`` before what must not be taken for its end. Rows are counted by their parentheses::

    INSERT INTO `wp_posts` VALUES (1,'Hello (world'),(2,'it''s; \'so\'),(');

Only a line's beginning, a definition's and two bytes of anything else are ever held, whatever the dump's size.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from backupmeta.archive.dump import NAME
from backupmeta.archive.limits import KIB, MIB

TABLES_KEPT: Final = 20_000
_HEAD: Final = 4 * KIB
"""Within how many bytes of a line it is told what it is, and in an INSERT the word VALUES stands."""

_DEFINITION: Final = 64 * KIB
"""How much is kept of a definition; of a longer one the digest alone tells what follows."""

_DEFINITIONS: Final = 16 * MIB
"""How much is kept of all definitions together."""

_STATEMENT: Final = re.compile(
    rb"^(?:/\*!\d+ )?(?:"
    rb"CREATE TABLE (?:IF NOT EXISTS )?" + NAME + rb"|"
    rb"(?:CREATE [^\n]{0,500}?)?VIEW (?:IF NOT EXISTS )?" + NAME + rb"|"
    rb"(?:INSERT|REPLACE) [A-Z ]{0,40}INTO " + NAME + rb")",
    re.MULTILINE,
)
_END: Final = re.compile(rb";\r?\n")
_UNDECIDED: Final = re.compile(rb";\r?\Z")
_VALUES: Final = b"VALUES"
_COUNTER: Final = re.compile(rb" AUTO_INCREMENT=\d+")
"""The next number of a table: it changes with every row, and is no part of the definition."""

_ALL_BUT_PARENTHESES: Final = bytes(set(range(256)) - set(b"()"))


class TableContent(NamedTuple):
    """A table or view of a dump.

    Attributes:
        name: as in the dump, without its quotes.
        kind: what is created.
        rows: how many rows are inserted; of a view 0.
        definition: the statement that creates it, without the next number (``AUTO_INCREMENT=…``), up to `_DEFINITION`
            bytes; empty where there is none, or where there are too many.
        digest: the SHA-256 of all of that, in hexadecimal; empty where there is none.
    """

    name: bytes
    kind: Literal["table", "view"]
    rows: int = 0
    definition: bytes = b""
    digest: str = ""


class Tables:
    """Takes in ``APP-DATA.SQL`` piece by piece, as a consumer of a walk.

    Attributes:
        missing: how many of its bytes are missing.
        left_out: how many times a table was not kept, because there are too many.
    """

    def __init__(self) -> None:
        self._tables: dict[bytes, TableContent] = {}
        self._read: Callable[[bytes, int], int] = self._between
        self._held = b""
        self._current = TableContent(b"", "table")
        self._rows = _Rows()
        self._definition = b""
        self._rest = sha256()
        self._room = _DEFINITIONS
        self.missing = 0
        self.left_out = 0

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""
        text, at = self._held + piece, 0
        while at < len(text) and (ahead := self._read(text, at)) > at:
            at = ahead
        self._held = text[at:]

    def close(self, missing: int) -> None:
        """Take in what is left: a last line may have no end, and so may the dump."""
        self.missing = missing
        self.take(b"\n")
        if self._read == self._in_rows:
            self._finish_rows()
        elif self._read == self._in_definition:
            self._finish_definition()
        self._held = b""

    @property
    def tables(self) -> tuple[TableContent, ...]:
        """The tables and views, in the order in which they are met."""
        return tuple(self._tables.values())

    # Each of these reads on from byte `at` of the text, and returns how far it came: no further where it needs more.

    def _between(self, text: bytes, at: int) -> int:
        """Read between two statements, from the beginning of a line."""
        if (found := _STATEMENT.search(text, at)) is None:
            line = text.rfind(b"\n", at) + 1 or at
            return self._pass_line(text, line) if len(text) - line > _HEAD else line
        table, view, filled = found.groups()
        if found.end() == len(text):
            return found.start()  # the name may go on with a quote
        name = (table or view or filled).replace(b"``", b"`")
        if filled is not None:
            return self._begin_rows(name, text, found)
        self._current = TableContent(name, "view" if view else "table")
        self._definition, self._rest, self._read = b"", sha256(), self._in_definition
        return self._in_definition(text, found.start())

    def _pass_line(self, text: bytes, at: int) -> int:
        """Read to the end of a line that is nothing."""
        end = text.find(b"\n", at) + 1
        self._read = self._between if end else self._pass_line
        return end or len(text)

    def _in_definition(self, text: bytes, at: int) -> int:
        end = _END.search(text, at)
        stop = end.end() if end else _decided(text)
        piece = text[at:stop]
        room = _DEFINITION - len(self._definition)
        self._definition += piece[:room]
        self._rest.update(piece[room:])
        if end:
            self._finish_definition()
        return stop

    def _finish_definition(self) -> None:
        """Keep the definition that has ended; mysqldump stands a table in for a view at first, which the view ends."""
        self._read = self._between
        known = self._tables.get(self._current.name)
        if known is not None and known.kind == "view" and self._current.kind == "table":
            return
        definition = _COUNTER.sub(b"", self._definition.strip())
        digest = sha256(definition + self._rest.digest()).hexdigest()
        kept = definition if len(definition) <= self._room else b""
        self._room -= len(kept)
        self._keep(self._current._replace(rows=known.rows if known else 0, definition=kept, digest=digest))

    def _begin_rows(self, name: bytes, text: bytes, found: re.Match[bytes]) -> int:
        most = found.start() + _HEAD
        line = text.find(b"\n", found.end(), most)
        values = _values(text[found.end() : most if line < 0 else line])
        if values < 0 and line < 0 and len(text) <= most:
            return found.start()
        if values < 0:
            return self._pass_line(text, found.end())  # it inserts what a query gives
        self._current, self._rows, self._read = TableContent(name, "table"), _Rows(), self._in_rows
        return found.end() + values

    def _in_rows(self, text: bytes, at: int) -> int:
        end = _END.search(text, at)
        stop = end.end() if end else _decided(text)
        self._rows.take(text[at:stop])
        if end and not self._rows.is_text:
            self._finish_rows()
        return stop

    def _finish_rows(self) -> None:
        self._read = self._between
        known = self._tables.get(self._current.name, self._current)
        self._keep(known._replace(rows=known.rows + self._rows.count))

    def _keep(self, table: TableContent) -> None:
        if table.name in self._tables or len(self._tables) < TABLES_KEPT:
            self._tables[table.name] = table
        else:
            self.left_out += 1


class _Rows:
    """Counts the rows behind the word VALUES, piece by piece; no piece ends between a backslash and what it is before.

    Attributes:
        count: how many rows have begun.
        is_text: whether the last piece ended inside a text.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_text = False
        self._depth = 0

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""
        if b"\\" in piece:
            piece = piece.replace(rb"\\", b"").replace(rb"\'", b"")
        parts = piece.split(b"'")  # texts, and what is between them, in turns; '' ends a text and begins another
        outside = b"".join(parts[self.is_text :: 2])
        self.is_text ^= len(parts) % 2 == 0
        self._take_parentheses(outside.translate(None, _ALL_BUT_PARENTHESES))

    def _take_parentheses(self, found: bytes) -> None:
        if b"((" not in b"(" * self._depth + found:  # no value has parentheses of its own
            self.count += found.count(b"(")
            self._depth += found.count(b"(") - found.count(b")")
            return
        for one in found:
            self.count += one == ord("(") and not self._depth
            self._depth += 1 if one == ord("(") else -1


def _decided(text: bytes) -> int:
    r"""Return how much of a text can be read before its next piece: no ``;`` that may end it, no single backslash."""
    if found := _UNDECIDED.search(text, max(len(text) - 2, 0)):
        return found.start()
    backslashes = len(text) - len(text.rstrip(b"\\"))
    return len(text) - backslashes % 2


def _values(head: bytes) -> int:
    """Return where the values begin in what follows an INSERT's table, or -1; columns may be named before them."""
    at = 0
    for number, part in enumerate(head.split(b"`")):
        if number % 2 == 0 and (found := part.find(_VALUES)) >= 0:
            return at + found + len(_VALUES)
        at += len(part) + 1
    return -1
