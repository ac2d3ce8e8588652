"""Where a value comes from: `Witness`, `Source` and `Fact`."""

import base64
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, overload

from backupmeta.secrets import closed, mask_text

if TYPE_CHECKING:
    from backupmeta.json_types import FolderJson, NameJson, PathJson, SourceJson


class Witness(StrEnum):
    """Who says so, in the order of precedence for a backup (`backupmeta help view`, "Who is believed")."""

    BACKUP_RECORD = "backup record"
    EMBEDDED_RECORD = "embedded record"
    INSTALL_RECORD = "install record"
    ARCHIVE = "archive"
    FILE_NAME = "file name"
    FILE_SYSTEM = "file system"
    DERIVED = "derived"
    DEFAULT = "documented default"


class Source(NamedTuple):
    """The place of a value.

    Attributes:
        witness: what kind of place it is.
        path: the file, as it was found on disk (surrogates stand for bytes that aren't UTF-8); empty for a default.
        member: the archive's member, or None.
        line: the line of the record, or of the dump, from 1, or None.
        offset: where that line begins, in bytes of the record or dump, or a member, in bytes of the inflated archive;
            or None.
    """

    witness: Witness
    path: str = ""
    member: str | None = None
    line: int | None = None
    offset: int | None = None

    def __repr__(self) -> str:
        path, member = mask_text(self.path), self.member and mask_text(self.member)
        return f"Source({self.witness!r}, {path!r}, member={member!r}, line={self.line}, offset={self.offset})"


def on_disk(path: str) -> tuple[Source, ...]:
    """Return what lies at ``path`` as evidence: the file system is its witness."""
    return (Source(Witness.FILE_SYSTEM, path),)


class Fact(NamedTuple):
    """What one source says of one field.

    Attributes:
        field: the record's key.
        raw: the value's bytes, exactly; closed where a secret is in them.
        source: where they stand.
    """

    field: str
    raw: bytes
    source: Source

    def __repr__(self) -> str:
        return f"Fact(field={mask_text(self.field)!r}, raw={closed(self.field, self.raw)!r}, source={self.source!r})"


def as_text(path: str) -> str:
    """Return a path or name as text: bytes that aren't UTF-8, which come as surrogates, as U+FFFD."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def display(path: str) -> str:
    """Return a path, a name or a sentence as text that may be shown: as `as_text`, secrets masked."""
    return mask_text(path if path.isascii() else as_text(path))


def base_name(path: str) -> str:
    """Return the last part of a path, as either kind of system writes it."""
    return path.replace("\\", "/").rpartition("/")[2]


def shown_name(path: str) -> str:
    """Return the last part of a path, secrets masked: also by what is cut off, which may be what tells one."""
    return base_name(mask_text(path))


@overload
def named(key: Literal["name"], text: str) -> "NameJson": ...
@overload
def named(key: Literal["path"], text: str) -> "PathJson": ...
@overload
def named(key: Literal["folder"], text: str) -> "FolderJson": ...
@overload
def named(key: str, text: str) -> Mapping[str, object]: ...
def named(key: str, text: str) -> Mapping[str, object]:
    """Return a path or name for JSON, and its exact bytes beside it where it is not UTF-8, and has no secret in it."""
    given, decoded = display(text), as_text(text)
    if given != decoded or decoded == text:
        return {key: given}
    return {key: given, f"{key}_base64": base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")}


def place_in(described: Mapping[str, Any]) -> Source:
    """Return the place that `located` has ``described``."""
    exact = {key: exact_text(described, key) for key in ("path", "member") if key in described}
    return Source(Witness(described["witness"]), **exact, line=described.get("line"), offset=described.get("offset"))


def exact_text(described: Mapping[str, Any], key: str) -> str:
    """Return the path or name that `named` has ``described``; empty where there is none of this ``key``.

    Raises `ValueError` where its exact bytes are no base64.
    """
    twin = described.get(f"{key}_base64")
    return str(described.get(key, "")) if twin is None else base64.b64decode(twin).decode("utf-8", "surrogateescape")


def located(place: Source) -> "SourceJson":
    """Return a place for JSON; what it lacks is left out."""
    described: dict[str, object] = {"witness": str(place.witness)}
    if place.path:
        described.update(named("path", place.path))
    if place.member is not None:
        described.update(named("member", place.member))
    described.update({} if place.line is None else {"line": place.line})
    described.update({} if place.offset is None else {"offset": place.offset})
    return cast("SourceJson", described)
