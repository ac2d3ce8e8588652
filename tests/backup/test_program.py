"""A plan for records with the same keys: the same answer as asking for one field after the other."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from datetime import tzinfo
from typing import Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupmeta.account.home import PairState
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.backup import resolve
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.resolve import Witnesses
from backupmeta.provenance import Source, Witness
from backupmeta.record.document import Document, document
from backupmeta.record.fields import API_KEYS, OTHER_KEYS, Scope
from backupmeta.record.fields import FIELDS as TABLE
from tests.invented import BACKUP, INSTALL, NAME, backup_record, install_record

HOME: Final = "/home/exampleu"
ARCHIVE: Final = f"{HOME}/application_backups/{NAME}"
PATHS: Final[Mapping[Witness, str]] = {
    Witness.BACKUP_RECORD: f"{HOME}/.appdata/backups/{BACKUP}",
    Witness.EMBEDDED_RECORD: ARCHIVE,
    Witness.INSTALL_RECORD: f"{HOME}/.appdata/current/{INSTALL}",
}
LIVE_KEYS: Final = sorted(one.key for one in TABLE if one.scope is Scope.LIVE and one.key)

keys = st.one_of(
    st.sampled_from(sorted(API_KEYS)),
    st.sampled_from(LIVE_KEYS),
    st.sampled_from(["installer", "autobk", "autobk-daily", "autobk-weekly", "backup-install", "backup-time", "path"]),
    st.sampled_from(sorted(OTHER_KEYS)),
    st.sampled_from(
        ["cf-sitename", "cf-passwd", "cf-é", "cf-id", "cf-title", "cf-", "Title", "x-new", "list-x-available"]
    ),
)
raw = st.one_of(
    st.sampled_from(
        [b"", b"0", b"1", b"2", b"custom", b"wordpress", b"-1", b"1718312121", b"a,b", b"a=b", b"\xff", b"\0"]
    ),
    st.sampled_from([b"+akismet/5.3.6,|hello/1.7", b"-akismet/akismet.php", b"/", b"/home/exampleu/x", b"exampleu"]),
    st.sampled_from([NAME.encode(), INSTALL.encode(), b"https://www.example.com/", b"Blog", b"caf\xc3\xa9"]),
    st.binary(max_size=5).map(lambda value: value.replace(b"\n", b"")),
)
rows = st.lists(st.tuples(keys, raw), max_size=25)
usual = st.sampled_from([b"", b"installer=wordpress\n", backup_record() + b"\n", install_record() + b"\n"])
lines = st.sampled_from([b"", b"no equals\n", b"\n", b"title=a\r\n"])
records = st.builds(
    lambda usual, rows, odd: usual + b"\n".join(key.encode() + b"=" + value for key, value in rows) + b"\n" + odd,
    usual,
    rows,
    st.one_of(st.just(b""), lines),
).map(lambda content: content.removesuffix(b"\n"))


def said(witness: Witness, content: bytes | None) -> Document | None:
    return None if content is None else document(Source(witness, PATHS[witness]), content, DEFAULT_LIMITS)


def witnesses(  # noqa: PLR0917 - drawn by place
    backup: bytes | None,
    embedded: bytes | None,
    install: bytes | None,
    archive: str | None,
    home: str | None,
    numbackups: int | None,
    zone: tzinfo | None,
) -> Witnesses:
    spoken, own = said(Witness.BACKUP_RECORD, backup), said(Witness.EMBEDDED_RECORD, embedded)
    if spoken is not None and own is not None and backup == embedded:
        own = Document(own.source, spoken.record)
    live, id_ = said(Witness.INSTALL_RECORD, install), BACKUP if backup is not None else None
    return Witnesses(id_, spoken, own, live, archive, home, home, numbackups, zone)


def parts(found: Inspection) -> list[object]:
    """Return all that is known, the fields and what was kept in their order."""
    every = [getattr(found, one.name) for one in fields(found)]
    return [*every, list(found.fields.items()), list(found.kept), [(key, found.source(key)) for key in found.fields]]


def assert_the_same(asked: Witnesses) -> None:
    by_plan = parts(resolve.backup(asked, PairState.PAIRED))
    with patch.object(resolve, "plan", return_value=None):
        one_by_one = parts(resolve.backup(asked, PairState.PAIRED))
    assert by_plan == one_by_one


same = st.tuples(records, st.booleans()).map(lambda drawn: (drawn[0], drawn[0] if drawn[1] else None))


@given(
    spoken=st.one_of(same, st.tuples(st.none(), records)),
    install=st.one_of(st.none(), records),
    archive=st.sampled_from([ARCHIVE, f"{HOME}/x.tar.gz", None]),
    home=st.sampled_from([HOME, None]),
    numbackups=st.sampled_from([3, None]),
    zone=st.sampled_from([None, ZoneInfo("Europe/Berlin")]),
)
@settings(max_examples=400)
def test_any_record_is_resolved_the_same_by_plan(  # noqa: PLR0917 - drawn by name
    spoken: tuple[bytes | None, bytes | None],
    install: bytes | None,
    archive: str | None,
    home: str | None,
    numbackups: int | None,
    zone: tzinfo | None,
) -> None:
    assert_the_same(witnesses(*spoken, install, archive, home, numbackups, zone))


@given(content=records)
def test_any_install_is_resolved_the_same_by_plan(content: bytes) -> None:
    record = document(Source(Witness.INSTALL_RECORD, PATHS[Witness.INSTALL_RECORD]), content, DEFAULT_LIMITS)
    by_plan = parts(resolve.install(INSTALL, record, HOME, HOME, 3))
    with patch.object(resolve, "plan", return_value=None):
        assert parts(resolve.install(INSTALL, record, HOME, HOME, 3)) == by_plan


@pytest.mark.parametrize("install", [None, install_record(), install_record(cache_files="1", list_failures="x")])
def test_a_usual_record_is_resolved_by_plan(install: bytes | None) -> None:
    content = backup_record(cache_files="2", list_failures="x", parent="")
    asked = witnesses(content, content, install, ARCHIVE, HOME, 3, None)
    with patch.object(resolve._Resolver, "_field", side_effect=AssertionError):
        found = resolve.backup(asked, PairState.PAIRED)
    assert found.get("version") == "6.5.4"
    assert set(found.conflicts) == ({"cache_files"} if install is not None and b"cache-files" in install else set())
    assert_the_same(asked)


@pytest.mark.parametrize(
    "content", [backup_record(title="x" * 20_000), backup_record(**{f"x{n}": "" for n in range(300)})]
)
def test_a_record_that_is_unusually_large_is_resolved_field_by_field(content: bytes) -> None:
    asked = witnesses(content, content, None, ARCHIVE, HOME, 3, None)
    assert_the_same(asked)
    with patch.object(resolve._Resolver, "_field") as field:
        resolve.backup(asked, PairState.PAIRED)
    assert field.call_count >= len(TABLE)


def test_the_record_of_the_live_install_may_be_the_only_one() -> None:
    live = said(Witness.INSTALL_RECORD, install_record())
    assert_the_same(Witnesses(None, live, None, live, None, HOME, HOME, 3, None))
    bare = said(Witness.INSTALL_RECORD, b"backup-install=x")
    assert_the_same(Witnesses(None, bare, None, bare, None, HOME, HOME, 3, None))


def test_what_one_answer_holds_may_be_changed_and_no_other_shows_it() -> None:
    content = backup_record(list_plugins="+akismet/5.3.6", list_themes="+one/1", list_files="a,b")
    asked = witnesses(content, content, None, ARCHIVE, HOME, 3, None)
    first, expected = resolve.backup(asked, PairState.PAIRED), deepcopy(parts(resolve.backup(asked, PairState.PAIRED)))
    assert first.get("plugins") == [{"id": "akismet", "version": "5.3.6", "activated": True, "autoup": "all"}]
    for name in ("plugins", "files", "notification", "themes"):
        value = first.fields[name]
        assert isinstance(value, list)
        for item in value:
            if isinstance(item, dict):
                item["id"] = "changed"
        value.clear()
    first.origins.clear()
    first.kept.clear()
    assert str(parts(resolve.backup(asked, PairState.PAIRED))) == str(expected)
