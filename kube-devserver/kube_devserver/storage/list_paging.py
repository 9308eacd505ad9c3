"""Lists: what is chosen by selectors, and lists that are read in pieces."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from kube_devserver import api_errors
from kube_devserver.api.request_options import number
from kube_devserver.api_errors import StatusError, bad_request, too_large_version
from kube_devserver.objects.field_selectors import read_terms, required_value
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.selectors import Selection, Test, field_selector, label_selector
from kube_devserver.storage.store import Body, Entry, Store

EXACT, NOT_OLDER = "Exact", "NotOlderThan"  # of resourceVersionMatch
SNAPSHOTS = 32  # lists that are read in pieces at one time
SNAPSHOT_S = 300.0  # as long as Kubernetes' etcd keeps old versions
PODS = ("", "pods")


def chosen(request: web.Request, resource: Resource, namespace: str, name: str = "") -> Selection:
    """What a path and the selectors of a query choose.

    Raises:
        StatusError: 400, a selector cannot be read.
    """
    tests: list[Test] = []
    node, whole = "", False
    if text := request.query.get("labelSelector"):
        tests.append(label_selector(text))
    if text := request.query.get("fieldSelector"):
        custom = tuple(each["jsonPath"].lstrip(".") for each in (resource.custom or {}).get("selectableFields") or ())
        terms = read_terms(text)
        tests.append(field_selector(resource.key, terms, custom))
        whole = any(term.path in custom for term in terms)
        name = name or required_value(terms, "metadata.name")
        node = required_value(terms, "spec.nodeName") if resource.key == PODS else ""
    if name:
        tests.append(lambda body: body["metadata"]["name"] == name)
    test = tests[0] if len(tests) == 1 else lambda body: all(test(body) for test in tests)
    return Selection(namespace, name, node, test if tests else None, whole)


@dataclass(frozen=True)
class _Snapshot:
    """A list whose first piece was read.

    Args:
        of: the resource, the namespace and the selectors of whoever read it.
        entries: all of it.
        until_s: when it is forgotten.
    """

    of: tuple[str, ...]
    entries: list[Entry]
    until_s: float


def check_options(query: Mapping[str, str], watch: bool) -> None:
    """Refuse options of a list or a watch that contradict each other.

    Raises:
        StatusError: 422.

    Source: k8s.io/apimachinery, pkg/apis/meta/internalversion/validation, ValidateListOptions.
    """
    match, found = query.get("resourceVersionMatch", ""), []

    def forbid(text: str) -> None:
        found.append(api_errors.prohibited("resourceVersionMatch", text))

    initial = "sendInitialEvents" in query
    if watch and initial and match != NOT_OLDER:
        forbid(f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}")
    if match and watch and not initial:
        forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if match and not watch and not query.get("resourceVersion"):
        forbid("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and query.get("continue"):
        forbid("resourceVersionMatch is forbidden when continue is provided")
    known = [NOT_OLDER] if watch else [EXACT, NOT_OLDER, ""]
    if match and match not in known:
        found.append(api_errors.unsupported_value("resourceVersionMatch", match, known))
    if match == EXACT and not watch and query.get("resourceVersion") == "0":
        forbid('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if initial and not watch:
        found.append(api_errors.prohibited("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if found:
        raise api_errors.invalid("meta.k8s.io", "ListOptions", "", found)


def asked_version(query: Mapping[str, str], watch: bool) -> int | None:
    """The version that a list or a watch asks for; None if it names none.

    Raises:
        StatusError: 400, or 500 of a watch, as Kubernetes has it: it is no number.
    """
    text = query.get("resourceVersion", "")
    if not text or (text.isascii() and text.isdigit()):
        return int(text) if text else None
    why = f"resourceVersion: Invalid value: {api_errors.show(text)}: strconv.ParseUint: parsing {api_errors.show(text)}: invalid syntax"
    raise StatusError(500, "", why) if watch else bad_request(f"invalid resource version: {why}")


class Lists:
    """Lists of a store; those that are read in pieces are remembered until the last piece, or for five minutes.

    Args:
        store: the objects.
        clock: seconds, from anywhere.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._snapshots: dict[str, _Snapshot] = {}
        self._random = random.Random()  # of tokens

    def page(self, request: web.Request, resource: Resource, chosen: Selection) -> tuple[list[Entry], Body]:
        """Objects of a list, or a piece of it: what is read in pieces is as it was when the first was read.

        Raises:
            StatusError: 400, a number or a token is none; 410, the list is forgotten; 504, a version that has not been.
        """
        query = request.query
        check_options(query, False)
        version, limit = asked_version(query, False), number(query.get("limit"), "limit") or 0
        token = query.get("continue")
        if token and version:
            raise bad_request("specifying resource version is not allowed when using continue")
        if version and version > self._store.revision:
            raise too_large_version(version, self._store.revision)
        if limit < 0 or (version == 0 and not token):  # any version will do: all of it, as Kubernetes does
            limit = 0
        self._expire()
        of = (*resource.key, chosen.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if token:
            name, entries, at = self._resume(token, of)
        else:
            match = query.get("resourceVersionMatch")
            is_exact = match == EXACT or (limit > 0 and not match)  # a piece is of the very version that it names
            shown = version if version and is_exact else self._store.revision
            everything = self._store.entries_at(resource.key, chosen.namespace, shown)
            if everything is None:
                raise api_errors.expired(f"The resourceVersion for the provided list is too old: {shown}")
            entries = [entry for entry in everything if chosen.test is None or chosen.test(entry.body)]
            name, at = f"{shown}.{self._random.getrandbits(48):x}", 0
        metadata: Body = {"resourceVersion": name.partition(".")[0]}
        if not limit or at + limit >= len(entries):
            self._snapshots.pop(name, None)
            return entries[at:], metadata
        self._snapshots.pop(name, None)
        self._snapshots[name] = _Snapshot(of, entries, self._clock() + SNAPSHOT_S)
        while len(self._snapshots) > SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        metadata["continue"] = base64.urlsafe_b64encode(f"{name}/{at + limit}".encode()).decode()
        if chosen.test is None:
            metadata["remainingItemCount"] = len(entries) - at - limit
        return entries[at : at + limit], metadata

    def _expire(self) -> None:
        now_s = self._clock()
        for name in [name for name, snapshot in self._snapshots.items() if snapshot.until_s <= now_s]:
            del self._snapshots[name]

    def _resume(self, text: str, of: tuple[str, ...]) -> tuple[str, list[Entry], int]:
        try:
            name, _, at = base64.urlsafe_b64decode(text).decode().partition("/")
            number = int(at)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        snapshot = self._snapshots.get(name)
        if snapshot is None or number < 0:
            raise api_errors.expired("The provided continue parameter is too old to display a consistent list result. You must start a new list"
                                   " without the continue parameter.")  # fmt: skip
        if snapshot.of != of:
            raise bad_request("invalid continue token: it continues a list of another resource, namespace or selector")
        return name, snapshot.entries, number
