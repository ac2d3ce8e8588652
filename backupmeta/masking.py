"""What must not be shown: secrets; and what can't be shown: control characters.

The one place that decides it. A NAME is secret, and its whole value with it, by `is_secret`: every field, every custom
field and every unknown key is judged alike. In a TEXT that has no such name, secrets stand in forms of their own:
`RULES`, each with its reason and with what it masks though it is harmless. A false alarm costs a ``--show-secrets``.

Each rule takes time in proportion to the text, whatever stands in it: it goes through the text once, and what is
searched backwards is searched from the one last ``@``.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

MASK = "********"

SECRET_PARTS: Final = ("pass", "secret", "token", "key", "salt", "auth", "pwd", "credential", "nonce")
"""What makes a name secret wherever it stands in it: ``dbpassword``, ``enckey``, ``AuthSalt``."""

SECRET_WORDS: Final = frozenset(
    "pw pin cred creds sign sig signature hmac session sess sessid sid private priv cookie cookies otp totp jwt".split()
)
"""What makes a name secret only as a word of it, for it is part of harmless ones: ``cf-pin``, not ``shipping``."""

_QUERY_NAMES: Final = frozenset({"code", "hash", "ticket", "assertion"})
"""What is a secret in a query or a fragment, but not as a key: ``?code=`` of OAuth, not ``errcode``."""

_LONGEST_REMEMBERED = 100

_WORDS_OF_A_NAME: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WORD: Final = re.compile(r"\S+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


# --- names ------------------------------------------------------------------------------------------------------------


def is_secret(name: str) -> bool:
    """Tell whether a field or key of this ``name`` holds a secret: ``db-pass``, ``x-api-token``, ``ftpPw``."""
    return _remembered(name) if len(name) <= _LONGEST_REMEMBERED else _has_secret_word(name)


def _has_secret_word(name: str) -> bool:
    plain = _plain_name(name)
    lowered = plain.lower()
    if any(part in lowered for part in SECRET_PARTS):
        return True
    words = (word.lower() for word in _WORDS_OF_A_NAME.findall(plain))
    return any(word in SECRET_WORDS or word.endswith("pw") for word in words)


def _plain_name(name: str) -> str:
    """Return ``name`` without control and format characters, and with plain letters for wide ones."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char)[0] != "C")


_remembered = lru_cache(maxsize=4096)(_has_secret_word)


# --- forms of secrets in texts ----------------------------------------------------------------------------------------


class Rule(NamedTuple):
    """One form in which a secret stands in a text.

    Attributes:
        name: what ``explain`` calls it.
        reason: why it is a secret.
        harmless: what of the same form is none, and is masked all the same.
        marks: the characters of which one stands in every text that has this form.
        mask: gives the text with such secrets masked.
    """

    name: str
    reason: str
    harmless: str
    marks: str
    mask: Callable[[str], str]


def _by_words(mask: Callable[[str], str]) -> Callable[[str], str]:
    """Return what masks each word of a text, blanks between them."""
    return lambda text: _WORD.sub(lambda word: mask(word[0]), text)


_UP_TO_HOST: Final = re.compile(r".*@(?=[\w\[])", re.DOTALL)
_UP_TO_HOST_WITH_PATH: Final = re.compile(r".*@[\w.-]+:(?=\S)", re.DOTALL)
_SLASHES: Final = re.compile(r"([/\\]{2,})")
_USER_WITH_PASSWORD: Final = re.compile(
    r"[^\s/\\?#:@]*:(?!\d{0,5}(?:[/?#\s]|$))[^\s@]*\s"  # a port is no password
)


def _mask_spaced_userinfo(text: str) -> str:
    first, *rest = _SLASHES.split(text)
    return "".join([first, *map(_mask_authority, rest)])


def _mask_authority(text: str) -> str:
    """Mask all up to the last host in what stands between two pairs of slashes, where it begins with a password."""
    found = _UP_TO_HOST.match(text)
    return f"{MASK}@{text[found.end() :]}" if found and _USER_WITH_PASSWORD.match(text) else text


_USERINFO: Final = re.compile(
    r"""(?<=[/\\][/\\])[^/\\?\#:@]*:.*@
    | (?:(?<=:[/\\][/\\]) | (?<=/\\/) | (?<=\\\\/) | (?<=^[/\\][/\\]) | (?<=["'(<,;=\[{][/\\][/\\])) [^/\\?\#]*@""",
    re.DOTALL | re.VERBOSE,
)


def _mask_userinfo(word: str) -> str:
    before, at, behind = word.rpartition("@")
    return _USERINFO.sub(f"{MASK}@", before + at) + behind if at else word


_PASSWORD_WITHOUT_HOST: Final = re.compile(
    r"(?<=[/\\][/\\])[^\s/\\?#:@\[,]+:(?!\d{0,5}(?:[/\\?#\s,;:\"')\]}>]|$))[^\s/\\?#@]+"
)
_SCP_USER: Final = re.compile(
    r"""(?<![\w.%+~-]) (?![A-Za-z]:[/\\] | [abdirsCO]:[\d.]+[:;])
    (?!(?:mailto|e?-?mail|sips?|xmpp|acct|to|from|b?cc|reply-to|contact|npm):)
    [\w.%+~-]++ : (?![/\\]{2} | \\+/ | \\*["'] | \{ | \s)""",
    re.IGNORECASE | re.VERBOSE,
)


