"""The findings of reading: what an archive, a record or an account can be, and what to do about it.

The findings of the checks stand beside the checks, in `backupmeta.checks`; `backupmeta.checks.rulebook` has all.
"""

from functools import partial
from typing import Final

from backupmeta.findings import FindingRule, Group, Severity

# --- Is the archive whole? Its container, from the first to the last byte (FORMAT.md §2) ------------------------------

_whole_error = partial(FindingRule, Group.WHOLE, Severity.ERROR, is_unread=True)
_whole_refused = partial(FindingRule, Group.WHOLE, Severity.ERROR)
_whole_warning = partial(FindingRule, Group.WHOLE, Severity.WARNING)
_whole_note = partial(FindingRule, Group.WHOLE, Severity.NOTE)
_AGAIN: Final = "fetch the archive again, or compare its digest with the original's"
_LOOK: Final = "look at it with 'backupmeta members': the real writer leaves nothing like it"

ARCHIVE_TRUNCATED: Final = _whole_error(
    "archive-truncated", "the archive is cut off", f"{_AGAIN}; if it is still being written, wait"
)
ARCHIVE_DAMAGED: Final = _whole_error("archive-damaged", "the archive is corrupt", _AGAIN)
ARCHIVE_HEADER_DAMAGED: Final = _whole_error(
    "archive-header-damaged", "where a member's header should be is none", _AGAIN
)
ARCHIVE_CHECKSUM_DIFFERS: Final = _whole_error(
    "archive-checksum-differs", "the content is not what its checksum or length says", _AGAIN
)
ARCHIVE_GROWING: Final = _whole_note(
    "archive-growing", "the archive is being written", "verify it again once nobody writes it"
)
ARCHIVE_RECENT: Final = _whole_note(
    "archive-recent",
    "the archive is not whole, and was written to a moment ago",
    "it may still be being written: verify it later",
)
ARCHIVE_NO_END: Final = _whole_warning(
    "archive-no-end",
    "the archive has no end mark; it may be cut off between two members",
    "compare the number of members with the original's",
)
ARCHIVE_ZERO_GAP: Final = _whole_warning(
    "archive-zero-gap",
    "a block of zeros stands between two members, and most programs stop there; earlier versions of PHP's"
    " Archive_Tar leave one after files of certain sizes",
    "compare its members with the record's list-files: where all of them are there, nothing is missing",
)
ARCHIVE_CONCATENATED: Final = _whole_warning(
    "archive-concatenated", "members stand after the end mark; most programs stop there", _LOOK
)
ARCHIVE_TRAILING_CONTENT: Final = _whole_warning(
    "archive-trailing-content", "something else than members stands after the end mark", _LOOK
)
ARCHIVE_TRAILING_BYTES: Final = _whole_warning(
    "archive-trailing-bytes", "something else stands after the compressed stream", _LOOK
)
ARCHIVE_LEADING_BYTES: Final = _whole_refused(
    "archive-leading-bytes",
    "bytes stand before the archive; no program unpacks it so",
    "cut them off ('tail -c +54 FILE' leaves 53 bytes out), and find out what sent them",
)
ARCHIVE_COMPRESSED_TWICE: Final = _whole_refused(
    "archive-compressed-twice",
    "the archive is compressed twice; GNU tar finds no member in it",
    "unpack it once, and use the result",
)
ARCHIVE_ZEROS_BETWEEN: Final = _whole_warning(
    "archive-zeros-between",
    "zeros stand between compressed streams; many programs stop there, and lose what comes after",
    "cut them out before it is restored; 'backupmeta members' lists what would be lost",
)
ARCHIVE_PADDING_REFUSED: Final = _whole_warning(
    "archive-padding-refused",
    "zeros stand after the compressed stream; the format's own program calls that corrupt",
    "cut them off before the archive is tested or restored",
)
ARCHIVE_CHECK_UNSUPPORTED: Final = _whole_warning(
    "archive-check-unsupported",
    "the xz stream has a check that is not known here; its content could not be verified",
    "compare the archive's digest with the original's",
)
ARCHIVE_CHECK_NONE: Final = _whole_note(
    "archive-check-none",
    "the xz stream has no check; damage to its content would not show",
    "compare the archive's digest with the original's",
)
ARCHIVE_PADDING: Final = _whole_note(
    "archive-padding", "zeros stand after the compressed stream", "nothing: tapes and block devices leave them"
)
ARCHIVE_MULTI_VOLUME: Final = _whole_warning(
    "archive-multi-volume",
    "one part of a multi-volume archive; the member's beginning is in another",
    "find the other volumes",
)
ARCHIVE_UNREADABLE: Final = _whole_error(
    "archive-unreadable", "the archive can't be read", "name what is there, make it readable, or fetch it again"
)
ARCHIVE_SUFFIX_DIFFERS: Final = _whole_note(
    "archive-suffix-differs",
    "the compression is not the one that the name ends with",
    "nothing: it is read by its content",
)
ARCHIVE_FOREIGN: Final = _whole_note(
    "archive-foreign",
    "no Installatron backup: a tar archive without a record, under a name of its own; it was not judged",
    "nothing, unless it should be one: then its record was taken out",
)
ARCHIVE_NOT_JUDGED: Final = _whole_note(
    "archive-not-judged",
    "no Installatron backup: a tar archive by its content alone, without a record; it was not judged",
    "nothing, unless it should be one: then its record was taken out",
)
MEMBER_CUT: Final = _whole_error("member-cut", "the member's content breaks off", _AGAIN)
MEMBER_NOT_COMPARED: Final = _whole_error(
    "member-not-compared", "the content could not be read on both sides, and was not compared", _AGAIN
)
MEMBER_SPARSE_MAP: Final = _whole_error(
    "member-sparse-map", "the content of the sparse file can't be told, and was not judged", _AGAIN
)
MEMBER_LINK_UNRESOLVED: Final = _whole_error(
    "member-link-unresolved",
    "no file that the hard link could be is before it; its content can't be told, and was not judged",
    "look for the target in another backup",
)
MEMBER_OVERSIZED: Final = _whole_error(
    "member-oversized", "the member claims more bytes than any archive holds", _AGAIN
)
MEMBER_NUMBER: Final = _whole_warning("member-number", "fields of the member's header hold no number", _LOOK)
MEMBER_PAX_MALFORMED: Final = _whole_warning(
    "member-pax-malformed", "pax records before the member are malformed, and left out", _LOOK
)

