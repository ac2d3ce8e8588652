"""Decoders: a value's bytes to what the server answers (FORMAT.md §4).

Each takes the bytes after the ``=`` and returns the value, or raises `ValueError`; `UnicodeDecodeError`, which is
one, says that the bytes are not UTF-8.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypedDict

from backupmeta.secrets import mask_value


class Plugin(TypedDict):
    """One plugin; None is what the record's dialect does not tell."""

    id: str
    version: str | None
    activated: bool | None
    autoup: str | None


class Theme(TypedDict):
    """One theme; None is what the record's dialect does not tell."""

    id: str
    version: str | None
    active: bool | None
    autoup: str | None


Value = str | int | list[str] | list[Plugin] | list[Theme] | None
Decoder = Callable[[bytes], Value]

_LONGEST_INTEGER: Final = 4000  # digits; what Python converts without being asked to
_LONGEST_REMEMBERED: Final = 4096  # bytes; one backup's plugins and themes are mostly those of the one before
_TRUE: Final = frozenset({b"1", b"true", b"yes"})
_FALSE: Final = frozenset({b"0", b"", b"no", b"false"})
_SCHEDULE_OFF: Final = frozenset({b"0", b""})
_SCHEDULE_CUSTOM: Final = b"custom"


def text(raw: bytes) -> str:
    """Return the text, blanks and all: ``My blog (2)``."""
    return raw.decode("utf-8")


def integer(raw: bytes) -> int:
    """Return a decimal number of bytes, attempts or copies: ``77844480``, ``-1``."""
    digits = raw.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > _LONGEST_INTEGER:
        raise ValueError("not a decimal number")
    return int(raw)


def seconds(raw: bytes) -> int:
    """Return Unix seconds, as an integer on the wire: ``1718312121``."""
    return int(digits(raw))


def digits(raw: bytes) -> str:
    """Return Unix seconds as the string of digits that the wire has for ``backup_time``: ``1718312121``."""
    if not raw.isdigit() or len(raw) > _LONGEST_INTEGER:
        raise ValueError("not Unix seconds")
    return raw.decode("ascii")


def flag(raw: bytes) -> bool:
    """Return a yes or no: ``1``, ``0``, nothing."""
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    raise ValueError("neither yes nor no")


def items(raw: bytes) -> list[str]:
    """Return a list, joined by ``,`` without blanks; nothing is an empty list: ``index.php,wp-admin``."""
    return raw.decode("utf-8").split(",") if raw else []


def code(names: Mapping[bytes, str]) -> Decoder:
    """Return a decoder of a numbered choice, such as ``autoup``: ``0`` none, ``1`` minor, ``2`` all."""

    def decode(raw: bytes) -> str:
        if raw not in names:
            raise ValueError(f"none of {', '.join(sorted(name.decode() for name in names))}")
        return names[raw]

    return decode


def schedule_mode(raw: bytes) -> str:
    """Return what ``autobk`` says: ``0`` or nothing is none, ``custom``, anything else names a schedule."""
    if raw in _SCHEDULE_OFF:
        return "none"
    return "custom" if raw == _SCHEDULE_CUSTOM else "schedule"


def schedule_id(raw: bytes) -> str:
    """Return the schedule that ``autobk`` names: ``weeklymonthly``, an id; empty where it names none."""
    return text(raw) if schedule_mode(raw) == "schedule" else ""


def plugins(raw: bytes) -> list[Plugin]:
    """Return ``list-plugins``, in any of its dialects: see `extension`."""
    return [
        {"id": id_, "version": version, "activated": active, "autoup": autoup}
        for id_, version, active, autoup in _extensions(raw)
    ]


def themes(raw: bytes) -> list[Theme]:
    """Return ``list-themes``, in any of its dialects: see `extension`."""
    return [
        {"id": id_, "version": version, "active": active, "autoup": autoup}
        for id_, version, active, autoup in _extensions(raw)
    ]


class Extension(NamedTuple):
    """A plugin or theme."""

    id: str
    version: str | None
    active: bool | None
    autoup: Literal["all", "none"] | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Extension":
        """Return an entry of a list on the wire, where plugins are called activated, and themes active."""
        return cls(entry["id"], entry.get("version"), entry.get("activated", entry.get("active")), entry.get("autoup"))


_MARKS: Final[Mapping[str, tuple[bool, Literal["all", "none"]]]] = {
    "+": (True, "all"),
    "-": (False, "all"),
    "|": (True, "none"),
    "=": (False, "none"),
}
"""What the mark before an entry says: whether it is active, and whether it updates itself."""


def _extensions(raw: bytes) -> tuple[Extension, ...]:
    return _remembered_extensions(raw) if len(raw) <= _LONGEST_REMEMBERED else _extensions_of(raw)


def _extensions_of(raw: bytes) -> tuple[Extension, ...]:
    if b"://" in raw or mask_value(text := raw.decode("utf-8")) != text:
        raise ValueError("a URI, or a secret, is no plugin")  # it would be split, and shown
    entries = items(raw)
    versioned = any(map(_is_versioned, entries))
    return tuple(extension(entry, versioned=versioned) for entry in entries)


_remembered_extensions = lru_cache(maxsize=256)(_extensions_of)


def _is_versioned(entry: str) -> bool:
    """Return whether only the dialect of 2025 writes such an entry: a mark of its own, or ``slug/version``."""
    return entry[:1] in {"+", "|", "="} or ("/" in entry and not entry.endswith(".php"))


def extension(entry: str, *, versioned: bool) -> Extension:
    """Return one entry of ``list-plugins`` or ``list-themes`` (FORMAT.md §4, three dialects).

    ``versioned`` says that its list is of the third::

        -akismet/akismet.php    2018-2022: the main file; a leading - is inactive
        -akismet                2023-2024: the slug; a leading - is inactive
        |akismet/5.3.6          2025: mark, slug, version; + and | are active, + and - auto-update
    """
    active, autoup = _MARKS.get(entry[:1], (None, None))
    name = entry if active is None else entry[1:]
    folder, slash, rest = name.partition("/")
    if not folder:
        raise ValueError("an entry without an id")
    if versioned and not name.endswith(".php"):
        return Extension(folder, rest if slash else None, active, autoup)
    return Extension(folder if slash else name.removesuffix(".php"), None, active is not False, None)
