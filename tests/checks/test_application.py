"""Checks of the application's own files: its version, its plugins and themes, whose database it is configured for."""

from typing import Final

import pytest

from backupmeta.archive.limits import Limits
from backupmeta.checks.application import CHECKS, required
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import DEFAULT, Policy
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.findings import Finding, Group
from tests.checks.subjects import ARCHIVE, FILES, FOLDER, MEMBERS, Backup, backup, ids, record, without

VERSION: Final = "wp-includes/version.php"


def php(name: str, version: str = "1.0") -> bytes:
    return f"<?php\n/*\nPlugin Name: {name}\nVersion: {version}\n*/\n".encode()


def css(version: str = "1.0") -> bytes:
    return f"/*\nTheme Name: A\nVersion: {version}\n*/\n".encode()


def site(inside: dict[str, bytes], policy: Policy = DEFAULT, /, **lines: str | None) -> Backup:
    """Return a WordPress with the files ``inside`` besides, or in place of its own."""
    return backup(record(**lines), {**MEMBERS, **inside}, policy=policy)


def only(one: Backup) -> list[Finding]:
    """Return what the application's checks find."""
    return [found for check in CHECKS for found in check(one.subject)]


def details(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.id, one.detail) for one in findings]


def test_an_honest_backup_has_no_findings() -> None:
    assert only(backup()) == []


def test_every_finding_of_the_group_is_one_of_these_checks() -> None:
    plugins = {"wp-content/plugins/b.php": php("B"), "wp-content/plugins/c.php": php("C", "2")}
    themes = {"wp-content/themes/b/style.css": css(), "wp-content/themes/c/style.css": css("2")}
    many = site(
        {**plugins, **themes, "wp-config.php": b"<?php $table_prefix = 'x';"},
        Policy(requirements=Requirements(versions={"wordpress": "7"})),
        version="6.5.3",
        list_plugins="+a/1,+c/1",
        list_themes="+a/1,+c/1",
    )
    found = [*only(many), *only(site({VERSION: b""})), *only(backup(record(installer="groupoffice")))]
    assert set(ids(found)) == {id_ for id_, kind in FINDINGS.items() if kind.group is Group.APPLICATION}


# --- which application ------------------------------------------------------------------------------------------------


def test_an_unknown_application_is_noted_and_nothing_else() -> None:
    one = backup(record(installer="groupoffice"))
    assert only(one) == [
        Finding(FINDINGS["application-unknown"], "application", "groupoffice", (one.line("installer"),))
    ]
    assert required(one.subject) == ()


@pytest.mark.parametrize("installer", ["", None])
def test_no_application_is_none(installer: str | None) -> None:
    assert only(backup(record(installer=installer))) == []


def test_the_files_of_another_application() -> None:
    one = backup(record(installer="mediawiki", version="1.39.17"))
    detail = "no includes/Defines.php, no includes/DefaultSettings.php"
    expected = Finding(FINDINGS["application-not-found"], "application", detail, (one.line("installer"), ARCHIVE))
    assert only(one) == [expected]


def test_a_sign_that_is_gone() -> None:
    one = backup(None, {**without(VERSION), "wp-includes/load.php": b"<?php\n"})
    assert details(only(one)) == [("application-not-found", "no wp-includes/version.php")]


def test_a_sign_that_tells_nothing() -> None:
    one = site({VERSION: b"<?php\n// $wp_version = '6.5.4';\n"})
    places = (one.line("installer"), one.member(VERSION))
    assert only(one) == [Finding(FINDINGS["application-not-found"], "application", f"{VERSION} tells none", places)]


@pytest.mark.parametrize("excluded", ["wp-includes", "/wp-includes/", f"{FOLDER}/wp-includes", VERSION])
def test_a_sign_that_was_left_out_on_purpose(excluded: str) -> None:
    assert only(backup(record(list_exclude_files=excluded), without(VERSION))) == []


@pytest.mark.parametrize("excluded", ["wp-include", "includes", "", "wp-includes/version"])
def test_a_sign_that_was_not(excluded: str) -> None:
    one = backup(record(list_exclude_files=excluded), without(VERSION))
    assert ids(only(one)) == ["application-not-found"]


def test_without_files_there_are_none_to_tell_a_version() -> None:
    assert only(backup(record(list_files=""), {"APP-DATA.SQL": MEMBERS["APP-DATA.SQL"]})) == []


