"""Events, which have two spellings: `v1` and `events.k8s.io/v1`. They are the same objects, stored as `v1`.

Source: Kubernetes, pkg/apis/events/v1/conversion.go and pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from kube_devserver.api_errors import Cause, required, wrong
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.names import key_faults

GROUP = "events.k8s.io"
_RENAMED = {  # core -> new
    "message": "note", "involvedObject": "regarding", "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount", "reportingComponent": "reportingController",
}  # fmt: skip
_BACK = {new: core for core, new in _RENAMED.items()}
# Fields that Go writes even if they are empty, in the one spelling and not in the other.
CORE_ALWAYS: Body = {
    "firstTimestamp": None, "lastTimestamp": None, "reportingComponent": "", "reportingInstance": "",
    "eventTime": None, "source": {}, "involvedObject": {},
}  # fmt: skip
_FIXED = (
    "involvedObject", "reason", "message", "firstTimestamp", "lastTimestamp", "count", "reason", "type",
    "reportingComponent", "reportingInstance", "action", "related",
)  # fmt: skip
_NEW_ALWAYS = (
    "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedSource", "regarding", "eventTime",
)  # fmt: skip
MOST_TEXT, MOST_NOTE = 128, 1024


def to_new(body: Body) -> Body:
    """Convert from `v1` to `events.k8s.io/v1`.

    >>> to_new({"message": "m", "reportingInstance": "", "source": {}})["note"]
    'm'
    """
    found = {_RENAMED.get(key, key): value for key, value in body.items()}
    found = {key: value for key, value in found.items() if key in _NEW_ALWAYS or value not in ("", None, 0)}
    return found | {"apiVersion": f"{GROUP}/v1", "kind": "Event"}


def to_core(body: Body) -> Body:
    """Convert from `events.k8s.io/v1` to `v1`.

    >>> to_core({"note": "m"})["message"]
    'm'
    """
    found = {_BACK.get(key, key): value for key, value in body.items()}
    return CORE_ALWAYS | found | {"apiVersion": "v1", "kind": "Event"}


def written_out(body: Body) -> Body:
    """A `v1` Event with its empty fields, which no manager owns."""
    return body | {key: value for key, value in CORE_ALWAYS.items() if body.get(key) is None}


def core_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a `v1` Event."""
    return _common(body, body["metadata"].get("namespace", ""), "reportingComponent")


def faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of an `events.k8s.io/v1` Event; as in Kubernetes, fields have their `v1` names."""
    core = to_core(body)
    if old is not None:
        return _changes(core, to_core(old))
    found = [] if core["eventTime"] else [required("eventTime")]
    found += _common(core, body["metadata"].get("namespace", ""), "reportingController")
    series = core.get("series")
    if series is not None:
        text = "should be at least 2"
        found += [wrong("series.count", "", text)] if int(series.get("count") or 0) < 2 else []
        found += [] if series.get("lastObservedTime") else [required("series.lastObservedTime")]
    if core.get("type") not in ("Normal", "Warning"):
        found.append(wrong("type", "", f"has invalid value: {core.get('type') or ''}"))
    unset = ("firstTimestamp", "lastTimestamp", "count", "source")
    return found + [wrong(name, "", "needs to be unset") for name in unset if core.get(name)]


def _common(core: Body, namespace: str, controller: str) -> list[Cause]:
    """Errors that both groups share; few fields are checked without an eventTime (old clients)."""
    where = str((core.get("involvedObject") or {}).get("namespace") or "")
    misplaced = where != namespace if where else namespace not in ("", "default", "kube-system")
    found = [wrong("involvedObject.namespace", where, "does not match event.namespace")] if misplaced else []
    if not core.get("eventTime"):
        return found
    name = str(core.get("reportingComponent") or "")
    found += [wrong(controller, name, text) for text in key_faults(name)]
    found += [] if name else [required(controller)]
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
    """Errors of an update: a series may grow, but the description of what happened is immutable."""
    changed = [name for name in _FIXED if core.get(name) != old.get(name)]
    return [wrong(name, core.get(name), "field is immutable") for name in changed]
