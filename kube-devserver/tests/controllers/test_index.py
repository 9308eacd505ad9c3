"""The index of selectors finds the objects whose selector matches some labels."""

from __future__ import annotations

from kube_devserver.controllers.index import SelectorIndex


def test_only_selectors_that_match_are_found() -> None:
    """Given several selectors, when labels are looked up, then only those that match are found."""
    index = SelectorIndex()
    index.put(("a", "web"), {"matchLabels": {"app": "web"}})
    index.put(("a", "db"), {"matchLabels": {"app": "db"}})
    index.put(("a", "any"), {"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    index.put(("b", "web"), {"matchLabels": {"app": "web"}})

    assert {("a", "web"), ("a", "any")} == set(index.selecting("a", {"app": "web", "tier": "x"}))
    assert [] == index.selecting("a", {})


def test_a_selector_can_be_replaced_and_removed() -> None:
    """Given a selector, when it is replaced or removed, then the old one is not found any longer."""
    index = SelectorIndex()
    index.put(("a", "web"), {"matchLabels": {"app": "web"}})
    index.put(("a", "web"), {"matchLabels": {"app": "shop"}})

    assert [] == index.selecting("a", {"app": "web"})
    assert [("a", "web")] == index.selecting("a", {"app": "shop"})
    index.remove(("a", "web"))
    assert [] == index.selecting("a", {"app": "shop"})
