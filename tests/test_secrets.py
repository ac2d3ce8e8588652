"""Closed values: whoever forgets about secrets shows the mask, and only who is named here may open one."""

import ast
import copy
import csv
import io
import json
import pickle
import re
import sqlite3
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from backupmeta import Search, list_backups
from backupmeta.backup.inspection import Inspection
from backupmeta.comparison.changes import compared
from backupmeta.record.grammar import Document, parse, pickled_in_clear
from backupmeta.render import backups
from backupmeta.secrets import closed, is_closed, opened, plain
from tests.invented import Account, backup_record

MASKED = b"********"
PACKAGE = Path(__file__).parents[1] / "backupmeta"
MASKING = ("mask_text", "mask_value", "mask_list", "mask_location", "masked")

OPENERS = {
    "backup/inspection.py",  # --show-secrets, and the public models, which close what they get
    "checks/checked_backup.py",  # what the record says is compared with what the archive has
    "comparison/changes.py",  # the entries of two lists are compared
    "search.py",  # the wanted user, application and domain are compared
    "targets.py",  # owners are compared with who asks
}
"""The modules that may open closed values, and why."""

READERS = {
    "record/grammar.py": "reads records, and masks them",
    "account/home.py": "pairs records with archives, by names, times and places",
    "account/layout.py": "tells whether records belong to their home, by paths and ids",
    "backup/program.py": "takes the keys alone",
    "backup/resolve.py": "decodes and compares values, and closes the fields",
    "backup/witnesses.py": "makes the path of a record from those of its fields",
    "catalog/remembered.py": "compares two records' secrets before the catalog has only their masks",
    "comparison/history.py": "compares ids of installs",
    "events/claims.py": "decodes times",
    "search.py": "compares the path of an install with folders",
    "verification.py": "compares ids and names with those of other records",
    "library.py": "takes the ids of installs",
    "targets.py": "compares ids and names with what was asked for",
}
"""The modules that may take a record's values in clear, and what for."""

VALUES = [
    ("db_pass", "CANARY"),
    ("bkloc", "ftp://exampleu:CANARY@h.example/b"),
    ("url", "https://h.example/?token=CANARY"),
    ("db-pass", b"CANARY\xff"),
    ("list-files", b"a,ftp://exampleu:CANARY@h.example/b"),
    ("files", ["a", "ftp://exampleu:CANARY@h.example/b"]),
    ("x_token", ["CANARY"]),
]

PICTURES: list[Callable[[object], object]] = [
    repr,
    str,
    "{}".format,
    lambda value: json.dumps({"a": plain(value)}, default=repr),
    pickle.dumps,
    copy.copy,
    copy.deepcopy,
    lambda value: opened(pickle.loads(pickle.dumps(value))),  # noqa: S301 - of this test
    lambda value: getattr(value, "__dict__", None),
]


def in_database(value: object) -> object:
    with sqlite3.connect(":memory:") as database:
        return database.execute("SELECT ?", (value if isinstance(value, str | bytes) else repr(value),)).fetchone()


@pytest.mark.parametrize(("name", "value"), VALUES)
@pytest.mark.parametrize("picture", [*PICTURES, in_database])
def test_no_picture_of_a_closed_value_shows_it(name: str, value: object, picture: Callable[[object], object]) -> None:
    assert "CANARY" not in str(picture(closed(name, value)))


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_only_opening_gives_the_clear_value(name: str, value: object) -> None:
    assert is_closed(closed(name, value))
    assert opened(closed(name, value)) == value
    assert type(opened(closed(name, value))) is type(value) is type(plain(closed(name, value)))


@pytest.mark.parametrize(
    ("name", "value"), [("title", "Blog"), ("db_pass", ""), ("files", ["a"]), ("time", 5), ("x", None)]
)
def test_what_has_no_secret_is_not_closed(name: str, value: object) -> None:
    assert closed(name, value) is value


def test_closed_values_are_equal_where_the_clear_ones_are() -> None:
    first, same, other = (closed("db_pass", text) for text in ("a", "a", "b"))
    assert first == same
    assert hash(first) == hash(same)
    assert first != other
    assert str(first) == str(other)


def test_no_cache_gives_the_answer_for_a_clear_value_to_a_closed_one() -> None:
    remembered = lru_cache(lambda text: text[:])
    assert remembered("CANARY") == "CANARY"
    assert remembered(closed("db_pass", "CANARY")) == "********"
    assert remembered("CANARY") == "CANARY"


def test_only_these_modules_open_a_closed_value() -> None:
    modules = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert {name for name, text in modules.items() if "opened" in imported(text)} == OPENERS
    assert [name for name, text in modules.items() if "_clear.value" in text] == ["secrets.py"]


def test_only_these_modules_take_a_records_values_in_clear() -> None:
    modules = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    readers = {name for name, text in modules.items() if "opened" in attributes(text)}
    outputs = {name for name in readers if name.startswith("cli/") and "record" not in attributes(modules[name])}
    assert readers - outputs == READERS.keys()


