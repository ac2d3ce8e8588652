"""The mask, and which names are secret: a value of such a name is, as a whole.

Every field, every custom field and every unknown key is judged alike, by `is_secret`. What is secret in a text that has
no such name is told by its form (`backupmeta.secret_forms`), and masked by `backupmeta.secrets`. A false alarm costs a
``--show-secrets``.
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


def is_secret(name: str) -> bool:
    """Return whether a field or key of this ``name`` holds a secret: ``db-pass``, ``x-api-token``, ``ftpPw``."""
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
