"""Pure: cycles in a graph, one for each strongly connected component."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def find_cycles(graph: Graph) -> Iterator[list[str]]:
    """Return one cycle of each strongly connected component: the shortest one through its first node.

    A cycle begins and ends with the same node. The time is linear in the number of nodes and edges.

    Args:
        graph: node -> targets of its edges, all of which are nodes of the graph.

    >>> list(find_cycles({"a": ["b"], "b": ["c", "b2"], "b2": ["a"], "c": [], "d": ["d"]}))
    [['a', 'b', 'b2', 'a'], ['d', 'd']]
    """
    of = _components(graph)
    done: set[int] = set()
    for node in graph:
        if of[node] not in done:
            done.add(of[node])
            cycle = _cycle(graph, of, node)
            if cycle:
                yield cycle


def callers_first(graph: Graph) -> list[str]:
    """Return the nodes in an order in which each is before the targets of its edges, except in cycles.

    >>> callers_first({"db": [], "www": ["lb"], "lb": ["db"]})
    ['www', 'lb', 'db']
    """
    return _finished(graph)[::-1]


def _components(graph: Graph) -> dict[str, int]:
    """Return node -> number of its component.

    Kosaraju's algorithm: in the reverse order of finishing, each search along reversed edges is a component.
    """
    reversed_edges: dict[str, list[str]] = {node: [] for node in graph}
    for node, ahead in graph.items():
        for other in ahead:
            reversed_edges[other].append(node)
    found: dict[str, int] = {}
    for number, node in enumerate(reversed(_finished(graph))):
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found[current] = number
                waiting += reversed_edges[current]
    return found


def _finished(graph: Graph) -> list[str]:
    """Return the nodes in the order in which a depth-first search finishes them."""
    seen: set[str] = set()
    order: list[str] = []
    for start in graph:
        if start in seen:
            continue
        seen.add(start)
        waiting = [(start, iter(graph[start]))]
        while waiting:
            node, ahead = waiting[-1]
            following = next((other for other in ahead if other not in seen), None)
            if following is None:
                order.append(node)
                waiting.pop()
            else:
                seen.add(following)
                waiting.append((following, iter(graph[following])))
    return order


def _cycle(graph: Graph, of: Mapping[str, int], start: str) -> list[str]:
    """Return the shortest path from a node back to itself; empty if there is no such path."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in graph[node]:
            if other == start:
                path = [start]
                while node != start:
                    path.append(node)
                    node = came_from[node]
                return [start, *reversed(path)]
            if of[other] == of[start] and other not in came_from:
                came_from[other] = node
                waiting.append(other)
    return []
