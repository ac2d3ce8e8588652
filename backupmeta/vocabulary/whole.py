"""Is the archive whole? Its container, from the first to the last byte (FORMAT.md §2)."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.WHOLE, Severity.ERROR, is_unread=True)
_refused = partial(Kind, Group.WHOLE, Severity.ERROR)
_warning = partial(Kind, Group.WHOLE, Severity.WARNING)
_note = partial(Kind, Group.WHOLE, Severity.NOTE)

_AGAIN: Final = "fetch the archive again, or compare its digest with the original's"
_LOOK: Final = "look at it with 'backupmeta members': the real writer leaves nothing like it"

KINDS: Final[dict[str, Kind]] = {
    "archive-truncated": _error("the archive is cut off", f"{_AGAIN}; if it is still being written, wait"),
    "archive-damaged": _error("the archive is corrupt", _AGAIN),
    "archive-header-damaged": _error("where a member's header should be is none", _AGAIN),
    "archive-checksum-differs": _error("the content is not what its checksum or length says", _AGAIN),
    "archive-growing": _note("the archive is being written", "verify it again once nobody writes it"),
    "archive-recent": _note(
        "the archive is not whole, and was written to a moment ago", "it may still be being written: verify it later"
    ),
    "archive-no-end": _warning(
        "the archive has no end mark; it may be cut off between two members",
        "compare the number of members with the original's",
    ),
    "archive-zero-gap": _warning(
        "a block of zeros stands between two members, and most programs stop there; earlier versions of PHP's"
        " Archive_Tar leave one after files of certain sizes",
        "compare its members with the record's list-files: where all of them are there, nothing is missing",
    ),
    "archive-concatenated": _warning("members stand behind the end mark; most programs stop there", _LOOK),
    "archive-trailing-content": _warning("something else than members stands behind the end mark", _LOOK),
    "archive-trailing-bytes": _warning("something else stands behind the compressed stream", _LOOK),
    "archive-leading-bytes": _refused(
        "bytes stand before the archive; no program unpacks it so",
        "cut them off ('tail -c +54 FILE' leaves 53 bytes out), and find out what sent them",
    ),
    "archive-compressed-twice": _refused(
        "the archive is compressed twice; GNU tar finds no member in it", "unpack it once, and use the result"
    ),
    "archive-zeros-between": _warning(
        "zeros stand between compressed streams; many programs stop there, and lose what comes after",
        "cut them out before it is restored; 'backupmeta members' lists what would be lost",
    ),
    "archive-padding-refused": _warning(
        "zeros stand behind the compressed stream; the format's own program calls that corrupt",
        "cut them off before the archive is tested or restored",
    ),
    "archive-check-unsupported": _warning(
        "the xz stream has a check that is not known here; its content could not be verified",
        "compare the archive's digest with the original's",
    ),
    "archive-check-none": _note(
        "the xz stream has no check; damage to its content would not show",
        "compare the archive's digest with the original's",
    ),
    "archive-padding": _note("zeros stand behind the compressed stream", "nothing: tapes and block devices leave them"),
    "archive-multi-volume": _warning(
        "one part of a multi-volume archive; the member's beginning is in another", "find the other volumes"
    ),
    "archive-unreadable": _error("the archive can't be read", "make it readable, or fetch it again"),
    "archive-suffix-differs": _note(
        "the compression is not the one that the name ends with", "nothing: it is read by its content"
    ),
    "archive-foreign": _note(
        "a tar archive without a record, under a name of its own; not a backup", "nothing, unless it should be one"
    ),
    "archive-not-judged": _note(
        "a tar archive by its content alone, without a record; it was not judged",
        "nothing, unless it should be a backup: verify it by its path then",
    ),
    "member-cut": _error("the member's content breaks off", _AGAIN),
    "member-not-compared": _error("the content could not be read on both sides, and was not compared", _AGAIN),
    "member-sparse-map": _error("the content of the sparse file can't be told, and was not judged", _AGAIN),
    "member-link-unresolved": _error(
        "no file that the hard link could be is before it; its content can't be told, and was not judged",
        "look for the target in another backup",
    ),
    "member-oversized": _error("the member claims more bytes than any archive holds", _AGAIN),
    "member-number": _warning("fields of the member's header hold no number", _LOOK),
    "member-pax-malformed": _warning("pax records before the member are malformed, and left out", _LOOK),
}
