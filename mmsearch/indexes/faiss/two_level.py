"""Centroids in two levels: some 16,000 lists and more are clustered, and rows assigned to them, through groups of them.

To compare a row with 65,536 centroids takes 34 million products; to train so many by k-means takes 64 times as long as
to assign. So the centroids are clustered themselves: the *groups*, some 2·√lists of them, are trained first, and each
is then divided into lists by the rows that it got. A row is compared with all groups, and with the lists of the nearest
ones.

In files this is FAISS's own: the coarse quantizer is an `IndexIVFFlat` whose lists are the groups and whose rows are
the centroids, so that FAISS can search the index as it is. Queries are compared with all centroids (`centroids`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmsearch.indexes.faiss.centroids import centroids_of
from mmsearch.indexes.gpu import flat_on_gpu
from mmsearch.indexes.vectors import Float32, Positions
from mmsearch.unit import normalize_rows

PROBED_GROUPS = 8
"""The lists of so many groups are compared with a row: see decision 50 for the rows that miss their nearest list."""

_ITERATIONS = 10
_REFINEMENTS = 5
_ROWS_PER_GROUP = 256  # rows that the groups are trained on, for each
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class TwoLevels:
    """Centroids of lists, numbered so that those of a group are neighbours.

    Attributes:
        groups: centroids of the groups, float32 ``[groups, dim]``.
        centroids: of the lists, float32 ``[lists, dim]``.
        group_of: the group of each list, ascending, int64 ``[lists]``.
    """

    groups: Float32
    centroids: Float32
    group_of: Positions

    @classmethod
    def train(cls, sample: Float32, lists: int, groups: int, seed: int) -> TwoLevels:
        """Cluster rows float32 ``[n, dim]`` into ``groups``, and these into ``lists`` in all: at most n of both.

        A group gets lists by its share of the rows. The lists are then refined by a few iterations over all of them,
        in which a row may go to a list of another group. Takes n · (groups + c · lists / groups) · dim products an
        iteration, with c = 1 and then `PROBED_GROUPS`, where k-means takes n · lists · dim.
        """
        groups = min(groups, lists)
        few = sample[:: max(1, len(sample) // (_ROWS_PER_GROUP * groups))]
        tops = _cluster(few, groups, seed)
        owner = _flat(tops).search(sample, 1)[1][:, 0]
        order = np.argsort(owner, kind="stable")
        sizes = np.bincount(owner, minlength=groups)
        shares = _allocate(sizes, lists)
        ends = np.cumsum(sizes)
        parts = [
            _cluster(sample[np.sort(order[end - size : end])], share, seed)
            for end, size, share in zip(ends, sizes, shares, strict=True)
            if share
        ]
        levels = cls(tops, np.concatenate(parts), np.repeat(np.arange(groups), shares))
        for _ in range(_REFINEMENTS):
            levels = levels._refined(sample)
        return levels

    def _refined(self, sample: Float32) -> TwoLevels:
        """All centroids moved to the mean direction of the rows that are nearest to them."""
        assigner = self.assigner()
        sums = np.zeros(self.centroids.shape, np.float32)
        for start in range(0, len(sample), _BLOCK_ROWS):
            rows = sample[start : start + _BLOCK_ROWS]
            lists = assigner.search(rows, 1)[1][:, 0]
            order = np.argsort(lists, kind="stable")
            present, firsts = np.unique(lists[order], return_index=True)
            sums[present] += np.add.reduceat(rows[order], firsts, axis=0)
        filled = np.any(sums != 0, axis=1)
        centroids = np.where(filled[:, None], normalize_rows(np.where(filled[:, None], sums, 1)), self.centroids)
        groups = self.groups.copy()
        of_group = np.zeros(groups.shape, np.float32)
        np.add.at(of_group, self.group_of, sums)
        moved = np.any(of_group != 0, axis=1)
        groups[moved] = normalize_rows(of_group[moved])
        return TwoLevels(groups, centroids, self.group_of)

    @classmethod
    def of(cls, quantizer: Any) -> TwoLevels:
        """What `store` put into a coarse quantizer."""
        import faiss

        quantizer = faiss.downcast_index(quantizer)
        group_of = np.empty(quantizer.ntotal, np.int64)
        for group in range(quantizer.nlist):
            size = quantizer.invlists.list_size(group)
            if size:
                group_of[faiss.rev_swig_ptr(quantizer.invlists.get_ids(group), size)] = group
        return cls(centroids_of(quantizer.quantizer).copy(), centroids_of(quantizer), group_of)

    def store(self, quantizer: Any) -> None:
        """Put the centroids into an empty coarse quantizer of an index (an `IndexIVFFlat`)."""
        import faiss

        quantizer = faiss.downcast_index(quantizer)
        quantizer.quantizer.reset()
        quantizer.quantizer.add(np.ascontiguousarray(self.groups))
        quantizer.quantizer.is_trained = quantizer.is_trained = True
        quantizer.reset()
        numbers, centroids = np.arange(len(self.centroids)), np.ascontiguousarray(self.centroids)
        arrays = (centroids, numbers, self.group_of)
        quantizer.add_core(len(numbers), *(faiss.swig_ptr(array) for array in arrays))
        quantizer.make_direct_map()  # FAISS looks up single centroids when it encodes what lies between them and rows
        quantizer.nprobe = min(PROBED_GROUPS, len(self.groups))

    def transformed(self, matrix: Float32) -> TwoLevels:
        """The same with all centroids multiplied by ``matrix``."""
        return TwoLevels(self.groups @ matrix.T, self.centroids @ matrix.T, self.group_of)

    def assigner(self, probed: int = PROBED_GROUPS) -> Assigner:
        """Finds the nearest list of rows, within the ``probed`` nearest groups."""
        return Assigner(self, probed)


def is_two_level(quantizer: Any) -> bool:
    """Whether a coarse quantizer has two levels of centroids."""
    import faiss

    return isinstance(faiss.downcast_index(quantizer), faiss.IndexIVFFlat)


class Assigner:
    """Finds the nearest list of rows. Has the ``search`` of a FAISS index, for one neighbour."""

    def __init__(self, levels: TwoLevels, probed: int) -> None:
        self._groups = _flat(levels.groups)
        self._probed = min(probed, len(levels.groups))
        self._numbers = [np.flatnonzero(levels.group_of == group) for group in range(len(levels.groups))]
        self._indexes = [_flat(levels.centroids[numbers]) for numbers in self._numbers]

    def search(self, rows: Float32, k: int) -> tuple[Float32, Positions]:
        """Inner product with the nearest centroid and number of its list for each of ``rows``, both ``[n, 1]``.

        Rows of a group are compared with its lists at once: many products of matrices, few looks at memory.
        """
        assert k == 1
        rows = np.ascontiguousarray(rows, np.float32)
        groups = self._groups.search(rows, self._probed)[1]
        nearness = np.full(len(rows), -np.inf, np.float32)
        lists = np.zeros(len(rows), np.int64)
        order = np.argsort(groups, axis=None, kind="stable")
        members = order // self._probed
        ends = np.cumsum(np.bincount(groups.ravel(), minlength=len(self._indexes)))
        for group, (index, end) in enumerate(zip(self._indexes, ends, strict=True)):
            some = members[(ends[group - 1] if group else 0) : end]
            if not len(some) or not index.ntotal:
                continue
            near, best = (found[:, 0] for found in index.search(rows[some], 1))
            better = near > nearness[some]
            nearness[some[better]] = near[better]
            lists[some[better]] = self._numbers[group][best[better]]
        return nearness[:, None], lists[:, None]


def _flat(centroids: Float32) -> Any:
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids))
    return index


def _cluster(rows: Float32, count: int, seed: int) -> Float32:
    """Spherical k-means by inner products, as FAISS trains inverted files for them; float32 ``[count, dim]``."""
    import faiss

    clustering = faiss.Clustering(rows.shape[1], int(count))
    clustering.niter, clustering.seed, clustering.spherical = _ITERATIONS, seed + 1234, True
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, max(1, len(rows))
    nearest = flat_on_gpu(faiss.IndexFlatIP(rows.shape[1]), rows.size * count * _ITERATIONS)
    clustering.train(np.ascontiguousarray(rows), nearest)
    centroids: Float32 = faiss.vector_to_array(clustering.centroids).reshape(-1, rows.shape[1])
    return centroids


def _allocate(sizes: Positions, total: int) -> Positions:
    """``total`` lists divided by the sizes of groups: none gets more than its rows, and only an empty one gets none."""
    shares = np.clip(total * sizes // int(sizes.sum()), np.minimum(sizes, 1), sizes)
    while shares.sum() < total:
        shares[np.argmax(np.where(shares < sizes, sizes / np.maximum(shares, 1), -1))] += 1
    while shares.sum() > total:
        shares[np.argmin(np.where(shares > 1, sizes / np.maximum(shares, 1), np.inf))] -= 1
    return shares
