"""Records looked at alone: each year's dialect, other apps than WordPress, each panel's paths."""

from typing import Final

from fixture_cases.base import ABSENT, INSTALL_ID, FieldChanges, LineChanges, RecordCase, record
from fixture_cases.tree import Json

# What the years share: before 2023 there were fewer keys, and errno in place of errcode.
UNTIL_2023: Final[LineChanges] = {"errcode": ABSENT, "errno": ""}
UNTIL_2023_EXTRA: Final[FieldChanges] = {"errcode": ABSENT, "errno": ""}
WITHOUT_PLUGINS: Final[LineChanges] = {
    "list-plugins": ABSENT,
    "list-themes": ABSENT,
    "autoup-plugins": ABSENT,
    "autoup-themes": ABSENT,
    "cf-twofactor": ABSENT,
    "cf-limitloginattempts": ABSENT,
}
WITHOUT_PLUGINS_FIELDS: Final[FieldChanges] = {
    "plugins": ABSENT,
    "themes": ABSENT,
    "autoup_plugins": "all",
    "autoup_themes": "all",
    "twofactor": ABSENT,
    "limitloginattempts": ABSENT,
}


def era(version: str, agent: str, time: int, filename: str) -> tuple[LineChanges, FieldChanges]:
    """Return a year's versions and times, as lines and as fields."""
    installed = time - 86_400
    lines: LineChanges = {
        "version": version,
        "agent": agent,
        "time": str(installed),
        "backup-time": str(time),
        "backup-filename": filename,
    }
    fields: FieldChanges = {
        "version": version,
        "agent": agent,
        "time_created": installed,
        "backup_time": str(time),
        "backup_filename": filename,
    }
    return lines, fields


LINES_2014, FIELDS_2014 = era("3.9.2", "8.1.0", 1411471800, "app_example-com_My-blog-2_2014-09-23_13-30-09.tar.gz")
LINES_2016, FIELDS_2016 = era("4.6.1", "9.1.12", 1478520000, "app_example-com_My-blog-2_2016-11-07_13-00-06.tar.gz")
LINES_2019, FIELDS_2019 = era("5.1.1", "9.1.40", 1552921445, "app_example-com_My-blog-2_2019-03-18_16-04-17.tar.gz")
LINES_2021, FIELDS_2021 = era("5.7.2", "9.1.55", 1622548862, "app_example-com_My-blog-2_2021-06-01_14-01-02.tar.gz")
LINES_2023, FIELDS_2023 = era("6.2.2", "9.1.63", 1688379000, "app_example-com_My-blog-2_2023-07-03_12-10-00.tar.gz")
LINES_2024, FIELDS_2024 = era("6.5.4", "9.1.68", 1718312121, "app_example-com_My-blog-2_2024-06-13_22-55-21.tar.gz")


def addon(name: str, key: str, version: str | None, autoup: str | None, *, on: bool) -> dict[str, Json]:
    """Return one expected entry of ``plugins`` (``key`` "activated") or of ``themes`` ("active")."""
    return {"id": name, "version": version, key: on, "autoup": autoup}


def plugin(name: str, version: str | None = None, autoup: str | None = None, *, on: bool) -> dict[str, Json]:
    """Return one expected entry of ``plugins``."""
    return addon(name, "activated", version, autoup, on=on)


def theme(name: str, version: str | None = None, autoup: str | None = None, *, on: bool) -> dict[str, Json]:
    """Return one expected entry of ``themes``."""
    return addon(name, "active", version, autoup, on=on)


YEARS: Final = (
    RecordCase(
        "year-2014",
        "The oldest shape: no plugin lists, errno, the name's time some seconds after backup-time.",
        record({**UNTIL_2023, **WITHOUT_PLUGINS, **LINES_2014, "autoup": "2"}),
        {**WITHOUT_PLUGINS_FIELDS, **FIELDS_2014, "autoup": "all"},
        UNTIL_2023_EXTRA,
    ),
    RecordCase(
        "year-2016",
        "2016: still no plugin lists; errno.",
        record({**UNTIL_2023, **WITHOUT_PLUGINS, **LINES_2016}),
        {**WITHOUT_PLUGINS_FIELDS, **FIELDS_2016},
        UNTIL_2023_EXTRA,
    ),
    RecordCase(
        "year-2019",
        "2018-2022: plugins by their main file, '-' = inactive; no version, no auto-update told.",
        record(
            {
                **UNTIL_2023,
                **LINES_2019,
                "list-plugins": "-akismet/akismet.php,hello.php",
                "list-themes": "twentynineteen,-twentyseventeen",
            },
        ),
        {
            **FIELDS_2019,
            "plugins": [plugin("akismet", on=False), plugin("hello", on=True)],
            "themes": [theme("twentynineteen", on=True), theme("twentyseventeen", on=False)],
        },
        UNTIL_2023_EXTRA,
    ),
    RecordCase(
        "year-2021",
        "2018-2022: the main file is not always named like its folder.",
        record(
            {
                **UNTIL_2023,
                **LINES_2021,
                "list-plugins": "akismet/akismet.php,-wordpress-seo/wp-seo.php",
                "list-themes": "twentytwentyone",
            },
        ),
        {
            **FIELDS_2021,
            "plugins": [plugin("akismet", on=True), plugin("wordpress-seo", on=False)],
            "themes": [theme("twentytwentyone", on=True)],
        },
        UNTIL_2023_EXTRA,
    ),
    RecordCase(
        "year-2023",
        "2023-2024: plugins by slug, '-' = inactive; errno for the last time.",
        record(
            {
                **UNTIL_2023,
                **LINES_2023,
                "list-plugins": "-akismet,classic-editor",
                "list-themes": "-twentytwentytwo,twentytwentythree",
            },
        ),
        {
            **FIELDS_2023,
            "plugins": [plugin("akismet", on=False), plugin("classic-editor", on=True)],
            "themes": [theme("twentytwentytwo", on=False), theme("twentytwentythree", on=True)],
        },
        UNTIL_2023_EXTRA,
    ),
    RecordCase(
        "year-2024",
        "2024: slugs, and errcode in place of errno.",
        record({**LINES_2024, "list-plugins": "akismet,-hello-dolly", "list-themes": "twentytwentyfour"}),
        {
            **FIELDS_2024,
            "plugins": [plugin("akismet", on=True), plugin("hello-dolly", on=False)],
            "themes": [theme("twentytwentyfour", on=True)],
        },
    ),
    RecordCase(
        "year-2025",
        "2025: all four marks, with versions: + - active or not with auto-update, | = without.",
        record(
            {
                "list-plugins": "+akismet/5.3.6,-hello-dolly/1.7.2,|my-forms/1.0-beta.2,=classic-editor/1.6.7",
                "list-themes": "+a/1.0,-b/2.0,|c/3.0,=d/4.0",
            },
        ),
        {
            "plugins": [
                plugin("akismet", "5.3.6", "all", on=True),
                plugin("hello-dolly", "1.7.2", "all", on=False),
                plugin("my-forms", "1.0-beta.2", "none", on=True),
                plugin("classic-editor", "1.6.7", "none", on=False),
            ],
            "themes": [
                theme("a", "1.0", "all", on=True),
                theme("b", "2.0", "all", on=False),
                theme("c", "3.0", "none", on=True),
                theme("d", "4.0", "none", on=False),
            ],
        },
    ),
)


