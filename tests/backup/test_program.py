"""The program of records' keys gives what a plain resolver gives, which is written from the pages of the format."""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.account.home import State
from backupmeta.archive.limits import DEFAULT_LIMITS
from backupmeta.backup import resolve
from backupmeta.backup.inspection import Inspection
from backupmeta.backup.program import Program, program
from backupmeta.backup.witnesses import Witnesses
from backupmeta.provenance import Source, Witness
from backupmeta.record.fields import FIELDS
from backupmeta.record.grammar import Document, document
from backupmeta.secrets import closed, is_closed, opened
from tests.backup import reference
from tests.backup.reference import Answer, Lines
from tests.examples import examples
from tests.invented import BACKUP, INSTALL, NAME, backup_record, install_record

HOME: Final = "/home/exampleu"
ARCHIVE: Final = f"{HOME}/application_backups/{NAME}"
PATHS: Final[Mapping[Witness, str]] = {
    Witness.BACKUP_RECORD: f"{HOME}/.appdata/backups/{BACKUP}",
    Witness.EMBEDDED_RECORD: ARCHIVE,
    Witness.INSTALL_RECORD: f"{HOME}/.appdata/current/{INSTALL}",
}
RESOLVING: Final = frozenset(
    "sources-disagree record-rewritten live-value-used record-unknown-key field-collision value-undecodable "
    "value-not-utf8 id-from-install".split()
)
"""The findings of resolving; others are about a record's text and an archive's name."""

LIVE_KEYS: Final = sorted(reference.FIELDS[name][0] for name in reference.LIVE)
ODD_KEYS: Final = (
    "cf-sitename cf-passwd cf-id cf-title cf- Title x-new x-token list-x-available list-token-available".split()
)
KEYS: Final = st.one_of(
    st.sampled_from(sorted(reference.KEYS)),
    st.sampled_from(LIVE_KEYS),
    st.sampled_from(["installer", "autobk", "autobk-daily", "autobk-weekly", "backup-install"]),
    st.sampled_from(sorted(reference.OTHER_KEYS)),
    st.sampled_from(ODD_KEYS),
)
VALUES: Final = st.one_of(
    st.sampled_from([b"", b"0", b"1", b"2", b"custom", b"wordpress", b"-1", b"1718312121", b"a,b", b"a=b", b"\xff"]),
    st.sampled_from([b"\0", b"yes", b"/home/exampleu/x", b"Blog", b"caf\xc3\xa9", b"9" * 30, INSTALL.encode()]),
    st.binary(max_size=5).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b"")),
)
RECORDS: Final = st.dictionaries(KEYS, VALUES, max_size=25)
HARMLESS: Final = st.dictionaries(KEYS, st.sampled_from([b"1", b"0"]), max_size=25)
"""Records all of whose values can be decoded."""


def differing(record: Lines) -> st.SearchStrategy[Lines]:
    """Draw records with the keys of ``record``, and here and there another value."""
    return st.fixed_dictionaries({key: st.one_of(st.just(value), VALUES) for key, value in record.items()})


def pairs(records: st.SearchStrategy[dict[str, bytes]]) -> st.SearchStrategy[tuple[Lines | None, Lines | None]]:
    """Draw a backup's records, its own and the embedded one: the same, alike, any, or one alone."""
    return st.one_of(
        records.map(lambda record: (record, record)),
        records.flatmap(lambda record: st.tuples(st.just(record), differing(record))),
        st.tuples(records, records),
        st.tuples(records, st.none()),
        st.tuples(st.none(), records),
    )


def content(record: Lines) -> bytes:
    return b"\n".join(key.encode() + b"=" + value for key, value in record.items())


def said(witness: Witness, record: bytes | None) -> Document | None:
    return None if record is None else document(Source(witness, PATHS[witness]), record, DEFAULT_LIMITS)


