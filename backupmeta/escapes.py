r"""How text from evidence is written where it would be obeyed: on terminals, by CI runners, in JSON and in Markdown.

What would be obeyed, or not be seen, stands there as an escape that a reader knows: ``\x1b``, ``\u202e``. The one place
that decides which characters and which beginnings these are.
"""

import re
from typing import Final

_UNSEEN: Final = (
    (0x0000, 0x001F),  # C0: control sequences, line ends
    (0x007F, 0x009F),  # DEL and C1: control sequences in one byte of Latin-1
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


def _class(*ranges: tuple[int, int]) -> str:
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"


_IN_A_LINE: Final = re.compile(_class(*_UNSEEN))


def printable(text: str) -> str:
    r"""Return ``text`` fit for a line on a terminal: what is obeyed or not seen as ``\x1b``, ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    return _IN_A_LINE.sub(_as_python, text)


def _as_python(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
