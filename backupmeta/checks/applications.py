"""What is known of applications: which of their files tell the version, and what they can't do without.

To add an application, add an entry to `_KNOWN`.

Where the facts are from: the files themselves, in the applications' public repositories, of the versions that the
comments name; the days from endoflife.date and the tags of those repositories, the earlier one where they differ.

Of WordPress also what its files tell: the headers of plugins and themes, and whose database ``wp-config.php`` names.
Nothing here runs or understands PHP. Each pattern takes time in proportion to the text, whatever stands in it.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, NamedTuple

from backupmeta.archive.limits import KIB

_TOKEN: Final = re.compile(r"[0-9]+|[a-z]+")
_LETTER: Final = re.compile(r"(?=[a-z])")
_STAGES: Final = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "c": 3, "pl": 5, "p": 5}
_NO_STAGE: Final = 4
"""Where a release stands among the stages: after what came before it, before its patches."""
_UNKNOWN: Final = -1


class _Token(NamedTuple):
    """A number or a word of a version: a stage, or how many digits and which ones."""

    stage: int
    length: int = 0
    text: str = ""


_ZERO: Final = _Token(_NO_STAGE)
Order = tuple[tuple[_Token, ...], tuple[_Token, ...]]
"""What versions are sorted by: their numbers first, then their stage."""


def order(version: str) -> Order:
    """Return what ``version`` is sorted by: ``6.5-beta1`` < ``6.5-RC2`` < ``6.5`` = ``6.5.0`` < ``6.5-p1`` < ``6.5.1``.

    Letter case, separators, a ``v`` before it and Moodle's ``+`` after it make no difference.
    """
    numbers, *stage = _LETTER.split(version.strip().lower().removeprefix("v"), maxsplit=1)
    return _tokens(numbers), (*_tokens("".join(stage)), _ZERO)


def same_version(version: str, other: str) -> bool:
    """Return whether two versions are the same: ``6.5`` and ``6.5.0`` are, ``6.5`` and ``6.5-beta1`` are not."""
    return order(version) == order(other)


def _tokens(text: str) -> tuple[_Token, ...]:
    tokens = [_token(token) for token in _TOKEN.findall(text)]
    while tokens and tokens[-1] == _ZERO:
        tokens.pop()
    return tuple(tokens)


def _token(text: str) -> _Token:
    if text.isdigit():
        digits = text.lstrip("0")
        return _Token(_NO_STAGE, len(digits), digits)
    return _Token(_STAGES[text]) if text in _STAGES else _Token(_UNKNOWN, 0, text)


_HEAD: Final = 16 * KIB
"""How much of a sign is looked at, in bytes; the deepest one known stands at 4,300 (Magento 1)."""


class Sign(NamedTuple):
    """A file that tells the version.

    Attributes:
        path: where it lies, below the archive's root.
        parts: what finds each part of the version, as its only group; an empty part is none.
        needs: names at the top that the versions which have this file can't do without, beside `Application.required`.
        php: what finds the lowest version of PHP that it runs with, where this file tells that.
    """

    path: bytes
    parts: tuple[re.Pattern[bytes], ...]
    needs: tuple[str, ...] = ()
    php: re.Pattern[bytes] | None = None


class Application(NamedTuple):
    """What is known of one application.

    Attributes:
        name: the record's ``installer``.
        signs: the files that tell its version, the newest kind first: an update may leave older ones behind.
        required: names at the top without which no version runs.
        releases: the day on which each line of versions was released first, by its lowest version.
        php_signs: files that tell the lowest version of PHP that it runs with, and not its own version.
    """

    name: str
    signs: tuple[Sign, ...]
    required: tuple[str, ...]
    releases: Mapping[str, date]
    php_signs: tuple[Sign, ...] = ()


class FileVersion(NamedTuple):
    """The version that the files tell, and what tells it."""

    version: str
    sign: Sign


def _constant(name: str) -> re.Pattern[bytes]:
    """Match ``define('NAME', '1.2')``."""
    return re.compile(rf"define\(\s*['\"]{name}['\"]\s*,\s*['\"]([0-9][\w.+-]*)['\"]".encode())


def _member(name: str) -> re.Pattern[bytes]:
    """Match a class's constant or variable: ``const NAME = '1.2';``, ``public $NAME = '1.2';``, ``var $NAME = '';``."""
    words = r"(?:(?:final|public|const|var)[ \t]+)+"
    return re.compile(rf"^[ \t]*{words}\$?{name}[ \t]*=[ \t]*'?([\w.+-]*)'?;".encode(), re.MULTILINE)