def witnesses(
    backup: bytes | None, embedded: bytes | None, install: bytes | None, numbackups: int | None = 3
) -> Witnesses:
    spoken, own = said(Witness.BACKUP_RECORD, backup), said(Witness.EMBEDDED_RECORD, embedded)
    if spoken is not None and own is not None and backup == embedded:
        own = Document(own.source, spoken.record)
    live, id_ = said(Witness.INSTALL_RECORD, install), BACKUP if backup is not None else None
    return Witnesses(id_, spoken, own, live, ARCHIVE, HOME, HOME, numbackups, None)


def answer_of(inspection: Inspection, numbers: Mapping[Witness, int]) -> Answer:
    """Return what came out, as the reference says it; ``numbers`` are those of the records."""
    return Answer(
        {name: (opened(value.value), numbers.get(value.source.witness)) for name, value in inspection.values.items()},
        {
            name: [(opened(fact.raw), numbers[fact.source.witness]) for fact in facts]
            for name, facts in inspection.conflicts.items()
        },
        {key: opened(fact.raw) for key, fact in inspection.extra.items()},
        [(finding.id, finding.subject) for finding in inspection.findings if finding.id in RESOLVING],
    )


def assert_alike(answer: Answer, expected: Answer) -> None:
    assert answer.fields == expected.fields
    assert answer.conflicts == expected.conflicts
    assert answer.extra == expected.extra
    assert Counter(answer.findings) == Counter(expected.findings)


@given(st.one_of(pairs(RECORDS), pairs(HARMLESS)), st.one_of(st.none(), RECORDS), st.sampled_from([3, None]))
@examples(150)
def test_any_backup_is_resolved_as_the_format_says(
    pair: tuple[Lines | None, Lines | None], live: Lines | None, numbackups: int | None
) -> None:
    backup, embedded = pair
    records = [record for record in pair if record is not None]
    contents = [None if record is None else content(record) for record in (backup, embedded, live)]
    inspection = resolve.backup(witnesses(contents[0], contents[1], contents[2], numbackups), State.PAIRED)
    numbers = {Witness.BACKUP_RECORD: 0, Witness.EMBEDDED_RECORD: len(records) - 1, Witness.INSTALL_RECORD: -1}
    own_id = BACKUP if backup is not None else None
    expected = reference.resolve(records, live, own_id=own_id, archive_name=NAME, numbackups=numbackups, home=HOME)
    assert_alike(answer_of(inspection, numbers), expected)


@given(st.one_of(RECORDS, HARMLESS))
@examples(60)
def test_any_install_is_resolved_as_the_format_says(record: Lines) -> None:
    live = said(Witness.INSTALL_RECORD, content(record))
    assert live is not None
    answer = answer_of(resolve.install(INSTALL, live, HOME, HOME, 3), {Witness.INSTALL_RECORD: 0})
    mine = {key: value for key, value in record.items() if not key.startswith("backup-") or key in reference.OTHER_KEYS}
    expected = reference.resolve([mine], own_id=INSTALL, numbackups=3, home=HOME)
    expected.fields["file"] = f"{HOME}/.appdata/current/{INSTALL}", None
    assert_alike(answer, expected)


def compiled(*contents: bytes, live: bytes | None = None) -> Program:
    """Return the program of a backup's records."""
    documents = [said(Witness.BACKUP_RECORD, one) for one in contents]
    install = said(Witness.INSTALL_RECORD, live)
    return program([one.record for one in documents if one], install and install.record, is_backup=True)


def test_one_program_serves_all_records_with_the_same_keys() -> None:
    first = compiled(backup_record(version="1"), live=install_record(cache_files="1"))
    assert compiled(backup_record(version="2"), live=install_record(cache_files="2")) is first
    assert compiled(backup_record(version="2"), live=install_record()) is not first
    assert compiled(backup_record(version="2")) is not first


@pytest.mark.parametrize(
    "large", [backup_record(title="x" * 20_000), backup_record(**{f"x{n}": "" for n in range(300)})]
)
def test_no_program_of_an_unusually_large_record_is_remembered(large: bytes) -> None:
    assert compiled(large) is not compiled(large)
    assert compiled(large) == compiled(large)
    assert compiled(backup_record(), large) is not compiled(backup_record(), large)
    assert compiled(backup_record(), live=large) is not compiled(backup_record(), live=large)


