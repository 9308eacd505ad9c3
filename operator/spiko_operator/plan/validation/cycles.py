"""Pure: cycles in a graph, one for each set of nodes that reach each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def find_cycles(graph: Graph) -> Iterator[list[str]]:
    """One cycle of each strongly connected component: the shortest through its first node, which is both its first and its last entry.

    Takes time in proportion to nodes and edges.

    Args:
        graph: node -> where its edges lead; every one of these is a node as well.

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


def _components(graph: Graph) -> dict[str, int]:
    """Node -> the number of its component. Kosaraju's two passes: by the order of finishing, then along the edges turned round."""
    against: dict[str, list[str]] = {node: [] for node in graph}
    for node, ahead in graph.items():
        for other in ahead:
            against[other].append(node)
    found: dict[str, int] = {}
    for number, node in enumerate(reversed(_finished(graph))):
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found[current] = number
                waiting += against[current]
    return found


def _finished(graph: Graph) -> list[str]:
    """All nodes, each after all that it leads to unless they lead back."""
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
    """The shortest way from a node back to itself; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in graph[node]:
            if other == start:
                way = [start]
                while node != start:
                    way.append(node)
                    node = came_from[node]
                return [start, *reversed(way)]
            if of[other] == of[start] and other not in came_from:
                came_from[other] = node
                waiting.append(other)
    return []
