"""What an input may hold at most: asked by readers, by the engine, and by whoever sends.

They stand apart from the code that enforces them, so that a client can name them without a compiler.
"""

from typing import Final

MAX_ID_BYTES: Final = 64
MAX_AMOUNT: Final = 1e15  # so that no sum of amounts can become infinite
MAX_NUMERIC: Final = 3.4028234663852886e38  # the largest float32: features are logged as float32
