"""Ids of groups from one run to the next."""

from __future__ import annotations

import numpy as np

from mmsearch.library.groups.kept import Kept, matched

ROWS = np.arange(10)


def groups(text: str) -> np.ndarray:
    """``aab-`` → 0, 0, 1, -1."""
    return np.array([-1 if letter == "-" else ord(letter) - ord("a") for letter in text])


def test_a_group_continues_the_one_that_it_shares_most_files_with():
    assert dict(matched(ROWS, groups("aaaaabbbbb"), ROWS, groups("bbbbbbaaaa"))) == {1: 0, 0: 1}


def test_of_two_halves_the_larger_one_keeps_the_id():
    assert matched(ROWS, groups("aaaaaaaaaa"), ROWS, groups("aaaabbbbbb")) == [(1, 0)]


def test_files_that_came_or_went_do_not_count():
    old, new = np.arange(10), np.arange(8, 40)
    assert matched(old, groups("aaaaaaaaaa"), new, np.zeros(32, np.int64)) == [(0, 0)]
    assert matched(old, groups("aaaaaaaaaa"), np.arange(50, 60), groups("aaaaaaaaaa")) == []


def test_groups_that_share_little_are_two():
    assert matched(ROWS, groups("aaaaaaaaaa"), ROWS, groups("abcdefghij")) == []
    assert matched(ROWS, groups("aaaaaaaa--"), ROWS, groups("-------aaa")) == []


def test_scopes_have_groups_of_their_own_and_no_number_twice(mine):
    kept = Kept.read(mine)
    for scope in ("one", "two"):
        numbers = kept.numbered(scope, ROWS, groups("aaaaabbbbb"), 2)
        facts = [{"group": n, "kind": "look", "name": f"n{n}", "is_sure": True, "words": []} for n in numbers.tolist()]
        kept.put(scope, [1, 2], ROWS, numbers[groups("aaaaabbbbb")], np.ones(10, np.float32), facts)
    assert kept.write(mine) is None
    again = Kept.read(mine)
    assert again.of_scope("one")[1].tolist() == [1] * 5 + [2] * 5
    assert again.of_scope("two")[1].tolist() == [3] * 5 + [4] * 5
    assert again.numbered("two", ROWS, groups("bbbbbaaaaa"), 3).tolist() == [4, 3, 5]
    assert again.stands == {"one": [1, 2], "two": [1, 2]}


def test_a_number_is_never_used_again(mine):
    kept = Kept.read(mine)
    kept.put("s", [0], ROWS, kept.numbered("s", ROWS, groups("aaaaaaaaaa"), 1)[groups("aaaaaaaaaa")], np.ones(10), [])
    kept.put("s", [0], ROWS[:0], ROWS[:0], np.ones(0), [])
    kept.write(mine)
    assert Kept.read(mine).numbered("s", ROWS, groups("aaaaaaaaaa"), 1).tolist() == [2]


def test_scopes_of_long_ago_are_forgotten(mine):
    kept = Kept.read(mine)
    for i in range(40):
        kept.put(f"scope {i}", [i], ROWS, kept.numbered(f"scope {i}", ROWS, ROWS, 10), np.ones(10), [])
    kept.write(mine)
    assert len(Kept.read(mine).stands) == 16
    assert len(Kept.read(mine).rows) == 160
