"""Pure: how an observed object differs from the desired one, and the merge patch that removes the difference.

Spiko owns its objects whole: everything in them that is neither desired nor a default of the API server is a
difference, also if another client wrote it. Only metadata is shared: labels, annotations and owners of others
stay, unless their key begins with `spiko.dev/`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from spiko_operator.plan import names
from spiko_operator.plan.defaults import is_empty
from spiko_operator.plan.objects import Object

_SHARED = frozenset({"apiVersion", "kind", "metadata", "status"})
# Assigned by the API server, or set by `kubectl rollout restart`.
_TOLERATED = {
    "spec": frozenset({"clusterIPs", "ipFamilies", "ipFamilyPolicy"}),
    "spec.template.metadata.annotations": frozenset({"kubectl.kubernetes.io/restartedAt"}),
}
# Maps in which an entry with an empty value differs from a missing one.
_WITH_EMPTY_VALUES = (".labels", ".annotations", ".nodeSelector")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([numkKMGTPE]?)(i?)")
_POWERS = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_ABSENT: Any = object()
_SAME: Any = object()


@dataclass(frozen=True)
class Drift:
    """A difference.

    Args:
        patch: JSON merge patch (RFC 7386) that makes the object the desired one.
        fields: paths of the fields that differ, such as `spec.template.spec.hostNetwork`.
    """

    patch: Object
    fields: tuple[str, ...]


def find_drift(wanted: Object, complete: Object, found: Object) -> Drift | None:
    """Return how an object differs from the desired one; None if it does not.

    Args:
        wanted: the desired object.
        complete: the desired object with the API server's defaults.
        found: the observed object.
    """
    fields: list[str] = []
    patch: Object = {}
    if metadata := _metadata_patch(wanted["metadata"], found["metadata"], fields):
        patch["metadata"] = metadata
    for key in sorted((complete.keys() | found.keys()) - _SHARED):
        if complete.get(key) == found.get(key):
            continue
        change = _compare(wanted.get(key, _ABSENT), complete.get(key, {}), found.get(key, {}), key, fields)
        if change is not _SAME:
            patch[key] = None if key not in wanted else change
    return Drift(patch, tuple(fields)) if patch else None


def has_metadata(wanted: Object, found: Object) -> bool:
    """Return whether observed metadata has the desired labels, annotations and owners."""
    return not _metadata_patch(wanted, found, [])


def _metadata_patch(wanted: Object, found: Object, fields: list[str]) -> Object:
    patch: Object = {}
    for part in ("labels", "annotations"):
        ours, present = wanted.get(part) or {}, found.get(part) or {}
        change = {key: value for key, value in ours.items() if present.get(key) != value}
        change |= {key: None for key in present if key.startswith(names.PREFIX) and key not in ours}
        if change:
            patch[part] = change
            fields += [_join(f"metadata.{part}", key) for key in change]
    owners, present = wanted.get("ownerReferences") or [], found.get("ownerReferences") or []
    if not all(owner in present for owner in owners):
        uids = {owner["uid"] for owner in owners}
        # An object has one controller: one that is gone gives way.
        others = [each for each in present if each["uid"] not in uids and not each.get("controller")]
        patch["ownerReferences"] = others + owners
        fields.append("metadata.ownerReferences")
    return patch


def _compare(wanted: Any, complete: Any, found: Any, path: str, fields: list[str]) -> Any:
    """Return the patch of one value, or _SAME. The paths that differ are added to `fields`."""
    if isinstance(complete, Mapping) and isinstance(found, Mapping):
        patch = {}
        for key in sorted(complete.keys() | found.keys()):
            change = _compare_field(wanted, complete, found, (path, key), fields)
            if change is not _SAME:
                patch[key] = change
        return patch or _SAME
    if isinstance(complete, list) and isinstance(found, list) and len(complete) == len(found):
        parts = wanted if isinstance(wanted, list | tuple) else [_ABSENT] * len(complete)
        pairs = zip(parts, complete, found, strict=True)
        changes = [_compare(w, c, f, f"{path}[{i}]", fields) for i, (w, c, f) in enumerate(pairs)]
        # A merge patch replaces lists whole.
        return _SAME if all(change is _SAME for change in changes) else wanted
    if complete == found or (".resources." in path and _amount(complete) == _amount(found)):
        return _SAME
    fields.append(path)
    return wanted


def _compare_field(
    wanted: Any, complete: Mapping[str, Any], found: Mapping[str, Any], at: tuple[str, str], fields: list[str]
) -> Any:
    path, key = _join(*at), at[1]
    ours = wanted.get(key, _ABSENT) if isinstance(wanted, Mapping) else _ABSENT
    theirs = found.get(key)
    is_missing = theirs is None if at[0].endswith(_WITH_EMPTY_VALUES) else is_empty(theirs)
    if key not in complete:
        if is_missing or key in _TOLERATED.get(at[0], ()):
            return _SAME
        if path in _TOLERATED and isinstance(theirs, Mapping):
            return _compare({}, {}, theirs, path, fields)
        fields.append(path)
        return None
    if is_missing:
        # A default that the API server does not show is not a difference.
        if ours is _ABSENT or (is_empty(ours) and not at[0].endswith(_WITH_EMPTY_VALUES)):
            return _SAME
        fields.append(path)
        return ours
    change = _compare(ours, complete[key], theirs, path, fields)
    return None if change is not _SAME and ours is _ABSENT else change


def _amount(quantity: Any) -> Any:
    """Return a quantity as a number, rounded up to a thousandth as the API server does.

    >>> _amount("0.5") == _amount("500m"), _amount("1024Gi") == _amount("1Ti"), _amount("1M")
    (True, True, 1000000000)
    """
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        return quantity
    number, power, binary = match.groups()
    return math.ceil(Fraction(number) * Fraction(1024 if binary else 1000) ** _POWERS[power] * 1000)


def _join(path: str, key: str) -> str:
    return f"{path}[{key}]" if "." in key or "/" in key else f"{path}.{key}"
