"""`open_archive`: one archive, opened once: what is known of it, its members, contents and dump, and what it is worth.

All answers are of the file that was opened, whatever takes its place at its path meanwhile: what was verified is what
is read, and what is extracted.
"""

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from time import time
from typing import BinaryIO, Final, NamedTuple, Self, TypeAlias

from backupmeta import library, verification
from backupmeta.account.home import Pair, State, Surroundings
from backupmeta.archive.dump import Dump, Dumps
from backupmeta.archive.head import head
from backupmeta.archive.limits import MIB
from backupmeta.archive.member import DUMP, WITH_CONTENT, Member
from backupmeta.archive.reader import Pass, Reader, at_offset, find
from backupmeta.archive.statements import Statement, Statements
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.policy import DEFAULT, Policy, Verification
from backupmeta.errors import EvidenceError, LimitExceededError, NoMemberError
from backupmeta.evidence import EvidenceFile, EvidenceView, Place, identity_at, open_named
from backupmeta.extraction.extract import Extraction, MemberResult, Order, Selection, extracted
from backupmeta.extraction.needs import Needs, needed_by
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from backupmeta.search import EVERYWHERE, Search, require_sequence
from backupmeta.verification import Case

Openable: TypeAlias = str | os.PathLike[str] | BinaryIO
"""What can be opened as an archive: a path, or a file that is open."""

LONGEST_STATEMENT: Final = 64 * MIB
"""The longest statement that is given, in bytes: MySQL 8's server takes none that is longer by default."""


class TableStatement(NamedTuple):
    """A statement of the dump that fills a table: an INSERT or REPLACE.

    Attributes:
        table: the table's name, as text; bytes that aren't UTF-8 as surrogates.
        table_bytes: its exact name.
        rows: how many rows it inserts.
        content: the statement, with its delimiter.
    """

    table: str
    table_bytes: bytes
    rows: int
    content: bytes


