"""Our API server gives the same answers as Kubernetes' own, field by field.

Both servers get the same calls. Values that differ by nature (UIDs, versions, times) are replaced by names
before answers are compared. Allowed differences are in `allowed.py`, each with its reason.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devserver_support.differential.allowed import may_differ
from devserver_support.differential.calls import (
    APPLY,
    CM,
    CRD,
    DEFINITION,
    LOOSE,
    MERGE,
    PAIRS,
    SVC,
    THING,
    TIGHT,
    TIGHTENED,
    Call,
    custom,
    delete,
    get,
    patch,
    post,
)  # fmt: skip
from devserver_support.differential.comparison import Plain
from devserver_support.differential.control_plane import Both, both_servers
from devserver_support.differential.core_scenarios import REPEATED
from devserver_support.differential.generated import generate
from devserver_support.differential.refused import REFUSED
from devserver_support.differential.scenarios import SCENARIOS
from devserver_support.servers import Answer, Server

ALL = SCENARIOS | REFUSED
WATCHED = (CM, SVC, THING)
SEEDS = [int(each) for each in os.environ.get("KUBE_DEVSERVER_SEEDS", "1 2 3 4 5 6 7 8").split()]
pytestmark = [pytest.mark.differential, pytest.mark.timeout(180)]


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def both() -> Iterator[Both]:
    """Kubernetes' API server and ours, with the custom kind of the scenarios."""
    with both_servers() as made:
        define(made)
        yield made


@pytest.fixture
def namespace(both: Both) -> str:
    """A namespace of the test's own on both."""
    name = f"d-{next(_numbers)}"
    for server in (both.real, both.own):
        assert server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    return name


def define(both: Both) -> None:
    """Create the definition and wait until it is served."""
    for server in (both.real, both.own):
        for body in (DEFINITION, PAIRS, LOOSE):
            made = server.ask("POST", CRD, body)
            assert made.status == 201, made.body["message"]
            group, plural = body["spec"]["group"], body["spec"]["names"]["plural"]
            paths = [f"/apis/{group}/{each['name']}/{plural}" for each in body["spec"]["versions"]]
            while any(server.ask("GET", path).status != 200 for path in paths) or group not in json.dumps(
                server.ask("GET", "/apis").body
            ):
                pass


def run(both: Both, namespace: str, calls: list[Call]) -> list[str]:
    """A description of every difference in a scenario."""
    real, own, found = Plain(), Plain(), []
    marks = [{path: server.ask("GET", path.replace("{ns}",
            namespace)).body["metadata"]["resourceVersion"] for path in WATCHED}
             for server in (both.real, both.own)]  # fmt: skip
    for number, call in enumerate(calls):
        path, body = call.path.replace("{ns}", namespace), call.body
        if isinstance(body, dict):
            body = json.loads(json.dumps(body).replace("{ns}", namespace))
        asked = (call.method, path, body, call.content, call.accept)
        answers = [server.ask(*asked) for server in (both.real, both.own)]
        differences = list(compare(real, own, *answers))
        left = [each for each in differences if not may_differ(call, each)]
        found += [
            f"{number} {call.method} {call.path} {json.dumps(call.body, default=repr)[:150]}\n     {each}"
            for each in left
        ]
    return found + watched(both, namespace, marks, real, own)


def watched(both: Both, namespace: str, marks: list[dict[str, str]], real: Plain, own: Plain) -> list[str]:
    """Differences between watches that begin before the scenario; all of them run at the same time."""
    wanted = [(path, selector) for path in WATCHED for selector in ("", "&labelSelector=n%3Da")]
    found = []
    with ThreadPoolExecutor(2 * len(wanted)) as pool:
        pairs = [
            [pool.submit(history, server, f"{path.replace('{ns}', namespace)}?watch=true{selector}",
                    mark[path])
             for server, mark in zip((both.real, both.own), marks, strict=True)]
            for path, selector in wanted
        ]  # fmt: skip
        for (path, selector), (theirs, ours) in zip(wanted, pairs, strict=True):
            differences = walk("", real(theirs.result()), own(ours.result()))
            found += [
                f"watch {path}{selector}\n     {each}"
                for each in differences
                if not may_differ(get(path), each)
            ]
    return found


def history(server: Server, path: str, after: str) -> list[Any]:
    """The events of a watch from a version until the server ends it."""
    answer = server.ask("GET", f"{path}&resourceVersion={after}&timeoutSeconds=1")
    assert answer.status == 200
    # Kubernetes puts the cluster's authority into every namespace, for tokens that are mounted; ours mounts
    # none
    return [event for event in answer.body if event["object"]["metadata"].get("name") != "kube-root-ca.crt"]


def compare(real: Plain, own: Plain, theirs: Answer, ours: Answer) -> list[str]:
    """Differences of two answers, each with its path and both values."""
    found = [f"status: {theirs.status} != {ours.status}"] if theirs.status != ours.status else []
    warned = [answer.headers.get("Warning") for answer in (theirs, ours)]
    found += [f"warning: {warned[0]} != {warned[1]}"] if warned[0] != warned[1] else []
    return found + list(walk("", unordered(real(steady(theirs.body))), unordered(own(steady(ours.body)))))


