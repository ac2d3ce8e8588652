"""Versions sort by their numbers first, then by their stage."""

from itertools import pairwise, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupmeta.checks.applications import order, same_version

SAME = (
    ("6.5", "6.5.0"),
    ("6.5", "6.5.0.0"),
    ("6.5", "v6.5"),
    ("6.5", " 6.5\n"),
    ("4.1.2", "4.1.2+"),
    ("4.0.6-rc3", "4.0.6.rc3"),
    ("4.0.6-rc3", "4.0.6-RC.3"),
    ("4.0-beta2", "4.0.0-b2"),
    ("2.4.6-p3", "2.4.6-pl3"),
    ("1.02", "1.2"),
    ("", ""),
    ("", "0.0"),
    ("1.0-ours", "1.0.ours"),
)
ASCENDING = (
    "0.9",
    "1.0-ours",
    "1.0-theirs",
    "1.0-dev",
    "1.0-alpha",
    "1.0-beta1",
    "1.0-beta2",
    "1.0-beta10",
    "1.0-rc1",
    "1.0",
    "1.0-p1",
    "1.0-p2",
    "1.0.1-dev",
    "1.0.1",
    "1.0.9",
    "1.0.10",
    "1.1-beta",
    "1.1",
    "2-rc1",
    "2",
    "10.0",
    "20240101",
    "9" * 5_000,
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert same_version(one, other)


def test_every_other_two_are_not_and_sort() -> None:
    orders = list(map(order, ASCENDING))
    assert all(lower < higher for lower, higher in pairwise(orders))


@given(st.lists(st.integers(0, 10**6), min_size=1), st.lists(st.integers(0, 10**6), min_size=1))
def test_numbers_sort_as_numbers_and_missing_ones_are_zeros(one: list[int], other: list[int]) -> None:
    padded = list(zip_longest(one, other, fillvalue=0))
    expected = [left for left, _ in padded] < [right for _, right in padded]
    assert (order(".".join(map(str, one))) < order(".".join(map(str, other)))) is expected


@given(st.text(), st.text())
def test_any_text_has_a_place(one: str, other: str) -> None:
    assert (order(one) < order(other)) + (order(other) < order(one)) + same_version(one, other) == 1
