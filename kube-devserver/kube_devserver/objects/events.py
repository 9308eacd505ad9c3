"""Pure: Events have two spellings, of `v1` and of `events.k8s.io/v1`; they are the same objects, kept in the first.

Source: Kubernetes, pkg/apis/events/v1/conversion.go and pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from kube_devserver.api_errors import Cause, required, wrong
from kube_devserver.objects.names import key_faults
from kube_devserver.storage.store import Alias, Body

GROUP = "events.k8s.io"
CORE, NEW = ("", "events"), (GROUP, "events")
_RENAMED = {  # core -> new
    "message": "note",
    "involvedObject": "regarding",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: core for core, new in _RENAMED.items()}
# what Go writes even if it is empty, in the one spelling and not in the other
CORE_ALWAYS: Body = {"firstTimestamp": None, "lastTimestamp": None, "reportingComponent": "", "reportingInstance": "",
                     "eventTime": None, "source": {}, "involvedObject": {}}  # fmt: skip
_NEW_ALWAYS = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedSource", "regarding", "eventTime")
MOST_TEXT, MOST_NOTE = 128, 1024


def to_new(body: Body) -> Body:
    """From `v1` to `events.k8s.io/v1`.

    >>> to_new({"message": "m", "reportingInstance": "", "source": {}})["note"]
    'm'
    """
    found = {_RENAMED.get(key, key): value for key, value in body.items()}
    found = {key: value for key, value in found.items() if key in _NEW_ALWAYS or value not in ("", None, 0)}
    return found | {"apiVersion": f"{GROUP}/v1", "kind": "Event"}


def to_core(body: Body) -> Body:
    """From `events.k8s.io/v1` to `v1`.

    >>> to_core({"note": "m"})["message"]
    'm'
    """
    found = {_BACK.get(key, key): value for key, value in body.items()}
    return CORE_ALWAYS | found | {"apiVersion": "v1", "kind": "Event"}


ALIASES = {NEW: Alias(CORE, to_new, to_core)}


def written_out(body: Body) -> Body:
    """Of the old spelling: what is not there is written as empty, and is nobody's."""
    return body | {key: value for key, value in CORE_ALWAYS.items() if body.get(key) is None}


def core_faults(body: Body, old: Body | None) -> list[Cause]:
    """What is wrong with an Event of the old spelling."""
    return _common(body, body["metadata"].get("namespace", ""), "reportingComponent")


def faults(body: Body, old: Body | None) -> list[Cause]:
    """What is wrong with an Event of the new spelling; fields are named as in the old one, as Kubernetes does."""
    core = to_core(body)
    if old is not None:
        return _changes(core, to_core(old))
    found = [] if core["eventTime"] else [required("eventTime")]
    found += _common(core, body["metadata"].get("namespace", ""), "reportingController")
    series = core.get("series")
    if series is not None:
        found += [wrong("series.count", "", "should be at least 2")] if int(series.get("count") or 0) < 2 else []
        found += [] if series.get("lastObservedTime") else [required("series.lastObservedTime")]
    if core.get("type") not in ("Normal", "Warning"):
        found.append(wrong("type", "", f"has invalid value: {core.get('type') or ''}"))
    unset = {"firstTimestamp": core["firstTimestamp"], "lastTimestamp": core["lastTimestamp"], "count": core.get("count"),
             "source": core["source"]}  # fmt: skip
    return found + [wrong(name, "", "needs to be unset") for name, value in unset.items() if value]


def _common(core: Body, namespace: str, controller: str) -> list[Cause]:
    """What holds for both: little for an Event without a time, as old clients make them."""
    where = str((core.get("involvedObject") or {}).get("namespace") or "")
    misplaced = where != namespace if where else namespace not in ("", "default", "kube-system")
    found = [wrong("involvedObject.namespace", where, "does not match event.namespace")] if misplaced else []
    if not core.get("eventTime"):
        return found
    name = str(core.get("reportingComponent") or "")
    found += [wrong(controller, name, text) for text in key_faults(name)] + ([] if name else [required(controller)])
    for field in ("reportingInstance", "action", "reason"):
        value = str(core.get(field) or "")
        if not value:
            found.append(required(field))
        elif len(value.encode()) > MOST_TEXT:
            found.append(wrong(field, "", f"can have at most {MOST_TEXT} characters"))
    if len(str(core.get("message") or "").encode()) > MOST_NOTE:
        found.append(wrong("message", "", f"can have at most {MOST_NOTE} characters"))
    return found


def _changes(core: Body, old: Body) -> list[Cause]:
    """A series may grow; what happened stays as it was."""
    return [
        wrong(name, core.get(name), "field is immutable")
        for name in ("involvedObject", "reason", "message", "firstTimestamp", "lastTimestamp", "count", "reason", "type",
                     "reportingComponent", "reportingInstance", "action", "related")
        if core.get(name) != old.get(name)
    ]  # fmt: skip
