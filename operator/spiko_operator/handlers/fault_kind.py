"""The protocol that a kind of fault implements, and the table of kinds. `docs/extending.md` walks through a new one."""

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
    """One Fault of one kind, from its record in the status on. Made anew in every pass, also after a restart of the operator.

    The dispatcher records what `choose` returns before anything is touched, and every change that `act` reports before the
    next call, so an operator that stops anywhere touches no target twice.
    """

    def is_chosen(self) -> bool:
        """Whether targets are recorded in the status."""

    async def choose(self) -> StatusUpdate | NoVictim:
        """Select the targets, and return their record; or why there are none now. A dry run ends with it."""

    def observing(self) -> AbstractAsyncContextManager[None]:
        """Collect evidence while this context is open; it is entered before the first act."""

    async def act(self, seconds_left: float) -> bool:
        """Take the next step.

        Args:
            seconds_left: until the deadline; 0 or less: nothing new may be touched.

        Returns:
            Whether the record of a target changed; it is written before the next step.
        """

    async def observe(self) -> None:
        """Wait a moment, and look at what came of the acts."""

    def is_over(self) -> bool:
        """Whether no act is due and all evidence is complete, but for late reports."""

    def summarize(self, *, over: bool) -> StatusUpdate:
        """Return what to write: the targets with the evidence so far, and with `over` the final conditions."""


# The kinds, by the field of a Fault's spec that they act on.
FAULT_KINDS: Mapping[str, Callable[[Context, Object, FaultSpec], FaultKind]] = {"kill": KillFault}
