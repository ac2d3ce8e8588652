"""`Statements`: splits a dump into its statements, piece by piece, in time that grows with its length alone.

Only a statement's beginning and a few bytes of anything else are ever held, whatever the dump's size.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from backupmeta.archive.limits import KIB, MIB

HEAD: Final = 16 * KIB
"""Within how many bytes a statement tells what it is; a list of columns stands there, too."""

LONGEST: Final = 256
"""The longest name in bytes: 64 characters of at most 4."""

_BLANK: Final = rb"\x00-\x20"


def _text(quote: bytes) -> bytes:
    """Return a pattern of a text in ``quote``: the quick way where no quote follows two backslashes, else the exact."""
    quick = rb"'[^']*+(?>(?:(?<=[^\\]\\)'[^']*+)*)'(?<!\\')"
    exact = rb"'[^'\\]*+(?>(?:\\.[^'\\]*+)*)'"
    return (quick + rb"|" + exact).replace(b"'", quote)


_QUOTED: Final = _text(b"'") + rb"|" + _text(b'"') + rb"|`[^`]*+`"
_COMMENT: Final = rb"--(?=[" + _BLANK + rb"])[^\n]*+\n|\#[^\n]*+\n|/\*(?=[^M!]|M[^!])[^*]*+(?>(?:\*(?!/)[^*]*+)*)\*/"
_EXECUTED: Final = rb"/\*M?+!\d*+"
_LONE: Final = rb"-(?=[^-]|-[^" + _BLANK + rb"])|/(?=[^*])"
"""A minus or a slash that begins no comment, where what follows is there to tell."""

_STARTERS: Final = b"'\"`#/-"
"""What quotes and comments begin with."""


def _run(but: bytes, *tokens: bytes) -> bytes:
    """Return a pattern of any bytes ``but`` some, and of ``tokens``, which begin with those."""
    other = rb"[^" + re.escape(_STARTERS + but) + rb"]*+"
    return other + rb"(?>(?:(?:" + rb"|".join(tokens) + rb")" + other + rb")*)"


@lru_cache(maxsize=128)
def code_before(delimiter: bytes, stops: bytes = b"") -> re.Pattern[bytes]:
    """Return the pattern of all text before the ``delimiter``, one of the ``stops``, or what is cut off."""
    first = delimiter[:1]
    tokens = [_QUOTED, _COMMENT, _EXECUTED, _LONE]
    if first not in _STARTERS and len(delimiter) > 1:
        tokens.append(rb"(?=.{%d})%s" % (len(delimiter), re.escape(first)))
    token = rb"(?!" + re.escape(delimiter) + rb")(?:" + rb"|".join(tokens) + rb")"
    return re.compile(rb"(?s:" + _run(first + stops, token) + rb")")


ROW: Final = re.compile(rb"(?s:[\s,]*+\(" + _run(b"();", _QUOTED, _COMMENT, _EXECUTED, _LONE) + rb"\)[\s,]*+|(.++))")
"""One row of an INSERT; or, as the group, all the rest where that is no whole row."""

BETWEEN: Final = re.compile(rb"(?>(?s:[\s;]++|" + _COMMENT + rb")*)")
"""What may stand between two statements."""

BETWEEN_ROWS: Final = re.compile(rb"(?>(?s:[\s,]++|" + _COMMENT + rb")*)")
"""What may stand between two rows."""

COMMENT: Final = re.compile(rb"\#|--(?=[" + _BLANK + rb"])|/\*(?=[^M!]|M[^!])")
"""How a comment begins."""

OPENED: Final = re.compile(rb"['\"`]|" + COMMENT.pattern)
"""How a text or comment begins."""

UNDECIDED: Final = frozenset({b"", b"-", b"--", b"/", b"/*", b"/*M"})
"""What may begin a comment, as far as its text goes."""

CLOSED: Final = {
    b"'": re.compile(rb"(?s:(?>(?:[^'\\]++|\\.)*)')"),
    b'"': re.compile(rb"(?s:(?>(?:[^\"\\]++|\\.)*)\")"),
    b"`": re.compile(rb"[^`]*+`"),
}
"""The rest of a text or name, by its quote."""

SANDBOX: Final = re.compile(rb"/\*M?!999999\\-")
"""What mariadb-dump's first line begins with since 2024; a client that does not know it takes ``\\-`` for a command."""

_GAP: Final = rb"(?:\s|\*/|" + _COMMENT + rb"|" + _EXECUTED + rb")"
NAME: Final = rb"(?:`(?>(?:[^`\n]|``){1,%d})`|\"(?>(?:[^\"\n]|\"\"){1,%d})\"|[0-9A-Za-z_$\x80-\xff]{1,%d}+)" % (
    (LONGEST,) * 3
)
"""A name of a table, quoted or not."""