# --- Would unpacking it do harm? Names, links, kinds and sizes of members ---------------------------------------------

_safe_error = partial(FindingRule, Group.SAFE, Severity.ERROR)
_safe_warning = partial(FindingRule, Group.SAFE, Severity.WARNING)
_safe_note = partial(FindingRule, Group.SAFE, Severity.NOTE)
_LEAVE_OUT: Final = "leave the member out when unpacking; no backup of an application has one"
_WHICH: Final = "decide which of the two is meant before unpacking"

LIMIT_EXCEEDED: Final = _safe_error(
    "limit-exceeded",
    "something is larger than its limit and was not read",
    "give it a higher --bound if you trust the archive",
    is_unread=True,
)
MEMBER_READINGS_DIFFER: Final = _safe_warning(
    "member-readings-differ",
    "programs differ about the member's name, size or type; each name that one of them reads is judged",
    "see what the program that will unpack it reads",
)
MEMBER_EXTENSION_STRAY: Final = _safe_warning(
    "member-extension-stray",
    "no member follows the headers that extend it; some programs stop there",
    "see who wrote them",
)
MEMBER_NAMES_BACKSLASH: Final = _safe_warning(
    "member-names-backslash",
    "names are separated by backslashes, as by a program on Windows; they are judged as if these were slashes",
    "unpack it where backslashes separate, or have them replaced",
)
MEMBER_NAME_EMPTY: Final = _safe_warning("member-name-empty", "the member has no name", _LEAVE_OUT)
MEMBER_NAME_ABSOLUTE: Final = _safe_error("member-name-absolute", "the member's name is absolute", _LEAVE_OUT)
MEMBER_NAME_ESCAPES: Final = _safe_error(
    "member-name-escapes", "the member's name leads out of the folder that is unpacked into", _LEAVE_OUT
)
MEMBER_NAME_CONTROL: Final = _safe_warning(
    "member-name-control", "the member's name holds control characters", "look at it before unpacking"
)
MEMBER_NAME_NOT_UTF8: Final = _safe_note(
    "member-name-not-utf8", "the member's name is not UTF-8", "unpack where file names are bytes"
)
MEMBER_NAME_DUPLICATE: Final = _safe_warning(
    "member-name-duplicate", "two members have the same name; the later one replaces the other", _WHICH
)
MEMBER_NAME_COLLIDES: Final = _safe_warning(
    "member-name-collides",
    "two members' names differ only in case or Unicode form",
    "unpack where such names are told apart",
)
MEMBER_LINK_ESCAPES: Final = _safe_error(
    "member-link-escapes", "the link leads out of the folder that is unpacked into", _LEAVE_OUT
)
MEMBER_LINK_UNFOLLOWED: Final = _safe_error(
    "member-link-unfollowed",
    "where the link leads is not known: it may lead out of the folder that is unpacked into",
    _LEAVE_OUT,
)
MEMBER_LINK_CYCLIC: Final = _safe_warning("member-link-cyclic", "the link leads back to itself", _LEAVE_OUT)
MEMBER_THROUGH_LINK: Final = _safe_error(
    "member-through-link", "the member would be written through a link of the same archive", _LEAVE_OUT
)
MEMBER_DEVICE: Final = _safe_error("member-device", "the member is a device or a FIFO", _LEAVE_OUT)
MEMBER_SETUID: Final = _safe_error(
    "member-setuid", "the member is a file that runs with its owner's or group's rights", _LEAVE_OUT
)
NAMES_NOT_COMPARED: Final = _safe_note(
    "names-not-compared",
    "more members than names are compared for",
    "give a higher --bound names=… to have all of them compared",
)

