"""The table of applications: the lines that really tell a version, and those that only look like it."""

import json
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks.applications import APPLICATIONS, bytes_wanted, released, tells, version_by_files

FIXTURES = Path(__file__).parents[2] / "fixtures" / "applications"
PATHS: Final = [(name, sign.path) for name, one in APPLICATIONS.items() for sign in one.signs]

MAGE: Final = b"""
            'major'     => '1',
            'minor'     => '4',
            'revision'  => '0',
            'patch'     => '0',
            'stability' => '%s',
            'number'    => '%s',
"""
MAJOR_MINOR_PATCH: Final = b"""
    const MAJOR_VERSION = 4;
    const MINOR_VERSION = 0;
    const PATCH_VERSION = 6;
    const EXTRA_VERSION = 'rc3';
"""

# One line as a release has it, and the version that it tells.
LINES: Final = (
    ("wordpress", "wp-includes/version.php", b"$wp_version = '6.1.9';", "6.1.9"),
    ("wordpress", "wp-includes/version.php", b"$wp_version = '4.0-RC1-src';", "4.0-RC1-src"),
    ("wordpress", "wp-includes/version.php", b'$wp_version = "3.9";\r\n', "3.9"),
    ("drupal", "core/lib/Drupal.php", b"class Drupal {\n  const VERSION = '9.3.15-dev';\n", "9.3.15-dev"),
    ("drupal", "includes/bootstrap.inc", b"define('VERSION', '7.41');", "7.41"),
    ("drupal", "modules/system/system.module", b"define('VERSION', '6.28');", "6.28"),
    ("joomla", "libraries/src/Version.php", MAJOR_MINOR_PATCH, "4.0.6.rc3"),
    ("joomla", "libraries/src/Version.php", MAJOR_MINOR_PATCH.replace(b"rc3", b""), "4.0.6"),
    ("joomla", "libraries/src/Version.php", MAJOR_MINOR_PATCH.replace(b"const", b"public const"), "4.0.6.rc3"),
    (
        "joomla",
        "libraries/cms/version/version.php",
        b"\tpublic $RELEASE = '3.3';\n\n\tpublic $DEV_LEVEL = '6';\n",
        "3.3.6",
    ),
    (
        "joomla",
        "libraries/cms/version/version.php",
        b"\tconst RELEASE = '3.7';\n\tconst DEV_LEVEL = '0-dev';",
        "3.7.0-dev",
    ),
    ("joomla", "includes/version.php", b"\tpublic $RELEASE = '1.7';\n\tpublic $DEV_LEVEL = '3';", "1.7.3"),
    ("joomla", "libraries/joomla/version.php", b"\tvar $RELEASE \t= '1.5';\n\tvar $DEV_LEVEL \t= '27';", "1.5.27"),
    (
        "magento",
        "vendor/magento/magento2-base/composer.json",
        b'{\n    "name": "magento/magento2-base",\n    "version": "2.3.2-p1",\n',
        "2.3.2-p1",
    ),
    ("magento", "composer.json", b'{\n    "name": "magento/magento2ce",\n    "version": "2.2.6",\n', "2.2.6"),
    ("magento", "app/Mage.php", MAGE % (b"", b""), "1.4.0.0"),
    ("magento", "app/Mage.php", MAGE % (b"rc", b"1"), "1.4.0.0.rc.1"),
    ("mediawiki", "includes/Defines.php", b"define( 'MW_VERSION', '1.47.0-wmf.3' );", "1.47.0-wmf.3"),
    ("mediawiki", "includes/DefaultSettings.php", b"$wgVersion = '1.18alpha';", "1.18alpha"),
    ("prestashop", "src/Core/Version.php", b"    public const VERSION = '8.1.1';", "8.1.1"),
    ("prestashop", "app/AppKernel.php", b"    const VERSION = '1.7.7.0';", "1.7.7.0"),
    ("prestashop", "config/autoload.php", b"define('_PS_VERSION_', '1.7.3.4');", "1.7.3.4"),
    (
        "prestashop",
        "config/settings.inc.php",
        b"if (!defined('_PS_VERSION_'))\n\tdefine('_PS_VERSION_', '1.6.0.9');",
        "1.6.0.9",
    ),
    ("phpbb", "includes/constants.php", b"@define('PHPBB_VERSION', '3.2.0-b3-dev');", "3.2.0-b3-dev"),
    ("moodle", "version.php", b"    $release = '1.9.9+ (Build: 20101005)';     // Human-friendly", "1.9.9"),
    ("moodle", "version.php", b"$release  = '4.5beta (Build: 20240928)';", "4.5beta"),
    ("moodle", "public/version.php", b"$release  = '5.1+ (Build: 20251205)';", "5.1"),
)

