"""The identity of a version (package, image, behavior) is immutable: CEL rules of the API server, and the
size limits of a spec.

The operator rejects all Architectures in this module, because their victim is not a tier, so no pods are
created.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from spiko_operator.api.common import MAX_SERVICES, MAX_VERSIONS
from tests.support.architectures import Object, architecture, service
from tests.support.local_cluster import Cluster

pytestmark = pytest.mark.e2e

ADD = "add a version"
FIRST = "the first list of versions must contain 1.0.0"
FAST: Object = {"serviceTime": {"constant": {"microseconds": 100}}}
SLOW: Object = {"serviceTime": {"constant": {"microseconds": 900}}}


def v(version: str, **more: Any) -> Object:
    """Return one entry of `versions`."""
    return {"version": version, **more}


def web(**more: Any) -> Object:
    """Return the service under test, of package monolith by default."""
    return {"name": "web", "package": "monolith", "count": 3, "regions": 1, "dependencies": ["db"], **more}


def split(**weights: int) -> Object:
    """Return a routing with weights: v100=90 is 90 percent for 1.0.0."""
    return {"split": [{"version": ".".join(name[1:]), "weight": weight} for name, weight in weights.items()]}


DB = service("db", "store", 2)
LB = service("lb", "elb", 0, "web")


@dataclass(frozen=True)
class Transition:
    """A change from one spec to another.

    `refusal` is the message of the API server, or empty if it accepts the change.
    """

    before: tuple[Object, ...]
    after: tuple[Object, ...]
    refusal: str = ""
    more: tuple[tuple[str, Any], ...] = ()


def change(before: Object, after: Object, refusal: str = "", **more: Any) -> Transition:
    """Return a change of one service, with other services unchanged; `more` is added to the new spec."""
    return Transition((DB, before), (DB, after), refusal, tuple(more.items()))


ACCEPTED = {
    "nothing changes": change(web(behavior=FAST), web(behavior=FAST)),
    "a version with its own identity is added": change(
        web(versions=[v("1.0.0")]),
        web(versions=[v("1.0.0"), v("1.1.0", package="karyon", image="other:2", behavior=SLOW)]),
    ),
    "the implicit 1.0.0 is declared": change(web(), web(versions=[v("1.0.0")])),
    "the implicit 1.0.0 is declared with what it inherited": change(
        web(image="mine:1", behavior=FAST),
        web(versions=[v("1.0.0", package="monolith", image="mine:1", behavior=FAST)]),
    ),
    "the first list has 1.0.0 and more": change(web(), web(versions=[v("1.1.0", behavior=SLOW), v("1.0.0")])),
    "the only entry 1.0.0 is left out again": change(web(versions=[v("1.0.0", replicas=2)]), web()),
    "1.0.0 is added as the implicit version": change(web(versions=[v("1.1.0", image="other:2")]), web()),
    "a version is removed": change(
        web(versions=[v("1.0.0"), v("1.1.0", behavior=SLOW)]), web(versions=[v("1.0.0")])
    ),
    "1.0.0 is removed when there is another": change(
        web(versions=[v("1.0.0"), v("1.1.0", behavior=SLOW)]), web(versions=[v("1.1.0", behavior=SLOW)])
    ),
    "versions are reordered": change(
        web(versions=[v("1.0.0"), v("1.1.0", image="other:2")]),
        web(versions=[v("1.1.0", image="other:2"), v("1.0.0")]),
    ),
    "services are reordered": Transition((DB, web(behavior=FAST), LB), (LB, web(behavior=FAST), DB)),
    "a service is added": Transition((DB,), (DB, web(behavior=FAST, image="mine:1"))),
    "a service is removed": Transition((DB, web(behavior=FAST)), (DB,)),
    "a service is renamed": change(web(behavior=FAST), web(behavior=SLOW) | {"name": "web2"}),
    "an image moves from the service to its entries": change(
        web(image="mine:1", versions=[v("1.0.0"), v("1.1.0")]),
        web(versions=[v("1.0.0", image="mine:1"), v("1.1.0", image="mine:1")]),
    ),
    "a behavior moves from its entries to the service": change(
        web(versions=[v("1.0.0", behavior=FAST), v("1.1.0", behavior=FAST)]),
        web(behavior=FAST, versions=[v("1.0.0"), v("1.1.0")]),
    ),
    "the service's identity changes and every entry has its own": change(
        web(
            image="a:1", behavior=FAST, versions=[v("1.0.0", package="monolith", image="mine:1", behavior={})]
        ),
        web(
            package="karyon",
            image="b:1",
            behavior=SLOW,
            versions=[v("1.0.0", package="monolith", image="mine:1", behavior={})],
        ),
    ),
    "no behavior and an empty one are the same": change(web(), web(behavior={}, versions=[v("1.0.0")])),
    "count, regions, dependencies and rate change": change(
        web(), web(count=9, regions=2, load={"ratePerSecond": 5}) | {"dependencies": ["db", "web"]}
    ),
    "scale and runtime change": change(
        web(behavior=FAST), web(behavior=FAST), scale=250, runtime={"image": "x:1"}
    ),
    "weights and replicas change": change(
        web(versions=[v("1.0.0"), v("1.1.0", replicas=1)], routing=split(v100=90, v110=10)),
        web(versions=[v("1.0.0", replicas=0), v("1.1.0", replicas=8)], routing=split(v100=0, v110=100)),
    ),
}

REFUSED = {
    "the implicit version's package changes": change(web(), web(package="karyon"), f"package .*{ADD}"),
    "the implicit version's image changes": change(
        web(image="mine:1"), web(image="mine:2"), f"image .*{ADD}"
    ),
    "the implicit version's image is set": change(web(), web(image="mine:1"), f"image .*{ADD}"),
    "the implicit version's image is unset": change(web(image="mine:1"), web(), f"image .*{ADD}"),
    "the implicit version's behavior changes": change(
        web(behavior=FAST), web(behavior=SLOW), f"behavior .*{ADD}"
    ),
    "the implicit version's behavior grows": change(
        web(behavior=FAST), web(behavior=FAST | {"errorsPerMillion": 1}), f"behavior .*{ADD}"
    ),
    "a default is written explicitly": change(
        web(), web(behavior={"errorsPerMillion": 0}), f"behavior .*{ADD}"
    ),
    "an entry's package changes": change(
        web(versions=[v("1.0.0", package="karyon")]),
        web(versions=[v("1.0.0", package="zuul")]),
        f"package .*{ADD}",
    ),
    "an entry's image changes": change(
        web(versions=[v("1.0.0"), v("1.1.0", image="other:1")]),
        web(versions=[v("1.0.0"), v("1.1.0", image="other:2")]),
        f"image .*{ADD}",
    ),
    "an entry's behavior changes, and another version is added": change(
        web(versions=[v("1.0.0", behavior=FAST)]),
        web(versions=[v("1.0.0", behavior=SLOW), v("1.1.0")]),
        f"behavior .*{ADD}",
    ),
    "an entry's empty behavior hides the service's": change(
        web(behavior=FAST, versions=[v("1.0.0")]),
        web(behavior=FAST, versions=[v("1.0.0", behavior={})]),
        f"behavior .*{ADD}",
    ),
    "the service's package changes under an entry that inherits it": change(
        web(versions=[v("1.0.0", package="monolith"), v("1.1.0")]),
        web(package="karyon", versions=[v("1.0.0", package="monolith"), v("1.1.0")]),
        f"package .*{ADD}",
    ),
    "the service's image changes under an entry that inherits it": change(
        web(image="mine:1", versions=[v("1.0.0", image="own:1"), v("1.1.0")]),
        web(image="mine:2", versions=[v("1.0.0", image="own:1"), v("1.1.0")]),
        f"image .*{ADD}",
    ),
    "a behavior moves from the service to one of two entries": change(
        web(behavior=FAST, versions=[v("1.0.0"), v("1.1.0")]),
        web(versions=[v("1.0.0", behavior=FAST), v("1.1.0")]),
        f"behavior .*{ADD}",
    ),
    "an entry's image is left to a service with another": change(
        web(image="mine:1", versions=[v("1.0.0", image="own:1")]),
        web(image="mine:1", versions=[v("1.0.0")]),
        f"image .*{ADD}",
    ),
    "the implicit 1.0.0 is declared with another identity": change(
        web(), web(versions=[v("1.0.0", behavior=FAST), v("1.1.0")]), f"behavior .*{ADD}"
    ),
    "an entry 1.0.0 with an image of its own is left out": change(
        web(versions=[v("1.0.0", image="own:1")]), web(), f"image .*{ADD}"
    ),
    "a service is replaced by another of the same name": Transition(
        (DB, web(), LB), (DB, LB, web(package="karyon")), f"package .*{ADD}"
    ),
    "the first list lacks 1.0.0": change(web(), web(versions=[v("1.1.0")]), FIRST),
}


ROWS = ACCEPTED | REFUSED


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[str]:
    """A namespace for all tests, in which no pods are created."""
    cluster.kubectl("create", "namespace", "identity")
    yield "identity"
    cluster.kubectl("delete", "namespace", "identity", "--wait=false", check=False)


def send(cluster: Cluster, verb: str, body: Object, space: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl VERB -f -` with an Architecture that the operator rejects."""
    text = json.dumps(body | {"spec": body["spec"] | {"victim": "unknown"}})
    return cluster.kubectl(*verb.split(), "-n", space, "-f", "-", stdin=text, check=False)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=list(ROWS))
