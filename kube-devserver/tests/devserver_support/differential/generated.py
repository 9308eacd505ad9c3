"""Random calls: few objects, several managers and all verbs, so that calls meet each other's results."""

from __future__ import annotations

from random import Random
from typing import Any

from devserver_support.differential.calls import (
    CM,
    DEPLOY,
    JSON,
    MERGE,
    STRATEGIC,
    THING,
    Call,
    apply,
    config_map,
    containers,
    delete,
    get,
    one,
    patch,
    post,
    put,
    thing,
)

CALLS = 40
MANAGERS = ("one", "two", "three")


def generate(random: Random) -> list[Call]:
    """A scenario."""
    makers = (_config_map, _thing, _deployment)
    return [random.choice(makers)(random) for _ in range(CALLS)]


def _some(random: Random, values: dict[str, Any], least: int = 0) -> dict[str, Any]:
    names = random.sample(sorted(values), random.randint(least, len(values)))
    return {name: values[name] for name in names}


def _metadata(random: Random, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if random.random() < 0.4:
        found["labels"] = _some(random, {"n": random.choice("ab"), "m": random.choice("xy")})
    if random.random() < 0.2:
        found["annotations"] = _some(random, {"a/b": random.choice("12")})
    if random.random() < 0.1:
        found["finalizers"] = random.sample(["x.y/z", "x.y/w"], random.randint(0, 2))
    return found


def _send(random: Random, collection: str, name: str, body: dict[str, Any], partial: dict[str, Any]) -> Call:
    """One of the verbs with an object, or with a part of one."""
    path, draw = f"{collection}/{name}", random.random()
    manager = random.choice(MANAGERS)
    if draw < 0.40:
        return apply(path, body, manager, **({"force": "true"} if random.random() < 0.3 else {}))
    if draw < 0.52:
        return post(f"{collection}?fieldManager={manager}", body)
    if draw < 0.60:
        return put(f"{path}?fieldManager={manager}", body)
    if draw < 0.78:
        return patch(f"{path}?fieldManager={manager}", partial, MERGE)
    if draw < 0.84:
        return patch(
            f"{path}?fieldManager={manager}",
            [{"op": "add", "path": "/metadata/labels", "value": {"n": random.choice("ab")}}],
            JSON,
        )
    if draw < 0.90:
        return delete(path)
    return get(path)


def _config_map(random: Random) -> Call:
    name = random.choice("ab")
    values = {key: random.choice(("1", "2", "")) for key in "xyz"}
    body = config_map(name, **_some(random, values)) | {"metadata": _metadata(random, name)}
    gone = {key: None if random.random() < 0.4 else value for key, value in _some(random, values, 1).items()}
    return _send(random, CM, name, body, {"data": gone})


def _thing(random: Random) -> Call:
    name = random.choice("st")
    parts = [_some(random, {"value": random.randint(1, 3),
            "kind": random.choice(("plain", "odd"))}) | {"name": each}
             for each in random.sample("abc", random.randint(0, 3))]  # fmt: skip
    values: dict[str, Any] = {
        "replicas": random.randint(0, 3), "word": random.choice(("hi", "NO")),
        "tags": random.sample(["a", "b", "c"], random.randint(0, 3)),
        "parts": parts, "free": {"k": random.choice((1, [1, 2], {"x": {}}, {}))},
        "plain": [random.randint(0, 2)],
        "labels": _some(random, {"p": "1", "q": "2"}), "port": random.choice((80, "http")),
        "ratio": random.choice((0.5, 1, 2.25)),
        "maybe": random.choice((None, "x")),
    }  # fmt: skip
    body = thing(name, size=random.randint(1, 4), **_some(random, values)) | {
        "metadata": _metadata(random, name)
    }
    gone = {key: None if random.random() < 0.3 else value for key, value in _some(random, values, 1).items()}
    return _send(random, THING, name, body, {"spec": gone})


def _deployment(random: Random) -> Call:
    each = []
    for name in random.sample("xyz", random.randint(1, 3)):
        more = {
            "env": [
                {"name": key, "value": random.choice("12")}
                for key in random.sample("AB", random.randint(0, 2))
            ],
            "ports": [{"containerPort": port} for port in random.sample([80, 81], random.randint(0, 2))],
            "resources": {
                "limits": _some(random, {"cpu": random.choice(("0.5", "1000m")), "memory": "64Mi"})
            },
            "args": random.sample(["-a", "-b"], random.randint(0, 2)),
        }
        each.append(one(name, **_some(random, more)))
    body = containers(*each)
    body["spec"]["paused"] = True  # nothing is rolled out: the controllers have nothing to say
    body["metadata"] = _metadata(random, "a")
    if random.random() < 0.15:
        change = {"spec": {"template": {"spec": {"containers": random.sample(each, len(each))}}}}
        return patch(f"{DEPLOY}/a?fieldManager=three", change, STRATEGIC)
    return _send(
        random,
        DEPLOY,
        "a",
        body,
        {"spec": {"template": {"metadata": {"annotations": {"t": random.choice(("1", None))}}}}},
    )
