"""What is given back at the end of a `with`: for everything that has a `close`."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Closes itself when its block ends, however it ends.

    >>> class Door(Closing):
    ...     def close(self):
    ...         print("closed")
    >>> with Door():
    ...     print("open")
    open
    closed
    """

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
