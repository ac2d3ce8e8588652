"""Finding what is to be compared: backups, their archives, and the live installs that they were made of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from backupmeta import library
from backupmeta.account import places
from backupmeta.account.home import Home
from backupmeta.api.status import install_not_found
from backupmeta.backup.inspection import Inspection
from backupmeta.errors import AnswerError
from backupmeta.evidence import Place, is_file, join_seen
from backupmeta.findings import Finding
from backupmeta.search import Search

CURRENT: Final = "current"
"""What stands for the live install of the other side's backup."""


def backup(target: str, search: Search, user: str | None, findings: list[Finding]) -> tuple[Inspection, Place | None]:
    """Return what is known of a backup, from its record where its archive is missing, and where that archive lies.

    A ``target`` that is no backup may be an install. Raises as `backupmeta.library.find_backup`.
    """
    try:
        found = library.find_backup(target, search, user=user, allow_missing=True, findings=findings)
    except AnswerError as error:
        return _install(target, search, user, error), None
    return found, _place(target, found, search)


def _install(target: str, search: Search, user: str | None, otherwise: AnswerError) -> Inspection:
    try:
        return library.install_named(target, search, user=user)
    except AnswerError:
        raise otherwise from None


@contextmanager
def noting(findings: list[Finding]) -> Iterator[None]:
    """Let an `AnswerError` tell what could not be read: what was looked for may be there."""
    try:
        yield
    except AnswerError as error:
        for one in dict.fromkeys(findings):
            if one.is_unread:
                error.add_note(one.message)
        raise


def current(target: str, found: Inspection, search: Search, findings: list[Finding]) -> Inspection:
    """Return what is known of the live install of the backup that was ``found`` as ``target``.

    What could not be read on the way is appended to ``findings``. Raises `AnswerError` where it is gone, or where the
    backup does not say which one it is.
    """
    id_, other = found.text("backup_install"), None
    for home in homes(target, search, findings):
        findings.extend(one for one in home.findings if one.is_unread)
        if id_ in home.installs:
            other = library.inspect_install(home, id_)
            if found.path.startswith(join_seen(home.folder.seen, "")):  # a copy of the home may lie somewhere else
                return other
    if other is None:
        raise install_not_found(f"the live install of {target!r} is not here: {id_ or 'no record names it'}")
    return other


def homes(target: str, search: Search, findings: list[Finding]) -> Iterator[Home]:
    """Yield the homes that ``target`` may belong to, each open until the next one; append what was odd.

    Of a file that is first the home it lies in, or else its folder; and others only where roots are named.
    """
    if is_file(target):
        with places.home_above(os.path.dirname(os.path.abspath(target)), search.limits) as home:
            above = places.Root(home.folder.path, depth=0)
        yield from places.homes([above], search.limits, findings)
        if not search.roots and search.sysroot is None:
            return
    yield from search.homes(findings)


def _place(target: str, found: Inspection, search: Search) -> Place | None:
    """Return where the archive lies that ``found`` was made of, or None where there is none."""
    if is_file(target) and not places.is_record_file(target):
        folder, name = os.path.split(os.path.abspath(target))
        return Place(folder, None, name, is_named=True)
    for home in homes(target, search, []):
        for pair in home.pairs():
            if pair.archive is not None and pair.archive.seen == found.path:
                return pair.archive.place
    return None
