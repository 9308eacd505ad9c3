"""Passes of several Architectures at the same time in one operator."""

from __future__ import annotations

import asyncio
from typing import Any

from spiko_operator.handlers.architecture import reconcile
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
