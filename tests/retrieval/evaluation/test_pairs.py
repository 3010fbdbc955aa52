"""PAIRS files that state moments."""

from __future__ import annotations

import json

import pytest

from mmsearch.errors import UsageError
from mmsearch.retrieval.evaluation.pairs import read_pairs


def write(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_pair_may_state_the_moments_that_answer_it(tmp_path):
    path = write(
        tmp_path / "pairs.jsonl",
        {"query": "a goal", "relevant": ["match.mp4"], "spans": [[61, 66.5], [120.25, 122]]},
        {"query": "a goal", "relevant": ["match.mp4"], "spans": []},
        {"query": "a goal", "relevant": ["match.mp4"]},
    )
    assert [pair.spans for pair in read_pairs(path)] == [((61.0, 66.5), (120.25, 122.0)), (), ()]


def test_a_query_may_be_a_file_and_paths_are_relative_to_the_pairs(tmp_path):
    line = {"query_file": "sounds/bark.wav", "relevant": ["films/../films/dog.mp4"], "spans": [[0, 1]]}
    (pair,) = read_pairs(write(tmp_path / "pairs.jsonl", line))
    assert pair.query is None
    assert pair.query_file == str(tmp_path / "sounds" / "bark.wav").encode()
    assert pair.relevant == (str(tmp_path / "films" / "dog.mp4").encode(),)


@pytest.mark.parametrize(
    "spans", [[[5, 5]], [[6, 5]], [[1]], [[1, 2, 3]], [5, 6], "1-2", [["a", "b"]], 7, [[0, 1], [3, 2]], None]
)
def test_spans_that_are_none_are_named_by_their_line(tmp_path, spans):
    good = {"query": "a", "relevant": ["1.mp4"]}
    path = write(tmp_path / "pairs.jsonl", good, {**good, "spans": spans})
    with pytest.raises(UsageError, match=r"pairs\.jsonl line 2 is no pair; a line looks like") as error:
        read_pairs(path)
    assert "\n" not in str(error.value)
