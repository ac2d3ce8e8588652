"""Closed values: a value that is a secret, or has one in it, IS what may be shown of it; `opened` gives the clear one.

A `ClosedText` is the text with its secrets masked, and so for whoever prints, formats, slices, encodes, pickles or
stores it: a renderer that forgets about secrets shows the mask. Two closed values are equal where their clear values
are; a closed one never equals a plain one, so that no cache can give the answer for a clear value to a closed one.
Which values are closed is decided by `backupmeta.masking`.
"""

from typing import ClassVar, TypeVar

from backupmeta.masking import MASK, is_secret, mask_list, masked

T = TypeVar("T")


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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closed) and self._clear.value == other._clear.value

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._clear.value)


class ClosedText(Closed, str):
    """A text with its secrets masked."""

    __slots__ = ("_clear",)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return str, (str(self),)


class ClosedBytes(Closed, bytes):
    """A record's value, as its bytes, with its secrets masked."""

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        return bytes, (bytes(self),)


class ClosedList(Closed, list[str]):
    """A list of texts with its secrets masked; a secret that has a comma in it stands in several of them."""

    __slots__ = ("_clear",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # as of any list

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return list, (self[:],)


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
    """Tell whether something in the ``value`` must not be shown."""
    return isinstance(value, Closed)


def _masked_bytes(name: str, raw: bytes) -> bytes:
    return masked(name, raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
