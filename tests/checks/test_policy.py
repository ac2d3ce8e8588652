"""Policies: each key, each kind of mistake with its words, what wins over what, and where a policy is found."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.archive.limits import Limits, amount
from backupmeta.checks import policy
from backupmeta.checks.checked_backup import Requirements
from backupmeta.checks.policy import DEFAULT, Policy, PolicyReading, load, nearest
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.errors import LimitExceededError, Mistake, NotRegularError, PolicyError, UnreadableError
from backupmeta.findings import Group, Severity
from backupmeta.secrets import masked
from tests.endless import ends

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
MIB: Final = 2**20
HUGE: Final = 2**20_000  # more digits than Python converts unasked
Read = Callable[[str], Policy]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Give a function that reads a policy's text from a file."""

    def read(text: str) -> Policy:
        path = tmp_path / "backups.toml"
        path.write_text(text, "utf-8")
        return load(str(path))

    return read


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file that many examples may be written to, one after the other."""
    return tmp_path_factory.mktemp("policies") / "scratch.toml"


def mistakes(read: Read, text: str) -> tuple[Mistake, ...]:
    with pytest.raises(PolicyError) as raised:
        read(text)
    return raised.value.mistakes


# the keys


def test_without_a_policy_everything_counts_as_the_vocabulary_says() -> None:
    assert [DEFAULT.severity(kind) for kind in FINDINGS.values()] == [kind.severity for kind in FINDINGS.values()]
    assert DEFAULT.fail_on is WARNING
    assert Requirements() == DEFAULT.requirements
    assert (DEFAULT.requirements.versions, DEFAULT.limits) == ({}, {})


def test_an_empty_policy_is_the_default(read: Read) -> None:
    assert read("") == DEFAULT
    assert read("select = []\n[require]\n[severity]\n[bounds]\n[versions]") != DEFAULT
    assert read("ignore = []\n[require]\n[severity]\n[bounds]\n[versions]") == DEFAULT


def test_ids_and_groups_are_selected(read: Read) -> None:
    found = read('select = ["contents", "backup-too-old"]')
    assert found.severity(FINDINGS["table-missing"]) is ERROR
    assert found.severity(FINDINGS["backup-too-old"]) is WARNING
    assert found.severity(FINDINGS["archive-no-end"]) is None
    assert found.severity(FINDINGS["member-device"]) is None


def test_ids_and_groups_are_ignored(read: Read) -> None:
    found = read('ignore = ["record-holds-secrets", "application"]')
    assert found.severity(FINDINGS["record-holds-secrets"]) is None
    assert [found.severity(kind) for kind in FINDINGS.values() if kind.group is Group.APPLICATION] == [None] * 11
    assert found.severity(FINDINGS["record-missing"]) is ERROR


def test_ignore_wins_over_select(read: Read) -> None:
    found = read('select = ["record-bom", "safe"]\nignore = ["record", "member-device"]')
    assert [found.severity(FINDINGS[id_]) for id_ in ("record-bom", "member-device", "member-setuid")] == [
        None,
        None,
        ERROR,
    ]


@pytest.mark.parametrize("id_", ["archive-truncated", "record-unreadable", "limit-exceeded", "folder-unreadable"])
def test_what_could_not_be_read_answers_to_its_own_id_alone(read: Read, id_: str) -> None:
    group = FINDINGS[id_].group
    assert read('select = ["application-unknown"]').severity(FINDINGS[id_]) is ERROR
    assert read("select = []").severity(FINDINGS[id_]) is ERROR
    assert read(f'ignore = ["{group}"]').severity(FINDINGS[id_]) is ERROR
    assert read(f'severity.{group} = "note"').severity(FINDINGS[id_]) is ERROR
    assert read(f'ignore = ["{id_}"]').severity(FINDINGS[id_]) is None
    assert read(f'severity.{id_} = "note"').severity(FINDINGS[id_]) is NOTE
    assert DEFAULT.with_options(ignore=[group]).severity(FINDINGS[id_]) is ERROR
    assert DEFAULT.with_options(select=["application-unknown"]).severity(FINDINGS[id_]) is ERROR
    assert DEFAULT.with_options(ignore=[id_]).severity(FINDINGS[id_]) is None


def test_an_empty_selection_leaves_what_could_not_be_read(read: Read) -> None:
    found = read("select = []")
    assert {id_ for id_ in FINDINGS if found.severity(FINDINGS[id_])} == {
        id_ for id_, kind in FINDINGS.items() if kind.is_unread
    }


@pytest.mark.parametrize(
    "lines", ['contents = "note"\ntable-missing = "warning"', 'table-missing="warning"\ncontents="note"']
)
def test_an_ids_severity_wins_over_its_groups(read: Read, lines: str) -> None:
    found = read(f"[severity]\n{lines}")
    assert [found.severity(FINDINGS[id_]) for id_ in ("table-missing", "dump-missing", "plugin-missing")] == [
        WARNING,
        NOTE,
        WARNING,  # by the vocabulary
    ]


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        ("", [ERROR, WARNING]),
        ('fail-on = "error"', [ERROR]),
        ('fail-on = "warning"', [ERROR, WARNING]),
        ('fail-on = "note"', [ERROR, WARNING, NOTE]),
    ],
)
def test_what_fails(read: Read, text: str, failing: list[Severity]) -> None:
    assert [one for one in (ERROR, WARNING, NOTE) if read(text).fails(one)] == failing


def test_requirements(read: Read) -> None:
    text = """
        [require]
        maximum-age-days = 0.5
        minimum-backups = 2
        files = ["wp-config.php", "wp-content/uploads"]
        tables = ["{prefix}users", "log"]
        locations = ["local"]
    """
    assert read(text).requirements == Requirements(
        0.5, 2, ("wp-config.php", "wp-content/uploads"), ("{prefix}users", "log"), ("local",)
    )
    days = read("[require]\nmaximum-age-days = 8").requirements.maximum_age_days
    assert (days, type(days)) == (8.0, float)


def test_a_required_table_may_have_the_records_prefix() -> None:
    required = Requirements(tables=("{prefix}users", "wp_log", "{prefix}{prefix}x"))
    assert required.tables_with("blog_") == ("blog_users", "wp_log", "blog_blog_x")
    assert required.tables_with("") == ("users", "wp_log", "x")
    assert required.tables_with("{prefix}") == ("{prefix}users", "wp_log", "{prefix}{prefix}x")


@pytest.mark.parametrize(
    ("allowed", "location", "expected"),
    [
        (None, "s3://bucket/x", True),
        ((), "local", False),
        (("local",), "local", True),
        (("local",), "locale", False),
        (("local",), "0123456789abcdef0123456789abcdef", False),
        (("local", "s3://"), "s3://bucket/x", True),
        (("s3://",), "s3://key:CANARY/+@bucket/x", True),
        (("s3://",), "s3", False),
        (("s3://",), "ftp://s3://", False),
        (("ftp://example.com/b",), "ftp://example.com/b", True),
        (("ftp://example.com/b",), "ftp://abc:CANARY@example.com/b", True),
        (("ftp://example.com/b",), "ftp://abc:CANARY@example.com/b/c", False),
        (("ftp://example.com/b",), "ftp://example.com/b@example.org/b", False),
    ],
)
def test_allowed_locations(allowed: tuple[str, ...] | None, location: str, *, expected: bool) -> None:
    assert Requirements(locations=allowed).allows(masked("backup_location", location)) is expected


@pytest.mark.parametrize(
    "version",
    ["6", "6.4", "10.11.12.13", "2.4.6-p3", "6.4-RC1", "1.0rc1", "4.3.2+", "1.41.0-wmf.25", "4.5-beta3-57547"],
)
def test_a_version_floor(read: Read, version: str) -> None:
    assert read(f'[versions]\nwordpress = "6.4"\n"group-office" = "{version}"').requirements.versions == {
        "wordpress": "6.4",
        "group-office": version,
    }


def test_bounds_are_read_as_the_command_line_reads_them(read: Read) -> None:
    found = read('[bounds]\ninflated_bytes = "10G"\nname_bytes = "64k"\nmembers = 1000\nratio = "7"\nseconds = 0')
    assert found.limits == {
        "inflated_bytes": 10_737_418_240,
        "name_bytes": 65_536,
        "members": 1000,
        "ratio": 7,
        "seconds": 0,
    }
    assert Limits(**found.limits).members == 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", 1000),
        ("0", 0),
        ("64K", 65_536),
        ("10m", 10_485_760),
        ("2G", 2_147_483_648),
        ("", None),
        ("K", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1_000", None),
        (" 1", None),
        ("1KB", None),
        ("1T", None),
        ("1\N{KELVIN SIGN}", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("9" * 5000, None),
    ],
)
def test_an_amount(text: str, expected: int | None) -> None:
    assert amount(text) == expected


def test_the_example_in_the_documentation_is_a_policy(read: Read) -> None:
    example = textwrap.dedent((policy.__doc__ or "").split("::\n")[1].split("\n\nA finding")[0])
    found = read(example)
    required = Requirements(8.0, 2, ("wp-config.php",), ("{prefix}users",), ("local", "s3://"), {"wordpress": "6.4"})
    assert found.requirements == required
    assert (found.fail_on, found.requirements.versions, found.limits) == (
        WARNING,
        {"wordpress": "6.4"},
        {"inflated_bytes": 10 * 2**30},
    )
    assert [found.severity(FINDINGS[id_]) for id_ in ("table-missing", "file-missing", "record-holds-secrets")] == [
        ERROR,
        None,
        None,
    ]


def test_a_policy_goes_to_other_processes(read: Read) -> None:
    found = read('ignore = ["record-bom"]\nseverity.contents = "note"\nbounds.members = 7\nrequire.files = ["x"]')
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


def test_every_group_stands_for_something() -> None:
    assert [group for group in Group if not any(DEFAULT.with_options(ignore=[group]).ignore)] == []


# the command line


def test_selecting_on_the_command_line_wins_over_the_file(read: Read) -> None:
    found = read('select = ["whole"]\nignore = ["table-missing", "file-missing"]').with_options(
        select=["table-missing", "safe"]
    )
    assert found.severity(FINDINGS["table-missing"]) is ERROR
    assert found.severity(FINDINGS["file-missing"]) is None
    assert found.severity(FINDINGS["member-device"]) is ERROR
    assert found.severity(FINDINGS["archive-no-end"]) is None


def test_ignoring_on_the_command_line_adds_to_the_file(read: Read) -> None:
    found = read('ignore = ["table-missing"]').with_options(ignore=["record-bom", "safe"])
    assert [found.severity(FINDINGS[id_]) for id_ in ("table-missing", "record-bom", "member-device")] == [None] * 3
    assert found.severity(FINDINGS["file-missing"]) is ERROR


def test_an_ignored_group_does_not_come_back_with_another_selection(read: Read) -> None:
    found = read('ignore = ["contents"]').with_options(select=["contents"], ignore=["table-missing"])
    assert (found.severity(FINDINGS["file-missing"]), found.severity(FINDINGS["table-missing"])) == (ERROR, None)


def test_failing_on_the_command_line_wins_over_the_file(read: Read) -> None:
    found = read('fail-on = "error"')
    assert found.with_options(fail_on=NOTE).fail_on is NOTE
    assert found.with_options().fail_on is ERROR


def test_without_options_a_policy_stays_as_it_is(read: Read) -> None:
    found = read(
        'select = ["whole"]\nignore = ["archive-padding"]\nversions.drupal = "10"\nrequire.minimum-backups = 3'
    )
    assert found.with_options() == found
    assert found.with_options(ignore=["safe"]).requirements.versions == {"drupal": "10"}
    assert found.with_options(select=["safe"]).requirements.minimum_backups == 3


def test_wrong_options_are_told_at_once() -> None:
    with pytest.raises(PolicyError) as raised:
        DEFAULT.with_options(select=["hole", "whole"], ignore=["tabel-missing", "xyzzy"])
    assert raised.value.path == ""
    assert str(raised.value).splitlines() == [
        "--select: 'hole' is no finding and no group; did you mean 'whole'?",
        "--ignore: 'tabel-missing' is no finding and no group; did you mean 'table-missing'?",
        "--ignore: 'xyzzy' is no finding and no group; 'backupmeta checks' lists them",
    ]


# mistakes

KEYS = "there are select, ignore, fail-on, severity, require, versions, bounds"
REQUIREMENTS = "there are maximum-age-days, minimum-backups, files, tables, locations"
DAYS = "give one above 0, up to 36,525, such as 8 or 0.5"
BACKUPS = "give a whole one, from 1 to 1,000,000"
VERSION = 'write one in quotes, such as "6.4.2"'
AMOUNT = "give one such as 1000, 64K, 10M or 2G"
CHECKS = "'backupmeta checks' lists them"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # keys
        ('slect = ["whole"]', "slect: is no key of a policy; did you mean 'select'?"),
        ('fail_on = "note"', "fail_on: is no key of a policy; did you mean 'fail-on'?"),
        ("xyzzy = 1", f"xyzzy: is no key of a policy; {KEYS}"),
        ("[requires]", "requires: is no key of a policy; did you mean 'require'?"),
        ("[tool.backupmeta]", f"tool: is no key of a policy; {KEYS}"),
        (
            "require.maximum_age_days = 8",
            "require.maximum_age_days: is no key of a policy; did you mean 'maximum-age-days'?",
        ),
        ("require.xyzzy = 8", f"require.xyzzy: is no key of a policy; {REQUIREMENTS}"),
        # lists and tables
        ('select = "whole"', "select: 'whole' is no list; put it in brackets"),
        ("select = {}", "select: a table is no list; put it in brackets"),
        ("require = 5", "require: 5 is no table"),
        ("[[require]]", "require: a list is no table"),
        ("severity = true", "severity: true is no table"),
        ("bounds = 1979-05-27", "bounds: 1979-05-27 is no table"),
        ('require.files = "wp-config.php"', "require.files: 'wp-config.php' is no list; put it in brackets"),
        # ids and groups
        ('select = ["Whole"]', "select: 'Whole' is no finding and no group; did you mean 'whole'?"),
        (
            'ignore = ["tabel-missing"]',
            "ignore: 'tabel-missing' is no finding and no group; did you mean 'table-missing'?",
        ),
        ('ignore = [""]', f"ignore: '' is no finding and no group; {CHECKS}"),
        ("ignore = [5]", f"ignore: 5 is no finding and no group; {CHECKS}"),
        ('ignore = [["whole"]]', f"ignore: a list is no finding and no group; {CHECKS}"),
        (
            'severity.plugin-mising = "note"',
            "severity.plugin-mising: is no finding and no group; did you mean 'plugin-missing'?",
        ),
        (
            'severity.aplication = "note"',
            "severity.aplication: is no finding and no group; did you mean 'application'?",
        ),
        ('severity.xyzzy = "note"', f"severity.xyzzy: is no finding and no group; {CHECKS}"),
        # severities
        ('fail-on = "warn"', "fail-on: 'warn' is no severity; did you mean 'warning'?"),
        ('fail-on = "info"', "fail-on: 'info' is no severity; there are error, warning, note"),
        ("fail-on = false", "fail-on: false is no severity; there are error, warning, note"),
        ('severity.whole = "errors"', "severity.whole: 'errors' is no severity; did you mean 'error'?"),
        # requirements
        ("require.maximum-age-days = 0", f"require.maximum-age-days: 0 is no number of days; {DAYS}"),
        ("require.maximum-age-days = -1.5", f"require.maximum-age-days: -1.5 is no number of days; {DAYS}"),
        ("require.maximum-age-days = nan", f"require.maximum-age-days: nan is no number of days; {DAYS}"),
        ("require.maximum-age-days = inf", f"require.maximum-age-days: inf is no number of days; {DAYS}"),
        ("require.maximum-age-days = 36526", f"require.maximum-age-days: 36526 is no number of days; {DAYS}"),
        ("require.maximum-age-days = true", f"require.maximum-age-days: true is no number of days; {DAYS}"),
        ('require.maximum-age-days = "8"', f"require.maximum-age-days: '8' is no number of days; {DAYS}"),
        (
            f"require.maximum-age-days = 0x{'f' * 9000}",
            f"require.maximum-age-days: a huge number is no number of days; {DAYS}",
        ),
        ("require.minimum-backups = 0", f"require.minimum-backups: 0 is no number of backups; {BACKUPS}"),
        ("require.minimum-backups = 1.5", f"require.minimum-backups: 1.5 is no number of backups; {BACKUPS}"),
        ("require.minimum-backups = true", f"require.minimum-backups: true is no number of backups; {BACKUPS}"),
        ("require.minimum-backups = 1000001", f"require.minimum-backups: 1000001 is no number of backups; {BACKUPS}"),
        ('require.files = [""]', "require.files: '' is no name; write one in quotes"),
        ("require.files = [5]", "require.files: 5 is no name; write one in quotes"),
        ("require.tables = [{}]", "require.tables: a table is no name; write one in quotes"),
        (
            'require.tables = ["{prefx}users"]',
            "require.tables: '{prefx}users' holds a brace; only {prefix} does, for the record's db-prefix",
        ),
        ("require.locations = [1.5]", "require.locations: 1.5 is no name; write one in quotes"),
        (
            'require.locations = ["s3://me:CANARY@b"]',
            "require.locations: 's3://********@b' holds a user or a secret; leave it out",
        ),
        # versions
        ("versions.wordpress = 6.4", f"versions.wordpress: 6.4 is no version; {VERSION}"),
        ('versions.wordpress = "6.4.x"', f"versions.wordpress: '6.4.x' is no version; {VERSION}"),
        ('versions.wordpress = ">=6.4"', f"versions.wordpress: '>=6.4' is no version; {VERSION}"),
        ('versions.wordpress = "latest"', f"versions.wordpress: 'latest' is no version; {VERSION}"),
        ('versions.wordpress = "6.4\\n"', f"versions.wordpress: '6.4\\n' is no version; {VERSION}"),
        ('versions.wordpress = ""', f"versions.wordpress: '' is no version; {VERSION}"),
        ('versions."" = "6.4"', "versions.: is no name; write one in quotes"),
        # bounds
        ("bounds.member = 5", "bounds.member: is no bound; did you mean 'members'?"),
        ("bounds.inflated-bytes = 5", "bounds.inflated-bytes: is no bound; did you mean 'inflated_bytes'?"),
        ("bounds.members = -5", f"bounds.members: -5 is no number; {AMOUNT}"),
        ("bounds.members = 1.5", f"bounds.members: 1.5 is no number; {AMOUNT}"),
        ("bounds.members = true", f"bounds.members: true is no number; {AMOUNT}"),
        ("bounds.members = [1]", f"bounds.members: a list is no number; {AMOUNT}"),
        ('bounds.members = "many"', f"bounds.members: 'many' is no number; {AMOUNT}"),
        (f"bounds.members = 0x{'f' * 9000}", f"bounds.members: a huge number is no number; {AMOUNT}"),
    ],
)
def test_a_mistake(read: Read, text: str, line: str) -> None:
    assert [str(PolicyError("", (one,))) for one in mistakes(read, text)] == [line]


def test_a_bound_that_is_none_and_like_none_is_answered_with_all(read: Read) -> None:
    ((place, reason, advice),) = mistakes(read, "bounds.xyzzy = 5")
    assert (place, reason) == ("bounds.xyzzy", "is no bound")
    assert advice.startswith("there are record_bytes, record_lines, record_items, name_bytes, ")


def test_all_mistakes_are_told_at_once_with_their_file(tmp_path: Path) -> None:
    path = tmp_path / "backups.toml"
    path.write_text(
        'select = ["hole", "safe", "tabel-missing"]\nfail-on = "warn"\nignored = []\n'
        '[require]\nmaximum-age = 8\nfiles = ["a", 5]\n[bounds]\nmembers = "many"\n'
    )
    with pytest.raises(PolicyError) as raised:
        load(str(path))
    assert raised.value.path == str(path)
    assert str(raised.value).splitlines() == [
        f"{path}: select: 'hole' is no finding and no group; did you mean 'whole'?",
        f"{path}: select: 'tabel-missing' is no finding and no group; did you mean 'table-missing'?",
        f"{path}: fail-on: 'warn' is no severity; did you mean 'warning'?",
        f"{path}: require.files: 5 is no name; write one in quotes",
        f"{path}: require.maximum-age: is no key of a policy; did you mean 'maximum-age-days'?",
        f"{path}: bounds.members: 'many' is no number; give one such as 1000, 64K, 10M or 2G",
        f"{path}: ignored: is no key of a policy; did you mean 'ignore'?",
    ]


def test_a_hundred_mistakes_are_enough(read: Read) -> None:
    def count(names: int) -> int:
        return len(mistakes(read, "select = [" + '"member-namex", ' * names + "]"))

    assert count(1_000) == 100
    assert ends(count, 60_000)


def test_a_mistake_is_fit_for_a_terminal() -> None:
    error = PolicyError("a\x1b.toml", (Mistake("b\n\u202e", "is \x07 wrong"), Mistake("", "is bad", "mend it")))
    assert str(error) == "a\\x1b.toml: b\\n\\u202e: is \\x07 wrong\na\\x1b.toml: is bad; mend it"


# files


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"select", "Expected '=' after a key in a key/value pair (at end of document)"),
        (b"[require]\nfiles = [1,\n 2,\n !]", "Invalid value (at line 4, column 2)"),
        (b"a = 1\na = 2", "Cannot overwrite a value (at "),
        (b"a = 1979-02-30", "Invalid date or datetime (at "),
        (b"a = '\xff'", "'utf-8' codec can't decode byte 0xff in position 5: invalid start byte"),
        (b"a = " + b"9" * 5000, "Exceeds the limit (4300 digits)"),
        (b"a = " + b"[" * 100_000, ""),
        (b"a." * 1001 + b"b = 1", "a line has more than 1,000 dots"),
    ],
)
def test_bad_toml(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(PolicyError) as raised:
        load(str(path))
    assert str(raised.value).startswith(f"{path}: can't be read as TOML: {reason}")
    assert [one.place for one in raised.value.mistakes] == [""]


def test_what_is_no_file_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        load(str(tmp_path / "nowhere.toml"))
    with pytest.raises(NotRegularError, match="is a folder"):
        load(str(tmp_path))
    (tmp_path / "large.toml").write_bytes(b"#" * (MIB + 1))
    with pytest.raises(LimitExceededError, match="policy_bytes: 1,048,577 of at most 1,048,576"):
        load(str(tmp_path / "large.toml"))
    (tmp_path / "full.toml").write_bytes(b"#" * MIB)
    assert load(str(tmp_path / "full.toml")) == DEFAULT


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "policy.toml")
    with pytest.raises(NotRegularError, match="is a FIFO"):
        load(str(tmp_path / "policy.toml"))
    os.mkfifo(tmp_path / "pyproject.toml")
    assert nearest(str(tmp_path)) != str(tmp_path / "pyproject.toml")


def test_a_pyproject_has_a_table_for_it(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.ruff]\nselect = 5\n[tool.backupmeta]\nfail-on = "note"\n')
    assert load(str(path)) == Policy(fail_on=NOTE)
    path.write_text('[tool.backupmeta]\nfial-on = "note"\n[tool.backupmeta.require]\nfile = []\n')
    with pytest.raises(PolicyError) as raised:
        load(str(path))
    assert [one.place for one in raised.value.mistakes] == ["tool.backupmeta.require.file", "tool.backupmeta.fial-on"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('select = ["whole"]', ["tool.backupmeta: is not there; add the table, or name another file"]),
        ("[tool.ruff]", ["tool.backupmeta: is not there; add the table, or name another file"]),
        ("[tool]\nbackupmeta = 3", ["tool.backupmeta: 3 is no table"]),
        ("tool = 3", ["tool.backupmeta: is not there; add the table, or name another file", "tool: 3 is no table"]),
    ],
)
def test_a_pyproject_without_its_table_is_no_policy(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as raised:
        load(str(path))
    assert str(raised.value).splitlines() == [f"{path}: {line}" for line in expected]


def test_the_nearest_pyproject_with_a_policy_counts(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "a" / "inner"
    inner.mkdir(parents=True)
    policy_above, other, own = outer / "pyproject.toml", outer / "a" / "pyproject.toml", inner / "pyproject.toml"
    policy_above.write_text("[tool.backupmeta]")
    other.write_text("[tool.ruff]")
    assert nearest(str(inner)) == nearest(str(outer)) == str(policy_above.resolve())
    assert nearest(str(inner / ".." / "..")) == str(policy_above.resolve())
    own.write_text("[tool.backupmeta]\nslect = []")
    assert nearest(str(inner)) == str(own.resolve())
    assert nearest(str(inner.parent)) == str(policy_above.resolve())
    own.unlink()
    own.mkdir()
    assert nearest(str(inner)) == str(policy_above.resolve())


def test_a_pyproject_that_can_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.backupmeta]")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "pyproject.toml").write_text("<<<<<<< HEAD\n")
    with pytest.raises(PolicyError, match=r"inner.pyproject\.toml: can't be read as TOML"):
        nearest(str(tmp_path / "inner"))


def test_without_a_pyproject_there_is_none_near() -> None:
    assert nearest("/") is None


@pytest.mark.skipif(sys.platform == "win32", reason="the working folder can't be deleted there")
def test_a_folder_that_is_gone_has_none_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert nearest(".") is None


def test_importing_it_is_cheap() -> None:
    program = (
        "import sys, backupmeta.checks.policy; print({'pydantic', 'tomllib', 'difflib', 'click'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


# anything at all

scalars = (
    st.booleans()
    | st.integers()
    | st.booleans().map(lambda negative: -HUGE if negative else HUGE)
    | st.floats()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.text(max_size=12)
    | st.sampled_from(
        ["whole", "table-missing", "archive-truncated", "note", "10G", "6.4", "{prefix}users", "s3://a:b@c"]
    )
)
keys = st.text(max_size=8) | st.sampled_from(
    "select ignore fail-on severity require versions bounds maximum-age-days minimum-backups files tables locations "
    "whole table-missing members inflated_bytes wordpress tool backupmeta".split()
)
values = st.recursive(scalars, lambda some: st.lists(some, max_size=4) | st.dictionaries(keys, some, max_size=5))
documents = st.dictionaries(keys, values, max_size=7)


def policy_or_mistakes(reading: Callable[[], Policy]) -> None:
    """Hold a reading to what must hold: a policy that judges anything, or mistakes of a line each."""
    try:
        found = reading()
    except PolicyError as error:
        lines = len(str(error).splitlines())
        if lines == 0 or lines != len(error.mistakes):
            raise
    else:
        assert {found.severity(FINDINGS[id_]) for id_ in FINDINGS} <= {ERROR, WARNING, NOTE, None}
        assert Limits(**found.limits).members >= 0


@given(document=documents, name=st.sampled_from(["p.toml", "pyproject.toml"]))
def test_any_values_make_a_policy_or_a_policy_error(document: dict[str, object], name: str) -> None:
    def reading() -> Policy:
        gathering = PolicyReading(name)
        found = policy._policy(policy._root(gathering, name, document))
        gathering.end()
        return found

    policy_or_mistakes(reading)


def toml(value: object) -> str:
    """Return a value as TOML; a huge number in hexadecimal, as far as TOML can write it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, int) and abs(value) > MIB:
        return hex(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


tomlish = st.lists(
    st.builds("{}{}{}".format, keys, st.sampled_from([" = ", ".", "=", "\n"]), values.map(toml))
    | st.sampled_from(
        ["[require]", "[severity]", "[bounds]", "[versions]", "[[select]]", "[tool.backupmeta]", "#", '"""']
    )
).map("\n".join)


@given(
    content=tomlish.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary() | st.text().map(str.encode)
)
def test_any_text_is_a_policy_or_a_policy_error(content: bytes, scratch: Path) -> None:
    scratch.write_bytes(content)
    policy_or_mistakes(lambda: load(str(scratch)))


@given(
    ids=st.lists(st.sampled_from([*FINDINGS, *Group]), max_size=5), more=st.lists(st.sampled_from([*FINDINGS, *Group]))
)
def test_options_do_the_same_as_the_keys(ids: list[str], more: list[str], scratch: Path) -> None:
    scratch.write_text(f"ignore = {json.dumps(ids)}\n" + (f"select = {json.dumps(more)}\n" if more else ""))
    found = load(str(scratch))
    again = DEFAULT.with_options(select=more, ignore=ids)
    assert [found.severity(FINDINGS[id_]) for id_ in FINDINGS] == [again.severity(FINDINGS[id_]) for id_ in FINDINGS]


@pytest.mark.parametrize("name", ["wordpres", "WordPress", "jomla"])
def test_an_application_that_is_nearly_a_known_one_is_a_mistake(name: str, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f'[versions]\n{name} = "1.0"\ngroup-office = "6.0"\n')
    with pytest.raises(PolicyError) as caught:
        policy.load(str(tmp_path / "policy.toml"))
    [mistake] = caught.value.mistakes
    assert (mistake.place, mistake.reason) == (f"versions.{name}", "is no application")
    assert mistake.advice in {"did you mean 'wordpress'?", "did you mean 'joomla'?"}