def _mask_scp(word: str, upto: re.Pattern[str] = _UP_TO_HOST) -> str:
    found = upto.match(word)
    user = found and _SCP_USER.search(word, 0, word.rfind("@", 0, found.end()))
    if not found or not user:
        return word
    return f"{word[: user.start()]}{MASK}@{word[word.rfind('@', 0, found.end()) + 1 :]}"


def _mask_spaced_scp(text: str) -> str:
    return _mask_scp(text, _UP_TO_HOST_WITH_PATH)


_ASSIGNED: Final = re.compile(r"(?<![\w.%+\[\]$-])([\w.%+\[\]$-]++)[ \t]*+=[ \t]*+(?=[^\s=&;#])")
_ENDS: Final = {
    "?": re.compile(r"[^\s&;#]+"),
    "&": re.compile(r"[^\s&;#]+"),
    "#": re.compile(r"[^\s&;#]+"),
    ";": re.compile(r"[^;\n]+"),
}
_LINE: Final = re.compile(r"[^\n]+")


def _mask_assigned(text: str) -> str:
    return _masking(text, _assigned(text))


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    """Yield where what is assigned to secret names stands."""
    found = _ASSIGNED.search(text)
    while found:
        at, before = found.end(), text[found.start() - 1 : found.start()]
        name = _decoded(found[1])
        if is_secret(name) or (before in _ENDS and name.lower() in _QUERY_NAMES):
            value = _ENDS.get(before, _LINE).match(text, at)
            yield at, (at := value.end() if value else at)
        found = _ASSIGNED.search(text, at)


_MEMBER: Final = re.compile(r"""(?<!\\)(\\*+["'])([^"'\\]++)\1\s*+(:|=>|=|;|,)\s*+""")
_BEFORE_MEMBER: Final = {";": re.compile(r"s:\d+:\Z"), ",": re.compile(r"\(\s{0,9}\Z")}
_LONGEST_BEFORE: Final = 24
_SERIALIZED: Final = re.compile(r"""s:(\d{1,9}):\\*["']""")
_NESTED: Final = re.compile(r"[{\[](?!\s*+[}\]])|[aOC]:(?!0:\{\})|s:\d")
_QUOTE: Final = re.compile(r"""\\*["']""")
_SCALAR: Final = re.compile(r"[^\s,;}\])]*+")
_NO_SECRETS: Final = frozenset({"", "true", "false", "null", "N", "b:0", "b:1", "{", "[", "a:0:{"})


def _mask_members(text: str) -> str:
    return _masking(text, _members(text))


