"""Lists: what is chosen by selectors, and lists that are read in pieces."""

from __future__ import annotations

import base64
import random

from aiohttp import web

from spiko_local.apiserver import statuses
from spiko_local.apiserver.asked import Place
from spiko_local.apiserver.catalog import Resource
from spiko_local.apiserver.incoming import number
from spiko_local.apiserver.selectors import Test, field_selector, label_selector
from spiko_local.apiserver.statuses import StatusError, bad_request
from spiko_local.apiserver.store import Body, Entry, Store

SNAPSHOTS = 32  # lists that are read in pieces at one time


def chosen(request: web.Request, resource: Resource, name: str = "") -> Test | None:
    """What the selectors of a query choose; None if they choose all.

    Raises:
        StatusError: 400, a selector cannot be read.
    """
    tests: list[Test] = []
    if text := request.query.get("labelSelector"):
        tests.append(label_selector(text))
    if text := request.query.get("fieldSelector"):
        custom = tuple(each["jsonPath"].lstrip(".") for each in (resource.custom or {}).get("selectableFields") or ())
        tests.append(field_selector(resource.key, text, custom))
    if name:
        tests.append(lambda body: body["metadata"]["name"] == name)
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda body: all(test(body) for test in tests)


class Lists:
    """Lists of a store; those that are read in pieces are remembered for a while.

    Args:
        store: the objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: dict[str, list[Entry]] = {}
        self._random = random.Random()  # of tokens

    def page(
        self, request: web.Request, place: Place, resource: Resource, test: Test | None
    ) -> tuple[list[Entry], Body]:
        """Objects of a list, or a piece of it: what is read in pieces is as it was when the first was read."""
        query = request.query
        version, limit = (
            number(query.get("resourceVersion"), "resourceVersion"),
            number(query.get("limit"), "limit") or 0,
        )
        if version and version > self._store.revision:
            details = {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            }
            raise StatusError(
                504,
                "Timeout",
                f"Timeout: Too large resource version: {version}, current: {self._store.revision}",
                details,
            )
        if query.get("resourceVersionMatch") == "Exact" and version != self._store.revision:
            raise statuses.expired(f"The resourceVersion for the provided list is too old: {version}")
        if token := query.get("continue"):
            token, entries, at = self._resume(token)
        else:
            entries = [
                entry
                for entry in self._store.entries(resource.key, place.namespace)
                if test is None or test(entry.body)
            ]
            token, at = str(self._store.revision), 0
        metadata: Body = {"resourceVersion": token.split(".", maxsplit=1)[0]}
        if limit and at + limit < len(entries):
            token = token if "." in token else f"{token}.{self._random.getrandbits(48):x}"
            self._snapshots[token] = entries
            while len(self._snapshots) > SNAPSHOTS:
                del self._snapshots[next(iter(self._snapshots))]
            metadata["continue"] = base64.urlsafe_b64encode(f"{token}/{at + limit}".encode()).decode()
            if test is None:
                metadata["remainingItemCount"] = len(entries) - at - limit
        return entries[at : at + limit] if limit else entries[at:], metadata

    def _resume(self, text: str) -> tuple[str, list[Entry], int]:
        try:
            token, _, at = base64.urlsafe_b64decode(text).decode().partition("/")
            number = int(at)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        entries = self._snapshots.get(token)
        if entries is None:
            raise statuses.expired("The provided continue parameter is too old to display a consistent list result. You must start a new list"
                                   " without the continue parameter.")  # fmt: skip
        return token, entries, number
