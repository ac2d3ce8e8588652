"""How much of what could go on for ever a test takes: a little each time, and more where it is asked for."""

import os
from typing import Final

import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings

TIMES: Final = int(os.environ.get("BACKUPMETA_EXAMPLES", "1"))
"""How many times the examples of a property test are drawn; CI asks for ten times of the comparisons with peers."""


def examples(count: int) -> settings:
    """Return the settings of a property test that draws ``count`` examples, or as many times that as is asked for."""
    return settings(max_examples=count * TIMES)


def seeds(few: int, many: int) -> list[int | ParameterSet]:
    """Return the seeds of ``many`` cases to draw at random, of which all but a ``few`` are marked ``long``."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(few, many))]
