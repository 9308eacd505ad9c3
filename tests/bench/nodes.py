"""Measure lamp on the real nodes of kind: `python -m tests.bench.nodes`.

Deletes the cluster of `make kind`, makes it again with images that the engine has in its cache, applies lamp,
and prints seconds and memory (MB) after 20 s of 100 requests/s. Nothing else should run on the machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.support.node_cluster import NodeCluster, node_cluster
from tests.support.paths import EXAMPLES, ROOT

NAMESPACE = "bench"
TRAFFIC_S = 20
KINDS = {"-": "operator", "eureka": "eureka"}  # by tier
# One line for each process of Spiko: the module, the tier or -, PSS in kB.
READ = """for p in /proc/[0-9]*; do
  c=$(tr '\\0' ' ' <$p/cmdline) 2>/dev/null; case $c in 'python3 -m spiko_'*) ;; *) continue;; esac
  t=$(tr '\\0' '\\n' <$p/environ | sed -n 's/^SPIKO_TIER=//p')
  s=$(sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' $p/smaps_rollup)
  echo ${c#python3 -m } ${t:--} $s
done"""


def read_memory(cluster: NodeCluster) -> dict[str, list[float]]:
    """Return the PSS of all processes of Spiko in MB, by kind."""
    found: dict[str, list[float]] = defaultdict(list)
    for node in cluster.workers():
        for line in cluster.engine("exec", node, "sh", "-c", READ).splitlines():
            _, tier, kilobytes = line.split()
            kind = KINDS.get(tier, "pod of a tier")
            found[kind].append(int(kilobytes) / 1000)
    return found


def main() -> None:
    """Print a table."""
    subprocess.run(["images/build.sh"], cwd=ROOT, check=True, stdout=sys.stderr)
    subprocess.run(["images/kind.sh", "down"], cwd=ROOT, check=True, stdout=sys.stderr)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, node_cluster(Path(folder)) as cluster:
        rows = [("make kind, images in the engine's cache", f"{time.monotonic() - began_s:.0f} s")]
        cluster.make_namespace(NAMESPACE)
        for name in ("first", "again"):
            began_s = time.monotonic()
            cluster.apply((EXAMPLES / "lamp.yaml").read_text(), NAMESPACE)
            cluster.until_settled("lamp", NAMESPACE, 120)
            rows.append((f"lamp, from apply to Ready, {name}", f"{time.monotonic() - began_s:.1f} s"))
            if name == "first":
                cluster.kubectl("delete", "arch", "lamp", "-n", NAMESPACE)
                cluster.until("the end of the pods", lambda: not cluster.uids(NAMESPACE), 90)
        time.sleep(TRAFFIC_S)
        for kind, sizes in sorted(read_memory(cluster).items()):
            rows.append((f"{kind}, PSS, mean of {len(sizes)}", f"{statistics.mean(sizes):.1f} MB"))
        (resident,) = (
            sample.value
            for sample in cluster.operator_metrics()
            if sample.name == "process_resident_memory_bytes"
        )
        rows.append(("operator, RSS", f"{resident / 1e6:.0f} MB"))
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    print("\n".join(f"{name:<45}{value:>10}" for name, value in rows))


if __name__ == "__main__":
    main()
