"""Backups and accounts to judge, of real records and real archives that the real reader took in; for tests."""

import io
import os
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from backupmeta.account.home import State
from backupmeta.archive.limits import DEFAULT_LIMITS, Limits
from backupmeta.archive.reader import Pass
from backupmeta.backup import resolve
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.witnesses import Witnesses
from backupmeta.checks import rulebook
from backupmeta.checks.checked_backup import CheckedBackup, Inventory
from backupmeta.checks.policy import DEFAULT, Policy
from backupmeta.evidence import EvidenceFile
from backupmeta.findings import Finding
from backupmeta.provenance import Source, Witness
from backupmeta.record.grammar import Document, document
from tests.invented import INSTALL, NAME, TIME, archive, backup_record, install_record

HOME: Final = "/home/exampleu"
PATH: Final = f"{HOME}/application_backups/{NAME}"
FOLDER: Final = f"{HOME}/public_html/blog"
"""The install's own folder: the ``path`` of the invented records."""

INSTALL_RECORD: Final = f"{HOME}/.appdata/current/{INSTALL}"
NOW: Final = TIME + 3600
ARCHIVE: Final = Source(Witness.ARCHIVE, PATH)
"""The archive as a whole, as evidence."""

FILES: Final = (
    "wp-config.php,wp-config-local.php,index.php,wp-admin,wp-blog-header.php,wp-content,wp-includes,wp-load.php,"
    "wp-login.php,wp-settings.php,.maintenance"
)
TABLES: Final = "wp_options,wp_posts,wp_recent,wp_users"

# FORMAT.md §5: the real writer's dump; wp_recent is a view.
DUMP: Final = b"""SET AUTOCOMMIT = 0;
START TRANSACTION;
DROP TABLE IF EXISTS `wp_options`;
CREATE TABLE `wp_options` (
  `option_id` bigint NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_options` VALUES (1);
DROP TABLE IF EXISTS `wp_posts`;
CREATE TABLE `wp_posts` (
  `ID` bigint NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_posts` VALUES (1,'CREATE TABLE `not_one` (');
DROP TABLE IF EXISTS `wp_users`;
CREATE TABLE `wp_users` (
  `ID` bigint NOT NULL
) ENGINE=InnoDB;
INSERT INTO `wp_users` VALUES (1);
DROP VIEW IF EXISTS `wp_recent`;
CREATE VIEW `wp_recent` AS select `wp_posts`.`ID` AS `ID` from `wp_posts`;
COMMIT;
"""

MEMBERS: Final[Mapping[str, bytes]] = {
    "APP-DATA.SQL": DUMP,
    "wp-config.php": b"<?php\n$table_prefix = 'wp_';\n",
    "index.php": b"<?php\n",
    "wp-admin/index.php": b"<?php\n",
    "wp-blog-header.php": b"<?php\n",
    "wp-content/index.php": b"<?php\n",
    "wp-includes/version.php": b"<?php\n$wp_version = '6.5.4';\n",
    "wp-load.php": b"<?php\n",
    "wp-login.php": b"<?php\n",
    "wp-settings.php": b"<?php\n",
}
"""What lies in an honest archive behind its record."""


def record(**changes: str | None) -> bytes:
    """Return an honest record of a backup without secrets, but for ``changes``: see `backup_record`."""
    return backup_record(**{"list_files": FILES, "list_tables": TABLES, "db_prefix": "wp_", "db_pass": None, **changes})


def without(*names: str) -> dict[str, bytes]:
    """Return the members of an honest archive without those called ``names``."""
    return {name: content for name, content in MEMBERS.items() if name not in names}


def surveyed(content: bytes, limits: Limits = DEFAULT_LIMITS, asked: Iterable[bytes] = ()) -> Inventory:
    """Return what a pass over the archive ``content`` collects."""
    inventory = Inventory(limits, asked)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        with EvidenceFile("evidence", os.dup(file.fileno())) as opened:
            deque(Pass(opened, limits, consumers=[inventory]), maxlen=0)
    return inventory


class Backup(NamedTuple):
    """A backup to judge, and what it was made of, to point at.

    Attributes:
        subject: what the checks see.
        record: its record.
        archive: its archive.
    """

    subject: CheckedBackup
    record: bytes
    archive: bytes

    @property
    def found(self) -> list[Finding]:
        """What all the checks together find."""
        return list(rulebook.of_backup(self.subject, is_whole=True))

    def line(self, key: str) -> Source:
        """Return the place of the record's line with ``key``."""
        lines = self.record.split(b"\n")
        number = next(n for n, one in enumerate(lines) if one.startswith(key.encode() + b"="))
        offset = sum(len(one) + 1 for one in lines[:number])
        return Source(Witness.EMBEDDED_RECORD, self.subject.path, "APP-META.INI", number + 1, offset)

    def member(self, name: str) -> Source:
        """Return the place of a member, as Python's own tarfile tells it."""
        with tarfile.open(fileobj=io.BytesIO(self.archive), errors="surrogateescape") as tar:
            return Source(Witness.ARCHIVE, self.subject.path, name, None, tar.getmember(name).offset)


def backup(
    embedded: bytes | None = None,
    inside: Mapping[str, bytes] = MEMBERS,
    *,
    install: bytes | None = None,
    name: str = NAME,
    policy: Policy = DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    now: int = NOW,
) -> Backup:
    """Return a backup whose archive, called ``name``, holds the record ``embedded`` and the members ``inside``.

    Without arguments it is an honest one. ``install`` is the record of the live install, where there is one.
    """
    content = record() if embedded is None else embedded
    whole = archive(content, inside.items())
    path = f"{HOME}/application_backups/{name}"
    said = document(Source(Witness.EMBEDDED_RECORD, path, "APP-META.INI"), content, DEFAULT_LIMITS)
    live = None if install is None else _install(install)
    inspection = resolve.backup(Witnesses(None, None, said, live, path, HOME, HOME, None, None), State.UNCLAIMED)
    return Backup(
        CheckedBackup(path, inspection, surveyed(whole, limits), policy.requirements, now),
        content,
        whole,
    )


def install(id_: str = INSTALL, /, **changes: str | None) -> Inspection:
    """Return what is known of a live install whose record is the invented one, but for ``changes``."""
    return installed(install_record(**changes), id_)


def installed(content: bytes, id_: str = INSTALL) -> Inspection:
    """Return what is known of a live install whose record is ``content``."""
    return resolve.install(id_, _install(content), HOME, HOME, 1)


def _install(content: bytes) -> Document:
    return document(Source(Witness.INSTALL_RECORD, INSTALL_RECORD), content, DEFAULT_LIMITS)


def ids(findings: list[Finding]) -> list[str]:
    """Return the findings' ids, in their order."""
    return [one.id for one in findings]
