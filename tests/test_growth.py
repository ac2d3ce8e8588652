"""The measure of growth tells proportion from the square."""

from tests.growth import is_in_proportion


def by_the_square(size: int) -> int:
    return sum(1 for _ in range(size) for _ in range(size))


def test_what_is_in_proportion_is_told_from_what_is_by_the_square() -> None:
    assert is_in_proportion(lambda size: sum(1 for _ in range(size)), 400_000)
    assert not is_in_proportion(by_the_square, 600)
