"""Is in the archive what the record lists? Files, tables, the dump, sizes (FORMAT.md §2, §5)."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.CONTENTS, Severity.ERROR)
_warning = partial(Kind, Group.CONTENTS, Severity.WARNING)
_note = partial(Kind, Group.CONTENTS, Severity.NOTE)

_OTHER: Final = "don't restore from this backup alone; look for another one"
_MORE: Final = "see whether it belongs to the application; a restore from the record's lists would leave it out"

KINDS: Final[dict[str, Kind]] = {
    "file-missing": _error("a file or folder that has to be there is not in the archive", _OTHER),
    "file-unlisted": _warning("a name at the archive's top is on none of the record's lists", _MORE),
    "file-excluded": _warning(
        "the record says that this was left out, and it is there", "see who packed it; it may be private"
    ),
    "dump-missing": _error("the record lists tables, and the archive holds no dump of them", _OTHER),
    "dump-empty": _error("the database dump is empty", _OTHER),
    "dump-incomplete": _error("the database dump breaks off", _OTHER),
    "dump-end-unknown": _note(
        "whether the database dump is whole can't be told", "compare its tables and rows with another backup's"
    ),
    "dump-not-sql": _error(
        "text in the database dump is no SQL; a restore stops there",
        "look at that line; if it is a program's message, take it out, and see what the program could not dump",
    ),
    "dump-padded": _warning(
        "after the database dump's end stand NUL bytes", "see what wrote it; take them out before a restore"
    ),
    "table-missing": _error("a table that has to be there is not in the dump", _OTHER),
    "tables-unknown": _error("the record lists tables, and no table of the dump can be told", _OTHER),
    "table-empty": _warning("a table that no WordPress is without rows in has none", _OTHER),
    "table-unlisted": _warning("a table of the dump is on none of the record's lists", _MORE),
    "tables-not-compared": _warning("the dump has more tables than are compared", "look for the listed ones by hand"),
    "table-prefix-differs": _error(
        "no table of the dump begins with the record's prefix", "see whether the dump is another install's"
    ),
    "files-size-differs": _warning(
        "the files take far more or far less room than the record says", "see what was added or is missing"
    ),
    "tables-size-differs": _warning(
        "the dump is far larger or far smaller than the record says", "see what was added or is missing"
    ),
}
