"""Hits on a terminal are grouped by kind, unless one kind is clearly the best."""

from __future__ import annotations

import pytest

from mmsearch import Hit
from mmsearch.cli.hit_groups import grouped


def hits(*kinds_and_levels):
    """Hits of such modalities and levels, ranked in this order."""
    return [
        Hit(
            rank=rank,
            score=0.3,
            match=0.0,
            id=rank,
            path=f"/{rank}",
            state="current",
            evidence=(),
            modality=modality,
            level=level,
        )
        for rank, (modality, level) in enumerate(kinds_and_levels, 1)
    ]


def shown(*kinds_and_levels):
    """The headings, and the ranks below each."""
    return [(group.heading, [hit.rank for hit in group.hits]) for group in grouped(hits(*kinds_and_levels))]


def test_groups_stand_in_the_order_of_their_best_hit_and_each_in_order_of_rank():
    assert shown(
        ("audio", "strong"), ("image", "strong"), ("audio", "likely"), ("video", "weak"), ("image", "weak")
    ) == [
        ("sounds", [1, 3]),
        ("pictures", [2, 5]),
        ("films", [4]),
    ]


def test_hits_of_one_kind_are_one_list():
    assert shown(("text", "strong"), ("text", "weak")) == [("", [1, 2])]
    assert shown() == [("", [])]


def test_if_the_best_level_of_one_kind_is_the_highest_all_are_one_list():
    assert shown(("image", "strong"), ("text", "likely"), ("image", "likely"), ("audio", "weak")) == [
        ("", [1, 2, 3, 4])
    ]


def test_a_kind_that_shares_the_highest_level_is_not_clearly_the_best():
    assert [heading for heading, _ in shown(("image", "likely"), ("text", "likely"), ("audio", "weak"))] == [
        "pictures",
        "texts",
        "sounds",
    ]


@pytest.mark.parametrize("level", [None, "strong"])
def test_where_the_levels_of_a_kind_are_not_known_no_kind_is_clearly_the_best(level):
    assert [heading for heading, _ in shown(("image", level), ("text", None))] == ["pictures", "texts"]
