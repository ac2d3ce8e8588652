"""The glossary: one sentence for each word, in order, shipped with the package, in the words of the program."""

import re
from importlib.resources import files
from typing import Final

import pytest

from backupmeta.account.home import State
from backupmeta.checks.policy import Verdict
from backupmeta.findings import Group, Severity
from backupmeta.provenance import Witness

PAGE: Final = files("backupmeta").joinpath("manual/glossary.md").read_text("utf-8")
ENTRIES: Final = dict(re.findall(r"^- \*\*(.+?)\*\*: (.+)$", PAGE, re.MULTILINE))
NO_WITNESSES: Final = {Witness.DERIVED, Witness.DEFAULT}
"""Nobody states what follows from other values, or what is documented."""


def test_words_are_in_order_each_with_one_sentence() -> None:
    assert list(ENTRIES) == sorted(set(ENTRIES), key=str.casefold)
    assert len(ENTRIES) == PAGE.count("\n- ")
    assert [word for word, sentence in ENTRIES.items() if not re.fullmatch(r"[^.]*(\.[^. ][^.]*)*\.", sentence)] == []


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        ("witness", set(Witness) - NO_WITNESSES),
        ("severity", set(Severity)),
        ("group", set(Group)),
        ("verdict", set(Verdict)),
    ],
)
def test_a_word_for_several_kinds_names_them_all(word: str, kinds: set[str]) -> None:
    assert [str(kind) for kind in kinds if str(kind) not in ENTRIES[word]] == []


def test_the_states_of_a_backup_have_entries() -> None:
    assert {str(state).replace("paired", "pair") for state in State} <= ENTRIES.keys()
