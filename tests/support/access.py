"""Questions to a real API server: may a user do this? Each is one line of text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.support.bare_control_plane import BareControlPlane


def ask(plane: BareControlPlane, user: str, questions: Iterable[str]) -> dict[str, bool]:
    """Return whether a user may do what each question says.

    Args:
        plane: the control plane to ask.
        user: of Kubernetes.
        questions: such as `get apps/deployments web in team-a`: verb, resource with its group and subresource,
            name, namespace. A resource without a group is `secrets`, one of the core group with a subresource
            is `/pods/exec`; without `in`, all namespaces or no namespace are meant.
    """
    asked = list(questions)
    items = [_review(user, question) for question in asked]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    answers = plane.kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}{'\\n'}", given=given)
    return dict(zip(asked, (answer == "true" for answer in answers.split()), strict=True))


def attributes(question: str) -> dict[str, str]:
    """Return the attributes of a question.

    >>> attributes("create /pods/exec web in team-a")
    {'verb': 'create', 'group': '', 'resource': 'pods', 'subresource': 'exec', 'name': 'web', 'namespace': 'team-a'}
    >>> attributes("list spiko.dev/faults")
    {'verb': 'list', 'group': 'spiko.dev', 'resource': 'faults', 'subresource': '', 'name': '', 'namespace': ''}
    """
    what, _, namespace = question.partition(" in ")
    verb, path, *name = what.split()
    group, resource, subresource = ([*path.split("/"), ""] if "/" in path else ["", path, ""])[:3]
    return {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "name": "".join(name),
        "namespace": namespace,
    }


def _review(user: str, question: str) -> dict[str, Any]:
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes(question)},
    }
