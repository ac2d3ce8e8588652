r"""Headers of plugins and themes, and ``wp-config.php``, as WordPress and PHP read them.

The expected values are what WordPress's own ``get_file_data`` and PHP's own tokenizer say of these texts, but for long
names, which are cut, and escapes in double quotes, which are not told.
"""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks.applications import (
    Config,
    FileHeader,
    PackedExtension,
    bytes_wanted,
    extension_header,
    packed_extensions,
    tells,
    wordpress_config,
)
from tests.endless import ends

HEADERS: Final = {
    "block": (b"<?php\n/**\n * Plugin Name: Hello Dolly\n * Version: 1.7.2\n */\n", FileHeader("Hello Dolly", "1.7.2")),
    "bare": (b"<?php\n/*\nPlugin Name: Hello\nVersion: 1\n*/", FileHeader("Hello", "1")),
    "hashes": (b"<?php\n# Plugin Name: A\n#@Version: 2\n", FileHeader("A", "2")),
    "one line": (b"<?php /* Plugin Name: A */ ?>\n<?php // Version: 3 ?>x", FileHeader("A", "3")),
    "crlf": (b"<?php\r\n/*\r\n * Plugin Name: A\r\n * Version: 1.0\r\n */", FileHeader("A", "1.0")),
    "cr": (b"<?php\r/*\r * Plugin Name: A\r * Version: 1.0\r */", FileHeader("A", "1.0")),
    "case": (b"/* plugin name: A\nVERSION: 4", FileHeader("A", "4")),
    "first counts": (b"Plugin Name: A\nPlugin Name: B\nVersion:\nVersion: 2", FileHeader("A", "")),
    "blanks": (b"Plugin Name: \t A \x0b\nVersion:1 ", FileHeader("A", "1")),
    "utf-8": ("Plugin Name: Größe 🥐\nVersion: 1".encode(), FileHeader("Größe 🥐", "1")),
    "not utf-8": (b"Plugin Name: Gr\xf6\xdfe\nVersion: 1", FileHeader("Gr\ufffd\ufffde", "1")),
    "a colon": (b"Plugin Name: A: the B\nVersion: 1", FileHeader("A: the B", "1")),
    "behind a word": (b"My Plugin Name: A\nThe Version: 1", FileHeader("", "")),
    "another field": (b"Plugin Name Of It: A\nVersion Of It: 1", FileHeader("", "")),
    "a theme's": (b"Theme Name: A\nVersion: 1", FileHeader("", "1")),
    "none": (b"<?php\n// Silence.\n", FileHeader("", "")),
    "empty": (b"", FileHeader("", "")),
    "8 KiB": (b" " * 8179 + b"Plugin Name: ABC\nVersion: 1", FileHeader("", "")),
    "within 8 KiB": (b"\n" * 8176 + b"Plugin Name: ABC\nVersion: 1", FileHeader("ABC", "")),
    "long": (b"Plugin Name: " + b"A" * 5000, FileHeader("A" * 100, "")),
}

