"""Findings: what reading and judging met that somebody should know, and the rule that each is of."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from backupmeta.provenance import Source, display, located
from backupmeta.secrets import mask_value
from backupmeta.words import cut

if TYPE_CHECKING:
    from backupmeta.json_types import FindingJson

_RECORDS: Final = ".appdata"
_PASSED_OVER: Final = "home-passed-over"
_REFUSED: Final = frozenset({"link-not-followed", "not-a-regular-file"})


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Something is missing or broken, could not be read, or would do harm."""
    WARNING = "warning"
    """Witnesses disagree, or a value was lost."""
    NOTE = "note"
    """Worth knowing; nothing is wrong by itself."""

    @property
    def rank(self) -> int:
        """How many severities are worse."""
        return list(Severity).index(self)


class Group(StrEnum):
    """What is asked of a backup; each finding answers one of these."""

    WHOLE = "whole"
    """Is the archive whole, from its first to its last byte?"""
    SAFE = "safe"
    """Would unpacking it do harm?"""
    RECORD = "record"
    """Can the record be read, and do the witnesses agree?"""
    WITNESSES = "witnesses"
    """Do the witnesses of one moment agree: records, members, the archive's own file?"""
    CONTENTS = "contents"
    """Is in the archive what the record lists?"""
    RESTORE = "restore"
    """What does a restore of the dump need?"""
    APPLICATION = "application"
    """Is the application the one that the record names?"""
    ACCOUNT = "account"
    """Is in the account what belongs together, and as much as its schedule asks for?"""


class FindingRule(NamedTuple):
    """What findings of one id have in common.

    Attributes:
        group: what it answers.
        severity: how much it matters.
        id: its stable name.
        sentence: what it says.
        advice: what to do about it, a sentence.
        is_unread: whether evidence that was asked for could not be read.
        is_contradiction: whether it says that two pieces of evidence contradict each other.
    """

    group: Group
    severity: Severity
    id: str
    sentence: str
    advice: str
    is_unread: bool = False
    is_contradiction: bool = False

    def __hash__(self) -> int:
        return hash(self.id)


class _FindingFields(NamedTuple):
    rule: FindingRule
    subject: str
    detail: str
    evidence: tuple[Source, ...]


class Finding(_FindingFields):
    """What was met at one place. A value or a name with a secret in it may stand in its words: they are masked.

    Attributes:
        rule: what it is.
        subject: what it is about: a field, a key, a name; may be empty.
        detail: the particulars, a phrase; may be empty.
        evidence: where it can be seen.
    """

    __slots__ = ()

    def __new__(cls, rule: FindingRule, subject: str = "", detail: str = "", evidence: tuple[Source, ...] = ()) -> Self:
        """Return the finding, secrets in its words masked."""
        return super().__new__(cls, rule, mask_value(subject), mask_value(detail), evidence)

    def __repr__(self) -> str:
        return f"Finding(id={self.id!r}, subject={self.subject!r}, detail={self.detail!r}, evidence={self.evidence!r})"

    @property
    def id(self) -> str:
        """The stable name of what it is."""
        return self.rule.id

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.rule.severity

    @property
    def is_unread(self) -> bool:
        """Whether evidence that was asked for could not be read."""
        return self.rule.is_unread

    @property
    def is_doubt(self) -> bool:
        """Whether lists tell it beside what it is about: an error or a warning, or that records are hidden."""
        return self.severity is not Severity.NOTE or self.hides_records

    @property
    def is_grave(self) -> bool:
        """Whether it is told whatever was asked: an error, or a warning about a whole archive or home."""
        is_of_archive = self.rule.group is Group.WHOLE and self.severity is Severity.WARNING
        return is_of_archive or self.hides_records or self.severity is Severity.ERROR

    def to_json(self) -> "FindingJson":
        """Return it for JSON, with all its evidence."""
        evidence = list(map(located, self.evidence))
        return {"id": self.id, "severity": self.severity, "message": display(self.message), "evidence": evidence}

    def is_seen_at(self, path: str) -> bool:
        """Return whether the file at ``path`` is part of its evidence."""
        return any(source.path == path for source in self.evidence)

    @property
    def hides_records(self) -> bool:
        """Whether it says that a home's records are not read: what has their name is no folder, or who put it there."""
        return self.id == _PASSED_OVER or (self.id in _REFUSED and self.subject == _RECORDS)

    @property
    def message(self) -> str:
        """One sentence for people."""
        subject = f"{self.subject}: " if self.subject else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{subject}{self.rule.sentence}{detail}"

    def at_path(self, path: str) -> "Finding":
        """Return the same with the ``path`` of the file in its subject, which may be its name, or a folder above."""
        if mask_value(path) in self.subject or (self.subject and path.startswith(f"{self.subject}/")):
            return self
        if self.subject and path.endswith(f"/{self.subject}"):
            return self._replace(subject=path)
        return Finding(self.rule, ": ".join(filter(None, (path, self.subject))), self.detail, self.evidence)

    def at_evidence(self) -> "Finding":
        """Return the same with the path of its first evidence in its subject."""
        return self.at_path(self.evidence[0].path) if self.evidence else self

    def in_file(self, path: str) -> "Finding":
        """Return the same, all of its evidence in the file at ``path``: such as an archive as the server saw it."""
        return self._replace(evidence=tuple(source._replace(path=path) for source in self.evidence))


class Findings:
    """Findings that are gathered while something of any size is read: of each id the first ones, the rest counted."""

    KEPT: Final = 100
    LONGEST: Final = 500
    """How many characters of a detail are kept: what is longer was made to be."""
    TEXT_KEPT: Final = 256 * 1024
    """Characters of subjects and details; beyond them only the first finding of each id is kept."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}
        self._room = self.TEXT_KEPT

    def add(self, finding: Finding) -> None:
        """Keep ``finding``, or count it where there are many of its id."""
        if len(finding.detail) > self.LONGEST:
            finding = finding._replace(detail=cut(finding.detail, self.LONGEST))
        kept = self._kept.setdefault(finding.id, [])
        self._counts[finding.id] = self._counts.get(finding.id, 0) + 1
        if not kept or (self._room > 0 and len(kept) < self.KEPT):
            kept.append(finding)
            self._room -= len(finding.subject) + len(finding.detail)

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Self:
        """Return the ``findings``, gathered."""
        gathered = cls()
        for finding in findings:
            gathered.add(finding)
        return gathered

    def __iter__(self) -> Iterator[Finding]:
        for id_, kept in self._kept.items():
            yield from kept
            if (more := self._counts[id_] - len(kept)) > 0:
                yield Finding(kept[0].rule, "", f"and {more:,} more")
