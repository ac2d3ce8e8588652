"""The forms in which secrets stand in texts, whatever the text is called: `RULES`, each with why it is a secret.

An example, a value that lost the newline before its next line, and a path that is the user's::

    My blogdb-pass=hunter2        ->  My blogdb-pass=********
    //exampleu:hunter2@host/path  ->  //********@host/path

Each rule goes through a text once, and searches backwards for the last ``@`` alone: its time is in proportion to the
text, whatever stands in it. What can't be decided by its form is not masked: a password as a word among words, base64,
other encodings than percent signs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final, NamedTuple

from backupmeta.masking import MASK, is_secret

_QUERY_NAMES: Final = frozenset({"code", "hash", "ticket", "assertion"})
"""What is a secret in a query or a fragment, but not as a key: ``?code=`` of OAuth, not ``errcode``."""

_WORD: Final = re.compile(r"\S+")
_MANY: Final = 16_384
_SOME_WORDS: Final = re.compile(r".{1,16384}\S*", re.DOTALL)
_MOST_ROUNDS: Final = 8


class Rule(NamedTuple):
    """One form in which a secret stands in a text.

    Attributes:
        name: what ``explain`` calls it.
        mark: what stands in every text that has this form.
        mask: gives the text with such secrets masked.
    """

    name: str
    mark: str
    mask: Callable[[str], str]


def _by_words(mask: Callable[[str], str]) -> Callable[[str], str]:
    """Return what masks each word of a text, blanks between them; some thousand at once, for each takes memory."""

    def masked(text: str) -> str:
        parts = _SOME_WORDS.findall(text) if len(text) > _MANY else (text,)
        return "".join(_WORD.sub(lambda word: mask(word[0]), part) for part in parts)

    return masked


def _by_places(places: Callable[[str], Iterable[tuple[int, int]]]) -> Callable[[str], str]:
    """Return what masks what stands at the ``places`` of a text."""

    def masked(text: str) -> str:
        kept, done = "", 0
        for begin, end in places(text):
            kept += text[done:begin] + MASK
            done = end
        return kept + text[done:] if done else text

    return masked


_UP_TO_HOST: Final = re.compile(r".*@(?=[\w\[])", re.DOTALL)
_UP_TO_HOST_WITH_PATH: Final = re.compile(r".*@[\w.-]+:(?=\S)", re.DOTALL)
_SLASHES: Final = re.compile(r"[/\\]{2,}")
_USER_WITH_PASSWORD: Final = re.compile(
    r"[^\s/\\?#:@]*:(?!\d{1,5}(?:[/?#\s]|$))[^\s@]*\s"  # a port is no password
)


def _spaced_userinfo(text: str) -> Iterator[tuple[int, int]]:
    """Yield all up to the last host in what stands between two pairs of slashes, where it begins with a password."""
    for begin, end in pairwise(chain((slashes.end() for slashes in _SLASHES.finditer(text)), (len(text) + 1,))):
        slashes = _SLASHES.search(text, begin, end)
        upto = slashes.start() if slashes else len(text)
        match = _UP_TO_HOST.match(text, begin, upto)
        if match and _USER_WITH_PASSWORD.match(text, begin, upto):
            yield begin, match.end() - 1


_USERINFO: Final = re.compile(
    r"""(?<=[/\\][/\\])[^/\\?\#:@]*:.*@
    | (?: (?<=:[/\\][/\\]) | (?<=/\\/) | (?<=\\\\/) | (?<=///) | (?<=\w\w:/)
        | (?<=^[/\\][/\\]) | (?<=["'(<,;=\[{][/\\][/\\]) )  [^/\\?\#]*@""",
    re.DOTALL | re.VERBOSE,
)


def _mask_userinfo(word: str) -> str:
    before, at, after = word.rpartition("@")
    return _USERINFO.sub(f"{MASK}@", before + at) + after if at else word


_PASSWORD_WITHOUT_HOST: Final = re.compile(
    r"(?<=[/\\][/\\])[^\s/\\?#:@\[,]+:(?!\d{0,5}(?:[/\\?#\s,;:\"')\]}>]|$))[^\s/\\?#@]+"
)
_SCP_USER: Final = re.compile(
    r"""(?<![\w.%+~-]) (?![A-Za-z]:[/\\] | [abdirsCO]:[\d.]+[:;] | \d+:\\*["'{])
    (?!(?:mailto|e?-?mail|sips?|xmpp|acct|npm):)
    [\w.%+~-]++ : (?![/\\]{2} | \\+/ | \s)""",
    re.IGNORECASE | re.VERBOSE,
)


def _mask_scp(word: str, upto: re.Pattern[str] = _UP_TO_HOST) -> str:
    match = upto.match(word)
    user = match and _SCP_USER.search(word, 0, word.rfind("@", 0, match.end()))
    if not match or not user:
        return word
    return f"{word[: user.start()]}{MASK}@{word[word.rfind('@', 0, match.end()) + 1 :]}"


def _mask_spaced_scp(text: str) -> str:
    return _mask_scp(text, _UP_TO_HOST_WITH_PATH)


_ASSIGNED: Final = re.compile(r"(?<![\w.%+\[\]$-])([\w.%+\[\]$-]++)[ \t]*+=++[ \t]*+(?=[^\s&;#])")
_ENDS: Final = {
    "?": re.compile(r"[^\s&;#]+"),
    "&": re.compile(r"[^\s&;#]+"),
    "#": re.compile(r"[^\s&;#]+"),
    ";": re.compile(r"[^;\n]+"),
}
_LINE: Final = re.compile(r"[^\n]+")


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    """Yield where what is assigned to secret names stands."""
    match = _ASSIGNED.search(text)
    while match:
        at, before = match.end(), text[match.start() - 1 : match.start()]
        name = _decoded(match[1])
        if is_secret(name) or (before in _ENDS and name.lower() in _QUERY_NAMES):
            value = _ENDS.get(before, _LINE).match(text, at)
            yield at, (at := value.end() if value else at)
        match = _ASSIGNED.search(text, at)


_MEMBER: Final = re.compile(r"""(?<!\\)(\\*+["'])([^"'\\]++)\1\s*+\]?+\s*+(:|=>|=|;|,)\s*+""")
_BEFORE_MEMBER: Final = {";": re.compile(r"s:\d+:\Z"), ",": re.compile(r"\(\s{0,9}\Z")}
_LONGEST_BEFORE: Final = 24
_SERIALIZED: Final = re.compile(r"""s:(\d{1,9}):\\*["']""")
_NESTED: Final = re.compile(r"[{\[](?!\s*+[}\]])|[aOC]:(?!0:\{\})|s:\d")
_QUOTE: Final = re.compile(r"""\\*["']""")
_SCALAR: Final = re.compile(r"[^\s,;}\])]*+")
_NO_SECRETS: Final = frozenset({"", "true", "false", "null", "N", "b:0", "b:1", "{", "[", "a:0:{"})


def _mask_members(text: str) -> str:
    return _by_places(_members)(text) if '"' in text or "'" in text else text


def _members(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names stand in JSON, PHP's serialized text, PHP's arrays and constants."""
    match = _MEMBER.search(text)
    while match:
        at = match.end()
        if is_secret(_decoded(match[2])) and _is_named(text, match):
            begin, at = _value(text, at)
            if text[begin:at] not in _NO_SECRETS:
                yield begin, at
        match = _MEMBER.search(text, at)


def _is_named(text: str, match: re.Match[str]) -> bool:
    before = _BEFORE_MEMBER.get(match[3])
    return before is None or before.search(text[max(match.start() - _LONGEST_BEFORE, 0) : match.start()]) is not None


def _value(text: str, at: int) -> tuple[int, int]:
    """Return from where to where a value stands; of what is nested, and of a text that lies about itself, the rest."""
    if (string := _SERIALIZED.match(text, at)) is not None:
        return string.end(), _closing(text, string[0].rpartition(":")[2], string.end() + int(string[1]))
    if _NESTED.match(text, at):
        return at, len(text)
    if (quote := _QUOTE.match(text, at)) is not None:
        return quote.end(), _closing(text, quote[0], quote.end())
    scalar = _SCALAR.match(text, at)
    return at, scalar.end() if scalar else at


def _closing(text: str, quote: str, at: int) -> int:
    """Return where the text in a kind of ``quote`` ends, which is written with so many backslashes before it."""
    end = text.find(quote, at)
    while end > at and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return end if end >= 0 else len(text)


_ESCAPE: Final = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})")


def _mask_encoded(word: str) -> str:
    decoded = _decoded(word)
    return word if decoded == word or by_rules(decoded, _DECODED) == decoded else MASK


def _decoded(text: str) -> str:
    """Return what percent-encoded ``text`` means, however often it was encoded."""
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(_ESCAPE.sub(r"%\1", text))


_SPOKEN: Final = re.compile(
    r"""(?:password|passwd|passwort|passphrase|kennwort|secret|token|credentials?|authorization
    | (?<![^\W_])(?:pass|pwd|pw|pin|key|apikey|auth|cookie|session)s?) [ \t]*+ : (?![/\\]{2}) [ \t]*+ (?=\S)""",
    re.IGNORECASE | re.VERBOSE,
)


def _mask_spoken(text: str) -> str:
    match = _SPOKEN.search(text)
    return text if match is None else text[: match.end()] + MASK


RULES: Final = (
    # in //user:password@host what stands before the last @ is the password, blanks and all; not where an @ comes before
    # the blank: that may be a host, and what comes after it a mail address. Masked all the same: an address with a
    # colon and no port before a mail address: //host:x, me@example.com
    Rule("userinfo with blanks", "@", _by_places(_spaced_userinfo)),
    # user and password, or a token, before the @ of a URI, with or without a scheme (RFC 3986 §3.2.1). Masked all the
    # same: ssh://git@host; http://host:8080/@me; file:///logo@2x.png; an @ in a later entry of a list after //u:p@host
    Rule("userinfo", "@", _by_words(_mask_userinfo)),
    # what follows the colon of //name:… and is no port is a password, whose @ is missing or was cut off. Masked all the
    # same: a port in words: http://host:PORT/
    Rule("password without a host", ":", lambda text: _PASSWORD_WITHOUT_HOST.sub(MASK, text)),
    # user and password before a host, as scp, curl and connection strings have them. Masked all the same: a label
    # before a mail address, without a blank, but for mailto: and its like: admin:me@example.com
    Rule("user:password@host", "@", _by_words(_mask_scp)),
    # what is assigned to a secret name: in a query or fragment up to its next part, elsewhere the rest of the line.
    # Masked all the same: ?author=1 and ?monkey=1, as for keys; the rest of a line that lost its newline
    Rule("value of a secret name", "=", _by_places(_assigned)),
    # the value of a secret name in JSON, in PHP's serialize(), array or define(); of what is nested the whole rest.
    # Masked all the same: a version in serialized text whose key is a plugin's name: two-factor-authentication
    Rule("member of JSON or PHP text", "", _mask_members),
    # a word that holds one of the other forms once it is decoded, however often it was encoded, with its harmless rest
    Rule("percent-encoded", "%", _by_words(_mask_encoded)),
)
"""The forms of secrets in any text: names, paths, messages, values."""

VALUE_RULES: Final = (
    # up to the last host that is followed by a path, as scp has it: the password was not quoted. Masked all the same: a
    # time, then a mail address with a colon after it
    Rule("user:password@host with blanks", "@", _mask_spaced_scp),
    *RULES,
    # what a person notes after password: and its like, up to the value's end. Masked all the same: a title such as The
    # Key: a story
    Rule("said in words", ":", _mask_spoken),
)
"""The forms of secrets in a value; messages have a colon after the names of fields, so not all hold for them."""

_DECODED: Final = tuple(rule for rule in VALUE_RULES if rule.name != "percent-encoded")


def by_rules(text: str, rules: Sequence[Rule]) -> str:
    """Return ``text`` masked by the ``rules``, again until nothing changes: a mask may end what hid another secret."""
    for _ in range(_MOST_ROUNDS):
        before = text
        for rule in rules:
            if rule.mark in text:
                text = rule.mask(text)
        if text == before:
            break
    return text


def reasons(text: str) -> list[str]:
    """Return the names of the rules that mask something in a value."""
    names = []
    for rule in VALUE_RULES:
        if (shown := rule.mask(text)) != text:
            names.append(rule.name)
        text = shown
    return names
