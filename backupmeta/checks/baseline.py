"""Baselines: findings that somebody knows of and accepts, as ``verify --write-baseline`` writes them.

A finding is known where its `Identity` is in the baseline: the same path, from the base folder on, the same digest of
the archive, id and subject. So an archive whose bytes changed has no known finding, nor has one without a digest, whose
bytes nobody can compare. An account or a folder has no digest: what is known of it stays so as long as it is met. Of a
target that can't be read nothing is known, whatever a baseline says; so it never passes.

A finding of the baseline that was not met is no longer met where it was looked for: the policy asks for it, and its
archive was judged, or it lies at or below what was asked for, and nothing on the way to it could not be read.

The file is JSON, a line a finding, sorted: ``backupmeta schema baseline`` describes it.
"""

import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from backupmeta.archive.limits import MIB
from backupmeta.checks.identity import Base, Identity, identified
from backupmeta.checks.policy import Judged, Policy, Verdict, Verification, require_trusted, shown
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.errors import Mistake, PolicyError
from backupmeta.evidence import open_named
from backupmeta.folders import TemporaryDatabase
from backupmeta.masking import MASK
from backupmeta.provenance import exact_text, named
from backupmeta.words import cut

if TYPE_CHECKING:
    from backupmeta.json_types import BaselineStateJson, KnownFindingJson

VERSION: Final = 1
"""Of the file: one more wherever a member goes, or means something else; any other is refused."""

_LARGEST: Final = 32 * MIB
_MOST_MEMBERS: Final = 16
"""How many members a finding of a baseline may have; it has nine at most."""
_LONGEST_REASON: Final = 200
"""How many characters of a reason are shown; names of members are in it."""
_ADVICE: Final = "'backupmeta verify --write-baseline FILE' writes one"
_JUDGED: Final = frozenset({Verdict.PASS, Verdict.FAIL})


class Baseline:
    """The findings that are known, and what became of them in one run of ``verify``.

    Attributes:
        known: how many findings were met that are known.
        new: how many were met that are not.
    """

    def __init__(self, findings: Iterable[Identity], base: Base, policy: Policy, asked: Sequence[str] = ()) -> None:
        """Know the ``findings``, from a ``base`` on; by ``policy`` what is ``asked`` for is judged, or else all."""
        self.known: int = 0
        self.new: int = 0
        self._findings = frozenset(findings)
        self._base = base
        self._policy = policy
        self._asked = _tops(self._whole(base.relative(path)) for path in asked)
        self._paths = sorted({self._whole(finding.path) for finding in self._findings})
        self._met = set[Identity]()
        self._judged = set[str]()
        self._unjudged = set[str]()

    def compared(self, verifications: Iterable[Verification]) -> Iterator[Verification]:
        """Yield the ``verifications``, each finding known or new; a target all of whose failures are known passes."""
        for verification in verifications:
            judged = tuple(self._compared(verification))
            fails = any(self._policy.fails(judgement.severity) and not judgement.is_known for judgement in judged)
            passes = verification.verdict is Verdict.FAIL and not fails
            self._note(verification)
            yield replace(verification, judged=judged, verdict=Verdict.PASS if passes else verification.verdict)

    def _compared(self, verification: Verification) -> Iterator[Judged]:
        """Yield the findings at a target, each known or new."""
        for judgement, finding in identified(verification, self._base):
            if is_known := _is_comparable(verification, finding) and finding in self._findings:
                self._met.add(finding)
            self.known += is_known
            self.new += not is_known
            yield judgement._replace(is_known=is_known)

    def _note(self, verification: Verification) -> None:
        """Remember whether a target was judged, where the baseline has findings at or below it."""
        path = self._base.of(verification, verification.server_path)
        whole = self._whole(path)
        first = bisect_left(self._paths, whole)
        if not any(known.startswith(whole) for known in self._paths[first : first + 1]):
            return
        if verification.verdict not in _JUDGED:
            self._unjudged.add(whole)
        elif verification.kind == "archive":
            self._judged.add(path)

    def absent(self) -> list[Identity]:
        """Return the findings that were looked for and are no longer met, in the order of the file."""
        unjudged = _tops(self._unjudged)
        missed = (finding for finding in self._findings - self._met if self._was_looked_for(finding, unjudged))
        return sorted(missed, key=_key)

    def _was_looked_for(self, finding: Identity, unjudged: Sequence[str]) -> bool:
        if (rule := FINDINGS.get(finding.id)) is not None and self._policy.severity(rule) is None:
            return False
        whole = self._whole(finding.path)
        is_below_asked = not self._asked or _is_below(whole, self._asked)
        return finding.path in self._judged or (is_below_asked and not _is_below(whole, unjudged))

    def _whole(self, path: str) -> str:
        """Return a path from the base on as an absolute one, which ends with ``/``: those below it begin so."""
        whole = self._base.folder if path == os.curdir else os.path.join(self._base.folder, path)
        return whole.replace(os.sep, "/").rstrip("/") + "/"

    @property
    def line(self) -> str:
        """What became of the findings, in one line."""
        return f"{self.known:,} known, {self.new:,} new, {len(self.absent()):,} no longer met"

    def to_json(self) -> "BaselineStateJson":
        """Return what became of the findings, for JSON."""
        return {"known": self.known, "new": self.new, "absent": list(map(_described, self.absent()))}


