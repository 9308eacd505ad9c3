"""Pure: spec, objects and configuration of the state in effect, built once for each state."""

from __future__ import annotations

from dataclasses import dataclass

from spiko_nanoservice.contract import Configuration, Revision, encode
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.acceptance import parse_spec
from spiko_operator.plan.configuration import build_configuration
from spiko_operator.plan.defaults import with_defaults
from spiko_operator.plan.diff import Wanted
from spiko_operator.plan.memo import Memo
from spiko_operator.plan.network_policies import build_network_policies
from spiko_operator.plan.objects import Key, Object, owner_reference
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.ownership import object_key_of
from spiko_operator.plan.services import all_releases
from spiko_operator.plan.state import ArchitectureState, digest, topology_copy
from spiko_operator.plan.workloads import Rendering, build_all


@dataclass(frozen=True)
class Desired:
    """The desired objects of an Architecture. They are shared by all passes: copy them before a change.

    Args:
        spec: in effect.
        wanted: the objects.
    """

    spec: ArchitectureSpec
    wanted: Wanted


_DESIRED: Memo[Desired | None] = Memo()
_CONFIGURATIONS: Memo[tuple[Configuration, str]] = Memo()


def build_desired(observed: Observed, state: ArchitectureState) -> Desired | None:
    """Return what a state asks for; None if its spec does not follow the schema of this release."""
    owner = owner_reference(observed.architecture)
    settings = (observed.image, observed.has_budgets, observed.policies, observed.collector)
    arguments = (state.accepted, state.topology, state.runtime, owner, observed.state_key, *settings)

    def build() -> Desired | None:
        spec = parse_spec(state.accepted)
        if spec is None:
            return None
        copy = topology_copy(state.topology, observed.state_key)
        policies: dict[str, Object] = {}
        if observed.policies is not None:
            endpoint = (spec.telemetry.otlp_endpoint if spec.telemetry else None) or observed.collector
            policies = build_network_policies(observed.name, spec, endpoint, observed.policies)
        rendering = Rendering(
            observed.name,
            observed.namespace,
            owner,
            state.topology,
            state.runtime,
            observed.image,
            copy,
            policies,
        )
        tiers = [service.name for service in spec.services]
        objects = build_all(rendering, tiers, all_releases(spec, state.topology), observed.has_budgets)
        return Desired(spec, Wanted(objects, {object_key_of(body): with_defaults(body) for body in objects}))

    return _DESIRED.get((observed.namespace, observed.name), arguments, build)


def draft_configuration(
    observed: Observed, spec: ArchitectureSpec, state: ArchitectureState
) -> tuple[Configuration, str]:
    """Return the configuration with revision 0.0, and the digest of its content."""
    arguments = (state.accepted, state.topology, state.started, observed.collector)

    def build() -> tuple[Configuration, str]:
        draft = build_configuration(
            observed.name, spec, state.topology, Revision(0, 0), state.started, observed.collector
        )
        return draft, digest(encode(draft))

    return _CONFIGURATIONS.get((observed.namespace, observed.name), arguments, build)


def forget_desired(key: Key) -> None:
    """Drop what was built for a deleted Architecture."""
    _DESIRED.forget(key)
    _CONFIGURATIONS.forget(key)
