"""Pure: the memory of an Architecture, `<arch>-state`: what must survive a restart and cannot be read off anything else.

It holds the topology, the last accepted spec (compressed), the runtime in force, the identities of all versions ever run, the revision of
the configuration that the eurekas were given, and whether the architecture was ever ready. It is created, never applied, before the first
Deployment: of two operators only one creates it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spiko_operator.errors import PlanError
from spiko_operator.plan import names
from spiko_operator.plan.topology import Topology

FORMAT = "1"


@dataclass(frozen=True)
class Memory:
    """Everything that is remembered. `identities` maps `tier/version` to a hash, also of versions that were removed."""

    topology: Topology
    accepted: dict[str, Any]
    runtime: dict[str, Any]
    runtime_revision: int = 1
    identities: dict[str, str] = field(default_factory=dict)
    configuration_counter: int = 0
    configuration_hash: str = ""
    started: bool = False
    chosen_anew: bool = False  # the topology, since this memory and its copies were lost


def digest(value: Any) -> str:
    """A short hash of plain JSON values.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def to_data(memory: Memory) -> dict[str, str]:
    """The ConfigMap's data."""
    packed = base64.b64encode(zlib.compress(json.dumps(memory.accepted, separators=(",", ":")).encode(), 9))
    plain = {
        "topology": memory.topology.to_json(),
        "runtime": memory.runtime,
        "runtimeRevision": memory.runtime_revision,
        "identities": memory.identities,
        "configurationCounter": memory.configuration_counter,
        "configurationHash": memory.configuration_hash,
        "started": memory.started,
        "chosenAnew": memory.chosen_anew,
    }
    return {"format": FORMAT, "state.json": json.dumps(plain, sort_keys=True), "accepted-spec": packed.decode()}


def from_data(data: Mapping[str, str]) -> Memory:
    """Inverse of `to_data`.

    Raises:
        PlanError: somebody has damaged it.

    """
    try:
        plain = json.loads(data["state.json"])
        return Memory(
            topology=Topology.from_json(plain["topology"]),
            accepted=json.loads(zlib.decompress(base64.b64decode(data["accepted-spec"]))),
            runtime=plain["runtime"],
            runtime_revision=int(plain["runtimeRevision"]),
            identities=dict(plain["identities"]),
            configuration_counter=int(plain["configurationCounter"]),
            configuration_hash=str(plain["configurationHash"]),
            started=bool(plain["started"]),
            chosen_anew=bool(plain.get("chosenAnew", False)),
        )
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise PlanError(f"the memory cannot be read: {error!r}") from error


def config_map(architecture: str, namespace: str, owner: dict[str, Any], memory: Memory) -> dict[str, Any]:
    """The whole object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.state_name(architecture),
            "namespace": namespace,
            "labels": {names.ARCHITECTURE: architecture},
            "ownerReferences": [owner],
        },
        "data": to_data(memory),
    }
