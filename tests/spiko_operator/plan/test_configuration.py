"""What a spec's telemetry becomes in the configuration of the pods."""

from __future__ import annotations

import pytest

from spiko_nanoservice.contract import DEFAULT_SAMPLES_PER_MILLION, Configuration, Revision, decode, encode
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.configuration import build_configuration
from spiko_operator.plan.topology import choose
from tests.support.settled_shop import Object, shop


def configured(telemetry: Object | None) -> Configuration:
    """Return the configuration of an Architecture with this telemetry, as a eureka reads it."""
    spec = ArchitectureSpec.model_validate({**shop()["spec"], "telemetry": telemetry}, strict=False)
    made = build_configuration("shop", spec, choose(None, {}, 1), Revision(0, 1), started=True)
    return decode(Configuration, encode(made))


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        (None, ("", False, DEFAULT_SAMPLES_PER_MILLION)),
        ({}, ("", False, DEFAULT_SAMPLES_PER_MILLION)),
        ({"compression": "None", "samplesPerMillion": 0}, ("", False, 0)),
        (
            {"otlpEndpoint": "https://otlp.example", "compression": "Gzip"},
            ("https://otlp.example", True, DEFAULT_SAMPLES_PER_MILLION),
        ),
    ],
)
def test_telemetry_is_part_of_the_configuration(
    telemetry: Object | None, expected: tuple[str, bool, int]
) -> None:
    """Given telemetry, then endpoint, compression and share of traces are those of the spec, or defaults."""
    found = configured(telemetry)

    assert expected == (found.otlp_endpoint, found.otlp_gzip, found.samples_per_million)