CONFIGS: Final = {
    "usual": (
        b"<?php define('DB_NAME', 'a'); define('DB_USER', 'b'); $table_prefix = 'wp_';",
        Config("a", "b", "wp_"),
    ),
    "spaced": (b'<?php define ( "DB_NAME"\n,\t"a"\n) ;\n$table_prefix\n=\n"p_" ;', Config("a", None, "p_")),
    "any case": (b"<?php DEFINE('DB_NAME', 'a');", Config("a", None, None)),
    "escapes": (
        rb"<?php define('DB_NAME', 'it\'s \\ \n'); $table_prefix = '\\';",
        Config(r"it's \ \n", None, "\\"),
    ),
    "empty": (b"<?php define('DB_NAME', ''); $table_prefix = \"\";", Config("", None, "")),
    "commented": (
        b"<?php // define('DB_NAME', 'x');\n# define('DB_USER', 'x');\n/* $table_prefix='x'; */define('DB_NAME','a');",
        Config("a", None, None),
    ),
    "a comment that ends as PHP does": (
        b"<?php // it's ?>x<?php define('DB_NAME', 'a');",
        Config("a", None, None),
    ),
    "no PHP": (
        b"<?php ?> define('DB_NAME', 'x'); it's <?php define('DB_NAME', 'a');",
        Config("a", None, None),
    ),
    "slashes in strings": (
        b"<?php define('WP_HOME', 'https://example.com/*'); define('DB_NAME', 'a'); $x = \"# //\"; $table_prefix='p';",
        Config("a", None, "p"),
    ),
    "inside a string": (
        b"<?php echo \"define('DB_NAME', 'x'); \\\" $table_prefix = 'x';\";",
        Config(None, None, None),
    ),
    "a function": (
        b"<?php define('DB_NAME', getenv('DB')); $table_prefix = getenv('P');",
        Config(None, None, None),
    ),
    "joined": (b"<?php define('DB_NAME', 'a' . 'b'); $table_prefix = 'a' . 'b';", Config(None, None, None)),
    "else": (b"<?php $table_prefix = getenv('P') ?: 'wp_';", Config(None, None, None)),
    "a variable inside": (
        b'<?php define("DB_NAME", "a$b"); $table_prefix = "{$x}_";',
        Config(None, None, None),
    ),
    "an escape inside": (rb'<?php define("DB_NAME", "a\x41");', Config(None, None, None)),
    "once or again": (
        b"<?php if ($x) { define('DB_NAME', 'a'); } else { define('DB_NAME', 'b'); }",
        Config(None, None, None),
    ),
    "twice the same": (b"<?php define('DB_NAME', 'a'); define('DB_NAME', 'a');", Config("a", None, None)),
    "or": (b"<?php defined('DB_NAME') || define('DB_NAME', 'a');", Config("a", None, None)),
    "compared": (b"<?php if ($table_prefix == 'x') { $table_prefix = 'p'; }", Config(None, None, "p")),
    "another function": (
        b"<?php redefine('DB_NAME', 'x'); define('DB_NAMES', 'x');",
        Config(None, None, None),
    ),
    "not utf-8": (b"<?php define('DB_NAME', '\xff');", Config("\ufffd", None, None)),
    "cut off": (b"<?php define('DB_NAME', 'a'); define('DB_USER', 'b", Config("a", None, None)),
    "none": (b"", Config(None, None, None)),
}

NOTHING_ENDS: Final = (
    b"/*",
    b"/* ",
    b"//?",
    b"#?",
    b"?>",
    b"'\\",
    b"define('DB_NAME','",
    b'define("DB_NAME","x$',
    b"define ( 'DB_NAME' , 'x'",
    b"define",
    b"define(",
    b" ",
    b"\n",
    b"$table_prefix =",
    b"$table_prefix = '",
    b"Plugin Name:",
    b"*/",
    b"/*#@",
    b"<?php ",
)


@pytest.mark.parametrize("case", HEADERS)
def test_a_header(case: str) -> None:
    content, expected = HEADERS[case]
    assert extension_header(content, "Plugin") == expected


def test_a_themes_header() -> None:
    assert extension_header(b"/*\nTheme Name: A\nVersion: 1.1*/", "Theme") == FileHeader("A", "1.1")
    assert extension_header(b"/*\nPlugin Name: A\nVersion: 1.1*/", "Theme") == FileHeader("", "1.1")


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration(case: str) -> None:
    content, expected = CONFIGS[case]
    assert wordpress_config(content) == expected


def test_no_secret_is_read() -> None:
    content = b"<?php define('DB_PASSWORD', 'CANARY'); define('AUTH_KEY', 'CANARY'); define('DB_NAME', 'a');"
    assert "CANARY" not in repr(wordpress_config(content))


