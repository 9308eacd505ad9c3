"""The settings of the operator, and their page."""

from __future__ import annotations

import inspect
import re

import pytest

from spiko_operator import settings
from spiko_operator.errors import SettingsError
from spiko_operator.plan.limits import Limits
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
