"""What must not be shown: secrets.

The one place that decides it. A NAME is secret, and its whole value with it, by `is_secret`: every field, every custom
field and every unknown key is judged alike. In a TEXT that has no such name, secrets stand in forms of their own:
the rules of `backupmeta.secret_forms`, which are there only for a text that may hide something at a glance. A false
alarm costs a ``--show-secrets``.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

MASK = "********"

SECRET_PARTS: Final = ("pass", "secret", "token", "key", "salt", "auth", "pwd", "credential", "nonce")
"""What makes a name secret wherever it stands in it: ``dbpassword``, ``enckey``, ``AuthSalt``."""

SECRET_WORDS: Final = frozenset(
    ("pin cred creds sign sig signature hmac session sess sid private priv cookie cookies otp totp jwt").split()
)
"""What makes a name secret only as a word of it, for it is part of harmless ones: ``cf-pin``, not ``shipping``."""

_ENDINGS: Final = ("pw", "sessid", "sessionid")
"""What ends such a word: ``ftppw``, ``PHPSESSID``."""

_PART: Final = re.compile("|".join(SECRET_PARTS))
_MAY_BE_WORD: Final = re.compile("|".join(sorted({*SECRET_WORDS, *_ENDINGS})))

_LONGEST_REMEMBERED = 100

_WORDS_OF_A_NAME: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


# --- names ------------------------------------------------------------------------------------------------------------


def is_secret(name: str) -> bool:
    """Tell whether a field or key of this ``name`` holds a secret: ``db-pass``, ``x-api-token``, ``ftpPw``."""
    return _remembered(name) if len(name) <= _LONGEST_REMEMBERED else _has_secret_word(name)


def _has_secret_word(name: str) -> bool:
    plain = _plain_name(name)
    lowered = plain.lower()
    if _PART.search(lowered):
        return True
    if not _MAY_BE_WORD.search(lowered):
        return False
    words = (word.lower() for word in _WORDS_OF_A_NAME.findall(plain))
    return any(word in SECRET_WORDS or word.endswith(_ENDINGS) for word in words)


def _plain_name(name: str) -> str:
    """Return ``name`` decoded, without control and format characters, and with plain letters for wide ones."""
    if "%" in name:
        from urllib.parse import unquote

        name = unquote(name)
    if name.isascii() and name.isprintable():
        return name
    return "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char)[0] != "C")


_remembered = lru_cache(maxsize=4096)(_has_secret_word)


# --- texts and values -------------------------------------------------------------------------------------------------


MARKS: Final = (":", "=", "//", "%", '"', "'")
"""One of these stands in every value in which a rule for values masks something."""


def marks_in(text: str) -> list[str]:
    """Return which of the `MARKS` stand in a ``text``."""
    return [mark for mark in MARKS if mark in text]


_PLAIN_URI: Final = re.compile(r"(?:[a-z][a-z0-9+.]*://[\w.-]+(?::\d{1,5}(?=/|$))?)?[\w./~+-]*").fullmatch
"""Tells an address or path in which nothing is secret."""


def mask_text(text: str) -> str:
    """Return any ``text`` with the secrets that stand in it masked, by the rules for any text.

    >>> mask_text("ftp://abc:dEf@example.com:21/b")
    'ftp://********@example.com:21/b'
    """
    if not ("=" in text or "//" in text or "%" in text or '"' in text or "'" in text or ("@" in text and ":" in text)):
        return text  # so nearly all harmless names, at a glance
    return _remembered_text(text) if len(text) <= _LONGEST_TEXT else _masked_text(text)


def mask_value(value: str) -> str:
    """Return a value of a record with the secrets that stand in it masked, by all rules."""
    if not (":" in value or "=" in value or "//" in value or "%" in value or '"' in value or "'" in value):
        return value
    return _remembered_value(value) if len(value) <= _LONGEST_TEXT else _masked_value(value)


def _masked_text(text: str) -> str:
    if _PLAIN_URI(text):
        return text
    from backupmeta.secret_forms import RULES, by_rules

    return by_rules(text, RULES)


def _masked_value(value: str) -> str:
    if _PLAIN_URI(value):
        return value
    from backupmeta.secret_forms import VALUE_RULES, by_rules

    return by_rules(value, VALUE_RULES)


_LONGEST_TEXT: Final = 512
"""Characters of what may be remembered: an account's records, and what is told of them, repeat each other."""

_remembered_text: Final = lru_cache(maxsize=1024)(_masked_text)
_remembered_value: Final = lru_cache(maxsize=1024)(_masked_value)


def mask_list(entries: list[str]) -> list[str]:
    """Return the entries of a list without secrets; a secret that has a comma in it stands in several of them."""
    text = ",".join(entries)
    return entries if (masks := mask_value(text)) == text else masks.split(",")


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
    from backupmeta import secret_forms

    if is_secret(name):
        return ["value of a secret key"] if text else []
    found = ["userinfo of a location"] if is_location(name) and "@" in text else []
    return found + secret_forms.reasons(mask_location(text) if found else text)