def test_absence_is_not_judged_where_not_all_names_are_known() -> None:
    lines = {"list_plugins": "a,b", "list_themes": "a"}
    inside = {**without(VERSION), "wp-content/plugins/b.php": php("B"), "wp-content/themes/b/style.css": css()}
    assert ids(only(backup(record(**lines), inside))) == [
        "application-not-found",
        "plugin-missing",
        "theme-missing",
        "theme-unlisted",
    ]
    few = backup(record(**lines), {**inside, "z": b""}, limits=Limits(names=len(inside) + 1))
    assert ids(only(few)) == ["theme-unlisted"]


# --- its version ------------------------------------------------------------------------------------------------------


def test_another_version() -> None:
    one = site({VERSION: b"<?php\n$wp_version = '6.5.3';\n"})
    places = (one.line("version"), one.member(VERSION))
    detail = "6.5.3 by wp-includes/version.php, 6.5.4 by the record"
    assert one.found == [Finding(FINDINGS["application-version-differs"], "version", detail, places)]


@pytest.mark.parametrize(
    ("recorded", "told"), [("6.5", "6.5.0"), ("6.5.0", "6.5"), ("6.5-RC1", "6.5-rc1"), ("", "6.5")]
)
def test_the_same_version(recorded: str, told: str) -> None:
    assert only(site({VERSION: f"<?php\n$wp_version = '{told}';".encode()}, version=recorded)) == []


def test_a_version_below_the_policys() -> None:
    one = site({}, Policy(requirements=Requirements(versions={"wordpress": "6.10", "drupal": "11"})))
    places = (one.line("version"), one.member(VERSION))
    detail = "6.5.4, at least 6.10 is asked for"
    assert one.found == [Finding(FINDINGS["version-too-old"], "version", detail, places)]


@pytest.mark.parametrize("floor", ["6.5.4", "6.5", "6", "6.5.4-RC1"])
def test_a_version_that_the_policy_allows(floor: str) -> None:
    assert only(site({}, Policy(requirements=Requirements(versions={"wordpress": floor})))) == []


def test_the_files_say_how_old_it_is_where_they_say_anything() -> None:
    policy = Policy(requirements=Requirements(versions={"wordpress": "6.5", "groupoffice": "7"}))
    old = site({VERSION: b"<?php\n$wp_version = '6.4';"}, policy)
    assert ids(only(old)) == ["application-version-differs", "version-too-old"]
    untold = backup(record(installer="groupoffice", version="6.6"), policy=policy)
    assert details(only(untold))[1:] == [("version-too-old", "6.6, at least 7 is asked for")]
    assert ids(only(backup(record(installer="groupoffice", version=""), policy=policy))) == ["application-unknown"]


# --- what it can't do without -----------------------------------------------------------------------------------------


def test_what_is_required_is_listed_and_not_excluded() -> None:
    one = backup(record(list_exclude_files=f"wp-admin,{FOLDER}/wp-login.php"))
    expected = "wp-config.php index.php wp-blog-header.php wp-content wp-includes wp-load.php wp-settings.php"
    assert required(one.subject) == tuple(expected.split())
    assert set(required(one.subject)) < set(FILES.split(","))


def test_what_is_required_depends_on_the_version_that_is_there() -> None:
    listed = "index.php,core,autoload.php,includes,modules,themes,sites,profiles"
    drupal = {"installer": "drupal", "list_files": listed}
    new = backup(record(**drupal), {"core/lib/Drupal.php": b"class Drupal {\n  const VERSION = '10.2.6';\n"})
    old = backup(record(**drupal), {"includes/bootstrap.inc": b"<?php\ndefine('VERSION', '7.98');\n"})
    none = backup(record(**drupal), {"index.php": b"<?php"})
    assert required(new.subject) == ("index.php", "core", "autoload.php", "sites")
    assert required(old.subject) == ("index.php", "includes", "modules", "themes", "sites")
    assert required(none.subject) == ("index.php", "sites")


# --- plugins and themes -----------------------------------------------------------------------------------------------

