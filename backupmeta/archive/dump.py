r"""The SQL dump of an archive: its tables and rows, whether it is whole, what a restore of it needs (FORMAT.md §5).

`Dump` is the one reader of dumps. It reads statement by statement, as the servers' own clients do (`statements`): no
line within a routine, trigger, event, comment or value is taken for a statement.
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from backupmeta.archive.limits import KIB, MIB
from backupmeta.archive.member import DUMP, WITH_CONTENT, Member, plain
from backupmeta.archive.statements import (
    LONGEST,
    NAME,
    Spot,
    Statement,
    Statements,
    created_at,
    dropped_by,
    routine_after,
    unquoted,
)
from backupmeta.provenance import named

if TYPE_CHECKING:
    from backupmeta.json_types import DumpJson, TableJson

TABLES_KEPT: Final = 20_000
_DEFINITIONS: Final = 16 * MIB
"""How much is kept of all definitions together."""

PACKET: Final = 16 * MIB
"""The longest statement that MariaDB's server and both clients take by default (``max_allowed_packet``), in bytes."""

_EDGE: Final = KIB
"""Within how many bytes of its beginning a dump tells who wrote it, and of its end whether that is all."""

_KEPT: Final = 100
"""How many users, collations, variables and views are remembered; real dumps have a few."""

_SOURCES: Final = 1000
"""How many tables that a view reads are remembered."""

_BLANKS: Final = b"\0\t\n\v\f\r \xef\xbb\xbf"
_COUNTER: Final = re.compile(rb" AUTO_INCREMENT=\d+")
"""The next number of a table: it changes with every row, and is no part of the definition."""

_COLLATION: Final = re.compile(rb"(?i)\b(?:\w{1,40}?_0900_\w{1,32}|(?:\w{1,40}?_)?uca1400_\w{1,32})")
_COLLATED: Final = re.compile(rb"(?i)\bCOLLATE(?=[\s=])\s*+=?\s*+['\"`]?(\w{1,64})")
_SOURCE: Final = re.compile(
    rb"(?i:\b(?:FROM|JOIN)\b)[\s(]*+(?>(?:" + NAME + rb"\s*+\.\s*+)?)(" + NAME + rb")"
)  # fmt: skip
_VARIABLE: Final = re.compile(rb"(?<!@)@(\w{1,64})\s*+(:?=(?!=)\s*+)?(@@)?")
_AUTOCOMMIT: Final = re.compile(rb"(?i)SET\s+(?:@@)?(?:SESSION[\s.]+)?AUTOCOMMIT\s*=\s*(0|OFF|1|ON)\b")
_NO_ESCAPES: Final = b"NO_BACKSLASH_ESCAPES"
_LASTING: Final = b"OLD_"
"""What the variables' names begin with in which mysqldump and phpMyAdmin save settings for a whole dump."""

_PER_TABLE: Final = b"OLD_AUTOCOMMIT"
"""The one of them that mariadb-dump saves for each table."""

_FRAME: Final = frozenset(b"set commit unlock use".split())
"""What may follow, at the end of a dump, where it closes what it opened."""


class DumpWriter(StrEnum):
    """Who wrote a dump."""

    INSTALLATRON = "installatron"
    """``SET AUTOCOMMIT = 0;`` … ``COMMIT;``, since 2021."""
    MYSQLDUMP = "mysqldump"
    """mysqldump or mariadb-dump, with its comments."""
    PHPMYADMIN = "phpmyadmin"
    ADMINER = "adminer"
    UNKNOWN = "unknown"


