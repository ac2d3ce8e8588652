"""Dumps of one database by programs that people dump with: mariadb-dump, phpMyAdmin and Adminer.

The two last are used over HTTP as a browser uses them: read a form, change a few fields, send it. They run in PHP's
own server on a port of this machine alone.
"""

import contextlib
import http.client
import http.cookiejar
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NamedTuple

from real.mariadb import Server

PHPMYADMIN: Final = Path("/usr/share/phpmyadmin")
ADMINER: Final = Path("/usr/share/adminer")
DATABASE_SQL: Final = Path(__file__).with_name("database.sql")

USER: Final = "dumper"
PASSWORD: Final = "invented, Pass=1"
START_SECONDS: Final = 20
ANSWER_SECONDS: Final = 60

MARIADB_DUMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "plain": (),
    "routines": ("--routines", "--triggers", "--events"),
    "without comments": ("--skip-comments",),
    "without comments, routines": ("--skip-comments", "--routines", "--events"),
    "compact": ("--compact",),
    "ansi": ("--compatible=ansi",),
    "ansi, routines": ("--compatible=ansi", "--routines", "--events"),
    "a row a statement": ("--skip-extended-insert", "--routines"),
    "complete inserts": ("--complete-insert", "--hex-blob", "--skip-dump-date"),
    "replacing": ("--replace", "--skip-add-drop-table"),
    "ignoring": ("--insert-ignore", "--no-autocommit", "--single-transaction"),
    "without options": ("--skip-opt",),
    "definitions alone": ("--no-data", "--routines", "--events"),
}
"""Options of mariadb-dump, by what they are called here."""

PHPMYADMIN_EXPORTS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "phpMyAdmin": {"quick_or_custom": "quick"},
    "phpMyAdmin without comments": {"quick_or_custom": "custom", "sql_include_comments": None},
    "phpMyAdmin replacing": {"quick_or_custom": "custom", "sql_type": "REPLACE"},
}
"""What is changed in phpMyAdmin's form, by what the dumps are called here."""

ADMINER_EXPORTS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "Adminer": {},
    "Adminer updating": {"data_style": "INSERT+UPDATE", "auto_increment": "1"},
    "Adminer truncating": {"data_style": "TRUNCATE+INSERT", "routines": None, "events": None, "triggers": None},
}

Fields = list[tuple[str, str]]


class Form(NamedTuple):
    """A form of a page: where it is sent, and what a browser would send of it as it stands."""

    action: str
    fields: Fields

    def filled(self, **changes: str | None) -> Fields:
        """Return the fields with other values for some; None unticks a box."""
        kept = [(name, value) for name, value in self.fields if name not in changes]
        return kept + [(name, value) for name, value in changes.items() if value is not None]


class Option(NamedTuple):
    """An entry of a list to choose from."""

    value: str | None
    is_marked: bool


class Forms(HTMLParser):
    """Takes in a page and keeps its forms."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""
        self._options: list[Option] = []
        self.feed(page)

    def with_field(self, name: str) -> Form:
        """Return the page's form that has a field of this name."""
        return next(form for form in self.forms if name in dict(form.fields))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a form or one of its fields."""
        own = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(own.get("action", ""), []))
        elif tag == "input" and is_sent(own):
            self._field(own.get("name", ""), own.get("value", "on"))
        elif tag == "select":
            self._select, self._options = own.get("name", ""), []
        elif tag == "option":
            self._options.append(Option(own.get("value"), "selected" in own))

    def handle_data(self, data: str) -> None:
        """Take in an option's text, which is its value where it has no other."""
        if self._options and self._options[-1].value is None:
            self._options[-1] = self._options[-1]._replace(value=data)

    def handle_endtag(self, tag: str) -> None:
        """Take in a list's choice: the first where none is marked."""
        if tag == "select":
            for option in [option for option in self._options if option.is_marked] or self._options[:1]:
                self._field(self._select, option.value or "")
            self._options = []

    def _field(self, name: str, value: str) -> None:
        if name and self.forms:
            self.forms[-1].fields.append((name, value))