_TABLE: Final = rb"(?>(?:" + NAME + rb"~\.~)?)(?P<name>" + NAME + rb")"
_IF: Final = rb"(?>(?:IF (?>(?:NOT )?)EXISTS )?)"
_USER: Final = rb"(?:`(?>(?:[^`]++|``)*)`|" + _QUOTED + rb"|[\w$.%-]++)"


@cache
def _grammar(pattern: bytes) -> re.Pattern[bytes]:
    """Return a ``pattern`` in which a blank is whatever stands between two words, and ``~`` that or nothing.

    It is compiled when it is needed first: most commands import this module and read no dump.
    """
    return re.compile(
        rb"(?si:" + pattern.replace(b" ", rb"(?>" + _GAP + rb"+)").replace(b"~", rb"(?>" + _GAP + rb"*)") + rb")"
    )


_WORD: Final = re.compile(rb"(?s:(?>(?:" + _GAP + rb"|\()*)([A-Za-z]++))")
_DELIMITER: Final = re.compile(rb"(?i:DELIMITER)[ \t]++(\S{1,16}+)(?!\S)")
_CREATED: Final = (
    rb"~CREATE (?>(?:OR REPLACE )?)(?>(?:ALGORITHM~=~\w++ )?)"
    rb"(?>(?:DEFINER~=~(?P<definer>"
    + _USER
    + rb")(?>(?:~@~"
    + _USER
    + rb")?)(?>(?:\(\))?) )?)(?>(?:SQL SECURITY \w++ )?)"
    rb"(?>(?P<temporary>TEMPORARY )?)(?>(?:(?P<kind>TABLE|VIEW)\b~" + _IF + _TABLE + rb")?)"
)
_FILLED: Final = (
    rb"~(?:INSERT|REPLACE)\b~(?>(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE) )*)(?>(?:INTO\b~)?)" + _TABLE + rb"~"
    rb"(?>(?:\((?>(?:[^'\"`();]++|" + _QUOTED + rb")*)\)~)?)(?>(?:(?P<values>VALUES?)\b|(?P<set>SET)\b)?)"
)
_DROPPED: Final = rb"~DROP (?>(?:TEMPORARY )?)(?P<kind>TABLE|VIEW)S?+\b~" + _IF
_LISTED: Final = rb"~" + _TABLE + rb"~,?+"
_ROUTINE: Final = rb"(?>(?:AGGREGATE )?)(?P<kind>PROCEDURE|FUNCTION|TRIGGER|EVENT|PACKAGE)\b"
_BLOCK: Final = re.compile(
    rb"(?si:" + _QUOTED + rb"|" + _COMMENT + rb"|"
    rb"\b(?:(?P<begin>BEGIN|CASE)|END\s+(?:IF|LOOP|WHILE|REPEAT)|(?P<end>END(?:\s+CASE)?))\b)"
)

WORDS: Final = frozenset(
    b"alter analyze begin binlog cache call change check checksum commit create deallocate delete delimiter desc "
    b"describe do drop execute explain flush grant handler import insert install kill load lock optimize prepare "
    b"purge release rename repair replace reset revoke rollback savepoint select set show shutdown source start "
    b"stop table truncate uninstall unlock update use values with xa".split()
)
"""What statements begin with, of the server and of its client."""


class Filled(NamedTuple):
    """What the beginning of an INSERT or REPLACE tells.

    Attributes:
        name: the table.
        length: how many bytes stand before its rows; 0 where it has none: it sets columns, or inserts a query's.
        is_set: whether it sets the columns of one row.
    """

    name: bytes
    length: int
    is_set: bool


def word_at(text: bytes, at: int) -> bytes:
    """Return the word that the statement at byte ``at`` begins with, in lower case; empty where it is none."""
    match = _WORD.match(text, at, at + HEAD)
    return match[1].lower() if match else b""


def created_at(text: bytes, at: int = 0) -> re.Match[bytes] | None:
    """Return what the CREATE statement at byte ``at`` of ``text`` tells.

    Its groups: who works there (``definer``), ``temporary``, and of a table or view its ``kind`` and ``name``.
    """
    return _grammar(_CREATED).match(text, at, at + HEAD)


def routine_after(created: re.Match[bytes]) -> str:
    """Return what the CREATE statement ``created`` creates that has statements of its own; empty where it has none.

    One of ``procedure``, ``function``, ``trigger``, ``event``, ``package``.
    """
    match = _grammar(_ROUTINE).match(created.string, created.end(), created.start() + HEAD)
    return match["kind"].decode().lower() if match else ""