# What stands in such files, and tells none.
SILENT: Final = (
    ("wordpress", "wp-includes/version.php", b""),
    ("wordpress", "wp-includes/version.php", b" * @global string $wp_version\n"),
    ("wordpress", "wp-includes/version.php", b"$wp_version = $old;"),
    ("wordpress", "wp-includes/version.php", b"// $wp_version = '1.0';"),
    ("wordpress", "wp-includes/wp-version.php", b"$wp_version = '6.1.9';"),
    ("drupal", "core/lib/Drupal.php", b"  const CORE_COMPATIBILITY = '8.x';"),
    ("drupal", "includes/bootstrap.inc", b"define('DRUPAL_VERSION', '7');"),
    ("joomla", "libraries/src/Version.php", MAJOR_MINOR_PATCH.replace(b"PATCH", b"OTHER")),
    ("joomla", "libraries/cms/version/version.php", b"//\tpublic $RELEASE = '1.7';\n\tpublic $DEV_LEVEL = '3';"),
    ("magento", "composer.json", b'{\n    "name": "magento/magento2ce",\n    "version": "dev-2.4-develop",\n'),
    ("magento", "composer.json", b'{\n    "repositories": [\n        {\n            "version": "1.0"\n'),
    ("magento", "app/Mage.php", MAGE.replace(b"number", b"none")),
    ("mediawiki", "includes/DefaultSettings.php", b"$wgVersion = MW_VERSION;"),
    ("prestashop", "app/AppKernel.php", b"    const VERSION = Version::VERSION;"),
    ("prestashop", "app/AppKernel.php", b"    const MAJOR_VERSION_STRING = '1.7';"),
    ("prestashop", "config/autoload.php", b"define('_PS_VERSION_', AppKernel::VERSION);"),
)


@pytest.mark.parametrize(("name", "path", "line", "version"), LINES)
def test_a_line_tells_the_version(name: str, path: str, line: bytes, version: str) -> None:
    told = version_by_files(APPLICATIONS[name], {path.encode(): b"<?php\n/**\n */\n" + line + b"\n"})
    assert told is not None
    assert (told.version, told.sign.path.decode()) == (version, path)


@pytest.mark.parametrize(("name", "path", "line"), SILENT)
def test_a_line_tells_none(name: str, path: str, line: bytes) -> None:
    assert version_by_files(APPLICATIONS[name], {path.encode(): line}) is None


def test_every_sign_has_a_line() -> None:
    assert {(name, path.encode()) for name, path, _, _ in LINES} == set(PATHS)


def test_every_sign_has_a_backup_among_the_fixtures() -> None:
    found = [json.loads((folder / "expected.json").read_text("utf-8")) for folder in FIXTURES.iterdir()]
    assert {(one["application"], one["told_by"].encode()) for one in found} == set(PATHS)


def test_what_an_update_left_behind_tells_nothing() -> None:
    heads = {
        b"includes/bootstrap.inc": b"define('VERSION', '7.41');",
        b"core/lib/Drupal.php": b"  const VERSION = '10.2.6';",
        b"modules/system/system.module": b"define('VERSION', '6.28');",
    }
    told = version_by_files(APPLICATIONS["drupal"], heads)
    assert told is not None
    assert told.version == "10.2.6"


def test_few_members_are_wanted() -> None:
    of_wordpress = (b"wp-config.php", b"wp-content/plugins/a.php", b"wp-content/themes/a/style.css")
    for name in (*(path for _, path in PATHS), *of_wordpress):
        assert bytes_wanted(name) >= 8192
        assert tells(name, b"<?php\n// Plugin Name: A")
    for name in (
        b"",
        b"wp-includes",
        b"blog/wp-config.php",
        b"wp-content",
        b"wp-content/",
        b"version.php~",
        b"x" * 5000,
    ):
        assert not bytes_wanted(name)
        assert not tells(name, b"<?php\n// Plugin Name: A")


@pytest.mark.parametrize("name", APPLICATIONS)
@given(data=st.data())
def test_nothing_in_a_sign_breaks_anything(name: str, data: st.DataObject) -> None:
    application = APPLICATIONS[name]
    content = data.draw(st.binary() | st.sampled_from([line for of, _, line, _ in LINES if of == name]))
    cut = data.draw(st.integers(0, len(content)))
    told = version_by_files(application, {sign.path: content[:cut] for sign in application.signs})
    assert told is None or told.version.isascii()


@pytest.mark.parametrize(
    ("name", "version", "day"),
    [
        ("wordpress", "6.5.4", date(2024, 4, 2)),
        ("wordpress", "6.5", date(2024, 4, 2)),
        ("wordpress", "6.5-RC1", date(2023, 11, 7)),
        ("wordpress", "4.0", date(2014, 9, 4)),
        ("wordpress", "99", date(2026, 5, 20)),
        ("wordpress", "1.0", None),
        ("wordpress", "", None),
        ("drupal", "7.98", date(2011, 1, 5)),
        ("drupal", "10.2.6", date(2022, 12, 15)),
        ("moodle", "3.10.4", date(2020, 11, 7)),
        ("moodle", "4.1.2+", date(2022, 11, 26)),
        ("groupoffice", "6.6.170", None),
        ("", "", None),
    ],
)
def test_the_first_day_of_a_version(name: str, version: str, day: date | None) -> None:
    assert released(name, version) == day


@pytest.mark.parametrize("name", APPLICATIONS)
def test_releases_are_in_order_and_after_the_first_of_all(name: str) -> None:
    days = list(APPLICATIONS[name].releases.values())
    assert days == sorted(days)
    assert date(2005, 1, 1) < days[0] <= days[-1] < date(2026, 12, 1)
