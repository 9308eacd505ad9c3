"""The random changes are valid."""

from __future__ import annotations

from random import Random

import pytest

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.services import Identity, all_releases
from spiko_operator.plan.state import digest
from spiko_operator.plan.topology import choose
from spiko_operator.plan.validation.checks import check_spec
from spiko_operator.plan.validation.rule import Severity
from tests.support.random_specs import DesiredSpec, choose_change


@pytest.mark.parametrize("seed", range(5))
def test_random_changes_are_valid(seed: int) -> None:
    """Given any number of changes, then there are no errors, and the identity of
    each version stays the same.
    """
    random, desired = Random(seed), DesiredSpec("shop")
    identities: dict[tuple[str, str], Identity] = {}
    specs: set[str] = set()
    for _ in range(200):
        _, desired = choose_change(random, desired)
        raw = desired.manifest()["spec"]
        spec = ArchitectureSpec.model_validate(raw, strict=False)
        errors = [finding for finding in check_spec(desired.name, spec) if finding.severity is Severity.ERROR]
        assert errors == []
        for release in all_releases(spec, choose(None, {}, 1)):
            key = (release.tier, release.version)
            assert identities.setdefault(key, release.identity) == release.identity
        specs.add(digest(raw))

    assert len(specs) > 100
