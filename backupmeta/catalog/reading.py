"""Reading a home for a catalog: secrets stay behind, and what did not change is remembered, not opened."""

import os
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Final

from backupmeta.account.home import Archive
from backupmeta.account.location import below_home
from backupmeta.archive.beginning import Beginning, beginning
from backupmeta.archive.head import Head, head
from backupmeta.archive.limits import Limits
from backupmeta.catalog.memory import Known, Remembered
from backupmeta.errors import EvidenceError, LimitExceededError, UnreadableError
from backupmeta.evidence import Folder, Signature
from backupmeta.record import grammar
from backupmeta.record.document import bounded
from backupmeta.record.grammar import Record
from backupmeta.record.masked import NOTHING, Masked, without_secrets

_FILENAME: Final = "backup-filename"
_OTHERWISE: Final = (UnreadableError, LimitExceededError)
"""Why a file was not read that may be read the next time: the system refused, or a limit that can be raised did."""

_NOWHERE: Final = Signature(0, 0, 0, 0)
_NOTHING: Final[Mapping[str, Remembered]] = {}


class _Noting:
    """Remembers why a file can't be read; a context manager that costs next to nothing."""

    __slots__ = ("_path", "_reading")

    def __init__(self, reading: "Forgetful", path: str) -> None:
        self._reading = reading
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EvidenceError):
            self._reading.refuse(self._path, error)


