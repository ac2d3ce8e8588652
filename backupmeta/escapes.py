r"""How text from evidence is written where it would be obeyed: on terminals, by CI runners, in JSON and in Markdown.

What would be obeyed, or not be seen, is an escape there that readers know: ``\x1b``, ``\u202e``. This module alone
decides which characters and which beginnings these are.
"""

import re
import sys
from codecs import getincrementaldecoder
from functools import cache
from itertools import groupby
from json import dumps
from typing import Final

_UNSEEN: Final = (
    (0x0000, 0x001F),  # C0: control sequences, line ends
    (0x007F, 0x007F),  # DEL
    (0x0080, 0x009F),  # C1: control sequences in one byte of Latin-1
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x0600, 0x0605),  # Arabic number signs
    (0x061C, 0x061C),  # Arabic letter mark: bidirectional
    (0x06DD, 0x06DD),  # Arabic end of ayah
    (0x070F, 0x070F),  # Syriac abbreviation mark
    (0x0890, 0x0891),  # Arabic pound and piastre marks
    (0x08E2, 0x08E2),  # Arabic disputed end of ayah
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
    (0x200B, 0x200F),  # zero width space, joiners, direction marks
    (0x2028, 0x202E),  # line and paragraph separators, embeddings and overrides: bidirectional
    (0x2060, 0x206F),  # word joiner, invisible operators, isolates: bidirectional
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xDFFF),  # surrogates: bytes that are not UTF-8
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark: zero width no-break space
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFFB),  # interlinear annotation, and what is reserved before it
    (0x110BD, 0x110BD),  # Kaithi number sign
    (0x110CD, 0x110CD),  # Kaithi number sign above
    (0x13430, 0x1343F),  # joiners of Egyptian hieroglyphs
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0xE0FFF),  # tags, variation selectors, and what is reserved for the like
)
"""What is never written as it is: the categories Cc, Cf, Cs, Zl and Zp, and `Default_Ignorable_Code_Point`.

(Unicode 16: UnicodeData.txt, DerivedCoreProperties.txt.) All of Cf, also what has a look of its own, and variation
selectors and joiners within emoji and Persian words, too: two names that look the same must not be written the same.
Combining marks are seen, and stay. A table of our own: Python's differs from version to version.
"""


_COMMANDS: Final = (
    r"^{blank}:(?=:)",  # GitHub Actions, and Gitea and Forgejo: "::error::", "::add-mask::", "::stop-commands::"
    r"#(?=#[A-Za-z]*+\[)",  # anywhere in a line: "##vso[" and "##[" of Azure Pipelines, the latter of GitHub, too;
    #                         "##teamcity[" of TeamCity
    r"section_(?:start|end):(?=\d)",  # GitLab
    r"^(?:---|\+\+\+|~~~|\^\^\^)(?= )",  # Buildkite: groups
)
"""What CI runners take for commands in the output of a step, up to the character that is escaped.

(GitHub's runner: `ActionCommand`, which trims what .NET takes for white space, and looks for ``##[`` anywhere; agent of
Azure Pipelines: `Command`, the same; TeamCity, "Service Messages"; GitLab, "CI/CD job logs"; Buildkite, "Managing log
output".) The letters before a bracket are not counted up: a runner that compares as a language does, and not bytes,
takes others for the same.
"""

_BLANK: Final = r"(?>(?:[^\S\n]|\x1b\[[0-9;]*m)*)"
"""What may stand before a command: white space of any kind, and colours."""


@cache
def _unseen(also_seen: str = "") -> re.Pattern[str]:
    """Return what finds a character that is not seen: none of what lies between the ranges, which is found faster.

    It is compiled when it is needed first: most text holds none of them.
    """
    between = zip((last + 1 for _, last in _UNSEEN), (first - 1 for first, _ in _UNSEEN[1:]), strict=False)
    visible = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in between if first <= last)
    return re.compile(f"[^{also_seen}{visible}\\U{_UNSEEN[-1][1] + 1:08x}-\\U{sys.maxunicode:08x}]")


_COMMAND: Final = re.compile("|".join(_COMMANDS).replace("{blank}", _BLANK), re.MULTILINE)
_BEFORE_COMMAND: Final = frozenset({":", "\x1b"})
_GROUPS: Final = frozenset({"--- ", "+++ ", "~~~ ", "^^^ "})


