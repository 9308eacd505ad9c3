"""What the random changes promise."""

from __future__ import annotations

from random import Random

import pytest

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.services import Identity, all_releases
from spiko_operator.plan.state import digest
from spiko_operator.plan.topology import choose
from spiko_operator.plan.validation.checks import check_spec
from spiko_operator.plan.validation.findings import Severity
from tests.support.random_specs import Wish, choose_change


@pytest.mark.parametrize("seed", range(5))
def test_every_wish_can_be_carried_out(seed: int) -> None:
    """However often it changes: no error is found, and a version's identity stays what it was."""
    random, wish = Random(seed), Wish("shop")
    identities: dict[tuple[str, str], Identity] = {}
    specs: set[str] = set()
    for _ in range(200):
        _, wish = choose_change(random, wish)
        raw = wish.manifest()["spec"]
        spec = ArchitectureSpec.model_validate(raw, strict=False)
        errors = [finding for finding in check_spec(wish.name, spec) if finding.severity is Severity.ERROR]
        assert errors == []
        for release in all_releases(spec, choose(None, {}, 1)):
            key = (release.tier, release.version)
            assert identities.setdefault(key, release.identity) == release.identity
        specs.add(digest(raw))

    assert len(specs) > 100
