"""Fields, lists, plugins and themes: what differs, by whom, and nothing that nobody tells."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.comparison.changes import Changes, FieldChange, Step, What, compared
from backupmeta.comparison.diff import diff
from backupmeta.provenance import Witness
from backupmeta.targets import find_backup
from tests.invented import INSTALL, Account, backup_record, install_record

A: Final = "a" * 25
B: Final = "b" * 25


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "home/exampleu")


def changes(account: Account, before: bytes, after: bytes) -> Changes:
    one, other = account.backup(A, before), account.backup(B, after)
    found = compared(find_backup(str(one)), find_backup(str(other)))
    return found._replace(fields=tuple(one for one in found.fields if one.name != "id"))


def only(account: Account, before: bytes, after: bytes) -> FieldChange:
    found = changes(account, before, after)
    assert (found.extensions, found.lists) == ((), ())
    (change,) = found.fields
    return change


def test_the_same_backup_differs_in_nothing(account: Account) -> None:
    path = str(account.backup())
    assert diff(path, path).is_same
    assert compared(find_backup(path), find_backup(path)) == Changes((), (), ())


def test_a_changed_field_has_both_values_and_both_sources(account: Account) -> None:
    change = only(account, backup_record(version="6.4.2"), backup_record(note="", version="6.4.3")[:-6])
    assert (change.what, change.name, change.before, change.after) == (What.CHANGED, "version", "6.4.2", "6.4.3")
    sources = [one for one in change.sources if one is not None]
    assert [(one.witness, one.path, one.line) for one in sources] == [
        (Witness.BACKUP_RECORD, str(account.backups / A), 3),
        (Witness.BACKUP_RECORD, str(account.backups / B), 3),
    ]


def test_added_removed_empty_and_undecodable_are_four_things(account: Account) -> None:
    plain = backup_record()
    told = {
        "added": only(account, plain, backup_record(agent="9.1")),
        "removed": only(account, backup_record(agent="9.1"), plain),
        "emptied": only(account, backup_record(agent="9.1"), backup_record(agent="")),
    }
    assert {key: (one.what, one.before, one.after) for key, one in told.items()} == {
        "added": (What.ADDED, None, "9.1"),
        "removed": (What.REMOVED, "9.1", None),
        "emptied": (What.CHANGED, "9.1", ""),
    }
    assert (told["added"].sources.before, told["removed"].sources.after) == (None, None)
    found = changes(account, plain, backup_record(time="soon")).fields
    assert [(one.what, one.name, one.before, one.after, one.is_extra) for one in found] == [
        (What.CHANGED, "time_created", 1718296434, None, False),
        (What.ADDED, "time", None, "soon", True),
    ]


def test_keys_beside_the_answer_are_compared(account: Account) -> None:
    change = only(account, backup_record(x_odd="one"), backup_record(x_odd="two"))
    assert (change.name, change.before, change.after, change.is_extra) == ("x-odd", "one", "two", True)
    raw = backup_record() + b"\nx-odd=\xff"
    assert only(account, backup_record(), raw).after == "\udcff"
    odd_key = only(account, backup_record(), backup_record() + b"\n\xff=1")
    assert odd_key.name == "\udcff"


SECRETS: Final[tuple[tuple[dict[str, str], dict[str, str]], ...]] = (
    ({"db_pass": "CANARY1"}, {"db_pass": "CANARY2"}),
    ({"db_pass": ""}, {"db_pass": "CANARY2"}),
    ({"cf_enckey": "CANARY1"}, {"cf_enckey": "CANARY2"}),
    ({"cf_passwd": "CANARY1"}, {}),
    ({}, {"x_api_token": "CANARY2"}),
    ({"url": "https://u:CANARY1@h/"}, {"url": "https://u:CANARY2@h/"}),
    ({"bkloc": "ftp://u:CANARY1@h/b"}, {"bkloc": "ftp://u:CANARY1x@h/b"}),
    ({"x_where": "ftp://CANARY1@h/b"}, {"x_where": "ftp://CANARY2@h/b"}),
)


@pytest.mark.parametrize(("before", "after"), SECRETS)
def test_of_secrets_only_the_change_is_told(account: Account, before: dict[str, str], after: dict[str, str]) -> None:
    change = only(account, backup_record(**before), backup_record(**after))
    assert (change.before, change.after, change.is_secret) == (None, None, True)
    assert "CANARY" not in repr(change)


def test_what_is_not_secret_in_a_uri_is_shown(account: Account) -> None:
    change = only(account, backup_record(url="https://u:CANARY@a/"), backup_record(url="https://u:CANARY@b/"))
    assert (change.before, change.after, change.is_secret) == ("https://********@a/", "https://********@b/", False)


def test_lists(account: Account) -> None:
    found = changes(account, backup_record(list_files="a,b,c"), backup_record(list_files="c,b,d,ftp://u:CANARY@h/,d"))
    (change,) = found.lists
    assert (change.name, change.added, change.removed) == ("files", ("d", "d", "ftp://********@h/"), ("a",))
    assert found.fields == ()
    assert changes(account, backup_record(list_files="a,b"), backup_record(list_files="b,a")) == Changes()


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_a_list_becomes_the_other_by_what_is_told(
    tmp_path_factory: pytest.TempPathFactory, a: list[str], b: list[str]
) -> None:
    account = Account(tmp_path_factory.mktemp("home") / "exampleu")
    found = changes(account, backup_record(list_tables=",".join(a)), backup_record(list_tables=",".join(b)))
    left = list(a)
    for one in found.lists:
        for entry in one.removed:
            left.remove(entry)
        left += one.added
    assert sorted(left) == sorted(b)


def steps(account: Account, before: str, after: str, key: str = "list_plugins") -> list[Step]:
    found = changes(account, backup_record(**{key: before}), backup_record(**{key: after}))
    assert (found.fields, found.lists) == ((), ())
    return [step for one in found.extensions for step in one.steps]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("+a/1.9", "+a/1.10", [Step(What.UPGRADED, "a", "1.9", "1.10")]),
        ("+a/6.5", "+a/6.5-RC1", [Step(What.DOWNGRADED, "a", "6.5", "6.5-RC1")]),
        ("+a/6.5", "+a/6.5.0", [Step(What.CHANGED, "a", "6.5", "6.5.0")]),
        ("+a/1,+b/2", "+b/2,+c/3", [Step(What.REMOVED, "a", before="1"), Step(What.INSTALLED, "c", after="3")]),
        ("+a/1", "-a/1", [Step(What.DEACTIVATED, "a")]),
        ("=a/1", "|a/1", [Step(What.ACTIVATED, "a")]),
        ("+a/1", "|a/1", [Step(What.AUTOUP_OFF, "a")]),
        ("=a/1", "-a/1", [Step(What.AUTOUP_ON, "a")]),
        ("=a/1", "+a/2", [Step(What.UPGRADED, "a", "1", "2"), Step(What.ACTIVATED, "a"), Step(What.AUTOUP_ON, "a")]),
        ("+a/1,+b/1", "+b/1,+a/1", []),
        # A dialect that tells neither versions nor updates, before one that does: only what both tell is compared.
        ("-a,b", "-a/1,|b/2", []),
        ("-a,b", "|a/1,|b/2", [Step(What.ACTIVATED, "a")]),
        ("-a/a.php,b.php", "-a,b", []),
    ],
)
def test_plugins_and_themes(account: Account, before: str, after: str, expected: list[Step]) -> None:
    assert steps(account, before, after) == expected
    assert steps(account, before, after, "list_themes") == expected


def test_plugins_that_only_one_side_tells_are_no_plugins_installed(account: Account) -> None:
    change = only(account, backup_record(), backup_record(list_plugins="+a/1"))
    assert (change.what, change.name) == (What.ADDED, "plugins")


def test_of_an_install_only_what_an_install_has(account: Account) -> None:
    record = backup_record(version="6.4", backup_note="n", autoup="2", backup_expiry="auto", db_pass="CANARY")
    path = account.backup(A, record)
    account.install(content=install_record(db_pass="CANARY2"))
    found = diff(str(path), "current").changes.fields
    assert [(one.what, one.name, one.before, one.after) for one in found if not one.name.startswith("cache_")] == [
        (What.CHANGED, "autoup", "all", "minor"),
        (What.CHANGED, "db_pass", None, None),
        (What.CHANGED, "version", "6.4", "6.5.4"),
    ]
    (autoup, *_) = found
    assert autoup.sources.after is not None
    assert autoup.sources.after.witness is Witness.DEFAULT
    turned = diff("current", str(path)).changes.fields
    assert ("version", "6.5.4", "6.4") in [(one.name, one.before, one.after) for one in turned]
    assert diff("current", str(path)).a.inspection.fields["id"] == INSTALL
