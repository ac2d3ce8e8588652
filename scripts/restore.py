#!/usr/bin/env python3
"""Restores the newest clean backup of a WordPress from before a moment: a new folder, a new database.

    scripts/restore.py cavtwnyvhzk8cgw8ks4gcgoo4 --root /home --before 2024-06-13 \
        --to site --socket /run/mysqld/mysqld.sock --database restored --url http://127.0.0.1:8080
    php -S 127.0.0.1:8080 -t site

An example of what is built on the library: of backupmeta it uses public names alone. A backup is clean where `verify`
passes it; it is verified again in the pass that extracts it. MariaDB's root makes the database, and a user with a new
password who has no rights outside of it: as this user the dump is loaded. `wp-config.php` gets both, and the address.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

import backupmeta

DEFINITION: Final = rb"""(?msx) ^([ \t]*) define \s* \( \s* (['"]) %b \2 \s* , \s*
    (?: '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" ) \s* \)"""
"""A constant of ``wp-config.php``, by its name: it begins a line, and its value is a literal."""


class Database(NamedTuple):
    """A database on a private MariaDB, with a user of the same name."""

    socket: str
    name: str
    password: str

    def create(self) -> None:
        """Create the database and its user, neither of which may be there."""
        user, pattern = f"`{self.name}`@localhost", self.name.replace("_", r"\_")
        with TemporaryFile() as statements:
            statements.write(
                f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4;"
                f"CREATE USER {user} IDENTIFIED BY '{self.password}';"
                f"GRANT ALL ON `{pattern}`.* TO {user};".encode()
            )
            self.run("root", "", statements)

    def load(self, dump: IO[bytes]) -> None:
        """Load a ``dump`` into the database, as its user."""
        self.run(self.name, self.password, dump, self.name)

    def run(self, user: str, password: str, statements: IO[bytes], *database: str) -> None:
        """Have MariaDB's client run ``statements``; it follows no commands to itself (``\\!``, ``source``)."""
        command = ["mariadb", "--no-defaults", "--binary-mode", "--default-character-set=utf8mb4"]
        command += [f"--socket={self.socket}", f"--user={user}", *database]
        statements.seek(0)
        environment = os.environ | {"MYSQL_PWD": password}
        subprocess.run(command, stdin=statements, env=environment, capture_output=True, check=True)


def candidates(install: str, search: backupmeta.Search, before: datetime) -> Iterator[backupmeta.Inspection]:
    """Yield the backups of an ``install`` that were made ``before`` a moment and are here, the newest first."""
    dated = list[tuple[datetime, str, backupmeta.Inspection]]()
    for backup in backupmeta.list_backups(search):
        made = backup.instant("backup_time")
        if backup.is_unread:
            report(backup.path, "passed over, it can't be read")
        elif made and made < before and backup.archive and backup.text("backup_install") == install:
            dated.append((made, backup.path, backup))
    yield from (backup for _, _, backup in sorted(dated, key=lambda entry: entry[:2], reverse=True))


def restore(backup: backupmeta.Inspection, search: backupmeta.Search, folder: Path, database: Database) -> bool:
    """Restore a ``backup`` and return True, or return False where it is not clean."""
    with backupmeta.open_archive(backup.path, search) as archive, TemporaryFile(dir=folder.absolute().parent) as dump:
        verification = archive.verify()
        if verification.verdict is not backupmeta.Verdict.PASS:
            reasons = "; ".join(judged.finding.message for judged in verification.judged[:1])
            report(backup.path, f"{verification.verdict}: {reasons}")
            return False
        database.create()
        extraction = archive.extract(str(folder), dump=dump.write)
        if not (extraction.is_kept and extraction.has_dump):
            raise SystemExit(f"restore: {backup.path} has no dump, or members that are refused")
        database.load(dump)
    report(backup.path, f"restored, of {backup.instant('backup_time')}")
    return True


def configure(path: Path, database: Database, url: str | None) -> None:
    """Give the ``wp-config.php`` at ``path`` a ``database``, and an address if there is a ``url``."""
    constants = {"DB_NAME": database.name, "DB_USER": database.name, "DB_PASSWORD": database.password}
    constants |= {"DB_HOST": f"localhost:{database.socket}"}
    constants |= {"WP_HOME": url, "WP_SITEURL": url} if url else {}
    config = path.read_bytes()
    for name, value in constants.items():
        config = defined(config, name, value)
    path.write_bytes(config)


def defined(config: bytes, name: str, value: str) -> bytes:
    """Return a ``wp-config.php`` whose constant ``name`` has this ``value``.

    One that it lacks, or has in another form, is defined first: PHP keeps the first definition.
    """
    literal = "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"
    definition = f"define( '{name}', {literal} )".encode()
    config, count = re.subn(DEFINITION % name.encode(), lambda match: match[1] + definition, config)
    if not count:
        config, count = re.subn(rb"<\?php\b", lambda _: b"<?php\n%b;" % definition, config, count=1)
    if not count:
        raise SystemExit("restore: wp-config.php is no PHP: it still names the old database")
    return config


def report(path: str, text: str) -> None:
    """Say on stderr what became of a backup."""
    print(f"restore: {path}: {text}", file=sys.stderr)


def refusal(error: subprocess.CalledProcessError) -> str:
    """Return why MariaDB's client ended, without what it quotes: a statement may hold passwords' hashes."""
    reasons = re.findall(r"^ERROR.*?(?= near '|$)", error.stderr.decode(errors="replace"), re.MULTILINE)
    return reasons[0] if reasons else f"exit code {error.returncode}"


def moment(text: str) -> datetime:
    """Return a time in ISO 8601, in UTC where it names no offset."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def empty_folder(text: str) -> Path:
    """Return a folder that is not there, or is empty."""
    path = Path(text)
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.absolute().parent}, where {text} is to lie, is no folder")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise argparse.ArgumentTypeError(f"{text} is not a new or an empty folder")
    return path


def database_name(text: str) -> str:
    """Return a name that SQL and PHP read alike."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", text):
        raise argparse.ArgumentTypeError(f"{text} has other than 1 to 64 letters, digits and _")
    return text


def main() -> None:
    """Parse, restore, and say what was restored."""
    parser = argparse.ArgumentParser(
        description="Restores the newest clean backup of a WordPress from before a moment."
    )
    parser.add_argument("install", metavar="INSTALL", help="the install's id, as backupmeta installs tells it")
    parser.add_argument("--root", action="append", required=True, help="a home, or a folder of homes or archives")
    parser.add_argument("--before", type=moment, required=True, metavar="TIME", help="2024-06-13, or with a time; UTC")
    parser.add_argument(
        "--to", type=empty_folder, required=True, metavar="FOLDER", help="where to; a new or an empty folder"
    )
    parser.add_argument(
        "--socket", type=Path, required=True, help="where a MariaDB listens whose root needs no password"
    )
    parser.add_argument("--database", type=database_name, required=True, help="a new database, and its user's name")
    parser.add_argument("--url", help="the address that the site gets; by default it keeps its own")
    options = parser.parse_args()
    database = Database(str(options.socket.absolute()), options.database, token_urlsafe())
    search = backupmeta.Search(options.root)
    try:
        backups = candidates(options.install, search, options.before)
        if not any(restore(backup, search, options.to, database) for backup in backups):
            raise SystemExit(f"restore: no clean backup of {options.install} from before {options.before}")
        configure(options.to / "wp-config.php", database, options.url)
    except (OSError, backupmeta.BackupMetaError) as error:
        raise SystemExit(f"restore: {error}") from None
    except subprocess.CalledProcessError as error:
        rest = f"; remove {options.to} and the database, which are not whole" if options.to.exists() else ""
        raise SystemExit(f"restore: MariaDB: {refusal(error)}{rest}") from None


if __name__ == "__main__":
    main()
