"""What the README promises about its own set-up."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
SET_UP = re.findall(r"^```sh\n(python3 -m venv .*)\n```$", README, re.MULTILINE)


def test_two_commands_do_all_the_set_up() -> None:
    """One runs lamp, one the tests; both begin with a fresh machine's Python and nothing else."""
    assert 2 == len(SET_UP)
    assert SET_UP[0].endswith("spiko run examples/lamp.yaml")
    assert SET_UP[1].endswith("pytest --all")
    assert README.count("pip install") == 2


@pytest.mark.parametrize("command", SET_UP)
def test_ci_runs_them_as_they_stand(command: str) -> None:
    """To the letter: what a newcomer types is what is checked."""
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(ROOT)) for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
)
def test_links_lead_somewhere(page: str) -> None:
    """Every file that a page links to is there, and every heading."""
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}, target
