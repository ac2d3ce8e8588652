"""Is the application the one that the record names? What its own files say."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.APPLICATION, Severity.ERROR)
_warning = partial(Kind, Group.APPLICATION, Severity.WARNING)
_note = partial(Kind, Group.APPLICATION, Severity.NOTE)

_SINCE: Final = "see whether it was added, removed or updated by hand since the record was written"
_ANOTHER: Final = "see whether the files or the record are another install's"

KINDS: Final[dict[str, Kind]] = {
    "application-unknown": _note(
        "no inspector knows this application; its files were not compared", "compare its version by hand"
    ),
    "application-not-found": _error("none of the files that tell the application's version is there", _ANOTHER),
    "application-version-differs": _error("the application's files are of another version than the record", _ANOTHER),
    "version-too-old": _error("the application's version is older than the policy allows", "update the application"),
    "plugin-missing": _warning("a plugin of the record is not in the archive", _SINCE),
    "plugin-unlisted": _note("a plugin in the archive is not in the record", _SINCE),
    "plugin-version-differs": _warning("a plugin is of another version than the record says", _SINCE),
    "theme-missing": _warning("a theme of the record is not in the archive", _SINCE),
    "theme-unlisted": _note("a theme in the archive is not in the record", _SINCE),
    "theme-version-differs": _warning("a theme is of another version than the record says", _SINCE),
    "config-differs": _error("the application's configuration names another database than the record", _ANOTHER),
}
