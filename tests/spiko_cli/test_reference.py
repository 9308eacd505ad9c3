"""The generated pages of the reference."""

from __future__ import annotations

import pytest

from spiko_cli.program import COMMANDS
from spiko_cli.reference import pages
from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_every_page_is_up_to_date(name: str) -> None:
    """Given a generated page, then `make generate` would not change it."""
    assert pages()[name] == (FOLDER / name).read_text()


def test_every_field_and_command_has_a_description() -> None:
    """Given all pages, then each field has a description and each command a section."""
    undescribed = [
        f"{name}: {line}"
        for name in ("architecture.md", "fault.md")
        for line in pages()[name].splitlines()
        if line.startswith("| `") and not line.split("|")[4].strip()
    ]

    assert [] == undescribed
    assert all(f"## spiko {name}\n" in pages()["commands.md"] for name in COMMANDS)
