"""Prepares a home for `spiko up`: removes remains, writes plan, certificates and kubeconfig."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import SystemRandom

from spiko_local.components import Ports, kubeconfig_document
from spiko_local.errors import AlreadyUp
from spiko_local.home import KEPT, Home, write_atomically
from spiko_local.pki import make_pki
from spiko_local.ports import find_ports

BUILT_IN_NODES = Path(__file__).with_name("kind-config.yaml")
ADMIN = "spiko-admin"
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
def locked(home: Home) -> Iterator[None]:
    """Hold a lock on the home's folder, which leaves no file behind.

    Raises:
        AlreadyUp: another `spiko up` holds it.
    """
    descriptor = os.open(home.path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AlreadyUp(
            f"{home.path}: another `spiko up` is running here; wait for it, or use another SPIKO_HOME"
        ) from error
    finally:
        os.close(descriptor)


def prepare(home: Home, setup: Setup) -> None:
    """Write plan, certificates, tokens and kubeconfig.

    Args:
        home: created, and locked.
        setup: what the supervisor is to run.
    """
    ports = find_ports(SystemRandom(), setup.remembered)
    plan = {
        "binaries": None if setup.binaries is None else str(setup.binaries.absolute()),
        "nodes": str((setup.nodes or BUILT_IN_NODES).absolute()),
        "ports": asdict(ports),
        "operator": setup.operator,
    }
    # The plan comes first: it marks the folder as a cluster's, so that its files may be removed.
    write_atomically(home.plan, json.dumps(plan))
    make_pki(home.pki)
    token = secrets.token_urlsafe(32)
    write_atomically(home.pki / "tokens.csv", f'{token},{ADMIN},{ADMIN},"system:masters"\n')
    authority = base64.b64encode((home.pki / "ca.crt").read_bytes()).decode()
    document = kubeconfig_document(f"https://127.0.0.1:{ports.api}", authority, token)
    write_atomically(home.kubeconfig, json.dumps(document, indent=1))
