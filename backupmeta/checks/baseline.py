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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from backupmeta.archive.limits import MIB
from backupmeta.checks.identity import Base, Identity, identified
from backupmeta.checks.policy import Judged, Policy, Verdict, Verification, require_trusted
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.errors import Mistake, PolicyError
from backupmeta.evidence import open_named
from backupmeta.folders import TemporaryDatabase, upwards
from backupmeta.provenance import exact_text, named

if TYPE_CHECKING:
    from backupmeta.json_types import BaselineStateJson, KnownFindingJson

VERSION: Final = 1
"""Of the file: one more wherever a member goes, or means something else; any other is refused."""

_LARGEST: Final = 64 * MIB
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
        self._asked = frozenset(map(base.relative, asked))
        self._places = frozenset(place for finding in self._findings for place in self._upwards(finding.path))
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
            if is_known := _is_comparable(verification) and finding in self._findings:
                self._met.add(finding)
            self.known += is_known
            self.new += not is_known
            yield judgement._replace(is_known=is_known)

    def _note(self, verification: Verification) -> None:
        """Remember whether a target was judged, where the baseline has findings at or below it."""
        path = self._base.of(verification, verification.server_path)
        if path in self._places and verification.verdict not in _JUDGED:
            self._unjudged.add(path)
        elif path in self._places and verification.kind == "archive":
            self._judged.add(path)

    def absent(self) -> list[Identity]:
        """Return the findings that were looked for and are no longer met, in the order of the file."""
        return sorted(filter(self._was_looked_for, self._findings - self._met), key=_key)

    def _was_looked_for(self, finding: Identity) -> bool:
        if (rule := FINDINGS.get(finding.id)) is not None and self._policy.severity(rule) is None:
            return False
        places = self._upwards(finding.path)
        is_below_asked = not self._asked or not self._asked.isdisjoint(places)
        return finding.path in self._judged or (is_below_asked and self._unjudged.isdisjoint(places))

    def _upwards(self, path: str) -> tuple[str, ...]:
        """Return a path from the base on, and the folders that it lies in."""
        if os.path.isabs(path):
            return tuple(upwards(path))
        return (*filter(None, upwards(path)), os.curdir, *upwards(self._base.folder))

    @property
    def line(self) -> str:
        """What became of the findings, in one line."""
        return f"{self.known:,} known, {self.new:,} new, {len(self.absent()):,} no longer met"

    def to_json(self) -> "BaselineStateJson":
        """Return what became of the findings, for JSON."""
        return {"known": self.known, "new": self.new, "absent": list(map(_described, self.absent()))}


def _is_comparable(verification: Verification) -> bool:
    """Return whether findings at a target may be known: it was read and, where it is an archive, digested."""
    is_same = verification.kind == "account" or verification.sha256 is not None
    return is_same and verification.verdict is not Verdict.UNREADABLE


# --- the file ---------------------------------------------------------------------------------------------------------


def load(path: str) -> tuple[Identity, ...]:
    """Return the findings of the baseline at ``path``; it has to be one that `require_trusted` accepts.

    Raises:
        PolicyError: it is no baseline, one of another version, or one that another user could have written.
        LimitExceededError: it is longer than 64 MiB.
        NotRegularError: it is a folder, a FIFO, a device or a socket.
        UnreadableError: it does not exist, or the system refuses.
    """
    from pydantic import TypeAdapter, ValidationError

    from backupmeta.json_types import BaselineJson

    with open_named(path) as file:
        require_trusted(file, "if you trust it, copy it to a file of your own")
        content = file.read_whole("baseline_bytes", _LARGEST)
    try:
        document = TypeAdapter(BaselineJson).validate_json(content)
        if document["version"] == VERSION:
            return tuple(map(_identity, document["findings"]))
        reason = f"is of version {document['version']}, and this program reads version {VERSION}"
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, mistake["loc"]))
        reason = ": ".join(filter(None, ("is no baseline", place, mistake["msg"])))
    except ValueError:
        reason = "is no baseline: the exact bytes of a name are no base64"
    raise PolicyError(path, (Mistake("", reason, _ADVICE),))


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
            if _is_comparable(verification):
                findings = [(_key(finding),) for _, finding in identified(verification, self._base)]
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
