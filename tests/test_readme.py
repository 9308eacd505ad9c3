"""The README's set-up commands, and the links of all pages."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
SET_UP = re.findall(r"^```sh\n(python3 -m venv .*)\n```$", README, re.MULTILINE)


def test_readme_has_two_set_up_commands() -> None:
    """Given a machine with Python only, then one command runs lamp, and another one the tests."""
    assert 2 == len(SET_UP)
    assert SET_UP[0].endswith("spiko run examples/lamp.yaml")
    assert SET_UP[1].endswith("pytest --all -n 2")
    assert README.count("pip install") == 2


@pytest.mark.parametrize("command", SET_UP)
def test_ci_runs_the_set_up_commands(command: str) -> None:
    """Given a set-up command of the README, then CI runs it literally."""
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(ROOT)) for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
)
def test_links_have_targets(page: str) -> None:
    """Given a page, then every file and every heading that it links to exists."""
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}, (
                target
            )
