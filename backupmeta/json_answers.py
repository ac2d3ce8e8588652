"""As `backupmeta.json_types`: the JSON of comparisons, and of many accounts."""

from typing import NotRequired

from backupmeta.json_types import FindingJson, NameJson, ObjectJson, PathJson, SourceJson, ValueJson

# --- comparison -------------------------------------------------------------------------------------------------------


class SideJson(PathJson):
    """What is compared: a backup, an install, or a folder."""

    kind: str
    """What it is."""
    time: str | None
    """When it was made."""


class SourcesJson(ObjectJson):
    """Who says so in A, and who in B; null where nobody says anything."""

    before: SourceJson | None
    after: SourceJson | None


class FieldChangeJson(NameJson):
    """A field of the answer, or a key that was kept beside it, and what became of its value."""

    what: str
    """Added, removed or changed."""
    is_extra: bool
    """Whether it is a record's key that is no part of the answer."""
    is_secret: NotRequired[bool]
    """Whether what differs must not be shown."""
    before: NotRequired[ValueJson]
    """The value in A."""
    before_base64: NotRequired[str]
    after: NotRequired[ValueJson]
    """The value in B."""
    after_base64: NotRequired[str]
    sources: SourcesJson
    """Who says so."""


class ListChangeJson(NameJson):
    """A list, and the entries that only one side has."""

    added: list[str]
    removed: list[str]
    sources: SourcesJson
    """Who says so."""


class ExtensionStepJson(ObjectJson):
    """One thing that became of a plugin or theme, and its versions where they are known and matter."""

    what: str
    """What became of it."""
    id: str
    """The plugin's or theme's."""
    id_base64: NotRequired[str]
    before: str | None
    """Its version in A."""
    before_base64: NotRequired[str]
    after: str | None
    """Its version in B."""
    after_base64: NotRequired[str]


class ExtensionsChangeJson(NameJson):
    """``plugins`` or ``themes``, and what became of them."""

    steps: list[ExtensionStepJson]
    sources: SourcesJson
    """Who says so."""


class ChangesJson(ObjectJson):
    """What differs between what is known of two backups."""

    fields: list[FieldChangeJson]
    lists: list[ListChangeJson]
    extensions: list[ExtensionsChangeJson]


class EntryJson(NameJson):
    """A member, or a file of a folder, as it is compared."""

    type: str
    """What it is."""
    size: int
    """The length of its content."""
    mode: str
    """Permission bits, octal."""
    mtime: str | None
    """When it was modified; null for a time that no calendar has."""
    link: NotRequired[str]
    """What it is a link to."""
    link_base64: NotRequired[str]
    sha256: str | None
    """Of its content; null where that is not known."""


class MemberChangeJson(ObjectJson):
    """A member that differs."""

    what: str
    """What became of it."""
    by: list[str]
    """By what it differs, where it is on both sides."""
    before: EntryJson | None
    after: EntryJson | None


class RowsJson(ObjectJson):
    """How many rows a table has in A and in B; null where it is not there."""

    before: int | None
    after: int | None


class DefinitionJson(ObjectJson):
    """The lines of a definition that only A has, and those that only B has."""

    removed: list[str]
    added: list[str]


class TableChangeJson(NameJson):
    """A table or view that differs."""

    what: str
    """What became of it."""
    rows: RowsJson
    is_redefined: bool
    """Whether it is there on both sides, and defined otherwise."""
    definition: NotRequired[DefinitionJson]


class ContentsJson(ObjectJson):
    """What differs in two archives."""

    tables: list[TableChangeJson]
    """The tables of the dump that differ."""
    member_counts: dict[str, int]
    """How many members became what."""


class DiffJson(ChangesJson):
    """What ``diff`` answers."""

    a: SideJson
    b: SideJson
    is_same: bool
    """Whether nothing differs that was compared."""
    findings: list[FindingJson]
    """What was odd on the way."""
    tables: NotRequired[list[TableChangeJson]]
    """With ``--deep``: the tables of the dump that differ."""
    member_counts: NotRequired[dict[str, int]]
    """With ``--deep``: how many members became what."""
    members: NotRequired[list[MemberChangeJson]]
    """With ``--deep``: the members that differ."""


class UnreadBackupJson(NameJson):
    """A backup of an install that could not be read."""

    size: int | None
    """The archive's length."""
    trouble: FindingJson | None
    """Why it could not be read."""


class KnownBackupJson(PathJson, NameJson):
    """A backup of an install, or the live install."""

    size: int | None
    """The archive's length."""
    kind: str
    """Whether it is a backup or the install."""
    state: str | None
    """Which of archive and record are there."""
    time: str | None
    """When it was made."""
    version: ValueJson
    """The application's."""
    plugins: int | None
    """How many plugins it has; null where that is not told."""
    changes: ChangesJson | None
    """What changed since the one before."""
    contents: ContentsJson | None
    """With ``--deep``: what changed in the archive."""


