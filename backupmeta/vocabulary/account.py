"""Is in the account what belongs together, and as much as its schedule asks for? (FORMAT.md §1)."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.ACCOUNT, Severity.ERROR)
_unread = partial(Kind, Group.ACCOUNT, Severity.ERROR, is_unread=True)
_warning = partial(Kind, Group.ACCOUNT, Severity.WARNING)
_note = partial(Kind, Group.ACCOUNT, Severity.NOTE)

_SCHEDULE: Final = "make a backup now, and see why the schedule made none"

KINDS: Final[dict[str, Kind]] = {
    # records and archives
    "archive-missing": _warning("the record's archive is not in the account", "look for it by its name elsewhere"),
    "archive-remote": _note(
        "the archive is kept at a remote location, which is not looked at", "fetch it, and verify the file"
    ),
    "archive-without-record": _note("no backup record names this archive", "nothing: it has a record inside"),
    "archives-not-read": _note(
        "files look like archives, by their names or their beginnings, and were not read as such",
        "look at those that should be backups: fetch them again, or name them as targets",
    ),
    "archive-claimed-twice": _warning("several backup records name this archive", "see which record is its own"),
    "archive-name-twice": _warning(
        "several archives of the account have this name",
        "see which of them the record is about: the one in the folder that it names is taken, or else the first",
    ),
    "backup-duplicate": _warning(
        "two backups are the same, byte for byte", "one of them is a copy; see which backup it replaced"
    ),
    "backup-orphaned": _note("the install of this backup is gone", "keep it if the install may come back"),
    # how many, how old
    "backup-too-old": _warning("the newest backup of an install is too old", _SCHEDULE),
    "backups-too-few": _error("an install has fewer backups than the policy asks for", "make more, or keep more"),
    "retention-unmet": _warning("the backups that are kept are not what the schedule should keep", _SCHEDULE),
    "schedule-unknown": _note(
        "the schedule is one that the account does not describe; retention was not judged", "judge it by hand"
    ),
    # on the way to them
    "folder-unreadable": _unread("the folder can't be read", "run as somebody who may read it"),
    "link-not-followed": _warning("a symbolic link below a root is not followed", "name its target as a root"),
    "not-a-regular-file": _warning("not a regular file; it was not opened", "see what it is"),
    "catalog-altered": _unread(
        "the catalog has other rows than were scanned",
        "read the account anew with backupmeta scan ROOT -o CATALOG, or restore the catalog from a copy",
    ),
    "home-passed-over": _note(
        "a folder above has records, which are not read: somebody else may have put them there",
        "name it as a root if its records are the archive's",
    ),
    "place-unreadable": _unread("a conventional place can't be listed", "name homes as roots"),
    "search-depth-reached": _note(
        "the search for homes and archives stopped at its depth", "name a folder further down as a root"
    ),
}
