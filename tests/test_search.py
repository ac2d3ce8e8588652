"""Which backups are asked for, and in which order."""

from pathlib import Path
from typing import Any

import pytest

from backupmeta.search import ALWAYS, Criteria, Known, Period, Search


@pytest.mark.parametrize(
    ("period", "contained"),
    [
        (ALWAYS, [1, 2, 3, 4]),
        (Period(since=2), [2, 3, 4]),
        (Period(until=3), [1, 2, 3]),
        (Period(2, 3), [2, 3]),
        (Period(since=0, until=0), []),
    ],
)
def test_both_bounds_of_a_period_belong_to_it(period: Period, contained: list[int]) -> None:
    assert [second for second in (1, 2, 3, 4) if period.has(second)] == contained


def test_what_is_asked_for_is_known() -> None:
    asked = [Criteria(user=""), Criteria(application="x"), Criteria(domain="x"), Criteria(period=Period(until=0))]
    assert [criteria for criteria in (Criteria(), *asked) if criteria.are_given] == asked


def test_of_many_words_few_are_named_and_none_that_is_long() -> None:
    hosts = [f"host{number:04}.example" for number in range(20_000)]
    (sentence,) = Known("domain", "host0005", [*hosts, "x" * 1_000_000]).sentences
    first = ", ".join(hosts[:10])
    near = "did you mean 'host0005.example'?"
    assert sentence == f"no domain is called 'host0005'; {near} there are {first} and 990 more"
    assert list(Known("domain", "x" * 1_000_000, ["x" * 1_000_000]).sentences) == []


@pytest.mark.parametrize("root", ["/home/x", b"/home/x", Path("/home/x")])
def test_a_path_is_no_sequence_of_paths(root: Any) -> None:
    with pytest.raises(TypeError) as raised:
        Search(root)
    path = "b'/home/x'" if isinstance(root, bytes) else "'/home/x'"
    assert str(raised.value) == f"roots are a sequence of paths: Search([{path}])"
    assert Search(["/home/x"]).roots == ["/home/x"]
