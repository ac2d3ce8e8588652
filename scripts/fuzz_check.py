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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import zstandard
from fuzz_corpus import Sample
from fuzz_mutate import OPENERS, Mutant, Stream
from installatron_writer import BLOCK

from backupmeta.archive.digests import MemberDigests
from backupmeta.archive.dump import Dumps
from backupmeta.archive.head import head
from backupmeta.archive.header import EXTENSIONS, number_or_none
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.archive.member import Member
from backupmeta.archive.reader import Reader, walk
from backupmeta.errors import BackupMetaError
from backupmeta.evidence import EvidenceFile
from backupmeta.render.json import walked
from backupmeta.vocabulary.kinds import Severity
from backupmeta.vocabulary.table import FINDINGS

NAME: Final = "mutated"
"""It promises no compression."""

CORRUPT: Final = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
TYPE_AT: Final = 156


class FailedError(Exception):
    """What must hold does not; the argument says what."""


class Listing:
    """A consumer that wants nothing, but remembers each member."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def wants(self, member: Member) -> None:
        """Remember ``member``."""
        self.members.append(member)


class Walked(NamedTuple):
    """What a whole walk showed.

    Attributes:
        shown: the JSON, parsed; empty where an error was raised.
        members: as the walk gave them.
        error: the error's name; empty where there was none.
    """

    shown: Mapping[str, Any]
    members: list[Member]
    error: str

    @property
    def findings(self) -> list[str]:
        """The ids of the findings, each once."""
        return sorted({one["id"] for one in self.shown.get("findings", ())})

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
        dump, digests, listing = Dumps(), MemberDigests("sha256", DEFAULT_LIMITS.names), Listing()
        archive = walk(file, consumers=(dump, digests, listing))
        try:
            text = "".join(walked(archive, dump, digests))
        except BackupMetaError as error:
            require(not listing.members, "an error was raised behind the first member")
            return Walked({}, [], f"{type(error).__name__}{str(error)[:0]}")
        return Walked(json.loads(text.encode()), listing.members, "")


def outcomes(mutant: Mutant) -> list[str]:
    """Check all that must hold for ``mutant``; return what was seen. Raises `FailedError`."""
    seen = whole_walk(mutant.content)
    if not seen.error:
        check_shown(seen, mutant.content)
    check_intact(seen, mutant)
    check_listing(seen, mutant.content)
    if seen.is_clean:
        check_peer(seen, mutant.content)
    verdict = f"raised {seen.error}" if seen.error else f"verdict {seen.shown['verdict']}"
    return [verdict, f"head {head_outcome(mutant.content)}", *seen.findings]


def require(holds: object, words: str) -> None:
    """Raise `FailedError` unless ``holds``."""
    if not holds:
        raise FailedError(words)


def check_shown(seen: Walked, content: bytes) -> None:
    """Check the JSON against the file."""
    shown = seen.shown
    require(len(seen.members) == len(shown["members"]) == shown["member_count"], "the number of members differs")
    require(shown["size"] == len(content), "the size differs")
    digest = shown["digests"].get("sha256")
    require(digest or "limit-exceeded" in seen.findings, "the digest is missing")
    require(digest in {None, hashlib.sha256(content).hexdigest()}, "the digest is wrong")
    require(shown["verdict"] == "complete" or shown["reason"], "no reason is given")
    require(shown["verdict"] == "complete" or not seen.is_clean, "bad, but without a finding")


def head_outcome(content: bytes) -> str:
    """Return what reading the head gives."""
    with opened(content) as file:
        try:
            found = head(file)
        except BackupMetaError as error:
            return f"raised {type(error).__name__}{str(error)[:0]}"
    require(len(found.record) == found.member.size, "the head's record has another length than its member")
    return "found"


def check_listing(seen: Walked, content: bytes) -> None:
    """Check that a listing that stops at damage begins as the walk that does not."""
    listed: list[Member] = []
    with opened(content) as file:
        try:
            listed.extend(Reader(file))
        except BackupMetaError as error:
            require(str(error), "an error without words")
    ours = [one._replace(stored=0) for one in seen.members[: len(listed)]]
    require(ours == [one._replace(stored=0) for one in listed], "a listing and a walk differ")


@lru_cache(None)
def original(sample: Sample) -> Walked:
    """Return what a sample shows before it is mutated."""
    return whole_walk(sample.content)


def check_intact(seen: Walked, mutant: Mutant) -> None:
    """Check that the members before the first change are listed as in the original, with their digests.

    A member's end is known by the header behind it.
    """
    if mutant.intact > BLOCK:
        rows = original(mutant.sample).shown.get("members", [])
        count = sum(behind["offset"] + BLOCK <= mutant.intact for behind in rows[1:])
        require(not count or seen.shown.get("members", [])[:count] == rows[:count], "members before the change differ")


# --- against Python's own ---------------------------------------------------------------------------------------------


def inflate(opener: Callable[[], Stream], content: bytes) -> bytes:
    """Return what all streams of ``content`` inflate to, zeros between them or not. Raises `EOFError` for a cut one."""
    found = b""
    while content:
        stream = opener()
        found += stream.decompress(content)
        if not stream.eof:
            raise EOFError
        content = stream.unused_data.lstrip(b"\0")
    return found


PEERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip.decompress,
    "zstd": partial(inflate, OPENERS[b"\x28\xb5\x2f\xfd"]),
    "bzip2": partial(inflate, OPENERS[b"BZh"]),
    "xz": partial(inflate, OPENERS[b"\xfd7zXZ\0"]),
}


def check_peer(seen: Walked, content: bytes) -> None:
    """Check that Python inflates what is called clean, and that the members that it lists are ours.

    `tarfile` is silent where it gives up, so there may be fewer; sparse files' maps, which it judges, aren't read here;
    and an empty pax record is a zero to it, where POSIX has it take back a global one.
    """
    try:
        tar = PEERS[seen.shown["compression"]](content)
    except CORRUPT as error:
        raise FailedError(f"clean, but Python can't inflate it: {error}") from error
    if not any(sign in tar for sign in (b"GNU.sparse", b"size=\n")) and b"S" not in tar[TYPE_AT::BLOCK]:
        theirs = tarfile_members(tar)
        require(len(theirs) <= len(seen.members), "clean, but tarfile lists more members")
        ours = seen.members[: len(theirs)]
        pairs = zip(ours, theirs, strict=True)
        same = (has_several_extensions(tar, one.offset) or is_same(one, other) for one, other in pairs)
        require(all(same), "clean, but tarfile lists other members")


def tarfile_members(tar: bytes) -> list[tarfile.TarInfo]:
    """Return what `tarfile` lists, as far as it gets; content that it misses is a `FailedError`."""
    members: list[tarfile.TarInfo] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", encoding="utf-8") as archive:
            members.extend(archive)
    except tarfile.ReadError as error:
        require("unexpected end" not in str(error), f"clean, but tarfile can't read it: {error}")
    except (ValueError, OverflowError, RecursionError, EOFError):
        return []  # it fails in a way of its own
    return members


def has_several_extensions(tar: bytes, at: int) -> bool:
    """Tell whether one extension header follows another: tarfile lets the first one count, others the last one."""
    size = number_or_none(tar[at + 124 : at + 136]) or 0
    behind = at + BLOCK + size + -size % BLOCK
    types = tar[at + TYPE_AT : at + TYPE_AT + 1], tar[behind + TYPE_AT : behind + TYPE_AT + 1]
    return EXTENSIONS.issuperset(types)


def is_same(ours: Member, theirs: tarfile.TarInfo) -> bool:
    """Tell whether both list the same; tarfile takes a prefix without a magic, and a long name beyond its length."""
    mine, other = ours.name.rstrip(b"/"), os.fsencode(theirs.name).rstrip(b"/")
    is_named = mine in other or other in mine
    return is_named and (ours.kind != "file" or not theirs.isreg() or ours.size == theirs.size)
