r"""SQL as the clients of MySQL and MariaDB split it into statements: patterns, and what a statement's beginning tells.

A statement ends at the delimiter, ``;`` unless ``DELIMITER`` names another one, where that is in no quotes and in no
comment. Within ``'…'`` and ``"…"`` a ``\`` takes its meaning from the next byte; a doubled quote ends a text and
begins the next one. ``-- `` (a blank or the line's end must follow), ``#`` and ``/*…*/`` are comments; ``/*!50001 …*/``
and ``/*M!100100 …*/`` are none: what is in them is executed.

Possessive repeats of single characters (``[^']*+``) and atomic groups (``(?>…)``) keep every pattern linear, whatever
stands in a dump. Possessive repeats of groups Python gets wrong before 3.11.5 (gh-106052).
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta.archive.limits import KIB

HEAD: Final = 16 * KIB
"""Within how many bytes a statement tells what it is; a list of columns stands there, too."""

_LONGEST: Final = 256
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
def code(delimiter: bytes, stops: bytes = b"") -> re.Pattern[bytes]:
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
    (_LONGEST,) * 3
)
"""A name of a table, quoted or not."""

_TABLE: Final = rb"(?>(?:" + NAME + rb"~\.~)?)(" + NAME + rb")"
_IF: Final = rb"(?>(?:IF (?>(?:NOT )?)EXISTS )?)"
_USER: Final = rb"(?:`(?>(?:[^`]++|``)*)`|" + _QUOTED + rb"|[\w$.%-]++)"


def _grammar(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a ``pattern`` in which a blank is whatever stands between two words, and ``~`` that or nothing."""
    return re.compile(
        rb"(?si:" + pattern.replace(b" ", rb"(?>" + _GAP + rb"+)").replace(b"~", rb"(?>" + _GAP + rb"*)") + rb")"
    )


_WORD: Final = re.compile(rb"(?s:(?>(?:" + _GAP + rb"|\()*)([A-Za-z]++))")
_DELIMITER: Final = re.compile(rb"(?i:DELIMITER)[ \t]++(\S{1,16}+)(?!\S)")
_CREATED: Final = _grammar(
    rb"~CREATE (?>(?:OR REPLACE )?)(?>(?:ALGORITHM~=~\w++ )?)"
    rb"(?>(?:DEFINER~=~(?P<definer>"
    + _USER
    + rb")(?>(?:~@~"
    + _USER
    + rb")?)(?>(?:\(\))?) )?)(?>(?:SQL SECURITY \w++ )?)"
    rb"(?>(?P<temporary>TEMPORARY )?)(?>(?:(?P<kind>TABLE|VIEW)\b~" + _IF + _TABLE + rb")?)"
)
_FILLED: Final = _grammar(
    rb"~(?:INSERT|REPLACE)\b~(?>(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE) )*)(?>(?:INTO\b~)?)" + _TABLE + rb"~"
    rb"(?>(?:\((?>(?:[^'\"`();]++|" + _QUOTED + rb")*)\)~)?)(?>(?:(?P<values>VALUES?)\b|(?P<set>SET)\b)?)"
)
_DROPPED: Final = _grammar(rb"~DROP (?>(?:TEMPORARY )?)(?P<kind>TABLE|VIEW)S?+\b~" + _IF)
_LISTED: Final = _grammar(rb"~" + _TABLE + rb"~,?+")
_ROUTINE: Final = _grammar(rb"(?>(?:AGGREGATE )?)(?:PROCEDURE|FUNCTION|TRIGGER|EVENT|PACKAGE)\b")
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


class Created(NamedTuple):
    """What the beginning of a CREATE statement tells.

    Attributes:
        name: of a table or view, else None.
        kind: ``table``, ``view``, or nothing for another object.
        is_temporary: whether the table ends with the connection.
        definer: the user in whose name a view or routine works; None where none is named.
    """

    name: bytes | None
    kind: str
    is_temporary: bool
    definer: bytes | None


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


def word(text: bytes, at: int) -> bytes:
    """Return the word that the statement at byte ``at`` begins with, in lower case; empty where it is none."""
    found = _WORD.match(text, at, at + HEAD)
    return found[1].lower() if found else b""


def delimiter(text: bytes, at: int) -> bytes | None:
    """Return what the line at byte ``at`` makes the delimiter; None where it names none that a client takes."""
    found = _DELIMITER.match(text, at, at + HEAD)
    return found[1] if found and b"\\" not in found[1] else None


def created(text: bytes) -> Created | None:
    """Return what the CREATE statement ``text`` creates."""
    if (found := _CREATED.match(text, 0, HEAD)) is None:
        return None
    name, kind, user = found[found.re.groups], found["kind"], found["definer"]
    return Created(
        None if name is None else unquoted(name),
        (kind or b"").decode().lower(),
        found["temporary"] is not None,
        None if user is None else unquoted(user)[:_LONGEST],
    )


def is_routine(text: bytes, at: int) -> bool:
    """Tell whether the CREATE statement at byte ``at`` creates what has statements of its own."""
    found = _CREATED.match(text, at, at + HEAD)
    return found is not None and _ROUTINE.match(text, found.end(), at + HEAD) is not None


def depth(text: bytes) -> int:
    """Return how many blocks (BEGIN … END, CASE … END) begin in ``text``, less those that end."""
    found = [one.lastgroup for one in _BLOCK.finditer(text)]
    return found.count("begin") - found.count("end")


def filled(text: bytes, at: int) -> Filled | None:
    """Return what the INSERT or REPLACE at byte ``at`` of ``text`` fills."""
    if (found := _FILLED.match(text, at, at + HEAD)) is None:
        return None
    length = found.end() - at if found["values"] else 0
    return Filled(unquoted(found[1]), length, found["set"] is not None)


def dropped(text: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Return what kind of thing the DROP statement ``text`` drops, and their names; nothing of another kind."""
    if (found := _DROPPED.match(text, 0, HEAD)) is None:
        return "", ()
    names, at = list[bytes](), found.end()
    while one := _LISTED.match(text, at):
        names.append(unquoted(one[1]))
        at = one.end()
    return found["kind"].decode().lower(), tuple(names)


def unquoted(name: bytes) -> bytes:
    """Return a name without its quotes."""
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in b"`\"'" else name
