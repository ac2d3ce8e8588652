"""What must hold for any bytes: a whole walk, a head and a listing of them are made and compared with Python's own.

A `BackupMetaError` is an answer; any other exception, and whatever contradicts the file, the original or `tarfile`,
is a `FailedError`.
"""

import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import zstandard
from fuzzing.corpus import Sample
from fuzzing.mutate import OPENERS, Mutant, Stream
from writers.installatron import BLOCK

from backupmeta.archive.compression import BLOCK as HEAD_BYTES
from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dumps
from backupmeta.archive.head import Head, head
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.member import WITH_CONTENT, Member, Placed, plain
from backupmeta.archive.reader import Pass, Reader, find
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.errors import BackupMetaError, LimitExceededError, NoMemberError
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Severity
from backupmeta.render.members import Walk, walked

NAME: Final = "mutated"
"""It promises no compression."""

CORRUPT: Final = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class FailedError(Exception):
    """What must hold does not; the argument says what."""


class Whole:
    """Takes in one content.

    Attributes:
        content: its bytes.
        missing: how many are missing; None before the end.
    """

    def __init__(self) -> None:
        self.content = bytearray()
        self.missing: int | None = None

    def take(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self.content += piece

    def close(self, missing: int) -> None:
        """Know how many are missing."""
        require(self.missing is None, "a content ended twice")
        self.missing = missing


class Listing:
    """A consumer that remembers each member, and wants the records.

    Attributes:
        members: all of them.
        records: the records' contents, by where each member begins.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.records: dict[int, Whole] = {}

    def wants(self, member: Member) -> Whole | None:
        """Remember ``member``."""
        self.members.append(member)
        return self.records.setdefault(member.offset, Whole()) if member.is_record else None


class Walked(NamedTuple):
    """What a whole walk showed.

    Attributes:
        shown: the JSON, parsed; empty where an error was raised.
        members: as the walk gave them.
        record: the backup's own record, and its content; None where there is none.
        subjects: the findings' ids and what they are about.
        error: the error's name; empty where there was none.
    """

    shown: Mapping[str, Any]
    members: list[Member]
    record: tuple[Placed, Whole] | None
    subjects: frozenset[tuple[str, str]]
    error: str

    @property
    def findings(self) -> list[str]:
        """The ids of the findings, each once."""
        return sorted({finding["id"] for finding in self.shown.get("findings", ())})

    @property
    def is_clean(self) -> bool:
        """Whether nothing was said against the archive."""
        said = any(FINDINGS[id_].severity is not Severity.NOTE for id_ in self.findings)
        return not self.error and self.shown["verdict"] == "complete" and not said


@contextmanager
def opened(content: bytes) -> Iterator[EvidenceFile]:
    """Give ``content`` as an open file, in memory where the system can."""
    with os.fdopen(os.memfd_create("fuzz"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        with EvidenceFile(NAME, os.dup(file.fileno())) as evidence:
            yield evidence


def whole_walk(content: bytes) -> Walked:
    """Walk ``content`` with digests and every consumer, and read everything that it shows."""
    with opened(content) as file:
        dumps, digests, listing = Dumps(), MemberDigests("sha256", DEFAULT_LIMITS.names), Listing()
        archive = Pass(file, consumers=(dumps, digests, listing))
        try:
            text = "".join(walked(Walk(archive, dumps, digests)))
        except BackupMetaError as error:
            require(not listing.members, "an error was raised after the first member")
            return Walked({}, [], None, frozenset(), f"{type(error).__name__}{str(error)[:0]}")
        subjects = frozenset((finding.id, finding.subject) for finding in archive.findings())
        return Walked(json.loads(text.encode()), listing.members, own_record(archive, listing), subjects, "")


def own_record(archive: Pass, listing: Listing) -> tuple[Placed, Whole] | None:
    """Return the backup's own record, as the ``archive`` tells it, and its content."""
    for whole in listing.records.values():
        require(whole.missing is not None, "a content did not end")
    placed = archive.records.own
    return None if placed is None else (placed, listing.records[placed.member.offset])


def outcomes(mutant: Mutant) -> list[str]:
    """Check all that must hold for ``mutant``; return what was seen. Raises `FailedError`."""
    walked = whole_walk(mutant.content)
    if not walked.error:
        check_shown(walked, mutant.content)
    check_intact(walked, mutant)
    check_listing(walked, mutant.content)
    if walked.is_clean:
        check_peer(walked, mutant.content)
    check_found(walked, mutant.content)
    verdict = f"raised {walked.error}" if walked.error else f"verdict {walked.shown['verdict']}"
    return [verdict, f"head {head_outcome(walked, mutant.content)}", *walked.findings]


def require(holds: object, words: str) -> None:
    """Raise `FailedError` unless ``holds``."""
    if not holds:
        raise FailedError(words)


def check_shown(walked: Walked, content: bytes) -> None:
    """Check the JSON against the file."""
    shown = walked.shown
    require(len(walked.members) == len(shown["members"]) == shown["member_count"], "the number of members differs")
    require(shown["size"] == len(content), "the size differs")
    digest = shown["digests"].get("sha256")
    require(digest or "limit-exceeded" in walked.findings, "the digest is missing")
    require(digest in {None, hashlib.sha256(content).hexdigest()}, "the digest is wrong")
    require(shown["verdict"] == "complete" or shown["reason"], "no reason is given")
    require(shown["verdict"] == "complete" or not walked.is_clean, "bad, but without a finding")


def head_outcome(walked: Walked, content: bytes) -> str:
    """Return what reading the head gives; check that it is what the walk saw."""
    with opened(content) as file:
        try:
            head_read = head(file)
        except LimitExceededError:
            return "raised LimitExceededError"
        except BackupMetaError as error:
            require(walked.record is None or walked.record[1].missing, "the walk has a record, but the head none")
            return f"raised {type(error).__name__}{str(error)[:0]}"
    check_head(head_read, walked, is_small=len(content) <= HEAD_BYTES)
    return "found"


def check_head(head: Head, walked: Walked, *, is_small: bool) -> None:
    """Check that a head is what the walk saw; of a small file it tells nothing that the walk does not."""
    require(walked.record is not None, "the head has a record, but the walk none")
    if walked.record is not None:
        placed, whole = walked.record
        require((head.member, head.place) == placed, "the head's record is another member")
        require(head.record == bytes(whole.content) and not whole.missing, "the head's record has other bytes")
    known = {(finding.id, finding.subject) for finding in head.findings}
    is_small = is_small and "limit-exceeded" not in walked.findings  # of what only the walk asks for
    require(
        not is_small or known <= walked.subjects,
        f"the head tells what the walk does not: {sorted(known - walked.subjects)}",
    )


def check_listing(walked: Walked, content: bytes) -> None:
    """Check that a listing has the members of the walk."""
    listed: list[Member] = []
    with opened(content) as file:
        try:
            listed.extend(Reader(file))
        except BackupMetaError as error:
            require(str(error), "an error without words")
    require(walked.members == listed, "a listing and a walk differ")


def check_found(walked: Walked, content: bytes) -> None:
    """Check that the members that are looked for have the digests that the walk counted."""
    last: dict[bytes, tuple[Member, str | None]] = {}
    for member, shown in zip(walked.members, walked.shown.get("members", ()), strict=True):
        path = plain(member.name)
        if path not in last or not is_own(last[path][0]):
            last[path] = member, shown["digest"]
    for member, digest in chosen(list(last.values()), zlib.crc32(content)):
        with opened(content) as file:
            found = found_digest(file, member)
        is_limited = digest is None and "limit-exceeded" in walked.findings  # by what the walk read before
        require(is_limited or found == digest, "a member that is looked for has another content")


def is_own(member: Member) -> bool:
    """Tell whether ``member`` is a record at the root: the first of these counts, of all others the last of a name."""
    return member.is_record and member.is_at_root


def chosen(members: Sequence[tuple[Member, str | None]], number: int) -> Iterator[tuple[Member, str | None]]:
    """Yield one of the ``members``, by a ``number``, and one of a rare kind."""
    rare = [member for member in members if member[0].kind == "hard link" or member[0].is_sparse or member[0].is_record]
    yield from (group[number % len(group)] for group in (rare, members) if group)


def found_digest(file: EvidenceFile, member: Member) -> str | None:
    """Return the digest of what is found by the name of ``member``; None where its content can't be told."""
    try:
        reading = find(file, member.text)
        require(reading.member == member, "another member is found")
        digest = hashlib.sha256()
        for piece in reading.content:
            digest.update(piece)
    except NoMemberError:
        require(member.kind not in WITH_CONTENT, "no member is found")
        return None
    except BackupMetaError:
        return None
    return digest.hexdigest()


@lru_cache(None)
def original(sample: Sample) -> Walked:
    """Return what a sample shows before it is mutated."""
    return whole_walk(sample.content)


def check_intact(walked: Walked, mutant: Mutant) -> None:
    """Check that the members before the first change are listed as in the original, with their digests.

    A member's end is known by the header after it.
    """
    if mutant.intact > BLOCK:
        rows = original(mutant.sample).shown.get("members", [])
        count = sum(header["offset"] + BLOCK <= mutant.intact for header in rows[1:])
        require(
            not count or walked.shown.get("members", [])[:count] == rows[:count], "members before the change differ"
        )


# --- against Python's own ---------------------------------------------------------------------------------------------


def inflate(opener: Callable[[], Stream], content: bytes) -> bytes:
    """Return what all streams of ``content`` inflate to, zeros between them or not. Raises `EOFError` for a cut one."""
    whole = b""
    while content:
        stream = opener()
        whole += stream.decompress(content)
        if not stream.eof:
            raise EOFError
        content = stream.unused_data.lstrip(b"\0")
    return whole


PEERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip.decompress,
    "zstd": partial(inflate, OPENERS[b"\x28\xb5\x2f\xfd"]),
    "bzip2": partial(inflate, OPENERS[b"BZh"]),
    "xz": partial(inflate, OPENERS[b"\xfd7zXZ\0"]),
}


