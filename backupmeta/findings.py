"""Findings: what reading and judging met that somebody should know; each is a word of `FINDINGS`."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self

from backupmeta.masking import mask_value
from backupmeta.provenance import Source
from backupmeta.vocabulary.kinds import Group, Severity
from backupmeta.vocabulary.table import FINDINGS
from backupmeta.words import cut

_RECORDS: Final = ".appdata"
_PASSED_OVER: Final = "home-passed-over"
_REFUSED: Final = frozenset({"link-not-followed", "not-a-regular-file"})


class Finding(NamedTuple):
    """One thing that was met.

    Attributes:
        id: a key of `FINDINGS`.
        subject: what it is about: a field, a key, a name; may be empty. A name may have a secret in it: see `masked`.
        detail: the particulars, a phrase; may be empty, and have a secret in it likewise.
        evidence: where it can be seen.
    """

    id: str
    subject: str = ""
    detail: str = ""
    evidence: tuple[Source, ...] = ()

    def __repr__(self) -> str:
        subject, detail = self.masked[1:3]
        return f"Finding(id={self.id!r}, subject={subject!r}, detail={detail!r}, evidence={self.evidence!r})"

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return FINDINGS[self.id].severity

    @property
    def is_unread(self) -> bool:
        """Whether evidence that was asked for could not be read."""
        return FINDINGS[self.id].is_unread

    @property
    def is_grave(self) -> bool:
        """Whether it is told whatever was asked: an error, or a warning about a whole archive or home."""
        is_of_archive = FINDINGS[self.id].group is Group.WHOLE and self.severity is Severity.WARNING
        return is_of_archive or self.hides_records or self.severity is Severity.ERROR

    @property
    def hides_records(self) -> bool:
        """Whether it says that a home's records are not read: what has their name is no folder, or who put it there."""
        return self.id == _PASSED_OVER or (self.id in _REFUSED and self.subject == _RECORDS)

    @property
    def message(self) -> str:
        """One sentence for people; secrets in its names are masked."""
        shown = self.masked
        subject = f"{shown.subject}: " if shown.subject else ""
        detail = f" ({shown.detail})" if shown.detail else ""
        return f"{subject}{FINDINGS[self.id].sentence}{detail}"

    @property
    def masked(self) -> "Finding":
        """The same with the secrets in subject and detail masked: a value, or a name, may stand in either."""
        return self._replace(subject=mask_value(self.subject), detail=mask_value(self.detail))


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
    def of(cls, found: Iterable[Finding]) -> Self:
        """Return those that were ``found``, gathered."""
        gathered = cls()
        for one in found:
            gathered.add(one)
        return gathered

    def __iter__(self) -> Iterator[Finding]:
        for id_, kept in self._kept.items():
            yield from kept
            if (more := self._counts[id_] - len(kept)) > 0:
                yield Finding(id_, "", f"and {more:,} more")
