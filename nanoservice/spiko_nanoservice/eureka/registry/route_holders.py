"""Pure: who still routes to whom, of the pods that somebody waits for: those that leave, and those that are followed from outside.

A pod is *held* by a session that acknowledged a table with it. The registry tells of every acknowledgement and every end; what it gets back is
to be said to followers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import Hello, Revision
from spiko_nanoservice.eureka.registry.effects import Effect, Inform
from spiko_nanoservice.eureka.registry.views import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint


@dataclass(slots=True)
class Session:
    """One pod's connection. `acked` is the table revision that it said it routes by, 0 before the first."""

    hello: Hello
    viewpoint: Viewpoint
    acked: int = 0
    config_acked: Revision | None = None
    leaving: bool = False


class Holders:
    """The sessions that hold each pod that is waited for.

    Args:
        sessions: the registry's, by number.
        views: the registry's.

    """

    def __init__(self, sessions: Mapping[int, Session], views: Mapping[Viewpoint, View]) -> None:
        self._sessions, self._views = sessions, views
        self._watched: dict[str, set[int]] = {}
        self.follows: set[tuple[int, str]] = set()  # which connections from outside want to hear of which pods

    def of(self, id: str) -> set[int]:
        """Sessions of pods that acknowledged a table with this pod in it; its own does not count."""
        return {number for number, session in self._sessions.items() if self._holds(session, id)}

    def watch(self, id: str) -> int:
        """Begin to wait for a pod; how many hold it now."""
        if id not in self._watched:
            self._watched[id] = self.of(id)
        return len(self._watched[id])

    def unwatch(self, id: str) -> None:
        """Stop it, unless it leaves or is followed."""
        leaving = any(s.leaving and s.hello.id == id for s in self._sessions.values())
        if not leaving and not self._is_followed(id):
            self._watched.pop(id, None)

    def unfollow(self, follower: int, id: str) -> None:
        """A connection from outside wants to hear no more of a pod."""
        self.follows.discard((follower, id))
        self.unwatch(id)

    def unfollow_all(self, follower: int) -> None:
        """A connection from outside has ended."""
        for id in [id for who, id in self.follows if who == follower]:
            self.unfollow(follower, id)

    def acknowledged(self, number: int) -> list[Effect]:
        """A session holds, or has let go, what its new table has or lacks."""
        session = self._sessions[number]
        told: list[Effect] = []
        for id, holders in self._watched.items():
            if self._holds(session, id) != (number in holders):
                holders ^= {number}
                told += self._tell(id)
        return told

    def ended(self, number: int) -> list[Effect]:
        """A session has ended and holds nothing."""
        told: list[Effect] = []
        for id, holders in self._watched.items():
            if number in holders:
                holders.discard(number)
                told += self._tell(id)
        return told

    def free(self) -> list[str]:
        """Pods that are waited for, and that nobody holds."""
        return [id for id, holders in self._watched.items() if not holders]

    def _holds(self, session: Session, id: str) -> bool:
        view = self._views.get(session.viewpoint)
        return view is not None and session.hello.id != id and id in view.history.get(session.acked, ())

    def _is_followed(self, id: str) -> bool:
        return any(followed == id for _, followed in self.follows)

    def _tell(self, id: str) -> list[Effect]:
        if not self._is_followed(id):
            return []
        return [Inform({"t": m.HOLDERS, "id": id, "holders": len(self._watched[id])})]
