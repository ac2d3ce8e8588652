"""Can the record be read, and do record and name agree? (FORMAT.md §3, §4)."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.RECORD, Severity.ERROR)
_unread = partial(Kind, Group.RECORD, Severity.ERROR, is_unread=True)
_warning = partial(Kind, Group.RECORD, Severity.WARNING)
_note = partial(Kind, Group.RECORD, Severity.NOTE)

_EXPLAIN: Final = "'backupmeta explain' shows the line; see whether it was edited by hand"
_COMPARE: Final = "'backupmeta view --provenance' shows both sides; find out which one was changed"
_NAME: Final = "find out whether the archive was renamed, or the record edited"
_CLOCK: Final = "find out whether a clock was wrong, or the record edited"

KINDS: Final[dict[str, Kind]] = {
    # the text
    "record-missing": _unread("no record can be read, neither in the archive nor in the account", "is it a backup?"),
    "record-not-embedded": _unread(
        "the archive holds no record of its own, as every backup does; the account's record speaks for it",
        "see who repacked the archive; 'backupmeta members' lists what is in it",
    ),
    "record-unreadable": _unread("the record can't be read", "make it readable, or restore it from its archive"),
    "record-empty": _warning("the record holds no line", "restore it from its archive"),
    "record-bom": _note("the record begins with a byte order mark", _EXPLAIN),
    "record-crlf": _note("lines end with CRLF", _EXPLAIN),
    "record-nul": _warning("a line holds NUL bytes", _EXPLAIN),
    "record-no-equals": _warning("a line is no key=value", _EXPLAIN),
    "record-duplicate-key": _warning("a key stands twice; the last one counts", _EXPLAIN),
    "record-unknown-key": _note("a key that the format's description does not know", "tell us what it means"),
    "record-key-missing": _error("a key is missing that every record of a backup has", _EXPLAIN),
    "record-name-malformed": _note("a file among the records has no id for a name; it was not read", "see what it is"),
    "record-id-malformed": _warning("an id is none: letters a to z and digits, 20 to 40 of them", _EXPLAIN),
    "record-holds-secrets": _note(
        "the record holds secrets in clear text", "keep the archive as safe as the passwords in it"
    ),
    "record-not-first": _note("the embedded record is not the archive's first member", "see who repacked the archive"),
    "record-not-at-root": _error(
        "the only record lies deeper in the archive, not at its root; its contents were not judged",
        "repack the archive without its top folder",
    ),
    "record-several": _error(
        "the archive holds several records at its root; the first one counts, unpacking leaves the last",
        "see who added one; 'backupmeta members' lists them",
    ),
    "record-deeper": _warning(
        "the archive holds a record deeper than its root, too; the one at its root counts", "see who packed it"
    ),
    # its values
    "value-not-utf8": _warning("a value is not UTF-8; it is null, its bytes are kept in extra", _EXPLAIN),
    "value-undecodable": _warning("a value can't be decoded; it is null, its text is kept in extra", _EXPLAIN),
    "field-collision": _warning("a custom field has the name of one of the server's fields", _EXPLAIN),
    "sources-disagree": _warning("two sources give different values", _COMPARE),
    "id-from-install": _note("no backup record gives the id; it is the install's", "look in the account for a record"),
    "several-matches": _warning(
        "several backups or installs answer to this; the first one is shown", "name one by its path"
    ),
    "file-named-like-id": _warning(
        "a file in the working folder has the name of the id",
        "if you mean the file, name it by its path: ./ID",
    ),
    "live-value-used": _warning("only the live install tells this; it may have changed since", "trust it less"),
    "time-in-future": _warning("a time lies in the future", _CLOCK),
    "time-before-release": _warning("a time lies before the application's version was released", _CLOCK),
    "time-out-of-order": _warning("the backup is older than what it is a backup of", _CLOCK),
    "location-not-allowed": _error("the backup is kept where the policy allows none", "move it, or change the policy"),
    # the archive's name
    "archive-renamed": _warning("the archive's name is not the one in its record", _NAME),
    "name-unconventional": _note(
        "the archive's name does not follow the convention", "nothing: the record tells what the name would"
    ),
    "name-host-differs": _warning("the name's host is not the one of the record's url", _NAME),
    "name-title-differs": _warning("the name's title is not the record's", _NAME),
    "name-time-differs": _warning("the name's time is no local time of the record's backup-time", _NAME),
    "name-offset-unused": _warning("the name's time implies a UTC offset that no place on earth uses", _NAME),
    "zone-ambiguous": _note(
        "the name's local time is ambiguous or does not exist in the given zone", "give the offset itself with --tz"
    ),
}
