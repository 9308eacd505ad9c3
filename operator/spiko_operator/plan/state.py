"""Pure: the state of an Architecture that must survive a restart and cannot be observed: a ConfigMap.

The ConfigMap `<architecture>-state` has the topology, the last accepted spec (compressed), the active
runtime, the identities of all versions that ever ran, the revision of the configuration that the eurekas
have, and whether the architecture was ever Ready. It is created, never applied, before the first Deployment:
of two operators only one creates it.
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
from spiko_operator.plan.objects import Object
from spiko_operator.plan.topology import Topology

FORMAT = "1"


@dataclass(frozen=True)
class ArchitectureState:
    """The owned state. `identities` maps `tier/version` to a hash, also for versions that were removed."""

    topology: Topology
    accepted: Object
    runtime: Object
    runtime_revision: int = 1
    identities: dict[str, str] = field(default_factory=dict)
    configuration_counter: int = 0
    configuration_hash: str = ""
    started: bool = False
    # Whether an earlier state and the copies of its topology were lost, so that a topology was chosen again.
    topology_reassigned: bool = False


def digest(value: Any) -> str:
    """Return a short hash of plain JSON values.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def to_data(state: ArchitectureState) -> dict[str, str]:
    """Return the ConfigMap's data."""
    packed = base64.b64encode(zlib.compress(json.dumps(state.accepted, separators=(",", ":")).encode(), 9))
    plain = {
        "topology": state.topology.to_json(),
        "runtime": state.runtime,
        "runtimeRevision": state.runtime_revision,
        "identities": state.identities,
        "configurationCounter": state.configuration_counter,
        "configurationHash": state.configuration_hash,
        "started": state.started,
        "topologyReassigned": state.topology_reassigned,
    }
    return {
        "format": FORMAT,
        "state.json": json.dumps(plain, sort_keys=True),
        "accepted-spec": packed.decode(),
    }


def from_data(data: Mapping[str, str]) -> ArchitectureState:
    """Return the state from a ConfigMap's data.

    Raises:
        PlanError: the data are damaged.
    """
    try:
        plain = json.loads(data["state.json"])
        return ArchitectureState(
            topology=Topology.from_json(plain["topology"]),
            accepted=json.loads(zlib.decompress(base64.b64decode(data["accepted-spec"]))),
            runtime=plain["runtime"],
            runtime_revision=int(plain["runtimeRevision"]),
            identities=dict(plain["identities"]),
            configuration_counter=int(plain["configurationCounter"]),
            configuration_hash=str(plain["configurationHash"]),
            started=bool(plain["started"]),
            topology_reassigned=bool(plain.get("topologyReassigned", False)),
        )
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise PlanError(f"the state cannot be read: {error!r}") from error


def is_started(data: Mapping[str, str]) -> bool:
    """Return whether the architecture was ever Ready, without parsing the rest of the state; False for
    damaged data.

    >>> is_started({"state.json": '{"started": true}'}), is_started({})
    (True, False)
    """
    try:
        return bool(json.loads(data["state.json"])["started"])
    except (KeyError, ValueError, TypeError):
        return False


def config_map(architecture: str, namespace: str, owner: Object, state: ArchitectureState) -> Object:
    """Return the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.state_name(architecture),
            "namespace": namespace,
            "labels": {names.ARCHITECTURE: architecture},
            "ownerReferences": [owner],
        },
        "data": to_data(state),
    }
