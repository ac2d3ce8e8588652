"""What a finding keeps over runs, runners and folders: the names of files from a base folder on, and its identity.

CI compares runs: an alert that was dismissed stays so, a finding that a baseline knows passes. A checkout's folder is
another one on each runner, and an image is mounted anywhere. So files are named from a base folder on, by default the
working folder: a file that lies in it has the same name wherever that folder lies.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta.checks.policy import Judged, Verification
from backupmeta.findings import Finding
from backupmeta.secrets import mask_text

_FINGERPRINT_DIGITS: Final = 32
_WINDOWS: Final = re.compile(r"[A-Za-z]:\\")


# --- files, from a base folder on -------------------------------------------------------------------------------------


def _working_folder() -> str:
    """Return the path of the working folder; of one that was removed, the root's: nothing can be in it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.sep


@dataclass(frozen=True, slots=True)
class Base:
    """The folder that files are named from.

    Attributes:
        folder: its path on this machine, absolute; by default that of the working folder.
    """

    folder: str = field(default_factory=_working_folder)

    @property
    def shown(self) -> str:
        """Its path as it may be shown: masked."""
        return mask_text(self.folder)

    def relative(self, path: str) -> str:
        """Return the path of a file on this machine from the base on, its parts separated by ``/``; masked.

        It is absolute where the file does not lie in the base. The base itself is ``.``.
        """
        shown = mask_text(path)
        if is_windows_path(shown) or os.path.isabs(shown) != os.path.isabs(path):
            return shown
        absolute = os.path.abspath(shown)
        for folder, before in _spellings(self.folder):
            if absolute == folder:
                return os.curdir
            if absolute.startswith(before):
                return mask_text(absolute.removeprefix(before).replace(os.sep, "/"))
        return mask_text(absolute)

    def of(self, verification: Verification, server_path: str) -> str:
        """Return the same of the file that the server saw at ``server_path``, as the target of a verification did."""
        return self.relative(local_path(verification, server_path))

    def told(self, verification: Verification, server_path: str) -> str:
        """Return how people are told of that file: by the server's path, where that is another one than here."""
        local = local_path(verification, server_path)
        return self.relative(local) if local == server_path else server_path


def is_windows_path(path: str) -> bool:
    r"""Return whether a path is one of a Windows server, which is none of this machine: ``c:\inetpub\vhosts``."""
    return os.sep == "/" and _WINDOWS.match(path) is not None


@lru_cache(maxsize=8)
def _spellings(folder: str) -> tuple[tuple[str, str], ...]:
    """Return the absolute paths of a folder, without and with its links followed: files may be named by either.

    With each comes what the paths of files in it begin with.
    """
    absolute = os.path.abspath(folder)
    return tuple((path, os.path.join(path, "")) for path in dict.fromkeys((absolute, os.path.realpath(absolute))))


def local_path(verification: Verification, server_path: str) -> str:
    """Return where on this machine lies what the server saw at ``server_path``.

    The two paths of the verification's target tell it: ``/home/u/a`` is at ``/mnt/home2/u/a``, so what the server saw
    below ``/home`` is below ``/mnt/home2``. What they do not tell is returned as it is.
    """
    server, local = _mounted(verification.server_path, verification.path or verification.server_path)
    rest = server_path.removeprefix(server)
    if server == local or not server_path.startswith(server) or rest[:1] not in {"", "/", "\\"}:
        return server_path
    if local and server_path.startswith(os.path.join(local, "")):
        return server_path  # it is one of this machine
    return local + (rest.replace("\\", "/") if is_windows_path(server_path) else rest)


@lru_cache(maxsize=8)
def _mounted(server_path: str, path: str) -> tuple[str, str]:
    """Return the folder that the server saw, and where it lies on this machine, by two paths of one file."""
    server = server_path.replace("\\", "/") if is_windows_path(server_path) else server_path
    parts = zip(reversed(server.split("/")), reversed(path.replace(os.sep, "/").split("/")), strict=False)
    length = 0
    for of_server, of_machine in parts:
        if of_server != of_machine or not of_server:
            break
        length += len(of_server) + 1
    return (server_path[:-length], path[:-length]) if length else (server_path.rstrip("/"), path)


# --- findings ---------------------------------------------------------------------------------------------------------


class Identity(NamedTuple):
    """What a finding is known by again. It has no line, no detail and no secret.

    Attributes:
        path: the target's, from a base on.
        file: the path of the file that the finding is in (that of its first evidence), from the base on; empty where
            that is the target itself. It tells an account's findings apart, and those of an archive of two backups.
        sha256: the digest of the target, an archive; None of an account, and where the archive could not be read.
        id: that of its rule.
        subject: what it is about; a path from the base on, where it is one.
        number: which of several findings it is, from 1, that have all else in common.
    """

    path: str
    file: str
    sha256: str | None
    id: str
    subject: str
    number: int

    @property
    def fingerprint(self) -> str:
        """All of it in a short text: a digest and the number, as CodeQL writes them (``0a1b…:1``)."""
        parts = (self.path, self.file, self.sha256 or "", self.id, self.subject)
        digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        return f"{digest[:_FINGERPRINT_DIGITS]}:{self.number}"


def identified(verification: Verification, base: Base) -> Iterator[tuple[Judged, Identity]]:
    """Yield each finding at a target, with its identity."""
    numbers = Counter[Identity]()
    target = base.of(verification, verification.server_path)
    for judged in verification.judged:
        finding = judged.finding
        file = next((base.of(verification, place.path) for place in finding.evidence if place.path), target)
        subject = base.of(verification, finding.subject) if _is_about_file(finding) else finding.subject
        first = Identity(target, "" if file == target else file, verification.sha256, finding.id, subject, 1)
        numbers[first] += 1
        yield judged, first._replace(number=numbers[first])


def from_base(verification: Verification, base: Base) -> Verification:
    """Return a verification for people, in which files are named as `Base.told` does."""
    target = base.told(verification, verification.server_path)
    judged = (
        judgement._replace(finding=finding_from_base(judgement.finding, verification, base))
        for judgement in verification.judged
    )
    return replace(verification, server_path=target, judged=tuple(judged))


def finding_from_base(finding: Finding, verification: Verification, base: Base) -> Finding:
    """Return a finding at a target for people, in which files are named as `Base.told` does."""
    evidence = tuple(
        place._replace(path=base.told(verification, place.path)) if place.path else place for place in finding.evidence
    )
    subject = base.told(verification, finding.subject) if _is_about_file(finding) else finding.subject
    return finding._replace(subject=subject, evidence=evidence)


def _is_about_file(finding: Finding) -> bool:
    """Return whether what a finding is about is the path of a file or folder: its evidence is that, or lies in it."""
    subject = finding.subject.rstrip("/")
    rests = (
        place.path.removeprefix(subject)
        for place in finding.evidence
        if subject and place.member is None and place.path.startswith(subject)
    )
    return any(rest[:1] in {"", "/", "\\"} for rest in rests)
