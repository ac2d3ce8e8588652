"""What differs, as text, Markdown and JSON: aligned, escaped, exact."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest

from backupmeta.comparison.changes import FieldChange, Sources, What
from backupmeta.comparison.diff import Difference, diff
from backupmeta.render.differences import _values, diff_json, diff_markdown, diff_text
from backupmeta.words import markdown_cell
from tests.comparison.test_archive_changes import AFTER, BEFORE, CHANGED_DUMP, DUMP, RECORD, packed
from tests.invented import Account, archive, backup_record

A: Final = "a" * 25
B: Final = "b" * 25


def found(folder: Path, before: bytes, after: bytes) -> Difference:
    account = Account(folder / "home")
    return diff(str(account.backup(A, before)), str(account.backup(B, after)))


def test_text(tmp_path: Path) -> None:
    one = backup_record(
        version="6.4.2", list_plugins="+akismet/5.3,-hello/1.7", list_files="a,b", db_pass="CANARY", time="1"
    )
    other = backup_record(
        version="6.4.3", list_plugins="|akismet/5.3.1", list_files="b,c", db_pass="CANARY2", x_odd="", time="86401"
    )
    home = tmp_path / "home/.appdata/backups"
    assert (
        "".join(diff_text(found(tmp_path, one, other)))
        == f"""\
A  {home}/{A}  2024-06-13 20:55:21 UTC
B  {home}/{B}  2024-06-13 20:55:21 UTC

fields
  changed  id            {A} → {B}  file name
  changed  db_pass       (secret)                                               backup record
  changed  time_created  1970-01-01 00:00:01 UTC → 1970-01-02 00:00:01 UTC      backup record
  changed  version       6.4.2 → 6.4.3                                          backup record
  added    x-odd         (empty)                                                backup record

plugins
  upgraded         akismet  5.3 → 5.3.1
  auto-update off  akismet
  removed          hello    1.7

files, as listed
  removed  a
  added    c
"""
    )


def test_nothing_differs(tmp_path: Path) -> None:
    path = str(Account(tmp_path / "home").backup())
    same = diff(path, path)
    assert "".join(diff_text(same)).endswith("UTC\nno differences\n")
    assert "".join(diff_markdown(same)).endswith("UTC\n\nNo differences.\n")
    described = json.loads("".join(diff_json(same)))
    assert (described["is_same"], described["fields"], described["lists"], described["extensions"]) == (
        True,
        [],
        [],
        [],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"`a\x7cb`"),
        ("<script>x</script>", "`<script>x</script>`"),
        ("[x](y) `c` *b* _i_ \\ & #", r"`[x](y) \x60c\x60 *b* _i_ \ & #`"),
        ("two\nlines\r\x1b[31m", r"`two\nlines\r\x1b[31m`"),
    ],
)
def test_nothing_in_a_cell_is_markup(text: str, expected: str) -> None:
    assert markdown_cell(text) == expected


def test_markdown(tmp_path: Path) -> None:
    told = "".join(diff_markdown(found(tmp_path, backup_record(title="a"), backup_record(title="a | b"))))
    assert told.startswith("# Differences\n\n- A: ")
    assert (
        "\n## Fields\n\n| what | field | values | who says so |\n| --- | --- | --- | --- |\n| changed | id | " in told
    )
    assert "\n| changed | title | a → a `\\x7c` b | backup record |\n" in told


def test_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    hostile = "\x1b]0;x\x07\u202e<script>"
    one = archive(backup_record(), [("a\x1b[2J\n.php", b"1"), ("caf\udce9", b"2")])
    other = archive(backup_record(title=hostile, list_plugins=f"+{hostile}/1", x_y=hostile))
    paths = []
    for name, content in (("a.tar.gz", one), ("b.tar.gz", other)):
        (tmp_path / name).write_bytes(content)
        paths.append(str(tmp_path / name))
    differing = diff(paths[0], paths[1], deep=True)
    for told in ("".join(diff_text(differing)), "".join(diff_markdown(differing))):
        assert not {"\x1b", "\x07", "\u202e"} & set(told)
        assert "a\\x1b" in told.replace("\\\\", "\\")
        told.encode()
    described = json.loads("".join(diff_json(differing)))
    names = {one["before"]["name"]: one["before"].get("name_base64") for one in described["members"] if one["before"]}
    assert names == {"APP-META.INI": None, "a\x1b[2J\n.php": None, "caf\ufffd": "Y2Fm6Q=="}


def deep(folder: Path) -> dict[str, Any]:
    a = packed(folder / "a.tar.gz", [*BEFORE, ("APP-DATA.SQL", DUMP)])
    b = packed(folder / "b.tar.gz", [*AFTER, ("APP-DATA.SQL", CHANGED_DUMP)])
    differing = diff(str(a), str(b), deep=True)
    described: dict[str, Any] = json.loads("".join(diff_json(differing)))
    described["text"] = "".join(diff_text(differing))
    return described


def test_members_and_tables_as_text(tmp_path: Path) -> None:
    told = deep(tmp_path)["text"]
    digests = " → ".join(hashlib.sha256(text).hexdigest()[:8] + "…" for text in (DUMP, CHANGED_DUMP))
    assert (
        told[told.index("\nmembers: ") :]
        == f"""