def other_app(installer: str, version: str, files: str, tables: str, link_admin: str) -> bytes:
    """Return the record of an app other than WordPress: no plugins, no themes, no WordPress options."""
    return record(
        {
            **WITHOUT_PLUGINS,
            "installer": installer,
            "version": version,
            "list-files": files,
            "list-tables": tables,
            "link-admin": link_admin,
        },
    )


def other_app_fields(
    installer: str, version: str, files: list[str], tables: list[str], link_admin: str
) -> FieldChanges:
    """Return what such a record changes: no plugin fields, not even by default."""
    return {
        **WITHOUT_PLUGINS_FIELDS,
        "autoup_plugins": ABSENT,
        "autoup_themes": ABSENT,
        "application": installer,
        "version": version,
        "files": files,
        "tables": tables,
        "link_admin": link_admin,
    }


APPS_AND_PANELS: Final = (
    RecordCase(
        "app-drupal",
        "Drupal: no plugin lists, and no WordPress-only defaults either.",
        other_app("drupal", "10.2.6", "index.php,core,modules,sites,.htaccess", "node,users", "user/login"),
        other_app_fields(
            "drupal", "10.2.6", ["index.php", "core", "modules", "sites", ".htaccess"], ["node", "users"], "user/login"
        ),
    ),
    RecordCase(
        "app-magento",
        "Magento: as Drupal.",
        other_app("magento", "2.4.6", "index.php,app,bin,pub,vendor", "catalog_product,sales_order", "admin_x1"),
        other_app_fields(
            "magento",
            "2.4.6",
            ["index.php", "app", "bin", "pub", "vendor"],
            ["catalog_product", "sales_order"],
            "admin_x1",
        ),
    ),
    RecordCase(
        "app-group-office",
        "Group-Office: as Drupal.",
        other_app("groupoffice", "6.6.170", "index.php,go,modules", "core_user,core_acl", ""),
        other_app_fields("groupoffice", "6.6.170", ["index.php", "go", "modules"], ["core_user", "core_acl"], ""),
    ),
    RecordCase(
        "panel-plesk",
        "Plesk: the home is the domain's folder, the owner is not in the path.",
        record({"path": "/var/www/vhosts/example.org/httpdocs/blog"}),
        {
            "path": "/var/www/vhosts/example.org/httpdocs/blog",
            "file": f"/var/www/vhosts/example.org/.appdata/current/{INSTALL_ID}",
        },
    ),
    RecordCase(
        "panel-plesk-windows",
        "Plesk on Windows: backslashes, kept and used.",
        record({"path": r"c:\inetpub\vhosts\example.org\httpdocs\blog"}),
        {
            "path": r"c:\inetpub\vhosts\example.org\httpdocs\blog",
            "file": rf"c:\inetpub\vhosts\example.org\.appdata\current\{INSTALL_ID}",
        },
    ),
    RecordCase(
        "panel-home2",
        "A second disk of homes: the home is /home2/<owner>.",
        record({"path": "/home2/exampleu/public_html/blog"}),
        {"path": "/home2/exampleu/public_html/blog", "file": f"/home2/exampleu/.appdata/current/{INSTALL_ID}"},
    ),
    RecordCase(
        "panel-hashed-home",
        "Homes sorted into folders: the owner is the second folder below /home.",
        record({"path": "/home/e/exampleu/public_html/blog"}),
        {"path": "/home/e/exampleu/public_html/blog", "file": f"/home/e/exampleu/.appdata/current/{INSTALL_ID}"},
    ),
    RecordCase(
        "path-without-owner",
        "No conventional home in the path: the field file can't be derived and is absent.",
        record({"path": "/srv/www/blog"}),
        {"path": "/srv/www/blog", "file": ABSENT},
    ),
)
