"""Pure: the state of an Architecture that must survive a restart and cannot be observed: a ConfigMap.

The ConfigMap `<architecture>-state` has the topology, the last accepted spec (compressed), the active
runtime, the identities of all versions that ever ran, the revision of the configuration that the eurekas
have, and whether the architecture was ever Ready. It is signed with a key that only the operator has, so that
a state which another user has changed is not used. It is created, never applied, before the first Deployment:
of two operators only one creates it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spiko_nanoservice.contract import Revision, parse_json, parse_object
from spiko_nanoservice.contract.bounds import MOST_COUNTER, MOST_TERM
from spiko_operator.errors import PlanError
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object
from spiko_operator.plan.topology import Topology

FORMAT = "2"
NO_REVISION = Revision(0, 0)
MOST_SPEC_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class ArchitectureState:
    """The owned state. `identities` maps `tier/version` to a hash, also for versions that were removed."""

    topology: Topology
    accepted: Object
    runtime: Object
    runtime_revision: int = 1
    identities: dict[str, str] = field(default_factory=dict)
    # Of the last configuration, and a hash of its content.
    revision: Revision = NO_REVISION
    configuration_hash: str = ""
    started: bool = False
    # Whether an earlier state and the copies of its topology were lost, so that a topology was chosen again.
    topology_reassigned: bool = False
    # The generation of the spec from which a lost state was rebuilt; 0 if it never was.
    rebuilt_generation: int = 0


class StoredState(BaseModel):
    """The document `state.json`, in which every field is checked when it is read."""

    model_config = ConfigDict(strict=True, extra="forbid")

    topology: list[dict[str, Any]]
    runtime: Object
    runtimeRevision: int = Field(ge=1, le=2**31)
    identities: dict[str, str]
    configurationTerm: int = Field(ge=0, le=MOST_TERM)
    configurationCounter: int = Field(ge=0, le=MOST_COUNTER)
    configurationHash: str
    started: bool
    topologyReassigned: bool
    rebuiltGeneration: int = Field(ge=0)


def digest(value: Any) -> str:
    """Return a short hash of plain JSON values.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def to_data(state: ArchitectureState, key: bytes) -> dict[str, str]:
    """Return the ConfigMap's data, signed with the state key of the Architecture."""
    packed = base64.b64encode(zlib.compress(json.dumps(state.accepted, separators=(",", ":")).encode(), 9))
    stored = StoredState(
        topology=state.topology.to_json(),
        runtime=state.runtime,
        runtimeRevision=state.runtime_revision,
        identities=state.identities,
        configurationTerm=state.revision.term,
        configurationCounter=state.revision.counter,
        configurationHash=state.configuration_hash,
        started=state.started,
        topologyReassigned=state.topology_reassigned,
        rebuiltGeneration=state.rebuilt_generation,
    )
    data = {
        "format": FORMAT,
        "state.json": json.dumps(stored.model_dump(), sort_keys=True),
        "accepted-spec": packed.decode(),
    }
    return data | {"signature": _sign(data, key)}


def from_data(data: Mapping[str, str], key: bytes) -> ArchitectureState:
    """Return the state from a ConfigMap's data.

    The signature is checked before anything else is read: any user who may write ConfigMaps can change the
    data.

    Raises:
        PlanError: the signature is not valid, or the data are damaged.
    """
    signed = {name: str(data.get(name, "")) for name in ("format", "state.json", "accepted-spec")}
    if not hmac.compare_digest(_sign(signed, key).encode(), str(data.get("signature", "")).encode()):
        raise PlanError("the signature is not valid")
    try:
        stored = StoredState.model_validate_json(signed["state.json"])
        return ArchitectureState(
            topology=Topology.from_json(stored.topology),
            accepted=_unpack(signed["accepted-spec"]),
            runtime=stored.runtime,
            runtime_revision=stored.runtimeRevision,
            identities=stored.identities,
            revision=Revision(stored.configurationTerm, stored.configurationCounter),
            configuration_hash=stored.configurationHash,
            started=stored.started,
            topology_reassigned=stored.topologyReassigned,
            rebuilt_generation=stored.rebuiltGeneration,
        )
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise PlanError(f"the state cannot be read: {error!r}") from error


def _unpack(text: str) -> Object:
    """Return a compressed spec, which has at most 2 MiB: etcd stores no larger object."""
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(base64.b64decode(text, validate=True), MOST_SPEC_BYTES)
    if unpacking.unconsumed_tail:
        raise ValueError(f"the spec has more than {MOST_SPEC_BYTES} bytes")
    return parse_object(plain)


def _sign(data: Mapping[str, str], key: bytes) -> str:
    return hmac.new(key, json.dumps(data, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def topology_copy(topology: Topology, key: bytes) -> str:
    """Return the signed copy of a topology: the annotation of every Deployment."""
    text = json.dumps(topology.to_json(), sort_keys=True, separators=(",", ":"))
    return json.dumps({"topology": text, "signature": _sign({"topology": text}, key)})


def from_topology_copy(text: str, key: bytes) -> Topology:
    """Return the topology of a signed copy. Raises PlanError if it is not valid."""
    try:
        copy = parse_object(text)
        topology, signature = str(copy["topology"]), str(copy["signature"])
        if not hmac.compare_digest(_sign({"topology": topology}, key).encode(), signature.encode()):
            raise PlanError("the signature is not valid")
        return Topology.from_json(parse_json(topology))
    except (KeyError, ValueError, TypeError) as error:
        raise PlanError(f"the copy of the topology cannot be read: {error!r}") from error


def is_started(data: Mapping[str, str], key: bytes) -> bool:
    """Return whether the architecture was ever Ready; False for data without a valid signature."""
    try:
        return from_data(data, key).started
    except PlanError:
        return False


def config_map(
    architecture: str, namespace: str, owner: Object, state: ArchitectureState, key: bytes
) -> Object:
    """Return the ConfigMap, signed with the state key of the Architecture."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.state_name(architecture),
            "namespace": namespace,
            "labels": {names.ARCHITECTURE: architecture},
            "ownerReferences": [owner],
        },
        "data": to_data(state, key),
    }