def is_sent(attributes: Mapping[str, str]) -> bool:
    """Tell whether a browser sends an input that nobody touched."""
    kind = attributes.get("type", "text").lower()
    if "disabled" in attributes or kind in {"submit", "button", "reset", "image", "file"}:
        return False
    return kind not in {"checkbox", "radio"} or "checked" in attributes


class Browser:
    """Speaks to one site, and keeps its cookies."""

    def __init__(self, address: str) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def get(self, path: str) -> str:
        """Return the page at ``path``."""
        return self._sent(path, None).decode()

    def post(self, path: str, fields: Fields) -> bytes:
        """Send a form; return what answers it."""
        return self._sent(path, urllib.parse.urlencode(fields).encode())

    def _sent(self, path: str, content: bytes | None) -> bytes:
        address = urllib.parse.urljoin(self.address, path)
        with self._opener.open(address, content, timeout=ANSWER_SECONDS) as answer:
            text: bytes = answer.read()
        return text


# --- the database -----------------------------------------------------------------------------------------------------


def create(server: Server, database: str) -> None:
    """Create the invented database, and a user who may dump it."""
    server.rows(f"""
        CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
        CREATE USER '{USER}'@'localhost' IDENTIFIED BY '{PASSWORD}';
        GRANT ALL ON *.* TO '{USER}'@'localhost';
    """)
    server.run("mariadb", "--comments", database, stdin=DATABASE_SQL.read_bytes())


# --- the programs -----------------------------------------------------------------------------------------------------


def by_mariadb_dump(server: Server, database: str, *options: str) -> bytes:
    """Return what mariadb-dump writes."""
    return server.run("mariadb-dump", *options, database)


def by_phpmyadmin(server: Server, database: str, folder: Path, **changes: str | None) -> bytes:
    """Return phpMyAdmin's export of a database, with ``changes`` of its form; ``folder`` takes its sessions."""
    with served(server, PHPMYADMIN, folder) as address:
        browser = Browser(address)
        form = Forms(browser.get("index.php")).with_field("pma_username")
        browser.post("index.php?route=/", form.filled(pma_username=USER, pma_password=PASSWORD))
        query = urllib.parse.urlencode({"route": "/database/export", "db": database})
        form = Forms(browser.get(f"index.php?{query}")).with_field("export_method")
        return browser.post("index.php?route=/export", form.filled(what="sql", **changes))


def by_adminer(server: Server, database: str, folder: Path, **changes: str | None) -> bytes:
    """Return Adminer's export of a database, with ``changes`` of its form; ``folder`` takes its sessions."""
    with served(server, ADMINER, folder) as address:
        browser = Browser(address)
        form = Forms(browser.get("adminer.php")).with_field("auth[username]")
        login = {"auth[driver]": "server", "auth[username]": USER, "auth[password]": PASSWORD, "auth[db]": database}
        browser.post("adminer.php", form.filled(**login))
        query = urllib.parse.urlencode({"username": USER, "db": database, "dump": ""})
        form = Forms(browser.get(f"adminer.php?{query}")).with_field("output")
        return browser.post(f"adminer.php?{query}", form.filled(output="file", format="sql", **changes))


@contextlib.contextmanager
def served(server: Server, site: Path, folder: Path) -> Iterator[str]:
    """Serve a PHP program, whose ``localhost`` is the private MariaDB; yield its address."""
    port = free_port()
    settings = {
        "mysqli.default_socket": server.socket,
        "pdo_mysql.default_socket": server.socket,
        "session.save_path": folder,
        "display_errors": "stderr",
    }
    command = ["php", *(f"-d{name}={value}" for name, value in settings.items())]
    command += ["-S", f"127.0.0.1:{port}", "-t", str(site)]
    with (folder / "php.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_up(process, port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    """Return as soon as the server listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("PHP's server did not start")
