#!/usr/bin/env python3
"""Builds a real backup: Debian's WordPress, installed into a real MariaDB, dumped, and packed by PHP's Archive_Tar.

    scripts/real_backup.py /tmp/real                        # makes /tmp/real/home/… and /tmp/real/truth.json
    scripts/real_backup.py /tmp/real --install-packages     # as root: apt-get installs what is missing, first

OUT gets an account as a server has it: the archive in `home/<user>/application_backups`, its records in
`home/<user>/.appdata`. `truth.json` beside it holds what WordPress, MariaDB and GNU tar themselves say, for a test to
compare with. Nothing is left running; nothing but apt touches the network. The format: `fixtures/FORMAT.md`.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from real import mariadb, site
from real.mariadb import ServerError
from real.site import Built, Plugin, Theme
from writers import archive_tar
from writers.installatron import record

# What the installer invents.
INSTALL_ID = "7c0ffee2wp1realbackupzw12"
BACKUP_ID = "7c0ffee3bk1realbackupzw12"
UTC_OFFSET = timezone(timedelta(hours=2))

# What the installer lists for every WordPress, whether it exists or not.
USUAL_FILES = (
    "wp-config.php,wp-config-local.php,index.php,license.txt,.htaccess,readme.html,wp-activate.php,wp-admin,wp-app.php,"
    "wp-blog-header.php,wp-comments-post.php,wp-config-sample.php,wp-content,wp-cron.php,wp-includes,wp-links-opml.php,"
    "wp-load.php,wp-login.php,wp-settings.php,wp-signup.php,wp-trackback.php,xmlrpc.php,wp-mail.php,.maintenance"
).split(",")

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Piece(NamedTuple):
    """Something needed, and the package that has it."""

    package: str
    is_there: Callable[[], bool]


# --- what is needed ---------------------------------------------------------------------------------------------------


def has_mysqli() -> bool:
    """Tell whether PHP can talk to MariaDB."""
    if not shutil.which("php"):
        return False
    return b"mysqli" in subprocess.run(["php", "-m"], capture_output=True, check=True).stdout


PIECES = (
    Piece("mariadb-server-core", lambda: bool(shutil.which("mariadbd") and shutil.which("mariadb-install-db"))),
    Piece("mariadb-client", lambda: bool(shutil.which("mariadb") and shutil.which("mariadb-dump"))),
    Piece("php-cli", lambda: bool(shutil.which("php"))),
    Piece("php-mysql", has_mysqli),
    Piece("php-pear", archive_tar.is_there),
    Piece("wordpress", (site.SHIPPED / "wp-settings.php").exists),
    Piece("wordpress-theme-*", lambda: any((site.SHIPPED / "wp-content/themes").glob("*/style.css"))),
)


def missing_packages() -> list[str]:
    """Return the packages still needed."""
    return [piece.package for piece in PIECES if not piece.is_there()]


def install_packages(packages: list[str]) -> None:
    """Have apt install them, quietly for stdout; in a container no service is started."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    for command in (["apt-get", "update"], install):
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)


def require_pieces(*, may_install: bool) -> None:
    """Stop with one clear line when something is missing and may not be installed."""
    if missing_packages() and may_install and os.geteuid() == 0:
        install_packages(missing_packages())
    if packages := missing_packages():
        hint = "run as root with --install-packages, or apt-get install them"
        raise SystemExit(f"real_backup: missing packages: {' '.join(packages)} ({hint})")


# --- the backup -------------------------------------------------------------------------------------------------------


def pack(built: Built, out: Path) -> None:
    """Write the account and the truth into ``out``."""
    now = int(time.time())
    home = out / "home" / site.USER
    lines = [("backup-note", ""), *site_lines(built)]
    backup_record = record([*lines, *backup_lines(now)])
    write_record(home / ".appdata/backups" / BACKUP_ID, backup_record)
    write_record(home / ".appdata/current" / INSTALL_ID, record([*lines[1:], *install_lines(now)]))
    archive = home / "application_backups" / archive_name(now)
    archive.parent.mkdir()
    write_archive(built, backup_record, archive)
    text = json.dumps(truth(built, out, archive, now), ensure_ascii=False, indent=2)
    (out / "truth.json").write_text(text + "\n", encoding="utf-8")


