"""Pure: how many callers still route to pods that leave, and to pods that a control connection follows.

A session *holds* a pod while the table that the session acknowledged last has the pod in it. The registry
reports every acknowledgement and every end of a session to this module; the effects that it returns inform
the followers.
"""

from __future__ import annotations

from collections.abc import Mapping

from spiko_nanoservice import messages as m
from spiko_nanoservice.eureka.registry.effects import Effect, Inform
from spiko_nanoservice.eureka.registry.sessions import Session
from spiko_nanoservice.eureka.registry.view import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint


class RouteHolders:
    """The sessions that hold each watched pod.

    Args:
        sessions: the registry's sessions by number.
        views: the registry's tables by viewpoint.

    Attributes:
        follows: the control connections that follow each pod, by pod id.
    """

    def __init__(self, sessions: Mapping[int, Session], views: Mapping[Viewpoint, View]) -> None:
        self._sessions, self._views = sessions, views
        self._watched: dict[str, set[int]] = {}
        self.follows: dict[str, set[int]] = {}

    def of(self, id: str) -> set[int]:
        """Return the sessions that hold a pod; a pod's own session does not count."""
        return {number for number, session in self._sessions.items() if self._holds(session, id)}

    def watch(self, id: str) -> int:
        """Begin to count the holders of a pod; return how many there are now."""
        if id not in self._watched:
            self._watched[id] = self.of(id)
        return len(self._watched[id])

    def unwatch(self, id: str) -> None:
        """Stop counting the holders of a pod, unless the pod leaves or a control connection follows it."""
        leaving = any(s.leaving and s.hello.id == id for s in self._sessions.values())
        if not leaving and id not in self.follows:
            self._watched.pop(id, None)

    def follow(self, follower: int, id: str) -> int:
        """Inform a control connection about a pod from now on; return how many sessions hold it now."""
        self.follows.setdefault(id, set()).add(follower)
        return self.watch(id)

    def unfollow(self, follower: int, id: str) -> None:
        """Stop informing a control connection about a pod."""
        followers = self.follows.get(id, set())
        followers.discard(follower)
        if not followers:
            self.follows.pop(id, None)
        self.unwatch(id)

    def unfollow_all(self, follower: int) -> None:
        """Drop a control connection that has ended."""
        for id in [id for id, followers in self.follows.items() if follower in followers]:
            self.unfollow(follower, id)

    def acknowledged(self, number: int) -> list[Effect]:
        """Update the holders after a session acknowledged a table."""
        session = self._sessions[number]
        effects: list[Effect] = []
        for id, holders in self._watched.items():
            if self._holds(session, id) != (number in holders):
                holders ^= {number}
                effects += self._inform(id)
        return effects

    def ended(self, number: int) -> list[Effect]:
        """Update the holders after a session ended."""
        effects: list[Effect] = []
        for id, holders in self._watched.items():
            if number in holders:
                holders.discard(number)
                effects += self._inform(id)
        return effects

    def unheld(self) -> list[str]:
        """Return the watched pods that no session holds."""
        return [id for id, holders in self._watched.items() if not holders]

    def _holds(self, session: Session, id: str) -> bool:
        view = self._views.get(session.viewpoint)
        return view is not None and session.hello.id != id and id in view.history.get(session.acked, ())

    def _inform(self, id: str) -> list[Effect]:
        if id not in self.follows:
            return []
        return [Inform({"t": m.HOLDERS, "id": id, "holders": len(self._watched[id])})]
