"""What a file that is no archive really is: own signatures first, then libmagic, loaded only here.

libmagic is the system's, else the one of the package ``pylibmagic``, which is loaded by its path: importing that
package would change the environment of child processes.
"""

import ctypes
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

_SIGNATURES: Final = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x9d", "compressed by the old 'compress'"),
    (b"Salted__", "encrypted (openssl enc)"),
    (b"age-encryption.org/", "encrypted (age)"),
    (b"-----BEGIN AGE ENCRYPTED FILE", "encrypted (age)"),
    (b"-----BEGIN PGP MESSAGE", "encrypted (PGP)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"<?php", "a PHP script"),
)
_SAMPLE: Final = 4096
_UNKNOWN: Final = "of an unknown kind"


class _Detector(Protocol):
    def from_buffer(self, buf: bytes) -> str:
        """Return what ``buf`` is."""


def describe(block: bytes) -> str:
    """Return what a file beginning with ``block`` is, in words: ``an HTML document``; never raises."""
    if not block:
        return "empty"
    known = next((words for signature, words in _SIGNATURES if block.startswith(signature)), None)
    return known or _by_libmagic(block[:_SAMPLE])


def _by_libmagic(sample: bytes) -> str:
    if (detector := _detector()) is None:
        return _UNKNOWN
    import magic

    try:
        words = detector.from_buffer(sample)
    except magic.MagicException:
        return _UNKNOWN
    return _UNKNOWN if words == "data" else words


@cache
def _detector() -> _Detector | None:
    """Return libmagic behind python-magic, or None where there is none, or none with a database."""
    database = None
    try:
        import magic
    except ImportError:
        database = _load_bundled_library()
        try:
            import magic
        except ImportError:
            return None
    try:
        detector: _Detector = magic.Magic(magic_file=database)
    except magic.MagicException:
        return None
    return detector


def _load_bundled_library() -> str | None:
    """Load pylibmagic's library, so that python-magic finds it by its name; return the path of its database."""
    library = _bundled("libmagic.so.1" if sys.platform == "linux" else "libmagic.dylib")
    if library is None:
        return None
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError:  # built for another system
        return None
    return _bundled("magic.mgc")


def _bundled(name: str) -> str | None:
    """Return the path of a file in the package pylibmagic, without importing it."""
    spec = find_spec("pylibmagic")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / name).is_file():
            return os.fspath(path)
    return None