def attributes(text: str) -> set[str]:
    """Return the attributes that the code in ``text`` reads."""
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def imported(text: str) -> set[str]:
    """Return the names that a module's ``text`` takes from `backupmeta.secrets`."""
    lines = re.findall(r"^ *from backupmeta\.secrets import (.*)$", text, re.MULTILINE)
    return {name.strip() for line in lines for name in line.split(",")}


# --- renderers that forget about secrets ------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path: Path) -> list[Inspection]:
    """Give two backups whose values hold canaries, and whose witnesses contradict each other about them."""
    account = Account(tmp_path / "home/exampleu")
    account.backup(content=of_canaries("1"))
    account.archive(embedded=of_canaries("2"))
    account.backup("b" * 25, of_canaries("3"))
    found = list(list_backups(Search([str(tmp_path)])))
    assert len(found) == 2
    assert any("CANARY" in str(opened(row.get("db_pass"))) for row in found)
    return found


def of_canaries(number: str) -> bytes:
    return backup_record(
        db_pass=f"CANARY{number}",
        url=f"https://exampleu:CANARY{number}@h.example/",
        backup_location=f"ftp://exampleu:CANARY{number}@h.example/b",
        list_files=f"a,ftp://exampleu:CANARY{number}@h.example/b",
        backup_note=f"password: CANARY{number}",
        cf_enckey=f"CANARY{number}",
        x_token=f"CANARY{number}",
    )


@pytest.fixture
def _no_masking(rows: list[Inspection], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the masking out of every module but the two that close values and records."""
    assert rows
    for name, module in list(sys.modules.items()):
        if name.startswith("backupmeta.") and name not in {"backupmeta.secrets", "backupmeta.record.grammar"}:
            for function in MASKING:
                if hasattr(module, function):
                    monkeypatch.setattr(module, function, lambda *given: given[-1])


@pytest.mark.usefixtures("_no_masking")
@pytest.mark.parametrize("form", backups.BACKUPS)
@pytest.mark.parametrize("provenance", [False, True])
def test_a_renderer_without_masking_shows_no_canary(rows: list[Inspection], form: str, provenance: bool) -> None:  # noqa: FBT001
    view = backups.ListView(width=500, provenance=provenance)
    text = "".join(backups.BACKUPS[form].render(rows, view))
    assert "CANARY" not in text
    assert "6.5.4" in text


def test_the_canaries_are_there_for_who_asks(rows: list[Inspection]) -> None:
    view = backups.ListView(show_secrets=True, provenance=True)
    assert "".join(backups.BACKUPS["jsonl"].render(rows, view)).count("CANARY2") >= 7


def test_a_renderer_that_takes_the_values_as_they_are_shows_no_canary(rows: list[Inspection]) -> None:
    buffer = io.StringIO()
    for row in rows:
        facts = [*row.extra.values(), *(fact for losers in row.conflicts.values() for fact in losers)]
        csv.writer(buffer).writerow(row.fields.values())
        buffer.write(json.dumps(row.fields) + f"{row.fields} {row.values}")
        buffer.writelines(f"{fact.field}={fact.raw!r} {fact.raw.decode()}" for fact in facts)
        buffer.write(str(pickle.dumps([row.fields, [fact.raw for fact in facts]])))
    assert "CANARY" not in buffer.getvalue()
    assert buffer.getvalue().count("********") > 20


def test_a_pickle_of_a_backup_shows_no_canary_and_its_origins_are_the_masked_records(rows: list[Inspection]) -> None:
    content = pickle.dumps(rows)
    assert b"CANARY" not in content
    again = pickle.loads(content)  # noqa: S301 - of this test
    assert [row.fields.keys() for row in again] == [row.fields.keys() for row in rows]
    records = [origin.record for row in again for origin in row.origins.values() if isinstance(origin, Document)]
    assert records
    assert {value for record in records for value in (record.opened["db-pass"], record.values["db-pass"])} == {MASKED}


def test_a_record_shows_the_mask_to_whoever_takes_it_as_it_is() -> None:
    record = parse(of_canaries("1"))
    shown = [repr(record), record.content, record.values, pickle.dumps(record), copy.copy(record).clear]
    assert "CANARY" not in f"{shown}"
    assert record.content.count(b"\n") == of_canaries("1").count(b"\n")


def test_in_clear_a_record_goes_to_a_process_of_ours_alone() -> None:
    record = parse(of_canaries("1"))
    first, second = pickle.loads(pickled_in_clear((record, record.masked)))  # noqa: S301 - of this test
    assert (first.clear, first.content) == (of_canaries("1"), record.content)
    assert (second.clear, second.is_masked) == (record.content, True)


def test_what_differs_is_known_without_being_shown(rows: list[Inspection]) -> None:
    changes = compared(*rows)
    hidden = {change.name for change in changes.fields if change.is_secret}
    assert {"db_pass", "enckey", "x-token", "url", "backup_note"} <= hidden
    assert "CANARY" not in f"{changes!r} {pickle.dumps(changes)!r}"