class Forgetful:
    """Reads what lies in a home, and forgets its secrets; see `backupmeta.account.home.Reading`.

    Attributes:
        files: what was read or remembered, by its path below the base.
        digests: the SHA-256 of the records that were read, in hexadecimal, by their paths.
        is_sure: whether everything could be read, and was as it was listed.
        copies: how many copies of a record are kept: by the home, as it was read, and what its rows are made of.
    """

    copies = 2

    def __init__(self, base: Folder, files: Mapping[str, Remembered] = _NOTHING) -> None:
        """Know what lies below the folder ``base`` by what is remembered of its ``files``; go on with `again`."""
        self.files: dict[str, Remembered] = dict(files)
        self.digests: dict[str, str] = {}
        self.is_sure = True
        self._home = base
        self._base = base.path
        self._listed: Mapping[str, Signature] = {}
        self._remembered: Mapping[str, Remembered] = _NOTHING
        self._read: dict[bytes, Masked] = {}
        self._last = NOTHING
        self._anew: set[str] = set()

    def again(self, listed: Mapping[str, Signature]) -> "Forgetful":
        """Return what reads the same folder, of which is known what was ``listed`` since; what it read is known."""
        anew, torn = Forgetful(self._home), self.torn
        anew.digests = self.digests
        anew._listed, anew._remembered = listed, {path: one for path, one in self.files.items() if path not in torn}
        return anew

    @property
    def torn(self) -> frozenset[str]:
        """The files of backups of which one file was read, or is gone, and another one is remembered.

        Whether a record's secrets and its archive's are the same is seen only where both are read at once.
        """
        if not self._remembered:
            return frozenset()
        changed = (path for path, one in self._remembered.items() if one.signature != self._listed.get(path))
        named = {path: _names(path, one.found) for path, one in self.files.items()}
        dirty = {name for path in self._anew for name in named.get(path, ())}
        dirty.update(name for path in changed for name in _names(path, self._remembered[path].found))
        kept = {name for path, names in named.items() if path not in self._anew for name in names}
        torn = _joined(dirty & kept, named.values())
        return frozenset(path for path, names in named.items() if names & torn)

    def record(self, folder: Folder, name: str, limits: Limits) -> Record:
        """Return the record ``name`` of ``folder``, its secrets masked. Raises `EvidenceError`."""
        path = self.below(folder, name)
        known = self._unchanged(path)
        if isinstance(known, EvidenceError):
            raise known
        if isinstance(known, Record):
            return known
        with _Noting(self, path):
            content, signature = folder.read_small(name, "record_bytes", limits.record_bytes)
            self._check(path, signature)
            found = self._last.like(content)
            if found is None:
                record = bounded(folder.child(name), content, limits)
                found = Masked(record, without_secrets(record))
        self._last = found
        self.files[path] = Remembered(signature, found.masked)
        self._anew.add(path)
        self.digests[path] = sha256(content).hexdigest()
        self._read.setdefault(found.record.values.get(_FILENAME, b""), found)
        return found.masked

    def head(self, archive: Archive, limits: Limits) -> Head:
        """Return the head of an archive, its record's secrets masked. Raises `EvidenceError`."""
        path = self.below(archive.folder, archive.name)
        known = met.found if (met := self.files.get(path)) is not None else self._unchanged(path)
        if isinstance(known, Head):
            return known
        if isinstance(known, EvidenceError):
            raise known
        with _Noting(self, path), archive.open() as file:
            self._check(path, file.signature)
            found = head(file, limits, archive.seen)
            found = found._replace(record=self._masked(archive, found.record))
            self.files[path] = Remembered(file.signature, found)
        self._anew.add(path)
        return found

    def beginning(self, folder: Folder, name: str, limits: Limits) -> Beginning:
        """Return how a file begins; what was taken for an archive begins as one. Raises `EvidenceError`."""
        path = self.below(folder, name)
        known = met.found if (met := self.files.get(path)) is not None else self._unchanged(path)
        if known is not None:
            return known if isinstance(known, Beginning) else Beginning.TAR
        try:
            with folder.open_file(name) as file:
                self._check(path, file.signature)
                found = beginning(file, limits)
                if found is not Beginning.TAR:
                    self.files[path] = Remembered(file.signature, found)
        except UnreadableError:
            self.is_sure = False
            raise
        return found

    def _masked(self, archive: Archive, content: bytes) -> bytes:
        """Return an archive's record without its secrets, which are told apart from those of the backup's record."""
        read = self._read.get(_bytes(archive.name))
        if read is not None and read.record.content == content:
            return read.masked.content
        record = grammar.parse(content)
        read = read or self._read.get(record.values.get(_FILENAME, b""))
        return (without_secrets(record, read.record.values) if read else without_secrets(record)).content

    def _unchanged(self, path: str) -> Known | None:
        """Return what is remembered of the file at ``path``, if it is as it was."""
        known = self._remembered.get(path)
        if known is None or known.signature != self._listed.get(path) or isinstance(known.found, _OTHERWISE):
            return None
        self.files[path] = known
        return known.found

    def _check(self, path: str, signature: Signature) -> None:
        """See whether a file is as it was listed."""
        if signature != self._listed.get(path):
            self.is_sure = False

    def refuse(self, path: str, error: EvidenceError) -> None:
        """Remember why the file at ``path`` can't be read."""
        if isinstance(error, UnreadableError):  # that may be otherwise the next time
            self.is_sure = False
        self.files[path] = Remembered(self._listed.get(path, _NOWHERE), error)
        self._anew.add(path)

    def below(self, folder: Folder, name: str) -> str:
        """Return the path of the file ``name`` in ``folder``, from the base on."""
        if folder.path != self._base and not folder.path.startswith(f"{self._base}{os.sep}"):
            return below_home(self._home.seen, folder.seen_child(name))
        return f"{folder.path[len(self._base) + 1 :]}/{name}".removeprefix("/").replace(os.sep, "/")


def _joined(names: Collection[bytes], groups: Iterable[frozenset[bytes]]) -> set[bytes]:
    """Return the ``names`` and all that ``groups`` of names join with them: a renamed archive joins two."""
    by_name: dict[bytes, list[frozenset[bytes]]] = {}
    for group in groups:
        for name in group:
            by_name.setdefault(name, []).append(group)
    joined, ahead = set(names), list(names)
    while ahead:
        more = {name for group in by_name.pop(ahead.pop(), ()) for name in group} - joined
        joined |= more
        ahead += more
    return joined


def _names(path: str, found: Known) -> frozenset[bytes]:
    """Return the names of archives by which a file belongs to a backup: what its record claims, and its own."""
    if isinstance(found, Beginning):
        return frozenset()
    if isinstance(found, Record):
        return frozenset({found.values.get(_FILENAME, b"")}) - {b""}
    own = _bytes(path.rpartition("/")[2])
    if isinstance(found, Head):
        return frozenset({own, grammar.parse(found.record).values.get(_FILENAME, b"")}) - {b""}
    return frozenset({own})


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