class HistoryJson(ObjectJson):
    """What ``history`` answers."""

    install: str
    """The install's id."""
    backups: list[KnownBackupJson | UnreadBackupJson]
    """Its backups, oldest first, and at last the live install where there is one."""


class FollowedBackupJson(PathJson, NameJson):
    """A backup in which files are followed."""

    number: int
    """Which backup it is; the oldest is 0."""
    time: str | None
    """When it was made."""
    is_whole: bool
    """Whether its archive was read to its end."""
    reason: str | None
    """Why not."""


class RunJson(ObjectJson):
    """Consecutive backups in which a file is the same."""

    presence: str
    """Whether it is in them: there, absent, can't tell."""
    first: int
    """The number of the first backup."""
    last: int
    """The number of the last backup."""
    by: list[str]
    """By what it differs from what it was before."""
    member: EntryJson | None
    """What it is."""


class FollowedFileJson(NameJson):
    """A file, along all backups; backups are told by their numbers."""

    last_before: int | None
    """The last backup before it first appeared."""
    last_without: int | None
    """The last backup without it."""
    last_with_first_content: int | None
    """The last backup before it first changed."""
    last_with_earlier_content: int | None
    """The last backup with its earlier content."""
    runs: list[RunJson]


class HistoryFilesJson(ObjectJson):
    """What ``history --member`` answers."""

    install: str
    """The install's id."""
    backups: list[FollowedBackupJson]
    """Its backups, oldest first."""
    files: list[FollowedFileJson]


# --- many accounts ----------------------------------------------------------------------------------------------------


class GoneInstallJson(ObjectJson):
    """An install that is gone; what is told of it is told by its newest backup."""

    id: str
    id_base64: NotRequired[str]
    account: str
    """The account's path on this machine."""
    account_base64: NotRequired[str]
    application: str
    application_base64: NotRequired[str]
    version: str
    version_base64: NotRequired[str]
    url: str
    url_base64: NotRequired[str]
    title: str
    title_base64: NotRequired[str]
    user: str
    user_base64: NotRequired[str]
    path: str
    path_base64: NotRequired[str]
    backups: int
    """How many there are."""
    first_backup_time: str | None
    """When the oldest of them was made."""
    last_backup_time: str | None
    """When the newest one was."""
    last_backup: str
    """The id of that one."""
    last_backup_base64: NotRequired[str]
    archive: str | None
    """The path of its archive on this machine; null where it is not there."""
    archive_base64: NotRequired[str]


class HolderJson(ObjectJson):
    """A backup that has a member."""

    id: str
    """Its id; empty without a record."""
    id_base64: NotRequired[str]
    time: str | None
    """When it was made."""
    user: str
    """Its owner."""
    user_base64: NotRequired[str]
    url: str
    """Its site's address."""
    url_base64: NotRequired[str]
    archive: str
    """The archive's path."""
    archive_base64: NotRequired[str]
    host: str
    """The host that the archive lies on; empty where all are reached from here."""
    host_base64: NotRequired[str]


class MemberMatchJson(NameJson):
    """A member, in consecutive backups in which it is the same."""

    type: str
    """What it is."""
    size: int
    """The length of its content."""
    mode: str
    """Permission bits, octal."""
    mtime: str | None
    """When it was modified; null for a time that no calendar has."""
    algorithm: str
    """How its content was digested."""
    digest: str | None
    """In hexadecimal; null for what is no file, or has not all of its content there."""
    backups: int
    """How many backups have it so."""
    first: HolderJson
    last: HolderJson


class ScanResultJson(ObjectJson):
    """What came out of a scan."""

    accounts: int
    """How many accounts there were."""
    unchanged: int
    """How many of them were as before."""
    unreadable: int
    """How many of them could not be read."""
    vanished: int
    """How many are there no more."""
    archives_read: int
    """How many archives were read."""
    archives_verified: int
    """How many of them to their end."""
    bytes: int
    """How large the archives are."""
    changes: dict[str, dict[str, int]]
    """Of files, installs and backups: how many are new, changed, moved, returned, vanished."""
    unread: dict[str, str]
    """The roots that were not read, and why."""


class ScanJson(ScanResultJson):
    """What ``scan`` answers."""

    catalog: str
    """The catalog's path."""
    is_whole: bool
    """Whether it came to its end, and could read every root."""
    seconds: float
    """How long it took."""