class OpenArchive:
    """An archive that is open. Use it in a ``with``, or close it.

    Attributes:
        path: its path on this machine.
        server_path: its path as the server saw it, where that is known.
        unread: what of its account could not be read: records may say more of it than is known here.
    """

    def __init__(self, file: EvidenceFile, search: Search = EVERYWHERE) -> None:
        """Take over an open ``file``; its home is looked for upwards from it, if it lies at its path still."""
        self._file = file
        self.unread: list[Finding] = []
        self._case = _case(file, search, self.unread)
        self.path: str = file.path
        self.server_path: str = self._case.server_path
        self._is_closed = False
        self._reader: Reader | None = None
        self._passing: Member | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; streams that were opened from it go on."""
        if not self._is_closed:
            self._is_closed = True
            self._file.close()

    def _view(self) -> EvidenceView:
        if self._is_closed:
            raise ValueError(f"{self.path}: the archive is closed")
        return EvidenceView(self._file)

    def has_changed(self) -> bool:
        """Return whether the file was written to since it was opened. Raises `UnreadableError`."""
        return self._file.has_changed()

    @cached_property
    def inspection(self) -> Inspection:
        """What is known of the backup, from its record, its home's, and its name.

        Raises `EvidenceError` where its record can't be read, and no record of an account speaks for it.
        """
        case, pair = self._case, self._case.pair
        try:
            beginning = head(self._view(), case.limits, case.server_path)
            source = Source(Witness.EMBEDDED_RECORD, case.server_path, beginning.member.text)
            embedded = library.own_record(source, beginning.record, pair.record, case.limits)
            findings = beginning.findings
        except EvidenceError as error:
            if pair.record is None:
                raise
            embedded, findings = None, (library.trouble(error, pair.record, case.place),)
        inspection = library.resolved(pair, case.server_path, embedded, case.around, case.zone)
        inspection.findings[:0] = (*pair.findings, *findings)
        inspection.findings.extend(self.unread)
        inspection.path = self.path
        return inspection

    # --- members and their contents ------------------------------------------------------------------------------

    def members(self) -> Iterator[Member]:
        """Yield the members as they pass, after damage as well: `open` gives the last one's content on the way.

        Raises `EvidenceError` where not a single one can be read.
        """
        reader = self._reader = Reader(self._view(), self._case.limits)
        for self._passing in reader:
            yield self._passing
        self._passing = None

    def open(self, member: Member | str) -> BinaryIO:
        """Return the content of a ``member``, or of the last one of a name, as a stream; holes are filled in.

        That of the member that `members` yielded last is read on the way, and until the next one; of any other the
        archive is read once more. Raises `NoMemberError`; reading raises `EvidenceError` where content is missing.
        """
        if isinstance(member, str):
            return _stream(find(self._view(), member, self._case.limits).content)
        if member.kind not in WITH_CONTENT:
            raise NoMemberError(self.path, member.text, f"is no plain file but a {member.kind}")
        if member is self._passing and self._reader is not None:
            return _stream(self._passing_content(self._reader, member))
        return _stream(at_offset(self._view(), self._case.limits, member.offset))

    def _passing_content(self, reader: Reader, member: Member) -> Iterator[bytes]:
        pieces = reader.content(member)
        while True:
            if self._passing is not member:
                raise ValueError(f"{member.text!r} has passed: open it again")
            if not (piece := next(pieces, b"")):
                return
            yield piece

    # --- the dump -------------------------------------------------------------------------------------------------

    @cached_property
    def dump(self) -> Dump | None:
        """The database dump: tables, rows, whether it is whole, what a restore needs; None where there is none.

        Raises `EvidenceError` where nothing of the archive can be read.
        """
        dumps = Dumps()
        deque(Pass(self._view(), self._case.limits, algorithms=(), consumers=[dumps]), maxlen=0)
        return dumps.dump

    def statements(self, table: str | bytes | None = None) -> Iterator[TableStatement]:
        """Yield the statements of the dump that fill tables, or one ``table``, in their order.

        Raises `NoMemberError` where there is no dump, `DamagedError` where some of it is missing, after what there is,
        and `LimitExceededError` for one of more than `LONGEST_STATEMENT` bytes.
        """
        wanted = table.encode("utf-8", "surrogateescape") if isinstance(table, str) else table
        for statement, content in cut(self.path, self._dump_content()):
            if statement.filled is not None and wanted in {None, statement.filled.name}:
                name = statement.filled.name
                yield TableStatement(name.decode("utf-8", "surrogateescape"), name, statement.rows, content)

    def _dump_content(self) -> Iterator[bytes]:
        """Yield the content of the dump that counts, the last one."""
        return find(self._view(), f"./{DUMP.decode()}", self._case.limits).content

    # --- the archive as a whole -----------------------------------------------------------------------------------

    def verify(self, policy: Policy = DEFAULT, now: int | None = None) -> Verification:
        """Return what the archive is judged to be by ``policy``, as of ``now``, Unix seconds; by default the clock."""
        case = self._case._replace(policy=policy, now=int(time()) if now is None else now)
        return verification.outcomes_in(case, self._view())[0].verification

    def needs(self) -> Needs:
        """Return what a restore needs. Raises `EvidenceError` where the archive can't be read."""
        return needed_by(self._case, self._view())

    def extract(
        self,
        folder: str,
        names: Iterable[str] = (),
        *,
        dump: Callable[[bytes], object] | None = None,
        report: Callable[[MemberResult], object] = lambda _result: None,
        has_own: bool = False,
        is_over: bool = False,
        keeps_partial: bool = False,
        has_owners: bool = False,
        is_synced: bool = True,
    ) -> Extraction:
        """Unpack to a ``folder`` what has one of the ``names``, by default the site's files; judged in the same pass.

        Args:
            folder: a new or an empty folder: it is there when all is in it, or not at all.
            names: members, and folders with all that is in them.
            dump: takes in the bytes of the database dump.
            report: is told what became of each member.
            has_own: also the backup's own files: its record, and the dump.
            is_over: the folder is there, and its files are replaced one by one.
            keeps_partial: what could be had is kept where something is missing or refused.
            has_owners: files get the owners that the archive names.
            is_synced: all is on the disk before the folder gets its name.

        Raises:
            EvidenceError: the archive can't be read.
            OutputError: the folder can't be written.
        """
        require_sequence(names, "names", "extract(folder, [{!r}])")
        order = Order(
            folder=folder,
            selection=Selection((os.fsencode(name) for name in names), has_own=has_own),
            is_over=is_over,
            is_synced=is_synced,
            has_owners=has_owners,
            keeps_partial=keeps_partial,
        )
        return extracted(self._case, self._view(), order, report, dump)


