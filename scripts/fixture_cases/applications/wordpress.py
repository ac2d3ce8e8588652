"""WordPress sites, one of each of the records' dialects; their plugins and themes lie in all the ways there are."""

from typing import Final

from fixture_cases.applications.case import DB_NAME, DB_PASSWORD, Site, moment, tables
from fixture_cases.base import LineChanges
from fixture_cases.records.dialects import WITHOUT_PLUGINS

TABLES: Final = tables("wp_", "commentmeta comments options postmeta posts term_taxonomy terms usermeta users")

# What the installer lists for every WordPress, whether it exists or not (FORMAT.md §6).
LISTED: Final[LineChanges] = {
    "list-files": "wp-config.php,wp-config-local.php,index.php,license.txt,.htaccess,readme.html,wp-activate.php,"
    "wp-admin,wp-app.php,wp-blog-header.php,wp-comments-post.php,wp-config-sample.php,wp-content,wp-cron.php,"
    "wp-includes,wp-links-opml.php,wp-load.php,wp-login.php,wp-settings.php,wp-signup.php,wp-trackback.php,xmlrpc.php,"
    "wp-mail.php,.maintenance"
}

CONFIG: Final = f"""<?php
/**
 * Whose database this is. The old one was:
 *
 * define('DB_NAME', 'before_the_move');
 */
# define( 'DB_NAME', 'exampleu_test' );
// define( 'DB_USER', 'exampleu_test' ); // it's only for "tests"
define( 'DB_NAME', '{DB_NAME}' );
define( "DB_USER", "{DB_NAME}" );
define('DB_PASSWORD', '{DB_PASSWORD}');
define( 'DB_HOST', 'localhost' );

define( 'AUTH_KEY', 'CANARY "key" // # /* = \\'%' );
define( 'NONCE_SALT', getenv( 'SALT' ) ?: 'CANARY-salt' );

$table_prefix  = 'wp_';

require_once __DIR__ . '/wp-settings.php';
"""


def core(version: str) -> dict[str, str]:
    """Return the files that every site has, in the order in which they are listed."""
    return {
        "wp-config.php": CONFIG,
        "index.php": "<?php\nrequire __DIR__ . '/wp-blog-header.php';\n",
        "readme.html": "<!DOCTYPE html>\n<title>Read me</title>\n<p>How to begin.</p>\n",
        "wp-admin/index.php": "<?php\nrequire_once __DIR__ . '/admin.php';\n",
        "wp-admin/admin.php": "<?php\n// What every page of the administration begins with.\n",
        "wp-blog-header.php": "<?php\nrequire_once __DIR__ . '/wp-load.php';\n",
        "wp-content/index.php": "<?php\n// Nothing to see.\n",
        "wp-content/plugins/index.php": "<?php\n// Nothing to see.\n",
        "wp-content/themes/index.php": "<?php\n// Nothing to see.\n",
        "wp-content/uploads/2014/09/": "",
        "wp-includes/version.php": version_php(version),
        "wp-includes/plugin.php": "<?php\n/**\n * Plugin Name: this is not one; it lies elsewhere.\n */\n",
        "wp-load.php": "<?php\nrequire_once __DIR__ . '/wp-config.php';\n",
        "wp-login.php": "<?php\nrequire __DIR__ . '/wp-load.php';\n",
        "wp-settings.php": "<?php\nrequire __DIR__ . '/wp-includes/version.php';\n",
    }


def version_php(version: str) -> str:
    """Return the file that tells the version."""
    return f"""<?php
/**
 * Which version this is.
 *
 * @global string $wp_version
 */
$wp_version = '{version}';

/**
 * Counts the changes to the tables.
 */
$wp_db_version = 38590;

$required_php_version = '5.2.4';
"""


def plugin(name: str, version: str) -> str:
    """Return a plugin's main file."""
    return f"""<?php
/**
 * Plugin Name: {name}
 * Description: Does one thing. Its name: {name}.
 * Version:     {version}
 * License:     MIT
 */

add_action( 'init', 'do_one_thing' );
"""


def theme(name: str, version: str) -> str:
    """Return a theme's stylesheet."""
    return f"/*\nTheme Name: {name}\nAuthor: Nobody\nVersion: {version}\nTags: one-column */\n\nbody {{ margin: 0; }}\n"


HELLO: Final = """<?php
/*
Plugin Name: Hello Dolly
Description: A line of no song.
Version: 1.7.2
*/
"""

