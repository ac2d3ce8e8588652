"""Versions: whether two are the same, and which one is the lower; stages are PHP's (``version_compare``)."""

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"[0-9]+|[a-z]+")
_LETTER: Final = re.compile(r"(?=[a-z])")
_STAGES: Final = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "c": 3, "pl": 5, "p": 5}
_NO_STAGE: Final = 4
"""Where a release stands among the stages: behind what came before it, before its patches."""
_UNKNOWN: Final = -1


class _Token(NamedTuple):
    """A number or a word of a version: a stage, or how many digits and which ones."""

    stage: int
    length: int = 0
    text: str = ""


_ZERO: Final = _Token(_NO_STAGE)
Order = tuple[tuple[_Token, ...], tuple[_Token, ...]]
"""What versions are sorted by: their numbers first, then their stage."""


def order(version: str) -> Order:
    """Return what ``version`` is sorted by: ``6.5-beta1`` < ``6.5-RC2`` < ``6.5`` = ``6.5.0`` < ``6.5-p1`` < ``6.5.1``.

    Letter case, separators, a ``v`` before it and Moodle's ``+`` behind it make no difference.
    """
    numbers, *stage = _LETTER.split(version.strip().lower().removeprefix("v"), maxsplit=1)
    return _tokens(numbers), (*_tokens("".join(stage)), _ZERO)


def same_version(one: str, other: str) -> bool:
    """Tell whether two versions are the same: ``6.5`` and ``6.5.0`` are, ``6.5`` and ``6.5-beta1`` are not."""
    return order(one) == order(other)


def _tokens(text: str) -> tuple[_Token, ...]:
    found = [_token(one) for one in _TOKEN.findall(text)]
    while found and found[-1] == _ZERO:
        found.pop()
    return tuple(found)


def _token(text: str) -> _Token:
    if text.isdigit():
        digits = text.lstrip("0")
        return _Token(_NO_STAGE, len(digits), digits)
    return _Token(_STAGES[text]) if text in _STAGES else _Token(_UNKNOWN, 0, text)
