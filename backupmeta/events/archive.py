"""What one archive states, from one opening: its file, its gzip header, its record, and, if wanted, its members."""

from collections.abc import Iterable
from typing import NamedTuple

from backupmeta.account.filename import parse
from backupmeta.account.home import Archive, Pair
from backupmeta.archive.head import head
from backupmeta.archive.limits import Limits
from backupmeta.archive.reader import walk
from backupmeta.errors import EvidenceError
from backupmeta.events import witnesses
from backupmeta.events.event import Statement
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.library import unreadable
from backupmeta.provenance import Source, Witness
from backupmeta.record.document import Document, document


class Depth(NamedTuple):
    """How far archives are read.

    Attributes:
        is_deep: to their ends, member by member; else only their heads.
        members: how many members of each archive make an event of their own, the newest ones.
    """

    is_deep: bool
    members: int


class Examined(NamedTuple):
    """What an archive states.

    Attributes:
        embedded: its own record, where that can be read.
        statements: of its file and its members.
        findings: what could not be read, and what is not as it should be with the archive.
    """

    embedded: Document | None
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]


def examine(pair: Pair, archive: Archive, limits: Limits, depth: Depth) -> Examined:
    """Return what the ``archive`` of a backup states; one that is no backup, by content and name, states nothing."""
    try:
        with archive.open() as file:
            of_file = tuple(witnesses.of_file(file, archive.seen, limits))
            embedded, findings = _embedded(pair, archive, file, limits)
            if embedded is None and pair.record is None and parse(archive.name) is None:
                return Examined(None, (), findings)
            if not depth.is_deep:
                return Examined(embedded, of_file, findings)
            members, of_all = _members(pair, archive, file, limits, depth.members)
            told = {one.id for one in of_all}
            return Examined(embedded, (*of_file, *members), (*of_all, *(one for one in findings if one.id not in told)))
    except EvidenceError as error:
        return Examined(None, (), (unreadable(pair, error),))


def _embedded(
    pair: Pair, archive: Archive, file: EvidenceFile, limits: Limits
) -> tuple[Document | None, tuple[Finding, ...]]:
    """Return the archive's own record, and what was odd on the way to it."""
    try:
        found = head(file, limits, archive.seen)
        source = Source(Witness.EMBEDDED_RECORD, archive.seen, found.member.text)
        grave = _grave(archive, found.findings)
        if pair.record is not None and pair.record.record.content == found.record:  # as usual, and parsed already
            return Document(source, pair.record.record), grave
        return document(source, found.record, limits), grave
    except EvidenceError as error:
        return None, (unreadable(pair, error),)


def _members(
    pair: Pair, archive: Archive, file: EvidenceFile, limits: Limits, most: int
) -> tuple[list[Statement], tuple[Finding, ...]]:
    """Return what the members state, at most so many, and what is odd about the whole archive."""
    try:
        file.seek(0)
        walked = walk(file, limits, algorithms=())
        members = list(witnesses.of_members(walked, archive.seen, most))
        return members, _grave(archive, walked.findings())
    except EvidenceError as error:
        return [], (unreadable(pair, error),)


def _grave(archive: Archive, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return which of the ``findings`` are told whatever was asked, each with the archive's name."""
    return tuple(
        one._replace(subject=": ".join(filter(None, (archive.seen, one.subject)))) for one in findings if one.is_grave
    )