def _entry(key: str) -> re.Pattern[bytes]:
    """Match an entry of an array: ``'key' => '1',``."""
    return re.compile(rf"'{key}'\s*=>\s*'([\w.]*)'".encode())


def _property(name: str) -> re.Pattern[bytes]:
    """Match a property of the outermost object of a JSON file, by its indent: ``    "name": "1.2"``."""
    return re.compile(rf'^[ \t]{{1,4}}"{name}"[ \t]*:[ \t]*"v?([0-9][\w.+-]*)"'.encode(), re.MULTILINE)


def _variable(name: str) -> re.Pattern[bytes]:
    """Match ``$name = '1.2';``; a blank or another character that no version has ends it."""
    return re.compile(rf"^[ \t]*\${name}[ \t]*=[ \t]*['\"]([0-9][\w.-]*)".encode(), re.MULTILINE)


def _days(text: str) -> dict[str, date]:
    """Return the days of ``1.0 2003-05-27, 1.2 2004-05-22``, by version."""
    return {version: date.fromisoformat(day) for version, day in (entry.split() for entry in text.split(","))}


_JOOMLA_1_TO_3: Final = (_member("RELEASE"), _member("DEV_LEVEL"))

_KNOWN: Final = (
    Application(
        "wordpress",
        (  # all; read from 3.9 to 6.8
            Sign(b"wp-includes/version.php", (_variable("wp_version"),), php=_variable("required_php_version")),
        ),
        tuple(
            "index.php wp-admin wp-blog-header.php wp-config.php wp-content wp-includes wp-load.php wp-login.php"
            " wp-settings.php".split()
        ),
        _days(
            "2.6 2008-07-15, 2.7 2008-12-10, 2.8 2009-06-11, 2.9 2009-12-18, 3.0 2010-06-17, 3.1 2011-02-23,"
            "3.2 2011-07-04, 3.3 2011-12-12, 3.4 2012-06-13, 3.5 2012-12-11, 3.6 2013-08-01, 3.7 2013-10-24,"
            "3.8 2013-12-12, 3.9 2014-04-16, 4.0 2014-09-04, 4.1 2014-12-18, 4.2 2015-04-23, 4.3 2015-08-18,"
            "4.4 2015-12-08, 4.5 2016-04-12, 4.6 2016-08-16, 4.7 2016-12-06, 4.8 2017-06-08, 4.9 2017-11-16,"
            "5.0 2018-12-06, 5.1 2019-02-21, 5.2 2019-05-07, 5.3 2019-11-12, 5.4 2020-03-31, 5.5 2020-08-11,"
            "5.6 2020-12-08, 5.7 2021-03-09, 5.8 2021-07-20, 5.9 2022-01-25, 6.0 2022-05-24, 6.1 2022-11-01,"
            "6.2 2023-03-29, 6.3 2023-08-08, 6.4 2023-11-07, 6.5 2024-04-02, 6.6 2024-07-16, 6.7 2024-11-12,"
            "6.8 2025-04-15, 6.9 2025-12-02, 7.0 2026-05-20"
        ),
    ),
    Application(
        "drupal",
        (
            Sign(  # 8 and later
                b"core/lib/Drupal.php", (_member("VERSION"),), ("core", "autoload.php"), _member("MINIMUM_PHP")
            ),
            Sign(  # 7
                b"includes/bootstrap.inc",
                (_constant("VERSION"),),
                ("includes", "modules", "themes"),
                _constant("DRUPAL_MINIMUM_PHP"),
            ),
            Sign(b"modules/system/system.module", (_constant("VERSION"),), ("includes", "modules", "themes")),  # 5, 6
        ),
        ("index.php", "sites"),
        _days("6 2008-02-13, 7 2011-01-05, 8 2015-11-19, 9 2020-06-03, 10 2022-12-15, 11 2024-08-02"),
    ),
    Application(
        "joomla",
        (
            Sign(  # 3.8 and later
                b"libraries/src/Version.php",
                tuple(map(_member, ("MAJOR_VERSION", "MINOR_VERSION", "PATCH_VERSION", "EXTRA_VERSION"))),
            ),
            Sign(b"libraries/cms/version/version.php", _JOOMLA_1_TO_3),  # 2.5 to 3.7
            Sign(b"includes/version.php", _JOOMLA_1_TO_3),  # 1.7
            Sign(b"libraries/joomla/version.php", _JOOMLA_1_TO_3),  # 1.5, 1.6
        ),
        tuple(
            "administrator components configuration.php includes index.php language libraries modules plugins"
            " templates".split()
        ),
        _days(
            "1.5 2008-01-22, 2.5 2012-01-22, 3.0 2012-09-27, 3.5 2016-03-21, 3.8 2017-09-19,"
            "4.0 2021-08-17, 5.0 2023-10-14, 6.0 2025-10-14"
        ),
        (Sign(b"index.php", (_constant("JOOMLA_MINIMUM_PHP"),)),),  # 3 and later
    ),
    Application(
        "magento",
        (
            Sign(b"vendor/magento/magento2-base/composer.json", (_property("version"),), ("pub", "vendor")),  # 2
            Sign(b"composer.json", (_property("version"),), ("pub",)),  # 2, where it was installed without Composer
            Sign(  # 1.4 to 1.9, and OpenMage, which goes on telling 1.9
                b"app/Mage.php", tuple(map(_entry, ("major", "minor", "revision", "patch", "stability", "number")))
            ),
        ),
        ("app", "lib"),
        _days(
            "1.4 2010-02-01, 1.9 2014-05-01, 2.0 2015-11-16, 2.1 2016-06-23, 2.2 2017-09-22, 2.3 2018-11-23,"
            "2.4 2020-07-20"
        ),
    ),
    Application(
        "mediawiki",
        (
            Sign(b"includes/Defines.php", (_constant("MW_VERSION"),)),  # 1.35 and later, 1.33.3, 1.34.1
            Sign(b"includes/DefaultSettings.php", (_variable("wgVersion"),)),  # before; read from 1.18 on
        ),
        ("LocalSettings.php", "includes", "index.php", "languages"),
        _days(
            "1.6 2006-04-05, 1.10 2007-05-09, 1.15 2009-06-10, 1.16 2010-07-28, 1.17 2011-06-22, 1.18 2011-11-28,"
            "1.19 2012-05-02, 1.20 2012-11-07, 1.21 2013-05-25, 1.22 2013-12-06, 1.23 2014-06-05, 1.24 2014-11-26,"
            "1.26 2015-11-25, 1.27 2016-06-28, 1.28 2016-11-28, 1.29 2017-07-13, 1.30 2017-12-12, 1.31 2018-06-13,"
            "1.32 2019-01-10, 1.33 2019-07-02, 1.34 2019-12-19, 1.35 2020-09-25, 1.36 2021-05-28, 1.37 2021-11-18,"
            "1.38 2022-06-02, 1.39 2022-11-30, 1.40 2023-06-30, 1.41 2023-12-21, 1.42 2024-06-27, 1.43 2024-12-21,"
            "1.44 2025-07-02, 1.45 2025-12-04"
        ),
        (Sign(b"includes/PHPVersionCheck.php", (_variable("minimumVersion"),)),),  # read in 1.35
    ),
    Application(
        "prestashop",
        (
            Sign(b"src/Core/Version.php", (_member("VERSION"),)),  # 8 and later
            Sign(b"app/AppKernel.php", (_member("VERSION"),)),  # later 1.7: 1.7.7
            Sign(b"config/autoload.php", (_constant("_PS_VERSION_"),)),  # earlier 1.7: 1.7.3
            Sign(b"config/settings.inc.php", (_constant("_PS_VERSION_"),)),  # to 1.6
        ),
        ("classes", "config", "controllers", "index.php", "modules", "themes"),
        _days("1.6 2014-03-10, 1.7 2016-11-07, 8.0 2022-10-26, 8.1 2023-06-26, 8.2 2024-09-26, 9.0 2025-06-10"),
    ),
    Application(
        "phpbb",
        (Sign(b"includes/constants.php", (_constant("PHPBB_VERSION"),)),),  # 3
        ("common.php", "config.php", "includes", "index.php", "language", "styles"),
        _days("3.0 2007-12-12, 3.1 2014-10-28, 3.2 2017-01-07, 3.3 2020-01-06"),
    ),
    Application(
        "moodle",
        (
            Sign(b"public/version.php", (_variable("release"),), ("public",)),  # 5.1 and later
            Sign(b"version.php", (_variable("release"),), ("index.php", "lib", "version.php")),  # before
        ),
        ("config.php",),
        _days(
            "1.9 2008-03-03, 2.0 2010-11-24, 2.5 2013-05-14, 2.7 2014-05-10, 3.0 2015-11-15, 3.1 2016-05-21,"
            "3.5 2018-05-16, 3.9 2020-06-13, 3.10 2020-11-07, 3.11 2021-05-15, 4.0 2022-04-17, 4.1 2022-11-26,"
            "4.2 2023-04-22, 4.3 2023-10-07, 4.4 2024-04-22, 4.5 2024-10-07, 5.0 2025-04-14, 5.1 2025-10-06"
        ),
        (Sign(b"lib/phpminimumversionlib.php", (_variable("minimumversion"),)),),  # read in 3.4
    ),
)

