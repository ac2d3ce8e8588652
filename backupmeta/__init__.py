"""A backup's metadata as the Installatron server would give it, from the files alone.

``import backupmeta`` offers what the command line does, typed, without printing or exiting::

    >>> import backupmeta
    >>> response = backupmeta.view("app_example-com_My-blog-2_2024-06-13_20-55-21.tar.gz")  # doctest: +SKIP
    >>> response.data.version  # doctest: +SKIP
    '6.5.4'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from backupmeta.account.home import State as State
    from backupmeta.api.models import Backup as Backup
    from backupmeta.api.models import Install as Install
    from backupmeta.api.models import Response as Response
    from backupmeta.archive.dump import Dump as Dump
    from backupmeta.archive.dump import DumpState as DumpState
    from backupmeta.archive.dump import Table as Table
    from backupmeta.archive.limits import Limits as Limits
    from backupmeta.archive.member import Member as Member
    from backupmeta.backup.inspection import GoneInstall as GoneInstall
    from backupmeta.backup.inspection import Inspection as Inspection
    from backupmeta.catalog.progress import ScanResult as ScanResult
    from backupmeta.catalog.queries import Export as Export
    from backupmeta.catalog.queries import Query as Query
    from backupmeta.catalog.queries import export as export
    from backupmeta.catalog.queries import find as find
    from backupmeta.catalog.report import Report as Report
    from backupmeta.catalog.report import report as report
    from backupmeta.catalog.scanning import scan as scan
    from backupmeta.catalog.summary import Summary as Summary
    from backupmeta.catalog.summary import stats as stats
    from backupmeta.checks.checked_backup import CheckedBackup as CheckedBackup
    from backupmeta.checks.policy import Policy as Policy
    from backupmeta.checks.policy import Verdict as Verdict
    from backupmeta.checks.policy import Verification as Verification
    from backupmeta.comparison.diff import Difference as Difference
    from backupmeta.comparison.diff import diff as diff
    from backupmeta.comparison.history import History as History
    from backupmeta.comparison.history import history as history
    from backupmeta.errors import AnswerError as AnswerError
    from backupmeta.errors import BackupMetaError as BackupMetaError
    from backupmeta.errors import CatalogError as CatalogError
    from backupmeta.errors import EvidenceError as EvidenceError
    from backupmeta.errors import OutputError as OutputError
    from backupmeta.events.claims import Event as Event
    from backupmeta.events.timeline import timeline as timeline
    from backupmeta.extraction.extract import Extraction as Extraction
    from backupmeta.extraction.extract import Fate as Fate
    from backupmeta.extraction.extract import MemberResult as MemberResult
    from backupmeta.extraction.needs import Needs as Needs
    from backupmeta.extraction.needs import Room as Room
    from backupmeta.findings import Finding as Finding
    from backupmeta.findings import FindingRule as FindingRule
    from backupmeta.findings import Group as Group
    from backupmeta.findings import Severity as Severity
    from backupmeta.library import inspect_archive as inspect_archive
    from backupmeta.library import list_backups as list_backups
    from backupmeta.library import list_gone_installs as list_gone_installs
    from backupmeta.library import list_installs as list_installs
    from backupmeta.reading import OpenArchive as OpenArchive
    from backupmeta.reading import TableStatement as TableStatement
    from backupmeta.reading import open_archive as open_archive
    from backupmeta.reading import verify_archive as verify_archive
    from backupmeta.search import Period as Period
    from backupmeta.search import Search as Search
    from backupmeta.targets import view as view
    from backupmeta.targets import view_install as view_install
    from backupmeta.verification import verify as verify

__version__ = "0.1.0"

_NAMES: Final = {
    "account.home": ("State",),
    "api.models": ("Backup", "Install", "Response"),
    "archive.dump": ("Dump", "DumpState", "Table"),
    "archive.limits": ("Limits",),
    "archive.member": ("Member",),
    "backup.inspection": ("GoneInstall", "Inspection"),
    "catalog.progress": ("ScanResult",),
    "catalog.queries": ("Export", "Query", "export", "find"),
    "catalog.report": ("Report", "report"),
    "catalog.scanning": ("scan",),
    "catalog.summary": ("Summary", "stats"),
    "checks.checked_backup": ("CheckedBackup",),
    "checks.policy": ("Policy", "Verdict", "Verification"),
    "comparison.diff": ("Difference", "diff"),
    "comparison.history": ("History", "history"),
    "errors": ("AnswerError", "BackupMetaError", "CatalogError", "EvidenceError", "OutputError"),
    "events.claims": ("Event",),
    "events.timeline": ("timeline",),
    "extraction.extract": ("Extraction", "Fate", "MemberResult"),
    "extraction.needs": ("Needs", "Room"),
    "findings": ("Finding", "FindingRule", "Group", "Severity"),
    "library": ("inspect_archive", "list_backups", "list_gone_installs", "list_installs"),
    "reading": ("OpenArchive", "TableStatement", "open_archive", "verify_archive"),
    "search": ("Period", "Search"),
    "targets": ("view", "view_install"),
    "verification": ("verify",),
}
"""The public names, by the modules that they stand in."""
_HOMES: Final = {name: module for module, names in _NAMES.items() for name in names}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> object:
    """Import what is asked for, when it is asked for: ``backupmeta --version`` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
