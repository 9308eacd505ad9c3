#!/usr/bin/env python3
"""Build the components of a Kubernetes control plane, and the measuring tools of tests, from their Go
modules.

    python tests/support/control_plane/build.py               what the end-to-end tests need
    python tests/support/control_plane/build.py jaeger load   more, by module

The modules are the folders beside this file; their go.mod files pin every version.
The binaries are written to $SPIKO_CLUSTER_BIN, by default ~/.cache/spiko-cluster/bin. A module that has not
changed is not built again. The script needs Go 1.26 and the standard library only; with empty caches it takes
8 minutes on two cores (jaeger 4 more, prometheus 3).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_GO = (1, 26)
STRIPPED = "-s -w"  # no symbols, for half the size


@dataclass(frozen=True)
class Build:
    """One module: packages with the binary of each, and linker flags; `{version}` is that of
    k8s.io/kubernetes.

    Args:
        binaries: package and name.
        ldflags: of all of them.
        folder: of the module, if it is not beside this file.
        tags: build tags, separated by commas.
    """

    binaries: tuple[tuple[str, str], ...]
    ldflags: str = STRIPPED
    folder: str = field(default="", repr=False)  # its own path changes nothing
    tags: str = field(default="", repr=False)  # `stamp` adds them


BUILDS = {
    "etcd": Build((("go.etcd.io/etcd/server/v3", "etcd"),)),
    "kubernetes": Build(
        tuple(
            (f"k8s.io/kubernetes/cmd/{name}", name)
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        ),
        # Without these the server has version v0.0.0, and kubectl warns of the version skew.
        f"{STRIPPED} -X k8s.io/component-base/version.gitVersion={{version}} -X "
        f"k8s.io/client-go/pkg/version.gitVersion={{version}}",
    ),
    "otelcol": Build(((".", "otelcol"),)),
    "helm": Build((("helm.sh/helm/v4/cmd/helm", "helm"),)),
    "jaeger": Build((("github.com/jaegertracing/jaeger/cmd/jaeger", "jaeger"),)),
    "load": Build((("github.com/tsenart/vegeta/v12", "vegeta"),)),
    "prometheus": Build(
        tuple((f"github.com/prometheus/prometheus/cmd/{name}", name) for name in ("prometheus", "promtool")),
        tags="remove_all_sd",  # without the service discovery of every cloud, for half the size
    ),
}
DEFAULT = ("etcd", "kubernetes", "otelcol")


def binaries() -> Path:
    """Return the folder of the binaries."""
    return Path(os.environ.get("SPIKO_CLUSTER_BIN") or Path.home() / ".cache" / "spiko-cluster" / "bin")


def parse_go_version(text: str) -> tuple[int, int]:
    """Major and minor of what `go version` says; (0, 0) if it says something else.

    >>> parse_go_version("go version go1.26.8 linux/amd64")
    (1, 26)
    """
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def link_flags(build: Build, module: str) -> str:
    """The linker's flags, with the version that the module pins.

    >>> link_flags(Build((), "-X v={version}"), "require k8s.io/kubernetes v1.36.3 // indirect")
    '-X v=v1.36.3'
    """
    found = re.search(r"k8s\.io/kubernetes (v\S+)", module)
    return build.ldflags.format(version=found[1] if found else "")


def source(name: str, build: Build) -> Path:
    """Return the folder of a module."""
    return HERE / (build.folder or name)


def stamp(name: str, build: Build) -> str:
    """Return a value that changes with the module, its build flags and the kind of machine."""
    digest = hashlib.sha256(f"{build!r} {platform.system()} {platform.machine()}".encode())
    digest.update(build.tags.encode())
    for path in sorted(source(name, build).iterdir()):
        if path.suffix in (".mod", ".sum", ".go"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_fresh(name: str, build: Build, folder: Path) -> bool:
    """Whether the binaries of a module exist in this version."""
    mark = folder / f".{name}.stamp"
    present = mark.exists() and all((folder / binary).exists() for _, binary in build.binaries)
    return present and mark.read_text() == stamp(name, build)


def check_go() -> None:
    """Exit if Go is missing or too old."""
    wanted = ".".join(map(str, OLDEST_GO))
    remedy = f"Go {wanted} or newer must be on the PATH to build the control plane: https://go.dev/dl/"
    if shutil.which("go") is None:
        sys.exit(f"go: not found; {remedy}")
    version = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout.strip()
    if parse_go_version(version) < OLDEST_GO:
        sys.exit(f"go: {version!r} is too old; {remedy}")


def make(name: str, folder: Path) -> None:
    """Build one module; exit after Go's message if that fails."""
    build = BUILDS[name]
    if is_fresh(name, build, folder):
        print(f"{name}: there already", flush=True)
        return
    check_go()
    print(f"{name}: building {', '.join(binary for _, binary in build.binaries)} ...", flush=True)
    began = time.monotonic()
    flags = link_flags(build, (source(name, build) / "go.mod").read_text())
    environ = os.environ | {"CGO_ENABLED": "0"}
    # Build elsewhere, then move: running programs keep the old binary, and no program sees a partial one.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as aside:
        for package, binary in build.binaries:
            command = [
                "go",
                "build",
                "-trimpath",
                "-buildvcs=false",
                f"-tags={build.tags}",
                "-ldflags",
                flags,
                "-o",
                f"{aside}/{binary}",
                package,
            ]
            done = subprocess.run(
                command, cwd=source(name, build), env=environ, stdin=subprocess.DEVNULL, check=False
            )
            if done.returncode != 0:
                sys.exit(f"{name}: `go build {package}` failed with exit code {done.returncode}")
            print(f"  {binary} after {time.monotonic() - began:.0f} s", flush=True)
        for _, binary in build.binaries:
            Path(aside, binary).replace(folder / binary)
    (folder / f".{name}.stamp").write_text(stamp(name, build))


def main(names: list[str]) -> None:
    """Build the given modules, or the default ones."""
    unknown = [name for name in names if name not in BUILDS]
    if unknown:
        sys.exit(f"{unknown[0]}: no such module; there are {', '.join(BUILDS)}")
    folder = binaries()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Concurrent test runs must not build the same module.
        for name in names or DEFAULT:
            make(name, folder)
    print(f"binaries are in {folder}; next: spiko up --control-plane {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
