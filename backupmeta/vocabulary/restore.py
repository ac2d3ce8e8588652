"""What does a restore of the dump need? What a plain one trips over elsewhere (FORMAT.md §5)."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_note = partial(Kind, Group.RESTORE, Severity.NOTE)

KINDS: Final[dict[str, Kind]] = {
    "restore-collation": _note(
        "the dump uses a collation that only newer servers have; others refuse the statement",
        "restore into a server of the same kind and at least the same version, or replace the collation",
    ),
    "restore-definer": _note(
        "views, routines, triggers or events of the dump work in the name of another user than the record's",
        "create that user first, or replace DEFINER; to set another user than oneself takes a privilege",
    ),
    "restore-sandbox": _note(
        "the dump begins with mariadb-dump's sandbox comment, which clients from before 2024 take for a command",
        "restore with a newer client, or leave that line out",
    ),
    "restore-packet": _note(
        "a statement of the dump is longer than the 16 MiB that MariaDB's server and all clients take by default",
        "raise max_allowed_packet for server and client; MySQL 8's server takes 64 MiB by default",
    ),
    "restore-view-order": _note(
        "a view of the dump is created before something that it reads; the statement fails",
        "run the view's statement again at the end",
    ),
    "restore-name-case": _note(
        "the dump's tables are named as in the record but for upper and lower case, which servers on Linux tell apart",
        "restore into a server with lower_case_table_names=1, or rename the tables or the prefix",
    ),
}
