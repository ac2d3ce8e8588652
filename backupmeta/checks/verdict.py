"""What comes out of judging: `Verdict`, `Judged`, `Verification`; how a policy makes them of findings."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from backupmeta.checks.policy import Policy
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Severity


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


_SEVERITIES: Final = list(Severity)
_IDS: Final = list(FINDINGS)


def judge(findings: Iterable[Finding], policy: Policy) -> tuple[Judged, ...]:
    """Return the findings that ``policy`` asks for, the most severe first, else in the order of `FINDINGS`."""
    asked = ((finding, policy.severity(finding.id)) for finding in findings)
    kept = [Judged(finding, severity) for finding, severity in asked if severity is not None]
    return tuple(
        sorted(kept, key=lambda judgement: (_SEVERITIES.index(judgement.severity), _IDS.index(judgement.finding.id)))
    )


def verdict_of(judged: Iterable[Judged], policy: Policy) -> Verdict:
    """Return whether something is as severe as ``policy`` lets fail."""
    return Verdict.FAIL if any(policy.fails(judgement.severity) for judgement in judged) else Verdict.PASS