def write_record(path: Path, content: bytes) -> None:
    """Write a record into its folder."""
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def site_lines(built: Built) -> list[tuple[str, str]]:
    """Return the lines that the site's backup and install records share."""
    return [
        ("installer", "wordpress"),
        ("version", built.site["wp_version"]),
        ("language", built.site["locale"].split("_")[0]),
        ("time", str(built.created)),
        ("agent", "9.1.61"),
        ("owner", site.USER),
        ("path", site.PATH),
        ("path-created", "1"),
        ("url", built.site["siteurl"]),
        ("url-domain", host()),
        ("title", built.site["blogname"]),
        ("list-files", ",".join(listed_files(built.docroot))),
        ("list-tables", ",".join(built.tables["tables"])),
        ("list-plugins", ",".join(map(plugin_mark, built.site["plugins"]))),
        ("list-themes", ",".join(map(theme_mark, built.site["themes"]))),
        ("autoup", "1"),
        ("autoup-backup", "1"),
        ("autoup-plugins", "custom"),
        ("autoup-themes", "custom"),
        ("bkloc", "local"),
        ("autobk", "0"),
        *database_lines(),
        ("cf-login", built.site["admin_login"]),
        ("cf-email", built.site["admin_email"]),
        ("cf-sitetitle", built.site["blogname"]),
        ("cf-sitetagline", built.site["blogdescription"]),
        ("cf-twofactor", "no"),
        ("cf-limitloginattempts", "no"),
        ("cache-tables", str(built.tables["tables_bytes"])),
        ("link-admin", "wp-admin"),
        ("cache-files", str(files_bytes(built.docroot))),
        ("errcode", ""),
        ("cf-passwd", ""),
    ]


def database_lines() -> list[tuple[str, str]]:
    """Return the lines about the database."""
    return [
        ("db-host", "localhost"),
        ("db-type", "mysql"),
        ("db-name", site.DB_NAME),
        ("db-user", site.DB_USER),
        ("db-pass", site.DB_PASSWORD),
        ("db-prefix", site.DB_PREFIX),
    ]


def backup_lines(now: int) -> list[tuple[str, str]]:
    """Return the lines that make a record a backup's."""
    return [
        ("backup-install", INSTALL_ID),
        ("backup-location", "local"),
        ("backup-time", str(now)),
        ("backup-filename", archive_name(now)),
    ]


def install_lines(now: int) -> list[tuple[str, str]]:
    """Return the lines that only an install's record has."""
    return [
        ("parent", ""),
        ("stage", ""),
        ("incomplete", "0"),
        ("list-failures", ""),
        ("list-notification", ""),
        ("cache-numerrors", "0"),
        ("cache-numwarnings", "0"),
        ("cache-numbackups", "1"),
        ("cache-time", str(now)),
    ]


def plugin_mark(plugin: Plugin) -> str:
    """Return a plugin in the dialect of 2025: its folder, or its file's name."""
    slug = plugin["file"].split("/")[0].removesuffix(".php")
    return f"{mark(active=plugin['active'], auto_update=plugin['auto_update'])}{slug}/{plugin['version']}"


def theme_mark(theme: Theme) -> str:
    """Return a theme in the dialect of 2025."""
    return f"{mark(active=theme['active'], auto_update=theme['auto_update'])}{theme['stylesheet']}/{theme['version']}"


def mark(*, active: bool, auto_update: bool) -> str:
    """Return the mark of a plugin's or theme's state."""
    return {(True, True): "+", (False, True): "-", (True, False): "|", (False, False): "="}[active, auto_update]


def host() -> str:
    """Return the site's domain, without ``www.``."""
    return (urlsplit(site.URL).hostname or "").removeprefix("www.")


def archive_name(now: int) -> str:
    """Return the archive's name; its time is the server's own."""
    title = re.sub(rb"[^A-Za-z0-9]", b"-", re.sub(r"[()]", "", site.TITLE).encode()).decode()
    return f"app_{host().replace('.', '-')}_{title}_{local(now):%Y-%m-%d_%H-%M-%S}.tar.gz"


