"""The JSON that commands print, as types: what each result's ``to_json`` returns, and `backupmeta schema` describes.

Times are ISO 8601 in UTC, sizes and offsets bytes, unless a member says otherwise. A path or name that is not UTF-8
has its exact bytes, in base64, beside it. Only type checkers and the command import this module.
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


class JudgedJson(FindingJson):
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


class VerifyJson(ObjectJson):
    """What ``verify`` answers."""

    targets: list[VerificationJson]
    """Each target."""
    summary: VerdictsJson
    """All of them."""