# --- WordPress --------------------------------------------------------------------------------------------------------


WORDPRESS_CONTENT: Final = b"wp-content/"
WORDPRESS_PLUGINS: Final = b"wp-content/plugins/"
WORDPRESS_THEMES: Final = b"wp-content/themes/"
WORDPRESS_CONFIG: Final = b"wp-config.php"
_CONFIG_BYTES: Final = 64 * KIB
"""How much of the configuration is looked at; its settings stand at its beginning."""

_HEADER_BYTES: Final = 8 * KIB
_LONGEST_VALUE: Final = 100
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
        if self.path != WORDPRESS_PLUGINS + self.id.encode("utf-8", "surrogateescape") + b".php":
            return (self.id,)
        return (self.id, "-".join(re.findall("[a-z0-9]+", self.header.name.lower())))


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


def packed_extensions(heads: Mapping[bytes, bytes]) -> dict[ExtensionKind, list[PackedExtension]]:
    """Return the plugins and themes among ``heads``, the beginnings of members that are worth keeping, by name.

    A folder may hold several plugins, which then have the same id.
    """
    packed: dict[ExtensionKind, list[PackedExtension]] = {"Plugin": [], "Theme": []}
    for path, content in heads.items():
        if main := _MAIN_FILE.fullmatch(path):
            kind: ExtensionKind = "Theme" if main["theme"] else "Plugin"
            id_ = (main["file"] or main["folder"] or main["theme"]).decode("utf-8", "surrogateescape")
            packed[kind].append(PackedExtension(id_, extension_header(content, kind), path))
    return packed


