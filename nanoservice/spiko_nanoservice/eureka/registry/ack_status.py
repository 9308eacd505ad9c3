"""Pure: which configuration is in force at one eureka, for how many pods, and how many of them act on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import Revision, encode
from spiko_nanoservice.eureka.registry.effects import Effect, Inform
from spiko_nanoservice.messages import Message

EVERY_S = 0.05  # counting walks over all sessions: not at every acknowledgement of 1,000 pods


@dataclass(frozen=True, slots=True)
class Word:
    """What is said. `pods` are those at home here, and all that are behind; `complete`: every other eureka of the region is heard."""

    revision: Revision
    pods: int
    acked: int
    complete: bool


class Programmed:
    """The last word, and when the next is due."""

    def __init__(self) -> None:
        self._word: Word | None = None
        self._stale_since: float | None = None

    @property
    def due(self) -> float | None:
        """When it is to be counted again, or None."""
        return None if self._stale_since is None else self._stale_since + EVERY_S

    def changed(self, now: float, count: Callable[[], Word]) -> list[Effect]:
        """Something may be otherwise: count it, unless it was counted just now; what is to be said if it is otherwise."""
        if self._stale_since is None:
            self._stale_since = now
        if now < self._stale_since + EVERY_S:
            return []
        self._stale_since = None
        before, self._word = self._word, count()
        return [Inform(self.message())] if self._word != before else []

    def message(self) -> Message:
        """As it goes over the wire."""
        word = self._word
        if word is None:
            return {"t": m.PROGRAMMED, "revision": None, "pods": 0, "acked": 0, "complete": False}
        revision = encode(word.revision)
        return {
            "t": m.PROGRAMMED,
            "revision": revision,
            "pods": word.pods,
            "acked": word.acked,
            "complete": word.complete,
        }
