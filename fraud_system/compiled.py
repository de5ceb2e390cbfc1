"""How the core's loops are compiled: one place for the options, and why.

- `cache`: a cold start costs seconds once, not at every start.
- `error_model="numpy"`: a division by zero gives inf or nan instead of a branch and an exception; every
  division here is guarded where it matters.
- No `fastmath`, no `parallel`: they reorder additions, and the same events must give the same bits.
"""

from typing import Any

import numba


def compiled(function: Any) -> Any:
    """Compile `function` with the project's options.

    >>> compiled(lambda x: x + 1)(1)
    2
    """
    return numba.njit(function, cache=True, error_model="numpy")
