"""`KINDS`: every kind of event. Formats, tests and documents read this table; code names a kind by its id."""

from typing import Final, Literal, NamedTuple


class Kind(NamedTuple):
    """One kind of event.

    Attributes:
        timestamp_desc: what its time is, as Timesketch and plaso call such a thing.
        macb: which of a file's times it is most like: M modified, B born.
        sentence: what happened, for `str.format`: ``site`` is the application and its address, ``software`` has the
            version, too, ``detail`` is what the witness adds.
        key: the record's key that tells it; None where no record does.
        is_shared: whether all records of an install tell the same one: it is told once then, with all its witnesses.
    """

    timestamp_desc: str
    macb: Literal["M", "B"]
    sentence: str
    key: str | None = None
    is_shared: bool = False


KINDS: Final[dict[str, Kind]] = {
    "installed": Kind("Installation Time", "B", "{site} installed", "time", is_shared=True),
    "updated": Kind("Update Time", "M", "{site} last updated, to {version}", "time-updated", is_shared=True),
    "counted": Kind("Cache Time", "M", "sizes of {site} counted", "cache-time", is_shared=True),
    "backed-up": Kind("Backup Time", "B", "{software} backed up{detail}", "backup-time"),
    "named": Kind("Backup Time (Archive Name)", "B", "archive of {software} named {detail}"),
    "named-unzoned": Kind("Backup Time (Archive Name, Zone Unknown)", "B", "archive of {software} named {detail}"),
    "compressed": Kind("Compression Time (Gzip Header)", "M", "archive of {software} compressed"),
    "newest-member": Kind("Content Modification Time (Newest Member)", "M", "newest member of an archive: {detail}"),
    "member": Kind("Content Modification Time (Member)", "M", "member modified: {detail}"),
    "archive": Kind("Content Modification Time (Archive)", "M", "archive of {software} written"),
    "record": Kind("Content Modification Time (Record)", "M", "record of {site} written"),
}
"""By id, in the order in which events of one time are told. Times come from FORMAT.md §2 (archive), §3 (name), §4.

What carries no time makes no event: ``version-autouped`` and its ``-attempts``, ``list-*-attempted``,
``*-updates-autouped`` (FORMAT.md §4). The trace of an update is the time of the backup that was made before it.
"""
