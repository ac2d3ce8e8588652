"""The JSON that commands print, as types: what each result's ``to_json`` returns, and `backupmeta schema` describes.

Times are ISO 8601 in UTC, sizes and offsets bytes, unless a member says otherwise. A path or name that is not UTF-8
has its exact bytes, in base64, beside it. Only type checkers and the command import it.
"""

from typing import NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # typing has one that pydantic takes from Python 3.12 on


@with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
class ObjectJson(TypedDict):
    """An object that has no other members than its own."""


# --- paths and names --------------------------------------------------------------------------------------------------


class NameJson(ObjectJson):
    """A name."""

    name: str
    name_base64: NotRequired[str]


class PathJson(ObjectJson):
    """A path."""

    path: str
    path_base64: NotRequired[str]


class LocalPathJson(ObjectJson):
    """A path on this machine."""

    local_path: str
    local_path_base64: NotRequired[str]


class FolderJson(ObjectJson):
    """A folder's path."""

    folder: str
    folder_base64: NotRequired[str]


# --- findings ---------------------------------------------------------------------------------------------------------


class SourceJson(ObjectJson):
    """The place of a value; what it lacks is left out."""

    witness: str
    """What kind of place it is."""
    path: NotRequired[str]
    """The file's path."""
    path_base64: NotRequired[str]
    member: NotRequired[str]
    """The archive's member."""
    member_base64: NotRequired[str]
    line: NotRequired[int]
    """The line of the record, or of the dump, from 1."""
    offset: NotRequired[int]
    """Where the line begins in its record or dump, or the member in the inflated archive."""


class FindingJson(ObjectJson):
    """What was met at one place."""

    id: str
    """The stable name of what it is."""
    severity: str
    """How much it matters: error, warning or note."""
    message: str
    """One sentence for people."""
    evidence: list[SourceJson]
    """Where it can be seen."""


class KnownJson(ObjectJson):
    """Whether a baseline has a finding."""

    is_known: NotRequired[bool]
    """With ``--baseline``: whether it has the finding, which lets it pass."""


class JudgedJson(FindingJson, KnownJson):
    """A finding, how severe it is by the policy, and what to do about it."""

    advice: str
    """What to do about it, a sentence."""


class RuleJson(ObjectJson):
    """What findings of one id have in common."""

    id: str
    """Its stable name."""
    group: str
    """What it answers."""
    severity: str
    """How much it matters: error, warning or note."""
    sentence: str
    """What it says."""
    advice: str
    """What to do about it, a sentence."""


class PluginJson(ObjectJson):
    """A plugin of an install; null is what the record does not tell."""

    id: str
    version: str | None
    activated: bool | None
    autoup: str | None


class ThemeJson(ObjectJson):
    """A theme of an install; null is what the record does not tell."""

    id: str
    version: str | None
    active: bool | None
    autoup: str | None


ValueJson = str | int | list[str] | list[PluginJson] | list[ThemeJson] | None
"""The value of a field of the answer."""


# --- provenance -------------------------------------------------------------------------------------------------------


class EvidenceJson(LocalPathJson):
    """Where the evidence of an answer lies."""

    account: str
    """The account's path on this machine."""
    account_base64: NotRequired[str]
    server_path: str
    """The file's path as the server saw it."""
    server_path_base64: NotRequired[str]


class ArchiveNameJson(ObjectJson):
    """What an archive's name tells."""

    host: str
    """The slug of the url's host."""
    title: str
    """The slug of the title."""
    local_time: str
    """When it was begun, without an offset: server-local time."""
    utc_offset: str | None
    """The offset of that; null where nothing tells it."""


class ConflictJson(ObjectJson):
    """A value that lost."""

    value: ValueJson
    base64: NotRequired[str]
    """The exact bytes of a value that is no UTF-8."""
    source: SourceJson
    """Who says so."""


class FieldSourceJson(ObjectJson):
    """Where a field's value comes from."""

    source: SourceJson
    """Who says so."""
    conflicts: NotRequired[list[ConflictJson]]
    """What else was said."""
    findings: NotRequired[list[str]]
    """The ids of the findings about it."""


class ExtraKeyJson(ConflictJson):
    """What is kept of a key that is no field."""

    key_base64: NotRequired[str]
    """The key's exact bytes, where it is no UTF-8."""
    conflicts: NotRequired[list[ConflictJson]]
    """What else was said."""


class ProvenanceJson(ObjectJson):
    """Where each value of an answer comes from, what else was said, what was kept beside, and every finding."""

    evidence: EvidenceJson
    """Where it lies."""
    state: NotRequired[str]
    """Which of archive and record are there."""
    archive_name: NotRequired[ArchiveNameJson]
    """What the archive's name tells."""
    fields: dict[str, FieldSourceJson]
    """Each field."""
    extra: dict[str, ExtraKeyJson]
    """Every other key, and those that could not be decoded."""
    findings: list[FindingJson]
    """What was odd."""