def _tops(places: Iterable[str]) -> list[str]:
    """Return those of the ``places`` that lie in none of the others, sorted."""
    tops: list[str] = []
    for place in sorted(places):
        if not tops or not place.startswith(tops[-1]):
            tops.append(place)
    return tops


def _is_below(path: str, tops: Sequence[str]) -> bool:
    """Return whether a path is one of the ``tops``, as `_tops` gives them, or lies in one."""
    return any(path.startswith(top) for top in tops[: bisect_right(tops, path)][-1:])


def _is_comparable(verification: Verification, finding: Identity) -> bool:
    """Return whether a ``finding`` at a target may be known: that was read, and is the same as far as is known.

    An archive's digest tells that; of an account its path does, unless a secret is masked in it: so others have it,
    too.
    """
    is_same = MASK not in finding.path if verification.kind == "account" else verification.sha256 is not None
    return is_same and verification.verdict is not Verdict.UNREADABLE


# --- the file ---------------------------------------------------------------------------------------------------------


def load(path: str) -> tuple[Identity, ...]:
    """Return the findings of the baseline at ``path``; it has to be one that `require_trusted` accepts.

    Raises:
        PolicyError: it is no baseline, one of another version, or one that another user could have written.
        LimitExceededError: it is longer than 32 MiB.
        NotRegularError: it is a folder, a FIFO, a device or a socket.
        UnreadableError: it does not exist, or the system refuses.
    """
    from pydantic_core import from_json

    with open_named(path) as file:
        require_trusted(file, "if you trust it, copy it to a file of your own")
        content = file.read_whole("baseline_bytes", _LARGEST)
    try:
        return tuple(_findings(from_json(content)))
    except _NoBaselineError as error:
        reason = str(error)
    except ValueError as error:
        reason = f"is no baseline: {error}"
    raise PolicyError(path, (Mistake("", cut(reason, _LONGEST_REASON), _ADVICE),))


class _NoBaselineError(Exception):
    """What was read is no baseline, or another version's; its text is a phrase."""


def _findings(document: object) -> Iterator[Identity]:
    """Yield the findings of a baseline. The first mistake is the last: pydantic would gather millions."""
    from pydantic import TypeAdapter, ValidationError

    from backupmeta.json_types import KnownFindingJson

    finding_type = TypeAdapter(KnownFindingJson)
    for number, described in enumerate(_described_in(document)):
        try:
            yield _identity(finding_type.validate_python(described))
        except ValidationError as error:
            mistake = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, ("findings", number, *mistake["loc"])))
            raise _NoBaselineError(f"is no baseline: {place}: {mistake['msg']}") from None
        except ValueError:
            raise _NoBaselineError("is no baseline: the exact bytes of a name are no base64") from None


def _described_in(document: object) -> Iterator[object]:
    """Yield what should be the findings of a baseline."""
    match document:
        case {"version": int(version)} if version != VERSION:
            raise _NoBaselineError(f"is of version {shown(version)}, and this program reads version {VERSION}")
        case {"version": int(), "findings": list(findings), **others} if not others:
            for number, described in enumerate(findings):
                if isinstance(described, dict) and len(described) > _MOST_MEMBERS:
                    raise _NoBaselineError(f"is no baseline: findings.{number}: it has too many members")
                yield described
        case _:
            raise _NoBaselineError('is no baseline: it is not {"version": …, "findings": […]}')


class KnownFindings:
    """The findings of a baseline that is to be written, which pass through; memory does not grow with them.

    Attributes:
        targets: how many targets were judged.
    """

    def __init__(self, base: Base) -> None:
        """Name files from a ``base`` on."""
        self.targets: int = 0
        self._base = base
        self._kept = TemporaryDatabase("CREATE TABLE known (finding TEXT PRIMARY KEY) WITHOUT ROWID")

    def taking(self, verifications: Iterable[Verification]) -> Iterator[Verification]:
        """Yield the ``verifications``; keep the findings at those that can be compared."""
        for verification in verifications:
            self.targets += verification.verdict in _JUDGED
            known = (finding for _, finding in identified(verification, self._base))
            findings = [(_key(finding),) for finding in known if _is_comparable(verification, finding)]
            self._kept.insert("INSERT OR IGNORE INTO known (finding) VALUES (?)", findings)
            yield verification

    def to_json(self) -> "Iterator[KnownFindingJson]":
        """Yield the findings for JSON, in the order of the file."""
        for (finding,) in self._kept.rows("SELECT finding FROM known ORDER BY finding"):
            yield json.loads(finding)


def _key(finding: Identity) -> str:
    """Return what findings are in order by: paths first."""
    return json.dumps(_described(finding))


def _described(finding: Identity) -> "KnownFindingJson":
    """Return a finding for JSON; what is empty, and a number that is 1, are left out."""
    described: dict[str, object] = {**named("path", finding.path)}
    if finding.file:
        described |= named("file", finding.file)
    described["id"] = finding.id
    if finding.subject:
        described |= named("subject", finding.subject)
    if finding.number > 1:
        described["number"] = finding.number
    return cast("KnownFindingJson", {**described, "sha256": finding.sha256})


def _identity(described: Mapping[str, Any]) -> Identity:
    """Return the finding that `_described` has described."""
    path, file, subject = (exact_text(described, key) for key in ("path", "file", "subject"))
    return Identity(path, file, described["sha256"], described["id"], subject, described.get("number", 1))