def open_archive(archive: Openable, search: Search = EVERYWHERE) -> OpenArchive:
    """Open an ``archive``: the one at a path, or an open file, which stays open and where it is.

    ``search`` tells limits and the server's time zone. Raises `EvidenceError` where it can't be opened, `TypeError` for
    anything else.
    """
    if isinstance(archive, str | os.PathLike):
        return OpenArchive(open_named(os.fspath(archive)), search)
    try:
        number = os.dup(archive.fileno())
    except (AttributeError, io.UnsupportedOperation):
        raise TypeError(
            "an archive is a path, or a file that the system has open, as open(path, 'rb') gives it"
        ) from None
    name = archive.name if isinstance(archive.name, str) else ""
    return OpenArchive(EvidenceFile(name, number), search)


def verify_archive(archive: Openable, policy: Policy = DEFAULT, now: int | None = None) -> Verification:
    """Return what an ``archive`` is judged to be: the one at a path, or an open file. See `OpenArchive.verify`.

    Raises `EvidenceError` where it can't be opened.
    """
    with open_archive(archive) as opened:
        return opened.verify(policy, now)


def _case(file: EvidenceFile, search: Search, unread: list[Finding]) -> Case:
    """Return the case of an open ``file``: with its home, where it lies at its path still, else alone.

    What can't be read of the home is appended to ``unread``.
    """
    path = os.path.abspath(file.path)
    if file.path and identity_at(path) == (file.status.st_dev, file.status.st_ino):
        return verification.case_at(path, search, DEFAULT, int(time()), unread)
    folder, name = os.path.split(path) if file.path else ("", "")
    alone = Pair(None, None, None, State.UNCLAIMED)
    place, around = Place(folder, None, name, is_named=True), Surroundings(None, None, {}, {})
    return Case(place, file.path and path, (alone,), around, search.zone, search.limits, DEFAULT, int(time()))


class _Pieces(io.RawIOBase):
    """A stream of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # any writable buffer
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        length = min(len(self._left), len(buffer))
        buffer[:length], self._left = self._left[:length], self._left[length:]
        return length


def _stream(pieces: Iterator[bytes]) -> BinaryIO:
    return io.BufferedReader(_Pieces(pieces))


def cut(path: str, content: Iterator[bytes]) -> Iterator[tuple[Statement, bytes]]:
    """Yield the statements of a dump, with their bytes. Raises `LimitExceededError`."""
    finished, held, base = list[Statement](), bytearray(), 0
    statements = Statements(finished.append)

    def taken() -> Iterator[tuple[Statement, bytes]]:
        for statement in finished:
            begin = statement.begin.offset - base
            yield statement, bytes(held[begin : begin + statement.size])
        finished.clear()

    for piece in content:
        statements.take(piece)
        held += piece
        yield from taken()
        kept = statements.kept_from
        del held[: kept - base]
        base = kept
        if len(held) > LONGEST_STATEMENT:
            raise LimitExceededError(path, "statement_bytes", LONGEST_STATEMENT)
    statements.close()
    yield from taken()