SITES: Final = (
    Site(
        "wordpress-2014",
        "The oldest shape: plugins and themes, and no lists of them; a dump that is no transaction.",
        "wordpress",
        "3.9.2",
        "wp-includes/version.php",
        moment("2014-09-23 11:30:03"),
        {
            **core("3.9.2"),
            "wp-content/plugins/hello.php": HELLO,
            "wp-content/plugins/reading-lamp/lamp.php": plugin("Reading Lamp", "0.4"),
            "wp-content/themes/twentyfourteen/style.css": theme("Twenty Fourteen", "1.1"),
        },
        TABLES,
        "wp_",
        {**WITHOUT_PLUGINS, **LISTED, "agent": "8.1.0", "autoup": "2"},
    ),
    Site(
        "wordpress-2018",
        "Plugins by their main file: in a folder that has another name, in none, two in one folder.",
        "wordpress",
        "4.9.8",
        "wp-includes/version.php",
        moment("2018-10-01 06:00:00"),
        {
            **core("4.9.8"),
            "wp-content/plugins/hello.php": HELLO,
            "wp-content/plugins/reading-lamp/lamp.php": plugin("Reading Lamp", "1.0").replace("\n", "\r\n"),
            "wp-content/plugins/book-shelf/shelf.php": plugin("Book Shelf", "2.1"),
            "wp-content/plugins/book-shelf/ladder.php": plugin("Book Shelf: Ladder", "0.9"),
            "wp-content/plugins/book-shelf/inc/wood.php": plugin("Wood, too deep to be one", "9"),
            "wp-content/themes/twentyseventeen/style.css": theme("Twenty Seventeen", "1.7"),
            "wp-content/themes/twentyseventeen-child/style.css": theme("Our own", "1"),
        },
        TABLES,
        "wp_",
        {
            **LISTED,
            "agent": "9.1.38",
            "list-plugins": "-hello.php,reading-lamp/lamp.php,book-shelf/shelf.php,-book-shelf/ladder.php",
            "list-themes": "-twentyseventeen,twentyseventeen-child",
        },
    ),
    Site(
        "wordpress-2021",
        "A transaction with a view; must-use plugins and drop-ins are on no list.",
        "wordpress",
        "5.7.2",
        "wp-includes/version.php",
        moment("2021-06-01 12:01:02"),
        {
            **core("5.7.2"),
            "wp-content/object-cache.php": plugin("Object Cache Drop-In", "1"),
            "wp-content/mu-plugins/always.php": plugin("Always", "3"),
            "wp-content/plugins/reading-lamp/lamp.php": plugin("Reading Lamp", "1.4"),
            "wp-content/plugins/reading-lamp/uninstall.php": "<?php\n// Takes the lamp away.\n",
            "wp-content/themes/twentytwentyone/style.css": theme("Twenty Twenty-One", "1.3"),
        },
        TABLES,
        "wp_",
        {
            **LISTED,
            "agent": "9.1.55",
            "list-plugins": "reading-lamp/lamp.php",
            "list-themes": "twentytwentyone",
        },
        ("wp_recent_posts",),
    ),
    Site(
        "wordpress-2023",
        "Plugins by slug: that of a file in no folder is its name's.",
        "wordpress",
        "6.2.2",
        "wp-includes/version.php",
        moment("2023-07-03 10:10:00"),
        {
            **core("6.2.2"),
            "wp-content/plugins/hello.php": HELLO,
            "wp-content/plugins/reading-lamp/lamp.php": plugin("Reading Lamp", "2.0"),
            "wp-content/themes/twentytwentythree/style.css": theme("Twenty Twenty-Three", "1.1"),
        },
        TABLES,
        "wp_",
        {
            **LISTED,
            "agent": "9.1.63",
            "list-plugins": "-hello-dolly,reading-lamp",
            "list-themes": "twentytwentythree",
        },
    ),
    Site(
        "wordpress-2025",
        "All four marks, and versions: a beta's, one with .0 in the record alone, two plugins' in one folder.",
        "wordpress",
        "6.7.2",
        "wp-includes/version.php",
        moment("2025-03-10 10:02:01"),
        {
            **core("6.7.2"),
            "wp-content/plugins/hello.php": HELLO,
            "wp-content/plugins/my-forms/my-forms.php": plugin("My Forms", "1.0-beta.2"),
            "wp-content/plugins/book-shelf/ladder.php": plugin("Book Shelf: Ladder", "0.9"),
            "wp-content/plugins/book-shelf/shelf.php": plugin("Book Shelf", "3.1"),
            "wp-content/plugins/reading-lamp/lamp.php": plugin("Reading Lamp", "4"),
            "wp-content/themes/twentytwentyfive/style.css": theme("Twenty Twenty-Five", "1.1"),
        },
        TABLES,
        "wp_",
        {
            **LISTED,
            "list-plugins": "=hello-dolly/1.7.2,|my-forms/1.0-beta.2,+book-shelf/3.1,-reading-lamp/4.0",
            "list-themes": "+twentytwentyfive/1.1",
        },
    ),
)