def steady(body: Any) -> Any:
    """An answer without the bookmarks of a watch whose number depends on the time that it takes."""
    if not isinstance(body, list):
        return body
    return [
        each
        for each in body
        if each.get("type") != "BOOKMARK" or each["object"]["metadata"].get("annotations")
    ]


def unordered(body: Any) -> Any:
    """A refusal with several causes names them in the random order of a Go map: they are sorted, and the
    message made of them left out.
    """
    details = body.get("details") if isinstance(body, dict) else None
    causes = details.get("causes", []) if isinstance(details, dict) else []
    if len(causes) < 2:
        return body
    ordered = (details or {}) | {
        "causes": sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))
    }
    return {key: value for key, value in body.items() if key != "message"} | {"details": ordered}


def walk(path: str, theirs: Any, ours: Any) -> list[str]:
    """Differences below a path."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted(theirs.keys() | ours.keys()):
            below = f"{path}.{key}"
            if key not in ours:
                found.append(f"{below}: {json.dumps(theirs[key])[:300]} != (absent)")
            elif key not in theirs:
                found.append(f"{below}: (absent) != {json.dumps(ours[key])[:300]}")
            else:
                found += walk(below, theirs[key], ours[key])
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [
            each
            for i, (one, other) in enumerate(zip(theirs, ours, strict=True))
            for each in walk(f"{path}[{i}]", one, other)
        ]
    return (
        []
        if theirs == ours and type(theirs) is type(ours)
        else [f"{path}: {json.dumps(theirs)[:600]} != {json.dumps(ours)[:600]}"]
    )


@pytest.mark.parametrize("name", ALL)
def test_the_same_answers(both: Both, namespace: str, name: str) -> None:
    """Given a scenario, when both servers get its calls, then their answers are the same."""
    found = run(both, namespace, ALL[name])
    assert not found, "\n" + "\n".join(found)


def test_the_same_after_a_schema_has_become_stricter(both: Both, namespace: str) -> None:
    """Given objects that a stricter schema forbids, when they are changed, then both servers ratchet
    alike.
    """
    spec: dict[str, Any] = {"size": 50, "word": "toolong", "plain": ["toolong", "a"], "tags": ["a", "a"],
            "sub": {"a": "x"},
            "parts": [{"name": "a", "v": 50}, {"name": "b", "v": 1}]}  # fmt: skip
    old = custom("Tight", "v1", "a", **spec)
    found = run(both, namespace, [post(TIGHT, old | {"metadata": {"name": "a", "finalizers": ["x.y/z"]}})])
    change = {"spec": {"versions": TIGHTENED["spec"]["versions"]}}
    for server in (both.real, both.own):
        assert server.ask("PATCH", f"{CRD}/tights.more.example.dev", change, MERGE).status == 200
        path = TIGHT.replace("{ns}", namespace)
        while server.ask("POST", f"{path}?dryRun=All", old).status != 422:
            pass
    changes = [{"other": 1}, {"sub": {"a": "z"}}, {"sub": {"b": "z"}},
            {"parts": [{"name": "b", "v": 2}, {"name": "a", "v": 50}]},
               {"parts": [{"name": "b", "v": 2}, {"name": "a", "v": 51}]}, {"plain": ["toolong", "b"]},
               {"tags": ["a", "a", "b"]},
               {"size": 51}, {"size": 5}, {"word": "other"}]  # fmt: skip
    found += run(both, namespace, [
        patch(f"{TIGHT}/a", {"metadata": {"labels": {"a": "b"}}}),
        patch(f"{TIGHT}/a/status", {"status": {"a": "b"}}),
        *(patch(f"{TIGHT}/a", {"spec": each}) for each in changes), get(f"{TIGHT}/a"), delete(f"{TIGHT}/a"),
        patch(f"{TIGHT}/a", {"metadata": {"finalizers": None}}), get(f"{TIGHT}/a"),
    ])  # fmt: skip
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("path", "body"), REPEATED)
def test_a_repeated_apply_keeps_the_version(
    both: Both, namespace: str, path: str, body: dict[str, Any]
) -> None:
    """Given an applied object with empty fields that its controllers have seen, when the same is applied
    again, then neither server changes the version.
    """
    for server in (both.real, both.own):
        at = path.replace("{ns}", namespace)
        made = server.ask("PATCH", f"{at}?fieldManager=one", body, APPLY)
        assert made.status == 201, made.body
        while not is_observed(made.body):
            made = server.ask("GET", at)
        again = server.ask("PATCH", f"{at}?fieldManager=one", body, APPLY)
        assert again.body["metadata"]["resourceVersion"] == made.body["metadata"]["resourceVersion"]


def is_observed(body: dict[str, Any]) -> bool:
    """Whether the controllers have nothing left to write to an object; others than these have none."""
    observed = body.get("status", {}).get("observedGeneration", 0)
    return body["kind"] not in ("Deployment", "PodDisruptionBudget") or bool(
        observed == body["metadata"]["generation"] and body["status"].get("conditions")
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_answers_to_generated_calls(both: Both, namespace: str, seed: int) -> None:
    """Given random calls on a few objects, when both servers get them, then their answers are the same."""
    found = run(both, namespace, generate(random.Random(seed)))
    assert not found, "\n" + "\n".join(found)