def filled_at(text: bytes, at: int) -> Filled | None:
    """Return what the INSERT or REPLACE at byte ``at`` of ``text`` fills."""
    if (match := _grammar(_FILLED).match(text, at, at + HEAD)) is None:
        return None
    length = match.end() - at if match["values"] else 0
    return Filled(unquoted(match["name"]), length, match["set"] is not None)


def dropped_by(text: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Return what kind of thing the DROP statement ``text`` drops, and their names; nothing of another kind."""
    if (match := _grammar(_DROPPED).match(text, 0, HEAD)) is None:
        return "", ()
    names, at = list[bytes](), match.end()
    while listed := _grammar(_LISTED).match(text, at):
        names.append(unquoted(listed["name"]))
        at = listed.end()
    return match["kind"].decode().lower(), tuple(names)


def unquoted(name: bytes) -> bytes:
    """Return a name without its quotes."""
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in b"`\"'" else name


TEXT_KEPT: Final = 64 * KIB
"""How much is kept of a statement that is no INSERT; of a longer one the digest alone tells what follows."""

_WINDOWS: Final = (4 * KIB, MIB)
"""How far rows are looked for at once, at least and at most."""

_DELIMITERS_MOST: Final = 16
"""How many delimiters a dump may name; real ones have ``;;``, ``$$`` or ``//``."""

_EXCERPT: Final = 80
_BOM: Final = b"\xef\xbb\xbf"
_PARENTHESES: Final = {b"(": 1, b")": -1}
_LONGEST_SIGN: Final = 4
"""How many bytes tell whether a comment begins."""


class Spot(NamedTuple):
    """Something in a dump that was met once or more.

    Attributes:
        line: where it was met first, from 1.
        offset: where that statement or line begins, in bytes of the dump.
        text: what it is: the beginning of its bytes.
        times: how often it was met.
        size: of a statement that is too long: the length of the longest, in bytes.
    """

    line: int
    offset: int
    text: bytes = b""
    times: int = 1
    size: int = 0


class Statement(NamedTuple):
    """A statement of a dump.

    Attributes:
        word: what it begins with, in lower case.
        begin: where it begins.
        size: its length in bytes, with its delimiter.
        text: its beginning, up to `TEXT_KEPT` bytes; nothing of an INSERT with values.
        rest: the SHA-256 of what follows; nothing where nothing does.
        filled: what an INSERT or REPLACE fills, else None.
        rows: how many rows it inserts; those of a query are not counted.
    """

    word: bytes
    begin: Spot
    size: int
    text: bytes
    rest: bytes
    filled: Filled | None
    rows: int


class Statements:
    """Takes in a dump piece by piece, and hands on its statements; at its end one that is not finished, too.

    Attributes:
        foreign: text that is no SQL where a statement should begin; None without any.
        sandbox: the comment of mariadb-dump that older clients take for a command; None without it.
        ended: where the last statement ends, in bytes of the dump.
        begin: where the last statement begins.
        delimiter: what ends a statement at last.
        is_inside: whether a statement is unfinished.
    """

    def __init__(self, hand_on: Callable[[Statement], object]) -> None:
        self.foreign: Spot | None = None
        self.sandbox: Spot | None = None
        self.ended: int = 0
        self.begin: Spot = Spot(1, 0)
        self.delimiter: bytes = b";"
        self._hand_on = hand_on
        self._delimiters = {b";"}
        self._read: Callable[[bytes, int], int] = self._mark
        self._back: Callable[[bytes, int], int] = self._between
        self._quote = b""
        self._held = b""
        self._base = 0  # where the held bytes begin, in bytes of the dump
        self._line = 1
        self._counted = 0  # how far newlines were counted, from the held bytes on
        self.is_inside: bool = False
        self._from = 0  # from where on the statement's text was not kept yet
        self._word = b""
        self._text = b""
        self._rest = sha256()
        self._filled: Filled | None = None
        self._again = b""  # what the last statement with rows begins with, up to them
        self._filled_again = Filled(b"", 0, is_set=False)
        self._is_routine = False
        self._blocks = 0  # how many of a routine's blocks are open
        self._judged = 0  # within how many bytes of its text they were counted
        self._rows = 0
        self._depth = 0
        self._window = _WINDOWS[0]

    @property
    def is_between(self) -> bool:
        """Whether neither a statement nor a comment is unfinished."""
        return self._read == self._between

    @property
    def kept_from(self) -> int:
        """From where on, in bytes of the dump, statements may be handed on still."""
        return self.begin.offset if self.is_inside else self._base

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""
        text, at = self._held + piece, 0
        while at < len(text) and (ahead := self._read(text, at)) > at:
            at = ahead
        if self.is_inside:
            self._keep(text, at)
        self._lines(text, at)
        self._base += at
        self._held, self._from, self._counted = text[at:], 0, 0

    def close(self) -> None:
        """Take in what is left: a last line may have no end, and so may the last statement."""
        end = self._base + len(self._held)
        self.take(b"\n" * HEAD)  # whatever waits for what follows is decided
        if self.is_inside:
            self._text = self._text.rstrip()
            self._hand_on(self._statement(end))

    def _spot(self, text: bytes, at: int) -> Spot:
        return Spot(self._lines(text, at), self._base + at, text[at : at + _EXCERPT].partition(b"\n")[0].rstrip())

    def _lines(self, text: bytes, at: int) -> int:
        """Return the number of the line on which byte ``at`` stands."""
        self._line += text.count(b"\n", self._counted, at)
        self._counted = at
        return self._line

    # Each of these reads on from byte `at` of the text, and returns how far it came: no further where it needs more.

    def _mark(self, text: bytes, at: int) -> int:
        """Read a byte order mark, if there is one."""
        if len(text) < len(_BOM):
            return at
        self._read = self._between
        return len(_BOM) if text.startswith(_BOM) else self._between(text, at)

    def _between(self, text: bytes, at: int) -> int:
        """Read what stands between two statements, and the beginning of the next one."""
        at = self._after_gap(text, at)
        if self._again and text.startswith(self._again, at):
            return self._begin_rows(self._filled_again, text, at)
        if len(text) - at < HEAD:
            return at
        if COMMENT.match(text, at):
            return self._open(text, at)
        if SANDBOX.match(text, at):
            self.sandbox = self.sandbox or self._spot(text, at)
            return self._pass_line(text, at)
        return self._by_word(text, at)

    def _by_word(self, text: bytes, at: int) -> int:
        """Read the beginning of a statement, or what is none."""
        word = word_at(text, at)
        if word == b"delimiter":
            return self._redefine(text, at)
        if word not in WORDS:
            self.foreign = self.foreign or self._spot(text, at)
            return self._pass_line(text, at)
        return self._begin_statement(word, text, at)

    def _after_gap(self, text: bytes, at: int) -> int:
        while True:
            at = _end(BETWEEN, text, at)
            if not text.startswith(self.delimiter, at):
                return at
            at += len(self.delimiter)

    def _pass_line(self, text: bytes, at: int) -> int:
        """Read to the end of a line that is no SQL."""
        end = text.find(b"\n", at) + 1
        self._read = self._between if end else self._pass_line
        return end or len(text)

    def _redefine(self, text: bytes, at: int) -> int:
        """Read a line that names another delimiter; no client takes a backslash in it."""
        match = _DELIMITER.match(text, at, at + HEAD)
        named = match[1] if match else b""
        is_kept = named in self._delimiters or len(self._delimiters) < _DELIMITERS_MOST
        if named and b"\\" not in named and is_kept:
            self._delimiters.add(named)
            self.delimiter = named
        return self._pass_line(text, at)

    def _begin_statement(self, word: bytes, text: bytes, at: int) -> int:
        """Read the beginning of a statement; one with rows is remembered, for the next ones often begin alike."""
        filled = filled_at(text, at) if word in {b"insert", b"replace"} else None
        if filled is not None and filled.length:
            self._again, self._filled_again = text[at : at + filled.length + 1], filled
            return self._begin_rows(filled, text, at)
        self._begin(word, filled, text, at)
        created = created_at(text, at) if word == b"create" else None
        self._is_routine = created is not None and routine_after(created) != ""
        self._text, self._rest, self._blocks, self._judged = b"", sha256(), 0, 0
        self._rows = int(filled is not None and filled.is_set)
        self._read = self._in_statement
        return self._in_statement(text, at)

    def _begin_rows(self, filled: Filled, text: bytes, at: int) -> int:
        self._begin(b"insert", filled, text, at)
        self._read = self._in_rows
        return self._in_rows(text, at + filled.length)

    def _begin(self, word: bytes, filled: Filled | None, text: bytes, at: int) -> None:
        self.begin = Spot(self._lines(text, at), self._base + at)
        self.is_inside, self._from = True, at
        self._word, self._filled, self._rows, self._depth = word, filled, 0, 0

    def _in_statement(self, text: bytes, at: int) -> int:
        """Read to the statement's end, or to what is cut off by the end of the text."""
        at = _end(code_before(self.delimiter), text, at)
        if not text.startswith(self.delimiter, at):
            return self._open(text, at)
        return at + 1 if self._is_in_block(text, at) else self._finish(text, at)

    def _is_in_block(self, text: bytes, at: int) -> bool:
        """Return whether the ``;`` at ``at`` ends a statement of a routine's own: nobody named another delimiter."""
        if not self._is_routine or self.delimiter != b";":
            return False
        self._keep(text, at)
        words = [match.lastgroup for match in _BLOCK.finditer(self._text, self._judged)]
        self._blocks += words.count("begin") - words.count("end")
        self._judged = len(self._text)
        return self._blocks > 0 and len(self._text) < TEXT_KEPT

    def _in_rows(self, text: bytes, at: int) -> int:
        """Read rows: whole ones at once, of another one its parentheses."""
        if self._depth:
            return self._in_row(text, at)
        if self.delimiter == b";":
            at = self._whole_rows(text, at)
            if text.startswith(b";", at):
                return self._finish(text, at)
        at = _end(BETWEEN_ROWS, text, at)
        if text.startswith(b"(", at):
            self._rows, self._depth = self._rows + 1, 1
            return at + 1
        if COMMENT.match(text, at):
            return self._open(text, at)
        if text[at : at + _LONGEST_SIGN] not in UNDECIDED:
            self._read = self._in_statement
        return at if self._read == self._in_rows else self._in_statement(text, at)

    def _in_row(self, text: bytes, at: int) -> int:
        """Read on in a row, to its next parenthesis."""
        at = _end(code_before(self.delimiter, b"()"), text, at)
        sign = text[at : at + 1]
        if text.startswith(self.delimiter, at):
            return self._finish(text, at)
        if sign not in _PARENTHESES:
            return self._open(text, at)
        self._depth += _PARENTHESES[sign]
        return at + 1

    def _whole_rows(self, text: bytes, at: int) -> int:
        """Count the whole rows from ``at`` on, and return where the last of them ends."""
        end = text.find(b";\n", at, at + self._window)
        stop = end if end >= 0 else min(at + self._window, len(text))
        rows = ROW.findall(text, at, stop)
        rest = rows.pop() if rows and rows[-1] else b""
        self._rows += len(rows)
        self._window = min(max(_WINDOWS[0], 2 * (stop - len(rest) - at)), _WINDOWS[1])
        return stop - len(rest)

    def _open(self, text: bytes, at: int) -> int:
        """Read a comment's or text's beginning, whose end is not in the text."""
        match = OPENED.match(text, at)
        if match is None:
            return at
        self._back, self._quote = self._read, text[at : match.end()]
        self._read = self._in_quotes if self._quote in CLOSED else self._in_comment
        return match.end()

    def _in_quotes(self, text: bytes, at: int) -> int:
        if (match := CLOSED[self._quote].match(text, at)) is not None:
            self._read = self._back
            return match.end()
        backslashes = len(text) - len(text.rstrip(b"\\")) if self._quote != b"`" else 0
        return len(text) - backslashes % 2

    def _in_comment(self, text: bytes, at: int) -> int:
        end = b"*/" if self._quote == b"/*" else b"\n"
        if (closing := text.find(end, at)) >= 0:
            self._read = self._back
            return closing + len(end)
        return len(text) - text.endswith(b"*")

    def _finish(self, text: bytes, at: int) -> int:
        """End the statement at the delimiter at ``at``."""
        at += len(self.delimiter)
        self._keep(text, at)
        self.ended = self._base + at
        self.is_inside, self._read = False, self._between
        self._hand_on(self._statement(self.ended))
        return at

    def _statement(self, end: int) -> Statement:
        size = end - self.begin.offset
        if self._filled is not None:
            return Statement(self._word, self.begin, size, b"", b"", self._filled, self._rows)
        rest = self._rest.digest() if size > TEXT_KEPT else b""
        return Statement(self._word, self.begin, size, self._text, rest, None, 0)

    def _keep(self, text: bytes, at: int) -> None:
        """Keep what was read of the statement, up to ``at``; of an INSERT its rows were counted instead."""
        if self._filled is None:
            piece = text[self._from : at]
            room = TEXT_KEPT - len(self._text)
            self._text += piece[:room]
            if len(piece) > room:
                self._rest.update(piece[room:])
        self._from = at


def _end(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Return how far a pattern that matches anywhere, if only nothing, goes from byte ``at`` on."""
    match = pattern.match(text, at)
    return match.end() if match else at
