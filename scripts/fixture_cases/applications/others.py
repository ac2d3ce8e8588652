"""Sites that are neither blogs nor shops: one of each file that has told a version in the course of time."""

from typing import Final

from fixture_cases.applications.case import DB_NAME, DB_PASSWORD, EMPTY_PAGE, Site, moment, tables
from fixture_cases.applications.shops import SITES as SHOPS
from fixture_cases.applications.wordpress import SITES as WORDPRESS

# --- Drupal -----------------------------------------------------------------------------------------------------------

DRUPAL_SETTINGS: Final = f"""<?php
$databases['default']['default'] = array(
  'driver' => 'mysql',
  'database' => '{DB_NAME}',
  'username' => '{DB_NAME}',
  'password' => '{DB_PASSWORD}',
  'prefix' => 'dr_',
);
$settings['hash_salt'] = 'CANARY-salt';
"""
DRUPAL_INDEX: Final = "<?php\n\n/**\n * @file\n * Where every request begins.\n */\n"
DRUPAL_TABLES: Final = tables("dr_", "node users variable")


def drupal_define(file: str, version: str) -> str:
    """Return a file that defines the version for all of Drupal."""
    return f"""<?php

/**
 * @file
 * {file}
 */

/**
 * Which version this is.
 */
define('VERSION', '{version}');

/**
 * What modules have to say that they are made for.
 */
define('DRUPAL_CORE_COMPATIBILITY', '{version[0]}.x');
"""


DRUPAL: Final = (
    Site(
        "drupal-6",
        "Drupal 6: the system module defines the version.",
        "drupal",
        "6.28",
        "modules/system/system.module",
        moment("2014-02-03 09:15:00"),
        {
            "index.php": DRUPAL_INDEX,
            "includes/bootstrap.inc": "<?php\n\n/**\n * @file\n * What every request needs.\n */\n",
            "modules/system/system.module": drupal_define("Sets the site up.", "6.28"),
            "modules/node/node.module": "<?php\n",
            "sites/default/settings.php": DRUPAL_SETTINGS,
            "themes/garland/garland.info": "name = Garland\ncore = 6.x\n",
        },
        DRUPAL_TABLES,
        "dr_",
    ),
    Site(
        "drupal-7",
        "Drupal 7: bootstrap.inc does, and the system module no longer.",
        "drupal",
        "7.98",
        "includes/bootstrap.inc",
        moment("2023-08-15 22:00:00"),
        {
            "index.php": DRUPAL_INDEX,
            "includes/bootstrap.inc": drupal_define("What every request needs.", "7.98"),
            "modules/system/system.module": "<?php\n\n/**\n * @file\n * Sets the site up.\n */\n",
            "sites/default/settings.php": DRUPAL_SETTINGS,
            "themes/bartik/bartik.info": "name = Bartik\nversion = VERSION\ncore = 7.x\n",
        },
        DRUPAL_TABLES,
        "dr_",
    ),
    Site(
        "drupal-10",
        "Drupal 8 and later: a class's constant; the folders at the top are others.",
        "drupal",
        "10.2.6",
        "core/lib/Drupal.php",
        moment("2024-06-13 18:55:21"),
        {
            "index.php": "<?php\n\n$autoloader = require_once 'autoload.php';\n",
            "autoload.php": "<?php\n\nreturn require __DIR__ . '/vendor/autoload.php';\n",
            "core/lib/Drupal.php": """<?php

/**
 * Leads to everything.
 *
 * @code
 *   const VERSION = 'of an example';
 * @endcode
 */
class Drupal {

  /**
   * Which version this is.
   */
  const VERSION = '10.2.6';

  /**
   * The oldest PHP that it runs on.
   */
  const MINIMUM_PHP = '8.1.0';

}
""",
            "modules/README.txt": "Modules that are not Drupal's own go here.\n",
            "sites/default/settings.php": DRUPAL_SETTINGS,
            "vendor/autoload.php": "<?php\n",
        },
        tables("dr_", "config node users_field_data"),
        "dr_",
        views=("dr_published",),
    ),
)


# --- Joomla -----------------------------------------------------------------------------------------------------------

