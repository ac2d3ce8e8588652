"""What to do next where what was asked for is not there: by how it is spelled, and by what is there instead.

What a message says of a mistake that is made again and again is said here; what is wrong with a file's content says who
reads it.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from backupmeta.errors import EvidenceError
from backupmeta.escapes import printable
from backupmeta.evidence import open_folder

MOUNT: Final = "mount it read-only ('backupmeta help seized-disk'), and give the folder with --sysroot"
"""What to do with a disk image."""

DENIED: Final = "permission denied"
"""How a finding tells that the system refuses (EACCES)."""

AS_OWNER: Final = "run this as its owner, or as root: 'sudo backupmeta …'"
"""What to do then."""

_NETWORK: Final = re.compile(r"(?:^|/)[a-z][a-z0-9+.-]+:/{1,2}[^/]|(?:^|/)[\w.-]+@[\w.-]+:")
"""A URI, of which a path that was made absolute has a slash less; what scp takes."""
_TILDE: Final = re.compile(r"(?:^|/)~")
_WINDOWS: Final = re.compile(r"(?:^|/)[A-Za-z]:[\\/]|\\")
_IMAGE: Final = re.compile(r".+\.(?:img|dd|raw|iso|e01|ex01|aff4|vmdk|vhdx?|vdi|qcow2?)", re.IGNORECASE)
_MOST_ENTRIES: Final = 10_000
"""How many entries of a folder are looked at."""
_SHORTEST_BEGINNING: Final = 8
"""How many characters of a name tell it from others of its kind."""
_MOST_NEAR: Final = 3
"""How many names are offered."""


def spelled(path: str) -> str:
    """Return what to do where nothing is at a ``path`` that is spelled so; empty where its spelling tells nothing."""
    if path == "-":
        return "standard input is not read: write it to a file, and name that"
    if _NETWORK.search(path):
        return "nothing is fetched from a network: copy it here, and name the copy"
    if "*" in path or "?" in path:
        return "no shell has put names in place of the wildcard: nothing matches, or it is in quotes; name the folder"
    if _TILDE.search(path):
        return "a shell puts the home in place of ~ only where that is not in quotes; write $HOME, or the whole path"
    if os.sep == "/" and _WINDOWS.search(path):
        return r"\ parts no folders here, as on Windows; write / (in WSL, C:\ is /mnt/c)"
    return ""


def absent(path: str) -> str:
    """Return what may be meant where nothing is at ``path``: by its spelling, or by what lies where it would lie."""
    if advice := spelled(path):
        return advice
    folder, name = os.path.split(os.path.abspath(path))
    while name and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    with suppress(EvidenceError), open_folder(folder) as opened:
        names = (entry.name for entry in opened.entries(_MOST_ENTRIES))
        return offered(os.path.join(folder, other) for other in near(name, names))
    return ""


def next_step(error: EvidenceError) -> str:
    """Return what to do after an ``error``: its own advice, or what its cause and its path tell."""
    if error.advice:
        return error.advice
    if isinstance(error.__cause__, PermissionError):
        return AS_OWNER
    return absent(error.path) if isinstance(error.__cause__, FileNotFoundError) else ""


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the first of the ``known`` names that a slip of the keyboard, or an end that is missing, makes ``name``.

    Any number of names may pass by.
    """
    found: dict[str, None] = {}
    for other in known:
        if is_near(name, other):
            found[other] = None
            if len(found) == _MOST_NEAR:
                break
    return list(found)


def is_near(name: str, other: str) -> bool:
    """Return whether a character too many, too few, another one, or two that changed places tell ``name`` from another.

    So does a case, an end that is missing, as of what was not wholly copied, or a folder before it.
    """
    name, other = name.casefold(), other.casefold()
    if other.endswith(f"/{name}") or (len(name) >= _SHORTEST_BEGINNING and other.startswith(name)):
        return True
    longest = max(len(name), len(other))
    if longest < _MOST_NEAR or longest - min(len(name), len(other)) > 1:
        return False
    before = _same(name, other)
    after = _same(name[before:][::-1], other[before:][::-1])
    return before + after >= longest - 2


def _same(name: str, other: str) -> int:
    """Return how many characters two names have in common at their beginnings."""
    pairs = enumerate(zip(name, other, strict=False))
    return next((place for place, (one, another) in pairs if one != another), min(len(name), len(other)))


def offered(names: Iterable[str]) -> str:
    """Return names as an offer: ``did you mean 'a' or 'b'?``; empty for none."""
    names = [f"'{printable(name)}'" for name in names]
    return f"did you mean {' or '.join(names)}?" if names else ""


def of_empty(folders: Iterable[str]) -> Iterator[str]:
    """Yield why nothing of a backup may be found in ``folders``: nothing is mounted there, or what is there should be.

    Only their own entries are looked at.
    """
    for folder in folders:
        home, _, below = f"{os.path.abspath(folder)}/".partition("/.appdata/")
        if below or folder.endswith(".appdata"):
            yield f"name the home that has the records: {home}"
        with suppress(EvidenceError), open_folder(folder) as opened:
            names = [entry.name for entry in opened.entries(_MOST_ENTRIES)]
            image = next(filter(_IMAGE.fullmatch, names), None)
            if not names:
                yield f"{folder} is empty: is an image to be mounted there?"
            elif image is not None:
                yield f"{os.path.join(folder, image)} may be a disk image: {MOUNT}"
