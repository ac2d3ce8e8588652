"""Shops, Magento and PrestaShop: one of each file that has told a version in the course of time."""

from typing import Final

from fixture_cases.applications.case import DB_NAME, DB_PASSWORD, EMPTY_PAGE, Site, moment, tables

# --- Magento ----------------------------------------------------------------------------------------------------------

MAGE: Final = """<?php

final class Mage
{
    /**
     * Returns the version.
     */
    public static function getVersion()
    {
        $i = self::getVersionInfo();
        return trim("{$i['major']}.{$i['minor']}", '.-');
    }

    public static function getVersionInfo()
    {
        return array(
            'major'     => '1',
            'minor'     => '9',
            'revision'  => '4',
            'patch'     => '5',
            'stability' => '',
            'number'    => '',
        );
    }
}
"""
MAGENTO_2: Final = {
    "app/etc/env.php": f"""<?php
return [
    'crypt' => ['key' => 'CANARY-key'],
    'db' => ['connection' => ['default' => ['dbname' => '{DB_NAME}', 'password' => '{DB_PASSWORD}']]],
];
""",
    "bin/magento": "#!/usr/bin/env php\n<?php\n",
    "lib/web/blank.html": EMPTY_PAGE,
    "pub/index.php": "<?php\nrequire __DIR__ . '/../app/bootstrap.php';\n",
}
MAGENTO_TABLES: Final = tables("mg_", "catalog_product_entity sales_order store")

MAGENTO: Final = (
    Site(
        "magento-1.9",
        "Magento 1: a list of parts, the last of which are empty.",
        "magento",
        "1.9.4.5",
        "app/Mage.php",
        moment("2020-06-22 03:30:00"),
        {
            "index.php": "<?php\nrequire_once __DIR__ . '/app/Mage.php';\n",
            "app/Mage.php": MAGE,
            "app/etc/local.xml": f"<config><password><![CDATA[{DB_PASSWORD}]]></password></config>\n",
            "lib/Varien/Autoload.php": "<?php\n",
            "skin/": "",
        },
        MAGENTO_TABLES,
        "mg_",
    ),
    Site(
        "magento-2.2",
        "Magento 2, installed without Composer: its own composer.json tells the version.",
        "magento",
        "2.2.6",
        "composer.json",
        moment("2018-11-11 11:11:11"),
        {
            **MAGENTO_2,
            "composer.json": """{
    "name": "magento/magento2ce",
    "description": "A shop",
    "type": "project",
    "repositories": [
        {
            "type": "package",
            "package": {
                "version": "0.1"
            }
        }
    ],
    "version": "2.2.6",
    "require": {
        "php": "~7.1.0"
    }
}
""",
        },
        MAGENTO_TABLES,
        "mg_",
    ),
    Site(
        "magento-2.4",
        "Magento 2, updated with Composer: the project's own version is still the one that it began with.",
        "magento",
        "2.4.6-p3",
        "vendor/magento/magento2-base/composer.json",
        moment("2024-01-10 11:11:11"),
        {
            **MAGENTO_2,
            "composer.json": """{
    "name": "magento/project-community-edition",
    "type": "project",
    "version": "2.4.5",
    "require": {
        "magento/product-community-edition": "2.4.6-p3"
    }
}
""",
            "vendor/magento/magento2-base/composer.json": """{
    "name": "magento/magento2-base",
    "description": "What a shop is made of",
    "type": "magento2-component",
    "version": "2.4.6-p3",
    "require": {
        "php": "~8.1.0||~8.2.0"
    }
}
""",
        },
        MAGENTO_TABLES,
        "mg_",
    ),
)


# --- PrestaShop -------------------------------------------------------------------------------------------------------

PRESTASHOP_REST: Final = {
    "index.php": "<?php\nrequire __DIR__ . '/config/config.inc.php';\n",
    "classes/Product.php": "<?php\n",
    "config/config.inc.php": "<?php\n",
    "controllers/index.php": "<?php\n",
    "modules/index.php": "<?php\n",
    "themes/index.php": "<?php\n",
}
PRESTASHOP_PARAMETERS: Final = {
    "app/config/parameters.php": f"<?php return array('parameters' => array('password' => '{DB_PASSWORD}'));\n",
}


def prestashop(name: str, why: str, version: str, *, told_by: str, time: str, files: dict[str, str]) -> Site:
    """Return a PrestaShop site."""
    every = {**PRESTASHOP_REST, **files}
    return Site(name, why, "prestashop", version, told_by, moment(time), every, tables("ps_", "orders product"), "ps_")


PRESTASHOP: Final = (
    prestashop(
        "prestashop-1.6",
        "PrestaShop to 1.6: beside the password, in the shop's own settings.",
        "1.6.1.24",
        told_by="config/settings.inc.php",
        time="2019-07-01 04:44:44",
        files={
            "config/settings.inc.php": f"""<?php
define('_DB_NAME_', '{DB_NAME}');
define('_DB_PASSWD_', '{DB_PASSWORD}');
define('_COOKIE_KEY_', 'CANARY-key');
if (!defined('_PS_VERSION_'))
	define('_PS_VERSION_', '1.6.1.24');
""",
        },
    ),
    prestashop(
        "prestashop-1.7.3",
        "PrestaShop's earlier 1.7: where classes are loaded.",
        "1.7.3.4",
        told_by="config/autoload.php",
        time="2018-08-01 04:44:44",
        files={
            **PRESTASHOP_PARAMETERS,
            "config/autoload.php": "<?php\ndefine('_PS_VERSION_', '1.7.3.4');\n\nrequire_once 'alias.php';\n",
        },
    ),
    prestashop(
        "prestashop-1.7.8",
        "PrestaShop's later 1.7: the kernel's constant.",
        "1.7.8.11",
        told_by="app/AppKernel.php",
        time="2024-07-01 04:44:44",
        files={
            **PRESTASHOP_PARAMETERS,
            "app/AppKernel.php": """<?php

class AppKernel extends Kernel
{
    const VERSION = '1.7.8.11';
    const MAJOR_VERSION_STRING = '1.7';
}
""",
            "config/autoload.php": "<?php\ndefine('_PS_VERSION_', AppKernel::VERSION);\n",
        },
    ),
    prestashop(
        "prestashop-8",
        "PrestaShop 8 and later: a class for it; the kernel takes it from there.",
        "8.1.1",
        told_by="src/Core/Version.php",
        time="2023-08-01 04:44:44",
        files={
            **PRESTASHOP_PARAMETERS,
            "app/AppKernel.php": "<?php\n\nclass AppKernel extends Kernel\n{\n    const VERSION = Version::VERSION;\n",
            "src/Core/Version.php": """<?php

namespace PrestaShop\\PrestaShop\\Core;

final class Version
{
    public const VERSION = '8.1.1';
    public const MAJOR_VERSION = 8;
}
""",
        },
    ),
)

SITES: Final = (*MAGENTO, *PRESTASHOP)
