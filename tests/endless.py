"""Whether work on hostile input ends; for tests.

How time grows is measured by ``scripts/bench.py doubling``, never by a test. A test takes a size for which work in
proportion needs a part of a second, and work by the square needs minutes.
"""

import time
from collections.abc import Callable
from typing import Final

ENDLESS: Final = 15.0
"""Seconds of one processor: far more than work in proportion needs, and far less than work by the square."""


def ends(run: Callable[[int], object], size: int) -> bool:
    """Return whether ``run`` of the ``size`` ends before it counts as endless."""
    began = time.process_time()
    run(size)
    return time.process_time() - began < ENDLESS
