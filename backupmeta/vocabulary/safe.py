"""Would unpacking it do harm? Names, links, kinds and sizes of members."""

from functools import partial
from typing import Final

from backupmeta.vocabulary.kinds import Group, Kind, Severity

_error = partial(Kind, Group.SAFE, Severity.ERROR)
_warning = partial(Kind, Group.SAFE, Severity.WARNING)
_note = partial(Kind, Group.SAFE, Severity.NOTE)

_LEAVE_OUT: Final = "leave the member out when unpacking; no backup of an application has one"
_WHICH: Final = "decide which of the two is meant before unpacking"

KINDS: Final[dict[str, Kind]] = {
    "limit-exceeded": _error(
        "something is larger than its limit and was not read",
        "raise the limit with --limit if you trust the archive",
        is_unread=True,
    ),
    "member-readings-differ": _warning(
        "programs differ about the member's name, size or type; each name that one of them reads is judged",
        "see what the program that will unpack it reads",
    ),
    "member-extension-stray": _warning(
        "no member follows the headers that extend it; some programs stop there", "see who wrote them"
    ),
    "member-names-backslash": _warning(
        "names are separated by backslashes, as by a program on Windows; they are judged as if these were slashes",
        "unpack it where backslashes separate, or have them replaced",
    ),
    "member-name-empty": _warning("the member has no name", _LEAVE_OUT),
    "member-name-absolute": _error("the member's name is absolute", _LEAVE_OUT),
    "member-name-escapes": _error("the member's name leads out of the folder that is unpacked into", _LEAVE_OUT),
    "member-name-control": _warning("the member's name holds control characters", "look at it before unpacking"),
    "member-name-not-utf8": _note("the member's name is not UTF-8", "unpack where file names are bytes"),
    "member-name-duplicate": _warning("two members have the same name; the later one replaces the other", _WHICH),
    "member-name-collides": _warning(
        "two members' names differ only in case or Unicode form", "unpack where such names are told apart"
    ),
    "member-link-escapes": _error("the link leads out of the folder that is unpacked into", _LEAVE_OUT),
    "member-link-unfollowed": _error(
        "where the link leads is not known: it may lead out of the folder that is unpacked into", _LEAVE_OUT
    ),
    "member-link-cyclic": _warning("the link leads back to itself", _LEAVE_OUT),
    "member-through-link": _error("the member would be written through a link of the same archive", _LEAVE_OUT),
    "member-device": _error("the member is a device or a FIFO", _LEAVE_OUT),
    "member-setuid": _error("the member is a file that runs with its owner's or group's rights", _LEAVE_OUT),
    "names-not-compared": _note(
        "more members than names are compared for", "raise --limit names=… to have all of them compared"
    ),
}
