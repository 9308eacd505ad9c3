"""The pods that Faults and chaos monkeys have selected and not recorded yet: no other one may select them.

The record in the status is written after the selection, and meanwhile another worker may select as well.
"""

from __future__ import annotations

from collections.abc import Iterable

Holder = tuple[str, str, str]  # kind, namespace and name of a Fault or an Architecture


class VictimClaims:
    """Claims of one operator. A holder has one claim.

    Attributes:
        unsent: UIDs of the victims of monkeys that this operator recorded, and to which it has sent no
            request yet: if such a pod ends, the monkey has not killed it.
    """

    def __init__(self) -> None:
        self._held: dict[Holder, frozenset[str]] = {}
        self.unsent: set[str] = set()

    def hold(self, holder: Holder, uids: Iterable[str]) -> None:
        """Claim pods, in place of the earlier claim of the holder."""
        self._held[holder] = frozenset(uids)

    def release(self, holder: Holder) -> None:
        """End the claim of a holder: its victims are recorded, or it has none."""
        self._held.pop(holder, None)

    def of_others(self, holder: Holder) -> frozenset[str]:
        """Return the UIDs that other holders claim."""
        return frozenset(uid for other, uids in self._held.items() if other != holder for uid in uids)
