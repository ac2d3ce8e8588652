"""What WordPress's own files tell: the headers of plugins and themes, and whose database ``wp-config.php`` names.

Nothing here runs or understands PHP. Each pattern takes time in proportion to the text, whatever stands in it.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from backupmeta.archive.limits import KIB

CONTENT: Final = b"wp-content/"
PLUGINS: Final = b"wp-content/plugins/"
THEMES: Final = b"wp-content/themes/"
CONFIG: Final = b"wp-config.php"
CONFIG_BYTES: Final = 64 * KIB
"""How much of the configuration is looked at; its settings stand at its beginning."""

_HEADER_BYTES: Final = 8 * KIB
_LONGEST: Final = 100
"""How many characters of a header's value are kept."""

ExtensionKind = Literal["Plugin", "Theme"]


class FileHeader(NamedTuple):
    """What stands at the beginning of a plugin's main file, or of a theme's stylesheet; empty where it does not."""

    name: str
    version: str


class PackedExtension(NamedTuple):
    """A plugin or theme of an archive.

    Attributes:
        id: its folder, or the name, without ``.php``, of a plugin's file that lies in none.
        header: what it says of itself.
        path: the member that says so.
    """

    id: str
    header: FileHeader
    path: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The ids that a record may have for it: a file in no folder may have its name's slug (``hello-dolly``)."""
        if self.path != PLUGINS + self.id.encode("utf-8", "surrogateescape") + b".php":
            return (self.id,)
        return (self.id, "-".join(re.findall("[a-z0-9]+", self.header.name.lower())))


class PackedExtensions(NamedTuple):
    """All plugins and themes of an archive; a folder may hold several plugins, which then have the same id."""

    plugins: tuple[PackedExtension, ...]
    themes: tuple[PackedExtension, ...]


class Config(NamedTuple):
    """Whose database the configuration names; None for what is not told, or not told plainly."""

    db_name: str | None
    db_user: str | None
    db_prefix: str | None


# The files that get_plugins() and search_theme_directories() look at: none deeper, none whose name begins with a dot.
_MAIN_FILE: Final = re.compile(
    rb"wp-content/(?:"
    rb"plugins/(?:(?P<file>[^/.][^/]*)\.php|(?P<folder>[^/.][^/]*)/[^/.][^/]*\.php)"
    rb"|themes/(?P<theme>[^/.][^/]*)/style\.css)"
)
_DEPTH: Final = 3
"""How many slashes such a path has at most: most names of an archive have more."""


def bytes_wanted(name: bytes) -> int:
    """Return how many bytes of the beginning of the member ``name`` may be the header of a plugin or theme."""
    return _HEADER_BYTES if name.count(b"/") <= _DEPTH and _MAIN_FILE.fullmatch(name) else 0


def tells(name: bytes, content: bytes) -> bool:
    """Tell whether ``name``, which begins with ``content``, is a plugin's main file or a theme's stylesheet."""
    match = _MAIN_FILE.fullmatch(name)
    return match is not None and (match["theme"] is not None or header(content, "Plugin").name != "")


def extensions(heads: Mapping[bytes, bytes]) -> PackedExtensions:
    """Return the plugins and themes among ``heads``, the beginnings of members that are worth keeping, by name."""
    packed: dict[ExtensionKind, list[PackedExtension]] = {"Plugin": [], "Theme": []}
    for path, content in heads.items():
        if main := _MAIN_FILE.fullmatch(path):
            kind: ExtensionKind = "Theme" if main["theme"] else "Plugin"
            id_ = main["file"] or main["folder"] or main["theme"]
            packed[kind].append(PackedExtension(id_.decode("utf-8", "surrogateescape"), header(content, kind), path))
    return PackedExtensions(tuple(packed["Plugin"]), tuple(packed["Theme"]))


def _field(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"^(?:[ \t]*<\?php)?[ \t/*#@]*" + name.encode() + rb":([^\n]*)", re.MULTILINE | re.IGNORECASE)


_NAME: Final[Mapping[ExtensionKind, re.Pattern[bytes]]] = {
    "Plugin": _field("Plugin Name"),
    "Theme": _field("Theme Name"),
}
_VERSION: Final = _field("Version")


def header(content: bytes, of: ExtensionKind) -> FileHeader:
    """Return the header of a file, as WordPress reads it (``get_file_data``, ``_cleanup_header_comment``).

    It looks at the first 8 KiB, takes a CR for an LF, and the first line that has a field; ``*/`` and ``?>`` end a
    value::

         * Plugin Name: Hello Dolly
         * Version: 1.7.2
    """
    text = content[:_HEADER_BYTES].replace(b"\r", b"\n")
    return FileHeader(_value(_NAME[of], text), _value(_VERSION, text))


def _value(field: re.Pattern[bytes], text: bytes) -> str:
    match = field.search(text)
    value = match[1].partition(b"*/")[0].partition(b"?>")[0] if match else b""
    return value.strip(b" \t\n\r\0\x0b").decode("utf-8", "replace")[:_LONGEST]


_LITERAL: Final = rb"""(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\$]*")"""
_TOKEN: Final = re.compile(
    # What is passed over: comments, which a ?> ends as well, and what is no PHP, behind it. Where the end of one is
    # missing, it goes on to the end of the text.
    rb"(?://|\#)[^\r\n?]*(?:\?(?!>)[^\r\n?]*)*"
    rb"|/\*.*?(?:\*/|\Z)"
    rb"|\?>.*?(?:<\?|\Z)"
    # What is looked for. It is met without a value where that is more than a literal.
    rb"|\b(?i:define)\s*\(\s*['\"](?P<constant>DB_NAME|DB_USER)['\"]\s*,(?:\s*(?P<defined>" + _LITERAL + rb")\s*\))?"
    rb"|\$(?P<variable>table_prefix)\s*=(?!=)(?:\s*(?P<assigned>" + _LITERAL + rb")\s*;)?"
    # Any other string is passed over as well: nothing in it counts.
    rb"|'[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)"
    rb'|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)',
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\([\\'])")


def config(content: bytes) -> Config:
    """Return whose database ``wp-config.php`` names, from lines such as these; any other string is passed over.

        define( 'DB_NAME', 'exampleu_wp1' );
        $table_prefix = 'wp_';

    What is commented out does not count. What is no string literal (``getenv('DB')``), or stands there several times
    with different values, is not told.
    """
    literals: dict[bytes, set[str | None]] = {b"DB_NAME": set(), b"DB_USER": set(), b"table_prefix": set()}
    for token in _TOKEN.finditer(content):
        if name := token["constant"] or token["variable"]:
            literals[name].add(_text(token["defined"] or token["assigned"]))
    return Config(*(values.pop() if len(values) == 1 else None for values in literals.values()))


def _text(literal: bytes | None) -> str | None:
    if literal is None:
        return None
    inside = _ESCAPED.sub(rb"\1", literal[1:-1]) if literal.startswith(b"'") else literal[1:-1]
    return inside.decode("utf-8", "replace")
