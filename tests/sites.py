"""A small honest WordPress, backed up: nothing is odd about it, so that a test may say what it changes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests import invented
from tests.invented import BACKUP, NAME, TIME, Account, archive, backup_record, install_record

NOW: Final = TIME + 3600
"""An hour after the backup."""

FILES: Final = {
    "index.php": b"<?php // begins\n",
    "wp-admin/index.php": b"<?php // administers\n",
    "wp-blog-header.php": b"<?php // loads\n",
    "wp-config.php": b"<?php\n$table_prefix = 'wp_';\n"
    b"define( 'DB_NAME', 'exampleu_wp1' );\ndefine( 'DB_PASSWORD', 'hunter2' );\n",
    "wp-content/plugins/akismet/akismet.php": b"<?php\n/*\nPlugin Name: Akismet\nVersion: 5.3.6\n*/\n",
    "wp-content/themes/plain/style.css": b"/*\nTheme Name: Plain\nVersion: 1.1\n*/\n",
    "wp-includes/version.php": b"<?php\n$wp_version = '6.5.4';\n",
    "wp-load.php": b"<?php // loads\n",
    "wp-login.php": b"<?php // asks\n",
    "wp-settings.php": b"<?php // sets up\n",
}
DUMP: Final = (
    b"SET AUTOCOMMIT = 0;\nSTART TRANSACTION;\n"
    b"DROP TABLE IF EXISTS `wp_options`;\nCREATE TABLE `wp_options` (\n  `a` int\n) ENGINE=InnoDB;\n"
    b"INSERT INTO `wp_options` VALUES ('1'),('2');\n"
    b"DROP TABLE IF EXISTS `wp_users`;\nCREATE TABLE `wp_users` (\n  `a` int\n) ENGINE=InnoDB;\n"
    b"INSERT INTO `wp_users` VALUES ('1');\nCOMMIT;\n"
)
LINES: Final = {
    "list_files": "index.php,.htaccess,wp-admin,wp-blog-header.php,wp-config.php,wp-content,wp-includes,wp-load.php,"
    "wp-login.php,wp-settings.php",
    "list_tables": "wp_options,wp_users",
    "list_plugins": "+akismet/5.3.6",
    "list_themes": "+plain/1.1",
    "db_name": "exampleu_wp1",
    "db_prefix": "wp_",
    "autobk": "0",
}


def record(**changes: str | None) -> bytes:
    """Return the honest record with ``changes``; ``_`` in a key stands for ``-``, None leaves the key out."""
    return backup_record(**{**LINES, **changes})


def packed(
    embedded: bytes | None,
    files: Mapping[str, bytes | None] | None = None,
    dump: bytes | None = DUMP,
    time: int = invented.TIME,
) -> bytes:
    """Return an archive with the record ``embedded``, and ``files`` for the honest ones; None leaves one out."""
    merged = {**FILES, **(files or {})}
    members: Iterable[tuple[str, bytes]] = [(name, content) for name, content in merged.items() if content is not None]
    return archive(embedded, [*([("APP-DATA.SQL", dump)] if dump is not None else []), *members], time)


def honest(home: Path) -> Account:
    """Make an account at ``home`` with one backup of one install; nothing is odd about it."""
    account = Account(home)
    account.backup(BACKUP, record())
    account.install(invented.INSTALL, install_record(**LINES))
    (account.archives / NAME).write_bytes(packed(record()))
    return account
