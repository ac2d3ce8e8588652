"""Names of members: the path that one means, and where it leads when it is unpacked."""

import re
from typing import Final

from backupmeta.secrets import mask_text

RECORD: Final = b"APP-META.INI"
"""The embedded record's name (FORMAT.md §2)."""

DUMP: Final = b"APP-DATA.SQL"
"""The database dump's name (FORMAT.md §2)."""

OWN: Final = frozenset({RECORD, DUMP})
"""What Installatron adds to the application's files."""

_ABSOLUTE: Final = re.compile(rb"[/\\]|[A-Za-z]:")
_SEPARATOR: Final = re.compile(rb"[/\\]")
_ENDS: Final = (b"/", b".")
"""What a name ends with that may be no part of its path."""

PATH_MAX: Final = 4096
"""The bytes of the longest path that can be made (Linux)."""


def plain(name: bytes) -> bytes:
    r"""Return the path that a member's ``name`` means: without ``.``, empty parts, and slashes after it.

    A backslash separates as a slash does: programs on Windows write, and unpack, such names so.

    >>> plain(b"./wp-includes//./version.php"), plain(b"wp-admin/"), plain(b"/etc/passwd"), plain(b"wp-admin\\a.php")
    (b'wp-includes/version.php', b'wp-admin', b'/etc/passwd', b'wp-admin/a.php')
    """
    if b"\\" in name:
        name = name.replace(b"\\", b"/")
    if name[:2] != b"./" and name[-1:] not in _ENDS and b"//" not in name and b"/./" not in name:
        return name
    path = b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})
    return b"/" + path if name[:1] == b"/" else path


def shown(name: bytes) -> bytes:
    """Return the path that a member's ``name`` means, as `plain`, with the secrets in the name masked.

    They are looked for in the name itself: what `plain` leaves of ``//user:password@host`` has another form.
    """
    text = name.decode("utf-8", "surrogateescape")
    masks = mask_text(text)
    return plain(name if masks == text else masks.encode("utf-8", "surrogateescape"))


def is_absolute(name: bytes) -> bool:
    r"""Return whether ``name`` begins at a file system's root or names a drive: ``/x``, ``\x``, ``C:/x``, ``C:x``."""
    return _ABSOLUTE.match(name) is not None


def escapes(name: bytes) -> bool:
    """Return whether a part of ``name`` leads up."""
    return b".." in name and b".." in _SEPARATOR.split(name)


def parts(path: bytes) -> list[bytes]:
    """Return the parts of a ``path``, whichever way they are separated."""
    return _SEPARATOR.split(path)


def folded(name: bytes) -> bytes:
    """Return a name as a system compares it that tells neither case nor Unicode form (APFS, NTFS, HFS+).

    Names that can't be made are left as they are: putting many accents in order takes time by the square.
    """
    import unicodedata

    if name.isascii():
        return name.lower()
    if len(name) > PATH_MAX:
        return name
    text = name.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).encode(
        "utf-8", "surrogateescape"
    )


def effect(name: bytes) -> tuple[bool, bool, bytes]:
    """Return what unpacking ``name`` would do: two names of one member are harmless where that is the same."""
    path = plain(name)
    return is_absolute(name), escapes(name), path if path in OWN else b""
