"""Ranks of relevant files, against a slow oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.retrieval.evaluation.scores import ranks_of


def slow_ranks(scores, owners, relevant, own) -> list[int]:
    """Ranks from their definition: best row of each file; wrong files of the same score stand before."""
    best = {}
    for score, owner in zip(scores, owners, strict=True):
        if owner != own:
            best[owner] = max(best.get(owner, -2), score)
    right = sorted((score for owner, score in best.items() if owner in relevant), reverse=True)
    wrong = [score for owner, score in best.items() if owner not in relevant]
    return [place + sum(other >= score for other in wrong) for place, score in enumerate(right, 1)]


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 8)), max_size=40),
    relevant=st.sets(st.integers(-1, 10), max_size=4),
    own=st.integers(-1, 8),
)
def test_ranks_are_those_of_a_slow_oracle_also_where_scores_tie(rows, relevant, own):
    rows = sorted(rows, key=lambda row: -row[0])
    scores = np.array([score / 10 for score, _ in rows], np.float32)
    owners = np.array([owner for _, owner in rows], np.int64)
    expected = slow_ranks(scores.tolist(), owners.tolist(), relevant, own)
    assert ranks_of(scores, owners, relevant, own).tolist() == expected


def test_a_tie_counts_as_the_worst_rank():
    assert ranks_of(np.float32([0.9, 0.5, 0.5, 0.5]), np.arange(4), [1]).tolist() == [4]