def _header_field(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"^(?:[ \t]*<\?php)?[ \t/*#@]*" + name.encode() + rb":([^\n]*)", re.MULTILINE | re.IGNORECASE)


_HEADER_NAME: Final[Mapping[ExtensionKind, re.Pattern[bytes]]] = {
    "Plugin": _header_field("Plugin Name"),
    "Theme": _header_field("Theme Name"),
}
_HEADER_VERSION: Final = _header_field("Version")


def extension_header(content: bytes, of: ExtensionKind) -> FileHeader:
    """Return the header of a file, as WordPress reads it (``get_file_data``, ``_cleanup_header_comment``).

    It looks at the first 8 KiB, takes a CR for an LF, and the first line that has a field; ``*/`` and ``?>`` end a
    value::

         * Plugin Name: Hello Dolly
         * Version: 1.7.2
    """
    text = content[:_HEADER_BYTES].replace(b"\r", b"\n")
    return FileHeader(_header_value(_HEADER_NAME[of], text), _header_value(_HEADER_VERSION, text))


def _header_value(field: re.Pattern[bytes], text: bytes) -> str:
    match = field.search(text)
    value = match[1].partition(b"*/")[0].partition(b"?>")[0] if match else b""
    return value.strip(b" \t\n\r\0\x0b").decode("utf-8", "replace")[:_LONGEST_VALUE]


