"""A real WordPress in a real MariaDB: installed, used a little, dumped, and asked what it is.

For `real_backup.py`, which packs it. All of the site's content is invented.
"""

import json
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from real.mariadb import Server
from writers import sql_dump

FOLDER = Path(__file__).resolve().parent
SHIPPED = Path("/usr/share/wordpress")

# The site, all invented. Its words and passwords hold what naive readers of records trip over.
USER = "cafezw"
URL = "https://www.cafe-zwoelf.example/blog"
PATH = f"/home/{USER}/public_html/blog"
TITLE = "Café Zwölf = 50 % (2)"
TAGLINE = "Kuchen; Bücher # und [mehr] ☕"
LOGIN = "zwoelf.admin"
EMAIL = "admin@cafe-zwoelf.example"
ADMIN_PASSWORD = "Sahne=12%;#extra"
DB_NAME = DB_USER = f"{USER}_wp1"
DB_PASSWORD = "q=7%Zw;lf#[Kx] !p"
DB_PREFIX = "kz4_"
RESTORED_NAME = f"{USER}_restored"
SEED = 12

UPLOADS = "wp-content/uploads/2024/06"
NAME_FIELD = 100  # bytes of a tar header
NAME_LENGTHS = (NAME_FIELD - 1, NAME_FIELD, NAME_FIELD + 1, 254, 255, 256)
BUFFER = 512  # what PHP's Archive_Tar reads at once; other versions and callers read more
SIZES = (BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER, 32 * 1024, 32 * 1024 + BUFFER, 64 * 1024)

ACTIVE_PLUGINS = ("opening-hours.php", "reading-shelf/shelf.php")
AUTO_UPDATED_PLUGINS = ("akismet/akismet.php", "reading-shelf/shelf.php")
AUTO_UPDATED_THEMES = ("twentytwentytwo", "twentytwentythree")

WP_CONFIG = """<?php
define( 'DB_NAME', {name} );
define( 'DB_USER', {user} );
define( 'DB_PASSWORD', {password} );
define( 'DB_HOST', 'localhost' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );

{salts}

$table_prefix = {prefix};

if ( ! defined( 'ABSPATH' ) ) {{
	define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
"""
SALTED = [f"{use}_{kind}" for use in ("AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE") for kind in ("KEY", "SALT")]

AWKWARD_POSTS = (
    ("Größe, “Anführung” und 坊っちゃん", "Naïve café — Ελληνικά, кириллица, עברית 🥐🇦🇹\U0001f469\u200d\U0001f373"),
    (
        'It\'s "quoted" \\ and `ticked`',
        "C:\\new\\table\r\n\tindented, 'single', \"double\", \\' and \\\\ and \\0 and \x1a.",
    ),
    (
        "A dump in a post",
        "INSERT INTO `kz4_users` VALUES (1,'x');\nDROP TABLE IF EXISTS `kz4_none`;\nCOMMIT;\n-- Dump completed",
    ),
    ("A record in a post", "installer=drupal\ndb-pass=not-this-one\nlist-tables=none\nbackup-time=1"),
    ("Long", "Ein Satz, der sich wiederholt; (1,'a'),(2,'b'). " * 4000),
)


class Plugin(TypedDict):
    """A plugin as WordPress tells it."""

    file: str
    name: str
    version: str
    active: bool
    auto_update: bool


class Theme(TypedDict):
    """A theme as WordPress tells it."""

    stylesheet: str
    name: str
    version: str
    active: bool
    auto_update: bool


class Site(TypedDict):
    """What WordPress says of itself."""

    wp_version: str
    blogname: str
    blogdescription: str
    siteurl: str
    locale: str
    admin_login: str
    admin_email: str
    posts: int
    plugins: list[Plugin]
    themes: list[Theme]


class Tables(TypedDict):
    """What MariaDB says of the database."""

    server_version: str
    tables: dict[str, str]
    table_rows: dict[str, int]
    tables_bytes: int


class Built(NamedTuple):
    """A finished site, before it is packed."""

    docroot: Path
    site: Site
    tables: Tables
    dump: bytes
    created: int


def build(server: Server, docroot: Path) -> Built:
    """Install WordPress, use it a little, and dump it; the dump is proved by restoring it."""
    created = int(time.time())
    lay_out(docroot)
    create_database(server)
    wordpress(server, docroot, "install", login=LOGIN, email=EMAIL, title=TITLE, password=ADMIN_PASSWORD)
    fill(server, docroot)
    site: Site = wordpress(server, docroot, "tell")
    text = b"".join(sql_dump.dump(server, DB_NAME))
    prove(server, text)
    return Built(docroot, site, told_tables(server), text, created)


def lay_out(docroot: Path) -> None:
    """Copy the shipped WordPress, links resolved, with our configuration, plugins and some uploads."""
    shutil.copytree(SHIPPED, docroot)
    shutil.copytree(FOLDER / "plugins", docroot / "wp-content/plugins", dirs_exist_ok=True)
    (docroot / "wp-config.php").write_text(wp_config(), encoding="utf-8")
    upload(docroot)