@pytest.mark.untraced  # the same lines, thousands of times
@pytest.mark.parametrize("piece", NOTHING_ENDS)
def test_hostile_text_takes_no_time_by_the_square(piece: bytes) -> None:
    def read(size: int) -> None:
        content = piece * (size // len(piece))
        wordpress_config(content)
        extension_header(content, "Plugin")

    assert ends(read, 2**20)  # a pattern that tries again from each place takes the square


PLUGIN: Final = b"<?php\n/* Plugin Name: %s\nVersion: %s */"


def test_plugins_and_themes_lie_in_their_folders() -> None:
    heads = {
        b"wp-content/plugins/hello.php": PLUGIN % (b"Hello Dolly", b"1.7.2"),
        b"wp-content/plugins/shelf/shelf.php": PLUGIN % (b"Shelf", b"2"),
        b"wp-content/plugins/shelf/ladder.php": PLUGIN % (b"Ladder", b"3"),
        b"wp-content/themes/our-own/style.css": b"/*\nTheme Name: Our own\nVersion: 4\n*/",
        b"wp-config.php": b"<?php",
    }
    packed = packed_extensions(heads)
    assert packed["Plugin"] == [
        PackedExtension("hello", FileHeader("Hello Dolly", "1.7.2"), b"wp-content/plugins/hello.php"),
        PackedExtension("shelf", FileHeader("Shelf", "2"), b"wp-content/plugins/shelf/shelf.php"),
        PackedExtension("shelf", FileHeader("Ladder", "3"), b"wp-content/plugins/shelf/ladder.php"),
    ]
    assert packed["Theme"] == [
        PackedExtension("our-own", FileHeader("Our own", "4"), b"wp-content/themes/our-own/style.css"),
    ]
    assert [extension.names for extension in packed["Plugin"]] == [("hello", "hello-dolly"), ("shelf",), ("shelf",)]


@pytest.mark.parametrize(
    "name",
    [
        b"wp-content/plugins/a/b/c.php",
        b"wp-content/plugins/a/readme.txt",
        b"wp-content/plugins/.hidden.php",
        b"wp-content/plugins/.git/a.php",
        b"wp-content/plugins/a/.a.php",
        b"wp-content/plugins/a/A.PHP",
        b"wp-content/plugins",
        b"wp-content/mu-plugins/a.php",
        b"wp-content/object-cache.php",
        b"wp-content/themes/style.css",
        b"wp-content/themes/a/b/style.css",
        b"wp-content/themes/a/editor-style.css",
        b"wp-content/themes/a/functions.php",
        b"wp-content/pluginsx/a.php",
        b"old/wp-content/plugins/a.php",
    ],
)
def test_what_lies_elsewhere_is_none(name: bytes) -> None:
    content = PLUGIN % (b"A", b"1") + b"\nTheme Name: A"
    assert (bytes_wanted(name), tells(name, content)) == (0, False)
    assert packed_extensions({name: content}) == {"Plugin": [], "Theme": []}


def test_files_of_a_plugin_that_are_not_its_main_one_are_not_kept() -> None:
    assert not tells(b"wp-content/plugins/a/uninstall.php", b"<?php\n// no header")
    assert tells(b"wp-content/plugins/a/a.php", PLUGIN % (b"A", b"1"))
    assert tells(b"wp-content/themes/a/style.css", b"/* no header */")


QUOTED: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(QUOTED, QUOTED, QUOTED)
def test_what_is_written_as_literals_is_read(name: str, user: str, prefix: str) -> None:
    quoted = ["'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in (name, user, prefix)]
    text = "<?php\ndefine( 'DB_NAME', {} );\ndefine( 'DB_USER', {} );\n$table_prefix = {};\n".format(*quoted)
    assert wordpress_config(text.encode()) == Config(name, user, prefix)


@given(st.lists(st.sampled_from([*NOTHING_ENDS, b"'", b'"', b")", b";", b"a", b"DB_USER"])) | st.lists(st.binary()))
def test_any_text_is_read(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    wordpress_config(content)
    assert "\n" not in "".join(extension_header(content, "Plugin"))