def test_a_versions_identity_never_changes(cluster: Cluster, space: str, number: int) -> None:
    """Given a change of package, image or behavior of a version, then apply and replace reject it with a
    remedy; other changes are accepted.
    """
    row = list(ROWS.values())[number]
    name = f"row-{number}"
    made = send(cluster, "apply --server-side", architecture(name, *row.before), space)
    assert made.returncode == 0, made.stderr
    # A later write of the operator would conflict with the replace.
    cluster.until("the status", lambda: _is_answered(cluster, name, space))
    after = architecture(name, *row.after, **dict(row.more))
    applied = send(cluster, "apply --server-side --dry-run=server", after, space)
    replaced = send(cluster, "replace --dry-run=server", after, space)

    for done in (applied, replaced):
        assert (done.returncode == 0) == (not row.refusal), done.stderr
        assert re.search(row.refusal, done.stderr)


def wide(name: str, services: int, versions: int, count: int = 1) -> Object:
    """Return an Architecture of many services without dependencies, each version of
    which has its own image.
    """
    entries = [v(f"1.{i}.0", image=f"registry.example/spiko:1.{i}") for i in range(versions)]
    tiers = [
        {"name": f"s{i}", "package": "store", "count": count, "versions": entries} for i in range(services)
    ]
    return architecture(name, *tiers)


