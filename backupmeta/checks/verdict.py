"""What came out of judging: `Verdict`, `Judged`, `Verification`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from backupmeta.findings import Finding
from backupmeta.vocabulary.kinds import Severity


class Verdict(StrEnum):
    """The answer to "is this backup whole, and is it what its record says?", from the best to the worst."""

    NOT_JUDGED = "not judged"
    """Nobody says that it is a backup, or it is still being written."""
    PASS = "pass"  # noqa: S105 - no password
    """Nothing was found that is as severe as the policy lets fail."""
    FAIL = "fail"
    """Something was."""
    UNREADABLE = "unreadable"
    """It could not be judged: the system refuses, or it is no archive."""


class Judged(NamedTuple):
    """A finding, and how severe it is by the policy."""

    finding: Finding
    severity: Severity


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out for one target: an archive, or the account or folder that a root is.

    Attributes:
        kind: what the target is: an archive, or an account or folder as a whole.
        path: the target's path: as the server saw it, where that is known.
        verdict: the answer.
        sha256: the file's digest, in hexadecimal; None for an account, and where not all of the file was read.
        judged: what was found, the most severe first.
    """

    kind: Literal["archive", "account"]
    path: str
    verdict: Verdict
    sha256: str | None
    judged: tuple[Judged, ...]