JOOMLA_REST: Final = {
    "index.php": "<?php\ndefine( '_JEXEC', 1 );\n",
    "configuration.php": f"""<?php
class JConfig {{
	public $dbtype = 'mysqli';
	public $user = '{DB_NAME}';
	public $password = '{DB_PASSWORD}';
	public $db = '{DB_NAME}';
	public $dbprefix = 'jos_';
	public $secret = 'CANARY-secret';
}}
""",
    **{
        f"{folder}/index.html": EMPTY_PAGE
        for folder in "administrator components includes language libraries modules plugins templates".split()
    },
}


def joomla_members(release: str, level: str, word: str) -> str:
    """Return a class that tells the version by two variables, ``var`` or ``public``, or by two constants."""
    sign = "" if word == "const" else "$"
    return f"""<?php
defined('_JEXEC') or die;

/**
 * Which version this is.
 */
final class JVersion
{{
	/** @var string Product */
	{word} {sign}PRODUCT 	= 'Joomla!';
	/** @var string Release */
	{word} {sign}RELEASE 	= '{release}';
	/** @var string State */
	{word} {sign}DEV_STATUS	= 'Stable';
	/** @var string Level */
	{word} {sign}DEV_LEVEL 	= '{level}';
}}
"""


JOOMLA_CLASS: Final = """<?php
namespace Joomla\\CMS;

/**
 * Which version this is.
 */
final class Version
{
    /**
     * @var integer
     */
    public const MAJOR_VERSION = 5;

    /**
     * @var integer
     */
    public const MINOR_VERSION = 1;

    /**
     * @var integer
     */
    public const PATCH_VERSION = 2;

    /**
     * Empty, but for what is no release: then the version ends with it.
     */
    public const EXTRA_VERSION = '';

    public const DEV_STATUS = 'Stable';
}
"""


def joomla(name: str, why: str, version: str, *, told_by: str, time: str, sign: str) -> Site:
    """Return a Joomla site."""
    files = {**JOOMLA_REST, told_by: sign}
    return Site(name, why, "joomla", version, told_by, moment(time), files, tables("jos_", "content users"), "jos_")


JOOMLA: Final = (
    joomla(
        "joomla-1.5",
        "Joomla 1.5: variables.",
        "1.5.26",
        told_by="libraries/joomla/version.php",
        time="2014-05-05 05:05:05",
        sign=joomla_members("1.5", "26", "var"),
    ),
    joomla(
        "joomla-1.7",
        "Joomla 1.7: in another folder.",
        "1.7.3",
        told_by="includes/version.php",
        time="2014-05-06 05:05:05",
        sign=joomla_members("1.7", "3", "public"),
    ),
    joomla(
        "joomla-2.5",
        "Joomla 2.5 to 3.4: in a third one.",
        "2.5.28",
        told_by="libraries/cms/version/version.php",
        time="2015-01-06 05:05:05",
        sign=joomla_members("2.5", "28", "public"),
    ),
    joomla(
        "joomla-3.6",
        "Joomla 3.5 to 3.7: constants in place of variables.",
        "3.6.5",
        told_by="libraries/cms/version/version.php",
        time="2017-02-06 05:05:05",
        sign=joomla_members("3.6", "5", "const"),
    ),
    joomla(
        "joomla-5",
        "Joomla 3.8 and later: each part for itself.",
        "5.1.2",
        told_by="libraries/src/Version.php",
        time="2024-08-06 05:05:05",
        sign=JOOMLA_CLASS,
    ),
)


# --- MediaWiki --------------------------------------------------------------------------------------------------------

MEDIAWIKI_REST: Final = {
    "index.php": "<?php\nrequire __DIR__ . '/includes/WebStart.php';\n",
    "LocalSettings.php": f"""<?php
$wgSitename = "My wiki";
$wgDBname = "{DB_NAME}";
$wgDBpassword = "{DB_PASSWORD}";
$wgSecretKey = "CANARY-key";
""",
    "languages/messages/MessagesEn.php": "<?php\n",
}
MEDIAWIKI_TABLES: Final = tables("mw_", "page revision user")

