"""Events fit into the limits of the API server, which counts bytes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from spiko_operator.cluster.client import Client
from spiko_operator.cluster.events import Recorder
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.conditions import ACCEPTED, Observation, merge_conditions

Object = dict[str, Any]
RESOURCE: Object = {
    "apiVersion": "spiko.dev/v1alpha1",
    "kind": "Architecture",
    "metadata": {"name": "shop", "namespace": "default", "uid": "u"},
}


class Events:
    """Keeps the events."""

    def __init__(self) -> None:
        self.found: list[Object] = []

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Keep an event."""
        self.found.append(body)
        return body


@pytest.mark.parametrize("character", ["x", "ä", "…", "\U0001f600"])
@pytest.mark.parametrize("before", range(4))
async def test_texts_of_events_are_cut_by_bytes(character: str, before: int) -> None:
    """Given texts of characters of one to four bytes, then note, reason and action have at most 1,024, 128
    and 128 bytes, as many as fit, and no character is split.
    """
    events, text = Events(), "-" * before + character * 1100
    await Recorder(cast(Client, events)).emit(Emit("Normal", text, text, text), RESOURCE)

    (event,) = events.found
    for field, most in (("note", 1024), ("reason", 128), ("action", 128)):
        assert most - 3 <= len(event[field].encode()) <= most
        assert text.startswith(event[field].removesuffix("…"))
        assert event[field].endswith("…")


@pytest.mark.parametrize(("note", "expected"), [("ä" * 512, "ä" * 512), ("a\ud800b", "a?b")])
async def test_a_text_that_fits_is_not_cut(note: str, expected: str) -> None:
    """Given a note of exactly 1,024 bytes, then it stays; half of a surrogate pair is replaced."""
    events = Events()
    await Recorder(cast(Client, events)).emit(Emit("Normal", "Valid", note), RESOURCE)

    assert expected == events.found[0]["note"]


def test_messages_of_conditions_are_cut_by_bytes() -> None:
    """Given a long message, then the condition has as much of it as an event's note."""
    (condition,) = merge_conditions([], [Observation(ACCEPTED, "False", "Invalid", "ä" * 4000)], 1, "now")

    assert 1021 <= len(condition["message"].encode()) <= 1024
