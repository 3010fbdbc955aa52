"""Communities of graphs."""

from __future__ import annotations

import numpy as np

from mmsearch.library.groups.louvain import communities


def cliques(count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Complete graphs in a row, each joined to the next by one edge."""
    edges = [(c * size + i, c * size + j) for c in range(count) for i in range(size) for j in range(i + 1, size)]
    edges += [(c * size, (c + 1) * size) for c in range(count - 1)]
    heads, tails = np.array(edges).T
    return heads, tails, np.ones(len(edges))


def test_cliques_are_communities():
    found = communities(*cliques(5, 6), 30)
    assert found.tolist() == np.repeat(np.arange(5), 6).tolist()


def test_weak_edges_join_nothing():
    heads, tails, weights = cliques(2, 4)
    weights[-1] = 1e-3
    assert communities(heads, tails, weights, 8).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    weights[-1] = 1e3
    assert communities(heads, tails, weights, 8)[0] == communities(heads, tails, weights, 8)[4]


def test_a_higher_resolution_gives_more_communities():
    graph = cliques(12, 4)
    coarse, fine = (len(set(communities(*graph, 48, resolution=r).tolist())) for r in (0.1, 2.0))
    assert coarse < 12 <= fine


def test_nodes_without_edges_stay_alone():
    assert communities(np.array([0]), np.array([2]), np.ones(1), 4).tolist() == [0, 1, 0, 2]
    nothing = np.empty(0, np.int64)
    assert communities(nothing, nothing, np.empty(0), 3).tolist() == [0, 1, 2]
    assert communities(nothing, nothing, np.empty(0), 0).tolist() == []


def test_it_begins_where_it_is_told_to():
    """A ring of equal nodes splits anywhere; told where, it stays there."""
    count = 24
    heads = np.arange(count)
    tails = (heads + 1) % count
    for shift in range(4):
        start = ((heads + shift) % count) // 4
        found = communities(np.minimum(heads, tails), np.maximum(heads, tails), np.ones(count), count, start=start)
        assert all(len(set(found[start == group].tolist())) == 1 for group in range(6)), shift