SHELF: Final = {
    "wp-content/plugins/index.php": b"<?php\n// nothing\n",
    "wp-content/plugins/hello.php": php("Hello Dolly", "1.7.2"),
    "wp-content/plugins/shelf/shelf.php": php("Shelf", "3.1"),
    "wp-content/plugins/shelf/ladder.php": php("Ladder", "0.9"),
    "wp-content/plugins/lamp/main.php": php("Lamp", "4"),
    "wp-content/mu-plugins/always.php": php("Always"),
    "wp-content/object-cache.php": php("Object Cache"),
    "wp-content/themes/ours/style.css": css("1.1"),
    "wp-content/themes/ours-child/style.css": b"",
}


@pytest.mark.parametrize(
    ("plugins", "themes"),
    [
        ("-hello.php,shelf/shelf.php,shelf/ladder.php,lamp/main.php", "-ours,ours-child"),
        ("hello.php,shelf/ladder.php,-lamp/main.php", "ours,-ours-child"),
        ("hello,shelf,-lamp", "ours,-ours-child"),
        ("-hello-dolly,shelf,lamp", "ours,ours-child"),
        ("=hello-dolly/1.7.2,|shelf/3.1,+lamp/4.0", "+ours/1.1,=ours-child/7"),
        ("+hello/1.7.2,-shelf/0.9,lamp/", "+ours/1.1,=ours-child"),
        (None, None),
    ],
)
def test_in_every_dialect_all_are_there(plugins: str | None, themes: str | None) -> None:
    assert site(SHELF, list_plugins=plugins, list_themes=themes).found == []


def test_a_plugin_and_a_theme_that_are_gone() -> None:
    inside = {name: content for name, content in SHELF.items() if "/lamp/" not in name and "/ours-child/" not in name}
    one = site(inside, list_plugins="+hello/1.7.2,+shelf/3.1,+lamp/4", list_themes="+ours/1.1,-ours-child/1")
    assert one.found == [
        Finding(FINDINGS["plugin-missing"], "plugins", "lamp", (one.line("list-plugins"), ARCHIVE)),
        Finding(FINDINGS["theme-missing"], "themes", "ours-child", (one.line("list-themes"), ARCHIVE)),
    ]


@pytest.mark.parametrize("name", ["wp-content/plugins/lamp/readme.txt", "wp-content/plugins/lamp.php"])
def test_a_plugin_without_a_header_may_be_one(name: str) -> None:
    assert only(site({name: b"<?php\n"}, list_plugins="lamp")) == []


@pytest.mark.parametrize(
    "excluded", ["wp-content", "wp-content/plugins/", "wp-content/plugins/lamp", f"{FOLDER}/wp-content"]
)
def test_a_plugin_that_was_left_out_on_purpose(excluded: str) -> None:
    one = site({"wp-content/plugins/index.php": b"<?php"}, list_plugins="lamp", list_exclude_files=excluded)
    assert only(one) == []


def test_all_plugins_and_themes_are_gone() -> None:
    found = only(site({}, list_plugins="lamp", list_themes="ours"))
    assert [(one.id, one.detail) for one in found] == [("plugin-missing", "lamp"), ("theme-missing", "ours")]


@pytest.mark.parametrize("others", ["wp-content/plugins", "wp-content/pluginsx/a.php", "wp-content/index.php"])
def test_something_else_is_in_the_plugins_place(others: str) -> None:
    assert [one.detail for one in only(site({others: php("A")}, list_plugins="lamp"))] == ["lamp"]


def test_a_plugin_and_a_theme_that_nobody_listed() -> None:
    one = site(SHELF, list_plugins="hello,lamp", list_themes="ours")
    assert one.found == [
        Finding(
            FINDINGS["plugin-unlisted"],
            "plugins",
            "shelf",
            (one.line("list-plugins"), one.member("wp-content/plugins/shelf/shelf.php")),
        ),
        Finding(
            FINDINGS["theme-unlisted"],
            "themes",
            "ours-child",
            (one.line("list-themes"), one.member("wp-content/themes/ours-child/style.css")),
        ),
    ]


def test_an_empty_list_lists_none() -> None:
    found = only(site(SHELF, list_plugins="", list_themes=None))
    assert details(found) == [("plugin-unlisted", "hello"), ("plugin-unlisted", "shelf"), ("plugin-unlisted", "lamp")]


def test_a_list_that_can_not_be_decoded_is_not_compared() -> None:
    assert only(site(SHELF, list_plugins="+,/1")) == []


