"""`Witnesses`: everything that speaks for one backup; `derived`: what others than its records say.

The file name, the folder, the archive's name and the documented default are asked where no record has the key.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from backupmeta import rules
from backupmeta.account import filename
from backupmeta.backup.inspection import Inspection
from backupmeta.evidence import join_server_path
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness, as_text, base_name
from backupmeta.record.fields import FIELDS, Default, Field
from backupmeta.record.grammar import Document
from backupmeta.record.values import Value

BY_DEFAULT: Final = Source(Witness.DEFAULT)

_LONGEST_REMEMBERED: Final = 1000  # characters; a record may hold a million of them

_Derived = tuple[Value, Source]


class Witnesses(NamedTuple):
    """Everything that speaks for one backup.

    Attributes:
        id: the backup record's name, or None.
        backup: the backup record.
        embedded: the archive's own record.
        install: the record of the live install.
        archive: the archive's path as the server saw it, or None where there is none.
        home: the home's path on this machine or as the server saw it, or None.
        as_server: the home's path as the server saw it, where that is known.
        numbackups: how many backup records the home has for the install, or None.
        zone: the server's time zone, where a person named it.
    """

    id: str | None
    backup: Document | None
    embedded: Document | None
    install: Document | None
    archive: str | None
    home: str | None
    as_server: str | None
    numbackups: int | None
    zone: tzinfo | None


def derived(field: Field, inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    """Return the value of a ``field`` that no record has, and its source; None where nothing says it.

    ``inspection`` has what the records say.
    """
    if (derive := _DERIVED.get(field.name)) is not None:
        return derive(inspection, witnesses)
    if field.default is None or not _applies(field.default, inspection.text("application")):
        return None
    return copied(field.default), BY_DEFAULT


def copied(default: Default) -> str | list[str]:
    """Return a default's value, to be kept and changed."""
    return default.value if isinstance(default.value, str) else list(default.value)


def _applies(default: Default, application: str) -> bool:
    return default.application is None or default.application == application


def _id(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.id is not None:
        record = witnesses.backup or witnesses.install
        return witnesses.id, Source(Witness.FILE_NAME, record.source.path if record else "")
    origin = inspection.origins.get("backup_install")
    if origin is None or not (install := inspection.text("backup_install")):
        return None
    source = origin if isinstance(origin, Source) else origin.source
    inspection.findings.append(Finding(rules.ID_FROM_INSTALL, "id", "", (source,)))
    return install, source


def _file(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    install_id = inspection.text("backup_install" if inspection.kind == "backup" else "id")
    home = witnesses.as_server or home_of(_record_text(witnesses, "path"), _record_text(witnesses, "owner"))
    path = file_of(home or witnesses.home, install_id)
    return None if path is None else (as_text(path), Source(Witness.DERIVED, path))


def file_of(home: str | None, install_id: str) -> str | None:
    """Return the path of an install's record in ``home``; None where the home or the install is not known."""
    return join_server_path(home, ".appdata", "current", install_id) if home and install_id else None


def _record_text(witnesses: Witnesses, key: str) -> str:
    for document in (witnesses.backup, witnesses.embedded, witnesses.install):
        if document is not None and (text := document.opened(key)):
            return text
    return ""


_PLESK: Final = (("/var/www/vhosts/", "/"), ("c:\\inetpub\\vhosts\\", "\\"))


def home_of(path: str, owner: str) -> str | None:
    r"""Return the home that an install's ``path`` lies in: ``/home2/<owner>``, ``/var/www/vhosts/<domain>``."""
    return (_remembered_home if len(path) + len(owner) <= _LONGEST_REMEMBERED else _home_of)(path, owner)


def _home_of(path: str, owner: str) -> str | None:
    for base, separator in _PLESK:
        if path.lower().startswith(base) and (domain := path[len(base) :].split(separator, maxsplit=1)[0]):
            return path[: len(base)] + domain
    parts = path.split("/")
    if owner and owner in parts[2:4] and path.startswith("/"):
        return "/".join(parts[: parts.index(owner, 2) + 1])
    return None


_remembered_home = lru_cache(maxsize=1024)(_home_of)


def _count(_inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.numbackups is None:
        return None
    path = join_server_path(witnesses.home or "", ".appdata", "backups")
    return witnesses.numbackups, Source(Witness.FILE_SYSTEM, path)


def _archive_name(_inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    if witnesses.archive is None:
        return None
    return as_text(base_name(witnesses.archive)), Source(Witness.FILE_NAME, witnesses.archive)


def _time_of_name(inspection: Inspection, witnesses: Witnesses) -> _Derived | None:
    name = filename.parse(base_name(witnesses.archive)) if witnesses.archive else None
    if name is None or witnesses.zone is None:
        return None
    source = Source(Witness.FILE_NAME, witnesses.archive or "")
    if filename.is_ambiguous(name, witnesses.zone):
        inspection.findings.append(Finding(rules.ZONE_AMBIGUOUS, "backup_time", f"{name.local_time}", (source,)))
    return str(filename.unix_time(name, witnesses.zone)), source


_DERIVED: Final[Mapping[str, Callable[[Inspection, Witnesses], _Derived | None]]] = {
    "backup_filename": _archive_name,
    "backup_time": _time_of_name,
    "cache_numbackups": _count,
    "file": _file,
    "id": _id,
}

BY_NAME: Final = frozenset(_DERIVED)
"""The fields that the names and paths of files say, where no record does."""

DERIVABLE: Final = BY_NAME | {field.name for field in FIELDS if field.default is not None}
"""The fields that something else than a record can say."""