# --- Can the record be read, and do record and name agree? (FORMAT.md §3, §4) -----------------------------------------

_record_error = partial(FindingRule, Group.RECORD, Severity.ERROR)
_record_unread = partial(FindingRule, Group.RECORD, Severity.ERROR, is_unread=True)
_record_warning = partial(FindingRule, Group.RECORD, Severity.WARNING)
_record_note = partial(FindingRule, Group.RECORD, Severity.NOTE)
_record_contradiction = partial(_record_warning, is_contradiction=True)
EXPLAIN: Final = "'backupmeta explain' shows the line; see whether it was edited by hand"
"""The advice about an odd line of a record."""
_COMPARE: Final = "'backupmeta view --provenance' shows both sides; find out which one was changed"
_NAME: Final = "find out whether the archive was renamed, or the record edited"

RECORD_MISSING: Final = _record_unread(
    "record-missing", "no record can be read, neither in the archive nor in the account", "is it a backup?"
)
RECORD_NOT_EMBEDDED: Final = _record_unread(
    "record-not-embedded",
    "the archive holds no record of its own, as every backup does; the account's record speaks for it",
    "see who repacked the archive; 'backupmeta members' lists what is in it",
)
RECORD_UNREADABLE: Final = _record_unread(
    "record-unreadable", "the record can't be read", "make it readable, or restore it from its archive"
)
RECORD_EMPTY: Final = _record_warning("record-empty", "the record holds no line", "restore it from its archive")
RECORD_BOM: Final = _record_note("record-bom", "the record begins with a byte order mark", EXPLAIN)
RECORD_CRLF: Final = _record_note("record-crlf", "lines end with CRLF", EXPLAIN)
RECORD_NUL: Final = _record_warning("record-nul", "a line holds NUL bytes", EXPLAIN)
RECORD_NO_EQUALS: Final = _record_warning("record-no-equals", "a line is no key=value", EXPLAIN)
RECORD_DUPLICATE_KEY: Final = _record_warning(
    "record-duplicate-key", "a key stands twice; the last one counts", EXPLAIN
)
RECORD_UNKNOWN_KEY: Final = _record_note(
    "record-unknown-key", "a key that the format's description does not know", "tell us what it means"
)
RECORD_NAME_MALFORMED: Final = _record_note(
    "record-name-malformed", "a file among the records has no id for a name; it was not read", "see what it is"
)
RECORD_NOT_FIRST: Final = _record_note(
    "record-not-first", "the embedded record is not the archive's first member", "see who repacked the archive"
)
RECORD_NOT_AT_ROOT: Final = _record_error(
    "record-not-at-root",
    "the only record lies deeper in the archive, not at its root; its contents were not judged",
    "repack the archive without its top folder",
)
RECORD_SEVERAL: Final = _record_error(
    "record-several",
    "the archive holds several records at its root; the first one counts, unpacking leaves the last",
    "see who added one; 'backupmeta members' lists them",
    is_contradiction=True,
)
RECORD_DEEPER: Final = _record_warning(
    "record-deeper",
    "the archive holds a record deeper than its root, too; the one at its root counts",
    "see who packed it",
)
VALUE_NOT_UTF8: Final = _record_warning(
    "value-not-utf8", "a value is not UTF-8; it is null, its bytes are kept in extra", EXPLAIN
)
VALUE_UNDECODABLE: Final = _record_warning(
    "value-undecodable", "a value can't be decoded; it is null, its text is kept in extra", EXPLAIN
)
FIELD_COLLISION: Final = _record_warning(
    "field-collision", "a custom field has the name of one of the server's fields", EXPLAIN
)
SOURCES_DISAGREE: Final = _record_contradiction("sources-disagree", "two sources give different values", _COMPARE)
RECORD_REWRITTEN: Final = _record_note(
    "record-rewritten",
    "two records differ as a rename or a migration of the account leaves them",
    "nothing: panels rewrite the records in the account, and archives keep what was",
    is_contradiction=True,
)
ID_FROM_INSTALL: Final = _record_note(
    "id-from-install", "no backup record gives the id; it is the install's", "look in the account for a record"
)
SEVERAL_MATCHES: Final = _record_warning(
    "several-matches", "several backups or installs answer to this; the first one is shown", "name one by its path"
)
SEVERAL_ACCOUNTS: Final = _record_unread(
    "several-accounts",
    "backups or installs of several accounts answer to this; the first one is shown, --root or --user chooses",
    "choose the account with --user or --root, or name one by its path",
    is_contradiction=True,
)
FILE_NAMED_LIKE_ID: Final = _record_warning(
    "file-named-like-id",
    "a file in the working folder has the name of the id",
    "if you mean the file, name it by its path: ./ID",
)
LIVE_VALUE_USED: Final = _record_warning(
    "live-value-used", "only the live install tells this; it may have changed since", "trust it less"
)
ARCHIVE_RENAMED: Final = _record_contradiction(
    "archive-renamed", "the archive's name is not the one in its record", _NAME
)
NAME_UNCONVENTIONAL: Final = _record_note(
    "name-unconventional",
    "the archive's name does not follow the convention",
    "nothing: the record tells what the name would",
)
NAME_HOST_DIFFERS: Final = _record_contradiction(
    "name-host-differs", "the name's host is not the one of the record's url", _NAME
)
NAME_TITLE_DIFFERS: Final = _record_contradiction("name-title-differs", "the name's title is not the record's", _NAME)
NAME_TIME_DIFFERS: Final = _record_contradiction(
    "name-time-differs", "the name's time is no local time of the record's backup-time", _NAME
)
ZONE_AMBIGUOUS: Final = _record_note(
    "zone-ambiguous",
    "the name's local time is ambiguous or does not exist in the given zone",
    "give the offset itself with --tz",
)