def _members(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names stand in JSON, PHP's serialized text, PHP's arrays and constants."""
    found = _MEMBER.search(text)
    while found:
        at = found.end()
        if is_secret(_decoded(found[2])) and _is_named(text, found):
            begin, at = _value(text, at)
            if text[begin:at] not in _NO_SECRETS:
                yield begin, at
        found = _MEMBER.search(text, at)


def _is_named(text: str, found: re.Match[str]) -> bool:
    before = _BEFORE_MEMBER.get(found[3])
    return before is None or before.search(text[max(found.start() - _LONGEST_BEFORE, 0) : found.start()]) is not None


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
    return word if decoded == word or _by_rules(decoded, _DECODED) == decoded else MASK


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
    found = _SPOKEN.search(text)
    return text if found is None else text[: found.end()] + MASK


def _masking(text: str, places: Iterable[tuple[int, int]]) -> str:
    """Return ``text`` with what stands at the ``places`` masked."""
    kept, done = "", 0
    for begin, end in places:
        kept += text[done:begin] + MASK
        done = end
    return kept + text[done:] if done else text


RULES: Final = (
    Rule(
        "userinfo with blanks",
        "in //user:password@host what stands before the last @ is the password, blanks and all; not where an @ comes"
        " before the blank: that may be a host, and what comes after it a mail address",
        "an address with a colon and no port before a mail address: //host:x, me@example.com",
        "@",
        _mask_spaced_userinfo,
    ),
    Rule(
        "userinfo",
        "user and password, or a token, before the @ of a URI, with or without a scheme (RFC 3986 §3.2.1)",
        "ssh://git@host; http://host:8080/@me; an @ in a later entry of a list after //user:password@host",
        "@",
        _by_words(_mask_userinfo),
    ),
    Rule(
        "password without a host",
        "what follows the colon of //name:… and is no port is a password, whose @ is missing or was cut off",
        "a port in words: http://host:PORT/",
        "/\\",
        lambda text: _PASSWORD_WITHOUT_HOST.sub(MASK, text),
    ),
    Rule(
        "user:password@host",
        "user and password before a host, as scp, curl and connection strings have them",
        "a label before a mail address, without a blank, but for mailto: and its like: admin:me@example.com",
        "@",
        _by_words(_mask_scp),
    ),
    Rule(
        "value of a secret name",
        "what is assigned to a secret name: in a query or fragment up to its next part, elsewhere the rest of the line",
        "?author=1 and ?monkey=1, as for keys; the rest of a line of record text that lost its newline",
        "=",
        _mask_assigned,
    ),
    Rule(
        "member of JSON or PHP text",
        "the value of a secret name in JSON, in PHP's serialize(), array or define(); of what is nested the whole rest",
        "a version in serialized text whose key is a plugin's name, such as two-factor-authentication",
        "\"'",
        _mask_members,
    ),
    Rule(
        "percent-encoded",
        "a word that holds one of the other forms once it is decoded, however often it was encoded",
        "the harmless rest of that word",
        "%",
        _by_words(_mask_encoded),
    ),
)
"""The forms of secrets in any text: names, paths, messages, values."""

VALUE_RULES: Final = (
    Rule(
        "user:password@host with blanks",
        "up to the last host that is followed by a path, as scp has it: the password was not quoted",
        "a time, then a mail address with a colon after it",
        "@",
        _mask_spaced_scp,
    ),
    *RULES,
    Rule(
        "said in words",
        "what a person notes after password: and its like, up to the value's end",
        "a title such as The Key: a story",
        ":",
        _mask_spoken,
    ),
)
"""The forms of secrets in a value; messages have a colon after the names of fields, so not all hold for them."""

_DECODED: Final = tuple(rule for rule in VALUE_RULES if rule.name != "percent-encoded")


def _might_hide(text: str) -> bool:
    """Tell at a glance whether a rule of `RULES` may find something: hardly any harmless name is looked at twice."""
    return _GLANCE(text) is not None or ("@" in text and ":" in text)


_GLANCE: Final = re.compile(r"[=\"'%\\]|//").search
might_hide: Final = re.compile(r"[:=\"'%\\]|//").search
"""Finds at a glance that a rule of `VALUE_RULES` may find something in a value."""

_PLAIN_URI: Final = re.compile(r"(?:[a-z][a-z0-9+.]*://[\w.-]+(?::\d{1,5}(?=/|$))?)?[\w./~+-]*").fullmatch
"""Tells an address or path in which nothing is secret."""


_MOST_ROUNDS: Final = 8


def _by_rules(text: str, rules: Sequence[Rule]) -> str:
    """Return ``text`` masked by the ``rules``, again until nothing changes: a mask may end what hid another secret."""
    for _ in range(_MOST_ROUNDS):
        before = text
        for rule in rules:
            if any(mark in text for mark in rule.marks):
                text = rule.mask(text)
        if text == before:
            break
    return text


def mask_text(text: str) -> str:
    """Return any ``text`` with the secrets that stand in it masked, by `RULES`.

    >>> mask_text("ftp://abc:dEf@example.com:21/b")
    'ftp://********@example.com:21/b'
    """
    return text if not _might_hide(text) or _PLAIN_URI(text) else _by_rules(text, RULES)


def mask_value(text: str) -> str:
    """Return a value of a record with the secrets that stand in it masked, by `VALUE_RULES`."""
    return text if not might_hide(text) or _PLAIN_URI(text) else _by_rules(text, VALUE_RULES)


def mask_list(entries: Iterable[str]) -> list[str]:
    """Return the entries of a list without secrets; a secret that has a comma in it stands in several of them."""
    entries = list(entries)
    text = ",".join(entries)
    masks = mask_value(text)
    return entries if masks == text else masks.split(",")


_SCHEME: Final = re.compile(r"(?:[\w+.-]+:)?[/\\]{2,}")


def mask_location(text: str) -> str:
    """Mask a backup location: all that stands before the LAST ``@`` is a secret, whatever it is."""
    before, at, host = text.rpartition("@")
    if at:
        scheme = _SCHEME.match(before)
        text = f"{scheme[0] if scheme else ''}{MASK}@{host}"
    return mask_value(text)


def masked(name: str, text: str) -> str:
    """Return the value ``text`` of the field or key ``name`` as it may be shown; an empty secret stays empty."""
    if is_secret(name):
        return MASK if text else text
    return mask_location(text) if is_location(name) else mask_value(text)


def is_location(name: str) -> bool:
    """Tell whether a field or key of this ``name`` holds a backup location."""
    return name.endswith(("location", "bkloc"))


def reasons(name: str, text: str) -> list[str]:
    """Return which rules mask something in the value ``text`` of the key ``name``."""
    if is_secret(name):
        return ["value of a secret key"] if text else []
    found = []
    if is_location(name) and "@" in text:
        found.append("a location's userinfo")
        text = mask_location(text)
    for rule in VALUE_RULES:
        if (shown := rule.mask(text)) != text:
            found.append(rule.name)
        text = shown
    return found


def printable(text: str) -> str:
    r"""Return ``text`` fit for a terminal: control characters and lone surrogates as ``\x1b``, ``\u202e``."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
