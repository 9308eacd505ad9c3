"""Questions to a real API server: may a user do this?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.support.bare_control_plane import BareControlPlane


class Question(NamedTuple):
    """The attributes of one request; an empty namespace is all namespaces, or none."""

    verb: str
    group: str
    resource: str
    subresource: str
    name: str
    namespace: str


def questions(table: Mapping[str, str], namespace: str = "") -> Iterator[Question]:
    """Return the questions of a table from resources to verbs.

    >>> [tuple(each) for each in questions({"core/pods/exec web": "get create"}, "a")]
    [('get', '', 'pods', 'exec', 'web', 'a'), ('create', '', 'pods', 'exec', 'web', 'a')]
    """
    for what, verbs in table.items():
        path, _, name = what.partition(" ")
        group, resource, subresource = [*path.split("/"), ""][:3]
        group = "" if group == "core" else group
        for verb in verbs.split():
            yield Question(verb, group, resource, subresource, name, namespace)


def ask(plane: BareControlPlane, user: str, asked: list[Question]) -> tuple[list[Question], list[Question]]:
    """Return the questions that the API server answers with yes, and those that it answers with no."""
    items = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": question._asdict()},
        }
        for question in asked
    ]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    output = "jsonpath={.status.allowed}{'\\n'}"
    answers = plane.kubectl("create", "-f", "-", "-o", output, given=given).split()
    assert len(answers) == len(asked)
    pairs = list(zip(asked, answers, strict=True))
    return [each for each, answer in pairs if answer == "true"], [
        each for each, answer in pairs if answer == "false"
    ]
