"""What goes wrong with an expression.

CelError
├── CompileError    it is no expression, or its types do not fit
└── EvalError       it went wrong with a value
    └── CostError   it took too long with a value
"""

from __future__ import annotations

from dataclasses import dataclass


class CelError(Exception):
    """Any of these."""


@dataclass(frozen=True)
class Fault:
    """A place of an expression (in characters from its start), and what is wrong there."""

    at: int
    message: str


class CompileError(CelError):
    """An expression that cannot be compiled."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        super().__init__("\n".join(show_fault(source, fault) for fault in sorted(faults, key=lambda each: each.at)))
        self.faults = faults


class EvalError(CelError):
    """An expression that goes wrong with a value."""


class CostError(EvalError):
    """An expression that takes too long with a value."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def no_overload() -> EvalError:
    """No overload of a function takes these values."""
    return EvalError("no such overload")


def show_fault(source: str, fault: Fault) -> str:
    """A fault with the line of the expression and a mark below its place.

    >>> print(show_fault("a + b", Fault(2, "bad")))
    ERROR: <input>:1:3: bad
     | a + b
     | ..^
    """
    begin = source.rfind("\n", 0, fault.at) + 1
    line = source[begin:].split("\n", 1)[0].replace("\t", " ")
    column = fault.at - begin
    mark = "".join("\uff0e" if ord(char) > 127 else "." for char in line[:column])
    mark += "\uff3e" if line[column : column + 1] > "\x7f" else "^"
    return (
        f"ERROR: <input>:{source.count(chr(10), 0, fault.at) + 1}:{column + 1}: {fault.message}\n | {line}\n | {mark}"
    )
