"""The SQL dump of an archive: which tables and views it holds (FORMAT.md §5).

A line tells what it is by how it begins, so lines are scanned, not parsed: values hold no raw newline, neither in the
real writer's dumps nor in those of mysqldump and mariadb-dump.
"""

import re
from typing import Final, Literal, NamedTuple

from backupmeta.archive.limits import KIB
from backupmeta.archive.member import WITH_CONTENT, Member
from backupmeta.archive.names import DUMP, plain

_HEAD: Final = 4 * KIB
"""How much of a line is kept to tell what it is; INSERT lines have 64 KB and more."""

_TAIL: Final = 64
"""How much of its end is kept to tell whether the last statement is finished."""

_TABLES_KEPT: Final = 20_000

NAME: Final = rb"`((?:[^`\n]|``){1,256})`"
"""A pattern for a name in its quotes."""

_STATEMENT: Final = re.compile(
    rb"^(?:/\*!\d+ )?(?:"
    rb"CREATE TABLE (?:IF NOT EXISTS )?" + NAME + rb"|"
    rb"(?:CREATE [^\n]{0,500}?)?VIEW (?:IF NOT EXISTS )?" + NAME + rb"|"
    rb"(?:INSERT|REPLACE) [A-Z ]{0,40}INTO " + NAME + rb")",
    re.MULTILINE,
)
_FIRST_LINES: Final = (b"SET AUTOCOMMIT", b"-- ")
_LAST_LINES: Final = (b"COMMIT;", b"-- Dump completed")


class Table(NamedTuple):
    """A table or view of a dump.

    Attributes:
        name: as in the dump, without its quotes.
        kind: what is created.
        inserts: how many INSERT statements it has.
    """

    name: bytes
    kind: Literal["table", "view"]
    inserts: int


def is_dump(member: Member) -> bool:
    """Tell whether ``member`` is a dump at the archive's root."""
    return member.kind in WITH_CONTENT and plain(member.name) == DUMP


class Dump:
    r"""Takes in ``APP-DATA.SQL`` piece by piece, as a consumer of a walk: ``CREATE TABLE `wp_users` (\n``.

    Attributes:
        size: its length in bytes.
        missing: how many of its bytes are missing.
        left_out: how many tables and views were not kept, because there are too many.
    """

    def __init__(self) -> None:
        self._tables: dict[bytes, Table] = {}
        self._held = b""
        self._first = b""
        self._last = b""
        self._tail = b""
        self.size = 0
        self.missing = 0
        self.left_out = 0

    def take(self, piece: bytes) -> None:
        """Take in the next bytes; of a line only the beginning is kept."""
        self.size += len(piece)
        text = self._held + piece
        cut = text.rfind(b"\n") + 1
        self._held = text[cut:][:_HEAD]
        self._tail = piece[-_TAIL:] if len(piece) >= _TAIL else (self._tail + piece)[-_TAIL:]
        if cut:
            self._scan(text[:cut])

    def close(self, missing: int) -> None:
        """Take in the last line, which may have no end."""
        self._scan(self._held)
        self._held, self.missing = b"", missing

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables and views, in the order in which they are created."""
        return tuple(self._tables.values())

    @property
    def is_complete(self) -> bool | None:
        """Whether the last line is what a finished dump ends with: COMMIT, or mysqldump's own last line.

        None where it can't be told: dumps from before 2021, and those without comments, end with any statement.
        """
        if self.missing or not self._first or not self._is_finished():
            return False
        if self._last.startswith(_LAST_LINES):
            return True
        return False if self._first.startswith(_FIRST_LINES) else None

    def _is_finished(self) -> bool:
        """Tell whether the last line is a whole statement, or a comment."""
        return self._tail.rstrip().endswith(b";") or self._last.startswith(b"--")

    def _scan(self, lines: bytes) -> None:
        for found in _STATEMENT.finditer(lines) if b"`" in lines else ():
            table, view, filled = found.groups()
            name = (table or view or filled).replace(b"``", b"`")
            known = self._tables.get(name)
            if filled is not None:
                if known is not None:
                    self._tables[name] = known._replace(inserts=known.inserts + 1)
            elif known is None and len(self._tables) == _TABLES_KEPT:
                self.left_out += 1
            elif known is None:
                self._tables[name] = Table(name, "table" if table else "view", 0)
            elif view:
                self._tables[name] = known._replace(kind="view")  # mysqldump stands a table in for a view at first
        self._first = self._first or lines.lstrip()[:_HEAD]
        self._last = lines.rstrip().rpartition(b"\n")[2][:_HEAD] or self._last


class Dumps:
    """Takes in, as a consumer of a walk, the dump that counts: the last one at the archive's root.

    Attributes:
        dump: what it holds; None where the archive has none, or something without content in its place.
    """

    def __init__(self) -> None:
        self.dump: Dump | None = None

    def wants(self, member: Member) -> Dump | None:
        """Return what takes in ``member``, if it is a dump."""
        if DUMP not in member.name or plain(member.name) != DUMP:
            return None
        self.dump = Dump() if member.kind in WITH_CONTENT else None
        return self.dump