# --- Is in the account what belongs together? (FORMAT.md §1) ----------------------------------------------------------

_account_unread = partial(FindingRule, Group.ACCOUNT, Severity.ERROR, is_unread=True)
_account_warning = partial(FindingRule, Group.ACCOUNT, Severity.WARNING)
_account_note = partial(FindingRule, Group.ACCOUNT, Severity.NOTE)

ARCHIVE_MISSING: Final = _account_warning(
    "archive-missing", "the record's archive is not in the account", "look for it by its name elsewhere"
)
ARCHIVE_REMOTE: Final = _account_note(
    "archive-remote",
    "the archive is kept at a remote location, which is not looked at",
    "fetch it, and verify the file",
)
ARCHIVE_WITHOUT_RECORD: Final = _account_note(
    "archive-without-record", "no backup record names this archive", "nothing: it has a record inside"
)
BACKUP_ORPHANED: Final = _account_note(
    "backup-orphaned", "the install of this backup is gone", "keep it if the install may come back"
)
LOST: Final = frozenset({ARCHIVE_WITHOUT_RECORD, BACKUP_ORPHANED})
"""What says that something is gone which belongs to a backup, and nothing else of the backup says it."""
ARCHIVES_NOT_READ: Final = _account_note(
    "archives-not-read",
    "files look like archives, by their names or their beginnings, and were not read as such",
    "look at those that should be backups: fetch them again, or name them as targets",
)
ARCHIVE_CLAIMED_TWICE: Final = _account_warning(
    "archive-claimed-twice",
    "several backup records name this archive",
    "see which record is its own",
    is_contradiction=True,
)
ARCHIVE_NAME_TWICE: Final = _account_warning(
    "archive-name-twice",
    "several archives of the account have this name",
    "see which of them the record is about: the one in the folder that it names is taken, or else the first",
)
HOME_DIFFERS: Final = _account_warning(
    "home-differs",
    "records say that their sites lie in another account's home",
    "find out whether the home was moved, or the records were copied from there",
    is_contradiction=True,
)
INSTALL_TIME_DIFFERS: Final = _account_warning(
    "install-time-differs",
    "an install's record and its backups' records do not agree on when it was installed",
    "find out which of the records was edited: 'backupmeta timeline' names all of them",
    is_contradiction=True,
)
FOLDER_UNREADABLE: Final = _account_unread(
    "folder-unreadable", "the folder can't be read", "run as somebody who may read it"
)
LINK_NOT_FOLLOWED: Final = _account_warning(
    "link-not-followed", "a symbolic link below a root is not followed", "name its target as a root"
)
NOT_A_REGULAR_FILE: Final = _account_warning(
    "not-a-regular-file", "not a regular file; it was not opened", "see what it is"
)
CATALOG_ALTERED: Final = _account_unread(
    "catalog-altered",
    "the catalog has other rows than were scanned",
    "read the account anew with backupmeta scan ROOT -o CATALOG, or restore the catalog from a copy",
)
HOME_PASSED_OVER: Final = _account_note(
    "home-passed-over",
    "a folder above has records, which are not read: somebody else may have put them there",
    "name it as a root if its records are the archive's",
)
FILE_UNREADABLE: Final = _account_unread(
    "file-unreadable",
    "a file or folder of the site can't be read, and was not compared",
    "make it readable, or compare as its owner",
)
PLACE_UNREADABLE: Final = _account_unread(
    "place-unreadable", "a conventional place can't be listed", "name homes as roots"
)
SEARCH_DEPTH_REACHED: Final = _account_note(
    "search-depth-reached",
    "the search for homes and archives stopped at its depth",
    "name a folder further down as a root",
)
