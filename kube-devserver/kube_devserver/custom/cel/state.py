"""What an expression has at hand while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Frame:
    """Variables, and what it has cost so far.

    Args:
        scope: variables; loops add theirs, and take them away again.
    """

    __slots__ = ("cost", "scope", "work")

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope, self.cost, self.work = scope, 0, 0


Step = Callable[[Frame], Any]
