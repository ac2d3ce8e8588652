"""Whom a process may rely on: whose files and folders nobody else could have put there, or changed."""

import os
import re
import stat
from contextlib import suppress
from typing import Final

_USER: Final = re.compile(r"[0-9]{1,10}")


def exposure(path: str) -> str | None:
    """Return why somebody else might put files into the folder at ``path``, or exchange it; None where nobody may.

    Whoever may write to a folder above it can put another one in its place, but not in one that is sticky, ``/tmp``.
    Raises `OSError` where there is no such folder.
    """
    above = os.path.realpath(path)
    reason = _exposed(above, os.stat(above), is_sticky_safe=False)
    while reason is None and os.path.dirname(above) != above:
        above = os.path.dirname(above)
        reason = _exposed(above, os.stat(above), is_sticky_safe=True)
    return reason


def _exposed(path: str, status: os.stat_result, *, is_sticky_safe: bool) -> str | None:
    """Return why others may write to one folder; None where nobody may."""
    if not hasattr(os, "geteuid"):
        return None
    if status.st_uid not in trusted_users():
        return f"{path} belongs to another user ({user_name(status.st_uid)})"
    if is_sticky_safe and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"every user may write to {path}"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid):
        return f"the group {_group_name(status.st_gid)} may write to {path}"
    return None


def _is_own_group(group: int) -> bool:
    """Tell whether a ``group`` is the superuser's, or has its user's name and no other members (login.defs(5))."""
    import grp

    if group == 0:
        return True
    with suppress(KeyError):
        entry = grp.getgrgid(group)
        users = {user_name(trusted) for trusted in trusted_users()}
        return entry.gr_name in users and set(entry.gr_mem) <= users
    return False


def _group_name(group: int) -> str:
    import grp

    with suppress(KeyError):
        return grp.getgrgid(group).gr_name
    return str(group)


def trusted_users() -> frozenset[int]:
    """Return the users whose files this process may rely on, by number: its own, the superuser, who called sudo(8)."""
    caller = os.environ.get("SUDO_UID", "")
    called = {int(caller)} if _USER.fullmatch(caller) else set[int]()
    return frozenset({0, *called, *([os.geteuid()] if hasattr(os, "geteuid") else [])})


def own_users() -> frozenset[int]:
    """Return the users whose files this process takes for its own, its own; the superuser, all trusted."""
    if not hasattr(os, "geteuid"):
        return frozenset({0})
    return trusted_users() if os.geteuid() == 0 else frozenset({os.geteuid()})


def user_name(number: int) -> str:
    """Return the name of the user with this ``number``, or the number where there is none."""
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(number).pw_name
    return str(number)