def check_peer(walked: Walked, content: bytes) -> None:
    """Check that Python inflates what is called clean, and that the members that it lists are ours, with our digests.

    `tarfile` is silent where it gives up, so there may be fewer; and an empty pax record is a zero to it, where POSIX
    has it take back a global one.
    """
    try:
        tar = PEERS[walked.shown["compression"]](content)
    except CORRUPT as error:
        raise FailedError(f"clean, but Python can't inflate it: {error}") from error
    if b"size=\n" not in tar:
        theirs = tarfile_members(tar)
        require(len(theirs) <= len(walked.members), "clean, but tarfile lists more members")
        for ours, shown, (other, digest) in zip(walked.members, walked.shown["members"], theirs, strict=False):
            require(is_same(ours, other), f"clean, but tarfile lists another member: {ours.text!r}, {other.name!r}")
            same = shown["digest"] if ours.kind == "file" and other.isreg() else digest
            require(same == digest, "clean, but tarfile reads another content")


def tarfile_members(tar: bytes) -> list[tuple[tarfile.TarInfo, str]]:
    """Return what `tarfile` lists, as far as it gets, and digests; content that it misses is a `FailedError`."""
    members: list[tuple[tarfile.TarInfo, str]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", encoding="utf-8") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                members.append((member, "" if stream is None else hashlib.sha256(stream.read()).hexdigest()))
    except tarfile.ReadError as error:
        require("unexpected end" not in str(error), f"clean, but tarfile can't read it: {error}")
    except (ValueError, OverflowError, RecursionError, EOFError):
        return []  # it fails in a way of its own
    return members


def is_same(ours: Member, theirs: tarfile.TarInfo) -> bool:
    """Tell whether both list the same; tarfile takes a prefix without a magic, and a long name beyond its length."""
    mine, other = ours.name.rstrip(b"/"), os.fsencode(theirs.name).rstrip(b"/")
    is_named = mine in other or other in mine
    return is_named and (ours.kind != "file" or not theirs.isreg() or ours.size == theirs.size)