def test_another_version_of_a_plugin_and_of_a_theme() -> None:
    one = site(SHELF, list_plugins="+hello-dolly/1.7.3,-shelf/3.2,|lamp/4.0", list_themes="+ours/1.2,=ours-child/1")
    hello, shelf, style = (
        "wp-content/plugins/hello.php",
        "wp-content/plugins/shelf/shelf.php",
        "wp-content/themes/ours/style.css",
    )
    assert one.found == [
        Finding(
            FINDINGS["plugin-version-differs"],
            "plugins",
            f"hello-dolly: 1.7.2 by {hello}, 1.7.3 by the record",
            (one.line("list-plugins"), one.member(hello)),
        ),
        Finding(
            FINDINGS["plugin-version-differs"],
            "plugins",
            f"shelf: 3.1 by {shelf}, 3.2 by the record",
            (one.line("list-plugins"), one.member(shelf)),
        ),
        Finding(
            FINDINGS["theme-version-differs"],
            "themes",
            f"ours: 1.1 by {style}, 1.2 by the record",
            (one.line("list-themes"), one.member(style)),
        ),
    ]


def test_a_plugin_that_tells_no_version_is_not_compared() -> None:
    assert only(site({"wp-content/plugins/lamp.php": b"<?php\n// Plugin Name: Lamp"}, list_plugins="+lamp/2")) == []


def test_names_that_are_no_utf8_are_shown() -> None:
    one = site({"wp-content/plugins/gr\udcf6\udcdfe/a.php": php("A")}, list_plugins="")
    assert details(only(one)) == [("plugin-unlisted", "gr\ufffd\ufffde")]


def test_a_thousand_plugins_take_no_thousand_times_as_long() -> None:
    names = [f"plugin-{number}" for number in range(1000)]
    inside = {f"wp-content/plugins/{name}.php": php(name, "1") for name in names}
    one = site(inside, list_plugins=",".join(f"+{name}/2" for name in names), list_exclude_files=",".join(names))
    assert ids(only(one)) == ["plugin-version-differs"] * 1000


# --- whose database ---------------------------------------------------------------------------------------------------

CONFIG: Final = (
    "<?php define('DB_NAME', '{}'); define('DB_USER', '{}'); define('DB_PASSWORD', 'CANARY');\n$table_prefix = '{}';"
)
DATABASE: Final = {"db_name": "blog_wp1", "db_user": "blog_user", "db_prefix": "wp_"}


def configured(name: str, user: str, prefix: str) -> dict[str, bytes]:
    return {"wp-config.php": CONFIG.format(name, user, prefix).encode()}


def test_the_database_of_the_record() -> None:
    assert site(configured("blog_wp1", "blog_user", "wp_"), **DATABASE).found == []


@pytest.mark.parametrize(
    ("field", "key", "values"),
    [
        ("db_name", "db-name", ("other", "blog_user", "wp_")),
        ("db_user", "db-user", ("blog_wp1", "other", "wp_")),
        ("db_prefix", "db-prefix", ("blog_wp1", "blog_user", "other")),
    ],
)
def test_another_database(field: str, key: str, values: tuple[str, str, str]) -> None:
    one = site(configured(*values), **DATABASE)
    detail = f"other by wp-config.php, {DATABASE[field]} by the record"
    expected = Finding(FINDINGS["config-differs"], field, detail, (one.line(key), one.member("wp-config.php")))
    assert one.found == [expected]
    assert "CANARY" not in repr(one.found)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<?php require 'elsewhere.php';",
        b"<?php define('DB_NAME', getenv('DB')); $table_prefix = getenv('PREFIX');",
        b"<?php define('DB_NAME', 'a'); define('DB_NAME', 'b');",
        b"<?php // define('DB_NAME', 'a');",
    ],
)
def test_a_configuration_that_does_not_tell(content: bytes) -> None:
    assert only(site({"wp-config.php": content}, **DATABASE)) == []


def test_a_record_without_a_database_is_not_compared() -> None:
    assert only(site(configured("a", "b", "c"), db_name=None, db_user=None, db_prefix=None)) == []


def test_only_wordpress_is_configured_there() -> None:
    assert ids(only(site(configured("a", "b", "c"), installer="groupoffice", **DATABASE))) == ["application-unknown"]
