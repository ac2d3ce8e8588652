"""Checks of the application's own files: its version, its plugins and themes, whose database it is configured for.

They hold for archives that were wholly read: what is not in the rest of a broken one may well have been there.
"""

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple

from backupmeta.checks import applications
from backupmeta.checks.applications import (
    APPLICATIONS,
    WORDPRESS_CONFIG,
    WORDPRESS_CONTENT,
    WORDPRESS_PLUGINS,
    WORDPRESS_THEMES,
    Application,
    ExtensionKind,
    FileVersion,
    PackedExtension,
    order,
    packed_extensions,
    same_version,
    version_by_files,
    wordpress_config,
)
from backupmeta.checks.checked_backup import Check, CheckedBackup, text_of
from backupmeta.findings import Finding, FindingRule, Group, Severity
from backupmeta.provenance import display

_error = partial(FindingRule, Group.APPLICATION, Severity.ERROR)
_note = partial(FindingRule, Group.APPLICATION, Severity.NOTE)
_contradiction = partial(FindingRule, Group.APPLICATION, is_contradiction=True)
_SINCE: Final = "see whether it was added, removed or updated by hand since the record was written"
_ANOTHER: Final = "see whether the files or the record are another install's"


class _Extensions(NamedTuple):
    """Plugins or themes.

    Attributes:
        kind: what an archive has.
        field: what the answer calls them.
        folder: where they lie.
        missing: the finding that one of the record is not in the archive.
        unlisted: the finding that one of the archive is not in the record.
        differs: the finding that one is of another version.
    """

    kind: ExtensionKind
    field: str
    folder: bytes
    missing: FindingRule
    unlisted: FindingRule
    differs: FindingRule


class _Compared(NamedTuple):
    """What the record lists of a kind, versions by id, and what the archive has of it."""

    rules: _Extensions
    listed: dict[str, str | None]
    packed: list[PackedExtension]

    @property
    def by_name(self) -> dict[str, list[PackedExtension]]:
        """What the archive has, by each id that the record may have for it."""
        named: dict[str, list[PackedExtension]] = {}
        for extension in self.packed:
            for name in extension.names:
                named.setdefault(name, []).append(extension)
        return named


PLUGIN_MISSING: Final = _contradiction(
    Severity.WARNING, "plugin-missing", "a plugin of the record is not in the archive", _SINCE
)
PLUGIN_UNLISTED: Final = _contradiction(
    Severity.NOTE, "plugin-unlisted", "a plugin in the archive is not in the record", _SINCE
)
PLUGIN_VERSION_DIFFERS: Final = _contradiction(
    Severity.WARNING, "plugin-version-differs", "a plugin is of another version than the record says", _SINCE
)

_PLUGINS: Final = _Extensions(
    "Plugin", "plugins", WORDPRESS_PLUGINS, PLUGIN_MISSING, PLUGIN_UNLISTED, PLUGIN_VERSION_DIFFERS
)
THEME_MISSING: Final = _contradiction(
    Severity.WARNING, "theme-missing", "a theme of the record is not in the archive", _SINCE
)
THEME_UNLISTED: Final = _contradiction(
    Severity.NOTE, "theme-unlisted", "a theme in the archive is not in the record", _SINCE
)
THEME_VERSION_DIFFERS: Final = _contradiction(
    Severity.WARNING, "theme-version-differs", "a theme is of another version than the record says", _SINCE
)

_THEMES: Final = _Extensions("Theme", "themes", WORDPRESS_THEMES, THEME_MISSING, THEME_UNLISTED, THEME_VERSION_DIFFERS)


def required(backup: CheckedBackup) -> tuple[str, ...]:
    """Return the names that the record lists, does not exclude, and that the application can't do without."""
    application, version, excluded = _application(backup), _version_by_files(backup), frozenset(backup.excluded)
    if application is None:
        return ()
    needed = {*application.required, *(version.sign.needs if version else ())}
    listed = map(backup.inside, backup.texts("files"))
    return tuple(name for name in listed if name in needed and name not in excluded)


APPLICATION_UNKNOWN: Final = _note(
    "application-unknown",
    "no inspector knows this application; its files were not compared",
    "compare its version by hand",
)


