"""The settings of the operator, and their page."""

from __future__ import annotations

import inspect
import re

import pytest

from spiko_operator import settings
from spiko_operator.errors import SettingsError
from spiko_operator.plan.limits import Limits
from spiko_operator.plan.network_policies import PolicySettings
from spiko_operator.settings import read_settings
from tests.support.paths import ROOT

VARIABLE = re.compile(r"\b(?:SPIKO_[A-Z_]+|KUBECONFIG)\b")
ROWS = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)


def test_the_page_has_every_setting_and_its_default() -> None:
    """Given the variables in the code, then the page lists each of them, with the limit that applies."""
    assert {name for name, _ in ROWS} == set(VARIABLE.findall(inspect.getsource(settings)))
    defaults = {name: int(text) for name, text in ROWS if text.isdigit() and name.startswith("SPIKO_MAX_")}
    assert read_settings({name: str(number) for name, number in defaults.items()}).limits == Limits()
    assert len(defaults) == 4


def test_limits_are_read() -> None:
    """Given limits and patterns, then they are those of the settings."""
    limits = read_settings(
        {
            "SPIKO_MAX_PODS_PER_ARCHITECTURE": "7",
            "SPIKO_MAX_OBJECTS": "9",
            "SPIKO_ALLOWED_IMAGES": "spiko/*, registry.example/*,",
            "SPIKO_ALLOWED_COLLECTORS": "",
        }
    ).limits

    assert Limits(pods=7, all_objects=9, images=("spiko/*", "registry.example/*")) == limits


@pytest.mark.parametrize("value", ["0", "-1", "1e3", "1000001", "²", "many"])
def test_a_limit_that_is_not_a_number_is_rejected(value: str) -> None:
    """Given a value outside the range, then the error names the variable and the value."""
    with pytest.raises(
        SettingsError, match=f"SPIKO_MAX_PODS: '{value}': must be an integer from 1 to 1000000"
    ):
        read_settings({"SPIKO_MAX_PODS": value})


def test_leader_election_is_on_by_default_and_can_be_switched_off() -> None:
    """Given no value, `true` or `false`, then it is the setting; another value is an error."""
    assert read_settings({}).leader_election
    assert read_settings({"SPIKO_LEADER_ELECTION": "true"}).leader_election
    assert not read_settings({"SPIKO_LEADER_ELECTION": "false"}).leader_election
    with pytest.raises(SettingsError, match="SPIKO_LEADER_ELECTION: 'no': must be true or false"):
        read_settings({"SPIKO_LEADER_ELECTION": "no"})


def test_network_policies_are_read() -> None:
    """Given the settings for NetworkPolicies, then they are read; without the first there are none."""
    others = {"SPIKO_API_SERVER_BLOCKS": "10.0.0.0/24, fd00::/8", "SPIKO_OPERATOR_NAMESPACE": "spiko-system"}
    policies = read_settings({"SPIKO_NETWORK_POLICIES": "true", **others}).policies

    assert policies == PolicySettings("spiko-system", ("10.0.0.0/24", "fd00::/8"))
    assert read_settings(others).policies is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPIKO_NETWORK_POLICIES", "yes"),
        ("SPIKO_API_SERVER_BLOCKS", "10.0.0.1/24"),
        ("SPIKO_PROMETHEUS_NAMESPACE", "Monitoring"),
    ],
)
def test_a_wrong_setting_of_network_policies_is_rejected(name: str, value: str) -> None:
    """Given a wrong value, then the error names the variable and the value."""
    with pytest.raises(SettingsError, match=f"{name}: .*{value}"):
        read_settings({"SPIKO_NETWORK_POLICIES": "true", name: value})


def test_default_collector_and_disruption_budgets_are_read() -> None:
    """Given values, then they are those of the settings; by default, no collector and budgets."""
    default = read_settings({})
    given = read_settings(
        {"SPIKO_DEFAULT_COLLECTOR": "http://otel.monitoring:4318", "SPIKO_DISRUPTION_BUDGETS": "false"}
    )

    assert ("", True) == (default.default_collector, default.disruption_budgets)
    assert ("http://otel.monitoring:4318", False) == (given.default_collector, given.disruption_budgets)
    assert ("", True) == (
        read_settings({"SPIKO_DEFAULT_COLLECTOR": ""}).default_collector,
        read_settings({"SPIKO_DISRUPTION_BUDGETS": ""}).disruption_budgets,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPIKO_DEFAULT_COLLECTOR", "otel:4318"),
        ("SPIKO_DEFAULT_COLLECTOR", "http://otel:99999"),
        ("SPIKO_DEFAULT_COLLECTOR", "http://otel:4318\n"),
        ("SPIKO_DEFAULT_COLLECTOR", f"http://{'a' * 249}"),
        ("SPIKO_DISRUPTION_BUDGETS", "no"),
        ("SPIKO_DISRUPTION_BUDGETS", "False"),
    ],
)
def test_a_collector_or_a_switch_that_is_not_valid_is_rejected(name: str, value: str) -> None:
    """Given a value that is not valid, then the error names the variable, the value and what is allowed."""
    with pytest.raises(SettingsError, match=re.escape(f"{name}: {value!r}: must be ")):
        read_settings({name: value})


def test_pods_are_deleted_only_if_the_settings_say_so() -> None:
    """Given no value, then the operator may not delete pods; given one that is not true or false, then the
    error names the variable.
    """
    read = {text: read_settings({"SPIKO_ALLOW_DELETE": text}).allow_delete for text in ("", "false", "true")}
    assert {"": False, "false": False, "true": True} == read
    assert not read_settings({}).allow_delete
    with pytest.raises(SettingsError, match="SPIKO_ALLOW_DELETE: 'yes': must be true or false"):
        read_settings({"SPIKO_ALLOW_DELETE": "yes"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("0.0.0.0:8081", ("0.0.0.0", 8081)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::]:65535", ("::", 65535)),
    ],
)
def test_the_address_of_the_http_server_is_read(text: str, address: tuple[str, int] | None) -> None:
    """Given an address, then address and port are those of the settings."""
    assert address == read_settings({"SPIKO_HTTP_LISTEN": text}).http_listen


@pytest.mark.parametrize(
    "text", ["8081", ":8081", "localhost:8081", "0.0.0.0:0", "0.0.0.0:65536", "http://0.0.0.0:8081"]
)
def test_another_address_of_the_http_server_is_rejected(text: str) -> None:
    """Given no IP address or no port, then the error has the value and an example."""
    with pytest.raises(
        SettingsError, match=r"SPIKO_HTTP_LISTEN: .* must be an IP address and a port, such as"
    ):
        read_settings({"SPIKO_HTTP_LISTEN": text})