members: 2 added, 2 removed, 1 renamed, 7 changed
  changed  APP-DATA.SQL                 size {len(DUMP)} → {len(CHANGED_DUMP)}, sha256 {digests}
  added    come.php                     4 bytes, mtime 2024-06-13 20:55:21 UTC
  changed  content                      sha256 6b86b273… → d4735e3a…
  removed  empty                        0 bytes, mtime 2024-06-13 20:55:21 UTC
  removed  gone.php                     4 bytes, mtime 2024-06-13 20:55:21 UTC
  changed  kind                         kind directory → file
  changed  link                         link here → there
  changed  mode                         mode 0644 → 0600
  changed  mtime                        mtime 2024-06-13 20:55:21 UTC → 2024-06-13 20:55:22 UTC
  renamed  old/name.php → new/name.php
  changed  size                         size 1 → 2, sha256 6b86b273… → 6b51d431…
  added    void                         0 bytes, mtime 2024-06-13 20:55:21 UTC

tables of the dump
  added    come      1 row
  removed  gone      0 rows
  changed  wp_posts  rows 2 → 4, definition
  changed  wp_posts  - `id` int
  changed  wp_posts  + `id` bigint
  changed  wp_users  rows 1 → 0
"""
    )


def test_members_and_tables_as_json(tmp_path: Path) -> None:
    described = deep(tmp_path)
    assert described["member_counts"] == {"added": 2, "removed": 2, "renamed": 1, "changed": 7}
    members = {(one["before"] or one["after"])["name"]: one for one in described["members"]}
    assert members["mtime"]["by"] == ["mtime"]
    assert members["mtime"]["after"] == {
        "name": "mtime",
        "type": "file",
        "size": 1,
        "mode": "0644",
        "mtime": "2024-06-13T20:55:22+00:00",
        "sha256": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    }
    assert (members["link"]["before"]["link"], members["link"]["after"]["link"]) == ("here", "there")
    tables = {one["name"]: one for one in described["tables"]}
    assert tables["wp_posts"]["rows"] == {"before": 2, "after": 4}
    assert tables["wp_posts"]["definition"] == {"removed": ["`id` int"], "added": ["`id` bigint"]}
    assert (tables["come"]["what"], tables["come"]["rows"]) == ("added", {"before": None, "after": 1})


def test_json_of_fields(tmp_path: Path) -> None:
    record = backup_record(list_plugins="+a/1") + b"\nx-odd=\xff"
    other = backup_record(list_plugins="+a/2", agent="9", db_pass="CANARY")
    described = json.loads("".join(diff_json(found(tmp_path, record, other))))
    fields = {one["name"]: one for one in described["fields"]}
    backups = tmp_path / "home/.appdata/backups"
    assert fields["x-odd"] == {
        "what": "removed",
        "name": "x-odd",
        "is_extra": True,
        "before": "\ufffd",
        "before_base64": "/w==",
        "sources": {
            "before": {"witness": "backup record", "path": f"{backups}/{A}", "line": 16, "offset": len(record) - 7},
            "after": None,
        },
    }
    assert (fields["agent"]["after"], "before" in fields["agent"]) == ("9", False)
    assert {key: value for key, value in fields["db_pass"].items() if key != "sources"} == {
        "what": "changed",
        "name": "db_pass",
        "is_extra": False,
        "is_secret": True,
    }
    (extensions,) = described["extensions"]
    assert extensions["steps"] == [{"what": "upgraded", "id": "a", "before": "1", "after": "2"}]
    assert described["a"] == {"path": f"{backups}/{A}", "kind": "backup", "time": "2024-06-13T20:55:21+00:00"}


def test_what_was_not_read_is_said_first(tmp_path: Path) -> None:
    a, b = (packed(tmp_path / name, [RECORD, ("x", bytes(9))]) for name in ("a.tar.gz", "b.tar.gz"))
    b.write_bytes(b.read_bytes()[:-9])
    differing = diff(str(a), str(b), deep=True)
    told = "".join(diff_text(differing))
    assert "\nnot read, and so not compared\n  error  the archive is cut off (" in told
    assert "\n## Not read, and so not compared\n" in "".join(diff_markdown(differing))


def test_long_values_are_cut_for_people_alone() -> None:
    change = FieldChange(What.ADDED, "title", None, "x" * 10_000, Sources(None, None))
    assert len(_values(change)) == 200
    null = FieldChange(What.CHANGED, "version", None, "1", Sources(None, None))
    assert _values(null) == "(can't be decoded) → 1"
