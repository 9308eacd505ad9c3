"""What an image holds: the packages that it uses and no others, with bytecode."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.image_files import image_files
from tests.support.keys import volumes_root
from tests.support.loopback_cluster import until
from tests.support.name_service import name_service
from tests.support.paths import ROOT

EUREKA, TIER = "127.0.82.1", "127.0.82.2"


@pytest.fixture(scope="module")
def nanoservice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the nanoservice's image."""
    return image_files("nanoservice", tmp_path_factory.mktemp("nanoservice"))


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the operator's image."""
    return image_files("operator", tmp_path_factory.mktemp("operator"))


def python(*words: str) -> list[str]:
    """Return a command that runs Python without the packages of this environment."""
    return [sys.executable, "-S", "-B", *words]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of an image, as in the Containerfile."""
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def pod(folder: Path, package: str, address: str, resolver: str, log: Path) -> AsyncIterator[None]:
    """Run a pod from the files of the image; Python writes every import to `log`."""
    environ = environment(folder) | {
        "SPIKO_ARCHITECTURE": "arch",
        "SPIKO_TIER": package,
        "SPIKO_PACKAGE": package,
        "SPIKO_POD_NAME": f"{package}-0",
        "SPIKO_POD_IP": address,
        "SPIKO_BIND_ADDRESS": address,
        "SPIKO_EUREKA": "arch-eureka",
        "SPIKO_RESOLVER": resolver,
        "SPIKO_VOLUMES_ROOT": volumes_root(),
    }
    command = python("-v", "-m", "spiko_nanoservice")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def run_linked_pods(folder: Path, logs: Path) -> list[str]:
    """Run a eureka and a tier until both have loaded the WebSocket protocol of their link; return their
    output.
    """
    files = [logs / "eureka.log", logs / "tier.log"]
    async with AsyncExitStack() as stack:
        resolver = await stack.enter_async_context(name_service(EUREKA))
        for package, address, log in (("eureka", EUREKA, files[0]), ("store", TIER, files[1])):
            await stack.enter_async_context(pod(folder, package, address, resolver, log))
        await until(lambda: all("import 'wsproto'" in log.read_text() for log in files), 30.0)
    return [log.read_text() for log in files]


def loaded(output: str) -> set[str]:
    """Return the packages and modules at the top level that `python -v` has reported."""
    names = {name.partition(".")[0] for name in re.findall(r"^import '([^']+)'", output, re.MULTILINE)}
    return {name for name in names if not name.startswith("_cython_")}  # made by compiled modules


def compiled(output: str, folder: Path) -> list[str]:
    """Return the modules below a folder for which `python -v` found no bytecode."""
    return re.findall(rf"^# code object from '?({re.escape(str(folder))}/.*\.py)'?$", output, re.MULTILINE)


def test_nanoservice_holds_its_own_packages_only(nanoservice: Path) -> None:
    """Given the image of the nanoservice, then it holds the nanoservice, three packages, and one that they
    need.
    """
    found = {path.name for path in nanoservice.iterdir() if not path.name.endswith(".dist-info")}

    assert found == {"spiko_nanoservice", "httptools", "uvloop", "wsproto", "h11"}


async def test_nanoservice_loads_its_own_packages_only(nanoservice: Path, tmp_path: Path) -> None:
    """Given a eureka and a tier from the image, when they have linked, then they have loaded nothing but the
    standard library and the packages of the image, and no module was compiled.
    """
    own = {"spiko_nanoservice", "httptools", "uvloop", "wsproto", "h11"}

    for output in await run_linked_pods(nanoservice, tmp_path):
        assert loaded(output) - sys.stdlib_module_names == own
        assert compiled(output, nanoservice) == []


def test_operator_loads_every_module(operator: Path) -> None:
    """Given the image of the operator, which lacks most of the `kubernetes` package, when all modules of the
    operator are imported, then none is missing and none is compiled.
    """
    code = (
        "import importlib, pkgutil, spiko_operator as o\n"
        "found = [m.name for m in pkgutil.walk_packages(o.__path__, 'spiko_operator.')]\n"
        "[importlib.import_module(name) for name in found]\n"
        "import kubernetes.aio.client as c, kubernetes.aio.config\n"
        "print(len(found), c.__version__)"
    )
    command = python("-v", "-c", code)
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment(operator), timeout=60
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert compiled(done.stderr, operator) == []
    assert int(done.stdout.split()[0]) > 50


def test_operator_reads_its_version(operator: Path) -> None:
    """Given the image of the operator, then its default nanoservice image has the version of the project."""
    code = "from spiko_operator.settings import read_settings; print(read_settings({}).image)"
    done = subprocess.run(
        python("-c", code), check=True, capture_output=True, text=True, env=environment(operator)
    )
    version = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]

    assert done.stdout.strip() == f"spiko/nanoservice:{version}"


def test_operator_connects_with_what_is_left_of_the_client(operator: Path, tmp_path: Path) -> None:
    """Given a kubeconfig with an address where no server listens, when the operator of the image sends a
    request, then the error names the address: the client works up to the socket.
    """
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "c", "user": {"token": "t"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            }
        )
    )
    code = (
        "import asyncio, sys\n"
        "from spiko_operator.cluster.connection import Connection\n"
        "async def main():\n"
        "    connection = await Connection.connect(sys.argv[1], None, 5.0)\n"
        "    try:\n"
        "        await connection.request('GET', '/version')\n"
        "    finally:\n"
        "        await connection.close()\n"
        "asyncio.run(main())"
    )
    command = python("-c", code, str(kubeconfig))
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment(operator), timeout=60
    )

    assert done.returncode == 1
    assert "spiko_operator.errors.ClusterError: GET /version" in done.stderr


@pytest.mark.parametrize(("image", "most_mb"), [("nanoservice", 25), ("operator", 80)])
def test_image_is_small(image: str, most_mb: float, request: pytest.FixtureRequest) -> None:
    """Given the files of an image, then they leave room below the goals, 40 and 150 MB above the base image,
    for the bytecode of the standard library.
    """
    folder: Path = request.getfixturevalue(image)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert size / 1e6 <= most_mb


@pytest.mark.parametrize("image", ["nanoservice", "operator"])
def test_every_package_keeps_its_license(image: str, request: pytest.FixtureRequest) -> None:
    """Given the files of an image, then every package has its metadata there, and Spiko its license."""
    folder: Path = request.getfixturevalue(image)

    assert all((path / "METADATA").is_file() for path in folder.glob("*.dist-info"))
    assert [path.name for path in folder.glob("spiko-*.dist-info/licenses/*")] == ["LICENSE"]