class ProgressJson(ObjectJson):
    """A line of ``scan --json --progress``."""

    accounts: int
    """How many accounts are done."""
    unchanged: int
    """How many of them were as before."""
    archives: int
    """How many archives were read."""
    verified: int
    """How many of them to their end."""
    bytes: int
    """How large the archives are."""
    seconds: float
    """How long it has taken."""
    rate: float
    """Archives a second."""


class ScanRecordJson(ObjectJson):
    """A scan, as its catalog remembers it."""

    number: int
    roots: list[str]
    """Where it looked."""
    began: str
    ended: str | None
    """Null for a scan that was interrupted."""
    unread: list[str]
    """The roots that were not read."""
    is_whole: bool
    """Whether it came to its end, and could read every root."""


class AmountsJson(ObjectJson):
    """How many backups there are of some kind."""

    backups: int
    archives: int
    """How many of them have an archive here."""
    bytes: int
    """How large these are."""


class ApplicationAmountsJson(AmountsJson):
    """The backups of an application."""

    application: str | None
    application_base64: NotRequired[str]


class VersionAmountsJson(ApplicationAmountsJson):
    """The backups of a version."""

    version: str | None
    version_base64: NotRequired[str]


class AgeAmountsJson(AmountsJson):
    """The backups of an age."""

    age: str | None


class MonthAmountsJson(AmountsJson):
    """The backups of a month."""

    month: str | None


class DatedBackupJson(ObjectJson):
    """The oldest or the newest backup."""

    host: str
    """The account's host."""
    host_base64: NotRequired[str]
    account: str
    """The account's path."""
    account_base64: NotRequired[str]
    time: str
    """When it was made."""
    id: str | None
    id_base64: NotRequired[str]
    application: str | None
    application_base64: NotRequired[str]
    version: str | None
    version_base64: NotRequired[str]
    url: str | None
    url_base64: NotRequired[str]


class DuplicatesJson(ObjectJson):
    """Archives that are there more than once."""

    digested: int
    """Of how many archives a digest is known."""
    contents: int
    """How many contents are there more than once."""
    copies: int
    """How many archives could be spared."""
    wasted_bytes: int
    """How large these are."""


class AccountSizeJson(PathJson):
    """An account, and its archives."""

    host: str
    host_base64: NotRequired[str]
    archives: int
    bytes: int
    """How large these are."""


class FindingCountJson(ObjectJson):
    """How often a finding is there."""

    id: str
    severity: str
    times: int


class SummaryJson(ObjectJson):
    """What is in a catalog."""

    as_of: str
    """The moment that ages are as of."""
    scans: list[ScanRecordJson]
    """The last scans, the newest first."""
    accounts: dict[str, int]
    """How many accounts there are, by status."""
    installs: int
    """How many installs there are."""
    gone_installs: int
    """How many more there are backups of."""
    backups: dict[str, int]
    """How many backups there are, by state."""
    archives: int
    """How many archives there are."""
    bytes: int
    """How large these are."""
    oldest: DatedBackupJson | None
    newest: DatedBackupJson | None
    orphans: AmountsJson
    """The backups whose install is gone, in accounts that have installs."""
    duplicates: DuplicatesJson | None
    """Archives that are there more than once; null where no digest is known."""
    largest_accounts: list[AccountSizeJson]
    """The accounts with the largest archives, the largest first."""
    applications: list[ApplicationAmountsJson]
    """The largest first."""
    versions: list[VersionAmountsJson]
    """In the order of versions."""
    ages: list[AgeAmountsJson]
    """The newest first."""
    growth: list[MonthAmountsJson]
    """By month, the oldest first."""
    findings: list[FindingCountJson]
    """The worst first."""


class StatsJson(SummaryJson):
    """What ``stats`` answers."""

    catalog: str
    """The catalog's path."""


class FindingKindJson(FindingCountJson):
    """How often a finding is there, and what it says."""

    sentence: str
    """What it says."""
    advice: str
    """What to do about it."""


class SparedJson(ObjectJson):
    """The copies of archives that could be spared."""

    copies: int
    bytes: int
    """How large these are."""


class ReportSummaryJson(ObjectJson):
    """How much there is of what."""

    accounts: dict[str, int]
    installs: int
    gone_installs: int
    backups: dict[str, int]
    orphans: int
    archives: int
    bytes: int
    digested: int
    """Of how many archives a digest is known."""
    verdicts: dict[str, int]
    duplicates: SparedJson
    oldest: str | None
    """When the oldest backup was made."""
    newest: str | None
    """When the newest backup was made."""
    severities: dict[str, int]
    contradictions: dict[str, int]
    """Findings that say that evidence contradicts itself, by severity."""
    kinds: list[FindingKindJson]
