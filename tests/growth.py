"""Whether time grows with a size or with its square; for tests. No bound is in seconds, for machines differ."""

import time
from collections.abc import Callable
from typing import Final

ROUNDS: Final = 5
GROWTH: Final = 8.0
"""Four times as much takes 4 times as long where time is in proportion, and 16 times where it is by the square."""

QUICK: Final = 0.05
"""Seconds; what is done so soon is not measured well."""


def is_in_proportion(run: Callable[[int], object], size: int) -> bool:
    """Tell whether ``run`` of 4 times the ``size`` takes less than 8 times as long, on a processor.

    What else the machine does only adds time: of each side the shortest of several rounds counts.
    """
    once = min(_spent(run, size) for _ in range(ROUNDS))
    return any(_spent(run, 4 * size) < max(GROWTH * once, QUICK) for _ in range(ROUNDS))


def _spent(run: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    run(size)
    return time.process_time() - began
