"""Findings: what reading met that somebody should know.

`FINDINGS` is the vocabulary: a stable id, a severity and a sentence each, written once. Code names a finding by
its id, tests and documentation read the table.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from backupmeta.masking import mask_uris
from backupmeta.provenance import Source


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Something that was asked for could not be read."""
    WARNING = "warning"
    """Witnesses disagree, or a value was lost."""
    NOTE = "note"
    """Worth knowing; nothing is wrong by itself."""


class Kind(NamedTuple):
    """One entry of the vocabulary: how severe it is and what it says."""

    severity: Severity
    sentence: str


FINDINGS: Final[dict[str, Kind]] = {
    # record/: the text (FORMAT.md §4)
    "record-empty": Kind(Severity.WARNING, "the record holds no line"),
    "record-bom": Kind(Severity.NOTE, "the record begins with a byte order mark"),
    "record-crlf": Kind(Severity.NOTE, "lines end with CRLF"),
    "record-nul": Kind(Severity.WARNING, "a line holds NUL bytes"),
    "record-no-equals": Kind(Severity.WARNING, "a line is no key=value"),
    "record-duplicate-key": Kind(Severity.WARNING, "a key stands twice; the last one counts"),
    "record-unknown-key": Kind(Severity.NOTE, "a key that the format's description does not know"),
    "value-not-utf8": Kind(Severity.WARNING, "a value is not UTF-8; it is null, its bytes are kept in extra"),
    "value-undecodable": Kind(Severity.WARNING, "a value can't be decoded; it is null, its text is kept in extra"),
    "field-collision": Kind(Severity.WARNING, "a custom field has the name of one of the server's fields"),
    # archive/: the container (FORMAT.md §2)
    "archive-truncated": Kind(Severity.ERROR, "the archive is cut off"),
    "archive-damaged": Kind(Severity.ERROR, "the archive is corrupt"),
    "archive-header-damaged": Kind(Severity.ERROR, "where a member's header should be is none"),
    "archive-checksum-differs": Kind(Severity.ERROR, "the content is not what its checksum or length says"),
    "archive-no-end": Kind(Severity.WARNING, "the archive has no end mark; it may be cut off between two members"),
    "archive-zero-gap": Kind(Severity.WARNING, "a block of zeros stands between two members; most programs stop there"),
    "archive-concatenated": Kind(Severity.WARNING, "members stand behind the end mark; most programs stop there"),
    "archive-trailing-content": Kind(Severity.WARNING, "something else than members stands behind the end mark"),
    "archive-trailing-bytes": Kind(Severity.WARNING, "something else stands behind the compressed stream"),
    "archive-padding": Kind(Severity.NOTE, "zeros stand behind the compressed stream"),
    "archive-multi-volume": Kind(
        Severity.WARNING, "one part of a multi-volume archive; the member's beginning is in another"
    ),
    "archive-unreadable": Kind(Severity.ERROR, "the archive can't be read"),
    "archive-suffix-differs": Kind(Severity.NOTE, "the compression is not the one that the name ends with"),
    "archive-foreign": Kind(Severity.NOTE, "a tar archive without a record, under a name of its own; not a backup"),
    "record-not-first": Kind(Severity.NOTE, "the embedded record is not the archive's first member"),
    "record-not-at-root": Kind(Severity.WARNING, "the only record lies deeper in the archive, not at its root"),
    "record-several": Kind(Severity.WARNING, "the archive holds several records; the one at its root counts"),
    "limit-exceeded": Kind(Severity.ERROR, "something is larger than its limit and was not read"),
    # archive/: its members, and what unpacking them would do
    "member-cut": Kind(Severity.ERROR, "the member's content breaks off"),
    "member-oversized": Kind(Severity.ERROR, "the member claims more bytes than any archive holds"),
    "member-number": Kind(Severity.WARNING, "fields of the member's header hold no number"),
    "member-pax-malformed": Kind(Severity.WARNING, "pax records before the member are malformed, and left out"),
    "member-name-empty": Kind(Severity.WARNING, "the member has no name"),
    "member-name-absolute": Kind(Severity.WARNING, "the member's name is absolute"),
    "member-name-escapes": Kind(Severity.WARNING, "the member's name leads out of the folder that is unpacked into"),
    "member-name-control": Kind(Severity.WARNING, "the member's name holds control characters"),
    "member-name-not-utf8": Kind(Severity.NOTE, "the member's name is not UTF-8"),
    "member-name-duplicate": Kind(Severity.WARNING, "two members have the same name; the later one replaces the other"),
    "member-name-collides": Kind(Severity.WARNING, "two members' names differ only in case or Unicode form"),
    "member-link-escapes": Kind(Severity.WARNING, "the link leads out of the folder that is unpacked into"),
    "member-link-cyclic": Kind(Severity.WARNING, "the link leads back to itself"),
    "member-through-link": Kind(Severity.WARNING, "the member would be written through a link of the same archive"),
    "member-device": Kind(Severity.WARNING, "the member is a device or a FIFO"),
    "member-setuid": Kind(Severity.WARNING, "the member is a file that runs with its owner's or group's rights"),
    "names-not-compared": Kind(Severity.NOTE, "more members than names are compared for"),
    # account/: the home and its name convention (FORMAT.md §1, §3)
    "archive-missing": Kind(Severity.WARNING, "the record's archive is not in the account"),
    "archive-remote": Kind(Severity.NOTE, "the archive is kept at a remote location, which is not looked at"),
    "archive-without-record": Kind(Severity.NOTE, "no backup record names this archive"),
    "archive-claimed-twice": Kind(Severity.WARNING, "several backup records name this archive"),
    "archive-renamed": Kind(Severity.WARNING, "the archive's name is not the one in its record"),
    "name-unconventional": Kind(Severity.NOTE, "the archive's name does not follow the convention"),
    "name-host-differs": Kind(Severity.WARNING, "the name's host is not the one of the record's url"),
    "name-title-differs": Kind(Severity.WARNING, "the name's title is not the record's"),
    "name-time-differs": Kind(Severity.WARNING, "the name's time is no local time of the record's backup-time"),
    "zone-ambiguous": Kind(Severity.NOTE, "the name's local time is ambiguous or does not exist in the given zone"),
    "record-unreadable": Kind(Severity.ERROR, "the record can't be read"),
    "record-name-malformed": Kind(Severity.NOTE, "a file among the records has no id for a name; it was not read"),
    "folder-unreadable": Kind(Severity.ERROR, "the folder can't be read"),
    "link-not-followed": Kind(Severity.WARNING, "a symbolic link below a root is not followed"),
    "not-a-regular-file": Kind(Severity.WARNING, "not a regular file; it was not opened"),
    "place-unreadable": Kind(Severity.WARNING, "a conventional place can't be listed; name homes with --root"),
    "search-depth-reached": Kind(Severity.NOTE, "the search for homes and archives stopped at its depth"),
    # resolve.py: witnesses against each other
    "sources-disagree": Kind(Severity.WARNING, "two sources give different values"),
    "id-from-install": Kind(Severity.NOTE, "no backup record gives the id; it is the install's"),
    "several-matches": Kind(Severity.WARNING, "several backups or installs answer to this; the first one is shown"),
    "live-value-used": Kind(Severity.WARNING, "only the live install tells this; it may have changed since"),
}


