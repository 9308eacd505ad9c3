"""All commands and manifests of README and docs, page by page, as a reader would enter them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local_cluster import resting
from tests.support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PAGES = ["README.md", "docs/getting-started.md", "docs/troubleshooting.md"]
SET_UP = "python3 -m venv"  # CI runs these lines, which install everything


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def newcomer() -> Iterator[Path]:
    """A folder with the files of a clone, and a separate home."""
    with tempfile.TemporaryDirectory(prefix="spk") as name, resting():
        folder = Path(name)
        for entry in ("examples", "kind-config.yaml", "kind-config-two-regions.yaml"):
            (folder / entry).symlink_to(ROOT / entry)
        yield folder
        environ = os.environ | {"HOME": name}
        subprocess.run(
            [sys.executable, "-m", "spiko_cli", "down"], env=environ, check=True, capture_output=True
        )


@pytest.mark.usefixtures("cluster")  # the `newcomer` fixture stops it for the test
@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(newcomer: Path, page: str) -> None:
    """Given a page, then its commands succeed in their order, in one shell."""
    lines = [block for block in blocks(page, "sh") if not block.startswith(SET_UP)]
    assert lines
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {k: v for k, v in os.environ.items() if k not in ("SPIKO_HOME", "KUBECONFIG", "XDG_STATE_HOME")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", "\n".join(lines)],
        env=environ | {"HOME": str(newcomer), "PATH": path},
        cwd=newcomer,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=280,
    )

    assert 0 == done.returncode, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_every_page_with_commands_is_listed() -> None:
    """Given a page with commands, then it is in the list of pages above."""
    pages = [path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))]
    found = sorted(
        str(page) for page in pages if any(not b.startswith(SET_UP) for b in blocks(str(page), "sh"))
    )

    assert sorted(PAGES) == found
