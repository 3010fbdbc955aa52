"""Lists of results are kept within bounds, and continued without repeats."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmsearch import Hit
from mmsearch.serve import paging
from mmsearch.serve.paging import ResultList, ResultLists

HIT = Hit(id=0, path="/a", modality="image", state="current", rank=1, score=0.5, match=1.0, evidence=("look",))


def hits(*ids: int) -> list[Hit]:
    return [replace(HIT, id=row_id, rank=rank) for rank, row_id in enumerate(ids, 1)]


def test_a_longer_list_begins_with_what_was_given_out():
    results = ResultList(1)
    results.extend(hits(3, 1, 2), 3)
    assert not results.is_whole
    results.extend(hits(1, 3, 5, 2, 4), 6)
    assert [b'"id": %d' % row_id in one for row_id, one in zip((3, 1, 2, 5, 4), results.hits, strict=True)] == [
        True
    ] * 5
    assert [b'"rank": %d' % rank in one for rank, one in enumerate(results.page(1, 2), 2)] == [True] * 2
    assert results.is_whole


@pytest.mark.parametrize(("bound", "most"), [("_MOST_HITS", 10), ("_MOST_LISTS", 2)])
def test_lists_that_were_not_asked_for_longest_go(monkeypatch, bound, most):
    monkeypatch.setattr(paging, bound, most)
    lists = ResultLists()
    for name in "abc":
        kept = ResultList(1)
        kept.extend(hits(1, 2, 3, 4), 4)
        lists.put(name, kept)
        lists.get("a", 1)
    assert [name for name in "abc" if lists.get(name, 1)] == ["a", "c"]
    grown = lists.get("a", 1)
    grown.extend(hits(*range(30)), 30)
    lists.put("a", grown)
    assert lists.get("a", 1) is grown
    assert lists.get("a", 2) is None


def test_the_last_list_is_kept_however_long_it_is(monkeypatch):
    monkeypatch.setattr(paging, "_MOST_HITS", 3)
    lists = ResultLists()
    long = ResultList(1)
    long.extend(hits(1, 2, 3, 4), 4)
    lists.put("long", long)
    assert lists.get("long", 1) is long