_SIGNS: Final = {
    DumpWriter.MYSQLDUMP: re.compile(rb"^(?:\xef\xbb\xbf)?-- (?:MySQL|MariaDB) dump ", re.MULTILINE),
    DumpWriter.PHPMYADMIN: re.compile(rb"^(?:\xef\xbb\xbf)?-- phpMyAdmin SQL Dump", re.MULTILINE),
    DumpWriter.ADMINER: re.compile(rb"^(?:\xef\xbb\xbf)?-- Adminer \d", re.MULTILINE),
    DumpWriter.INSTALLATRON: re.compile(rb"^(?:\xef\xbb\xbf)?\s*SET AUTOCOMMIT = 0;", re.MULTILINE),
}
_COMPLETED: Final = re.compile(rb"^-- Dump completed", re.MULTILINE)
_DATE: Final = re.compile(rb"^-- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)


class DumpState(StrEnum):
    """Whether a dump is all there."""

    WHOLE = "whole"
    CUT = "cut"
    UNKNOWN = "unknown"
    """Nothing tells: dumps from before 2021, and those without comments, end with any statement."""


class Table(NamedTuple):
    """A table or view of a dump.

    Attributes:
        name: as in the dump, without its quotes.
        kind: what is created.
        rows: how many rows are inserted; those that a query gives are not counted.
        inserts: how many INSERT statements it has.
        definition: the statement that creates it, without the next number (``AUTO_INCREMENT=…``), up to 64 KiB; empty
            where there is none, or where there are too many.
        digest: the SHA-256 of all of that, in hexadecimal; empty where there is none.
    """

    name: bytes
    kind: Literal["table", "view"]
    rows: int = 0
    inserts: int = 0
    definition: bytes = b""
    digest: str = ""

    @property
    def text(self) -> str:
        """The name as text; bytes that aren't UTF-8 as surrogates."""
        return self.name.decode("utf-8", "surrogateescape")

    def to_json(self) -> "TableJson":
        """Return it for JSON."""
        return {**named("name", self.text), "type": self.kind, "inserts": self.inserts, "rows": self.rows}


class Dump:
    """Takes in one dump, piece by piece, and answers once it is closed.

    Attributes:
        size: its length in bytes, as far as it is there.
        missing: how many of its bytes are missing.
        left_out: how many times a table was not kept, because there are too many.
        padding: how many NUL bytes stand at its end.
        is_empty: whether there is nothing in it but blanks and NUL bytes.
        collations: statements with a collation that only newer servers have.
        collation_names: the collations that its definitions name, in the order in which they are met.
        longest_statement: the length of its longest statement, in bytes, with its delimiter.
        long_statements: those of more than `PACKET` bytes, the longest of them first.
        early_views: views that are created before something that they read.
        definers: in whose names views, routines, triggers and events work, and the first of each.
        routines: how many procedures, functions, triggers, events and packages it creates, by kind.
    """

    def __init__(self) -> None:
        self.size: int = 0
        self.missing: int = 0
        self.left_out: int = 0
        self.padding: int = 0
        self.is_empty: bool = True
        self.collations: Spot | None = None
        self.collation_names: dict[bytes, None] = {}
        self.longest_statement: int = 0
        self.long_statements: Spot | None = None
        self.early_views: Spot | None = None
        self.definers: dict[bytes, Spot] = {}
        self.routines: dict[str, int] = {}
        self._statements = Statements(self._take)
        self._tables: dict[bytes, Table] = {}
        self._filled: dict[bytes, Table] = {}
        self._temporary: set[bytes] = set()
        self._views: dict[bytes, tuple[Spot, frozenset[bytes]]] = {}  # where a view is created, and what it lacks
        self._room = _DEFINITIONS
        self._first = b""
        self._last = b""
        self._is_uncommitted = False
        self._spans = False
        self._is_begun = False
        self._is_closed = False
        self._saved: dict[bytes, int] = {}
        self._has_no_escapes = False

    # --- taking in --------------------------------------------------------------------------------------------------

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self.size += len(piece)
        self._first += piece[: _EDGE - len(self._first)]
        self._last = piece[-_EDGE:] if len(piece) >= _EDGE else (self._last + piece)[-_EDGE:]
        self.is_empty = self.is_empty and not piece.strip(_BLANKS)
        padding = len(piece) - len(piece.rstrip(b"\0"))
        self.padding = padding + (self.padding if padding == len(piece) else 0)
        self._statements.take(piece)

    def close(self, missing: int) -> None:
        """Take in what is left: a last line may have no end, and so may the last statement."""
        self.missing = missing
        self._statements.close()

    def _take(self, statement: Statement) -> None:
        """Take in a statement."""
        self.longest_statement = max(self.longest_statement, statement.size)
        if statement.size > PACKET:
            self.long_statements = _longest(self.long_statements, statement)
        if statement.filled is not None:
            self._fill(statement.filled.name, statement.rows)
        elif statement.word == b"create":
            self._create(statement)
        elif statement.word == b"drop":
            self._drop(statement.text)
        elif statement.word == b"set":
            self._set(statement)
        elif statement.word in {b"start", b"commit"}:
            self._is_uncommitted = statement.word == b"start"
            self._spans = self._spans or self._is_uncommitted
        if statement.filled is None:
            self._note_collations(statement)
        if statement.word not in _FRAME:
            self._is_begun, self._is_closed = True, False
        elif statement.word == b"commit" and (self._spans or self.writer is DumpWriter.INSTALLATRON):
            self._is_closed = True

    def _note_collations(self, statement: Statement) -> None:
        """Note which collations a statement names, and whether only newer servers have one of them."""
        if (match := _COLLATION.search(statement.text)) is not None:
            self.collations = _again(self.collations, statement.begin._replace(text=match[0]))
        for match in _COLLATED.finditer(statement.text):
            if len(self.collation_names) < _KEPT:
                self.collation_names[match[1].lower()] = None

    def _create(self, statement: Statement) -> None:
        if (match := created_at(statement.text)) is None:
            return
        if match["definer"] is not None:
            definer = unquoted(match["definer"])[:LONGEST]
            if definer in self.definers or len(self.definers) < _KEPT:
                self.definers[definer] = _again(self.definers.get(definer), statement.begin)
        if (kind := routine_after(match)) != "":
            self.routines[kind] = self.routines.get(kind, 0) + 1
        if match["name"] is None:
            return
        name, is_view = unquoted(match["name"]), match["kind"].lower() == b"view"
        if match["temporary"] is not None:
            self._temporary.update({name} if len(self._temporary) < TABLES_KEPT else ())
            return
        if is_view:
            self._remember_view(name, statement)
        self._note_views(name)
        self._define(name, "view" if is_view else "table", statement)

    def _define(self, name: bytes, kind: Literal["table", "view"], statement: Statement) -> None:
        """Keep a table's definition; mysqldump has a table stand in for a view at first, which the view replaces."""
        known = self._tables.get(name)
        if known is not None and known.kind == "view" and kind == "table":
            return
        if known is None and len(self._tables) == TABLES_KEPT:
            self.left_out += 1
            return
        definition = _COUNTER.sub(b"", statement.text.strip())
        kept = definition if len(definition) <= self._room else b""
        self._room -= len(kept)
        rows, inserts = (known.rows, known.inserts) if known is not None else (0, 0)
        self._tables[name] = Table(name, kind, rows, inserts, kept, sha256(definition + statement.rest).hexdigest())

    def _fill(self, name: bytes, rows: int) -> None:
        """Count the ``rows`` of an INSERT; those of a temporary table are gone when the dump ends."""
        if name in self._temporary:
            return
        tables = self._tables if name in self._tables else self._filled
        if name in tables or len(tables) < TABLES_KEPT:
            known = tables.get(name, Table(name, "table"))
            tables[name] = known._replace(rows=known.rows + rows, inserts=known.inserts + 1)
        elif len(self._tables) < TABLES_KEPT:
            self.left_out += 1

    def _drop(self, text: bytes) -> None:
        """Forget what is dropped."""
        kind, names = dropped_by(text)
        for name in names:
            if name in self._temporary:
                self._temporary.discard(name)
            elif (known := self._tables.get(name)) is not None and known.kind == kind:
                self._room += len(known.definition)
                del self._tables[name]
                self._views.pop(name, None)

    def _remember_view(self, name: bytes, statement: Statement) -> None:
        """Remember what a view reads and is not there yet."""
        read = {unquoted(match[1]) for match, _ in zip(_SOURCE.finditer(statement.text), range(_SOURCES), strict=False)}
        missing = frozenset(read - self._tables.keys() - {name})
        self._views.pop(name, None)
        if missing and len(self._views) < _KEPT:
            self._views[name] = statement.begin._replace(text=name), missing

    def _note_views(self, created: bytes) -> None:
        """Note the views that read what is created only now."""
        for name in [name for name, (_, missing) in self._views.items() if created in missing]:
            self.early_views = _again(self.early_views, self._views.pop(name)[0])

    def _set(self, statement: Statement) -> None:
        """Note what a SET statement saves in variables, or sets back from them, and whether it begins a transaction."""
        self._has_no_escapes = self._has_no_escapes or _NO_ESCAPES in statement.text
        if (match := _AUTOCOMMIT.match(statement.text)) is not None:
            self._is_uncommitted = match[1].upper() in {b"0", b"OFF"}
        for match in _VARIABLE.finditer(statement.text):
            name, assigns, saves = match.groups()
            if assigns and saves and len(self._saved) < _KEPT:
                self._saved[name] = statement.begin.line
            elif not assigns and self._saved.pop(name, None) is not None:
                self._is_closed = self._is_closed or (name.startswith(_LASTING) and name != _PER_TABLE)

    # --- answering --------------------------------------------------------------------------------------------------

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables and views that it creates, in this order; not those that it drops again, nor temporary ones."""
        return tuple(self._tables.values())

    @property
    def filled(self) -> tuple[Table, ...]:
        """The tables that it fills and does not create, in the order in which they are met."""
        return tuple(filled for name, filled in self._filled.items() if name not in self._tables)

    @property
    def foreign(self) -> Spot | None:
        """Text that is no SQL where a statement should begin, the first; NUL bytes at the end are told by `padding`."""
        spot = self._statements.foreign
        return spot if spot is not None and spot.offset < self.size - self.padding else None

    @property
    def sandbox(self) -> Spot | None:
        """The comment of mariadb-dump that older clients take for a command."""
        return self._statements.sandbox

    @property
    def writer(self) -> DumpWriter:
        """Who wrote it, by its first KiB, whatever stands before."""
        return next((writer for writer, sign in _SIGNS.items() if sign.search(self._first)), DumpWriter.UNKNOWN)

    @property
    def state(self) -> DumpState:
        """Whether it is all there."""
        return self._judged[0]

    @property
    def reason(self) -> str:
        """What tells whether it is all there."""
        return self._judged[1]

    def to_json(self) -> "DumpJson":
        """Return what it holds for JSON: whether it is whole, who wrote it, its tables and views."""
        is_complete = None if self.state is DumpState.UNKNOWN else self.state is DumpState.WHOLE
        return {
            "is_complete": is_complete,
            "reason": self.reason,
            "writer": self.writer,
            "left_out": self.left_out,
            "tables": [table.to_json() for table in self.tables],
        }

    @property
    def _judged(self) -> tuple[DumpState, str]:
        at = self._statements
        if self.missing:
            return DumpState.CUT, f"{self.missing:,} of its bytes are missing"
        if self.is_empty:
            return DumpState.CUT, "it is empty"
        if self._has_no_escapes and not at.is_between:
            return DumpState.UNKNOWN, f"it sets {_NO_ESCAPES.decode()}: where its texts end is not known"
        if at.is_inside:
            return DumpState.CUT, f"it ends within the statement that begins on line {at.begin.line:,}"
        if not at.is_between or at.delimiter != b";":
            return DumpState.CUT, "it ends within a comment or a routine"
        return self._by_signature() or self._by_frame()

    def _by_signature(self) -> tuple[DumpState, str] | None:
        """Judge by the last line of those that sign a dump."""
        end = self._last[max(self._statements.ended - self.size + len(self._last), 0) :]
        writer = self.writer
        if _COMPLETED.search(end) or (writer is DumpWriter.ADMINER and _DATE.search(end)):
            return DumpState.WHOLE, "its last line says so"
        missing = {DumpWriter.MYSQLDUMP: "-- Dump completed", DumpWriter.ADMINER: "a comment with the time"}.get(writer)
        return (DumpState.CUT, f"its last line is not {missing!r}") if missing is not None else None

    def _by_frame(self) -> tuple[DumpState, str]:
        """Judge by whether what is opened for the whole dump is closed at its end."""
        if self._is_uncommitted:
            return DumpState.CUT, "its transaction has no COMMIT"
        if self._saved:
            name, line = next(iter(self._saved.items()))
            return DumpState.CUT, f"@{name.decode('ascii', 'replace')}, saved on line {line:,}, is not set back"
        if self._is_closed:
            return DumpState.WHOLE, "what it opens is closed at its end"
        if not self._is_begun:
            return DumpState.CUT, "it holds nothing but settings"
        return DumpState.UNKNOWN, "nothing at its end tells"


def _again(known: Spot | None, spot: Spot) -> Spot:
    """Return the first of several places, counted."""
    return spot if known is None else known._replace(times=known.times + 1)


def _longest(known: Spot | None, statement: Statement) -> Spot:
    """Return the longest of several statements, counted."""
    if known is not None and known.size >= statement.size:
        return known._replace(times=known.times + 1)
    return statement.begin._replace(size=statement.size, times=1 if known is None else known.times + 1)


class Dumps:
    """The dump of an archive, as a consumer of a walk: the last of that name at the root, as after unpacking.

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
