"""Passes of several Architectures at the same time in one operator."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from spiko_operator.handlers.architecture import reconcile
from spiko_operator.plan.limits import Limits
from spiko_operator.plan.reevaluation import REEVALUATE_S
from tests.spiko_operator.handlers.test_refused import Api, RunningOperator

Object = dict[str, Any]


class SlowApi(Api):
    """An API server whose first write waits until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def apply(self, body: Object, manager: str) -> Object:
        """Keep the object."""
        self.reached.set()
        await self.go.wait()
        return await super().apply(body, manager)


async def test_a_name_that_is_accepted_and_not_yet_applied_is_taken() -> None:
    """Given a pass that accepted an Architecture and has written nothing yet, when another one that needs the
    same name is created in the same second, with the lesser name, then it is rejected.
    """
    api = SlowApi()
    running = RunningOperator(api)
    running.put("db", name="shop-cart")
    first = asyncio.create_task(reconcile(running.context, ("default", "shop-cart")))
    await api.reached.wait()
    running.put("cart-db")
    assert REEVALUATE_S == await reconcile(running.context, ("default", "shop"))
    api.go.set()
    await first

    assert "NameTaken" == running.condition("Accepted", "shop")["reason"]
    assert "Valid" == running.condition("Accepted", "shop-cart")["reason"]
    assert ("Deployment", "shop-cart-db-1-0-0-z0") in running.api.objects


async def test_a_deleted_architecture_reserves_no_name() -> None:
    """Given an accepted Architecture that is deleted, then its names are not reserved."""
    running = RunningOperator()
    running.put("cart-db")
    await reconcile(running.context, ("default", "shop"))
    running.cache.drop("Architecture", running.api.objects.pop(("Architecture", "shop")))
    await reconcile(running.context, ("default", "shop"))
    assert {} == running.context.reserved


async def test_specs_accepted_at_the_same_time_stay_within_the_limit_of_all() -> None:
    """Given a limit of nine pods, when three Architectures of four pods each are planned at the same time,
    then two of them are accepted; the third one is when another one is deleted.
    """
    api = SlowApi()
    running = RunningOperator(api)
    running.context.settings = replace(running.context.settings, limits=Limits(all_pods=9))
    names = ("a", "b", "c")
    for name in names:
        running.put("db", name=name)  # one pod, and three eurekas
    tasks = [asyncio.create_task(reconcile(running.context, ("default", name))) for name in names]
    await api.reached.wait()
    api.go.set()
    await asyncio.gather(*tasks)

    verdicts = {name: running.condition("Accepted", name) for name in names}
    assert ["OperatorLimit", "Valid", "Valid"] == sorted(each["reason"] for each in verdicts.values())
    rejected = next(name for name, each in verdicts.items() if each["reason"] == "OperatorLimit")
    assert "asks for 4 pods, and the others have 8; the limit is 9" in verdicts[rejected]["message"]

    gone = next(name for name in names if name != rejected)
    running.cache.drop("Architecture", api.objects.pop(("Architecture", gone)))
    for name in (gone, rejected):
        await reconcile(running.context, ("default", name))
    assert "Valid" == running.condition("Accepted", rejected)["reason"]
