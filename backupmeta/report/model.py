"""`Report`: what a report tells, whatever it is written as. Rows know each other by the catalog's numbers.

Times are Unix seconds, sizes are bytes. Surrogates in paths stand for bytes that are not UTF-8. Secrets are masked: a
catalog holds none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from backupmeta.catalog.database import Scan
from backupmeta.catalog.summary import Summary
from backupmeta.provenance import Source


@dataclass(frozen=True, slots=True)
class Extension:
    """A plugin or a theme: its folder's name, its version, whether it is active; None for what is not known."""

    id: str
    version: str | None
    is_active: bool | None


@dataclass(frozen=True, slots=True)
class ReportedAccount:
    """A home, or a folder of archives that belongs to none.

    Attributes:
        number: its number in the catalog.
        host: the host that it lies on; empty where all are reached from here.
        path: its path on that host.
        seen: its path as the server saw it.
        status: present, vanished, or unreadable.
        installs: how many live installs it has.
        backups: how many backups it has.
        archives: how many archives it has.
        bytes: how large these are.
        newest: when the newest of its backups was made; None where there is none whose time is known.
    """

    number: int
    host: str
    path: str
    seen: str
    status: str
    installs: int
    backups: int
    archives: int
    bytes: int
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReportedInstall:
    """A live install, as its own record tells it.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        created: when it was installed.
        updated: when it was last updated.
        available: the highest version that it can be updated to.
        backups: how many backups of it there are.
        newest: when the newest of them was made.
    """

    number: int
    account: int
    id: str
    application: str | None
    version: str | None
    available: str | None
    title: str | None
    url: str | None
    path: str | None
    user: str | None
    created: int | None
    updated: int | None
    plugins: tuple[Extension, ...]
    themes: tuple[Extension, ...]
    backups: int
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReportedBackup:
    """A backup: its record, its archive, or both.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        install: the number of the live install that it is of; None where that is gone.
        install_id: the id of that install.
        state: paired, missing, remote or unclaimed.
        time: when it was made.
        location: local, a location's id, or a URI.
        archive: the path of its archive, below its account's; None where there is none.
        bytes: how large that is.
        sha256: its digest, where it was scanned deep.
        verdict: pass, fail, unreadable or not judged, where it was scanned deep.
    """

    number: int
    account: int
    install: int | None
    install_id: str | None
    id: str | None
    state: str
    time: int | None
    application: str | None
    version: str | None
    title: str | None
    url: str | None
    path: str | None
    user: str | None
    location: str | None
    note: str | None
    plugins: tuple[Extension, ...]
    themes: tuple[Extension, ...]
    archive: str | None
    bytes: int | None
    sha256: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class ReportedArchive:
    """An archive's file.

    Attributes:
        number: its number in the catalog.
        account: the number of its account.
        backup: the number of the backup that it is of, if any.
        path: its path, below its account's.
        bytes: how large it is.
        modified: when it was modified.
        status: read; passed over, where another one has its name; or the id of the finding that says why not.
        sha256: its digest, where it was scanned deep.
        verdict: pass, fail, unreadable or not judged, where it was scanned deep.
    """

    number: int
    account: int
    backup: int | None
    path: str
    bytes: int
    modified: int
    status: str
    sha256: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding, and what it is about.

    Attributes:
        account: the number of the account; None for a root.
        install: the number of the install, if it is about one.
        backup: the number of the backup, if it is about one.
        id: the id of its rule.
        severity: error, warning or note.
        message: one sentence.
        advice: what to do about it; empty where this version does not know the word.
        evidence: where it can be seen.
    """

    account: int | None
    install: int | None
    backup: int | None
    id: str
    severity: str
    message: str
    advice: str
    evidence: tuple[Source, ...]


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Attributes:
        written: when it was written.
        version: the version of backupmeta that wrote it.
        command: the command line, as it was given.
        catalog: the catalog's path; None where what is told was scanned for this report alone.
        as_of: when the newest scan began, which it tells of.
        oldest: when the scan began that looked last at the account not looked at for longest.
        scans: the last scans, the newest first.
        accounts: the accounts, by path.
        installs: the live installs, account by account.
        backups: the backups, the newest first.
        archives: the archives, account by account.
        findings: the findings, the worst first.
        summary: how much there is of what.
    """

    written: int
    version: str
    command: str
    catalog: str | None
    as_of: int
    oldest: int
    scans: tuple[Scan, ...]
    accounts: tuple[ReportedAccount, ...]
    installs: tuple[ReportedInstall, ...]
    backups: tuple[ReportedBackup, ...]
    archives: tuple[ReportedArchive, ...]
    findings: tuple[ReportedFinding, ...]
    summary: Summary

    @cached_property
    def account_paths(self) -> Mapping[int, str]:
        """The accounts' paths, by number."""
        return {one.number: one.path for one in self.accounts}
