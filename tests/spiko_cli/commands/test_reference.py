"""The generated pages of the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiko_cli.program import COMMANDS
from spiko_cli.reference import pages

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_every_page_is_fresh(name: str) -> None:
    """`make generate` would change nothing."""
    assert pages()[name] == (FOLDER / name).read_text()


def test_every_field_and_command_says_what_it_is() -> None:
    """A table without words is no reference."""
    wordless = [
        f"{name}: {line}"
        for name in ("architecture.md", "fault.md")
        for line in pages()[name].splitlines()
        if line.startswith("| `") and not line.split("|")[4].strip()
    ]

    assert [] == wordless
    assert all(f"## spiko {name}\n" in pages()["commands.md"] for name in COMMANDS)
