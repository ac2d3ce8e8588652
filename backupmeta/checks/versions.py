"""Versions: whether two are the same, and which one is the lower, by the rules of PHP's ``version_compare``."""

import re
from typing import Final

Order = tuple[tuple[int, int, str], ...]
"""What versions are sorted by."""

_TOKEN: Final = re.compile(r"[0-9]+|[a-z]+")
_STAGES: Final = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "c": 3, "": 4, "pl": 5, "p": 5}
"""The words of a version, in their order; the empty one is a number's, or the end's."""

_UNKNOWN: Final = -1
_NUMBER: Final = _STAGES[""]
_ZERO: Final = (_NUMBER, 0, "")


def order(version: str) -> Order:
    """Return what ``version`` is sorted by: ``6.5-beta1`` < ``6.5-RC2`` < ``6.5`` = ``6.5.0`` < ``6.5-p1`` < ``6.5.1``.

    Letter case, separators, a ``v`` before it and Moodle's ``+`` behind it make no difference.
    """
    found: list[tuple[int, int, str]] = []
    for token in (*_TOKEN.findall(version.strip().lower().removeprefix("v")), ""):
        if token.isdigit():
            digits = token.lstrip("0")
            found.append((_NUMBER, len(digits), digits))
            continue
        while found and found[-1] == _ZERO:
            found.pop()
        found.append((_STAGES[token], 0, "") if token in _STAGES else (_UNKNOWN, 0, token))
    return tuple(found)


def same_version(one: str, other: str) -> bool:
    """Tell whether two versions are the same: ``6.5`` and ``6.5.0`` are, ``6.5`` and ``6.5-beta1`` are not."""
    return order(one) == order(other)
