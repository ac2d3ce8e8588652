"""The tables of formats: what every entry of them has to be, whichever answer it is of."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import pytest

import backupmeta.render
from backupmeta.backup.inspection import Inspection
from backupmeta.checks.policy import Verification
from backupmeta.events.claims import Event
from backupmeta.library import list_backups
from backupmeta.render.backups import BACKUPS, ListView
from backupmeta.render.ci import VERIFICATIONS
from backupmeta.render.formats import Format, Formats, Trait, View, any_view
from backupmeta.render.timelines import TIMELINES, TimelineView
from backupmeta.render.verified import VerificationView
from backupmeta.search import Search
from tests.invented import BACKUP, SECOND, Account, backup_record


def tables() -> Iterator[tuple[str, Formats[Any]]]:
    """Yield every table of the package, and its name."""
    for found in walk_packages(backupmeta.render.__path__, "backupmeta.render."):
        for name, value in vars(import_module(found.name)).items():
            if isinstance(value, Formats):
                yield name, value


TABLES: Final = dict(tables())


def test_every_answer_has_a_table() -> None:
    assert set(TABLES) == {
        "ANSWERS", "BACKUPS", "CHECKS", "DIFFERENCES", "EXPORTS", "EXTRACTION", "FOLLOWED", "GONE", "HISTORIES",
        "INSTALLS", "MATCHES", "MEMBERS", "NEEDS", "REPORTS", "SCANS", "STATS", "STEPS", "TIMELINES", "VERIFICATIONS",
    }  # fmt: skip


def test_both_answers_of_history_and_of_find_have_the_same_formats() -> None:
    assert list(TABLES["FOLLOWED"]) == list(TABLES["HISTORIES"])
    assert list(TABLES["MATCHES"]) == list(TABLES["BACKUPS"])


@pytest.mark.parametrize("name", TABLES)
def test_every_entry_says_what_it_is(name: str) -> None:
    entries = list(TABLES[name].items())
    assert [key for key, entry in entries if key != entry.name or not re.fullmatch(r"[a-z0-9]+(-[a-z]+)*", key)] == []
    assert [key for key, entry in entries if not entry.meaning or entry.meaning.endswith(".")] == []
    assert len({entry.meaning for _, entry in entries}) == len(entries)
    assert all(callable(entry.render) for _, entry in entries)


@pytest.mark.parametrize("name", TABLES)
def test_json_is_a_format_of_all_but_streams(name: str) -> None:
    assert "json" in TABLES[name] or "jsonl" in TABLES[name]


@pytest.mark.parametrize("width", [None, 80])
def test_renderers_give_text_in_pieces_also_of_nothing(width: int | None) -> None:
    backups, verifications, events = list[Inspection](), list[Verification](), list[Event]()
    texts = {
        **{name: list(entry.render(backups, ListView(width))) for name, entry in BACKUPS.items()},
        **{name: list(entry.render(verifications, VerificationView(width))) for name, entry in VERIFICATIONS.items()},
        **{name: list(entry.render(events, TimelineView(width))) for name, entry in TIMELINES.items()},
    }
    assert {name for name, pieces in texts.items() if not all(isinstance(piece, str) for piece in pieces)} == set()


@pytest.mark.parametrize("name", [name for name, entry in BACKUPS.items() if Trait.ROW_BY_ROW in entry.traits])
def test_rows_of_a_format_that_says_so_are_rendered_alone_and_joined(name: str, tmp_path: Path) -> None:
    account = Account(tmp_path / "home/exampleu")
    for id_ in (BACKUP, SECOND):
        account.backup(id_, backup_record(title=id_))
    rows = list(list_backups(Search((str(account.home),)), []))
    render, view = BACKUPS[name].render, ListView(provenance=True)
    assert len(rows) == 2
    assert "".join(render(rows, view)) == "".join(piece for row in rows for piece in render([row], view))


def test_a_format_is_one_entry_and_its_function() -> None:
    def shout(words: list[str]) -> Iterator[str]:
        yield from (word.upper() for word in words)

    table = Formats(Format("loud", "capitals", any_view(shout)))
    assert list(table["loud"].render(["a", "b"], View())) == ["A", "B"]


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if "csv" in table])
def test_what_is_csv_is_there_for_spreadsheets_too(name: str) -> None:
    forms = list(TABLES[name])
    place = forms.index("csv")
    assert forms[place : place + 3] == ["csv", "csv-safe", "csv-excel"]