def upload(docroot: Path) -> None:
    """Put in the uploads what a writer of tars must get right: names, sizes and links at its bounds."""
    uploads = docroot / UPLOADS
    uploads.mkdir(parents=True)
    (uploads / "empty folder").mkdir()
    (uploads / "Fußboden, 'übergroß' 🥐.txt").write_text("Per FTP: größer.\n", encoding="utf-8")
    (uploads / f"{'ä' * 60}.jpg").touch()  # byte 100 of its name is the first of a letter's two
    for length in NAME_LENGTHS:
        (docroot / name_of(length)).write_text(f"{length}\n")
    for size in SIZES:
        (uploads / f"{size}.bin").write_bytes(random.Random(size).randbytes(size))
    folder = docroot / name_of(NAME_FIELD - 1, "f")
    (folder / "below").mkdir(parents=True)  # byte 100 of all names in the folder is the slash after it
    (folder / "index.php").write_text("<?php // Silence is golden.\n")
    (folder / "empty.txt").touch()
    os.link(folder / "index.php", uploads / "hard-link.php")
    (uploads / "latest.php").symlink_to("hard-link.php")
    (uploads / "below").symlink_to(os.path.relpath(folder / "below", uploads))
    (uploads / "at-100.txt").symlink_to((docroot / name_of(NAME_FIELD)).name)


def name_of(length: int, letter: str = "n") -> str:
    """Return a name in the uploads, from the root of the site, of ``length`` bytes."""
    return f"{UPLOADS}/{length}-".ljust(length, letter)


def wp_config() -> str:
    """Return wp-config.php, with salts that are always the same."""
    letters = random.Random(SEED)
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=%;#[]!&*()-_ <>:,.?/|~"
    salts = [f"define( '{name}', '{''.join(letters.choices(alphabet, k=64))}' );" for name in SALTED]
    quoted = {"name": DB_NAME, "user": DB_USER, "password": DB_PASSWORD, "prefix": DB_PREFIX}
    return WP_CONFIG.format(salts="\n".join(salts), **{key: single_quoted(text) for key, text in quoted.items()})


def single_quoted(text: str) -> str:
    r"""Return a literal that PHP and MariaDB read alike: ``\`` and ``'`` escaped."""
    return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"


def create_database(server: Server) -> None:
    """Create the database and the user whom WordPress knows."""
    user = f"'{DB_USER}'@'localhost'"
    server.rows(f"""
        CREATE DATABASE `{DB_NAME}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
        CREATE USER {user} IDENTIFIED BY {single_quoted(DB_PASSWORD)};
        GRANT ALL ON `{DB_NAME}`.* TO {user};
    """)


def fill(server: Server, docroot: Path) -> None:
    """Activate plugins and write posts, through WordPress."""
    wordpress(
        server,
        docroot,
        "fill",
        tagline=TAGLINE,
        activate=ACTIVE_PLUGINS,
        auto_update_plugins=AUTO_UPDATED_PLUGINS,
        auto_update_themes=AUTO_UPDATED_THEMES,
        posts=list(posts()),
    )


def posts() -> Iterator[dict[str, str]]:
    """Yield posts: the awkward ones, then enough ordinary ones for several INSERTs."""
    words = random.Random(SEED)
    vocabulary = "Kaffee Kuchen Buch Regen Straße Tür schön, groß; «und» O'Brien 50% a=b #12 \\n".split()
    ordinary = [(f"Tag {day}", " ".join(words.choices(vocabulary, k=200))) for day in range(1, 121)]
    for number, (title, content) in enumerate([*AWKWARD_POSTS, *ordinary]):
        date = datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(hours=7 * number)
        written = {"post_title": title, "post_content": content, "post_status": "publish"}
        yield written | {"post_date": f"{date:%Y-%m-%d %H:%M:%S}"}


def wordpress(server: Server, docroot: Path, step: str, **request: object) -> Any:  # noqa: ANN401 - any JSON
    """Run one step of install.php; return its answer."""
    settings = {"mysqli.default_socket": server.socket, "sendmail_path": "/bin/true", "display_errors": "stderr"}
    command = ["php", *(f"-d{name}={value}" for name, value in settings.items())]
    command += [str(FOLDER / "install.php"), str(docroot), step]
    text = json.dumps({"url": URL, **request}).encode()
    return json.loads(subprocess.run(command, input=text, capture_output=True, check=True).stdout)


def prove(server: Server, text: bytes) -> None:
    """Load the dump into an empty database and stop unless nothing differs."""
    sql_dump.restore(server, text, RESTORED_NAME)
    before, after = sql_dump.contents(server, DB_NAME), sql_dump.contents(server, RESTORED_NAME)
    if different := [kind for kind, mine, theirs in zip(before._fields, before, after, strict=True) if mine != theirs]:
        raise SystemExit(f"real_backup: the restored dump differs in {', '.join(different)}")


def told_tables(server: Server) -> Tables:
    """Ask MariaDB what there is."""
    contents = sql_dump.contents(server, DB_NAME)
    base_tables = ", ".join(f"`{name}`" for name in contents.checksums)
    server.rows(f"ANALYZE TABLE {base_tables}", DB_NAME)
    size = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = "
    return {
        "server_version": server.rows("SELECT VERSION()")[0][0],
        "tables": contents.kinds,
        "table_rows": contents.row_counts,
        "tables_bytes": int(server.rows(size + single_quoted(DB_NAME))[0][0]),
    }
