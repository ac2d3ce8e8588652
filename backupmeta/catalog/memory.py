"""What is remembered of an account: its files, its records without their secrets, the heads of its archives.

From it the next scan resolves backups whose files did not change, and ``view``, ``list`` and ``installs`` answer,
without the evidence. It is kept as JSON, compressed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import zstandard

from backupmeta import errors
from backupmeta.account.places import Found
from backupmeta.archive.beginning import Beginning
from backupmeta.archive.compression import COMPRESSIONS
from backupmeta.archive.head import Head
from backupmeta.archive.member import Member
from backupmeta.errors import CatalogError, DamagedError, EvidenceError, LimitExceededError
from backupmeta.evidence import Signature
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from backupmeta.record import grammar
from backupmeta.record.grammar import Record

_BY_NAME: Final = {one.name: one for one in COMPRESSIONS}
_LEVEL: Final = 3
_MOST_BYTES: Final = 4 * 1024 * 1024 * 1024
"""How much a memory may inflate to."""


Known = Record | Head | EvidenceError | Beginning
"""What was read of a file: a record, a head, why nothing was; or how it begins, where that is as no archive does."""


_UNKNOWN: Final = -1
"""The time of change of a file that an older program has remembered: it is read once more."""


class Remembered(NamedTuple):
    """A file: what it was like, and what was read of it."""

    signature: Signature
    found: Known


@dataclass(slots=True)
class Memory:
    """What is remembered of an account.

    Attributes:
        seen: its path as the server saw it.
        as_server: the same, where that is known.
        is_home: whether it is a home, and not just a folder of archives.
        has_records: whether it has an ``.appdata``.
        files: its records and archives, and what was no archive, by their paths from its folder on.
        findings: what was odd about the account itself.
    """

    seen: str
    as_server: str | None
    is_home: bool
    has_records: bool
    files: dict[str, Remembered] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def found(self, path: str) -> Found:
        """Return where it is: at ``path``."""
        return Found(path, self.seen, self.as_server, None, self.is_home)


def to_bytes(memory: Memory) -> bytes:
    """Return ``memory`` as it is kept."""
    records: dict[bytes, int] = {}
    described = {
        "account": [memory.seen, memory.as_server, memory.is_home, memory.has_records],
        "files": {path: [*one.signature, _described(one.found, records)] for path, one in sorted(memory.files.items())},
        "records": [one.decode("utf-8", "surrogateescape") for one in records],
        "findings": list(map(_finding, memory.findings)),
    }
    return zstandard.ZstdCompressor(_LEVEL).compress(json.dumps(described, separators=(",", ":")).encode())


def from_bytes(content: bytes) -> Memory:
    """Return the memory in ``content``. Raises `ValueError` where it is none."""
    try:
        text = zstandard.ZstdDecompressor().decompress(content, max_output_size=_MOST_BYTES)
        told = json.loads(text)
        records = [one.encode("utf-8", "surrogateescape") for one in told["records"]]
        files = {
            path: Remembered(_signature(*signature), _found(path, found, records))
            for path, (*signature, found) in told["files"].items()
        }
        seen, as_server, is_home, has_records = told["account"]
        return Memory(seen, as_server, is_home, has_records, files, list(map(_finding_of, told["findings"])))
    except (zstandard.ZstdError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError("not what is remembered of an account") from error


def _signature(size: int, mtime_ns: int, inode: int, ctime_ns: int = _UNKNOWN) -> Signature:
    return Signature(size, mtime_ns, inode, ctime_ns)


def recall(catalog: str, path: str, content: bytes) -> Memory:
    """Return the memory that ``catalog`` has of the account at ``path``. Raises `CatalogError` where it is none."""
    try:
        return from_bytes(content)
    except ValueError as error:
        raise CatalogError(catalog, f"{path}: {error}", "scan again, into a new file") from error


def _described(found: Known, records: dict[bytes, int]) -> object:
    """Return what was read of a file; a record as its place among the different ``records``."""
    if isinstance(found, Beginning):
        return {"begins": str(found)}
    if isinstance(found, Record):
        return records.setdefault(found.content, len(records))
    if isinstance(found, EvidenceError):
        return {"error": type(found).__name__, **_attributes(found)}
    member = found.member
    return {
        "record": records.setdefault(found.record, len(records)),
        "member": [member.name.decode("utf-8", "surrogateescape"), member.offset, member.size, member.mtime_ns],
        "place": found.place,
        "compression": found.compression.name,
        "findings": list(map(_finding, found.findings)),
    }


def _found(path: str, told: Any, records: list[bytes]) -> Known:  # noqa: ANN401 - JSON
    if isinstance(told, int):
        return grammar.parse(records[told])
    if "begins" in told:
        return Beginning(told["begins"])
    if "error" in told:
        return _error(told)
    name, offset, size, mtime_ns = told["member"]
    exact = name.encode("utf-8", "surrogateescape")
    member = Member(exact, "file", size, mtime_ns, 0, 0, 0, b"", b"", b"", offset, size)
    findings = tuple(map(_finding_of, told["findings"]))
    compression = _BY_NAME[told["compression"]]
    return Head(path, compression, 0, 0, member, told["place"], records[told["record"]], findings)


def _attributes(error: EvidenceError) -> Mapping[str, object]:
    return {name: value for name, value in vars(error).items() if isinstance(value, str | int | None)}


def _error(told: Mapping[str, Any]) -> EvidenceError:
    """Return the error that was met when a file was read."""
    path = told["path"]
    kind = getattr(errors, told["error"], EvidenceError)
    if kind is DamagedError:
        error: EvidenceError = DamagedError(path, "", told["offset"], told["verdict"])
    elif kind is LimitExceededError:
        error = LimitExceededError(path, told["limit"], told["bound"], told["actual"])
    else:
        error = EvidenceError.__new__(kind if issubclass(kind, EvidenceError) else EvidenceError)
        EvidenceError.__init__(error, path, "")
    error.reason, error.advice = told["reason"], told["advice"]
    return error


def _finding(one: Finding) -> list[object]:
    return [one.id, one.subject, one.detail, [list(source) for source in one.evidence]]


def _finding_of(told: Iterable[Any]) -> Finding:
    id_, subject, detail, evidence = told
    return Finding(id_, subject, detail, tuple(Source(Witness(witness), *rest) for witness, *rest in evidence))