def local(moment: int) -> datetime:
    """Return a moment on the server's clock."""
    return datetime.fromtimestamp(moment, UTC_OFFSET)


def listed_files(docroot: Path) -> list[str]:
    """Return the usual names, then whatever else this WordPress brings along."""
    return [*USUAL_FILES, *sorted({path.name for path in docroot.iterdir()} - set(USUAL_FILES))]


def files_bytes(docroot: Path) -> int:
    """Return the size of all the site's files."""
    files = (path for path in docroot.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def write_archive(built: Built, backup_record: bytes, archive: Path) -> None:
    """Pack record, dump and listed files as the vendor's writer does; that leaves out listed files that don't exist."""
    first = {"APP-META.INI": backup_record, "APP-DATA.SQL": built.dump}
    names = [*first, *listed_files(built.docroot)]
    for name, content in first.items():
        (built.docroot / name).write_bytes(content)
    archive_tar.pack(built.docroot, map(os.fsencode, names), archive)
    for name in first:
        (built.docroot / name).unlink()


def truth(built: Built, out: Path, archive: Path, now: int) -> dict[str, object]:
    """Return what the real things say, each from its own mouth."""
    listing = ["tar", "--list", "--quoting-style=literal", f"--file={archive}"]
    names = subprocess.run(listing, capture_output=True, check=True).stdout.decode().splitlines()
    return {
        **built.site,
        **built.tables,
        "db_name": site.DB_NAME,
        "db_user": site.DB_USER,
        "db_password": site.DB_PASSWORD,
        "db_prefix": site.DB_PREFIX,
        "user": site.USER,
        "path": site.PATH,
        "install_id": INSTALL_ID,
        "backup_id": BACKUP_ID,
        "created": built.created,
        "backup_time": now,
        "name_time": f"{local(now):%Y-%m-%dT%H:%M:%S}",
        "utc_offset": local(now).isoformat()[-6:],
        "archive": str(archive.relative_to(out)),
        "archive_bytes": archive.stat().st_size,
        "dump_bytes": len(built.dump),
        "files_bytes": files_bytes(built.docroot),
        "member_count": len(names),
        "members": names,
    }


# --- the command ------------------------------------------------------------------------------------------------------


def build(out: Path) -> None:
    """Build everything in a temporary folder; only a finished account reaches ``out``."""
    with TemporaryDirectory(prefix="real-backup-") as name:
        work = Path(name)
        work.chmod(0o711)  # the server's user must pass through
        with mariadb.running(work / "mariadb") as server:
            built = site.build(server, work / "public_html")
        pack(built, work / "out")
        ignore_signals()
        shutil.copytree(work / "out", out, dirs_exist_ok=True)


def end_on_signals() -> None:
    """Let SIGTERM, SIGHUP and Ctrl-C clean up alike."""

    def end(number: int, _frame: object) -> None:
        ignore_signals()
        raise SystemExit(128 + number)

    for each in ENDING_SIGNALS:
        signal.signal(each, end)


def ignore_signals() -> None:
    """Let nothing disturb what is to be finished or cleaned up."""
    for each in ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def empty_folder(text: str) -> Path:
    """Return OUT when it is absent or an empty folder."""
    path = Path(text)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise argparse.ArgumentTypeError(f"{text} must be a new or an empty folder")
    return path


def main() -> None:
    """Parse, build, and say where it is."""
    parser = argparse.ArgumentParser(description="Builds a real backup of a real WordPress.")
    parser.add_argument("out", type=empty_folder, metavar="OUT", help="a new or an empty folder")
    parser.add_argument("--install-packages", action="store_true", help="as root: apt-get installs what is missing")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin"  # mariadbd's place
    end_on_signals()
    try:
        require_pieces(may_install=options.install_packages)
        build(options.out)
    except subprocess.CalledProcessError as error:
        last_words = (error.stderr or b"").decode(errors="replace")[-2000:]
        raise SystemExit(f"real_backup: {error.cmd[0]} failed with {error.returncode}: {last_words}") from None
    except (OSError, ServerError) as error:
        raise SystemExit(f"real_backup: {error}") from None
    print(options.out / "truth.json")


if __name__ == "__main__":
    main()