_LITERAL: Final = rb"""(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\$]*")"""
_PHP_TOKEN: Final = re.compile(
    # What is passed over: comments, which a ?> ends as well, and what is no PHP, after it. Where the end of one is
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


def wordpress_config(content: bytes) -> Config:
    """Return whose database ``wp-config.php`` names, from lines such as these; any other string is passed over.

        define( 'DB_NAME', 'exampleu_wp1' );
        $table_prefix = 'wp_';

    What is commented out does not count. What is no string literal (``getenv('DB')``), or stands there several times
    with different values, is not told.
    """
    literals: dict[bytes, set[str | None]] = {b"DB_NAME": set(), b"DB_USER": set(), b"table_prefix": set()}
    for token in _PHP_TOKEN.finditer(content):
        if name := token["constant"] or token["variable"]:
            literals[name].add(_literal_text(token["defined"] or token["assigned"]))
    return Config(*(values.pop() if len(values) == 1 else None for values in literals.values()))


def _literal_text(literal: bytes | None) -> str | None:
    if literal is None:
        return None
    inside = _ESCAPED.sub(rb"\1", literal[1:-1]) if literal.startswith(b"'") else literal[1:-1]
    return inside.decode("utf-8", "replace")


# --- what a backup's files tell ---------------------------------------------------------------------------------------


APPLICATIONS: Final = {application.name: application for application in _KNOWN}

TELLING: Final = {
    **{sign.path: _HEAD for application in _KNOWN for sign in (*application.signs, *application.php_signs)},
    WORDPRESS_CONFIG: _CONFIG_BYTES,
}


def bytes_wanted(name: bytes) -> int:
    """Return how many bytes of the beginning of the member ``name`` may tell something; 0 for most members."""
    if (most := TELLING.get(name, 0)) or not name.startswith(WORDPRESS_CONTENT) or name.count(b"/") > _DEPTH:
        return most
    return _HEADER_BYTES if _MAIN_FILE.fullmatch(name) else 0


def tells(name: bytes, content: bytes) -> bool:
    """Return whether the member ``name``, which begins with ``content``, is worth keeping."""
    main = _MAIN_FILE.fullmatch(name)
    is_theme = main is not None and main["theme"] is not None
    return name in TELLING or is_theme or (main is not None and extension_header(content, "Plugin").name != "")


def version_by_files(application: Application, heads: Mapping[bytes, bytes]) -> FileVersion | None:
    """Return the version that the first of the application's signs tells in ``heads``, the beginnings of members."""
    for sign in application.signs:
        if (version := _version(sign, heads.get(sign.path, b""))) is not None:
            return FileVersion(version, sign)
    return None


def php_by_files(application: Application, heads: Mapping[bytes, bytes]) -> FileVersion | None:
    """Return the lowest version of PHP that the application runs with, as the sign of its version or another tells."""
    by_files = version_by_files(application, heads)
    own = [by_files.sign] if by_files is not None and by_files.sign.php is not None else []
    signs = [sign._replace(parts=(sign.php,)) for sign in own if sign.php is not None]
    return version_by_files(application._replace(signs=(*signs, *application.php_signs)), heads)


def _version(sign: Sign, content: bytes) -> str | None:
    matches = [part.search(content) for part in sign.parts]
    parts = [match[1].decode("ascii") for match in matches if match is not None]
    return ".".join(filter(None, parts)) if len(parts) == len(matches) else None


def released(name: str, version: str) -> date | None:
    """Return the day before which ``version`` of the application ``name`` was not there; None where none is known."""
    application = APPLICATIONS.get(name)
    if application is None:
        return None
    asked = order(version)
    return max((day for line, day in application.releases.items() if order(line) <= asked), default=None)
