"""The server's metrics in the Prometheus text format, with Kubernetes' names.

Source: kubernetes.io/docs/reference/instrumentation/metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kube_devserver.api.request_parsing import ResourcePath
from kube_devserver.api.verbs import APPLY

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]


def verb_of(method: str, named: bool, watch: bool, content: str) -> str:
    """The verb that Kubernetes counts.

    >>> verb_of("GET", False, False, ""), verb_of("PATCH", True, False, APPLY)
    ('LIST', 'APPLY')
    """
    if watch and method == "GET":
        return "WATCH"
    if content == APPLY and method == "PATCH":
        return "APPLY"
    if not named:
        return {"GET": "LIST", "DELETE": "DELETECOLLECTION"}.get(method, method)
    return method


class Metrics:
    """Counts requests by verb, resource and code."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()

    def count(self, verb: str, path: ResourcePath, code: int) -> None:
        """Count one answered request."""
        labels = {"code": str(code), "component": "apiserver", "group": path.group, "resource": path.plural,
                  "subresource": path.subresource, "verb": verb, "version": path.version}  # fmt: skip
        self._requests[tuple(labels.items())] += 1

    def render(self, objects: Mapping[str, int], watches: int) -> str:
        """The page.

        Args:
            objects: stored ones, by resource.
            watches: that are open.
        """
        families = (
            ("apiserver_request_total", "counter", "Answered requests; ended watches.", self._requests),
            ("apiserver_storage_objects", "gauge", "Objects stored.",
             {(("resource", name),): count for name, count in objects.items()}),
            ("apiserver_longrunning_requests", "gauge", "Watches open now.", {(("verb", "WATCH"),): watches}),
        )  # fmt: skip
        lines = []
        for name, kind, meaning, samples in families:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{{{_text(labels)}}} {count}" for labels, count in sorted(samples.items())]
        return "\n".join(lines) + "\n"


def _text(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
