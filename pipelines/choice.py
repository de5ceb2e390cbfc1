"""A guess about one column, and the words for its reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.column_profile import Profile
from pipelines.set_aside import shown


@dataclass(frozen=True, slots=True)
class Choice:
    """A column and why it was chosen or left out."""

    column: str
    why: str


def held(columns: Iterable[Profile]) -> str:
    """What the first of some columns holds, to say why it was not taken."""
    for each in columns:
        if each.examples:
            return f" ({each.name} holds {shown(', '.join(each.examples[:2]))})"
    return ""


def others(best: Profile, among: Sequence[Profile]) -> str:
    """What else it could be."""
    names = [each.name for each in among if each.name != best.name]
    return f"; could also be {', '.join(names[:3])}" if names else ""
