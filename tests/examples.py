"""How many examples a property test draws: a few each time, ``BACKUPMETA_EXAMPLES`` times as many in CI."""

import os
from typing import Final

from hypothesis import settings

TIMES: Final = int(os.environ.get("BACKUPMETA_EXAMPLES", "1"))


def examples(count: int) -> settings:
    """Return the settings of a property test that draws ``count`` examples, or as many times that as is asked for."""
    return settings(max_examples=count * TIMES)