# --- one archive ------------------------------------------------------------------------------------------------------


class StepJson(ObjectJson):
    """A line or a part of a file that was read, and what was made of it."""

    place: str
    """``name``, ``file``, ``member`` or ``record``."""
    line: int | None
    """The record's line, from 1."""
    offset: int | None
    """Where it begins: in the record for a line, in the inflated archive for a member."""
    text: str
    """What stands there."""
    meaning: str
    """What was made of it."""


class VerificationJson(PathJson):
    """What came out for one target: an archive, or the account or folder that a root is."""

    local_path: NotRequired[str]
    """The target's path on this machine, where it is another one than the server saw."""
    local_path_base64: NotRequired[str]
    verdict: str
    """The answer."""
    sha256: str | None
    """The file's digest, in hexadecimal; null for an account, and where not all of the file was read."""
    findings: list[JudgedJson]
    """What was found, the most severe first."""


class VerdictsJson(ObjectJson):
    """How many targets and findings there are of each kind."""

    targets: int
    """How many targets there are."""
    verdicts: dict[str, int]
    """How many of them came out how."""
    severities: dict[str, int]
    """How many findings are how severe."""
    verdict: str | None
    """The worst verdict; null without a target."""


class KnownFindingJson(PathJson):
    """A finding that is known: no other has all of this."""

    file: NotRequired[str]
    """The path of the file that it is in, where that is not the target."""
    file_base64: NotRequired[str]
    id: str
    """The stable name of what it is."""
    subject: NotRequired[str]
    """What it is about, where it is about a part of the target."""
    subject_base64: NotRequired[str]
    number: NotRequired[int]
    """Which of several findings it is, where all else is the same; the first has none."""
    sha256: str | None
    """The archive's digest, in hexadecimal; null for an account or a folder."""


class BaselineJson(ObjectJson):
    """A baseline, as ``verify --write-baseline`` writes it."""

    version: int
    """Another one means something else."""
    findings: list[KnownFindingJson]
    """The findings that are known, sorted."""


class BaselineStateJson(ObjectJson):
    """What became of the findings of a baseline."""

    known: int
    """How many findings were met that it has."""
    new: int
    """How many were met that it does not have."""
    absent: list[KnownFindingJson]
    """What it has that is no longer met."""


class VerifyJson(ObjectJson):
    """What ``verify`` answers."""

    targets: list[VerificationJson]
    """Each target."""
    summary: VerdictsJson
    """All of them."""
    baseline: NotRequired[BaselineStateJson]
    """With ``--baseline``: what became of its findings."""


class MemberJson(NameJson):
    """A member of an archive."""

    type: str
    """What it is: file, directory, hard link, …"""
    size: int
    """The length of its content."""
    mode: str
    """Permission bits, octal."""
    uid: int
    """The owner's number."""
    gid: int
    """The group's number."""
    user: str
    """The owner's name."""
    group: str
    """The group's name."""
    mtime: str | None
    """When it was modified; null for a time that no calendar has."""
    link: NotRequired[str]
    """What it is a link to."""
    link_base64: NotRequired[str]
    offset: int
    """Where its header begins in the inflated archive."""
    stored: NotRequired[int]
    """Of a sparse file: how many bytes the archive holds of it."""


class NumberedMemberJson(MemberJson):
    """A member, its number, and its digest where it was asked for."""

    number: int
    """Which member it is, from 1."""
    digest: NotRequired[str | None]
    """In hexadecimal; null where it is no file, or its content is not all there."""


class StreamJson(ObjectJson):
    """A compressed stream of an archive."""

    offset: int
    """Where it begins in the file."""
    inflated_offset: int
    """Where what it holds begins in the inflated archive."""
    inflated: int
    """How long that is."""
    mtime: NotRequired[str | None]
    """The time in its gzip header; null where that is not set."""
    system: NotRequired[str]
    """The system that wrote it, by its gzip header."""
    name: NotRequired[str | None]
    """The file's name in its gzip header."""
    layer: int
    """How many streams it lies in."""
    fault: str | None
    """What is damaged."""


class TableJson(NameJson):
    """A table or view of a dump."""

    type: str
    """What is created: a table or a view."""
    inserts: int
    """How many INSERT statements it has."""
    rows: int
    """How many rows are inserted."""


class DumpJson(ObjectJson):
    """A database dump."""

    is_complete: bool | None
    """Whether it is whole; null where that can't be told."""
    reason: str
    """What tells so."""
    writer: str
    """Who wrote it."""
    left_out: int
    """How many times a table was not kept, because there are too many."""
    tables: list[TableJson]
    """Its tables and views."""


