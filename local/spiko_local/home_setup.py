"""Prepares a home for `spiko up`: removes remains, writes plan, certificates and kubeconfig."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import SystemRandom

from spiko_local.components import Ports, kubeconfig_document
from spiko_local.errors import AlreadyUp, LocalError
from spiko_local.home import KEPT, Home, write_atomically
from spiko_local.objects import Object
from spiko_local.pki import make_pki
from spiko_local.ports import find_ports

BUILT_IN_NODES = Path(__file__).with_name("kind-config.yaml")
ADMIN = "spiko-admin"
POLL_S = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What the supervisor is to run. `remembered` are the ports of a cluster whose data were kept."""

    binaries: Path | None
    nodes: Path | None
    operator: bool
    remembered: Ports | None


def remove_remains(home: Home, say: Say) -> Ports | None:
    """Remove what an earlier cluster left in a home, except data that `down --keep` kept.

    Args:
        home: no cluster runs in it.
        say: called with lines of progress.

    Returns:
        The ports of the cluster whose data are kept; None for a new cluster.
    """
    last = home.read_last_state()
    if last is not None:
        say(f"the cluster of supervisor {last['pid']} was killed; removing its remains")
    try:
        remembered = Ports(**json.loads(home.plan.read_text())["ports"])
    except (OSError, ValueError, KeyError, TypeError):
        remembered = None
    kept = last is None and (home.etcd.is_dir() or home.objects.is_dir()) and remembered is not None
    if kept:
        say(f"using the data kept in {home.path}")
    home.remove(KEPT if kept else ())
    return remembered if kept else None


@contextmanager
def locked(home: Home, say: Say, timeout_s: float) -> Iterator[bool]:
    """Hold the lock of a home: its folder, which is created, and removed at the end if it is empty.

    Args:
        home: its folder may be missing.
        say: called with a line if another process has the lock.
        timeout_s: how long to wait for that process.

    Yields:
        Whether another process had the lock first.

    Raises:
        AlreadyUp: the other process still has it at the end of that time.
        LocalError: the folder cannot be created.
    """
    waited, end = False, time.monotonic() + timeout_s
    while (descriptor := _lock(home)) is None:
        if not waited:
            say(f"another `spiko up` or `spiko down` is at work in {home.path}; waiting for it")
        waited = True
        if time.monotonic() > end:
            raise AlreadyUp(
                f"SPIKO_HOME: {home.path}: another `spiko up` or `spiko down` is still at work after"
                f" {timeout_s:.0f} s; try again, or use another SPIKO_HOME"
            )
        time.sleep(POLL_S)
    try:
        yield waited
    finally:
        with contextlib.suppress(OSError):  # it has files
            home.path.rmdir()
        os.close(descriptor)


def _lock(home: Home) -> int | None:
    """Return a descriptor that holds the lock; None if another process has it, or has removed the folder."""
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalError(f"SPIKO_HOME: {home.path}: {error.strerror}; choose a writable directory") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(home.path)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def prepare(home: Home, setup: Setup) -> None:
    """Write plan, certificates, tokens and kubeconfig.

    Args:
        home: created, and locked.
        setup: what the supervisor is to run.
    """
    ports = find_ports(SystemRandom(), setup.remembered)
    plan = _describe(setup) | {"ports": asdict(ports)}
    # The plan comes first: it marks the folder as a cluster's, so that its files may be removed.
    write_atomically(home.plan, json.dumps(plan))
    make_pki(home.pki)
    token = secrets.token_urlsafe(32)
    write_atomically(home.pki / "tokens.csv", f'{token},{ADMIN},{ADMIN},"system:masters"\n')
    authority = base64.b64encode((home.pki / "ca.crt").read_bytes()).decode()
    document = kubeconfig_document(f"https://127.0.0.1:{ports.api}", authority, token)
    write_atomically(home.kubeconfig, json.dumps(document, indent=1))


def check_same(home: Home, setup: Setup) -> None:
    """Check that the cluster that another process has started is the one that was asked for.

    Raises:
        AlreadyUp: it has other nodes or components.
    """
    plan = json.loads(home.plan.read_text())
    for name, wanted in _describe(setup).items():
        if plan[name] != wanted:
            raise AlreadyUp(
                f"another `spiko up` has just started a local cluster here with {name}: {plan[name]},"
                f" not {wanted}; use it, or `spiko down` first"
            )


def _describe(setup: Setup) -> Object:
    return {
        "binaries": None if setup.binaries is None else str(setup.binaries.absolute()),
        "nodes": str((setup.nodes or BUILT_IN_NODES).absolute()),
        "operator": setup.operator,
    }