@pytest.mark.long
def test_largest_spec_is_within_the_cost_limit(cluster: Cluster, space: str) -> None:
    """Given 1,000 services of 8 versions, then they are created and updated in less than 30 s each, etcd
    stores the object, and a changed identity is rejected.
    """
    took_s = []
    for verb, count in (("create", 1), ("replace", 2)):
        began = time.monotonic()
        done = send(cluster, verb, wide("wide", MAX_SERVICES, MAX_VERSIONS, count), space)
        took_s.append(time.monotonic() - began)
        assert (done.returncode, done.stderr) == (0, "")
        # A later write of the operator would conflict with the replace.
        cluster.until("the status", lambda: _is_answered(cluster, "wide", space))
    other = wide("wide", MAX_SERVICES, MAX_VERSIONS, count=2)
    other["spec"]["services"][-1]["versions"] = [v("1.7.0", image="other:1")]
    refused = send(cluster, "replace", other, space)

    assert max(took_s) < 30
    assert refused.returncode == 1
    assert re.search(f"image .*{ADD}", refused.stderr)
    assert cluster.condition("arch", "wide", "Accepted", space)["reason"] == "TooManyPods"


def _is_answered(cluster: Cluster, name: str, space: str) -> bool:
    body = cluster.get("arch", name, space)
    return bool(body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"])


@pytest.mark.parametrize(
    ("services", "versions", "message"),
    [
        (
            MAX_SERVICES + 1,
            1,
            f"spec.services: Too many: {MAX_SERVICES + 1}: must have at most {MAX_SERVICES} items",
        ),
        (
            1,
            MAX_VERSIONS + 1,
            f"versions: Too many: {MAX_VERSIONS + 1}: must have at most {MAX_VERSIONS} items",
        ),
    ],
    ids=["a service too many", "a version too many"],
)
def test_spec_above_a_limit_is_rejected(
    cluster: Cluster, space: str, services: int, versions: int, message: str
) -> None:
    """Given one entry more than a limit of the schema, then the rejection names field, number and limit."""
    refused = send(cluster, "create", wide("wider", services, versions), space)

    assert refused.returncode == 1
    assert message in refused.stderr
