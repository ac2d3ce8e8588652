"""What must not be shown: secrets and the userinfo of URIs.

The one place that decides it. A name is secret when it contains one of `SECRET_WORDS`; so every field, every
custom field and every unknown key is judged alike, and a false alarm costs a ``--show-secrets``.
"""

import re
from functools import lru_cache

MASK = "********"

SECRET_WORDS = ("pass", "secret", "token", "key", "salt", "auth")

_LONGEST_REMEMBERED = 100

# RFC 3986 §3.2.1: userinfo ends at the last "@" of the authority. Records hold locations whose secret was
# never percent-encoded, so after "user:" anything up to the last "@" of the word counts as well. Each pattern takes
# time in proportion to the text, whatever stands in it: `_USERINFO` is asked only about a word up to its last "@".
_WORD = re.compile(r"\S+")
_USERINFO = re.compile(r"(?<=://)(?:[^/?#:@]*:.*|[^/?#]*)@", re.DOTALL)
_WORDS = "|".join(SECRET_WORDS)
_QUERY_SECRET = re.compile(rf"([?&;](?:(?!{_WORDS})[^\s?=&;#])*(?:{_WORDS})[^\s?=&;#]*=)[^\s&;#]+", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell whether a field or key of this ``name`` holds a secret: ``db-pass``, ``x-api-token``, ``enckey``."""
    return _remembered(name) if len(name) <= _LONGEST_REMEMBERED else _has_secret_word(name)


def _has_secret_word(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in SECRET_WORDS)


_remembered = lru_cache(maxsize=4096)(_has_secret_word)


def mask_uris(text: str) -> str:
    """Return ``text`` with the userinfo, and secret-looking query values, of every URI in it masked.

    >>> mask_uris("ftp://abc:dEf@example.com:21/b")
    'ftp://********@example.com:21/b'
    """
    if "://" not in text:
        return text
    return _QUERY_SECRET.sub(rf"\g<1>{MASK}", _WORD.sub(_mask_userinfo, text))


def _mask_userinfo(word: re.Match[str]) -> str:
    before, at, behind = word[0].rpartition("@")
    return _USERINFO.sub(f"{MASK}@", before + at) + behind


def mask_location(text: str) -> str:
    """Mask a backup location: a URI whose userinfo reaches to the LAST ``@``, whatever stands before it."""
    scheme, separator, rest = text.partition("://")
    if separator and "@" in rest:
        text = f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"
    return mask_uris(text)


def masked(name: str, text: str) -> str:
    """Return the value ``text`` of the field or key ``name`` as it may be shown; an empty secret stays empty."""
    if is_secret(name):
        return MASK if text else text
    return mask_location(text) if name.endswith(("location", "bkloc")) else mask_uris(text)
