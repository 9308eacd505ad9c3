"""Pure: all routing tables of one eureka, by viewpoint."""

from __future__ import annotations

from collections.abc import Mapping

from spiko_nanoservice.contract import EUREKA, Configuration, Hello
from spiko_nanoservice.eureka.registry.effects import Effect, Send
from spiko_nanoservice.eureka.registry.entries import Changes
from spiko_nanoservice.eureka.registry.pod_config import find_tier
from spiko_nanoservice.eureka.registry.ring_sizes import RingSizes
from spiko_nanoservice.eureka.registry.sessions import Session, instance_of
from spiko_nanoservice.eureka.registry.view import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint, dependencies_of

SETTLE_S = 5.0


class Views:
    """The routing tables, their callers, and whether they are partial.

    A eureka that starts late in an architecture that was ready before may not know every pod yet, so it marks
    its tables as partial for `SETTLE_S`: pods then keep the instances that they knew.

    Args:
        region: the registry's region.
        sessions: the registry's sessions by number.
        known: the merged entries of the region.
        rings: the sizes of the region's rings.
        now: start of the eureka, monotonic seconds.

    Attributes:
        by_viewpoint: every table that a pod of this eureka has, or had.
    """

    def __init__(
        self,
        region: str,
        sessions: Mapping[int, Session],
        known: Mapping[str, Hello],
        rings: RingSizes,
        now: float,
    ) -> None:
        self._region, self._sessions, self._known, self._rings = region, sessions, known, rings
        self.by_viewpoint: dict[Viewpoint, View] = {}
        self._configuration: Configuration | None = None
        self._settles_at = now + SETTLE_S
        self._settled = False

    def has(self, session: Session) -> bool:
        """Return whether a session has a table."""
        return session.viewpoint in self.by_viewpoint

    def of(self, session: Session) -> View:
        """Return the table of a session."""
        return self.by_viewpoint[session.viewpoint]

    # ---------------------------------------------------------------- callers

    def add_session(self, number: int) -> None:
        """Give a session a table."""
        viewpoint = self._sessions[number].viewpoint
        view = self.by_viewpoint.get(viewpoint)
        if view is None:
            view = self.by_viewpoint[viewpoint] = View(viewpoint, False, ())
            self._reconfigure(view)
        view.sessions.add(number)

    def remove_session(self, number: int, session: Session) -> None:
        """Forget a session that has ended."""
        view = self.by_viewpoint.get(session.viewpoint)
        if view is not None:
            view.sessions.discard(number)

    def send_table(self, number: int) -> Send:
        """Return the effect that sends a session its whole table."""
        return Send(number, self.of(self._sessions[number]).table(partial=not self._settled))

    # ---------------------------------------------------------------- changes

    def configure(self, configuration: Configuration) -> list[Effect]:
        """Follow a configuration; send the whole table to the callers whose dependencies have changed."""
        if self._configuration is None:
            self._settled = not configuration.started
        self._configuration = configuration
        return [effect for view in self.by_viewpoint.values() for effect in self._reconfigure(view)]

    def apply(self, changes: Changes) -> None:
        """Follow the merged entries."""
        present = [instance_of(hello) for hello in changes.present]
        for view in self.by_viewpoint.values():
            for hello in changes.gone:
                view.drop(hello.id)
            for instance in present:
                if view.includes(instance):
                    view.put(instance)

    def resize(self) -> None:
        """Follow the sizes of the rings."""
        if self._configuration is not None:
            for view in self.by_viewpoint.values():
                view.resize(self._rings.sizes_for(self._configuration, view.viewpoint))

    def deltas(self) -> list[Effect]:
        """Begin the next revision of every table that has changed and return the messages for its callers."""
        effects: list[Effect] = []
        for view in self.by_viewpoint.values():
            if view.changed:
                delta = view.advance(self._oldest(view))
                effects += [Send(number, delta) for number in view.sessions]
        return effects

    # ---------------------------------------------------------------- settling

    def due(self) -> float | None:
        """Return when the tables become complete; None if they are, or without a configuration."""
        return None if self._settled or self._configuration is None else self._settles_at

    def settle(self, now: float) -> list[Effect]:
        """Send complete tables to every caller once the tables are no longer partial."""
        due = self.due()
        if due is None or now < due:
            return []
        self._settled = True
        return [
            Send(number, view.table(partial=False))
            for view in self.by_viewpoint.values()
            for number in view.sessions
        ]

    def _reconfigure(self, view: View) -> list[Effect]:
        assert self._configuration is not None
        configuration, viewpoint = self._configuration, view.viewpoint
        tier = find_tier(configuration, viewpoint.tier)
        view.across = tier is not None and EUREKA in tier.dependencies
        dependencies = dependencies_of(configuration, viewpoint, self._region)
        if dependencies == view.dependencies and view.history:
            return []
        view.dependencies = dependencies
        instances = map(instance_of, self._known.values())
        view.members = {i.id: view.place(i) for i in instances if view.includes(i)}
        view.resize(self._rings.sizes_for(configuration, viewpoint))
        view.restart(dependencies, self._oldest(view))
        return [Send(number, view.table(partial=not self._settled)) for number in view.sessions]

    def _oldest(self, view: View) -> int:
        return min((self._sessions[number].acked for number in view.sessions), default=view.revision)
