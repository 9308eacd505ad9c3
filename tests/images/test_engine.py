"""The images themselves: built, inspected and started by a container engine.

These tests run if SPIKO_TEST_IMAGES is set, as in `SPIKO_TEST_IMAGES=1 python -m pytest tests/images`; the
engine is docker or podman, and BASE is used as by `make images`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from tests.support.paths import ROOT

ENGINE = os.environ.get("ENGINE") or next((name for name in ("docker", "podman") if shutil.which(name)), "")
TAG = "spiko-test"
IMAGES = ("nanoservice", "operator")
MOST_MB = {"nanoservice": 40, "operator": 150}  # above the base image
PORT = 18082

pytestmark = [
    pytest.mark.skipif(
        not (os.environ.get("SPIKO_TEST_IMAGES") and ENGINE),
        reason="needs docker or podman, and SPIKO_TEST_IMAGES=1",
    ),
    pytest.mark.timeout(600),
]


def engine(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine."""
    return subprocess.run([ENGINE, *words], check=check, capture_output=True, text=True)


def name(image: str) -> str:
    """Return the name of an image under test."""
    return f"docker.io/spiko/{image}:{TAG}"


def inspect(reference: str) -> dict[str, Any]:
    """Return what the engine knows about an image."""
    found: dict[str, Any] = json.loads(engine("image", "inspect", reference).stdout)[0]
    return found


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    """Both images, built by the script."""
    subprocess.run([ROOT / "images/build.sh"], check=True, env=os.environ | {"ENGINE": ENGINE, "TAG": TAG})


class Pod(NamedTuple):
    """A tier in a container, and the time before its start."""

    container: str
    start: float


@pytest.fixture
def pod() -> Iterator[Pod]:
    """A tier in a container with a read-only file system."""
    variables = {"ARCHITECTURE": "a", "TIER": "t", "PACKAGE": "store", "BIND_PORT": str(PORT)}
    options = [word for key, value in variables.items() for word in ("--env", f"SPIKO_{key}={value}")]
    limits = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    container = engine(
        "create", "--network", "host", "--memory", "32m", *limits, *options, name("nanoservice")
    ).stdout.strip()
    start = time.monotonic()
    engine("start", container)
    yield Pod(container, start)
    engine("rm", "--force", container)


@pytest.mark.parametrize("image", IMAGES)
def test_image_names_its_user_and_labels(image: str) -> None:
    """Given an image, then its user is a number, which `runAsNonRoot` needs, and its labels describe it."""
    config = inspect(name(image))["Config"]
    labels = {key.removeprefix("org.opencontainers.image."): text for key, text in config["Labels"].items()}

    assert config["User"] == "65532:65532"
    assert labels["title"] == f"spiko-{image}"
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert all(labels[key] for key in ("base.name", "description", "revision", "vendor"))


@pytest.mark.parametrize("image", IMAGES)
def test_image_is_small(image: str) -> None:
    """Given an image, then it adds at most 40 MB (nanoservice) or 150 MB (operator) to its base."""
    found = inspect(name(image))
    base = inspect(found["Config"]["Labels"]["org.opencontainers.image.base.name"])

    assert (found["Size"] - base["Size"]) / 1e6 <= MOST_MB[image]


@pytest.mark.parametrize("image", IMAGES)
def test_image_has_neither_compiler_nor_pip(image: str) -> None:
    """Given an image, then it has no C compiler, no pip, and no copy of pip that Python could unpack."""
    code = "import importlib.util as u; print([m for m in ('pip', 'ensurepip') if u.find_spec(m)])"
    script = f'command -v cc gcc clang pip pip3; python3 -c "{code}"'
    done = engine("run", "--rm", "--entrypoint", "sh", name(image), "-c", script)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("image", IMAGES)
def test_start_compiles_no_module(image: str) -> None:
    """Given a container with a read-only file system, when its entry point is imported, then every module has
    its bytecode in the image.
    """
    modules = {
        "nanoservice": "runpy, uvloop, spiko_nanoservice.tier.pod, spiko_nanoservice.eureka.pod",
        "operator": "runpy, kopf, spiko_operator.__main__, spiko_operator.main",
    }
    python = ("--entrypoint", "python3", name(image), "-v", "-c", f"import {modules[image]}")
    done = engine("run", "--rm", "--read-only", *python, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert re.findall(r"^# code object from (\S+\.py)$", done.stderr, re.MULTILINE) == []


def first_answer(pod: Pod) -> int:
    """Return the status of the first answer; 0 if there is none within 30 s."""
    status = 0
    while not status and time.monotonic() < pod.start + 30:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=1)
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    return status


def test_nanoservice_answers_within_a_second(pod: Pod) -> None:
    """Given a read-only container without capabilities and with 32 MB, then it answers within 1 s of its
    start.
    """
    assert first_answer(pod) == 200
    assert time.monotonic() - pod.start <= 1.0


def test_nanoservice_needs_at_most_16_mb_of_its_own(pod: Pod) -> None:
    """Given a container that has answered, then at most 16 MB of its memory are not pages of files, which the
    pods of a node share, so that each is within the goal of 20 MB. Modules that are compiled at the start
    would need 3 MB more.
    """
    first_answer(pod)
    code = "print(open('/proc/1/smaps_rollup').read())"
    rollup = engine("exec", pod.container, "python3", "-c", code).stdout
    (anonymous_kib,) = re.findall(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)

    assert int(anonymous_kib) * 1024 / 1e6 <= 16
