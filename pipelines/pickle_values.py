"""A pickle as plain values: its opcodes are read as data, and nothing that it names is imported or run.

A pickle is a program. `pickle.load` runs it, and an allow-list of what it may call is not enough: NumPy
rebuilds an array from a description that the file gives, and a false description reaches into memory. So
the opcodes are interpreted here, and a call becomes a `Built` that says what was asked for. What it means
is for the caller to find out (`pandas_pickles`).

    kept      None, bool, int, float, str, bytes, tuple, list, dict with texts as keys
    Named     a global that is on the caller's list
    Built     a call of one of them: not done, only noted down
    refused   every other global, by name; every opcode that tables do not need; a file that is damaged,
              or that asks for more steps than `MAX_STEPS`
"""

import pickletools
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from fraud_system.errors import DataError

MAX_STEPS = 10_000_000
FIX = "take it from a source that you trust, or write the table as Parquet or CSV"

PUSHED = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
IGNORED = {"PROTO", "FRAME", "STOP"}


@dataclass(frozen=True, slots=True)
class Named:
    """A global: `module.name`."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Built:
    """What calling `of` with these arguments, and then setting this state, would have made."""

    of: "Named | Built"
    arguments: tuple[Any, ...]
    state: Any = None


def read_values(data: bytes, allowed: Collection[Named], where: str) -> Any:
    """The value that a pickle holds.

    Args:
        data: the pickle, protocol 3 to 5, without out-of-band buffers.
        allowed: the globals that it may name.
        where: the name of the file, for the error messages.

    Raises:
        DataError: a global that is not allowed, an opcode that is not needed, too many steps, damage.

    >>> import pickle
    >>> read_values(pickle.dumps({"a": [1, 2.5, None]}), [], "t.pkl")
    {'a': [1, 2.5, None]}
    >>> read_values(pickle.dumps(print), [], "t.pkl")
    Traceback (most recent call last):
    fraud_system.errors.DataError: t.pkl: names builtins.print, which no table needs: not read ...
    """
    machine = _Machine(frozenset(allowed), where)
    try:
        with warnings.catch_warnings(action="ignore"):  # about texts of opcodes that are refused
            for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
                if step >= MAX_STEPS:
                    raise DataError(f"more than {MAX_STEPS} steps: not read", field=where, fix=FIX)
                machine.do(opcode.name, argument)
        (value,) = machine.stack
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(f"a damaged pickle: {error}", field=where, fix="write it again") from error
    return value


class _Machine:
    """The stack, the marks in it, and the memo; one method an opcode."""

    def __init__(self, allowed: frozenset[Named], where: str) -> None:
        self.allowed, self.where = allowed, where
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[Any], None]] = {
            "MARK": self.mark,
            "MEMOIZE": lambda _: self.put(len(self.memo)),
            "BINPUT": self.put,
            "LONG_BINPUT": self.put,
            "BINGET": self.get,
            "LONG_BINGET": self.get,
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "TUPLE1": lambda _: self.tuple_of(1),
            "TUPLE2": lambda _: self.tuple_of(2),
            "TUPLE3": lambda _: self.tuple_of(3),
            "TUPLE": lambda _: self.push(tuple(self.since_mark())),
            "APPEND": lambda _: self.extend([self.stack.pop()]),
            "APPENDS": lambda _: self.extend(self.since_mark()),
            "SETITEM": lambda _: self.update([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self.update(self.since_mark()),
            "GLOBAL": lambda name: self.name(*name.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self.name(self.stack.pop(-2), self.stack.pop()),
            "REDUCE": self.call,
            "NEWOBJ": self.call,
            "BUILD": self.build,
        }

    def do(self, opcode: str, argument: Any) -> None:
        if opcode in PUSHED:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in self.actions:
            self.actions[opcode](argument)
        elif opcode not in IGNORED:
            problem = f"has the opcode {opcode}, which no table needs: not read"
            raise DataError(problem, field=self.where, fix=FIX)

    def push(self, value: Any) -> None:
        self.stack.append(value)  # on the stack as it is now, below the mark

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("a tuple of values that are not there")
        items = tuple(self.stack[-count:])
        self.stack[-count:] = [items]

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("appends to what is no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if type(self.stack[-1]) is not dict or not all(type(key) is str for key in keys):
            raise ValueError("sets items of what is no dict of texts")
        self.stack[-1].update(zip(keys, values, strict=True))

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global without a name")
        found = Named(module, name)
        if found not in self.allowed:
            problem = f"names {found}, which no table needs: not read"
            raise DataError(problem, field=self.where, fix=FIX)
        self.stack.append(found)

    def call(self, _: Any) -> None:
        arguments, of = self.stack.pop(), self.stack.pop()
        if not isinstance(of, Named | Built) or type(arguments) is not tuple:
            raise ValueError("calls what is no global")
        self.stack.append(Built(of, arguments))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Built):
            raise ValueError("sets the state of what has none")
        self.stack[-1].state = state
