"""The scripts that build the images and run them in kind, with stand-ins for the commands that they call."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

VERSION = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
TOOLS = ("bash", "cat", "dirname", "env", "git", "grep", "mktemp", "paste", "rm", "sed", "sort", "wc")
UP = ("kind.sh", "up", "kind-config.yaml", "lamp")
# Writes its name and arguments to $LOG. `kind get nodes` prints the nodes of kind-config.yaml once there is a
# cluster, which $STATE says.
STAND_IN = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
case "$(basename "$0") $*" in
"kind get clusters") if [[ -e $STATE ]]; then echo spiko; fi ;;
"kind create cluster"*) touch "$STATE" ;;
"kind get nodes"*)
    if [[ -e $STATE ]]; then printf 'spiko-%s\\n' worker3 control-plane worker worker2; fi ;;
*" image inspect "*) echo sha256:1 ;;
esac
"""


class Machine:
    """A PATH with stand-ins for some commands, and what was called."""

    def __init__(self, folder: Path, *commands: str) -> None:
        self.log, self.state, self._path = folder / "log", folder / "state", folder / "bin"
        self._path.mkdir()
        for tool in (*TOOLS, "basename", "touch"):
            (self._path / tool).symlink_to(str(shutil.which(tool)))
        for command in commands:
            (self._path / command).write_text(STAND_IN)
            (self._path / command).chmod(0o755)

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script of images/ with this PATH."""
        environ = {"PATH": str(self._path), "LOG": str(self.log), "STATE": str(self.state), **variables}
        command = [str(ROOT / "images" / script), *arguments]
        return subprocess.run(command, check=False, env=environ, capture_output=True, text=True)

    def calls(self, start: str) -> list[str]:
        """Return the calls that start with these words."""
        return [line for line in self.log.read_text().splitlines() if line.startswith(start)]


@pytest.mark.parametrize(
    ("installed", "used"),
    [(("buildah",), "buildah"), (("buildah", "podman"), "podman"), (("docker", "podman"), "docker")],
)
def test_images_are_built_with_the_engine_of_the_machine(
    tmp_path: Path, installed: tuple[str, ...], used: str
) -> None:
    """Given some engines, then both images are built with docker, else podman, else buildah, and have the
    names that the operator and the chart use by default.
    """
    machine = Machine(tmp_path, *installed)

    done = machine.run("build.sh")

    assert done.returncode == 0, done.stderr
    calls = machine.calls(f"{used} build")
    names = [re.findall(r"--target (\S+) --tag (\S+) \.$", call)[0] for call in calls]
    assert names == [(image, f"docker.io/spiko/{image}:{VERSION}") for image in ("nanoservice", "operator")]
    assert len(machine.calls("")) == 2


def test_registry_tag_and_base_can_be_chosen(tmp_path: Path) -> None:
    """Given REGISTRY, TAG and BASE, then the image has this name and this base."""
    machine = Machine(tmp_path, "docker")

    machine.run("build.sh", "operator", REGISTRY="registry.example:5000", TAG="7", BASE="python:3.14-slim")

    (call,) = machine.calls("docker build")
    assert "--tag registry.example:5000/spiko/operator:7 " in call
    assert "--build-arg BASE=python:3.14-slim " in call


@pytest.mark.parametrize(
    ("script", "installed", "missing"),
    [
        (("build.sh",), (), "docker, podman or buildah"),
        (UP, (), "neither docker nor podman"),
        (UP, ("docker",), "kind"),
        (UP, ("docker", "kind"), "kubectl"),
        (UP, ("docker", "kind", "kubectl"), "helm"),
        (("kind.sh", "down"), ("docker",), "kind"),
    ],
)
def test_missing_command_is_named_in_one_line(
    tmp_path: Path, script: tuple[str, ...], installed: tuple[str, ...], missing: str
) -> None:
    """Given a command that is not installed, then the script ends with one line that names it, and has called
    nothing.
    """
    machine = Machine(tmp_path, *installed)

    done = machine.run(*script)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert missing in done.stderr
    assert not machine.log.exists()


@pytest.mark.parametrize(
    ("engine", "sends"),
    [("docker", "kind load docker-image"), ("podman", "podman save")],
    ids=["docker", "podman"],
)
def test_kind_loads_the_images_into_the_workers_alone(tmp_path: Path, engine: str, sends: str) -> None:
    """Given no cluster, when `make kind` runs, then it creates that of the configuration, loads both images
    into its workers, and installs the chart with the tag of the images.
    """
    machine = Machine(tmp_path, engine, "kind", "kubectl", "helm")

    done = machine.run(*UP)

    assert done.returncode == 0, done.stderr
    assert len(machine.calls("kind create cluster --config kind-config.yaml --wait")) == 1
    images = f"docker.io/spiko/operator:{VERSION} docker.io/spiko/nanoservice:{VERSION}"
    assert len([call for call in machine.calls(sends) if images in call]) == 1
    (load,) = machine.calls("kind load")
    assert load.endswith(" --name spiko --nodes spiko-worker,spiko-worker2,spiko-worker3")
    (install,) = machine.calls("helm upgrade --install spiko charts/spiko")
    assert f"image.tag={VERSION}" in install
    assert f"nanoservice.image.tag={VERSION}" in install
    assert "examples/lamp.yaml" in done.stdout


def test_kind_uses_a_cluster_that_exists(tmp_path: Path) -> None:
    """Given a cluster with the workers of the configuration, then a second `make kind` creates none; with
    another number of workers, it says what to do.
    """
    machine = Machine(tmp_path, "docker", "kind", "kubectl", "helm")
    machine.run(*UP)

    again = machine.run(*UP)
    other = machine.run("kind.sh", "up", "kind-config-two-regions.yaml", "lamp")

    assert again.returncode == 0, again.stderr
    assert len(machine.calls("kind create")) == 1
    assert other.returncode == 1
    assert "has 3 workers, and kind-config-two-regions.yaml has 6: run 'make kind-down' first" in other.stderr