MEDIAWIKI: Final = (
    Site(
        "mediawiki-1.23",
        "MediaWiki to 1.34: a setting like any other.",
        "mediawiki",
        "1.23.14",
        "includes/DefaultSettings.php",
        moment("2016-07-07 07:07:07"),
        {
            **MEDIAWIKI_REST,
            "includes/Defines.php": "<?php\ndefine( 'NS_MAIN', 0 );\n",
            "includes/DefaultSettings.php": """<?php
/**
 * What a wiki is when nobody says otherwise.
 *
 * @file
 */

/**
 * Which version this is
 */
$wgVersion = '1.23.14';

/** What the wiki is called */
$wgSitename = 'MediaWiki';
""",
        },
        MEDIAWIKI_TABLES,
        "mw_",
    ),
    Site(
        "mediawiki-1.39",
        "MediaWiki 1.35 and later: a constant, from which the setting is made.",
        "mediawiki",
        "1.39.17",
        "includes/Defines.php",
        moment("2025-12-20 07:07:07"),
        {
            **MEDIAWIKI_REST,
            "includes/DefaultSettings.php": "<?php\n$wgVersion = MW_VERSION;\n",
            "includes/Defines.php": """<?php
/**
 * Which version this is; before there was $wgVersion = '1.34.0' in its place.
 */
define( 'MW_VERSION', '1.39.17' );

define( 'NS_MAIN', 0 );
""",
        },
        MEDIAWIKI_TABLES,
        "mw_",
    ),
)


# --- phpBB and Moodle -------------------------------------------------------------------------------------------------

PHPBB: Final = (
    Site(
        "phpbb-3",
        "phpBB 3: a constant.",
        "phpbb",
        "3.3.11",
        "includes/constants.php",
        moment("2024-02-02 20:20:20"),
        {
            "common.php": "<?php\n",
            "config.php": f"<?php\n$dbname = '{DB_NAME}';\n$dbpasswd = '{DB_PASSWORD}';\n$table_prefix = 'phpbb_';\n",
            "includes/constants.php": """<?php
/**
* Names for numbers.
*/

// Which version this is
@define('PHPBB_VERSION', '3.3.11');

define('ANONYMOUS', 1);
""",
            "index.php": "<?php\ndefine('IN_PHPBB', true);\n",
            "language/en/common.php": "<?php\n",
            "styles/prosilver/style.cfg": "name = prosilver\nversion = 3.3.0\n",
        },
        tables("phpbb_", "posts topics users"),
        "phpbb_",
    ),
)


def moodle_version(release: str) -> str:
    """Return the file that tells the version."""
    return f"""<?php

/**
 * Which version this is.
 *
 * @package    core
 */

defined('MOODLE_INTERNAL') || die();

$version  = 2022112802.05;              // What the database is compared with.
$release  = '{release}'; // What people call it.
$branch   = '401';
$maturity = MATURITY_STABLE;
"""


MOODLE_CONFIG: Final = f"<?php\n$CFG->dbname = '{DB_NAME}';\n$CFG->dbpass = '{DB_PASSWORD}';\n$CFG->prefix = 'mdl_';\n"

MOODLE: Final = (
    Site(
        "moodle-4",
        "Moodle to 5.0: a weekly build of the same version, which the record does not tell.",
        "moodle",
        "4.1.2",
        "version.php",
        moment("2023-04-14 13:00:00"),
        {
            "config.php": MOODLE_CONFIG,
            "index.php": "<?php\nrequire_once('config.php');\n",
            "lib/setup.php": "<?php\n",
            "version.php": moodle_version("4.1.2+ (Build: 20230331)"),
        },
        tables("mdl_", "course user"),
        "mdl_",
    ),
    Site(
        "moodle-5.1",
        "Moodle 5.1 and later: all but the configuration lies one folder deeper.",
        "moodle",
        "5.1",
        "public/version.php",
        moment("2025-10-20 13:00:00"),
        {
            "config.php": MOODLE_CONFIG,
            "public/index.php": "<?php\nrequire_once('../config.php');\n",
            "public/lib/setup.php": "<?php\n",
            "public/version.php": moodle_version("5.1 (Build: 20251006)"),
        },
        tables("mdl_", "course user"),
        "mdl_",
    ),
)

SITES: Final = (*WORDPRESS, *SHOPS, *DRUPAL, *JOOMLA, *MEDIAWIKI, *PHPBB, *MOODLE)
