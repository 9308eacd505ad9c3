"""The cost of the controllers: a thousand pods are created, placed, become ready and are deleted, without
HTTP and disk.

    PYTHONPATH=kube-devserver/tests python kube-devserver/tests/benchmarks/controllers.py [pods] [deployments]

Prints seconds of CPU, and the longest turn of the event loop, during which no request is answered.
"""

from __future__ import annotations

import sys
import time

from devserver_support.control import Control, budget, control, deployment, template
from kube_devserver.objects.kinds import BUDGETS, DEPLOYMENTS

NODES = 6
SPREAD = [
    {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"all": "yes"}},
    }
    for key in ("zone", "kubernetes.io/hostname")
]


def main() -> None:
    """Run the benchmark."""
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    apps = int(sys.argv[2]) if len(sys.argv) > 2 else 10

    async def scenario(made: Control) -> None:
        await prepare(made, apps)
        began = time.process_time()
        create_deployments(made, pods, apps)
        await until(made, lambda: sum(bool(pod["spec"].get("nodeName")) for pod in made.pods()) == pods)
        say("placed", began, made)
        began = time.process_time()
        for pod in made.pods():
            made.set_ready(pod["metadata"]["name"])
            await made.settle(0.0)
        await until(
            made,
            lambda: all(
                each.body["status"].get("availableReplicas") == pods // apps
                for each in made.store.each(DEPLOYMENTS)
            ),
        )
        say("ready", began, made)
        began = time.process_time()
        for name in made.names(DEPLOYMENTS):
            made.delete(DEPLOYMENTS, name)
        await made.settle(5.0)
        made.longest_turn()
        made.run_pods()
        await until(made, lambda: not made.pods())
        say("gone", began, made)

    control(scenario)


async def prepare(made: Control, apps: int) -> None:
    """Start the nodes, and create a disruption budget for each Deployment."""
    for number in range(NODES):
        made.start_node(f"n{number}", zone=f"z{number % 3}", **{"kubernetes.io/hostname": f"n{number}"})
    for number in range(apps):
        made.create(BUDGETS, budget(f"app-{number}", maxUnavailable="25%"))
    await made.settle()
    made.longest_turn()


def create_deployments(made: Control, pods: int, apps: int) -> None:
    """Create Deployments with spread constraints and resource requests."""
    for name in (f"app-{number}" for number in range(apps)):
        pod = template(name, topologySpreadConstraints=SPREAD)
        pod["metadata"]["labels"]["all"] = "yes"
        pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "10m", "memory": "20Mi"}}
        made.create(DEPLOYMENTS, deployment(name, pods // apps, template=pod))


async def until(made: Control, asked: object) -> None:
    """Let the controllers work."""
    assert callable(asked)
    for _ in range(100_000):
        await made.settle(0.05)
        if asked():
            return
    raise AssertionError("the controllers do not get there")


def say(what: str, began: float, made: Control) -> None:
    """Print one line of the result."""
    print(
        f"{what:8}{time.process_time() - began:8.2f} s of CPU, "
        f"longest turn {made.longest_turn() * 1000:7.0f} ms"
    )


if __name__ == "__main__":
    main()
