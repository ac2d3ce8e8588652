"""`diff`: what differs between two backups, between a backup and the live install, or between a backup and a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from backupmeta import library, provenance
from backupmeta.account.home import is_id
from backupmeta.account.roots import named
from backupmeta.backup.inspection import Inspection
from backupmeta.comparison.archive_changes import (
    ComparedArchive,
    Contents,
    compared_contents,
    compared_with_site,
    counts_object,
)
from backupmeta.comparison.changes import Changes, compared
from backupmeta.comparison.walks import Site
from backupmeta.errors import AnswerError, UnreadableError, install_not_found
from backupmeta.evidence import is_folder, join_server_path
from backupmeta.findings import Finding
from backupmeta.search import EVERYWHERE, Search
from backupmeta.targets import find_subject, homes_around
from backupmeta.words import recorded_moment
from backupmeta.work.orders import Watch, unwatched
from backupmeta.work.processes import few_processes

if TYPE_CHECKING:
    from backupmeta.json_answers import DiffJson, SideJson

CURRENT: Final = "current"
"""What stands for the live install of the other side's backup."""


class Side(NamedTuple):
    """A or B.

    Attributes:
        name: as it was named.
        inspection: what is known of it.
    """

    name: str
    inspection: Inspection

    def to_json(self) -> "SideJson":
        """Return it for JSON."""
        time = recorded_moment(self.inspection.text("backup_time"))
        return {**provenance.named("path", self.inspection.server_path), "kind": self.inspection.kind, "time": time}


@dataclass(frozen=True)
class Difference:
    """What differs between two sides.

    Attributes:
        a: the one that is compared with.
        b: the other one; or a folder.
        changes: what differs in their metadata.
        contents: what differs in their archives, or in an archive and a folder; None unless these were read.
        findings: what was odd on the way.
    """

    a: Side
    b: Side | Site
    changes: Changes
    contents: Contents | None = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def is_same(self) -> bool:
        """Whether nothing differs that was compared."""
        return not any(self.changes) and (self.contents is None or self.contents.is_same)

    def to_json(self, *, members: bool = True) -> "DiffJson":
        """Return it for JSON, with all ``members`` that differ, which may be many, or without."""
        changes = self.changes.to_json()
        described: DiffJson = {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "is_same": self.is_same,
            "fields": changes["fields"],
            "lists": changes["lists"],
            "extensions": changes["extensions"],
            "findings": [finding.to_json() for finding in self.findings],
        }
        if (contents := self.contents) is None:
            return described
        counts = counts_object(contents.counts, contents.tables)
        described["tables"], described["member_counts"] = counts["tables"], counts["member_counts"]
        if members:
            described["members"] = [change.to_json() for change in contents.members()]
        return described


def diff(
    a: str,
    b: str,
    search: Search = EVERYWHERE,
    *,
    user: str | None = None,
    deep: bool = False,
    watch: Watch = unwatched,
) -> Difference:
    """Return what differs between ``a`` and ``b``.

    Args:
        a: an archive, a record file, an id, an archive's name, or ``current``: the live install of the other side.
        b: the same; or a folder, whose files are compared with the members of the archive of ``a``.
        search: where to look for them, unless they are files.
        user: only what belongs to this owner.
        deep: whether the archives are walked: what differs in their members, and in the tables of their dumps.
        watch: is called with how many more bytes of them were read.

    Raises:
        AnswerError: there is no such backup, no such live install, or ``user`` is not its owner.
        EvidenceError: a file can't be read, or a side has no archive to be walked.
        ValueError: both are ``current``.
    """
    if a == b == CURRENT:
        raise ValueError("both are current; name a backup")
    if (site := site_at(b, search)) is not None:
        return _with_site(a, site, search, user, watch)
    findings = list[Finding]()
    with noting(findings):
        sides = [_side(target, search, user, findings) for target in (a, b) if target != CURRENT]
        if a == CURRENT:
            sides.insert(0, _current(sides[0], search, findings))
        elif b == CURRENT:
            sides.append(_current(sides[0], search, findings))
    before, after = sides
    for side in sides:
        findings += side.inspection.findings
    changes = compared(before.inspection, after.inspection)
    if not deep:
        return Difference(before, after, changes, None, tuple(dict.fromkeys(findings)))
    contents = compared_contents((_archive(before), _archive(after)), search.limits, few_processes(2, watch))
    return Difference(before, after, changes, contents, tuple(dict.fromkeys((*findings, *contents.findings))))


def site_at(target: str, search: Search) -> Site | None:
    """Return the folder that a ``target`` names, also by its path in an image; None where it may be a backup."""
    root = named(target, search.sysroot)
    return Site(root) if target not in {CURRENT, ""} and not is_id(target) and is_folder(root.name) else None


def _with_site(a: str, site: Site, search: Search, user: str | None, watch: Watch) -> Difference:
    """Return what differs between the archive of a backup and a folder, of which there is no record to compare."""
    findings = list[Finding]()
    with noting(findings):
        side = _side(a, search, user, findings)
    contents = compared_with_site(
        _archive(side, "name a backup that has one"), site, search.limits, few_processes(2, watch)
    )
    odd = (*findings, *side.inspection.findings, *contents.findings)
    return Difference(side, site, Changes(), contents, tuple(dict.fromkeys(odd)))


def _side(target: str, search: Search, user: str | None, findings: list[Finding]) -> Side:
    """Return the side that is meant by a ``target``, from its record where its archive is missing."""
    return Side(target, find_subject(target, search, user=user, allow_missing=True, findings=findings))


def _current(other: Side, search: Search, findings: list[Finding]) -> Side:
    return Side(CURRENT, current(other.name, other.inspection, search, findings))


def _archive(side: Side, advice: str = "compare it without --deep, or name two archives") -> ComparedArchive:
    """Return the archive of a ``side``. Raises `UnreadableError` where it has none."""
    if (place := side.inspection.archive) is None:
        raise UnreadableError(side.name, "has no archive here", advice)
    return ComparedArchive(place, side.inspection.server_path)


# --- finding what is to be compared -----------------------------------------------------------------------------------


@contextmanager
def noting(findings: list[Finding]) -> Iterator[None]:
    """Add to an `AnswerError` what could not be read: what was looked for may be there."""
    try:
        yield
    except AnswerError as error:
        for finding in dict.fromkeys(findings):
            if finding.is_unread:
                error.add_note(finding.message)
        raise


def current(target: str, backup: Inspection, search: Search, findings: list[Finding]) -> Inspection:
    """Return what is known of the live install of a ``backup`` that was named as ``target``.

    What could not be read on the way is appended to ``findings``. Raises `AnswerError` where it is gone, or where the
    backup does not say which one it is.
    """
    id_, live = backup.text("backup_install"), None
    for home in homes_around(target, search, findings):
        findings.extend(finding for finding in home.findings if finding.is_unread)
        if id_ in home.installs:
            live = library.inspect_install(home, id_)
            if backup.server_path.startswith(
                join_server_path(home.folder.server_path, "")
            ):  # a copy of the home may lie somewhere else
                return live
    if live is None:
        raise install_not_found(f"the live install of {target!r} is not here: {id_ or 'no record names it'}")
    return live
