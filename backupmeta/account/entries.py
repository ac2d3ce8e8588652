"""The entries of a folder: which of them are archives, by name or by content, and what is told of the others."""

from collections.abc import Callable, Iterator
from typing import Final

from backupmeta.account.filename import Likeness, likeness
from backupmeta.archive.beginning import Beginning
from backupmeta.errors import EvidenceError
from backupmeta.evidence import Entry, Folder
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness

_NAMED: Final = 3
"""How many files a finding about several of them names."""


class Sieve:
    """Tells which entries of a folder are archives (FORMAT.md §8, "Which files are archives").

    A regular file is one by its name; where that does not say that it is something else, it is opened, and is one if it
    begins as a tar does.

    Attributes:
        findings: what was odd so far: entries with an archive's name that are not opened.
    """

    def __init__(self, folder: Folder, begins: Callable[[str], Beginning]) -> None:
        """Judge entries of ``folder``; ``begins`` tells of a file's name how it begins. Raises `EvidenceError`."""
        self.findings: list[Finding] = []
        self._folder = folder
        self._begins = begins
        self._count = 0
        self._names: list[str] = []

    def is_archive(self, entry: Entry) -> bool:
        """Tell whether an ``entry`` is an archive."""
        like = likeness(entry.name)
        if like is Likeness.ARCHIVE or (like is Likeness.RESEMBLING and not (entry.is_file or entry.is_folder)):
            self.findings.extend(() if entry.is_file else refused(self._folder, entry))
            return entry.is_file
        return entry.is_file and like is not Likeness.OTHER and self._is_one_by_content(entry.name, like)

    def _is_one_by_content(self, name: str, like: Likeness) -> bool:
        try:
            begins = self._begins(name)
        except EvidenceError:
            begins = Beginning.BROKEN  # nobody knows
        if begins is Beginning.BROKEN or (like is Likeness.RESEMBLING and begins is Beginning.OTHER):
            self._count += 1
            self._names += [name] if self._count <= _NAMED else []
        return begins is Beginning.TAR

    def finish(self) -> list[Finding]:
        """Return what was odd, and in one finding the files that look like archives, and are not read as such."""
        if self._count:
            path, more = self._folder.seen, ", …" if self._count > _NAMED else ""
            detail = f"{self._count:,}: {', '.join(self._names)}{more}"
            self.findings.append(Finding("archives-not-read", path, detail, (Source(Witness.FILE_SYSTEM, path),)))
        return self.findings


def refused(folder: Folder, entry: Entry) -> Iterator[Finding]:
    """Yield the finding about an ``entry`` of ``folder`` that is not opened: a link, a FIFO, a device, a socket."""
    evidence = (Source(Witness.FILE_SYSTEM, folder.seen_child(entry.name)),)
    if entry.is_link:
        yield Finding("link-not-followed", entry.name, f"to {folder.link_target(entry.name)}", evidence)
    else:
        yield Finding("not-a-regular-file", entry.name, "a folder" if entry.is_folder else "", evidence)


def unreadable(path: str, error: EvidenceError) -> Finding:
    """Return the finding about a folder that can't be listed; ``path`` as the server saw it."""
    return Finding("folder-unreadable", path, error.reason, (Source(Witness.FILE_SYSTEM, path),))