class Finding(NamedTuple):
    """One thing that was met.

    Attributes:
        id: a key of `FINDINGS`.
        subject: what it is about: a field, a key, a name; may be empty. Never a value that could be secret.
        detail: the particulars, a phrase; may be empty. Never a value that could be secret.
        evidence: where it can be seen.
    """

    id: str
    subject: str = ""
    detail: str = ""
    evidence: tuple[Source, ...] = ()

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return FINDINGS[self.id].severity

    @property
    def message(self) -> str:
        """One sentence for people; the userinfo of a URI in a name is masked."""
        subject = f"{self.subject}: " if self.subject else ""
        detail = f" ({self.detail})" if self.detail else ""
        return mask_uris(f"{subject}{FINDINGS[self.id].sentence}{detail}")


class Findings:
    """Findings that are gathered while something of any size is read: of each id the first ones, the rest counted."""

    KEPT: Final = 100
    TEXT_KEPT: Final = 256 * 1024
    """Characters of subjects and details; beyond them only the first finding of each id is kept."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}
        self._room = self.TEXT_KEPT

    def add(self, finding: Finding) -> None:
        """Keep ``finding``, or count it where there are many of its id."""
        kept = self._kept.setdefault(finding.id, [])
        self._counts[finding.id] = self._counts.get(finding.id, 0) + 1
        if not kept or (self._room > 0 and len(kept) < self.KEPT):
            kept.append(finding)
            self._room -= len(finding.subject) + len(finding.detail)

    def __iter__(self) -> Iterator[Finding]:
        for id_, kept in self._kept.items():
            yield from kept
            if (more := self._counts[id_] - len(kept)) > 0:
                yield Finding(id_, "", f"and {more:,} more")