def test_the_keys_of_a_usual_backup_leave_only_paths_and_counts_open() -> None:
    names = [step[0].name for step in compiled(backup_record()).open_steps if not isinstance(step[0], str)]
    assert sorted(names) == ["autoup_plugins", "autoup_themes", "cache_numbackups", "file", "id"]


def parts(inspection: Inspection) -> list[object]:
    """Return all that is known, the fields and what was kept in their order."""
    every = [getattr(inspection, each.name) for each in fields(inspection)]
    sources = [(key, inspection.source(key)) for key in inspection.fields]
    return [*every, list(inspection.fields.items()), list(inspection.kept), sources]


@pytest.mark.parametrize("record", [install_record(), b"backup-install=x"])
def test_the_record_of_the_live_install_may_be_the_only_one(record: bytes) -> None:
    live = said(Witness.INSTALL_RECORD, record)
    alone = resolve.backup(Witnesses(None, live, None, None, None, HOME, HOME, 3, None), State.PAIRED)
    twice = resolve.backup(Witnesses(None, live, None, live, None, HOME, HOME, 3, None), State.PAIRED)
    assert twice.values == alone.values
    assert twice.conflicts == {}


def test_what_one_answer_holds_may_be_changed_and_no_other_shows_it() -> None:
    record = backup_record(list_plugins="+akismet/5.3.6", list_themes="+one/1", list_files="a,b")
    asked = witnesses(record, record, None)
    first, expected = resolve.backup(asked, State.PAIRED), deepcopy(parts(resolve.backup(asked, State.PAIRED)))
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
    assert str(parts(resolve.backup(asked, State.PAIRED))) == str(expected)


SECRETIVE: Final = st.one_of(
    VALUES,
    st.sampled_from(
        [b"ftp://u:CANARY@h.example/b", b"CANARY@h.example", b"?token=CANARY", b"a,//u:CANARY@h.example,b"]
    ),
    st.sampled_from([b"u%3ACANARY%40h.example", b'{"pass":"CANARY"}', b"pwd=CANARY\n=CANARY", b"https://h.example/"]),
)
SECRETIVE_KEYS: Final = st.one_of(KEYS, st.sampled_from(["cf-token", "cf-bkloc", "cf-db_pass", "backup-location"]))


@given(
    st.lists(st.dictionaries(SECRETIVE_KEYS, SECRETIVE, max_size=15), min_size=1, max_size=2),
    st.one_of(st.none(), st.dictionaries(SECRETIVE_KEYS, SECRETIVE, max_size=15)),
    st.sampled_from([HOME, "/home/u:CANARY@h"]),
)
def test_every_field_with_a_secret_in_it_is_closed(records: list[Lines], live: Lines | None, home: str) -> None:
    backup, *embedded = map(content, records)
    asked = witnesses(backup, embedded[0] if embedded else None, None if live is None else content(live))
    asked = asked._replace(home=home, as_server=home, archive=f"{home}/application_backups/app_?pin=CANARY.tar.gz")
    inspection = resolve.backup(asked, State.PAIRED)
    hidden = {name for name, value in inspection.fields.items() if is_closed(closed(name, opened(value)))}
    assert set(inspection.closed_names) == hidden
    assert {name for name, value in inspection.fields.items() if is_closed(value)} == hidden


def test_a_secret_is_closed_in_the_field_of_each_key() -> None:
    keys = {field.key: f"{field.key}=ftp://u:CANARY@h.example/b" for field in FIELDS if field.key is not None}
    keys |= {"backup-time": "backup-time=1718312121", "autobk": "autobk=custom"}
    inspection = resolve.backup(witnesses("\n".join(keys.values()).encode(), None, None), State.PAIRED)
    assert "CANARY" not in str(inspection.fields)
    assert {"db_pass", "bkloc", "sitetitle", "exclude_files"} <= set(inspection.closed_names)
