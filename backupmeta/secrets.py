"""What may be shown of texts and values: `mask_text`, `masked`, and closed values, which show no secret.

A NAME is secret, and its whole value with it, by `backupmeta.masking`. In a TEXT that has no such name, secrets stand
in forms of their own: the rules of `backupmeta.secret_forms`, which are there only for a text that may hide something
at a glance.

A `ClosedText` is the text with its secrets masked, and so for whoever prints, formats, slices, encodes, pickles or
stores it: a renderer that forgets about secrets shows the mask; `opened` gives the clear one. Two closed values are
equal where their clear values are; a closed one never equals a plain one, so that no cache can give the answer for a
clear value to a closed one.
"""

import re
from functools import lru_cache, partial
from typing import ClassVar, Final, TypeVar

from backupmeta.masking import MASK, is_secret

T = TypeVar("T")


_PLAIN_URI: Final = re.compile(r"(?:[a-z][a-z0-9+.]*://[\w.-]+(?::\d{1,5}(?=/|$))?)?[\w./~+-]*").fullmatch
"""Tells an address or path in which nothing is secret."""


def mask_text(text: str) -> str:
    """Return any ``text`` with the secrets that stand in it masked, by the rules for any text.

    >>> mask_text("ftp://abc:dEf@example.com:21/b")
    'ftp://********@example.com:21/b'
    """
    if not ("=" in text or "//" in text or "%" in text or '"' in text or "'" in text or ("@" in text and ":" in text)):
        return text  # so nearly all harmless names, at a glance
    return _remembered_text(text) if len(text) <= _LONGEST_TEXT else _by_rules(text)


def mask_value(value: str) -> str:
    """Return a value of a record with the secrets that stand in it masked, by all rules."""
    if not (":" in value or "=" in value or "//" in value or "%" in value or '"' in value or "'" in value):
        return value
    return _remembered_value(value) if len(value) <= _LONGEST_TEXT else _by_rules(value, is_value=True)


def _by_rules(text: str, *, is_value: bool = False) -> str:
    if _PLAIN_URI(text):
        return text
    from backupmeta.secret_forms import RULES, VALUE_RULES, by_rules

    return by_rules(text, VALUE_RULES if is_value else RULES)


_LONGEST_TEXT: Final = 512
"""Characters of what may be remembered: an account's records, and what is told of them, repeat each other."""

_remembered_text: Final = lru_cache(maxsize=1024)(_by_rules)
_remembered_value: Final = lru_cache(maxsize=1024)(partial(_by_rules, is_value=True))


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
    """Return whether a field or key of this ``name`` holds a backup location."""
    return name.endswith(("location", "bkloc"))


def reasons(name: str, text: str) -> list[str]:
    """Return which rules mask something in the value ``text`` of the key ``name``."""
    from backupmeta import secret_forms

    if is_secret(name):
        return ["value of a secret key"] if text else []
    userinfo = ["userinfo of a location"] if is_location(name) and "@" in text else []
    return userinfo + secret_forms.reasons(mask_location(text) if userinfo else text)


# --- closed values ----------------------------------------------------------------------------------------------------


class _Clear:
    """Holds a clear value, and shows nothing of it, not even to ``vars``."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return _Clear, (MASK,)


class Closed:
    """What closed values share: they are equal where their clear values are."""

    __slots__ = ()
    _clear: _Clear

    def __reduce__(self) -> tuple[type, tuple[object]]:
        shown: object = plain(self)
        return type(shown), (shown,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closed) and self._clear.value == other._clear.value

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._clear.value)


class ClosedText(Closed, str):
    """A text with its secrets masked."""

    __slots__ = ("_clear",)


class ClosedBytes(Closed, bytes):
    """A record's value, as its bytes, with its secrets masked."""


class ClosedList(Closed, list[str]):
    """A list of texts with its secrets masked; a secret that has a comma in it stands in several of them."""

    __slots__ = ("_clear",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # as of any list


def closed(name: str, value: T) -> T:
    """Return the ``value`` of the field or key ``name``, closed where something in it must not be shown."""
    shown: ClosedText | ClosedBytes | ClosedList
    if isinstance(value, Closed):
        return value
    if isinstance(value, str):
        if (text := masked(name, value)) == value:
            return value
        shown = ClosedText(text)
    elif isinstance(value, bytes):
        if (raw := _masked_bytes(name, value)) == value:
            return value
        shown = ClosedBytes(raw)
    elif isinstance(value, list) and value and isinstance(value[0], str):
        if (entries := [MASK] if is_secret(name) else mask_list(value)) is value:
            return value
        shown = ClosedList(entries)
    else:
        return value
    shown._clear = _Clear(value)  # noqa: SLF001 - of a class of this module
    return shown  # type: ignore[return-value]  # a subclass of what it stands for


def opened(value: T) -> T:
    """Return the clear value of what may be closed. Who calls this answers for it: see tests/test_architecture.py."""
    return value._clear.value if isinstance(value, Closed) else value  # type: ignore[return-value]  # noqa: SLF001


def plain(value: T) -> T:
    """Return what may be shown of a ``value`` as a value of the plain type: as JSON has it."""
    if isinstance(value, ClosedText):
        return str(value)  # type: ignore[return-value]
    if isinstance(value, ClosedBytes):
        return bytes(value)  # type: ignore[return-value]
    return value[:] if isinstance(value, ClosedList) else value  # type: ignore[return-value]


def is_closed(value: object) -> bool:
    """Return whether something in the ``value`` must not be shown."""
    return isinstance(value, Closed)


def _masked_bytes(name: str, raw: bytes) -> bytes:
    return masked(name, raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