def unknown(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the application is none of those whose files are known."""
    name = backup.text("application")
    if name and name not in APPLICATIONS:
        yield Finding(APPLICATION_UNKNOWN, "application", name, backup.field_sources("application"))


APPLICATION_NOT_FOUND: Final = _error(
    "application-not-found", "none of the files that tell the application's version is there", _ANOTHER
)


def not_found(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that files were backed up, and none of them tells a version of the application."""
    application = _application(backup)
    if application is None or _version_by_files(backup) or not backup.texts("files") or backup.inventory.is_partial:
        return
    paths, excluded = [sign.path for sign in application.signs], frozenset(backup.excluded)
    if any(_lies_in(excluded, path) for path in paths):
        return
    there = [path for path in paths if backup.inventory.has(path)]
    detail = f"{text_of(there[0])} tells none" if there else f"no {', no '.join(map(text_of, paths))}"
    yield backup.differs(APPLICATION_NOT_FOUND, "application", detail, *map(backup.member_source, there or paths[:1]))


APPLICATION_VERSION_DIFFERS: Final = _contradiction(
    Severity.ERROR,
    "application-version-differs",
    "the application's files are of another version than the record",
    _ANOTHER,
)


def version_differs(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the application's files are of another version than the record's."""
    by_files, recorded = _version_by_files(backup), backup.text("version")
    if by_files and recorded and not same_version(by_files.version, recorded):
        detail = f"{by_files.version} by {text_of(by_files.sign.path)}, {recorded} by the record"
        yield backup.differs(APPLICATION_VERSION_DIFFERS, "version", detail, backup.member_source(by_files.sign.path))


VERSION_TOO_OLD: Final = _error(
    "version-too-old", "the application's version is older than the policy allows", "update the application"
)


def version_too_old(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that the version, by the files or else by the record, is lower than the policy allows."""
    by_files, floor = _version_by_files(backup), backup.requirements.versions.get(backup.text("application"))
    version = by_files.version if by_files else backup.text("version")
    if floor and version and order(version) < order(floor):
        places = [backup.member_source(by_files.sign.path)] if by_files else []
        yield backup.differs(VERSION_TOO_OLD, "version", f"{version}, at least {floor} is asked for", *places)


def extensions_missing(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the plugins and themes of the record that are not in the archive, not even as a file or folder."""
    excluded = frozenset(backup.excluded)
    for both in _compared(backup) if not backup.inventory.is_partial else ():
        kind, there = both.rules, both.by_name
        for id_ in both.listed:
            path = kind.folder + id_.encode()
            is_there = id_ in there or backup.inventory.has(path) or backup.inventory.has(path + b".php")
            if not is_there and not _lies_in(excluded, path):
                yield backup.differs(kind.missing, kind.field, id_, backup.member_source(kind.folder.rstrip(b"/")))


def extensions_unlisted(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the plugins and themes in the archive that are not in the record; each folder once."""
    for kind, listed, extensions in _compared(backup):
        firsts = {extension.id: extension for extension in reversed(extensions)}
        for extension in reversed(firsts.values()):
            if not any(name in listed for name in extension.names):
                yield backup.differs(
                    kind.unlisted, kind.field, display(extension.id), backup.member_source(extension.path)
                )


def extensions_differ(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield the plugins and themes of another version than the record's; of several in a folder, none has it."""
    for both in _compared(backup):
        kind, there = both.rules, both.by_name
        for id_, recorded in both.listed.items():
            versioned = [extension for extension in there.get(id_, ()) if extension.header.version]
            if (
                recorded
                and versioned
                and not any(same_version(extension.header.version, recorded) for extension in versioned)
            ):
                detail = (
                    f"{id_}: {versioned[0].header.version} by {text_of(versioned[0].path)}, {recorded} by the record"
                )
                yield backup.differs(kind.differs, kind.field, detail, backup.member_source(versioned[0].path))


CONFIG_DIFFERS: Final = _contradiction(
    Severity.ERROR, "config-differs", "the application's configuration names another database than the record", _ANOTHER
)


def config_differs(backup: CheckedBackup) -> Iterator[Finding]:
    """Yield that WordPress is configured for another database, user or prefix than the record's."""
    for field, value in _configured(backup).items():
        recorded = backup.text(field)
        if isinstance(backup.inspection.get(field), str) and value != recorded:
            detail = f"{value} by {text_of(WORDPRESS_CONFIG)}, {recorded} by the record"
            yield backup.differs(CONFIG_DIFFERS, field, detail, backup.member_source(WORDPRESS_CONFIG))


def _configured(backup: CheckedBackup) -> dict[str, str]:
    """Return which database, user and prefix WordPress is configured for, as far as its configuration tells."""
    content = backup.inventory.heads.get(WORDPRESS_CONFIG)
    if content is None or backup.text("application") != "wordpress":
        return {}
    return {field: value for field, value in wordpress_config(content)._asdict().items() if value is not None}


def php_by_files(backup: CheckedBackup) -> FileVersion | None:
    """Return the lowest version of PHP that the application runs with, and what tells it; None where nothing does."""
    application = _application(backup)
    return applications.php_by_files(application, backup.inventory.heads) if application else None


def told_by_contents(backup: CheckedBackup) -> dict[str, tuple[str, bytes]]:
    """Return what files of the archive tell of the record's fields: by field the value, and the file that tells it."""
    configured = {field: (value, WORDPRESS_CONFIG) for field, value in _configured(backup).items()}
    by_files = _version_by_files(backup)
    return configured if by_files is None else {**configured, "version": (by_files.version, by_files.sign.path)}


def _application(backup: CheckedBackup) -> Application | None:
    return APPLICATIONS.get(backup.text("application"))


def _version_by_files(backup: CheckedBackup) -> FileVersion | None:
    application = _application(backup)
    return version_by_files(application, backup.inventory.heads) if application else None


def _lies_in(names: frozenset[str], path: bytes) -> bool:
    """Return whether ``path``, or a folder that it lies in, is one of ``names``."""
    return any(name in names for name in accumulate(text_of(path).split("/"), "{}/{}".format))


def _compared(backup: CheckedBackup) -> Iterator[_Compared]:
    """Yield plugins and themes, where the record lists them and the archive has WordPress's folder of both."""
    packed = packed_extensions(backup.inventory.heads)
    for rules in (_PLUGINS, _THEMES):
        value = backup.inspection.get(rules.field)
        if isinstance(value, list) and backup.inventory.has(WORDPRESS_CONTENT):
            listed = {extension["id"]: extension["version"] for extension in value if not isinstance(extension, str)}
            yield _Compared(rules, listed, packed[rules.kind])


CHECKS: Final[tuple[Check, ...]] = (
    unknown,
    not_found,
    version_differs,
    version_too_old,
    extensions_missing,
    extensions_unlisted,
    extensions_differ,
    config_differs,
)
