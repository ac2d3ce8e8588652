"""Reading a home for a catalog: secrets stay behind, and what did not change is remembered, not opened."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from backupmeta.account.home import Archive
from backupmeta.archive.head import Head, head
from backupmeta.archive.limits import Limits
from backupmeta.catalog.memory import Remembered
from backupmeta.errors import EvidenceError, UnreadableError
from backupmeta.evidence import EvidenceFile, Folder, Signature
from backupmeta.record import grammar
from backupmeta.record.document import bounded
from backupmeta.record.grammar import Record
from backupmeta.record.masked import without_secrets

_FILENAME: Final = "backup-filename"
_NOWHERE: Final = Signature(0, 0, 0)
_NOTHING: Final[Mapping[str, Remembered]] = {}


class _Read(NamedTuple):
    """A record that was read just now: with its secrets, and without."""

    record: Record
    masked: Record


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

    A backup's record and its archive are read together: where one of them changed, both are, for secrets can't be
    compared with what is remembered.

    Attributes:
        files: what was read or remembered, by its path below the base.
        digests: the SHA-256 of the records that were read, in hexadecimal, by their paths.
        is_sure: whether everything could be read, and was as it was listed.
    """

    def __init__(self, base: str, files: Mapping[str, Remembered] = _NOTHING) -> None:
        """Know what lies below the folder ``base`` by what is remembered of its ``files``; go on with `again`."""
        self.files: dict[str, Remembered] = dict(files)
        self.digests: dict[str, str] = {}
        self.is_sure = True
        self._base = base
        self._listed: Mapping[str, Signature] = {}
        self._remembered = _NOTHING
        self._read: dict[bytes, _Read] = {}
        self._changed = frozenset[bytes]()

    def again(self, listed: Mapping[str, Signature]) -> "Forgetful":
        """Return what reads the same folder, of which is known what was ``listed`` since; what it read is known."""
        anew = Forgetful(self._base)
        anew.digests = self.digests
        anew._listed, anew._remembered = listed, self.files
        anew._changed = frozenset(anew._changed_names()) if self.files else frozenset()
        return anew

    def record(self, folder: Folder, name: str, limits: Limits) -> Record:
        """Return the record ``name`` of ``folder``, its secrets masked. Raises `EvidenceError`."""
        path = self.below(folder, name)
        known = self._unchanged(path)
        if isinstance(known, EvidenceError):
            raise known
        if isinstance(known, Record) and known.values.get(_FILENAME, b"") not in self._changed:
            return known
        with _Noting(self, path), folder.open_file(name) as file:
            self._check(path, file)
            content = file.read_whole("record_bytes", limits.record_bytes)
            record = bounded(file.path, content, limits.record_lines)
            masked = without_secrets(record)
            self.files[path] = Remembered(file.signature, masked)
        self.digests[path] = sha256(content).hexdigest()
        self._read.setdefault(record.values.get(_FILENAME, b""), _Read(record, masked))
        return masked

    def head(self, archive: Archive, limits: Limits) -> Head:
        """Return the head of an archive, its record's secrets masked. Raises `EvidenceError`."""
        path = self.below(archive.folder, archive.name)
        known = met.found if (met := self.files.get(path)) is not None else self._unchanged(path)
        if isinstance(known, Head) and (met is not None or not self._has_new_record(archive, known)):
            return known
        if isinstance(known, EvidenceError):
            raise known
        with _Noting(self, path), archive.open() as file:
            self._check(path, file)
            found = head(file, limits, archive.seen)
            found = found._replace(record=self._masked(archive, found.record))
            self.files[path] = Remembered(file.signature, found)
        return found

    def _masked(self, archive: Archive, content: bytes) -> bytes:
        """Return an archive's record without its secrets, which are told apart from those of the backup's record."""
        read = self._read.get(_bytes(archive.name))
        if read is not None and read.record.content == content:
            return read.masked.content
        record = grammar.parse(content)
        read = read or self._read.get(record.values.get(_FILENAME, b""))
        return (without_secrets(record, read.record.values) if read else without_secrets(record)).content

    def _has_new_record(self, archive: Archive, known: Head) -> bool:
        """Tell whether the record of a backup was read anew, whose archive did not change."""
        return bool(self._read) and (_bytes(archive.name) in self._read or _claim(known.record) in self._read)

    def _unchanged(self, path: str) -> Record | Head | EvidenceError | None:
        """Return what is remembered of the file at ``path``, if it is as it was."""
        known = self._remembered.get(path)
        if known is None or known.signature != self._listed.get(path) or isinstance(known.found, UnreadableError):
            return None
        self.files[path] = known
        return known.found

    def _check(self, path: str, file: EvidenceFile) -> None:
        """See whether a file is as it was listed."""
        if file.signature != self._listed.get(path):
            self.is_sure = False

    def refuse(self, path: str, error: EvidenceError) -> None:
        """Remember why the file at ``path`` can't be read."""
        if isinstance(error, UnreadableError):  # that may be otherwise the next time
            self.is_sure = False
        self.files[path] = Remembered(self._listed.get(path, _NOWHERE), error)

    def _changed_names(self) -> Iterator[bytes]:
        """Yield the names of the files that are not as they are remembered."""
        for path, signature in self._listed.items():
            if (known := self._remembered.get(path)) is None or known.signature != signature:
                yield _bytes(path.rpartition("/")[2])

    def below(self, folder: Folder, name: str) -> str:
        """Return the path of the file ``name`` in ``folder``, below the base."""
        return f"{folder.path[len(self._base) + 1 :]}/{name}".removeprefix("/").replace("\\", "/")


def _claim(record: bytes) -> bytes:
    """Return the archive's name that a record gives, as the system writes names; empty where it gives none."""
    return grammar.parse(record).values.get(_FILENAME, b"")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