class MembersJson(ObjectJson):
    """What ``members`` answers."""

    path: str
    """The archive's path."""
    members: list[NumberedMemberJson]
    """Its members, in their order."""
    compression: str
    """How it is compressed."""
    size: int
    """The file's length."""
    inflated: int
    """How many bytes of the inflated archive were read."""
    digests: dict[str, str]
    """The file's digests, in hexadecimal."""
    streams: list[StreamJson]
    """Its compressed streams, the first of them."""
    stream_count: int
    """How many there are."""
    member_count: int
    """How many members were read."""
    verdict: str | None
    """Whether it came to its end."""
    reason: str
    """Why not."""
    dump: DumpJson | None
    """Its dump."""
    findings: list[FindingJson]
    """What was odd."""


class ExtractedJson(MemberJson):
    """A member, and what became of it."""

    fate: str
    """What became of it."""
    reason: str | None
    """Why; null where it was written."""


class ExtractionJson(FolderJson):
    """What came out of an extraction."""

    is_kept: bool
    """Whether the folder is there."""
    counts: dict[str, int]
    """How many members had each fate."""
    narrowed: int
    """How many have fewer permissions than in the archive."""
    missing: list[str]
    """The names that were asked for and that no member has."""
    verification: VerificationJson
    """What the archive is judged to be."""


class ExtractJson(ExtractionJson):
    """What ``extract`` answers."""

    members: list[ExtractedJson]
    """What became of each member."""


class NeededDumpJson(DumpJson):
    """A dump, and what a server needs to load it."""

    size: int
    """Its length."""
    longest_statement: int
    """The length of its longest statement."""
    collations: list[str]
    """The collations that it names."""
    definers: list[str]
    """In whose names views, routines, triggers and events work."""
    routines: dict[str, int]
    """How many routines it has of each kind."""


class SiteSizeJson(ObjectJson):
    """How large a site is."""

    size: int
    """The length of its files together."""
    entries: int
    """How many files and folders these are."""
    is_partial: bool
    """Whether there may be more."""


class RoomJson(FolderJson):
    """Whether a folder has room for a site."""

    is_fit: bool
    """Whether the site can be unpacked there."""
    is_enough: bool | None
    """Whether it has room there; null where that can't be told."""
    obstacle: str | None
    """Why no folder can be made there."""
    size: int
    """How many bytes the site takes there, at most."""
    entries: int
    """How many files and folders it has."""
    free_size: int | None
    """How many bytes may be written there; null where that can't be told."""
    free_entries: int | None
    """How many files and folders may be made there; null where that can't be told, or has no end."""


class RestoreNeedsJson(ObjectJson):
    """What a restore of one backup needs."""

    fields: dict[str, ValueJson]
    """What is known of it, by the names of the answer's fields."""
    sources: dict[str, SourceJson]
    """What tells each of these."""
    files: SiteSizeJson
    """The site's files."""
    dump: NeededDumpJson | None
    """The database dump; null where there is none."""
    verification: VerificationJson
    """What the archive is judged to be."""


class NeedsJson(RestoreNeedsJson):
    """What ``needs`` answers."""

    room: RoomJson | None
    """Whether the folder of ``--against`` has room; null without one."""


# --- events -----------------------------------------------------------------------------------------------------------


class ClaimJson(SourceJson):
    """What one witness says of one thing, and where."""

    datetime: str
    """When it happened."""
    timestamp_desc: str
    """What time it is."""


class EventJson(ClaimJson):
    """One thing that happened, as Timesketch imports it."""

    message: str
    """One sentence."""
    timestamp: int
    """When it happened, microseconds since 1970."""
    event: str
    """Its kind."""
    account: str
    """The home, or the folder of archives, as the server saw it."""
    account_base64: NotRequired[str]
    user: str
    """The account's owner."""
    user_base64: NotRequired[str]
    application: NotRequired[str]
    version: NotRequired[str]
    """The application's."""
    url: NotRequired[str]
    """The site's address."""
    install: NotRequired[str]
    """The install's id."""
    backup: NotRequired[str]
    """The backup's id."""
    size: NotRequired[int]
    """The length of the file or member whose time it is."""
    left_out: NotRequired[int]
    """How many other members make no event of their own."""
    witnesses: NotRequired[int]
    """How many witnesses say so."""
    also: NotRequired[list[SourceJson]]
    """Further witnesses who say the same, the first of them."""
    tag: NotRequired[list[str]]
    """Labels."""
    contradicted_by: NotRequired[list[ClaimJson]]
    """What other witnesses say that does not go with this."""
