"""Label and field selectors as tests of objects, and the fields of objects that they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kube_devserver.api_errors import Cause, bad_request, prohibited, required, wrong
from kube_devserver.objects.conditions import labels_of
from kube_devserver.objects.field_selectors import Term
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.label_selectors import read_labels
from kube_devserver.objects.names import key_faults, value_faults

Test = Callable[[Body], bool]
FIELDS = {
    ("", "pods"): {
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    },
    ("", "events"): {
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    },
    ("events.k8s.io", "events"): {
        "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
        "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type",
    },
    ("", "nodes"): {"spec.unschedulable"},
    ("", "namespaces"): {"status.phase"},
    ("", "secrets"): {"type"},
    ("", "services"): {"spec.clusterIP", "spec.type"},
    ("apps", "replicasets"): {"status.replicas"},
}  # fmt: skip
_OWN = ("name", "namespace", "labels")  # fields of the metadata that selectors of any kind read
_SOURCE = ("source", "reportingComponent")  # the two fields that the selector `source` of an Event reads


@dataclass(frozen=True)
class Selection:
    """The objects that a list or a watch is about.

    Args:
        namespace: empty for all.
        name: of one object; empty for all.
        node: of pods; empty for all.
        test: of the selectors, including the three above; None selects all.
        whole: whether the test reads fields that a digest does not have.
    """

    namespace: str = ""
    name: str = ""
    node: str = ""
    test: Test | None = None
    whole: bool = False

    @property
    def place(self) -> tuple[str, ...]:
        """The key of watchers in the watch cache: the narrowest of node, name and namespace."""
        if self.node:
            return ("", "", self.node)
        if self.name:
            return (self.namespace, self.name)
        return (self.namespace,) if self.namespace else ()


EVERYTHING = Selection()


def digest(kind: Kind, body: Body) -> Body:
    """The part of an object that selectors read, without the fields that a definition makes selectable.

    >>> spec = {"nodeName": "n", "containers": []}
    >>> digest(("", "pods"), {"metadata": {"name": "a", "uid": "u"}, "spec": spec})
    {'metadata': {'name': 'a'}, 'spec': {'nodeName': 'n'}}
    """
    metadata = body["metadata"]
    found: Body = {"metadata": {name: metadata[name] for name in _OWN if name in metadata}}
    for *parents, last in _DIGESTS.get(kind, ()):
        there: Any = body
        for name in parents:
            there = there.get(name) or {}
        if last in there:
            below = found
            for name in parents:
                below = below.setdefault(name, {})
            below[last] = there[last]
    return found


def _paths(name: str) -> list[tuple[str, ...]]:
    return [(each,) for each in _SOURCE] if name == "source" else [tuple(name.split("."))]


_DIGESTS = {kind: tuple(path for n in sorted(names) for path in _paths(n)) for kind, names in FIELDS.items()}


def label_selector(text: str) -> Test:
    """A test of an object's labels.

    Raises:
        StatusError: 400, the text is not a selector.

    >>> test = label_selector("a=b,c notin (d,e),!f")
    >>> test({"metadata": {"labels": {"a": "b"}}}), test({"metadata": {"labels": {"a": "b", "c": "d"}}})
    (True, False)
    """
    tests = read_labels(text)

    def matches(body: Body) -> bool:
        labels = labels_of(body)
        return all(test(labels) for test in tests)

    return matches


def field_selector(kind: Kind, terms: Iterable[Term], selectable: tuple[str, ...] = ()) -> Test:
    """A test of an object's fields.

    Args:
        kind: group and plural.
        terms: of a query's field selector.
        selectable: paths that a custom kind allows.

    Raises:
        StatusError: 400, the kind does not support a field.
    """
    tests = []
    known = {"metadata.name", "metadata.namespace", *FIELDS.get(kind, ()), *selectable}
    for path, equal, value in terms:
        if path not in known:
            raise bad_request(
                f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
                if kind not in FIELDS
                else f"field label not supported: {path}"
            )
        tests.append((tuple(path.split(".")), equal, value))
    return lambda body: all((_at(body, path) == value) == equal for path, equal, value in tests)


def _at(body: Body, path: tuple[str, ...]) -> str:
    value: Any = body
    if path == ("source",):
        return str(body.get("source", {}).get("component") or body.get("reportingComponent") or "")
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return {"unschedulable": "false", "hostNetwork": "false", "replicas": "0"}.get(path[-1], "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def matches_selector(selector: Body | None, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector matches labels; None and an invalid one do not, an empty one does.

    >>> invalid = {"key": "a", "operator": "in", "values": ["b"]}
    >>> matches_selector({"matchExpressions": [invalid]}, {"a": "b"})
    False
    """
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or ():
        value, values = labels.get(each.get("key", "")), each.get("values") or ()
        good = {
            "In": value in values, "NotIn": value not in values,
            "Exists": value is not None, "DoesNotExist": value is None,
        }.get(each.get("operator", ""), False)  # fmt: skip
        if not good:
            return False
    return True


def selector_faults(selector: Body | None, path: str) -> list[Cause]:
    """Every error of a LabelSelector. After ValidateLabelSelector of k8s.io/apimachinery.

    Args:
        selector: the selector; None has no errors.
        path: of the selector, for messages.
    """
    found = label_faults((selector or {}).get("matchLabels") or {}, f"{path}.matchLabels")
    for i, each in enumerate((selector or {}).get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{i}]"
        found += operator_faults(each, where) + [
            wrong(f"{where}.key", each.get("key", ""), text) for text in key_faults(each.get("key", ""))
        ]
        for j, value in enumerate(each.get("values") or ()):
            found += [wrong(f"{where}.values[{j}]", value, text) for text in value_faults(value)]
    return found


def operator_faults(expression: Body, path: str, compares: bool = False) -> list[Cause]:
    """Errors of an expression's operator, or of the number of its values.

    Args:
        expression: of a selector's `matchExpressions`.
        path: of the expression.
        compares: whether `Gt` and `Lt` are valid operators, as in selectors of nodes.
    """
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    match operator:
        case "In" | "NotIn":
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            return [] if values else [required(f"{path}.values", text)]
        case "Exists" | "DoesNotExist":
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            return [prohibited(f"{path}.values", text)] if values else []
        case "Gt" | "Lt" if compares:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            return [] if len(values) == 1 else [required(f"{path}.values", text)]
    return [wrong(f"{path}.operator", operator, "not a valid selector operator")]


def label_faults(labels: dict[str, str], path: str) -> list[Cause]:
    """Every error of labels; all have the path of the whole map."""
    found = []
    for key, value in labels.items():
        found += [wrong(path, key, text) for text in key_faults(key)]
        found += [wrong(path, value, text) for text in value_faults(value)]
    return found


def format_selector(selector: Body | None) -> str:
    """A LabelSelector in one line, sorted by key."""
    if selector is None:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        operator = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append((key, operator[each["operator"]]))
    return ",".join(text for _, text in sorted(parts)) or "<none>"