def printable(text: str) -> str:
    r"""Return ``text`` fit for a line on a terminal: what is obeyed or not seen as ``\x1b``, ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    return _unseen().sub(_as_python, text)


def printable_lines(text: str) -> str:
    """Return the same of several lines: line feeds stay."""
    return _unseen("\n").sub(_as_python, text)


def _as_python(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


class Terminal:
    """Turns bytes that come in pieces into what a terminal may be sent: lines of UTF-8 with all else escaped."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("backslashreplace")

    def shown(self, content: bytes) -> bytes:
        """Return what can be shown so far, with ``content`` as the next piece."""
        return printable_lines(self._decoder.decode(content)).encode()

    def rest(self) -> bytes:
        """Return what is left at the end: bytes that begin a character, and don't end it."""
        return printable_lines(self._decoder.decode(b"", final=True)).encode()


def inert(text: str) -> str:
    r"""Return whole lines as no CI runner reads a command in them: ``\x3a:error::``, ``\x23#vso[``.

    Call it with what is printed, once all of it is together: what stands beside evidence, or a wrapped line, may make
    a command.
    """
    may_command = ("#" in text and "##" in text) or "section_" in text or _may_begin_with_command(text)
    return _COMMAND.sub(_without_last, text) if may_command else text


def _may_begin_with_command(text: str) -> bool:
    """Return, faster than a pattern does, whether a line of the text may begin with a command."""
    if text.find("\n", 0, -1) >= 0:
        return "::" in text or any(group in text for group in _GROUPS)
    return text.lstrip()[:1] in _BEFORE_COMMAND or text[:4] in _GROUPS


def _without_last(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\x{ord(match[0][-1]):02x}"


def json(document: str) -> str:
    r"""Return JSON as nobody obeys it: what `printable` and `inert` would escape as ``\u007f``, ``\u0023``.

    It means the same: such characters stand in strings alone. Line feeds between them stay.
    """
    if _may_hold_unseen(document):
        document = _unseen("\n").sub(_as_json, document)
    return _COMMAND.sub(_without_last_in_json, document) if "##" in document or "section_" in document else document


def _may_hold_unseen(document: str) -> bool:
    """Return, faster than a pattern does, whether a character that JSON does not escape may be one that is not seen."""
    if document.isascii():
        return "\x7f" in document
    encoded = document.encode("utf-8", "surrogatepass")
    return len(encoded.translate(None, _FIRST_BYTES)) != len(encoded)


def _first_byte(number: int) -> int:
    return chr(number).encode("utf-8", "surrogatepass")[0]


_FIRST_BYTES: Final = bytes(
    {byte for first, last in _UNSEEN[1:] for byte in range(_first_byte(first), _first_byte(last) + 1)}
)
"""The first bytes of characters that are not seen."""


def _as_json(match: re.Match[str]) -> str:
    return dumps(match[0])[1:-1] if match[0] != "\x7f" else r"\u007f"


def _without_last_in_json(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\u{ord(match[0][-1]):04x}"


_PROSE: Final = re.compile(
    r"""
    [("']?+ (?:
        (?! .*? \b [a-fA-F]{7,}+ \b )  # as a commit's digest may be
        -{0,2} [^\W\d_]++ (?: ['\u2019-] [^\W\d_]++ )*
      | \d{1,6} (?: \.\d{1,6} )?
      | \d{1,3} (?: ,\d{3} )+
      | \d{4}-\d\d-\d\d | \d\d:\d\d (?: :\d\d )?
      | [→+-]
    ) [)"'.,;:!?…]*+
    """,
    re.VERBOSE,
)
"""A word in which no dialect of Markdown finds markup, a link, a mail address, a mention, a reference or an emoji."""


def markdown(text: str) -> str:
    """Return a line for Markdown in which nothing is markup or becomes a link: all words but plain ones are code.

    Services make links, mentions and references of text after it was rendered, whatever was escaped in it, but not of
    code (GitHub docs, "Autolinked references and URLs"; GitLab docs, "GitLab-specific references").
    """
    words = printable(text).split(" ")
    grouped = groupby(words, key=lambda word: not word or _PROSE.fullmatch(word) is not None)
    return " ".join(" ".join(group) if is_prose else _code(" ".join(group)) for is_prose, group in grouped)


def markdown_code(text: str) -> str:
    """Return a line for Markdown as code; nothing for none."""
    return _code(printable(text)) if text else ""


def _code(text: str) -> str:
    """Return code. No backtick and no bar is in it: readers differ in what ends code, and the cell of a table."""
    return "`" + text.replace("`", r"\x60").replace("|", r"\x7c") + "`"
