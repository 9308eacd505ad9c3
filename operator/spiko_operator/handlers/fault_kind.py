"""The protocol of a kind of fault, and the table of kinds. `docs/extending.md` explains how to add a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from spiko_operator.api.fault import FaultSpec
from spiko_operator.context import Context
from spiko_operator.handlers.kill import KillFault
from spiko_operator.plan.faults.fault_status import StatusUpdate
from spiko_operator.plan.faults.victims import NoVictim
from spiko_operator.plan.objects import Object


class FaultKind(Protocol):
    """One Fault of one kind, with the targets that its status records. Every pass creates a new instance.

    `fault.py` writes what `choose` returns before the first act, and every change that `act` reports before
    the next act, so that an operator that stops at any time acts on no target twice.
    """

    def is_chosen(self) -> bool:
        """Whether targets are recorded in the status."""

    async def choose(self) -> StatusUpdate | NoVictim:
        """Select the targets. Return their record, with which a dry run ends, or why there are none."""

    def observing(self) -> AbstractAsyncContextManager[None]:
        """Collect evidence for the duration of the context, which begins before the first act."""

    async def act(self, seconds_left: float) -> bool:
        """Take the next step.

        Args:
            seconds_left: until the deadline; 0 or less if no further target may be acted on.

        Returns:
            Whether the record of a target changed. It is written before the next step.
        """

    async def observe(self) -> None:
        """Collect evidence of the acts so far, and wait a moment."""

    def is_over(self) -> bool:
        """Whether no act is due and all evidence is complete, except for late reports."""

    def summarize(self, *, over: bool) -> StatusUpdate:
        """Return the targets with the evidence so far; with `over`, also the final conditions."""


# Field of a Fault's spec -> the kind of fault that implements it.
FAULT_KINDS: Mapping[str, Callable[[Context, Object, FaultSpec], FaultKind]] = {"kill": KillFault}
