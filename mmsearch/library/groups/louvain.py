"""Communities of a weighted graph by modularity: the method of Louvain (Blondel and others, 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_ROUNDS = 20
_LEAST_GAIN = 1e-12

Neighbours = list[dict[int, float]]
"""Of each node, the weights of the edges to its neighbours; never one to itself."""


def communities(
    heads: NDArray[np.integer],
    tails: NDArray[np.integer],
    weights: NDArray[np.floating],
    count: int,
    *,
    resolution: float = 1.0,
    start: NDArray[np.integer] | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Split a graph into communities, within which there is more weight than chance would put there.

    The same graph gives the same communities every time.

    Args:
        heads: one end of each undirected edge, ``[e]``; each edge once, no loops.
        tails: the other end.
        weights: of the edges, above 0.
        count: of nodes.
        resolution: above 1 for more and smaller communities, below 1 for fewer.
        start: communities to begin with, ``[count]``, -1 for a node on its own; default each is on its own. What was
            found before in much the same graph stays much the same.
        seed: of the order in which nodes are looked at.

    Returns:
        The community of each node, int64 ``[count]``, numbered from 0 by their first nodes.
    """
    neighbours: Neighbours = [{} for _ in range(count)]
    for head, tail, weight in zip(heads.tolist(), tails.tolist(), weights.tolist(), strict=True):
        neighbours[head][tail] = weight
        neighbours[tail][head] = weight
    loops = [0.0] * count
    found = np.arange(count)
    random = np.random.default_rng(seed)
    members = list(range(count)) if start is None else _begun(start)
    while True:
        _move(members, neighbours, loops, resolution, random.permutation(len(neighbours)).tolist())
        numbers = _numbered(members)
        if len(numbers) == len(members):
            numbers = _numbered(found.tolist())
            return np.array([numbers[node] for node in found.tolist()], np.int64)
        joined = np.array([numbers[member] for member in members], np.int64)
        found = joined[found]
        neighbours, loops = _joined(neighbours, loops, joined.tolist(), len(numbers))
        members = list(range(len(numbers)))


def _numbered(members: list[int]) -> dict[int, int]:
    """Numbers from 0 for communities, in the order in which they are met."""
    numbers: dict[int, int] = {}
    for member in members:
        numbers.setdefault(member, len(numbers))
    return numbers


def _begun(start: NDArray[np.integer]) -> list[int]:
    """Communities as numbers of nodes: that of the first node of each."""
    first: dict[int, int] = {}
    return [node if mark < 0 else first.setdefault(mark, node) for node, mark in enumerate(start.tolist())]


def _move(members: list[int], neighbours: Neighbours, loops: list[float], resolution: float, order: list[int]) -> None:
    """Move nodes to the communities of neighbours until none gains by it; ``members``: the community of each node."""
    degrees = [sum(near.values()) + 2 * loop for near, loop in zip(neighbours, loops, strict=True)]
    whole = sum(degrees) or 1.0
    totals = [0.0] * len(members)
    for member, degree in zip(members, degrees, strict=True):
        totals[member] += degree
    for _ in range(_MOST_ROUNDS):
        has_moved = False
        for node in order:
            old, degree = members[node], degrees[node]
            links: dict[int, float] = {}
            for other, weight in neighbours[node].items():
                member = members[other]
                links[member] = links.get(member, 0.0) + weight
            totals[old] -= degree
            share = resolution * degree / whole
            best, most = old, links.get(old, 0.0) - share * totals[old]
            for member, weight in links.items():
                if weight - share * totals[member] > most + _LEAST_GAIN:
                    best, most = member, weight - share * totals[member]
            totals[best] += degree
            if best != old:
                members[node] = best
                has_moved = True
        if not has_moved:
            break


def _joined(
    neighbours: Neighbours, loops: list[float], joined: list[int], count: int
) -> tuple[Neighbours, list[float]]:
    """The graph whose nodes are the communities of another: its edges, and what lies within each."""
    near: Neighbours = [{} for _ in range(count)]
    within = [0.0] * count
    for node, loop in enumerate(loops):
        mine = joined[node]
        within[mine] += loop
        for other, weight in neighbours[node].items():
            theirs = joined[other]
            if theirs == mine:
                within[mine] += weight / 2
            else:
                near[mine][theirs] = near[mine].get(theirs, 0.0) + weight
    return near, within
